#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::limits::Limits;
use super::*;
use crate::crypto::certificate::{CERTIFICATE_MAX, Purpose};

/// 2026-01-01, inside every fixture's validity (2020 to 2120).
pub(super) const NOW: i64 = 1_767_225_600;
const START: i64 = 1_577_836_800;
const END: i64 = 4_733_510_400;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/", $name)).as_slice()
    };
}

pub(super) const CA: &[u8] = fixture!("trust/ca.crt");
pub(super) const GOOD_V1: &[u8] = fixture!("identity-v1/server_signed.crt");
pub(super) const GOOD_V3: &[u8] = fixture!("trust/v3.crt");

fn describe(certificate: &[u8], now_unix: i64) -> Result<Proof, TrustError> {
    let certificate = Certificate::from_pem(certificate)?;
    let parsed = certificate.parsed()?;
    let key = server_key(parsed.public_key())?;
    let mut proof = proof(&parsed, &key, now_unix);
    let (not_before, not_after) = validity(&parsed);
    if now_unix < not_before {
        proof.warnings.push(TrustError::NotYetValid { not_before, now: now_unix }.to_string().into());
    }
    if now_unix > not_after {
        proof.warnings.push(TrustError::Expired { not_after, now: now_unix }.to_string().into());
    }
    if let Err(error) = Limits::of(&parsed).and_then(|limits| limits.check_use(Purpose::Server)) {
        proof.warnings.push(error.to_string().into());
    }
    Ok(proof)
}

fn check(certificate: &[u8]) -> Result<(ServerKey, Proof), TrustError> {
    Anchor::from_pem(CA).unwrap().check(certificate, NOW)
}

fn refusal(certificate: &[u8]) -> TrustError {
    check(certificate).unwrap_err()
}

fn der(pem: &[u8]) -> Vec<u8> {
    Certificate::from_pem(pem).unwrap().der().to_vec()
}

