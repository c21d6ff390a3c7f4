#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use data_encoding::HEXLOWER;
use getrandom::SysRng;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};
use rsa::sha2::Sha256;
use rsa::traits::{PaddingScheme as _, PublicKeyParts as _};
use rsa::{BoxedUint, Oaep, Pkcs1v15Encrypt, RsaPrivateKey};

use super::*;
use crate::crypto::rsa_batch::{Backend, PrivateBatch};
use crate::crypto::testing::{RSA_1024, RSA_2048, issued, open_all, opener, pieces, random, seal_all};

const BOTH: [Padding; 2] = [Padding::Oaep, Padding::Pkcs1v15];

fn sealed(identity: &Identity, padding: Padding, plain: &[u8]) -> Vec<u8> {
    seal_all(
        BlockSealer::new(identity.server_key(), padding, plain.len() as u64, FileDigest::Sha256),
        &[plain],
    )
}

fn open(identity: &Arc<Identity>, body: &[u8]) -> Result<Vec<u8>, OpenError> {
    open_all(opener(identity, Paddings::EITHER), &[body])
}

/// Returns a block that contains exactly these bytes after the private operation.
fn raw_block(identity: &Identity, em: &[u8]) -> Vec<u8> {
    let key = identity.server_key().as_rsa().clone();
    let m = BoxedUint::from_be_slice(em, key.n_bits_precision()).unwrap();
    let c = rsa::hazmat::rsa_encrypt(&key, &m).unwrap().to_be_bytes();
    c[c.len() - identity.modulus_bytes()..].to_vec()
}

/// Returns a block with no valid padding. A flipped bit would pass as PKCS #1 v1.5 once in 2^17.
fn bad_block(identity: &Identity) -> Vec<u8> {
    let mut em = vec![3; identity.modulus_bytes()];
    em[0] = 0;
    raw_block(identity, &em)
}

#[test]
fn every_size_survives_in_both_paddings_and_key_lengths() {
    for identity in [&*RSA_1024, &*RSA_2048] {
        for padding in BOTH {
            let max = ServerKey::block_max(identity.modulus_bytes(), padding);
            for size in [0, 1, 61, 62, 63, 116, 117, 118, 127, 128, 129, max - 1, max, max + 1, 2 * max, 5000]
            {
                let plain = random(size);
                let body = sealed(identity, padding, &plain);
                assert_eq!(body.len(), size.div_ceil(max).max(1) * identity.modulus_bytes());
                assert_eq!(open(identity, &body).unwrap(), plain, "{size} {padding}");
            }
        }
    }
}

#[test]
fn blocks_have_the_capacity_of_the_assignment() {
    assert_eq!(ServerKey::block_max(128, Padding::Oaep), 62);
    assert_eq!(ServerKey::block_max(128, Padding::Pkcs1v15), 117);
    assert_eq!(ServerKey::block_max(256, Padding::Oaep), 190);
    assert_eq!(ServerKey::block_max(0, Padding::Oaep), 0);
}

#[test]
fn the_pieces_do_not_matter() {
    for padding in BOTH {
        for size in [0, 1, 62, 117, 500, 2000] {
            let plain = random(size);
            for max in [1, 50, 300] {
                let sealer =
                    BlockSealer::new(RSA_1024.server_key(), padding, size as u64, FileDigest::Sha256);
                let body = seal_all(sealer, &pieces(&plain, max));
                assert_eq!(
                    open_all(opener(&RSA_1024, Paddings::EITHER), &pieces(&body, max)).unwrap(),
                    plain,
                    "{size} {max}"
                );
            }
        }
    }
}

#[test]
fn the_rsa_crate_reads_our_blocks_and_we_read_its() {
    let key = rsa_key(&RSA_1024);
    let public = key.to_public_key();
    for size in [0, 1, 31, 62] {
        let plain = random(size);
        let ours = sealed(&RSA_1024, Padding::Oaep, &plain);
        assert_eq!(key.decrypt(Oaep::<Sha256>::new(), &ours).unwrap(), plain);
        let theirs = Oaep::<Sha256>::new().encrypt(&mut SysRng, &public, &plain).unwrap();
        assert_eq!(open(&RSA_1024, &theirs).unwrap(), plain);
        let ours = sealed(&RSA_1024, Padding::Pkcs1v15, &plain);
        assert_eq!(key.decrypt(Pkcs1v15Encrypt, &ours).unwrap(), plain);
        let theirs = Pkcs1v15Encrypt.encrypt(&mut SysRng, &public, &plain).unwrap();
        assert_eq!(open(&RSA_1024, &theirs).unwrap(), plain);
    }
}

