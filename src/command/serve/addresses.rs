//! The addresses at which clients reach a server, for the command that `upseal serve` prints for senders.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Returns the addresses at which a server bound to `bound` can be reached: `bound` itself, or if it is the unspecified
/// address (`0.0.0.0`, `::`), the addresses of this machine with the most likely one first.
pub(super) fn reachable(bound: SocketAddr) -> Vec<SocketAddr> {
    let of_machine = || if_addrs::get_if_addrs().unwrap_or_default();
    among(bound, || of_machine().into_iter().map(|interface| interface.ip()).collect())
}

fn among(bound: SocketAddr, interfaces: impl FnOnce() -> Vec<IpAddr>) -> Vec<SocketAddr> {
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    // On Linux, an IPv6 socket also accepts IPv4 connections.
    let serves = |ip: &IpAddr| bound.is_ipv6() || ip.is_ipv4();
    let mut addresses: Vec<IpAddr> =
        interfaces().into_iter().filter(|ip| serves(ip) && !is_link_local(ip)).collect();
    if addresses.iter().any(|ip| !ip.is_loopback()) {
        addresses.retain(|ip| !ip.is_loopback());
    }
    if addresses.is_empty() {
        addresses.push(if bound.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let mut once: Vec<IpAddr> = Vec::new();
    for ip in addresses {
        if !once.contains(&ip) {
            once.push(ip);
        }
    }
    // The sort is stable, because the system lists its main interface first.
    once.sort_by_key(IpAddr::is_ipv6);
    once.into_iter().map(|ip| SocketAddr::new(ip, bound.port())).collect()
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
        let interfaces = || interfaces.iter().map(|ip| ip.parse().unwrap()).collect();
        among(bound.parse().unwrap(), interfaces).iter().map(ToString::to_string).collect()
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
