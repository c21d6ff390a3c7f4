//! The attacker on the path: accepts a client's connection, forwards it to the server, and carries out a [`Plan`].
//!
//! ```text
//!   client ── bytes ─► Decoder (net::wire) ─ items ─► Plan ─ items ─► bytes ──► server
//!          ◄──────────────── unchanged, unless the plan answers ───────────────
//! ```
//!
//! It reads messages with the server's decoder, and a body of MODE 1 by its M1. So it edits only bodies in framing A, or
//! without blocks. Limits: bodies of [`LONGEST`] bytes, [`PATIENCE`] for a connection.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;

use crate::net::wire::{Decoder, Message};
use crate::net::word::{Mode, word};

/// The longest time to wait for a connection, and the longest duration of one.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// The largest body that is collected, in bytes.
const LONGEST: u64 = 1 << 20;

/// A message with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// Any MODE but 1.
    Message(Message),
    /// MODE 1 with as many bytes as its M1 says.
    Body(Vec<u8>),
}

impl Item {
    /// Returns the bytes on the wire.
    #[must_use]
    pub(super) fn bytes(&self) -> Vec<u8> {
        let with = |mode: Mode, m2: &[u8]| [&mode.word()[..], &word(m2.len() as u64), m2].concat();
        match self {
            Self::Body(body) => with(Mode::Data, body),
            Self::Message(Message::Filename(name)) => with(Mode::Filename, name),
            Self::Message(Message::Authenticate(message)) => with(Mode::Authenticate, message),
            Self::Message(Message::SessionKey(key)) => with(Mode::SessionKey, key),
            // The decoder returns the others only while blocks are expected, which this proxy never requests.
            Self::Message(_) => Mode::Close.word().to_vec(),
        }
    }
}

/// How the proxy cuts a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The server sees an orderly end, the client a reset.
    InOrder,
    /// Both see a reset.
    Reset,
    /// Both see an orderly end, the client after its last byte: it must believe that the upload succeeded.
    Lie,
}

/// Replaces an item that the client sends by any number of items.
pub(super) type Edit = Box<dyn FnMut(Item) -> Vec<Item> + Send>;

/// What the proxy does with a connection.
pub(super) enum Plan {
    /// Forwards everything unchanged.
    Relay,
    /// Forwards the items that this function returns.
    Edit(Edit),
    /// Forwards this many bytes of the first body, then cuts.
    Cut(usize, Cut),
    /// Forwards nothing, and answers MODE 3 with these bytes.
    Answer(Vec<u8>),
}

/// What the proxy saw on one connection.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    /// Every byte that the client sent.
    pub up: Vec<u8>,
    /// Every byte of the server that was forwarded.
    pub down: Vec<u8>,
    /// The messages and bodies of the client, as far as they could be parsed.
    pub items: Vec<Item>,
}

/// Parses bytes into whole items.
#[derive(Debug, Default)]
pub(super) struct Reader {
    decoder: Decoder,
    /// The beginning of a body, and its length.
    body: Option<(Vec<u8>, usize)>,
    /// Offset of the first body in the connection.
    first_body: Option<usize>,
    /// Whether the bytes could not be parsed; the rest is ignored.
    lost: bool,
}

impl Reader {
    /// Returns the items that end in these bytes.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Vec<Item> {
        let mut items = Vec::new();
        while !self.lost {
            if let Some((body, length)) = &mut self.body {
                let taken = (*length - body.len()).min(bytes.len());
                body.extend_from_slice(&bytes[..taken]);
                self.decoder.skip(taken as u64);
                bytes = &bytes[taken..];
                if body.len() < *length {
                    break;
                }
                items.extend(self.body.take().map(|(body, _)| Item::Body(body)));
            }
            match self.decoder.feed(bytes) {
                Ok((taken, message)) => {
                    bytes = &bytes[taken..];
                    match message {
                        None => break,
                        Some(Message::Data { length }) => {
                            // The lab's connections are far shorter than the address space.
                            let here = usize::try_from(self.decoder.offset()).unwrap_or(usize::MAX);
                            self.first_body.get_or_insert(here);
                            match usize::try_from(length) {
                                Ok(size) if length <= LONGEST => self.body = Some((Vec::new(), size)),
                                _ => self.lost = true,
                            }
                        }
                        Some(message) => items.push(Item::Message(message)),
                    }
                }
                Err(_) => self.lost = true,
            }
        }
        items
    }
}

/// A proxy on a loopback port that serves one connection for each plan, one after another.
pub(super) struct Proxy {
    address: SocketAddr,
    thread: JoinHandle<Vec<Seen>>,
}

impl Proxy {
    /// Starts a proxy. Each plan comes with the address of the server to forward to.
    ///
    /// # Errors
    /// No port or thread is available.
    pub(super) fn start(plans: Vec<(Plan, SocketAddr)>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let thread = thread::Builder::new().name("upseal-lab-proxy".to_owned()).spawn(move || {
            let mut seen = Vec::new();
            for (plan, server) in plans {
                // If a connection breaks, what was seen until then counts.
                let Ok(client) = accept(&listener) else { break };
                seen.push(Link::open(client, server, plan).map(Link::run).unwrap_or_default());
            }
            seen
        })?;
        Ok(Self { address, thread })
    }

    /// Returns the address that it listens on.
    #[must_use]
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the connections, and returns what was seen on each.
    #[must_use]
    pub(super) fn finish(self) -> Vec<Seen> {
        self.thread.join().unwrap_or_default()
    }
}

/// Accepts the next client, or fails after [`PATIENCE`].
fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let ready = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&timespec(PATIENCE)))?;
    if ready == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(listener.accept()?.0)
}

