//! Who else can use the private keys in a folder of certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::messages::escape;

/// What the names of files with private keys end with.
const PRIVATE: &str = "_private_key.pem";
/// The permissions of the file's group and of all other users.
const OTHERS: u32 = 0o077;

/// A private key that other users of the machine can read or change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} can be used by other users of this machine (mode {mode:04o})", escape(&path.to_string_lossy()))]
pub struct Exposed {
    /// The key's file.
    pub path: PathBuf,
    /// Permission bits of the file.
    pub mode: u32,
}

/// Returns the private keys in `folder`, the CA's too, that are not the user's alone. A folder that cannot be read
/// has none; loading the key reports why.
#[must_use]
pub fn exposed(folder: &Path) -> Vec<Exposed> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut exposed: Vec<Exposed> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(PRIVATE))
        .filter_map(|entry| {
            let path = entry.path();
            let mode = fs::metadata(&path).ok()?.permissions().mode() & 0o7777;
            (mode & OTHERS != 0).then_some(Exposed { path, mode })
        })
        .collect();
    exposed.sort_by(|one, other| one.path.cmp(&other.path));
    exposed
}
