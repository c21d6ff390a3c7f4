//! Known servers: which key answered last at an address, under which CA.
//!
//! A CA's signature proves only that *some* key which the CA certified has answered, and a CA may certify many. So
//! the first key seen at a (`host:port`, CA) is remembered. Another key there is refused, although the CA signed it,
//! until the user accepts it (docs/protocol.md, section "AP").
//!
//! ```text
//!   meet ─┬─ nothing known ────────────► remember it, if that is wanted: First
//!         ├─ the same key ─────────────► Known since
//!         ├─ another key ──────────────► note what was offered: Changed
//!         └─ the key that a pin names ─► remember it, whatever was known: Pinned
//! ```
//!
//! The key that signs a server's receipts is remembered too, from the first receipt on (`receipts.rs`).
//!
//! The file has one line for each server (`book.rs`). It is read without a lock, because it is replaced by a rename.
//! A process that changes it holds the lock of a file beside it, from reading to renaming. Its path comes from the
//! caller, so that no test reads the developer's own file.

mod book;
mod receipts;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use self::book::Book;
pub use self::book::Offered;
pub(crate) use self::book::{Entry, SignedBy};
pub(crate) use self::receipts::{ReceiptMeeting, ReceiptStanding};
use crate::digest::Digest;
use crate::event::{Destination, ServerAddress};
use crate::files::{Access, LOCK_TIMEOUT, Lock, LockKind, lock, replace};

/// Why the known servers cannot be read or changed. Each message is one line and contains its cause.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// The home folder is unknown.
    #[error("cannot find the home folder to remember servers in; set UPSEAL_KNOWN to a file")]
    NoPlace,
    /// The file cannot be read.
    #[error("cannot read the known servers in {}: {why}", path.display())]
    Unreadable {
        /// The file of known servers.
        path: PathBuf,
        /// Error from the system.
        why: io::Error,
    },
    /// The file cannot be changed.
    #[error("cannot change the known servers in {}: {why}", path.display())]
    Unwritable {
        /// The file of known servers.
        path: PathBuf,
        /// Error from the system.
        why: io::Error,
    },
    /// A line cannot be parsed. It is never skipped, because it may be the one that would expose an impostor.
    #[error("{}, line {line}, is damaged: {why}", path.display())]
    Damaged {
        /// The file of known servers.
        path: PathBuf,
        /// Number of the line, counted from 1.
        line: usize,
        /// What is wrong with it, escaped.
        why: String,
    },
    /// The server is not known.
    #[error("{address} is not a known server{}", under(*ca))]
    NotKnown {
        /// Address of the server.
        address: ServerAddress,
        /// SPKI SHA-256 of the CA, if one was given.
        ca: Option<Digest>,
    },
    /// The server is known under several CAs.
    #[error("{address} is known under {count} CAs; choose one with --ca")]
    Ambiguous {
        /// Address of the server.
        address: ServerAddress,
        /// Number of CAs.
        count: usize,
    },
    /// A link names another key than the known one, and not the one that was refused last.
    #[error("the link names the key sha256:{named}, but {address} is known by sha256:{known}")]
    OtherKey {
        /// Address of the server.
        address: ServerAddress,
        /// The known key.
        known: Digest,
        /// The key that the link names.
        named: Digest,
    },
    /// No other key was refused since the last one was accepted.
    #[error("{address} has offered no other key than the known one, sha256:{key}")]
    NothingOffered {
        /// Address of the server.
        address: ServerAddress,
        /// The known key.
        key: Digest,
    },
}

fn under(ca: Option<Digest>) -> String {
    ca.map(|ca| format!(" under the CA sha256:{ca}")).unwrap_or_default()
}

/// A server whose proof was verified, before anything is sent to it.
#[derive(Debug, Clone)]
pub struct Meeting {
    /// Address of the server.
    pub address: ServerAddress,
    /// SPKI SHA-256 of the CA; of the server's key if a pin alone was checked.
    pub ca: Digest,
    /// SPKI SHA-256 of the key that answered.
    pub key: Digest,
    /// Size of its modulus in bits.
    pub bits: usize,
    /// Whether the user pinned this key.
    pub pinned: bool,
    /// Whether the server is remembered if it was never met. If not, it stays unknown.
    pub remember: bool,
    /// Whether the server says that it gives receipts; `None` if it was not asked.
    pub receipts: Option<bool>,
    /// Current time, in Unix seconds.
    pub now: i64,
}

impl Meeting {
    /// Returns whether no CA was checked. Then the field of the CA holds the pinned key.
    fn is_pinned_alone(&self) -> bool {
        self.ca == self.key
    }
}

