//! `upseal serve --metrics`: what a real upload and a refusal change on the pages.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use rustix::process::Signal;
use upseal::event::{Dialect, Variant};

use super::common::{self, PATIENCE, Peer, fixtures};
use super::{Home, words};

fn page(address: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: upseal\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn uploads_and_refusals_are_on_the_page_and_names_are_not() {
    let home = Home::new();
    let identity = fixtures("identity-v1");
    let line = "serve --json --accept plain,cp2 --bind 127.0.0.1:0 --metrics 127.0.0.1:0 --certs {certs}";
    let mut server = home.start(words(line, &[("certs", identity.to_str().unwrap())]));
    let address: SocketAddr = server.address().parse().unwrap();
    let note = server
        .json(|event| event["event"] == "note" && event["text"].as_str().unwrap().starts_with("metrics on"));
    let text = note["text"].as_str().unwrap();
    let metrics =
        text.strip_prefix("metrics on http://").unwrap().strip_suffix("/metrics").unwrap().to_owned();
    assert!(page(&metrics, "/health/ready").ends_with("\r\n\r\nready\n"));

    common::upload(address, Dialect::of(Variant::Cp2), "secret-name.txt", b"hello").unwrap();
    server.json(|event| event["event"] == "session_closed");
    let mut peer = Peer::connect(address);
    peer.send(&common::words(&[7]));
    server.json(|event| event["event"] == "refused" && event["kind"] == "malformed");
    server.json(|event| event["event"] == "session_closed");

    let text = page(&metrics, "/metrics");
    for line in [
        "upseal_sessions_open 0",
        "upseal_sessions_total{end=\"in_order\"} 1",
        "upseal_sessions_total{end=\"refused\"} 1",
        "upseal_files_total{variant=\"cp2\",kept=\"new\"} 1",
        "upseal_received_bytes_total{variant=\"cp2\"} 5",
        "upseal_refusals_total{blame=\"peer\",kind=\"malformed\"} 1",
        "upseal_partial_files 0",
        "upseal_publish_seconds_count 1",
        "upseal_record_seconds_count 1",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    assert!(text.contains("upseal_certificate_not_after_seconds{key=\"server\"} "), "{text}");
    assert!(!text.contains("secret-name"), "{text}");
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn an_address_that_is_in_use_is_an_error_that_names_the_flag() {
    let home = Home::new();
    let (listener, _) = common::listen();
    let taken = listener.local_addr().unwrap().to_string();
    let outcome = home.run(&["serve", "--accept", "plain", "--bind", "127.0.0.1:0", "--metrics", &taken]);
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert!(outcome.err.contains(&format!("cannot serve metrics on {taken}")), "{outcome:?}");
    assert!(outcome.err.contains("choose another address with --metrics"), "{outcome:?}");
}
