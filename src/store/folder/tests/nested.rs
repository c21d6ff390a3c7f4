//! Files with paths: stored inside the store only, whatever their names and whatever was planted there.

use std::os::unix::fs::symlink;

use super::*;
use crate::store::folder::durable::steps::Step;
use crate::store::{Meta, Ticket};

fn path(text: &str) -> FileName {
    FileName::from_path(text.as_bytes()).unwrap()
}

/// Stores a file under a path, and returns the name on disk.
fn put(folder: &Folder, at: &str, content: &[u8]) -> Stored {
    let want = Incoming { name: path(at), size: None };
    let mut pending = folder.begin(&want).unwrap();
    pending.write(content).unwrap();
    pending.commit(Some(Digest::of(content))).wait().unwrap()
}

#[test]
fn a_path_is_kept_and_its_folders_are_made() {
    let temp = tempfile::tempdir().unwrap();
    let folder = Folder::open(temp.path()).unwrap();
    for (at, stored, kept) in [
        ("a/b/c.txt", "a/b/c.txt", Kept::New),
        ("a/b/c.txt", "a/b/c.txt", Kept::Same),
        ("a/c.txt", "a/c.txt", Kept::New),
        ("a/b/d.txt", "a/b/d.txt", Kept::New),
    ] {
        assert_eq!(put(&folder, at, b"one"), Stored { name: path(stored), kept });
        assert_eq!(fs::read(temp.path().join(stored)).unwrap(), b"one");
    }
    assert_eq!(
        put(&folder, "a/b/c.txt", b"two"),
        Stored { name: path("a/b/c (2).txt"), kept: Kept::Renamed }
    );
    assert_eq!(fs::read(temp.path().join("a/b/c.txt")).unwrap(), b"one");
}

#[test]
fn folders_are_on_disk_before_their_files_are_reported() {
    let temp = tempfile::tempdir().unwrap();
    let folder = Folder::open(temp.path()).unwrap();
    folder.root().steps.drain();
    let want = Incoming { name: path("a/b/c.txt"), size: None };
    let mut pending = folder.begin(&want).unwrap();
    assert_eq!(folder.root().steps.drain(), [Step::Names, Step::Names], "the parents of a and of b");
    pending.write(b"one").unwrap();
    let _ = pending.commit(None).wait().unwrap();
    let steps = folder.root().steps.drain();
    assert!(
        matches!(&steps[..], [Step::Bytes(_), Step::Named(_, name), Step::Names] if name == "a/b/c.txt"),
        "{steps:?}"
    );
    // A folder whose parent cannot be synced stores nothing.
    folder.root().steps.fail(|step, _| *step == Step::Names);
    assert!(folder.begin(&Incoming { name: path("x/y"), size: None }).is_err());
}

#[test]
fn planted_links_and_files_in_the_place_of_folders_are_not_followed() {
    let temp = tempfile::tempdir().unwrap();
    let (store, outside) = (temp.path().join("store"), temp.path().join("outside"));
    fs::create_dir_all(outside.join("b")).unwrap();
    let folder = Folder::open(&store).unwrap();
    let at = |name: &str| store.join(name);
    // At each component: the first, the second, the file itself.
    symlink(&outside, at("first")).unwrap();
    fs::create_dir(at("real")).unwrap();
    symlink(&outside, at("real/second")).unwrap();
    symlink(outside.join("target"), at("real/file")).unwrap();
    symlink("..", at("real/up")).unwrap();
    symlink("nowhere", at("real/dangling")).unwrap();
    fs::write(at("plain"), "a file").unwrap();
    for (want, stored) in [
        ("first/b/x", "first (2)/b/x"),
        ("first/x", "first (2)/x"),
        ("real/second/x", "real/second (2)/x"),
        ("real/file", "real/file (2)"),
        ("real/up/x", "real/up (2)/x"),
        ("real/dangling/x", "real/dangling (2)/x"),
        ("plain/x", "plain (2)/x"),
        ("real/file/x", "real/file (3)/x"),
    ] {
        let got = put(&folder, want, want.as_bytes());
        assert_eq!(got.name, path(stored), "{want}");
        assert!(path(want).may_become(stored), "a receipt may say so: {stored}");
        assert_eq!(fs::read(at(stored)).unwrap(), want.as_bytes());
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "nothing was stored outside");
    assert_eq!(fs::read_dir(outside.join("b")).unwrap().count(), 0);
    assert_eq!(fs::read(at("plain")).unwrap(), b"a file");
}

#[test]
fn a_folder_that_is_replaced_by_a_link_is_not_used_any_more() {
    let temp = tempfile::tempdir().unwrap();
    let (store, outside) = (temp.path().join("store"), temp.path().join("outside"));
    fs::create_dir(&outside).unwrap();
    let folder = Folder::open(&store).unwrap();
    put(&folder, "a/one", b"1");
    fs::rename(store.join("a"), outside.join("moved")).unwrap();
    symlink(outside.join("moved"), store.join("a")).unwrap();
    assert_eq!(put(&folder, "a/two", b"2").name, path("a (2)/two"));
    assert!(!outside.join("moved/two").exists());
    fs::remove_file(store.join("a")).unwrap();
    assert_eq!(put(&folder, "a/three", b"3").name, path("a/three"));
    assert!(!outside.join("moved/three").exists());
}

