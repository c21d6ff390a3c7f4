//! Folders in the queue: one row that opens into its files.

use super::pictures::picture;
use super::*;
use crate::event::{FolderId, Named, Skipped};

const FOLDER: FolderId = FolderId(1);

/// Returns a screen with a folder of `files` files of which nothing is sent yet, and a single file behind it.
pub(super) fn folder(files: u32, complete: bool) -> Stage {
    let mut stage = Stage::new();
    stage.keys("Home j Space u");
    for number in 1..=files {
        let name = format!("figures/plates/plate {number:02}.png");
        let path = PathBuf::from("/home/me/lectures/week9").join(&name);
        let job = Job::new(FOLDER.job(number), path, Target::Embedded, Dialect::of(Variant::Cp2));
        stage.event(Event::Queued {
            job: Job { folder: Some(FOLDER), name: Some(name), ..job },
            size: 2 * MIB,
        });
    }
    scanned(&mut stage, u64::from(files), 0, complete);
    stage.upload(1, "notes.txt", 812);
    stage
}

fn scanned(stage: &mut Stage, files: u64, skipped: u64, complete: bool) {
    let path = PathBuf::from("/home/me/lectures/week9/figures");
    stage.event(Event::Scanned { folder: FOLDER, path, files, bytes: files * 2 * MIB, skipped, complete });
}

fn skip(stage: &mut Stage, name: &str, why: Skipped) {
    let path = PathBuf::from("/home/me/lectures/week9/figures").join(name);
    stage.event(Event::Skipped { folder: FOLDER, path, why });
}

fn track(number: u32) -> Track {
    Track::Job(FOLDER.job(number))
}

fn stored() -> State {
    State::Stored { name: "x".into(), named: Named::Stored, receipt: None, earlier: None }
}

/// Sends a file of the folder to its end. A receipt names it as it was sent.
fn send(stage: &mut Stage, number: u32, mut end: State) {
    if let State::Stored { name, .. } = &mut end {
        *name = format!("plate {number:02}.png").into();
    }
    stage.state(track(number), State::Connecting);
    stage.state(track(number), State::Sending);
    let snapshot = Snapshot {
        file_bytes: 2 * MIB,
        file_total: 2 * MIB,
        wire_bytes: 2_796_300,
        wire_total: 2_796_300,
        elapsed_ms: 5,
        ..Snapshot::default()
    };
    stage.event(Event::Progress { track: track(number), snapshot });
    stage.state(track(number), end);
}

/// Returns a folder of 20 files of which 7 are stored and the 8th is being sent.
fn sending() -> Stage {
    let mut stage = folder(20, true);
    for number in 1..=7 {
        send(&mut stage, number, stored());
    }
    stage.now += Duration::from_secs(2);
    stage.state(track(8), State::Connecting);
    stage.state(track(8), State::Sending);
    let snapshot = Snapshot {
        file_bytes: MIB,
        file_total: 2 * MIB,
        wire_bytes: 1_400_000,
        wire_total: 2_796_300,
        elapsed_ms: 300,
        rate_now: 3.5e6,
        rate_mean: 3.3e6,
        rate_peak: 4e6,
        eta_ms: Some(300),
        ..Snapshot::default()
    };
    stage.event(Event::Progress { track: track(8), snapshot });
    stage
}

