//! Single line of text that is typed, pasted and edited.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::ui::fit;
use crate::ui::keymap::Action;

/// Text and the position of the cursor; `at` is at most the number of characters.
#[derive(Debug, Clone, Default)]
pub(in crate::ui) struct Input {
    text: Vec<char>,
    at: usize,
}

impl Input {
    pub(in crate::ui) fn with(text: &str) -> Self {
        let text: Vec<char> = text.chars().collect();
        Self { at: text.len(), text }
    }

    pub(in crate::ui) fn text(&self) -> String {
        self.text.iter().collect()
    }

    pub(in crate::ui) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(in crate::ui) fn typed(&mut self, c: char) {
        if !c.is_control() {
            self.text.insert(self.at, c);
            self.at += 1;
        }
    }

    /// Inserts a pasted text. Line ends and other control characters are left out, so a paste never acts.
    pub(in crate::ui) fn paste(&mut self, text: &str) {
        for c in text.chars() {
            self.typed(c);
        }
    }

    /// Carries out an action; returns whether it was one that edits a text.
    pub(in crate::ui) fn edit(&mut self, action: Action) -> bool {
        match action {
            Action::Left => self.at = self.at.saturating_sub(1),
            Action::Right => self.at = (self.at + 1).min(self.text.len()),
            Action::LineStart => self.at = 0,
            Action::LineEnd => self.at = self.text.len(),
            Action::KillStart => {
                self.text.drain(..self.at);
                self.at = 0;
            }
            Action::KillEnd => self.text.truncate(self.at),
            Action::KillWord => {
                let start = self.word_start();
                self.text.drain(start..self.at);
                self.at = start;
            }
            Action::Backspace => {
                if self.at > 0 {
                    self.at -= 1;
                    self.text.remove(self.at);
                }
            }
            Action::Delete => {
                if self.at < self.text.len() {
                    self.text.remove(self.at);
                }
            }
            _ => return false,
        }
        true
    }

    /// Returns the line in `columns` columns, scrolled so that the cursor is visible.
    pub(in crate::ui) fn line(&self, columns: usize, style: Style) -> Line<'static> {
        let before: String = self.text[..self.at].iter().collect();
        let under = self.text.get(self.at).map_or_else(|| " ".to_owned(), |c| fit::escaped(&c.to_string()));
        let after: String = self.text.iter().skip(self.at + 1).collect();
        let before = fit::cut_start(&fit::escaped(&before), columns.saturating_sub(fit::width(&under)));
        let room = columns.saturating_sub(fit::width(&before) + fit::width(&under));
        Line::from(vec![
            Span::styled(before, style),
            Span::styled(under, style.add_modifier(Modifier::REVERSED)),
            Span::styled(fit::cut(&fit::escaped(&after), room), style),
        ])
    }

    /// Returns the start of the word before the cursor. Words end at blanks and at `/`, so that a path is deleted
    /// folder by folder.
    fn word_start(&self) -> usize {
        let parts = |c: &char| c.is_whitespace() || *c == '/';
        let mut start = self.at;
        while start > 0 && parts(&self.text[start - 1]) {
            start -= 1;
        }
        while start > 0 && !parts(&self.text[start - 1]) {
            start -= 1;
        }
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_like_a_shell() {
        let mut input = Input::with("/srv/files/week 9");
        assert!(input.edit(Action::KillWord));
        assert_eq!(input.text(), "/srv/files/week ");
        input.edit(Action::KillWord);
        input.edit(Action::KillWord);
        assert_eq!(input.text(), "/srv/");
        input.edit(Action::LineStart);
        input.edit(Action::Delete);
        input.typed('~');
        assert_eq!(input.text(), "~srv/");
        input.edit(Action::KillEnd);
        input.edit(Action::Backspace);
        input.edit(Action::Backspace);
        assert_eq!(input.text(), "");
        assert!(!input.edit(Action::Accept));
    }

    #[test]
    fn a_paste_never_acts() {
        let mut input = Input::default();
        input.paste("host:4321\n\x1b[2J\r");
        assert_eq!(input.text(), "host:4321[2J");
    }

    #[test]
    fn a_long_text_shows_its_cursor() {
        let input = Input::with("0123456789");
        assert_eq!(input.line(5, Style::new()).to_string(), "…789 ");
    }
}
