//! Addresses whose sessions keep being refused, malformed or abandoned are refused for a while, as by OpenSSH's
//! `PerSourcePenalties`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::network::Network;

/// Penalty of one bad session.
const EACH: Duration = Duration::from_secs(1);
/// Sum of penalties from which on an address is refused: a person who tries out a client stays far below.
const FROM: Duration = Duration::from_secs(15);
/// Largest sum.
const MOST: Duration = Duration::from_secs(600);
/// Addresses with a penalty; beyond, the one whose penalty ends first is forgotten.
const ADDRESSES: usize = 4096;

/// Which addresses get penalties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Penalize {
    /// No address.
    Off,
    /// Every address but this machine's own.
    #[default]
    Remote,
    /// Every address.
    All,
}

/// Penalties of addresses. They grow with each bad session and pass with time.
#[derive(Debug, Default)]
pub(crate) struct Penalties {
    /// When the penalty of an address is over.
    until: HashMap<Network, Instant>,
}

impl Penalties {
    /// Counts a bad session.
    pub(crate) fn add(&mut self, network: Network, who: Penalize, now: Instant) {
        if who == Penalize::Off || (who == Penalize::Remote && network.is_loopback()) {
            return;
        }
        if self.until.len() >= ADDRESSES && !self.until.contains_key(&network) {
            self.until.retain(|_, until| *until > now);
            let first = self.until.iter().min_by_key(|(_, until)| **until).map(|(network, _)| *network);
            if let Some(first) = first.filter(|_| self.until.len() >= ADDRESSES) {
                self.until.remove(&first);
            }
        }
        let until = self.until.entry(network).or_insert(now);
        *until = ((*until).max(now) + EACH).min(now + MOST);
    }

    /// Returns the number of addresses that are refused.
    pub(crate) fn in_force(&self, now: Instant) -> usize {
        self.until.keys().filter(|network| self.is_refused(**network, now)).count()
    }

    /// Returns whether an address is refused.
    pub(crate) fn is_refused(&self, network: Network, now: Instant) -> bool {
        self.until.get(&network).is_some_and(|until| until.saturating_duration_since(now) >= FROM)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn address(n: u32) -> Network {
        Network::of(Some(n.to_be_bytes().into()))
    }

    #[test]
    fn penalties_grow_with_each_bad_session_and_pass() {
        let (mut penalties, now) = (Penalties::default(), Instant::now());
        for _ in 0..14 {
            penalties.add(address(1), Penalize::Remote, now);
            assert!(!penalties.is_refused(address(1), now));
        }
        penalties.add(address(1), Penalize::Remote, now);
        assert!(penalties.is_refused(address(1), now) && !penalties.is_refused(address(2), now));
        assert_eq!([now, now + EACH].map(|now| penalties.in_force(now)), [1, 0]);
        assert!(!penalties.is_refused(address(1), now + EACH));
        for _ in 0..10_000 {
            penalties.add(address(1), Penalize::Remote, now);
        }
        assert!(penalties.is_refused(address(1), (now + MOST).checked_sub(FROM).unwrap()));
        assert!(!penalties.is_refused(address(1), now + MOST), "never longer than ten minutes");
    }

    #[test]
    fn this_machine_is_spared_unless_all_is_meant() {
        let (local, other) = (Network::of_peer("127.0.0.1:5"), Network::of_peer("192.0.2.1:5"));
        for (who, refused) in [
            (Penalize::Off, [false, false]),
            (Penalize::Remote, [false, true]),
            (Penalize::All, [true, true]),
        ] {
            let (mut penalties, now) = (Penalties::default(), Instant::now());
            for _ in 0..15 {
                penalties.add(local, who, now);
                penalties.add(other, who, now);
            }
            assert_eq!([local, other].map(|network| penalties.is_refused(network, now)), refused, "{who:?}");
        }
    }

    #[test]
    fn the_table_has_a_bound_and_forgets_the_least_first() {
        let (mut penalties, now) = (Penalties::default(), Instant::now());
        let worst = address(u32::MAX);
        for _ in 0..60 {
            penalties.add(worst, Penalize::All, now);
        }
        for n in 0..2 * u32::try_from(ADDRESSES).unwrap() {
            penalties.add(address(n), Penalize::All, now);
        }
        assert_eq!(penalties.until.len(), ADDRESSES);
        assert!(penalties.is_refused(worst, now));
        penalties.add(address(u32::MAX - 1), Penalize::All, now + MOST);
        assert_eq!(penalties.until.len(), 1, "what is over is forgotten");
    }

    #[test]
    fn a_full_table_forgets_no_more_than_it_must() {
        let (mut penalties, now) = (Penalties::default(), Instant::now());
        let count = u32::try_from(ADDRESSES).unwrap();
        for n in 0..count {
            // The first half lasts longer.
            penalties.add(address(n), Penalize::All, if n < count / 2 { now + EACH } else { now });
        }
        penalties.add(address(count - 1), Penalize::All, now);
        assert_eq!(penalties.until.len(), ADDRESSES, "an address that is known takes no place");
        // One second later the other half is over, except for the address that was bad twice.
        penalties.add(address(count), Penalize::All, now + EACH);
        assert_eq!(penalties.until.len(), ADDRESSES / 2 + 2);
        assert!((0..count / 2).all(|n| penalties.until.contains_key(&address(n))));
    }
}
