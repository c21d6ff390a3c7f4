//! The ladder: client and server as two rails, every message between them, and below it the one that is shown.
//!
//! A dashed arrow can be read on the way, a heavy one is encrypted: the picture shows it without colour too.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Widget};

use super::{Row, Session};
use crate::event::Way;
use crate::messages::units;
use crate::ui::recording::{Recording, Role};
use crate::ui::theme::{FRAME, Focus};
use crate::ui::widgets::{Pane, columns, frame, rows};
use crate::ui::{fit, text};

/// Ladder view of a session.
pub(in crate::ui) struct Ladder<'a>(pub(in crate::ui) &'a Session);

/// Columns of the time, of the size with its gap, and of the key with its gap.
const TIME: usize = 9;
const SIZE: usize = 10;
const KEY: usize = 22;
/// Columns below which key and size have no columns; the lines below tell them.
const WITH_KEY: usize = 68;
const WITH_SIZE: usize = 46;
/// Largest number of columns between the rails; longer arrows show nothing more.
const SPAN: usize = 64;
/// Columns of the text where there is no session.
const EMPTY: u16 = 96;
/// Rows of the text about the message.
const WORDS: u16 = 6;

/// Messages of an upload with CP2.
const EXAMPLE: [(Way, Role); 7] = [
    (Way::ToServer, Role::Challenge),
    (Way::ToClient, Role::Signature),
    (Way::ToClient, Role::Certificate),
    (Way::ToServer, Role::SessionKey),
    (Way::ToServer, Role::Name),
    (Way::ToServer, Role::Token),
    (Way::ToServer, Role::Close),
];

/// Areas within the frame.
struct Plan {
    /// Heading and messages.
    ladder: Rect,
    /// Text about one message; empty if there is no room.
    words: Rect,
}

fn plan(inner: Rect) -> Plan {
    // The messages take precedence.
    let words = if inner.height >= WORDS + 6 { WORDS } else { 0 };
    let [ladder, words] = Layout::vertical([Constraint::Fill(1), Constraint::Length(words)]).areas(inner);
    Plan { ladder, words }
}

/// Returns the number of rows for messages, and the first message shown.
fn window(session: &Session, len: usize, ladder: Rect) -> (usize, usize) {
    let room = usize::from(ladder.height.saturating_sub(1));
    // The session's end takes a row, too.
    let pitch = if room >= 2 * len { 2 } else { 1 };
    let visible = room / pitch;
    let at = session.at(&session.rows());
    let top = if len < visible { 0 } else { (at + 1 + usize::from(visible > 4)).saturating_sub(visible) };
    (pitch, top.min((len + 1).saturating_sub(visible)))
}

/// Returns the message in this row inside the frame.
pub(super) fn row_at(session: &Session, row: usize, area: Rect) -> Option<usize> {
    let inner = Block::bordered().inner(area);
    let Plan { ladder, .. } = plan(inner);
    let len = session.rows().len();
    let (pitch, top) = window(session, len, ladder);
    let row = row.checked_sub(1).filter(|row| *row + 1 < usize::from(ladder.height))?;
    Some(top + row / pitch).filter(|at| *at < len)
}

impl Widget for Pane<'_, Ladder<'_>> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let session = self.of.0;
        let Some(shown) = session.shown() else {
            return self.empty(area, buf);
        };
        let (at, of) = session.place();
        let block =
            frame(self.theme, self.focus, &text::session_title(shown), &text::which_session(at, of), area);
        let inner = block.inner(area);
        block.render(area, buf);
        let Plan { ladder, words } = plan(inner);
        self.messages(session, shown, ladder, buf);
        if words.height > 0 {
            let rule = Rect { x: area.x, width: area.width, height: 1, ..words };
            Block::new()
                .borders(Borders::TOP)
                .border_set(FRAME)
                .border_style(self.theme.border(self.focus))
                .render(rule, buf);
            for (x, end) in [(rule.x, "├"), (rule.right().saturating_sub(1), "┤")] {
                if let Some(cell) = buf.cell_mut((x, rule.y)) {
                    cell.set_symbol(end);
                }
            }
            self.words(session, shown, Rect { y: words.y + 1, height: words.height - 1, ..words }, buf);
        }
    }
}

/// Columns of a row, from left to right.
struct Measure {
    /// Columns between the rails.
    span: usize,
    size: usize,
    key: usize,
}

impl Measure {
    fn of(width: usize) -> Self {
        let key = if width >= WITH_KEY { KEY } else { 0 };
        let size = if width >= WITH_SIZE { SIZE } else { 0 };
        let span = width.saturating_sub(TIME + 2 + 2 + size + key).min(SPAN);
        Self { span, size, key }
    }
}

