//! `upseal audit`: compares the folder, the history and the receipts.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::history::{existing, fault};
use crate::cli::Audit;
use crate::clock;
use crate::crypto::receipt::{self as crypto, Fate, salted};
use crate::digest::Digest;
use crate::event::{Fault, FaultKind};
use crate::history::audit::{self, Finding, Receipt, Summary, What};
use crate::history::{Entry, Filter, History, HistoryError, Received, Recovered, Sent, store_path};
use crate::messages::{Escaped, escape};
use crate::output;
use crate::transfer::confirm;
use crate::transfer::receipt_files::{self, EXTENSION};

/// Compares the folder with the history and the receipts, and prints each difference as it is found. Returns 0 if they
/// agree, 1 if they differ, and 5 if something could not be read.
///
/// # Errors
/// The folder or the history cannot be read, or there is no history: exit code 5.
pub(crate) fn run(args: &Audit) -> Result<u8, Fault> {
    let store = store_path(&args.store).map_err(|e| fault(&e))?;
    let (history, path) = existing()?;
    let Some(history) = history else {
        return Err(Fault::local(format!("no history in {}", path.display()))
            .with_advice("`upseal serve` creates it; to read another file, set UPSEAL_HISTORY"));
    };
    let receipt = |row: &Entry| match &args.receipts {
        None => Receipt::None,
        Some(folder) => receipt(folder, row),
    };
    let mut report = |finding: &Finding| {
        if args.json {
            json(&Line::of(finding));
        } else {
            output::line(&finding.to_string());
        }
    };
    for name in &args.accept {
        let row = audit::accept(&history, &store, name, clock::unix_ms()).map_err(|e| fault(&e))?;
        if args.json {
            let sha256 = row.digest.map(|digest| digest.to_string());
            json(&Line::Accepted { name: escape(name), size: row.size, sha256 });
        } else {
            let digest = row.digest.map(|digest| format!(", SHA-256 {digest}")).unwrap_or_default();
            output::line(&format!("{}: recorded as it is now: {} bytes{digest}", escape(name), row.size));
        }
    }
    let mut summary = audit::run(&history, &store, &receipt, &mut report).map_err(|e| fault(&e))?;
    if let Some(folder) = &args.receipts {
        let strays = Strays::of(&history, &store, folder).map_err(|e| fault(&e))?;
        strays.report(&mut summary, &mut report).map_err(|e| fault(&e))?;
    }
    if args.json {
        json(&Line::Summary {
            files: summary.files,
            receipts: summary.receipts,
            differing: summary.differing,
            unreadable: summary.unreadable,
        });
    } else {
        let place = Escaped::path(&store);
        output::line(&sentence(&summary, place.as_str(), args.receipts.is_some()));
    }
    Ok(match summary {
        Summary { unreadable: 1.., .. } => FaultKind::Local.exit_code(),
        Summary { differing: 1.., .. } => FaultKind::Broken.exit_code(),
        _ => 0,
    })
}

/// Compares a row with its receipt in the folder, `NAME.receipt`, if there is one.
fn receipt(folder: &Path, row: &Entry) -> Receipt {
    let path = folder.join(format!("{}{EXTENSION}", row.name()));
    if !path.is_file() {
        return Receipt::None;
    }
    let receipt = match super::verify::load(&path) {
        Ok(receipt) => receipt,
        Err(fault) => return Receipt::Unreadable(format!("cannot be read: {}", fault.what)),
    };
    match row.digest() {
        Some(digest) if receipt.find(digest, row.size()).is_empty() => {
            Receipt::Differs("is for different content".to_owned())
        }
        _ => Receipt::Agrees,
    }
}

/// The receipts in a folder, and what the history knows of them; finds receipts without a row.
struct Strays<'a> {
    folder: &'a Path,
    /// Names of the receipts in the folder that rows of sent files refer to.
    named: HashSet<OsString>,
    /// Names of the receipts that were compared with a row of this store.
    compared: HashSet<OsString>,
    /// Files received in any store, by size: stored name and SHA-256.
    received: HashMap<u64, Vec<(String, Digest)>>,
    /// Time before which rows may have been pruned, in seconds since 1970, UTC.
    pruned: Option<i64>,
}