#[test]
fn a_folder_is_one_row_that_opens_and_closes() {
    let mut stage = sending();
    let row = stage.row("+ figures/");
    assert!(row.contains("sending") && row.contains(" 37 %  7 of 20 files"), "{row}");
    let below = stage.row("plates/plate 08.png");
    assert!(below.contains("3.34 MiB/s now"), "{below}");
    assert!(stage.shows("Queue 7 of 21 delivered"));
    assert!(stage.row("Queue 7").contains("ETA 7 s"), "25 MiB are left: {}", stage.row("Queue 7"));
    stage.keys("Tab");
    for (open, close) in [("l", "h"), ("Right", "Left"), ("Enter", "Enter")] {
        stage.keys(open);
        assert!(stage.shows("- figures/") && stage.shows("  plates/plate 01.png stored ✓"), "{open}");
        stage.keys(close);
        assert!(stage.shows("+ figures/") && !stage.shows("plate 01.png"), "{close}");
    }
    // From a file inside of it, too.
    stage.keys("l j j h");
    assert!(stage.shows("+ figures/"));
    stage.keys("j");
    assert_eq!(stage.keys("x"), [Effect::Send(Command::Cancel(JobId(1)))]);
    picture("folder_80x24", sending());
    let mut open = sending().sized(120, 40);
    open.keys("Tab l j j j");
    picture("folder_open_120x40", open);
    picture("folder_40x12", sending().sized(40, 12));
}

#[test]
fn while_a_folder_is_read_its_numbers_are_lower_bounds() {
    let mut stage = Stage::new();
    stage.keys("Home j Space u");
    assert!(stage.row("+ figures/").contains("reading") && stage.shows("at least 0 files"));
    assert!(stage.shows("Queue: reading a folder"));
    stage.keys("q");
    assert!(stage.shows("Quit?"), "quitting now would lose it");
    let mut stage = folder(3, false);
    assert!(stage.row("+ figures/").contains("at least 3 files, 6 MiB"));
    send(&mut stage, 1, stored());
    stage.state(track(2), State::Sending);
    assert!(stage.row("+ figures/").contains("1 of at least 3 files"));
    assert!(stage.shows("Queue 1 of at least 4 delivered") && !stage.shows("ETA"));
    scanned(&mut stage, 3, 0, true);
    assert!(stage.row("+ figures/").contains(" 33 %  1 of 3 files") && stage.shows("Queue 1 of 4 delivered"));
}

#[test]
fn what_is_not_sent_is_in_the_folder_with_its_reason() {
    let mut stage = folder(2, false);
    skip(&mut stage, "fifo", Skipped::Special);
    skip(
        &mut stage,
        "locked",
        Skipped::Failed(Fault::local("cannot read figures/locked: permission denied")),
    );
    scanned(&mut stage, 2, 2, true);
    for number in 1..=2 {
        send(&mut stage, number, stored());
    }
    let row = stage.row("+ figures/");
    assert!(row.contains("stored ✓") && row.contains("2 files, 4 MiB in"), "{row}");
    stage.keys("Tab z l");
    assert!(
        stage.row("  fifo").contains("skipped") && stage.row("  fifo").contains("it is not a regular file")
    );
    assert!(stage.row("  locked").contains("cannot read figures/locked"));
    stage.keys("j j j Enter");
    assert!(stage.shows("fifo: it is not a regular file"), "{}", stage.rows().join("\n"));
    stage.keys("Esc z");
    // A folder without files says so, and can be removed.
    let mut stage = folder(0, false);
    skip(&mut stage, "", Skipped::Empty);
    scanned(&mut stage, 0, 1, true);
    let row = stage.row("+ figures/");
    assert!(row.contains("empty") && row.contains("no files to send, 1 skipped"), "{row}");
    stage.keys("Tab g d");
    assert!(!stage.shows("+ figures/") && stage.shows("notes.txt"), "{}", stage.rows().join("\n"));
}

