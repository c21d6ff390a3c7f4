//! An unfinished file of a folder.
//!
//! - `naming`: the steps by which it gets its name
//! - `content`: copying and splicing into it
//! - `pending`: its life in a session

mod content;
mod naming;
mod pending;

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub(super) use self::naming::Settled;
use super::faults::Disk;
use super::names::{Content, Member};
use super::nested::Visit;
use super::print::Print;
use super::unnamed::Unnamed;
use super::{Root, create_unfinished, open_regular};
use crate::digest::Digest;
use crate::event::Kept;
use crate::store::error::{Doing, Spot, StoreError};
use crate::store::{Coming, FileName, Meta, Published};

/// A [`Pending`](crate::store::Pending) file in a [`Folder`](super::Folder).
#[derive(Debug)]
pub(super) struct Draft {
    root: Arc<Root>,
    /// Keeps the file's folder, if that is inside the store. Dropped after the file.
    _visit: Visit,
    /// Requested name.
    want: FileName,
    /// Temporary name, or none.
    until_then: UntilThen,
    file: File,
    /// What the client says about the file.
    meta: Meta,
    /// Bytes written.
    len: u64,
    state: State,
    /// The published file that this one continues and replaces.
    replaces: Option<Beginning>,
    /// Number of times that other files had to be looked at before this one could be named.
    looks: u32,
}

/// How the file is named until it is published.
#[derive(Debug)]
enum UntilThen {
    /// It has no name.
    Unnamed(Unnamed),
    /// `.upseal-<random>.part`, readable only for the user.
    Named(String),
}

/// A published file that a draft continues.
#[derive(Debug)]
struct Beginning {
    name: FileName,
    /// State in which it was published.
    print: Print,
}

/// Progress of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Every write so far has succeeded.
    Growing,
    /// A write has failed; the file can never be published.
    Torn,
    /// The file is complete and has its name.
    Named,
}

impl Draft {
    /// Creates the unfinished file.
    pub(super) fn begin(root: &Arc<Root>, want: &FileName) -> Result<Self, StoreError> {
        Self::create(root, want, root.unnamed)
    }

    /// Creates the unfinished file, without a name if `unnamed` is given and works.
    fn create(root: &Arc<Root>, want: &FileName, unnamed: Option<Unnamed>) -> Result<Self, StoreError> {
        let (visit, want) = root.visit(want)?;
        let root = visit.root();
        // If creating a file fails because of the folder (full, removed), the named attempt reports the better error.
        let nameless = unnamed.and_then(|way| {
            let file = root.attempt(Disk::Create).and_then(|()| way.create(&root.dir));
            Some((UntilThen::Unnamed(way), file.ok()?))
        });
        let (until_then, file) = match nameless {
            Some(created) => created,
            None => root
                .attempt(Disk::Create)
                .and_then(|()| create_unfinished(&root.dir, 0o600))
                .map(|(name, file)| (UntilThen::Named(name), file))
                .map_err(|cause| {
                    StoreError::new(Doing::Create, Spot { folder: root.path.clone(), name: None }, cause)
                })?,
        };
        Ok(Self {
            root: Arc::clone(root),
            _visit: visit,
            want,
            until_then,
            file,
            meta: Meta::default(),
            len: 0,
            state: State::Growing,
            replaces: None,
            looks: 0,
        })
    }

    /// Creates an unfinished file that contains a copy of a published one.
    pub(super) fn amend(root: &Arc<Root>, of: &Published) -> Result<Self, StoreError> {
        // Only a file with a name can replace another one.
        let mut draft = Self::create(root, &of.want, None)?;
        let print = draft
            .copy(of)
            .map_err(|cause| StoreError::new(Doing::Amend, draft.spot(), cause))?
            .ok_or_else(|| StoreError::Changed { spot: draft.spot() })?;
        if of.stored.kept != Kept::Same {
            draft.replaces = Some(Beginning { name: of.stored.name.clone(), print });
        }
        Ok(draft)
    }

