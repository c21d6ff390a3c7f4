use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use super::super::tests::{history, received};
use super::super::{Filter, History, Received};
use super::*;
use crate::digest::Digest;

/// Time at which the history of the folder begins in these tests, before any file of them is created.
const BEGAN_MS: i64 = 1_000_000_000_000;
const MINUTE_MS: i64 = 60_000;

/// Creates a file.
fn put(store: &Path, name: impl AsRef<Path>, content: &str) {
    fs::write(store.join(name), content).unwrap();
}

/// Sets the time of the last modification, as a client can.
fn touch(path: &Path, at_ms: i64) {
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at_ms).unwrap());
    File::options().append(true).open(path).unwrap().set_modified(at).unwrap();
}

fn changed_ms(path: &Path) -> i64 {
    let metadata = fs::metadata(path).unwrap();
    metadata.ctime() * 1000 + metadata.ctime_nsec() / 1_000_000
}

/// Starts half an hour later, and returns the messages.
fn start(history: &History, store: &Path) -> Vec<String> {
    let repairs = run(history, store, BEGAN_MS + 30 * MINUTE_MS).unwrap();
    repairs.iter().map(Repair::to_string).collect()
}

/// Announces a file, as a server does before it gives names.
fn announce(history: &History, store: &Path, want: &str, replaces: Option<&str>, content: &str) {
    let announced = Announced {
        want: want.to_owned(),
        replaces: replaces.map(str::to_owned),
        size: content.len() as u64,
        digest: Some(Digest::of(content.as_bytes())),
    };
    history.announce(&store_path(store).unwrap(), &[announced]).unwrap();
}

/// Describes a file of five bytes that the server does not hash.
fn unhashed(want: &str) -> Announced {
    Announced { want: want.to_owned(), replaces: None, size: 5, digest: None }
}

fn store(history: &History) -> tempfile::TempDir {
    let store = tempfile::tempdir().unwrap();
    assert!(run(history, store.path(), BEGAN_MS).unwrap().is_empty());
    store
}

#[test]
fn an_announced_file_without_a_row_gets_one_row() {
    let (_folder, history) = history();
    let store = store(&history);
    announce(&history, store.path(), "a \u{202e}.txt", None, "hello");
    put(store.path(), "a \u{202e}.txt", "hello");
    let said = start(&history, store.path());
    assert_eq!(said, [r"history repaired: added a \u{202e}.txt (5 B), which was stored before a crash"]);
    let expected = Recovered {
        at_ms: changed_ms(&store.path().join("a \u{202e}.txt")),
        store: store_path(store.path()).unwrap(),
        name: "a \u{202e}.txt".to_owned(),
        origin: Origin::Crash,
        size: 5,
        digest: Some(Digest::of(b"hello")),
        receipt: None,
    };
    assert_eq!(history.entries(&Filter::default()).unwrap(), [Entry::Recovered(expected)]);
    assert!(start(&history, store.path()).is_empty());
    assert!(history.announced(&store_path(store.path()).unwrap()).unwrap().is_empty());
}

#[test]
fn a_file_that_was_never_announced_is_named_and_gets_no_row() {
    let (_folder, history) = history();
    let store = store(&history);
    put(store.path(), "foreign", "x");
    // Announced, but different: the content, the size, the name.
    for (name, there) in [("content", "hEllo"), ("size", "hello!"), ("other", "hello")] {
        let want = if name == "other" { "name" } else { name };
        announce(&history, store.path(), want, None, "hello");
        put(store.path(), name, there);
    }
    let said = start(&history, store.path());
    let named = |name: &str, size: &str| {
        format!("{name} ({size}) is in the folder, but this server did not receive it; {ACCEPT}")
    };
    let expected =
        [named("content", "5 B"), named("foreign", "1 B"), named("other", "5 B"), named("size", "6 B")];
    assert_eq!(said, expected);
    assert!(history.entries(&Filter::default()).unwrap().is_empty());
    assert_eq!(start(&history, store.path()), expected, "until the operator accepts them");
}

