//! Which connections become sessions: how many in all, how many of one address, and which make room for others.
//!
//! A session that has not done anything yet (no file begun, no MODE 3 answered) costs a client nothing, so few of one
//! address are kept, and the oldest of them makes room for another client. A session that has done something is never
//! closed for another one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Arrival;
use super::interrupter::Interrupter;
use super::network::Network;
use crate::event::SessionId;

/// Age from which a session that has not done anything makes room for another one: time for the first steps of a client.
const SETTLED: Duration = Duration::from_secs(1);
/// Sessions that are being closed and still have a thread, beyond the maximum.
const CLOSING: usize = 64;
/// Chance in percent that a client is turned away when half of all places have sessions that did nothing; it grows to 100.
const EARLY: usize = 30;
/// Interval of the line about clients that were turned away.
const SAY: Duration = Duration::from_secs(60);

/// Limits of the sessions at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Sessions in all.
    pub sessions: usize,
    /// Sessions of one IPv4 address or IPv6 /64, of which a sixteenth, at least 4, may not have done anything yet.
    pub per_address: usize,
}

impl Default for Admission {
    fn default() -> Self {
        Self { sessions: 1024, per_address: 256 }
    }
}

impl Admission {
    /// Returns how many sessions of one address may not have done anything yet.
    fn idle_per_address(self) -> usize {
        (self.per_address / 16).max(self.per_address.min(4))
    }
}

/// Why a client is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Turned {
    /// Its address is not one of those that may connect.
    NotAllowed,
    /// It is not a proxy that may state the addresses of clients.
    NotProxy,
    /// Its connection does not begin with the header of a proxy.
    Header,
    /// Its address has as many sessions as one may have.
    PerAddress,
    /// Its address has as many sessions that have not done anything as one may have.
    Idle,
    /// By chance, because many sessions have not done anything.
    Early,
    /// All places are taken by sessions that have done something.
    Full,
    /// Its address had too many bad sessions.
    Penalty,
    /// This process has no descriptor left.
    Descriptors,
}

impl Turned {
    /// Every reason.
    pub(crate) const ALL: [Self; 9] = [
        Self::NotAllowed,
        Self::NotProxy,
        Self::Header,
        Self::PerAddress,
        Self::Idle,
        Self::Early,
        Self::Full,
        Self::Penalty,
        Self::Descriptors,
    ];

    /// Returns the word for programs.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::NotProxy => "not_proxy",
            Self::Header => "proxy_header",
            Self::PerAddress => "address",
            Self::Idle => "idle",
            Self::Early => "early",
            Self::Full => "full",
            Self::Penalty => "penalty",
            Self::Descriptors => "descriptors",
        }
    }
}

impl fmt::Display for Turned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAllowed => "the address is not allowed (--allow-ip)",
            Self::NotProxy => "the address is not one of the proxies (--proxy-protocol)",
            Self::Header => "the connection does not begin as that of a proxy (--proxy-protocol)",
            Self::PerAddress => "too many sessions of one address (--sessions-per-address)",
            Self::Idle => {
                "too many sessions of one address that have not done anything (--sessions-per-address)"
            }
            Self::Early => "most sessions have not done anything (--max-sessions)",
            Self::Full => "all sessions are in use (--max-sessions)",
            Self::Penalty => "too many refused, malformed or abandoned sessions of one address (--penalties)",
            Self::Descriptors => "no file descriptor is left (ulimit -n)",
        })
    }
}

/// A session, as the gate knows it.
#[derive(Debug)]
struct Entry {
    network: Network,
    begun: Instant,
    /// Set by the session when it has done something.
    acted: Arc<AtomicBool>,
    /// Whether it makes room for another one.
    is_closing: bool,
    interrupter: Interrupter,
}

impl Entry {
    fn is_idle(&self) -> bool {
        !self.acted.load(Ordering::Relaxed)
    }
}

/// The sessions that run. Ids grow, so they are in the order of their beginning.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    sessions: BTreeMap<SessionId, Entry>,
}

/// A client that asks for a session.
#[derive(Debug)]
pub(crate) struct Newcomer {
    /// Its network.
    pub(crate) network: Network,
    /// When it was accepted.
    pub(crate) now: Instant,
    /// A random number from 0 to 99.
    pub(crate) dice: usize,
    /// Set when it has done something.
    pub(crate) acted: Arc<AtomicBool>,
    /// Stops its session.
    pub(crate) interrupter: Interrupter,
}

/// A client that was admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// Its session.
    pub(crate) id: SessionId,
    /// The session that makes room for it.
    pub(crate) leaves: Option<SessionId>,
}

impl Gate {
    /// Returns the number of sessions that run.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Stops every session.
    pub(crate) fn interrupt(&self) {
        self.sessions.values().for_each(|entry| entry.interrupter.interrupt());
    }

