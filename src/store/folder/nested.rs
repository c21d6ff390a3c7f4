//! Folders inside the store, for files that come with a path.
//!
//! ```text
//!   a/b/c.txt ─► openat a ─► openat b ─► a Root of its own for a/b, by which c.txt is stored like any other file
//!                mkdirat and fsync of the parent, where one is missing
//! ```
//!
//! Each step is relative to the descriptor of the step before and follows no link, so that neither a name nor a planted
//! link leads out of the store. The steps are taken for each file: a folder that was moved or replaced meanwhile is not
//! used any more. Two paths to one folder (on file systems that ignore case) give one [`Root`], because it is known by
//! its device and inode.
//!
//! A folder is on disk before its files are reported. A file that is given up takes those folders with it that were made
//! for it and are still empty.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::faults::Disk;
use super::{Root, lock_and_sweep};
use crate::store::error::{Doing, Spot, StoreError};
use crate::store::name::FileName;

/// Number of folders that stay open without being in use.
const RECENT: usize = 64;
/// Number of folders that are remembered to be new.
const MOST_MADE: usize = 100_000;

/// A folder, whatever its path is.
type Identity = (u64, u64);

/// The folders inside a store.
#[derive(Debug, Default)]
pub(super) struct Nested {
    /// All folders that are open.
    pub(super) open: HashMap<Identity, Weak<Root>>,
    /// The folders that were used last.
    recent: VecDeque<Arc<Root>>,
    /// Folders that this process made. One that is still empty when its file is given up is removed.
    made: HashSet<Identity>,
}

/// What a folder inside a store has in addition.
#[derive(Debug)]
pub(super) struct Inside {
    /// The store's own folder.
    top: Weak<Root>,
    /// The names that lead from there.
    path: Vec<String>,
    /// Files that are on their way into this folder.
    drafts: AtomicUsize,
}

/// Keeps a folder inside a store from being removed while a file is on its way into it.
#[derive(Debug)]
pub(super) struct Visit(Arc<Root>);

impl Drop for Visit {
    fn drop(&mut self) {
        let Some(inside) = &self.0.inside else { return };
        match inside.top.upgrade() {
            Some(top) => {
                let mut nested = top.nested.lock();
                if inside.drafts.fetch_sub(1, Ordering::SeqCst) == 1 {
                    top.tidy(&mut nested, &inside.path);
                }
            }
            None => drop(inside.drafts.fetch_sub(1, Ordering::SeqCst)),
        }
    }
}

impl Root {
    /// Opens the folder that a name leads to, and makes what is missing. Returns it with the name in it: where a file or
    /// a link has the name of a folder, that folder gets the name of a copy, `a (2)`. A refusal would tell the client
    /// what is here.
    pub(super) fn visit(self: &Arc<Self>, name: &FileName) -> Result<(Visit, FileName), StoreError> {
        let Some(folder) = name.folder() else { return Ok((Visit(Arc::clone(self)), name.clone())) };
        let mut nested = self.nested.lock();
        let root = self.walk(&mut nested, name, folder)?;
        let mut there = name.clone();
        if let Some(inside) = &root.inside {
            inside.drafts.fetch_add(1, Ordering::SeqCst);
            there = name.in_folder(&inside.path.join("/"));
        }
        Ok((Visit(root), there))
    }

