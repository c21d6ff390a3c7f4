//! Messages to a service manager, by a socket as systemd's; and that its unit says what the program understands.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use upseal::event::{Dialect, Variant};

use super::common::{self, PATIENCE, Peer};
use super::program::{Home, Program, words};

/// The socket of a service manager.
struct Manager(UnixDatagram);

/// Starts a server that must give signs of life.
fn watched(home: &Home, flags: &str) -> (Manager, Program) {
    let socket = home.path("notify");
    let manager = Manager::new(&socket);
    let environment = [("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "400000")];
    let line = format!("serve --json --accept plain --bind 127.0.0.1:0 {flags}");
    (manager, home.start_detached(words(&line, &[]), &environment))
}

impl Manager {
    /// Waits until no message comes for this time.
    fn wait_for_silence(&self, time: Duration) {
        self.0.set_read_timeout(Some(time)).unwrap();
        let mut message = [0; 4096];
        // Some may have been sent before.
        assert!((0..100).any(|_| self.0.recv(&mut message).is_err()), "there are signs of life");
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
    }

    fn new(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// Waits for the next message with this line, and returns it.
    fn wait_for(&self, line: &str) -> String {
        let mut heard = Vec::new();
        let begun = Instant::now();
        loop {
            // Signs of life come without end.
            assert!(begun.elapsed() < PATIENCE, "no {line:?} in {heard:?}");
            let mut message = [0; 4096];
            let length =
                self.0.recv(&mut message).unwrap_or_else(|e| panic!("{e}: no {line:?} in {heard:?}"));
            let message = String::from_utf8(message[..length].to_vec()).unwrap();
            if message.lines().any(|it| it.starts_with(line)) {
                return message;
            }
            heard.push(message);
        }
    }
}

#[test]
fn a_service_manager_hears_of_readiness_sessions_reloads_life_and_the_end() {
    let home = Home::new();
    let (manager, mut server) = watched(&home, "--drain 1h");
    let address = server.address().parse().unwrap();
    manager.wait_for("READY=1");
    manager.wait_for("STATUS=0 sessions, 0 files received");
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    server.signal(Signal::HUP);
    let reloading = manager.wait_for("RELOADING=1");
    let at = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
    assert!(at.parse::<u64>().unwrap() > 0);
    manager.wait_for("READY=1");
    common::upload(address, Dialect::of(Variant::Plain), "a.txt", b"hello").unwrap();
    manager.wait_for("STATUS=0 sessions, 1 file received");
    let mut peer = Peer::connect(address);
    peer.send(&[common::message(0, b"b.txt"), common::words(&[1, 2]), b"b".to_vec()].concat());
    manager.wait_for("STATUS=1 session,");
    server.signal(Signal::TERM);
    let stopping = manager.wait_for("STOPPING=1");
    assert!(stopping.lines().any(|line| line == "STATUS=stopping, 1 session"), "{stopping}");
    peer.send(&[b"b".to_vec(), common::words(&[2])].concat());
    assert!(peer.read_to_end().1);
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn a_server_that_hangs_gives_no_sign_of_life_and_one_that_is_not_ready_does() {
    let home = Home::new();
    let (manager, mut server) = watched(&home, "--min-free 1000000GiB");
    server.address();
    manager.wait_for("WATCHDOG=1");
    manager.wait_for("WATCHDOG=1");
    // A stopped process stands for one whose threads hang.
    server.signal(Signal::STOP);
    manager.wait_for_silence(Duration::from_millis(700));
    server.signal(Signal::CONT);
    manager.wait_for("WATCHDOG=1");
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn a_server_whose_disk_hangs_gives_no_sign_of_life() {
    let home = Home::new();
    let (manager, mut server) = watched(&home, "");
    server.address();
    manager.wait_for("WATCHDOG=1");
    // A locked history stands for a disk that does not answer: the check waits 5 s for it.
    let history = rusqlite::Connection::open(home.history()).unwrap();
    history.execute_batch("BEGIN IMMEDIATE").unwrap();
    manager.wait_for_silence(Duration::from_secs(2));
    history.execute_batch("ROLLBACK").unwrap();
    manager.wait_for("WATCHDOG=1");
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
}

/// Returns the values of a key in the unit.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn the_unit_starts_the_program_with_options_that_it_understands() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    let unit = std::fs::read_to_string(folder.join("upseal.service")).unwrap();
    let start = values(&unit, "ExecStart");
    let line = start.first().unwrap().strip_prefix("/usr/bin/upseal ").unwrap();
    let home = Home::new();
    certificates_of_the_unit(&home);
    let state = home.path("state").to_str().unwrap().to_owned();
    let line = line.replace("%S/upseal", &state).replace("%E/upseal", &state);
    let line = line.replace("0.0.0.0:4321", "127.0.0.1:0");
    let manager = Manager::new(&home.path("notify"));
    let socket = home.path("notify");
    std::fs::copy(folder.join("config.toml"), home.path("state/config.toml")).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let server = home.start_detached(&words, &[("NOTIFY_SOCKET", socket.to_str().unwrap())]);
    manager.wait_for("READY=1");
    server.signal(Signal::HUP);
    manager.wait_for("RELOADING=1");
    manager.wait_for("READY=1");
    server.signal(Signal::TERM);
    let outcome = server.finish();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(values(&unit, "Type"), ["notify-reload"]);
    // The service manager must wait for longer than the sessions may take.
    assert_eq!(values(&unit, "TimeoutStopSec"), ["45"]);
}

fn certificates_of_the_unit(home: &Home) {
    let made = home.run(&["certs", "init", "--bits", "1024", "--dir", "state/certs"]);
    assert_eq!(made.code, Some(0), "{made:?}");
}
