//! The history: what was sent and received, and the replay memory. One SQLite file.
//!
//! ```text
//!   client's worker ── record_sent ─────┐                  ┌─► history      `upseal history`, screen 5
//!   server's session ─ record_received ─┼─► history.db ────┼─► in_effect    repair at start, `upseal audit`
//!                     └ remember ───────┘                  └─► is_seen, receipted
//! ```
//!
//! - [`row`]: what is recorded of a file
//! - [`entries`]: recording it, and the questions about it
//! - [`pending_receipts`]: what a client sent and has no row yet, because no receipt has come
//! - `padding`: how many PKCS #1 v1.5 blocks of a server key did not conform
//! - [`replay`]: what was seen and must not come again
//! - [`announced`]: what a server is about to publish
//! - [`serving`]: what the sessions of one server share of all this
//! - [`repair`]: what a crash left without a row
//! - [`audit`]: whether folder, history and receipts say the same
//! - `schema`: the tables, and how an older file becomes a newer one
//!
//! Programs may have the file open at the same time: WAL lets them read while one of them writes, and
//! whoever wants to write too waits for at most 5 s. A row that was recorded survives the program's
//! death; a power failure may take the latest ones (`synchronous = NORMAL`), which [`repair`] restores
//! for received files from their announcements, which are on disk before the files have names.
//!
//! It knows no network, no transfer and no screen.

pub mod announced;
pub mod audit;
pub mod entries;
mod folder;
mod padding;
pub mod pending_receipts;
pub mod repair;
pub mod replay;
pub mod row;
mod schema;
pub mod serving;

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

pub use self::announced::Announced;
pub use self::entries::{Direction, Filter};
pub use self::pending_receipts::{PendingReceipt, PendingReceipts};
pub use self::replay::Seen;
pub use self::row::{Entry, Origin, Outcome, Received, Recovered, Sent};
pub use self::serving::Serving;

/// How long to wait for another program that writes.
const PATIENCE: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(10);

/// Why the history cannot be asked or written to. Each says all in one line.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file or its folder cannot be created.
    #[error("cannot create the history in {}: {why}", path.display())]
    NotCreated {
        /// The file.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// A newer upseal has written it.
    #[error("the history in {} has version {found}; this upseal knows versions up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The latest version that is known here.
        known: i64,
    },
    /// SQLite says no: the file is no database, the disk is full, another program keeps it locked.
    #[error("cannot {doing} the history in {}: {why}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// `open`, `read` or `write to`.
        doing: &'static str,
        /// What it says.
        why: rusqlite::Error,
    },
    /// What a receipt is asked for cannot be written down before.
    #[error(
        "if upseal is killed now, what it has sent is not in the history in {}: {why}", path.display()
    )]
    PendingReceipts {
        /// The history.
        path: PathBuf,
        /// What the file of its lock says.
        why: io::Error,
    },
    /// The folder of received files cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Store {
        /// The folder, or a file in it.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
}

/// The open history. Threads share it in an `Arc`; one of them is inside at a time.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl History {
    /// Opens the file `path`, and creates it (0600) and its folder (0700) if need be. A file of an older
    /// upseal is brought up to date.
    ///
    /// # Errors
    /// It cannot be created, is no database of ours, is of a newer upseal, or stays locked for 5 s.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        create(path).map_err(|why| HistoryError::NotCreated { path: path.to_owned(), why })?;
        Self::connect(path)
    }

    /// Opens the file `path` if it exists; reading creates none.
    pub fn open_existing(path: &Path) -> Result<Option<Self>, HistoryError> {
        match path.try_exists() {
            Ok(false) => Ok(None),
            // What cannot even be looked at has its reason told by SQLite.
            Ok(true) | Err(_) => Self::connect(path).map(Some),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn connect(path: &Path) -> Result<Self, HistoryError> {
        let opening = |why| HistoryError::Sqlite { path: path.to_owned(), doing: "open", why };
        let mut connection = Connection::open(path).map_err(opening)?;
        connection.busy_timeout(PATIENCE).map_err(opening)?;
        schema::check(&connection, path)?;
        use_wal(&connection).map_err(opening)?;
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(opening)?;
        schema::migrate(&mut connection, schema::STEPS).map_err(opening)?;
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection) })
    }

    /// Asks something.
    fn read<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, HistoryError> {
        ask(&self.lock()).map_err(|why| self.failed("read", why))
    }

    /// Writes, all of it or nothing.
    fn write(&self, change: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<(), HistoryError> {
        let mut connection = self.lock();
        let done = schema::immediately(&mut connection, |transaction| change(transaction));
        done.map_err(|why| self.failed("write to", why))
    }

    /// Writes, all of it or nothing, and brings it to disk together with everything that was written before.
    fn write_durably(
        &self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(), HistoryError> {
        let mut connection = self.lock();
        let done = connection
            .pragma_update(None, "synchronous", "FULL")
            .and_then(|()| schema::immediately(&mut connection, |transaction| change(transaction)));
        // Whatever happened: the next write need not wait for the disk.
        let back = connection.pragma_update(None, "synchronous", "NORMAL");
        done.and(back).map_err(|why| self.failed("write to", why))
    }

    /// A panic inside leaves no transaction open: dropped, it is rolled back.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, doing: &'static str, why: rusqlite::Error) -> HistoryError {
        HistoryError::Sqlite { path: self.path.clone(), doing, why }
    }
}

/// SQLite would create the file for everybody to read, and gives its permissions to the files beside it.
fn create(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

/// SQLite does not wait where two programs make this change at once: it would be waiting for itself.
fn use_wal(connection: &Connection) -> rusqlite::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(why)
                if why.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < deadline =>
            {
                thread::sleep(AGAIN);
            }
            done => return done,
        }
    }
}

/// How a store's folder is written in the history: absolute, without links, so that it is the same one
/// however it was named.
///
/// # Errors
/// It does not exist, or cannot be reached.
pub fn store_path(folder: &Path) -> Result<PathBuf, HistoryError> {
    folder.canonicalize().map_err(|why| HistoryError::Store { path: folder.to_owned(), why })
}

#[cfg(test)]
mod tests;
