//! Going to another folder: the latest folders by a digit, or a path that is typed and completed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::ui::keymap::Place;
use crate::ui::listing::{expand, tidy};
use crate::ui::widgets::filter::Needle;
use crate::ui::widgets::input::Input;
use crate::ui::widgets::list::Step;
use crate::ui::widgets::{Pane, columns, rows};
use crate::ui::{fit, text};

/// Largest number of completions that are shown.
const SHOWN: usize = 8;

/// Folder of which the subfolders complete a path.
#[derive(Debug)]
struct Base {
    folder: PathBuf,
    /// Names of its subfolders in their order; `None` until they were read.
    names: Option<Vec<OsString>>,
}

/// State of the dialog.
#[derive(Debug)]
pub(in crate::ui) struct GoTo {
    /// Folder that is shown; a relative path begins there.
    folder: PathBuf,
    home: Option<PathBuf>,
    /// Latest folders.
    recent: Vec<PathBuf>,
    /// Path that is typed; `None` while a key is awaited.
    input: Option<Input>,
    base: Option<Base>,
    /// Names that complete the path, the best first.
    found: Vec<OsString>,
    /// Index of the completion under the cursor.
    at: Option<usize>,
}

impl GoTo {
    pub(in crate::ui) fn new(folder: &Path, home: Option<&Path>, recent: Vec<PathBuf>) -> Self {
        Self {
            folder: folder.to_owned(),
            home: home.map(Path::to_owned),
            recent,
            input: None,
            base: None,
            found: Vec::new(),
            at: None,
        }
    }

    pub(in crate::ui) const fn place(&self) -> Place {
        if self.input.is_some() { Place::Path } else { Place::Jump }
    }

    pub(in crate::ui) const fn input(&mut self) -> Option<&mut Input> {
        self.input.as_mut()
    }

    /// Lets the user type a path that begins like this.
    pub(in crate::ui) fn type_path(&mut self, beginning: &str) {
        self.input = Some(Input::with(beginning));
        self.complete();
    }

    /// Returns one of the latest folders, by its number from 1.
    pub(in crate::ui) fn recent(&self, number: u8) -> Option<&Path> {
        self.recent.get(usize::from(number).checked_sub(1)?).map(PathBuf::as_path)
    }

    /// Returns the typed path in two parts: up to the last `/`, and what is being completed.
    fn parts(&self) -> (String, String) {
        let typed = self.input.as_ref().map_or_else(String::new, Input::text);
        match typed.rsplit_once('/') {
            Some((before, stem)) => (format!("{before}/"), stem.to_owned()),
            None => (String::new(), typed),
        }
    }

    /// Returns the folder to read for completions, unless it was requested already.
    pub(in crate::ui) fn due(&mut self) -> Option<PathBuf> {
        self.input.as_ref()?;
        let folder = tidy(&self.folder.join(expand(&self.parts().0, self.home.as_deref())));
        if self.base.as_ref().is_some_and(|base| base.folder == folder) {
            return None;
        }
        self.base = Some(Base { folder: folder.clone(), names: None });
        self.complete();
        Some(folder)
    }

    /// Takes the subfolders of a folder, if it is still the one that matters.
    pub(in crate::ui) fn named(&mut self, folder: &Path, names: Vec<OsString>) {
        if let Some(base) = self.base.as_mut().filter(|base| base.folder == folder) {
            base.names = Some(names);
            self.complete();
        }
    }

    /// Finds the names that complete the path.
    pub(in crate::ui) fn complete(&mut self) {
        self.at = None;
        let (_, stem) = self.parts();
        let names = self.base.as_ref().and_then(|base| base.names.as_deref()).unwrap_or_default();
        let is_hidden = |name: &OsString| name.as_encoded_bytes().starts_with(b".");
        let names = names.iter().filter(|name| stem.starts_with('.') || !is_hidden(name));
        self.found = if stem.is_empty() {
            names.cloned().collect()
        } else {
            let mut needle = Needle::new(&stem);
            let mut ranked: Vec<_> = names
                .filter_map(|name| {
                    let shown = name.to_string_lossy();
                    // A name that begins with the text comes first: this is how shells complete.
                    let begins = shown.to_lowercase().starts_with(&stem.to_lowercase());
                    Some(((begins, needle.score(&shown)?), name))
                })
                .collect();
            ranked.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
            ranked.into_iter().map(|(_, name)| name.clone()).collect()
        };
    }

    /// Puts a completion into the path: the one under the cursor, or else the best.
    pub(in crate::ui) fn take_completion(&mut self) {
        // A name that is not Unicode cannot be typed.
        let Some(name) = self.found.get(self.at.unwrap_or(0)).and_then(|name| name.to_str()) else { return };
        let (before, _) = self.parts();
        self.type_path(&format!("{before}{name}/"));
    }

    /// Moves the cursor among the completions.
    pub(in crate::ui) fn go(&mut self, step: Step) {
        let last = self.found.len().min(SHOWN).checked_sub(1);
        self.at = match (step, self.at) {
            (Step::Up(_), Some(0) | None) => None,
            (Step::Up(n), Some(at)) => Some(at.saturating_sub(n)),
            (Step::Down(_), None) | (Step::First, _) => last.map(|_| 0),
            (Step::Down(n), Some(at)) => last.map(|last| (at + n).min(last)),
            (Step::Last, _) => last,
            (Step::To(row), _) => last.map(|last| row.min(last)),
        };
    }

