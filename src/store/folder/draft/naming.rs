//! The steps by which an unfinished file gets a name.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Beginning, Draft, State, UntilThen};
use crate::digest::Digest;
use crate::event::Kept;
use crate::store::error::{Doing, StoreError};
use crate::store::folder::faults::Disk;
use crate::store::folder::names::{Content, Family, Member, Names, Reliance, Search};
use crate::store::folder::print::Print;
use crate::store::folder::rename::{Outcome, rename_new};
use crate::store::folder::{Occupant, unfinished_name};
use crate::store::{FileName, Stored};

/// Number of looks after which a file that other processes keep disturbing gets a name of its own.
const MOST_LOOKS: u32 = 8;

/// Number of random names to try. The probability that one is taken is about 2^-64.
const RANDOM_TRIES: usize = 3;

/// Result of [`Draft::publish`].
#[derive(Debug)]
pub(in crate::store::folder) enum Settled {
    /// The file is stored.
    At(Stored),
    /// The file has no name yet. Other files must be looked at or read first, without a lock.
    Unclear,
}

/// Result of trying the numbers of a family.
enum Number {
    /// The file has this name.
    Taken(FileName),
    /// The file with the next number may be identical.
    Unclear,
    /// All numbers are taken.
    NoneFree,
}

/// Result of looking for an identical file.
enum Same {
    /// It has this name.
    Here(FileName),
    /// Other files must be read to know.
    Unclear,
    /// There is none.
    Nowhere,
}

impl Draft {
    /// Looks at the requested name. Must be called before [`publish`](Self::publish), without any lock.
    pub(in crate::store::folder) fn scout(&mut self, digest: Option<Digest>) {
        self.looks += 1;
        self.root.scout(&self.want, self.len, digest);
    }

    /// Gives the file, which is on disk, its name. The name is not synced yet.
    ///
    /// This takes only a few steps, however many files have the name, because all other files wait for the lock that
    /// is held.
    pub(in crate::store::folder) fn publish(
        &mut self,
        digest: Option<Digest>,
    ) -> Result<Settled, StoreError> {
        let root = Arc::clone(&self.root);
        let mut names = root.names();
        let settled = match &self.replaces {
            None => self.settle(&mut names, digest)?,
            Some(beginning) => self.replace(&mut names, beginning, digest)?,
        };
        if let Settled::At(stored) = &settled
            && stored.kept != Kept::Same
        {
            self.state = State::Named;
        }
        Ok(settled)
    }

    /// Returns whether to trust the incomplete memory of names, because another process keeps naming files.
    const fn is_impatient(&self) -> bool {
        self.looks >= MOST_LOOKS
    }

    /// Takes the requested name or that of a copy, or finds an identical file.
    ///
    /// The name is taken without looking at it first, so no other process can act in between.
    fn settle(&self, names: &mut Names, digest: Option<Digest>) -> Result<Settled, StoreError> {
        if let Some(digest) = digest {
            match self.same(names, digest, None)? {
                Same::Here(name) => {
                    // Behave as for a new file: give it a name, and change the folder.
                    self.pass_by()?;
                    return Ok(Settled::At(Stored { name, kept: Kept::Same }));
                }
                Same::Unclear => return Ok(Settled::Unclear),
                Same::Nowhere => {}
            }
        }
        if self.take(&self.want)? {
            self.remember(names, &self.want, digest);
            return Ok(Settled::At(Stored { name: self.want.clone(), kept: Kept::New }));
        }
        self.settle_as_copy(names, digest)
    }

    /// Takes the name of the next copy, because the requested one is taken.
    fn settle_as_copy(&self, names: &mut Names, digest: Option<Digest>) -> Result<Settled, StoreError> {
        // Without a digest, or with all copies known, it is certain that no copy is the same file.
        let is_certain = digest.is_none() || names.get(&self.want).is_some() || self.is_impatient();
        if is_certain && self.root.refuses.load(Ordering::Relaxed) {
            return Err(StoreError::Exists { spot: self.spot() });
        }
        let name = match names.change(&self.want, |family| self.take_number(family, digest)).transpose()? {
            None if !self.is_impatient() => return Ok(Settled::Unclear),
            Some(Number::Unclear) => return Ok(Settled::Unclear),
            Some(Number::Taken(name)) => name,
            None | Some(Number::NoneFree) => self.take_marked(digest)?,
        };
        self.remember(names, &name, digest);
        Ok(Settled::At(Stored { name, kept: Kept::Renamed }))
    }

    /// Takes the next free number. The number only grows, so each is tried once even if another process takes some.
    fn take_number(&self, family: &mut Family, digest: Option<Digest>) -> Result<Number, StoreError> {
        while let Some(name) = self.want.numbered(family.next) {
            family.next += 1;
            if self.take(&name)? {
                return Ok(Number::Taken(name));
            }
            // Another process stored it, perhaps the same file.
            if let Ok(Occupant::File(print)) = self.root.look(&name) {
                family.push(Member::unread(name, print));
                if digest.is_some() && print.size() == self.len && !self.is_impatient() {
                    return Ok(Number::Unclear);
                }
            }
        }
        Ok(Number::NoneFree)
    }

