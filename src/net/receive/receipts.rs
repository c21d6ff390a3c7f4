//! Files that a session has stored, and its receipts (docs/protocol.md, section Receipts).
//!
//! A file gets its line when its commit has confirmed that it is whole and on disk, so a receipt never waits.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::arriving::Arriving;
use super::{ReceiveError, Session};
use crate::clock;
use crate::crypto::OpenError;
use crate::crypto::receipt::{Entry, Fate, Reason, Request, Statement, is_fitting, salted};
use crate::crypto::receipt_key::ReceiptKey;
use crate::digest::Digest;
use crate::event::{Event, Kept, Named, Variant};
use crate::net::work::Ask;
use crate::store::{FileName, Published};

/// Files that are remembered at most; receipts for older ones are refused. Our client's batches are smaller.
const REMEMBERED: usize = 4096;

/// Outcomes of the files of a connection; the oldest are forgotten.
#[derive(Default)]
pub(super) struct Stored {
    /// Ordinal and outcome, in growing order; `None`: the file was not kept.
    files: VecDeque<(u64, Option<Kind>)>,
}

/// A stored file.
struct Kind {
    variant: Variant,
    size: u64,
    digest: Digest,
    /// Name under which it came.
    came_as: FileName,
    /// Name under which it is stored.
    stored_as: FileName,
}

impl Stored {
    /// Adds file `ordinal`, or replaces its outcome after an amendment.
    pub(super) fn add(&mut self, ordinal: u64, file: &Arriving, published: &Published) {
        let digest = published.digest.filter(|_| published.stored.kept != Kept::Discarded);
        let kept = digest.map(|digest| Kind {
            variant: file.variant,
            size: published.size,
            digest,
            came_as: file.came_as.clone(),
            stored_as: published.stored.name.clone(),
        });
        match self.files.back_mut() {
            Some((last, file)) if *last == ordinal => *file = kept,
            _ => self.files.push_back((ordinal, kept)),
        }
        if self.files.len() > REMEMBERED {
            self.files.pop_front();
        }
    }

    /// Returns the line of one file; `None`: it is forgotten.
    fn entry(&self, ordinal: u64, salt: Option<&[u8; 32]>, named: Named) -> Option<Entry> {
        let (first, _) = self.files.front()?;
        if ordinal < *first {
            return None;
        }
        let at = self.files.binary_search_by_key(&ordinal, |(of, _)| *of).ok();
        let fate = match at.map(|at| &self.files[at].1) {
            Some(Some(file)) => Fate::Stored {
                protocol: file.variant,
                size: file.size,
                digest: salted(salt, file.digest),
                name: match named {
                    Named::Stored => file.stored_as.as_str().to_owned(),
                    Named::Wanted => file.came_as.as_str().to_owned(),
                },
                named,
            },
            Some(None) => Fate::Missing(Reason::Policy),
            None => Fate::Missing(Reason::NotStored),
        };
        Some(Entry { ordinal, fate })
    }

    /// Returns the names of those of these files that are stored.
    fn names(&self, files: RangeInclusive<u64>) -> Vec<String> {
        let asked = self.files.iter().filter(|(ordinal, _)| files.contains(ordinal));
        asked.filter_map(|(_, file)| Some(file.as_ref()?.stored_as.as_str().to_owned())).collect()
    }
}

impl Session<'_> {
    /// Answers a request with a statement, signed in a way that no other answer to MODE 3 is.
    pub(super) fn receipt(&mut self, request: &Request) -> Result<(), ReceiveError> {
        let service = self.service;
        let (Some(identity), Ok(signer)) = (service.identity.as_deref(), service.receipt_signer()) else {
            return Err(self.order("a receipt request, but this server gives no receipts"));
        };
        if request.hello != self.client.first_message {
            return Err(self.order("a receipt request for another connection"));
        }
        // The salt and the signature are operations of the key.
        let queue = Arc::clone(&self.queue);
        let turn = self.wait_for_key(&queue, Ask::Receipt)?;
        let salt = request.sealed_salt.as_ref().map(|sealed| {
            let (salt, opened) = identity.open_receipt_salt(sealed);
            if let Err(why) = opened {
                let why = ReceiveError::from(OpenError::from(why)).line(self.offset());
                let text = format!("{} gets an invalid receipt: {why}", self.peer);
                self.service.observer.event(Event::Note { text });
            }
            salt
        });
        let named = self.service.policy.names;
        let entry = |ordinal| match self.stored.entry(ordinal, salt.as_deref(), named) {
            Some(entry) => Some(entry),
            // No file with that number has come.
            None if ordinal > self.ordinal || self.stored.files.is_empty() => {
                Some(Entry { ordinal, fate: Fate::Missing(Reason::NotStored) })
            }
            None => None,
        };
        let entries: Option<Vec<Entry>> = request.files.clone().map(entry).collect();
        let Some(entries) = entries else {
            return Err(self.order("a receipt request for files that are no longer remembered"));
        };
        let fits = |entry: &Entry| match &entry.fate {
            Fate::Stored { protocol, .. } => is_fitting(*protocol, salt.is_some()),
            Fate::Missing(_) => true,
        };
        if !entries.iter().all(fits) {
            return Err(self.order("a receipt request whose salt does not fit the variant of its files"));
        }
        let statement = Statement {
            request: request.digest(),
            key: identity.server_key().fingerprint(),
            receipt_key: signer.receipt_key().map(|key| key.public().fingerprint()),
            time: clock::unix_seconds(),
            entries,
        };
        let text = statement.to_text();
        let signature = signer.sign(text.as_bytes())?;
        drop(turn);
        // Also where the statement does not contain them.
        let stored_as = self.stored.names(request.files.clone());
        // First: every receipt that a client has must be in the history.
        self.record_receipt(&stored_as, Digest::of(text.as_bytes()));
        let server = identity.certificate_pem();
        let receipts = signer.receipt_key().map(ReceiptKey::certificate_pem).unwrap_or_default();
        // Two certificates, each on its own lines.
        let between = if receipts.is_empty() || server.ends_with(b"\n") { "" } else { "\n" };
        self.answer(signature, [text.as_bytes(), server, between.as_bytes(), receipts].concat())?;
        self.service.observer.event(Event::Receipted { session: self.id, files: stored_as.len() });
        Ok(())
    }
}
