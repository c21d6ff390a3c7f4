//! Files that are published together.

use std::fmt;
use std::sync::{Mutex, OnceLock};

use super::amended::{amend, published};
use super::*;
use crate::store::{Announce, Coming, Ticket};

#[test]
fn files_of_a_group_get_their_names_when_the_first_of_them_is_waited_for() {
    // Fewer files than are worth a syncfs, and more. Their sizes must not cause a refusal.
    for (count, durability, named) in [
        (2, Durability::Group, false),
        (40, Durability::Group, false),
        (40, Durability::Group, true),
        (40, Durability::File, false),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let folder = open(temp.path(), durability, named);
        let mut tickets: Vec<Ticket> = Vec::new();
        for n in 0..count {
            let mut pending = begin(&folder, &format!("{n}.txt"));
            pending.write(format!("content {n}").as_bytes()).unwrap();
            tickets.push(pending.commit(None));
        }
        assert_eq!(names(temp.path()), unfinished(&folder));
        assert_eq!(unfinished(&folder).len(), if named { count } else { 0 });
        let last = tickets.pop().unwrap().wait().unwrap();
        assert_eq!(last.name.as_str(), format!("{}.txt", count - 1));
        assert_eq!(names(temp.path()), (0..count).map(|n| format!("{n}.txt")).collect());
        for (n, ticket) in tickets.into_iter().enumerate() {
            assert_eq!(ticket.wait().unwrap(), Stored { name: name(&format!("{n}.txt")), kept: Kept::New });
            assert_eq!(
                fs::read(temp.path().join(format!("{n}.txt"))).unwrap(),
                format!("content {n}").as_bytes()
            );
        }
    }
}

#[test]
fn namesakes_in_a_group_are_compared_in_their_order() {
    for (temp, folder) in inboxes() {
        let tickets = ["one", "two", "one", "two"].map(|content| {
            let mut pending = begin(&folder, "a.txt");
            pending.write(content.as_bytes()).unwrap();
            pending.commit(Some(Digest::of(content.as_bytes())))
        });
        let ends =
            tickets.map(|ticket| ticket.wait().unwrap()).map(|end| (end.name.as_str().to_owned(), end.kept));
        let expected = [
            ("a.txt", Kept::New),
            ("a (2).txt", Kept::Renamed),
            ("a.txt", Kept::Same),
            ("a (2).txt", Kept::Same),
        ];
        assert_eq!(ends, expected.map(|(name, kept)| (name.to_owned(), kept)));
        assert_eq!(names(temp.path()), set(["a.txt", "a (2).txt"]));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_fails_in_a_group_does_not_stop_the_others() {
    for (_temp, folder) in inboxes() {
        let tickets = ["a", "torn", "b"].map(|text| {
            let mut pending = begin(&folder, text);
            pending.write(text.as_bytes()).unwrap();
            if text == "torn" {
                let (out, _) = rustix::pipe::pipe().unwrap();
                pending.write_from(out.as_fd(), 1).unwrap_err();
            }
            pending.commit(None)
        });
        let [first, second, third] = tickets.map(Ticket::wait);
        assert_eq!(first.unwrap().name, name("a"));
        assert!(matches!(second, Err(StoreError::Torn { .. })));
        assert_eq!(third.unwrap().name, name("b"));
        assert_eq!(unfinished(&folder), set([]));
    }
}

#[test]
fn threads_that_wait_at_once_get_their_own_results() {
    for (temp, folder) in inboxes() {
        thread::scope(|scope| {
            for n in 0..8 {
                let folder = &folder;
                scope.spawn(move || {
                    for round in 0..50 {
                        let text = format!("{n}-{round}");
                        let mut pending = begin(folder, &text);
                        pending.write(text.as_bytes()).unwrap();
                        assert_eq!(pending.commit(None).wait().unwrap().name, name(&text));
                    }
                });
            }
        });
        assert_eq!(names(temp.path()).len(), 400);
    }
}

/// Each of them is an open file, and many clients may send small files at once.
#[test]
fn no_more_than_256_files_wait_for_a_name() {
    for (temp, folder) in inboxes() {
        let mut tickets = Vec::new();
        for n in 0..600 {
            tickets.push(begin(&folder, &n.to_string()).commit(None));
            let published = names(temp.path()).difference(&unfinished(&folder)).count();
            assert!(n + 1 - published < 256, "{published} of {n}");
        }
        for (n, ticket) in tickets.into_iter().enumerate() {
            assert_eq!(ticket.wait().unwrap(), Stored { name: name(&n.to_string()), kept: Kept::New });
        }
    }
}

/// Commits one more file while a group is announced.
struct Latecomer {
    folder: OnceLock<Arc<Folder>>,
    late: Mutex<Option<Ticket>>,
}

impl fmt::Debug for Latecomer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Latecomer")
    }
}

