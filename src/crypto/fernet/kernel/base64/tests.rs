#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::crypto::testing::random;

/// RFC 4648, table 2.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Returns the back ends that this processor supports.
fn coders() -> Vec<Base64> {
    let mut all = vec![Base64::Portable, Base64::best()];
    all.dedup();
    all
}

/// Encodes by the definition: six bits at a time.
fn encoded(bytes: &[u8]) -> Vec<u8> {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| usize::from(byte >> (7 - at % 8) & 1));
    let six = |at: usize| (at..at + 6).fold(0, |six, at| six << 1 | bit(at));
    (0..bytes.len() * 8).step_by(6).map(|at| ALPHABET[six(at)]).collect()
}

/// Decodes after other bytes; `None` if the text is refused.
fn decoded(coder: Base64, text: &[u8]) -> Option<Vec<u8>> {
    let mut out = b"before".to_vec();
    let valid = coder.decode(text, &mut out);
    assert_eq!(out[..6], *b"before", "{}", coder.name());
    assert!(valid || out.len() == 6, "no output of a refused text is left, {}", coder.name());
    valid.then(|| out.split_off(6))
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_fast_back_end_is_chosen_where_the_processor_supports_it() {
    let words = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has = |flag| words.split_whitespace().any(|word| word == flag);
    let all = ["avx512f", "avx512bw", "avx512vbmi"].into_iter().all(has);
    assert!(!all || Base64::best() != Base64::Portable, "chosen: {}", Base64::best().name());
}

#[test]
fn every_length_is_written_and_read_as_rfc_4648_says() {
    for coder in coders() {
        for len in 0..=400 {
            let bytes = random(len);
            let text = encoded(&bytes);
            let mut out = b"before".to_vec();
            coder.encode(&bytes, &mut out);
            assert_eq!(out, [b"before", &*text].concat(), "{len}, {}", coder.name());
            assert_eq!(decoded(coder, &text), Some(bytes), "{len}, {}", coder.name());
        }
    }
}

#[test]
fn every_alignment_is_the_same() {
    for coder in coders() {
        let (bytes, text) = (random(500), encoded(&random(375)));
        for from in 0..=64 {
            for room in [0, 1, 17, 63] {
                let mut out = vec![0; room];
                coder.encode(&bytes[from..from + 400], &mut out);
                assert_eq!(out[room..], encoded(&bytes[from..from + 400]), "{from}, {}", coder.name());
                let text = &text[from..from + 384];
                let mut out = vec![0; room];
                assert!(coder.decode(text, &mut out), "{from}, {}", coder.name());
                assert_eq!(encoded(&out[room..]), text, "{from}, {}", coder.name());
            }
        }
    }
}

#[test]
fn texts_of_any_length_are_accepted_or_refused_alike() {
    // Four characters and one more are not a valid text, and the last one may have bits that belong to no byte.
    for len in 0..=400 {
        let text: Vec<u8> = random(len).into_iter().map(|byte| ALPHABET[usize::from(byte % 64)]).collect();
        let expected = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(&text).ok();
        assert!(expected.is_none() || len % 4 != 1, "{len}");
        for coder in coders() {
            assert_eq!(decoded(coder, &text), expected, "{len}, {}", coder.name());
        }
    }
}

#[test]
fn every_byte_is_accepted_or_refused_anywhere() {
    // Two groups, and two with a rest after them.
    for len in [128, 140] {
        let valid = encoded(&random(len / 4 * 3));
        for at in 0..len {
            for byte in 0..=255 {
                let mut text = valid.clone();
                text[at] = byte;
                let belongs = ALPHABET.contains(&byte);
                for coder in coders() {
                    let bytes = decoded(coder, &text);
                    assert_eq!(bytes.is_some(), belongs, "{byte:#04x} at {at} of {len}, {}", coder.name());
                    assert!(bytes.is_none_or(|bytes| encoded(&bytes) == text), "{byte:#04x} at {at}");
                }
            }
        }
    }
}

#[test]
fn every_bit_of_a_group_has_its_place() {
    for coder in coders() {
        for bit in 0..96 * 8 {
            let mut bytes = [0; 96];
            bytes[bit / 8] = 0x80 >> (bit % 8);
            let mut text = Vec::new();
            coder.encode(&bytes, &mut text);
            let mut expected = [b'A'; 128];
            expected[bit / 6] = ALPHABET[32 >> (bit % 6)];
            assert_eq!(text, expected, "{bit}, {}", coder.name());
            assert_eq!(decoded(coder, &text).unwrap(), bytes, "{bit}, {}", coder.name());
        }
    }
}
