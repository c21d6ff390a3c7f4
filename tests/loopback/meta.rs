//! Modification times and executable bits of files that are sent by their names.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use upseal::event::{Dialect, Framing, NameAs, State, Variant};
use upseal::testing::net::{HELLO_RANDOM, Offer};
use upseal::{KnownServers, Options, Policy};

use super::amended::{pair, wait_for_a_file};
use super::common::{Client, Files, Host, Peer, message, words};

/// Seconds since 1970 of the files in these tests.
const PAST: u64 = 1_000_000_000;

fn date(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

/// A client with a program that was modified long ago.
fn client(meta: bool) -> Client {
    let folder = tempfile::tempdir().unwrap();
    let known = KnownServers::at(Some(folder.path().join(".known")));
    let client = Client::of(Options { meta, retries: 0, ..Options::new(known) }, folder);
    let path = client.write("run", b"#!/bin/sh\n");
    fs::set_permissions(&path, Permissions::from_mode(0o6755)).unwrap();
    date(&path, PAST);
    client
}

/// Modification time, in seconds since 1970, and permissions of a stored file.
fn stored(host: &Host, name: &str) -> (i64, u32) {
    let metadata = fs::metadata(host.folder().join(name)).unwrap();
    (metadata.mtime(), metadata.mode() & 0o7777)
}

#[test]
fn a_single_file_keeps_its_time_and_executable_bit_and_nothing_else() {
    for variant in [Variant::Ap, Variant::Cp1, Variant::Cp2] {
        for paths in [true, false] {
            let (mut host, mut client) = (Host::with(Policy { paths, ..Policy::default() }), client(true));
            client.upload(&["run"], &host.target(), Dialect::of(variant));
            let State::Stored { name, .. } = client.finish(1) else { panic!("{variant}") };
            assert_eq!(name.as_str(), "run");
            host.stop();
            let (modified, mode) = stored(&host, "run");
            assert_eq!(modified, i64::try_from(PAST).unwrap(), "{variant}");
            assert_eq!((mode & 0o7000, mode & 0o100), (0, 0o100), "{variant}: {mode:o}");
        }
    }
}

/// Neither end can be made to send, or to keep, what its user does not want.
#[test]
fn each_end_can_leave_them_out() {
    let begun = SystemTime::now() - Duration::from_secs(60);
    for (sends, keeps) in [(false, true), (true, false)] {
        let mut host = Host::with(Policy { meta: keeps, ..Policy::default() });
        let mut client = client(sends);
        client.upload(&["run"], &host.target(), Dialect::of(Variant::Cp2));
        assert!(client.finish(1).has_arrived());
        // A client that states them nevertheless.
        let mut stranger = stranger(&host, "mtime 1000000000.000000000\nmode x\nname own");
        stranger.send(&words(&[2]));
        assert!(stranger.hang_up().1);
        host.stop();
        let metadata = fs::metadata(host.folder().join("run")).unwrap();
        assert!(metadata.modified().unwrap() > begun, "sends {sends}, keeps {keeps}");
        assert_eq!(metadata.mode() & 0o111, 0, "sends {sends}, keeps {keeps}");
        assert_eq!(stored(&host, "own").1 & 0o100 != 0, keeps);
    }
}

/// Connects with our hello, and sends one file of AP with this description.
fn stranger(host: &Host, lines: &str) -> Peer {
    let hello = Offer::of(Dialect::of(Variant::Ap)).unwrap().hello(&[7; HELLO_RANDOM]);
    let mut peer = Peer::connect(host.address());
    let description = format!("upseal/1 file\n{lines}");
    peer.send(&[message(3, &hello), message(0, description.as_bytes()), message(1, b"x")].concat());
    peer
}

#[test]
fn absurd_times_are_moved_and_malformed_ones_refused() {
    let mut host = Host::start();
    let now = || i64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let began = now();
    for (name, seconds) in [
        ("year 1", "-62135596800"),
        ("least", "-9223372036854775808"),
        ("year 9999", "253402300799"),
        ("most", "9223372036854775807"),
    ] {
        let mut peer = stranger(&host, &format!("mtime {seconds}.999999999\nname {name}"));
        peer.send(&words(&[2]));
        assert!(peer.hang_up().1, "{name}");
    }
    for time in ["9223372036854775808.000000000", "1e9", "", "1.5", "+1.000000000", "1.000000000 "] {
        assert!(!stranger(&host, &format!("mtime {time}\nname bad")).hang_up().1, "{time:?}");
    }
    // A path, where the server keeps none, is refused.
    let mut flat = Host::with(Policy { paths: false, ..Policy::default() });
    assert!(!stranger(&flat, "name a/b").hang_up().1);
    flat.stop();
    assert_eq!(flat.stored(), Files::of([]));
    assert!(flat.events.refusals()[0].contains("has folders"), "{:?}", flat.events.refusals());
    host.stop();
    assert_eq!(host.stored().names(), ["least", "most", "year 1", "year 9999"]);
    let ended = now();
    for (name, range) in
        [("year 1", 0..=0), ("least", 0..=0), ("year 9999", began..=ended), ("most", began..=ended)]
    {
        assert!(range.contains(&stored(&host, name).0), "{name}: {:?}", stored(&host, name));
    }
}

/// Third-party servers get names as ever, and so does ours where a description could mean another name.
#[test]
fn a_name_that_a_description_could_change_is_sent_alone() {
    for (file, name_as, wanted) in [("a\\b.txt", NameAs::Base, "b.txt"), ("a.txt", NameAs::Path, "a.txt")] {
        let (mut host, mut client) = (Host::start(), client(true));
        date(&client.write(file, b"text"), PAST);
        client.upload(&[file], &host.target(), Dialect { name_as, ..Dialect::of(Variant::Cp2) });
        assert!(client.finish(1).has_arrived());
        host.stop();
        assert_eq!(host.stored().names(), [wanted]);
        assert!(stored(&host, wanted).0 > i64::try_from(PAST).unwrap());
    }
}

#[test]
fn the_same_file_with_another_time_is_not_stored_again_and_keeps_its_own() {
    let (mut host, mut client) = (Host::start(), client(true));
    client.upload(&["run"], &host.target(), Dialect::of(Variant::Cp2));
    assert!(client.finish(1).has_arrived());
    date(&client.path("run"), PAST + 5);
    client.ask(upseal::event::Command::Upload(vec![client.job(
        2,
        "run",
        &host.target(),
        Dialect::of(Variant::Cp2),
    )]));
    assert!(client.finish(2).has_arrived());
    host.stop();
    assert_eq!(host.stored().names(), ["run"]);
    assert_eq!(stored(&host, "run").0, i64::try_from(PAST).unwrap());
}

#[test]
fn a_file_that_continues_after_it_was_published_has_them_too() {
    let mut host = Host::start();
    let dialect = Dialect { framing: Framing::E, ..Dialect::of(Variant::Cp1) };
    let hello = Offer::of(dialect).unwrap().hello(&[7; HELLO_RANDOM]);
    let mut peer = Peer::connect(host.address());
    let description = b"upseal/1 file\nmtime 1000000000.000000000\nmode x\nname tool";
    peer.send(&[message(3, &hello), message(0, description), words(&[1]), pair(b"one")].concat());
    for part in [&b"two"[..], b"three"] {
        wait_for_a_file(&mut host);
        peer.send(&pair(part));
    }
    peer.send(&words(&[2]));
    assert!(peer.hang_up().1, "{:?}", host.events.refusals());
    host.stop();
    assert_eq!(host.stored(), Files::one("tool", b"onetwothree"));
    let (modified, mode) = stored(&host, "tool");
    assert_eq!((modified, mode & 0o7100), (i64::try_from(PAST).unwrap(), 0o100));
}
