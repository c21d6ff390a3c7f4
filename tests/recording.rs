//! Compares the recordings of both ends of real connections with what the meters counted.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "common/mod.rs"]
mod common;

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use upseal::event::{
    Command, Depth, Dialect, Event, Frame, Framing, KeyForm, Kind, Sample, Side, State, Target, Variant, Way,
    Wire, WireId,
};
use upseal::testing::crypto::Unwrapped;
use upseal::testing::fernet::TokenOpener;
use upseal::testing::net::{FIRST, LAST};
use upseal::{EmbeddedOptions, FileDigest, Open as _, Paddings};

use common::{ANYWHERE, Client, Events, dialects, job_track, noise};

/// A connection, assembled from events as the screen does it.
#[derive(Debug)]
struct Session {
    wire: Wire,
    /// Messages by number; the last event about each counts.
    frames: BTreeMap<u64, Frame>,
    /// Number of reports about messages; a message may be reported several times.
    reported: usize,
    /// Whether the connection ended in order.
    ended: Option<bool>,
}

impl Session {
    fn kinds(&self) -> Vec<Kind> {
        self.frames.values().map(|frame| frame.kind).collect()
    }

    fn of(&self, kind: Kind) -> &Frame {
        self.frames.values().find(|frame| frame.kind == kind).unwrap()
    }
}

fn sessions(events: &Events) -> BTreeMap<WireId, Session> {
    let mut all = BTreeMap::new();
    for event in &events.seen {
        match event {
            Event::WireOpened { wire, opened } => {
                let session =
                    Session { wire: opened.clone(), frames: BTreeMap::new(), reported: 0, ended: None };
                assert!(all.insert(*wire, session).is_none(), "opened twice");
            }
            Event::WireFrames { wire, frames } => {
                let session = all.get_mut(wire).unwrap();
                session.reported += frames.len();
                session.frames.extend(frames.iter().map(|frame| (frame.number, frame.clone())));
            }
            Event::WireClosed { wire, in_order, .. } => {
                all.get_mut(wire).unwrap().ended = Some(*in_order);
            }
            _ => {}
        }
    }
    all
}

/// A client with an embedded server, both recorded.
fn recording(depth: Depth) -> (Client, tempfile::TempDir) {
    let folder = common::scratch();
    let options =
        EmbeddedOptions { store: Some(folder.path().join("received")), history: None, bind: ANYWHERE };
    let mut client = Client::with(Some(options));
    client.ask(Command::Record(depth));
    client.events.until(|event| matches!(event, Event::Listening { .. }));
    (client, folder)
}

/// A client that is shut down sends no MODE 2.
fn both_ended(client: &mut Client) {
    while client.events.count(|event| matches!(event, Event::WireClosed { .. })) < 2 {
        client.events.next();
    }
}

/// Returns the name in a frame of MODE 0. To a server that proved to be ours, a description is sent.
fn named(frame: &Frame, variant: Variant) -> String {
    let text = String::from_utf8(frame.body.head.clone()).unwrap();
    if variant == Variant::Plain {
        return text;
    }
    assert!(text.starts_with("upseal/1 file\nmtime "), "{text}");
    text.rsplit_once("\nname ").unwrap().1.to_owned()
}

/// Sends one file; returns both ends of its connection and the wire bytes that the client counted.
fn one(depth: Depth, dialect: Dialect, name: &str, content: &[u8]) -> (Session, Session, u64) {
    let (mut client, _folder) = recording(depth);
    client.write(name, content);
    client.upload(&[name], &Target::Embedded, dialect);
    let state = client.finish(1);
    assert!(matches!(state, State::Delivered | State::Stored { .. }), "{dialect:?}: {state:?}");
    both_ended(&mut client);
    client.shut_down();
    let counted = client.events.seen.iter().rev().find_map(|event| match event {
        Event::Progress { track, snapshot } if *track == job_track(1) => Some(snapshot.wire_bytes),
        _ => None,
    });
    let mut sessions: Vec<Session> = sessions(&client.events).into_values().collect();
    assert_eq!(sessions.len(), 2, "both ends are ours");
    sessions.sort_by_key(|session| session.wire.side == Side::Server);
    let server = sessions.pop().unwrap();
    (sessions.pop().unwrap(), server, counted.unwrap())
}