    /// Takes the name with the digest in it, or a random one.
    fn take_marked(&self, digest: Option<Digest>) -> Result<FileName, StoreError> {
        let marked = digest.map(|digest| self.want.marked(digest));
        let random =
            (0..RANDOM_TRIES).filter_map(|_| Some(self.want.marked_at_random(getrandom::u64().ok()?)));
        for name in marked.into_iter().chain(random) {
            if self.take(&name)? {
                return Ok(name);
            }
        }
        Err(StoreError::NoFreeName { spot: self.spot() })
    }

    /// Replaces the file that this one continues, if that is unchanged and no other upload relies on it. Otherwise
    /// this one is stored beside it.
    fn replace(
        &self,
        names: &mut Names,
        beginning: &Beginning,
        digest: Option<Digest>,
    ) -> Result<Settled, StoreError> {
        let UntilThen::Named(unfinished) = &self.until_then else { return self.settle(names, digest) };
        // A file that was forgotten is not replaced either: another upload may rely on it.
        let known = names.get(&self.want).and_then(|family| family.member(&beginning.name));
        let is_ours =
            known.is_some_and(|known| known.reliance == Reliance::Sender && known.print == beginning.print);
        let there = self.root.look(&beginning.name).map_err(self.failed(Doing::Publish))?;
        if !is_ours || there != Occupant::File(beginning.print) || self.root.is_shared() {
            return self.settle(names, digest);
        }
        let dir = &self.root.dir;
        // An earlier attempt of the same upload may have stored all of it.
        if let Some(digest) = digest {
            match self.same(names, digest, Some(&beginning.name))? {
                Same::Here(name) => {
                    let remove = || dir.remove_file(beginning.name.leaf());
                    self.root
                        .attempt(Disk::Remove)
                        .and_then(|()| remove())
                        .map_err(self.failed(Doing::Publish))?;
                    names.change(&self.want, |family| family.remove(&beginning.name));
                    return Ok(Settled::At(Stored { name, kept: Kept::Same }));
                }
                Same::Unclear => return Ok(Settled::Unclear),
                Same::Nowhere => {}
            }
        }
        let replace = || dir.rename(unfinished, dir, beginning.name.leaf());
        self.root.attempt(Disk::Replace).and_then(|()| replace()).map_err(self.failed(Doing::Publish))?;
        #[cfg(test)]
        self.note_name(&beginning.name);
        self.remember(names, &beginning.name, digest);
        Ok(Settled::At(Stored { name: beginning.name.clone(), kept: Kept::Amended }))
    }

    /// Looks for an identical file in the family. If there is one, this upload relies on it.
    fn same(&self, names: &mut Names, digest: Digest, except: Option<&FileName>) -> Result<Same, StoreError> {
        let Some(family) = names.get(&self.want) else { return Ok(Same::Nowhere) };
        match family.find(self.len, digest, except) {
            Search::Nothing => Ok(Same::Nowhere),
            Search::Unread if self.is_impatient() => Ok(Same::Nowhere),
            Search::Unread => Ok(Same::Unclear),
            Search::Found(name, print) => match self.root.look(&name).map_err(self.failed(Doing::Publish))? {
                Occupant::File(now) if now == print => {
                    names.change(&self.want, |family| family.rely_on(&name));
                    Ok(Same::Here(name))
                }
                // Another process changed the folder, so the rest of the memory may be wrong too.
                _ if self.is_impatient() => Ok(Same::Nowhere),
                _ => {
                    names.forget(&self.want);
                    Ok(Same::Unclear)
                }
            },
        }
    }

    /// Gives the file this name. Returns `false` if it is taken.
    fn take(&self, name: &FileName) -> Result<bool, StoreError> {
        match self.name_as(name.leaf()).map_err(self.failed(Doing::Publish))? {
            Outcome::Done => {
                #[cfg(test)]
                self.note_name(name);
                Ok(true)
            }
            Outcome::Taken => Ok(false),
            Outcome::Impossible => Err(StoreError::NoSafeRename { spot: self.spot() }),
        }
    }

    fn name_as(&self, name: &str) -> io::Result<Outcome> {
        #[cfg(test)]
        self.root.counts.count(crate::store::folder::counts::Count::Name);
        self.root.attempt(Disk::Name)?;
        match &self.until_then {
            UntilThen::Unnamed(unnamed) => unnamed.name(&self.root.dir, &self.file, name),
            UntilThen::Named(unfinished) => rename_new(&self.root.dir, unfinished, name),
        }
    }

    /// Gives the file a name and removes it again, so that the folder is changed and synced as for a new file.
    fn pass_by(&self) -> Result<(), StoreError> {
        let spare = unfinished_name().map_err(self.failed(Doing::Publish))?;
        self.name_as(&spare).map_err(self.failed(Doing::Publish))?;
        // If it cannot be removed, the next sweep does so.
        let _ = self.root.dir.remove_file(&spare);
        Ok(())
    }

    /// Remembers the file in its family.
    fn remember(&self, names: &mut Names, name: &FileName, digest: Option<Digest>) {
        let Ok(metadata) = self.file.metadata() else { return };
        let content = digest.map_or(Content::Unread, Content::Known);
        let print = Print::of(&metadata);
        names.add(&self.want, Member { name: name.clone(), print, content, reliance: Reliance::Sender });
    }

    /// Records the naming, for tests.
    #[cfg(test)]
    #[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    fn note_name(&self, name: &FileName) {
        use std::os::unix::fs::MetadataExt as _;

        use crate::store::folder::durable::steps::Step;
        let inode = self.file.metadata().unwrap().ino();
        self.root.steps.take(Step::Named(inode, name.as_str().to_owned())).unwrap();
    }
}
