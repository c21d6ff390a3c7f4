//! Refusals: one byte instead of an orderly end, and a line with the reason for clients that sent our hello.
//! If the line names a file, the client does not resend that one, and resends the others together.
//!
//! ```text
//!   0xff                                 to every client
//!   0xff upseal/1 refused WORD LF        to a client that sent our hello
//!   0xff upseal/1 refused WORD N LF      to such a client, about file N of the connection, counted from 1
//! ```
//!
//! Between two computers a reset would be enough. But a TCP proxy turns a reset into an end in order, which a client
//! takes for success. No server's answer begins with 0xff: an answer begins with a length.

use std::fmt;

/// First byte of a refusal.
pub const REFUSED: u8 = 0xff;

/// Beginning of a refusal's line.
const LINE: &str = "upseal/1 refused ";

/// Bytes of the longest accepted line.
const LONGEST: usize = 64;

/// Reason of a refusal. Every reason that depends on decrypted bytes is [`Refusal::Content`], except that a whole file
/// with the same name and content as a stored one is never refused for [`Refusal::Exists`].
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
    /// Another file has the name, and the server keeps no copies.
    Exists,
    /// The server does not accept such a request.
    Policy,
    /// The server stops, or has no resources left for this client.
    Busy,
    /// The server cannot read, decrypt or verify what was sent; it does not say which.
    Content,
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Variant,
        Self::Size,
        Self::Disk,
        Self::Name,
        Self::Exists,
        Self::Policy,
        Self::Busy,
        Self::Content,
    ];

    /// Returns the word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Variant => "variant",
            Self::Size => "size",
            Self::Disk => "disk",
            Self::Name => "name",
            Self::Exists => "exists",
            Self::Policy => "policy",
            Self::Busy => "busy",
            Self::Content => "content",
        }
    }

    /// Returns whether every file of the connection would be refused for this reason, and not only one.
    #[must_use]
    pub const fn is_about_all(self) -> bool {
        matches!(self, Self::Variant | Self::Disk)
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

/// Content of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// Reason that the server gives.
    pub reason: Refusal,
    /// The refused file, counted from 1 in its connection; `None`: no single file.
    pub file: Option<u64>,
}

impl Notice {
    /// Returns the bytes of this refusal. `is_ours`: the client sent our hello, so the line follows the byte.
    #[must_use]
    pub fn bytes(self, is_ours: bool) -> Vec<u8> {
        let mut bytes = vec![REFUSED];
        if is_ours {
            let file = self.file.map(|file| format!(" {file}")).unwrap_or_default();
            bytes.extend_from_slice(format!("{LINE}{}{file}\n", self.reason.word()).as_bytes());
        }
        bytes
    }

    /// Parses the text between the line's beginning and its end. `None`: unknown to this version.
    fn parse(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        match text.split_once(' ') {
            None => Some(Self { reason: Refusal::of(text)?, file: None }),
            // Text that is not a number may come from a later version; the reason is still understood.
            Some((word, file)) => Some(Self { reason: Refusal::of(word)?, file: file.parse().ok() }),
        }
    }
}

impl From<Refusal> for Notice {
    fn from(reason: Refusal) -> Self {
        Self { reason, file: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Variant => "it does not accept this protocol variant",
            Self::Size => "the file is larger than it accepts",
            Self::Disk => "it has no room for the file, or cannot write it",
            Self::Name => "it does not accept the file's name",
            Self::Exists => "it has another file of this name",
            Self::Policy => "its operator does not allow this request",
            Self::Busy => "it is stopping, or too busy",
            Self::Content => "it could not read, decrypt or verify what was sent",
        })
    }
}

/// Kind of bytes that a server sent where none are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A refusal, with its content if the server gave one that is known.
    Refused(Option<Notice>),
    /// Beginning of a refusal's line; more must come.
    Unfinished,
    /// Something else.
    Other,
}

/// Recognizes bytes that a server sent where none are due.
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
        Some(end) => Heard::Refused(Notice::parse(&line[..end])),
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
            for file in [None, Some(1), Some(u64::MAX)] {
                let notice = Notice { reason, file };
                assert_eq!(hear(&notice.bytes(true)), Heard::Refused(Some(notice)));
                assert_eq!(hear(&notice.bytes(false)), Heard::Refused(None));
            }
        }
        assert_eq!(Notice::from(Refusal::Size).bytes(true), b"\xffupseal/1 refused size\n");
        let third = Notice { reason: Refusal::Name, file: Some(3) };
        assert_eq!(third.bytes(true), b"\xffupseal/1 refused name 3\n");
    }

    #[test]
    fn the_line_of_a_refusal_may_come_in_pieces_and_be_of_a_later_version() {
        let whole = Notice { reason: Refusal::Content, file: Some(12) }.bytes(true);
        for length in 2..whole.len() {
            assert_eq!(hear(&whole[..length]), Heard::Unfinished, "{length}");
        }
        for later in ["weather", "weather 3", ""] {
            let line = format!("upseal/1 refused {later}\n");
            assert_eq!(hear(&[&[REFUSED], line.as_bytes()].concat()), Heard::Refused(None), "{later:?}");
        }
        let name = Some(Notice::from(Refusal::Name));
        assert_eq!(hear(b"\xffupseal/1 refused name of the file\n"), Heard::Refused(name));
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
