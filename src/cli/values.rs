//! Types of flag values: addresses to listen on, times, lanes of a race, sizes.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use jiff::{Span, SpanRelativeTo};

use crate::event::{Destination, DestinationError, Padding, Variant, parse_listening};

/// The part of the MODE 3 reply that comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReplyOrder {
    /// The specified order.
    SignatureFirst,
    /// The order that one third-party client expects.
    CertFirst,
}

/// What becomes of a file's modification time and executable bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum KeepMeta {
    /// The stored file has them too
    #[default]
    Keep,
    /// They are left out
    Drop,
}

/// An address to listen on: `127.0.0.1:4321`, `[::]:0`, `localhost:7012`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bind {
    /// The text of the flag.
    text: String,
    /// Resolved addresses, at least one. The first that can be bound is used.
    pub addresses: Vec<SocketAddr>,
}

impl Bind {
    /// Returns whether only programs on this machine can connect.
    #[must_use]
    pub(crate) fn is_loopback(&self) -> bool {
        self.addresses.iter().all(|address| address.ip().is_loopback())
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Bind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = parse_listening(text).map_err(|why| why.to_string())?;
        let resolved = (host.as_str(), port).to_socket_addrs().map_err(|why| why.to_string())?;
        let mut addresses: Vec<SocketAddr> = resolved.collect();
        // IPv4 first: clients that resolve only one address take that.
        addresses.sort_by_key(SocketAddr::is_ipv6);
        if addresses.is_empty() {
            return Err("the name has no address".to_owned());
        }
        Ok(Self { text: text.to_owned(), addresses })
    }
}

/// A pause of at most 2 s: `5ms`, `1s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap(pub Duration);

impl Gap {
    /// A client waits 10 s for the whole reply, which has three gaps.
    const MAX: Duration = Duration::from_secs(2);
}

impl FromStr for Gap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let gap: jiff::SignedDuration = text.parse().map_err(|_| "expected a time, for example 5ms")?;
        let gap = Duration::try_from(gap).map_err(|_| "a time cannot be negative")?;
        if gap > Self::MAX {
            Err("too long: at most 2s, or clients give up".to_owned())
        } else {
            Ok(Self(gap))
        }
    }
}

/// A time to keep something, at least a day: `90d`, `12 weeks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retention(pub Duration);

impl Retention {
    /// Shorter times have no use, because what is older is removed once a day.
    const MIN: Duration = Duration::from_secs(24 * 60 * 60);
}

impl FromStr for Retention {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A month or a year has no fixed length.
        let time =
            text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
        let time = time.map_err(|_| "expected days or weeks, for example 90d")?;
        let time = Duration::try_from(time).map_err(|_| "a time cannot be negative")?;
        if time < Self::MIN { Err("too short: at least 1d".to_owned()) } else { Ok(Self(time)) }
    }
}

/// A time to wait, at most 24 h: `90s`, `5min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience(pub Duration);

impl FromStr for Patience {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time: jiff::SignedDuration = text.parse().map_err(|_| "expected a time, for example 90s")?;
        let time = Duration::try_from(time).map_err(|_| "a time cannot be negative")?;
        if time > Self::MAX { Err("too long: at most 24h".to_owned()) } else { Ok(Self(time)) }
    }
}

impl Patience {
    /// A server that is silent for longer is not coming back.
    const MAX: Duration = Duration::from_secs(24 * 60 * 60);
}

/// One lane of a race: `cp1`, `cp1@HOST:PORT`, `cp1/pkcs1v15/2048`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LaneArg {
    /// Variant of the protocol.
    pub variant: Variant,
    /// Padding of CP1's blocks; `None`: the race's.
    pub padding: Option<Padding>,
    /// Modulus length of the embedded server's key in bits; `None`: the key that it has.
    pub bits: Option<usize>,
    /// Address of the server, or its link; `None`: the embedded server.
    pub address: Option<Destination>,
}

impl FromStr for LaneArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, address) = match text.split_once('@') {
            Some((_, "")) => return Err("expected an address after '@'".to_owned()),
            Some((name, address)) => {
                (name, Some(address.parse().map_err(|why: DestinationError| why.to_string())?))
            }
            None => (text, None),
        };
        let (name, options) = name.split_once('/').map_or((name, None), |(name, more)| (name, Some(more)));
        let variant = <Variant as ValueEnum>::from_str(name, true)
            .map_err(|_| format!("unknown variant '{name}' (possible values: plain, ap, cp1, cp2)"))?;
        let mut lane = Self { variant, padding: None, bits: None, address };
        for option in options.into_iter().flat_map(|options| options.split('/')) {
            lane.set(option)?;
        }
        Ok(lane)
    }
}

