//! Filter of a list: off, being typed, or kept.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::input::Input;
use crate::ui::text;
use crate::ui::theme::Theme;

/// State of a filter. The list arranges its rows again whenever the text changes.
#[derive(Debug, Default)]
pub(in crate::ui) enum Filter {
    #[default]
    Off,
    Typing(Input),
    Kept(String),
}

impl Filter {
    pub(in crate::ui) const fn is_typing(&self) -> bool {
        matches!(self, Self::Typing(_))
    }

    /// Returns whether the filter takes a row of the pane.
    pub(in crate::ui) const fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }

    /// Returns the text while it is typed.
    pub(in crate::ui) const fn input(&mut self) -> Option<&mut Input> {
        match self {
            Self::Typing(input) => Some(input),
            _ => None,
        }
    }

    /// Lets the user type, from the present text on.
    pub(in crate::ui) fn open(&mut self) {
        *self = match std::mem::take(self) {
            Self::Off => Self::Typing(Input::default()),
            Self::Kept(text) => Self::Typing(Input::with(&text)),
            typing @ Self::Typing(_) => typing,
        };
    }

    /// Ends the typing and keeps the text.
    pub(in crate::ui) fn keep(&mut self) {
        if let Self::Typing(input) = self {
            *self = if input.is_empty() { Self::Off } else { Self::Kept(input.text()) };
        }
    }

    /// Turns the filter off; returns whether it was on.
    pub(in crate::ui) fn close(&mut self) -> bool {
        let was_on = self.is_on();
        *self = Self::Off;
        was_on
    }

    /// Returns the text that rows must contain, in lower case; `None` if there is none.
    pub(in crate::ui) fn needle(&self) -> Option<String> {
        let text = match self {
            Self::Off => return None,
            Self::Typing(input) => input.text(),
            Self::Kept(text) => text.clone(),
        };
        (!text.is_empty()).then(|| text.to_lowercase())
    }

    /// Draws the filter below the list, and returns the area left for the list.
    pub(in crate::ui) fn draw(&self, theme: Theme, area: Rect, buf: &mut Buffer) -> Rect {
        let foot = Constraint::Length(u16::from(self.is_on()));
        let [list, foot] = Layout::vertical([Constraint::Fill(1), foot]).areas(area);
        match self {
            Self::Off => {}
            Self::Typing(input) => {
                let mut line = Line::from(Span::styled("/", theme.accent()));
                line.spans.extend(input.line(usize::from(foot.width).saturating_sub(1), Style::new()).spans);
                line.render(foot, buf);
            }
            Self::Kept(text) => {
                Line::from(Span::styled(text::filter_kept(text), theme.accent())).render(foot, buf);
            }
        }
        list
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn type_in(filter: &mut Filter, typed: &str) {
        let input = filter.input().expect("it is typed");
        typed.chars().for_each(|c| input.typed(c));
    }

    #[test]
    fn it_is_typed_kept_opened_again_and_closed() {
        let mut filter = Filter::default();
        assert!(!filter.is_on() && !filter.close() && filter.needle().is_none());
        filter.open();
        assert!(filter.is_typing() && filter.needle().is_none(), "nothing yet");
        type_in(&mut filter, "Ab");
        assert_eq!(filter.needle().as_deref(), Some("ab"));
        filter.keep();
        assert!(filter.is_on() && !filter.is_typing() && filter.input().is_none());
        filter.open();
        filter.open();
        type_in(&mut filter, "C");
        assert_eq!(filter.needle().as_deref(), Some("abc"), "typing continues the kept text");
        assert!(filter.close() && !filter.is_on());
        filter.open();
        filter.keep();
        assert!(!filter.is_on(), "an empty filter is off");
    }
}
