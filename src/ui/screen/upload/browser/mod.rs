//! The file browser: one folder, a cursor, and marks that are kept across folders.

mod item;
mod marks;
mod pane;
mod visited;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::item::Item;
pub(in crate::ui) use self::item::Sort;
use self::marks::Marks;
use self::visited::Visited;
use crate::ui::listing::{Entry, Kind, Listing, Request};
use crate::ui::text;
use crate::ui::widgets::input::Input;
use crate::ui::widgets::list::{List, Step};

/// Shortest time between two readings of a folder that changes. A reading that takes long is repeated less often.
const REST: Duration = Duration::from_millis(250);

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
    /// Why not all entries could be read, as text.
    Cut(String),
}

/// Entry under the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ui) enum Under {
    Nothing,
    Folder(PathBuf),
    File(PathBuf, u64),
}

impl Under {
    /// Returns the path of the entry.
    pub(in crate::ui) fn path(self) -> Option<PathBuf> {
        match self {
            Self::Nothing => None,
            Self::Folder(path) | Self::File(path, _) => Some(path),
        }
    }
}

/// Request that was not answered completely.
#[derive(Debug)]
struct Awaited {
    request: Request,
    /// Entries of the folder that is shown already. They replace the rows when all have arrived.
    held: Vec<Entry>,
    /// Whether parts of another folder have replaced the rows.
    is_shown: bool,
}

/// Where the cursor goes while a folder arrives. It stays once the user has moved it.
#[derive(Debug)]
enum Aim {
    Name(OsString),
    /// First file, or the first folder if there is no file.
    First,
}

/// State of the browser. The pane keeps its folder until the next one arrives.
#[derive(Debug)]
pub(in crate::ui) struct Browser {
    folder: PathBuf,
    home: Option<PathBuf>,
    content: Content,
    list: List<Item>,
    marks: Marks,
    /// Marked folders; their sizes are not known.
    folders: BTreeSet<PathBuf>,
    visited: Visited,
    hidden: Hidden,
    sort: Sort,
    /// Latest request.
    awaited: Option<Awaited>,
    tickets: u64,
    /// Name that the cursor moves to when the requested folder arrives.
    wanted: Option<OsString>,
    aim: Option<Aim>,
    /// Whether the folder has changed on the disk since it was read.
    is_stale: bool,
    /// Time from which a folder that has changed is read again.
    rested: Duration,
}

