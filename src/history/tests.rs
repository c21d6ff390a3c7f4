use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::digest::Digest;
use crate::event::{Kept, Learned, Took, Variant};

pub(super) fn history() -> (TempDir, History) {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(&folder.path().join("data/history.db")).unwrap();
    (folder, history)
}

pub(super) fn sent(at_ms: i64, name: &str, outcome: Outcome) -> Sent {
    Sent {
        at_ms,
        address: "lab.example:4321".to_owned(),
        key: Some(Digest::of(b"key")),
        variant: Variant::Cp2,
        name: name.to_owned(),
        path: PathBuf::from("/home/me").join(name),
        size: 9,
        digest: Some(Digest::of(name.as_bytes())),
        outcome,
        stored_name: Some(format!("recv_{name}")),
        receipt: Some(PathBuf::from("/r").join(name)),
        seconds: 0.5,
        predicted: Some(0.4),
        wire_bytes: 12,
        why: Some("because".to_owned()),
    }
}

pub(super) fn received(at_ms: i64, store: &Path, name: &str, content: &[u8]) -> Received {
    Received {
        at_ms,
        peer: "127.0.0.1:50000".to_owned(),
        store: store.to_owned(),
        name: name.to_owned(),
        kept: Kept::New,
        size: content.len() as u64,
        digest: Some(Digest::of(content)),
        variant: Variant::Cp1,
        seconds: 0.25,
        receipt: None,
    }
}

#[test]
fn rows_come_back_as_they_were_recorded_the_newest_first() {
    let (_folder, history) = history();
    let bare = Sent {
        key: None,
        digest: None,
        stored_name: None,
        receipt: None,
        why: None,
        size: 10 << 40,
        ..sent(2, "b \u{202e}\n.txt", Outcome::Failed)
    };
    let arrived = received(3, Path::new("/store"), "größe", b"x");
    let found = Recovered {
        at_ms: 4,
        store: PathBuf::from("/store"),
        name: "lost".to_owned(),
        origin: Origin::Amended,
        size: 1,
        digest: Some(Digest::of(b"y")),
        receipt: None,
    };
    let accepted = Recovered { at_ms: 5, origin: Origin::Accepted, digest: None, ..found.clone() };
    history.record_sent(&sent(1, "a", Outcome::Stored)).unwrap();
    history.record_sent(&bare).unwrap();
    history.record_received(&arrived).unwrap();
    history.record_recovered(&found).unwrap();
    history.record_recovered(&accepted).unwrap();
    let expected = [
        Entry::Recovered(accepted),
        Entry::Recovered(found),
        Entry::Received(arrived),
        Entry::Sent(bare),
        Entry::Sent(sent(1, "a", Outcome::Stored)),
    ];
    assert_eq!(history.entries(&Filter::default()).unwrap(), expected);
}

#[test]
fn paths_that_are_not_text_survive() {
    let (_folder, history) = history();
    let odd = PathBuf::from(OsStr::from_bytes(b"/home/\xff\xfe/a"));
    let sent = Sent { path: odd.clone(), receipt: Some(odd.clone()), ..sent(1, "a", Outcome::Stored) };
    let received = received(2, &odd, "a", b"");
    history.record_sent(&sent).unwrap();
    history.record_received(&received).unwrap();
    assert_eq!(history.in_effect(&odd).unwrap(), [Entry::Received(received.clone())]);
    assert_eq!(history.entries(&Filter::default()).unwrap(), [Entry::Received(received), Entry::Sent(sent)]);
}

#[test]
fn every_outcome_variant_and_fate_is_read_back() {
    let (_folder, history) = history();
    let store = Path::new("/s");
    for outcome in
        [Outcome::Stored, Outcome::Delivered, Outcome::Altered, Outcome::Failed, Outcome::Cancelled]
    {
        history.record_sent(&sent(1, outcome.word(), outcome)).unwrap();
    }
    let kinds = [Kept::New, Kept::Renamed, Kept::Same, Kept::Amended, Kept::Discarded];
    for (kept, variant) in kinds.into_iter().zip(Variant::ALL.into_iter().cycle()) {
        history.record_received(&Received { kept, variant, ..received(2, store, "a", b"") }).unwrap();
    }
    for entry in history.entries(&Filter::default()).unwrap() {
        match entry {
            Entry::Sent(row) => assert_eq!(row.name, row.outcome.word()),
            Entry::Received(row) => {
                let at = kinds.iter().position(|kept| *kept == row.kept).unwrap();
                assert_eq!(row.variant, Variant::ALL[at % 4]);
            }
            Entry::Recovered(_) => panic!("{entry:?}"),
        }
    }
}

