//! Writing a token.

use base64_simd::URL_SAFE;
use zeroize::Zeroizing;

use super::kernel::base64::Base64;
use super::kernel::{BLOCK, Backend, Encryption, Hash, Hmac, LAG, STEP};
use super::{IV_LEN, PIECE, SessionKey, VERSION, raw_token_len, running, token_len};
use crate::crypto::{Seal, SealError};
use crate::digest::{Digest, FileDigest};
use crate::event::KeyForm;

/// Converts plaintext to one token.
///
/// ```text
///   plain ─ AES-CBC ─► scratch │ lag: waits for the HMAC │ piece │
///                                └─ HMAC                    └─ base64 ─► out
/// ```
pub struct TokenSealer {
    form: KeyForm,
    base64: Base64,
    cipher: Encryption,
    mac: Hmac,
    digest: Option<Hash>,
    promised: u64,
    /// 0 <= `given` <= `promised`.
    given: u64,
    /// Plaintext that waits for a step; `pending_len` < `STEP`.
    pending: Zeroizing<[u8; STEP]>,
    pending_len: usize,
    /// Bytes of the token from the first that the HMAC has not processed, always a whole number of steps after the
    /// token's beginning. The first `len` are valid, and of these the first `written` are in the output.
    scratch: Box<[u8; SCRATCH]>,
    len: usize,
    written: usize,
}

/// Length of a piece and of what waits around it: the lag is less than three steps, the end of a file with its tag
/// less than two.
const SCRATCH: usize = PIECE + 5 * STEP;

impl TokenSealer {
    /// Creates a sealer for a file of exactly `plain_len` bytes, with a random IV. `unix_seconds` is visible to every
    /// reader of the token.
    ///
    /// # Panics
    /// Like the `fernet` crate, if the system gives no randomness.
    #[must_use]
    pub fn new(key: &SessionKey, plain_len: u64, unix_seconds: u64, digest: FileDigest) -> Self {
        Self::on(Backend::best(), KeyForm::Fernet, key, plain_len, unix_seconds, digest)
    }

    /// Creates a sealer for the token of the assignment's C edition, which has no base64, version or time.
    ///
    /// # Panics
    /// As [`TokenSealer::new`].
    #[must_use]
    pub fn raw(key: &SessionKey, plain_len: u64, digest: FileDigest) -> Self {
        Self::on(Backend::best(), KeyForm::Raw, key, plain_len, 0, digest)
    }

    /// Creates a sealer that uses a given back end.
    ///
    /// # Panics
    /// As [`TokenSealer::new`].
    #[must_use]
    pub fn on(
        backend: Backend,
        form: KeyForm,
        key: &SessionKey,
        plain_len: u64,
        unix_seconds: u64,
        digest: FileDigest,
    ) -> Self {
        Self::with_iv(backend, form, key, plain_len, unix_seconds, digest, random_iv())
    }

    pub(super) fn with_iv(
        backend: Backend,
        form: KeyForm,
        key: &SessionKey,
        plain_len: u64,
        unix_seconds: u64,
        digest: FileDigest,
        iv: [u8; IV_LEN],
    ) -> Self {
        let mut sealer = Self {
            form,
            base64: backend.base64(),
            cipher: Encryption::new(backend, key.encryption(), iv),
            mac: Hmac::new(backend, key.signing()),
            digest: running(digest, backend),
            promised: plain_len,
            given: 0,
            pending: Zeroizing::new([0; STEP]),
            pending_len: 0,
            scratch: Box::new([0; SCRATCH]),
            len: 0,
            written: 0,
        };
        if form == KeyForm::Fernet {
            sealer.append(&[VERSION]);
            sealer.append(&unix_seconds.to_be_bytes());
        }
        sealer.append(&iv);
        sealer
    }

