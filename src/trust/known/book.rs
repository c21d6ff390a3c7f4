//! The format of the file of known servers.
//!
//! ```text
//! # comments and empty lines stay
//! example.org:4321 ca=sha256:HEX key=sha256:HEX bits=2048 first=2026-11-22T13:26:20Z
//! ```
//!
//! The address comes first, then `name=value` pairs in any order. Unknown names are kept. A line that cannot be
//! parsed is an error that names its number.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use jiff::Timestamp;

use super::KnownError;
use crate::crypto::receipt::Statement;
use crate::digest::Digest;
use crate::event::ServerAddress;
use crate::messages::escape;

/// First lines of a new file.
const TITLE: &str =
    "# Servers that upseal has met: their address, their CA, their key. `upseal known` lists them.";

/// Maximum size of the file in bytes: about ten thousand lines.
const MOST: u64 = 4 << 20;

/// A key that a server offered, or that the user gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered {
    /// SPKI SHA-256.
    pub key: Digest,
    /// Size of the modulus in bits, if known.
    pub bits: Option<usize>,
}

/// The key that signed a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedBy {
    /// The server's receipt key, by its SPKI SHA-256.
    ReceiptKey(Digest),
    /// The server's own key, which also decrypts.
    OnlyKey,
}

impl SignedBy {
    /// Returns the key that must have signed this statement.
    #[must_use]
    pub fn of(statement: &Statement) -> Self {
        statement.receipt_key.map_or(Self::OnlyKey, Self::ReceiptKey)
    }
}

/// Value that stands for [`SignedBy::OnlyKey`].
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
    /// Address in its [normal](ServerAddress::normal) form.
    pub address: ServerAddress,
    /// SPKI SHA-256 of the CA; of the server's key if a pin alone was checked.
    pub ca: Digest,
    /// SPKI SHA-256 of the server's key.
    pub key: Digest,
    /// Size of its modulus in bits.
    pub bits: Option<usize>,
    /// Time of the first meeting, RFC 3339.
    pub first: Option<String>,
    /// The key that was refused last.
    pub offered: Option<Offered>,
    /// Whether the server has said that it gives receipts.
    pub receipts: bool,
    /// SPKI SHA-256 of the key that signs its receipts, once one was seen.
    pub receipt_key: Option<Digest>,
    /// The signer of a receipt that was refused last.
    pub offered_receipts: Option<SignedBy>,
    /// Pairs that another version wrote, unchanged.
    others: Vec<String>,
}

impl Entry {
    /// Creates an entry without its optional values.
    #[must_use]
    pub const fn new(address: ServerAddress, ca: Digest, key: Digest) -> Self {
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

    /// Returns whether a pin alone was checked: the field of the CA holds the key.
    #[must_use]
    pub fn is_pinned_alone(&self) -> bool {
        self.ca == self.key
    }

    fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split_ascii_whitespace();
        let address = words.next().unwrap_or_default();
        let address = ServerAddress::with_port(address)
            .map_err(|_| format!("{} is not host:port", shown(address)))?
            .normal();
        let (mut ca, mut key, mut bits, mut first) = (None, None, None, None);
        let (mut offered, mut offered_bits, mut others) = (None, None, Vec::new());
        let (mut receipts, mut receipt_key, mut offered_receipts) = (false, None, None);
        let mut names = Vec::new();
        for word in words {
            let (name, value) =
                word.split_once('=').ok_or_else(|| format!("{} is not name=value", shown(word)))?;
            if name.is_empty() || names.contains(&name) {
                return Err(format!("{} occurs twice", shown(name)));
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
                // Written as `receipts=1` or left out. If other values were kept as unknown pairs, the name could
                // occur twice later.
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

/// Returns a word of a damaged line, escaped and shortened.
fn shown(word: &str) -> String {
    let cut: String = word.chars().take(80).collect();
    format!("\"{}\"", escape(&cut))
}

/// Contents of the file.
#[derive(Debug, Default)]
pub(super) struct Book(Vec<Row>);

#[derive(Debug)]
struct Row {
    /// The line as it is in the file.
    text: String,
    /// `None` for a comment or an empty line.
    entry: Option<Entry>,
    /// Whether the entry has changed since the line was read.
    stale: bool,
}

impl Book {
    /// Reads a file; a missing one is empty.
    pub(super) fn read(path: &Path) -> Result<Self, KnownError> {
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

    /// Parses a file. An error contains the number of the line, counted from 1.
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
                    return Err((number, format!("{} under this CA occurs twice", read.address)));
                }
                entry = Some(read);
            }
            book.0.push(Row { text: text.to_owned(), entry, stale: false });
        }
        Ok(book)
    }

    /// Returns the servers, in the order of the file.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter_map(|row| row.entry.as_ref())
    }

