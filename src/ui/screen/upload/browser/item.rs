//! Rows of the browser, and their order.

use std::cmp::{Ordering, Reverse};
use std::ffi::OsStr;
use std::path::Path;

use crate::ui::listing::{Entry, Kind};
use crate::ui::widgets::filter::Needle;
use crate::ui::widgets::list::Row;
use crate::ui::widgets::order::natural;

/// Row of the browser.
#[derive(Debug)]
pub(super) enum Item {
    /// The parent folder, `..`.
    Parent,
    Entry {
        entry: Entry,
        /// Bytes whose order is that of the names.
        key: Box<[u8]>,
    },
}

/// Order of the entries; folders come first in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum Sort {
    Name,
    /// Largest first.
    Size,
    /// Newest first.
    Time,
    /// By the extension of the name.
    Type,
}

impl Sort {
    pub(super) const fn next(self) -> Self {
        match self {
            Self::Name => Self::Size,
            Self::Size => Self::Time,
            Self::Time => Self::Type,
            Self::Type => Self::Name,
        }
    }

    /// Returns the function that compares two rows.
    pub(super) const fn order(self) -> fn(&Item, &Item) -> Ordering {
        match self {
            Self::Name => Item::by_name,
            Self::Size => Item::by_size,
            Self::Time => Item::by_time,
            Self::Type => Item::by_type,
        }
    }
}

impl Item {
    pub(super) fn new(entry: Entry) -> Self {
        let key = natural(&entry.shown);
        Self::Entry { entry, key }
    }

    pub(super) const fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Parent => None,
            Self::Entry { entry, .. } => Some(entry),
        }
    }

    fn name(&self) -> Option<&OsStr> {
        self.entry().map(|entry| entry.name.as_os_str())
    }

    pub(super) fn is_file(&self) -> bool {
        self.entry().is_some_and(|entry| entry.kind == Kind::File)
    }

    pub(super) fn is_visible(&self) -> bool {
        self.entry().is_none_or(|entry| !entry.shown.starts_with('.'))
    }

    /// Orders the parent before folders, and these before the rest.
    fn group(&self) -> u8 {
        match self.entry().map(|entry| entry.kind) {
            None => 0,
            Some(Kind::Folder) => 1,
            Some(Kind::File | Kind::Other(_)) => 2,
        }
    }

    fn key(&self) -> &[u8] {
        match self {
            Self::Parent => &[],
            Self::Entry { key, .. } => key,
        }
    }

    fn by_name(&self, other: &Self) -> Ordering {
        (self.group(), self.key())
            .cmp(&(other.group(), other.key()))
            // Names that differ only in case or in leading zeros.
            .then_with(|| self.name().cmp(&other.name()))
    }

    fn by_size(&self, other: &Self) -> Ordering {
        let key = |item: &Self| (item.group(), item.entry().map(|entry| Reverse(entry.size)));
        key(self).cmp(&key(other)).then_with(|| self.by_name(other))
    }

    fn by_time(&self, other: &Self) -> Ordering {
        let key = |item: &Self| (item.group(), item.entry().map(|entry| Reverse(entry.modified)));
        key(self).cmp(&key(other)).then_with(|| self.by_name(other))
    }

    fn by_type(&self, other: &Self) -> Ordering {
        fn extension(item: &Item) -> Option<&[u8]> {
            let entry = item.entry().filter(|entry| entry.kind != Kind::Folder)?;
            Path::new(&entry.name).extension().map(OsStr::as_encoded_bytes)
        }
        // Compared without a copy: sorting a large folder must not be noticed.
        let (a, b) = (extension(self).unwrap_or_default(), extension(other).unwrap_or_default());
        let fold = |bytes: &'_ [u8]| bytes.iter().map(u8::to_ascii_lowercase).collect::<Vec<_>>();
        let by_extension = if a == b { Ordering::Equal } else { fold(a).cmp(&fold(b)) };
        self.group().cmp(&other.group()).then(by_extension).then_with(|| self.by_name(other))
    }
}

impl Row for Item {
    fn rank(&self, needle: &mut Needle) -> Option<u32> {
        match self {
            // A filter never hides the parent.
            Self::Parent => Some(u32::MAX),
            Self::Entry { entry, .. } => needle.score(&entry.shown),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sorted(sort: Sort, names: &[&str]) -> Vec<String> {
        let mut items: Vec<Item> = names.iter().map(|name| Item::new(Entry::example(name))).collect();
        items.sort_by(sort.order());
        items.iter().filter_map(|item| Some(item.entry()?.shown.clone())).collect()
    }

    #[test]
    fn numbers_in_names_are_ordered_by_value_and_letters_without_regard_to_case() {
        let names =
            ["file10", "File2", "file1", "file", "file02", "file2b", "a-9", "a9", "b", "A10", "file2.5"];
        assert_eq!(
            sorted(Sort::Name, &names),
            ["a-9", "a9", "A10", "b", "file", "file1", "File2", "file02", "file2.5", "file2b", "file10"]
        );
    }

    #[test]
    fn types_are_ordered_by_extension_and_then_by_name() {
        let names = ["b.TXT", "a.zip", "Makefile", ".hidden", "a.txt", "10.jpg", "9.jpg"];
        assert_eq!(
            sorted(Sort::Type, &names),
            [".hidden", "Makefile", "9.jpg", "10.jpg", "a.txt", "b.TXT", "a.zip"]
        );
    }

    proptest! {
        #[test]
        fn two_numbers_after_the_same_letters_are_ordered_as_numbers(
            before in "[a-z.-]{0,5}", a in any::<u128>(), b in any::<u128>(), zeros in 0_usize..4
        ) {
            let a_name = format!("{before}{}{a}", "0".repeat(zeros));
            prop_assert_eq!(natural(&a_name).cmp(&natural(&format!("{before}{b}"))), a.cmp(&b));
        }
    }
}
