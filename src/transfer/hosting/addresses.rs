//! The addresses at which clients reach a server, for the links and commands that senders are given.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::event::Door;

/// Returns the addresses at which a server bound to `bound` can be reached: `bound` itself, or if it is the unspecified
/// address (`0.0.0.0`, `::`), the addresses of this machine with the most likely one first.
pub(crate) fn reachable(bound: SocketAddr) -> Vec<SocketAddr> {
    doors(bound).into_iter().map(|door| door.address).collect()
}

/// Returns what [`reachable`] returns, with the interfaces.
pub(crate) fn doors(bound: SocketAddr) -> Vec<Door> {
    let of_machine = || if_addrs::get_if_addrs().unwrap_or_default();
    among(bound, || {
        of_machine().into_iter().map(|interface| (interface.name.clone(), interface.ip())).collect()
    })
}

fn among(bound: SocketAddr, interfaces: impl FnOnce() -> Vec<(String, IpAddr)>) -> Vec<Door> {
    if !bound.ip().is_unspecified() {
        return vec![Door { interface: None, address: bound }];
    }
    // On Linux, an IPv6 socket also accepts IPv4 connections.
    let serves = |ip: &IpAddr| bound.is_ipv6() || ip.is_ipv4();
    let all = interfaces().into_iter().filter(|(_, ip)| serves(ip) && !is_link_local(ip));
    let mut found: Vec<(Option<String>, IpAddr)> = all.map(|(name, ip)| (Some(name), ip)).collect();
    if found.iter().any(|(_, ip)| !ip.is_loopback()) {
        found.retain(|(_, ip)| !ip.is_loopback());
    }
    if found.is_empty() {
        let ip = if bound.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        found.push((None, ip));
    }
    let mut once: Vec<Door> = Vec::new();
    for (interface, ip) in found {
        if once.iter().all(|door| door.address.ip() != ip) {
            once.push(Door { interface, address: SocketAddr::new(ip, bound.port()) });
        }
    }
    // The sort is stable, because the system lists its main interface first.
    once.sort_by_key(|door| door.address.is_ipv6());
    once
}

/// Returns whether an address is valid on one link only. With an IPv6 one, clients must also name an interface; an IPv4
/// one only means that the machine found no network.
const fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const INTERFACES: [&str; 8] =
        ["127.0.0.1", "::1", "fe80::1", "169.254.7.7", "2001:db8::7", "10.0.0.7", "192.168.1.7", "10.0.0.7"];

    fn of(bound: &str, interfaces: &[&str]) -> Vec<String> {
        let interfaces = || interfaces.iter().map(|ip| ("eth0".to_owned(), ip.parse().unwrap())).collect();
        among(bound.parse().unwrap(), interfaces).iter().map(|door| door.address.to_string()).collect()
    }

    #[test]
    fn the_unspecified_address_lists_the_machine_s_reachable_addresses() {
        assert_eq!(of("0.0.0.0:7", &INTERFACES), ["10.0.0.7:7", "192.168.1.7:7"]);
        assert_eq!(of("[::]:7", &INTERFACES), ["10.0.0.7:7", "192.168.1.7:7", "[2001:db8::7]:7"]);
    }

    #[test]
    fn a_machine_without_a_network_lists_loopback() {
        assert_eq!(of("0.0.0.0:7", &["127.0.0.1", "::1", "fe80::1"]), ["127.0.0.1:7"]);
        assert_eq!(of("[::]:7", &["::1", "127.0.0.1"]), ["127.0.0.1:7", "[::1]:7"]);
        assert_eq!(of("0.0.0.0:7", &[]), ["127.0.0.1:7"]);
        assert_eq!(of("[::]:7", &[]), ["[::1]:7"]);
    }

    #[test]
    fn a_specific_address_lists_only_itself() {
        for bound in ["127.0.0.1:7", "10.0.0.9:7", "[::1]:7"] {
            assert_eq!(of(bound, &INTERFACES), [bound]);
        }
    }

    #[test]
    fn this_machine_has_a_specific_address() {
        for bound in ["0.0.0.0:7", "[::]:7"] {
            let addresses = reachable(bound.parse().unwrap());
            let chosen = addresses.iter().all(|it| !it.ip().is_unspecified());
            assert!(chosen && !addresses.is_empty(), "{addresses:?}");
        }
    }
}
