//! The size of a file in a dialect: RSA blocks, encrypted content, and bytes on the wire.
//!
//! The client announces these numbers, the screen shows them before an upload, and the tests compare them with the bytes
//! that a connection carries (tests/loopback/cost.rs). Results that exceed 2^64 − 1 are 2^64 − 1.

use crate::crypto::fernet::{raw_token_len, token_len};
use crate::crypto::server_key::ServerKey;
use crate::event::{
    Dialect, EmptyFile, Framing, KeyForm, LaneResult, Operations, Terminator, Variant, Verdict,
};

/// Bytes of a MODE, a length, or M1.
const WORD: u64 = 8;

/// Returns the number of RSA blocks of a file of `size` bytes under a key of `k` modulus bytes. 0: not CP1.
#[must_use]
pub(crate) fn blocks(dialect: Dialect, size: u64, k: u64) -> u64 {
    if dialect.variant != Variant::Cp1 || (size == 0 && dialect.empty == EmptyFile::Zero) {
        return 0;
    }
    let k = usize::try_from(k).unwrap_or(usize::MAX);
    let full = ServerKey::block_max(k, dialect.padding) as u64;
    size.div_ceil(full.max(1)).max(1)
}

/// Returns the length of the content as it is sent: the file, its blocks, or its token. Framing is not included.
/// `k`: modulus bytes of the server's key, which only CP1 depends on.
#[must_use]
pub(crate) fn body_len(dialect: Dialect, size: u64, k: u64) -> u64 {
    match (dialect.variant, dialect.key_form) {
        (Variant::Plain | Variant::Ap, _) => size,
        (Variant::Cp1, _) => blocks(dialect, size, k).saturating_mul(k),
        (Variant::Cp2, KeyForm::Fernet) => token_len(size).unwrap_or(u64::MAX),
        (Variant::Cp2, KeyForm::Raw) => raw_token_len(size).unwrap_or(u64::MAX),
    }
}

/// Returns the bytes on the wire behind MODE 1: the content with its framing.
#[must_use]
pub(crate) fn data_len(dialect: Dialect, size: u64, k: u64) -> u64 {
    let body = body_len(dialect, size, k);
    if dialect.variant != Variant::Cp1 {
        return body.saturating_add(WORD);
    }
    let (blocks, terminator) = (blocks(dialect, size, k), dialect.terminator());
    let words = match dialect.framing {
        Framing::A => 1,
        Framing::B | Framing::C | Framing::F => blocks.saturating_add(1),
        // Without a block and a terminator, a zero stands behind MODE 1.
        Framing::D | Framing::E if blocks == 0 && terminator == Terminator::None => 1,
        Framing::D | Framing::E => blocks,
    };
    body.saturating_add(words.saturating_mul(WORD)).saturating_add(terminator.bytes().len() as u64)
}

/// Returns the cryptographic operations on the content of a file of `size` bytes under a key of `k` modulus bytes.
#[must_use]
pub(crate) fn operations(dialect: Dialect, size: u64, k: u64) -> Operations {
    match dialect.variant {
        Variant::Plain | Variant::Ap => Operations::default(),
        Variant::Cp1 => Operations { rsa: blocks(dialect, size, k), aes: 0 },
        // The session key, and the token.
        Variant::Cp2 => Operations { rsa: 1, aes: 1 },
    }
}

/// Returns the operations of each lane of a race; `None` for a lane that failed, or whose key length is not known.
#[must_use]
pub(crate) fn race(verdict: &Verdict) -> Vec<Option<Operations>> {
    let lane = |lane: &LaneResult| {
        let bits = lane.proof.as_ref().map(|proof| proof.bits as u64);
        let needs_key = lane.dialect.variant == Variant::Cp1;
        if lane.fault.is_some() || (needs_key && bits.is_none()) {
            return None;
        }
        Some(operations(lane.dialect, verdict.bytes, bits.unwrap_or(0).div_ceil(8)))
    };
    verdict.lanes.iter().map(lane).collect()
}