    fn walk(
        self: &Arc<Self>,
        nested: &mut Nested,
        name: &FileName,
        folder: &str,
    ) -> Result<Arc<Self>, StoreError> {
        let spot = || Spot { folder: self.path.clone(), name: Some(name.clone()) };
        let failed = |cause: Errno| StoreError::new(Doing::Create, spot(), cause.into());
        let mut dir = self
            .dir
            .try_clone()
            .map_err(|cause| StoreError::new(Doing::Open, spot(), cause))?
            .into_std_file();
        let mut path: Vec<String> = Vec::new();
        for part in folder.split('/') {
            self.attempt(Disk::Enter).map_err(|cause| StoreError::new(Doing::Create, spot(), cause))?;
            let (next, is_new, part) = enter_any(&dir, part)
                .map_err(failed)?
                .ok_or_else(|| StoreError::NoFreeName { spot: spot() })?;
            path.push(part);
            if is_new {
                nested.made.insert(identity(&next).map_err(failed)?);
                self.sync_folder(&dir).map_err(|cause| StoreError::new(Doing::Sync, spot(), cause))?;
            }
            dir = next;
        }
        if nested.made.len() > MOST_MADE {
            nested.made.clear();
        }
        let id = identity(&dir).map_err(failed)?;
        if let Some(known) = nested.open.get(&id).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let dir = Dir::from_std_file(dir);
        lock_and_sweep(&dir).map_err(|cause| StoreError::new(Doing::Open, spot(), cause))?;
        let root = Arc::new(self.nest(
            dir,
            id,
            Inside { top: Arc::downgrade(self), path, drafts: AtomicUsize::new(0) },
        ));
        nested.open.retain(|_, root| root.strong_count() > 0);
        nested.open.insert(id, Arc::downgrade(&root));
        nested.recent.push_back(Arc::clone(&root));
        if nested.recent.len() > RECENT {
            nested.recent.pop_front();
        }
        Ok(root)
    }

    /// Removes the folders of a path, from the last on, that this process made and that are empty and not in use.
    fn tidy(&self, nested: &mut Nested, path: &[String]) {
        let mut dirs: Vec<File> = Vec::with_capacity(path.len() + 1);
        let Ok(top) = self.dir.try_clone() else { return };
        dirs.push(top.into_std_file());
        for part in path {
            let Some(Ok(next)) = dirs.last().map(|dir| open(dir, part)) else { return };
            dirs.push(next);
        }
        for part in path.iter().rev() {
            let (Some(dir), Some(parent)) = (dirs.pop(), dirs.last()) else { return };
            let Ok(id) = identity(&dir) else { return };
            let root = nested.open.get(&id).and_then(Weak::upgrade);
            let is_used = root.is_some_and(|root| {
                root.inside.as_ref().is_some_and(|inside| inside.drafts.load(Ordering::SeqCst) > 0)
            });
            // A folder that is not empty stays.
            if is_used
                || !nested.made.contains(&id)
                || rustix::fs::unlinkat(parent, part, AtFlags::REMOVEDIR).is_err()
            {
                return;
            }
            nested.made.remove(&id);
            nested.open.remove(&id);
            nested.recent.retain(|root| root.dev_ino != id);
        }
    }
}

impl Visit {
    pub(super) const fn root(&self) -> &Arc<Root> {
        &self.0
    }
}

/// Opens a folder in a folder by this name, or by that of a copy if a file or a link has the name. `None`: all these
/// names are taken. Returns also whether it was made.
fn enter_any(dir: impl AsFd, name: &str) -> Result<Option<(File, bool, String)>, Errno> {
    let Ok(wanted) = FileName::from_path(name.as_bytes()) else { return Ok(None) };
    for candidate in wanted.candidates() {
        match enter(&dir, candidate.leaf()) {
            Ok((next, is_new)) => return Ok(Some((next, is_new, candidate.leaf().to_owned()))),
            // Linux: ENOTDIR for both. Other systems have errors of their own for a link.
            Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(None)
}

/// Opens a folder in a folder, and makes it if it is missing. Returns whether it was made.
fn enter(dir: impl AsFd, name: &str) -> Result<(File, bool), Errno> {
    match open(&dir, name) {
        Err(Errno::NOENT) => {}
        opened => return opened.map(|dir| (dir, false)),
    }
    let is_new = match rustix::fs::mkdirat(&dir, name, Mode::from_raw_mode(0o777)) {
        Ok(()) => true,
        // Another process made it first.
        Err(Errno::EXIST) => false,
        Err(cause) => return Err(cause),
    };
    open(&dir, name).map(|dir| (dir, is_new))
}

fn open(dir: impl AsFd, name: &str) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty()).map(File::from)
}

/// Returns a folder's device and inode.
pub(super) fn identity(dir: impl AsFd) -> Result<Identity, Errno> {
    let stat = rustix::fs::fstat(dir)?;
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "other systems have other types here")]
    Ok((stat.st_dev as u64, stat.st_ino as u64))
}
