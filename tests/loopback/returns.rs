//! Files that are resent, and servers that disappear and return.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use upseal::event::{Command, Dialect, Event, FaultKind, State, Target, Variant};
use upseal::{KnownServers, Options};

use crate::common::{
    BIG, Client, Files, Host, Peer, accept, is_state, job_track, listen, message, noise, target, upload,
    words,
};

fn client(retries: u32, absence: Option<Duration>) -> Client {
    let known = KnownServers::at(None);
    Client::of(Options { retries, absence, ..Options::new(known) }, tempfile::tempdir().unwrap())
}

fn plain() -> Dialect {
    Dialect::of(Variant::Plain)
}

/// An address that no other test gets while no socket listens there.
pub(crate) fn own_address(last: u8) -> SocketAddr {
    let address = if cfg!(target_os = "linux") { [127, 0, 8, last] } else { [127, 0, 0, 1] };
    TcpListener::bind(SocketAddr::from((address, 0))).unwrap().local_addr().unwrap()
}

/// Receives one file in Plain, ends in order, and is gone, as a server for one connection does.
fn serve_one(listener: TcpListener, name: &str, content: &[u8]) {
    let mut peer = accept(&listener);
    drop(listener);
    let expected = [message(0, name.as_bytes()), message(1, content), words(&[2])].concat();
    assert_eq!(peer.read(expected.len()), expected);
    assert_eq!(peer.hang_up(), (Vec::new(), true));
}

fn is_away(event: &Event) -> bool {
    matches!(event, Event::Away { .. })
}

#[test]
fn the_queue_waits_for_a_server_that_serves_one_connection_and_reports_it() {
    let address = own_address(1);
    let mut client = client(3, None);
    let target = Target::server(address.into(), None);
    client.write("a.txt", b"one");
    client.write("b.txt", b"two");
    client.write("c.txt", b"three");
    let first = TcpListener::bind(address).unwrap();
    client.upload(&["a.txt"], &target, plain());
    serve_one(first, "a.txt", b"one");
    assert_eq!(client.finish(1), State::Delivered);

    client.ask(Command::Upload(vec![
        client.job(2, "b.txt", &target, plain()),
        client.job(3, "c.txt", &target, plain()),
    ]));
    let Event::Away { address: said, waiting } = client.events.until(is_away) else { unreachable!() };
    assert_eq!((said, waiting), (address.into(), 2));
    // Uploads to other servers do not wait.
    let (listener, elsewhere) = listen();
    client.ask(Command::Upload(vec![client.job(4, "a.txt", &elsewhere, plain())]));
    serve_one(listener, "a.txt", b"one");
    assert_eq!(client.finish(4), State::Delivered);

    let again = TcpListener::bind(address).unwrap();
    let mut peer = accept(&again);
    let expected =
        [message(0, b"b.txt"), message(1, b"two"), message(0, b"c.txt"), message(1, b"three"), words(&[2])];
    let expected = expected.concat();
    assert_eq!(peer.read(expected.len()), expected);
    assert!(peer.hang_up().1);
    assert_eq!(client.finish(3), State::Delivered);
    assert_eq!(client.events.count(is_away), 1, "it is reported once");
    assert_eq!(
        client.events.states(job_track(2)),
        [State::Connecting, State::Waiting, State::Sending, State::Sent, State::Delivered]
    );
}

#[test]
fn uploads_that_wait_for_a_server_can_be_cancelled() {
    let address = own_address(2);
    let mut client = client(3, None);
    let target = Target::server(address.into(), None);
    client.write("a.txt", b"one");
    let first = TcpListener::bind(address).unwrap();
    client.upload(&["a.txt"], &target, plain());
    serve_one(first, "a.txt", b"one");
    assert_eq!(client.finish(1), State::Delivered);
    client.ask(Command::Upload(vec![client.job(2, "a.txt", &target, plain())]));
    client.events.until(is_away);
    client.ask(Command::CancelAll);
    assert_eq!(client.finish(2), State::Cancelled);
}

#[test]
fn the_wait_for_a_server_ends_at_its_limit() {
    let address = own_address(3);
    let mut client = client(3, Some(Duration::from_millis(100)));
    let target = Target::server(address.into(), None);
    client.write("a.txt", b"one");
    let first = TcpListener::bind(address).unwrap();
    client.upload(&["a.txt"], &target, plain());
    serve_one(first, "a.txt", b"one");
    assert_eq!(client.finish(1), State::Delivered);
    client.ask(Command::Upload(vec![client.job(2, "a.txt", &target, plain())]));
    let State::Failed(fault) = client.finish(2) else { panic!("it did not fail") };
    assert_eq!(fault.kind, FaultKind::Broken, "{fault}");
    assert!(fault.what.as_str().contains("did not return"), "{fault}");
    assert_eq!(client.events.count(is_away), 1);
}

