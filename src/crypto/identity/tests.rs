#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::clock::unix_seconds;
use crate::crypto::authority::{init, throwaway, throwaway_of};
use crate::crypto::certificate::{CERTIFICATE_MAX, Purpose};
use crate::crypto::challenge::SigningError;
use crate::crypto::receipt_key::{RECEIPT_CERTIFICATE_FILE, RECEIPT_PRIVATE_KEY_FILE};
use crate::crypto::rsa_blocks::BlockSealer;
use crate::crypto::testing::{AUTHORITY, RSA_1024, RSA_2048, issued, opener, random};
use crate::digest::FileDigest;
use crate::event::{KeyForm, Padding};
use crate::trust::Anchor;

const BOTH: [Padding; 2] = [Padding::Oaep, Padding::Pkcs1v15];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/identity-v1")
}

/// Encrypts a message with the public key.
fn wrapped(identity: &Identity, padding: Padding, message: &[u8]) -> Vec<u8> {
    use crate::crypto::Seal as _;
    let mut blob = Vec::new();
    let mut sealer =
        BlockSealer::new(identity.server_key(), padding, message.len() as u64, FileDigest::Sha256);
    sealer.seal(message, &mut blob).unwrap();
    sealer.finish(&mut blob).unwrap();
    blob
}

#[test]
fn a_session_key_survives_its_wrapping() {
    for identity in [&*RSA_1024, &*RSA_2048] {
        for padding in BOTH {
            let key = SessionKey::generate();
            for form in [KeyForm::Fernet, KeyForm::Raw] {
                let blob = identity.server_key().wrap_session_key(&key, form, padding).unwrap();
                assert_eq!(blob.len(), identity.modulus_bytes());
                assert!(
                    identity.unwrap_session_key(&blob, Paddings::EITHER).key.ct_eq(&key),
                    "{form:?} {padding}"
                );
            }
        }
    }
}

#[test]
fn a_raw_session_key_is_understood() {
    for padding in BOTH {
        let bytes: [u8; 32] = random(32).try_into().unwrap();
        let blob = wrapped(&RSA_1024, padding, &bytes);
        assert!(
            RSA_1024.unwrap_session_key(&blob, Paddings::EITHER).key.ct_eq(&SessionKey::from_raw(&bytes))
        );
    }
}

/// Checks that `blob` gives a different key each time, which its sender cannot know.
fn gives_a_random_key(blob: &[u8], known: Option<&SessionKey>) {
    let one = RSA_1024.unwrap_session_key(blob, Paddings::EITHER).key;
    assert!(!one.ct_eq(&RSA_1024.unwrap_session_key(blob, Paddings::EITHER).key));
    assert!(known.is_none_or(|known| !one.ct_eq(known)));
}

#[test]
fn an_invalid_session_key_becomes_a_random_one() {
    let text = SessionKey::generate().to_base64url();
    let key = SessionKey::from_base64url(text.as_bytes()).unwrap();
    for padding in BOTH {
        for message in [
            &b""[..],
            b"x",
            &[0; 31],
            &[0; 33],
            &text.as_bytes()[..43],
            format!("{}=", text.as_str()).as_bytes(),
            format!("x{}", text.as_str()).as_bytes(),
            format!("{}\n", &text[..43]).as_bytes(),
            format!("+{}", &text[1..]).as_bytes(),
        ] {
            gives_a_random_key(&wrapped(&RSA_1024, padding, message), Some(&key));
        }
    }
}