/// Checks that each offset follows from the sizes before it: no byte is missing, none occurs twice.
fn is_seamless(session: &Session) {
    for way in [Way::ToServer, Way::ToClient] {
        let mut at = 0;
        for frame in session.frames.values().filter(|frame| frame.way == way) {
            assert_eq!(frame.offset, at, "{frame:?}");
            at += frame.wire;
        }
    }
}

/// Checks the size and offset of each message of every dialect on both ends.
#[test]
fn every_message_of_every_dialect_has_its_size_and_its_place_on_both_ends() {
    use Kind::{Authenticate, Certificate, Close, Data, Filename, SessionKey, Signature, Statement};

    for size in [0, 1, 200, 600_000] {
        for dialect in dialects() {
            if size > 1000 && dialect.variant == Variant::Cp1 && dialect.framing != Framing::A {
                continue; // Pairs are covered at 200 bytes, and RSA takes long.
            }
            let content = noise(size, 5);
            let (client, server, counted) = one(Depth::Full, dialect, "a.bin", &content);
            let which = format!("{dialect:?}, {size} bytes");
            let proof: &[Kind] = &[Authenticate, Signature, Certificate];
            let receipt: &[Kind] = &[Authenticate, Signature, Statement];
            let expected = match dialect.variant {
                Variant::Plain => vec![Filename, Data, Close],
                Variant::Ap | Variant::Cp1 => [proof, &[Filename, Data], receipt, &[Close]].concat(),
                Variant::Cp2 => [proof, &[SessionKey, Filename, Data], receipt, &[Close]].concat(),
            };
            assert_eq!(client.kinds(), expected, "{which}");
            assert_eq!(server.kinds(), expected, "{which}");
            is_seamless(&client);
            is_seamless(&server);
            assert_eq!((client.ended, client.wire.dialect), (Some(true), Some(dialect)), "{which}");
            assert_eq!(client.wire.local, server.wire.peer, "{which}");
            let file = [Filename, Data].map(|kind| client.of(kind).wire).iter().sum::<u64>();
            assert_eq!(file, counted, "{which}: what the meter counted");
            for (ours, theirs) in client.frames.values().zip(server.frames.values()) {
                assert!(ours.whole && ours.at_us <= ours.last_us, "{which}: {ours:?}");
                let same = |frame: &Frame| (frame.way, frame.kind, frame.offset, frame.wire, frame.m1);
                assert_eq!(same(ours), same(theirs), "{which}");
                assert_eq!(ours.body, theirs.body, "{which}");
                let header = ours.wire - ours.body.bytes;
                let words = 1 + u64::from(ours.kind.mode().is_some() && ours.m1.is_some());
                assert_eq!(header, 8 * words, "{which}: {ours:?}");
            }
            assert_eq!(named(client.of(Filename), dialect.variant), "a.bin", "{which}");
            let data = client.of(Data);
            match dialect.variant {
                Variant::Plain | Variant::Ap => {
                    assert_eq!(data.body.head, content[..size.min(256)], "{which}");
                    assert_eq!(data.file, None, "{which}: the body is the file");
                }
                Variant::Cp1 | Variant::Cp2 => {
                    let file = data.file.as_ref().unwrap();
                    assert_eq!((file.bytes, &file.head[..]), (size as u64, &content[..size.min(256)]));
                    assert!(size < 16 || data.body.head[..16] != content[..16], "{which}");
                }
            }
        }
    }
}

