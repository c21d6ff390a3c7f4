//! The lab over the session screen: its results, their meaning, and which reports it takes.

use super::pictures::picture;
use super::*;
use crate::lab::outcome::{Attack, Cell, Outcome, Play, expected, expected_receipt};
use crate::ui::overlay::lab::News;

/// Returns a result; with nothing expected, the attack was not run.
fn cell(attack: Attack, variant: Variant, outcome: Option<Outcome>) -> News {
    let play = |outcome| Play {
        way: "one way".into(),
        outcome,
        seen: "something".into(),
        believed: None,
        receipt: expected_receipt(attack, variant),
        told: String::new(),
    };
    News::Cell(Box::new(Cell::new(attack, variant, outcome.map(play).into_iter().collect())))
}

/// Takes the first `count` results, as the protocol predicts them.
fn playing(count: usize) -> Stage {
    let mut stage = Stage::new();
    let effects = stage.keys("3 !");
    assert!(effects.contains(&Effect::PlayLab(1)), "{effects:?}");
    let all = Attack::ALL.into_iter().flat_map(|attack| Variant::ALL.map(|variant| (attack, variant)));
    for (attack, variant) in all.take(count) {
        stage.app.overlays.on_lab(1, cell(attack, variant, expected(attack, variant).first().copied()));
    }
    stage
}

fn over() -> Stage {
    let mut stage = playing(48);
    stage.app.overlays.on_lab(1, News::Over(Ok(())));
    stage
}

#[test]
fn the_lab() {
    picture("lab_80x24", over());
    picture("lab_120x40", over().sized(120, 40));
    picture("lab_200x50", over().sized(200, 50));
    picture("lab_playing_80x24", playing(18));
}

#[test]
fn the_latest_result_is_followed_and_the_end_is_shown_from_the_beginning() {
    let mut stage = playing(40);
    assert!(stage.shows("40 of 48") && stage.shows("Relay AP to the") && !stage.shows("Read the content"));
    let mut stage = over();
    assert!(stage.shows("all as the protocol says ✓") && stage.shows("Read the content"));
    stage.keys("G");
    assert!(stage.shows("the server stored the attacker's file as the sender's"), "the legend");
}

#[test]
fn an_unexpected_result_is_shown_with_the_expected_one() {
    let mut stage = Stage::new();
    stage.keys("3 !");
    stage.app.overlays.on_lab(1, cell(Attack::Flip, Variant::Cp2, Some(Outcome::StoredAltered)));
    stage.app.overlays.on_lab(1, News::Over(Ok(())));
    assert!(stage.shows("✗ altered") && stage.shows("≠ refused"));
    assert!(stage.shows("1 differs from the protocol ✗"));
}

#[test]
fn closing_it_stops_it_and_reports_of_older_runs_are_ignored() {
    let mut stage = Stage::new();
    stage.keys("3 !");
    assert!(stage.keys("Esc").contains(&Effect::StopLab));
    assert!(stage.keys("!").contains(&Effect::PlayLab(2)));
    stage.app.overlays.on_lab(1, cell(Attack::Content, Variant::Plain, Some(Outcome::Read)));
    assert!(stage.shows("0 of 48"));
    stage.app.overlays.on_lab(2, cell(Attack::Content, Variant::Plain, Some(Outcome::Read)));
    assert!(stage.shows("1 of 48") && stage.shows("✗ read"));
    stage.app.overlays.on_lab(2, News::Over(Err("the lab cannot be set up: no space".into())));
    assert!(stage.shows("no space") && stage.shows("could not run"));
}