    /// Returns the length of the whole token in bytes.
    fn token_len(&self) -> Option<u64> {
        match self.form {
            KeyForm::Fernet => token_len(self.promised),
            KeyForm::Raw => raw_token_len(self.promised),
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        self.scratch[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Encrypts, signs, hashes and writes at most a piece.
    fn steps(&mut self, plain: &[[u8; STEP]], out: &mut Vec<u8>) {
        if self.len < LAG {
            // The HMAC starts two steps after the cipher.
            let (first, rest) = plain.split_at(plain.len().min(1));
            self.ahead(first.as_flattened());
            if let Some(digest) = &mut self.digest {
                digest.update(first);
            }
            if !rest.is_empty() {
                self.steps(rest, out);
            }
            return;
        }
        let signed = size_of_val(plain);
        let end = self.len + signed;
        self.cipher.seal(plain, &mut self.scratch[..end], &mut self.mac, self.digest.as_mut());
        self.len = end;
        self.write(out);
        self.scratch.copy_within(signed..end, 0);
        self.len -= signed;
        self.written -= signed;
    }

    /// Encrypts whole blocks, fewer than a piece; the HMAC processes them later.
    fn ahead(&mut self, blocks: &[u8]) {
        let from = self.len;
        self.append(blocks);
        self.cipher.encrypt(self.scratch[from..self.len].as_chunks_mut().0);
    }

    /// Keeps plaintext that does not fill a step.
    fn keep(&mut self, plain: &[u8]) {
        self.pending[self.pending_len..self.pending_len + plain.len()].copy_from_slice(plain);
        self.pending_len += plain.len();
    }

    /// Writes the complete base64 groups.
    fn write(&mut self, out: &mut Vec<u8>) {
        let fresh = &self.scratch[self.written..self.len];
        match self.form {
            KeyForm::Fernet => {
                let groups = &fresh[..fresh.len() / 3 * 3];
                self.base64.encode(groups, out);
                self.written += groups.len();
            }
            KeyForm::Raw => {
                out.extend_from_slice(fresh);
                self.written = self.len;
            }
        }
    }
}

impl Seal for TokenSealer {
    fn body_len(&self) -> u64 {
        self.token_len().unwrap_or(u64::MAX)
    }

    fn seal(&mut self, mut plain: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        self.token_len().ok_or(SealError::TooLong { plain_len: self.promised })?;
        let given = self.given.saturating_add(plain.len() as u64);
        if given > self.promised {
            return Err(SealError::Long { promised: self.promised });
        }
        self.given = given;
        // Reserved at once, because base64 reserves only for each piece.
        out.reserve(plain.len() / 3 * 4 + 4 * STEP);
        if self.pending_len > 0 {
            let (head, rest) = plain.split_at(plain.len().min(STEP - self.pending_len));
            self.keep(head);
            plain = rest;
            if self.pending_len == STEP {
                let step = self.pending.clone();
                self.steps(std::slice::from_ref(&step), out);
                self.pending_len = 0;
            }
        }
        let (steps, rest) = plain.as_chunks();
        for piece in steps.chunks(PIECE / STEP) {
            self.steps(piece, out);
        }
        self.keep(rest);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), SealError> {
        if self.given != self.promised {
            return Err(SealError::Short { promised: self.promised, given: self.given });
        }
        let mut last = self.pending.clone();
        let pad = BLOCK - self.pending_len % BLOCK;
        let padded = self.pending_len + pad;
        last[self.pending_len..padded].fill(pad.to_le_bytes()[0]);
        self.ahead(&last[..padded]);
        let tag = self.mac.finish(&self.scratch[..self.len]);
        self.append(&tag);
        let rest = &self.scratch[self.written..self.len];
        match self.form {
            KeyForm::Fernet => URL_SAFE.encode_append(rest, out),
            KeyForm::Raw => out.extend_from_slice(rest),
        }
        self.written = self.len;
        Ok(())
    }

    fn digest(&self) -> Option<Digest> {
        self.digest.as_ref().map(|hash| Digest(hash.finish(&self.pending[..self.pending_len])))
    }
}

fn random_iv() -> [u8; IV_LEN] {
    let mut iv = [0; IV_LEN];
    #[expect(clippy::expect_used, reason = "without randomness there is no IV; a predictable one leaks")]
    getrandom::fill(&mut iv).expect("the system gives randomness");
    iv
}
