//! A server's identity from a CA of somebody else: the request (PKCS #10), and the CA's answer.
//!
//! ```text
//!   server   csr ──► server_private_key.pem, stays    CA   sign ◄── ca_private_key.pem
//!                 └► server.csr ─────────────────────────► │
//!            server_signed.crt ◄───────────────────────────┘
//! ```

use std::path::{Path, PathBuf};

use rsa::RsaPrivateKey;
use rsa::pkcs1v15::{Signature, SigningKey, VerifyingKey};
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
use rsa::sha2::{Sha256, Sha384, Sha512};
use rsa::signature::{Keypair as _, SignatureEncoding as _, Signer as _, Verifier as _};
use x509_cert::SubjectPublicKeyInfo;
use x509_cert::der::asn1::{BitString, SetOfVec};
use x509_cert::der::{DecodePem as _, Encode as _, EncodePem as _};
use x509_cert::request::{CertReq, CertReqInfo, Version};
use x509_cert::spki::DynSignatureAlgorithmIdentifier as _;

use super::authority::{Authority, create_folder, issue, name, new_key, write_all_new, write_new};
use super::certificate::CERTIFICATE_MAX;
use super::identity::{IdentityError, KEY_BITS, PRIVATE_KEY_FILE, read};
use super::rsa_blocks::ServerKey;

/// The request, beside the private key; the handout's name.
pub const REQUEST_FILE: &str = "server.csr";

/// Why a request is not signed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// It is no request in PEM.
    #[error("it is no certificate request in PEM: {why}")]
    NotARequest {
        /// In the crate's words.
        why: String,
    },
    /// There is more in it than one request.
    #[error("there is something else beside the certificate request")]
    NotAlone,
    /// The key is of another kind, too short or too long.
    #[error("its key is no RSA key of {} to {} bits", KEY_BITS.start(), KEY_BITS.end())]
    Key,
    /// Another signature than RSA's, or over a hash that can be forged.
    #[error("it is signed with {algorithm}; RSA with SHA-256, SHA-384 or SHA-512 is needed")]
    Algorithm {
        /// Its object identifier.
        algorithm: String,
    },
    /// Whoever made it does not have its key, or it was changed since.
    #[error("its own signature does not hold: who made it does not have its key, or it was changed")]
    BadSignature,
    /// The certificate would be nobody's.
    #[error("it names no subject")]
    NoSubject,
    /// The certificate would seem to be self-signed.
    #[error("it names the CA itself as its subject")]
    NamesTheCa,
    /// The certificate could not be made.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Makes a key of `bits` bits and a request for `CN=common_name`, and writes both into `dir`, which is
/// created (0700) if need be. The key gets mode 0600. Nothing is ever overwritten: if one of the two files is
/// there, none is written.
pub fn csr(dir: &Path, common_name: &str, bits: usize) -> Result<Vec<PathBuf>, IdentityError> {
    let files = [PRIVATE_KEY_FILE, REQUEST_FILE].map(|name| dir.join(name));
    // Before the search for primes; writing never replaces either.
    if let Some(path) = files.iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(IdentityError::Exists { path: path.clone() });
    }
    let subject = name(common_name)?;
    let key = new_key(bits)?;
    let private_key = key.to_pkcs8_pem(LineEnding::LF).map_err(issue)?;
    let request = request(subject, key)?;
    create_folder(dir)?;
    let [key_file, request_file] = files;
    write_all_new([(key_file, &private_key, 0o600), (request_file, &request, 0o644)])
}

/// Without attributes: the CA decides what the certificate may be used for.
fn request(subject: x509_cert::name::Name, key: RsaPrivateKey) -> Result<String, IdentityError> {
    let public_key = SubjectPublicKeyInfo::from_key(key.as_public_key()).map_err(issue)?;
    let info = CertReqInfo { version: Version::V1, subject, public_key, attributes: SetOfVec::default() };
    let signer = SigningKey::<Sha256>::new(key);
    let signature: Signature = signer.try_sign(&info.to_der().map_err(issue)?).map_err(issue)?;
    let request = CertReq {
        info,
        algorithm: signer.verifying_key().signature_algorithm_identifier().map_err(issue)?,
        signature: BitString::from_bytes(&signature.to_vec()).map_err(issue)?,
    };
    request.to_pem(LineEnding::LF).map_err(issue)
}

/// Signs somebody's request: the subject and the key are the request's, all else is ours. Returns the
/// certificate, PEM.
///
/// # Errors
/// The request's own signature does not hold, or its key or name is not for a server.
pub fn sign(request: &[u8], authority: &Authority, days: u32) -> Result<String, RequestError> {
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
    Ok(authority.certify(request.info.subject, request.info.public_key, days)?)
}

fn parse(pem: &[u8]) -> Result<CertReq, RequestError> {
    let not_a_request = |why: String| RequestError::NotARequest { why };
    if pem.len() > CERTIFICATE_MAX {
        return Err(not_a_request(format!("it has {} bytes", pem.len())));
    }
    let text = str::from_utf8(pem).map_err(|_| not_a_request("it is not text".to_owned()))?;
    // OpenSSL writes words before it, and older programs another label.
    let begin = text.find("-----BEGIN ").ok_or_else(|| not_a_request("there is no PEM in it".to_owned()))?;
    let text = text[begin..].trim_end().replace(" NEW CERTIFICATE REQUEST-----", " CERTIFICATE REQUEST-----");
    if text.matches("-----BEGIN ").count() != 1 {
        return Err(RequestError::NotAlone);
    }
    CertReq::from_pem(text.as_bytes()).map_err(|why| not_a_request(why.to_string()))
}

/// Whoever asks must have the private key, or he would get a certificate for somebody else's.
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
pub fn load(path: &Path) -> Result<Vec<u8>, IdentityError> {
    read(path).map(|bytes| bytes.to_vec())
}

/// Writes a certificate that was signed; never overwrites.
pub fn write_certificate(path: &Path, pem: &str) -> Result<(), IdentityError> {
    write_new(path, pem, 0o644).map_err(|why| match why.kind() {
        std::io::ErrorKind::AlreadyExists => IdentityError::Exists { path: path.into() },
        _ => IdentityError::Unwritable { path: path.into(), why },
    })
}

#[cfg(test)]
mod tests;
