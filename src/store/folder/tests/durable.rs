//! The order of syncs: a file is synced before it gets its name, and the name before the file is reported as stored.

use std::os::unix::fs::MetadataExt as _;

use super::super::durable::steps::Step;
use super::amended::{amend, published};
use super::*;
use crate::store::Ticket;

/// Size in bytes of the largest file that joins a group.
const SMALL: usize = 1 << 20;

fn inode(folder: &Folder, text: &str) -> u64 {
    fs::metadata(folder.path().join(text)).unwrap().ino()
}

/// Publishes files of one size together, and returns all steps until the last of them was reported as stored.
fn steps_of(folder: &Folder, count: usize, size: usize) -> Vec<Step> {
    let tickets: Vec<Ticket> = (0..count)
        .map(|n| {
            let mut pending = begin(folder, &n.to_string());
            pending.write(&vec![7; size]).unwrap();
            pending.commit(None)
        })
        .collect();
    assert_eq!(folder.root().steps.drain(), [], "a commit alone promises nothing");
    for ticket in tickets {
        assert_eq!(ticket.wait().unwrap().kept, Kept::New);
    }
    folder.root().steps.drain()
}

/// Returns one step for each file, in the order of the commits.
fn each(folder: &Folder, count: usize, step: impl Fn(u64, String) -> Step) -> Vec<Step> {
    (0..count).map(|n| step(inode(folder, &n.to_string()), n.to_string())).collect()
}

