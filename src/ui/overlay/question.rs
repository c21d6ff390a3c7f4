//! Questions before something is lost or takes very long.

use std::path::PathBuf;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::event::{Job, RaceOrder};
use crate::ui::effect::{Effect, Request};
use crate::ui::fit;
use crate::ui::keymap::{Action, Place};
use crate::ui::text;
use crate::ui::widgets::{Pane, rows};

/// A question, and the order that waits for the answer.
#[derive(Debug)]
pub(in crate::ui) enum Question {
    /// Quit although transfers run.
    Quit,
    /// Quit although clients are connected to this program's server.
    QuitServing { clients: usize },
    /// Let other computers send files; the text says which.
    Share { words: String, identity: PathBuf },
    /// Restart this program's server although clients are connected.
    Restart { sessions: usize },
    /// Upload with CP1 although that takes more than a minute; the text compares it with CP2.
    ExpensiveUpload { words: String, jobs: Vec<Job> },
    /// Start a race whose CP1 lane takes more than a minute.
    ExpensiveRace { words: String, order: RaceOrder },
    /// Send the file unencrypted to another machine; the text names the lanes.
    Open { words: String, order: RaceOrder },
}

impl Question {
    pub(in crate::ui) fn place(&self) -> Place {
        match self {
            Self::Quit | Self::QuitServing { .. } | Self::Restart { .. } | Self::Share { .. } => {
                Place::Question
            }
            Self::ExpensiveRace { .. } => Place::ExpensiveRace,
            Self::Open { .. } => Place::OpenRace,
            Self::ExpensiveUpload { .. } => Place::Expensive,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Quit | Self::QuitServing { .. } => text::QUIT,
            Self::Restart { .. } => text::RESTART,
            Self::Share { .. } => text::SHARE,
            Self::ExpensiveUpload { .. } | Self::ExpensiveRace { .. } => text::EXPENSIVE,
            Self::Open { .. } => text::race::OPEN,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Quit => text::QUIT_WHILE_BUSY.to_owned(),
            Self::QuitServing { clients } => text::quit_while_serving(*clients),
            Self::Restart { sessions } => text::restart_while_busy(*sessions),
            Self::ExpensiveUpload { words, .. }
            | Self::Share { words, .. }
            | Self::ExpensiveRace { words, .. }
            | Self::Open { words, .. } => words.clone(),
        }
    }

    fn answers(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Quit | Self::QuitServing { .. } => text::QUIT_ANSWERS,
            Self::Restart { .. } => text::RESTART_ANSWERS,
            Self::Share { .. } => text::SHARE_ANSWERS,
            Self::ExpensiveRace { .. } => text::RACE_ANSWERS,
            Self::Open { .. } => text::race::OPEN_ANSWERS,
            Self::ExpensiveUpload { .. } => text::EXPENSIVE_ANSWERS,
        }
    }

    /// Returns what the user's answer asks for. Only answers that go on arrive here.
    pub(in crate::ui) fn answer(self, action: Action) -> Request {
        match self {
            Self::Quit | Self::QuitServing { .. } => Request::Effect(Effect::Quit),
            Self::Restart { .. } => Request::RestartServer,
            Self::Share { identity, .. } => Request::Share(identity),
            Self::Open { order, .. } => {
                Request::StartRace(RaceOrder { open: action == Action::UseFile, ..order })
            }
            Self::ExpensiveUpload { jobs, .. } => {
                Request::ConfirmedUpload { jobs, use_cp2: action == Action::UseCp2 }
            }
            Self::ExpensiveRace { order, .. } => Request::ConfirmedRace(order),
        }
    }

    /// Returns the rows that the question takes in `columns` columns.
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
