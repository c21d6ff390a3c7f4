//! Runs `upseal history` and `upseal audit` on rows that the library wrote.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;
mod program;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use program::{Home, words};
use rustix::process::Signal;
use serde_json::Value;
use upseal::Digest;
use upseal::event::{Kept, Variant};
use upseal::testing::history::{Announced, Filter, History, Outcome, Received, Sent, repair};

/// 2027-01-15, 08:00 UTC.
const AT_MS: i64 = 1_800_000_000_000;

fn sent(name: &str, address: &str, outcome: Outcome) -> Sent {
    Sent {
        at_ms: AT_MS,
        address: address.to_owned(),
        key: Some(Digest::of(b"key")),
        variant: Variant::Cp2,
        name: name.to_owned(),
        path: PathBuf::from("/home/me").join(name),
        size: 8 << 20,
        digest: Some(Digest::of(name.as_bytes())),
        outcome,
        stored_name: None,
        receipt: None,
        seconds: 2.0,
        predicted: None,
        wire_bytes: 11 << 20,
        why: outcome.is_failure().then(|| "the connection was reset".to_owned()),
    }
}

fn received(store: &Path, name: &str, content: &[u8]) -> Received {
    Received {
        at_ms: AT_MS + 1000,
        peer: "127.0.0.1:50000".to_owned(),
        store: fs::canonicalize(store).unwrap(),
        name: name.to_owned(),
        kept: Kept::New,
        size: content.len() as u64,
        digest: Some(Digest::of(content)),
        variant: Variant::Plain,
        seconds: 0.5,
        receipt: None,
    }
}

/// Records three sent files and one received file, `in/a.bin`.
fn history() -> (Home, History) {
    let home = Home::new();
    fs::create_dir(home.path("in")).unwrap();
    fs::write(home.path("in/a.bin"), "aaaa").unwrap();
    let history = History::open(&home.history()).unwrap();
    history
        .record_sent(&Sent { at_ms: AT_MS - 86_400_000, ..sent("old", "lab:1", Outcome::Stored) })
        .unwrap();
    history.record_sent(&sent("say \"hi\", you\u{1b}.txt", "lab:1", Outcome::Delivered)).unwrap();
    history.record_sent(&sent("c", "other:1", Outcome::Failed)).unwrap();
    history.record_received(&received(&home.path("in"), "a.bin", b"aaaa")).unwrap();
    (home, history)
}

/// Returns the names that `history` lists with these arguments.
fn names(home: &Home, line: &str) -> Vec<String> {
    let outcome = home.start(words(&format!("history --json {line}"), &[])).finish();
    assert_eq!(outcome.code, Some(0), "{line}: {outcome:?}");
    let name = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        row["name"].as_str().unwrap().to_owned()
    };
    outcome.out.lines().map(name).collect()
}

#[test]
fn a_missing_history_is_reported_and_not_created() {
    let home = Home::new();
    for line in ["history", "history --json", "history --csv --failed"] {
        let outcome = home.start(words(line, &[])).finish();
        assert_eq!(outcome.code, Some(0), "{line}");
        assert!(outcome.err.starts_with("the history is empty ("), "{outcome:?}");
        assert_eq!(outcome.out.lines().count(), usize::from(line.contains("--csv")), "{outcome:?}");
    }
    fs::create_dir(home.path("recv_files")).unwrap();
    let outcome = home.run(&["audit"]);
    assert_eq!(outcome.code, Some(5));
    assert!(outcome.err.starts_with("upseal: no history in "), "{outcome:?}");
    assert!(!home.history().exists());
    // An empty history is reported in the same way.
    drop(History::open(&home.history()).unwrap());
    assert!(home.run(&["history"]).err.starts_with("the history is empty ("));
}

