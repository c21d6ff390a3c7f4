//! How a server refuses, and why: one byte where only an end is due, and a line for clients that sent our hello.
//!
//! ```text
//!   0xff                                 to every client
//!   0xff upseal/1 refused WORD LF        to a client that sent our hello
//! ```
//!
//! A reset alone would do between two computers. But a TCP proxy turns a reset into an end in order, and that is what
//! a client takes for success. No answer of any server begins with 0xff: an answer begins with a length.

use std::fmt;

/// The byte that a refusal begins with.
pub const REFUSED: u8 = 0xff;

/// What the line of a refusal begins with.
const LINE: &str = "upseal/1 refused ";

/// Bytes of the longest line.
const LONGEST: usize = 64;

/// Why a server refuses. Whatever depends on decrypted bytes is [`Refusal::Content`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The server does not accept this variant.
    Variant,
    /// The file is larger than the server accepts.
    Size,
    /// The server has no room for the file, or cannot write it.
    Disk,
    /// The server does not accept the file's name.
    Name,
    /// The server does not accept such a request.
    Policy,
    /// The server stops, or has no means left to serve this client.
    Busy,
    /// The server cannot read, decrypt or verify what was sent; it does not say which.
    Content,
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Self; 7] =
        [Self::Variant, Self::Size, Self::Disk, Self::Name, Self::Policy, Self::Busy, Self::Content];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Variant => "variant",
            Self::Size => "size",
            Self::Disk => "disk",
            Self::Name => "name",
            Self::Policy => "policy",
            Self::Busy => "busy",
            Self::Content => "content",
        }
    }

    /// Whether every file of the connection would be refused for it, and not only one of them.
    #[must_use]
    pub const fn is_about_all(self) -> bool {
        matches!(self, Self::Variant | Self::Disk)
    }

    /// The bytes of this refusal, to a client that sent our hello or to another.
    #[must_use]
    pub fn bytes(self, is_ours: bool) -> Vec<u8> {
        let mut bytes = vec![REFUSED];
        if is_ours {
            bytes.extend_from_slice(LINE.as_bytes());
            bytes.extend_from_slice(self.word().as_bytes());
            bytes.push(b'\n');
        }
        bytes
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Variant => "it does not accept this protocol variant",
            Self::Size => "the file is larger than it accepts",
            Self::Disk => "it has no room for the file, or cannot write it",
            Self::Name => "it does not accept the file's name",
            Self::Policy => "its operator does not allow this request",
            Self::Busy => "it is stopping, or too busy",
            Self::Content => "it could not read, decrypt or verify what was sent",
        })
    }
}

/// What bytes are that a server sent where none are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A refusal; the reason if the server gave one that we know.
    Refused(Option<Refusal>),
    /// The beginning of a refusal's line; more must come.
    Unfinished,
    /// Something else.
    Other,
}

/// Reads what a server sent where none is due.
#[must_use]
pub fn hear(bytes: &[u8]) -> Heard {
    let Some((&REFUSED, line)) = bytes.split_first() else { return Heard::Other };
    if line.is_empty() {
        return Heard::Refused(None);
    }
    let known = line.len().min(LINE.len());
    if line[..known] != LINE.as_bytes()[..known] {
        return Heard::Other;
    }
    let line = &line[known..];
    match line.iter().position(|byte| *byte == b'\n') {
        Some(end) => {
            let reason = Refusal::ALL.into_iter().find(|reason| reason.word().as_bytes() == &line[..end]);
            Heard::Refused(reason)
        }
        None if line.len() < LONGEST => Heard::Unfinished,
        None => Heard::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_read_as_it_was_written() {
        for reason in Refusal::ALL {
            assert_eq!(hear(&reason.bytes(true)), Heard::Refused(Some(reason)));
            assert_eq!(hear(&reason.bytes(false)), Heard::Refused(None));
        }
        assert_eq!(Refusal::Size.bytes(true), b"\xffupseal/1 refused size\n");
    }

    #[test]
    fn the_line_of_a_refusal_may_come_in_pieces_and_be_of_a_later_version() {
        let whole = Refusal::Content.bytes(true);
        for length in 2..whole.len() {
            assert_eq!(hear(&whole[..length]), Heard::Unfinished, "{length}");
        }
        assert_eq!(hear(b"\xffupseal/1 refused weather\n"), Heard::Refused(None));
    }

    #[test]
    fn bytes_of_other_protocols_are_no_refusal() {
        let long = [&b"\xffupseal/1 refused "[..], &[b'a'; 100]].concat();
        let telnet = b"\xff\xfd\x18";
        for bytes in
            [&b""[..], b"HTTP/1.1 400 Bad Request\r\n", b"SSH-2.0-x\r\n", b"\x15\x03\x01", telnet, &long]
        {
            assert_eq!(hear(bytes), Heard::Other);
        }
    }
}
