//! Filter of a list: off, being typed, or kept.

use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::input::Input;
use crate::ui::text;
use crate::ui::theme::Theme;

/// Text of a filter, prepared for a comparison with many rows.
pub(in crate::ui) struct Needle {
    /// In lower case.
    text: String,
    pattern: Pattern,
    matcher: Matcher,
    /// Room for the characters of a row.
    chars: Vec<char>,
}

impl Needle {
    pub(in crate::ui) fn new(text: &str) -> Self {
        Self {
            text: text.to_lowercase(),
            pattern: Pattern::new(text, CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy),
            matcher: Matcher::new(Config::DEFAULT),
            chars: Vec::new(),
        }
    }

    /// Returns whether a text in lower case contains the filter's text.
    pub(in crate::ui) fn is_in(&self, folded: &str) -> bool {
        folded.contains(&self.text)
    }

    /// Returns how well a name matches, the larger the better: the letters of each word of the filter must be in it, in
    /// their order. `None` if they are not.
    pub(in crate::ui) fn score(&mut self, name: &str) -> Option<u32> {
        self.pattern.score(Utf32Str::new(name, &mut self.chars), &mut self.matcher)
    }
}

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

    /// Returns whether a text is in the filter.
    pub(in crate::ui) fn has_text(&self) -> bool {
        match self {
            Self::Off => false,
            Self::Typing(input) => !input.is_empty(),
            Self::Kept(text) => !text.is_empty(),
        }
    }

    /// Returns what rows are compared with; `None` if there is no text.
    pub(in crate::ui) fn needle(&self) -> Option<Needle> {
        let text = match self {
            Self::Off => return None,
            Self::Typing(input) => input.text(),
            Self::Kept(text) => text.clone(),
        };
        (!text.is_empty()).then(|| Needle::new(&text))
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
        assert!(!filter.is_on() && !filter.close() && filter.needle().is_none() && !filter.has_text());
        filter.open();
        assert!(filter.is_typing() && filter.needle().is_none(), "nothing yet");
        type_in(&mut filter, "Ab");
        assert_eq!(filter.needle().expect("a text").text, "ab");
        filter.keep();
        assert!(filter.is_on() && !filter.is_typing() && filter.input().is_none());
        filter.open();
        filter.open();
        type_in(&mut filter, "C");
        assert_eq!(filter.needle().expect("a text").text, "abc", "typing continues the kept text");
        assert!(filter.close() && !filter.is_on());
        filter.open();
        filter.keep();
        assert!(!filter.is_on(), "an empty filter is off");
    }

    #[test]
    fn letters_match_in_their_order_and_the_closest_match_ranks_first() {
        let mut needle = Needle::new("mp4 cm");
        assert!(needle.score("cmos.MP4").is_some(), "words in any order, without regard to case");
        assert_eq!(needle.score("mp4.txt"), None);
        let mut needle = Needle::new("note");
        assert!(needle.score("notes.txt") > needle.score("new-old-site.html"));
        assert_eq!(needle.score("eton"), None);
        assert!(Needle::new("gross").score("größe").is_none());
        assert!(
            Needle::new("grosse").score("größe").is_none()
                && Needle::new("große").score("GRÖSSE.txt").is_none()
        );
        assert!(Needle::new("groe").score("größe").is_some(), "marks on letters need not be typed");
    }
}
