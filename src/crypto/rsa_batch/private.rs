//! Many private operations.

use std::sync::Arc;

use getrandom::SysRng;
use rsa::hazmat::rsa_decrypt_and_check;
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use rsa::{BoxedUint, RsaPrivateKey};
use zeroize::Zeroizing;

use super::limbs::{from_be, push_be, sub};
use super::pool::Pool;
use super::public::small_exponent;
use super::size::{Bits1024, Bits2048, Size};
use super::worker::{Makers, Parts, Worker};
use super::{Backend, BatchError};

/// c^d mod n in `k` bytes; `None` if the block was not below n, which every observer can see.
pub type Raw = Option<Zeroizing<Vec<u8>>>;

/// Operations with one private key, which several threads may share.
pub struct PrivateBatch {
    pub(super) inner: Inner,
    backend: Backend,
    bits: usize,
}

pub(super) enum Inner {
    Bits1024(Workers<8, 16>),
    Bits2048(Workers<16, 32>),
    Crate(Box<RsaPrivateKey>),
}

impl PrivateBatch {
    /// Uses the fastest back end on this machine.
    #[must_use]
    pub fn new(key: &RsaPrivateKey) -> Self {
        Self::with_backend(key, Backend::best())
    }

    /// Uses a given back end, if this machine and the shape of the key allow it; see [`Self::backend`].
    #[must_use]
    pub fn with_backend(key: &RsaPrivateKey, backend: Backend) -> Self {
        let backend = backend.available();
        let inner = match key.n().bits() {
            _ if backend == Backend::Crate => None,
            1024 => Workers::new(key, backend, makers::<8, 16, Bits1024>()).map(Inner::Bits1024),
            2048 => Workers::new(key, backend, makers::<16, 32, Bits2048>()).map(Inner::Bits2048),
            _ => None,
        };
        let backend = if inner.is_some() { backend } else { Backend::Crate };
        let inner = inner.unwrap_or_else(|| Inner::Crate(Box::new(key.clone())));
        Self { inner, backend, bits: key.n().bits() as usize }
    }

    /// Returns the back end in use.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// Returns the size of the modulus in bits.
    #[must_use]
    pub const fn bits(&self) -> usize {
        self.bits
    }

    /// Applies the raw private operation to each block of `k` bytes, in order. The operations are blinded, and all
    /// results are checked before any is released. An incomplete block at the end is ignored.
    pub fn decrypt(&self, blocks: &[u8]) -> Result<Vec<Raw>, BatchError> {
        match &self.inner {
            Inner::Bits1024(workers) => workers.decrypt(blocks),
            Inner::Bits2048(workers) => workers.decrypt(blocks),
            Inner::Crate(key) => blocks.chunks_exact(key.size()).map(|c| by_crate(key, c)).collect(),
        }
    }
}

fn makers<const H: usize, const W: usize, S: Size<H, W>>() -> Makers<H, W> {
    Makers { halves: S::half_engine, public: S::public_engine }
}

/// One key, and as many workers as threads ever worked at once.
pub(super) struct Workers<const H: usize, const W: usize> {
    pub parts: Arc<Parts<H, W>>,
    makers: Makers<H, W>,
    backend: Backend,
    pub idle: Pool<Worker<H, W>>,
}

impl<const H: usize, const W: usize> Workers<H, W> {
    /// Returns `None` if the key does not have two primes of half the modulus's size, or has an unusual exponent.
    fn new(key: &RsaPrivateKey, backend: Backend, makers: Makers<H, W>) -> Option<Self> {
        let parts = Arc::new(parts(key)?);
        Some(Self { parts, makers, backend, idle: Pool::new() })
    }

    fn decrypt(&self, blocks: &[u8]) -> Result<Vec<Raw>, BatchError> {
        let mut worker = self
            .idle
            .take()
            .unwrap_or_else(|| Worker::new(Arc::clone(&self.parts), self.makers, self.backend));
        let blocks = blocks.chunks_exact(8 * W).map(from_be);
        let below: Vec<[u64; W]> = blocks.collect();
        let is_below = |c: &[u64; W]| sub(c, &self.parts.n.n).1 == 1;
        let refused: Vec<bool> = below.iter().map(|c| !is_below(c)).collect();
        let mut numbers: Zeroizing<Vec<[u64; W]>> =
            Zeroizing::new(below.into_iter().filter(is_below).collect());
        let outcome = worker.decrypt(&mut numbers);
        self.idle.give(worker);
        outcome?;
        let mut results = numbers.iter();
        let raw = |refused: bool| {
            let m = if refused { None } else { results.next() }?;
            let mut bytes = Zeroizing::new(Vec::with_capacity(8 * W));
            push_be(m, &mut bytes);
            Some(bytes)
        };
        Ok(refused.into_iter().map(raw).collect())
    }
}

/// Returns the key's numbers in limbs.
pub(super) fn parts<const H: usize, const W: usize>(key: &RsaPrivateKey) -> Option<Parts<H, W>> {
    let [p, q] = key.primes() else { return None };
    let (dp, dq) = (key.dp()?, key.dq()?);
    let bits = u32::try_from(64 * H).ok()?;
    // p = q needs no check: there is no inverse then, and every result is a fault.
    if p.as_ref().bits() != bits || q.as_ref().bits() != bits || dp.bits() > bits || dq.bits() > bits {
        return None;
    }
    let limbs = |number: &BoxedUint| from_be::<H>(&Zeroizing::new(number.to_be_bytes()));
    let exponents = (limbs(dp), limbs(dq));
    let n = from_be(&key.n_bytes());
    Some(Parts::new(n, small_exponent(key)?, limbs(p.as_ref()), limbs(q.as_ref()), exponents))
}

/// Processes one block with the `rsa` crate, blinded and checked.
fn by_crate(key: &RsaPrivateKey, block: &[u8]) -> Result<Raw, BatchError> {
    let c = BoxedUint::from_be_slice_truncated(block, key.n_bits_precision());
    if c >= *key.n().as_ref() {
        return Ok(None);
    }
    let m = rsa_decrypt_and_check(key, Some(&mut SysRng), &c);
    let m = Zeroizing::new(m.map_err(|why| match why {
        rsa::Error::Rng => BatchError::NoRandomness,
        _ => BatchError::Fault,
    })?);
    let bytes = Zeroizing::new(m.to_be_bytes());
    // The precision is a whole number of limbs, possibly more than k bytes. Since m < n, the bytes that are cut are
    // zero.
    let start = bytes.len().saturating_sub(key.size());
    Ok(Some(Zeroizing::new(bytes[start..].to_vec())))
}
