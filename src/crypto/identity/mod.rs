//! A server's key and certificate: loaded, and used.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::traits::PublicKeyParts as _;
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::Zeroizing;

pub use super::authority::{Authority, Issued, THROWAWAY_BITS, init, throwaway, throwaway_of};
use super::certificate::{CERTIFICATE_MAX, Certificate, CertificateError};
use super::challenge::{self, SignError};
use super::fernet::SessionKey;
use super::padding::{Both, Paddings, Unpadded};
use super::private_pem::{PemError, private_key_block};
use super::receipt;
use super::receipt_key::{RECEIPT_BITS_MIN, ReceiptKey};
use super::rsa_batch::{BatchError, PrivateBatch, Raw};
use super::rsa_blocks::{BlockOpener, ServerKey};
use super::session_key;
use crate::digest::FileDigest;
use crate::event::Padding;

/// The server's certificate, in the folder of certificates (the handout's name).
pub const CERTIFICATE_FILE: &str = "server_signed.crt";

/// Its private key, likewise.
pub const PRIVATE_KEY_FILE: &str = "server_private_key.pem";

/// The CA's certificate, likewise, as the handout spells it.
pub const CA_FILE: &str = "cacsertificate.crt";

/// The CA's private key; the course keeps its own, so the name is ours.
pub const CA_PRIVATE_KEY_FILE: &str = "ca_private_key.pem";

/// Bits of a modulus that are accepted.
pub const KEY_BITS: std::ops::RangeInclusive<usize> = 1024..=8192;

/// The most blocks that a session key is read from. One known client sends three, two of them empty.
pub const KEY_PIECES: usize = 4;

/// What MODE 4 came to.
#[derive(Debug)]
pub struct Unwrapped {
    /// The session key, or a random one.
    pub key: SessionKey,
    /// Whether a block behind the first was looked at for PKCS #1 v1.5 and did not conform: for the budget
    /// ([`PaddingBudget`](crate::net::budget::PaddingBudget)).
    pub missed: bool,
    /// An error is for the operator alone: the key is a random one because this machine failed.
    pub machine: Result<(), BatchError>,
}

/// Why there is no identity. Each says all in one line; none has a source to print after it.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("cannot read {}: {why}{}", path.display(), hint(why))]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}: {why}", path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// `init` overwrites nothing.
    #[error("{} is already there; nothing was written (choose another folder, or move it away)", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// The certificate's file is none.
    #[error("{} does not hold the server's certificate: {why}", path.display())]
    NotACertificate {
        /// Which.
        path: PathBuf,
        /// Why.
        why: CertificateError,
    },
    /// The private key's file is none.
    #[error("{} does not hold an RSA private key in PEM, PKCS #8 or PKCS #1: {why}", path.display())]
    NotAKey {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The receipt key or its certificate cannot be used.
    #[error("{} is not the certificate of this server's receipt key: {why}", path.display())]
    UnfitReceiptKey {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The CA's certificate is none.
    #[error("{} is no certificate of a CA: {why}", path.display())]
    NotACa {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The key has a passphrase, and nobody is there to type it.
    #[error("{} is protected by a passphrase (openssl pkey -in FILE -out NEW removes it)", path.display())]
    Encrypted {
        /// Which.
        path: PathBuf,
    },
    /// Certificate and key are not a pair.
    #[error("{} is not the key of {} (certificate {certified}, key {own})", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What the certificate is for.
        certified: String,
        /// What the key is.
        own: String,
    },
    /// Keys have 1024 to 8192 bits.
    #[error("a key of {bits} bits is not accepted: {} to {} are", KEY_BITS.start(), KEY_BITS.end())]
    Size {
        /// Bits of the modulus.
        bits: usize,
    },
    /// Receipt keys have at least 2048 bits.
    #[error("unsupported size of a receipt key: {bits} bits (supported: {RECEIPT_BITS_MIN} to {})", KEY_BITS.end())]
    ReceiptKeySize {
        /// Bits of the modulus.
        bits: usize,
    },
    /// A certificate's name has 1 to 64 characters.
    #[error("{name:?} is not a name for a certificate: 1 to 64 characters are")]
    Name {
        /// As asked for.
        name: String,
    },
    /// Nothing was signed.
    #[error("{why}{}", remedy(*why))]
    Sign {
        /// Why.
        why: SignError,
    },
    /// The `rsa` crate failed: no randomness, or a key that it refuses.
    #[error("RSA failed: {why}")]
    Rsa {
        /// In the crate's words.
        why: String,
    },
    /// A certificate could not be made.
    #[error("the certificate could not be made: {why}")]
    Issue {
        /// In the crate's words.
        why: String,
    },
}

impl From<rsa::Error> for IdentityError {
    fn from(error: rsa::Error) -> Self {
        Self::Rsa { why: error.to_string() }
    }
}

impl From<SignError> for IdentityError {
    fn from(why: SignError) -> Self {
        Self::Sign { why }
    }
}

const fn remedy(why: SignError) -> &'static str {
    match why {
        SignError::Machine(BatchError::Fault) => "; test this machine's memory and processor",
        SignError::Machine(BatchError::NoRandomness) => {
            "; look after the system's random numbers (getrandom)"
        }
        SignError::Salt { .. } => "",
    }
}

