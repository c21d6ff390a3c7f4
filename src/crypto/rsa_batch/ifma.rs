//! Eight numbers in eight lanes of AVX-512, with its multiplication of 52 bits (IFMA).
//!
//! A number is `L` limbs of 52 bits; a vector holds the same limb of eight numbers. `_mm512_madd52lo_epu64` and
//! `…hi…` multiply the lower 52 bits of each lane and add the lower or upper half of the product. R = 2^(52 L).
//! Each lane has a modulus of its own: lanes 0 to 3 that of the first, p, lanes 4 to 7 that of the second, q.
//!
//! ```text
//!   modulus     L   52 × L   most halves of products in a column   their sum and the carry
//!   512 bits   10      520   4 × 10 = 40                            40 × 2^52 + 2^12 < 2^57.4
//!  1024 bits   20     1040   4 × 20 = 80                            80 × 2^52 + 2^12 < 2^58.4
//!  2048 bits   40     2080   4 × 40 = 160                          160 × 2^52 + 2^12 < 2^59.4
//! ```
//!
//! **No accumulator overflows**, by the table: a column has, of a b and of m n, at most L lower and L upper
//! halves each, all below 2^52, and one carry below 2^(64 − 52). (The products of different limbs in a square
//! are added once and doubled: the same sum.) What is multiplied is below 2^52, as `carry` leaves it.
//!
//! **No number outgrows its limbs, without a subtraction**, for the reason that `avx2` gives: R >= 2^8 n > 4 n.
//!
//! **Nothing depends on a number or an exponent** but values and masks, as in `avx2`; the windows of p's and
//! q's exponents differ, so each choice has the bit of one in its lower four lanes and of the other above.
//!
//! **What limits it.** These machines begin one or two such multiplications a cycle. Ten limbs of one operand
//! and ten sums stay in the 32 registers.

#![expect(unsafe_code, reason = "a function with a target feature is entered from one without")]
#![expect(clippy::needless_range_loop, reason = "sums run over two indices at once, as their formulas do")]

use std::arch::x86_64::{
    __m512i, __mmask8, _mm512_add_epi64, _mm512_and_si512, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64,
    _mm512_mask_blend_epi64, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_srli_epi64,
};

use zeroize::Zeroize;

use super::engine::{HalfEngine, Halves, PUBLIC_LANES, PublicEngine};
use super::limbs::{LANES, mask, negative_inverse, piece, place, subtract_once};
use super::portable::{Modulus, WINDOW, digits};

const BITS: u32 = 52;

const LIMB: u64 = (1 << BITS) - 1;

/// Number of rows of a product that are computed together.
const ROWS: usize = 10;

/// p and q of a key of 1024 bits.
pub(super) type Eight512 = Eight<8, 10, 20>;

/// The modulus of a key of 1024 bits, or p and q of one of 2048.
pub(super) type Eight1024 = Eight<16, 20, 40>;

/// The modulus of a key of 2048 bits.
pub(super) type Eight2048 = Eight<32, 40, 80>;

/// The same limb of eight numbers.
type Vector = __m512i;

/// Two moduli of `N` limbs of 64 bits, or one twice, and the numbers in work. `T` = 2 `L`.
pub(super) struct Eight<const N: usize, const L: usize, const T: usize>(Box<Lanes<N, L, T>>);

struct Lanes<const N: usize, const L: usize, const T: usize> {
    /// The moduli in limbs of 64 bits.
    plain: [[u64; N]; 2],
    n: [Vector; L],
    /// −n^−1 mod 2^52.
    inverse: Vector,
    /// R mod n.
    one: [Vector; L],
    /// R^2 mod n.
    enter: [Vector; L],
    /// 2^(64 N) R^2 mod n: for a number that comes divided by 2^(64 N).
    enter_divided: [Vector; L],
    /// The columns of a product.
    t: [Vector; T],
    /// The number in work, below 2 n.
    y: [Vector; L],
    /// The other factor.
    x: [Vector; L],
    /// The base of a public power, not in Montgomery's form.
    base: [Vector; L],
    /// A limb of each power of a base.
    table: [[Vector; 1 << WINDOW]; L],
}

impl<const N: usize, const L: usize, const T: usize> Eight<N, L, T> {
    /// Returns `None` if the processor has no AVX-512 with IFMA.
    pub(super) fn new(first: &Modulus<N>, second: &Modulus<N>) -> Option<Self> {
        const { assert!(T == 2 * L && 52 * L >= 64 * N + 8 && L.is_multiple_of(ROWS)) };
        // SAFETY: both features were just detected.
        available().then(|| Self(Box::new(unsafe { Lanes::new(first, second) })))
    }
}

