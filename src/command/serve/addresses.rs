//! The addresses at which clients reach a server, for the line to hand to others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Returns the addresses at which a server that is bound to `bound` can be reached: `bound` itself, or if it stands for
/// all addresses, those of the machine, the likeliest first.
pub(super) fn reachable(bound: SocketAddr) -> Vec<SocketAddr> {
    let of_machine = || if_addrs::get_if_addrs().unwrap_or_default();
    among(bound, || of_machine().into_iter().map(|interface| interface.ip()).collect())
}

fn among(bound: SocketAddr, interfaces: impl FnOnce() -> Vec<IpAddr>) -> Vec<SocketAddr> {
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    // Linux serves IPv4 by a socket of IPv6 too.
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
    // A stable sort: the system lists its main interface first.
    once.sort_by_key(IpAddr::is_ipv6);
    once.into_iter().map(|ip| SocketAddr::new(ip, bound.port())).collect()
}

/// Whether an address is of one link only. IPv6 clients need the name of an interface with it; an IPv4 one is given
/// where there is no network.
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
    fn a_server_on_all_addresses_is_reached_by_those_of_the_machine_that_others_can_use() {
        assert_eq!(of("0.0.0.0:7", &INTERFACES), ["10.0.0.7:7", "192.168.1.7:7"]);
        assert_eq!(of("[::]:7", &INTERFACES), ["10.0.0.7:7", "192.168.1.7:7", "[2001:db8::7]:7"]);
    }

    #[test]
    fn a_machine_without_a_network_has_its_loopback_address() {
        assert_eq!(of("0.0.0.0:7", &["127.0.0.1", "::1", "fe80::1"]), ["127.0.0.1:7"]);
        assert_eq!(of("[::]:7", &["::1", "127.0.0.1"]), ["127.0.0.1:7", "[::1]:7"]);
        assert_eq!(of("0.0.0.0:7", &[]), ["127.0.0.1:7"]);
        assert_eq!(of("[::]:7", &[]), ["[::1]:7"]);
    }

    #[test]
    fn an_address_that_was_chosen_is_the_only_one() {
        for bound in ["127.0.0.1:7", "10.0.0.9:7", "[::1]:7"] {
            assert_eq!(of(bound, &INTERFACES), [bound]);
        }
    }

    #[test]
    fn this_machine_has_an_address_that_does_not_stand_for_all() {
        for bound in ["0.0.0.0:7", "[::]:7"] {
            let addresses = reachable(bound.parse().unwrap());
            let chosen = addresses.iter().all(|it| !it.ip().is_unspecified());
            assert!(chosen && !addresses.is_empty(), "{addresses:?}");
        }
    }
}
