//! Recording and querying sent and received files.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::columns::{Bytes, amount, bytes, kept, one_of, outcome, path, variant};
use super::row::{Entry, Origin, Receipted, Received, Recovered, Sent, kept_word, origin_word};
use super::{History, HistoryError, announced};
use crate::digest::Digest;
use crate::event::{Learned, ServerAddress, Took};

/// Large files to one server by one variant from which the current rate is estimated.
const REMEMBERED: i64 = 20;
/// Size in bytes from which a file tells something about the rate; the time of a smaller one is mostly fixed cost.
const TELLING: i64 = 1 << 20;
/// Smaller files from which the fixed cost is estimated.
const SMALL: i64 = 5;

/// Direction of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Sent by a client on this computer.
    Sent,
    /// Received by a server on this computer.
    Received,
}

/// Selects rows of the history. The default selects all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only rows of this direction.
    pub direction: Option<Direction>,
    /// Only files sent to this server.
    pub server: Option<ServerAddress>,
    /// Only names that contain this text, ignoring case.
    pub name: Option<String>,
    /// Only transfers that ended at this time or later, in milliseconds since 1970, UTC.
    pub since_ms: Option<i64>,
    /// Only files that were sent and [did not arrive](super::Outcome::is_failure).
    pub failed: bool,
    /// Maximum number of rows; the newest are kept.
    pub limit: Option<usize>,
}

impl History {
    /// Records how an upload ended.
    pub fn record_sent(&self, sent: &Sent) -> Result<(), HistoryError> {
        self.record_all_sent(std::slice::from_ref(sent))
    }

    /// Records how uploads ended, in one transaction.
    pub fn record_all_sent(&self, all: &[Sent]) -> Result<(), HistoryError> {
        self.write(|file| insert_sent(file, all))
    }

    /// Records a file that a server on this computer stored. The latest row of a name in a store is in effect, so a
    /// file that is continued ([`Kept::Amended`](crate::event::Kept::Amended)) gets another row.
    pub fn record_received(&self, received: &Received) -> Result<(), HistoryError> {
        self.record_all_received(std::slice::from_ref(received), &[])
    }

    /// Records received files and withdraws their [announcements](Self::announce), in one transaction.
    pub fn record_all_received(&self, all: &[Received], announced: &[i64]) -> Result<(), HistoryError> {
        if all.is_empty() && announced.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO received (at_ms, peer, store, name, folded, kept, size, digest, variant,
                   seconds, receipt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        self.write(|file| {
            announced::withdraw(file, announced)?;
            let mut insert = file.prepare_cached(sql)?;
            for received in all {
                insert.execute(params![
                    received.at_ms,
                    received.peer,
                    Bytes(&received.store),
                    received.name,
                    received.name.to_lowercase(),
                    kept_word(received.kept),
                    amount(received.size),
                    received.digest.map(|digest| digest.0),
                    received.variant.word(),
                    received.seconds,
                    received.receipt.map(|receipt| receipt.0),
                ])?;
            }
            Ok(())
        })
    }

    /// Records a file that was found after a crash, or that the operator accepts.
    pub fn record_recovered(&self, recovered: &Recovered) -> Result<(), HistoryError> {
        self.record_all_recovered(std::slice::from_ref(recovered), &[])
    }

    /// Records recovered files and withdraws their announcements, in one transaction.
    pub fn record_all_recovered(&self, all: &[Recovered], announced: &[i64]) -> Result<(), HistoryError> {
        let sql = "INSERT INTO received (at_ms, store, name, folded, kept, size, digest, receipt)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        if all.is_empty() && announced.is_empty() {
            return Ok(());
        }
        self.write(|file| {
            announced::withdraw(file, announced)?;
            let mut insert = file.prepare(sql)?;
            for recovered in all {
                insert.execute(params![
                    recovered.at_ms,
                    Bytes(&recovered.store),
                    recovered.name,
                    recovered.name.to_lowercase(),
                    origin_word(recovered.origin),
                    amount(recovered.size),
                    recovered.digest.map(|digest| digest.0),
                    recovered.receipt.map(|receipt| receipt.0),
                ])?;
            }
            Ok(())
        })
    }

    /// Adds a receipt (the SHA-256 of its statement) to the row in effect of a stored file. Without such a row,
    /// nothing is changed.
    pub fn record_receipt(&self, store: &Path, name: &str, receipt: Digest) -> Result<(), HistoryError> {
        self.record_receipts(store, &[name.to_owned()], receipt)
    }

