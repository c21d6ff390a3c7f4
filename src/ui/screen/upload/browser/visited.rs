//! Folders that were left, the latest first, and where the cursor was in them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Largest number of folders that are kept.
const MOST: usize = 200;

/// Folders that were left.
#[derive(Debug, Default)]
pub(super) struct Visited(Vec<(PathBuf, Option<OsString>)>);

impl Visited {
    /// Notes that a folder is left while the cursor is on this name.
    pub(super) fn leave(&mut self, folder: &Path, under: Option<OsString>) {
        self.0.retain(|(known, _)| known != folder);
        self.0.insert(0, (folder.to_owned(), under));
        self.0.truncate(MOST);
    }

    /// Returns the name that the cursor was on when the folder was left.
    pub(super) fn cursor(&self, folder: &Path) -> Option<&OsStr> {
        self.0.iter().find(|(known, _)| known == folder)?.1.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_that_was_left_last_is_the_first_and_old_ones_are_forgotten() {
        let mut visited = Visited::default();
        for number in 0..=MOST {
            visited.leave(Path::new(&format!("/{number}")), Some("a".into()));
        }
        visited.leave(Path::new("/7"), Some("b".into()));
        assert_eq!((visited.cursor(Path::new("/7")), visited.0.len()), (Some(OsStr::new("b")), MOST));
        assert_eq!(visited.0[0].0, Path::new("/7"));
        assert_eq!(visited.cursor(Path::new("/0")), None);
    }
}
