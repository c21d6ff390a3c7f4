//! Whether a server can take files at the moment (`/health/ready`).

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use thiserror::Error;

use crate::clock;
use crate::crypto::identity::Identity;
use crate::history::{HistoryError, Serving};
use crate::net::budget::PaddingBudget;
use crate::net::disk::DiskLimits;
use crate::net::service::Service;
use crate::store::{FileName, Incoming, NameError, Store, StoreError};
use crate::trust::facts;

/// Time for which an answer is given again, so that requests do not become writes.
const FRESH: Duration = Duration::from_secs(1);

/// Reason why a server takes no files.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum NotReady {
    /// The server stops.
    #[error("the server finishes its sessions and stops")]
    Draining,
    /// The certificate is not valid.
    #[error("the certificate ended")]
    Expired,
    /// So little is free that files are refused.
    #[error("the store has no room: {0}")]
    Room(String),
    /// A file could not be written.
    #[error("the store cannot be written: {0}")]
    Store(String),
    /// Nothing could be committed.
    #[error("the history cannot be written: {0}")]
    History(String),
}

/// When certificates end, in seconds since 1970, for keys that a server has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ends {
    /// The server's.
    pub server: Option<i64>,
    /// The receipt key's.
    pub receipts: Option<i64>,
}

impl Ends {
    fn of(identity: &Identity) -> Self {
        let receipts = identity.receipt_key().and_then(|key| facts::not_after(key.certificate_pem()));
        Self { server: facts::not_after(identity.certificate_pem()), receipts }
    }
}

/// The parts of a service that a reload replaces.
#[derive(Clone)]
pub(super) struct Parts {
    disk: Arc<DiskLimits>,
    /// Limit of the PKCS #1 v1.5 blocks that do not conform.
    pub(super) budget: PaddingBudget,
    pub(super) ends: Ends,
}

impl Parts {
    fn of(service: &Service) -> Self {
        Self {
            disk: Arc::clone(&service.policy.disk),
            budget: service.budget.clone(),
            ends: service.identity.as_deref().map(Ends::of).unwrap_or_default(),
        }
    }
}

/// The parts of a server that must work.
pub(crate) struct Checks {
    store: Arc<dyn Store>,
    history: Option<Arc<Serving>>,
    pub(super) parts: Mutex<Parts>,
    draining: AtomicBool,
    /// Returns the number of addresses that are refused for bad sessions, once the server runs.
    penalties: OnceLock<Box<dyn Fn() -> usize + Send + Sync>>,
    last: Mutex<Option<(Instant, Result<(), NotReady>)>>,
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks").field("draining", &self.draining).finish_non_exhaustive()
    }
}

impl Checks {
    /// Creates checks of the parts of a service.
    pub(crate) fn of(service: &Service) -> Self {
        Self {
            store: Arc::clone(&service.store),
            history: service.history.clone(),
            parts: Mutex::new(Parts::of(service)),
            draining: AtomicBool::new(false),
            penalties: OnceLock::new(),
            last: Mutex::new(None),
        }
    }

    /// Counts penalties with this from now on.
    pub(crate) fn count_penalties(&self, count: impl Fn() -> usize + Send + Sync + 'static) {
        // A server is started once.
        let _ = self.penalties.set(Box::new(count));
    }

    /// Returns the number of addresses that are refused for bad sessions at the moment.
    pub(crate) fn penalties(&self) -> usize {
        self.penalties.get().map_or(0, |count| count())
    }

    /// Checks the parts of another service from now on, which has the same store and history.
    pub(crate) fn follow(&self, service: &Service) {
        *self.parts.lock() = Parts::of(service);
        *self.last.lock() = None;
    }

    /// Returns the parts that a reload replaces.
    pub(super) fn parts(&self) -> Parts {
        self.parts.lock().clone()
    }

