//! The inner loop of CP2: AES-CBC, the SHA-256 of the HMAC and that of the file, in one pass over steps of 64 bytes.
//!
//! In each of the three, every operation needs the result of the one before, so one alone leaves most of a processor
//! idle. The back end for x86-64 (`x86`) interleaves all three. The portable back end, in this file, runs them one
//! after the other with the crates `aes`, `cbc` and `sha2`. The tests check that both produce the same bytes.
//!
//! The HMAC covers more than the ciphertext, so its 64-byte blocks do not begin where AES's steps do. While a token
//! is written, the HMAC is [`LAG`] bytes or more behind. The beginning and the end of a token, less than a step, go
//! through [`Encryption::encrypt`], [`Decryption::decrypt`] and [`Hash::finish`].

use aes::Aes128;
use aes::cipher::{Array, BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use zeroize::{Zeroize as _, Zeroizing};

use self::base64::Base64;

pub(crate) mod base64;
#[cfg(target_arch = "x86_64")]
mod x86;

/// Length of an AES block in bytes.
pub(crate) const BLOCK: usize = 16;
/// Length of a step in bytes: one block of SHA-256, four of AES.
pub const STEP: usize = 64;
/// Minimum number of bytes that wait for the HMAC while a token is written. A load that spans two stores waits until
/// both have reached the cache; two steps later they have.
pub(crate) const LAG: usize = 2 * STEP;

/// Chaining value of SHA-256.
type State = [u32; 8];

/// Back end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The crates `aes`, `cbc` and `sha2`, one after the other.
    Portable,
    /// AES-NI and the SHA extensions, interleaved.
    #[cfg(target_arch = "x86_64")]
    Ni(x86::Ni),
}

impl Backend {
    /// Returns the fastest back end on this machine.
    #[must_use]
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(ni) = x86::Ni::detect() {
            return Self::Ni(ni);
        }
        Self::Portable
    }

    /// Returns the base64 back end that goes with it.
    #[must_use]
    pub fn base64(self) -> Base64 {
        match self {
            Self::Portable => Base64::Portable,
            #[cfg(target_arch = "x86_64")]
            Self::Ni(_) => Base64::best(),
        }
    }

    /// Returns the name for display.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Ni(_) => "AES-NI and SHA extensions",
        }
    }
}

/// SHA-256 of whole steps; the rest is given at the end. Zeroized on drop, since that of an HMAC is secret.
#[derive(Clone)]
pub struct Hash {
    backend: Backend,
    state: State,
    /// Number of bytes so far.
    len: u64,
}

impl Hash {
    /// Starts a hash.
    #[must_use]
    pub const fn new(backend: Backend) -> Self {
        // FIPS 180-4, 5.3.3.
        #[rustfmt::skip]
        let state = [
            0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a,
            0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
        ];
        Self { backend, state, len: 0 }
    }

    /// Hashes whole steps.
    pub fn update(&mut self, steps: &[[u8; STEP]]) {
        match self.backend {
            Backend::Portable => sha2::block_api::compress256(&mut self.state, steps),
            #[cfg(target_arch = "x86_64")]
            Backend::Ni(ni) => ni.compress(&mut self.state, steps),
        }
        self.count(steps);
    }

    const fn count(&mut self, steps: &[[u8; STEP]]) {
        self.len = self.len.wrapping_add(size_of_val(steps) as u64);
    }

    /// Returns the hash of everything so far followed by `rest`.
    #[must_use]
    pub fn finish(&self, rest: &[u8]) -> [u8; 32] {
        let mut hash = self.clone();
        let (steps, rest) = rest.as_chunks();
        hash.update(steps);
        // FIPS 180-4, 5.1.1: a one, zeros, the length in bits.
        let bits = hash.len.wrapping_add(rest.len() as u64).wrapping_mul(8);
        let mut last = Zeroizing::new([0; 2 * STEP]);
        last[..rest.len()].copy_from_slice(rest);
        last[rest.len()] = 0x80;
        let len = if rest.len() < STEP - 8 { STEP } else { 2 * STEP };
        last[len - 8..len].copy_from_slice(&bits.to_be_bytes());
        hash.update(last[..len].as_chunks().0);
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(hash.state) {
            *bytes = word.to_be_bytes();
        }
        digest
    }
}

impl Drop for Hash {
    fn drop(&mut self) {
        self.state.zeroize();
    }
}

/// HMAC-SHA256 (RFC 2104) of whole steps; the rest is given at the end.
#[derive(Clone)]
pub struct Hmac {
    inner: Hash,
    outer: Hash,
}

impl Hmac {
    /// Starts an HMAC with a key of 16 bytes, as in Fernet.
    #[must_use]
    pub fn new(backend: Backend, key: &[u8; 16]) -> Self {
        let begin = |pad: u8| {
            let mut block = Zeroizing::new([pad; STEP]);
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            let mut hash = Hash::new(backend);
            hash.update(std::slice::from_ref(&block));
            hash
        };
        Self { inner: begin(0x36), outer: begin(0x5c) }
    }

    /// Returns the tag over everything so far followed by `rest`.
    #[must_use]
    pub fn finish(&self, rest: &[u8]) -> [u8; 32] {
        self.outer.finish(&self.inner.finish(rest))
    }
}

/// AES-128-CBC encryption of one token, and the loop that writes it.
pub struct Encryption(Encrypting);

