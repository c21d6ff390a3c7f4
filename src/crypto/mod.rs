//! The cryptography: plaintext ⇄ the body of one MODE 1, and who answers.
//!
//! ```text
//!                     client                                     server
//!
//!   AP   challenge::verify ◀──── signature, certificate ──── Identity::sign
//!        trust::Anchor::check ─▶ ServerKey
//!   CP1  BlockSealer ─────────── k-byte RSA blocks ────────▶ BlockOpener
//!   CP2  ServerKey::wrap_session_key ───── MODE 4 ─────────▶ Identity::unwrap_session_key
//!        TokenSealer ─────────── one Fernet token ─────────▶ TokenOpener
//!   Plain, AP
//!        Clear ───────────────── the bytes themselves ─────▶ Clear
//! ```
//!
//! In reading order: [`identity`] (a server's key and certificate), [`authority`] (issues them) and
//! [`request`] (asks another's CA for one, or answers),
//! [`challenge`] (AP), [`receipt`] (proof of delivery), [`rsa_blocks`] (CP1), [`fernet`] (CP2); below them [`rsa_batch`] (many RSA
//! operations at once), [`padding`], `certificate`, `name`, `pss` and `session_key`.
//!
//! Everything streams: a [`Seal`] or an [`Open`] holds a few tens of KiB whatever the file's size, takes
//! input in pieces of any length, and appends to the caller's buffer. Nothing here knows a socket or a
//! clock; only [`identity`], [`receipt_key`], [`authority`] and [`request`] touch files.
//!
//! **Limits.** Decryption fails in one way, [`OpenError::Rejected`] (for the operator alone there is
//! [`OpenError::Machine`]), and only at [`Open::finish`], after
//! the whole body was consumed. What [`Open::open`] emitted before is *unverified*: it may be written
//! where nobody sees it, and must not be shown, named, hashed for show, or published until `finish` says
//! `Ok`. Every private operation of a server is [`rsa_batch`]'s, blinded and checked: for keys of 1024 and 2048 bits
//! written to take the same time whatever the secrets, for others the `rsa` crate's, which is said to be
//! constant-time (RUSTSEC-2023-0071 is open for it). A CA's signatures are the crate's. Unpadding and the choice between
//! paddings are ours and constant-time ([`padding`]).

pub mod authority;
pub mod certificate;
pub mod challenge;
pub mod fernet;
pub mod identity;
pub mod key_files;
mod name;
pub mod padding;
mod private_pem;
mod pss;
pub mod receipt;
pub mod receipt_key;
pub mod request;
pub mod rsa_batch;
pub mod rsa_blocks;
pub mod server_key;
mod session_key;

pub(crate) use name::{attributes, common_name_of, distinguished, same_name};

use sha2::{Digest as _, Sha256};

use crate::digest::{Digest, FileDigest};

/// Adds to a digest, if there is one.
fn digest_more(digest: &mut Option<Sha256>, plain: &[u8]) {
    if let Some(digest) = digest {
        digest.update(plain);
    }
}

/// Plaintext → the body of one MODE 1 (for CP1: its blocks one after another, without framing).
pub trait Seal: Send {
    /// Exact number of body bytes for the plaintext length that was given at creation.
    fn body_len(&self) -> u64;

    /// Appends to `out` what `plain` allows to be written; pieces of any length.
    fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), SealError>;

    /// Appends the rest; called once. An error if fewer bytes came than were promised at creation.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), SealError>;

    /// SHA-256 of all plaintext that was given so far; `None` if none was asked for.
    fn digest(&self) -> Option<Digest>;
}

/// The body of one MODE 1 → plaintext.
pub trait Open: Send {
    /// Appends plaintext to `out`; pieces of any length. It is unverified until [`Open::finish`].
    fn open(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError>;

    /// Appends what was held back, and says, once, whether all of it, now and before, is to be believed.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), OpenError>;

    /// SHA-256 of all plaintext that was emitted; `None` if none was asked for. **MUST** only be used after
    /// [`Open::finish`] said `Ok`. A body that goes on after that (CP1's may) has another after its next `finish`.
    fn digest(&self) -> Option<Digest>;
}

/// Why a body could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The file became shorter than it was when its length was sent.
    #[error("the file ended after {given} bytes, and {promised} were promised")]
    Short {
        /// Bytes promised at creation.
        promised: u64,
        /// Bytes that came.
        given: u64,
    },
    /// The file became longer.
    #[error("the file has more than the {promised} bytes that were promised")]
    Long {
        /// Bytes promised at creation.
        promised: u64,
    },
    /// No body of 2^64 bytes can be announced.
    #[error("{plain_len} bytes are too many for one body")]
    TooLong {
        /// Bytes of the file.
        plain_len: u64,
    },
    /// The system gave no randomness, or the `rsa` crate refused its key.
    #[error("RSA encryption failed: {why}")]
    Rsa {
        /// In the crate's words.
        why: String,
    },
}

