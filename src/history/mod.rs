//! The history of sent and received files, and the replay memory, in one SQLite file.
//!
//! ```text
//!   client's worker ── record_sent ─────┐                  ┌─► history      `upseal history`, screen 5
//!   server's session ─ record_received ─┼─► history.db ────┼─► in_effect    repair at start, `upseal audit`
//!                     └ remember ───────┘                  └─► is_seen, receipted
//! ```
//!
//! - [`row`]: what is recorded of a file
//! - [`entries`]: recording and querying rows
//! - [`pending_receipts`]: files that a client sent and whose receipts have not come yet
//! - `padding`: nonconforming PKCS #1 v1.5 blocks, counted for each server key
//! - [`replay`]: digests of what must not arrive a second time
//! - [`announced`]: what a server is about to publish
//! - [`serving`]: what the sessions of one server share
//! - [`repair`]: recording files that a crash left without a row
//! - [`audit`]: comparing folder, history and receipts
//! - `columns`: conversion between values and columns
//! - `schema`: the tables, and migrations from older versions
//!
//! Several processes may have the file open. In WAL mode they can read while one of them writes; a second writer
//! waits for at most 5 s. A recorded row survives the death of the process. A power failure may lose the latest rows
//! (`synchronous = NORMAL`); [`repair`] restores those of received files from their announcements, which are on disk
//! before the files have names.
//!
//! This module does not depend on the network, the transfers or the screen.

pub(crate) mod announced;
pub(crate) mod audit;
mod columns;
pub(crate) mod entries;
mod folder;
mod padding;
pub(crate) mod pending_receipts;
pub mod repair;
pub(crate) mod replay;
pub(crate) mod row;
mod schema;
pub(crate) mod serving;

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode};

pub use self::announced::Announced;
pub use self::entries::{Direction, Filter};
pub use self::pending_receipts::PendingReceipt;
pub(crate) use self::pending_receipts::PendingReceipts;
pub(crate) use self::replay::Seen;
pub use self::row::{Entry, Outcome, Received, Sent};
pub(crate) use self::row::{Origin, Receipted, Recovered};
pub(crate) use self::serving::Serving;
use crate::files::LOCK_TIMEOUT;

const RETRY: Duration = Duration::from_millis(10);

/// Why the history cannot be read or written. Each message is one line and contains its cause.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file or its folder cannot be created.
    #[error("cannot create the history in {}: {why}", path.display())]
    NotCreated {
        /// The history's file.
        path: PathBuf,
        /// Error from the system.
        why: io::Error,
    },
    /// The file was written by a newer version of upseal.
    #[error("unsupported version of the history in {}: {found} (supported: up to {known})", path.display())]
    Newer {
        /// The history's file.
        path: PathBuf,
        /// Version of the file.
        found: i64,
        /// Latest version that this program supports.
        known: i64,
    },
    /// SQLite reports an error: the file is not a database, the disk is full, or another process holds its lock.
    #[error("cannot {doing} the history in {}: {why}", path.display())]
    Sqlite {
        /// The history's file.
        path: PathBuf,
        /// `open`, `read` or `write to`.
        doing: &'static str,
        /// Error from SQLite.
        why: rusqlite::Error,
    },
    /// Files cannot be recorded before their receipts are requested.
    #[error(
        "cannot record in {} which receipts are pending: {why}; if upseal is killed now, the history will lack the files \
         that it has just sent", path.display()
    )]
    PendingReceipts {
        /// The history's file.
        path: PathBuf,
        /// Error from the lock file.
        why: io::Error,
    },
    /// The folder of received files cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Store {
        /// The folder, or a file in it.
        path: PathBuf,
        /// Error from the system.
        why: io::Error,
    },
}

/// What of SQLite fails in a test.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// A step of its virtual machine.
    Step,
    /// A commit.
    Commit,
}

/// An open history. Threads share it in an `Arc` and use it one at a time.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    // A panic while it is locked drops the open transaction, which rolls it back.
    connection: Mutex<Connection>,
}