impl Pane<'_, Ladder<'_>> {
    fn empty(&self, area: Rect, buf: &mut Buffer) {
        let block = frame(self.theme, self.focus, text::SESSION, "", area);
        let inner = block.inner(area);
        block.render(area, buf);
        let mut lines = vec![Line::styled(text::EMPTY_SESSION, self.theme.strong()), Line::default()];
        let width = usize::from(inner.width.min(EMPTY));
        for (key, words) in text::EMPTY_STEPS {
            for (n, part) in fit::wrap(words, width.saturating_sub(7)).into_iter().enumerate() {
                let key = if n == 0 { *key } else { "" };
                lines.push(Line::from(vec![
                    Span::styled(fit::left(key, 7), self.theme.key()),
                    Span::raw(part),
                ]));
            }
        }
        if usize::from(inner.height) >= lines.len() + EXAMPLE.len() + 4 {
            lines.push(Line::default());
            lines.push(Line::styled(text::EMPTY_EXAMPLE, self.theme.faint()));
            lines.push(Line::default());
            lines.extend(self.example(width));
        }
        let height = columns(lines.len()).min(inner.height);
        let area = inner.centered_horizontally(Constraint::Length(EMPTY)).intersection(inner);
        let area = Rect { y: area.y + (inner.height - height) / 3, height, ..area };
        for (line, row) in lines.into_iter().zip(rows(area)) {
            line.render(row, buf);
        }
    }

