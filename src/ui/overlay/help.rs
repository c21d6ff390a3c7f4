//! The list of keys, from the keymap's table, with a filter.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::ui::fit;
use crate::ui::keymap::{self, Context, Place};
use crate::ui::text;
use crate::ui::widgets::input::Input;
use crate::ui::widgets::list::Step;
use crate::ui::widgets::{Pane, rows};

/// Columns of the contexts and of the keys. With these, the longest description fits into 80 columns.
const LABEL: usize = 11;
const KEYS: usize = 12;

/// State of the list.
#[derive(Debug)]
pub(in crate::ui) struct Help {
    /// Place where the help was opened; its keys come first.
    place: Place,
    filter: Input,
    typing: bool,
    top: usize,
}

impl Help {
    pub(in crate::ui) fn new(place: Place) -> Self {
        Self { place, filter: Input::default(), typing: false, top: 0 }
    }

    pub(in crate::ui) fn is_typing(&self) -> bool {
        self.typing
    }

    pub(in crate::ui) fn input(&mut self) -> Option<&mut Input> {
        self.typing.then_some(&mut self.filter)
    }

    pub(in crate::ui) fn type_filter(&mut self) {
        self.typing = true;
        self.top = 0;
    }

    pub(in crate::ui) fn keep_filter(&mut self) {
        self.typing = false;
    }

    /// Removes the filter; returns whether there was one.
    pub(in crate::ui) fn drop_filter(&mut self) -> bool {
        let open = self.typing || !self.filter.is_empty();
        self.typing = false;
        self.filter = Input::default();
        open
    }

    pub(in crate::ui) fn go(&mut self, step: Step) {
        let most = self.rows().len().saturating_sub(1);
        self.top = match step {
            Step::Up(n) => self.top.saturating_sub(n),
            Step::Down(n) => self.top.saturating_add(n),
            Step::First => 0,
            Step::Last => most,
            Step::To(row) => row,
        }
        .min(most);
    }

    /// Returns context, keys and description of every row that the filter shows.
    fn rows(&self) -> Vec<(Context, String, &'static str)> {
        let needle = self.filter.text().to_lowercase();
        let here = self.place.stack();
        let mut contexts: Vec<Context> = here.to_vec();
        for binding in keymap::table() {
            if !contexts.contains(&binding.context) {
                contexts.push(binding.context);
            }
        }
        contexts
            .into_iter()
            .flat_map(|context| keymap::table().iter().filter(move |binding| binding.context == context))
            .filter(|binding| !binding.keys.is_empty())
            .map(|binding| (binding.context, keymap::names(binding.keys), binding.words))
            .filter(|(context, keys, words)| {
                needle.is_empty()
                    || words.to_lowercase().contains(&needle)
                    || keys.to_lowercase().contains(&needle)
                    || text::context(*context).contains(&needle)
            })
            .collect()
    }
}

impl Widget for Pane<'_, Help> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let block = self.frame(text::KEYS, "?", area);
        let inner = block.inner(area);
        block.render(area, buf);
        let filtered = self.of.typing || !self.of.filter.is_empty();
        let [list, foot] =
            Layout::vertical([Constraint::Fill(1), Constraint::Length(u16::from(filtered))]).areas(inner);

        let all = self.of.rows();
        if all.is_empty() {
            Line::styled(text::NO_MATCH, self.theme.faint()).render(list, buf);
        }
        let top = self.of.top.min(all.len().saturating_sub(usize::from(list.height)));
        let mut above = None;
        for ((context, keys, words), area) in all.into_iter().skip(top).zip(rows(list)) {
            let label = text::context(context);
            let label = if above.replace(label) == Some(label) { "" } else { label };
            Line::from(vec![
                Span::styled(fit::left(label, LABEL), self.theme.faint()),
                Span::styled(fit::left(&keys, KEYS), self.theme.key()),
                Span::raw(fit::cut(words, usize::from(area.width).saturating_sub(LABEL + KEYS))),
            ])
            .render(area, buf);
        }
        if filtered {
            let mut line = Line::from(Span::styled("/", self.theme.accent()));
            if self.of.typing {
                line.spans.extend(
                    self.of.filter.line(usize::from(foot.width).saturating_sub(1), Style::new()).spans,
                );
            } else {
                line.push_span(Span::raw(self.of.filter.text()));
            }
            line.render(foot, buf);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_fits_into_80_columns() {
        for binding in keymap::TABLE {
            let keys = keymap::names(binding.keys);
            assert!(fit::width(&keys) < KEYS, "{keys}");
            assert!(fit::width(text::context(binding.context)) < LABEL);
            // The frame, its padding and the rim around it take eight columns.
            assert!(fit::width(binding.words) <= 72 - LABEL - KEYS, "{}", binding.words);
        }
    }
}
