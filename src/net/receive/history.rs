//! A session's part of the history: rows, receipts, and the replay guard.
//!
//! A session key counts as seen when a token under it has verified, and a CP1 block when its whole body has; both are
//! claimed before the file is published. Everything else that a client sends costs no memory.

use std::collections::{HashSet, VecDeque};
use std::time::Instant;

use super::arriving::Arriving;
use super::{ReceiveError, Session};
use crate::clock;
use crate::digest::Digest;
use crate::event::{Event, Kept};
use crate::history::serving::ClaimError;
use crate::history::{Announced, Received, Seen};
use crate::net::Step;
use crate::store::{FileName, Published, StoreError};

/// Digests of a connection that are remembered at most; an older one that comes again counts as a replay.
const REMEMBERED: usize = 4096;

/// Digests of keys and blocks of this connection, which must not come in another one. A repetition within the connection
/// is not a replay: a known client sends MODE 4 before each file.
#[derive(Default)]
pub(super) struct Own {
    seen: HashSet<(Seen, Digest)>,
    /// The digests in `seen`, oldest first.
    order: VecDeque<(Seen, Digest)>,
    /// Claimed digests of files that are not stored yet.
    claimed: HashSet<(Seen, Digest)>,
}

impl Own {
    fn remember(&mut self, one: (Seen, Digest)) {
        if self.seen.insert(one) {
            self.order.push_back(one);
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.seen.remove(&oldest);
            }
        }
    }
}

impl Session<'_> {
    /// Refuses a session key that came with a file of another connection.
    pub(super) fn check_fresh(&self, wrapped: Digest) -> Result<(), ReceiveError> {
        let Some(history) = &self.service.history else { return Ok(()) };
        let one = (Seen::SessionKey, wrapped);
        if !self.own.seen.contains(&one) && history.is_seen(one.0, one.1)? {
            return Err(self.replay(one.0));
        }
        Ok(())
    }

    /// Claims the keys or blocks of this file, so that they cannot come again. Refuses the file if they came before, or
    /// cannot be remembered.
    pub(super) fn claim(
        &mut self,
        file: &mut Arriving,
        seen: impl IntoIterator<Item = (Seen, Digest)>,
    ) -> Result<(), ReceiveError> {
        let Some(history) = &self.service.history else { return Ok(()) };
        let mut fresh: Vec<_> = seen.into_iter().filter(|one| !self.own.seen.contains(one)).collect();
        fresh.dedup();
        match history.claim(&fresh) {
            Ok(()) => {}
            Err(ClaimError::Replay(what)) => return Err(self.replay(what)),
            Err(ClaimError::History(why)) => return Err(why.into()),
            Err(why @ ClaimError::Full) => return Err(ReceiveError::Unremembered(why)),
        }
        for one in &fresh {
            self.own.remember(*one);
        }
        self.own.claimed.extend(&fresh);
        file.claimed.extend(fresh);
        Ok(())
    }

    const fn replay(&self, what: Seen) -> ReceiveError {
        ReceiveError::Replay { offset: self.offset(), what }
    }

    /// Releases the claims of files that are not stored: they may come again.
    pub(super) fn release_claims(&mut self) {
        let Some(history) = &self.service.history else { return };
        let unstored: Vec<_> = self.own.claimed.drain().collect();
        history.release(&unstored);
    }

    /// Records published files: their rows and their claims. If the rows cannot be written, the operator is informed; the
    /// files stay stored.
    pub(super) fn record(&mut self, files: &[(Arriving, Published)]) {
        let Some(history) = &self.service.history else { return };
        let row = |(file, published): &(Arriving, Published)| {
            (published.stored.kept != Kept::Discarded).then(|| Received {
                at_ms: clock::unix_ms(),
                peer: self.peer.clone(),
                store: history.store().to_owned(),
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
        let announced = |(file, published): &(Arriving, Published)| announced(file, published.size);
        let announced: Vec<Announced> = files.iter().map(announced).collect();
        for (file, _) in files {
            history.confirm(&file.claimed);
            for one in &file.claimed {
                self.own.claimed.remove(one);
            }
        }
        let begun = Instant::now();
        let recorded = history.record(rows, &announced);
        self.service.observer.took(Step::Record, begun.elapsed());
        if let Err(error) = recorded {
            let first = files.first().map(|(_, published)| published.stored.name.to_string());
            let first = first.unwrap_or_default();
            let yet = if error.waits { " yet" } else { "" };
            let what = match files.len() {
                0 | 1 => format!("{first} is"),
                n => format!("{first} and {} others are", n - 1),
            };
            let text = format!("{what} stored but not in the history{yet}: {}", error.why);
            self.service.observer.event(Event::Note { text });
        }
    }

    /// Takes back the announcement of a file that was not published, unless it may have got its name.
    pub(super) fn withdraw(&self, file: &Arriving, error: &StoreError) {
        let Some(history) = &self.service.history else { return };
        let announced = announced(file, file.meter.file_bytes());
        if error.leaves_a_name() {
            history.leave(announced);
        } else {
            history.withdraw(&[announced]);
        }
    }

    /// Records the receipt that is about to be given for these files.
    pub(super) fn record_receipt(&self, names: &[String], statement: Digest) {
        let Some(history) = &self.service.history else { return };
        if let Err(error) = history.record_receipts(names, statement) {
            let text = format!("a receipt was given but is not in the history: {error}");
            self.service.observer.event(Event::Note { text });
        }
    }
}

/// Returns the announcement of a file, as the store made it.
fn announced(file: &Arriving, size: u64) -> Announced {
    Announced {
        want: file.want.as_str().to_owned(),
        replaces: file.replaces.as_ref().map(|name: &FileName| name.as_str().to_owned()),
        size,
        digest: file.digest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: usize) -> (Seen, Digest) {
        (Seen::SessionKey, Digest::of(&n.to_be_bytes()))
    }

    #[test]
    fn a_connection_remembers_a_limited_number_of_digests_and_forgets_the_oldest() {
        let mut own = Own::default();
        for n in 0..REMEMBERED + 100 {
            own.remember(digest(n));
            own.remember(digest(n));
        }
        assert_eq!((own.seen.len(), own.order.len()), (REMEMBERED, REMEMBERED));
        assert!(!own.seen.contains(&digest(99)) && own.seen.contains(&digest(100)));
    }
}
