//! The private operation on groups of four: blinding, Chinese remainders, and the check of the results.
//!
//! ```text
//!   c ─ × r^e ─┬─ mod p ─ ^(d mod p − 1) ─ a ─┐
//!              └─ mod q ─ ^(d mod q − 1) ─ b ─┴─ b + q ((a − b) q^−1 mod p) ─ × r^−1 ─ m
//! ```

use std::sync::Arc;

use getrandom::SysRng;
use getrandom::rand_core::TryRng as _;
use zeroize::{Zeroize, Zeroizing};

use super::engine::{HalfEngine, Halves, PUBLIC_LANES, PublicEngine};
use super::limbs::{LANES, mac, sub, sub_mod, subtract_once};
use super::portable::Modulus;
use super::{Backend, BatchError};

/// Number of groups after which each lane's blinding factor is computed anew; in between it is squared. A renewal
/// costs as much as a group.
const RENEWAL: u32 = 128;

/// A private key with two primes of `H` limbs and a modulus of `W` = 2 `H` limbs.
#[derive(Clone)]
pub(super) struct Parts<const H: usize, const W: usize> {
    pub n: Modulus<W>,
    pub e: u32,
    pub p: Modulus<H>,
    pub q: Modulus<H>,
    /// d mod p − 1, and d mod q − 1.
    pub exponents: ([u64; H], [u64; H]),
    /// p − 2, and q − 2: these powers are inverses (Fermat).
    inverting: ([u64; H], [u64; H]),
    /// q^−1 mod p, in Montgomery's form.
    pub q_inverse: [u64; H],
}

impl<const H: usize, const W: usize> Parts<H, W> {
    /// Requires n = p q; both primes must have their highest bit set, and differ.
    pub(super) fn new(
        n: [u64; W],
        e: u32,
        p: [u64; H],
        q: [u64; H],
        exponents: ([u64; H], [u64; H]),
    ) -> Self {
        let mut two = [0; H];
        two[0] = 2;
        let inverting = (sub(&p, &two).0, sub(&q, &two).0);
        let (p, q) = (Modulus::new(p), Modulus::new(q));
        let q_inverse = p.power(&p.enter(&q.n), &inverting.0);
        Self { n: Modulus::new(n), e, p, q, exponents, inverting, q_inverse }
    }

    /// Returns the number mod n that is `a` mod p and `b` mod q (Garner).
    fn join(&self, a: &[u64; H], b: &[u64; H]) -> [u64; W] {
        // Both primes have 64 H bits, so b < q < 2 p.
        let b_mod_p = subtract_once(b, 0, &self.p.n);
        let mut h = self.p.multiply(&sub_mod(a, &b_mod_p, &self.p.n), &self.q_inverse);
        // b + q h <= q − 1 + q (p − 1) = n − 1.
        let mut sum = [0; W];
        sum[..H].copy_from_slice(b);
        for (i, digit) in h.iter().enumerate() {
            let mut carry = 0;
            for (j, limb) in self.q.n.iter().enumerate() {
                (sum[i + j], carry) = mac(sum[i + j], *digit, *limb, carry);
            }
            // Nothing was added to this column before.
            sum[i + H] = carry;
        }
        h.zeroize();
        sum
    }

    /// Returns x 2^(−64 H) mod each prime, for at most `LANES` numbers x below n.
    fn split(&self, x: &[[u64; W]]) -> Halves<H> {
        let mut halves = Halves([[0; H]; LANES], [[0; H]; LANES]);
        for (x, (a, b)) in x.iter().zip(halves.0.iter_mut().zip(&mut halves.1)) {
            let (mut low, mut high) = ([0; H], [0; H]);
            low.copy_from_slice(&x[..H]);
            high.copy_from_slice(&x[H..]);
            // x < p q < p 2^(64 H), and x < q 2^(64 H).
            *a = self.p.divide(low, high);
            *b = self.q.divide(low, high);
        }
        halves
    }
}

impl<const H: usize, const W: usize> Drop for Parts<H, W> {
    fn drop(&mut self) {
        self.p.zeroize();
        self.q.zeroize();
        for (a, b) in [&mut self.exponents, &mut self.inverting] {
            a.zeroize();
            b.zeroize();
        }
        self.q_inverse.zeroize();
    }
}

/// The blinding factor of one lane: r^e and r^−1, in Montgomery's form mod n.
#[derive(Clone, Copy)]
struct Factor<const W: usize> {
    blind: [u64; W],
    unblind: [u64; W],
}

/// The memory and blinding of one thread.
pub(super) struct Worker<const H: usize, const W: usize> {
    parts: Arc<Parts<H, W>>,
    halves: Box<dyn HalfEngine<H>>,
    public: Box<dyn PublicEngine<W>>,
    factors: [Factor<W>; LANES],
    /// Number of groups until the factors are computed anew.
    left: u32,
}