#[test]
fn a_blob_that_does_not_decrypt_becomes_a_random_key() {
    let key = SessionKey::generate();
    let other = issued(1024);
    for padding in BOTH {
        let blob = RSA_1024.server_key().wrap_session_key(&key, KeyForm::Fernet, padding).unwrap();
        gives_a_random_key(&blob[..127], Some(&key));
        gives_a_random_key(&[&blob[..], &[0]].concat(), Some(&key));
        gives_a_random_key(
            &other.server_key().wrap_session_key(&key, KeyForm::Fernet, padding).unwrap(),
            Some(&key),
        );
        for at in 0..blob.len() {
            let mut blob = blob.clone();
            blob[at] ^= 1;
            gives_a_random_key(&blob, Some(&key));
        }
    }
    for blob in [&[][..], &[0; 128], &[0xff; 128], &[0; 16]] {
        gives_a_random_key(blob, None);
    }
    gives_a_random_key(&RSA_1024.key.n_bytes(), None);
}

#[test]
fn the_files_of_the_assignment_are_loaded() {
    let identity = Identity::load(&fixtures()).unwrap();
    assert_eq!(identity.modulus_bytes(), 128);
    assert!(identity.certificate_pem().starts_with(b"-----BEGIN CERTIFICATE-----"));
    let anchor = Anchor::load(&fixtures().join(CA_FILE)).unwrap();
    let (key, _) = anchor.check(identity.certificate_pem(), 1_767_225_600).unwrap();
    assert_eq!(key, identity.server_key());
    let signature = identity.sign(b"message").unwrap();
    challenge::verify(&key, b"message", &signature).unwrap();
    let session = SessionKey::generate();
    let blob = key.wrap_session_key(&session, KeyForm::Fernet, Padding::Oaep).unwrap();
    assert!(identity.unwrap_session_key(&blob, Paddings::EITHER).key.ct_eq(&session));
}

#[test]
fn a_session_key_wrapped_by_openssl_is_understood() {
    use crate::crypto::Open as _;
    let identity = Arc::new(Identity::load(&fixtures()).unwrap());
    let message = b"made by OpenSSL";
    for (file, padding) in [("test_oaep.bin", Padding::Oaep), ("test_pkcs1v15.bin", Padding::Pkcs1v15)] {
        let block = std::fs::read(fixtures().join(file)).unwrap();
        for (accepted, opens) in [
            (Paddings::EITHER, true),
            (Paddings::EITHER.only(Padding::Oaep), padding == Padding::Oaep),
            (Paddings::EITHER.only(Padding::Pkcs1v15), padding == Padding::Pkcs1v15),
        ] {
            let mut opener = opener(&identity, accepted);
            let mut plain = Vec::new();
            opener.open(&block, &mut plain).unwrap();
            assert_eq!(opener.finish(&mut plain).is_ok() && plain == message, opens, "{file} {accepted:?}");
        }
    }
    for file in ["test_pss_max.bin", "test_pss_32.bin", "test_pss_0.bin"] {
        let signature = std::fs::read(fixtures().join(file)).unwrap();
        challenge::verify(&identity.server_key(), message, &signature).unwrap();
        assert!(challenge::verify(&identity.server_key(), b"another", &signature).is_err());
    }
}

#[test]
fn a_machine_that_computes_wrong_results_signs_nothing_and_says_what_to_do() {
    let identity = Identity::load(&fixtures()).unwrap().on_a_failing_machine();
    identity.sign(b"message").unwrap();
    for error in [identity.sign(b"message").unwrap_err(), identity.sign_receipt(b"statement").unwrap_err()] {
        let fault = SigningError::Machine(BatchError::Fault);
        assert!(matches!(error, IdentityError::Sign { why } if why == fault), "{error}");
        assert_eq!(
            error.to_string(),
            "this machine failed to sign: an RSA operation gave a wrong result, which was discarded; \
             check this machine's memory and CPU"
        );
    }
}

/// Creates a folder with the fixtures' certificate and this private key.
fn folder_with_key(pem: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(fixtures().join(CERTIFICATE_FILE), folder.path().join(CERTIFICATE_FILE)).unwrap();
    std::fs::write(folder.path().join(PRIVATE_KEY_FILE), pem).unwrap();
    folder
}

