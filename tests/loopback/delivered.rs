//! What does not count as delivered: late or early ends, surplus bytes, refusals behind a proxy.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Read as _};
use std::net::Shutdown;
use std::time::Duration;

use upseal::event::{Command, Dialect, Event, Fault, FaultKind, State, Variant};
use upseal::{KnownServers, Options};

use crate::common::{
    BIG, Client, Files, Host, Peer, Recording, Spoil, accept, is_state, job_track, listen, message, noise,
    softening_proxy, target, words,
};

/// A client that waits for the server's end for at most `patience`.
fn client(patience: Duration) -> Client {
    let known = KnownServers::at(None);
    let options = Options { retries: 0, patience: Some(patience), ..Options::new(known) };
    Client::of(options, tempfile::tempdir().unwrap())
}

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

fn failed(client: &mut Client, id: u64) -> Fault {
    let State::Failed(fault) = client.finish(id) else { panic!("{id} was not a failure") };
    assert_eq!(client.events.count(is_state(id, State::Delivered)), 0);
    fault
}

fn plain() -> Dialect {
    Dialect::of(Variant::Plain)
}

/// A client that sends a file in Plain, and the server's side of its connection.
fn sending(patience: Duration) -> (Client, Peer) {
    let (listener, target) = listen();
    let client = client(patience);
    client.write("a.txt", b"hello");
    client.upload(&["a.txt"], &target, plain());
    (client, accept(&listener))
}

/// All bytes of that upload.
fn whole_upload() -> Vec<u8> {
    [message(0, b"a.txt"), message(1, b"hello"), words(&[2])].concat()
}

/// A server that is still inside a body takes the client's end for the body's, fails, and closes in order.
#[test]
fn a_server_that_ends_only_after_the_client_has_not_confirmed() {
    let (mut client, mut peer) = sending(Duration::from_millis(50));
    assert_eq!(peer.read_to_end(), (whole_upload(), true));
    peer.0.shutdown(Shutdown::Write).unwrap();
    let fault = failed(&mut client, 1);
    assert_eq!((fault.kind, fault.kind.exit_code()), (FaultKind::Unconfirmed, 1), "{fault}");
    assert!(fault.what.as_str().contains("the server was still waiting for data"), "{fault}");
    assert!(fault.what.as_str().contains("another framing, padding or key length"), "{fault}");
    for option in ["--framing", "--padding", "--key-form", "--key-length-bytes"] {
        assert!(fault.advice.as_str().contains(option), "{fault}");
    }
}

#[test]
fn the_client_does_not_end_its_writing_before_the_server_ends() {
    let (mut client, mut peer) = sending(LONG);
    assert_eq!(peer.read(whole_upload().len()), whole_upload());
    client.events.until(is_state(1, State::Sent));
    peer.0.set_nonblocking(true).unwrap();
    assert_eq!(
        peer.0.read(&mut [0]).unwrap_err().kind(),
        ErrorKind::WouldBlock,
        "the client has not ended its side"
    );
    peer.0.set_nonblocking(false).unwrap();
    assert_eq!(peer.hang_up(), (Vec::new(), true));
    assert_eq!(client.finish(1), State::Delivered);
}

