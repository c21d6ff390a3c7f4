//! AP: the server signs a message that the client sends, and the client verifies the signature (docs/protocol.md,
//! section "AP").
//!
//! RSASSA-PSS with SHA-256 and MGF1-SHA-256 (RFC 8017, 8.1). The signature over a challenge has a salt of the maximum
//! length, and is accepted with a salt of any length. A signature with another meaning must therefore use another
//! length: see `sign_salted`, which makes every signature of a server.

use rsa::Pss;
use rsa::sha2::{Digest as _, Sha256};
use rsa::traits::SignatureScheme as _;

use super::pss;
use super::rsa_batch::{BatchError, PrivateBatch};
use super::server_key::ServerKey;

/// Why a reply to MODE 3 does not prove the server's identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// The signature is not as long as the modulus.
    #[error("the signature has {got} bytes (expected: {expected})")]
    Length {
        /// Length of the certificate's modulus in bytes.
        expected: usize,
        /// Length of the signature in bytes.
        got: usize,
    },
    /// The certificate's key did not sign this message.
    #[error("the signature was not made over our message by the certificate's key")]
    Mismatch,
}

/// Why signing failed. No signature is released: a faulty one could reveal the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The salt is longer than the maximum.
    #[error("a salt of {len} bytes does not fit into a signature of a key of {bits} bits")]
    Salt {
        /// Requested length in bytes.
        len: usize,
        /// Size of the modulus in bits.
        bits: usize,
    },
    /// This machine failed.
    #[error("this machine failed to sign: {0}")]
    Machine(#[from] BatchError),
}

/// Verifies a reply to MODE 3: a signature over exactly `message`, with a salt of any length.
pub fn verify(key: &ServerKey, message: &[u8], signature: &[u8]) -> Result<(), ChallengeError> {
    let expected = key.modulus_bytes();
    if signature.len() != expected {
        return Err(ChallengeError::Length { expected, got: signature.len() });
    }
    let any_salt = Pss::<Sha256> { blinded: true, digest: Sha256::new(), salt_len: None };
    any_salt.verify(key.as_rsa(), &Sha256::digest(message), signature).map_err(|_| ChallengeError::Mismatch)
}

/// Returns the salt length that the assignment specifies, `PSS.MAX_LENGTH`: emLen − hLen − 2.
pub(super) fn salt_max(key: &PrivateBatch) -> usize {
    pss::salt_max(key.bits()).unwrap_or(0)
}

/// Signs with a random salt of exactly `salt_len` bytes. The private operation is blinded, and its result is checked
/// against faults before it is returned.
pub(super) fn sign_salted(
    key: &PrivateBatch,
    message: &[u8],
    salt_len: usize,
) -> Result<Vec<u8>, SigningError> {
    // Checked before memory is allocated.
    if salt_len > salt_max(key) {
        return Err(SigningError::Salt { len: salt_len, bits: key.bits() });
    }
    let mut salt = vec![0; salt_len];
    getrandom::fill(&mut salt).map_err(|_| BatchError::NoRandomness)?;
    sign_with(key, message, &salt)
}

