//! Sums over the uploads of the queue or of a folder, kept up to date so that drawing needs no pass over them.

use std::ops::{AddAssign, SubAssign};

/// Numbers of uploads by what became of them, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::ui) struct Sums {
    /// All uploads.
    pub(in crate::ui) files: u64,
    /// Uploads that have not begun, the paused ones among them.
    pub(in crate::ui) waiting: u64,
    pub(in crate::ui) paused: u64,
    pub(in crate::ui) running: u64,
    /// Uploads that the server confirmed, without a receipt.
    pub(in crate::ui) delivered: u64,
    /// Uploads with a receipt.
    pub(in crate::ui) stored: u64,
    pub(in crate::ui) failed: u64,
    pub(in crate::ui) cancelled: u64,
    /// Uploads among those with a receipt that an earlier run had sent.
    pub(in crate::ui) unsent: u64,
    /// Bytes of all files.
    pub(in crate::ui) bytes: u64,
    /// Bytes of the files so far: those that were sent in this run, and the parts of the running ones.
    pub(in crate::ui) moved: u64,
    /// Bytes of the files that are still to be sent.
    pub(in crate::ui) left: u64,
    /// Bytes on the wire so far.
    pub(in crate::ui) wire: u64,
}

impl Sums {
    /// Returns the number of files that the server has.
    pub(in crate::ui) const fn arrived(&self) -> u64 {
        self.delivered + self.stored
    }

    /// Returns whether an upload waits or runs.
    pub(in crate::ui) const fn is_busy(&self) -> bool {
        self.waiting + self.running > 0
    }

    /// Returns the share of the bytes that needs nothing more, from 0 to 1.
    pub(in crate::ui) fn share(&self) -> f64 {
        1.0 - self.left as f64 / self.bytes.max(1) as f64
    }

    fn each(&mut self, other: &Self, apply: fn(u64, u64) -> u64) {
        for (mine, theirs) in [
            (&mut self.files, other.files),
            (&mut self.waiting, other.waiting),
            (&mut self.paused, other.paused),
            (&mut self.running, other.running),
            (&mut self.delivered, other.delivered),
            (&mut self.stored, other.stored),
            (&mut self.failed, other.failed),
            (&mut self.cancelled, other.cancelled),
            (&mut self.unsent, other.unsent),
            (&mut self.bytes, other.bytes),
            (&mut self.moved, other.moved),
            (&mut self.left, other.left),
            (&mut self.wire, other.wire),
        ] {
            *mine = apply(*mine, theirs);
        }
    }
}

// Wrapping: what is subtracted was added before, and the sum of all sizes may be beyond 2^64.
impl AddAssign<Self> for Sums {
    fn add_assign(&mut self, other: Self) {
        self.each(&other, u64::wrapping_add);
    }
}

impl SubAssign<Self> for Sums {
    fn sub_assign(&mut self, other: Self) {
        self.each(&other, u64::wrapping_sub);
    }
}
