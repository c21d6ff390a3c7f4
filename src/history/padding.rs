//! Numbers of PKCS #1 v1.5 blocks that did not conform, by server key and client network
//! ([`PaddingBudget`](crate::net::budget::PaddingBudget)).

use rusqlite::params;

use super::{History, HistoryError};
use crate::digest::Digest;

impl History {
    /// Returns the networks and their counts for a key.
    pub fn padding_misses(&self, key: Digest) -> Result<Vec<(String, u64)>, HistoryError> {
        let sql = "SELECT network, misses FROM padding_misses WHERE key = ?1";
        self.read(|file| {
            let mut rows = file.prepare_cached(sql)?;
            let rows = rows.query_map(params![key.0], |row| {
                let misses: i64 = row.get(1)?;
                Ok((row.get(0)?, misses.unsigned_abs()))
            })?;
            rows.collect()
        })
    }

    /// Adds 1 to the count of a key and a network.
    pub fn add_padding_miss(&self, key: Digest, network: &str) -> Result<(), HistoryError> {
        let sql = "INSERT INTO padding_misses (key, network, misses) VALUES (?1, ?2, 1)
                   ON CONFLICT DO UPDATE SET misses = misses + 1";
        self.write(|file| file.execute(sql, params![key.0, network]).map(drop))
    }

    /// Deletes the counts of a key.
    pub fn reset_padding_misses(&self, key: Digest) -> Result<(), HistoryError> {
        self.write(|file| file.execute("DELETE FROM padding_misses WHERE key = ?1", [key.0]).map(drop))
    }
}
