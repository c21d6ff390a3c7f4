//! The race: one file through several lanes, in turn, side by side on the screen.

use std::path::PathBuf;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::bar::{self, Fill};
use super::chart::{Chart, Curve};
use super::{Pane, frame, rows};
use crate::event::{Dialect, Lane, LaneResult, Padding, Proof, Snapshot, State, Target, Variant, Verdict};
use crate::ui::theme::Focus;
use crate::ui::{fit, text};
use crate::units;

/// How much of the file each lane sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum Size {
    MiB(u64),
    Whole,
}

impl Size {
    pub(in crate::ui) fn limit(self) -> Option<u64> {
        match self {
            Self::MiB(n) => Some(n << 20),
            Self::Whole => None,
        }
    }

    fn next(self) -> Self {
        match self {
            Self::MiB(1) => Self::MiB(8),
            Self::MiB(8) => Self::MiB(64),
            Self::MiB(_) => Self::Whole,
            Self::Whole => Self::MiB(1),
        }
    }
}

/// One lane as it is set up and as it goes.
#[derive(Debug)]
pub(in crate::ui) struct Track {
    pub(in crate::ui) lane: Lane,
    pub(in crate::ui) state: State,
    snapshot: Snapshot,
    proof: Option<Proof>,
    result: Option<LaneResult>,
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
            curve: Curve::default(),
            since: Duration::ZERO,
            seen: Duration::ZERO,
        }
    }
}

/// CP1 against CP2.
fn both(target: &Target, dialect: Dialect) -> Vec<Track> {
    let lane = |variant| Track::new(Lane::new(target.clone(), Dialect { variant, ..dialect }));
    vec![lane(Variant::Cp1), lane(Variant::Cp2)]
}

/// Whether lanes move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Ready,
    /// Since when.
    Running(Duration),
    Over,
}

/// The race's state.
#[derive(Debug)]
pub(in crate::ui) struct Race {
    /// The local file and its size.
    file: Option<(PathBuf, u64)>,
    name: String,
    size: Size,
    /// Bytes that each lane sends, once the race has said so.
    bytes: u64,
    pub(in crate::ui) tracks: Vec<Track>,
    /// The lane that a dialog would be about.
    pub(in crate::ui) at: usize,
    phase: Phase,
    verdict: Option<Verdict>,
}

impl Race {
    /// CP1 against CP2.
    pub(in crate::ui) fn new(target: &Target, dialect: Dialect) -> Self {
        Self {
            file: None,
            name: String::new(),
            size: Size::MiB(8),
            bytes: 0,
            tracks: both(target, dialect),
            at: 0,
            phase: Phase::Ready,
            verdict: None,
        }
    }

    pub(in crate::ui) fn file(&self) -> Option<&(PathBuf, u64)> {
        self.file.as_ref()
    }

    pub(in crate::ui) fn choose(&mut self, path: PathBuf, size: u64) {
        self.name = fit::name(path.file_name().unwrap_or(path.as_os_str()));
        self.file = Some((path, size));
        self.reset();
    }

    pub(in crate::ui) fn next_size(&mut self) {
        if !self.is_running() {
            self.size = self.size.next();
            self.reset();
        }
    }

    pub(in crate::ui) fn limit(&self) -> Option<u64> {
        self.size.limit()
    }

    /// Bytes that each lane will send.
    pub(in crate::ui) fn work(&self) -> u64 {
        let whole = self.file.as_ref().map_or(0, |(_, size)| *size);
        self.size.limit().map_or(whole, |limit| limit.min(whole))
    }

    pub(in crate::ui) fn lanes(&self) -> Vec<Lane> {
        self.tracks.iter().map(|track| track.lane.clone()).collect()
    }

