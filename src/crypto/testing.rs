//! Helpers for the tests of this module.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, LazyLock};

use super::authority::Authority;
use super::identity::Identity;
use super::padding::Paddings;
use super::rsa_blocks::BlockOpener;
use super::{Open, OpenError, Seal};
use crate::digest::FileDigest;

/// One CA for all tests, because searching for its primes is slow.
pub(super) static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("Test CA", 30).unwrap());

pub(super) static RSA_1024: LazyLock<Arc<Identity>> = LazyLock::new(|| issued(1024));

pub(super) static RSA_2048: LazyLock<Arc<Identity>> = LazyLock::new(|| issued(2048));

pub(super) fn issued(bits: usize) -> Arc<Identity> {
    let issued = AUTHORITY.issue("Test server", bits, 30).unwrap();
    Arc::new(Identity::from_pem(&issued.certificate_pem, &issued.private_key_pem).unwrap())
}

pub(super) fn opener(identity: &Arc<Identity>, paddings: Paddings) -> BlockOpener {
    BlockOpener::new(Arc::clone(identity), paddings, FileDigest::Sha256)
}

pub(super) fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// Cuts bytes into pieces of random lengths up to `max`, some of them empty.
pub(super) fn pieces(mut bytes: &[u8], max: usize) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let len = getrandom::u32().unwrap() as usize % (max + 1);
        let (head, rest) = bytes.split_at(len.min(bytes.len()));
        pieces.push(head);
        bytes = rest;
    }
    pieces
}

/// Seals `pieces`, and checks that the body has the announced length.
pub(super) fn seal_all(mut sealer: impl Seal, pieces: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::new();
    for piece in pieces {
        sealer.seal(piece, &mut body).unwrap();
    }
    sealer.finish(&mut body).unwrap();
    assert_eq!(body.len() as u64, sealer.body_len());
    body
}

pub(super) fn open_all(mut opener: impl Open, pieces: &[&[u8]]) -> Result<Vec<u8>, OpenError> {
    let mut plain = Vec::new();
    for piece in pieces {
        opener.open(piece, &mut plain)?;
    }
    opener.finish(&mut plain)?;
    Ok(plain)
}
