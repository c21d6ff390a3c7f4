//! Cancellation of uploads in every state, and its effect on other uploads.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::io::{self, Read};

use common::{
    ANYWHERE, BIG, Client, Files, Host, PATIENCE, accept, is_final, is_state, job_track, listen, message,
    noise, unused_address, words,
};
use upseal::event::{
    Command, Dialect, Event, FaultKind, Framing, JobId, Lane, RaceOrder, State, Subject, Target, Track,
    Variant, Verdict,
};
use upseal::{
    Anchor, Connection, Content, EmbeddedOptions, Interrupter, Meter, Start, Stream as _, Tcp, UploadError,
};

fn plain() -> Dialect {
    Dialect::of(Variant::Plain)
}

fn cancel(client: &Client, id: u64) {
    client.ask(Command::Cancel(JobId(id)));
}

/// A client whose first upload blocks, because the server does not read it, and whose others wait.
fn blocked(names: &[&str]) -> (Client, common::Peer) {
    let (listener, target) = listen();
    let mut client = Client::start();
    client.sparse("big.bin", BIG);
    for name in names {
        client.write(name, name.as_bytes());
    }
    client.upload(&[&["big.bin"], names].concat(), &target, plain());
    let peer = accept(&listener);
    client.blocked(1);
    (client, peer)
}

fn states(client: &mut Client, id: u64) -> Vec<State> {
    client.events.catch_up();
    client.events.states(job_track(id))
}

/// Every state of an upload until the threads have ended.
fn count_final(client: &mut Client, id: u64) -> usize {
    client.shut_down();
    client.events.count(is_final(id))
}

#[test]
fn a_waiting_upload_is_cancelled_at_once_and_the_running_one_goes_on() {
    let (mut client, mut peer) = blocked(&["a.txt"]);
    cancel(&client, 2);
    assert_eq!(client.finish(2), State::Cancelled);
    assert_eq!(states(&mut client, 1).last(), Some(&State::Sending));
    let (bytes, in_order) = peer.read_upload();
    assert!(in_order && bytes.ends_with(&words(&[2])));
    assert_eq!(bytes.len() as u64, 8 + 8 + 7 + 8 + 8 + BIG + 8, "the big file, and no byte of the other");
}

/// A full backlog accepts no connection and refuses none.
#[cfg(target_os = "linux")]
#[test]
fn a_connection_attempt_without_an_answer_is_cancelled() {
    use rustix::net::{AddressFamily, SocketType, socket_with};
    use rustix::net::{SocketFlags, connect, listen};

    let (listener, address) = unused_address();
    listen(&listener, 0).unwrap();
    let _in_the_queue: Vec<_> = (0..4)
        .map(|_| {
            let socket =
                socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
            let _ = connect(&socket, &address);
            socket
        })
        .collect();
    let mut client = Client::start();
    client.write("a.txt", b"hello");
    client.upload(&["a.txt"], &common::target(address), Dialect::of(Variant::Ap));
    client.events.until(is_state(1, State::Connecting));
    cancel(&client, 1);
    assert_eq!(client.finish(1), State::Cancelled);
    assert_eq!(states(&mut client, 1), [State::Connecting, State::Cancelled]);
}

#[test]
fn a_server_that_does_not_prove_itself_is_not_waited_for() {
    let (listener, target) = listen();
    let mut client = Client::start();
    client.write("a.txt", b"hello");
    client.upload(&["a.txt"], &target, Dialect::of(Variant::Cp2));
    client.events.until(is_state(1, State::Proving));
    cancel(&client, 1);
    assert_eq!(client.finish(1), State::Cancelled);
    // The server stops before, or after, a part of its reply.
    client.ask(Command::Retry(JobId(1)));
    drop(accept(&listener));
    client.events.until(is_state(1, State::Proving));
    let mut peer = accept(&listener);
    assert_eq!(peer.read(16), words(&[3, 128]));
    peer.send(&words(&[128]));
    cancel(&client, 1);
    assert_eq!(client.finish(1), State::Cancelled);
}

#[test]
fn an_upload_that_the_server_does_not_read_is_cancelled() {
    let (mut client, mut peer) = blocked(&[]);
    cancel(&client, 1);
    assert_eq!(client.finish(1), State::Cancelled);
    let (bytes, in_order) = peer.read_to_end();
    assert!(!in_order && (bytes.len() as u64) < BIG, "the reset cannot be mistaken for the end of the file");
}

/// A file that stops its own upload after its first chunk, when all sent blocks are whole.
struct StopsItself<'a> {
    content: &'a [u8],
    stop: Interrupter,
}

