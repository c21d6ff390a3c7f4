//! Receipts that are saved, verified, audited and recovered, tested with the program.

use std::sync::Arc;

use rustix::process::Signal;
use upseal::event::{Dialect, Variant};
use upseal::testing::history::{Direction, Entry as Row, Filter, History, Outcome, PendingReceipt, Sent};
use upseal::testing::receipt::Receipt;

use crate::common::{Peer, ca, contents, fixtures};
use crate::program::{Home, events, words as line};

#[test]
fn a_receipt_is_kept_and_verified_offline() {
    let home = Home::new();
    let certs = fixtures("identity-v1");
    let values = [("certs", certs.to_str().unwrap())];
    let mut server = home.start(line("serve --json --bind 127.0.0.1:0 --certs {certs}", &values));
    let address = server.address();
    let ca = ca().to_str().unwrap().to_owned();
    let values = [("server", address.as_str()), ("ca", ca.as_str())];
    std::fs::create_dir(home.path("recv_files")).ok();
    std::fs::write(home.path("recv_files/a.txt"), "another of that name").unwrap();
    let sent =
        home.start(line("send --json --receipts kept --to {server} --ca {ca} a.txt b.txt", &values)).finish();
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let states = events(&sent);
    let stored = states.iter().find(|event| event["state"]["stored"]["name"] == "a (2).txt").unwrap();
    assert!(stored["state"]["stored"]["receipt"].as_str().unwrap().ends_with("/kept/a.txt.receipt"));
    assert_eq!(contents(&home.path("kept")).names(), ["a.txt.receipt", "b.txt.receipt"]);
    // Without --receipts they are saved in the data folder. Plain requests none.
    for flags in ["-p cp1", "-p plain"] {
        let command = format!("send --to {{server}} --ca {{ca}} {flags} b.txt");
        assert_eq!(home.start(line(&command, &values)).finish().code, Some(0));
    }
    assert_eq!(contents(&home.path("upseal/receipts")).names().len(), 1);
    // Plain with --receipts.
    let plain =
        home.start(line("send --receipts plain -p plain --to {server} --ca {ca} b.txt", &values)).finish();
    assert_eq!(plain.code, Some(0), "{plain:?}");
    assert!(plain.out.contains("stored"), "{plain:?}");
    // A file with a receipt is not sent again, not even by another run.
    let again = home
        .start(line("send --json --skip-receipted --to {server} --ca {ca} a.txt b.txt", &values))
        .finish();
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(!again.out.contains("\"sending\""), "{again:?}");
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));

    let verify = |file: &str, receipt: &str, ca: &str| {
        home.start(["verify", file, "--receipt", receipt, "--ca", ca]).finish()
    };
    let good = verify("a.txt", "kept/a.txt.receipt", &ca);
    assert_eq!(good.code, Some(0), "{good:?}");
    for check in ["certificate", "key", "receipt key", "signature", "content"] {
        assert!(
            good.out.lines().any(|line| line.starts_with("ok") && line.contains(check)),
            "{check}: {good:?}"
        );
    }
    assert!(good.out.contains("is stored as a (2).txt"), "{good:?}");
    assert_eq!(verify("b.txt", "plain/b.txt.receipt", &ca).code, Some(0));
    std::fs::write(home.path("c.txt"), "hallo").unwrap();
    let other = verify("c.txt", "kept/a.txt.receipt", &ca);
    assert!(other.code == Some(1) && other.out.contains("FAIL  content"), "{other:?}");

    let text = std::fs::read_to_string(home.path("kept/a.txt.receipt")).unwrap();
    let forge = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        std::fs::write(home.path("forged"), text.replacen(from, to, 1)).unwrap();
        verify("a.txt", "forged", &ca)
    };
    let forged = forge("a%20%282%29.txt", "b.txt");
    assert!(forged.code == Some(4) && forged.out.contains("FAIL  signature"), "{forged:?}");
    let forged = forge("\nkey ", "\nkey 00");
    assert_eq!(forged.code, Some(2), "{forged:?}");
    let (stranger, other_ca) = upseal::testing::crypto::throwaway().unwrap();
    std::fs::write(home.path("other.crt"), &other_ca).unwrap();
    let forged = verify("a.txt", "kept/a.txt.receipt", "other.crt");
    assert!(forged.code == Some(4) && forged.out.contains("FAIL  certificate"), "{forged:?}");
    // A complete receipt of a server that the CA did not certify.
    let receipt = Receipt::parse(&text).unwrap();
    let made_up =
        Receipt { signature: Arc::new(stranger).sign_receipt(receipt.text.as_bytes()).unwrap(), ..receipt };
    std::fs::write(home.path("forged"), made_up.to_text()).unwrap();
    assert_eq!(verify("a.txt", "forged", &ca).code, Some(4));

    // The audit reads them, too.
    let audit = home.run(&["audit", "--store", "recv_files", "--receipts", "kept"]);
    assert!(audit.out.contains("another of that name") || audit.out.contains("a.txt"), "{audit:?}");
}

