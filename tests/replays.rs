//! Recorded sessions that are replayed to a server whose history can be written, and to one whose history cannot.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;
mod program;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use common::{IDENTITY, K, PATIENCE, Peer, ca, contents, fixtures, message, words};
use program::{Home, Program};
use rusqlite::Connection;
use upseal::event::{Dialect, Padding, Variant};
use upseal::testing::clock;
use upseal::testing::rsa::BlockSealer;
use upseal::{Anchor, FileDigest, Seal as _, ServerKey};

/// The server program, in a home folder of its own.
struct Server {
    home: Home,
    program: Program,
    address: SocketAddr,
}

impl Server {
    fn start() -> Self {
        Self::again(Home::new())
    }

    fn again(home: Home) -> Self {
        let certs = fixtures("identity-v1");
        let line = "serve --json --bind 127.0.0.1:0 --certs {certs}";
        let mut program = home.start(program::words(line, &[("certs", certs.to_str().unwrap())]));
        let address = program.address().parse().unwrap();
        Self { home, program, address }
    }

    /// Sends these bytes over a new connection. `Err` contains the reason of the refusal, and whom it blames.
    fn play(&mut self, bytes: &[u8]) -> Result<(), (String, String)> {
        let mut peer = Peer::connect(self.address);
        peer.send(bytes);
        peer.hang_up();
        let end =
            self.program.json(|event| event["event"] == "refused" || event["event"] == "session_closed");
        if end["event"] == "session_closed" {
            return Ok(());
        }
        self.program.json(|event| event["event"] == "session_closed");
        let text = |key: &str| end[key].as_str().unwrap().to_owned();
        Err((text("why"), text("blame")))
    }

    fn is_refused(&mut self, bytes: &[u8], what: &str) {
        let played = self.play(bytes);
        let why = played.expect_err(what).0;
        assert!(why.contains(&format!("a replay: {what}")), "{why}");
    }

    fn history(&self) -> Connection {
        Connection::open(self.home.history()).unwrap()
    }

    /// Returns the number of digests in the replay memory.
    fn remembered(&self) -> i64 {
        self.history().query_row("SELECT count(*) FROM seen", [], |row| row.get(0)).unwrap()
    }

    fn stored(&self) -> Vec<String> {
        let names = contents(&self.home.path("recv_files"));
        names.names().into_iter().map(str::to_owned).collect()
    }
}

/// Records one upload to an unrelated server.
fn recording(dialect: Dialect, name: &str, content: &[u8]) -> common::Recording {
    common::Recording::of(dialect, name, content)
}

