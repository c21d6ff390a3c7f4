//! The rows: what is recorded of a file that was sent or received.

use std::path::PathBuf;

use crate::digest::Digest;
use crate::event::{Kept, Variant};

/// How an upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A signed receipt says that the server has it.
    Stored,
    /// The server closed in order after it, or answered; it gave no receipt.
    Delivered,
    /// The receipt names other bytes than were sent.
    Altered,
    /// It did not arrive, as far as is known.
    Failed,
    /// The user stopped it.
    Cancelled,
}

impl Outcome {
    /// Whether it is not there as it was sent.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Altered | Self::Failed | Self::Cancelled)
    }

    /// `stored`, `delivered`, `altered`, `failed`, `cancelled`: in the file and on every screen.
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

/// A file that was sent, or should have been.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// When it ended; milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// The server, `host:port`.
    pub address: String,
    /// SPKI SHA-256 of its key; `None` if it proved none.
    pub key: Option<Digest>,
    /// How it was sent.
    pub variant: Variant,
    /// The name that it was sent under.
    pub name: String,
    /// The local file; absolute where that can be told.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of all of them; `None` if not all were read.
    pub digest: Option<Digest>,
    /// How it ended.
    pub outcome: Outcome,
    /// The name under which it is stored, if the receipt tells that.
    pub stored_name: Option<String>,
    /// The file of the receipt that speaks of it, whatever it says; absolute.
    pub receipt: Option<PathBuf>,
    /// From the first byte of MODE 0 to the end; 0 if there was none.
    pub seconds: f64,
    /// The same, as it was foretold; `None` if nobody did.
    pub predicted: Option<f64>,
    /// Bytes on the wire.
    pub wire_bytes: u64,
    /// Why it failed.
    pub why: Option<String>,
}

/// A file that a server of ours stored, or had already.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// When it was stored; milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// `ip:port` of the client.
    pub peer: String,
    /// The store's folder, as [`store_path`](super::store_path) gives it.
    pub store: PathBuf,
    /// The name that it is stored under, as it is on disk.
    pub name: String,
    /// How it came to rest.
    pub kept: Kept,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of all of them, unless the server was told not to hash.
    pub digest: Option<Digest>,
    /// How it came.
    pub variant: Variant,
    /// From its first byte to its last.
    pub seconds: f64,
    /// SHA-256 of the statement of the receipt that was given for it, if one was
    /// ([`History::record_receipt`](super::History::record_receipt) adds it later).
    pub receipt: Option<Digest>,
}

/// Why a row exists that no session wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A crash came between the file and its row ([`repair`](super::repair)).
    Crash,
    /// The same, of a file that had a row and of which more came.
    Amended,
    /// The operator accepted the file as it is (`upseal audit --accept`).
    Accepted,
}

/// A file in a store whose row was written after a crash, or by the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// When it was last written to; milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// The store's folder.
    pub store: PathBuf,
    /// Its name there.
    pub name: String,
    /// Why the row exists.
    pub origin: Origin,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of all of them; `None` if the server was told not to hash.
    pub digest: Option<Digest>,
    /// SHA-256 of the statement of a receipt that was given for it, if one was.
    pub receipt: Option<Digest>,
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Sent to a server.
    Sent(Sent),
    /// Received by one of ours.
    Received(Received),
    /// In a store of this computer, and recorded after a crash or by the operator.
    Recovered(Recovered),
}

impl Entry {
    /// Milliseconds since 1970, UTC.
    #[must_use]
    pub const fn at_ms(&self) -> i64 {
        match self {
            Self::Sent(row) => row.at_ms,
            Self::Received(row) => row.at_ms,
            Self::Recovered(row) => row.at_ms,
        }
    }

    /// The file's name, not fit to be shown before it is escaped.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Sent(row) => &row.name,
            Self::Received(row) => &row.name,
            Self::Recovered(row) => &row.name,
        }
    }

    /// Bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        match self {
            Self::Sent(row) => row.size,
            Self::Received(row) => row.size,
            Self::Recovered(row) => row.size,
        }
    }

    /// SHA-256, if all bytes were read.
    #[must_use]
    pub const fn digest(&self) -> Option<Digest> {
        match self {
            Self::Sent(row) => row.digest,
            Self::Received(row) => row.digest,
            Self::Recovered(row) => row.digest,
        }
    }

    /// How it was carried, if that is known.
    #[must_use]
    pub const fn variant(&self) -> Option<Variant> {
        match self {
            Self::Sent(row) => Some(row.variant),
            Self::Received(row) => Some(row.variant),
            Self::Recovered(_) => None,
        }
    }

    /// How long it took, if that is known and not nothing.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        let seconds = match self {
            Self::Sent(row) => row.seconds,
            Self::Received(row) => row.seconds,
            Self::Recovered(_) => return None,
        };
        (seconds > 0.0).then_some(seconds)
    }

    /// How long it was said to take, if somebody said so; it may not have taken that long and failed.
    #[must_use]
    pub const fn predicted(&self) -> Option<f64> {
        match self {
            Self::Sent(row) => row.predicted,
            Self::Received(_) | Self::Recovered(_) => None,
        }
    }

    /// File bytes a second, where some arrived and the time is known.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        let failed = matches!(self, Self::Sent(row) if row.outcome.is_failure());
        self.seconds().filter(|_| !failed && self.size() > 0).map(|seconds| self.size() as f64 / seconds)
    }

    /// What became of it, in one word; a received file's is that of [`Kept`], `recovered` for one that was found
    /// after a crash, and `accepted` for one that the operator accepted.
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

/// `new`, `amended` or `accepted`: as the table has it.
pub(super) const fn origin_word(origin: Origin) -> &'static str {
    match origin {
        Origin::Crash => "new",
        Origin::Amended => "amended",
        Origin::Accepted => "accepted",
    }
}

/// `new`, `renamed`, `same`, `amended`, `discarded`: as events have it.
pub(super) const fn kept_word(kept: Kept) -> &'static str {
    match kept {
        Kept::New => "new",
        Kept::Renamed => "renamed",
        Kept::Same => "same",
        Kept::Amended => "amended",
        Kept::Discarded => "discarded",
    }
}
