//! Rows of the browser, and their order.

use std::cmp::{Ordering, Reverse};

use crate::ui::listing::{Entry, Kind};
use crate::ui::widgets::list::Row;

/// Row of the browser.
#[derive(Debug)]
pub(super) enum Item {
    /// The parent folder, `..`.
    Parent,
    Entry {
        entry: Entry,
        /// Name in lower case, by which entries are ordered and found.
        folded: String,
    },
}

impl Item {
    pub(super) fn new(entry: Entry) -> Self {
        let folded = entry.shown.to_lowercase();
        Self::Entry { entry, folded }
    }

    pub(super) const fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Parent => None,
            Self::Entry { entry, .. } => Some(entry),
        }
    }

    fn folded(&self) -> &str {
        match self {
            Self::Parent => "",
            Self::Entry { folded, .. } => folded,
        }
    }

    pub(super) fn is_visible(&self) -> bool {
        self.entry().is_none_or(|entry| !entry.shown.starts_with('.'))
    }

    /// Orders the parent before folders, and these before the rest.
    fn group(&self) -> u8 {
        match self.entry().map(|entry| entry.kind) {
            None => 0,
            Some(Kind::Folder) => 1,
            Some(Kind::File | Kind::Other) => 2,
        }
    }

    pub(super) fn by_name(&self, other: &Self) -> Ordering {
        self.group().cmp(&other.group()).then_with(|| self.folded().cmp(other.folded()))
    }

    pub(super) fn by_size(&self, other: &Self) -> Ordering {
        let key = |item: &Self| (item.group(), item.entry().map(|entry| Reverse(entry.size)));
        key(self).cmp(&key(other)).then_with(|| self.by_name(other))
    }

    pub(super) fn by_time(&self, other: &Self) -> Ordering {
        let key = |item: &Self| (item.group(), item.entry().map(|entry| Reverse(entry.modified)));
        key(self).cmp(&key(other)).then_with(|| self.by_name(other))
    }
}

impl Row for Item {
    fn matches(&self, needle: &str) -> bool {
        match self {
            // A filter never hides the parent.
            Self::Parent => true,
            Self::Entry { folded, .. } => folded.contains(needle),
        }
    }
}
