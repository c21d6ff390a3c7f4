//! How a connection ends, and what the server says where nothing is due.
//!
//! ```text
//!   while files are sent      0xff ─► refused: sending stops          anything else ─► kept, and the files go on
//!   MODE 2, wait              end ─► delivered                        0xff ─► refused
//!                             bytes ─► not delivered, shown           reset ─► broken off
//!   the wait is over, or ended by the user: end of writing
//!                             end ─► sent: the server was waiting     nothing ─► sent, not confirmed
//! ```
//!
//! The client ends its writing only *after* the server's end. A server that is still inside a body would take an
//! earlier end for the body's, fail, and close in order, which looks as if all had gone well.

use std::io;
use std::mem;
use std::time::{Duration, Instant};

use super::{Upload, UploadError};
use crate::messages::escape;
use crate::meter::{Meter, Stage};
use crate::net::refusal::{Heard, REFUSED, hear};
use crate::net::wire::Mode;

/// How long the server may stand still while MODE 2 is sent.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(30);
/// How long a server may work on what was sent, whatever it is.
const LEAST_WAIT: Duration = Duration::from_secs(30);
/// And for what is large at the most.
const MOST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Bytes of the wire that a slow server works on in a second.
const SLOW_SERVER: u64 = 5_000_000;
/// Milliseconds of a slow server for each block of CP1.
const SLOW_BLOCK: u64 = 2;
/// How long is waited for the server's end after ours.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long is waited for the rest of what the server says where nothing is due.
const REST: Duration = Duration::from_secs(1);
/// How long the server's system may take to confirm that it has every byte, after the server's end.
const ACKNOWLEDGED: Duration = Duration::from_secs(10);
/// Between two looks whether the user has ended the wait.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes of a surplus that are shown.
pub(super) const SHOWN: usize = 100;

/// What the server sent where nothing is due.
#[derive(Debug, Default)]
pub(super) struct Surplus {
    /// Its beginning.
    bytes: Vec<u8>,
    /// Whether the server has ended its writing already, before MODE 2.
    has_ended: bool,
}

