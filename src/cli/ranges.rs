//! Who may connect to `upseal serve`, as ranges of IP addresses: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`.

use std::net::IpAddr;
use std::str::FromStr;

use clap::Args;
use ipnet::{IpNet, Ipv4Net};

/// Bits before the IPv4 address in an IPv6 address that contains one (`::ffff:192.0.2.7`).
const MAPPED: u8 = 96;

/// A range of IP addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range(pub IpNet);

/// Who may connect to `upseal serve`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::doc_markdown, reason = "clap prints these words as they are")]
pub(crate) struct Access {
    /// Addresses that may connect, such as 10.0.0.0/8 [default: all]
    ///
    /// Addresses or ranges, IPv4 or IPv6, separated by commas or by the flag given again. Others are refused before the
    /// server does anything for them. An address proves no identity: whatever else uses it can connect too.
    #[arg(long, value_name = "RANGES", value_delimiter = ',')]
    pub allow_ip: Vec<Range>,
    /// Require a PROXY header (version 2) [default: off]
    ///
    /// For a server behind HAProxy (send-proxy-v2) or a load balancer: each connection begins with it. All limits, --allow-ip and the history then use the
    /// client's address that the proxy states. Name the proxies, such as --proxy-protocol=10.0.0.5; without them, everyone
    /// who reaches the port can state any address, so only the proxy may reach it.
    #[arg(
        long,
        value_name = "RANGES",
        value_delimiter = ',',
        num_args = 0..,
        require_equals = true,
        conflicts_with = "share"
    )]
    pub proxy_protocol: Option<Vec<Range>>,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let range = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse::<IpNet>().map_err(|_| {
                "expected an address or a range, for example 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"
                    .to_owned()
            })?,
        };
        // Such a range would be wider than it looks.
        if range.addr() != range.network() {
            return Err(format!(
                "the address has bits beyond /{}; the range is {}, the address alone is {}",
                range.prefix_len(),
                range.trunc(),
                range.addr()
            ));
        }
        Ok(Self(unmapped(range)))
    }
}

/// Returns the IPv4 range that an IPv6 range of mapped addresses contains: clients are compared by their IPv4 addresses.
fn unmapped(range: IpNet) -> IpNet {
    let IpNet::V6(of) = range else { return range };
    let bits = of.prefix_len().checked_sub(MAPPED);
    let Some((address, bits)) = of.network().to_ipv4_mapped().zip(bits) else { return range };
    Ipv4Net::new(address, bits).map_or(range, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_an_address_or_a_prefix() {
        let shown = |text: &str| text.parse::<Range>().map(|range| range.0.to_string());
        for (text, range) in [
            ("192.0.2.7", "192.0.2.7/32"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            (" 0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(shown(text), Ok(range.to_owned()), "{text}");
        }
        for bad in
            ["", "localhost", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/-1", "::/129", "10.0.0.0/", "1.2.3.4:5"]
        {
            assert!(shown(bad).is_err_and(|why| why.contains("expected an address")), "{bad}");
        }
        let wider = shown("10.1.2.3/8");
        assert!(
            wider.is_err_and(|why| why.contains("the range is 10.0.0.0/8, the address alone is 10.1.2.3"))
        );
    }
}
