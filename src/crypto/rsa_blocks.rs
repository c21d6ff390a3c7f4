//! CP1: a file as RSA blocks; and the server's public key.
//!
//! ```text
//! plaintext   │ ≤ max │ ≤ max │ … │        max = k − 66 (OAEP) or k − 11 (PKCS1v15)
//!                 ▼       ▼
//! body        │   k   │   k   │ … │        k = bytes of the modulus
//! ```
//!
//! The framings A to F around the blocks are not known here.

use std::fmt;
use std::sync::Arc;

use getrandom::SysRng;
use rsa::hazmat::rsa_decrypt_and_check;
use rsa::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use rsa::sha2::Sha256;
use rsa::traits::{PaddingScheme as _, PublicKeyParts as _};
use rsa::{BoxedUint, Oaep, Pkcs1v15Encrypt, RsaPrivateKey, RsaPublicKey};
use subtle::Choice;
use zeroize::Zeroizing;

use super::fernet::SessionKey;
use super::identity::Identity;
use super::padding::{self, Both};
use super::{Open, OpenError, Seal, SealError, digest_more};
use crate::digest::{Digest, FileDigest};
use crate::event::{KeyForm, Padding};

/// How many blocks decide between AP and CP1 (PROTOCOL.md, "CP1").
const TELLING_BLOCKS: usize = 4;

/// The public key of a server's certificate: 1024 to 8192 bits.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerKey(RsaPublicKey);

impl ServerKey {
    /// From a DER `SubjectPublicKeyInfo`; `None` if it is no RSA key of 1024 to 8192 bits.
    #[must_use]
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        RsaPublicKey::from_public_key_der(der).ok().map(Self)
    }

    pub(super) const fn new(key: RsaPublicKey) -> Self {
        Self(key)
    }

    pub(crate) const fn as_rsa(&self) -> &RsaPublicKey {
        &self.0
    }

    /// `k`: bytes of the modulus, of every block and of every signature.
    #[must_use]
    pub fn modulus_bytes(&self) -> usize {
        self.0.size()
    }

    /// Bits of the modulus.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.0.n().bits() as usize
    }

    /// SHA-256 of the `SubjectPublicKeyInfo`: what a pin names.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "it does not")]
    pub fn fingerprint(&self) -> Digest {
        #[expect(clippy::expect_used, reason = "encoding two integers fails only beyond DER's 256 MiB")]
        let der = self.0.to_public_key_der().expect("at most 8192 bits");
        Digest::of(der.as_bytes())
    }

    /// Most plaintext bytes of one block of `k` bytes: OAEP k − 66, PKCS #1 v1.5 k − 11.
    #[must_use]
    pub const fn block_max(k: usize, padding: Padding) -> usize {
        padding::message_max(k, padding)
    }

    /// The M2 of MODE 4: the key's 44 characters, or its 32 bytes, encrypted.
    pub fn wrap_session_key(
        &self,
        key: &SessionKey,
        form: KeyForm,
        padding: Padding,
    ) -> Result<Vec<u8>, SealError> {
        match form {
            KeyForm::Fernet => self.encrypt(padding, key.to_base64url().as_bytes()),
            KeyForm::Raw => self.encrypt(padding, key.as_raw()),
        }
    }

    /// One block. The public operation's one place.
    pub(super) fn encrypt(&self, padding: Padding, message: &[u8]) -> Result<Vec<u8>, SealError> {
        match padding {
            Padding::Oaep => Oaep::<Sha256>::new().encrypt(&mut SysRng, &self.0, message),
            Padding::Pkcs1v15 => Pkcs1v15Encrypt.encrypt(&mut SysRng, &self.0, message),
        }
        .map_err(|why| SealError::Rsa { why: why.to_string() })
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerKey({} bits, {})", self.bits(), self.fingerprint())
    }
}

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
                out.extend_from_slice(&self.key.encrypt(self.padding, &self.pending)?);
                self.pending.clear();
            }
        }
        let mut full = plain.chunks_exact(self.max);
        for piece in &mut full {
            out.extend_from_slice(&self.key.encrypt(self.padding, piece)?);
        }
        self.pending.extend_from_slice(full.remainder());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), SealError> {
        if self.given != self.promised {
            return Err(SealError::Short { promised: self.promised, given: self.given });
        }
        if !self.pending.is_empty() || self.promised == 0 {
            out.extend_from_slice(&self.key.encrypt(self.padding, &self.pending)?);
            self.pending.clear();
        }
        Ok(())
    }

    fn digest(&self) -> Option<Digest> {
        self.digest.clone().map(Digest::from)
    }
}

/// Blocks → plaintext, with the padding told on the first block and then locked.
///
/// Every block costs the same work, right or wrong, before a wrong one and after it: one private
/// operation and both unpaddings. What is wrong is said once, by `finish`.
pub struct BlockOpener {
    identity: Arc<Identity>,
    /// What the first block had; `None` before it, and for good if it had neither.
    locked: Option<Padding>,
    /// Whether a block was wrong. Nobody is told before `finish`.
    wrong: Choice,
    /// Bytes of the body so far.
    seen: u64,
    /// A block that is not whole yet; shorter than `k`.
    pending: Vec<u8>,
    last_was_short: bool,
    digest: Option<sha2::Sha256>,
}

