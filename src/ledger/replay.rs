//! The replay memory: what was seen and must not come again in another connection.
//!
//! PROTOCOL.md, "Replay guard": a session key is wrapped with fresh randomness, so the same bytes in a
//! second connection are a recording. Only SHA-256 are kept, each until the certificate's end.

use rusqlite::{Connection, params};

use super::{Ledger, LedgerError};
use crate::digest::Digest;

/// What a remembered SHA-256 is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seen {
    /// M2 of a MODE 4: the session key as it was wrapped.
    SessionKey,
    /// The first block of a CP1 body.
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

impl Ledger {
    /// Whether this was [remembered](Self::remember), and not yet [forgotten](Self::forget_expired).
    pub fn is_seen(&self, what: Seen, digest: Digest) -> Result<bool, LedgerError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM seen WHERE what = ?1 AND digest = ?2)";
        self.read(|file| file.query_row(sql, params![what.number(), digest.0], |row| row.get(0)))
    }

    /// Remembers all of these until then (Unix seconds), in one step. What is remembered already stays
    /// so for as long as either says.
    pub fn remember(&self, seen: &[(Seen, Digest)], until: i64) -> Result<(), LedgerError> {
        if seen.is_empty() {
            return Ok(());
        }
        self.write(|file| insert(file, seen, until))
    }

    /// Forgets what need only be remembered until before `now` (Unix seconds).
    pub fn forget_expired(&self, now: i64) -> Result<(), LedgerError> {
        self.write(|file| file.execute("DELETE FROM seen WHERE until < ?1", [now]).map(drop))
    }
}

/// Remembers these, as a part of a step.
pub(super) fn insert(file: &Connection, seen: &[(Seen, Digest)], until: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO seen (what, digest, until) VALUES (?1, ?2, ?3)
               ON CONFLICT DO UPDATE SET until = max(until, excluded.until)";
    let mut insert = file.prepare_cached(sql)?;
    for (what, digest) in seen {
        insert.execute(params![what.number(), digest.0, until])?;
    }
    Ok(())
}
