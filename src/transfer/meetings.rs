//! First meetings: servers that were never met, and the user's answers about their keys.
//!
//! ```text
//!   known? pinned? ── no ─► ask ─► the connection stays open ─┬─ accepted ─► the same connection goes on
//!                                                             ├─ declined ─► nothing was sent; it is closed
//!                                                             └─ it ended ─► a later connection needs the same key
//! ```
//!
//! The answer is about one key at one address under one anchor. Another key there is not covered by it, so the key that was
//! shown is the key that files are sent to.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::digest::Digest;
use crate::event::ServerAddress;
use crate::net::upload::{Look, Proven};

/// Longest time for which a connection is kept open while the user reads. Our server allows 15 min between messages.
const PATIENCE: Duration = Duration::from_secs(300);

/// What becomes of a server that was never met and has no pin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FirstMeeting {
    /// Its key is accepted unseen and remembered.
    #[default]
    Remember,
    /// Its key is accepted unseen and not remembered, so that the next connection is a first meeting too.
    Overlook,
    /// The user is asked ([`Event::FirstMeeting`](crate::event::Event::FirstMeeting)). If the key is declined, the uploads
    /// fail.
    Ask,
    /// The user is asked. If the key is declined, the uploads wait in the queue until one of them is retried.
    AskAndWait,
}

impl FirstMeeting {
    /// Returns whether the user is asked.
    const fn asks(self) -> bool {
        matches!(self, Self::Ask | Self::AskAndWait)
    }
}

/// The user's answer about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It was shown, and the user has not answered.
    Open,
    Accepted,
    Declined,
}

/// How the wait for an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    /// The user accepts the key; the connection is still open.
    Accepted,
    /// The user declines the key, or has been shown another one since.
    Declined,
    /// The connection ended before the user answered.
    Ended,
    /// The upload was stopped.
    Interrupted,
}

/// An address in its normal form, and the fingerprint of the anchor.
type Place = (ServerAddress, Digest);

/// What the user was asked, shared by all connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meetings {
    policy: FirstMeeting,
    /// By address and anchor: the key that was shown last, and the answer.
    asked: Arc<Mutex<HashMap<Place, (Digest, Answer)>>>,
}

/// A server that was never met: its address, the fingerprint of the anchor, that of its key.
#[derive(Debug, Clone)]
pub(crate) struct Newcomer {
    pub address: ServerAddress,
    pub ca: Digest,
    pub key: Digest,
}

impl Newcomer {
    fn place(&self) -> Place {
        (self.address.normal(), self.ca)
    }
}

impl Meetings {
    /// Creates one in which nothing was asked.
    #[must_use]
    pub(crate) fn new(policy: FirstMeeting) -> Self {
        Self { policy, asked: Arc::default() }
    }

    /// Returns whether a server that was never met is to be remembered at once: nothing is asked, or this key was
    /// accepted.
    #[must_use]
    pub(super) fn remembers(&self, newcomer: &Newcomer) -> bool {
        match self.policy {
            FirstMeeting::Remember => true,
            FirstMeeting::Overlook => false,
            FirstMeeting::Ask | FirstMeeting::AskAndWait => self.accepted(newcomer) == Some(newcomer.key),
        }
    }

    /// Returns the key that the user has accepted at this place.
    #[must_use]
    pub(super) fn accepted(&self, newcomer: &Newcomer) -> Option<Digest> {
        let asked = self.asked.lock();
        asked.get(&newcomer.place()).filter(|(_, answer)| *answer == Answer::Accepted).map(|(key, _)| *key)
    }

    /// Returns whether the user is asked about servers that were never met.
    #[must_use]
    pub(super) const fn asks(&self) -> bool {
        self.policy.asks()
    }

    /// Returns whether uploads wait after their server's key was declined.
    #[must_use]
    pub(super) fn keeps_declined(&self) -> bool {
        self.policy == FirstMeeting::AskAndWait
    }

