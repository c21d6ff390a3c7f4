//! Receipts: what a client asks by MODE 3, and what the server states and signs (PROTOCOL.md, "Receipt").
//!
//! ```text
//!   client                                                        server
//!   Request  nonce, hello, ordinals, salt under its key ───────►  Statement  one line for each ordinal
//!   verify   ◄─────────── PSS over the statement, salt of 32 ───  ReceiptKey::sign
//! ```
//!
//! The statement names the server's own key, which proved itself, and the receipt key, which signed. A server without a
//! receipt key names and uses its only key ([`Identity::sign_receipt`](super::identity::Identity::sign_receipt)), as every
//! server did in earlier versions.
//!
//! An answer to MODE 3 always has a salt of the maximum length, a receipt always one of 32 bytes, and
//! neither is accepted for the other: so nobody makes a receipt out of a server that signs what it is told.
//! The digests are salted, because the statement goes in clear: whoever guesses the file must not be able
//! to confirm it. Text only; no IO, no clock.

mod kept;

use std::fmt::{self, Write as _};
use std::ops::RangeInclusive;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rsa::Pss;
use rsa::sha2::{Digest as _, Sha256};
use rsa::traits::SignatureScheme as _;
use thiserror::Error;
use zeroize::Zeroizing;

pub use self::kept::{Certificates, NotAReceipt, RECEIPT_MAX, Receipt};
use super::SealError;
use super::server_key::ServerKey;
use crate::digest::Digest;
use crate::event::{Named, Padding, Variant};

/// Bytes of the salt in a receipt's signature; never that of an answer to MODE 3.
pub const SIGNATURE_SALT: usize = 32;

/// The most files that one request may name.
pub const MAX_FILES: u64 = 256;

/// The first line of a request.
const REQUEST: &str = "upseal/1 receipt";
/// The first line of a statement.
const STATEMENT: &str = "upseal/1 stored";

/// What the line of a receipt key begins with.
const RECEIPT_KEY: &str = "receipt-key ";

/// What stays as it is in a percent-encoded name (RFC 3986, "unreserved").
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Bytes of the longest name that a file system of a server takes.
const NAME_MAX: usize = 255;

/// Letters that one byte of a name has at most: `%F0`.
const ENCODED: usize = 3;

/// What makes the digests of one request unguessable; secret until the receipt is kept.
pub type Salt = Zeroizing<[u8; 32]>;

/// Asks for receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Fresh for every request.
    pub nonce: [u8; 32],
    /// SHA-256 of the connection's first MODE 3 message; `None` where there was none (Plain).
    pub hello: Option<Digest>,
    /// Which files of this connection, counted from 1; 1 to [`MAX_FILES`] of them.
    pub files: RangeInclusive<u64>,
    /// The [`Salt`] under the server's key; `None` for digests without one (Plain and AP, whose files
    /// everybody has seen).
    pub sealed_salt: Option<Vec<u8>>,
}

impl Request {
    /// A fresh one, and the salt inside it.
    ///
    /// # Errors
    /// No randomness, or a key that cannot encrypt 32 bytes.
    pub fn new(
        hello: Option<Digest>,
        files: RangeInclusive<u64>,
        salted_for: Option<&ServerKey>,
    ) -> Result<(Self, Option<Salt>), SealError> {
        let random = || {
            let mut bytes = Zeroizing::new([0; 32]);
            getrandom::fill(&mut *bytes).map_err(|why| SealError::Rsa { why: why.to_string() })?;
            Ok::<_, SealError>(bytes)
        };
        let nonce = *random()?;
        let (salt, sealed_salt) = match salted_for {
            None => (None, None),
            Some(key) => {
                let salt = random()?;
                let sealed = key.encrypt(Padding::Oaep, &*salt)?;
                (Some(salt), Some(sealed))
            }
        };
        Ok((Self { nonce, hello, files, sealed_salt }, salt))
    }

    /// The message of MODE 3.
    #[must_use]
    pub fn to_text(&self) -> String {
        let hello = self.hello.map_or_else(|| "-".to_owned(), |hello| hello.to_string());
        let salt = match &self.sealed_salt {
            None => "-".to_owned(),
            Some(sealed) => base64_simd::STANDARD.encode_to_string(sealed),
        };
        let (first, last) = (self.files.start(), self.files.end());
        format!("{REQUEST}\nnonce {}\nhello {hello}\nfiles {first} {last}\nsalt {salt}\n", Digest(self.nonce))
    }

