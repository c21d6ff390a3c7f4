//! What a session is in the middle of when a message ends.
//!
//! ```text
//!            MODE 4                                        one more block
//!   Idle ─────────────► KeyPieces                    ┌──────────────────────┐
//!    │ ▲                                             ▼                      │
//!    │ │ any MODE     ┌─ may not be over ──► OpenEnded ── MODE, silence ──► AtRest
//!    │ └─ MODE 1 ─► file                                                    ▲
//!    │                └─ over, and more may come ───────────────────────────┘
//!    └─── a small file that is over goes to the group (publishing.rs)
//! ```
//!
//! A file whose body is being read, or that is being amended, is not a state: it is an [`Arriving`] on the stack of
//! the function that reads it, and errors carry it from there ([`super::failed`]).

use super::arriving::{Arriving, AtRest, Blocks, MayBeSealed};
use super::detect::Speaks;
use super::failed::{About as _, Failed, FailedFile};
use super::opening::Opening;
use super::{ReceiveError, Session};
use crate::crypto::OpenError;
use crate::event::{Event, Kept, Variant};
use crate::net::framing::Body;
use crate::store::{Discard, Pending};

/// Times that a published file is amended at most: each may copy all of it.
const MOST_AMENDMENTS: u32 = 8;
/// The error after that.
const TOO_OFTEN: &str =
    "one more CP1 block of a file that was amended 8 times; the client must send longer pieces";
/// The error where a server without a key would need one. It cannot follow a message, because only a key makes
/// `Continuation::Blocks` possible.
pub(super) const NO_KEY: &str = "a CP1 block, but this server has no key";

/// What the next word may continue.
#[derive(Default)]
pub(super) enum Current {
    /// Nothing: a MODE must follow.
    #[default]
    Idle,
    /// A session key, which has these blocks so far; more of them may follow.
    KeyPieces(Vec<u8>),
    /// A file that is whole unless more follows; not published.
    OpenEnded(OpenEnded),
    /// A published file; more of it may still follow.
    AtRest(AtRest),
}

/// A whole file whose next word decides whether it is over.
pub(super) enum OpenEnded {
    /// A CP1 file: by its framing one more block may follow.
    Blocks(Blocks),
    /// An AP file of k or of no bytes. If a block follows it was CP1: one block that does not decrypt (framing D or
    /// E), or an empty file (framing C).
    Clear(Arriving),
}

impl OpenEnded {
    /// Times that it was published before.
    pub(super) const fn amendments(&self) -> u32 {
        match self {
            Self::Blocks(Blocks { file, .. }) | Self::Clear(file) => file.amendments,
        }
    }
}

