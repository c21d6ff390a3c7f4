//! The race in every state and size: what bars mean, what the result says, which keys are offered, and no panic.

use proptest::prelude::*;

use super::pictures::picture;
use super::race::{cp1, cp2, four, lapped};
use super::*;
use crate::ui::keymap;

/// Sizes of the pictures: the smallest, the design size, a projector, a large screen.
const SIZES: [(u16, u16); 4] = [(40, 12), (80, 24), (120, 40), (200, 50)];

fn pictures(name: &str, build: impl Fn() -> Stage) {
    for (width, height) in SIZES {
        picture(&format!("state_{name}_{width}x{height}"), build().sized(width, height));
    }
}

/// Returns a race whose first lane has ended; the second runs.
fn one_done() -> Stage {
    let mut stage = racing();
    stage.event(Event::LapFinished { lane: 0, lap: 1, result: cp1(2.76) });
    stage.state(Track::Lane(0), State::Delivered);
    let track = Track::Lane(1);
    stage.state(track, State::Connecting);
    stage.state(track, State::Sending);
    let snapshot = Snapshot { elapsed_ms: 690, file_bytes: 4 * MIB, eta_ms: Some(600), ..cp1_after(7, 1.0) };
    stage.event(Event::Progress { track, snapshot });
    stage
}

/// Returns a race whose lanes have ended; their steady rates are being measured.
fn both_done() -> Stage {
    let mut stage = one_done();
    stage.event(Event::LapFinished { lane: 1, lap: 1, result: cp2(0.02) });
    stage.state(Track::Lane(1), State::Delivered);
    stage
}

fn verdict(lanes: Vec<LaneResult>) -> Event {
    let verdict = Verdict {
        name: "cmos.mp4".into(),
        bytes: 8 * MIB,
        lanes,
        engines: Engines::default(),
        course: Course::InTurn,
        laps: 1,
        others: None,
    };
    Event::RaceFinished { verdict }
}

/// Returns a race that the user has stopped in its second lane.
fn stopped() -> Stage {
    let mut stage = one_done();
    stage.keys("Enter");
    let result = LaneResult::failed(Dialect::of(Variant::Cp2), Fault::interrupted("cancelled"));
    stage.event(Event::LapFinished { lane: 1, lap: 1, result: result.clone() });
    stage.state(Track::Lane(1), State::Cancelled);
    stage.event(verdict(vec![cp1(2.76), result]));
    stage
}

/// Returns a race whose second lane has failed.
fn failed() -> Stage {
    let mut stage = one_done();
    let fault = fault("the server hung up after 4.00 of 8.00 MiB", "Look at the server's log");
    let result = LaneResult::failed(Dialect::of(Variant::Cp2), fault.clone());
    stage.event(Event::LapFinished { lane: 1, lap: 1, result: result.clone() });
    stage.state(Track::Lane(1), State::Failed(fault));
    stage.event(verdict(vec![cp1(2.76), result]));
    stage
}

/// Returns a race of four lanes that is over.
fn four_done() -> Stage {
    let mut stage = four();
    let of = |variant, result: LaneResult| LaneResult { dialect: Dialect::of(variant), ..result };
    let long = LaneResult { proof: Some(Proof { bits: 4096, ..proof() }), ..cp1(16.2) };
    let pkcs = Dialect { padding: Padding::Pkcs1v15, ..Dialect::of(Variant::Cp1) };
    let lanes = vec![
        LaneResult { dialect: pkcs, ..cp1(1.5) },
        cp2(0.02),
        LaneResult { proof: None, ..of(Variant::Plain, cp2(0.011)) },
        long,
    ];
    for (lane, result) in lanes.iter().enumerate() {
        stage.event(Event::LapFinished { lane, lap: 1, result: result.clone() });
        stage.state(Track::Lane(lane), State::Delivered);
    }
    stage.event(verdict(lanes));
    stage
}

#[test]
fn every_state_at_every_size() {
    pictures("ready", || {
        let mut stage = raced();
        stage.now += Duration::from_secs(60);
        stage.keys("m m");
        stage
    });
    pictures("running", racing);
    pictures("one_done", one_done);
    pictures("both_done", both_done);
    pictures("over", raced);
    pictures("stopped", stopped);
    pictures("failed", failed);
    pictures("four", four);
    pictures("four_done", four_done);
    pictures("laps", lapped);
}

/// Returns the columns of the bar that stands in the row of this text.
fn bar(stage: &mut Stage, text: &str) -> f64 {
    let row = stage.row(text);
    let full = row.chars().filter(|c| *c == '█').count();
    let part = row.chars().find_map(|c| "▏▎▍▌▋▊▉".chars().position(|part| part == c));
    full as f64 + part.map_or(0.0, |part| (part + 1) as f64 / 8.0)
}