#[test]
fn a_pkcs_1_key_and_crlf_are_understood() {
    let pem = std::fs::read(fixtures().join("test_pkcs1_key.pem")).unwrap();
    assert!(pem.starts_with(b"-----BEGIN RSA PRIVATE KEY-----"));
    Identity::load(folder_with_key(&pem).path()).unwrap();
    let pem = String::from_utf8(pem).unwrap().replace('\n', "\r\n");
    Identity::load(folder_with_key(pem.as_bytes()).path()).unwrap();
}

#[test]
fn an_unusable_key_is_an_error_with_its_reason() {
    let encrypted = std::fs::read(fixtures().join("test_encrypted_key.pem")).unwrap();
    let error = Identity::load(folder_with_key(&encrypted).path()).unwrap_err();
    assert!(matches!(error, IdentityError::Encrypted { .. }), "{error}");
    let good = std::fs::read(fixtures().join(PRIVATE_KEY_FILE)).unwrap();
    for bad in [&b""[..], b"garbage", &[0xff; 100], &good[..40], &good[..400]] {
        let error = Identity::load(folder_with_key(bad).path()).unwrap_err();
        assert!(matches!(error, IdentityError::NotAKey { .. }), "{error}");
        assert!(error.to_string().contains(PRIVATE_KEY_FILE), "{error}");
    }
    let error = Identity::load(folder_with_key(&vec![b' '; CERTIFICATE_MAX + 1]).path()).unwrap_err();
    assert!(matches!(error, IdentityError::Unreadable { .. }), "{error}");
}

#[test]
fn an_invalid_certificate_is_an_error_with_its_reason() {
    let folder = folder_with_key(&std::fs::read(fixtures().join(PRIVATE_KEY_FILE)).unwrap());
    std::fs::write(folder.path().join(CERTIFICATE_FILE), "garbage").unwrap();
    let error = Identity::load(folder.path()).unwrap_err();
    assert!(matches!(error, IdentityError::NotACertificate { .. }), "{error}");
    assert!(error.to_string().contains(CERTIFICATE_FILE), "{error}");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let other = AUTHORITY.issue("Other", 1024, 30).unwrap();
    let error = Identity::load(folder_with_key(other.private_key_pem.as_bytes()).path()).unwrap_err();
    assert!(matches!(error, IdentityError::Mismatch { .. }), "{error}");
    assert!(error.to_string().contains(PRIVATE_KEY_FILE) && error.to_string().contains(CERTIFICATE_FILE));
}

#[test]
fn missing_files_are_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let error = Identity::load(folder.path()).unwrap_err();
    assert!(matches!(error, IdentityError::Unreadable { .. }));
    assert!(error.to_string().contains("server_signed.crt"), "{error}");
    assert!(error.to_string().contains("upseal certs init"), "{error}");
}

#[test]
fn an_identity_does_not_show_its_key() {
    let shown = format!("{:?}", *RSA_1024);
    assert!(shown.starts_with("Identity { key: ServerKey(1024 bits, "), "{shown}");
    assert!(shown.len() < 150, "{shown}");
}

#[test]
fn the_throwaway_identity_is_certified_by_its_ca() {
    let (identity, ca) = throwaway().unwrap();
    let anchor = Anchor::from_pem(ca.as_bytes()).unwrap();
    let (key, proof) = anchor.check(identity.certificate_pem(), unix_seconds()).unwrap();
    assert_eq!(key, identity.server_key());
    assert_eq!(proof.bits, 1024);
    assert_eq!(proof.subject, "CN=upseal embedded server");
    assert!(proof.issuer.as_str().starts_with("CN=upseal demonstration CA "));
    assert_eq!(proof.warnings, ["the key has only 1024 bits; use 2048 or more"]);
    assert_eq!(proof.days_left, 364 + i64::from(proof.days_left == 365));
    // The receipt key is another key.
    let receipts = identity.receipt_key().unwrap();
    let (key, proof) =
        anchor.check_for(Purpose::Receipts, receipts.certificate_pem(), unix_seconds()).unwrap();
    assert_eq!(
        (&key, proof.bits, proof.subject.as_str()),
        (receipts.public(), 2048, "CN=upseal embedded server")
    );
    assert_eq!(proof.warnings, [""; 0]);
    assert!(throwaway_of(1024).unwrap().0.receipt_key().is_none());
    // The CA of another throwaway identity does not accept it.
    let (_, other) = throwaway().unwrap();
    let other = Anchor::from_pem(other.as_bytes()).unwrap();
    assert!(matches!(
        other.check(identity.certificate_pem(), unix_seconds()),
        Err(crate::trust::TrustError::WrongCa { .. })
    ));
}

