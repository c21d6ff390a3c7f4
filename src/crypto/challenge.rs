//! AP: the server signs what the client sends, and the client verifies it (PROTOCOL.md, "AP").
//!
//! RSASSA-PSS with SHA-256 and MGF1-SHA-256 (RFC 8017, 8.1). A signature is made with a salt of the
//! maximum length and accepted with any. Whatever is to mean more than "I answered" must therefore ask
//! for another length: see `sign_salted`.

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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::crypto::testing::{RSA_1024, RSA_2048, issued, random};

    #[test]
    fn an_answer_verifies() {
        for identity in [&*RSA_1024, &*RSA_2048, &issued(1025), &issued(1031)] {
            for len in [0, 1, 32, 128, 256, 4096] {
                let message = random(len);
                let signature = identity.sign(&message).unwrap();
                assert_eq!(signature.len(), identity.modulus_bytes());
                verify(&identity.server_key(), &message, &signature).unwrap();
            }
        }
    }

    #[test]
    fn the_salt_has_the_maximum_length() {
        for (identity, salt_len) in [(&*RSA_1024, 94), (&*RSA_2048, 222)] {
            assert_eq!(salt_max(identity.private_key_for_tests()), salt_len);
            let signature = identity.sign(b"message").unwrap();
            let hash = Sha256::digest(b"message");
            for len in [0, 32, salt_len - 1, salt_len] {
                let exactly = Pss::<Sha256>::new_with_salt(len);
                let verdict = exactly.verify(identity.server_key().as_rsa(), &hash, &signature);
                assert_eq!(verdict.is_ok(), len == salt_len, "{len}");
            }
        }
    }

    #[test]
    fn every_salt_length_is_accepted() {
        for salt_len in 0..=94 {
            let key = RSA_1024.private_key_for_tests();
            let signature = sign_salted(key, b"message", salt_len).unwrap();
            verify(&RSA_1024.server_key(), b"message", &signature).unwrap();
        }
        assert!(sign_salted(RSA_1024.private_key_for_tests(), b"message", 95).is_err());
    }

    #[test]
    fn signatures_are_randomised() {
        assert_ne!(RSA_1024.sign(b"message").unwrap(), RSA_1024.sign(b"message").unwrap());
    }

    #[test]
    fn another_message_or_key_is_refused() {
        let key = RSA_1024.server_key();
        let signature = RSA_1024.sign(b"message").unwrap();
        for other in [&b""[..], b"messagf", b"message\0", b"messag"] {
            assert_eq!(verify(&key, other, &signature), Err(ChallengeError::Mismatch));
        }
        assert_eq!(verify(&issued(1024).server_key(), b"message", &signature), Err(ChallengeError::Mismatch));
        let length = ChallengeError::Length { expected: 256, got: 128 };
        assert_eq!(verify(&RSA_2048.server_key(), b"message", &signature), Err(length));
    }

    #[test]
    fn every_changed_byte_is_refused() {
        let key = RSA_1024.server_key();
        let signature = RSA_1024.sign(b"message").unwrap();
        for at in 0..signature.len() {
            let mut signature = signature.clone();
            signature[at] ^= 0x40;
            assert_eq!(verify(&key, b"message", &signature), Err(ChallengeError::Mismatch), "{at}");
        }
    }

    #[test]
    fn a_signature_of_another_length_is_refused() {
        let key = RSA_1024.server_key();
        let signature = RSA_1024.sign(b"message").unwrap();
        for bad in
            [&[][..], &signature[..127], &[&signature[..], &[0]].concat(), &[&[0], &signature[..]].concat()]
        {
            let length = ChallengeError::Length { expected: 128, got: bad.len() };
            assert_eq!(verify(&key, b"message", bad), Err(length));
        }
        assert_eq!(verify(&key, b"message", &[0; 128]), Err(ChallengeError::Mismatch));
        assert_eq!(verify(&key, b"message", &[0xff; 128]), Err(ChallengeError::Mismatch));
    }

    #[test]
    fn a_signature_of_another_scheme_is_refused() {
        let hash = Sha256::digest(b"message");
        let key = RSA_1024.private_key_for_tests();
        let pkcs1v15 = key.sign(rsa::Pkcs1v15Sign::new::<Sha256>(), &hash).unwrap();
        assert_eq!(verify(&RSA_1024.server_key(), b"message", &pkcs1v15), Err(ChallengeError::Mismatch));
        let sha512 =
            key.sign(Pss::<rsa::sha2::Sha512>::new_with_salt(32), &rsa::sha2::Sha512::digest(b"message"));
        assert_eq!(
            verify(&RSA_1024.server_key(), b"message", &sha512.unwrap()),
            Err(ChallengeError::Mismatch)
        );
    }
}
