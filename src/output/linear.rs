//! Linear output (`--plain`), for screen readers and logs: whole sentences, one a line, and no line is drawn over.
//!
//! A long upload has a line of progress at each further tenth, at most every [`OFTEN`]; a slow one at least every
//! [`SELDOM`]. An upload that takes less than [`OFTEN`] has none.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::event::{Named, Snapshot, State, Track};
use crate::messages::transfer::{self as upload, RECEIPTED_BEFORE};
use crate::messages::{Escaped, capital, units};
use crate::transfer::STALLED;

/// Shortest time between two lines of progress.
const OFTEN: Duration = Duration::from_secs(3);
/// Longest time without a line of progress, while bytes move.
const SELDOM: Duration = Duration::from_secs(60);

/// What lines of progress are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whole {
    /// One upload, or one lane of a race.
    One(Track),
    /// All uploads of a run.
    All,
}

/// Decides when progress is printed.
#[derive(Debug, Default)]
pub(super) struct Linear {
    said: BTreeMap<Whole, Said>,
}

/// The line that was printed last, or the beginning.
#[derive(Debug, Clone, Copy)]
struct Said {
    tenth: u64,
    at: Instant,
    is_stalled: bool,
}

impl Linear {
    /// Returns the percentage to print, if a line is due; `done` is of `total` bytes.
    fn due(&mut self, whole: Whole, (done, total): (u64, u64), now: Instant) -> Option<u64> {
        let percent = percent(done, total);
        let tenth = percent / 10;
        let said = self.said.entry(whole).or_insert(Said { tenth, at: now, is_stalled: false });
        // A retry begins again.
        said.tenth = said.tenth.min(tenth);
        let waited = now.saturating_duration_since(said.at);
        let is_due = percent < 100 && ((tenth > said.tenth && waited >= OFTEN) || waited >= SELDOM);
        is_due.then(|| {
            *said = Said { tenth, at: now, is_stalled: false };
            percent
        })
    }

    /// Returns a line about one upload or lane, if one is due.
    pub(super) fn one(&mut self, track: Track, name: &str, of: &Snapshot, now: Instant) -> Option<String> {
        let whole = Whole::One(track);
        let idle = Duration::from_millis(of.idle_ms);
        if idle >= STALLED {
            let said = self.said.entry(whole).or_insert(Said { tenth: 0, at: now, is_stalled: false });
            let is_news = !std::mem::replace(&mut said.is_stalled, true);
            let is_sent = of.file_total > 0 && of.file_bytes >= of.file_total;
            return is_news.then(|| {
                if is_sent {
                    format!("{name} is sent; the server has not finished yet.")
                } else {
                    format!("{name} has stalled: no byte was sent for {}.", units::clock(idle))
                }
            });
        }
        if let Some(said) = self.said.get_mut(&whole) {
            said.is_stalled = false;
        }
        let percent = self.due(whole, (of.file_bytes, of.file_total), now)?;
        let left = of.eta_ms.map(|ms| left(Duration::from_millis(ms))).unwrap_or_default();
        let rate = units::rate(of.rate_now);
        Some(format!("{name}: {percent} percent, {}, {rate}{left}.", units::of(of.file_bytes, of.file_total)))
    }

    /// Returns a line about all uploads, if one is due.
    pub(super) fn all(
        &mut self,
        files: (u64, u64),
        bytes: (u64, u64),
        elapsed: Duration,
        now: Instant,
    ) -> Option<String> {
        let percent = self.due(Whole::All, bytes, now)?;
        let rate = units::rate_of(bytes.0, elapsed.as_secs_f64());
        let sent = units::of(bytes.0, bytes.1);
        Some(format!("{} of {} files: {percent} percent, {sent}, {rate}.", files.0, files.1))
    }

    /// Forgets an upload that ended.
    pub(super) fn forget(&mut self, track: Track) {
        self.said.remove(&Whole::One(track));
    }
}

/// Returns the whole percent; an empty file is complete.
fn percent(done: u64, total: u64) -> u64 {
    let percent = (u128::from(done) * 100).checked_div(u128::from(total)).unwrap_or(100);
    u64::try_from(percent).unwrap_or(100).min(100)
}

