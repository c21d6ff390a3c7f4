//! The race: its pictures, its numbers read back, and the setup of its lanes.

use super::pictures::{at_each_size, picture};
use super::*;
use crate::event::{Pace, Point, Work};
use crate::ui::keymap::Place;

/// Returns the client's meters in CP1 after this number of microseconds.
pub(super) fn sealing(micros: u64) -> Work {
    Work {
        read_us: micros / 300,
        seal_us: micros / 12,
        wire_us: micros / 150,
        blocked_us: micros * 9 / 10,
        wait_us: micros / 100,
        cpu_us: micros / 10,
        workers: 2,
        ..Work::default()
    }
}

/// Returns the server's meters: both of its threads work on the blocks for 92 % of the time.
pub(super) fn opening(micros: u64) -> Work {
    Work {
        open_us: micros * 2 * 92 / 100,
        wire_us: micros / 100,
        store_us: micros / 1000,
        cpu_us: micros * 2 * 90 / 100,
        workers: 2,
        ..Work::default()
    }
}

fn curve(seconds: f64, bytes: u64) -> Vec<Point> {
    let end = Duration::from_secs_f64(seconds).as_micros();
    let end = u64::try_from(end).unwrap();
    (1..=20).map(|step| Point { us: end * step / 20, bytes: bytes * step / 20 }).collect()
}

pub(super) fn cp1(seconds: f64) -> LaneResult {
    let micros = u64::try_from(Duration::from_secs_f64(seconds).as_micros()).unwrap();
    LaneResult {
        wire_bytes: 8 * MIB * 128 / 62,
        proof: Some(proof()),
        work: Some(sealing(micros)),
        server: Some(opening(micros)),
        laps: vec![seconds],
        curve: curve(seconds, 8 * MIB),
        pace: Some(Pace { bytes: 8 * MIB, seconds }),
        ..LaneResult::of(Dialect::of(Variant::Cp1), seconds)
    }
}

pub(super) fn cp2(seconds: f64) -> LaneResult {
    let work = Work {
        read_us: 1_300,
        seal_us: 12_200,
        wire_us: 2_100,
        blocked_us: 1_000,
        wait_us: 1_900,
        cpu_us: 15_300,
        workers: 1,
        ..Work::default()
    };
    let server =
        Work { open_us: 9_400, wire_us: 3_000, store_us: 40, cpu_us: 12_400, workers: 1, ..Work::default() };
    LaneResult {
        wire_bytes: 11_184_912,
        proof: Some(proof()),
        work: Some(work),
        server: Some(server),
        laps: vec![seconds],
        curve: curve(seconds, 8 * MIB),
        pace: Some(Pace { bytes: 8 * MIB, seconds }),
        ..LaneResult::of(Dialect::of(Variant::Cp2), seconds)
    }
}

/// Returns a race that is set up with a file.
fn ready() -> Stage {
    let mut stage = raced();
    stage.now += Duration::from_secs(60);
    // A change removes the result.
    stage.keys("m m");
    stage
}

/// Returns a race of four parallel lanes, one of which waits for its key.
pub(super) fn four() -> Stage {
    let mut stage = Stage::new();
    stage.keys("2");
    let lane = |variant| Lane::new(Target::Embedded, Dialect::of(variant));
    let long = Lane { bits: Some(4096), ..lane(Variant::Cp1) };
    let pkcs = Dialect { padding: Padding::Pkcs1v15, ..Dialect::of(Variant::Cp1) };
    stage.event(Event::RaceStarted {
        name: "cmos.mp4".into(),
        bytes: 8 * MIB,
        lanes: vec![Lane::new(Target::Embedded, pkcs), lane(Variant::Cp2), lane(Variant::Plain), long],
        course: Course::Together,
        laps: 1,
    });
    stage.event(Event::KeyComing { lane: 3, bits: 4096 });
    for (lane, speed) in [(0, 1), (1, 3)] {
        let track = Track::Lane(lane);
        stage.state(track, State::Connecting);
        stage.state(track, State::Sending);
        for tenths in 1..=12 {
            stage.event(Event::Progress { track, snapshot: cp1_after(tenths * speed, 1.0) });
        }
    }
    stage.event(Event::LapFinished { lane: 2, lap: 1, result: plain() });
    stage.state(Track::Lane(2), State::Delivered);
    stage
}

fn plain() -> LaneResult {
    LaneResult { proof: None, ..LaneResult { dialect: Dialect::of(Variant::Plain), ..cp2(0.011) } }
}

