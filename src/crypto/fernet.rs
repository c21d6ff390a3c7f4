//! CP2: a file as one streamed token.
//!
//! ```text
//! Fernet    base64url( 80 │ time, u64 │ IV, 16 │ AES-128-CBC, PKCS7 │ HMAC-SHA256 over all before )
//! raw       IV, 16 │ AES-128-CBC, PKCS7 │ HMAC-SHA256 over both      (the handout's C edition, no base64)
//! ```
//!
//! Both lengths follow from the plaintext's, so a token is made and read piece by piece. What is read is
//! unverified until the HMAC is: only then is the last block's padding looked at and its plaintext given
//! out. A token's time is shown, never enforced: peers' clocks differ.

use aes::Aes128;
use aes::cipher::{Array, BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _, consts::U16};
use base64_simd::{URL_SAFE, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _, ConstantTimeGreater as _};
use zeroize::Zeroizing;

pub use super::session_key::SessionKey;
use super::{Open, OpenError, Seal, SealError};
use crate::event::KeyForm;

const VERSION: u8 = 0x80;
const BLOCK: usize = 16;
const IV_LEN: usize = 16;
const TAG_LEN: usize = 32;
/// Version, time, IV.
const HEAD_LEN: usize = 1 + 8 + IV_LEN;

/// Bytes that are worked on at a time: they stay in the cache through cipher, HMAC and base64. A
/// multiple of a block, and of a base64 group.
const STEP: usize = 48 * 1024;

/// As many characters as make [`STEP`] bytes.
const PIECE: usize = STEP / 3 * 4;

/// What a Fernet token begins with: the version, and 22 zero bits of its time, until the year 139,000.
const FERNET_START: &[u8] = b"gAAAA";

/// Length of the token of that many bytes; `None` beyond 2^64.
#[must_use]
pub fn token_len(plain_len: u64) -> Option<u64> {
    let cipher_len = (plain_len / BLOCK as u64).checked_add(1)?.checked_mul(BLOCK as u64)?;
    let raw_len = cipher_len.checked_add((HEAD_LEN + TAG_LEN) as u64)?;
    raw_len.div_ceil(3).checked_mul(4)
}

/// Length of the raw token of that many bytes; `None` beyond 2^64.
#[must_use]
pub fn raw_token_len(plain_len: u64) -> Option<u64> {
    let cipher_len = (plain_len / BLOCK as u64).checked_add(1)?.checked_mul(BLOCK as u64)?;
    cipher_len.checked_add((IV_LEN + TAG_LEN) as u64)
}

/// Plaintext → one token.
pub struct TokenSealer {
    form: KeyForm,
    cipher: cbc::Encryptor<Aes128>,
    mac: Hmac<Sha256>,
    promised: u64,
    /// 0 <= `given` <= `promised`.
    given: u64,
    /// Between calls: `sealed` bytes of the token (fewer than 3, but for the head) that wait for a
    /// base64 group, then fewer than 16 bytes of plaintext that wait for a block.
    buffer: Zeroizing<Vec<u8>>,
    sealed: usize,
}

impl TokenSealer {
    /// For a file of exactly `plain_len` bytes, with a random IV; `unix_seconds` is shown to whoever
    /// reads the token.
    ///
    /// # Panics
    /// When the system gives no randomness, as the `fernet` crate does.
    #[must_use]
    pub fn new(key: &SessionKey, plain_len: u64, unix_seconds: u64) -> Self {
        Self::with_iv(key, plain_len, unix_seconds, random_iv())
    }

    /// The same for the token of the handout's C edition, which has no base64, version or time.
    ///
    /// # Panics
    /// As [`TokenSealer::new`].
    #[must_use]
    pub fn raw(key: &SessionKey, plain_len: u64) -> Self {
        let iv = random_iv();
        let mut buffer = Zeroizing::new(Vec::with_capacity(STEP + HEAD_LEN + BLOCK + TAG_LEN));
        buffer.extend_from_slice(&iv);
        let mut mac = new_mac(key);
        mac.update(&buffer);
        let cipher = cbc::Encryptor::new(&aes_key(key), &iv.into());
        Self { form: KeyForm::Raw, cipher, mac, promised: plain_len, given: 0, buffer, sealed: IV_LEN }
    }

