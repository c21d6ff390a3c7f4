//! Drawing of the browser.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::{Browser, Content};
use crate::messages::units;
use crate::ui::listing::{Entry, Kind};
use crate::ui::theme::Focus;
use crate::ui::widgets::{Pane, columns, rows};
use crate::ui::{fit, text};

/// Columns that are kept for the title, with the frame.
const TITLE: usize = 21;
/// Smallest number of columns in which the target of a link is shown, with the arrow.
const LEAST_TARGET: usize = 7;

impl Browser {
    fn title(&self, columns: usize) -> String {
        fit::cut_start(&fit::path(&self.folder, self.home.as_deref()), columns)
    }

    /// Returns what is read, what is marked and how it is ordered; as much as fits.
    fn note(&self, columns: usize) -> String {
        let reading = self.awaited.as_ref().and_then(|awaited| {
            if awaited.is_shown {
                Some(text::entries_so_far(self.list.rows().len()))
            } else if awaited.request.folder != self.folder {
                Some(text::reading(&fit::name(awaited.request.folder.file_name().unwrap_or_default())))
            } else {
                // Reading the same folder again takes milliseconds and is not mentioned.
                None
            }
        });
        if let Some(reading) = reading {
            return reading;
        }
        if let Content::Cut(_) = self.content {
            // The reason stands below the entries.
            return text::INCOMPLETE.to_owned();
        }
        let sort = if self.list.filter().has_text() { text::BY_MATCH } else { text::sort(self.sort) };
        if !self.has_marks() {
            return sort.to_owned();
        }
        let marked = text::marked(self.marks.len(), self.marks.bytes(), self.folders.len());
        let both = format!("{marked} · {sort}");
        if fit::width(&both) <= columns { both } else { marked }
    }
}

impl Widget for Pane<'_, Browser> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let browser = self.of;
        let note = browser.note(usize::from(area.width).saturating_sub(TITLE));
        let room = usize::from(area.width).saturating_sub(9 + fit::width(&note));
        let block = self.frame(&browser.title(room.max(12)), &note, area);
        let inner = block.inner(area);
        block.render(area, buf);

        let list = browser.list.filter().draw(self.theme, inner, buf);
        self.list(list, buf);
    }
}

impl Pane<'_, Browser> {
    fn list(&self, area: Rect, buf: &mut Buffer) {
        let browser = self.of;
        let mut lines = rows(area);
        let message = match &browser.content {
            Content::Nothing => Some(text::READING.to_owned()),
            Content::Refused(why) | Content::Cut(why) => Some(why.clone()),
            Content::Entries if browser.awaited.as_ref().is_some_and(|awaited| awaited.is_shown) => None,
            Content::Entries if browser.list.len() <= 1 && browser.list.filter().has_text() => {
                Some(text::NO_MATCH.to_owned())
            }
            Content::Entries if browser.list.rows().iter().all(|item| item.entry().is_none()) => {
                Some(text::EMPTY_FOLDER.to_owned())
            }
            Content::Entries if browser.list.iter().all(|item| item.entry().is_none()) => {
                Some(text::ALL_HIDDEN.to_owned())
            }
            Content::Entries => None,
        };
        let height = usize::from(area.height);
        for (item, is_here) in browser.list.window(height) {
            if let Some(line) = lines.next() {
                self.entry(item.entry(), is_here, line, buf);
            }
        }
        if let Some(message) = message {
            for (text, line) in fit::wrap(&message, usize::from(area.width)).iter().zip(lines) {
                Line::styled(text.clone(), self.theme.faint()).render(line, buf);
            }
        }
    }

    /// Draws a row such as `▸✓cmos.mp4                      104 MiB  Tue 14:07`.
    fn entry(&self, entry: Option<&Entry>, at_cursor: bool, area: Rect, buf: &mut Buffer) {
        let browser = self.of;
        let width = usize::from(area.width);
        let is_marked = entry.is_some_and(|entry| {
            browser.marks.of(&browser.folder).is_some_and(|names| names.contains_key(&entry.name))
                || (!browser.folders.is_empty()
                    && browser.folders.contains(&browser.folder.join(&entry.name)))
        });
        let (name, size, style) = match entry {
            None => ("..".to_owned(), String::new(), self.theme.folder()),
            Some(entry) => self.words(entry),
        };
        let date = entry.map_or("", |entry| entry.date.as_str());
        // In a narrow pane, first the date and then the size give way to the name.
        let dated = width >= 42;
        let sized = width >= 26;
        let tail = if dated { 22 } else { 11 * usize::from(sized) };
        let room = width.saturating_sub(2 + tail);
        let name = fit::cut_middle(&name, room);
        let rest = room.saturating_sub(fit::width(&name));
        let target = entry
            .and_then(|entry| entry.link.as_ref())
            .filter(|_| rest >= LEAST_TARGET)
            .map_or_else(String::new, |target| format!(" → {}", fit::cut_start(target, rest - 3)));
        let mut spans = vec![
            Span::styled(if at_cursor { "▸" } else { " " }, self.theme.accent()),
            Span::styled(if is_marked { "✓" } else { " " }, self.theme.good()),
            Span::styled(name, style),
            Span::styled(fit::left(&target, rest), self.theme.faint()),
        ];
        if sized {
            let is_short =
                entry.is_some_and(|entry| !entry.is_readable || matches!(entry.kind, Kind::Other(_)));
            let style = if is_short { self.theme.warn() } else { Style::new() };
            spans.push(Span::styled(fit::right(&size, 11), style));
        }
        if dated {
            spans.push(Span::styled(format!("  {}", fit::left(date, 9)), self.theme.faint()));
        }
        let line = Line::from(spans);
        line.render(Rect { width: area.width.min(columns(width)), ..area }, buf);
        if at_cursor && (self.focus == Focus::Here || entry.is_some()) {
            buf.set_style(area.intersection(buf.area), self.theme.cursor(self.focus));
        }
    }

    /// Returns the name of an entry, its size or why it cannot be sent, and the style of the name.
    fn words(&self, entry: &Entry) -> (String, String, Style) {
        let name = entry.shown.clone();
        match entry.kind {
            Kind::Folder if entry.is_readable => (format!("{name}/"), "—".to_owned(), self.theme.folder()),
            Kind::Folder => (format!("{name}/"), text::UNREADABLE.to_owned(), self.theme.folder()),
            Kind::File if entry.is_readable => (name, units::bytes(entry.size), Style::new()),
            Kind::File => (name, text::UNREADABLE.to_owned(), self.theme.faint()),
            Kind::Other(odd) => (name, text::odd(odd).to_owned(), self.theme.faint()),
        }
    }
}
