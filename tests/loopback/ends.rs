//! Uploads that do not end well: sent and not confirmed, reset, changed while they were read.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs::OpenOptions;
use std::net::Shutdown;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use upseal::event::{Blame, Command, Dialect, Event, FaultKind, Job, JobId, State, Target, Variant};
use upseal::{Incoming, KnownServers, Options, Pending, Published, Store, StoreError};

use crate::common::{
    BIG, Client, Files, Host, IDENTITY, Peer, accept, is_alone, is_closed, is_state, job_track, listen,
    message, noise, unused_address, words,
};

/// Answers a hello as the real server does.
fn prove(peer: &mut Peer) {
    let hello = peer.read(144).split_off(16);
    let signature = IDENTITY.sign(&hello).unwrap();
    for blob in [&signature[..], IDENTITY.certificate_pem()] {
        peer.send(&words(&[blob.len() as u64]));
        peer.send(blob);
    }
}

/// A place for the ciphertext of uploads in which the worker panics.
struct Panicking;

impl Store for Panicking {
    fn begin(&self, _: &Incoming) -> Result<Box<dyn Pending>, StoreError> {
        panic!("on purpose")
    }

    fn amend(&self, _: &Published) -> Result<Box<dyn Pending>, StoreError> {
        panic!("on purpose")
    }

    fn place(&self) -> String {
        String::new()
    }
}

#[test]
fn a_worker_that_panics_fails_its_upload_and_the_next_one_is_sent() {
    let host = Host::start();
    let folder = tempfile::tempdir().unwrap();
    let known = KnownServers::at(Some(folder.path().join(".known")));
    let options = Options { retries: 0, ciphertext: Some(Arc::new(Panicking)), ..Options::new(known) };
    let mut client = Client::of(options, folder);
    client.write("a.txt", b"hello");
    client.write("b.txt", b"world");
    client.upload(&["a.txt"], &host.target(), Dialect::of(Variant::Cp2));
    let State::Failed(fault) = client.finish(1) else { panic!("the upload has not failed") };
    assert!(fault.what.to_string().contains("a bug in upseal"), "{fault}");
    // Plain has no ciphertext.
    let job = client.job(2, "b.txt", &host.target(), Dialect::of(Variant::Plain));
    client.ask(Command::Upload(vec![job]));
    assert!(client.finish(2).has_arrived());
    client.shut_down();
    let told = |event: &Event| matches!(event, Event::Note { text } if text.contains("a bug in upseal"));
    assert_eq!(client.events.count(told), 1);
    assert_eq!(client.events.count(|event| *event == Event::Ended), 1, "only the worker ended");
    assert_eq!(host.stored(), Files::one("b.txt", b"world"));
}

#[test]
fn sent_is_not_delivered_while_the_server_has_not_closed() {
    for variant in [Variant::Plain, Variant::Ap, Variant::Cp2] {
        let (listener, target) = listen();
        let mut client = Client::start();
        client.write("a.txt", b"hello");
        client.upload(&["a.txt"], &target, Dialect::of(variant));
        let mut peer = accept(&listener);
        if variant.authenticates() {
            prove(&mut peer);
        }
        client.events.until(is_state(1, State::Sent));
        client.ask(Command::Cancel(JobId(1)));
        assert_eq!(client.finish(1), State::Cancelled, "it was never confirmed");
        client.shut_down();
        assert!(!client.events.states(job_track(1)).contains(&State::Delivered));
        drop(peer);
    }
}

#[test]
fn a_file_is_delivered_when_the_server_closes_and_not_before() {
    let (listener, target) = listen();
    let mut client = Client::start();
    client.write("a.txt", b"hello");
    client.upload(&["a.txt"], &target, Dialect::of(Variant::Plain));
    let mut peer = accept(&listener);
    let expected = [message(0, b"a.txt"), message(1, b"hello"), words(&[2])].concat();
    assert_eq!(peer.read(expected.len()), expected);
    client.events.until(is_state(1, State::Sent));
    client.events.catch_up();
    assert_eq!(client.events.count(is_state(1, State::Delivered)), 0);
    peer.0.shutdown(Shutdown::Write).unwrap();
    assert!(client.finish(1).has_arrived());
}

