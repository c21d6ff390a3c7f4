//! Marked files, which are kept when another folder is shown.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Marked files of all folders. Looking one up takes no longer in a folder of 100,000 marks.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Sizes by folder and name. No folder is empty.
    folders: BTreeMap<PathBuf, BTreeMap<OsString, u64>>,
    files: usize,
    bytes: u64,
}

impl Marks {
    pub(super) const fn len(&self) -> usize {
        self.files
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.files == 0
    }

    /// Returns the bytes of all marked files.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the names that are marked in a folder, with their sizes.
    pub(super) fn of(&self, folder: &Path) -> Option<&BTreeMap<OsString, u64>> {
        self.folders.get(folder)
    }

    /// Returns the paths and sizes of all marked files.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PathBuf, u64)> {
        self.folders
            .iter()
            .flat_map(|(folder, names)| names.iter().map(move |(name, size)| (folder.join(name), *size)))
    }

    /// Returns the sizes of all marked files.
    pub(super) fn sizes(&self) -> impl Iterator<Item = u64> {
        self.folders.values().flat_map(|names| names.values().copied())
    }

    /// Marks a file, or notes its new size.
    pub(super) fn insert(&mut self, folder: &Path, name: &OsStr, size: u64) {
        let names = match self.folders.get_mut(folder) {
            Some(names) => names,
            None => self.folders.entry(folder.to_owned()).or_default(),
        };
        match names.insert(name.to_owned(), size) {
            Some(before) => self.bytes = self.bytes.saturating_sub(before),
            None => self.files += 1,
        }
        self.bytes = self.bytes.saturating_add(size);
    }

    /// Removes a mark; returns whether there was one.
    pub(super) fn remove(&mut self, folder: &Path, name: &OsStr) -> bool {
        let Some(names) = self.folders.get_mut(folder) else { return false };
        let Some(size) = names.remove(name) else { return false };
        if names.is_empty() {
            self.folders.remove(folder);
        }
        self.files -= 1;
        self.bytes = self.bytes.saturating_sub(size);
        true
    }

    /// Marks a file that is not marked, and removes the mark of one that is.
    pub(super) fn toggle(&mut self, folder: &Path, name: &OsStr, size: u64) {
        if !self.remove(folder, name) {
            self.insert(folder, name, size);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_follows_marks_in_every_folder() {
        let mut marks = Marks::default();
        let (a, b) = (Path::new("/a"), Path::new("/b"));
        marks.insert(b, OsStr::new("x"), 5);
        marks.insert(a, OsStr::new("y"), 7);
        marks.insert(a, OsStr::new("y"), 8);
        assert_eq!((marks.len(), marks.bytes()), (2, 13), "a new size replaces the old one");
        let paths: Vec<_> = marks.iter().collect();
        assert_eq!(paths, [(PathBuf::from("/a/y"), 8), (PathBuf::from("/b/x"), 5)]);
        marks.toggle(a, OsStr::new("y"), 8);
        assert!(marks.of(a).is_none() && !marks.remove(a, OsStr::new("y")));
        assert_eq!((marks.len(), marks.bytes(), marks.sizes().sum::<u64>()), (1, 5, 5));
        marks.clear();
        assert!(marks.is_empty() && marks.bytes() == 0);
    }
}
