//! Screen 2, the race: the same bytes through several lanes, side by side on the screen.
//!
//! ```text
//!   mod.rs       what is raced, and how it proceeds
//!   actions.rs   what keys and events do
//!   edit.rs      lanes and their servers, before the race
//!   draw.rs      the layout        lane.rs     one lane       stages.rs   where its time goes
//!   axis.rs      one time axis     result.rs   the ratio, and why
//!   podium.rs    the result in large letters (z)
//! ```

mod actions;
mod axis;
mod draw;
mod edit;
mod lane;
mod podium;
mod result;
mod stages;

use std::path::PathBuf;
use std::time::Duration;

use crate::event::{
    Course, Dialect, Lane, LaneResult, Pace, Proof, RaceOrder, Snapshot, State, Subject, Target, Verdict,
};
use crate::messages::race::Entrant;
use crate::ui::layout::Ring;
use crate::ui::widgets::chart::Curve;
use crate::ui::{fit, text};

pub(in crate::ui) use self::edit::Size;

/// Setup and progress of one lane.
#[derive(Debug)]
pub(in crate::ui) struct Track {
    pub(in crate::ui) lane: Lane,
    pub(in crate::ui) state: State,
    snapshot: Snapshot,
    proof: Option<Proof>,
    /// Result of the latest lap, or of the whole race once it is over.
    result: Option<LaneResult>,
    /// Length in bits of the key that the built-in server makes for the lane.
    key: Option<usize>,
    /// Number of the lap, from 1; 0 before the first.
    lap: u32,
    /// Seconds of each lap that was completed.
    times: Vec<f64>,
    curve: Curve,
    since: Duration,
    seen: Duration,
}

impl Track {
    fn new(lane: Lane) -> Self {
        Self {
            lane,
            state: State::Waiting,
            snapshot: Snapshot::default(),
            proof: None,
            result: None,
            key: None,
            lap: 0,
            times: Vec::new(),
            curve: Curve::default(),
            since: Duration::ZERO,
            seen: Duration::ZERO,
        }
    }

    fn proof(&self) -> Option<&Proof> {
        self.proof.as_ref().or(self.result.as_ref().and_then(|result| result.proof.as_ref()))
    }

    /// Returns what the lane is named after. The length of the key is the proven one, else the one that was chosen.
    fn entrant(&self) -> Entrant {
        let bits = self.proof().map(|proof| proof.bits).or(self.lane.bits);
        Entrant { dialect: self.lane.dialect, bits }
    }

    /// Returns the lane's time in seconds, once it has one.
    fn seconds(&self) -> Option<f64> {
        self.result.as_ref().filter(|result| result.fault.is_none()).map(|result| result.seconds)
    }

    /// Returns the lane's steady rate in bytes per second, once it was measured.
    fn steady(&self) -> Option<f64> {
        self.result.as_ref().and_then(|result| result.pace).map(Pace::rate)
    }

    fn is_generated(&self) -> bool {
        self.result.as_ref().is_some_and(|result| result.generated)
    }

    /// Begins another lap.
    fn again(&mut self) {
        self.snapshot = Snapshot::default();
        self.result = None;
        self.curve = Curve::default();
    }
}

/// Phase of the race.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Ready,
    /// Running since this time.
    Running(Duration),
    Over,
}

/// State of the race.
#[derive(Debug)]
pub(in crate::ui) struct Race {
    ring: Ring,
    /// Chosen file and its size.
    file: Option<(PathBuf, u64)>,
    name: String,
    size: Size,
    course: Course,
    laps: u32,
    /// Bytes that each lane sends, once the race has reported them.
    bytes: u64,
    pub(in crate::ui) tracks: Vec<Track>,
    /// Index of the chosen lane, which dialogs are about.
    pub(in crate::ui) at: usize,
    phase: Phase,
    verdict: Option<Verdict>,
    /// Whether the axes of the chart are linear.
    is_linear: bool,
    /// Curves of a frozen chart.
    frozen: Option<Vec<Curve>>,
    /// Whether the podium is shown instead of lanes and chart.
    pub(in crate::ui) is_large: bool,
}

impl Race {
    /// Creates a race of CP1 against CP2.
    fn between(target: &Target, dialect: Dialect) -> Self {
        Self {
            ring: Ring::new(&[actions::PANE]),
            file: None,
            name: String::new(),
            size: Size::MiB(8),
            course: Course::InTurn,
            laps: 1,
            bytes: 0,
            tracks: edit::both(target, dialect),
            at: 0,
            phase: Phase::Ready,
            verdict: None,
            is_linear: false,
            frozen: None,
            is_large: false,
        }
    }

    pub(in crate::ui) fn choose(&mut self, path: PathBuf, size: u64) {
        self.name = fit::name(path.file_name().unwrap_or(path.as_os_str()));
        self.file = Some((path, size));
        self.size = self.size.of_a_file();
        self.reset();
    }

    /// Returns the order that Enter sends; `None` while no file was chosen.
    fn race_order(&self) -> Option<RaceOrder> {
        let subject = match (self.size, &self.file) {
            (Size::Generated(n), _) => Subject::Generated { bytes: n << 20 },
            (size, Some((path, _))) => Subject::File { path: path.clone(), limit: size.limit() },
            (_, None) => return None,
        };
        let lanes = self.tracks.iter().map(|track| track.lane.clone()).collect();
        Some(RaceOrder { course: self.course, laps: self.laps, ..RaceOrder::new(subject, lanes) })
    }

