//! A file on its way to the store, and a file that was just published.

use std::sync::Arc;
use std::time::Instant;

use super::opening::Opening;
use crate::crypto::rsa_blocks::BlockOpener;
use crate::digest::Digest;
use crate::event::{Track, Variant};
use crate::history::Seen;
use crate::meter::{Meter, Stage};
use crate::net::Observer;
use crate::net::disk::{NoRoom, Room};
use crate::net::service::ReceiveError;
use crate::store::{FileName, Pending, Published};

/// Whether a file that is taken for AP may be CP1 ciphertext with PKCS #1 v1.5 padding, which was not evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MayBeSealed {
    No,
    Yes,
}

/// A meter that the observer reads. When it is dropped the observer stops reading it.
pub(super) struct Watch {
    observer: Arc<dyn Observer>,
    track: Track,
}

impl Watch {
    pub(super) fn begin(observer: &Arc<dyn Observer>, track: Track, meter: &Arc<Meter>) -> Self {
        observer.watch(track, Arc::clone(meter));
        Self { observer: Arc::clone(observer), track }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.observer.unwatch(self.track);
    }
}

/// A file on its way to the store.
pub(super) struct Arriving {
    pub(super) track: Track,
    /// `None` once the file is published, and before its [`Event::Receiving`](crate::event::Event::Receiving).
    pub(super) watch: Option<Watch>,
    pub(super) variant: Variant,
    /// Requested name, with the server's prefix.
    pub(super) want: FileName,
    /// Name under which it came.
    pub(super) came_as: FileName,
    pub(super) pending: Box<dyn Pending>,
    /// Its room on the disk; `None`: it is not kept.
    pub(super) room: Option<Box<Room>>,
    /// Bytes of its body that are kept.
    pub(super) kept: u64,
    /// Where its body is kept as it comes.
    pub(super) ciphertext: Option<Box<dyn Pending>>,
    /// SHA-256 of the whole file; `None` before its end, and if it is not hashed.
    pub(super) digest: Option<Digest>,
    pub(super) meter: Arc<Meter>,
    pub(super) begun: Instant,
    /// Decrypted bytes that are not written yet.
    pub(super) plain: Vec<u8>,
    /// First blocks of CP1.
    pub(super) opening: Opening,
    /// Keys and blocks that came with it and must not come in another connection. They are claimed, and settled when it
    /// is stored.
    pub(super) claimed: Vec<(Seen, Digest)>,
    /// The published file that it is a copy of, with more at its end.
    pub(super) amends: Option<FileName>,
    /// The published file whose place it takes.
    pub(super) replaces: Option<FileName>,
    pub(super) may_be_sealed: MayBeSealed,
    /// Times that it was published before.
    pub(super) amendments: u32,
}

/// Counts bytes that are about to be written for a file.
pub(super) fn count(room: &mut Option<Box<Room>>, bytes: usize) -> Result<(), NoRoom> {
    room.as_mut().map_or(Ok(()), |room| room.write(bytes as u64))
}

/// A CP1 file and its opener.
pub(super) struct Blocks {
    pub(super) file: Arriving,
    pub(super) opener: BlockOpener,
}

/// A published file, with everything that is needed to add to it.
pub(super) struct AtRest {
    pub(super) track: Track,
    pub(super) came_as: FileName,
    pub(super) published: Published,
    /// Its ciphertext, which is not published yet, because more of it may come.
    pub(super) ciphertext: Option<Box<dyn Pending>>,
    pub(super) meter: Arc<Meter>,
    pub(super) begun: Instant,
    /// Opener of its blocks; `None` if it was not CP1.
    pub(super) opener: Option<BlockOpener>,
    pub(super) amendments: u32,
}

impl Arriving {
    /// Keeps a part of the body as it came, if the server keeps ciphertext.
    pub(super) fn keep(&mut self, body: &[u8]) -> Result<(), ReceiveError> {
        let Some(kept) = &mut self.ciphertext else { return Ok(()) };
        count(&mut self.room, body.len())?;
        self.kept += body.len() as u64;
        Ok(kept.write(body)?)
    }

    /// Writes the decrypted bytes.
    pub(super) fn store(&mut self) -> Result<(), ReceiveError> {
        if self.plain.is_empty() {
            return Ok(());
        }
        count(&mut self.room, self.plain.len())?;
        self.meter.timed(Stage::Store, || self.pending.write(&self.plain))?;
        self.meter.add_file(self.plain.len() as u64);
        self.plain.clear();
        Ok(())
    }
}
