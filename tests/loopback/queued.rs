//! What the queue does with several files: what is confirmed when, and how fast all of them are sent.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use upseal::event::{
    Command, Dialect, Event, JobId, Lane, Limit, RaceOrder, State, Subject, Target, Variant,
};
use upseal::{EmbeddedOptions, FileDigest, KnownServers, Options};

use crate::common::{ANYWHERE, Client, Files, Host, is_opened, is_state, job_track, noise};

/// Bytes of a file before which everything that was sent is confirmed.
const LARGE: u64 = 16 << 20;

#[test]
fn small_files_are_confirmed_before_a_large_one_begins() {
    for variant in [Variant::Ap, Variant::Cp2] {
        let mut host = Host::start();
        let mut client = Client::start();
        for name in ["a.txt", "b.txt", "d.txt"] {
            client.write(name, name.as_bytes());
        }
        client.sparse("c.bin", LARGE + 1);
        // The server takes nothing of the large file before the test lets it.
        host.hold("c.bin");
        client.upload(&["a.txt", "b.txt", "c.bin", "d.txt"], &host.target(), Dialect::of(variant));
        client.events.until(is_state(3, State::Sending));
        for id in [1, 2] {
            let states = client.events.states(job_track(id));
            assert!(matches!(states.last(), Some(State::Stored { .. })), "{variant}, {id}: {states:?}");
        }
        host.open_gate();
        assert!(client.finish_all(4).iter().all(State::has_arrived), "{variant}");
        client.shut_down();
        host.stop();
        assert_eq!(host.events.count(is_opened), 1, "{variant}: one connection");
    }
}

#[test]
fn files_up_to_16_mib_do_not_wait_for_a_confirmation() {
    let mut host = Host::start();
    let mut client = Client::start();
    client.write("a.txt", b"a");
    client.sparse("b.bin", LARGE);
    client.upload(&["a.txt", "b.bin"], &host.target(), Dialect::of(Variant::Ap));
    assert!(client.finish_all(2).iter().all(State::has_arrived));
    host.stop();
    assert_eq!(
        host.events.count(|event| matches!(event, Event::Receipted { files: 2, .. })),
        1,
        "one receipt for both: {:#?}",
        host.events.seen
    );
}

/// The lowest limit, at which the test's files would take minutes.
fn crawl() -> Limit {
    Limit::of(Limit::LEAST).unwrap()
}

/// Waits for some samples of an upload, during which it does not end.
fn crawls(client: &mut Client, id: u64) {
    for _ in 0..5 {
        let event = client.events.until(|event| {
            matches!(event, Event::Progress { track, .. } | Event::State { track, .. } if *track == job_track(id))
        });
        if let Event::Progress { snapshot, .. } = event {
            assert!(snapshot.wire_bytes < snapshot.wire_total, "{snapshot:?}");
        }
    }
    assert!(!client.events.states(job_track(id)).contains(&State::Sent));
}

#[test]
fn a_limit_holds_uploads_back_until_it_is_lifted() {
    for variant in [Variant::Plain, Variant::Ap, Variant::Cp1, Variant::Cp2] {
        let mut host = Host::start();
        let mut client = Client::start();
        let content = noise(if variant == Variant::Cp1 { 64 << 10 } else { 8 << 20 }, 1);
        client.write("a.bin", &content);
        client.ask(Command::Limit(crawl()));
        client.upload(&["a.bin"], &host.target(), Dialect::of(variant));
        client.events.until(|event| *event == Event::Limited { limit: crawl() });
        client.events.until(is_state(1, State::Sending));
        crawls(&mut client, 1);
        client.ask(Command::Limit(Limit::NONE));
        assert!(client.finish(1).has_arrived(), "{variant}");
        host.stop();
        assert_eq!(host.stored(), Files::one("a.bin", &content), "{variant}");
    }
}

#[test]
fn a_limited_upload_is_cancelled_and_files_sent_by_the_kernel_alone_are_limited_too() {
    let mut host = Host::start();
    let folder = tempfile::tempdir().unwrap();
    let known = KnownServers::at(Some(folder.path().join(".known")));
    let options = Options { retries: 0, digest: FileDigest::None, limit: crawl(), ..Options::new(known) };
    let mut client = Client::of(options, folder);
    client.sparse("a.bin", 8 << 20);
    client.upload(&["a.bin"], &host.target(), Dialect::of(Variant::Ap));
    client.events.until(is_state(1, State::Sending));
    crawls(&mut client, 1);
    client.ask(Command::Cancel(JobId(1)));
    assert_eq!(client.finish(1), State::Cancelled);
    client.shut_down();
    host.stop();
    assert_eq!(host.stored(), Files::none());
    assert_eq!(client.events.count(|event| *event == Event::Limited { limit: crawl() }), 1, "at the start");
}

