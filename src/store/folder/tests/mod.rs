#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
#[cfg(target_os = "linux")]
use std::os::fd::AsFd as _;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::Barrier;
use std::thread;

use tempfile::TempDir;

use super::*;
use crate::digest::Digest;
use crate::event::Kept;
use crate::store::Stored;

mod amended;
mod durable;
mod faults;
mod group;
mod namesakes;
mod nested;

/// Returns empty folders: one whose unfinished files have no names, where the file system supports that, and one whose
/// unfinished files have temporary names.
fn inboxes() -> impl Iterator<Item = (TempDir, Folder)> {
    [false, true].into_iter().map(|named| {
        let temp = tempfile::tempdir().unwrap();
        let folder = open(temp.path(), Durability::default(), named);
        (temp, folder)
    })
}

fn open(path: &Path, durability: Durability, named: bool) -> Folder {
    let mut folder = Folder::open_with(path, durability).unwrap();
    if named {
        Arc::get_mut(folder.root.get_mut()).unwrap().unnamed = None;
    }
    folder
}

/// Returns the names of files that are not published yet. Files without a name are not visible.
fn unfinished(folder: &Folder) -> BTreeSet<String> {
    let mut names = names(&folder.path());
    names.retain(|name| name.starts_with(UNFINISHED_PREFIX));
    names
}

fn name(text: &str) -> FileName {
    FileName::from_wire(text.as_bytes()).unwrap()
}

fn begin(folder: &Folder, text: &str) -> Box<dyn Pending> {
    folder.begin(&Incoming { name: name(text), size: None }).unwrap()
}

fn try_put(folder: &Folder, text: &str, bytes: &[u8]) -> Result<Stored, StoreError> {
    let mut pending = begin(folder, text);
    pending.write(bytes).unwrap();
    pending.commit(Some(Digest::of(bytes))).wait()
}

fn put(folder: &Folder, text: &str, bytes: &[u8]) -> (String, Kept) {
    let stored = try_put(folder, text, bytes).unwrap();
    (stored.name.as_str().to_owned(), stored.kept)
}

/// Returns every name in the folder, including unfinished files.
fn names(path: &Path) -> BTreeSet<String> {
    fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(String::from).into()
}

#[test]
fn publishes_what_was_written_and_nothing_else() {
    for (temp, folder) in inboxes() {
        let mut pending = begin(&folder, "a.txt");
        pending.write(b"one ").unwrap();
        pending.write(b"").unwrap();
        pending.write(b"two").unwrap();
        let unfinished = names(temp.path());
        assert_eq!(unfinished.len(), usize::from(folder.root().unnamed.is_none()));
        let random = |n: &String| n.strip_prefix(".upseal-")?.strip_suffix(".part").map(str::len);
        assert!(unfinished.iter().all(|n| random(n) == Some(32)), "{unfinished:?}");
        let stored = pending.commit(Some(Digest::of(b"one two"))).wait().unwrap();
        assert_eq!(stored, Stored { name: name("a.txt"), kept: Kept::New });
        assert_eq!(names(temp.path()), set(["a.txt"]));
        assert_eq!(fs::read(temp.path().join("a.txt")).unwrap(), b"one two");
    }
}