#[test]
fn entropy_tells_noise_base64_and_text_apart() {
    let text = b"the quick brown fox jumps over the lazy dog. ".repeat(3000);
    let bits = |sample: &Sample| sample.bits().unwrap();
    let (cp2, ..) = one(Depth::Full, Dialect::of(Variant::Cp2), "a.txt", &text);
    let data = cp2.of(Kind::Data);
    assert!((bits(&data.body) - 6.0).abs() < 0.1, "base64: {}", bits(&data.body));
    assert!(bits(data.file.as_ref().unwrap()) < 4.6, "{:?}", data.file);
    let (cp1, ..) = one(Depth::Full, Dialect::of(Variant::Cp1), "a.txt", &text);
    assert!(bits(&cp1.of(Kind::Data).body) > 7.9, "{:?}", cp1.of(Kind::Data).body);
    let (plain, ..) = one(Depth::Full, Dialect::of(Variant::Plain), "a.txt", &text);
    assert!(bits(&plain.of(Kind::Data).body) < 4.6);
}

#[test]
fn nothing_is_recorded_before_it_is_requested() {
    let (mut client, _folder) = recording(Depth::Off);
    client.write("a.bin", &noise(1000, 1));
    client.upload(&["a.bin"], &Target::Embedded, Dialect::of(Variant::Cp2));
    client.finish(1);
    client.shut_down();
    assert!(sessions(&client.events).is_empty());
    assert_eq!(client.events.count(|event| matches!(event, Event::WireFrames { .. })), 0);
}

#[test]
fn an_outline_keeps_the_first_bytes_and_counts_none() {
    for variant in [Variant::Plain, Variant::Cp1, Variant::Cp2] {
        let (client, server, counted) = one(Depth::Outline, Dialect::of(variant), "a.bin", &noise(5000, 1));
        for session in [client, server] {
            let data = session.of(Kind::Data);
            assert_eq!((data.body.head.len(), data.body.entropy.len()), (256, 0), "{variant:?}");
            let file = data.file.as_ref().map(|file| (file.bytes, file.head.len(), file.entropy.len()));
            let is_ours = session.wire.side == Side::Client && variant.is_secret();
            assert_eq!(file, is_ours.then_some((5000, 256, 0)), "{variant:?}");
            assert_eq!(data.wire + session.of(Kind::Filename).wire, counted, "sizes are still right");
            assert_eq!(named(session.of(Kind::Filename), variant), "a.bin");
            is_seamless(&session);
        }
    }
}

