//! Exponentiation with chosen secrets, for the timing benchmark.

use rsa::RsaPrivateKey;
use zeroize::Zeroizing;

use super::Backend;
use super::engine::{HalfEngine, Halves};
use super::limbs::LANES;
use super::portable::Modulus;
use super::private::parts;
use super::size::{Bits1024, Size};

/// An exponentiation of a key of 1024 bits: of one number mod p if portable, otherwise of a group in both halves.
pub struct Probe {
    engine: Engine,
    /// The exponents. Every choice is stored in the same memory.
    exponents: ([u64; 8], [u64; 8]),
}

enum Engine {
    One(Box<Modulus<8>>),
    Group(Box<dyn HalfEngine<8>>),
}

impl Probe {
    /// Returns `None` if the key has another length.
    #[must_use]
    pub fn new(key: &RsaPrivateKey, backend: Backend) -> Option<Self> {
        let parts = parts::<8, 16>(key)?;
        let engine = match backend.available() {
            Backend::Portable | Backend::Crate => Engine::One(Box::new(parts.p.clone())),
            other => Engine::Group(Bits1024::half_engine(&parts.p, &parts.q, other)),
        };
        Some(Self { engine, exponents: parts.exponents })
    }

    /// Sets every byte of both secret exponents.
    pub fn fill_exponents(&mut self, byte: u8) {
        let limb = u64::from_ne_bytes([byte; 8]);
        self.exponents.0.fill(limb);
        self.exponents.1.fill(limb);
    }

    /// Exponentiates a number, or four copies of it, and returns a limb of the result. Its highest bit is cleared
    /// first, so that it is below the primes.
    #[must_use]
    pub fn run(&mut self, mut number: [u64; 8]) -> u64 {
        number[7] >>= 1;
        let (a, b) = (&self.exponents.0, &self.exponents.1);
        match &mut self.engine {
            Engine::One(prime) => Zeroizing::new(prime.power(&number, a))[0],
            Engine::Group(engine) => {
                let mut halves = Halves([number; LANES], [number; LANES]);
                engine.halves(&mut halves, LANES, (a, b));
                halves.0[0][0]
            }
        }
    }
}
