//! Handle to the wait for the server's end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Handle with which another thread ends the wait for the server's end after MODE 2. Clones are of the same wait.
#[derive(Debug, Clone, Default)]
pub struct Wait(Arc<AtomicBool>);

impl Wait {
    /// Ends the wait, if the upload is waiting.
    pub fn end(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Begins the wait. Earlier calls of [`end`](Self::end) have no effect on it.
    pub(super) fn begin(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    /// Returns whether the wait was ended.
    pub(super) fn is_over(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