#[test]
fn the_filter_selects_rows() {
    let (_folder, history) = history();
    let store = Path::new("/s");
    history.record_sent(&sent(10, "Bericht.PDF", Outcome::Stored)).unwrap();
    history.record_sent(&sent(20, "ÄRGER_1.txt", Outcome::Failed)).unwrap();
    let elsewhere = Sent { address: "other:1".to_owned(), ..sent(30, "c", Outcome::Cancelled) };
    history.record_sent(&elsewhere).unwrap();
    history.record_received(&received(40, store, "bericht (2).pdf", b"")).unwrap();
    let all = Filter::default();
    let name = |name: &str| Filter { name: Some(name.to_owned()), ..all.clone() };
    let direction = |one| Filter { direction: Some(one), ..all.clone() };
    let server = |address: &str| Filter { server: Some(address.parse().unwrap()), ..all.clone() };
    let table = [
        (all.clone(), vec![40, 30, 20, 10]),
        (Filter { limit: Some(2), ..all.clone() }, vec![40, 30]),
        (Filter { limit: Some(0), ..all.clone() }, vec![]),
        (direction(Direction::Sent), vec![30, 20, 10]),
        (direction(Direction::Received), vec![40]),
        (name("bericht"), vec![40, 10]),
        (name("ärger"), vec![20]),
        // Wildcards of SQL's LIKE.
        (name("%"), vec![]),
        (name("R_1"), vec![20]),
        (name("t_x"), vec![]),
        (Filter { since_ms: Some(20), ..all.clone() }, vec![40, 30, 20]),
        (Filter { since_ms: Some(41), ..all.clone() }, vec![]),
        (Filter { failed: true, ..all.clone() }, vec![30, 20]),
        (server("LAB.example:4321"), vec![20, 10]),
        (server("lab.example:432"), vec![]),
        (Filter { failed: true, direction: Some(Direction::Received), ..all.clone() }, vec![]),
        (Filter { limit: Some(1), ..name("bericht") }, vec![40]),
    ];
    for (filter, expected) in table {
        let found: Vec<i64> = history.entries(&filter).unwrap().iter().map(Entry::at_ms).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

#[test]
fn the_latest_row_of_a_name_in_a_store_is_in_effect() {
    let (_folder, history) = history();
    let (one, other) = (Path::new("/one"), Path::new("/other"));
    history.record_received(&received(9, one, "b", b"b")).unwrap();
    history.record_received(&received(8, one, "a", b"begin")).unwrap();
    history.record_received(&received(8, other, "a", b"another")).unwrap();
    // Also if the clock was set back in between.
    let more = Received { kept: Kept::Amended, ..received(7, one, "a", b"begin and more") };
    history.record_received(&more).unwrap();
    let raced = Received { kept: Kept::Discarded, ..received(9, one, "race-cp1-a", b"x") };
    history.record_received(&raced).unwrap();
    history.record_receipt(one, "a", Digest::of(b"statement")).unwrap();
    history.record_receipt(one, "missing.txt", Digest::of(b"statement")).unwrap();
    let more = Received { receipt: Some(Digest::of(b"statement")), ..more };
    let expected = [Entry::Received(more), Entry::Received(received(9, one, "b", b"b"))];
    assert_eq!(history.in_effect(one).unwrap(), expected);
}

#[test]
fn only_a_receipt_of_this_server_for_this_name_and_content_counts() {
    let (_folder, history) = history();
    history.record_sent(&sent(1, "stored", Outcome::Stored)).unwrap();
    history.record_sent(&sent(1, "delivered", Outcome::Delivered)).unwrap();
    let (key, of) = (Digest::of(b"key"), |name: &str| Digest::of(name.as_bytes()));
    let receipted = history.receipted(key, "stored", of("stored")).unwrap().unwrap();
    let row = sent(1, "stored", Outcome::Stored);
    assert_eq!(
        (receipted.at_ms, receipted.stored_name, receipted.receipt),
        (1, row.stored_name, row.receipt)
    );
    for (key, name, digest) in [
        (key, "delivered", of("delivered")),
        (Digest::of(b"other"), "stored", of("stored")),
        (key, "renamed", of("stored")),
        (key, "stored", of("changed")),
    ] {
        assert_eq!(history.receipted(key, name, digest).unwrap(), None, "{name}");
    }
}

#[test]
fn a_seen_digest_is_remembered_until_it_expires() {
    let (folder, history) = history();
    let (early, late) = (Digest::of(b"early"), Digest::of(b"late"));
    history.remember(&[(Seen::SessionKey, early), (Seen::Token, late)], 100).unwrap();
    // Until the later of the two times, in either order.
    history.remember(&[(Seen::Token, late)], 300).unwrap();
    history.remember(&[(Seen::Token, late)], 200).unwrap();
    drop(history);
    let history = History::open(&folder.path().join("data/history.db")).unwrap();
    assert!(history.is_seen(Seen::SessionKey, early).unwrap());
    assert!(!history.is_seen(Seen::FirstBlock, early).unwrap(), "another kind of digest");
    history.forget_expired(100).unwrap();
    assert!(history.is_seen(Seen::SessionKey, early).unwrap(), "its last second");
    history.forget_expired(101).unwrap();
    assert!(!history.is_seen(Seen::SessionKey, early).unwrap());
    history.forget_expired(300).unwrap();
    assert!(history.is_seen(Seen::Token, late).unwrap());
}

#[test]
fn of_two_that_remember_the_same_digest_only_one_is_first() {
    let (_folder, history) = history();
    let of = |n: u8| (Seen::FirstBlock, Digest([n; 32]));
    assert!(history.remember_new(&[of(1), of(2)], 100).unwrap());
    assert!(!history.remember_new(&[of(3), of(2)], 100).unwrap());
    assert!(!history.is_seen(of(3).0, of(3).1).unwrap(), "all of it or nothing");
    history.forget(&[of(1), of(2)]).unwrap();
    assert!(history.remember_new(&[of(3), of(2)], 100).unwrap());
}

#[test]
fn more_expired_digests_than_one_step_are_forgotten() {
    let (_folder, history) = history();
    let of = |n: usize| (Seen::Token, Digest::of(&n.to_be_bytes()));
    let many: Vec<_> = (0..=2 * replay::CHUNK).map(of).collect();
    history.remember(&many, 10).unwrap();
    history.remember(&[of(usize::MAX)], 11).unwrap();
    assert!(history.forget_expired(11).unwrap() && history.forget_expired(11).unwrap());
    assert!(!history.forget_expired(11).unwrap());
    let left: i64 =
        history.connection.lock().query_row("SELECT count(*) FROM seen", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1);
}

#[test]
fn an_announcement_stays_until_its_row_or_its_withdrawal() {
    let (_folder, history) = history();
    let store = Path::new("/s");
    let of = |want: &str| Announced {
        want: want.to_owned(),
        replaces: (want == "b").then(|| "b (2)".to_owned()),
        size: 3,
        digest: (want != "c").then(|| Digest::of(b"abc")),
    };
    let all = [of("a"), of("b"), of("c")];
    let ids = history.announce(store, &all).unwrap();
    assert!(history.announced(Path::new("/other")).unwrap().is_empty());
    let found: Vec<Announced> = history.announced(store).unwrap().into_iter().map(|(_, one)| one).collect();
    assert_eq!(found, all);
    history.record_all_received(&[received(1, store, "a", b"abc")], &ids[..1]).unwrap();
    history.withdraw(&ids[1..2]).unwrap();
    assert_eq!(history.announced(store).unwrap(), [(ids[2], of("c"))]);
    // Only the announcements wait for the disk.
    let synchronous: i64 =
        history.connection.lock().pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    assert_eq!(synchronous, 1);
}

#[test]
fn the_file_and_its_folder_are_private() {
    let (folder, history) = history();
    history.record_sent(&sent(1, "a", Outcome::Stored)).unwrap();
    let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("data"), 0o700);
    for file in ["history.db", "history.db-wal", "history.db-shm"] {
        assert_eq!(mode(&format!("data/{file}")), 0o600, "{file}");
    }
}

#[test]
fn a_file_that_is_not_a_history_is_an_error_and_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    assert!(History::open_existing(&path).unwrap().is_none());
    assert!(!path.exists(), "reading creates nothing");
    let text = "this is a letter, and no database at all\n".repeat(40);
    fs::write(&path, &text).unwrap();
    let why = History::open(&path).unwrap_err().to_string();
    assert!(why.starts_with(&format!("cannot open the history in {}: ", path.display())), "{why}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let inside = History::open(&path.join("inside")).unwrap_err();
    assert!(matches!(inside, HistoryError::NotCreated { .. }), "{inside}");
}

#[test]
fn a_file_of_a_newer_version_is_refused_unchanged() {
    let (folder, history) = history();
    history.connection.lock().pragma_update(None, "user_version", 99).unwrap();
    drop(history);
    let path = folder.path().join("data/history.db");
    let before = fs::read(&path).unwrap();
    let why = History::open(&path).unwrap_err().to_string();
    assert!(why.ends_with(": 99 (supported: up to 7)"), "{why}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn an_older_file_gets_the_missing_migrations() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let known = i64::try_from(schema::MIGRATIONS.len()).unwrap();
    let old = History::open(&path).unwrap();
    old.record_sent(&sent(1, "a", Outcome::Stored)).unwrap();
    drop(old);
    let later = "ALTER TABLE sent ADD COLUMN colour TEXT NOT NULL DEFAULT 'green'";
    let steps: Vec<&str> = schema::MIGRATIONS.iter().copied().chain([later]).collect();
    let mut connection = Connection::open(&path).unwrap();
    // A migration that fails leaves the file unchanged.
    let broken: Vec<&str> = steps.iter().copied().chain(["ALTER TABLE nothing RENAME TO less"]).collect();
    schema::migrate(&mut connection, &broken).unwrap_err();
    let had = schema::version(&connection).unwrap();
    assert_eq!(had, known);
    for _ in 0..2 {
        schema::migrate(&mut connection, &steps).unwrap();
        assert_eq!(schema::version(&connection).unwrap(), had + 1);
    }
    let row = connection.query_row("SELECT name, colour FROM sent", [], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    });
    assert_eq!(row.unwrap(), ("a".to_owned(), "green".to_owned()));
}

#[test]
fn threads_that_share_a_history_lose_no_row() {
    let (_folder, history) = history();
    let history = Arc::new(history);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let history = Arc::clone(&history);
            thread::spawn(move || (0..25).for_each(|i| history.record_sent(&row(i)).unwrap()))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(history.entries(&Filter::default()).unwrap().len(), 100);
}

fn row(i: i64) -> Sent {
    sent(i, "a", Outcome::Stored)
}

/// Runs in another process: writes 50 rows to the file that the variable names.
const ELSEWHERE: &str = "UPSEAL_TEST_LEDGER";

#[test]
fn processes_that_open_a_history_at_once_lose_no_row() {
    if let Some(path) = std::env::var_os(ELSEWHERE) {
        let history = History::open(Path::new(&path)).unwrap();
        (0..50).for_each(|i| history.record_sent(&row(i)).unwrap());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let this = "history::tests::processes_that_open_a_history_at_once_lose_no_row";
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args([this, "--exact", "--test-threads=1"])
            .env(ELSEWHERE, &path)
            .output()
            .unwrap()
    };
    thread::scope(|scope| {
        let others: Vec<_> = (0..3).map(|_| scope.spawn(start)).collect();
        for other in others {
            let output = other.join().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
    });
    let history = History::open(&path).unwrap();
    assert_eq!(history.entries(&Filter::default()).unwrap().len(), 150);
}

/// Runs in another process, which is killed in the middle of its work.
const DYING: &str = "UPSEAL_TEST_LEDGER_DYING";

#[test]
fn a_row_survives_the_death_of_its_program() {
    if let Some(path) = std::env::var_os(DYING) {
        let history = History::open(Path::new(&path)).unwrap();
        (0..50).for_each(|i| history.record_sent(&row(i)).unwrap());
        let pid = rustix::process::getpid();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let this = "history::tests::a_row_survives_the_death_of_its_program";
    let output = Command::new(std::env::current_exe().unwrap())
        .args([this, "--exact", "--test-threads=1"])
        .env(DYING, &path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), None, "it was killed: {output:?}");
    let history = History::open(&path).unwrap();
    assert_eq!(history.entries(&Filter::default()).unwrap().len(), 50);
}

/// The third migration copies a table.
#[test]
fn the_third_migration_keeps_received_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let mut connection = Connection::open(&path).unwrap();
    schema::migrate(&mut connection, &schema::MIGRATIONS[..2]).unwrap();
    let sql = "INSERT INTO received (at_ms, peer, store, name, folded, kept, size, digest, variant, seconds)
               VALUES (7, 'p', x'2f73', 'A', 'a', 'new', 3, zeroblob(32), 'cp2', 0.5)";
    connection.execute(sql, []).unwrap();
    drop(connection);
    let history = History::open(&path).unwrap();
    let unhashed = Received { digest: None, ..received(8, Path::new("/s"), "b", b"unhashed") };
    history.record_received(&unhashed).unwrap();
    let rows = history.entries(&Filter::default()).unwrap();
    let digests: Vec<_> = rows.iter().map(|row| (row.name().to_owned(), row.digest())).collect();
    assert_eq!(digests, [("b".to_owned(), None), ("A".to_owned(), Some(Digest([0; 32])))]);
}

/// The seventh migration adds columns.
#[test]
fn the_seventh_migration_keeps_rows_and_what_must_not_be_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let mut connection = Connection::open(&path).unwrap();
    schema::migrate(&mut connection, &schema::MIGRATIONS[..6]).unwrap();
    let sql = "INSERT INTO received (at_ms, peer, store, name, folded, kept, size, digest, variant, seconds)
               VALUES (7, 'p', x'2f73', 'A', 'a', 'new', 3, zeroblob(32), 'cp2', 0.5);
               INSERT INTO store VALUES (x'2f73', 1);
               INSERT INTO announced (store, want, size) VALUES (x'2f73', 'B', 9);
               INSERT INTO seen VALUES (1, zeroblob(32), 100);";
    connection.execute_batch(sql).unwrap();
    drop(connection);
    let history = History::open(&path).unwrap();
    let store = Path::new("/s");
    assert_eq!(history.latest(store, "A").unwrap().map(|row| row.size()), Some(3));
    assert!(history.is_seen(Seen::SessionKey, Digest([0; 32])).unwrap());
    assert_eq!(history.announced(store).unwrap().len(), 1);
    assert_eq!(history.pruned_before().unwrap(), None);
    assert!(!history.remember_new(&[(Seen::SessionKey, Digest([0; 32]))], 100).unwrap());
}

