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
//! - `prune`: removing rows that are kept for a time only
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
mod prune;
pub mod repair;
pub(crate) mod replay;
pub(crate) mod row;
mod schema;
pub(crate) mod serving;

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::{Connection, ErrorCode, OpenFlags};

pub use self::announced::Announced;
pub use self::entries::{Direction, Filter};
pub use self::pending_receipts::PendingReceipt;
pub(crate) use self::pending_receipts::PendingReceipts;
pub(crate) use self::replay::{Seen, Validity};
pub use self::row::{Entry, Outcome, Received, Sent};
pub(crate) use self::row::{Origin, Receipted, Recovered};
pub(crate) use self::serving::Serving;
use crate::files::LOCK_TIMEOUT;

const RETRY: Duration = Duration::from_millis(10);
/// Time for which a write waits for a lock for which another has waited in vain.
const IMPATIENT: Duration = Duration::from_millis(50);

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
    /// The file is not a database, or parts of it are missing or overwritten. Nothing of it was changed.
    #[error("cannot {doing} the history in {}: it is damaged: {why}", path.display())]
    Damaged {
        /// The history's file.
        path: PathBuf,
        /// `open`, `read` or `write to`.
        doing: &'static str,
        /// What was found.
        why: String,
    },
    /// Another program holds its lock.
    #[error(
        "cannot {doing} the history in {path}: another program has locked it (`fuser {path}` shows which)",
        path = path.display()
    )]
    Locked {
        /// The history's file.
        path: PathBuf,
        /// `open`, `read` or `write to`.
        doing: &'static str,
    },
    /// SQLite reports another error, for example that the disk is full.
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

impl HistoryError {
    /// Tells damage and locks from other errors of SQLite.
    fn of(path: &Path, doing: &'static str, why: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match why.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, doing, why: why.to_string() }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { path, doing },
            _ => Self::Sqlite { path, doing, why },
        }
    }

    /// Returns what the user or the operator can do, or an empty text.
    #[must_use]
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Newer { .. } => "use the newer upseal, or set UPSEAL_HISTORY to another file",
            Self::Damaged { .. } => {
                "restore it from a backup, or move it away with the files whose names begin with its name: then a new \
                 history begins"
            }
            Self::Locked { .. } => "wait until that program has finished, or end it",
            Self::NotCreated { .. } | Self::Sqlite { doing: "open", .. } => {
                "set UPSEAL_HISTORY to another file"
            }
            Self::Sqlite { .. } | Self::Store { .. } | Self::PendingReceipts { .. } => "",
        }
    }
}

