//! The replay memory: digests of what must not arrive again in another connection.
//!
//! A session key is wrapped with fresh randomness, so the same bytes in a second connection were recorded
//! (docs/protocol.md, section "Replay guard"). Only SHA-256 digests are kept, each until the server's certificate
//! expires.

use rusqlite::params;

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

/// Maximum number of rows that one maintenance transaction writes or deletes, so that no session waits long for it.
pub(super) const CHUNK: usize = 1000;

impl History {
    /// Returns whether a digest is [remembered](Self::remember) and not yet [expired](Self::forget_expired).
    pub fn is_seen(&self, what: Seen, digest: Digest) -> Result<bool, HistoryError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM seen WHERE what = ?1 AND digest = ?2)";
        self.read(|file| file.query_row(sql, params![what.number(), digest.0], |row| row.get(0)))
    }

    /// Remembers digests until a time (Unix seconds), in one transaction. The later of two times counts.
    pub fn remember(&self, seen: &[(Seen, Digest)], until: i64) -> Result<(), HistoryError> {
        if seen.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO seen (what, digest, until) VALUES (?1, ?2, ?3)
                   ON CONFLICT DO UPDATE SET until = max(until, excluded.until)";
        self.write(|file| {
            let mut insert = file.prepare_cached(sql)?;
            for (what, digest) in seen {
                insert.execute(params![what.number(), digest.0, until])?;
            }
            Ok(())
        })
    }

    /// Remembers digests, unless one of them is remembered already; then nothing is changed and the result is
    /// `false`. Of two processes that do this at once, one gets `false`.
    pub fn remember_new(&self, seen: &[(Seen, Digest)], until: i64) -> Result<bool, HistoryError> {
        let sql = "INSERT INTO seen (what, digest, until) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        let mut is_new = true;
        let written = self.write(|file| {
            let mut insert = file.prepare_cached(sql)?;
            for (what, digest) in seen {
                is_new = insert.execute(params![what.number(), digest.0, until])? > 0;
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

    /// Forgets digests that expired before `now` (Unix seconds), in several transactions.
    pub fn forget_expired(&self, now: i64) -> Result<(), HistoryError> {
        let sql = "DELETE FROM seen WHERE (what, digest) IN
                   (SELECT what, digest FROM seen WHERE until < ?1 LIMIT ?2)";
        loop {
            let mut forgotten = 0;
            self.write(|file| {
                forgotten = file.execute(sql, params![now, i64::try_from(CHUNK).unwrap_or(i64::MAX)])?;
                Ok(())
            })?;
            if forgotten < CHUNK {
                return Ok(());
            }
        }
    }
}
