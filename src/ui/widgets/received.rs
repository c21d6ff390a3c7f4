//! Files that arrive at this computer: those on their way first, then the latest.

use std::collections::VecDeque;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::bar::{self, Fill};
use super::list::{Cursor, Step};
use super::{Pane, rows};
use crate::event::{Kept, SessionId, Snapshot, Track, Variant};
use crate::messages::units;
use crate::ui::fit;
use crate::ui::text;
use crate::ui::theme::Focus;

/// Files that are remembered; older ones are forgotten.
const MOST: usize = 10_000;

/// A file on its way.
#[derive(Debug)]
struct Coming {
    track: Track,
    name: String,
    variant: Variant,
    peer: String,
    /// When it began, as it may be shown.
    began: String,
    snapshot: Snapshot,
}

/// A file that is here, whole and on disk.
#[derive(Debug, Clone)]
pub(in crate::ui) struct Arrival {
    pub(in crate::ui) name: String,
    pub(in crate::ui) kept: Kept,
    pub(in crate::ui) size: u64,
    pub(in crate::ui) variant: Variant,
    pub(in crate::ui) peer: String,
    /// SHA-256, hex.
    pub(in crate::ui) digest: String,
    pub(in crate::ui) seconds: f64,
    /// When, as it may be shown.
    pub(in crate::ui) at: String,
}

/// A row of the list.
enum Row<'a> {
    Coming(&'a Coming),
    Arrival(&'a Arrival),
}

/// The list's state.
#[derive(Debug, Default)]
pub(in crate::ui) struct Received {
    coming: Vec<Coming>,
    /// The latest first.
    arrivals: VecDeque<Arrival>,
    cursor: Cursor,
    /// Where files go, as it may be shown.
    pub(in crate::ui) store: String,
}

impl Received {
    pub(in crate::ui) fn began(
        &mut self,
        track: Track,
        name: &str,
        variant: Variant,
        peer: &str,
        began: String,
    ) {
        self.coming.push(Coming {
            track,
            name: fit::escaped(name),
            variant,
            peer: fit::escaped(peer),
            began,
            snapshot: Snapshot::default(),
        });
    }

    pub(in crate::ui) fn progressed(&mut self, track: Track, snapshot: Snapshot) {
        if let Some(coming) = self.coming.iter_mut().find(|coming| coming.track == track) {
            coming.snapshot = snapshot;
        }
    }

    /// A row for it, in the place of that of its beginning if it was amended. Returns the bytes of that.
    pub(in crate::ui) fn arrived(&mut self, track: Track, arrival: Arrival) -> Option<u64> {
        self.gone(track);
        let beginning = (arrival.kept == Kept::Amended)
            .then(|| self.arrivals.iter().position(|before| before.name == arrival.name))
            .flatten();
        let replaced = beginning.and_then(|at| self.arrivals.remove(at)).map(|before| before.size);
        let below = beginning.is_none_or(|at| self.coming.len() + at > self.cursor.at());
        // Whoever reads an older row goes on reading it.
        if below && self.cursor.at() > self.coming.len() {
            self.cursor.go(Step::Down(1), self.len() + 1);
        }
        self.arrivals.push_front(arrival);
        self.arrivals.truncate(MOST);
        replaced
    }

    /// It was refused, or its connection ended: nothing of it is kept.
    pub(in crate::ui) fn gone(&mut self, track: Track) {
        self.coming.retain(|coming| coming.track != track);
    }

    pub(in crate::ui) fn session_ended(&mut self, session: SessionId) {
        self.coming.retain(|coming| !matches!(coming.track, Track::Receiving(of, _) if of == session));
    }

    pub(in crate::ui) fn is_busy(&self) -> bool {
        !self.coming.is_empty()
    }

    pub(in crate::ui) fn len(&self) -> usize {
        self.coming.len() + self.arrivals.len()
    }

    pub(in crate::ui) fn go(&mut self, step: Step) {
        self.cursor.go(step, self.len());
    }

    pub(in crate::ui) fn settle(&mut self, height: usize) {
        self.cursor.settle(self.len(), height);
    }

    pub(in crate::ui) fn row_at(&self, at: usize, height: usize) -> Option<usize> {
        let row = self.cursor.top(self.len(), height) + at;
        (row < self.len()).then_some(row)
    }

    /// Returns the title and the facts of the row under the cursor.
    pub(in crate::ui) fn details(&self) -> Option<(String, Vec<(&'static str, String)>)> {
        Some(match self.row(self.cursor.at())? {
            Row::Coming(coming) => (text::COMING.to_owned(), coming.details()),
            Row::Arrival(arrival) => (arrival.name.clone(), arrival.details()),
        })
    }

    fn row(&self, row: usize) -> Option<Row<'_>> {
        match self.coming.get(row) {
            Some(coming) => Some(Row::Coming(coming)),
            None => self.arrivals.get(row - self.coming.len()).map(Row::Arrival),
        }
    }

    fn note(&self) -> String {
        if self.store.is_empty() { String::new() } else { text::stored_in(&self.store) }
    }
}

impl Widget for Pane<'_, Received> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let block = self.frame(text::RECEIVED, &self.of.note(), area);
        let inner = block.inner(area);
        block.render(area, buf);
        if self.of.len() == 0 {
            Line::styled(text::NOTHING_RECEIVED, self.theme.faint()).render(inner, buf);
            return;
        }
        let top = match self.focus {
            Focus::Here => self.of.cursor.top(self.of.len(), usize::from(inner.height)),
            Focus::Elsewhere => 0,
        };
        for (row, area) in (top..self.of.len()).zip(rows(inner)) {
            self.row(row, area, buf);
            if self.focus == Focus::Here && row == self.of.cursor.at() {
                buf.set_style(area.intersection(buf.area), self.theme.cursor(self.focus));
            }
        }
    }
}

