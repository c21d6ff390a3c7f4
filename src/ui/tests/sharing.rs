//! Sharing with other computers: the question, the link, the QR code, the mark in the header.

use std::path::PathBuf;

use super::pictures::{at_each_size, picture};
use super::*;
use crate::event::Door;

pub(super) fn doors() -> Vec<Door> {
    let door = |name: &str, address: &str| Door {
        interface: Some(name.to_owned()),
        address: address.parse().unwrap(),
    };
    vec![door("eth0", "192.168.1.5:4321"), door("wlan0", "10.0.0.7:4321")]
}

fn asked() -> Stage {
    let mut stage = serving();
    stage.now += Duration::from_secs(60);
    assert_eq!(stage.keys("S"), [Effect::AskShare]);
    stage.app.ask_share(&doors(), Some("/home/me/.local/share/upseal/share".into()), stage.now);
    stage
}

/// Returns a screen on which the user has just turned sharing on.
pub(super) fn shared() -> Stage {
    let mut stage = asked();
    let identity = PathBuf::from("/home/me/.local/share/upseal/share");
    assert_eq!(stage.keys("Enter"), [Effect::Send(Command::Share { identity })]);
    let accepted = Accepted { variants: vec![Variant::Cp2, Variant::Cp1], paddings: vec![Padding::Oaep] };
    stage.event(Event::Accepting { reach: Reach::Shared, accepted });
    stage.event(Event::Shared { pin: "ab".repeat(32), doors: doors() });
    stage
}

#[test]
fn the_question_the_link_and_the_code() {
    at_each_size("share_question", asked);
    at_each_size("shared", shared);
    at_each_size("shared_code", || {
        let mut stage = shared();
        stage.keys("Space");
        stage
    });
    at_each_size("shared_server", || {
        let mut stage = shared();
        stage.keys("Esc");
        stage
    });
    let mut stage = shared();
    stage.keys("Esc a Right");
    picture("accept_shared_80x24", stage);
}

#[test]
fn sharing_asks_first_and_says_who_can_reach_this_computer() {
    let mut stage = asked();
    assert!(stage.shows("eth0 192.168.1.5") && stage.shows("wlan0 10.0.0.7"));
    assert!(stage.shows("CP1 with OAEP"));
    assert_eq!(stage.keys("Esc"), []);
    assert!(!stage.row("upseal").contains("shared"));
    // Without a place for the key, nothing is asked.
    stage.app.ask_share(&doors(), None, stage.now);
    assert!(stage.shows("Cannot share"));
}

#[test]
fn the_link_is_shown_and_copied_until_sharing_ends() {
    let mut stage = shared();
    let link = |address: &str| format!("upseal://{address}#sha256-{}", "ab".repeat(32));
    assert!(stage.shows("upseal send upseal://192.168.1.5:4321#sha256-abab"));
    assert_eq!(stage.keys("y"), [Effect::Copy(link("192.168.1.5:4321"))]);
    assert_eq!(stage.keys("j y"), [Effect::Copy(link("10.0.0.7:4321"))]);
    assert!(stage.row(" upseal ").contains("upseal shared"), "{}", stage.rows()[0]);
    stage.keys("Space");
    assert!(stage.rows().iter().filter(|row| row.contains('▄')).count() > 15, "a QR code");
    stage.keys("Space Esc");
    assert!(stage.row("│ shared  ").contains("at 192.168.1.5:4321 and 1 more"));
    // The second S shows the link again; a third one ends it.
    assert_eq!(stage.keys("S"), []);
    assert_eq!(stage.keys("S"), [Effect::Send(Command::EndShare)]);
    assert!(stage.rows()[0].contains("shared"), "until it is so");
    stage.event(Event::NotShared { fault: None });
    assert!(!stage.rows()[0].contains("shared") && stage.shows("No longer shared"));
    assert_eq!(stage.keys("S"), [Effect::AskShare]);
}

#[test]
fn the_rules_for_other_computers_are_their_own() {
    let mut stage = shared();
    stage.keys("Esc a");
    assert!(stage.shows("[this computer]"));
    stage.keys("Right");
    assert!(stage.shows("[other computers]") && !stage.shows("padding oracle"));
    let effects = stage.keys("j j Space Enter");
    let accepted = Accepted { variants: vec![Variant::Cp2], paddings: vec![Padding::Oaep] };
    assert_eq!(effects, [Effect::Send(Command::Accept { reach: Reach::Shared, accepted })]);
}

#[test]
fn a_failed_start_is_reported_and_can_be_tried_again() {
    let mut stage = asked();
    stage.keys("Enter");
    assert_eq!(stage.keys("S"), [], "it is starting");
    stage.event(Event::NotShared { fault: Some(fault("cannot share: no ports", "")) });
    assert!(stage.shows("cannot share: no ports"));
    assert_eq!(stage.keys("S"), [Effect::AskShare]);
}

#[test]
fn y_on_the_server_screen_copies_the_first_link_while_this_computer_shares() {
    let mut stage = shared();
    stage.keys("Esc 4");
    let link = format!("upseal://192.168.1.5:4321#sha256-{}", "ab".repeat(32));
    assert_eq!(stage.keys("y"), [Effect::Copy(link)]);
    stage.event(Event::NotShared { fault: None });
    let key = format!("sha256:{}", proof().fingerprint);
    assert_eq!(stage.keys("y"), [Effect::Copy(key)], "no link to a server that other computers cannot reach");
}

#[test]
fn the_dialog_of_the_link_shows_its_whole_link_and_its_answers() {
    for width in 69..130 {
        let mut stage = shared().sized(width, 24);
        assert!(stage.shows("[y] copy link  [Space] QR code  [S] stop sharing  [Esc] close"), "{width}");
    }
    for width in [80, 91, 120] {
        let mut stage = shared().sized(width, 24);
        assert!(stage.shows("upseal send upseal://") && stage.shows("ab FILE…"), "{width}");
    }
    assert!(shared().sized(80, 12).shows("[y] copy link"), "the answers stay in a low window");
}
