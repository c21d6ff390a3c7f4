//! Who may use the server's private key next: RSA operations for MODE 3, MODE 4 and receipts, of which clients can ask for
//! more than the processor can do. The blocks of CP1 have [`Shares`].
//!
//! ```text
//!   first     the first operation of a session, and its receipts, from an address within its budget
//!   again     further operations of such an address, and receipts of an address that has used up its budget
//!   over      an address that has used up its budget: one at a time, and no faster than the budget of all
//! ```
//!
//! Each class waits for those before it, so a flood delays itself and not the clients that send files.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::network::Network;
use super::shares::Shares;

/// Interval at which a waiting session checks whether it was stopped.
const LOOK: Duration = Duration::from_millis(50);
/// Addresses that have a budget of their own; all others share one.
const ADDRESSES: usize = 4096;

/// Budgets of RSA operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Operations in a second of one IPv4 address or IPv6 /64, on average over ten seconds.
    pub per_address: u32,
    /// Operations in a second of all addresses that are over their budgets.
    pub over: u32,
    /// Messages that a connection may have signed (MODE 3), and two more for each file.
    pub proofs: u64,
    /// Session keys that a connection may send (MODE 4), and four more for each file.
    pub keys: u64,
}

impl Default for Work {
    fn default() -> Self {
        Self { per_address: 100, over: 100, proofs: 16, keys: 64 }
    }
}

/// Order of those that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    First,
    Again,
    Over,
}

/// Tokens that come back with time.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn full(rate: u32, now: Instant) -> Self {
        Self { tokens: f64::from(rate) * 10.0, filled: now }
    }

    fn fill(&mut self, rate: u32, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * f64::from(rate)).min(f64::from(rate) * 10.0);
        self.filled = now;
    }

    fn is_full(&self, rate: u32) -> bool {
        self.tokens >= f64::from(rate) * 10.0
    }
}

/// The queue before the key, shared by the sessions of a server.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Operations at once.
    slots: usize,
    state: Mutex<State>,
    freed: Condvar,
    /// Shares of CP1's bodies.
    pub(crate) bodies: Shares,
}

/// What the key is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The first operation of a session.
    First,
    /// A further one.
    Again,
    /// A receipt, whose file is stored.
    Receipt,
}

impl Ask {
    /// Returns the order, for an address that has a token or not.
    const fn class(self, has_token: bool) -> Class {
        match (self, has_token) {
            (Self::First | Self::Receipt, true) => Class::First,
            // A client without its receipt would send the file again.
            (Self::Again, true) | (Self::Receipt, false) => Class::Again,
            (Self::First | Self::Again, false) => Class::Over,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    /// Whether one of these is of an address over its budget.
    over_runs: bool,
    waiting: BTreeSet<(Class, u64)>,
    number: u64,
    buckets: HashMap<Option<Network>, Bucket>,
    /// Budget of the addresses that are over theirs.
    over: Option<Bucket>,
}

impl Default for Queue {
    fn default() -> Self {
        Self::of(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }
}

/// Right to use the key, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    queue: &'a Queue,
    class: Class,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        state.running -= 1;
        state.over_runs &= self.class != Class::Over;
        drop(state);
        self.queue.freed.notify_all();
    }
}

impl Queue {
    fn of(slots: usize) -> Self {
        Self { slots, state: Mutex::default(), freed: Condvar::new(), bodies: Shares::default() }
    }

    /// Waits for the key. `None`: it was not free within `patience`, or `is_stopped`.
    pub(crate) fn wait(
        &self,
        (network, ask): (Network, Ask),
        budgets: Work,
        patience: Duration,
        is_stopped: impl Fn() -> bool,
    ) -> Option<Turn<'_>> {
        let begun = Instant::now();
        let mut state = self.state.lock();
        let class = ask.class(state.spend(network, budgets.per_address, begun));
        state.number += 1;
        let place = (class, state.number);
        state.waiting.insert(place);
        loop {
            let now = Instant::now();
            if state.may_run(place, self.slots, budgets.over, now) {
                state.waiting.remove(&place);
                state.running += 1;
                state.over_runs |= class == Class::Over;
                return Some(Turn { queue: self, class });
            }
            if now.duration_since(begun) >= patience || is_stopped() {
                state.waiting.remove(&place);
                drop(state);
                self.freed.notify_all();
                return None;
            }
            self.freed.wait_for(&mut state, LOOK);
        }
    }
}

