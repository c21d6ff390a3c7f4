//! Tests of a pin, alone and beside a CA.

use super::super::tests::{CA, GOOD_V1, GOOD_V3, NOW};
use super::*;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/", $name)).as_slice()
    };
}

fn pin_of(certificate: &[u8]) -> Digest {
    crate::trust::key(certificate).unwrap().fingerprint()
}

#[test]
fn a_pin_alone_accepts_its_key_and_says_that_no_ca_was_checked() {
    let (key, proof) = Anchor::pinned(pin_of(GOOD_V3)).check(GOOD_V3, NOW).unwrap();
    assert_eq!(proof.fingerprint, key.fingerprint().to_string());
    assert_eq!(proof.warnings, ["the key has only 1024 bits; use 2048 or more", NO_CA]);
    assert!(!proof.certified);
    assert!(Anchor::from_pem(CA).unwrap().check(GOOD_V3, NOW).unwrap().1.certified);
}

#[test]
fn a_pin_alone_refuses_another_key_of_the_same_name_and_the_same_ca() {
    for anchor in [Anchor::pinned(pin_of(GOOD_V1)), Anchor::from_pem(CA).unwrap().with_pin(pin_of(GOOD_V1))] {
        for other in [fixture!("trust/bits-1025.crt"), fixture!("trust/bits-2048.crt")] {
            let error = anchor.check(other, NOW).unwrap_err();
            let (key, pin) = (pin_of(other), pin_of(GOOD_V1));
            assert_ne!(key, pin);
            assert_eq!(
                error.to_string(),
                format!("the server's key is sha256:{key}, but the pin is sha256:{pin}")
            );
        }
    }
}

/// The pin names the key. A relay can write the rest of the certificate, so it can only be a warning.
#[test]
fn with_a_pin_alone_dates_issuer_and_use_are_warnings() {
    for (certificate, warning) in [
        (fixture!("trust/expired.crt"), "the certificate expired on "),
        (fixture!("trust/not-yet.crt"), "the certificate is not valid before "),
        (fixture!("trust/code-signing.crt"), "the certificate is for another use"),
        (fixture!("trust/critical.crt"), "an unsupported critical extension"),
        (fixture!("trust/self-signed.crt"), NO_CA),
        (fixture!("trust/wrong-ca.crt"), NO_CA),
        (fixture!("trust/md5.crt"), NO_CA),
    ] {
        let (_, proof) = Anchor::pinned(pin_of(certificate)).check(certificate, NOW).unwrap();
        assert!(
            proof.warnings.iter().any(|text| text.as_str().contains(warning)),
            "{warning}: {:?}",
            proof.warnings
        );
        assert!(!proof.certified);
        // A CA beside the pin still refuses all of them.
        let both = Anchor::from_pem(CA).unwrap().with_pin(pin_of(certificate));
        assert!(both.check(certificate, NOW).is_err(), "{warning}");
    }
}

#[test]
fn a_pin_alone_refuses_what_is_no_certificate_or_has_a_short_key() {
    let pin = Anchor::pinned(pin_of(GOOD_V3));
    let text = str::from_utf8(GOOD_V3).unwrap();
    let twice = format!("{text}{text}");
    for garbage in [&b""[..], b"garbage", &GOOD_V3[..GOOD_V3.len() / 2], twice.as_bytes(), &[0xff; 4096]] {
        assert!(pin.check(garbage, NOW).is_err());
    }
    let short = fixture!("trust/bits-768.crt");
    let parsed = Certificate::from_pem(short).unwrap();
    let fingerprint = Digest::of(parsed.parsed().unwrap().public_key().raw);
    let error = Anchor::pinned(fingerprint).check(short, NOW).unwrap_err();
    assert!(matches!(error, TrustError::TooShort { bits: 768 }), "{error}");
}

#[test]
fn a_pin_alone_accepts_no_receipt_key() {
    let receipts = fixture!("trust/v3.crt");
    let error = Anchor::pinned(pin_of(receipts)).check_for(Purpose::Receipts, receipts, NOW).unwrap_err();
    assert!(matches!(error, TrustError::ReceiptKeyWithoutCa), "{error}");
}
