//! The text log: levels, the number of a session on its lines, a file that is rotated, and the journal.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use upseal::event::{Dialect, Variant};

use super::common::{self, PATIENCE, Peer};
use super::program::{Home, words};

const TEXT: &str = "serve --accept plain --bind 127.0.0.1:0 --penalties off";

/// Waits until a file holds this text, and returns all of it.
fn wait_for(path: &std::path::Path, text: &str) -> String {
    let begun = Instant::now();
    loop {
        let written = std::fs::read_to_string(path).unwrap_or_default();
        if written.contains(text) {
            return written;
        }
        assert!(begun.elapsed() < PATIENCE, "no {text:?} in {written:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the address in the line `listening on ADDRESS, storing in …`.
fn address(text: &str) -> SocketAddr {
    let (_, rest) = text.split_once("listening on ").unwrap();
    rest.split(',').next().unwrap().parse().unwrap()
}

/// Uploads a file, and begins a session that is refused.
fn use_it(address: SocketAddr, name: &str) {
    common::upload(address, Dialect::of(Variant::Plain), name, b"hello").unwrap();
    let mut peer = Peer::connect(address);
    peer.send(&common::words(&[7]));
    assert_eq!(peer.read_to_end(), (vec![0xff], false));
}

#[test]
fn a_level_decides_which_lines_there_are_and_each_line_of_a_session_has_its_number() {
    for (level, lines) in [
        ("error", &[][..]),
        ("warn", &["refused from"]),
        ("info", &["listening on", "received from", "refused from"]),
        (
            "debug",
            &["listening on", "connected", "receiving", "received from", "disconnected", "refused from"],
        ),
    ] {
        let home = Home::new();
        let log = home.path("upseal.log");
        let server = home.start(words(&format!("{TEXT} --log-file upseal.log"), &[]));
        let first = address(&wait_for(&log, "listening"));
        server.signal(Signal::TERM);
        assert_eq!(server.finish().code, Some(0));
        std::fs::remove_file(&log).unwrap();
        // The address is known now, also where no line says it.
        let line = format!("{TEXT} --log-rate 1000 --log-level {level} --log-file upseal.log")
            .replace("127.0.0.1:0", &first.to_string());
        let server = home.start(words(&line, &[]));
        let begun = Instant::now();
        while std::net::TcpStream::connect(first).is_err() {
            assert!(begun.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(10));
        }
        use_it(first, "a.txt");
        server.signal(Signal::TERM);
        let outcome = server.finish();
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let written = std::fs::read_to_string(&log).unwrap();
        for wanted in
            ["listening on", "connected", "receiving", "received from", "disconnected", "refused from"]
        {
            let is_there = written.lines().any(|line| line.contains(wanted));
            assert_eq!(is_there, lines.contains(&wanted), "{level} {wanted}: {written}");
        }
        for line in written.lines().filter(|line| !line.contains("listening") && !line.contains("stopping")) {
            let number = line.rsplit_once(" (s").unwrap_or_else(|| panic!("{line}")).1;
            assert!(number.trim_end_matches(')').parse::<u64>().is_ok(), "{line}");
        }
        assert_eq!(log.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_log_file_that_was_moved_is_created_again_at_sighup_and_no_line_is_lost() {
    let home = Home::new();
    let (log, old) = (home.path("upseal.log"), home.path("upseal.log.1"));
    let server = home.start_detached(words(&format!("{TEXT} --log-file upseal.log"), &[]), &[]);
    let address = address(&wait_for(&log, "listening"));
    use_it(address, "a.txt");
    wait_for(&log, "refused from");
    std::fs::rename(&log, &old).unwrap();
    use_it(address, "b.txt");
    wait_for(&old, "b.txt");
    server.signal(Signal::HUP);
    wait_for(&log, "reloaded: nothing changed");
    use_it(address, "c.txt");
    let written = wait_for(&log, "refused from");
    assert!(
        written.contains("c.txt") && !std::fs::read_to_string(&old).unwrap().contains("c.txt"),
        "{written}"
    );
    server.signal(Signal::TERM);
    let outcome = server.finish();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(!outcome.out.contains("received") && !outcome.err.contains("refused"), "{outcome:?}");
}

#[test]
fn a_full_disk_for_the_log_stops_no_upload() {
    let home = Home::new();
    let mut peers = Vec::new();
    let server = home.start(words(&format!("{TEXT} --log-file /dev/full"), &[]));
    // Its line "to send here" is printed, because it is for the person who starts the server.
    let line = server.err.recv_timeout(PATIENCE).unwrap();
    let address: SocketAddr =
        line.split_whitespace().skip_while(|word| *word != "--to").nth(1).unwrap().parse().unwrap();
    for n in 0..20 {
        use_it(address, &format!("{n}.txt"));
        peers.push(n);
    }
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
    assert_eq!(common::contents(&home.path("recv_files")).names().len(), peers.len());
}

#[test]
fn events_of_a_file_name_their_session() {
    let home = Home::new();
    let mut server = home.start(words(&format!("{TEXT} --json"), &[]));
    let address = server.address().parse().unwrap();
    common::upload(address, Dialect::of(Variant::Plain), "a.txt", b"hello").unwrap();
    for wanted in ["session_opened", "receiving", "received", "session_closed"] {
        let event = server.json(|event| event["event"] == wanted);
        assert_eq!(event["session"], 1, "{event}");
    }
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn the_journal_gets_priorities_and_no_other_stream_does() {
    let home = Home::new();
    let path = home.path("journal");
    let file = std::fs::File::create(&path).unwrap();
    let stat = rustix::fs::fstat(&file).unwrap();
    for (stream, is_journal) in
        [(format!("{}:{}", stat.st_dev, stat.st_ino), true), ("1:1".to_owned(), false)]
    {
        file.set_len(0).unwrap();
        let mut command = std::process::Command::new("/bin/sh");
        command
            .args(["-c", r#"exec "$0" "$@" >>journal 2>&1"#, env!("CARGO_BIN_EXE_upseal")])
            .args(TEXT.split(' '));
        command.current_dir(home.path("")).env("JOURNAL_STREAM", stream).env("HOME", home.path(""));
        command.env("UPSEAL_HISTORY", home.history()).env("UPSEAL_CONFIG", home.config());
        let mut server = command.spawn().unwrap();
        let address = address(&wait_for(&path, "to send here"));
        use_it(address, if is_journal { "a.txt" } else { "b.txt" });
        let written = wait_for(&path, "refused from");
        rustix::process::kill_process(rustix::process::Pid::from_child(&server), Signal::TERM).unwrap();
        assert!(server.wait().unwrap().success());
        for (wanted, priority) in [("listening on", "<6>"), ("received from", "<6>"), ("refused from", "<4>")]
        {
            let line = written.lines().find(|line| line.contains(wanted)).unwrap();
            assert_eq!(line.starts_with(priority), is_journal, "{line}");
        }
    }
}
