//! Repair when a server starts: records files that a crash left without a row, and lists those that it cannot
//! explain.
//!
//! A file is published before its row is written, and announced before it is published
//! ([`announced`](super::announced)). A process that dies in between leaves the announcement, which describes the
//! file. Only a file that matches its announcement gets a row.
//!
//! ```text
//!   name (or that of a copy), size and SHA-256 announced         ──► row: recovered
//!   the same, announced as the continuation of a published file  ──► row: recovered, amended
//!   any other file without a row, or of another size             ──► reported; `upseal audit` lists it
//! ```
//!
//! Only announced files are read: ten thousand recorded files cost a listing. A row whose file is gone is left alone,
//! because users move files.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::path::Path;

use rusqlite::{OptionalExtension as _, params};

use super::announced::Announced;
use super::columns::Bytes;
use super::folder::{self, Found};
use super::row::{Entry, Origin, Recovered};
use super::{History, HistoryError, store_path};
use crate::messages::escape;
use crate::messages::units;
use crate::store::FileName;

/// Number of files that a start reports by name; of more it reports the number.
const NAMED: usize = 10;

/// A result of the repair; displayed in one line.
#[derive(Debug)]
pub enum Repair {
    /// A row was added.
    Recorded(Recovered),
    /// The file was announced, but cannot be read.
    Unreadable {
        /// File name in the store.
        name: String,
        /// Error from the system.
        why: io::Error,
    },
    /// The file has no row and was never announced.
    Foreign {
        /// File name in the store.
        name: String,
        /// Size in bytes.
        size: u64,
    },
    /// The file's size is not that of its row, and was never announced.
    Changed {
        /// File name in the store.
        name: String,
        /// Size of the file in bytes.
        size: u64,
        /// Size in the row, in bytes.
        recorded: u64,
    },
    /// Number of further files of the last two kinds.
    More(usize),
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded(row) => {
                let (done, was) = match row.origin {
                    Origin::Amended => ("updated", "continued"),
                    _ => ("added", "stored"),
                };
                let unhashed = if row.digest.is_none() {
                    " (identified by name and size, because it was not hashed)"
                } else {
                    ""
                };
                write!(
                    f,
                    "history repaired: {done} {} ({}), which was {was} before a crash{unhashed}",
                    escape(&row.name),
                    units::bytes(row.size)
                )
            }
            Self::Unreadable { name, why } => {
                write!(
                    f,
                    "history not repaired: cannot read {}, which is not in the history: {why}",
                    escape(name)
                )
            }
            Self::Foreign { name, size } => {
                let (name, size) = (escape(name), units::bytes(*size));
                write!(f, "{name} ({size}) is in the folder, but this server did not receive it; {ACCEPT}")
            }
            Self::Changed { name, size, recorded } => {
                let name = escape(name);
                write!(f, "{name} has {size} bytes, the history says {recorded}; {ACCEPT}")
            }
            Self::More(files) => {
                let files = if *files == 1 {
                    "1 more file differs".to_owned()
                } else {
                    format!("{files} more files differ")
                };
                write!(f, "{files} from the history; `upseal audit` lists them")
            }
        }
    }
}

const ACCEPT: &str = "`upseal audit` reports it until `upseal audit --accept`";