#[test]
fn thousands_of_messages_are_a_bounded_number_of_events() {
    let (mut client, _folder) = recording(Depth::Full);
    let names: Vec<String> = (0..1000).map(|n| format!("file{n:04}.bin")).collect();
    for name in &names {
        client.write(name, &noise(3000, 9));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    client.upload(&names, &Target::Embedded, Dialect::of(Variant::Cp2));
    client.finish(1000);
    both_ended(&mut client);
    client.shut_down();
    for session in sessions(&client.events).values() {
        let last = session.frames.values().next_back().unwrap();
        assert!(last.number > 2000, "{}", last.number);
        assert_eq!(last.kind, Kind::Close);
        // Each end reports the first messages, then a limited number in each tenth of a second of its own clock, and at
        // the end.
        let tenths = usize::try_from(last.last_us / 100_000).unwrap() + 2;
        let most = usize::try_from(FIRST).unwrap() + tenths * (LAST + 2);
        assert!(session.reported <= most, "{} of at most {most}", session.reported);
        for number in 1..=FIRST {
            assert!(session.frames.contains_key(&number), "{number}");
        }
        let last_of_all = session.frames.range(last.number - 10..).count();
        assert_eq!(last_of_all, 11, "the last message is there");
        for frame in session.frames.values() {
            assert!(frame.body.head.len() <= 256 && frame.body.entropy.len() <= 96, "{frame:?}");
        }
    }
}

/// The wrapped key is recorded, because any observer of the network sees it; the key inside it is not.
#[test]
fn no_session_key_is_recorded_in_clear() {
    let host = common::Host::start();
    let mut client = Client::start();
    client.ask(Command::Record(Depth::Full));
    let content = b"a small secret";
    client.write("a.txt", content);
    for (id, key_form) in [(1, KeyForm::Fernet), (2, KeyForm::Raw)] {
        let dialect = Dialect { key_form, ..Dialect::of(Variant::Cp2) };
        client.ask(Command::Upload(vec![client.job(id, "a.txt", &host.target(), dialect)]));
        client.finish(id);
    }
    client.events.until(|event| matches!(event, Event::WireClosed { .. }));
    client.shut_down();
    let sessions = sessions(&client.events);
    assert_eq!(sessions.len(), 2);
    let printed: Vec<String> =
        client.events.seen.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
    for session in sessions.values() {
        let wrapped = &session.of(Kind::SessionKey).body.head;
        let Unwrapped { key, machine: sound, .. } =
            common::IDENTITY.unwrap_session_key(wrapped, Paddings::EITHER);
        sound.unwrap();
        // It is the right key: it opens the token that was sent.
        let token = &session.of(Kind::Data).body;
        assert_eq!(token.head.len() as u64, token.bytes, "the token is here as a whole");
        let mut opener = TokenOpener::new(&key, token.bytes, FileDigest::Sha256).unwrap();
        let mut plain = Vec::new();
        opener.open(&token.head, &mut plain).unwrap();
        opener.finish(&mut plain).unwrap();
        assert_eq!(plain, content);
        let text = key.to_base64url();
        let raw = base64_simd::URL_SAFE.decode_to_vec(text.as_bytes()).unwrap();
        assert_eq!(raw.len(), 32);
        // The key as text, in hexadecimal, raw, and each half alone.
        let forms = [text.to_string(), hex(text.as_bytes()), hex(&raw), hex(&raw[..16]), hex(&raw[16..])];
        for line in &printed {
            assert!(forms.iter().all(|form| !line.contains(form.as_str())), "{line}");
            assert!(!line.contains("PRIVATE KEY") && !line.contains(&hex(b"PRIVATE KEY")));
        }
    }
}

#[test]
fn bytes_that_are_not_a_message_are_recorded_as_unknown() {
    let (mut client, _folder) = recording(Depth::Full);
    let Some(Event::Listening { address, .. }) = client.events.seen.last().cloned() else { unreachable!() };
    let mut peer = common::Peer::connect(address.parse().unwrap());
    peer.send(&common::words(&[7, 1, 2]));
    peer.read_to_end();
    client.events.until(|event| matches!(event, Event::WireClosed { .. }));
    client.shut_down();
    let sessions = sessions(&client.events);
    let session = sessions.values().next().unwrap();
    assert_eq!(session.kinds(), [Kind::Unknown]);
    assert_eq!(session.ended, Some(false));
    assert_eq!(session.of(Kind::Unknown).wire, 24);
}

/// Many clients hang up after their last file. A refusal after MODE 2 is recorded as one.
#[test]
fn a_file_without_a_mode_2_ended_in_order_and_a_refused_one_did_not() {
    let name = [&common::words(&[0, 5])[..], b"a.txt"].concat();
    let data = [&common::words(&[1, 3])[..], b"abc"].concat();
    for (bytes, stored) in [
        ([name, data.clone()].concat(), true),
        // A file without a name, which is refused.
        ([data.clone(), common::words(&[2])].concat(), false),
    ] {
        let (mut client, _folder) = recording(Depth::Full);
        let Some(Event::Listening { address, .. }) = client.events.seen.last().cloned() else {
            unreachable!()
        };
        let mut peer = common::Peer::connect(address.parse().unwrap());
        peer.send(&bytes);
        let (_, in_order) = peer.hang_up();
        client.events.until(|event| matches!(event, Event::WireClosed { .. }));
        client.shut_down();
        let sessions = sessions(&client.events);
        let session = sessions.values().next().unwrap();
        assert_eq!((session.ended, in_order), (Some(stored), stored), "{session:?}");
        if stored {
            let data = session.of(Kind::Data);
            assert_eq!((&data.body.head[..], data.whole), (&b"abc"[..], true));
        }
    }
}
