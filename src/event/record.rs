//! Recorded messages of a connection as values: for the Session screen, its captures and their replay.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Dialect, Track};

/// The number of a recorded connection, counted from 1 while the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WireId(pub u64);

/// How much of a connection is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// Nothing: new connections have no recorder.
    #[default]
    Off,
    /// Kind, time, length and first bytes of each message. The cost does not grow with the bytes.
    Outline,
    /// The outline, and the entropy of bodies and of the file.
    Full,
}

/// The end of the connection that this program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// This program uploads.
    Client,
    /// This program's server receives.
    Server,
}

/// The direction of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From the client.
    ToServer,
    /// From the server.
    ToClient,
}

/// The kind of a message. The last four have no MODE on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// MODE 0.
    Filename,
    /// MODE 1.
    Data,
    /// MODE 2.
    Close,
    /// MODE 3.
    Authenticate,
    /// MODE 4.
    SessionKey,
    /// Signature in the reply to MODE 3, over the message or over a statement.
    Signature,
    /// Certificate in the reply to MODE 3.
    Certificate,
    /// Statement and certificate in the reply to a request for a receipt.
    Statement,
    /// Bytes that are not a message; everything after them belongs to this record.
    Unknown,
}

impl Kind {
    /// Returns its MODE on the wire, if it has one.
    #[must_use]
    pub const fn mode(self) -> Option<u64> {
        match self {
            Self::Filename => Some(0),
            Self::Data => Some(1),
            Self::Close => Some(2),
            Self::Authenticate => Some(3),
            Self::SessionKey => Some(4),
            Self::Signature | Self::Certificate | Self::Statement | Self::Unknown => None,
        }
    }
}

/// A recorded connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    /// The end that this program is.
    pub side: Side,
    /// Transfer that it was opened for; later uploads may share it. `None` at the server.
    pub track: Option<Track>,
    /// Local `ip:port`; empty if the system does not tell it.
    pub local: String,
    /// Remote end: `host:port` as the user gave it, or the client's `ip:port`.
    pub peer: String,
    /// Dialect of this program's client; `None` at the server.
    pub dialect: Option<Dialect>,
    /// Milliseconds since 1970, UTC.
    pub at_ms: i64,
}

/// A message on the wire: MODE, M1 and M2 (docs/protocol.md). One that is still being sent is reported again, with the
/// same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Number of the message, from 1, in the order in which messages of both directions began.
    pub number: u64,
    /// Direction of the message.
    pub way: Way,
    /// Kind of the message.
    pub kind: Kind,
    /// Microseconds from the connection's beginning to its first byte.
    pub at_us: u64,
    /// Microseconds from the connection's beginning to its last byte so far.
    pub last_us: u64,
    /// Bytes of its direction before the message.
    pub offset: u64,
    /// Bytes of the message so far, MODE and M1 included.
    pub wire: u64,
    /// Value of M1; `None`: the message has none.
    pub m1: Option<u64>,
    /// Sample of M2.
    pub body: Sample,
    /// Sample of the sent file, where M2 is its ciphertext and this program sends it.
    pub file: Option<Sample>,
    /// Whether its last byte has passed.
    pub whole: bool,
}

/// A sample of a sequence of bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Length of the sequence so far, in bytes.
    pub bytes: u64,
    /// First bytes, at most 256; in JSON as hexadecimal.
    #[serde(with = "hexadecimal")]
    pub head: Vec<u8>,
    /// Entropy of each `interval` bytes in hundredths of a bit per byte; 800 is noise.
    pub entropy: Vec<u16>,
    /// Bytes that each entry of `entropy` covers.
    pub interval: u64,
}

impl Sample {
    /// Returns the sample without its first bytes.
    #[must_use]
    pub fn withheld(&self) -> Self {
        Self { head: Vec::new(), ..self.clone() }
    }

    /// Returns the mean of `entropy` in bits per byte.
    #[must_use]
    pub fn bits(&self) -> Option<f64> {
        let sum: u64 = self.entropy.iter().map(|one| u64::from(*one)).sum();
        (!self.entropy.is_empty()).then(|| sum as f64 / self.entropy.len() as f64 / 100.0)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Filename => "filename",
            Self::Data => "data",
            Self::Close => "close",
            Self::Authenticate => "authenticate",
            Self::SessionKey => "session key",
            Self::Signature => "signature",
            Self::Certificate => "certificate",
            Self::Statement => "statement",
            Self::Unknown => "unknown",
        })
    }
}

/// Serialises bytes as a string of lowercase hexadecimal digits.
mod hexadecimal {
    use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&HEXLOWER.encode_display(bytes))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| D::Error::custom("not hexadecimal"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_through_json_as_digits() {
        let sample = Sample { bytes: 9, head: vec![0, 0x7f, 0xff], entropy: vec![800, 400], interval: 4 };
        let json = serde_json::to_string(&sample).unwrap();
        assert!(json.contains("\"head\":\"007fff\""), "{json}");
        assert_eq!(serde_json::from_str::<Sample>(&json).unwrap(), sample);
        assert!(serde_json::from_str::<Sample>(&json.replace("007fff", "007ff")).is_err());
        assert!(serde_json::from_str::<Sample>(&json.replace("007fff", "zz")).is_err());
        assert_eq!(sample.bits(), Some(6.0));
        assert!(sample.withheld().head.is_empty());
    }
}
