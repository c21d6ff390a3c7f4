//! What a server is checked against: the CA that must have signed its certificate, the pin of its key, or both.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rsa::pkcs1v15;
use rsa::sha2::{Sha256, Sha384, Sha512};
use rsa::signature::Verifier as _;
use x509_parser::prelude::{TbsCertificate, X509Certificate};

use super::limits::Limits;
use super::{Date, TrustError, WARN_BELOW_BITS, proof, server_key, shown, validity};
use crate::crypto::certificate::{CERTIFICATE_MAX, Certificate, Purpose};
use crate::crypto::receipt_key::RECEIPT_BITS_MIN;
use crate::crypto::same_name;
use crate::crypto::server_key::ServerKey;
use crate::digest::Digest;
use crate::event::Proof;

/// Warning about a certificate that only a pin was compared with.
const NO_CA: &str = "no CA was checked: the pin names the key, and nothing confirms the name and the dates";

/// What a server's certificate is checked against: a CA, the pin of the server's key, or both.
#[derive(Debug, Clone)]
pub struct Anchor(Basis);

#[derive(Debug, Clone)]
enum Basis {
    /// Any key that the CA certified.
    Ca(Authority),
    /// The key of this fingerprint, under any certificate.
    Pin(Digest),
    /// The key of this fingerprint, if the CA certified it.
    Both(Authority, Digest),
}

impl Anchor {
    /// Reads exactly one certificate in PEM: that of the CA. The CA is the user's choice, so its own signature and
    /// validity period are not checked.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TrustError> {
        Ok(Self(Basis::Ca(Authority::from_pem(pem)?)))
    }

    /// Reads the CA's certificate from a file.
    pub fn load(path: &Path) -> Result<Self, TrustError> {
        Ok(Self(Basis::Ca(Authority::load(path)?)))
    }

    /// Accepts the key of this SPKI SHA-256, and no CA is checked.
    #[must_use]
    pub const fn pinned(pin: Digest) -> Self {
        Self(Basis::Pin(pin))
    }

    /// Adds the requirement that the server's key has this SPKI SHA-256.
    #[must_use]
    pub fn with_pin(self, pin: Digest) -> Self {
        Self(match self.0 {
            Basis::Ca(ca) | Basis::Both(ca, _) => Basis::Both(ca, pin),
            Basis::Pin(_) => Basis::Pin(pin),
        })
    }

    /// Returns the SHA-256 of the `SubjectPublicKeyInfo` that identifies the anchor among the known servers: the CA's, or
    /// with a pin alone the pin.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        match &self.0 {
            Basis::Ca(ca) | Basis::Both(ca, _) => ca.key.fingerprint(),
            Basis::Pin(pin) => *pin,
        }
    }

    /// Returns whether there is no CA. Then a receipt key cannot be checked.
    #[must_use]
    pub const fn is_pin_alone(&self) -> bool {
        matches!(self.0, Basis::Pin(_))
    }

    /// Returns the CA's certificate.
    #[cfg(test)]
    pub(super) fn certificate(&self) -> &Certificate {
        match &self.0 {
            Basis::Ca(ca) | Basis::Both(ca, _) => &ca.certificate,
            Basis::Pin(_) => unreachable!("a pin has no CA"),
        }
    }

    /// Checks the certificate that a server sent in its reply to MODE 3.
    pub fn check(&self, certificate: &[u8], now_unix: i64) -> Result<(ServerKey, Proof), TrustError> {
        self.check_for(Purpose::Server, certificate, now_unix)
    }

    /// Checks a certificate for a purpose, by the rules of [the module](super). A pin is compared with the server's key
    /// only.
    ///
    /// # Errors
    /// The first rule that the certificate violates.
    pub fn check_for(
        &self,
        purpose: Purpose,
        certificate: &[u8],
        now_unix: i64,
    ) -> Result<(ServerKey, Proof), TrustError> {
        match (&self.0, purpose) {
            (Basis::Ca(ca), _) | (Basis::Both(ca, _), Purpose::Receipts) => {
                ca.check_for(purpose, certificate, now_unix)
            }
            (Basis::Both(ca, pin), Purpose::Server) => {
                let (key, proof) = ca.check_for(purpose, certificate, now_unix)?;
                compare(&key, *pin)?;
                Ok((key, proof))
            }
            (Basis::Pin(pin), Purpose::Server) => check_pinned(*pin, certificate, now_unix),
            (Basis::Pin(_), Purpose::Receipts) => Err(TrustError::ReceiptKeyWithoutCa),
        }
    }
}

fn compare(key: &ServerKey, pin: Digest) -> Result<(), TrustError> {
    let key = key.fingerprint();
    if key == pin { Ok(()) } else { Err(TrustError::NotPinned { key, pin }) }
}

/// Checks that a certificate holds the pinned key. What a CA's signature would have to confirm is reported as a warning.
fn check_pinned(pin: Digest, certificate: &[u8], now_unix: i64) -> Result<(ServerKey, Proof), TrustError> {
    let certificate = Certificate::from_pem(certificate)?;
    let leaf = certificate.parsed()?;
    let key = server_key(leaf.public_key())?;
    compare(&key, pin)?;
    let mut proof = proof(&leaf, &key, now_unix);
    proof.certified = false;
    proof.warnings.push(NO_CA.into());
    let limits = Limits::of(&leaf).and_then(|limits| limits.check_use(Purpose::Server));
    for unmet in [check_dates(&leaf, now_unix), limits] {
        proof.warnings.extend(unmet.err().map(|why| why.to_string().into()));
    }
    Ok((key, proof))
}

fn check_dates(leaf: &TbsCertificate<'_>, now_unix: i64) -> Result<(), TrustError> {
    let (not_before, not_after) = validity(leaf);
    if now_unix < not_before {
        return Err(TrustError::NotYetValid { not_before, now: now_unix });
    }
    if now_unix > not_after {
        return Err(TrustError::Expired { not_after, now: now_unix });
    }
    Ok(())
}

/// A CA that must have signed every server's certificate.
#[derive(Debug, Clone)]
struct Authority {
    certificate: Certificate,
    key: ServerKey,
}

impl Authority {
    fn from_pem(pem: &[u8]) -> Result<Self, TrustError> {
        let certificate = Certificate::from_pem(pem)?;
        let parsed = certificate.parsed()?;
        if !Limits::of(&parsed)?.permits_certifying() {
            return Err(TrustError::NotACa { subject: shown(parsed.subject()) });
        }
        let key = server_key(parsed.public_key())?;
        Ok(Self { certificate, key })
    }

    fn load(path: &Path) -> Result<Self, TrustError> {
        let unreadable = |why| TrustError::Unreadable { path: path.into(), why };
        let mut pem = Vec::new();
        File::open(path)
            .and_then(|file| file.take(CERTIFICATE_MAX as u64 + 1).read_to_end(&mut pem))
            .map_err(unreadable)?;
        Self::from_pem(&pem)
    }

    fn check_for(
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

        check_dates(&leaf, now_unix)?;
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
