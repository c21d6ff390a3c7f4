//! The accept loop: one thread for each session up to a maximum, all of which are joined at the end.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{read, write};
use rustix::pipe::{PipeFlags, pipe_with};

use super::connection::Connection;
use super::interrupter::Interrupter;
use super::receive::{Caller, Session};
use super::record;
use super::refusal::{Notice, Refusal};
use super::service::Service;
use super::stream::{Stream, Tcp};
use crate::clock;
use crate::event::{Event, SessionId, Side, Wire};

/// Sessions at once at most; further clients wait in the kernel's queue.
const SESSIONS: usize = 256;
/// Bytes of a session's stack; its buffers are on the heap.
const STACK: usize = 1 << 20;
/// Pause after an `accept` that failed for lack of descriptors or memory.
const BREATH: Duration = Duration::from_millis(100);

/// Interval of the history's maintenance.
const UPKEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a server accepts connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Until it is stopped.
    UntilStopped,
    /// One connection, as the course's servers do (`--once`). A connection without a complete message does not count.
    OneSession,
}

/// A running server. Dropping it stops it and waits for its threads.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<Sessions>,
    /// What sessions that begin from now on use.
    service: Mutex<Arc<Service>>,
    /// Pipe whose bytes wake the accept loop: a session ended, or the server is to stop.
    wake: OwnedFd,
}

#[derive(Debug, Default)]
struct Sessions {
    stopping: bool,
    /// Whether a client has been served.
    served: bool,
    running: HashMap<SessionId, Interrupter>,
}

impl Shared {
    fn wake(&self) {
        // The pipe is non-blocking; if it is full, the loop will wake anyway.
        let _ = write(&self.wake, &[1]);
    }
}

impl Server {
    /// Starts a thread that accepts connections on `listener`.
    ///
    /// # Errors
    /// The listener is closed, or no thread or descriptor is left.
    pub fn start(listener: TcpListener, service: Arc<Service>, lifetime: Lifetime) -> io::Result<Self> {
        Self::numbered(listener, service, lifetime, 0)
    }

    /// Starts a server whose sessions are numbered from `before` + 1, for several servers with one observer.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn numbered(
        listener: TcpListener,
        service: Arc<Service>,
        lifetime: Lifetime,
        before: u64,
    ) -> io::Result<Self> {
        Self::counted(listener, service, lifetime, Arc::new(AtomicU64::new(before)))
    }

    /// Starts a server that takes the numbers of its sessions from a counter that it shares with other servers. The counter
    /// holds the number of the latest session.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn counted(
        listener: TcpListener,
        service: Arc<Service>,
        lifetime: Lifetime,
        numbers: Arc<AtomicU64>,
    ) -> io::Result<Self> {
        Self::sized(listener, service, lifetime, numbers, STACK)
    }

    /// Starts a server whose sessions have `stack` bytes of stack.
    fn sized(
        listener: TcpListener,
        service: Arc<Service>,
        lifetime: Lifetime,
        numbers: Arc<AtomicU64>,
        stack: usize,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let (woken, wake) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let shared = Arc::new(Shared { state: Mutex::default(), service: Mutex::new(service), wake });
        let accept = Accept {
            listener,
            woken,
            lifetime,
            shared: Arc::clone(&shared),
            threads: Vec::new(),
            numbers,
            stack,
            upkeep: Upkeep::new(UPKEEP, Instant::now()),
        };
        let thread = thread::Builder::new().name("upseal-accept".to_owned()).spawn(move || accept.run())?;
        Ok(Self { address, shared, thread: Some(thread) })
    }

    /// Returns the address that the listener is bound to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves connections that are accepted from now on with another service. Sessions that run keep theirs.
    pub(crate) fn use_service(&self, service: Arc<Service>) {
        *self.shared.service.lock() = service;
    }

    /// Returns what new connections are served with.
    #[must_use]
    pub(crate) fn service(&self) -> Arc<Service> {
        Arc::clone(&self.shared.service.lock())
    }

    /// Returns a handle that stops the server from another thread; unfinished files are not published.
    #[must_use]
    pub fn stopper(&self) -> Interrupter {
        let shared = Arc::downgrade(&self.shared);
        Interrupter::new(move || {
            let Some(shared) = shared.upgrade() else { return };
            let mut state = shared.state.lock();
            state.stopping = true;
            state.running.values().for_each(Interrupter::interrupt);
            drop(state);
            shared.wake();
        })
    }

    /// Waits until the server and its sessions have ended, by themselves (`--once`) or because they were stopped.
    pub fn wait(mut self) {
        self.join();
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // The thread catches its sessions' panics and has no reason to panic itself.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.stopper().interrupt();
            self.join();
        }
    }
}

