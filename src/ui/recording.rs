//! One recorded connection: its messages, and what each of them is for.

use std::collections::BTreeMap;

use crate::event::{Fault, Frame, KeyChange, Kind, Proof, Standing, Variant, Wire, WireId};
use crate::net::handshake::Offer;
use crate::net::record::FIRST;

/// Number of messages kept beyond the first [`FIRST`], which are all kept: the latest ones.
const LAST: usize = 64;

/// Purpose of a message, which its MODE alone does not determine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum Role {
    Challenge,
    ReceiptRequest,
    /// Receipt request without a salt, because the variant hides nothing.
    OpenRequest,
    Signature,
    ReceiptSignature,
    Certificate,
    Statement,
    SessionKey,
    Name,
    /// Body that contains the file unencrypted (Plain, AP).
    Clear,
    /// RSA blocks (CP1).
    Blocks,
    /// Fernet token (CP2).
    Token,
    /// Body of an unknown variant.
    Body,
    Close,
    Unknown,
}

/// Key that encrypts, signs or verifies a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum Touch {
    None,
    Ca,
    ServerPrivate,
    ServerPublic,
    Session,
    Unknown,
}

impl Role {
    pub(in crate::ui) const fn touch(self) -> Touch {
        match self {
            Self::Challenge | Self::OpenRequest | Self::Name | Self::Clear | Self::Close | Self::Unknown => {
                Touch::None
            }
            Self::ReceiptRequest | Self::SessionKey | Self::Blocks => Touch::ServerPublic,
            Self::Signature | Self::ReceiptSignature => Touch::ServerPrivate,
            Self::Certificate | Self::Statement => Touch::Ca,
            Self::Token => Touch::Session,
            Self::Body => Touch::Unknown,
        }
    }

    /// Returns whether a key is needed to read the message's M2.
    pub(in crate::ui) const fn is_sealed(self) -> bool {
        matches!(self, Self::SessionKey | Self::Blocks | Self::Token)
    }

    /// Returns whether the message's M2 is the body of a file.
    pub(in crate::ui) const fn is_body(self) -> bool {
        matches!(self, Self::Clear | Self::Blocks | Self::Token | Self::Body)
    }
}

/// Recording of one connection, open or closed.
#[derive(Debug)]
pub(in crate::ui) struct Recording {
    pub(in crate::ui) id: WireId,
    pub(in crate::ui) wire: Wire,
    frames: BTreeMap<u64, Frame>,
    /// Time of the end in microseconds since the start, and whether the connection ended in order.
    pub(in crate::ui) closed: Option<(u64, bool)>,
    pub(in crate::ui) proof: Option<(Proof, Standing)>,
    pub(in crate::ui) change: Option<KeyChange>,
    /// Why the server's proof was rejected.
    pub(in crate::ui) fault: Option<Fault>,
    /// Identity of the built-in server, in a recording made at its side.
    pub(in crate::ui) ours: Option<Proof>,
}

impl Recording {
    pub(in crate::ui) const fn new(id: WireId, wire: Wire, ours: Option<Proof>) -> Self {
        Self { id, wire, frames: BTreeMap::new(), closed: None, proof: None, change: None, fault: None, ours }
    }

    pub(in crate::ui) fn frames(&self) -> impl DoubleEndedIterator<Item = &Frame> {
        self.frames.values()
    }

    pub(in crate::ui) fn frame(&self, number: u64) -> Option<&Frame> {
        self.frames.get(&number)
    }

    /// Adds messages, or replaces those whose number is known, and forgets the oldest beyond the limit.
    pub(in crate::ui) fn take(&mut self, frames: &[Frame]) {
        for frame in frames {
            self.frames.insert(frame.number, frame.clone());
        }
        while self.frames.range(FIRST + 1..).count() > LAST {
            let Some(number) = self.frames.range(FIRST + 1..).next().map(|(number, _)| *number) else {
                break;
            };
            self.frames.remove(&number);
        }
    }

    /// Returns the variant of the connection: as configured at the client, or as the bytes at the server show.
    pub(in crate::ui) fn variant(&self) -> Option<Variant> {
        if let Some(dialect) = self.wire.dialect {
            return Some(dialect.variant);
        }
        let has = |kind| self.frames().any(|frame| frame.kind == kind);
        let hello = self.frames().find(|frame| frame.kind == Kind::Authenticate);
        match hello.and_then(offer) {
            Some(offer) => Some(offer.variant),
            None if has(Kind::SessionKey) => Some(Variant::Cp2),
            None if hello.is_none() && has(Kind::Data) => Some(Variant::Plain),
            None => None,
        }
    }

    /// Returns the variant of this body. The server decides it for each body by the messages before it. `None` means
    /// that it cannot be determined, so the body may be the file in clear.
    pub(in crate::ui) fn body(&self, frame: &Frame) -> Option<Variant> {
        if let Some(dialect) = self.wire.dialect {
            return Some(dialect.variant);
        }
        let before = || self.frames.range(..frame.number).map(|(_, frame)| frame);
        if before().any(|frame| frame.kind == Kind::SessionKey) {
            return Some(Variant::Cp2);
        }
        let mut asked = before().filter(|frame| frame.kind == Kind::Authenticate).peekable();
        if asked.peek().is_none() {
            return Some(Variant::Plain);
        }
        // CP2 was announced, but nothing can be encrypted without a session key.
        asked.find_map(offer).map(|offer| offer.variant).filter(|variant| *variant != Variant::Cp2)
    }

    /// Returns what the message is for.
    pub(in crate::ui) fn role(&self, frame: &Frame) -> Role {
        const REQUEST: &[u8] = b"upseal/1 receipt\n";
        let asked = || {
            let before = self.frames.range(..frame.number).rev();
            let question = before.map(|(_, frame)| frame).find(|frame| frame.kind == Kind::Authenticate);
            question.is_some_and(|question| question.body.head.starts_with(REQUEST))
        };
        match frame.kind {
            Kind::Authenticate if frame.body.head.starts_with(REQUEST) => match self.variant() {
                Some(Variant::Plain | Variant::Ap) => Role::OpenRequest,
                _ => Role::ReceiptRequest,
            },
            Kind::Authenticate => Role::Challenge,
            Kind::Signature if asked() => Role::ReceiptSignature,
            Kind::Signature => Role::Signature,
            Kind::Certificate => Role::Certificate,
            Kind::Statement => Role::Statement,
            Kind::SessionKey => Role::SessionKey,
            Kind::Filename => Role::Name,
            Kind::Data => match self.body(frame) {
                Some(Variant::Plain | Variant::Ap) => Role::Clear,
                Some(Variant::Cp1) => Role::Blocks,
                Some(Variant::Cp2) => Role::Token,
                None => Role::Body,
            },
            Kind::Close => Role::Close,
            Kind::Unknown => Role::Unknown,
        }
    }

    /// Returns the number of messages, including those that were forgotten.
    pub(in crate::ui) fn count(&self) -> u64 {
        self.frames.keys().next_back().copied().unwrap_or(0)
    }

    /// Returns the time in microseconds from the start to the end, or to the last byte so far.
    pub(in crate::ui) fn length(&self) -> u64 {
        let last = self.frames().map(|frame| frame.last_us).max().unwrap_or(0);
        self.closed.map_or(last, |(at, _)| at.max(last))
    }
}

/// Returns the contents of a hello if the message is one in every byte.
fn offer(frame: &Frame) -> Option<Offer> {
    let is_here = frame.whole && frame.body.head.len() as u64 == frame.body.bytes;
    Offer::parse(&frame.body.head).filter(|_| is_here)
}
