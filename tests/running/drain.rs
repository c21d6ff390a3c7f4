//! SIGTERM: no further clients, files are finished, sessions between two files end, and the rest is reset in the end.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::clients::{Clients, certificates, receive};
use super::common::{self, Files, PATIENCE, Peer, contents};
use super::program::{Home, Program, words};

const PLAIN: &str = "serve --json --accept plain --bind 127.0.0.1:0";

fn serve(home: &Home, flags: &str) -> (Program, SocketAddr) {
    let mut server = home.start(words(&format!("{PLAIN} {flags}"), &[]));
    let address = server.address().parse().unwrap();
    (server, address)
}

/// The beginning of a file of ten bytes, with five of them.
fn half(name: &str) -> Vec<u8> {
    [common::message(0, name.as_bytes()), common::words(&[1, 10]), b"01234".to_vec()].concat()
}

fn begins(server: &mut Program, name: &str) {
    server.json(|event| event["event"] == "receiving" && event["name"] == name);
}

fn says(text: &'static str) -> impl Fn(&Value) -> bool {
    move |event| event["text"].as_str().is_some_and(|it| it.contains(text))
}

#[test]
fn a_server_that_stops_frees_its_address_finishes_files_and_ends_idle_sessions() {
    let home = Home::new();
    let (mut server, address) = serve(&home, "--drain 1h");
    let mut sending = Peer::connect(address);
    sending.send(&half("a.txt"));
    begins(&mut server, "a.txt");
    let mut more = Peer::connect(address);
    more.send(&half("b.txt"));
    begins(&mut server, "b.txt");
    let mut idle = Peer::connect(address);
    idle.send(&[common::message(0, b"c.txt"), common::message(1, b"c")].concat());
    server.json(|event| event["event"] == "received");
    server.signal(Signal::TERM);
    server.json(says("waiting for 3 sessions, for 1 h"));
    assert_eq!(idle.read_to_end(), (vec![0xff], false), "nothing of the next file has come");
    // The address is free while sessions go on.
    let successor = TcpListener::bind(address).unwrap();
    let mut next = TcpStream::connect(address).unwrap();
    successor.accept().unwrap().0.write_all(b"next").unwrap();
    let mut said = [0; 4];
    next.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"next");
    sending.send(&[b"56789".to_vec(), common::words(&[2])].concat());
    assert_eq!(sending.read_to_end(), (Vec::new(), true), "delivered");
    // After its present file a session takes no further one.
    let next = [common::message(0, b"d.txt"), common::message(1, b"d"), common::words(&[2])].concat();
    more.send(&[b"56789".to_vec(), next].concat());
    assert_eq!(more.read_to_end(), (vec![0xff], false));
    let outcome = server.finish();
    assert_eq!(outcome.code, Some(0), "everything was finished: {outcome:?}");
    assert!(!outcome.out.contains("\"refused\""), "{outcome:?}");
    let stored = contents(&home.path("recv_files"));
    assert_eq!(stored.names(), ["a.txt", "b.txt", "c.txt"]);
    assert_eq!(stored.get("a.txt"), b"0123456789");
}

#[test]
fn what_is_not_finished_in_time_is_reset_and_the_exit_code_says_so() {
    for (drain, again) in [("0s", false), ("50ms", false), ("1h", true)] {
        let home = Home::new();
        let (mut server, address) = serve(&home, &format!("--drain {drain}"));
        let mut peer = Peer::connect(address);
        peer.send(&half("half.txt"));
        begins(&mut server, "half.txt");
        server.signal(Signal::TERM);
        server.json(says("stopping"));
        if again {
            server.signal(Signal::TERM);
        }
        server.json(says("ended 1 session inside a file"));
        assert_eq!(peer.read_to_end(), (vec![0xff], false), "{drain}");
        let outcome = server.finish();
        assert_eq!(outcome.code, Some(1), "{drain}: {outcome:?}");
        assert_eq!(contents(&home.path("recv_files")), Files::none());
    }
}

#[test]
fn a_server_without_sessions_stops_at_once_and_sigint_does_not_wait() {
    let home = Home::new();
    let (server, _) = serve(&home, "--drain 1h");
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
    let (mut server, address) = serve(&home, "--drain 1h");
    let mut peer = Peer::connect(address);
    peer.send(&half("half.txt"));
    begins(&mut server, "half.txt");
    server.signal(Signal::INT);
    assert_eq!(peer.read_to_end(), (vec![0xff], false));
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn a_server_that_stops_is_not_ready() {
    let home = Home::new();
    let (mut server, address) = serve(&home, "--drain 1h --metrics 127.0.0.1:0");
    let text = server.json(says("metrics on http://"))["text"].as_str().unwrap().to_owned();
    let page: SocketAddr = text["metrics on http://".len()..].trim_end_matches("/metrics").parse().unwrap();
    let ready = || {
        let mut socket = TcpStream::connect(page).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(b"GET /health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut said = String::new();
        socket.read_to_string(&mut said).unwrap();
        said
    };
    assert!(ready().starts_with("HTTP/1.1 200"));
    let mut peer = Peer::connect(address);
    peer.send(&half("a.txt"));
    begins(&mut server, "a.txt");
    server.signal(Signal::TERM);
    server.json(says("stopping"));
    let said = ready();
    assert!(said.starts_with("HTTP/1.1 503") && said.contains("stops"), "{said}");
    peer.send(&[b"56789".to_vec(), common::words(&[2])].concat());
    assert_eq!(peer.read_to_end(), (Vec::new(), true));
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn no_upload_fails_when_a_second_server_takes_over() {
    let home = Home::new();
    certificates(&home);
    let start = |bind: &str| {
        let mut server = home.start(words(
            &format!("serve --json --bind {bind} --accept cp2 --penalties all --log-rate 1000000"),
            &[],
        ));
        let address = server.address();
        (server, address)
    };
    let (mut server, address) = start("127.0.0.1:0");
    let mut clients = Clients::start(&address, &home.path("certs/cacsertificate.crt"));
    receive(&mut server, 40);
    for round in 0..2 {
        server.signal(Signal::TERM);
        server.json(says("stopping"));
        // The socket is closed a moment after the line.
        let begun = std::time::Instant::now();
        while TcpStream::connect(address.parse::<SocketAddr>().unwrap()).is_ok() {
            assert!(begun.elapsed() < PATIENCE, "it still accepts");
            std::thread::sleep(Duration::from_millis(5));
        }
        let (mut next, _) = start(&address);
        if round == 0 {
            receive(&mut next, 40);
        }
        let outcome = std::mem::replace(&mut server, next).finish();
        assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    }
    clients.finish();
    clients.compare(&home.path("recv_files"));
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
}
