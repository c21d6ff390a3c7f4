//! Which sessions a server ends when it stops in order: those between two files, once their clients had a moment to go on.
//!
//! A client that gets "busy" instead of its next file's turn connects again and sends what is not confirmed. A session
//! inside a file goes on; after it, it takes receipt requests and MODE 2, and refuses the next MODE 0.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::interrupter::Interrupter;
use crate::event::SessionId;

/// Time that a client of a stopping server has between two messages: a request for a receipt may be on its way.
pub(crate) const MOMENT: Duration = Duration::from_secs(1);

/// What a session does, as the server that stops needs to know it. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Phase(Arc<Mutex<State>>);

#[derive(Debug, Default, Clone, Copy)]
struct State {
    /// Whether the session waits for its client, between two files.
    rests: bool,
    is_leaving: bool,
}

impl Phase {
    /// Notes whether the session waits for its client, between two files.
    pub(crate) fn rest(&self, rests: bool) {
        self.0.lock().rests = rests;
    }

    /// Returns whether the session is to end after its present file.
    pub(crate) fn is_leaving(&self) -> bool {
        self.0.lock().is_leaving
    }
}

/// The sessions that run, and whether the server stops.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    sessions: BTreeMap<SessionId, (Phase, Interrupter)>,
    is_begun: bool,
}

impl Leaving {
    /// Adds a session that begins.
    pub(crate) fn join(&mut self, id: SessionId, interrupter: Interrupter) -> Phase {
        let phase = Phase::default();
        phase.0.lock().is_leaving = self.is_begun;
        self.sessions.insert(id, (phase.clone(), interrupter));
        phase
    }

    /// Forgets a session that has ended.
    pub(crate) fn forget(&mut self, id: SessionId) {
        self.sessions.remove(&id);
    }

    /// Returns whether the server stops.
    pub(crate) const fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Makes every session end after its present file.
    pub(crate) fn begin(&mut self) {
        self.is_begun = true;
        self.sessions.values().for_each(|(phase, _)| phase.0.lock().is_leaving = true);
    }

    /// Ends the sessions that wait for their clients between two files.
    pub(crate) fn end_resting(&self) {
        for (phase, interrupter) in self.sessions.values() {
            // The lock keeps the session from its next file until it is interrupted.
            let state = phase.0.lock();
            if state.rests {
                interrupter.interrupt();
            }
        }
    }

    /// Returns the number of sessions that are inside a file or a message.
    pub(crate) fn working(&self) -> usize {
        self.sessions.values().filter(|(phase, _)| !phase.0.lock().rests).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sessions_between_two_files_are_ended() {
        let mut leaving = Leaving::default();
        let handles = [Interrupter::default(), Interrupter::default()];
        let [resting, working] = [(1, &handles[0]), (2, &handles[1])]
            .map(|(n, handle)| leaving.join(SessionId(n), handle.clone()));
        resting.rest(true);
        working.rest(true);
        working.rest(false);
        assert!(!resting.is_leaving() && !leaving.is_begun());
        leaving.begin();
        assert!(resting.is_leaving() && working.is_leaving());
        assert!(leaving.join(SessionId(3), Interrupter::default()).is_leaving(), "one that begins late");
        leaving.forget(SessionId(3));
        assert!(!handles[0].is_raised(), "a moment for what is on its way");
        leaving.end_resting();
        assert_eq!(handles.each_ref().map(Interrupter::is_raised), [true, false]);
        assert_eq!(leaving.working(), 1);
    }
}
