//! Folders to upload: the order, and what is left out.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Dialect, Fault, JobId, Target, readable};

/// The number of a folder upload, from 1, unique while the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FolderId(pub u32);

impl FolderId {
    /// Returns the number of the folder's file `number`, counted from 1. Uploads that belong to no folder have numbers
    /// below 2^32, so all are unique.
    #[must_use]
    pub fn job(self, number: u32) -> JobId {
        JobId((u64::from(self.0) << 32) | u64::from(number))
    }
}

/// Which files of a folder are uploaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderRules {
    /// Whether symbolic links are followed.
    pub follow: bool,
    /// Patterns of files and folders to leave out, as in a `.gitignore` at the top of the folder.
    pub exclude: Vec<String>,
}

/// A folder to upload with everything in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderOrder {
    /// Number chosen by the sender of the command; never used twice.
    pub id: FolderId,
    /// Path of the local folder.
    #[serde(serialize_with = "readable")]
    pub path: PathBuf,
    /// Which of its files are uploaded.
    pub rules: FolderRules,
    /// Server that receives the files.
    pub target: Target,
    /// Settings of the protocol.
    pub dialect: Dialect,
}

/// Why something in a folder is not uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skipped {
    /// A symbolic link; links are not followed.
    Link,
    /// A named pipe, socket or device.
    Special,
    /// A folder without files to send; the protocol has no message for it.
    Empty,
    /// It could not be read, or its name cannot be sent.
    Failed(Fault),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_folders_and_single_files_never_share_a_number() {
        assert_eq!(FolderId(1).job(1), JobId(0x1_0000_0001));
        assert_eq!(FolderId(u32::MAX).job(u32::MAX), JobId(u64::MAX));
        assert!(FolderId(1).job(0) > JobId(u64::from(u32::MAX)));
    }
}
