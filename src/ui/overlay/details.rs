//! Everything about one row, as labels and values.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::ui::fit;
use crate::ui::widgets::list::Step;
use crate::ui::widgets::{Pane, rows};

/// Labels and values, and the reader's position.
#[derive(Debug)]
pub(in crate::ui) struct Details {
    title: String,
    facts: Vec<(&'static str, String)>,
    top: usize,
}

/// Columns of the labels.
const LABEL: usize = 14;

impl Details {
    pub(in crate::ui) fn new(title: String, facts: Vec<(&'static str, String)>) -> Self {
        Self { title, facts, top: 0 }
    }

    pub(in crate::ui) fn go(&mut self, step: Step) {
        self.top = match step {
            Step::Up(n) => self.top.saturating_sub(n),
            Step::Down(n) => self.top.saturating_add(n),
            Step::First => 0,
            Step::Last => usize::MAX,
            Step::To(row) => row,
        }
        .min(self.facts.len().saturating_sub(1));
    }

    /// Returns the rows that the details take in `columns` columns.
    pub(in crate::ui) fn height(&self, columns: usize) -> usize {
        self.facts.iter().map(|(_, value)| fit::wrap(value, columns.saturating_sub(LABEL)).len()).sum()
    }
}

impl Widget for Pane<'_, Details> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let block = self.frame(&self.of.title, "", area);
        let inner = block.inner(area);
        block.render(area, buf);
        let width = usize::from(inner.width).saturating_sub(LABEL);
        let lines = self.of.facts.iter().skip(self.of.top).flat_map(|(label, value)| {
            fit::wrap(value, width).into_iter().enumerate().map(|(row, part)| {
                let label = if row == 0 { *label } else { "" };
                Line::from(vec![Span::styled(fit::left(label, LABEL), self.theme.faint()), Span::raw(part)])
            })
        });
        for (line, area) in lines.zip(rows(inner)) {
            line.render(area, buf);
        }
    }
}
