//! What is sent, and whether it stayed as it was while it was read.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;

use super::UploadError;

/// What is sent.
pub enum Content<'a> {
    /// A file from its position on, whatever becomes of the rest of it.
    File(&'a File),
    /// A whole file, which must be as it was at this moment when its last byte has been read.
    Whole(&'a File, Stamp),
    /// Whatever can be read.
    Reader(&'a mut (dyn Read + Send)),
}

impl<'a> Content<'a> {
    /// The file that the kernel could send by itself.
    pub(super) const fn file(&self) -> Option<&'a File> {
        match self {
            Self::File(file) | Self::Whole(file, _) => Some(file),
            Self::Reader(_) => None,
        }
    }

    /// Compares the file with what it was, after its last byte was read and before it is sent. The server then never has
    /// a whole body of mixed content.
    pub(super) fn check(&self) -> Result<(), UploadError> {
        match self {
            Self::Whole(file, stamp) => stamp.check(file),
            Self::File(_) | Self::Reader(_) => Ok(()),
        }
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) | Self::Whole(file, _) => file.read(buffer),
            Self::Reader(reader) => reader.read(buffer),
        }
    }
}

/// A file's size and the time of its last modification.
///
/// The kernel stamps a file with the time of its last tick, which is up to 10 ms old; a write in the same tick as the one
/// before the upload, which leaves the size as it is, is not noticed. Nor is a write by a program that sets the time back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    size: u64,
    /// Seconds and nanoseconds since 1970.
    modified: (i64, i64),
}

impl Stamp {
    /// As the system tells it.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }

    fn check(self, file: &File) -> Result<(), UploadError> {
        let now = Self::of(&file.metadata().map_err(UploadError::Source)?);
        match now {
            now if now == self => Ok(()),
            now if now.size > self.size => Err(UploadError::Grown { promised: self.size, now: now.size }),
            now if now.size < self.size => Err(UploadError::Shrunk { promised: self.size, got: now.size }),
            _ => Err(UploadError::Changed),
        }
    }
}
