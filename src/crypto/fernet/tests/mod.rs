#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use aes::Aes128;
use aes::cipher::{Array, BlockModeEncrypt as _, KeyIvInit as _};
use hmac::{KeyInit as _, Mac as _};

use super::opener::{Form, TEXT_PIECE};
use super::*;
use crate::crypto::testing::{open_all, pieces, random, seal_all};
use crate::crypto::{Open as _, OpenError, Seal as _, SealError};
use crate::digest::Digest;
use crate::event::KeyForm;

mod refused;

const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
const TOKEN: &str =
    "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
const TIME: u64 = 499_162_800;
/// Around a cipher block, 48 bytes (blocks and base64 groups), a step, two, the lag, and a piece.
const SIZES: [usize; 47] = [
    0,
    1,
    2,
    3,
    15,
    16,
    17,
    31,
    32,
    33,
    47,
    48,
    49,
    61,
    62,
    63,
    64,
    65,
    66,
    79,
    80,
    81,
    111,
    112,
    113,
    117,
    127,
    128,
    129,
    143,
    144,
    191,
    192,
    193,
    4096,
    PIECE - 1,
    PIECE,
    PIECE + 1,
    PIECE + 63,
    PIECE + 64,
    PIECE + 127,
    PIECE + 128,
    PIECE + 129,
    2 * PIECE + 128,
    65_535,
    65_537,
    1_000_001,
];

fn key() -> SessionKey {
    SessionKey::from_base64url(KEY.as_bytes()).unwrap()
}

fn oracle() -> ::fernet::Fernet {
    ::fernet::Fernet::new(KEY).unwrap()
}

/// The back ends of this machine.
fn backends() -> Vec<Backend> {
    let mut all = vec![Backend::Portable, Backend::best()];
    all.dedup();
    all
}

fn token(plain: &[u8]) -> Vec<u8> {
    let time = crate::clock::unix_seconds().unsigned_abs();
    seal_all(TokenSealer::new(&key(), plain.len() as u64, time, FileDigest::Sha256), &[plain])
}

fn open(body: &[u8]) -> Result<Vec<u8>, OpenError> {
    open_all(TokenOpener::new(&key(), body.len() as u64, FileDigest::Sha256)?, &[body])
}

/// Writes the token of the assignment's C edition: IV, ciphertext, HMAC over both.
fn raw_token(plain: &[u8]) -> Vec<u8> {
    use aes::cipher::block_padding::Pkcs7;
    let iv: [u8; IV_LEN] = random(IV_LEN).try_into().unwrap();
    let mut token = iv.to_vec();
    let mut padded = vec![0; plain.len() + BLOCK];
    padded[..plain.len()].copy_from_slice(plain);
    let cipher = cbc::Encryptor::<Aes128>::new(key().encryption().into(), &iv.into());
    token.extend_from_slice(cipher.encrypt_padded::<Pkcs7>(&mut padded, plain.len()).unwrap());
    let mut mac = ::hmac::Hmac::<sha2::Sha256>::new_from_slice(key().signing()).unwrap();
    mac.update(&token);
    token.extend_from_slice(&mac.finalize().into_bytes());
    token
}

#[test]
fn makes_the_token_of_the_specification() {
    // https://github.com/fernet/spec, generate.json
    let iv = std::array::from_fn(|i| i.to_le_bytes()[0]);
    for backend in backends() {
        let sealer = TokenSealer::with_iv(backend, KeyForm::Fernet, &key(), 5, TIME, FileDigest::None, iv);
        let body = seal_all(sealer, &[b"hello"]);
        assert_eq!(str::from_utf8(&body).unwrap(), TOKEN, "{}", backend.name());
    }
}

#[test]
fn reads_the_token_of_the_specification() {
    // verify.json
    let mut opener = TokenOpener::new(&key(), TOKEN.len() as u64, FileDigest::Sha256).unwrap();
    let mut plain = Vec::new();
    opener.open(TOKEN.as_bytes(), &mut plain).unwrap();
    assert_eq!(plain, b"", "the last block is held back");
    opener.finish(&mut plain).unwrap();
    assert_eq!(plain, b"hello");
    assert_eq!(opener.token_time(), Some(TIME));
}

