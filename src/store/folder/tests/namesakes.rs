//! Files that request the same name: the number of steps for each, and what its client could learn from them.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use super::super::durable::steps::Step;
use super::*;
use crate::store::{Record, Ticket};

/// Returns the numbers of looks, names, reads, syncs of files and syncs of the folder since the last call.
fn steps(folder: &Folder) -> [usize; 5] {
    let root = folder.root();
    let [looks, named, reads] = root.counts.take();
    let steps = root.steps.drain();
    let folders = steps.iter().filter(|step| **step == Step::Names).count();
    let files = steps.iter().filter(|step| matches!(step, Step::Bytes(_))).count();
    [looks, named, reads, files, folders]
}

#[test]
fn ten_thousand_files_of_one_name_cost_the_same_each_and_none_is_refused() {
    const FILES: u32 = 10_000;
    // In memory if possible: the disk is not what is tested.
    let memory = Path::new("/dev/shm");
    for named in [false, true] {
        let temp = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let folder = open(temp.path(), Durability::default(), named);
        let mut stored = BTreeSet::new();
        let mut waiting: Vec<(Ticket, [u8; 4])> = Vec::new();
        steps(&folder);
        for n in 0..FILES {
            // All have the same size, so that each could be compared with all before it.
            let mut pending = begin(&folder, "a.txt");
            pending.write(&n.to_be_bytes()).unwrap();
            waiting.push((pending.commit(Some(Digest::of(&n.to_be_bytes()))), n.to_be_bytes()));
            if waiting.len() == 200 || n + 1 == FILES {
                let count = waiting.len();
                for (ticket, bytes) in waiting.drain(..) {
                    let name = ticket.wait().unwrap().name;
                    assert_eq!(fs::read(temp.path().join(name.as_str())).unwrap(), bytes);
                    assert!(stored.insert(name), "a name was given twice");
                }
                let [looks, named, reads, _, folders] = steps(&folder);
                assert!(looks <= 2 * count && named <= 2 * count, "{n}: {looks} looks, {named} names");
                assert_eq!((reads, folders), (0, 1), "{n}");
            }
        }
        assert_eq!(stored.len(), FILES as usize);
        assert!(stored.contains(&name("a.txt")) && stored.contains(&name("a (99).txt")));
        let last = Digest::of(&(FILES - 1).to_be_bytes()).to_string();
        assert!(stored.contains(&name(&format!("a {}.txt", &last[..8]))));
        assert!(!stored.contains(&name("a (100).txt")));
        // A retry of any of them creates no second copy, and is found in as few steps.
        for n in [0, 1, 98, 99, 100, 5000, FILES - 1] {
            steps(&folder);
            assert_eq!(put(&folder, "a.txt", &n.to_be_bytes()).1, Kept::Same, "{n}");
            let [looks, named, reads, ..] = steps(&folder);
            assert!(
                looks <= 4 && named <= 2 && reads <= 1,
                "{n}: {looks} looks, {named} names, {reads} reads"
            );
        }
    }
}

#[test]
fn a_name_with_all_its_copies_is_not_refused() {
    for (temp, folder) in inboxes() {
        for taken in name("a.txt").candidates() {
            fs::create_dir(temp.path().join(taken.as_str())).unwrap();
        }
        let marked = name("a.txt").marked(Digest::of(b"one"));
        assert_eq!(put(&folder, "a.txt", b"one"), (marked.as_str().into(), Kept::Renamed));
        fs::write(temp.path().join(name("a.txt").marked(Digest::of(b"two")).as_str()), b"TWO").unwrap();
        let (random, kept) = put(&folder, "a.txt", b"two");
        assert_eq!((random.len(), kept), ("a 0123456789abcdef.txt".len(), Kept::Renamed));
        assert_eq!(put(&folder, "a.txt", b"two"), (random, Kept::Same));
        // A file that was not hashed is unknown.
        let stored = begin(&folder, "a.txt").commit(None).wait().unwrap();
        assert!(name("a.txt").may_become(stored.name.as_str()), "{}", stored.name);
    }
}