#[test]
fn the_filters_choose_and_the_newest_comes_first() {
    let (home, history) = history();
    let odd = "say \"hi\", you\\u{1b}.txt";
    for (line, expected) in [
        ("", vec!["a.bin", "c", odd, "old"]),
        ("--limit 2", vec!["a.bin", "c"]),
        ("--limit 0", vec!["a.bin", "c", odd, "old"]),
        ("--sent", vec!["c", odd, "old"]),
        ("--received", vec!["a.bin"]),
        ("--server LAB:1", vec![odd, "old"]),
        ("--server LAB:1 --sent --name OL", vec!["old"]),
        ("--failed", vec!["c"]),
        ("--since 2027-01-15T00:00Z", vec!["a.bin", "c", odd]),
        ("--since 2027-01-15T08:00:01Z", vec!["a.bin"]),
        ("--name nothing", vec![]),
    ] {
        assert_eq!(names(&home, line), expected, "{line}");
    }
    let now_ms = upseal::testing::clock::unix_ms();
    for (name, minutes) in [("recent", 10), ("earlier", 120)] {
        let row = Sent { at_ms: now_ms - minutes * 60_000, ..sent(name, "now:1", Outcome::Stored) };
        history.record_sent(&row).unwrap();
    }
    assert_eq!(names(&home, "--server now:1 --since 1h"), ["recent"]);
    let nothing = home.run(&["history", "--name", "nothing"]);
    assert_eq!((nothing.code, &*nothing.err), (Some(0), "no entry matches"));
    for line in [
        "history --received --failed",
        "history --sent --received",
        "history --csv --json",
        "history --since nonsense",
        "history --server nohost:0",
        "history --limit -1",
    ] {
        assert_eq!(home.start(words(line, &[])).finish().code, Some(2), "{line}");
    }
}

#[test]
fn the_history_is_printed_as_text_csv_and_json() {
    let (home, _history) = history();
    let environment = [("TZ", "Asia/Singapore")];
    let text = home.start_with(["history", "--sent", "--limit", "2"], &environment).finish();
    assert!(!text.out.contains('\u{1b}'));
    let lines: Vec<&str> = text.out.lines().collect();
    assert_eq!(
        lines,
        [
            "2027-01-15 16:00:00  sent      c                           8 MiB  CP2             —  failed     \
             to other:1: the connection was reset",
            "2027-01-15 16:00:00  sent      say \"hi\", you\\u{1b}.txt     8 MiB  CP2       4 MiB/s  delivered  \
             to lab:1",
        ]
    );
    let csv = home.run(&["history", "--csv", "--limit", "3"]);
    let lines: Vec<&str> = csv.out.lines().collect();
    assert!(lines[0].starts_with("time,direction,name,size,protocol,outcome,peer,sha256,"), "{csv:?}");
    assert!(
        lines[3].starts_with("2027-01-15T08:00:00Z,sent,\"say \"\"hi\"\", you\\u{1b}.txt\",8388608,cp2,")
    );
    let json = home.run(&["history", "--json", "--received"]);
    let row: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(row["time"], "2027-01-15T08:00:01Z");
    assert_eq!(row["sha256"], Digest::of(b"aaaa").to_string());
    assert_eq!((&row["outcome"], &row["protocol"]), (&"new".into(), &"plain".into()));
    assert_eq!(row["server_key"], Value::Null);
}

#[test]
fn an_upload_without_a_server_is_among_the_failed() {
    let home = Home::new();
    let (_bound, address) = common::unused_address();
    let address = address.to_string();
    let line = words("send -p plain --retries 0 --to {server} a.txt b.txt", &[("server", &address)]);
    assert_eq!(home.start(line).finish().code, Some(3));
    let failed = home.run(&["history", "--failed", "--json"]);
    let rows = program::rows(&failed);
    assert_eq!(rows.len(), 2, "{failed:?}");
    for (row, name) in rows.iter().zip(["b.txt", "a.txt"]) {
        assert_eq!(
            (&row["name"], &row["outcome"], &row["size"]),
            (&name.into(), &"failed".into(), &5.into())
        );
        assert_eq!((&row["peer"], &row["wire_bytes"]), (&(*address).into(), &0.into()));
        assert!(row["why"].as_str().unwrap().contains("cannot connect"), "{row}");
    }
}

#[test]
fn results_that_cannot_be_written_are_an_error() {
    let (home, _history) = history();
    let certificate = common::ca();
    let show = ["certs", "show", certificate.to_str().unwrap()];
    let lines = ["history", "history --csv", "history --json", "audit --store in", "audit --json --store in"];
    let lines = lines.iter().map(|line| line.split(' ').collect::<Vec<_>>()).chain([show.to_vec()]);
    let program = |line: &[&str], stdout: Stdio| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_upseal"));
        program.args(line).current_dir(home.path("")).stdout(stdout).env_clear();
        program.env("HOME", home.path("")).env("UPSEAL_HISTORY", home.history());
        let output = program.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for line in lines {
        // /dev/full: every write fails as on a full disk.
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (code, err) = program(&line, full.into());
        assert_eq!(code, Some(5), "{line:?}: {err}");
        assert!(err.contains("upseal: cannot write the results to standard output: "), "{line:?}: {err}");
    }
    // A closed pipe is not an error.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(program(&["history"], writer.into()), (Some(0), String::new()));
}