#[test]
fn publishes_an_empty_file() {
    for (temp, folder) in inboxes() {
        assert_eq!(put(&folder, "empty", b""), ("empty".into(), Kept::New));
        assert_eq!(put(&folder, "empty", b""), ("empty".into(), Kept::Same));
        assert_eq!(fs::read(temp.path().join("empty")).unwrap(), b"");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn bytes_spliced_from_a_pipe_count_as_written() {
    for (temp, folder) in inboxes() {
        let mut pending = begin(&folder, "a.txt");
        pending.write(b"one ").unwrap();
        let (out, into) = rustix::pipe::pipe().unwrap();
        assert_eq!(rustix::io::write(into, b"two rest").unwrap(), 8);
        pending.write_from(out.as_fd(), 4).unwrap();
        pending.write(b"three").unwrap();
        pending.commit(None).wait().unwrap();
        assert_eq!(fs::read(temp.path().join("a.txt")).unwrap(), b"one two three");
    }
}

#[test]
fn the_same_file_is_not_stored_again() {
    for (temp, folder) in inboxes() {
        assert_eq!(put(&folder, "a.txt", b"one"), ("a.txt".into(), Kept::New));
        assert_eq!(put(&folder, "a.txt", b"two"), ("a (2).txt".into(), Kept::Renamed));
        assert_eq!(put(&folder, "a.txt", b"thr"), ("a (3).txt".into(), Kept::Renamed));
        assert_eq!(put(&folder, "a.txt", b"one"), ("a.txt".into(), Kept::Same));
        assert_eq!(put(&folder, "a.txt", b"two"), ("a (2).txt".into(), Kept::Same));
        assert_eq!(put(&folder, "a.txt", b"thr"), ("a (3).txt".into(), Kept::Same));
        assert_eq!(put(&folder, "a.txt", b"longer"), ("a (4).txt".into(), Kept::Renamed));
        assert_eq!(names(temp.path()), set(["a.txt", "a (2).txt", "a (3).txt", "a (4).txt"]));
        assert_eq!(fs::read(temp.path().join("a.txt")).unwrap(), b"one");
        assert_eq!(fs::read(temp.path().join("a (2).txt")).unwrap(), b"two");
    }
}

#[test]
fn the_same_bytes_under_another_name_are_another_file() {
    for (temp, folder) in inboxes() {
        put(&folder, "a.txt", b"one");
        assert_eq!(put(&folder, "b.txt", b"one"), ("b.txt".into(), Kept::New));
        assert_eq!(names(temp.path()), set(["a.txt", "b.txt"]));
    }
}

#[test]
fn a_file_that_others_put_there_is_compared_by_its_bytes() {
    for (temp, folder) in inboxes() {
        fs::write(temp.path().join("a.txt"), b"one").unwrap();
        assert_eq!(put(&folder, "a.txt", b"one"), ("a.txt".into(), Kept::Same));
        assert_eq!(put(&folder, "a.txt", b"two"), ("a (2).txt".into(), Kept::Renamed));
        // Changed after it was stored: what the store remembers of it is outdated.
        fs::write(temp.path().join("a (2).txt"), b"two and more").unwrap();
        assert_eq!(put(&folder, "a.txt", b"two"), ("a (3).txt".into(), Kept::Renamed));
        assert_eq!(put(&folder, "a.txt", b"two and more"), ("a (2).txt".into(), Kept::Same));
    }
}

#[test]
fn without_a_digest_no_file_is_recognised() {
    for (temp, folder) in inboxes() {
        for (stored_as, kept) in
            [("a.txt", Kept::New), ("a (2).txt", Kept::Renamed), ("a (3).txt", Kept::Renamed)]
        {
            let mut pending = begin(&folder, "a.txt");
            pending.write(b"one").unwrap();
            let stored = pending.commit(None).wait().unwrap();
            assert_eq!(stored, Stored { name: name(stored_as), kept });
        }
        assert_eq!(names(temp.path()).len(), 3);
    }
}

#[test]
fn a_dropped_or_aborted_file_leaves_nothing() {
    for (temp, folder) in inboxes() {
        let mut pending = begin(&folder, "a.txt");
        pending.write(b"half").unwrap();
        drop(pending);
        assert_eq!(names(temp.path()), set([]));
        let mut pending = begin(&folder, "a.txt");
        pending.write(b"half").unwrap();
        pending.abort();
        assert_eq!(names(temp.path()), set([]));
    }
}

#[test]
fn a_link_in_the_place_of_the_name_is_not_followed() {
    for (temp, folder) in inboxes() {
        let outside = tempfile::tempdir().unwrap();
        let victim = outside.path().join("victim");
        fs::write(&victim, b"one").unwrap();
        symlink(&victim, temp.path().join("a.txt")).unwrap();
        symlink(outside.path().join("nowhere"), temp.path().join("b.txt")).unwrap();
        // A link to the same bytes is not the same file.
        assert_eq!(put(&folder, "a.txt", b"one"), ("a (2).txt".into(), Kept::Renamed));
        assert_eq!(put(&folder, "a.txt", b"two"), ("a (3).txt".into(), Kept::Renamed));
        assert_eq!(put(&folder, "b.txt", b"two"), ("b (2).txt".into(), Kept::Renamed));
        assert_eq!(fs::read(&victim).unwrap(), b"one");
        assert_eq!(names(outside.path()), set(["victim"]));
    }
}

#[test]
fn a_special_file_only_occupies_the_name() {
    for (temp, folder) in inboxes() {
        fs::create_dir(temp.path().join("a.txt")).unwrap();
        assert_eq!(put(&folder, "a.txt", b"one"), ("a (2).txt".into(), Kept::Renamed));
        // Opening a pipe without care would block. Its length is that of the file.
        let status = Command::new("mkfifo").arg(temp.path().join("b.txt")).status().unwrap();
        assert!(status.success());
        assert_eq!(put(&folder, "b.txt", b""), ("b (2).txt".into(), Kept::Renamed));
    }
}

#[test]
fn many_files_of_one_name_are_all_kept() {
    const THREADS: u8 = 32;
    for (temp, folder) in inboxes() {
        let start = Barrier::new(THREADS.into());
        let kept: Vec<_> = thread::scope(|scope| {
            let (folder, start) = (&folder, &start);
            let put_one = |n: u8| {
                move || {
                    start.wait();
                    (put(folder, "a.txt", &[n; 100]), n)
                }
            };
            let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(put_one(n))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for ((stored_as, _), n) in &kept {
            assert_eq!(fs::read(temp.path().join(stored_as)).unwrap(), [*n; 100], "{stored_as}");
        }
        assert_eq!(kept.iter().filter(|((_, kept), _)| *kept == Kept::New).count(), 1);
        let numbered = name("a.txt").candidates().take(32).map(|n| n.as_str().to_owned()).collect();
        assert_eq!(names(temp.path()), numbered);
    }
}

#[test]
fn many_copies_of_one_file_end_as_one() {
    const THREADS: usize = 32;
    let temp = tempfile::tempdir().unwrap();
    // Two folders do not take turns with each other, like two processes.
    let folders = [Folder::open(temp.path()).unwrap(), Folder::open(temp.path()).unwrap()];
    fs::write(temp.path().join("a.txt"), b"other").unwrap();
    let start = Barrier::new(THREADS);
    let kept: Vec<_> = thread::scope(|scope| {
        let start = &start;
        let put_one = |folder| {
            move || {
                start.wait();
                put(folder, "a.txt", b"bytes")
            }
        };
        let threads: Vec<_> =
            folders.iter().cycle().take(THREADS).map(|folder| scope.spawn(put_one(folder))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(names(temp.path()), set(["a.txt", "a (2).txt", SHARED]));
    assert!(kept.iter().all(|(stored_as, _)| stored_as == "a (2).txt"));
    assert_eq!(kept.iter().filter(|(_, kept)| *kept == Kept::Renamed).count(), 1);
    assert_eq!(kept.iter().filter(|(_, kept)| *kept == Kept::Same).count(), THREADS - 1);
}

#[test]
fn leftovers_are_removed_only_by_the_only_user_of_the_folder() {
    let temp = tempfile::tempdir().unwrap();
    let leftover = temp.path().join(".upseal-00ff.part");
    for other in ["a.part", ".upseal-notes", ".upsealx.part"] {
        fs::write(temp.path().join(other), b"").unwrap();
    }
    fs::create_dir(temp.path().join(".upseal-folder.part")).unwrap();
    fs::write(&leftover, b"half").unwrap();
    let folder = Folder::open(temp.path()).unwrap();
    assert_eq!(names(temp.path()), set(["a.part", ".upseal-notes", ".upsealx.part", ".upseal-folder.part"]));

    fs::write(&leftover, b"half").unwrap();
    let second = Folder::open(temp.path()).unwrap();
    assert!(leftover.exists(), "the first has the folder open");
    drop(folder);
    let third = Folder::open(temp.path()).unwrap();
    assert!(leftover.exists(), "the second has it open");
    drop((second, third));
    Folder::open(temp.path()).unwrap();
    assert!(!leftover.exists(), "no other folder has it open");
}

#[test]
fn a_draft_outlives_its_folder_and_is_not_swept() {
    for (temp, folder) in inboxes() {
        let mut pending = begin(&folder, "a.txt");
        pending.write(b"one").unwrap();
        drop(folder);
        let _second = Folder::open(temp.path()).unwrap();
        assert_eq!(pending.commit(None).wait().unwrap().kept, Kept::New);
        assert_eq!(names(temp.path()), set(["a.txt", SHARED]));
    }
}

/// `published_files_obey_the_umask` runs this test with another umask.
#[test]
fn published_files_have_the_permissions_of_any_new_file() {
    for (temp, folder) in inboxes() {
        let mode = |name: &str| fs::metadata(temp.path().join(name)).unwrap().permissions().mode() & 0o777;
        let pending = begin(&folder, "a.txt");
        if let Some(unfinished) = names(temp.path()).first() {
            assert_eq!(mode(unfinished), 0o600, "unfinished");
        }
        pending.commit(None).wait().unwrap();
        fs::write(temp.path().join("any"), b"").unwrap();
        assert_eq!(mode("a.txt"), mode("any"));
    }
}

#[test]
fn published_files_obey_the_umask() {
    for umask in ["000", "027"] {
        let child = Command::new("sh")
            .args(["-c", r#"umask "$1" && exec "$0" --exact "$2""#])
            .arg(std::env::current_exe().unwrap())
            .arg(umask)
            .arg("store::folder::tests::published_files_have_the_permissions_of_any_new_file")
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && words.contains("1 passed"), "umask {umask}: {words}");
    }
}

#[test]
fn creates_the_folder_for_its_user_alone() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("parent/inbox");
    let folder = Folder::open(&path).unwrap();
    assert_eq!(folder.path(), path);
    assert_eq!(folder.place(), path.to_str().unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    fs::create_dir(temp.path().join("any")).unwrap();
    let mode = |name: &str| fs::metadata(temp.path().join(name)).unwrap().permissions().mode();
    assert_eq!(mode("parent"), mode("any"));
    drop(folder);
    Folder::open(&path).unwrap();
}

#[test]
fn a_file_in_place_of_the_folder_is_an_error() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("inbox");
    fs::write(&file, b"").unwrap();
    for path in [file.clone(), file.join("deeper"), file.join("much/deeper")] {
        let error = Folder::open(&path).unwrap_err();
        assert!(matches!(error, StoreError::NotAFolder { .. }), "{error}");
        let words = format!("cannot open {}: it, or a part of its path, is not a folder", path.display());
        assert_eq!(error.to_string(), words);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn opening_a_read_only_folder_fails() {
    // Not even root can create files here.
    let error = Folder::open(Path::new("/proc/self")).unwrap_err();
    assert!(error.to_string().starts_with("cannot create a file in /proc/self: "), "{error}");
}

#[test]
fn refuses_at_once_what_cannot_fit() {
    for (temp, folder) in inboxes() {
        let Err(error) = folder.begin(&Incoming { name: name("a.txt"), size: Some(u64::MAX) }) else {
            panic!("16 EiB fit");
        };
        assert!(matches!(error, StoreError::TooLarge { needed: u64::MAX, .. }), "{error}");
        assert_eq!(names(temp.path()), set([]));
        folder.begin(&Incoming { name: name("a.txt"), size: Some(1) }).unwrap();
    }
}

#[test]
fn commits_to_a_folder_that_was_removed_fail() {
    for (temp, folder) in inboxes() {
        let pending = begin(&folder, "a.txt");
        drop(temp);
        let error = pending.commit(None).wait().unwrap_err();
        assert!(matches!(error, StoreError::Failed { doing: Doing::Publish, .. }), "{error}");
        let error = folder.begin(&Incoming { name: name("a.txt"), size: None }).err().unwrap();
        assert!(matches!(error, StoreError::Failed { doing: Doing::Create, .. }), "{error}");
    }
}

/// The same on a disk and in memory, where files without a name can be created in a folder that is gone.
#[test]
fn a_folder_that_was_removed_and_created_again_stores_files() {
    let in_memory = tempfile::tempdir_in("/dev/shm").into_iter().map(|temp| {
        let folder = open(temp.path(), Durability::default(), false);
        (temp, folder)
    });
    for (temp, folder) in inboxes().chain(in_memory) {
        put(&folder, "a.txt", b"one");
        fs::remove_dir_all(temp.path()).unwrap();
        let Err(error) = folder.begin(&Incoming { name: name("a.txt"), size: None }) else {
            panic!("there is no folder")
        };
        assert!(matches!(error, StoreError::Failed { doing: Doing::Create, .. }), "{error}");
        fs::create_dir(temp.path()).unwrap();
        // The identical file is gone.
        assert_eq!(put(&folder, "a.txt", b"one"), ("a.txt".into(), Kept::New));
        assert_eq!(fs::read(temp.path().join("a.txt")).unwrap(), b"one");
        // The new folder has its own lock, so no other process sweeps it.
        let pending = begin(&folder, "b.txt");
        drop(Folder::open(temp.path()).unwrap());
        pending.commit(None).wait().unwrap();
        assert!(names(temp.path()).contains("b.txt"));
    }
}