/// A client must not learn whether a file of this name or content is here: it costs the same syncs and names.
#[test]
fn a_file_that_is_here_already_goes_through_the_steps_of_a_new_one() {
    for (_temp, folder) in inboxes() {
        for large in [false, true] {
            let text = if large { "large.bin" } else { "small.bin" };
            let content = |byte: u8| vec![byte; if large { 2 << 20 } else { 20 }];
            let mut cases = Vec::new();
            for (byte, kept) in [(1, Kept::New), (2, Kept::Renamed), (1, Kept::Same), (2, Kept::Same)] {
                steps(&folder);
                let stored = try_put(&folder, text, &content(byte)).unwrap();
                assert_eq!(stored.kept, kept);
                cases.push(steps(&folder));
            }
            for [looks, named, reads, files, folders] in cases {
                assert_eq!((reads, files, folders), (0, 1, 1), "{text}");
                assert!((1..=2).contains(&looks) && (1..=2).contains(&named), "{text}: {looks} {named}");
            }
        }
    }
}

/// One client's comparison of a large file must not delay the files of others.
#[test]
fn a_file_is_published_while_another_name_is_compared() {
    for (temp, folder) in inboxes() {
        fs::write(temp.path().join("a.txt"), b"one").unwrap();
        let root = folder.root();
        let turn = root.turns.take(&name("a.txt"));
        let (ended, hear) = channel();
        thread::scope(|scope| {
            let folder = &folder;
            scope.spawn(move || ended.send(put(folder, "a.txt", b"one")));
            for n in 0..300 {
                put(folder, &format!("b{n}.txt"), b"one");
            }
            assert!(hear.try_recv().is_err(), "it has not compared yet");
            drop(turn);
            assert_eq!(hear.recv().unwrap(), ("a.txt".into(), Kept::Same));
        });
    }
}

/// A history of files that were stored before.
#[derive(Debug, Default)]
struct Rows(Mutex<HashMap<FileName, Record>>);

impl Catalogue for Rows {
    fn record_of(&self, name: &FileName) -> Option<Record> {
        self.0.lock().unwrap().get(name).copied()
    }
}

#[test]
fn after_a_restart_files_are_recognised_by_the_history_without_reading_them() {
    for (temp, folder) in inboxes() {
        let rows = Arc::new(Rows::default());
        for n in 0..50_u8 {
            let stored = try_put(&folder, "a.txt", &[n]).unwrap();
            // Its row is written after that.
            let print = Print::of(&fs::metadata(temp.path().join(stored.name.as_str())).unwrap());
            let record = Record { size: 1, digest: Digest::of(&[n]), at_ms: print.changed_ms() };
            rows.0.lock().unwrap().insert(stored.name, record);
        }
        drop(folder);
        let folder = Folder::open(temp.path()).unwrap();
        folder.consult(Arc::clone(&rows) as Arc<dyn Catalogue>);
        assert_eq!(put(&folder, "a.txt", &[30]), ("a (31).txt".into(), Kept::Same));
        assert_eq!(put(&folder, "a.txt", &[99]), ("a (51).txt".into(), Kept::Renamed));
        let [_, _, reads, ..] = steps(&folder);
        assert_eq!(reads, 0);
    }
}

#[test]
fn a_row_of_a_changed_file_is_ignored() {
    for (temp, _folder) in inboxes() {
        fs::write(temp.path().join("a.txt"), b"two").unwrap();
        let path = temp.path().join("a.txt");
        let print = Print::of(&fs::metadata(path).unwrap());
        // Older than the last change; of another size; not of this name.
        for (at_ms, size) in [(print.changed_ms() - 1, 3), (print.changed_ms(), 4)] {
            let rows = Rows::default();
            let record = Record { size, digest: Digest::of(b"one"), at_ms };
            rows.0.lock().unwrap().insert(name("a.txt"), record);
            let fresh = Folder::open(temp.path()).unwrap();
            fresh.consult(Arc::new(rows));
            let (stored_as, kept) = put(&fresh, "a.txt", b"one");
            assert_eq!(kept, Kept::Renamed, "{stored_as}");
            fs::remove_file(temp.path().join(stored_as)).unwrap();
            assert_eq!(put(&fresh, "a.txt", b"two"), ("a.txt".into(), Kept::Same));
        }
    }
}
