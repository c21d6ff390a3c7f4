//! Keys that steer all uploads, and how that is drawn.

use super::*;
use crate::event::{Jobs, Limit};

fn limited(effects: &[Effect]) -> Option<u64> {
    match effects {
        [Effect::Send(Command::Limit(limit))] => limit.bytes(),
        other => panic!("no limit: {other:?}"),
    }
}

#[test]
fn the_limit_is_changed_by_keys_and_drawn_in_words_and_as_a_mark() {
    let mut stage = busy();
    assert!(!stage.shows("limit") && !stage.shows("╏"));
    // 432 MB/s of the file are 577 MB/s on the wire.
    let first = limited(&stage.keys("["));
    assert_eq!(first, Some(512 << 20), "the step below the present rate");
    assert_eq!(limited(&stage.keys("[")), Some(256 << 20));
    let limit = Limit::of(256 << 20).unwrap();
    stage.event(Event::Limited { limit });
    let title = stage.row("Queue");
    assert!(title.contains("limit 256 MiB/s"), "{title}");
    let row = stage.row(" rate ");
    let bar = row.chars().position(|c| c == '█').unwrap();
    let mark = row.chars().position(|c| c == '╏').unwrap_or_else(|| panic!("no mark: {row}"));
    assert!(bar < mark, "{row}");
    assert_eq!(limited(&stage.keys("] ]")[..1]), Some(512 << 20));
    stage.event(Event::Limited { limit: Limit::of(1 << 30).unwrap() });
    assert_eq!(limited(&stage.keys("]")), None, "no limit behind the highest");
    stage.event(Event::Limited { limit: Limit::NONE });
    assert_eq!(stage.keys("]"), [], "nothing to raise");
    assert!(!stage.shows("limit") && !stage.shows("╏"));
}

#[test]
fn the_chart_has_a_line_at_the_limit() {
    let mut stage = busy().sized(120, 40);
    for ms in 1..=40 {
        stage.now += Duration::from_millis(50);
        let snapshot = Snapshot {
            file_bytes: ms * 1_000_000,
            elapsed_ms: ms * 50,
            rate_now: 20_000_000.0,
            ..under_way()
        };
        stage.event(Event::Progress { track: Track::Job(JobId(2)), snapshot });
    }
    assert!(!stage.shows("╌"));
    stage.event(Event::Limited { limit: Limit::of(32 << 20).unwrap() });
    let line = stage.row("╌╌╌");
    assert!(line.contains(" limit 32 MiB/s "), "{line}");
}

#[test]
fn an_estimate_respects_the_limit_and_does_not_learn_from_it() {
    let deliver = |stage: &mut Stage, id| {
        stage.upload(id, "image.ppm", 104 * MIB);
        let track = Track::Job(JobId(id));
        stage.state(track, State::Sending);
        let done = Snapshot { file_bytes: 104 * MIB, elapsed_ms: 60_000, ..under_way() };
        stage.event(Event::Progress { track, snapshot: done });
        stage.state(track, State::Delivered);
    };
    let mut stage = Stage::new();
    let before = stage.row("time ");
    stage.event(Event::Limited { limit: Limit::of(1 << 20).unwrap() });
    // 104 MiB are 139 MiB on the wire.
    assert!(stage.row("time ").contains("≥ 2 min 19 s"), "{}", stage.row("time "));
    deliver(&mut stage, 1);
    stage.event(Event::Limited { limit: Limit::NONE });
    assert_eq!(stage.row("time "), before);
    deliver(&mut stage, 2);
    assert_ne!(stage.row("time "), before, "without a limit the time is learned");
}

#[test]
fn space_pauses_the_upload_under_the_cursor_and_its_row_says_how_it_goes_on() {
    let mut stage = busy();
    stage.keys("Tab Home");
    assert_eq!(stage.keys("Space"), [], "a delivered file cannot be paused");
    assert_eq!(stage.keys("j Space"), [Effect::Send(Command::Pause(JobId(2)))]);
    assert!(stage.shows("stopped; resumed, it starts at its first byte."));
    stage.state(Track::Job(JobId(2)), State::Paused);
    let row = stage.row("paused ");
    assert!(row.contains("104 MiB, Space resumes it from its first byte"), "{row}");
    assert_eq!(stage.keys("Space"), [Effect::Send(Command::Resume(JobId(2)))]);
    stage.state(Track::Job(JobId(2)), State::Sent);
    assert_eq!(stage.keys("Space"), []);
    assert!(stage.shows("This file is sent already"));
}

#[test]
fn capital_s_pauses_the_queue_and_title_and_header_say_so() {
    let mut stage = busy();
    assert_eq!(stage.keys("S"), [Effect::Send(Command::PauseQueue(true))]);
    stage.event(Event::QueuePaused { paused: true, running: 1 });
    assert!(stage.row("Queue ").contains(" paused, "), "{}", stage.row("Queue "));
    assert!(stage.rows()[0].contains(" paused "), "{}", stage.rows()[0]);
    assert!(stage.shows("Queue paused after the running file. S lets it go on."));
    // On every screen, since nothing else would say why no file is sent.
    stage.keys("4");
    assert!(stage.rows()[0].contains(" paused "), "{}", stage.rows()[0]);
    stage.keys("1 q");
    assert!(stage.app.place() == super::super::keymap::Place::Question, "quitting asks");
    stage.keys("Esc");
    assert_eq!(stage.keys("S"), [Effect::Send(Command::PauseQueue(false))]);
    stage.event(Event::QueuePaused { paused: false, running: 0 });
    assert!(!stage.rows()[0].contains("paused"), "{}", stage.rows()[0]);
}

#[test]
fn braces_change_the_number_of_connections_and_several_uploads_have_their_own_bars() {
    let mut stage = busy();
    let four = Jobs::of(4).unwrap();
    assert_eq!(stage.keys("} } }").last(), Some(&Effect::Send(Command::Jobs(four))));
    stage.event(Event::JobsSet { jobs: four });
    assert!(stage.row("Queue ").contains("4 connections"), "{}", stage.row("Queue "));
    // Two uploads of the same rate need half of the time.
    let mut stage = Stage::new().sized(100, 30);
    assert_eq!(stage.keys("{"), [], "one is the least");
    let under_way = |eta_ms| Snapshot { rate_now: 1_048_576.0, eta_ms: Some(eta_ms), ..under_way() };
    for id in [1, 2] {
        let track = Track::Job(JobId(id));
        stage.upload(id, &format!("{id}.mp4"), 104 * MIB);
        stage.state(track, State::Sending);
        stage.event(Event::Progress { track, snapshot: under_way(29_000) });
        let left = stage.row("Queue ");
        assert!(left.contains("ETA 29 s") || left.contains("ETA 30 s"), "{id}: {left}");
    }
    let rows = stage.rows();
    let bars = |label| rows.iter().filter(|row| row.contains(label)).count();
    assert_eq!((bars(" progress "), bars(" rate ")), (2, 2), "{rows:#?}");
    assert_eq!(limited(&stage.keys("[")), Some(2 << 20), "below the rate of both on the wire");
}