    /// Adds a receipt to the rows in effect of all files of its statement, in one transaction.
    pub fn record_receipts(
        &self,
        store: &Path,
        names: &[String],
        receipt: Digest,
    ) -> Result<(), HistoryError> {
        let sql = format!("UPDATE received SET receipt = ?3 WHERE id = ({LATEST_ID})");
        self.write(|file| {
            let mut update = file.prepare_cached(&sql)?;
            for name in names {
                update.execute(params![Bytes(store), name, receipt.0])?;
            }
            Ok(())
        })
    }

    /// Returns the rows that a filter selects, newest first.
    pub fn entries(&self, filter: &Filter) -> Result<Vec<Entry>, HistoryError> {
        let limit = filter.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        let name = filter.name.as_deref().map(str::to_lowercase);
        let sent = "SELECT at_ms, address, key, variant, name, path, size, digest, outcome, stored_name,
                    receipt, seconds, wire_bytes, why, predicted FROM sent
                    WHERE (?1 IS NULL OR address = ?1 COLLATE NOCASE)
                    AND (?2 IS NULL OR instr(folded, ?2) > 0) AND (?3 IS NULL OR at_ms >= ?3)
                    AND (NOT ?4 OR outcome IN ('altered', 'failed', 'cancelled'))
                    ORDER BY at_ms DESC, id DESC LIMIT ?5";
        let received = format!(
            "{RECEIVED} WHERE (?1 IS NULL OR instr(folded, ?1) > 0) AND (?2 IS NULL OR at_ms >= ?2)
             ORDER BY at_ms DESC, id DESC LIMIT ?3"
        );
        let sent_only = filter.server.is_some() || filter.failed;
        let mut entries = self.read(|file| {
            let mut entries = Vec::new();
            if filter.direction != Some(Direction::Received) {
                let server = filter.server.as_ref().map(|server| server.normal().to_string());
                let asked = params![server, name, filter.since_ms, filter.failed, limit];
                let mut sent = file.prepare(sent)?;
                for row in sent.query_map(asked, sent_row)? {
                    entries.push(Entry::Sent(row?));
                }
            }
            if filter.direction != Some(Direction::Sent) && !sent_only {
                let mut received = file.prepare(&received)?;
                for row in received.query_map(params![name, filter.since_ms, limit], received_row)? {
                    entries.push(row?);
                }
            }
            Ok(entries)
        })?;
        // The sort is stable: within one millisecond, sent files come first, then the row that was written last.
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.at_ms()));
        entries.truncate(filter.limit.unwrap_or(usize::MAX));
        Ok(entries)
    }

    /// Returns the latest row of every name in a store, ordered by name: what the folder should hold. Discarded files
    /// are left out, and no entry is [`Entry::Sent`].
    pub fn in_effect(&self, store: &Path) -> Result<Vec<Entry>, HistoryError> {
        let sql = format!(
            "{RECEIVED} WHERE id IN (SELECT max(id) FROM received WHERE store = ?1 AND kept <> 'discarded'
             GROUP BY name) ORDER BY name"
        );
        self.read(|file| file.prepare(&sql)?.query_map([Bytes(store)], received_row)?.collect())
    }

    /// Returns the row in effect of a name in a store: the latest that was not discarded.
    pub fn latest(&self, store: &Path, name: &str) -> Result<Option<Entry>, HistoryError> {
        let sql = format!("{RECEIVED} WHERE id = ({LATEST_ID})");
        self.read(|file| {
            file.prepare_cached(&sql)?.query_row(params![Bytes(store), name], received_row).optional()
        })
    }

    /// Returns the latest row of a file with this name and SHA-256 for which the server with this key (SPKI SHA-256) has
    /// given a receipt.
    pub fn receipted(
        &self,
        key: Digest,
        name: &str,
        digest: Digest,
    ) -> Result<Option<Receipted>, HistoryError> {
        let sql = "SELECT at_ms, stored_name, receipt FROM sent
                   WHERE digest = ?3 AND key = ?1 AND name = ?2 AND outcome = 'stored' ORDER BY id DESC LIMIT 1";
        self.read(|file| {
            let receipted = |row: &Row<'_>| {
                let receipt = row.get::<_, Option<Vec<u8>>>(2)?.map(|bytes| OsString::from_vec(bytes).into());
                Ok(Receipted { at_ms: row.get(0)?, stored_name: row.get(1)?, receipt })
            };
            file.prepare_cached(sql)?.query_row(params![key.0, name, digest.0], receipted).optional()
        })
    }

    /// Returns how long files took to each server by each variant: of the files that arrived, the newest 20 of at
    /// least 1 MiB, and the newest 5 that were smaller.
    pub fn rates(&self) -> Result<Vec<Learned>, HistoryError> {
        let newest = |sizes: &str, limit: &str| {
            format!(
                "SELECT way.address, way.variant, sent.size, sent.seconds, sent.id FROM way JOIN sent ON sent.id IN (
                     SELECT id FROM sent WHERE address = way.address AND variant = way.variant AND {sizes}
                     AND outcome IN ('stored', 'delivered') AND seconds > 0 ORDER BY id DESC LIMIT {limit})"
            )
        };
        let sql = format!(
            "WITH way AS (SELECT DISTINCT address, variant FROM sent)
             SELECT * FROM ({} UNION ALL {}) ORDER BY address, variant, id DESC",
            newest("size >= ?1", "?2"),
            newest("size < ?1", "?3"),
        );
        self.read(|file| {
            let mut all: Vec<Learned> = Vec::new();
            let mut query = file.prepare(&sql)?;
            let mut rows = query.query([TELLING, REMEMBERED, SMALL])?;
            while let Some(row) = rows.next()? {
                let (address, variant): (String, _) = (row.get(0)?, variant(row, 1)?);
                let took = Took { bytes: bytes(row, 2)?, seconds: row.get(3)?, pace: None };
                match all.last_mut() {
                    Some(last) if last.address == address && last.variant == variant => last.files.push(took),
                    _ => all.push(Learned { address, variant, files: vec![took] }),
                }
            }
            Ok(all)
        })
    }

    /// Returns whether a sent file's row of `since_ms` (milliseconds since 1970, UTC) or later names this receipt.
    pub fn names_receipt(&self, receipt: &Path, since_ms: i64) -> Result<bool, HistoryError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sent WHERE at_ms >= ?2 AND receipt = ?1)";
        self.read(|file| file.query_row(sql, params![Bytes(receipt), since_ms], |row| row.get(0)))
    }
}

