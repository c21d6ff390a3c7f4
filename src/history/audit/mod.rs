//! Whether a store's folder, the history and the receipts say the same.
//!
//! Every row in effect is compared with its file, byte for byte by SHA-256, and every file must have a
//! row. Nothing is changed, except that [`accept`] records a file as it is.

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
use crate::messages::escape;

/// What a receipt says of a row's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// There is none for it.
    None,
    /// The same.
    Agrees,
    /// Something else, in words that follow "its receipt ".
    Differs(String),
    /// It cannot be read, in words that follow "its receipt ".
    Unreadable(String),
}

/// One thing that was found; each says all in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file's name in the store; it need not be text.
    pub name: OsString,
    /// What is wrong with it.
    pub what: What,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// There is no such file, or something else has its name.
    Gone,
    /// It has another size.
    Size {
        /// Bytes in the folder.
        found: u64,
        /// Bytes in the history.
        recorded: u64,
    },
    /// It has the size, and other bytes.
    Content {
        /// SHA-256 in the folder.
        found: Digest,
        /// SHA-256 in the history.
        recorded: Digest,
    },
    /// The history has no row of it.
    NoRow {
        /// It was there before anything of this folder was recorded.
        older: bool,
    },
    /// The history has no row of it as it is, and the server had announced just that: a crash came in between, or
    /// the server is writing the row now.
    Announced,
    /// Its receipt says something else.
    Receipt {
        /// In words that follow "its receipt ".
        why: String,
    },
    /// It is a receipt, and nobody has a row of what it calls stored.
    StrayReceipt {
        /// So many files of it, at least one.
        files: usize,
    },
    /// It or its receipt cannot be read, so nothing is known of it.
    Unreadable {
        /// Why.
        why: String,
    },
}

impl What {
    /// One word, for programs.
    #[must_use]
    pub const fn word(&self) -> &'static str {
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
            Self::Gone => f.write_str("it is not in the folder, the history says that it was stored"),
            Self::Size { found, recorded } => write!(f, "it has {found} bytes, the history says {recorded}"),
            Self::Content { found, recorded } => {
                write!(f, "its SHA-256 is {found}, the history says {recorded}")
            }
            Self::NoRow { older: false } => f.write_str("it is in the folder, the history has no row of it"),
            Self::NoRow { older: true } => {
                f.write_str("it is in the folder, the history has no row of it and began later")
            }
            Self::Announced => {
                f.write_str("it was stored, and its row is not written yet: the next start does that")
            }
            Self::Receipt { why } => write!(f, "its receipt {}", escape(why)),
            Self::StrayReceipt { files: 1 } => {
                f.write_str("it is the receipt of a stored file, the history has no row of that")
            }
            Self::StrayReceipt { files } => {
                write!(f, "it is the receipt of stored files, the history has no row of {files} of them")
            }
            Self::Unreadable { why } => write!(f, "it cannot be checked: {}", escape(why)),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", escape(&self.name.to_string_lossy()), self.what)
    }
}

/// How much was compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files that were compared with their rows, or should have been.
    pub files: usize,
    /// Receipts that were compared with rows.
    pub receipts: usize,
    /// Of all findings those that are differences.
    pub differing: usize,
    /// Of all findings those that could not be read.
    pub unreadable: usize,
}

impl Summary {
    /// One finding more.
    pub const fn count(&mut self, what: &What) {
        match what {
            What::Unreadable { .. } => self.unreadable += 1,
            _ => self.differing += 1,
        }
    }
}

/// Compares all of a store, in the order of the names, and tells each finding as soon as it is made.
/// `receipt` is asked once for every row in effect.
///
/// # Errors
/// The folder cannot be listed, or the history fails; what is wrong with one file is a finding.
pub fn run(
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
                Some(What::NoRow { older: began_ms.is_none_or(|began_ms| file.modified_ms < began_ms) })
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

/// Says that the file is what the server had announced, if it is.
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

/// Records a file of a store as it is, because the operator says that it is right. Gives the row.
///
/// # Errors
/// The file cannot be read, or the history fails.
pub fn accept(history: &History, store: &Path, name: &str, now_ms: i64) -> Result<Recovered, HistoryError> {
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

/// What is wrong with the row's file, if anything is.
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
