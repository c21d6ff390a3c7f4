use std::thread;

use super::super::tests::{history, received};
use super::super::{Entry, Filter};
use super::*;
use crate::store::FileName;

const KEY: Seen = Seen::SessionKey;

fn digest(n: u8) -> (Seen, Digest) {
    (KEY, Digest([n; 32]))
}

/// Makes every write to these tables fail at once, as a full disk does.
fn fill_up(serving: &Serving) {
    for table in ["seen", "received", "announced"] {
        execute(
            serving,
            &format!(
                "CREATE TRIGGER full_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END"
            ),
        );
    }
}

fn make_room(serving: &Serving) {
    for table in ["seen", "received", "announced"] {
        execute(serving, &format!("DROP TRIGGER full_{table}"));
    }
}

fn execute(serving: &Serving, sql: &str) {
    serving.history.write(|file| file.execute_batch(sql)).unwrap();
}

/// Creates a store with its history.
fn serving() -> (tempfile::TempDir, tempfile::TempDir, Arc<Serving>) {
    let (folder, history) = history();
    let store = tempfile::tempdir().unwrap();
    let (serving, _) = Serving::open(Arc::new(history), store.path(), 100, 1000).unwrap();
    (folder, store, serving)
}

fn is_replay(result: &Result<(), ClaimError>) -> bool {
    matches!(result, Err(ClaimError::Replay(KEY)))
}

#[test]
fn of_several_that_claim_the_same_at_once_one_succeeds() {
    let (_folder, _store, serving) = serving();
    for is_full in [false, true] {
        if is_full {
            // The history cannot tell which was first.
            fill_up(&serving);
        }
        let one = digest(u8::from(is_full));
        let claims: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| serving.claim(&[one]))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(claims.iter().filter(|claim| claim.is_ok()).count(), 1);
        assert!(claims.iter().filter(|claim| claim.is_err()).all(is_replay));
    }
}

#[test]
fn a_failed_file_releases_its_claim_and_a_stored_one_keeps_it() {
    let (_folder, _store, serving) = serving();
    for full in [false, true] {
        if full {
            fill_up(&serving);
        }
        let one = digest(u8::from(full));
        serving.claim(&[one]).unwrap();
        assert!(serving.is_seen(one.0, one.1).unwrap());
        serving.release(&[one]);
        assert!(!serving.is_seen(one.0, one.1).unwrap());
        serving.claim(&[one]).unwrap();
        serving.confirm(&[one]);
        assert!(is_replay(&serving.claim(&[one])));
        assert!(is_replay(&serving.claim(&[digest(77), one])), "with another one");
        assert!(!serving.is_seen(KEY, digest(77).1).unwrap());
    }
}

#[test]
fn claims_are_in_the_history_before_their_file_is_stored() {
    let (_folder, _store, serving) = serving();
    serving.claim(&[digest(1)]).unwrap();
    // A crash at this point loses nothing.
    assert!(serving.history.is_seen(KEY, digest(1).1).unwrap());
}

#[test]
fn a_claim_that_cannot_be_written_or_remembered_is_refused() {
    let (_folder, _store, serving) = serving();
    let mut serving = Arc::into_inner(serving).unwrap();
    serving.most_claims = 2;
    fill_up(&serving);
    for n in [1, 2] {
        serving.claim(&[digest(n)]).unwrap();
        serving.confirm(&[digest(n)]);
    }
    assert!(matches!(serving.claim(&[digest(3)]), Err(ClaimError::Full)));
    assert!(is_replay(&serving.claim(&[digest(2)])));
    make_room(&serving);
    serving.keep_up(0).unwrap();
    assert!(is_replay(&serving.claim(&[digest(1)])), "it is in the history now");
    serving.claim(&[digest(3)]).unwrap();
    execute(&serving, "DROP TABLE seen");
    assert!(matches!(serving.claim(&[digest(4)]), Err(ClaimError::History(_))));
}