/// Returns the private key of a test's identity, for the crate as an oracle.
fn rsa_key(identity: &Identity) -> RsaPrivateKey {
    identity.private_key_for_tests().clone()
}

#[test]
fn short_and_empty_blocks_are_understood_anywhere() {
    for padding in BOTH {
        let mut body = Vec::new();
        for piece in [&b"ab"[..], b"", b"cde", &[0; 62], b"", b"\0", b"\x01"] {
            body.extend(sealed(&RSA_1024, padding, piece));
        }
        let expected = [&b"abcde"[..], &[0; 62], b"\0\x01"].concat();
        assert_eq!(open(&RSA_1024, &body).unwrap(), expected);
    }
}

#[test]
fn a_short_block_is_distinguished_from_a_full_one() {
    for (padding, max) in [(Padding::Oaep, 62), (Padding::Pkcs1v15, 117)] {
        let mut opener = opener(&RSA_1024, Paddings::EITHER);
        let mut out = Vec::new();
        assert_eq!(opener.locked, None);
        for (len, short) in [(max, false), (max - 1, true), (max, false), (0, true), (max, false)] {
            opener.open(&sealed(&RSA_1024, padding, &random(len)), &mut out).unwrap();
            assert_eq!(opener.last_block_was_short(), short, "{padding} {len}");
            assert_eq!(opener.locked, Some(padding));
        }
        opener.finish(&mut out).unwrap();
    }
}

#[test]
fn a_file_has_one_padding() {
    for (first, second) in [(Padding::Oaep, Padding::Pkcs1v15), (Padding::Pkcs1v15, Padding::Oaep)] {
        let mut body = sealed(&RSA_1024, first, b"one");
        body.extend(sealed(&RSA_1024, second, b"two"));
        assert_eq!(open(&RSA_1024, &body), Err(OpenError::Rejected));
    }
}

#[test]
fn an_empty_body_is_an_empty_file() {
    assert_eq!(open(&RSA_1024, b"").unwrap(), b"");
}

#[test]
fn a_bad_block_is_not_reported_before_the_end() {
    for padding in BOTH {
        for bad in 0..3 {
            let mut blocks: Vec<_> = (0..3).map(|_| sealed(&RSA_1024, padding, b"block")).collect();
            blocks[bad] = bad_block(&RSA_1024);
            let mut opener = opener(&RSA_1024, Paddings::EITHER);
            let mut out = Vec::new();
            for block in &blocks {
                opener.open(block, &mut out).unwrap();
            }
            assert_eq!(opener.finish(&mut out), Err(OpenError::Rejected), "{padding} {bad}");
        }
    }
}

#[test]
fn a_bad_first_block_is_never_forgiven() {
    let mut body = bad_block(&RSA_1024);
    body.extend(sealed(&RSA_1024, Padding::Oaep, b"good"));
    body.extend(sealed(&RSA_1024, Padding::Oaep, b"good"));
    let mut opener = opener(&RSA_1024, Paddings::EITHER);
    let mut out = Vec::new();
    opener.open(&body, &mut out).unwrap();
    assert_eq!(opener.locked, None);
    assert_eq!(opener.finish(&mut out), Err(OpenError::Rejected));
}

#[test]
fn every_changed_byte_of_an_oaep_block_is_detected() {
    // In the second block: the first could, once in 2^17, turn into PKCS #1 v1.5.
    let body = sealed(&RSA_1024, Padding::Oaep, &random(100));
    for at in 128..256 {
        let mut body = body.clone();
        body[at] ^= 0x10;
        assert_eq!(open(&RSA_1024, &body), Err(OpenError::Rejected), "{at}");
    }
}

#[test]
fn another_key_is_rejected() {
    let other = issued(1024);
    let plain = random(500);
    for padding in BOTH {
        // Sixteen blocks or more: all of them pass as PKCS1v15 once in 2^130.
        assert_eq!(open(&other, &sealed(&RSA_1024, Padding::Oaep, &plain)), Err(OpenError::Rejected));
        let body = sealed(&RSA_1024, padding, &random(3000));
        assert_eq!(open(&other, &body), Err(OpenError::Rejected));
    }
}