#[test]
fn once_a_lane_has_ended_the_length_of_every_bar_is_its_time() {
    // Before, the bar of a lane that has sent nearly everything is nearly full.
    let mut stage = racing().sized(200, 50);
    assert!(stage.shows("░"));
    let mut stage = one_done();
    assert!(!stage.shows("░"), "no bar is a progress bar");
    let (first, second) = (bar(&mut stage, " 2.76 s"), bar(&mut stage, "≥ 0.69 s"));
    assert!((second / first - 0.69 / 2.76).abs() < 0.01, "{first} {second}");
    let mut stage = lapped();
    let (first, second) = (bar(&mut stage, " 2.750 s"), bar(&mut stage, " 0.028 s"));
    assert!((second / first - 0.01).abs() < 0.005, "{first} {second}");
    // A lane that runs for longer than all others makes the axis longer.
    let mut stage = one_done();
    let snapshot = Snapshot { elapsed_ms: 4_000, eta_ms: Some(1_520), ..cp1_after(7, 1.0) };
    stage.event(Event::Progress { track: Track::Lane(1), snapshot });
    let (first, second) = (bar(&mut stage, " 2.76 s"), bar(&mut stage, "≥ 4.00 s"));
    assert!((first / second - 2.76 / 4.0).abs() < 0.01, "{first} {second}");
}

#[test]
fn the_result_says_which_is_faster_by_how_much_and_why_at_every_size() {
    for (width, height) in SIZES {
        let mut stage = raced().sized(width, height);
        let rows = stage.rows();
        let words = rows.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(rows.iter().any(|row| row.contains("▀▀▀█") || row.contains("████████  ")), "large digits");
        // In a wide terminal the times are large digits.
        let times = if width < 100 { vec!["2.760 s", "0.020 s"] } else { Vec::new() };
        for word in times.into_iter().chain(["135,301", "RSA", "AES", "faster"]) {
            assert!(words.contains(word), "{width}×{height}: no {word:?} in\n{}", rows.join("\n"));
        }
    }
    let mut stage = raced();
    assert!(stage.shows("CP2 was 138 times faster than CP1."));
    assert!(stage.row("bottleneck: server's RSA").contains("busy 92 % of the time on 2 cores"));
}

#[test]
fn a_stopped_race_is_no_error() {
    let mut stage = stopped();
    let bad = Theme::dark(Depth::Sixteen).bad().fg;
    let terminal = stage.terminal();
    assert!(terminal.backend().buffer().content.iter().all(|cell| Some(cell.fg) != bad), "nothing is red");
    assert!(stage.shows("Stopped: fewer than two lanes finished.") && !stage.shows("has no result"));
    assert!(stage.row("╭ CP2").contains("cancelled"));
    // Stopped before the first lane began: no lane has reported anything.
    let mut stage = racing();
    let result = |variant| LaneResult::failed(Dialect::of(variant), Fault::interrupted("cancelled"));
    stage.event(verdict(vec![result(Variant::Cp1), result(Variant::Cp2)]));
    assert!(stage.shows("Stopped") && !stage.shows("failed"));
}

#[test]
fn a_message_takes_a_row_and_covers_nothing() {
    for (width, height) in SIZES {
        let mut stage = raced().sized(width, height);
        let before = stage.rows();
        stage.app.shared.reported(Ok(PathBuf::from("/home/me/race-report.html")), stage.now);
        let rows = stage.rows();
        assert!(rows[rows.len() - 2].contains("Report saved as"), "{}", rows.join("\n"));
        let told = |rows: &[String]| {
            let words = rows[..rows.len() - 2].join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
            ["135,301", "AES", "faster"].map(|word| words.contains(word))
        };
        assert_eq!(told(&rows), [true; 3], "{width}×{height}:\n{}", rows.join("\n"));
        stage.now += Duration::from_secs(9);
        assert_eq!(stage.rows(), before, "it goes away");
    }
}

#[test]
fn while_a_race_runs_only_keys_that_work_are_offered() {
    let footer = |stage: &mut Stage| stage.rows().pop().unwrap_or_default();
    let mut stage = raced();
    assert!(footer(&mut stage).contains("Enter start  s size"), "{}", footer(&mut stage));
    let mut stage = racing();
    let offered = footer(&mut stage);
    assert_eq!(offered.trim(), "Enter stop  L scale  f freeze  Tab pane  ? keys");
    // Every other key of the race neither changes anything nor does it open anything.
    let before = stage.rows();
    for key in ["s", "p", "P", "o", "b", "m", "n", "+", "-", "w", "c"] {
        assert_eq!(stage.keys(key), [], "{key}");
        assert_eq!(stage.rows(), before, "{key}");
    }
    let place = stage.app.place();
    assert!(keymap::footer(place).all(|row| !matches!(row.short, "size" | "protocol" | "server" | "report")));
    stage.keys("?");
    assert!(stage.shows("stop the race") && !stage.row("stop the race").contains("start"));
}