/// An end in order means success, so a server that is stopped must not end in order.
#[test]
fn a_server_that_is_stopped_does_not_confirm_unstored_files() {
    for variant in [Variant::Plain, Variant::Ap, Variant::Cp2] {
        let mut host = Host::start();
        host.hold("a.bin");
        let mut client = Client::start();
        // More than the server reads ahead, so that it has not read MODE 2 either; less than that together with the
        // kernel's buffers.
        client.write("a.bin", &noise(1536 << 10, 1));
        client.upload(&["a.bin"], &host.target(), Dialect::of(variant));
        client.events.until(is_state(1, State::Sent));
        host.events.until(|event| matches!(event, Event::Receiving { .. }));
        host.interrupt();
        host.open_gate();
        let state = client.finish(1);
        host.stop();
        let State::Failed(fault) = state else { panic!("{variant}: {state:?}, stored: {:?}", host.stored()) };
        assert_eq!(fault.kind, FaultKind::Refused, "{variant}: {fault}");
        assert_eq!(host.stored(), Files::none(), "{variant}");
        assert!(host.events.refusals()[0].contains("stopped from this side"), "{:?}", host.events.refusals());
    }
}

#[test]
fn a_server_that_breaks_off_after_mode_2_has_refused_all_that_was_sent() {
    let (listener, target) = listen();
    let mut client = Client::start();
    client.write("a.txt", b"hello");
    client.write("b.txt", b"world");
    client.upload(&["a.txt", "b.txt"], &target, Dialect::of(Variant::Plain));
    let mut peer = accept(&listener);
    let whole =
        [message(0, b"a.txt"), message(1, b"hello"), message(0, b"b.txt"), message(1, b"world"), words(&[2])];
    assert_eq!(peer.read(whole.concat().len()), whole.concat());
    client.events.until(is_state(2, State::Sent));
    peer.break_off();
    // The client cannot know which of the two was refused. In reverse: the order is the queue's.
    for id in [2, 1] {
        let State::Failed(fault) = client.finish(id) else { panic!("{id} was not refused") };
        assert_eq!((fault.kind, fault.blame), (FaultKind::Refused, Blame::Peer), "{fault}");
        assert_eq!(fault.kind.exit_code(), 6);
    }
}

#[test]
fn a_reset_inside_a_file_is_a_broken_connection() {
    let (listener, target) = listen();
    let mut client = Client::start();
    client.write("a.txt", b"hello");
    client.sparse("b.bin", BIG);
    client.upload(&["a.txt", "b.bin"], &target, Dialect::of(Variant::Plain));
    let mut peer = accept(&listener);
    let beginning = [message(0, b"a.txt"), message(1, b"hello"), message(0, b"b.bin")].concat();
    assert_eq!(peer.read(beginning.len()), beginning);
    client.blocked(2);
    peer.break_off();
    let State::Failed(fault) = client.finish(2) else { panic!() };
    assert_eq!(fault.kind, FaultKind::Broken, "{fault}");
    assert!(fault.what.as_str().contains(&format!("of {BIG} bytes")), "{fault}");
    let State::Failed(fault) = client.finish(1) else { panic!() };
    assert!(fault.what.as_str().contains("before the server confirmed it"), "{fault}");
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_fails_and_is_not_published() {
    for variant in Variant::ALL {
        let mut host = Host::start();
        host.hold("big.bin");
        let mut client = Client::start();
        let path = client.sparse("big.bin", BIG);
        client.upload(&["big.bin"], &host.target(), Dialect::of(variant));
        client.blocked(1);
        OpenOptions::new().write(true).open(&path).unwrap().set_len(1000).unwrap();
        host.open_gate();
        let State::Failed(fault) = client.finish(1) else { panic!("{variant}: no failure") };
        assert_eq!((fault.kind, fault.kind.exit_code()), (FaultKind::Local, 5), "{fault}");
        assert!(fault.what.as_str().contains("changed while it was read: it shrank"), "{fault}");
        host.events.until(is_closed);
        assert_eq!(host.events.refusals().len(), 1, "{:?}", host.events.refusals());
        assert_eq!(host.stored(), Files::none(), "{variant}");
    }
}

/// Sets the time of the last modification back first, because the kernel's clock has ticks.
fn aged(path: &Path) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
}

