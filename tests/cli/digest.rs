//! `--digest none` and `--durability`: what they leave out, and that no output claims otherwise.

use upseal::event::Variant;

use super::common::{Files, Receipt, contents, fixtures};
use super::{Home, ca_argument, events, words};

/// Runs a server and a client with these flags, and returns the output of both.
fn send(home: &Home, serve: &str, send: &str) -> (super::program::Outcome, super::program::Outcome) {
    let certs = fixtures("identity-v1");
    let values = [("certs", certs.to_str().unwrap())];
    let line = format!("serve --once --json --bind 127.0.0.1:0 --certs {{certs}} {serve}");
    let mut server = home.start(words(&line, &values));
    let (address, ca) = (server.address(), ca_argument());
    let line = format!("send --to {{address}} --ca {{ca}} --json {send} a.txt b.txt");
    let client = home.run(
        &words(&line, &[("address", &address), ("ca", &ca)]).iter().map(String::as_str).collect::<Vec<_>>(),
    );
    (server.finish(), client)
}

#[test]
fn a_client_that_does_not_hash_asks_for_no_receipt() {
    let home = Home::new();
    let (server, client) = send(&home, "", "--digest none");
    assert_eq!((server.code, client.code), (Some(0), Some(0)), "{client:?}");
    assert!(
        !client.out.contains(r#""stored""#) && client.out.matches(r#""delivered""#).count() == 2,
        "{client:?}"
    );
    assert!(!server.out.contains("receipted"), "{server:?}");
    // The server still hashes.
    let digest = Receipt::new("a.txt", b"hello", Variant::Cp2).digest;
    assert!(server.out.contains(&digest), "{server:?}");
    let rows = super::program::rows(&home.run(&["history", "--sent", "--json"]));
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row["sha256"].is_null() && row["outcome"] == "delivered"), "{rows:?}");
}

#[test]
fn a_server_that_does_not_hash_gives_no_receipt_and_says_what_it_cannot_check() {
    let home = Home::new();
    let (server, client) = send(&home, "--digest none", "");
    assert_eq!((server.code, client.code), (Some(0), Some(0)), "{client:?}");
    assert_eq!(client.out.matches(r#""delivered""#).count(), 2, "{client:?}");
    let received: Vec<_> = events(&server).into_iter().filter(|event| event["event"] == "received").collect();
    assert!(received.len() == 2 && received.iter().all(|event| event["digest"].is_null()), "{server:?}");
    let audit = home.run(&["audit", "--store", "recv_files"]);
    assert_eq!(audit.code, Some(5), "{audit:?}");
    assert!(audit.out.contains("it was not hashed when it came"), "{audit:?}");
    // Without digests, an identical file is not recognised.
    let (again, _) = send(&home, "--digest none", "");
    assert!(again.out.contains(r#""kept":"renamed""#), "{again:?}");
    assert_eq!(contents(&home.path("recv_files")).names(), ["a (2).txt", "a.txt", "b (2).txt", "b.txt"]);
}

#[test]
fn a_receipt_cannot_be_requested_without_hashing() {
    let home = Home::new();
    for more in ["--receipts", "--skip-receipted"] {
        let line =
            format!("send --digest none {more} {} a.txt", if more == "--receipts" { "kept" } else { "" });
        let outcome = home.start(words(&line, &[])).finish();
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.err.contains("but --digest none turns it off"), "{outcome:?}");
        assert!(!home.path("kept").exists());
    }
}

#[test]
fn files_are_stored_with_every_durability() {
    for durability in ["group", "file"] {
        let home = Home::new();
        let (server, client) = send(&home, &format!("--durability {durability}"), "");
        assert_eq!((server.code, client.code), (Some(0), Some(0)), "{client:?}");
        assert!(client.out.contains(r#""stored""#), "{client:?}");
        assert_eq!(
            contents(&home.path("recv_files")),
            Files::of([("a.txt", &b"hello"[..]), ("b.txt", b"world")])
        );
    }
}