#[test]
fn many_that_cannot_be_explained_are_counted() {
    let (_folder, history) = history();
    let store = store(&history);
    (0..NAMED + 2).for_each(|n| put(store.path(), format!("{n:02}"), "x"));
    let said = start(&history, store.path());
    assert_eq!(said.len(), NAMED + 1);
    assert_eq!(said[NAMED], "2 more files differ from the history; `upseal audit` lists them");
}

#[test]
fn files_older_than_the_history_or_not_published_get_no_row() {
    let (_folder, history) = history();
    let store = tempfile::tempdir().unwrap();
    put(store.path(), "before", "x");
    // The clock of the file system has moved on.
    let began_ms = loop {
        put(store.path(), "clock", "x");
        let now_ms = changed_ms(&store.path().join("clock"));
        if now_ms > changed_ms(&store.path().join("before")) {
            break now_ms;
        }
    };
    fs::remove_file(store.path().join("clock")).unwrap();
    assert!(run(&history, store.path(), began_ms).unwrap().is_empty());
    put(store.path(), ".upseal-00.part", "x");
    put(store.path(), OsStr::from_bytes(b"\xff"), "x");
    put(store.path(), "back\\slash", "x");
    fs::create_dir(store.path().join("folder")).unwrap();
    std::os::unix::fs::symlink("before", store.path().join("link")).unwrap();
    assert!(start(&history, store.path()).is_empty());
    assert!(history.entries(&Filter::default()).unwrap().is_empty());
}

/// The client states the time of the last modification. A file that no server announced is reported nevertheless.
#[test]
fn a_stated_time_does_not_hide_a_file() {
    let (_folder, history) = history();
    let store = store(&history);
    put(store.path(), "old", "x");
    touch(&store.path().join("old"), BEGAN_MS - MINUTE_MS);
    assert_eq!(start(&history, store.path()).len(), 1);
    announce(&history, store.path(), "old", None, "x");
    assert_eq!(
        start(&history, store.path()),
        ["history repaired: added old (1 B), which was stored before a crash"]
    );
    let rows = history.in_effect(&store_path(store.path()).unwrap()).unwrap();
    assert_eq!(rows[0].at_ms(), changed_ms(&store.path().join("old")));
}

#[test]
fn a_grown_file_gets_a_row_only_if_its_new_content_was_announced() {
    let (_folder, history) = history();
    let store = store(&history);
    let path = store_path(store.path()).unwrap();
    for name in ["amended", "appended", "shorter"] {
        history.record_received(&received(BEGAN_MS, &path, name, b"begin")).unwrap();
    }
    announce(&history, store.path(), "want", Some("amended"), "begin and more");
    put(store.path(), "amended", "begin and more");
    // Another process has appended to it while a session was amending it.
    announce(&history, store.path(), "appended", Some("appended"), "begin and more");
    put(store.path(), "appended", "begin and mOre");
    put(store.path(), "shorter", "beg");
    let said = start(&history, store.path());
    assert_eq!(
        said,
        [
            "history repaired: updated amended (14 B), which was continued before a crash".to_owned(),
            format!("appended has 14 bytes, the history says 5; {ACCEPT}"),
            format!("shorter has 3 bytes, the history says 5; {ACCEPT}"),
        ]
    );
    let rows = history.in_effect(&path).unwrap();
    let of = |name: &str| rows.iter().find(|row| row.name() == name).unwrap();
    assert_eq!(of("amended").digest(), Some(Digest::of(b"begin and more")));
    assert!(matches!(of("amended"), Entry::Recovered(Recovered { origin: Origin::Amended, .. })));
    assert_eq!(of("appended").digest(), Some(Digest::of(b"begin")));
}