impl Pane<'_, Received> {
    /// The whole list in one row, for small terminals: the newest only.
    pub(in crate::ui) fn render_line(&self, area: Rect, buf: &mut Buffer) {
        let [_, inner, _] = ratatui::layout::Layout::horizontal([
            ratatui::layout::Constraint::Length(1),
            ratatui::layout::Constraint::Fill(1),
            ratatui::layout::Constraint::Length(1),
        ])
        .areas(area);
        if self.of.len() == 0 {
            Line::styled(text::NOTHING_RECEIVED, self.theme.faint()).render(inner, buf);
        } else {
            self.row(0, inner, buf);
        }
    }

    fn row(&self, row: usize, area: Rect, buf: &mut Buffer) {
        match self.of.row(row) {
            Some(Row::Coming(coming)) => self.coming(coming, area, buf),
            Some(Row::Arrival(arrival)) => self.arrival(arrival, area, buf),
            None => {}
        }
    }

    /// `14:08:03 cmos.mp4     ███████████░░░░  66 %   CP2   from 127.0.0.1`
    fn coming(&self, coming: &Coming, area: Rect, buf: &mut Buffer) {
        let width = usize::from(area.width);
        let name = name_columns(width);
        let snapshot = &coming.snapshot;
        let mut line = Line::from(vec![
            Span::styled(coming.began.clone(), self.theme.faint()),
            Span::raw(" "),
            Span::raw(fit::left_middle(&coming.name, name)),
            Span::raw("  "),
        ]);
        // The length of the body is told before that of the file, where that is told at all.
        let (done, total) = match snapshot.file_total {
            0 => (snapshot.wire_bytes, snapshot.wire_total),
            total => (snapshot.file_bytes, total),
        };
        if total > 0 {
            // Never all of it: here it is whole only once it is on disk.
            let share = (done as f64 / total as f64).min(0.99);
            line.spans.extend(bar::progress(
                Fill::Share(share),
                name_columns(width).min(24),
                self.theme.progress(),
                self.theme.faint(),
            ));
            line.push_span(Span::raw(format!(" {}", text::percent(share))));
        } else {
            line.push_span(Span::raw(fit::left(&units::bytes(snapshot.file_bytes), 16)));
        }
        line.push_span(Span::raw(format!("  {:<5}", coming.variant)));
        line.push_span(Span::styled(
            text::coming_from(&units::rate(snapshot.rate_now), &coming.peer),
            self.theme.faint(),
        ));
        line.render(area, buf);
    }

    /// `14:08:01 image.ppm    7.91 MiB  CP2  sha256 9f2c41…  402 MiB/s  stored`
    fn arrival(&self, arrival: &Arrival, area: Rect, buf: &mut Buffer) {
        let width = usize::from(area.width);
        let name = name_columns(width);
        // What is left after everything of fixed width goes to the digest, up to all 64 digits.
        let fixed = 9 + name + 10 + 2 + 5 + 2 + 7 + 2 + 10 + 2 + 9;
        let digits = width.saturating_sub(fixed).clamp(7, 64);
        Line::from(vec![
            Span::styled(arrival.at.clone(), self.theme.faint()),
            Span::raw(" "),
            Span::raw(fit::left_middle(&arrival.name, name)),
            Span::raw(fit::right(&units::bytes(arrival.size), 10)),
            Span::raw("  "),
            Span::raw(format!("{:<5}", arrival.variant)),
            Span::styled("sha256 ", self.theme.faint()),
            Span::raw(fit::left(&arrival.digest, digits)),
            Span::raw("  "),
            Span::raw(fit::right(&text::rate_of(arrival.size, arrival.seconds), 10)),
            Span::raw("  "),
            Span::styled(text::kept(arrival.kept), self.kept(arrival.kept)),
        ])
        .render(area, buf);
    }

    fn kept(&self, kept: Kept) -> Style {
        match kept {
            Kept::New | Kept::Amended => self.theme.good(),
            Kept::Renamed | Kept::Same => self.theme.warn(),
            Kept::Discarded => self.theme.faint(),
        }
    }
}

impl Coming {
    fn details(&self) -> Vec<(&'static str, String)> {
        vec![
            ("name", self.name.clone()),
            ("from", self.peer.clone()),
            ("began", self.began.clone()),
            ("protocol", self.variant.to_string()),
            ("so far", units::bytes(self.snapshot.file_bytes)),
            ("on the wire", units::bytes(self.snapshot.wire_bytes)),
        ]
    }
}

impl Arrival {
    fn details(&self) -> Vec<(&'static str, String)> {
        vec![
            ("name", self.name.clone()),
            ("size", text::exact_size(self.size)),
            ("sha256", self.digest.clone()),
            ("protocol", self.variant.to_string()),
            ("from", self.peer.clone()),
            ("at", self.at.clone()),
            ("took", text::seconds(self.seconds)),
            ("mean rate", text::rate_of(self.size, self.seconds)),
            ("kept", text::kept_long(self.kept).to_owned()),
        ]
    }
}

/// Columns of the name in a row of this width.
fn name_columns(width: usize) -> usize {
    (width / 6).clamp(10, 40)
}
