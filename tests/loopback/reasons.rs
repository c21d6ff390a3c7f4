//! Reasons of refusals, and which files the client does not resend.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use upseal::event::{Dialect, Event, FaultKind, Padding, State, Variant};
use upseal::testing::net::{HELLO_RANDOM, Offer};
use upseal::{KnownServers, Options, Paddings, Policy};

use crate::common::{
    BIG, Client, Files, Host, IDENTITY, Peer, Recording, Spoil, accept, is_closed, is_opened, is_state,
    job_track, listen, message, words,
};

fn client(retries: u32) -> Client {
    let known = KnownServers::at(None);
    Client::of(Options { retries, ..Options::new(known) }, tempfile::tempdir().unwrap())
}

fn hello(variant: Variant) -> Vec<u8> {
    message(3, &Offer::of(Dialect::of(variant)).unwrap().hello(&[7; HELLO_RANDOM]))
}

/// Says hello, sends bytes, and gives what the server says instead of an end in order.
fn answer(host: &Host, variant: Variant, bytes: &[u8]) -> String {
    let mut peer = Peer::connect(host.address());
    peer.send(&hello(variant));
    peer.read_blob();
    peer.read_blob();
    peer.send(bytes);
    let (said, in_order) = peer.read_to_end();
    assert!(!in_order, "the end is a reset");
    assert_eq!(said[0], 0xff);
    String::from_utf8(said[1..].to_vec()).unwrap()
}

#[test]
fn a_client_that_sent_a_hello_gets_the_reason_and_the_number_of_the_file() {
    let policy = Policy { max_file: 1000, variants: vec![Variant::Ap, Variant::Cp2], ..Policy::default() };
    let host = Host::with(policy);
    host.spoil("full.txt", Spoil::Full);
    let name = message(0, b"a.txt");
    let file = |mode: &[u8]| [&name[..], mode].concat();
    assert_eq!(answer(&host, Variant::Ap, &file(&words(&[1, 1001]))), "upseal/1 refused size 1\n");
    assert_eq!(answer(&host, Variant::Cp1, &file(&words(&[1, 128]))), "upseal/1 refused variant\n");
    assert_eq!(answer(&host, Variant::Ap, &message(0, b"..")), "upseal/1 refused name 1\n");
    let full = [message(0, b"full.txt"), message(1, b"hello")].concat();
    assert_eq!(answer(&host, Variant::Ap, &full), "upseal/1 refused disk 1\n");
    assert_eq!(answer(&host, Variant::Ap, &message(3, b"upseal/9")), "upseal/1 refused policy\n");
    assert_eq!(answer(&host, Variant::Ap, &words(&[9])), "upseal/1 refused content\n");
    host.spoil("bug.txt", Spoil::Panic);
    let bug = [message(0, b"bug.txt"), message(1, b"hello")].concat();
    assert_eq!(answer(&host, Variant::Ap, &bug), "upseal/1 refused busy\n");
}

#[test]
fn a_client_without_a_hello_is_told_by_one_byte() {
    let host = Host::with(Policy { max_file: 1000, ..Policy::default() });
    let mut peer = Peer::connect(host.address());
    peer.send(&[message(0, b"a.txt"), words(&[1, 1001])].concat());
    assert_eq!(peer.read_to_end(), (vec![0xff], false));
}

/// Whatever fails to decrypt, the client learns the same from the same bytes.
#[test]
fn every_failure_of_decryption_is_told_alike() {
    let host = Host::start();
    let recording = Recording::of(Dialect::of(Variant::Cp2), "a.txt", b"hello");
    let file = &recording.bytes[recording.file()..recording.whole];
    let key = IDENTITY.server_key().fingerprint().to_string();
    // A key that does not unwrap, and one that is not ciphertext at all; a token under another key.
    let keys = [vec![0; 128], vec![0xff; 128], vec![7; 128], key.into_bytes()];
    for (n, wrapped) in keys.iter().enumerate() {
        let bytes = [&message(4, wrapped)[..], file].concat();
        assert_eq!(answer(&host, Variant::Cp2, &bytes), "upseal/1 refused content 1\n", "key {n}");
    }
    let blocks = |body: &[u8]| [message(0, b"a.txt"), message(1, body)].concat();
    for body in [vec![0; 128], vec![7; 256], vec![0xff; 128]] {
        let bytes = [blocks(&body), words(&[2])].concat();
        assert_eq!(answer(&host, Variant::Cp1, &bytes), "upseal/1 refused content 1\n");
    }
}

#[test]
fn a_file_above_the_server_s_limit_is_refused_before_its_first_byte_and_alone() {
    for variant in [Variant::Ap, Variant::Cp1, Variant::Cp2] {
        let mut host = Host::with(Policy { max_file: 1000, ..Policy::default() });
        let mut client = client(3);
        for name in ["a.txt", "c.txt"] {
            client.write(name, name.as_bytes());
        }
        client.write("b.bin", &[7; 1001]);
        client.upload(&["a.txt", "b.bin", "c.txt"], &host.target(), Dialect::of(variant));
        let ends = client.finish_all(3);
        let State::Failed(fault) = &ends[1] else { panic!("{variant}: it was not refused") };
        assert_eq!((fault.kind, fault.kind.exit_code()), (FaultKind::Refused, 6), "{fault}");
        assert!(fault.what.as_str().contains("larger than it accepts (1000 B at most)"), "{fault}");
        assert!(ends[0].has_arrived() && ends[2].has_arrived(), "{ends:?}");
        assert_eq!(client.events.count(|event| matches!(event, Event::Retrying { .. })), 0);
        assert!(!client.events.states(job_track(2)).contains(&State::Sending), "nothing of it was sent");
        host.stop();
        assert_eq!(host.stored().names(), ["a.txt", "c.txt"], "{variant}");
        assert!(host.events.refusals().is_empty(), "{:?}", host.events.refusals());
    }
}

