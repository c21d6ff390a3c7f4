use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, SystemTime};

use super::super::tests::{ledger, received};
use super::super::{Filter, Ledger};
use super::*;
use crate::digest::Digest;

/// The moment at which the history of the folder begins, in these tests.
const BEGAN_MS: i64 = 1_800_000_000_000;
const MINUTE_MS: i64 = 60_000;

/// A file that was last written to then.
fn put(store: &Path, name: impl AsRef<Path>, content: &str, at_ms: i64) {
    let path = store.join(name);
    fs::write(&path, content).unwrap();
    touch(&path, at_ms);
}

fn touch(path: &Path, at_ms: i64) {
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at_ms).unwrap());
    File::options().append(true).open(path).unwrap().set_modified(at).unwrap();
}

/// What a start half an hour later says.
fn start(ledger: &Ledger, store: &Path) -> Vec<String> {
    let repairs = run(ledger, store, BEGAN_MS + 30 * MINUTE_MS).unwrap();
    repairs.iter().map(Repair::to_string).collect()
}

fn store(ledger: &Ledger) -> tempfile::TempDir {
    let store = tempfile::tempdir().unwrap();
    assert!(run(ledger, store.path(), BEGAN_MS).unwrap().is_empty());
    store
}

#[test]
fn the_file_whose_row_a_crash_swallowed_gets_one_once() {
    let (_folder, ledger) = ledger();
    let store = store(&ledger);
    put(store.path(), "a \u{202e}.txt", "hello", BEGAN_MS + 1);
    let said = start(&ledger, store.path());
    assert_eq!(said, [r"history repaired: a \u{202e}.txt (5 B) was stored before a crash and had no row"]);
    let expected = Recovered {
        at_ms: BEGAN_MS + 1,
        store: store_path(store.path()).unwrap(),
        name: "a \u{202e}.txt".to_owned(),
        kept: Kept::New,
        size: 5,
        digest: Digest::of(b"hello"),
        receipt: None,
    };
    assert_eq!(ledger.history(&Filter::default()).unwrap(), [Entry::Recovered(expected)]);
    assert!(start(&ledger, store.path()).is_empty());
}

#[test]
fn what_is_older_than_the_history_or_not_ours_gets_none() {
    let (_folder, ledger) = ledger();
    let store = tempfile::tempdir().unwrap();
    put(store.path(), "before", "x", BEGAN_MS - 1);
    assert!(run(&ledger, store.path(), BEGAN_MS).unwrap().is_empty());
    put(store.path(), ".upseal-00.part", "x", BEGAN_MS + 1);
    put(store.path(), OsStr::from_bytes(b"\xff"), "x", BEGAN_MS + 1);
    put(store.path(), "back\\slash", "x", BEGAN_MS + 1);
    fs::create_dir(store.path().join("folder")).unwrap();
    std::os::unix::fs::symlink("before", store.path().join("link")).unwrap();
    assert!(start(&ledger, store.path()).is_empty());
    assert!(ledger.history(&Filter::default()).unwrap().is_empty());
}

#[test]
fn only_what_is_newer_than_the_last_row_is_a_crash_s() {
    let (_folder, ledger) = ledger();
    let store = store(&ledger);
    let path = store_path(store.path()).unwrap();
    put(store.path(), "last", "x", BEGAN_MS + 9 * MINUTE_MS);
    ledger.record_received(&received(BEGAN_MS + 9 * MINUTE_MS, &path, "last", b"x")).unwrap();
    put(store.path(), "long before", "x", BEGAN_MS + 7 * MINUTE_MS);
    put(store.path(), "beside it", "x", BEGAN_MS + 9 * MINUTE_MS - 1000);
    let said = start(&ledger, store.path());
    assert_eq!(said, ["history repaired: beside it (1 B) was stored before a crash and had no row"]);
}

#[test]
fn a_file_that_has_grown_gets_a_row_if_it_begins_as_it_did() {
    let (_folder, ledger) = ledger();
    let store = store(&ledger);
    let path = store_path(store.path()).unwrap();
    for name in ["amended", "rewritten", "cut"] {
        ledger.record_received(&received(BEGAN_MS, &path, name, b"begin")).unwrap();
    }
    put(store.path(), "amended", "begin and more", BEGAN_MS + 1);
    put(store.path(), "rewritten", "another text", BEGAN_MS + 1);
    put(store.path(), "cut", "beg", BEGAN_MS + 1);
    let said = start(&ledger, store.path());
    assert_eq!(said, ["history repaired: amended (14 B) has grown since its row"]);
    let rows = ledger.in_effect(&path).unwrap();
    let amended = rows.iter().find(|row| row.name() == "amended").unwrap();
    assert_eq!(amended.digest(), Some(Digest::of(b"begin and more")));
    assert!(matches!(amended, Entry::Recovered(Recovered { kept: Kept::Amended, .. })));
}

#[test]
fn known_files_are_not_read() {
    let (_folder, ledger) = ledger();
    let store = store(&ledger);
    let path = store_path(store.path()).unwrap();
    // Reading it would show that it is another one: that is the audit's to say.
    put(store.path(), "known", "other", BEGAN_MS + 1);
    ledger.record_received(&received(BEGAN_MS, &path, "known", b"hello")).unwrap();
    // A row without its file: somebody has moved it.
    ledger.record_received(&received(BEGAN_MS, &path, "moved", b"hello")).unwrap();
    assert!(start(&ledger, store.path()).is_empty());
    assert_eq!(ledger.history(&Filter::default()).unwrap().len(), 2);
}

#[test]
fn each_folder_has_a_history_of_its_own_however_it_is_named() {
    let (_folder, ledger) = ledger();
    let (one, other) = (store(&ledger), store(&ledger));
    put(one.path(), "a", "x", BEGAN_MS + 1);
    let link = other.path().join("link");
    std::os::unix::fs::symlink(one.path(), &link).unwrap();
    assert_eq!(start(&ledger, &link).len(), 1);
    assert!(start(&ledger, one.path()).is_empty());
    assert!(start(&ledger, other.path()).is_empty());
    let gone = run(&ledger, Path::new("/no/such/folder"), 0).unwrap_err().to_string();
    assert!(gone.starts_with("cannot read /no/such/folder: "), "{gone}");
}
