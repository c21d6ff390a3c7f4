//! The file format of a receipt: text in three parts (docs/receipts.md).
//!
//! ```text
//! upseal receipt 1
//! salt <64 hex digits> | -
//! signature <base64>
//!
//! upseal/1 stored
//! …                          the statement, to its last LF
//!
//! -----BEGIN CERTIFICATE-----
//! …                          the server's, as it sent it
//! -----BEGIN CERTIFICATE-----
//! …                          the receipt key's, if the statement names one
//! ```

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

use super::{Fate, MAX_FILES, Salt, Statement, StatementError, digest, is_fitting, salted};
use crate::digest::Digest;

/// First line.
const HEAD: &str = "upseal receipt 1";
/// Length in bytes of the longest receipt that is read.
pub(crate) const RECEIPT_MAX: u64 = 1 << 20;

/// A statement with its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The server's statement.
    pub statement: Statement,
    /// Signed text of the statement ([`Statement::to_text`]).
    pub text: String,
    /// Signature over the text ([`super::verify`]).
    pub signature: Vec<u8>,
    /// Salt of the digests, if there is one.
    pub salt: Option<Salt>,
    /// Certificates of the keys that the statement names, as the server sent them.
    pub certificates: Certificates,
}

/// The certificates of a receipt, PEM, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// Certificate of the server's own key.
    pub server: String,
    /// Certificate of the receipt key; `None` if the statement names none.
    pub receipts: Option<String>,
}

/// Last line of a certificate, without its line break.
const END_CERTIFICATE: &str = "-----END CERTIFICATE-----";

impl Certificates {
    /// Splits what follows `statement`: one certificate, or the server's and then the receipt key's. Returns `None`
    /// if one that the statement names is missing. Each is checked later to be exactly one certificate.
    #[must_use]
    pub fn split(statement: &Statement, text: &str) -> Option<Self> {
        let (server, receipts) = if statement.receipt_key.is_some() {
            let end = text.find(END_CERTIFICATE)?;
            let (server, receipts) = text.split_at(end + text[end..].find('\n')? + 1);
            (server, Some(receipts.to_owned()))
        } else {
            (text, None)
        };
        let is_missing = |text: &str| text.trim_ascii().is_empty();
        if is_missing(server) || receipts.as_deref().is_some_and(is_missing) {
            return None;
        }
        Some(Self { server: server.to_owned(), receipts })
    }
}

impl fmt::Display for Certificates {
    /// Writes the certificates as [`Certificates::split`] expects them: the receipt key's begins on its own line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.server)?;
        let Some(receipts) = &self.receipts else { return Ok(()) };
        if !self.server.ends_with('\n') {
            f.write_str("\n")?;
        }
        f.write_str(receipts)
    }
}

/// Why a text is not a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotAReceipt {
    /// A line of the first part does not match.
    #[error("line {line}: expected {expected}")]
    Head {
        /// Number of the line, counted from 1.
        line: usize,
        /// What the line should contain.
        expected: &'static str,
    },
    /// The statement does not match.
    #[error("{0}")]
    Statement(#[from] StatementError),
    /// The statement names no file, or too many.
    #[error("the statement names {0} files (supported: 1 to 256)")]
    Files(usize),
    /// The empty line, or a certificate, is missing after the statement.
    #[error("a certificate after the statement is missing")]
    NoCertificate,
}

