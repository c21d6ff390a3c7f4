//! Screen 5: files that were sent and received, the newest first.
//!
//! The history is read on a thread ([`read`]) when the screen is opened, and again when a transfer ends while it is
//! open. The rows stay until the answer arrives.

use std::path::Path;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::{ActionContext, Screen, Start, View};
use crate::event::{Event, Kept, Track};
use crate::history::{self, Entry, Filter as Query, Outcome};
use crate::messages::units;
use crate::ui::effect::Effect;
use crate::ui::keymap::{Action, Place};
use crate::ui::layout::{PaneId, Plan, Ring};
use crate::ui::listing::Clock;
use crate::ui::overlay::Overlays;
use crate::ui::shared::Shared;
use crate::ui::theme::Focus;
use crate::ui::widgets::filter::Needle;
use crate::ui::widgets::input::Input;
use crate::ui::widgets::list::{self, Facts, List, Step};
use crate::ui::widgets::{Pane, rows};
use crate::ui::{fit, text};

/// Number of rows that are read; `upseal history` shows older ones.
const MOST: usize = 10_000;

/// Columns of the peer.
const PEER: usize = 24;

const PANE: PaneId = PaneId(0);

/// Shortest time between two readings.
const PAUSE: Duration = Duration::from_millis(500);

/// Result of reading the history: its rows, or why there are none.
#[derive(Debug)]
pub(in crate::ui) struct Answer(Result<Vec<Row>, String>);

impl Answer {
    pub(in crate::ui) fn new(entries: Result<Vec<Entry>, String>, clock: &Clock) -> Self {
        Self(entries.map(|entries| entries.into_iter().map(|entry| Row::new(entry, clock)).collect()))
    }
}

/// Reads the history in this file. The file is not created if it does not exist.
pub(in crate::ui) fn read(path: Option<&Path>, clock: &Clock) -> Answer {
    let Some(path) = path else { return Answer(Err(text::NO_HISTORY_PLACE.to_owned())) };
    let newest = Query { limit: Some(MOST), ..Query::default() };
    let rows = match history::History::open_existing(path) {
        Ok(None) => Ok(Vec::new()),
        Ok(Some(history)) => history.entries(&newest),
        Err(why) => Err(why),
    };
    Answer::new(rows.map_err(|why| fit::escaped(&why.to_string())), clock)
}

/// Row of the history, with text that is ready to be drawn.
#[derive(Debug)]
pub(in crate::ui) struct Row {
    entry: Entry,
    at: String,
    name: String,
    /// Address of the peer, if it is known.
    peer: String,
    /// Text that the filter searches: name and peer, in lower case.
    folded: String,
}

impl Row {
    fn new(entry: Entry, clock: &Clock) -> Self {
        let name = fit::escaped(entry.name());
        let peer = match &entry {
            Entry::Sent(row) => fit::escaped(&row.address),
            Entry::Received(row) => fit::escaped(&row.peer),
            Entry::Recovered(_) => String::new(),
        };
        let folded = format!("{name}\n{peer}").to_lowercase();
        Self { at: clock.day(entry.at_ms()), entry, name, peer, folded }
    }

    /// Returns the peer. A client's port is left out, because it has no meaning.
    fn host(&self) -> &str {
        match &self.entry {
            Entry::Sent(_) => &self.peer,
            _ => self.peer.rsplit_once(':').map_or(&*self.peer, |(host, _)| host),
        }
    }

    fn direction(&self) -> &'static str {
        if matches!(self.entry, Entry::Sent(_)) { text::SENT } else { text::GOT }
    }

    fn outcome(&self) -> &'static str {
        match &self.entry {
            Entry::Sent(row) => text::outcome(row.outcome),
            Entry::Received(row) => text::kept(row.kept),
            Entry::Recovered(row) => text::origin(row.origin),
        }
    }

    fn protocol(&self) -> String {
        self.entry.variant().map_or_else(|| "—".to_owned(), |variant| variant.to_string())
    }

    fn rate(&self) -> String {
        self.entry.rate().map_or_else(|| "—".to_owned(), units::rate)
    }

    /// Returns why the transfer failed, if it did.
    fn why(&self) -> Option<String> {
        match &self.entry {
            Entry::Sent(row) => row.why.as_deref().map(fit::escaped),
            Entry::Received(_) | Entry::Recovered(_) => None,
        }
    }
}