fn pem(der: &[u8]) -> Vec<u8> {
    let base64 = base64_simd::STANDARD.encode_to_string(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in base64.as_bytes().chunks(64) {
        pem.push_str(str::from_utf8(line).unwrap());
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem.into_bytes()
}

/// Returns the last position of `part`.
fn last(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).rposition(|window| window == part).unwrap()
}

#[test]
fn the_certificate_of_the_assignment_is_accepted_with_warnings() {
    let (key, proof) = check(GOOD_V1).unwrap();
    assert_eq!(key.bits(), 1024);
    assert_eq!(proof.subject, "CN=TEST server,O=TEST,C=SG");
    assert_eq!(proof.issuer, "CN=TEST CA,O=TEST,C=SG");
    assert_eq!(proof.bits, 1024);
    assert_eq!(proof.days_left, (END - NOW) / 86_400);
    assert_eq!(proof.fingerprint, key.fingerprint().to_string());
    assert_eq!(
        proof.warnings,
        [
            "the certificate is X.509 version 1, which cannot limit its use",
            "the key has only 1024 bits; use 2048 or more",
        ]
    );
}

#[test]
fn a_version_1_certificate_of_2048_bits_has_only_the_version_warning() {
    let (_, proof) = check(fixture!("trust/bits-2048.crt")).unwrap();
    assert_eq!(proof.warnings, ["the certificate is X.509 version 1, which cannot limit its use"]);
    let (_, proof) = check(GOOD_V3).unwrap();
    assert_eq!(proof.warnings, ["the key has only 1024 bits; use 2048 or more"]);
    assert_eq!(check(fixture!("trust/bits-1025.crt")).unwrap().1.bits, 1025);
}

#[test]
fn sha_2_of_every_length_is_accepted() {
    for certificate in [fixture!("trust/sha384.crt"), fixture!("trust/sha512.crt")] {
        check(certificate).unwrap();
    }
}

#[test]
fn a_hash_that_can_be_forged_is_refused() {
    let sha1 = refusal(fixture!("trust/sha1.crt"));
    assert!(matches!(&sha1, TrustError::WeakHash { algorithm } if algorithm == "SHA-1"), "{sha1}");
    let md5 = refusal(fixture!("trust/md5.crt"));
    assert!(matches!(&md5, TrustError::WeakHash { .. }), "{md5}");
}

#[test]
fn other_signature_schemes_are_refused() {
    for certificate in [fixture!("trust/pss.crt"), fixture!("trust/sha224.crt")] {
        let error = refusal(certificate);
        assert!(matches!(error, TrustError::UnknownAlgorithm { .. }), "{error}");
    }
}

#[test]
fn another_ca_is_refused_by_name() {
    let error = refusal(fixture!("trust/wrong-ca.crt"));
    assert_eq!(
        error.to_string(),
        "the certificate was issued by CN=TEST other CA, but the CA is CN=TEST CA,O=TEST,C=SG"
    );
}

#[test]
fn another_ca_of_the_same_name_is_refused_by_its_signature() {
    assert!(matches!(refusal(fixture!("trust/same-name.crt")), TrustError::BadSignature));
}

#[test]
fn a_self_signed_certificate_is_refused() {
    let error = refusal(fixture!("trust/self-signed.crt"));
    assert!(matches!(&error, TrustError::SelfSigned { subject } if subject == "CN=TEST server,O=TEST,C=SG"));
    // Not even if it is the CA's own: only the CA has that key, but it is not a server's.
    assert!(matches!(refusal(CA), TrustError::SelfSigned { .. }));
    // Not even if the user chose it as the CA.
    let anchor = Anchor::from_pem(fixture!("trust/self-signed.crt")).unwrap();
    assert!(matches!(
        anchor.check(fixture!("trust/self-signed.crt"), NOW),
        Err(TrustError::SelfSigned { .. })
    ));
}

#[test]
fn a_certificate_is_valid_from_its_first_second_to_its_last() {
    let anchor = Anchor::from_pem(CA).unwrap();
    for now in [START, START + 1, NOW, END - 1, END] {
        anchor.check(GOOD_V1, now).unwrap();
    }
    for now in [i64::MIN, -1, 0, START - 1] {
        let error = anchor.check(GOOD_V1, now).unwrap_err();
        assert!(matches!(error, TrustError::NotYetValid { not_before: START, .. }), "{now}");
    }
    for now in [END + 1, i64::MAX] {
        let error = anchor.check(GOOD_V1, now).unwrap_err();
        assert!(matches!(error, TrustError::Expired { not_after: END, .. }), "{now}");
    }
    let error = anchor.check(GOOD_V1, END + 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the certificate expired on 2120-01-01 00:00 UTC; this computer's clock says 2120-01-01 00:00 UTC, 1.0 s later: is the clock right?"
    );
    let error = anchor.check(GOOD_V1, 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the certificate is not valid before 2020-01-01 00:00 UTC; this computer's clock says 1970-01-01 00:00 UTC, 18262 days earlier: is the clock right?"
    );
    assert_eq!(anchor.check(GOOD_V1, END).unwrap().1.days_left, 0);
}

#[test]
fn a_ca_that_expired_is_a_warning() {
    let anchor = Anchor::from_pem(fixture!("trust/brief-ca.crt")).unwrap();
    let brief_end = 1_893_456_000;
    let (_, proof) = anchor.check(fixture!("trust/brief.crt"), brief_end).unwrap();
    assert_eq!(proof.warnings.len(), 2);
    let (_, proof) = anchor.check(fixture!("trust/brief.crt"), brief_end + 1).unwrap();
    assert_eq!(proof.warnings[2], "the CA itself expired on 2030-01-01 00:00 UTC");
}

#[test]
fn a_key_below_1024_bits_is_refused() {
    assert!(matches!(refusal(fixture!("trust/bits-512.crt")), TrustError::TooShort { bits: 512 }));
    assert!(matches!(refusal(fixture!("trust/bits-1023.crt")), TrustError::TooShort { bits: 1023 }));
}

#[test]
fn a_key_of_another_kind_is_refused() {
    assert!(matches!(refusal(fixture!("trust/ec.crt")), TrustError::NotRsa { .. }));
}

#[test]
fn a_critical_extension_that_is_unknown_is_refused() {
    let error = refusal(fixture!("trust/critical.crt"));
    assert!(matches!(&error, TrustError::CriticalExtension { oid } if oid == "1.2.3.4.5"), "{error}");
}

#[test]
fn every_changed_byte_is_refused() {
    let good = der(GOOD_V3);
    assert!(check(&pem(&good)).is_ok());
    for at in 0..good.len() {
        for change in [1, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= change;
            assert!(check(&pem(&bad)).is_err(), "{at} {change}");
        }
    }
}

#[test]
fn a_changed_signature_or_content_is_refused_as_such() {
    let good = der(GOOD_V1);
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    assert!(matches!(refusal(&pem(&bad)), TrustError::BadSignature));
    let mut bad = good.clone();
    let name = last(&bad, b"TEST server");
    bad[name] = b'B';
    assert!(matches!(refusal(&pem(&bad)), TrustError::BadSignature));
}

#[test]
fn two_algorithms_in_one_certificate_are_refused() {
    const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
    let mut bad = der(GOOD_V1);
    let outer = last(&bad, SHA256_WITH_RSA);
    bad[outer + 8] = 12;
    let error = refusal(&pem(&bad));
    assert_eq!(
        error.to_string(),
        "the certificate names two signature algorithms, 1.2.840.113549.1.1.11 inside and \
         1.2.840.113549.1.1.12 outside"
    );
}

#[test]
fn exactly_one_certificate_is_expected() {
    let twice = [GOOD_V1, GOOD_V1].concat();
    assert!(matches!(refusal(&twice), TrustError::SeveralCertificates));
    let chain = [GOOD_V1, CA].concat();
    assert!(matches!(refusal(&chain), TrustError::SeveralCertificates));
    assert!(matches!(Anchor::from_pem(&chain), Err(TrustError::SeveralCertificates)));
    let with_key = [GOOD_V1, fixture!("identity-v1/server_private_key.pem")].concat();
    assert!(matches!(refusal(&with_key), TrustError::SeveralCertificates));
}

#[test]
fn bytes_after_the_certificate_are_refused() {
    let mut longer = der(GOOD_V1);
    longer.push(0);
    assert!(matches!(refusal(&pem(&longer)), TrustError::TrailingBytes));
    for tail in [&b"x"[..], b"\0", b"\n\nmore\n", b"-----END CERTIFICATE-----\n"] {
        assert!(matches!(refusal(&[GOOD_V1, tail].concat()), TrustError::TrailingBytes), "{tail:?}");
    }
    let text = str::from_utf8(GOOD_V1).unwrap().trim_end();
    assert!(matches!(refusal(format!("{text}x").as_bytes()), TrustError::TrailingBytes));
    check(text.as_bytes()).unwrap();
    check(format!("{text}\r\n \n").as_bytes()).unwrap();
}

#[test]
fn text_before_it_and_crlf_are_fine() {
    check(fixture!("trust/text.crt")).unwrap();
    let crlf = str::from_utf8(GOOD_V1).unwrap().replace('\n', "\r\n");
    check(crlf.as_bytes()).unwrap();
    check(&[b"upseal/1 server receipts=1\n\xff\xfe\n", GOOD_V1].concat()).unwrap();
}

#[test]
fn what_is_not_pem_is_refused() {
    let good = str::from_utf8(GOOD_V1).unwrap();
    let no_end = good.replace("-----END CERTIFICATE-----", "");
    let other_label = good.replace("CERTIFICATE", "TRUSTED CERTIFICATE");
    let wrong_end = good.replace("END CERTIFICATE", "END RSA KEY");
    let bad_base64 = good.replacen("MII", "M\u{e4}I", 1);
    let bad_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let empty = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";
    let der = der(GOOD_V1);
    for bad in [
        &b""[..],
        b"\n",
        b"garbage",
        &[0; 128],
        &der,
        no_end.as_bytes(),
        other_label.as_bytes(),
        wrong_end.as_bytes(),
        bad_base64.as_bytes(),
        bad_der.as_bytes(),
        empty.as_bytes(),
        b"-----BEGIN CERTIFICATE-----",
        fixture!("identity-v1/server_private_key.pem"),
    ] {
        let error = refusal(bad);
        assert!(matches!(error, TrustError::NotACertificate(_)), "{error} {}", String::from_utf8_lossy(bad));
        assert!(Anchor::from_pem(bad).is_err());
    }
}

#[test]
fn every_truncation_is_refused() {
    let end = GOOD_V1.len() - 1;
    for len in 0..end {
        assert!(check(&GOOD_V1[..len]).is_err(), "{len}");
    }
    let good = der(GOOD_V1);
    for len in 0..good.len() {
        assert!(check(&pem(&good[..len])).is_err(), "{len}");
    }
}

#[test]
fn a_certificate_that_is_too_long_is_refused_unread() {
    let mut long = vec![b'\n'; CERTIFICATE_MAX];
    long.extend_from_slice(GOOD_V1);
    let error = refusal(&long);
    assert!(matches!(error, TrustError::NotACertificate(CertificateError::TooLong { .. })), "{error}");
    let longest = [&long[..CERTIFICATE_MAX - GOOD_V1.len()], GOOD_V1].concat();
    check(&longest).unwrap();
}

#[test]
fn names_are_escaped_for_the_terminal() {
    let (_, proof) = check(fixture!("trust/esc.crt")).unwrap();
    assert_eq!(proof.subject, "CN=\\1B[2Jevil\\E2\\80\\AEfdp.exe\\07");
    // Also in an error that the attacker's own certificate causes.
    let anchor = Anchor::from_pem(GOOD_V1).unwrap();
    let error = anchor.check(fixture!("trust/esc.crt"), NOW).unwrap_err();
    assert!(error.to_string().chars().all(|c| !c.is_control()), "{error}");
}

#[test]
fn names_are_written_as_rfc_4514_says() {
    let (_, proof) = check(fixture!("trust/syntax.crt")).unwrap();
    assert_eq!(
        proof.subject,
        r#"CN=\#Zürich \\ \"x\"\;\<y\>\ ,emailAddress=a@b.c,UID=two,OU=one,O=a\,b,DC=test"#
    );
}

#[test]
fn an_anchor_must_be_a_ca() {
    let error = Anchor::from_pem(GOOD_V3).unwrap_err();
    assert!(matches!(&error, TrustError::NotACa { subject } if subject == "CN=TEST server,O=TEST,C=SG"));
    assert!(matches!(
        Anchor::from_pem(fixture!("trust/bits-512.crt")),
        Err(TrustError::TooShort { bits: 512 })
    ));
    assert!(matches!(Anchor::from_pem(fixture!("trust/ec.crt")), Err(TrustError::NotRsa { .. })));
}

#[test]
fn an_anchor_is_loaded_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.crt");
    let error = Anchor::load(&path).unwrap_err();
    assert!(matches!(error, TrustError::Unreadable { .. }));
    assert!(error.to_string().contains("ca.crt"), "{error}");
    std::fs::write(&path, CA).unwrap();
    Anchor::load(&path).unwrap().check(GOOD_V1, NOW).unwrap();
}