#[test]
fn rows_that_could_not_be_written_precede_the_next_row() {
    let (_folder, store, serving) = serving();
    let store = store_path(store.path()).unwrap();
    fill_up(&serving);
    for name in ["a", "b"] {
        let failed = serving.record(vec![received(1, &store, name, b"x")], &[]).unwrap_err();
        assert!(failed.waits, "{}", failed.why);
    }
    make_room(&serving);
    serving.record(vec![received(1, &store, "c", b"x")], &[]).unwrap();
    let rows = serving.history.entries(&Filter::default()).unwrap();
    assert_eq!(rows.iter().map(Entry::name).collect::<Vec<_>>(), ["c", "b", "a"]);
}

#[test]
fn waiting_rows_are_written_at_the_end() {
    let (_folder, store, serving) = serving();
    let history = Arc::clone(&serving.history);
    let store = store_path(store.path()).unwrap();
    fill_up(&serving);
    serving.claim(&[digest(1)]).unwrap();
    serving.confirm(&[digest(1)]);
    serving.record(vec![received(1, &store, "a", b"x")], &[]).unwrap_err();
    make_room(&serving);
    drop(serving);
    assert_eq!(history.entries(&Filter::default()).unwrap().len(), 1);
    assert!(history.is_seen(KEY, digest(1).1).unwrap());
}

fn coming(name: &str) -> Coming {
    let want = FileName::from_wire(name.as_bytes()).unwrap();
    Coming { want, replaces: None, size: 1, digest: Some(Digest::of(b"x")) }
}

#[test]
fn an_announcement_is_replaced_by_its_row() {
    let (_folder, store, serving) = serving();
    let store = store_path(store.path()).unwrap();
    serving.announce(&[coming("a"), coming("a"), coming("b"), coming("c")]);
    let left = || serving.history.announced(&store).unwrap().len();
    assert_eq!(left(), 4);
    let of = |name: &str| Announced::from(&coming(name));
    serving
        .record(vec![received(1, &store, "a", b"x"), received(1, &store, "b", b"x")], &[of("a"), of("b")])
        .unwrap();
    assert_eq!(left(), 2);
    serving.withdraw(&[of("c"), of("never")]);
    serving.record(vec![received(1, &store, "a (2)", b"x")], &[of("a")]).unwrap();
    assert_eq!(left(), 0);
    assert!(serving.state.lock().announced.is_empty());
}

#[test]
fn a_start_repairs_only_while_no_other_server_publishes_there() {
    let (folder, store, serving) = serving();
    let path = store_path(store.path()).unwrap();
    std::fs::write(path.join("a"), "x").unwrap();
    serving.announce(&[coming("a")]);
    let start = || {
        let history = Arc::new(History::open(&folder.path().join("data/history.db")).unwrap());
        Serving::open(history, &path, 100, 2000).unwrap()
    };
    let (other, repairs) = start();
    assert!(repairs.is_empty(), "{repairs:?}");
    drop((serving, other));
    let (_, repairs) = start();
    assert!(matches!(&repairs[..], [Repair::Recorded(row)] if row.name == "a"), "{repairs:?}");
}

#[test]
fn start_and_maintenance_forget_expired_claims() {
    let (folder, store, serving) = serving();
    serving.claim(&[digest(1)]).unwrap();
    serving.confirm(&[digest(1)]);
    let is_seen = |serving: &Serving| serving.is_seen(KEY, digest(1).1).unwrap();
    serving.keep_up(100).unwrap();
    assert!(is_seen(&serving), "its last second");
    drop(serving);
    let start = |now_ms| {
        let history = Arc::new(History::open(&folder.path().join("data/history.db")).unwrap());
        Serving::open(history, store.path(), 100, now_ms).unwrap().0
    };
    assert!(is_seen(&start(100_999)));
    assert!(!is_seen(&start(101_000)));
}