impl list::Row for Row {
    fn rank(&self, needle: &mut Needle) -> Option<u32> {
        needle.is_in(&self.folded).then_some(0)
    }

    fn details(&self, clock: &Clock) -> Option<Facts> {
        let path = |path: &Path| fit::name(path.as_os_str());
        let mut facts = vec![("name", self.name.clone())];
        match &self.entry {
            Entry::Sent(row) => {
                facts.push(("sent to", self.peer.clone()));
                facts.extend(row.key.map(|key| ("server's key", format!("sha256:{key}"))));
                facts.push(("outcome", text::outcome_long(row.outcome).to_owned()));
            }
            Entry::Received(row) => {
                facts.push(("from", self.peer.clone()));
                facts.push(("kept", text::kept_long(row.kept).to_owned()));
            }
            Entry::Recovered(row) => facts.push(("kept", text::origin_long(row.origin).to_owned())),
        }
        facts.extend(self.why().map(|why| ("why", why)));
        facts.push(("at", clock.moment(self.entry.at_ms())));
        facts.push(("size", text::exact_size(self.entry.size())));
        facts.push((
            "sha256",
            self.entry.digest().map_or_else(|| "—".to_owned(), |digest| digest.to_string()),
        ));
        facts.push(("protocol", self.protocol()));
        if let Some(seconds) = self.entry.seconds() {
            facts.push(("took", text::took(seconds, self.entry.predicted())));
            facts.push(("mean rate", self.rate()));
        }
        let none = || text::NO_RECEIPT.to_owned();
        match &self.entry {
            Entry::Sent(row) => {
                facts.push(("on the wire", text::exact_size(row.wire_bytes)));
                facts.push(("local file", path(&row.path)));
                facts.extend(row.stored_name.as_deref().map(|name| ("stored as", fit::escaped(name))));
                facts.push(("receipt", row.receipt.as_deref().map_or_else(none, path)));
            }
            Entry::Received(row) => {
                facts.push(("folder", path(&row.store)));
                facts.push(("receipt given", row.receipt.map_or_else(none, |of| format!("sha256:{of}"))));
            }
            Entry::Recovered(row) => {
                facts.push(("folder", path(&row.store)));
                facts.push(("receipt given", row.receipt.map_or_else(none, |of| format!("sha256:{of}"))));
            }
        }
        Some((self.name.clone(), facts))
    }
}

/// Age of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    /// They were read after the latest transfer.
    Fresh,
    /// A transfer has ended since.
    Old,
    /// They are being read.
    Awaited,
    /// They are being read, and a transfer has ended since that began.
    AwaitedOld,
}

/// Content of the pane.
#[derive(Debug)]
enum Content {
    /// The history was not read yet.
    Nothing,
    /// The rows of the list.
    Rows,
    /// Why it could not be read, escaped.
    Refused(String),
}

/// The history screen.
#[derive(Debug)]
pub(in crate::ui) struct History {
    ring: Ring,
    content: Content,
    list: List<Row>,
    age: Age,
    /// Time at which the latest reading began.
    began: Option<Duration>,
}

impl History {
    pub(super) fn new(_: &Start<'_>) -> Self {
        Self {
            ring: Ring::new(&[PANE]),
            content: Content::Nothing,
            list: List::default(),
            age: Age::Old,
            began: None,
        }
    }

    // Reading

    /// Marks the rows as out of date.
    fn outdate(&mut self) {
        self.age = match self.age {
            Age::Fresh | Age::Old => Age::Old,
            Age::Awaited | Age::AwaitedOld => Age::AwaitedOld,
        };
    }

    /// Returns when the history must be read; `None` if it need not be.
    fn read_at(&self) -> Option<Duration> {
        (self.age == Age::Old).then(|| self.began.map_or(Duration::ZERO, |began| began + PAUSE))
    }

