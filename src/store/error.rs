//! Errors of a store.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::name::{FileName, LAST_COPY};
use crate::messages::Escaped;

/// Why a file could not be stored. Each message contains its cause.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The disk or the quota is full.
    #[error("cannot {doing} {spot}: no space is left")]
    Full {
        /// Attempted operation.
        doing: Doing,
        /// Folder or file.
        spot: Spot,
    },
    /// The file announces more bytes than are free; nothing was written.
    #[error("cannot store {spot}: it has {needed} bytes, but only {free} are free")]
    TooLarge {
        /// The file.
        spot: Spot,
        /// Announced size in bytes.
        needed: u64,
        /// Bytes that are free for this user.
        free: u64,
    },
    /// The file system is read-only.
    #[error("cannot {doing} {spot}: the file system is read-only")]
    ReadOnly {
        /// Attempted operation.
        doing: Doing,
        /// Folder or file.
        spot: Spot,
    },
    /// Permission denied.
    #[error("cannot {doing} {spot}: permission denied")]
    Denied {
        /// Attempted operation.
        doing: Doing,
        /// Folder or file.
        spot: Spot,
    },
    /// The folder, or one of its parents, is not a folder.
    #[error("cannot {doing} {spot}: it, or a part of its path, is not a folder")]
    NotAFolder {
        /// Attempted operation.
        doing: Doing,
        /// Folder or file.
        spot: Spot,
    },
    /// The file system supports neither a rename that never replaces nor a hard link.
    #[error("cannot publish {spot}: its file system can neither rename without replacing nor link")]
    NoSafeRename {
        /// The file.
        spot: Spot,
    },
    /// Another file has the name, and this store keeps no copies ([`Existing::Refuse`](super::folder::Existing::Refuse)).
    #[error("cannot publish {spot}: another file has the name, and copies are refused (--existing)")]
    Exists {
        /// The file.
        spot: Spot,
    },
    /// The name and all its numbered copies are taken.
    #[error("cannot publish {spot}: other files have the name and its copies up to ({LAST_COPY})")]
    NoFreeName {
        /// The file.
        spot: Spot,
    },
    /// An earlier write failed, so the file is incomplete.
    #[error("cannot publish {spot}: an earlier write failed")]
    Torn {
        /// The file.
        spot: Spot,
    },
    /// The thread that published this file in a group ended unexpectedly.
    #[error("cannot publish a file: the thread that published its group ended unexpectedly")]
    Lost,
    /// A file that was to be continued was changed, moved or removed by another process.
    #[error("cannot amend {spot}: it was changed since it was published")]
    Changed {
        /// The file.
        spot: Spot,
    },
    /// The store cannot receive bytes from a pipe: [`Pending::splices`](super::Pending::splices) is false.
    #[error("cannot write a file: this store cannot receive bytes from a pipe")]
    NoSplice,
    /// Another error from the system.
    #[error("cannot {doing} {spot}: {cause}")]
    Failed {
        /// Attempted operation.
        doing: Doing,
        /// Folder or file.
        spot: Spot,
        /// Error from the system.
        cause: io::Error,
    },
}

impl StoreError {
    /// Converts an error from the system.
    #[must_use]
    pub fn new(doing: Doing, spot: Spot, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { doing, spot },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { doing, spot },
            io::ErrorKind::PermissionDenied => Self::Denied { doing, spot },
            io::ErrorKind::NotADirectory => Self::NotAFolder { doing, spot },
            _ => Self::Failed { doing, spot, cause },
        }
    }

    /// Returns whether the file may have its name although it is not known to be on disk: syncing the names failed,
    /// for whatever reason.
    #[must_use]
    pub(crate) const fn leaves_a_name(&self) -> bool {
        matches!(
            self,
            Self::Full { doing: Doing::Sync, .. }
                | Self::ReadOnly { doing: Doing::Sync, .. }
                | Self::Denied { doing: Doing::Sync, .. }
                | Self::NotAFolder { doing: Doing::Sync, .. }
                | Self::Failed { doing: Doing::Sync, .. }
        )
    }
}

/// An operation on a folder or a file; displayed as a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Opening or creating the folder.
    Open,
    /// Creating a file in the folder.
    Create,
    /// Writing to a file.
    Write,
    /// Syncing a file, or its name, to disk.
    Sync,
    /// Giving a file its name.
    Publish,
    /// Copying a published file in order to continue it.
    Amend,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Create => "create a file in",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Publish => "publish",
            Self::Amend => "amend",
        })
    }
}

/// A folder, or a file in it; displayed as `recv_files` or `a.txt in recv_files`, escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Path of the folder, as the user gave it.
    pub folder: PathBuf,
    /// Requested name of the file. It is never joined to the path.
    pub name: Option<FileName>,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name} in ")?;
        }
        write!(f, "{}", Escaped::path(&self.folder))
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn says_in_words_what_the_system_said() {
        let spot = || Spot { folder: "in\nbox".into(), name: FileName::from_wire(b"a\x1b.txt").ok() };
        for (errno, words) in [
            (Errno::NOSPC, r"cannot write a\u{1b}.txt in in\nbox: no space is left"),
            (Errno::DQUOT, r"cannot write a\u{1b}.txt in in\nbox: no space is left"),
            (Errno::ROFS, r"cannot write a\u{1b}.txt in in\nbox: the file system is read-only"),
            (Errno::ACCESS, r"cannot write a\u{1b}.txt in in\nbox: permission denied"),
            (Errno::PERM, r"cannot write a\u{1b}.txt in in\nbox: permission denied"),
            (
                Errno::NOTDIR,
                r"cannot write a\u{1b}.txt in in\nbox: it, or a part of its path, is not a folder",
            ),
            (Errno::IO, r"cannot write a\u{1b}.txt in in\nbox: Input/output error (os error 5)"),
        ] {
            assert_eq!(StoreError::new(Doing::Write, spot(), errno.into()).to_string(), words);
        }
    }

    #[test]
    fn a_file_whose_name_could_not_be_synced_may_have_it_whatever_the_cause() {
        let spot = || Spot { folder: "inbox".into(), name: FileName::from_wire(b"a.txt").ok() };
        for errno in [Errno::IO, Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::ACCESS, Errno::NOTDIR] {
            assert!(StoreError::new(Doing::Sync, spot(), errno.into()).leaves_a_name(), "{errno}");
            assert!(!StoreError::new(Doing::Publish, spot(), errno.into()).leaves_a_name(), "{errno}");
        }
        assert!(!StoreError::Torn { spot: spot() }.leaves_a_name());
    }
}
