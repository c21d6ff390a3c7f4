//! One time axis for the bars of all lanes, once a lane has ended.

use std::time::Duration;

use super::{Race, Track};
use crate::event::State;
use crate::messages::units::Alike;
use crate::ui::text;

/// Shortest time so far that is shown; a shorter one would read as zero beside long ones.
const SHORTEST: f64 = 0.01;

/// Axis of time: the length of a bar is the lane's time as a part of `whole`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    /// Seconds of a bar of the full length.
    whole: f64,
    alike: Alike,
}

/// A lane's time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum LaneTime {
    /// Seconds that the lane took.
    Took(f64),
    /// Seconds so far.
    SoFar(f64),
    /// Nothing to show: the lane has not begun, or did not arrive.
    Unknown,
}

impl Race {
    /// Returns the common axis; `None` while no lane has ended, when bars show progress.
    pub(super) fn axis(&self, now: Duration) -> Option<Axis> {
        let ended = || self.tracks.iter().filter_map(|track| track.seconds().or(track.times.last().copied()));
        ended().next()?;
        let longest = self.tracks.iter().map(|track| track.expected(now)).chain(ended()).fold(0.0, f64::max);
        Some(Axis { whole: longest.max(1e-9), alike: Alike::of(ended()) })
    }
}

impl Track {
    /// Returns the seconds that the running lane will take, as far as it is known; 0 if it does not run.
    fn expected(&self, now: Duration) -> f64 {
        let Some(elapsed) = self.elapsed(now) else { return 0.0 };
        let eta = self.snapshot.eta_ms.filter(|_| self.state == State::Sending);
        (elapsed + Duration::from_millis(eta.unwrap_or(0))).as_secs_f64()
    }

    /// Returns the time since the first byte of MODE 0; `None` if the lane does not run.
    pub(super) fn elapsed(&self, now: Duration) -> Option<Duration> {
        let is_running = matches!(self.state, State::Sending | State::Sent);
        let since = now.saturating_sub(self.seen).min(Duration::from_secs(3600));
        is_running.then(|| Duration::from_millis(self.snapshot.elapsed_ms) + since)
    }

    /// Returns where the lane is on the axis. Between two laps it is where the last one ended.
    pub(super) fn time(&self, now: Duration) -> LaneTime {
        match (&self.state, self.seconds(), self.elapsed(now)) {
            (State::Failed(_) | State::Cancelled, None, _) => LaneTime::Unknown,
            (_, Some(seconds), _) => LaneTime::Took(seconds),
            (_, None, Some(elapsed)) => LaneTime::SoFar(elapsed.as_secs_f64()),
            (_, None, None) => {
                self.times.last().map_or(LaneTime::Unknown, |seconds| LaneTime::Took(*seconds))
            }
        }
    }
}

impl Axis {
    /// Returns the length of a bar, 0 to 1.
    pub(super) fn share(self, time: LaneTime) -> f64 {
        match time {
            LaneTime::Took(seconds) | LaneTime::SoFar(seconds) => (seconds / self.whole).clamp(0.0, 1.0),
            LaneTime::Unknown => 0.0,
        }
    }

    /// Returns the time behind a bar, in the unit of all lanes.
    pub(super) fn label(self, time: LaneTime) -> String {
        match time {
            LaneTime::Took(seconds) => self.alike.show(seconds),
            LaneTime::SoFar(seconds) if seconds >= SHORTEST => text::race::so_far(&self.alike.show(seconds)),
            LaneTime::SoFar(_) | LaneTime::Unknown => String::new(),
        }
    }
}
