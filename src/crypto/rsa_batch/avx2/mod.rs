//! Four numbers in four lanes of AVX2, two moduli at a time.
//!
//! A number is `L` limbs of `BITS` bits; a vector holds the same limb of four numbers, each in 64 bits, of
//! which `_mm256_mul_epu32` multiplies the lower 32. R = 2^(BITS L).
//!
//! ```text
//!   modulus    BITS    L   BITS × L   most products in a column   their sum and the carry
//!   512 bits     29   18       522    2 × 18 = 36                 36 × (2^29 − 1)^2 + 2^35 < 2^63.2
//!  1024 bits     28   37      1036    2 × 37 = 74                 74 × (2^28 − 1)^2 + 2^36 < 2^62.3
//!  2048 bits     28   74      2072    2 × 74 = 148                148 × (2^28 − 1)^2 + 2^36 < 2^63.3
//! ```
//!
//! **No accumulator overflows.** Limbs of operands are below 2^BITS: those of the moduli because they are cut so, the
//! others because `carry` leaves them so. A column of the product a b has at most L products of two limbs (a square
//! has `2 a[i] a[j]` in place of `a[i] a[j] + a[j] a[i]`: the same sum, with `2 a[i]` < 2^(BITS + 1) <= 2^30 within
//! the 32 bits that are multiplied). The division by R adds at most L products `m n[i]` with m < 2^BITS and one
//! carry, the sum of a column shifted right by BITS, which is below 2^(64 − BITS). All sums are below 2^64 by the
//! table, and so exact. In `quotients`, `cross` is below 2 × 2^(32 + BITS). (1024 bits in 36 limbs of 29 would be 72
//! × 2^58 > 2^64.) `tests` computes the table.
//!
//! **No number outgrows its limbs, without a subtraction.** Operands are below 2 n (a constant, or a number that
//! came in, below n). A product is below (2 n × 2 n + (R − 1) n) / R < 2 n, as R >= 2^10 n > 4 n. So the
//! result is below 2^(BITS L) and the last carry is 0. A product with 1, which leaves Montgomery's form, is
//! below (2 n + (R − 1) n) / R < n + 1: at most n, and one subtraction makes it right.
//!
//! **Nothing depends on a number or an exponent** but values: loops run over limbs, and a window's power is
//! chosen by reading the whole table under masks. All lanes have the same exponent.
//!
//! **What limits it.** A product and its addition are two operations in vector registers, of which these
//! machines begin three or four a cycle. `rows` keeps six limbs of one operand and five sums in registers and
//! loads each limb of the other once. The quotients m of the division depend on each other in a chain of
//! about ten cycles each; two moduli step by step together fill its gaps.

#![expect(unsafe_code, reason = "a function with a target feature is entered from one without")]
#![expect(clippy::needless_range_loop, reason = "sums run over two indices at once, as their formulas do")]

use std::arch::x86_64::{_mm256_and_si256, _mm256_set1_epi64x, _mm256_setzero_si256};

use zeroize::Zeroize;

use super::engine::{HalfEngine, Halves, PUBLIC_LANES, PublicEngine};
use super::limbs::{LANES, negative_inverse, place, subtract_once};
use super::portable::{Modulus, WINDOW, digits};

mod vectors;

use vectors::{
    Entries, Vector, add, cut, keep, lanes, opaque, pick, product, rows, shift, square_rows, vector_of,
};

/// Number of rows of a product that are computed together: their limbs and sums fit into the sixteen registers.
const ROWS: usize = 6;

/// p and q of a key of 1024 bits.
pub(super) type Pair512 = Pair<8, 18, 36, 29>;

/// The modulus of a key of 1024 bits, or p and q of one of 2048.
pub(super) type Pair1024 = Pair<16, 37, 74, 28>;

/// The modulus of a key of 2048 bits.
pub(super) type Pair2048 = Pair<32, 74, 148, 28>;

/// Two moduli of `N` limbs of 64 bits, or one twice, and their constants and numbers in work. `T` = 2 `L`.
pub(super) struct Pair<const N: usize, const L: usize, const T: usize, const BITS: u32> {
    streams: [Box<Stream<N, L, T, BITS>>; 2],
}

/// One modulus in each lane, and the numbers in work.
struct Stream<const N: usize, const L: usize, const T: usize, const BITS: u32> {
    /// The modulus in limbs of 64 bits.
    plain: [u64; N],
    n: [Vector; L],
    /// −n^−1 mod 2^(2 BITS).
    inverse: [Vector; 2],
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
    /// The powers of a base, (L + 1) / 2 times two limbs of each.
    table: Vec<Entries>,
}

