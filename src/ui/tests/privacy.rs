//! `H` hides hosts and paths on every screen.

use super::pictures::at_each_size;
use super::*;
use crate::messages::word_rows;

/// Parts of hosts, paths, fingerprints and names of the setup. None of them may be drawn.
const SECRETS: &[&str] = &[
    "127.0.0.1",
    "4321",
    "192.168",
    "10.0.0.7",
    "2001:db8",
    "example.org",
    "files.",
    "~/",
    "/home",
    "recv_files",
    "lectures",
    "week9/",
    "9f2c41d07b",
    "0a1b2c3d4e5f",
    "upseal://",
    "abababab",
    "/ca",
];

fn assert_hidden(stage: &mut Stage, what: &str) {
    for (width, height) in [(80, 24), (120, 40), (200, 50), (40, 12)] {
        stage.size = Rect::new(0, 0, width, height);
        let rows = stage.rows();
        let words = word_rows(&proof().fingerprint, 20).join(" ");
        for secret in SECRETS.iter().copied().chain(words.split_whitespace()) {
            let shown = rows.iter().find(|row| row.contains(secret));
            assert!(shown.is_none(), "{what} at {width}x{height} shows {secret}: {}", shown.unwrap());
        }
    }
    stage.size = Rect::new(0, 0, 80, 24);
}

#[test]
fn no_host_and_no_path_is_drawn_on_any_screen() {
    type Build = fn() -> Stage;
    let stages: &[(&str, Build)] = &[
        ("serving", serving),
        ("shared", super::sharing::shared),
        ("elsewhere", elsewhere),
        ("stranger", stranger),
        ("without a server", Stage::without_server),
        ("raced", raced),
    ];
    for (name, build) in stages {
        for (what, keys) in [
            ("upload", "1"),
            ("queue", "1 Tab Enter"),
            ("go to", "1 g"),
            ("path", "1 g / h o m e /"),
            ("race", "2"),
            ("race zoomed", "2 z"),
            ("session", "3"),
            ("server", "4"),
            ("details", "4 Enter"),
            ("history", "5"),
            ("log", "e"),
            ("connect", "1 c"),
            ("help", "?"),
        ] {
            let mut stage = build();
            // Warnings and dialogs that lie over the screens are looked at first, and alone.
            stage.app.shared.is_private = true;
            assert_hidden(&mut stage, name);
            stage.app.overlays.stack.clear();
            stage.keys(keys);
            assert_hidden(&mut stage, &format!("{name}, {what}"));
        }
    }
}

#[test]
fn the_mark_in_the_header_says_that_hosts_are_hidden_until_they_are_shown_again() {
    let mut stage = serving();
    stage.keys("H");
    assert!(stage.rows()[0].contains("upseal hidden"), "{}", stage.rows()[0]);
    assert!(stage.rows()[0].contains("✓ proven 1024-bit"), "the rest stays: {}", stage.rows()[0]);
    let row = stage.row("cmos.mp4");
    assert!(row.contains("69 %") && row.contains("412 MiB/s"), "{row}");
    stage.keys("H");
    assert!(!stage.rows()[0].contains("hidden") && stage.shows("127.0.0.1"));
}

#[test]
fn hidden_screens() {
    at_each_size("hidden_server", || {
        let mut stage = serving();
        stage.now += Duration::from_secs(60);
        stage.keys("H");
        stage.now += Duration::from_secs(60);
        stage
    });
    at_each_size("hidden_upload", || {
        let mut stage = busy();
        stage.keys("H");
        stage.now += Duration::from_secs(60);
        stage
    });
}
