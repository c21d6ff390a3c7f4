//! The tables, and their migrations.
//!
//! `user_version` is the number of migrations applied. Released migrations are never edited; a change of the tables
//! is a new migration.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::HistoryError;

/// All migrations, oldest first. Paths are blobs, because they may not be UTF-8. SHA-256 digests are blobs of 32
/// bytes. Times are milliseconds since 1970, UTC. `folded` is the name in lower case, for searching.
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE sent (
        id          INTEGER PRIMARY KEY,
        at_ms       INTEGER NOT NULL,
        address     TEXT NOT NULL,
        key         BLOB,
        variant     TEXT NOT NULL,
        name        TEXT NOT NULL,
        folded      TEXT NOT NULL,
        path        BLOB NOT NULL,
        size        INTEGER NOT NULL,
        digest      BLOB,
        outcome     TEXT NOT NULL,
        stored_name TEXT,
        receipt     BLOB,
        seconds     REAL NOT NULL,
        wire_bytes  INTEGER NOT NULL,
        why         TEXT
    ) STRICT;
    CREATE INDEX sent_at ON sent (at_ms);
    CREATE INDEX sent_digest ON sent (digest);

    -- A file that was found after a crash has no peer, no variant and no seconds.
    CREATE TABLE received (
        id          INTEGER PRIMARY KEY,
        at_ms       INTEGER NOT NULL,
        peer        TEXT,
        store       BLOB NOT NULL,
        name        TEXT NOT NULL,
        folded      TEXT NOT NULL,
        kept        TEXT NOT NULL,
        size        INTEGER NOT NULL,
        digest      BLOB NOT NULL,
        variant     TEXT,
        seconds     REAL,
        receipt     BLOB
    ) STRICT;
    CREATE INDEX received_at ON received (at_ms);
    CREATE INDEX received_name ON received (store, name);

    -- Since when files of a store are recorded.
    CREATE TABLE store (
        path        BLOB PRIMARY KEY,
        since_ms    INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- The replay memory.
    CREATE TABLE seen (
        what        INTEGER NOT NULL,
        digest      BLOB NOT NULL,
        until       INTEGER NOT NULL,
        PRIMARY KEY (what, digest)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX seen_until ON seen (until);
",
    "
    -- What was sent, and what the server says of it is not known yet; empty whenever nobody sends.
    CREATE TABLE asked (
        id          INTEGER PRIMARY KEY,
        at_ms       INTEGER NOT NULL,
        ordinal     INTEGER NOT NULL,
        receipts    BLOB,
        address     TEXT NOT NULL,
        key         BLOB,
        variant     TEXT NOT NULL,
        name        TEXT NOT NULL,
        path        BLOB NOT NULL,
        size        INTEGER NOT NULL,
        digest      BLOB NOT NULL,
        seconds     REAL NOT NULL,
        wire_bytes  INTEGER NOT NULL,
        why         TEXT
    ) STRICT;
",
    "
    -- The digest may be missing: a server can be told not to hash. SQLite changes no column, so the table is copied.
    CREATE TABLE hashed_or_not (
        id          INTEGER PRIMARY KEY,
        at_ms       INTEGER NOT NULL,
        peer        TEXT,
        store       BLOB NOT NULL,
        name        TEXT NOT NULL,
        folded      TEXT NOT NULL,
        kept        TEXT NOT NULL,
        size        INTEGER NOT NULL,
        digest      BLOB,
        variant     TEXT,
        seconds     REAL,
        receipt     BLOB
    ) STRICT;
    INSERT INTO hashed_or_not SELECT id, at_ms, peer, store, name, folded, kept, size, digest, variant, seconds,
        receipt FROM received;
    DROP TABLE received;
    ALTER TABLE hashed_or_not RENAME TO received;
    CREATE INDEX received_at ON received (at_ms);
    CREATE INDEX received_name ON received (store, name);
",
    "
    -- What the sender was told that it would take, in seconds.
    ALTER TABLE sent ADD COLUMN predicted REAL;
    ALTER TABLE asked ADD COLUMN predicted REAL;
    CREATE INDEX sent_to ON sent (address, variant, id);
",
    "
    -- PKCS #1 v1.5 blocks that did not conform, by the server's key (SPKI SHA-256) and the client's network.
    CREATE TABLE padding_misses (
        key         BLOB NOT NULL,
        network     TEXT NOT NULL,
        misses      INTEGER NOT NULL,
        PRIMARY KEY (key, network)
    ) STRICT, WITHOUT ROWID;
",
    "
    -- Whole files that are about to get a name in a store; empty whenever no server is publishing.
    CREATE TABLE announced (
        id          INTEGER PRIMARY KEY,
        store       BLOB NOT NULL,
        want        TEXT NOT NULL,
        replaces    TEXT,
        size        INTEGER NOT NULL,
        digest      BLOB
    ) STRICT;
",
    "
    -- Since when the file of a row is missing; and up to when rows may have been pruned.
    ALTER TABLE received ADD COLUMN gone_ms INTEGER;
    ALTER TABLE store ADD COLUMN pruned_ms INTEGER;
    -- The server's key for which a digest must not be replayed: the first 8 bytes of its SPKI SHA-256.
    ALTER TABLE seen ADD COLUMN key INTEGER;
",
];

/// Refuses a file of a newer version before anything in it is changed.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), HistoryError> {
    let found = version(connection).map_err(|why| HistoryError::of(path, "open", why))?;
    let known = count(MIGRATIONS);
    if found > known { Err(HistoryError::Newer { path: path.to_owned(), found, known }) } else { Ok(()) }
}

/// Applies the migrations that the file has not had, in one transaction.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    if version(connection)? >= count(migrations) {
        return Ok(());
    }
    immediately(connection, |transaction| {
        // Another process may have migrated the file since the check above.
        let had = usize::try_from(version(transaction)?).unwrap_or(0);
        for migration in migrations.iter().skip(had) {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "user_version", count(migrations).max(version(transaction)?))
    })
}

/// Runs a transaction that takes the write lock at its start. A transaction that reads first and writes later would
/// fail with "busy" instead of waiting.
pub(super) fn immediately(
    connection: &mut Connection,
    change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    // A BEGIN or ROLLBACK that failed may have left one open, and then no other could ever begin.
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    change(&transaction)?;
    transaction.commit()
}

pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn count(migrations: &[&str]) -> i64 {
    i64::try_from(migrations.len()).unwrap_or(i64::MAX)
}
