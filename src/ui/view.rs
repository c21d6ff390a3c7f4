//! Where everything lies on the screen, and the frame around it.
//!
//! The design size is 80×24. What is smaller loses, in this order: the rate chart, all but one line
//! of the received files, all but one line of the protocol, all queue rows but one. Below
//! [`SMALLEST`] one line says so, and the transfer goes on.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::app::{App, Overlay, Screen};
use super::keymap;
use super::theme::{self, Focus, Glyphs, Theme};
use super::widgets::server::Listening;
use super::widgets::session::{Certificate, Hex, Ladder};
use super::widgets::{Pane, columns, frame};
use super::{fit, text};
use crate::event::{Target, Variant};

/// Columns and rows below which nothing useful fits.
pub(super) const SMALLEST: (u16, u16) = (40, 12);

/// How the terminal is drawn on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) theme: Theme,
    pub(super) glyphs: Glyphs,
}

/// The parts of the screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Browser,
    Card,
    Queue,
    Speed,
    Received,
    Race,
    Ladder,
    Certificate,
    Wire,
    Server,
    Sessions,
    Refusals,
    History,
}

/// The parts that Tab walks through.
pub(super) const fn ring(screen: Screen) -> &'static [Part] {
    match screen {
        Screen::Upload => &[Part::Browser, Part::Queue, Part::Received],
        Screen::Race => &[Part::Race],
        Screen::Session => &[Part::Ladder, Part::Certificate, Part::Wire],
        Screen::Server => &[Part::Received, Part::Sessions, Part::Refusals],
        Screen::History => &[Part::History],
    }
}

const TABS: [(Screen, &str); 5] = [
    (Screen::Upload, "1 Upload"),
    (Screen::Race, "2 Race"),
    (Screen::Session, "3 Session"),
    (Screen::Server, "4 Server"),
    (Screen::History, "5 History"),
];

/// Columns below which only the open tab has its name: what the server has proven is worth more.
const NAMED_TABS: u16 = 72;
/// Columns below which the last tab has only its digit, so that the address has room.
const ALL_TABS: u16 = 92;

// Layout

/// What is neither header nor footer; nothing where the screen is too small to show anything.
pub(super) fn body(area: Rect) -> Rect {
    if fits(area) { thirds(area)[1] } else { Rect::ZERO }
}

/// Header, body, footer.
fn thirds(area: Rect) -> [Rect; 3] {
    Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)]).areas(area)
}

/// The parts on the screen and where; a part of one row is drawn as a line.
fn plan(app: &App, area: Rect) -> Vec<(Part, Rect)> {
    let [_, body, _] = thirds(area);
    if app.zoomed
        && app.screen != Screen::Race
        && (app.screen != Screen::Session || app.session.shown().is_some())
    {
        return vec![(app.part(), body)];
    }
    match app.screen {
        Screen::Upload => upload(body),
        Screen::Race => vec![(Part::Race, body)],
        Screen::Session if app.session.shown().is_none() => vec![(Part::Ladder, body)],
        Screen::Session => session(body, app.part()),
        Screen::Server => server(body, columns(app.server.facts())),
        Screen::History => vec![(Part::History, body)],
    }
}

/// Screen 1. `body` is the terminal without its first and last row.
fn upload(body: Rect) -> Vec<(Part, Rect)> {
    let height = body.height;
    // A card beside the browser needs its eight lines and their frame.
    let beside = body.width >= 72 && height >= 17;
    let chart = if height >= 34 && body.width >= 60 { 8 } else { 0 };
    let spare = (height - chart).saturating_sub(22);
    let received =
        if height >= 22 { 5 + spare / 4 } else { 4 * u16::from(height >= 20) + u16::from(height < 20) };
    let queue = if height >= 13 { 6 + spare / 4 } else { 4 };
    let line = u16::from(!beside);
    let [top, card_line, queue, chart, received] = Layout::vertical([
        Constraint::Fill(1),
        Constraint::Length(line),
        Constraint::Length(queue),
        Constraint::Length(chart),
        Constraint::Length(received),
    ])
    .areas(body);
    let mut parts = Vec::with_capacity(5);
    if beside {
        let width = if body.width >= 110 { 34 } else { 27 };
        let [browser, card] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(width)]).areas(top);
        parts.extend([(Part::Browser, browser), (Part::Card, card)]);
    } else {
        parts.extend([(Part::Browser, top), (Part::Card, card_line)]);
    }
    parts.push((Part::Queue, queue));
    if chart.height > 0 {
        parts.push((Part::Speed, chart));
    }
    parts.push((Part::Received, received));
    parts
}

