//! The header in which a proxy states its client's address: PROXY protocol, version 2. No IO.
//!
//! ```text
//!   0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a   21 | 20   11 | 21   LENGTH   addresses and ports   additions
//!   signature                             PROXY     IPv4      2 bytes                        with lengths
//!                                         | LOCAL   | IPv6
//! ```

use std::net::SocketAddr;

use crc::{CRC_32_ISCSI, Crc};
use ppp::v2::{Addresses, Command, Header as Parsed, ParseError, Protocol, Type};
use thiserror::Error;

/// Bytes before the addresses.
const FIXED: usize = 16;
/// Bytes of the longest accepted header: it fits the smallest segment of TCP, so no proxy sends a longer one.
const LONGEST: usize = 536;
/// Position of the version and the command.
const COMMAND: usize = 12;
/// Position of the family of the addresses.
const FAMILY: usize = 13;
/// Version 2 with the command LOCAL.
const LOCAL: u8 = 0x20;
/// Bytes before the value of an addition: its type and its length.
const ADDITION: usize = 3;
/// Beginning of a header of version 1.
const VERSION_1: &[u8] = b"PROXY";

/// CRC-32C, the checksum that a header may have.
static CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// What a header states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stated {
    /// The connection is of this client.
    Client(SocketAddr),
    /// The connection is of the proxy itself, which checks whether the server is there.
    Check,
}

/// Why bytes are not an accepted header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum BadHeader {
    /// Something else came.
    #[error(
        "no PROXY header: the client connected without the proxy, or the proxy does not send one (send-proxy-v2)"
    )]
    Absent,
    /// The proxy speaks version 1.
    #[error("a PROXY header of version 1; version 2 is required (send-proxy-v2)")]
    Version1,
    /// The version or the command is unknown.
    #[error("a PROXY header of an unknown version or with an unknown command: 0x{0:02x}")]
    Command(u8),
    /// The client of the proxy uses neither TCP over IPv4 nor over IPv6.
    #[error("a PROXY header whose client does not use TCP over IPv4 or IPv6: 0x{0:02x}")]
    Family(u8),
    /// The header is longer than any that a proxy needs.
    #[error("a PROXY header of {0} bytes (at most {LONGEST})")]
    TooLong(usize),
    /// The length is too short for the addresses, or an addition does not fit.
    #[error("a PROXY header whose lengths do not fit")]
    Lengths,
    /// The checksum does not fit.
    #[error("a PROXY header with a wrong checksum")]
    Checksum,
    /// The connection ended within the header.
    #[error("a connection that ended after {0} bytes of the PROXY header")]
    Cut(usize),
    /// The header did not come in time.
    #[error("no complete PROXY header within the time of --message-time")]
    Late,
    /// Too many connections wait for their headers.
    #[error("no PROXY header yet, and other connections wait for theirs")]
    Crowded,
    /// Bytes came behind the header of a check.
    #[error("a check (LOCAL) that goes on with other bytes; state the client's address")]
    Talkative,
}

/// A header that is being received.
#[derive(Debug)]
pub(crate) struct Header {
    bytes: [u8; LONGEST],
    have: usize,
}

impl Default for Header {
    fn default() -> Self {
        Self { bytes: [0; LONGEST], have: 0 }
    }
}

impl Header {
    /// Returns where the next bytes go: never beyond the end of the header, because what follows is the client's.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let end = self.length().unwrap_or(FIXED).clamp(self.have, LONGEST);
        &mut self.bytes[self.have..end]
    }

    /// Returns the number of bytes that have come.
    pub(crate) const fn len(&self) -> usize {
        self.have
    }

    /// Notes that `count` bytes came into the [room](Self::room). `None`: more must come.
    ///
    /// # Errors
    /// It is not an accepted header, whatever comes next.
    pub(crate) fn took(&mut self, count: usize) -> Result<Option<Stated>, BadHeader> {
        self.have = (self.have + count).min(LONGEST);
        match (parse(&self.bytes[..self.have])?, self.length()) {
            (None, Some(length)) if length > LONGEST => Err(BadHeader::TooLong(length)),
            (stated, _) => Ok(stated),
        }
    }

    /// Returns the length of the whole header, if it is known.
    fn length(&self) -> Option<usize> {
        let [high, low] = [*self.bytes.get(FIXED - 2)?, *self.bytes.get(FIXED - 1)?];
        (self.have >= FIXED).then(|| FIXED + usize::from(u16::from_be_bytes([high, low])))
    }
}

