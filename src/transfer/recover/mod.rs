//! What a client that was killed had asked for, judged by the receipts that it left.
//!
//! ```text
//!   a receipt holds, and has this file in this place  ──► stored, with the receipt
//!   none does                                         ──► failed: not confirmed
//!   a receipt that is damaged or forged               ──► said, and nothing more
//! ```
//!
//! A receipt holds here if it names the key that had proven itself when the file was sent, and the key that must
//! have signed it did: the receipt key that is known of that server, or, while none is known, the server's own. A
//! client remembers the receipt key before it keeps the receipt. The CA is not asked again. Plain proves no key: of
//! its receipts only the signature is checked, by the certificate that is in it. `upseal verify` asks the CA.
//!
//! A row claims no more than the receipt does: size, protocol and, with the salt, the SHA-256 of what was
//! sent must be those of the line with the file's number. So a copy that was altered on the way is never
//! taken for stored.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::confirm;
use crate::crypto::receipt::{Certificates, Fate, RECEIPT_MAX, Receipt, is_fitting, salted, verify};
use crate::crypto::server_key::ServerKey;
use crate::digest::Digest;
use crate::event::Named;
use crate::history::{History, HistoryError, Outcome, PendingReceipt, Sent};
use crate::messages::escape;
use crate::trust;
use crate::trust::known::KnownServers;

/// What the name of a receipt ends in.
pub const ENDING: &str = ".receipt";
/// Why a file that nothing is known of is no success.
pub const UNCONFIRMED: &str = "sent, and upseal ended before it knew what the server says of it";
/// What is said of a file in whose stead a receipt speaks.
const RECOVERED: &str = "recovered from its receipt after a crash";

/// How much older a receipt may look than the question: clocks are set.
const OVERLAP_MS: i64 = 60_000;

/// What was found, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Files that a receipt calls stored.
    pub stored: usize,
    /// Files that none does.
    pub unconfirmed: usize,
    /// Receipts that are not believed, and folders that cannot be read: each with the reason.
    pub unbelieved: Vec<String>,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, were) = match self.stored + self.unconfirmed {
            1 => ("1 file".to_owned(), "was"),
            n => (format!("{n} files"), "were"),
        };
        write!(f, "history repaired: {all} {were} sent before a crash and had no row: ")?;
        match (self.stored, self.unconfirmed) {
            (n, 0) => write!(f, "{n} stored, by the receipt"),
            (0, n) => write!(f, "{n} not confirmed"),
            (stored, not) => write!(f, "{stored} stored, by the receipt, and {not} not confirmed"),
        }
    }
}

/// Judges what dead programs have asked for, and gives each file its row. `None`: there is nothing, or
/// somebody else waits for a receipt just now, and a later call has to do it.
///
/// # Errors
/// The history fails.
pub fn run(history: &History, known: &KnownServers) -> Result<Option<Recovery>, HistoryError> {
    let Some(alone) = history.lock_abandoned_receipts() else { return Ok(None) };
    let asked = history.abandoned_receipts(&alone)?;
    if asked.is_empty() {
        return Ok(None);
    }
    let mut recovery = Recovery::default();
    let keys = known.receipt_keys().unwrap_or_else(|why| {
        recovery.unbelieved.push(why.to_string());
        Vec::new()
    });
    let since_ms = asked.iter().map(|file| file.sent.at_ms).min().unwrap_or(0) - OVERLAP_MS;
    let folders: BTreeSet<&PathBuf> = asked.iter().filter_map(|file| file.receipts.as_ref()).collect();
    let mut receipts = Vec::new();
    for folder in folders {
        let found = list(folder).unwrap_or_else(|why| {
            recovery.unbelieved.push(format!("{}: {why}", shown(folder)));
            Vec::new()
        });
        for (path, modified_ms) in found {
            // What a row names has its rows, all of them.
            if modified_ms < since_ms || history.names_receipt(&path, modified_ms - OVERLAP_MS)? {
                continue;
            }
            match read(&path) {
                Ok(receipt) => receipts.push((folder, path, receipt)),
                Err(why) => recovery.unbelieved.push(format!("{}: {why}", shown(&path))),
            }
        }
    }
    let row = |file: &PendingReceipt| {
        let its = receipts.iter().filter(|(folder, _, _)| file.receipts.as_ref() == Some(*folder));
        let proofs =
            its.filter_map(|(_, path, receipt)| Some((stated_name(receipt, file, &keys)?, path.clone())));
        // Files that each have a receipt of their own have the same statement in all of them.
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

/// How much a receipt is called as that of a file of this name: `NAME.receipt`, or `NAME (2).receipt` if that was taken.
fn likeness(receipt: &Path, name: &str) -> u8 {
    let called = receipt.file_name().unwrap_or_default().to_string_lossy();
    let name = confirm::base(name);
    match called.strip_prefix(name) {
        Some(ENDING) => 2,
        Some(rest) if rest.starts_with(" (") => 1,
        _ => 0,
    }
}

/// Whether the key that signed a receipt may sign those of the server with this key, by what is known of servers: their
/// keys, each with its receipt key.
fn is_known_signer(receipt: &Receipt, key: Digest, known: &[(Digest, Option<Digest>)]) -> bool {
    let mut receipt_keys = known.iter().filter(|(of, _)| *of == key).map(|(_, receipt_key)| *receipt_key);
    match receipt.statement.receipt_key {
        Some(signer) => receipt_keys.any(|known| known == Some(signer)),
        None => receipt_keys.all(|known| known.is_none()),
    }
}

/// Returns the name that a receipt gives this file, and what that name is; `None`: it is not about this file, or of another
/// server than it was sent to.
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
                && confirm::is_kept_as(&sent.name, name, *named) =>
        {
            Some((name.clone(), *named))
        }
        _ => None,
    }
}

/// The receipts in a folder, each with when it was written: milliseconds since 1970, UTC. No links; none is opened.
///
/// # Errors
/// The folder cannot be listed.
pub fn list(folder: &Path) -> io::Result<Vec<(PathBuf, i64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.to_string_lossy().ends_with(ENDING) {
            continue;
        }
        let meta = match entry.metadata() {
            Ok(meta) => meta,
            // Taken away in between.
            Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
            Err(why) => return Err(why),
        };
        if meta.is_file() {
            found.push((folder.join(name), meta.mtime() * 1000 + meta.mtime_nsec() / 1_000_000));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// A receipt that the key in its own certificate has signed, the receipt key's if there is one.
fn read(path: &Path) -> Result<Receipt, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(RECEIPT_MAX + 1).read_to_string(&mut text));
    read.map_err(|why| why.to_string())?;
    let receipt = Receipt::parse(&text).map_err(|why| format!("it is no receipt: {why}"))?;
    let key = |pem: &str| trust::key(pem.as_bytes()).map_err(|why| format!("its certificate: {why}"));
    let Certificates { server, receipts } = &receipt.certificates;
    let server = key(server)?;
    let receipts = receipts.as_deref().map(key).transpose()?;
    let named = (receipt.statement.key, receipt.statement.receipt_key);
    if (server.fingerprint(), receipts.as_ref().map(ServerKey::fingerprint)) != named {
        return Err("its certificate is that of another key".to_owned());
    }
    if !verify(receipts.as_ref().unwrap_or(&server), &receipt.text, &receipt.signature) {
        return Err("its signature does not hold".to_owned());
    }
    Ok(receipt)
}

fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy()).to_string()
}

#[cfg(test)]
mod tests;
