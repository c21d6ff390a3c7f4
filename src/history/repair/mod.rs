//! What a crash left without a row, found and recorded when a server starts; and what it cannot explain.
//!
//! A file is published before its row is written, and announced before it is published
//! ([`announced`](super::announced)). A program that dies in between leaves the announcement, which says what
//! the file is: only a file that is exactly that gets its row.
//!
//! ```text
//!   announced: this name or a copy of it, size and SHA-256 ──► a row: recovered
//!   announced as more of a published file, the same        ──► a row: recovered, amended
//!   any other file without a row, or of another size       ──► named; it stays a difference in the audit
//! ```
//!
//! Nothing but what was announced is read: ten thousand files that are known cost a listing. A row whose file is gone
//! is left alone, because users move files.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::path::Path;

use rusqlite::{OptionalExtension as _, params};

use super::announced::Announced;
use super::entries::Bytes;
use super::folder::{self, Found};
use super::row::{Entry, Origin, Recovered};
use super::{History, HistoryError, store_path};
use crate::messages::escape;
use crate::messages::units;
use crate::store::FileName;

/// Files that are named at a start; of more their number is said.
const NAMED: usize = 10;

/// What a start found; each says all in one line.
#[derive(Debug)]
pub enum Repair {
    /// A row was added.
    Recorded(Recovered),
    /// It was announced, and cannot be read.
    Unreadable {
        /// Its name in the store.
        name: String,
        /// Why.
        why: io::Error,
    },
    /// It has no row, and was never announced.
    Foreign {
        /// Its name in the store.
        name: String,
        /// Bytes.
        size: u64,
    },
    /// It has another size than its row says, and that was never announced.
    Changed {
        /// Its name in the store.
        name: String,
        /// Bytes in the folder.
        size: u64,
        /// Bytes in the history.
        recorded: u64,
    },
    /// So many more files of the last two kinds.
    More(usize),
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded(row) => {
                let was = match row.origin {
                    Origin::Amended => "was amended before a crash and had an older row",
                    _ => "was stored before a crash and had no row",
                };
                let unhashed = if row.digest.is_none() {
                    " (known by its name and size: it was not hashed)"
                } else {
                    ""
                };
                write!(
                    f,
                    "history repaired: {} ({}) {was}{unhashed}",
                    escape(&row.name),
                    units::bytes(row.size)
                )
            }
            Self::Unreadable { name, why } => {
                write!(f, "history not repaired: {} has no row and cannot be read: {why}", escape(name))
            }
            Self::Foreign { name, size } => {
                let (name, size) = (escape(name), units::bytes(*size));
                write!(f, "{name} ({size}) is in the folder and was not received by this server: {ACCEPT}")
            }
            Self::Changed { name, size, recorded } => {
                let name = escape(name);
                write!(f, "{name} has {size} bytes, the history says {recorded}: {ACCEPT}")
            }
            Self::More(files) => {
                let files = if *files == 1 {
                    "1 more file differs".to_owned()
                } else {
                    format!("{files} more files differ")
                };
                write!(f, "{files} from the history: upseal audit names them")
            }
        }
    }
}

const ACCEPT: &str = "it stays a difference in upseal audit until upseal audit --accept";

/// Compares a store's folder with its rows: adds those that a crash swallowed, and names what it cannot explain. To be
/// called while no server publishes there ([`Serving::open`](super::Serving::open)): what it is about to publish would
/// look like what a crash left.
///
/// `now_ms`: milliseconds since 1970, UTC. The first call for a folder only notes the time; files that
/// were there before are not ours to explain.
///
/// # Errors
/// The folder cannot be listed, or the history fails. A file that cannot be read is in the result.
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
                        at_ms: file.modified_ms,
                        store: store.clone(),
                        name: name.clone(),
                        origin,
                        size: file.size,
                        digest: announced.digest,
                        receipt: None,
                    });
                }
                // Another start may be able to.
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
        None if file.modified_ms < begun_ms => None,
        None => Some(Repair::Foreign { name: name.clone(), size: file.size }),
    };
    let mut strange: Vec<Repair> = files.iter().filter_map(strange).collect();
    let more = strange.len().saturating_sub(NAMED);
    strange.truncate(NAMED);
    repairs.extend(strange);
    repairs.extend((more > 0).then_some(Repair::More(more)));
    Ok(repairs)
}

/// Whether the file there, which has the right size and name, is what was announced and has no row yet. Without a
/// digest its name and size decide, if no row says them already.
fn find(announced: &Announced, row: Option<&Entry>, path: &Path) -> io::Result<bool> {
    let is_known = row.is_some_and(|row| row.size() == announced.size && row.digest() == announced.digest);
    match announced.digest {
        _ if is_known => Ok(false),
        None => Ok(true),
        Some(digest) => Ok(folder::read(path)?.digest == digest),
    }
}

impl Announced {
    /// Whether a store may have given this name to it.
    pub(super) fn fits(&self, name: &str) -> bool {
        self.replaces.as_deref() == Some(name)
            || FileName::from_wire(self.want.as_bytes()).is_ok_and(|want| want.may_become(name))
    }
}

/// Its name, if a store of ours could have given it.
fn ours(file: &Found) -> Option<String> {
    let name = file.name.to_str()?;
    FileName::from_wire(name.as_bytes()).ok().filter(|safe| safe.as_str() == name)?;
    Some(name.to_owned())
}

impl History {
    /// Since when files of this store are recorded: since `now_ms`, if it is new.
    fn recording_since(&self, store: &Path, now_ms: i64) -> Result<i64, HistoryError> {
        if let Some(since_ms) = self.recorded_since(store)? {
            return Ok(since_ms);
        }
        let sql = "INSERT INTO store (path, since_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        self.write(|file| file.execute(sql, params![Bytes(store), now_ms]).map(drop))?;
        Ok(self.recorded_since(store)?.unwrap_or(now_ms))
    }

    /// Since when files of this store are recorded; `None` if they never were.
    pub(super) fn recorded_since(&self, store: &Path) -> Result<Option<i64>, HistoryError> {
        let sql = "SELECT since_ms FROM store WHERE path = ?1";
        self.read(|file| file.query_row(sql, [Bytes(store)], |row| row.get(0)).optional())
    }
}

#[cfg(test)]
mod tests;
