//! Reading a token.

use subtle::{Choice, ConstantTimeEq as _, ConstantTimeGreater as _};
use zeroize::Zeroizing;

use super::kernel::base64::Base64;
use super::kernel::{BLOCK, Backend, Decryption, Hash, Hmac, STEP};
use super::{HEAD_LEN, IV_LEN, PIECE, SessionKey, TAG_LEN, running};
use crate::crypto::{Open, OpenError};
use crate::digest::{Digest, FileDigest};

/// Number of characters that encode [`PIECE`] bytes.
pub(super) const TEXT_PIECE: usize = PIECE / 3 * 4;

/// First characters of every Fernet token: the version, and 22 zero bits of its time, until the year 139,000.
const FERNET_START: &[u8] = b"gAAAA";

/// Encoding of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// base64url, with `padding` `=` at the end.
    Fernet { padding: usize },
    /// Raw bytes, without version and time.
    Raw,
}

impl Form {
    /// Returns the form of a token with this length and these first bytes; `None` if there is none.
    fn of(start: &[u8], body_len: u64) -> Option<Self> {
        if start.starts_with(FERNET_START) {
            Self::fernet(body_len)
        } else {
            Self::is_raw(body_len).then_some(Self::Raw)
        }
    }

    /// Returns the Fernet form; at most one number of `=` makes the rest whole blocks.
    pub(super) fn fernet(body_len: u64) -> Option<Self> {
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

    /// Returns the length in bytes before the ciphertext.
    const fn head_len(self) -> usize {
        match self {
            Self::Fernet { .. } => HEAD_LEN,
            Self::Raw => IV_LEN,
        }
    }

    /// Returns the length of the token in bytes, without base64.
    const fn token_len(self, body_len: u64) -> u64 {
        match self {
            Self::Fernet { padding } => body_len / 4 * 3 - padding as u64,
            Self::Raw => body_len,
        }
    }
}

/// Converts one token to plaintext.
///
/// ```text
///   body ─ base64 ─► scratch │ lead: signed no further │ piece │ tag
///                      └─ HMAC                            └─ AES-CBC ─► out ─ file's SHA-256
/// ```
pub struct TokenOpener {
    backend: Backend,
    base64: Base64,
    key: SessionKey,
    mac: Hmac,
    digest: Option<Hash>,
    /// `None` until the IV has arrived.
    cipher: Option<Decryption>,
    /// `None` until the first characters have arrived.
    form: Option<Form>,
    promised: u64,
    /// 0 <= `seen` <= `promised`.
    seen: u64,
    /// Characters that wait for a base64 group, or, at the very start, for the form.
    pub(super) text: Vec<u8>,
    /// Bytes of the token from the first that the HMAC has not processed, always a whole number of steps after the
    /// token's beginning. Never plaintext.
    pub(super) scratch: Vec<u8>,
    /// Number of bytes of `scratch` that are decrypted, or belong to the head.
    lead: usize,
    /// Number of ciphertext bytes still to be decrypted.
    cipher_left: u64,
    /// The last plaintext, up to a step, including its padding. Its last block is held back until the HMAC was
    /// checked. 16 <= `last_len` <= `STEP` once it is here.
    last: Zeroizing<[u8; STEP]>,
    last_len: usize,
    /// Digest of the whole file, from `finish` on.
    digested: Option<Digest>,
    time: Option<u64>,
    /// The text is not a token; what follows is counted and dropped. This follows from the body alone, which every
    /// observer of the connection has.
    broken: bool,
}

impl TokenOpener {
    /// Creates an opener for a body of exactly `body_len` bytes, the M1 of MODE 1. Fails if no token, Fernet or raw,
    /// has that length.
    pub fn new(key: &SessionKey, body_len: u64, digest: FileDigest) -> Result<Self, OpenError> {
        Self::on(Backend::best(), key, body_len, digest)
    }

    /// Creates an opener that uses a given back end.
    pub fn on(
        backend: Backend,
        key: &SessionKey,
        body_len: u64,
        digest: FileDigest,
    ) -> Result<Self, OpenError> {
        if Form::fernet(body_len).is_none() && !Form::is_raw(body_len) {
            return Err(OpenError::NotAToken { body_len });
        }
        // The raw form arrives in pieces of the same length.
        let room = usize::try_from(body_len).unwrap_or(usize::MAX).min(TEXT_PIECE);
        Ok(Self {
            backend,
            base64: backend.base64(),
            key: key.clone(),
            mac: Hmac::new(backend, key.signing()),
            digest: running(digest, backend),
            cipher: None,
            form: None,
            promised: body_len,
            seen: 0,
            text: Vec::new(),
            scratch: Vec::with_capacity(room + 4 * STEP),
            lead: 0,
            cipher_left: 0,
            last: Zeroizing::new([0; STEP]),
            last_len: 0,
            digested: None,
            time: None,
            broken: false,
        })
    }

    /// Returns the time in the token, in Unix seconds, which the sender chose. The raw form contains none, and
    /// nothing is known before the first 12 characters.
    #[must_use]
    pub const fn token_time(&self) -> Option<u64> {
        self.time
    }

