//! A server's private key and certificate.

use std::fmt;
use std::path::Path;

use rsa::RsaPrivateKey;
use rsa::traits::PublicKeyParts as _;
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::Zeroizing;

use super::certificate::Certificate;
use super::challenge;
pub(crate) use super::key_files::{
    CA_FILE, CA_PRIVATE_KEY_FILE, CERTIFICATE_FILE, IdentityError, KEY_BITS, PRIVATE_KEY_FILE,
};
use super::key_files::{private_key, read};
use super::padding::{Both, Paddings, Unpadded};
use super::receipt;
use super::receipt_key::ReceiptKey;
use super::rsa_batch::{BatchError, PrivateBatch, Raw};
use super::server_key::ServerKey;
use super::session_key::{self, SessionKey};
use crate::event::Padding;

/// Maximum number of blocks from which a session key is read. One known client sends three, two of them empty.
pub(crate) const KEY_PIECES: usize = 4;

/// Result of unwrapping the session key of a MODE 4.
#[derive(Debug)]
pub struct Unwrapped {
    /// The session key, or a random one.
    pub key: SessionKey,
    /// Whether a block after the first was examined for PKCS #1 v1.5 and did not conform; counted by the
    /// [`PaddingBudget`](crate::net::budget::PaddingBudget).
    pub missed: bool,
    /// `Err` if this machine failed to unwrap the key; `key` is then random. Only the operator may learn of it.
    pub machine: Result<(), BatchError>,
}

/// A server's identity: its private key, zeroized on drop, and the certificate that belongs to it.
pub struct Identity {
    key: RsaPrivateKey,
    certificate: Vec<u8>,
    /// Private operations.
    batch: PrivateBatch,
    /// Key that signs receipts instead of the server's own.
    receipts: Option<ReceiptKey>,
}

impl Identity {
    /// Loads `server_signed.crt` and `server_private_key.pem` (PKCS #8 or PKCS #1) from a folder, and the receipt key
    /// if there is one. Certificate and key must be a pair. Who signed the certificate is for clients to check.
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

    /// Sets the key that signs receipts.
    #[must_use]
    pub fn with_receipt_key(self, receipts: ReceiptKey) -> Self {
        Self { receipts: Some(receipts), ..self }
    }

    /// Returns the key that signs receipts; `None` if the server has only one key.
    #[must_use]
    pub const fn receipt_key(&self) -> Option<&ReceiptKey> {
        self.receipts.as_ref()
    }

    /// Loads an identity from two PEM texts.
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
                    .map_or_else(|| "not an RSA key".into(), |key| key.fingerprint().to_string()),
                own: own.fingerprint().to_string(),
            });
        }
        Ok(Self { batch: PrivateBatch::new(&key), key, certificate, receipts: None })
    }

    /// Returns the certificate as its file contains it: the second part of the reply to MODE 3.
    #[must_use]
    pub fn certificate_pem(&self) -> &[u8] {
        &self.certificate
    }

    /// Returns `k`, the length in bytes of the modulus, of every block and of every signature.
    #[must_use]
    pub fn modulus_bytes(&self) -> usize {
        self.key.size()
    }

    /// Returns the public key.
    #[must_use]
    pub fn server_key(&self) -> ServerKey {
        ServerKey::new(self.key.to_public_key())
    }

    /// Signs a reply to MODE 3: RSASSA-PSS, SHA-256, salt of the maximum length. Like every private operation, it is
    /// blinded, and checked before the signature is returned ([`IdentityError::Sign`] if this machine computes
    /// wrongly).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, IdentityError> {
        Ok(challenge::sign_salted(&self.batch, message, challenge::salt_max(&self.batch))?)
    }

    /// Signs a receipt with the server's own key: RSASSA-PSS, SHA-256, a salt of exactly 32 bytes, which no reply to
    /// MODE 3 has. Only for a server without a receipt key
    /// ([`Service::receipt_signer`](crate::net::service::Service::receipt_signer)).
    pub fn sign_receipt(&self, statement: &[u8]) -> Result<Vec<u8>, IdentityError> {
        Ok(challenge::sign_salted(&self.batch, statement, receipt::SIGNATURE_SALT)?)
    }

    /// Decrypts the salt of a receipt request (OAEP). A salt that does not decrypt becomes a random one, in constant
    /// time: the digests are then those of another salt, and the client learns nothing more. `Err` if this machine
    /// failed; the salt is then random, and only the operator may learn of it.
    pub fn open_receipt_salt(&self, sealed: &[u8]) -> (receipt::Salt, Result<(), BatchError>) {
        let mut salt = Zeroizing::new([0; 32]);
        // Without randomness the salt stays zero. The client does not know that, as it does not know any salt that it
        // did not send.
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

    /// Unwraps the session key of a MODE 4: OAEP, or else PKCS #1 v1.5, with one private operation for each of up to
    /// [`KEY_PIECES`] blocks.
    ///
    /// 44 characters of base64url are a Fernet key, 32 bytes are a raw one. The last block that contains a key
    /// counts; known clients leave the others empty. Anything else, including a blob that does not consist of whole
    /// blocks or is not below the modulus, results in a fresh random key, chosen in constant time. The failure then
    /// shows at the HMAC, where it reveals nothing about the padding.
    ///
    /// In blocks after the first, only `others` are examined: a client that knows the key in the first block would
    /// learn from the HMAC whether another block contains a key.
    ///
    /// # Panics
    /// Like [`SessionKey::generate`].
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

    /// Returns this identity on a machine that fails after one operation, the reply to MODE 3.
    #[cfg(test)]
    pub(crate) fn on_a_failing_machine(&self) -> Self {
        let batch = PrivateBatch::failing_after_one(&self.key);
        Self { key: self.key.clone(), certificate: self.certificate.clone(), batch, receipts: None }
    }

    #[cfg(test)]
    pub(super) const fn private_key_for_tests(&self) -> &RsaPrivateKey {
        &self.key
    }

    /// Performs the private operation on one block. Returns `None` if the block is not `k` bytes long or not below
    /// the modulus.
    pub(super) fn decrypt_raw(&self, block: &[u8]) -> Result<Raw, BatchError> {
        if block.len() != self.modulus_bytes() {
            return Ok(None);
        }
        Ok(self.batch.decrypt(block)?.pop().flatten())
    }

    /// Returns the private operations.
    pub(super) const fn batch(&self) -> &PrivateBatch {
        &self.batch
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("key", &self.server_key()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
