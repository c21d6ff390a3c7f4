//! What a transfer will take: how fast this computer computes, and what was seen of each server.

use serde::{Deserialize, Serialize};

use super::{Padding, Variant};

/// How fast this computer seals and opens bodies, measured without network and disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Threads that it runs at once.
    pub cores: usize,
    /// One for each way that was measured.
    pub speeds: Vec<Speed>,
}

/// One way of carrying a file. Bytes of the file a second, on one core.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Plain stands for AP too: what differs is over before the file begins.
    pub variant: Variant,
    /// CP1's.
    pub padding: Padding,
    /// Of CP1's RSA key.
    pub bits: usize,
    /// What the sender does to it, its SHA-256 included.
    pub seal: f64,
    /// What a receiver on a computer like this one does.
    pub open: f64,
}

/// What files of one variant took to one server, by the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// `host:port`, as the history has it.
    pub address: String,
    /// How they were sent.
    pub variant: Variant,
    /// The newest files that arrived, the newest first.
    pub files: Vec<Took>,
}

/// What one file took that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Took {
    /// Size of the file.
    pub bytes: u64,
    /// Seconds from the first byte of MODE 0 to the server's confirmation.
    pub seconds: f64,
    /// The part of it in which bytes moved steadily; `None`: not measured, or too short to say anything.
    #[serde(default)]
    pub pace: Option<Pace>,
}

/// A part of a transfer in which bytes moved steadily, without its beginning and its end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// Bytes of the file that moved in it; more than 0.
    pub bytes: u64,
    /// Seconds that it lasted; more than 0.
    pub seconds: f64,
}

impl Pace {
    /// Seconds from which a pace says something.
    pub const LEAST: f64 = 0.25;

    /// Bytes of the file a second.
    #[must_use]
    pub fn rate(self) -> f64 {
        self.bytes as f64 / self.seconds
    }
}