    /// Forgets a session that has ended.
    pub(crate) fn leave(&mut self, id: SessionId) {
        self.sessions.remove(&id);
    }

    /// Admits a client as the session with the `next` id, which is higher than all before.
    ///
    /// # Errors
    /// The client is turned away.
    pub(crate) fn admit(
        &mut self,
        next: impl FnOnce() -> SessionId,
        newcomer: Newcomer,
        limits: Admission,
    ) -> Result<Admitted, Turned> {
        let Newcomer { network, now, dice, acted, interrupter } = newcomer;
        let leaves = self.room(network, now, dice, limits)?;
        if let Some(leaves) = leaves.and_then(|leaves| self.sessions.get_mut(&leaves)) {
            leaves.is_closing = true;
            leaves.interrupter.interrupt();
        }
        let id = next();
        self.sessions.insert(id, Entry { network, begun: now, acted, is_closing: false, interrupter });
        Ok(Admitted { id, leaves })
    }

    /// Finds a place for a client.
    fn room(
        &self,
        network: Network,
        now: Instant,
        dice: usize,
        limits: Admission,
    ) -> Result<Option<SessionId>, Turned> {
        if self.sessions.len() >= limits.sessions + CLOSING {
            return Err(Turned::Full);
        }
        let open = || self.sessions.iter().filter(|(_, entry)| !entry.is_closing);
        let idle = || open().filter(|(_, entry)| entry.is_idle());
        let idle_of_address = || idle().filter(|(_, entry)| entry.network == network);
        if open().filter(|(_, entry)| entry.network == network).count() >= limits.per_address {
            return Err(Turned::PerAddress);
        }
        if idle_of_address().count() >= limits.idle_per_address() {
            let is_settled = |entry: &Entry| now.saturating_duration_since(entry.begun) >= SETTLED;
            let oldest = idle_of_address().next().filter(|(_, entry)| is_settled(entry));
            return oldest.map(|(id, _)| Some(*id)).ok_or(Turned::Idle);
        }
        if open().count() >= limits.sessions {
            return idle().next().map(|(id, _)| Some(*id)).ok_or(Turned::Full);
        }
        let (idle, half) = (idle().count(), limits.sessions.div_ceil(2));
        let Some(above) = idle.checked_sub(half) else { return Ok(None) };
        let chance = EARLY + (100 - EARLY) * above / (limits.sessions - half).max(1);
        if dice < chance { Err(Turned::Early) } else { Ok(None) }
    }
}

/// Count of the clients that were turned away, and of sessions that made room: one line a minute.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    turned: BTreeMap<Turned, (u64, String)>,
    closed: u64,
    said: Option<Instant>,
}

impl Tally {
    /// Counts a session that makes room, or a client that is turned away; of the latest one, the line has the `details`.
    pub(crate) fn count(&mut self, arrival: Arrival, details: impl FnOnce() -> String) {
        match arrival {
            Arrival::Evicted => self.closed += 1,
            Arrival::Away(why) => {
                let (count, latest) = self.turned.entry(why).or_default();
                *count += 1;
                *latest = details();
            }
        }
    }

