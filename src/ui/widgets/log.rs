//! The log: problems and notable events, with their times.

use std::collections::VecDeque;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::list::Step;
use super::{Pane, rows};
use crate::ui::fit;
use crate::ui::text;

/// Number of entries that are kept.
const MOST: usize = 1000;

/// Importance of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum Tone {
    Plain,
    Warn,
    Bad,
}

#[derive(Debug)]
struct Entry {
    at: String,
    tone: Tone,
    words: String,
}

/// Entries, the oldest first, and how far the reader has scrolled up.
#[derive(Debug, Default)]
pub(in crate::ui) struct Log {
    entries: VecDeque<Entry>,
    /// Number of entries below the window; 0 follows the newest.
    above_end: usize,
}

impl Log {
    pub(in crate::ui) fn add(&mut self, at: String, tone: Tone, words: String) {
        if self.entries.len() == MOST {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { at, tone, words });
        if self.above_end > 0 {
            self.above_end += 1;
        }
    }

    pub(in crate::ui) fn go(&mut self, step: Step) {
        let most = self.entries.len().saturating_sub(1);
        self.above_end = match step {
            Step::Up(n) => self.above_end.saturating_add(n),
            Step::Down(n) => self.above_end.saturating_sub(n),
            Step::First => most,
            Step::Last | Step::To(_) => 0,
        }
        .min(most);
    }
}

impl Widget for Pane<'_, Log> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let block = self.frame(text::LOG, "e", area);
        let inner = block.inner(area);
        block.render(area, buf);
        if self.of.entries.is_empty() {
            Line::styled(text::EMPTY_LOG, self.theme.faint()).render(inner, buf);
            return;
        }
        let width = usize::from(inner.width).saturating_sub(11);
        let shown = self.of.entries.len() - self.of.above_end.min(self.of.entries.len());
        let mut lines = Vec::new();
        // Draws from the newest upwards, until the pane is full.
        for entry in self.of.entries.iter().take(shown).rev() {
            let (sign, style) = match entry.tone {
                Tone::Plain => ("·", Style::new()),
                Tone::Warn => ("?", self.theme.warn()),
                Tone::Bad => ("✗", self.theme.bad()),
            };
            let words = fit::wrap(&entry.words, width);
            for (row, part) in words.into_iter().enumerate().rev() {
                let head = if row == 0 {
                    vec![
                        Span::styled(entry.at.clone(), self.theme.faint()),
                        Span::styled(format!(" {sign} "), style),
                    ]
                } else {
                    vec![Span::raw(" ".repeat(11))]
                };
                let mut line = Line::from(head);
                line.push_span(Span::raw(part));
                lines.push(line);
            }
            if lines.len() >= usize::from(inner.height) {
                break;
            }
        }
        lines.truncate(usize::from(inner.height));
        for (line, area) in lines.into_iter().rev().zip(rows(inner)) {
            line.render(area, buf);
        }
    }
}
