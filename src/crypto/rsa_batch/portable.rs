//! Montgomery arithmetic on limbs of 64 bits with products of 128: the back end for every machine, and the arithmetic
//! around the exponentiations in all back ends.
//!
//! With R = 2^(64 N), a number x < n is represented as x R mod n. A product of two such numbers is a product followed
//! by a division by R, which needs no division (Montgomery 1985; both in one loop, as "FIOS" of Koç, Acar, Kaliski
//! 1996). A square is computed like any product: LLVM generates slower code for half the number of products. Results
//! are always below n. No branch and no index depends on a number or a secret exponent.

use zeroize::Zeroize;

use super::limbs::{double, mac, mask, negative_inverse, sub, subtract_once};

/// Bits of the window: there is a power of the base for each value of four bits.
pub(super) const WINDOW: usize = 4;

/// An odd modulus with its highest bit set.
#[derive(Clone)]
pub(super) struct Modulus<const N: usize> {
    pub n: [u64; N],
    /// −n^−1 mod 2^64.
    n0: u64,
    /// R mod n: one.
    one: [u64; N],
    /// R^2 mod n: a product with it brings a number into Montgomery's form.
    rr: [u64; N],
}

impl<const N: usize> Modulus<N> {
    pub(super) fn new(n: [u64; N]) -> Self {
        // R − n, which is below n: its highest bit is set.
        let (one, _) = sub(&[0; N], &n);
        let mut modulus = Self { n0: negative_inverse(n[0]), one, rr: [0; N], n };
        modulus.rr = modulus.shifted_one(64 * N);
        modulus
    }

    /// Returns 2^bits mod n.
    pub(super) fn power_of_two(&self, bits: usize) -> [u64; N] {
        self.leave(&self.shifted_one(bits))
    }

    /// Returns 2^bits R mod n, by squaring and doubling. `bits` is not secret, n may be.
    fn shifted_one(&self, bits: usize) -> [u64; N] {
        let mut x = self.one;
        for bit in (0..usize::BITS - bits.leading_zeros()).rev() {
            x = self.multiply(&x, &x);
            if bits >> bit & 1 == 1 {
                x = double(&x, &self.n);
            }
        }
        x
    }

    /// Returns x R mod n, of any N limbs x.
    pub(super) fn enter(&self, x: &[u64; N]) -> [u64; N] {
        self.multiply(x, &self.rr)
    }

    /// Returns x R^−1 mod n.
    pub(super) fn leave(&self, x: &[u64; N]) -> [u64; N] {
        let mut one = [0; N];
        one[0] = 1;
        self.multiply(x, &one)
    }

    /// Returns a b R^−1 mod n. One factor is below n, the other may be any N limbs: the sum before the subtraction is
    /// below (R n + R n) / R.
    #[inline]
    pub(super) fn multiply(&self, a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let mut t = [0; N];
        let mut top = 0;
        for digit in *b {
            // Both products in one loop, so that their carries are two chains and not one.
            let (first, mut carry) = mac(t[0], a[0], digit, 0);
            let m = first.wrapping_mul(self.n0);
            let (_, mut carry_n) = mac(first, m, self.n[0], 0);
            for j in 1..N {
                let sum;
                (sum, carry) = mac(t[j], a[j], digit, carry);
                (t[j - 1], carry_n) = mac(sum, m, self.n[j], carry_n);
            }
            let (sum, over) = u64::overflowing_add(top, carry);
            let (sum, again) = sum.overflowing_add(carry_n);
            t[N - 1] = sum;
            // Not both can be 1, because the number is below 2 R.
            top = u64::from(over) + u64::from(again);
        }
        subtract_once(&t, top, &self.n)
    }

    /// Returns (low + high R) R^−1 mod n, of a number below n R.
    #[inline]
    pub(super) fn divide(&self, mut low: [u64; N], mut high: [u64; N]) -> [u64; N] {
        let mut top = 0;
        for i in 0..N {
            let m = low[i].wrapping_mul(self.n0);
            let mut carry = 0;
            for j in 0..N - i {
                (low[i + j], carry) = mac(low[i + j], m, self.n[j], carry);
            }
            for j in N - i..N {
                (high[i + j - N], carry) = mac(high[i + j - N], m, self.n[j], carry);
            }
            let (sum, over) = high[i].overflowing_add(carry);
            let (sum, again) = sum.overflowing_add(top);
            high[i] = sum;
            // Not both can be 1, because the carry is one bit.
            top = u64::from(over) + u64::from(again);
        }
        subtract_once(&high, top, &self.n)
    }

    /// Returns x^exponent in Montgomery's form, for a secret exponent of 64 N bits.
    #[inline(never)]
    pub(super) fn power(&self, x: &[u64; N], exponent: &[u64; N]) -> [u64; N] {
        let mut table = [[0; N]; 1 << WINDOW];
        table[0] = self.one;
        table[1] = *x;
        for i in 2..table.len() {
            table[i] = self.multiply(&table[i - 1], x);
        }
        let mut y = self.one;
        for digit in digits(exponent) {
            for _ in 0..WINDOW {
                y = self.multiply(&y, &y);
            }
            y = self.multiply(&y, &pick(&table, digit));
        }
        table.zeroize();
        y
    }

    /// Returns x^exponent of a number x < n, for a public odd exponent; neither is in Montgomery's form.
    pub(super) fn public_power(&self, x: &[u64; N], exponent: u32) -> [u64; N] {
        let base = self.enter(x);
        let mut y = base;
        for bit in (1..exponent.ilog2()).rev() {
            y = self.multiply(&y, &y);
            if exponent >> bit & 1 == 1 {
                y = self.multiply(&y, &base);
            }
        }
        if exponent > 1 {
            y = self.multiply(&y, &y);
            // The last product leaves Montgomery's form at once: it takes x itself instead of x R.
            self.multiply(&y, x)
        } else {
            *x
        }
    }
}

impl<const N: usize> Zeroize for Modulus<N> {
    fn zeroize(&mut self) {
        self.n.zeroize();
        self.n0.zeroize();
        self.one.zeroize();
        self.rr.zeroize();
    }
}

/// Returns the windows of the exponent, the highest first.
pub(super) fn digits<const N: usize>(exponent: &[u64; N]) -> impl Iterator<Item = u64> {
    (0..64 * N / WINDOW).rev().map(|i| exponent[i * WINDOW / 64] >> (i * WINDOW % 64) & ((1 << WINDOW) - 1))
}

/// Returns `table[digit]`, by reading the whole table.
#[inline]
fn pick<const N: usize>(table: &[[u64; N]; 1 << WINDOW], digit: u64) -> [u64; N] {
    let mut picked = [0; N];
    for (i, entry) in (0_u64..).zip(table) {
        // x − 1 borrows only from 0; both are below 2^63.
        let same = mask((i ^ digit).wrapping_sub(1) >> 63);
        for (mine, theirs) in picked.iter_mut().zip(entry) {
            *mine |= theirs & same;
        }
    }
    picked
}
