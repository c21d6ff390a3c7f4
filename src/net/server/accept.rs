//! The accept loop, and one thread for each session.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};

use super::heralds::{Heard, Heralds};
use super::upkeep::Upkeep;
use super::{Lifetime, Shared};
use crate::clock;
use crate::crypto::identity::Identity;
use crate::event::{Event, SessionId, Side, Wire};
use crate::messages::expiry;
use crate::net::Arrival;
use crate::net::admission::{Admitted, Newcomer, Tally, Turned};
use crate::net::connection::Connection;
use crate::net::leaving::Phase;
use crate::net::network::Network;
use crate::net::receive::{Caller, Session};
use crate::net::record;
use crate::net::refusal::{Notice, Refusal};
use crate::net::service::Service;
use crate::net::stream::{Stream, Tcp};
use crate::trust::facts;

/// Pause after an `accept` that failed for lack of descriptors or memory.
const BREATH: Duration = Duration::from_millis(100);

/// Time between the refusal of a client without a session and the reset, which would otherwise overtake the refusal.
const LINGER: Duration = Duration::from_millis(100);
/// Refused clients that wait for their reset at most; in a flood the oldest does not wait.
const LINGERING: usize = 64;

/// Longest wait of a client whose address has too many sessions that have not done anything yet.
const WAIT: Duration = Duration::from_secs(3);
/// Clients that wait so at most.
const LINE: usize = 128;
/// Interval at which a place for them is looked for.
const RETRY: Duration = Duration::from_millis(10);

/// A client that was accepted and has no session yet.
pub(super) struct Waiting {
    stream: Tcp,
    peer: SocketAddr,
    since: Instant,
}

/// The accept loop.
pub(super) struct Accept {
    /// `None`: the server accepts no further connections.
    pub(super) listener: Option<TcpListener>,
    pub(super) woken: OwnedFd,
    pub(super) lifetime: Lifetime,
    pub(super) shared: Arc<Shared>,
    pub(super) threads: Vec<JoinHandle<()>>,
    /// Number of the latest session, of this server or of one that counts with it.
    pub(super) numbers: Arc<AtomicU64>,
    /// Bytes of a session's stack.
    pub(super) stack: usize,
    pub(super) upkeep: Upkeep,
    /// Identity whose certificates were checked for their ends since the latest upkeep.
    pub(super) checked: Option<Arc<Identity>>,
    pub(super) tally: Tally,
    /// Clients of addresses with many sessions, in their order.
    pub(super) waiting: VecDeque<Waiting>,
    /// Connections of a proxy that has not stated its client yet.
    pub(super) heralds: Heralds,
    /// Refused clients, and when each is reset.
    pub(super) refused: VecDeque<(Instant, Tcp)>,
    /// Descriptor that is closed when no other is left, so that one more client can be accepted and refused. Otherwise it
    /// would stay in the kernel's queue, and the loop would be woken again and again.
    pub(super) reserve: Option<File>,
}

/// Opens the descriptor in reserve.
pub(super) fn reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

impl Accept {
    pub(super) fn run(mut self) {
        loop {
            self.shared.turns.fetch_add(1, Ordering::Relaxed);
            let (stopping, draining, served, running) = {
                let state = self.shared.state.lock();
                (state.stopping, state.leaving.is_begun(), state.served, state.gate.len())
            };
            if draining && let Some(listener) = self.listener.take() {
                self.close(&listener);
            }
            let (over, accepting) = match self.lifetime {
                _ if draining => (running == 0 && self.refused.is_empty(), false),
                Lifetime::UntilStopped => (false, true),
                // Further clients wait in the kernel's queue, in case the first turns out to be none.
                Lifetime::OneSession => (served && running == 0, running == 0 && self.heralds.is_empty()),
            };
            if stopping || over {
                break;
            }
            if let Err(error) = self.turn(accepting) {
                self.note(format!("cannot accept a connection: {error}"));
                thread::sleep(BREATH);
            }
        }
        drop(self.listener);
        for thread in self.threads {
            // A session's panic is caught in its thread.
            let _ = thread.join();
        }
    }