#[test]
fn a_block_not_below_the_modulus_is_refused() {
    let modulus = RSA_1024.server_key().as_rsa().n_bytes().into_vec();
    let block = sealed(&RSA_1024, Padding::Oaep, b"x");
    // c + n would decrypt to the same message if it were not checked.
    let one = |add: &BoxedUint| {
        let sum = BoxedUint::from_be_slice(&block, 1088).unwrap() + add;
        sum.to_be_bytes()
    };
    let wrapped = one(&BoxedUint::from_be_slice(&modulus, 1088).unwrap());
    let too_big = wrapped[..8].iter().any(|byte| *byte != 0);
    let mut bad = vec![modulus, vec![0xff; 128]];
    if !too_big {
        bad.push(wrapped[8..].to_vec());
    }
    for bad in bad {
        assert_eq!(open(&RSA_1024, &bad), Err(OpenError::Rejected));
        assert!(RSA_1024.decrypt_raw(&bad).unwrap().is_none());
        let mut later = block.clone();
        later.extend(&bad);
        assert_eq!(open(&RSA_1024, &later), Err(OpenError::Rejected));
        assert!(!looks_sealed(&bad));
    }
    assert!(RSA_1024.decrypt_raw(&block).unwrap().is_some());
}

#[test]
fn an_incomplete_block_is_an_invalid_length() {
    let body = sealed(&RSA_1024, Padding::Oaep, &random(100));
    for len in [1, 127, 129, 255] {
        assert_eq!(open(&RSA_1024, &body[..len]), Err(OpenError::NotBlocks { got: len as u64, block: 128 }));
    }
    // The error is the same when the blocks are wrong, too.
    let not_blocks = OpenError::NotBlocks { got: 129, block: 128 };
    assert_eq!(open(&RSA_1024, &[1; 129]), Err(not_blocks));
}

#[test]
fn a_wrong_padding_is_rejected() {
    // The padding module tests every EM; here they go through a key.
    let mut good = vec![0xaa; 128];
    good[..2].copy_from_slice(&[0, 2]);
    good[100] = 0;
    assert_eq!(open(&RSA_1024, &raw_block(&RSA_1024, &good)).unwrap(), [0xaa; 27]);
    for (at, byte) in [(0, 1), (1, 1), (1, 3), (2, 0), (9, 0), (100, 1)] {
        let mut em = good.clone();
        em[at] = byte;
        assert_eq!(open(&RSA_1024, &raw_block(&RSA_1024, &em)), Err(OpenError::Rejected), "{at} {byte}");
    }
}

fn looks_sealed(blocks: &[u8]) -> bool {
    guess(&RSA_1024, Paddings::EITHER, blocks) == Guess::Sealed
}

#[test]
fn sealed_blocks_look_sealed_and_others_do_not() {
    for padding in BOTH {
        for blocks in [1, 2, 3, 4, 6] {
            let body = sealed(&RSA_1024, padding, &random(117 * blocks));
            assert!(looks_sealed(&body), "{padding} {blocks}");
        }
        let mut body = sealed(&RSA_1024, padding, &random(117 * 6));
        body[3 * 128..4 * 128].copy_from_slice(&bad_block(&RSA_1024));
        let told = looks_sealed(&body);
        assert_eq!(told, padding == Padding::Oaep, "{padding}: one is enough in OAEP only");
        let mut body = sealed(&RSA_1024, padding, &random(117 * 6));
        body[4 * 128..5 * 128].copy_from_slice(&bad_block(&RSA_1024));
        assert!(looks_sealed(&body), "the fifth does not");
    }
    let mut mixed = sealed(&RSA_1024, Padding::Oaep, b"a");
    mixed.extend(sealed(&RSA_1024, Padding::Pkcs1v15, b"b"));
    assert!(looks_sealed(&mixed), "to be refused as CP1, not stored as AP");
    assert!(!looks_sealed(&random(512)));
    assert!(!looks_sealed(b""));
    assert!(!looks_sealed(&[0; 128]));
    assert!(!looks_sealed(&vec![b'x'; 512]));
}

#[test]
fn detection_tries_accepted_paddings_only_and_reports_which() {
    for padding in BOTH {
        let body = sealed(&RSA_1024, padding, &random(300));
        for paddings in [Paddings::EITHER, Paddings::OAEP, Paddings::PKCS1V15] {
            let looked = paddings.contains(Padding::Pkcs1v15);
            let expected =
                if paddings.contains(padding) { Guess::Sealed } else { Guess::Clear { missed: looked } };
            assert_eq!(guess(&RSA_1024, paddings, &body), expected, "{padding} {paddings:?}");
            assert_eq!(guess(&RSA_1024, paddings, &[9; 256]), Guess::Clear { missed: looked });
            assert_eq!(guess(&RSA_1024, paddings, b""), Guess::Clear { missed: false });
        }
    }
}

