//! Paths that share their folders: a queue of thousands of files has few folders.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A path that shares its folder with others.
#[derive(Debug, Clone)]
pub(super) struct SharedPath {
    folder: Rc<Path>,
    name: Box<OsStr>,
}

impl SharedPath {
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&*self.name)
    }
}

/// The folders of all paths in the queue.
#[derive(Debug, Default)]
pub(super) struct Folders {
    known: HashSet<Rc<Path>>,
}

impl Folders {
    /// Returns a path with a shared folder.
    pub(super) fn share(&mut self, path: &Path) -> SharedPath {
        let (folder, name) = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => (folder, name),
            _ => (Path::new(""), path.as_os_str()),
        };
        let folder = self.known.get(folder).cloned().unwrap_or_else(|| {
            let folder: Rc<Path> = folder.into();
            self.known.insert(Rc::clone(&folder));
            folder
        });
        SharedPath { folder, name: name.into() }
    }

    /// Forgets all folders. Paths that are still in use keep theirs.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_back_as_it_was_and_its_folder_is_kept_once() {
        let mut folders = Folders::default();
        for path in ["/a/b/c.txt", "/a/b/d.txt", "e", "/", "a/..", "/x"] {
            assert_eq!(folders.share(Path::new(path)).path(), Path::new(path));
        }
        let (one, two) = (folders.share(Path::new("/a/b/c")), folders.share(Path::new("/a/b/d")));
        assert!(Rc::ptr_eq(&one.folder, &two.folder));
    }
}
