//! How long a peer may take: for its first message, for each message, and for the bytes of a body.
//!
//! ```text
//!   accepted ── login ──► first message ── begin ──► a file begins, or MODE 3 is answered ── idle between messages
//!                               each message: `message` from its first byte to its last, whatever comes in between
//!                               a body: `silence` without a byte, and `rate` on average over the same time
//! ```

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// Times that a server gives its clients, and the slowest rate of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Time from the start of the connection to the end of the first message.
    pub login: Duration,
    /// Time from the start of the connection until a file begins or MODE 3 is answered.
    pub begin: Duration,
    /// Silence between two messages of a client that has done one of these: a person may choose files in between.
    pub idle: Duration,
    /// Time for a message of at most 4 KiB, from its first byte to its last.
    pub message: Duration,
    /// Silence inside a body, and the time over which its rate is averaged.
    pub silence: Duration,
    /// Least bytes of a body in a second, on average over [`silence`](Self::silence); 0: no limit.
    pub rate: u64,
    /// Time in which a client must take an answer to MODE 3.
    pub answer: Duration,
    /// Time in which a client must hang up after MODE 2, whatever it still sends.
    pub farewell: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            login: Duration::from_secs(30),
            begin: Duration::from_secs(60),
            idle: Duration::from_secs(900),
            message: Duration::from_secs(10),
            silence: Duration::from_secs(60),
            rate: 1024,
            answer: Duration::from_secs(60),
            farewell: Duration::from_secs(5),
        }
    }
}

impl Deadlines {
    /// Returns the pace that a body must keep; `None`: any.
    #[must_use]
    pub(crate) fn pace(&self) -> Option<Pace> {
        Pace::new(self.rate, self.silence)
    }
}

/// The deadline that a client missed between bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    /// No complete message came in this time.
    Login(Duration),
    /// No file began and no MODE 3 was answered in this time.
    Begin(Duration),
    /// A message did not end in this time.
    Message(Duration),
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(time) => {
                write!(f, "no complete message within {} s (--login-grace)", time.as_secs_f64())
            }
            Self::Begin(time) => {
                write!(
                    f,
                    "no file and no MODE 3 within {} s, twice the time of --login-grace",
                    time.as_secs_f64()
                )
            }
            Self::Message(time) => {
                write!(f, "the message is not complete after {} s (--message-time)", time.as_secs_f64())
            }
        }
    }
}

/// When a connection began, and the message that is being read: the deadlines of both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    deadlines: Deadlines,
    /// When the connection began.
    begun: Instant,
    /// When the first byte of the current message came.
    message: Option<Instant>,
    progress: Progress,
}

/// What a client has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Progress {
    /// Sent no complete message.
    Nothing,
    /// Sent a message.
    Spoke,
    /// Began a file, or got an answer to MODE 3.
    Acted,
}

impl Clocks {
    /// Starts the clocks of a connection that was accepted now.
    pub(crate) const fn new(deadlines: Deadlines, now: Instant) -> Self {
        Self { deadlines, begun: now, message: None, progress: Progress::Nothing }
    }

    /// Notes what the client has done.
    pub(crate) fn progress(&mut self, progress: Progress) {
        self.progress = self.progress.max(progress);
    }

    /// Returns whether the client has begun a file or got an answer to MODE 3.
    pub(crate) const fn has_acted(&self) -> bool {
        matches!(self.progress, Progress::Acted)
    }

    /// Notes whether a message has begun and not ended, and returns the moment when its reading fails.
    pub(crate) fn reading(&mut self, is_inside: bool, now: Instant) -> Option<Instant> {
        self.message = if is_inside { self.message.or(Some(now)) } else { None };
        self.until().map(|(until, _)| until)
    }

    /// Notes the end of a message.
    pub(crate) const fn end_message(&mut self) {
        self.message = None;
    }

    /// Returns the deadline that has passed.
    pub(crate) fn missed(&self, now: Instant) -> Option<Late> {
        self.until().filter(|(until, _)| now >= *until).map(|(_, late)| late)
    }

    /// Returns the next deadline, and what it is of.
    fn until(&self) -> Option<(Instant, Late)> {
        let Deadlines { login, begin, message, .. } = self.deadlines;
        let of_message = self.message.map(|begun| (begun + message, Late::Message(message)));
        let of_login = match self.progress {
            Progress::Nothing => Some((self.begun + login, Late::Login(login))),
            Progress::Spoke => Some((self.begun + begin, Late::Begin(begin))),
            Progress::Acted => None,
        };
        of_message.into_iter().chain(of_login).min_by_key(|(until, _)| *until)
    }
}

/// Least rate of a peer. Only the time that this side spends waiting for the peer counts, so a busy disk or processor here
/// is never taken for a slow peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Bytes that must move in each window.
    floor: u64,
    window: Duration,
    /// Bytes that moved in this window.
    moved: u64,
    /// Time waited in this window.
    waited: Duration,
}

