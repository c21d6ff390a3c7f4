//! Rows of the history.

use std::path::PathBuf;

use crate::digest::Digest;
use crate::event::{Kept, Variant};

/// How an upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A signed receipt confirms that the server stored it.
    Stored,
    /// The server closed the connection in order, or replied; it gave no receipt.
    Delivered,
    /// The receipt is about other bytes than were sent.
    Altered,
    /// It did not arrive, as far as is known.
    Failed,
    /// The user cancelled it.
    Cancelled,
}

impl Outcome {
    /// Returns whether the file is not on the server as it was sent.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Altered | Self::Failed | Self::Cancelled)
    }

    /// Returns the word that stands for it in the file and on every screen.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Delivered => "delivered",
            Self::Altered => "altered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A file that was sent, or that could not be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// Time at which it ended, in milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// Address of the server, as `host:port`.
    pub address: String,
    /// SPKI SHA-256 of the server's key; `None` if it did not prove one.
    pub key: Option<Digest>,
    /// Protocol variant.
    pub variant: Variant,
    /// Name in MODE 0.
    pub name: String,
    /// Path of the local file, absolute if the working folder is known.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the content; `None` if not all of it was read.
    pub digest: Option<Digest>,
    /// How it ended.
    pub outcome: Outcome,
    /// Name under which the server stored it, if the receipt states it.
    pub stored_name: Option<String>,
    /// Absolute path of the receipt that mentions the file, whatever the receipt says.
    pub receipt: Option<PathBuf>,
    /// Seconds from the first byte of MODE 0 to the end; 0 if nothing was sent.
    pub seconds: f64,
    /// Estimate of `seconds`, if one was made.
    pub predicted: Option<f64>,
    /// Bytes on the wire.
    pub wire_bytes: u64,
    /// Reason of the failure.
    pub why: Option<String>,
}

/// What is recorded of a receipt for a file that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipted {
    /// Time at which the client got it, in milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// Name under which the server stored the file, if the receipt states it.
    pub stored_name: Option<String>,
    /// Absolute path of the receipt, if it was kept.
    pub receipt: Option<PathBuf>,
}

/// A file that a server on this computer stored or already had.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// Time at which it was stored, in milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// Address of the client, as `ip:port`.
    pub peer: String,
    /// Folder of the store, as [`store_path`](super::store_path) returns it.
    pub store: PathBuf,
    /// File name on disk.
    pub name: String,
    /// How it was stored.
    pub kept: Kept,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the content; `None` if the server does not hash.
    pub digest: Option<Digest>,
    /// Protocol variant.
    pub variant: Variant,
    /// Seconds from its first byte to its last.
    pub seconds: f64,
    /// SHA-256 of the statement of its receipt, if one was given.
    /// [`History::record_receipt`](super::History::record_receipt) adds it later.
    pub receipt: Option<Digest>,
}

/// Why a row was written by no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A crash came between the file and its row ([`repair`](super::repair)).
    Crash,
    /// A crash came between a published file's continuation and its row.
    Amended,
    /// The operator accepted the file as it is (`upseal audit --accept`).
    Accepted,
}

/// A file in a store whose row was written after a crash, or by the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Time of the last change of the file's content, name or permissions, in milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// Folder of the store.
    pub store: PathBuf,
    /// File name on disk.
    pub name: String,
    /// Why the row was written.
    pub origin: Origin,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the content; `None` if the server does not hash.
    pub digest: Option<Digest>,
    /// SHA-256 of the statement of its receipt, if one was given.
    pub receipt: Option<Digest>,
}

/// A row of the history.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A file sent to a server.
    Sent(Sent),
    /// A file received by a server on this computer.
    Received(Received),
    /// A file in a local store that was recorded after a crash or by the operator.
    Recovered(Recovered),
}

impl Entry {
    /// Returns the time of the row, in milliseconds since 1970, UTC.
    #[must_use]
    pub const fn at_ms(&self) -> i64 {
        match self {
            Self::Sent(row) => row.at_ms,
            Self::Received(row) => row.at_ms,
            Self::Recovered(row) => row.at_ms,
        }
    }

    /// Returns the file's name, which must be escaped before it is shown.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Sent(row) => &row.name,
            Self::Received(row) => &row.name,
            Self::Recovered(row) => &row.name,
        }
    }

    /// Returns the size in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        match self {
            Self::Sent(row) => row.size,
            Self::Received(row) => row.size,
            Self::Recovered(row) => row.size,
        }
    }

    /// Returns the SHA-256 of the content, if it is known.
    #[must_use]
    pub const fn digest(&self) -> Option<Digest> {
        match self {
            Self::Sent(row) => row.digest,
            Self::Received(row) => row.digest,
            Self::Recovered(row) => row.digest,
        }
    }

    /// Returns the protocol variant, if it is known.
    #[must_use]
    pub const fn variant(&self) -> Option<Variant> {
        match self {
            Self::Sent(row) => Some(row.variant),
            Self::Received(row) => Some(row.variant),
            Self::Recovered(_) => None,
        }
    }

    /// Returns the duration in seconds, if it is known and not zero.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        let seconds = match self {
            Self::Sent(row) => row.seconds,
            Self::Received(row) => row.seconds,
            Self::Recovered(_) => return None,
        };
        (seconds > 0.0).then_some(seconds)
    }

    /// Returns the estimated duration in seconds, if there was an estimate. A failed transfer may have ended earlier.
    #[must_use]
    pub const fn predicted(&self) -> Option<f64> {
        match self {
            Self::Sent(row) => row.predicted,
            Self::Received(_) | Self::Recovered(_) => None,
        }
    }

    /// Returns the bytes of the file per second, if any arrived and the duration is known.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        let failed = matches!(self, Self::Sent(row) if row.outcome.is_failure());
        self.seconds().filter(|_| !failed && self.size() > 0).map(|seconds| self.size() as f64 / seconds)
    }

    /// Returns the outcome in one word: that of [`Kept`] for a received file, `recovered` for one that was found
    /// after a crash, `accepted` for one that the operator accepted.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Sent(row) => row.outcome.word(),
            Self::Received(row) => kept_word(row.kept),
            Self::Recovered(Recovered { origin: Origin::Accepted, .. }) => "accepted",
            Self::Recovered(_) => "recovered",
        }
    }
}

/// Returns `new`, `amended` or `accepted`, as the table has it.
pub(super) const fn origin_word(origin: Origin) -> &'static str {
    match origin {
        Origin::Crash => "new",
        Origin::Amended => "amended",
        Origin::Accepted => "accepted",
    }
}

/// Returns `new`, `renamed`, `same`, `amended` or `discarded`, as events have it.
pub(super) const fn kept_word(kept: Kept) -> &'static str {
    match kept {
        Kept::New => "new",
        Kept::Renamed => "renamed",
        Kept::Same => "same",
        Kept::Amended => "amended",
        Kept::Discarded => "discarded",
    }
}
