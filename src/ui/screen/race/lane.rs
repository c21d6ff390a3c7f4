//! One lane: its progress, its rate, its cost, and where its time goes.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget as _;

use super::axis::{Axis, LaneTime};
use super::{Race, Track};
use crate::cost;
use crate::estimate::USUAL_KEY;
use crate::event::{State, Target};
use crate::messages::{race, units};
use crate::ui::theme::Focus;
use crate::ui::widgets::bar::{self, Fill};
use crate::ui::widgets::{Pane, columns, digits, frame, rows};
use crate::ui::{fit, text};

/// Key length of the built-in server in bits.
const EMBEDDED_BITS: usize = 1024;
/// Columns of the clock beside the bar.
const CLOCK: usize = 12;
/// Columns of a clock of large digits, so that the bars of all lanes are equally long.
const LARGE_CLOCK: usize = 34;
/// Columns below which the bars of stages are left out for the bottleneck.
const NARROW: usize = 60;
/// Columns below which a clock of large digits would take too much of the bar.
const ROOM_FOR_DIGITS: usize = 100;

impl Pane<'_, Race> {
    /// Draws a lane: with a frame, or in a small terminal as one to three rows. With an `axis`, the bar's length is the lane's
    /// time; otherwise it is the lane's progress.
    ///
    /// ```text
    /// ╭ CP1 OAEP, RSA-1024 ✓ proven ──────────────────────────── delivered ✓ ╮
    /// │ ████████████████████████████████████████████████████████████ 2.760 s │
    /// │ bottleneck: server's RSA, busy 92 % of the time on 2 cores           │
    /// │ read▏ seal▎ wire▏ open███████████████████████████▋ store▏ wait       │
    /// │ wire ×2.06  16.5 MiB, 50.1 Mbit/s   CPU 0.34 s here, 4.97 s server   │
    /// ╰──────────────────────────────────────────────────────────────────────╯
    /// ```
    pub(super) fn lane(&self, at: usize, axis: Option<Axis>, area: Rect, buf: &mut Buffer) {
        if area.height < 4 {
            return self.compact(at, axis, area, buf);
        }
        let track = &self.of.tracks[at];
        let focus = if at == self.of.at { self.focus } else { Focus::Elsewhere };
        let title = text::race::title(&track.lane, track.proof(), track.is_generated());
        let block = frame(self.theme, focus, &title, &self.figures(track, &title, area), area);
        let inner = block.inner(area);
        block.render(area, buf);
        let width = usize::from(inner.width);
        let bar = match inner.height {
            8.. => 3,
            6..8 => 2,
            _ => 1,
        };
        let bar = if matches!(track.state, State::Failed(_)) { 0 } else { bar };
        let (bar, rest) = split(inner, bar);
        self.bar(at, axis, bar, buf);
        for (line, area) in self.lines(at, rest.height, width).into_iter().zip(rows(rest)) {
            line.render(area, buf);
        }
    }

    /// Draws a lane without a frame: a row with its name and its bar; with more rows, a title above, and the bottleneck
    /// below.
    fn compact(&self, at: usize, axis: Option<Axis>, area: Rect, buf: &mut Buffer) {
        let (track, width) = (&self.of.tracks[at], usize::from(area.width));
        let marker = if at == self.of.at { "▸" } else { " " };
        let entrants = self.of.entrants();
        if area.height < 2 {
            let names = (0..entrants.len()).map(|at| race::name(&entrants, at));
            let names: Vec<String> = names.map(|name| fit::cut(&name, 14.min(width / 3))).collect();
            let wide = names.iter().map(|name| fit::width(name)).max().unwrap_or(0);
            let name = format!("{marker}{} ", fit::left(&names[at], wide));
            let used = columns(fit::width(&name)).min(area.width);
            Line::styled(name, self.theme.lane(at)).render(area, buf);
            let rest = Rect { x: area.x + used, width: area.width - used, ..area };
            if axis.is_some()
                && track.time(self.now) == LaneTime::Unknown
                && !matches!(track.state, State::Failed(_))
            {
                // There is no title for the state.
                return Line::styled(text::state(&track.state), self.theme.faint()).render(rest, buf);
            }
            return self.bar_or_fault(at, axis, rest, buf);
        }
        let [title, bar, below] = [0, 1, 2].map(|row| {
            let y = area.y + row;
            Rect { x: area.x + area.width.min(1), y, width: area.width.saturating_sub(2), height: 1 }
                .intersection(area)
        });
        // The rates stand below, if there is a row for them.
        let height = if area.height > 2 { 5 } else { 4 };
        let words = self.figures(track, "", Rect { width: area.width / 2 + 9, height, ..area });
        let found = if track.seconds().is_some() { track.bottleneck_text(width / 2) } else { String::new() };
        let words = if found.is_empty() || area.height > 2 { words } else { found };
        let room = usize::from(title.width).saturating_sub(fit::width(&words) + 1);
        let name = text::race::title(&track.lane, None, track.is_generated());
        let name = if fit::width(&name) < room { name } else { race::name(&entrants, at) };
        Line::styled(marker, self.theme.strong()).render(Rect { height: 1, ..area }, buf);
        Line::styled(fit::cut(&name, room), self.theme.lane(at)).render(title, buf);
        Line::raw(words).right_aligned().render(title, buf);
        if matches!(track.state, State::Failed(_)) {
            let fault = self.lines(at, area.height - 1, usize::from(bar.width));
            fault.into_iter().zip([bar, below]).for_each(|(line, row)| line.render(row, buf));
            return;
        }
        self.bar(at, axis, bar, buf);
        for (line, row) in self.lines(at, area.height - 2, usize::from(below.width)).into_iter().zip([below])
        {
            line.render(row, buf);
        }
    }

    /// Returns the lines below the bar; of few rows the most informative ones are kept.
    fn lines(&self, at: usize, height: u16, width: usize) -> Vec<Line<'static>> {
        let track = &self.of.tracks[at];
        if let State::Failed(fault) = &track.state {
            let fault = fit::wrap(&text::fault_line(fault), width);
            return fault.into_iter().map(|line| Line::styled(line, self.theme.bad())).collect();
        }
        let faint = |words: String| Line::styled(fit::cut(&words, width), self.theme.faint());
        let place = text::race::to(&track.lane.target);
        let joined = |parts: Vec<String>| joined(parts, "   ", width);
        let (wire, cpu) = (self.wire(track), track.cpu());
        if wire.is_empty() || track.state == State::Waiting {
            return vec![faint(joined(vec![place, self.bill(track)]))];
        }
        let has_ended = track.seconds().is_some();
        let first = if has_ended { self.ended(track, width) } else { self.rate(at, width, None) };
        let stages = match width {
            // Fewer columns show no difference between the bars of stages.
            ..NARROW if !has_ended => Line::styled(track.bottleneck_text(width), self.theme.strong()),
            width => track.stages(self.theme, width, !has_ended),
        };
        let spread = if has_ended { self.spread(track) } else { String::new() };
        let with_rate = format!("{wire}, {}", wire_rate(track));
        let all = [&spread, &with_rate, &cpu, &place].map(|part| fit::width(part) + 3);
        // The rate on the wire must not cost the processor time or the place.
        let has_room = all.iter().filter(|wide| **wide > 3).sum::<usize>() <= width + 3;
        let costs = if has_room { with_rate } else { wire.clone() };
        let costs = faint(joined(vec![spread, costs, cpu, place]));
        match height {
            0 | 1 if has_ended => vec![first],
            0 | 1 => vec![stages],
            2 if has_ended => vec![first, stages],
            2 => vec![self.rate(at, width, Some(wire)), stages],
            3 => vec![first, stages, costs],
            4 => vec![first, stages, faint(track.shares(width)), costs],
            _ => vec![first, Line::default(), stages, faint(track.shares(width)), costs],
        }
    }

    /// Returns what the lane will send: `about 16.5 MiB on the wire (×2.06)`.
    fn bill(&self, track: &Track) -> String {
        let work = if self.of.bytes > 0 { self.of.bytes } else { self.of.work() };
        if work == 0 {
            return String::new();
        }
        let bits = track.entrant().bits.or((track.lane.target == Target::Embedded).then_some(EMBEDDED_BITS));
        let key = bits.map_or(USUAL_KEY, |bits| bits as u64 / 8);
        text::race::bill(work, cost::body_len(track.lane.dialect, work, key), bits.is_none())
    }

    /// Returns the bottleneck in words, and the mean rate.
    fn ended(&self, track: &Track, width: usize) -> Line<'static> {
        let mean = text::mean(self.mean(track));
        let found = track.bottleneck_text(width.saturating_sub(fit::width(&mean) + 2));
        if found.is_empty() {
            return Line::raw(fit::cut(&mean, width));
        }
        let room = width.saturating_sub(fit::width(&found));
        let mean = if fit::width(&mean) + 2 <= room { fit::right(&mean, room) } else { String::new() };
        Line::from(vec![Span::styled(found, self.theme.strong()), Span::styled(mean, self.theme.faint())])
    }

    /// Returns the fastest and the slowest of several laps.
    fn spread(&self, track: &Track) -> String {
        match track.times.len() {
            2.. if !self.of.is_running() => text::race::spread(&track.times),
            _ => String::new(),
        }
    }

    /// Returns the state and the figures, such as `sending   11 %  ETA 22 s`, and the rates if the lane has no line
    /// for them; as much as fits.
    fn figures(&self, track: &Track, title: &str, area: Rect) -> String {
        let state = match (&track.state, track.key) {
            (State::Waiting, Some(bits)) => text::race::key_coming(bits),
            (state, _) => text::state(state).to_owned(),
        };
        let lap = (self.of.laps > 1 && track.lap > 0).then(|| text::race::lap(track.lap, self.of.laps));
        let is_sending = track.state == State::Sending;
        let share = is_sending.then(|| text::percent(self.share(track)));
        let eta = track.snapshot.eta_ms.filter(|_| is_sending && self.idle(track) < text::STALL);
        let eta = eta.map(|ms| text::eta(Duration::from_millis(ms)));
        let rates = match track.seconds() {
            _ if area.height > 4 => None,
            Some(_) => Some(self.factor(track)),
            None => is_sending.then(|| text::rates(&track.snapshot)),
        };
        let state = Some(state);
        let choices = [
            [&state, &lap, &share, &rates, &eta],
            [&None, &lap, &share, &rates, &eta],
            [&state, &lap, &share, &None, &eta],
            [&state, &None, &share, &None, &None],
        ];
        let choices =
            choices.map(|parts| parts.into_iter().flatten().cloned().collect::<Vec<_>>().join("  "));
        // As the frame computes it.
        let room = usize::from(area.width).saturating_sub(9 + fit::width(title));
        let fits = choices.iter().find(|words| !words.is_empty() && fit::width(words) <= room);
        fits.unwrap_or(&choices[3]).clone()
    }

    /// Returns the bytes on the wire, such as `wire ×2.06  17.3 of 17.3 MiB`.
    fn wire(&self, track: &Track) -> String {
        let whole = track.seconds().and(track.result.as_ref()).map(|result| result.wire_bytes);
        text::race::wire(&track.snapshot, whole.map(|wire| (wire, self.of.bytes)))
    }

    pub(super) fn factor(&self, track: &Track) -> String {
        let snapshot = &track.snapshot;
        match track.seconds().and(track.result.as_ref()) {
            Some(result) if self.of.bytes > 0 => text::race::wire_factor(result.wire_bytes, self.of.bytes),
            None if snapshot.file_bytes > 0 => {
                text::race::wire_factor(snapshot.wire_bytes, snapshot.file_bytes)
            }
            _ => String::new(),
        }
    }

    pub(super) fn share(&self, track: &Track) -> f64 {
        match track.state {
            State::Delivered | State::Stored { .. } => 1.0,
            _ => (track.snapshot.file_bytes as f64 / self.of.bytes.max(1) as f64).min(0.99),
        }
    }

    /// Draws the bar, or why the lane failed, where there is one row for both.
    fn bar_or_fault(&self, at: usize, axis: Option<Axis>, area: Rect, buf: &mut Buffer) {
        let State::Failed(fault) = &self.of.tracks[at].state else { return self.bar(at, axis, area, buf) };
        let fault = fit::cut(&text::fault_line(fault), usize::from(area.width));
        Line::styled(fault, self.theme.bad()).render(area, buf);
    }

    /// Draws the bar and the time behind it.
    fn bar(&self, at: usize, axis: Option<Axis>, area: Rect, buf: &mut Buffer) {
        match axis {
            Some(axis) => self.time_bar(at, axis, area, buf),
            None => self.progress(at, area, buf),
        }
    }

    /// Draws the lane's time on the axis of all lanes, with the time behind the bar.
    fn time_bar(&self, at: usize, axis: Axis, area: Rect, buf: &mut Buffer) {
        let label = |track: &Track| axis.label(track.time(self.now));
        let (track, width) = (&self.of.tracks[at], usize::from(area.width));
        let time = track.time(self.now);
        let is_large = area.height >= digits::height(1) && width >= ROOM_FOR_DIGITS;
        let wide =
            |label: &str| if is_large { usize::from(digits::width(label, 1)) + 2 } else { fit::width(label) };
        // The same room behind every bar, so that equal times have equal bars.
        let longest = self.of.tracks.iter().map(|track| wide(&label(track))).max().unwrap_or(0);
        let room = width.saturating_sub(longest + 1);
        let bar = bar::length(axis.share(time), room);
        let (used, label) = (columns(fit::width(&bar)), label(track));
        let style = self.theme.lane(at);
        for row in rows(area) {
            Line::styled(bar.as_str(), style).render(row, buf);
        }
        let gap = u16::from(used > 0);
        let behind = Rect { x: area.x + used + gap, width: area.width.saturating_sub(used + gap), ..area };
        if is_large {
            digits::draw(&label, 1, self.theme.strong(), behind, buf);
        } else {
            let middle =
                Rect { y: area.y + (area.height.max(1) - 1) / 2, height: area.height.min(1), ..behind };
            let style = if time == LaneTime::Unknown { self.theme.faint() } else { self.theme.strong() };
            Line::styled(label, style).render(middle, buf);
        }
    }

    fn progress(&self, at: usize, area: Rect, buf: &mut Buffer) {
        let track = &self.of.tracks[at];
        let fill = match track.state {
            State::Delivered | State::Stored { .. } => Fill::Full,
            State::Sent => Fill::Hatched,
            _ => Fill::Share(self.share(track)),
        };
        let (width, clock) = (usize::from(area.width), self.clock(track));
        let large = usize::from(digits::width(&clock, 1)) + 3;
        let is_large = area.height >= digits::height(1) && width >= ROOM_FOR_DIGITS;
        let clocks = if is_large { large.max(LARGE_CLOCK) } else { CLOCK };
        let line = Line::from(bar::progress(
            fill,
            width.saturating_sub(clocks),
            self.theme.lane(at),
            self.theme.faint(),
        ));
        for row in rows(area) {
            (&line).render(row, buf);
        }
        let wide = columns(if is_large { large - 3 } else { CLOCK }).min(area.width);
        let right = Rect { x: area.right() - wide, width: wide, ..area };
        if is_large {
            digits::draw(&clock, 1, self.theme.strong(), right, buf);
        } else {
            let middle =
                Rect { y: area.y + (area.height.max(1) - 1) / 2, height: area.height.min(1), ..right };
            Line::raw(fit::right(&clock, CLOCK)).render(middle, buf);
        }
    }

    /// Returns the time from the first byte of MODE 0 to Delivered; with "≥" until then, or if that is never
    /// reached.
    pub(super) fn clock(&self, track: &Track) -> String {
        if let Some(seconds) = track.seconds() {
            return text::race::time(seconds);
        }
        let elapsed = Duration::from_millis(track.snapshot.elapsed_ms);
        match track.state {
            State::Delivered | State::Stored { .. } => units::duration(elapsed),
            State::Sending | State::Sent => text::at_least(track.elapsed(self.now).unwrap_or(elapsed)),
            State::Waiting | State::Paused | State::Connecting | State::Proving => String::new(),
            State::Failed(_) | State::Cancelled => "—".to_owned(),
        }
    }

    /// Returns the time since anything was sent.
    fn idle(&self, track: &Track) -> Duration {
        Duration::from_millis(track.snapshot.idle_ms) + self.now.saturating_sub(track.seen)
    }

    /// Returns the bar of the rate compared with the highest of all lanes; with the wire instead of the bar where
    /// there is only one line.
    fn rate(&self, at: usize, width: usize, wire: Option<String>) -> Line<'static> {
        let track = &self.of.tracks[at];
        let snapshot = &track.snapshot;
        let idle = self.idle(track);
        let mean = self.mean(track);
        let (now, words, style) = if track.state == State::Sending && idle >= text::STALL {
            (0.0, text::stalled(idle), self.theme.warn())
        } else if track.state == State::Sending {
            (snapshot.rate_now, text::rates(snapshot), Style::new())
        } else if track.state == State::Sent {
            (0.0, text::unconfirmed(self.now.saturating_sub(track.since)), Style::new())
        } else {
            (mean, text::mean(mean), Style::new())
        };
        if let Some(wire) = wire {
            let words = fit::left(&fit::cut(&words, 30), 30);
            let rest = [wire, track.cpu()].join("   ");
            return Line::from(vec![
                Span::styled(words, style),
                Span::styled(fit::cut(&rest, width.saturating_sub(30)), self.theme.faint()),
            ]);
        }
        let figures = 30.max(fit::width(&words)).min(width.saturating_sub(16));
        let bar = width.saturating_sub(5 + 1 + figures);
        let peak = self.of.peak().max(mean);
        let mut line = Line::from(Span::styled("rate ", self.theme.faint()));
        line.spans.extend(bar::line(now, mean, peak, bar, self.theme.lane(at), self.theme.faint()));
        line.push_span(Span::styled(format!(" {}", fit::cut(&words, figures)), style));
        line
    }

    /// Returns the mean rate over the whole lane, once it is known.
    pub(super) fn mean(&self, track: &Track) -> f64 {
        match track.seconds() {
            Some(seconds) if seconds > 0.0 => self.of.bytes as f64 / seconds,
            _ => track.snapshot.rate_mean,
        }
    }
}

/// Returns the mean rate on the wire: `47.8 Mbit/s`.
fn wire_rate(track: &Track) -> String {
    let snapshot = &track.snapshot;
    match (track.seconds(), &track.result) {
        (Some(seconds), Some(result)) => units::wire_rate_of(result.wire_bytes, seconds),
        _ => units::wire_rate_of(snapshot.wire_bytes, snapshot.elapsed_ms as f64 / 1000.0),
    }
}

/// Joins the parts that fit into one line; others are left out whole.
pub(super) fn joined(parts: Vec<String>, between: &str, width: usize) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).fold(String::new(), |line, part| {
        match fit::width(&line) + fit::width(between) + fit::width(&part) {
            _ if line.is_empty() => part,
            wide if wide <= width => format!("{line}{between}{part}"),
            _ => line,
        }
    })
}

/// Splits off the first rows.
fn split(area: Rect, first: u16) -> (Rect, Rect) {
    let first = first.min(area.height);
    (Rect { height: first, ..area }, Rect { y: area.y + first, height: area.height - first, ..area })
}