#[test]
fn the_time_of_a_token_is_read_and_never_enforced() {
    // The two of invalid.json that are about the clock, and the largest time there is.
    let last = seal_all(TokenSealer::new(&key(), 5, u64::MAX, FileDigest::Sha256), &[b"hello"]);
    for (token, time) in [
        (
            &b"gAAAAAAdwStRAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAnja1xKYyhd-Y6mSkTOyTGJmw2Xc2a6kBd-iX9b_qXQcw=="[..],
            TIME + 36_001,
        ),
        (
            b"gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
            TIME + 1,
        ),
    ] {
        let mut opener = TokenOpener::new(&key(), token.len() as u64, FileDigest::Sha256).unwrap();
        let mut plain = Vec::new();
        assert_eq!(opener.token_time(), None);
        opener.open(token, &mut plain).unwrap();
        opener.finish(&mut plain).unwrap();
        assert_eq!(plain, b"");
        assert_eq!(opener.token_time(), Some(time));
    }
    // A time beyond 2^42 s no longer begins with gAAAA, and is taken for a raw token.
    assert!(open(&last).is_err());
}

#[test]
fn agrees_with_the_fernet_crate_both_ways() {
    for size in SIZES {
        let plain = random(size);
        let ours = token(&plain);
        assert_eq!(oracle().decrypt(str::from_utf8(&ours).unwrap()).unwrap(), plain, "{size}");
        let theirs = oracle().encrypt(&plain);
        assert_eq!(theirs.len() as u64, token_len(size as u64).unwrap());
        assert_eq!(open(theirs.as_bytes()).unwrap(), plain, "{size}");
    }
}

#[test]
fn writes_the_raw_token_that_it_reads() {
    for size in SIZES {
        let plain = random(size);
        let mut sealer = TokenSealer::raw(&key(), size as u64, FileDigest::Sha256);
        assert_eq!(Some(sealer.body_len()), raw_token_len(size as u64));
        let mut token = Vec::new();
        for piece in plain.chunks(100) {
            sealer.seal(piece, &mut token).unwrap();
        }
        sealer.finish(&mut token).unwrap();
        assert_eq!(token.len() as u64, sealer.body_len());
        assert_eq!(open(&token).unwrap(), plain, "{size}");
    }
}

#[test]
fn reads_the_raw_token() {
    for size in SIZES {
        let plain = random(size);
        let body = raw_token(&plain);
        let opener = TokenOpener::new(&key(), body.len() as u64, FileDigest::Sha256).unwrap();
        assert_eq!(open_all(opener, &pieces(&body, 5000)).unwrap(), plain, "{size}");
    }
}

#[test]
fn the_pieces_do_not_matter() {
    for size in SIZES {
        let plain = random(size);
        for max in [1, 7, 64, 200, 100_000] {
            if size / max > 10_000 {
                continue;
            }
            let sealer = TokenSealer::new(&key(), size as u64, TIME, FileDigest::Sha256);
            let body = seal_all(sealer, &pieces(&plain, max));
            let opener = TokenOpener::new(&key(), body.len() as u64, FileDigest::Sha256).unwrap();
            assert_eq!(open_all(opener, &pieces(&body, max)).unwrap(), plain, "{size} {max}");
            assert_eq!(oracle().decrypt(str::from_utf8(&body).unwrap()).unwrap(), plain, "{size} {max}");
            let theirs = oracle().encrypt(&plain);
            let opener = TokenOpener::new(&key(), body.len() as u64, FileDigest::None).unwrap();
            assert_eq!(open_all(opener, &pieces(theirs.as_bytes(), max)).unwrap(), plain, "{size} {max}");
        }
    }
}

#[test]
fn every_back_end_makes_and_reads_the_same_token() {
    let iv = random(IV_LEN).try_into().unwrap();
    for size in 0..=4200 {
        let plain = random(size);
        let form = if size % 3 == 0 { KeyForm::Raw } else { KeyForm::Fernet };
        let mut bodies = Vec::new();
        for backend in backends() {
            let mut sealer =
                TokenSealer::with_iv(backend, form, &key(), size as u64, TIME, FileDigest::Sha256, iv);
            let mut body = Vec::new();
            for piece in pieces(&plain, 1 + size) {
                sealer.seal(piece, &mut body).unwrap();
            }
            sealer.finish(&mut body).unwrap();
            assert_eq!(sealer.digest(), Some(Digest::of(&plain)), "{size} {}", backend.name());
            let mut opener = TokenOpener::on(backend, &key(), body.len() as u64, FileDigest::Sha256).unwrap();
            let mut content = Vec::new();
            for piece in pieces(&body, 1 + size) {
                opener.open(piece, &mut content).unwrap();
            }
            opener.finish(&mut content).unwrap();
            assert_eq!(content, plain, "{size} {}", backend.name());
            assert_eq!(opener.digest(), Some(Digest::of(&plain)), "{size} {}", backend.name());
            bodies.push(body);
        }
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{size}");
    }
}