fn write_at(path: &Path, at: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, bytes, at).unwrap();
}

#[test]
fn a_file_that_is_changed_in_place_while_it_is_sent_fails_and_is_not_published() {
    // CP1 is in `options`: it would take long.
    for variant in [Variant::Plain, Variant::Ap, Variant::Cp2] {
        let mut host = Host::start();
        host.hold("big.bin");
        let mut client = Client::start();
        let path = client.sparse("big.bin", BIG);
        aged(&path);
        client.upload(&["big.bin"], &host.target(), Dialect::of(variant));
        client.blocked(1);
        write_at(&path, 7, b"x");
        host.open_gate();
        let State::Failed(fault) = client.finish(1) else { panic!("{variant}: no failure") };
        assert_eq!((fault.kind, fault.kind.exit_code()), (FaultKind::Local, 5), "{fault}");
        assert!(fault.what.as_str().contains("changed while it was read"), "{fault}");
        host.events.until(is_closed);
        assert_eq!(host.stored(), Files::none(), "{variant}");
    }
}

#[test]
fn a_file_that_grows_while_it_is_sent_is_sent_once_more_with_its_new_size() {
    for variant in [Variant::Plain, Variant::Cp2] {
        let mut host = Host::start();
        host.hold("big.bin");
        let mut client = Client::start();
        let path = client.sparse("big.bin", BIG);
        client.write("before.txt", b"small");
        client.upload(&["before.txt", "big.bin"], &host.target(), Dialect::of(variant));
        client.blocked(2);
        write_at(&path, BIG, b"more");
        host.open_gate();
        assert!(client.finish(2).has_arrived(), "{variant}");
        // The file before it on the same connection arrives too.
        client.events.catch_up();
        assert!(client.events.states(job_track(1)).last().unwrap().has_arrived(), "{variant}");
        host.stop();
        let stored = host.stored();
        assert_eq!(stored.names(), ["before.txt", "big.bin"], "{variant}");
        let content = stored.get("big.bin");
        assert_eq!(content.len() as u64, BIG + 4, "{variant}");
        assert!(content.ends_with(b"\0more"), "{variant}");
    }
}

#[test]
fn a_file_that_grows_each_time_fails_after_one_more_try() {
    let (listener, target) = listen();
    let mut client = Client::start();
    let path = client.sparse("big.bin", BIG);
    client.upload(&["big.bin"], &target, Dialect::of(Variant::Plain));
    for size in [BIG, BIG + 4] {
        let mut peer = accept(&listener);
        let beginning = [message(0, b"big.bin"), words(&[1, size])].concat();
        assert_eq!(peer.read(beginning.len()), beginning);
        client.blocked(1);
        write_at(&path, size, b"more");
        let (rest, in_order) = peer.read_to_end();
        assert!((rest.len() as u64) < size && !in_order, "the body is never whole");
    }
    let State::Failed(fault) = client.finish(1) else { panic!("it arrived") };
    assert_eq!((fault.kind, fault.kind.exit_code()), (FaultKind::Local, 5), "{fault}");
    let what = format!("changed while it was read: it grew from {} to {} bytes", BIG + 4, BIG + 8);
    assert!(fault.what.as_str().contains(&what), "{fault}");
}

#[cfg(target_os = "linux")]
#[test]
fn files_whose_metadata_have_no_size_arrive_whole() {
    let mut host = Host::start();
    let mut client = Client::start();
    // The metadata of the first say 0 bytes, those of the second 4096.
    let paths = ["/proc/version", "/sys/devices/system/cpu/online"];
    let jobs = (1..).zip(paths).map(|(id, path)| Job {
        path: path.into(),
        ..client.job(id, "", &host.target(), Dialect::of(Variant::Cp2))
    });
    client.ask(Command::Upload(jobs.collect()));
    for id in [1, 2] {
        assert!(client.finish(id).has_arrived());
    }
    host.stop();
    let [version, online] = paths.map(|path| std::fs::read(path).unwrap());
    assert!(!version.is_empty() && online.len() < 4096);
    assert_eq!(host.stored(), Files::of([("version", &version[..]), ("online", &online)]));
}

