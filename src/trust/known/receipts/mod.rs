//! Which key signs a known server's receipts.
//!
//! ```text
//!   meet_receipts ─┬─ no receipt key known, or the same ─► remember it: Accepted
//!                  ├─ another receipt key ───────────────► note it: Changed
//!                  └─ the server's own key, although a
//!                     receipt key is known ──────────────► note it: Dropped
//! ```
//!
//! The server's own key decrypts what clients send, so its signatures may be forged. Once a receipt key is known, no
//! signature of the server's own key is taken for a receipt again.

use super::book::{Book, SignedBy};
use super::{KnownError, KnownServers, hold, normal};
use crate::digest::Digest;
use crate::files::{Access, replace};

/// A receipt that holds, before it is believed.
#[derive(Debug, Clone, Copy)]
pub struct ReceiptMeeting<'a> {
    /// The server's address, as the user gave it.
    pub address: &'a str,
    /// SPKI SHA-256 of the CA.
    pub ca: Digest,
    /// SPKI SHA-256 of the server's own key.
    pub key: Digest,
    /// The key that signed.
    pub signer: SignedBy,
}

/// How the signer of a receipt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptStanding {
    /// It may sign this server's receipts.
    Accepted,
    /// It is another receipt key than the known one.
    Changed {
        /// The known receipt key.
        known: Digest,
        /// The one that signed.
        offered: Digest,
    },
    /// It is the server's own key, although a receipt key is known.
    Dropped {
        /// The known receipt key.
        known: Digest,
    },
}

impl KnownServers {
    /// Compares the signer of a receipt with the one that is known, and remembers what is new. Of a server that is not
    /// known by this key nothing is compared and nothing remembered. Returns the standing, and why it could not be
    /// remembered, if it could not.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged: then the receipt must not be believed.
    pub fn meet_receipts(
        &self,
        meeting: &ReceiptMeeting<'_>,
    ) -> Result<(ReceiptStanding, Option<KnownError>), KnownError> {
        let (Some(path), Some(address)) = (&self.path, normal(meeting.address)) else {
            return Ok((ReceiptStanding::Accepted, None));
        };
        let (standing, news) = decide(&mut Book::read(path)?, &address, meeting);
        if !news {
            return Ok((standing, None));
        }
        let unwritable = |why| KnownError::Unwritable { path: path.clone(), why };
        // Again under the lock, as when the server itself was met.
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

    /// The keys of servers at this address under any CA, each with the key that signs its receipts, if one is known.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn receipt_keys(&self) -> Result<Vec<(Digest, Option<Digest>)>, KnownError> {
        Ok(self.list()?.into_iter().map(|entry| (entry.key, entry.receipt_key)).collect())
    }
}

/// How it stands, and whether the book was changed by it.
fn decide(book: &mut Book, address: &str, meeting: &ReceiptMeeting<'_>) -> (ReceiptStanding, bool) {
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
