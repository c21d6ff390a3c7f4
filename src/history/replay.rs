//! The replay memory: digests of what must not arrive again in another connection.
//!
//! A session key is wrapped with fresh randomness, so the same bytes in a second connection were recorded
//! (docs/protocol.md, section "Replay guard"). Only SHA-256 digests are kept, each until the server's certificate
//! expires. What a recorded connection needs is the key, not the certificate: as long as a server with this key runs,
//! its digests are kept even then, because the certificate may be renewed with the same key.

use rusqlite::{Connection, params};

use super::{History, HistoryError};
use crate::digest::Digest;

/// Kind of a remembered digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seen {
    /// M2 of a MODE 4: the wrapped session key.
    SessionKey,
    /// First block of a CP1 body, or of its continuation after it was published.
    FirstBlock,
    /// A CP2 token, together with its key.
    Token,
}

impl Seen {
    /// Returns the number that stands for it in the file. Released numbers are never changed.
    const fn number(self) -> i64 {
        match self {
            Self::SessionKey => 1,
            Self::FirstBlock => 2,
            Self::Token => 3,
        }
    }
}

/// Key of a server, as the replay memory has it: the first 8 bytes of its SPKI SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyMark(i64);

impl From<Digest> for KeyMark {
    fn from(fingerprint: Digest) -> Self {
        let mut first = [0; 8];
        first.copy_from_slice(&fingerprint.0[..8]);
        Self(i64::from_be_bytes(first))
    }
}

/// Server for which digests are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Expiry of its certificate in Unix seconds.
    pub until: i64,
    /// Its key; `None` if it has none.
    pub key: Option<KeyMark>,
}

impl From<i64> for Validity {
    fn from(until: i64) -> Self {
        Self { until, key: None }
    }
}

/// Seconds for which the digests of a running server are kept at least.
const KEPT: i64 = 30 * 24 * 60 * 60;
/// Digests of a running server that expire sooner are kept for longer. More than the time between two maintenances.
const SOON: i64 = 2 * 24 * 60 * 60;

/// Maximum number of rows that one maintenance transaction writes or deletes, so that no session waits long for it.
pub(super) const CHUNK: usize = 1000;
/// The same number, for SQLite.
const AT_ONCE: i64 = 1000;

impl History {
    /// Returns whether a digest is [remembered](Self::remember) and not yet [expired](Self::forget_expired).
    pub fn is_seen(&self, what: Seen, digest: Digest) -> Result<bool, HistoryError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM seen WHERE what = ?1 AND digest = ?2)";
        self.read(|file| file.query_row(sql, params![what.number(), digest.0], |row| row.get(0)))
    }

    /// Remembers digests until a time (Unix seconds), in one transaction. The later of two times counts.
    pub fn remember(&self, seen: &[(Seen, Digest)], by: impl Into<Validity>) -> Result<(), HistoryError> {
        if seen.is_empty() {
            return Ok(());
        }
        let Validity { until, key } = by.into();
        let key = key.map(|key| key.0);
        let sql = "INSERT INTO seen (what, digest, until, key) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT DO UPDATE SET until = max(until, excluded.until)";
        self.write(|file| {
            let mut insert = file.prepare_cached(sql)?;
            for (what, digest) in seen {
                insert.execute(params![what.number(), digest.0, until, key])?;
            }
            Ok(())
        })
    }

    /// Remembers digests, unless one of them is remembered already; then nothing is changed and the result is
    /// `false`. Of two processes that do this at once, one gets `false`.
    pub fn remember_new(
        &self,
        seen: &[(Seen, Digest)],
        by: impl Into<Validity>,
    ) -> Result<bool, HistoryError> {
        let Validity { until, key } = by.into();
        let key = key.map(|key| key.0);
        let sql =
            "INSERT INTO seen (what, digest, until, key) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        let mut is_new = true;
        let written = self.write(|file| {
            let mut insert = file.prepare_cached(sql)?;
            for (what, digest) in seen {
                is_new = insert.execute(params![what.number(), digest.0, until, key])? > 0;
                if !is_new {
                    // An error, so that the rows before it are rolled back.
                    return Err(rusqlite::Error::QueryReturnedNoRows);
                }
            }
            Ok(())
        });
        if is_new { written.map(|()| true) } else { Ok(false) }
    }

    /// Forgets digests whose files were not stored.
    pub fn forget(&self, seen: &[(Seen, Digest)]) -> Result<(), HistoryError> {
        if seen.is_empty() {
            return Ok(());
        }
        self.write(|file| {
            let mut delete = file.prepare_cached("DELETE FROM seen WHERE what = ?1 AND digest = ?2")?;
            for (what, digest) in seen {
                delete.execute(params![what.number(), digest.0])?;
            }
            Ok(())
        })
    }

    /// Forgets digests that expired before `now` (Unix seconds), at most [`CHUNK`]. Returns whether there may be more.
    pub fn forget_expired(&self, now: i64) -> Result<bool, HistoryError> {
        let sql = "DELETE FROM seen WHERE (what, digest) IN
                   (SELECT what, digest FROM seen WHERE until < ?1 LIMIT ?2)";
        self.step(|file| file.execute(sql, params![now, AT_ONCE]))
    }

    /// Keeps digests of a running server that expire soon after `now` (Unix seconds), at most [`CHUNK`]. Returns whether
    /// there may be more. Digests of unknown servers, of an earlier version, count as its own.
    pub(super) fn prolong(&self, by: Validity, now: i64) -> Result<bool, HistoryError> {
        let Some(key) = by.key else { return Ok(false) };
        let until = by.until.max(now.saturating_add(KEPT));
        let sql = "UPDATE seen SET until = ?1, key = ?2 WHERE (what, digest) IN
                   (SELECT what, digest FROM seen WHERE until < ?3 AND coalesce(key, ?2) = ?2 LIMIT ?4)";
        self.step(|file| file.execute(sql, params![until, key.0, now.saturating_add(SOON), AT_ONCE]))
    }

    /// Changes at most [`CHUNK`] rows. Returns whether there may be more.
    fn step(&self, change: impl Fn(&Connection) -> rusqlite::Result<usize>) -> Result<bool, HistoryError> {
        let mut changed = 0;
        self.write(|file| {
            changed = change(file)?;
            Ok(())
        })?;
        Ok(changed >= CHUNK)
    }
}