#[test]
fn an_announced_file_is_found_under_the_name_of_a_copy() {
    let (_folder, history) = history();
    let store = store(&history);
    let path = store_path(store.path()).unwrap();
    // The name was free again: its row is about a file that was moved away.
    history.record_received(&received(BEGAN_MS, &path, "b", b"older")).unwrap();
    history.record_received(&received(BEGAN_MS, &path, "a", b"first")).unwrap();
    put(store.path(), "a", "first");
    for (want, name) in [("a", "a (2)"), ("b", "b")] {
        announce(&history, store.path(), want, None, "other");
        put(store.path(), name, "other");
    }
    // Identical to a file that is here already.
    announce(&history, store.path(), "a", None, "first");
    let said = start(&history, store.path());
    assert_eq!(said.len(), 2, "{said:?}");
    let rows = history.in_effect(&path).unwrap();
    let digests: Vec<_> = rows.iter().map(|row| (row.name(), row.digest().unwrap())).collect();
    let of = |content: &str| Digest::of(content.as_bytes());
    assert_eq!(digests, [("a", of("first")), ("a (2)", of("other")), ("b", of("other"))]);
    assert!(history.announced(&path).unwrap().is_empty());
}

#[test]
fn without_a_digest_name_and_size_decide_and_the_message_says_so() {
    let (_folder, history) = history();
    let store = store(&history);
    let path = store_path(store.path()).unwrap();
    let known = Received { digest: None, ..received(BEGAN_MS, &path, "b", b"world") };
    history.record_received(&known).unwrap();
    history.announce(&path, &[unhashed("a"), unhashed("b")]).unwrap();
    put(store.path(), "a", "hello");
    put(store.path(), "b", "world");
    let said = start(&history, store.path());
    assert_eq!(
        said,
        ["history repaired: added a (5 B), which was stored before a crash \
          (identified by name and size, because it was not hashed)"]
    );
    assert_eq!(history.in_effect(&path).unwrap()[0].digest(), None);
}

#[test]
fn known_files_are_not_read() {
    let (_folder, history) = history();
    let store = store(&history);
    let path = store_path(store.path()).unwrap();
    // Reading it would show that it differs. The audit reports that.
    put(store.path(), "known", "other");
    history.record_received(&received(BEGAN_MS, &path, "known", b"hello")).unwrap();
    // A row without its file, which was moved away.
    history.record_received(&received(BEGAN_MS, &path, "moved", b"hello")).unwrap();
    assert!(start(&history, store.path()).is_empty());
    assert_eq!(history.entries(&Filter::default()).unwrap().len(), 2);
}

#[test]
fn each_folder_has_its_own_history_under_every_path() {
    let (_folder, history) = history();
    let (one, other) = (store(&history), store(&history));
    announce(&history, one.path(), "a", None, "x");
    put(one.path(), "a", "x");
    let link = other.path().join("link");
    std::os::unix::fs::symlink(one.path(), &link).unwrap();
    assert_eq!(start(&history, &link).len(), 1);
    assert!(start(&history, one.path()).is_empty());
    assert!(start(&history, other.path()).is_empty());
    let gone = run(&history, Path::new("/no/such/folder"), 0).unwrap_err().to_string();
    assert!(gone.starts_with("cannot read /no/such/folder: "), "{gone}");
}

#[test]
fn a_start_compares_a_limited_number_of_files_and_says_so() {
    let (_folder, history) = history();
    let store = store(&history);
    fs::create_dir(store.path().join("in")).unwrap();
    (0..8).for_each(|n| put(store.path(), format!("in/{n}"), "x"));
    let said = |most| -> Vec<String> {
        let path = store_path(store.path()).unwrap();
        let strange = strange(&history, &path, BEGAN_MS, &HashSet::new(), most).unwrap();
        strange.iter().map(Repair::to_string).collect()
    };
    assert_eq!(said(9).len(), 8);
    let some = said(5);
    assert_eq!(some.len(), 5, "{some:?}");
    let rest =
        "only 10,000 entries of the folder were compared with the history; `upseal audit` compares all";
    assert_eq!(some[4], rest);
}

