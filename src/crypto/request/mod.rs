//! Certificate requests (PKCS #10), for a server whose CA is elsewhere, and the CA's answer.
//!
//! ```text
//!   server   csr ──► server_private_key.pem, stays    CA   sign ◄── ca_private_key.pem
//!                 └► server.csr ─────────────────────────► │
//!            server_signed.crt ◄───────────────────────────┘
//! ```
//!
//! A receipt key's request has the subject of the server's own certificate or request, and asks for the extended key
//! usage of receipt keys. [`sign`] grants that usage and no other.

use std::path::{Path, PathBuf};

use rsa::RsaPrivateKey;
use rsa::pkcs1v15::{Signature, SigningKey, VerifyingKey};
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
use rsa::sha2::{Sha256, Sha384, Sha512};
use rsa::signature::{Keypair as _, SignatureEncoding as _, Signer as _, Verifier as _};
use x509_cert::SubjectPublicKeyInfo;
use x509_cert::der::asn1::{BitString, SetOfVec};
use x509_cert::der::oid::AssociatedOid as _;
use x509_cert::der::{Decode as _, DecodePem as _, Encode as _, EncodePem as _};
use x509_cert::ext::ToExtension as _;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, KeyUsages};
use x509_cert::name::Name;
use x509_cert::request::{CertReq, CertReqInfo, ExtensionReq, Version};
use x509_cert::spki::DynSignatureAlgorithmIdentifier as _;

use super::authority::{
    Authority, create_folder, issue, name, new_key, receipts_use, write_all_new, write_new,
};
use super::certificate::{CERTIFICATE_MAX, Certificate, Purpose};
use super::key_files::{CERTIFICATE_FILE, IdentityError, KEY_BITS, PRIVATE_KEY_FILE, read};
use super::receipt_key::{RECEIPT_BITS_MIN, RECEIPT_PRIVATE_KEY_FILE};
use super::server_key::ServerKey;

/// File name of the request (the assignment's name).
pub(crate) const REQUEST_FILE: &str = "server.csr";

/// File name of the request for the receipt key's certificate.
pub(crate) const RECEIPT_REQUEST_FILE: &str = "receipt.csr";

/// Why a request is not signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// The file is not a certificate request in PEM.
    #[error("it is not a certificate request in PEM: {why}")]
    NotARequest {
        /// Message of the parser.
        why: String,
    },
    /// The file contains more than one PEM block.
    #[error("it contains other PEM blocks besides the certificate request")]
    NotAlone,
    /// The key is not an RSA key, or its size is not supported.
    #[error("unsupported key (supported: RSA keys of {} to {} bits)", KEY_BITS.start(), KEY_BITS.end())]
    Key,
    /// The request is signed with another algorithm than RSA, or with a hash that can be forged.
    #[error("unsupported signature algorithm: {algorithm} (supported: RSA with SHA-256, SHA-384 or SHA-512)")]
    Algorithm {
        /// Object identifier of the algorithm.
        algorithm: String,
    },
    /// The requester does not have the private key, or the request was changed.
    #[error(
        "its signature is invalid: the requester does not have the private key, or the request was changed"
    )]
    BadSignature,
    /// The subject is empty.
    #[error("its subject is empty")]
    NoSubject,
    /// The subject is that of the CA, so the certificate would look self-signed.
    #[error("its subject is the CA itself")]
    NamesTheCa,
    /// The certificate cannot be created.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Creates a key of `bits` bits and a request for `CN=common_name`, and writes both into `dir`, which is created
/// (0700) if it is missing. The key gets mode 0600. If one of the two files exists, none is written.
pub(crate) fn csr(dir: &Path, common_name: &str, bits: usize) -> Result<Vec<PathBuf>, IdentityError> {
    write_request(Purpose::Server, [PRIVATE_KEY_FILE, REQUEST_FILE].map(|name| dir.join(name)), bits, || {
        name(common_name)
    })
}

