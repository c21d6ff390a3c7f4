//! CP2: a file as one streamed token.
//!
//! ```text
//! Fernet    base64url( 80 │ time, u64 │ IV, 16 │ AES-128-CBC, PKCS7 │ HMAC-SHA256 over all before )
//! raw       IV, 16 │ AES-128-CBC, PKCS7 │ HMAC-SHA256 over both      (the assignment's C edition, no base64)
//! ```
//!
//! Both lengths follow from that of the plaintext, so a token is written and read piece by piece. What is read is
//! unverified until the HMAC was checked; only then the padding of the last block is examined and its plaintext
//! emitted. The time in a token is displayed, never enforced, because peers' clocks differ.

pub(crate) mod kernel;
mod opener;
mod sealer;

use self::kernel::{BLOCK, Backend, Hash, STEP};
pub use self::opener::TokenOpener;
pub use self::sealer::TokenSealer;
pub use super::session_key::SessionKey;
use crate::digest::FileDigest;

const VERSION: u8 = 0x80;
const IV_LEN: usize = 16;
const TAG_LEN: usize = 32;
/// Length of version, time and IV in bytes.
const HEAD_LEN: usize = 1 + 8 + IV_LEN;

/// Number of bytes that go through the loop, and then through base64, at a time, so that both find them in the
/// first-level cache. A multiple of a step and of a base64 group.
const PIECE: usize = 96 * STEP;

/// Returns the length of the token for a plaintext of this length; `None` beyond 2^64.
#[must_use]
pub fn token_len(plain_len: u64) -> Option<u64> {
    let cipher_len = (plain_len / BLOCK as u64).checked_add(1)?.checked_mul(BLOCK as u64)?;
    let raw_len = cipher_len.checked_add((HEAD_LEN + TAG_LEN) as u64)?;
    raw_len.div_ceil(3).checked_mul(4)
}

/// Returns the length of the raw token for a plaintext of this length; `None` beyond 2^64.
#[must_use]
pub(crate) fn raw_token_len(plain_len: u64) -> Option<u64> {
    let cipher_len = (plain_len / BLOCK as u64).checked_add(1)?.checked_mul(BLOCK as u64)?;
    cipher_len.checked_add((IV_LEN + TAG_LEN) as u64)
}

fn running(digest: FileDigest, backend: Backend) -> Option<Hash> {
    match digest {
        FileDigest::Sha256 => Some(Hash::new(backend)),
        FileDigest::None => None,
    }
}

#[cfg(test)]
mod tests;
