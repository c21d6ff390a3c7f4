//! Files that are synced to disk together.
//!
//! ```text
//!   commit ─► join ─┐                         ┌─ syncfs for all, or fsync each; announce all
//!   commit ─► join ─┼─► the first to wait ────┼─ rename each, in the order of the commits
//!   commit ─► join ─┘                         └─ fsync their folders, once each
//! ```
//!
//! Each fsync waits for the disk. One syncfs for 256 files takes hardly longer, but also waits for everything that
//! other programs have written to the file system, so it is used only for groups that are large enough. No file gets
//! its name before its content is on disk, and no file is reported as stored before its name is on disk.

use std::io;
use std::mem;
use std::sync::Arc;

use parking_lot::Mutex;

use super::draft::{Draft, Settled};
use super::{Durability, Root};
use crate::digest::Digest;
use crate::store::error::{Doing, StoreError};
use crate::store::{Coming, Stored, Ticket};

/// Number of files from which one syncfs is cheaper than an fsync for each.
const MANY: usize = 8;

/// Maximum number of waiting files, of all clients. Each is open, and a process may have as few as 1024 open files.
const MOST: usize = 256;

/// Size in bytes of the largest file that joins a group.
const SMALL: u64 = 1 << 20;

/// Complete files that have no name yet.
#[derive(Debug, Default)]
pub(super) struct Group {
    waiting: Mutex<Vec<Member>>,
    /// Held while a group is published. A thread that waits for it may find its own file published.
    publishing: Mutex<()>,
}

/// A file of the group.
#[derive(Debug)]
struct Member {
    draft: Draft,
    digest: Option<Digest>,
    fate: Fate,
}

/// Slot for the result of a file's publication; its ticket takes it.
type Fate = Arc<Mutex<Option<End>>>;

/// Result of publishing a file.
#[derive(Debug)]
enum End {
    /// It is stored, or has failed.
    Known(Result<Stored, StoreError>),
    /// Other files must be read before it gets its name; the group does not wait for that.
    Unclear(Box<Draft>),
}

impl Group {
    /// Adds a complete file. A large file is published alone, because others would wait for it.
    pub(super) fn join(draft: Draft, digest: Option<Digest>) -> Ticket {
        let fate = Fate::default();
        let root = Arc::clone(draft.root());
        let is_small = draft.len() <= SMALL;
        let member = Member { draft, digest, fate: Arc::clone(&fate) };
        if is_small {
            let waiting = {
                let mut waiting = root.group.waiting.lock();
                waiting.push(member);
                waiting.len()
            };
            if waiting >= MOST {
                root.group.publish_all();
            }
            return Ticket::later(move || root.group.wait(&fate).settle(digest));
        }
        Ticket::later(move || publish_alone(member).settle(digest))
    }

    /// Takes the waiting files out. Others can join while these are published.
    fn take(&self) -> Vec<Member> {
        mem::take(&mut *self.waiting.lock())
    }

    /// Returns whether a thread is adding a file or taking the waiting ones out.
    #[cfg(test)]
    pub(super) fn is_locked(&self) -> bool {
        self.waiting.is_locked()
    }

    /// Publishes the waiting files when they have become too many.
    fn publish_all(&self) {
        let _publishing = self.publishing.lock();
        publish(self.take());
    }

    /// Publishes the waiting files, unless this one was published already.
    fn wait(&self, fate: &Fate) -> End {
        let _publishing = self.publishing.lock();
        if fate.lock().is_none() {
            publish(self.take());
        }
        // It was in this group, or in one that another thread has published.
        fate.lock().take().unwrap_or(End::Known(Err(StoreError::Lost)))
    }
}

impl End {
    /// Reads other files where that is necessary, on the thread that waits for this file, and publishes it.
    fn settle(self, digest: Option<Digest>) -> Result<Stored, StoreError> {
        let mut end = self;
        loop {
            match end {
                Self::Known(result) => return result,
                Self::Unclear(mut draft) => {
                    draft.scout(digest);
                    end = publish_alone(Member { draft: *draft, digest, fate: Fate::default() });
                }
            }
        }
    }
}

/// Publishes one file without a group.
fn publish_alone(member: Member) -> End {
    let fate = Arc::clone(&member.fate);
    publish(vec![member]);
    fate.lock().take().unwrap_or(End::Known(Err(StoreError::Lost)))
}

/// Publishes a group, in an order that survives a crash at any point.
fn publish(mut members: Vec<Member>) {
    let prepared: Vec<Result<(), StoreError>> = members.iter().map(|member| member.draft.prepare()).collect();
    let synced = sync_together(&members);
    let results = members.iter().zip(prepared).map(|(member, prepared)| {
        prepared?;
        match &synced {
            None => member.draft.sync(),
            Some(Ok(())) => Ok(()),
            Some(Err(cause)) => Err(member.draft.failed(Doing::Sync)(copy(cause))),
        }
    });
    let results: Vec<Result<(), StoreError>> = results.collect();
    announce(&members, &results);
    let mut ends: Vec<Result<Settled, StoreError>> = members
        .iter_mut()
        .zip(results)
        .map(|(member, result)| result.and_then(|()| member.draft.publish(member.digest)))
        .collect();
    // The folder is synced even if only files were found that are here already: the thread that named them may not
    // have synced it yet. If this fails, the files stay, complete but not known to be durable, and a retry will find
    // them.
    let mut synced: Vec<(&Arc<Root>, io::Result<()>)> = Vec::new();
    for (member, end) in members.iter().zip(&mut ends).filter(|(_, end)| matches!(end, Ok(Settled::At(_)))) {
        let root = member.draft.root();
        let at = synced.iter().position(|(folder, _)| Arc::ptr_eq(folder, root)).unwrap_or_else(|| {
            synced.push((root, root.sync_names()));
            synced.len() - 1
        });
        if let Err(cause) = &synced[at].1 {
            *end = Err(member.draft.failed(Doing::Sync)(copy(cause)));
        }
    }
    drop(synced);
    for (member, end) in members.into_iter().zip(ends) {
        *member.fate.lock() = Some(match end {
            Ok(Settled::At(stored)) => End::Known(Ok(stored)),
            Ok(Settled::Unclear) => End::Unclear(Box::new(member.draft)),
            Err(error) => End::Known(Err(error)),
        });
    }
}

/// Announces the files that are about to get their names.
fn announce(members: &[Member], results: &[Result<(), StoreError>]) {
    let Some(to) = members.first().and_then(|first| first.draft.root().announce.get()) else { return };
    let are_whole = members.iter().zip(results).filter(|(_, result)| result.is_ok());
    let coming: Vec<Coming> =
        are_whole.filter_map(|(member, _)| member.draft.coming(member.digest)).collect();
    if !coming.is_empty() {
        to.announce(&coming);
    }
}

/// Syncs all files at once. Returns `None` if each must be synced alone.
#[cfg(target_os = "linux")]
fn sync_together(members: &[Member]) -> Option<io::Result<()>> {
    let root = members.first()?.draft.root();
    // A folder inside the store may be on a file system of its own.
    let is_one = members.iter().all(|member| member.draft.root().is_on_one_device(root));
    let worth_while = members.len() >= MANY && is_one && root.durability == Durability::Group;
    worth_while.then(|| root.sync_everything())
}

/// Not supported on this system.
#[cfg(not(target_os = "linux"))]
fn sync_together(_: &[Member]) -> Option<io::Result<()>> {
    None
}

/// Copies an error, for each file that is affected.
fn copy(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}