#[test]
fn a_race_ignores_the_limit() {
    let mut client = Client::with(Some(EmbeddedOptions { store: None, history: None, bind: ANYWHERE }));
    client.ask(Command::Limit(crawl()));
    let lanes = [Variant::Ap, Variant::Cp2].map(|variant| Lane::new(Target::Embedded, Dialect::of(variant)));
    // At the limit it would take days.
    let subject = Subject::Generated { bytes: 64 << 20 };
    client.ask(Command::Race(RaceOrder::new(subject, lanes.to_vec())));
    let finished = client.events.until(|event| matches!(event, Event::RaceFinished { .. }));
    let Event::RaceFinished { verdict } = finished else { unreachable!() };
    assert!(verdict.lanes.iter().all(|lane| lane.fault.is_none()), "{verdict:?}");
}

#[test]
fn a_paused_queue_finishes_the_running_file_and_begins_no_other_until_it_goes_on() {
    for variant in [Variant::Plain, Variant::Cp2] {
        let mut host = Host::start();
        let mut client = Client::start();
        let large = noise(8 << 20, 1);
        client.write("a.bin", &large);
        client.write("b.txt", b"b");
        client.write("c.txt", b"c");
        host.hold("a.bin");
        client.upload(&["a.bin", "b.txt"], &host.target(), Dialect::of(variant));
        client.blocked(1);
        client.ask(Command::PauseQueue(true));
        client.events.until(|event| *event == Event::QueuePaused { paused: true, running: 1 });
        host.open_gate();
        assert!(client.finish(1).has_arrived(), "{variant}");
        // A race, and an upload that is ordered meanwhile, change nothing.
        client.ask(Command::Upload(vec![client.job(3, "c.txt", &host.target(), Dialect::of(variant))]));
        let lanes = [Variant::Ap, Variant::Cp2].map(|variant| Lane::new(host.target(), Dialect::of(variant)));
        client.ask(Command::Race(RaceOrder::new(Subject::Generated { bytes: 1000 }, lanes.to_vec())));
        client.events.until(|event| matches!(event, Event::RaceFinished { .. }));
        for id in [2, 3] {
            assert_eq!(client.events.states(job_track(id)), [], "{variant}, {id}");
        }
        client.ask(Command::PauseQueue(false));
        assert!(client.finish_all(3).iter().all(State::has_arrived), "{variant}");
        host.stop();
        let stored = Files::of([("a.bin", &large[..]), ("b.txt", b"b"), ("c.txt", b"c")]);
        assert_eq!(host.stored(), stored, "{variant}");
    }
}

#[test]
fn a_paused_upload_stops_and_is_sent_anew_when_it_is_resumed_and_the_others_go_on() {
    for variant in [Variant::Plain, Variant::Ap, Variant::Cp1, Variant::Cp2] {
        let mut host = Host::start();
        let mut client = Client::start();
        let content = noise(if variant == Variant::Cp1 { 256 << 10 } else { 8 << 20 }, 1);
        client.write("a.txt", b"a");
        client.write("b.bin", &content);
        client.write("c.txt", b"c");
        client.ask(Command::Limit(crawl()));
        client.upload(&["b.bin", "a.txt", "c.txt"], &host.target(), Dialect::of(variant));
        client.ask(Command::Pause(JobId(3)));
        client.events.until(is_state(1, State::Sending));
        client.ask(Command::Pause(JobId(1)));
        client.events.until(is_state(1, State::Paused));
        client.ask(Command::Limit(Limit::NONE));
        assert!(client.finish(2).has_arrived(), "{variant}: it overtakes the paused one");
        client.ask(Command::Resume(JobId(1)));
        assert!(client.finish(1).has_arrived(), "{variant}");
        assert_eq!(client.events.states(job_track(3)), [State::Paused], "{variant}");
        client.ask(Command::CancelAll);
        assert_eq!(client.finish(3), State::Cancelled, "{variant}");
        client.shut_down();
        host.stop();
        assert_eq!(host.stored(), Files::of([("b.bin", &content[..]), ("a.txt", b"a")]), "{variant}");
    }
}

#[test]
fn cancelling_everything_ends_the_pause_of_the_queue() {
    let mut host = Host::start();
    let mut client = Client::start();
    client.write("a.txt", b"a");
    client.ask(Command::PauseQueue(true));
    client.upload(&["a.txt"], &host.target(), Dialect::of(Variant::Cp2));
    client.ask(Command::CancelAll);
    assert_eq!(client.finish(1), State::Cancelled);
    client.ask(Command::Retry(JobId(1)));
    assert!(client.finish(1).has_arrived());
    assert_eq!(client.events.count(|event| matches!(event, Event::QueuePaused { .. })), 2);
    host.stop();
}
