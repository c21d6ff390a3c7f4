//! Questions that are asked before something is lost or takes very long.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::{Pane, rows};
use crate::event::{Command, RaceOrder};
use crate::ui::fit;
use crate::ui::keymap::Place;
use crate::ui::text;

/// What is asked, and what is held back until the answer.
#[derive(Debug)]
pub(in crate::ui) enum Question {
    /// Quit although something runs.
    Quit,
    /// CP1 on more than a minute of work; the sentence compares it with CP2.
    Expensive { words: String, order: Command },
    /// A lane would send the file readable to another machine; the sentence says which.
    Open { words: String, order: RaceOrder },
}

impl Question {
    pub(in crate::ui) fn place(&self) -> Place {
        match self {
            Self::Quit => Place::Question,
            Self::Expensive { order: Command::Race(_), .. } => Place::ExpensiveRace,
            Self::Open { .. } => Place::OpenRace,
            Self::Expensive { .. } => Place::Expensive,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Quit => text::QUIT,
            Self::Expensive { .. } => text::EXPENSIVE,
            Self::Open { .. } => text::race::OPEN,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Quit => text::QUIT_WHILE_BUSY.to_owned(),
            Self::Expensive { words, .. } | Self::Open { words, .. } => words.clone(),
        }
    }

    fn answers(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Quit => text::QUIT_ANSWERS,
            Self::Expensive { order: Command::Race(_), .. } => text::RACE_ANSWERS,
            Self::Open { .. } => text::race::OPEN_ANSWERS,
            Self::Expensive { .. } => text::EXPENSIVE_ANSWERS,
        }
    }

    /// Rows that it takes in `columns` columns.
    pub(in crate::ui) fn height(&self, columns: usize) -> usize {
        fit::wrap(&self.words(), columns).len() + 2
    }
}

impl Widget for Pane<'_, Question> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let block = self.frame(self.of.title(), "", area);
        let inner = block.inner(area);
        block.render(area, buf);
        let mut lines: Vec<Line<'static>> =
            fit::wrap(&self.of.words(), usize::from(inner.width)).into_iter().map(Line::raw).collect();
        lines.push(Line::default());
        let mut answers = Line::default();
        for (key, words) in self.of.answers() {
            answers.push_span(Span::styled(format!("[{key}]"), self.theme.key()));
            answers.push_span(Span::raw(format!(" {words}  ")));
        }
        lines.push(answers);
        for (line, area) in lines.into_iter().zip(rows(inner)) {
            line.render(area, buf);
        }
    }
}