impl Receipt {
    /// Returns the contents of the file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let salt = self.salt.as_deref().map_or_else(|| "-".to_owned(), |salt| Digest(*salt).to_string());
        let signature = base64_simd::STANDARD.encode_to_string(&self.signature);
        format!("{HEAD}\nsalt {salt}\nsignature {signature}\n\n{}\n{}", self.text, self.certificates)
    }

    /// Parses a receipt's file, without verifying it.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, NotAReceipt> {
        let mut rest = text;
        let mut at = 0;
        let mut line = |expected: &'static str| {
            at += 1;
            let error = NotAReceipt::Head { line: at, expected };
            let (line, after) = rest.split_once('\n').ok_or_else(|| error.clone())?;
            rest = after;
            Ok::<_, NotAReceipt>((line, error))
        };
        let (head, error) = line("`upseal receipt 1`")?;
        if head != HEAD {
            return Err(error);
        }
        let (salt, error) = line("`salt` and 64 hexadecimal digits or `-`")?;
        let salt = match salt.strip_prefix("salt ").ok_or_else(|| error.clone())? {
            "-" => None,
            hex => Some(Zeroizing::new(digest(hex).ok_or(error)?.0)),
        };
        let (signature, error) = line("`signature` and base64")?;
        let signature = signature
            .strip_prefix("signature ")
            .and_then(|base64| base64_simd::STANDARD.decode_to_vec(base64).ok())
            .ok_or(error)?;
        let (empty, error) = line("an empty line")?;
        if !empty.is_empty() {
            return Err(error);
        }
        let (body, certificates) = rest.split_once("\n\n").ok_or(NotAReceipt::NoCertificate)?;
        let body = format!("{body}\n");
        let ordinals: Vec<u64> = body.lines().skip(4).filter_map(ordinal).collect();
        let (Some(first), Some(last)) = (ordinals.first(), ordinals.last()) else {
            return Err(NotAReceipt::Files(0));
        };
        if last.saturating_sub(*first) >= MAX_FILES {
            return Err(NotAReceipt::Files(ordinals.len()));
        }
        let (statement, surplus) = Statement::parse(&body, *first..=*last)?;
        if !surplus.is_empty() {
            return Err(NotAReceipt::Files(ordinals.len()));
        }
        let certificates = Certificates::split(&statement, certificates).ok_or(NotAReceipt::NoCertificate)?;
        Ok(Self { statement, text: body, signature, salt, certificates })
    }

    /// Returns the files of the statement with this content: ordinal and name on the server.
    #[must_use]
    pub fn find(&self, file: Digest, size: u64) -> Vec<(u64, String)> {
        let wanted = salted(self.salt.as_deref(), file);
        let entries = self.statement.entries.iter().filter_map(|entry| match &entry.fate {
            Fate::Stored { protocol, size: stored, digest, name, .. }
                if is_fitting(*protocol, self.salt.is_some()) && *stored == size && *digest == wanted =>
            {
                Some((entry.ordinal, name.clone()))
            }
            _ => None,
        });
        entries.collect()
    }
}

