use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use super::super::tests::{history, received};
use super::super::{Received, repair};
use super::*;
use crate::event::Kept;

/// Runs an audit and returns its findings as text.
fn audit(history: &History, store: &Path, receipt: &dyn Fn(&Entry) -> Receipt) -> (Vec<String>, Summary) {
    let mut said = Vec::new();
    let summary = run(history, store, receipt, &mut |finding| said.push(finding.to_string())).unwrap();
    (said, summary)
}

fn none(_: &Entry) -> Receipt {
    Receipt::None
}

/// Creates a store with these files, each with its row.
fn store(history: &History, files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = store_path(folder.path()).unwrap();
    repair::run(history, &path, 0).unwrap();
    for (name, content) in files {
        fs::write(path.join(name), content).unwrap();
        history.record_received(&received(1, &path, name, content.as_bytes())).unwrap();
    }
    folder
}

#[test]
fn no_finding_if_folder_and_history_agree() {
    let (_folder, history) = history();
    let store = store(&history, &[("a.bin", "aaaa"), ("empty", "")]);
    let path = store_path(store.path()).unwrap();
    // A later row replaces the first; a race's lane was never in the folder.
    fs::write(path.join("a.bin"), "aaaa and more").unwrap();
    let more = Received { kept: Kept::Amended, ..received(2, &path, "a.bin", b"aaaa and more") };
    history.record_received(&more).unwrap();
    let raced = Received { kept: Kept::Discarded, ..received(2, &path, "race-cp1-a", b"x") };
    history.record_received(&raced).unwrap();
    fs::write(path.join(".upseal-0.part"), "half").unwrap();
    let (said, summary) = audit(&history, store.path(), &none);
    assert_eq!(said, Vec::<String>::new());
    assert_eq!(summary, Summary { files: 2, ..Summary::default() });
}

#[test]
fn the_file_with_one_altered_byte_is_the_only_finding() {
    let (_folder, history) = history();
    let store = store(&history, &[("a.bin", "aaaa"), ("b.bin", "bbbb"), ("c.bin", "cccc")]);
    fs::write(store.path().join("b.bin"), "bbBb").unwrap();
    let (said, summary) = audit(&history, store.path(), &none);
    let (found, recorded) = (Digest::of(b"bbBb"), Digest::of(b"bbbb"));
    assert_eq!(said, [format!("b.bin: its SHA-256 is {found}, the history says {recorded}")]);
    assert_eq!(summary, Summary { files: 3, differing: 1, ..Summary::default() });
}

#[test]
fn every_difference_is_found_in_the_order_of_names() {
    let (_folder, history) = history();
    let store = store(&history, &[("a", "aaaa"), ("b", "bbbb"), ("c", "cccc"), ("z", "zzzz")]);
    fs::write(store.path().join("a"), "aaaaa").unwrap();
    fs::remove_file(store.path().join("b")).unwrap();
    fs::remove_file(store.path().join("c")).unwrap();
    std::os::unix::fs::symlink("z", store.path().join("c")).unwrap();
    fs::write(store.path().join("new\n"), "x").unwrap();
    fs::write(store.path().join(OsStr::from_bytes(b"odd\xff")), "x").unwrap();
    let (said, summary) = audit(&history, store.path(), &none);
    assert_eq!(
        said,
        [
            "a: it has 5 bytes, the history says 4",
            "b: it is in the history, but not in the folder",
            "c: it is in the history, but not in the folder",
            "new\\n: it is in the folder, but not in the history",
            "odd\u{fffd}: it is in the folder, but not in the history",
        ]
    );
    assert_eq!(summary, Summary { files: 6, differing: 5, ..Summary::default() });
}

#[test]
fn a_file_from_before_the_history_is_reported_as_such() {
    let (_folder, history) = history();
    let store = tempfile::tempdir().unwrap();
    fs::write(store.path().join("old"), "x").unwrap();
    let (said, _) = audit(&history, store.path(), &none);
    assert_eq!(said, ["old: it is in the folder, but not in the history, which began later"]);
}

#[test]
fn every_row_is_compared_with_its_receipt() {
    let (_folder, history) = history();
    let store = store(&history, &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]);
    let receipt = |row: &Entry| match row.name() {
        "a" => Receipt::Agrees,
        "b" => Receipt::Differs("says 9 bytes".to_owned()),
        "c" => Receipt::Unreadable("has no statement".to_owned()),
        _ => Receipt::None,
    };
    let (said, summary) = audit(&history, store.path(), &receipt);
    assert_eq!(
        said,
        ["b: its receipt says 9 bytes", "c: it cannot be checked: its receipt has no statement"]
    );
    assert_eq!(summary, Summary { files: 4, receipts: 3, differing: 1, unreadable: 1 });
}
