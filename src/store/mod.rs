//! Where received files come to rest.
//!
//! ```text
//! Store::begin(name) ──► Pending ── write … write ──► commit(digest) ──► Ticket ── wait ──► Stored
//!                          └── abort, or dropped: nothing of it remains
//! ```
//!
//! A [`Store`] is a place, a [`Pending`] one file on its way into it. Nobody sees a file before it is
//! whole and on disk, no file is ever replaced, and a file that is here already is not stored again. The one
//! exception is a file of which more came ([`Store::amend`]) and that no other upload relies on. Names from the wire
//! become a [`FileName`] first, or are refused.
//!
//! - [`name`]: names from the wire, made safe
//! - [`folder`]: a local folder, crash-safe
//! - [`discard`]: no place at all, for the lanes of a race
//!
//! Limits: one flat folder; copies of one name are numbered up to [`name::LAST_COPY`], and have a digest in their
//! names after that.

use std::fmt;
use std::os::fd::BorrowedFd;

use crate::digest::Digest;
use crate::event::Kept;

pub mod discard;
pub mod error;
pub mod folder;
pub mod name;

pub use discard::{Discard, Nowhere};
pub use error::{Doing, StoreError};
pub use folder::{Durability, Folder};
pub use name::{FileName, NameError};

/// What is known of a file before its first byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The name it asks for.
    pub name: FileName,
    /// Bytes of the plaintext, if they are known. A peer's claim: a store may refuse by it at once,
    /// but never allocates by it.
    pub size: Option<u64>,
}

/// Record of what was stored in a place before this program began: the history.
pub trait Catalogue: Send + Sync + fmt::Debug {
    /// Returns the latest entry of a stored file, by the name under which it is stored. `None` also where the record
    /// cannot be read: the file is then read instead.
    fn record_of(&self, name: &FileName) -> Option<Record>;
}

/// What a record says of a stored file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of all of them.
    pub digest: Digest,
    /// When it was written, after the file was published; milliseconds since 1970, UTC. A file that was touched
    /// later is not believed to be what it says.
    pub at_ms: i64,
}

/// A place for received files.
pub trait Store: Send + Sync {
    /// Begins one file; nobody sees it before it is committed.
    fn begin(&self, want: &Incoming) -> Result<Box<dyn Pending>, StoreError>;

    /// Begins a new whole copy of a file that was published and is not over: what is here is in it
    /// already, and its commit replaces that in one step ([`Kept::Amended`]). Until then, and if it
    /// is given up, what is here stays. What another upload was answered by ([`Kept::Same`]) is never replaced: the
    /// copy then gets a name of its own ([`Kept::Renamed`]).
    fn amend(&self, of: &Published) -> Result<Box<dyn Pending>, StoreError>;

    /// The place, in words for the user.
    fn place(&self) -> String;
}

/// A whole file that is about to get its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coming {
    /// The name that it asks for.
    pub want: FileName,
    /// The published file that it is to take the place of, if that is still as it was left.
    pub replaces: Option<FileName>,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of all of them, if it was asked for.
    pub digest: Option<Digest>,
}

/// Receiver of announcements: files that are whole and on disk, before they get their names.
pub trait Announce: fmt::Debug + Send + Sync {
    /// Announces files that get their names together as soon as this returns.
    fn announce(&self, coming: &[Coming]);
}

/// One file on its way into a [`Store`]. Dropped, it leaves nothing.
pub trait Pending: Send {
    /// Adds to the end of the file. After an error nothing is left to do but [`abort`](Self::abort).
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError>;

    /// Whether the kernel can move bytes from a pipe into it ([`write_from`](Self::write_from)).
    fn splices(&self) -> bool {
        false
    }

    /// Adds the next `len` bytes of a pipe to the end of the file, without copying them into this process.
    /// They **MUST** be in the pipe. Only where it [`splices`](Self::splices).
    fn write_from(&mut self, _pipe: BorrowedFd<'_>, _len: usize) -> Result<(), StoreError> {
        debug_assert!(false, "it does not splice");
        Ok(())
    }

    /// Publishes the file. **MUST** be called only when it is whole: its length, and in CP2 its HMAC,
    /// are right.
    ///
    /// `digest` is the SHA-256 of all its bytes. Without one it cannot be compared with what is
    /// here, so it is stored again: [`Kept::New`] or [`Kept::Renamed`], never [`Kept::Same`].
    fn commit(self: Box<Self>, digest: Option<Digest>) -> Ticket;

    /// Gives the file up.
    fn abort(self: Box<Self>);
}

/// The promise of a commit's result. Whoever waits for one makes the store bring all that were promised to disk
/// together, which costs about as much as for one alone.
#[must_use = "a file is stored when its ticket says so, not before"]
pub struct Ticket(Box<dyn FnOnce() -> Result<Stored, StoreError> + Send>);

impl Ticket {
    /// A ticket whose result is known.
    pub fn ready(result: Result<Stored, StoreError>) -> Self {
        Self(Box::new(|| result))
    }

    /// A ticket whose result `settle` brings about, or has been by another ticket's.
    pub fn later(settle: impl FnOnce() -> Result<Stored, StoreError> + Send + 'static) -> Self {
        Self(Box::new(settle))
    }

    /// Waits until the file is on disk under its name, or is known not to be.
    pub fn wait(self) -> Result<Stored, StoreError> {
        self.0()
    }
}

/// A file that was published, as long as more of it may come (PROTOCOL.md, "Finality").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The name it asked for.
    pub want: FileName,
    /// How it came to rest.
    pub stored: Stored,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of all of them, unless nobody wanted it.
    pub digest: Option<Digest>,
}

/// A file at rest: whole, on disk, and visible unless discarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The name under which it is here.
    pub name: FileName,
    /// How it came to rest.
    pub kept: Kept,
}
