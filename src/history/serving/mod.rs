//! What the sessions of one server share of the history: the rows to write, and what must not come again.
//!
//! ```text
//!   claim   ──► in this process, then in the history: before the file is published
//!   settle  ──► the file is stored: it stays                 release ──► it failed: it may come again
//!   record  ──► rows; what could not be written waits here, and goes with the next write
//! ```
//!
//! The process remembers what the history could not take (the disk is full, another program holds the lock), up to
//! `MOST_CLAIMS`. Beyond that, and where the history cannot be read, a claim fails, and the file is refused.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::announced::Announced;
use super::repair::{self, Repair};
use super::replay::{CHUNK, Seen};
use super::row::Received;
use super::{History, HistoryError, PATIENCE, store_path};
use crate::digest::Digest;
use crate::own_files::{FlockOperation, Locked, lock};
use crate::store::{Announce, Catalogue, Coming, FileName, Record};

/// Claims that are remembered in the process at the most: about 10 MB.
const MOST_CLAIMS: usize = 100_000;
/// Rows that wait in the process at the most.
const MOST_ROWS: usize = 10_000;

/// Why a claim fails.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// It was claimed before, in another connection.
    #[error("it came in another connection before")]
    Replay(Seen),
    /// Neither the history nor this process can remember more.
    #[error(
        "the history cannot be written, and {MOST_CLAIMS} sessions are remembered without it: what could be replayed is refused"
    )]
    Full,
    /// The history cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// Why rows are not in the history.
#[derive(Debug)]
pub struct NotRecorded {
    /// Whether they wait in the process for the next write.
    pub waits: bool,
    /// What went wrong.
    pub why: HistoryError,
}

/// The history of one store, as its server uses it.
#[derive(Debug)]
pub struct Serving {
    history: Arc<History>,
    /// As [`store_path`] gives it.
    store: PathBuf,
    /// When the server's certificate ends, and with it what may be replayed: Unix seconds.
    until: i64,
    /// Claims in the process at the most.
    most_claims: usize,
    state: Mutex<State>,
    /// Held while rows are written: those that wait go before newer ones, of which the latest is in effect.
    writing: Mutex<()>,
    /// Tells other programs that a server publishes here.
    _lock: Option<File>,
}

#[derive(Debug, Default)]
struct State {
    claims: HashMap<(Seen, Digest), Claim>,
    /// Stored rows that could not be written, in their order.
    waiting: VecDeque<Batch>,
    waiting_rows: usize,
    /// The numbers of the announcements that have no row yet.
    announced: HashMap<Announced, Vec<i64>>,
}

/// How far a claim has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// Only the process knows it, and its file is not stored yet.
    Held,
    /// The history has it, and its file is not stored yet.
    Written,
    /// Its file is stored, and the history does not have it.
    Unwritten,
}

/// Rows of one step.
#[derive(Debug)]
struct Batch {
    rows: Vec<Received>,
    announced: Vec<i64>,
}

impl Serving {
    /// Opens the history of a store for its server, before that accepts a connection: repairs what a crash left
    /// ([`repair`]) and forgets what can no longer be replayed. Where another server has this store open with the
    /// same history, nothing is repaired: what it is publishing would look like that.
    ///
    /// `now_ms`: milliseconds since 1970, UTC. `until`: when the server's certificate ends, Unix seconds.
    ///
    /// # Errors
    /// The folder cannot be listed, or the history fails.
    pub fn open(
        history: Arc<History>,
        store: &Path,
        until: i64,
        now_ms: i64,
    ) -> Result<(Arc<Self>, Vec<Repair>), HistoryError> {
        let store = store_path(store)?;
        let (is_alone, held) =
            match lock_store(&history, &store, FlockOperation::NonBlockingLockExclusive, Duration::ZERO) {
                Locked::Held(file) => (true, Some(file)),
                Locked::Busy => (false, None),
                Locked::Impossible => (true, None),
            };
        let repairs = if is_alone { repair::run(&history, &store, now_ms)? } else { Vec::new() };
        history.forget_expired(now_ms / 1000)?;
        drop(held);
        // In between another server may repair: nothing was announced here yet.
        let shared = match lock_store(&history, &store, FlockOperation::NonBlockingLockShared, PATIENCE) {
            Locked::Held(file) => Some(file),
            Locked::Busy | Locked::Impossible => None,
        };
        let serving = Self {
            history,
            store,
            until,
            most_claims: MOST_CLAIMS,
            state: Mutex::default(),
            writing: Mutex::default(),
            _lock: shared,
        };
        Ok((Arc::new(serving), repairs))
    }

