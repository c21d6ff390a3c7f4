//! What the sessions of one server share of the history: rows to write, and digests that must not arrive again.
//!
//! ```text
//!   claim   ──► in this process, then in the history: before the file is published
//!   confirm ──► the file is stored: the claim stays          release ──► it failed: it may be sent again
//!   record  ──► rows; those that cannot be written wait here for the next write
//! ```
//!
//! The process remembers what the history could not take (the disk is full, another process holds the lock), up to
//! `MOST_CLAIMS` digests. Beyond that, and where the history cannot be read, a claim fails and the file is refused.
//!
//! Servers of one store share a lock beside the history. A start repairs the history only if no other server publishes
//! there, because files that are being published look like files that a crash left.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use self::upkeep::Upkeep;
use super::announced::Announced;
use super::repair::{self, Repair};
use super::replay::{CHUNK, Seen, Validity};
use super::row::Received;
use super::{History, HistoryError, store_path};
use crate::digest::Digest;
use crate::files::{LOCK_TIMEOUT, Lock, LockKind, lock};
use crate::store::{Announce, Catalogue, Coming, FileName, Record};

mod upkeep;

/// Beginning of what the name of a store's lock adds to the history's.
pub(super) const STORE_LOCK: &str = "-store-";

/// Maximum number of claims that are remembered in the process: about 10 MB.
const MOST_CLAIMS: usize = 100_000;
/// Maximum number of rows that wait in the process.
const MOST_ROWS: usize = 10_000;

/// Why a claim fails.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Claimed before, in another connection.
    #[error("already received in another connection")]
    Replay(Seen),
    /// Neither the history nor this process can remember more.
    #[error(
        "the history cannot be written, and {MOST_CLAIMS} sessions are already remembered in memory; a possible replay is refused"
    )]
    Full,
    /// The history cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// Why rows were not written.
#[derive(Debug)]
pub struct NotRecorded {
    /// Whether they wait in the process for the next write.
    pub waits: bool,
    /// Error of the history.
    pub why: HistoryError,
}

/// The history of one store, shared by the sessions of its server.
#[derive(Debug)]
pub struct Serving {
    /// Background maintenance; ends before the lock is given up.
    upkeep: OnceLock<Upkeep>,
    history: Arc<History>,
    /// Folder of received files, as [`store_path`] returns it.
    store: PathBuf,
    /// The server's key, and when its certificate and with it all claims expire.
    validity: Arc<Mutex<Validity>>,
    /// Maximum number of claims in the process.
    most_claims: usize,
    state: Mutex<State>,
    /// Held while rows are written. Waiting rows go before newer ones, because the latest row of a name is in effect.
    writing: Mutex<()>,
    /// Shared lock; tells other processes that a server publishes here.
    _lock: Option<File>,
}

#[derive(Debug, Default)]
struct State {
    claims: HashMap<(Seen, Digest), Claim>,
    /// Rows of stored files that could not be written, oldest first.
    waiting: VecDeque<Batch>,
    waiting_rows: usize,
    /// Announcements that could not be written, of files that may have their names and get no row now.
    unannounced: Vec<Announced>,
    /// Row numbers of announcements whose files have no row yet.
    announced: HashMap<Announced, Vec<i64>>,
}

/// State of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// In the process only; its file is not stored yet.
    Held,
    /// In the history; its file is not stored yet.
    Written,
    /// Its file is stored, and the history does not have it yet.
    Unwritten,
}

/// Rows of one transaction.
#[derive(Debug)]
struct Batch {
    rows: Vec<Received>,
    announced: Vec<i64>,
}

impl Serving {
    /// Opens the history of a store before its server accepts connections, and repairs what a crash left ([`repair`]). This
    /// takes no longer the more rows there are. If another server uses the store and the same history, nothing is repaired, because
    /// files that are being published look like files that a crash left.
    ///
    /// `now_ms` is the time in milliseconds since 1970, UTC. `validity` is the server's key and when its certificate
    /// expires, in Unix seconds.
    ///
    /// # Errors
    /// The folder cannot be listed, or the history fails.
    pub fn open(
        history: Arc<History>,
        store: &Path,
        validity: impl Into<Validity>,
        now_ms: i64,
    ) -> Result<(Arc<Self>, Vec<Repair>), HistoryError> {
        let store = store_path(store)?;
        let (is_alone, held) = match lock_store(&history, &store, LockKind::Exclusive, Duration::ZERO) {
            Lock::Held(file) => (true, Some(file)),
            Lock::Busy => (false, None),
            Lock::Unsupported => (true, None),
        };
        let repairs = if is_alone { repair::run(&history, &store, now_ms)? } else { Vec::new() };
        drop(held);
        // Another server may repair before the shared lock is held: nothing has been announced here yet.
        let shared = match lock_store(&history, &store, LockKind::Shared, LOCK_TIMEOUT) {
            Lock::Held(file) => Some(file),
            Lock::Busy | Lock::Unsupported => None,
        };
        let serving = Self {
            history,
            store,
            validity: Arc::new(Mutex::new(validity.into())),
            most_claims: MOST_CLAIMS,
            state: Mutex::default(),
            writing: Mutex::default(),
            _lock: shared,
            upkeep: OnceLock::new(),
        };
        Ok((Arc::new(serving), repairs))
    }