fn parse(bytes: &[u8]) -> Result<Option<Stated>, BadHeader> {
    let mut bytes = bytes.to_vec();
    // The family of a check has no meaning, so it may be one that does not exist.
    if bytes.get(COMMAND) == Some(&LOCAL)
        && let Some(family) = bytes.get_mut(FAMILY)
    {
        *family = 0;
    }
    let header = match Parsed::try_from(&bytes[..]) {
        Ok(header) => header,
        Err(ParseError::Incomplete(_) | ParseError::Partial(..)) => return Ok(None),
        Err(ParseError::Prefix) if VERSION_1.starts_with(&bytes[..bytes.len().min(VERSION_1.len())]) => {
            return Err(BadHeader::Version1);
        }
        Err(ParseError::Prefix) => return Err(BadHeader::Absent),
        Err(ParseError::Version(_) | ParseError::Command(_)) => {
            return Err(BadHeader::Command(bytes[COMMAND]));
        }
        Err(ParseError::AddressFamily(_) | ParseError::Protocol(_)) => {
            return Err(BadHeader::Family(bytes[FAMILY]));
        }
        Err(_) => return Err(BadHeader::Lengths),
    };
    if header.command == Command::Local {
        return Ok(Some(Stated::Check));
    }
    let client = match header.addresses {
        Addresses::IPv4(of) => SocketAddr::from((of.source_address, of.source_port)),
        Addresses::IPv6(of) => SocketAddr::from((of.source_address, of.source_port)),
        Addresses::Unspecified | Addresses::Unix(_) => return Err(BadHeader::Family(bytes[FAMILY])),
    };
    if header.protocol != Protocol::Stream {
        return Err(BadHeader::Family(bytes[FAMILY]));
    }
    check_additions(&header)?;
    Ok(Some(Stated::Client(client)))
}

