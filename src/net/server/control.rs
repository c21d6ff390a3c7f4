//! The handle by which signals reach a running server.

use std::sync::Arc;

use super::Shared;

/// Handle of a running server, for other threads. It does not keep the server running.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    pub(super) shared: Arc<Shared>,
}

impl Control {
    /// Accepts no further connections and closes the listening socket. Each session ends after its present file, and the
    /// server after the last session.
    pub(crate) fn drain(&self) {
        self.shared.state.lock().leaving.begin();
        self.shared.wake();
    }

    /// Ends the sessions that wait for their clients between two files.
    pub(crate) fn end_resting(&self) {
        self.shared.state.lock().leaving.end_resting();
    }

    /// Stops the server and all sessions at once. Returns how many of them were inside a file or a message.
    pub(crate) fn cut(&self) -> usize {
        let mut state = self.shared.state.lock();
        let working = state.leaving.working();
        state.stopping = true;
        state.gate.interrupt();
        drop(state);
        self.shared.wake();
        working
    }

    /// Returns the number of sessions that run.
    pub(crate) fn sessions(&self) -> usize {
        self.shared.state.lock().gate.len()
    }
}
