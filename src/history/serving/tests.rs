use std::sync::atomic::Ordering;
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
fn maintenance_forgets_expired_claims() {
    let (_folder, _store, serving) = serving();
    serving.claim(&[digest(1)]).unwrap();
    serving.confirm(&[digest(1)]);
    let is_seen = |serving: &Serving| serving.is_seen(KEY, digest(1).1).unwrap();
    serving.keep_up(100).unwrap();
    assert!(is_seen(&serving), "its last second");
    serving.keep_up(101).unwrap();
    assert!(!is_seen(&serving));
}

#[test]
fn claims_of_a_key_are_kept_beyond_its_certificate_while_a_server_has_the_key() {
    const DAY: i64 = 24 * 60 * 60;
    let (folder, store, first) = serving();
    // Of an earlier version, which recorded no key.
    first.claim(&[digest(1)]).unwrap();
    first.confirm(&[digest(1)]);
    drop(first);
    let start = |fingerprint: u8, until| {
        let history = Arc::new(History::open(&folder.path().join("data/history.db")).unwrap());
        let validity = Validity { until, key: Some(Digest([fingerprint; 32]).into()) };
        Serving::open(history, store.path(), validity, 0).unwrap().0
    };
    let is_seen = |serving: &Serving, n| serving.is_seen(KEY, digest(n).1).unwrap();
    let serving = start(1, 50 * DAY);
    serving.claim(&[digest(2)]).unwrap();
    serving.confirm(&[digest(2)]);
    for day in 0..200 {
        // The certificate has expired, and is renewed with the same key in the end.
        serving.keep_up(day * DAY).unwrap();
        if day == 150 {
            serving.renew(Validity { until: 190 * DAY, key: Some(Digest([1; 32]).into()) });
        }
    }
    assert!(is_seen(&serving, 1) && is_seen(&serving, 2));
    drop(serving);
    let other = start(2, 1000 * DAY);
    other.keep_up(200 * DAY).unwrap();
    assert!(is_seen(&other, 2), "a server with this key may come back");
    other.keep_up(240 * DAY).unwrap();
    assert!(!is_seen(&other, 1) && !is_seen(&other, 2));
}

#[test]
fn the_background_maintenance_goes_through_all_rows_and_ends_when_it_is_told_to() {
    let (_folder, store, serving) = serving();
    let path = store_path(store.path()).unwrap();
    let rows: Vec<Received> = (0..1000).map(|_| received(1, &path, "a", b"1")).collect();
    serving.history.record_all_received(&rows, &[]).unwrap();
    let seen: Vec<_> = (0..3 * CHUNK).map(|n| (KEY, Digest::of(&n.to_be_bytes()))).collect();
    serving.history.remember(&seen, 1).unwrap();
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        serving.history.read(|file| file.query_row(&sql, [], |row| row.get::<_, usize>(0))).unwrap()
    };
    let run = |over_after: usize| {
        let mut pauses = 0;
        let mut is_over = || {
            pauses += 1;
            pauses > over_after
        };
        let keep = Some(Duration::from_secs(1));
        upkeep::run(&serving.history, &path, 0.into(), keep, 1_000_000, &mut is_over).unwrap();
    };
    run(0);
    assert_eq!((count("seen"), count("received")), (2 * CHUNK, 1000), "one step");
    run(usize::MAX);
    assert_eq!((count("seen"), count("received")), (0, 1));
    serving.maintain(None).unwrap();
    serving.maintain(None).unwrap();
}

