//! State of a file, by which a change of its bytes shows, and the SHA-256 of one that is here.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

/// How much of a file is read at once.
const CHUNK: usize = 256 * 1024;

/// Seconds after which a change can no longer hide: the clocks of file systems tick in
/// milliseconds, that of FAT in 2 seconds.
const TICK: i64 = 2;

/// What changes when a file's bytes do: which file it is, its length, and its times, each in
/// seconds and nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Print {
    dev: u64,
    ino: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Print {
    /// Print of an open file.
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Print of what has a name in a folder.
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

    /// Bytes.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Time of the last change of bytes, name or permissions; milliseconds since 1970, UTC.
    pub(super) const fn changed_ms(&self) -> i64 {
        self.changed.0.saturating_mul(1000).saturating_add(self.changed.1 / 1_000_000)
    }

    /// Whether the last change is so long ago that another one would show: two in the same tick of
    /// the file system's clock look like one.
    pub(super) const fn settled(&self, now: i64) -> bool {
        now > self.changed.0.saturating_add(TICK)
    }
}

/// Returns the SHA-256 of what is left to read of a file.
pub(super) fn hash(mut file: &File) -> io::Result<Digest> {
    let mut chunk = vec![0; CHUNK];
    let mut hash = Sha256::new();
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(hash.into()),
            Ok(n) => hash.update(&chunk[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
impl Print {
    /// A state in which only the size matters.
    pub(super) const fn of_size(size: u64) -> Self {
        Self { dev: 1, ino: 1, size, modified: (0, 0), changed: (0, 0) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn reads_files_of_every_length() {
        let temp = tempfile::tempdir().unwrap();
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let path = temp.path().join(length.to_string());
            let bytes = vec![7; length];
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(hash(&File::open(path).unwrap()).unwrap(), Digest::of(&bytes));
        }
    }

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
