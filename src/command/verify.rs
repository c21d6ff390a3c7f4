//! `upseal verify`: checks a receipt against a file, offline.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::known::{anchor, known_servers};
use crate::cli::Verify;
use crate::crypto::receipt::{Entry, Fate, RECEIPT_MAX, Receipt, Statement};
use crate::digest::Digest;
use crate::event::{Fault, FaultKind, Named, Proof};
use crate::messages::units;
use crate::messages::{Escaped, escape};
use crate::output;
use crate::trust::receipts::ONLY_KEY;

/// Prints the result of every check. Returns 0 if the receipt is valid and for this file, 4 if it is not valid, and 1 if
/// it is valid, but for different content.
///
/// # Errors
/// A file cannot be read: exit code 5. The receipt cannot be parsed: 2.
pub(crate) fn run(args: &Verify) -> Result<u8, Fault> {
    let ca = anchor(&args.ca)?;
    let receipt = load(&args.receipt)?;
    let (digest, size) =
        File::open(&args.file).and_then(Digest::of_reader).map_err(|e| unreadable(&args.file, &e))?;
    let statement = &receipt.statement;
    let mut holds = true;
    let mut warning = None;
    let mut say = |good: bool, what: String| {
        output::line(&format!("{}  {what}", if good { "ok  " } else { "FAIL" }));
        holds &= good;
    };
    // The certificates had to be valid at the receipt's time.
    match ca.check_signers(&receipt.certificates, statement.time) {
        Ok(signers) => {
            let Proof { subject, issuer, warnings, .. } = &signers.server.proof;
            say(true, format!("certificate   {subject}, signed by {issuer}, valid at the receipt's time"));
            for warning in warnings {
                output::remark(&format!("note: {warning}"));
            }
            say(
                signers.is_key_named(&receipt),
                format!("key           the statement names sha256:{}", statement.key),
            );
            match (&signers.receipts, statement.receipt_key) {
                (Some(receipts), Some(key)) => {
                    let Proof { issuer, warnings, .. } = &receipts.proof;
                    for warning in warnings {
                        output::remark(&format!("note: receipt key: {warning}"));
                    }
                    say(
                        signers.is_receipt_key_named(&receipt),
                        format!(
                            "receipt key   the statement names sha256:{key}, certified for the same subject by {issuer}"
                        ),
                    );
                }
                _ => warning = Some(ONLY_KEY),
            }
            say(
                signers.is_signed(&receipt),
                "signature     RSASSA-PSS, SHA-256, 32 bytes of salt, over the statement".to_owned(),
            );
        }
        Err(why) => say(false, format!("certificate   {why}")),
    }
    let time = jiff::Timestamp::from_second(statement.time).unwrap_or_default();
    let found = receipt.find(digest, size);
    let shown = Escaped::path(&args.file);
    if let Some((ordinal, name)) = found.first() {
        let is_stored_name = |entry: &Entry| {
            entry.ordinal == *ordinal && matches!(entry.fate, Fate::Stored { named: Named::Stored, .. })
        };
        let how = if statement.entries.iter().any(is_stored_name) { "is stored" } else { "was accepted" };
        output::line(&format!(
            "ok    content       {shown}, {} ({size} bytes), sha256 {digest}, {how} as {}",
            units::bytes(size),
            escape(name)
        ));
        output::line(&format!("      time          {time}, by the server's clock"));
    } else {
        let count = statement.entries.len();
        output::line(&format!(
            "FAIL  content       {shown}, {size} bytes, sha256 {digest}, is not among the receipt's {count} files"
        ));
    }
    if let Some(warning) = warning {
        output::remark(&format!("warning: {warning}"));
    }
    if let Some(known) = other_receipt_key(ca.fingerprint(), statement) {
        output::remark(&format!(
            "warning: this server's known receipt key is sha256:{known}; ask its operator whether this receipt is older \
             than that key"
        ));
    }
    Ok(match (holds, found.is_empty()) {
        (false, _) => FaultKind::Unproven.exit_code(),
        (true, true) => FaultKind::Broken.exit_code(),
        (true, false) => 0,
    })
}

/// Returns the known receipt key of the statement's server, if another key signed the statement. `None` if the list of
/// known servers cannot be read.
fn other_receipt_key(ca: Digest, statement: &Statement) -> Option<Digest> {
    let known = known_servers().list().unwrap_or_default();
    let same_server = known.into_iter().filter(|entry| entry.ca == ca && entry.key == statement.key);
    let receipt_keys: Vec<Digest> = same_server.filter_map(|entry| entry.receipt_key).collect();
    let is_known = statement.receipt_key.is_some_and(|key| receipt_keys.contains(&key));
    receipt_keys.first().copied().filter(|_| !is_known)
}

/// Reads the file of a receipt.
pub(super) fn load(path: &Path) -> Result<Receipt, Fault> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(RECEIPT_MAX + 1).read_to_string(&mut text));
    read.map_err(|e| unreadable(path, &e))?;
    Receipt::parse(&text)
        .map_err(|why| Fault::usage(format!("{} is not a receipt: {why}", Escaped::path(path))))
}

fn unreadable(path: &Path, why: &io::Error) -> Fault {
    Fault::local(format!("cannot read {}: {why}", Escaped::path(path)))
}
