//! What is in a store's folder: its files, and the SHA-256 of one of them.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

/// How much of a file is read at once.
const CHUNK: usize = 256 * 1024;

/// A file in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: OsString,
    pub(super) size: u64,
    /// When it was last written to; milliseconds since 1970, UTC.
    pub(super) modified_ms: i64,
}

/// The folder's files in the order of their names: no folders, no links, and nothing that a store has
/// not finished. None of them is opened.
pub(super) fn files(folder: &Path) -> io::Result<Vec<Found>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = match entry.metadata() {
            Ok(meta) => meta,
            // Taken away in between.
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

/// `.upseal-<random>.part`: on its way, or left by a crash; the next start sweeps it. No file that is
/// stored has such a name ([`FileName`](crate::store::FileName)).
fn is_unfinished(name: &str) -> bool {
    name.starts_with(".upseal-")
}

/// What was read of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) size: u64,
    pub(super) digest: Digest,
}

/// Reads a whole file; a link or a pipe that took its place meanwhile is an error.
pub(super) fn read(path: &Path) -> io::Result<Content> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    // The bits of open(2), whose type there is a signed one.
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut chunk = vec![0; CHUNK];
    loop {
        let bytes = match file.read(&mut chunk) {
            Ok(0) => return Ok(Content { size, digest: hash.into() }),
            Ok(read) => &chunk[..read],
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(why) => return Err(why),
        };
        hash.update(bytes);
        size += bytes.len() as u64;
    }
}
