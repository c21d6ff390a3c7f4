//! Files received by this computer: those on their way first, then the latest.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::bar::{self, Fill};
use super::list::{self, Facts, List, Step};
use super::{Pane, rows};
use crate::event::{Kept, SessionId, Snapshot, Track, Variant};
use crate::messages::units;
use crate::ui::fit;
use crate::ui::listing::Clock;
use crate::ui::text;
use crate::ui::theme::Focus;

/// Number of files that are kept in the list.
const MOST: usize = 10_000;

/// File on its way.
#[derive(Debug)]
pub(in crate::ui) struct Coming {
    track: Track,
    name: String,
    variant: Variant,
    peer: String,
    /// Time of day at which it began.
    began: String,
    snapshot: Snapshot,
}

/// File that has arrived completely and is on disk.
#[derive(Debug, Clone)]
pub(in crate::ui) struct Arrival {
    pub(in crate::ui) name: String,
    pub(in crate::ui) kept: Kept,
    pub(in crate::ui) size: u64,
    pub(in crate::ui) variant: Variant,
    pub(in crate::ui) peer: String,
    /// SHA-256 in hexadecimal.
    pub(in crate::ui) digest: String,
    pub(in crate::ui) seconds: f64,
    /// Time of day at which it arrived.
    pub(in crate::ui) at: String,
}

/// Row of the list.
#[derive(Debug)]
pub(in crate::ui) enum Row {
    Coming(Box<Coming>),
    Arrival(Arrival),
}

/// State of the list.
#[derive(Debug, Default)]
pub(in crate::ui) struct Received {
    /// Files on their way first, then the others, the latest first.
    pub(in crate::ui) list: List<Row>,
    /// Number of files on their way.
    coming: usize,
    /// Folder of received files, escaped.
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
        let coming = Coming {
            track,
            name: fit::escaped(name),
            variant,
            peer: fit::escaped(peer),
            began,
            snapshot: Snapshot::default(),
        };
        self.list.insert(self.coming, Row::Coming(Box::new(coming)), usize::MAX);
        self.coming += 1;
    }

    pub(in crate::ui) fn progressed(&mut self, track: Track, snapshot: Snapshot) {
        let coming = self.list.rows_mut().iter_mut().take(self.coming).find_map(|row| match row {
            Row::Coming(coming) if coming.track == track => Some(coming),
            _ => None,
        });
        if let Some(coming) = coming {
            coming.snapshot = snapshot;
        }
    }

    /// Adds a file that has arrived. If it was amended, it replaces the row of its beginning, whose size is returned.
    pub(in crate::ui) fn arrived(&mut self, track: Track, arrival: Arrival) -> Option<u64> {
        // Changes of the rows move the cursor; it stays on its row in the end.
        let place = self.list.at();
        self.gone(track);
        let is_it = |row: &Row| matches!(row, Row::Arrival(before) if before.name == arrival.name);
        let amended = arrival.kept == Kept::Amended;
        let beginning = if amended { self.list.rows().iter().position(is_it) } else { None };
        let replaced = beginning.and_then(|at| self.list.remove(at)).map(|row| row.size());
        let is_below = beginning.is_none_or(|at| at > place);
        let is_older = is_below && place > self.coming;
        self.list.insert(self.coming, Row::Arrival(arrival), self.coming + MOST);
        self.list.go(Step::To(place + usize::from(is_older)));
        replaced
    }

    /// Removes a file that was refused, or whose connection ended: nothing of it is kept.
    pub(in crate::ui) fn gone(&mut self, track: Track) {
        self.keep(|coming| coming.track != track);
    }

    /// Removes the files on their way of a session that has ended.
    pub(in crate::ui) fn session_ended(&mut self, session: SessionId) {
        self.keep(|coming| !matches!(coming.track, Track::Receiving(of, _) if of == session));
    }

    fn keep(&mut self, keep: impl Fn(&Coming) -> bool) {
        if self.list.rows().iter().take(self.coming).any(|row| !row.is_kept(&keep)) {
            self.list.retain(|row| row.is_kept(&keep));
            self.coming = self.list.rows().iter().take_while(|row| matches!(row, Row::Coming(_))).count();
        }
    }

    /// Returns whether a file is on its way.
    pub(in crate::ui) const fn is_busy(&self) -> bool {
        self.coming > 0
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
        if self.of.list.len() == 0 {
            Line::styled(text::NOTHING_RECEIVED, self.theme.faint()).render(inner, buf);
            return;
        }
        if self.focus == Focus::Here {
            for ((row, is_here), area) in self.of.list.window(usize::from(inner.height)).zip(rows(inner)) {
                self.row(row, area, buf);
                if is_here {
                    buf.set_style(area.intersection(buf.area), self.theme.cursor(self.focus));
                }
            }
        } else {
            // In the background the pane shows the newest rows.
            for (row, area) in self.of.list.iter().zip(rows(inner)) {
                self.row(row, area, buf);
            }
        }
    }
}

impl Pane<'_, Received> {
    /// Draws only the newest file, in one row, for small terminals.
    pub(in crate::ui) fn render_line(&self, area: Rect, buf: &mut Buffer) {
        let [_, inner, _] = ratatui::layout::Layout::horizontal([
            ratatui::layout::Constraint::Length(1),
            ratatui::layout::Constraint::Fill(1),
            ratatui::layout::Constraint::Length(1),
        ])
        .areas(area);
        match self.of.list.get(0) {
            None => Line::styled(text::NOTHING_RECEIVED, self.theme.faint()).render(inner, buf),
            Some(row) => self.row(row, inner, buf),
        }
    }

    fn row(&self, row: &Row, area: Rect, buf: &mut Buffer) {
        match row {
            Row::Coming(coming) => self.coming(coming, area, buf),
            Row::Arrival(arrival) => self.arrival(arrival, area, buf),
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
        // The body's length is known before the file's length, which may stay unknown.
        let (done, total) = match snapshot.file_total {
            0 => (snapshot.wire_bytes, snapshot.wire_total),
            total => (snapshot.file_bytes, total),
        };
        if total > 0 {
            // Less than 100 %: the file is complete only once it is on disk.
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
        // The digest takes what is left beside the columns of fixed width, up to all 64 digits.
        let fixed = 9 + name + 10 + 2 + 5 + 2 + 7 + 2 + 10 + 2 + 12;
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

impl Row {
    /// Returns whether the row stays when only files on their way that `keep` accepts do.
    fn is_kept(&self, keep: impl Fn(&Coming) -> bool) -> bool {
        match self {
            Self::Coming(coming) => keep(coming),
            Self::Arrival(_) => true,
        }
    }

    const fn size(&self) -> u64 {
        match self {
            Self::Coming(coming) => coming.snapshot.file_bytes,
            Self::Arrival(arrival) => arrival.size,
        }
    }
}

impl list::Row for Row {
    fn details(&self, _: &Clock) -> Option<Facts> {
        Some(match self {
            Self::Coming(coming) => (text::COMING.to_owned(), coming.details()),
            Self::Arrival(arrival) => (arrival.name.clone(), arrival.details()),
        })
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

/// Returns the columns of the name in a row of this width.
fn name_columns(width: usize) -> usize {
    (width / 6).clamp(10, 40)
}
