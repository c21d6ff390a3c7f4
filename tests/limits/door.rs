//! Who may connect: addresses that are not allowed, and clients behind a proxy.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Shutdown, SocketAddr};
use std::time::Duration;

use upseal::event::Event;
use upseal::{Admission, Deadlines, Door, Penalize, Policy, Proxies, Ranges};

use crate::admission::{connect_from, is_refused};
use crate::common::{self, Files, Host, Peer, message, words};

/// Connections that wait for their header at most.
const HEADERS: usize = 64;

fn ranges(list: &[&str]) -> Ranges {
    list.iter().map(|range| range.parse::<ipnet::IpNet>().unwrap()).collect()
}

fn behind_a_proxy() -> Policy {
    Policy { door: Door { proxies: Some(Proxies::Any), allowed: None }, ..Policy::default() }
}

/// Returns a header of version 2.
fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, rest].concat()
}

/// Returns the header for a client at 192.0.2.`last`, port 7.
fn stating(last: u8) -> Vec<u8> {
    header(0x21, 0x11, &[192, 0, 2, last, 192, 0, 2, 1, 0, 7, 0x10, 0xe1])
}

/// Connects as a proxy that sends these bytes first.
fn proxied(host: &Host, header: &[u8]) -> Peer {
    let mut peer = Peer::connect(host.address());
    peer.send(header);
    peer
}

fn upload(name: &str) -> Vec<u8> {
    [&message(0, name.as_bytes())[..], &words(&[1, 1]), b"a", &words(&[2])].concat()
}

/// Lets the server authenticate, so that the session has done something.
fn prove(client: &mut Peer) {
    client.send(&message(3, b"hello"));
    client.read_blob();
    client.read_blob();
}

fn warning(host: &mut Host) -> String {
    let is_line = |event: &Event| matches!(event, Event::Warned { session: None, .. });
    let Event::Warned { text, .. } = host.events.until(is_line) else { unreachable!() };
    text
}

#[test]
fn an_address_that_is_not_allowed_is_refused_before_a_session() {
    let door = Door { allowed: Some(ranges(&["127.0.0.0/30", "2001:db8::/32"])), proxies: None };
    let mut host = Host::with(Policy { door, ..Policy::default() });
    is_refused(&mut connect_from(9, host.address()));
    let text = warning(&mut host);
    let line = "1 refused: the address is not allowed (--allow-ip), such as 127.0.0.9";
    assert!(text.ends_with(line), "{text}");
    assert_eq!(host.events.count(common::is_opened), 0);
    let mut allowed = connect_from(3, host.address());
    allowed.send(&upload("a.txt"));
    assert_eq!(allowed.read_to_end(), (Vec::new(), true));
    host.stop();
    assert_eq!((host.stored(), host.events.count(common::is_opened)), (Files::one("a.txt", b"a"), 1));
}

#[test]
fn a_client_behind_a_proxy_has_the_address_that_the_proxy_states() {
    let mut host = Host::with(behind_a_proxy());
    let ipv6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[0; 16], &[0, 7, 0x10, 0xe1]].concat();
    for (header, name) in [(stating(7), "4.txt"), (header(0x21, 0x21, &ipv6), "6.txt")] {
        // The first bytes of the client come with the header.
        let mut peer = proxied(&host, &[header, upload(name)].concat());
        assert_eq!(peer.read_to_end(), (Vec::new(), true));
    }
    host.stop();
    let peers = host.events.seen.iter().filter_map(|event| match event {
        Event::Received { peer, name, .. } => Some((name.to_string(), peer.clone())),
        _ => None,
    });
    let peers: Vec<_> = peers.collect();
    let expected = [("4.txt", "192.0.2.7:7"), ("6.txt", "[2001:db8::7]:7")];
    assert_eq!(peers, expected.map(|(name, peer)| (name.to_owned(), peer.to_owned())));
}

#[test]
fn limits_lists_and_penalties_count_for_the_stated_address() {
    let mut policy = behind_a_proxy();
    policy.door.allowed = Some(ranges(&["192.0.2.0/29"]));
    policy.admission = Admission { per_address: 1, ..Admission::default() };
    policy.penalize = Penalize::All;
    let mut host = Host::with(policy);
    let mut first = proxied(&host, &stating(1));
    prove(&mut first);
    is_refused(&mut proxied(&host, &stating(1)));
    assert!(
        warning(&mut host)
            .contains("too many sessions of one address (--sessions-per-address), such as 192.0.2.1")
    );
    prove(&mut proxied(&host, &stating(2)));
    is_refused(&mut proxied(&host, &stating(8)));
    for _ in 0..15 {
        let mut bad = proxied(&host, &[stating(3), words(&[7])].concat());
        assert_eq!(bad.read_to_end(), (vec![0xff], false));
        host.events
            .until(|event| matches!(event, Event::Refused { peer, .. } if peer.starts_with("192.0.2.3:")));
        host.events.until(common::is_closed);
    }
    // The penalty counts when the session's thread ends; one more such session at most.
    let mut bad = proxied(&host, &[stating(3), words(&[7])].concat());
    assert_eq!(bad.read_to_end(), (vec![0xff], false));
    let before = host.events.count(common::is_opened);
    is_refused(&mut proxied(&host, &stating(3)));
    prove(&mut proxied(&host, &stating(4)));
    host.stop();
    assert!(host.events.count(common::is_opened) <= before + 2, "the penalty counts for 192.0.2.3");
}

