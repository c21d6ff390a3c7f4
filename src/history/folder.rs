//! Listing and hashing the files of a store's folder.

use std::ffi::OsString;
use std::fs::{self, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use crate::digest::Digest;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Path from the store's folder on.
    pub(super) name: OsString,
    pub(super) size: u64,
    /// Time of the last change of content, name or permissions, in milliseconds since 1970, UTC. Unlike the time of the
    /// last modification, no client and no user of the folder can state it.
    pub(super) changed_ms: i64,
}

/// Deepest level of files below the folder; no store makes deeper ones.
const MOST_LEVELS: usize = 64;

/// Lists the regular files of the folder and the folders in it, ordered by name, without those that a store has not
/// finished. Links are not followed, and no file is opened.
pub(super) fn files(folder: &Path) -> io::Result<Vec<Found>> {
    let mut files = Vec::new();
    each(folder, usize::MAX, &mut |file| {
        files.push(file);
        Ok::<_, io::Error>(())
    })?;
    files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Calls `tell` for each of these files, in the order of the file system, until `most` entries of folders were seen.
/// Returns whether these were all.
pub(super) fn each<E: From<io::Error>>(
    folder: &Path,
    mut most: usize,
    tell: &mut dyn FnMut(Found) -> Result<(), E>,
) -> Result<bool, E> {
    each_in(folder, Path::new(""), 1, &mut most, tell)
}

/// Does so for a folder that is reached by `inside` from the store's own.
fn each_in<E: From<io::Error>>(
    folder: &Path,
    inside: &Path,
    level: usize,
    most: &mut usize,
    tell: &mut dyn FnMut(Found) -> Result<(), E>,
) -> Result<bool, E> {
    let entries = match fs::read_dir(folder.join(inside)) {
        Ok(entries) => entries,
        // It was removed since its parent was listed, or is not the server's own.
        Err(why)
            if level > 1
                && matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) =>
        {
            return Ok(true);
        }
        Err(why) => return Err(why.into()),
    };
    for entry in entries {
        let entry = entry?;
        if *most == 0 {
            return Ok(false);
        }
        *most -= 1;
        let meta = match entry.metadata() {
            Ok(meta) => meta,
            // It was removed since the folder was listed.
            Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
            Err(why) => return Err(why.into()),
        };
        let is_unfinished = is_unfinished(&entry.file_name().to_string_lossy());
        let name = inside.join(entry.file_name());
        if meta.is_dir() && level < MOST_LEVELS {
            if !each_in(folder, &name, level + 1, most, tell)? {
                return Ok(false);
            }
        } else if meta.is_file() && !is_unfinished {
            tell(Found::of(name.into_os_string(), &meta))?;
        }
    }
    Ok(true)
}

/// Looks for the regular file with this name in the store's folder. Links are not followed, not even on the way.
pub(super) fn look(folder: &Path, name: &str) -> io::Result<Option<Found>> {
    let mut path = folder.to_owned();
    let mut parts = name.split('/').peekable();
    while let Some(part) = parts.next() {
        if matches!(part, "" | "." | "..") {
            return Ok(None);
        }
        path.push(part);
        let meta = match path.symlink_metadata() {
            Err(why) if matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            meta => meta?,
        };
        match parts.peek() {
            Some(_) if meta.is_dir() => {}
            None if meta.is_file() => return Ok(Some(Found::of(name.into(), &meta))),
            Some(_) | None => return Ok(None),
        }
    }
    Ok(None)
}

impl Found {
    fn of(name: OsString, meta: &Metadata) -> Self {
        let changed_ms = meta.ctime().saturating_mul(1000).saturating_add(meta.ctime_nsec() / 1_000_000);
        Self { name, size: meta.len(), changed_ms }
    }
}

/// Returns whether this is a store's temporary file (`.upseal-<random>.part`): still growing, or left by a crash and
/// removed by the next start. No stored file has such a name ([`FileName`](crate::store::FileName)).
fn is_unfinished(name: &str) -> bool {
    name.starts_with(".upseal-")
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) size: u64,
    pub(super) digest: Digest,
}

/// Reads and hashes a whole file. A link or a pipe that replaced it since it was listed is an error.
pub(super) fn read(path: &Path) -> io::Result<Content> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    // `custom_flags` takes the bits of open(2) as a signed integer.
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let (digest, size) = Digest::of_reader(file)?;
    Ok(Content { size, digest })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_are_listed_down_to_the_deepest_level_that_a_store_makes() {
        let folder = tempfile::tempdir().unwrap();
        let mut at = folder.path().to_owned();
        for _ in 0..MOST_LEVELS + 3 {
            fs::write(at.join("f"), "").unwrap();
            at.push("d");
            fs::create_dir(&at).unwrap();
        }
        symlink(folder.path(), folder.path().join("link")).unwrap();
        fs::write(folder.path().join(".upseal-1.part"), "").unwrap();
        let found = files(folder.path()).unwrap();
        assert_eq!(found.len(), MOST_LEVELS);
        let deepest = found.iter().map(|file| file.name.to_string_lossy().matches('/').count()).max();
        assert_eq!(deepest, Some(MOST_LEVELS - 1));
        assert_eq!(files(&folder.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_name_that_cannot_be_looked_at_is_not_a_missing_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        fs::write(folder.path().join("d/f"), "").unwrap();
        symlink("d", folder.path().join("link")).unwrap();
        assert!(look(folder.path(), "d/f").unwrap().is_some());
        for missing in ["f", "d", "d/g", "d/f/g", "link/f", "link", "d/../d/f", "", "d//f"] {
            assert_eq!(look(folder.path(), missing).unwrap(), None, "{missing:?}");
        }
        assert!(look(folder.path(), &"x".repeat(300)).is_err());
    }

    #[test]
    fn only_a_regular_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "hello").unwrap();
        assert_eq!(read(&at("file")).unwrap(), Content { size: 5, digest: Digest::of(b"hello") });
        symlink("file", at("link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RUSR).unwrap();
        for other in ["link", "pipe", "."] {
            assert!(read(&at(other)).is_err(), "{other}");
        }
    }
}
