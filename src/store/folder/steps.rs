//! Counts of what is done in a folder, for tests that bound it or compare it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A step whose cost matters, or that an observer could tell by its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A look at what has a name.
    Look,
    /// An attempt to give a file a name.
    Name,
    /// A file that was read to be compared.
    Read,
    /// A file that was brought to disk.
    SyncFile,
    /// The folder that was brought to disk.
    SyncFolder,
}

/// How often each was done.
#[derive(Debug, Default)]
pub(super) struct Steps([AtomicUsize; 5]);

impl Steps {
    pub(super) fn count(&self, step: Step) {
        self.0[step as usize].fetch_add(1, Ordering::SeqCst);
    }

    /// Looks, names, reads, syncs of files, syncs of the folder; counts from 0 again.
    pub(super) fn take(&self) -> [usize; 5] {
        self.0.each_ref().map(|count| count.swap(0, Ordering::SeqCst))
    }
}