/// Encrypts a block with this content.
fn block(content: &[u8]) -> Vec<u8> {
    let anchor = Anchor::load(&ca()).unwrap();
    let (key, _): (ServerKey, _) = anchor.check(IDENTITY.certificate_pem(), clock::unix_seconds()).unwrap();
    let mut sealer = BlockSealer::new(key, Padding::Oaep, content.len() as u64, FileDigest::Sha256);
    let mut out = Vec::new();
    sealer.seal(content, &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    out
}

fn pair(block: &[u8]) -> Vec<u8> {
    [&words(&[K as u64]), block].concat()
}

/// Returns the messages of a client without a hello, up to MODE 1.
fn opening(name: &str) -> Vec<u8> {
    [message(3, b"no hello"), message(0, name.as_bytes()), words(&[1])].concat()
}

#[test]
fn an_empty_body_continued_by_pairs_is_not_accepted_twice() {
    let mut server = Server::start();
    let pairs = [pair(&block(&[7; 62])), pair(&block(b"the rest"))].concat();
    let body = |name| [opening(name), words(&[0]), pairs.clone(), words(&[2])].concat();
    server.play(&body("a")).unwrap();
    server.is_refused(&body("b"), "this CP1 body");
    assert_eq!(server.stored(), ["a"]);
}

#[test]
fn an_empty_block_before_a_body_does_not_hide_it() {
    let mut server = Server::start();
    let content = block(b"a secret");
    let joined = |name, blocks: &[Vec<u8>]| {
        let body = blocks.concat();
        [opening(name), words(&[body.len() as u64]), body, words(&[2])].concat()
    };
    server.play(&joined("a", &[block(b""), content.clone()])).unwrap();
    // Digests from the recording, and from the session that replays it.
    for before in [vec![block(b"")], vec![], vec![block(b""), block(b"")]] {
        let blocks = [before, vec![content.clone()]].concat();
        server.is_refused(&joined("b", &blocks), "this CP1 body");
    }
    assert_eq!(server.stored(), ["a"]);
    // An empty file cannot be replayed either.
    let empty = block(b"");
    server.play(&joined("c", std::slice::from_ref(&empty))).unwrap();
    server.is_refused(&joined("d", &[empty]), "this CP1 body");
}

#[test]
fn a_continuation_after_silence_is_not_accepted_from_a_recording() {
    let mut server = Server::start();
    let recorded = [pair(&block(&[1; 62])), pair(&block(&[2; 62])), pair(&block(&[3; 4]))].concat();
    let upload = [opening("a"), words(&[128]), recorded.clone(), words(&[2])].concat();
    server.play(&upload).unwrap();
    // A complete file of one short block by another sender, the silence after it, and the recording.
    let mut peer = Peer::connect(server.address);
    peer.send(&[opening("b"), words(&[9]), pair(&block(b"something"))].concat());
    server.program.json(|event| event["event"] == "received" && event["name"] == "b");
    peer.send(&[recorded, words(&[2])].concat());
    assert!(!peer.hang_up().1);
    let refused = server.program.json(|event| event["event"] == "refused");
    assert!(refused["why"].as_str().unwrap().contains("a replay: this CP1 body"), "{refused}");
    server.program.json(|event| event["event"] == "session_closed");
    assert_eq!(contents(&server.home.path("recv_files")).get("b"), b"something");
}

#[test]
fn a_used_continuation_does_not_begin_or_continue_another_file() {
    let mut server = Server::start();
    let rest = [pair(&block(&[5; 62])), pair(&block(&[6; 9]))].concat();
    let mut peer = Peer::connect(server.address);
    peer.send(&[opening("a"), words(&[9]), pair(&block(b"something"))].concat());
    server.program.json(|event| event["event"] == "received");
    peer.send(&[rest.clone(), words(&[2])].concat());
    assert!(peer.hang_up().1);
    server.program.json(|event| event["event"] == "session_closed");
    server.is_refused(&[opening("b"), words(&[71]), rest, words(&[2])].concat(), "this CP1 body");
    assert_eq!(server.stored(), ["a"]);
}

#[test]
fn a_replay_is_refused_although_the_history_cannot_be_written() {
    let mut server = Server::start();
    let full = "CREATE TRIGGER full_1 BEFORE INSERT ON seen BEGIN SELECT RAISE(ABORT, 'disk full'); END;
                CREATE TRIGGER full_2 BEFORE INSERT ON received BEGIN SELECT RAISE(ABORT, 'disk full'); END;";
    server.history().execute_batch(full).unwrap();
    for (variant, name) in [(Variant::Cp2, "a"), (Variant::Cp1, "b")] {
        let bytes = recording(Dialect::of(variant), name, b"hello").bytes;
        server.play(&bytes).unwrap();
        for _ in 0..2 {
            let what = if variant == Variant::Cp1 { "this CP1 body" } else { "this session key" };
            server.is_refused(&bytes, what);
        }
    }
    assert_eq!(server.stored(), ["a", "b"]);
    assert_eq!(server.remembered(), 0);
    // The history can be written again: the next file's row also writes the waiting ones.
    server.history().execute_batch("DROP TRIGGER full_1; DROP TRIGGER full_2").unwrap();
    server.play(&recording(Dialect::of(Variant::Plain), "c", b"hello").bytes).unwrap();
    assert_eq!(server.remembered(), 2);
    let rows: i64 =
        server.history().query_row("SELECT count(*) FROM received", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 3);
}

#[test]
fn nothing_replayable_is_stored_while_the_history_cannot_be_read() {
    let mut server = Server::start();
    server.history().execute_batch("DROP TABLE seen").unwrap();
    for variant in [Variant::Cp1, Variant::Cp2] {
        let bytes = recording(Dialect::of(variant), "a", b"hello").bytes;
        let (why, blame) = server.play(&bytes).unwrap_err();
        assert!(why.contains("the history cannot be"), "{why}");
        assert_eq!(blame, "system");
    }
    assert_eq!(server.stored(), Vec::<String>::new());
}

#[test]
fn only_a_session_key_that_opened_a_file_is_remembered() {
    let mut server = Server::start();
    let recording = recording(Dialect::of(Variant::Cp2), "a", b"hello");
    let key = recording.ends[0]..recording.ends[1];
    let mut bytes = recording.bytes[..key.start].to_vec();
    // A connection has at most 64 MODE 4 before its first file.
    for n in 0..31_u8 {
        // One block of another length than the key's, and one of its length: neither decrypts.
        bytes.extend(message(4, &[n; 3]));
        bytes.extend(message(4, &[n; K]));
    }
    bytes.extend_from_slice(&recording.bytes[key.start..]);
    server.play(&bytes).unwrap();
    assert_eq!(server.stored(), ["a"]);
    assert_eq!(server.remembered(), 1);
    server.is_refused(&recording.bytes, "this session key");
}

#[test]
fn a_failed_file_can_be_sent_again() {
    let mut server = Server::start();
    let recording = recording(Dialect::of(Variant::Cp2), "a", b"hello");
    // The connection breaks inside the token.
    server.play(&recording.bytes[..recording.whole - 20]).unwrap_err();
    assert_eq!(server.remembered(), 0);
    server.play(&recording.bytes).unwrap();
}

#[test]
fn a_start_forgets_what_can_no_longer_be_replayed() {
    let server = Server::start();
    // Of another key, and of one that an earlier version did not note: it may be this server's.
    let long_ago = "INSERT INTO seen (what, digest, until, key) VALUES (1, zeroblob(32), 1000, 1);
                    INSERT INTO seen (what, digest, until) VALUES (2, zeroblob(32), 1000)";
    server.history().execute_batch(long_ago).unwrap();
    let Server { home, program, .. } = server;
    program.signal(rustix::process::Signal::TERM);
    assert_eq!(program.finish().code, Some(0));
    let server = Server::again(home);
    // A thread of its own forgets them.
    let until = Instant::now() + PATIENCE;
    while server.remembered() > 1 {
        assert!(Instant::now() < until, "both are still remembered");
        thread::sleep(Duration::from_millis(5));
    }
    let left: i64 = server.history().query_row("SELECT what FROM seen", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 2);
}

/// One known client sends its session key in several blocks, all but one of them empty. An attacker can put a fresh
/// block before them.
#[test]
fn a_session_key_in_a_later_piece_is_not_accepted_twice() {
    let mut server = Server::start();
    let key = [0x61; 32];
    let fernet = fernet::Fernet::new(&base64_simd::URL_SAFE.encode_to_string(key)).unwrap();
    let (piece, token) = (pair(&block(&key)), fernet.encrypt(b"secret"));
    let session = |name: &str| {
        let opening = [message(3, b"no hello"), message(4, &block(b"")), piece.clone()].concat();
        [opening, message(0, name.as_bytes()), message(1, token.as_bytes()), words(&[2])].concat()
    };
    server.play(&session("a")).unwrap();
    server.is_refused(&session("b"), "this session key");
    assert_eq!(server.stored(), ["a"]);
}