/// `serve --tell-names=false` hides the names under which files are stored, as is the default for other than loopback
/// addresses.
#[test]
fn a_server_that_tells_no_names_gives_receipts_for_the_name_that_was_sent() {
    let home = Home::new();
    let certs = fixtures("identity-v1");
    let values = [("certs", certs.to_str().unwrap())];
    let command = "serve --json --tell-names=false --bind 127.0.0.1:0 --certs {certs}";
    let mut server = home.start(line(command, &values));
    let address = server.address();
    let ca = ca().to_str().unwrap().to_owned();
    let values = [("server", address.as_str()), ("ca", ca.as_str())];
    std::fs::create_dir(home.path("recv_files")).ok();
    std::fs::write(home.path("recv_files/a.txt"), "another of that name").unwrap();
    for (flags, kept) in [("-v", "kept"), ("--json", "kept--json")] {
        let command = format!("send {flags} --receipts {kept} --to {{server}} --ca {{ca}} a.txt");
        let sent = home.start(line(&command, &values)).finish();
        assert_eq!(sent.code, Some(0), "{sent:?}");
        let expected = if flags == "-v" { ", accepted as a.txt, receipt " } else { r#""named":"wanted""# };
        assert!(sent.out.contains(expected) && !sent.out.contains("(2)"), "{sent:?}");
    }
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
    assert_eq!(contents(&home.path("recv_files")).names(), ["a (2).txt", "a.txt"]);
    let receipt = std::fs::read_to_string(home.path("kept/a.txt.receipt")).unwrap();
    assert!(receipt.contains("\naccepted 1 cp2 "), "{receipt}");
    let verify = home.start(["verify", "a.txt", "--receipt", "kept/a.txt.receipt", "--ca", &ca]).finish();
    assert!(verify.code == Some(0) && verify.out.contains("was accepted as a.txt"), "{verify:?}");
    // The history contains the name under which the file is stored, and that a receipt was given.
    let history = History::open(&home.history()).unwrap();
    let rows =
        history.entries(&Filter { direction: Some(Direction::Received), ..Filter::default() }).unwrap();
    let receipted = |row: &Row| matches!(row, Row::Received(row) if row.receipt.is_some());
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.name() == "a (2).txt" && receipted(row)), "{rows:?}");
    // The audit finds the row of a receipt that does not state the stored name.
    let audit = home.run(&["audit", "--store", "recv_files", "--receipts", "kept"]);
    assert!(!audit.out.contains("that is not in the history"), "{audit:?}");
}

fn sent_rows(home: &Home) -> Vec<Sent> {
    let filter = Filter { direction: Some(Direction::Sent), ..Filter::default() };
    let rows = History::open(&home.history()).unwrap().entries(&filter).unwrap();
    rows.into_iter().map(|row| if let Row::Sent(sent) = row { sent } else { panic!("{row:?}") }).collect()
}

/// Leaves the state of a client that was killed after it saved its receipts and before it wrote their rows.
fn die_before_the_rows(home: &Home) {
    let asked = |(ordinal, row): (u64, Sent)| PendingReceipt {
        ordinal,
        receipts: row.receipt.as_ref().and_then(|path| path.parent()).map(Into::into),
        sent: Sent { receipt: None, stored_name: None, why: Some("unknown".to_owned()), ..row },
    };
    // Of rows with the same time, the one that was written last comes first.
    let asked: Vec<PendingReceipt> = (1..).zip(sent_rows(home).into_iter().rev()).map(asked).collect();
    let file = rusqlite::Connection::open(home.history()).unwrap();
    file.execute("DELETE FROM sent", []).unwrap();
    assert!(History::open(&home.history()).unwrap().record_pending_receipts(&asked).unwrap().is_some());
}

