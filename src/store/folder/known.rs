//! Digests of files that are here, so that an unchanged file is read once.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

/// How many digests are remembered: 100 bytes each, and searched one by one.
const CAPACITY: usize = 256;

/// How much of a file is read at once.
const CHUNK: usize = 256 * 1024;

/// Seconds after which a change can no longer hide: the clocks of file systems tick in
/// milliseconds, that of FAT in 2 seconds.
const TICK: i64 = 2;

/// The last digests, each with the state of the file that had it.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<VecDeque<(Print, Digest)>>);

impl Known {
    /// SHA-256 of all of `file`, which is open at its start: remembered, or read. `None` if it
    /// cannot be read or changes meanwhile. `now` decides whether it is remembered.
    pub(super) fn digest_of(&self, mut file: &File, now: SystemTime) -> Option<Digest> {
        let before = Print::of(&file.metadata().ok()?);
        if let Some(digest) = self.recall(&before) {
            return Some(digest);
        }
        let digest = hash(&mut file).ok()?;
        let after = Print::of(&file.metadata().ok()?);
        if before != after {
            return None;
        }
        if after.settled(now) {
            self.remember(after, digest);
        }
        Some(digest)
    }

    /// Remembers a digest, and forgets the oldest when there are too many.
    pub(super) fn remember(&self, print: Print, digest: Digest) {
        let mut known = self.lock();
        if known.len() == CAPACITY {
            known.pop_front();
        }
        known.push_back((print, digest));
    }

    fn recall(&self, print: &Print) -> Option<Digest> {
        self.lock().iter().rev().find(|(known, _)| known == print).map(|&(_, digest)| digest)
    }

    /// The list is whole even if a thread died with it.
    fn lock(&self) -> MutexGuard<'_, VecDeque<(Print, Digest)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the last change is so long ago that another one would show: two in the same tick of
    /// the file system's clock look like one.
    fn settled(&self, now: SystemTime) -> bool {
        let now =
            now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0));
        now > self.changed.0.saturating_add(TICK)
    }
}

/// SHA-256 of what is left to read.
fn hash(file: &mut &File) -> io::Result<Digest> {
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
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::Duration;

    use super::*;

    fn print(ino: u64) -> Print {
        Print { dev: 1, ino, size: 3, modified: (1000, 5), changed: (1000, 5) }
    }

    #[test]
    fn reads_files_of_every_length() {
        let temp = tempfile::tempdir().unwrap();
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let path = temp.path().join(length.to_string());
            let bytes = vec![7; length];
            std::fs::write(&path, &bytes).unwrap();
            let known = Known::default();
            assert_eq!(known.digest_of(&File::open(path).unwrap(), UNIX_EPOCH), Some(Digest::of(&bytes)));
        }
    }

    #[test]
    fn believes_its_memory_until_the_file_changes() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        std::fs::write(&path, "abc").unwrap();
        let known = Known::default();
        let remembered = Digest([7; 32]);
        known.remember(Print::of(&std::fs::metadata(&path).unwrap()), remembered);
        assert_eq!(known.digest_of(&File::open(&path).unwrap(), UNIX_EPOCH), Some(remembered));
        std::fs::write(&path, "abcd").unwrap();
        assert_eq!(known.digest_of(&File::open(&path).unwrap(), UNIX_EPOCH), Some(Digest::of(b"abcd")));
    }

    #[test]
    fn remembers_only_a_file_that_has_settled() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        std::fs::write(&path, "abc").unwrap();
        let known = Known::default();
        let next_day = SystemTime::now() + Duration::from_secs(86_400);
        for (now, remembered) in [(UNIX_EPOCH, 0), (next_day, 1), (next_day, 1)] {
            assert_eq!(known.digest_of(&File::open(&path).unwrap(), now), Some(Digest::of(b"abc")));
            assert_eq!(known.lock().len(), remembered);
        }
    }

    #[test]
    fn every_part_of_the_print_counts() {
        let known = Known::default();
        known.remember(print(9), Digest([9; 32]));
        assert_eq!(known.recall(&print(9)), Some(Digest([9; 32])));
        for other in [
            Print { dev: 2, ..print(9) },
            print(8),
            Print { size: 4, ..print(9) },
            Print { modified: (1001, 5), ..print(9) },
            Print { modified: (1000, 6), ..print(9) },
            Print { changed: (1001, 5), ..print(9) },
            Print { changed: (1000, 6), ..print(9) },
        ] {
            assert_eq!(known.recall(&other), None, "{other:?}");
        }
    }

    #[test]
    fn forgets_the_oldest_beyond_its_capacity() {
        let known = Known::default();
        for ino in 0..=CAPACITY as u64 {
            known.remember(print(ino), Digest([1; 32]));
        }
        assert_eq!(known.lock().len(), CAPACITY);
        assert_eq!(known.recall(&print(0)), None);
        assert!(known.recall(&print(1)).is_some());
        assert!(known.recall(&print(CAPACITY as u64)).is_some());
    }

    #[test]
    fn a_change_is_settled_when_the_clock_has_moved_on() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for (now, settled) in [(0, false), (999, false), (1000, false), (1002, false), (1003, true)] {
            assert_eq!(print(1).settled(at(now)), settled, "{now}");
        }
    }
}