impl History {
    /// Opens a history, creating the file (0600) and its folder (0700) if they are missing. An older file is
    /// migrated.
    ///
    /// # Errors
    /// The file cannot be created, is not a history, was written by a newer version, or stays locked for 5 s.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        create(path).map_err(|why| HistoryError::NotCreated { path: path.to_owned(), why })?;
        Self::connect(path)
    }

    /// Opens a history if the file exists. Never creates it.
    pub fn open_existing(path: &Path) -> Result<Option<Self>, HistoryError> {
        match path.try_exists() {
            Ok(false) => Ok(None),
            // SQLite reports why the path cannot be examined.
            Ok(true) | Err(_) => Self::connect(path).map(Some),
        }
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn connect(path: &Path) -> Result<Self, HistoryError> {
        let opening = |why| HistoryError::Sqlite { path: path.to_owned(), doing: "open", why };
        let mut connection = Connection::open(path).map_err(opening)?;
        connection.busy_timeout(LOCK_TIMEOUT).map_err(opening)?;
        schema::check(&connection, path)?;
        use_wal(&connection).map_err(opening)?;
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(opening)?;
        schema::migrate(&mut connection, schema::MIGRATIONS).map_err(opening)?;
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection) })
    }

    /// Runs a query.
    fn read<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, HistoryError> {
        ask(&self.connection.lock()).map_err(|why| self.failed("read", why))
    }

    /// Runs a transaction.
    fn write(&self, change: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<(), HistoryError> {
        let mut connection = self.connection.lock();
        let done = schema::immediately(&mut connection, |transaction| change(transaction));
        done.map_err(|why| self.failed("write to", why))
    }

    /// Commits a transaction that changes nothing that anyone reads, to find out whether one can be committed.
    ///
    /// # Errors
    /// The history cannot be written.
    pub fn touch(&self) -> Result<(), HistoryError> {
        self.write(|transaction| {
            let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
            transaction.pragma_update(None, "user_version", version)
        })
    }

    /// Runs a transaction and waits until it and everything before it is on disk.
    fn write_durably(
        &self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(), HistoryError> {
        let mut connection = self.connection.lock();
        let done = connection
            .pragma_update(None, "synchronous", "FULL")
            .and_then(|()| schema::immediately(&mut connection, |transaction| change(transaction)));
        // Even after an error, later writes need not wait for the disk.
        let back = connection.pragma_update(None, "synchronous", "NORMAL");
        done.and(back).map_err(|why| self.failed("write to", why))
    }

    /// Lets a step of SQLite, or a commit, fail: the one with this number, counted from 0 and from now on. Returns
    /// whether it has failed.
    #[cfg(test)]
    pub(crate) fn fail(&self, what: Failing, number: u64) -> std::sync::Arc<std::sync::atomic::AtomicBool> {
        use std::sync::atomic::Ordering;
        let fired = std::sync::Arc::<std::sync::atomic::AtomicBool>::default();
        let connection = self.connection.lock();
        let (mut count, has_fired) = (0, std::sync::Arc::clone(&fired));
        let fails = move || {
            let is_it = count == number;
            count += 1;
            has_fired.fetch_or(is_it, Ordering::SeqCst);
            is_it
        };
        match what {
            Failing::Step => connection.progress_handler(1, Some(fails)),
            Failing::Commit => connection.commit_hook(Some(fails)),
        }
        fired
    }

    /// Lets nothing fail any more.
    #[cfg(test)]
    pub(crate) fn heal(&self) {
        let connection = self.connection.lock();
        connection.progress_handler(1, None::<fn() -> bool>);
        connection.commit_hook(None::<fn() -> bool>);
    }

    fn failed(&self, doing: &'static str, why: rusqlite::Error) -> HistoryError {
        HistoryError::Sqlite { path: self.path.clone(), doing, why }
    }
}

/// Creates the file. SQLite would make it readable by everyone, and gives its permissions to the files beside it.
fn create(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

/// Switches to WAL mode. If two processes do so at once, SQLite returns "busy" without waiting, because it would wait
/// for itself.
fn use_wal(connection: &Connection) -> rusqlite::Result<()> {
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(why)
                if why.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < deadline =>
            {
                thread::sleep(RETRY);
            }
            done => return done,
        }
    }
}

/// Returns a store's folder as the history records it: absolute and without links, so that one folder has one name.
///
/// # Errors
/// The folder does not exist or cannot be accessed.
pub(crate) fn store_path(folder: &Path) -> Result<PathBuf, HistoryError> {
    folder.canonicalize().map_err(|why| HistoryError::Store { path: folder.to_owned(), why })
}

#[cfg(test)]
mod tests;