impl<const N: usize, const L: usize, const T: usize, const BITS: u32> Pair<N, L, T, BITS> {
    /// Returns `None` if the processor has no AVX2.
    pub(super) fn new(first: &Modulus<N>, second: &Modulus<N>) -> Option<Self> {
        const { assert!(T == 2 * L && BITS as usize * L >= 64 * N + 10 && BITS <= 29) };
        if !is_x86_feature_detected!("avx2") {
            return None;
        }
        // SAFETY: AVX2 was just detected.
        let stream = |modulus| Box::new(unsafe { Stream::new(modulus) });
        Some(Self { streams: [stream(first), stream(second)] })
    }
}

impl<const N: usize, const L: usize, const T: usize, const BITS: u32> HalfEngine<N> for Pair<N, L, T, BITS> {
    fn halves(&mut self, x: &mut Halves<N>, _used: usize, exponents: (&[u64; N], &[u64; N])) {
        // SAFETY: `Pair::new`, the only way to a Pair, found AVX2.
        unsafe { powers(&mut self.streams, x, exponents) }
    }
}

/// Two groups under one modulus.
pub(super) struct Public<const N: usize, const L: usize, const T: usize, const BITS: u32> {
    /// Twice the modulus.
    pub lanes: Pair<N, L, T, BITS>,
    /// The exponent, odd.
    pub e: u32,
}

impl<const N: usize, const L: usize, const T: usize, const BITS: u32> PublicEngine<N>
    for Public<N, L, T, BITS>
{
    fn public(&mut self, x: &mut [[u64; N]; PUBLIC_LANES], _used: usize) {
        // SAFETY: `Pair::new`, the only way to a Pair, found AVX2.
        unsafe { public_powers(&mut self.lanes.streams, x, self.e) }
    }
}

/// x 2^(64 N) to the exponents, in both halves.
#[target_feature(enable = "avx2")]
fn powers<const N: usize, const L: usize, const T: usize, const BITS: u32>(
    streams: &mut [Box<Stream<N, L, T, BITS>>; 2],
    x: &mut Halves<N>,
    exponents: (&[u64; N], &[u64; N]),
) {
    for (stream, x) in streams.iter_mut().zip([&x.0, &x.1]) {
        stream.y = cut::<N, L, BITS>(x);
        stream.x = stream.enter_divided;
    }
    multiply(streams);
    for stream in &mut *streams {
        keep(&mut stream.table, 0, &stream.one);
        keep(&mut stream.table, 1, &stream.y);
        stream.x = stream.y;
    }
    for i in 2..1 << WINDOW {
        // y is the power i − 1.
        multiply(streams);
        for stream in &mut *streams {
            keep(&mut stream.table, i, &stream.y);
        }
    }
    for stream in &mut *streams {
        stream.y = stream.one;
    }
    for (first, second) in digits(exponents.0).zip(digits(exponents.1)) {
        for _ in 0..WINDOW {
            square(streams);
        }
        for (stream, digit) in streams.iter_mut().zip([first, second]) {
            let Stream { table, x, .. } = &mut **stream;
            pick(table, digit, x);
        }
        multiply(streams);
    }
    leave(streams);
    for (stream, x) in streams.iter().zip([&mut x.0, &mut x.1]) {
        *x = stream.join();
    }
}

/// x^e of both groups, for a public odd e.
#[target_feature(enable = "avx2")]
fn public_powers<const N: usize, const L: usize, const T: usize, const BITS: u32>(
    streams: &mut [Box<Stream<N, L, T, BITS>>; 2],
    x: &mut [[u64; N]; PUBLIC_LANES],
    e: u32,
) {
    let (groups, _) = x.as_chunks_mut::<LANES>();
    for (stream, x) in streams.iter_mut().zip(&*groups) {
        stream.y = cut::<N, L, BITS>(x);
        stream.base = stream.y;
        stream.x = stream.enter;
    }
    multiply(streams);
    for stream in &mut *streams {
        stream.x = stream.y;
    }
    for bit in (1..e.ilog2()).rev() {
        square(streams);
        if e >> bit & 1 == 1 {
            multiply(streams);
        }
    }
    if e > 1 {
        square(streams);
        // The last product leaves Montgomery's form at once: x itself instead of x R.
        for stream in &mut *streams {
            stream.x = stream.base;
        }
        multiply(streams);
    } else {
        leave(streams);
    }
    for (stream, x) in streams.iter().zip(groups) {
        *x = stream.join();
    }
}

/// y := y x R^−1 in both streams.
#[target_feature(enable = "avx2")]
#[inline]
fn multiply<const N: usize, const L: usize, const T: usize, const BITS: u32>(
    streams: &mut [Box<Stream<N, L, T, BITS>>; 2],
) {
    for stream in &mut *streams {
        stream.multiply_columns();
    }
    divide(streams);
}