impl Read for StopsItself<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.content.len() <= CONTENT / 2 {
            self.stop.interrupt();
        }
        self.content.read(buffer)
    }
}

const CONTENT: usize = 128 << 10;

/// In framings D and E an end in order between two blocks ends the file, so a cancellation must not be one.
#[test]
fn an_upload_that_is_stopped_between_two_blocks_is_not_published() {
    for framing in [Framing::A, Framing::D, Framing::E] {
        let mut host = Host::start();
        let tcp = Tcp::connect(&host.address().into(), PATIENCE, &Interrupter::default()).unwrap();
        let stop = tcp.interrupter();
        let dialect = Dialect { framing, ..Dialect::of(Variant::Cp1) };
        let mut upload = Start::new(Connection::new(Box::new(tcp), PATIENCE), dialect)
            .proven_by(&Anchor::load(&common::ca()).unwrap())
            .unwrap();
        let content = noise(CONTENT, 1);
        let mut source = StopsItself { content: &content, stop };
        let error = upload
            .file("a.bin", Content::Reader(&mut source), CONTENT as u64, &Meter::default())
            .unwrap_err();
        assert!(matches!(error, UploadError::Interrupted), "{error}");
        drop(upload);
        host.events.until(common::is_closed);
        assert_eq!(host.stored(), Files::none(), "{framing}");
        assert_eq!(host.events.refusals().len(), 1, "{framing}: {:?}", host.events.refusals());
    }
}

#[test]
fn an_upload_that_waits_for_confirmation_is_cancelled() {
    let (listener, target) = listen();
    let mut client = Client::start();
    client.write("a.txt", b"hello");
    client.upload(&["a.txt"], &target, plain());
    let mut peer = accept(&listener);
    assert!(peer.read_upload().1);
    client.events.until(is_state(1, State::Sent));
    cancel(&client, 1);
    assert_eq!(client.finish(1), State::Cancelled);
    assert_eq!(count_final(&mut client, 1), 1);
}

#[test]
fn other_uploads_are_delivered_when_one_is_cancelled() {
    for variant in Variant::ALL {
        let mut host = Host::start();
        host.hold("big.bin");
        let mut client = Client::start();
        client.sparse("big.bin", BIG);
        for name in ["a.txt", "b.txt", "c.txt"] {
            client.write(name, name.as_bytes());
        }
        client.upload(&["a.txt", "b.txt", "big.bin", "c.txt"], &host.target(), Dialect::of(variant));
        client.blocked(3);
        cancel(&client, 3);
        assert_eq!(client.finish(3), State::Cancelled, "{variant}");
        host.open_gate();
        // With receipts the small files were confirmed before the large one began. Plain has none.
        let is_confirmed = variant != Variant::Plain;
        let later: &[u64] = if is_confirmed { &[4] } else { &[1, 2, 4] };
        for id in later {
            assert!(client.finish(*id).has_arrived(), "{variant}: {id}");
        }
        for id in [1, 2] {
            let states = states(&mut client, id);
            let sent: Vec<&State> =
                states.iter().filter(|s| matches!(s, State::Sent | State::Waiting)).collect();
            let expected: &[&State] = if is_confirmed {
                &[&State::Sent]
            } else {
                // Back into the queue, and sent again.
                &[&State::Sent, &State::Waiting, &State::Sent]
            };
            assert_eq!(sent, expected, "{variant}");
        }
        assert!(count_final(&mut client, 3) == 1 && client.events.count(is_final(1)) == 1, "{variant}");
        host.stop();
        let expected = ["a.txt", "b.txt", "c.txt"].map(|name| (name, name.as_bytes()));
        assert_eq!(host.stored(), Files::of(expected), "{variant}: one copy of each, none of the other");
    }
}

#[test]
fn cancelling_an_ended_or_unknown_upload_changes_nothing() {
    let host = Host::start();
    let mut client = Client::start();
    client.write("a.txt", b"hello");
    client.upload(&["a.txt"], &host.target(), plain());
    assert!(client.finish(1).has_arrived());
    for id in [1, 99] {
        cancel(&client, id);
    }
    let before = states(&mut client, 1);
    assert_eq!(count_final(&mut client, 1), 1);
    assert_eq!(client.events.states(job_track(1)), before);
    assert_eq!(client.events.states(job_track(99)), []);
}

