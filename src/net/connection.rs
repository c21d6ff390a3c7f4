//! The one blocking read and write loop over a [`Stream`].

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::stream::{Interrupter, Stream};

/// Bytes read ahead at the most.
const BUFFER: usize = 256 << 10;

/// Bytes that the kernel moves in one call: between two of them a cancel is looked for.
pub const SPLICE: usize = 1 << 20;

/// A stream with a read buffer, and a patience: how long it may stand still.
pub struct Connection {
    stream: Box<dyn Stream>,
    patience: Duration,
    /// When everything must be done, however well it moves; `None`: no limit.
    limit: Option<Instant>,
    /// When the stream's deadline was last moved; it is not moved for every call.
    moved: Option<Instant>,
    buffer: Box<[u8]>,
    /// 0 <= `start` <= `end` <= `BUFFER`.
    start: usize,
    end: usize,
    interrupter: Interrupter,
}

impl Connection {
    /// Over this stream; a read or write without progress for `patience` fails with `TimedOut`.
    #[must_use]
    pub fn new(stream: Box<dyn Stream>, patience: Duration) -> Self {
        let interrupter = stream.interrupter();
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self { stream, patience, limit: None, moved: None, buffer, start: 0, end: 0, interrupter }
    }

    /// Changes the patience.
    pub fn set_patience(&mut self, patience: Duration) {
        if self.patience != patience {
            self.patience = patience;
            self.moved = None;
        }
    }

    /// From now on reads and writes fail with `TimedOut` at this moment, however well they move: a peer that sends a
    /// byte now and then must not hold an exchange for ever. `None`: no limit.
    pub fn set_limit(&mut self, limit: Option<Instant>) {
        self.limit = limit;
        self.moved = None;
    }

    /// A handle that stops it from another thread.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    /// This side's address ([`Stream::local`]).
    #[must_use]
    pub fn local(&self) -> Option<SocketAddr> {
        self.stream.local()
    }

