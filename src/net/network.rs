//! The network of a client, for which limits count: an IPv4 address, or an IPv6 /64.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// An IPv4 address, or an IPv6 /64, within which clients cannot be distinguished. Clients without an address share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Network(Option<IpAddr>);

impl Network {
    /// Returns the network of an address.
    #[must_use]
    pub(crate) fn of(address: Option<IpAddr>) -> Self {
        Self(address.map(|address| match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
            address @ IpAddr::V4(_) => address,
        }))
    }

    /// Returns the network of a peer by its `ip:port`.
    #[must_use]
    pub(crate) fn of_peer(peer: &str) -> Self {
        Self::of(address_of(peer))
    }

    /// Returns whether the network is this machine.
    #[must_use]
    pub(crate) fn is_loopback(self) -> bool {
        // The /64 of ::1 has no other address in use.
        self.0.is_some_and(|address| address.is_loopback() || address == Ipv6Addr::UNSPECIFIED)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(IpAddr::V4(address)) => write!(f, "{address}"),
            Some(IpAddr::V6(prefix)) => write!(f, "{prefix}/64"),
            None => f.write_str("unknown"),
        }
    }
}

/// Returns the address in `ip:port`.
#[must_use]
pub(crate) fn address_of(peer: &str) -> Option<IpAddr> {
    peer.parse::<SocketAddr>().ok().map(|peer| peer.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_ipv4_address_or_an_ipv6_64() {
        let of = |peer: &str| Network::of_peer(peer).to_string();
        assert_eq!(of("127.0.0.1:1"), "127.0.0.1");
        assert_eq!(of("[::ffff:127.0.0.1]:1"), "127.0.0.1");
        assert_eq!(of("[2001:db8:1:2:3::9]:1"), "2001:db8:1:2::/64");
        assert_eq!(of("[2001:db8:1:2:ffff::8]:1"), "2001:db8:1:2::/64");
        assert_eq!(of("no address"), "unknown");
        let is_loopback = |peer: &str| Network::of_peer(peer).is_loopback();
        assert!(is_loopback("127.0.0.1:1") && is_loopback("[::1]:1") && is_loopback("[::ffff:127.0.0.9]:1"));
        assert!(!is_loopback("192.0.2.1:1") && !is_loopback("[2001:db8::1]:1") && !is_loopback("no address"));
    }
}
