//! Several connections at once (`--jobs`): what they share, and what happens when one ends early.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use upseal::event::{
    AuthMessage, Command, Dialect, Event, FaultKind, JobId, Jobs, Limit, Named, State, Track, Variant,
};
use upseal::{KnownServers, Options};

use crate::common::{ANYWHERE, Client, Files, Host, is_opened, is_state, job_track, noise, target};
use crate::returns::own_address;

fn client(jobs: u8, retries: u32) -> Client {
    let folder = tempfile::tempdir().unwrap();
    let known = KnownServers::at(Some(folder.path().join(".known")));
    Client::of(Options { retries, jobs: Jobs::of(jobs).unwrap(), ..Options::new(known) }, folder)
}

/// Writes files of these sizes, and returns them by name.
fn write(client: &Client, sizes: impl IntoIterator<Item = usize>) -> BTreeMap<String, Vec<u8>> {
    let files = (1..).zip(sizes).map(|(id, size)| (format!("{id:03}.bin"), noise(size, id)));
    let files: BTreeMap<_, _> = files.collect();
    for (name, content) in &files {
        client.write(name, content);
    }
    files
}

fn names(files: &BTreeMap<String, Vec<u8>>) -> Vec<&str> {
    files.keys().map(String::as_str).collect()
}

/// Checks that each upload has exactly one final state, and returns them.
fn ends(client: &Client, count: u64) -> Vec<State> {
    let end = |id| {
        let mut ends = client.events.states(job_track(id));
        ends.retain(State::is_final);
        assert_eq!(ends.len(), 1, "{id}: {ends:?}");
        ends.remove(0)
    };
    (1..=count).map(end).collect()
}

/// Slows all uploads down so far that the test's files would take minutes.
fn crawl(client: &Client) {
    client.ask(Command::Limit(Limit::of(Limit::LEAST).unwrap()));
}

/// Waits until these uploads are being sent.
fn sending(client: &mut Client, ids: &[u64]) {
    let is_sending =
        |client: &Client, id| client.events.states(job_track(id)).last() == Some(&State::Sending);
    while !ids.iter().all(|id| is_sending(client, *id)) {
        client.events.next();
    }
}

#[test]
fn files_arrive_over_several_connections_and_each_is_confirmed_once() {
    for (variant, small, large) in
        [(Variant::Ap, 200, 6 << 20), (Variant::Cp2, 200, 6 << 20), (Variant::Cp1, 30, 256 << 10)]
    {
        let mut host = Host::start();
        let mut client = client(4, 0);
        let files = write(&client, [large; 3].into_iter().chain((0..small).map(|n| 10 * n)));
        let count = files.len() as u64;
        // The first connection is held up, so the others send everything else.
        host.hold("001.bin");
        client.upload(&names(&files), &host.target(), Dialect::of(variant));
        while !(2..=count).all(|id| client.events.states(job_track(id)).last().is_some_and(State::is_final)) {
            client.events.next();
        }
        assert!(!client.events.states(job_track(1)).iter().any(State::is_final), "{variant}");
        host.open_gate();
        client.finish_all(count);
        client.shut_down();
        host.stop();
        for (id, end) in (1..).zip(ends(&client, count)) {
            let name = format!("{id:03}.bin");
            let stored = State::Stored {
                name: name.as_str().into(),
                named: Named::Stored,
                receipt: None,
                earlier: None,
            };
            assert_eq!(end, stored, "{variant}");
        }
        let opened = host.events.count(is_opened);
        assert!((2..=4).contains(&opened), "{variant}: {opened} connections");
        assert_eq!(host.stored(), Files(files), "{variant}");
    }
}

