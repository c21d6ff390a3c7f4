//! How many sessions a server has at once, of one address and in all, and which make room for others.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::thread;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use upseal::event::{Dialect, Event, Variant};
use upseal::testing::net::REFUSED;
use upseal::{Admission, Policy};

use crate::common::{self, Files, Host, Peer, message, words};

fn host(admission: Admission) -> Host {
    Host::with(Policy { admission, ..Policy::default() })
}

/// Connects from 127.0.0.`last`, which is an address of its own.
pub(crate) fn connect_from(last: u8, server: SocketAddr) -> Peer {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0)).unwrap();
    connect(&socket, &server).unwrap();
    Peer::over(TcpStream::from(socket))
}

/// Connects, and lets the server authenticate: this session has done something.
fn working(last: u8, host: &Host) -> Peer {
    let mut client = connect_from(last, host.address());
    client.send(&message(3, b"hello"));
    client.read_blob();
    client.read_blob();
    client
}

pub(crate) fn is_refused(client: &mut Peer) {
    assert_eq!(client.read_to_end(), (vec![REFUSED], false));
}

/// Waits for the line about refused clients.
fn line(host: &mut Host) -> String {
    let is_line = |event: &Event| matches!(event, Event::Warned { session: None, .. });
    let Event::Warned { text, .. } = host.events.until(is_line) else { unreachable!() };
    text
}

#[test]
fn silent_connections_of_one_address_lock_out_no_other_client() {
    let mut host = host(Admission::default());
    let mut silent: Vec<Peer> = (0..16).map(|_| Peer::connect(host.address())).collect();
    (0..16).for_each(|_| drop(host.events.until(common::is_opened)));
    // Another address is not affected, not even now.
    let mut other = connect_from(9, host.address());
    other.send(&[&message(0, b"other.txt")[..], &words(&[1, 1]), b"a", &words(&[2])].concat());
    assert_eq!(other.read_to_end(), (Vec::new(), true));
    // An honest client of the same address waits and gets the place of the oldest silent one, once that is a second old.
    common::upload(host.address(), Dialect::of(Variant::Cp2), "same.txt", b"b").unwrap();
    is_refused(&mut silent[0]);
    let text = line(&mut host);
    assert!(text.contains("1 closed that had not done anything, for other clients"), "{text}");
    host.stop();
    assert_eq!(host.stored(), Files::of([("other.txt", &b"a"[..]), ("same.txt", b"b")]));
}

#[test]
fn an_address_has_no_more_sessions_than_it_may() {
    let host = host(Admission { per_address: 3, ..Admission::default() });
    let mut clients: Vec<Peer> = (0..3).map(|_| working(1, &host)).collect();
    is_refused(&mut Peer::connect(host.address()));
    working(2, &host);
    let mut last = clients.pop().unwrap();
    last.send(&words(&[2]));
    assert_eq!(last.read_to_end(), (Vec::new(), true));
    drop(last);
    // The place is free when the session's thread has ended.
    let mut next = Peer::connect(host.address());
    while !answers(&mut next) {
        next = Peer::connect(host.address());
    }
    assert!(clients.iter_mut().all(answers), "the others go on");
}

/// Returns whether a session answers MODE 3.
fn answers(client: &mut Peer) -> bool {
    use std::io::{Read as _, Write as _};
    let mut length = [0; 8];
    if client.0.write_all(&message(3, b"hello")).is_err() || client.0.read_exact(&mut length).is_err() {
        return false;
    }
    let mut rest = vec![0; usize::try_from(u64::from_be_bytes(length)).unwrap()];
    client.0.read_exact(&mut rest).unwrap();
    !client.read_blob().is_empty()
}

#[test]
fn sessions_that_have_done_something_are_never_closed_for_others() {
    let mut host = host(Admission { sessions: 4, ..Admission::default() });
    let mut clients: Vec<Peer> = (1..=4).map(|last| working(last, &host)).collect();
    is_refused(&mut connect_from(5, host.address()));
    let text = line(&mut host);
    assert!(text.contains("1 refused: all sessions are in use (--max-sessions)"), "{text}");
    assert!(clients.iter_mut().all(answers), "still here");
}

#[test]
fn a_full_server_closes_a_silent_session_for_a_newcomer() {
    let mut host = host(Admission { sessions: 4, ..Admission::default() });
    let mut silent = connect_from(1, host.address());
    let clients: Vec<Peer> = (2..=4).map(|last| working(last, &host)).collect();
    let mut newcomer = working(5, &host);
    is_refused(&mut silent);
    assert!(answers(&mut newcomer));
    let text = line(&mut host);
    assert!(text.contains("1 closed that had not done anything, for other clients"), "{text}");
    drop(clients);
}

#[test]
fn a_class_that_begins_at_the_same_moment_is_served() {
    let mut host = host(Admission { per_address: 64, ..Admission::default() });
    let address = host.address();
    // Four may have done nothing yet; the others wait for their turn.
    thread::scope(|scope| {
        for n in 0..40 {
            let upload =
                move || common::upload(address, Dialect::of(Variant::Cp2), &format!("{n}.txt"), b"a");
            scope.spawn(move || upload().unwrap());
        }
    });
    host.stop();
    assert_eq!(host.stored().names().len(), 40);
}
