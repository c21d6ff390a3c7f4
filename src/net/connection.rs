//! Blocking reads and writes over a [`Stream`], with a buffer and a timeout.

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::deadlines::Pace;
use super::interrupter::Interrupter;
use super::stream::Stream;
use super::throttle::Throttle;

/// Bytes that are read ahead at most.
const BUFFER: usize = 64 << 10;
/// Bytes that are read ahead at first: a connection on which nothing happens is cheap.
const FIRST: usize = 8 << 10;

/// Bytes that the kernel moves in one call. Between two calls a cancellation is noticed.
pub(crate) const SPLICE: usize = 1 << 20;

/// Stream with a read buffer and a patience: the longest time without progress.
pub struct Connection {
    stream: Box<dyn Stream>,
    patience: Duration,
    /// Moment after which reads and writes fail, whatever the progress; `None`: no limit.
    limit: Option<Instant>,
    /// Least rate of what is read, and of what is sent; `None`: any.
    reads: Option<Pace>,
    writes: Option<Pace>,
    /// When the stream's deadline was last moved, and how far ahead; it is not moved at every call.
    moved: Option<(Instant, Duration)>,
    /// Grows up to [`BUFFER`].
    buffer: Vec<u8>,
    /// 0 <= `start` <= `end` <= `buffer.len()`.
    start: usize,
    end: usize,
    interrupter: Interrupter,
    /// Limit of what is sent, shared with other connections.
    throttle: Option<Arc<Throttle>>,
    /// Bytes that the throttle allowed and that were not sent yet.
    allowed: usize,
}

/// What a decoder made of the bytes at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded<T> {
    /// A whole message.
    Message(T),
    /// More bytes are needed; how long they are waited for, if that changes.
    More(Option<Wait>),
}

/// How long a message is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// Longest silence.
    pub patience: Duration,
    /// Moment when the wait is over, whatever comes; `None`: no such moment.
    pub until: Option<Instant>,
}

/// Why no whole message was read.
#[derive(Debug)]
pub enum ReadError<E> {
    /// The decoder rejects the bytes.
    Malformed(E),
    /// The peer ended its side in order, and the buffered bytes are not a whole message.
    Ended,
    /// The stream failed, or the peer was silent for too long (`TimedOut`).
    Failed(io::Error),
}

impl Connection {
    /// Wraps `stream`. A read or write without progress for `patience` fails with `TimedOut`.
    #[must_use]
    pub fn new(stream: Box<dyn Stream>, patience: Duration) -> Self {
        let interrupter = stream.interrupter();
        let buffer = vec![0; FIRST];
        Self {
            stream,
            patience,
            limit: None,
            reads: None,
            writes: None,
            moved: None,
            buffer,
            start: 0,
            end: 0,
            interrupter,
            throttle: None,
            allowed: 0,
        }
    }

    /// Returns the time by which deadlines are measured ([`Stream::now`]).
    #[must_use]
    pub fn now(&self) -> Instant {
        self.stream.now()
    }

    /// Sets the patience.
    pub fn set_patience(&mut self, patience: Duration) {
        if self.patience != patience {
            self.patience = patience;
            self.moved = None;
        }
    }

    /// Makes reads and writes fail with `TimedOut` from this moment on, whatever their progress: a peer that sends a byte
    /// now and then must not keep an exchange open for ever. `None`: no limit.
    pub fn set_limit(&mut self, limit: Option<Instant>) {
        if self.limit != limit {
            self.limit = limit;
            self.moved = None;
        }
    }

    /// Makes reads fail with `TimedOut` while the peer sends more slowly than this.
    pub(crate) fn set_read_pace(&mut self, pace: Option<Pace>) {
        self.reads = pace;
    }

    /// Makes writes fail with `TimedOut` while the peer takes less than this.
    pub(crate) fn set_write_pace(&mut self, pace: Option<Pace>) {
        self.writes = pace;
    }

    /// Limits what is sent from now on.
    pub(crate) fn set_throttle(&mut self, throttle: Arc<Throttle>) {
        self.throttle = Some(throttle);
    }