    /// Returns the path to go to; `None` if none was typed.
    pub(in crate::ui) fn accept(&self) -> Option<PathBuf> {
        let (before, stem) = self.parts();
        let path = match self.at.and_then(|at| self.found.get(at)) {
            Some(name) => expand(&before, self.home.as_deref()).join(name),
            None if before.is_empty() && stem.trim().is_empty() => return None,
            None => expand(format!("{before}{stem}").trim(), self.home.as_deref()),
        };
        Some(tidy(&self.folder.join(path)))
    }

    /// Returns the rows of the dialog, with its frame.
    pub(in crate::ui) fn height(&self) -> u16 {
        let rows = match &self.input {
            Some(_) => 1 + self.found.len().min(SHOWN),
            None => text::GO_TO_KEYS.len() + self.recent.len(),
        };
        columns(rows + 2)
    }
}

impl Widget for Pane<'_, GoTo> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let block = self.frame(text::GO_TO, "g", area);
        let inner = block.inner(area);
        block.render(area, buf);
        let width = usize::from(inner.width);
        let lines = match &self.of.input {
            Some(input) => self.completions(input, width),
            None => self.choices(width),
        };
        for (line, row) in lines.into_iter().zip(rows(inner)) {
            line.render(row, buf);
        }
    }
}

impl Pane<'_, GoTo> {
    fn completions(&self, input: &Input, width: usize) -> Vec<Line<'static>> {
        let names = self.of.found.iter().take(SHOWN).enumerate().map(|(at, name)| {
            let is_here = self.of.at == Some(at);
            let name = fit::cut_middle(&fit::name(name), width.saturating_sub(3));
            let style = if is_here { self.theme.chosen() } else { self.theme.folder() };
            let mark = Span::styled(if is_here { "▸ " } else { "  " }, self.theme.accent());
            Line::from(vec![mark, Span::styled(format!("{name}/"), style)])
        });
        [input.line(width, Style::new())].into_iter().chain(names).collect()
    }

    fn choices(&self, width: usize) -> Vec<Line<'static>> {
        let row = |key: &str, words: String| {
            Line::from(vec![Span::styled(fit::left(key, 7), self.theme.key()), Span::raw(words)])
        };
        let keys = text::GO_TO_KEYS.iter().map(|(key, words)| row(key, (*words).to_owned()));
        let recent = self.of.recent.iter().zip(1..).map(|(folder, number): (_, usize)| {
            let folder = fit::path(folder, self.of.home.as_deref());
            row(&number.to_string(), fit::cut_start(&folder, width.saturating_sub(7)))
        });
        keys.chain(recent).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog() -> GoTo {
        let recent = vec!["/srv/a".into(), "/home/me/b".into()];
        GoTo::new(Path::new("/home/me/lectures"), Some(Path::new("/home/me")), recent)
    }

    fn typed(dialog: &GoTo) -> String {
        dialog.input.as_ref().unwrap().text()
    }

    #[test]
    fn a_path_is_completed_folder_by_folder() {
        let mut dialog = dialog();
        assert_eq!(dialog.due(), None, "nothing is read before a path is typed");
        dialog.type_path("~/we");
        assert_eq!(dialog.due().as_deref(), Some(Path::new("/home/me")));
        assert_eq!(dialog.due(), None, "once");
        dialog.named(Path::new("/elsewhere"), vec!["web".into()]);
        assert!(dialog.found.is_empty(), "the answer to another path");
        let names = ["Week1", "answers", "old-week", "week10", ".we"];
        dialog.named(Path::new("/home/me"), names.map(OsString::from).into());
        assert_eq!(dialog.found[..3], ["Week1", "week10", "old-week"]);
        assert!(!dialog.found.contains(&".we".into()));
        dialog.go(Step::Down(1));
        dialog.go(Step::Down(1));
        dialog.take_completion();
        assert_eq!(typed(&dialog), "~/week10/");
        assert_eq!(dialog.due().as_deref(), Some(Path::new("/home/me/week10")));
        assert_eq!(dialog.accept().as_deref(), Some(Path::new("/home/me/week10")));
    }

    #[test]
    fn relative_paths_begin_in_the_folder_that_is_shown() {
        let mut dialog = dialog();
        dialog.type_path("../x/./y");
        assert_eq!(dialog.accept().as_deref(), Some(Path::new("/home/me/x/y")));
        dialog.type_path(" ");
        assert_eq!(dialog.accept(), None);
        dialog.type_path("");
        assert_eq!(dialog.due().as_deref(), Some(Path::new("/home/me/lectures")));
        dialog.named(Path::new("/home/me/lectures"), vec!["week9".into()]);
        dialog.go(Step::Down(1));
        assert_eq!(dialog.accept().as_deref(), Some(Path::new("/home/me/lectures/week9")));
        dialog.go(Step::Up(1));
        assert_eq!(dialog.accept(), None, "back in the text");
    }

    #[test]
    fn a_digit_is_one_of_the_latest_folders() {
        let dialog = dialog();
        assert_eq!(
            (dialog.recent(1), dialog.recent(2)),
            (Some(Path::new("/srv/a")), Some(Path::new("/home/me/b")))
        );
        assert_eq!((dialog.recent(0), dialog.recent(3)), (None, None));
    }
}
