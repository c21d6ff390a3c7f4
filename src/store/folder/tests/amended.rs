//! Files that are continued after their publication.

use super::*;

/// Publishes a file as a session does. Returns what is needed to amend it.
pub(super) fn published(folder: &Folder, text: &str, bytes: &[u8]) -> Published {
    let stored = try_put(folder, text, bytes).unwrap();
    Published { want: name(text), stored, size: bytes.len() as u64, digest: Some(Digest::of(bytes)) }
}

pub(super) fn amend(folder: &Folder, of: &Published, more: &[u8], whole: &[u8]) -> (String, Kept) {
    let mut pending = folder.amend(of).unwrap();
    pending.write(more).unwrap();
    let stored = pending.commit(Some(Digest::of(whole))).wait().unwrap();
    (stored.name.as_str().to_owned(), stored.kept)
}

#[test]
fn an_amended_file_takes_the_place_of_its_beginning_in_one_step() {
    for (temp, folder) in inboxes() {
        put(&folder, "a.txt", b"another");
        let of = published(&folder, "a.txt", b"one ");
        assert_eq!(of.stored.name, name("a (2).txt"));
        let mut pending = folder.amend(&of).unwrap();
        pending.write(b"two").unwrap();
        assert_eq!(fs::read(temp.path().join("a (2).txt")).unwrap(), b"one ", "until it is committed");
        pending.commit(Some(Digest::of(b"one two"))).wait().unwrap();
        assert_eq!(names(temp.path()), set(["a.txt", "a (2).txt"]));
        assert_eq!(fs::read(temp.path().join("a (2).txt")).unwrap(), b"one two");
        assert_eq!(fs::read(temp.path().join("a.txt")).unwrap(), b"another");
    }
}

/// A client that sent the same file meanwhile was answered that it is here.
#[test]
fn a_file_that_another_upload_was_answered_by_is_never_replaced() {
    for (temp, folder) in inboxes() {
        // Before the amendment begins, and while it is under way.
        for (first, at) in [("a.txt", "a (2).txt"), ("b.txt", "b (2).txt")] {
            let of = published(&folder, first, b"one ");
            if first == "a.txt" {
                assert_eq!(put(&folder, first, b"one "), (first.into(), Kept::Same));
            }
            let mut pending = folder.amend(&of).unwrap();
            pending.write(b"two").unwrap();
            if first == "b.txt" {
                assert_eq!(put(&folder, first, b"one "), (first.into(), Kept::Same));
            }
            let stored = pending.commit(Some(Digest::of(b"one two"))).wait().unwrap();
            assert_eq!(stored, Stored { name: name(at), kept: Kept::Renamed });
            assert_eq!(fs::read(temp.path().join(first)).unwrap(), b"one ");
            assert_eq!(fs::read(temp.path().join(at)).unwrap(), b"one two");
        }
    }
}

#[test]
fn an_amendment_to_a_known_file_removes_nothing_that_another_client_relies_on() {
    for (temp, folder) in inboxes() {
        put(&folder, "a.txt", b"one two");
        let of = published(&folder, "a.txt", b"one ");
        assert_eq!(put(&folder, "a.txt", b"one "), ("a (2).txt".into(), Kept::Same));
        assert_eq!(amend(&folder, &of, b"two", b"one two"), ("a.txt".into(), Kept::Same));
        assert_eq!(fs::read(temp.path().join("a (2).txt")).unwrap(), b"one ");
    }
}

/// The memory is bounded, and a flood of names must not make it forget who relies on a file.
#[test]
fn a_file_that_the_store_no_longer_remembers_is_never_replaced() {
    for (temp, folder) in inboxes() {
        let of = published(&folder, "a.txt", b"one ");
        folder.root().names().forget(&name("a.txt"));
        assert_eq!(put(&folder, "a.txt", b"one "), ("a.txt".into(), Kept::Same));
        folder.root().names().forget(&name("a.txt"));
        put(&folder, "a.txt", b"else");
        assert_eq!(amend(&folder, &of, b"two", b"one two"), ("a (3).txt".into(), Kept::Renamed));
        assert_eq!(fs::read(temp.path().join("a.txt")).unwrap(), b"one ");
    }
}

