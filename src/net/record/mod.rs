//! Records of connections as values: the source of the Session screen.
//!
//! ```text
//!   Connection ─► Tapped (a Stream) ─► Tcp
//!                   │ bytes, as they pass
//!                   ▼
//!                  Tap ─ Follow (follow.rs): messages ─ Sampling (sample.rs): first bytes, entropy
//!                   │
//!                   └─► Event::WireOpened, WireFrames, WireClosed
//! ```
//!
//! A program that records nothing has no `Tapped` at all. With [`Depth::Outline`] the lengths of messages are read and
//! their first bytes are kept; with [`Depth::Full`] at most 48 pieces of 2 KiB of a body are counted, whatever its size,
//! so that neither cost grows with the file. Memory is bounded: 256 bytes of each message, and of a connection the first
//! 64 messages and the last 32 of each tenth of a second.
//!
//! A record contains what is on the wire, and so never a key in clear: a session key is encrypted with the server's key.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use self::follow::{Follow, Note};
use self::sample::Sampling;
use super::Observer;
use super::interrupter::Interrupter;
use super::stream::Stream;
use crate::event::{Depth, Event, Frame, Kind, Side, Way, Wire, WireId};

mod follow;
mod sample;
#[cfg(test)]
mod tests;

/// Messages at the beginning of a connection that are reported one by one.
pub const FIRST: u64 = 64;
/// Messages that are reported after those, in each pause between two reports.
pub const LAST: usize = 32;
/// Time between two reports of messages in progress.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes from which on a body is reported when it begins, because it takes longer than a moment.
const LONG: u64 = 256 << 10;

/// Switch of the recording, and counter of the recorded connections.
#[derive(Debug, Default)]
pub struct Recorder {
    depth: AtomicU8,
    opened: AtomicU64,
}

impl Recorder {
    /// Sets the depth from now on. A connection that was opened with [`Depth::Off`] is not recorded.
    pub fn set(&self, depth: Depth) {
        self.depth.store(depth as u8, Relaxed);
    }

    /// Returns the current depth.
    #[must_use]
    pub fn depth(&self) -> Depth {
        match self.depth.load(Relaxed) {
            0 => Depth::Off,
            1 => Depth::Outline,
            _ => Depth::Full,
        }
    }
}

/// Returns the stream, recorded if the observer's recorder is on; only then `wire` is called. `block`: bytes of a block of
/// CP1, at a server with a key.
pub fn tapped(
    stream: Box<dyn Stream>,
    observer: &Arc<dyn Observer>,
    block: Option<u64>,
    wire: impl FnOnce() -> Wire,
) -> (Box<dyn Stream>, Option<Tap>) {
    let recorder = match observer.recorder() {
        Some(recorder) if recorder.depth() != Depth::Off => recorder,
        _ => return (stream, None),
    };
    let id = WireId(recorder.opened.fetch_add(1, Relaxed) + 1);
    let opened = wire();
    let side = opened.side;
    observer.event(Event::WireOpened { wire: id, opened });
    let began = Instant::now();
    let record = Record {
        observer: Arc::clone(observer),
        recorder,
        id,
        side,
        began,
        number: 0,
        to_server: Direction::new(Follow::client(block)),
        to_client: Direction::new(Follow::server()),
        file: None,
        waiting: VecDeque::new(),
        reported: began,
        is_over: false,
        is_broken: false,
    };
    let tap = Tap(Arc::new(Mutex::new(record)));
    (Box::new(Tapped { stream, tap: tap.clone() }), Some(tap))
}

/// Handle to the record of one connection, for code that knows more than the wire bytes reveal.
#[derive(Clone)]
pub struct Tap(Arc<Mutex<Record>>);

impl Tap {
    /// Announces the next body: it has `bytes` bytes behind the word that follows its MODE. `file`: size of the file that
    /// they hold in another form; `None`: they are the file.
    pub fn body(&self, bytes: u64, file: Option<u64>) {
        let record = &mut *self.0.lock();
        record.to_server.follow.expect(bytes);
        let is_full = record.recorder.depth() == Depth::Full;
        record.file = file.map(|file| Sampling::new(record.number, file, is_full));
    }

    /// Adds the next bytes of the file that the body holds.
    pub fn file(&self, bytes: &[u8]) {
        let record = &mut *self.0.lock();
        let is_full = record.recorder.depth() == Depth::Full;
        if let Some(file) = record.file() {
            if is_full {
                file.count();
            }
            file.add(bytes);
        }
    }
}

