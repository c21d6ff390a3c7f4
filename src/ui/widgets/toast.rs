//! Short messages over the screen that disappear by themselves; the log keeps them.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::log::Tone;
use super::{Pane, columns, frame, rows};
use crate::ui::fit;
use crate::ui::text;
use crate::ui::theme::Focus;

/// Time that a message stays.
const STAY: Duration = Duration::from_secs(8);
/// Number of messages shown at once; the newest ones are kept.
const MOST: usize = 3;

#[derive(Debug)]
struct Toast {
    tone: Tone,
    what: String,
    advice: String,
    until: Duration,
}

/// Messages that are still shown.
#[derive(Debug, Default)]
pub(in crate::ui) struct Toasts(Vec<Toast>);

impl Toasts {
    pub(in crate::ui) fn say(&mut self, tone: Tone, what: String, advice: String, now: Duration) {
        // A repeated message is shown once, for longer.
        self.0.retain(|toast| toast.what != what);
        self.0.push(Toast { tone, what, advice, until: now + STAY });
        if self.0.len() > MOST {
            self.0.remove(0);
        }
    }

    /// Removes messages whose time is over; returns whether there were any.
    pub(in crate::ui) fn expire(&mut self, now: Duration) -> bool {
        let before = self.0.len();
        self.0.retain(|toast| toast.until > now);
        self.0.len() != before
    }

    /// Returns when the next message disappears.
    pub(in crate::ui) fn next(&self) -> Option<Duration> {
        self.0.iter().map(|toast| toast.until).min()
    }

    /// Removes all messages; returns whether there were any.
    pub(in crate::ui) fn dismiss(&mut self) -> bool {
        let any = !self.0.is_empty();
        self.0.clear();
        any
    }
}

impl Toasts {
    /// Returns whether a message is shown.
    pub(in crate::ui) const fn is_shown(&self) -> bool {
        !self.0.is_empty()
    }
}

impl Pane<'_, Toasts> {
    /// Draws the newest message as a line, for a screen on which nothing may be covered.
    pub(in crate::ui) fn line(&self, area: Rect, buf: &mut Buffer) {
        let Some(toast) = self.of.0.last() else { return };
        let (mark, style) = match toast.tone {
            Tone::Bad => ("✗", self.theme.bad()),
            Tone::Warn => ("!", self.theme.warn()),
            Tone::Plain => ("✓", self.theme.accent()),
        };
        let more = match self.of.0.len() {
            0 | 1 => String::new(),
            shown => format!("  {}", text::more_messages(shown - 1)),
        };
        let room = usize::from(area.width).saturating_sub(4 + fit::width(&more));
        let both = format!("{} {}", toast.what, toast.advice);
        let words =
            if fit::width(&both) <= room { both.trim_end().to_owned() } else { fit::cut(&toast.what, room) };
        let line = Line::from(vec![
            Span::styled(format!(" {mark} "), style),
            Span::raw(words),
            Span::styled(more, self.theme.faint()),
        ]);
        Clear.render(area, buf);
        line.render(area, buf);
    }
}

impl Widget for Pane<'_, Toasts> {
    /// Draws the messages in the lower right corner of `area`, the newest lowest.
    fn render(self, area: Rect, buf: &mut Buffer) {
        let width = area.width.min(60);
        let mut bottom = area.bottom();
        for toast in self.of.0.iter().rev() {
            let room = usize::from(width).saturating_sub(4);
            let what = fit::wrap(&toast.what, room);
            let advice = if toast.advice.is_empty() { Vec::new() } else { fit::wrap(&toast.advice, room) };
            let height = columns(what.len() + advice.len() + 2);
            let Some(top) = bottom.checked_sub(height).filter(|top| *top >= area.y) else { return };
            let place = Rect { x: area.right() - width, y: top, width, height };
            let (title, style) = match toast.tone {
                Tone::Bad => (text::TROUBLE, self.theme.bad()),
                Tone::Warn => (text::NOTE, self.theme.warn()),
                Tone::Plain => (text::NOTE, self.theme.accent()),
            };
            let rim = Rect { x: place.x.saturating_sub(1).max(area.x), width: place.width + 1, ..place };
            Clear.render(rim.intersection(area), buf);
            let block =
                frame(self.theme, Focus::Elsewhere, title, text::LOG_KEEPS, place).border_style(style);
            let inner = block.inner(place);
            block.render(place, buf);
            let lines = what
                .into_iter()
                .map(Line::raw)
                .chain(advice.into_iter().map(|line| Line::styled(line, self.theme.faint())));
            for (line, row) in lines.zip(rows(inner)) {
                line.render(row, buf);
            }
            bottom = top;
        }
    }
}
