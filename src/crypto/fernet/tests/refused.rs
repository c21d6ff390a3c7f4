//! Tokens that are refused.

use super::*;

#[test]
fn refuses_the_invalid_tokens_of_the_specification() {
    // invalid.json, except for the two cases about the clock.
    for (what, token) in [
        (
            "incorrect mac",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==",
        ),
        ("too short", "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA=="),
        (
            "invalid base64",
            "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
        ),
        (
            "payload size not multiple of block size",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm",
        ),
        (
            "payload padding error",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw==",
        ),
        (
            "incorrect IV (causes padding error)",
            "gAAAAAAdwJ6xBQECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAkLhFLHpGtDBRLRTZeUfWgHSv49TF2AUEZ1TIvcZjK1zQ==",
        ),
    ] {
        assert!(open(token.as_bytes()).is_err(), "{what}");
    }
}

#[test]
fn every_changed_byte_is_detected() {
    for body in
        [token(b"a secret of 23 bytes...."), token(b""), token(&[7; 16]), raw_token(b"raw"), raw_token(b"")]
    {
        assert!(open(&body).is_ok());
        for at in 0..body.len() {
            for change in [1, 0x20, 0x80] {
                let mut body = body.clone();
                body[at] ^= change;
                assert_eq!(open(&body), Err(OpenError::Rejected), "{at} {change}");
            }
        }
    }
}

#[test]
fn a_change_anywhere_in_a_large_token_is_detected() {
    // In the order of the sizes: within one piece, and over many.
    for (size, places) in [(5000, 2000), (200_000, 10_000)] {
        let mut body = token(&random(size));
        let len = body.len() as u64;
        let step = body.len() / places;
        let mut plain = Vec::new();
        let mut rejected = 0;
        for place in 0..places {
            let at = place * step + getrandom::u32().unwrap() as usize % step;
            let was = body[at];
            // Another character of the alphabet, so that the HMAC detects the change.
            body[at] = if was == b'A' { b'B' } else { b'A' };
            plain.clear();
            let mut opener = TokenOpener::new(&key(), len, FileDigest::None).unwrap();
            opener.open(&body, &mut plain).unwrap();
            rejected += usize::from(opener.finish(&mut plain) == Err(OpenError::Rejected));
            body[at] = was;
        }
        assert_eq!(rejected, places);
        assert!(open(&body).is_ok());
    }
}

#[test]
fn every_truncation_is_detected() {
    for body in [token(&random(40)), raw_token(&random(40))] {
        for len in 0..body.len() {
            assert!(open(&body[..len]).is_err(), "announced {len}");
            let mut opener = TokenOpener::new(&key(), body.len() as u64, FileDigest::Sha256).unwrap();
            let mut plain = Vec::new();
            opener.open(&body[..len], &mut plain).unwrap();
            let short = OpenError::Short { promised: body.len() as u64, got: len as u64 };
            assert_eq!(opener.finish(&mut plain), Err(short), "cut at {len}");
        }
    }
}

#[test]
fn more_bytes_than_announced_are_detected() {
    let body = token(b"x");
    let mut opener = TokenOpener::new(&key(), body.len() as u64, FileDigest::Sha256).unwrap();
    let mut plain = Vec::new();
    opener.open(&body, &mut plain).unwrap();
    assert_eq!(opener.open(b"A", &mut plain), Err(OpenError::Long { promised: body.len() as u64 }));
}

#[test]
fn another_key_is_rejected() {
    for body in [token(b"x"), raw_token(b"x"), token(&random(100_000))] {
        let opener =
            TokenOpener::new(&SessionKey::generate(), body.len() as u64, FileDigest::Sha256).unwrap();
        assert_eq!(open_all(opener, &[&body]), Err(OpenError::Rejected));
    }
}

#[test]
fn base64_is_strict() {
    for size in [0, 16, 32, 48] {
        let body = token(&random(size));
        assert!(open(&body).is_ok());
        let signs = String::from_utf8_lossy(&body).matches('=').count();
        let mut bad = vec![];
        // Another spelling of the same bytes: nonzero bits after the last one.
        if signs > 0 {
            let mut other = body.clone();
            let last = other.len() - signs - 1;
            other[last] = match other[last] {
                b'A' => b'B',
                b'Q' => b'R',
                b'g' => b'h',
                b'w' => b'x',
                c => c + 1,
            };
            bad.push(other);
            let mut unpadded = body.clone();
            unpadded.truncate(body.len() - signs);
            bad.push(unpadded);
        }
        // `=` in the middle, standard alphabet, white space.
        for (at, c) in [(40, b'='), (41, b'+'), (43, b'/'), (20, b'\n'), (60, b' '), (63, 0), (59, 0xff)] {
            let mut other = body.clone();
            other[at] = c;
            bad.push(other);
        }
        let mut longer = body.clone();
        longer.push(b'\n');
        bad.push(longer);
        for bad in bad {
            assert!(open(&bad).is_err(), "{size} {}", String::from_utf8_lossy(&bad));
        }
    }
}

#[test]
fn a_padding_that_is_wrong_under_a_right_hmac_is_rejected() {
    for last in [0, 17, 255, 2, 16] {
        let mut block = [1; BLOCK];
        block[BLOCK - 1] = last;
        let iv = [9; IV_LEN];
        let mut body = iv.to_vec();
        let mut blocks = [Array::from(block)];
        cbc::Encryptor::<Aes128>::new(key().encryption().into(), &iv.into()).encrypt_blocks(&mut blocks);
        body.extend_from_slice(&blocks[0]);
        let mut mac = ::hmac::Hmac::<sha2::Sha256>::new_from_slice(key().signing()).unwrap();
        mac.update(&body);
        body.extend_from_slice(&mac.finalize().into_bytes());
        assert_eq!(open(&body), Err(OpenError::Rejected), "{last}");
    }
}

#[test]
fn the_last_block_is_not_released_before_the_hmac_is_checked() {
    let plain = random(16 * 5);
    let mut body = token(&plain);
    let mut opener = TokenOpener::new(&key(), body.len() as u64, FileDigest::Sha256).unwrap();
    let mut out = Vec::new();
    opener.open(&body, &mut out).unwrap();
    assert_eq!(out, plain, "the sixth block is padding");
    // The tag is changed: `finish` must not append what it would append otherwise.
    let plain = random(16 * 5 + 3);
    body = token(&plain);
    let at = body.len() - 10;
    body[at] = if body[at] == b'A' { b'B' } else { b'A' };
    out.clear();
    let mut opener = TokenOpener::new(&key(), body.len() as u64, FileDigest::Sha256).unwrap();
    opener.open(&body, &mut out).unwrap();
    assert_eq!(opener.finish(&mut out), Err(OpenError::Rejected));
    assert_eq!(out, plain[..16 * 5]);
}

#[test]
fn lengths_that_no_token_has_are_refused_at_once() {
    let lengths: Vec<u64> = (0..=64).map(|plain| token_len(plain).unwrap()).collect();
    for body_len in 0..=200 {
        let raw = body_len >= 64 && body_len % 16 == 0;
        let expected = raw || lengths.contains(&body_len);
        assert_eq!(TokenOpener::new(&key(), body_len, FileDigest::Sha256).is_ok(), expected, "{body_len}");
    }
    assert!(TokenOpener::new(&key(), u64::MAX, FileDigest::Sha256).is_err());
    assert!(
        TokenOpener::new(&key(), u64::MAX - 3, FileDigest::Sha256).is_ok()
            == (Form::fernet(u64::MAX - 3).is_some())
    );
}