/// A server that has answered, and now refuses as busy or resets before its proof, is about to be replaced.
#[test]
fn a_server_that_stops_before_its_proof_is_waited_for() {
    let address = own_address(5);
    let mut client = client(3, None);
    let target = target(address);
    client.write("a.txt", b"one");
    client.write("b.txt", b"two");
    let mut host = Host::at(address);
    client.upload(&["a.txt"], &target, Dialect::of(Variant::Ap));
    assert!(matches!(client.finish(1), State::Delivered | State::Stored { .. }));
    host.stop();
    let listener = TcpListener::bind(address).unwrap();
    client.ask(Command::Upload(vec![client.job(2, "b.txt", &target, Dialect::of(Variant::Ap))]));
    let mut peer = accept(&listener);
    peer.send(b"\xffupseal/1 refused busy\n");
    peer.break_off();
    client.events.until(is_away);
    accept(&listener).break_off();
    let mut peer = accept(&listener);
    peer.read(16);
    drop(listener);
    let _host = Host::at(address);
    peer.break_off();
    assert!(matches!(client.finish(2), State::Delivered | State::Stored { .. }));
}

/// A server that never answered is another kind of failure, and not worth a wait.
#[test]
fn a_server_that_never_answered_is_not_waited_for() {
    let mut client = client(3, None);
    client.write("a.txt", b"one");
    client.upload(&["a.txt"], &Target::server(own_address(4).into(), None), plain());
    let State::Failed(fault) = client.finish(1) else { panic!("it did not fail") };
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
    assert_eq!(client.events.count(is_away), 0);
}

#[test]
fn a_file_that_was_cut_is_resent_from_its_first_byte() {
    let (listener, target) = listen();
    let mut client = client(3, None);
    // More than the kernel's buffers hold; otherwise the file would count as sent.
    client.sparse("a.bin", BIG);
    let content = vec![0; usize::try_from(BIG).unwrap()];
    client.upload(&["a.bin"], &target, plain());
    let mut peer = accept(&listener);
    peer.read(1000);
    peer.break_off();
    let retrying = |event: &Event| matches!(event, Event::Retrying { tries: 1, retries: 3, .. });
    client.events.until(retrying);
    let mut peer = accept(&listener);
    let expected = [message(0, b"a.bin"), message(1, &content), words(&[2])].concat();
    assert_eq!(peer.read(expected.len()), expected);
    assert!(peer.hang_up().1);
    assert_eq!(client.finish(1), State::Delivered);
}

#[test]
fn a_file_that_is_always_cut_fails_after_its_retries() {
    let (listener, target) = listen();
    let mut client = client(2, None);
    client.sparse("a.bin", BIG);
    client.upload(&["a.bin"], &target, plain());
    for _ in 0..3 {
        let mut peer = accept(&listener);
        peer.read(1000);
        peer.break_off();
    }
    let State::Failed(fault) = client.finish(1) else { panic!("it did not fail") };
    assert_eq!(fault.kind, FaultKind::Broken, "{fault}");
    assert_eq!(client.events.count(|event| matches!(event, Event::Retrying { .. })), 2);
    assert!(crate::common::is_alone(&listener));
}

#[test]
fn with_no_retries_a_cut_is_the_end() {
    let (listener, target) = listen();
    let mut client = client(0, None);
    client.sparse("a.bin", BIG);
    client.upload(&["a.bin"], &target, plain());
    let mut peer: Peer = accept(&listener);
    peer.read(1000);
    peer.break_off();
    assert!(matches!(client.finish(1), State::Failed(_)));
    assert_eq!(client.events.count(|event| matches!(event, Event::Retrying { .. })), 0);
}

/// The cut came after the last byte: the server has the file, and the client cannot know.
#[test]
fn a_resent_file_is_stored_once() {
    let mut host = Host::start();
    let content = noise(1000, 1);
    upload(host.address(), plain(), "a.bin", &content).unwrap();
    let (listener, target) = listen();
    let mut client = client(3, None);
    client.write("a.bin", &content);
    client.upload(&["a.bin"], &target, plain());
    let expected = [message(0, b"a.bin"), message(1, &content), words(&[2])].concat();
    let mut peer = accept(&listener);
    assert_eq!(peer.read(expected.len()), expected);
    peer.break_off();
    client.events.until(is_state(1, State::Waiting));
    // The second try reaches the server itself.
    let mut peer = accept(&listener);
    let again = peer.read(expected.len());
    let mut server = Peer::connect(host.address());
    server.send(&again);
    assert!(server.hang_up().1);
    assert!(peer.hang_up().1);
    assert_eq!(client.finish(1), State::Delivered);
    host.stop();
    assert_eq!(host.stored(), Files::one("a.bin", &content));
}
