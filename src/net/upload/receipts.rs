//! The client's side of receipts (docs/protocol.md, section Receipts).

use std::ops::RangeInclusive;
use std::time::Duration;

use super::link::Unanswered;
use super::{Security, Unconfirmed, Upload, UploadError};
use crate::clock;
use crate::crypto::challenge;
use crate::crypto::receipt::{Certificates, Receipt, Request, Salt, Statement};
use crate::digest::Digest;
use crate::event::ServerAddress;
use crate::net::handshake::AnswerDecoder;
use crate::trust::receipts::Signers;
use crate::trust::{Anchor, TrustError};

/// First line of a certificate.
const PEM: &str = "-----BEGIN CERTIFICATE-----";

/// Reason why a receipt is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The bytes are not text, or not a statement.
    #[error("cannot parse the statement: {0}")]
    NotOne(String),
    /// The statement is for another request.
    #[error("it answers a different request")]
    AnotherRequest,
    /// One of its certificates is missing, or not valid.
    #[error("{0}")]
    Certificates(String),
    /// The server's key in it is not the one that proved itself.
    #[error("it names a server key other than the one that was verified")]
    AnotherKey,
    /// The receipt key in it is not the one in its certificate.
    #[error("its receipt key differs from the one in its certificate")]
    AnotherReceiptKey,
    /// Another receipt key than the known one signed it.
    #[error(
        "the receipt key of {address} changed: known is sha256:{known}, now it is sha256:{offered}; what was sent is not \
         confirmed"
    )]
    ReceiptKeyChanged {
        /// Address of the server.
        address: ServerAddress,
        /// Fingerprint of the known receipt key.
        known: Digest,
        /// Fingerprint of the key that signed.
        offered: Digest,
    },
    /// The server's own key signed it, although a receipt key is known.
    #[error(
        "{address} signed it with its decryption key, although its receipt key is known, sha256:{known}; such a signature \
         can be forged"
    )]
    ReceiptKeyDropped {
        /// Address of the server.
        address: ServerAddress,
        /// Fingerprint of the known receipt key.
        known: Digest,
    },
    /// The signature is not over this statement, or not that of a receipt.
    #[error("its signature is not valid")]
    Signature,
}

/// Answer of a server to a receipt request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmation {
    /// A signed statement.
    Receipt(Box<Receipt>),
    /// A signature over the request, as over any message: the server has read everything before it, and states no more.
    Answer,
    /// A statement signed by a receipt key, which cannot be checked because only the server's pin is known. Its signature is
    /// not verified: an attacker on the path could have written it.
    Unchecked(Box<Receipt>),
}

/// A request that is not answered yet.
pub struct Question {
    request: Request,
    salt: Option<Salt>,
}

impl Upload {
    /// Requests receipts for these files of this connection, and waits until the server has the files on disk.
    ///
    /// `anchor` is needed in Plain only, where the server has not proved itself.
    ///
    /// # Errors
    /// As [`Upload::hear`].
    pub fn receipts(
        &mut self,
        files: RangeInclusive<u64>,
        anchor: Option<&Anchor>,
    ) -> Result<Confirmation, UploadError> {
        let question = self.ask(files)?;
        self.hear(&question, anchor)
    }

    /// Requests receipts for these files. More files may be sent before [`Upload::hear`]: the answer is short enough to
    /// wait in the kernel. Only one request may be open.
    ///
    /// # Errors
    /// The server closed the connection.
    pub fn ask(&mut self, files: RangeInclusive<u64>) -> Result<Question, UploadError> {
        let salted_for = match &self.security {
            Security::Plain | Security::Ap(_) => None,
            Security::Cp1(server) | Security::Cp2(server, _) => Some(&server.key),
        };
        let (request, salt) = Request::new(self.link.hello, files, salted_for)?;
        self.link.connection.set_patience(self.receipt_patience());
        self.link.notice()?;
        let sent = self.link.send_challenge(request.to_text().as_bytes());
        sent.map_err(|e| self.link.broken_off(Some(&e)))?;
        Ok(Question { request, salt })
    }

