//! Batches of raw RSA operations with one key, without padding.
//!
//! ```text
//!  PrivateBatch::decrypt                                     PublicBatch::encrypt
//!      │ groups of four                                          │ eight at once
//!      ▼                                                         ▼
//!  Worker ─ blind ─ mod p, mod q ─ HalfEngine ─ join ─ unblind   PublicEngine
//!      │                                                         ▲
//!      └───────────── all results of a batch: m^e = c ? ─────────┘
//! ```
//!
//! - `engine`: what a back end does. There are three: `portable` on any machine, `avx2` with four numbers in
//!   four lanes, and `ifma` with eight. [`PrivateBatch::backend`] returns the one that is used.
//! - `size`: the engines for each key length.
//! - `worker`: the private operation around the exponentiations: Chinese remainders, blinding.
//! - `limbs`: numbers of a fixed size.
//!
//! Keys of 1024 and 2048 bits with two primes of half the length take this path. All others use the `rsa` crate, one
//! block after another ([`Backend::Crate`]).
//!
//! **Promises.** Private operations are blinded, each with its own factor, and take the same time for all keys of one
//! length and all blocks below the modulus. Results are released only after all of a call were raised to the public
//! exponent again and gave their blocks: a fault in one half would reveal a prime (Boneh, `DeMillo`, Lipton 1997).
//! Fewer than four blocks take the same path as four, and less time without SIMD: their number is not secret.
//!
//! **Limits.** Whether constant-time code stays so with a compiler and on a processor is measured (`cargo bench --bench
//! timing`), not proven. There is no further defence against other hyper-threads or against observing the caches.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod engine;
#[cfg(test)]
mod failing;
#[cfg(target_arch = "x86_64")]
mod ifma;
mod limbs;
mod pool;
mod portable;
mod private;
#[doc(hidden)]
pub(crate) mod probe;
mod public;
mod size;
mod worker;

use std::fmt;

pub use private::{PrivateBatch, Raw};
pub use public::PublicBatch;

/// Implementation of the arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Limbs of 64 bits, on any machine.
    Portable,
    /// Four numbers at once, on `x86_64` with AVX2.
    Avx2,
    /// Eight numbers at once, on `x86_64` with AVX-512 and its multiplication of 52 bits (IFMA).
    Ifma,
    /// The `rsa` crate, one number at a time, for keys of other lengths.
    Crate,
}

impl Backend {
    /// Returns the fastest back end on this machine.
    #[must_use]
    pub fn best() -> Self {
        [Self::Ifma, Self::Avx2].into_iter().find(|backend| backend.exists()).unwrap_or(Self::Portable)
    }

    /// Returns whether this machine supports it.
    #[must_use]
    pub fn exists(self) -> bool {
        match self {
            Self::Portable | Self::Crate => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::Ifma => ifma::available(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Ifma => false,
        }
    }

    /// Returns this back end, or the portable one if this machine does not support it.
    fn available(self) -> Self {
        if self.exists() { self } else { Self::Portable }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Avx2 => "AVX2",
            Self::Ifma => "AVX-512 IFMA",
            Self::Crate => "the rsa crate",
        })
    }
}

/// Why no result of a batch is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// There is no randomness for blinding.
    #[error("cannot read random bytes from the system")]
    NoRandomness,
    /// A result does not belong to its block: the key, the processor or the memory is defective.
    #[error("an RSA operation gave a wrong result, which was discarded")]
    Fault,
}

#[cfg(test)]
mod tests;