#[test]
fn a_padding_that_is_not_accepted_is_as_wrong_as_noise() {
    for padding in BOTH {
        let accepted = if padding == Padding::Oaep { Paddings::PKCS1V15 } else { Paddings::OAEP };
        let full = opener(&RSA_1024, accepted).block_max() as u64;
        for body in [sealed(&RSA_1024, padding, b"one"), bad_block(&RSA_1024)] {
            let mut opener = opener(&RSA_1024, accepted);
            let mut out = Vec::new();
            opener.open(&body, &mut out).unwrap();
            opener.open(&body, &mut out).unwrap();
            assert_eq!((out.len(), opener.counted(), opener.last_block_was_short()), (0, 2 * full, false));
            assert_eq!(opener.take_miss(), padding == Padding::Oaep, "{padding}");
            assert_eq!(opener.finish(&mut out), Err(OpenError::Rejected), "{padding}");
        }
    }
}

#[test]
fn after_a_wrong_block_every_block_counts_as_full() {
    for (padding, max) in [(Padding::Oaep, 62), (Padding::Pkcs1v15, 117)] {
        let mut opener = opener(&RSA_1024, Paddings::EITHER);
        let mut out = Vec::new();
        opener.open(&sealed(&RSA_1024, padding, b"four"), &mut out).unwrap();
        assert_eq!((opener.counted(), opener.take_miss()), (4, false));
        opener.open(&bad_block(&RSA_1024), &mut out).unwrap();
        assert_eq!((opener.counted(), opener.last_block_was_short()), (4 + max, false));
        assert_eq!(opener.take_miss(), padding == Padding::Pkcs1v15, "counted once");
        // A valid block after it reveals nothing: neither its length nor its padding.
        for block in [sealed(&RSA_1024, padding, b"good"), bad_block(&RSA_1024)] {
            let before = opener.counted();
            opener.open(&block, &mut out).unwrap();
            assert_eq!((opener.counted(), opener.last_block_was_short()), (before + max, false));
            assert!(!opener.take_miss());
        }
        assert_eq!(out, b"four");
        assert_eq!(opener.finish(&mut out), Err(OpenError::Rejected));
    }
}

#[test]
fn a_file_whose_length_changes_is_detected() {
    let mut out = Vec::new();
    let mut sealer = BlockSealer::new(RSA_1024.server_key(), Padding::Oaep, 4, FileDigest::Sha256);
    sealer.seal(b"abc", &mut out).unwrap();
    assert_eq!(sealer.seal(b"de", &mut out), Err(SealError::Long { promised: 4 }));
    assert_eq!(sealer.finish(&mut out), Err(SealError::Short { promised: 4, given: 3 }));
    let mut sealer = BlockSealer::new(RSA_1024.server_key(), Padding::Oaep, u64::MAX, FileDigest::Sha256);
    assert_eq!(sealer.body_len(), u64::MAX);
    assert_eq!(sealer.seal(b"x", &mut out), Err(SealError::TooLong { plain_len: u64::MAX }));
}

#[test]
fn a_pin_is_the_hash_of_the_public_key_info() {
    let key = RSA_1024.server_key();
    let der = key.as_rsa().to_public_key_der().unwrap();
    assert_eq!(key.fingerprint(), Digest::of(der.as_bytes()));
    assert_eq!(ServerKey::from_spki(der.as_bytes()).unwrap(), key);
    assert_eq!((key.bits(), key.modulus_bytes()), (1024, 128));
    assert!(ServerKey::from_spki(&der.as_bytes()[..100]).is_none());
    let debug = format!("{key:?}");
    assert!(debug.starts_with("ServerKey(1024 bits, "), "{debug}");
}

/// Reads the private key of a fixture, for blocks of another implementation.
fn fixture_key(bits: &str) -> RsaPrivateKey {
    let path = format!("{}/tests/fixtures/rsa/key-{bits}.pem", env!("CARGO_MANIFEST_DIR"));
    RsaPrivateKey::read_pkcs8_pem_file(path).unwrap()
}