impl Browser {
    pub(in crate::ui) fn new(folder: PathBuf, home: Option<PathBuf>) -> Self {
        let mut browser = Self {
            folder,
            home,
            content: Content::Nothing,
            list: List::default(),
            marks: Marks::default(),
            folders: BTreeSet::new(),
            visited: Visited::default(),
            hidden: Hidden::Left,
            sort: Sort::Name,
            awaited: None,
            tickets: 0,
            wanted: None,
            aim: None,
            is_stale: false,
            rested: Duration::ZERO,
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
        self.wanted = None;
        self.request(folder)
    }

    /// Requests the same folder again; the cursor stays on its name.
    pub(in crate::ui) fn refresh(&mut self) -> Request {
        self.is_stale = false;
        self.wanted = None;
        self.request(self.folder.clone())
    }

    /// Requests the parent folder; the cursor will be on the folder that was left.
    pub(in crate::ui) fn parent(&mut self) -> Option<Request> {
        let parent = self.folder.parent()?.to_owned();
        self.wanted = self.folder.file_name().map(ToOwned::to_owned);
        Some(self.request(parent))
    }

    fn request(&mut self, folder: PathBuf) -> Request {
        self.tickets += 1;
        let request = Request { folder, ticket: self.tickets };
        self.awaited = Some(Awaited { request: request.clone(), held: Vec::new(), is_shown: false });
        request
    }

    /// Takes a part of the answer to a request. Only the answer to the latest request counts.
    pub(in crate::ui) fn listed(&mut self, listing: Listing, now: Duration) {
        let Some(mut awaited) = self.awaited.take_if(|awaited| awaited.request == listing.request) else {
            return;
        };
        let is_other = !matches!(self.content, Content::Entries | Content::Cut(_))
            || self.folder != listing.place.folder;
        let point = listing.place.point;
        if awaited.is_shown {
            self.list.extend(listing.entries.into_iter().map(Item::new));
        } else if is_other {
            self.enter(listing.place.folder, point.clone(), listing.entries);
            awaited.is_shown = true;
        } else {
            awaited.held.extend(listing.entries);
        }
        self.take_aim();
        let Some(end) = listing.end else {
            self.awaited = Some(awaited);
            return;
        };
        self.aim = None;
        if !awaited.is_shown {
            let name = point.or_else(|| self.name_under());
            self.fill(awaited.held);
            // If the entry under the cursor has gone, the cursor stays on its row.
            if let Some(place) = name.and_then(|name| self.place_of(&name)) {
                self.list.go(Step::To(place));
            }
        }
        self.content = match end {
            Ok(()) => Content::Entries,
            Err(error) if self.list.rows().iter().all(|item| item.entry().is_none()) => {
                Content::Refused(text::unreadable(&error))
            }
            Err(error) => Content::Cut(text::cut_listing(&error)),
        };
        self.remark();
        self.rested = now + REST.max(listing.took * 9);
    }

    /// Shows another folder, of which these entries have arrived.
    fn enter(&mut self, folder: PathBuf, point: Option<OsString>, entries: Vec<Entry>) {
        if !matches!(self.content, Content::Nothing) && self.folder != folder {
            self.visited.leave(&self.folder, self.name_under());
        }
        let name = point.or(self.wanted.take()).or_else(|| self.visited.cursor(&folder).map(OsStr::to_owned));
        self.folder = folder;
        self.is_stale = false;
        self.aim = Some(name.map_or(Aim::First, Aim::Name));
        self.content = Content::Entries;
        self.list.drop_filter();
        self.list.place(0);
        self.fill(entries);
    }

    /// Moves the cursor to where it belongs in a folder that arrives.
    fn take_aim(&mut self) {
        let named = match &self.aim {
            None => return,
            Some(Aim::Name(name)) => self.place_of(name),
            Some(Aim::First) => None,
        };
        if named.is_some() {
            // From here on, the cursor stays on its row.
            self.aim = None;
        }
        self.list.place(named.unwrap_or_else(|| self.first()));
    }

    /// Handles a change of a folder on the disk.
    pub(in crate::ui) fn changed(&mut self, folder: &Path) {
        self.is_stale |= self.folder == folder;
    }

    /// Returns when a folder that has changed is read again.
    pub(in crate::ui) fn next_reading(&self) -> Option<Duration> {
        (self.is_stale && self.awaited.is_none()).then_some(self.rested)
    }

    /// Requests the folder again if it has changed and the last reading was long enough ago.
    pub(in crate::ui) fn reread(&mut self, now: Duration) -> Option<Request> {
        (self.next_reading()? <= now).then(|| self.refresh())
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
                    Kind::Other(_) => Under::Nothing,
                }
            }
            None => Under::Nothing,
        }
    }

    /// Returns the marked folders, which an upload sends with everything in them.
    pub(in crate::ui) const fn folders(&self) -> &BTreeSet<PathBuf> {
        &self.folders
    }

    fn has_marks(&self) -> bool {
        !self.marks.is_empty() || !self.folders.is_empty()
    }

    /// Returns the files that an upload would send: the marked ones, or else the file under the cursor.
    pub(in crate::ui) fn chosen(&self) -> Vec<(PathBuf, u64)> {
        if self.has_marks() {
            return self.marks.iter().collect();
        }
        match self.under() {
            Under::File(path, size) => vec![(path, size)],
            _ => Vec::new(),
        }
    }

    /// Calls `take` with the size of each file that [`Browser::chosen`] would return.
    pub(in crate::ui) fn each_chosen(&self, mut take: impl FnMut(u64)) {
        if self.has_marks() {
            self.marks.sizes().for_each(take);
        } else if let Under::File(_, size) = self.under() {
            take(size);
        }
    }

    // Changes

    /// Moves the cursor for the user.
    pub(in crate::ui) fn go(&mut self, step: Step) {
        self.aim = None;
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
        if let Some(entry) = self.list.under().and_then(Item::entry)
            && entry.kind == Kind::File
        {
            self.marks.toggle(&self.folder, &entry.name, entry.size);
        }
        if let Some(entry) = self.list.under().and_then(Item::entry)
            && entry.kind == Kind::Folder
        {
            let path = self.folder.join(&entry.name);
            if !self.folders.remove(&path) {
                self.folders.insert(path);
            }
        }
        self.go(Step::Down(1));
    }

    pub(in crate::ui) fn mark_all(&mut self) {
        for entry in self.list.iter().filter(|item| item.is_file()).filter_map(Item::entry) {
            self.marks.insert(&self.folder, &entry.name, entry.size);
        }
    }

    pub(in crate::ui) fn mark_none(&mut self) {
        self.marks.clear();
        self.folders.clear();
    }

    pub(in crate::ui) fn invert(&mut self) {
        for entry in self.list.iter().filter(|item| item.is_file()).filter_map(Item::entry) {
            self.marks.toggle(&self.folder, &entry.name, entry.size);
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
        self.sort = self.sort.next();
        self.rearrange();
    }

    /// Lets the user type a filter, from the present text on.
    pub(in crate::ui) fn type_filter(&mut self) {
        self.list.type_filter();
    }

    /// Handles a change of the filter's text: the cursor goes to the best match.
    pub(in crate::ui) fn filtered(&mut self) {
        let name = self.name_under();
        self.list.filtered();
        if self.list.filter().has_text() {
            self.list.place(self.first_entry());
        } else {
            self.point_again(name);
        }
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

    fn name_under(&self) -> Option<OsString> {
        self.list.under().and_then(Item::entry).map(|entry| entry.name.clone())
    }

    fn place_of(&self, name: &OsStr) -> Option<usize> {
        self.list.position(|item| item.entry().is_some_and(|entry| entry.name == *name))
    }

    /// Returns the place of the first file, or else of the first folder.
    fn first(&self) -> usize {
        self.list.position(Item::is_file).unwrap_or_else(|| self.first_entry())
    }

    /// Returns the place of the first row that is not the parent.
    fn first_entry(&self) -> usize {
        self.list.position(|item| item.entry().is_some()).unwrap_or(0)
    }

    /// Moves the cursor back to its entry after the rows have changed.
    fn point_again(&mut self, name: Option<OsString>) {
        self.aim = None;
        let place = name.and_then(|name| self.place_of(&name)).unwrap_or_else(|| self.first());
        self.list.place(place);
    }

    /// Takes the entries of a folder.
    fn fill(&mut self, entries: Vec<Entry>) {
        let parent = self.folder.parent().map(|_| Item::Parent);
        self.list.replace(parent.into_iter().chain(entries.into_iter().map(Item::new)));
    }

    /// Notes new sizes of marked files, and removes the marks of files that are gone.
    fn remark(&mut self) {
        let Some(marked) = self.marks.of(&self.folder) else { return };
        let mut gone = marked.clone();
        let mut sizes = Vec::new();
        for entry in self.list.rows().iter().filter(|item| item.is_file()).filter_map(Item::entry) {
            if gone.remove(&entry.name).is_some_and(|size| size != entry.size) {
                sizes.push((entry.name.clone(), entry.size));
            }
        }
        for (name, size) in sizes {
            self.marks.insert(&self.folder, &name, size);
        }
        if matches!(self.content, Content::Entries) {
            for name in gone.keys() {
                self.marks.remove(&self.folder, name);
            }
        }
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
        self.list.sort(select, self.sort.order());
    }
}
