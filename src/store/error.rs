//! What can go wrong with a place for files, and who is at fault.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::name::{FileName, LAST_COPY};
use crate::event::Blame;
use crate::messages::escape;

/// Why a file could not be stored. The words hold everything; there is no further source.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The disk, or the quota, is full.
    #[error("cannot {doing} {spot}: no space is left")]
    Full {
        /// What was tried.
        doing: Doing,
        /// With what.
        spot: Spot,
    },
    /// The file announces more bytes than are free; nothing was written.
    #[error("cannot store {spot}: it has {needed} bytes and {free} are free")]
    TooLarge {
        /// The file.
        spot: Spot,
        /// Bytes it announces.
        needed: u64,
        /// Bytes free for this user.
        free: u64,
    },
    /// The file system, or its mount, is read-only.
    #[error("cannot {doing} {spot}: the file system is read-only")]
    ReadOnly {
        /// What was tried.
        doing: Doing,
        /// With what.
        spot: Spot,
    },
    /// This process may not do it.
    #[error("cannot {doing} {spot}: permission denied")]
    Denied {
        /// What was tried.
        doing: Doing,
        /// With what.
        spot: Spot,
    },
    /// Something else has the place of the folder, or of one of its parents.
    #[error("cannot {doing} {spot}: it, or a part of its path, is not a folder")]
    NotAFolder {
        /// What was tried.
        doing: Doing,
        /// With what.
        spot: Spot,
    },
    /// Neither a rename that never replaces nor a hard link is possible there.
    #[error("cannot publish {spot}: its file system can neither rename without replacing nor link")]
    NoSafeRename {
        /// The file.
        spot: Spot,
    },
    /// Other files have the name and all its numbered copies.
    #[error("cannot publish {spot}: other files have the name and its copies up to ({LAST_COPY})")]
    NoFreeName {
        /// The file.
        spot: Spot,
    },
    /// An earlier write of this file failed, so it is not whole.
    #[error("cannot publish {spot}: an earlier write failed")]
    Torn {
        /// The file.
        spot: Spot,
    },
    /// Another thread died while it published this file among others.
    #[error("cannot publish a file: the thread that did so for several has died")]
    Lost,
    /// Somebody changed, moved or removed a file that was to be amended.
    #[error("cannot amend {spot}: it is not what was published any more")]
    Changed {
        /// The file.
        spot: Spot,
    },
    /// The system refused for another reason.
    #[error("cannot {doing} {spot}: {cause}")]
    Failed {
        /// What was tried.
        doing: Doing,
        /// With what.
        spot: Spot,
        /// What the system said.
        cause: io::Error,
    },
}

impl StoreError {
    /// Words for what the system said.
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

    /// Who has to change something.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::NotAFolder { .. } => Blame::User,
            Self::NoFreeName { .. } => Blame::Peer,
            _ => Blame::System,
        }
    }
}

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Opening the folder, or creating it.
    Open,
    /// Creating a file in the folder.
    Create,
    /// Writing a part of a file.
    Write,
    /// Bringing a file, or its name, to disk.
    Sync,
    /// Giving a file its name.
    Publish,
    /// Copying a published file, to add to it.
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

/// A folder, or a file in it; shown as `recv_files` or `a.txt in recv_files`, escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The folder, as the user gave it.
    pub folder: PathBuf,
    /// The name that the file asks for; never joined to the folder's path.
    pub name: Option<FileName>,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name} in ")?;
        }
        write!(f, "{}", escape(&self.folder.to_string_lossy()))
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
    fn blames_the_one_who_can_change_it() {
        let spot = || Spot { folder: "in".into(), name: None };
        assert_eq!(StoreError::new(Doing::Sync, spot(), Errno::NOSPC.into()).blame(), Blame::System);
        assert_eq!(StoreError::new(Doing::Open, spot(), Errno::NOTDIR.into()).blame(), Blame::User);
        assert_eq!(StoreError::NoFreeName { spot: spot() }.blame(), Blame::Peer);
    }
}
