//! How CP1's blocks follow MODE 1: the framings A to F, no IO.
//!
//! The assignment leaves open whether all encrypted bytes are one M2 or are sent block by block, and independent clients
//! do it in six ways (docs/protocol.md, section CP1). [`Layout`] writes the chosen framing; [`Body`] reads all of them,
//! and distinguishes them by their bytes:
//!
//! ```text
//!              M1 = 2^64−1 ─► empty D            M1 = 0 ─► empty file
//!   MODE 1 ─► M1 ─┬─ next word is k ─► (k, block) pairs until M1 is their plaintext (C),
//!                 │                    else their count (B), else k × their count (F)
//!                 └─ otherwise ──────► M1 / k blocks one after another (A; one block: D, E)
//! ```
//! After a body of pairs, or a body whose M1 was k or 0, a "MODE" of value k is one more block, and a terminator may
//! stand there ([`super::ending`]). Where no framing fits M1 and a MODE follows, M1 is the terminator of an empty file.
//!
//! Our own client names its framing in the hello. Then nothing is guessed, no M1 is ambiguous, and only E is open-ended
//! (and C's empty file, which is an M1 of 0 and perhaps a block). The hello does not say which of the known terminators
//! ends D.

use thiserror::Error;

use super::ending::LETTERS;
use super::wire::Continuation;
use super::word::{TERMINATOR, WORD, read_word, word};
use crate::event::{Framing, Terminator};

/// Error in the bytes of a CP1 body: they fit no framing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum FramingError {
    /// Neither pairs nor whole blocks.
    #[error("CP1 body of {m1} bytes is not a multiple of the block length {k}, and no block length follows")]
    NoWholeBlocks {
        /// The M1 of the body.
        m1: u64,
        /// The server's modulus length in bytes.
        k: u64,
    },
    /// In a body of pairs, every block is k bytes long.
    #[error("CP1 body of (length, block) pairs: expected the block length {k}, got {got}")]
    BlockLength {
        /// The server's modulus length in bytes.
        k: u64,
        /// Value where the block length is due.
        got: u64,
    },
    /// More pairs than M1 can announce in any framing.
    #[error("CP1 body that announced {m1} does not end within {pairs} blocks")]
    NoEnd {
        /// The M1 of the body.
        m1: u64,
        /// Pairs that were read.
        pairs: u64,
    },
}

/// Meaning of the bytes at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Too few to decide; read more.
    More,
    /// Framing; skip this many bytes.
    Skip(usize),
    /// Skip `skip` bytes; the next `length` are whole blocks or parts of them.
    Blocks {
        /// Number of bytes of framing.
        skip: usize,
        /// Number of bytes of blocks, at least 1.
        length: usize,
    },
    /// The body is over; the bytes at hand belong to the next message.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// The bytes will decide.
    Unknown,
    /// M1 is impossible in the framing that the hello named.
    Broken,
    /// `left` bytes of blocks to come.
    Joined {
        left: u64,
    },
    /// `left` bytes of the current block to come; 0: at a pair's length.
    Pairs {
        left: u64,
        count: u64,
    },
    /// Pairs up to a terminator (D); `left` as in `Pairs`.
    Terminated {
        left: u64,
    },
    /// At the letters of a terminator.
    Letters,
    Over,
}

/// A CP1 body that is being read.
#[derive(Debug)]
pub(crate) struct Body {
    m1: u64,
    k: u64,
    /// Framing that the hello named; `None`: the bytes must decide.
    framing: Option<Framing>,
    shape: Shape,
    continuation: Continuation,
}

impl Body {
    /// Begins a body that announced `m1`, for a server whose modulus has `k` bytes (k ≥ 8). `framing`: as the client's hello
    /// named it.
    #[must_use]
    pub(crate) fn new(m1: u64, k: u64, framing: Option<Framing>) -> Self {
        let more = Continuation::Blocks { k };
        let (shape, continuation) = match (m1, framing) {
            (TERMINATOR, _) => (Shape::Over, Continuation::No),
            (0, None | Some(Framing::C)) => (Shape::Over, more),
            (0, Some(_)) => (Shape::Over, Continuation::No),
            (_, None) => (Shape::Unknown, if m1 == k { more } else { Continuation::No }),
            (_, Some(Framing::A)) if m1.is_multiple_of(k) => (Shape::Joined { left: m1 }, Continuation::No),
            (_, Some(Framing::D)) if m1 == k => (Shape::Terminated { left: k }, Continuation::No),
            (_, Some(Framing::D)) if Terminator::beginning(m1) == Some(Terminator::End) => {
                (Shape::Letters, Continuation::No)
            }
            (_, Some(Framing::D)) if Terminator::beginning(m1).is_some() => (Shape::Over, Continuation::No),
            (_, Some(Framing::E)) if m1 == k => (Shape::Joined { left: k }, more),
            (_, Some(Framing::A | Framing::D | Framing::E)) => (Shape::Broken, Continuation::No),
            (_, Some(Framing::B | Framing::C | Framing::F)) => {
                (Shape::Pairs { left: 0, count: 0 }, Continuation::No)
            }
        };
        Self { m1, k, framing, shape, continuation }
    }

