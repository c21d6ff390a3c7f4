//! Limit of the PKCS #1 v1.5 blocks that do not conform and are answered: the bound on the server's padding oracle.
//!
//! A server's next step reveals whether a block conforms to PKCS #1 v1.5. An attacker with enough attempts decrypts
//! anything that was encrypted with the server's key (Bleichenbacher 1998; about 10^5 attempts). So each evaluated block
//! that does not conform is counted, for the key and for the client's network, and at the limit PKCS #1 v1.5 is no longer
//! evaluated. The counts are in the history and survive a restart.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::network::Network;
use crate::digest::Digest;
use crate::history::{History, HistoryError};

/// Misses for one key after which PKCS #1 v1.5 is off for that key. An attack needs a hundred times as many.
pub const PER_KEY: u64 = 1000;

/// Misses from one network after which PKCS #1 v1.5 is off for that network, so that one client alone does not use up
/// the budget of the key.
pub const PER_NETWORK: u64 = 100;

/// Reason why PKCS #1 v1.5 is off from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spent {
    /// The limit for the key is reached.
    Key,
    /// The limit for this network is reached.
    Network(String),
    /// The count cannot be written, and an uncounted block is not answered.
    Unwritable(String),
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => write!(f, "PKCS1v15 is off for this key: {PER_KEY} blocks did not decrypt")?,
            Self::Network(network) => {
                write!(f, "PKCS1v15 is off for {network}: {PER_NETWORK} blocks from there did not decrypt")?;
            }
            Self::Unwritable(why) => {
                return write!(
                    f,
                    "PKCS1v15 is off until the next start: failed blocks cannot be counted: {why}"
                );
            }
        }
        f.write_str(
            "; this may be an attack on the key: create a new one (upseal certs init), or turn PKCS1v15 on again with \
             upseal serve --reset-padding-budget",
        )
    }
}

/// Budget of one server key. The default counts in memory, for keys that do not outlive the process either. Clones share
/// their counts.
#[derive(Debug, Clone)]
pub struct PaddingBudget {
    kept: Option<(Arc<History>, Digest)>,
    per_key: u64,
    per_network: u64,
    counts: Arc<Mutex<Counts>>,
}

impl Default for PaddingBudget {
    fn default() -> Self {
        Self::with_limits(PER_KEY, PER_NETWORK)
    }
}

#[derive(Debug, Default)]
struct Counts {
    all: u64,
    by_network: HashMap<String, u64>,
    unwritable: bool,
}

impl PaddingBudget {
    /// Reads the counts of the key with this fingerprint.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn open(history: Arc<History>, key: Digest) -> Result<Self, HistoryError> {
        let by_network: HashMap<_, _> = history.padding_misses(key)?.into_iter().collect();
        let all = by_network.values().fold(0_u64, |all, n| all.saturating_add(*n));
        let counts = Arc::new(Mutex::new(Counts { all, by_network, unwritable: false }));
        Ok(Self { kept: Some((history, key)), counts, ..Self::default() })
    }

    /// Creates a budget in memory with other limits, for tests that show why there are limits.
    #[must_use]
    pub fn with_limits(per_key: u64, per_network: u64) -> Self {
        Self { kept: None, per_key, per_network, counts: Arc::default() }
    }

    /// Returns whether blocks from this address may be evaluated for PKCS #1 v1.5.
    #[must_use]
    pub fn allows(&self, client: Option<IpAddr>) -> bool {
        let counts = self.counts.lock();
        let of_network = counts.by_network.get(&Network::of(client).to_string()).copied().unwrap_or(0);
        !counts.unwritable && counts.all < self.per_key && of_network < self.per_network
    }

    /// Returns whether the key's budget is used up.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.counts.lock().all >= self.per_key
    }

    /// Returns the blocks of this key that did not conform so far.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.counts.lock().all
    }

    /// Returns the number of such blocks after which PKCS #1 v1.5 is off for the key.
    #[must_use]
    pub const fn per_key(&self) -> u64 {
        self.per_key
    }

    /// Counts one block that did not conform. Returns what is off because of this block.
    #[must_use]
    pub fn charge(&self, client: Option<IpAddr>) -> Option<Spent> {
        let network = Network::of(client).to_string();
        let spent = {
            let mut counts = self.counts.lock();
            counts.all += 1;
            let of_network = counts.by_network.entry(network.clone()).or_default();
            *of_network += 1;
            let reached = *of_network == self.per_network;
            if counts.all == self.per_key {
                Some(Spent::Key)
            } else {
                reached.then(|| Spent::Network(network.clone()))
            }
        };
        let Some((history, key)) = &self.kept else { return spent };
        // Not under the lock: the write may wait for another program.
        let Err(why) = history.add_padding_miss(*key, &network) else { return spent };
        let first = !std::mem::replace(&mut self.counts.lock().unwritable, true);
        first.then(|| Spent::Unwritable(why.to_string())).or(spent)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn client(n: u32) -> IpAddr {
        n.to_be_bytes().into()
    }

    #[test]
    fn a_network_that_used_up_its_share_is_off_and_others_are_not() {
        let budget = PaddingBudget::default();
        for n in 1..PER_NETWORK {
            assert_eq!(budget.charge(Some(client(1))), None, "{n}");
            assert!(budget.allows(Some(client(1))), "{n}");
        }
        assert_eq!(budget.charge(Some(client(1))), Some(Spent::Network("0.0.0.1".to_owned())));
        assert!(!budget.allows(Some(client(1))));
        assert!(budget.allows(Some(client(2))) && !budget.is_spent());
        assert_eq!(budget.charge(Some(client(1))), None, "said once");
    }

    #[test]
    fn a_key_that_used_up_its_budget_is_off_for_all_and_stays_so_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (key, other) = (Digest::of(b"key"), Digest::of(b"other"));
        let open = |key| {
            let history = History::open(&folder.path().join("history.db")).unwrap();
            PaddingBudget::open(Arc::new(history), key).unwrap()
        };
        let budget = open(key);
        for n in 1..PER_KEY {
            // Each network stays below its own limit.
            assert_eq!(budget.charge(Some(client(u32::try_from(n % 20).unwrap()))), None, "{n}");
        }
        assert!(!budget.is_spent());
        drop(budget);
        let budget = open(key);
        assert_eq!(budget.charge(Some(client(99))), Some(Spent::Key));
        drop(budget);
        let budget = open(key);
        assert!(budget.is_spent() && !budget.allows(Some(client(1000))));
        assert!(open(other).allows(Some(client(1))), "another key has its own");
        let history = History::open(&folder.path().join("history.db")).unwrap();
        history.reset_padding_misses(key).unwrap();
        assert!(open(key).allows(Some(client(1))));
    }

    #[test]
    fn a_block_that_cannot_be_counted_is_not_answered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        let budget =
            PaddingBudget::open(Arc::new(History::open(&path).unwrap()), Digest::of(b"key")).unwrap();
        // The table is gone: every write fails.
        let spoiler = rusqlite::Connection::open(&path).unwrap();
        spoiler.execute_batch("DROP TABLE padding_misses").unwrap();
        assert!(budget.allows(Some(client(1))));
        assert!(matches!(budget.charge(Some(client(1))), Some(Spent::Unwritable(_))));
        assert!(!budget.allows(Some(client(2))));
        assert_eq!(budget.charge(Some(client(1))), None, "said once");
    }
}
