//! Many public operations.

use rsa::hazmat::rsa_encrypt;
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, RsaPublicKey};

use super::Backend;
use super::engine::{PUBLIC_LANES, PublicEngine};
use super::limbs::{from_be, push_be};
use super::pool::Pool;
use super::portable::Modulus;
use super::size::{Bits1024, Bits2048, Size};

/// Operations with one public key, which several threads may share.
pub struct PublicBatch {
    inner: Inner,
    backend: Backend,
}

enum Inner {
    Bits1024(Box<Engines<16>>),
    Bits2048(Box<Engines<32>>),
    Crate(RsaPublicKey),
}

impl PublicBatch {
    /// Uses the fastest back end on this machine.
    #[must_use]
    pub fn new(key: &RsaPublicKey) -> Self {
        Self::with_backend(key, Backend::best())
    }

    /// Uses a given back end, if this machine and the size of the key allow it; see [`Self::backend`].
    #[must_use]
    pub fn with_backend(key: &RsaPublicKey, backend: Backend) -> Self {
        let n = key.n_bytes();
        let backend = backend.available();
        let inner = match (key.n().bits(), small_exponent(key)) {
            _ if backend == Backend::Crate => Inner::Crate(key.clone()),
            (1024, Some(e)) => {
                Inner::Bits1024(Box::new(Engines::new(&n, e, backend, Bits1024::public_engine)))
            }
            (2048, Some(e)) => {
                Inner::Bits2048(Box::new(Engines::new(&n, e, backend, Bits2048::public_engine)))
            }
            _ => Inner::Crate(key.clone()),
        };
        let backend = if matches!(inner, Inner::Crate(_)) { Backend::Crate } else { backend };
        Self { inner, backend }
    }

    /// Returns the back end in use.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// Appends m^e mod n of each block of `k` bytes to `out`, in order. Each must be below the modulus, as padded
    /// blocks are, because they begin with a zero. An incomplete block at the end is ignored.
    pub fn encrypt(&self, blocks: &[u8], out: &mut Vec<u8>) {
        match &self.inner {
            Inner::Bits1024(engines) => engines.encrypt(blocks, out),
            Inner::Bits2048(engines) => engines.encrypt(blocks, out),
            Inner::Crate(key) => blocks.chunks_exact(key.size()).for_each(|m| push_crate(key, m, out)),
        }
    }
}

/// One modulus, and as many engines as threads ever worked at once.
struct Engines<const W: usize> {
    n: Modulus<W>,
    e: u32,
    backend: Backend,
    make: fn(&Modulus<W>, u32, Backend) -> Box<dyn PublicEngine<W>>,
    idle: Pool<Box<dyn PublicEngine<W>>>,
}

impl<const W: usize> Engines<W> {
    fn new(
        n: &[u8],
        e: u32,
        backend: Backend,
        make: fn(&Modulus<W>, u32, Backend) -> Box<dyn PublicEngine<W>>,
    ) -> Self {
        Self { n: Modulus::new(from_be(n)), e, backend, make, idle: Pool::new() }
    }

    fn encrypt(&self, blocks: &[u8], out: &mut Vec<u8>) {
        let mut engine = self.idle.take().unwrap_or_else(|| (self.make)(&self.n, self.e, self.backend));
        for group in blocks.chunks(8 * W * PUBLIC_LANES) {
            let mut x = [[0; W]; PUBLIC_LANES];
            let blocks = group.chunks_exact(8 * W);
            let count = blocks.len();
            for (x, block) in x.iter_mut().zip(blocks) {
                *x = from_be(block);
            }
            engine.public(&mut x, count);
            x[..count].iter().for_each(|c| push_be(c, out));
        }
        self.idle.give(engine);
    }
}

/// Processes one block with the `rsa` crate.
fn push_crate(key: &RsaPublicKey, m: &[u8], out: &mut Vec<u8>) {
    let m = BoxedUint::from_be_slice_truncated(m, key.n_bits_precision());
    // `rsa_encrypt` never fails here. If it did, the receiver would refuse the block of zeros.
    let c = rsa_encrypt(key, &m).map(|c| c.to_be_bytes()).unwrap_or_default();
    let k = key.size();
    // The precision is a whole number of limbs, possibly more than k bytes. Since c < n, the bytes that are cut are
    // zero.
    let c = &c[c.len().saturating_sub(k)..];
    out.resize(out.len() + k - c.len(), 0);
    out.extend_from_slice(c);
}

/// Returns the exponent, if it is odd and has at most 32 bits.
pub(super) fn small_exponent(key: &impl PublicKeyParts) -> Option<u32> {
    let bytes = key.e_bytes();
    let e = bytes.iter().try_fold(0_u32, |e, byte| Some(e.checked_mul(256)? | u32::from(*byte)))?;
    (e % 2 == 1).then_some(e)
}
