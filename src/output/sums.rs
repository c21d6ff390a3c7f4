//! Adds up uploads for the bar of all files and for the summary.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::event::{Snapshot, State, Track};
use crate::messages::{Escaped, Summary};

/// Sums over all uploads of a run.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// Size and progress of each upload.
    files: BTreeMap<Track, File>,
    /// Sum of the sizes in bytes.
    total: u64,
    /// Sum of the bytes that were sent, or are settled because the upload ended.
    done: u64,
    /// Uploads that ended.
    ended: u64,
    summary: Summary,
    began: Option<Instant>,
}

/// Files and bytes that are done, of how many, and the time since the first connection.
type UnderWay = ((u64, u64), (u64, u64), Duration);

#[derive(Debug, Default)]
struct File {
    size: u64,
    /// Bytes of this file that `done` contains.
    done: u64,
    has_ended: bool,
}

impl Sums {
    /// Adds an upload to the queue.
    pub(super) fn queued(&mut self, track: Track, size: u64) {
        self.files.insert(track, File { size, ..File::default() });
        self.total += size;
        self.summary.files += 1;
    }

    /// Adds the progress of an upload.
    pub(super) fn progress(&mut self, track: Track, snapshot: &Snapshot) {
        self.count(track, snapshot.file_bytes);
    }

    /// Adds a state. Returns whether it is a failure that no other upload had before, or the first cancellation.
    pub(super) fn state(&mut self, track: Track, name: &Escaped, state: &State, last: &Snapshot) -> bool {
        if *state != State::Waiting {
            self.began.get_or_insert_with(Instant::now);
        }
        if !state.is_final() {
            return false;
        }
        if let Some(file) = self.files.get_mut(&track) {
            self.ended += u64::from(!file.has_ended);
            file.has_ended = true;
            let size = file.size;
            self.count(track, size);
        }
        self.summary.take(name, state, last)
    }

    /// Adds an entry of a folder that is skipped.
    pub(super) const fn skipped(&mut self) {
        self.summary.left_out += 1;
    }

    /// Returns the files that ended and all files, the bytes of both, and the time since the first connection; `None`
    /// for less than two files.
    pub(super) fn under_way(&self) -> Option<UnderWay> {
        let elapsed = self.began?.elapsed();
        (self.files.len() > 1).then_some(((self.ended, self.summary.files), (self.done, self.total), elapsed))
    }

    /// Returns the summary; `None` for less than two files, whose lines say everything.
    pub(super) fn summary(&self) -> Option<Summary> {
        let elapsed = self.began.map_or(Duration::ZERO, |began| began.elapsed());
        (self.files.len() > 1).then(|| Summary { elapsed, ..self.summary.clone() })
    }

    /// Sets the bytes of an upload that are done. A retry begins again at 0.
    fn count(&mut self, track: Track, bytes: u64) {
        if let Some(file) = self.files.get_mut(&track) {
            self.done = self.done.saturating_sub(file.done) + bytes;
            file.done = bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Fault, JobId};
    use crate::messages::escape;

    #[test]
    fn a_reason_is_news_once_and_the_summary_has_all_names() {
        let mut sums = Sums::default();
        let track = |id| Track::Job(JobId(id));
        let lost = State::Failed(Fault::broken("the server is gone"));
        let other = State::Failed(Fault::broken("something else"));
        assert_eq!(sums.under_way(), None);
        for id in 1..=5 {
            sums.queued(track(id), 10);
        }
        let snapshot = Snapshot { file_bytes: 4, wire_bytes: 6, ..Snapshot::default() };
        sums.state(track(1), &escape("a"), &State::Sending, &snapshot);
        sums.progress(track(1), &snapshot);
        let under_way = |sums: &Sums| sums.under_way().map(|(files, bytes, _)| (files, bytes));
        assert_eq!(under_way(&sums), Some(((0, 5), (4, 50))));
        let news = [(1, &lost), (2, &lost), (3, &other), (4, &State::Cancelled), (5, &State::Cancelled)]
            .map(|(id, state)| sums.state(track(id), &escape(&id.to_string()), state, &snapshot));
        assert_eq!(news, [true, false, true, true, false]);
        assert_eq!(under_way(&sums), Some(((5, 5), (50, 50))));
        let summary = sums.summary().unwrap();
        assert_eq!((summary.files, summary.arrived, summary.wire), (5, 0, 30));
        assert_eq!(summary.failed[0].1, [escape("1"), escape("2")]);
        assert_eq!(summary.cancelled, [escape("4"), escape("5")]);
    }

    #[test]
    fn one_file_has_no_summary() {
        let mut sums = Sums::default();
        sums.queued(Track::Job(JobId(1)), 10);
        sums.state(Track::Job(JobId(1)), &escape("a"), &State::Delivered, &Snapshot::default());
        assert_eq!(sums.summary(), None);
    }
}
