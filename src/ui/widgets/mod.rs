//! The parts of the screens. Each file holds a part's state, how it changes, and how it is drawn.
//!
//! Drawing is `Widget for Pane<'_, State>`: it borrows the state, the theme and the moment, and can
//! reach neither disk nor clock nor channel.

use std::time::Duration;

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Padding};

use super::theme::{FRAME, Focus, Theme};

pub(super) mod bar;
pub(super) mod chart;
pub(super) mod digits;
pub(super) mod filter;
pub(super) mod input;
pub(super) mod list;
pub(super) mod log;
pub(super) mod received;
pub(super) mod toast;

/// A part's state together with what drawing it needs.
pub(super) struct Pane<'a, T> {
    pub(super) of: &'a T,
    pub(super) theme: Theme,
    pub(super) focus: Focus,
    /// Since the program began.
    pub(super) now: Duration,
}

impl<T> Pane<'_, T> {
    /// The frame around it: what it is on the left, what it amounts to on the right.
    pub(super) fn frame(&self, title: &str, note: &str, area: Rect) -> Block<'static> {
        frame(self.theme, self.focus, title, note, area)
    }
}

/// A rounded frame. The note gives way to the title where both do not fit.
pub(super) fn frame(theme: Theme, focus: Focus, title: &str, note: &str, area: Rect) -> Block<'static> {
    use super::fit;
    let room = usize::from(area.width).saturating_sub(6);
    let title = fit::cut(title, room);
    let note = if fit::width(&title) + fit::width(note) + 3 <= room { note } else { "" };
    let mut block = Block::bordered()
        .border_set(FRAME)
        .border_style(theme.border(focus))
        .padding(Padding::horizontal(1))
        .title_top(Line::from(Span::styled(format!(" {title} "), theme.title(focus))));
    if !note.is_empty() {
        block = block.title_top(Line::from(Span::styled(format!(" {note} "), theme.plain())).right_aligned());
    }
    block
}

/// The rows of an area, top down.
pub(super) fn rows(area: Rect) -> impl Iterator<Item = Rect> {
    area.rows()
}

/// A length on the screen; anything larger than a screen is as good as the largest.
pub(super) fn columns(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}