#[test]
fn init_creates_a_folder_that_loads() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("deep/certs");
    let written = init(&folder, 1024, 30).unwrap();
    let names = [
        CA_FILE,
        CA_PRIVATE_KEY_FILE,
        CERTIFICATE_FILE,
        PRIVATE_KEY_FILE,
        RECEIPT_CERTIFICATE_FILE,
        RECEIPT_PRIVATE_KEY_FILE,
    ];
    assert_eq!(written, names.map(|name| folder.join(name)));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join(CA_PRIVATE_KEY_FILE)), 0o600);
    assert_eq!(mode(&folder.join(PRIVATE_KEY_FILE)), 0o600);
    assert_eq!(mode(&folder.join(RECEIPT_PRIVATE_KEY_FILE)), 0o600);
    let identity = Identity::load(&folder).unwrap();
    let anchor = Anchor::load(&folder.join(CA_FILE)).unwrap();
    let (_, proof) = anchor.check(identity.certificate_pem(), unix_seconds()).unwrap();
    assert_eq!((proof.bits, proof.days_left), (1024, 29 + i64::from(proof.days_left == 30)));
    let receipts = identity.receipt_key().unwrap();
    let (_, receipts) =
        anchor.check_for(Purpose::Receipts, receipts.certificate_pem(), unix_seconds()).unwrap();
    assert_eq!((receipts.bits, receipts.subject), (2048, proof.subject), "however short the server's is");
}

#[test]
fn init_overwrites_nothing() {
    for there in
        [CA_FILE, CERTIFICATE_FILE, PRIVATE_KEY_FILE, RECEIPT_CERTIFICATE_FILE, RECEIPT_PRIVATE_KEY_FILE]
    {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(there), "mine").unwrap();
        let error = init(folder.path(), 1024, 30).unwrap_err();
        assert!(matches!(&error, IdentityError::Exists { path } if path.ends_with(there)), "{error}");
        assert_eq!(std::fs::read(folder.path().join(there)).unwrap(), b"mine");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    // A dangling link exists, too.
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join(PRIVATE_KEY_FILE)).unwrap();
    assert!(matches!(init(folder.path(), 1024, 30), Err(IdentityError::Exists { .. })));
}

#[test]
fn init_names_the_folder_that_it_cannot_write_to() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = init(&file.join("certs"), 1024, 30).unwrap_err();
    assert!(matches!(error, IdentityError::Unwritable { .. }), "{error}");
}

#[test]
fn names_and_key_lengths_have_limits() {
    for bits in [0, 512, 1023, 8193, 100_000] {
        assert!(matches!(AUTHORITY.issue("x", bits, 30), Err(IdentityError::Size { .. })), "{bits}");
    }
    for name in ["", &"x".repeat(65)] {
        assert!(matches!(AUTHORITY.issue(name, 1024, 30), Err(IdentityError::Name { .. })), "{name}");
    }
    let anchor = Anchor::from_pem(AUTHORITY.certificate_pem().as_bytes()).unwrap();
    for (name, shown) in
        [("a,O=b+c=d\\", r"CN=a\,O=b\+c=d\\"), ("Zürich", "CN=Zürich"), ("#1", r"CN=\#1"), (" ", r"CN=\ ")]
    {
        let issued = AUTHORITY.issue(name, 1024, 30).unwrap();
        let (_, proof) = anchor.check(issued.certificate_pem.as_bytes(), unix_seconds()).unwrap();
        assert_eq!(proof.subject, shown);
    }
}

