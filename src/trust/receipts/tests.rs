#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::crypto::receipt::RECEIPT_MAX;

/// 2026-11-28, when the fixtures' receipts were given.
const NOW: i64 = 1_795_824_000;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/", $name))
    };
}

fn anchor() -> Anchor {
    Anchor::from_pem(fixture!("identity-v1/cacsertificate.crt").as_bytes()).unwrap()
}

fn check(receipts: Option<&str>) -> Result<Signers, TrustError> {
    let certificates = Certificates {
        server: fixture!("identity-v1/server_signed.crt").to_owned(),
        receipts: receipts.map(str::to_owned),
    };
    anchor().check_signers(&certificates, NOW)
}

type Is = fn(&TrustError) -> bool;

#[test]
fn both_certificates_must_be_valid_and_for_one_server_with_two_keys() {
    // Version 1, where nothing limits the use, and version 3, for receipts.
    for pem in [fixture!("identity-v1/receipt_signed.crt"), fixture!("receipts/receipts.crt")] {
        let signers = check(Some(pem)).unwrap();
        let receipts = signers.receipts.as_ref().unwrap();
        assert_eq!((signers.server.key.bits(), receipts.key.bits()), (1024, 2048));
        assert_eq!(signers.server.proof.subject, receipts.proof.subject);
        assert_eq!(*signers.signer(), receipts.key);
    }
    let alone = check(None).unwrap();
    assert!(alone.receipts.is_none());
    assert_eq!(*alone.signer(), alone.server.key);

    let cases: [(&str, &str, Is); 8] = [
        ("another subject", fixture!("receipts/another-subject.crt"), |e| {
            matches!(e, TrustError::AnotherSubject { .. })
        }),
        ("another CA", fixture!("receipts/other-ca.crt"), |e| matches!(e, TrustError::WrongCa { .. })),
        ("expired", fixture!("receipts/expired.crt"), |e| matches!(e, TrustError::Expired { .. })),
        ("may decrypt", fixture!("receipts/v3.crt"), |e| matches!(e, TrustError::MayDecrypt)),
        ("of a TLS server", fixture!("receipts/server-auth.crt"), |e| {
            matches!(e, TrustError::OtherUse { lacks: "documentSigning", .. })
        }),
        ("of code", fixture!("receipts/code-signing.crt"), |e| {
            matches!(e, TrustError::OtherUse { lacks: "documentSigning", .. })
        }),
        ("the server's own", fixture!("identity-v1/server_signed.crt"), |e| {
            matches!(e, TrustError::ReceiptKeyTooShort { bits: 1024 })
        }),
        ("no certificate", "nothing", |e| matches!(e, TrustError::NotACertificate(_))),
    ];
    for (what, pem, is_it) in cases {
        let error = check(Some(pem)).err().unwrap_or_else(|| panic!("accepted: {what}"));
        assert!(is_it(&error), "{what}: {error}");
    }
    // The same key on both sides, which is long enough.
    let receipts = fixture!("identity-v1/receipt_signed.crt").to_owned();
    let twice = Certificates { server: receipts.clone(), receipts: Some(receipts) };
    assert!(matches!(anchor().check_signers(&twice, NOW), Err(TrustError::NotApart)));
}

#[test]
fn receipts_of_earlier_versions_verify_by_the_servers_only_key() {
    let anchor = Anchor::from_pem(fixture!("receipts/before-ca.crt").as_bytes()).unwrap();
    for text in [fixture!("receipts/before-cp2.receipt"), fixture!("receipts/before-ap.receipt")] {
        assert!((text.len() as u64) < RECEIPT_MAX);
        let receipt = Receipt::parse(text).unwrap();
        assert_eq!(receipt.to_text(), text, "every byte is kept");
        let signers = anchor.check_signers(&receipt.certificates, receipt.statement.time).unwrap();
        assert!(signers.receipts.is_none());
        assert!(signers.is_key_named(&receipt) && signers.is_receipt_key_named(&receipt));
        assert!(signers.is_signed(&receipt));
    }
}
