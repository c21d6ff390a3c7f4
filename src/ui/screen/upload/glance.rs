//! Preview of what is under the browser's cursor.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use crate::ui::preview::{self, Preview};
use crate::ui::widgets::{Pane, rows};
use crate::ui::{fit, text};

/// Time that the cursor rests before a file is read.
const REST: Duration = Duration::from_millis(80);
/// Largest number of readings at the same time: a dead network mount must not collect threads.
const AT_ONCE: u8 = 4;

/// State of the preview.
#[derive(Debug)]
pub(in crate::ui) struct Glance {
    /// Whether the user wants a preview where there is room.
    is_wanted: bool,
    /// Entry under the cursor while the pane is on the screen.
    under: Option<PathBuf>,
    /// Time at which the cursor came to it.
    since: Duration,
    /// Entry that was requested last.
    requested: Option<PathBuf>,
    /// Readings that have not ended.
    running: u8,
    shown: Option<(PathBuf, Preview)>,
}

impl Default for Glance {
    fn default() -> Self {
        Self { is_wanted: true, under: None, since: Duration::ZERO, requested: None, running: 0, shown: None }
    }
}

impl Glance {
    pub(super) const fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    pub(super) const fn toggle(&mut self) {
        self.is_wanted = !self.is_wanted;
    }

    /// Notes what is under the cursor; `None` if the pane is not on the screen.
    pub(super) fn look(&mut self, under: Option<PathBuf>, now: Duration) {
        if self.under != under {
            (self.under, self.since) = (under, now);
        }
    }

    /// Reads again what is under the cursor: it may have changed.
    pub(in crate::ui) fn again(&mut self) {
        self.requested = None;
    }

    /// Returns when something is read.
    pub(super) fn next(&self) -> Option<Duration> {
        let is_due = self.under.is_some() && self.under != self.requested && self.running < AT_ONCE;
        is_due.then_some(self.since + REST)
    }

    /// Returns what is to be read now.
    pub(super) fn due(&mut self, now: Duration) -> Option<PathBuf> {
        if self.next()? > now {
            return None;
        }
        self.running += 1;
        self.requested.clone_from(&self.under);
        self.requested.clone()
    }

    /// Takes the beginning of a file.
    pub(in crate::ui) fn read(&mut self, path: PathBuf, preview: Preview) {
        self.running = self.running.saturating_sub(1);
        if self.requested.as_ref() == Some(&path) {
            self.shown = Some((path, preview));
        }
    }

    /// Returns the preview of what is under the cursor.
    fn current(&self) -> Option<(&Path, &Preview)> {
        self.shown
            .as_ref()
            .filter(|(path, _)| self.under.as_ref() == Some(path))
            .map(|(path, of)| (&**path, of))
    }
}

impl Widget for Pane<'_, Glance> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let current = self.of.current();
        let title = current.map_or_else(
            || text::PREVIEW.to_owned(),
            |(path, _)| {
                fit::cut_middle(&fit::name(path.file_name().unwrap_or_default()), usize::from(area.width) / 2)
            },
        );
        let note = current.map_or_else(String::new, |(_, preview)| text::preview(preview));
        let block = self.frame(&title, &note, area);
        let inner = block.inner(area);
        block.render(area, buf);
        let Some((_, preview)) = current else { return };
        let width = usize::from(inner.width);
        let (lines, style) = match preview {
            Preview::Text(lines) => (lines.iter().map(|line| fit::cut(line, width)).collect(), Style::new()),
            Preview::Folder { names, .. } => {
                (names.iter().map(|name| fit::cut_middle(name, width)).collect(), Style::new())
            }
            Preview::Bytes(head) | Preview::Image { head, .. } => (bytes(head, width), self.theme.faint()),
            Preview::Empty => (vec![text::EMPTY_FILE.to_owned()], self.theme.faint()),
            Preview::Failed(why) => (fit::wrap(why, width), self.theme.warn()),
        };
        let lines: Vec<String> = lines;
        for (line, row) in lines.into_iter().zip(rows(inner)) {
            Line::styled(line, style).render(row, buf);
        }
    }
}

/// Returns rows of bytes, as many in each as fit.
fn bytes(head: &[u8], width: usize) -> Vec<String> {
    let fits = |of: &usize| preview::hex(0, &[0; 32][..*of], *of).len() <= width;
    let of = [32, 16, 8, 4].into_iter().find(fits).unwrap_or(4);
    let row = |(row, bytes): (usize, &[u8])| fit::cut(&preview::hex(row * of, bytes, of), width);
    head.chunks(of).enumerate().map(row).collect()
}