    /// Returns the server at an address in normal form, under a CA.
    #[must_use]
    pub(super) fn find(&self, address: &ServerAddress, ca: Digest) -> Option<&Entry> {
        self.entries().find(|entry| entry.address == *address && entry.ca == ca)
    }

    pub(super) fn find_mut(&mut self, address: &ServerAddress, ca: Digest) -> Option<&mut Entry> {
        self.by(|entry| entry.address == *address && entry.ca == ca)
    }

    /// Returns the server at an address in normal form that was known by its pin alone. There is one at most.
    pub(super) fn pinned_mut(&mut self, address: &ServerAddress) -> Option<&mut Entry> {
        self.by(|entry| entry.address == *address && entry.is_pinned_alone())
    }

    fn by(&mut self, wanted: impl Fn(&Entry) -> bool) -> Option<&mut Entry> {
        let row = self.0.iter_mut().find(|row| row.entry.as_ref().is_some_and(&wanted))?;
        row.stale = true;
        row.entry.as_mut()
    }

    /// Returns the server at an address where the CA may be left out. If several are known and `offering` is set,
    /// returns the only one that has offered another key or another receipt key. A server under a CA comes before one that
    /// is known by its pin alone.
    pub(super) fn choose(
        &mut self,
        address: &ServerAddress,
        ca: Option<Digest>,
        offering: bool,
    ) -> Result<&mut Entry, KnownError> {
        let here: Vec<&Entry> = self
            .entries()
            .filter(|entry| entry.address == *address && ca.is_none_or(|ca| entry.ca == ca))
            .collect();
        let is_offering = |entry: &&&Entry| entry.offered.is_some() || entry.offered_receipts.is_some();
        let offers: Vec<&&Entry> = here.iter().filter(is_offering).collect();
        let certified: Vec<&&Entry> = here.iter().filter(|entry| !entry.is_pinned_alone()).collect();
        let ca = match (&here[..], &offers[..]) {
            ([], _) => return Err(KnownError::NotKnown { address: address.clone(), ca }),
            ([only], _) => only.ca,
            _ if certified.len() == 1 => certified[0].ca,
            (_, [only]) if offering => only.ca,
            _ => {
                return Err(KnownError::Ambiguous { address: address.clone(), count: here.len() });
            }
        };
        self.find_mut(address, ca).ok_or_else(|| KnownError::NotKnown { address: address.clone(), ca: None })
    }

    /// Appends a server.
    pub(super) fn add(&mut self, entry: Entry) -> &mut Entry {
        if self.0.is_empty() {
            self.0.push(Row { text: TITLE.to_owned(), entry: None, stale: false });
        }
        self.0.push(Row { text: String::new(), entry: None, stale: true });
        let last = self.0.len() - 1;
        self.0[last].entry.insert(entry)
    }

    /// Removes a server.
    pub(super) fn remove(&mut self, gone: &Entry) {
        self.0.retain(|row| row.entry.as_ref() != Some(gone));
    }
}

impl fmt::Display for Book {
    /// Writes the file; lines that were not changed stay as they were.
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