/// Why a body is not accepted. All but the first two follow from lengths that anyone on the
/// wire sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It does not decrypt: the one opaque answer to every wrong key, padding, block, tag and alphabet.
    #[error("the content could not be decrypted")]
    Rejected,
    /// Whether it decrypts is not known, whatever was sent. The sender must not tell it from [`Self::Rejected`].
    #[error("this machine failed to decrypt the content: {0}")]
    Machine(#[from] rsa_batch::BatchError),
    /// The body ended too early.
    #[error("the body ended after {got} bytes, and {promised} were announced")]
    Short {
        /// Bytes announced.
        promised: u64,
        /// Bytes that came.
        got: u64,
    },
    /// The body did not end.
    #[error("the body has more than the {promised} bytes that were announced")]
    Long {
        /// Bytes announced.
        promised: u64,
    },
    /// No token has this length.
    #[error("no token is {body_len} bytes long")]
    NotAToken {
        /// Bytes announced.
        body_len: u64,
    },
    /// The body is not made of whole RSA blocks.
    #[error("{got} bytes are not a multiple of the block length, {block}")]
    NotBlocks {
        /// Bytes that came.
        got: u64,
        /// The key's modulus length in bytes.
        block: usize,
    },
}

/// Plain and AP: the body *is* the plaintext; only its length is held to the promise.
#[derive(Debug, Clone)]
pub struct Clear {
    promised: u64,
    /// 0 <= `seen` <= `promised`.
    seen: u64,
    digest: Option<Sha256>,
}

impl Clear {
    /// For a body of exactly `len` bytes.
    #[must_use]
    pub fn new(len: u64, digest: FileDigest) -> Self {
        Self { promised: len, seen: 0, digest: digest.begin() }
    }

    /// Counts and hashes a piece that goes on as it is; `None` if it goes beyond the promise.
    pub fn pass(&mut self, piece: &[u8]) -> Option<()> {
        let seen = self.seen.checked_add(piece.len() as u64)?;
        (seen <= self.promised).then(|| self.seen = seen)?;
        digest_more(&mut self.digest, piece);
        Some(())
    }

    /// SHA-256 of all that passed; `None` if none was asked for.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest.clone().map(Digest::from)
    }
}

impl Seal for Clear {
    fn body_len(&self) -> u64 {
        self.promised
    }

    fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        self.pass(plain).ok_or(SealError::Long { promised: self.promised })?;
        out.extend_from_slice(plain);
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<(), SealError> {
        if self.seen == self.promised {
            Ok(())
        } else {
            Err(SealError::Short { promised: self.promised, given: self.seen })
        }
    }

    fn digest(&self) -> Option<Digest> {
        Self::digest(self)
    }
}

#[cfg(test)]
mod testing;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn clear_passes_bytes_through_and_counts_them() {
        let mut out = Vec::new();
        let mut clear = Clear::new(5, FileDigest::Sha256);
        assert_eq!(clear.body_len(), 5);
        Seal::seal(&mut clear, b"he", &mut out).unwrap();
        Seal::seal(&mut clear, b"", &mut out).unwrap();
        Seal::seal(&mut clear, b"llo", &mut out).unwrap();
        Seal::finish(&mut clear, &mut out).unwrap();
        assert_eq!(out, b"hello");
        assert_eq!(clear.digest(), Some(Digest::of(b"hello")));
    }

    #[test]
    fn clear_refuses_more_and_fewer_bytes_than_promised() {
        let mut out = Vec::new();
        let mut clear = Clear::new(2, FileDigest::None);
        assert_eq!(clear.pass(b"abc"), None);
        assert_eq!(clear.pass(b"a"), Some(()));
        assert_eq!(Seal::finish(&mut clear, &mut out), Err(SealError::Short { promised: 2, given: 1 }));
        assert_eq!(Seal::seal(&mut clear, b"bc", &mut out), Err(SealError::Long { promised: 2 }));
    }
}
