//! The server's log: it is not read, or a client fills it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use upseal::event::{Dialect, Variant};

use crate::common::{self, PATIENCE, Peer, contents, message, words};
use crate::program::{self, Home};

/// Waits for the exit and returns the code.
fn exit_code(mut server: Child) -> Option<i32> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(status) = server.try_wait().unwrap() {
            return status.code();
        }
        thread::sleep(Duration::from_millis(10));
    }
    server.kill().unwrap();
    panic!("it does not end");
}

#[test]
fn a_pipe_that_is_not_read_stops_neither_sessions_nor_sigterm() {
    let home = Home::new();
    let mut server = Command::new(env!("CARGO_BIN_EXE_upseal"))
        .args(program::words("serve --json --accept plain --bind 127.0.0.1:0 --log-rate 1000000", &[]))
        .current_dir(home.path(""))
        .env_clear()
        .envs([("HOME", home.path("")), ("UPSEAL_HISTORY", home.history())])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    let listening: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address: SocketAddr = listening["address"].as_str().unwrap().parse().unwrap();
    // Three events each, of 80 bytes and more: the pipe of 64 KiB is full long before the end.
    for _ in 0..500 {
        let mut peer = Peer::connect(address);
        peer.send(&words(&[7]));
        assert_eq!(peer.read_to_end(), (vec![0xff], false));
    }
    common::upload(address, Dialect::of(Variant::Plain), "a.txt", b"hello").unwrap();
    kill_process(Pid::from_raw(server.id().try_into().unwrap()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(exit_code(server), Some(0));
    assert_eq!(contents(&home.path("recv_files")).names(), ["a.txt"]);
}

#[test]
fn a_client_has_ten_lines_a_second_and_then_a_sum_and_names_are_cut() {
    let home = Home::new();
    let server = home.start(program::words("serve --accept plain --bind 127.0.0.1:0", &[]));
    let listening = server.err.recv_timeout(PATIENCE).unwrap();
    let address = listening.split([' ', ',']).nth(2).unwrap().parse().unwrap();
    let mut peer = Peer::connect(address);
    let name = "n".repeat(250);
    peer.send(&[message(0, name.as_bytes()), words(&[1, 0])].concat());
    for n in 0..99 {
        peer.send(&[message(0, format!("{n}.txt").as_bytes()), words(&[1, 0])].concat());
    }
    peer.send(&words(&[2]));
    assert_eq!(peer.read_to_end(), (Vec::new(), true));
    server.signal(Signal::TERM);
    let outcome = server.finish();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let lines: Vec<&str> = outcome.out.lines().chain(outcome.err.lines()).collect();
    let received = lines.iter().filter(|line| line.contains("received from")).count();
    // The hundred files may arrive in two seconds on a busy machine.
    let sums: u64 = lines.iter().filter_map(|line| files_left_out(line)).sum();
    assert_eq!(received as u64 + sums, 100, "{lines:#?}");
    assert!(received < 60 && sums > 0, "{lines:#?}");
    let short = format!("{}…{}  0 B", "n".repeat(40), "n".repeat(39));
    assert!(lines.iter().any(|line| line.starts_with(&short)), "{lines:#?}");
}

/// Reads the number of files from the line with a sum.
fn files_left_out(line: &str) -> Option<u64> {
    line.strip_prefix("left out of the log about 127.0.0.1: ")?.split(' ').next()?.parse().ok()
}
