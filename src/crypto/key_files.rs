//! Files with keys and certificates: their names, how they are read, and who else can read them.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::DecodePrivateKey as _;
use zeroize::Zeroizing;

use super::certificate::{CERTIFICATE_MAX, CertificateError};
use super::challenge::SigningError;
use super::private_pem::{PemError, private_key_block};
use super::rsa_batch::BatchError;
use crate::messages::Escaped;

/// File name of the server's certificate (the assignment's name).
pub(crate) const CERTIFICATE_FILE: &str = "server_signed.crt";

/// File name of the server's private key (the assignment's name).
pub(crate) const PRIVATE_KEY_FILE: &str = "server_private_key.pem";

/// File name of the CA's certificate, spelled as in the assignment.
pub(crate) const CA_FILE: &str = "cacsertificate.crt";

/// File name of the CA's private key.
pub(crate) const CA_PRIVATE_KEY_FILE: &str = "ca_private_key.pem";

/// Supported sizes of a modulus, in bits.
pub(crate) const KEY_BITS: std::ops::RangeInclusive<usize> = 1024..=8192;

/// Smallest size of a receipt key's modulus, in bits. No older peer needs a smaller one.
pub(crate) const RECEIPT_BITS_MIN: usize = 2048;

/// Suffix of the names of private key files.
const PRIVATE: &str = "_private_key.pem";
/// Permission bits of the group and of all other users.
const OTHERS: u32 = 0o077;

/// Why a key or a certificate cannot be loaded, created or used. Each message is one line and contains its cause.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("cannot read {}: {why}{}", path.display(), hint(why))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Error from the system.
        why: io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}: {why}", path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// Error from the system.
        why: io::Error,
    },
    /// A file exists already; nothing is overwritten.
    #[error("{} already exists; nothing was written (choose another folder, or move the file)", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file of the server's certificate does not contain one.
    #[error("cannot read the server's certificate in {}: {why}", path.display())]
    NotACertificate {
        /// The file.
        path: PathBuf,
        /// Error of the parser.
        why: CertificateError,
    },
    /// The file of the private key does not contain one.
    #[error("cannot read an RSA private key (PEM, PKCS #8 or PKCS #1) in {}: {why}", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// Text of the parser's error.
        why: String,
    },
    /// The receipt key or its certificate cannot be used.
    #[error("cannot use {} as the certificate of the receipt key: {why}", path.display())]
    UnfitReceiptKey {
        /// File of the receipt key's certificate.
        path: PathBuf,
        /// Requirement that the key or its certificate does not meet.
        why: String,
    },
    /// The file of the CA's certificate does not contain one.
    #[error("cannot read a CA certificate in {}: {why}", path.display())]
    NotACa {
        /// The file.
        path: PathBuf,
        /// Requirement that the certificate does not meet.
        why: String,
    },
    /// The private key is encrypted. A server cannot ask for a passphrase.
    #[error("{} is protected by a passphrase (remove it with `openssl pkey -in FILE -out NEW`)", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// The certificate belongs to another key.
    #[error("{} is not the private key of {} (the certificate is for {certified}, the key is {own})", key.display(), certificate.display())]
    Mismatch {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the private key.
        key: PathBuf,
        /// Fingerprint of the certificate's key.
        certified: String,
        /// Fingerprint of the private key's public half.
        own: String,
    },
    /// The modulus is too short or too long.
    #[error("unsupported key size: {bits} bits (supported: {} to {})", KEY_BITS.start(), KEY_BITS.end())]
    Size {
        /// Bits of the modulus.
        bits: usize,
    },
    /// The modulus of a receipt key is too short or too long.
    #[error("unsupported size of a receipt key: {bits} bits (supported: {RECEIPT_BITS_MIN} to {})", KEY_BITS.end())]
    ReceiptKeySize {
        /// Bits of the modulus.
        bits: usize,
    },
    /// The common name of a certificate is empty or too long.
    #[error("invalid certificate name {name:?}: 1 to 64 characters required")]
    Name {
        /// The name.
        name: String,
    },
    /// Signing failed.
    #[error("{why}{}", remedy(*why))]
    Sign {
        /// Cause of the failure.
        why: SigningError,
    },
    /// The `rsa` crate failed: no randomness, or a key that it refuses.
    #[error("RSA failed: {why}")]
    Rsa {
        /// Message of the crate.
        why: String,
    },
    /// A certificate could not be created.
    #[error("cannot create the certificate: {why}")]
    Issue {
        /// Message of the crate.
        why: String,
    },
}

impl From<rsa::Error> for IdentityError {
    fn from(error: rsa::Error) -> Self {
        Self::Rsa { why: error.to_string() }
    }
}

impl From<SigningError> for IdentityError {
    fn from(why: SigningError) -> Self {
        Self::Sign { why }
    }
}

const fn remedy(why: SigningError) -> &'static str {
    match why {
        SigningError::Machine(BatchError::Fault) => "; check this machine's memory and CPU",
        SigningError::Machine(BatchError::NoRandomness) => {
            "; check the system's random number generator (getrandom)"
        }
        SigningError::Salt { .. } => "",
    }
}

fn hint(why: &io::Error) -> &'static str {
    if why.kind() == io::ErrorKind::NotFound { " (create one with `upseal certs init`)" } else { "" }
}

/// Reads a file of at most [`CERTIFICATE_MAX`] bytes.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let unreadable = |why| IdentityError::Unreadable { path: path.into(), why };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
    file.take(CERTIFICATE_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > CERTIFICATE_MAX {
        return Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than 64 KiB")));
    }
    Ok(bytes)
}

pub(super) fn private_key(path: &Path, pem: &[u8]) -> Result<RsaPrivateKey, IdentityError> {
    let not_a_key = |why: String| IdentityError::NotAKey { path: path.into(), why };
    let text = private_key_block(pem).map_err(|why| match why {
        PemError::Encrypted => IdentityError::Encrypted { path: path.into() },
        why => not_a_key(why.to_string()),
    })?;
    if text.contains("-----BEGIN RSA PRIVATE KEY-----") {
        RsaPrivateKey::from_pkcs1_pem(&text).map_err(|why| not_a_key(why.to_string()))
    } else {
        RsaPrivateKey::from_pkcs8_pem(&text).map_err(|why| not_a_key(why.to_string()))
    }
}

/// A private key that other users of the machine can read or change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} can be used by other users of this machine (mode {mode:04o})", Escaped::path(path))]
pub(crate) struct Exposed {
    /// The key's file.
    pub path: PathBuf,
    /// Permission bits of the file.
    pub mode: u32,
}

/// Returns the private keys in `folder`, the CA's too, that are not the user's alone. A folder that cannot be read
/// has none; loading the key reports why.
#[must_use]
pub(crate) fn exposed(folder: &Path) -> Vec<Exposed> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut exposed: Vec<Exposed> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(PRIVATE))
        .filter_map(|entry| {
            let path = entry.path();
            let mode = fs::metadata(&path).ok()?.permissions().mode() & 0o7777;
            (mode & OTHERS != 0).then_some(Exposed { path, mode })
        })
        .collect();
    exposed.sort_by(|one, other| one.path.cmp(&other.path));
    exposed
}
