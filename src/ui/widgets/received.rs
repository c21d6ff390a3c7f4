//! Files received by this computer: those on their way first, then the latest.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::bar::{self, Fill};
use super::filter::Needle;
use super::list::{Facts, List, Step};
use super::order::natural;
use super::{Pane, columns, rows};
use crate::event::{Kept, SessionId, Snapshot, Track, Variant};
use crate::messages::units;
use crate::ui::fit;
use crate::ui::keymap::Action;
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
pub(in crate::ui) struct Row {
    /// Number of the arrival, counted from 1.
    number: u64,
    /// Bytes whose order is that of the names.
    key: Box<[u8]>,
    arrival: Arrival,
}

/// Order of the files that have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::ui) enum Sort {
    /// The latest first.
    #[default]
    Time,
    Name,
    /// The largest first.
    Size,
    Client,
}

impl Sort {
    const fn next(self) -> Self {
        match self {
            Self::Time => Self::Name,
            Self::Name => Self::Size,
            Self::Size => Self::Client,
            Self::Client => Self::Time,
        }
    }
}

/// The latest refusal that the user has not seen on the server's screen.
#[derive(Debug)]
struct Refused {
    /// Number of refusals since the user was there.
    count: usize,
    /// Client and reason, escaped.
    line: String,
}

/// State of the list.
#[derive(Debug, Default)]
pub(in crate::ui) struct Received {
    /// Files on their way, in the order in which they began.
    coming: Vec<Coming>,
    /// Files that have arrived, the latest first.
    pub(in crate::ui) list: List<Row>,
    sort: Sort,
    /// Number of the latest arrival.
    latest: u64,
    refused: Option<Refused>,
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

    /// Returns the file that this session is receiving.
    pub(in crate::ui) fn of_session(&self, session: SessionId) -> Option<&Coming> {
        self.coming.iter().find(|coming| coming.is_of(session))
    }

    /// Adds a file that has arrived. If it was amended, it replaces the row of its beginning, whose size is returned.
    pub(in crate::ui) fn arrived(&mut self, track: Track, arrival: Arrival) -> Option<u64> {
        self.gone(track);
        // A cursor on the first row stays there and shows what is new. Another one stays on its file.
        let under = self.list.under().filter(|_| self.list.at() > 0).map(|row| row.number);
        let amended = arrival.kept == Kept::Amended;
        let is_it = |row: &Row| row.arrival.name == arrival.name;
        let beginning = if amended { self.list.rows().iter().position(is_it) } else { None };
        let replaced = beginning.and_then(|at| self.list.remove(at));
        self.latest += 1;
        let number = replaced.as_ref().map_or(self.latest, |row| row.number);
        let key = natural(&arrival.name);
        self.list.insert(0, Row { number, key, arrival }, MOST);
        if let Some(place) = under.and_then(|under| self.list.position(|row| row.number == under)) {
            self.list.go(Step::To(place));
        }
        replaced.map(|row| row.arrival.size)
    }

    /// Removes a file that was refused, or whose connection ended: nothing of it is kept.
    pub(in crate::ui) fn gone(&mut self, track: Track) {
        self.coming.retain(|coming| coming.track != track);
    }

    /// Removes the files on their way of a session that has ended.
    pub(in crate::ui) fn session_ended(&mut self, session: SessionId) {
        self.coming.retain(|coming| !coming.is_of(session));
    }

    /// Returns the number of files on their way.
    pub(in crate::ui) const fn coming(&self) -> usize {
        self.coming.len()
    }

    /// Returns whether a file is on its way.
    pub(in crate::ui) const fn is_busy(&self) -> bool {
        !self.coming.is_empty()
    }

    // Refusals

    /// Counts a refusal.
    pub(in crate::ui) fn refused(&mut self, peer: &str, why: &str) {
        let count = self.refused.as_ref().map_or(0, |refused| refused.count) + 1;
        self.refused = Some(Refused { count, line: text::refused_latest(count, peer, why) });
    }

    /// Forgets the refusals: the user sees all of them now.
    pub(in crate::ui) fn see_refusals(&mut self) {
        self.refused = None;
    }

    // Keys

    /// Carries out an action on the files that have arrived; `false` if it is none of theirs.
    pub(in crate::ui) fn act(&mut self, action: Action) -> bool {
        match action {
            Action::Filter => self.list.type_filter(),
            Action::Accept => self.list.keep_filter(),
            Action::Sort => {
                self.sort = self.sort.next();
                match self.sort {
                    Sort::Time => self.list.unsort(),
                    Sort::Name => self.list.sort(|_| true, |a, b| a.key.cmp(&b.key)),
                    Sort::Size => self.list.sort(|_| true, |a, b| b.arrival.size.cmp(&a.arrival.size)),
                    Sort::Client => self.list.sort(|_| true, |a, b| a.host().cmp(b.host())),
                }
            }
            _ => return false,
        }
        true
    }

    /// Returns the place of what is drawn in this row of the pane that also shows what is on its way.
    pub(in crate::ui) fn row_at(&self, row: usize, height: usize) -> Option<usize> {
        let above = self.above(height);
        self.list.row_at(row.checked_sub(above)?, height.saturating_sub(above + self.below()))
    }

    /// Returns the rows that files on their way take of this many: one is left for those that have arrived.
    fn above(&self, height: usize) -> usize {
        self.coming.len().min(height.saturating_sub(1 + self.below()))
    }

    /// Returns the rows below the list: a refusal, and the filter.
    fn below(&self) -> usize {
        usize::from(self.refused.is_some()) + usize::from(self.list.filter().is_on())
    }

    /// Returns the rows of the list alone, of this many.
    pub(in crate::ui) fn rows(&self, height: usize) -> usize {
        height.saturating_sub(usize::from(self.list.filter().is_on()))
    }

