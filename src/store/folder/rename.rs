//! Giving a file its name without ever replacing another file.

use std::io;

use cap_std::fs::Dir;

/// Result of naming a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The file has its new name, and no other.
    Done,
    /// The name is taken; nothing was changed.
    Taken,
    /// The file system does not support the operation; nothing was changed.
    Impossible,
}

/// Renames `from` to `to`, both in `dir`, in one step where the file system can.
pub(super) fn rename_new(dir: &Dir, from: &str, to: &str) -> io::Result<Outcome> {
    match rename_no_replace(dir, from, to)? {
        Outcome::Impossible => link_then_unlink(dir, from, to),
        outcome => Ok(outcome),
    }
}

/// Calls `renameat2` with `RENAME_NOREPLACE`, on macOS `renameatx_np` with `RENAME_EXCL`.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_no_replace(dir: &Dir, from: &str, to: &str) -> io::Result<Outcome> {
    use rustix::io::Errno;
    match rustix::fs::renameat_with(dir, from, dir, to, rustix::fs::RenameFlags::NOREPLACE) {
        Ok(()) => Ok(Outcome::Done),
        Err(Errno::EXIST) => Ok(Outcome::Taken),
        // Linux file systems without the flag return EINVAL, old kernels ENOSYS, macOS ENOTSUP.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(Outcome::Impossible),
        Err(error) => Err(error.into()),
    }
}

/// Not supported on this system.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_no_replace(_: &Dir, _: &str, _: &str) -> io::Result<Outcome> {
    Ok(Outcome::Impossible)
}

/// Renames in two portable steps: creating a hard link never replaces a file either. A crash between the steps leaves
/// the complete file under both names, and the next sweep removes the temporary one.
fn link_then_unlink(dir: &Dir, from: &str, to: &str) -> io::Result<Outcome> {
    match dir.hard_link(from, dir, to) {
        Ok(()) => {
            let _ = dir.remove_file(from); // if not now, then by the next sweep
            Ok(Outcome::Done)
        }
        Err(error) => match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(Outcome::Taken),
            // Linux returns EPERM where there are no hard links (FAT).
            io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported => Ok(Outcome::Impossible),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::open_dir;
    use super::*;

    #[test]
    fn twins_give_a_free_name_and_never_replace() {
        for rename in [rename_new, rename_no_replace, link_then_unlink] {
            let temp = tempfile::tempdir().unwrap();
            let dir = open_dir(temp.path()).unwrap();
            dir.write("draft", "new").unwrap();
            dir.write("file", "old").unwrap();
            dir.create_dir("folder").unwrap();
            dir.symlink_contents("/nowhere", "link").unwrap();
            for taken in ["file", "folder", "link"] {
                assert_eq!(rename(&dir, "draft", taken).unwrap(), Outcome::Taken, "{taken}");
            }
            assert_eq!(dir.read("file").unwrap(), b"old");
            assert_eq!(rename(&dir, "draft", "free").unwrap(), Outcome::Done);
            assert_eq!(dir.read("free").unwrap(), b"new");
            assert!(!dir.try_exists("draft").unwrap());
            assert_eq!(rename(&dir, "gone", "free2").unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }
}