/// Returns the bytes on the wire of a file whose name has `name_len` bytes: MODE 0 and MODE 1.
#[must_use]
pub fn wire_len(dialect: Dialect, name_len: u64, size: u64, k: u64) -> u64 {
    name_len.saturating_add(3 * WORD).saturating_add(data_len(dialect, size, k))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Padding;

    const K: u64 = 128;

    #[test]
    fn cp1_takes_one_key_length_for_each_62_or_117_bytes() {
        let oaep = Dialect::of(Variant::Cp1);
        let pkcs = Dialect { padding: Padding::Pkcs1v15, ..oaep };
        for (size, under_oaep, under_pkcs) in
            [(0, 128, 128), (1, 128, 128), (62, 128, 128), (63, 256, 128), (117, 256, 128), (118, 256, 256)]
        {
            assert_eq!(body_len(oaep, size, K), under_oaep, "{size}");
            assert_eq!(body_len(pkcs, size, K), under_pkcs, "{size}");
        }
        assert_eq!(body_len(oaep, 190, 256), 256);
        let zero = Dialect { empty: EmptyFile::Zero, ..oaep };
        assert_eq!([0, 1, 62, 63].map(|size| blocks(zero, size, K)), [0, 1, 1, 2]);
    }

    /// Lengths that the reference implementation of Fernet gives; without base64 a token has no version and time.
    #[test]
    fn cp2_is_one_token_in_either_form() {
        let fernet = Dialect::of(Variant::Cp2);
        let raw = Dialect { key_form: KeyForm::Raw, ..fernet };
        for (size, token, bytes) in [(0, 100, 64), (15, 100, 64), (16, 120, 80), (31, 120, 80), (32, 140, 96)]
        {
            assert_eq!(body_len(fernet, size, K), token, "{size}");
            assert_eq!(body_len(raw, size, K), bytes, "{size}");
        }
        assert_eq!((blocks(fernet, 1000, K), body_len(Dialect::of(Variant::Plain), 1000, K)), (0, 1000));
    }

    #[test]
    fn cp1_has_an_rsa_operation_for_each_block_and_cp2_one_for_its_key() {
        let cp1 = Dialect::of(Variant::Cp1);
        let pkcs = Dialect { padding: Padding::Pkcs1v15, ..cp1 };
        let of = |dialect, size, k| operations(dialect, size, k);
        let rsa = |rsa| Operations { rsa, aes: 0 };
        assert_eq!(of(cp1, 8 << 20, 128), rsa(135_301));
        assert_eq!(of(pkcs, 8 << 20, 128), rsa(71_698));
        assert_eq!(of(cp1, 8 << 20, 256), rsa(44_151));
        assert_eq!((of(cp1, 62, 128), of(cp1, 0, 128)), (rsa(1), rsa(1)));
        assert_eq!(of(Dialect { empty: EmptyFile::Zero, ..cp1 }, 0, 128), rsa(0));
        for key_form in [KeyForm::Fernet, KeyForm::Raw] {
            let cp2 = Dialect { key_form, ..Dialect::of(Variant::Cp2) };
            assert_eq!(of(cp2, 8 << 20, 512), Operations { rsa: 1, aes: 1 });
        }
        for open in [Variant::Plain, Variant::Ap] {
            assert_eq!(of(Dialect::of(open), 8 << 20, 128), Operations::default());
        }
    }

    #[test]
    fn sizes_beyond_64_bits_are_the_largest_number() {
        for variant in [Variant::Plain, Variant::Ap, Variant::Cp1, Variant::Cp2] {
            assert_eq!(wire_len(Dialect::of(variant), 5, u64::MAX, K), u64::MAX, "{variant}");
        }
        assert_eq!(blocks(Dialect::of(Variant::Cp1), 10, 0), 10, "a key that is too short for one byte");
    }
}
