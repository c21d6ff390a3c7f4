//! Fair shares of the processor for the blocks of CP1, each of which costs an operation of the server's key.
//!
//! As many batches of blocks run at once as there are cores. If more wait, addresses take turns by the blocks that they have
//! had (start-time fair queueing, Goyal et al. 1996), so that a hundred bodies of one address get as much as a single one of
//! another. While nothing waits, a batch costs one lock.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::network::Network;

/// Interval at which a waiting body checks whether it was stopped.
const LOOK: Duration = Duration::from_millis(50);
/// Addresses with a share of their own; all others share one.
const ADDRESSES: usize = 4096;

/// Shares of a server's sessions.
#[derive(Debug)]
pub(crate) struct Shares {
    /// Batches at once.
    slots: usize,
    state: Mutex<State>,
}

impl Default for Shares {
    fn default() -> Self {
        Self::of(available_parallelism().map_or(1, NonZero::get))
    }
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    /// Where the batch that began last stands on the scale of blocks.
    now: u64,
    /// Where the next batch of an address stands.
    next: HashMap<Option<Network>, u64>,
    /// Batches that wait, in the order of their places.
    waiting: BTreeMap<Place, Arc<Condvar>>,
    number: u64,
}

/// Position on the scale of blocks, then the order of arrival.
type Place = (u64, u64);

/// Right to open a batch, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share<'a>(&'a Shares);

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.running -= 1;
        state.wake(self.0.slots);
    }
}

impl Shares {
    fn of(slots: usize) -> Self {
        Self { slots, state: Mutex::default() }
    }

    /// Waits until a batch of this many blocks may be opened; `None`: `is_stopped` first.
    pub(crate) fn take(
        &self,
        network: Network,
        blocks: u64,
        is_stopped: impl Fn() -> bool,
    ) -> Option<Share<'_>> {
        let mut state = self.state.lock();
        let start = state.start(network, blocks);
        if state.running < self.slots && state.waiting.is_empty() {
            state.begin(start);
            return Some(Share(self));
        }
        state.number += 1;
        let place = (start, state.number);
        let woken = Arc::new(Condvar::new());
        state.waiting.insert(place, Arc::clone(&woken));
        loop {
            let is_first = state.waiting.first_key_value().is_some_and(|(first, _)| *first == place);
            let may_begin = is_first && state.running < self.slots;
            if may_begin || is_stopped() {
                state.waiting.remove(&place);
                if may_begin {
                    state.begin(start);
                }
                state.wake(self.slots);
                return may_begin.then(|| Share(self));
            }
            woken.wait_for(&mut state, LOOK);
        }
    }
}

impl State {
    /// Returns where a batch of an address stands, and moves its next one behind it.
    fn start(&mut self, network: Network, blocks: u64) -> u64 {
        let now = self.now;
        if self.next.len() >= ADDRESSES && !self.next.contains_key(&Some(network)) {
            // The others stand where a new address does.
            self.next.retain(|_, next| *next > now);
        }
        let is_known = self.next.contains_key(&Some(network)) || self.next.len() < ADDRESSES;
        let next = self.next.entry(is_known.then_some(network)).or_default();
        let start = now.max(*next);
        *next = start.saturating_add(blocks.max(1));
        start
    }

    fn begin(&mut self, start: u64) {
        self.running += 1;
        self.now = self.now.max(start);
    }

    /// Wakes the next one, if it may begin.
    fn wake(&self, slots: usize) {
        if let Some((_, next)) = self.waiting.first_key_value().filter(|_| self.running < slots) {
            next.notify_one();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    fn address(last: u8) -> Network {
        Network::of(Some([192, 0, 2, last].into()))
    }

    /// Returns the order in which batches run that wait for one slot: each has the last byte of its address and its blocks.
    fn order(waiting: &[(u8, u64)]) -> Vec<u8> {
        let shares = Shares::of(1);
        let held = shares.take(address(9), 1, || false).unwrap();
        let (said, order) = mpsc::channel();
        thread::scope(|scope| {
            for (n, (last, blocks)) in waiting.iter().copied().enumerate() {
                let (said, shares) = (said.clone(), &shares);
                scope.spawn(move || {
                    let share = shares.take(address(last), blocks, || false).unwrap();
                    said.send(last).unwrap();
                    drop(share);
                });
                while shares.state.lock().waiting.len() <= n {
                    thread::yield_now();
                }
            }
            drop(held);
        });
        assert!(shares.state.lock().waiting.is_empty());
        order.try_iter().collect()
    }

    #[test]
    fn addresses_take_turns_however_many_bodies_one_has() {
        let flood = [(1, 64); 6];
        assert_eq!(order(&[&flood[..], &[(2, 64), (2, 64)]].concat()), [1, 2, 1, 2, 1, 1, 1, 1]);
        // By blocks, not by batches.
        assert_eq!(order(&[&flood[..], &[(2, 16); 5]].concat()), [1, 2, 2, 2, 2, 1, 2, 1, 1, 1, 1]);
        assert_eq!(order(&[(1, 64), (2, 64), (3, 64), (1, 64)]), [1, 2, 3, 1]);
    }

    #[test]
    fn an_address_that_was_idle_has_no_claim_on_the_past() {
        let shares = Shares::of(1);
        for _ in 0..100 {
            drop(shares.take(address(1), 64, || false).unwrap());
        }
        let mut state = shares.state.lock();
        let (one, two) = (state.start(address(1), 1), state.start(address(2), 1));
        assert!(one - two <= 64, "{one} {two}");
    }

    #[test]
    fn no_more_run_than_there_are_slots_and_a_stopped_body_leaves() {
        let shares = Shares::of(2);
        let take = |is_stopped: bool| shares.take(address(1), 1, move || is_stopped);
        let held = (take(false).unwrap(), take(false).unwrap());
        assert!(take(true).is_none());
        assert!(shares.state.lock().waiting.is_empty());
        drop(held.0);
        let again = take(true).unwrap();
        assert!(take(true).is_none());
        drop((held.1, again));
        assert_eq!(shares.state.lock().running, 0);
    }

    #[test]
    fn the_table_has_a_bound() {
        let mut state = State::default();
        for n in 0..3 * u32::try_from(ADDRESSES).unwrap() {
            state.start(Network::of(Some(n.to_be_bytes().into())), 1);
        }
        assert!(state.next.len() <= ADDRESSES + 1);
        state.now = u64::MAX / 2;
        state.start(address(1), 1);
        assert!(state.next.len() <= 2, "{}", state.next.len());
    }
}
