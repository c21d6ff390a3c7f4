//! The part of an RSA operation that differs between back ends: several exponentiations at once.

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::limbs::LANES;
use super::portable::Modulus;

/// Number of public operations that an engine takes at once: two groups, whose chains of dependent steps overlap.
pub(super) const PUBLIC_LANES: usize = 2 * LANES;

/// Computes x^e mod n of numbers below n, in place, for a modulus of `W` limbs. Only the first `used` results are
/// defined.
pub(super) trait PublicEngine<const W: usize>: Send {
    fn public(&mut self, x: &mut [[u64; W]; PUBLIC_LANES], used: usize);
}

/// Computes the two halves of the private operation, for primes of `H` limbs.
pub(super) trait HalfEngine<const H: usize>: Send {
    /// For each of the first `used` lanes, raises `x.0[lane]` 2^(64 H) to the power `exponents.0` mod p, and
    /// `x.1[lane]` 2^(64 H) to the power `exponents.1` mod q. The results are below the primes and not in
    /// Montgomery's form. Takes the same time for all numbers and exponents.
    fn halves(&mut self, x: &mut Halves<H>, used: usize, exponents: (&[u64; H], &[u64; H]));
}

/// A number mod p and mod q in each lane.
#[derive(Clone)]
pub(super) struct Halves<const H: usize>(pub [[u64; H]; LANES], pub [[u64; H]; LANES]);

impl<const H: usize> Drop for Halves<H> {
    fn drop(&mut self) {
        self.0.zeroize();
        self.1.zeroize();
    }
}

impl<const H: usize> ZeroizeOnDrop for Halves<H> {}

/// The public operation with the portable arithmetic.
pub(super) struct PortablePublic<const W: usize> {
    pub n: Modulus<W>,
    pub e: u32,
}

impl<const W: usize> PublicEngine<W> for PortablePublic<W> {
    fn public(&mut self, x: &mut [[u64; W]; PUBLIC_LANES], used: usize) {
        for x in x.iter_mut().take(used) {
            *x = self.n.public_power(x, self.e);
        }
    }
}

/// The halves with the portable arithmetic.
pub(super) struct PortableHalves<const H: usize> {
    pub p: Modulus<H>,
    pub q: Modulus<H>,
}

impl<const H: usize> HalfEngine<H> for PortableHalves<H> {
    fn halves(&mut self, x: &mut Halves<H>, used: usize, exponents: (&[u64; H], &[u64; H])) {
        let one_half = |prime: &Modulus<H>, x: &mut [[u64; H]; LANES], exponent| {
            for x in x.iter_mut().take(used) {
                // Twice, because the number comes divided by R and leaves Montgomery's form.
                let inside = prime.enter(&prime.enter(x));
                *x = prime.leave(&prime.power(&inside, exponent));
            }
        };
        one_half(&self.p, &mut x.0, exponents.0);
        one_half(&self.q, &mut x.1, exponents.1);
    }
}

impl<const H: usize> Drop for PortableHalves<H> {
    fn drop(&mut self) {
        self.p.zeroize();
        self.q.zeroize();
    }
}
