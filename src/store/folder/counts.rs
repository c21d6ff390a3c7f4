//! Counts of what a name costs in a folder, for tests that bound it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A step that is taken for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// A look at what has a name.
    Look,
    /// An attempt to give a file a name.
    Name,
    /// A file that was read to be compared.
    Read,
}

/// How often each was taken.
#[derive(Debug, Default)]
pub(super) struct Counts([AtomicUsize; 3]);

impl Counts {
    pub(super) fn count(&self, what: Count) {
        self.0[what as usize].fetch_add(1, Ordering::SeqCst);
    }

    /// Looks, names and reads; counts from 0 again.
    pub(super) fn take(&self) -> [usize; 3] {
        self.0.each_ref().map(|count| count.swap(0, Ordering::SeqCst))
    }
}