pub(super) fn insert_sent(file: &Connection, all: &[Sent]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO sent (at_ms, address, key, variant, name, folded, path, size, digest, outcome,
               stored_name, receipt, seconds, wire_bytes, why, predicted)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
    let mut insert = file.prepare(sql)?;
    for sent in all {
        insert.execute(params![
            sent.at_ms,
            sent.address,
            sent.key.map(|key| key.0),
            sent.variant.word(),
            sent.name,
            sent.name.to_lowercase(),
            Bytes(&sent.path),
            amount(sent.size),
            sent.digest.map(|digest| digest.0),
            sent.outcome.word(),
            sent.stored_name,
            sent.receipt.as_deref().map(Bytes),
            sent.seconds,
            amount(sent.wire_bytes),
            sent.why,
            sent.predicted,
        ])?;
    }
    Ok(())
}

/// Number of the row in effect of a name in a store.
pub(super) const LATEST_ID: &str =
    "SELECT max(id) FROM received WHERE store = ?1 AND name = ?2 AND kept <> 'discarded'";

const RECEIVED: &str =
    "SELECT at_ms, peer, store, name, kept, size, digest, variant, seconds, receipt FROM received";

fn sent_row(row: &Row<'_>) -> rusqlite::Result<Sent> {
    Ok(Sent {
        at_ms: row.get(0)?,
        address: row.get(1)?,
        key: row.get::<_, Option<_>>(2)?.map(Digest),
        variant: variant(row, 3)?,
        name: row.get(4)?,
        path: path(row.get(5)?),
        size: bytes(row, 6)?,
        digest: row.get::<_, Option<_>>(7)?.map(Digest),
        outcome: outcome(row, 8)?,
        stored_name: row.get(9)?,
        receipt: row.get::<_, Option<_>>(10)?.map(path),
        seconds: row.get(11)?,
        wire_bytes: bytes(row, 12)?,
        why: row.get(13)?,
        predicted: row.get(14)?,
    })
}

fn received_row(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (at_ms, store, name) = (row.get(0)?, path(row.get(2)?), row.get(3)?);
    let (size, digest) = (bytes(row, 5)?, row.get::<_, Option<_>>(6)?.map(Digest));
    let receipt = row.get::<_, Option<_>>(9)?.map(Digest);
    Ok(match row.get::<_, Option<String>>(7)? {
        None => {
            let origin = one_of(row, 4, [Origin::Crash, Origin::Amended, Origin::Accepted], origin_word)?;
            Entry::Recovered(Recovered { at_ms, store, name, origin, size, digest, receipt })
        }
        Some(_) => Entry::Received(Received {
            at_ms,
            peer: row.get(1)?,
            store,
            name,
            kept: kept(row, 4)?,
            size,
            digest,
            variant: variant(row, 7)?,
            seconds: row.get(8)?,
            receipt,
        }),
    })
}
