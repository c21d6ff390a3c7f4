//! base64url by AVX-512 VBMI: 48 bytes are 64 characters, a vector of them at a time.
//!
//! ```text
//!  encoding   vpermb           each three bytes a b c in 32 bits, as b a c b
//!             vpmultishiftqb   six bits of them to each byte, from bits 10, 4, 22 and 16
//!             vpermb           each to its character, in a table of 64
//!
//!  decoding   vpermi2b         each character to its six bits, in a table of 128; 80 where there is none
//!             vpternlogd       whatever had bit 7, before or after: seen once, at the end
//!             vpmaddubsw       two to twelve bits
//!             vpmaddwd         two of those to 24 bits
//!             vpermb           of each 32 bits three bytes, the upper first
//! ```
//!
//! (Muła and Lemire, "Base64 encoding and decoding at almost the speed of a memory copy", 2019.) `vpermi2b` looks at a
//! character's lower seven bits only, so the mask must see the eighth in the character itself.
//!
//! The unsafe operations are: conversions between 48 or 64 bytes and a vector, calls of code that needs the features
//! (a [`Vbmi`] exists only where they were detected), and writes to the spare capacity of a `Vec`.
#![expect(unsafe_code, reason = "these instructions cannot be had otherwise")]

use core::arch::x86_64::{
    __m512i, _mm_storeu_si128, _mm256_storeu_si256, _mm512_castsi512_si256, _mm512_extracti32x4_epi32,
    _mm512_loadu_si512, _mm512_madd_epi16, _mm512_maddubs_epi16, _mm512_maskz_loadu_epi8,
    _mm512_movepi8_mask, _mm512_multishift_epi64_epi8, _mm512_permutex2var_epi8, _mm512_permutexvar_epi8,
    _mm512_set1_epi32, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_storeu_si512,
    _mm512_ternarylogic_epi32,
};
use core::mem::MaybeUninit;

/// Length of a group in bytes.
const BYTES: usize = 48;
/// Length of a group's text in characters.
const CHARS: usize = 64;

const ALPHABET: [u8; CHARS] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Table entry for characters outside the alphabet.
const NONE: u8 = 0x80;

/// The six bits of characters 0 to 63 and 64 to 127.
const VALUES: [[u8; 64]; 2] = {
    let mut values = [[NONE; 64]; 2];
    let mut at = 0;
    while at < CHARS {
        let character = ALPHABET[at] as usize;
        #[expect(clippy::cast_possible_truncation, reason = "at < 64")]
        {
            values[character / 64][character % 64] = at as u8;
        }
        at += 1;
    }
    values
};

/// Where in the bytes each byte of b a c b is.
const SPREAD: [u8; 64] = {
    let mut from = [0; 64];
    let mut at = 0;
    while at < 64 {
        #[expect(clippy::cast_possible_truncation, reason = "below 48")]
        {
            from[at] = (at / 4 * 3) as u8 + [1, 0, 2, 1][at % 4];
        }
        at += 1;
    }
    from
};

/// For each byte, the first of its six bits in 64: twice 10, 4, 22, 16 in b a c b.
const SHIFTS: u64 = u64::from_le_bytes([10, 4, 22, 16, 42, 36, 54, 48]);

/// Position of each byte in the words of 24 bits.
const GATHER: [u8; 64] = {
    let mut from = [0; 64];
    let mut at = 0;
    while at < BYTES {
        #[expect(clippy::cast_possible_truncation, reason = "below 64")]
        {
            from[at] = (at / 3 * 4 + 2 - at % 3) as u8;
        }
        at += 1;
    }
    from
};

/// Proof that this processor has the instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vbmi(());

