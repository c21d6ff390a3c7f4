//! Content of an upload, and whether it changed while it was read.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;

use super::UploadError;

/// Content of an upload.
pub enum Content<'a> {
    /// A file from its position on, even if it changes.
    File(&'a File),
    /// A whole file, which must still have this stamp when its last byte has been read.
    Whole(&'a File, Stamp),
    /// Bytes from any reader.
    Reader(&'a mut (dyn Read + Send)),
}

impl<'a> Content<'a> {
    /// Returns the file, if the kernel can send it.
    pub(super) const fn file(&self) -> Option<&'a File> {
        match self {
            Self::File(file) | Self::Whole(file, _) => Some(file),
            Self::Reader(_) => None,
        }
    }

    /// Checks that the file did not change, after its last byte was read and before it is sent. So the server never has a
    /// whole body of mixed content.
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

/// Size of a file and time of its last modification.
///
/// The kernel sets the time to that of its last tick, which is up to 10 ms old. So a write in the same tick as the last
/// one before the upload is not noticed if the size stays the same, nor is a write by a program that resets the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    size: u64,
    /// Seconds and nanoseconds since 1970.
    modified: (i64, i64),
}

impl Stamp {
    /// Returns the stamp in these metadata.
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
