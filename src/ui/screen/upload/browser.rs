//! The file browser: one folder, a cursor, and marks that are kept across folders.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::item::Item;
use crate::messages::units;
use crate::ui::listing::{Entry, Kind, Listing, Request};
use crate::ui::theme::Focus;
use crate::ui::widgets::input::Input;
use crate::ui::widgets::list::{List, Step};
use crate::ui::widgets::{Pane, columns, rows};
use crate::ui::{fit, text};

/// Order of the entries; folders come first in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum Sort {
    Name,
    /// Largest first.
    Size,
    /// Newest first.
    Time,
}

/// Treatment of names with a leading dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hidden {
    Left,
    Shown,
}

/// Content of the pane.
#[derive(Debug)]
enum Content {
    /// The first folder was not read yet.
    Nothing,
    Entries,
    /// Why the folder cannot be read, as text.
    Refused(String),
}

/// Entry under the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ui) enum Under {
    Nothing,
    Folder(PathBuf),
    File(PathBuf, u64),
}

/// State of the browser. The pane keeps its folder until the next one was read.
#[derive(Debug)]
pub(in crate::ui) struct Browser {
    folder: PathBuf,
    home: Option<PathBuf>,
    content: Content,
    list: List<Item>,
    /// Marked files and their sizes.
    marks: BTreeMap<PathBuf, u64>,
    hidden: Hidden,
    sort: Sort,
    /// Latest request that was not answered yet.
    awaited: Option<Request>,
    tickets: u64,
    /// Name that the cursor moves to when the folder was read.
    wanted: Option<OsString>,
}

impl Browser {
    pub(in crate::ui) fn new(folder: PathBuf, home: Option<PathBuf>) -> Self {
        let mut browser = Self {
            folder,
            home,
            content: Content::Nothing,
            list: List::default(),
            marks: BTreeMap::new(),
            hidden: Hidden::Left,
            sort: Sort::Name,
            awaited: None,
            tickets: 0,
            wanted: None,
        };
        browser.arrange();
        browser
    }

    pub(in crate::ui) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(in crate::ui) fn is_typing(&self) -> bool {
        self.list.filter().is_typing()
    }

    /// Returns whether a row of the pane belongs to the filter.
    pub(in crate::ui) fn is_filtered(&self) -> bool {
        self.list.filter().is_on()
    }

    /// Returns the filter's text while it is typed.
    pub(in crate::ui) fn input(&mut self) -> Option<&mut Input> {
        self.list.input()
    }

    // Folders

    /// Requests a folder. The pane keeps its rows until the answer arrives.
    pub(in crate::ui) fn visit(&mut self, folder: PathBuf) -> Request {
        self.tickets += 1;
        let request = Request { folder, ticket: self.tickets };
        self.awaited = Some(request.clone());
        request
    }

    /// Requests the same folder again; the cursor stays on its name.
    pub(in crate::ui) fn refresh(&mut self) -> Request {
        self.wanted = self.name_under();
        self.visit(self.folder.clone())
    }

    /// Requests the parent folder; the cursor will be on the folder that was left.
    pub(in crate::ui) fn parent(&mut self) -> Option<Request> {
        let parent = self.folder.parent()?.to_owned();
        self.wanted = self.folder.file_name().map(ToOwned::to_owned);
        Some(self.visit(parent))
    }

    /// Takes the answer to a request. Only the answer to the latest request counts.
    pub(in crate::ui) fn listed(&mut self, listing: Listing) {
        if self.awaited.as_ref() != Some(&listing.request) {
            return;
        }
        self.awaited = None;
        let moved = self.folder != listing.folder;
        self.folder = listing.folder;
        self.wanted = listing.point.or(self.wanted.take());
        match listing.entries {
            Ok(entries) => {
                self.fill(entries);
                self.content = Content::Entries;
            }
            Err(error) => {
                self.fill(Vec::new());
                self.content = Content::Refused(text::unreadable(&error));
            }
        }
        if moved {
            self.list.drop_filter();
            self.list.rewind();
        }
        if let Some(name) = self.wanted.take() {
            self.point_at(&name);
        }
    }

    // The chosen files