    /// Returns whether the user has declined this key for good.
    #[must_use]
    pub(super) fn is_refused(&self, newcomer: &Newcomer) -> bool {
        let declined = (newcomer.key, Answer::Declined);
        !self.keeps_declined() && self.asked.lock().get(&newcomer.place()) == Some(&declined)
    }

    /// Notes that the user is asked about this key. Returns false if the same question is open already.
    pub(super) fn ask(&self, newcomer: &Newcomer) -> bool {
        let question = (newcomer.key, Answer::Open);
        self.asked.lock().insert(newcomer.place(), question) != Some(question)
    }

    /// Takes the user's answer about a key. It counts only if this key was shown last.
    pub(super) fn answer(&self, newcomer: &Newcomer, accept: bool) {
        if let Some((key, answer)) = self.asked.lock().get_mut(&newcomer.place())
            && *key == newcomer.key
        {
            *answer = if accept { Answer::Accepted } else { Answer::Declined };
        }
    }

    /// Waits until the user has answered or the connection ends.
    pub(super) fn wait(&self, newcomer: &Newcomer, server: &mut Proven) -> Waited {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.asked.lock().get(&newcomer.place()) {
                Some((key, Answer::Open)) if *key == newcomer.key => {}
                Some((key, Answer::Accepted)) if *key == newcomer.key => return Waited::Accepted,
                _ => return Waited::Declined,
            }
            match server.look() {
                Look::Open if Instant::now() < until => {}
                Look::Open | Look::Ended => return Waited::Ended,
                Look::Interrupted => return Waited::Interrupted,
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const KEY: Digest = Digest([1; 32]);
    const OTHER: Digest = Digest([2; 32]);

    fn newcomer(address: &str, key: Digest) -> Newcomer {
        Newcomer { address: address.parse().unwrap(), ca: Digest([9; 32]), key }
    }

    #[test]
    fn an_answer_is_about_the_key_that_was_shown_last_and_no_other() {
        let meetings = Meetings::new(FirstMeeting::Ask);
        let (here, other) = (newcomer("lab:4321", KEY), newcomer("lab:4321", OTHER));
        assert!(!meetings.remembers(&here));
        assert!(meetings.ask(&here));
        assert!(!meetings.ask(&here), "one question for all connections");
        // Another key answers before the user has: the old question is void.
        assert!(meetings.ask(&other));
        meetings.answer(&here, true);
        assert_eq!((meetings.accepted(&here), meetings.accepted(&other)), (None, None));
        meetings.answer(&other, true);
        assert!(meetings.remembers(&other) && !meetings.remembers(&here));
        assert_eq!(meetings.accepted(&here), Some(OTHER), "so that the first key is a changed one");
        // The spelling of the address does not matter; its port and the anchor do.
        assert!(meetings.remembers(&newcomer("LAB", OTHER)));
        assert!(!meetings.remembers(&newcomer("lab:4322", OTHER)));
        assert!(!meetings.remembers(&Newcomer { ca: KEY, ..other }));
    }

    #[test]
    fn what_was_declined_is_asked_again_or_refused_for_good() {
        for (policy, is_refused) in [(FirstMeeting::AskAndWait, false), (FirstMeeting::Ask, true)] {
            let meetings = Meetings::new(policy);
            let here = newcomer("lab:4321", KEY);
            assert!(meetings.ask(&here));
            assert!(!meetings.is_refused(&here));
            meetings.answer(&here, false);
            assert!(!meetings.remembers(&here));
            assert_eq!(meetings.is_refused(&here), is_refused, "{policy:?}");
            assert!(meetings.ask(&here));
        }
    }

    #[test]
    fn only_two_policies_ask_and_one_remembers_unseen() {
        let here = newcomer("lab:4321", KEY);
        for (policy, asks, remembers) in [
            (FirstMeeting::Remember, false, true),
            (FirstMeeting::Overlook, false, false),
            (FirstMeeting::Ask, true, false),
            (FirstMeeting::AskAndWait, true, false),
        ] {
            let meetings = Meetings::new(policy);
            assert_eq!((meetings.asks(), meetings.remembers(&here)), (asks, remembers), "{policy:?}");
        }
    }
}