    pub(in crate::ui) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running(_))
    }

    /// Whether it began so recently that a second key press cannot mean to stop it.
    pub(in crate::ui) fn is_fresh(&self, now: Duration) -> bool {
        matches!(self.phase, Phase::Running(since) if now.saturating_sub(since) < Duration::from_millis(500))
    }

    pub(in crate::ui) fn next_lane(&mut self, by: usize) {
        self.at = (self.at + by) % self.tracks.len().max(1);
    }

    /// Sends CP1 and CP2 to this server, as the dialect has it apart from the variant; a running
    /// race is left alone.
    pub(in crate::ui) fn aim(&mut self, target: &Target, dialect: Dialect) {
        if self.is_running() {
            return;
        }
        self.reset();
        self.tracks = both(target, dialect);
    }

    /// Sends one lane to this server; a running race is left alone.
    pub(in crate::ui) fn aim_lane(&mut self, lane: usize, target: Target, dialect: Dialect) {
        if self.is_running() {
            return;
        }
        self.reset();
        if let Some(track) = self.tracks.get_mut(lane) {
            track.lane = Lane::new(target, dialect);
        }
    }

    /// Changes the padding of every lane.
    pub(in crate::ui) fn pad(&mut self, padding: Padding) {
        if self.is_running() {
            return;
        }
        for track in &mut self.tracks {
            track.lane.dialect.padding = padding;
        }
    }

    fn reset(&mut self) {
        for track in &mut self.tracks {
            *track = Track::new(track.lane.clone());
        }
        self.verdict = None;
        self.bytes = 0;
        self.phase = Phase::Ready;
    }

    // What is reported

    /// The order has gone out; the worker has not said so yet.
    pub(in crate::ui) fn ordered(&mut self, now: Duration) {
        self.reset();
        self.bytes = self.work();
        self.phase = Phase::Running(now);
    }

    pub(in crate::ui) fn started(&mut self, name: &str, bytes: u64, lanes: Vec<Lane>, now: Duration) {
        self.tracks = lanes.into_iter().map(Track::new).collect();
        self.at = self.at.min(self.tracks.len().saturating_sub(1));
        self.name = fit::escaped(name);
        self.bytes = bytes;
        self.verdict = None;
        if !self.is_running() {
            self.phase = Phase::Running(now);
        }
    }

    pub(in crate::ui) fn changed(&mut self, lane: usize, state: State, now: Duration) {
        if let Some(track) = self.tracks.get_mut(lane) {
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

    pub(in crate::ui) fn finished(&mut self, verdict: Verdict) {
        for (track, result) in self.tracks.iter_mut().zip(&verdict.lanes) {
            track.result = Some(result.clone());
            if result.fault.is_none() {
                track.curve.add(result.seconds, verdict.bytes);
            }
        }
        self.bytes = verdict.bytes;
        self.verdict = Some(verdict);
        self.phase = Phase::Over;
    }

    /// `cmos.mp4 · first 8 MiB`
    pub(in crate::ui) fn subject(&self) -> String {
        match &self.file {
            None => text::NO_RACE_FILE.to_owned(),
            Some((_, size)) => match self.size.limit() {
                Some(limit) if limit < *size => text::first_of(&self.name, limit),
                _ => text::whole_of(&self.name, *size),
            },
        }
    }

    /// The highest rate of any lane: all rate bars are measured against it.
    fn peak(&self) -> f64 {
        self.tracks.iter().map(|track| track.snapshot.rate_peak).fold(0.0, f64::max)
    }
}

/// Where the lanes lie: above each other, or beside each other where there is room.
pub(in crate::ui) fn lane_areas(area: Rect, lanes: usize) -> (Vec<Rect>, Rect) {
    let beside = area.width >= 110;
    let height = if area.height < 16 { 4 } else { 5 };
    let rows = if beside { 1 } else { super::columns(lanes) };
    let [top, rest] =
        Layout::vertical([Constraint::Length((height * rows).min(area.height)), Constraint::Fill(1)])
            .areas(area);
    let parts = vec![Constraint::Fill(1); lanes];
    let layout = if beside { Layout::horizontal(parts) } else { Layout::vertical(parts) };
    (layout.split(top).to_vec(), rest)
}

impl Widget for Pane<'_, Race> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let (lanes, rest) = lane_areas(area, self.of.tracks.len());
        for (at, lane) in lanes.into_iter().enumerate() {
            self.lane(at, lane, buf);
        }
        let words = self.words(usize::from(rest.width).saturating_sub(2));
        let [chart, foot] = Layout::vertical([
            Constraint::Fill(1),
            Constraint::Length(super::columns(words.len()).min(rest.height)),
        ])
        .areas(rest);
        Chart {
            curves: self
                .of
                .tracks
                .iter()
                .enumerate()
                .map(|(at, track)| {
                    (&track.curve, track.lane.dialect.variant.to_string(), self.theme.lane(at))
                })
                .collect(),
            axis: self.theme.faint(),
        }
        .render(chart, buf);
        for (line, area) in words.into_iter().zip(rows(foot)) {
            line.render(area, buf);
        }
    }
}