/// Returns the ordinal, the second word of a file's line.
fn ordinal(line: &str) -> Option<u64> {
    line.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::{Entry, Reason};
    use super::*;
    use crate::event::{Named, Variant};

    fn receipt() -> Receipt {
        let salt: Salt = Zeroizing::new([7; 32]);
        let fate = Fate::Stored {
            protocol: Variant::Cp2,
            size: 5,
            digest: salted(Some(&salt), Digest::of(b"hello")),
            name: "a (2).txt".to_owned(),
            named: Named::Stored,
        };
        let statement = Statement {
            request: Digest([1; 32]),
            key: Digest([2; 32]),
            receipt_key: None,
            time: 1_800_000_000,
            entries: vec![
                Entry { ordinal: 3, fate },
                Entry { ordinal: 4, fate: Fate::Missing(Reason::Policy) },
            ],
        };
        Receipt {
            text: statement.to_text(),
            statement,
            signature: vec![9; 128],
            salt: Some(salt),
            certificates: Certificates { server: pem("abc"), receipts: None },
        }
    }

    fn pem(text: &str) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    /// Creates a receipt of a server with a receipt key.
    fn with_receipt_key() -> Receipt {
        let statement = Statement { receipt_key: Some(Digest([3; 32])), ..receipt().statement };
        let certificates = Certificates { server: pem("abc"), receipts: Some(pem("def")) };
        Receipt { text: statement.to_text(), statement, certificates, ..receipt() }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        for receipt in [receipt(), Receipt { salt: None, ..receipt() }, with_receipt_key()] {
            assert_eq!(Receipt::parse(&receipt.to_text()), Ok(receipt));
        }
        assert!(receipt().to_text().starts_with("upseal receipt 1\nsalt 0707"));
    }

    #[test]
    fn finds_a_file_by_its_content_alone() {
        assert_eq!(receipt().find(Digest::of(b"hello"), 5), [(3, "a (2).txt".to_owned())]);
        assert_eq!(receipt().find(Digest::of(b"hello"), 6), []);
        assert_eq!(receipt().find(Digest::of(b"hallo"), 5), []);
        assert_eq!(Receipt { salt: None, ..receipt() }.find(Digest::of(b"hello"), 5), []);
    }

    /// Without the salt, a salted digest is that of a file of 64 bytes, and the salt is not signed.
    #[test]
    fn a_salt_cannot_be_taken_for_a_part_of_a_file_nor_the_other_way_round() {
        let file = [[7; 32], Digest::of(b"another file").0].concat();
        let kept = |protocol, salt: Option<Salt>, digest| {
            let mut receipt = Receipt { salt, ..receipt() };
            let name = "x".to_owned();
            receipt.statement.entries[0].fate =
                Fate::Stored { protocol, size: 64, digest, name, named: Named::Stored };
            receipt
        };
        let (unsalted, salt) = (Digest::of(&file), Some(Zeroizing::new([7; 32])));
        for (protocol, of_the_file) in
            [(Variant::Plain, 1), (Variant::Ap, 1), (Variant::Cp1, 0), (Variant::Cp2, 0)]
        {
            assert_eq!(kept(protocol, None, unsalted).find(unsalted, 64).len(), of_the_file, "{protocol}");
            let as_salted = kept(protocol, salt.clone(), unsalted).find(Digest::of(b"another file"), 64);
            assert_eq!(as_salted.len(), 1 - of_the_file, "{protocol}");
        }
    }

    #[test]
    fn what_is_no_receipt_is_refused_with_its_place() {
        let text = receipt().to_text();
        for (from, to, error) in [
            ("upseal receipt 1", "upseal receipt 2", "line 1: expected `upseal receipt 1`"),
            ("salt 07", "salt 0G", "line 2: expected `salt` and 64 hexadecimal digits or `-`"),
            ("signature ", "signature !", "line 3: expected `signature` and base64"),
            ("\n\nupseal", "\nupseal", "line 4: expected an empty line"),
            ("upseal/1 stored", "upseal/1 sored", "line 1 of the statement: expected `upseal/1 stored`"),
            (
                "missing 4",
                "missing 5",
                "line 6 of the statement: expected a `file` or `missing` line of this ordinal",
            ),
            ("missing 4", "missing 900", "the statement names 2 files (supported: 1 to 256)"),
            ("missing 4", "missing 259", "the statement names 2 files (supported: 1 to 256)"),
            ("\n\n-----BEGIN", "\n-----BEGIN", "a certificate after the statement is missing"),
        ] {
            let other = text.replacen(from, to, 1);
            assert_ne!(other, text);
            assert_eq!(Receipt::parse(&other).unwrap_err().to_string(), error);
        }
        assert!(Receipt::parse("").is_err());
    }

    #[test]
    fn each_key_of_a_statement_has_its_certificate() {
        let text = with_receipt_key().to_text();
        assert!(text.contains(&format!("\nreceipt-key {}\ntime ", "03".repeat(32))), "{text}");
        assert!(text.ends_with(&(pem("abc") + &pem("def"))), "{text}");
        for (what, other) in [
            ("only the server's", text.replacen(&pem("def"), "", 1)),
            ("white space instead of the receipt key's", text.replacen(&pem("def"), " \n", 1)),
            ("neither", text.replacen(&pem("abc"), "", 1).replacen(&pem("def"), "", 1)),
        ] {
            assert_ne!(other, text, "{what}");
            assert_eq!(Receipt::parse(&other), Err(NotAReceipt::NoCertificate), "{what}");
        }
        let without = receipt().to_text().replacen(&pem("abc"), "\n", 1);
        assert_eq!(Receipt::parse(&without), Err(NotAReceipt::NoCertificate));
        // If the server's certificate file lacks its last line break, the two are still separated.
        let certificates =
            Certificates { server: pem("abc").trim_end().to_owned(), receipts: Some(pem("def")) };
        let read = Receipt::parse(&Receipt { certificates, ..with_receipt_key() }.to_text()).unwrap();
        assert_eq!(read.certificates, with_receipt_key().certificates);
    }
}