    /// Returns a handle that stops the connection from another thread.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    /// Returns this side's address ([`Stream::local`]).
    #[must_use]
    pub fn local(&self) -> Option<SocketAddr> {
        self.stream.local()
    }

    /// Returns whether the connection was stopped from another thread.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupter.is_raised()
    }

    /// Returns the bytes that were received and not consumed.
    #[must_use]
    pub fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Removes `n` bytes from the front of the buffer, at most `buffered().len()`.
    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Reads once, and appends to the buffer. Returns the number of bytes; 0: the peer has ended in order (or the buffer
    /// is full, which no decoder in this crate lets happen).
    ///
    /// # Errors
    /// The stream's error, or `TimedOut`.
    pub fn fill(&mut self) -> io::Result<usize> {
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.buffer.len() < BUFFER {
                self.buffer.resize(BUFFER, 0);
            }
        }
        let end = self.end;
        let n = self.read_paced(|stream, buffer| stream.read(&mut buffer[end..]))?;
        self.end += n;
        Ok(n)
    }

    /// Reads until `decode` has a whole message. `decode` is given the bytes at hand and the time, and returns how many
    /// bytes it took.
    ///
    /// # Errors
    /// [`ReadError`]. After `TimedOut` the message may be read on.
    pub fn read_message<T, E>(
        &mut self,
        mut decode: impl FnMut(&[u8], &dyn Fn() -> Instant) -> Result<(usize, Decoded<T>), E>,
    ) -> Result<T, ReadError<E>> {
        loop {
            let (taken, decoded) = decode(self.buffered(), &|| self.now()).map_err(ReadError::Malformed)?;
            self.consume(taken);
            match decoded {
                Decoded::Message(message) => return Ok(message),
                Decoded::More(Some(Wait { patience, until })) => {
                    self.set_patience(patience);
                    self.set_limit(until);
                }
                Decoded::More(None) => {}
            }
            match self.fill() {
                Ok(0) => return Err(ReadError::Ended),
                Ok(_) => {}
                Err(error) => return Err(ReadError::Failed(error)),
            }
        }
    }

    /// Reads once into `out`: from the buffer, or from the stream if the buffer is empty. Returns 0 as
    /// [`Connection::fill`] does, or if `out` is empty.
    ///
    /// # Errors
    /// The stream's error, or `TimedOut`.
    pub fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let here = self.buffered();
        if here.is_empty() && !out.is_empty() {
            return self.read_paced(|stream, _| stream.read(out));
        }
        let n = here.len().min(out.len());
        out[..n].copy_from_slice(&here[..n]);
        self.consume(n);
        Ok(n)
    }

    /// Writes all of `bytes`. Calls `progress` with the size of each piece that the kernel took.
    ///
    /// # Errors
    /// The stream's error, or `TimedOut`.
    pub fn send(&mut self, bytes: &[u8], progress: impl FnMut(u64)) -> io::Result<()> {
        self.write_all(bytes, progress, |stream, bytes| stream.write(bytes))
    }

    /// Writes as [`Connection::send`] does, where more follows soon ([`Stream::write_more`]).
    ///
    /// # Errors
    /// The stream's error, or `TimedOut`.
    pub fn send_more(&mut self, bytes: &[u8], progress: impl FnMut(u64)) -> io::Result<()> {
        self.write_all(bytes, progress, |stream, bytes| stream.write_more(bytes))
    }

    /// Sends bytes that wait for more ([`Connection::send_more`]), because nothing follows soon.
    ///
    /// # Errors
    /// The stream's error.
    pub fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }

    fn write_all(
        &mut self,
        mut bytes: &[u8],
        mut progress: impl FnMut(u64),
        mut write: impl FnMut(&mut dyn Stream, &[u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            // The peer's time does not run while this side waits.
            let piece = self.allow(bytes.len())?;
            match self.write_paced(|stream| write(stream, &bytes[..piece]))? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => {
                    self.sent(n);
                    progress(n as u64);
                    bytes = &bytes[n..];
                }
            }
        }
        Ok(())
    }

    /// Waits until the throttle allows bytes, and returns how many of `most`, at least one.
    fn allow(&mut self, most: usize) -> io::Result<usize> {
        let Some(throttle) = &self.throttle else { return Ok(most) };
        if self.allowed == 0 {
            let stopped = || io::Error::new(io::ErrorKind::ConnectionAborted, "stopped from this side");
            self.allowed = throttle.take(most, &self.interrupter).ok_or_else(stopped)?;
        }
        Ok(self.allowed.min(most))
    }

    /// Counts sent bytes against those that the throttle allowed.
    const fn sent(&mut self, bytes: usize) {
        self.allowed = self.allowed.saturating_sub(bytes);
    }

    /// Returns whether the kernel can move bytes between this connection and a file.
    #[must_use]
    pub fn splices(&self) -> bool {
        self.stream.splices()
    }

    /// Lets the kernel send `len` bytes of a file from its position on. Only where the connection
    /// [splices](Self::splices).
    ///
    /// # Errors
    /// The stream's error; `UnexpectedEof` if the file is shorter.
    pub fn send_from(
        &mut self,
        file: BorrowedFd<'_>,
        len: u64,
        mut progress: impl FnMut(u64),
    ) -> io::Result<()> {
        let mut left = len;
        while left > 0 {
            let piece = self.allow(at_once(left))?;
            match self.write_paced(|stream| stream.write_from(file, piece))? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => {
                    self.sent(n);
                    progress(n as u64);
                    left -= n as u64;
                }
            }
        }
        Ok(())
    }

    /// Lets the kernel read at most `len` bytes into a pipe. Only where the connection [splices](Self::splices), and
    /// when the buffer is empty. Returns 0 as [`Connection::fill`] does.
    ///
    /// # Errors
    /// The stream's error.
    pub fn read_to(&mut self, pipe: BorrowedFd<'_>, len: u64) -> io::Result<usize> {
        debug_assert!(self.buffered().is_empty());
        self.read_paced(|stream, _| stream.read_to(pipe, at_once(len)))
    }

    /// Ends the writing side; reading goes on.
    ///
    /// # Errors
    /// The stream's error.
    pub fn finish_writing(&mut self) -> io::Result<()> {
        self.stream.finish_writing()
    }

    /// Makes the kernel's buffers small ([`Stream::buffer_little`]).
    pub fn buffer_little(&mut self) {
        self.stream.buffer_little();
    }

    /// Makes dropping the connection a reset, which the peer cannot take for an end in order.
    pub fn reset(&mut self) {
        self.stream.reset();
    }

    /// Takes back [`Connection::reset`].
    pub fn end_in_order(&mut self) {
        self.stream.end_in_order();
    }

    /// Returns a handle that stops reads from another thread, so that a refusal can follow ([`Stream::pauser`]).
    pub fn pauser(&mut self) -> Interrupter {
        self.stream.pauser()
    }

    /// Takes back the [`Connection::pauser`]: reads work again.
    pub fn resume(&mut self) {
        self.stream.resume();
    }

    /// Sends `last` and resets the connection, after it has read and dropped what still comes for at most `patience`
    /// ([`Stream::refuse`]).
    pub fn refuse(&mut self, last: &[u8], patience: Duration) {
        (self.start, self.end) = (0, 0);
        self.stream.refuse(last, patience);
    }

    /// Ends this side after the peer's end ([`Stream::finish`]).
    ///
    /// # Errors
    /// The stream's error.
    pub fn finish(&mut self, patience: Duration) -> io::Result<()> {
        self.stream.finish(patience)
    }

    /// Reads bytes that have come, without waiting. `None`: none have; 0 as [`Connection::fill`].
    ///
    /// # Errors
    /// The stream's error.
    pub fn look(&mut self) -> io::Result<Option<usize>> {
        let has_room = self.end - self.start < BUFFER;
        if has_room && self.stream.is_readable() { self.fill().map(Some) } else { Ok(None) }
    }

    /// Reads once, and counts the bytes and the wait for them.
    fn read_paced(
        &mut self,
        read: impl FnOnce(&mut dyn Stream, &mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let begun = self.move_deadline(self.reads)?;
        let done = read(&mut *self.stream, &mut self.buffer);
        paced(&mut self.reads, &*self.stream, begun, done)
    }

    /// Writes once, and counts the bytes and the wait.
    fn write_paced(&mut self, write: impl FnOnce(&mut dyn Stream) -> io::Result<usize>) -> io::Result<usize> {
        let begun = self.move_deadline(self.writes)?;
        let done = write(&mut *self.stream);
        paced(&mut self.writes, &*self.stream, begun, done)
    }

    /// Moves the deadline ahead, but not at every call: a timeout costs two system calls. Returns the time.
    fn move_deadline(&mut self, pace: Option<Pace>) -> io::Result<Instant> {
        let now = self.now();
        let left = pace.map_or(self.patience, |pace| pace.left());
        if left.is_zero()
            && let Some(pace) = pace
        {
            return Err(pace.error());
        }
        if self.limit.is_some_and(|limit| now >= limit) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let span = left.min(self.patience);
        let slack = span / 16;
        let is_current = |(moved, former): (Instant, Duration)| {
            now.duration_since(moved) <= slack && span.abs_diff(former) <= slack
        };
        if !self.moved.is_some_and(is_current) {
            let deadline = now + span + slack;
            self.stream.set_deadline(Some(self.limit.map_or(deadline, |limit| limit.min(deadline))))?;
            self.moved = Some((now, span));
        }
        Ok(now)
    }
}