    /// Returns whether the history must be read now, and then expects an answer. A pause between two readings keeps
    /// a thousand files from causing a thousand readings.
    fn ask(&mut self, now: Duration) -> bool {
        let is_due = self.read_at().is_some_and(|due| due <= now);
        if is_due {
            (self.age, self.began) = (Age::Awaited, Some(now));
        }
        is_due
    }

    /// Takes what was read. The cursor stays on an older row.
    pub(in crate::ui) fn answered(&mut self, Answer(answer): Answer) {
        self.age = if self.age == Age::AwaitedOld { Age::Old } else { Age::Fresh };
        let under = self.list.under().filter(|_| self.list.at() > 0).map(|row| row.entry.clone());
        let (rows, content) = match answer {
            Ok(rows) => (rows, Content::Rows),
            Err(why) => (Vec::new(), Content::Refused(why)),
        };
        self.content = content;
        self.list.replace(rows);
        let place = under.and_then(|under| self.list.position(|row| row.entry == under));
        if let Some(place) = place {
            self.list.go(Step::To(place));
        }
    }

    /// Returns the message that is shown instead of rows.
    fn message(&self) -> Option<&str> {
        match &self.content {
            Content::Nothing => Some(text::READING_HISTORY),
            Content::Refused(why) => Some(why),
            Content::Rows if self.list.rows().is_empty() => Some(text::NO_HISTORY),
            Content::Rows if self.list.len() == 0 => Some(text::NO_MATCH),
            Content::Rows => None,
        }
    }
}

impl Screen for History {
    fn ring(&self) -> &Ring {
        &self.ring
    }

    fn ring_mut(&mut self) -> &mut Ring {
        &mut self.ring
    }

    fn plan(&self, body: Rect, _: &Shared) -> Plan {
        Plan::alone(PANE, body)
    }

    fn height(&self, pane: PaneId, plan: &Plan) -> usize {
        plan.rows(pane).saturating_sub(usize::from(self.list.filter().is_on()))
    }

    fn draw(&self, view: View<'_>, _: PaneId, area: Rect, buf: &mut Buffer) {
        view.pane(self).render(area, buf);
    }

    fn place(&self) -> Place {
        if self.list.filter().is_typing() { Place::Text } else { Place::History }
    }

    fn act(&mut self, action: Action, _: &mut ActionContext<'_>) -> bool {
        match action {
            Action::Filter => self.list.type_filter(),
            Action::Accept => self.list.keep_filter(),
            _ => return false,
        }
        true
    }

    fn step(&mut self, _: PaneId, step: Step, _: &mut Shared) {
        self.list.go(step);
    }

    fn row_at(&self, pane: PaneId, row: usize, plan: &Plan, _: &Shared) -> Option<usize> {
        self.list.row_at(row, self.height(pane, plan))
    }

    fn input<'a>(&'a mut self, _: &'a mut Shared) -> Option<&'a mut Input> {
        self.list.input()
    }

    fn text_changed(&mut self, _: &mut Shared) {
        self.list.filtered();
    }

    fn keep_filter(&mut self, _: &mut Shared) {
        self.list.keep_filter();
    }

    fn drop_filter(&mut self, _: &mut Shared) -> bool {
        self.list.drop_filter()
    }

    fn details(&self, shared: &Shared) -> Option<Facts> {
        self.list.details(&shared.clock)
    }

    fn reread(&mut self) -> Vec<Effect> {
        self.outdate();
        Vec::new()
    }

    fn opened(&mut self) {
        self.outdate();
    }

    fn due(&mut self, is_open: bool, now: Duration) -> Vec<Effect> {
        if is_open && self.ask(now) { vec![Effect::Recall] } else { Vec::new() }
    }

    fn next_change(&self) -> Option<Duration> {
        self.read_at()
    }

    fn settle(&mut self, plan: &Plan, _: &mut Shared) {
        self.list.settle(self.height(PANE, plan));
    }

    fn on_event(&mut self, event: &Event, _: &mut Shared, _: &Overlays, _: Duration) {
        match event {
            Event::Received { .. } => self.outdate(),
            Event::State { track: Track::Job(_), state } if state.is_final() => self.outdate(),
            _ => {}
        }
    }
}

