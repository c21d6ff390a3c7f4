//! Whole files on their way to their names, their rows and their events.
//!
//! ```text
//!   publish        large ones, and those of which more may come: at once
//!   publish_later  small ones: joined by those that follow, until 256 have come, the client pauses for 5 ms, ends,
//!                  asks for a receipt or sends something else
//! ```

use std::mem;

use super::arriving::{Arriving, AtRest, MayBeSealed};
use super::{ReceiveError, Session};
use crate::clock;
use crate::crypto::rsa_blocks::BlockOpener;
use crate::event::{Event, Kept, Track};
use crate::meter::Stage;
use crate::store::{Discard, Published, Ticket};

/// Bytes of the largest body that waits for others.
pub(super) const SMALL: u64 = 1 << 20;
/// Files that wait at the most.
const TOGETHER: usize = 256;

/// A whole file that the store was told of.
pub(super) struct Committed {
    file: Arriving,
    ticket: Ticket,
}

impl Committed {
    fn of(mut file: Arriving) -> Self {
        let pending = mem::replace(&mut file.pending, Box::new(Discard::new(file.want.clone())));
        Self { ticket: pending.commit(file.digest), file }
    }
}

impl Session<'_> {
    /// The file is whole, and small or not: publishes it now or soon.
    pub(super) fn publish_later(&mut self, file: Arriving) -> Result<(), ReceiveError> {
        if file.ciphertext.is_some() || file.meter.file_bytes() > SMALL {
            return self.publish(file, None);
        }
        self.receiving = None;
        self.unfinished = false;
        self.group.push(Committed::of(file));
        if self.group.len() < TOGETHER { Ok(()) } else { self.publish_group() }
    }

    /// The file is whole: makes it durable, gives it its name, and says so.
    pub(super) fn publish(
        &mut self,
        file: Arriving,
        opener: Option<BlockOpener>,
    ) -> Result<(), ReceiveError> {
        self.publish_group()?;
        let Some((file, published)) = self.conclude(vec![Committed::of(file)])?.pop() else { return Ok(()) };
        self.receiving = None;
        self.unfinished = false;
        if let Some(beginning) = self.amending.take()
            && published.stored.kept == Kept::Renamed
        {
            let whole = &published.stored.name;
            let text = format!(
                "more of {beginning} came; {beginning} stays, because others may rely on it, and the whole file is {whole}"
            );
            self.service.observer.event(Event::Note { text });
        }
        let Arriving { track, came_as, ciphertext, meter, begun, amendments, .. } = file;
        self.at_rest =
            Some(AtRest { track, came_as, published, ciphertext, meter, begun, opener, amendments });
        Ok(())
    }

    /// Publishes the small files that wait.
    pub(super) fn publish_group(&mut self) -> Result<(), ReceiveError> {
        let group = mem::take(&mut self.group);
        self.conclude(group).map(drop)
    }

    /// The same when the connection has failed, of which more is to be said: what came whole before that is as good
    /// as without it.
    pub(super) fn publish_what_is_whole(&mut self) {
        let failing = (self.receiving, self.name.clone(), self.unfinished);
        if let Err(error) = self.publish_group() {
            let name = self.name.as_ref().map(ToString::to_string).unwrap_or_default();
            let text = format!("{name} came whole from {} and is not stored: {error}", self.peer);
            self.service.observer.event(Event::Note { text });
        }
        (self.receiving, self.name, self.unfinished) = failing;
    }

    /// Waits for these, records them, and says so. One that fails does not keep the others from it.
    fn conclude(&mut self, group: Vec<Committed>) -> Result<Vec<(Arriving, Published)>, ReceiveError> {
        let mut done = Vec::with_capacity(group.len());
        let mut failed = None;
        for Committed { file, ticket } in group {
            match file.meter.timed(Stage::Store, || ticket.wait()) {
                Ok(stored) => {
                    let size = file.meter.file_bytes();
                    let published = Published { want: file.want.clone(), stored, size, digest: file.digest };
                    done.push((file, published));
                }
                Err(error) => {
                    self.withdraw(&file, &error);
                    failed.get_or_insert((file, error));
                }
            }
        }
        if !done.is_empty() {
            self.tell(&done);
        }
        let Some((file, error)) = failed else { return Ok(done) };
        self.receiving = Some(file.track);
        (self.name, self.unfinished) = (Some(file.want), true);
        Err(error.into())
    }

    /// Their rows, then what is said of them.
    fn tell(&mut self, files: &[(Arriving, Published)]) {
        self.record(files);
        for (file, published) in files {
            self.service.observer.unwatch(file.track);
            self.service.observer.event(Event::Received {
                track: file.track,
                peer: self.peer.clone(),
                name: published.stored.name.to_string(),
                kept: published.stored.kept,
                size: published.size,
                variant: file.variant,
                digest: published.digest.map(|digest| digest.to_string()),
                seconds: file.begun.elapsed().as_secs_f64(),
                at_ms: clock::unix_ms(),
            });
            if file.may_be_sealed == MayBeSealed::Yes {
                self.warn_of_ciphertext(published);
            }
            if let Track::Receiving(_, ordinal) = file.track {
                self.stored.add(ordinal, file, published);
            }
        }
    }
}
