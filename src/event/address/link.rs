//! Links to servers: an address and the pin of the server's key in one line that can be pasted.

use std::fmt;
use std::str::FromStr;

use super::{ADDRESS_FORMS, AddressError, ServerAddress};
use crate::digest::Digest;
use crate::event::Expected;

/// What a link begins with.
const SCHEME: &str = "upseal://";
/// What stands between the address and the digits of the pin.
const PIN: &str = "#sha256-";

/// The form of a link, for error messages.
const LINK_FORM: &str = "expected upseal://HOST:PORT#sha256- and 64 hexadecimal digits";

/// A link to a server: `upseal://HOST:PORT#sha256-` and the pin in 64 hexadecimal digits.
///
/// The port can be left out, the pin cannot: a link that lost its end must not become an address without a pin. Upper
/// and lower case are equal in the scheme and in the pin. One slash may follow the address, because programs that format
/// links add it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerLink {
    /// Address of the server.
    pub address: ServerAddress,
    /// SPKI SHA-256 of the server's key.
    pub pin: Digest,
}

/// A server as the user names it: by an address, or by a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    /// Address of the server.
    pub address: ServerAddress,
    /// SPKI SHA-256 of the server's key, if a link names it.
    pub pin: Option<Digest>,
}

/// The text is neither an address nor a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// The text is not an address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The text begins like a link and is not one.
    #[error("invalid link: {LINK_FORM}")]
    Link,
}

impl DestinationError {
    /// Returns the forms that the text can have.
    #[must_use]
    pub(crate) const fn forms(self) -> &'static str {
        match self {
            Self::Address(_) => ADDRESS_FORMS,
            Self::Link => LINK_FORM,
        }
    }
}

impl ServerLink {
    /// Returns whether a text begins like a link, so that it is meant as one.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        after_scheme(text.trim()).is_some()
    }

    /// Returns the link in capitals, for a QR code: it means the same, and the code is smaller.
    #[must_use]
    pub(crate) fn in_capitals(&self) -> String {
        self.to_string().to_uppercase()
    }
}

/// Returns what follows the scheme.
fn after_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(rest)
}

impl fmt::Display for ServerLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}{PIN}{}", self.address, self.pin)
    }
}

impl FromStr for ServerLink {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        let rest = after_scheme(text.trim()).ok_or(DestinationError::Link)?;
        let (address, pin) = rest.split_once('#').ok_or(DestinationError::Link)?;
        let digits = after_pin(pin).ok_or(DestinationError::Link)?;
        let address = address.strip_suffix('/').unwrap_or(address);
        Ok(Self {
            address: address.parse().map_err(|_| DestinationError::Link)?,
            pin: digits.parse().map_err(|_| DestinationError::Link)?,
        })
    }
}

/// Returns the digits after `sha256-`. `Digest` would accept another prefix before them.
fn after_pin(text: &str) -> Option<&str> {
    let (prefix, digits) = text.split_at_checked(PIN.len() - 1)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    (prefix.eq_ignore_ascii_case(&PIN[1..]) && is_hex).then_some(digits)
}

impl Destination {
    /// Returns the destination whose link names the expected key. A pin that cannot be parsed is left out.
    #[must_use]
    pub fn of(address: &ServerAddress, expected: &Expected) -> Self {
        let pin = expected.pin.as_ref().and_then(|pin| pin.parse().ok());
        Self { address: address.clone(), pin }
    }

    /// Returns the requirements on the server's identity that a link states.
    #[must_use]
    pub fn expected(&self) -> Expected {
        Expected { pin: self.pin.map(|pin| pin.to_string()), name: None }
    }
}

impl From<ServerAddress> for Destination {
    fn from(address: ServerAddress) -> Self {
        Self { address, pin: None }
    }
}

impl From<ServerLink> for Destination {
    fn from(ServerLink { address, pin }: ServerLink) -> Self {
        Self { address, pin: Some(pin) }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pin {
            Some(pin) => ServerLink { address: self.address.clone(), pin }.fmt(f),
            None => self.address.fmt(f),
        }
    }
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        if ServerLink::is_meant(text) {
            Ok(text.parse::<ServerLink>()?.into())
        } else {
            Ok(text.parse::<ServerAddress>()?.into())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hosts() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z0-9]{1,12}(\\.[a-z0-9]{1,8}){0,3}",
            any::<[u8; 4]>().prop_map(|ip| std::net::Ipv4Addr::from(ip).to_string()),
            any::<u128>().prop_map(|ip| format!("[{}]", std::net::Ipv6Addr::from(ip))),
        ]
    }

    proptest! {
        #[test]
        fn a_link_reads_what_it_writes(host in hosts(), port in 1..=u16::MAX, pin: [u8; 32]) {
            let address: ServerAddress = format!("{host}:{port}").parse().unwrap();
            let link = ServerLink { address, pin: Digest(pin) };
            let text = link.to_string();
            prop_assert_eq!(text.parse(), Ok(link.clone()));
            let capitals: ServerLink = link.in_capitals().parse().unwrap();
            prop_assert_eq!((capitals.pin, capitals.address.normal()), (link.pin, link.address.normal()));
            prop_assert_eq!(text.parse(), Ok(Destination::from(link)));
            // A link that was cut anywhere is never a server.
            for end in SCHEME.len()..text.len() {
                prop_assert!(text[..end].parse::<Destination>().is_err(), "{}", &text[..end]);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,120}") {
            if let Ok(there) = text.parse::<Destination>() {
                prop_assert_eq!(there.to_string().parse(), Ok(there));
            }
            let _ = format!("upseal://{text}").parse::<ServerLink>();
        }
    }

    #[test]
    fn what_is_no_link_is_refused() {
        let pin = "ab".repeat(32);
        for bad in [
            "upseal://".to_owned(),
            "upseal://lab:4321".to_owned(),
            format!("upseal://#sha256-{pin}"),
            format!("upseal://lab:0#sha256-{pin}"),
            format!("upseal://lab:4321#sha256:{pin}"),
            format!("upseal://lab:4321#sha256-sha256:{pin}"),
            format!("upseal://lab:4321#sha1-{pin}"),
            format!("upseal://lab:4321#sha256-{pin}0"),
            format!("upseal://lab:4321#sha256-{pin}#"),
            format!("upseal://user@lab:4321#sha256-{pin}"),
            format!("upseal://lab:4321/path#sha256-{pin}"),
            format!("upseal://lab:4321?q#sha256-{pin}"),
        ] {
            assert_eq!(bad.parse::<Destination>(), Err(DestinationError::Link), "{bad}");
        }
        assert!("https://lab:4321".parse::<Destination>().is_err());
        for good in ["upseal://lab#sha256-", "UPSEAL://lab:4321/#SHA256-", " upseal://lab:4321#sha256-"] {
            let link: ServerLink = format!("{good}{pin}").parse().unwrap();
            assert_eq!(link.to_string(), format!("upseal://lab:4321#sha256-{pin}"));
        }
    }
}
