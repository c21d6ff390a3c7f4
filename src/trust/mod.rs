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
//! With a pin alone (`--pin` without `--ca`), rules 1 and 10 hold, and the key must be the pinned one. What the other
//! rules would refuse is a warning: the pin names the key, and a relay can write the rest of the certificate. The certificate of a receipt key is not accepted then.
//!
//! Accepted with a warning: X.509 versions 1 and 2, keys of fewer than 2048 bits, and a CA that has itself expired.
//! The certificates of the assignment need the first two.

mod anchor;
pub(crate) mod facts;
pub(crate) mod known;
mod limits;
pub(crate) mod receipts;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use x509_parser::prelude::{SubjectPublicKeyInfo, TbsCertificate, X509Version};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

pub use self::anchor::Anchor;
use crate::crypto::certificate::{Certificate, CertificateError};
use crate::crypto::distinguished;
use crate::crypto::identity::KEY_BITS;
use crate::crypto::receipt_key::RECEIPT_BITS_MIN;
use crate::crypto::server_key::ServerKey;
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
    /// The server's key is not the pinned one.
    #[error("the server's key is sha256:{key}, but the pin is sha256:{pin}")]
    NotPinned {
        /// Fingerprint of the key in the certificate.
        key: Digest,
        /// Fingerprint that the user expects.
        pin: Digest,
    },
    /// A pin names the server's key only, so the certificate of a receipt key cannot be checked.
    #[error("the receipt key's certificate cannot be checked without the CA")]
    ReceiptKeyWithoutCa,
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
        certified: true,
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