#[test]
fn an_expired_certificate_is_refused() {
    let issued = AUTHORITY.issue("brief", 1024, 0).unwrap();
    let anchor = Anchor::from_pem(AUTHORITY.certificate_pem().as_bytes()).unwrap();
    let error = anchor.check(issued.certificate_pem.as_bytes(), unix_seconds() + 10).unwrap_err();
    assert!(matches!(error, crate::trust::TrustError::Expired { .. }), "{error}");
}

#[test]
fn a_key_is_found_between_comments_labels_and_other_blocks() {
    const CERTIFICATE: &str = include_str!("../../../tests/fixtures/identity-v1/server_signed.crt");
    const PKCS_8: &str = include_str!("../../../tests/fixtures/identity-v1/server_private_key.pem");
    const PKCS_1: &str = include_str!("../../../tests/fixtures/identity-v1/test_pkcs1_key.pem");
    let load = |text: Vec<u8>| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(CERTIFICATE_FILE), CERTIFICATE).unwrap();
        std::fs::write(folder.path().join(PRIVATE_KEY_FILE), text).unwrap();
        Identity::load(folder.path()).map(drop)
    };
    for key in [PKCS_8, PKCS_1] {
        let in_one_line = {
            let lines: Vec<&str> = key.lines().collect();
            format!("{}\n{}\n{}", lines[0], lines[1..lines.len() - 1].concat(), lines[lines.len() - 1])
        };
        for (what, text) in [
            ("a byte order mark", format!("\u{feff}{key}").into_bytes()),
            ("a byte order mark and CRLF", format!("\u{feff}{}", key.replace('\n', "\r\n")).into_bytes()),
            ("a comment before it", format!("# the key of group 7, not ENCRYPTED\n\n{key}").into_bytes()),
            ("a comment after it", format!("{key}# keep this secret\n").into_bytes()),
            (
                "a label before it",
                format!("Bag Attributes\n    friendlyName: server\nKey Attributes: <No Attributes>\n{key}")
                    .into_bytes(),
            ),
            ("a comment that is not UTF-8", [b"# Schl\xfcssel\n", key.as_bytes()].concat()),
            ("the certificate before it", format!("{CERTIFICATE}{key}").into_bytes()),
            ("the certificate after it", format!("{key}{CERTIFICATE}").into_bytes()),
            ("an empty line inside it", key.replacen('\n', "\n\n", 2).into_bytes()),
            ("spaces before each line", format!("  {}", key.replace('\n', "\n  ")).into_bytes()),
            ("no line end at its end", key.trim_end().as_bytes().to_vec()),
            ("base64 in one line", in_one_line.into_bytes()),
        ] {
            assert!(load(text).is_ok(), "{what}");
        }
        for (what, text, words) in [
            ("two keys", format!("{key}{key}"), "it contains several private keys"),
            ("no end", key.replace("-----END", "-----"), "its line -----END"),
            ("another end", key.replace("-----END", "-----END OTHER"), "its line -----END"),
            (
                "another block inside it",
                key.replacen("-----END", &format!("{CERTIFICATE}-----END"), 1),
                "its line -----END",
            ),
            ("a certificate only", CERTIFICATE.to_owned(), "it contains no line -----BEGIN PRIVATE KEY-----"),
            ("nothing", String::new(), "it is empty"),
        ] {
            let error = load(text.into_bytes()).unwrap_err();
            assert!(error.to_string().contains(words), "{what}: {error}");
        }
    }
    for label in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "# a comment\n-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
    ] {
        assert!(matches!(load(label.into()), Err(IdentityError::Encrypted { .. })), "{label}");
    }
    // Neither base64 that ends so nor another header is a sign of encryption.
    for line in ["AAAAENCRYPTED", "Proc-Type: 4,CLEAR"] {
        let key = format!("-----BEGIN PRIVATE KEY-----\n{line}\n-----END PRIVATE KEY-----\n");
        assert!(matches!(load(key.into_bytes()), Err(IdentityError::NotAKey { .. })), "{line}");
    }
    let utf_16 = |bytes: fn(u16) -> [u8; 2]| {
        "\u{feff}".encode_utf16().chain(PKCS_8.encode_utf16()).flat_map(bytes).collect()
    };
    for text in [utf_16(u16::to_le_bytes), utf_16(u16::to_be_bytes)] {
        let error = load(text).unwrap_err();
        assert!(error.to_string().contains("UTF-16"), "{error}");
    }
}

