//! The cursor and the window of the queue. A place is a key, not a number: what lies before it need not be counted.

use std::ops::Bound::{Excluded, Unbounded};

use super::folder::Folder;
use super::upload::Upload;
use super::{Item, Queue, Under};
use crate::event::JobId;
use crate::ui::theme::Focus;
use crate::ui::widgets::list::Step;

/// A place of the queue, in the order in which they are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    /// Place of the file or folder.
    pub(super) row: u64,
    /// Place inside of the folder; `None` for the folder itself.
    pub(super) item: Option<u64>,
}

impl Queue {
    // Places

    fn folder_at(&self, row: u64) -> Option<&Folder> {
        match self.items.get(&row)? {
            Item::Folder(id) => self.folders.get(id),
            Item::File(_) | Item::Skipped(..) => None,
        }
    }

    /// Returns what stands at a place.
    pub(super) fn item(&self, at: At) -> Option<Item> {
        match at.item {
            None => self.items.get(&at.row).copied(),
            Some(place) => self.folder_at(at.row)?.items.get(&place).copied(),
        }
    }

    /// Returns the place of an upload.
    pub(super) fn at_of(&self, upload: &Upload) -> At {
        match self.folder_of(upload) {
            Some(folder) => At { row: folder.place, item: Some(upload.place) },
            None => At { row: upload.place, item: None },
        }
    }

    fn first(&self) -> Option<At> {
        self.items.first_key_value().map(|(row, _)| At { row: *row, item: None })
    }

    fn last(&self) -> Option<At> {
        let (row, _) = self.items.last_key_value()?;
        Some(self.last_of(*row))
    }

    /// Returns the last place of a row: that of the last file of an open folder.
    fn last_of(&self, row: u64) -> At {
        let open = self.folder_at(row).filter(|folder| folder.is_open);
        At { row, item: open.and_then(|folder| folder.items.last_key_value()).map(|(place, _)| *place) }
    }

    pub(super) fn after(&self, at: At) -> Option<At> {
        if let Some(folder) = self.folder_at(at.row).filter(|folder| folder.is_open) {
            let from = at.item.map_or(Unbounded, Excluded);
            if let Some((place, _)) = folder.items.range((from, Unbounded)).next() {
                return Some(At { item: Some(*place), ..at });
            }
        }
        let (row, _) = self.items.range((Excluded(at.row), Unbounded)).next()?;
        Some(At { row: *row, item: None })
    }

    pub(super) fn before(&self, at: At) -> Option<At> {
        if let Some(place) = at.item {
            let before = self.folder_at(at.row).and_then(|folder| folder.items.range(..place).next_back());
            return Some(At { item: before.map(|(place, _)| *place), ..at });
        }
        let (row, _) = self.items.range(..at.row).next_back()?;
        Some(self.last_of(*row))
    }

    /// Returns the place itself, or that of its folder if this is closed.
    fn visible(&self, at: At) -> At {
        let is_open = self.folder_at(at.row).is_none_or(|folder| folder.is_open);
        if is_open { at } else { At { item: None, ..at } }
    }

    /// Returns the rows that a place takes on the screen.
    pub(super) fn height(&self, at: At) -> usize {
        match self.item(at) {
            Some(Item::File(id)) => self.upload(id).map_or(1, Upload::height),
            Some(Item::Folder(id)) => self.folders.get(&id).map_or(1, Folder::height),
            Some(Item::Skipped(..)) | None => 1,
        }
    }

    // The cursor

    /// Returns the place of the cursor.
    pub(super) fn cursor(&self) -> Option<At> {
        self.cursor.filter(|at| self.item(*at).is_some()).or_else(|| self.first())
    }

