//! The loop for x86-64 with AES-NI and the SHA extensions.
//!
//! ```text
//!                 round  0         10         20         30         40        a step of 64 bytes
//!   AES-CBC              ├─ block ─┼─ block ──┼─ block ──┼─ block ──┤        40 × aesenc, 4 cycles each
//!   HMAC                 ├─ 64 SHA rounds on ciphertext made before ─┤        32 × sha256rnds2, 4 cycles each
//!   file's SHA-256       ├─ 64 SHA rounds on plaintext ──────────────┤        32 × sha256rnds2
//! ```
//!
//! Each of these instructions waits for the one before it in its chain, so one chain alone leaves most of the
//! processor idle. The processor finds independent work only among the next 300 instructions or so. Therefore the
//! chains are interleaved in the program, 2½ AES rounds to every four SHA rounds (`interleave`).
//!
//! The unsafe operations are: conversions between 16 bytes and a vector, calls of code that needs the features (a
//! [`Ni`] exists only where they were detected), and writes to the spare capacity of a `Vec`.
#![expect(unsafe_code, reason = "these instructions cannot be had otherwise")]
#![expect(unused_assignments, reason = "a block's last rounds schedule nothing, which the lint does not see")]

use core::arch::asm;
use core::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_aesdec_si128, _mm_aesdeclast_si128, _mm_aesenc_si128, _mm_aesenclast_si128,
    _mm_aesimc_si128, _mm_aeskeygenassist_si128, _mm_alignr_epi8, _mm_and_si128, _mm_loadu_si128,
    _mm_set_epi32, _mm_set_epi64x, _mm_set1_epi8, _mm_setzero_si128, _mm_sha256msg1_epu32,
    _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_slli_si128,
    _mm_storeu_si128, _mm_xor_si128,
};
use core::mem::MaybeUninit;

use zeroize::Zeroizing;

use super::{BLOCK, LAG, STEP, State};

/// Proof that this processor has the instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ni(());

/// The eleven round keys of AES-128, in the order of their use.
pub(super) type RoundKeys = Zeroizing<[__m128i; 11]>;

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

#[inline]
fn store_new(bytes: &mut [MaybeUninit<u8>; 16], vector: __m128i) {
    // SAFETY: as above; nothing is read.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), vector) }
}

/// Four SHA rounds, number `4 × $group` and on, and as much of the message's schedule (FIPS 180-4, 6.2.2).
/// `$state` is A B E F and C D G H, `$words` the last sixteen words.
macro_rules! sha {
    ($group:literal, $state:ident, $words:ident) => {
        let keyed = _mm_add_epi32($words[$group % 4], load(&CONSTANTS.0[$group]));
        $state[1] = _mm_sha256rnds2_epu32($state[1], $state[0], keyed);
        if $group >= 3 && $group < 15 {
            let seventh = _mm_alignr_epi8($words[$group % 4], $words[($group + 3) % 4], 4);
            let sum = _mm_add_epi32($words[($group + 1) % 4], seventh);
            $words[($group + 1) % 4] = _mm_sha256msg2_epu32(sum, $words[$group % 4]);
        }
        $state[0] = _mm_sha256rnds2_epu32($state[0], $state[1], _mm_shuffle_epi32(keyed, 0x0e));
        if $group >= 1 && $group < 13 {
            $words[($group + 3) % 4] = _mm_sha256msg1_epu32($words[($group + 3) % 4], $words[$group % 4]);
        }
    };
}

/// One step: 40 AES rounds among 16 groups of SHA rounds. Twice in it the chains `$meet`.
macro_rules! interleave {
    ($aes:ident, $sha:ident, $meet:ident) => {
        interleave!(@ $aes, $sha, [0, 1] 0 [2, 3, 4] 1 [5, 6] 2 [7, 8, 9] 3);
        interleave!(@ $aes, $sha, [10, 11] 4 [12, 13, 14] 5 [15, 16] 6 [17, 18, 19] 7);
        $meet!();
        interleave!(@ $aes, $sha, [20, 21] 8 [22, 23, 24] 9 [25, 26] 10 [27, 28, 29] 11);
        interleave!(@ $aes, $sha, [30, 31] 12 [32, 33, 34] 13 [35, 36] 14 [37, 38, 39] 15);
        $meet!();
    };
    (@ $aes:ident, $sha:ident, $([$first:literal $(, $round:literal)*] $group:literal)*) => {
        $(
            $aes!($first);
            $sha!($group);
            $($aes!($round);)*
        )*
    };
}

