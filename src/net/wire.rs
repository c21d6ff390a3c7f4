//! Messages of the wire and their limits: bytes in, values out, no IO.
//!
//! A message is a MODE, and for all but MODE 2 a length M1 and M1 bytes
//! M2 (docs/protocol.md, section Modes). MODE 1's M2 is the file and is not collected here: the decoder stops after M1,
//! and [`super::framing`] or the variant's opener continues.

use thiserror::Error;

use super::ending::{Behind, Next, after_pairs};
use super::word::{Mode, WORD, read_word};

/// Something that is collected in memory, and so has a limit. A length is compared with its limit before anything is
/// allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// MODE 0: many clients send the path as typed, so more than a name's 255 bytes.
    Filename,
    /// MODE 3: a message to sign.
    Message,
    /// MODE 4: one RSA block of at most 16384 bits.
    SessionKey,
    /// One of the two parts of the answer to MODE 3: the signature or the certificate.
    Answer,
    /// One of the two parts of the answer to a receipt request: 256 lines, each with a percent-encoded name of 255 bytes.
    Receipt,
}

impl Part {
    /// Returns the largest accepted length in bytes.
    #[must_use]
    pub const fn limit(self) -> u64 {
        match self {
            Self::Filename | Self::Message => 4096,
            Self::SessionKey => 2048,
            Self::Answer => 65_536,
            Self::Receipt => 512 << 10,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Filename => "file name (MODE 0)",
            Self::Message => "message to sign (MODE 3)",
            Self::SessionKey => "session key (MODE 4)",
            Self::Answer => "part of the answer to MODE 3",
            Self::Receipt => "part of a receipt",
        }
    }
}

/// Error in the peer's bytes. Offsets count from the first byte of the connection.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    /// An integer that is not a MODE, where a MODE is due.
    #[error("at byte {offset}: expected a MODE from 0 to 4, got {value} (0x{value:016x})")]
    UnknownMode {
        /// Position of the integer.
        offset: u64,
        /// Its value.
        value: u64,
    },
    /// A length above its limit.
    #[error("at byte {offset}: {} too long: {length} bytes (at most {})", .part.name(), .part.limit())]
    TooLong {
        /// Position of M1.
        offset: u64,
        /// What the length is of.
        part: Part,
        /// M1, in bytes.
        length: u64,
    },
}

/// A whole message; of MODE 1, its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// MODE 0.
    Filename(Vec<u8>),
    /// MODE 1 and its M1. The bytes of the body follow; this decoder does not read them.
    Data {
        /// The M1 of the message.
        length: u64,
    },
    /// MODE 2.
    Close,
    /// MODE 3.
    Authenticate(Vec<u8>),
    /// MODE 4.
    SessionKey(Vec<u8>),
    /// Where a MODE is due, the length k of one more block of the preceding file or session key. The block follows; this
    /// decoder does not read it.
    OneMoreBlock,
    /// Where a MODE is due, a terminator of the preceding blocks.
    EndOfBlocks,
}

/// Whether one more block of the preceding file may come instead of a MODE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continuation {
    /// A MODE must follow.
    No,
    /// k or a terminator may stand there instead ([`super::ending`]).
    Blocks {
        /// The server's modulus length in bytes.
        k: u64,
    },
}

#[derive(Debug)]
enum Expect {
    Mode,
    /// M1 of MODE 1.
    BodyLength,
    /// M1 of a message that is collected.
    Length(Collected),
    /// The low half of a 16-byte M1 of MODE 4.
    LongKeyLength,
    /// M2, of this many bytes.
    Bytes(Collected, usize),
}

/// A message whose M2 is collected in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Collected {
    Filename,
    Challenge,
    SessionKey,
}

impl Collected {
    const fn part(self) -> Part {
        match self {
            Self::Filename => Part::Filename,
            Self::Challenge => Part::Message,
            Self::SessionKey => Part::SessionKey,
        }
    }

    const fn message(self, m2: Vec<u8>) -> Message {
        match self {
            Self::Filename => Message::Filename(m2),
            Self::Challenge => Message::Authenticate(m2),
            Self::SessionKey => Message::SessionKey(m2),
        }
    }
}

/// The server's decoder: takes bytes in pieces of any size, returns messages.
///
/// ```text
///   Mode ──► Length ──► Bytes ──► (message) ──► Mode
///    │          ├─ MODE 1 ─► Data{M1} ─ the body, elsewhere ─► Mode
///    │          └─ MODE 4, 0 ─► the low half of a 16-byte length
///    └─ MODE 2, k, a terminator: nothing follows
/// ```
#[derive(Debug)]
pub(crate) struct Decoder {
    expect: Expect,
    /// Bytes of what is expected; never more than its limit.
    held: Vec<u8>,
    offset: u64,
    continuation: Continuation,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { expect: Expect::Mode, held: Vec::new(), offset: 0, continuation: Continuation::No }
    }
}

impl Decoder {
    /// Returns the position in the connection of the byte that is fed next; bodies count too.
    #[must_use]
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns whether no part of a message is held, so that the connection may end in order here.
    #[must_use]
    pub(crate) const fn is_between_messages(&self) -> bool {
        matches!(self.expect, Expect::Mode) && self.held.is_empty()
    }

