//! What passed over a connection, as values: for the Session screen, its captures and their replay.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Dialect, Track};

/// A recorded connection, counted from 1 for as long as the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WireId(pub u64);

/// How much of a connection is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// Nothing: a connection that is opened now has no recorder at all.
    #[default]
    Off,
    /// Which messages passed, when, how long they are, and their first bytes; nothing that costs more for more
    /// bytes.
    Outline,
    /// Besides: the entropy of bodies and of the file.
    Full,
}

/// Which end of the connection is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// We upload.
    Client,
    /// Our server receives.
    Server,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From the client.
    ToServer,
    /// From the server.
    ToClient,
}

/// What a message is. The last four have no MODE on the wire.
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
    /// Of the answer to MODE 3: over the message, or over a statement.
    Signature,
    /// Of the answer to MODE 3.
    Certificate,
    /// Of the answer to a request for a receipt: the statement, then the certificate.
    Statement,
    /// No message; nothing after it can be told apart.
    Unknown,
}

impl Kind {
    /// Its number on the wire, if it has one.
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

/// A connection that is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    /// Which end is ours.
    pub side: Side,
    /// What it was opened for; later uploads may share it. `None` at the server.
    pub track: Option<Track>,
    /// Our `ip:port`; empty if the system does not say.
    pub local: String,
    /// The other end: `host:port` as the user gave it, or the client's `ip:port`.
    pub peer: String,
    /// What our client speaks; `None` at the server, which is told at most.
    pub dialect: Option<Dialect>,
    /// Milliseconds since 1970, UTC.
    pub at_ms: i64,
}

/// A message on the wire: MODE, M1 and M2 (PROTOCOL.md). One that is still under way comes again, with the
/// same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// From 1, both ways together, in the order in which they began.
    pub number: u64,
    /// Where to.
    pub way: Way,
    /// What.
    pub kind: Kind,
    /// Microseconds from the connection's beginning to its first byte.
    pub at_us: u64,
    /// Likewise to the last byte of it so far.
    pub last_us: u64,
    /// Bytes of its direction before it.
    pub offset: u64,
    /// Bytes of it so far, MODE and M1 included.
    pub wire: u64,
    /// The field's value; `None`: it has none.
    pub m1: Option<u64>,
    /// M2.
    pub body: Sample,
    /// The file that M2 holds, where M2 is not the file itself and the file is ours.
    pub file: Option<Sample>,
    /// Whether its last byte has passed.
    pub whole: bool,
}

/// Some of a sequence of bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Bytes in all, so far.
    pub bytes: u64,
    /// Its first bytes, at most 256; in JSON as hexadecimal.
    #[serde(with = "hexadecimal")]
    pub head: Vec<u8>,
    /// Hundredths of a bit for each byte, one after each `interval` bytes: 800 is noise.
    pub entropy: Vec<u16>,
    /// Bytes that each of them stands for.
    pub interval: u64,
}

impl Sample {
    /// Without what it holds; only how much of it there was.
    #[must_use]
    pub fn withheld(&self) -> Self {
        Self { head: Vec::new(), ..self.clone() }
    }

    /// The mean of `entropy`, in bits for each byte.
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
