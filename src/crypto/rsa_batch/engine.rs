//! What a back end does: the exponentiations, several at once. All else is common to them.

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::Backend;
use super::limbs::LANES;
use super::portable::Modulus;

/// How many public operations an engine takes at once: two groups, whose chains of dependent steps
/// overlap.
pub(super) const PUBLIC_LANES: usize = 2 * LANES;

/// x^e mod n of plain numbers below n, in place, for a modulus of `W` limbs. The first `used` are asked for;
/// what becomes of the others is nobody's concern.
pub(super) trait PublicEngine<const W: usize>: Send {
    fn public(&mut self, x: &mut [[u64; W]; PUBLIC_LANES], used: usize);
}

/// The two halves of the private operation, for primes of `H` limbs.
pub(super) trait HalfEngine<const H: usize>: Send {
    /// For each of the first `used` lanes: `x.0[lane]` 2^(64 H) to the power `exponents.0` mod p, likewise `.1`
    /// mod q; plain, and below the prime. Takes the same time for all numbers and exponents.
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

/// The public operation by the portable arithmetic.
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

/// The halves by the portable arithmetic.
pub(super) struct PortableHalves<const H: usize> {
    pub p: Modulus<H>,
    pub q: Modulus<H>,
}

impl<const H: usize> HalfEngine<H> for PortableHalves<H> {
    fn halves(&mut self, x: &mut Halves<H>, used: usize, exponents: (&[u64; H], &[u64; H])) {
        let one_half = |prime: &Modulus<H>, x: &mut [[u64; H]; LANES], exponent| {
            for x in x.iter_mut().take(used) {
                // Twice: the number comes divided by R, and leaves plain.
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

/// The engines of one key length: which limbs a SIMD back end cuts its numbers into depends on it.
pub(super) trait Size<const H: usize, const W: usize> {
    fn public_engine(n: &Modulus<W>, e: u32, backend: Backend) -> Box<dyn PublicEngine<W>>;
    fn half_engine(p: &Modulus<H>, q: &Modulus<H>, backend: Backend) -> Box<dyn HalfEngine<H>>;
}

/// Keys of 1024 bits.
pub(super) struct Bits1024;

/// Keys of 2048 bits.
pub(super) struct Bits2048;

macro_rules! engines {
    ($size:ty, $half:literal, $whole:literal, $pair:ty, $wide_pair:ty, $eight:ty, $wide_eight:ty) => {
        impl Size<$half, $whole> for $size {
            fn public_engine(n: &Modulus<$whole>, e: u32, backend: Backend) -> Box<dyn PublicEngine<$whole>> {
                // A constructor fails if the processor cannot.
                let lanes: Option<Box<dyn PublicEngine<$whole>>> =
                    match backend {
                        #[cfg(target_arch = "x86_64")]
                        Backend::Avx2 => <$wide_pair>::new(n, n)
                            .map(|lanes| Box::new(super::avx2::Public { lanes, e }) as _),
                        #[cfg(target_arch = "x86_64")]
                        Backend::Ifma => <$wide_eight>::new(n, n)
                            .map(|lanes| Box::new(super::ifma::Public { lanes, e }) as _),
                        _ => None,
                    };
                lanes.unwrap_or_else(|| Box::new(PortablePublic { n: n.clone(), e }))
            }

            fn half_engine(
                p: &Modulus<$half>,
                q: &Modulus<$half>,
                backend: Backend,
            ) -> Box<dyn HalfEngine<$half>> {
                let lanes: Option<Box<dyn HalfEngine<$half>>> = match backend {
                    #[cfg(target_arch = "x86_64")]
                    Backend::Avx2 => <$pair>::new(p, q).map(|lanes| Box::new(lanes) as _),
                    #[cfg(target_arch = "x86_64")]
                    Backend::Ifma => <$eight>::new(p, q).map(|lanes| Box::new(lanes) as _),
                    _ => None,
                };
                lanes.unwrap_or_else(|| Box::new(PortableHalves { p: p.clone(), q: q.clone() }))
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
use super::avx2::{Pair512, Pair1024, Pair2048};
#[cfg(target_arch = "x86_64")]
use super::ifma::{Eight512, Eight1024, Eight2048};
engines!(Bits1024, 8, 16, Pair512, Pair1024, Eight512, Eight1024);
engines!(Bits2048, 16, 32, Pair1024, Pair2048, Eight1024, Eight2048);
