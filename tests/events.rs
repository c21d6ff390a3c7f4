//! Compares `docs/events.schema.json` with the events that `--json` prints.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "program/schema.rs"]
mod schema;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use strum::IntoEnumIterator as _;
use upseal::event::{
    Accepted, AuthMessage, Blame, Calibration, Course, Dialect, Door, Earlier, EmptyFile, Engines, Event,
    Expected, Fault, FaultKind, FolderId, Frame, Framing, Job, JobId, Kept, KeyChange, KeyForm, KeyLength,
    Kind, Lane, LaneResult, Learned, NameAs, Named, Pace, Padding, Point, Proof, Reach, RefusalKind, Sample,
    ServerAddress, SessionId, Side, Skipped, Snapshot, Speed, Standing, State, Target, Terminator, Took,
    Track, Variant, Verdict, Way, Wire, WireId, Work,
};

/// One value of each variant. The compiler refuses a list in which a variant is missing.
macro_rules! every {
    ($type:ty { $($pattern:pat => $value:expr),+ $(,)? }) => {{
        let listed = |value: &$type| match value { $($pattern => ()),+ };
        let all: Vec<$type> = vec![$({
            let value: $type = $value;
            assert!(matches!(value, $pattern), "{value:?} stands next to a different pattern");
            value
        }),+];
        all.iter().for_each(listed);
        all
    }};
}

const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn tracks() -> Vec<Track> {
    every!(Track {
        Track::Job(_) => Track::Job(JobId(1)),
        Track::Lane(_) => Track::Lane(0),
        Track::Receiving(..) => Track::Receiving(SessionId(1), 2),
    })
}

fn fault(kind: FaultKind, blame: Blame) -> Fault {
    Fault { kind, blame, what: "it broke".into(), advice: "".into() }
}

fn faults() -> Vec<Fault> {
    let kinds = every!(FaultKind {
        FaultKind::Broken => FaultKind::Broken,
        FaultKind::Altered => FaultKind::Altered,
        FaultKind::Unconfirmed => FaultKind::Unconfirmed,
        FaultKind::Usage => FaultKind::Usage,
        FaultKind::Unreachable => FaultKind::Unreachable,
        FaultKind::Unproven => FaultKind::Unproven,
        FaultKind::Local => FaultKind::Local,
        FaultKind::Refused => FaultKind::Refused,
        FaultKind::Interrupted => FaultKind::Interrupted,
    });
    let blames = every!(Blame {
        Blame::Peer => Blame::Peer,
        Blame::User => Blame::User,
        Blame::System => Blame::System,
    });
    let blames = blames.into_iter().cycle();
    kinds.into_iter().zip(blames).map(|(kind, blame)| fault(kind, blame)).collect()
}

fn a_fault() -> Fault {
    fault(FaultKind::Broken, Blame::Peer)
}

fn states() -> Vec<State> {
    every!(State {
        State::Waiting => State::Waiting,
        State::Connecting => State::Connecting,
        State::Proving => State::Proving,
        State::Sending => State::Sending,
        State::Sent => State::Sent,
        State::Delivered => State::Delivered,
        State::Stored { .. } => State::Stored {
            name: "a.txt".into(),
            named: Named::Wanted,
            receipt: Some("a.txt.receipt".into()),
            earlier: Some(Box::new(Earlier { at_ms: 1_764_000_000_000, receipt: Some("b.receipt".into()) })) },
        State::Failed(_) => State::Failed(a_fault()),
        State::Paused => State::Paused,
        State::Cancelled => State::Cancelled,
    })
}

fn variants() -> Vec<Variant> {
    every!(Variant {
        Variant::Plain => Variant::Plain,
        Variant::Ap => Variant::Ap,
        Variant::Cp1 => Variant::Cp1,
        Variant::Cp2 => Variant::Cp2,
    })
}

