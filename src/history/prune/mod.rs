//! Pruning: rows of received files that are kept for a time only (`--keep-history`).
//!
//! ```text
//!   latest row of a name, its file is in the folder   stays, however old: `upseal audit` compares the file with it
//!   latest row of a name, its file is gone            noted once; removed when the note is as old as the time
//!   earlier row of the name, or of a discarded file   removed when the row is as old as the time
//! ```
//!
//! So the audit reports a missing or changed file for at least this time, and a file that is here is recognised by its
//! recorded digest. Rows of sent files stay: they tell which files a server has already, and which receipt proves it.
//!
//! A step looks at [`STEP`] rows in the order of their numbers. Only its transaction keeps sessions waiting; the files
//! are looked at outside of it.

use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension as _, Row, params};

use super::columns::{Bytes, path};
use super::folder;
use super::{History, HistoryError};

/// Rows that a step looks at.
const STEP: usize = 256;

/// The next rows, and whether each is not the latest of its name.
const CANDIDATES: &str = "
    SELECT id, at_ms, store, name, gone_ms, kept = 'discarded' OR EXISTS (
        SELECT 1 FROM received AS later WHERE later.store = this.store AND later.name = this.name
        AND later.id > this.id AND later.kept <> 'discarded')
    FROM received AS this WHERE id > ?1 ORDER BY id LIMIT ?2";

/// What is pruned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pruning<'a> {
    /// The folder, as [`store_path`](super::store_path) returns it.
    pub store: &'a Path,
    /// Time, in milliseconds since 1970, UTC.
    pub now_ms: i64,
    /// Rows and notes from before this time are removed.
    pub before_ms: i64,
}

/// A row as the pruning sees it.
struct Candidate {
    id: i64,
    at_ms: i64,
    store: PathBuf,
    name: String,
    gone_ms: Option<i64>,
    /// Whether it is not the latest row of its name.
    is_over: bool,
}

enum Change {
    Remove(i64),
    Note(i64, Option<i64>),
}

impl History {
    /// Looks at the rows that follow `after`. Returns the number of the last one, or `None` if there are no more.
    ///
    /// # Errors
    /// The history fails. Nothing of this step is changed then.
    pub(super) fn prune(&self, what: Pruning<'_>, after: i64) -> Result<Option<i64>, HistoryError> {
        // Without its folder every file would count as gone.
        if !what.store.is_dir() {
            return Ok(None);
        }
        let rows = self.candidates(after)?;
        let last = rows.last().map(|row| row.id).filter(|_| rows.len() == STEP);
        let ours = rows.into_iter().filter(|row| row.store == what.store);
        let changes: Vec<Change> = ours.filter_map(|row| what.change(&row)).collect();
        if changes.is_empty() {
            return Ok(last);
        }
        self.write(|file| {
            let mut remove = file.prepare_cached("DELETE FROM received WHERE id = ?1")?;
            let mut note = file.prepare_cached("UPDATE received SET gone_ms = ?2 WHERE id = ?1")?;
            let mut is_pruned = false;
            for change in &changes {
                match change {
                    Change::Remove(id) => is_pruned |= remove.execute([id])? > 0,
                    Change::Note(id, gone_ms) => drop(note.execute(params![id, gone_ms])?),
                }
            }
            if is_pruned {
                let sql = "UPDATE store SET pruned_ms = max(coalesce(pruned_ms, ?2), ?2) WHERE path = ?1";
                file.execute(sql, params![Bytes(what.store), what.before_ms])?;
            }
            Ok(())
        })?;
        Ok(last)
    }

    fn candidates(&self, after: i64) -> Result<Vec<Candidate>, HistoryError> {
        let candidate = |row: &Row<'_>| {
            Ok(Candidate {
                id: row.get(0)?,
                at_ms: row.get(1)?,
                store: path(row.get(2)?),
                name: row.get(3)?,
                gone_ms: row.get(4)?,
                is_over: row.get(5)?,
            })
        };
        let most = i64::try_from(STEP).unwrap_or(i64::MAX);
        self.read(|file| file.prepare_cached(CANDIDATES)?.query_map([after, most], candidate)?.collect())
    }

    /// Returns the time before which rows of a store may have been pruned, in milliseconds since 1970, UTC.
    pub fn pruned_before(&self) -> Result<Option<i64>, HistoryError> {
        self.read(|file| file.query_row("SELECT max(pruned_ms) FROM store", [], |row| row.get(0)).optional())
            .map(Option::flatten)
    }
}

impl Pruning<'_> {
    fn change(&self, row: &Candidate) -> Option<Change> {
        if row.is_over {
            return (row.at_ms < self.before_ms).then_some(Change::Remove(row.id));
        }
        match (folder::look(self.store, &row.name), row.gone_ms) {
            (Ok(None), Some(gone_ms)) if gone_ms < self.before_ms && row.at_ms < self.before_ms => {
                Some(Change::Remove(row.id))
            }
            // The clock was set back.
            (Ok(None), Some(gone_ms)) if gone_ms > self.now_ms => {
                Some(Change::Note(row.id, Some(self.now_ms)))
            }
            (Ok(None), None) => Some(Change::Note(row.id, Some(self.now_ms))),
            (Ok(Some(_)), Some(_)) => Some(Change::Note(row.id, None)),
            // What cannot be looked at is not gone.
            (Ok(None), Some(_)) | (Ok(Some(_)), None) | (Err(_), _) => None,
        }
    }
}

#[cfg(test)]
mod tests;
