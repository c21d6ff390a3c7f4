//! How long a client may take. The times are short here, so that each test takes some hundred milliseconds.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::net::TcpStream;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use upseal::event::{Dialect, Event, Variant};
use upseal::testing::net::REFUSED;
use upseal::{Deadlines, Policy};

use crate::common::{self, Files, Host, PATIENCE, Peer, message, words};

const SHORT: Duration = Duration::from_millis(100);

fn host(deadlines: Deadlines) -> Host {
    Host::with(Policy { deadlines, ..Policy::default() })
}

/// Deadlines that no test reaches.
fn long() -> Deadlines {
    let [login, begin, idle, message, silence, answer, farewell] = [PATIENCE * 10; 7];
    Deadlines { login, begin, idle, message, silence, rate: 0, answer, farewell }
}

/// Checks that the server refuses this client, and returns what the operator reads.
fn refused(host: &mut Host, mut client: Peer) -> String {
    // A write of the test's other thread may take the reset's error, and then a read sees an end.
    assert_eq!(client.read_to_end().0, [REFUSED]);
    let Event::Refused { why, is_cut, .. } =
        host.events.until(|event| matches!(event, Event::Refused { .. }))
    else {
        unreachable!()
    };
    assert!(is_cut, "{why}");
    why
}

/// Sends a byte after each pause, until the other side has ended the connection.
fn trickle(client: &Peer, bytes: u8, pause: Duration) -> JoinHandle<()> {
    let mut socket: TcpStream = client.0.try_clone().unwrap();
    thread::spawn(move || {
        while socket.write_all(&[bytes]).is_ok() {
            thread::sleep(pause);
        }
    })
}

#[test]
fn a_client_that_says_nothing_is_refused_after_the_login_grace() {
    let mut host = host(Deadlines { login: SHORT, ..long() });
    let silent = Peer::connect(host.address());
    let why = refused(&mut host, silent);
    assert!(why.contains("no complete message within 0.1 s (--login-grace)"), "{why}");
    // Half a message is none.
    let mut half = Peer::connect(host.address());
    half.send(&words(&[0, 5]));
    let why = refused(&mut host, half);
    assert!(why.contains("no complete message"), "{why}");
}

#[test]
fn a_client_that_names_files_and_sends_none_is_refused() {
    let mut host = host(Deadlines { begin: SHORT, ..long() });
    let mut client = Peer::connect(host.address());
    client.send(&message(0, b"a.txt"));
    let why = refused(&mut host, client);
    assert!(why.contains("no file and no MODE 3 within 0.1 s"), "{why}");
}

#[test]
fn a_client_that_has_authenticated_or_sent_a_file_may_pause() {
    let deadlines = Deadlines { login: SHORT, begin: SHORT, ..long() };
    let mut host = host(deadlines);
    let mut authenticated = Peer::connect(host.address());
    authenticated.send(&message(3, b"hello"));
    authenticated.read_blob();
    authenticated.read_blob();
    let mut plain = Peer::connect(host.address());
    plain.send(&[&message(0, b"a.txt")[..], &words(&[1, 1]), b"a"].concat());
    host.events.until(|event| matches!(event, Event::Received { .. }));
    // Both have missed each deadline of a client that has done nothing.
    thread::sleep(3 * SHORT);
    authenticated.send(&[&message(0, b"b.txt")[..], &words(&[1, 1]), b"b", &words(&[2])].concat());
    plain.send(&[&message(0, b"c.txt")[..], &words(&[1, 1]), b"c", &words(&[2])].concat());
    assert_eq!(authenticated.read_to_end(), (Vec::new(), true));
    assert_eq!(plain.read_to_end(), (Vec::new(), true));
    host.stop();
    assert_eq!(host.stored(), Files::of([("a.txt", &b"a"[..]), ("b.txt", b"b"), ("c.txt", b"c")]));
}

#[test]
fn a_byte_now_and_then_does_not_extend_a_message() {
    let mut host = host(Deadlines { message: SHORT, ..long() });
    let mut client = Peer::connect(host.address());
    client.send(&words(&[0, 4096]));
    let trickle = trickle(&client, b'a', SHORT / 20);
    let why = refused(&mut host, client);
    assert!(why.contains("the message is not complete after 0.1 s (--message-time)"), "{why}");
    trickle.join().unwrap();
}

#[test]
fn a_trickled_body_is_too_slow_and_a_body_at_the_least_rate_is_not() {
    for variant in [Variant::Plain, Variant::Cp1] {
        // The trickle has 200 bytes in a second.
        let mut host = host(Deadlines { silence: 10 * SHORT, rate: 10 << 10, ..long() });
        let mut client = Peer::connect(host.address());
        if variant == Variant::Cp1 {
            client.send(&message(3, b"hello"));
            client.read_blob();
            client.read_blob();
        }
        client.send(&[message(0, b"slow.bin"), words(&[1, 128 << 10])].concat());
        let trickle = trickle(&client, b'a', SHORT / 20);
        let why = refused(&mut host, client);
        assert!(why.contains("too slow: fewer than 10240 bytes in 1 s (--min-rate"), "{variant} {why}");
        trickle.join().unwrap();
        common::upload(host.address(), Dialect::of(variant), "fast.bin", &vec![7; 128 << 10]).unwrap();
        host.stop();
        assert_eq!(host.stored(), Files::one("fast.bin", &vec![7; 128 << 10]), "{variant}");
    }
}

#[test]
fn bytes_after_the_goodbye_do_not_hold_the_connection() {
    let mut host = host(Deadlines { farewell: SHORT, ..long() });
    let mut client = Peer::connect(host.address());
    client.send(&[&message(0, b"a.txt")[..], &words(&[1, 1]), b"a", &words(&[2])].concat());
    let trickle = trickle(&client, 0, SHORT / 2);
    // 4 KiB of surplus would take 200 s, and each byte came within the two seconds of silence.
    host.events.until(|event| matches!(event, Event::SessionClosed { .. }));
    trickle.join().unwrap();
    host.stop();
    assert_eq!(host.stored(), Files::one("a.txt", b"a"));
}
