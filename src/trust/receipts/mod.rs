//! Verification of a receipt: the certificates behind its statement, the keys that it names, and its signature.
//!
//! ```text
//!   statement   key ─────────── server's certificate ──┐
//!               receipt-key ─── receipt key's ─────────┴─ CA, validity, the same subject, different keys
//!   signature   by the receipt key; by the server's own key only if the statement names no receipt key
//! ```

use super::{Anchor, TrustError, shown};
use crate::crypto::certificate::{Certificate, Purpose};
use crate::crypto::receipt::{Certificates, Receipt, verify};
use crate::crypto::same_name;
use crate::crypto::server_key::ServerKey;
use crate::event::Proof;

/// Warning about a receipt that was signed by the server's own key.
pub(crate) const ONLY_KEY: &str = "signed by the server's decryption key; if that server ever accepted PKCS #1 v1.5, an attacker \
                            could forge such a signature with some hundred thousand queries";

/// A key whose certificate was accepted.
#[derive(Debug)]
pub struct Certified {
    /// The key.
    pub key: ServerKey,
    /// Contents of its certificate.
    pub proof: Proof,
}

/// The keys of a receipt, whose certificates the CA signed.
#[derive(Debug)]
pub struct Signers {
    /// The server's own key.
    pub server: Certified,
    /// The receipt key; `None` if the server's own key signs.
    pub receipts: Option<Certified>,
}

impl Signers {
    /// Returns the key that must have signed the statement.
    #[must_use]
    pub fn signer(&self) -> &ServerKey {
        &self.receipts.as_ref().unwrap_or(&self.server).key
    }

    /// Returns whether the statement names the server's key.
    #[must_use]
    pub fn is_key_named(&self, receipt: &Receipt) -> bool {
        receipt.statement.key == self.server.key.fingerprint()
    }

    /// Returns whether the statement names the receipt key, or neither side has one.
    #[must_use]
    pub fn is_receipt_key_named(&self, receipt: &Receipt) -> bool {
        receipt.statement.receipt_key == self.receipts.as_ref().map(|certified| certified.key.fingerprint())
    }

    /// Returns whether the key that must have signed the statement did so.
    #[must_use]
    pub fn is_signed(&self, receipt: &Receipt) -> bool {
        verify(self.signer(), &receipt.text, &receipt.signature)
    }
}

impl Anchor {
    /// Checks the certificates of a receipt at a time. Each must be signed by this CA and valid. That of a receipt
    /// key must have the same subject as the server's, and certify another key.
    ///
    /// # Errors
    /// The first rule that one of them violates.
    pub fn check_signers(&self, certificates: &Certificates, now_unix: i64) -> Result<Signers, TrustError> {
        let server_pem = certificates.server.as_bytes();
        let (key, proof) = self.check_for(Purpose::Server, server_pem, now_unix)?;
        let server = Certified { key, proof };
        let Some(pem) = &certificates.receipts else { return Ok(Signers { server, receipts: None }) };
        let (key, proof) = self.check_for(Purpose::Receipts, pem.as_bytes(), now_unix)?;
        if key == server.key {
            return Err(TrustError::NotApart);
        }
        same_subject(pem.as_bytes(), server_pem)?;
        Ok(Signers { server, receipts: Some(Certified { key, proof }) })
    }
}

/// Checks that the subjects are the same, by which the CA says that both keys belong to one server.
fn same_subject(receipts: &[u8], server: &[u8]) -> Result<(), TrustError> {
    let (receipts, server) = (Certificate::from_pem(receipts)?, Certificate::from_pem(server)?);
    let (receipts, server) = (receipts.parsed()?, server.parsed()?);
    if same_name(receipts.subject(), server.subject()) {
        return Ok(());
    }
    Err(TrustError::AnotherSubject { receipts: shown(receipts.subject()), server: shown(server.subject()) })
}

#[cfg(test)]
mod tests;
