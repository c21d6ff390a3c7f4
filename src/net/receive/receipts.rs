//! What a session has stored, and its receipts (PROTOCOL.md, "Receipt").
//!
//! A file gets its line only when its commit has said that it is whole and on disk, so a receipt needs to wait
//! for nothing.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use super::arriving::Arriving;
use super::{ReceiveError, Session};
use crate::clock;
use crate::crypto::OpenError;
use crate::crypto::receipt::{Entry, Fate, Reason, Request, Statement, is_fitting, salted};
use crate::crypto::receipt_key::ReceiptKey;
use crate::digest::Digest;
use crate::event::{Event, Kept, Named, Variant};
use crate::store::{FileName, Published};

/// How many files back receipts may be asked for; the client's own batches are smaller.
const REMEMBERED: usize = 4096;

/// What became of the files of a connection; the oldest are forgotten.
#[derive(Default)]
pub(super) struct Stored {
    /// By their ordinals, which grow.
    files: VecDeque<(u64, Option<Kind>)>,
}

/// A file that is here.
struct Kind {
    variant: Variant,
    size: u64,
    digest: Digest,
    /// The name under which it came.
    came_as: FileName,
    /// The name under which it is here.
    stored_as: FileName,
}

impl Stored {
    /// File `ordinal` is here; a second time, because it was amended, in the place of the first.
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

    /// The line of one file; `None`: it is forgotten.
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

    /// Returns the names under which these files are here, of those that are.
    fn names(&self, files: RangeInclusive<u64>) -> Vec<String> {
        let asked = self.files.iter().filter(|(ordinal, _)| files.contains(ordinal));
        asked.filter_map(|(_, file)| Some(file.as_ref()?.stored_as.as_str().to_owned())).collect()
    }
}

impl Session<'_> {
    /// Answers a request with a statement, signed as no answer to MODE 3 is.
    pub(super) fn receipt(&mut self, request: &Request) -> Result<(), ReceiveError> {
        let service = self.service;
        let (Some(identity), Ok(signer)) = (service.identity.as_deref(), service.receipt_signer()) else {
            return Err(self.order("a receipt request, and this server gives none"));
        };
        if request.hello != self.first_message {
            return Err(self.order("a receipt request of another connection"));
        }
        let salt = request.sealed_salt.as_ref().map(|sealed| {
            let (salt, opened) = identity.open_receipt_salt(sealed);
            if let Err(why) = opened {
                let why = ReceiveError::from(OpenError::from(why)).line(self.offset());
                let text = format!("{} gets a receipt that does not hold: {why}", self.peer);
                self.service.observer.event(Event::Note { text });
            }
            salt
        });
        let named = self.service.policy.names;
        let entry = |ordinal| match self.stored.entry(ordinal, salt.as_deref(), named) {
            Some(entry) => Some(entry),
            // Nothing of that number came, or not yet.
            None if ordinal > self.ordinal || self.stored.files.is_empty() => {
                Some(Entry { ordinal, fate: Fate::Missing(Reason::NotStored) })
            }
            None => None,
        };
        let entries: Option<Vec<Entry>> = request.files.clone().map(entry).collect();
        let Some(entries) = entries else {
            return Err(self.order("a receipt request for files of too long ago"));
        };
        let fits = |entry: &Entry| match &entry.fate {
            Fate::Stored { protocol, .. } => is_fitting(*protocol, salt.is_some()),
            Fate::Missing(_) => true,
        };
        if !entries.iter().all(fits) {
            return Err(self.order("a receipt request whose salt does not fit how its files came"));
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
        // Also where the statement does not tell them.
        let stored_as = self.stored.names(request.files.clone());
        // First: a receipt that somebody has must be in the history.
        self.record_receipt(&stored_as, Digest::of(text.as_bytes()));
        let server = identity.certificate_pem();
        let receipts = signer.receipt_key().map(ReceiptKey::certificate_pem).unwrap_or_default();
        // Two certificates, each with lines of its own.
        let between = if receipts.is_empty() || server.ends_with(b"\n") { "" } else { "\n" };
        self.answer(signature, [text.as_bytes(), server, between.as_bytes(), receipts].concat())?;
        self.service.observer.event(Event::Receipted { session: self.id, files: stored_as.len() });
        Ok(())
    }
}