#[test]
fn the_user_can_end_the_wait_for_the_server() {
    let (mut client, mut peer) = sending(LONG);
    assert_eq!(peer.read(whole_upload().len()), whole_upload());
    client.events.until(is_state(1, State::Sent));
    peer.0.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    // Before the wait has begun, the command has no effect.
    loop {
        client.ask(Command::EndWait);
        match peer.0.read(&mut [0]) {
            Ok(n) => break assert_eq!(n, 0, "the client's end"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    let fault = failed(&mut client, 1);
    assert_eq!(fault.kind, FaultKind::Unconfirmed, "{fault}");
    assert!(fault.what.as_str().starts_with("sent, not confirmed"), "{fault}");
    drop(peer);
}

#[test]
fn an_end_of_the_server_that_came_before_mode_2_confirms_nothing() {
    for early in [false, true] {
        let (listener, target) = listen();
        let mut client = client(LONG);
        client.write("a.txt", b"hello");
        client.sparse("big.bin", BIG);
        let name = if early { "a.txt" } else { "big.bin" };
        client.upload(&[name], &target, plain());
        let peer = accept(&listener);
        if early {
            drop(peer);
        } else {
            // The server's end comes while the file is sent, and everything is read.
            peer.0.shutdown(Shutdown::Write).unwrap();
            let mut peer = peer;
            let bytes = peer.read(usize::try_from(BIG).unwrap() + 39);
            assert_eq!(bytes.len() as u64, BIG + 39);
        }
        let fault = failed(&mut client, 1);
        assert!(matches!(fault.kind, FaultKind::Refused | FaultKind::Broken), "{early}: {fault}");
    }
}

#[test]
fn nothing_is_delivered_to_a_server_of_another_protocol_and_its_bytes_are_shown() {
    let servers: [(&[u8], &str); 5] = [
        (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 Bad Request\\r\\n"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2\\r\\n"),
        (b"\x15\x03\x01\x00\x02\x02\x0a", "\\u{15}"),
        // Telnet's commands begin with the byte of a refusal.
        (b"\xff\xfd\x18\xff\xfd\x20", "\\u{18}"),
        (b"file received, thank you", "file received, thank you"),
    ];
    for (banner, shown) in servers {
        for at_once in [true, false] {
            let (mut client, mut peer) = sending(LONG);
            if at_once {
                peer.send(banner);
            }
            assert_eq!(peer.read(whole_upload().len()), whole_upload(), "the server may still want the file");
            if !at_once {
                peer.send(banner);
            }
            peer.hang_up();
            let fault = failed(&mut client, 1);
            assert_eq!(fault.kind, FaultKind::Unconfirmed, "{fault}");
            assert!(fault.what.as_str().contains(shown), "{fault}");
        }
    }
}

#[test]
fn of_many_surplus_bytes_the_first_hundred_are_shown() {
    let (mut client, mut peer) = sending(LONG);
    peer.send(&[b'x'; 10_000]);
    let fault = failed(&mut client, 1);
    assert_eq!(fault.what.as_str().matches('x').count(), 100, "{fault}");
    drop(peer);
}

/// A client that asks for no receipts, so that the server's end alone confirms.
fn without_receipts(retries: u32) -> Client {
    let known = KnownServers::at(None);
    let digest = upseal::FileDigest::None;
    Client::of(Options { retries, digest, ..Options::new(known) }, tempfile::tempdir().unwrap())
}

#[test]
fn a_refused_file_is_not_delivered_behind_a_proxy_that_turns_resets_into_ends() {
    for variant in Variant::ALL {
        for asks in [false, true] {
            let mut host = Host::start();
            host.spoil("a.txt", Spoil::Full);
            let proxy = softening_proxy(host.address(), None);
            let mut client = if asks { Client::start() } else { without_receipts(0) };
            client.write("a.txt", b"hello");
            client.upload(&["a.txt"], &target(proxy), Dialect::of(variant));
            let fault = failed(&mut client, 1);
            assert_eq!((fault.kind, fault.kind.exit_code()), (FaultKind::Refused, 6), "{variant}: {fault}");
            let says_why = fault.what.as_str().contains("it has no room for the file, or cannot write it");
            assert_eq!(says_why, variant != Variant::Plain, "{variant}: {fault}");
            host.stop();
            assert_eq!(host.stored(), Files::none(), "{variant}");
        }
    }
}

#[test]
fn a_damaged_token_is_not_delivered_behind_a_proxy_and_its_reason_reveals_no_detail() {
    let dialect = Dialect::of(Variant::Cp2);
    let recording = Recording::of(dialect, "a.txt", b"hello");
    let mut host = Host::start();
    let proxy = softening_proxy(host.address(), Some(recording.m1 + 50));
    let mut client = without_receipts(3);
    client.write("a.txt", b"hello");
    client.upload(&["a.txt"], &target(proxy), dialect);
    let fault = failed(&mut client, 1);
    assert_eq!(fault.kind, FaultKind::Refused, "{fault}");
    assert!(fault.what.as_str().contains("it could not read, decrypt or verify what was sent"), "{fault}");
    host.stop();
    assert_eq!(host.events.refusals().len(), 1, "it is not resent: {:?}", host.events.refusals());
}

#[test]
fn a_stopped_server_does_not_confirm_unread_bytes_behind_a_proxy() {
    let mut host = Host::start();
    host.hold("a.bin");
    let proxy = softening_proxy(host.address(), None);
    let mut client = without_receipts(0);
    client.write("a.bin", &noise(100_000, 1));
    client.upload(&["a.bin"], &target(proxy), Dialect::of(Variant::Ap));
    client.events.until(is_state(1, State::Sent));
    host.events.until(|event| matches!(event, Event::Receiving { .. }));
    host.interrupt();
    host.open_gate();
    let fault = failed(&mut client, 1);
    host.stop();
    assert_eq!(host.stored(), Files::none(), "{fault}");
}

#[test]
fn a_panic_in_a_session_is_no_end_in_order() {
    for variant in Variant::ALL {
        let mut host = Host::start();
        host.spoil("a.txt", Spoil::Panic);
        let mut client = without_receipts(0);
        client.write("a.txt", b"hello");
        client.upload(&["a.txt"], &host.target(), Dialect::of(variant));
        let fault = failed(&mut client, 1);
        assert_eq!(fault.kind, FaultKind::Refused, "{variant}: {fault}");
        let note = host.events.until(|event| matches!(event, Event::Note { .. }));
        assert!(matches!(note, Event::Note { text } if text.contains("a bug")), "the operator is informed");
    }
}

#[test]
fn a_client_that_reads_nothing_sees_a_reset_after_a_panic() {
    let host = Host::start();
    host.spoil("a.txt", Spoil::Panic);
    let mut peer = Peer::connect(host.address());
    peer.send(&[message(0, b"a.txt"), message(1, b"hello")].concat());
    assert_eq!(peer.read_to_end(), (vec![0xff], false));
}

#[test]
fn our_server_s_end_delivers_every_variant_without_a_receipt() {
    let mut host = Host::start();
    let mut client = without_receipts(0);
    client.write("a.txt", b"hello");
    for (id, variant) in (1..).zip(Variant::ALL) {
        client.ask(Command::Upload(vec![client.job(id, "a.txt", &host.target(), Dialect::of(variant))]));
        assert_eq!(client.finish(id), State::Delivered, "{variant}");
    }
    host.stop();
    assert!(client.events.states(job_track(1)).contains(&State::Sent));
}
