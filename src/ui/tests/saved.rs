//! Sessions saved with `w`: file contents only on request, and never over an existing file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::session::{CP1, CP2, PLAIN, frames, opened, recorded, screen};
use super::*;
use crate::event::{Frame, Kind, Sample, Side, Way, WireId};
use crate::net::handshake::{LONG_HELLO_RANDOM, Offer};
use crate::ui::capture::Capture;
use crate::ui::recording::Role;

fn saved(stage: &mut Stage) -> Capture {
    match stage.keys("w").pop() {
        Some(Effect::Save(capture)) => capture,
        other => panic!("{other:?}"),
    }
}

#[test]
fn file_contents_are_saved_only_on_request() {
    for (session, content) in [(CP2, false), (CP1, false), (PLAIN, true)] {
        let mut stage = recorded(session);
        let without = saved(&mut stage);
        stage.app.screens.session.with_plaintext = true;
        let with = saved(&mut stage);
        let text = |capture: &Capture| {
            capture.lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect::<String>()
        };
        // `<svg xmlns` in hexadecimal.
        let secret = "3c73766720786d6c6e73";
        assert!(session.contains(secret) && text(&with).contains(secret));
        assert!(!text(&without).contains(secret));
        assert_eq!(text(&with), session, "the file contains what was saved");
        // The ciphertext is not secret.
        let body = frames(&text(&without)).into_iter().find(|frame| frame.kind == Kind::Data).unwrap();
        assert_eq!(body.body.head.is_empty(), content);
        assert!(body.file.is_none_or(|file| file.head.is_empty() && file.bytes > 0));
        // The name is in clear in every variant.
        assert!(text(&without).contains("726163652e737667"));
    }
}

#[test]
fn a_body_of_an_unknown_variant_is_content() {
    let mut stage = screen(Stage::new());
    let wire = WireId(1);
    stage.event(Event::WireOpened { wire, opened: opened(Side::Server, 50_000) });
    let mut strange = frames(PLAIN)[1].clone();
    for (number, kind) in [(1, Kind::Authenticate), (2, Kind::Data), (3, Kind::Unknown)] {
        (strange.number, strange.kind) = (number, kind);
        stage.event(Event::WireFrames { wire, frames: vec![strange.clone()] });
    }
    let capture = saved(&mut stage);
    let heads: Vec<usize> = capture
        .lines
        .iter()
        .filter_map(|line| match line {
            Event::WireFrames { frames, .. } => Some(frames[0].body.head.len()),
            _ => None,
        })
        .collect();
    assert_eq!(heads, [256, 0, 0]);
}

/// The built-in server decides for each body. A body that it took for file content is left out, even if a session key
/// follows.
#[test]
fn a_body_before_its_session_key_is_content_and_one_after_it_is_a_token() {
    let mut stage = screen(Stage::new());
    let wire = WireId(1);
    stage.event(Event::WireOpened { wire, opened: opened(Side::Server, 50_000) });
    let (plain, token) = (frames(PLAIN), frames(CP2));
    let all = [&plain[0], &plain[1], &token[3], &token[4], &token[5]];
    for (number, frame) in (1..).zip(all) {
        let frame = Frame { number, way: Way::ToServer, file: None, ..frame.clone() };
        stage.event(Event::WireFrames { wire, frames: vec![frame] });
    }
    assert_eq!(data_heads(&saved(&mut stage)), [0, 256]);
    let shown = stage.app.screens.session.shown().unwrap();
    let roles: Vec<Role> = shown.frames().map(|frame| shown.role(frame)).collect();
    assert_eq!(roles, [Role::Name, Role::Clear, Role::SessionKey, Role::Name, Role::Token]);
}

/// A hello states the variant of a session at the built-in server, but only a complete hello of the right length.
#[test]
fn a_body_after_a_hello_has_the_variant_of_the_hello() {
    let hello = |dialect: Dialect| Offer::of(dialect).unwrap().hello(&[7; LONG_HELLO_RANDOM]);
    let of = |variant| hello(Dialect::of(variant));
    let long = |variant| [of(variant), vec![b'a']].concat();
    for (hello, whole, head, role) in [
        (of(Variant::Cp1), true, 256, Role::Blocks),
        (of(Variant::Cp1), false, 0, Role::Body),
        (long(Variant::Cp1), true, 0, Role::Body),
        (of(Variant::Ap), true, 0, Role::Clear),
        // Without a key nothing is encrypted.
        (of(Variant::Cp2), true, 0, Role::Body),
        (b"fresh".to_vec(), true, 0, Role::Body),
    ] {
        let mut stage = screen(Stage::new());
        let wire = WireId(1);
        stage.event(Event::WireOpened { wire, opened: opened(Side::Server, 50_000) });
        let bytes = hello.len() as u64;
        let body = Sample { bytes, head: hello.into_iter().take(256).collect(), ..Sample::default() };
        let first = Frame {
            number: 1,
            way: Way::ToServer,
            kind: Kind::Authenticate,
            m1: Some(bytes),
            body,
            whole,
            ..frames(CP2)[0].clone()
        };
        let data = Frame { number: 2, file: None, ..frames(PLAIN)[1].clone() };
        stage.event(Event::WireFrames { wire, frames: vec![first, data.clone()] });
        assert_eq!(data_heads(&saved(&mut stage)), [head], "{role:?}");
        assert_eq!(stage.app.screens.session.shown().unwrap().role(&data), role);
    }
}

/// Returns the number of bytes kept of each body.
fn data_heads(capture: &Capture) -> Vec<usize> {
    let frames = capture.lines.iter().filter_map(|line| match line {
        Event::WireFrames { frames, .. } => Some(&frames[0]),
        _ => None,
    });
    frames.filter(|frame| frame.kind == Kind::Data).map(|frame| frame.body.head.len()).collect()
}

#[test]
fn a_saved_session_is_private_and_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let captures = folder.path().join("captures");
    let mut stage = recorded(CP2);
    stage.app.screens.session.with_plaintext = true;
    let capture = saved(&mut stage);
    let first = capture.write(&captures).unwrap();
    let second = capture.write(&captures).unwrap();
    assert_ne!(first, second);
    for (path, mode) in [(&first, 0o600), (&second, 0o600), (&captures, 0o700)] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
    }
    assert_eq!(fs::read_to_string(&first).unwrap(), CP2);
    stage.app.shared.saved(&capture, Ok(first), stage.now);
    assert!(stage.shows("Saved as session-"));
    let refused = capture.write(&folder.path().join("captures/session")).map(drop);
    assert!(refused.is_ok(), "a folder is made");
    fs::write(folder.path().join("file"), b"").unwrap();
    let error = capture.write(&folder.path().join("file")).map(drop);
    assert!(error.is_err());
    stage.app.shared.saved(&capture, Err(error.unwrap_err()), stage.now);
    assert!(stage.shows("was not saved"));
}
