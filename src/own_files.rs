//! Files of upseal's own beside the user's (settings, known servers, calibration, reports): replaced whole or not at
//! all, and locked between programs.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

pub use rustix::fs::FlockOperation;
use rustix::fs::flock;
use rustix::io::Errno;

/// How long another program may hold a lock.
pub const PATIENCE: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(10);

/// Whose a file is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// The user alone: 0600, and 0700 for its folder, if that must be made.
    User,
    /// As any new file, in a folder that is there.
    Anybody,
}

/// Puts a new file, whole and on disk, in the place of the old one, if there is one. Of the user's own files, what is a
/// link stays one, to the new file; otherwise the link itself is replaced and never followed.
///
/// # Errors
/// The old file is as it was, and nothing else is left.
pub fn replace(path: &Path, bytes: &[u8], whose: For) -> io::Result<()> {
    let path = match whose {
        // The user's own link, for example to a folder of settings that is under version control.
        For::User => fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()),
        // In a folder where others may write, a link may be planted between a check and this line.
        For::Anybody => path.to_owned(),
    };
    // A device would be gone.
    if fs::symlink_metadata(&path).is_ok_and(|there| !there.is_file() && !there.is_symlink()) {
        return Err(io::Error::other("it is no file"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    if whose == For::User {
        make_folder(folder)?;
        options.mode(0o600);
    }
    let draft = draft_in(folder)?;
    let mut file = options.open(&draft)?;
    let done = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&draft, &path));
    if done.is_err() {
        // What could not be written is of no use; the error that matters is the one above.
        let _ = fs::remove_file(&draft);
    }
    done?;
    // The file is there; whether its name survives a power cut is up to the file system where this fails.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Whether a file can be made in this folder: one is, and is gone again.
///
/// # Errors
/// It cannot.
pub fn try_folder(folder: &Path) -> io::Result<()> {
    let draft = draft_in(folder)?;
    OpenOptions::new().write(true).create_new(true).open(&draft)?;
    fs::remove_file(draft)
}

fn draft_in(folder: &Path) -> io::Result<PathBuf> {
    let number = getrandom::u64().map_err(io::Error::other)?;
    Ok(folder.join(format!(".upseal-{number:016x}.part")))
}

/// What came of asking for a lock.
#[derive(Debug)]
pub enum Locked {
    /// It is held until the file is dropped.
    Held(File),
    /// Another program has it.
    Busy,
    /// There are no locks on this file system.
    Impossible,
}

/// Takes the lock of the file `path` with `suffix` behind its name, which is made (0600) if need be and stays: a file
/// that is replaced cannot be locked itself.
///
/// `how` must not block; it is tried again for as long as `patience`.
///
/// # Errors
/// The lock's file cannot be opened.
pub fn lock(path: &Path, suffix: &str, how: FlockOperation, patience: Duration) -> io::Result<Locked> {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    let name = PathBuf::from(name);
    if let Some(folder) = name.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder)?;
    }
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&name)?;
    let deadline = Instant::now() + patience;
    loop {
        match flock(&file, how) {
            Ok(()) => return Ok(Locked::Held(file)),
            Err(Errno::NOTSUP | Errno::NOLCK | Errno::NOSYS) => return Ok(Locked::Impossible),
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => thread::sleep(AGAIN),
            Err(Errno::WOULDBLOCK) => return Ok(Locked::Busy),
            Err(why) => return Err(why.into()),
        }
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    const EXCLUSIVE: FlockOperation = FlockOperation::NonBlockingLockExclusive;
    const SHARED: FlockOperation = FlockOperation::NonBlockingLockShared;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_whole_and_is_the_users_alone() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("new/folder/file");
        replace(&path, b"one", For::User).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        replace(&path, b"two", For::User).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        let other = temp.path().join("other");
        fs::write(temp.path().join("any"), b"").unwrap();
        replace(&other, b"", For::Anybody).unwrap();
        assert_eq!(mode(&other), mode(&temp.path().join("any")));
    }

    #[test]
    fn a_link_stays_one() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("there")).unwrap();
        fs::write(temp.path().join("there/file"), b"one").unwrap();
        let link = temp.path().join("link");
        symlink("there/file", &link).unwrap();
        replace(&link, b"two", For::User).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(temp.path().join("there/file")).unwrap(), b"two");
    }

    #[test]
    fn a_link_that_was_planted_in_a_public_folder_is_replaced_and_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let precious = temp.path().join("precious");
        fs::write(&precious, b"one").unwrap();
        for target in ["precious", "not there"] {
            let link = temp.path().join("link");
            let _ = fs::remove_file(&link);
            symlink(target, &link).unwrap();
            replace(&link, b"two", For::Anybody).unwrap();
            assert!(!link.is_symlink());
            assert_eq!(fs::read(&link).unwrap(), b"two");
        }
        assert_eq!(fs::read(&precious).unwrap(), b"one");
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 2, "nothing is left beside them");
    }

    #[test]
    fn what_cannot_be_replaced_is_as_it_was() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("a folder");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("in it"), b"").unwrap();
        assert!(replace(&folder, b"", For::User).is_err());
        assert!(folder.join("in it").exists());
        let socket = temp.path().join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(replace(&socket, b"", For::User).unwrap_err().to_string(), "it is no file");
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 2, "nothing is left beside them");
        assert!(replace(&temp.path().join("missing/file"), b"", For::Anybody).is_err());
    }

    #[test]
    fn a_folder_is_tried_and_left_as_it_was() {
        let temp = tempfile::tempdir().unwrap();
        try_folder(temp.path()).unwrap();
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
        // Nobody may make a file there, not even who may do everything.
        assert!(try_folder(Path::new("/proc")).is_err());
        assert!(try_folder(&temp.path().join("missing")).is_err());
    }

    #[test]
    fn a_lock_keeps_others_out_until_it_is_dropped() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("new/file");
        let try_it = |how| lock(&path, "-lock", how, Duration::ZERO).unwrap();
        let held = try_it(EXCLUSIVE);
        assert!(matches!(held, Locked::Held(_)));
        assert_eq!(mode(&temp.path().join("new/file-lock")), 0o600);
        assert!(matches!(try_it(SHARED), Locked::Busy));
        drop(held);
        let shared = (try_it(SHARED), try_it(SHARED));
        assert!(matches!(shared, (Locked::Held(_), Locked::Held(_))));
        assert!(matches!(try_it(EXCLUSIVE), Locked::Busy));
        drop(shared);
        assert!(matches!(try_it(EXCLUSIVE), Locked::Held(_)));
        assert!(lock(Path::new("/dev/null/x"), "", EXCLUSIVE, Duration::ZERO).is_err());
    }

    #[test]
    fn who_waits_gets_it_when_it_is_free() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        let held = lock(&path, "-lock", EXCLUSIVE, Duration::ZERO).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| lock(&path, "-lock", EXCLUSIVE, Duration::from_secs(600)).unwrap());
            thread::sleep(2 * AGAIN);
            assert!(!waiting.is_finished());
            drop(held);
            assert!(matches!(waiting.join().unwrap(), Locked::Held(_)));
        });
    }
}
