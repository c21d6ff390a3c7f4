//! The worker thread: sends the uploads that wait on one route, over one connection.
//!
//! ```text
//!   Worker::run ─► Dialer::open ─┬─ connected ─► Conversation ─► SentFiles: one final state for each file
//!                                └─ failed ─────► the whole route fails, or waits for the server to return
//! ```

mod conversation;
mod sent;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use self::conversation::Conversation;
use self::sent::Connection;
use super::dialer::Dialer;
use super::earlier::Receipts;
use super::history_writer::HistoryWriter;
use super::meetings::Newcomer;
use super::queue::{Queue, Route};
use super::receipt_files::Keep;
use super::recognise::Halt;
use super::source::Source;
use crate::digest::Digest;
use crate::event::{
    Earlier, Event, Fault, FaultKind, Job, JobId, Named, ServerAddress, State, Target, Track,
};
use crate::history::Receipted;
use crate::messages::escape;
use crate::trust::Anchor;

/// Sends what waits on one route, over one connection, until nothing more waits there. Several workers may share a route,
/// each with its own connection; each takes the next upload of the queue when its present one is sent.
pub(super) struct Worker {
    /// Number of this worker, from 1.
    pub number: u64,
    /// Whether this worker decides what becomes of the route when the server does not answer. The others join it when it
    /// has found our server.
    pub leads: bool,
    /// Raised to end this worker after its present file.
    pub retire: Arc<AtomicBool>,
    /// Called when the connection is open, with whether our server answered.
    pub opened: Box<dyn Fn(bool) + Send>,
    /// The uploads; shared with the control thread.
    pub queue: Arc<Mutex<Queue>>,
    /// Opens the connection and reports events.
    pub dialer: Dialer,
    /// What earlier workers found at this route's target.
    pub past: Past,
    /// Times to resend a file after the connection breaks; with 0, an absent server is not waited for either.
    pub retries: u32,
    /// Where receipts are kept.
    pub keep: Keep,
    /// Records the uploads in the history.
    pub history_writer: HistoryWriter,
    /// Whether to skip files for which the server has already given a receipt.
    pub skip_receipted: bool,
    /// Whether the modification time and the executable bit of a file are sent to servers that keep them.
    pub tells_meta: bool,
    /// The receipts that came, to recognise a file that is sent again.
    pub receipts: Arc<Mutex<Receipts>>,
    /// The known key of the target, once it was looked up.
    pub known_key: OnceLock<Option<Digest>>,
    /// The CA that must have signed the receipts of Plain; `None`: no receipts are requested in Plain.
    pub plain_receipts: Option<Arc<Anchor>>,
}

/// What earlier workers found at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Past {
    /// No server has answered there yet.
    New,
    /// A server has answered.
    Answered,
    /// A server had answered and is absent now; this was reported.
    Away,
    /// The server has been absent for longer than the user wants to wait.
    GivenUp,
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Nothing was tried.
    Idle,
    /// The server answered.
    Answered,
    /// The server did not answer, and the uploads on this route have failed.
    Closed,
    /// The server, which had answered before, did not answer, and the uploads on this route wait.
    Away,
    /// The server, which has another connection, accepts no further one; the upload waits.
    Declined,
}