/// Constructors of the engines for a key length (`size::Size`).
#[derive(Clone, Copy)]
pub(super) struct Makers<const H: usize, const W: usize> {
    pub halves: fn(&Modulus<H>, &Modulus<H>, Backend) -> Box<dyn HalfEngine<H>>,
    pub public: fn(&Modulus<W>, u32, Backend) -> Box<dyn PublicEngine<W>>,
}

impl<const H: usize, const W: usize> Worker<H, W> {
    pub(super) fn new(parts: Arc<Parts<H, W>>, makers: Makers<H, W>, backend: Backend) -> Self {
        Self {
            halves: (makers.halves)(&parts.p, &parts.q, backend),
            public: (makers.public)(&parts.n, parts.e, backend),
            factors: [Factor { blind: [0; W], unblind: [0; W] }; LANES],
            left: 0,
            parts,
        }
    }

    /// Computes c^d mod n of each number, in place; each is below n. After an error the numbers are meaningless.
    pub(super) fn decrypt(&mut self, numbers: &mut [[u64; W]]) -> Result<(), BatchError> {
        let blocks = numbers.to_vec();
        for group in numbers.chunks_mut(LANES) {
            self.group(group)?;
        }
        if self.confirm(numbers, &blocks) {
            Ok(())
        } else {
            // The factors may have caused the failure.
            self.left = 0;
            numbers.as_flattened_mut().zeroize();
            Err(BatchError::Fault)
        }
    }

    /// Processes at most `LANES` numbers. Lanes without a number keep their factors.
    fn group(&mut self, x: &mut [[u64; W]]) -> Result<(), BatchError> {
        if self.left == 0 {
            self.renew()?;
            self.left = RENEWAL;
        }
        self.left -= 1;
        let parts = Arc::clone(&self.parts);
        for (x, factor) in x.iter_mut().zip(&self.factors) {
            *x = parts.n.multiply(x, &factor.blind);
        }
        self.raw(x, (&parts.exponents.0, &parts.exponents.1));
        for (x, factor) in x.iter_mut().zip(&mut self.factors) {
            *x = parts.n.multiply(x, &factor.unblind);
            // (r^2)^e = (r^e)^2, and (r^2)^−1 = (r^−1)^2.
            factor.blind = parts.n.multiply(&factor.blind, &factor.blind);
            factor.unblind = parts.n.multiply(&factor.unblind, &factor.unblind);
        }
        Ok(())
    }

    /// Raises x to the exponents mod p − 1 and q − 1, neither blinded nor checked.
    fn raw(&mut self, x: &mut [[u64; W]], exponents: (&[u64; H], &[u64; H])) {
        let mut halves = self.parts.split(x);
        self.halves.halves(&mut halves, x.len(), exponents);
        for (x, (a, b)) in x.iter_mut().zip(halves.0.iter().zip(&halves.1)) {
            *x = self.parts.join(a, b);
        }
    }

    /// Returns whether m^e = c for all of them.
    fn confirm(&mut self, results: &[[u64; W]], blocks: &[[u64; W]]) -> bool {
        let mut difference = 0;
        for (results, blocks) in results.chunks(PUBLIC_LANES).zip(blocks.chunks(PUBLIC_LANES)) {
            let mut again = Zeroizing::new([[0; W]; PUBLIC_LANES]);
            again[..results.len()].copy_from_slice(results);
            self.public.public(&mut again, results.len());
            for (a, b) in again.iter().zip(blocks) {
                difference |= a.iter().zip(b).fold(0, |bits, (a, b)| bits | (a ^ b));
            }
        }
        difference == 0
    }

    /// Computes new factors: a random r for each lane, r^e, and r^−1 by Fermat's theorem in both halves.
    fn renew(&mut self) -> Result<(), BatchError> {
        let parts = Arc::clone(&self.parts);
        let mut inverse = Zeroizing::new([[0; W]; LANES]);
        for r in &mut *inverse {
            *r = random_below(&parts.n.n)?;
        }
        let mut power = Zeroizing::new([[0; W]; PUBLIC_LANES]);
        power[..LANES].copy_from_slice(&*inverse);
        self.public.public(&mut power, LANES);
        self.raw(&mut *inverse, (&parts.inverting.0, &parts.inverting.1));
        for ((factor, power), inverse) in self.factors.iter_mut().zip(power.iter()).zip(inverse.iter()) {
            factor.blind = parts.n.enter(power);
            factor.unblind = parts.n.enter(inverse);
        }
        Ok(())
    }
}

impl<const H: usize, const W: usize> Drop for Worker<H, W> {
    fn drop(&mut self) {
        for factor in &mut self.factors {
            factor.blind.zeroize();
            factor.unblind.zeroize();
        }
    }
}

