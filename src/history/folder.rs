//! Listing and hashing the files of a store's folder.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use crate::digest::Digest;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: OsString,
    pub(super) size: u64,
    /// Time of the last modification, in milliseconds since 1970, UTC.
    pub(super) modified_ms: i64,
}

/// Lists the regular files of the folder, ordered by name, without those that a store has not finished. No file is
/// opened.
pub(super) fn files(folder: &Path) -> io::Result<Vec<Found>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = match entry.metadata() {
            Ok(meta) => meta,
            // It was removed since the folder was listed.
            Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
            Err(why) => return Err(why),
        };
        let name = entry.file_name();
        if meta.is_file() && !is_unfinished(&name.to_string_lossy()) {
            let modified_ms = meta.mtime() * 1000 + meta.mtime_nsec() / 1_000_000;
            files.push(Found { name, size: meta.len(), modified_ms });
        }
    }
    files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
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