#[test]
fn a_server_can_show_its_own_certificate() {
    let proof = describe(GOOD_V1, NOW).unwrap();
    assert_eq!(proof, check(GOOD_V1).unwrap().1);
    assert_eq!(describe(GOOD_V1, END + 1).unwrap().warnings.len(), 3);
    assert_eq!(describe(GOOD_V1, 0).unwrap().warnings.len(), 3);
}

#[test]
fn bits_are_counted_from_the_first_one() {
    for (number, expected) in [(&[0, 0x80, 0][..], 16), (&[1], 1), (&[0, 0], 0), (&[], 0), (&[0x7f, 0], 15)] {
        assert_eq!(bits(number), expected, "{number:?}");
    }
}

#[test]
fn a_server_warns_of_its_own_certificate_before_its_first_second_and_after_its_last() {
    for (now, warned) in [(START - 1, true), (START, false), (END, false), (END + 1, true)] {
        let proof = describe(GOOD_V1, now).unwrap();
        let of_dates = proof.warnings.iter().filter(|warning| {
            warning.as_str().contains("not valid before")
                || warning.as_str().contains("the certificate expired")
        });
        assert_eq!(of_dates.count(), usize::from(warned), "{now}: {:?}", proof.warnings);
    }
}

#[test]
fn an_anchors_file_is_read_to_the_limit_and_not_beyond() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.crt");
    let before = vec![b'\n'; CERTIFICATE_MAX - CA.len()];
    std::fs::write(&path, [&before, CA].concat()).unwrap();
    Anchor::load(&path).unwrap();
    // Truncated at the limit, it would be a valid certificate.
    std::fs::write(&path, [&before, CA, b"\n"].concat()).unwrap();
    let error = Anchor::load(&path).unwrap_err();
    assert!(matches!(error, TrustError::NotACertificate(CertificateError::TooLong { .. })), "{error}");
}

#[test]
fn a_ca_of_1024_bits_causes_a_warning_and_one_of_2048_does_not() {
    let of_the_ca = |ca: &[u8], certificate: &[u8]| {
        let (_, proof) = Anchor::from_pem(ca).unwrap().check(certificate, NOW).unwrap();
        proof.warnings.iter().any(|warning| warning.as_str().contains("the CA's key has only"))
    };
    assert!(!of_the_ca(CA, GOOD_V3));
    assert!(of_the_ca(fixture!("trust/ca-1024.crt"), fixture!("trust/by-ca-1024.crt")));
}