    /// Notes that the server accepts no further sessions.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Returns whether the server stops.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Writes a byte to the store and commits to the history. An answer is kept for a second.
    ///
    /// # Errors
    /// The first part that does not work.
    pub(crate) fn ready(&self) -> Result<(), NotReady> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(NotReady::Draining);
        }
        let mut last = self.last.lock();
        if let Some((at, answer)) = &*last
            && at.elapsed() < FRESH
        {
            return answer.clone();
        }
        let answer = self.check();
        *last = Some((Instant::now(), answer.clone()));
        answer
    }

    fn check(&self) -> Result<(), NotReady> {
        let Parts { disk, ends, .. } = self.parts();
        if ends.server.is_some_and(|end| clock::unix_seconds() > end) {
            return Err(NotReady::Expired);
        }
        disk.check_free().map_err(|e| NotReady::Room(e.to_string()))?;
        write(&*self.store).map_err(|e| NotReady::Store(e.to_string()))?;
        if let Some(history) = &self.history {
            history.history().touch().map_err(|e: HistoryError| NotReady::History(e.to_string()))?;
        }
        Ok(())
    }
}

#[derive(Debug, Error)]
enum Unwritten {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes a byte to a file that is never published.
fn write(store: &dyn Store) -> Result<(), Unwritten> {
    let name = FileName::from_wire(b"ready")?;
    let mut file = store.begin(&Incoming { name, size: None })?;
    let written = file.write(&[0]);
    file.abort();
    Ok(written?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs;

    use super::*;
    use crate::history::History;
    use crate::net::service::Policy;
    use crate::store::Folder;
    use crate::testing::EventLog;

    fn checks(folder: &std::path::Path, not_after: Option<i64>) -> Checks {
        let store = folder.join("store");
        let history = Arc::new(History::open(&folder.join("history.db")).unwrap());
        let held = Arc::new(Folder::open(&store).unwrap());
        let (serving, _) = Serving::open(history, &store, i64::MAX, 0).unwrap();
        let service = Service {
            policy: Policy::default(),
            identity: None,
            store: held,
            ciphertext: None,
            history: Some(serving),
            budget: PaddingBudget::default(),
            observer: Arc::new(EventLog::default()),
        };
        let checks = Checks::of(&service);
        checks.parts.lock().ends = Ends { server: not_after, receipts: None };
        checks
    }

    #[test]
    fn a_server_is_ready_until_it_drains_or_its_certificate_ends() {
        let folder = tempfile::tempdir().unwrap();
        let now = clock::unix_seconds();
        let good = checks(folder.path(), Some(now + 60));
        assert_eq!(good.ready(), Ok(()));
        assert_eq!(fs::read_dir(folder.path().join("store")).unwrap().count(), 0, "a check leaves nothing");
        good.drain();
        assert_eq!(good.ready(), Err(NotReady::Draining));
        drop(good);
        assert_eq!(checks(folder.path(), Some(now - 60)).ready(), Err(NotReady::Expired));
    }

    #[test]
    fn a_disk_with_too_little_free_is_not_ready() {
        let folder = tempfile::tempdir().unwrap();
        let disk = |min_free| {
            Arc::new(DiskLimits { folder: Some(folder.path().to_owned()), min_free, ..DiskLimits::default() })
        };
        let good = checks(folder.path(), None);
        good.parts.lock().disk = disk(1);
        assert_eq!(good.ready(), Ok(()));
        drop(good);
        let full = checks(folder.path(), None);
        full.parts.lock().disk = disk(u64::MAX);
        assert!(matches!(full.ready(), Err(NotReady::Room(why)) if why.contains("--min-free")));
    }

    #[test]
    fn a_history_that_cannot_be_written_is_not_ready_and_an_answer_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let checks = checks(folder.path(), None);
        let other = rusqlite::Connection::open(folder.path().join("history.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let answer = checks.ready();
        assert!(matches!(&answer, Err(NotReady::History(_))), "{answer:?}");
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(checks.ready(), answer, "kept for a second");
        *checks.last.lock() = None;
        assert_eq!(checks.ready(), Ok(()));
    }
}