/// Screen 4, with so many facts about the server.
fn server(body: Rect, facts: u16) -> Vec<(Part, Rect)> {
    let facts = (facts + 2).min(if body.height >= 22 { 10 } else { 4 });
    let shares = if body.width >= 140 { (1, 1) } else { (1, 2) };
    let [info, received, lower] =
        Layout::vertical([Constraint::Length(facts), Constraint::Fill(shares.0), Constraint::Fill(shares.1)])
            .areas(body);
    let halves = [Constraint::Fill(1), Constraint::Fill(1)];
    // Side by side needs room for two addresses and what was wrong.
    let [sessions, refusals] = if body.width >= 140 {
        Layout::horizontal(halves).areas(lower)
    } else {
        Layout::vertical(halves).areas(lower)
    };
    vec![
        (Part::Server, info),
        (Part::Received, received),
        (Part::Sessions, sessions),
        (Part::Refusals, refusals),
    ]
}

/// Screen 3: the pane with the focus alone, or all three where the ladder and the certificate fit side by side.
fn session(body: Rect, focused: Part) -> Vec<(Part, Rect)> {
    if body.width < 116 || body.height < 34 {
        return vec![(focused, body)];
    }
    let wire = if body.height >= 44 { 18 } else { 14 };
    let [top, bottom] = Layout::vertical([Constraint::Fill(1), Constraint::Length(wire)]).areas(body);
    let certificate = if body.width >= 160 { 76 } else { 44 };
    let [ladder, certificate] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(certificate)]).areas(top);
    vec![(Part::Ladder, ladder), (Part::Certificate, certificate), (Part::Wire, bottom)]
}

fn fits(area: Rect) -> bool {
    area.width >= SMALLEST.0 && area.height >= SMALLEST.1
}

/// Rows of a list inside its frame; 0 if it is not on the screen.
pub(super) fn height(app: &App, area: Rect, part: Part) -> usize {
    if !fits(area) {
        return 0;
    }
    let rect =
        plan(app, area).into_iter().find(|(of, _)| *of == part).map_or_else(Rect::default, |(_, rect)| rect);
    let filtered = match part {
        Part::Browser => app.browser.is_filtered(),
        Part::History => app.history.is_filtered(),
        _ => false,
    };
    let filter = u16::from(filtered);
    usize::from(rect.height.saturating_sub(2 + filter))
}

/// Where a part is; `None`: not on the screen.
pub(super) fn rect(app: &App, part: Part) -> Option<Rect> {
    let area = app.area;
    let found = || plan(app, area).into_iter().find(|(of, _)| *of == part).map(|(_, rect)| rect);
    if fits(area) { found() } else { None }
}

/// The part at this place, and the row inside its frame.
pub(super) fn part_at(app: &App, area: Rect, at: Position) -> Option<(Part, Option<usize>)> {
    if !fits(area) {
        return None;
    }
    let (part, rect) = plan(app, area).into_iter().find(|(_, rect)| rect.contains(at))?;
    let inside = at.y > rect.y && at.y + 1 < rect.bottom();
    Some((part, inside.then(|| usize::from(at.y - rect.y - 1))))
}

/// The tab at this place.
pub(super) fn tab_at(app: &App, area: Rect, at: Position) -> Option<Screen> {
    if at.y != area.y {
        return None;
    }
    let mut x = area.x + columns(fit::width(&before_tabs(app)));
    for (screen, name) in TABS {
        let width = columns(fit::width(&tab(app, screen, name, area.width)));
        if (x..x + width).contains(&at.x) {
            return Some(screen);
        }
        x += width + 1;
    }
    None
}

/// The program's name. The brackets of the first tab take the place of a blank.
fn before_tabs(app: &App) -> String {
    let blank = if app.screen == Screen::Upload { "" } else { " " };
    format!(" {} {blank}", text::PROGRAM)
}

