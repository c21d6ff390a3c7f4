//! CP1: a file as RSA blocks.
//!
//! ```text
//! plaintext   │ ≤ max │ ≤ max │ … │        max = k − 66 (OAEP) or k − 11 (PKCS1v15)
//!                 ▼       ▼
//! body        │   k   │   k   │ … │        k = bytes of the modulus
//! ```
//!
//! The framings A to F around the blocks are the business of `net`.
//!
//! Two stateless functions do the costly work, and several threads may call them for successive parts of one file:
//! [`ServerKey::seal_blocks`] and [`open_blocks`]. What depends on the order of the blocks is cheap:
//! [`BlockOpener::absorb`]. [`BlockSealer`] and [`BlockOpener`] combine both for one thread.

use std::sync::Arc;

use subtle::Choice;
use zeroize::Zeroizing;

use super::identity::Identity;
use super::padding::{self, Both, Paddings};
use super::rsa_batch::BatchError;
use super::server_key::{BATCH_BLOCKS, ServerKey};
use super::{Open, OpenError, Seal, SealError, digest_more};
use crate::digest::{Digest, FileDigest};
use crate::event::Padding;

/// Blocks in which a file has at least one byte, beyond as many at its beginning.
const EMPTY_BLOCKS: u64 = 64;

/// Number of blocks by which CP1 is distinguished from AP (docs/protocol.md, section "AP or CP1").
const TELLING_BLOCKS: usize = 4;

/// Converts plaintext to blocks. Every block is full except the last; an empty file becomes one empty block.
pub struct BlockSealer {
    key: ServerKey,
    padding: Padding,
    /// Plaintext length of a full block in bytes.
    max: usize,
    promised: u64,
    /// 0 <= `given` <= `promised`.
    given: u64,
    /// Plaintext of an incomplete block; shorter than `max`.
    pending: Zeroizing<Vec<u8>>,
    digest: Option<sha2::Sha256>,
}

impl BlockSealer {
    /// Creates a sealer for a file of exactly `plain_len` bytes.
    #[must_use]
    pub fn new(key: ServerKey, padding: Padding, plain_len: u64, digest: FileDigest) -> Self {
        let max = ServerKey::block_max(key.modulus_bytes(), padding);
        let pending = Zeroizing::new(Vec::with_capacity(max));
        Self { key, padding, max, promised: plain_len, given: 0, pending, digest: digest.begin() }
    }

    /// Returns the length of the body in bytes; `None` beyond 2^64.
    fn checked_len(&self) -> Option<u64> {
        let blocks = self.promised.div_ceil(self.max as u64).max(1);
        blocks.checked_mul(self.key.modulus_bytes() as u64)
    }
}

impl Seal for BlockSealer {
    fn body_len(&self) -> u64 {
        self.checked_len().unwrap_or(u64::MAX)
    }

    fn seal(&mut self, mut plain: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        self.checked_len().ok_or(SealError::TooLong { plain_len: self.promised })?;
        let given = self.given.saturating_add(plain.len() as u64);
        if given > self.promised {
            return Err(SealError::Long { promised: self.promised });
        }
        self.given = given;
        digest_more(&mut self.digest, plain);
        if !self.pending.is_empty() {
            let (head, rest) = plain.split_at(plain.len().min(self.max - self.pending.len()));
            self.pending.extend_from_slice(head);
            plain = rest;
            if self.pending.len() == self.max {
                self.key.seal_blocks(self.padding, &self.pending, out)?;
                self.pending.clear();
            }
        }
        let (full, rest) = plain.split_at(plain.len() / self.max * self.max);
        if !full.is_empty() {
            self.key.seal_blocks(self.padding, full, out)?;
        }
        self.pending.extend_from_slice(rest);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), SealError> {
        if self.given != self.promised {
            return Err(SealError::Short { promised: self.promised, given: self.given });
        }
        if !self.pending.is_empty() || self.promised == 0 {
            self.key.seal_blocks(self.padding, &self.pending, out)?;
            self.pending.clear();
        }
        Ok(())
    }

    fn digest(&self) -> Option<Digest> {
        self.digest.clone().map(Digest::from)
    }
}

/// A block after the private operation and both unpaddings. The blocks before it decide which of the two counts.
pub struct Opened(Result<Both, Unopened>);

/// Why a block has no result.
#[derive(Clone, Copy)]
enum Unopened {
    /// c >= n, which every observer of the connection can see.
    NotBelow,
    /// The operation failed, for this block or for one that was decrypted together with it.
    Machine(BatchError),
}