#[test]
fn the_audit_names_the_file_with_one_altered_byte() {
    let (home, _history) = history();
    let audit = |more: &str| home.start(words(&format!("audit --store in {more}"), &[])).finish();
    let agreed = audit("");
    assert_eq!(agreed.code, Some(0), "{agreed:?}");
    let place = fs::canonicalize(home.path("in")).unwrap();
    assert_eq!(agreed.out, format!("1 file in {}: folder and history agree", place.display()));

    fs::write(home.path("in/a.bin"), "aaAa").unwrap();
    fs::write(home.path("in/b"), "").unwrap();
    let altered = audit("");
    assert_eq!(altered.code, Some(1), "{altered:?}");
    let (found, recorded) = (Digest::of(b"aaAa"), Digest::of(b"aaaa"));
    assert_eq!(
        altered.out.lines().collect::<Vec<_>>(),
        [
            format!("a.bin: its SHA-256 is {found}, the history says {recorded}"),
            "b: it is in the folder, but not in the history, which began later".to_owned(),
            format!("2 files in {}: 2 differences", place.display()),
        ]
    );
    let json = audit("--json");
    assert_eq!(json.code, Some(1));
    let events = program::rows(&json);
    assert_eq!((&events[0]["name"], &events[0]["what"]), (&"a.bin".into(), &"content".into()));
    assert_eq!((&events[2]["event"], &events[2]["differing"]), (&"summary".into(), &2.into()));

    let gone = home.run(&["audit", "--store", "no-such-folder"]);
    assert_eq!(gone.code, Some(5), "{gone:?}");
}

#[test]
fn a_start_repairs_what_a_crash_left_and_says_so() {
    let home = Home::new();
    let store = home.path("in");
    fs::create_dir(&store).unwrap();
    let history = History::open(&home.history()).unwrap();
    repair::run(&history, &store, AT_MS).unwrap();
    let announced =
        Announced { want: "lost.bin".to_owned(), replaces: None, size: 4, digest: Some(Digest::of(b"lost")) };
    history.announce(&fs::canonicalize(&store).unwrap(), &[announced]).unwrap();
    fs::write(store.join("lost.bin"), "lost").unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(AT_MS.unsigned_abs() + 1);
    File::options().append(true).open(store.join("lost.bin")).unwrap().set_modified(at).unwrap();
    // Before the start, the audit says what the start will repair.
    let audit = home.run(&["audit", "--store", "in"]);
    assert_eq!(audit.code, Some(1));
    assert!(
        audit.out.starts_with(
            "lost.bin: it was stored, but is not in the history yet; the next start of the server adds it"
        ),
        "{audit:?}"
    );
    let serve = ["serve", "--json", "--accept", "plain", "--bind", "127.0.0.1:0", "--store", "in"];
    let mut server = home.start(serve);
    server.address();
    let note = server.json(|value| value["event"] == "note");
    assert_eq!(note["text"], "history repaired: added lost.bin (4 B), which was stored before a crash");
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
    assert_eq!(history.entries(&Filter::default()).unwrap()[0].outcome(), "recovered");
    assert_eq!(home.run(&["audit", "--store", "in"]).code, Some(0));
}

/// Receives one file by CP2, stops the server, and returns its folder.
fn received_by_a_server() -> Home {
    let home = Home::new();
    let certs = common::fixtures("identity-v1");
    let line = "serve --json --bind 127.0.0.1:0 --certs {certs} --store in";
    let mut server = home.start(words(line, &[("certs", certs.to_str().unwrap())]));
    let (address, ca) = (server.address(), common::ca());
    let values = [("server", address.as_str()), ("ca", ca.to_str().unwrap())];
    let sent =
        home.start(words("send -p cp2 --to {server} --ca {ca} --receipts kept a.txt", &values)).finish();
    assert_eq!(sent.code, Some(0), "{sent:?}");
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
    home
}

