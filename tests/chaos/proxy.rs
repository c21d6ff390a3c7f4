//! A TCP proxy that does to both directions of a connection what its seed says.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::ANYWHERE;

/// How long a direction waits for bytes before it looks whether the connection was reset.
const LOOK: Duration = Duration::from_millis(10);
/// Pauses of one direction at most, so that a connection in pieces of a byte ends.
const PAUSES: u32 = 40;

/// A pseudo-random sequence (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut n = self.0;
        n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.below(range.end - range.start)
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

/// What happens once in a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Both ends see a reset.
    Reset,
    /// Both ends see an orderly end.
    End,
    /// The receiver of this direction sees an orderly end; the other direction goes on.
    HalfEnd,
    /// Nothing passes for a while.
    Stall(Duration),
    /// A byte changes, by this mask.
    Change(u8),
}

/// How an end passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// As it came.
    AsTheyCome,
    /// A reset becomes an orderly end, as many proxies have it.
    InOrder,
    /// An orderly end becomes a reset of both ends.
    AsResets,
}

/// What happens to one direction of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course {
    /// Bytes that are passed on at once, at most.
    pub piece: usize,
    /// Microseconds of the longest pause before a piece.
    pub pause: u64,
    /// Time for which bytes are collected, so that they pass together.
    pub gather: Duration,
    /// A fault, and the number of bytes before it.
    pub fault: Option<(usize, Fault)>,
    pub ends: Ends,
}

/// What happens to a connection: client to server, and server to client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    pub seed: u64,
    pub up: Course,
    pub down: Course,
}

/// A proxy whose connections, one after another, have the weather that a function returns.
pub(crate) struct Proxy {
    address: SocketAddr,
    /// Faults that happened.
    faults: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) fn start(server: SocketAddr, weather: impl Fn(u64) -> Weather + Send + 'static) -> Self {
        let listener = TcpListener::bind(ANYWHERE).unwrap();
        let address = listener.local_addr().unwrap();
        let faults = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&faults);
        thread::spawn(move || {
            for number in 0.. {
                let Ok((client, _)) = listener.accept() else { continue };
                let Ok(server) = TcpStream::connect(server) else { continue };
                pass(client, server, weather(number), &counted);
            }
        });
        Self { address, faults }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }
}

/// Both sockets of a connection. The last holder closes them.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    is_reset: AtomicBool,
}

impl Pair {
    /// Makes the close of both sockets a reset.
    fn reset(&self) {
        for socket in [&self.client, &self.server] {
            let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
        }
        self.is_reset.store(true, Ordering::Relaxed);
    }

    fn is_reset(&self) -> bool {
        self.is_reset.load(Ordering::Relaxed)
    }
}

fn pass(client: TcpStream, server: TcpStream, weather: Weather, faults: &Arc<AtomicU64>) {
    let pair = Arc::new(Pair { client, server, is_reset: AtomicBool::new(false) });
    for socket in [&pair.client, &pair.server] {
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(LOOK)).unwrap();
        socket.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    }
    for (is_up, course) in [(true, weather.up), (false, weather.down)] {
        let (pair, faults) = (Arc::clone(&pair), Arc::clone(faults));
        let chance = Chance::new(weather.seed ^ u64::from(is_up));
        thread::spawn(move || Direction { pair, course, chance, faults, pauses: PAUSES, at: 0 }.run(is_up));
    }
}

struct Direction {
    pair: Arc<Pair>,
    course: Course,
    chance: Chance,
    faults: Arc<AtomicU64>,
    /// Pauses that are left.
    pauses: u32,
    /// Bytes that were passed on.
    at: usize,
}

impl Direction {
    fn run(mut self, is_up: bool) {
        let pair = Arc::clone(&self.pair);
        let (mut from, to) = if is_up { (&pair.client, &pair.server) } else { (&pair.server, &pair.client) };
        let mut bytes = vec![0; 1 << 16];
        while !pair.is_reset() {
            match from.read(&mut bytes) {
                Ok(0) => {
                    if self.course.ends == Ends::AsResets {
                        pair.reset();
                    }
                    let _ = if pair.is_reset() { Ok(()) } else { to.shutdown(Shutdown::Write) };
                    return;
                }
                Ok(n) => {
                    let mut n = n;
                    if !self.course.gather.is_zero() {
                        thread::sleep(self.course.gather);
                        n += from.read(&mut bytes[n..]).unwrap_or_default();
                    }
                    if !self.forward(&mut bytes[..n], from, to) {
                        return;
                    }
                }
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(_) if self.course.ends == Ends::InOrder => {
                    let _ = to.shutdown(Shutdown::Write);
                    return;
                }
                Err(_) => pair.reset(),
            }
        }
    }

    /// Passes bytes on, with the fault where it is due. Returns whether the direction goes on.
    fn forward(&mut self, mut bytes: &mut [u8], from: &TcpStream, to: &TcpStream) -> bool {
        if let Some((at, fault)) = self.course.fault
            && at < self.at + bytes.len()
        {
            self.course.fault = None;
            self.faults.fetch_add(1, Ordering::Relaxed);
            let (before, rest) = bytes.split_at_mut(at.saturating_sub(self.at));
            if !self.write(before, to) {
                return false;
            }
            match fault {
                Fault::Reset => {
                    self.pair.reset();
                    return false;
                }
                Fault::End | Fault::HalfEnd => {
                    let _ = to.shutdown(Shutdown::Write);
                    if fault == Fault::End {
                        let _ = from.shutdown(Shutdown::Write);
                    }
                    drain(from, &self.pair);
                    return false;
                }
                Fault::Stall(time) => thread::sleep(time),
                Fault::Change(mask) => rest[0] ^= mask,
            }
            bytes = rest;
        }
        self.write(bytes, to)
    }

    fn write(&mut self, bytes: &[u8], mut to: &TcpStream) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            let most = self.course.piece as u64;
            let length = usize::try_from(self.chance.within(1..most + 1)).unwrap().min(rest.len());
            if self.pauses > 0 && self.course.pause > 0 {
                self.pauses -= 1;
                thread::sleep(Duration::from_micros(self.chance.below(self.course.pause)));
            }
            if to.write_all(&rest[..length]).is_err() || self.pair.is_reset() {
                // As an honest proxy: the sender learns that the receiver has gone.
                if self.course.ends != Ends::InOrder {
                    self.pair.reset();
                }
                return false;
            }
            rest = &rest[length..];
            self.at += length;
        }
        true
    }
}

/// Reads and drops what a sender goes on to send, until it ends.
fn drain(mut from: &TcpStream, pair: &Pair) {
    let mut bytes = vec![0; 1 << 16];
    while !pair.is_reset() {
        match from.read(&mut bytes) {
            Ok(1..) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Ok(0) | Err(_) => return,
        }
    }
}
