//! The identity of a server, and its comparison with what is known.

use serde::{Deserialize, Serialize};

use super::{Escaped, ServerAddress};

/// The identity that a server proved in AP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Subject of the certificate (RFC 4514).
    pub subject: Escaped,
    /// Subject of the CA's certificate (RFC 4514).
    pub issuer: Escaped,
    /// Modulus length of the server's key in bits.
    pub bits: usize,
    /// Whole days until the certificate expires.
    pub days_left: i64,
    /// SHA-256 of the `SubjectPublicKeyInfo`, hex.
    pub fingerprint: String,
    /// Whether the subject, the issuer and the dates are verified: a CA that the user chose signed the certificate. `false`:
    /// only the pin of the key was compared.
    #[serde(default = "certified", skip_serializing_if = "Clone::clone")]
    pub certified: bool,
    /// Weaknesses of an accepted certificate (1024 bits, version 1, an expired CA).
    pub warnings: Vec<Escaped>,
}

/// The default of [`Proof::certified`], for events of earlier versions.
const fn certified() -> bool {
    true
}

/// How a server's key compares with the known keys, beyond the CA's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The server inside this process, whose identity lasts as long as the process.
    Own,
    /// First contact at this address under this CA.
    First {
        /// Whether the key was saved, so that another one will be noticed.
        remembered: bool,
        /// Whether the address is known under another CA.
        other_ca: bool,
        /// Whether the user was shown the key before anything was sent, and accepted it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        asked: bool,
    },
    /// The known key.
    Known {
        /// Date of the first contact, RFC 3339; `None`: not recorded.
        since: Option<String>,
    },
    /// The key that the user pinned.
    Pinned {
        /// Fingerprint of the key that was known until now, hex, if it was another.
        replaced: Option<String>,
    },
}

/// A changed server key: the CA certified it, but another key is known. Nothing was sent to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChange {
    /// Address of the server.
    pub address: ServerAddress,
    /// SPKI SHA-256 of the CA, hex.
    pub ca: String,
    /// Fingerprint of the known key, hex.
    pub known: String,
    /// Date since when it is known, RFC 3339; `None`: not recorded.
    pub since: Option<String>,
    /// Fingerprint of the offered key, hex.
    pub offered: String,
    /// Subject of its certificate (RFC 4514).
    pub subject: Escaped,
}