#[test]
fn failures_are_counted_and_the_whole_folder_is_cancelled_retried_and_removed() {
    let mut stage = folder(4, true);
    send(&mut stage, 1, stored());
    stage.keys("Tab g");
    assert_eq!(stage.keys("x"), [Effect::Send(Command::CancelFolder(FOLDER))]);
    for number in 2..=3 {
        send(&mut stage, number, State::Failed(fault("the server hung up", "try again")));
    }
    assert!(
        stage.shows("plate 02.png: the server hung up") && !stage.shows("plate 03.png: the server"),
        "told once"
    );
    stage.state(track(4), State::Cancelled);
    stage.keys("Esc");
    let row = stage.row("+ figures/");
    assert!(row.contains("partial ✗") && row.contains("1 of 4 files, 2 failed, 1 cancelled"), "{row}");
    let again: Vec<_> = (2..=4).map(|number| Effect::Send(Command::Retry(FOLDER.job(number)))).collect();
    assert_eq!(stage.keys("t"), again);
    let gone: Vec<_> = (1..=4).map(|number| Effect::Send(Command::Remove(FOLDER.job(number)))).collect();
    assert_eq!(stage.keys("d"), gone);
    for number in 1..=4 {
        stage.event(Event::Removed { job: FOLDER.job(number) });
    }
    assert!(!stage.shows("+ figures/") && stage.shows("Queue 0 of 1 delivered"));
    assert_eq!(stage.keys("x"), [Effect::Send(Command::Cancel(JobId(1)))], "the cursor is on what is left");
}

#[test]
fn a_folder_is_paused_and_resumed_file_by_file() {
    let mut stage = folder(3, true);
    stage.state(track(1), State::Connecting);
    let pause = [2, 3].map(|number| Effect::Send(Command::Pause(FOLDER.job(number))));
    assert_eq!(stage.keys("Tab g Space"), pause, "what runs is finished");
    send(&mut stage, 1, stored());
    for number in [2, 3] {
        stage.state(track(number), State::Paused);
    }
    let row = stage.row("+ figures/");
    assert!(row.contains("paused") && row.contains("1 of 3 files"), "{row}");
    let resume = [2, 3].map(|number| Effect::Send(Command::Resume(FOLDER.job(number))));
    assert_eq!(stage.keys("Space"), resume);
}

#[test]
fn what_has_not_begun_changes_places() {
    let mut stage = folder(2, true);
    let files = vec![FOLDER.job(1), FOLDER.job(2)];
    let reorder = |jobs: &[JobId], before| [Effect::Send(Command::Reorder { jobs: jobs.to_vec(), before })];
    assert_eq!(stage.keys("Tab g J"), reorder(&[JobId(1)], files[0]));
    assert_eq!(stage.keys("K"), reorder(&files, JobId(1)), "the cursor moves with the folder");
    assert_eq!(stage.keys("l j j K"), reorder(&files[1..], files[0]), "inside of a folder, too");
    assert_eq!(stage.keys("K"), [], "the first file of a folder stays in it");
    stage.state(track(2), State::Connecting);
    assert_eq!(stage.keys("J"), [], "what runs keeps its place");
    assert!(stage.shows("Only what has not begun changes places."));
}

#[test]
fn the_summary_counts_everything_that_was_queued() {
    let lines = |stage: &Stage| {
        let summary = stage.app.screens.upload.summary(stage.now);
        summary.map(|summary| summary.lines()).unwrap_or_default()
    };
    assert_eq!(lines(&Stage::new()), [""; 0]);
    let mut stage = folder(4, false);
    stage.state(track(1), State::Connecting);
    stage.now += Duration::from_secs(2);
    send(&mut stage, 1, stored());
    send(&mut stage, 2, State::Failed(fault("the server hung up", "try again")));
    skip(&mut stage, "fifo", Skipped::Special);
    stage.state(track(3), State::Cancelled);
    let expected = [
        "1 of 5 files arrived: 2 MiB in 2.0 s, 1 MiB/s, 5.33 MiB on the wire at 22.4 Mbit/s",
        "1 file failed (figures/plates/plate 02.png): the server hung up",
        "3 files cancelled (figures/plates/plate 03.png, figures/plates/plate 04.png, notes.txt)",
        "1 item of folders skipped",
    ];
    assert_eq!(lines(&stage), expected);
    // What is removed from the list is still in the summary.
    stage.event(Event::Removed { job: FOLDER.job(1) });
    stage.event(Event::Removed { job: FOLDER.job(2) });
    assert_eq!(lines(&stage), expected);
    assert_eq!(stage.app.screens.upload.unread(), [crate::messages::escape("figures")]);
}

