//! Many RSA operations under one key: the raw ones, below every padding.
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
//! Keys of 1024 and 2048 bits with two primes of half the length take this path. All others take the `rsa`
//! crate's, one block after another ([`Backend::Crate`]).
//!
//! **Promises.** Private operations are blinded, each with a factor of its own, and take the same time for
//! all keys of a length and all blocks below the modulus. Nothing leaves before every result of the call was
//! raised to the public exponent again and found to be its block: a fault in one half would give a prime
//! away (Boneh, `DeMillo`, Lipton 1997). Fewer than four blocks take the same path as four, and without SIMD less time:
//! how many there are is no secret.
//!
//! **Limits.** What a processor or a compiler makes of constant-time code is measured (`cargo bench --bench
//! timing`), not proven. Neither hyper-threads nor the caches' state are defended against beyond that.

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
pub mod probe;
mod public;
mod size;
mod worker;

use std::fmt;

pub use private::{PrivateBatch, Raw};
pub use public::PublicBatch;

/// Who does the arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Limbs of 64 bits, any machine.
    Portable,
    /// Four numbers at once, `x86_64` with AVX2.
    Avx2,
    /// Eight numbers at once, `x86_64` with AVX-512 and its multiplication of 52 bits.
    Ifma,
    /// The `rsa` crate, one number at a time: keys of other lengths.
    Crate,
}

impl Backend {
    /// The fastest that this machine has.
    #[must_use]
    pub fn best() -> Self {
        [Self::Ifma, Self::Avx2].into_iter().find(|backend| backend.exists()).unwrap_or(Self::Portable)
    }

    /// Whether this machine has it.
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

    /// This, or the portable one if this machine has not got it.
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

/// Why a batch gave nothing at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Without randomness nothing is blinded.
    #[error("the system gave no randomness")]
    NoRandomness,
    /// A result was not what its block asks for: a defect of the key, the processor or the memory.
    #[error("an RSA operation went wrong; its result was thrown away")]
    Fault,
}

#[cfg(test)]
mod tests;