fn hint(why: &io::Error) -> &'static str {
    if why.kind() == io::ErrorKind::NotFound { " (`upseal certs init` makes one)" } else { "" }
}

/// Who a server is: its private key, zeroized on drop, and the certificate that goes with it.
pub struct Identity {
    key: RsaPrivateKey,
    certificate: Vec<u8>,
    /// The private operation.
    batch: PrivateBatch,
    /// The key that signs receipts in the place of this one.
    receipts: Option<ReceiptKey>,
}

impl Identity {
    /// Loads `server_signed.crt` and `server_private_key.pem` (PKCS #8 or PKCS #1) from a folder. They
    /// must be a pair; who signed the certificate is for clients to judge. Besides the receipt key, if there is one.
    pub fn load(dir: &Path) -> Result<Self, IdentityError> {
        let certificate_path = dir.join(CERTIFICATE_FILE);
        let key_path = dir.join(PRIVATE_KEY_FILE);
        let certificate = read(&certificate_path)?;
        let key = private_key(&key_path, &read(&key_path)?)?;
        let identity = Self::pair(key, certificate.to_vec(), &certificate_path, &key_path)?;
        Ok(match ReceiptKey::load(dir, identity.certificate_pem())? {
            Some(receipts) => identity.with_receipt_key(receipts),
            None => identity,
        })
    }

    /// From now on this key signs the receipts.
    #[must_use]
    pub fn with_receipt_key(self, receipts: ReceiptKey) -> Self {
        Self { receipts: Some(receipts), ..self }
    }

    /// The key that signs receipts; `None` if the server has only one key.
    #[must_use]
    pub const fn receipt_key(&self) -> Option<&ReceiptKey> {
        self.receipts.as_ref()
    }

    /// From the two PEM texts.
    pub fn from_pem(certificate: &str, private_key_pem: &str) -> Result<Self, IdentityError> {
        let (certificate_path, key_path) = (Path::new(CERTIFICATE_FILE), Path::new(PRIVATE_KEY_FILE));
        let key = private_key(key_path, private_key_pem.as_bytes())?;
        Self::pair(key, certificate.into(), certificate_path, key_path)
    }

    fn pair(
        key: RsaPrivateKey,
        certificate: Vec<u8>,
        certificate_path: &Path,
        key_path: &Path,
    ) -> Result<Self, IdentityError> {
        let bits = key.n().bits() as usize;
        if !KEY_BITS.contains(&bits) {
            return Err(IdentityError::Size { bits });
        }
        let not_a_certificate = |why| IdentityError::NotACertificate { path: certificate_path.into(), why };
        let parsed = Certificate::from_pem(&certificate).map_err(not_a_certificate)?;
        let certified = ServerKey::from_spki(parsed.parsed().map_err(not_a_certificate)?.public_key().raw);
        let own = ServerKey::new(key.to_public_key());
        if certified.as_ref() != Some(&own) {
            return Err(IdentityError::Mismatch {
                certificate: certificate_path.into(),
                key: key_path.into(),
                certified: certified
                    .map_or_else(|| "for no RSA key".into(), |key| key.fingerprint().to_string()),
                own: own.fingerprint().to_string(),
            });
        }
        Ok(Self { batch: PrivateBatch::new(&key), key, certificate, receipts: None })
    }

    /// The certificate as the file holds it: the second blob of the answer to MODE 3.
    #[must_use]
    pub fn certificate_pem(&self) -> &[u8] {
        &self.certificate
    }

    /// `k`: bytes of the modulus, of every block and of every signature.
    #[must_use]
    pub fn modulus_bytes(&self) -> usize {
        self.key.size()
    }

    /// The public half.
    #[must_use]
    pub fn server_key(&self) -> ServerKey {
        ServerKey::new(self.key.to_public_key())
    }