fn tab(app: &App, screen: Screen, name: &str, width: u16) -> String {
    match name.split_once(' ') {
        _ if app.screen == screen => format!("[{name}]"),
        Some((digit, _)) if width < NAMED_TABS => digit.to_owned(),
        Some((digit, _)) if width < ALL_TABS && screen == Screen::History => digit.to_owned(),
        _ => name.to_owned(),
    }
}

// Drawing

/// Draws everything.
pub(super) fn draw(app: &App, look: Look, now: Duration, area: Rect, buf: &mut Buffer) {
    let area = area.intersection(buf.area);
    if fits(area) {
        let [header, body, footer] = thirds(area);
        self::header(app, look.theme, header, buf);
        for (part, rect) in plan(app, area) {
            self::part(app, look.theme, now, part, rect, buf);
        }
        pane(&app.toasts, look.theme, Focus::Elsewhere, now).render(body, buf);
        for overlay in &app.overlays {
            self::overlay(app, overlay, look.theme, now, body, buf);
        }
        self::footer(app, look.theme, footer, buf);
    } else {
        let words = fit::wrap(&text::too_small(SMALLEST.0, SMALLEST.1), usize::from(area.width));
        for (line, row) in words.into_iter().zip(area.rows()) {
            Line::raw(line).render(row, buf);
        }
    }
    if look.glyphs == Glyphs::Ascii {
        theme::to_ascii(buf);
    }
}

fn pane<T>(of: &T, theme: Theme, focus: Focus, now: Duration) -> Pane<'_, T> {
    Pane { of, theme, focus, now }
}

fn part(app: &App, theme: Theme, now: Duration, part: Part, rect: Rect, buf: &mut Buffer) {
    let focus = app.focus(part);
    let line = rect.height == 1;
    match part {
        Part::Browser => pane(&app.browser, theme, focus, now).render(rect, buf),
        Part::Card if line => pane(&app.card, theme, focus, now).render_line(rect, buf),
        Part::Card => pane(&app.card, theme, focus, now).render(rect, buf),
        Part::Queue => pane(&app.queue, theme, focus, now).render(rect, buf),
        Part::Speed => pane(&app.speed, theme, focus, now).render(rect, buf),
        Part::Received if line => pane(&app.received, theme, focus, now).render_line(rect, buf),
        Part::Received => pane(&app.received, theme, focus, now).render(rect, buf),
        Part::Race => pane(&app.race, theme, focus, now).render(rect, buf),
        Part::Ladder => pane(&Ladder(&app.session), theme, focus, now).render(rect, buf),
        Part::Certificate => pane(&Certificate(&app.session), theme, focus, now).render(rect, buf),
        Part::Wire => pane(&Hex(&app.session), theme, focus, now).render(rect, buf),
        Part::Server => pane(&app.server, theme, focus, now).render(rect, buf),
        Part::Sessions => pane(&app.server.sessions, theme, focus, now).render(rect, buf),
        Part::Refusals => pane(&app.server.refusals, theme, focus, now).render(rect, buf),
        Part::History => pane(&app.history, theme, focus, now).render(rect, buf),
    }
}

/// ` upseal [1 Upload] 2 Race 4 Server 5 History   127.0.0.1:4321 ✓ proven 1024-bit`
fn header(app: &App, theme: Theme, area: Rect, buf: &mut Buffer) {
    let mut line = Line::from(vec![Span::styled(before_tabs(app), theme.strong())]);
    for (screen, name) in TABS {
        let style = if app.screen == screen { theme.chosen() } else { Style::new() };
        line.push_span(Span::styled(tab(app, screen, name, area.width), style));
        line.push_span(Span::raw(" "));
    }
    let used = columns(line.width());
    line.render(area, buf);
    let right = Rect { x: area.x + used.min(area.width), width: area.width.saturating_sub(used + 1), ..area };
    let room = usize::from(right.width).saturating_sub(1);
    if app.screen == Screen::Race {
        Line::raw(fit::cut_start(&app.race.subject(), room)).right_aligned().render(right, buf);
    } else {
        peer(app, theme, room).right_aligned().render(right, buf);
    }
}