    /// Returns what is under the cursor.
    pub(in crate::ui) fn under(&self) -> Option<Under<'_>> {
        match self.item(self.cursor()?)? {
            Item::File(id) => self.upload(id).map(Under::File),
            Item::Folder(id) => self.folders.get(&id).map(Under::Folder),
            Item::Skipped(id, at) => self.folders.get(&id).map(|folder| Under::Skipped(folder, at)),
        }
    }

    /// Moves the cursor away from a place that is going to be removed.
    pub(super) fn leave(&mut self, at: At) {
        if self.cursor() == Some(at) {
            self.cursor = self.after(at).or_else(|| self.before(at));
        }
    }

    /// Moves the cursor. [`Step::To`] counts rows from the top of the window.
    pub(in crate::ui) fn go(&mut self, step: Step) {
        let Some(at) = self.cursor() else { return };
        let walk = |from: At, n: usize, next: &dyn Fn(At) -> Option<At>| {
            std::iter::successors(Some(from), |at| next(*at)).take(n.saturating_add(1)).last()
        };
        self.cursor = match step {
            Step::Up(n) => walk(at, n, &|at| self.before(at)),
            Step::Down(n) => walk(at, n, &|at| self.after(at)),
            Step::First => self.first(),
            Step::Last => self.last(),
            Step::To(row) => self.drawn_at(row).or(Some(at)),
        };
    }

    /// Opens or closes the folder under the cursor, or the one that the file under it belongs to. Returns whether there is
    /// one.
    pub(in crate::ui) fn fold(&mut self, is_open: bool) -> bool {
        let Some(at) = self.cursor() else { return false };
        let Some(Item::Folder(id)) = self.items.get(&at.row).copied() else { return false };
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.is_open = is_open;
        }
        self.cursor = Some(self.visible(at));
        true
    }

    /// Opens the folder under the cursor, or closes it. Returns whether a folder is under the cursor.
    pub(in crate::ui) fn toggle(&mut self) -> bool {
        match self.under() {
            Some(Under::Folder(folder)) => {
                let is_open = folder.is_open;
                self.fold(!is_open)
            }
            _ => false,
        }
    }

    /// Exchanges what is under the cursor with its neighbour, if something of both has not begun. Returns the waiting
    /// uploads of the lower one before that, and the upload that they are to be sent before.
    pub(in crate::ui) fn shift(&mut self, is_down: bool) -> Option<(Vec<JobId>, JobId)> {
        let at = self.cursor()?;
        let (own, items) = match at.item {
            None => (at.row, &self.items),
            Some(place) => (place, &self.folder_at(at.row)?.items),
        };
        let other = if is_down {
            items.range((Excluded(own), Unbounded)).next()
        } else {
            items.range(..own).next_back()
        };
        let (other, there) = (*other?.0, *other?.1);
        let here = *items.get(&own)?;
        let (upper, lower) = if is_down { (here, there) } else { (there, here) };
        let jobs = self.waiting_of(lower);
        let before = *self.waiting_of(upper).first()?;
        if jobs.is_empty() {
            return None;
        }
        self.set_item(at, own, there);
        self.set_item(at, other, here);
        self.cursor = Some(if at.item.is_some() {
            At { item: Some(other), ..at }
        } else {
            At { row: other, item: None }
        });
        Some((jobs, before))
    }

    /// Returns the uploads of an item that have not begun.
    fn waiting_of(&self, item: Item) -> Vec<JobId> {
        match item {
            Item::File(id) => self
                .upload(id)
                .filter(|upload| upload.is_waiting())
                .map(|upload| upload.id)
                .into_iter()
                .collect(),
            Item::Folder(id) => self.folders.get(&id).map_or_else(Vec::new, |folder| {
                self.files_of(folder).filter(|upload| upload.is_waiting()).map(|upload| upload.id).collect()
            }),
            Item::Skipped(..) => Vec::new(),
        }
    }

    /// Puts an item at a place, in the folder of `at` or in the queue.
    fn set_item(&mut self, at: At, place: u64, item: Item) {
        match at.item.and_then(|_| self.items.get(&at.row).copied()) {
            Some(Item::Folder(id)) => {
                if let Some(folder) = self.folders.get_mut(&id) {
                    folder.items.insert(place, item);
                }
            }
            _ => drop(self.items.insert(place, item)),
        }
        match item {
            Item::File(id) => {
                if let Some(upload) = self.uploads.get_mut(&id) {
                    upload.place = place;
                }
            }
            Item::Folder(id) => {
                if let Some(folder) = self.folders.get_mut(&id) {
                    folder.place = place;
                }
            }
            Item::Skipped(..) => {}
        }
    }

    // The window

    /// Chooses the first row of a window of `height` rows. Without the focus the pane follows the running upload, with it
    /// the cursor.
    pub(in crate::ui) fn settle(&mut self, height: usize, focus: Focus) {
        self.cursor = self.cursor();
        let anchor = match focus {
            Focus::Here => self.cursor,
            Focus::Elsewhere => self.anchor(),
        };
        let Some(anchor) = anchor else {
            self.top = None;
            return;
        };
        // The room around the anchor is given first to what follows, then to what precedes.
        let following = std::iter::successors(self.after(anchor), |at| self.after(*at));
        let follow: usize = following.take(height).map(|at| self.height(at)).sum();
        let wanted = match focus {
            Focus::Here => height / 2,
            Focus::Elsewhere => usize::from(height > 3),
        };
        let own = self.height(anchor);
        let mut before = height.saturating_sub(own + follow).max(wanted.min(height.saturating_sub(own)));
        let mut top = anchor;
        while let Some(at) = self.before(top).filter(|at| self.height(*at) <= before) {
            before -= self.height(at);
            top = at;
        }
        self.top = Some(top);
    }

    /// Returns the places of the window, from its first row on.
    pub(super) fn window(&self) -> impl Iterator<Item = At> {
        std::iter::successors(self.top.filter(|at| self.item(*at).is_some()), |at| self.after(*at))
    }

    /// Returns the place that is drawn in this row of the window.
    fn drawn_at(&self, row: usize) -> Option<At> {
        let mut used = 0;
        self.window().take(row + 1).find(|at| {
            used += self.height(*at);
            row < used
        })
    }

    /// Returns the row itself if something is drawn there.
    pub(in crate::ui) fn row(&self, row: usize) -> Option<usize> {
        self.drawn_at(row).map(|_| row)
    }

    /// Returns the most interesting place: that of the first upload that runs, else of the next one that waits, else of one
    /// that waits for the server's confirmation, else the last.
    fn anchor(&self) -> Option<At> {
        let place = |upload: &Upload| self.visible(self.at_of(upload));
        let moving = self.running(None).filter(|upload| !upload.is_sent()).map(place).min();
        let next = || {
            let latest = self.latest.and_then(|id| self.upload(id))?;
            let at = place(latest);
            // An upload that is sent again waits in its own place.
            if latest.is_waiting() { Some(at) } else { self.after(at).or(Some(at)) }
        };
        moving.or_else(|| match self.sums.waiting {
            0 => self.running(None).map(place).min().or_else(|| self.last()),
            _ => next().or_else(|| self.first()),
        })
    }
}
