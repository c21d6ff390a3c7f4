//! Looking at a name before a file gets it: what has the name already, and whether it is the same file.
//!
//! A file may be large, and a name may have a hundred copies. So the session's own thread does this, and holds no
//! lock except the turn of that one name. The results go into the memory of names.
//! [`Draft::publish`](super::draft::Draft::publish) decides by them after checking that nothing has changed.

use std::io;

use super::faults::Disk;
use super::names::{Content, Family, Member};
use super::print::Print;
use super::{Occupant, Root, open_regular};
use crate::clock;
use crate::digest::Digest;
use crate::store::name::{FileName, LAST_COPY};

impl Root {
    /// Finds out what must be known before a file of this size and content is published as `want`.
    ///
    /// Errors are ignored; the publication will report them.
    pub(super) fn scout(&self, want: &FileName, size: u64, digest: Option<Digest>) {
        // The name is looked at even if it is remembered, so that each file costs at least one look.
        let is_free = matches!(self.look(want), Ok(Occupant::Nothing) | Err(_));
        let is_known = self.names().get(want).is_some();
        if is_free && !is_known {
            return;
        }
        let _turn = self.turns.take(want);
        if self.names().get(want).is_none() {
            let Ok(family) = self.family(want) else { return };
            self.names().learn(want, family);
        }
        let Some(digest) = digest else { return };
        self.look_at_marked(want, digest);
        let unread = self.names().get(want).map(|family| family.unread(size, digest)).unwrap_or_default();
        for (name, print) in unread {
            let content = self.content(&name, print, digest);
            self.names().change(want, |family| family.read(&name, print, content));
            if matches!(content, Content::Known(found) | Content::Recent(found) if found == digest) {
                return;
            }
        }
    }

    /// Looks at a name and its numbered copies, up to the first free number.
    fn family(&self, want: &FileName) -> io::Result<Family> {
        let (mut members, mut next) = (Vec::new(), 1);
        for name in want.candidates() {
            match self.look(&name)? {
                Occupant::Nothing if next > 1 => break,
                Occupant::File(print) => members.push(Member::unread(name, print)),
                Occupant::Nothing | Occupant::Other => {}
            }
            next += 1;
        }
        Ok(Family::new(next.max(2), members))
    }

    /// Looks at the copy that has this digest in its name, if there may be one.
    fn look_at_marked(&self, want: &FileName, digest: Digest) {
        let marked = want.marked(digest);
        let is_due = self
            .names()
            .get(want)
            .is_some_and(|family| family.next > LAST_COPY && family.member(&marked).is_none());
        if is_due && let Ok(Occupant::File(print)) = self.look(&marked) {
            self.names().add(want, Member::unread(marked, print));
        }
    }

    /// Reads the content of a file. If it is the one that is wanted, syncs the file: another program may have written
    /// it.
    fn content(&self, name: &FileName, print: Print, ours: Digest) -> Content {
        if let Some(digest) = self.recorded(name, &print) {
            return Content::Known(digest);
        }
        match self.read(name, print) {
            Ok(Some((digest, file))) => {
                if digest == ours && self.sync_file(&file).is_err() {
                    return Content::Unreadable;
                }
                if print.settled(clock::unix_seconds()) {
                    Content::Known(digest)
                } else {
                    Content::Recent(digest)
                }
            }
            Ok(None) | Err(_) => Content::Unreadable,
        }
    }

    /// Returns the recorded digest of a file that was not modified since it was recorded.
    fn recorded(&self, name: &FileName, print: &Print) -> Option<Digest> {
        let record = self.catalogue.get()?.record_of(name)?;
        (record.size == print.size() && print.changed_ms() <= record.at_ms).then_some(record.digest)
    }

    /// Reads a file. Returns `None` if it is not a regular file, or if its print differs before or after.
    fn read(&self, name: &FileName, print: Print) -> io::Result<Option<(Digest, std::fs::File)>> {
        #[cfg(test)]
        self.counts.count(super::counts::Count::Read);
        self.attempt(Disk::Read)?;
        let Some(file) = open_regular(&self.dir, name, print.size())? else { return Ok(None) };
        if Print::of(&file.metadata()?) != print {
            return Ok(None);
        }
        let (digest, _) = Digest::of_reader(&file)?;
        Ok((Print::of(&file.metadata()?) == print).then_some((digest, file)))
    }
}
