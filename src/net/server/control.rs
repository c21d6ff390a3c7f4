//! The handle by which signals reach a running server.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Shared;
use crate::net::service::Service;

/// Handle of a running server, for other threads. It does not keep the server running.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    pub(super) shared: Arc<Shared>,
}

impl Control {
    /// Serves connections that are accepted from now on with another service. Sessions that run keep theirs.
    pub(crate) fn use_service(&self, service: Arc<Service>) {
        *self.shared.service.lock() = service;
    }

    /// Returns what new connections are served with.
    pub(crate) fn service(&self) -> Arc<Service> {
        Arc::clone(&self.shared.service.lock())
    }

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

    /// Stops the server and all sessions at once. `report` is called before with the number of those that are inside a file or
    /// a message, and must not use this server: when the last session has ended, the process may end too.
    pub(crate) fn cut(&self, report: impl FnOnce(usize)) {
        let mut state = self.shared.state.lock();
        report(state.leaving.working());
        state.stopping = true;
        state.gate.interrupt();
        drop(state);
        self.shared.wake();
    }

    /// Returns the number of sessions that run.
    pub(crate) fn sessions(&self) -> usize {
        self.shared.state.lock().gate.len()
    }

    /// Wakes the accept loop, and returns how often it has gone round.
    pub(crate) fn turns(&self) -> u64 {
        self.shared.wake();
        self.shared.turns.load(Ordering::Relaxed)
    }
}