/// Counts what a read or write moved since `begun` against the pace.
fn paced(
    pace: &mut Option<Pace>,
    stream: &dyn Stream,
    begun: Instant,
    done: io::Result<usize>,
) -> io::Result<usize> {
    let Some(pace) = pace else { return done };
    let bytes = done.as_ref().map_or(0, |bytes| *bytes as u64);
    pace.count(bytes, stream.now().saturating_duration_since(begun));
    match done {
        Err(error) if error.kind() == io::ErrorKind::TimedOut && pace.left().is_zero() => Err(pace.error()),
        done => done,
    }
}

/// Returns how many of `left` bytes the kernel moves in one call.
fn at_once(left: u64) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(SPLICE)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::testing::{Act, Finally, Pieces, ScriptedStream};

    /// Takes three bytes as a message.
    fn three(input: &[u8], _: &dyn Fn() -> Instant) -> Result<(usize, Decoded<Vec<u8>>), u8> {
        match input {
            [bad @ b'!', ..] => Err(*bad),
            [_, _, _, ..] => Ok((3, Decoded::Message(input[..3].to_vec()))),
            _ => Ok((0, Decoded::More(None))),
        }
    }

    #[test]
    fn a_message_is_read_across_pauses_and_leaves_the_next_bytes() {
        let silence = Act::Fail(io::ErrorKind::TimedOut);
        let script =
            [Act::Send(b"ab".to_vec()), silence, Act::Send(b"cde".to_vec()), Act::Send(b"!".to_vec())];
        let mut connection = Connection::new(Box::new(ScriptedStream::new(script)), Duration::from_secs(60));
        let Err(ReadError::Failed(error)) = connection.read_message(three) else { panic!("a silence") };
        assert_eq!((error.kind(), connection.buffered()), (io::ErrorKind::TimedOut, &b"ab"[..]));
        assert_eq!(connection.read_message(three).unwrap(), b"abc");
        assert_eq!(connection.buffered(), b"de");
        assert_eq!(connection.read_message(three).unwrap(), b"de!");
        assert!(matches!(connection.read_message(three), Err(ReadError::Ended)));
        let mut connection =
            Connection::new(Box::new(ScriptedStream::sending(b"!")), Duration::from_secs(60));
        assert!(matches!(connection.read_message(three), Err(ReadError::Malformed(b'!'))));
    }

    #[test]
    fn a_deadline_ends_a_steady_stream() {
        let trickle = ScriptedStream::new([]).then(Finally::Repeat(b'x')).in_pieces(Pieces::Single);
        let mut connection = Connection::new(Box::new(trickle), Duration::from_secs(60));
        assert_eq!(connection.fill().unwrap(), 1);
        connection.set_limit(Some(Instant::now()));
        assert_eq!(connection.fill().unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(connection.send(b"y", |_| ()).unwrap_err().kind(), io::ErrorKind::TimedOut);
        connection.set_limit(None);
        assert_eq!(connection.fill().unwrap(), 1);
    }
}
