//! Progress bars on a terminal: one for each transfer that runs, and one for all files.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Style;
use crate::event::{Snapshot, Track};
use crate::messages::transfer as upload;
use crate::messages::units;
use crate::transfer::STALLED;

/// Largest number of bars besides the one of all files; what runs beyond it is shown by that one only.
const MOST: usize = 8;

/// The bars. They are drawn only if standard error is a terminal, and never with `--plain`.
#[derive(Debug)]
pub(super) struct Bars {
    drawn: Option<MultiProgress>,
    running: BTreeMap<Track, ProgressBar>,
    /// Bar of all files; `None` for one file.
    all: Option<ProgressBar>,
}

impl Bars {
    /// Creates no bar yet.
    #[must_use]
    pub(super) fn new(style: Style) -> Self {
        let drawn = (style != Style::Plain && io::stderr().is_terminal())
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        Self { drawn, running: BTreeMap::new(), all: None }
    }

    /// Shows the progress of a transfer.
    pub(super) fn progress(&mut self, track: Track, name: &str, snapshot: &Snapshot) {
        if let Some(bar) = self.of(track, name, snapshot.file_total) {
            bar.set_position(snapshot.file_bytes);
            let is_sent = snapshot.file_total > 0 && snapshot.file_bytes >= snapshot.file_total;
            bar.set_message(if is_sent {
                upload::WAITING_FOR_END.to_owned()
            } else {
                text(snapshot.file_bytes, snapshot.file_total, &pace(snapshot))
            });
        }
    }

    /// Shows a sentence in place of the numbers of a transfer that has a bar.
    pub(super) fn say(&mut self, track: Track, words: &'static str) {
        if let Some(bar) = self.running.get(&track) {
            bar.set_message(words);
        }
    }

    /// Shows the progress of all files: `2 of 5`, the bytes, and the pace since the first byte.
    pub(super) fn all(&mut self, files: (u64, u64), bytes: (u64, u64), elapsed: Duration) {
        let Some(bars) = &self.drawn else { return };
        let bar = self.all.get_or_insert_with(|| {
            let bar = bars.add(ProgressBar::new(bytes.1));
            bar.set_style(style());
            bar
        });
        bar.set_length(bytes.1);
        bar.set_position(bytes.0);
        bar.set_prefix(format!("{} of {} files", files.0, files.1));
        bar.set_message(text(bytes.0, bytes.1, &mean_pace(bytes, elapsed)));
    }

    /// Removes the bar of a transfer that has ended.
    pub(super) fn remove(&mut self, track: Track) {
        if let (Some(bar), Some(bars)) = (self.running.remove(&track), &self.drawn) {
            bar.finish_and_clear();
            bars.remove(&bar);
        }
    }

    /// Removes all bars.
    pub(super) fn clear(&mut self) {
        for bar in std::mem::take(&mut self.running).into_values().chain(self.all.take()) {
            bar.finish_and_clear();
        }
    }

    /// Lets `print` write lines above the bars.
    pub(super) fn above(&self, print: impl FnOnce()) {
        match &self.drawn {
            Some(bars) => bars.suspend(print),
            None => print(),
        }
    }

    fn of(&mut self, track: Track, name: &str, total: u64) -> Option<&ProgressBar> {
        let bars = self.drawn.as_ref()?;
        if !self.running.contains_key(&track) {
            if self.running.len() >= MOST {
                return None;
            }
            let bar = ProgressBar::new(total);
            let bar = match &self.all {
                Some(all) => bars.insert_before(all, bar),
                None => bars.add(bar),
            };
            bar.set_style(style());
            bar.set_prefix(name.to_owned());
            self.running.insert(track, bar);
        }
        self.running.get(&track)
    }
}

/// Returns the form of a bar: name, bar, numbers. The bar takes what the others leave.
fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix:20!} {wide_bar} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Returns the numbers of a bar: `71 %  74.1 of 104 MiB  412 MiB/s, ETA 2 s`.
fn text(done: u64, total: u64, pace: &str) -> String {
    // An empty file is complete.
    let percent = (u128::from(done) * 100).checked_div(u128::from(total)).unwrap_or(100).min(100);
    format!("{percent:>3} %  {}  {pace}", units::of(done, total))
}

/// Returns the present rate and the ETA, or for how long no byte has moved.
fn pace(snapshot: &Snapshot) -> String {
    let idle = Duration::from_millis(snapshot.idle_ms);
    if idle >= STALLED {
        return upload::stalled(idle);
    }
    let eta = snapshot.eta_ms.map(|ms| format!(", {}", upload::eta(Duration::from_millis(ms))));
    format!("{}{}", units::rate(snapshot.rate_now), eta.unwrap_or_default())
}

/// Returns the mean rate of all files and the ETA that follows from it.
fn mean_pace((done, total): (u64, u64), elapsed: Duration) -> String {
    let rate = done as f64 / elapsed.as_secs_f64();
    if done == 0 || !rate.is_finite() {
        return String::new();
    }
    let left = Duration::try_from_secs_f64(total.saturating_sub(done) as f64 / rate).unwrap_or(Duration::MAX);
    format!("{}, {}", units::rate(rate), upload::eta(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stalls_says_for_how_long_and_has_no_eta() {
        let snapshot = Snapshot { rate_now: 1048.0 * 1024.0, eta_ms: Some(61_400), ..Snapshot::default() };
        assert_eq!(pace(&snapshot), "1.02 MiB/s, ETA 1 min 1 s");
        assert_eq!(pace(&Snapshot { idle_ms: 12_300, ..snapshot }), "stalled 12 s");
        assert_eq!(pace(&Snapshot { eta_ms: None, ..snapshot }), "1.02 MiB/s");
    }

    #[test]
    fn a_bar_has_percent_bytes_and_pace() {
        assert_eq!(text(512 << 10, 1 << 20, "x"), " 50 %  512 KiB of 1 MiB  x");
        assert_eq!(text(0, 0, ""), "100 %  0 B  ");
        // A file that grew while it was sent.
        assert_eq!(text(3, 2, "x"), "100 %  3 of 2 B  x");
        assert_eq!(mean_pace((1 << 20, 3 << 20), Duration::from_secs(2)), "512 KiB/s, ETA 4 s");
        assert_eq!(mean_pace((0, 9), Duration::from_secs(2)), "");
        assert_eq!(mean_pace((1, 9), Duration::ZERO), "");
    }
}
