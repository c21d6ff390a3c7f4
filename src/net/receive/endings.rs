//! Terminators that third-party clients send after CP1's pairs ([`crate::net::ending`]), and the end of a connection.

use super::{FAREWELL_PATIENCE, ReceiveError, Session};
use crate::clock;
use crate::event::Event;
use crate::net::ending::{Behind, LETTERS, Next, after_pairs};
use crate::net::wire::{Message, Part};
use crate::net::word::{Mode, WORD, read_word};

impl Session<'_> {
    /// Decides whether bytes are a terminator or begin a message, now that it is known what follows them. `None`: they
    /// begin a message, or silence does not decide it.
    pub(super) fn decide(&mut self, behind: Behind) -> Result<Option<Message>, ReceiveError> {
        let bytes = self.connection.buffered();
        if let (Behind::Silence, Some(identity)) = (behind, &self.service.identity) {
            self.decided_by_silence = Some((bytes.to_vec(), identity.modulus_bytes() as u64));
        }
        let (taken, message) = self.decoder.feed_before(bytes, behind)?;
        self.connection.consume(taken);
        Ok(message)
    }

    /// Refuses bytes that come after MODE 2 and show that silence was misleading. Otherwise the client could take the
    /// server's end for the delivery of a file that it was still about to send.
    fn check_goodbye(&self) -> Result<(), ReceiveError> {
        let Some((bytes, k)) = &self.decided_by_silence else { return Ok(()) };
        let late = self.connection.buffered();
        match after_pairs(&[bytes, late].concat(), *k, Behind::Unknown) {
            Next::Mode if !late.is_empty() => {
                Err(self.order("a message that paused for too long after its length"))
            }
            _ => Ok(()),
        }
    }

    /// Ends the connection in order after MODE 2, and lets the client hang up first, so that the bytes of a second
    /// MODE 2 do not turn the server's end into a reset.
    pub(super) fn farewell(&mut self) -> Result<(), ReceiveError> {
        // Everything is stored, so from here on the end is one in order, whatever happens.
        self.connection.end_in_order();
        if self.connection.finish_writing().is_err() {
            return Ok(()); // The client has hung up already.
        }
        self.connection.set_patience(FAREWELL_PATIENCE);
        let until = self.connection.now() + self.service.policy.deadlines.farewell;
        self.connection.set_limit(Some(until));
        let surplus_limit = Part::Message.limit();
        let mut surplus = 0;
        loop {
            let here = self.connection.buffered().len();
            self.check_goodbye()?;
            surplus += here as u64;
            self.connection.consume(here);
            if surplus > surplus_limit || !matches!(self.connection.fill(), Ok(1..)) {
                return Ok(());
            }
        }
    }

    /// Returns whether the body of a client without a hello is not an AP file of `m1` bytes, but an empty CP1 file whose
    /// terminator is M1: 1 or 10000 and then the next message, or 3 and `end`.
    ///
    /// An AP file with these three letters has the same bytes as the last. The operator is warned.
    pub(super) fn is_a_terminator(&mut self, m1: u64) -> Result<bool, ReceiveError> {
        match m1 {
            1 | 10_000 => self.is_a_terminator_before_a_message(m1),
            3 if self.peek(LETTERS.len())? == Some(LETTERS) => {
                self.service.observer.event(Event::Warned {
                    session: Some(self.id),
                    peer: Some(self.peer.clone()),
                    name: self.name.as_ref().map(|announced| announced.name.escaped()),
                    text: "stored as an empty CP1 file, because its body is `end`; if the client speaks AP, remove cp1 from \
                           --accept"
                        .to_owned(),
                    at_ms: clock::unix_ms(),
                });
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Decides about 1 and 10000. Reads no farther ahead than the bytes that an AP client sends before it may wait for the
    /// server.
    fn is_a_terminator_before_a_message(&mut self, m1: u64) -> Result<bool, ReceiveError> {
        const CLOSE: u64 = Mode::Close as u64;
        let word = |session: &mut Self, at: usize| -> Result<Option<u64>, ReceiveError> {
            Ok(session.peek(at + WORD)?.and_then(|bytes| read_word(&bytes[at..])))
        };
        // A body of one byte need not be followed by a whole word; but MODE 2 is one, and otherwise the client ends.
        match (m1, word(self, 0)?) {
            // If it were the byte of a file, no MODE could follow.
            (1, Some(2..=4)) => Ok(true),
            // A longer body would continue.
            (10_000, Some(CLOSE)) => Ok(self.peek(WORD + 1)?.is_none()
                || (word(self, WORD)? == Some(CLOSE) && self.peek(2 * WORD + 1)?.is_none())),
            (_, Some(0)) => {
                // The next file's name and MODE 1. After an AP file of one zero byte, a length begins that no name has.
                if self.peek(WORD + 1)?.is_none_or(|bytes| bytes[WORD] != 0) {
                    return Ok(false);
                }
                let Some(length @ 1..) = word(self, WORD)? else { return Ok(false) };
                if length > Part::Filename.limit() {
                    return Ok(false);
                }
                let name = usize::try_from(length).unwrap_or(usize::MAX);
                Ok(word(self, 2 * WORD + name)? == Some(Mode::Data as u64))
            }
            _ => Ok(false),
        }
    }
}