fn left(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        ", less than a second left".to_owned()
    } else {
        format!(", about {} left", units::clock(time))
    }
}

/// Returns the line of an upload that arrived.
pub(super) fn arrived(name: &Escaped, state: &State, last: &Snapshot, is_verbose: bool) -> String {
    let word = capital(upload::state(state));
    let State::Stored { name: there, named, receipt, earlier } = state else {
        return format!("{word} {name}: {}; the server gave no receipt.", upload::sent(last));
    };
    if last.wire_total == 0 {
        return format!("{word} {name}: {RECEIPTED_BEFORE}.");
    }
    let as_name = match named {
        Named::Wanted => format!(", accepted as {there}"),
        Named::Stored if there == name => String::new(),
        Named::Stored => format!(" as {there}"),
    };
    let says = |which: &str, path: Option<&Path>| match path {
        Some(path) if is_verbose => format!(" The {which} is {}.", Escaped::path(path)),
        _ => String::new(),
    };
    let receipt = says("receipt", receipt.as_deref());
    let before = says("earlier receipt", earlier.as_ref().and_then(|earlier| earlier.receipt.as_deref()));
    format!("{word} {name}{as_name}: {}.{receipt}{before}", upload::arrived(state, &upload::sent(last)))
}

/// Returns the lines of a message as sentences. What is indented belongs to the line before it, which ends in a colon.
pub(crate) fn sentences(message: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in message.lines() {
        match lines.last_mut().filter(|before| before.ends_with(':') && line.starts_with(' ')) {
            Some(before) => *before = format!("{before} {}", line.trim()),
            None => lines.push(line.to_owned()),
        }
    }
    lines.iter().map(|line| sentence(line)).collect::<Vec<_>>().join("\n")
}