/// y := y^2 R^−1 in both streams.
#[target_feature(enable = "avx2")]
#[inline]
fn square<const N: usize, const L: usize, const T: usize, const BITS: u32>(
    streams: &mut [Box<Stream<N, L, T, BITS>>; 2],
) {
    for stream in &mut *streams {
        stream.square_columns();
    }
    divide(streams);
}

/// y := y R^−1 in both streams.
#[target_feature(enable = "avx2")]
#[inline]
fn leave<const N: usize, const L: usize, const T: usize, const BITS: u32>(
    streams: &mut [Box<Stream<N, L, T, BITS>>; 2],
) {
    for stream in &mut *streams {
        stream.t = [_mm256_setzero_si256(); T];
        stream.t[..L].copy_from_slice(&stream.y);
    }
    divide(streams);
}

/// y := t R^−1 in both streams, step by step together.
#[target_feature(enable = "avx2")]
#[inline]
fn divide<const N: usize, const L: usize, const T: usize, const BITS: u32>(
    streams: &mut [Box<Stream<N, L, T, BITS>>; 2],
) {
    for block in 0..L / ROWS {
        divide_columns::<ROWS, N, L, T, BITS>(streams, block * ROWS);
    }
    // L mod 6: 0, 1 and 2.
    match L % ROWS {
        1 => divide_columns::<1, N, L, T, BITS>(streams, L - 1),
        2 => divide_columns::<2, N, L, T, BITS>(streams, L - 2),
        _ => const { assert!(L % ROWS < 3) },
    }
    carry(streams);
}

/// Adds multiples of n that make `B` columns from `at` 0.
#[target_feature(enable = "avx2")]
#[inline]
fn divide_columns<const B: usize, const N: usize, const L: usize, const T: usize, const BITS: u32>(
    streams: &mut [Box<Stream<N, L, T, BITS>>; 2],
    at: usize,
) {
    let quotients = quotients::<B, N, L, T, BITS>(streams, at);
    for (stream, m) in streams.iter_mut().zip(&quotients) {
        stream.add_multiples(at, m);
    }
}

/// The quotients m of `B` columns from `at`: with the columns' sums and all earlier multiples of n, the columns
/// become 0 mod 2^BITS. Their carry goes to the column behind.
///
/// Two columns at a time, whose chain is shorter than that of one after the other:
/// m = (s0 + s1 2^BITS) (v0 + v1 2^BITS) mod 2^(2 BITS).
#[target_feature(enable = "avx2")]
#[inline]
fn quotients<const B: usize, const N: usize, const L: usize, const T: usize, const BITS: u32>(
    streams: &mut [Box<Stream<N, L, T, BITS>>; 2],
    at: usize,
) -> [[Vector; B]; 2] {
    let zero = _mm256_setzero_si256();
    let limb = _mm256_set1_epi64x((1 << BITS) - 1);
    let (mut m, mut carry, mut s0, mut s1) = ([[zero; B]; 2], [zero; 2], [zero; 2], [zero; 2]);
    for c in (0..B - 1).step_by(2) {
        for (k, stream) in streams.iter().enumerate() {
            (s0[k], s1[k]) = (stream.t[at + c], stream.t[at + c + 1]);
            for r in 0..c {
                s0[k] = add(s0[k], product(m[k][r], stream.n[c - r]));
                s1[k] = add(s1[k], product(m[k][r], stream.n[c + 1 - r]));
            }
        }
        for (k, stream) in streams.iter().enumerate() {
            let [v0, v1] = stream.inverse;
            s0[k] = add(s0[k], carry[k]);
            let low = _mm256_and_si256(s0[k], limb);
            let first = product(low, v0);
            let cross = add(product(low, v1), product(add(s1[k], shift::<BITS>(s0[k])), v0));
            m[k][c] = opaque(_mm256_and_si256(first, limb));
            m[k][c + 1] = opaque(_mm256_and_si256(add(cross, shift::<BITS>(first)), limb));
        }
        for (k, stream) in streams.iter().enumerate() {
            s1[k] = add(s1[k], product(m[k][c], stream.n[1]));
            s1[k] = add(s1[k], shift::<BITS>(add(s0[k], product(m[k][c], stream.n[0]))));
            carry[k] = shift::<BITS>(add(s1[k], product(m[k][c + 1], stream.n[0])));
        }
    }
    if B % 2 == 1 {
        let c = B - 1;
        for (k, stream) in streams.iter().enumerate() {
            let mut sum = stream.t[at + c];
            for r in 0..c {
                sum = add(sum, product(m[k][r], stream.n[c - r]));
            }
            sum = add(sum, carry[k]);
            m[k][c] = opaque(_mm256_and_si256(product(sum, stream.inverse[0]), limb));
            carry[k] = shift::<BITS>(add(sum, product(m[k][c], stream.n[0])));
        }
    }
    for (stream, carry) in streams.iter_mut().zip(carry) {
        stream.t[at + B] = add(stream.t[at + B], carry);
    }
    m
}

