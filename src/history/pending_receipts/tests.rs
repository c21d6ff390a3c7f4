use std::path::Path;

use super::super::tests::{history, sent};
use super::super::{Entry, Filter};
use super::*;

fn asked(name: &str) -> PendingReceipt {
    let why = Some("nothing is known".to_owned());
    let sent = Sent { stored_name: None, receipt: None, why, ..sent(1, name, Outcome::Failed) };
    PendingReceipt { ordinal: 7, receipts: Some("/r".into()), sent }
}

fn names(history: &History) -> Vec<String> {
    history.entries(&Filter::default()).unwrap().iter().map(|row| row.name().to_owned()).collect()
}

#[test]
fn pending_entries_become_their_own_rows_only() {
    let (_folder, history) = history();
    assert!(!history.has_pending_receipts().unwrap());
    assert!(history.record_pending_receipts(&[]).unwrap().is_none());
    let first = history.record_pending_receipts(&[asked("a"), asked("b")]).unwrap().unwrap();
    let second = history.record_pending_receipts(&[asked("c")]).unwrap().unwrap();
    assert!(history.has_pending_receipts().unwrap());
    assert_eq!(names(&history), [""; 0], "they are invisible until they are resolved");
    history
        .resolve_pending_receipts(&first, &[sent(2, "a", Outcome::Stored), sent(2, "b", Outcome::Altered)])
        .unwrap();
    assert_eq!(names(&history), ["b", "a"]);
    drop((first, second));
    let alone = history.lock_abandoned_receipts().unwrap();
    assert_eq!(history.abandoned_receipts(&alone).unwrap(), [asked("c")]);
    history.resolve_abandoned_receipts(&alone, &[sent(3, "c", Outcome::Failed)]).unwrap();
    assert!(!history.has_pending_receipts().unwrap());
    let history = history.entries(&Filter::default()).unwrap();
    assert_eq!(history[0], Entry::Sent(sent(3, "c", Outcome::Failed)));
    assert_eq!(history.len(), 3);
}

#[test]
fn an_entry_is_read_back_as_it_was_written() {
    let (_folder, history) = history();
    let bare = PendingReceipt {
        receipts: None,
        sent: Sent { key: None, why: None, ..asked("b").sent },
        ..asked("b")
    };
    drop(history.record_pending_receipts(&[asked("a"), bare.clone()]).unwrap());
    assert_eq!(
        history.abandoned_receipts(&history.lock_abandoned_receipts().unwrap()).unwrap(),
        [asked("a"), bare]
    );
}

/// Two processes may wait at once. Abandoned entries are resolved only while none does.
#[test]
fn a_waiting_process_does_not_count_as_dead() {
    let (folder, history) = history();
    let other = History::open(&folder.path().join("data/history.db")).unwrap();
    let (mine, others) = (
        history.record_pending_receipts(&[asked("a")]).unwrap(),
        other.record_pending_receipts(&[asked("b")]).unwrap(),
    );
    assert!(history.lock_abandoned_receipts().is_none());
    drop(mine);
    assert!(history.lock_abandoned_receipts().is_none());
    drop(others);
    assert!(history.lock_abandoned_receipts().is_some());
    assert!(history.names_receipt(Path::new("/r/a"), 0).is_ok_and(|named| !named));
}

#[test]
fn a_receipt_is_named_by_the_rows_that_were_written_after_it() {
    let (_folder, history) = history();
    history.record_sent(&sent(10, "a", Outcome::Stored)).unwrap();
    for (receipt, since_ms, named) in [("/r/a", 10, true), ("/r/a", 11, false), ("/r/b", 0, false)] {
        assert_eq!(
            history.names_receipt(Path::new(receipt), since_ms).unwrap(),
            named,
            "{receipt} {since_ms}"
        );
    }
}

#[test]
fn a_lock_that_cannot_be_taken_is_reported() {
    let temp = tempfile::tempdir().unwrap();
    let history = History::open(&temp.path().join("history.db")).unwrap();
    // A folder has the name of the lock file.
    std::fs::create_dir(temp.path().join("history.db-asked")).unwrap();
    let error = history.record_pending_receipts(&[asked("a")]).unwrap_err();
    assert!(matches!(error, HistoryError::PendingReceipts { .. }), "{error}");
    assert!(!history.has_pending_receipts().unwrap());
    assert!(history.lock_abandoned_receipts().is_none());
}
