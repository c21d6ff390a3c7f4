//! SIGHUP: new sessions use what was read again, sessions that run keep what they began with, and what is wrong changes
//! nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use super::clients::{Clients, certificates, is_received};
use super::common::{self, Peer, contents, message};
use super::program::{Home, Program, words};

/// Makes a folder with a key and two certificates for it, of the CA in `certs`. Returns the certificates.
fn identity(home: &Home, folder: &str) -> [Vec<u8>; 2] {
    let run = |line: String| {
        let outcome = home.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
    };
    run(format!("certs csr --cn {folder} --dir {folder}"));
    for number in [1, 2] {
        run(format!("certs sign {folder}/server.csr --ca-dir certs --out {folder}/{number}.crt"));
    }
    std::fs::copy(home.path("certs/cacsertificate.crt"), home.path(folder).join("cacsertificate.crt"))
        .unwrap();
    std::fs::copy(home.path(folder).join("1.crt"), home.path(folder).join("server_signed.crt")).unwrap();
    [1, 2].map(|number| std::fs::read(home.path(folder).join(format!("{number}.crt"))).unwrap())
}

/// Replaces a file as a careful operator does.
fn replace(path: &Path, content: &[u8]) {
    let new = path.with_extension("new");
    std::fs::write(&new, content).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// Asks a server to sign, and returns its certificate.
fn certificate(peer: &mut Peer) -> Vec<u8> {
    peer.send(&message(3, b"hello"));
    peer.read_blob();
    peer.read_blob()
}

/// Sends SIGHUP, and returns what the server says about it.
fn reload(server: &mut Program) -> String {
    server.signal(Signal::HUP);
    server.json(is_reloaded)["text"].as_str().unwrap().to_owned()
}

fn is_reloaded(event: &Value) -> bool {
    event["text"].as_str().is_some_and(|text| text.contains("reloaded"))
}

/// Announces a file of this size in Plain; the server refuses it, or asks for its bytes.
fn is_accepted(address: SocketAddr, bytes: u64) -> bool {
    let mut peer = Peer::connect(address);
    let content = vec![0; usize::try_from(bytes).unwrap()];
    peer.send(&[message(0, b"size.bin"), message(1, &content), common::words(&[2])].concat());
    peer.read_to_end().1
}

#[test]
fn new_sessions_use_what_was_read_again_and_a_wrong_file_changes_nothing() {
    let home = Home::new();
    certificates(&home);
    let [first, second] = identity(&home, "own");
    home.configure("[serve]\nmax-file = '100'\n");
    let flags = words("serve --json --bind 127.0.0.1:0 --certs own --accept plain,ap --penalties off", &[]);
    let mut server = home.start_detached(flags, &[]);
    let address: SocketAddr = server.address().parse().unwrap();
    let mut old = Peer::connect(address);
    assert_eq!(certificate(&mut old), first);
    assert!(is_accepted(address, 100) && !is_accepted(address, 101), "a row of the file");

    replace(&home.path("own/server_signed.crt"), &second);
    home.configure("[serve]\nmax-file = '200'\nstore = 'there'\nlog-rate = 50\n");
    let said = reload(&mut server);
    assert_eq!(said, "reloaded: log-rate, max-file, another certificate");
    server.json(|event| event["text"] == "store changes only when the server is started again");
    assert_eq!(certificate(&mut Peer::connect(address)), second);
    assert_eq!(certificate(&mut old), first, "it began before");
    assert!(is_accepted(address, 200) && !is_accepted(address, 201));
    assert_eq!(reload(&mut server), "reloaded: nothing changed");

    // A certificate of another key, of another CA, and none.
    let [stranger, _] = identity(&home, "other");
    for (name, wrong) in [
        ("own/server_signed.crt", &stranger[..]),
        ("own/server_signed.crt", b""),
        ("own/cacsertificate.crt", b"x"),
    ] {
        let right = std::fs::read(home.path(name)).unwrap();
        replace(&home.path(name), wrong);
        let said = reload(&mut server);
        if name.ends_with("signed.crt") {
            assert!(said.starts_with("not reloaded, the former settings stay in force: "), "{said}");
        }
        assert_eq!(certificate(&mut Peer::connect(address)), second);
        replace(&home.path(name), &right);
    }
    for wrong in [
        "[serve]\nmax-sessions = 0\n",
        "[serve]\nmax-fil = '1'\n",
        "[serve\n",
        "[serve]\nlog-file = '/none/a.log'\n",
    ] {
        home.configure(wrong);
        let said = reload(&mut server);
        assert!(said.starts_with("not reloaded, the former settings stay in force: "), "{wrong}: {said}");
        assert!(is_accepted(address, 200) && !is_accepted(address, 201), "{wrong}");
    }

    // Another key, and another list of variants.
    home.configure("[serve]\nmax-file = '200'\naccept = ['ap']\n");
    for name in ["server_private_key.pem", "server_signed.crt"] {
        replace(&home.path("own").join(name), &std::fs::read(home.path("other").join(name)).unwrap());
    }
    assert_eq!(reload(&mut server), "reloaded: log-rate, another key", "a flag decides what is accepted");
    assert_eq!(certificate(&mut Peer::connect(address)), stranger);
    assert_eq!(certificate(&mut old), first);
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
    assert!(!home.path("there").exists());
    assert!(!contents(&home.path("recv_files")).names().is_empty());
}

#[test]
fn a_wrong_table_is_an_error_at_the_start_and_other_tables_are_not() {
    let home = Home::new();
    home.configure("[serve]\nmax-sessions = 0\n");
    let outcome = home.run(&["serve", "--accept", "plain", "--bind", "127.0.0.1:0"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.err.contains("line 2") && outcome.err.contains("1..=65536"), "{outcome:?}");
    home.configure("[ui]\nthem = 'x'\n[serve]\nbind = '127.0.0.1:0'\naccept = 'plain'\n");
    let mut server = home.start(["serve", "--json"]);
    assert!(server.address().starts_with("127.0.0.1:"));
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn no_upload_fails_while_certificates_and_limits_are_read_again() {
    let home = Home::new();
    certificates(&home);
    let certificates = identity(&home, "own");
    let flags = "serve --json --bind 127.0.0.1:0 --certs own --accept cp2 --log-rate 1000000";
    let mut server = home.start_detached(words(flags, &[]), &[]);
    let address = server.address();
    let mut clients = Clients::start(&address, &home.path("certs/cacsertificate.crt"));
    // Files may be received during a reload too.
    let received = Cell::new(0);
    let count = |event: &Value| received.set(received.get() + usize::from(is_received(event)));
    for round in 0..20 {
        while received.get() < 8 * round {
            server.json(|event| {
                count(event);
                is_received(event)
            });
        }
        replace(&home.path("own/server_signed.crt"), &certificates[(round + 1) % 2]);
        home.configure(&format!("[serve]\nmax-sessions = {}\nidle-time = '{}s'\n", 100 + round, 60 + round));
        server.signal(Signal::HUP);
        let said = server.json(|event| {
            count(event);
            is_reloaded(event)
        });
        assert_eq!(said["text"], "reloaded: idle-time, max-sessions, another certificate");
    }
    clients.finish();
    clients.compare(&home.path("recv_files"));
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
}
