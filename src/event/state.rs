//! The state and the progress of one transfer.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Escaped, Fault, Work, perhaps_readable};

/// The states of an upload, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// In the queue.
    Waiting,
    /// In the queue, and passed over until the user resumes it. It is sent from its first byte then.
    Paused,
    /// Connecting to the server.
    Connecting,
    /// The server authenticates itself. Nothing of the file is sent yet.
    Proving,
    /// The file is sent, from the first byte of MODE 0.
    Sending,
    /// The kernel took the last byte. The server may not have it.
    Sent,
    /// The server closed in order after the client's MODE 2, or answered after the file. It claims nothing about
    /// its disk.
    Delivered,
    /// A signed receipt says that the file is on the server's disk, with this content.
    Stored {
        /// Name of the file in the receipt.
        name: Escaped,
        /// Meaning of that name.
        named: Named,
        /// Path of the receipt; `None` if it could not be kept.
        #[serde(serialize_with = "perhaps_readable")]
        receipt: Option<PathBuf>,
        /// An earlier receipt of the same server for the same name and content: the file was already stored. Boxed, because
        /// it is rare and a queue keeps each upload's state.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        earlier: Option<Box<Earlier>>,
    },
    /// The upload failed.
    Failed(Fault),
    /// The user stopped the upload.
    Cancelled,
}

impl State {
    /// Returns whether the server has the file, as far as the client can tell.
    #[must_use]
    pub const fn has_arrived(&self) -> bool {
        matches!(self, Self::Delivered | Self::Stored { .. })
    }

    /// Returns whether the state changes only at the user's command.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Delivered | Self::Stored { .. } | Self::Failed(_) | Self::Cancelled)
    }
}

/// An earlier receipt for a file that was sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// Time at which the client got it, in milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// Path of the receipt; `None` if it was not kept.
    #[serde(serialize_with = "perhaps_readable")]
    pub receipt: Option<PathBuf>,
}

/// The meaning of the name in a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// The name under which the server stored the file.
    Stored,
    /// The name under which the file came. The server does not state the stored name, because that would reveal
    /// whether another file of the name exists.
    Wanted,
}

/// The progress of one transfer at one moment. Rates are bytes of the *file* per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Bytes of the file so far; 0 <= `file_bytes` <= `file_total`.
    pub file_bytes: u64,
    /// Size of the file in bytes; 0 while unknown (a receiving server may not know it).
    pub file_total: u64,
    /// Bytes on the wire so far, with framing, padding and base64.
    pub wire_bytes: u64,
    /// Bytes on the wire in all; 0 while unknown.
    pub wire_total: u64,
    /// Milliseconds since the first byte of MODE 0.
    pub elapsed_ms: u64,
    /// Exponentially weighted mean rate over about one second.
    pub rate_now: f64,
    /// `file_bytes` over the elapsed time.
    pub rate_mean: f64,
    /// Highest `rate_now` so far.
    pub rate_peak: f64,
    /// Milliseconds left at `rate_now`; `None` while nothing moves.
    pub eta_ms: Option<u64>,
    /// Milliseconds since the last byte moved.
    pub idle_ms: u64,
    /// Working time of this side so far; measured in races only.
    #[serde(default)]
    pub work: Option<Work>,
    /// Working time of the server so far, if it is the embedded one.
    #[serde(default)]
    pub server: Option<Work>,
}

/// The place of a received file in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Kept {
    /// Stored under the requested name.
    New,
    /// Stored as `name (2).ext`, because another file has the name.
    Renamed,
    /// Not stored again: a file of this name and SHA-256 exists.
    Same,
    /// Replaced its own beginning, because more of the file came after that was published.
    Amended,
    /// Not stored: a lane of a race (`race-cp1-NAME`).
    Discarded,
}
