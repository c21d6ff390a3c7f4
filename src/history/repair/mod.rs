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
//! A start takes no longer the more files and rows there are. Announced files are looked for by their names, and only
//! they are read. Of the others at most [`COMPARED`] are compared with their rows; `upseal audit` compares all. A row
//! whose file is gone is left alone, because users move files.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io;
use std::path::Path;

use rusqlite::{OptionalExtension as _, params};

use super::announced::Announced;
use super::columns::{Bytes, bytes};
use super::folder::{self, Found};
use super::row::{Entry, Origin, Recovered};
use super::{History, HistoryError, store_path};
use crate::messages::escape;
use crate::messages::units;
use crate::store::FileName;

mod places;

/// Number of files that a start reports by name; of more it reports the number.
const NAMED: usize = 10;
/// Entries of the folder and the folders in it that a start compares with the history at most. They take 0.1 s.
pub(super) const COMPARED: usize = 10_000;

/// Size in the row in effect of a name in a store.
const RECORDED_SIZE: &str = "SELECT size FROM received WHERE store = ?1 AND name = ?2 AND kept <> 'discarded'
                             ORDER BY id DESC LIMIT 1";

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
    /// The folder has so many files that only some were compared.
    Uncompared,
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
            Self::Uncompared => write!(
                f,
                "only {} entries of the folder were compared with the history; `upseal audit` compares all",
                units::grouped(COMPARED as u64)
            ),
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
    let mut repairs = Vec::new();
    let mut explained: HashSet<String> = HashSet::new();
    let (mut recovered, mut void) = (Vec::new(), Vec::new());
    for (id, announced) in history.announced(&store)? {
        match settle(history, &store, &announced, &explained) {
            Ok(found) => {
                void.push(id);
                if let Some(file) = found {
                    explained.insert(file.name.clone());
                    recovered.push(file);
                }
            }
            Err(Unsettled::History(why)) => return Err(why),
            // The next start may be able to read it.
            Err(Unsettled::Unreadable { name, why }) => {
                explained.insert(name.clone());
                repairs.push(Repair::Unreadable { name, why });
            }
        }
    }
    history.record_all_recovered(&recovered, &void)?;
    repairs.extend(recovered.into_iter().map(Repair::Recorded));
    repairs.extend(strange(history, &store, begun_ms, &explained, COMPARED)?);
    Ok(repairs)
}

/// Why it is unknown what became of an announced file.
enum Unsettled {
    History(HistoryError),
    Unreadable { name: String, why: io::Error },
}

impl From<HistoryError> for Unsettled {
    fn from(why: HistoryError) -> Self {
        Self::History(why)
    }
}

/// Returns the row of an announced file, if it has its name and no row yet.
fn settle(
    history: &History,
    store: &Path,
    announced: &Announced,
    explained: &HashSet<String>,
) -> Result<Option<Recovered>, Unsettled> {
    let unreadable = |name: &str| {
        let name = name.to_owned();
        |why| Unsettled::Unreadable { name, why }
    };
    let places = places::of(store, announced).map_err(unreadable(&announced.want))?;
    for (name, file) in places {
        if file.size != announced.size || explained.contains(&name) {
            continue;
        }
        let row = history.latest(store, &name)?;
        if !find(announced, row.as_ref(), &store.join(&name)).map_err(unreadable(&name))? {
            continue;
        }
        let is_amended = announced.replaces.as_ref() == Some(&name);
        return Ok(Some(Recovered {
            at_ms: file.changed_ms,
            store: store.to_owned(),
            name,
            origin: if is_amended { Origin::Amended } else { Origin::Crash },
            size: file.size,
            digest: announced.digest,
            receipt: None,
        }));
    }
    Ok(None)
}

/// Compares files with their rows, and returns those that cannot be explained. Looks at `most` entries of folders.
fn strange(
    history: &History,
    store: &Path,
    begun_ms: i64,
    explained: &HashSet<String>,
    most: usize,
) -> Result<Vec<Repair>, HistoryError> {
    let mut strange: BTreeMap<String, Repair> = BTreeMap::new();
    let mut more = 0;
    let are_all = folder::each(store, most, &mut |file: Found| {
        let Some(name) = ours(&file).filter(|name| !explained.contains(name)) else { return Ok(()) };
        let repair = match history.recorded_size(store, &name).map_err(Unlisted::History)? {
            Some(size) if size == file.size => return Ok(()),
            None if file.changed_ms < begun_ms => return Ok(()),
            Some(recorded) => Repair::Changed { name: name.clone(), size: file.size, recorded },
            None => Repair::Foreign { name: name.clone(), size: file.size },
        };
        strange.insert(name, repair);
        if strange.len() > NAMED {
            strange.pop_last();
            more += 1;
        }
        Ok(())
    });
    let are_all = are_all.map_err(|why| match why {
        Unlisted::Folder(why) => HistoryError::Store { path: store.to_owned(), why },
        Unlisted::History(why) => why,
    })?;
    let mut repairs: Vec<Repair> = strange.into_values().collect();
    repairs.extend((more > 0).then_some(Repair::More(more)));
    repairs.extend((!are_all).then_some(Repair::Uncompared));
    Ok(repairs)
}

/// Why files were not compared.
enum Unlisted {
    Folder(io::Error),
    History(HistoryError),
}

impl From<io::Error> for Unlisted {
    fn from(why: io::Error) -> Self {
        Self::Folder(why)
    }
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
    /// Returns the size in the row in effect of a name in a store, in bytes.
    fn recorded_size(&self, store: &Path, name: &str) -> Result<Option<u64>, HistoryError> {
        self.read(|file| {
            let mut size = file.prepare_cached(RECORDED_SIZE)?;
            size.query_row(params![Bytes(store), name], |row| bytes(row, 0)).optional()
        })
    }

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
