//! Verification of a server's certificate, and the sentences about it (docs/protocol.md, section "AP").
//!
//! The rules, in the order in which they are checked:
//!
//! 1. exactly one certificate in PEM
//! 2. not self-signed
//! 3. issued by the CA
//! 4. the same signature algorithm inside and outside: RSASSA-PKCS1-v1_5 with SHA-256, SHA-384 or SHA-512
//! 5. signed by the CA
//! 6. within its validity period
//! 7. no unsupported critical extension, and no malformed extension among those that are evaluated (`limits`)
//! 8. a key usage and an extended key usage that include a server's signatures
//! 9. no name that the CA's name constraints exclude
//! 10. an RSA key of 1024 to 8192 bits
//!
//! Accepted with a warning: X.509 versions 1 and 2, keys of fewer than 2048 bits, and a CA that has itself expired.
//! The certificates of the assignment need the first two.

pub(crate) mod facts;
pub(crate) mod known;
mod limits;
pub(crate) mod receipts;

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use rsa::pkcs1v15;
use rsa::sha2::{Sha256, Sha384, Sha512};
use rsa::signature::Verifier as _;
use x509_parser::prelude::{SubjectPublicKeyInfo, TbsCertificate, X509Certificate, X509Version};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

use self::limits::Limits;
use crate::crypto::certificate::{CERTIFICATE_MAX, Certificate, CertificateError, Purpose};
use crate::crypto::identity::KEY_BITS;
use crate::crypto::receipt_key::RECEIPT_BITS_MIN;
use crate::crypto::server_key::ServerKey;
use crate::crypto::{distinguished, same_name};
use crate::digest::Digest;
use crate::event::Proof;
use crate::messages::{escape, units};

/// Keys with fewer bits get a warning.
const WARN_BELOW_BITS: usize = 2048;

