//! The replay memory: what was seen and must not come again in another connection.
//!
//! PROTOCOL.md, "Replay guard": a session key is wrapped with fresh randomness, so the same bytes in a
//! second connection are a recording. Only SHA-256 are kept, each until the certificate's end.

use rusqlite::params;

use super::{History, HistoryError};
use crate::digest::Digest;

/// What a remembered SHA-256 is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seen {
    /// M2 of a MODE 4: the session key as it was wrapped.
    SessionKey,
    /// A block with which a CP1 body begins, or goes on after it was published.
    FirstBlock,
    /// A CP2 token, under its key.
    Token,
}

impl Seen {
    /// How it is written in the file; never changed.
    const fn number(self) -> i64 {
        match self {
            Self::SessionKey => 1,
            Self::FirstBlock => 2,
            Self::Token => 3,
        }
    }
}

/// How many rows one transaction of upkeep writes or deletes, so that no session waits long for it.
pub(super) const CHUNK: usize = 1000;

impl History {
    /// Whether this was [remembered](Self::remember), and not yet [forgotten](Self::forget_expired).
    pub fn is_seen(&self, what: Seen, digest: Digest) -> Result<bool, HistoryError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM seen WHERE what = ?1 AND digest = ?2)";
        self.read(|file| file.query_row(sql, params![what.number(), digest.0], |row| row.get(0)))
    }

    /// Remembers all of these until then (Unix seconds), in one step. What is remembered already stays
    /// so for as long as either says.
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

    /// Remembers all of these, unless one of them is remembered already: then `false`, and nothing is changed. Of
    /// two programs that do this at once one gets `false`.
    pub fn remember_new(&self, seen: &[(Seen, Digest)], until: i64) -> Result<bool, HistoryError> {
        let sql = "INSERT INTO seen (what, digest, until) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        let mut is_new = true;
        let written = self.write(|file| {
            let mut insert = file.prepare_cached(sql)?;
            for (what, digest) in seen {
                is_new = insert.execute(params![what.number(), digest.0, until])? > 0;
                if !is_new {
                    // An error, so that those before it are rolled back.
                    return Err(rusqlite::Error::QueryReturnedNoRows);
                }
            }
            Ok(())
        });
        if is_new { written.map(|()| true) } else { Ok(false) }
    }

    /// Forgets these: the file that they came with was not stored.
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

    /// Forgets what need only be remembered until before `now` (Unix seconds), some at a time.
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