    /// Decodes at most a piece of the body; `left` bytes will follow it.
    fn take(&mut self, form: Form, body: &[u8], left: u64) {
        let Form::Fernet { padding } = form else {
            self.scratch.extend_from_slice(body);
            return;
        };
        // Only the last group may have `=`, and only at its end.
        let last = 4_u64.saturating_sub(left).min(body.len() as u64);
        let (body, last) = body.split_at(body.len() - usize::try_from(last).unwrap_or(0));
        let missing = (4 - self.text.len()) % 4;
        let (head, body) = body.split_at(missing.min(body.len()));
        self.text.extend_from_slice(head);
        if self.text.len() == 4 {
            self.broken |= !self.base64.decode(&self.text, &mut self.scratch);
            self.text.clear();
        }
        let (groups, rest) = body.split_at(body.len() / 4 * 4);
        self.broken |= !self.base64.decode(groups, &mut self.scratch);
        self.text.extend_from_slice(rest);
        self.text.extend_from_slice(last);
        if left == 0 {
            let (characters, signs) = self.text.split_at(self.text.len().saturating_sub(padding));
            self.broken |=
                !self.base64.decode(characters, &mut self.scratch) || signs.iter().any(|c| *c != b'=');
            self.text.clear();
        }
    }

    /// Reads version, time and IV.
    fn head(&mut self, form: Form) {
        let len = form.head_len();
        let Some((head, iv)) = self.scratch.get(..len).and_then(<[u8]>::split_last_chunk) else { return };
        // The version needs no check: only 80 encodes to `gA`. A raw token has neither.
        self.time = head.get(1..).and_then(|time| time.try_into().ok()).map(u64::from_be_bytes);
        self.cipher = Some(Decryption::new(self.backend, self.key.encryption(), *iv));
        self.lead = len;
        self.cipher_left = form.token_len(self.promised) - (len + TAG_LEN) as u64;
    }

    /// Decrypts the whole steps that wait, and the last blocks when all of them have arrived.
    fn steps(&mut self, out: &mut Vec<u8>) {
        let Some(cipher) = &mut self.cipher else { return };
        // The last block is not emitted before the HMAC was checked.
        let shown = usize::try_from(self.cipher_left.saturating_sub(BLOCK as u64)).unwrap_or(usize::MAX);
        let here = self.scratch.len() - self.lead;
        let fresh = here.min(shown) / STEP * STEP;
        if fresh > 0 {
            let signed = self.scratch[..fresh].as_chunks().0;
            let sealed = self.scratch[self.lead..self.lead + fresh].as_chunks().0;
            cipher.open(signed, sealed, out, &mut self.mac, self.digest.as_mut());
            self.cipher_left -= fresh as u64;
            self.scratch.drain(..fresh);
        }
        let here = (self.scratch.len() - self.lead) as u64;
        if (1..=here.min(STEP as u64)).contains(&self.cipher_left) {
            let end = self.lead + usize::try_from(self.cipher_left).unwrap_or(0);
            let sealed = &self.scratch[self.lead..end];
            self.last_len = sealed.len();
            self.last[..sealed.len()].copy_from_slice(sealed);
            cipher.decrypt(self.last[..self.last_len].as_chunks_mut().0);
            out.extend_from_slice(&self.last[..self.last_len - BLOCK]);
            self.lead = end;
            self.cipher_left = 0;
        }
    }
}

impl Open for TokenOpener {
    fn open(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError> {
        let total = self.seen.saturating_add(body.len() as u64);
        if total > self.promised {
            return Err(OpenError::Long { promised: self.promised });
        }
        out.reserve(body.len() + STEP);
        for piece in body.chunks(TEXT_PIECE) {
            self.seen += piece.len() as u64;
            if self.broken {
                continue;
            }
            let left = self.promised - self.seen;
            let form = if let Some(form) = self.form {
                self.take(form, piece, left);
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
                self.take(form, &start, left);
                form
            };
            if self.cipher.is_none() {
                self.head(form);
            }
            if !self.broken {
                self.steps(out);
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), OpenError> {
        if self.seen < self.promised {
            return Err(OpenError::Short { promised: self.promised, got: self.seen });
        }
        if self.broken || self.last_len < BLOCK {
            return Err(OpenError::Rejected);
        }
        let (signed, tag) = self.scratch.split_at(self.lead);
        if !bool::from(self.mac.finish(signed).ct_eq(tag)) {
            return Err(OpenError::Rejected);
        }
        // These bytes are authentic; only now is the padding examined.
        let shown = self.last_len - BLOCK;
        let (plain, block) = self.last[..self.last_len].split_at(shown);
        let block = block.first_chunk().ok_or(OpenError::Rejected)?;
        let whole = plain.len() + plain_len(block).ok_or(OpenError::Rejected)?;
        out.extend_from_slice(&self.last[shown..whole]);
        self.digested = self.digest.as_ref().map(|hash| Digest(hash.finish(&self.last[..whole])));
        Ok(())
    }

    fn digest(&self) -> Option<Digest> {
        self.digested
    }
}

/// Returns the length before the PKCS7 padding (RFC 5652, 6.3), which is 1 to 16 bytes of that value, in constant
/// time.
fn plain_len(block: &[u8; BLOCK]) -> Option<usize> {
    let pad = block[BLOCK - 1];
    let mut valid = pad.ct_gt(&0) & !pad.ct_gt(&16);
    for (behind, byte) in (1_u8..).zip(block.iter().rev()) {
        let is_padding: Choice = !behind.ct_gt(&pad);
        valid &= byte.ct_eq(&pad) | !is_padding;
    }
    bool::from(valid).then(|| BLOCK - usize::from(pad))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pkcs7_is_read_as_rfc_5652_says() {
        for pad in 1..=16_u8 {
            let mut block = [0xaa; BLOCK];
            block[BLOCK - usize::from(pad)..].fill(pad);
            assert_eq!(plain_len(&block), Some(BLOCK - usize::from(pad)));
            if pad > 1 {
                block[BLOCK - usize::from(pad)] ^= 1;
                assert_eq!(plain_len(&block), None);
            }
        }
        assert_eq!(plain_len(&[0; BLOCK]), None);
        assert_eq!(plain_len(&[17; BLOCK]), None);
    }
}
