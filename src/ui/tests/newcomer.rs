//! A server that was never met: what is shown before anything is sent, and what the answers order.

use super::*;
use crate::ui::keymap::Place;

const KEY: &str = "9f2c41d07b9f2c41d07b9f2c41d07b9f2c41d07b9f2c41d07b9f2c41d07bbeef";

/// Returns the question about a server with this key.
pub(super) fn question(fingerprint: &str) -> Event {
    let proof = Proof { fingerprint: fingerprint.to_owned(), ..proof() };
    let (track, address) = (Track::Job(JobId(1)), ELSEWHERE.parse().unwrap());
    Event::FirstMeeting { track, address, ca: "ca".repeat(32), proof, other_ca: false }
}

fn answer(key: &str, accept: bool) -> Effect {
    let address = ELSEWHERE.parse().unwrap();
    Effect::Send(Command::AnswerMeeting { address, ca: "ca".repeat(32), key: key.to_owned(), accept })
}

/// Returns a screen that asks about a server, a second after the question appeared.
fn asking() -> Stage {
    let mut stage = elsewhere();
    stage.event(question(KEY));
    stage.now += Duration::from_secs(1);
    stage
}

#[test]
fn everything_about_the_server_is_shown_before_the_first_byte() {
    let mut stage = asking();
    assert_eq!(stage.app.place(), Place::Newcomer);
    for words in [
        "First meeting",
        "files.example.org:4321 was never met.",
        "Nothing was sent yet.",
        "subject    CN=upseal demo",
        "signed by  CN=upseal throwaway CA",
        "key        RSA 1024 bits, 29 days left",
        "note       the server's key has 1024 bits only",
        "words      quota       chicago     cranky",
        "sha256     9f2c 41d0 7b9f 2c41 d07b 9f2c 41d0 7b9f",
        "Compare the words",
        "96 of 256 bits",
        "[Enter] send there",
        "[Esc] send nothing",
    ] {
        assert!(stage.shows(words), "{words}:\n{}", stage.rows().join("\n"));
    }
    insta::assert_snapshot!("first_meeting_80x24", stage.terminal().backend());
    insta::assert_snapshot!("first_meeting_40x12", asking().sized(40, 12).terminal().backend());
}

#[test]
fn enter_accepts_the_key_that_is_shown_after_a_second() {
    let mut stage = elsewhere();
    stage.event(question(KEY));
    assert_eq!(stage.keys("Enter"), [], "it was meant for the screen below");
    stage.now += Duration::from_secs(1);
    // The same question again, of another connection, changes nothing.
    stage.event(question(KEY));
    let effects = stage.keys("y");
    assert!(matches!(&effects[..], [Effect::Copy(text)] if text.starts_with("sha256:")), "{effects:?}");
    for keys in ["a", "u", "Space", "t", "A"] {
        assert_eq!(stage.keys(keys), [], "{keys}");
        assert_eq!(stage.app.place(), Place::Newcomer, "{keys}");
    }
    assert_eq!(stage.keys("Enter"), [answer(KEY, true)]);
    assert_eq!(stage.app.place(), Place::Browser);
    // It was accepted by hand, so the proof needs no message.
    standing(&mut stage, Standing::First { remembered: true, other_ca: false, asked: true });
    assert!(!stage.shows("first seen"));
    assert!(stage.row("upseal [1").contains("✓ accepted"));
    stage.keys("e");
    assert!(stage.shows("first seen; key accepted"));
}

#[test]
fn another_key_of_the_server_replaces_the_question_and_has_to_be_read_first() {
    let mut stage = asking();
    let other = "77".repeat(32);
    stage.event(question(&other));
    assert_eq!(stage.app.overlays.stack.len(), 1);
    assert!(stage.shows("7777 7777") && !stage.shows("9f2c 41d0"));
    assert_eq!(stage.keys("Enter"), []);
    stage.now += Duration::from_secs(1);
    assert_eq!(stage.keys("Enter"), [answer(&other, true)]);
}

#[test]
fn escape_sends_nothing_the_rows_say_why_they_wait_and_t_asks_again() {
    for keys in ["Esc", "q", "C-c"] {
        let mut stage = asking().sized(120, 24);
        assert_eq!(stage.keys(keys), [answer(KEY, false)], "{keys}");
        stage.state(Track::Job(JobId(1)), State::Waiting);
        stage.event(Event::Unaccepted { address: ELSEWHERE.parse().unwrap(), waiting: 2 });
        let row = stage.row("t asks again");
        assert!(row.contains("cmos.mp4") && row.contains("not accepted"), "{row}");
        assert!(stage.shows("The key of files.example.org:4321 was not"));
        assert_eq!(stage.keys("Tab t"), [Effect::Send(Command::Retry(JobId(1)))]);
        assert_eq!(stage.keys("T"), [Effect::Send(Command::RetryFailed)]);
        stage.state(Track::Job(JobId(1)), State::Connecting);
        assert!(!stage.shows("accepted: t asks"));
    }
}

#[test]
fn a_connection_that_ends_during_the_question_leaves_it_open() {
    let mut stage = asking();
    stage.state(Track::Job(JobId(1)), State::Waiting);
    stage.event(Event::Unaccepted { address: ELSEWHERE.parse().unwrap(), waiting: 2 });
    assert_eq!(stage.app.place(), Place::Newcomer);
    assert!(!stage.shows("was not accepted"));
    assert_eq!(stage.keys("Enter"), [answer(KEY, true)]);
}

#[test]
fn words_that_are_not_visible_cannot_be_accepted() {
    for (width, height, is_enough) in [(30, 8, false), (40, 12, true), (80, 12, true), (120, 40, true)] {
        let mut stage = asking().sized(width, height);
        let accepted = if is_enough { vec![answer(KEY, true)] } else { Vec::new() };
        assert_eq!(stage.keys("Enter"), accepted, "{width}×{height}");
        if is_enough {
            let mut stage = asking().sized(width, height);
            for word in ["CN=upseal demo", "1024 bits", "quota", "chicago", "[Enter] send there"] {
                assert!(stage.shows(word), "{width}×{height} {word}:\n{}", stage.rows().join("\n"));
            }
        }
    }
}