    /// Returns the bytes that each lane will send.
    pub(in crate::ui) fn work(&self) -> u64 {
        let whole = self.file.as_ref().map_or(0, |(_, size)| *size);
        match self.size {
            Size::Generated(n) => n << 20,
            size => size.limit().map_or(whole, |limit| limit.min(whole)),
        }
    }

    pub(in crate::ui) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running(_))
    }

    /// Returns whether the race began so recently that a second key press cannot mean to stop it.
    pub(in crate::ui) fn is_fresh(&self, now: Duration) -> bool {
        matches!(self.phase, Phase::Running(since) if now.saturating_sub(since) < Duration::from_millis(500))
    }

    fn reset(&mut self) {
        for track in &mut self.tracks {
            *track = Track::new(track.lane.clone());
        }
        self.verdict = None;
        self.frozen = None;
        self.bytes = 0;
        self.phase = Phase::Ready;
    }

    // Events

    /// Notes that the order was sent; the worker has not reported the start yet.
    pub(in crate::ui) fn ordered(&mut self, now: Duration) {
        self.reset();
        self.bytes = self.work();
        self.phase = Phase::Running(now);
    }

    pub(in crate::ui) fn started(
        &mut self,
        name: &str,
        bytes: u64,
        lanes: Vec<Lane>,
        (course, laps): (Course, u32),
        now: Duration,
    ) {
        self.tracks = lanes.into_iter().map(Track::new).collect();
        self.at = self.at.min(self.tracks.len().saturating_sub(1));
        self.name = fit::escaped(name);
        self.bytes = bytes;
        (self.course, self.laps) = (course, laps.max(1));
        self.verdict = None;
        if !self.is_running() {
            self.phase = Phase::Running(now);
        }
    }

    pub(in crate::ui) fn key_coming(&mut self, lane: usize, bits: usize) {
        if let Some(track) = self.tracks.get_mut(lane) {
            track.key = Some(bits);
        }
    }

    pub(in crate::ui) fn changed(&mut self, lane: usize, state: State, now: Duration) {
        if let Some(track) = self.tracks.get_mut(lane) {
            if state == State::Connecting {
                if track.state.is_final() {
                    track.again();
                }
                track.key = None;
                track.lap += 1;
            }
            track.state = state;
            track.since = now;
            track.seen = now;
        }
    }

    pub(in crate::ui) fn progressed(&mut self, lane: usize, snapshot: Snapshot, now: Duration) {
        if let Some(track) = self.tracks.get_mut(lane) {
            track.curve.add(snapshot.elapsed_ms as f64 / 1000.0, snapshot.file_bytes);
            track.snapshot = snapshot;
            track.seen = now;
        }
    }

    pub(in crate::ui) fn proven(&mut self, lane: usize, proof: Proof) {
        if let Some(track) = self.tracks.get_mut(lane) {
            track.proof = Some(proof);
        }
    }

    /// Takes the result of a lap.
    pub(in crate::ui) fn lap_finished(&mut self, lane: usize, result: LaneResult) {
        if let Some(track) = self.tracks.get_mut(lane) {
            if result.fault.is_none() {
                track.times.push(result.seconds);
            }
            track.take(result);
        }
    }

    /// Returns the result, once the race is over.
    pub(in crate::ui) const fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    pub(in crate::ui) fn finished(&mut self, verdict: Verdict) {
        for (track, result) in self.tracks.iter_mut().zip(&verdict.lanes) {
            track.take(result.clone());
            if result.fault.is_none() && result.curve.is_empty() {
                track.curve.add(result.seconds, verdict.bytes);
            }
            if !result.laps.is_empty() {
                track.times.clone_from(&result.laps);
            }
        }
        self.bytes = verdict.bytes;
        self.verdict = Some(verdict);
        self.phase = Phase::Over;
    }

    /// Returns what is raced, such as `cmos.mp4 · first 8 MiB`.
    fn title(&self) -> String {
        let subject = match (&self.file, self.size) {
            (_, Size::Generated(n)) => text::race::generated(n << 20),
            (None, _) => return text::NO_RACE_FILE.to_owned(),
            (Some((_, size)), of) => match of.limit() {
                Some(limit) if limit < *size => text::first_of(&self.name, limit),
                _ => text::whole_of(&self.name, *size),
            },
        };
        format!("{subject}{}", text::race::manner(self.course, self.laps))
    }

    /// Returns what the lanes are named after.
    fn entrants(&self) -> Vec<Entrant> {
        self.tracks.iter().map(Track::entrant).collect()
    }

    /// Returns the highest rate of all lanes, which every rate bar is compared with.
    fn peak(&self) -> f64 {
        self.tracks.iter().map(|track| track.snapshot.rate_peak).fold(0.0, f64::max)
    }
}

impl Track {
    fn take(&mut self, result: LaneResult) {
        if !result.curve.is_empty() {
            self.curve = Curve::of(&result.curve);
        }
        self.result = Some(result);
    }
}
