//! Operations of `avx2` that do not depend on a modulus: on vectors, on rows of products of them, and on the table of
//! powers.
//!
//! `avx2` proves the bounds of all sums; here they are only computed.

use std::arch::asm;
use std::arch::x86_64::{
    __m256i, _mm256_add_epi64, _mm256_blendv_epi8, _mm256_mul_epu32, _mm256_or_si256, _mm256_setzero_si256,
    _mm256_slli_epi64, _mm256_srli_epi64,
};

use super::super::limbs::{LANES, mask, piece};
use super::super::portable::WINDOW;

/// The same limb of four numbers.
pub(super) type Vector = __m256i;

/// Two limbs of each power of a base, one in the lower halves of the lanes and one in the upper.
pub(super) type Entries = [Vector; 1 << WINDOW];

/// `t[i + r] += x[i] y[r]`, and `t[r] += sums[r]` besides; `t` is at least as long as `x` and `y` less one.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn rows<const B: usize>(t: &mut [Vector], x: &[Vector], y: &[Vector; B], mut sums: [Vector; B]) {
    // sums[r] is what column i + r has from the limbs before x[i].
    let (head, tail) = t.split_at_mut(x.len());
    for (t, &x) in head.iter_mut().zip(x) {
        *t = add(*t, add(sums[0], product(x, y[0])));
        for r in 1..B {
            sums[r - 1] = if r + 1 < B { add(sums[r], product(x, y[r])) } else { product(x, y[r]) };
        }
        if B == 1 {
            sums[0] = _mm256_setzero_si256();
        }
    }
    for (t, sum) in tail.iter_mut().zip(&sums[..B - 1]) {
        *t = add(*t, *sum);
    }
}

/// The square of y and twice its product with x, the limbs behind it.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn square_rows<const B: usize>(t: &mut [Vector], x: &[Vector], y: &[Vector; B]) {
    let mut twice = *y;
    for limb in &mut twice {
        *limb = add(*limb, *limb);
    }
    let block = &mut t[..2 * B];
    for r in 0..B {
        block[2 * r] = add(block[2 * r], product(y[r], y[r]));
        for s in r + 1..B {
            block[r + s] = add(block[r + s], product(twice[r], y[s]));
        }
    }
    if !x.is_empty() {
        rows(&mut t[B..], x, &twice, [_mm256_setzero_si256(); B]);
    }
}

/// Entry `i` of the table := y.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn keep<const L: usize>(table: &mut [Entries], i: usize, y: &[Vector; L]) {
    for (entries, limbs) in table.iter_mut().zip(y.chunks(2)) {
        entries[i] = match *limbs {
            [low, high] => _mm256_or_si256(low, _mm256_slli_epi64::<32>(high)),
            [low] => low,
            _ => continue,
        };
    }
}

/// `x` := the entry `digit`, by reading all of them: of each two that differ in a bit of `digit`, one stays.
/// Leaves bits in the upper halves of the limbs, which `product` does not look at.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn pick<const L: usize>(table: &[Entries], digit: u64, x: &mut [Vector; L]) {
    let mut bits = [_mm256_setzero_si256(); WINDOW];
    for (i, bit) in bits.iter_mut().enumerate() {
        *bit = vector_of([mask(digit >> i & 1); LANES]);
    }
    let (pairs, last) = x.as_chunks_mut::<2>();
    let mut limbs = pairs.iter_mut().map(<[_; 2]>::as_mut_slice).chain([last]);
    for entries in table {
        let mut left = *entries;
        for (bit, &chosen) in bits.iter().enumerate() {
            for i in 0..left.len() >> (bit + 1) {
                left[i] = _mm256_blendv_epi8(left[2 * i], left[2 * i + 1], chosen);
            }
        }
        match limbs.next() {
            Some([low, high]) => (*low, *high) = (left[0], _mm256_srli_epi64::<32>(left[0])),
            Some([low]) => *low = left[0],
            _ => {}
        }
    }
}

/// Four numbers in limbs of `BITS` bits.
#[target_feature(enable = "avx2")]
pub(super) fn cut<const N: usize, const L: usize, const BITS: u32>(
    numbers: &[[u64; N]; LANES],
) -> [Vector; L] {
    let mut vectors = [_mm256_setzero_si256(); L];
    for (i, vector) in vectors.iter_mut().enumerate() {
        *vector = vector_of(numbers.each_ref().map(|number| piece(number, i, BITS)));
    }
    vectors
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn add(a: Vector, b: Vector) -> Vector {
    _mm256_add_epi64(a, b)
}

/// The product of the lower 32 bits of each lane.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn product(a: Vector, b: Vector) -> Vector {
    _mm256_mul_epu32(a, b)
}

/// Returns `a` in a way that makes the compiler forget its origin. If the compiler knows that the upper halves are
/// zero, it replaces `product` by a product of 64 bits, and where it no longer knows it, that by three products.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn opaque(mut a: Vector) -> Vector {
    // SAFETY: contains no instruction.
    unsafe { asm!("/* {0} */", inout(ymm_reg) a, options(pure, nomem, nostack, preserves_flags)) };
    a
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn shift<const BITS: u32>(a: Vector) -> Vector {
    // The intrinsic's parameter is an i32.
    const { assert!(BITS == 29 || BITS == 28) };
    if BITS == 29 { _mm256_srli_epi64::<29>(a) } else { _mm256_srli_epi64::<28>(a) }
}

pub(super) fn vector_of(lanes: [u64; LANES]) -> Vector {
    // SAFETY: both are 32 bytes, and every pattern of bits is a value of either.
    unsafe { std::mem::transmute::<[u64; LANES], Vector>(lanes) }
}

pub(super) fn lanes(vector: Vector) -> [u64; LANES] {
    // SAFETY: both are 32 bytes, and every pattern of bits is a value of either.
    unsafe { std::mem::transmute::<Vector, [u64; LANES]>(vector) }
}