enum Encrypting {
    Portable(cbc::Encryptor<Aes128>),
    #[cfg(target_arch = "x86_64")]
    Ni {
        ni: x86::Ni,
        keys: x86::RoundKeys,
        chain: [u8; BLOCK],
    },
}

impl Encryption {
    /// Starts encrypting; `iv` is chained to the first block.
    #[must_use]
    pub fn new(backend: Backend, key: &[u8; 16], iv: [u8; BLOCK]) -> Self {
        Self(match backend {
            Backend::Portable => Encrypting::Portable(cbc::Encryptor::new(key.into(), &iv.into())),
            #[cfg(target_arch = "x86_64")]
            Backend::Ni(ni) => Encrypting::Ni { ni, keys: ni.encryption_keys(key), chain: iv },
        })
    }

    /// Encrypts blocks, without hashing.
    pub fn encrypt(&mut self, blocks: &mut [[u8; BLOCK]]) {
        match &mut self.0 {
            Encrypting::Portable(cipher) => cipher.encrypt_blocks(Array::cast_slice_from_core_mut(blocks)),
            #[cfg(target_arch = "x86_64")]
            Encrypting::Ni { ni, keys, chain } => ni.encrypt(keys, chain, blocks),
        }
    }

    /// Encrypts `plain` to the last bytes of `token`, whose first bytes, at least [`LAG`], are there already. Adds as
    /// many bytes as `plain` has, from the beginning of `token`, to `mac`, and `plain` to `digest`.
    ///
    /// # Panics
    /// If `token` is not [`LAG`] bytes longer than `plain`, or more.
    pub fn seal(
        &mut self,
        plain: &[[u8; STEP]],
        token: &mut [u8],
        mac: &mut Hmac,
        digest: Option<&mut Hash>,
    ) {
        let lag = token.len().saturating_sub(size_of_val(plain));
        assert!(lag >= LAG, "what is signed was encrypted some steps before");
        match &mut self.0 {
            Encrypting::Portable(cipher) => {
                let fresh = &mut token[lag..];
                fresh.copy_from_slice(plain.as_flattened());
                cipher.encrypt_blocks(Array::cast_slice_from_core_mut(fresh.as_chunks_mut().0));
                mac.inner.update(&token.as_chunks().0[..plain.len()]);
                if let Some(digest) = digest {
                    digest.update(plain);
                }
            }
            #[cfg(target_arch = "x86_64")]
            Encrypting::Ni { ni, keys, chain } => {
                mac.inner.count(plain);
                let digest = digest.map(|digest| {
                    digest.count(plain);
                    &mut digest.state
                });
                ni.seal(keys, chain, plain, token, &mut mac.inner.state, digest);
            }
        }
    }
}

/// AES-128-CBC decryption of one token, and the loop that reads it.
pub struct Decryption(Decrypting);

enum Decrypting {
    Portable(cbc::Decryptor<Aes128>),
    #[cfg(target_arch = "x86_64")]
    Ni {
        ni: x86::Ni,
        keys: x86::RoundKeys,
        chain: [u8; BLOCK],
    },
}

impl Decryption {
    /// Starts decrypting; `iv` is chained to the first block.
    #[must_use]
    pub fn new(backend: Backend, key: &[u8; 16], iv: [u8; BLOCK]) -> Self {
        Self(match backend {
            Backend::Portable => Decrypting::Portable(cbc::Decryptor::new(key.into(), &iv.into())),
            #[cfg(target_arch = "x86_64")]
            Backend::Ni(ni) => Decrypting::Ni { ni, keys: ni.decryption_keys(key), chain: iv },
        })
    }

    /// Decrypts blocks, without hashing.
    pub fn decrypt(&mut self, blocks: &mut [[u8; BLOCK]]) {
        match &mut self.0 {
            Decrypting::Portable(cipher) => cipher.decrypt_blocks(Array::cast_slice_from_core_mut(blocks)),
            #[cfg(target_arch = "x86_64")]
            Decrypting::Ni { ni, keys, chain } => ni.decrypt(keys, chain, blocks),
        }
    }

    /// Decrypts `cipher` to the end of `out`. Adds `signed` to `mac`, and the plaintext to `digest`.
    ///
    /// # Panics
    /// If `signed` and `cipher` are not equally long.
    pub fn open(
        &mut self,
        signed: &[[u8; STEP]],
        cipher: &[[u8; STEP]],
        out: &mut Vec<u8>,
        mac: &mut Hmac,
        digest: Option<&mut Hash>,
    ) {
        assert_eq!(signed.len(), cipher.len(), "as much is signed as is decrypted");
        match &mut self.0 {
            Decrypting::Portable(cbc) => {
                mac.inner.update(signed);
                let begin = out.len();
                out.extend_from_slice(cipher.as_flattened());
                let fresh = &mut out[begin..];
                cbc.decrypt_blocks(Array::cast_slice_from_core_mut(fresh.as_chunks_mut().0));
                if let Some(digest) = digest {
                    digest.update(fresh.as_chunks().0);
                }
            }
            #[cfg(target_arch = "x86_64")]
            Decrypting::Ni { ni, keys, chain } => {
                mac.inner.count(signed);
                let digest = digest.map(|digest| {
                    digest.count(cipher);
                    &mut digest.state
                });
                ni.open(keys, chain, signed, cipher, out, &mut mac.inner.state, digest);
            }
        }
    }
}

#[cfg(test)]
mod tests;