    /// Copies the published file. Returns `None` if it was changed since.
    fn copy(&mut self, of: &Published) -> io::Result<Option<Print>> {
        let name = &of.stored.name;
        let open = || open_regular(&self.root.dir, name, of.size);
        let there = match self.root.attempt(Disk::Read).and_then(|()| open()) {
            Ok(Some(there)) => there,
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let print = Print::of(&there.metadata()?);
        // Without a digest, a change cannot be detected.
        if of.digest.is_none() || self.content_of(name, &there, print) != of.digest {
            return Ok(None);
        }
        self.root.attempt_on(Disk::Copy, Some(self.file.as_fd()))?;
        let copied = content::copy_all(&there, &mut self.file)?;
        self.len = copied;
        let unchanged = copied == of.size && Print::of(&there.metadata()?) == print;
        Ok(unchanged.then_some(print))
    }

    /// Returns the SHA-256 of a published file, remembered or read.
    fn content_of(&self, name: &FileName, there: &File, print: Print) -> Option<Digest> {
        let known = self.root.names().get(&self.want).and_then(|family| family.member(name).cloned());
        match known {
            Some(Member { print: then, content: Content::Known(digest), .. }) if then == print => {
                Some(digest)
            }
            _ => Digest::of_reader(there).ok().map(|(digest, _)| digest),
        }
    }

    /// Checks that the file is complete, and gives it the usual permissions.
    pub(super) fn prepare(&self) -> Result<(), StoreError> {
        if self.state == State::Torn {
            return Err(StoreError::Torn { spot: self.spot() });
        }
        if matches!(self.until_then, UntilThen::Unnamed(_)) {
            self.apply_meta(); // it was created with the usual permissions
            return Ok(());
        }
        let is_usual =
            || self.file.metadata().is_ok_and(|is| is.permissions().mode() & 0o777 == self.root.mode);
        let permit = || self.file.set_permissions(Permissions::from_mode(self.root.mode));
        match self.root.attempt(Disk::Permit).and_then(|()| permit()) {
            // Where the mount decides on permissions, they cannot be changed and are the usual ones.
            Err(_) if is_usual() => {}
            result => result.map_err(self.failed(Doing::Sync))?,
        }
        self.apply_meta();
        Ok(())
    }

    /// Gives the file the modification time and the executable bit that the client states. Users who may read the file
    /// may then execute it; nothing else of the permissions changes. A time outside of 1970 to now is moved to that range.
    ///
    /// Errors are ignored: some file systems have neither.
    fn apply_meta(&self) {
        let Meta { modified, executable } = self.meta;
        if executable {
            let mode = self.root.mode | ((self.root.mode & 0o444) >> 2);
            let _ = self.file.set_permissions(Permissions::from_mode(mode));
        }
        if let Some((seconds, nanoseconds)) = modified {
            let time = Duration::new(u64::try_from(seconds).unwrap_or(0), nanoseconds.min(999_999_999));
            let time = SystemTime::UNIX_EPOCH.checked_add(time).unwrap_or_else(SystemTime::now);
            let _ = self.file.set_modified(time.min(SystemTime::now()));
        }
    }

    /// Returns the folder.
    pub(super) const fn root(&self) -> &Arc<Root> {
        &self.root
    }

    /// Returns the number of bytes written.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Syncs the file to disk.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.root.sync_file(&self.file).map_err(self.failed(Doing::Sync))
    }

    /// Returns the announcement of this file, unless it was announced before.
    pub(super) fn coming(&self, digest: Option<Digest>) -> Option<Coming> {
        let replaces = self.replaces.as_ref().map(|beginning| beginning.name.clone());
        let coming = Coming { want: self.want.clone(), replaces, size: self.len, digest };
        (self.looks <= 1).then_some(coming)
    }

    fn spot(&self) -> Spot {
        Spot { folder: self.root.path.clone(), name: Some(self.want.clone()) }
    }

    /// Returns a function that turns an error from the system into one about this file.
    pub(super) fn failed(&self, doing: Doing) -> impl FnOnce(io::Error) -> StoreError + use<> {
        let spot = self.spot();
        move |cause| StoreError::new(doing, spot, cause)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.state != State::Named
            && let UntilThen::Named(unfinished) = &self.until_then
        {
            // A file that cannot be removed is left for the next sweep.
            let _ = self.root.dir.remove_file(unfinished);
        }
    }
}

#[cfg(test)]
mod tests;