/// Checks the lengths of what follows the addresses, and the checksum if there is one. All else there is skipped.
fn check_additions(header: &Parsed<'_>) -> Result<(), BadHeader> {
    let mut at = header.len() - header.tlv_bytes().len();
    for addition in header.tlvs() {
        let addition = addition.map_err(|_| BadHeader::Lengths)?;
        let value = at + ADDITION..at + ADDITION + addition.value.len();
        at = value.end;
        if addition.kind != u8::from(Type::CRC32C) {
            continue;
        }
        let stated = <[u8; 4]>::try_from(&addition.value[..]).map_err(|_| BadHeader::Lengths)?;
        let mut bytes = header.as_bytes().to_vec();
        // The sum is over the header with a sum of zeros.
        bytes[value].fill(0);
        if CHECKSUM.checksum(&bytes) != u32::from_be_bytes(stated) {
            return Err(BadHeader::Checksum);
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
    /// 192.0.2.7:7, connected to 192.0.2.1:4321.
    const IPV4: [u8; 12] = [192, 0, 2, 7, 192, 0, 2, 1, 0, 7, 0x10, 0xe1];

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    /// Receives these bytes in pieces of `step`. Returns the result, and how many bytes were taken.
    fn receive(bytes: &[u8], step: usize) -> (Result<Option<Stated>, BadHeader>, usize) {
        let (mut header, mut at) = (Header::default(), 0);
        while at < bytes.len() {
            let room = header.room();
            let count = room.len().min(step).min(bytes.len() - at);
            room[..count].copy_from_slice(&bytes[at..at + count]);
            at += count;
            match header.took(count) {
                Ok(None) => assert!(count > 0, "a header without an end"),
                done => return (done, at),
            }
        }
        (Ok(None), at)
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is compared with results")]
    fn client(text: &str) -> Result<Option<Stated>, BadHeader> {
        Ok(Some(Stated::Client(text.parse().unwrap())))
    }

    #[test]
    fn a_header_states_a_client_or_a_check_and_takes_no_byte_behind_it() {
        let ipv6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[0; 16], &[0, 7, 0x10, 0xe1]].concat();
        let mapped = [&[0; 10][..], &[255, 255, 192, 0, 2, 7], &[0; 16], &[0, 7, 0, 1]].concat();
        let noop = [4, 0, 2, 9, 9];
        let unknown = [&[0xee, 1, 0xf0][..], &[5; 0x1f0]].concat();
        for (bytes, stated) in [
            (header(0x21, 0x11, &IPV4), client("192.0.2.7:7")),
            (header(0x21, 0x21, &ipv6), client("[2001:db8::7]:7")),
            (header(0x21, 0x21, &mapped), client("[::ffff:192.0.2.7]:7")),
            (header(0x21, 0x11, &[&IPV4[..], &noop, &noop].concat()), client("192.0.2.7:7")),
            (header(0x21, 0x11, &[&IPV4[..], &unknown].concat()), client("192.0.2.7:7")),
            (header(0x20, 0x00, &[]), Ok(Some(Stated::Check))),
            (header(0x20, 0x11, &IPV4), Ok(Some(Stated::Check))),
            (header(0x20, 0x77, &noop), Ok(Some(Stated::Check))),
        ] {
            let behind = [&bytes[..], b"mode"].concat();
            for step in [1, 3, 16, 4096] {
                assert_eq!(receive(&behind, step), (stated, bytes.len()), "{bytes:?} in steps of {step}");
            }
            for cut in 0..bytes.len() {
                assert_eq!(receive(&bytes[..cut], 4096).0, Ok(None), "{cut} of {bytes:?}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused_at_its_first_wrong_byte() {
        let v1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 7 4321\r\n";
        let message = [&[0; 7][..], &[3], &[0; 8]].concat();
        let unix = header(0x21, 0x31, &[0; 216]);
        let long = header(0x21, 0x11, &[&IPV4[..], &[4, 2, 0xff], &[0; 0x2ff]].concat());
        for (bytes, why) in [
            (v1.to_vec(), BadHeader::Version1),
            (b"P".to_vec(), BadHeader::Version1),
            (b"PUT / HTTP/1.1\r\n".to_vec(), BadHeader::Absent),
            (message, BadHeader::Absent),
            (header(0x11, 0x11, &IPV4), BadHeader::Command(0x11)),
            (header(0x22, 0x11, &IPV4), BadHeader::Command(0x22)),
            (header(0x21, 0x00, &[]), BadHeader::Family(0x00)),
            (header(0x21, 0x12, &IPV4), BadHeader::Family(0x12)),
            (header(0x21, 0x10, &IPV4), BadHeader::Family(0x10)),
            (header(0x21, 0x41, &IPV4), BadHeader::Family(0x41)),
            (header(0x21, 0x13, &IPV4), BadHeader::Family(0x13)),
            (unix, BadHeader::Family(0x31)),
            (header(0x21, 0x11, &IPV4[..11]), BadHeader::Lengths),
            (header(0x21, 0x21, &IPV4), BadHeader::Lengths),
            (header(0x21, 0x11, &[&IPV4[..], &[4, 0]].concat()), BadHeader::Lengths),
            (header(0x21, 0x11, &[&IPV4[..], &[4, 0, 9, 1]].concat()), BadHeader::Lengths),
            (header(0x21, 0x11, &[&IPV4[..], &[3, 0, 1, 1]].concat()), BadHeader::Lengths),
            (long.clone(), BadHeader::TooLong(long.len())),
            ([&SIGNATURE[..], &[0x21, 0x11, 0xff, 0xff]].concat(), BadHeader::TooLong(FIXED + 0xffff)),
        ] {
            assert_eq!(receive(&bytes, 4096).0, Err(why), "{bytes:?}");
        }
        for at in 0..SIGNATURE.len() {
            let mut bytes = header(0x21, 0x11, &IPV4);
            bytes[at] ^= 0x80;
            assert_eq!(receive(&bytes, 1), (Err(BadHeader::Absent), at + 1), "byte {at}");
        }
        // A family that does not count is never waited for.
        assert_eq!(receive(&header(0x21, 0x11, &IPV4)[..14], 1).0, Ok(None));
        let longest = header(0x21, 0x11, &[&IPV4[..], &[4, 1, 0xf9], &[0; 0x1f9]].concat());
        assert_eq!((longest.len(), receive(&longest, 7).0), (LONGEST, client("192.0.2.7:7")));
    }

    #[test]
    fn a_checksum_is_checked_where_there_is_one() {
        // Of the polynomial that the specification names: the check value of the catalogues.
        assert_eq!(CHECKSUM.checksum(b"123456789"), 0xe306_9283);
        let mut bytes =
            header(0x21, 0x11, &[&IPV4[..], &[4, 0, 1, 7], &[3, 0, 4, 0, 0, 0, 0], &[4, 0, 0]].concat());
        let sum = CHECKSUM.checksum(&bytes).to_be_bytes();
        let at = FIXED + IPV4.len() + 4 + ADDITION;
        bytes[at..at + 4].copy_from_slice(&sum);
        assert_eq!(receive(&bytes, 4096).0, client("192.0.2.7:7"));
        // Another type makes the checksum one of the additions that are skipped.
        for byte in (FIXED..bytes.len()).filter(|byte| *byte != at - ADDITION) {
            let mut changed = bytes.clone();
            changed[byte] ^= 1;
            assert!(receive(&changed, 4096).0.is_err(), "byte {byte}");
        }
    }
}