/// Result of comparing a server with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encounter {
    /// Never seen before at this address under this CA.
    First {
        /// Whether the address is known under another CA.
        other_ca: bool,
    },
    /// The known key.
    Known {
        /// Time of the first meeting, RFC 3339; `None` if the file does not contain it.
        since: Option<String>,
    },
    /// A pinned key.
    Pinned {
        /// The key that was known until now, if it was another one.
        replaced: Option<Digest>,
    },
    /// The known key, but the server no longer says that it gives receipts. An attacker may have removed that, so
    /// nothing must be sent.
    Withheld {
        /// Time of the first meeting, RFC 3339; `None` if the file does not contain it.
        since: Option<String>,
    },
    /// Another key than the known one. Nothing must be sent.
    Changed {
        /// The known key.
        known: Digest,
        /// Time of the first meeting, RFC 3339; `None` if the file does not contain it.
        since: Option<String>,
    },
}

/// Result of [`KnownServers::meet`].
#[derive(Debug)]
pub struct Met {
    /// Result of the comparison.
    pub encounter: Encounter,
    /// Why the result could not be saved, if it could not.
    pub unsaved: Option<KnownError>,
}

/// The file of known servers, or none if the home folder is unknown.
#[derive(Debug, Clone, Default)]
pub struct KnownServers {
    path: Option<PathBuf>,
}

impl KnownServers {
    /// Uses the file `path`, which may be missing. With `None`, nothing is known and nothing is remembered.
    #[must_use]
    pub const fn at(path: Option<PathBuf>) -> Self {
        Self { path }
    }

    /// Returns all known servers, in the order of the file.
    pub fn list(&self) -> Result<Vec<Entry>, KnownError> {
        match &self.path {
            None => Ok(Vec::new()),
            Some(path) => Ok(Book::read(path)?.entries().cloned().collect()),
        }
    }

    /// Returns the size in bits of the key known at this address under this CA, so that the hello can have the length
    /// of the signature. A damaged file is thus reported before anything is sent.
    pub fn bits(&self, address: &ServerAddress, ca: Digest) -> Result<Option<usize>, KnownError> {
        let Some(path) = &self.path else { return Ok(None) };
        let book = Book::read(path)?;
        Ok(book.find(&address.normal(), ca).and_then(|entry| entry.bits))
    }

    /// Checks that a link does not contradict what is known: the server is unknown, or one of its entries has the key
    /// that the link names or has refused it last. An address without a pin contradicts nothing.
    ///
    /// # Errors
    /// The link contradicts what is known, or the file cannot be read.
    pub(crate) fn check(&self, there: &Destination, ca: Option<Digest>) -> Result<(), KnownError> {
        let Some(named) = there.pin else { return Ok(()) };
        let address = there.address.normal();
        let entries = self.list()?;
        let mut entries =
            entries.iter().filter(|entry| entry.address == address && ca.is_none_or(|ca| entry.ca == ca));
        let Some(first) = entries.clone().next() else { return Ok(()) };
        let is_it =
            |entry: &Entry| entry.key == named || entry.offered.is_some_and(|offered| offered.key == named);
        if entries.any(is_it) {
            return Ok(());
        }
        Err(KnownError::OtherKey { address, known: first.key, named })
    }

    /// Compares a server with what is known of it, and remembers what is new.
    ///
    /// # Errors
    /// The file cannot be read or is damaged; then nothing must be sent. If it cannot be written, that is reported in
    /// [`Met::unsaved`].
    pub fn meet(&self, meeting: &Meeting) -> Result<Met, KnownError> {
        let address = meeting.address.normal();
        let Some(path) = &self.path else {
            let mut book = Book::default();
            return Ok(Met {
                encounter: decide(&mut book, &address, meeting).0,
                unsaved: Some(KnownError::NoPlace),
            });
        };
        let (encounter, news) = decide(&mut Book::read(path)?, &address, meeting);
        if !news {
            return Ok(Met { encounter, unsaved: None });
        }
        let unwritable = |why| KnownError::Unwritable { path: path.clone(), why };
        // Another process may have met the server since the file was read.
        let lock = hold(path);
        let mut book = Book::read(path)?;
        let (encounter, news) = decide(&mut book, &address, meeting);
        let saved = match lock {
            Ok(_held) if news => replace(path, book.to_string().as_bytes(), Access::Private),
            Err(why) if news => Err(why),
            _ => Ok(()),
        };
        Ok(Met { encounter, unsaved: saved.map_err(unwritable).err() })
    }