#[test]
fn a_check_ends_in_order_without_a_session_or_a_line() {
    let mut host = Host::with(behind_a_proxy());
    let local = header(0x20, 0, &[]);
    let mut check = proxied(&host, &local);
    check.0.shutdown(Shutdown::Write).unwrap();
    assert_eq!(check.read_to_end(), (Vec::new(), true));
    // Without the proxy's end, this side ends it after a while.
    assert_eq!(proxied(&host, &local).read_to_end(), (Vec::new(), true));
    // Nothing at all, as checks do that do not know the protocol.
    let silent = Peer::connect(host.address());
    silent.0.shutdown(Shutdown::Write).unwrap();
    drop(silent);
    prove(&mut proxied(&host, &stating(1)));
    host.stop();
    assert_eq!(host.events.count(common::is_opened), 1, "{:?}", host.events.seen);
    assert_eq!(host.events.count(|event| matches!(event, Event::Warned { .. })), 0);
}

#[test]
fn a_check_that_uploads_is_never_ended_in_order() {
    let mut host = Host::with(behind_a_proxy());
    let mut peer = proxied(&host, &[header(0x20, 0, &[]), upload("a.txt")].concat());
    assert_eq!(peer.read_to_end(), (vec![0xff], false));
    assert!(warning(&mut host).contains("127.0.0.1 (a check (LOCAL) that goes on"));
    host.stop();
    assert_eq!(host.stored(), Files::none());
}

#[test]
fn without_the_right_header_a_connection_is_refused_and_the_line_says_why() {
    for (bytes, why) in [
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 7 4321\r\n".to_vec(), "version 1; version 2 is required"),
        (upload("a.txt"), "no PROXY header: the client connected without the proxy"),
        (header(0x21, 0x31, &[0; 216]), "does not use TCP over IPv4 or IPv6: 0x31"),
        (header(0x21, 0x11, &[0; 600]), "a PROXY header of 616 bytes (at most 536)"),
    ] {
        let mut host = Host::with(behind_a_proxy());
        is_refused(&mut proxied(&host, &bytes));
        let text = warning(&mut host);
        assert!(text.contains("1 refused: the connection does not begin as that of a proxy"), "{text}");
        assert!(text.contains(why), "{text}");
        host.stop();
        assert_eq!((host.stored(), host.events.count(common::is_opened)), (Files::none(), 0), "{why}");
    }
}

#[test]
fn a_header_that_is_cut_at_any_byte_is_refused() {
    let host = Host::with(behind_a_proxy());
    for cut in 1..stating(1).len() {
        let mut peer = proxied(&host, &stating(1)[..cut]);
        peer.0.shutdown(Shutdown::Write).unwrap();
        is_refused(&mut peer);
    }
}

#[test]
fn slow_headers_hold_no_place() {
    let mut policy = behind_a_proxy();
    policy.deadlines = Deadlines { message: Duration::from_secs(2), ..Deadlines::default() };
    let mut host = Host::with(policy);
    let mut slow: Vec<Peer> = (0..HEADERS + 6).map(|_| proxied(&host, &stating(1)[..5])).collect();
    prove(&mut proxied(&host, &stating(2)));
    // The oldest ones made room; the others are refused when their time is over, whatever they still send.
    slow.iter_mut().take(6).for_each(is_refused);
    assert!(warning(&mut host).contains("no PROXY header yet, and other connections wait for theirs"));
    is_refused(slow.last_mut().unwrap());
    host.stop();
    assert_eq!(host.events.count(common::is_opened), 1);
}

#[test]
fn others_than_the_named_proxies_are_refused() {
    let proxies = Proxies::At(ranges(&["127.0.0.2/32"]));
    let mut host =
        Host::with(Policy { door: Door { proxies: Some(proxies), allowed: None }, ..Policy::default() });
    is_refused(&mut proxied(&host, &stating(7)));
    let text = warning(&mut host);
    assert!(text.contains("is not one of the proxies (--proxy-protocol), such as 127.0.0.1"), "{text}");
    let mut proxy = connect_from(2, host.address());
    proxy.send(&stating(7));
    prove(&mut proxy);
    assert_eq!(proxy.0.local_addr().unwrap().ip(), IpAddr::from([127, 0, 0, 2]));
    let is_of = |event: &Event| matches!(event, Event::SessionOpened { peer, .. } if peer.parse() == Ok(SocketAddr::from(([192, 0, 2, 7], 7))));
    host.stop();
    assert_eq!(host.events.count(is_of), 1);
}