/// Creates a receipt key of `bits` bits (at least 2048) for the server whose certificate or request is in `dir`, and
/// a request with the same subject, and writes both as [`csr`] does.
///
/// # Errors
/// The server has neither a certificate nor a request, a file exists already, or the size is not supported.
pub(crate) fn receipt_csr(dir: &Path, bits: usize) -> Result<Vec<PathBuf>, IdentityError> {
    if bits < RECEIPT_BITS_MIN {
        return Err(IdentityError::ReceiptKeySize { bits });
    }
    let files = [RECEIPT_PRIVATE_KEY_FILE, RECEIPT_REQUEST_FILE].map(|name| dir.join(name));
    write_request(Purpose::Receipts, files, bits, || subject_of_the_server(dir))
}

/// Returns the subject of the server's certificate, or of its request if it has no certificate yet.
fn subject_of_the_server(dir: &Path) -> Result<Name, IdentityError> {
    let path = dir.join(CERTIFICATE_FILE);
    match read(&path) {
        Ok(pem) => {
            let not_one = |why| IdentityError::NotACertificate { path: path.clone(), why };
            let certificate = Certificate::from_pem(&pem).map_err(not_one)?;
            let certificate = x509_cert::Certificate::from_der(certificate.der()).map_err(issue)?;
            Ok(certificate.tbs_certificate().subject().clone())
        }
        Err(error) => match read(&dir.join(REQUEST_FILE)).map(|pem| parse(&pem)) {
            Ok(Ok(request)) => Ok(request.info.subject),
            _ => Err(error),
        },
    }
}

/// Writes a new key and a request for it into two files.
fn write_request(
    purpose: Purpose,
    files: [PathBuf; 2],
    bits: usize,
    subject: impl FnOnce() -> Result<Name, IdentityError>,
) -> Result<Vec<PathBuf>, IdentityError> {
    // Checked before the search for primes, to fail early. Writing never replaces a file either.
    if let Some(path) = files.iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(IdentityError::Exists { path: path.clone() });
    }
    let subject = subject()?;
    let key = new_key(bits)?;
    let private_key = key.to_pkcs8_pem(LineEnding::LF).map_err(issue)?;
    let request = request(purpose, subject, key)?;
    let [key_file, request_file] = files;
    if let Some(dir) = key_file.parent() {
        create_folder(dir)?;
    }
    write_all_new([(key_file, &private_key, 0o600), (request_file, &request, 0o644)])
}

/// Creates a request. A server's request has no attributes: the CA decides on the use of the certificate. A receipt
/// key's request asks for its use, so that no CA takes it for a second server by mistake.
fn request(purpose: Purpose, subject: Name, key: RsaPrivateKey) -> Result<String, IdentityError> {
    let public_key = SubjectPublicKeyInfo::from_key(key.as_public_key()).map_err(issue)?;
    let mut attributes = SetOfVec::default();
    if purpose == Purpose::Receipts {
        let usage =
            KeyUsage(KeyUsages::DigitalSignature.into()).to_extension(&subject, &[]).map_err(issue)?;
        let extended = receipts_use().to_extension(&subject, &[]).map_err(issue)?;
        let wanted = ExtensionReq(vec![usage, extended]).try_into().map_err(issue)?;
        attributes.insert(wanted).map_err(issue)?;
    }
    let info = CertReqInfo { version: Version::V1, subject, public_key, attributes };
    let signer = SigningKey::<Sha256>::new(key);
    let signature: Signature = signer.try_sign(&info.to_der().map_err(issue)?).map_err(issue)?;
    let request = CertReq {
        info,
        algorithm: signer.verifying_key().signature_algorithm_identifier().map_err(issue)?,
        signature: BitString::from_bytes(&signature.to_vec()).map_err(issue)?,
    };
    request.to_pem(LineEnding::LF).map_err(issue)
}