struct Accept {
    listener: TcpListener,
    woken: OwnedFd,
    lifetime: Lifetime,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Number of the latest session, of this server or of one that counts with it.
    numbers: Arc<AtomicU64>,
    stack: usize,
    upkeep: Upkeep,
}

/// Schedule of the history's maintenance.
#[derive(Debug)]
struct Upkeep {
    every: Duration,
    due: Instant,
}

impl Upkeep {
    fn new(every: Duration, now: Instant) -> Self {
        Self { every, due: now + every }
    }

    /// Returns whether maintenance is due; if so, begins the next period.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.due;
        if is_due {
            self.due = now + self.every;
        }
        is_due
    }

    /// Returns how long the accept loop may sleep until then.
    fn rest(&self, now: Instant) -> Timespec {
        let rest = self.due.saturating_duration_since(now);
        // Rounded up, so that maintenance is due then. A period is at most a day.
        Timespec { tv_sec: i64::try_from(rest.as_secs() + 1).unwrap_or(i64::MAX), tv_nsec: 0 }
    }
}

impl Accept {
    fn run(mut self) {
        loop {
            let (stopping, served, running) = {
                let state = self.shared.state.lock();
                (state.stopping, state.served, state.running.len())
            };
            let (over, most) = match self.lifetime {
                Lifetime::UntilStopped => (false, SESSIONS),
                Lifetime::OneSession => (served && running == 0, 1),
            };
            if stopping || over {
                break;
            }
            if let Err(error) = self.turn(running < most) {
                self.service()
                    .observer
                    .event(Event::Note { text: format!("cannot accept a connection: {error}") });
                thread::sleep(BREATH);
            }
        }
        drop(self.listener);
        for thread in self.threads {
            // A session's panic is caught in its thread.
            let _ = thread.join();
        }
    }

    /// Waits for a client, the end of a session or the stop, and handles it.
    fn turn(&mut self, accepting: bool) -> io::Result<()> {
        let mut fds = vec![PollFd::new(&self.woken, PollFlags::IN)];
        if accepting {
            fds.push(PollFd::new(&self.listener, PollFlags::IN));
        }
        match poll(&mut fds, Some(&self.upkeep.rest(Instant::now()))) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            ready => ready?,
        };
        if self.upkeep.is_due(Instant::now()) {
            self.maintain_history();
        }
        let woken = !fds[0].revents().is_empty();
        let arrived = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
        if woken {
            let mut bytes = [0; 64];
            while matches!(read(&self.woken, &mut bytes), Ok(1..)) {}
            self.threads.retain(|thread| !thread.is_finished());
        }
        if !arrived {
            return Ok(());
        }
        match self.listener.accept() {
            Ok((socket, peer)) => self.spawn(socket, peer),
            // The client went away between `poll` and `accept`.
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted) => {
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    /// Writes rows that could not be written before, and removes digests that can no longer be replayed.
    fn maintain_history(&self) {
        let service = self.service();
        let Some(history) = &service.history else { return };
        if let Err(error) = history.keep_up(clock::unix_seconds()) {
            service.observer.event(Event::Note { text: format!("cannot maintain the history: {error}") });
        }
    }

    fn service(&self) -> Arc<Service> {
        Arc::clone(&self.shared.service.lock())
    }

    fn spawn(&mut self, socket: TcpStream, peer: SocketAddr) -> io::Result<()> {
        socket.set_nonblocking(false)?;
        let mut stream = Tcp::new(socket)?;
        // Until the session has ended in order: the end of a server that is killed or cannot serve must not look like a
        // confirmation.
        stream.reset();
        let id = SessionId(self.numbers.fetch_add(1, Ordering::Relaxed) + 1);
        {
            let mut state = self.shared.state.lock();
            if state.stopping {
                return Ok(());
            }
            state.running.insert(id, stream.interrupter());
        }
        let service = self.service();
        let guard = Running { id, shared: Arc::clone(&self.shared) };
        let name = format!("upseal-session-{}", id.0);
        let mut spare = stream.spare();
        let thread = thread::Builder::new().name(name).stack_size(self.stack).spawn(move || {
            let guard = guard;
            if serve(&service, stream, guard.id, peer) == Caller::Client {
                guard.shared.state.lock().served = true;
            }
        });
        let spawned = thread.map(|thread| self.threads.push(thread));
        if spawned.is_err() {
            // Without patience, because other clients wait to be accepted.
            spare.refuse(&Notice::from(Refusal::Busy).bytes(false), Duration::ZERO);
        }
        spawned
    }
}

/// Removes the session from the list when its thread ends, however it ends.
struct Running {
    id: SessionId,
    shared: Arc<Shared>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.state.lock().running.remove(&self.id);
        self.shared.wake();
    }
}