    /// Whether this connection was stopped from another thread.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupter.is_raised()
    }

    /// Bytes received and not consumed.
    #[must_use]
    pub fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Takes bytes from the front; `n` is at most `buffered().len()`.
    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Reads once, behind what is buffered. 0: the peer has ended in order (or the buffer is full,
    /// which no decoder of ours lets happen).
    ///
    /// # Errors
    /// The stream's, `TimedOut` included.
    pub fn fill(&mut self) -> io::Result<usize> {
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.move_deadline()?;
        let n = self.stream.read(&mut self.buffer[self.end..])?;
        self.end += n;
        Ok(n)
    }

    /// Reads once, into `out`: what is buffered, or else straight from the stream. 0 as in
    /// [`Connection::fill`], or if `out` is empty.
    ///
    /// # Errors
    /// The stream's, `TimedOut` included.
    pub fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let here = self.buffered();
        if here.is_empty() && !out.is_empty() {
            self.move_deadline()?;
            return self.stream.read(out);
        }
        let n = here.len().min(out.len());
        out[..n].copy_from_slice(&here[..n]);
        self.consume(n);
        Ok(n)
    }

    /// Writes all of it, telling `progress` of each piece that the kernel took.
    ///
    /// # Errors
    /// The stream's, `TimedOut` included.
    pub fn send(&mut self, bytes: &[u8], progress: impl FnMut(u64)) -> io::Result<()> {
        self.write_all(bytes, progress, |stream, bytes| stream.write(bytes))
    }

    /// The same, when more follows soon ([`Stream::write_more`]).
    ///
    /// # Errors
    /// The stream's, `TimedOut` included.
    pub fn send_more(&mut self, bytes: &[u8], progress: impl FnMut(u64)) -> io::Result<()> {
        self.write_all(bytes, progress, |stream, bytes| stream.write_more(bytes))
    }

    /// Sends what waits for more ([`Connection::send_more`]), since nothing follows soon.
    ///
    /// # Errors
    /// The stream's.
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
            self.move_deadline()?;
            match write(&mut *self.stream, bytes)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => {
                    progress(n as u64);
                    bytes = &bytes[n..];
                }
            }
        }
        Ok(())
    }

    /// Whether the kernel can move bytes between this connection and a file.
    #[must_use]
    pub fn splices(&self) -> bool {
        self.stream.splices()
    }

    /// Lets the kernel send `len` bytes of a file from its position on, if it [can](Self::splices).
    ///
    /// # Errors
    /// The stream's; `UnexpectedEof`: the file is shorter.
    pub fn send_from(
        &mut self,
        file: BorrowedFd<'_>,
        len: u64,
        mut progress: impl FnMut(u64),
    ) -> io::Result<()> {
        let mut left = len;
        while left > 0 {
            self.move_deadline()?;
            match self.stream.write_from(file, at_once(left))? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => {
                    progress(n as u64);
                    left -= n as u64;
                }
            }
        }
        Ok(())
    }

    /// Lets the kernel read at most `len` bytes into a pipe, if it [can](Self::splices). What is buffered must be
    /// taken first. 0 as in [`Connection::fill`].
    ///
    /// # Errors
    /// The stream's.
    pub fn read_to(&mut self, pipe: BorrowedFd<'_>, len: u64) -> io::Result<usize> {
        debug_assert!(self.buffered().is_empty());
        self.move_deadline()?;
        self.stream.read_to(pipe, at_once(len))
    }

    /// Says that nothing more will be written.
    ///
    /// # Errors
    /// The stream's.
    pub fn finish_writing(&mut self) -> io::Result<()> {
        self.stream.finish_writing()
    }

    /// Keeps few bytes in the kernel's buffers ([`Stream::buffer_little`]).
    pub fn buffer_little(&mut self) {
        self.stream.buffer_little();
    }

    /// Makes the coming end one that the peer cannot take for an end in order.
    pub fn reset(&mut self) {
        self.stream.reset();
    }

    /// Takes back [`Connection::reset`].
    pub fn end_in_order(&mut self) {
        self.stream.end_in_order();
    }

    /// A handle that stops reads from another thread, so that a refusal can follow ([`Stream::pauser`]).
    pub fn pauser(&mut self) -> Interrupter {
        self.stream.pauser()
    }

    /// Forgets the [`Connection::pauser`].
    pub fn resume(&mut self) {
        self.stream.resume();
    }

    /// Sends `last` and resets the connection, after what still comes was dropped for at most `patience`
    /// ([`Stream::refuse`]).
    pub fn refuse(&mut self, last: &[u8], patience: Duration) {
        (self.start, self.end) = (0, 0);
        self.stream.refuse(last, patience);
    }

    /// Ends this side after the peer's end ([`Stream::finish`]).
    ///
    /// # Errors
    /// The stream's.
    pub fn finish(&mut self, patience: Duration) -> io::Result<()> {
        self.stream.finish(patience)
    }

    /// Reads what has come, without waiting. `None`: nothing has; 0 as in [`Connection::fill`].
    ///
    /// # Errors
    /// The stream's.
    pub fn look(&mut self) -> io::Result<Option<usize>> {
        let has_room = self.end - self.start < self.buffer.len();
        if has_room && self.stream.is_readable() { self.fill().map(Some) } else { Ok(None) }
    }

    /// Moves the deadline ahead, but not for every call: a timeout costs two system calls.
    fn move_deadline(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let slack = self.patience / 16;
        if self.limit.is_some_and(|limit| now >= limit) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if self.moved.is_none_or(|moved| now.duration_since(moved) > slack) {
            let deadline = now + self.patience + slack;
            self.stream.set_deadline(Some(self.limit.map_or(deadline, |limit| limit.min(deadline))))?;
            self.moved = Some(now);
        }
        Ok(())
    }
}

/// As many of `left` bytes as the kernel moves in one call.
fn at_once(left: u64) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(SPLICE)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::testing::{Finally, Pieces, ScriptedStream};

    #[test]
    fn a_limit_ends_what_moves_all_the_time() {
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
