//! Files that are brought to disk together.
//!
//! ```text
//!   commit ─► join ─┐                         ┌─ syncfs for all, or fsync each; announce all
//!   commit ─► join ─┼─► the first to wait ────┼─ rename each, in the order of the commits
//!   commit ─► join ─┘                         └─ fsync the folder, once for all
//! ```
//!
//! Each fsync waits for the disk, and one syncfs waits hardly longer for 256 files. It also waits for what other
//! programs have written to the same file system, so it is done only for as many files as make it worth while.
//! None has its name before its bytes are on disk, and none is said to be stored before its name is.

use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Durability;
use super::draft::{Draft, Settled};
use crate::digest::Digest;
use crate::store::error::{Doing, StoreError};
use crate::store::{Coming, Stored, Ticket};

/// Files for which a syncfs is worth while.
const MANY: usize = 8;

/// Files that wait at the most, whoever sent them: each is open, and a process may have no more than 1024 open.
const MOST: usize = 256;

/// Bytes of the largest file that joins others.
const SMALL: u64 = 1 << 20;

/// Whole files that have no name yet.
#[derive(Debug, Default)]
pub(super) struct Group {
    waiting: Mutex<Vec<Member>>,
    /// Held while a group is published: who waits then may be in it.
    publishing: Mutex<()>,
}

/// A file that is to be published.
#[derive(Debug)]
struct Member {
    draft: Draft,
    digest: Option<Digest>,
    fate: Fate,
}

/// How it ended, once it has; taken by its ticket.
type Fate = Arc<Mutex<Option<End>>>;

/// How the publication of a member ended.
#[derive(Debug)]
enum End {
    /// It is stored, or never will be.
    Known(Result<Stored, StoreError>),
    /// Files must be read before it gets its name, and the group does not wait for that.
    Unclear(Box<Draft>),
}

impl Group {
    /// Adds a whole file. A large one stays alone: others would wait for it.
    pub(super) fn join(draft: Draft, digest: Option<Digest>) -> Ticket {
        let fate = Fate::default();
        let root = Arc::clone(draft.root());
        let is_small = draft.len() <= SMALL;
        let member = Member { draft, digest, fate: Arc::clone(&fate) };
        if is_small {
            let waiting = {
                let mut waiting = lock(&root.group.waiting);
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

    /// Publishes all that wait, before they are too many.
    fn publish_all(&self) {
        let _publishing = lock(&self.publishing);
        publish(mem::take(&mut *lock(&self.waiting)));
    }

    /// Publishes all that wait, unless this one has been.
    fn wait(&self, fate: &Fate) -> End {
        let _publishing = lock(&self.publishing);
        if lock(fate).is_none() {
            publish(mem::take(&mut *lock(&self.waiting)));
        }
        // It was among them, or in a group that somebody has published.
        lock(fate).take().unwrap_or(End::Known(Err(StoreError::Lost)))
    }
}

impl End {
    /// Reads what must be read, on the thread that waits for this file alone, and publishes it.
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

/// Publishes one file that waits for no others.
fn publish_alone(member: Member) -> End {
    let fate = Arc::clone(&member.fate);
    publish(vec![member]);
    lock(&fate).take().unwrap_or(End::Known(Err(StoreError::Lost)))
}

/// In the order that survives a crash at any point.
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
    // Also when a file was here already: whoever named it may not have come this far. If this fails the
    // files stay, whole but not known to be durable, and a retry will find them.
    if let Some(first) = members.first()
        && ends.iter().any(|end| matches!(end, Ok(Settled::At(_))))
        && let Err(cause) = first.draft.root().sync_names()
    {
        for (member, end) in
            members.iter().zip(&mut ends).filter(|(_, end)| matches!(end, Ok(Settled::At(_))))
        {
            *end = Err(member.draft.failed(Doing::Sync)(copy(&cause)));
        }
    }
    for (member, end) in members.into_iter().zip(ends) {
        *lock(&member.fate) = Some(match end {
            Ok(Settled::At(stored)) => End::Known(Ok(stored)),
            Ok(Settled::Unclear) => End::Unclear(Box::new(member.draft)),
            Err(error) => End::Known(Err(error)),
        });
    }
}

/// Announces those that are about to get their names.
fn announce(members: &[Member], results: &[Result<(), StoreError>]) {
    let Some(to) = members.first().and_then(|first| first.draft.root().announce.get()) else { return };
    let are_whole = members.iter().zip(results).filter(|(_, result)| result.is_ok());
    let coming: Vec<Coming> =
        are_whole.filter_map(|(member, _)| member.draft.coming(member.digest)).collect();
    if !coming.is_empty() {
        to.announce(&coming);
    }
}

/// Brings all of them to disk at once; `None`: each must be by itself.
#[cfg(target_os = "linux")]
fn sync_together(members: &[Member]) -> Option<io::Result<()>> {
    let root = members.first()?.draft.root();
    let worth_while = members.len() >= MANY && root.durability == Durability::Group;
    worth_while.then(|| root.sync_everything())
}

/// This system has no such call.
#[cfg(not(target_os = "linux"))]
fn sync_together(_: &[Member]) -> Option<io::Result<()>> {
    None
}

/// An error for each file that has it.
fn copy(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

/// What these hold is sound between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
