//! Receipts: what a client requests by MODE 3, and what the server states and signs (docs/protocol.md, section
//! "Receipts").
//!
//! ```text
//!   client                                                        server
//!   Request  nonce, hello, ordinals, salt under its key ───────►  Statement  one line for each ordinal
//!   verify   ◄─────────── PSS over the statement, salt of 32 ───  ReceiptKey::sign
//! ```
//!
//! The statement names the server's own key, which proved itself, and the receipt key, which signed. A server without
//! a receipt key names and uses its only key ([`Identity::sign_receipt`](super::identity::Identity::sign_receipt)),
//! as every server did in earlier versions.
//!
//! A reply to MODE 3 always has a salt of the maximum length, a receipt always one of 32 bytes, and neither is
//! accepted as the other. So an attacker cannot get a receipt from a server that signs any message. The digests are
//! salted because the statement is sent in clear: an eavesdropper who guesses the file must not be able to confirm
//! the guess. This module handles text only; it does no IO and reads no clock.

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

pub use self::kept::Receipt;
pub(crate) use self::kept::{Certificates, RECEIPT_MAX};
use super::SealError;
use super::server_key::ServerKey;
use crate::digest::Digest;
use crate::event::{Named, Padding, Variant};

/// Length in bytes of the salt in a receipt's signature; never that of a reply to MODE 3.
pub(crate) const SIGNATURE_SALT: usize = 32;

/// Maximum number of files in one request.
pub(crate) const MAX_FILES: u64 = 256;

/// First line of a request.
const REQUEST: &str = "upseal/1 receipt";
/// First line of a statement.
const STATEMENT: &str = "upseal/1 stored";

/// Prefix of the line that names the receipt key.
const RECEIPT_KEY: &str = "receipt-key ";

/// Characters that are not percent-encoded in a name (RFC 3986, "unreserved").
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Length in bytes of the longest name of a stored file, with its folders.
const NAME_MAX: usize = 1024;

/// Maximum number of characters for one byte of a name: `%F0`.
const ENCODED: usize = 3;

/// Salt of the digests in one receipt, which makes them unguessable. Secret until the receipt is saved.
pub(crate) type Salt = Zeroizing<[u8; 32]>;

/// A request for the receipts of some files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Random number, fresh for every request.
    pub nonce: [u8; 32],
    /// SHA-256 of the connection's first MODE 3 message; `None` if there was none (Plain).
    pub hello: Option<Digest>,
    /// Ordinals of the files on this connection, counted from 1; 1 to [`MAX_FILES`] of them.
    pub files: RangeInclusive<u64>,
    /// The [`Salt`], encrypted with the server's key; `None` for digests without a salt (Plain and AP, whose content
    /// is sent in clear).
    pub sealed_salt: Option<Vec<u8>>,
}

impl Request {
    /// Creates a request and its salt.
    ///
    /// # Errors
    /// There is no randomness, or the key cannot encrypt 32 bytes.
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

    /// Returns the message of MODE 3.
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

    /// Parses a request; every byte must match.
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
        let is_it = (1..=MAX_FILES).contains(&count) && *request.files.start() > 0;
        // One request has one text, so also nothing follows.
        (is_it && request.to_text() == text).then_some(request)
    }

    /// Returns the digest by which the statement names the request.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_text().as_bytes())
    }
}

/// A statement that the server signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Digest of the request ([`Request::digest`]).
    pub request: Digest,
    /// SHA-256 of the server's `SubjectPublicKeyInfo`.
    pub key: Digest,
    /// SHA-256 of the receipt key's `SubjectPublicKeyInfo`; `None` if the server's own key signs.
    pub receipt_key: Option<Digest>,
    /// Time of the statement, in seconds since 1970, UTC.
    pub time: i64,
    /// One entry for each ordinal of the request, in order.
    pub entries: Vec<Entry>,
}

/// A line of a statement: the fate of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Number of the file on its connection, counted from 1.
    pub ordinal: u64,
    /// Whether it was stored.
    pub fate: Fate,
}

