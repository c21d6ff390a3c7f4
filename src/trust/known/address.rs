//! Normal form of addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Returns `host:port` in the form of the known servers: the host in lower case and without a final dot, an IPv6
/// address shortened and in brackets, the port without leading zeros. Returns `None` if the text is not an address
/// with a port.
///
/// Nothing is looked up: `localhost` and `127.0.0.1` are two servers.
#[must_use]
pub(crate) fn normal(address: &str) -> Option<String> {
    let (host, port) = address.trim().rsplit_once(':')?;
    let port = Some(port).filter(|port| port.bytes().all(|c| c.is_ascii_digit()))?;
    let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
    Some(format!("{}:{port}", self::host(host)?))
}

fn host(host: &str) -> Option<String> {
    let bare = host.strip_prefix('[').map_or(Some(host), |host| host.strip_suffix(']'))?;
    let (v6, zone) = bare.split_once('%').map_or((bare, None), |(v6, zone)| (v6, Some(zone)));
    if let Ok(v6) = v6.parse::<Ipv6Addr>() {
        return match zone {
            None => Some(format!("[{v6}]")),
            Some(zone) => is_plain(zone).then(|| format!("[{v6}%{zone}]")),
        };
    }
    if host != bare || zone.is_some() {
        return None;
    }
    if let Ok(v4) = host.parse::<Ipv4Addr>() {
        return Some(v4.to_string());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    is_plain(name).then(|| name.to_lowercase())
}

/// Returns whether the name can stand in a line of the file unambiguously.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address_is_one() {
        for (given, meant) in [
            ("127.0.0.1:4321", Some("127.0.0.1:4321")),
            (" Example.ORG.:04321 ", Some("example.org:4321")),
            ("[::1]:80", Some("[::1]:80")),
            ("::1:80", Some("[::1]:80")),
            ("[0:0:0:0:0:0:0:1]:80", Some("[::1]:80")),
            ("[2001:DB8::7]:99", Some("[2001:db8::7]:99")),
            ("[fe80::1%eth0]:80", Some("[fe80::1%eth0]:80")),
            ("host_1-a:1", Some("host_1-a:1")),
            ("127.0.0.1", None),
            ("host:", None),
            ("host:0", None),
            ("host:+80", None),
            ("host:65536", None),
            (":80", None),
            ("[host]:80", None),
            ("[::1:80", None),
            ("a b:80", None),
            ("#host:80", None),
            ("ho=st:80", None),
            ("a\u{1b}b:80", None),
            ("[fe80::1%a b]:80", None),
        ] {
            assert_eq!(normal(given).as_deref(), meant, "{given:?}");
            if let Some(meant) = meant {
                assert_eq!(normal(meant).as_deref(), Some(meant), "it stays as it is");
            }
        }
    }
}