/// Where uploads go, and whether it has proven who it is.
fn peer(app: &App, theme: Theme, room: usize) -> Line<'static> {
    let address = match (&app.link.target, &app.server.listening) {
        (Target::Server { address, .. }, _) => fit::escaped(address),
        (Target::Embedded, Listening::At(address)) => address.clone(),
        (Target::Embedded, Listening::Starting) => text::STARTING.to_owned(),
        (Target::Embedded, Listening::Not(_)) => {
            return Line::styled(fit::cut(text::NOT_LISTENING, room), theme.bad());
        }
    };
    let (words, style) = match &app.link.proof {
        _ if app.card.dialect.variant == Variant::Plain => (text::NEVER_PROVEN.to_owned(), theme.warn()),
        _ if app.link.changed => (text::CHANGED_SHORT.to_owned(), theme.bad()),
        Some(proof) => (text::proven_short(proof, app.link.standing.as_ref()), theme.good()),
        None => (text::NOT_PROVEN.to_owned(), theme.faint()),
    };
    // Where they do not both fit, the address is worth more than the key's bits.
    let both = |words: &str| fit::width(words) + 1 + fit::width(&address) <= room;
    let words = match words.rsplit_once(' ') {
        Some((short, bits)) if bits.ends_with("-bit") && !both(&words) && both(short) => short.to_owned(),
        _ => words,
    };
    if fit::width(&words) > room {
        return Line::default();
    }
    let rest = room.saturating_sub(fit::width(&words) + 1);
    // A stump of an address says less than none.
    let address = if rest < 8 { String::new() } else { fit::cut_middle(&address, rest) };
    Line::from(vec![Span::raw(address), Span::raw(" "), Span::styled(words, style)])
}

/// The keys of this place, as many as fit; the last one, the help, always does.
fn footer(app: &App, theme: Theme, area: Rect, buf: &mut Buffer) {
    let mut hints: Vec<(String, &str)> = keymap::footer(app.place())
        .map(|binding| (keymap::names(binding.keys.get(..1).unwrap_or_default()), binding.short))
        .collect();
    let size = |hints: &[(String, &str)]| {
        hints.iter().map(|(key, words)| fit::width(key) + fit::width(words) + 3).sum::<usize>()
    };
    while hints.len() > 1 && size(&hints) > usize::from(area.width) {
        hints.remove(hints.len() - 2);
    }
    let mut line = Line::raw(" ");
    for (key, words) in hints {
        line.push_span(Span::styled(key, theme.key()));
        line.push_span(Span::raw(format!(" {words}  ")));
    }
    line.render(area, buf);
}

fn overlay(app: &App, overlay: &Overlay, theme: Theme, now: Duration, body: Rect, buf: &mut Buffer) {
    let wide = body.width.saturating_sub(4).min(100);
    let narrow = body.width.saturating_sub(4).min(64);
    let inside = |width: u16| usize::from(width).saturating_sub(4);
    let (width, height) = match overlay {
        Overlay::Help(_) | Overlay::Log => (wide, body.height.saturating_sub(2)),
        Overlay::Connect(dialog) => (narrow, dialog.height()),
        Overlay::GoTo(_) => (narrow, 3),
        Overlay::Details(details) => (wide.min(84), columns(details.height(inside(wide.min(84))) + 2)),
        Overlay::Question(question) => (narrow, columns(question.height(inside(narrow)) + 2)),
        Overlay::Alarm(alarm) => (body.width, columns(alarm.height(body.width))),
    };
    let place = body.centered(Constraint::Length(width), Constraint::Length(height.min(body.height)));
    // A rim, so that the words beneath do not touch the frame.
    let rim = Rect { x: place.x.saturating_sub(1), width: place.width + 2, ..place };
    Clear.render(rim.intersection(body), buf);
    let focus = Focus::Here;
    match overlay {
        Overlay::Help(help) => pane(help, theme, focus, now).render(place, buf),
        Overlay::Log => pane(&app.log, theme, focus, now).render(place, buf),
        Overlay::Connect(dialog) => pane(dialog, theme, focus, now).render(place, buf),
        Overlay::GoTo(input) => {
            let block = frame(theme, focus, text::GO_TO, "g", place);
            let inner = block.inner(place);
            block.render(place, buf);
            input.line(usize::from(inner.width), Style::new()).render(inner, buf);
        }
        Overlay::Details(details) => pane(details, theme, focus, now).render(place, buf),
        Overlay::Question(question) => pane(question, theme, focus, now).render(place, buf),
        Overlay::Alarm(alarm) => pane(alarm, theme, focus, now).render(place, buf),
    }
}