/// A third-party server understands only the end: a reset, never an end in order.
#[test]
fn a_file_that_shrinks_ends_its_connection_by_a_reset() {
    let (listener, target) = listen();
    let mut client = Client::start();
    let path = client.sparse("big.bin", BIG);
    client.upload(&["big.bin"], &target, Dialect::of(Variant::Plain));
    let mut peer = accept(&listener);
    client.blocked(1);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(1000).unwrap();
    let (bytes, in_order) = peer.read_to_end();
    assert!(!in_order && (bytes.len() as u64) < BIG);
    let State::Failed(fault) = client.finish(1) else { panic!("no failure") };
    assert_eq!(fault.kind, FaultKind::Local, "{fault}");
}

#[test]
fn an_unreachable_address_fails_the_uploads_to_it_and_no_others() {
    let (_reserved, unreachable) = unused_address();
    let unreachable = Target::server(unreachable.into(), None);
    let mut host = Host::start();
    let mut client = Client::start();
    client.write("a.txt", b"hello");
    let plain = Dialect::of(Variant::Plain);
    let jobs = [(1, &unreachable), (2, &host.target()), (3, &unreachable)]
        .map(|(id, target)| client.job(id, "a.txt", target, plain));
    client.ask(Command::Upload(jobs.to_vec()));
    for id in [1, 3] {
        let State::Failed(fault) = client.finish(id) else { panic!("{id} was not unreachable") };
        assert_eq!((fault.kind, fault.kind.exit_code()), (FaultKind::Unreachable, 3), "{fault}");
        assert!(fault.what.as_str().contains("cannot connect to 127.0.0.1:"), "{fault}");
    }
    assert!(client.finish(2).has_arrived());
    host.stop();
    assert_eq!(host.stored(), Files::one("a.txt", b"hello"));
}

#[test]
fn a_file_that_cannot_be_read_does_not_stop_the_others_of_its_connection() {
    let mut host = Host::start();
    let mut client = Client::start();
    for name in ["a.txt", "c.txt", "e.txt"] {
        client.write(name, name.as_bytes());
    }
    std::fs::create_dir(client.path("d")).unwrap();
    client.upload(&["a.txt", "b.txt", "c.txt", "d", "e.txt"], &host.target(), Dialect::of(Variant::Cp2));
    for id in [2, 4] {
        let State::Failed(fault) = client.finish(id) else { panic!("{id} was read") };
        assert_eq!(fault.kind, FaultKind::Local, "{fault}");
    }
    for id in [1, 3, 5] {
        assert!(client.finish(id).has_arrived());
    }
    host.stop();
    assert_eq!(host.stored().names(), ["a.txt", "c.txt", "e.txt"]);
}

#[test]
fn a_variant_with_proof_needs_a_usable_ca_and_no_connection_is_made() {
    let (listener, _) = listen();
    let address = listener.local_addr().unwrap();
    let mut client = Client::start();
    client.write("a.txt", b"hello");
    let usage = (FaultKind::Usage, 2);
    let unusable = (FaultKind::Local, 5);
    let (missing, text) = (client.path("none.crt"), client.path("a.txt"));
    for (id, (ca, expected)) in (1..).zip([(None, usage), (Some(missing), unusable), (Some(text), unusable)])
    {
        let target = Target::server(address.into(), ca);
        client.ask(Command::Upload(vec![client.job(id, "a.txt", &target, Dialect::of(Variant::Cp2))]));
        let State::Failed(fault) = client.finish(id) else { panic!("{id} was sent") };
        assert_eq!((fault.kind, fault.kind.exit_code()), expected, "{fault}");
    }
    assert!(is_alone(&listener), "no connection was made");
}