impl Session<'_> {
    /// Returns the file that an error between two messages is about.
    pub(super) fn current_file(&self) -> Option<FailedFile> {
        match (&self.current, &self.name) {
            (Current::OpenEnded(OpenEnded::Blocks(blocks)), _) => Some((&blocks.file).into()),
            (Current::OpenEnded(OpenEnded::Clear(file)), _) => Some(file.into()),
            (_, Some(announced)) if !announced.is_used => Some(FailedFile::announced(announced.name.clone())),
            _ => None,
        }
    }

    /// Publishes an open-ended file, because nothing more of it has come.
    pub(super) fn settle(&mut self) -> Result<(), Failed> {
        match std::mem::take(&mut self.current) {
            Current::OpenEnded(OpenEnded::Blocks(blocks)) => self.finish_blocks(blocks),
            Current::OpenEnded(OpenEnded::Clear(file)) => self.publish(file, None),
            other => {
                self.current = other;
                Ok(())
            }
        }
    }

    /// Ends the current state, because nothing can continue it any more. An open-ended file is given up:
    /// [`settle`](Self::settle) publishes it.
    pub(super) fn close_current(&mut self) {
        let Current::AtRest(AtRest { ciphertext: Some(ciphertext), published, .. }) =
            std::mem::take(&mut self.current)
        else {
            return;
        };
        if let Err(error) = ciphertext.commit(None).wait() {
            // The file itself is stored, so it is not refused.
            let text = format!("cannot keep the ciphertext of {}: {error}", published.stored.name);
            self.service.observer.event(Event::Note { text });
        }
    }

    /// Receives a block where a MODE is due.
    pub(super) fn one_more_block(&mut self) -> Result<(), Failed> {
        let blocks = match std::mem::take(&mut self.current) {
            Current::KeyPieces(blocks) => return self.one_more_key_piece(blocks),
            Current::OpenEnded(OpenEnded::Blocks(blocks)) => blocks,
            Current::OpenEnded(OpenEnded::Clear(file)) if file.meter.file_bytes() == 0 => {
                self.client.speaks = Speaks::Blocks;
                let opener = self.identity(NO_KEY).and_then(|it| self.block_opener(it)).about(&file)?;
                Blocks { file: Arriving { variant: Variant::Cp1, ..file }, opener }
            }
            Current::OpenEnded(OpenEnded::Clear(file)) => return Err(OpenError::Rejected).about(&file),
            Current::AtRest(file) => self.amend(file)?,
            Current::Idle => {
                return Err(self.order("one more CP1 block, but it continues no CP1 file").into());
            }
        };
        let k = self.identity(NO_KEY).about(&blocks.file)?.modulus_bytes();
        self.begin_body();
        self.blocks(blocks, Body::one_more_block(k as u64))
    }

    /// Receives a terminator where a MODE is due.
    pub(super) fn end_of_blocks(&mut self) -> Result<(), Failed> {
        // No AP client sends one: the file is the only block of a CP1 file, and does not decrypt.
        if let Current::OpenEnded(OpenEnded::Clear(file)) = &self.current
            && file.meter.file_bytes() > 0
        {
            return Err(OpenError::Rejected).about(file);
        }
        self.settle()?;
        self.close_current();
        Ok(())
    }

    /// Begins a copy of a published file, to which the block that follows is added.
    fn amend(&mut self, file: AtRest) -> Result<Blocks, Failed> {
        let stays = file.published.stored.name.clone();
        let blocks = self.amended(file);
        let about = |why| Failed::of(FailedFile::published(stays), why);
        let mut blocks = blocks.map_err(about)?;
        self.watch(&mut blocks.file);
        Ok(blocks)
    }

    fn amended(&mut self, file: AtRest) -> Result<Blocks, ReceiveError> {
        let AtRest { track, came_as, published, ciphertext, meter, begun, opener, amendments } = file;
        if amendments >= MOST_AMENDMENTS {
            return Err(self.order(TOO_OFTEN));
        }
        let opener = match opener {
            Some(opener) => opener,
            // A body of no bytes was taken for AP.
            None if published.size == 0 => {
                self.client.speaks = Speaks::Blocks;
                let identity = self.identity(NO_KEY)?;
                self.block_opener(identity)?
            }
            None => return Err(OpenError::Rejected.into()),
        };
        let amends = published.stored.name.clone();
        let replaces = (published.stored.kept != Kept::Same).then(|| amends.clone());
        let mut pending: Box<dyn Pending> = if published.stored.kept == Kept::Discarded {
            Box::new(Discard::new(published.want.clone()))
        } else {
            self.service.store.amend(&published)?
        };
        // No MODE 0 has come since.
        pending.describe(self.meta());
        let room = if published.stored.kept == Kept::Discarded { None } else { Some(self.room(0)?) };
        let file = Arriving {
            track,
            watch: None,
            variant: Variant::Cp1,
            want: published.want,
            came_as,
            pending,
            room,
            kept: 0,
            ciphertext,
            digest: None,
            meter,
            begun,
            plain: Vec::new(),
            opening: Opening::default(),
            claimed: Vec::new(),
            amends: Some(amends),
            replaces,
            may_be_sealed: MayBeSealed::No,
            amendments: amendments + 1,
        };
        Ok(Blocks { file, opener })
    }
}