#[test]
fn the_digest_is_of_the_bytes_so_far() {
    let plain = random(2 * PIECE + 100);
    let mut sealer = TokenSealer::new(&key(), plain.len() as u64, TIME, FileDigest::Sha256);
    let (mut body, mut given) = (Vec::new(), 0);
    for piece in pieces(&plain, 700) {
        sealer.seal(piece, &mut body).unwrap();
        given += piece.len();
        assert_eq!(sealer.digest(), Some(Digest::of(&plain[..given])), "{given}");
    }
    sealer.finish(&mut body).unwrap();
    assert_eq!(sealer.digest(), Some(Digest::of(&plain)));
    assert_eq!(sealer.digest(), Some(Digest::of(&plain)), "it may be called again");
}

#[test]
fn no_digest_is_computed_unless_requested() {
    let mut sealer = TokenSealer::new(&key(), 3, TIME, FileDigest::None);
    let mut body = Vec::new();
    sealer.seal(b"abc", &mut body).unwrap();
    sealer.finish(&mut body).unwrap();
    let mut opener = TokenOpener::new(&key(), body.len() as u64, FileDigest::None).unwrap();
    opener.open(&body, &mut Vec::new()).unwrap();
    opener.finish(&mut Vec::new()).unwrap();
    assert_eq!((sealer.digest(), opener.digest()), (None, None));
}

#[test]
fn an_opener_that_refused_has_no_digest() {
    let mut body = token(b"abc");
    body[30] ^= 1;
    let mut opener = TokenOpener::new(&key(), body.len() as u64, FileDigest::Sha256).unwrap();
    opener.open(&body, &mut Vec::new()).unwrap();
    assert_eq!(opener.finish(&mut Vec::new()), Err(OpenError::Rejected));
    assert_eq!(opener.digest(), None);
}

#[test]
fn lengths_do_not_overflow() {
    assert_eq!(token_len(0), Some(100));
    assert_eq!(token_len(u64::MAX), None);
    assert_eq!(token_len(u64::MAX / 4 * 3), None);
    assert!(token_len(u64::MAX / 4 * 3 - 200).is_some());
    let mut sealer = TokenSealer::new(&key(), u64::MAX, TIME, FileDigest::Sha256);
    assert_eq!(sealer.body_len(), u64::MAX);
    let mut out = Vec::new();
    assert_eq!(sealer.seal(b"x", &mut out), Err(SealError::TooLong { plain_len: u64::MAX }));
}

#[test]
fn a_file_whose_length_changes_is_detected() {
    let mut out = Vec::new();
    let mut sealer = TokenSealer::new(&key(), 4, TIME, FileDigest::Sha256);
    sealer.seal(b"abc", &mut out).unwrap();
    assert_eq!(sealer.seal(b"de", &mut out), Err(SealError::Long { promised: 4 }));
    assert_eq!(sealer.finish(&mut out), Err(SealError::Short { promised: 4, given: 3 }));
}

#[test]
fn memory_does_not_grow_with_the_file() {
    let chunk = random(1 << 20);
    let mut sealer = TokenSealer::new(&key(), 8 << 20, TIME, FileDigest::Sha256);
    let mut opener = TokenOpener::new(&key(), sealer.body_len(), FileDigest::Sha256).unwrap();
    let (mut body, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..8 {
        sealer.seal(&chunk, &mut body).unwrap();
        opener.open(&body, &mut plain).unwrap();
        body.clear();
        plain.clear();
        assert!(opener.scratch.capacity() < 2 * TEXT_PIECE && opener.text.capacity() < 2 * TEXT_PIECE);
    }
    sealer.finish(&mut body).unwrap();
    opener.open(&body, &mut plain).unwrap();
    opener.finish(&mut plain).unwrap();
}

#[test]
fn two_tokens_of_one_file_differ() {
    assert_ne!(token(b"same"), token(b"same"));
}
