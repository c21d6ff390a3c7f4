//! Memory, threads and descriptors of sessions that stall.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use upseal::event::{Dialect, Variant};

use crate::common::{self, Peer, contents, message, words};
use crate::program::{self, Home, Program};

/// Stalled sessions of this test.
const SESSIONS: usize = 200;
/// Memory of a stalled session at most, in KiB: a thousand have less than 200 MiB.
const EACH: u64 = 200;

/// Reads a number from `/proc/PID/status`.
fn status(server: &Program, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

fn descriptors(server: &Program) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count()
}

#[test]
fn stalled_bodies_cost_little_memory_one_thread_and_two_files_each() {
    let home = Home::new();
    let line = "serve --json --accept plain --bind 127.0.0.1:0 --sessions-per-address 1000";
    let mut server = home.start(program::words(line, &[]));
    let address: SocketAddr = server.address().parse().unwrap();
    // Whatever the first file needs is there.
    common::upload(address, Dialect::of(Variant::Plain), "a.txt", &vec![7; 3 << 20]).unwrap();
    server.json(|event| event["event"] == "session_closed");
    let before = (status(&server, "VmRSS:"), status(&server, "Threads:"), descriptors(&server));
    let body = vec![7; 100 << 10];
    let stalled: Vec<Peer> = (0..SESSIONS)
        .map(|n| {
            let mut peer = Peer::connect(address);
            let name = format!("{n}.bin");
            peer.send(&[message(0, name.as_bytes()), words(&[1, 1 << 30]), body.clone()].concat());
            server.json(|event| event["event"] == "receiving" && event["name"] == name.as_str());
            peer
        })
        .collect();
    // All bytes that were sent are read.
    thread::sleep(Duration::from_millis(300));
    let memory = status(&server, "VmRSS:").saturating_sub(before.0);
    assert!(memory < EACH * SESSIONS as u64, "{memory} KiB for {SESSIONS} sessions");
    assert_eq!(status(&server, "Threads:") - before.1, SESSIONS as u64);
    assert_eq!(descriptors(&server) - before.2, 2 * SESSIONS, "a socket and a file each");
    // An honest client beside them.
    common::upload(address, Dialect::of(Variant::Plain), "b.txt", b"honest").unwrap();
    drop(stalled);
    for _ in 0..=SESSIONS {
        server.json(|event| event["event"] == "session_closed");
    }
    assert_eq!(descriptors(&server), before.2, "all come back");
    assert_eq!(contents(&home.path("recv_files")).names(), ["a.txt", "b.txt"]);
}

#[test]
fn the_limit_of_open_files_bounds_the_sessions() {
    let home = Home::new();
    let line = "serve --json --accept plain --bind 127.0.0.1:0";
    let mut server = home.start_with_files(60, program::words(line, &[]));
    let address: SocketAddr = server.address().parse().unwrap();
    let warned = server.json(|event| event["event"] == "warned");
    assert!(warned["text"].as_str().unwrap().contains("at most 3 sessions at once"), "{warned}");
    let begun: Vec<Peer> = (0..3)
        .map(|n| {
            let mut peer = Peer::connect(address);
            let name = format!("{n}.bin");
            peer.send(&[message(0, name.as_bytes()), words(&[1, 10]), b"a".to_vec()].concat());
            server.json(|event| event["event"] == "receiving" && event["name"] == name.as_str());
            peer
        })
        .collect();
    assert_eq!(Peer::connect(address).read_to_end(), (vec![0xff], false));
    let warned = server.json(|event| event["event"] == "warned");
    assert!(warned["text"].as_str().unwrap().contains("all sessions are in use"), "{warned}");
    drop(begun);
}