    /// Refuses the clients that wait for a session, in the kernel's queue too.
    fn close(&mut self, listener: &TcpListener) {
        let now = Instant::now();
        for client in std::mem::take(&mut self.waiting) {
            self.turn_away(client.stream, now);
        }
        for socket in self.heralds.clear() {
            if let Ok(stream) = Tcp::new(socket) {
                self.turn_away(stream, now);
            }
        }
        while let Ok((socket, _)) = listener.accept() {
            if let Ok(stream) = Tcp::new(socket) {
                self.turn_away(stream, now);
            }
        }
    }

    /// Refuses a client without a session, and keeps the connection until the refusal has arrived.
    fn turn_away(&mut self, mut stream: Tcp, now: Instant) {
        turn_away(&mut stream);
        if self.refused.len() >= LINGERING {
            self.refused.pop_front();
        }
        self.refused.push_back((now + LINGER, stream));
    }

    fn note(&self, text: String) {
        self.service().observer.event(Event::Note { text });
    }

    /// Waits for a client, the end of a session, the stop or a time, and handles it.
    pub(super) fn turn(&mut self, accepting: bool) -> io::Result<()> {
        self.check_certificates(clock::unix_seconds());
        let mut fds = vec![PollFd::new(&self.woken, PollFlags::IN)];
        fds.extend(self.heralds.sockets().map(|socket| PollFd::new(socket, PollFlags::IN)));
        let heralds = fds.len();
        if let (true, Some(listener)) = (accepting, &self.listener) {
            fds.push(PollFd::new(listener, PollFlags::IN));
        }
        match poll(&mut fds, Some(&self.rest(Instant::now()))) {
            Err(Errno::INTR) => return Ok(()),
            ready => ready?,
        };
        let woken = !fds[0].revents().is_empty();
        let arrived = fds.get(heralds).is_some_and(|fd| !fd.revents().is_empty());
        let now = Instant::now();
        if self.upkeep.is_due(now) {
            self.maintain();
        }
        if let Some(text) = self.tally.line(now) {
            self.warn(text);
        }
        for _ in 0..self.waiting.len() {
            let Some(client) = self.waiting.pop_front() else { break };
            self.place(client)?;
        }
        for heard in self.heralds.hear(now) {
            self.hear(heard)?;
        }
        while self.refused.front().is_some_and(|(until, _)| *until <= now) {
            self.refused.pop_front();
        }
        if woken {
            let mut bytes = [0; 64];
            while matches!(read(&self.woken, &mut bytes), Ok(1..)) {}
            self.threads.retain(|thread| !thread.is_finished());
        }
        if arrived { self.accept(TcpListener::accept) } else { Ok(()) }
    }