    /// Returns when the next line is due; `None`: there is nothing to say.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let is_empty = self.turned.is_empty() && self.closed == 0;
        (!is_empty).then(|| self.said.map_or(now, |said| said + SAY))
    }

    /// Returns the line, if it is due.
    pub(crate) fn line(&mut self, now: Instant) -> Option<String> {
        self.due(now).filter(|due| *due <= now)?;
        self.said = Some(now);
        let turned = std::mem::take(&mut self.turned).into_iter();
        let part = |(why, (count, latest)): (Turned, (u64, String))| match &latest[..] {
            "" => format!("{count} refused: {why}"),
            _ => format!("{count} refused: {why}, such as {latest}"),
        };
        let mut parts: Vec<String> = turned.map(part).collect();
        match std::mem::take(&mut self.closed) {
            0 => {}
            closed => parts.push(format!("{closed} closed that had not done anything, for other clients")),
        }
        Some(format!("sessions since the last such line: {}", parts.join("; ")))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const SMALL: Admission = Admission { sessions: 10, per_address: 8 };

    /// A gate, and the next client.
    struct Door {
        gate: Gate,
        now: Instant,
        next: u64,
        dice: usize,
    }

    impl Door {
        fn new() -> Self {
            Self { gate: Gate::default(), now: Instant::now(), next: 0, dice: 99 }
        }

        /// A client from this address, whose session has done something if `acts`.
        fn knock(&mut self, address: u8, acts: bool) -> Result<Option<u64>, Turned> {
            self.next += 1;
            let newcomer = Newcomer {
                network: Network::of(Some([192, 0, 2, address].into())),
                now: self.now,
                dice: self.dice,
                acted: Arc::new(AtomicBool::new(acts)),
                interrupter: Interrupter::default(),
            };
            let id = SessionId(self.next);
            self.gate.admit(|| id, newcomer, SMALL).map(|admitted| admitted.leaves.map(|id| id.0))
        }
    }

    #[test]
    fn an_address_has_few_sessions_that_did_nothing_and_the_oldest_makes_room() {
        let mut door = Door::new();
        for _ in 0..4 {
            assert_eq!(door.knock(1, false), Ok(None));
        }
        assert_eq!(door.knock(1, false), Err(Turned::Idle), "too new to be closed");
        assert_eq!(door.knock(2, false), Ok(None), "another address");
        door.now += SETTLED;
        assert_eq!(door.knock(1, false), Ok(Some(1)));
        assert_eq!(door.knock(1, false), Ok(Some(2)), "the next oldest");
        let is_closing = |id| door.gate.sessions[&SessionId(id)].interrupter.is_raised();
        assert_eq!([1, 2, 3, 4].map(is_closing), [true, true, false, false]);
    }

    #[test]
    fn an_address_has_no_more_sessions_than_it_may_although_all_of_them_work() {
        let mut door = Door::new();
        for _ in 0..8 {
            assert_eq!(door.knock(1, true), Ok(None));
        }
        door.now += SETTLED;
        assert_eq!(door.knock(1, true), Err(Turned::PerAddress));
        assert_eq!(door.knock(2, false), Ok(None));
        door.gate.leave(SessionId(1));
        assert_eq!(door.knock(1, false), Ok(None));
        assert_eq!(door.gate.len(), 9);
    }

    #[test]
    fn a_full_server_closes_the_oldest_session_that_did_nothing_and_never_one_that_works() {
        let mut door = Door::new();
        for address in 1..=10 {
            assert_eq!(door.knock(address, address % 3 != 0), Ok(None));
        }
        for (address, closed) in [(101, 3), (102, 6), (103, 9)] {
            assert_eq!(door.knock(address, true), Ok(Some(closed)));
        }
        assert_eq!(door.knock(104, true), Err(Turned::Full));
    }

    #[test]
    fn sessions_that_are_being_closed_have_a_bound_too() {
        let mut door = Door::new();
        for address in 0..10 {
            assert_eq!(door.knock(address, false), Ok(None));
        }
        for _ in 0..CLOSING {
            door.now += SETTLED;
            assert!(matches!(door.knock(200, false), Ok(Some(_))));
        }
        assert_eq!(door.knock(200, false), Err(Turned::Full));
    }

    #[test]
    fn from_half_of_the_places_on_chance_decides() {
        let mut door = Door::new();
        door.dice = 0;
        for address in 0..5 {
            assert_eq!(door.knock(address, false), Ok(None));
        }
        let mut at = |dice| {
            door.dice = dice;
            door.knock(6, false)
        };
        assert_eq!([at(29), at(30)], [Err(Turned::Early), Ok(None)], "30 percent at half");
        assert_eq!([at(43), at(44)], [Err(Turned::Early), Ok(None)], "44 percent with one more");
    }

    #[test]
    fn refusals_are_said_at_once_and_then_once_a_minute() {
        let mut tally = Tally::default();
        let now = Instant::now();
        assert_eq!((tally.due(now), tally.line(now)), (None, None));
        let away =
            |tally: &mut Tally, why, details: &str| tally.count(Arrival::Away(why), || details.to_owned());
        away(&mut tally, Turned::Idle, "");
        let first = tally.line(now).unwrap();
        assert!(first.contains("1 refused: too many sessions of one address that have not"), "{first}");
        for _ in 0..1000 {
            away(&mut tally, Turned::Full, "192.0.2.1");
            tally.count(Arrival::Evicted, String::new);
        }
        away(&mut tally, Turned::Full, "192.0.2.2");
        assert_eq!(tally.line(now + SAY / 2), None);
        assert_eq!(tally.due(now), Some(now + SAY));
        let second = tally.line(now + SAY).unwrap();
        assert!(second.contains("1001 refused: all sessions are in use"), "{second}");
        assert!(second.contains(", such as 192.0.2.2; 1000 closed"), "{second}");
        assert!(second.contains("1000 closed that had not done anything"), "{second}");
        assert_eq!(tally.line(now + 2 * SAY), None);
    }

    #[test]
    fn the_share_of_an_address_has_a_lower_bound() {
        let of = |per_address| Admission { per_address, ..Admission::default() }.idle_per_address();
        assert_eq!([256, 4096, 64, 8, 3, 0].map(of), [16, 256, 4, 4, 3, 0]);
    }
}