    /// Waits for the answer to a request.
    ///
    /// # Errors
    /// [`UploadError::Receipt`]: the receipt is not valid. [`UploadError::Rejected`]: the server reset the connection, as
    /// our server does when it refuses a file.
    pub fn hear(
        &mut self,
        question: &Question,
        anchor: Option<&Anchor>,
    ) -> Result<Confirmation, UploadError> {
        let Question { request, salt } = question;
        let patience = self.receipt_patience();
        self.link.connection.set_patience(patience);
        let until = self.link.connection.now() + patience + super::RECEIPT_LIMIT;
        self.link.connection.set_limit(Some(until));
        let answer = self.link.read_answer(AnswerDecoder::for_receipt()).map_err(|why| match why {
            Unanswered::Refused(refused) => refused,
            Unanswered::Malformed(why) => ReceiptError::NotOne(why.to_string()).into(),
            Unanswered::Broken(cause) => self.link.broken_off(cause.as_ref()),
        })?;
        self.unconfirmed = Unconfirmed::default();
        let blob = String::from_utf8(answer.certificate)
            .map_err(|_| ReceiptError::NotOne("not UTF-8".to_owned()))?;
        // The CA of the server's key is also the CA of its receipts.
        let anchor =
            self.anchor().or(anchor).ok_or(UploadError::Bug("a receipt in Plain, but no CA to check it"))?;
        let refused = |why: TrustError| ReceiptError::Certificates(why.to_string());
        if !blob.starts_with("upseal/1 stored\n") {
            let key = if let Some(server) = self.security.server() {
                server.key.clone()
            } else {
                let pem = &blob[blob.find(PEM).unwrap_or(blob.len())..];
                anchor.check(pem.as_bytes(), clock::unix_seconds()).map_err(refused)?.0
            };
            challenge::verify(&key, request.to_text().as_bytes(), &answer.signature)
                .map_err(|_| ReceiptError::Signature)?;
            return Ok(Confirmation::Answer);
        }
        let (statement, certificates) = Statement::parse(&blob, request.files.clone())
            .map_err(|e| ReceiptError::NotOne(e.to_string()))?;
        // Byte for byte: the signature covers this text.
        let text = blob[..blob.len() - certificates.len()].to_owned();
        let certificates = Certificates::split(&statement, certificates)
            .ok_or_else(|| ReceiptError::Certificates("a certificate is missing".to_owned()))?;
        let receipt =
            Receipt { statement, text, signature: answer.signature, salt: salt.clone(), certificates };
        if anchor.is_pin_alone() && receipt.certificates.receipts.is_some() {
            return Ok(Confirmation::Unchecked(Box::new(receipt)));
        }
        let signers = anchor.check_signers(&receipt.certificates, clock::unix_seconds()).map_err(refused)?;
        if self.security.server().is_some_and(|proven| proven.key != signers.server.key) {
            return Err(ReceiptError::AnotherKey.into());
        }
        check(&receipt, request, &signers)?;
        Ok(Confirmation::Receipt(Box::new(receipt)))
    }

    /// Longest silence before a receipt: the server syncs its disk first.
    fn receipt_patience(&self) -> Duration {
        super::SEND_PATIENCE + Duration::from_secs(self.unconfirmed.bytes / super::SLOW_DISK)
    }
}

/// Checks that a receipt answers this request, names these keys, and is signed by the right one.
fn check(receipt: &Receipt, request: &Request, signers: &Signers) -> Result<(), ReceiptError> {
    if receipt.statement.request != request.digest() {
        return Err(ReceiptError::AnotherRequest);
    }
    if !signers.is_key_named(receipt) {
        return Err(ReceiptError::AnotherKey);
    }
    if !signers.is_receipt_key_named(receipt) {
        return Err(ReceiptError::AnotherReceiptKey);
    }
    if signers.is_signed(receipt) { Ok(()) } else { Err(ReceiptError::Signature) }
}
