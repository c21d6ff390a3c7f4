//! Building blocks of panes: lists, bars, charts, text input, frames.
//!
//! Drawing is `Widget for Pane<'_, State>`: it borrows the state, the theme and the time, and can reach neither a
//! disk nor a clock nor a channel.

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
pub(super) mod order;
pub(super) mod received;
pub(super) mod toast;

/// State of a pane, together with what drawing it needs.
pub(super) struct Pane<'a, T> {
    pub(super) of: &'a T,
    pub(super) theme: Theme,
    pub(super) focus: Focus,
    /// Time since the program began.
    pub(super) now: Duration,
}

impl<T> Pane<'_, T> {
    /// Returns a frame with a title on the left and a note on the right.
    pub(super) fn frame(&self, title: &str, note: &str, area: Rect) -> Block<'static> {
        frame(self.theme, self.focus, title, note, area)
    }
}

/// Returns a rounded frame with a title and a note. Where both do not fit, the note is left out.
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

/// Returns the rows of an area, from top to bottom.
pub(super) fn rows(area: Rect) -> impl Iterator<Item = Rect> {
    area.rows()
}

/// Returns a length on the screen; too large a number becomes the largest length.
pub(super) fn columns(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}
