//! Unpadding for the timing benchmark.

use zeroize::Zeroizing;

use super::{Both, Paddings, pad};
use crate::event::Padding;

/// Length of a block of RSA-1024 in bytes.
pub const K: usize = 128;

/// Pads a message. Returns `None` without randomness, or if the message is too long.
#[must_use]
pub fn padded(padding: Padding, message: &[u8]) -> Option<[u8; K]> {
    (message.len() <= super::message_max(K, padding)).then_some(())?;
    let mut block = Zeroizing::new(Vec::with_capacity(K));
    pad(padding, K, [message].into_iter(), &mut block).ok()?;
    block.first_chunk().copied()
}

/// Unpads a block as a server does, and returns a value that depends on the result, without a branch.
#[must_use]
pub fn unpad(paddings: Paddings, em: &[u8; K]) -> u64 {
    let unpadded = Both::of(Zeroizing::new(em.to_vec()), paddings).either();
    u64::from(unpadded.valid.unwrap_u8()) + u64::from(unpadded.len)
}