#[test]
fn a_file_that_the_server_keeps_under_another_name_says_so_first() {
    let mut stage = folder(0, true);
    let end =
        State::Stored { name: "notes (2).txt".into(), named: Named::Stored, receipt: None, earlier: None };
    stage.state(Track::Job(JobId(1)), State::Sending);
    let snapshot = Snapshot { file_total: 812, wire_total: 900, ..under_way() };
    stage.event(Event::Progress { track: Track::Job(JobId(1)), snapshot });
    stage.state(Track::Job(JobId(1)), end);
    assert!(stage.row("stored ✓").contains("as notes (2).txt, 812 B in"), "{}", stage.row("stored ✓"));
}

#[test]
fn folders_with_cp1_are_confirmed_because_their_sizes_are_not_known() {
    let mut stage = Stage::new();
    let effects = stage.keys("P Home j Space u");
    assert!(effects.iter().all(|effect| !matches!(effect, Effect::Send(_))), "{effects:?}");
    assert!(stage.shows("Folders are measured while they are sent."));
    let effects = stage.keys("2");
    assert!(
        matches!(&effects[..], [Effect::Send(Command::UploadFolder(order))] if order.dialect.variant == Variant::Cp2)
    );
}

/// Returns what stands behind the state of the row.
fn behind<'a>(row: &'a str, state: &str) -> &'a str {
    let (before, rest) = row.split_once(state).unwrap_or_else(|| panic!("no {state:?} in {row:?}"));
    assert!(before.ends_with(' '), "the name and the state run together: {row:?}");
    let rest = rest.trim_end_matches(['│', ' ']);
    assert!(rest.is_empty() || rest.starts_with(' '), "the state and what follows run together: {row:?}");
    rest.trim_start()
}

#[test]
fn no_width_cuts_a_number_of_a_folder_or_joins_two_labels() {
    let ended = |failed: u32| {
        let mut stage = folder(12, true);
        stage.state(track(1), State::Connecting);
        stage.now += Duration::from_millis(1500);
        for number in 1..=12 {
            let failure = State::Failed(fault("the server hung up", "try again"));
            send(&mut stage, number, if number > failed { stored() } else { failure });
        }
        scanned(&mut stage, 12, 3, true);
        // The message about the first failure disappears.
        stage.now += Duration::from_secs(60);
        stage
    };
    for width in 40..=200 {
        let mut stage = ended(0).sized(width, 24);
        let row = stage.row("+ figures/");
        let (rest, said) = (
            behind(&row, "stored ✓"),
            "12 files, 24 MiB in 1.5 s, 16 MiB/s, 32.0 MiB on the wire, 3 skipped",
        );
        let is_whole = said
            .strip_prefix(rest)
            .is_some_and(|more| ["", ", ", " in "].iter().any(|end| more.starts_with(end)));
        assert!(is_whole && !rest.is_empty(), "{width}: {rest:?} of {said:?}");
        let mut stage = ended(5).sized(width, 24);
        let row = stage.row("+ figures/");
        let (rest, said) = (behind(&row, "partial ✗"), "7 of 12 files, 5 failed, 3 skipped");
        let is_whole = said.strip_prefix(rest).is_some_and(|more| more.is_empty() || more.starts_with(", "));
        assert!(is_whole || rest == "7 of 12", "{width}: {rest:?}");
        let mut stage = sending().sized(width, 24);
        let row = stage.row("+ figures/");
        if width >= 52 {
            behind(&row, "sending");
        }
        let figures =
            row.trim_end_matches(['│', ' ']).rsplit(['█', '░', '▌', '▍', '▎', '▏', '▋', '▊', '▉']).next();
        let figures = figures.unwrap_or_default().trim();
        assert!(
            ["37 %  7 of 20 files", "7 of 20 files", "37 %"].contains(&figures),
            "{width}: {figures:?} in {row}"
        );
        assert!(!row.contains("progress█") && !row.contains("sendingprogress"), "{row}");
    }
}
