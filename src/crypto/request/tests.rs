use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::clock::unix_seconds;
use crate::crypto::identity::{CA_FILE, CA_PRIVATE_KEY_FILE, Identity};
use crate::crypto::receipt_key::RECEIPT_CERTIFICATE_FILE;
use crate::trust::Anchor;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/fixtures/requests/", $name))
    };
}

fn authority() -> Authority {
    Authority::new("TEST CA", 30).unwrap()
}

#[test]
fn a_request_becomes_an_identity_that_the_ca_s_clients_accept() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("ca"), folder.path().join("server"));
    let written = csr(&theirs, "Größe, \"7\"", 1024).unwrap();
    assert_eq!(written, [theirs.join(PRIVATE_KEY_FILE), theirs.join(REQUEST_FILE)]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&written[0]), mode(&written[1])), (0o600, 0o644));

    crate::crypto::authority::init(&ours, 1024, 30).unwrap();
    let ca = Authority::load(&ours.join(CA_FILE), &ours.join(CA_PRIVATE_KEY_FILE)).unwrap();
    let pem = sign(&load(&written[1]).unwrap(), &ca, 30).unwrap();
    write_certificate(&theirs.join(CERTIFICATE_FILE), &pem).unwrap();
    let again = write_certificate(&theirs.join(CERTIFICATE_FILE), &pem).unwrap_err();
    assert!(matches!(again, IdentityError::Exists { .. }), "{again}");

    let identity = Identity::load(&theirs).expect("key and certificate are a pair");
    let anchor = Anchor::load(&ours.join(CA_FILE)).unwrap();
    let (key, proof) = anchor.check(identity.certificate_pem(), unix_seconds()).unwrap();
    assert_eq!(key, identity.server_key());
    assert_eq!(crate::trust::facts::common_name(pem.as_bytes()).as_deref(), Some("Größe, \"7\""));
    assert!((29..=30).contains(&proof.days_left), "{proof:?}");
}

#[test]
fn a_receipt_keys_request_becomes_a_certificate_for_receipts_only() {
    let folder = tempfile::tempdir().unwrap();
    let (theirs, ca) = (folder.path().join("server"), authority());
    let anchor = Anchor::from_pem(ca.certificate_pem().as_bytes()).unwrap();
    let without = receipt_csr(&theirs, 2048).unwrap_err();
    assert!(
        matches!(&without, IdentityError::Unreadable { path, .. } if path.ends_with(CERTIFICATE_FILE)),
        "{without}"
    );
    csr(&theirs, "Group 7", 1024).unwrap();
    assert!(matches!(receipt_csr(&theirs, 2047), Err(IdentityError::ReceiptKeySize { bits: 2047 })));

    // The subject comes from the server's request before it has its certificate, and from the certificate afterwards.
    for signed in [false, true] {
        let written = receipt_csr(&theirs, 2048).unwrap();
        assert_eq!(written, [theirs.join(RECEIPT_PRIVATE_KEY_FILE), theirs.join(RECEIPT_REQUEST_FILE)]);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&written[0]), mode(&written[1])), (0o600, 0o644));
        let again = receipt_csr(&theirs, 2048).unwrap_err();
        assert!(matches!(again, IdentityError::Exists { .. }), "{again}");
        if !signed {
            let pem = sign(&load(&theirs.join(REQUEST_FILE)).unwrap(), &ca, 30).unwrap();
            write_certificate(&theirs.join(CERTIFICATE_FILE), &pem).unwrap();
            assert!(Identity::load(&theirs).unwrap().receipt_key().is_none(), "its CA has not answered yet");
            for path in &written {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
    let pem = sign(&load(&theirs.join(RECEIPT_REQUEST_FILE)).unwrap(), &ca, 30).unwrap();
    write_certificate(&theirs.join(RECEIPT_CERTIFICATE_FILE), &pem).unwrap();
    let identity = Identity::load(&theirs).unwrap();
    let receipts = identity.receipt_key().unwrap();
    let (key, proof) = anchor.check_for(Purpose::Receipts, pem.as_bytes(), unix_seconds()).unwrap();
    assert_eq!((&key, proof.subject.as_str()), (receipts.public(), "CN=Group 7"));
    assert!(crate::trust::facts::facts(pem.as_bytes()).unwrap().is_for_receipts);
    assert!(!crate::trust::facts::facts(identity.certificate_pem()).unwrap().is_for_receipts);
    // Neither certificate can replace the other.
    assert!(anchor.check(pem.as_bytes(), unix_seconds()).is_err());
    assert!(anchor.check_for(Purpose::Receipts, identity.certificate_pem(), unix_seconds()).is_err());
}

#[test]
fn nothing_is_ever_overwritten() {
    for there in [PRIVATE_KEY_FILE, REQUEST_FILE] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(there), "mine").unwrap();
        let error = csr(folder.path(), "x", 1024).unwrap_err();
        assert!(matches!(error, IdentityError::Exists { .. }), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(std::fs::read_to_string(folder.path().join(there)).unwrap(), "mine");
    }
}

