//! What may follow CP1's (k, block) pairs: one more block, a terminator, or a MODE. No IO.
//!
//! Clients end their pairs in seven known ways: with nothing, or with 2^64 − 1, 0, 1, 10000, another integer, or 3 and
//! the letters `end`. Some of these integers are also MODEs, so the bytes that follow them decide:
//!
//! ```text
//!   k        one more block           2^64−1 ─► terminator           2, 4 ─► MODE
//!   3        `end` follows ─► terminator; else MODE 3, whose length begins with a zero byte
//!   0        0 follows, or 1 to 4 and then a zero byte, or the end ─► terminator; else MODE 0 and a name's length
//!   1        0 follows, or the end, or 2 to 4 and then not k ─► terminator; else MODE 1 and its M1
//!   others   terminator
//! ```
//! No name begins with a zero byte, and no known client sends an empty name, or MODE 1 twice for one name. So the
//! bytes decide, independent of how they are divided and when they come. One case needs the clock: 0 or 1, then 2, then
//! nothing, from a client that does not end its side ([`Behind::Silence`]).

use super::word::{Mode, WORD, read_word};

/// Letters that one known client puts behind a length of 3, as a terminator.
pub(crate) const LETTERS: &[u8] = b"end";

/// What follows the bytes at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Not known yet.
    Unknown,
    /// Silence, for longer than a message may be interrupted.
    Silence,
    /// The end: the client has ended its side in order.
    End,
}

/// Meaning of the first bytes at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Too few bytes to decide.
    More,
    /// The length of one more block.
    Block,
    /// A terminator of this many bytes.
    Terminator(usize),
    /// A MODE.
    Mode,
}

/// Returns the meaning of the bytes behind pairs, for a server whose modulus has `k` bytes.
#[must_use]
pub(crate) fn after_pairs(bytes: &[u8], k: u64, behind: Behind) -> Next {
    let short = if behind == Behind::End { Next::Mode } else { Next::More };
    let Some(value) = read_word(bytes) else { return short };
    let rest = &bytes[WORD..];
    match value {
        _ if value == k => Next::Block,
        ZERO => after_zero(rest, behind),
        ONE => after_one(rest, k, behind),
        THREE => match rest.first_chunk::<3>() {
            Some(letters) if letters == LETTERS => Next::Terminator(WORD + LETTERS.len()),
            None if LETTERS.starts_with(rest) => short,
            _ => Next::Mode,
        },
        TWO | FOUR => Next::Mode,
        // 2^64 − 1, and integers that are not a MODE.
        _ => Next::Terminator(WORD),
    }
}

const ZERO: u64 = Mode::Filename as u64;
const ONE: u64 = Mode::Data as u64;
const TWO: u64 = Mode::Close as u64;
const THREE: u64 = Mode::Authenticate as u64;
const FOUR: u64 = Mode::SessionKey as u64;

/// Decides whether a 0 is a terminator or MODE 0.
fn after_zero(rest: &[u8], behind: Behind) -> Next {
    let terminator = Next::Terminator(WORD);
    match (read_word(rest), rest.get(WORD), behind) {
        // The last case: a name of two bytes would have come with its length; a client that has sent MODE 2 may wait for
        // the server's end.
        (Some(ZERO), ..)
        | (Some(ONE..=FOUR), Some(0), _)
        | (Some(TWO), None, Behind::End | Behind::Silence) => terminator,
        (None, _, Behind::End) if rest.is_empty() => terminator,
        (None | Some(ONE..=FOUR), None, Behind::Unknown | Behind::Silence) => Next::More,
        _ => Next::Mode,
    }
}

/// Decides whether a 1 is a terminator or MODE 1.
fn after_one(rest: &[u8], k: u64, behind: Behind) -> Next {
    let terminator = Next::Terminator(WORD);
    match (read_word(rest), behind) {
        (Some(ZERO), _) => terminator,
        (Some(value @ TWO..=FOUR), _) => {
            let next = &rest[WORD..];
            match (read_word(next), behind) {
                (Some(next), _) if next == k => Next::Mode,
                // MODE 2 and nothing behind it: a client that may wait for the server's end.
                (None, Behind::Silence) if value == TWO => terminator,
                (None, Behind::Unknown | Behind::Silence) if k.to_be_bytes().starts_with(next) => Next::More,
                _ => terminator,
            }
        }
        (None, Behind::End) if rest.is_empty() => terminator,
        (None, Behind::Unknown | Behind::Silence) => Next::More,
        _ => Next::Mode,
    }
}

#[cfg(test)]
mod tests;