    /// The history.
    #[must_use]
    pub const fn history(&self) -> &Arc<History> {
        &self.history
    }

    /// The folder of received files, as [`store_path`] gives it.
    #[must_use]
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// Whether this came in another connection before, as far as is known without claiming it.
    pub fn is_seen(&self, what: Seen, digest: Digest) -> Result<bool, HistoryError> {
        let here = self.lock().claims.contains_key(&(what, digest));
        if here { Ok(true) } else { self.history.is_seen(what, digest) }
    }

    /// Claims what came with a whole file and must not come again, before that is published: all of it or nothing.
    /// Of several that claim the same at once, one succeeds.
    pub fn claim(&self, seen: &[(Seen, Digest)]) -> Result<(), ClaimError> {
        let Some((what, _)) = seen.first() else { return Ok(()) };
        {
            let mut state = self.lock();
            if seen.iter().any(|one| state.claims.contains_key(one)) {
                return Err(ClaimError::Replay(*what));
            }
            if state.claims.len() + seen.len() > self.most_claims {
                return Err(ClaimError::Full);
            }
            state.claims.extend(seen.iter().map(|one| (*one, Claim::Held)));
        }
        let refusal = match self.history.remember_new(seen, self.until) {
            Ok(true) => {
                self.lock().claims.extend(seen.iter().map(|one| (*one, Claim::Written)));
                return Ok(());
            }
            Ok(false) => ClaimError::Replay(*what),
            // It cannot be written: then the process remembers it, if it is not a replay.
            Err(_) => match self.any_is_seen(seen) {
                Ok(false) => return Ok(()),
                Ok(true) => ClaimError::Replay(*what),
                Err(why) => why.into(),
            },
        };
        let mut state = self.lock();
        for one in seen {
            state.claims.remove(one);
        }
        Err(refusal)
    }

