//! The key that signs a server's receipts, and nothing else.
//!
//! A server's own key decrypts blocks that clients choose (CP1, MODE 4). An observer who can tell which blocks
//! decrypt can also compute signatures of that key. A [`ReceiptKey`] can only sign statements, so nothing that a
//! client sends reaches its private key.

use std::fmt;
use std::path::Path;

use rsa::RsaPrivateKey;
use rsa::traits::PublicKeyParts as _;

use super::certificate::Certificate;
pub(crate) use super::key_files::RECEIPT_BITS_MIN;
use super::key_files::{self, IdentityError};
use super::rsa_batch::PrivateBatch;
use super::server_key::ServerKey;
use super::{challenge, receipt, same_name};

/// File name of the receipt key's certificate.
pub(crate) const RECEIPT_CERTIFICATE_FILE: &str = "receipt_signed.crt";

/// File name of the receipt key's private key.
pub(crate) const RECEIPT_PRIVATE_KEY_FILE: &str = "receipt_private_key.pem";

/// A private key for receipts, zeroized on drop, and its certificate.
pub struct ReceiptKey {
    public: ServerKey,
    certificate: Vec<u8>,
    batch: PrivateBatch,
}

impl ReceiptKey {
    /// Loads the receipt key from a folder of certificates. Returns `None` if its certificate is missing; a private
    /// key alone has not been certified yet.
    ///
    /// # Errors
    /// One of the files cannot be used, or they do not belong to the server with this certificate.
    pub fn load(dir: &Path, server_certificate: &[u8]) -> Result<Option<Self>, IdentityError> {
        let certificate_path = dir.join(RECEIPT_CERTIFICATE_FILE);
        if certificate_path.symlink_metadata().is_err_and(|why| why.kind() == std::io::ErrorKind::NotFound) {
            return Ok(None);
        }
        let key_path = dir.join(RECEIPT_PRIVATE_KEY_FILE);
        let certificate = key_files::read(&certificate_path)?;
        let key = key_files::private_key(&key_path, &key_files::read(&key_path)?)?;
        Self::pair(&key, certificate.to_vec(), server_certificate, &certificate_path, &key_path).map(Some)
    }

    /// Loads the receipt key from two PEM texts.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_pem(
        certificate: &str,
        private_key_pem: &str,
        server_certificate: &[u8],
    ) -> Result<Self, IdentityError> {
        let key_path = Path::new(RECEIPT_PRIVATE_KEY_FILE);
        let key = key_files::private_key(key_path, private_key_pem.as_bytes())?;
        Self::pair(
            &key,
            certificate.into(),
            server_certificate,
            Path::new(RECEIPT_CERTIFICATE_FILE),
            key_path,
        )
    }

    fn pair(
        key: &RsaPrivateKey,
        certificate: Vec<u8>,
        server_certificate: &[u8],
        certificate_path: &Path,
        key_path: &Path,
    ) -> Result<Self, IdentityError> {
        let unfit = |why: String| IdentityError::UnfitReceiptKey { path: certificate_path.into(), why };
        let bits = key.n().bits() as usize;
        if bits < RECEIPT_BITS_MIN || !key_files::KEY_BITS.contains(&bits) {
            return Err(unfit(format!(
                "unsupported key size: {bits} bits (supported: {RECEIPT_BITS_MIN} to {})",
                key_files::KEY_BITS.end()
            )));
        }
        let parsed = Certificate::from_pem(&certificate).map_err(|why| unfit(why.to_string()))?;
        let leaf = parsed.parsed().map_err(|why| unfit(why.to_string()))?;
        let own = ServerKey::new(key.to_public_key());
        if ServerKey::from_spki(leaf.public_key().raw).as_ref() != Some(&own) {
            return Err(unfit(format!("{} is not its private key", key_path.display())));
        }
        let server = Certificate::from_pem(server_certificate).map_err(|why| unfit(why.to_string()))?;
        let server = server.parsed().map_err(|why| unfit(why.to_string()))?;
        if server.public_key().raw == leaf.public_key().raw {
            return Err(unfit("it certifies the server's own key".to_owned()));
        }
        if !same_name(server.subject(), leaf.subject()) {
            return Err(unfit("its subject is not the server's".to_owned()));
        }
        Ok(Self { public: own, batch: PrivateBatch::new(key), certificate })
    }

    /// Returns the certificate as its file contains it.
    #[must_use]
    pub fn certificate_pem(&self) -> &[u8] {
        &self.certificate
    }

    /// Returns the public key.
    #[must_use]
    pub const fn public(&self) -> &ServerKey {
        &self.public
    }

    /// Signs a receipt: RSASSA-PSS, SHA-256, a salt of exactly 32 bytes.
    ///
    /// # Errors
    /// [`IdentityError::Sign`] if this machine computes wrongly.
    pub fn sign(&self, statement: &[u8]) -> Result<Vec<u8>, IdentityError> {
        Ok(challenge::sign_salted(&self.batch, statement, receipt::SIGNATURE_SALT)?)
    }
}

impl fmt::Debug for ReceiptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiptKey").field("public", &self.public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