/// Signs a request. Subject, key and purpose come from the request; the CA chooses everything else. Returns the
/// certificate in PEM.
///
/// # Errors
/// The request's signature is invalid, or its key or name does not fit its purpose.
pub(crate) fn sign(request: &[u8], authority: &Authority, days: u32) -> Result<String, RequestError> {
    let request = parse(request)?;
    let public = request.info.public_key.to_der().map_err(issue)?;
    let key = ServerKey::from_spki(&public)
        .filter(|key| KEY_BITS.contains(&key.bits()))
        .ok_or(RequestError::Key)?;
    verify(&request, &key)?;
    if request.info.subject.is_empty() {
        return Err(RequestError::NoSubject);
    }
    if &request.info.subject == authority.name() {
        return Err(RequestError::NamesTheCa);
    }
    let purpose = purpose(&request);
    if purpose == Purpose::Receipts && key.bits() < RECEIPT_BITS_MIN {
        return Err(IdentityError::ReceiptKeySize { bits: key.bits() }.into());
    }
    Ok(authority.certify(purpose, request.info.subject, request.info.public_key, days)?)
}

/// Returns [`Purpose::Receipts`] if the request asks for the extended key usage of a receipt key.
fn purpose(request: &CertReq) -> Purpose {
    let wanted = request
        .info
        .attributes
        .iter()
        .filter(|attribute| attribute.oid == ExtensionReq::OID)
        .flat_map(|attribute| attribute.values.iter())
        .filter_map(|value| value.decode_as::<ExtensionReq>().ok())
        .flat_map(|extensions| extensions.0)
        .filter(|extension| extension.extn_id == ExtendedKeyUsage::OID)
        .filter_map(|extension| ExtendedKeyUsage::from_der(extension.extn_value.as_bytes()).ok());
    let is_for_receipts = wanted.flat_map(|usage| usage.0).any(|usage| receipts_use().0.contains(&usage));
    if is_for_receipts { Purpose::Receipts } else { Purpose::Server }
}

fn parse(pem: &[u8]) -> Result<CertReq, RequestError> {
    let not_a_request = |why: String| RequestError::NotARequest { why };
    if pem.len() > CERTIFICATE_MAX {
        return Err(not_a_request(format!("it has {} bytes", pem.len())));
    }
    let text = str::from_utf8(pem).map_err(|_| not_a_request("it is not text".to_owned()))?;
    // OpenSSL writes text before it, and older programs use another label.
    let begin = text.find("-----BEGIN ").ok_or_else(|| not_a_request("there is no PEM in it".to_owned()))?;
    let text = text[begin..].trim_end().replace(" NEW CERTIFICATE REQUEST-----", " CERTIFICATE REQUEST-----");
    if text.matches("-----BEGIN ").count() != 1 {
        return Err(RequestError::NotAlone);
    }
    CertReq::from_pem(text.as_bytes()).map_err(|why| not_a_request(why.to_string()))
}

/// Checks that the requester has the private key. Otherwise it could get a certificate for another party's key.
fn verify(request: &CertReq, key: &ServerKey) -> Result<(), RequestError> {
    let signed = request.info.to_der().map_err(issue)?;
    let algorithm = request.algorithm.oid.to_string();
    let bytes = request.signature.as_bytes().ok_or(RequestError::BadSignature)?;
    let signature = Signature::try_from(bytes).map_err(|_| RequestError::BadSignature)?;
    let key = key.as_rsa().clone();
    match algorithm.as_str() {
        "1.2.840.113549.1.1.11" => VerifyingKey::<Sha256>::new(key).verify(&signed, &signature),
        "1.2.840.113549.1.1.12" => VerifyingKey::<Sha384>::new(key).verify(&signed, &signature),
        "1.2.840.113549.1.1.13" => VerifyingKey::<Sha512>::new(key).verify(&signed, &signature),
        _ => return Err(RequestError::Algorithm { algorithm }),
    }
    .map_err(|_| RequestError::BadSignature)
}

/// Reads a request from a file.
pub(crate) fn load(path: &Path) -> Result<Vec<u8>, IdentityError> {
    read(path).map(|bytes| bytes.to_vec())
}

/// Writes a signed certificate. An existing file is an error.
pub(crate) fn write_certificate(path: &Path, pem: &str) -> Result<(), IdentityError> {
    write_new(path, pem, 0o644).map_err(|why| match why.kind() {
        std::io::ErrorKind::AlreadyExists => IdentityError::Exists { path: path.into() },
        _ => IdentityError::Unwritable { path: path.into(), why },
    })
}

#[cfg(test)]
mod tests;
