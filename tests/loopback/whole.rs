//! Files arrive whole, whatever their size and however they are sent.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Barrier;
use std::thread;

use strum::VariantArray as _;
use upseal::event::{
    AuthMessage, Command, Dialect, EmptyFile, Event, Framing, Kept, KeyForm, KeyLength, Lane, NameAs, Named,
    Padding, RaceOrder, Snapshot, State, Subject, Target, Terminator, Track, Variant, Verdict,
};
use upseal::testing::messages::sentence;
use upseal::{Digest, EmbeddedOptions};

use crate::common::{
    ANYWHERE, Client, Files, Host, Receipt, Recording, contents, dialects, is_closed, is_opened, job_track,
    noise, upload,
};

/// Sizes around the capacity of a block of RSA-1024 in both paddings, and around the block itself.
const SMALL: [usize; 11] = [0, 1, 61, 62, 63, 116, 117, 118, 127, 128, 129];
/// Sizes around what the client reads at once.
const MEDIUM: [usize; 3] = [(64 << 10) - 1, 64 << 10, (64 << 10) + 1];
const LARGE: usize = (3 << 20) + 7;

/// Sends files of these sizes on one connection, through the queue, and checks every event.
fn arrive(dialect: Dialect, sizes: &[usize]) {
    let mut host = Host::start();
    let mut client = Client::start();
    let files: Vec<(String, Vec<u8>)> =
        (0..).zip(sizes).map(|(seed, size)| (format!("{size}.bin"), noise(*size, seed))).collect();
    for (name, content) in &files {
        client.write(name, content);
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    client.upload(&names, &host.target(), dialect);
    for id in (1..).take(files.len()) {
        assert!(client.finish(id).has_arrived(), "{dialect:?}, {}", names[id_index(id)]);
    }
    host.stop();

    let expected: Vec<Receipt> =
        files.iter().map(|(name, content)| Receipt::new(name, content, dialect.variant)).collect();
    assert_eq!(host.events.received(), expected, "{dialect:?}");
    assert_eq!(host.events.refusals(), [""; 0], "{dialect:?}");
    assert_eq!(host.events.count(is_opened), 1, "{dialect:?}: one connection");
    for (id, (name, content)) in (1..).zip(&files) {
        assert_eq!(client.events.states(job_track(id)), walk(id, dialect, name), "{dialect:?}, {name}");
        let last = last_progress(&client, id);
        let size = content.len() as u64;
        assert_eq!((last.file_bytes, last.file_total), (size, size), "{dialect:?}, {name}");
        assert_eq!(last.wire_bytes, last.wire_total, "{dialect:?}, {name}");
        assert!(last.wire_total > size, "{dialect:?}, {name}: {last:?}");
    }
    assert_eq!(host.stored(), Files(files.into_iter().collect()), "{dialect:?}");
}

fn id_index(id: u64) -> usize {
    usize::try_from(id).unwrap() - 1
}

/// The states of an upload. Later uploads on the same connection find it open.
fn walk(id: u64, dialect: Dialect, name: &str) -> Vec<State> {
    let mut states = Vec::new();
    if id == 1 {
        states.push(State::Connecting);
        if dialect.variant.authenticates() {
            states.push(State::Proving);
        }
    }
    // Without a hello the server does not offer receipts.
    let receipts = dialect.variant.authenticates() && dialect.auth_message != AuthMessage::Random32;
    let last = if receipts {
        State::Stored { name: name.into(), named: Named::Stored, receipt: None, earlier: None }
    } else {
        State::Delivered
    };
    states.extend([State::Sending, State::Sent, last]);
    states
}

/// The last progress of an upload, which comes before its final state.
fn last_progress(client: &Client, id: u64) -> Snapshot {
    let mut last = None;
    for event in &client.events.seen {
        match event {
            Event::Progress { track, snapshot } if *track == job_track(id) => last = Some(*snapshot),
            Event::State { track, state } if *track == job_track(id) && state.is_final() => break,
            _ => {}
        }
    }
    last.expect("numbers before the final state")
}

#[test]
fn plain_and_ap_files_of_every_size_arrive_and_are_recognised() {
    for variant in [Variant::Plain, Variant::Ap] {
        arrive(Dialect::of(variant), &[&SMALL[..], &MEDIUM, &[LARGE]].concat());
    }
}

#[test]
fn cp2_files_of_every_size_arrive_with_either_padding_of_the_key() {
    for padding in [Padding::Oaep, Padding::Pkcs1v15] {
        let dialect = Dialect { padding, ..Dialect::of(Variant::Cp2) };
        arrive(dialect, &[&SMALL[..], &MEDIUM, &[LARGE]].concat());
    }
}

#[test]
fn cp1_files_of_every_size_arrive_with_oaep_in_every_framing() {
    cp1(Padding::Oaep, [&MEDIUM, &[], &MEDIUM[2..], &[], &MEDIUM[..1], &[]]);
}

#[test]
fn cp1_files_of_every_size_arrive_with_pkcs1v15_in_every_framing() {
    cp1(Padding::Pkcs1v15, [&MEDIUM[1..2], &MEDIUM[..1], &[], &MEDIUM[2..], &[], &MEDIUM[1..2]]);
}

#[test]
fn files_arrive_with_every_option_for_third_party_servers() {
    let [ap, cp1, cp2] = [Variant::Ap, Variant::Cp1, Variant::Cp2].map(Dialect::of);
    for auth_message in [AuthMessage::Timestamp, AuthMessage::Random32] {
        for dialect in [ap, cp1, Dialect { padding: Padding::Pkcs1v15, ..cp1 }, cp2] {
            arrive(Dialect { auth_message, ..dialect }, &SMALL);
        }
    }
    for padding in [Padding::Oaep, Padding::Pkcs1v15] {
        for key_form in [KeyForm::Fernet, KeyForm::Raw] {
            let key_length = KeyLength::Sixteen;
            arrive(Dialect { padding, key_form, key_length, ..cp2 }, &[&SMALL[..], &MEDIUM].concat());
        }
    }
    for framing in [Framing::A, Framing::B, Framing::C, Framing::D, Framing::E, Framing::F] {
        arrive(Dialect { framing, empty: EmptyFile::Zero, ..cp1 }, &[0, 1, 62]);
    }
    arrive(Dialect { name_as: NameAs::Path, ..cp2 }, &SMALL);
}

/// Small files in every framing, and medium ones: a thousand RSA operations each.
fn cp1(padding: Padding, medium: [&[usize]; 6]) {
    let framings = [Framing::A, Framing::B, Framing::C, Framing::D, Framing::E, Framing::F];
    for (framing, medium) in framings.into_iter().zip(medium) {
        arrive(Dialect { padding, framing, ..Dialect::of(Variant::Cp1) }, &[&SMALL[..], medium].concat());
    }
}

#[test]
fn the_counted_bytes_are_the_sent_bytes() {
    for dialect in dialects() {
        for size in [0, 1, 62, 117, 300] {
            let recording = Recording::of(dialect, "a.bin", &noise(size, 1));
            let sent = recording.whole - recording.file();
            assert_eq!(recording.counted, sent as u64, "{dialect:?}, {size} bytes");
        }
    }
}

#[test]
fn three_hundred_files_share_a_connection() {
    let mut host = Host::start();
    let mut client = Client::start();
    let names: Vec<String> = (0..300).map(|n| format!("{n}.txt")).collect();
    for name in &names {
        client.write(name, name.as_bytes());
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    client.upload(&names, &host.target(), Dialect::of(Variant::Cp2));
    for id in 1..=300 {
        assert!(client.finish(id).has_arrived());
    }
    host.stop();
    assert_eq!(host.events.count(is_opened), 1);
    assert_eq!(host.stored(), Files::of(names.iter().map(|name| (*name, name.as_bytes()))));
}

#[test]
fn uploads_over_different_routes_use_different_connections_in_their_order() {
    let mut host = Host::start();
    let mut client = Client::start();
    client.write("a.txt", b"a");
    let jobs: Vec<_> = (1..)
        .zip([Variant::Cp2, Variant::Cp2, Variant::Plain, Variant::Cp2])
        .map(|(id, variant)| client.job(id, "a.txt", &host.target(), Dialect::of(variant)))
        .collect();
    client.ask(Command::Upload(jobs));
    for id in 1..=4 {
        assert!(client.finish(id).has_arrived());
    }
    host.stop();
    assert_eq!(host.events.count(is_opened), 3);
    let variants: Vec<Variant> = host.events.received().iter().map(|receipt| receipt.variant).collect();
    assert_eq!(variants, [Variant::Cp2, Variant::Cp2, Variant::Plain, Variant::Cp2]);
    assert_eq!(host.stored(), Files::one("a.txt", b"a"), "the same file each time");
}

/// Uploads `of(n)` as `same.bin` over 50 connections at once.
fn crowd(of: impl Fn(u64) -> Vec<u8> + Sync) -> Host {
    let mut host = Host::start();
    let (address, ready) = (host.address(), Barrier::new(50));
    let ways = [Variant::Plain, Variant::Ap, Variant::Cp1, Variant::Cp2];
    thread::scope(|scope| {
        for (n, variant) in (0..50).zip(ways.into_iter().cycle()) {
            let (of, ready) = (&of, &ready);
            scope.spawn(move || {
                let content = of(n);
                ready.wait();
                upload(address, Dialect::of(variant), "same.bin", &content).unwrap();
            });
        }
    });
    host.stop();
    assert_eq!(host.events.count(is_opened), 50);
    assert_eq!(host.events.count(is_closed), 50);
    assert_eq!(host.events.refusals(), [""; 0]);
    host
}

#[test]
fn fifty_files_of_one_name_that_arrive_at_once_are_all_kept() {
    let of = |n| noise(1000, n);
    let host = crowd(of);
    let mut stored: Vec<Vec<u8>> = host.stored().0.into_values().collect();
    let mut sent: Vec<Vec<u8>> = (0..50).map(of).collect();
    stored.sort();
    sent.sort();
    assert!(stored == sent, "{} files of 50", stored.len());
    let names: Vec<String> = host.stored().0.into_keys().collect();
    for copy in 2..=50 {
        assert!(names.contains(&format!("same ({copy}).bin")), "{copy}: {names:?}");
    }
}

#[test]
fn one_file_that_arrives_fifty_times_at_once_is_kept_once() {
    let content = noise(1000, 7);
    let host = crowd(|_| content.clone());
    assert_eq!(host.stored(), Files::one("same.bin", &content));
    let kept: Vec<Kept> = host.events.received().iter().map(|receipt| receipt.kept).collect();
    assert_eq!(kept.iter().filter(|kept| **kept == Kept::New).count(), 1);
    assert_eq!(kept.iter().filter(|kept| **kept == Kept::Same).count(), 49);
}

#[test]
fn an_upload_to_the_embedded_server_waits_until_it_listens() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("received");
    let mut client =
        Client::with(Some(EmbeddedOptions { store: Some(store.clone()), history: None, bind: ANYWHERE }));
    client.write("a.txt", b"hello");
    client.upload(&["a.txt"], &Target::Embedded, Dialect::of(Variant::Cp2));
    assert!(client.finish(1).has_arrived());
    let place = |wanted: fn(&Event) -> bool| client.events.seen.iter().position(wanted).unwrap();
    assert!(place(|event| matches!(event, Event::Listening { .. })) < place(is_opened));
    assert_eq!(contents(&store), Files::one("a.txt", b"hello"));
}

/// A race of a file through two lanes.
fn raced(content: &[u8]) -> Verdict {
    let mut client = Client::with(Some(EmbeddedOptions { store: None, history: None, bind: ANYWHERE }));
    let path = client.write("clip.bin", content);
    let lanes = [Variant::Cp1, Variant::Cp2].map(|variant| Lane::new(Target::Embedded, Dialect::of(variant)));
    let subject = Subject::File { path, limit: None };
    client.ask(Command::Race(RaceOrder::new(subject, lanes.to_vec())));
    let finished = client.events.until(|event| matches!(event, Event::RaceFinished { .. }));
    let Event::RaceFinished { verdict } = finished else { unreachable!() };
    verdict
}

#[test]
fn a_race_of_347_bytes_is_decided_by_steady_rates() {
    let verdict = raced(&noise(347, 1));
    let [cp1, cp2] = [0, 1].map(|lane| verdict.lanes[lane].pace.expect("a steady rate").rate());
    // A private operation is some hundred times the work of anything symmetric.
    assert!(cp2 > 4.0 * cp1, "{verdict:?}");
    let sentence = sentence(&verdict);
    assert!(
        sentence.contains("CP2 was ") && sentence.contains(" At this speed 1 GiB takes CP1 "),
        "{sentence}"
    );
}

#[test]
fn a_race_of_an_empty_file_compares_nothing() {
    let verdict = raced(b"");
    assert!(verdict.lanes.iter().all(|lane| lane.fault.is_none() && lane.pace.is_none()), "{verdict:?}");
    assert_eq!(sentence(&verdict), "The file is empty: nothing to compare.");
}

#[test]
fn a_race_through_the_embedded_server_compares_its_lanes_and_keeps_nothing() {
    const BYTES: usize = 16 << 10;
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("received");
    let mut client =
        Client::with(Some(EmbeddedOptions { store: Some(store.clone()), history: None, bind: ANYWHERE }));
    let content = noise(BYTES + 1000, 1);
    let path = client.write("clip.bin", &content);
    let lanes = [Variant::Cp1, Variant::Cp2].map(|variant| Lane::new(Target::Embedded, Dialect::of(variant)));
    let subject = Subject::File { path, limit: Some(BYTES as u64) };
    client.ask(Command::Race(RaceOrder::new(subject, lanes.to_vec())));
    let finished = client.events.until(|event| matches!(event, Event::RaceFinished { .. }));
    let Event::RaceFinished { verdict } = finished else { unreachable!() };
    client.shut_down();

    assert_eq!((verdict.name.as_str(), verdict.bytes, verdict.lanes.len()), ("clip.bin", BYTES as u64, 2));
    for (result, lane) in verdict.lanes.iter().zip(&lanes) {
        assert_eq!((result.dialect, &result.fault), (lane.dialect, &None));
        assert!(result.seconds > 0.0 && result.wire_bytes > verdict.bytes, "{result:?}");
        assert_eq!(result.proof.as_ref().map(|proof| proof.bits), Some(1024));
        // The repeated bytes are in no other number.
        let pace = result.pace.expect("each lane has its steady rate");
        assert!(pace.bytes > 0 && pace.seconds > 0.0, "{pace:?}");
    }
    for lane in 0..2 {
        let states = client.events.states(Track::Lane(lane));
        let expected = [State::Connecting, State::Proving, State::Sending, State::Sent, State::Delivered];
        assert_eq!(states, expected);
    }
    let sent = Digest::of(&content[..BYTES]).to_string();
    let received: Vec<_> =
        client.events.received().into_iter().map(|r| (r.name, r.kept, r.size, r.digest)).collect();
    let expected = ["race-cp1-clip.bin", "race-cp2-clip.bin"]
        .map(|name| (name.to_owned(), Kept::Discarded, BYTES as u64, sent.clone()));
    assert_eq!(received, expected);
    assert_eq!(contents(&store), Files::none());
}

#[test]
fn files_arrive_with_every_terminator_behind_their_pairs() {
    // Around full blocks of both paddings: the last block is full, short, or empty.
    let sizes = [0, 1, 62, 117, 124, 234, 1000];
    for terminator in Terminator::VARIANTS.iter().copied() {
        for framing in [Framing::B, Framing::C, Framing::D, Framing::E, Framing::F] {
            for padding in [Padding::Oaep, Padding::Pkcs1v15] {
                let terminator = Some(terminator);
                arrive(Dialect { padding, framing, terminator, ..Dialect::of(Variant::Cp1) }, &sizes);
            }
        }
    }
}
