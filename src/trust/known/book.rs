//! The lines of the file of known servers.
//!
//! ```text
//! # comments and empty lines stay
//! example.org:4321 ca=sha256:HEX key=sha256:HEX bits=2048 first=2026-11-22T13:26:20Z
//! ```
//!
//! After the address `name=value` in any order; what this version does not know is kept. A line that cannot be
//! understood is an error that names it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use jiff::Timestamp;

use super::{KnownError, normal};
use crate::crypto::receipt::Statement;
use crate::digest::Digest;
use crate::messages::escape;

/// Begins a new file.
const TITLE: &str =
    "# Servers that upseal has met: their address, their CA, their key. `upseal known` lists them.";

/// More than anybody's servers take: ten thousand lines.
const MOST: u64 = 4 << 20;

/// A key that was offered, or is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered {
    /// SPKI SHA-256.
    pub key: Digest,
    /// Bits of the modulus, if known.
    pub bits: Option<usize>,
}

/// The key that signed a receipt of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedBy {
    /// Its receipt key, by its SPKI SHA-256.
    ReceiptKey(Digest),
    /// Its own key, which also decrypts.
    OnlyKey,
}

impl SignedBy {
    /// The key that must have signed this statement.
    #[must_use]
    pub fn of(statement: &Statement) -> Self {
        statement.receipt_key.map_or(Self::OnlyKey, Self::ReceiptKey)
    }
}

/// How [`SignedBy::OnlyKey`] is written.
const ONLY_KEY: &str = "none";

impl fmt::Display for SignedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReceiptKey(key) => write!(f, "sha256:{key}"),
            Self::OnlyKey => f.write_str(ONLY_KEY),
        }
    }
}

/// A known server: an address under a CA, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As [`normal`] writes it.
    pub address: String,
    /// SPKI SHA-256 of the CA.
    pub ca: Digest,
    /// SPKI SHA-256 of the server's key.
    pub key: Digest,
    /// Bits of its modulus.
    pub bits: Option<usize>,
    /// Since when, RFC 3339.
    pub first: Option<String>,
    /// The last other key that answered there and was refused.
    pub offered: Option<Offered>,
    /// It said once that it gives receipts.
    pub receipts: bool,
    /// SPKI SHA-256 of the key that signs its receipts, once one was seen.
    pub receipt_key: Option<Digest>,
    /// The last other key that signed a receipt there and was refused.
    pub offered_receipts: Option<SignedBy>,
    /// What another version wrote, as it stood.
    others: Vec<String>,
}

impl Entry {
    /// Nothing but what it must have.
    #[must_use]
    pub const fn new(address: String, ca: Digest, key: Digest) -> Self {
        Self {
            address,
            ca,
            key,
            bits: None,
            first: None,
            offered: None,
            receipts: false,
            receipt_key: None,
            offered_receipts: None,
            others: Vec::new(),
        }
    }

    fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split_ascii_whitespace();
        let address = words.next().unwrap_or_default();
        let address = normal(address).ok_or_else(|| format!("{} is not host:port", shown(address)))?;
        let (mut ca, mut key, mut bits, mut first) = (None, None, None, None);
        let (mut offered, mut offered_bits, mut others) = (None, None, Vec::new());
        let (mut receipts, mut receipt_key, mut offered_receipts) = (false, None, None);
        let mut names = Vec::new();
        for word in words {
            let (name, value) =
                word.split_once('=').ok_or_else(|| format!("{} is not name=value", shown(word)))?;
            if name.is_empty() || names.contains(&name) {
                return Err(format!("{} stands there twice", shown(name)));
            }
            names.push(name);
            match name {
                "ca" => ca = Some(digest(value)?),
                "key" => key = Some(digest(value)?),
                "bits" => bits = Some(number(value)?),
                "first" => {
                    value.parse::<Timestamp>().map_err(|_| format!("{} is not a date", shown(value)))?;
                    first = Some(value.to_owned());
                }
                "offered" => offered = Some(digest(value)?),
                "offered-bits" => offered_bits = Some(number(value)?),
                // Written as 1 or not at all; among the others it would stand there twice one day.
                "receipts" => receipts = value == "1",
                "receipt-key" => receipt_key = Some(digest(value)?),
                "offered-receipt-key" if value == ONLY_KEY => offered_receipts = Some(SignedBy::OnlyKey),
                "offered-receipt-key" => offered_receipts = Some(SignedBy::ReceiptKey(digest(value)?)),
                _ => others.push(word.to_owned()),
            }
        }
        let ca = ca.ok_or("ca= is missing")?;
        let key = key.ok_or("key= is missing")?;
        let offered = offered.map(|key| Offered { key, bits: offered_bits });
        Ok(Self { address, ca, key, bits, first, offered, receipts, receipt_key, offered_receipts, others })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ca=sha256:{} key=sha256:{}", self.address, self.ca, self.key)?;
        if let Some(bits) = self.bits {
            write!(f, " bits={bits}")?;
        }
        if let Some(first) = &self.first {
            write!(f, " first={first}")?;
        }
        if let Some(offered) = self.offered {
            write!(f, " offered=sha256:{}", offered.key)?;
            if let Some(bits) = offered.bits {
                write!(f, " offered-bits={bits}")?;
            }
        }
        if self.receipts {
            f.write_str(" receipts=1")?;
        }
        if let Some(key) = self.receipt_key {
            write!(f, " receipt-key=sha256:{key}")?;
        }
        if let Some(signer) = self.offered_receipts {
            write!(f, " offered-receipt-key={signer}")?;
        }
        self.others.iter().try_for_each(|word| write!(f, " {word}"))
    }
}

