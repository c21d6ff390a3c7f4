//! CP1: a file as RSA blocks.
//!
//! ```text
//! plaintext   │ ≤ max │ ≤ max │ … │        max = k − 66 (OAEP) or k − 11 (PKCS1v15)
//!                 ▼       ▼
//! body        │   k   │   k   │ … │        k = bytes of the modulus
//! ```
//!
//! The framings A to F around the blocks are not known here.
//!
//! The work is in two functions without state, which several threads may call for successive parts of one
//! file: [`ServerKey::seal_blocks`] and [`open_blocks`]. What depends on the order of the blocks is cheap:
//! [`BlockOpener::absorb`]. [`BlockSealer`] and [`BlockOpener`] are both together, for one thread.

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

/// How many blocks decide between AP and CP1 (PROTOCOL.md, "CP1").
const TELLING_BLOCKS: usize = 4;

/// Plaintext → blocks. Every block is full but the last; an empty file is one block with nothing in it.
pub struct BlockSealer {
    key: ServerKey,
    padding: Padding,
    /// Plaintext bytes of a full block.
    max: usize,
    promised: u64,
    /// 0 <= `given` <= `promised`.
    given: u64,
    /// Plaintext of the block that is not full yet; shorter than `max`.
    pending: Zeroizing<Vec<u8>>,
    digest: Option<sha2::Sha256>,
}

impl BlockSealer {
    /// For a file of exactly `plain_len` bytes.
    #[must_use]
    pub fn new(key: ServerKey, padding: Padding, plain_len: u64, digest: FileDigest) -> Self {
        let max = ServerKey::block_max(key.modulus_bytes(), padding);
        let pending = Zeroizing::new(Vec::with_capacity(max));
        Self { key, padding, max, promised: plain_len, given: 0, pending, digest: digest.begin() }
    }

    /// Length of the body; `None` beyond 2^64.
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

/// A block after the private operation and both unpaddings; which of them counts is said by the blocks
/// before it.
pub struct Opened(Result<Both, Unopened>);

/// Why there is nothing to unpad.
#[derive(Clone, Copy)]
enum Unopened {
    /// c >= n, which everybody on the wire can see.
    NotBelow,
    /// Of this block, or of one that went through the engine with it.
    Machine(BatchError),
}

/// All of a block's costly work, for each whole one of `blocks`; several threads may call it at once. Every
/// block costs the same, right or wrong. Paddings that are not in `paddings` are not evaluated.
#[must_use]
pub fn open_blocks(identity: &Identity, paddings: Paddings, blocks: &[u8]) -> Vec<Opened> {
    let count = blocks.len() / identity.modulus_bytes();
    let unpad = |em| Opened(Ok(Both::of(em, paddings)));
    match identity.batch().decrypt(blocks) {
        Ok(raw) => raw.into_iter().map(|em| em.map_or(Opened(Err(Unopened::NotBelow)), unpad)).collect(),
        Err(why) => (0..count).map(|_| Opened(Err(Unopened::Machine(why)))).collect(),
    }
}

/// Blocks → plaintext, with the padding told on the first block and then locked.
///
/// Every block costs the same work, right or wrong, before a wrong one and after it: one private
/// operation and the unpaddings that are allowed. What is wrong is said once, by `finish`. From the first
/// wrong block on each counts as a full one, whatever it holds, so that where the body ends
/// ([`counted`](Self::counted)) does not depend on what a later block decrypts to.
pub struct BlockOpener {
    identity: Arc<Identity>,
    /// What may be evaluated.
    paddings: Paddings,
    /// What the first block had; `None` before it, and for good if it had none of `paddings`.
    locked: Option<Padding>,
    /// Whether a block was wrong. Not shown before `finish`.
    wrong: Choice,
    /// Whether it was found wrong by looking for PKCS #1 v1.5, and the budget has not been charged for it.
    missed: bool,
    /// Whether a block could not be opened at all; likewise.
    failed: Option<BatchError>,
    /// Bytes of the whole blocks so far.
    seen: u64,
    /// Plaintext bytes for the end of the body: those of right blocks, and full ones from the first wrong block on.
    counted: u64,
    /// A block that is not whole yet; shorter than `k`.
    pending: Vec<u8>,
    last_was_short: bool,
    last_was_empty: bool,
    digest: Option<sha2::Sha256>,
}

impl BlockOpener {
    /// For one file, of which these paddings are tried.
    #[must_use]
    pub fn new(identity: Arc<Identity>, paddings: Paddings, digest: FileDigest) -> Self {
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

    /// The paddings that are evaluated.
    #[must_use]
    pub const fn paddings(&self) -> Paddings {
        self.paddings
    }

    /// The padding of this file; `None` before the first block, and if that had none of the accepted ones.
    #[must_use]
    pub const fn locked_padding(&self) -> Option<Padding> {
        self.locked
    }

    /// Most bytes that the next block can hold.
    #[must_use]
    pub fn block_max(&self) -> usize {
        let k = self.identity.modulus_bytes();
        match self.locked {
            Some(padding) => padding::message_max(k, padding),
            None => self.paddings.message_max(k),
        }
    }

    /// Plaintext bytes so far, for the end of the body: a wrong block counts as a full one, and so does every
    /// block behind it.
    #[must_use]
    pub const fn counted(&self) -> u64 {
        self.counted
    }

    /// Whether the last block held fewer bytes than a block can: the end of a file in framing E. A wrong block
    /// counts as a full one.
    #[must_use]
    pub const fn last_block_was_short(&self) -> bool {
        self.last_was_short
    }

    /// Whether the last block is right and holds nothing. A wrong one is not known to hold nothing.
    #[must_use]
    pub const fn last_block_was_empty(&self) -> bool {
        self.last_was_empty
    }

    /// Returns, once, whether a block was looked at for PKCS #1 v1.5 and did not conform: what an attacker asks
    /// a padding oracle. Only the first such block of a file has any effect, so there is one at the most.
    pub const fn take_miss(&mut self) -> bool {
        std::mem::replace(&mut self.missed, false)
    }

    /// Appends what the next block holds.
    pub fn absorb(&mut self, block: Opened, out: &mut Vec<u8>) {
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
            // Without a locked padding the first block was wrong, and this is not reached.
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

    /// A block that does not count for what it holds.
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
            // Seen by everybody; said first, so that it does not depend on a secret.
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

/// What a body without a hello looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess {
    /// CP1: its blocks have a padding.
    Sealed,
    /// No padding was found.
    Clear {
        /// Whether PKCS #1 v1.5 was among those that were looked for ([`BlockOpener::take_miss`]).
        missed: bool,
    },
}

/// Could these blocks be CP1? AP and CP1 cannot be told apart with certainty.
///
/// Of the first four, or all if there are fewer: one with OAEP's padding, which no other bytes have
/// by chance, so that a body with a damaged block among them is still told, and then refused; or all
/// with PKCS #1 v1.5's, which one block in about 2^17 has. Neither is looked for unless it is in `paddings`. What
/// is not whole is not looked at. If this machine fails it is taken for CP1, to be refused rather than stored as AP.
#[must_use]
pub fn guess(identity: &Identity, paddings: Paddings, blocks: &[u8]) -> Guess {
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