fn serve(service: &Service, stream: Tcp, id: SessionId, peer: SocketAddr) -> Caller {
    let observer = &service.observer;
    observer.event(Event::SessionOpened { session: id, peer: peer.to_string() });
    let block = service.identity.as_ref().map(|identity| identity.modulus_bytes() as u64);
    let local = stream.local_addr();
    let (stream, _) = record::tapped(Box::new(stream), observer, block, || Wire {
        side: Side::Server,
        track: None,
        local: local.map(|address| address.to_string()).unwrap_or_default(),
        peer: peer.to_string(),
        dialect: None,
        at_ms: clock::unix_ms(),
    });
    let connection = Connection::new(stream, service.policy.deadlines.idle);
    let mut session = Session::new(service, connection, id, peer.to_string());
    let caller = catch_unwind(AssertUnwindSafe(|| session.run_for_caller())).unwrap_or_else(|_| {
        session.refuse(Refusal::Busy);
        observer.event(Event::Note {
            text: format!("a bug in upseal ended the session of {peer}; its file was not stored"),
        });
        Caller::Client
    });
    drop(session);
    observer.event(Event::SessionClosed { session: id });
    caller
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::Read as _;
    use std::net::Ipv4Addr;

    use super::*;
    use crate::digest::Digest;
    use crate::history::{History, Seen, Serving};
    use crate::net::Observer;
    use crate::net::budget::PaddingBudget;
    use crate::net::service::Policy;
    use crate::store::{Folder, Nowhere};
    use crate::testing::EventLog;

    #[test]
    fn the_history_is_maintained_once_a_day() {
        let begun = Instant::now();
        let mut upkeep = Upkeep::new(UPKEEP, begun);
        let almost = begun + UPKEEP.saturating_sub(Duration::from_millis(1));
        assert!(!upkeep.is_due(almost));
        assert_eq!(upkeep.rest(almost).tv_sec, 1, "the accept loop wakes up by itself");
        assert!(upkeep.is_due(begun + UPKEEP));
        assert!(!upkeep.is_due(begun + UPKEEP), "once");
        assert_eq!(upkeep.rest(begun + UPKEEP).tv_sec, 86_401);
    }

    #[test]
    fn the_accept_loop_maintains_the_history() {
        let folder = tempfile::tempdir().unwrap();
        let history = Arc::new(History::open(&folder.path().join("history.db")).unwrap());
        let (serving, _) = Serving::open(Arc::clone(&history), folder.path(), i64::MAX, 0).unwrap();
        history.remember(&[(Seen::Token, Digest([1; 32]))], 1000).unwrap();
        let service = Service {
            policy: Policy::default(),
            identity: None,
            store: Arc::new(Nowhere),
            ciphertext: None,
            history: Some(serving),
            budget: PaddingBudget::default(),
            observer: Arc::new(EventLog::default()),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (woken, wake) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        let mut accept = Accept {
            listener,
            woken,
            lifetime: Lifetime::UntilStopped,
            shared: Arc::new(Shared {
                state: Mutex::default(),
                service: Mutex::new(Arc::new(service)),
                wake,
            }),
            threads: Vec::new(),
            numbers: Arc::default(),
            stack: STACK,
            upkeep: Upkeep::new(Duration::ZERO, Instant::now()),
        };
        let client = TcpStream::connect(address).unwrap();
        accept.turn(true).unwrap();
        assert!(!history.is_seen(Seen::Token, Digest([1; 32])).unwrap());
        drop(client);
        accept.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn a_session_without_a_thread_is_refused_and_reset() {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(EventLog::default());
        let service = Service {
            policy: Policy::default(),
            identity: None,
            store: Arc::new(Folder::open(folder.path()).unwrap()),
            ciphertext: None,
            history: None,
            budget: PaddingBudget::default(),
            observer: Arc::clone(&log) as Arc<dyn Observer>,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // No system has enough memory for this stack.
        let server =
            Server::sized(listener, Arc::new(service), Lifetime::UntilStopped, Arc::default(), 1 << 60)
                .unwrap();
        let mut client = TcpStream::connect(server.address()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut said = Vec::new();
        let end = client.read_to_end(&mut said);
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(said, [0xff]);
        let note = log.wait_for(|event| matches!(event, Event::Note { .. })).unwrap();
        assert!(
            matches!(&note, Event::Note { text } if text.contains("cannot accept a connection")),
            "{note:?}"
        );
    }
}