    /// Bytes of the whole token.
    fn len(&self) -> Option<u64> {
        match self.form {
            KeyForm::Fernet => token_len(self.promised),
            KeyForm::Raw => raw_token_len(self.promised),
        }
    }

    fn with_iv(key: &SessionKey, plain_len: u64, unix_seconds: u64, iv: [u8; IV_LEN]) -> Self {
        let mut buffer = Zeroizing::new(Vec::with_capacity(STEP + HEAD_LEN + BLOCK + TAG_LEN));
        buffer.push(VERSION);
        buffer.extend_from_slice(&unix_seconds.to_be_bytes());
        buffer.extend_from_slice(&iv);
        let mut mac = new_mac(key);
        mac.update(&buffer);
        let cipher = cbc::Encryptor::new(&aes_key(key), &iv.into());
        Self { form: KeyForm::Fernet, cipher, mac, promised: plain_len, given: 0, buffer, sealed: HEAD_LEN }
    }

    /// Encrypts and signs the whole blocks that wait, and writes the whole base64 groups.
    fn advance(&mut self, out: &mut Vec<u8>) {
        let (blocks, _) = Array::<u8, U16>::slice_as_chunks_mut(&mut self.buffer[self.sealed..]);
        self.cipher.encrypt_blocks(blocks);
        let fresh = blocks.len() * BLOCK;
        self.mac.update(&self.buffer[self.sealed..self.sealed + fresh]);
        let end = self.sealed + fresh;
        let whole = match self.form {
            KeyForm::Fernet => {
                let groups = end / 3 * 3;
                URL_SAFE_NO_PAD.encode_append(&self.buffer[..groups], out);
                groups
            }
            KeyForm::Raw => {
                out.extend_from_slice(&self.buffer[..end]);
                end
            }
        };
        let left = self.buffer.len() - whole;
        self.buffer.copy_within(whole.., 0);
        self.buffer.truncate(left);
        self.sealed = end - whole;
    }
}

impl Seal for TokenSealer {
    fn body_len(&self) -> u64 {
        self.len().unwrap_or(u64::MAX)
    }

    fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        self.len().ok_or(SealError::TooLong { plain_len: self.promised })?;
        let given = self.given.saturating_add(plain.len() as u64);
        if given > self.promised {
            return Err(SealError::Long { promised: self.promised });
        }
        self.given = given;
        for piece in plain.chunks(STEP) {
            self.buffer.extend_from_slice(piece);
            self.advance(out);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), SealError> {
        if self.given != self.promised {
            return Err(SealError::Short { promised: self.promised, given: self.given });
        }
        let pad = BLOCK - (self.buffer.len() - self.sealed) % BLOCK;
        let padded = self.buffer.len() + pad;
        self.buffer.resize(padded, pad.to_le_bytes()[0]);
        self.advance(out);
        self.buffer.extend_from_slice(&self.mac.clone().finalize().into_bytes());
        match self.form {
            KeyForm::Fernet => URL_SAFE.encode_append(self.buffer.as_slice(), out),
            KeyForm::Raw => out.extend_from_slice(&self.buffer),
        }
        self.buffer.clear();
        self.sealed = 0;
        Ok(())
    }
}

fn random_iv() -> [u8; IV_LEN] {
    let mut iv = [0; IV_LEN];
    #[expect(clippy::expect_used, reason = "without randomness there is no IV; a predictable one leaks")]
    getrandom::fill(&mut iv).expect("the system gives randomness");
    iv
}

/// How the token is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// base64url, with `padding` `=` at the end.
    Fernet { padding: usize },
    /// As it is, with neither version nor time.
    Raw,
}

impl Form {
    /// The form of a token of that length that begins so; `None` if there is none.
    fn of(start: &[u8], body_len: u64) -> Option<Self> {
        if start.starts_with(FERNET_START) {
            Self::fernet(body_len)
        } else {
            Self::is_raw(body_len).then_some(Self::Raw)
        }
    }