    pub(in crate::ui) fn under(&self) -> Under {
        match self.list.under() {
            Some(Item::Parent) => match self.folder.parent() {
                Some(parent) => Under::Folder(parent.to_owned()),
                None => Under::Nothing,
            },
            Some(Item::Entry { entry, .. }) => {
                let path = self.folder.join(&entry.name);
                match entry.kind {
                    Kind::Folder => Under::Folder(path),
                    Kind::File => Under::File(path, entry.size),
                    Kind::Other => Under::Nothing,
                }
            }
            None => Under::Nothing,
        }
    }

    /// Returns the files that an upload would send: the marked ones, or else the file under the cursor.
    pub(in crate::ui) fn chosen(&self) -> Vec<(PathBuf, u64)> {
        if !self.marks.is_empty() {
            return self.marks.iter().map(|(path, size)| (path.clone(), *size)).collect();
        }
        match self.under() {
            Under::File(path, size) => vec![(path, size)],
            _ => Vec::new(),
        }
    }

    /// Calls `take` with the size of each file that [`Browser::chosen`] would return.
    pub(in crate::ui) fn each_chosen(&self, mut take: impl FnMut(u64)) {
        if !self.marks.is_empty() {
            self.marks.values().for_each(|size| take(*size));
        } else if let Under::File(_, size) = self.under() {
            take(size);
        }
    }

    // Changes

    pub(in crate::ui) fn go(&mut self, step: Step) {
        self.list.go(step);
    }

    /// Moves the window so that the cursor is in it; `height` is the number of visible rows.
    pub(in crate::ui) fn settle(&mut self, height: usize) {
        self.list.settle(height);
    }

    /// Returns the place of the row at this row of the window.
    pub(in crate::ui) fn row(&self, at: usize, height: usize) -> Option<usize> {
        self.list.row_at(at, height)
    }

    pub(in crate::ui) fn mark(&mut self) {
        if let Under::File(path, size) = self.under()
            && self.marks.remove(&path).is_none()
        {
            self.marks.insert(path, size);
        }
        self.go(Step::Down(1));
    }

    pub(in crate::ui) fn mark_all(&mut self) {
        let files: Vec<_> = self.files().collect();
        self.marks.extend(files);
    }

    pub(in crate::ui) fn mark_none(&mut self) {
        self.marks.clear();
    }

    pub(in crate::ui) fn invert(&mut self) {
        let files: Vec<_> = self.files().collect();
        for (path, size) in files {
            if self.marks.remove(&path).is_none() {
                self.marks.insert(path, size);
            }
        }
    }

    pub(in crate::ui) fn toggle_hidden(&mut self) {
        self.hidden = match self.hidden {
            Hidden::Left => Hidden::Shown,
            Hidden::Shown => Hidden::Left,
        };
        self.rearrange();
    }

    pub(in crate::ui) fn next_sort(&mut self) {
        self.sort = match self.sort {
            Sort::Name => Sort::Size,
            Sort::Size => Sort::Time,
            Sort::Time => Sort::Name,
        };
        self.rearrange();
    }

    /// Lets the user type a filter, from the present text on.
    pub(in crate::ui) fn type_filter(&mut self) {
        self.list.type_filter();
    }

    /// Handles a change of the filter's text.
    pub(in crate::ui) fn filtered(&mut self) {
        let name = self.name_under();
        self.list.filtered();
        self.point_again(name);
    }

    pub(in crate::ui) fn keep_filter(&mut self) {
        self.list.keep_filter();
    }

    /// Removes the filter; returns whether there was one.
    pub(in crate::ui) fn drop_filter(&mut self) -> bool {
        let name = self.name_under();
        let was_on = self.list.drop_filter();
        if was_on {
            self.point_again(name);
        }
        was_on
    }

    // Order and selection