/// An open history. Threads share it in an `Arc` and use it one at a time.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    /// Damage that was found; nothing is read or written any more then.
    damage: OnceLock<String>,
    /// Whether a write has failed because of a lock, and none has succeeded since.
    is_locked: AtomicBool,
    /// Whether the file is to be opened again: `connection` is not one to it.
    is_closed: AtomicBool,
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
        check_remains(path)?;
        create(path).map_err(|why| HistoryError::NotCreated { path: path.to_owned(), why })?;
        Self::connect(path)
    }

    /// Opens a history if the file exists. Never creates it.
    pub fn open_existing(path: &Path) -> Result<Option<Self>, HistoryError> {
        check_remains(path)?;
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
        let opening = |why| HistoryError::of(path, "open", why);
        let mut connection = Connection::open(path).map_err(opening)?;
        connection.busy_timeout(LOCK_TIMEOUT).map_err(opening)?;
        schema::check(&connection, path)?;
        use_wal(&connection).map_err(opening)?;
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(opening)?;
        schema::migrate(&mut connection, schema::MIGRATIONS).map_err(opening)?;
        Ok(Self {
            path: path.to_owned(),
            damage: OnceLock::new(),
            is_locked: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            connection: Mutex::new(connection),
        })
    }

    /// Closes the file and opens it again, with nothing remembered of it. After an error of the disk, SQLite may take its own
    /// memory for the file's and report damage that is not there, or a lock that only it still knows of.
    fn reopen(&self, connection: &mut Connection) -> Result<(), HistoryError> {
        let opening = |why| self.failed("open", why);
        self.is_closed.store(true, Ordering::Relaxed);
        // Locks of this process are given up only when nothing has the file open.
        *connection = Connection::open_in_memory().map_err(opening)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let fresh = Connection::open_with_flags(&self.path, flags).map_err(opening)?;
        fresh.busy_timeout(IMPATIENT).map_err(opening)?;
        schema::check(&fresh, &self.path).map_err(|error| self.note(error))?;
        fresh.pragma_update(None, "synchronous", "NORMAL").map_err(opening)?;
        *connection = fresh;
        self.is_closed.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Returns the connection, and opens the file again if that was not possible before.
    fn open_connection(&self, doing: &'static str) -> Result<MutexGuard<'_, Connection>, HistoryError> {
        self.check(doing)?;
        let mut connection = self.connection.lock();
        if self.is_closed.load(Ordering::Relaxed) {
            self.reopen(&mut connection)?;
        }
        Ok(connection)
    }

    /// Runs a query, twice if the file must be opened again.
    fn read<T>(&self, mut ask: impl FnMut(&Connection) -> rusqlite::Result<T>) -> Result<T, HistoryError> {
        let mut connection = self.open_connection("read")?;
        let mut done = ask(&connection);
        if done.as_ref().is_err_and(|why| is_confused(why, false)) {
            self.reopen(&mut connection)?;
            done = ask(&connection);
        }
        drop(connection);
        done.map_err(|why| self.failed("read", why))
    }

    /// Runs a transaction, twice if the file must be opened again.
    fn write(&self, mut change: impl FnMut(&Connection) -> rusqlite::Result<()>) -> Result<(), HistoryError> {
        self.change(|connection| schema::immediately(connection, |transaction| change(transaction)))
    }

    /// Fails if damage was found before.
    ///
    /// # Errors
    /// The damage.
    pub(crate) fn check(&self, doing: &'static str) -> Result<(), HistoryError> {
        match self.damage.get() {
            None => Ok(()),
            Some(why) => Err(HistoryError::Damaged { path: self.path.clone(), doing, why: why.clone() }),
        }
    }

    /// Changes the file. After a write that has waited for a lock in vain, others wait shortly until one succeeds:
    /// otherwise all sessions of a server would wait one after another.
    fn change(
        &self,
        mut change: impl FnMut(&mut Connection) -> rusqlite::Result<()>,
    ) -> Result<(), HistoryError> {
        let mut connection = self.open_connection("write to")?;
        let is_patient = !self.is_locked.load(Ordering::Relaxed);
        let patience = if is_patient { LOCK_TIMEOUT } else { IMPATIENT };
        let mut done = connection.busy_timeout(patience).and_then(|()| change(&mut connection));
        if done.as_ref().is_err_and(|why| is_confused(why, is_patient)) {
            self.reopen(&mut connection)?;
            done = change(&mut connection);
        }
        drop(connection);
        let done = done.map_err(|why| self.failed("write to", why));
        self.is_locked.store(matches!(done, Err(HistoryError::Locked { .. })), Ordering::Relaxed);
        done
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
        mut change: impl FnMut(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(), HistoryError> {
        self.change(|connection| {
            let done = connection
                .pragma_update(None, "synchronous", "FULL")
                .and_then(|()| schema::immediately(connection, |transaction| change(transaction)));
            // Even after an error, later writes need not wait for the disk.
            let back = connection.pragma_update(None, "synchronous", "NORMAL");
            done.and(back)
        })
    }

    /// Lets a step of SQLite, or a commit, fail: the one with this number, counted from 0 and from now on. Returns
    /// whether it has failed.
    #[cfg(test)]
    pub(crate) fn fail(&self, what: Failing, number: u64) -> std::sync::Arc<AtomicBool> {
        let fired = std::sync::Arc::<AtomicBool>::default();
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
        self.note(HistoryError::of(&self.path, doing, why))
    }

    /// Remembers damage.
    fn note(&self, error: HistoryError) -> HistoryError {
        if let HistoryError::Damaged { why, .. } = &error {
            self.damage.get_or_init(|| why.clone());
        }
        error
    }
}

/// Refuses an empty file that was a history, and a missing one whose log is there. SQLite would begin a new history and
/// remove the log, which may have all rows of the former one.
fn check_remains(path: &Path) -> Result<(), HistoryError> {
    let suffixed = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let has_log = std::fs::metadata(suffixed("-wal")).is_ok_and(|log| log.len() > 0);
    let locks = suffixed(serving::STORE_LOCK);
    // The file is looked at last: a process that creates it writes to it before it writes to the others.
    let is_empty = match std::fs::metadata(path) {
        // For SQLite a file of one byte is empty too.
        Ok(file) => file.is_file() && file.len() <= 1,
        Err(why) => why.kind() == io::ErrorKind::NotFound && has_log,
    };
    if !is_empty || !(has_log || begins(&locks)) {
        return Ok(());
    }
    let why = "it is missing or empty, but files that belong to it are there".to_owned();
    Err(HistoryError::Damaged { path: path.to_owned(), doing: "open", why })
}

/// Returns whether there is a file whose path begins so.
fn begins(path: &Path) -> bool {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return false };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| entry.file_name().as_encoded_bytes().starts_with(name.as_encoded_bytes()))
}

/// Returns whether an error may be one of the open connection and not of the file. `has_waited`: a lock was waited for.
fn is_confused(why: &rusqlite::Error, has_waited: bool) -> bool {
    match why.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::FileLockingProtocolFailed) => {
            true
        }
        Some(ErrorCode::DatabaseBusy) => has_waited,
        _ => false,
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
mod damage_tests;
#[cfg(test)]
mod tests;