    /// Returns the history.
    #[must_use]
    pub const fn history(&self) -> &Arc<History> {
        &self.history
    }

    /// Returns the folder of received files, as [`store_path`] returns it.
    #[must_use]
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// Sets the server's key and when its certificate expires, for claims from now on.
    pub fn renew(&self, validity: impl Into<Validity>) {
        *self.validity.lock() = validity.into();
    }

    /// Starts the maintenance in the background: forgets expired claims, and prunes rows if they are kept for a time only
    /// ([`prune`](super::prune)), once now and then once a day. It ends with this value. Only the first call has an effect.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn maintain(&self, keep: Option<Duration>) -> io::Result<()> {
        let (history, validity) = (Arc::clone(&self.history), Arc::clone(&self.validity));
        let upkeep = Upkeep::start(history, self.store.clone(), validity, keep)?;
        let _ = self.upkeep.set(upkeep);
        Ok(())
    }

    /// Returns whether a digest was received in another connection, without claiming it.
    pub fn is_seen(&self, what: Seen, digest: Digest) -> Result<bool, HistoryError> {
        let here = self.state.lock().claims.contains_key(&(what, digest));
        if here { Ok(true) } else { self.history.is_seen(what, digest) }
    }

    /// Claims all digests of a complete file, or none, before the file is published. If several sessions claim the
    /// same digest at once, one succeeds.
    pub fn claim(&self, seen: &[(Seen, Digest)]) -> Result<(), ClaimError> {
        let Some((what, _)) = seen.first() else { return Ok(()) };
        {
            let mut state = self.state.lock();
            if seen.iter().any(|one| state.claims.contains_key(one)) {
                return Err(ClaimError::Replay(*what));
            }
            if state.claims.len() + seen.len() > self.most_claims {
                return Err(ClaimError::Full);
            }
            state.claims.extend(seen.iter().map(|one| (*one, Claim::Held)));
        }
        let refusal = match self.history.remember_new(seen, *self.validity.lock()) {
            Ok(true) => {
                self.state.lock().claims.extend(seen.iter().map(|one| (*one, Claim::Written)));
                return Ok(());
            }
            Ok(false) => ClaimError::Replay(*what),
            // If it cannot be written, the process remembers it, unless it is a replay.
            Err(_) => match self.any_is_seen(seen) {
                Ok(false) => return Ok(()),
                Ok(true) => ClaimError::Replay(*what),
                Err(why) => why.into(),
            },
        };
        let mut state = self.state.lock();
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

    /// Keeps the claims of a stored file.
    pub fn confirm(&self, seen: &[(Seen, Digest)]) {
        let mut state = self.state.lock();
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

    /// Gives back the claims of a file that was not stored; it may be sent again.
    pub fn release(&self, seen: &[(Seen, Digest)]) {
        let mut state = self.state.lock();
        let is_written = |one: &&(Seen, Digest)| state.claims.remove(*one) == Some(Claim::Written);
        let written: Vec<(Seen, Digest)> = seen.iter().filter(is_written).copied().collect();
        drop(state);
        // If this fails, the digests stay refused. That shuts out no honest client: its next session uses another
        // key.
        let _ = self.history.forget(&written);
    }

    /// Writes the rows of stored files, after all waiting rows, and withdraws their announcements.
    ///
    /// # Errors
    /// The rows were not written; they may wait for the next write.
    pub fn record(&self, rows: Vec<Received>, published: &[Announced]) -> Result<(), NotRecorded> {
        let batch = Batch { rows, announced: self.take_announced(published) };
        let _writing = self.writing.lock();
        let written = self
            .write_waiting()
            .and_then(|()| self.history.record_all_received(&batch.rows, &batch.announced));
        if let Err(why) = written {
            let mut state = self.state.lock();
            let waits = state.waiting_rows + batch.rows.len() <= MOST_ROWS;
            if waits {
                state.waiting_rows += batch.rows.len();
                state.waiting.push_back(batch);
            }
            return Err(NotRecorded { waits, why });
        }
        // A claim that cannot be written now is still refused, because the process remembers it.
        let _ = self.write_claims();
        Ok(())
    }

    /// Adds a receipt to the rows of its files.
    pub fn record_receipts(&self, names: &[String], statement: Digest) -> Result<(), HistoryError> {
        let _writing = self.writing.lock();
        self.write_waiting()?;
        self.history.record_receipts(&self.store, names, statement)
    }

    /// Withdraws the announcements of files that did not get a name.
    pub fn withdraw(&self, failed: &[Announced]) {
        // An announcement that cannot be deleted has no effect: the next start finds no file for it.
        let _ = self.history.withdraw(&self.take_announced(failed));
    }

    /// Keeps the announcement of a file that may have its name although its upload failed: the next start gives the file its
    /// row. One that could not be written is written with the next row.
    pub fn leave(&self, failed: Announced) {
        let mut state = self.state.lock();
        if !state.announced.contains_key(&failed) && state.unannounced.len() < MOST_ROWS {
            state.unannounced.push(failed);
        }
    }

    /// Writes what waits, and forgets some expired claims. `now` is in Unix seconds.
    ///
    /// # Errors
    /// The history fails; what waited still waits.
    pub fn keep_up(&self, now: i64) -> Result<(), HistoryError> {
        {
            let _writing = self.writing.lock();
            self.write_waiting()?;
        }
        self.write_claims()?;
        self.history.prolong(*self.validity.lock(), now)?;
        self.history.forget_expired(now).map(drop)
    }

    fn write_waiting(&self) -> Result<(), HistoryError> {
        loop {
            let Some(batch) = self.state.lock().waiting.pop_front() else { break };
            let written = self.history.record_all_received(&batch.rows, &batch.announced);
            let mut state = self.state.lock();
            if written.is_err() {
                state.waiting.push_front(batch);
                return written;
            }
            state.waiting_rows -= batch.rows.len();
        }
        let unannounced = mem::take(&mut self.state.lock().unannounced);
        if unannounced.is_empty() {
            return Ok(());
        }
        let written = self.history.announce_late(&self.store, &unannounced);
        if written.is_err() {
            self.state.lock().unannounced.extend(unannounced);
        }
        written
    }

    fn write_claims(&self) -> Result<(), HistoryError> {
        loop {
            let unwritten: Vec<(Seen, Digest)> = {
                let state = self.state.lock();
                let unwritten = state.claims.iter().filter(|(_, claim)| **claim == Claim::Unwritten);
                unwritten.map(|(one, _)| *one).take(CHUNK).collect()
            };
            if unwritten.is_empty() {
                return Ok(());
            }
            self.history.remember(&unwritten, *self.validity.lock())?;
            let mut state = self.state.lock();
            for one in &unwritten {
                state.claims.remove(one);
            }
        }
    }

    /// Removes announcements from memory and returns their row numbers. Equal announcements are interchangeable.
    fn take_announced(&self, published: &[Announced]) -> Vec<i64> {
        let mut state = self.state.lock();
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
        // Without an announcement, a crash leaves files that cannot be explained. They are still accepted: a file that is
        // stored gets its row, and that of one whose upload fails is written later (`leave`).
        // If the rows cannot be written either, that error says why.
        let Ok(ids) = self.history.announce(&self.store, &all) else { return };
        let mut state = self.state.lock();
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
    /// Tries once more to write what waits.
    fn drop(&mut self) {
        let waits = {
            let state = self.state.lock();
            !state.waiting.is_empty()
                || !state.unannounced.is_empty()
                || state.claims.values().any(|claim| *claim == Claim::Unwritten)
        };
        if waits {
            let _ = self.write_waiting().and_then(|()| self.write_claims());
        }
    }
}

/// Takes the lock of a store, a file beside the history. Its servers share it, so the process that holds it
/// exclusively knows that no server publishes there.
fn lock_store(history: &History, store: &Path, kind: LockKind, timeout: Duration) -> Lock {
    use std::os::unix::ffi::OsStrExt as _;
    let of = Digest::of(store.as_os_str().as_bytes()).to_string();
    // Where the lock file cannot be created, no other process has it either.
    lock(history.path(), &format!("{STORE_LOCK}{}", &of[..16]), kind, timeout).unwrap_or(Lock::Unsupported)
}

#[cfg(test)]
mod tests;
