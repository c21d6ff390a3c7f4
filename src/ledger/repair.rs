//! What a crash left without a row, found and recorded when a server starts.
//!
//! A file is published before its row is written: a program that dies in between leaves a file that the
//! history does not know. So a start looks for files that are newer than what the history says of their
//! folder, records them as [`Recovered`], and says so.
//!
//! ```text
//!   no row, written after the folder's last row       ──► a row: recovered
//!   longer than its row, and begins with what it says ──► a row: recovered, amended
//!   anything else that differs                        ──► left to the audit, which names it
//! ```
//!
//! Sizes and times decide what is read at all: ten thousand files that are known cost a listing. A row
//! whose file is gone is left alone, because users move files. What the replay memory did not learn in
//! time cannot be learnt from a file: that one session could be replayed once, and a file with the same
//! name and content is not stored again.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;

use rusqlite::{OptionalExtension as _, params};

use super::folder::{self, Found};
use super::history::Bytes;
use super::row::{Entry, Recovered};
use super::{Ledger, LedgerError, store_path};
use crate::escape::escape;
use crate::event::Kept;
use crate::store::FileName;
use crate::units;

/// Sessions run side by side: a file may be finished so long before the row of another and yet have none.
/// An fsync may take a while, too.
const OVERLAP_MS: i64 = 60_000;

/// What a start found; each says all in one line.
#[derive(Debug)]
pub enum Repair {
    /// A row was added.
    Recorded(Recovered),
    /// It should have got a row, and cannot be read.
    Unreadable {
        /// Its name in the store.
        name: String,
        /// Why.
        why: io::Error,
    },
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded(row) => {
                let was = match row.kept {
                    Kept::Amended => "has grown since its row",
                    _ => "was stored before a crash and had no row",
                };
                write!(f, "history repaired: {} ({}) {was}", escape(&row.name), units::bytes(row.size))
            }
            Self::Unreadable { name, why } => {
                write!(f, "history not repaired: {} has no row and cannot be read: {why}", escape(name))
            }
        }
    }
}

/// Compares a store's folder with its rows and adds those that a crash swallowed. To be called at the
/// start of a server, before it accepts anybody: a file that another program stores there at this moment
/// would be taken for one without a row.
///
/// `now_ms`: milliseconds since 1970, UTC. The first call for a folder only notes the time; files that
/// were there before are not ours to explain.
///
/// # Errors
/// The folder cannot be listed, or the ledger fails. A file that cannot be read is in the result.
pub fn run(ledger: &Ledger, store: &Path, now_ms: i64) -> Result<Vec<Repair>, LedgerError> {
    let store = store_path(store)?;
    let begun_ms = ledger.recording_since(&store, now_ms)?;
    let rows = ledger.in_effect(&store)?;
    let last_ms = rows.iter().map(Entry::at_ms).max();
    let after_ms = last_ms.map_or(begun_ms, |last_ms| begun_ms.max(last_ms - OVERLAP_MS));
    let rows: HashMap<&str, &Entry> = rows.iter().map(|row| (row.name(), row)).collect();
    let files = folder::files(&store)
        .map_err(|why| LedgerError::Store { path: store.clone(), why })?
        .into_iter()
        .filter(|file| file.modified_ms >= after_ms);
    let mut repairs = Vec::new();
    for file in files {
        let Some(name) = ours(&file) else { continue };
        let row = rows.get(name.as_str()).copied();
        if row.is_some_and(|row| row.size() >= file.size) {
            continue;
        }
        let recovered = match folder::read(&store.join(&name), row.map_or(0, Entry::size)) {
            Err(why) => {
                repairs.push(Repair::Unreadable { name, why });
                continue;
            }
            // Somebody else wrote to it: not ours to bless.
            Ok(content) if row.is_some_and(|row| row.digest() != content.head) => continue,
            Ok(content) => Recovered {
                at_ms: file.modified_ms,
                store: store.clone(),
                name,
                kept: if row.is_some() { Kept::Amended } else { Kept::New },
                size: content.size,
                digest: content.digest,
                receipt: None,
            },
        };
        ledger.record_recovered(&recovered)?;
        repairs.push(Repair::Recorded(recovered));
    }
    Ok(repairs)
}

/// Its name, if a store of ours could have given it.
fn ours(file: &Found) -> Option<String> {
    let name = file.name.to_str()?;
    FileName::from_wire(name.as_bytes()).ok().filter(|safe| safe.as_str() == name)?;
    Some(name.to_owned())
}

impl Ledger {
    /// Since when files of this store are recorded: since `now_ms`, if it is new.
    fn recording_since(&self, store: &Path, now_ms: i64) -> Result<i64, LedgerError> {
        if let Some(since_ms) = self.recorded_since(store)? {
            return Ok(since_ms);
        }
        let sql = "INSERT INTO store (path, since_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        self.write(|file| file.execute(sql, params![Bytes(store), now_ms]).map(drop))?;
        Ok(self.recorded_since(store)?.unwrap_or(now_ms))
    }

    /// Since when files of this store are recorded; `None` if they never were.
    pub(super) fn recorded_since(&self, store: &Path) -> Result<Option<i64>, LedgerError> {
        let sql = "SELECT since_ms FROM store WHERE path = ?1";
        self.read(|file| file.query_row(sql, [Bytes(store)], |row| row.get(0)).optional())
    }
}

#[cfg(test)]
mod tests;
