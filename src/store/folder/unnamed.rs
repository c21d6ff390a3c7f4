//! Files that have no name until they are published (Linux: `O_TMPFILE`).
//!
//! Compared with a temporary name, this saves two changes of the folder, and a crash leaves nothing that must be
//! swept. Not every file system supports it; a folder tests its own once.

use std::fs::File;
use std::io;

use cap_std::fs::Dir;

use super::rename::Outcome;

/// How a file without a name gets one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unnamed {
    /// Through its descriptor. Before Linux 6.10 only for privileged processes.
    #[cfg(target_os = "linux")]
    Itself,
    /// Through the link of its descriptor in `/proc`.
    #[cfg(target_os = "linux")]
    Proc,
}

#[cfg(target_os = "linux")]
impl Unnamed {
    /// Tests which way works, with a file that is removed again. Returns `None` if none does.
    pub(super) fn detect(dir: &Dir) -> Option<Self> {
        let spare = super::unfinished_name().ok()?;
        [Self::Itself, Self::Proc].into_iter().find(|way| {
            let done = way.create(dir).and_then(|file| way.name(dir, &file, &spare));
            matches!(done, Ok(Outcome::Done)) && dir.remove_file(&spare).is_ok()
        })
    }

    /// Creates a file in `dir` with the usual permissions. No other process can open it before it has a name.
    #[expect(clippy::unused_self, reason = "who has an `Unnamed` knows that it works")]
    pub(super) fn create(self, dir: &Dir) -> io::Result<File> {
        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(dir, ".", flags, Mode::from_raw_mode(0o666))?))
    }

    /// Gives the file a name in `dir`, unless the name is taken.
    pub(super) fn name(self, dir: &Dir, file: &File, name: &str) -> io::Result<Outcome> {
        use std::os::fd::AsRawFd as _;

        use rustix::fs::{AtFlags, CWD, linkat};
        use rustix::io::Errno;
        let linked = match self {
            Self::Itself => linkat(file, "", dir, name, AtFlags::EMPTY_PATH),
            Self::Proc => {
                let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                linkat(CWD, path, dir, name, AtFlags::SYMLINK_FOLLOW)
            }
        };
        match linked {
            Ok(()) => Ok(Outcome::Done),
            Err(Errno::EXIST) => Ok(Outcome::Taken),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Unnamed {
    /// Not supported on this system.
    pub(super) fn detect(_: &Dir) -> Option<Self> {
        None
    }

    pub(super) fn create(self, _: &Dir) -> io::Result<File> {
        match self {}
    }

    pub(super) fn name(self, _: &Dir, _: &File, _: &str) -> io::Result<Outcome> {
        match self {}
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::Write as _;

    use super::super::open_dir;
    use super::*;

    #[test]
    fn ways_give_a_free_name_and_never_replace() {
        let temp = tempfile::tempdir().unwrap();
        let dir = open_dir(temp.path()).unwrap();
        let detected = Unnamed::detect(&dir);
        assert_eq!(dir.entries().unwrap().count(), 0, "nothing is left of the trial");
        // On older systems `Itself` needs privileges; `Proc` remains.
        let Some(detected) = detected else { panic!("{temp:?} is on a file system without O_TMPFILE") };
        dir.write("file", "old").unwrap();
        dir.create_dir("folder").unwrap();
        dir.symlink_contents("/nowhere", "link").unwrap();
        for (way, free) in [(detected, "a"), (Unnamed::Proc, "b")] {
            let mut file = way.create(&dir).unwrap();
            file.write_all(b"new").unwrap();
            for taken in ["file", "folder", "link"] {
                assert_eq!(way.name(&dir, &file, taken).unwrap(), Outcome::Taken, "{way:?} {taken}");
            }
            assert_eq!(dir.read("file").unwrap(), b"old");
            assert_eq!(way.name(&dir, &file, free).unwrap(), Outcome::Done, "{way:?}");
            assert_eq!(dir.read(free).unwrap(), b"new");
        }
    }

    #[test]
    fn one_that_is_dropped_was_never_there() {
        let temp = tempfile::tempdir().unwrap();
        let dir = open_dir(temp.path()).unwrap();
        let mut file = Unnamed::Proc.create(&dir).unwrap();
        file.write_all(b"new").unwrap();
        drop(file);
        assert_eq!(dir.entries().unwrap().count(), 0);
    }
}