/// Returns whether the processor has AVX-512 with IFMA.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma")
}

impl<const N: usize, const L: usize, const T: usize> HalfEngine<N> for Eight<N, L, T> {
    fn halves(&mut self, x: &mut Halves<N>, _used: usize, exponents: (&[u64; N], &[u64; N])) {
        // SAFETY: `Eight::new`, the only way here, found the features.
        unsafe { self.0.powers(x, exponents) }
    }
}

/// Eight numbers under one modulus.
pub(super) struct Public<const N: usize, const L: usize, const T: usize> {
    /// Twice the modulus.
    pub lanes: Eight<N, L, T>,
    /// The exponent, odd.
    pub e: u32,
}

impl<const N: usize, const L: usize, const T: usize> PublicEngine<N> for Public<N, L, T> {
    fn public(&mut self, x: &mut [[u64; N]; PUBLIC_LANES], _used: usize) {
        // SAFETY: `Eight::new`, the only way here, found the features.
        unsafe { self.lanes.0.public_powers(x, self.e) }
    }
}

impl<const N: usize, const L: usize, const T: usize> Lanes<N, L, T> {
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn new(first: &Modulus<N>, second: &Modulus<N>) -> Self {
        let r = BITS as usize * L;
        let zero = [_mm512_setzero_si512(); L];
        let each = |number: &dyn Fn(&Modulus<N>) -> [u64; N]| {
            let (a, b) = (number(first), number(second));
            cut(&[a, a, a, a, b, b, b, b])
        };
        let [a, b] = [first, second].map(|modulus| negative_inverse(modulus.n[0]) & LIMB);
        Self {
            plain: [first.n, second.n],
            n: each(&|modulus| modulus.n),
            inverse: vector_of([a, a, a, a, b, b, b, b]),
            one: each(&|modulus| modulus.power_of_two(r)),
            enter: each(&|modulus| modulus.power_of_two(2 * r)),
            enter_divided: each(&|modulus| modulus.power_of_two(64 * N + 2 * r)),
            t: [_mm512_setzero_si512(); T],
            y: zero,
            x: zero,
            base: zero,
            table: [[_mm512_setzero_si512(); 1 << WINDOW]; L],
        }
    }