    /// Returns how long the loop may sleep.
    fn rest(&self, now: Instant) -> Timespec {
        let mut rest = self.upkeep.rest(now);
        if let Some(due) = self.tally.due(now) {
            rest = rest.min(due.saturating_duration_since(now));
        }
        if !self.waiting.is_empty() {
            rest = rest.min(RETRY);
        }
        if let Some(due) = self.heralds.due() {
            rest = rest.min(due.saturating_duration_since(now));
        }
        if let Some((until, _)) = self.refused.front() {
            rest = rest.min(until.saturating_duration_since(now));
        }
        // A little longer, so that it is due then. A period is at most a day.
        let rest = rest + Duration::from_millis(1);
        Timespec {
            tv_sec: i64::try_from(rest.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: rest.subsec_nanos().into(),
        }
    }

    /// Accepts a client, or refuses it if no descriptor is left for it.
    pub(super) fn accept(
        &mut self,
        accept: impl Fn(&TcpListener) -> io::Result<(TcpStream, SocketAddr)>,
    ) -> io::Result<()> {
        let is_exhausted =
            |error: &io::Error| matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE));
        let Some(listener) = &self.listener else { return Ok(()) };
        match accept(listener) {
            Ok((socket, peer)) => self.open(socket, peer),
            // The client went away between `poll` and `accept`.
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted) => {
                Ok(())
            }
            Err(e) if is_exhausted(&e) && self.reserve.take().is_some() => {
                if let Ok((socket, peer)) = accept(listener) {
                    self.tally.count(Arrival::Away(Turned::Descriptors), || peer.ip().to_string());
                    self.service().observer.arrived(Arrival::Away(Turned::Descriptors));
                    turn_away(&mut Tcp::new(socket)?);
                }
                self.reserve = reserve();
                // Sessions that end give descriptors back.
                thread::sleep(BREATH / 10);
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    /// Writes rows that could not be written before, and removes digests that can no longer be replayed. The ends of the
    /// certificates are due again.
    pub(super) fn maintain(&mut self) {
        self.checked = None;
        let service = self.service();
        let Some(history) = &service.history else { return };
        if let Err(error) = history.keep_up(clock::unix_seconds()) {
            self.note(format!("cannot maintain the history: {error}"));
        }
    }

    /// Warns of certificates that end soon: when the server starts, has other ones, and once a day.
    pub(super) fn check_certificates(&mut self, now: i64) {
        let service = self.service();
        let Some(identity) = &service.identity else { return };
        if self.checked.as_ref().is_some_and(|checked| Arc::ptr_eq(checked, identity)) {
            return;
        }
        self.checked = Some(Arc::clone(identity));
        let is_used = service.policy.variants.iter().any(|variant| variant.authenticates());
        let server = facts::not_after(identity.certificate_pem()).filter(|_| is_used);
        let receipts = identity.receipt_key().filter(|_| service.receipt_signer().is_ok());
        let receipts = receipts.and_then(|key| facts::not_after(key.certificate_pem()));
        let server = server.and_then(|end| expiry::of_server(end, now));
        let receipts = receipts.and_then(|end| expiry::of_receipts(end, now));
        server.into_iter().chain(receipts).for_each(|text| self.warn(text));
    }

    fn warn(&self, text: String) {
        self.service().observer.event(Event::Warned {
            session: None,
            peer: None,
            name: None,
            text,
            at_ms: clock::unix_ms(),
        });
    }

    fn service(&self) -> Arc<Service> {
        Arc::clone(&self.shared.service.lock())
    }

    /// Counts a client that is turned away, or a session that makes room.
    fn count(&mut self, arrival: Arrival, details: impl FnOnce() -> String) {
        self.tally.count(arrival, details);
        self.service().observer.arrived(arrival);
    }

    /// Begins a session for a connection, or waits for the proxy's header.
    fn open(&mut self, socket: TcpStream, peer: SocketAddr) -> io::Result<()> {
        let service = self.service();
        let door = &service.policy.door;
        if door.proxies.is_none() {
            return self.spawn(socket, peer);
        }
        if !door.trusts(peer.ip()) {
            return self.refuse(socket, Turned::NotProxy, peer.ip().to_string());
        }
        match self.heralds.add(socket, peer, service.policy.deadlines.message, Instant::now())? {
            Some(crowded) => self.hear(crowded),
            None => Ok(()),
        }
    }

    /// Begins the session of a client that a proxy has stated, or refuses the proxy's connection.
    fn hear(&mut self, heard: Heard) -> io::Result<()> {
        match heard {
            Heard::Client(socket, client) => self.spawn(socket, client),
            Heard::Refused(socket, proxy, why) => {
                self.refuse(socket, Turned::Header, format!("{} ({why})", proxy.ip()))
            }
        }
    }

    /// Refuses a connection before anything is done for it.
    ///
    /// It gets the byte of a refusal as all others do: behind a TCP proxy, which turns a reset into an end in order, a client
    /// would otherwise take the refusal for success.
    fn refuse(&mut self, socket: TcpStream, why: Turned, details: String) -> io::Result<()> {
        self.count(Arrival::Away(why), || details);
        self.turn_away(Tcp::new(socket)?, Instant::now());
        Ok(())
    }

    /// Begins a session, unless the client is turned away.
    fn spawn(&mut self, socket: TcpStream, peer: SocketAddr) -> io::Result<()> {
        if !self.service().policy.door.admits(peer.ip()) {
            return self.refuse(socket, Turned::NotAllowed, peer.ip().to_string());
        }
        socket.set_nonblocking(false)?;
        let mut stream = Tcp::new(socket)?;
        // Until the session has ended in order: the end of a server that is killed or cannot serve must not look like a
        // confirmation.
        stream.reset();
        self.place(Waiting { stream, peer, since: Instant::now() })
    }

    /// Begins the session of a client, lets it wait, or turns it away.
    fn place(&mut self, client: Waiting) -> io::Result<()> {
        let Waiting { stream, peer, since } = client;
        let service = self.service();
        let acted = Arc::new(AtomicBool::new(false));
        let (network, now) = (Network::of(Some(peer.ip())), Instant::now());
        let (id, phase) = {
            let mut state = self.shared.state.lock();
            if state.stopping {
                return Ok(());
            }
            if state.leaving.is_begun() {
                drop(state);
                self.turn_away(stream, now);
                return Ok(());
            }
            let stopped = stream.interrupter();
            let newcomer = Newcomer {
                network,
                now,
                dice: dice(),
                acted: Arc::clone(&acted),
                interrupter: stream.interrupter(),
            };
            let next = || SessionId(self.numbers.fetch_add(1, Ordering::Relaxed) + 1);
            let admitted = if state.penalties.is_refused(network, now) {
                Err(Turned::Penalty)
            } else {
                state.gate.admit(next, newcomer, service.policy.admission)
            };
            let phase = admitted.as_ref().ok().map(|admitted| state.leaving.join(admitted.id, stopped));
            drop(state);
            // Many clients of one address may begin at the same moment; their first steps take less than a second.
            let may_wait = admitted == Err(Turned::Idle) && now.duration_since(since) < WAIT;
            if may_wait && self.waiting.len() < LINE {
                self.waiting.push_back(Waiting { stream, peer, since });
                return Ok(());
            }
            match (admitted, phase) {
                (Ok(Admitted { id, leaves }), Some(phase)) => {
                    if leaves.is_some() {
                        self.count(Arrival::Evicted, String::new);
                    }
                    (id, phase)
                }
                (admitted, _) => {
                    if let Err(why) = admitted {
                        self.count(Arrival::Away(why), || network.to_string());
                    }
                    self.turn_away(stream, now);
                    return Ok(());
                }
            }
        };
        let guard = Running { id, shared: Arc::clone(&self.shared) };
        let name = format!("upseal-session-{}", id.0);
        let mut spare = stream.spare();
        let thread = thread::Builder::new().name(name).stack_size(self.stack).spawn(move || {
            let guard = guard;
            let (caller, is_bad) = serve(&service, stream, (guard.id, peer), (acted, phase), &guard.shared);
            let mut state = guard.shared.state.lock();
            state.served |= caller == Caller::Client;
            if is_bad {
                state.penalties.add(network, service.policy.penalize, Instant::now());
            }
        });
        let spawned = thread.map(|thread| self.threads.push(thread));
        if spawned.is_err() {
            turn_away(&mut spare);
        }
        spawned
    }
}

/// Refuses a client without a session, and without patience, because other clients wait to be accepted.
fn turn_away(stream: &mut Tcp) {
    stream.refuse(&Notice::from(Refusal::Busy).bytes(false), Duration::ZERO);
}

/// Returns a random number from 0 to 99.
fn dice() -> usize {
    let mut byte = [0; 8];
    // Without randomness the chance decides against the client.
    if getrandom::fill(&mut byte).is_err() { 0 } else { (u64::from_ne_bytes(byte) % 100) as usize }
}

/// Removes the session from the list when its thread ends, however it ends.
struct Running {
    id: SessionId,
    shared: Arc<Shared>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.gate.leave(self.id);
        state.leaving.forget(self.id);
        drop(state);
        self.shared.wake();
    }
}

/// Runs a session. Returns what its client turned out to be, and whether the session was a bad one.
fn serve(
    service: &Service,
    stream: Tcp,
    (id, peer): (SessionId, SocketAddr),
    (acted, phase): (Arc<AtomicBool>, Phase),
    shared: &Shared,
) -> (Caller, bool) {
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
    let mut session = Session::new(service, connection, id, peer.to_string()).marking(acted);
    session = session.leaving(phase).sharing(Arc::clone(&shared.queue), Arc::clone(&shared.disk));
    let caller = catch_unwind(AssertUnwindSafe(|| session.run_for_caller())).unwrap_or_else(|_| {
        session.refuse(Refusal::Busy);
        observer.event(Event::Note {
            text: format!("a bug in upseal ended the session of {peer}; its file was not stored"),
        });
        Caller::Client
    });
    let is_bad = session.is_bad();
    drop(session);
    observer.event(Event::SessionClosed { session: id });
    (caller, is_bad)
}