    /// Begins one more block of the file before, after its length was read where a MODE is due.
    #[must_use]
    pub(crate) const fn one_more_block(k: u64) -> Self {
        Self {
            m1: k,
            k,
            framing: None,
            shape: Shape::Joined { left: k },
            continuation: Continuation::Blocks { k },
        }
    }

    /// Returns what may come instead of the next MODE when this body is over.
    #[must_use]
    pub(crate) const fn continuation(&self) -> Continuation {
        self.continuation
    }

    /// Returns the bytes of blocks that follow without anything between them; `None` where the framing puts a length
    /// before each block.
    #[must_use]
    pub(crate) const fn joined(&self) -> Option<u64> {
        match self.shape {
            Shape::Joined { left } => Some(left),
            _ => None,
        }
    }

    /// Returns how many (k, block) pairs follow for certain, whatever they hold: pairs of the body and pairs that continue
    /// it. 0 inside a block.
    ///
    /// `here` are the bytes at hand, `plain` as in [`Body::next`], and `most` the bytes that a block can hold. Where the
    /// end is announced the pairs may be still to come; elsewhere the length of each is in `here`.
    #[must_use]
    pub(crate) fn certain_pairs(&self, here: &[u8], plain: u64, most: usize) -> u64 {
        match self.shape {
            Shape::Pairs { left: 0, count } => {
                let to_end = |end: u64, a_pair: u64| Some(self.m1.checked_sub(end)?.div_ceil(a_pair.max(1)));
                let by_count = || to_end(count, 1);
                // C ends no earlier than with full blocks.
                let by_plain = || to_end(plain, most as u64);
                let by_length = || {
                    let left = self.m1.checked_sub(count.saturating_mul(self.k))?;
                    left.is_multiple_of(self.k).then_some(left / self.k)
                };
                let nearest = match self.framing {
                    Some(Framing::B) => by_count(),
                    Some(Framing::C) => by_plain(),
                    Some(Framing::F) => by_length(),
                    _ => [by_plain(), by_count(), by_length()].into_iter().flatten().min(),
                };
                nearest.unwrap_or(0)
            }
            Shape::Terminated { left: 0 } => self.lengths_here(here),
            Shape::Over if self.continuation != Continuation::No => self.lengths_here(here),
            _ => 0,
        }
    }

    /// Counts the next words with k bytes between them that are k.
    fn lengths_here(&self, here: &[u8]) -> u64 {
        let pair = usize::try_from(self.k).map_or(usize::MAX, |k| k.saturating_add(WORD));
        here.chunks(pair).take_while(|pair| read_word(pair) == Some(self.k)).count() as u64
    }

    /// Advances by this many [certain](Self::certain_pairs) pairs.
    pub(crate) const fn skip_pairs(&mut self, pairs: u64) {
        if let Shape::Pairs { count, .. } = &mut self.shape {
            *count += pairs;
        }
    }

    /// Advances by all [joined](Self::joined) blocks.
    pub(crate) const fn skip_joined(&mut self) {
        if let Shape::Joined { left } = &mut self.shape {
            *left = 0;
        }
    }

