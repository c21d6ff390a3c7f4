//! Comparison of a store's folder with the history and the receipts.
//!
//! The SHA-256 of every file is compared with its row, and every file must have a row. Nothing is changed, except
//! that [`accept`] records a file as it is.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::Path;

use super::announced::Announced;
use super::folder::{self, Found};
use super::row::{Entry, Origin, Recovered};
use super::{History, HistoryError, store_path};
use crate::digest::Digest;
use crate::messages::{Escaped, escape};

/// What a receipt says about a row's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// The file has no receipt.
    None,
    /// The receipt agrees with the row.
    Agrees,
    /// The receipt disagrees; the text follows "its receipt ".
    Differs(String),
    /// The receipt cannot be read; the text follows "its receipt ".
    Unreadable(String),
}

/// A finding about one file; displayed in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// File name in the store; may not be UTF-8.
    pub name: OsString,
    /// Kind of the finding.
    pub what: What,
}

/// Kind of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// The file is missing, or something else has its name.
    Gone,
    /// The size differs.
    Size {
        /// Size of the file in bytes.
        found: u64,
        /// Size in the history, in bytes.
        recorded: u64,
    },
    /// The size is right, but the content differs.
    Content {
        /// SHA-256 of the file.
        found: Digest,
        /// SHA-256 in the history.
        recorded: Digest,
    },
    /// The file has no row in the history.
    NoRow {
        /// Whether the file is older than the history of this folder.
        older: bool,
    },
    /// The history has no row of the file as it is, but the server had announced it: a crash came in between, or the
    /// server is writing the row now.
    Announced,
    /// The receipt disagrees with the row.
    Receipt {
        /// Follows "its receipt ".
        why: String,
    },
    /// A receipt about files that have no row.
    StrayReceipt {
        /// Number of files without a row, at least one.
        files: usize,
    },
    /// The file or its receipt cannot be read, so it was not checked.
    Unreadable {
        /// Error from the system.
        why: String,
    },
}

impl What {
    /// Returns the word that stands for it in `--json`.
    #[must_use]
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Size { .. } => "size",
            Self::Content { .. } => "content",
            Self::NoRow { .. } => "no_row",
            Self::Announced => "announced",
            Self::Receipt { .. } => "receipt",
            Self::StrayReceipt { .. } => "stray_receipt",
            Self::Unreadable { .. } => "unreadable",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("it is in the history, but not in the folder"),
            Self::Size { found, recorded } => write!(f, "it has {found} bytes, the history says {recorded}"),
            Self::Content { found, recorded } => {
                write!(f, "its SHA-256 is {found}, the history says {recorded}")
            }
            Self::NoRow { older: false } => f.write_str("it is in the folder, but not in the history"),
            Self::NoRow { older: true } => {
                f.write_str("it is in the folder, but not in the history, which began later")
            }
            Self::Announced => f.write_str(
                "it was stored, but is not in the history yet; the next start of the server adds it",
            ),
            Self::Receipt { why } => write!(f, "its receipt {}", escape(why)),
            Self::StrayReceipt { files: 1 } => {
                f.write_str("it is a receipt of a stored file that is not in the history")
            }
            Self::StrayReceipt { files } => {
                write!(f, "it is a receipt of stored files, {files} of which are not in the history")
            }
            Self::Unreadable { why } => write!(f, "it cannot be checked: {}", escape(why)),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", Escaped::name(&self.name), self.what)
    }
}

/// Totals of an audit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Files with a row that were compared, or could not be.
    pub files: usize,
    /// Receipts that were compared with rows.
    pub receipts: usize,
    /// Findings that are differences.
    pub differing: usize,
    /// Findings about what could not be read.
    pub unreadable: usize,
}

impl Summary {
    /// Adds a finding.
    pub(crate) const fn count(&mut self, what: &What) {
        match what {
            What::Unreadable { .. } => self.unreadable += 1,
            _ => self.differing += 1,
        }
    }
}

