//! What a session writes into the ledger, and what it looks up there (PROTOCOL.md, "Replay guard").

use std::collections::HashSet;

use super::arriving::Arriving;
use super::{ReceiveError, Session, unix_now_ms};
use crate::digest::Digest;
use crate::event::{Event, Kept};
use crate::ledger::{Received, Seen};
use crate::store::Published;

/// What this connection has shown that must never come in another one. A repeat inside it is none: a known
/// client sends MODE 4 before each file.
#[derive(Default)]
pub(super) struct Own {
    seen: HashSet<(Seen, Digest)>,
    /// Not yet in the ledger: of a file that is not stored yet.
    fresh: Vec<(Seen, Digest)>,
}

impl Session<'_> {
    /// Refuses what came in another connection before.
    pub(super) fn check_fresh(&mut self, what: Seen, bytes: &[u8]) -> Result<(), ReceiveError> {
        let Some(history) = &self.service.history else { return Ok(()) };
        let digest = Digest::of(bytes);
        if !self.own.seen.insert((what, digest)) {
            return Ok(());
        }
        if history.ledger.is_seen(what, digest)? {
            return Err(ReceiveError::Replay { offset: self.offset(), what });
        }
        self.own.fresh.push((what, digest));
        Ok(())
    }

    /// These files are published: their rows, and what must not come again. What cannot be written is said; the
    /// files are stored all the same.
    pub(super) fn record(&mut self, files: &[(Arriving, Published)]) {
        let Some(history) = &self.service.history else { return };
        let seen = std::mem::take(&mut self.own.fresh);
        let row = |(file, published): &(Arriving, Published)| {
            (published.stored.kept != Kept::Discarded).then(|| Received {
                at_ms: unix_now_ms(),
                peer: self.peer.clone(),
                store: history.store.clone(),
                name: published.stored.name.as_str().to_owned(),
                kept: published.stored.kept,
                size: published.size,
                digest: published.digest,
                variant: file.variant,
                seconds: file.begun.elapsed().as_secs_f64(),
                receipt: None,
            })
        };
        let rows: Vec<Received> = files.iter().filter_map(row).collect();
        if let Err(error) = history.ledger.record_all_received(&rows, &seen, history.until) {
            let first = files.first().map(|(_, published)| published.stored.name.to_string());
            let first = first.unwrap_or_default();
            let text = match files.len() {
                0 | 1 => format!("{first} is stored and not in the history: {error}"),
                n => format!("{first} and {} others are stored and not in the history: {error}", n - 1),
            };
            self.service.observer.event(Event::Note { text });
        }
    }

    /// A receipt is about to be given for these files.
    pub(super) fn record_receipt(&self, names: &[String], statement: Digest) {
        let Some(history) = &self.service.history else { return };
        let written = history.ledger.record_receipts(&history.store, names, statement);
        if let Err(error) = written {
            let text = format!("a receipt is given and not in the history: {error}");
            self.service.observer.event(Event::Note { text });
        }
    }
}
