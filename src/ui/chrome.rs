//! What surrounds the panes: the header with the tabs and the server, and the footer with the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget as _;

use super::keymap::{self, Place};
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
}

impl Tabs {
    /// Returns the index of the tab at a position.
    pub(super) fn hit(self, area: Rect, at: Position) -> Option<usize> {
        if at.y != area.y {
            return None;
        }
        let mut x = area.x + columns(fit::width(&self.before()));
        for index in 0..self.names.len() {
            let width = columns(fit::width(&self.tab(index, area.width)));
            if (x..x + width).contains(&at.x) {
                return Some(index);
            }
            x += width + 1;
        }
        None
    }

    /// Returns the program's name. The bracket of the first tab takes the place of a blank.
    fn before(self) -> String {
        let blank = if self.open == 0 { "" } else { " " };
        format!(" {} {blank}", text::PROGRAM)
    }

    fn tab(self, index: usize, width: u16) -> String {
        let (digit, is_last) = (index + 1, index + 1 == self.names.len());
        let name = self.names[index];
        match index {
            _ if index == self.open => format!("[{digit} {name}]"),
            _ if width < NAMED_TABS || (width < ALL_TABS && is_last) => digit.to_string(),
            _ => format!("{digit} {name}"),
        }
    }

    fn line(self, theme: Theme, width: u16) -> Line<'static> {
        let mut line = Line::from(vec![Span::styled(self.before(), theme.strong())]);
        for index in 0..self.names.len() {
            let style = if index == self.open { theme.chosen() } else { Style::new() };
            line.push_span(Span::styled(self.tab(index, width), style));
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
    let line = tabs.line(theme, area.width);
    let used = columns(line.width());
    line.render(area, buf);
    let right = Rect { x: area.x + used.min(area.width), width: area.width.saturating_sub(used + 1), ..area };
    let room = usize::from(right.width).saturating_sub(1);
    let line = match subject {
        Some(subject) => Line::raw(fit::cut_start(&subject, room)),
        None => peer(shared, theme, room),
    };
    line.right_aligned().render(right, buf);
}

/// Returns where uploads go, and whether the server has proved its identity.
fn peer(shared: &Shared, theme: Theme, room: usize) -> Line<'static> {
    let link = &shared.link;
    let address = match (&link.target, &shared.own_server.listening) {
        (Target::Server { address, .. }, _) => fit::escaped(&address.to_string()),
        (Target::Embedded, Listening::At(address)) => address.clone(),
        (Target::Embedded, Listening::Starting) => text::STARTING.to_owned(),
        (Target::Embedded, Listening::Not(_)) => {
            return Line::styled(fit::cut(text::NOT_LISTENING, room), theme.bad());
        }
    };
    let (words, style) = match &link.proof {
        _ if shared.dialect.variant == Variant::Plain => (text::NEVER_PROVEN.to_owned(), theme.warn()),
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

/// Draws the keys of a place, as many as fit. The last one, the help, is always there.
pub(super) fn footer(place: Place, theme: Theme, area: Rect, buf: &mut Buffer) {
    let mut hints: Vec<(String, &str)> = keymap::footer(place)
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
