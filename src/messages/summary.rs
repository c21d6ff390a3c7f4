//! The summary of several uploads: what was sent, at which cost, and what failed for which reason.

use std::time::Duration;

use super::{Escaped, units};
use crate::event::{Snapshot, State};

/// Largest number of names in one line.
const NAMES: usize = 10;

/// The sums of several uploads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Files in the queue.
    pub files: u64,
    /// Files that the server has.
    pub arrived: u64,
    /// Files among them that were not sent, because the server gave a receipt before.
    pub skipped: u64,
    /// Files among them that were sent although the server gave a receipt before.
    pub again: u64,
    /// Bytes of the files that were sent.
    pub bytes: u64,
    /// Bytes on the wire, both of files that arrived and of those that did not.
    pub wire: u64,
    /// Time since the first connection was opened.
    pub elapsed: Duration,
    /// Reasons, and the names of the files that failed for each.
    pub failed: Vec<(Escaped, Vec<Escaped>)>,
    /// Names of cancelled files.
    pub cancelled: Vec<Escaped>,
    /// Entries of folders that were skipped.
    pub left_out: u64,
    /// Names of folders that were not read to their end.
    pub unread: Vec<Escaped>,
}

impl Summary {
    /// Adds the end of an upload, with its last progress. Returns whether it is a failure that no other upload had before,
    /// or the first cancellation.
    pub(crate) fn take(&mut self, name: &Escaped, state: &State, last: &Snapshot) -> bool {
        self.wire += last.wire_bytes;
        match state {
            State::Failed(fault) => {
                if let Some((_, names)) = self.failed.iter_mut().find(|(why, _)| *why == fault.what) {
                    names.push(name.clone());
                    return false;
                }
                self.failed.push((fault.what.clone(), vec![name.clone()]));
                true
            }
            State::Delivered | State::Stored { .. } => {
                self.arrived += 1;
                self.bytes += last.file_bytes;
                let (is_unsent, is_again) =
                    (last.wire_total == 0, matches!(state, State::Stored { earlier: Some(_), .. }));
                self.skipped += u64::from(is_unsent);
                self.again += u64::from(is_again && !is_unsent);
                false
            }
            _ => {
                self.cancelled.push(name.clone());
                self.cancelled.len() == 1
            }
        }
    }

    /// Returns the summary, a line for the sums and one for each reason.
    #[must_use]
    pub(crate) fn lines(&self) -> Vec<String> {
        let seconds = self.elapsed.as_secs_f64();
        let rate = units::rate_of(self.bytes, seconds);
        let mut first = format!(
            "{} of {} arrived: {} in {}, {rate}, {} on the wire at {}",
            self.arrived,
            units::count(self.files, "file"),
            units::bytes(self.bytes),
            units::duration(self.elapsed),
            units::bytes(self.wire),
            units::wire_rate_of(self.wire, seconds),
        );
        if self.skipped > 0 {
            first.push_str("; ");
            first.push_str(&units::count(self.skipped, "file"));
            first.push_str(" already stored, not sent");
        }
        if self.again > 0 {
            first.push_str("; ");
            first.push_str(&units::count(self.again, "file"));
            first.push_str(" already stored");
        }
        let mut lines = vec![first];
        for (why, names) in &self.failed {
            let files = units::count(names.len().try_into().unwrap_or(u64::MAX), "file");
            lines.push(format!("{files} failed ({}): {why}", list(names)));
        }
        if !self.cancelled.is_empty() {
            let files = units::count(self.cancelled.len().try_into().unwrap_or(u64::MAX), "file");
            lines.push(format!("{files} cancelled ({})", list(&self.cancelled)));
        }
        if self.left_out > 0 {
            lines.push(format!("{} of folders skipped", units::count(self.left_out, "item")));
        }
        if !self.unread.is_empty() {
            lines.push(format!("not read to the end: {}", list(&self.unread)));
        }
        lines
    }
}

/// Returns names: the first ones, and how many more there are.
fn list(names: &[Escaped]) -> String {
    let mut words: Vec<String> = names.iter().take(NAMES).map(Escaped::to_string).collect();
    if names.len() > NAMES {
        words.push(format!("{} more", names.len() - NAMES));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::escape;
    use super::*;

    #[test]
    fn sums_reasons_and_names_are_said_once() {
        let names = |names: &[&str]| names.iter().map(|name| escape(name)).collect::<Vec<_>>();
        let all = Summary {
            files: 5,
            arrived: 2,
            skipped: 1,
            again: 1,
            bytes: 3 << 20,
            wire: 4 << 20,
            elapsed: Duration::from_secs(2),
            failed: vec![(escape("no route"), names(&["a\n", "b"]))],
            cancelled: names(&["c"]),
            left_out: 2,
            unread: names(&["d"]),
        };
        assert_eq!(
            all.lines(),
            [
                "2 of 5 files arrived: 3 MiB in 2.0 s, 1.50 MiB/s, 4 MiB on the wire at 16.8 Mbit/s; 1 file already stored, not sent; 1 file already stored",
                "2 files failed (a\\n, b): no route",
                "1 file cancelled (c)",
                "2 items of folders skipped",
                "not read to the end: d",
            ]
        );
        let many: Vec<Escaped> = (0..12).map(|n| escape(&n.to_string())).collect();
        assert_eq!(list(&many), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 2 more");
    }
}