#[test]
fn valid_and_invalid_blocks_of_another_implementation_are_distinguished() {
    let from_hex = |hex: &str| HEXLOWER.decode(hex.as_bytes()).unwrap();
    let blocks = include_str!("../../../tests/fixtures/rsa/blocks.txt");
    let mut told = [0; 3];
    for line in blocks.lines().filter(|line| !line.starts_with('#')) {
        let [bits, what, block, result] = line.split('|').collect::<Vec<_>>().try_into().unwrap();
        let key = fixture_key(bits);
        for backend in [Backend::Portable, Backend::Avx2, Backend::Ifma, Backend::Crate] {
            let raw = PrivateBatch::with_backend(&key, backend).decrypt(&from_hex(block)).unwrap();
            let [raw] = raw.try_into().unwrap();
            let found = raw.map(|em| Both::of(em, Paddings::EITHER)).and_then(|both| {
                let padding = if both.oaep.valid.into() { "oaep" } else { "pkcs1v15" };
                let unpadded = both.either();
                bool::from(unpadded.valid).then(|| (padding, unpadded.message().to_vec()))
            });
            let expected = result.split_once(':').map(|(padding, hex)| (padding, from_hex(hex)));
            told[match &expected {
                Some(("oaep", _)) => 0,
                Some(_) => 1,
                None => 2,
            }] += 1;
            assert_eq!(found, expected, "{bits} {what} {backend}");
        }
    }
    assert_eq!(told, [32, 32, 136]);
}

#[test]
fn parts_of_a_file_may_be_sealed_and_opened_by_many_threads() {
    let plain = random(62 * 40 + 5);
    let server = RSA_1024.server_key();
    let parts: Vec<&[u8]> = plain.chunks(62 * 7).collect();
    let seal = |part: &[u8]| {
        let mut blocks = Vec::new();
        server.seal_blocks(Padding::Oaep, part, &mut blocks).unwrap();
        blocks
    };
    let body: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let seal = &seal;
        let threads: Vec<_> = parts.iter().map(|part| scope.spawn(move || seal(part))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut opener = opener(&RSA_1024, Paddings::EITHER);
    let mut out = Vec::new();
    let found: Vec<Vec<Opened>> = std::thread::scope(|scope| {
        let threads: Vec<_> = body
            .iter()
            .map(|blocks| scope.spawn(|| open_blocks(&RSA_1024, Paddings::EITHER, blocks)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for block in found.into_iter().flatten() {
        opener.absorb(block, &mut out);
    }
    assert!(opener.last_block_was_short());
    assert_eq!(opener.locked, Some(Padding::Oaep));
    opener.finish(&mut out).unwrap();
    assert_eq!(out, plain);
}

#[test]
fn a_piece_too_long_for_one_block_is_refused() {
    let key = RSA_1024.server_key();
    assert!(key.encrypt(Padding::Oaep, &[0; 62]).is_ok());
    assert!(matches!(key.encrypt(Padding::Oaep, &[0; 63]), Err(SealError::Rsa { .. })));
}

#[test]
fn sixty_four_blocks_for_each_byte_are_not_mostly_empty() {
    let (empty, byte) = (sealed(&RSA_1024, Padding::Oaep, b""), sealed(&RSA_1024, Padding::Oaep, b"x"));
    for (first, blocks, is_mostly_empty) in
        [(&empty, 64, false), (&empty, 65, true), (&byte, 128, false), (&byte, 129, true)]
    {
        let mut opener = opener(&RSA_1024, Paddings::EITHER);
        let body = [&first[..], &empty.repeat(blocks - 1)].concat();
        opener.open(&body, &mut Vec::new()).unwrap();
        assert_eq!(opener.is_mostly_empty(), is_mostly_empty, "{blocks} blocks");
    }
}

#[test]
fn both_ends_digest_the_plaintext() {
    use crate::digest::Digest;
    let plain = random(1000);
    let server = RSA_1024.server_key();
    let mut sealer = BlockSealer::new(server, Padding::Oaep, 1000, FileDigest::Sha256);
    let (mut body, mut out) = (Vec::new(), Vec::new());
    sealer.seal(&plain, &mut body).unwrap();
    sealer.finish(&mut body).unwrap();
    let mut opener = opener(&RSA_1024, Paddings::EITHER);
    opener.open(&body, &mut out).unwrap();
    opener.finish(&mut out).unwrap();
    assert_eq!(Seal::digest(&sealer), Some(Digest::of(&plain)));
    assert_eq!(Open::digest(&opener), Some(Digest::of(&plain)));
}