    /// Answers MODE 3: RSASSA-PSS, SHA-256, salt of the maximum length. As every private operation, it is blinded,
    /// and checked before anything leaves: [`IdentityError::Sign`] if this machine computes wrongly.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, IdentityError> {
        Ok(challenge::sign_salted(&self.batch, message, challenge::salt_max(&self.batch))?)
    }

    /// Signs a receipt with the server's own key: RSASSA-PSS, SHA-256, a salt of exactly 32 bytes, which no answer to
    /// MODE 3 has. Only for a server without a receipt key ([`Service::receipt_signer`](crate::net::service::Service::receipt_signer)).
    pub fn sign_receipt(&self, statement: &[u8]) -> Result<Vec<u8>, IdentityError> {
        Ok(challenge::sign_salted(&self.batch, statement, receipt::SIGNATURE_SALT)?)
    }

    /// The salt of a receipt request, OAEP. What does not decrypt becomes a random one, in constant
    /// time: the digests will be those of another salt, and nobody is told more. An error is for the operator
    /// alone: it became a random one because this machine failed.
    pub fn open_receipt_salt(&self, sealed: &[u8]) -> (receipt::Salt, Result<(), BatchError>) {
        let mut salt = Zeroizing::new([0; 32]);
        // Without randomness the salt stays zeros, as unknown to the client as any other that it did not send.
        let _ = getrandom::fill(&mut *salt);
        let em = match self.decrypt_raw(sealed) {
            Ok(Some(em)) => em,
            Ok(None) => return (salt, Ok(())),
            Err(why) => return (salt, Err(why)),
        };
        let Unpadded { valid, len, block } = Both::of(em, Paddings::OAEP).only(Padding::Oaep);
        if let Some(bytes) = block.last_chunk::<32>() {
            let is_it = valid & len.ct_eq(&32);
            for (mine, theirs) in salt.iter_mut().zip(bytes) {
                mine.conditional_assign(theirs, is_it);
            }
        }
        (salt, Ok(()))
    }

    /// Reads CP1 blocks of one file, of which these paddings are tried.
    #[must_use]
    pub fn opener(self: &Arc<Self>, paddings: Paddings) -> BlockOpener {
        BlockOpener::new(Arc::clone(self), paddings, FileDigest::Sha256)
    }

    /// Reads MODE 4: OAEP, or else PKCS #1 v1.5, by one private operation for each of up to [`KEY_PIECES`] blocks.
    ///
    /// 44 characters of base64url are a Fernet key, 32 bytes are one as it is; of several blocks the last that holds one
    /// counts, and known clients leave the others empty. Anything else, a blob of another length than whole blocks
    /// or one not below the modulus included, gives a fresh random key, chosen in constant time: the failure then
    /// surfaces at the HMAC, where it tells nothing about the padding.
    ///
    /// Behind the first block only `others` are looked for: a client that knows the key in the first block would learn
    /// from the HMAC whether the second holds one.
    ///
    /// # Panics
    /// As [`SessionKey::generate`] does.
    #[must_use]
    pub fn unwrap_session_key(&self, blob: &[u8], others: Paddings) -> Unwrapped {
        let mut unwrapped = Unwrapped { key: SessionKey::generate(), missed: false, machine: Ok(()) };
        let k = self.modulus_bytes();
        if !blob.len().is_multiple_of(k) || blob.len() > KEY_PIECES * k {
            return unwrapped;
        }
        for (n, block) in blob.chunks_exact(k).enumerate() {
            let em = match self.decrypt_raw(block) {
                Ok(Some(em)) => em,
                Ok(None) => continue,
                Err(why) => return Unwrapped { machine: Err(why), ..unwrapped },
            };
            let paddings = if n == 0 { Paddings::EITHER } else { others };
            let Unpadded { valid, len, block } = Both::of(em, paddings).either();
            unwrapped.missed |= n > 0 && others.contains(Padding::Pkcs1v15) && !bool::from(valid);
            if let Some(text) = block.last_chunk() {
                let (bytes, is_key) = session_key::decode(text);
                unwrapped.key.replace_if(valid & len.ct_eq(&44) & is_key, &bytes);
            }
            if let Some(bytes) = block.last_chunk() {
                unwrapped.key.replace_if(valid & len.ct_eq(&32), bytes);
            }
        }
        unwrapped
    }

    /// The same, on a machine that goes wrong for good after one operation: the answer to MODE 3.
    #[cfg(test)]
    pub(crate) fn on_a_failing_machine(&self) -> Self {
        let batch = PrivateBatch::failing_after_one(&self.key);
        Self { key: self.key.clone(), certificate: self.certificate.clone(), batch, receipts: None }
    }

    #[cfg(test)]
    pub(super) const fn private_key_for_tests(&self) -> &RsaPrivateKey {
        &self.key
    }

    /// The raw private operation on one block; `None` if it is not `k` bytes or not below the modulus.
    pub(super) fn decrypt_raw(&self, block: &[u8]) -> Result<Raw, BatchError> {
        if block.len() != self.modulus_bytes() {
            return Ok(None);
        }
        Ok(self.batch.decrypt(block)?.pop().flatten())
    }

    /// The private operation: on many blocks, or for a signature.
    pub(super) const fn batch(&self) -> &PrivateBatch {
        &self.batch
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("key", &self.server_key()).finish_non_exhaustive()
    }
}

/// A whole file of at most [`CERTIFICATE_MAX`] bytes.
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

#[cfg(test)]
mod tests;