    /// x 2^(64 N) to the exponents, in both halves.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn powers(&mut self, x: &mut Halves<N>, exponents: (&[u64; N], &[u64; N])) {
        let mut numbers = [[0; N]; 2 * LANES];
        numbers[..LANES].copy_from_slice(&x.0);
        numbers[LANES..].copy_from_slice(&x.1);
        self.y = cut(&numbers);
        self.x = self.enter_divided;
        self.multiply();
        self.x = self.y;
        for i in 0..1 << WINDOW {
            match i {
                0 => self.keep(0, &self.one.clone()),
                _ => self.keep(i, &self.y.clone()),
            }
            if i > 0 {
                // y was the power i.
                self.multiply();
            }
        }
        self.y = self.one;
        for (first, second) in digits(exponents.0).zip(digits(exponents.1)) {
            for _ in 0..WINDOW {
                self.square();
            }
            self.pick(first, second);
            self.multiply();
        }
        self.leave();
        self.join(&mut numbers);
        x.0.copy_from_slice(&numbers[..LANES]);
        x.1.copy_from_slice(&numbers[LANES..]);
        numbers.zeroize();
    }

    /// x^e of all, for a public odd e.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn public_powers(&mut self, x: &mut [[u64; N]; PUBLIC_LANES], e: u32) {
        self.y = cut(x);
        self.base = self.y;
        self.x = self.enter;
        self.multiply();
        self.x = self.y;
        for bit in (1..e.ilog2()).rev() {
            self.square();
            if e >> bit & 1 == 1 {
                self.multiply();
            }
        }
        if e > 1 {
            self.square();
            // The last product leaves Montgomery's form at once: x itself instead of x R.
            self.x = self.base;
            self.multiply();
        } else {
            self.leave();
        }
        self.join(x);
    }

    /// y := y x R^−1.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn multiply(&mut self) {
        self.t = [_mm512_setzero_si512(); T];
        for (block, y) in self.y.as_chunks::<ROWS>().0.iter().enumerate() {
            rows(&mut self.t[block * ROWS..], &self.x, y, [_mm512_setzero_si512(); ROWS]);
        }
        self.divide();
    }

    /// y := y^2 R^−1.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn square(&mut self) {
        self.t = [_mm512_setzero_si512(); T];
        for (block, y) in self.y.as_chunks::<ROWS>().0.iter().enumerate() {
            let at = block * ROWS;
            let mut columns = [_mm512_setzero_si512(); 2 * ROWS];
            for r in 0..ROWS {
                for s in r + 1..ROWS {
                    columns[r + s] = low(columns[r + s], y[r], y[s]);
                    columns[r + s + 1] = high(columns[r + s + 1], y[r], y[s]);
                }
            }
            for (t, column) in self.t[2 * at..].iter_mut().zip(columns) {
                *t = add(*t, column);
            }
            if at + ROWS < L {
                let zeros = [_mm512_setzero_si512(); ROWS];
                rows(&mut self.t[2 * at + ROWS..], &self.y[at + ROWS..], y, zeros);
            }
        }
        // Products of different limbs twice, and the squares.
        for (t, &y) in self.t.as_chunks_mut::<2>().0.iter_mut().zip(&self.y) {
            *t = [low(add(t[0], t[0]), y, y), high(add(t[1], t[1]), y, y)];
        }
        self.divide();
    }

    /// y := y R^−1.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn leave(&mut self) {
        self.t = [_mm512_setzero_si512(); T];
        self.t[..L].copy_from_slice(&self.y);
        self.divide();
    }

    /// y := t R^−1.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    fn divide(&mut self) {
        for block in 0..L / ROWS {
            let at = block * ROWS;
            let m = self.quotients(at);
            self.add_multiples(at, &m);
        }
        self.carry();
    }

    /// The quotients m of ten columns from `at`: with the columns' sums and all earlier multiples of n, the
    /// columns become 0 mod 2^52. Their carry goes to the column behind.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    fn quotients(&mut self, at: usize) -> [Vector; ROWS] {
        let zero = _mm512_setzero_si512();
        let (mut m, mut carry) = ([zero; ROWS], zero);
        for c in 0..ROWS {
            // Two sums, so that the last quotient's two products need not wait for each other.
            let (mut lows, mut highs) = (self.t[at + c], zero);
            for r in 0..c {
                lows = low(lows, m[r], self.n[c - r]);
                highs = high(highs, m[r], self.n[c - 1 - r]);
            }
            let sum = add(add(lows, carry), highs);
            m[c] = low(zero, sum, self.inverse);
            carry = shift(low(sum, m[c], self.n[0]));
        }
        self.t[at + ROWS] = add(self.t[at + ROWS], carry);
        m
    }

    /// The rest of m n, from the column behind the quotients'.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    fn add_multiples(&mut self, at: usize, m: &[Vector; ROWS]) {
        // What the limbs before n[ROWS] give the columns from at + ROWS.
        let mut sums = [_mm512_setzero_si512(); ROWS];
        for column in 0..ROWS {
            for r in column..ROWS {
                if r > column {
                    sums[column] = low(sums[column], m[r], self.n[ROWS + column - r]);
                }
                sums[column] = high(sums[column], m[r], self.n[ROWS + column - 1 - r]);
            }
        }
        rows(&mut self.t[at + ROWS..], &self.n[ROWS..], m, sums);
    }

    /// y := the upper columns of t, in limbs below 2^52.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    fn carry(&mut self) {
        let limb = _mm512_set1_epi64(LIMB.cast_signed());
        let mut carry = _mm512_setzero_si512();
        for (y, &t) in self.y.iter_mut().zip(&self.t[L..]) {
            let sum = add(t, carry);
            *y = _mm512_and_si512(sum, limb);
            carry = shift(sum);
        }
    }

    /// Entry `i` of the table := y.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn keep(&mut self, i: usize, y: &[Vector; L]) {
        for (entries, y) in self.table.iter_mut().zip(y) {
            entries[i] = *y;
        }
    }

    /// x := the entries `first` and `second`, by reading all of them: of each two that differ in a bit of the
    /// digits, one stays.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    fn pick(&mut self, first: u64, second: u64) {
        let mut bits: [__mmask8; WINDOW] = [0; WINDOW];
        for (i, bit) in bits.iter_mut().enumerate() {
            let lanes = (mask(first >> i & 1) & 0x0f) | (mask(second >> i & 1) & 0xf0);
            *bit = lanes.to_le_bytes()[0];
        }
        for (x, entries) in self.x.iter_mut().zip(&self.table) {
            let mut left = *entries;
            for (bit, &chosen) in bits.iter().enumerate() {
                for i in 0..left.len() >> (bit + 1) {
                    left[i] = _mm512_mask_blend_epi64(chosen, left[2 * i], left[2 * i + 1]);
                }
            }
            *x = left[0];
        }
    }

    /// y, at most n, as eight numbers below n.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn join(&self, numbers: &mut [[u64; N]; 2 * LANES]) {
        *numbers = [[0; N]; 2 * LANES];
        for (i, &vector) in self.y.iter().enumerate() {
            for (number, value) in numbers.iter_mut().zip(lanes(vector)) {
                place(number, i, BITS, value);
            }
        }
        for (lane, number) in numbers.iter_mut().enumerate() {
            *number = subtract_once(number, 0, &self.plain[lane / LANES]);
        }
    }
}