/// Decrypts and unpads each complete block of `blocks`. This is all of a block's costly work, and several threads may
/// call it at once. Every block costs the same, valid or not. Paddings outside `paddings` are not evaluated.
#[must_use]
pub fn open_blocks(identity: &Identity, paddings: Paddings, blocks: &[u8]) -> Vec<Opened> {
    let count = blocks.len() / identity.modulus_bytes();
    let unpad = |em| Opened(Ok(Both::of(em, paddings)));
    match identity.batch().decrypt(blocks) {
        Ok(raw) => raw.into_iter().map(|em| em.map_or(Opened(Err(Unopened::NotBelow)), unpad)).collect(),
        Err(why) => (0..count).map(|_| Opened(Err(Unopened::Machine(why)))).collect(),
    }
}

/// Converts blocks to plaintext. The first block determines the padding of all others.
///
/// Every block costs the same work, before and after an invalid one: one private operation and the allowed
/// unpaddings. Only `finish` reports an invalid block. From the first invalid block on, every block counts as full,
/// whatever it contains, so that the end of the body ([`counted`](Self::counted)) does not depend on what a later
/// block decrypts to.
pub(crate) struct BlockOpener {
    identity: Arc<Identity>,
    /// Paddings that may be evaluated.
    paddings: Paddings,
    /// Padding of the first block; `None` before it, and if it had none of `paddings`.
    locked: Option<Padding>,
    /// Whether a block was invalid. Revealed only by `finish`.
    wrong: Choice,
    /// Whether an examination for PKCS #1 v1.5 failed, and the budget has not been charged for it.
    missed: bool,
    /// Whether a block could not be decrypted. Revealed only by `finish`.
    failed: Option<BatchError>,
    /// Length of all complete blocks so far, in bytes.
    seen: u64,
    /// Plaintext length for the end of the body: that of valid blocks, and full blocks from the first invalid one on.
    counted: u64,
    /// An incomplete block; shorter than `k`.
    pending: Vec<u8>,
    last_was_short: bool,
    last_was_empty: bool,
    digest: Option<sha2::Sha256>,
}

impl BlockOpener {
    /// Creates an opener for one file that may have these paddings.
    #[must_use]
    pub(crate) fn new(identity: Arc<Identity>, paddings: Paddings, digest: FileDigest) -> Self {
        let pending = Vec::with_capacity(identity.modulus_bytes());
        Self {
            identity,
            paddings,
            locked: None,
            wrong: Choice::from(0),
            missed: false,
            failed: None,
            seen: 0,
            counted: 0,
            pending,
            last_was_short: false,
            last_was_empty: false,
            digest: digest.begin(),
        }
    }

    /// Returns the paddings that are evaluated.
    #[must_use]
    pub(crate) const fn paddings(&self) -> Paddings {
        self.paddings
    }

    /// Returns the maximum plaintext length of the next block.
    #[must_use]
    pub(crate) fn block_max(&self) -> usize {
        let k = self.identity.modulus_bytes();
        match self.locked {
            Some(padding) => padding::message_max(k, padding),
            None => self.paddings.message_max(k),
        }
    }

    /// Returns the plaintext length so far, for the end of the body. The first invalid block and every block after it
    /// count as full.
    #[must_use]
    pub(crate) const fn counted(&self) -> u64 {
        self.counted
    }

    /// Returns whether the blocks have fewer than one byte in [`EMPTY_BLOCKS`]: each costs a private-key operation, and a
    /// body of empty blocks need not end.
    #[must_use]
    pub(crate) fn is_mostly_empty(&self) -> bool {
        let blocks = self.seen / self.identity.modulus_bytes() as u64;
        blocks > self.counted.saturating_add(1).saturating_mul(EMPTY_BLOCKS)
    }

    /// Returns whether the last block was not full, which ends a file in framing E. An invalid block counts as full.
    #[must_use]
    pub(crate) const fn last_block_was_short(&self) -> bool {
        self.last_was_short
    }

    /// Returns whether the last block was valid and empty.
    #[must_use]
    pub(crate) const fn last_block_was_empty(&self) -> bool {
        self.last_was_empty
    }

    /// Returns, once, whether a block was examined for PKCS #1 v1.5 and did not conform, which is what an attacker
    /// asks a padding oracle. Only the first such block of a file has an effect, so there is at most one.
    pub(crate) const fn take_miss(&mut self) -> bool {
        std::mem::replace(&mut self.missed, false)
    }

