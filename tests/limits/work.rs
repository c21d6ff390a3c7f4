//! How much work a client may ask of the server's key, and what a bad client does to its address.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpStream;

use upseal::event::{Dialect, EmptyFile, Event, Framing, Variant};
use upseal::testing::net::REFUSED;
use upseal::{Penalize, Policy, Work};

use crate::admission::{connect_from, is_refused};
use crate::common::{self, Host, Peer, message, words};

/// Waits for a refusal, and returns what the operator reads.
fn why(host: &mut Host) -> String {
    let Event::Refused { why, .. } = host.events.until(|event| matches!(event, Event::Refused { .. })) else {
        unreachable!()
    };
    why
}

fn prove(client: &mut Peer) {
    client.send(&message(3, b"hello"));
    assert!(!client.read_blob().is_empty());
    assert!(!client.read_blob().is_empty());
}

#[test]
fn a_connection_has_16_proofs_and_two_more_for_each_file() {
    let mut host = Host::start();
    let mut client = Peer::connect(host.address());
    (0..16).for_each(|_| prove(&mut client));
    client.send(&message(3, b"hello"));
    is_refused(&mut client);
    let said = why(&mut host);
    assert!(said.contains("MODE 3 came more than 16 times in one connection, with 0 files"), "{said}");
    let mut client = Peer::connect(host.address());
    (0..16).for_each(|_| prove(&mut client));
    for n in 0..5 {
        client.send(&[message(0, format!("{n}.txt").as_bytes()), words(&[1, 1]), b"a".to_vec()].concat());
        (0..2).for_each(|_| prove(&mut client));
    }
    client.send(&words(&[2]));
    assert_eq!(client.read_to_end(), (Vec::new(), true));
}

#[test]
fn a_connection_has_64_session_keys_and_four_more_for_each_file() {
    let work = Work { keys: 3, ..Work::default() };
    let mut host = Host::with(Policy { work, ..Policy::default() });
    assert_eq!(Work::default().keys, 64);
    let mut client = Peer::connect(host.address());
    for n in 0..4 {
        // Two known pieces fit into no further piece, which would count too.
        client.send(&message(4, &[n; 200]));
    }
    is_refused(&mut client);
    let said = why(&mut host);
    assert!(said.contains("MODE 4 came more than 3 times in one connection, with 0 files"), "{said}");
}

#[test]
fn a_body_of_empty_blocks_ends_after_64_of_them() {
    let mut host = Host::start();
    let dialect = Dialect { framing: Framing::E, empty: EmptyFile::Block, ..Dialect::of(Variant::Cp1) };
    let (bytes, _) = common::recorded_upload(host.address(), dialect, "empty.bin", b"").unwrap();
    // The length of a block and the block, before MODE 2.
    let pair = &bytes[bytes.len() - 8 - 8 - 128..bytes.len() - 8];
    assert_eq!(pair[..8], words(&[128]), "{pair:?}");
    for (name, blocks) in [("few.bin", 64), ("many.bin", 1000)] {
        let mut client = Peer::connect(host.address());
        prove(&mut client);
        client.send(&[message(0, name.as_bytes()), words(&[1]), pair.repeat(blocks), words(&[2])].concat());
        if blocks == 64 {
            assert_eq!(client.read_to_end(), (Vec::new(), true));
        } else {
            assert_eq!(client.read_to_end().0, [REFUSED]);
            let said = why(&mut host);
            assert!(said.contains("fewer than one byte in 64 CP1 blocks"), "{said}");
        }
    }
    host.stop();
    // What was published before more came stays, and is empty.
    assert_eq!(host.stored().names(), ["empty.bin", "few.bin", "many.bin"]);
    assert_eq!(host.stored().length("many.bin"), 0);
}

#[test]
fn an_address_with_many_bad_sessions_is_refused_for_a_while() {
    let mut host = Host::with(Policy { penalize: Penalize::All, ..Policy::default() });
    for _ in 0..20 {
        let Ok(socket) = TcpStream::connect(host.address()) else { continue };
        let mut client = Peer::over(socket);
        client.send(&words(&[7]));
        client.read_to_end();
    }
    let is_line = |event: &Event| matches!(event, Event::Warned { session: None, .. });
    let Event::Warned { text, .. } = host.events.until(is_line) else { unreachable!() };
    assert!(
        text.contains("too many refused, malformed or abandoned sessions of one address (--penalties)"),
        "{text}"
    );
    assert!(common::upload(host.address(), Dialect::of(Variant::Plain), "same.txt", b"a").is_err());
    let mut other = connect_from(9, host.address());
    other.send(&[&message(0, b"other.txt")[..], &words(&[1, 1]), b"a", &words(&[2])].concat());
    assert_eq!(other.read_to_end(), (Vec::new(), true));
    host.stop();
    assert_eq!(host.stored().names(), ["other.txt"]);
}