    fn files(&self) -> impl Iterator<Item = (PathBuf, u64)> + '_ {
        self.list
            .iter()
            .filter_map(Item::entry)
            .filter(|entry| entry.kind == Kind::File)
            .map(|entry| (self.folder.join(&entry.name), entry.size))
    }

    fn name_under(&self) -> Option<OsString> {
        self.list.under().and_then(Item::entry).map(|entry| entry.name.clone())
    }

    fn point_at(&mut self, name: &OsString) {
        let is_it = |item: &Item| item.entry().is_some_and(|entry| entry.name == *name);
        if let Some(place) = self.list.position(is_it) {
            self.go(Step::To(place));
        }
    }

    /// Moves the cursor back to its entry after the rows have changed.
    fn point_again(&mut self, name: Option<OsString>) {
        match name {
            Some(name) => self.point_at(&name),
            None => self.go(Step::First),
        }
        // A filter is not for the parent, so the cursor goes to the first match.
        if self.list.at() == 0 && self.list.filter().needle().is_some() && self.list.len() > 1 {
            self.go(Step::To(1));
        }
    }

    /// Takes the entries of a folder.
    fn fill(&mut self, entries: Vec<Entry>) {
        let parent = self.folder.parent().map(|_| Item::Parent);
        self.list.replace(parent.into_iter().chain(entries.into_iter().map(Item::new)));
    }

    /// Orders the rows again, and keeps the cursor on its entry.
    fn rearrange(&mut self) {
        let name = self.name_under();
        self.arrange();
        self.point_again(name);
    }

    fn arrange(&mut self) {
        let select = match self.hidden {
            Hidden::Left => Item::is_visible,
            Hidden::Shown => |_: &Item| true,
        };
        let order = match self.sort {
            Sort::Name => Item::by_name,
            Sort::Size => Item::by_size,
            Sort::Time => Item::by_time,
        };
        self.list.sort(select, order);
    }

    // Text

    fn title(&self, columns: usize) -> String {
        fit::cut_start(&fit::path(&self.folder, self.home.as_deref()), columns)
    }

    fn note(&self) -> String {
        if let Some(request) = &self.awaited {
            // Reading the same folder again takes milliseconds and is not mentioned.
            if request.folder != self.folder {
                return text::reading(&fit::name(request.folder.file_name().unwrap_or_default()));
            }
        }
        if !self.marks.is_empty() {
            return text::marked(self.marks.len(), self.marks.values().sum());
        }
        match self.sort {
            Sort::Name => String::new(),
            Sort::Size => text::BY_SIZE.to_owned(),
            Sort::Time => text::BY_TIME.to_owned(),
        }
    }
}

impl Widget for Pane<'_, Browser> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let browser = self.of;
        let note = browser.note();
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
            Content::Refused(why) => Some(why.clone()),
            Content::Entries if browser.list.len() <= 1 && browser.list.filter().needle().is_some() => {
                Some(text::NO_MATCH.to_owned())
            }
            Content::Entries if browser.list.rows().iter().all(|item| item.entry().is_none()) => {
                Some(text::EMPTY_FOLDER.to_owned())
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
        let marked = entry.is_some_and(|entry| {
            !browser.marks.is_empty() && browser.marks.contains_key(&browser.folder.join(&entry.name))
        });
        let (name, size, date, style) = match entry {
            None => ("..".to_owned(), String::new(), "", self.theme.folder()),
            Some(entry) => match entry.kind {
                Kind::Folder => {
                    (format!("{}/", entry.shown), "—".to_owned(), entry.date.as_str(), self.theme.folder())
                }
                Kind::File => {
                    (entry.shown.clone(), units::bytes(entry.size), entry.date.as_str(), Style::new())
                }
                Kind::Other => {
                    (entry.shown.clone(), text::NO_FILE.to_owned(), entry.date.as_str(), self.theme.faint())
                }
            },
        };
        // In a narrow pane, first the date and then the size give way to the name.
        let dated = width >= 42;
        let sized = width >= 26;
        let tail = if dated { 22 } else { 11 * usize::from(sized) };
        let mut spans = vec![
            Span::styled(if at_cursor { "▸" } else { " " }, self.theme.accent()),
            Span::styled(if marked { "✓" } else { " " }, self.theme.good()),
            Span::styled(fit::left_middle(&name, width.saturating_sub(2 + tail)), style),
        ];
        if sized {
            spans.push(Span::raw(fit::right(&size, 11)));
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
}