/// Returns a uniformly random number below n. Since n has its highest bit set, two tries are enough on average.
/// Rejected numbers reveal nothing about the accepted one.
fn random_below<const W: usize>(n: &[u64; W]) -> Result<[u64; W], BatchError> {
    loop {
        let mut r = [0; W];
        for limb in &mut r {
            *limb = SysRng.try_next_u64().map_err(|_| BatchError::NoRandomness)?;
        }
        if sub(&r, n).1 == 1 {
            return Ok(r);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::limbs::from_be;
    use super::super::private::parts;
    use super::super::size::{Bits1024, Size};
    use super::*;
    use crate::crypto::testing::{RSA_1024, random};

    const BACKENDS: [Backend; 3] = [Backend::Portable, Backend::Avx2, Backend::Ifma];

    const MAKERS: Makers<8, 16> = Makers { halves: Bits1024::half_engine, public: Bits1024::public_engine };

    fn key() -> Parts<8, 16> {
        parts(RSA_1024.private_key_for_tests()).unwrap()
    }

    fn blocks(count: usize) -> Vec<[u64; 16]> {
        let mut blocks: Vec<[u64; 16]> = (0..count).map(|_| from_be(&random(128))).collect();
        for block in &mut blocks {
            block[15] >>= 1;
        }
        blocks
    }

    /// Checks that a batch of every length is refused and its memory wiped.
    fn gives_nothing(parts: &Parts<8, 16>, makers: Makers<8, 16>) {
        for backend in BACKENDS {
            for count in [1, 3, 4, 9] {
                let mut worker = Worker::new(Arc::new(parts.clone()), makers, backend);
                let mut numbers = blocks(count);
                assert_eq!(worker.decrypt(&mut numbers), Err(BatchError::Fault), "{backend} {count}");
                assert!(numbers.iter().all(|number| *number == [0; 16]), "{backend} {count}");
            }
        }
    }

    #[test]
    fn a_fault_in_one_half_is_noticed() {
        let mut wrong = key();
        wrong.exponents.0[3] ^= 1 << 17;
        gives_nothing(&wrong, MAKERS);
        let mut wrong = key();
        wrong.exponents.1[0] ^= 2;
        gives_nothing(&wrong, MAKERS);
        let mut wrong = key();
        wrong.q_inverse[7] ^= 1;
        gives_nothing(&wrong, MAKERS);
    }

    #[test]
    fn a_fault_in_one_lane_is_noticed() {
        /// Flips a bit of the first number mod q.
        struct Faulty(Box<dyn HalfEngine<8>>);
        impl HalfEngine<8> for Faulty {
            fn halves(&mut self, x: &mut Halves<8>, used: usize, exponents: (&[u64; 8], &[u64; 8])) {
                self.0.halves(x, used, exponents);
                x.1[0][0] ^= 1;
            }
        }
        let faulty: fn(&Modulus<8>, &Modulus<8>, Backend) -> Box<dyn HalfEngine<8>> =
            |p, q, backend| Box::new(Faulty(Bits1024::half_engine(p, q, backend)));
        gives_nothing(&key(), Makers { halves: faulty, ..MAKERS });
    }

    #[test]
    fn after_a_fault_the_blinding_is_new() {
        let mut worker = Worker::new(Arc::new(key()), MAKERS, Backend::best());
        let c = blocks(5);
        worker.decrypt(&mut c.clone()).unwrap();
        worker.factors[2].unblind[0] ^= 1;
        assert_eq!(worker.decrypt(&mut c.clone()), Err(BatchError::Fault));
        let (mut m, mut again) = (c.clone(), c);
        worker.decrypt(&mut m).unwrap();
        worker.decrypt(&mut again).unwrap();
        assert_eq!(m, again);
    }

    #[test]
    fn each_lane_has_a_factor_of_its_own_and_never_the_same_again() {
        let mut worker = Worker::new(Arc::new(key()), MAKERS, Backend::best());
        let mut seen = Vec::new();
        let one = {
            let mut one = [0; 16];
            one[0] = 1;
            one
        };
        for group in 0..2 * RENEWAL + 3 {
            worker.decrypt(&mut blocks(4)).unwrap();
            assert_eq!(worker.left, RENEWAL - 1 - group % RENEWAL);
            for factor in worker.factors {
                assert!(!seen.contains(&factor.blind));
                seen.push(factor.blind);
                // r^e (r^−1)^e = 1.
                let n = &worker.parts.n;
                let power = n.public_power(&n.leave(&factor.unblind), worker.parts.e);
                assert_eq!(n.multiply(&factor.blind, &power), one);
            }
        }
    }

    #[test]
    fn a_lane_that_rested_blinds_with_a_factor_that_was_not_used_before() {
        let mut worker = Worker::new(Arc::new(key()), MAKERS, Backend::best());
        worker.decrypt(&mut blocks(4)).unwrap();
        let mut used = Vec::new();
        for count in (1..=4).cycle().take(RENEWAL as usize - 1) {
            let before = worker.factors.map(|factor| factor.blind);
            worker.decrypt(&mut blocks(count)).unwrap();
            for (lane, before) in before.iter().enumerate() {
                assert_eq!(worker.factors[lane].blind == *before, lane >= count, "{count} {lane}");
            }
            assert!(before[..count].iter().all(|factor| !used.contains(factor)));
            used.extend_from_slice(&before[..count]);
        }
        assert_eq!(worker.left, 0);
    }
}
