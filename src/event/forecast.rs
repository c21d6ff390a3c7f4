//! Data for estimates: the speed of this computer, and past uploads to each server.

use serde::{Deserialize, Serialize};

use super::{Padding, Variant};

/// The speed at which this computer seals and opens bodies, measured without network and disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Threads that run at the same time.
    pub cores: usize,
    /// One entry for each measured combination.
    pub speeds: Vec<Speed>,
}

/// The speed of one variant, in bytes of the file per second on one core.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Variant. Plain stands for AP too: they differ only before the file begins.
    pub variant: Variant,
    /// Padding; for CP1 only.
    pub padding: Padding,
    /// Modulus length of the RSA key in bits; for CP1 only.
    pub bits: usize,
    /// Rate of the sender's work, SHA-256 included.
    pub seal: f64,
    /// Rate of the receiver's work on a computer like this one.
    pub open: f64,
}

/// Past uploads to one server in one variant, from the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// `host:port` in its normal form.
    pub address: String,
    /// Variant of the uploads.
    pub variant: Variant,
    /// Files that arrived, newest first.
    pub files: Vec<Took>,
}

/// The duration of one upload that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Took {
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Seconds from the first byte of MODE 0 to the server's confirmation.
    pub seconds: f64,
    /// The part in which bytes moved steadily; `None`: not measured, or too short to be useful.
    #[serde(default)]
    pub pace: Option<Pace>,
}

/// The part of a transfer in which bytes moved steadily, without its beginning and end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// Bytes of the file that moved; more than 0.
    pub bytes: u64,
    /// Duration in seconds; more than 0.
    pub seconds: f64,
}

impl Pace {
    /// Shortest useful duration in seconds.
    pub const LEAST: f64 = 0.25;

    /// Returns the rate in bytes of the file per second.
    #[must_use]
    pub fn rate(self) -> f64 {
        self.bytes as f64 / self.seconds
    }
}
