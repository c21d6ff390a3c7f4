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

/// What a server refused, for its operator. A client learns less, and nothing that depends on decrypted bytes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::IntoStaticStr, strum::EnumIter,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RefusalKind {
    /// Bytes that are not a message, or a message out of order.
    Malformed,
    /// A variant or padding that the server does not accept.
    Variant,
    /// A file that is too large.
    Size,
    /// A name under which no file is stored.
    Name,
    /// A name that another file has.
    Exists,
    /// A request that the server does not sign.
    Request,
    /// A body that does not decrypt, or has no acceptable length.
    Content,
    /// A recorded connection.
    Replay,
    /// The store cannot take the file.
    Store,
    /// The history cannot be read or written.
    History,
    /// This machine failed to compute, or has no thread left.
    Machine,
    /// The connection ended inside a message.
    Cut,
    /// The client was too slow.
    Late,
}