impl Vbmi {
    /// Detects the instructions.
    pub(super) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vbmi");
        all.then_some(Self(()))
    }

    /// Appends the characters of `groups`.
    #[expect(clippy::unused_self, reason = "it is the proof")]
    pub(super) fn encode(self, groups: &[[u8; BYTES]], out: &mut Vec<u8>) {
        // SAFETY: a `Vbmi` exists only where `detect` found the features.
        unsafe { encode(groups, out) }
    }

    /// Appends the bytes of `groups`. Returns `false`, and appends nothing, if they contain another character.
    #[expect(clippy::unused_self, reason = "it is the proof")]
    pub(super) fn decode(self, groups: &[[u8; CHARS]], out: &mut Vec<u8>) -> bool {
        // SAFETY: as above.
        unsafe { decode(groups, out) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn encode(groups: &[[u8; BYTES]], out: &mut Vec<u8>) {
    let (spread, alphabet) = (load(&SPREAD), load(&ALPHABET));
    let shifts = _mm512_set1_epi64(SHIFTS.cast_signed());
    let len = groups.len() * CHARS;
    out.reserve(len);
    let texts = out.spare_capacity_mut()[..len].as_chunks_mut::<CHARS>().0;
    for (group, text) in groups.iter().zip(texts) {
        let triples = _mm512_permutexvar_epi8(spread, load_group(group));
        // Its upper two bits belong to other bytes, and the table's index has no such bits.
        let sixes = _mm512_multishift_epi64_epi8(shifts, triples);
        store(text, _mm512_permutexvar_epi8(sixes, alphabet));
    }
    let whole = out.len() + len;
    // SAFETY: `reserve` made room for `len` bytes more, and each group wrote its 64 of them.
    unsafe { out.set_len(whole) };
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn decode(groups: &[[u8; CHARS]], out: &mut Vec<u8>) -> bool {
    let (lower, upper, gather) = (load(&VALUES[0]), load(&VALUES[1]), load(&GATHER));
    let (twelve, twenty_four) = (_mm512_set1_epi32(0x0140_0140), _mm512_set1_epi32(0x0001_1000));
    let len = groups.len() * BYTES;
    out.reserve(len);
    let fresh = out.spare_capacity_mut()[..len].as_chunks_mut::<BYTES>().0;
    let mut wrong = _mm512_setzero_si512();
    for (group, bytes) in groups.iter().zip(fresh) {
        let text = load(group);
        let sixes = _mm512_permutex2var_epi8(lower, text, upper);
        // The OR of all three.
        wrong = _mm512_ternarylogic_epi32(wrong, text, sixes, 0xfe);
        let words = _mm512_madd_epi16(_mm512_maddubs_epi16(sixes, twelve), twenty_four);
        store_group(bytes, _mm512_permutexvar_epi8(gather, words));
    }
    let valid = _mm512_movepi8_mask(wrong) == 0;
    if valid {
        let whole = out.len() + len;
        // SAFETY: `reserve` made room for `len` bytes more, and each group wrote its 48 of them.
        unsafe { out.set_len(whole) };
    }
    valid
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 bytes may be read there; `loadu` asks for no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// Loads a group; the upper 16 bytes of the vector are zero.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_group(bytes: &[u8; BYTES]) -> __m512i {
    // SAFETY: 48 bytes may be read there; those that the mask leaves out are not read.
    unsafe { _mm512_maskz_loadu_epi8((1 << BYTES) - 1, bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(bytes: &mut [MaybeUninit<u8>; CHARS], vector: __m512i) {
    // SAFETY: 64 bytes may be written there; nothing is read, and `storeu` asks for no alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), vector) }
}

/// Stores a group, without the upper 16 bytes of the vector. Two stores, since one under a mask is slow on Zen 4.
#[inline]
#[target_feature(enable = "avx512f")]
fn store_group(bytes: &mut [MaybeUninit<u8>; BYTES], vector: __m512i) {
    let (front, back) = bytes.split_at_mut(32);
    // SAFETY: 32 bytes may be written there, and 16 behind them; as above.
    unsafe {
        _mm256_storeu_si256(front.as_mut_ptr().cast(), _mm512_castsi512_si256(vector));
        _mm_storeu_si128(back.as_mut_ptr().cast(), _mm512_extracti32x4_epi32(vector, 2));
    }
}