    fn any_is_seen(&self, seen: &[(Seen, Digest)]) -> Result<bool, HistoryError> {
        for (what, digest) in seen {
            if self.history.is_seen(*what, *digest)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The files of these claims are stored.
    pub fn settle(&self, seen: &[(Seen, Digest)]) {
        let mut state = self.lock();
        for one in seen {
            match state.claims.get_mut(one) {
                Some(Claim::Written) => {
                    state.claims.remove(one);
                }
                Some(claim) => *claim = Claim::Unwritten,
                None => {}
            }
        }
    }

    /// The files of these claims failed: they may come again.
    pub fn release(&self, seen: &[(Seen, Digest)]) {
        let mut state = self.lock();
        let is_written = |one: &&(Seen, Digest)| state.claims.remove(*one) == Some(Claim::Written);
        let written: Vec<(Seen, Digest)> = seen.iter().filter(is_written).copied().collect();
        drop(state);
        // If it fails they stay refused, which keeps no honest client out: its next session has another key.
        let _ = self.history.forget(&written);
    }

    /// Writes the rows of stored files, after all that waits, in whose place their announcements were.
    ///
    /// # Errors
    /// They are not in the history, and perhaps wait for the next write.
    pub fn record(&self, rows: Vec<Received>, published: &[Announced]) -> Result<(), NotRecorded> {
        let batch = Batch { rows, announced: self.take_announced(published) };
        let _writing = self.writing();
        let written = self
            .write_waiting()
            .and_then(|()| self.history.record_all_received(&batch.rows, &batch.announced));
        if let Err(why) = written {
            let mut state = self.lock();
            let waits = state.waiting_rows + batch.rows.len() <= MOST_ROWS;
            if waits {
                state.waiting_rows += batch.rows.len();
                state.waiting.push_back(batch);
            }
            return Err(NotRecorded { waits, why });
        }
        // What cannot be written now is still refused: the process remembers it.
        let _ = self.write_claims();
        Ok(())
    }

    /// Adds to the rows of these files that a receipt is given for them.
    pub fn record_receipts(&self, names: &[String], statement: Digest) -> Result<(), HistoryError> {
        let _writing = self.writing();
        self.write_waiting()?;
        self.history.record_receipts(&self.store, names, statement)
    }

    /// These files have no name: their announcements are void.
    pub fn withdraw(&self, failed: &[Announced]) {
        // What cannot be deleted is void at the next start, which finds no file for it.
        let _ = self.history.withdraw(&self.take_announced(failed));
    }

    /// Writes what waits, and forgets what can no longer be replayed. `now`: Unix seconds.
    ///
    /// # Errors
    /// The history fails; what waited still waits.
    pub fn keep_up(&self, now: i64) -> Result<(), HistoryError> {
        {
            let _writing = self.writing();
            self.write_waiting()?;
        }
        self.write_claims()?;
        self.history.forget_expired(now)
    }

    fn write_waiting(&self) -> Result<(), HistoryError> {
        loop {
            let Some(batch) = self.lock().waiting.pop_front() else { return Ok(()) };
            let written = self.history.record_all_received(&batch.rows, &batch.announced);
            let mut state = self.lock();
            if written.is_err() {
                state.waiting.push_front(batch);
                return written;
            }
            state.waiting_rows -= batch.rows.len();
        }
    }

    fn write_claims(&self) -> Result<(), HistoryError> {
        loop {
            let unwritten: Vec<(Seen, Digest)> = {
                let state = self.lock();
                let unwritten = state.claims.iter().filter(|(_, claim)| **claim == Claim::Unwritten);
                unwritten.map(|(one, _)| *one).take(CHUNK).collect()
            };
            if unwritten.is_empty() {
                return Ok(());
            }
            self.history.remember(&unwritten, self.until)?;
            let mut state = self.lock();
            for one in &unwritten {
                state.claims.remove(one);
            }
        }
    }

    /// The numbers of these announcements. Two that say the same are as good as each other.
    fn take_announced(&self, published: &[Announced]) -> Vec<i64> {
        let mut state = self.lock();
        let take = |of: &Announced| {
            let ids = state.announced.get_mut(of)?;
            let id = ids.pop();
            if ids.is_empty() {
                state.announced.remove(of);
            }
            id
        };
        published.iter().filter_map(take).collect()
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it holds is sound between any two statements.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalogue for Serving {
    fn record_of(&self, name: &FileName) -> Option<Record> {
        let row = self.history.latest(&self.store, name.as_str()).ok()??;
        Some(Record { size: row.size(), digest: row.digest()?, at_ms: row.at_ms() })
    }
}

impl Announce for Serving {
    fn announce(&self, coming: &[Coming]) {
        let all: Vec<Announced> = coming.iter().map(Announced::from).collect();
        // Without it a crash leaves files that cannot be explained; that is no reason to refuse them. Why it fails
        // is said when their rows cannot be written either.
        let Ok(ids) = self.history.announce(&self.store, &all) else { return };
        let mut state = self.lock();
        for (one, id) in all.into_iter().zip(ids) {
            state.announced.entry(one).or_default().push(id);
        }
    }
}

impl From<&Coming> for Announced {
    fn from(coming: &Coming) -> Self {
        Self {
            want: coming.want.as_str().to_owned(),
            replaces: coming.replaces.as_ref().map(|name| name.as_str().to_owned()),
            size: coming.size,
            digest: coming.digest,
        }
    }
}

impl Drop for Serving {
    /// A last try for what waits.
    fn drop(&mut self) {
        let waits = {
            let state = self.lock();
            !state.waiting.is_empty() || state.claims.values().any(|claim| *claim == Claim::Unwritten)
        };
        if waits {
            let _ = self.write_waiting().and_then(|()| self.write_claims());
        }
    }
}

/// The lock of a store beside the history: shared by its servers, so that who has it alone knows that none publishes.
fn lock_store(history: &History, store: &Path, how: FlockOperation, patience: Duration) -> Locked {
    use std::os::unix::ffi::OsStrExt as _;
    let of = Digest::of(store.as_os_str().as_bytes()).to_string();
    // Where there can be no such file, there is nobody else to be told either.
    lock(history.path(), &format!("-store-{}", &of[..16]), how, patience).unwrap_or(Locked::Impossible)
}

#[cfg(test)]
mod tests;
