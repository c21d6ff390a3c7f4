//! Facts in a certificate, without a verdict: for `upseal certs show` and `--expect`.

use x509_parser::prelude::X509Certificate;

use super::limits::Limits;
use super::{Date, TrustError, bits, server_key, shown, validity};
use crate::crypto::certificate::{Certificate, Purpose};
use crate::crypto::common_name_of;
use crate::digest::Digest;

/// Contents of a certificate, unchecked. Its text is escaped.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Subject, as a string of RFC 4514.
    pub subject: String,
    /// Issuer, as a string of RFC 4514.
    pub issuer: String,
    /// X.509 version, 1 to 3.
    pub version: u32,
    /// Signature algorithm: a name if it is one of RSA's, otherwise the object identifier.
    pub algorithm: String,
    /// `RSA 1024 bits`, or why AP cannot use the key.
    pub key: String,
    /// Whether the extended key usage is that of a receipt key and not also that of a server.
    pub is_for_receipts: bool,
    /// SHA-256 of the `SubjectPublicKeyInfo`, which `--pin` compares.
    pub fingerprint: Digest,
    /// Start of the validity period, UTC.
    pub not_before: String,
    /// End of the validity period, UTC.
    pub not_after: String,
}

/// Reads one certificate in PEM.
///
/// # Errors
/// The text is not exactly one certificate.
pub(crate) fn facts(pem: &[u8]) -> Result<Facts, TrustError> {
    let certificate = Certificate::from_pem(pem)?;
    let parsed = certificate.parsed()?;
    let (not_before, not_after) = validity(&parsed);
    let (key, fingerprint) = match server_key(parsed.public_key()) {
        Ok(key) => (format!("RSA {} bits", key.bits()), key.fingerprint()),
        Err(why) => (size(&parsed, &why), Digest::of(parsed.public_key().raw)),
    };
    Ok(Facts {
        subject: shown(parsed.subject()),
        issuer: shown(parsed.issuer()),
        version: parsed.version().0 + 1,
        algorithm: algorithm(&parsed.signature_algorithm.algorithm.to_id_string()),
        key,
        is_for_receipts: Limits::of(&parsed).is_ok_and(|limits| {
            limits.check_use(Purpose::Server).is_err() && limits.check_use(Purpose::Receipts).is_ok()
        }),
        fingerprint,
        not_before: Date(not_before).to_string(),
        not_after: Date(not_after).to_string(),
    })
}

/// Returns the subject's only common name, unescaped: for comparisons, not for display. Returns `None` if there is
/// none, if there are several, or if it is not text.
#[must_use]
pub(crate) fn common_name(pem: &[u8]) -> Option<String> {
    let certificate = Certificate::from_pem(pem).ok()?;
    common_name_of(certificate.parsed().ok()?.subject())
}

/// Returns the end of a certificate's validity, in Unix seconds, or `None` if the text is not a certificate.
#[must_use]
pub(crate) fn not_after(pem: &[u8]) -> Option<i64> {
    let certificate = Certificate::from_pem(pem).ok()?;
    let parsed = certificate.parsed().ok()?;
    Some(validity(&parsed).1)
}

/// Describes a key that is not accepted.
fn size(certificate: &X509Certificate<'_>, why: &TrustError) -> String {
    match certificate.public_key().parsed() {
        Ok(x509_parser::public_key::PublicKey::RSA(key)) => format!("RSA {} bits: {why}", bits(key.modulus)),
        _ => why.to_string(),
    }
}

fn algorithm(oid: &str) -> String {
    match oid {
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "RSASSA-PSS",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSIGNMENT: &[u8] = include_bytes!("../../tests/fixtures/identity-v1/server_signed.crt");

    #[test]
    fn describes_the_certificate_of_the_assignment() {
        let facts = facts(ASSIGNMENT).unwrap();
        assert_eq!(facts.subject, "CN=TEST server,O=TEST,C=SG");
        assert_eq!((facts.version, facts.key.as_str()), (1, "RSA 1024 bits"));
        assert_eq!(facts.algorithm, "sha256WithRSAEncryption");
        assert_eq!(common_name(ASSIGNMENT).as_deref(), Some("TEST server"));
        let key = super::super::key(ASSIGNMENT).unwrap().fingerprint().to_string();
        assert_eq!(facts.fingerprint.to_string(), key);
    }
}
