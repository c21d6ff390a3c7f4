//! OAEP and PKCS #1 v1.5: padding, and strict unpadding in constant time.
//!
//! `pad` fills many blocks with one request for random bytes. Unpadding takes the raw result of the private
//! operation, `EM`, and returns whether the padding is valid, and the length of the message, which is at the end.
//! Nothing here branches or indexes on either (RFC 8017, sections 7.1.2 and 7.2.2, and their warnings).

pub(crate) mod probe;

use rsa::sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::event::Padding;

/// Length of a SHA-256 hash in bytes.
const HASH_LEN: usize = 32;

/// OAEP: 0x00, the seed, the label's hash, and 0x01.
const OAEP_OVERHEAD: usize = 2 * HASH_LEN + 2;

/// PKCS #1 v1.5: 0x00, 0x02, eight or more non-zero bytes, and 0x00.
const PKCS1V15_OVERHEAD: usize = 11;

/// SHA-256 of the empty label.
const EMPTY_LABEL: [u8; HASH_LEN] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// Returns the maximum message length in a block of `k` bytes: OAEP k − 66, PKCS #1 v1.5 k − 11.
pub(super) const fn message_max(k: usize, padding: Padding) -> usize {
    k.saturating_sub(match padding {
        Padding::Oaep => OAEP_OVERHEAD,
        Padding::Pkcs1v15 => PKCS1V15_OVERHEAD,
    })
}

/// Appends one block of `k` bytes for each message: OAEP with SHA-256, MGF1-SHA-256 and no label (RFC 8017, 7.1.1,
/// step 2), or PKCS #1 v1.5 (7.2.1, step 2). No message may be longer than [`message_max`].
///
/// Fails if the system gives no randomness.
pub(super) fn pad<'a>(
    padding: Padding,
    k: usize,
    messages: impl ExactSizeIterator<Item = &'a [u8]>,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), getrandom::Error> {
    let each = match padding {
        Padding::Oaep => HASH_LEN,
        Padding::Pkcs1v15 => k,
    };
    let mut random = Zeroizing::new(vec![0; messages.len() * each]);
    getrandom::fill(&mut random)?;
    for (message, random) in messages.zip(random.chunks_exact(each)) {
        let start = out.len();
        out.resize(start + k, 0);
        let em = &mut out[start..];
        let (head, end) = em.split_at_mut(k - message.len());
        end.copy_from_slice(message);
        match padding {
            Padding::Oaep => {
                head[1..=HASH_LEN].copy_from_slice(random);
                head[1 + HASH_LEN..=2 * HASH_LEN].copy_from_slice(&EMPTY_LABEL);
                head[k - message.len() - 1] = 1;
                let (seed, db) = em[1..].split_at_mut(HASH_LEN);
                mask(db, seed);
                mask(seed, db);
            }
            Padding::Pkcs1v15 => {
                head[1] = 2;
                let filling = 2..k - message.len() - 1;
                head[filling.clone()].copy_from_slice(&random[filling.clone()]);
                replace_zeros(&mut head[filling])?;
            }
        }
    }
    Ok(())
}

/// Replaces each zero by another random byte, because the filling must not contain zeros.
fn replace_zeros(filling: &mut [u8]) -> Result<(), getrandom::Error> {
    for byte in filling {
        while *byte == 0 {
            getrandom::fill(std::slice::from_mut(byte))?;
        }
    }
    Ok(())
}

/// The paddings that may be evaluated. A padding outside the set is never examined, so nothing that the program does
/// afterwards can depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paddings {
    oaep: bool,
    pkcs1v15: bool,
}

impl Paddings {
    /// OAEP first, PKCS #1 v1.5 if OAEP fails.
    pub const EITHER: Self = Self { oaep: true, pkcs1v15: true };
    /// OAEP only.
    pub const OAEP: Self = Self { oaep: true, pkcs1v15: false };
    /// PKCS #1 v1.5 only.
    pub const PKCS1V15: Self = Self { oaep: false, pkcs1v15: true };

    /// Returns whether the set contains this padding.
    #[must_use]
    pub const fn contains(self, padding: Padding) -> bool {
        match padding {
            Padding::Oaep => self.oaep,
            Padding::Pkcs1v15 => self.pkcs1v15,
        }
    }

    /// Returns the set without PKCS #1 v1.5.
    #[must_use]
    pub const fn without_pkcs1v15(self) -> Self {
        Self { oaep: self.oaep, pkcs1v15: false }
    }

    /// Returns the intersection of the set with this padding.
    #[must_use]
    pub const fn only(self, padding: Padding) -> Self {
        match padding {
            Padding::Oaep => Self { oaep: self.oaep, pkcs1v15: false },
            Padding::Pkcs1v15 => Self { oaep: false, pkcs1v15: self.pkcs1v15 },
        }
    }

    /// Returns whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        !self.oaep && !self.pkcs1v15
    }

    /// Returns the maximum message length in a block of `k` bytes with any of the paddings.
    pub(super) const fn message_max(self, k: usize) -> usize {
        // PKCS #1 v1.5 leaves more room.
        message_max(k, if self.pkcs1v15 { Padding::Pkcs1v15 } else { Padding::Oaep })
    }
}

impl FromIterator<Padding> for Paddings {
    fn from_iter<I: IntoIterator<Item = Padding>>(paddings: I) -> Self {
        paddings.into_iter().fold(Self { oaep: false, pkcs1v15: false }, |set, padding| Self {
            oaep: set.oaep || padding == Padding::Oaep,
            pkcs1v15: set.pkcs1v15 || padding == Padding::Pkcs1v15,
        })
    }
}