fn dialects() -> Vec<Dialect> {
    let plain = Dialect::of(Variant::Plain);
    let paddings = every!(Padding {
        Padding::Oaep => Padding::Oaep,
        Padding::Pkcs1v15 => Padding::Pkcs1v15,
    });
    let framings = every!(Framing {
        Framing::A => Framing::A,
        Framing::B => Framing::B,
        Framing::C => Framing::C,
        Framing::D => Framing::D,
        Framing::E => Framing::E,
        Framing::F => Framing::F,
    });
    let terminators = every!(Terminator {
        Terminator::None => Terminator::None,
        Terminator::Max => Terminator::Max,
        Terminator::Zero => Terminator::Zero,
        Terminator::One => Terminator::One,
        Terminator::TenThousand => Terminator::TenThousand,
        Terminator::End => Terminator::End,
    });
    let key_forms = every!(KeyForm { KeyForm::Fernet => KeyForm::Fernet, KeyForm::Raw => KeyForm::Raw });
    let key_lengths = every!(KeyLength {
        KeyLength::Eight => KeyLength::Eight,
        KeyLength::Sixteen => KeyLength::Sixteen,
    });
    let empties =
        every!(EmptyFile { EmptyFile::Block => EmptyFile::Block, EmptyFile::Zero => EmptyFile::Zero });
    let messages = every!(AuthMessage {
        AuthMessage::Ascii => AuthMessage::Ascii,
        AuthMessage::Timestamp => AuthMessage::Timestamp,
        AuthMessage::Random32 => AuthMessage::Random32,
    });
    let names = every!(NameAs { NameAs::Base => NameAs::Base, NameAs::Path => NameAs::Path });
    let mut all: Vec<Dialect> = variants().into_iter().map(Dialect::of).collect();
    all.extend(paddings.into_iter().map(|padding| Dialect { padding, ..plain }));
    all.extend(framings.into_iter().map(|framing| Dialect { framing, ..plain }));
    all.extend(terminators.into_iter().map(|one| Dialect { terminator: Some(one), ..plain }));
    all.extend(key_forms.into_iter().map(|key_form| Dialect { key_form, ..plain }));
    all.extend(key_lengths.into_iter().map(|key_length| Dialect { key_length, ..plain }));
    all.extend(empties.into_iter().map(|empty| Dialect { empty, ..plain }));
    all.extend(messages.into_iter().map(|auth_message| Dialect { auth_message, ..plain }));
    all.extend(names.into_iter().map(|name_as| Dialect { name_as, ..plain }));
    all
}

fn targets() -> Vec<Target> {
    let mut all = every!(Target {
        Target::Embedded => Target::Embedded,
        Target::Server { .. } => Target::server("localhost:4321".parse().unwrap(), Some("ca.crt".into())),
    });
    let expected = Expected { pin: Some(format!("sha256:{HEX}")), name: None };
    all.push(Target::Server { address: "[::1]:4321".parse().unwrap(), ca: None, expected });
    let expected = Expected { pin: None, name: Some("group-7".into()) };
    all.push(Target::Server { address: "[::1]:4321".parse().unwrap(), ca: None, expected });
    all
}

fn proof() -> Proof {
    Proof {
        subject: "CN=server".into(),
        issuer: "CN=CA".into(),
        bits: 1024,
        certified: true,
        days_left: 30,
        fingerprint: HEX.into(),
        warnings: vec!["the key has only 1024 bits".into()],
    }
}

fn standings() -> Vec<Standing> {
    let mut all = every!(Standing {
        Standing::Own => Standing::Own,
        Standing::First { .. } => Standing::First { remembered: true, other_ca: false, asked: false },
        Standing::Known { .. } => Standing::Known { since: Some("2026-11-22T14:41:43Z".into()) },
        Standing::Pinned { .. } => Standing::Pinned { replaced: Some(HEX.into()) },
    });
    all.push(Standing::First { remembered: true, other_ca: false, asked: true });
    all.extend([Standing::Known { since: None }, Standing::Pinned { replaced: None }]);
    all
}

fn pace() -> Pace {
    Pace { bytes: 3_000_000, seconds: 0.75 }
}

fn took(pace: Option<Pace>) -> Took {
    Took { bytes: 4_000_000, seconds: 1.5, pace }
}

fn verdict() -> Verdict {
    let dialect = Dialect::of(Variant::Cp2);
    let won = LaneResult {
        wire_bytes: 1500,
        proof: Some(proof()),
        work: Some(Work::default()),
        server: Some(Work { seal_us: 7, workers: 2, ..Work::default() }),
        laps: vec![0.5, 0.75],
        pace: Some(pace()),
        curve: vec![Point { us: 500_000, bytes: 1000 }],
        ..LaneResult::of(dialect, 0.5)
    };
    let lost = LaneResult::failed(dialect, a_fault());
    Verdict {
        name: "clip.bin".into(),
        bytes: 1000,
        lanes: vec![won, lost],
        engines: Engines::default(),
        course: Course::Together,
        laps: 2,
        others: Some(0.25),
    }
}

