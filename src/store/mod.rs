//! Storage of received files.
//!
//! ```text
//! Store::begin(name) ──► Pending ── write … write ──► commit(digest) ──► Ticket ── wait ──► Stored
//!                          └── abort, or dropped: nothing of it remains
//! ```
//!
//! A [`Store`] is a place for files, a [`Pending`] one file on its way into it. A file is visible only when it is
//! complete and on disk. No file is ever replaced, and a file that is here already is not stored again. The one
//! exception is a file that is continued ([`Store::amend`]) and that no other upload relies on. Names from the wire
//! become a [`FileName`] first, or are refused.
//!
//! - [`name`]: names from the wire
//! - [`folder`]: a local folder, crash-safe
//! - [`discard`]: a store that keeps nothing, for the lanes of a race
//!
//! Limits: one flat folder; copies of one name are numbered up to [`name::LAST_COPY`], and have a digest in their
//! names after that.

use std::fmt;
use std::os::fd::BorrowedFd;

use crate::digest::Digest;
use crate::event::Kept;

pub(crate) mod discard;
pub(crate) mod error;
pub(crate) mod folder;
pub(crate) mod name;

pub(crate) use self::discard::Discard;
pub use self::discard::Nowhere;
pub use self::error::StoreError;
pub use self::folder::Folder;
pub(crate) use self::folder::{Durability, Existing};
pub(crate) use name::{FileName, NameError};

/// What is known about a file before its first byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Requested name.
    pub name: FileName,
    /// Size of the plaintext in bytes, if the client announced it. A store may refuse a file because of it, but never
    /// allocates by it.
    pub size: Option<u64>,
}

/// Record of earlier files of a store: the history.
pub trait Catalogue: Send + Sync + fmt::Debug {
    /// Returns the latest record of a stored file by its name on disk. Returns `None` also if the record cannot be
    /// read; the file is read instead.
    fn record_of(&self, name: &FileName) -> Option<Record>;
}

/// A record of a stored file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the content.
    pub digest: Digest,
    /// Time of the record, after the file was published, in milliseconds since 1970, UTC. The record of a file that
    /// was modified later is not trusted.
    pub at_ms: i64,
}

/// A place for received files.
pub trait Store: Send + Sync {
    /// Begins a file, which stays invisible until it is committed.
    fn begin(&self, want: &Incoming) -> Result<Box<dyn Pending>, StoreError>;

    /// Begins a copy of a published file that is continued. The copy contains what was published, and its commit
    /// replaces the original in one step ([`Kept::Amended`]). Until then, and if it is given up, the original stays.
    /// A file that answered another upload ([`Kept::Same`]) is never replaced: the copy gets a name of its own
    /// ([`Kept::Renamed`]).
    fn amend(&self, of: &Published) -> Result<Box<dyn Pending>, StoreError>;

    /// Returns the place as text for the user.
    fn place(&self) -> String;
}

/// A complete file that is about to get its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coming {
    /// Requested name.
    pub want: FileName,
    /// Name of the published file that this one replaces, if that is unchanged.
    pub replaces: Option<FileName>,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the content, if it was computed.
    pub digest: Option<Digest>,
}

/// Receiver of announcements. A file is announced when it is complete and on disk, before it gets its name.
pub trait Announce: fmt::Debug + Send + Sync {
    /// Announces files that get their names together as soon as this returns.
    fn announce(&self, coming: &[Coming]);
}

/// What a client says about a file beyond its name and content. It decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meta {
    /// Time of the last modification, in seconds since 1970, UTC, and nanoseconds.
    pub modified: Option<(i64, u32)>,
    /// Whether the owner may execute the file.
    pub executable: bool,
}

/// A file on its way into a [`Store`]. If it is dropped, nothing remains of it.
pub trait Pending: Send {
    /// Appends bytes. After an error the file can only be [aborted](Self::abort).
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError>;

    /// Returns whether the kernel can move bytes from a pipe into the file ([`write_from`](Self::write_from)).
    fn splices(&self) -> bool {
        false
    }

    /// Adds the next `len` bytes of a pipe to the end of the file, without copying them into this process.
    /// They **MUST** be in the pipe. Fails with [`StoreError::NoSplice`] unless the file [`splices`](Self::splices).
    fn write_from(&mut self, _pipe: BorrowedFd<'_>, _len: usize) -> Result<(), StoreError> {
        Err(StoreError::NoSplice)
    }

    /// Sets what the client says about the file. A store may ignore it.
    fn describe(&mut self, _meta: Meta) {}

    /// Publishes the file. **Must** be called only when it is complete: its length, and in CP2 its HMAC, are right.
    ///
    /// `digest` is the SHA-256 of the content. Without it the file cannot be compared with those that are here, so it
    /// is stored again: [`Kept::New`] or [`Kept::Renamed`], never [`Kept::Same`].
    fn commit(self: Box<Self>, digest: Option<Digest>) -> Ticket;

    /// Gives the file up.
    fn abort(self: Box<Self>);
}

/// The pending result of a commit. Waiting for one ticket makes the store sync all files that wait for publication,
/// which costs about as much as syncing one.
#[must_use = "a file is stored when its ticket says so, not before"]
pub struct Ticket(Box<dyn FnOnce() -> Result<Stored, StoreError> + Send>);

impl Ticket {
    /// Creates a ticket whose result is known.
    pub fn ready(result: Result<Stored, StoreError>) -> Self {
        Self(Box::new(|| result))
    }

    /// Creates a ticket whose result `settle` computes, unless another ticket's wait has done so.
    pub fn later(settle: impl FnOnce() -> Result<Stored, StoreError> + Send + 'static) -> Self {
        Self(Box::new(settle))
    }

    /// Waits until the file is on disk under its name, or has failed.
    pub fn wait(self) -> Result<Stored, StoreError> {
        self.0()
    }
}

/// A published file that may still be continued (docs/protocol.md, section "When a file is complete").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Requested name.
    pub want: FileName,
    /// Name on disk, and how the file was stored.
    pub stored: Stored,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the content, if it was computed.
    pub digest: Option<Digest>,
}

/// A stored file: complete, on disk, and visible unless discarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Name on disk.
    pub name: FileName,
    /// How it was stored.
    pub kept: Kept,
}