    /// Advances the offset by body bytes that were read elsewhere.
    pub(crate) const fn skip(&mut self, bytes: u64) {
        self.offset += bytes;
    }

    /// Sets what may come instead of the next MODE.
    pub(crate) const fn set_continuation(&mut self, continuation: Continuation) {
        self.continuation = continuation;
    }

    /// Takes bytes from the front of `input`, up to the end of one message at most.
    ///
    /// Returns how many bytes it took, and the message if it is whole. Where more blocks may follow
    /// ([`Decoder::set_continuation`]) it takes no byte before it knows what they are: feed the same bytes again, with
    /// more.
    ///
    /// # Errors
    /// [`WireError`]; the decoder cannot be used afterwards.
    pub(crate) fn feed(&mut self, input: &[u8]) -> Result<(usize, Option<Message>), WireError> {
        self.feed_before(input, Behind::Unknown)
    }

    /// Does what [`Decoder::feed`] does, where it is known what follows `input`.
    ///
    /// # Errors
    /// As [`Decoder::feed`].
    pub(crate) fn feed_before(
        &mut self,
        input: &[u8],
        behind: Behind,
    ) -> Result<(usize, Option<Message>), WireError> {
        if let (Expect::Mode, Continuation::Blocks { k }) = (&self.expect, self.continuation) {
            let (taken, message) = match after_pairs(input, k, behind) {
                Next::More => return Ok((0, None)),
                Next::Block => (WORD, Message::OneMoreBlock),
                Next::Terminator(length) => (length, Message::EndOfBlocks),
                Next::Mode => {
                    self.continuation = Continuation::No;
                    return self.collect(input);
                }
            };
            self.continuation = Continuation::No;
            self.offset += taken as u64;
            return Ok((taken, Some(message)));
        }
        self.collect(input)
    }

    fn collect(&mut self, input: &[u8]) -> Result<(usize, Option<Message>), WireError> {
        let mut taken = 0;
        loop {
            let wanted = match self.expect {
                Expect::Bytes(_, length) => length,
                _ => WORD,
            };
            let piece = (wanted - self.held.len()).min(input.len() - taken);
            self.held.extend_from_slice(&input[taken..taken + piece]);
            taken += piece;
            self.offset += piece as u64;
            if self.held.len() < wanted {
                return Ok((taken, None));
            }
            let held = std::mem::take(&mut self.held);
            if let Some(message) = self.step(held)? {
                return Ok((taken, Some(message)));
            }
        }
    }

    fn step(&mut self, held: Vec<u8>) -> Result<Option<Message>, WireError> {
        let value = read_word(&held).unwrap_or_default(); // all but `Bytes` collect a whole word
        match std::mem::replace(&mut self.expect, Expect::Mode) {
            Expect::Mode => self.mode(value),
            Expect::BodyLength => Ok(Some(Message::Data { length: value })),
            // An 8-byte length of 0 means that a 16-byte length was sent.
            Expect::Length(Collected::SessionKey) if value == 0 => {
                self.expect = Expect::LongKeyLength;
                Ok(None)
            }
            Expect::Length(kind) => self.length(kind, value),
            Expect::LongKeyLength => self.length(Collected::SessionKey, value),
            Expect::Bytes(kind, _) => Ok(Some(kind.message(held))),
        }
    }

    fn mode(&mut self, value: u64) -> Result<Option<Message>, WireError> {
        self.expect = match Mode::of(value) {
            None => return Err(WireError::UnknownMode { offset: self.offset - WORD as u64, value }),
            Some(Mode::Close) => return Ok(Some(Message::Close)),
            Some(Mode::Data) => Expect::BodyLength,
            Some(Mode::Filename) => Expect::Length(Collected::Filename),
            Some(Mode::Authenticate) => Expect::Length(Collected::Challenge),
            Some(Mode::SessionKey) => Expect::Length(Collected::SessionKey),
        };
        Ok(None)
    }

    fn length(&mut self, kind: Collected, length: u64) -> Result<Option<Message>, WireError> {
        match checked_length(length, kind.part(), self.offset - WORD as u64)? {
            0 => Ok(Some(kind.message(Vec::new()))),
            size => {
                self.expect = Expect::Bytes(kind, size);
                Ok(None)
            }
        }
    }
}

