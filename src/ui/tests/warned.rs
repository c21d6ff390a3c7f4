//! Warnings of the built-in server.

use super::*;

fn warned(text: &str, name: Option<&str>) -> Event {
    Event::Warned {
        session: Some(SessionId(2)),
        peer: Some("[2001:db8::7]:61000".into()),
        name: name.map(Into::into),
        text: text.into(),
        at_ms: 1_800_000_002_000,
    }
}

#[test]
fn a_warning_is_listed_with_the_refusals_and_in_the_log_and_has_details() {
    let mut stage = serving();
    assert!(!stage.shows("warned"));
    stage.event(warned(
        "PKCS1v15 is off for this key\u{1b}; make a new one (upseal certs init)",
        Some("a.bin"),
    ));
    assert!(stage.shows("Refusals, warning"), "{}", stage.rows().join("\n"));
    assert!(stage.shows("Warning: a.bin from ["), "{}", stage.rows().join("\n"));
    // Without the toasts that cover it.
    stage.keys("Esc Esc Esc");
    let row = stage.row("a.bin");
    assert!(row.contains("[2001:db8::7]") && row.contains("PKCS1v15"), "{row}");
    stage.keys("e");
    assert!(stage.shows("Warning: a.bin from ["), "{}", stage.rows().join("\n"));
    assert!(!stage.rows().concat().contains('\u{1b}'));
}

#[test]
fn a_warning_without_session_client_or_file_is_shown_too() {
    let mut stage = serving();
    stage.event(Event::Warned { session: None, peer: None, name: None, text: "mind".into(), at_ms: 0 });
    assert!(stage.shows("Refusals, warning") && stage.shows("mind"), "{}", stage.rows().join("\n"));
}