/// The pause before the first retry; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The interval between two attempts to reach an absent server.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Worker {
    /// Opens the connection and runs until it ends.
    #[must_use]
    pub(super) fn run(&self, route: &Route) -> Ending {
        let Some((first, source)) = self.next(route) else { return Ending::Idle };
        if self.past != Past::Away {
            self.set_state(first.id, State::Connecting);
        }
        match self.dialer.open(&route.target, route.dialect, Track::Job(first.id)) {
            Ok((upload, proof)) => {
                (self.opened)(upload.is_ours());
                let key = proof.and_then(|proof| proof.fingerprint.parse().ok());
                let connection = Connection { route, address: recorded_address(&route.target), key };
                Conversation::new(self, connection, upload).run(first, source);
                Ending::Answered
            }
            Err(Halt::Unaccepted(newcomer, _)) => self.wait_for_answer(route, first.id, &newcomer),
            Err(Halt::Fault(fault)) => self.not_opened(route, first.id, &fault, false),
            Err(Halt::Away(fault)) => self.not_opened(route, first.id, &fault, true),
        }
    }

    /// Takes the next upload of this route whose file can be read; those whose file cannot be read fail here.
    fn next(&self, route: &Route) -> Option<(Job, Source)> {
        loop {
            if self.dialer.stop.is_raised() || self.retire.load(Ordering::Relaxed) {
                return None;
            }
            let job = self.queue.lock().take_for(route, self.number)?;
            match Source::open(&job.path, job.name.as_deref()) {
                Ok(mut source) => {
                    let receipted = self
                        .skip_receipted
                        .then(|| self.receipted(&route.target, &mut source, job.name.as_deref()))
                        .flatten();
                    if let Some(Receipted { at_ms, stored_name, receipt }) = receipted {
                        let (name, named) = stored_name.map_or_else(
                            || (source.name.clone(), Named::Wanted),
                            |name| (name, Named::Stored),
                        );
                        let earlier = Some(Box::new(Earlier { at_ms, receipt: receipt.clone() }));
                        self.set_state(
                            job.id,
                            State::Stored { name: escape(&name), named, receipt, earlier },
                        );
                        continue;
                    }
                    return Some((job, source));
                }
                Err(fault) => self.set_state(job.id, State::Failed(fault)),
            }
        }
    }

    /// Returns the latest receipt of the known server at this address for a file of this name and content.
    fn receipted(&self, target: &Target, source: &mut Source, path: Option<&str>) -> Option<Receipted> {
        let key = (*self.known_key.get_or_init(|| self.dialer.known_key(target)))?;
        let history = self.history_writer.history(&*self.dialer.observer)?;
        let digest = source.digest().ok()?;
        let receipted = |name: &str| history.receipted(key, name, digest).unwrap_or_default();
        receipted(&source.name).or_else(|| path.and_then(receipted))
    }

    /// Sets the state of an upload in the queue, and reports it.
    fn set_state(&self, id: JobId, state: State) {
        self.queue.lock().set(id, state.clone());
        self.report(id, state);
    }

    /// Reports a state that the queue has already.
    fn report(&self, id: JobId, state: State) {
        self.dialer.observer.event(Event::State { track: Track::Job(id), state });
    }

    /// Handles a connection that could not be opened. All uploads on the route fail together, so that 10,000 files do
    /// not wait for 10,000 timeouts. `is_away`: a server stops or has just stopped there.
    fn not_opened(&self, route: &Route, first: JobId, fault: &Fault, is_away: bool) -> Ending {
        if fault.kind == FaultKind::Interrupted {
            self.interrupted(first);
            return Ending::Idle; // A cancelled attempt says nothing about the server.
        }
        if !self.leads && (is_away || fault.kind != FaultKind::Unproven) {
            self.interrupted(first);
            return Ending::Declined;
        }
        // Servers that serve one connection and exit may be started again.
        let may_return = self.retries > 0 && matches!(self.past, Past::Answered | Past::Away);
        if (is_away || fault.kind == FaultKind::Unreachable) && may_return {
            return self.wait_for_return(route, first);
        }
        let fault = match self.past {
            Past::GivenUp => did_not_return(fault),
            _ => fault.clone(),
        };
        let failed: Vec<JobId> = {
            let mut queue = self.queue.lock();
            std::iter::once(first).chain(queue.take_all(route)).collect()
        };
        let jobs: Vec<Job> = failed.iter().filter_map(|id| self.queue.lock().job(*id)).collect();
        if let Some(address) = recorded_address(&route.target) {
            let state = State::Failed(fault.clone());
            self.history_writer.record_unsent(address, &jobs, &state, &*self.dialer.observer);
        }
        for id in failed {
            self.set_state(id, State::Failed(fault.clone()));
        }
        Ending::Closed
    }

    /// Puts the upload back because the server, which had answered before, is absent; the route waits.
    fn wait_for_return(&self, route: &Route, first: JobId) -> Ending {
        // A cancel that arrived during the attempt must not be lost by queuing the upload again.
        let cancelled = self.queue.lock().is_cancelling(first);
        if cancelled {
            self.set_state(first, State::Cancelled);
        }
        let state;
        let waiting = {
            let mut queue = self.queue.lock();
            state = if cancelled { State::Cancelled } else { queue.requeue(first) };
            queue.rest(&route.target, Instant::now() + LOOK_AGAIN);
            queue.waiting_for(&route.target)
        };
        if state == State::Paused {
            self.report(first, state);
        } else if self.past == Past::Answered && !cancelled {
            self.report(first, State::Waiting);
            if let Target::Server { address, .. } = &route.target {
                self.dialer.observer.event(Event::Away { address: address.clone(), waiting });
            }
        }
        Ending::Away
    }

    /// Puts the upload back because the user has not accepted the server's key; the target is held until the user does, or
    /// retries an upload.
    fn wait_for_answer(&self, route: &Route, first: JobId, newcomer: &Newcomer) -> Ending {
        let (is_cancelled, waiting) = {
            let mut queue = self.queue.lock();
            let is_cancelled = queue.is_cancelling(first);
            if !is_cancelled {
                queue.requeue(first);
            }
            queue.hold(&route.target);
            (is_cancelled, queue.waiting_for(&route.target))
        };
        if is_cancelled {
            self.set_state(first, State::Cancelled);
        } else {
            self.report(first, State::Waiting);
        }
        // The answer may have come since the connection ended, before the target was held.
        let meetings = &self.dialer.meetings;
        if meetings.remembers(newcomer) || meetings.is_refused(newcomer) {
            self.queue.lock().release(&newcomer.address);
        } else {
            let address = newcomer.address.clone();
            self.dialer.observer.event(Event::Unaccepted { address, waiting });
        }
        Ending::Answered
    }

    /// Puts an upload whose connection broke back into the queue, to be sent from its first byte. Our server keeps one
    /// copy, even when the connection broke after the last byte. Returns false if no retry is left.
    fn try_again(&self, route: &Route, id: JobId, retries: u32, fault: &Fault) -> bool {
        if self.queue.lock().is_pausing(id) {
            self.interrupted(id);
            return true;
        }
        let (tries, pause) = {
            let mut queue = self.queue.lock();
            let Some(tries) = queue.try_again(id, retries) else { return false };
            let pause = FIRST_PAUSE * (1 << (tries - 1).min(6));
            queue.rest(&route.target, Instant::now() + pause);
            (tries, pause)
        };
        self.report(id, State::Waiting);
        self.dialer.observer.event(Event::Retrying {
            job: id,
            tries,
            retries,
            pause_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            fault: fault.clone(),
        });
        true
    }

    /// Handles an upload whose connection was stopped by the user, for its own sake or for a neighbour's. In the latter
    /// case it is sent again if it is not confirmed; our server keeps one copy.
    fn interrupted(&self, id: JobId) {
        if self.queue.lock().is_cancelling(id) {
            return self.set_state(id, State::Cancelled);
        }
        let state = self.queue.lock().requeue(id);
        self.report(id, state);
    }
}

/// Returns the address under which the history records uploads to this target; `None`: the embedded server, which
/// records them itself.
fn recorded_address(target: &Target) -> Option<&ServerAddress> {
    match target {
        Target::Embedded => None,
        Target::Server { address, .. } => Some(address),
    }
}

/// The fault of uploads that waited in vain for a server to return.
fn did_not_return(fault: &Fault) -> Fault {
    Fault::broken(format!("the server had answered before and did not return: {}", fault.what))
        .with_advice("it may serve only one connection: restart it, or send all files at once")
}

#[cfg(test)]
mod tests;