fn calibration() -> Calibration {
    let speed = Speed { variant: Variant::Cp1, padding: Padding::Oaep, bits: 1024, seal: 1e7, open: 1e6 };
    Calibration { cores: 2, speeds: vec![speed] }
}

fn frames() -> Vec<Frame> {
    let ways = every!(Way { Way::ToServer => Way::ToServer, Way::ToClient => Way::ToClient });
    let kinds = every!(Kind {
        Kind::Filename => Kind::Filename,
        Kind::Data => Kind::Data,
        Kind::Close => Kind::Close,
        Kind::Authenticate => Kind::Authenticate,
        Kind::SessionKey => Kind::SessionKey,
        Kind::Signature => Kind::Signature,
        Kind::Certificate => Kind::Certificate,
        Kind::Statement => Kind::Statement,
        Kind::Unknown => Kind::Unknown,
    });
    let sample = Sample { bytes: 3000, head: vec![0x67, 0x41], entropy: vec![600, 598], interval: 2048 };
    let frame = |((number, kind), way)| Frame {
        number,
        way,
        kind,
        at_us: 10,
        last_us: 20,
        offset: 376,
        wire: 3016,
        m1: (kind != Kind::Close).then_some(3000),
        body: sample.clone(),
        file: (kind == Kind::Data).then(|| sample.clone()),
        whole: true,
    };
    (1..).zip(kinds).zip(ways.into_iter().cycle()).map(frame).collect()
}

