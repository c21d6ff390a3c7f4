//! The variant of a body: by the session key, by a hello, or by its bytes; and which paddings that guess may evaluate.

use std::sync::Arc;

use super::arriving::MayBeSealed;
use super::{ReceiveError, Session};
use crate::clock;
use crate::crypto::identity::Identity;
use crate::crypto::padding::Paddings;
use crate::crypto::rsa_blocks::{BlockOpener, Guess, guess};
use crate::digest::FileDigest;
use crate::event::{Event, Padding, Variant};
use crate::net::network::address_of;
use crate::net::wire::Continuation;
use crate::net::word::{WORD, word};
use crate::store::Published;

/// Which of AP and CP1 a client without a hello has been seen to speak.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    #[default]
    Unknown,
    /// AP: one body that was not empty was taken for AP.
    Clear,
    /// CP1: one body was taken for CP1, so the next are too, because a client speaks one variant.
    Blocks,
}

/// Result of the guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looks {
    /// Blocks of CP1.
    Blocks,
    /// No blocks of CP1.
    Clear,
    /// No blocks of an evaluated padding; they may be of PKCS #1 v1.5, which was not evaluated.
    Unsure,
}

impl Session<'_> {
    /// Returns the variant of the coming body: by the session key, by our client's hello, or by the body itself, because
    /// AP and CP1 cannot be distinguished for certain; and whether it may be CP1 although it is taken for AP.
    pub(super) fn variant(&mut self, m1: u64) -> Result<(Variant, MayBeSealed), ReceiveError> {
        let known = |variant| Ok((variant, MayBeSealed::No));
        if self.agreed.is_some() {
            return known(Variant::Cp2);
        }
        if let Some(offer) = self.client.hello {
            return known(offer.variant);
        }
        if !self.client.was_answered {
            return known(Variant::Plain);
        }
        let accepts = |variant| self.service.policy.variants.contains(&variant);
        match (accepts(Variant::Ap), accepts(Variant::Cp1)) {
            (true, false) => return known(Variant::Ap),
            (false, true) => return known(Variant::Cp1),
            _ if self.client.speaks == Speaks::Blocks => return known(Variant::Cp1),
            _ => {}
        }
        if self.client.speaks == Speaks::Unknown && self.is_a_terminator(m1)? {
            self.client.speaks = Speaks::Blocks;
            return known(Variant::Cp1);
        }
        match self.looks_like(m1)? {
            Looks::Blocks => {
                self.client.speaks = Speaks::Blocks;
                known(Variant::Cp1)
            }
            Looks::Clear => {
                if m1 > 0 {
                    self.client.speaks = Speaks::Clear;
                }
                known(Variant::Ap)
            }
            Looks::Unsure => Ok((Variant::Ap, MayBeSealed::Yes)),
        }
    }

    /// Returns what may follow a body that was only guessed to be AP. It may be a damaged CP1 body: of framing D or E if
    /// it has k bytes and a block follows, of B, C or F if no MODE follows; or an empty file in framing C, if it has no
    /// bytes and a block follows. So it is not published before that is known.
    pub(super) fn doubt(&self, variant: Variant, m1: u64) -> Option<Continuation> {
        let k = self.service.identity.as_ref()?.modulus_bytes() as u64;
        let guessed = variant == Variant::Ap && self.client.hello.is_none();
        let doubtful = guessed && self.service.policy.variants.contains(&Variant::Cp1);
        doubtful.then_some(if m1 == k || m1 == 0 { Continuation::Blocks { k } } else { Continuation::No })
    }

    /// Guesses whether a body is CP1: M1 fits a framing, and the padding of its first blocks, up to 4, is right.
    fn looks_like(&mut self, m1: u64) -> Result<Looks, ReceiveError> {
        let blocks_if = |sealed| if sealed { Looks::Blocks } else { Looks::Clear };
        let Some(identity) = self.service.identity.clone() else { return Ok(Looks::Clear) };
        let k = identity.modulus_bytes();
        match m1 {
            u64::MAX => return Ok(Looks::Blocks),
            0 => return Ok(Looks::Clear),
            _ => {}
        }
        let length = word(k as u64);
        let first = usize::try_from(m1).map_or(WORD, |m1| m1.min(WORD));
        if self.peek(first)?.is_some_and(|bytes| length.starts_with(bytes)) {
            // Pairs, or a file that begins like one. M1 may be their number, or the plaintext's length, so a pair may be
            // longer than M1.
            let is_pair = self.peek(WORD)?.is_some_and(|bytes| bytes == length);
            // As a file of fewer than 8 bytes it would be followed by no MODE that there is.
            return Ok(blocks_if(is_pair && (m1 < WORD as u64 || self.looks_sealed(WORD, k)?)));
        }
        if !m1.is_multiple_of(k as u64) {
            return Ok(Looks::Clear);
        }
        let some = usize::try_from(m1).map_or(4 * k, |m1| m1.min(4 * k));
        Ok(match self.looks_sealed(0, some)? {
            false if !self.paddings().contains(Padding::Pkcs1v15) => Looks::Unsure,
            sealed => blocks_if(sealed),
        })
    }

    /// Returns whether the blocks in `length` bytes, behind the next `skip` bytes, have an accepted padding.
    fn looks_sealed(&mut self, skip: usize, length: usize) -> Result<bool, ReceiveError> {
        let Some(identity) = self.service.identity.clone() else { return Ok(false) };
        let paddings = self.paddings();
        let Some(bytes) = self.peek(skip + length)? else { return Ok(false) };
        match guess(&identity, paddings, &bytes[skip..]) {
            Guess::Sealed => Ok(true),
            Guess::Clear { missed } => {
                self.charge(missed);
                Ok(false)
            }
        }
    }

    /// Returns the paddings that are evaluated on this client's blocks: those that are accepted, of these the one that its
    /// hello announces, and PKCS #1 v1.5 only while its budget lasts. There may be none.
    pub(super) fn paddings(&self) -> Paddings {
        let accepted = self.service.policy.paddings;
        let announced = self.client.hello.and_then(|offer| offer.padding);
        let left = announced.map_or(accepted, |padding| accepted.only(padding));
        if left.contains(Padding::Pkcs1v15) && !self.service.budget.allows(address_of(&self.peer)) {
            left.without_pkcs1v15()
        } else {
            left
        }
    }

    /// Returns an opener for the blocks of one file, which evaluates no padding but [those](Self::paddings).
    pub(super) fn block_opener(&self, identity: Arc<Identity>) -> Result<BlockOpener, ReceiveError> {
        let paddings = self.paddings();
        if !paddings.is_empty() {
            return Ok(BlockOpener::new(identity, paddings, FileDigest::Sha256));
        }
        let announced = self.client.hello.and_then(|offer| offer.padding);
        let refused = announced.filter(|padding| !self.service.policy.paddings.contains(*padding));
        Err(refused.map_or(ReceiveError::PaddingOff, |padding| ReceiveError::Padding { padding }))
    }

    /// Counts a block that was evaluated for PKCS #1 v1.5 and did not conform, and warns the operator if the budget is used
    /// up.
    pub(super) fn charge(&mut self, missed: bool) {
        if !missed {
            return;
        }
        let Some(spent) = self.service.budget.charge(address_of(&self.peer)) else { return };
        self.service.observer.event(Event::Warned {
            session: Some(self.id),
            peer: Some(self.peer.clone()),
            name: None,
            text: spent.to_string(),
            at_ms: clock::unix_ms(),
        });
    }

    /// Warns the operator that a stored file, which was taken for AP, may be CP1 ciphertext.
    pub(super) fn warn_of_ciphertext(&self, published: &Published) {
        let text = "stored as it came, as AP; it may be CP1 ciphertext with PKCS1v15 padding, which is off or not accepted by this \
                    server (--accept-padding oaep,pkcs1v15)"
            .to_owned();
        self.service.observer.event(Event::Warned {
            session: Some(self.id),
            peer: Some(self.peer.clone()),
            name: Some(published.stored.name.escaped()),
            text,
            at_ms: clock::unix_ms(),
        });
    }
}