/// Why a certificate or a CA is not accepted. Text from a certificate is escaped. Each message is one line and
/// contains its cause.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The CA's file cannot be read.
    #[error("cannot read the CA certificate {}: {why}", path.display())]
    Unreadable {
        /// The CA's file.
        path: PathBuf,
        /// Error from the system.
        why: io::Error,
    },
    /// The file is not a certificate in PEM.
    #[error("it is not a certificate: {0}")]
    NotACertificate(CertificateError),
    /// The file contains more than one PEM block, such as a certificate and its key.
    #[error("it contains several certificates or keys (expected: exactly one certificate)")]
    SeveralCertificates,
    /// Bytes follow the certificate.
    #[error("other bytes follow the certificate")]
    TrailingBytes,
    /// The basic constraints or the key usage of the CA's certificate do not allow it to sign others.
    #[error("{subject} is not a CA: its certificate may not sign others")]
    NotACa {
        /// Subject of the certificate.
        subject: String,
    },
    /// The certificate names its own subject as the issuer.
    #[error("the certificate of {subject} is self-signed, not issued by the CA")]
    SelfSigned {
        /// Subject of the certificate.
        subject: String,
    },
    /// Another CA issued the certificate.
    #[error("the certificate was issued by {issuer}, but the CA is {expected}")]
    WrongCa {
        /// Issuer of the certificate.
        issuer: String,
        /// Subject of the CA.
        expected: String,
    },
    /// The signed part and the signature name different algorithms.
    #[error("the certificate names two signature algorithms, {inner} inside and {outer} outside")]
    AlgorithmMismatch {
        /// Algorithm in the signed part.
        inner: String,
        /// Algorithm beside the signature.
        outer: String,
    },
    /// Signatures over this hash can be forged.
    #[error("the certificate is signed with {algorithm}, which can be forged")]
    WeakHash {
        /// Name of the hash.
        algorithm: String,
    },
    /// The signature scheme is not RSASSA-PKCS1-v1_5 with SHA-2.
    #[error(
        "unsupported signature algorithm of the certificate: {algorithm} (supported: RSA with SHA-256, SHA-384 or SHA-512)"
    )]
    UnknownAlgorithm {
        /// Object identifier.
        algorithm: String,
    },
    /// The CA is named as the issuer, but its signature does not verify.
    #[error("the certificate names the CA as its issuer, but was not signed by it or was changed since")]
    BadSignature,
    /// The certificate has expired.
    #[error(
        "the certificate expired on {}; this computer's clock says {}, {} later: is the clock right?",
        Date(*not_after), Date(*now), apart(*not_after, *now)
    )]
    Expired {
        /// Last second of its validity, in Unix seconds.
        not_after: i64,
        /// Time of this computer's clock, in Unix seconds.
        now: i64,
    },
    /// The certificate is not valid yet.
    #[error(
        "the certificate is not valid before {}; this computer's clock says {}, {} earlier: is the clock right?",
        Date(*not_before), Date(*now), apart(*now, *not_before)
    )]
    NotYetValid {
        /// First second of its validity, in Unix seconds.
        not_before: i64,
        /// Time of this computer's clock, in Unix seconds.
        now: i64,
    },
    /// The key is not an RSA key, or is damaged.
    #[error("the certificate's key is not a usable RSA key: {why}")]
    NotRsa {
        /// Reason, following "not a usable RSA key: ".
        why: String,
    },
    /// The key is so short that it can be broken.
    #[error("unsupported size of the certificate's key: {bits} bits (supported: {} to {})", KEY_BITS.start(), KEY_BITS.end())]
    TooShort {
        /// Bits of the modulus.
        bits: usize,
    },
    /// A critical extension is not supported; RFC 5280 demands that the certificate is refused.
    #[error("the certificate has an unsupported critical extension: {oid}")]
    CriticalExtension {
        /// Object identifier.
        oid: String,
    },
    /// The receipt key is so short that it can be broken.
    #[error("unsupported size of a receipt key: {bits} bits (supported: {RECEIPT_BITS_MIN} to {})", KEY_BITS.end())]
    ReceiptKeyTooShort {
        /// Bits of the modulus.
        bits: usize,
    },
    /// The certificates of the receipt key and of the server have different subjects.
    #[error("the receipt key is certified for {receipts}, but the server is {server}")]
    AnotherSubject {
        /// The subject of the receipt key's certificate.
        receipts: String,
        /// The subject of the server's certificate.
        server: String,
    },
    /// The receipt key is the server's own key, which also decrypts.
    #[error("the receipt key is the server's own key")]
    NotApart,
    /// An extension that may limit the certificate cannot be decoded.
    #[error("the certificate's {extension} extension is malformed")]
    MalformedExtension {
        /// Name of the extension in RFC 5280.
        extension: &'static str,
    },
    /// The CA may not certify this name (RFC 5280, 4.2.1.10).
    #[error("the name constraints of the CA {} {name}", if *.checked { "do not permit" } else { "cannot be checked for" })]
    NameConstraint {
        /// Name in the certificate, escaped.
        name: String,
        /// Whether upseal evaluates constraints of this form.
        checked: bool,
    },
    /// The certificate does not allow the use that is needed (RFC 5280, 4.2.1.3 and 4.2.1.12).
    #[error("the certificate is for another use: its {extension} does not include {lacks}")]
    OtherUse {
        /// Extension that limits the use.
        extension: &'static str,
        /// Use that AP or a receipt needs.
        lacks: &'static str,
    },
    /// The certificate of a receipt key allows decryption.
    #[error("the certificate is not for a receipt key: its key usage allows decryption")]
    MayDecrypt,
}

impl From<CertificateError> for TrustError {
    fn from(error: CertificateError) -> Self {
        match error {
            CertificateError::Several => Self::SeveralCertificates,
            CertificateError::TrailingBytes => Self::TrailingBytes,
            other => Self::NotACertificate(other),
        }
    }
}

/// A Unix second, displayed as a date in UTC.
struct Date(i64);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A `Timestamp` ends a day before the last date that a certificate can contain.
        match DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(SignedDuration::from_secs(self.0)) {
            Ok(time) => fmt::Display::fmt(&time.strftime("%Y-%m-%d %H:%M UTC"), f),
            Err(_) => write!(f, "second {} since 1970", self.0),
        }
    }
}