#[test]
fn a_request_made_by_openssl_is_signed_for_its_subject_only() {
    let ca = authority();
    let pem = sign(fixture!("openssl.csr"), &ca, 7).unwrap();
    let anchor = Anchor::from_pem(ca.certificate_pem().as_bytes()).unwrap();
    let (key, proof) = anchor.check(pem.as_bytes(), unix_seconds()).unwrap();
    assert_eq!((proof.subject.as_str(), key.bits()), ("CN=Group 7 server,O=Group 7,C=SG", 1024));
    let der = crate::crypto::certificate::Certificate::from_pem(pem.as_bytes()).unwrap();
    let parsed = der.parsed().unwrap();
    assert!(parsed.subject_alternative_name().unwrap().is_none());
    assert!(!parsed.basic_constraints().unwrap().unwrap().value.ca);
}

#[test]
fn a_request_that_proves_nothing_is_refused() {
    let ca = authority();
    let signed = |pem: &[u8]| sign(pem, &ca, 7).map(|_| ()).unwrap_err();
    assert!(matches!(signed(fixture!("short.csr")), RequestError::Key));
    assert!(matches!(signed(fixture!("ec.csr")), RequestError::Key));
    let weak = signed(fixture!("sha1.csr"));
    assert!(matches!(&weak, RequestError::Algorithm { algorithm } if algorithm == "1.2.840.113549.1.1.5"));
    assert!(matches!(signed(fixture!("no-subject.csr")), RequestError::NoSubject));
    for text in [&b""[..], b"hello", b"\xff", ca.certificate_pem().as_bytes()] {
        assert!(matches!(signed(text), RequestError::NotARequest { .. }));
    }
    let twice = [&fixture!("openssl.csr")[..], &fixture!("openssl.csr")[..]].concat();
    assert!(matches!(signed(&twice), RequestError::NotAlone));

    let own = request(Purpose::Server, ca.name().clone(), new_key(1024).unwrap()).unwrap();
    assert!(matches!(signed(own.as_bytes()), RequestError::NamesTheCa));

    // Another subject or another key under the same signature.
    let genuine = parse(fixture!("openssl.csr")).unwrap();
    let mut renamed = genuine.clone();
    renamed.info.subject = name("another subject").unwrap();
    let mut rekeyed = genuine;
    rekeyed.info.public_key = SubjectPublicKeyInfo::from_key(new_key(1024).unwrap().as_public_key()).unwrap();
    for forged in [renamed, rekeyed] {
        let pem = forged.to_pem(LineEnding::LF).unwrap();
        assert!(matches!(signed(pem.as_bytes()), RequestError::BadSignature));
    }
}

#[test]
fn a_ca_is_loaded_only_with_its_own_key() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    crate::crypto::authority::init(&one, 1024, 30).unwrap();
    crate::crypto::authority::init(&other, 1024, 30).unwrap();
    let load = |certificate: &Path, key: &Path| Authority::load(certificate, key).map(|_| ()).unwrap_err();
    let error = load(&one.join(CA_FILE), &other.join(CA_PRIVATE_KEY_FILE));
    let IdentityError::Mismatch { certified, own, .. } = &error else { panic!("{error}") };
    for (fingerprint, ca) in [(certified, &one), (own, &other)] {
        let pem = std::fs::read(ca.join(CA_FILE)).unwrap();
        let der = crate::crypto::certificate::Certificate::from_pem(&pem).unwrap();
        let key = crate::digest::Digest::of(der.parsed().unwrap().public_key().raw);
        assert_eq!(*fingerprint, key.to_string());
    }
    let error = load(&one.join(CERTIFICATE_FILE), &one.join(PRIVATE_KEY_FILE));
    assert!(matches!(error, IdentityError::NotACa { .. }), "{error}");
    let error = load(&one.join(CA_PRIVATE_KEY_FILE), &one.join(CA_PRIVATE_KEY_FILE));
    assert!(matches!(error, IdentityError::NotACa { .. }), "{error}");
}

#[test]
fn requests_with_longer_hashes_are_signed() {
    for pem in [&fixture!("sha384.csr")[..], fixture!("sha512.csr")] {
        sign(pem, &authority(), 7).unwrap();
        // One byte of the signature.
        let mut other = parse(pem).unwrap();
        let mut bytes = other.signature.raw_bytes().to_vec();
        bytes[64] ^= 1;
        other.signature = x509_cert::der::asn1::BitString::from_bytes(&bytes).unwrap();
        let error = sign(other.to_pem(LineEnding::LF).unwrap().as_bytes(), &authority(), 7).unwrap_err();
        assert!(matches!(error, RequestError::BadSignature), "{error}");
    }
}

#[test]
fn a_short_key_is_not_certified_for_receipts() {
    let short = request(Purpose::Receipts, name("Group 7").unwrap(), new_key(1024).unwrap()).unwrap();
    let error = sign(short.as_bytes(), &authority(), 7).unwrap_err();
    assert!(matches!(error, RequestError::Identity(IdentityError::ReceiptKeySize { bits: 1024 })), "{error}");
}
