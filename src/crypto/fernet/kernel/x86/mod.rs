//! The loops for x86-64 with AES-NI and the SHA extensions.
//!
//! ```text
//!                 round  0         10         20         30         40        a step of 64 bytes
//!   AES-CBC              ├─ block ─┼─ block ──┼─ block ──┼─ block ──┤        40 × aesenc, 4 cycles each
//!   HMAC                 ├─ 64 SHA rounds on ciphertext made before ─┤        32 × sha256rnds2, 4 cycles each
//!   file's SHA-256       ├─ 64 SHA rounds on plaintext ──────────────┤        32 × sha256rnds2
//! ```
//!
//! - `step`: the instructions of one step, in their order
//!
//! The unsafe operations are: conversions between 16 bytes and a vector, calls of code that needs the features (a
//! [`Ni`] exists only where they were detected), and writes to the spare capacity of a `Vec`.
#![expect(unsafe_code, reason = "these instructions cannot be had otherwise")]

use core::arch::x86_64::{
    __m128i, _mm_aesdec_si128, _mm_aesdeclast_si128, _mm_aesenc_si128, _mm_aesenclast_si128,
    _mm_aesimc_si128, _mm_aeskeygenassist_si128, _mm_loadu_si128, _mm_set_epi32, _mm_setzero_si128,
    _mm_shuffle_epi32, _mm_slli_si128, _mm_storeu_si128, _mm_xor_si128, _mm256_zeroupper,
};

use zeroize::Zeroizing;

use self::step::{Halves, Saved};
use super::{BLOCK, LAG, STEP, State};

mod step;

/// Proof that this processor has the instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ni(());

/// The eleven round keys of AES-128, in the order of their use, and the sum of the first and the last.
pub(super) type RoundKeys = Zeroizing<[__m128i; 12]>;

impl Ni {
    /// Detects the instructions.
    pub(super) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("aes")
            && is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("avx")
            && is_x86_feature_detected!("sse4.1")
            && is_x86_feature_detected!("ssse3");
        all.then_some(Self(()))
    }

    #[expect(clippy::unused_self, reason = "it is the proof")]
    pub(super) fn encryption_keys(self, key: &[u8; 16]) -> RoundKeys {
        // SAFETY: a `Ni` exists only where `detect` found the features.
        unsafe { encryption_keys(key) }
    }

    #[expect(clippy::unused_self, reason = "it is the proof")]
    pub(super) fn decryption_keys(self, key: &[u8; 16]) -> RoundKeys {
        // SAFETY: as above.
        unsafe { decryption_keys(key) }
    }

    /// Encrypts with AES-CBC, without hashing. `chain` is the last block of ciphertext, before and after.
    #[expect(clippy::unused_self, reason = "it is the proof")]
    pub(super) fn encrypt(self, keys: &RoundKeys, chain: &mut [u8; BLOCK], blocks: &mut [[u8; BLOCK]]) {
        // SAFETY: as above.
        unsafe { encrypt(keys, chain, blocks) }
    }

    /// Decrypts with AES-CBC, without hashing.
    #[expect(clippy::unused_self, reason = "it is the proof")]
    pub(super) fn decrypt(self, keys: &RoundKeys, chain: &mut [u8; BLOCK], blocks: &mut [[u8; BLOCK]]) {
        // SAFETY: as above.
        unsafe { decrypt(keys, chain, blocks) }
    }

    /// Hashes blocks with SHA-256.
    #[expect(clippy::unused_self, reason = "it is the proof")]
    pub(super) fn compress(self, state: &mut State, blocks: &[[u8; STEP]]) {
        // SAFETY: as above.
        unsafe { compress(state, blocks) }
    }

    /// See [`super::Encryption::seal`].
    #[expect(clippy::unused_self, reason = "it is the proof")]
    pub(super) fn seal(
        self,
        keys: &RoundKeys,
        chain: &mut [u8; BLOCK],
        plain: &[[u8; STEP]],
        token: &mut [u8],
        mac: &mut State,
        digest: Option<&mut State>,
    ) {
        // SAFETY: as above.
        match digest {
            Some(digest) => unsafe { seal::<true>(keys, chain, plain, token, mac, digest) },
            None => unsafe { seal::<false>(keys, chain, plain, token, mac, &mut [0; 8]) },
        }
    }

    /// See [`super::Decryption::open`].
    #[expect(clippy::unused_self, reason = "it is the proof")]
    #[expect(clippy::too_many_arguments, reason = "three chains, and where each reads and writes")]
    pub(super) fn open(
        self,
        keys: &RoundKeys,
        chain: &mut [u8; BLOCK],
        signed: &[[u8; STEP]],
        cipher: &[[u8; STEP]],
        out: &mut Vec<u8>,
        mac: &mut State,
        digest: Option<&mut State>,
    ) {
        // SAFETY: as above.
        match digest {
            Some(digest) => unsafe { open::<true>(keys, chain, signed, cipher, out, mac, digest) },
            None => unsafe { open::<false>(keys, chain, signed, cipher, out, mac, &mut [0; 8]) },
        }
    }
}