impl LaneArg {
    fn set(&mut self, option: &str) -> Result<(), String> {
        if self.variant != Variant::Cp1 {
            return Err(format!("'/{option}' is for cp1 only, which has a padding and a key length"));
        }
        let is_new = match (<Padding as ValueEnum>::from_str(option, true), option.parse::<usize>()) {
            (Ok(padding), _) => self.padding.replace(padding).is_none(),
            (_, Ok(_)) if self.address.is_some() => {
                return Err(format!(
                    "'/{option}' is for the built-in server only; another server has its own key"
                ));
            }
            (_, Ok(bits)) if LANE_BITS.contains(&bits) => self.bits.replace(bits).is_none(),
            _ => {
                return Err(format!(
                    "unknown option '/{option}' (possible values: oaep, pkcs1v15, 1024, 2048, 4096)"
                ));
            }
        };
        if is_new { Ok(()) } else { Err(format!("'/{option}' is given twice")) }
    }
}

/// Key lengths that a lane can have in the embedded server, in bits.
pub(crate) const LANE_BITS: [usize; 3] = [1024, 2048, 4096];

/// A number of bytes: `812`, `64KiB`, `8M`, `64GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let shift = match text[digits..].trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kib" => 10,
            "m" | "mib" => 20,
            "g" | "gib" => 30,
            "t" | "tib" => 40,
            unit => return Err(format!("unknown unit '{unit}' (possible values: KiB, MiB, GiB, TiB)")),
        };
        let number: u64 = text[..digits].parse().map_err(|_| "expected a whole number".to_owned())?;
        number.checked_mul(1 << shift).map(Self).ok_or_else(|| "too large: at most 2^64 - 1 bytes".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_lanes_are_read_or_refused() {
        let size = |text: &str| text.parse::<Size>().map(|size| size.0);
        assert_eq!(size("812"), Ok(812));
        assert_eq!(size("64KiB"), Ok(64 << 10));
        assert_eq!(size("8 m"), Ok(8 << 20));
        assert_eq!(size("64GiB"), Ok(64 << 30));
        for bad in ["", "GiB", "-1", "1.5GiB", "1kb", "99999999999999999999", "99999999TiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        let patience = |text: &str| text.parse::<Patience>().map(|patience| patience.0);
        assert_eq!(patience("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(patience("0s"), Ok(Duration::ZERO));
        assert!(patience("-1s").is_err() && patience("25h").is_err() && patience("soon").is_err());
        let retention = |text: &str| text.parse::<Retention>().map(|time| time.0.as_secs() / 3600);
        assert_eq!(retention("90d"), Ok(90 * 24));
        assert_eq!(retention("2w"), Ok(14 * 24));
        assert_eq!(retention("36h"), Ok(36));
        for bad in ["", "90", "23h", "-1d", "1y", "3 months", "for ever"] {
            assert!(retention(bad).is_err(), "{bad}");
        }
        let gap = |text: &str| text.parse::<Gap>().map(|gap| gap.0);
        assert_eq!(gap("5ms"), Ok(Duration::from_millis(5)));
        assert_eq!(gap("1 s"), Ok(Duration::from_secs(1)));
        for bad in ["", "5", "ms", "-5ms", "3s", "1h"] {
            assert!(gap(bad).is_err(), "{bad}");
        }
        let lane = |text: &str| text.parse::<LaneArg>();
        let cp1 = LaneArg { variant: Variant::Cp1, padding: None, bits: None, address: None };
        assert_eq!(lane("cp1"), Ok(cp1.clone()));
        let address = Some("[::1]:4321".parse().unwrap());
        assert_eq!(
            lane("Plain@[::1]:4321"),
            Ok(LaneArg { variant: Variant::Plain, address: address.clone(), ..cp1.clone() })
        );
        let padding = Some(Padding::Pkcs1v15);
        let full = LaneArg { padding, bits: Some(2048), ..cp1.clone() };
        assert_eq!(lane("cp1/pkcs1v15/2048"), Ok(full.clone()));
        assert_eq!(lane("CP1/2048/PKCS1v15"), Ok(full));
        assert_eq!(lane("cp1/4096"), Ok(LaneArg { bits: Some(4096), ..cp1.clone() }));
        assert_eq!(lane("cp1/pkcs1v15@[::1]:4321"), Ok(LaneArg { padding, address, ..cp1 }));
        for bad in [
            "cp3",
            "cp1@",
            "cp1/",
            "cp1/512",
            "cp1/oaep/oaep",
            "cp1/1024/2048",
            "cp2/2048",
            "plain/oaep",
            "cp1/2048@[::1]:4321",
        ] {
            assert!(lane(bad).is_err(), "{bad}");
        }
    }
}