#[test]
fn a_lock_that_stays_delays_one_write_only_and_what_waits_is_written_after_it() {
    let (folder, store, serving) = serving();
    let path = store_path(store.path()).unwrap();
    let locked = rusqlite::Connection::open(folder.path().join("data/history.db")).unwrap();
    locked.execute_batch("BEGIN IMMEDIATE").unwrap();
    for n in 0..5 {
        serving.claim(&[digest(n)]).unwrap();
        serving.confirm(&[digest(n)]);
        let failed = serving.record(vec![received(1, &path, "a", b"x")], &[]).unwrap_err();
        assert!(failed.waits && matches!(failed.why, HistoryError::Locked { .. }), "{}", failed.why);
        assert!(failed.why.to_string().contains("another program has locked it (`fuser "), "{}", failed.why);
    }
    assert!(serving.history.is_locked.load(Ordering::Relaxed), "only the first write waited");
    // A reader does not wait.
    let reader = History::open_existing(&folder.path().join("data/history.db")).unwrap().unwrap();
    assert!(reader.entries(&Filter::default()).unwrap().is_empty());
    locked.execute_batch("ROLLBACK").unwrap();
    serving.record(vec![received(2, &path, "b", b"x")], &[]).unwrap();
    assert!(!serving.history.is_locked.load(Ordering::Relaxed));
    assert_eq!(reader.entries(&Filter::default()).unwrap().len(), 6);
    assert!(reader.is_seen(KEY, digest(4).1).unwrap());
}

#[test]
fn the_announcement_of_a_file_that_failed_and_may_have_its_name_is_written_when_that_is_possible() {
    let announced = |want: &str| Announced::from(&coming(want));
    let (_folder, _store, serving) = serving();
    let names = |history: &History| {
        let all = history.announced(&serving.store).unwrap();
        all.into_iter().map(|(_, announced)| announced.want).collect::<Vec<_>>()
    };
    serving.announce(&[coming("known")]);
    fill_up(&serving);
    serving.announce(&[coming("lost")]);
    for want in ["known", "lost"] {
        serving.leave(announced(want));
    }
    serving.keep_up(0).unwrap_err();
    assert_eq!(names(&serving.history), ["known"]);
    make_room(&serving);
    serving.keep_up(0).unwrap();
    serving.keep_up(0).unwrap();
    assert_eq!(names(&serving.history), ["known", "lost"], "each once");
    // The end of the server writes it, too.
    fill_up(&serving);
    serving.announce(&[coming("last")]);
    make_room(&serving);
    serving.leave(announced("last"));
    let (history, store) = (Arc::clone(&serving.history), serving.store.clone());
    drop(serving);
    assert_eq!(history.announced(&store).unwrap().len(), 3);
}

#[test]
fn what_waits_at_the_end_is_written_whatever_it_is() {
    let (rows, claims, announcements) = (1, 2, 4);
    for what in [rows, claims, announcements] {
        let (_folder, store, serving) = serving();
        let (history, store) = (Arc::clone(&serving.history), store_path(store.path()).unwrap());
        fill_up(&serving);
        match what {
            1 => drop(serving.record(vec![received(1, &store, "a", b"x")], &[]).unwrap_err()),
            2 => {
                serving.claim(&[digest(1)]).unwrap();
                serving.confirm(&[digest(1)]);
            }
            _ => serving.leave(Announced::from(&coming("a"))),
        }
        make_room(&serving);
        drop(serving);
        let written = [
            history.entries(&Filter::default()).unwrap().len(),
            usize::from(history.is_seen(KEY, digest(1).1).unwrap()),
            history.announced(&store).unwrap().len(),
        ];
        assert_eq!(written, [rows, claims, announcements].map(|one| usize::from(one == what)));
    }
}

#[test]
fn a_limited_number_of_rows_and_announcements_waits() {
    let (_folder, store, serving) = serving();
    let store = store_path(store.path()).unwrap();
    fill_up(&serving);
    for round in 0..2 {
        let full = vec![received(1, &store, "a", b"x"); MOST_ROWS - 1];
        assert!(serving.record(full, &[]).unwrap_err().waits, "round {round}");
        assert!(serving.record(vec![received(1, &store, "b", b"x")], &[]).unwrap_err().waits);
        assert!(!serving.record(vec![received(1, &store, "c", b"x")], &[]).unwrap_err().waits);
        assert_eq!(serving.state.lock().waiting_rows, MOST_ROWS);
        make_room(&serving);
        serving.keep_up(0).unwrap();
        assert_eq!(serving.state.lock().waiting_rows, 0, "there is room again");
        fill_up(&serving);
    }
    for n in 0..=MOST_ROWS {
        serving.leave(Announced::from(&coming(&n.to_string())));
    }
    assert_eq!(serving.state.lock().unannounced.len(), MOST_ROWS);
}
