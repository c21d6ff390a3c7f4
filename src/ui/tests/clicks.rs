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

#[test]
fn clicks_in_the_dialog_of_the_link_copy_it_show_its_code_and_end_sharing() {
    let mut stage = super::sharing::shared();
    let effects = click(&mut stage, "[y] copy link");
    assert!(matches!(&effects[..], [Effect::Copy(link)] if link.starts_with("upseal://")), "{effects:?}");
    assert_eq!(click(&mut stage, "[Space] QR code"), []);
    assert!(stage.rows().iter().filter(|row| row.contains('▄')).count() > 15, "a QR code");
    stage.keys("Space");
    assert_eq!(click(&mut stage, "upseal send upseal://"), [], "the link is not an answer");
    assert_eq!(click(&mut stage, "[Esc] close"), []);
    assert!(!stage.shows("[y] copy link"));
    stage.keys("S");
    assert_eq!(click(&mut stage, "[S] stop sharing"), [Effect::Send(Command::EndShare)]);
}

#[test]
fn a_click_accepts_a_new_server_only_after_a_second_and_only_on_the_answer() {
    let asking = || {
        let mut stage = elsewhere();
        // What the certificate says looks like the answers.
        let Event::FirstMeeting { track, address, ca, proof, other_ca } =
            super::newcomer::question(&"77".repeat(32))
        else {
            panic!("another event")
        };
        let proof = Proof { subject: "[Enter] yes  [Esc] no".into(), ..proof };
        stage.event(Event::FirstMeeting { track, address, ca, proof, other_ca });
        stage
    };
    let mut stage = asking();
    assert_eq!(click(&mut stage, "[Enter] send there"), [], "it was meant for the screen below");
    stage.now += Duration::from_secs(1);
    assert_eq!(click(&mut stage, "[Enter] yes"), [], "a name of the server");
    assert_eq!(click(&mut stage, "[Esc] no"), [], "a name of the server");
    let answers = |effects: &[Effect], expected: bool| matches!(effects, [Effect::Send(Command::AnswerMeeting { accept, .. })] if *accept == expected);
    let effects = click(&mut stage, "[Enter] send there");
    assert!(answers(&effects, true), "{effects:?}");
    let mut stage = asking();
    let effects = click(&mut stage, "[Esc] send nothing");
    assert!(answers(&effects, false), "{effects:?}");
}

#[test]
fn a_click_accepts_a_changed_key_only_after_a_second() {
    let mut stage = stranger();
    assert_eq!(click(&mut stage, "[A] accept"), [], "it was meant for the screen below");
    stage.now += Duration::from_secs(1);
    let effects = click(&mut stage, "[A] accept");
    assert!(matches!(&effects[..], [Effect::Send(Command::AcceptServer { .. })]), "{effects:?}");
    let mut stage = stranger();
    assert_eq!(click(&mut stage, "[Esc] close"), []);
    assert!(!stage.shows("[Esc] close"));
}