#[test]
fn the_lanes_colours_are_the_same_on_every_view_and_no_stage_has_one() {
    let theme = Theme::dark(Depth::Sixteen);
    let has = |stage: &mut Stage, style: ratatui::style::Style| {
        let terminal = stage.terminal();
        let buffer = terminal.backend().buffer();
        buffer.content.iter().filter(|cell| Some(cell.fg) == style.fg && cell.symbol() != " ").count()
    };
    for keys in ["", "z"] {
        let mut stage = raced().sized(120, 40);
        if !keys.is_empty() {
            stage.keys(keys);
        }
        assert!(has(&mut stage, theme.lane(0)) > 10 && has(&mut stage, theme.lane(1)) > 10, "{keys}");
    }
}

fn lane_event() -> impl Strategy<Value = Event> {
    let lane = 0_usize..5;
    let state = prop_oneof![
        Just(State::Waiting),
        Just(State::Connecting),
        Just(State::Proving),
        Just(State::Sending),
        Just(State::Sent),
        Just(State::Delivered),
        Just(State::Cancelled),
        Just(State::Failed(fault("the server hung up", "Look at its log"))),
    ];
    let seconds = prop_oneof![Just(0.0), 1e-6..1e-3, 0.01..10.0, 1e3..1e6];
    let result = (any::<bool>(), seconds).prop_map(|(fails, seconds)| {
        if fails {
            LaneResult::failed(Dialect::of(Variant::Cp2), Fault::interrupted("cancelled"))
        } else {
            LaneResult { laps: vec![seconds; 3], ..cp1(seconds) }
        }
    });
    let snapshot = (any::<u64>(), any::<u64>(), any::<u32>(), any::<Option<u32>>()).prop_map(
        |(file_bytes, wire_bytes, elapsed, eta)| Snapshot {
            file_bytes,
            wire_bytes,
            elapsed_ms: elapsed.into(),
            eta_ms: eta.map(u64::from),
            ..cp1_after(3, 1.0)
        },
    );
    let course = prop_oneof![Just(Course::InTurn), Just(Course::Together)];
    let number = 0_usize..5;
    prop_oneof![
        4 => (lane.clone(), state).prop_map(|(lane, state)| Event::State { track: Track::Lane(lane), state }),
        4 => (lane.clone(), snapshot)
            .prop_map(|(lane, snapshot)| Event::Progress { track: Track::Lane(lane), snapshot }),
        3 => (lane.clone(), result.clone())
            .prop_map(|(lane, result)| Event::LapFinished { lane, lap: 1, result }),
        1 => lane.prop_map(|lane| Event::KeyComing { lane, bits: 4096 }),
        1 => (number.clone(), course, 0_u32..4).prop_map(|(number, course, laps)| Event::RaceStarted {
            name: "a\u{202e}b".repeat(30),
            bytes: 8 * MIB,
            lanes: lanes().into_iter().cycle().take(number).collect(),
            course,
            laps,
        }),
        2 => (prop::collection::vec(result, number), any::<bool>()).prop_map(|(lanes, is_empty)| {
            let Event::RaceFinished { verdict } = verdict(lanes) else { unreachable!() };
            Event::RaceFinished { verdict: Verdict { bytes: if is_empty { 0 } else { 8 * MIB }, ..verdict } }
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Any events and keys, at any size: no panic, nothing outside the buffer (writing there panics).
    #[test]
    fn any_events_and_keys_are_drawn_at_any_size(
        steps in prop::collection::vec(
            (prop_oneof![
                3 => lane_event().prop_map(Ok),
                2 => prop::sample::select(vec![
                    "Enter", "s", "p", "P", "o", "b", "m", "n", "+", "-", "w", "c", "z", "L", "f", "j", "k", "Tab",
                    "Esc", "?", "e", "1", "2", "r",
                ]).prop_map(Err),
            ], 0_u16..130, 0_u16..45, 0_u64..3_000),
            1..60,
        ),
    ) {
        let mut stage = racing();
        for (step, width, height, ms) in steps {
            stage.now += Duration::from_millis(ms);
            match step {
                Ok(event) => stage.event(event),
                Err(key) => drop(stage.keys(key)),
            }
            stage.size = Rect::new(0, 0, width, height);
            let terminal = stage.terminal();
            prop_assert_eq!(terminal.backend().buffer().area, stage.size);
        }
    }
}
