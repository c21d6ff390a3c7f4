//! Which variant a body is: by the session key, by a hello, or by its bytes.

use std::io;

use super::{ReceiveError, Session};
use crate::crypto::rsa_blocks::looks_sealed;
use crate::event::Variant;
use crate::net::wire::{Continuation, WORD, word};

impl Session<'_> {
    /// Which variant the coming body is: by the session key, by our own client's hello, or by the
    /// body itself (PROTOCOL.md: "AP and CP1 cannot be told apart with certainty").
    pub(super) fn variant(&mut self, m1: u64) -> Result<Variant, ReceiveError> {
        if self.key.is_some() {
            return Ok(Variant::Cp2);
        }
        if let Some(offer) = self.hello {
            return Ok(offer.variant);
        }
        if !self.proved {
            return Ok(Variant::Plain);
        }
        let accepts = |variant| self.service.policy.variants.contains(&variant);
        match (accepts(Variant::Ap), accepts(Variant::Cp1)) {
            (true, false) => Ok(Variant::Ap),
            (false, true) => Ok(Variant::Cp1),
            _ => {
                self.speaks_blocks =
                    self.speaks_blocks || self.is_a_terminator(m1)? || self.looks_like_blocks(m1)?;
                Ok(if self.speaks_blocks { Variant::Cp1 } else { Variant::Ap })
            }
        }
    }

    /// A body that was only guessed to be AP's may be a damaged CP1 body: of framing D or E if it has k
    /// bytes and a block follows, of B, C or F if what follows is no MODE; or an empty file in framing
    /// C, if it has none and a block follows. So it is not published before that is known.
    pub(super) fn doubt(&self, variant: Variant, m1: u64) -> Option<Continuation> {
        let k = self.service.identity.as_ref()?.modulus_bytes() as u64;
        let guessed = variant == Variant::Ap && self.hello.is_none();
        let doubtful = guessed && self.service.policy.variants.contains(&Variant::Cp1);
        doubtful.then_some(if m1 == k || m1 == 0 { Continuation::Blocks { k } } else { Continuation::No })
    }

    /// Whether M1 fits a CP1 framing and the first min(4, all) blocks unpad.
    fn looks_like_blocks(&mut self, m1: u64) -> Result<bool, ReceiveError> {
        let Some(identity) = self.service.identity.clone() else { return Ok(false) };
        let k = identity.modulus_bytes();
        match m1 {
            u64::MAX => return Ok(true),
            0 => return Ok(false),
            _ => {}
        }
        let length = word(k as u64);
        let first = usize::try_from(m1).map_or(WORD, |m1| m1.min(WORD));
        if self.peek(first)?.is_some_and(|bytes| length.starts_with(bytes)) {
            // Pairs, or a file that begins like one. M1 may be their number, or the plaintext's length,
            // so a pair may reach beyond what M1 would be as a file's length.
            let is_pair = self.peek(WORD)?.is_some_and(|bytes| bytes == length);
            // As a file of fewer than 8 bytes it would be followed by no MODE that there is.
            return Ok(is_pair
                && (m1 < WORD as u64
                    || self.peek(WORD + k)?.is_some_and(|bytes| looks_sealed(&identity, &bytes[WORD..]))));
        }
        if !m1.is_multiple_of(k as u64) {
            return Ok(false);
        }
        let some = usize::try_from(m1).map_or(4 * k, |m1| m1.min(4 * k));
        Ok(self.peek(some)?.is_some_and(|bytes| looks_sealed(&identity, bytes)))
    }

    /// The next `n` bytes (a few hundred) without taking them; `None`: the client ended before, or
    /// stands still.
    pub(super) fn peek(&mut self, n: usize) -> Result<Option<&[u8]>, ReceiveError> {
        while self.connection.buffered().len() < n {
            match self.connection.fill() {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::TimedOut => return Ok(None),
                Err(e) => return Err(self.cut(Some(e))),
            }
        }
        Ok(Some(&self.connection.buffered()[..n]))
    }
}