/// Fate of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Stored: complete and on disk.
    Stored {
        /// Protocol variant.
        protocol: Variant,
        /// Size in bytes.
        size: u64,
        /// Digest of the content, [`salted`].
        digest: Digest,
        /// Name, not escaped.
        name: String,
        /// Whether this is the name on disk or the requested one.
        named: Named,
    },
    /// Not stored.
    Missing(Reason),
}

/// Why a file was not stored. Never reveals details of decryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The name is not accepted.
    Name,
    /// The file is too large, or the quota is exceeded.
    Quota,
    /// The disk failed.
    Disk,
    /// The server does not store such files.
    Policy,
    /// No further detail.
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

/// Why a text is not a statement.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line} of the statement: expected {expected}")]
pub struct StatementError {
    /// Number of the line, counted from 1.
    pub line: usize,
    /// What the line should contain.
    pub expected: &'static str,
}

impl Statement {
    /// Returns the text that is signed. Each line ends with LF.
    #[must_use]
    pub fn to_text(&self) -> String {
        let time = Timestamp::from_second(self.time).unwrap_or(Timestamp::MIN);
        let receipt_key = self.receipt_key.map(|key| format!("receipt-key {key}\n")).unwrap_or_default();
        let head =
            format!("{STATEMENT}\nrequest {}\nkey {}\n{receipt_key}time {time}\n", self.request, self.key);
        self.entries.iter().fold(head, |mut text, entry| {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{entry}");
            text
        })
    }

    /// Parses the beginning of `text` as a statement about `files`; every byte must match. Returns the rest.
    ///
    /// # Errors
    /// The first line that does not match.
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

/// The lines of a text.
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
    /// Parses one line without its LF; only the form that [`fmt::Display`] writes is accepted.
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

/// Returns the first word in the line of a stored file.
const fn kind(named: Named) -> &'static str {
    match named {
        Named::Stored => "file",
        Named::Wanted => "accepted",
    }
}

/// Parses 64 lowercase hexadecimal digits.
fn digest(text: &str) -> Option<Digest> {
    let is_it = text.len() == 64 && !text.bytes().any(|c| c.is_ascii_uppercase());
    if is_it { text.parse().ok() } else { None }
}

/// Parses decimal digits without leading zeros.
fn number(text: &str) -> Option<u64> {
    let is_it = text.bytes().all(|c| c.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_it { text.parse().ok() } else { None }
}

/// Decodes a percent-encoded name; only the encoding that [`fmt::Display`] writes is accepted.
///
/// The length is checked first, because decoding takes time for each character.
fn name(text: &str) -> Option<String> {
    if text.len() > ENCODED * NAME_MAX {
        return None;
    }
    let name = percent_decode_str(text).decode_utf8().ok()?;
    let mut pieces = utf8_percent_encode(&name, KEPT);
    let rest = pieces.try_fold(text, str::strip_prefix)?;
    (rest.is_empty() && name.len() <= NAME_MAX).then(|| name.into_owned())
}

/// Returns SHA-256( salt ‖ SHA-256(file) ), or SHA-256(file) without a salt.
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

/// Returns whether the digest of a file that was sent by this variant has the right form: always salted for secret
/// content, never for open content. Nothing else distinguishes the two forms, and the salt is not signed. Without
/// this rule, a salted digest could be presented as that of a file of 64 bytes.
#[must_use]
pub(crate) const fn is_fitting(protocol: Variant, is_salted: bool) -> bool {
    protocol.is_secret() == is_salted
}

/// Returns whether `key` signed `statement` as a receipt: RSASSA-PSS, SHA-256, a salt of exactly 32 bytes.
#[must_use]
pub fn verify(key: &ServerKey, statement: &str, signature: &[u8]) -> bool {
    let hash = Sha256::digest(statement);
    Pss::<Sha256>::new_with_salt(SIGNATURE_SALT).verify(key.as_rsa(), &hash, signature).is_ok()
}

#[cfg(test)]
mod tests;