    /// At most one number of `=` makes whole blocks of the rest.
    fn fernet(body_len: u64) -> Option<Self> {
        if !body_len.is_multiple_of(4) {
            return None;
        }
        (0..3)
            .find(|padding| {
                (body_len / 4 * 3)
                    .checked_sub(padding + (HEAD_LEN + TAG_LEN) as u64)
                    .is_some_and(|cipher_len| cipher_len > 0 && cipher_len.is_multiple_of(BLOCK as u64))
            })
            .and_then(|padding| usize::try_from(padding).ok())
            .map(|padding| Self::Fernet { padding })
    }

    fn is_raw(body_len: u64) -> bool {
        let overhead = (IV_LEN + TAG_LEN) as u64;
        body_len > overhead && (body_len - overhead).is_multiple_of(BLOCK as u64)
    }

    /// Bytes before the ciphertext.
    const fn head_len(self) -> usize {
        match self {
            Self::Fernet { .. } => HEAD_LEN,
            Self::Raw => IV_LEN,
        }
    }

    /// Bytes of the token without base64.
    const fn token_len(self, body_len: u64) -> u64 {
        match self {
            Self::Fernet { padding } => body_len / 4 * 3 - padding as u64,
            Self::Raw => body_len,
        }
    }
}

/// One token → plaintext.
pub struct TokenOpener {
    key: SessionKey,
    mac: Hmac<Sha256>,
    /// `None` until the IV is here.
    cipher: Option<cbc::Decryptor<Aes128>>,
    /// `None` until the first characters are here.
    form: Option<Form>,
    promised: u64,
    /// 0 <= `seen` <= `promised`.
    seen: u64,
    /// Characters that wait for a base64 group, or, at the very start, for the form.
    text: Vec<u8>,
    /// Token bytes that wait for the head, for a block, or for the tag.
    buffer: Zeroizing<Vec<u8>>,
    /// Bytes of ciphertext still to come.
    cipher_left: u64,
    /// The last block's plaintext, padding and all, held back until the HMAC is known.
    last: Zeroizing<[u8; BLOCK]>,
    time: Option<u64>,
    /// The text is no token: what follows is counted and thrown away. It follows from the body alone,
    /// which everybody on the wire has.
    broken: bool,
}

impl TokenOpener {
    /// For a body of exactly `body_len` bytes, the M1 of MODE 1. An error if no token, Fernet or raw,
    /// has that length.
    pub fn new(key: &SessionKey, body_len: u64) -> Result<Self, OpenError> {
        if Form::fernet(body_len).is_none() && !Form::is_raw(body_len) {
            return Err(OpenError::NotAToken { body_len });
        }
        let room = usize::try_from(body_len).unwrap_or(usize::MAX).min(PIECE);
        Ok(Self {
            key: key.clone(),
            mac: new_mac(key),
            cipher: None,
            form: None,
            promised: body_len,
            seen: 0,
            text: Vec::new(),
            // Never grows: what it would leave behind is plaintext.
            buffer: Zeroizing::new(Vec::with_capacity(room + HEAD_LEN + BLOCK + TAG_LEN)),
            cipher_left: 0,
            last: Zeroizing::new([0; BLOCK]),
            time: None,
            broken: false,
        })
    }

    /// When the sender says that the token was made, in Unix seconds. The raw form says nothing; and
    /// nothing is known before the first 12 characters.
    #[must_use]
    pub const fn token_time(&self) -> Option<u64> {
        self.time
    }

    /// Takes token bytes out of their writing into `buffer`; the text's end comes with its `=`.
    fn take(&mut self, form: Form, body: &[u8]) {
        let Form::Fernet { padding } = form else {
            self.buffer.extend_from_slice(body);
            return;
        };
        self.text.extend_from_slice(body);
        let at_end = self.seen == self.promised;
        let whole = if at_end { self.text.len() - padding } else { self.text.len() / 4 * 4 };
        let (groups, rest) = self.text.split_at(whole);
        // `=` anywhere but at the end, and bits that are not zero behind the last byte, are refused.
        let decoded = URL_SAFE_NO_PAD.decode_append(groups, &mut *self.buffer);
        self.broken |= decoded.is_err() || (at_end && rest.iter().any(|c| *c != b'='));
        self.text.drain(..whole);
    }

