//! What a server is about to publish, written down before the files get their names.
//!
//! ```text
//!   announce   announced ◄── name, size, digest   on disk before any of them has its name
//!              … the store names them …           │ a crash in here leaves the announcement
//!   record     announced ──► received             one transaction
//! ```
//!
//! After a crash it is the only evidence that a file in the folder is the server's own work
//! ([`repair`](super::repair)): its time and its name anybody can choose.

use std::path::Path;

use rusqlite::{Connection, Row, params};

use super::entries::{Bytes, amount, bytes};
use super::{History, HistoryError};
use crate::digest::Digest;

/// A whole file that is about to get a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Announced {
    /// The name that it asks for; it may get that of a numbered copy.
    pub want: String,
    /// The published file that it takes the place of; `None`: it replaces nothing.
    pub replaces: Option<String>,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of all of them; `None` if the server was told not to hash.
    pub digest: Option<Digest>,
}

impl History {
    /// Writes down what is about to get names in this store, in one step that is on disk when this returns. Gives
    /// the number of each.
    pub fn announce(&self, store: &Path, all: &[Announced]) -> Result<Vec<i64>, HistoryError> {
        let sql = "INSERT INTO announced (store, want, replaces, size, digest) VALUES (?1, ?2, ?3, ?4, ?5)";
        let mut ids = Vec::with_capacity(all.len());
        self.write_durably(|file| {
            let mut insert = file.prepare_cached(sql)?;
            for one in all {
                let digest = one.digest.map(|digest| digest.0);
                ids.push(insert.insert(params![
                    Bytes(store),
                    one.want,
                    one.replaces,
                    amount(one.size),
                    digest
                ])?);
            }
            Ok(())
        })?;
        Ok(ids)
    }

    /// Withdraws announcements of files that did not get a name.
    pub fn withdraw(&self, ids: &[i64]) -> Result<(), HistoryError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.write(|file| withdraw(file, ids))
    }

    /// What was announced in this store and has neither a row nor was withdrawn, in the order of the announcements.
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

/// Withdraws announcements, as a part of a step.
pub(super) fn withdraw(file: &Connection, ids: &[i64]) -> rusqlite::Result<()> {
    let mut delete = file.prepare_cached("DELETE FROM announced WHERE id = ?1")?;
    for id in ids {
        delete.execute([id])?;
    }
    Ok(())
}