    /// Returns the meaning of the next bytes.
    ///
    /// `plain` is the number of bytes that the blocks so far decrypted to: the end of C depends on it.
    ///
    /// # Errors
    /// [`FramingError`]; the body cannot be used afterwards.
    pub(crate) fn next(&mut self, input: &[u8], plain: u64) -> Result<Step, FramingError> {
        loop {
            match self.shape {
                Shape::Over => return Ok(Step::End),
                Shape::Broken if self.framing == Some(Framing::A) => {
                    return Err(FramingError::NoWholeBlocks { m1: self.m1, k: self.k });
                }
                Shape::Broken => return Err(FramingError::BlockLength { k: self.k, got: self.m1 }),
                Shape::Letters => {
                    if !LETTERS.starts_with(&input[..input.len().min(LETTERS.len())]) {
                        return Err(FramingError::BlockLength { k: self.k, got: self.m1 });
                    }
                    if input.len() < LETTERS.len() {
                        return Ok(Step::More);
                    }
                    self.shape = Shape::Over;
                    return Ok(Step::Skip(LETTERS.len()));
                }
                // No length begins with a letter.
                Shape::Unknown if self.m1 == LETTERS.len() as u64 && input.first() == LETTERS.first() => {
                    self.shape = Shape::Letters;
                }
                Shape::Unknown => {
                    let Some(first) = read_word(input) else { return Ok(Step::More) };
                    if first == self.k {
                        self.continuation = Continuation::Blocks { k: self.k };
                        self.shape = Shape::Pairs { left: 0, count: 0 };
                    } else if self.m1.is_multiple_of(self.k) {
                        self.shape = Shape::Joined { left: self.m1 };
                    } else if is_terminator_before(self.m1, first) {
                        self.shape = Shape::Over;
                    } else {
                        return Err(FramingError::NoWholeBlocks { m1: self.m1, k: self.k });
                    }
                }
                Shape::Joined { left: 0 } => self.shape = Shape::Over,
                Shape::Terminated { left: 0 } => {
                    let Some(got) = read_word(input) else { return Ok(Step::More) };
                    self.shape = match Terminator::beginning(got) {
                        _ if got == self.k => Shape::Terminated { left: got },
                        Some(Terminator::End) => Shape::Letters,
                        Some(_) => Shape::Over,
                        None => return Err(FramingError::BlockLength { k: self.k, got }),
                    };
                    return Ok(Step::Skip(WORD));
                }
                Shape::Pairs { left: 0, count } => {
                    let encrypted = count.saturating_mul(self.k);
                    let ends = match self.framing {
                        Some(Framing::B) => [count; 3],
                        Some(Framing::C) => [plain; 3],
                        Some(Framing::F) => [encrypted; 3],
                        // In this order (docs/protocol.md, section CP1).
                        _ => [plain, count, encrypted],
                    };
                    if count > 0 && ends.contains(&self.m1) {
                        self.shape = Shape::Over;
                        continue;
                    }
                    if ends.iter().all(|end| *end > self.m1) {
                        return Err(FramingError::NoEnd { m1: self.m1, pairs: count });
                    }
                    let Some(got) = read_word(input) else { return Ok(Step::More) };
                    if got != self.k {
                        return Err(FramingError::BlockLength { k: self.k, got });
                    }
                    if input.len() == WORD {
                        return Ok(Step::More);
                    }
                    let mut left = self.k;
                    let step = take(&mut left, WORD, input.len());
                    self.shape = Shape::Pairs { left, count: count + 1 };
                    return Ok(step);
                }
                Shape::Joined { ref mut left }
                | Shape::Pairs { ref mut left, .. }
                | Shape::Terminated { ref mut left } => {
                    return Ok(take(left, 0, input.len()));
                }
            }
        }
    }
}

/// Returns whether a value where M1 is due is the terminator of a file without blocks: a MODE other than 1 follows.
const fn is_terminator_before(value: u64, next: u64) -> bool {
    !matches!(value, 2..=4) && matches!(next, 0 | 2..=4)
}

/// Takes the bytes that are both needed and at hand, after `skip`.
fn take(left: &mut u64, skip: usize, here: usize) -> Step {
    let here = (here - skip) as u64;
    if here == 0 {
        return Step::More;
    }
    let length = here.min(*left);
    *left -= length;
    #[expect(clippy::cast_possible_truncation, reason = "at most `here`, which was a usize")]
    Step::Blocks { skip, length: length as usize }
}

/// Form in which a client writes a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// M1, behind MODE 1; `None`: the first pair follows MODE 1.
    pub m1: Option<u64>,
    /// Whether each block has its length before it.
    pub pairs: bool,
    /// Terminator behind the last block.
    pub terminator: Terminator,
}

impl Layout {
    /// Returns the layout of a file of `plain` bytes in `blocks` blocks of `k` bytes. Only pairs have a `terminator`.
    #[must_use]
    pub(crate) const fn of(
        framing: Framing,
        terminator: Terminator,
        plain: u64,
        blocks: u64,
        k: u64,
    ) -> Self {
        let total = Some(blocks.saturating_mul(k));
        let m1 = match framing {
            Framing::A | Framing::F => total,
            Framing::B => Some(blocks),
            // An empty file is one empty block, and C's M1 for it is 0: nothing may follow then.
            Framing::C => Some(plain),
            // Without a block there is no pair, and something must stand behind MODE 1.
            Framing::D | Framing::E if blocks == 0 && matches!(terminator, Terminator::None) => Some(0),
            Framing::D | Framing::E => None,
        };
        match framing {
            Framing::A => Self { m1, pairs: false, terminator: Terminator::None },
            _ => Self { m1, pairs: true, terminator },
        }
    }

    /// Appends whole blocks to `out`, framed.
    pub(crate) fn frame(&self, blocks: &[u8], k: usize, out: &mut Vec<u8>) {
        if self.pairs {
            for block in blocks.chunks(k) {
                out.extend_from_slice(&word(k as u64));
                out.extend_from_slice(block);
            }
        } else {
            out.extend_from_slice(blocks);
        }
    }
}

#[cfg(test)]
mod tests;
