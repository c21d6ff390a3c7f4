//! A history whose bytes were overwritten or cut off, and one that is locked.

use std::fs;
use std::path::PathBuf;

use super::tests::{history, received};
use super::*;
use crate::digest::Digest;

/// A page of the database, in bytes.
const PAGE: usize = 4096;

/// Creates a closed history with some rows, and returns its bytes.
fn closed() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let (folder, history) = history();
    let path = history.path().to_owned();
    let rows: Vec<Received> = (0..400).map(|n| received(n, Path::new("/s"), &n.to_string(), b"x")).collect();
    history.record_all_received(&rows, &[]).unwrap();
    history.remember(&[(Seen::Token, Digest([1; 32]))], 100).unwrap();
    drop(history);
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 10 * PAGE && !folder.path().join("data/history.db-wal").exists());
    (folder, path, bytes)
}

/// Does what a server does with its history, and returns the first error.
fn use_all(history: &History) -> Result<(), HistoryError> {
    let store = Path::new("/s");
    let of = Announced { want: "a".to_owned(), replaces: None, size: 1, digest: None };
    let ids = history.announce(store, &[of])?;
    history.record_all_received(&[received(1, store, "a", b"x")], &ids)?;
    history.remember_new(&[(Seen::Token, Digest([2; 32]))], 100)?;
    (0..400).try_for_each(|n| history.latest(store, &n.to_string()).map(drop))?;
    history.entries(&Filter::default()).map(drop)
}

#[test]
fn a_history_that_was_cut_off_is_an_error_with_advice_and_stays_as_it_is() {
    let (_folder, path, bytes) = closed();
    // A crash may leave a part of the last page.
    for pages in 0..bytes.len() / PAGE - 1 {
        for more in [0, 1, PAGE / 2] {
            let left = &bytes[..pages * PAGE + more];
            // For SQLite a file of one byte is empty.
            if left.len() < 2 {
                continue;
            }
            fs::write(&path, left).unwrap();
            let error = History::open(&path).unwrap_err();
            assert!(matches!(error, HistoryError::Damaged { .. }), "{pages} pages: {error}");
            assert!(
                error.to_string().contains("it is damaged: ") && error.advice().contains("from a backup")
            );
            assert!(fs::read(&path).unwrap() == left, "{pages} pages and {more} bytes: it was changed");
        }
    }
}

#[test]
fn an_empty_file_that_was_a_history_is_damaged_and_another_one_is_new() {
    let (folder, path, bytes) = closed();
    let beside = |suffix: &str| folder.path().join(format!("data/history.db{suffix}"));
    fs::write(&path, "").unwrap();
    fs::write(beside("-store-0123"), "").unwrap();
    for is_missing in [false, true] {
        let is_damaged =
            |found: Result<History, _>| matches!(found, Err(HistoryError::Damaged { doing: "open", .. }));
        if is_missing {
            fs::remove_file(&path).unwrap();
            // The operator removed it, and its log stayed after a crash.
            fs::write(beside("-wal"), "rows").unwrap();
        }
        assert!(is_damaged(History::open(&path)));
        assert!(matches!(History::open_existing(&path), Err(HistoryError::Damaged { .. })));
        assert!(is_missing != path.exists());
    }
    assert_eq!(fs::read(beside("-wal")).unwrap(), b"rows");
    fs::remove_file(beside("-wal")).unwrap();
    History::open(&path).unwrap();
    // For SQLite a file of one byte is empty, too.
    fs::remove_file(beside("-store-0123")).unwrap();
    fs::write(&path, "x").unwrap();
    fs::write(beside("-wal"), "rows").unwrap();
    assert!(matches!(History::open(&path), Err(HistoryError::Damaged { .. })));
    // An empty log has no rows.
    fs::remove_file(&path).unwrap();
    fs::write(beside("-wal"), "").unwrap();
    History::open(&path).unwrap();
    fs::write(&path, "").unwrap();
    History::open(&path).unwrap();
    assert!(!bytes.is_empty());
}

