//! The client's side of receipts (PROTOCOL.md, "Receipt").

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::{Upload, UploadError, unix_now};
use crate::crypto::challenge;
use crate::crypto::receipt::{self, Receipt, Request, Salt, Statement};
use crate::crypto::rsa_blocks::ServerKey;
use crate::net::handshake::AnswerDecoder;
use crate::net::wire::{Mode, word};
use crate::trust::Anchor;

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
    /// Made by somebody else.
    #[error("it is of another key than the one that proved itself")]
    AnotherKey,
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
        let pem = &blob[blob.find(PEM).unwrap_or(blob.len())..];
        let key = match (&self.server, anchor) {
            (Some(key), _) => key.clone(),
            (None, Some(anchor)) => {
                let checked = anchor.check(pem.as_bytes(), unix_now());
                checked.map_err(|e| ReceiptError::NotOne(e.to_string()))?.0
            }
            (None, None) => return Err(UploadError::NoAnswer(None)),
        };
        if !blob.starts_with("upseal/1 stored\n") {
            challenge::verify(&key, request.to_text().as_bytes(), &answer.signature)
                .map_err(|_| ReceiptError::Signature)?;
            return Ok(Confirmation::Answer);
        }
        let (statement, certificate) = Statement::parse(&blob, request.files.clone())
            .map_err(|e| ReceiptError::NotOne(e.to_string()))?;
        // Read to the letter: it is the text of the statement.
        let signed = &blob[..blob.len() - certificate.len()];
        check(&statement, signed, request, &key, &answer.signature)?;
        Ok(Confirmation::Receipt(Box::new(Receipt {
            text: signed.to_owned(),
            statement,
            signature: answer.signature,
            salt: salt.clone(),
            certificate: certificate.to_owned(),
        })))
    }
}

/// Whether a statement answers this request, is of this key, and was signed as a receipt.
fn check(
    statement: &Statement,
    signed: &str,
    request: &Request,
    key: &ServerKey,
    signature: &[u8],
) -> Result<(), ReceiptError> {
    if statement.request != request.digest() {
        return Err(ReceiptError::AnotherRequest);
    }
    if statement.key != key.fingerprint() {
        return Err(ReceiptError::AnotherKey);
    }
    if receipt::verify(key, signed, signature) { Ok(()) } else { Err(ReceiptError::Signature) }
}
