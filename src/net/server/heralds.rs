//! Connections of a proxy whose PROXY header has not come yet. They have no thread and no session, and are read by the
//! accept loop; their number and their time have a bound, so a slow header keeps no place.

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::sockopt;

use crate::net::proxy_header::{BadHeader, Header, Stated};

/// Connections that wait for their header at most: a proxy sends it at once.
const MOST: usize = 64;
/// Time in which a proxy ends a check, before this side does.
const CHECK: Duration = Duration::from_secs(1);

/// A connection of a proxy.
#[derive(Debug)]
struct Herald {
    socket: TcpStream,
    proxy: SocketAddr,
    header: Header,
    /// When its time is over.
    until: Instant,
    /// Whether its header said that it is a check.
    is_check: bool,
}

/// What became of a connection.
#[derive(Debug)]
pub(super) enum Heard {
    /// It is of this client.
    Client(TcpStream, SocketAddr),
    /// It is refused.
    Refused(TcpStream, SocketAddr, BadHeader),
}

/// The connections that wait, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Heralds(VecDeque<Herald>);

impl Heralds {
    /// Adds a connection whose header must be complete within `time`. Returns the oldest one if there are too many.
    pub(super) fn add(
        &mut self,
        socket: TcpStream,
        proxy: SocketAddr,
        time: Duration,
        now: Instant,
    ) -> io::Result<Option<Heard>> {
        socket.set_nonblocking(true)?;
        // Until it has ended in order, as for every connection.
        linger(&socket, Some(Duration::ZERO));
        let crowded = if self.0.len() < MOST { None } else { self.0.pop_front() };
        let header = Header::default();
        self.0.push_back(Herald { socket, proxy, header, until: now + time, is_check: false });
        Ok(crowded.map(|herald| Heard::Refused(herald.socket, herald.proxy, BadHeader::Crowded)))
    }

    /// Returns all that wait, and waits for none of them any longer.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = TcpStream> + use<> {
        std::mem::take(&mut self.0).into_iter().map(|herald| herald.socket)
    }

    /// Returns whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the sockets to wait for.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &TcpStream> {
        self.0.iter().map(|herald| &herald.socket)
    }

    /// Returns when the first time is over; `None`: no connection waits.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().map(|herald| herald.until).min()
    }

    /// Reads what has come. Returns the connections that have their header, and those that are refused.
    pub(super) fn hear(&mut self, now: Instant) -> Vec<Heard> {
        let mut heard = Vec::new();
        for mut herald in std::mem::take(&mut self.0) {
            match herald.step(now) {
                Step::Wait => self.0.push_back(herald),
                Step::Gone => {}
                Step::Client(client) => heard.push(Heard::Client(herald.socket, client)),
                Step::Bad(why) => heard.push(Heard::Refused(herald.socket, herald.proxy, why)),
            }
        }
        heard
    }
}

/// What a connection does next.
enum Step {
    Wait,
    /// It has ended, and nothing is to be said about it.
    Gone,
    Client(SocketAddr),
    Bad(BadHeader),
}

impl Herald {
    fn step(&mut self, now: Instant) -> Step {
        loop {
            if self.is_check {
                return self.end_check(now);
            }
            let read = self.socket.read(self.header.room());
            let count = match read {
                // A check that does not speak the protocol, or a port scan.
                Ok(0) if self.header.len() == 0 => return Step::Gone,
                Ok(0) => return Step::Bad(BadHeader::Cut(self.header.len())),
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    return if now >= self.until { Step::Bad(BadHeader::Late) } else { Step::Wait };
                }
                Err(_) => return Step::Gone,
            };
            match self.header.took(count) {
                Ok(None) => {}
                Ok(Some(Stated::Client(client))) => return Step::Client(client),
                Ok(Some(Stated::Check)) => {
                    self.is_check = true;
                    self.until = now + CHECK;
                }
                Err(why) => return Step::Bad(why),
            }
        }
    }

    /// Ends a check in order after its proxy has, or after a while. One that goes on is not ended in order, because a client
    /// could take that for the storage of its file.
    fn end_check(&mut self, now: Instant) -> Step {
        match self.socket.read(&mut [0]) {
            Ok(1..) => return Step::Bad(BadHeader::Talkative),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Step::Wait,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && now < self.until => return Step::Wait,
            Ok(0) | Err(_) => {}
        }
        linger(&self.socket, None);
        Step::Gone
    }
}

/// Makes the end of a socket a reset, or an end in order.
fn linger(socket: &TcpStream, time: Option<Duration>) {
    // If this fails, the peer sees another end of a connection in which nothing was stored.
    let _ = sockopt::set_socket_linger(socket, time);
}
