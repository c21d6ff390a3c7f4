//! What third-party clients put behind CP1's pairs, and the pieces of a session key ([`crate::net::ending`]).

use super::blocks::OpenEnded;
use super::{BODY_PATIENCE, ReceiveError, Session};
use crate::clock;
use crate::crypto::OpenError;
use crate::crypto::identity::{Identity, KEY_PIECES, Unwrapped};
use crate::digest::Digest;
use crate::event::Event;
use crate::net::ending::{Behind, LETTERS, Next, after_pairs};
use crate::net::wire::{Continuation, Message, Mode, Part, WORD, read_word};

impl Session<'_> {
    /// Decides about bytes that may be a terminator or begin a message, now that it is known what comes behind them.
    /// `None`: they begin a message, or silence does not tell.
    pub(super) fn decide(&mut self, behind: Behind) -> Result<Option<Message>, ReceiveError> {
        let bytes = self.connection.buffered();
        if let (Behind::Silence, Some(identity)) = (behind, &self.service.identity) {
            self.decided_by_silence = Some((bytes.to_vec(), identity.modulus_bytes() as u64));
        }
        let (taken, message) = self.decoder.feed_before(bytes, behind)?;
        self.connection.consume(taken);
        Ok(message)
    }

    /// After MODE 2: refuses what comes late and shows that silence was wrong about it, so that the client does not
    /// take our end for the delivery of a file that it was still about to send.
    pub(super) fn check_goodbye(&self) -> Result<(), ReceiveError> {
        let Some((bytes, k)) = &self.decided_by_silence else { return Ok(()) };
        let late = self.connection.buffered();
        match after_pairs(&[bytes, late].concat(), *k, Behind::Unknown) {
            Next::Mode if !late.is_empty() => {
                Err(self.order("a message that stood still for too long after its length"))
            }
            _ => Ok(()),
        }
    }

    /// A terminator in the place of a MODE.
    pub(super) fn end_of_blocks(&mut self) -> Result<(), ReceiveError> {
        self.key_pieces.clear();
        // No AP client sends one: it was the only block of a CP1 file, and does not decrypt.
        if let Some(OpenEnded::Clear(file)) = &self.open_ended
            && file.meter.file_bytes() > 0
        {
            return Err(OpenError::Rejected.into());
        }
        self.settle()?;
        self.close_file();
        Ok(())
    }

    /// After MODE 4: more blocks may follow, as one known client sends its session key in three.
    pub(super) fn await_key_pieces(&mut self, blocks: &[u8]) {
        let k = self.service.identity.as_ref().map_or(0, |identity| identity.modulus_bytes());
        if k > 0 && blocks.len().is_multiple_of(k) && blocks.len() < KEY_PIECES * k {
            self.key_pieces = blocks.to_vec();
            self.decoder.set_continuation(Continuation::Blocks { k: k as u64 });
        }
    }

    /// One more block of a session key, behind its length.
    pub(super) fn one_more_key_piece(&mut self) -> Result<(), ReceiveError> {
        let Some(identity) = self.service.identity.clone() else { return Err(OpenError::Rejected.into()) };
        let k = identity.modulus_bytes();
        self.connection.set_patience(BODY_PATIENCE);
        let Some(piece) = self.peek(k)?.map(<[u8]>::to_vec) else { return Err(self.cut(None)) };
        self.take(k);
        let digest = Digest::of(&piece);
        self.check_fresh(digest)?;
        self.wrapped.push(digest);
        let blocks = [std::mem::take(&mut self.key_pieces), piece].concat();
        self.unwrap(&identity, &blocks);
        Ok(())
    }

    /// Takes the session key from these blocks, of which more may follow.
    pub(super) fn unwrap(&mut self, identity: &Identity, blocks: &[u8]) {
        let Unwrapped { key, missed, machine } = identity.unwrap_session_key(blocks, self.paddings());
        self.charge(missed);
        self.key = Some(key);
        self.unwrapped = machine;
        self.await_key_pieces(blocks);
    }

    /// Whether the body of a client that said nothing is no AP file of `m1` bytes, but an empty CP1 file of which M1
    /// is the terminator: 1 or 10000, and then the next message; or 3 and `end`.
    ///
    /// The last is all that an AP file of these three letters is, too. The operator is told.
    pub(super) fn is_a_terminator(&mut self, m1: u64) -> Result<bool, ReceiveError> {
        match m1 {
            1 | 10_000 => self.is_a_terminator_before_a_message(m1),
            3 if self.peek(LETTERS.len())? == Some(LETTERS) => {
                self.service.observer.event(Event::Warned {
                    session: Some(self.id),
                    peer: Some(self.peer.clone()),
                    name: self.name.as_ref().map(ToString::to_string),
                    text: "stored as an empty CP1 file, because its body is `end`; if the client spoke AP, leave cp1 out of \
                           --accept"
                        .to_owned(),
                    at_ms: clock::unix_ms(),
                });
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Looks no farther ahead than an AP client's bytes reach before it may wait for us.
    fn is_a_terminator_before_a_message(&mut self, m1: u64) -> Result<bool, ReceiveError> {
        const CLOSE: u64 = Mode::Close as u64;
        let word = |session: &mut Self, at: usize| -> Result<Option<u64>, ReceiveError> {
            Ok(session.peek(at + WORD)?.and_then(|bytes| read_word(&bytes[at..])))
        };
        // Of a body of one byte, a whole word need not follow; but MODE 2 does, or the end.
        match (m1, word(self, 0)?) {
            // As the byte of a file it would be followed by no MODE that there is.
            (1, Some(2..=4)) => Ok(true),
            // A longer body would go on.
            (10_000, Some(CLOSE)) => Ok(self.peek(WORD + 1)?.is_none()
                || (word(self, WORD)? == Some(CLOSE) && self.peek(2 * WORD + 1)?.is_none())),
            (_, Some(0)) => {
                // The next file's name and MODE 1. Behind an AP file of one zero byte a length begins that is no name's.
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