/// Compares a store's folder with the history, adds the rows that a crash prevented, and reports what it cannot
/// explain. No server may be publishing in the store ([`Serving::open`](super::Serving::open)): files that are being
/// published look like files that a crash left.
///
/// `now_ms` is the time in milliseconds since 1970, UTC. The first call for a folder only records the time; older
/// files need no explanation.
///
/// # Errors
/// The folder cannot be listed, or the history fails. A file that cannot be read is part of the result.
pub fn run(history: &History, store: &Path, now_ms: i64) -> Result<Vec<Repair>, HistoryError> {
    let store = store_path(store)?;
    let begun_ms = history.recording_since(&store, now_ms)?;
    let rows = history.in_effect(&store)?;
    let rows: HashMap<&str, &Entry> = rows.iter().map(|row| (row.name(), row)).collect();
    let files = folder::files(&store).map_err(|why| HistoryError::Store { path: store.clone(), why })?;
    let files: Vec<(String, &Found)> = files.iter().filter_map(|file| Some((ours(file)?, file))).collect();
    let mut repairs = Vec::new();
    let mut explained: HashSet<&str> = HashSet::new();
    let (mut recovered, mut void) = (Vec::new(), Vec::new());
    for (id, announced) in history.announced(&store)? {
        let mut is_void = true;
        let here = files.iter().filter(|(name, file)| {
            file.size == announced.size && announced.fits(name) && !explained.contains(&**name)
        });
        for (name, file) in here {
            let row = rows.get(&**name).copied();
            match find(&announced, row, &store.join(name)) {
                Ok(false) => continue,
                Ok(true) => {
                    let origin = if announced.replaces.as_ref() == Some(name) {
                        Origin::Amended
                    } else {
                        Origin::Crash
                    };
                    recovered.push(Recovered {
                        at_ms: file.changed_ms,
                        store: store.clone(),
                        name: name.clone(),
                        origin,
                        size: file.size,
                        digest: announced.digest,
                        receipt: None,
                    });
                }
                // The next start may be able to read it.
                Err(why) => {
                    is_void = false;
                    repairs.push(Repair::Unreadable { name: name.clone(), why });
                }
            }
            explained.insert(name);
            break;
        }
        if is_void {
            void.push(id);
        }
    }
    history.record_all_recovered(&recovered, &void)?;
    repairs.extend(recovered.into_iter().map(Repair::Recorded));
    let strange = |(name, file): &(String, &Found)| match rows.get(&**name) {
        _ if explained.contains(&**name) => None,
        Some(row) if row.size() == file.size => None,
        Some(row) => Some(Repair::Changed { name: name.clone(), size: file.size, recorded: row.size() }),
        None if file.changed_ms < begun_ms => None,
        None => Some(Repair::Foreign { name: name.clone(), size: file.size }),
    };
    let mut strange: Vec<Repair> = files.iter().filter_map(strange).collect();
    let more = strange.len().saturating_sub(NAMED);
    strange.truncate(NAMED);
    repairs.extend(strange);
    repairs.extend((more > 0).then_some(Repair::More(more)));
    Ok(repairs)
}

/// Returns whether the file at `path`, whose name and size match, is the announced one and has no row yet. Without a
/// digest, name and size decide, unless a row has them already.
fn find(announced: &Announced, row: Option<&Entry>, path: &Path) -> io::Result<bool> {
    let is_known = row.is_some_and(|row| row.size() == announced.size && row.digest() == announced.digest);
    match announced.digest {
        _ if is_known => Ok(false),
        None => Ok(true),
        Some(digest) => Ok(folder::read(path)?.digest == digest),
    }
}

impl Announced {
    /// Returns whether a store may have given the file this name.
    pub(super) fn fits(&self, name: &str) -> bool {
        self.replaces.as_deref() == Some(name)
            || FileName::from_path(self.want.as_bytes()).is_ok_and(|want| want.may_become(name))
    }
}

/// Returns the file's name if a store could have given it.
fn ours(file: &Found) -> Option<String> {
    let name = file.name.to_str()?;
    FileName::from_path(name.as_bytes()).ok()?;
    Some(name.to_owned())
}

impl History {
    /// Returns the time since which files of this store are recorded; for a new store, records `now_ms`.
    fn recording_since(&self, store: &Path, now_ms: i64) -> Result<i64, HistoryError> {
        if let Some(since_ms) = self.recorded_since(store)? {
            return Ok(since_ms);
        }
        let sql = "INSERT INTO store (path, since_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        self.write(|file| file.execute(sql, params![Bytes(store), now_ms]).map(drop))?;
        Ok(self.recorded_since(store)?.unwrap_or(now_ms))
    }

    /// Returns the time since which files of this store are recorded; `None` if they never were.
    pub(super) fn recorded_since(&self, store: &Path) -> Result<Option<i64>, HistoryError> {
        let sql = "SELECT since_ms FROM store WHERE path = ?1";
        self.read(|file| file.query_row(sql, [Bytes(store)], |row| row.get(0)).optional())
    }
}

#[cfg(test)]
mod tests;
