//! Keys that sign the receipts of known servers.
//!
//! ```text
//!   meet_receipts ─┬─ no receipt key known, or the same ─► remember it: Accepted
//!                  ├─ another receipt key ───────────────► note it: Changed
//!                  └─ the server's own key, although a
//!                     receipt key is known ──────────────► note it: Dropped
//! ```
//!
//! The server's own key decrypts what clients send, so its signatures may be forged. Once a receipt key is known, a
//! receipt that the server's own key signed is never accepted again.

use super::book::{Book, SignedBy};
use super::{KnownError, KnownServers, hold};
use crate::digest::Digest;
use crate::event::ServerAddress;
use crate::files::{Access, replace};

/// The signer of a verified receipt, before the receipt is trusted.
#[derive(Debug, Clone)]
pub struct ReceiptMeeting {
    /// The server's address.
    pub address: ServerAddress,
    /// SPKI SHA-256 of the CA.
    pub ca: Digest,
    /// SPKI SHA-256 of the server's own key.
    pub key: Digest,
    /// Key that signed the receipt.
    pub signer: SignedBy,
}

/// Result of comparing the signer of a receipt with the known one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptStanding {
    /// The key may sign this server's receipts.
    Accepted,
    /// Another receipt key than the known one.
    Changed {
        /// The known receipt key.
        known: Digest,
        /// The receipt key that signed.
        offered: Digest,
    },
    /// The server's own key, although a receipt key is known.
    Dropped {
        /// The known receipt key.
        known: Digest,
    },
}

impl KnownServers {
    /// Compares the signer of a receipt with the known one, and remembers what is new. If the server is not known by
    /// this key, nothing is compared or remembered. Returns the result, and why it could not be saved, if it could
    /// not.
    ///
    /// # Errors
    /// The file cannot be read or is damaged; then the receipt must not be trusted.
    pub fn meet_receipts(
        &self,
        meeting: &ReceiptMeeting,
    ) -> Result<(ReceiptStanding, Option<KnownError>), KnownError> {
        let Some(path) = &self.path else { return Ok((ReceiptStanding::Accepted, None)) };
        let address = meeting.address.normal();
        let (standing, news) = decide(&mut Book::read(path)?, &address, meeting);
        if !news {
            return Ok((standing, None));
        }
        let unwritable = |why| KnownError::Unwritable { path: path.clone(), why };
        // Another process may have changed the file since it was read.
        let lock = hold(path);
        let mut book = Book::read(path)?;
        let (standing, news) = decide(&mut book, &address, meeting);
        let saved = match lock {
            Ok(_held) if news => replace(path, book.to_string().as_bytes(), Access::Private),
            Err(why) if news => Err(why),
            _ => Ok(()),
        };
        Ok((standing, saved.map_err(unwritable).err()))
    }

    /// Returns the keys of all servers, each with its receipt key, if one is known.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
    pub fn receipt_keys(&self) -> Result<Vec<(Digest, Option<Digest>)>, KnownError> {
        Ok(self.list()?.into_iter().map(|entry| (entry.key, entry.receipt_key)).collect())
    }
}

/// Compares a signer with the book. Returns the result, and whether the book was changed.
fn decide(book: &mut Book, address: &ServerAddress, meeting: &ReceiptMeeting) -> (ReceiptStanding, bool) {
    let Some(entry) = book.find_mut(address, meeting.ca).filter(|entry| entry.key == meeting.key) else {
        return (ReceiptStanding::Accepted, false);
    };
    let before = (entry.receipt_key, entry.offered_receipts);
    let standing = match (entry.receipt_key, meeting.signer) {
        (None, SignedBy::ReceiptKey(key)) => {
            (entry.receipt_key, entry.offered_receipts) = (Some(key), None);
            ReceiptStanding::Accepted
        }
        (None, SignedBy::OnlyKey) => ReceiptStanding::Accepted,
        (Some(known), SignedBy::ReceiptKey(key)) if known == key => {
            entry.offered_receipts = None;
            ReceiptStanding::Accepted
        }
        (Some(known), signer) => {
            entry.offered_receipts = Some(signer);
            match signer {
                SignedBy::ReceiptKey(offered) => ReceiptStanding::Changed { known, offered },
                SignedBy::OnlyKey => ReceiptStanding::Dropped { known },
            }
        }
    };
    (standing, (entry.receipt_key, entry.offered_receipts) != before)
}

#[cfg(test)]
mod tests;
