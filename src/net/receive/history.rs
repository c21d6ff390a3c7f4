//! A session's part of the history: rows, receipts, and the replay guard.
//!
//! A session key counts as seen when a token under it has verified, and a CP1 block when its whole body has; both are
//! claimed before the file is published. Everything else that a client sends costs no memory.

use std::collections::{HashSet, VecDeque};

use super::arriving::Arriving;
use super::{ReceiveError, Session};
use crate::clock;
use crate::digest::Digest;
use crate::event::{Event, Kept};
use crate::history::serving::ClaimError;
use crate::history::{Announced, Received, Seen};
use crate::store::{Doing, FileName, Published, StoreError};

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

/// The first blocks of a CP1 body, or of blocks that continue a published file: the empty ones and one more. An attacker
/// can put an empty block before a recording, so the first block that is not empty counts too.
#[derive(Default)]
pub(super) struct Opening {
    /// Bytes of the block that is not whole yet.
    block: Vec<u8>,
    /// SHA-256 of the first block, and of the first that is not empty.
    digests: Vec<Digest>,
    /// Whether a block that is not empty has come.
    is_over: bool,
}

impl Opening {
    /// Returns the number of missing bytes of the current block; `None`: all first blocks have come.
    pub(super) fn missing(&self, k: usize) -> Option<usize> {
        (!self.is_over).then_some(k - self.block.len())
    }

    /// Takes a part of the body that does not exceed the current block. Returns whether the block is whole now.
    pub(super) fn take(&mut self, part: &[u8], k: usize) -> bool {
        if self.is_over {
            return false;
        }
        self.block.extend_from_slice(part);
        self.block.len() >= k
    }

    /// Ends the current block, which was opened. A block that cannot be opened counts as not empty.
    pub(super) fn end_block(&mut self, is_empty: bool) {
        if self.digests.is_empty() || !is_empty {
            self.digests.push(Digest::of(&self.block));
        }
        self.block.clear();
        self.is_over = !is_empty;
    }

    /// Returns the digests that must not come in another connection.
    pub(super) fn seen(&self) -> impl Iterator<Item = (Seen, Digest)> + '_ {
        self.digests.iter().map(|digest| (Seen::FirstBlock, *digest))
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
        if let Err(error) = history.record(rows, &announced) {
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
        if !matches!(error, StoreError::Failed { doing: Doing::Sync, .. }) {
            history.withdraw(&[announced(file, file.meter.file_bytes())]);
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

    #[test]
    fn an_opening_is_the_first_block_and_the_first_with_bytes_in_it() {
        let digests = |blocks: &[(&[u8], bool)]| {
            let mut opening = Opening::default();
            for (block, is_empty) in blocks {
                if opening.take(block, 4) {
                    opening.end_block(*is_empty);
                }
            }
            (opening.digests.clone(), opening.missing(4))
        };
        let of = |blocks: &[&[u8]]| blocks.iter().map(|block| Digest::of(block)).collect::<Vec<_>>();
        assert_eq!(digests(&[]), (vec![], Some(4)));
        assert_eq!(digests(&[(b"aaaa", false), (b"bbbb", false)]), (of(&[b"aaaa"]), None));
        assert_eq!(digests(&[(b"aaaa", true)]), (of(&[b"aaaa"]), Some(4)));
        let blocks: [(&[u8], bool); 4] =
            [(b"aaaa", true), (b"bbbb", true), (b"cccc", false), (b"dddd", false)];
        assert_eq!(digests(&blocks), (of(&[b"aaaa", b"cccc"]), None));
        // In parts.
        assert_eq!(digests(&[(b"aa", false), (b"aa", false), (b"bbbb", false)]), (of(&[b"aaaa"]), None));
    }
}
