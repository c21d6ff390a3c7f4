//! The server: an accept loop and a thread for each session, all of which are joined at the end.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use parking_lot::Mutex;
use rustix::io::write;
use rustix::pipe::{PipeFlags, pipe_with};

use self::accept::Accept;
pub(crate) use self::control::Control;
use self::heralds::Heralds;
use self::upkeep::{UPKEEP, Upkeep};
use super::admission::{Gate, Tally};
use super::disk::Disk;
use super::interrupter::Interrupter;
use super::leaving::Leaving;
use super::penalties::Penalties;
use super::service::Service;
use super::work::Queue;

mod accept;
mod control;
mod heralds;
mod upkeep;

/// Bytes of a session's stack; its buffers are on the heap.
const STACK: usize = 512 << 10;

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
    /// Queue of the sessions before the server's key.
    queue: Arc<Queue>,
    /// The disk as the sessions share it.
    disk: Arc<Disk>,
    /// How often the accept loop has gone round.
    turns: AtomicU64,
    /// Pipe whose bytes wake the accept loop: a session ended, or the server is to stop.
    wake: OwnedFd,
}

#[derive(Debug, Default)]
struct Sessions {
    stopping: bool,
    /// Whether a client has been served.
    served: bool,
    gate: Gate,
    leaving: Leaving,
    penalties: Penalties,
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
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            service: Mutex::new(service),
            queue: Arc::default(),
            disk: Arc::default(),
            turns: AtomicU64::default(),
            wake,
        });
        let accept = Accept {
            listener: Some(listener),
            woken,
            lifetime,
            shared: Arc::clone(&shared),
            threads: Vec::new(),
            numbers,
            stack,
            upkeep: Upkeep::new(UPKEEP, Instant::now()),
            checked: None,
            tally: Tally::default(),
            waiting: VecDeque::new(),
            heralds: Heralds::default(),
            refused: VecDeque::new(),
            reserve: accept::reserve(),
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
        // Its certificates may end soon.
        self.shared.wake();
    }

    /// Returns what new connections are served with.
    #[must_use]
    pub(crate) fn service(&self) -> Arc<Service> {
        Arc::clone(&self.shared.service.lock())
    }

    /// Returns a handle by which other threads change the server or stop it in order.
    #[must_use]
    pub(crate) fn control(&self) -> Control {
        Control { shared: Arc::clone(&self.shared) }
    }

    /// Returns what counts the addresses that are refused for bad sessions at the moment.
    pub(crate) fn penalties(&self) -> impl Fn() -> usize + Send + Sync + use<> {
        let shared = Arc::downgrade(&self.shared);
        move || shared.upgrade().map_or(0, |shared| shared.state.lock().penalties.in_force(Instant::now()))
    }

    /// Returns a handle that stops the server from another thread; unfinished files are not published.
    #[must_use]
    pub fn stopper(&self) -> Interrupter {
        let shared = Arc::downgrade(&self.shared);
        Interrupter::new(move || {
            let Some(shared) = shared.upgrade() else { return };
            let mut state = shared.state.lock();
            state.stopping = true;
            state.gate.interrupt();
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