#[inline]
fn load(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: 16 bytes may be read there; `loadu` asks for no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
fn store(bytes: &mut [u8; 16], vector: __m128i) {
    // SAFETY: 16 bytes may be written there; `storeu` asks for no alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), vector) }
}

/// Encrypts `plain` to `token[lag..]`, where `lag` is what `token` has more; signs `token` except its last
/// `lag` bytes; digests `plain`.
#[target_feature(enable = "aes,sha,avx,sse4.1,ssse3")]
fn seal<const DIGEST: bool>(
    keys: &RoundKeys,
    chain: &mut [u8; BLOCK],
    plain: &[[u8; STEP]],
    token: &mut [u8],
    mac: &mut State,
    digest: &mut State,
) {
    let Some(lag) = token.len().checked_sub(size_of_val(plain)) else { return };
    let Some(first) = plain.first() else { return };
    assert!(lag >= LAG, "what is signed was encrypted some steps before");
    _mm256_zeroupper();
    let mut saved = saved();
    let (mut hmac, mut sha256) = (import(mac), import(digest));
    // The block under way, already mixed with the first round key.
    let mut block = _mm_xor_si128(load(chain), _mm_xor_si128(load(beginning(first)), keys[0]));
    for (at, step) in plain.iter().enumerate() {
        let next = beginning(plain.get(at + 1).unwrap_or(first));
        let (front, back) = token[at * STEP..].split_at_mut(lag);
        let (Some(signed), Some(cipher)) = (front.first_chunk(), back.first_chunk_mut()) else { return };
        let hashes = (&mut hmac, &mut sha256);
        step::seal::<DIGEST>(keys, &mut block, step, next, cipher, signed, hashes, &mut saved);
    }
    if let Some(last) = token.last_chunk() {
        *chain = *last;
    }
    export(mac, hmac);
    export(digest, sha256);
}

/// Decrypts `cipher` to the end of `out`, signs `signed`, digests what was decrypted.
#[target_feature(enable = "aes,sha,avx,sse4.1,ssse3")]
fn open<const DIGEST: bool>(
    keys: &RoundKeys,
    chain: &mut [u8; BLOCK],
    signed: &[[u8; STEP]],
    cipher: &[[u8; STEP]],
    out: &mut Vec<u8>,
    mac: &mut State,
    digest: &mut State,
) {
    assert_eq!(signed.len(), cipher.len(), "as much is signed as is decrypted");
    let len = size_of_val(cipher);
    out.reserve(len);
    let plain = out.spare_capacity_mut()[..len].as_chunks_mut::<STEP>().0;
    _mm256_zeroupper();
    let mut saved = saved();
    let (mut hmac, mut sha256) = (import(mac), import(digest));
    let mut previous: &[u8; BLOCK] = &*chain;
    // The digest is one step behind: the plaintext of the step before.
    let mut decrypted: Option<&[u8; STEP]> = None;
    for ((step, signed), plain) in cipher.iter().zip(signed).zip(plain) {
        match decrypted {
            Some(before) if DIGEST => {
                let hashes = (&mut hmac, &mut sha256);
                step::open_and_digest(keys, previous, step, plain, signed, before, hashes, &mut saved);
            }
            _ => step::open(keys, previous, step, plain, signed, &mut hmac, &mut saved),
        }
        previous = ending(step);
        // SAFETY: its four blocks were written above.
        decrypted = Some(unsafe { &*plain.as_ptr().cast() });
    }
    if let Some(last) = decrypted.filter(|_| DIGEST) {
        step::hash(&mut sha256, last, &mut saved);
    }
    *chain = *previous;
    export(mac, hmac);
    export(digest, sha256);
    let whole = out.len() + len;
    // SAFETY: `reserve` made room for `len` bytes more, and each step wrote its 64 of them.
    unsafe { out.set_len(whole) };
}

/// Hashes whole blocks with SHA-256.
#[target_feature(enable = "sha,avx,sse4.1,ssse3")]
fn compress(state: &mut State, blocks: &[[u8; STEP]]) {
    _mm256_zeroupper();
    let (mut hash, mut saved) = (import(state), saved());
    for block in blocks {
        step::hash(&mut hash, block, &mut saved);
    }
    export(state, hash);
}

#[target_feature(enable = "aes,avx")]
fn encrypt(keys: &RoundKeys, chain: &mut [u8; BLOCK], blocks: &mut [[u8; BLOCK]]) {
    let mut x = load(chain);
    for block in blocks {
        x = _mm_xor_si128(x, _mm_xor_si128(load(block), keys[0]));
        for key in &keys[1..10] {
            x = _mm_aesenc_si128(x, *key);
        }
        x = _mm_aesenclast_si128(x, keys[10]);
        store(block, x);
    }
    store(chain, x);
}

#[target_feature(enable = "aes,avx")]
fn decrypt(keys: &RoundKeys, chain: &mut [u8; BLOCK], blocks: &mut [[u8; BLOCK]]) {
    let mut previous = load(chain);
    for block in blocks {
        let cipher = load(block);
        let mut x = _mm_xor_si128(cipher, keys[0]);
        for key in &keys[1..10] {
            x = _mm_aesdec_si128(x, *key);
        }
        store(block, _mm_aesdeclast_si128(x, _mm_xor_si128(previous, keys[10])));
        previous = cipher;
    }
    store(chain, previous);
}

/// Expands an encryption key (FIPS 197, 5.2).
#[target_feature(enable = "aes,avx")]
fn encryption_keys(key: &[u8; 16]) -> RoundKeys {
    let mut keys = Zeroizing::new([load(key); 12]);
    macro_rules! expand {
        ($($at:literal $constant:literal),*) => {
            $(
                let mut sums = keys[$at - 1];
                sums = _mm_xor_si128(sums, _mm_slli_si128(sums, 4));
                sums = _mm_xor_si128(sums, _mm_slli_si128(sums, 8));
                let word = _mm_aeskeygenassist_si128(keys[$at - 1], $constant);
                keys[$at] = _mm_xor_si128(sums, _mm_shuffle_epi32(word, 0xff));
            )*
        };
    }
    expand!(1 0x01, 2 0x02, 3 0x04, 4 0x08, 5 0x10, 6 0x20, 7 0x40, 8 0x80, 9 0x1b, 10 0x36);
    keys[11] = _mm_xor_si128(keys[0], keys[10]);
    keys
}

/// Expands a decryption key, for the equivalent inverse cipher (FIPS 197, 5.3.5).
#[target_feature(enable = "aes,avx")]
fn decryption_keys(key: &[u8; 16]) -> RoundKeys {
    let mut keys = encryption_keys(key);
    keys[..11].reverse();
    for key in &mut keys[1..10] {
        *key = _mm_aesimc_si128(*key);
    }
    keys
}

/// Returns A B E F and C D G H, the order that `sha256rnds2` expects.
#[target_feature(enable = "avx,sse4.1,ssse3")]
fn import(state: &State) -> Halves {
    let word = |at: usize| state[at].cast_signed();
    [_mm_set_epi32(word(0), word(1), word(4), word(5)), _mm_set_epi32(word(2), word(3), word(6), word(7))]
}

#[target_feature(enable = "avx,sse4.1,ssse3")]
fn export(state: &mut State, hash: Halves) {
    let mut bytes = Zeroizing::new([[0; 16]; 2]);
    for (bytes, half) in bytes.iter_mut().zip(hash) {
        store(bytes, half);
    }
    let word = |half: usize, at: usize| {
        let at = 4 * at;
        u32::from_le_bytes([bytes[half][at], bytes[half][at + 1], bytes[half][at + 2], bytes[half][at + 3]])
    };
    *state = [word(0, 3), word(0, 2), word(1, 3), word(1, 2), word(0, 1), word(0, 0), word(1, 1), word(1, 0)];
}

/// Returns room for the states at the beginning of a step.
fn saved() -> Saved {
    // SAFETY: SSE2, which every x86-64 processor has.
    Zeroizing::new([unsafe { _mm_setzero_si128() }; 4])
}

/// Returns the first block of a step.
fn beginning(step: &[u8; STEP]) -> &[u8; BLOCK] {
    &step.as_chunks().0[0]
}

/// Returns the last block of a step.
fn ending(step: &[u8; STEP]) -> &[u8; BLOCK] {
    &step.as_chunks().0[STEP / BLOCK - 1]
}
