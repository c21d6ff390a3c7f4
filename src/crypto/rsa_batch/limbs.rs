//! Numbers of a fixed size: `N` limbs of 64 bits, the least first.
//!
//! Nothing here branches or indexes on a value.

use std::hint::black_box;

/// Number of values that the private operation processes at once.
pub(super) const LANES: usize = 4;

/// Returns all ones if `bit` is 1, zero if it is 0. The compiler does not learn which, so it creates no branch.
#[inline]
pub(super) fn mask(bit: u64) -> u64 {
    black_box(bit).wrapping_neg()
}

/// Returns t + a × b + carry as (low, high): at most (2^64 − 1)^2 + 2 (2^64 − 1) = 2^128 − 1.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
pub(super) const fn mac(t: u64, a: u64, b: u64, carry: u64) -> (u64, u64) {
    let sum = t as u128 + a as u128 * b as u128 + carry as u128;
    (sum as u64, (sum >> 64) as u64)
}

/// Reads at most 8 N big-endian bytes.
pub(super) fn from_be<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut limbs = [0; N];
    for (limb, piece) in limbs.iter_mut().zip(bytes.rchunks(8)) {
        *limb = piece.iter().fold(0, |limb, byte| limb << 8 | u64::from(*byte));
    }
    limbs
}

/// Appends 8 N big-endian bytes.
pub(super) fn push_be<const N: usize>(limbs: &[u64; N], out: &mut Vec<u8>) {
    for limb in limbs.iter().rev() {
        out.extend_from_slice(&limb.to_be_bytes());
    }
}

/// Returns the limb `index` of `bits` bits, fewer than 64.
pub(super) fn piece<const N: usize>(limbs: &[u64; N], index: usize, bits: u32) -> u64 {
    let (limb, bit) = (index * bits as usize / 64, index * bits as usize % 64);
    let low = if limb < N { limbs[limb] >> bit } else { 0 };
    let beyond = bit + bits as usize > 64 && limb + 1 < N;
    let high = if beyond { limbs[limb + 1] << (64 - bit) } else { 0 };
    (low | high) & ((1 << bits) - 1)
}

/// Adds the limb `index` of `bits` bits to a number in which these bits are zero; excess bits are dropped.
pub(super) fn place<const N: usize>(limbs: &mut [u64; N], index: usize, bits: u32, value: u64) {
    let (limb, bit) = (index * bits as usize / 64, index * bits as usize % 64);
    if limb < N {
        limbs[limb] |= value << bit;
    }
    if bit + bits as usize > 64 && limb + 1 < N {
        limbs[limb + 1] |= value >> (64 - bit);
    }
}

/// Returns (a − b mod 2^(64 N), 1 if b > a).
#[inline]
pub(super) fn sub<const N: usize>(a: &[u64; N], b: &[u64; N]) -> ([u64; N], u64) {
    let mut difference = [0; N];
    let mut borrow = false;
    for i in 0..N {
        let (d, first) = a[i].overflowing_sub(b[i]);
        let (d, second) = d.overflowing_sub(u64::from(borrow));
        difference[i] = d;
        borrow = first | second;
    }
    (difference, u64::from(borrow))
}

/// Returns `a` if the mask is all ones, `b` if it is zero.
#[inline]
pub(super) fn select<const N: usize>(mask: u64, a: &[u64; N], b: &[u64; N]) -> [u64; N] {
    let mut chosen = [0; N];
    for i in 0..N {
        chosen[i] = (a[i] & mask) | (b[i] & !mask);
    }
    chosen
}

/// Returns carry × 2^(64 N) + x, minus n if that is not negative. The sum is below 2 n.
#[inline]
pub(super) fn subtract_once<const N: usize>(x: &[u64; N], carry: u64, n: &[u64; N]) -> [u64; N] {
    let (less, borrow) = sub(x, n);
    // Below n: nothing was carried, and the subtraction borrowed.
    select(mask(borrow & (carry ^ 1)), x, &less)
}

/// Returns a − b mod n; both are below n.
pub(super) fn sub_mod<const N: usize>(a: &[u64; N], b: &[u64; N], n: &[u64; N]) -> [u64; N] {
    let (difference, borrow) = sub(a, b);
    let mask = mask(borrow);
    let mut sum = [0; N];
    let mut carry = false;
    for i in 0..N {
        let (s, first) = difference[i].overflowing_add(n[i] & mask);
        let (s, second) = s.overflowing_add(u64::from(carry));
        sum[i] = s;
        carry = first | second;
    }
    sum
}

/// Returns 2 x mod n; x is below n.
pub(super) fn double<const N: usize>(x: &[u64; N], n: &[u64; N]) -> [u64; N] {
    let mut twice = *x;
    let mut carry = 0;
    for limb in &mut twice {
        let top = *limb >> 63;
        *limb = *limb << 1 | carry;
        carry = top;
    }
    subtract_once(&twice, carry, n)
}

/// Returns −n^−1 mod 2^64 of an odd n. Each of Newton's steps doubles the number of correct bits, from 3 to 96.
pub(super) const fn negative_inverse(n: u64) -> u64 {
    let mut inverse = n;
    let mut step = 0;
    while step < 5 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(n.wrapping_mul(inverse)));
        step += 1;
    }
    inverse.wrapping_neg()
}
