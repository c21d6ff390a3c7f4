//! AP: the server signs what the client sends, and the client verifies it (PROTOCOL.md, "AP").
//!
//! RSASSA-PSS with SHA-256 and MGF1-SHA-256 (RFC 8017, 8.1). A signature is made with a salt of the
//! maximum length and accepted with any. Whatever is to mean more than "I answered" must therefore ask
//! for another length: see [`sign_salted`].

use getrandom::SysRng;
use rsa::sha2::{Digest as _, Sha256};
use rsa::traits::{PublicKeyParts as _, SignatureScheme as _};
use rsa::{Pss, RsaPrivateKey};

use super::rsa_blocks::ServerKey;

/// Bytes of SHA-256.
const HASH_LEN: usize = 32;

/// Why an answer does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// A signature has as many bytes as the modulus.
    #[error("the signature has {got} bytes, and the certificate's key makes {expected}")]
    Length {
        /// `k` of the certificate.
        expected: usize,
        /// Bytes that came.
        got: usize,
    },
    /// The key of the certificate did not sign this message.
    #[error("the signature was not made over our message by the certificate's key")]
    Mismatch,
}

/// Checks an answer to MODE 3: a signature over exactly `message`, with a salt of any length.
pub fn verify(key: &ServerKey, message: &[u8], signature: &[u8]) -> Result<(), ChallengeError> {
    let expected = key.modulus_bytes();
    if signature.len() != expected {
        return Err(ChallengeError::Length { expected, got: signature.len() });
    }
    let any_salt = Pss::<Sha256> { blinded: true, digest: Sha256::new(), salt_len: None };
    any_salt.verify(key.as_rsa(), &Sha256::digest(message), signature).map_err(|_| ChallengeError::Mismatch)
}

/// The salt length that the handout asks for, `PSS.MAX_LENGTH`: emLen − hLen − 2.
pub(super) fn salt_max(key: &RsaPrivateKey) -> usize {
    let encoded_len = (key.n().bits() as usize - 1).div_ceil(8);
    encoded_len.saturating_sub(HASH_LEN + 2)
}

/// Signs with a salt of exactly `salt_len` bytes, blinded, and checked against faults.
pub(super) fn sign_salted(
    key: &RsaPrivateKey,
    message: &[u8],
    salt_len: usize,
) -> Result<Vec<u8>, rsa::Error> {
    Pss::<Sha256>::new_with_salt(salt_len).sign(Some(&mut SysRng), key, &Sha256::digest(message))
}
