//! Stops a blocked call from another thread.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Handle that stops a stream, or the wait for one, from another thread. Clones act on the same stream.
#[derive(Clone, Default)]
pub struct Interrupter {
    raised: Arc<AtomicBool>,
    act: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Interrupter {
    /// Creates a handle that also calls `act` when it is raised.
    pub fn new(act: impl Fn() + Send + Sync + 'static) -> Self {
        Self { raised: Arc::default(), act: Some(Arc::new(act)) }
    }

    /// Stops the stream: blocked calls return at once.
    pub fn interrupt(&self) {
        self.raised.store(true, Ordering::SeqCst);
        if let Some(act) = &self.act {
            act();
        }
    }

    /// Returns whether the stream was stopped.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Interrupter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupter").field("raised", &self.is_raised()).finish_non_exhaustive()
    }
}