    /// Appends the content of the next block.
    pub(crate) fn absorb(&mut self, block: Opened, out: &mut Vec<u8>) {
        let first = self.seen == 0;
        self.seen = self.seen.saturating_add(self.identity.modulus_bytes() as u64);
        if bool::from(self.wrong) {
            return self.count_as_full();
        }
        let both = match block.0 {
            Ok(both) => both,
            Err(why) => {
                self.wrong = Choice::from(1);
                if let Unopened::Machine(why) = why {
                    self.failed = Some(why);
                }
                return self.count_as_full();
            }
        };
        let (padding, unpadded) = if first {
            let oaep = bool::from(both.oaep.valid);
            (if oaep { Padding::Oaep } else { Padding::Pkcs1v15 }, both.either())
        } else {
            // Without a locked padding the first block was invalid, and this line is not reached.
            let padding = self.locked.unwrap_or(Padding::Oaep);
            (padding, both.only(padding))
        };
        if !bool::from(unpadded.valid) {
            self.wrong = Choice::from(1);
            self.missed = padding == Padding::Pkcs1v15 && self.paddings.contains(Padding::Pkcs1v15);
            return self.count_as_full();
        }
        self.locked = Some(padding);
        let max = ServerKey::block_max(self.identity.modulus_bytes(), padding);
        self.last_was_short = unpadded.message().len() < max;
        self.last_was_empty = unpadded.message().is_empty();
        self.counted = self.counted.saturating_add(unpadded.message().len() as u64);
        out.extend_from_slice(unpadded.message());
        digest_more(&mut self.digest, unpadded.message());
    }

    /// Counts an invalid block, or one after it.
    fn count_as_full(&mut self) {
        self.counted = self.counted.saturating_add(self.block_max() as u64);
        self.last_was_short = false;
        self.last_was_empty = false;
    }
}

impl Open for BlockOpener {
    fn open(&mut self, mut body: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError> {
        let k = self.identity.modulus_bytes();
        if !self.pending.is_empty() {
            let (head, rest) = body.split_at(body.len().min(k - self.pending.len()));
            self.pending.extend_from_slice(head);
            body = rest;
            if self.pending.len() < k {
                return Ok(());
            }
            for block in open_blocks(&self.identity, self.paddings, &self.pending) {
                self.absorb(block, out);
            }
            self.pending.clear();
        }
        let (whole, rest) = body.split_at(body.len() / k * k);
        for blocks in whole.chunks(k * BATCH_BLOCKS) {
            for block in open_blocks(&self.identity, self.paddings, blocks) {
                self.absorb(block, out);
            }
        }
        self.pending.extend_from_slice(rest);
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<(), OpenError> {
        if !self.pending.is_empty() {
            // Visible to every observer. Reported first, so that it does not depend on a secret.
            let got = self.seen.saturating_add(self.pending.len() as u64);
            return Err(OpenError::NotBlocks { got, block: self.identity.modulus_bytes() });
        }
        if let Some(why) = self.failed {
            return Err(why.into());
        }
        if self.wrong.into() { Err(OpenError::Rejected) } else { Ok(()) }
    }

    fn digest(&self) -> Option<Digest> {
        self.digest.clone().map(Digest::from)
    }
}

/// Whether a body without a hello looks like CP1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guess {
    /// Its blocks have a padding.
    Sealed,
    /// No padding was found.
    Clear {
        /// Whether PKCS #1 v1.5 was examined ([`BlockOpener::take_miss`]).
        missed: bool,
    },
}

/// Guesses whether these blocks are CP1. CP1 and AP cannot be distinguished with certainty.
///
/// Up to four complete blocks are examined. They are CP1 if one of them has OAEP's padding, which other bytes do not
/// have by chance, so a body with a damaged block is still recognised, and then refused; or if all have the padding
/// of PKCS #1 v1.5, which one random block in about 2^17 has. Only paddings in `paddings` are examined. If this
/// machine fails, the blocks are taken for CP1, so that the body is refused rather than stored as AP.
#[must_use]
pub(crate) fn guess(identity: &Identity, paddings: Paddings, blocks: &[u8]) -> Guess {
    let (mut oaep, mut pkcs1v15) = (Choice::from(0), Choice::from(1));
    let some = blocks.len().min(TELLING_BLOCKS * identity.modulus_bytes());
    let opened = open_blocks(identity, paddings, &blocks[..some]);
    for block in &opened {
        match &block.0 {
            Ok(both) => {
                oaep |= both.oaep.valid;
                pkcs1v15 &= both.pkcs1v15.valid;
            }
            Err(Unopened::NotBelow) => pkcs1v15 = Choice::from(0),
            Err(Unopened::Machine(_)) => return Guess::Sealed,
        }
    }
    if !opened.is_empty() && bool::from(oaep | pkcs1v15) {
        Guess::Sealed
    } else {
        Guess::Clear { missed: !opened.is_empty() && paddings.contains(Padding::Pkcs1v15) }
    }
}

#[cfg(test)]
mod tests;