#[test]
fn cancel_all_stops_every_running_and_waiting_upload_once() {
    let (mut client, _peer) = blocked(&["a.txt", "b.txt"]);
    // An upload that was cancelled and retried is in the queue once, not twice.
    cancel(&client, 2);
    client.ask(Command::Retry(JobId(2)));
    client.events.until(is_state(2, State::Waiting));
    client.ask(Command::CancelAll);
    client.events.until(is_state(1, State::Cancelled));
    client.shut_down();
    for (id, times) in [(1, 1), (2, 2), (3, 1)] {
        assert_eq!(client.events.count(is_state(id, State::Cancelled)), times, "{id}");
        assert_eq!(client.events.count(is_final(id)), times, "{id}");
    }
}

#[test]
fn a_retried_upload_goes_to_the_end_of_the_queue() {
    let (mut client, mut peer) = blocked(&["a.txt", "b.txt"]);
    cancel(&client, 2);
    client.ask(Command::Retry(JobId(2)));
    client.events.until(is_state(2, State::Waiting));
    let (bytes, in_order) = peer.read_upload();
    assert!(in_order);
    let last = [message(0, b"b.txt"), message(1, b"b.txt"), message(0, b"a.txt"), message(1, b"a.txt")];
    assert!(bytes.ends_with(&[&last.concat()[..], &words(&[2])].concat()), "b before a, each once");
}

#[test]
fn retry_resends_a_failed_upload() {
    let mut host = Host::start();
    let mut client = Client::start();
    client.upload(&["late.txt"], &host.target(), Dialect::of(Variant::Cp2));
    let State::Failed(fault) = client.finish(1) else { panic!("there is no such file") };
    assert_eq!(fault.kind, FaultKind::Local);
    client.write("late.txt", b"hello");
    client.ask(Command::Retry(JobId(1)));
    client.events.until(is_state(1, State::Waiting));
    assert!(client.finish(1).has_arrived());
    // A delivered upload is not resent.
    client.ask(Command::Retry(JobId(1)));
    client.ask(Command::RetryFailed);
    assert_eq!(count_final(&mut client, 1), 2);
    host.stop();
    assert_eq!(host.stored(), Files::one("late.txt", b"hello"));
}

#[test]
fn retry_failed_resends_every_failed_upload_and_no_cancelled_one() {
    let host = Host::start();
    let (mut client, mut peer) = blocked(&["cancelled.txt"]);
    cancel(&client, 2);
    assert_eq!(client.finish(2), State::Cancelled);
    assert!(peer.read_upload().1);
    drop(peer);
    assert!(client.finish(1).has_arrived());

    let jobs = [(3, "x.txt"), (4, "y.txt")].map(|(id, name)| client.job(id, name, &host.target(), plain()));
    client.ask(Command::Upload(jobs.to_vec()));
    for (id, name) in [(3, "x.txt"), (4, "y.txt")] {
        assert!(matches!(client.finish(id), State::Failed(_)));
        client.write(name, b"now");
    }
    client.ask(Command::RetryFailed);
    for id in [3, 4] {
        assert!(client.finish(id).has_arrived());
    }
    assert_eq!(count_final(&mut client, 2), 1);
    assert_eq!(client.events.count(is_state(2, State::Waiting)), 0);
}

#[test]
fn remove_forgets_uploads_that_are_not_running() {
    let (mut client, mut peer) = blocked(&["a.txt", "b.txt"]);
    client.ask(Command::Remove(JobId(1)));
    client.ask(Command::Remove(JobId(2)));
    let removed = client.events.until(|event| matches!(event, Event::Removed { .. }));
    assert_eq!(removed, Event::Removed { job: JobId(2) }, "the first one runs");
    client.ask(Command::Retry(JobId(2)));
    client.ask(Command::RetryFailed);
    let (bytes, in_order) = peer.read_upload();
    assert!(in_order);
    drop(peer);
    let last = [message(0, b"b.txt"), message(1, b"b.txt"), words(&[2])].concat();
    assert!(bytes.ends_with(&last));
    assert!(!bytes.windows(5).any(|window| window == b"a.txt"), "no removed file is sent");
    assert!(client.finish(1).has_arrived());
    client.ask(Command::Remove(JobId(1)));
    client.events.until(|event| *event == Event::Removed { job: JobId(1) });
    assert_eq!(states(&mut client, 2), []);
}

#[test]
fn an_id_is_used_once() {
    let (mut client, _peer) = blocked(&["a.txt"]);
    let again = client.job(2, "other.txt", &Target::Embedded, plain());
    client.ask(Command::Upload(vec![again]));
    cancel(&client, 2);
    assert_eq!(client.finish(2), State::Cancelled);
    let queued =
        client.events.count(|event| matches!(event, Event::Queued { job, .. } if job.id == JobId(2)));
    assert_eq!(queued, 1);
}