#[test]
fn overwritten_bytes_are_an_error_once_they_are_met_and_then_for_everything() {
    let (_folder, path, bytes) = closed();
    let (mut at_start, mut while_running) = (0, 0);
    for page in 0..bytes.len() / PAGE {
        let mut damaged = bytes.clone();
        damaged[page * PAGE..(page + 1) * PAGE].fill(0xaa);
        fs::write(&path, &damaged).unwrap();
        let history = match History::open(&path) {
            Ok(history) => history,
            Err(error) => {
                assert!(matches!(error, HistoryError::Damaged { .. }), "page {page}: {error}");
                assert!(fs::read(&path).unwrap() == damaged, "page {page}: it was changed");
                at_start += 1;
                continue;
            }
        };
        if let Err(error) = use_all(&history) {
            assert!(matches!(error, HistoryError::Damaged { .. }), "page {page}: {error}");
            while_running += 1;
            for again in [history.touch(), history.latest(Path::new("/s"), "1").map(drop)] {
                assert!(matches!(again, Err(HistoryError::Damaged { .. })), "page {page}: {again:?}");
            }
        }
        drop(history);
        let log = path.with_extension("db-wal");
        let _ = fs::remove_file(log);
    }
    assert!(at_start > 0 && while_running > 10, "{at_start} {while_running}");
}

/// SQLite ends a log at the first frame whose checksum is wrong. What was before it is there.
#[test]
fn a_damaged_log_loses_no_earlier_row() {
    let (folder, history) = history();
    let path = history.path().to_owned();
    let log = folder.path().join("data/history.db-wal");
    let mut ends = vec![];
    for n in 0..20 {
        history.record_received(&received(n, Path::new("/s"), &n.to_string(), b"x")).unwrap();
        ends.push(fs::metadata(&log).unwrap().len());
    }
    let (main, bytes) = (fs::read(&path).unwrap(), fs::read(&log).unwrap());
    drop(history);
    let copy = folder.path().join("copy.db");
    let copied_log = folder.path().join("copy.db-wal");
    for (n, end) in ends.into_iter().enumerate() {
        let mut damaged = bytes.clone();
        let at = usize::try_from(end).unwrap() - 100;
        damaged[at..at + 8].fill(0xaa);
        fs::write(&copy, &main).unwrap();
        fs::write(&copied_log, damaged).unwrap();
        let rows = History::open(&copy).unwrap().entries(&Filter::default()).unwrap();
        assert_eq!(rows.len(), n);
        for file in ["copy.db", "copy.db-wal", "copy.db-shm"] {
            let _ = fs::remove_file(folder.path().join(file));
        }
    }
}

/// After an error of the disk SQLite may report damage that is only in its memory.
#[test]
fn damage_that_is_not_in_the_file_is_forgotten() {
    let (folder, history) = history();
    let other = folder.path().join("letter");
    fs::write(&other, "this is a letter, and no database at all\n".repeat(400)).unwrap();
    let is_confused = || *history.connection.lock() = Connection::open(&other).unwrap();
    is_confused();
    history.record_received(&received(1, Path::new("/s"), "a", b"x")).unwrap();
    is_confused();
    assert!(history.latest(Path::new("/s"), "a").unwrap().is_some());
    // A newer upseal has changed the file.
    history.connection.lock().pragma_update(None, "user_version", 99).unwrap();
    is_confused();
    assert!(matches!(history.touch(), Err(HistoryError::Newer { found: 99, .. })));
}

#[test]
fn a_start_that_finds_the_history_locked_says_who_holds_it() {
    let (_folder, path, _) = closed();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    // WAL: a reader does not wait, and a start with nothing to write neither.
    let history = History::open(&path).unwrap();
    let error = history.touch().unwrap_err();
    let shown = format!(
        "cannot write to the history in {path}: another program has locked it (`fuser {path}` shows which)",
        path = path.display()
    );
    assert!(error.to_string() == shown && !error.advice().is_empty(), "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    history.touch().unwrap();
}