#[test]
fn bytes_are_on_disk_before_the_name_and_the_name_before_the_promise() {
    for named in [false, true] {
        for (count, size, durability) in [
            (1, 0, Durability::Group),
            (1, 3, Durability::Group),
            (1, 3, Durability::File),
            (2, 3, Durability::Group),
            (7, 3, Durability::Group),
            (7, SMALL, Durability::Group),
            (8, 3, Durability::File),
            (40, 3, Durability::File),
        ] {
            let temp = tempfile::tempdir().unwrap();
            let folder = open(temp.path(), durability, named);
            let steps = steps_of(&folder, count, size);
            let bytes = each(&folder, count, |inode, _| Step::Bytes(inode));
            let names = each(&folder, count, Step::Named);
            let expected = [bytes, names, vec![Step::Names]].concat();
            assert_eq!(steps, expected, "{count} files of {size}, {durability:?}, named: {named}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn one_syncfs_syncs_eight_files_and_more() {
    for named in [false, true] {
        for count in [8, 9, 200] {
            let temp = tempfile::tempdir().unwrap();
            let folder = open(temp.path(), Durability::Group, named);
            let steps = steps_of(&folder, count, 3);
            let names = each(&folder, count, Step::Named);
            assert_eq!(steps, [vec![Step::Everything], names, vec![Step::Names]].concat(), "{count} files");
        }
    }
}

#[test]
fn each_large_file_is_synced_alone() {
    for durability in [Durability::Group, Durability::File] {
        for named in [false, true] {
            let temp = tempfile::tempdir().unwrap();
            let folder = open(temp.path(), durability, named);
            let expected = |text: &str| {
                let inode = inode(&folder, text);
                [Step::Bytes(inode), Step::Named(inode, text.to_owned()), Step::Names]
            };
            let steps = steps_of(&folder, 9, SMALL + 1);
            let all: Vec<Step> = (0..9).flat_map(|n| expected(&n.to_string())).collect();
            assert_eq!(steps, all, "{durability:?}");
        }
    }
}

/// A file of 1 MiB joins others, and one more byte makes it stay alone, however it was written.
#[test]
fn a_large_file_does_not_wait_for_others_nor_they_for_it() {
    type Fill = fn(&Folder, usize) -> Box<dyn Pending>;
    let written: Fill = |folder, size| {
        let mut pending = begin(folder, "large");
        pending.write(&vec![7; size / 2]).unwrap();
        pending.write(&vec![7; size - size / 2]).unwrap();
        pending
    };
    let amended: Fill = |folder, size| {
        let of = published(folder, "large", &vec![7; size - 1]);
        let mut pending = folder.amend(&of).unwrap();
        pending.write(&[7]).unwrap();
        pending
    };
    #[cfg(target_os = "linux")]
    let spliced: Fill = |folder, size| {
        let mut pending = begin(folder, "large");
        assert!(pending.splices());
        let (out, into) = rustix::pipe::pipe().unwrap();
        for piece in vec![7; size].chunks(4096) {
            assert_eq!(rustix::io::write(&into, piece).unwrap(), piece.len());
            pending.write_from(out.as_fd(), piece.len()).unwrap();
        }
        pending
    };
    #[cfg(not(target_os = "linux"))]
    let spliced = written;
    for (by, fill) in [("written", written), ("amended", amended), ("spliced", spliced)] {
        for (size, joins) in [(SMALL, true), (SMALL + 1, false)] {
            for (_temp, folder) in inboxes() {
                let large = fill(&folder, size);
                folder.root().steps.drain();
                let small = begin(&folder, "small").commit(None);
                let large = large.commit(None);
                small.wait().unwrap();
                let has_name = |step: &Step| matches!(step, Step::Named(_, name) if name == "large");
                assert_eq!(folder.root().steps.drain().iter().any(has_name), joins, "{by}, {size} bytes");
                assert_eq!(large.wait().unwrap().name, name("large"), "{by}, {size} bytes");
                assert_eq!(fs::read(folder.path().join("large")).unwrap(), vec![7; size], "{by}");
            }
        }
    }
}

#[test]
fn an_amended_file_is_on_disk_before_it_takes_the_name() {
    for (_temp, folder) in inboxes() {
        let of = published(&folder, "a.txt", b"one ");
        folder.root().steps.drain();
        assert_eq!(amend(&folder, &of, b"two", b"one two"), ("a.txt".into(), Kept::Amended));
        let inode = inode(&folder, "a.txt");
        let expected = [Step::Bytes(inode), Step::Named(inode, "a.txt".into()), Step::Names];
        assert_eq!(folder.root().steps.drain(), expected);
    }
}

/// The process that stored it may not have synced it yet.
#[test]
fn an_existing_file_and_its_name_are_synced() {
    for (temp, folder) in inboxes() {
        fs::write(temp.path().join("a.txt"), b"one").unwrap();
        assert_eq!(put(&folder, "a.txt", b"one"), ("a.txt".into(), Kept::Same));
        let steps = folder.root().steps.drain();
        assert_eq!(steps.first(), Some(&Step::Bytes(inode(&folder, "a.txt"))), "{steps:?}");
        assert_eq!(steps.last(), Some(&Step::Names), "{steps:?}");
        // Also if the end of an amended file is here under an earlier name.
        let of = published(&folder, "a.txt", b"on");
        assert_eq!(of.stored.name, name("a (2).txt"));
        folder.root().steps.drain();
        assert_eq!(amend(&folder, &of, b"e", b"one"), ("a.txt".into(), Kept::Same));
        assert_eq!(folder.root().steps.drain().last(), Some(&Step::Names));
    }
}

/// Commits files together on a disk that fails.
fn ends(folder: &Folder, count: usize) -> Vec<Result<Stored, StoreError>> {
    let tickets: Vec<Ticket> = (0..count).map(|n| begin(folder, &n.to_string()).commit(None)).collect();
    tickets.into_iter().map(Ticket::wait).collect()
}

fn failed_to_sync(end: &Result<Stored, StoreError>) -> bool {
    matches!(end, Err(StoreError::Failed { doing: Doing::Sync, .. }))
}

#[test]
fn files_that_fail_to_sync_get_no_name() {
    for count in [1, 7, 8] {
        for (temp, folder) in inboxes() {
            folder.root().steps.fail(|step, _| matches!(step, Step::Bytes(_) | Step::Everything));
            assert!(ends(&folder, count).iter().all(failed_to_sync), "{count} files");
            assert_eq!(names(temp.path()), set([]), "{count} files");
            assert_eq!(folder.root().steps.drain(), [], "the folder was not changed");
        }
    }
}

#[test]
fn only_the_file_that_fails_to_sync_has_no_name() {
    for (temp, folder) in inboxes() {
        folder.root().steps.fail(|step, before| matches!(step, Step::Bytes(_)) && before.is_empty());
        // The first is never recorded, so the second counts as the first, too: all three fail.
        assert!(ends(&folder, 3).iter().all(failed_to_sync));
        folder.root().steps.fail(|step, before| matches!(step, Step::Bytes(_)) && before.len() == 2);
        assert_eq!(names(temp.path()), set([]));
        let ends = ends(&folder, 3);
        assert_eq!(ends.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false]);
        assert!(failed_to_sync(&ends[2]));
        assert_eq!(names(temp.path()), set(["0", "1"]));
    }
}

#[test]
fn no_file_is_reported_stored_before_its_name_is_on_disk() {
    for count in [1, 7, 8] {
        for (temp, folder) in inboxes() {
            folder.root().steps.fail(|step, _| *step == Step::Names);
            assert!(ends(&folder, count).iter().all(failed_to_sync), "{count} files");
            assert_eq!(names(temp.path()).len(), count, "a retry finds them");
        }
    }
}

#[test]
fn an_existing_file_that_fails_to_sync_counts_as_different() {
    for (temp, folder) in inboxes() {
        fs::write(temp.path().join("a.txt"), b"one").unwrap();
        // Only while it is compared, before the new file is synced.
        let root = folder.root();
        root.steps.take(Step::Everything).unwrap();
        root.steps.fail(|step, before| matches!(step, Step::Bytes(_)) && before == [Step::Everything]);
        let mut pending = begin(&folder, "a.txt");
        pending.write(b"one").unwrap();
        let ticket = pending.commit(Some(Digest::of(b"one")));
        root.steps.drain();
        let stored = ticket.wait().unwrap();
        assert_eq!(stored, Stored { name: name("a (2).txt"), kept: Kept::Renamed });
        assert_eq!(names(temp.path()), set(["a.txt", "a (2).txt"]));
    }
}
