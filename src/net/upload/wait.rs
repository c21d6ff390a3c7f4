//! The wait for the server's end, as another thread can end it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The wait for the server's end after MODE 2. Clones are about the same wait.
#[derive(Debug, Clone, Default)]
pub struct Wait(Arc<AtomicBool>);

impl Wait {
    /// Ends the wait, if there is one now.
    pub fn end(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// The wait begins. What was asked before is not about it.
    pub(super) fn begin(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    /// Whether it was ended.
    pub(super) fn is_over(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