/// Returns a line with a capital and a full stop, and without the blanks that align columns.
fn sentence(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    let first = words.first().copied().unwrap_or_default();
    // The first word may be an address or a name, which stays as it is.
    let is_word = first.trim_end_matches(':').bytes().all(|byte| byte.is_ascii_lowercase());
    let line = if is_word { capital(&line) } else { line };
    let has_end = line.is_empty() || line.ends_with(['.', '!', '?', ':', '…']);
    if has_end { line } else { line + "." }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Earlier, JobId};
    use crate::messages::escape;

    const SPOKEN: units::Form = units::Form { decimal: false, spoken: true };
    const TRACK: Track = Track::Job(JobId(1));

    fn lines(at: &[(u64, u64)]) -> Vec<String> {
        let begun = Instant::now();
        let mut linear = Linear::default();
        let line = |(second, percent): &(u64, u64)| {
            let of = Snapshot {
                file_bytes: percent << 20,
                file_total: 100 << 20,
                rate_now: 1_048_576.0,
                eta_ms: Some(1000 * (100 - percent)),
                ..Snapshot::default()
            };
            let now = begun + Duration::from_secs(*second);
            units::with(SPOKEN, || linear.one(TRACK, "a.bin", &of, now))
        };
        at.iter().filter_map(line).collect()
    }

    #[test]
    fn progress_is_a_line_at_each_tenth_but_at_most_every_three_seconds() {
        assert_eq!(
            lines(&[(0, 0), (1, 30), (2, 31), (3, 32), (4, 45), (6, 46), (7, 55), (9, 100)]),
            [
                "a.bin: 32 percent, 32 of 100 mebibytes, 1 mebibyte per second, about 1 minute 8 seconds left.",
                "a.bin: 46 percent, 46 of 100 mebibytes, 1 mebibyte per second, about 54 seconds left.",
            ]
        );
        assert!(lines(&[(0, 0), (1, 50), (2, 99)]).is_empty(), "a short upload has no progress");
    }

    #[test]
    fn a_slow_upload_has_a_line_a_minute() {
        let percents = |at: &[(u64, u64)]| {
            let lines = lines(at);
            lines.iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            percents(&[(0, 0), (30, 1), (59, 2), (60, 3), (90, 4), (120, 5), (121, 10), (124, 10)]),
            ["3", "5", "10"]
        );
        // A retry begins again at 0, so the tenths count again.
        assert_eq!(percents(&[(0, 0), (5, 40), (6, 0), (10, 20)]), ["40", "20"]);
    }

    #[test]
    fn a_stall_is_said_once_until_bytes_move_again() {
        let mut linear = Linear::default();
        let now = Instant::now();
        let mut said = |idle_ms, file_bytes| {
            let of = Snapshot { idle_ms, file_bytes, file_total: 10, ..Snapshot::default() };
            units::with(SPOKEN, || linear.one(TRACK, "a.bin", &of, now))
        };
        let stalled = Some("a.bin has stalled: no byte was sent for 4 seconds.");
        assert_eq!(said(4000, 1).as_deref(), stalled);
        assert_eq!(said(5000, 1), None);
        assert_eq!(said(0, 2), None);
        assert_eq!(said(4000, 2).as_deref(), stalled);
        assert_eq!(said(0, 10), None);
        assert_eq!(said(4000, 10).as_deref(), Some("a.bin is sent; the server has not finished yet."));
    }

    #[test]
    fn all_files_have_one_line() {
        let mut linear = Linear::default();
        let now = Instant::now();
        let mut said = |files, done, at: u64| {
            let at = Duration::from_secs(at);
            units::with(SPOKEN, || linear.all((files, 5), (done, 10 << 20), at, now + at))
        };
        assert_eq!(said(0, 0, 0), None);
        assert_eq!(
            said(2, 4 << 20, 4).as_deref(),
            Some("2 of 5 files: 40 percent, 4 of 10 mebibytes, 1 mebibyte per second.")
        );
        assert_eq!(said(5, 10 << 20, 9), None);
    }

    #[test]
    fn an_upload_that_arrived_is_a_sentence() {
        let name = escape("a.txt");
        let sent =
            Snapshot { file_bytes: 7, wire_bytes: 36, wire_total: 36, elapsed_ms: 7, ..Snapshot::default() };
        let stored = |there: &str| State::Stored {
            name: there.into(),
            named: Named::Stored,
            receipt: Some("r/a.receipt".into()),
            earlier: None,
        };
        let said = |state, of, verbose| units::with(SPOKEN, || arrived(&name, &state, &of, verbose));
        let numbers = "7 bytes in 7 milliseconds, 1000 bytes per second, 36 bytes on the wire";
        assert_eq!(said(stored("a.txt"), sent, false), format!("Stored a.txt: {numbers}."));
        assert_eq!(
            said(stored("a (2).txt"), sent, true),
            format!("Stored a.txt as a (2).txt: {numbers}. The receipt is r/a.receipt.")
        );
        assert_eq!(
            said(State::Delivered, sent, true),
            format!("Delivered a.txt: {numbers}; the server gave no receipt.")
        );
        let mut again = stored("a.txt");
        if let State::Stored { earlier, .. } = &mut again {
            *earlier = Some(Box::new(Earlier { at_ms: 1, receipt: Some("r/then.receipt".into()) }));
        }
        assert_eq!(
            said(again, sent, true),
            format!(
                "Stored a.txt: already stored, {numbers}. The receipt is r/a.receipt. The earlier receipt is \
                 r/then.receipt."
            )
        );
        let before = Snapshot { wire_total: 0, ..sent };
        assert_eq!(
            said(stored("a.txt"), before, false),
            "Stored a.txt: already stored, not sent: it has a receipt."
        );
    }

    #[test]
    fn a_message_has_a_capital_a_full_stop_and_no_columns() {
        for (message, said) in [
            ("listening on h:5", "Listening on h:5."),
            ("localhost:5 stopped responding", "localhost:5 stopped responding."),
            ("warning: x", "Warning: x."),
            ("2 of 3 files arrived: 10 B", "2 of 3 files arrived: 10 B."),
            ("Only if it was:  upseal known", "Only if it was: upseal known."),
            ("stopped\nhelp: restart it", "Stopped.\nHelp: restart it."),
            ("known since x:\n    9f2c", "Known since x: 9f2c."),
            ("generating a key…", "Generating a key…"),
            ("", ""),
        ] {
            assert_eq!(sentences(message), said);
        }
    }
}