impl Widget for Pane<'_, History> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let note = text::rows(self.of.list.len(), self.of.list.rows().len(), MOST);
        let block = self.frame(text::HISTORY, &note, area);
        let inner = block.inner(area);
        block.render(area, buf);
        let list = self.of.list.filter().draw(self.theme, inner, buf);
        self.list(list, buf);
    }
}

impl Pane<'_, History> {
    fn list(&self, area: Rect, buf: &mut Buffer) {
        let history = self.of;
        if let Some(message) = history.message() {
            let style = match history.content {
                Content::Refused(_) => self.theme.bad(),
                _ => self.theme.faint(),
            };
            for (line, area) in fit::wrap(message, usize::from(area.width)).into_iter().zip(rows(area)) {
                Line::styled(line, style).render(area, buf);
            }
            return;
        }
        for ((row, is_here), area) in history.list.window(usize::from(area.height)).zip(rows(area)) {
            self.row(row, usize::from(area.width)).render(area, buf);
            if self.focus == Focus::Here && is_here {
                buf.set_style(area.intersection(buf.area), self.theme.cursor(self.focus));
            }
        }
    }

    /// Returns a row such as `Tue 14:07 received image.ppm           7.91 MiB  CP2     402 MiB/s  stored ✓`.
    fn row(&self, row: &Row, width: usize) -> Line<'static> {
        // A narrow pane leaves out first the rate, then day and protocol; a wide one shows the peer.
        let (words, rate) = (width >= 54, width >= 67);
        let fixed = if words { 19 + 7 } else { 2 } + 9 + if rate { 11 } else { 0 } + 2 + 12;
        let spare = width.saturating_sub(fixed);
        let wide = spare >= 50;
        let name = if wide { (spare - PEER - 2).min(60) } else { spare };
        let mut line = Line::default();
        if words {
            line.push_span(Span::styled(format!("{} ", fit::left(&row.at, 9)), self.theme.faint()));
            line.push_span(Span::raw(format!("{:<8} ", row.direction())));
        } else {
            line.push_span(Span::raw(if matches!(row.entry, Entry::Sent(_)) { "↑ " } else { "↓ " }));
        }
        line.push_span(Span::raw(fit::left_middle(&row.name, name)));
        line.push_span(Span::raw(fit::right(&units::bytes(row.entry.size()), 9)));
        if words {
            line.push_span(Span::raw(format!("  {:<5}", row.protocol())));
        }
        if rate {
            line.push_span(Span::raw(fit::right(&row.rate(), 11)));
        }
        line.push_span(Span::raw("  "));
        line.push_span(Span::styled(fit::left(row.outcome(), 12), self.outcome(&row.entry)));
        if wide {
            line.push_span(Span::raw(format!("  {}", fit::left_middle(row.host(), PEER))));
            let room = spare - name - PEER - 2;
            if let Some(why) = row.why().filter(|_| room > 12) {
                line.push_span(Span::styled(fit::cut(&format!("  {why}"), room), self.theme.bad()));
            } else if let (Some(seconds), Some(predicted)) = (row.entry.seconds(), row.entry.predicted())
                && room > 24
            {
                let words = format!("  {}", text::took(seconds, Some(predicted)));
                line.push_span(Span::styled(fit::cut(&words, room), self.theme.faint()));
            }
        }
        line
    }

    fn outcome(&self, entry: &Entry) -> Style {
        match entry {
            Entry::Sent(row) => match row.outcome {
                Outcome::Stored | Outcome::Delivered => self.theme.good(),
                Outcome::Altered | Outcome::Failed => self.theme.bad(),
                Outcome::Cancelled => self.theme.faint(),
            },
            Entry::Received(row) => match row.kept {
                Kept::New | Kept::Amended => self.theme.good(),
                Kept::Renamed | Kept::Same => self.theme.warn(),
                Kept::Discarded => self.theme.faint(),
            },
            Entry::Recovered(_) => self.theme.warn(),
        }
    }
}
