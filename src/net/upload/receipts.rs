//! The client's side of receipts (PROTOCOL.md, "Receipt").

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::{Upload, UploadError};
use crate::clock;
use crate::crypto::challenge;
use crate::crypto::receipt::{Certificates, Receipt, Request, Salt, Statement};
use crate::digest::Digest;
use crate::net::handshake::AnswerDecoder;
use crate::net::wire::{Mode, word};
use crate::trust::receipts::Signers;
use crate::trust::{Anchor, TrustError};

/// What stands where a certificate begins.
const PEM: &str = "-----BEGIN CERTIFICATE-----";

/// Why a receipt does not hold. Somebody signed something else, or nobody signed this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It is not text, or no statement.
    #[error("it is no statement: {0}")]
    NotOne(String),
    /// Made for something else.
    #[error("it answers another request than ours")]
    AnotherRequest,
    /// One of its certificates is missing, or does not hold.
    #[error("{0}")]
    Certificates(String),
    /// Made by somebody else.
    #[error("it is of another key than the one that proved itself")]
    AnotherKey,
    /// It was signed by another receipt key than the one that is certified beside it.
    #[error("it names another receipt key than the one that is certified beside it")]
    AnotherReceiptKey,
    /// The known receipt key did not sign it, but another one.
    #[error(
        "{address} has another receipt key than before: known is sha256:{known}, now it is sha256:{offered}; what was sent \
         is not confirmed"
    )]
    ReceiptKeyChanged {
        /// The server, escaped.
        address: String,
        /// The known receipt key.
        known: Digest,
        /// The one that signed.
        offered: Digest,
    },
    /// The server's own key signed it, although a receipt key is known.
    #[error(
        "{address} signed it with its decryption key, although its receipt key is known, sha256:{known}; such a signature \
         can be forged"
    )]
    ReceiptKeyDropped {
        /// The server, escaped.
        address: String,
        /// The known receipt key.
        known: Digest,
    },
    /// The signature is not over it, or not a receipt's.
    #[error("its signature does not hold")]
    Signature,
}

/// What a server says when it is asked for receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmation {
    /// Its statement, signed.
    Receipt(Box<Receipt>),
    /// It signed the request as it signs anything: it has read everything before it, and claims no more.
    Answer,
}

/// What was asked, and not answered yet.
pub struct Question {
    request: Request,
    salt: Option<Salt>,
}

impl Upload {
    /// Asks for receipts of these files of this connection, and waits until the server has them on disk.
    ///
    /// `anchor` is needed in Plain alone, where no server has proved itself before.
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

    /// Asks for receipts of these files. More files may follow before the answer is heard: it is short enough to
    /// wait in the kernel, and one question is enough to be out.
    ///
    /// # Errors
    /// The server broke off.
    pub fn ask(&mut self, files: RangeInclusive<u64>) -> Result<Question, UploadError> {
        let salted_for = self.server.as_ref().filter(|_| self.dialect.variant.is_secret());
        let (request, salt) = Request::new(self.hello, files, salted_for)?;
        let text = request.to_text();
        let message = [&Mode::Authenticate.word()[..], &word(text.len() as u64), text.as_bytes()].concat();
        self.connection
            .set_patience(super::SEND_PATIENCE + Duration::from_secs(self.unconfirmed / super::SLOW_DISK));
        self.notice()?;
        self.connection.send(&message, |_| ()).map_err(|e| self.broken_off(Some(&e)))?;
        self.is_owed = true;
        Ok(Question { request, salt })
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// [`UploadError::Receipt`]: what came must not be believed. [`UploadError::Rejected`]: the server broke off
    /// instead, as ours does when it refuses a file.
    pub fn hear(
        &mut self,
        question: &Question,
        anchor: Option<&Anchor>,
    ) -> Result<Confirmation, UploadError> {
        let Question { request, salt } = question;
        let patience = super::SEND_PATIENCE + Duration::from_secs(self.unconfirmed / super::SLOW_DISK);
        self.connection.set_patience(patience);
        self.connection.set_limit(Some(Instant::now() + patience + super::RECEIPT_LIMIT));
        let mut decoder = AnswerDecoder::for_receipt();
        let answer = loop {
            if decoder.is_empty()
                && let Some(refused) = self.refusal()
            {
                return Err(refused);
            }
            let (taken, answer) =
                decoder.feed(self.connection.buffered()).map_err(|e| ReceiptError::NotOne(e.to_string()))?;
            self.connection.consume(taken);
            if let Some(answer) = answer {
                break answer;
            }
            match self.connection.fill() {
                Ok(0) => return Err(self.broken_off(None)),
                Ok(_) => {}
                Err(e) => return Err(self.broken_off(Some(&e))),
            }
        };
        self.is_owed = false;
        self.connection.set_limit(None);
        (self.unconfirmed, self.unconfirmed_wire, self.unconfirmed_blocks) = (0, 0, 0);
        let blob = String::from_utf8(answer.certificate)
            .map_err(|_| ReceiptError::NotOne("it is not text".to_owned()))?;
        // Whatever vouched for the server's own key vouches for its receipts.
        let anchor = self.anchor.as_ref().or(anchor).ok_or(UploadError::NoAnswer(None))?;
        let refused = |why: TrustError| ReceiptError::Certificates(why.to_string());
        if !blob.starts_with("upseal/1 stored\n") {
            let key = if let Some(key) = &self.server {
                key.clone()
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
        // Read to the letter: it is the text of the statement.
        let text = blob[..blob.len() - certificates.len()].to_owned();
        let certificates = Certificates::split(&statement, certificates)
            .ok_or_else(|| ReceiptError::Certificates("a certificate is missing".to_owned()))?;
        let signers = anchor.check_signers(&certificates, clock::unix_seconds()).map_err(refused)?;
        let receipt =
            Receipt { statement, text, signature: answer.signature, salt: salt.clone(), certificates };
        if self.server.as_ref().is_some_and(|proven| *proven != signers.server.key) {
            return Err(ReceiptError::AnotherKey.into());
        }
        check(&receipt, request, &signers)?;
        Ok(Confirmation::Receipt(Box::new(receipt)))
    }
}

/// Whether a receipt answers this request, names these keys, and was signed as a receipt by the one that must.
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