/// Compares all files of a store, in the order of their names, and reports each finding when it is made. `receipt` is
/// called once for every row in effect.
///
/// # Errors
/// The folder cannot be listed, or the history fails. An error about one file is a finding.
pub(crate) fn run(
    history: &History,
    store: &Path,
    receipt: &dyn Fn(&Entry) -> Receipt,
    tell: &mut dyn FnMut(&Finding),
) -> Result<Summary, HistoryError> {
    let store = store_path(store)?;
    let began_ms = history.recorded_since(&store)?;
    let rows = history.in_effect(&store)?;
    let files = folder::files(&store).map_err(|why| HistoryError::Store { path: store.clone(), why })?;
    let mut pairs: BTreeMap<&OsStr, (Option<&Entry>, Option<&Found>)> = BTreeMap::new();
    for row in &rows {
        pairs.entry(OsStr::new(row.name())).or_default().0 = Some(row);
    }
    for file in &files {
        pairs.entry(&file.name).or_default().1 = Some(file);
    }
    let announced: Vec<Announced> = history.announced(&store)?.into_iter().map(|(_, one)| one).collect();
    let mut summary = Summary::default();
    for (name, pair) in pairs {
        summary.files += 1;
        let mut found = |what: What| {
            summary.count(&what);
            tell(&Finding { name: name.to_owned(), what });
        };
        let what = match pair {
            (Some(row), file) => compare(row, file, &store.join(name)),
            (None, Some(file)) => {
                Some(What::NoRow { older: began_ms.is_none_or(|began_ms| file.changed_ms < began_ms) })
            }
            (None, None) => None,
        };
        let what = what.map(|what| explain(what, &announced, name, &store));
        what.into_iter().for_each(&mut found);
        match pair.0.map_or(Receipt::None, receipt) {
            Receipt::None => continue,
            Receipt::Agrees => {}
            Receipt::Differs(why) => found(What::Receipt { why }),
            Receipt::Unreadable(why) => found(What::Unreadable { why: format!("its receipt {why}") }),
        }
        summary.receipts += 1;
    }
    Ok(summary)
}

/// Turns a difference into [`What::Announced`] if the file is what the server had announced.
fn explain(what: What, announced: &[Announced], name: &OsStr, store: &Path) -> What {
    let fits = |one: &&Announced| name.to_str().is_some_and(|name| one.fits(name));
    let mut announced = announced.iter().filter(fits).peekable();
    if !matches!(what, What::NoRow { .. } | What::Size { .. } | What::Content { .. })
        || announced.peek().is_none()
    {
        return what;
    }
    let Ok(content) = folder::read(&store.join(name)) else { return what };
    let is_it = |one: &Announced| {
        one.digest.is_none_or(|digest| digest == content.digest) && one.size == content.size
    };
    if announced.any(is_it) { What::Announced } else { what }
}

/// Records a file of a store as it is, because the operator accepts it. Returns the row.
///
/// # Errors
/// The file cannot be read, or the history fails.
pub(crate) fn accept(
    history: &History,
    store: &Path,
    name: &str,
    now_ms: i64,
) -> Result<Recovered, HistoryError> {
    let store = store_path(store)?;
    let path = store.join(name);
    let content = folder::read(&path).map_err(|why| HistoryError::Store { path, why })?;
    let row = Recovered {
        at_ms: now_ms,
        store,
        name: name.to_owned(),
        origin: Origin::Accepted,
        size: content.size,
        digest: Some(content.digest),
        receipt: None,
    };
    history.record_recovered(&row)?;
    Ok(row)
}

/// Compares a row with its file.
fn compare(row: &Entry, file: Option<&Found>, path: &Path) -> Option<What> {
    let Some(file) = file else { return Some(What::Gone) };
    if file.size != row.size() {
        return Some(What::Size { found: file.size, recorded: row.size() });
    }
    match folder::read(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Some(What::Gone),
        Err(why) => Some(What::Unreadable { why: why.to_string() }),
        Ok(content) => match row.digest() {
            None => Some(What::Unreadable { why: "it was not hashed when it came".to_owned() }),
            Some(recorded) if recorded == content.digest => None,
            Some(recorded) => Some(What::Content { found: content.digest, recorded }),
        },
    }
}

#[cfg(test)]
mod tests;