/// A block without its padding.
pub(super) struct Unpadded {
    /// Whether the padding is valid.
    pub valid: Choice,
    /// Length in bytes of the message at the end of `block`; 0 unless valid.
    pub len: u32,
    /// The `k` bytes of the block.
    pub block: Zeroizing<Vec<u8>>,
}

impl Unpadded {
    /// Returns the message. This reveals its length.
    pub(super) fn message(&self) -> &[u8] {
        &self.block[self.block.len() - self.len as usize..]
    }

    /// Returns a block whose padding is not evaluated.
    fn unseen(k: usize) -> Self {
        Self { valid: Choice::from(0), len: 0, block: Zeroizing::new(vec![0; k]) }
    }

    /// Returns `other` if `choice` is set, else `self`, in constant time. Both have the same length.
    fn or(mut self, choice: Choice, other: &Self) -> Self {
        self.valid.conditional_assign(&other.valid, choice);
        self.len.conditional_assign(&other.len, choice);
        for (mine, theirs) in self.block.iter_mut().zip(other.block.iter()) {
            mine.conditional_assign(theirs, choice);
        }
        self
    }
}

/// Both paddings of one block, as far as they were evaluated.
pub(super) struct Both {
    pub oaep: Unpadded,
    pub pkcs1v15: Unpadded,
}

impl Both {
    /// Evaluates these paddings of `EM`. The others are invalid, whatever `EM` contains.
    pub(super) fn of(em: Zeroizing<Vec<u8>>, paddings: Paddings) -> Self {
        let k = em.len();
        match (paddings.oaep, paddings.pkcs1v15) {
            (true, true) => Self { oaep: oaep(em.clone()), pkcs1v15: pkcs1v15(em) },
            (true, false) => Self { oaep: oaep(em), pkcs1v15: Unpadded::unseen(k) },
            (false, true) => Self { oaep: Unpadded::unseen(k), pkcs1v15: pkcs1v15(em) },
            (false, false) => Self { oaep: Unpadded::unseen(k), pkcs1v15: Unpadded::unseen(k) },
        }
    }

    /// Returns OAEP's result if it is valid, otherwise that of PKCS #1 v1.5.
    pub(super) fn either(self) -> Unpadded {
        let other = !self.oaep.valid;
        self.oaep.or(other, &self.pkcs1v15)
    }

    /// Returns the result of one padding.
    pub(super) fn only(self, padding: Padding) -> Unpadded {
        match padding {
            Padding::Oaep => self.oaep,
            Padding::Pkcs1v15 => self.pkcs1v15,
        }
    }
}

/// Removes EME-OAEP with SHA-256, MGF1-SHA-256 and no label (RFC 8017, 7.1.2, step 3).
///
/// ```text
/// EM = 00 ‖ seed ⊕ MGF(DB) ‖ DB ⊕ MGF(seed)      DB = hash of the label ‖ 00… ‖ 01 ‖ message
/// ```
fn oaep(mut em: Zeroizing<Vec<u8>>) -> Unpadded {
    if em.len() < OAEP_OVERHEAD {
        return Unpadded { valid: Choice::from(0), len: 0, block: em };
    }
    let mut valid = em[0].ct_eq(&0);
    let (seed, db) = em[1..].split_at_mut(HASH_LEN);
    mask(seed, db);
    mask(db, seed);
    valid &= db[..HASH_LEN].ct_eq(&EMPTY_LABEL);

    let mut searching = Choice::from(1);
    let mut len = 0_u32;
    for (behind, byte) in countdown(&db[HASH_LEN..]) {
        let one = byte.ct_eq(&1);
        len.conditional_assign(&behind, searching & one);
        valid &= byte.ct_eq(&0) | one | !searching;
        searching &= !one;
    }
    valid &= !searching;
    len.conditional_assign(&0, !valid);
    Unpadded { valid, len, block: em }
}

/// Computes `target` ⊕ MGF1-SHA-256(`source`) in place (RFC 8017, B.2.1).
pub(super) fn mask(target: &mut [u8], source: &[u8]) {
    for (counter, piece) in (0_u32..).zip(target.chunks_mut(HASH_LEN)) {
        let mask = Sha256::new().chain_update(source).chain_update(counter.to_be_bytes()).finalize();
        for (byte, mask) in piece.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
}

/// Removes EME-PKCS1-v1_5 (RFC 8017, 7.2.2, step 3): `EM = 00 ‖ 02 ‖ eight or more non-zero ‖ 00 ‖ message`.
fn pkcs1v15(em: Zeroizing<Vec<u8>>) -> Unpadded {
    /// First position where the separator may be.
    const FIRST: usize = PKCS1V15_OVERHEAD - 1;
    if em.len() < PKCS1V15_OVERHEAD {
        return Unpadded { valid: Choice::from(0), len: 0, block: em };
    }
    let mut valid = em[0].ct_eq(&0) & em[1].ct_eq(&2);
    for byte in &em[2..FIRST] {
        valid &= !byte.ct_eq(&0);
    }
    let mut searching = Choice::from(1);
    let mut len = 0_u32;
    for (behind, byte) in countdown(&em[FIRST..]) {
        let zero = byte.ct_eq(&0);
        len.conditional_assign(&behind, searching & zero);
        searching &= !zero;
    }
    valid &= !searching;
    len.conditional_assign(&0, !valid);
    Unpadded { valid, len, block: em }
}

/// Returns every byte with the number of bytes after it.
fn countdown(bytes: &[u8]) -> impl Iterator<Item = (u32, &u8)> {
    // A block has at most 1024 bytes, because keys have at most 8192 bits.
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    (0..len).rev().zip(bytes)
}

#[cfg(test)]
mod tests;