/// Returns at least one event of each kind and, across them, every variant of every enum.
#[allow(clippy::too_many_lines, reason = "one value of each event")]
fn examples() -> Vec<Event> {
    let track = Track::Job(JobId(1));
    let receiving = Track::Receiving(SessionId(1), 1);
    let session = SessionId(1);
    let address = || "127.0.0.1:4321".to_owned();
    let server = ServerAddress::default;
    let job = |target: Target| Job {
        predicted_ms: Some(1500),
        ..Job::new(JobId(1), "a.txt", target, Dialect::of(Variant::Cp2))
    };
    let in_folder = Job {
        folder: Some(FolderId(1)),
        name: Some("tree/a.txt".into()),
        ..Job::new(FolderId(1).job(1), "tree/a.txt", Target::Embedded, Dialect::of(Variant::Cp2))
    };
    let scanned = |complete| Event::Scanned {
        folder: FolderId(1),
        path: "docs".into(),
        files: 3,
        bytes: 6,
        skipped: 4,
        complete,
    };
    let skipped = |why| Event::Skipped { folder: FolderId(1), path: "tree/b".into(), why };
    let received = |kept: Kept| Event::Received {
        track: receiving,
        peer: address(),
        name: "a.txt".into(),
        kept,
        size: 5,
        variant: Variant::Cp2,
        digest: Some(HEX.into()),
        seconds: 0.25,
        at_ms: 1_800_000_000_000,
    };
    let refused = |track: Option<Track>, name: Option<&str>, kind: RefusalKind| Event::Refused {
        session,
        track,
        peer: address(),
        name: name.map(Into::into),
        blame: if track.is_some() { Blame::System } else { Blame::Peer },
        kind,
        why: "MODE 7 at byte 0".into(),
        is_cut: false,
        at_ms: 1_800_000_000_000,
    };
    let change = KeyChange {
        address: server(),
        ca: HEX.into(),
        known: HEX.into(),
        since: Some("2026-11-22T14:41:43Z".into()),
        offered: HEX.into(),
        subject: "CN=server".into(),
    };
    let wire = WireId(1);
    let opened = |side| Event::WireOpened {
        wire,
        opened: Wire {
            side,
            track: (side == Side::Client).then_some(track),
            local: address(),
            peer: address(),
            dialect: (side == Side::Client).then(|| Dialect::of(Variant::Cp2)),
            at_ms: 1_800_000_000_000,
        },
    };
    let proven = |standing| Event::Proven { track, address: server(), proof: proof(), standing };
    let lane = |dialect| Lane { bits: Some(2048), ..Lane::new(Target::Embedded, dialect) };
    let mut all = every!(Event {
        Event::Listening { .. } => Event::Listening {
            address: address(), store: "recv_files".into(), identity: Some(proof()),
        },
        Event::NotListening { .. } => Event::NotListening { fault: a_fault() },
        Event::Accepting { .. } => Event::Accepting {
            reach: Reach::Own,
            accepted: Accepted { variants: vec![Variant::Cp2], paddings: vec![Padding::Oaep] },
        },
        Event::Shared { .. } => Event::Shared {
            pin: HEX.into(),
            doors: vec![
                Door { interface: Some("eth0".into()), address: "10.0.0.7:4321".parse().unwrap() },
                Door { interface: None, address: "[::1]:4321".parse().unwrap() },
            ],
        },
        Event::NotShared { .. } => Event::NotShared { fault: Some(a_fault()) },
        Event::Queued { .. } => Event::Queued { job: job(Target::Embedded), size: u64::MAX },
        Event::State { .. } => Event::State { track, state: State::Waiting },
        Event::Retrying { .. } => Event::Retrying {
            job: JobId(1), tries: 1, retries: 3, pause_ms: 1000, fault: a_fault(),
        },
        Event::Away { .. } => Event::Away { address: server(), waiting: 2 },
        Event::Removed { .. } => Event::Removed { job: JobId(1) },
        Event::QueuePaused { .. } => Event::QueuePaused { paused: true, running: 1 },
        Event::JobsSet { .. } => Event::JobsSet { jobs: "4".parse().unwrap() },
        Event::Limited { .. } => Event::Limited { limit: "5MiB/s".parse().unwrap() },
        Event::Proven { .. } => proven(Standing::Own),
        Event::FirstMeeting { .. } => Event::FirstMeeting {
            track, address: server(), ca: HEX.into(), proof: proof(), other_ca: false,
        },
        Event::Unaccepted { .. } => Event::Unaccepted { address: server(), waiting: 2 },
        Event::KeyChanged { .. } => Event::KeyChanged { track, change: change.clone() },
        Event::ServerAccepted { .. } => Event::ServerAccepted { address: server(), key: HEX.into() },
        Event::ServerNotAccepted { .. } => Event::ServerNotAccepted { address: server(), fault: a_fault() },
        Event::Progress { .. } => Event::Progress { track, snapshot: Snapshot::default() },
        Event::RaceStarted { .. } => Event::RaceStarted {
            name: "clip.bin".into(), bytes: 1000, lanes: dialects().into_iter().map(lane).collect(),
            course: Course::InTurn, laps: 1,
        },
        Event::KeyComing { .. } => Event::KeyComing { lane: 0, bits: 4096 },
        Event::LapFinished { .. } => Event::LapFinished {
            lane: 1, lap: 1, result: verdict().lanes[0].clone(),
        },
        Event::RaceFinished { .. } => Event::RaceFinished { verdict: verdict() },
        Event::SessionOpened { .. } => Event::SessionOpened { session, peer: address() },
        Event::SessionProved { .. } => Event::SessionProved { session },
        Event::Receipted { .. } => Event::Receipted { session, files: 2 },
        Event::Receiving { .. } => Event::Receiving {
            track: receiving, peer: address(), name: "a.txt".into(), variant: Variant::Ap,
        },
        Event::Received { .. } => received(Kept::New),
        Event::Refused { .. } => refused(None, None, RefusalKind::Malformed),
        Event::Warned { .. } => Event::Warned {
            session: Some(session), peer: Some(address()), name: Some("a.txt".into()), text: "a line".into(),
            at_ms: 1_800_000_000_000,
        },
        Event::SessionClosed { .. } => Event::SessionClosed { session },
        Event::WireOpened { .. } => opened(Side::Client),
        Event::WireFrames { .. } => Event::WireFrames { wire, frames: frames() },
        Event::WireClosed { .. } => Event::WireClosed { wire, at_us: 31_000, in_order: true },
        Event::Scanned { .. } => scanned(true),
        Event::Skipped { .. } => skipped(Skipped::Link),
        Event::Note { .. } => Event::Note { text: "a line".into() },
        Event::Calibrated { .. } => Event::Calibrated { calibration: calibration() },
        Event::Learned { .. } => Event::Learned {
            rates: vec![Learned { address: address(), variant: Variant::Cp2, files: vec![took(None), took(Some(pace()))] }],
        },
        Event::Ended => Event::Ended,
    });
    all.push(Event::Queued { job: in_folder, size: 0 });
    all.push(scanned(false));
    all.extend(
        every!(Skipped {
            Skipped::Link => Skipped::Link,
            Skipped::Special => Skipped::Special,
            Skipped::Empty => Skipped::Empty,
            Skipped::Failed(_) => Skipped::Failed(a_fault()),
        })
        .into_iter()
        .map(skipped),
    );
    let kept = every!(Kept {
        Kept::New => Kept::New,
        Kept::Renamed => Kept::Renamed,
        Kept::Same => Kept::Same,
        Kept::Amended => Kept::Amended,
        Kept::Discarded => Kept::Discarded,
    });
    all.push(Event::Warned { session: None, peer: None, name: None, text: "a line".into(), at_ms: 0 });
    let sides = every!(Side { Side::Client => Side::Client, Side::Server => Side::Server });
    all.extend(sides.into_iter().map(opened));
    all.extend(kept.into_iter().map(received));
    all.extend(states().into_iter().map(|state| Event::State { track, state }));
    all.extend(tracks().into_iter().map(|track| Event::State { track, state: State::Sending }));
    all.extend(tracks().into_iter().map(|track| refused(Some(track), Some("a.txt"), RefusalKind::Size)));
    all.extend(RefusalKind::iter().map(|kind| refused(None, None, kind)));
    all.extend(faults().into_iter().map(|fault| Event::NotListening { fault }));
    all.extend(targets().into_iter().map(|target| Event::Queued { job: job(target), size: 5 }));
    all.extend(standings().into_iter().map(proven));
    all.push(Event::KeyChanged { track, change: KeyChange { since: None, ..change } });
    all.push(Event::Listening { address: address(), store: "".into(), identity: None });
    let work = Some(Work { cpu_us: 3, ..Work::default() });
    let snapshot = Snapshot { eta_ms: Some(17), rate_now: 1.5e9, work, server: work, ..Snapshot::default() };
    all.push(Event::Progress { track, snapshot });
    all
}