impl BlockOpener {
    /// For one file.
    #[must_use]
    pub fn new(identity: Arc<Identity>, digest: FileDigest) -> Self {
        let pending = Vec::with_capacity(identity.modulus_bytes());
        Self {
            identity,
            locked: None,
            wrong: Choice::from(0),
            seen: 0,
            pending,
            last_was_short: false,
            digest: digest.begin(),
        }
    }

    /// The padding of this file; `None` before the first block, and if that had neither.
    #[must_use]
    pub const fn locked_padding(&self) -> Option<Padding> {
        self.locked
    }

    /// Whether the last block held fewer bytes than a block can: the end of a file in framing E. A
    /// wrong block holds none.
    #[must_use]
    pub const fn last_block_was_short(&self) -> bool {
        self.last_was_short
    }

    fn block(&mut self, block: &[u8], first: bool, out: &mut Vec<u8>) {
        let Some(em) = self.identity.decrypt_raw(block) else {
            // c >= n, which everybody on the wire can see, or the system gave no randomness.
            self.wrong = Choice::from(1);
            self.last_was_short = true;
            return;
        };
        let both = Both::of(em);
        let (padding, unpadded) = if first {
            let oaep = bool::from(both.oaep.valid);
            (if oaep { Padding::Oaep } else { Padding::Pkcs1v15 }, both.either())
        } else {
            // A first block with neither has already decided: whatever follows is wrong.
            let padding = self.locked.unwrap_or(Padding::Oaep);
            (padding, both.only(padding))
        };
        self.wrong |= !unpadded.valid;
        if first && bool::from(unpadded.valid) {
            self.locked = Some(padding);
        }
        let max = ServerKey::block_max(self.identity.modulus_bytes(), padding);
        self.last_was_short = unpadded.message().len() < max;
        out.extend_from_slice(unpadded.message());
    }
}

impl Open for BlockOpener {
    fn open(&mut self, mut body: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError> {
        let k = self.identity.modulus_bytes();
        let before = out.len();
        let mut first = self.seen < k as u64;
        self.seen = self.seen.saturating_add(body.len() as u64);
        if !self.pending.is_empty() {
            let (head, rest) = body.split_at(body.len().min(k - self.pending.len()));
            self.pending.extend_from_slice(head);
            body = rest;
            if self.pending.len() < k {
                return Ok(());
            }
            let block = std::mem::take(&mut self.pending);
            self.block(&block, std::mem::take(&mut first), out);
            self.pending = block;
            self.pending.clear();
        }
        let mut whole = body.chunks_exact(k);
        for block in &mut whole {
            self.block(block, std::mem::take(&mut first), out);
        }
        self.pending.extend_from_slice(whole.remainder());
        digest_more(&mut self.digest, &out[before..]);
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<(), OpenError> {
        if !self.pending.is_empty() {
            // Seen by everybody; said first, so that it does not depend on a secret.
            return Err(OpenError::NotBlocks { got: self.seen, block: self.identity.modulus_bytes() });
        }
        if self.wrong.into() { Err(OpenError::Rejected) } else { Ok(()) }
    }

    fn digest(&self) -> Option<Digest> {
        self.digest.clone().map(Digest::from)
    }
}

/// Could these blocks be CP1? (PROTOCOL.md, "AP and CP1 cannot be told apart with certainty").
///
/// Of the first four, or all if there are fewer: one with OAEP's padding, which no other bytes have
/// by chance, so that a body with a damaged block among them is still told, and then refused; or all
/// with PKCS1v15's, which one block in about 2^17 has. What is not whole is not looked at.
#[must_use]
pub fn looks_sealed(identity: &Identity, blocks: &[u8]) -> bool {
    let (mut oaep, mut pkcs1v15) = (Choice::from(0), Choice::from(1));
    let mut any = false;
    for block in blocks.chunks_exact(identity.modulus_bytes()).take(TELLING_BLOCKS) {
        any = true;
        if let Some(em) = identity.decrypt_raw(block) {
            let both = Both::of(em);
            oaep |= both.oaep.valid;
            pkcs1v15 &= both.pkcs1v15.valid;
        } else {
            pkcs1v15 = Choice::from(0);
        }
    }
    any && bool::from(oaep | pkcs1v15)
}

/// `EM` of one block: the private operation's one place, blinded, and checked against faults.
///
/// `None` if the block is not `k` bytes, or c >= n ("decryption error", RFC 8017, 5.1.2), or the system
/// gave no randomness.
pub(super) fn private_operation(key: &RsaPrivateKey, block: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let k = key.size();
    if block.len() != k {
        return None;
    }
    let c = BoxedUint::from_be_slice(block, key.n_bits_precision()).ok()?;
    let m = Zeroizing::new(rsa_decrypt_and_check(key, Some(&mut SysRng), &c).ok()?);
    let bytes = Zeroizing::new(m.to_be_bytes());
    // The precision is whole limbs and so may be more than k bytes; m < n, so what is cut is zero.
    Some(Zeroizing::new(bytes[bytes.len().checked_sub(k)?..].to_vec()))
}

#[cfg(test)]
mod tests;
