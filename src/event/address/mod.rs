//! Addresses of servers, and their only parser.

mod link;

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::link::{Destination, DestinationError, ServerLink};
use super::misleads;

/// The forms of an address, for error messages.
pub(crate) const ADDRESS_FORMS: &str = "expected host:port or [IPv6]:port";

/// Address of a server: a host and a port.
///
/// The text is `host`, `host:port`, `[IPv6]` or `[IPv6]:port`; without a port it is [`ServerAddress::DEFAULT_PORT`].
/// An IPv6 address can also be written without brackets. If what stands before its last colon is an IPv6 address too,
/// the digits after the colon are the port: `::1:80` is port 80 of `::1`.
///
/// Nothing is looked up: `localhost` and `127.0.0.1` are two servers. The text contains no character that
/// [`misleads`], so it can be shown as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerAddress {
    /// Name or IP address as it was written; IPv6 without brackets.
    host: String,
    /// Port, at least 1.
    port: u16,
}

/// The text is not the address of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid address: {ADDRESS_FORMS}")]
pub struct AddressError;

impl ServerAddress {
    /// Port of a server whose address has none, and of `upseal serve` by default.
    pub const DEFAULT_PORT: u16 = 4321;

    /// Parses an address that must have a port.
    ///
    /// # Errors
    /// The text has no port, or is not an address.
    pub(crate) fn with_port(text: &str) -> Result<Self, AddressError> {
        match parse_listening(text)? {
            (_, 0) => Err(AddressError),
            (host, port) => Ok(Self { host, port }),
        }
    }

    /// Returns the host as it was written; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, which is not 0.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the form in which known servers and the history are compared: a name in lower case and without a final
    /// dot, an IPv6 address shortened.
    #[must_use]
    pub fn normal(&self) -> Self {
        let (ip, zone) = split_zone(&self.host);
        let host = match (ip.parse::<Ipv6Addr>(), zone) {
            (Ok(ip), None) => ip.to_string(),
            (Ok(ip), Some(zone)) => format!("{ip}%{zone}"),
            (Err(_), _) => normal_name(&self.host),
        };
        Self { host, port: self.port }
    }
}

/// Parses an address to listen on, which must have a port; port 0 means any free port. Returns the host, IPv6 without
/// brackets, and the port.
///
/// # Errors
/// The text has no port, or is not an address.
pub(crate) fn parse_listening(text: &str) -> Result<(String, u16), AddressError> {
    let (host, port) = text.trim().rsplit_once(':').ok_or(AddressError)?;
    Ok((parse_host(host)?, parse_port(port)?))
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    // `parse` alone would accept a sign.
    let is_number = text.bytes().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or(AddressError)
}

/// Returns the host without brackets.
fn parse_host(text: &str) -> Result<String, AddressError> {
    let bare = match text.strip_prefix('[') {
        Some(text) => text.strip_suffix(']').ok_or(AddressError)?,
        None => text,
    };
    let (ip, zone) = split_zone(bare);
    let is_host = if ip.parse::<Ipv6Addr>().is_ok() {
        zone.is_none_or(is_plain)
    } else {
        bare == text && is_name(text)
    };
    is_host.then(|| bare.to_owned()).ok_or(AddressError)
}

/// Splits `fe80::1%eth0`.
fn split_zone(host: &str) -> (&str, Option<&str>) {
    host.split_once('%').map_or((host, None), |(ip, zone)| (ip, Some(zone)))
}

fn is_name(text: &str) -> bool {
    // The lower case of `İ` is two characters, and the second is not a letter.
    let name = normal_name(text);
    is_plain(text) && is_plain(&name) && name.split('.').all(|label| !label.is_empty())
}

fn normal_name(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_lowercase()
}

/// Returns whether the text can stand in a line of the known servers unambiguously, and shows what it is.
fn is_plain(text: &str) -> bool {
    let is_plain = |c: char| (c.is_alphanumeric() && !misleads(c)) || matches!(c, '-' | '.' | '_');
    !text.is_empty() && text.chars().all(is_plain)
}

impl Default for ServerAddress {
    /// Returns the default address of `upseal serve`, `127.0.0.1:4321`.
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: Self::DEFAULT_PORT }
    }
}

impl fmt::Display for ServerAddress {
    /// Writes the address with its port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::with_port(text)
            .or_else(|_| Ok(Self { host: parse_host(text.trim())?, port: Self::DEFAULT_PORT }))
    }
}

impl TryFrom<String> for ServerAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<ServerAddress> for String {
    fn from(address: ServerAddress) -> Self {
        address.to_string()
    }
}

impl From<SocketAddr> for ServerAddress {
    /// Converts the address of a bound socket, whose port is not 0.
    fn from(address: SocketAddr) -> Self {
        debug_assert_ne!(address.port(), 0, "a bound socket has a port");
        let host = match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
            _ => address.ip().to_string(),
        };
        Self { host, port: address.port() }
    }
}

#[cfg(test)]
pub(crate) mod tests;