/// Returns a race of three laps that is over.
pub(super) fn lapped() -> Stage {
    let mut stage = Stage::new();
    stage.keys("2 n");
    stage.event(Event::RaceStarted {
        name: "cmos.mp4".into(),
        bytes: 8 * MIB,
        lanes: lanes(),
        course: Course::InTurn,
        laps: 3,
    });
    for (lap, seconds) in [(1, 2.5), (2, 3.5), (3, 2.75)] {
        for (lane, result) in [(0, cp1(seconds)), (1, cp2(seconds / 100.0))] {
            stage.state(Track::Lane(lane), State::Connecting);
            stage.event(Event::LapFinished { lane, lap, result });
            stage.state(Track::Lane(lane), State::Delivered);
        }
    }
    let median = |result: LaneResult, laps: [f64; 3]| LaneResult { laps: laps.to_vec(), ..result };
    stage.event(Event::RaceFinished {
        verdict: Verdict {
            name: "cmos.mp4".into(),
            bytes: 8 * MIB,
            lanes: vec![median(cp1(2.75), [2.5, 3.5, 2.75]), median(cp2(0.0275), [0.025, 0.035, 0.0275])],
            engines: Engines::default(),
            course: Course::InTurn,
            laps: 3,
            others: None,
        },
    });
    stage
}

/// Returns a race in large letters.
pub(super) fn large() -> Stage {
    let mut stage = raced();
    stage.keys("z");
    stage
}

#[test]
fn on_the_podium() {
    at_each_size("podium", large);
}

#[test]
fn four_lanes_on_the_podium() {
    let mut stage = four();
    stage.keys("z");
    picture("podium_four_80x24", stage);
}

fn lanes_of(effects: &[Effect]) -> Vec<Lane> {
    let [Effect::Send(Command::Race(order))] = effects else { panic!("{effects:?}") };
    order.lanes.clone()
}

#[test]
fn a_lane_shows_its_bottleneck_and_its_cost() {
    let mut stage = raced().sized(120, 40);
    let found = "bottleneck: server's RSA private operation, busy 92 % of the time on 2 cores";
    assert!(stage.row("server's RSA").contains(found));
    assert!(stage.row("CBC").contains("bottleneck: our CBC chain, block after block, busy 61 % of the time"));
    // 2.76 s × 0.1 at the client, × 1.8 at the server.
    assert!(stage.row("CPU 276 ms here, 4.97 s server").contains("wire ×2.06  16.5 MiB"));
    // Of 2.76 s: 0.92 × 2 for open, and 1/300, 1/12, 1/150 + 1/100, 1/1000, 1/100 for the others.
    let all = 1.84 + 1.0 / 300.0 + 1.0 / 12.0 + 1.0 / 150.0 + 0.01 + 0.001 + 0.01;
    assert!(stage.row("of the working time").contains(&format!("open {:.1} %", 184.0 / all)));
    assert!(stage.row("read 4.3 %").contains("wait 6.3 %"), "of 29.94 ms");
    assert!(stage.row("1 ms").contains("10 ms") && stage.row("1 ms").contains("10 s"), "both axes");
}

#[test]
fn a_third_party_server_reports_no_stages() {
    let mut stage = racing();
    let mut snapshot = cp1_after(27, 1.0);
    snapshot.server = None;
    stage.event(Event::Progress { track: Track::Lane(0), snapshot });
    assert!(stage.row("server or network").contains("server or network: 91 %"));
    assert!(stage.row("CPU").contains("270 ms here, — server"));
}

#[test]
fn laps_have_a_median_minimum_and_maximum() {
    let mut stage = lapped();
    assert!(stage.row("╭ CP1").contains("delivered ✓  lap 3 of 3"));
    assert!(stage.row("wire ×2.06").contains("median of 3, min 2.50 s, max 3.50 s"));
    assert!(stage.row("2.750 s").contains('█'));
    assert!(stage.shows("CP2 was 100 times faster than CP1."));
    assert!(stage.row("In turn").contains("In turn (fair), median of 3."));
}

#[test]
fn a_finished_lane_shows_its_time_and_one_without_a_key_shows_that() {
    let mut stage = four().sized(120, 40);
    assert!(stage.shows("generating a key of 4096 bits…"));
    assert!(stage.row("╭ Plain").contains("delivered ✓"));
    assert!(stage.shows("11.0 ms"));
    assert!(stage.shows("CP1 OAEP, RSA-4096"));
    assert!(stage.shows("CP1 PKCS1v15"));
    assert!(stage.shows("All lanes at once; they slow each other."));
}

