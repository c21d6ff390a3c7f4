//! A server whose key has changed: what is shown, and what it takes to accept the key.

use super::*;
use crate::ui::keymap::Place;

fn order() -> Effect {
    let KeyChange { address, ca, offered, .. } = change();
    Effect::Send(Command::AcceptServer { address, ca, key: offered })
}

#[test]
fn the_alarm_says_what_changed_that_nothing_was_sent_and_what_to_do() {
    let mut stage = stranger();
    assert_eq!(stage.app.place(), Place::Alarm);
    for words in [
        "ANOTHER KEY THAN BEFORE",
        "files.example.org:4321 has another key than before.",
        "NOTHING WAS SENT",
        "known since 2026-11-01",
        "0a1b 2c3d 4e5f 6071",
        "now, as CN=Group 7 server,O=Course,C=SG",
        "f9e8 d7c6 b5a4 9382",
        "Either the operator replaced the key, or another machine",
        "upseal known accept files.example.org:4321",
        "[A] accept the new key",
        "[Esc] close",
    ] {
        assert!(stage.shows(words), "{words}:\n{}", stage.rows().join("\n"));
    }
    let top = stage.row("ANOTHER KEY THAN BEFORE");
    assert!(top.starts_with('┏') && top.trim_end().ends_with('┓'), "from edge to edge: {top}");
    assert!(stage.row("upseal [1").contains("✗ ANOTHER KEY, refused"));
}

#[test]
fn escape_accepts_nothing_and_the_log_keeps_both_fingerprints() {
    let mut stage = stranger();
    stage.now += Duration::from_secs(60);
    for keys in ["Enter", "y", "a", "u", "Space", "t"] {
        assert_eq!(stage.keys(keys), [], "{keys}");
        assert_eq!(stage.app.place(), Place::Alarm, "{keys}");
    }
    assert_eq!(stage.keys("Esc"), []);
    assert_eq!(stage.app.place(), Place::Browser);
    assert!(stage.row("upseal [1").contains("✗ ANOTHER KEY, refused"), "it is not forgotten");
    stage.keys("e");
    let log = stage.rows().concat();
    let log: String = log.chars().filter(|c| !c.is_whitespace() && *c != '│').collect();
    assert!(log.contains(&change().known) && log.contains(&change().offered), "{log}");
}

#[test]
fn the_key_a_is_ignored_for_a_second_and_accepts_only_the_shown_key() {
    let mut stage = stranger();
    assert_eq!(stage.keys("A"), [], "it was meant for the screen below");
    stage.now += Duration::from_secs(1);
    // The same key again changes nothing; another key has to be read first.
    let track = Track::Job(JobId(2));
    stage.event(Event::KeyChanged { track, change: change() });
    assert_eq!(stage.app.overlays.stack.len(), 1);
    let other = KeyChange { offered: "77".repeat(32), ..change() };
    stage.event(Event::KeyChanged { track, change: other });
    assert_eq!((stage.app.overlays.stack.len(), stage.keys("A")), (1, vec![]));
    assert!(stage.shows("7777 7777"));
    stage.event(Event::KeyChanged { track, change: change() });
    stage.now += Duration::from_secs(1);
    assert_eq!(stage.keys("A"), [order()]);
    assert_eq!(stage.app.place(), Place::Browser);

    stage.event(Event::ServerAccepted { address: ELSEWHERE.parse().unwrap(), key: change().offered });
    assert!(stage.shows("The new key of files.example.org:4321 is accepted."));
    assert!(stage.shows("In the queue, t retries a failed upload"));
    assert!(!stage.shows("ANOTHER KEY"));
}

#[test]
fn a_key_that_is_not_visible_cannot_be_accepted() {
    for (width, height) in [(30, 8), (40, 12), (80, 16)] {
        let mut stage = stranger().sized(width, height);
        stage.now += Duration::from_secs(5);
        assert_eq!(stage.keys("A"), [], "{width}×{height}");
    }
    let mut stage = stranger().sized(40, 12);
    stage.now += Duration::from_secs(5);
    assert!(stage.shows("[A] accept, in a larger window") && stage.shows("NOTHING WAS SENT."));
    stage.size = Rect::new(0, 0, 80, 24);
    assert_eq!(stage.keys("A"), [order()]);
}

#[test]
fn a_failure_to_accept_is_reported() {
    let mut stage = stranger();
    stage.keys("Esc");
    let fault = fault("cannot change the known servers", "");
    stage.event(Event::ServerNotAccepted { address: ELSEWHERE.parse().unwrap(), fault });
    assert!(stage.shows("cannot change the known servers"));
    assert!(stage.row("upseal [1").contains("ANOTHER KEY"));
}

#[test]
fn the_header_shows_the_standing_of_a_server() {
    for (how, words) in [
        (Standing::First { remembered: true, other_ca: false, asked: false }, "✓ first seen 1024-bit"),
        (Standing::Known { since: None }, "✓ known 1024-bit"),
        (Standing::Pinned { replaced: None }, "✓ pinned 1024-bit"),
        (Standing::Own, "✓ proven 1024-bit"),
    ] {
        let mut stage = elsewhere().sized(120, 24);
        standing(&mut stage, how);
        assert!(stage.row("upseal [1").contains(&format!("{ELSEWHERE} {words}")), "{words}");
        // In 80 columns the address is worth more than the key's length.
        stage.size.width = 80;
        let (short, _) = words.rsplit_once(' ').unwrap();
        let header = stage.row("upseal [1");
        let is_short = header.contains(&format!("{ELSEWHERE} {short}"));
        assert!(is_short || header.contains(words), "{header}");
    }
}

#[test]
fn only_a_changed_key_is_a_message() {
    let shown = |how| {
        let mut stage = elsewhere();
        standing(&mut stage, how);
        stage.rows().concat()
    };
    let first = shown(Standing::First { remembered: true, other_ca: false, asked: false });
    assert!(first.contains("first seen; key accepted") && !first.contains("this CA"));
    let other = shown(Standing::First { remembered: false, other_ca: true, asked: false });
    assert!(other.contains("first seen under this CA, known") && other.contains("not remembered"));
    assert!(shown(Standing::Pinned { replaced: Some("12".repeat(32)) }).contains("the pin replaces"));
    for quiet in [Standing::Own, Standing::Known { since: None }, Standing::Pinned { replaced: None }] {
        let rows = shown(quiet);
        assert!(!rows.contains("first seen") && !rows.contains("the pin"), "{rows}");
    }
}

#[test]
fn the_alarm_is_as_visible_without_colour_and_in_ascii() {
    let mut stage = stranger();
    stage.settle();
    let look = Look { theme: Theme::without_colours(), glyphs: Glyphs::Ascii };
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap_or_else(|never| match never {});
    let drawn = terminal.draw(|frame| stage.app.draw(look, stage.now, frame.area(), frame.buffer_mut()));
    drawn.unwrap_or_else(|never| match never {});
    let buffer = terminal.backend().buffer();
    let title =
        buffer.content.iter().filter(|cell| cell.modifier.contains(ratatui::style::Modifier::REVERSED));
    assert_eq!(
        title.map(ratatui::buffer::Cell::symbol).collect::<String>().trim(),
        "x ANOTHER KEY THAN BEFORE"
    );
    let frame = buffer.content.iter().filter(|cell| cell.symbol() == "#").count();
    assert!(frame > 2 * 50, "a heavy frame: {frame}");
}