fn timespec(time: Duration) -> Timespec {
    // Both numbers are far below the limits of their types.
    Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: i64::from(time.subsec_nanos()) }
}

/// A forwarded connection.
struct Link {
    client: TcpStream,
    /// The connection to the server; `None` if there is none, or no longer.
    server: Option<TcpStream>,
    plan: Plan,
    reader: Reader,
    seen: Seen,
    /// Whether the client has ended its writing.
    finished: bool,
}

impl Link {
    fn open(client: TcpStream, server: SocketAddr, plan: Plan) -> io::Result<Self> {
        client.set_nodelay(true)?;
        client.set_write_timeout(Some(PATIENCE))?;
        let server = if let Plan::Answer(_) = plan {
            None
        } else {
            let server = TcpStream::connect_timeout(&server, PATIENCE)?;
            server.set_nodelay(true)?;
            server.set_write_timeout(Some(PATIENCE))?;
            Some(server)
        };
        Ok(Self { client, server, plan, reader: Reader::default(), seen: Seen::default(), finished: false })
    }

    /// Forwards until both connections have ended.
    fn run(mut self) -> Seen {
        let until = Instant::now() + PATIENCE;
        let mut chunk = vec![0; 16 << 10];
        while let Ok(true) = self.turn(&mut chunk, until) {}
        self.seen
    }

    /// Waits for either side and forwards its bytes. Returns false if both have ended.
    fn turn(&mut self, chunk: &mut [u8], until: Instant) -> io::Result<bool> {
        let left = until.saturating_duration_since(Instant::now());
        let (client, server) = {
            let mut fds = Vec::with_capacity(2);
            if !self.finished {
                fds.push(PollFd::new(&self.client, PollFlags::IN));
            }
            if let Some(server) = &self.server {
                fds.push(PollFd::new(server, PollFlags::IN));
            }
            if fds.is_empty() || left.is_zero() {
                return Ok(false);
            }
            poll(&mut fds, Some(&timespec(left)))?;
            let ready = |at: usize| fds.get(at).is_some_and(|fd: &PollFd<'_>| !fd.revents().is_empty());
            (!self.finished && ready(0), self.server.is_some() && ready(usize::from(!self.finished)))
        };
        if server && !self.hear_server(chunk)? {
            return Ok(false);
        }
        if client { self.hear_client(chunk) } else { Ok(true) }
    }

    fn hear_server(&mut self, chunk: &mut [u8]) -> io::Result<bool> {
        let Some(server) = &mut self.server else { return Ok(true) };
        match server.read(chunk) {
            Ok(0) => {
                self.server = None;
                self.client.shutdown(Shutdown::Write)?;
                Ok(!self.finished)
            }
            Ok(n) => {
                self.seen.down.extend_from_slice(&chunk[..n]);
                self.client.write_all(&chunk[..n])?;
                Ok(true)
            }
            Err(_) => {
                // The server reset the connection, so the client must see a reset.
                reset(&self.client);
                Ok(false)
            }
        }
    }

    fn hear_client(&mut self, chunk: &mut [u8]) -> io::Result<bool> {
        let n = match self.client.read(chunk) {
            Ok(0) => {
                self.finished = true;
                return match &self.server {
                    Some(server) => server.shutdown(Shutdown::Write).map(|()| true),
                    None => Ok(false),
                };
            }
            Ok(n) => n,
            Err(error) => {
                if let Some(server) = &self.server {
                    reset(server);
                }
                return Err(error);
            }
        };
        let bytes = &chunk[..n];
        let begun = self.seen.up.len();
        self.seen.up.extend_from_slice(bytes);
        if let Plan::Cut(after, how) = self.plan {
            return self.cut(bytes, begun, after, how);
        }
        let items = self.reader.read(bytes);
        let on = match &mut self.plan {
            Plan::Edit(edit) => items.iter().cloned().flat_map(edit).flat_map(|item| item.bytes()).collect(),
            Plan::Relay | Plan::Cut(..) => bytes.to_vec(),
            Plan::Answer(answer) => {
                if items.iter().any(|item| matches!(item, Item::Message(Message::Authenticate(_)))) {
                    self.client.write_all(answer)?;
                }
                Vec::new()
            }
        };
        self.seen.items.extend(items);
        if let Some(server) = &mut self.server {
            server.write_all(&on)?;
        }
        Ok(true)
    }

    /// Forwards what is before the cut, and cuts. `begun`: offset of these bytes in the connection.
    fn cut(&mut self, bytes: &[u8], begun: usize, after: usize, how: Cut) -> io::Result<bool> {
        let items = self.reader.read(bytes);
        let is_over = |item: &Item| matches!(item, Item::Message(Message::Close | Message::Authenticate(_)));
        let at = self.reader.first_body.map(|body| body + after).filter(|at| *at <= self.seen.up.len());
        match (&mut self.server, at) {
            (Some(server), None) => {
                server.write_all(bytes)?;
                self.seen.items.extend(items);
                return Ok(true);
            }
            (Some(server), Some(at)) => {
                server.write_all(&bytes[..at - begun])?;
                if how == Cut::Reset {
                    reset(server);
                } else {
                    server.shutdown(Shutdown::Write)?;
                }
                self.server = None;
            }
            (None, _) => {}
        }
        let over = items.iter().any(is_over);
        self.seen.items.extend(items);
        if how != Cut::Lie {
            reset(&self.client);
            return Ok(false);
        }
        if over {
            self.client.shutdown(Shutdown::Write)?;
        }
        Ok(true)
    }
}

/// Makes closing the socket send a reset.
fn reset(socket: &TcpStream) {
    // If it fails, the peer sees an orderly end, and the result shows it.
    let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}
