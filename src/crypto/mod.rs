//! Cryptography: converts plaintext to the body of one MODE 1 and back, and proves who the server is.
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
//! In reading order: [`identity`] (a server's key and certificate), [`server_key`] (its public key), [`authority`]
//! (issues certificates) and [`request`] (requests them), [`challenge`] (AP), [`receipt`] (proof of delivery),
//! [`rsa_blocks`] (CP1), [`fernet`] (CP2); below them [`rsa_batch`] (many RSA operations at once), [`padding`],
//! `key_files`, `certificate`, `name`, `pss` and `session_key`.
//!
//! Everything streams: a [`Seal`] or an [`Open`] holds a few tens of KiB whatever the file's size, takes input in
//! pieces of any length, and appends to the caller's buffer. Nothing here uses a socket or, except for the validity of
//! new certificates, a clock. Only [`identity`], [`receipt_key`], [`authority`], [`request`] and [`key_files`] access
//! files.
//!
//! **Limits.** Decryption fails in one way, [`OpenError::Rejected`] (and [`OpenError::Machine`], which only the
//! operator learns of), and only at [`Open::finish`], after the whole body was consumed. What [`Open::open`] emitted
//! before is *unverified*: it may be written to a file that no other process can see, and must not be shown, named,
//! hashed for display, or published until `finish` returns `Ok`. Every private operation of a server goes through
//! [`rsa_batch`], blinded and checked. For keys of 1024 and 2048 bits the code takes the same time whatever the
//! secrets are. For others it uses the `rsa` crate, which is said to be constant-time (RUSTSEC-2023-0071 is open for
//! it). A CA's signatures are the crate's. Unpadding, and the choice between paddings, are this program's own code
//! and constant-time ([`padding`]).

pub(crate) mod authority;
pub(crate) mod certificate;
pub(crate) mod challenge;
pub(crate) mod fernet;
pub(crate) mod identity;
pub(crate) mod key_files;
mod name;
pub(crate) mod padding;
mod private_pem;
mod pss;
pub(crate) mod receipt;
pub(crate) mod receipt_key;
pub(crate) mod request;
pub(crate) mod rsa_batch;
pub(crate) mod rsa_blocks;
pub(crate) mod server_key;
mod session_key;

pub(crate) use name::{attributes, common_name_of, distinguished, same_name};

use sha2::{Digest as _, Sha256};

use crate::digest::{Digest, FileDigest};

/// Updates a digest, if there is one.
fn digest_more(digest: &mut Option<Sha256>, plain: &[u8]) {
    if let Some(digest) = digest {
        digest.update(plain);
    }
}

/// Converts plaintext to the body of one MODE 1. For CP1 these are the blocks one after another, without a framing.
pub trait Seal: Send {
    /// Returns the exact length of the body in bytes, from the plaintext length given at creation.
    fn body_len(&self) -> u64;

    /// Appends the output that is ready to `out`. `plain` is the next piece of any length.
    fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), SealError>;

    /// Appends the rest. Called once. Fails if fewer bytes came than were promised at creation.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), SealError>;

    /// Returns the SHA-256 of all plaintext so far; `None` if no digest is computed.
    fn digest(&self) -> Option<Digest>;
}

/// Converts the body of one MODE 1 to plaintext.
pub trait Open: Send {
    /// Appends plaintext to `out`. `body` is the next piece of any length. The plaintext is unverified until
    /// [`Open::finish`].
    fn open(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError>;

    /// Appends the rest, and returns whether all of the plaintext is authentic. Called once.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), OpenError>;

    /// Returns the SHA-256 of all plaintext; `None` if no digest is computed. **Must** only be called after
    /// [`Open::finish`] has returned `Ok`. If a body continues after that (CP1's may), its next `finish` gives
    /// another digest.
    fn digest(&self) -> Option<Digest>;
}

/// Why a body could not be created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The file is shorter than when its length was sent.
    #[error("the file ended after {given} bytes (announced: {promised})")]
    Short {
        /// Bytes promised at creation.
        promised: u64,
        /// Bytes given.
        given: u64,
    },
    /// The file is longer than when its length was sent.
    #[error("the file has more than the announced {promised} bytes")]
    Long {
        /// Bytes promised at creation.
        promised: u64,
    },
    /// The body would have 2^64 bytes or more.
    #[error("a file of {plain_len} bytes is too large for one body")]
    TooLong {
        /// Size of the file in bytes.
        plain_len: u64,
    },
    /// The system's random number generator failed, or the `rsa` crate refused the key.
    #[error("RSA encryption failed: {why}")]
    Rsa {
        /// Message of the crate.
        why: String,
    },
}

/// Why a body is not accepted. All but the first two follow from lengths that every observer of the connection can
/// see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The body does not decrypt. This is the one opaque reply to every wrong key, padding, block, tag and alphabet.
    #[error("the content could not be decrypted")]
    Rejected,
    /// The private operation failed, so it is unknown whether the body decrypts. The sender must not be able to
    /// distinguish this from [`Self::Rejected`].
    #[error("this machine failed to decrypt the content: {0}")]
    Machine(#[from] rsa_batch::BatchError),
    /// The body ended too early.
    #[error("the body ended after {got} bytes (announced: {promised})")]
    Short {
        /// Bytes announced.
        promised: u64,
        /// Bytes received.
        got: u64,
    },
    /// The body is too long.
    #[error("the body has more than the announced {promised} bytes")]
    Long {
        /// Bytes announced.
        promised: u64,
    },
    /// A token cannot have this length.
    #[error("invalid length of a token: {body_len} bytes")]
    NotAToken {
        /// Length of the body in bytes.
        body_len: u64,
    },
    /// The body does not consist of whole RSA blocks.
    #[error("{got} bytes are not a multiple of the block length, {block}")]
    NotBlocks {
        /// Bytes received.
        got: u64,
        /// Length of a block in bytes.
        block: usize,
    },
}

/// Plain and AP: the body *is* the plaintext; only its length is checked.
#[derive(Debug, Clone)]
pub(crate) struct Clear {
    promised: u64,
    /// 0 <= `seen` <= `promised`.
    seen: u64,
    digest: Option<Sha256>,
}

impl Clear {
    /// Creates one for a body of exactly `len` bytes.
    #[must_use]
    pub(crate) fn new(len: u64, digest: FileDigest) -> Self {
        Self { promised: len, seen: 0, digest: digest.begin() }
    }

    /// Counts and hashes a piece. Returns `None` if the body becomes too long.
    pub(crate) fn pass(&mut self, piece: &[u8]) -> Option<()> {
        let seen = self.seen.checked_add(piece.len() as u64)?;
        (seen <= self.promised).then(|| self.seen = seen)?;
        digest_more(&mut self.digest, piece);
        Some(())
    }

    /// Returns the SHA-256 of all pieces so far; `None` if no digest is computed.
    #[must_use]
    pub(crate) fn digest(&self) -> Option<Digest> {
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
