//! Files that a client has sent and whose receipts have not come yet.
//!
//! A receipt is saved before the rows of its files are written, and the process can be killed in between. So the
//! files are recorded before their receipt is requested, together with everything that only the sender knows about
//! them. They become rows of the history when their outcome is known. If the process is killed, the next one settles
//! them from the receipts that were saved (`transfer::recover`).
//!
//! ```text
//!   record    asked ◄── files        shared lock     ──┐
//!             … the receipt comes and is saved …       │ a kill -9 in here leaves them in the table `asked`,
//!   resolve   asked ──► sent         one transaction ──┘ and the kernel releases the lock
//! ```
//!
//! A process that waits for receipts holds a shared lock on `history.db-asked` until the rows are written. The
//! process that gets the lock exclusively knows that all entries in `asked` were abandoned.

use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{Connection, Row, params};

use super::columns::{Bytes, amount, bytes, path, variant};
use super::entries::insert_sent;
use super::row::{Outcome, Sent};
use super::{History, HistoryError};
use crate::digest::Digest;
use crate::files::{LOCK_TIMEOUT, Lock, LockKind, lock};

/// A file that was sent completely and whose receipt is requested.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingReceipt {
    /// Number of the file on its connection, counted from 1.
    pub ordinal: u64,
    /// Folder in which the receipt will be saved; `None` if it will not be saved.
    pub receipts: Option<PathBuf>,
    /// Row of the file if nothing more becomes known: failed, because not confirmed. `digest` is set.
    pub sent: Sent,
}

/// The entries of one request, locked. If it is dropped before they are resolved, they are left to the next start.
#[derive(Debug)]
pub struct PendingReceipts {
    ids: RangeInclusive<i64>,
    _shared: File,
}

/// Exclusive lock: no other process has pending entries.
#[derive(Debug)]
pub struct AbandonedReceipts {
    _exclusive: File,
}

impl History {
    /// Records files before their receipt is requested. Returns `None` if there are none, or if the file system has
    /// no locks; then a crash leaves no record of them.
    ///
    /// # Errors
    /// The history or its lock file cannot be written, or stays locked for 5 s. The receipt may still be requested.
    pub fn record_pending_receipts(
        &self,
        all: &[PendingReceipt],
    ) -> Result<Option<PendingReceipts>, HistoryError> {
        let sql =
            "INSERT INTO asked (at_ms, ordinal, receipts, address, key, variant, name, path, size, digest,
                   seconds, wire_bytes, why, predicted)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
        if all.is_empty() {
            return Ok(None);
        }
        let asking = |why| HistoryError::PendingReceipts { path: self.path().to_owned(), why };
        let lock = self.lock_pending_receipts(LockKind::Shared, LOCK_TIMEOUT);
        let Some(shared) = lock.and_then(Lock::held).map_err(asking)? else { return Ok(None) };
        let (mut first, mut last) = (0, 0);
        self.write(|file| {
            let mut insert = file.prepare(sql)?;
            for PendingReceipt { ordinal, receipts, sent } in all {
                last = insert.insert(params![
                    sent.at_ms,
                    amount(*ordinal),
                    receipts.as_deref().map(Bytes),
                    sent.address,
                    sent.key.map(|key| key.0),
                    sent.variant.word(),
                    sent.name,
                    Bytes(&sent.path),
                    amount(sent.size),
                    sent.digest.map(|digest| digest.0),
                    sent.seconds,
                    amount(sent.wire_bytes),
                    sent.why,
                    sent.predicted,
                ])?;
                first = if first == 0 { last } else { first };
            }
            Ok(())
        })?;
        // Rows that one transaction inserts have consecutive numbers.
        Ok(Some(PendingReceipts { ids: first..=last, _shared: shared }))
    }

    /// Replaces pending entries by their rows, in one transaction.
    pub fn resolve_pending_receipts(
        &self,
        pending: &PendingReceipts,
        rows: &[Sent],
    ) -> Result<(), HistoryError> {
        self.write(|file| {
            forget(file, &pending.ids)?;
            insert_sent(file, rows)
        })
    }

    /// Returns whether there are entries, of running processes or abandoned.
    pub fn has_pending_receipts(&self) -> Result<bool, HistoryError> {
        self.read(|file| file.query_row("SELECT EXISTS (SELECT 1 FROM asked)", [], |row| row.get(0)))
    }

    /// Locks the abandoned entries. Returns `None` if another process waits for a receipt, or if locking fails.
    #[must_use]
    pub fn lock_abandoned_receipts(&self) -> Option<AbandonedReceipts> {
        match self.lock_pending_receipts(LockKind::Exclusive, Duration::ZERO) {
            Ok(Lock::Held(file)) => Some(AbandonedReceipts { _exclusive: file }),
            _ => None,
        }
    }

    /// Returns the abandoned entries, oldest first.
    pub fn abandoned_receipts(&self, _lock: &AbandonedReceipts) -> Result<Vec<PendingReceipt>, HistoryError> {
        let sql = "SELECT at_ms, ordinal, receipts, address, key, variant, name, path, size, digest, seconds,
                   wire_bytes, why, predicted FROM asked ORDER BY id";
        self.read(|file| file.prepare(sql)?.query_map([], asked_row)?.collect())
    }

    /// Replaces the abandoned entries by their rows, in one transaction.
    pub fn resolve_abandoned_receipts(
        &self,
        _lock: &AbandonedReceipts,
        rows: &[Sent],
    ) -> Result<(), HistoryError> {
        self.write(|file| {
            forget(file, &(0..=i64::MAX))?;
            insert_sent(file, rows)
        })
    }

    fn lock_pending_receipts(&self, kind: LockKind, timeout: Duration) -> io::Result<Lock> {
        lock(self.path(), "-asked", kind, timeout)
    }
}

fn forget(file: &Connection, ids: &RangeInclusive<i64>) -> rusqlite::Result<()> {
    file.execute("DELETE FROM asked WHERE id BETWEEN ?1 AND ?2", [ids.start(), ids.end()]).map(drop)
}

fn asked_row(row: &Row<'_>) -> rusqlite::Result<PendingReceipt> {
    Ok(PendingReceipt {
        ordinal: bytes(row, 1)?,
        receipts: row.get::<_, Option<_>>(2)?.map(path),
        sent: Sent {
            at_ms: row.get(0)?,
            address: row.get(3)?,
            key: row.get::<_, Option<_>>(4)?.map(Digest),
            variant: variant(row, 5)?,
            name: row.get(6)?,
            path: path(row.get(7)?),
            size: bytes(row, 8)?,
            digest: Some(Digest(row.get(9)?)),
            outcome: Outcome::Failed,
            stored_name: None,
            receipt: None,
            seconds: row.get(10)?,
            wire_bytes: bytes(row, 11)?,
            why: row.get(12)?,
            predicted: row.get(13)?,
        },
    })
}

#[cfg(test)]
mod tests;