    /// Accepts a key: the given one, or else the one that was refused last, of the server or of its receipts. With a
    /// CA and a key, also accepts a server that is not known yet.
    pub fn accept(
        &self,
        address: &ServerAddress,
        ca: Option<Digest>,
        key: Option<Offered>,
        now: i64,
    ) -> Result<Entry, KnownError> {
        let address = address.normal();
        self.change(|book| {
            let entry = match (book.choose(&address, ca, key.is_none()), ca, key) {
                (Err(KnownError::NotKnown { .. }), Some(ca), Some(_)) => {
                    // Its key is replaced below.
                    book.add(Entry::new(address.clone(), ca, Digest([0; 32])))
                }
                (chosen, ..) => chosen?,
            };
            if key.is_none()
                && entry.offered.is_none()
                && let Some(signer) = entry.offered_receipts.take()
            {
                entry.receipt_key = match signer {
                    SignedBy::ReceiptKey(key) => Some(key),
                    SignedBy::OnlyKey => None,
                };
                return Ok(entry.clone());
            }
            let Some(key) = key.or(entry.offered) else {
                return Err(KnownError::NothingOffered { address, key: entry.key });
            };
            let bits = key.bits.or_else(|| {
                entry.offered.filter(|offered| offered.key == key.key).and_then(|offered| offered.bits)
            });
            if entry.key != key.key {
                if entry.is_pinned_alone() {
                    entry.ca = key.key;
                }
                (entry.key, entry.bits, entry.first) = (key.key, None, Some(date(now)));
                // The receipt key belongs to the other server key. It is learned again.
                (entry.receipt_key, entry.offered_receipts) = (None, None);
            }
            entry.bits = bits.or(entry.bits);
            entry.offered = None;
            Ok(entry.clone())
        })
    }

    /// Removes a server.
    pub fn remove(&self, address: &ServerAddress, ca: Option<Digest>) -> Result<Entry, KnownError> {
        let address = address.normal();
        self.change(|book| {
            let entry = book.choose(&address, ca, false)?.clone();
            book.remove(&entry);
            Ok(entry)
        })
    }

    /// Reads, changes and replaces the file under its lock.
    fn change<T>(&self, edit: impl FnOnce(&mut Book) -> Result<T, KnownError>) -> Result<T, KnownError> {
        let path = self.path.as_ref().ok_or(KnownError::NoPlace)?;
        let unwritable = |why| KnownError::Unwritable { path: path.clone(), why };
        // Damage is reported even if the file cannot be written.
        Book::read(path)?;
        let _held = hold(path).map_err(unwritable)?;
        let mut book = Book::read(path)?;
        let done = edit(&mut book)?;
        replace(path, book.to_string().as_bytes(), Access::Private).map_err(unwritable)?;
        Ok(done)
    }
}

/// Compares a server with the book. Returns the result, and whether the book was changed.
fn decide(book: &mut Book, address: &ServerAddress, meeting: &Meeting) -> (Encounter, bool) {
    let other_ca = book.entries().any(|entry| entry.address == *address && !entry.is_pinned_alone());
    if meeting.is_pinned_alone()
        && let Some(entry) = book.pinned_mut(address)
    {
        entry.ca = meeting.ca;
    }
    let offered = Offered { key: meeting.key, bits: Some(meeting.bits) };
    let Some(entry) = book.find_mut(address, meeting.ca) else {
        if !meeting.remember && !meeting.pinned {
            return (Encounter::First { other_ca }, false);
        }
        let mut entry = Entry::new(address.clone(), meeting.ca, meeting.key);
        (entry.bits, entry.first) = (Some(meeting.bits), Some(date(meeting.now)));
        entry.receipts = meeting.receipts == Some(true);
        book.add(entry);
        let pinned = Encounter::Pinned { replaced: None };
        return (if meeting.pinned { pinned } else { Encounter::First { other_ca } }, true);
    };
    let before = entry.clone();
    let encounter = if entry.key == meeting.key {
        let withheld = entry.receipts && meeting.receipts == Some(false);
        (entry.bits, entry.offered) = (Some(meeting.bits), None);
        entry.receipts |= meeting.receipts == Some(true);
        if withheld {
            Encounter::Withheld { since: entry.first.clone() }
        } else if meeting.pinned {
            Encounter::Pinned { replaced: None }
        } else {
            Encounter::Known { since: entry.first.clone() }
        }
    } else if meeting.pinned {
        (entry.key, entry.bits) = (meeting.key, Some(meeting.bits));
        (entry.first, entry.offered) = (Some(date(meeting.now)), None);
        (entry.receipt_key, entry.offered_receipts) = (None, None);
        Encounter::Pinned { replaced: Some(before.key) }
    } else {
        entry.offered = Some(offered);
        Encounter::Changed { known: entry.key, since: entry.first.clone() }
    };
    (encounter, *entry != before)
}

/// Formats a time as RFC 3339, UTC.
fn date(now: i64) -> String {
    Timestamp::from_second(now).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// Takes the lock that is held from reading the file to replacing it. Where the file system has no locks, two
/// processes at once may lose an update.
fn hold(path: &Path) -> io::Result<Option<File>> {
    lock(path, ".lock", LockKind::Exclusive, LOCK_TIMEOUT).and_then(Lock::held)
}

#[cfg(test)]
mod tests;