impl Pace {
    /// Requires `rate` bytes in a second, on average over `window`. `None`: a rate of 0 requires nothing.
    #[must_use]
    pub(crate) fn new(rate: u64, window: Duration) -> Option<Self> {
        let floor = u64::try_from(u128::from(rate) * window.as_millis() / 1000).unwrap_or(u64::MAX);
        (rate > 0).then_some(Self { floor: floor.max(1), window, moved: 0, waited: Duration::ZERO })
    }

    /// Returns how long this side may still wait for the rest of the window's bytes; zero: the peer is too slow.
    #[must_use]
    pub(crate) const fn left(&self) -> Duration {
        self.window.saturating_sub(self.waited)
    }

    /// Counts bytes that moved after a wait.
    pub(crate) fn count(&mut self, bytes: u64, waited: Duration) {
        self.moved = self.moved.saturating_add(bytes);
        self.waited = self.waited.saturating_add(waited);
        if self.moved >= self.floor {
            (self.moved, self.waited) = (0, Duration::ZERO);
        }
    }

    /// Returns the error of a peer that is too slow.
    pub(crate) fn error(&self) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, TooSlow { bytes: self.floor, window: self.window })
    }
}

/// The peer moved fewer bytes than it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too slow: fewer than {bytes} bytes in {} s", .window.as_secs_f64())]
pub(crate) struct TooSlow {
    /// Bytes that had to move at least.
    pub(crate) bytes: u64,
    /// Time in which they had to.
    pub(crate) window: Duration,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::event::{Jobs, Limit};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn connections_that_share_the_lowest_limit_are_fast_enough_for_a_server() {
        let each = Limit::LEAST / Jobs::MOST.count() as u64;
        assert!(each >= 2 * Deadlines::default().rate, "{each}");
    }

    #[test]
    fn a_trickle_is_too_slow_after_one_window_and_the_least_rate_never_is() {
        let mut pace = Pace::new(1024, 60 * SECOND).unwrap();
        // A byte each ten seconds.
        for n in 1..=6 {
            assert_eq!(pace.left(), (70 - 10 * n) * SECOND);
            pace.count(1, 10 * SECOND);
        }
        assert_eq!(pace.left(), Duration::ZERO);
        assert!(pace.error().to_string().contains("fewer than 61440 bytes in 60 s"), "{}", pace.error());
        let mut pace = Pace::new(1024, 60 * SECOND).unwrap();
        for _ in 0..1000 {
            pace.count(1024, SECOND);
            assert!(pace.left() > Duration::ZERO);
        }
        // A burst, then nothing for almost the whole time, is the same rate.
        for _ in 0..10 {
            pace.count(61_440, Duration::ZERO);
            pace.count(0, 59 * SECOND);
            assert!(pace.left() > Duration::ZERO);
            pace.count(61_440, SECOND / 2);
        }
        assert_eq!(Pace::new(0, SECOND), None);
    }

    #[test]
    fn a_pace_counts_only_the_time_that_this_side_waits() {
        let mut pace = Pace::new(1024, 60 * SECOND).unwrap();
        // Bytes that were here already, however long this side took for them.
        for _ in 0..1000 {
            pace.count(1, Duration::ZERO);
        }
        assert_eq!(pace.left(), 60 * SECOND);
    }

    #[test]
    fn a_client_that_acted_has_no_deadline_between_messages_and_each_message_has_one() {
        let deadlines = Deadlines::default();
        let begun = Instant::now();
        let at = |seconds: u32| begun + seconds * SECOND;
        let mut clocks = Clocks::new(deadlines, begun);
        assert_eq!(clocks.reading(false, begun), Some(at(30)));
        assert_eq!(clocks.missed(at(29)), None);
        assert_eq!(clocks.missed(at(30)), Some(Late::Login(30 * SECOND)));
        // The first byte starts the message's clock, and no further byte moves it.
        for seconds in [5, 10, 14] {
            assert_eq!(clocks.reading(true, at(seconds)), Some(at(15)));
        }
        assert_eq!(clocks.missed(at(15)), Some(Late::Message(10 * SECOND)));
        assert_eq!(clocks.reading(true, at(29)), Some(at(15)));
        clocks.end_message();
        clocks.progress(Progress::Spoke);
        assert_eq!(clocks.reading(false, at(29)), Some(at(60)));
        assert_eq!(clocks.missed(at(60)), Some(Late::Begin(60 * SECOND)));
        clocks.progress(Progress::Acted);
        clocks.progress(Progress::Spoke);
        assert_eq!(clocks.reading(false, at(500)), None);
        assert_eq!(clocks.missed(at(100_000)), None);
        assert_eq!(clocks.reading(true, at(600)), Some(at(610)));
    }
}
