//! The program's own files beside the user's (settings, known servers, calibration, reports): replaced atomically, and
//! locked between processes.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

/// Time to wait for a lock that another process holds, before that is an error.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// Time between two attempts to take a lock.
const RETRY: Duration = Duration::from_millis(10);

/// Permissions of a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Only the user may read and write it (0600). Missing parent folders are created (0700).
    Private,
    /// Like any other new file of the user (umask). The parent folder must exist.
    Usual,
}

/// Atomically replaces the file at `path`, or creates it, and syncs it to disk.
///
/// If `path` is a symbolic link, a private file replaces the link's target, because the user may keep settings under
/// version control. A file of usual access replaces the link itself: in a folder that others can write to, a link may be
/// planted between a check and this call.
///
/// # Errors
/// The old file is unchanged, and no temporary file is left.
pub(crate) fn replace(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let path = match access {
        Access::Private => fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()),
        Access::Usual => path.to_owned(),
    };
    // Renaming over a device node or a socket would delete it.
    if fs::symlink_metadata(&path).is_ok_and(|old| !old.is_file() && !old.is_symlink()) {
        return Err(io::Error::other("not a regular file"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    if access == Access::Private {
        create_private_folder(folder)?;
        options.mode(0o600);
    }
    let temporary = temporary_name(folder)?;
    let mut file = options.open(&temporary)?;
    let done =
        file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&temporary, &path));
    if done.is_err() {
        // Its content is incomplete. The error to report is the one above.
        let _ = fs::remove_file(&temporary);
    }
    done?;
    // The file is in place. If this fails, the file system decides whether the new name survives a power cut.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Checks that a file can be created in `folder`, by creating a temporary one and removing it.
///
/// # Errors
/// It cannot.
pub(crate) fn check_writable(folder: &Path) -> io::Result<()> {
    let temporary = temporary_name(folder)?;
    OpenOptions::new().write(true).create_new(true).open(&temporary)?;
    fs::remove_file(temporary)
}

fn temporary_name(folder: &Path) -> io::Result<PathBuf> {
    let number = getrandom::u64().map_err(io::Error::other)?;
    Ok(folder.join(format!(".upseal-{number:016x}.part")))
}

/// Kind of an advisory lock between processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockKind {
    /// Held by one process.
    Exclusive,
    /// Held by any number of processes, none of which holds it exclusively.
    Shared,
}

/// Result of [`lock`].
#[derive(Debug)]
pub(crate) enum Lock {
    /// Held until the file is dropped. The kernel releases it when the process dies.
    Held(File),
    /// Another process holds it.
    Busy,
    /// The file system has no locks.
    Unsupported,
}

impl Lock {
    /// Returns the held lock, or `None` where the file system has no locks.
    ///
    /// # Errors
    /// Another process holds it ([`io::ErrorKind::TimedOut`]).
    pub(crate) fn held(self) -> io::Result<Option<File>> {
        match self {
            Self::Held(file) => Ok(Some(file)),
            Self::Unsupported => Ok(None),
            Self::Busy => Err(io::Error::new(io::ErrorKind::TimedOut, "it is locked by another process")),
        }
    }
}

/// Takes a lock on the file whose name is `path` followed by `suffix`, waiting for at most `timeout`.
///
/// The file is created (0600) if it is missing, and stays. It is another file than `path` because a file that is
/// replaced by a rename cannot be locked itself.
///
/// # Errors
/// The lock's file cannot be opened or locked.
pub(crate) fn lock(path: &Path, suffix: &str, kind: LockKind, timeout: Duration) -> io::Result<Lock> {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    let name = PathBuf::from(name);
    if let Some(folder) = name.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        create_private_folder(folder)?;
    }
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&name)?;
    let deadline = Instant::now() + timeout;
    loop {
        let locked = match kind {
            LockKind::Exclusive => file.try_lock(),
            LockKind::Shared => file.try_lock_shared(),
        };
        match locked {
            Ok(()) => return Ok(Lock::Held(file)),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(RETRY),
            Err(TryLockError::WouldBlock) => return Ok(Lock::Busy),
            Err(TryLockError::Error(error)) => match Errno::from_io_error(&error) {
                Some(Errno::NOTSUP | Errno::NOLCK | Errno::NOSYS) => return Ok(Lock::Unsupported),
                Some(Errno::INTR) => {}
                _ => return Err(error),
            },
        }
    }
}

