//! Who may connect: the addresses of clients (`--allow-ip`), and the proxies that state them (`--proxy-protocol`).

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

/// Ranges of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(Arc<[IpNet]>);

impl FromIterator<IpNet> for Ranges {
    fn from_iter<T: IntoIterator<Item = IpNet>>(ranges: T) -> Self {
        Self(ranges.into_iter().collect())
    }
}

impl Ranges {
    /// Returns whether an address is in one of the ranges. A mapped IPv4 address counts as IPv4.
    #[must_use]
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|range| range.contains(&address))
    }
}

/// Proxies that state the addresses of their clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxies {
    /// Everyone who reaches the port.
    Any,
    /// These addresses; others are refused.
    At(Ranges),
}

/// Who may connect. By default everyone, for themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Door {
    /// Addresses of clients; `None`: any.
    pub allowed: Option<Ranges>,
    /// Proxies, of whose connections each begins with a PROXY header; `None`: clients connect themselves.
    pub proxies: Option<Proxies>,
}

impl Door {
    /// Returns whether a client at this address may send files.
    #[must_use]
    pub(crate) fn admits(&self, client: IpAddr) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| allowed.contains(client))
    }

    /// Returns whether the computer at this address may state the addresses of clients.
    #[must_use]
    pub(crate) fn trusts(&self, proxy: IpAddr) -> bool {
        match &self.proxies {
            None => false,
            Some(Proxies::Any) => true,
            Some(Proxies::At(ranges)) => ranges.contains(proxy),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_door_admits_the_ranges_of_its_list_whatever_the_form_of_the_address() {
        let ranges =
            |list: &[&str]| list.iter().map(|range| range.parse::<IpNet>().unwrap()).collect::<Ranges>();
        let allowed = ranges(&["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]);
        let door = Door { allowed: Some(allowed), proxies: None };
        for (address, admitted) in [
            ("10.255.0.1", true),
            ("::ffff:10.1.2.3", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::ffff:192.0.2.8", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("::1", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(door.admits(address.parse().unwrap()), admitted, "{address}");
        }
        let anyone = Door::default();
        assert!(anyone.admits("192.0.2.1".parse().unwrap()) && anyone.admits("::1".parse().unwrap()));
        let closed = Door { allowed: Some(Ranges::default()), proxies: None };
        assert!(!closed.admits("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn only_the_named_proxies_state_addresses() {
        let address = "192.0.2.1".parse().unwrap();
        assert!(!Door::default().trusts(address));
        let door = |proxies| Door { proxies: Some(proxies), ..Door::default() };
        assert!(door(Proxies::Any).trusts(address));
        let at = |range: &str| door(Proxies::At(std::iter::once(range.parse::<IpNet>().unwrap()).collect()));
        assert!(at("192.0.2.0/24").trusts(address) && !at("127.0.0.1/32").trusts(address));
    }
}