/// However many files there are, an announced file is found, because it is looked for by its names.
#[test]
fn an_announced_file_is_found_without_comparing_the_others() {
    let (_folder, history) = history();
    let store = store(&history);
    let announced = |want: &str| Announced {
        want: want.to_owned(),
        replaces: None,
        size: 5,
        digest: Some(Digest::of(b"hello")),
    };
    let found = |want: &str| -> Vec<String> {
        let path = store_path(store.path()).unwrap();
        let places = places::of(&path, &announced(want)).unwrap();
        places.into_iter().map(|(name, _)| name).collect()
    };
    put(store.path(), "a.txt", "1");
    put(store.path(), "a (7).txt", "2");
    put(store.path(), "a 2cf24dba.txt", "3");
    put(store.path(), "a 0123456789abcdef.txt", "not listed yet");
    put(store.path(), "b.txt", "4");
    assert_eq!(found("a.txt"), ["a.txt", "a (7).txt", "a 2cf24dba.txt"]);
    // All numbers are taken, so a name may have random digits.
    put(store.path(), "a (99).txt", "5");
    let all = ["a.txt", "a (7).txt", "a (99).txt", "a 2cf24dba.txt", "a 0123456789abcdef.txt"];
    assert_eq!(found("a.txt"), all);
    assert_eq!(found("c.txt"), [""; 0]);
}

#[test]
fn an_announced_file_is_found_in_the_copy_of_its_folder_and_never_through_a_link() {
    let (_folder, history) = history();
    let (store, outside) = (store(&history), tempfile::tempdir().unwrap());
    put(outside.path(), "x", "hello");
    std::os::unix::fs::symlink(outside.path(), store.path().join("link")).unwrap();
    // A file has the name of the folder, so the store made a copy of it.
    put(store.path(), "a", "file");
    fs::create_dir_all(store.path().join("a (2)/b")).unwrap();
    put(store.path(), "a (2)/b/c", "hello");
    for want in ["link/x", "a/b/c"] {
        announce(&history, store.path(), want, None, "hello");
    }
    let said = start(&history, store.path());
    let added = "history repaired: added a (2)/b/c (5 B), which was stored before a crash";
    assert_eq!(said[0], added, "{said:?}");
    assert!(said.iter().all(|line| !line.contains("link")), "{said:?}");
    let rows = history.entries(&Filter::default()).unwrap();
    assert_eq!(rows.iter().map(Entry::name).collect::<Vec<_>>(), ["a (2)/b/c"]);
}

/// The plans of SQLite for what a start asks about a file: by an index, however many rows its name has.
#[test]
fn a_look_at_a_row_reads_no_others() {
    let (_folder, history) = history();
    for sql in [RECORDED_SIZE, crate::history::entries::LATEST_ID] {
        let plan: Vec<String> = history
            .read(|file| {
                let mut plan = file.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                plan.query_map(["", ""], |row| row.get(3))?.collect()
            })
            .unwrap();
        let by_name = "SEARCH received USING INDEX received_name (store=? AND name=?)";
        assert!(matches!(&plan[..], [line] if line == by_name), "{plan:?}");
    }
}

#[test]
fn without_a_digest_a_file_of_another_size_is_not_the_announced_one() {
    let (_folder, history) = history();
    let store = store(&history);
    let path = store_path(store.path()).unwrap();
    // A shorter file of the name is known; the one that is there is longer.
    let known = Received { digest: None, ..received(BEGAN_MS, &path, "b", b"wor") };
    history.record_received(&known).unwrap();
    history.announce(&path, &[unhashed("a"), unhashed("b")]).unwrap();
    put(store.path(), "a", "hell");
    put(store.path(), "b", "world");
    let said = start(&history, store.path());
    assert!(said[0].starts_with("history repaired: added b (5 B)"), "{said:?}");
    assert!(said[1].starts_with("a (4 B) is in the folder, but this server did not receive it"), "{said:?}");
    assert_eq!(said.len(), 2);
}

#[test]
fn of_two_equal_announcements_and_one_file_one_gets_a_row() {
    let (_folder, history) = history();
    let store = store(&history);
    for _ in 0..2 {
        announce(&history, store.path(), "a", None, "hello");
    }
    put(store.path(), "a", "hello");
    assert_eq!(start(&history, store.path()).len(), 1);
    assert_eq!(history.entries(&Filter::default()).unwrap().len(), 1);
    assert!(history.announced(&store_path(store.path()).unwrap()).unwrap().is_empty());
}