/// Returns the events as `--json` prints them.
fn printed() -> Vec<Value> {
    let text = examples().iter().map(|event| serde_json::to_string(event).unwrap()).collect::<Vec<_>>();
    text.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_variant_of_every_enum_is_in_the_schema() {
    printed().iter().for_each(schema::hold);
}

#[test]
fn the_schema_has_no_event_that_is_never_printed() {
    let schema: Value = serde_json::from_str(schema::TEXT).unwrap();
    let named: BTreeSet<String> = schema["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["$ref"].as_str().unwrap().strip_prefix("#/$defs/event_").unwrap().to_owned())
        .collect();
    let printed: BTreeSet<String> =
        printed().iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(named, printed);
}

#[test]
fn a_stored_file_has_its_stored_name_and_optionally_a_receipt_file() {
    let stored =
        |state: Value| schema::check(&json!({"event": "state", "track": {"job": 1}, "state": state}));
    for receipt in [json!("receipts/a.txt.receipt"), Value::Null] {
        for named in ["stored", "wanted"] {
            stored(json!({"stored": {"name": "a (2).txt", "named": named, "receipt": receipt}})).unwrap();
        }
    }
    for wrong in [
        json!("stored"),
        json!({"stored": {"name": "a.txt", "named": "stored"}}),
        json!({"stored": {"name": "a.txt", "receipt": null}}),
        json!({"stored": {"name": "a.txt", "named": "kept", "receipt": null}}),
        json!({"stored": {"named": "stored", "receipt": null}}),
        json!({"stored": {"name": null, "named": "stored", "receipt": null}}),
        json!({"stored": {"name": "a.txt", "named": "stored", "receipt": null, "digest": HEX}}),
        json!({"stored": {"name": "a.txt", "named": "stored", "receipt": null}, "failed": null}),
    ] {
        assert!(stored(wrong.clone()).is_err(), "{wrong}");
    }
}

/// The only optional fields; every other is present in each event of its kind. `session` is optional where the track names
/// it: the log of `serve` adds it.
const OPTIONAL: [&str; 5] = ["expected", "certified", "asked", "earlier", "session"];

/// Returns all values that differ from `value` in one step: a missing field, an extra field, or another type.
fn wrong(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(fields) => {
            let with = |key: &str, value: Value| {
                let mut fields = fields.clone();
                fields.insert(key.to_owned(), value);
                Value::Object(fields)
            };
            let mut all = vec![with("no such field", Value::Null), Value::Object(Map::new())];
            for (key, inner) in fields {
                if !OPTIONAL.contains(&key.as_str()) {
                    let mut fewer = fields.clone();
                    fewer.remove(key);
                    all.push(Value::Object(fewer));
                }
                all.extend(wrong(inner).into_iter().map(|inner| with(key, inner)));
            }
            all
        }
        Value::Array(items) => {
            let mut all = vec![json!({}), json!(items.len())];
            for (at, item) in items.iter().enumerate() {
                all.extend(wrong(item).into_iter().map(|item| {
                    let mut items = items.clone();
                    items[at] = item;
                    Value::Array(items)
                }));
            }
            all
        }
        Value::Number(number) => vec![json!(number.to_string()), json!(true), json!(-0.5), json!([number])],
        Value::String(_) => vec![json!(1), json!(false), json!({}), json!([])],
        Value::Bool(_) => vec![json!("true"), json!(1), Value::Null],
        // A nullable field is otherwise text, a number or an object, never one of these.
        Value::Null => vec![json!(false), json!([])],
    }
}

#[test]
fn the_schema_refuses_every_value_that_differs_in_one_step() {
    let mut refused = 0;
    for event in printed() {
        for other in wrong(&event) {
            assert!(schema::check(&other).is_err(), "accepted: {other}\nbecause of: {event}");
            refused += 1;
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn the_schema_lists_the_values_of_each_enum() {
    for (path, word) in [
        ("/event", "rumour"),
        ("/event", "Listening"),
        ("/state", "flying"),
        ("/state", "failed"),
        ("/track/job", "1"),
        ("/fault/kind", "odd"),
        ("/fault/blame", "unknown party"),
        ("/kept", "lost"),
        ("/variant", "cp3"),
        ("/variant", "CP2"),
        ("/job/target", "elsewhere"),
        ("/standing", "known"),
        ("/side", "peer"),
        ("/frames/0/way", "up"),
        ("/frames/0/kind", "hello"),
        ("/frames/0/body/head", "6"),
        ("/digest", "00"),
        ("/proof/fingerprint", "sha256:00"),
        ("/standing/known/since", "yesterday"),
        ("/lanes/0/dialect/padding", "none"),
        ("/lanes/0/dialect/framing", "G"),
        ("/lanes/0/dialect/terminator", "2"),
        ("/lanes/0/dialect/key_form", "hex"),
        ("/lanes/0/dialect/key_length", "8"),
        ("/lanes/0/dialect/empty", "never"),
        ("/lanes/0/dialect/auth_message", "text"),
        ("/lanes/0/dialect/name_as", "whole"),
    ] {
        let mut met = 0;
        for mut event in printed() {
            if let Some(place) = event.pointer_mut(path) {
                *place = json!(word);
                assert!(schema::check(&event).is_err(), "accepted: {event}");
                met += 1;
            }
        }
        assert!(met > 0, "no example has {path}");
    }
}

/// Each field of the schema has a description, and each object is closed.
#[test]
fn every_object_is_closed_and_every_field_described() {
    fn walk(path: &str, value: &Value) -> usize {
        let mut objects = 0;
        if let Some(fields) = value["properties"].as_object() {
            objects += 1;
            assert_eq!(value["additionalProperties"], json!(false), "{path}");
            let names: BTreeSet<&str> = fields.keys().map(String::as_str).collect();
            let required = value["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
            let optional: Vec<&str> = names.difference(&required.collect()).copied().collect();
            assert!(optional.iter().all(|name| OPTIONAL.contains(name)), "{path}: {optional:?}");
            for (name, field) in fields {
                let is_described = field["description"].as_str().is_some_and(|text| text.ends_with('.'));
                assert!(is_described, "{path}/{name} has no description");
            }
        }
        match value {
            Value::Object(fields) => {
                objects +=
                    fields.iter().map(|(key, inner)| walk(&format!("{path}/{key}"), inner)).sum::<usize>();
            }
            Value::Array(items) => objects += items.iter().map(|inner| walk(path, inner)).sum::<usize>(),
            _ => {}
        }
        objects
    }
    let schema: Value = serde_json::from_str(schema::TEXT).unwrap();
    assert!(walk("", &schema) > 30);
}