impl Pane<'_, Race> {
    /// ```text
    /// ╭ CP1 OAEP, RSA-1024 ✓ proven ────────────────── sending   11 % ╮
    /// │ ████████▌░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ ≥ 2.7 s │
    /// │ rate ███▌───┊───────────────────  2.9 MiB/s now, mean 2.8      │
    /// │ wire ×2.06  17.3 of 17.3 MiB  to 127.0.0.1:4321                │
    /// ╰────────────────────────────────────────────────────────────────╯
    /// ```
    fn lane(&self, at: usize, area: Rect, buf: &mut Buffer) {
        let track = &self.of.tracks[at];
        let focus = if at == self.of.at { self.focus } else { Focus::Elsewhere };
        let share = self.share(track);
        let figures = match track.state {
            State::Sending => format!("{}  {}", text::state(&track.state), text::percent(share)),
            _ => text::state(&track.state).to_owned(),
        };
        let proof = track.proof.as_ref().or(track.result.as_ref().and_then(|result| result.proof.as_ref()));
        let title = text::lane_title(track.lane.dialect, proof);
        let block = frame(self.theme, focus, &title, &figures, area);
        let inner = block.inner(area);
        block.render(area, buf);
        let width = usize::from(inner.width);
        let lines = [self.progress(at, share, width), self.rate(track, width), self.wire(track, width)];
        for (line, area) in lines.into_iter().zip(rows(inner)) {
            line.render(area, buf);
        }
    }

    fn share(&self, track: &Track) -> f64 {
        match track.state {
            State::Delivered | State::Stored { .. } => 1.0,
            _ => (track.snapshot.file_bytes as f64 / self.of.bytes.max(1) as f64).min(0.99),
        }
    }

    fn progress(&self, at: usize, share: f64, width: usize) -> Line<'static> {
        let track = &self.of.tracks[at];
        let fill = match track.state {
            State::Delivered | State::Stored { .. } => Fill::Full,
            State::Sent => Fill::Hatched,
            _ => Fill::Share(share),
        };
        let clock = fit::right(&self.clock(track), 12);
        let mut line = Line::default();
        line.spans.extend(bar::progress(
            fill,
            width.saturating_sub(12),
            self.theme.lane(at),
            self.theme.faint(),
        ));
        line.push_span(Span::raw(clock));
        line
    }

    /// From the first byte of MODE 0 to Delivered; until then, and where that is never reached, "≥".
    fn clock(&self, track: &Track) -> String {
        if let Some(result) = track.result.as_ref().filter(|result| result.fault.is_none()) {
            return text::seconds(result.seconds);
        }
        let elapsed = Duration::from_millis(track.snapshot.elapsed_ms);
        match track.state {
            State::Delivered | State::Stored { .. } => units::duration(elapsed),
            State::Sending | State::Sent => {
                text::at_least(elapsed + self.now.saturating_sub(track.seen).min(Duration::from_secs(3600)))
            }
            State::Waiting | State::Connecting | State::Proving => String::new(),
            State::Failed(_) | State::Cancelled => "—".to_owned(),
        }
    }

    fn rate(&self, track: &Track, width: usize) -> Line<'static> {
        if let State::Failed(fault) = &track.state {
            return Line::styled(fit::cut(&text::fault_line(fault), width), self.theme.bad());
        }
        let snapshot = &track.snapshot;
        let idle = Duration::from_millis(snapshot.idle_ms) + self.now.saturating_sub(track.seen);
        let (now, words, style) = if track.state == State::Sending && idle >= text::STALL {
            (0.0, text::stalled(idle), self.theme.warn())
        } else if track.state == State::Sending {
            (snapshot.rate_now, text::rates(snapshot), Style::new())
        } else if track.state == State::Sent {
            (0.0, text::unconfirmed(self.now.saturating_sub(track.since)), Style::new())
        } else {
            (self.mean(track), text::mean(self.mean(track)), Style::new())
        };
        let figures = 30.min(width / 2);
        let bar = width.saturating_sub(5 + 1 + figures);
        let peak = self.of.peak();
        let mut line = Line::from(Span::styled("rate ", self.theme.faint()));
        line.spans.extend(bar::rate(now, self.mean(track), peak, bar, self.theme.rate(), self.theme.faint()));
        line.push_span(Span::styled(format!(" {}", fit::cut(&words, figures)), style));
        line
    }

    /// Over the whole lane, once it is known.
    fn mean(&self, track: &Track) -> f64 {
        match &track.result {
            Some(result) if result.fault.is_none() && result.seconds > 0.0 => {
                self.of.bytes as f64 / result.seconds
            }
            _ => track.snapshot.rate_mean,
        }
    }

    fn wire(&self, track: &Track, width: usize) -> Line<'static> {
        let snapshot = &track.snapshot;
        let place = match &track.lane.target {
            Target::Embedded => text::THIS_COMPUTER.to_owned(),
            Target::Server { address, .. } => fit::escaped(address),
        };
        let words = text::lane_wire(snapshot, &place);
        Line::styled(fit::cut(&words, width), self.theme.faint())
    }

    /// What the race is about, or what it has shown.
    fn words(&self, width: usize) -> Vec<Line<'static>> {
        let sentence = match (&self.of.verdict, self.of.phase) {
            (Some(verdict), _) => text::verdict(verdict),
            (None, Phase::Running(_)) => text::RACING.to_owned(),
            (None, _) if self.of.file.is_none() => text::RACE_NEEDS_FILE.to_owned(),
            (None, _) => text::race_ready(&self.of.subject()),
        };
        let style = if self.of.verdict.is_some() { self.theme.strong() } else { Style::new() };
        fit::wrap(&sentence, width).into_iter().map(|line| Line::styled(format!(" {line}"), style)).collect()
    }
}
