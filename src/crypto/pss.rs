//! EMSA-PSS with SHA-256 and MGF1-SHA-256 (RFC 8017, 9.1.1): the encoded message, to which the private operation is
//! applied.
//!
//! ```text
//! EM = DB ⊕ MGF(H) ‖ H ‖ bc      DB = 00… ‖ 01 ‖ salt      H = hash of 8 × 00 ‖ hash of the message ‖ salt
//! ```
//!
//! Nothing here is secret: EM, and with it the salt, can be computed from the signature and the public key.

use rsa::sha2::{Digest as _, Sha256};

use super::padding::mask;

/// Length of a SHA-256 hash in bytes.
const HASH_LEN: usize = 32;

/// Length of H, 0x01 and 0xbc in bytes.
const OVERHEAD: usize = HASH_LEN + 2;

/// Returns the maximum salt length for a key of `bits` bits: emLen − hLen − 2. Returns `None` if not even an empty
/// salt fits.
pub(super) fn salt_max(bits: usize) -> Option<usize> {
    em_bits(bits).div_ceil(8).checked_sub(OVERHEAD)
}

/// Encodes a message's hash for a key of `bits` bits, in as many bytes as the modulus has. Returns `None` if the salt
/// is longer than [`salt_max`]. The result is below 2^(`bits` − 1), and so below the modulus.
pub(super) fn encode(bits: usize, hash: &[u8; HASH_LEN], salt: &[u8]) -> Option<Vec<u8>> {
    let zeros = salt_max(bits)?.checked_sub(salt.len())?;
    // RFC 8017, 8.1.1, step 2: emBits = modBits − 1, so EM is a byte shorter than the modulus if modBits is 8 m + 1.
    let (k, em_len) = (bits.div_ceil(8), em_bits(bits).div_ceil(8));
    let mut block = vec![0; k];
    let em = &mut block[k - em_len..];
    let (db, end) = em.split_at_mut(em_len - HASH_LEN - 1);
    db[zeros] = 1;
    db[zeros + 1..].copy_from_slice(salt);
    let h = Sha256::new().chain_update([0; 8]).chain_update(hash).chain_update(salt).finalize();
    mask(db, &h);
    db[0] &= 0xff >> (8 * em_len - em_bits(bits));
    end[..HASH_LEN].copy_from_slice(&h);
    end[HASH_LEN] = 0xbc;
    Some(block)
}

/// Returns the size of EM in bits.
const fn em_bits(bits: usize) -> usize {
    bits.saturating_sub(1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::path::Path;

    use data_encoding::HEXLOWER_PERMISSIVE;

    use super::*;
    use crate::crypto::rsa_batch::PublicBatch;
    use crate::digest::Digest;

    fn hash(message: &[u8]) -> [u8; HASH_LEN] {
        Sha256::digest(message).into()
    }

    fn bytes(hex: &str) -> Vec<u8> {
        HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).unwrap()
    }

    /// NIST, FIPS 186-3, `SigGenPSS`: mod = 1024, SHA-256, no salt. The expected value is S, raised to e.
    #[test]
    fn a_known_answer_without_a_salt() {
        let message = bytes(
            "19828d058058243557e29ec3f95b566fb4292c6e7dc0d56ae1c475cb3f6d6f3535307b51589cfad1288287ae4358cfb4\
             d8dfa2415f044a4a87041b9e70d44b6f1bc0040e1f52b8f69d75b50c75daf925ba9b47c9641f7a37453d1aa83fa42dd8\
             b37a4fc33c4305ac9e054f64f9a97cc943a5428df4d80e3903b5997112a4bc79",
        );
        let em = bytes(
            "64fe8d39edf6567d754c7895f09aa50103f8791d3627de5a4d484c0f45606d775635193c6592d082f7928a905aa884bb\
             3876c5d4096b5e1f6f640fb6478bd75e6d2ae171fe883297a21fecee6b361859b20f8598e0d3eed4116d0728fb66c13a\
             3b7282bcb864fc4364a712634d74ddaa22ca94e0bacf17a69766af01849455bc",
        );
        assert_eq!(encode(1024, &hash(&message), b"").unwrap(), em);
    }

    /// The salt is read from the signature, and must give the same EM.
    #[test]
    fn the_same_as_openssl() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/identity-v1");
        let key = crate::crypto::identity::Identity::load(&fixtures).unwrap().server_key();
        for (file, len) in [("test_pss_max.bin", 94), ("test_pss_32.bin", 32), ("test_pss_0.bin", 0)] {
            let mut em = Vec::new();
            PublicBatch::new(key.as_rsa()).encrypt(&std::fs::read(fixtures.join(file)).unwrap(), &mut em);
            let (db, h) = em[..127].split_at(95);
            let mut db = db.to_vec();
            mask(&mut db, h);
            let salt = &db[95 - len..];
            assert_eq!(encode(1024, &hash(b"made by OpenSSL"), salt).unwrap(), em, "{file}");
        }
    }

    /// Computed by ten lines of Python from the RFC's text. Of EM, the first bytes and the SHA-256 are compared.
    #[test]
    fn other_lengths_are_right() {
        let salt: Vec<u8> = (0..94).collect();
        for (bits, len, first, digest) in [
            (1024, 94, "021b897c", "59210b98323862d62eb9ab980b43d8f02623a7c2f4d83d615f6864a43956449d"),
            (1025, 32, "f40bf7b3", "5cf663106f3e281b7636231651f482b8dd5ce12af42279b91a051bc5f70c975d"),
            (1031, 20, "0335f399", "18d3d250b729c3659a408377feb72e7215a1365a3599b52608d2b140173e7e29"),
            (1032, 32, "740bf7b3", "0272f96203c75cfeaff6c8384b8b78b57e62fef0419237a6e4d81d3c859cda88"),
        ] {
            let block = encode(bits, &hash(b"message"), &salt[..len]).unwrap();
            assert_eq!(block.len(), bits.div_ceil(8));
            // A modulus of 1025 bits has one byte more than EM.
            let (zeros, em) = block.split_at(usize::from(bits == 1025));
            assert!(zeros.iter().all(|byte| *byte == 0) && em.starts_with(&bytes(first)), "{bits}");
            assert_eq!(Digest::of(em).to_string(), digest, "{bits}");
        }
    }

    #[test]
    fn a_block_is_below_every_modulus_of_its_bits() {
        for bits in 1024..=1040 {
            for message in 0..=255 {
                let block = encode(bits, &hash(&[message]), &[message; 32]).unwrap();
                // The highest bit of the smallest modulus.
                let (byte, bit) = (block.len() - 1 - (bits - 1) / 8, (bits - 1) % 8);
                assert!(block[..byte].iter().all(|byte| *byte == 0) && block[byte] >> bit == 0, "{bits}");
            }
        }
    }

    #[test]
    fn a_salt_that_does_not_fit_is_refused() {
        for (bits, max) in [(1024, 94), (1025, 94), (1026, 95), (2048, 222), (4096, 478), (272, 0)] {
            assert_eq!(salt_max(bits), Some(max), "{bits}");
            assert!(encode(bits, &hash(b""), &vec![7; max]).is_some());
            assert_eq!(encode(bits, &hash(b""), &vec![7; max + 1]), None);
        }
        for bits in [0, 1, 265] {
            assert_eq!(salt_max(bits), None);
            assert_eq!(encode(bits, &hash(b""), b""), None);
        }
    }
}
