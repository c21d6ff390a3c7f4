//! Nothing is drawn outside the buffer, whatever the size and whatever is open.

use super::*;

fn stages() -> Vec<(&'static str, Stage)> {
    let mut stages = vec![
        ("first", Stage::new()),
        ("busy", busy()),
        ("racing", racing()),
        ("raced", raced()),
        ("podium", race::large()),
        ("four lanes", race::four()),
        ("laps", race::lapped()),
        ("serving", serving()),
        ("alarm", stranger()),
        ("history", history::recalled()),
        ("no session", session::screen(Stage::new())),
        ("session", session::recorded(session::CP2)),
        ("certificate", session::pane(1)),
        ("wire", session::pane(2)),
    ];
    for (name, keys) in [
        ("help", "?"),
        ("log", "e"),
        ("connect", "c x Tab y Tab"),
        ("go to", "g"),
        ("path", "g / a b c"),
        ("quit", "q"),
        ("filter", "/ m"),
        ("queue", "Tab Enter"),
        ("zoom", "z"),
        ("received", "Tab Tab j Enter"),
    ] {
        let mut stage = busy();
        stage.keys(keys);
        stages.push((name, stage));
    }
    stages
}

#[test]
fn every_size_from_nothing_up_is_drawn() {
    for (name, stage) in stages() {
        let mut stage = stage;
        for height in 0..30 {
            for width in 0..60 {
                stage.size = Rect::new(0, 0, width, height);
                let rows = stage.rows();
                let said = rows.concat().contains("upseal");
                assert!(
                    said || width < 6 || height < 1 || !rows.concat().trim().is_empty(),
                    "{name} {width}×{height}"
                );
            }
        }
    }
}

#[test]
fn every_size_around_each_step_of_the_layout_is_drawn() {
    for (name, stage) in stages() {
        let mut stage = stage;
        for (width, height) in [
            (71, 24),
            (72, 24),
            (72, 18),
            (72, 19),
            (109, 40),
            (110, 36),
            (139, 36),
            (140, 35),
            (300, 100),
            (80, 200),
        ] {
            stage.size = Rect::new(0, 0, width, height);
            assert!(stage.shows("upseal"), "{name} {width}×{height}");
        }
    }
}

#[test]
fn parts_are_left_out_in_a_fixed_order() {
    // In this order: rate chart, received files to one line, protocol to one line, all queue rows but one.
    let shown = |height| {
        let mut stage = busy().sized(80, height);
        let frames = |stage: &mut Stage, title: &str| {
            stage.rows().iter().any(|row| row.contains(&format!("╭ {title}")))
        };
        [
            frames(&mut stage, "Rate"),
            frames(&mut stage, "Received"),
            stage.rows().iter().any(|row| row.contains("╭ Protocol")),
            stage.shows("week9.html queued"),
            stage.shows("sending"),
        ]
    };
    assert_eq!(shown(40), [true, true, true, true, true]);
    assert_eq!(shown(24), [false, true, true, true, true]);
    assert_eq!(shown(20), [false, false, true, true, true]);
    assert_eq!(shown(16), [false, false, false, true, true]);
    assert_eq!(shown(12), [false, false, false, false, true]);
    assert_eq!(shown(11), [false; 5]);
    assert!(busy().sized(80, 11).shows("upseal needs 40×12; transfers continue"));
}

/// Where a fault of a file with control characters in its name is shown: over the screen, in the log, in the details.
#[test]
fn a_hostile_name_in_a_fault_is_escaped_once_wherever_it_is_shown() {
    let mut stage = busy().sized(200, 50);
    stage.state(Track::Job(JobId(2)), State::Failed(fault("cannot read e\u{1b}[2J\n.txt", "use e\u{1b}[2J")));
    for keys in [&[][..], &["Esc Esc Esc Esc", "e"], &["Esc", "Tab", "j i"]] {
        for keys in keys {
            stage.keys(keys);
        }
        let shown = stage.rows().join("\n");
        assert!(shown.contains(r"cannot read e\u{1b}[2J\n.txt"), "{keys:?}: {shown}");
        assert!(shown.contains(r"se e\u{1b}[2J"), "{keys:?}: {shown}");
        assert!(!shown.contains(r"\\u") && !shown.contains('\u{1b}'), "{keys:?}: {shown}");
    }
}

#[test]
fn hostile_names_stay_in_their_cells() {
    let mut stage = Stage::new();
    let names = [
        "\u{1b}[2J\u{1b}[H",
        "a\nb",
        "\u{202e}gpj.exe",
        "図面の長い名前のファイルですから切られます.pdf",
        "👩‍🚀👩‍🚀👩‍🚀",
        "e\u{301}\u{301}\u{301}",
        "",
    ];
    let entries = names.iter().map(|name| entry(name, Kind::File, 1, 0, "")).collect();
    let effects = stage.keys("C-l");
    stage.list(&effects[1..], entries);
    for width in 0..90 {
        stage.size.width = width;
        for row in stage.rows() {
            assert!(!row.contains(['\u{1b}', '\n', '\u{202e}']), "{row:?}");
        }
    }
    stage.size.width = 80;
    assert!(
        stage
            .rows()
            .iter()
            .filter(|row| row.ends_with("││") || row.contains("│╭") || row.contains("││"))
            .count()
            > 5
    );
}

#[test]
fn a_huge_folder_is_marked_and_shown_to_its_end() {
    let mut stage = Stage::new();
    let entries = (0..10_000).map(|i| entry(&format!("file{i:05}"), Kind::File, i, 0, "Tue 14:07")).collect();
    let effects = stage.keys("C-l");
    stage.list(&effects[1..], entries);
    stage.keys("a G");
    assert!(stage.shows("file09999") && !stage.shows("file00000"));
    assert!(stage.shows("10000 marked"));
}
