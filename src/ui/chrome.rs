//! What surrounds the panes: the header with the tabs and the server, and the footer with the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget as _;

use super::keymap::{self, Action, Place};
use super::own_server::Listening;
use super::shared::Shared;
use super::theme::Theme;
use super::widgets::columns;
use super::{fit, text};
use crate::event::{Target, Variant};

/// Columns below which only the open tab has its name: what the server has proved is worth more.
const NAMED_TABS: u16 = 72;
/// Columns below which the last tab has only its digit, so that the address has room.
const ALL_TABS: u16 = 92;

/// The tabs of the screens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tabs {
    pub(super) names: &'static [&'static str],
    /// Index of the open screen.
    pub(super) open: usize,
    /// What the user should know at any time, behind the program's name; empty for nothing.
    pub(super) mark: &'static str,
}

impl Tabs {
    /// Returns the index of the tab at a position, if this many tabs are named.
    fn hit(self, area: Rect, named: usize, at: Position) -> Option<usize> {
        if at.y != area.y {
            return None;
        }
        let mut x = area.x + columns(fit::width(&self.before()));
        for index in 0..self.names.len() {
            let wide = columns(fit::width(&self.tab(index, named)));
            if (x..x + wide).contains(&at.x) {
                return Some(index);
            }
            x += wide + 1;
        }
        None
    }

    /// Returns how many tabs are named besides the open one: names give way, from the last on, to the address and the
    /// key's length.
    fn named(self, subject: Option<&str>, shared: &Shared, theme: Theme, width: u16) -> usize {
        let most = match width {
            ..NAMED_TABS => 0,
            NAMED_TABS..ALL_TABS => self.names.len() - 1,
            ALL_TABS.. => self.names.len(),
        };
        let wanted = subject.map_or_else(|| state(shared, theme, usize::MAX).width(), fit::width);
        let fits = |named: &usize| self.line(theme, *named).width() + 1 + wanted < usize::from(width);
        (0..=most).rev().find(fits).unwrap_or(0)
    }

    /// Returns the program's name. The bracket of the first tab takes the place of a blank.
    fn before(self) -> String {
        let blank = if self.open == 0 { "" } else { " " };
        let space = if self.mark.is_empty() { "" } else { " " };
        format!(" {} {}{space}{blank}", text::PROGRAM, self.mark)
    }

    fn tab(self, index: usize, named: usize) -> String {
        let (digit, name) = (index + 1, self.names[index]);
        match index {
            _ if index == self.open => format!("[{digit} {name}]"),
            _ if index < named => format!("{digit} {name}"),
            _ => digit.to_string(),
        }
    }

    fn line(self, theme: Theme, named: usize) -> Line<'static> {
        let before = self.before();
        let (name, rest) = before.split_at(text::PROGRAM.len() + 1);
        let mut line = Line::from(vec![
            Span::styled(name.to_owned(), theme.strong()),
            Span::styled(rest.to_owned(), theme.warn()),
        ]);
        for index in 0..self.names.len() {
            let style = if index == self.open { theme.chosen() } else { Style::new() };
            line.push_span(Span::styled(self.tab(index, named), style));
            line.push_span(Span::raw(" "));
        }
        line
    }
}

/// Draws the tabs, and on the right the open screen's subject or the server:
/// ` upseal [1 Upload] 2 Race 4 Server 5 History   127.0.0.1:4321 ✓ proven 1024-bit`.
pub(super) fn header(
    tabs: Tabs,
    subject: Option<String>,
    shared: &Shared,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let named = tabs.named(subject.as_deref(), shared, theme, area.width);
    let line = tabs.line(theme, named);
    let used = columns(line.width());
    line.render(area, buf);
    let right = Rect { x: area.x + used.min(area.width), width: area.width.saturating_sub(used + 1), ..area };
    let room = usize::from(right.width).saturating_sub(1);
    let line = match subject {
        Some(subject) => Line::raw(fit::cut_start(&subject, room)),
        None => state(shared, theme, room),
    };
    line.right_aligned().render(right, buf);
}

/// Returns the index of the tab at a position.
pub(super) fn tab_hit(
    tabs: Tabs,
    subject: Option<&str>,
    shared: &Shared,
    area: Rect,
    at: Position,
) -> Option<usize> {
    // The styles of a theme have no width.
    let named = tabs.named(subject, shared, Theme::without_colours(), area.width);
    tabs.hit(area, named, at)
}