#[test]
fn only_as_many_blocks_as_a_session_key_may_have_are_decrypted() {
    let key = SessionKey::generate();
    let empty = wrapped(&RSA_1024, Padding::Oaep, b"");
    let last = RSA_1024.server_key().wrap_session_key(&key, KeyForm::Fernet, Padding::Oaep).unwrap();
    let blocks = |count: usize| [&empty.repeat(count - 1)[..], &last].concat();
    assert!(RSA_1024.unwrap_session_key(&blocks(KEY_PIECES), Paddings::EITHER).key.ct_eq(&key));
    gives_a_random_key(&blocks(KEY_PIECES + 1), Some(&key));
}

#[test]
fn blocks_after_the_first_that_do_not_conform_to_pkcs1v15_are_noted() {
    let valid = wrapped(&RSA_1024, Padding::Pkcs1v15, b"");
    let oaep = wrapped(&RSA_1024, Padding::Oaep, b"");
    // Raw decryption of zero is zero, which conforms to neither.
    let neither = vec![0; 128];
    for (blocks, others, missed) in [
        (&[&valid, &neither][..], Paddings::EITHER, true),
        (&[&valid, &neither, &valid], Paddings::EITHER, true),
        (&[&valid, &neither], Paddings::PKCS1V15, true),
        (&[&valid, &neither], Paddings::OAEP, false),
        (&[&valid, &valid], Paddings::EITHER, false),
        (&[&valid, &oaep], Paddings::EITHER, false),
        (&[&valid, &oaep], Paddings::PKCS1V15, true),
        (&[&neither], Paddings::EITHER, false),
        (&[&neither, &valid], Paddings::EITHER, false),
    ] {
        let blob: Vec<u8> = blocks.iter().flat_map(|block| block.iter().copied()).collect();
        let unwrapped = RSA_1024.unwrap_session_key(&blob, others);
        assert_eq!(unwrapped.missed, missed, "{} blocks, {others:?}", blocks.len());
        assert!(unwrapped.machine.is_ok());
    }
}

#[test]
fn a_machine_that_fails_gives_a_random_key_and_says_so() {
    let key = SessionKey::generate();
    let blob = RSA_1024.server_key().wrap_session_key(&key, KeyForm::Fernet, Padding::Oaep).unwrap();
    let failing = RSA_1024.on_a_failing_machine();
    failing.sign(b"the operation that works").unwrap();
    let unwrapped = failing.unwrap_session_key(&blob, Paddings::EITHER);
    assert!(unwrapped.machine.is_err() && !unwrapped.key.ct_eq(&key));
}

#[test]
fn a_receipt_salt_has_32_bytes_in_oaep() {
    let opened = |padding, message: &[u8]| {
        let sealed = wrapped(&RSA_1024, padding, message);
        let (salt, machine) = RSA_1024.open_receipt_salt(&sealed);
        machine.unwrap();
        salt.to_vec()
    };
    let message = random(40);
    assert_eq!(opened(Padding::Oaep, &message[..32]), message[..32]);
    for len in [0_usize, 31, 33, 40] {
        let end = &message[len.saturating_sub(32)..len];
        assert_ne!(opened(Padding::Oaep, &message[..len]), end, "{len} bytes");
    }
    assert_ne!(opened(Padding::Pkcs1v15, &message[..32]), message[..32]);
}