#[test]
fn uploads_begin_in_their_order_and_only_the_connection_of_a_stopped_one_is_stopped() {
    let mut host = Host::start();
    let mut client = client(3, 0);
    let files = write(&client, [1 << 20; 6]);
    crawl(&client);
    client.upload(&names(&files), &host.target(), Dialect::of(Variant::Cp2));
    sending(&mut client, &[1, 2, 3]);
    assert_eq!(client.events.states(job_track(4)), [], "three connections send three files");
    client.ask(Command::Cancel(JobId(2)));
    sending(&mut client, &[4]);
    client.ask(Command::Pause(JobId(1)));
    sending(&mut client, &[5]);
    assert_eq!(client.events.states(job_track(6)), []);
    for id in [3, 4, 5] {
        let begun =
            client.events.states(job_track(id)).iter().filter(|state| **state == State::Sending).count();
        assert_eq!(begun, 1, "{id} was not disturbed");
    }
    client.ask(Command::Resume(JobId(1)));
    client.ask(Command::Limit(Limit::NONE));
    client.finish_all(6);
    client.shut_down();
    host.stop();
    let ends = ends(&client, 6);
    assert_eq!(ends[1], State::Cancelled);
    assert_eq!(ends.iter().filter(|end| end.has_arrived()).count(), 5, "{ends:?}");
    assert_eq!(host.stored().names(), ["001.bin", "003.bin", "004.bin", "005.bin", "006.bin"]);
}

#[test]
fn the_number_of_connections_is_raised_and_lowered_while_files_are_sent() {
    let mut host = Host::start();
    let mut client = client(1, 0);
    let files = write(&client, [1 << 20; 8]);
    crawl(&client);
    client.upload(&names(&files), &host.target(), Dialect::of(Variant::Ap));
    sending(&mut client, &[1]);
    client.ask(Command::Jobs(Jobs::of(4).unwrap()));
    sending(&mut client, &[1, 2, 3, 4]);
    client.ask(Command::Jobs(Jobs::ONE));
    client.events.until(|event| *event == Event::JobsSet { jobs: Jobs::ONE });
    client.ask(Command::Limit(Limit::NONE));
    client.finish_all(8);
    client.shut_down();
    host.stop();
    assert!(ends(&client, 8).iter().all(State::has_arrived));
    // Those that were surplus ended after their file.
    assert_eq!(host.events.count(is_opened), 4);
    assert_eq!(host.stored(), Files(files));
}

#[test]
fn a_surplus_connection_ends_after_its_file() {
    let mut host = Host::start();
    let mut client = client(2, 0);
    let files = write(&client, [8 << 20, 1 << 20, 1, 1]);
    crawl(&client);
    // The first connection stays, and is held up.
    host.hold("001.bin");
    client.upload(&names(&files), &host.target(), Dialect::of(Variant::Cp2));
    sending(&mut client, &[1, 2]);
    client.ask(Command::Jobs(Jobs::ONE));
    client.events.until(|event| *event == Event::JobsSet { jobs: Jobs::ONE });
    client.ask(Command::Limit(Limit::NONE));
    assert!(client.finish(2).has_arrived());
    assert_eq!(client.events.states(job_track(3)), [], "the second connection takes no further file");
    host.open_gate();
    assert!(client.finish_all(4).iter().all(State::has_arrived));
    host.stop();
    assert_eq!(host.events.count(is_opened), 2);
}

#[test]
fn servers_that_did_not_answer_our_hello_get_one_connection() {
    let random = Dialect { auth_message: AuthMessage::Random32, ..Dialect::of(Variant::Cp2) };
    for dialect in [Dialect::of(Variant::Plain), random] {
        let mut host = Host::start();
        let mut client = client(8, 0);
        let files = write(&client, [8 << 20, 1, 1, 1, 1]);
        host.hold("001.bin");
        client.upload(&names(&files), &host.target(), dialect);
        client.blocked(1);
        host.open_gate();
        assert!(client.finish_all(5).iter().all(State::has_arrived), "{dialect:?}");
        host.stop();
        assert_eq!(host.events.count(is_opened), 1, "{dialect:?}");
    }
}

/// Forwards one connection to a server, and refuses all others.
fn single(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(ANYWHERE).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        drop(listener);
        let server = TcpStream::connect(server).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let (mut from, mut to) = (server, client);
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    address
}

