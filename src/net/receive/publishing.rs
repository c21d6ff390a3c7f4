//! Publication of whole files: their names, rows and events.
//!
//! ```text
//!   publish        large files, and files of which more may come: at once
//!   publish_later  small files, in a group: until 256 have come, or the client pauses for 5 ms, ends, asks for a
//!                  receipt or sends something else
//! ```

use std::mem;
use std::time::Instant;

use super::Session;
use super::arriving::{Arriving, AtRest, MayBeSealed};
use super::current::Current;
use super::failed::{Failed, FailedFile};
use crate::clock;
use crate::crypto::rsa_blocks::BlockOpener;
use crate::event::{Event, Kept, Track};
use crate::meter::Stage;
use crate::net::Step;
use crate::store::{Discard, Published, Ticket};

/// Bytes of the largest body that waits in a group.
pub(super) const SMALL: u64 = 1 << 20;
/// Files in a group at most.
const TOGETHER: usize = 256;

/// A whole file whose commit has begun.
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
    /// Publishes a whole file: a small one with its group, a large one now.
    pub(super) fn publish_later(&mut self, file: Arriving) -> Result<(), Failed> {
        if file.ciphertext.is_some() || file.meter.file_bytes() > SMALL {
            return self.publish(file, None);
        }
        self.group.push(Committed::of(file));
        if self.group.len() < TOGETHER { Ok(()) } else { self.publish_group() }
    }

    /// Publishes a whole file now: makes it durable, gives it its name, and reports it.
    pub(super) fn publish(&mut self, file: Arriving, opener: Option<BlockOpener>) -> Result<(), Failed> {
        self.publish_group()?;
        let Some((file, published)) = self.conclude(vec![Committed::of(file)])?.pop() else { return Ok(()) };
        if let Some(beginning) = &file.amends
            && published.stored.kept == Kept::Renamed
        {
            let whole = &published.stored.name;
            let text = format!(
                "more of {beginning} arrived; {beginning} stays because other uploads may rely on it, and the whole file is {whole}"
            );
            self.service.observer.event(Event::Note { text });
        }
        let Arriving { track, came_as, ciphertext, meter, begun, amendments, .. } = file;
        self.current = Current::AtRest(AtRest {
            track,
            came_as,
            published,
            ciphertext,
            meter,
            begun,
            opener,
            amendments,
        });
        Ok(())
    }

    /// Publishes the group.
    pub(super) fn publish_group(&mut self) -> Result<(), Failed> {
        let group = mem::take(&mut self.group);
        self.conclude(group).map(drop)
    }

    /// Publishes the group although the connection has failed, because its files are whole.
    pub(super) fn publish_what_is_whole(&mut self) {
        if let Err(failed) = self.publish_group() {
            let name = failed.file().name.map(|name| name.to_string()).unwrap_or_default();
            let text = format!(
                "cannot store {name}, which was received completely from {}: {}",
                self.peer, failed.why
            );
            self.service.observer.event(Event::Note { text });
        }
    }

    /// Waits for the commits of a group, records and reports its files. One failure does not affect the others.
    fn conclude(&mut self, group: Vec<Committed>) -> Result<Vec<(Arriving, Published)>, Failed> {
        let mut done = Vec::with_capacity(group.len());
        let mut failed = None;
        for Committed { file, ticket } in group {
            let begun = Instant::now();
            let stored = file.meter.timed(Stage::Store, || ticket.wait());
            self.service.observer.took(Step::Publish, begun.elapsed());
            match stored {
                Ok(stored) => {
                    let mut file = file;
                    // A file that was here already adds nothing. A longer version takes the place of the first one only
                    // roughly: the sum is corrected when it is computed again.
                    if let Some(room) = file.room.as_mut().filter(|_| stored.kept != Kept::Same) {
                        room.stay();
                    }
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
            self.announce_stored(&mut done);
        }
        let Some((file, error)) = failed else { return Ok(done) };
        let name = Some(file.want.clone());
        Err(Failed::of(FailedFile { name, ..FailedFile::from(&file) }, error))
    }

    /// Records published files, then reports them.
    fn announce_stored(&mut self, files: &mut [(Arriving, Published)]) {
        self.record(files);
        for (file, published) in files {
            // The last progress of the file comes before its end.
            file.watch = None;
            self.service.observer.event(Event::Received {
                track: file.track,
                peer: self.peer.clone(),
                name: published.stored.name.escaped(),
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
