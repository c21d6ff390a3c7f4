//! Who a server is.

use serde::{Deserialize, Serialize};

use super::Escaped;

/// Who answered, as far as AP can tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The certificate's subject (RFC 4514).
    pub subject: Escaped,
    /// The subject of the CA's certificate (RFC 4514).
    pub issuer: Escaped,
    /// Modulus length of the server's key.
    pub bits: usize,
    /// Whole days until the certificate ends.
    pub days_left: i64,
    /// SHA-256 of the `SubjectPublicKeyInfo`, hex.
    pub fingerprint: String,
    /// What the user should know although it is accepted (1024 bits, version 1, an expired CA).
    pub warnings: Vec<String>,
}

/// What is known of the key that answered, beyond the CA's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The server inside this process: its identity is thrown away with it.
    Own,
    /// The first time at this address under this CA.
    First {
        /// Whether another key would be noticed the next time.
        remembered: bool,
        /// The address is known under another CA.
        other_ca: bool,
    },
    /// The key that is known there.
    Known {
        /// RFC 3339; `None` if it was not written down.
        since: Option<String>,
    },
    /// The key that the user's pin names.
    Pinned {
        /// The fingerprint, hex, of another key that was known there until now.
        replaced: Option<String>,
    },
}

/// A server has another key than the one that is known, although the CA signed it. It got nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChange {
    /// `host:port` as the user gave it.
    pub address: String,
    /// SPKI SHA-256 of the CA, hex.
    pub ca: String,
    /// The fingerprint of the known key, hex.
    pub known: String,
    /// Since when it is known, RFC 3339; `None` if it was not written down.
    pub since: Option<String>,
    /// The fingerprint of the key that answered now, hex.
    pub offered: String,
    /// The subject of its certificate (RFC 4514).
    pub subject: Escaped,
}
