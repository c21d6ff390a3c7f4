//! Machines that compute wrongly, for tests with keys of 1024 bits.

use std::sync::Arc;

use rsa::RsaPrivateKey;

use super::Backend;
use super::engine::{HalfEngine, Halves};
use super::portable::Modulus;
use super::private::{Inner, PrivateBatch};
use super::size::{Bits1024, Size};
use super::worker::{Makers, Worker};

/// Computes wrongly mod q, once the first factors were computed and the first group is done.
struct Wearing(Box<dyn HalfEngine<8>>, u32);

impl HalfEngine<8> for Wearing {
    fn halves(&mut self, x: &mut Halves<8>, used: usize, exponents: (&[u64; 8], &[u64; 8])) {
        self.0.halves(x, used, exponents);
        self.1 += 1;
        if self.1 > 2 {
            x.1[0][0] ^= 1;
        }
    }
}

impl PrivateBatch {
    /// Returns operations that are all wrong mod p, as a defective processor would compute them.
    pub(in crate::crypto) fn failing(key: &RsaPrivateKey) -> Self {
        let mut batch = Self::new(key);
        if let Inner::Bits1024(workers) = &mut batch.inner {
            Arc::make_mut(&mut workers.parts).exponents.0[3] ^= 1 << 17;
        }
        batch
    }

    /// Returns operations of which the first call, with up to four blocks, is right and all later ones are wrong.
    pub(in crate::crypto) fn failing_after_one(key: &RsaPrivateKey) -> Self {
        let (batch, sound) = (Self::failing(key), Self::new(key));
        if let (Inner::Bits1024(failing), Inner::Bits1024(sound)) = (&batch.inner, &sound.inner) {
            let halves: fn(&Modulus<8>, &Modulus<8>, Backend) -> Box<dyn HalfEngine<8>> =
                |p, q, backend| Box::new(Wearing(Bits1024::half_engine(p, q, backend), 0));
            let makers = Makers { halves, public: Bits1024::public_engine };
            failing.idle.give(Worker::new(Arc::clone(&sound.parts), makers, Backend::best()));
        }
        batch
    }
}
