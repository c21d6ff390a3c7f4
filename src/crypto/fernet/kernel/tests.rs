#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use aes::cipher::BlockModeEncrypt as _;
use hmac::{KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::crypto::testing::{pieces, random};

/// The portable back end, and the fast one where the processor supports it.
/// [`the_fast_back_end_is_chosen_where_the_processor_supports_it`] checks which is used.
fn backends() -> Vec<Backend> {
    let mut all = vec![Backend::Portable, Backend::best()];
    all.dedup();
    all
}

/// Data of one step for each.
fn steps(bytes: &[u8]) -> &[[u8; STEP]] {
    bytes.as_chunks().0
}

#[test]
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn the_fast_back_end_is_chosen_where_the_processor_supports_it() {
    let words = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let has = |flag| words.split_whitespace().any(|word| word == flag);
    let all = ["aes", "sha_ni", "avx", "sse4_1", "ssse3"].into_iter().all(has);
    assert_eq!(Backend::best() != Backend::Portable, all, "chosen: {}", Backend::best().name());
    assert_eq!(backends().len(), if all { 2 } else { 1 });
    assert_eq!(backends()[0], Backend::Portable);
}

#[test]
#[cfg(not(target_arch = "x86_64"))]
fn the_portable_back_end_is_chosen_on_other_processors() {
    assert_eq!(backends(), [Backend::Portable]);
}

#[test]
fn hash_is_sha_256_of_any_length_and_split() {
    for backend in backends() {
        for size in 0..=4200 {
            let bytes = random(size);
            let expected: [u8; 32] = Sha256::digest(&bytes).into();
            let mut hash = Hash::new(backend);
            let whole = getrandom::u32().unwrap() as usize % (size / STEP + 1);
            let (now, rest) = bytes.split_at(whole * STEP);
            for piece in steps(now).chunks(3) {
                hash.update(piece);
            }
            assert_eq!(hash.finish(rest), expected, "{size} {}", backend.name());
            assert_eq!(hash.finish(rest), expected, "finish changes nothing");
        }
    }
}

#[test]
fn hash_passes_the_known_vectors() {
    // FIPS 180-4's examples: one block and two.
    let two = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    for backend in backends() {
        let hash = Hash::new(backend);
        assert_eq!(hash.finish(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(hash.finish(two)[..4], [0x24, 0x8d, 0x6a, 0x61]);
    }
}

#[test]
fn hmac_agrees_with_the_crate() {
    for backend in backends() {
        for size in [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000] {
            let (key, bytes) = (random(16), random(size));
            let mut theirs = ::hmac::Hmac::<Sha256>::new_from_slice(&key).unwrap();
            theirs.update(&bytes);
            let theirs: [u8; 32] = theirs.finalize().into_bytes().into();
            let ours = Hmac::new(backend, &key.try_into().unwrap());
            assert_eq!(ours.finish(&bytes), theirs, "{size} {}", backend.name());
        }
    }
}

#[test]
fn cbc_passes_the_known_vectors() {
    // NIST SP 800-38A, F.2.1 and F.2.2, the first two blocks.
    let key = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();
    let iv = 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f_u128.to_be_bytes();
    let plain = [0x6bc1_bee2_2e40_9f96_e93d_7e11_7393_172a_u128, 0xae2d_8a57_1e03_ac9c_9eb7_6fac_45af_8e51]
        .map(u128::to_be_bytes);
    let cipher = [0x7649_abac_8119_b246_cee9_8e9b_12e9_197d_u128, 0x5086_cb9b_5072_19ee_95db_113a_9176_78b2]
        .map(u128::to_be_bytes);
    for backend in backends() {
        let mut blocks = plain;
        Encryption::new(backend, &key, iv).encrypt(&mut blocks);
        assert_eq!(blocks, cipher, "{}", backend.name());
        Decryption::new(backend, &key, iv).decrypt(&mut blocks);
        assert_eq!(blocks, plain, "{}", backend.name());
    }
}

#[test]
fn every_back_end_seals_as_the_crates_do_step_by_step() {
    for count in 0..=66 {
        for lag in [LAG, LAG + 1, LAG + 16, LAG + 25, LAG + 63, LAG + 200] {
            let (key, iv) = (random(16).try_into().unwrap(), random(16).try_into().unwrap());
            let (plain, before) = (random(count * STEP), random(lag));
            let run = |backend, digest: Option<Hash>, max| {
                let mut cipher = Encryption::new(backend, &key, iv);
                let (mut mac, mut digest) = (Hmac::new(backend, &key), digest);
                let mut token = before.clone();
                let mut from = 0;
                for piece in pieces(&plain, max * STEP).iter().map(|piece| piece.len() / STEP) {
                    let begin = token.len() - lag;
                    let piece = &steps(&plain[from..])[..piece];
                    token.extend_from_slice(&random(size_of_val(piece)));
                    cipher.seal(piece, &mut token[begin..], &mut mac, digest.as_mut());
                    from += size_of_val(piece);
                }
                let begin = token.len() - lag;
                let rest = steps(&plain[from..]);
                token.extend_from_slice(&random(size_of_val(rest)));
                cipher.seal(rest, &mut token[begin..], &mut mac, digest.as_mut());
                // The next step continues the same chain.
                let mut after = [[7; BLOCK]; 3];
                cipher.encrypt(&mut after);
                let tag = mac.finish(&token[token.len() - lag..]);
                (token, after, tag, mac.inner.state, mac.inner.len, digest.map(|digest| digest.finish(b"x")))
            };
            for digest in [false, true] {
                let hash = |backend| digest.then(|| Hash::new(backend));
                let portable = run(Backend::Portable, hash(Backend::Portable), 100);
                for backend in backends() {
                    let context = format!("{count} {lag}, {}", backend.name());
                    assert_eq!(run(backend, hash(backend), 100), portable, "{context}");
                    assert_eq!(run(backend, hash(backend), 5), portable, "{context}, in pieces");
                }
                let digest_of_all = portable.5;
                let expected = digest.then(|| Sha256::digest([&plain[..], b"x"].concat()).into());
                assert_eq!(digest_of_all, expected, "{count} {lag}");
            }
            // The portable back end agrees with the crates.
            let (token, .., tag, _, _, _) = run(Backend::Portable, None, 1);
            let mut expected = plain.clone();
            let blocks = Array::cast_slice_from_core_mut(expected.as_chunks_mut().0);
            cbc::Encryptor::<Aes128>::new((&key).into(), &iv.into()).encrypt_blocks(blocks);
            assert_eq!(token, [before, expected].concat());
            let mut mac = ::hmac::Hmac::<Sha256>::new_from_slice(&key).unwrap();
            mac.update(&token);
            assert_eq!(tag, <[u8; 32]>::from(mac.finalize().into_bytes()));
        }
    }
}

#[test]
fn every_back_end_opens_as_the_crates_do_step_by_step() {
    for count in 0..=66 {
        for lead in [0, 1, 16, 25, 63] {
            let (key, iv) = (random(16).try_into().unwrap(), random(16).try_into().unwrap());
            let token = random(count * STEP + lead);
            let run = |backend, digest: Option<Hash>, split: usize| {
                let mut cipher = Decryption::new(backend, &key, iv);
                let (mut mac, mut digest) = (Hmac::new(backend, &key), digest);
                let mut out = b"before".to_vec();
                let (signed, sealed) = (steps(&token[..count * STEP]), steps(&token[lead..]));
                for (signed, sealed) in signed.chunks(split).zip(sealed.chunks(split)) {
                    cipher.open(signed, sealed, &mut out, &mut mac, digest.as_mut());
                }
                let mut after = [[7; BLOCK]; 3];
                cipher.decrypt(&mut after);
                (out, after, mac.inner.state, mac.inner.len, digest.map(|digest| digest.finish(b"x")))
            };
            for digest in [false, true] {
                let hash = |backend| digest.then(|| Hash::new(backend));
                let portable = run(Backend::Portable, hash(Backend::Portable), 100);
                for (backend, split) in
                    backends().into_iter().flat_map(|backend| [1, 2, 3, 7, 100].map(|split| (backend, split)))
                {
                    let context = format!("{count} {lead} {split}, {}", backend.name());
                    assert_eq!(run(backend, hash(backend), split), portable, "{context}");
                }
                let (out, _, _, _, digest) = portable;
                // The portable back end agrees with the crates.
                let mut expected = token[lead..].to_vec();
                let blocks = Array::cast_slice_from_core_mut(expected.as_chunks_mut().0);
                cbc::Decryptor::<Aes128>::new((&key).into(), &iv.into()).decrypt_blocks(blocks);
                assert_eq!(out[6..], expected[..out.len() - 6], "{count} {lead}");
                if let Some(digest) = digest {
                    let plain = [&out[6..], b"x"].concat();
                    assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(plain)));
                }
            }
        }
    }
}

#[test]
fn what_was_sealed_opens() {
    for backend in backends() {
        let (key, iv) = (random(16).try_into().unwrap(), random(16).try_into().unwrap());
        let plain = random(20 * STEP);
        let mut token = random(LAG);
        token.extend_from_slice(&plain);
        let mut mac = Hmac::new(backend, &key);
        Encryption::new(backend, &key, iv).seal(steps(&plain), &mut token, &mut mac, None);
        let (mut out, mut mac) = (Vec::new(), Hmac::new(backend, &key));
        let sealed = steps(&token[LAG..]);
        Decryption::new(backend, &key, iv).open(sealed, sealed, &mut out, &mut mac, None);
        assert_eq!(out, plain, "{}", backend.name());
    }
}

#[test]
#[should_panic(expected = "some steps before")]
fn a_token_without_its_lag_panics() {
    let mut mac = Hmac::new(Backend::best(), &[0; 16]);
    let mut token = [0; STEP + LAG - 1];
    Encryption::new(Backend::best(), &[0; 16], [0; 16]).seal(&[[0; STEP]], &mut token, &mut mac, None);
}

#[test]
#[should_panic(expected = "as much is signed")]
fn signed_and_decrypted_steps_are_equally_many() {
    let mut mac = Hmac::new(Backend::best(), &[0; 16]);
    let mut cipher = Decryption::new(Backend::best(), &[0; 16], [0; 16]);
    cipher.open(&[], &[[0; STEP]], &mut Vec::new(), &mut mac, None);
}