/// Compares a length with its limit, and returns it as a size.
///
/// # Errors
/// [`WireError::TooLong`].
pub(crate) fn checked_length(length: u64, part: Part, offset: u64) -> Result<usize, WireError> {
    match usize::try_from(length) {
        Ok(size) if length <= part.limit() => Ok(size),
        _ => Err(WireError::TooLong { offset, part, length }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::word::{TERMINATOR, word};

    fn bytes(words: &[u64], tail: &[u8]) -> Vec<u8> {
        words.iter().flat_map(|w| word(*w)).chain(tail.iter().copied()).collect()
    }

    /// Feeds in pieces of `size`; stops at the first error.
    fn decode(decoder: &mut Decoder, input: &[u8], size: usize) -> Result<Vec<Message>, WireError> {
        let mut messages = Vec::new();
        for piece in input.chunks(size) {
            let mut piece = piece;
            while !piece.is_empty() {
                let (taken, message) = decoder.feed(piece)?;
                messages.extend(message);
                piece = &piece[taken..];
            }
        }
        Ok(messages)
    }

    #[test]
    fn reads_every_mode_in_pieces_of_any_size() {
        let mut input = bytes(&[3, 5], b"hello");
        input.extend(bytes(&[4, 3], b"key"));
        input.extend(bytes(&[0, 5], b"a.txt"));
        input.extend(bytes(&[0, 0], b""));
        input.extend(bytes(&[1, 1 << 62], b""));
        input.extend(bytes(&[2, 2], b""));
        let expected = [
            Message::Authenticate(b"hello".to_vec()),
            Message::SessionKey(b"key".to_vec()),
            Message::Filename(b"a.txt".to_vec()),
            Message::Filename(Vec::new()),
            Message::Data { length: 1 << 62 },
            Message::Close,
            Message::Close,
        ];
        for size in 1..=input.len() {
            let mut decoder = Decoder::default();
            assert_eq!(decode(&mut decoder, &input, size).unwrap(), expected, "pieces of {size}");
            assert_eq!(decoder.offset(), input.len() as u64);
            assert!(decoder.is_between_messages());
        }
    }

    #[test]
    fn knows_when_a_message_is_cut() {
        let input = bytes(&[0, 5], b"a.txt");
        for cut in 1..input.len() {
            let mut decoder = Decoder::default();
            assert_eq!(decode(&mut decoder, &input[..cut], 1).unwrap(), []);
            assert!(!decoder.is_between_messages(), "cut at {cut}");
        }
    }

    #[test]
    fn rejects_an_unknown_mode_and_says_where() {
        for value in [5, 0x80, 0x0000_0001_0000_0000, u64::MAX] {
            let mut input = bytes(&[0, 1], b"a");
            input.extend(word(value));
            let error = decode(&mut Decoder::default(), &input, 3).unwrap_err();
            assert_eq!(error, WireError::UnknownMode { offset: 17, value });
        }
    }

    #[test]
    fn rejects_a_length_above_its_limit_before_a_byte_of_it() {
        for (mode, part) in [(0, Part::Filename), (3, Part::Message), (4, Part::SessionKey)] {
            for length in [part.limit() + 1, 1 << 40, u64::MAX] {
                let error = decode(&mut Decoder::default(), &bytes(&[mode, length], b""), 1).unwrap_err();
                assert_eq!(error, WireError::TooLong { offset: 8, part, length });
            }
            let exact = usize::try_from(part.limit()).unwrap();
            let input = bytes(&[mode, part.limit()], &vec![7; exact]);
            assert_eq!(decode(&mut Decoder::default(), &input, 1000).unwrap().len(), 1);
        }
    }

    #[test]
    fn a_key_length_of_zero_is_the_high_half_of_a_longer_one() {
        let input = bytes(&[4, 0, 3], b"key");
        for size in 1..=input.len() {
            let messages = decode(&mut Decoder::default(), &input, size).unwrap();
            assert_eq!(messages, [Message::SessionKey(b"key".to_vec())]);
        }
        // Twice zero is an empty key, which nothing decrypts.
        let messages = decode(&mut Decoder::default(), &bytes(&[4, 0, 0], b""), 8).unwrap();
        assert_eq!(messages, [Message::SessionKey(Vec::new())]);
    }

    #[test]
    fn one_more_block_may_stand_in_the_place_of_a_mode_once() {
        let after_blocks = || {
            let mut decoder = Decoder::default();
            decoder.set_continuation(Continuation::Blocks { k: 128 });
            decoder
        };
        let mut decoder = after_blocks();
        assert_eq!(decoder.feed(&word(128)[..7]).unwrap(), (0, None));
        assert_eq!(decoder.feed(&word(128)).unwrap(), (8, Some(Message::OneMoreBlock)));
        assert_eq!(decoder.feed(&word(128)).unwrap_err(), WireError::UnknownMode { offset: 8, value: 128 });
        for terminator in [&word(TERMINATOR)[..], &word(10_000), &[&word(3)[..], b"end"].concat()] {
            let mut decoder = after_blocks();
            let whole = [terminator, &word(2)].concat();
            assert_eq!(decoder.feed(&whole).unwrap(), (terminator.len(), Some(Message::EndOfBlocks)));
            assert_eq!(decoder.offset(), terminator.len() as u64);
            assert_eq!(decoder.feed(&word(2)).unwrap(), (8, Some(Message::Close)));
        }
        assert_eq!(after_blocks().feed(&word(2)).unwrap(), (8, Some(Message::Close)));
        // What is only the beginning of a MODE is taken when nothing follows, so that it is seen to be cut.
        let mut decoder = after_blocks();
        assert_eq!(decoder.feed_before(&word(2)[..7], Behind::End).unwrap(), (7, None));
        assert!(!decoder.is_between_messages());
    }
}
