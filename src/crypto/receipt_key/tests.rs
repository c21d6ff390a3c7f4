#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::crypto::identity::{CERTIFICATE_FILE, Identity, PRIVATE_KEY_FILE};
use crate::crypto::testing::{AUTHORITY, RSA_2048};
use crate::crypto::{challenge, receipt};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Creates a folder with the assignment's identity and these receipt key files.
fn folder(certificate: Option<&[u8]>, key: Option<&[u8]>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in [CERTIFICATE_FILE, PRIVATE_KEY_FILE] {
        fs::copy(fixtures().join("identity-v1").join(name), folder.path().join(name)).unwrap();
    }
    for (name, text) in [(RECEIPT_CERTIFICATE_FILE, certificate), (RECEIPT_PRIVATE_KEY_FILE, key)] {
        if let Some(text) = text {
            fs::write(folder.path().join(name), text).unwrap();
        }
    }
    folder
}

fn read(path: &str) -> Vec<u8> {
    fs::read(fixtures().join(path)).unwrap()
}

#[test]
fn the_receipt_key_is_loaded_beside_the_servers() {
    let (certificate, key) =
        (read("identity-v1/receipt_signed.crt"), read("identity-v1/receipt_private_key.pem"));
    let both = folder(Some(&certificate), Some(&key));
    let identity = Identity::load(both.path()).unwrap();
    let receipts = identity.receipt_key().unwrap();
    assert_eq!(receipts.certificate_pem(), certificate);
    assert_eq!(receipts.public().bits(), 2048);
    assert_ne!(*receipts.public(), identity.server_key());
    // Without them there is one key; a private key alone waits for its certificate.
    for (certificate, key) in [(None, None), (None, Some(&key[..]))] {
        assert!(Identity::load(folder(certificate, key).path()).unwrap().receipt_key().is_none());
    }
}

#[test]
fn a_receipt_key_that_is_not_this_servers_is_refused_with_its_reason() {
    let key = read("identity-v1/receipt_private_key.pem");
    let server_key = read("identity-v1/server_private_key.pem");
    let other_key = read("rsa/key-2048.pem");
    for (what, certificate, key, why) in [
        ("another subject", "receipts/another-subject.crt", &key, "its subject is not the server's"),
        (
            "the server's own key",
            "identity-v1/server_signed.crt",
            &server_key,
            "unsupported key size: 1024 bits",
        ),
        ("another private key", "identity-v1/receipt_signed.crt", &other_key, "is not its private key"),
        ("no certificate", "identity-v1/receipt_private_key.pem", &key, "-----BEGIN CERTIFICATE-----"),
    ] {
        let error =
            Identity::load(folder(Some(&read(certificate)), Some(key)).path()).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(RECEIPT_CERTIFICATE_FILE), "{what}: {error}");
    }
    let missing =
        Identity::load(folder(Some(&read("identity-v1/receipt_signed.crt")), None).path()).unwrap_err();
    assert!(missing.to_string().contains(RECEIPT_PRIVATE_KEY_FILE), "{missing}");
    // The server's key, where it is long enough for a receipt key.
    let pem = AUTHORITY.issue("x", 2048, 30).unwrap();
    let error =
        ReceiptKey::from_pem(&pem.certificate_pem, &pem.private_key_pem, pem.certificate_pem.as_bytes())
            .unwrap_err();
    assert!(error.to_string().contains("it certifies the server's own key"), "{error}");
    let receipts = AUTHORITY.issue_receipt_key("Test server", 2048, 30).unwrap();
    ReceiptKey::from_pem(&receipts.certificate_pem, &receipts.private_key_pem, RSA_2048.certificate_pem())
        .unwrap();
}

#[test]
fn it_signs_receipts_only() {
    let identity = Identity::load(&fixtures().join("identity-v1")).unwrap();
    let receipts = identity.receipt_key().unwrap();
    let signature = receipts.sign(b"statement").unwrap();
    assert!(receipt::verify(receipts.public(), "statement", &signature));
    assert!(!receipt::verify(&identity.server_key(), "statement", &signature));
    // AP accepts any salt, but only from the key of the server's certificate.
    assert!(challenge::verify(&identity.server_key(), b"statement", &signature).is_err());
    let shown = format!("{receipts:?}");
    assert!(shown.starts_with("ReceiptKey { public: ServerKey(2048 bits, ") && shown.len() < 150, "{shown}");
}
