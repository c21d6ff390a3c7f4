//! What attackers do. Each attack is one thread's part of it, and goes on until the test stops it.

use std::io::{ErrorKind, Read as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use upseal::event::{Dialect, EmptyFile, Framing, Variant};

use crate::common::{Peer, Recording, message, noise, words};

/// Pause of an attacker that was refused: the test measures the server, not how fast this machine connects.
const REST: Duration = Duration::from_millis(2);

/// One attacker.
pub(crate) struct Attacker<'a> {
    pub server: SocketAddr,
    pub number: u8,
    pub stop: &'a AtomicBool,
}

impl Attacker<'_> {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Connects from 127.0.9.`number`, an address of its own. `None`: there is no place in the server's queue.
    fn connect(&self) -> Option<Peer> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 9, self.number)), 0)).unwrap();
        connect(&socket, &self.server).ok()?;
        let peer = Peer::over(TcpStream::from(socket));
        peer.0.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        Some(peer)
    }

    /// Connects again and again, sends these bytes and the end, and waits for the server's end. Returns the number of
    /// connections.
    fn repeat(&self, bytes: impl Fn(u64) -> Vec<u8>) -> u64 {
        let mut done = 0;
        while self.goes_on() {
            if let Some(mut peer) = self.connect() {
                peer.send(&bytes(done));
                // It fails if the server has reset the connection already.
                let _ = peer.0.shutdown(Shutdown::Write);
                let mut answers = [0; 1 << 14];
                while matches!(peer.0.read(&mut answers), Ok(1..)) {}
                done += 1;
            }
            thread::sleep(REST);
        }
        done
    }

    /// Keeps `connections` open: each sends `begin`, and `more` at every `pause`. One that the server closes is replaced.
    /// Returns the number of connections.
    fn hold(&self, connections: usize, begin: impl Fn(u64) -> Vec<u8>, more: &[u8], pause: Duration) -> u64 {
        let (mut held, mut done, mut next) = (Vec::new(), 0, Instant::now() + pause);
        while self.goes_on() {
            held.retain_mut(is_open);
            while held.len() < connections && self.goes_on() {
                let Some(mut peer) = self.connect() else { break };
                peer.send(&begin(done));
                peer.0.set_nonblocking(true).unwrap();
                held.push(peer);
                done += 1;
            }
            if Instant::now() >= next {
                for peer in &mut held {
                    peer.send(more);
                }
                next = Instant::now() + pause;
            }
            thread::sleep(REST * 10);
        }
        done
    }
}

fn is_open(peer: &mut Peer) -> bool {
    let mut byte = [0];
    match peer.0.read(&mut byte) {
        Ok(1..) => byte[0] != 0xff,
        Ok(0) => false,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

/// A recorded upload by CP1, which costs the server an operation of its key for each block.
static CP1: LazyLock<Vec<u8>> =
    LazyLock::new(|| Recording::of(Dialect::of(Variant::Cp1), "x.cp1", &noise(16 << 10, 1)).bytes);

/// A block of CP1 without plaintext, behind its length, as framing E has it.
static EMPTY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let dialect = Dialect { framing: Framing::E, empty: EmptyFile::Block, ..Dialect::of(Variant::Cp1) };
    let bytes = Recording::of(dialect, "x.empty", b"").bytes;
    bytes[bytes.len() - 8 - 8 - 128..bytes.len() - 8].to_vec()
});

fn begun(n: u64, number: u8, size: u64) -> Vec<u8> {
    [message(0, format!("x{number}-{n}").as_bytes()), words(&[1, size])].concat()
}

pub(crate) fn silence(it: &Attacker<'_>) -> u64 {
    it.hold(64, |_| Vec::new(), b"", Duration::MAX / 4)
}

pub(crate) fn trickled_messages(it: &Attacker<'_>) -> u64 {
    it.hold(64, |_| Vec::new(), &[0], Duration::from_secs(1))
}

pub(crate) fn slow_bodies(it: &Attacker<'_>) -> u64 {
    it.hold(63, |n| begun(n, it.number, 1 << 20), &[7], Duration::from_secs(10))
}

pub(crate) fn stalled_bodies(it: &Attacker<'_>) -> u64 {
    let body = vec![7; 100 << 10];
    it.hold(32, |n| [begun(n, it.number, 1 << 20), body.clone()].concat(), b"", Duration::MAX / 4)
}

pub(crate) fn reserved_disks(it: &Attacker<'_>) -> u64 {
    it.hold(16, |n| begun(n, it.number, 60 << 30), &[7], Duration::from_secs(1))
}

pub(crate) fn proofs(it: &Attacker<'_>) -> u64 {
    it.repeat(|_| message(3, b"hello").repeat(17))
}

pub(crate) fn session_keys(it: &Attacker<'_>) -> u64 {
    it.repeat(|n| [message(3, b"hello"), message(4, &noise(128, n)).repeat(65)].concat())
}

pub(crate) fn cp1_bodies(it: &Attacker<'_>) -> u64 {
    it.repeat(|_| CP1.clone())
}

pub(crate) fn empty_blocks(it: &Attacker<'_>) -> u64 {
    let blocks = EMPTY.repeat(200);
    it.repeat(|_| {
        [message(3, b"hello"), message(0, b"x.empty"), words(&[1]), blocks.clone(), words(&[2])].concat()
    })
}

pub(crate) fn tiny_files(it: &Attacker<'_>) -> u64 {
    it.repeat(|n| [begun(n, it.number, 1), vec![7], words(&[2])].concat())
}

pub(crate) fn malformed_messages(it: &Attacker<'_>) -> u64 {
    it.repeat(|_| words(&[7]))
}

pub(crate) fn bad_names(it: &Attacker<'_>) -> u64 {
    it.repeat(|_| [message(0, &[0x1b; 255]), words(&[1, 1]), vec![7]].concat())
}

pub(crate) fn connections(it: &Attacker<'_>) -> u64 {
    let mut done = 0;
    while it.goes_on() {
        done += u64::from(it.connect().is_some());
        thread::sleep(REST);
    }
    done
}
