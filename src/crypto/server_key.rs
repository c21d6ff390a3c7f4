//! A server's public key.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rsa::RsaPublicKey;
use rsa::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use rsa::traits::PublicKeyParts as _;
use zeroize::Zeroizing;

use super::SealError;
use super::padding;
use super::rsa_batch::PublicBatch;
use super::session_key::SessionKey;
use crate::digest::Digest;
use crate::event::{KeyForm, Padding};

/// Maximum number of blocks that are encrypted or decrypted at once: whole groups of all back ends, and a few tens of
/// KiB.
pub(crate) const BATCH_BLOCKS: usize = 64;

/// The public key of a server, 1024 to 8192 bits.
#[derive(Clone)]
pub struct ServerKey {
    key: RsaPublicKey,
    /// Created by the first encryption, and shared by all clones.
    batch: Arc<OnceLock<PublicBatch>>,
}

impl PartialEq for ServerKey {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for ServerKey {}

impl ServerKey {
    /// Decodes a DER `SubjectPublicKeyInfo`. Returns `None` if it is not an RSA key of 1024 to 8192 bits.
    #[must_use]
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        RsaPublicKey::from_public_key_der(der).ok().map(Self::new)
    }

    pub(super) fn new(key: RsaPublicKey) -> Self {
        Self { key, batch: Arc::default() }
    }

    pub(crate) const fn as_rsa(&self) -> &RsaPublicKey {
        &self.key
    }

    /// Returns `k`, the length in bytes of the modulus, of every block and of every signature.
    #[must_use]
    pub fn modulus_bytes(&self) -> usize {
        self.key.size()
    }

    /// Returns the size of the modulus in bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.key.n().bits() as usize
    }

    /// Returns the SHA-256 of the `SubjectPublicKeyInfo`, which `--pin` compares.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "it does not")]
    pub fn fingerprint(&self) -> Digest {
        #[expect(clippy::expect_used, reason = "encoding two integers fails only beyond DER's 256 MiB")]
        let der = self.key.to_public_key_der().expect("at most 8192 bits");
        Digest::of(der.as_bytes())
    }

    /// Returns the maximum plaintext length of a block of `k` bytes: OAEP k − 66, PKCS #1 v1.5 k − 11.
    #[must_use]
    pub const fn block_max(k: usize, padding: Padding) -> usize {
        padding::message_max(k, padding)
    }

    /// Encrypts a session key, as 44 characters or 32 bytes, for the M2 of MODE 4.
    pub fn wrap_session_key(
        &self,
        key: &SessionKey,
        form: KeyForm,
        padding: Padding,
    ) -> Result<Vec<u8>, SealError> {
        match form {
            KeyForm::Fernet => self.encrypt(padding, key.to_base64url().as_bytes()),
            KeyForm::Raw => self.encrypt(padding, key.as_raw()),
        }
    }

    /// Encrypts one block.
    pub(super) fn encrypt(&self, padding: Padding, message: &[u8]) -> Result<Vec<u8>, SealError> {
        let max = Self::block_max(self.modulus_bytes(), padding);
        if message.len() > max {
            let why = format!("{} bytes do not fit into a block of {max}", message.len());
            return Err(SealError::Rsa { why });
        }
        let mut block = Vec::with_capacity(self.modulus_bytes());
        self.seal_blocks(padding, message, &mut block)?;
        Ok(block)
    }

    /// Appends the blocks of a piece of plaintext. All are full except the last; an empty piece gives one empty
    /// block. Several threads may call this at once.
    pub fn seal_blocks(&self, padding: Padding, plain: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        let batch = self.batch.get_or_init(|| PublicBatch::new(&self.key));
        let k = self.modulus_bytes();
        let max = Self::block_max(k, padding);
        let mut padded = Zeroizing::new(Vec::with_capacity(k * BATCH_BLOCKS));
        let mut seal = |messages: &mut dyn ExactSizeIterator<Item = &[u8]>| {
            padded.clear();
            padding::pad(padding, k, messages, &mut padded)
                .map_err(|why| SealError::Rsa { why: why.to_string() })?;
            batch.encrypt(&padded, out);
            Ok(())
        };
        if plain.is_empty() {
            return seal(&mut [plain].into_iter());
        }
        plain.chunks(max * BATCH_BLOCKS).try_for_each(|part| seal(&mut part.chunks(max)))
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerKey({} bits, {})", self.bits(), self.fingerprint())
    }
}