impl<'a> Strays<'a> {
    fn of(history: &History, store: &Path, folder: &'a Path) -> Result<Self, HistoryError> {
        let this = store_path(folder)?;
        let mut parents: HashMap<PathBuf, bool> = HashMap::new();
        let mut is_this = |parent: &Path| {
            // A folder that no longer exists counts as another one.
            let same = || parent.canonicalize().is_ok_and(|parent| parent == this);
            *parents.entry(parent.to_owned()).or_insert_with(same)
        };
        let (mut named, mut received) = (HashSet::new(), HashMap::<_, Vec<_>>::new());
        for entry in history.entries(&Filter::default())? {
            match entry {
                Entry::Sent(Sent { receipt: Some(path), .. }) => {
                    if let (Some(parent), Some(name)) = (path.parent(), path.file_name())
                        && is_this(parent)
                    {
                        named.insert(name.to_owned());
                    }
                }
                Entry::Received(Received { name, size, digest: Some(digest), .. })
                | Entry::Recovered(Recovered { name, size, digest: Some(digest), .. }) => {
                    received.entry(size).or_default().push((name, digest));
                }
                // Without a SHA-256, a row cannot match a receipt.
                Entry::Sent(_) | Entry::Received(_) | Entry::Recovered(_) => {}
            }
        }
        let in_effect = history.in_effect(store)?;
        let compared = in_effect.iter().map(|row| format!("{}{EXTENSION}", row.name()).into()).collect();
        let pruned = history.pruned_before()?.map(|at_ms| at_ms / 1000);
        Ok(Self { folder, named, compared, received, pruned })
    }

    /// Reports every receipt without a row.
    fn report(&self, summary: &mut Summary, report: &mut dyn FnMut(&Finding)) -> Result<(), HistoryError> {
        let listed = receipt_files::list(self.folder)
            .map_err(|why| HistoryError::Store { path: self.folder.to_owned(), why })?;
        for (path, _) in listed {
            let Some(name) = path.file_name() else { continue };
            if self.compared.contains(name) {
                continue;
            }
            summary.receipts += 1;
            let what = match super::verify::load(&path) {
                Err(fault) => What::Unreadable { why: fault.what.into() },
                Ok(_) if self.named.contains(name) => continue,
                // Its rows may have been pruned (`serve --keep-history`).
                Ok(receipt) if self.pruned.is_some_and(|pruned| receipt.statement.time <= pruned) => continue,
                Ok(receipt) => match self.without_row(&receipt) {
                    0 => continue,
                    files => What::StrayReceipt { files },
                },
            };
            summary.count(&what);
            report(&Finding { name: name.to_owned(), what });
        }
        Ok(())
    }

    /// Returns the number of files that are stored according to a receipt and have no row.
    fn without_row(&self, receipt: &crypto::Receipt) -> usize {
        let has_row = |entry: &&crypto::Entry| match &entry.fate {
            Fate::Missing(_) => true,
            Fate::Stored { size, digest, name, named, .. } => {
                self.received.get(size).into_iter().flatten().any(|(stored, row)| {
                    confirm::may_be_kept_as(name, stored, *named)
                        && salted(receipt.salt.as_deref(), *row) == *digest
                })
            }
        };
        receipt.statement.entries.iter().filter(|entry| !has_row(entry)).count()
    }
}

/// `3 files in /srv/recv_files: 1 differs, 1 cannot be checked`
fn sentence(summary: &Summary, place: &str, with_receipts: bool) -> String {
    let count = |n: usize, one: &str, more: &str| if n == 1 { one.to_owned() } else { format!("{n} {more}") };
    let files = count(summary.files, "1 file", "files");
    let receipts = count(summary.receipts, "1 receipt", "receipts");
    let what = if with_receipts { format!("{files} and {receipts}") } else { files };
    let mut found = Vec::new();
    if summary.differing > 0 {
        found.push(count(summary.differing, "1 difference", "differences"));
    }
    if summary.unreadable > 0 {
        found.push(format!("{} cannot be checked", summary.unreadable));
    }
    if found.is_empty() {
        return format!("{what} in {place}: folder and history agree");
    }
    format!("{what} in {place}: {}", found.join(", "))
}

/// One line of `--json`.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    /// A file was recorded as it is now.
    Accepted { name: Escaped, size: u64, sha256: Option<String> },
    /// A difference between folder, history and receipts.
    Finding { name: Escaped, what: &'static str, why: String },
    /// The totals, as the last line.
    Summary { files: usize, receipts: usize, differing: usize, unreadable: usize },
}

impl Line {
    fn of(finding: &Finding) -> Self {
        Self::Finding {
            name: Escaped::name(&finding.name),
            what: finding.what.word(),
            why: finding.what.to_string(),
        }
    }
}

fn json(line: &Line) {
    // Serialising plain values cannot fail.
    if let Ok(line) = serde_json::to_string(line) {
        output::line(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_has_the_totals() {
        let summary = Summary { files: 3, receipts: 1, differing: 0, unreadable: 0 };
        assert_eq!(sentence(&summary, "/s", false), "3 files in /s: folder and history agree");
        assert_eq!(sentence(&summary, "/s", true), "3 files and 1 receipt in /s: folder and history agree");
        let summary = Summary { files: 1, differing: 2, unreadable: 1, ..summary };
        assert_eq!(sentence(&summary, "/s", false), "1 file in /s: 2 differences, 1 cannot be checked");
    }
}