#[test]
fn a_file_that_is_given_up_leaves_no_folders_and_takes_none_that_are_used() {
    let temp = tempfile::tempdir().unwrap();
    let folder = Folder::open(temp.path()).unwrap();
    let begin = |at: &str| folder.begin(&Incoming { name: path(at), size: None }).unwrap();
    begin("a/b/c.txt").abort();
    assert!(!temp.path().join("a").exists());
    // Another file is on its way into the same folder, or into its parent.
    let (first, second, parent) = (begin("a/b/1"), begin("a/b/2"), begin("a/3"));
    drop(first);
    assert!(temp.path().join("a/b").exists());
    drop(second);
    assert!(!temp.path().join("a/b").exists() && temp.path().join("a").exists());
    assert_eq!(parent.commit(None).wait().unwrap().name, path("a/3"));
    begin("a/b/4").abort();
    assert!(temp.path().join("a/3").exists() && !temp.path().join("a/b").exists());
    // The operator's own folder stays, although it is empty.
    fs::create_dir(temp.path().join("mine")).unwrap();
    begin("mine/x/5").abort();
    assert_eq!(fs::read_dir(temp.path().join("mine")).unwrap().count(), 0);
}

#[test]
fn more_folders_than_stay_open_are_stored_and_found_again() {
    let temp = tempfile::tempdir().unwrap();
    let folder = Folder::open(temp.path()).unwrap();
    let store = |n: usize| put(&folder, &format!("d{n}/x"), n.to_string().as_bytes()).kept;
    assert!((0..150).all(|n| store(n) == Kept::New));
    assert!((0..150).all(|n| store(n) == Kept::Same));
    assert!(folder.root().nested.lock().open.len() <= 151);
}

#[test]
fn files_of_several_folders_are_synced_in_one_group() {
    let temp = tempfile::tempdir().unwrap();
    let folder = Folder::open(temp.path()).unwrap();
    let tickets: Vec<Ticket> = (0..10)
        .map(|n| {
            let name = path(&format!("d{}/{n}", n % 2));
            folder.begin(&Incoming { name, size: None }).unwrap().commit(None)
        })
        .collect();
    folder.root().steps.drain();
    for ticket in tickets {
        let _ = ticket.wait().unwrap();
    }
    let steps = folder.root().steps.drain();
    let count = |wanted: fn(&Step) -> bool| steps.iter().filter(|step| wanted(step)).count();
    assert_eq!(count(|step| matches!(step, Step::Named(..))), 10);
    assert_eq!(count(|step| *step == Step::Names), 2, "each folder once: {steps:?}");
    #[cfg(target_os = "linux")]
    assert_eq!((count(|step| *step == Step::Everything), &steps[0]), (1, &Step::Everything));
}

#[test]
fn a_continued_file_replaces_its_beginning_in_its_folder() {
    let temp = tempfile::tempdir().unwrap();
    let folder = Folder::open(temp.path()).unwrap();
    let stored = put(&folder, "a/x", b"begin");
    let of = Published { want: path("a/x"), stored, size: 5, digest: Some(Digest::of(b"begin")) };
    let mut more = folder.amend(&of).unwrap();
    more.write(b"ning").unwrap();
    let done = more.commit(Some(Digest::of(b"beginning"))).wait().unwrap();
    assert_eq!(done, Stored { name: path("a/x"), kept: Kept::Amended });
    assert_eq!(fs::read(temp.path().join("a/x")).unwrap(), b"beginning");
}

#[test]
fn a_store_that_refuses_copies_takes_the_same_file_again_and_no_other_of_its_name() {
    for (_temp, folder) in inboxes() {
        let folder = folder.with_existing(Existing::Refuse);
        assert_eq!(try_put(&folder, "a", b"one").unwrap().kept, Kept::New);
        assert_eq!(try_put(&folder, "a", b"one").unwrap().kept, Kept::Same);
        let refused = |result| matches!(result, Err(StoreError::Exists { .. }));
        assert!(refused(try_put(&folder, "a", b"two")) && refused(try_put(&folder, "a", b"other size")));
        let mut unhashed = begin(&folder, "a");
        unhashed.write(b"one").unwrap();
        assert!(refused(unhashed.commit(None).wait()));
        assert_eq!(names(&folder.path()).len(), 1);
        assert_eq!(put(&folder, "d/a", b"1").kept, Kept::New);
        let mut other = folder.begin(&Incoming { name: path("d/a"), size: None }).unwrap();
        other.write(b"2").unwrap();
        assert!(refused(other.commit(Some(Digest::of(b"2"))).wait()), "in a folder too");
        // A file that another program has put there, which must be read first.
        fs::write(folder.path().join("b"), "mine").unwrap();
        assert_eq!(try_put(&folder, "b", b"mine").unwrap().kept, Kept::Same);
        assert!(refused(try_put(&folder, "b", b"your")));
    }
}

#[test]
fn what_a_client_states_changes_the_time_and_the_executable_bit_and_nothing_else() {
    use std::time::{Duration, SystemTime};
    for (_temp, folder) in inboxes() {
        let store = |name: &str, modified, executable| {
            let mut pending = begin(&folder, name);
            pending.describe(Meta { modified: Some(modified), executable });
            let _ = pending.commit(None).wait().unwrap();
            let metadata = fs::metadata(folder.path().join(name)).unwrap();
            (metadata.modified().unwrap(), metadata.permissions().mode() & 0o7777)
        };
        let usual = folder.root().mode;
        let at = |seconds, nanoseconds| SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        assert_eq!(store("a", (1_000_000_000, 5_000_000), false), (at(1_000_000_000, 5_000_000), usual));
        assert_eq!(store("b", (0, 0), true), (at(0, 0), usual | ((usual & 0o444) >> 2)));
        assert_eq!(store("before 1970", (-5, 7), false).0, at(0, 7));
        let now = SystemTime::now();
        for (name, far) in [("future", 99_999_999_999), ("farther", i64::MAX)] {
            let (time, _) = store(name, (far, u32::MAX), false);
            assert!(time >= now && time <= SystemTime::now(), "{name}");
        }
    }
}