#[test]
fn a_client_that_died_between_receipt_and_row_is_repaired_by_the_next() {
    let certs = fixtures("identity-v1");
    for (flags, folder) in [("", "upseal/receipts"), ("--receipts kept", "kept")] {
        let home = Home::new();
        std::fs::write(home.path("c.txt"), "hallo").unwrap();
        let values = [("certs", certs.to_str().unwrap())];
        let mut server = home.start(line("serve --json --bind 127.0.0.1:0 --certs {certs}", &values));
        let (address, ca) = (server.address(), ca().to_str().unwrap().to_owned());
        let values = [("server", address.as_str()), ("ca", ca.as_str())];
        let send = |words: &str| {
            let command = format!("send --json --to {{server}} --ca {{ca}} {words}");
            let sent = home.start(line(&command, &values)).finish();
            assert_eq!(sent.code, Some(0), "{sent:?}");
            sent
        };
        let repaired = |sent: &crate::program::Outcome| -> Vec<String> {
            let notes = events(sent).into_iter().filter(|event| event["event"] == "note");
            notes.map(|note| note["text"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(repaired(&send(&format!("{flags} a.txt b.txt"))), [""; 0]);
        let before = sent_rows(&home);
        assert!(before.iter().all(|row| row.receipt.is_some()), "{before:?}");
        die_before_the_rows(&home);
        assert_eq!(sent_rows(&home), []);

        // The next run reports it, wherever its own receipts are saved, and files with a receipt are not sent again.
        let again = send("--skip-receipted a.txt b.txt");
        let said = "history repaired: 2 files were sent before a crash and not recorded: 2 stored (proved by the receipt)";
        assert_eq!(repaired(&again), [said], "{again:?}");
        assert!(!again.out.contains("\"sending\""), "{again:?}");
        let why = Some("recovered from its receipt after a crash".to_owned());
        let expected: Vec<Sent> = before.into_iter().map(|row| Sent { why: why.clone(), ..row }).collect();
        assert_eq!(sent_rows(&home), expected);
        assert_eq!(repaired(&send("c.txt")), [""; 0]);
        let listed = home.run(&["history", "--sent", "--name", "b.txt"]);
        assert!(listed.out.contains(": recovered from its receipt after a crash"), "{listed:?}");

        // Again, with a receipt that was modified.
        die_before_the_rows(&home);
        for (path, text) in std::fs::read_dir(home.path(folder)).unwrap().map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            (path, text)
        }) {
            std::fs::write(path, text.replacen(" 5 ", " 6 ", 1)).unwrap();
        }
        let notes = repaired(&send("c.txt"));
        assert_eq!(
            notes[0],
            "history repaired: 3 files were sent before a crash and not recorded: 3 not confirmed"
        );
        assert!(notes.len() > 1, "{notes:?}");
        for note in &notes[1..] {
            assert!(note.starts_with("ignored a receipt: "), "{note}");
            assert!(note.ends_with(".receipt: the signature does not match"), "{note}");
        }
        let rows = sent_rows(&home);
        let outcomes: Vec<Outcome> = rows.iter().map(|row| row.outcome).collect();
        assert_eq!(outcomes, [Outcome::Stored, Outcome::Failed, Outcome::Failed, Outcome::Failed]);
        assert!(rows[1..].iter().all(|row| row.receipt.is_none() && row.stored_name.is_none()), "{rows:?}");
        server.signal(Signal::TERM);
        assert_eq!(server.finish().code, Some(0));
    }
}

#[test]
fn the_audit_names_a_receipt_that_has_no_row() {
    let home = Home::new();
    let certs = fixtures("identity-v1");
    let values = [("certs", certs.to_str().unwrap())];
    let mut server = home.start(line("serve --json --bind 127.0.0.1:0 --certs {certs}", &values));
    let (address, ca) = (server.address(), ca().to_str().unwrap().to_owned());
    let values = [("server", address.as_str()), ("ca", ca.as_str())];
    // The client's history is not the server's.
    let send = line("send --to {server} --ca {ca} a.txt b.txt", &values);
    let client = home.path("client.db");
    let elsewhere = [("UPSEAL_HISTORY", client.to_str().unwrap())];
    assert_eq!(home.start_with(send, &elsewhere).finish().code, Some(0));
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
    let command = "audit --store recv_files --receipts upseal/receipts";
    // The server has rows of what it received, the client of what it sent.
    let place = home.path("recv_files").canonicalize().unwrap();
    let agreed = home.start(line(command, &[])).finish();
    let sentence = format!("2 files and 1 receipt in {}: folder and history agree", place.display());
    assert_eq!((agreed.code, &*agreed.out), (Some(0), &*sentence), "{agreed:?}");
    let at_the_client =
        |more: &str| home.start_with(line(&format!("{command} {more}"), &[]), &elsewhere).finish();
    assert!(!at_the_client("").out.contains("receipt, "), "its rows name it");

    rusqlite::Connection::open(&client).unwrap().execute("DELETE FROM sent", []).unwrap();
    std::fs::write(home.path("upseal/receipts/z.receipt"), "nothing").unwrap();
    let stray = at_the_client("");
    assert_eq!(stray.code, Some(5), "{stray:?}");
    let lines: Vec<&str> = stray.out.lines().filter(|line| line.contains(".receipt: ")).collect();
    assert!(
        lines[0].ends_with(".receipt: it is a receipt of stored files, 2 of which are not in the history"),
        "{stray:?}"
    );
    assert!(lines[1].starts_with("z.receipt: it cannot be checked: "), "{stray:?}");
    let found = crate::program::rows(&at_the_client("--json"));
    assert!(found.iter().any(|line| line["what"] == "stray_receipt"), "{found:?}");
    assert_eq!(found.last().unwrap()["receipts"], 2);
}

#[test]
fn a_recorded_session_is_refused_and_told() {
    let home = Home::new();
    let certs = fixtures("identity-v1");
    let values = [("certs", certs.to_str().unwrap())];
    let mut server = home.start(line("serve --json --bind 127.0.0.1:0 --certs {certs}", &values));
    let address = server.address().parse().unwrap();
    for (dialect, what) in
        [(Dialect::of(Variant::Cp2), "this session key"), (Dialect::of(Variant::Cp1), "this CP1 body")]
    {
        let recording = crate::common::recorded_upload(address, dialect, "a.bin", b"hello").unwrap().0;
        let mut peer = Peer::connect(address);
        peer.send(&recording);
        assert!(!peer.hang_up().1, "{what}");
        let refused = server.json(|event| event["event"] == "refused");
        assert!(refused["why"].as_str().unwrap().contains(&format!("a replay: {what}")), "{refused}");
    }
    // Not even after a restart.
    let recording =
        crate::common::recorded_upload(address, Dialect::of(Variant::Cp2), "b.bin", b"world").unwrap().0;
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
    let mut server = home.start(line("serve --json --bind 127.0.0.1:0 --certs {certs}", &values));
    let mut peer = Peer::connect(server.address().parse().unwrap());
    peer.send(&recording);
    assert!(!peer.hang_up().1);
    let refused = server.json(|event| event["event"] == "refused");
    assert!(refused["why"].as_str().unwrap().contains("a replay"), "{refused}");
}

/// The client tells by its own history; the server's answer is that for a new file.
#[test]
fn a_file_that_is_sent_again_is_already_stored_and_the_first_receipt_is_named() {
    let home = Home::new();
    let certs = fixtures("identity-v1");
    let values = [("certs", certs.to_str().unwrap())];
    for (flags, store) in [("--tell-names=true", "told"), ("--tell-names=false", "untold")] {
        let serve = format!("serve --json --bind 127.0.0.1:0 --certs {{certs}} {flags} --store {store}");
        let mut server = home.start(line(&serve, &values));
        let (address, ca) = (server.address(), ca().to_str().unwrap().to_owned());
        let send = |words: &str| {
            let history = home.path(format!("{store}.db"));
            let command = line(
                &format!("send --to {{server}} --ca {{ca}} {words}"),
                &[("server", address.as_str()), ("ca", ca.as_str())],
            );
            let sent = home.start_with(command, &[("UPSEAL_HISTORY", history.to_str().unwrap())]).finish();
            assert_eq!(sent.code, Some(0), "{sent:?}");
            sent
        };
        let stored = |words: &str| {
            let all = events(&send(&format!("--json {words}")));
            let is_sent = all.iter().any(|event| event["state"] == "sending");
            let state = all.iter().find_map(|event| event["state"].get("stored")).unwrap().clone();
            (state, is_sent)
        };
        let (first, _) = stored("--receipts first a.txt");
        assert_eq!(first.get("earlier"), None, "{first}");
        let (second, is_sent) = stored("--receipts second a.txt");
        assert!(is_sent, "the new receipt says that the server still has it");
        assert_eq!(second["earlier"]["receipt"], first["receipt"]);
        assert!(second["receipt"].as_str().unwrap().contains("/second/"), "{second}");
        let (skipped, is_sent) = stored("--skip-receipted a.txt");
        assert!(!is_sent);
        assert_eq!(skipped["earlier"]["receipt"], second["receipt"]);
        assert_eq!(skipped["receipt"], second["receipt"]);
        let text = send("--verbose a.txt");
        assert!(text.out.contains("a.txt  stored     already stored, 5 B in"), "{text:?}");
        assert!(text.out.contains(", earlier receipt "), "{text:?}");
        let text = send("a.txt b.txt");
        assert!(text.err.contains("; 1 file already stored"), "{text:?}");
        let text = send("--skip-receipted a.txt");
        assert!(text.out.contains("already stored, not sent: it has a receipt"), "{text:?}");
        // Other content, under a copy's name or under the one that was wanted.
        std::fs::write(home.path("a.txt"), "hallo").unwrap();
        assert_eq!(stored("a.txt").0.get("earlier"), None);
        std::fs::write(home.path("a.txt"), "hello").unwrap();
        assert!(stored("a.txt").0.get("earlier").is_some());
        server.signal(Signal::TERM);
        assert_eq!(server.finish().code, Some(0));
    }
}
