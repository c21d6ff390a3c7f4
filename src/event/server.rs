//! What this program's server accepts.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{Padding, Variant};

/// A server of this program, by the clients that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::EnumIter)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// The server that this program starts with.
    Own,
    /// The server for other computers, while the program shares.
    Shared,
}

/// An address at which other computers reach this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// Name of the network interface, if it is known.
    pub interface: Option<String>,
    /// Address and port.
    pub address: SocketAddr,
}

/// What a server accepts from clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Accepted variants; not empty.
    pub variants: Vec<Variant>,
    /// Accepted RSA paddings of CP1; not empty.
    pub paddings: Vec<Padding>,
}
