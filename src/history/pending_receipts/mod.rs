//! What a client has sent and asked a receipt for, until it knows what became of it.
//!
//! A receipt is kept before its rows are written, and a program can be killed in between. So the files are
//! written down before the receipt is asked for, with all that only the sender knows of them, and turn
//! into rows of the history when their end is known. Those that a dead program left are judged by the next
//! one (`transfer::recover`).
//!
//! ```text
//!   ask      asked ◄── files        shared lock     ──┐
//!            … the receipt comes, is kept …           │ a kill -9 in here leaves them in `asked`,
//!   settle   asked ──► sent         one transaction ──┘ and the kernel takes the lock away
//! ```
//!
//! Whoever has asked holds a shared lock of `history.db-asked` until its rows are written. Who gets it alone
//! knows that nobody is in between, and that all in `asked` is of the dead.

use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{Connection, Row, params};

use super::entries::{Bytes, amount, bytes, insert_sent, path, variant};
use super::row::{Outcome, Sent};
use super::{History, HistoryError, PATIENCE};
use crate::digest::Digest;
use crate::own_files::{FlockOperation, Locked, lock};

/// A file that was sent whole, and whose receipt was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingReceipt {
    /// Its number on its connection, from 1.
    pub ordinal: u64,
    /// The folder that its receipt goes to; `None`: it is kept nowhere.
    pub receipts: Option<PathBuf>,
    /// Its row if nothing more becomes known: not confirmed. The digest is there.
    pub sent: Sent,
}

/// Files that were asked for and have no rows yet. Dropped, it leaves them to the next start.
#[derive(Debug)]
pub struct PendingReceipts {
    ids: RangeInclusive<i64>,
    _shared: File,
}

/// Nobody else has asked and is in want of its rows, as long as this lives.
#[derive(Debug)]
pub struct Alone {
    _exclusive: File,
}

impl History {
    /// Writes down, before it is asked for, what a receipt is asked for. `None`: there is nothing, or the file
    /// system has no locks; then a crash leaves no trace of them here.
    ///
    /// # Errors
    /// The history or its lock cannot be written to, or stays locked for 5 s: as without locks.
    pub fn ask(&self, all: &[PendingReceipt]) -> Result<Option<PendingReceipts>, HistoryError> {
        let sql =
            "INSERT INTO asked (at_ms, ordinal, receipts, address, key, variant, name, path, size, digest,
                   seconds, wire_bytes, why, predicted)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
        if all.is_empty() {
            return Ok(None);
        }
        let asking = |why| HistoryError::PendingReceipts { path: self.path().to_owned(), why };
        let shared = match self
            .lock_pending_receipts(FlockOperation::NonBlockingLockShared, PATIENCE)
            .map_err(asking)?
        {
            Locked::Held(shared) => shared,
            Locked::Impossible => return Ok(None),
            Locked::Busy => return Err(asking(io::Error::other("another program keeps it locked"))),
        };
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
        // One transaction gives numbers that follow each other.
        Ok(Some(PendingReceipts { ids: first..=last, _shared: shared }))
    }

    /// Their ends are known: the rows take their place, in one step.
    pub fn settle(&self, asking: &PendingReceipts, rows: &[Sent]) -> Result<(), HistoryError> {
        self.write(|file| {
            forget(file, &asking.ids)?;
            insert_sent(file, rows)
        })
    }

    /// Whether anything is asked for, by the living or the dead.
    pub fn has_pending_receipts(&self) -> Result<bool, HistoryError> {
        self.read(|file| file.query_row("SELECT EXISTS (SELECT 1 FROM asked)", [], |row| row.get(0)))
    }

    /// `None`: somebody else waits for a receipt just now, or nobody can know.
    #[must_use]
    pub fn alone(&self) -> Option<Alone> {
        match self.lock_pending_receipts(FlockOperation::NonBlockingLockExclusive, Duration::ZERO) {
            Ok(Locked::Held(file)) => Some(Alone { _exclusive: file }),
            _ => None,
        }
    }

    /// What dead programs have asked for, in its order.
    pub fn left_behind(&self, _alone: &Alone) -> Result<Vec<PendingReceipt>, HistoryError> {
        let sql = "SELECT at_ms, ordinal, receipts, address, key, variant, name, path, size, digest, seconds,
                   wire_bytes, why, predicted FROM asked ORDER BY id";
        self.read(|file| file.prepare(sql)?.query_map([], asked_row)?.collect())
    }

    /// All that dead programs have asked for has ended so, in one step.
    pub fn settle_left_behind(&self, _alone: &Alone, rows: &[Sent]) -> Result<(), HistoryError> {
        self.write(|file| {
            forget(file, &(0..=i64::MAX))?;
            insert_sent(file, rows)
        })
    }

    fn lock_pending_receipts(&self, how: FlockOperation, patience: Duration) -> io::Result<Locked> {
        lock(self.path(), "-asked", how, patience)
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