/// Returns the time between two Unix seconds, in words.
fn apart(earlier: i64, later: i64) -> String {
    units::duration(Duration::from_secs(later.abs_diff(earlier)))
}

/// A CA that must have signed every server's certificate.
#[derive(Debug, Clone)]
pub struct Anchor {
    certificate: Certificate,
    key: ServerKey,
}

impl Anchor {
    /// Reads exactly one certificate in PEM. The CA is the user's choice, so its own signature and validity period
    /// are not checked.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TrustError> {
        let certificate = Certificate::from_pem(pem)?;
        let parsed = certificate.parsed()?;
        if !Limits::of(&parsed)?.permits_certifying() {
            return Err(TrustError::NotACa { subject: shown(parsed.subject()) });
        }
        let key = server_key(parsed.public_key())?;
        Ok(Self { certificate, key })
    }

    /// Reads the CA's certificate from a file.
    pub fn load(path: &Path) -> Result<Self, TrustError> {
        let unreadable = |why| TrustError::Unreadable { path: path.into(), why };
        let mut pem = Vec::new();
        File::open(path)
            .and_then(|file| file.take(CERTIFICATE_MAX as u64 + 1).read_to_end(&mut pem))
            .map_err(unreadable)?;
        Self::from_pem(&pem)
    }

    /// Returns the SHA-256 of the `SubjectPublicKeyInfo`, which identifies the CA.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        self.key.fingerprint()
    }

    /// Checks the certificate that a server sent in its reply to MODE 3.
    pub fn check(&self, certificate: &[u8], now_unix: i64) -> Result<(ServerKey, Proof), TrustError> {
        self.check_for(Purpose::Server, certificate, now_unix)
    }

    /// Checks a certificate for a purpose, by the rules of this module.
    ///
    /// # Errors
    /// The first rule that the certificate violates.
    pub fn check_for(
        &self,
        purpose: Purpose,
        certificate: &[u8],
        now_unix: i64,
    ) -> Result<(ServerKey, Proof), TrustError> {
        let certificate = Certificate::from_pem(certificate)?;
        let leaf = certificate.parsed()?;
        let ca = self.certificate.parsed()?;

        if same_name(leaf.subject(), leaf.issuer()) {
            return Err(TrustError::SelfSigned { subject: shown(leaf.subject()) });
        }
        if !same_name(leaf.issuer(), ca.subject()) {
            return Err(TrustError::WrongCa { issuer: shown(leaf.issuer()), expected: shown(ca.subject()) });
        }
        self.check_signature(&leaf)?;

        let (not_before, not_after) = validity(&leaf);
        if now_unix < not_before {
            return Err(TrustError::NotYetValid { not_before, now: now_unix });
        }
        if now_unix > not_after {
            return Err(TrustError::Expired { not_after, now: now_unix });
        }
        let limits = Limits::of(&leaf)?;
        limits.check_use(purpose)?;
        Limits::of(&ca)?.check_names(&leaf, &limits)?;
        let key = server_key(leaf.public_key())?;
        if purpose == Purpose::Receipts && key.bits() < RECEIPT_BITS_MIN {
            return Err(TrustError::ReceiptKeyTooShort { bits: key.bits() });
        }

        let mut proof = proof(&leaf, &key, now_unix);
        let (_, ca_end) = validity(&ca);
        if now_unix > ca_end {
            proof.warnings.push(format!("the CA itself expired on {}", Date(ca_end)).into());
        }
        if self.key.bits() < WARN_BELOW_BITS {
            let bits = self.key.bits();
            let warning = format!("the CA's key has only {bits} bits; use {WARN_BELOW_BITS} or more");
            proof.warnings.push(warning.into());
        }
        Ok((key, proof))
    }

    /// Verifies the CA's signature with the hash that the certificate names.
    fn check_signature(&self, leaf: &X509Certificate<'_>) -> Result<(), TrustError> {
        let outer = &leaf.signature_algorithm;
        let inner = &leaf.tbs_certificate.signature;
        let algorithm = outer.algorithm.to_id_string();
        if inner != outer {
            return Err(TrustError::AlgorithmMismatch {
                inner: inner.algorithm.to_id_string(),
                outer: if inner.algorithm == outer.algorithm {
                    format!("{algorithm} with other parameters")
                } else {
                    algorithm
                },
            });
        }
        let signed = leaf.tbs_certificate.as_ref();
        let signature = pkcs1v15::Signature::try_from(leaf.signature_value.data.as_ref())
            .map_err(|_| TrustError::BadSignature)?;
        let key = self.key.as_rsa().clone();
        match algorithm.as_str() {
            "1.2.840.113549.1.1.11" => pkcs1v15::VerifyingKey::<Sha256>::new(key).verify(signed, &signature),
            "1.2.840.113549.1.1.12" => pkcs1v15::VerifyingKey::<Sha384>::new(key).verify(signed, &signature),
            "1.2.840.113549.1.1.13" => pkcs1v15::VerifyingKey::<Sha512>::new(key).verify(signed, &signature),
            "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => {
                return Err(TrustError::WeakHash { algorithm: "SHA-1".into() });
            }
            "1.2.840.113549.1.1.4" => return Err(TrustError::WeakHash { algorithm: "MD5".into() }),
            "1.2.840.113549.1.1.3" => return Err(TrustError::WeakHash { algorithm: "MD4".into() }),
            "1.2.840.113549.1.1.2" => return Err(TrustError::WeakHash { algorithm: "MD2".into() }),
            _ => return Err(TrustError::UnknownAlgorithm { algorithm }),
        }
        .map_err(|_| TrustError::BadSignature)
    }
}