    /// Draws what an upload will look like.
    fn example(&self, width: usize) -> Vec<Line<'static>> {
        let measure = Measure::of(width);
        let faint = self.theme.faint();
        let rows = EXAMPLE.iter().map(|(way, role)| {
            let rail = || Span::styled("│", faint);
            let mut spans = vec![Span::raw(" ".repeat(TIME + 2)), rail()];
            spans.extend(self.arrow(*way, *role, text::message(*role), measure.span, faint));
            spans.extend([rail(), Span::raw(" ".repeat(measure.size))]);
            if measure.key > 0 {
                spans.push(Span::styled(format!("  {}", text::touch(role.touch())), faint));
            }
            Line::from(spans)
        });
        [self.heading(&measure)].into_iter().chain(rows).collect()
    }

    fn messages(&self, session: &Session, shown: &Recording, ladder: Rect, buf: &mut Buffer) {
        let measure = Measure::of(usize::from(ladder.width));
        let all = session.rows();
        let (pitch, top) = window(session, all.len(), ladder);
        let at = session.at(&all);
        let mut lines = rows(ladder);
        if let Some(area) = lines.next() {
            self.heading(&measure).render(area, buf);
        }
        for (n, row) in all.iter().enumerate().skip(top) {
            // While the messages are played, later ones are not drawn yet.
            if session.is_playing() && n > at {
                return;
            }
            let Some(area) = lines.next() else { return };
            self.message(shown, row, &measure, n == at).render(area, buf);
            if n == at && self.focus == Focus::Here {
                buf.set_style(area.intersection(buf.area), self.theme.cursor(self.focus));
            }
            for _ in 1..if n + 1 < all.len() { pitch } else { 1 } {
                if let Some(area) = lines.next() {
                    self.rails(&measure).render(area, buf);
                }
            }
        }
        if let Some(area) = lines.next() {
            self.end(shown, &measure).render(area, buf);
        }
    }

    fn heading(&self, measure: &Measure) -> Line<'static> {
        let faint = self.theme.faint();
        let right = measure.span.saturating_sub(fit::width(text::CLIENT)) + 2;
        let mut spans = vec![
            Span::styled(fit::right(text::TIME, TIME), faint),
            Span::raw("  "),
            Span::styled(text::CLIENT, self.theme.strong()),
            Span::styled(fit::right(text::SERVER_END, right), self.theme.strong()),
            Span::styled(fit::right(text::SIZE, measure.size), faint),
        ];
        if measure.key > 0 {
            spans.push(Span::styled(format!("  {}", fit::left(text::KEY, measure.key - 2)), faint));
        }
        Line::from(spans)
    }

    fn rails(&self, measure: &Measure) -> Line<'static> {
        let between = " ".repeat(measure.span);
        let rails = format!("{}  │{between}│", " ".repeat(TIME));
        Line::styled(rails, self.theme.faint())
    }

    fn message(&self, shown: &Recording, row: &Row, measure: &Measure, is_here: bool) -> Line<'static> {
        let faint = self.theme.faint();
        let bold = if is_here { self.theme.strong() } else { Style::new() };
        let first = shown.frame(row.first());
        let time = first.map_or_else(String::new, |frame| text::moment(frame.at_us));
        let here = if is_here { "▸" } else { " " };
        let mut spans = vec![
            Span::styled(fit::right(&time, TIME), faint),
            Span::styled(format!(" {here}"), self.theme.accent()),
            Span::styled("│", faint),
        ];
        let (size, key) = if let (Row::One(_) | Row::Run { .. }, Some(frame)) = (row, first) {
            let role = shown.role(frame);
            let (label, wire) = if let Row::Run { wire, .. } = row {
                (text::run(row.messages()), *wire)
            } else {
                (text::message(role).to_owned(), frame.wire)
            };
            let label = if frame.whole { label } else { format!("{label}…") };
            spans.extend(self.arrow(frame.way, role, &label, measure.span, bold));
            (wire, text::touch(role.touch()))
        } else {
            let room = measure.span.saturating_sub(2);
            spans.push(Span::styled(format!("  {}", fit::left(&text::more(row.messages()), room)), faint));
            (if let Row::More { wire, .. } = row { *wire } else { 0 }, "")
        };
        spans.push(Span::styled("│", faint));
        if measure.size > 0 {
            spans.push(Span::styled(fit::right(&units::bytes(size), measure.size), bold));
        }
        if measure.key > 0 {
            spans.push(Span::styled(format!("  {}", fit::left(key, measure.key - 2)), bold));
        }
        Line::from(spans)
    }

    /// Returns an arrow such as `╴╴ MODE 0 name ╴╴╴╴╴╴►`, or in the other direction.
    fn arrow(&self, way: Way, role: Role, label: &str, span: usize, bold: Style) -> Vec<Span<'static>> {
        let (stroke, style) =
            if role.is_sealed() { ("━", self.theme.good()) } else { ("╴", self.theme.warn()) };
        let label = format!(" {} ", fit::cut(label, span.saturating_sub(6)));
        // Two strokes at the tail, and the head.
        let rest = span.saturating_sub(fit::width(&label) + 3);
        let (short, long) = (stroke.repeat(span.min(2)), stroke.repeat(rest));
        match way {
            Way::ToServer => vec![
                Span::styled(short, style),
                Span::styled(label, bold),
                Span::styled(format!("{long}►"), style),
            ],
            Way::ToClient => vec![
                Span::styled(format!("◄{long}"), style),
                Span::styled(label, bold),
                Span::styled(short, style),
            ],
        }
    }

    fn end(&self, shown: &Recording, measure: &Measure) -> Line<'static> {
        let (words, style) = match shown.closed {
            None => (text::LIVE, self.theme.accent()),
            Some((_, true)) => (text::ENDED, self.theme.faint()),
            Some((_, false)) => (text::CUT, self.theme.bad()),
        };
        let time = shown.closed.map_or_else(String::new, |(at, _)| text::moment(at));
        let words = fit::cut(words, measure.span.saturating_sub(2));
        let room = measure.span.saturating_sub(fit::width(&words) + 2);
        let (left, right) = (room / 2, room - room / 2);
        let (corner, line) =
            if shown.closed.is_some() { (("└", "┘"), "─") } else { (("┊", "┊"), " ") };
        Line::from(vec![
            Span::styled(fit::right(&time, TIME), self.theme.faint()),
            Span::styled(format!("  {}{}", corner.0, line.repeat(left)), self.theme.faint()),
            Span::styled(format!(" {words} "), style),
            Span::styled(format!("{}{}", line.repeat(right), corner.1), self.theme.faint()),
        ])
    }

    /// Returns the text about the message that is shown.
    fn words(&self, session: &Session, shown: &Recording, area: Rect, buf: &mut Buffer) {
        let Some(frame) = session.frame() else { return };
        let role = shown.role(frame);
        let width = usize::from(area.width);
        let place = text::place(frame.number, shown.count());
        let title = fit::cut(text::message(role), width.saturating_sub(fit::width(&place) + 2));
        let way = format!("   {}", text::way(frame.way));
        let room = width.saturating_sub(fit::width(&title) + fit::width(&place));
        let mut lines = vec![Line::from(vec![
            Span::styled(title, self.theme.strong()),
            Span::styled(fit::left(&way, room), self.theme.faint()),
            Span::styled(place, self.theme.faint()),
        ])];
        let label = |label: &str| Span::styled(fit::left(label, 10), self.theme.faint());
        let columns = width.saturating_sub(10);
        let key = text::touch(role.touch());
        let why = format!("{key} · {}", text::why(role));
        let (is_read, overheard) = text::overheard(role);
        let style = if is_read { self.theme.warn() } else { self.theme.good() };
        let why = fit::wrap(&why, columns);
        let room = usize::from(area.height).saturating_sub(2);
        // If the reason needs the room, what an eavesdropper learns is worth more than the anatomy.
        if why.len() < room {
            lines.push(Line::from(vec![
                label(text::BYTES),
                Span::raw(fit::cut(&text::anatomy(frame), columns)),
            ]));
        }
        for (n, part) in why.into_iter().take(room).enumerate() {
            // The key's name is never longer than a line.
            let (name, rest) = part.split_at(if n == 0 && part.starts_with(key) { key.len() } else { 0 });
            lines.push(Line::from(vec![
                label(if n == 0 { text::KEY } else { "" }),
                Span::styled(name.to_owned(), self.theme.strong()),
                Span::raw(rest.to_owned()),
            ]));
        }
        lines
            .push(Line::from(vec![label(text::LISTENER), Span::styled(fit::cut(overheard, columns), style)]));
        for (line, row) in lines.into_iter().zip(rows(area)) {
            line.render(row, buf);
        }
    }
}
