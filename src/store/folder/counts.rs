//! Counts of the operations on a folder, for tests that bound them.

use std::sync::atomic::{AtomicUsize, Ordering};

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// Looking at what has a name.
    Look,
    /// Trying to give a file a name.
    Name,
    /// Reading a file in order to compare it.
    Read,
}

/// Number of operations of each kind.
#[derive(Debug, Default)]
pub(super) struct Counts([AtomicUsize; 3]);

impl Counts {
    pub(super) fn count(&self, what: Count) {
        self.0[what as usize].fetch_add(1, Ordering::SeqCst);
    }

    /// Returns the numbers of looks, names and reads, and resets them.
    pub(super) fn take(&self) -> [usize; 3] {
        self.0.each_ref().map(|count| count.swap(0, Ordering::SeqCst))
    }
}