    /// Moves the window of the pane that also shows what is on its way.
    pub(in crate::ui) fn settle(&mut self, height: usize) {
        let list = height.saturating_sub(self.above(height) + self.below());
        self.list.settle(list);
    }

    fn note(&self, width: u16) -> String {
        let store = if self.store.is_empty() { String::new() } else { text::stored_in(&self.store) };
        let sort = text::received_by(self.sort);
        match (store.is_empty(), self.sort == Sort::Time && width < 100) {
            (true, _) => sort.to_owned(),
            (false, true) => store,
            (false, false) => format!("{sort}, {store}"),
        }
    }
}

impl Widget for Pane<'_, Received> {
    /// Draws what is on its way, what has arrived, and the latest refusal.
    fn render(self, area: Rect, buf: &mut Buffer) {
        let received = self.of;
        let block = self.frame(text::RECEIVED, &received.note(area.width), area);
        let inner = block.inner(area);
        block.render(area, buf);
        let above = columns(received.above(usize::from(inner.height)));
        let [coming, list, refused] = Layout::vertical([
            Constraint::Length(above),
            Constraint::Fill(1),
            Constraint::Length(u16::from(received.refused.is_some())),
        ])
        .areas(inner);
        for (file, area) in received.coming.iter().zip(rows(coming)) {
            self.coming(file, area, buf);
        }
        if received.coming.is_empty() || !received.list.rows().is_empty() {
            self.list(list, buf);
        }
        if let Some(latest) = &received.refused {
            let words = fit::cut(&latest.line, usize::from(refused.width));
            Line::styled(words, self.theme.bad()).render(refused, buf);
        }
    }
}

impl Pane<'_, Received> {
    /// Draws only what has arrived, for a screen that shows elsewhere what is on its way and what was refused.
    pub(in crate::ui) fn render_arrived(&self, area: Rect, buf: &mut Buffer) {
        let block = self.frame(text::RECEIVED, &self.of.note(area.width), area);
        let inner = block.inner(area);
        block.render(area, buf);
        self.list(inner, buf);
    }

    fn list(&self, area: Rect, buf: &mut Buffer) {
        let list = &self.of.list;
        let area = list.filter().draw(self.theme, area, buf);
        if list.len() == 0 {
            let words = if list.rows().is_empty() { text::NOTHING_RECEIVED } else { text::NO_MATCH };
            Line::styled(words, self.theme.faint()).render(area, buf);
        } else if self.focus == Focus::Here {
            for ((row, is_here), area) in list.window(usize::from(area.height)).zip(rows(area)) {
                self.arrival(&row.arrival, area, buf);
                if is_here {
                    buf.set_style(area.intersection(buf.area), self.theme.cursor(self.focus));
                }
            }
        } else {
            // In the background the pane shows its first rows.
            for (row, area) in list.iter().zip(rows(area)) {
                self.arrival(&row.arrival, area, buf);
            }
        }
    }

    /// Draws only the newest file, in one row, for small terminals.
    pub(in crate::ui) fn render_line(&self, area: Rect, buf: &mut Buffer) {
        let inner = inside(area);
        match (self.of.coming.first(), self.of.list.rows().front()) {
            (Some(coming), _) => self.coming(coming, inner, buf),
            (None, Some(row)) => self.arrival(&row.arrival, inner, buf),
            (None, None) => Line::styled(text::NOTHING_RECEIVED, self.theme.faint()).render(inner, buf),
        }
    }

    /// Says in one row that this program has no server.
    pub(in crate::ui) fn render_none(&self, area: Rect, buf: &mut Buffer) {
        let inner = inside(area);
        let words = fit::cut(text::NO_SERVER_LINE, usize::from(inner.width));
        Line::styled(words, self.theme.faint()).render(inner, buf);
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
        if let Some(share) = coming.share() {
            // Less than 100 %: the file is complete only once it is on disk.
            let share = share.min(0.99);
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
    fn host(&self) -> &str {
        host(&self.arrival.peer)
    }
}

impl super::list::Row for Row {
    fn rank(&self, needle: &mut Needle) -> Option<u32> {
        let folded = format!("{}\n{}", self.arrival.name, self.host()).to_lowercase();
        needle.is_in(&folded).then_some(0)
    }

    fn details(&self, _: &Clock) -> Option<Facts> {
        Some((self.arrival.name.clone(), self.arrival.facts()))
    }
}

impl Coming {
    fn is_of(&self, session: SessionId) -> bool {
        matches!(self.track, Track::Receiving(of, _) if of == session)
    }

    /// Returns the share that has arrived, from 0 to 1; `None` while no length is known. The body's length is known before
    /// the file's, which may stay unknown.
    pub(in crate::ui) fn share(&self) -> Option<f64> {
        let (done, total) = match self.snapshot.file_total {
            0 => (self.snapshot.wire_bytes, self.snapshot.wire_total),
            total => (self.snapshot.file_bytes, total),
        };
        (total > 0).then(|| (done as f64 / total as f64).min(1.0))
    }

    pub(in crate::ui) fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::ui) const fn variant(&self) -> Variant {
        self.variant
    }

    pub(in crate::ui) const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl Arrival {
    fn facts(&self) -> Vec<(&'static str, String)> {
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

/// Returns an address without its port.
pub(in crate::ui) fn host(peer: &str) -> &str {
    peer.rsplit_once(':').map_or(peer, |(host, _)| host)
}

/// Returns the inside of a row that stands for a pane.
fn inside(area: Rect) -> Rect {
    Rect { x: area.x.saturating_add(1), width: area.width.saturating_sub(2), ..area }
}