/// y := the upper columns of t, in limbs below 2^BITS, in both streams.
#[target_feature(enable = "avx2")]
#[inline]
fn carry<const N: usize, const L: usize, const T: usize, const BITS: u32>(
    streams: &mut [Box<Stream<N, L, T, BITS>>; 2],
) {
    let limb = _mm256_set1_epi64x((1 << BITS) - 1);
    let mut carry = [_mm256_setzero_si256(); 2];
    for i in 0..L {
        for (stream, carry) in streams.iter_mut().zip(&mut carry) {
            let sum = add(stream.t[L + i], *carry);
            stream.y[i] = _mm256_and_si256(sum, limb);
            *carry = shift::<BITS>(sum);
        }
    }
}

impl<const N: usize, const L: usize, const T: usize, const BITS: u32> Stream<N, L, T, BITS> {
    #[target_feature(enable = "avx2")]
    fn new(modulus: &Modulus<N>) -> Self {
        let r = BITS as usize * L;
        let zero = [_mm256_setzero_si256(); L];
        let inverse = negative_inverse(modulus.n[0]);
        let inverse = [inverse, inverse >> BITS].map(|v| vector_of([v & ((1 << BITS) - 1); LANES]));
        let everywhere = |number: [u64; N]| cut::<N, L, BITS>(&[number; LANES]);
        Self {
            plain: modulus.n,
            n: everywhere(modulus.n),
            inverse,
            one: everywhere(modulus.power_of_two(r)),
            enter: everywhere(modulus.power_of_two(2 * r)),
            enter_divided: everywhere(modulus.power_of_two(64 * N + 2 * r)),
            t: [_mm256_setzero_si256(); T],
            y: zero,
            x: zero,
            base: zero,
            table: vec![[_mm256_setzero_si256(); 1 << WINDOW]; L.div_ceil(2)],
        }
    }

    /// t := y x.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn multiply_columns(&mut self) {
        self.t = [_mm256_setzero_si256(); T];
        for (block, y) in self.y.as_chunks::<ROWS>().0.iter().enumerate() {
            rows(&mut self.t[block * ROWS..], &self.x, y, [_mm256_setzero_si256(); ROWS]);
        }
        let at = L / ROWS * ROWS;
        match self.y[at..] {
            [a] => rows(&mut self.t[at..], &self.x, &[a], [_mm256_setzero_si256(); 1]),
            [a, b] => rows(&mut self.t[at..], &self.x, &[a, b], [_mm256_setzero_si256(); 2]),
            _ => {}
        }
    }

    /// t := y^2.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn square_columns(&mut self) {
        self.t = [_mm256_setzero_si256(); T];
        let (blocks, rest) = self.y.as_chunks::<ROWS>();
        for (block, y) in blocks.iter().enumerate() {
            let at = block * ROWS;
            square_rows(&mut self.t[2 * at..], &self.y[at + ROWS..], y);
        }
        let at = L / ROWS * ROWS;
        match *rest {
            [a] => square_rows(&mut self.t[2 * at..], &[], &[a]),
            [a, b] => square_rows(&mut self.t[2 * at..], &[], &[a, b]),
            _ => {}
        }
    }

    /// The rest of m n, from the column behind the quotients'.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn add_multiples<const B: usize>(&mut self, at: usize, m: &[Vector; B]) {
        // What the limbs before n[B] give the columns from at + B.
        let mut sums = [_mm256_setzero_si256(); B];
        for column in 0..B - 1 {
            for r in column + 1..B {
                sums[column] = add(sums[column], product(m[r], self.n[B + column - r]));
            }
        }
        rows(&mut self.t[at + B..], &self.n[B..], m, sums);
    }

    /// y, at most n, as four numbers below n.
    #[target_feature(enable = "avx2")]
    fn join(&self) -> [[u64; N]; LANES] {
        let mut numbers = [[0; N]; LANES];
        for (i, &vector) in self.y.iter().enumerate() {
            for (number, value) in numbers.iter_mut().zip(lanes(vector)) {
                place(number, i, BITS, value);
            }
        }
        numbers.map(|number| subtract_once(&number, 0, &self.plain))
    }
}

impl<const N: usize, const L: usize, const T: usize, const BITS: u32> Drop for Stream<N, L, T, BITS> {
    fn drop(&mut self) {
        self.plain.zeroize();
        self.inverse.zeroize();
        self.table.zeroize();
        self.t.zeroize();
        let constants = [&mut self.n, &mut self.one, &mut self.enter, &mut self.enter_divided];
        for numbers in constants.into_iter().chain([&mut self.y, &mut self.x, &mut self.base]) {
            numbers.zeroize();
        }
    }
}