#[test]
fn a_shutdown_ends_a_blocked_write_and_says_so_last() {
    let (mut client, mut peer) = blocked(&["a.txt"]);
    client.ask(Command::Shutdown);
    client.events.until(|event| *event == Event::Ended);
    assert!(!peer.read_to_end().1);
    client.shut_down();
    assert_eq!(client.events.seen.last(), Some(&Event::Ended), "nothing follows");
    for id in [1, 2] {
        assert_eq!(client.events.states(job_track(id)).last(), Some(&State::Cancelled));
    }
}

fn embedded() -> (tempfile::TempDir, EmbeddedOptions) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("received");
    (folder, EmbeddedOptions { store: Some(store), history: None, bind: ANYWHERE })
}

#[test]
fn no_event_follows_ended_while_the_embedded_server_starts() {
    let (_folder, options) = embedded();
    let mut client = Client::with(Some(options));
    client.shut_down();
    assert_eq!(client.events.seen.last(), Some(&Event::Ended), "{:?}", client.events.seen);
    assert_eq!(client.events.count(|event| *event == Event::Ended), 1);
}

#[test]
fn an_upload_that_waits_for_the_embedded_server_is_cancelled() {
    let (_folder, options) = embedded();
    let mut client = Client::with(Some(options));
    client.write("a.txt", b"hello");
    client.upload(&["a.txt"], &Target::Embedded, plain());
    cancel(&client, 1);
    // Queued and cancelled before two RSA keys can be generated.
    assert_eq!(client.finish(1), State::Cancelled);
}

fn race(client: &Client, targets: [Target; 2], length: u64) {
    let path = client.sparse("clip.bin", length);
    let lanes = targets.map(|target| Lane::new(target, plain())).to_vec();
    client.ask(Command::Race(RaceOrder::new(Subject::File { path, limit: None }, lanes)));
}

fn verdict(client: &mut Client) -> Verdict {
    match client.events.until(|event| matches!(event, Event::RaceFinished { .. })) {
        Event::RaceFinished { verdict } => verdict,
        other => unreachable!("{other:?}"),
    }
}

fn kinds(verdict: &Verdict) -> Vec<Option<FaultKind>> {
    verdict.lanes.iter().map(|lane| lane.fault.as_ref().map(|fault| fault.kind)).collect()
}

#[test]
fn a_race_stopped_midway_has_a_verdict_of_cancelled_lanes() {
    for stop in [Command::StopRace, Command::CancelAll] {
        let (listener, target) = listen();
        let mut client = Client::start();
        race(&client, [target.clone(), target], BIG);
        let peer = accept(&listener);
        let sending =
            |event: &Event| matches!(event, Event::State { track: Track::Lane(0), state: State::Sending });
        client.events.until(sending);
        client.ask(stop);
        let verdict = verdict(&mut client);
        assert_eq!(kinds(&verdict), [Some(FaultKind::Interrupted); 2]);
        for lane in 0..2 {
            assert_eq!(client.events.states(Track::Lane(lane)).last(), Some(&State::Cancelled));
        }
        assert!(common::is_alone(&listener), "the second lane was not started");
        drop(peer);
    }
}

/// The user interface waits for a race's verdict, so it must come.
#[test]
fn a_race_stopped_before_it_begins_has_a_verdict() {
    for stop in [Command::StopRace, Command::CancelAll] {
        // The race waits for an upload to end.
        let (mut client, _peer) = blocked(&[]);
        let (_listener, target) = listen();
        race(&client, [target.clone(), target], 1000);
        client.ask(stop);
        assert_eq!(kinds(&verdict(&mut client)), [Some(FaultKind::Interrupted); 2]);
    }
    // The race waits for the embedded server.
    let (_folder, options) = embedded();
    let mut client = Client::with(Some(options));
    race(&client, [Target::Embedded, Target::Embedded], 1000);
    client.ask(Command::CancelAll);
    assert_eq!(kinds(&verdict(&mut client)), [Some(FaultKind::Interrupted); 2]);
}

#[test]
fn stopping_no_race_leaves_uploads_alone() {
    let mut host = Host::start();
    host.hold("big.bin");
    let mut client = Client::start();
    client.write("big.bin", &noise(1000, 1));
    client.upload(&["big.bin"], &host.target(), plain());
    client.events.until(is_state(1, State::Sent));
    client.ask(Command::StopRace);
    client.ask(Command::Remove(JobId(1))); // It is running, so nothing happens; commands are handled in order.
    host.open_gate();
    assert!(client.finish(1).has_arrived());
    assert_eq!(states(&mut client, 1), [State::Connecting, State::Sending, State::Sent, State::Delivered]);
    host.stop();
    assert_eq!(host.stored().names(), ["big.bin"]);
}