#[test]
fn past_durations_are_grouped_by_server_and_variant() {
    let (_folder, history) = history();
    let mib = 1 << 20;
    let of = |address: &str, variant, size, seconds| Sent {
        address: address.to_owned(),
        variant,
        size,
        seconds,
        ..sent(1, "a", Outcome::Stored)
    };
    let mut rows = vec![of("lab:1", Variant::Cp2, 900 * mib, 1.0)];
    // More rows than are considered: the oldest does not count.
    rows.extend((0..20).map(|_| of("lab:1", Variant::Cp2, 4 * mib, 2.0)));
    rows.push(of("lab:1", Variant::Cp1, 3 * mib, 6.0));
    rows.extend((0..9).map(|_| of("small:1", Variant::Cp2, 17, 0.5)));
    rows.push(Sent { outcome: Outcome::Failed, ..of("failed:1", Variant::Cp2, 9 * mib, 1.0) });
    rows.push(of("never:1", Variant::Cp2, 9 * mib, 0.0));
    history.record_all_sent(&rows).unwrap();
    let files = |number: usize, size: u64, seconds| vec![Took { bytes: size, seconds, pace: None }; number];
    let learned = |address: &str, variant, files| Learned { address: address.to_owned(), variant, files };
    assert_eq!(
        history.rates().unwrap(),
        [
            learned("lab:1", Variant::Cp1, files(1, 3 * mib, 6.0)),
            learned("lab:1", Variant::Cp2, files(20, 4 * mib, 2.0)),
            // Small files show what an upload costs, and nothing about the rate.
            learned("small:1", Variant::Cp2, files(5, 17, 0.5)),
        ]
    );
}

#[test]
fn a_transaction_that_a_failure_left_open_does_not_stop_later_ones() {
    let (_folder, history) = history();
    history.connection.lock().execute_batch("BEGIN IMMEDIATE").unwrap();
    history.record_received(&received(1, Path::new("/inbox"), "a.bin", b"aaaa")).unwrap();
    assert!(history.connection.lock().is_autocommit());
}
