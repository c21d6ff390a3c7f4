//! Folding of messages: which are a row of their own, and which are folded.

use crate::event::{Frame, Kind, Way};
use crate::ui::recording::Recording;

/// Number of files shown at the beginning and at the end of a connection; those between are folded.
const FILES: usize = 2;

/// Row of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum Row {
    /// One message.
    One(u64),
    /// Bodies that follow each other.
    Run { first: u64, last: u64, wire: u64 },
    /// Messages that are folded, or were forgotten.
    More { first: u64, last: u64, wire: u64 },
}

impl Row {
    pub(in crate::ui) const fn first(&self) -> u64 {
        match self {
            Self::One(number) => *number,
            Self::Run { first, .. } | Self::More { first, .. } => *first,
        }
    }

    pub(in crate::ui) const fn last(&self) -> u64 {
        match self {
            Self::One(number) => *number,
            Self::Run { last, .. } | Self::More { last, .. } => *last,
        }
    }

    pub(in crate::ui) const fn holds(&self, number: u64) -> bool {
        self.first() <= number && number <= self.last()
    }

    pub(in crate::ui) const fn messages(&self) -> u64 {
        self.last() - self.first() + 1
    }
}

/// Returns all rows of a recording.
pub(in crate::ui) fn fold(recording: &Recording) -> Vec<Row> {
    let frames: Vec<&Frame> = recording.frames().collect();
    let rows = runs(&frames);
    files(&frames, &rows)
}

/// Returns a row for each message, for bodies that follow each other, and for messages that are missing.
fn runs(frames: &[&Frame]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut ends = [0; 2];
    for (at, frame) in frames.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| frames[before]);
        let missing = before.map_or(1, |before| before.number + 1)..frame.number;
        let wire = frame.offset.saturating_sub(ends[frame.way as usize]);
        ends[frame.way as usize] = frame.offset + frame.wire;
        if !missing.is_empty() {
            rows.push(Row::More { first: missing.start, last: missing.end - 1, wire });
        } else if frame.kind == Kind::Data && before.is_some_and(|before| before.kind == Kind::Data) {
            match rows.last_mut() {
                Some(Row::Run { last, wire, .. }) => {
                    (*last, *wire) = (frame.number, *wire + frame.wire);
                    continue;
                }
                Some(row @ Row::One(_)) => {
                    let first = row.first();
                    let wire = frame.wire + before.map_or(0, |before| before.wire);
                    *row = Row::Run { first, last: frame.number, wire };
                    continue;
                }
                _ => {}
            }
        }
        rows.push(Row::One(frame.number));
    }
    rows
}

/// Folds the files in the middle of many: MODE 0 and MODE 1 alternating, and messages that were forgotten.
fn files(frames: &[&Frame], rows: &[Row]) -> Vec<Row> {
    let of = |row: &Row| frames.iter().find(|frame| frame.number == row.first());
    let is_file = |row: &Row| match row {
        Row::More { .. } => true,
        row => of(row).is_some_and(|frame| matches!(frame.kind, Kind::Filename | Kind::Data)),
    };
    let mut out = Vec::new();
    let mut at = 0;
    while at < rows.len() {
        let end = at + rows[at..].iter().take_while(|row| is_file(row)).count();
        // Each file takes two rows.
        let edge = 2 * FILES;
        if end - at > 2 * edge + 1 {
            let middle = &rows[at + edge..end - edge];
            out.extend(&rows[at..at + edge]);
            let (first, last) = (middle[0].first(), middle[middle.len() - 1].last());
            let wire = |row: &Row| match row {
                Row::One(_) => {
                    of(row).filter(|frame| frame.way == Way::ToServer).map_or(0, |frame| frame.wire)
                }
                Row::Run { wire, .. } | Row::More { wire, .. } => *wire,
            };
            out.push(Row::More { first, last, wire: middle.iter().map(wire).sum() });
            out.extend(&rows[end - edge..end]);
        } else {
            out.extend(&rows[at..end]);
        }
        if let Some(row) = rows.get(end) {
            out.push(*row);
        }
        at = end + 1;
    }
    out
}