#[test]
fn a_server_that_accepts_one_connection_gets_everything_over_it_and_that_is_said_once() {
    let mut host = Host::start();
    let mut client = client(4, 3);
    let files = write(&client, [8 << 20, 1, 1, 1, 1]);
    host.hold("001.bin");
    client.upload(&names(&files), &target(single(host.address())), Dialect::of(Variant::Cp2));
    let declined = |event: &Event| matches!(event, Event::Note { text } if text.ends_with("accepts no further connection; going on with 1 connection"));
    client.events.until(declined);
    host.open_gate();
    client.finish_all(5);
    client.shut_down();
    host.stop();
    assert!(ends(&client, 5).iter().all(State::has_arrived));
    assert_eq!(client.events.count(declined), 1);
    assert_eq!(host.stored(), Files(files));
}

#[test]
fn when_the_server_is_killed_each_upload_ends_once_and_none_is_claimed_that_is_not_there() {
    let mut host = Host::start();
    let mut client = client(4, 0);
    let files = write(&client, [1 << 20; 12]);
    crawl(&client);
    client.upload(&names(&files), &host.target(), Dialect::of(Variant::Cp2));
    sending(&mut client, &[1, 2, 3, 4]);
    host.interrupt();
    client.ask(Command::Limit(Limit::NONE));
    client.finish_all(12);
    client.shut_down();
    host.stop();
    let stored = host.stored();
    for (id, end) in (1..).zip(ends(&client, 12)) {
        let name = format!("{id:03}.bin");
        match end {
            State::Failed(fault) => assert_ne!(fault.kind, FaultKind::Interrupted, "{fault:?}"),
            end => assert!(end.has_arrived() && stored.0.contains_key(&name), "{id}: {end:?}"),
        }
    }
}

#[test]
fn after_the_server_has_returned_everything_that_several_connections_lost_is_sent_again() {
    let address = own_address(31);
    let mut host = Host::at(address);
    let mut client = client(4, 3);
    let files = write(&client, [1 << 20; 12]);
    crawl(&client);
    client.upload(&names(&files), &host.target(), Dialect::of(Variant::Cp2));
    sending(&mut client, &[1, 2, 3, 4]);
    host.interrupt();
    for id in 1..=4 {
        let again = |event: &Event| matches!(event, Event::Retrying { job, .. } if *job == JobId(id));
        while client.events.count(again) == 0 {
            client.events.next();
        }
    }
    host.stop();
    let mut host = Host::at(address);
    client.ask(Command::Limit(Limit::NONE));
    client.finish_all(12);
    client.shut_down();
    host.stop();
    assert!(ends(&client, 12).iter().all(State::has_arrived));
    let away = client.events.count(|event| matches!(event, Event::Away { .. }));
    assert!(away <= 1, "reported {away} times");
    assert_eq!(host.stored(), Files(files));
}

#[test]
fn progress_and_states_of_several_uploads_are_kept_apart() {
    let mut host = Host::start();
    let mut client = client(2, 0);
    let files = write(&client, [1 << 20, 2 << 20]);
    crawl(&client);
    client.upload(&names(&files), &host.target(), Dialect::of(Variant::Ap));
    sending(&mut client, &[1, 2]);
    client.ask(Command::Limit(Limit::NONE));
    client.finish_all(2);
    client.shut_down();
    host.stop();
    for (id, size) in [(1, 1 << 20), (2, 2 << 20)] {
        let last = client.events.seen.iter().rev().find_map(|event| match event {
            Event::Progress { track, snapshot } if *track == Track::Job(JobId(id)) => Some(*snapshot),
            _ => None,
        });
        let last = last.unwrap();
        assert_eq!((last.file_bytes, last.file_total, last.wire_bytes), (size, size, last.wire_total));
        let end = client.events.seen.iter().position(is_state(id, State::Sent)).unwrap();
        assert!(client.events.seen[end..].iter().any(|event| matches!(
            event, Event::State { track, state } if *track == job_track(id) && state.has_arrived())));
    }
}
