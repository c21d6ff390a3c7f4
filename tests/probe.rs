//! `upseal probe`: the dialect that it finds, its output and its exit codes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;
mod program;

use common::{Files, Host, ca, contents, fixtures};
use program::{Home, Outcome, Program, rows};

/// Loopback address on which no other program listens, so that a port stays free between two servers.
const LOOPBACK: &str = if cfg!(target_os = "linux") { "127.0.7.8" } else { "127.0.0.1" };

/// Starts `upseal serve` with these arguments; it stores in `store`.
fn serve(home: &Home, port: u16, words: &[&str]) -> (Program, String) {
    let bind = format!("{LOOPBACK}:{port}");
    let certs = fixtures("identity-v1");
    let line = ["serve", "--json", "--bind", &bind, "--certs", certs.to_str().unwrap(), "--store", "store"];
    let mut server = home.start(line.iter().chain(words));
    let address = server.address();
    (server, address)
}

fn probe(home: &Home, address: &str, words: &[&str]) -> Program {
    home.start(["probe", address, "--ca", ca().to_str().unwrap()].iter().chain(words))
}

/// Returns the options of the command that the probe prints, without address and CA.
fn found(outcome: &Outcome) -> String {
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let line = outcome.out.trim_end();
    let rest = line.strip_prefix("upseal send --to ").unwrap().strip_suffix(" FILE").unwrap();
    let rest = rest.split_once(' ').unwrap().1;
    rest.split_once(" --ca ").unwrap().0.to_owned()
}

#[test]
fn an_upseal_server_is_recognised_by_its_receipt_and_gets_one_file() {
    let (home, host) = (Home::new(), Host::start());
    let outcome = probe(&home, &host.address().to_string(), &[]).finish();
    assert_eq!(found(&outcome), "--protocol cp2 --padding oaep");
    assert_eq!(host.stored(), Files::one("upseal-probe-1.txt", b"x"));
    // The first line names the files that the server will keep.
    assert!(outcome.err.lines().next().unwrap().contains("will keep small files named upseal-probe-1.txt"));
    assert_eq!(std::fs::read_dir(home.path("tmp")).unwrap().count(), 0, "its own files are gone");
    // The printed command works.
    let line = outcome.out.trim_end().strip_prefix("upseal ").unwrap().replace("FILE", "a.txt");
    let sent = home.start(line.split(' ')).finish();
    assert_eq!(sent.code, Some(0), "{sent:?}");
}

#[test]
fn the_one_variant_and_padding_that_a_server_accepts_are_found() {
    for (words, flags) in [
        (&["--accept", "ap"][..], "--protocol ap"),
        (&["--accept", "cp1"], "--protocol cp1 --padding oaep --framing A"),
        (
            &["--accept", "cp1", "--accept-padding", "pkcs1v15"],
            "--protocol cp1 --padding pkcs1v15 --framing A",
        ),
    ] {
        let home = Home::new();
        let (_server, address) = serve(&home, 0, words);
        assert_eq!(found(&probe(&home, &address, &[]).finish()), flags);
    }
}

#[test]
fn a_server_for_one_connection_is_waited_for() {
    let home = Home::new();
    let words = ["--once", "--accept", "ap"];
    let (first, address) = serve(&home, 0, &words);
    let port = address.rsplit_once(':').unwrap().1.parse().unwrap();
    let probing = probe(&home, &address, &[]);
    // The first dialect is refused, and no server listens for the second.
    let waits = probing.err.iter().find(|line| line.contains("if it serves only one connection, restart it"));
    assert!(waits.is_some());
    drop(first);
    let _second = serve(&home, port, &words);
    assert_eq!(found(&probing.finish()), "--protocol ap");
    assert_eq!(contents(&home.path("store")), Files::one("upseal-probe-2.txt", b"x"));
}

#[test]
fn what_was_found_is_saved_as_a_preset() {
    let (home, host) = (Home::new(), Host::start());
    let address = host.address().to_string();
    let outcome = probe(&home, &address, &["--save", "lab"]).finish();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let sent = home.run(&["send", "--peer", "lab", "a.txt"]);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    // An existing name is refused before anything is sent.
    host.clear();
    let outcome = probe(&home, &address, &["--save", "lab"]).finish();
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert_eq!(host.stored(), Files::none());
}

#[test]
fn each_step_is_a_line_of_json() {
    let (home, host) = (Home::new(), Host::start());
    let outcome = probe(&home, &host.address().to_string(), &["--json"]).finish();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let steps: Vec<String> =
        rows(&outcome).iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(steps, ["begins", "trying", "answer", "found"]);
    let last = rows(&outcome).pop().unwrap();
    assert_eq!(last["dialect"]["variant"], "cp2");
    assert!(last["command"].as_str().unwrap().starts_with("upseal send --to "));
}

#[test]
fn a_server_that_takes_nothing_is_exit_code_1() {
    let home = Home::new();
    let (_server, address) = serve(&home, 0, &["--accept", "plain"]);
    let outcome = probe(&home, &address, &[]).finish();
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""), "{outcome:?}");
    assert_eq!(contents(&home.path("store")), Files::none());
}

#[test]
fn no_server_is_exit_code_3_and_one_that_proves_nothing_is_4() {
    let home = Home::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let outcome = probe(&home, &address, &[]).finish();
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(3), ""), "{outcome:?}");

    let (host, plain) = (Host::start(), Host::of(upseal::Policy::default(), None));
    let made = home.run(&["certs", "init", "--dir", "other", "--bits", "1024"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let other = home.path("other/cacsertificate.crt");
    // The second server has no certificate, and states in advance that it refuses every variant of the probe.
    for (address, ca, code) in [(host.address(), other, 4), (plain.address(), ca(), 1)] {
        let outcome = home.run(&["probe", &address.to_string(), "--ca", ca.to_str().unwrap()]);
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(code), ""), "{outcome:?}");
    }
    assert_eq!((host.stored(), plain.stored()), (Files::none(), Files::none()));
}
