//! Beginnings and ends of the messages in one direction, by their bytes alone: no IO.
//!
//! Nothing is refused or kept: bytes that cannot be recognised are [`Kind::Unknown`] to the end. The client announces the
//! length of each body ([`Follow::expect`]). At the server a body of pairs (docs/protocol.md, section CP1) continues as
//! long as the next word is the length of a block.

use crate::event::Kind;
use crate::net::ending::{Behind, Next, after_pairs};
use crate::net::word::{Mode, TERMINATOR, WORD};

/// One step of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note<'a> {
    /// A message began: 8 bytes of MODE, or none where its length comes first.
    Begin(Kind, u64),
    /// The last message continues: a block came after it seemed to have ended.
    Again,
    /// 8 bytes with this value: the length of M2.
    M1(u64),
    /// Bytes of M2.
    Body(&'a [u8]),
    /// Number of bytes of M2 that the kernel moved.
    Unseen(u64),
    /// The message ended.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// At a MODE.
    Mode,
    /// At an answer's length.
    Answer,
    /// At M1.
    Length(Kind),
    /// At the second half of a key's length in 16 bytes.
    LongLength,
    /// At the first word of a body with this M1: it may be the length of a block.
    First(u64),
    /// At the next pair, or behind the last.
    Pair,
    /// In M2: `left` bytes to come, and what follows them.
    Body { left: u64, then: Then },
    /// At bytes that cannot be recognised.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Message,
    Pair,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Follow {
    /// Step between messages.
    between: Step,
    step: Step,
    word: [u8; WORD],
    filled: usize,
    /// Bytes behind a block that cannot be recognised yet; a few words at most.
    held: Vec<u8>,
    /// Bytes of a block of CP1, at a server with a key.
    block: Option<u64>,
    /// Bytes behind the first word of the next body.
    expected: Option<u64>,
    /// Whether one more block may follow the last body.
    open_ended: bool,
}

impl Follow {
    /// Follows the bytes of a client.
    pub(super) const fn client(block: Option<u64>) -> Self {
        Self::new(Step::Mode, block)
    }

    /// Follows the bytes of a server: lengths and bytes.
    pub(super) const fn server() -> Self {
        Self::new(Step::Answer, None)
    }

    const fn new(between: Step, block: Option<u64>) -> Self {
        Self {
            between,
            step: between,
            word: [0; WORD],
            filled: 0,
            held: Vec::new(),
            block,
            expected: None,
            open_ended: false,
        }
    }

    /// Sets the number of bytes of the next body behind the word that follows its MODE.
    pub(super) const fn expect(&mut self, bytes: u64) {
        self.expected = Some(bytes);
    }

    /// Takes the next bytes of this direction, in pieces of any size.
    pub(super) fn feed(&mut self, mut input: &[u8], note: &mut impl FnMut(Note<'_>)) {
        while !input.is_empty() {
            match self.step {
                Step::Lost => {
                    note(Note::Body(input));
                    return;
                }
                Step::Body { left, then } => {
                    let n = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    note(Note::Body(&input[..n]));
                    input = &input[n..];
                    self.body(left - n as u64, then, note);
                }
                step if self.may_go_on() => {
                    let (first, rest) = input.split_at(1);
                    self.held.extend_from_slice(first);
                    input = rest;
                    self.decide(step, Behind::Unknown, note);
                }
                step => {
                    let n = (WORD - self.filled).min(input.len());
                    self.word[self.filled..self.filled + n].copy_from_slice(&input[..n]);
                    self.filled += n;
                    input = &input[n..];
                    if self.filled == WORD {
                        self.filled = 0;
                        self.read(step, note);
                    }
                }
            }
        }
    }

    /// Returns whether one more block or a terminator may stand here.
    fn may_go_on(&self) -> bool {
        self.block.is_some() && (self.step == Step::Pair || (self.step == Step::Mode && self.open_ended))
    }

    /// Recognises what follows the blocks, as soon as its bytes decide it.
    fn decide(&mut self, step: Step, behind: Behind, note: &mut impl FnMut(Note<'_>)) {
        let next = self.block.map_or(Next::Mode, |k| after_pairs(&self.held, k, behind));
        if next == Next::More {
            return;
        }
        let held = std::mem::take(&mut self.held);
        let was_over = step == Step::Mode;
        if was_over && next != Next::Mode {
            note(Note::Again);
        }
        let rest = match next {
            Next::Block => {
                note(Note::Body(&held));
                let then = if was_over { Then::Message } else { Then::Pair };
                self.step = Step::Body { left: self.block.unwrap_or_default(), then };
                return;
            }
            Next::Terminator(length) => {
                note(Note::Body(&held[..length]));
                note(Note::End);
                &held[length..]
            }
            Next::Mode | Next::More => {
                if !was_over {
                    note(Note::End);
                }
                &held
            }
        };
        (self.step, self.open_ended) = (Step::Mode, false);
        // A few words at most.
        self.feed(rest, note);
    }

    /// Advances by bytes that the kernel moved.
    pub(super) fn skip(&mut self, bytes: u64, note: &mut impl FnMut(Note<'_>)) {
        match self.step {
            Step::Body { left, then } if bytes <= left => {
                note(Note::Unseen(bytes));
                self.body(left - bytes, then, note);
            }
            // The kernel moves no pairs.
            Step::First(m1) if bytes.saturating_add(self.filled as u64) <= m1 => {
                let seen = std::mem::take(&mut self.filled);
                note(Note::Body(&self.word[..seen]));
                note(Note::Unseen(bytes));
                self.open_ended = self.block == Some(m1);
                self.body(m1 - seen as u64 - bytes, Then::Message, note);
            }
            _ => {
                self.step = Step::Lost;
                note(Note::Unseen(bytes));
            }
        }
    }

    /// Ends this direction: a body that only a further word would have ended is complete.
    pub(super) fn end(&mut self, note: &mut impl FnMut(Note<'_>)) {
        if !self.held.is_empty() {
            self.decide(self.step, Behind::End, note);
        }
        match (self.step, self.filled as u64) {
            (Step::Pair, 0) => note(Note::End),
            (Step::First(m1), filled @ 1..) => {
                let body = usize::try_from(m1.min(filled)).unwrap_or(WORD);
                note(Note::Body(&self.word[..body]));
                if filled >= m1 {
                    note(Note::End);
                }
            }
            _ => {}
        }
        self.step = Step::Lost;
    }

    fn body(&mut self, left: u64, then: Then, note: &mut impl FnMut(Note<'_>)) {
        self.step = match (left, then) {
            (0, Then::Pair) => Step::Pair,
            (0, Then::Message) => {
                note(Note::End);
                self.between
            }
            _ => Step::Body { left, then },
        };
    }

    /// Handles a whole word.
    fn read(&mut self, step: Step, note: &mut impl FnMut(Note<'_>)) {
        let word = self.word;
        let value = u64::from_be_bytes(word);
        match step {
            Step::Mode => self.mode(value, note),
            Step::Answer => {
                note(Note::Begin(Kind::Signature, 0));
                note(Note::M1(value));
                self.body(value, Then::Message, note);
            }
            Step::Length(Kind::Data) => {
                note(Note::M1(value));
                self.data(value, note);
            }
            Step::Length(Kind::SessionKey) if value == 0 => {
                note(Note::M1(0));
                self.step = Step::LongLength;
            }
            Step::Length(_) | Step::LongLength => {
                note(Note::M1(value));
                self.body(value, Then::Message, note);
            }
            Step::First(_) if self.block == Some(value) => {
                note(Note::Body(&word));
                self.body(value, Then::Pair, note);
            }
            Step::First(m1 @ 0..8) => {
                // No block: a short body, and the beginning of what follows it.
                let (body, rest) = word.split_at(usize::try_from(m1).unwrap_or(WORD));
                note(Note::Body(body));
                note(Note::End);
                self.word[..rest.len()].copy_from_slice(rest);
                (self.filled, self.step) = (rest.len(), Step::Mode);
            }
            Step::First(m1) => {
                note(Note::Body(&word));
                self.open_ended = self.block == Some(m1);
                self.body(m1 - WORD as u64, Then::Message, note);
            }
            // `feed` handles these.
            Step::Pair | Step::Body { .. } | Step::Lost => {}
        }
    }

    fn mode(&mut self, value: u64, note: &mut impl FnMut(Note<'_>)) {
        let kind = match value {
            v if v == Mode::Filename as u64 => Kind::Filename,
            v if v == Mode::Data as u64 => Kind::Data,
            v if v == Mode::Close as u64 => Kind::Close,
            v if v == Mode::Authenticate as u64 => Kind::Authenticate,
            v if v == Mode::SessionKey as u64 => Kind::SessionKey,
            _ => Kind::Unknown,
        };
        note(Note::Begin(kind, WORD as u64));
        self.step = match kind {
            Kind::Close => {
                note(Note::End);
                Step::Mode
            }
            Kind::Unknown => Step::Lost,
            kind => Step::Length(kind),
        };
    }

    /// Handles M1 of MODE 1.
    fn data(&mut self, m1: u64, note: &mut impl FnMut(Note<'_>)) {
        match (self.expected.take(), self.block) {
            (Some(bytes), _) => self.body(bytes, Then::Message, note),
            (None, _) if m1 == TERMINATOR => self.body(0, Then::Message, note),
            (None, Some(_)) if m1 == 0 => {
                self.open_ended = true;
                self.body(0, Then::Message, note);
            }
            (None, Some(_)) => self.step = Step::First(m1),
            _ => self.body(m1, Then::Message, note),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::word::word;

    /// Kind, header, M1, bytes of M2, whether it ended.
    type Message = (Kind, u64, Option<u64>, Vec<u8>, bool);

    /// Returns the messages in `bytes`, fed in pieces of `piece` bytes.
    fn followed(mut follow: Follow, bytes: &[u8], piece: usize) -> Vec<Message> {
        let mut all: Vec<Message> = Vec::new();
        for piece in bytes.chunks(piece) {
            follow.feed(piece, &mut |note| match note {
                Note::Begin(kind, header) => all.push((kind, header, None, Vec::new(), false)),
                Note::Again => all.last_mut().unwrap().4 = false,
                Note::M1(m1) => {
                    let last = all.last_mut().unwrap();
                    (last.1, last.2) = (last.1 + 8, Some(m1));
                }
                Note::Body(bytes) => all.last_mut().unwrap().3.extend(bytes),
                Note::Unseen(n) => all.last_mut().unwrap().3.extend(vec![0; usize::try_from(n).unwrap()]),
                Note::End => all.last_mut().unwrap().4 = true,
            });
        }
        all
    }

    const SIZES: [usize; 5] = [1, 3, 8, 11, 10_000];

    fn message(mode: u64, body: &[u8]) -> Vec<u8> {
        [&word(mode), &word(body.len() as u64), body].concat()
    }

    #[test]
    fn recognises_every_message_in_pieces_of_any_size() {
        let long = [&word(4)[..], &word(0), &word(3), b"key"].concat();
        let bytes =
            [message(3, b"hello"), long, message(0, b"a.txt"), message(1, b""), word(2).to_vec()].concat();
        for size in SIZES {
            assert_eq!(
                followed(Follow::client(Some(128)), &bytes, size),
                [
                    (Kind::Authenticate, 16, Some(5), b"hello".to_vec(), true),
                    (Kind::SessionKey, 24, Some(3), b"key".to_vec(), true),
                    (Kind::Filename, 16, Some(5), b"a.txt".to_vec(), true),
                    (Kind::Data, 16, Some(0), Vec::new(), true),
                    (Kind::Close, 8, None, Vec::new(), true),
                ]
            );
            let answer = [&word(2)[..], b"si", &word(4), b"cert"].concat();
            assert_eq!(
                followed(Follow::server(), &answer, size),
                [
                    (Kind::Signature, 8, Some(2), b"si".to_vec(), true),
                    (Kind::Signature, 8, Some(4), b"cert".to_vec(), true),
                ]
            );
        }
    }

    #[test]
    fn recognises_every_framing_of_cp1_by_its_blocks() {
        let (one, two) = ([0xa1; 128], [0xb2; 128]);
        let pair = |block: &[u8]| [&word(128)[..], block].concat();
        let pairs = [pair(&one), pair(&two)].concat();
        let m1 = |m1: u64, rest: &[u8]| [&word(1)[..], &word(m1), rest].concat();
        let bodies = [
            ("A", m1(256, &[one, two].concat())),
            ("A of one block", m1(128, &one)),
            ("B", m1(2, &pairs)),
            ("C", m1(100, &pairs)),
            ("D", [&word(1)[..], &pairs, &word(TERMINATOR)].concat()),
            ("an empty D", [word(1), word(TERMINATOR)].concat()),
            ("D that ends in 0", [&word(1)[..], &pairs, &word(0)].concat()),
            ("D that ends in 1", [&word(1)[..], &pairs, &word(1)].concat()),
            ("D that ends in 10000", [&word(1)[..], &pairs, &word(10_000)].concat()),
            ("D that ends in end", [&word(1)[..], &pairs, &word(3), b"end"].concat()),
            ("B that ends in 1", [m1(2, &pairs), word(1).to_vec()].concat()),
            ("E", [&word(1)[..], &pairs].concat()),
            ("F", m1(256, &pairs)),
            ("a short plain body", m1(2, b"ab")),
        ];
        for (name, body) in bodies {
            let bytes = [&body[..], &message(0, b"next")].concat();
            for size in SIZES {
                let messages = followed(Follow::client(Some(128)), &bytes, size);
                let whole: u64 = messages.iter().map(|one| one.1 + one.3.len() as u64).sum();
                assert_eq!(whole, bytes.len() as u64, "{name}, pieces of {size}");
                let kinds: Vec<Kind> = messages.iter().map(|one| one.0).collect();
                assert_eq!(kinds, [Kind::Data, Kind::Filename], "{name}, pieces of {size}");
                assert!(messages.iter().all(|one| one.4), "{name}, pieces of {size}");
            }
        }
    }

    #[test]
    fn an_announced_body_is_as_long_as_it_was_announced() {
        let mut follow = Follow::client(None);
        follow.expect(20);
        let bytes = [&word(1)[..], &word(2), &[7; 20], &word(2)].concat();
        let messages = followed(follow, &bytes, 5);
        assert_eq!(messages[0], (Kind::Data, 16, Some(2), vec![7; 20], true));
        assert_eq!(messages[1].0, Kind::Close);
    }

    #[test]
    fn bytes_that_are_no_message_are_unknown_to_the_end() {
        let bytes = [&word(7)[..], b"whatever", &word(2)].concat();
        for size in SIZES {
            let messages = followed(Follow::client(Some(128)), &bytes, size);
            assert_eq!(messages, [(Kind::Unknown, 8, None, bytes[8..].to_vec(), false)]);
        }
    }
}
