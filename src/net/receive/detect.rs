//! Which variant a body is: by the session key, by a hello, or by its bytes; and what that guess may look at.

use std::io;
use std::sync::Arc;

use super::arriving::MayBeSealed;
use super::{ReceiveError, Session};
use crate::clock;
use crate::crypto::identity::Identity;
use crate::crypto::padding::Paddings;
use crate::crypto::rsa_blocks::{BlockOpener, Guess, guess};
use crate::digest::FileDigest;
use crate::event::{Event, Padding, Variant};
use crate::net::budget::address_of;
use crate::net::wire::{Continuation, WORD, word};
use crate::store::Published;

/// What a client without a hello has shown to speak, of AP and CP1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    Unknown,
    /// A body that was not empty was told to be AP's.
    Clear,
    /// A body was told to be CP1, so the next are too: a client speaks one variant.
    Blocks,
}

/// What a body looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looks {
    /// CP1's blocks.
    Blocks,
    /// No blocks of CP1.
    Clear,
    /// No blocks whose padding was looked for; it may be PKCS #1 v1.5, which was not.
    Unsure,
}

impl Session<'_> {
    /// Which variant the coming body is: by the session key, by our own client's hello, or by the body itself, because
    /// AP and CP1 cannot be told apart with certainty. And whether it may be CP1 although it is taken for AP.
    pub(super) fn variant(&mut self, m1: u64) -> Result<(Variant, MayBeSealed), ReceiveError> {
        let known = |variant| Ok((variant, MayBeSealed::No));
        if self.key.is_some() {
            return known(Variant::Cp2);
        }
        if let Some(offer) = self.hello {
            return known(offer.variant);
        }
        if !self.proved {
            return known(Variant::Plain);
        }
        let accepts = |variant| self.service.policy.variants.contains(&variant);
        match (accepts(Variant::Ap), accepts(Variant::Cp1)) {
            (true, false) => return known(Variant::Ap),
            (false, true) => return known(Variant::Cp1),
            _ if self.speaks == Speaks::Blocks => return known(Variant::Cp1),
            _ => {}
        }
        if self.speaks == Speaks::Unknown && self.is_a_terminator(m1)? {
            self.speaks = Speaks::Blocks;
            return known(Variant::Cp1);
        }
        match self.looks_like(m1)? {
            Looks::Blocks => {
                self.speaks = Speaks::Blocks;
                known(Variant::Cp1)
            }
            Looks::Clear => {
                if m1 > 0 {
                    self.speaks = Speaks::Clear;
                }
                known(Variant::Ap)
            }
            Looks::Unsure => Ok((Variant::Ap, MayBeSealed::Yes)),
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
            // Pairs, or a file that begins like one. M1 may be their number, or the plaintext's length,
            // so a pair may reach beyond what M1 would be as a file's length.
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

    /// Whether the blocks in the `length` bytes behind the next `skip` have a padding that is accepted.
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

    /// The paddings that this client's blocks are looked at for: those that are accepted, of these the one that its
    /// hello announces, and PKCS #1 v1.5 only while its budget lasts. May be none.
    pub(super) fn paddings(&self) -> Paddings {
        let accepted = self.service.policy.paddings;
        let announced = self.hello.and_then(|offer| offer.padding);
        let left = announced.map_or(accepted, |padding| accepted.only(padding));
        if left.contains(Padding::Pkcs1v15) && !self.service.budget.allows(address_of(&self.peer)) {
            left.without_pkcs1v15()
        } else {
            left
        }
    }

    /// An opener for the blocks of one file, which looks for no padding but [those](Self::paddings).
    pub(super) fn block_opener(&self, identity: Arc<Identity>) -> Result<BlockOpener, ReceiveError> {
        let paddings = self.paddings();
        if !paddings.is_empty() {
            return Ok(BlockOpener::new(identity, paddings, FileDigest::Sha256));
        }
        let announced = self.hello.and_then(|offer| offer.padding);
        let refused = announced.filter(|padding| !self.service.policy.paddings.contains(*padding));
        Err(refused.map_or(ReceiveError::PaddingOff, |padding| ReceiveError::Padding { padding }))
    }

    /// Counts a block that was looked at for PKCS #1 v1.5 and did not conform, and tells the operator if
    /// that was one too many.
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

    /// A file that was taken for AP's is stored, and may be what a client of CP1 encrypted.
    pub(super) fn warn_of_ciphertext(&self, published: &Published) {
        let text = "stored as it came, as AP's; it may be CP1 ciphertext with PKCS1v15 padding, which is off or not \
                    accepted here (--accept-padding oaep,pkcs1v15)"
            .to_owned();
        self.service.observer.event(Event::Warned {
            session: Some(self.id),
            peer: Some(self.peer.clone()),
            name: Some(published.stored.name.to_string()),
            text,
            at_ms: clock::unix_ms(),
        });
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