fn digest(value: &str) -> Result<Digest, String> {
    value.parse().map_err(|why| format!("{}: {why}", shown(value)))
}

fn number(value: &str) -> Result<usize, String> {
    value.parse().map_err(|_| format!("{} is not a number", shown(value)))
}

/// A word of a damaged line, harmless and short.
fn shown(word: &str) -> String {
    let cut: String = word.chars().take(80).collect();
    format!("\"{}\"", escape(&cut))
}

/// The whole file.
#[derive(Debug, Default)]
pub struct Book(Vec<Row>);

#[derive(Debug)]
struct Row {
    /// As it stood in the file.
    text: String,
    /// `None`: a comment, or empty.
    entry: Option<Entry>,
    /// Whether the text is still what the entry says.
    stale: bool,
}

impl Book {
    /// From a file; one that is not there is empty.
    pub fn read(path: &Path) -> Result<Self, KnownError> {
        let unreadable = |why| KnownError::Unreadable { path: path.into(), why };
        let mut bytes = Vec::new();
        match File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(why) if matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Self::default());
            }
            Err(why) => return Err(unreadable(why)),
        }
        if bytes.len() as u64 > MOST {
            let why = io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than 4 MiB");
            return Err(unreadable(why));
        }
        Self::parse(&bytes).map_err(|(line, why)| KnownError::Damaged { path: path.into(), line, why })
    }

    /// From its bytes; an error names the line, from 1.
    fn parse(bytes: &[u8]) -> Result<Self, (usize, String)> {
        let mut book = Self::default();
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        if bytes.is_empty() {
            return Ok(book);
        }
        for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let text = str::from_utf8(line).map_err(|_| (number, "it is not UTF-8".to_owned()))?;
            let meant = text.trim();
            let mut entry = None;
            if !meant.is_empty() && !meant.starts_with('#') {
                let read = Entry::parse(meant).map_err(|why| (number, why))?;
                if book.find(&read.address, read.ca).is_some() {
                    return Err((number, format!("{} under this CA is there already", read.address)));
                }
                entry = Some(read);
            }
            book.0.push(Row { text: text.to_owned(), entry, stale: false });
        }
        Ok(book)
    }

    /// The servers, in order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter_map(|row| row.entry.as_ref())
    }

    /// The server at an address, which is [`normal`], under a CA.
    #[must_use]
    pub fn find(&self, address: &str, ca: Digest) -> Option<&Entry> {
        self.entries().find(|entry| entry.address == address && entry.ca == ca)
    }

    /// The same, to change it.
    pub(super) fn find_mut(&mut self, address: &str, ca: Digest) -> Option<&mut Entry> {
        self.by(|entry| entry.address == address && entry.ca == ca)
    }

    fn by(&mut self, wanted: impl Fn(&Entry) -> bool) -> Option<&mut Entry> {
        let row = self.0.iter_mut().find(|row| row.entry.as_ref().is_some_and(&wanted))?;
        row.stale = true;
        row.entry.as_mut()
    }

    /// The server that is meant where the CA need not be named. `offering`: if several are known, the only one
    /// that has offered another key, or another receipt key.
    pub(super) fn choose(
        &mut self,
        address: &str,
        ca: Option<Digest>,
        offering: bool,
    ) -> Result<&mut Entry, KnownError> {
        let here: Vec<&Entry> = self
            .entries()
            .filter(|entry| entry.address == address && ca.is_none_or(|ca| entry.ca == ca))
            .collect();
        let is_offering = |entry: &&&Entry| entry.offered.is_some() || entry.offered_receipts.is_some();
        let offers: Vec<&&Entry> = here.iter().filter(is_offering).collect();
        let ca = match (&here[..], &offers[..]) {
            ([], _) => return Err(KnownError::NotKnown { address: address.to_owned(), ca }),
            ([only], _) => only.ca,
            (_, [only]) if offering => only.ca,
            _ => {
                return Err(KnownError::Ambiguous { address: address.to_owned(), count: here.len() });
            }
        };
        self.find_mut(address, ca)
            .ok_or_else(|| KnownError::NotKnown { address: address.to_owned(), ca: None })
    }

    /// Puts a server at the end.
    pub(super) fn add(&mut self, entry: Entry) -> &mut Entry {
        if self.0.is_empty() {
            self.0.push(Row { text: TITLE.to_owned(), entry: None, stale: false });
        }
        self.0.push(Row { text: String::new(), entry: None, stale: true });
        let last = self.0.len() - 1;
        self.0[last].entry.insert(entry)
    }

    /// Takes a server out.
    pub(super) fn remove(&mut self, gone: &Entry) {
        self.0.retain(|row| row.entry.as_ref() != Some(gone));
    }
}

impl fmt::Display for Book {
    /// As it goes into the file: what was not changed as it stood.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.0 {
            match &row.entry {
                Some(entry) if row.stale => writeln!(f, "{entry}")?,
                _ => writeln!(f, "{}", row.text)?,
            }
        }
        Ok(())
    }
}
