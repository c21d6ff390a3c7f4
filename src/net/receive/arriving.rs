//! A file on its way to the store, and just after it came to rest.

use std::sync::Arc;
use std::time::Instant;

use super::history::Opening;
use crate::crypto::rsa_blocks::BlockOpener;
use crate::digest::Digest;
use crate::event::{Track, Variant};
use crate::history::Seen;
use crate::meter::{Meter, Stage};
use crate::store::{FileName, Pending, Published, StoreError};

/// Whether a file is taken for AP's and may be CP1 ciphertext with PKCS #1 v1.5 padding, which was not looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MayBeSealed {
    No,
    Yes,
}

/// A file on its way to the store.
pub(super) struct Arriving {
    pub(super) track: Track,
    pub(super) variant: Variant,
    /// The name it asks for, with the server's prefix.
    pub(super) want: FileName,
    /// The name under which it came.
    pub(super) came_as: FileName,
    pub(super) pending: Box<dyn Pending>,
    /// Its body as it comes.
    pub(super) ciphertext: Option<Box<dyn Pending>>,
    /// Of the whole file, if it is hashed; `None` before.
    pub(super) digest: Option<Digest>,
    pub(super) meter: Arc<Meter>,
    pub(super) begun: Instant,
    pub(super) plain: Vec<u8>,
    /// CP1's first blocks.
    pub(super) opening: Opening,
    /// What came with it and must not come in another connection; claimed, and not settled before it is stored.
    pub(super) claimed: Vec<(Seen, Digest)>,
    /// The published file that it is to take the place of.
    pub(super) replaces: Option<FileName>,
    pub(super) may_be_sealed: MayBeSealed,
    /// How often it was published before.
    pub(super) amendments: u32,
}

/// A published file, and what it takes to add to it.
pub(super) struct AtRest {
    pub(super) track: Track,
    pub(super) came_as: FileName,
    pub(super) published: Published,
    /// Not published yet: more may come of it, too.
    pub(super) ciphertext: Option<Box<dyn Pending>>,
    pub(super) meter: Arc<Meter>,
    pub(super) begun: Instant,
    /// CP1's.
    pub(super) opener: Option<BlockOpener>,
    pub(super) amendments: u32,
}

impl Arriving {
    /// Keeps a part of its body as it came, if that is wanted.
    pub(super) fn keep(&mut self, body: &[u8]) -> Result<(), StoreError> {
        self.ciphertext.as_mut().map_or(Ok(()), |kept| kept.write(body))
    }

    /// Writes what was opened.
    pub(super) fn store(&mut self) -> Result<(), StoreError> {
        if self.plain.is_empty() {
            return Ok(());
        }
        self.meter.timed(Stage::Store, || self.pending.write(&self.plain))?;
        self.meter.add_file(self.plain.len() as u64);
        self.plain.clear();
        Ok(())
    }
}
