//! Receipts and the statements in them.

use std::sync::LazyLock;

use super::{Input, NOW, check_shown, fixtures};
use crate::crypto::receipt::{Fate, Receipt, Statement, verify};
use crate::digest::Digest;
use crate::trust::Anchor;

static CA: LazyLock<Anchor> =
    LazyLock::new(|| Anchor::load(&fixtures().join("receipts/before-ca.crt")).unwrap());

/// What the server of the fixtures signed.
static SIGNED: LazyLock<Vec<String>> = LazyLock::new(|| {
    let read = |name: &str| std::fs::read_to_string(fixtures().join("receipts").join(name)).unwrap();
    ["before-ap.receipt", "before-cp2.receipt"].map(|name| Receipt::parse(&read(name)).unwrap().text).to_vec()
});

/// A receipt's file: it is written as it was read, and a changed one is not signed.
pub(super) fn receipts(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let receipt = match Receipt::parse(text) {
        Ok(receipt) => receipt,
        Err(why) => return check_shown(&why.to_string()),
    };
    assert_eq!(receipt.statement.to_text(), receipt.text, "the statement is its signed text");
    let written = receipt.to_text();
    assert_eq!(Receipt::parse(&written).as_ref(), Ok(&receipt));
    for entry in &receipt.statement.entries {
        if let Fate::Stored { digest, size, .. } = &entry.fate {
            let found = receipt.find(*digest, *size);
            assert!(found.iter().all(|(_, name)| name.len() <= 255));
            assert!(receipt.salt.is_none() || found.is_empty(), "a salted digest is not one of the content");
        }
    }
    match CA.check_signers(&receipt.certificates, *NOW) {
        Ok(signers) => {
            if signers.is_key_named(&receipt)
                && signers.is_receipt_key_named(&receipt)
                && signers.is_signed(&receipt)
            {
                assert!(verify(signers.signer(), &receipt.text, &receipt.signature));
                assert!(SIGNED.contains(&receipt.text), "the server never signed this");
            }
        }
        Err(why) => check_shown(&why.to_string()),
    }
}

/// A statement: what is understood is exactly the text that it stands for.
pub(super) fn statements(data: &[u8]) {
    let mut input = Input(data);
    let first = u64::from(input.byte());
    let count = u64::from(input.byte() % 8);
    let Ok(text) = str::from_utf8(input.rest()) else { return };
    match Statement::parse(text, first..=first + count) {
        Ok((statement, rest)) => {
            assert_eq!(statement.entries.len() as u64, count + 1);
            assert_eq!(statement.to_text() + rest, text);
            let ordinals = statement.entries.iter().map(|entry| entry.ordinal);
            assert!(ordinals.eq(first..=first + count));
            let _ = Digest::of(rest.as_bytes());
        }
        Err(why) => check_shown(&why.to_string()),
    }
}