/// Returns the key in a certificate, without checking who signed it.
///
/// # Errors
/// The text is not a certificate, or a server may not have such a key.
pub fn key(certificate: &[u8]) -> Result<ServerKey, TrustError> {
    let certificate = Certificate::from_pem(certificate)?;
    server_key(certificate.parsed()?.public_key())
}

fn proof(leaf: &TbsCertificate<'_>, key: &ServerKey, now_unix: i64) -> Proof {
    let mut warnings = Vec::new();
    if leaf.version() != X509Version::V3 {
        let version = leaf.version().0 + 1;
        warnings
            .push(format!("the certificate is X.509 version {version}, which cannot limit its use").into());
    }
    if key.bits() < WARN_BELOW_BITS {
        let bits = key.bits();
        warnings.push(format!("the key has only {bits} bits; use {WARN_BELOW_BITS} or more").into());
    }
    Proof {
        subject: escape(&shown(leaf.subject())),
        issuer: escape(&shown(leaf.issuer())),
        bits: key.bits(),
        days_left: validity(leaf).1.saturating_sub(now_unix).div_euclid(24 * 3600),
        fingerprint: key.fingerprint().to_string(),
        warnings,
    }
}

/// Returns the first and the last second of the validity, in Unix seconds.
fn validity(certificate: &TbsCertificate<'_>) -> (i64, i64) {
    let validity = certificate.validity();
    (validity.not_before.timestamp(), validity.not_after.timestamp())
}

fn server_key(public: &SubjectPublicKeyInfo<'_>) -> Result<ServerKey, TrustError> {
    let not_rsa = |why: &str| TrustError::NotRsa { why: why.to_owned() };
    let modulus = match public.parsed() {
        Ok(PublicKey::RSA(key)) => key.modulus,
        Ok(_) => return Err(not_rsa("it is of another kind")),
        Err(_) => return Err(not_rsa("it is damaged")),
    };
    let bits = bits(modulus);
    if bits < *KEY_BITS.start() {
        return Err(TrustError::TooShort { bits });
    }
    if bits > *KEY_BITS.end() {
        return Err(not_rsa(&format!("it has {bits} bits")));
    }
    ServerKey::from_spki(public.raw).ok_or_else(|| not_rsa("it is damaged"))
}

/// Returns the number of significant bits of a big-endian number.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros).map_or(0, |first| (number.len() - zeros) * 8 - first.leading_zeros() as usize)
}

/// Returns a name for display. RFC 5280, 4.1.2.6 allows an empty one.
fn shown(name: &X509Name<'_>) -> String {
    let text = distinguished(name);
    if text.is_empty() { "(no name)".to_owned() } else { text }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod cases;
