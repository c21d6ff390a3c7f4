//! How many lines of the log one address gets in a second; what is left out is summed up.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::event::{Event, SessionId};
use crate::messages::units;
use crate::net::network::Network;

/// Time in which an address has its lines.
const WINDOW: Duration = Duration::from_secs(1);
/// Addresses that are counted each by itself; all others share one count.
const ADDRESSES: usize = 1024;

/// Lines of each address in the current second.
#[derive(Debug)]
pub(super) struct Rates {
    /// Lines of an address in a second.
    most: u32,
    addresses: HashMap<Option<Network>, Count>,
    /// Addresses of the sessions that run, because some events name only the session.
    sessions: HashMap<SessionId, Network>,
}

#[derive(Debug)]
struct Count {
    begun: Instant,
    lines: u32,
    left_out: LeftOut,
}

/// Events that were left out.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct LeftOut {
    /// Files that were received, and their bytes.
    files: u64,
    bytes: u64,
    refused: u64,
    others: u64,
}

impl LeftOut {
    fn add(&mut self, event: &Event) {
        match event {
            Event::Received { size, .. } => {
                self.files += 1;
                self.bytes = self.bytes.saturating_add(*size);
            }
            Event::Refused { .. } => self.refused += 1,
            _ => self.others += 1,
        }
    }

    /// Returns the sum as text; `None`: nothing was left out.
    fn sum(&self) -> Option<String> {
        let Self { files, bytes, refused, others } = *self;
        let parts = [
            (files > 0)
                .then(|| format!("{} received ({})", units::count(files, "file"), units::bytes(bytes))),
            (refused > 0).then(|| format!("{refused} refused")),
            (others > 0).then(|| format!("{others} other lines")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

impl Rates {
    /// Allows each address `most` lines in a second.
    pub(super) fn new(most: u32) -> Self {
        Self { most, addresses: HashMap::new(), sessions: HashMap::new() }
    }

    /// Changes the lines of an address in a second.
    pub(super) const fn set_most(&mut self, most: u32) {
        self.most = most;
    }

    /// Counts an event, and returns whether it has a line. Events that are about no client always have one.
    pub(super) fn allow(&mut self, event: &Event, now: Instant) -> bool {
        let Some(network) = self.network_of(event) else { return true };
        let is_known = self.addresses.contains_key(&Some(network)) || self.addresses.len() < ADDRESSES;
        let count = self.addresses.entry(is_known.then_some(network)).or_insert_with(|| Count {
            begun: now,
            lines: 0,
            left_out: LeftOut::default(),
        });
        if now.saturating_duration_since(count.begun) >= WINDOW && count.left_out == LeftOut::default() {
            (count.begun, count.lines) = (now, 0);
        }
        count.lines = count.lines.saturating_add(1);
        let is_allowed = count.lines <= self.most;
        if !is_allowed {
            count.left_out.add(event);
        }
        is_allowed
    }

    fn network_of(&mut self, event: &Event) -> Option<Network> {
        match event {
            Event::SessionOpened { session, peer } => {
                let network = Network::of_peer(peer);
                self.sessions.insert(*session, network);
                Some(network)
            }
            Event::SessionClosed { session } => self.sessions.remove(session),
            Event::SessionProved { session } | Event::Receipted { session, .. } => {
                self.sessions.get(session).copied()
            }
            Event::Receiving { peer, .. }
            | Event::Received { peer, .. }
            | Event::Refused { peer, .. }
            | Event::Warned { peer: Some(peer), .. } => Some(Network::of_peer(peer)),
            _ => None,
        }
    }

    /// Returns the sums of the addresses whose second is over, and forgets these addresses.
    pub(super) fn sums(&mut self, now: Instant) -> Vec<Event> {
        let mut sums = Vec::new();
        self.addresses.retain(|network, count| {
            let is_over = now.saturating_duration_since(count.begun) >= WINDOW;
            if is_over && let Some(sum) = count.left_out.sum() {
                let who = network.map_or_else(|| "other addresses".to_owned(), |network| network.to_string());
                sums.push(Event::Note { text: format!("left out of the log about {who}: {sum}") });
            }
            !is_over
        });
        sums
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::event::{Blame, Kept, RefusalKind, Track, Variant};
    use crate::messages::escape;

    fn refused(peer: &str) -> Event {
        Event::Refused {
            session: SessionId(1),
            track: None,
            peer: peer.to_owned(),
            name: None,
            kind: RefusalKind::Malformed,
            blame: Blame::Peer,
            why: String::new(),
            is_cut: false,
            at_ms: 0,
        }
    }

    fn received(peer: &str, size: u64) -> Event {
        Event::Received {
            track: Track::Receiving(SessionId(1), 1),
            peer: peer.to_owned(),
            name: escape("a.txt"),
            kept: Kept::New,
            size,
            variant: Variant::Plain,
            digest: None,
            seconds: 0.0,
            at_ms: 0,
        }
    }

    fn text(events: &[Event]) -> Vec<&str> {
        events.iter().map(|event| if let Event::Note { text } = event { text.as_str() } else { "" }).collect()
    }

    #[test]
    fn an_address_has_its_lines_and_then_a_sum() {
        let (mut rates, now) = (Rates::new(10), Instant::now());
        let allowed = (0..500).filter(|n| {
            // Ports are of one address.
            let peer = format!("192.0.2.7:{n}");
            rates.allow(&if n % 5 == 0 { received(&peer, 1024) } else { refused(&peer) }, now)
        });
        assert_eq!(allowed.count(), 10);
        assert!(rates.allow(&refused("192.0.2.8:1"), now), "another address");
        assert!(rates.allow(&Event::Note { text: String::new() }, now), "about no client");
        assert_eq!(rates.sums(now), []);
        let sums = rates.sums(now + WINDOW);
        assert_eq!(
            text(&sums),
            ["left out of the log about 192.0.2.7: 98 files received (98 KiB), 392 refused"]
        );
        assert!(rates.allow(&refused("192.0.2.7:1"), now + WINDOW), "a new second");
        assert_eq!(rates.sums(now + 3 * WINDOW), []);
    }

    #[test]
    fn events_that_name_only_the_session_count_for_its_address() {
        let (mut rates, now) = (Rates::new(2), Instant::now());
        let session = SessionId(7);
        assert!(rates.allow(&Event::SessionOpened { session, peer: "192.0.2.7:1".to_owned() }, now));
        assert!(rates.allow(&Event::SessionProved { session }, now));
        assert!(!rates.allow(&Event::SessionClosed { session }, now));
        assert!(rates.sessions.is_empty());
        assert_eq!(text(&rates.sums(now + WINDOW)), ["left out of the log about 192.0.2.7: 1 other lines"]);
    }

    #[test]
    fn the_table_of_addresses_has_a_bound() {
        let (mut rates, now) = (Rates::new(1), Instant::now());
        for n in 0..5000_u32 {
            let [_, b, c, d] = n.to_be_bytes();
            rates.allow(&refused(&format!("10.{b}.{c}.{d}:1")), now);
        }
        assert!(rates.addresses.len() <= ADDRESSES + 1, "{}", rates.addresses.len());
        let sums = rates.sums(now + WINDOW);
        assert!(text(&sums)[0].starts_with("left out of the log about other addresses: 39"), "{sums:?}");
        assert!(rates.addresses.is_empty());
    }
}