/// Compiles to no instruction. All chains pass through it, so the compiler cannot move one behind the others.
/// It would when there are three: the order that is written costs it registers.
#[inline]
fn meet(a: &mut __m128i, b: &mut __m128i, c: &mut __m128i) {
    // SAFETY: there is nothing in it but a comment.
    unsafe {
        asm!(
            "/* {0} {1} {2} */",
            inout(xmm_reg) * a,
            inout(xmm_reg) * b,
            inout(xmm_reg) * c,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
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
    let (mut hmac, mut sha256) = (import(mac), import(digest));
    // The block under way, already mixed with the first round key.
    let mut x = _mm_xor_si128(load(chain), _mm_xor_si128(load(quarters(first)[0]), keys[0]));
    for (at, step) in plain.iter().enumerate() {
        let following = plain.get(at + 1).unwrap_or(first);
        let [_, second, third, fourth] = quarters(step);
        let next = [second, third, fourth, quarters(following)[0]];
        let (front, back) = token[at * STEP..].split_at_mut(lag);
        let Some((signed, Some(cipher))) =
            front.first_chunk::<STEP>().map(|signed| (signed, back.first_chunk_mut::<STEP>()))
        else {
            return;
        };
        let cipher = cipher.as_chunks_mut::<BLOCK>().0;
        let (mut signed_words, mut plain_words) = (words(signed), words(step));
        let before = (hmac, sha256);
        macro_rules! aes {
            ($round:literal) => {
                if $round % 10 < 9 {
                    x = _mm_aesenc_si128(x, keys[$round % 10 + 1]);
                } else {
                    // The last round ends with an addition of its key. With the next block in that key it is
                    // the next block's beginning too, and CBC's addition costs the chain no time.
                    let addend = _mm_xor_si128(load(next[$round / 10]), keys[0]);
                    x = _mm_aesenclast_si128(x, _mm_xor_si128(addend, keys[10]));
                    store(&mut cipher[$round / 10], _mm_xor_si128(x, addend));
                }
            };
        }
        macro_rules! both {
            ($group:literal) => {
                sha!($group, hmac, signed_words);
                if DIGEST {
                    sha!($group, sha256, plain_words);
                }
            };
        }
        macro_rules! together {
            () => {
                if DIGEST {
                    meet(&mut x, &mut hmac[0], &mut sha256[0]);
                }
            };
        }
        interleave!(aes, both, together);
        hmac = sum(hmac, before.0);
        if DIGEST {
            sha256 = sum(sha256, before.1);
        }
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
    let (mut hmac, mut sha256) = (import(mac), import(digest));
    let mut previous = load(chain);
    // The digest is one step behind, so the first step has nothing for it, and what it makes of zeros is masked away.
    // (With a branch instead, the compiler moves the whole chain into it, behind the others.)
    let mut digested: &[u8; STEP] = &[0; STEP];
    let mut counts = _mm_setzero_si128();
    for ((step, signed), plain) in cipher.iter().zip(signed).zip(plain) {
        let blocks = quarters(step);
        let fresh = plain.as_chunks_mut::<BLOCK>().0;
        let (mut signed_words, mut plain_words) = (words(signed), words(digested));
        let before = (hmac, sha256);
        let mut x = _mm_xor_si128(load(blocks[0]), keys[0]);
        macro_rules! aes {
            ($round:literal) => {
                if $round % 10 < 9 {
                    x = _mm_aesdec_si128(x, keys[$round % 10 + 1]);
                } else {
                    x = _mm_aesdeclast_si128(x, _mm_xor_si128(previous, keys[10]));
                    store_new(&mut fresh[$round / 10], x);
                    previous = load(blocks[$round / 10]);
                    if $round < 39 {
                        x = _mm_xor_si128(load(blocks[($round / 10 + 1) % 4]), keys[0]);
                    }
                }
            };
        }
        macro_rules! both {
            ($group:literal) => {
                sha!($group, hmac, signed_words);
                if DIGEST {
                    sha!($group, sha256, plain_words);
                }
            };
        }
        // Decrypting a block needs no other, so this has no chain of AES that could be late.
        macro_rules! apart {
            () => {};
        }
        interleave!(aes, both, apart);
        hmac = sum(hmac, before.0);
        if DIGEST {
            sha256 = sum(sha256.map(|half| _mm_and_si128(half, counts)), before.1);
            counts = _mm_set1_epi8(-1);
        }
        // SAFETY: its four blocks were written above.
        digested = unsafe { &*plain.as_ptr().cast() };
    }
    store(chain, previous);
    export(mac, hmac);
    export(digest, sha256);
    if DIGEST && !cipher.is_empty() {
        compress(digest, core::slice::from_ref(digested));
    }
    let whole = out.len() + len;
    // SAFETY: `reserve` made room for `len` bytes more, and each step wrote its 64 of them.
    unsafe { out.set_len(whole) };
}

/// Hashes whole blocks with SHA-256.
#[target_feature(enable = "sha,avx,sse4.1,ssse3")]
fn compress(state: &mut State, blocks: &[[u8; STEP]]) {
    let mut hash = import(state);
    for block in blocks {
        let (mut words, before) = (words(block), hash);
        macro_rules! nothing {
            ($($round:literal)?) => {};
        }
        macro_rules! one {
            ($group:literal) => {
                sha!($group, hash, words);
            };
        }
        interleave!(nothing, one, nothing);
        hash = sum(hash, before);
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
    let mut keys = Zeroizing::new([load(key); 11]);
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
    keys
}

/// Expands a decryption key, for the equivalent inverse cipher (FIPS 197, 5.3.5).
#[target_feature(enable = "aes,avx")]
fn decryption_keys(key: &[u8; 16]) -> RoundKeys {
    let mut keys = encryption_keys(key);
    keys.reverse();
    for key in &mut keys[1..10] {
        *key = _mm_aesimc_si128(*key);
    }
    keys
}

/// Returns the words of a block, each read big-endian.
#[target_feature(enable = "avx,ssse3")]
fn words(block: &[u8; STEP]) -> [__m128i; 4] {
    let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let [a, b, c, d] = quarters(block);
    [a, b, c, d].map(|quarter| _mm_shuffle_epi8(load(quarter), order))
}

/// Returns A B E F and C D G H, the order that `sha256rnds2` expects.
#[target_feature(enable = "avx,sse4.1,ssse3")]
fn import(state: &State) -> [__m128i; 2] {
    let word = |at: usize| state[at].cast_signed();
    [_mm_set_epi32(word(0), word(1), word(4), word(5)), _mm_set_epi32(word(2), word(3), word(6), word(7))]
}

#[target_feature(enable = "avx,sse4.1,ssse3")]
fn export(state: &mut State, hash: [__m128i; 2]) {
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

#[inline]
#[target_feature(enable = "avx")]
fn sum(a: [__m128i; 2], b: [__m128i; 2]) -> [__m128i; 2] {
    [_mm_add_epi32(a[0], b[0]), _mm_add_epi32(a[1], b[1])]
}

/// Splits a step into four 16 bytes.
#[inline]
fn quarters(step: &[u8; STEP]) -> [&[u8; 16]; 4] {
    let blocks = step.as_chunks().0;
    [&blocks[0], &blocks[1], &blocks[2], &blocks[3]]
}

/// The round constants, four to a vector.
static CONSTANTS: Constants = Constants::new();

#[repr(align(64))]
struct Constants([[u8; 16]; 16]);

impl Constants {
    const fn new() -> Self {
        let mut rows = [[0; 16]; 16];
        let mut at = 0;
        while at < 64 {
            let bytes = WORDS[at / 4][at % 4].to_le_bytes();
            let mut byte = 0;
            while byte < 4 {
                rows[at / 4][at % 4 * 4 + byte] = bytes[byte];
                byte += 1;
            }
            at += 1;
        }
        Self(rows)
    }
}

/// Round constants (FIPS 180-4, 4.2.2).
#[rustfmt::skip]
const WORDS: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
    [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
    [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
    [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
    [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
    [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
    [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
    [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
    [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];