impl State {
    /// Takes a token of an address; `false`: it has none left.
    fn spend(&mut self, network: Network, rate: u32, now: Instant) -> bool {
        if self.buckets.len() >= ADDRESSES && !self.buckets.contains_key(&Some(network)) {
            self.buckets.retain(|_, bucket| {
                bucket.fill(rate, now);
                !bucket.is_full(rate)
            });
        }
        let is_known = self.buckets.contains_key(&Some(network)) || self.buckets.len() < ADDRESSES;
        let bucket =
            self.buckets.entry(is_known.then_some(network)).or_insert_with(|| Bucket::full(rate, now));
        bucket.fill(rate, now);
        let has_token = bucket.tokens >= 1.0;
        if has_token {
            bucket.tokens -= 1.0;
        }
        has_token
    }

    /// Returns whether the one at `place` is next, and takes its token if it is over its budget.
    fn may_run(&mut self, place: (Class, u64), slots: usize, over: u32, now: Instant) -> bool {
        if self.running >= slots || self.waiting.first() != Some(&place) {
            return false;
        }
        if place.0 != Class::Over {
            return true;
        }
        let bucket = self.over.get_or_insert(Bucket { tokens: 1.0, filled: now });
        bucket.fill(over, now);
        let may = !self.over_runs && bucket.tokens >= 1.0;
        if may {
            bucket.tokens -= 1.0;
        }
        may
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn address(last: u8) -> Network {
        Network::of(Some([192, 0, 2, last].into()))
    }

    fn budgets(per_address: u32) -> Work {
        Work { per_address, over: 1_000_000, ..Work::default() }
    }

    #[test]
    fn a_budget_is_spent_and_comes_back() {
        let (mut state, now) = (State::default(), Instant::now());
        assert_eq!((0..50).filter(|_| state.spend(address(1), 2, now)).count(), 20, "ten seconds' worth");
        assert!(state.spend(address(2), 2, now), "another address has its own");
        assert!(!state.spend(address(1), 2, now));
        assert!(state.spend(address(1), 2, now + Duration::from_millis(500)));
        assert!(!state.spend(address(1), 2, now + Duration::from_millis(500)));
    }

    #[test]
    fn the_table_of_budgets_has_a_bound() {
        let (mut state, now) = (State::default(), Instant::now());
        for n in 0..2 * u32::try_from(ADDRESSES).unwrap() {
            assert!(state.spend(Network::of(Some(n.to_be_bytes().into())), 1000, now));
        }
        assert!(state.buckets.len() <= ADDRESSES + 1);
        // Addresses whose budgets are full again make room.
        state.spend(address(1), 1000, now + LONG);
        assert!(state.buckets.len() <= 2, "{}", state.buckets.len());
    }

    #[test]
    fn honest_clients_come_before_a_flood_that_waits_longer() {
        let queue = Queue::of(1);
        let stopped = || false;
        let held = queue.wait((address(9), Ask::First), budgets(1), LONG, stopped).unwrap();
        // The budget of the flood is used up.
        assert!((0..10).all(|_| queue.state.lock().spend(address(1), 1, Instant::now())));
        let (said, order) = mpsc::channel();
        thread::scope(|scope| {
            let wait = |who: &'static str, last, ask, before: usize| {
                let (said, queue) = (said.clone(), &queue);
                scope.spawn(move || {
                    let turn = queue.wait((address(last), ask), budgets(1), LONG, stopped).unwrap();
                    said.send(who).unwrap();
                    drop(turn);
                });
                while queue.state.lock().waiting.len() <= before {
                    thread::yield_now();
                }
            };
            wait("flood", 1, Ask::First, 0);
            wait("again", 2, Ask::Again, 1);
            wait("receipt of the flood", 1, Ask::Receipt, 2);
            wait("first", 3, Ask::First, 3);
            wait("receipt", 4, Ask::Receipt, 4);
            drop(held);
        });
        let expected = ["first", "receipt", "again", "receipt of the flood", "flood"];
        assert_eq!(order.try_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_flood_has_one_operation_at_a_time_and_gives_up_when_it_is_stopped() {
        let queue = Queue::of(4);
        let of_flood = |patience, stopped: bool| {
            queue.wait((address(1), Ask::First), budgets(0), patience, move || stopped)
        };
        let first = of_flood(LONG, false).unwrap();
        assert!(of_flood(Duration::ZERO, false).is_none(), "the second waits");
        assert!(of_flood(LONG, true).is_none(), "until the server stops");
        assert!(queue.wait((address(2), Ask::First), budgets(1), LONG, || false).is_some(), "others do not");
        drop(first);
        assert!(of_flood(LONG, false).is_some());
        assert!(queue.state.lock().waiting.is_empty());
    }
}