/// Returns whether the queue is paused, and [`peer`]. The former gives way in the narrowest terminals, where the queue's
/// title says it too.
fn state(shared: &Shared, theme: Theme, room: usize) -> Line<'static> {
    let mut line = peer(shared, theme, room);
    let whole = peer(shared, theme, usize::MAX).width();
    if shared.is_paused && line.width() == whole && whole + fit::width(text::PAUSED) + 2 <= room {
        line.spans.insert(0, Span::raw("  "));
        line.spans.insert(0, Span::styled(text::PAUSED, theme.warn()));
    }
    line
}

/// Returns where uploads go, and whether the server has proved its identity.
fn peer(shared: &Shared, theme: Theme, room: usize) -> Line<'static> {
    let link = &shared.link;
    let address = match (&link.target, &shared.own_server.listening) {
        (Target::Server { address, .. }, _) => fit::escaped(&address.to_string()),
        (Target::Embedded, Listening::At(address)) => address.clone(),
        (Target::Embedded, Listening::Starting) => text::STARTING.to_owned(),
        (Target::Embedded, Listening::Not(_) | Listening::Absent) => {
            return Line::styled(fit::cut(text::NOT_LISTENING, room), theme.bad());
        }
    };
    let (words, style) = match &link.proof {
        _ if shared.dialect.variant == Variant::Plain => (text::NEVER_PROVEN.to_owned(), theme.warn()),
        _ if link.is_away => (text::AWAY.to_owned(), theme.bad()),
        _ if link.changed => (text::CHANGED_SHORT.to_owned(), theme.bad()),
        Some(proof) => (text::proven_short(proof, link.standing.as_ref()), theme.good()),
        None => (text::NOT_PROVEN.to_owned(), theme.faint()),
    };
    // Where they do not both fit, the address is worth more than the key's length.
    let both = |words: &str| fit::width(words) + 1 + fit::width(&address) <= room;
    let words = match words.rsplit_once(' ') {
        Some((short, bits)) if bits.ends_with("-bit") && !both(&words) && both(short) => short.to_owned(),
        _ => words,
    };
    if fit::width(&words) > room {
        return Line::default();
    }
    let rest = room.saturating_sub(fit::width(&words) + 1);
    // The last few characters of an address say less than none.
    let address = if rest < 8 { String::new() } else { fit::cut_middle(&address, rest) };
    Line::from(vec![Span::raw(address), Span::raw(" "), Span::styled(words, style)])
}

/// A key in the footer.
struct Hint {
    key: String,
    words: &'static str,
    action: Action,
}

impl Hint {
    fn width(&self) -> usize {
        fit::width(&self.key) + fit::width(self.words) + 3
    }
}

/// Returns the keys of a place, as many as fit. The last one, the help, is always there.
fn hints(place: Place, width: u16) -> Vec<Hint> {
    let mut hints: Vec<Hint> = keymap::footer(place)
        .filter(|binding| !binding.keys.is_empty())
        .map(|binding| {
            let key = keymap::names(binding.keys.get(..1).unwrap_or_default());
            Hint { key, words: binding.short, action: binding.action }
        })
        .collect();
    while hints.len() > 1 && hints.iter().map(Hint::width).sum::<usize>() > usize::from(width) {
        hints.remove(hints.len() - 2);
    }
    hints
}

/// Draws the keys of a place.
pub(super) fn footer(place: Place, theme: Theme, area: Rect, buf: &mut Buffer) {
    let mut line = Line::raw(" ");
    for Hint { key, words, .. } in hints(place, area.width) {
        line.push_span(Span::styled(key, theme.key()));
        line.push_span(Span::raw(format!(" {words}  ")));
    }
    line.render(area, buf);
}

/// Returns the action of the key at a position of the footer.
pub(super) fn footer_hit(place: Place, area: Rect, at: Position) -> Option<Action> {
    if !area.contains(at) {
        return None;
    }
    let mut x = usize::from(area.x) + 1;
    for hint in hints(place, area.width) {
        // The two blanks behind a key belong to none.
        if (x..x + hint.width() - 2).contains(&usize::from(at.x)) {
            return Some(hint.action);
        }
        x += hint.width();
    }
    None
}