impl Surplus {
    fn add(&mut self, bytes: &[u8]) {
        let room = SHOWN.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// What a short wait for the server gave.
enum Came {
    Bytes,
    Nothing,
    End,
}

/// How long a server may take to end after MODE 2, for so many wire bytes that it has not confirmed, and so many blocks
/// of CP1 in them.
pub(super) fn wait_for(wire_bytes: u64, blocks: u64) -> Duration {
    let bytes = Duration::from_millis(
        (wire_bytes / (SLOW_SERVER / 1000)).saturating_add(blocks.saturating_mul(SLOW_BLOCK)),
    );
    LEAST_WAIT.saturating_add(bytes).min(MOST_WAIT)
}

impl Upload {
    /// MODE 2, then waits for the server's end in order: *Delivered*.
    ///
    /// # Errors
    /// [`UploadError`]: it was refused, is not confirmed, or the connection broke.
    pub fn close(mut self, meter: &Meter) -> Result<(), UploadError> {
        self.connection.set_patience(GOODBYE_PATIENCE);
        self.notice()?;
        // An end that came before MODE 2 confirms nothing.
        let is_early = self.surplus.has_ended && self.surplus.bytes.is_empty();
        let goodbye = self.connection.send(&Mode::Close.word(), |_| ());
        goodbye.and_then(|()| self.connection.flush()).map_err(|e| self.broken_off(Some(&e)))?;
        if is_early {
            return Err(self.broken_off(None));
        }
        meter.timed(Stage::Wait, || self.wait_for_end())
    }

    fn wait_for_end(&mut self) -> Result<(), UploadError> {
        let patience =
            self.patience.unwrap_or_else(|| wait_for(self.unconfirmed_wire, self.unconfirmed_blocks));
        self.wait.begin();
        let until = Instant::now() + patience;
        while Instant::now() < until && !self.wait.is_over() {
            match self.listen(until)? {
                Came::Bytes => return Err(self.surplus()),
                Came::End => return self.ended(),
                Came::Nothing => {}
            }
        }
        // A server that waits for our end shows itself now.
        self.connection.finish_writing().map_err(|e| self.broken_off(Some(&e)))?;
        let until = Instant::now() + FAREWELL;
        while Instant::now() < until {
            match self.listen(until)? {
                Came::Bytes => return Err(self.surplus()),
                Came::End => return Err(UploadError::EndedAfterUs),
                Came::Nothing => {}
            }
        }
        Err(UploadError::Unconfirmed { after: patience })
    }

    /// The server ended in order, before us, and said nothing: whether it has every byte, its system says.
    fn ended(&mut self) -> Result<(), UploadError> {
        self.connection.finish(ACKNOWLEDGED).map_err(|e| self.broken_off(Some(&e)))
    }

    /// Waits a moment for bytes or the end, at most until then.
    fn listen(&mut self, until: Instant) -> Result<Came, UploadError> {
        if !self.connection.buffered().is_empty() || !self.surplus.bytes.is_empty() {
            return Ok(Came::Bytes);
        }
        let left = until.saturating_duration_since(Instant::now());
        self.connection.set_patience(left.clamp(Duration::from_millis(1), LOOK));
        match self.connection.fill() {
            Ok(0) if self.connection.is_interrupted() => Err(UploadError::Interrupted),
            Ok(0) => Ok(Came::End),
            Ok(_) => Ok(Came::Bytes),
            Err(e) if e.kind() == io::ErrorKind::TimedOut => Ok(Came::Nothing),
            Err(e) => Err(self.broken_off(Some(&e))),
        }
    }

    /// Looks, without waiting, for what the server says while files are sent.
    ///
    /// # Errors
    /// A refusal. Anything else is kept until the end: the server may take the files all the same.
    pub(super) fn notice(&mut self) -> Result<(), UploadError> {
        if !self.surplus.has_ended {
            // A broken connection shows itself in the next write.
            self.surplus.has_ended = matches!(self.connection.look(), Ok(Some(0)));
        }
        self.refusal().map_or(Ok(()), Err)
    }

    /// The refusal that was received, if there is one. What is no refusal and belongs to no answer is kept as surplus.
    pub(super) fn refusal(&mut self) -> Option<UploadError> {
        if self.connection.is_interrupted() {
            return None;
        }
        let first = self.surplus.bytes.first().or_else(|| self.connection.buffered().first()).copied();
        if first == Some(REFUSED) {
            return self.refused();
        }
        if !self.is_owed {
            self.take_surplus();
        }
        None
    }

    /// Reads a refusal to its end. `None`: it is none after all, and kept as surplus.
    fn refused(&mut self) -> Option<UploadError> {
        let until = Instant::now() + REST;
        self.connection.set_patience(LOOK);
        loop {
            self.take_surplus();
            // To clients that sent our hello the reason comes with the byte.
            let is_bare = self.surplus.bytes.len() == 1 && self.hello.is_some();
            let heard = hear(&self.surplus.bytes);
            let is_over = Instant::now() >= until || self.surplus.has_ended;
            match heard {
                Heard::Refused(None) if is_bare && !is_over => {}
                Heard::Refused(notice) => {
                    return Some(UploadError::Refused {
                        reason: notice.map(|notice| notice.reason),
                        file: notice.and_then(|notice| notice.file),
                        limits: mem::take(&mut self.limits),
                    });
                }
                Heard::Unfinished if !is_over => {}
                Heard::Unfinished | Heard::Other => return None,
            }
            self.read_surplus();
        }
    }

    /// Reads once, for a moment, what the server says where nothing is due.
    fn read_surplus(&mut self) {
        match self.connection.fill() {
            Ok(1..) => {}
            Err(e) if e.kind() == io::ErrorKind::TimedOut => {}
            Ok(0) | Err(_) => self.surplus.has_ended = true,
        }
    }

    fn take_surplus(&mut self) {
        let here = self.connection.buffered();
        self.surplus.add(here);
        let taken = here.len();
        self.connection.consume(taken);
    }

    /// Reads the rest of what the server says where nothing is due, for a moment, and says what it is.
    fn surplus(&mut self) -> UploadError {
        if let Some(refused) = self.refusal() {
            return refused;
        }
        let until = Instant::now() + REST;
        self.connection.set_patience(LOOK);
        loop {
            self.take_surplus();
            if self.surplus.bytes.len() == SHOWN || self.surplus.has_ended || Instant::now() >= until {
                break;
            }
            self.read_surplus();
        }
        if self.connection.is_interrupted() {
            return UploadError::Interrupted;
        }
        let shown = escape(&String::from_utf8_lossy(&self.surplus.bytes)).to_string();
        UploadError::Surplus { shown }
    }

    /// What a broken connection means for the file that was being sent: the server may have said why.
    pub(super) fn cut(&mut self, sent: u64, total: u64, cause: Option<io::Error>) -> UploadError {
        if self.connection.is_interrupted() {
            return UploadError::Interrupted;
        }
        self.last_words(cause.as_ref()).unwrap_or(UploadError::Cut { sent, total, cause })
    }

    /// Everything was sent, and the server does not say that it is there.
    pub(super) fn broken_off(&mut self, cause: Option<&io::Error>) -> UploadError {
        match cause {
            _ if self.connection.is_interrupted() => UploadError::Interrupted,
            Some(e) if e.kind() == io::ErrorKind::TimedOut => {
                UploadError::Unconfirmed { after: Duration::ZERO }
            }
            _ => self.last_words(cause).unwrap_or(UploadError::Rejected),
        }
    }

    /// A refusal that came before the connection broke.
    pub(super) fn last_words(&mut self, cause: Option<&io::Error>) -> Option<UploadError> {
        let is_dead = cause.is_some_and(|cause| cause.kind() != io::ErrorKind::TimedOut);
        self.connection.set_patience(LOOK);
        // What came before a reset can still be read; then the reset, or the end.
        while is_dead && matches!(self.connection.fill(), Ok(1..)) && self.connection.buffered().len() < SHOWN
        {
        }
        self.refusal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_with_what_the_server_works_on_and_has_an_end() {
        assert_eq!(wait_for(0, 0), Duration::from_secs(30));
        assert_eq!(wait_for(50_000_000, 0), Duration::from_secs(40));
        assert_eq!(wait_for(0, 10_000), Duration::from_secs(50));
        assert_eq!(wait_for(u64::MAX, u64::MAX), Duration::from_secs(900));
    }
}
