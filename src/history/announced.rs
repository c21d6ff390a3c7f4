//! Announcements: what a server is about to publish, recorded before the files get their names.
//!
//! ```text
//!   announce   announced ◄── name, size, digest   on disk before any of the files has its name
//!              … the store names the files …      │ a crash in here leaves the announcement
//!   record     announced ──► received             one transaction
//! ```
//!
//! An announcement covers a whole group of files and costs one fsync; all other writes of the history wait for none.
//!
//! After a crash, an announcement is the only evidence that a file in the folder was stored by this server
//! ([`repair`](super::repair)). Names, sizes and times prove nothing, because everyone who can write to the folder
//! can choose them.

use std::path::Path;

use rusqlite::{Connection, Row, params};

use super::columns::{Bytes, amount, bytes};
use super::{History, HistoryError};
use crate::digest::Digest;

/// A whole file that is about to get a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Announced {
    /// Requested name; the file may get the name of a numbered copy instead.
    pub want: String,
    /// Name of the published file that this one replaces, or `None`.
    pub replaces: Option<String>,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the content; `None` if the server does not hash.
    pub digest: Option<Digest>,
}

impl History {
    /// Records in one transaction which files are about to get names in a store. The records are on disk when this
    /// returns. Returns the row number of each.
    pub fn announce(&self, store: &Path, all: &[Announced]) -> Result<Vec<i64>, HistoryError> {
        let mut ids = Vec::new();
        self.write_durably(|file| {
            ids = insert(file, store, all)?;
            Ok(())
        })?;
        Ok(ids)
    }

    /// Records announcements that could not be recorded before their files got names. As a row, they do not wait for the
    /// disk: a disk that cannot sync may be why they are late.
    pub(super) fn announce_late(&self, store: &Path, all: &[Announced]) -> Result<(), HistoryError> {
        self.write(|file| insert(file, store, all).map(drop))
    }

    /// Deletes the announcements of files that did not get a name.
    pub fn withdraw(&self, ids: &[i64]) -> Result<(), HistoryError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.write(|file| withdraw(file, ids))
    }

    /// Returns the announcements of a store that have no row yet and were not withdrawn, oldest first.
    pub fn announced(&self, store: &Path) -> Result<Vec<(i64, Announced)>, HistoryError> {
        let sql = "SELECT id, want, replaces, size, digest FROM announced WHERE store = ?1 ORDER BY id";
        let announced = |row: &Row<'_>| {
            let digest = row.get::<_, Option<_>>(4)?.map(Digest);
            let (want, replaces) = (row.get(1)?, row.get(2)?);
            Ok((row.get(0)?, Announced { want, replaces, size: bytes(row, 3)?, digest }))
        };
        self.read(|file| file.prepare(sql)?.query_map([Bytes(store)], announced)?.collect())
    }
}

/// Inserts announcements inside a transaction.
fn insert(file: &Connection, store: &Path, all: &[Announced]) -> rusqlite::Result<Vec<i64>> {
    let sql = "INSERT INTO announced (store, want, replaces, size, digest) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut insert = file.prepare_cached(sql)?;
    let mut row = |one: &Announced| {
        let digest = one.digest.map(|digest| digest.0);
        insert.insert(params![Bytes(store), one.want, one.replaces, amount(one.size), digest])
    };
    all.iter().map(&mut row).collect()
}

/// Deletes announcements inside a transaction.
pub(super) fn withdraw(file: &Connection, ids: &[i64]) -> rusqlite::Result<()> {
    let mut delete = file.prepare_cached("DELETE FROM announced WHERE id = ?1")?;
    for id in ids {
        delete.execute([id])?;
    }
    Ok(())
}
