//! Removal of the unfinished files that a crash left, by the process that alone has the folder open.
//!
//! A folder with many files is swept in the background after the first of them, so that opening it takes no longer the more
//! files it has. Drafts that are created meanwhile, here and by other processes, are newer than the folder is open.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cap_std::fs::{Dir, MetadataExt as _, ReadDir};

use super::{SHARED, UNFINISHED_PREFIX, UNFINISHED_SUFFIX, create_unfinished};

/// Entries of a folder that are looked at before it is open.
const AT_ONCE: usize = if cfg!(test) { 100 } else { 10_000 };

/// Whether a folder is being swept in the background. If there are several, the others are swept when they are opened
/// again.
static IS_SWEEPING: AtomicBool = AtomicBool::new(false);

/// Removes unfinished files from a folder that no other process has open.
pub(super) fn run(dir: &Dir) -> io::Result<()> {
    // A process that opens the folder while this one has it open creates it again.
    let _ = dir.remove_file(SHARED);
    let mut entries = dir.entries()?;
    if some(dir, &mut entries, AT_ONCE, None)? {
        return Ok(());
    }
    let dir = dir.try_clone()?;
    let now = now(&dir)?;
    if IS_SWEEPING.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    let rest = thread::Builder::new().name("upseal-sweep".to_owned()).spawn(move || {
        // What stays does no harm, and is removed by the next start.
        let _ = some(&dir, &mut entries, usize::MAX, Some(now));
        IS_SWEEPING.store(false, Ordering::SeqCst);
    });
    if rest.is_err() {
        IS_SWEEPING.store(false, Ordering::SeqCst);
    }
    rest.map(drop)
}

/// Returns the time by the clock of the folder's file system, as seconds and nanoseconds.
fn now(dir: &Dir) -> io::Result<(i64, i64)> {
    let (name, file) = create_unfinished(dir, 0o600)?;
    let created = file.metadata();
    dir.remove_file(name)?;
    let created = created?;
    Ok((created.ctime(), created.ctime_nsec()))
}

/// Removes the unfinished ones among the next `most` entries, if they are older than `before`. Returns whether no more
/// follow.
fn some(dir: &Dir, entries: &mut ReadDir, most: usize, before: Option<(i64, i64)>) -> io::Result<bool> {
    for _ in 0..most {
        let Some(entry) = entries.next() else { return Ok(true) };
        let name = entry?.file_name();
        let is_unfinished = name
            .to_str()
            .is_some_and(|name| name.starts_with(UNFINISHED_PREFIX) && name.ends_with(UNFINISHED_SUFFIX));
        let is_old = || match before {
            None => true,
            Some(before) => {
                dir.symlink_metadata(&name).is_ok_and(|there| (there.ctime(), there.ctime_nsec()) < before)
            }
        };
        if is_unfinished && is_old() {
            // A file that cannot be removed (not ours, or a folder) does no harm.
            let _ = dir.remove_file(&name);
        }
    }
    Ok(false)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::store::folder::open_dir;

    #[test]
    fn the_rest_of_a_large_folder_is_swept_in_the_background_and_no_newer_draft() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = |n: usize| folder.path().join(format!(".upseal-{n:032x}.part"));
        for n in 0..5 * AT_ONCE {
            fs::write(folder.path().join(n.to_string()), "").unwrap();
            fs::write(unfinished(n), "").unwrap();
        }
        fs::write(folder.path().join(SHARED), "").unwrap();
        // The clock of the file system moves on.
        thread::sleep(Duration::from_millis(20));
        let dir = open_dir(folder.path()).unwrap();
        let mut entries = dir.entries().unwrap();
        assert!(!some(&dir, &mut entries, AT_ONCE, None).unwrap());
        let before = now(&dir).unwrap();
        let newer = unfinished(usize::MAX);
        fs::write(&newer, "").unwrap();
        assert!(some(&dir, &mut entries, usize::MAX, Some(before)).unwrap());
        assert!(newer.exists());
        let files = || fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files(), 5 * AT_ONCE + 1, "all files and the newer draft");
    }

    #[test]
    fn a_large_folder_has_no_unfinished_files_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..3 * AT_ONCE {
            fs::write(folder.path().join(n.to_string()), "").unwrap();
            fs::write(folder.path().join(format!(".upseal-{n:032x}.part")), "").unwrap();
        }
        fs::write(folder.path().join(SHARED), "").unwrap();
        thread::sleep(Duration::from_millis(20));
        let deadline = Instant::now() + Duration::from_secs(60);
        while fs::read_dir(folder.path()).unwrap().count() > 3 * AT_ONCE && Instant::now() < deadline {
            // Another test may be sweeping; then this folder is swept when it is opened again.
            run(&open_dir(folder.path()).unwrap()).unwrap();
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3 * AT_ONCE);
    }
}