    /// Reads a message that is one in every byte.
    #[must_use]
    pub fn parse(message: &[u8]) -> Option<Self> {
        let text = str::from_utf8(message).ok()?;
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let mut value = |key: &str| lines.next()?.strip_prefix(key);
        if !value(REQUEST)?.is_empty() {
            return None;
        }
        let nonce = value("nonce ")?.parse::<Digest>().ok()?.0;
        let hello = match value("hello ")? {
            "-" => None,
            hex => Some(hex.parse().ok()?),
        };
        let (first, last) = value("files ")?.split_once(' ')?;
        let files = number(first)?..=number(last)?;
        let sealed_salt = match value("salt ")? {
            "-" => None,
            base64 => Some(base64_simd::STANDARD.decode_to_vec(base64).ok()?),
        };
        let count = files.end().checked_sub(*files.start())?.checked_add(1)?;
        let request = Self { nonce, hello, files, sealed_salt };
        let is_it = lines.next().is_none() && (1..=MAX_FILES).contains(&count) && *request.files.start() > 0;
        (is_it && request.to_text() == text).then_some(request)
    }

    /// What the statement names it by.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_text().as_bytes())
    }
}

/// What a server states, and signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// [`Request::digest`].
    pub request: Digest,
    /// SHA-256 of the server's `SubjectPublicKeyInfo`.
    pub key: Digest,
    /// SHA-256 of the receipt key's `SubjectPublicKeyInfo`; `None` if the server's own key signs.
    pub receipt_key: Option<Digest>,
    /// Seconds since 1970.
    pub time: i64,
    /// One for each ordinal of the request, in order.
    pub entries: Vec<Entry>,
}

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// From 1, as the connection counts.
    pub ordinal: u64,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is here, whole and on disk.
    Stored {
        /// How it came.
        protocol: Variant,
        /// Bytes.
        size: u64,
        /// [`salted`].
        digest: Digest,
        /// Under this name, not escaped.
        name: String,
        /// Whether it is kept under that name, or came under it.
        named: Named,
    },
    /// It is not.
    Missing(Reason),
}

/// Why a file is not here; never a detail of decryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its name.
    Name,
    /// It was too much.
    Quota,
    /// The disk failed.
    Disk,
    /// This server does not keep such a file.
    Policy,
    /// Nothing more is told.
    NotStored,
}

impl Reason {
    const ALL: [Self; 5] = [Self::Name, Self::Quota, Self::Disk, Self::Policy, Self::NotStored];
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Quota => "quota",
            Self::Disk => "disk",
            Self::Policy => "policy",
            Self::NotStored => "not-stored",
        })
    }
}

/// A text that is no statement. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line} of the statement: expected {expected}")]
pub struct StatementError {
    /// Which.
    pub line: usize,
    /// What should be there.
    pub expected: &'static str,
}

impl Statement {
    /// The lines, each with its LF: what is signed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let time = Timestamp::from_second(self.time).unwrap_or(Timestamp::MIN);
        let receipt_key = self.receipt_key.map(|key| format!("receipt-key {key}\n")).unwrap_or_default();
        let head =
            format!("{STATEMENT}\nrequest {}\nkey {}\n{receipt_key}time {time}\n", self.request, self.key);
        self.entries.iter().fold(head, |mut text, entry| {
            // Writing into a `String` does not fail.
            let _ = write!(text, "{entry}");
            text
        })
    }

    /// Reads the beginning of `text` as a statement on `files`, to the letter. Returns what follows it.
    ///
    /// # Errors
    /// The first line that is not as it should be.
    pub fn parse(text: &str, files: RangeInclusive<u64>) -> Result<(Self, &str), StatementError> {
        let mut lines = Lines { rest: text, line: 0 };
        lines.next(STATEMENT, "`upseal/1 stored`", |rest| rest.is_empty().then_some(()))?;
        let request = lines.next("request ", "`request` and 64 hexadecimal digits", digest)?;
        let key = lines.next("key ", "`key` and 64 hexadecimal digits", digest)?;
        let receipt_key = if lines.rest.starts_with(RECEIPT_KEY) {
            Some(lines.next(RECEIPT_KEY, "`receipt-key` and 64 hexadecimal digits", digest)?)
        } else {
            None
        };
        let time = lines.next("time ", "`time`, RFC 3339 in UTC to the second", |time| {
            let parsed: Timestamp = time.parse().ok()?;
            (parsed.to_string() == time && parsed.subsec_nanosecond() == 0).then(|| parsed.as_second())
        })?;
        let mut entries = Vec::new();
        for ordinal in files {
            let entry = lines.next("", "a `file` or `missing` line of this ordinal", |line| {
                Entry::parse(line).filter(|entry| entry.ordinal == ordinal)
            })?;
            entries.push(entry);
        }
        let statement = Self { request, key, receipt_key, time, entries };
        Ok((statement, lines.rest))
    }
}