/// RSASSA-PSS-SIGN (RFC 8017, 8.1.1) with a given salt.
fn sign_with(key: &PrivateBatch, message: &[u8], salt: &[u8]) -> Result<Vec<u8>, SigningError> {
    let too_long = SigningError::Salt { len: salt.len(), bits: key.bits() };
    let em = pss::encode(key.bits(), &Sha256::digest(message).into(), salt).ok_or(too_long)?;
    // EM is below every modulus of its size, so there is always a result.
    let signature = key.decrypt(&em)?.pop().flatten().ok_or(BatchError::Fault)?;
    Ok(signature.to_vec())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::convert::Infallible;

    use getrandom::rand_core::{TryCryptoRng, TryRng};

    use super::*;
    use crate::crypto::identity::Identity;
    use crate::crypto::rsa_batch::Backend;
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
            assert_eq!(salt_max(identity.batch()), salt_len);
            let signature = identity.sign(b"message").unwrap();
            for len in [0, 32, salt_len - 1, salt_len] {
                assert_eq!(has_a_salt_of(identity, b"message", &signature, len), len == salt_len, "{len}");
            }
        }
    }

    const BACKENDS: [Backend; 4] = [Backend::Portable, Backend::Avx2, Backend::Ifma, Backend::Crate];

    /// Checks the salt length with the `rsa` crate's verifier.
    fn has_a_salt_of(identity: &Identity, message: &[u8], signature: &[u8], salt_len: usize) -> bool {
        let exactly = Pss::<Sha256>::new_with_salt(salt_len);
        exactly.verify(identity.server_key().as_rsa(), &Sha256::digest(message), signature).is_ok()
    }

    #[test]
    fn every_salt_length_is_accepted() {
        for backend in BACKENDS {
            let key = PrivateBatch::with_backend(RSA_1024.private_key_for_tests(), backend);
            for salt_len in 0..=94 {
                let signature = sign_salted(&key, b"message", salt_len).unwrap();
                verify(&RSA_1024.server_key(), b"message", &signature).unwrap();
                assert!(has_a_salt_of(&RSA_1024, b"message", &signature, salt_len), "{backend} {salt_len}");
            }
        }
    }

    #[test]
    fn every_length_of_key_signs() {
        for identity in [&*RSA_2048, &issued(1025), &issued(1031), &issued(4096)] {
            for backend in BACKENDS {
                let key = PrivateBatch::with_backend(identity.private_key_for_tests(), backend);
                for salt_len in [0, 1, 31, 32, 33, salt_max(&key) - 1, salt_max(&key)] {
                    let signature = sign_salted(&key, b"message", salt_len).unwrap();
                    assert_eq!(signature.len(), identity.modulus_bytes());
                    verify(&identity.server_key(), b"message", &signature).unwrap();
                    assert!(
                        has_a_salt_of(identity, b"message", &signature, salt_len),
                        "{backend} {salt_len}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_salt_that_does_not_fit_is_refused() {
        for (identity, max) in [(&*RSA_1024, 94), (&*RSA_2048, 222)] {
            for len in [max + 1, max + 32, usize::MAX] {
                let error = SigningError::Salt { len, bits: max * 8 + 272 };
                assert_eq!(sign_salted(identity.batch(), b"message", len), Err(error));
            }
            assert!(sign_with(identity.batch(), b"message", &vec![0; max + 1]).is_err());
        }
    }

    #[test]
    fn with_the_same_salt_the_rsa_crate_makes_the_same_signature() {
        /// A source of "random" bytes that returns this salt once.
        struct Given<'a>(&'a [u8]);
        impl TryRng for Given<'_> {
            type Error = Infallible;
            fn try_next_u32(&mut self) -> Result<u32, Infallible> {
                unreachable!("nothing but the salt is random without blinding")
            }
            fn try_next_u64(&mut self) -> Result<u64, Infallible> {
                unreachable!("nothing but the salt is random without blinding")
            }
            fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
                bytes.copy_from_slice(self.0);
                Ok(())
            }
        }
        impl TryCryptoRng for Given<'_> {}
        for identity in [&*RSA_1024, &*RSA_2048, &issued(1025), &issued(1031)] {
            for salt_len in [0, 1, 32, 94] {
                let (message, salt) = (random(40), random(salt_len));
                let plain = Pss::<Sha256> { blinded: false, digest: Sha256::new(), salt_len: Some(salt_len) };
                let key = identity.private_key_for_tests();
                let expected = plain.sign(Some(&mut Given(&salt)), key, &Sha256::digest(&message)).unwrap();
                for backend in BACKENDS {
                    let batch = PrivateBatch::with_backend(key, backend);
                    let signature = sign_with(&batch, &message, &salt).unwrap();
                    assert_eq!(signature, expected, "{backend} {salt_len}");
                }
            }
        }
    }

    #[test]
    fn a_machine_that_computes_wrongly_signs_nothing() {
        let key = RSA_1024.private_key_for_tests();
        for _ in 0..3 {
            let fault = Err(SigningError::Machine(BatchError::Fault));
            assert_eq!(sign_salted(&PrivateBatch::failing(key), b"message", 32), fault);
        }
        let wearing = PrivateBatch::failing_after_one(key);
        let signature = sign_salted(&wearing, b"message", 32).unwrap();
        verify(&RSA_1024.server_key(), b"message", &signature).unwrap();
        for _ in 0..3 {
            assert_eq!(sign_salted(&wearing, b"message", 32), Err(SigningError::Machine(BatchError::Fault)));
        }
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
