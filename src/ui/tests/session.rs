//! The session screen, fed with real sessions that the program saved with `w`.

use super::pictures::{at_each_size, picture};
use super::*;
use crate::event::{Depth, Frame, Kind, Sample, Side, Way, Wire, WireId};

pub(super) const CP2: &str = include_str!("captures/cp2.jsonl");
pub(super) const CP1: &str = include_str!("captures/cp1.jsonl");
pub(super) const PLAIN: &str = include_str!("captures/plain.jsonl");
/// Session of eleven files, without their content.
const MANY: &str = include_str!("captures/many.jsonl");

/// Returns the events of a saved session.
fn events(saved: &str) -> Vec<Event> {
    saved.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(super) fn frames(saved: &str) -> Vec<Frame> {
    let frames = events(saved).into_iter().filter_map(|event| match event {
        Event::WireFrames { frames, .. } => Some(frames),
        _ => None,
    });
    frames.flatten().collect()
}

/// Opens screen 3.
pub(super) fn screen(mut stage: Stage) -> Stage {
    stage.keys("3");
    stage
}

/// Returns a screen that was fed the events of a saved session: it shows the session as it was.
pub(super) fn recorded(saved: &str) -> Stage {
    let mut stage = Stage::new();
    for event in events(saved) {
        stage.event(event);
    }
    screen(stage)
}

/// Opens screen 3 with this pane (0 to 2) focused.
pub(super) fn pane(at: usize) -> Stage {
    let mut stage = recorded(CP2);
    for _ in 0..at {
        stage.keys("Tab");
    }
    stage
}

#[test]
fn no_session_yet() {
    at_each_size("session_none", || screen(Stage::new()));
}

#[test]
fn a_session_of_cp2() {
    at_each_size("session_cp2", || recorded(CP2));
}

#[test]
fn a_session_of_cp1() {
    at_each_size("session_cp1", || recorded(CP1));
}

#[test]
fn a_session_of_plain() {
    at_each_size("session_plain", || recorded(PLAIN));
}

#[test]
fn a_session_of_many_files() {
    picture("session_many_80x24", recorded(MANY));
}

#[test]
fn its_certificate_and_its_wire() {
    picture("session_certificate_80x24", pane(1));
    picture("session_wire_80x24", pane(2));
    let mut stage = recorded(PLAIN);
    stage.keys("Tab Tab");
    picture("session_wire_plain_80x24", stage);
    picture("session_40x12", recorded(CP2).sized(40, 12));
    picture("session_wire_40x12", pane(2).sized(40, 12));
}

#[test]
fn a_session_with_a_changed_key() {
    let mut stage = Stage::new();
    for event in events(CP2) {
        match event {
            Event::Proven { track, .. } => {
                stage.event(Event::KeyChanged { track, change: change() });
                stage.keys("Esc");
            }
            event => stage.event(event),
        }
    }
    picture("session_changed_120x40", screen(stage).sized(120, 40));
}

/// Each message has a row with its size and its key, and its bytes where the wire is shown.
#[test]
fn every_message_of_a_recorded_session_is_read_back() {
    for (saved, messages) in [(CP2, 10), (CP1, 9), (PLAIN, 3)] {
        let mut stage = recorded(saved).sized(120, 40);
        let frames = frames(saved);
        assert_eq!(frames.len(), messages);
        stage.keys("Home");
        for frame in &frames {
            let here = stage.row("▸│");
            let size = crate::messages::units::bytes(frame.wire);
            assert!(here.contains(&size), "{size}: {here}");
            assert!(here.contains(&super::super::text::moment(frame.at_us)), "{here}");
            assert!(stage.shows(&format!("{} of {messages}", frame.number)));
            let mode = frame.kind.mode();
            if let Some(mode) = mode {
                assert!(stage.row(&format!("MODE {mode}")).contains("MODE"));
                assert!(stage.shows(&format!("00 00 00 00 00 00 00 {mode:02x}  MODE {mode}")));
            }
            if let Some(m1) = frame.m1 {
                let hex: Vec<String> = m1.to_be_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
                assert!(stage.row("M1 = ").contains(&hex.join(" ")));
            }
            let head: Vec<String> =
                frame.body.head.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            assert!(frame.body.bytes == 0 || stage.shows(&head.join(" ")), "{head:?}");
            stage.keys("Right");
        }
    }
}

#[test]
fn each_message_shows_the_key_that_protects_it() {
    let mut stage = recorded(CP2).sized(120, 40);
    for (message, key) in [
        ("MODE 3 challenge", "none"),
        ("◄╴╴╴╴╴╴╴╴╴╴╴╴╴ signature", "server's private key"),
        (" certificate ", "CA's certificate"),
        ("MODE 4 session key", "server's public key"),
        ("MODE 0 name", "none"),
        ("MODE 3 ask receipt", "server's public key"),
        ("receipt's signature", "server's private key"),
        ("MODE 2 close", "none"),
    ] {
        assert!(stage.row(message).contains(key), "{message}: {}", stage.row(message));
    }
    let data = stage.row("━━ MODE 1 data");
    assert!(data.contains("session key"), "{data}");
    assert!(recorded(CP1).row("━━ MODE 1 data").contains("server's public key"));
    let plain = recorded(PLAIN).row("╴╴ MODE 1 data");
    assert!(plain.contains(" none "), "{plain}");
}

#[test]
fn file_and_wire_stand_side_by_side_with_their_entropy() {
    let mut stage = pane(2);
    // `<svg xml` in the file, `gAAAAABq` on the wire.
    let row = stage.row("3c 73 76 67");
    assert!(row.contains("✓ 67 41 41 41 41 41"), "{row}");
    assert!(
        stage.row("base64: six bits").contains("on the wire")
            && stage.row("bits per byte: base64").contains("6.0")
    );
    assert!(stage.row("4.84 bits per byte").contains("the file"));
    assert!(stage.shows("file 26.4 KiB, wire 35.3 KiB: ×1.34"));
    let mut plain = recorded(PLAIN);
    plain.keys("Tab Tab");
    assert!(plain.row("3c 73 76 67").contains("✗ 3c 73 76 67"), "the same bytes, in clear");
    assert!(plain.shows("×1.00") && !plain.shows("sealed"));
}

#[test]
fn stepping_playing_and_scrubbing_walk_through_the_messages() {
    let mut stage = recorded(CP2);
    assert!(stage.shows("6 of 10"), "the body of the file");
    stage.keys("Left Left");
    assert!(stage.shows("4 of 10"));
    stage.keys("Right Right Right Right Right Right Right Right");
    assert!(stage.shows("10 of 10"));
    // From the end, playing starts at the beginning and shows only messages up to the current time.
    stage.keys("Space");
    assert!(stage.shows("1 of 10") && !stage.shows("MODE 4"));
    for second in 1..=3_u64 {
        stage.now = Duration::from_secs(1 + second);
        stage.settle();
        assert!(stage.shows(&format!("{} of 10", second + 1)));
    }
    assert!(stage.shows("MODE 4") && !stage.shows("MODE 2"));
    assert!(stage.app.next_change(stage.now).is_some(), "it continues without keys");
    stage.keys("Space");
    assert!(stage.shows("MODE 2") && stage.shows("4 of 10"));
    assert_eq!(stage.app.next_change(stage.now), None);
    // Forward by a tenth of 22.8 ms: from 2.0 ms to the last message by 4.3 ms.
    stage.keys(">");
    assert!(stage.shows("7 of 10"), "{}", stage.rows().join("\n"));
    stage.keys(">");
    assert!(stage.shows("8 of 10"), "at least one");
    stage.keys("<");
    assert!(stage.shows("7 of 10"));
    stage.keys("< < <");
    assert!(stage.shows("1 of 10"));
}

#[test]
fn a_session_under_way_stays_at_its_end_until_the_reader_moves() {
    let mut stage = screen(Stage::new());
    let all = events(CP2);
    for event in &all[..6] {
        stage.event(event.clone());
    }
    assert!(stage.shows("4 of 4") && stage.shows("in progress"));
    stage.event(all[6].clone());
    assert!(stage.shows("5 of 5"));
    stage.keys("Left");
    stage.event(all[7].clone());
    assert!(stage.shows("4 of 6"));
}

#[test]
fn middle_files_and_dropped_messages_are_folded() {
    let mut stage = recorded(MANY).sized(120, 40);
    assert!(stage.shows("… 10 more messages"));
    let mut stage = recorded(CP2).sized(120, 40);
    let frame = |number, offset, kind| Frame {
        number,
        way: Way::ToServer,
        kind,
        at_us: 30_000 + number,
        last_us: 30_000 + number,
        offset,
        wire: 200,
        m1: Some(184),
        body: Sample { bytes: 184, ..Sample::default() },
        file: None,
        whole: true,
    };
    // Three bodies in a row, then a thousand messages that were forgotten.
    let data: Vec<Frame> = (11..14).map(|n| frame(n, 36_851 + (n - 11) * 200, Kind::Data)).collect();
    let wire = WireId(4);
    stage.event(Event::WireFrames { wire, frames: data });
    assert!(stage.row("MODE 1 data × 3").contains("600 B"));
    stage.event(Event::WireFrames { wire, frames: vec![frame(1014, 237_451, Kind::Authenticate)] });
    assert!(stage.row("… 1,000 more messages").contains("195 KiB"));
    assert!(stage.shows("of 1,014"));
}

/// The memory for one connection is bounded, whatever its length.
#[test]
fn a_connection_of_any_length_is_kept_within_bounds() {
    let mut stage = recorded(CP2);
    let wire = WireId(4);
    let template = frames(CP2)[0].clone();
    for number in 11..5000 {
        stage.event(Event::WireFrames { wire, frames: vec![Frame { number, ..template.clone() }] });
    }
    let shown = stage.app.screens.session.shown().unwrap();
    assert_eq!((shown.frames().count(), shown.count()), (128, 4999));
    for id in 10..100 {
        stage.event(Event::WireOpened { wire: WireId(id), opened: opened(Side::Client, id) });
    }
    assert_eq!(stage.app.screens.session.place(), (16, 16));
}

pub(super) fn opened(side: Side, port: u64) -> Wire {
    let client = format!("127.0.0.1:{port}");
    let server = "127.0.0.1:4321".to_owned();
    let (local, peer) = if side == Side::Client { (client, server) } else { (server, client) };
    Wire { side, track: None, local, peer, dialect: None, at_ms: 1_800_000_000_000 }
}

#[test]
fn a_connection_with_both_ends_here_is_shown_once() {
    let open = |stage: &mut Stage, id, side, port| {
        stage.event(Event::WireOpened { wire: WireId(id), opened: opened(side, port) });
    };
    let mut stage = screen(Stage::new());
    open(&mut stage, 1, Side::Client, 50_001);
    open(&mut stage, 2, Side::Server, 50_001);
    assert_eq!(stage.app.screens.session.place(), (1, 1));
    // The server's event may come first.
    open(&mut stage, 3, Side::Server, 50_002);
    open(&mut stage, 4, Side::Client, 50_002);
    assert_eq!(stage.app.screens.session.place(), (2, 2));
    open(&mut stage, 5, Side::Server, 50_003);
    assert!(stage.shows("from 127.0.0.1:50003, at our server"));
    stage.keys("s");
    assert!(stage.shows("to 127.0.0.1:4321") && stage.shows("2 of 3"));
    stage.keys("s s");
    assert!(stage.shows("3 of 3"), "after the first the latest");
}

#[test]
fn a_reused_port_hides_no_connection() {
    let mut stage = screen(Stage::new());
    for (id, side) in [(1, Side::Client), (2, Side::Server), (3, Side::Client)] {
        let wire = WireId(id);
        stage.event(Event::WireOpened { wire, opened: opened(side, 50_001) });
        stage.event(Event::WireClosed { wire, at_us: 1, in_order: true });
    }
    assert_eq!(stage.app.screens.session.place(), (3, 3));
}

#[test]
fn bodies_are_counted_only_while_the_screen_is_open() {
    let clock = Clock { zone: TimeZone::UTC, now: None };
    let link = Link::new(Target::Embedded, None, Vec::new());
    let start = Start {
        folder: Path::new("/"),
        home: None,
        target: &Target::Embedded,
        is_serving: false,
        dialect: Dialect::of(Variant::Cp2),
        with_plaintext: false,
    };
    let mut app = App::new(&start, link, clock);
    let first = app.start();
    assert!(first.contains(&Effect::Send(Command::Record(Depth::Outline))), "{first:?}");
    let mut stage = Stage::new();
    let due = |stage: &mut Stage| stage.app.due(stage.now);
    assert_eq!(due(&mut stage), []);
    stage.keys("3");
    assert_eq!(due(&mut stage), [Effect::Send(Command::Record(Depth::Full))]);
    assert_eq!(due(&mut stage), [], "once");
    stage.keys("1");
    assert_eq!(due(&mut stage), [Effect::Send(Command::Record(Depth::Outline))]);
}

#[test]
fn bytes_from_the_network_never_reach_the_terminal_as_they_are() {
    let mut stage = screen(Stage::new());
    let wire = WireId(1);
    let mut evil = opened(Side::Server, 1);
    evil.peer = "\u{1b}[2J\u{202e}".into();
    stage.event(Event::WireOpened { wire, opened: evil });
    let mut name = frames(CP2)[4].clone();
    (name.number, name.body.head) = (1, b"\x1b[2J\x9b31m\r\n\0evil\xe2\x80\xae".to_vec());
    stage.event(Event::WireFrames { wire, frames: vec![name] });
    for keys in ["Home", "Tab", "Tab"] {
        stage.keys(keys);
        for size in [(80, 24), (120, 40), (200, 50)] {
            stage.size = Rect::new(0, 0, size.0, size.1);
            for row in stage.rows() {
                assert!(!row.contains(['\u{1b}', '\u{9b}', '\r', '\n', '\u{202e}', '\0']), "{row:?}");
            }
        }
    }
    assert!(stage.shows(".[2J.31m...evil"));
}