/// A text, line by line.
struct Lines<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lines<'a> {
    fn next<T>(
        &mut self,
        prefix: &str,
        expected: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, StatementError> {
        self.line += 1;
        let error = StatementError { line: self.line, expected };
        let (line, rest) = self.rest.split_once('\n').ok_or_else(|| error.clone())?;
        self.rest = rest;
        line.strip_prefix(prefix).and_then(read).ok_or(error)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ordinal = self.ordinal;
        match &self.fate {
            Fate::Stored { protocol, size, digest, name, named } => {
                let (kind, protocol, name) = (kind(*named), protocol.word(), utf8_percent_encode(name, KEPT));
                writeln!(f, "{kind} {ordinal} {protocol} {size} {digest} {name}")
            }
            Fate::Missing(reason) => writeln!(f, "missing {ordinal} {reason}"),
        }
    }
}

impl Entry {
    /// One line without its LF; none but the one that [`fmt::Display`] writes.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let first = words.next()?;
        let ordinal = number(words.next()?)?;
        let named = [Named::Stored, Named::Wanted].into_iter().find(|named| kind(*named) == first);
        let fate = match (named, first) {
            (Some(named), _) => {
                let protocol = words.next()?;
                Fate::Stored {
                    protocol: Variant::ALL.into_iter().find(|variant| variant.word() == protocol)?,
                    size: number(words.next()?)?,
                    digest: digest(words.next()?)?,
                    name: name(words.next()?)?,
                    named,
                }
            }
            (None, "missing") => {
                let reason = words.next()?;
                Fate::Missing(Reason::ALL.into_iter().find(|known| known.to_string() == reason)?)
            }
            _ => return None,
        };
        words.next().is_none().then_some(Self { ordinal, fate })
    }
}

/// First word of the line of a file that is here.
const fn kind(named: Named) -> &'static str {
    match named {
        Named::Stored => "file",
        Named::Wanted => "accepted",
    }
}

/// 64 lowercase hexadecimal digits.
fn digest(text: &str) -> Option<Digest> {
    let is_it = text.len() == 64 && !text.bytes().any(|c| c.is_ascii_uppercase());
    if is_it { text.parse().ok() } else { None }
}

/// Digits and nothing else; no leading zeros.
fn number(text: &str) -> Option<u64> {
    let is_it = text.bytes().all(|c| c.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_it { text.parse().ok() } else { None }
}

/// A percent-encoded name, encoded as [`fmt::Display`] does it and in no other way.
///
/// Its length meets the limit before anything else: what follows takes time for each letter.
fn name(text: &str) -> Option<String> {
    if text.len() > ENCODED * NAME_MAX {
        return None;
    }
    let name = percent_decode_str(text).decode_utf8().ok()?;
    let mut pieces = utf8_percent_encode(&name, KEPT);
    let rest = pieces.try_fold(text, str::strip_prefix)?;
    (rest.is_empty() && name.len() <= NAME_MAX).then(|| name.into_owned())
}

/// SHA-256( salt ‖ SHA-256(file) ), or SHA-256(file) itself.
#[must_use]
pub fn salted(salt: Option<&[u8; 32]>, file: Digest) -> Digest {
    match salt {
        None => file,
        Some(salt) => {
            let mut hash = Sha256::new();
            hash.update(salt);
            hash.update(file.0);
            Digest(hash.finalize().into())
        }
    }
}

/// Whether a digest of a file that came so may be salted, or be without a salt: secret content is always
/// salted, open content never. Nothing else tells the two kinds of digest apart, and the salt is not signed.
#[must_use]
pub const fn is_fitting(protocol: Variant, is_salted: bool) -> bool {
    protocol.is_secret() == is_salted
}

/// Whether `key` signed `statement` as a receipt: RSASSA-PSS, SHA-256, a salt of exactly 32 bytes.
#[must_use]
pub fn verify(key: &ServerKey, statement: &str, signature: &[u8]) -> bool {
    let hash = Sha256::digest(statement);
    Pss::<Sha256>::new_with_salt(SIGNATURE_SALT).verify(key.as_rsa(), &hash, signature).is_ok()
}

#[cfg(test)]
mod tests;