#[test]
fn a_file_that_another_process_may_rely_on_is_never_replaced() {
    for (temp, folder) in inboxes() {
        let of = published(&folder, "a.txt", b"one ");
        let another = Folder::open(temp.path()).unwrap();
        assert_eq!(put(&another, "a.txt", b"one "), ("a.txt".into(), Kept::Same));
        // It may have ended since.
        drop(another);
        assert_eq!(amend(&folder, &of, b"two", b"one two"), ("a (2).txt".into(), Kept::Renamed));
        assert_eq!(fs::read(temp.path().join("a.txt")).unwrap(), b"one ");
        // A process that has the folder alone again may replace files.
        drop(folder);
        let folder = Folder::open(temp.path()).unwrap();
        let of = published(&folder, "b.txt", b"one ");
        assert_eq!(amend(&folder, &of, b"two", b"one two"), ("b.txt".into(), Kept::Amended));
    }
}

#[test]
fn an_aborted_amendment_changes_nothing() {
    for (temp, folder) in inboxes() {
        let of = published(&folder, "a.txt", b"one ");
        let mut pending = folder.amend(&of).unwrap();
        pending.write(b"two").unwrap();
        pending.abort();
        assert_eq!(names(temp.path()), set(["a.txt"]));
        assert_eq!(fs::read(temp.path().join("a.txt")).unwrap(), b"one ");
    }
}

#[test]
fn a_file_that_was_here_already_is_not_amended_but_continued_beside_it() {
    for (temp, folder) in inboxes() {
        put(&folder, "a.txt", b"one ");
        let of = published(&folder, "a.txt", b"one ");
        assert_eq!(of.stored.kept, Kept::Same);
        assert_eq!(amend(&folder, &of, b"two", b"one two"), ("a (2).txt".into(), Kept::Renamed));
        assert_eq!(fs::read(temp.path().join("a.txt")).unwrap(), b"one ");
        assert_eq!(fs::read(temp.path().join("a (2).txt")).unwrap(), b"one two");
    }
}

#[test]
fn a_file_that_another_process_changed_is_neither_copied_nor_replaced() {
    for (temp, folder) in inboxes() {
        let path = temp.path().join("a.txt");
        let of = published(&folder, "a.txt", b"one ");
        // Changed after the copy was made: their file stays, and ours is stored beside it.
        let mut pending = folder.amend(&of).unwrap();
        fs::write(&path, b"own ").unwrap();
        pending.write(b"two").unwrap();
        let stored = pending.commit(Some(Digest::of(b"one two"))).wait().unwrap();
        assert_eq!(stored, Stored { name: name("a (2).txt"), kept: Kept::Renamed });
        assert_eq!(fs::read(&path).unwrap(), b"own ");
        assert_eq!(fs::read(temp.path().join("a (2).txt")).unwrap(), b"one two");
        // Changed before: to the same length, to another, removed, a link to the same bytes.
        let elsewhere = temp.path().join("elsewhere");
        fs::write(&elsewhere, b"one ").unwrap();
        for change in 0..4 {
            match change {
                0 => fs::write(&path, b"more").unwrap(),
                1 => fs::write(&path, b"1").unwrap(),
                2 => fs::remove_file(&path).unwrap(),
                _ => symlink(&elsewhere, &path).unwrap(),
            }
            let error = folder.amend(&of).err().unwrap();
            assert!(matches!(error, StoreError::Changed { .. }), "{error}");
        }
    }
}

#[test]
fn an_amended_file_that_is_here_already_is_kept_once() {
    for (temp, folder) in inboxes() {
        put(&folder, "a.txt", b"one two");
        let of = published(&folder, "a.txt", b"one ");
        assert_eq!(names(temp.path()), set(["a.txt", "a (2).txt"]));
        assert_eq!(amend(&folder, &of, b"two", b"one two"), ("a.txt".into(), Kept::Same));
        assert_eq!(names(temp.path()), set(["a.txt"]));
    }
}