/// Starts and stops the server, and returns its messages about the history.
fn restart(home: &Home) -> Vec<String> {
    let serve = ["serve", "--json", "--accept", "plain", "--bind", "127.0.0.1:0", "--store", "in"];
    let mut server = home.start(serve);
    server.address();
    server.signal(Signal::TERM);
    let stopped = server.finish();
    assert_eq!(stopped.code, Some(0));
    let notes = program::events(&stopped).into_iter().filter(|event| event["event"] == "note");
    notes.map(|note| note["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_restart_does_not_repair_files_that_were_changed_in_the_folder() {
    let home = received_by_a_server();
    let audit = || home.start(words("audit --store in --receipts kept", &[])).finish();
    assert_eq!(audit().code, Some(0));
    // A received file with one more byte, and a file that was not received.
    fs::write(home.path("in/a.txt"), "hello!").unwrap();
    fs::write(home.path("in/foreign.txt"), "I was not here").unwrap();
    let before = audit();
    assert_eq!(before.code, Some(1), "{before:?}");
    let said = restart(&home);
    assert_eq!(
        said,
        [
            "a.txt has 6 bytes, the history says 5; `upseal audit` reports it until `upseal audit --accept`",
            "foreign.txt (14 B) is in the folder, but this server did not receive it; \
             `upseal audit` reports it until `upseal audit --accept`",
        ]
    );
    let after = audit();
    assert_eq!((after.code, after.out), (Some(1), before.out), "{}", after.err);
}

#[test]
fn the_operator_accepts_one_file_as_it_is() {
    let home = received_by_a_server();
    fs::write(home.path("in/a.txt"), "hello!").unwrap();
    fs::write(home.path("in/foreign.txt"), "I was not here").unwrap();
    fs::write(home.path("in/other.txt"), "nor was I").unwrap();
    let audit = |more: &str| home.start(words(&format!("audit --store in {more}"), &[])).finish();
    let accepted = audit("--accept a.txt --accept foreign.txt");
    assert_eq!(accepted.code, Some(1), "{accepted:?}");
    let lines: Vec<&str> = accepted.out.lines().collect();
    assert_eq!(lines[0], format!("a.txt: recorded as it is now: 6 bytes, SHA-256 {}", Digest::of(b"hello!")));
    assert_eq!(lines[2], "other.txt: it is in the folder, but not in the history");
    assert_eq!(restart(&home).len(), 1);
    let events = program::rows(&audit("--json --accept other.txt"));
    assert_eq!((&events[0]["event"], &events[0]["name"]), (&"accepted".into(), &"other.txt".into()));
    assert_eq!(audit("").code, Some(0));
    // The sender's receipt is still for the earlier content.
    let receipts = audit("--receipts kept");
    assert!(receipts.out.contains("a.txt: its receipt is for different content"), "{receipts:?}");
    let listed = home.run(&["history", "--received", "--name", "foreign"]);
    assert!(listed.out.ends_with("accepted   accepted by the operator"), "{listed:?}");
    assert_eq!(audit("--accept no-such-file").code, Some(5));
    assert_eq!(audit("--accept in/a.txt").code, Some(2));
}

#[test]
fn the_history_is_at_upseal_history_or_in_the_data_folder() {
    let home = Home::new();
    let serve = ["serve", "--json", "--accept", "plain", "--bind", "127.0.0.1:0"];
    let start = |environment: &[(&str, &str)]| {
        let mut server = home.start_with(serve, environment);
        server.address();
        server.signal(Signal::TERM);
        assert_eq!(server.finish().code, Some(0));
    };
    start(&[]);
    assert!(home.history().exists());
    assert!(!home.path("upseal/history.db").exists());
    start(&[("UPSEAL_HISTORY", "")]);
    assert!(home.path("upseal/history.db").exists());
}

#[test]
fn every_command_refuses_a_history_of_a_newer_upseal() {
    let (home, history) = history();
    drop(history);
    let file = rusqlite::Connection::open(home.history()).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    for line in ["history", "audit --store in", "serve --accept plain --bind 127.0.0.1:0 --store in"] {
        let outcome = home.start(words(line, &[])).finish();
        assert_eq!(outcome.code, Some(5), "{line}: {outcome:?}");
        assert!(outcome.err.contains("99 (supported: up to "), "{outcome:?}");
        assert!(outcome.err.contains("UPSEAL_HISTORY"), "{outcome:?}");
    }
}

#[test]
fn every_command_refuses_a_damaged_history_with_advice_and_changes_nothing() {
    let home = received_by_a_server();
    // All rows are in the file, and none in its log.
    let file = rusqlite::Connection::open(home.history()).unwrap();
    file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(file);
    let whole = fs::read(home.history()).unwrap();
    let cut = &whole[..whole.len() / 2];
    let letter = "this is a letter, and no database at all\n".repeat(400);
    for damaged in [b"", cut, letter.as_bytes()] {
        fs::write(home.history(), damaged).unwrap();
        for line in ["history", "audit --store in", "serve --accept plain --bind 127.0.0.1:0 --store in"] {
            let outcome = home.start(words(line, &[])).finish();
            assert_eq!(outcome.code, Some(5), "{line}: {outcome:?}");
            assert!(outcome.err.contains("it is damaged: "), "{outcome:?}");
            assert!(outcome.err.contains("\nhelp: restore it from a backup, or move it away"), "{outcome:?}");
            assert_eq!(fs::read(home.history()).unwrap(), damaged, "{line}");
        }
    }
    assert_eq!(fs::read_to_string(home.path("in/a.txt")).unwrap(), "hello");
    fs::write(home.history(), whole).unwrap();
    assert_eq!(home.run(&["audit", "--store", "in"]).code, Some(0));
}

/// A program holds the history's lock for long. Uploads go on, and their rows are written as soon as it is released.
#[test]
fn uploads_go_on_while_the_history_is_locked_beside_a_reader_and_a_second_server() {
    let home = received_by_a_server();
    let start = |store: &str| {
        let line = format!("serve --json --accept plain --bind 127.0.0.1:0 --store {store}");
        let mut server = home.start(words(&line, &[]));
        let address = server.address();
        (server, address)
    };
    let (mut server, address) = start("in");
    // A second server with the same history, and a third with the same folder too.
    let (second, other_address) = start("other");
    let (third, _) = start("in");
    let send = |address: &str, name: &str| {
        fs::write(home.path(name), name).unwrap();
        let values = [("server", address), ("name", name)];
        home.start(words("send -p plain --to {server} {name}", &values)).finish()
    };
    assert_eq!(send(&address, "before").code, Some(0));
    assert_eq!(send(&other_address, "elsewhere").code, Some(0));
    let other = rusqlite::Connection::open(home.history()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The client has a row to write too, and says that it cannot.
    let outcome = send(&address, "while");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let note = server.json(|value| value["event"] == "note");
    let text = note["text"].as_str().unwrap();
    assert!(text.starts_with("while is stored but not in the history yet: "), "{text}");
    assert!(text.contains("another program has locked it (`fuser "), "{text}");
    assert_eq!(names(&home, "--received --name while"), [""; 0]);
    assert_eq!(names(&home, "--received --name before"), ["before"]);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(send(&address, "after").code, Some(0));
    assert_eq!(names(&home, "--received --name while"), ["while"]);
    for server in [server, second, third] {
        server.signal(Signal::TERM);
        assert_eq!(server.finish().code, Some(0));
    }
    for store in ["in", "other"] {
        assert_eq!(home.run(&["audit", "--store", store]).code, Some(0), "{store}");
    }
}

#[test]
fn rows_are_kept_for_the_time_of_keep_history_and_as_long_as_their_files() {
    let home = received_by_a_server();
    let file = rusqlite::Connection::open(home.history()).unwrap();
    let old = "UPDATE received SET at_ms = 1;
               INSERT INTO received (at_ms, peer, store, name, folded, kept, size, digest, variant, seconds)
               SELECT at_ms, peer, store, 'gone.txt', 'gone.txt', kept, size, digest, variant, seconds FROM received;
               INSERT INTO received (at_ms, peer, store, name, folded, kept, size, digest, variant, seconds)
               SELECT at_ms, peer, store, name, folded, kept, size, digest, variant, seconds FROM received
               WHERE name = 'a.txt';";
    file.execute_batch(old).unwrap();
    let rows = || names(&home, "--received");
    let serve = |keep: &str, until: &dyn Fn() -> bool| {
        let line = format!("serve --json --accept plain --bind 127.0.0.1:0 --store in {keep}");
        let mut server = home.start(words(&line, &[]));
        server.address();
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while !until() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        server.signal(Signal::TERM);
        assert_eq!(server.finish().code, Some(0));
    };
    serve("", &|| true);
    assert_eq!(rows().len(), 3, "without the flag all stay");
    // Of the file that is here one row stays. The other is missed from now on.
    serve("--keep-history 30d", &|| rows().len() == 2);
    assert_eq!(rows().len(), 2);
    let audit = home.run(&["audit", "--store", "in", "--receipts", "kept"]);
    assert!(audit.code == Some(1) && audit.out.starts_with("gone.txt: it is in the history"), "{audit:?}");
    assert_eq!(file.execute("UPDATE received SET gone_ms = 2 WHERE gone_ms IS NOT NULL", []).unwrap(), 1);
    serve("--keep-history 30d", &|| rows().len() == 1);
    assert_eq!(rows(), ["a.txt"]);
    let audit = home.run(&["audit", "--store", "in", "--receipts", "kept"]);
    assert_eq!(audit.code, Some(0), "{audit:?}");
    let refused = home.start(words("serve --keep-history 1h", &[])).finish();
    assert!(refused.code == Some(2) && refused.err.contains("too short: at least 1d"), "{refused:?}");
}
