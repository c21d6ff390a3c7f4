//! State of a file, which changes with its content.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// Seconds after which a change must show in a file's times. File systems' clocks tick in milliseconds, FAT's in 2
/// seconds.
const TICK: i64 = 2;

/// What changes together with a file's content: its identity, its size and its times, in seconds and nanoseconds
/// since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Print {
    dev: u64,
    ino: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Print {
    /// Returns the print of an open file.
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Returns the print of an entry of a folder.
    pub(super) fn of_entry(metadata: &cap_std::fs::Metadata) -> Self {
        use cap_std::fs::MetadataExt as _;
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Returns the size in bytes.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the time of the last change of content, name or permissions, in milliseconds since 1970, UTC.
    pub(super) const fn changed_ms(&self) -> i64 {
        self.changed.0.saturating_mul(1000).saturating_add(self.changed.1 / 1_000_000)
    }

    /// Returns whether the last change is so long ago that another one would show. Two changes in one tick of the
    /// file system's clock look like one.
    pub(super) const fn settled(&self, now: i64) -> bool {
        now > self.changed.0.saturating_add(TICK)
    }
}

#[cfg(test)]
impl Print {
    /// Creates a print in which only the size matters.
    pub(super) const fn of_size(size: u64) -> Self {
        Self { dev: 1, ino: 1, size, modified: (0, 0), changed: (0, 0) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_has_another_print() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        std::fs::write(&path, "abc").unwrap();
        let print = || Print::of(&std::fs::metadata(&path).unwrap());
        let before = print();
        assert_eq!((print(), before.size()), (before, 3));
        let dir = super::super::open_dir(temp.path()).unwrap();
        assert_eq!(Print::of_entry(&dir.symlink_metadata("a").unwrap()), before);
        std::fs::write(&path, "abcd").unwrap();
        assert_ne!(print(), before);
    }

    #[test]
    fn a_change_is_settled_when_the_clock_has_moved_on() {
        let print = Print { changed: (1000, 5_999_999), ..Print::of_size(3) };
        assert_eq!(print.changed_ms(), 1_000_005);
        for (now, settled) in [(0, false), (999, false), (1000, false), (1002, false), (1003, true)] {
            assert_eq!(print.settled(now), settled, "{now}");
        }
    }
}