struct Record {
    observer: Arc<dyn Observer>,
    recorder: Arc<Recorder>,
    id: WireId,
    side: Side,
    began: Instant,
    /// Number of the latest message.
    number: u64,
    to_server: Direction,
    to_client: Direction,
    /// File in the next body, or in the current one.
    file: Option<Sampling>,
    /// Messages that are not reported yet.
    waiting: VecDeque<Frame>,
    /// Time of the last report.
    reported: Instant,
    /// Whether the peer has ended its side.
    is_over: bool,
    /// Whether this side resets the connection, or the client failed to read or write.
    is_broken: bool,
}

struct Direction {
    follow: Follow,
    /// Bytes of the messages that have ended.
    offset: u64,
    /// Latest message.
    open: Option<Open>,
}

impl Direction {
    const fn new(follow: Follow) -> Self {
        Self { follow, offset: 0, open: None }
    }
}

/// A message in progress, or the latest one.
struct Open {
    frame: Frame,
    body: Sampling,
    file: Option<Sampling>,
    /// Whether it continued after it seemed to have ended.
    again: bool,
}

impl Open {
    fn frame(&self) -> Frame {
        Frame {
            body: self.body.sample(self.frame.whole),
            file: self.file.as_ref().map(|file| file.sample(self.frame.whole)),
            ..self.frame.clone()
        }
    }
}

impl Record {
    /// Records bytes on the wire; `Err`: their number, where the kernel moved them. No bytes: nothing follows.
    fn passed(&mut self, way: Way, bytes: Result<&[u8], u64>) {
        let now = Instant::now();
        let at_us = micros(now.duration_since(self.began));
        let is_full = self.recorder.depth() == Depth::Full;
        let Self { to_server, to_client, number, file, waiting, .. } = self;
        let direction = if way == Way::ToServer { to_server } else { to_client };
        let Direction { follow, offset, open } = direction;
        let mut due = Vec::new();
        let mut note = |note: Note<'_>| match (note, &mut *open) {
            (Note::Begin(kind, header), open) => {
                if let Some(last) = open.take() {
                    *offset += last.frame.wire;
                }
                *number += 1;
                let frame = Frame {
                    number: *number,
                    way,
                    kind,
                    at_us,
                    last_us: at_us,
                    offset: *offset,
                    wire: header,
                    m1: None,
                    body: crate::event::Sample::default(),
                    file: None,
                    whole: false,
                };
                let file = if kind == Kind::Data { file.take() } else { None };
                *open = Some(Open { frame, body: Sampling::new(*number, 0, is_full), file, again: false });
            }
            (_, None) => {}
            (Note::Again, Some(open)) => (open.frame.whole, open.again) = (false, true),
            (Note::M1(m1), Some(open)) => {
                open.frame.wire += 8;
                open.frame.last_us = at_us;
                open.frame.m1 = Some(m1);
                open.body = Sampling::new(open.frame.number, m1, is_full);
                if open.frame.kind == Kind::Data && m1 > LONG && open.frame.number <= FIRST {
                    due.push(open.frame());
                }
            }
            (Note::Body(bytes), Some(open)) => {
                if is_full {
                    open.body.count();
                }
                open.frame.wire += bytes.len() as u64;
                open.frame.last_us = at_us;
                open.body.add(bytes);
            }
            (Note::Unseen(bytes), Some(open)) => {
                open.frame.wire += bytes;
                open.frame.last_us = at_us;
                open.body.skip(bytes);
            }
            (Note::End, Some(open)) => {
                open.frame.whole = true;
                if way == Way::ToClient {
                    open.frame.kind = answer(&open.body);
                }
                if open.frame.number <= FIRST && !open.again {
                    due.push(open.frame());
                } else {
                    waiting.retain(|frame| frame.number != open.frame.number);
                    waiting.push_back(open.frame());
                    while waiting.len() > LAST {
                        waiting.pop_front();
                    }
                }
            }
        };
        match bytes {
            Ok([]) | Err(0) => follow.end(&mut note),
            Ok(bytes) => follow.feed(bytes, &mut note),
            Err(bytes) => follow.skip(bytes, &mut note),
        }
        if now.duration_since(self.reported) >= PAUSE {
            self.reported = now;
            due.extend(self.rest());
        }
        self.report(due);
    }

    /// Returns the file of the body in progress, or of the next one.
    fn file(&mut self) -> Option<&mut Sampling> {
        match &mut self.to_server.open {
            Some(open) if open.frame.kind == Kind::Data && !open.frame.whole => open.file.as_mut(),
            _ => self.file.as_mut(),
        }
    }

    /// Returns the messages that are not reported yet, and those in progress.
    fn rest(&mut self) -> Vec<Frame> {
        let mut frames: Vec<Frame> = self.waiting.drain(..).collect();
        let open = [&self.to_server.open, &self.to_client.open];
        frames.extend(open.into_iter().flatten().filter(|open| !open.frame.whole).map(Open::frame));
        frames
    }

    fn report(&self, mut frames: Vec<Frame>) {
        if !frames.is_empty() {
            frames.sort_by_key(|frame| frame.number);
            self.observer.event(Event::WireFrames { wire: self.id, frames });
        }
    }

    fn close(&mut self) {
        let rest = self.rest();
        self.report(rest);
        let at_us = micros(self.began.elapsed());
        let last = self.to_server.open.as_ref().map(|open| (open.frame.kind, open.frame.whole));
        let is_complete = match last {
            Some((Kind::Close, _)) => true,
            Some((_, whole)) => self.is_over && whole,
            None => self.is_over,
        };
        // A side that refuses something resets the connection, also after MODE 2.
        let in_order = is_complete && !self.is_broken;
        self.observer.event(Event::WireClosed { wire: self.id, at_us, in_order });
    }
}

