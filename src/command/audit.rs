//! `upseal audit`: whether the folder, the history and the receipts say the same.

use std::path::Path;

use serde::Serialize;

use super::history::{existing, fault};
use crate::cli::Audit;
use crate::escape::escape;
use crate::event::{Blame, Fault, FaultKind};
use crate::ledger::audit::{self, Finding, Receipt, Summary};
use crate::ledger::{Entry, store_path};
use crate::output;

/// Compares them and names what differs, the first one first. 0: they agree; 1: they do not; 5: something
/// could not be read.
///
/// # Errors
/// The folder or the history cannot be read at all, or there is no history: exit code 5.
pub fn run(args: &Audit) -> Result<u8, Fault> {
    let store = store_path(&args.store).map_err(|e| fault(&e))?;
    let (ledger, path) = existing()?;
    let Some(ledger) = ledger else {
        return Err(Fault {
            kind: FaultKind::Local,
            blame: Blame::User,
            what: format!("there is no history yet in {}", path.display()),
            advice: "upseal serve makes one; UPSEAL_HISTORY names another".to_owned(),
        });
    };
    let receipt = |row: &Entry| match &args.receipts {
        None => Receipt::None,
        Some(folder) => receipt(folder, row),
    };
    let mut tell = |finding: &Finding| {
        if args.json {
            json(&Line::of(finding));
        } else {
            output::line(&finding.to_string());
        }
    };
    let summary = audit::run(&ledger, &store, &receipt, &mut tell).map_err(|e| fault(&e))?;
    if args.json {
        json(&Line::Summary {
            files: summary.files,
            receipts: summary.receipts,
            differing: summary.differing,
            unreadable: summary.unreadable,
        });
    } else {
        let place = escape(&store.to_string_lossy()).to_string();
        output::line(&sentence(&summary, &place, args.receipts.is_some()));
    }
    Ok(match summary {
        Summary { unreadable: 1.., .. } => FaultKind::Local.exit_code(),
        Summary { differing: 1.., .. } => FaultKind::Broken.exit_code(),
        _ => 0,
    })
}

/// What the receipt of this row's file says, if this folder has one: `NAME.receipt`.
fn receipt(folder: &Path, row: &Entry) -> Receipt {
    let path = folder.join(format!("{}.receipt", row.name()));
    if !path.is_file() {
        return Receipt::None;
    }
    let receipt = match super::verify::load(&path) {
        Ok(receipt) => receipt,
        Err(fault) => return Receipt::Unreadable(format!("cannot be read: {}", fault.what)),
    };
    match row.digest() {
        Some(digest) if receipt.find(digest, row.size()).is_empty() => {
            Receipt::Differs("is about another content".to_owned())
        }
        _ => Receipt::Agrees,
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

/// A line of `--json`.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    /// What is wrong with a file.
    Finding { name: String, what: &'static str, why: String },
    /// The last line.
    Summary { files: usize, receipts: usize, differing: usize, unreadable: usize },
}

impl Line {
    fn of(finding: &Finding) -> Self {
        Self::Finding {
            name: escape(&finding.name.to_string_lossy()).to_string(),
            what: finding.what.word(),
            why: finding.what.to_string(),
        }
    }
}

fn json(line: &Line) {
    // Plain values of ours: none fails to serialise.
    if let Ok(line) = serde_json::to_string(line) {
        output::line(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts() {
        let summary = Summary { files: 3, receipts: 1, differing: 0, unreadable: 0 };
        assert_eq!(sentence(&summary, "/s", false), "3 files in /s: folder and history agree");
        assert_eq!(sentence(&summary, "/s", true), "3 files and 1 receipt in /s: folder and history agree");
        let summary = Summary { files: 1, differing: 2, unreadable: 1, ..summary };
        assert_eq!(sentence(&summary, "/s", false), "1 file in /s: 2 differences, 1 cannot be checked");
    }
}