#[test]
fn a_variant_or_padding_that_the_server_does_not_accept_is_refused_before_the_first_byte() {
    let pkcs = Dialect { padding: Padding::Pkcs1v15, ..Dialect::of(Variant::Cp1) };
    let only_ap = Policy { variants: vec![Variant::Ap], ..Policy::default() };
    let only_oaep = Policy { paddings: Paddings::OAEP, ..Policy::default() };
    for (policy, dialect, advice) in
        [(only_ap, Dialect::of(Variant::Cp2), "--protocol ap"), (only_oaep, pkcs, "--padding oaep")]
    {
        let mut host = Host::with(policy);
        let mut client = client(3);
        client.write("a.txt", b"hello");
        client.write("b.txt", b"world");
        client.upload(&["a.txt", "b.txt"], &host.target(), dialect);
        for end in client.finish_all(2) {
            let State::Failed(fault) = end else { panic!("it was not refused: {end:?}") };
            assert_eq!(fault.kind, FaultKind::Refused, "{fault}");
            assert!(fault.advice.as_str().contains(advice), "{fault}");
        }
        host.stop();
        assert!(host.events.refusals().is_empty(), "{:?}", host.events.refusals());
    }
}

#[test]
fn a_client_stops_sending_when_it_is_refused() {
    for variant in [Variant::Plain, Variant::Ap] {
        let mut host = Host::start();
        host.spoil("big.bin", Spoil::Full);
        let mut client = client(0);
        // Far more than it can send before the disk is found to be full.
        client.sparse("big.bin", 1 << 40);
        client.upload(&["big.bin"], &host.target(), Dialect::of(variant));
        let State::Failed(fault) = client.finish(1) else { panic!("{variant}: it was not refused") };
        assert_eq!(fault.kind, FaultKind::Refused, "{variant}: {fault}");
        host.events.until(is_closed);
        assert_eq!(host.stored(), Files::none(), "{variant}");
    }
}

#[test]
fn a_client_that_is_still_sending_hears_a_refusal_of_any_server() {
    let (listener, target) = listen();
    let mut client = client(0);
    client.sparse("big.bin", BIG);
    client.upload(&["big.bin"], &target, Dialect::of(Variant::Plain));
    let mut peer = accept(&listener);
    client.blocked(1);
    peer.send(&[0xff]);
    let (bytes, in_order) = peer.read_to_end();
    assert!(!in_order && (bytes.len() as u64) < BIG, "it stopped by a reset: {}", bytes.len());
    let State::Failed(fault) = client.finish(1) else { panic!("it was not refused") };
    assert_eq!(fault.kind, FaultKind::Refused, "{fault}");
}

#[test]
fn a_full_disk_fails_every_file_of_the_connection_and_none_is_sent_again() {
    let mut host = Host::start();
    host.spoil("b.txt", Spoil::Full);
    let mut client = client(3);
    for name in ["a.txt", "b.txt", "c.txt"] {
        client.write(name, name.as_bytes());
    }
    client.upload(&["a.txt", "b.txt", "c.txt"], &host.target(), Dialect::of(Variant::Cp2));
    for end in client.finish_all(3) {
        let State::Failed(fault) = end else { panic!("it was not refused: {end:?}") };
        assert!(matches!(fault.kind, FaultKind::Refused | FaultKind::Broken), "{fault}");
    }
    assert_eq!(client.events.count(|event| matches!(event, Event::Retrying { .. })), 0);
    host.events.until(is_closed);
    assert!(!host.stored().names().contains(&"b.txt"));
}

#[test]
fn of_several_files_the_server_names_the_refused_one_and_the_others_go_on_together() {
    let mut host = Host::start();
    let mut client = client(3);
    for name in ["a.txt", ".upseal-0.part", "c.txt"] {
        client.write(name, name.as_bytes());
    }
    client.upload(&["a.txt", ".upseal-0.part", "c.txt"], &host.target(), Dialect::of(Variant::Ap));
    let ends = client.finish_all(3);
    let State::Failed(fault) = &ends[1] else { panic!("it was not refused: {ends:?}") };
    assert_eq!(fault.kind, FaultKind::Refused, "{fault}");
    assert!(fault.what.as_str().contains("name"), "{fault}");
    assert!(ends[0].has_arrived() && ends[2].has_arrived(), "{ends:?}");
    assert_eq!(client.events.count(is_state(2, State::Waiting)), 0, "it is not sent again");
    host.stop();
    assert_eq!(host.events.count(is_opened), 2, "the others share a connection");
    assert_eq!(host.stored().names(), ["a.txt", "c.txt"]);
}

#[test]
fn without_receipts_the_refused_one_is_found_by_a_connection_for_each() {
    let mut host = Host::start();
    let mut client = client(3);
    for name in ["a.txt", ".upseal-0.part", "c.txt"] {
        client.write(name, name.as_bytes());
    }
    client.upload(&["a.txt", ".upseal-0.part", "c.txt"], &host.target(), Dialect::of(Variant::Plain));
    let ends = client.finish_all(3);
    let State::Failed(fault) = &ends[1] else { panic!("it was not refused: {ends:?}") };
    assert_eq!(fault.kind, FaultKind::Refused, "{fault}");
    assert_eq!((&ends[0], &ends[2]), (&State::Delivered, &State::Delivered));
    host.stop();
    assert_eq!(host.stored().names(), ["a.txt", "c.txt"]);
}
