//! Completes the history after a client was killed while it waited for receipts.
//!
//! The client records its request in the history first (`history::pending_receipts`), then keeps the receipt, then
//! writes the rows. What a killed client had requested is settled from the receipts on disk:
//!
//! ```text
//!   a receipt is valid, and has this file in this place  ──► stored, with the receipt
//!   none is                                              ──► failed: not confirmed
//!   a receipt is damaged or forged                       ──► ignored, and reported
//! ```
//!
//! A receipt is valid here if it names the key that had proven itself when the file was sent, and was signed by the
//! right key: the known receipt key of that server, or, while none is known, the server's own. The client remembers the
//! receipt key before it keeps the receipt. The CA is not asked again. Plain proves no key: of its receipts only the
//! signature is checked, by the certificate in the receipt. `upseal verify` asks the CA.
//!
//! A row claims no more than the receipt does: size, protocol and, with the salt, the SHA-256 of what was sent must be
//! those of the line with the file's number. So a copy that was altered on the path is never taken for stored.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use super::confirm;
use super::receipt_files::{likeness, list, read};
use crate::crypto::receipt::{Fate, Receipt, is_fitting, salted};
use crate::digest::Digest;
use crate::event::Named;
use crate::history::{History, HistoryError, Outcome, PendingReceipt, Sent};
use crate::messages::{Escaped, escape};
use crate::trust::known::KnownServers;

/// The remark of a row that was recovered from a receipt.
const RECOVERED: &str = "recovered from its receipt after a crash";

/// How much older than the request a receipt may look, in milliseconds: the clock may have been set.
const OVERLAP_MS: i64 = 60_000;

/// What was recovered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Recovery {
    /// Files that a receipt proves to be stored.
    pub stored: usize,
    /// Files without a valid receipt.
    pub unconfirmed: usize,
    /// Receipts that are not valid and folders that cannot be read, each with the reason.
    pub ignored: Vec<String>,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, were) = match self.stored + self.unconfirmed {
            1 => ("1 file".to_owned(), "was"),
            n => (format!("{n} files"), "were"),
        };
        write!(f, "history repaired: {all} {were} sent before a crash and not recorded: ")?;
        match (self.stored, self.unconfirmed) {
            (n, 0) => write!(f, "{n} stored (proved by the receipt)"),
            (0, n) => write!(f, "{n} not confirmed"),
            (stored, not) => write!(f, "{stored} stored (proved by the receipt), {not} not confirmed"),
        }
    }
}

/// Settles the requests of clients that were killed: writes a row for each of their files. Returns `None` if there are
/// no such requests, or if another client is waiting for a receipt just now; then a later call has to do it.
///
/// # Errors
/// The history cannot be read or written.
pub(super) fn run(history: &History, known: &KnownServers) -> Result<Option<Recovery>, HistoryError> {
    let Some(alone) = history.lock_abandoned_receipts() else { return Ok(None) };
    let asked = history.abandoned_receipts(&alone)?;
    if asked.is_empty() {
        return Ok(None);
    }
    let mut recovery = Recovery::default();
    let keys = known.receipt_keys().unwrap_or_else(|why| {
        recovery.ignored.push(why.to_string());
        Vec::new()
    });
    let since_ms = asked.iter().map(|file| file.sent.at_ms).min().unwrap_or(0) - OVERLAP_MS;
    let folders: BTreeSet<&PathBuf> = asked.iter().filter_map(|file| file.receipts.as_ref()).collect();
    let mut receipts = Vec::new();
    for folder in folders {
        let found = list(folder).unwrap_or_else(|why| {
            recovery.ignored.push(format!("{}: {why}", Escaped::path(folder)));
            Vec::new()
        });
        for (path, modified_ms) in found {
            // A receipt that a row names was settled before, with all of its files.
            if modified_ms < since_ms || history.names_receipt(&path, modified_ms - OVERLAP_MS)? {
                continue;
            }
            match read(&path) {
                Ok(receipt) => receipts.push((folder, path, receipt)),
                Err(why) => recovery.ignored.push(format!("{}: {why}", Escaped::path(&path))),
            }
        }
    }
    let row = |file: &PendingReceipt| {
        let its = receipts.iter().filter(|(folder, _, _)| file.receipts.as_ref() == Some(*folder));
        let proofs =
            its.filter_map(|(_, path, receipt)| Some((stated_name(receipt, file, &keys)?, path.clone())));
        // If each file keeps a receipt of its own, all of them hold the same statement.
        let proven = proofs.max_by_key(|(_, path)| likeness(path, &file.sent.name));
        match proven {
            None => file.sent.clone(),
            Some(((name, named), path)) => Sent {
                outcome: Outcome::Stored,
                stored_name: (named == Named::Stored).then(|| escape(&name).to_string()),
                receipt: Some(path),
                why: Some(RECOVERED.to_owned()),
                ..file.sent.clone()
            },
        }
    };
    let rows: Vec<Sent> = asked.iter().map(row).collect();
    history.resolve_abandoned_receipts(&alone, &rows)?;
    recovery.stored = rows.iter().filter(|row| row.outcome == Outcome::Stored).count();
    recovery.unconfirmed = rows.len() - recovery.stored;
    Ok(Some(recovery))
}

/// Returns whether the key that signed a receipt may sign for the server with this key. `known`: the keys of the known
/// servers, each with its receipt key.
fn is_known_signer(receipt: &Receipt, key: Digest, known: &[(Digest, Option<Digest>)]) -> bool {
    let mut receipt_keys = known.iter().filter(|(of, _)| *of == key).map(|(_, receipt_key)| *receipt_key);
    match receipt.statement.receipt_key {
        Some(signer) => receipt_keys.any(|known| known == Some(signer)),
        None => receipt_keys.all(|known| known.is_none()),
    }
}

/// Returns the name that a receipt gives this file, and what kind of name it is; `None` if the receipt is about another
/// file, or from another server than the one the file was sent to.
fn stated_name(
    receipt: &Receipt,
    file: &PendingReceipt,
    known: &[(Digest, Option<Digest>)],
) -> Option<(String, Named)> {
    let sent = &file.sent;
    if sent.key.is_some_and(|key| key != receipt.statement.key || !is_known_signer(receipt, key, known)) {
        return None;
    }
    let wanted = salted(receipt.salt.as_deref(), sent.digest?);
    let entry = receipt.statement.entries.iter().find(|entry| entry.ordinal == file.ordinal)?;
    match &entry.fate {
        Fate::Stored { protocol, size, digest, name, named }
            if *protocol == sent.variant
                && is_fitting(*protocol, receipt.salt.is_some())
                && *size == sent.size
                && *digest == wanted
                && confirm::may_be_kept_as(&sent.name, name, *named) =>
        {
            Some((name.clone(), *named))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