/// Returns which part of an answer this is (docs/protocol.md, sections AP and Receipts).
fn answer(body: &Sampling) -> Kind {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    /// Bytes of the longest signature, of RSA-8192.
    const SIGNATURE: u64 = 1024;
    let head = body.head();
    if head.starts_with(b"upseal/1 stored\n") {
        Kind::Statement
    } else if head.windows(BEGIN.len()).any(|window| window == BEGIN) || body.bytes() > SIGNATURE {
        Kind::Certificate
    } else {
        Kind::Signature
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Stream whose bytes are recorded.
struct Tapped {
    stream: Box<dyn Stream>,
    tap: Tap,
}

impl Tapped {
    fn passed(&self, is_written: bool, bytes: Result<&[u8], u64>) {
        let mut record = self.tap.0.lock();
        let way = if is_written == (record.side == Side::Client) { Way::ToServer } else { Way::ToClient };
        if !is_written {
            record.is_over |= matches!(bytes, Ok([]) | Err(0));
        } else if matches!(bytes, Ok([]) | Err(0)) {
            return;
        }
        record.passed(way, bytes);
    }

    /// Returns the result, and records a failure.
    fn tried<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|_| {
            let mut record = self.tap.0.lock();
            // A failed read does not end the server's side: it waits, and after MODE 2 the client may end in any way. Where
            // the server refuses, it resets the connection.
            record.is_broken |= record.side == Side::Client;
        })
    }
}

impl Drop for Tapped {
    fn drop(&mut self) {
        self.tap.0.lock().close();
    }
}

impl Read for Tapped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.stream.read(buffer);
        let n = self.tried(result)?;
        if !buffer.is_empty() {
            self.passed(false, Ok(&buffer[..n]));
        }
        Ok(n)
    }
}

impl Write for Tapped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.stream.write(bytes);
        let n = self.tried(result)?;
        self.passed(true, Ok(&bytes[..n]));
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Stream for Tapped {
    fn now(&self) -> Instant {
        self.stream.now()
    }

    fn set_deadline(&mut self, at: Option<Instant>) -> io::Result<()> {
        self.stream.set_deadline(at)
    }

    fn interrupter(&self) -> Interrupter {
        self.stream.interrupter()
    }

    fn write_more(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.stream.write_more(bytes);
        let n = self.tried(result)?;
        self.passed(true, Ok(&bytes[..n]));
        Ok(n)
    }

    fn local(&self) -> Option<SocketAddr> {
        self.stream.local()
    }

    fn splices(&self) -> bool {
        self.stream.splices()
    }

    fn write_from(&mut self, file: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        let result = self.stream.write_from(file, most);
        let n = self.tried(result)?;
        self.passed(true, Err(n as u64));
        Ok(n)
    }

    fn read_to(&mut self, pipe: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        let result = self.stream.read_to(pipe, most);
        let n = self.tried(result)?;
        self.passed(false, Err(n as u64));
        Ok(n)
    }

    fn finish_writing(&mut self) -> io::Result<()> {
        let result = self.stream.finish_writing();
        self.tried(result)
    }

    fn buffer_little(&mut self) {
        self.stream.buffer_little();
    }

    fn reset(&mut self) {
        self.tap.0.lock().is_broken = true;
        self.stream.reset();
    }

    fn end_in_order(&mut self) {
        self.tap.0.lock().is_broken = false;
        self.stream.end_in_order();
    }

    fn pauser(&mut self) -> Interrupter {
        self.stream.pauser()
    }

    fn resume(&mut self) {
        self.stream.resume();
    }

    fn is_readable(&mut self) -> bool {
        self.stream.is_readable()
    }

    fn refuse(&mut self, last: &[u8], patience: Duration) {
        self.tap.0.lock().is_broken = true;
        self.passed(true, Ok(last));
        self.stream.refuse(last, patience);
    }

    fn finish(&mut self, patience: Duration) -> io::Result<()> {
        let result = self.stream.finish(patience);
        self.tried(result)
    }
}
