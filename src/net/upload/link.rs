//! The connection to a server, and what the server says on it where nothing is due.

use std::io;
use std::mem;
use std::time::Duration;

use super::UploadError;
use crate::digest::Digest;
use crate::messages::escape;
use crate::net::connection::{Connection, Decoded, ReadError};
use crate::net::handshake::{Answer, AnswerDecoder, AnswerError, Limits};
use crate::net::refusal::{Heard, REFUSED, hear};
use crate::net::word::Mode;

/// Longest wait for the rest of what the server says where nothing is due.
const REST: Duration = Duration::from_secs(1);
/// Interval at which a wait checks whether it is over.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// Bytes of a surplus that are shown at most.
const SHOWN: usize = 100;

/// A connection to a server, and what the server said on it.
pub(super) struct Link {
    pub(super) connection: Connection,
    /// SHA-256 of the message that the server was asked to sign; `None` before, and in Plain.
    pub(super) hello: Option<Digest>,
    /// What the server says that it refuses.
    pub(super) limits: Limits,
    pub(super) surplus: Surplus,
    /// Whether an answer to MODE 3 is due.
    is_owed: bool,
}

/// What the server sent where nothing is due.
#[derive(Debug, Default)]
pub(super) struct Surplus {
    /// Its first bytes, at most [`SHOWN`].
    pub(super) bytes: Vec<u8>,
    /// Whether the server has ended its writing, before MODE 2.
    pub(super) has_ended: bool,
}