impl Announce for Latecomer {
    fn announce(&self, _coming: &[Coming]) {
        let folder = self.folder.get().unwrap();
        let mut late = self.late.lock().unwrap();
        if late.is_none() {
            // It would wait for ever.
            assert!(!folder.root().group.is_locked(), "no other upload can join");
            *late = Some(begin(folder, "late").commit(None));
        }
    }
}

#[test]
fn a_file_joins_while_the_group_before_it_is_published() {
    for (_temp, folder) in inboxes() {
        let latecomer = Arc::new(Latecomer { folder: OnceLock::new(), late: Mutex::default() });
        let folder = Arc::new(folder.announcing(Arc::clone(&latecomer) as Arc<dyn Announce>));
        latecomer.folder.set(Arc::clone(&folder)).ok().unwrap();
        assert_eq!(begin(&folder, "first").commit(None).wait().unwrap().name, name("first"));
        let late = latecomer.late.lock().unwrap().take().unwrap();
        assert_eq!(late.wait().unwrap().name, name("late"));
    }
}

/// Many files: the group publishes itself when it is full.
#[test]
fn a_file_joins_while_a_full_group_is_published() {
    for (_temp, folder) in inboxes() {
        let latecomer = Arc::new(Latecomer { folder: OnceLock::new(), late: Mutex::default() });
        let folder = Arc::new(folder.announcing(Arc::clone(&latecomer) as Arc<dyn Announce>));
        latecomer.folder.set(Arc::clone(&folder)).ok().unwrap();
        let tickets: Vec<Ticket> = (0..256).map(|n| begin(&folder, &n.to_string()).commit(None)).collect();
        let late = latecomer.late.lock().unwrap().take().unwrap();
        assert_eq!(late.wait().unwrap().name, name("late"));
        for ticket in tickets {
            ticket.wait().unwrap();
        }
    }
}

/// Records what was announced, and which names the folder had then.
#[derive(Debug)]
struct Hearing {
    folder: PathBuf,
    heard: Mutex<Vec<(Vec<Coming>, BTreeSet<String>)>>,
}

impl Announce for Hearing {
    fn announce(&self, coming: &[Coming]) {
        let mut there = names(&self.folder);
        there.retain(|name| !name.starts_with(UNFINISHED_PREFIX));
        self.heard.lock().unwrap().push((coming.to_vec(), there));
    }
}

#[test]
fn a_group_is_announced_once_and_before_any_of_it_has_a_name() {
    for (temp, folder) in inboxes() {
        let hearing = Arc::new(Hearing { folder: temp.path().to_owned(), heard: Mutex::default() });
        let folder = folder.announcing(Arc::clone(&hearing) as Arc<dyn Announce>);
        let tickets = ["a.txt", "b.txt"].map(|file| {
            let mut pending = begin(&folder, file);
            pending.write(file.as_bytes()).unwrap();
            pending.commit(Some(Digest::of(file.as_bytes())))
        });
        for ticket in tickets {
            ticket.wait().unwrap();
        }
        let of = published(&folder, "c.txt", b"one ");
        amend(&folder, &of, b"two", b"one two");
        let coming = |want: &str, replaces: Option<&str>, content: &[u8]| Coming {
            want: name(want),
            replaces: replaces.map(name),
            size: content.len() as u64,
            digest: Some(Digest::of(content)),
        };
        let expected = [
            (vec![coming("a.txt", None, b"a.txt"), coming("b.txt", None, b"b.txt")], set([])),
            (vec![coming("c.txt", None, b"one ")], set(["a.txt", "b.txt"])),
            (vec![coming("c.txt", Some("c.txt"), b"one two")], set(["a.txt", "b.txt", "c.txt"])),
        ];
        assert_eq!(*hearing.heard.lock().unwrap(), expected);
    }
}
