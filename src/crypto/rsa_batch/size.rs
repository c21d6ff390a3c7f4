//! Engines by key length and back end.

use super::Backend;
#[cfg(target_arch = "x86_64")]
use super::avx2::{self, Pair512, Pair1024, Pair2048};
use super::engine::{HalfEngine, PortableHalves, PortablePublic, PublicEngine};
#[cfg(target_arch = "x86_64")]
use super::ifma::{self, Eight512, Eight1024, Eight2048};
use super::portable::Modulus;

/// The engines for one key length, which determines how a SIMD back end cuts numbers into limbs.
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
                // A constructor fails if the processor lacks the instructions.
                let lanes: Option<Box<dyn PublicEngine<$whole>>> = match backend {
                    #[cfg(target_arch = "x86_64")]
                    Backend::Avx2 => {
                        <$wide_pair>::new(n, n).map(|lanes| Box::new(avx2::Public { lanes, e }) as _)
                    }
                    #[cfg(target_arch = "x86_64")]
                    Backend::Ifma => {
                        <$wide_eight>::new(n, n).map(|lanes| Box::new(ifma::Public { lanes, e }) as _)
                    }
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

engines!(Bits1024, 8, 16, Pair512, Pair1024, Eight512, Eight1024);
engines!(Bits2048, 16, 32, Pair1024, Pair2048, Eight1024, Eight2048);