    /// Version, time and IV.
    fn head(&mut self, form: Form) {
        let len = form.head_len();
        if self.buffer.len() < len {
            return;
        }
        let (head, iv) = self.buffer[..len].split_at(len - IV_LEN);
        // The version needs no look: nothing but 80 begins with `gA`. A raw token has neither.
        self.time = head.get(1..).and_then(|time| time.try_into().ok()).map(u64::from_be_bytes);
        let iv: Option<[u8; IV_LEN]> = iv.try_into().ok();
        self.cipher = iv.map(|iv| cbc::Decryptor::new(&aes_key(&self.key), &iv.into()));
        self.mac.update(&self.buffer[..len]);
        self.buffer.drain(..len);
        self.cipher_left = form.token_len(self.promised) - (len + TAG_LEN) as u64;
    }

    /// Decrypts the whole blocks that wait, and keeps the last of all.
    fn blocks(&mut self, out: &mut Vec<u8>) {
        let Some(cipher) = &mut self.cipher else { return };
        let left = usize::try_from(self.cipher_left).unwrap_or(usize::MAX);
        let whole = self.buffer.len().min(left) / BLOCK * BLOCK;
        if whole == 0 {
            return;
        }
        self.mac.update(&self.buffer[..whole]);
        let (blocks, _) = Array::<u8, U16>::slice_as_chunks_mut(&mut self.buffer[..whole]);
        cipher.decrypt_blocks(blocks);
        self.cipher_left -= whole as u64;
        let shown = if self.cipher_left == 0 { whole - BLOCK } else { whole };
        out.extend_from_slice(&self.buffer[..shown]);
        if shown < whole {
            self.last.copy_from_slice(&self.buffer[shown..whole]);
        }
        self.buffer.drain(..whole);
    }
}

impl Open for TokenOpener {
    fn open(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError> {
        let total = self.seen.saturating_add(body.len() as u64);
        if total > self.promised {
            return Err(OpenError::Long { promised: self.promised });
        }
        for piece in body.chunks(PIECE) {
            self.seen += piece.len() as u64;
            if self.broken {
                continue;
            }
            let form = if let Some(form) = self.form {
                self.take(form, piece);
                form
            } else {
                self.text.extend_from_slice(piece);
                if self.text.len() < FERNET_START.len() {
                    continue;
                }
                let Some(form) = Form::of(&self.text, self.promised) else {
                    self.broken = true;
                    continue;
                };
                self.form = Some(form);
                let start = std::mem::take(&mut self.text);
                self.take(form, &start);
                form
            };
            if self.cipher.is_none() {
                self.head(form);
            }
            if !self.broken {
                self.blocks(out);
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), OpenError> {
        if self.seen < self.promised {
            return Err(OpenError::Short { promised: self.promised, got: self.seen });
        }
        if self.broken || self.cipher.is_none() {
            return Err(OpenError::Rejected);
        }
        let tag = self.mac.clone().finalize().into_bytes();
        if !bool::from(tag.as_slice().ct_eq(self.buffer.as_slice())) {
            return Err(OpenError::Rejected);
        }
        // The key's owner wrote these bytes; only now is the padding read.
        let len = plain_len(&self.last).ok_or(OpenError::Rejected)?;
        out.extend_from_slice(&self.last[..len]);
        self.buffer.clear();
        Ok(())
    }
}

/// Bytes before the PKCS7 padding (RFC 5652, 6.3), which is 1 to 16 bytes of that value; constant-time.
fn plain_len(block: &[u8; BLOCK]) -> Option<usize> {
    let pad = block[BLOCK - 1];
    let mut valid = pad.ct_gt(&0) & !pad.ct_gt(&16);
    for (behind, byte) in (1_u8..).zip(block.iter().rev()) {
        let is_padding: Choice = !behind.ct_gt(&pad);
        valid &= byte.ct_eq(&pad) | !is_padding;
    }
    bool::from(valid).then(|| BLOCK - usize::from(pad))
}

fn new_mac(key: &SessionKey) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "RFC 2104: HMAC takes keys of any length")]
    Hmac::new_from_slice(key.signing()).expect("any length is a key")
}

fn aes_key(key: &SessionKey) -> Zeroizing<Array<u8, U16>> {
    let mut bytes = Zeroizing::new(Array::<u8, U16>::default());
    bytes.copy_from_slice(key.encryption());
    bytes
}

#[cfg(test)]
mod tests;