impl Surplus {
    fn add(&mut self, bytes: &[u8]) {
        let room = SHOWN.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// State of a connection on which nothing is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// It is open.
    Open,
    /// The server has ended it, or refuses.
    Ended,
    /// This side has stopped it.
    Interrupted,
}

/// Why there is no answer to MODE 3.
pub(super) enum Unanswered {
    /// The server refuses instead.
    Refused(UploadError),
    /// The bytes cannot be parsed as an answer.
    Malformed(AnswerError),
    /// The connection broke, or the server was silent; `None`: the server ended in order.
    Broken(Option<io::Error>),
}

impl Link {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            hello: None,
            limits: Limits::default(),
            surplus: Surplus::default(),
            is_owed: false,
        }
    }

    /// Sends MODE 3 with this message. Its answer is due from now on.
    pub(super) fn send_challenge(&mut self, message: &[u8]) -> io::Result<()> {
        let bytes = Mode::Authenticate.message(message);
        self.is_owed = true;
        self.connection.send(&bytes, |_| ())
    }

    /// Reads the answer to MODE 3.
    pub(super) fn read_answer(&mut self, mut decoder: AnswerDecoder) -> Result<Answer, Unanswered> {
        loop {
            let may_be_refused = self.surplus.bytes.first() == Some(&REFUSED);
            let read = self.connection.read_message(|input, _| {
                // No answer begins with the byte of a refusal.
                if decoder.is_empty()
                    && input.first().is_some_and(|first| may_be_refused || *first == REFUSED)
                {
                    return Err(None);
                }
                let (taken, answer) = decoder.feed(input).map_err(Some)?;
                Ok((taken, answer.map_or(Decoded::More(None), Decoded::Message)))
            });
            return match read {
                Ok(answer) => {
                    self.is_owed = false;
                    self.connection.set_limit(None);
                    Ok(answer)
                }
                Err(ReadError::Malformed(Some(why))) => Err(Unanswered::Malformed(why)),
                Err(ReadError::Malformed(None)) => match self.refusal() {
                    Some(refused) => Err(Unanswered::Refused(refused)),
                    None if self.connection.is_interrupted() => Err(Unanswered::Broken(None)),
                    // Not a refusal; the bytes are kept as surplus.
                    None => continue,
                },
                Err(ReadError::Ended) => Err(Unanswered::Broken(None)),
                Err(ReadError::Failed(cause)) => Err(Unanswered::Broken(Some(cause))),
            };
        }
    }

    /// Sends MODE 2 to a server that gets nothing else. A courtesy: whether or not it arrives, nothing follows.
    pub(super) fn leave(&mut self) {
        if !self.connection.is_interrupted() {
            let _ = self.connection.send(&Mode::Close.word(), |_| ());
            let _ = self.connection.finish_writing();
        }
    }

    /// Looks, without waiting, for what the server says while files are sent.
    ///
    /// # Errors
    /// A refusal. Anything else is kept until the end, because the server may still accept the files.
    pub(super) fn notice(&mut self) -> Result<(), UploadError> {
        if !self.surplus.has_ended {
            // A broken connection shows itself in the next write.
            self.surplus.has_ended = matches!(self.connection.look(), Ok(Some(0)));
        }
        self.refusal().map_or(Ok(()), Err)
    }

    /// Returns the refusal that was received, if there is one. Other bytes that belong to no answer are kept as surplus.
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

    /// Reads a refusal to its end. `None`: the bytes turned out not to be a refusal, and are kept as surplus.
    fn refused(&mut self) -> Option<UploadError> {
        let until = self.connection.now() + REST;
        self.connection.set_patience(LOOK);
        loop {
            self.take_surplus();
            // To clients that sent our hello the reason comes with the byte.
            let is_bare = self.surplus.bytes.len() == 1 && self.hello.is_some();
            let heard = hear(&self.surplus.bytes);
            let is_over = self.connection.now() >= until || self.surplus.has_ended;
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

    /// Waits for [`LOOK`] where the server has nothing to say, and returns whether the connection is still of use.
    pub(super) fn look(&mut self) -> Look {
        self.connection.set_patience(LOOK);
        self.read_surplus();
        self.take_surplus();
        if self.connection.is_interrupted() {
            Look::Interrupted
        } else if self.surplus.has_ended || !self.surplus.bytes.is_empty() {
            Look::Ended
        } else {
            Look::Open
        }
    }

    /// Reads once, for at most [`LOOK`], what the server says where nothing is due.
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

    /// Reads the rest of what the server says where nothing is due, and returns the error that shows it.
    pub(super) fn surplus(&mut self) -> UploadError {
        if let Some(refused) = self.refusal() {
            return refused;
        }
        let until = self.connection.now() + REST;
        self.connection.set_patience(LOOK);
        loop {
            self.take_surplus();
            if self.surplus.bytes.len() == SHOWN || self.surplus.has_ended || self.connection.now() >= until {
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

    /// The error for a connection that broke while a file was sent: the refusal, if the server sent one before.
    pub(super) fn cut(&mut self, sent: u64, total: u64, cause: Option<io::Error>) -> UploadError {
        if self.connection.is_interrupted() {
            return UploadError::Interrupted;
        }
        self.last_words(cause.as_ref()).unwrap_or(UploadError::Cut { sent, total, cause })
    }

    /// The error for a connection that broke after everything was sent.
    pub(super) fn broken_off(&mut self, cause: Option<&io::Error>) -> UploadError {
        match cause {
            _ if self.connection.is_interrupted() => UploadError::Interrupted,
            Some(e) if e.kind() == io::ErrorKind::TimedOut => {
                UploadError::Unconfirmed { after: Duration::ZERO }
            }
            _ => self.last_words(cause).unwrap_or(UploadError::Rejected),
        }
    }

    /// Returns the refusal that came before the connection broke, if there is one.
    pub(super) fn last_words(&mut self, cause: Option<&io::Error>) -> Option<UploadError> {
        let is_dead = cause.is_some_and(|cause| cause.kind() != io::ErrorKind::TimedOut);
        self.connection.set_patience(LOOK);
        // Bytes that came before a reset can still be read; the reset follows, or the end.
        while is_dead && matches!(self.connection.fill(), Ok(1..)) && self.connection.buffered().len() < SHOWN
        {
        }
        self.refusal()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::net::refusal::{Notice, Refusal};
    use crate::net::word::word;
    use crate::testing::{Act, ScriptedStream};

    fn answer_to(pieces: &[&[u8]]) -> Result<Answer, Unanswered> {
        let stream = ScriptedStream::new(pieces.iter().map(|piece| Act::Send(piece.to_vec())));
        let mut link = Link::new(Connection::new(Box::new(stream), Duration::from_secs(60)));
        link.send_challenge(b"hello").unwrap();
        link.hello = Some(Digest::of(b"hello"));
        link.read_answer(AnswerDecoder::default())
    }

    #[test]
    fn an_answer_a_refusal_and_other_bytes_are_distinguished_by_their_first_byte() {
        let pem = b"-----BEGIN CERTIFICATE-----";
        let whole = [&word(2)[..], b"ab", &word(pem.len() as u64), pem].concat();
        let (first, rest) = whole.split_at(9);
        assert_eq!(answer_to(&[first, rest]).ok().unwrap().signature, b"ab");
        let refusal = Notice::from(Refusal::Busy).bytes(true);
        let (first, rest) = refusal.split_at(4);
        let busy = |refused: &UploadError| {
            matches!(refused, UploadError::Refused { reason: Some(Refusal::Busy), .. })
        };
        assert!(matches!(answer_to(&[first, rest]), Err(Unanswered::Refused(refused)) if busy(&refused)));
        // Telnet's commands begin with the same byte.
        assert!(matches!(answer_to(&[b"\xff\xfd\x18", b"\xff\xfd\x20"]), Err(Unanswered::Broken(None))));
        assert!(matches!(answer_to(&[b"HTTP/1.1"]), Err(Unanswered::Malformed(_))));
        assert!(matches!(answer_to(&[]), Err(Unanswered::Broken(None))));
    }
}