#[test]
fn lanes_are_set_up_by_keys() {
    let mut stage = ready();
    // CP1 and CP2; the first gets a longer key and the other padding.
    stage.keys("b o");
    assert!(stage.shows("CP1 PKCS1v15, RSA-2048"));
    stage.keys("+");
    assert!(stage.shows("╭ Plain"));
    stage.keys("p + m n");
    assert!(stage.shows("together · 3 laps"));
    let effects = stage.keys("Enter");
    let [Effect::Send(Command::Race(order))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((order.course, order.laps, order.open), (Course::Together, 3, false));
    let variants: Vec<Variant> = order.lanes.iter().map(|lane| lane.dialect.variant).collect();
    assert_eq!(variants, [Variant::Cp1, Variant::Cp2, Variant::Ap, Variant::Plain]);
    assert_eq!((order.lanes[0].bits, order.lanes[1].bits), (Some(2048), None));
    assert_eq!(order.lanes[0].dialect.padding, Padding::Pkcs1v15);
    assert_eq!(order.lanes[1].dialect.padding, Padding::Oaep, "a lane's padding is its own");

    let mut stage = ready();
    stage.keys("+ + +");
    assert!(stage.shows("two to four lanes"));
    stage.keys("- - -");
    assert_eq!(lanes_of(&stage.keys("Enter")).len(), 2);
    let mut stage = ready();
    stage.keys("j b");
    assert!(stage.shows("only for CP1 to this computer's server"), "lane 2 is CP2's");
    // A running race is not changed.
    stage.keys("k Enter + p b s m n");
    assert_eq!(stage.app.screens.race.tracks.len(), 2);
    assert!(stage.shows("CP1 OAEP") && !stage.shows("RSA-2048"));
}

#[test]
fn generated_bytes_need_no_file() {
    let mut stage = Stage::new();
    assert!(stage.keys("2 Enter").is_empty());
    stage.keys("s");
    assert!(stage.shows("generated · 8 MiB"));
    let effects = stage.keys("Enter");
    let [Effect::Send(Command::Race(order))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(order.subject, Subject::Generated { bytes: 8 * MIB });
    // All sizes come in turn.
    let mut stage = Stage::new();
    stage.keys("2");
    for size in ["8 MiB", "64 MiB", "512 MiB", "1 MiB", "8 MiB", "64 MiB"] {
        stage.keys("s");
        assert!(stage.shows(&format!("generated · {size}")), "{size}");
    }
}

#[test]
fn lanes_follow_the_cards_padding_until_they_have_their_own_or_have_run() {
    let paddings = |stage: &Stage| -> Vec<Padding> {
        stage.app.screens.race.tracks.iter().map(|track| track.lane.dialect.padding).collect()
    };
    let mut stage = ready();
    stage.keys("1 o");
    assert_eq!(paddings(&stage), [Padding::Pkcs1v15; 2]);
    stage.keys("2 j p p p o 1 o");
    let own = paddings(&stage);
    assert_ne!(own[0], own[1], "set up against each other");
    let mut stage = raced();
    let before = paddings(&stage);
    stage.keys("1 o");
    assert_eq!(paddings(&stage), before);
}

#[test]
fn an_unencrypted_lane_to_another_machine_needs_a_confirmation() {
    let open = |keys: &str| {
        let mut stage = ready();
        stage.keys("+ c o t h e r Enter");
        assert!(stage.keys("Enter").is_empty());
        assert_eq!(stage.app.place(), Place::OpenRace);
        assert!(stage.shows("Plain to other:4321 encrypts nothing"));
        let effects = stage.keys(keys);
        match &effects[..] {
            [Effect::Send(Command::Race(order))] => Some(order.open),
            [] => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(open("Enter"), Some(false));
    assert_eq!(open("f"), Some(true));
    assert_eq!(open("Esc"), None);
    let mut stage = ready();
    stage.keys("+ c o t h e r Enter");
    stage.keys("Enter");
    picture("race_open_80x24", stage);
}

#[test]
fn the_chart_can_be_rescaled_and_frozen() {
    let mut stage = racing().sized(120, 40);
    assert!(stage.shows("10 MiB/s ┤"));
    stage.keys("L");
    assert!(stage.shows("2.5 MiB/s ┤") && stage.shows("5 MiB/s ┤"), "half of the axis, and its end");
    stage.keys("L f");
    assert!(stage.shows("frozen, f resumes"));
    let chart = |stage: &mut Stage| stage.rows()[21..38].to_vec();
    let before = chart(&mut stage);
    for tenths in 30..60 {
        stage.event(Event::Progress { track: Track::Lane(0), snapshot: cp1_after(tenths, 1.0) });
    }
    assert_eq!(chart(&mut stage), before);
    stage.keys("f");
    assert_ne!(chart(&mut stage), before);
}

#[test]
fn the_podium_has_the_fastest_first() {
    let mut stage = large();
    let rows = stage.rows();
    let at = |words: &str| rows.iter().position(|row| row.contains(words)).unwrap();
    assert!(at("1st  CP2 Fernet") < at("2nd  CP1 OAEP"));
    assert!(at("CP2 was 138 times faster") > at("2nd"));
    stage.keys("z");
    assert!(stage.shows("╭ CP1 OAEP"));
}