fn create_private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_private_file_is_replaced_whole() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("new/folder/file");
        replace(&path, b"one", Access::Private).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        replace(&path, b"two", Access::Private).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
        let other = temp.path().join("other");
        fs::write(temp.path().join("any"), b"").unwrap();
        replace(&other, b"", Access::Usual).unwrap();
        assert_eq!(mode(&other), mode(&temp.path().join("any")));
    }

    #[test]
    fn a_private_file_replaces_the_target_of_a_link() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("there")).unwrap();
        fs::write(temp.path().join("there/file"), b"one").unwrap();
        let link = temp.path().join("link");
        symlink("there/file", &link).unwrap();
        replace(&link, b"two", Access::Private).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(temp.path().join("there/file")).unwrap(), b"two");
    }

    #[test]
    fn a_file_of_usual_access_replaces_the_link_itself() {
        let temp = tempfile::tempdir().unwrap();
        let precious = temp.path().join("precious");
        fs::write(&precious, b"one").unwrap();
        for target in ["precious", "not there"] {
            let link = temp.path().join("link");
            let _ = fs::remove_file(&link);
            symlink(target, &link).unwrap();
            replace(&link, b"two", Access::Usual).unwrap();
            assert!(!link.is_symlink());
            assert_eq!(fs::read(&link).unwrap(), b"two");
        }
        assert_eq!(fs::read(&precious).unwrap(), b"one");
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 2, "no temporary file is left");
    }

    #[test]
    fn a_file_that_cannot_be_replaced_is_unchanged() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("a folder");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("in it"), b"").unwrap();
        assert!(replace(&folder, b"", Access::Private).is_err());
        assert!(folder.join("in it").exists());
        let socket = temp.path().join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(replace(&socket, b"", Access::Private).unwrap_err().to_string(), "not a regular file");
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 2, "no temporary file is left");
        assert!(replace(&temp.path().join("missing/file"), b"", Access::Usual).is_err());
    }

    #[test]
    fn checking_a_folder_leaves_it_unchanged() {
        let temp = tempfile::tempdir().unwrap();
        check_writable(temp.path()).unwrap();
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
        // Not even root can create a file there.
        assert!(check_writable(Path::new("/proc")).is_err());
        assert!(check_writable(&temp.path().join("missing")).is_err());
    }

    #[test]
    fn a_lock_keeps_others_out_until_it_is_dropped() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("new/file");
        let try_it = |kind| lock(&path, "-lock", kind, Duration::ZERO).unwrap();
        let held = try_it(LockKind::Exclusive);
        assert!(matches!(held, Lock::Held(_)));
        assert_eq!(mode(&temp.path().join("new/file-lock")), 0o600);
        assert!(matches!(try_it(LockKind::Shared), Lock::Busy));
        drop(held);
        let shared = (try_it(LockKind::Shared), try_it(LockKind::Shared));
        assert!(matches!(shared, (Lock::Held(_), Lock::Held(_))));
        assert!(matches!(try_it(LockKind::Exclusive), Lock::Busy));
        drop(shared);
        assert!(matches!(try_it(LockKind::Exclusive), Lock::Held(_)));
        assert!(matches!(try_it(LockKind::Exclusive).held(), Ok(Some(_))));
        let _held = try_it(LockKind::Exclusive);
        assert_eq!(try_it(LockKind::Shared).held().unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(lock(Path::new("/dev/null/x"), "", LockKind::Exclusive, Duration::ZERO).is_err());
    }

    #[test]
    fn a_waiting_process_gets_the_lock_when_it_is_released() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        let held = lock(&path, "-lock", LockKind::Exclusive, Duration::ZERO).unwrap();
        thread::scope(|scope| {
            let waiting =
                scope.spawn(|| lock(&path, "-lock", LockKind::Exclusive, Duration::from_secs(600)).unwrap());
            thread::sleep(2 * RETRY);
            assert!(!waiting.is_finished());
            drop(held);
            assert!(matches!(waiting.join().unwrap(), Lock::Held(_)));
        });
    }
}