/// `t[i + r]` += the lower half of `x[i] y[r]`, `t[i + r + 1]` += the upper, and `t[r] += sums[r]` besides; `t` is at
/// least as long as both together.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn rows(t: &mut [Vector], x: &[Vector], y: &[Vector; ROWS], mut sums: [Vector; ROWS]) {
    // sums[r] is what column i + r has from the limbs before x[i].
    let (head, tail) = t.split_at_mut(x.len());
    for (t, &x) in head.iter_mut().zip(x) {
        *t = add(*t, low(sums[0], x, y[0]));
        for r in 1..ROWS {
            sums[r - 1] = high(low(sums[r], x, y[r]), x, y[r - 1]);
        }
        sums[ROWS - 1] = high(_mm512_setzero_si512(), x, y[ROWS - 1]);
    }
    for (t, sum) in tail.iter_mut().zip(sums) {
        *t = add(*t, sum);
    }
}

/// Eight numbers in limbs of 52 bits.
#[target_feature(enable = "avx512f,avx512ifma")]
fn cut<const N: usize, const L: usize>(numbers: &[[u64; N]; 2 * LANES]) -> [Vector; L] {
    let mut vectors = [_mm512_setzero_si512(); L];
    for (i, vector) in vectors.iter_mut().enumerate() {
        *vector = vector_of(numbers.each_ref().map(|number| piece(number, i, BITS)));
    }
    vectors
}

#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn add(a: Vector, b: Vector) -> Vector {
    _mm512_add_epi64(a, b)
}

/// sum + the lower 52 bits of a b.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn low(sum: Vector, a: Vector, b: Vector) -> Vector {
    _mm512_madd52lo_epu64(sum, a, b)
}

/// sum + the upper 52 bits of a b.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn high(sum: Vector, a: Vector, b: Vector) -> Vector {
    _mm512_madd52hi_epu64(sum, a, b)
}

#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn shift(a: Vector) -> Vector {
    _mm512_srli_epi64::<BITS>(a)
}

fn vector_of(lanes: [u64; 2 * LANES]) -> Vector {
    // SAFETY: both are 64 bytes, and every pattern of bits is a value of either.
    unsafe { std::mem::transmute::<[u64; 2 * LANES], Vector>(lanes) }
}

fn lanes(vector: Vector) -> [u64; 2 * LANES] {
    // SAFETY: both are 64 bytes, and every pattern of bits is a value of either.
    unsafe { std::mem::transmute::<Vector, [u64; 2 * LANES]>(vector) }
}

impl<const N: usize, const L: usize, const T: usize> Drop for Lanes<N, L, T> {
    fn drop(&mut self) {
        self.plain.zeroize();
        let constants = [&mut self.n, &mut self.one, &mut self.enter, &mut self.enter_divided];
        let numbers = [&mut self.y, &mut self.x, &mut self.base];
        for vector in constants.into_iter().chain(numbers).flatten() {
            wipe(vector);
        }
        wipe(&mut self.inverse);
        self.t.iter_mut().for_each(wipe);
        self.table.as_flattened_mut().iter_mut().for_each(wipe);
    }
}

/// Zeros, for certain.
fn wipe(vector: &mut Vector) {
    let mut none = lanes(*vector);
    none.zeroize();
    // SAFETY: a valid place, which is owned; volatile, so that it is not left out.
    unsafe { std::ptr::write_volatile(vector, vector_of(none)) };
}
