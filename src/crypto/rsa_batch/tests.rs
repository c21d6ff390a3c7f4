#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rsa::RsaPrivateKey;
use rsa::hazmat::rsa_decrypt;
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use rsa::BoxedUint;
use getrandom::SysRng;

use super::*;
use crate::crypto::testing::{RSA_1024, RSA_2048, issued, random};

/// Random operations of each back end and key length.
const OPERATIONS: usize = 2_000;

const BACKENDS: [Backend; 2] = [Backend::Portable, Backend::Avx2];

fn keys() -> [&'static RsaPrivateKey; 2] {
    [RSA_1024.private_key_for_tests(), RSA_2048.private_key_for_tests()]
}

/// `count` random blocks below the modulus.
fn below(key: &RsaPrivateKey, count: usize) -> Vec<u8> {
    let mut blocks = random(count * key.size());
    for block in blocks.chunks_exact_mut(key.size()) {
        // The modulus has its highest bit set.
        block[0] &= 0x7f;
    }
    blocks
}

fn oracle(key: &RsaPrivateKey, block: &[u8]) -> Vec<u8> {
    let c = BoxedUint::from_be_slice(block, key.n_bits_precision()).unwrap();
    rsa_decrypt::<SysRng>(None, key, &c).unwrap().to_be_bytes().into_vec()
}

fn decrypted(batch: &PrivateBatch, blocks: &[u8]) -> Vec<Vec<u8>> {
    batch.decrypt(blocks).unwrap().into_iter().map(|m| m.unwrap().to_vec()).collect()
}

#[test]
fn the_back_ends_agree_with_each_other_and_with_the_rsa_crate() {
    for key in keys() {
        let blocks = below(key, OPERATIONS);
        let mut expected: Option<Vec<Vec<u8>>> = None;
        for backend in BACKENDS {
            let batch = PrivateBatch::with_backend(key, backend);
            let mut results = Vec::new();
            // Batches of 1 to 9, so that groups begin and end everywhere.
            let (mut rest, mut size) = (&blocks[..], 0);
            while !rest.is_empty() {
                size = size % 9 + 1;
                let (head, tail) = rest.split_at(rest.len().min(size * key.size()));
                results.extend(decrypted(&batch, head));
                rest = tail;
            }
            let expected = expected.get_or_insert_with(|| {
                blocks.chunks_exact(key.size()).map(|block| oracle(key, block)).collect()
            });
            assert_eq!(&results, expected, "{backend}");
            let mut again = Vec::new();
            PublicBatch::with_backend(&key.to_public_key(), backend).encrypt(&results.concat(), &mut again);
            assert!(again == blocks, "{backend}");
        }
    }
}
