//! Clicks on what is shown: names of protocols, answers of dialogs.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::*;

/// Clicks on the first place that shows the text.
fn click(stage: &mut Stage, text: &str) -> Vec<Effect> {
    let rows = stage.rows();
    let y = rows.iter().position(|row| row.contains(text)).unwrap_or_else(|| panic!("{text:?}: {rows:?}"));
    let before = rows[y].find(text).unwrap();
    let column = u16::try_from(rows[y][..before].chars().count()).unwrap() + 1;
    let row = u16::try_from(y).unwrap();
    let kind = MouseEventKind::Down(MouseButton::Left);
    let effects =
        stage.app.on_mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }, stage.now);
    stage.settle();
    effects
}

#[test]
fn a_click_on_the_name_of_a_protocol_selects_it() {
    for (width, height) in [(80, 24), (120, 40), (60, 16)] {
        let mut stage = Stage::new().sized(width, height);
        for (name, chosen) in
            [(" CP1 ", "[CP1]"), (" AP ", "[AP]"), (" Plain ", "[Plain]"), (" CP2 ", "[CP2]")]
        {
            let effects = click(&mut stage, name);
            assert!(effects.is_empty() && stage.shows(chosen), "{width}x{height} {name}: {:?}", stage.rows());
        }
    }
}

#[test]
fn a_click_on_an_answer_presses_it() {
    let mut stage = busy();
    stage.keys("1 q");
    click(&mut stage, "[Esc] stay");
    assert!(!stage.shows("[Esc] stay"));
    stage.keys("q");
    click(&mut stage, " AP ");
    assert!(stage.shows("[Esc] stay") && !stage.shows("[AP]"), "what lies beneath is not clicked");
    assert!(click(&mut stage, "[Enter] quit").contains(&Effect::Quit));
}
