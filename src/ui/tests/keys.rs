//! What keys do: commands that are sent, and things that must not happen.

use super::*;
use crate::event::{FolderId, Padding, Skipped};
use crate::ui::keymap::Place;

pub(super) fn jobs(effects: &[Effect]) -> Vec<Job> {
    match effects {
        [Effect::Send(Command::Upload(jobs))] => jobs.clone(),
        other => panic!("no upload: {other:?}"),
    }
}

pub(super) fn names(jobs: &[Job]) -> Vec<String> {
    jobs.iter()
        .filter_map(|job| job.path.file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn u_sends_the_file_under_the_cursor() {
    let mut stage = Stage::new();
    let effects = stage.keys("u");
    let jobs = jobs(&effects);
    assert_eq!(names(&jobs), ["cmos.mp4"]);
    assert_eq!(jobs[0].dialect, Dialect::of(Variant::Cp2));
    assert_eq!(*jobs[0].target, Target::Embedded);
    assert_eq!(jobs[0].path, Path::new("/home/me/lectures/week9/cmos.mp4"));
}

#[test]
fn a_marked_folder_is_sent_with_everything_in_it_and_the_parent_cannot_be_marked() {
    let mut stage = Stage::new();
    let effects = stage.keys("Home Space Space Space");
    assert!(stage.shows("1 and 1 folder marked"), "{effects:?}");
    let effects = stage.keys("u");
    let [Effect::Send(Command::UploadFolder(order)), Effect::Send(Command::Upload(jobs))] = &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!(order.path.parent(), Some(Path::new("/home/me/lectures/week9")));
    assert_eq!((order.id, order.dialect, &order.target), (FolderId(1), jobs[0].dialect, &*jobs[0].target));
    assert!(!stage.shows("marked"));
    let effects = stage.keys("Home j Space u");
    assert!(matches!(&effects[..], [Effect::Send(Command::UploadFolder(order))] if order.id == FolderId(2)));
    let path = PathBuf::from("/home/me/tree/link");
    stage.event(Event::Skipped { folder: FolderId(1), path, why: Skipped::Link });
    let job = Job::new(FolderId(1).job(1), "/home/me/tree/a.txt", Target::Embedded, jobs[0].dialect);
    stage.event(Event::Queued { job: Job { name: Some("tree/a.txt".into()), ..job }, size: 5 });
    assert!(stage.shows("tree/a.txt"));
}

#[test]
fn u_sends_the_marks_once_and_job_numbers_are_never_used_twice() {
    let mut stage = Stage::new();
    let first = jobs(&stage.keys("Space Space Home u"));
    assert_eq!(names(&first), ["cmos.mp4", "image.ppm"]);
    let second = jobs(&stage.keys("j j u"));
    assert_eq!(names(&second), ["cmos.mp4"], "the marks are gone");
    let mut ids: Vec<JobId> = first.iter().chain(&second).map(|job| job.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn enter_opens_a_folder_and_l_never_sends() {
    let mut stage = Stage::new();
    assert!(stage.keys("l").is_empty(), "l on a file does nothing");
    let effects = stage.keys("Home j Enter");
    assert!(
        matches!(&effects[..], [Effect::List(request)] if request.folder.ends_with("figures")),
        "{effects:?}"
    );
    assert_eq!(names(&jobs(&stage.keys("j Enter"))), ["cmos.mp4"]);
}

#[test]
fn an_upload_of_nothing_is_a_message() {
    let mut stage = Stage::new();
    assert!(stage.keys("Home u").is_empty());
    assert!(stage.shows("Nothing to upload"));
}

#[test]
fn marks_are_kept_across_folders_and_escape_does_not_clear_them() {
    let mut stage = Stage::new();
    stage.keys("Space");
    let up = stage.keys("h");
    stage.list(&up, vec![entry("week9", Kind::Folder, 0, 0, ""), entry("other.bin", Kind::File, 7, 0, "")]);
    assert!(stage.row("week9/").contains('▸'), "the cursor is on the folder that was left");
    stage.keys("j Space Esc Esc");
    assert_eq!(names(&jobs(&stage.keys("u"))), ["other.bin", "cmos.mp4"]);
}

#[test]
fn the_latest_servers_are_offered_after_the_saved_ones() {
    let mut stage = Stage::new();
    stage.keys("c o n e : 1 Enter c C-u t w o : 2 Enter c");
    assert!(stage.row("host:port").contains("two:2") && stage.shows("1 saved or recent"));
    stage.keys("Right");
    assert!(stage.row("host:port").contains("one:1"));
}

#[test]
fn d_removes_an_upload_and_capital_d_all_that_arrived_or_were_cancelled() {
    let mut stage = busy();
    stage.upload(4, "a.txt", 1);
    stage.upload(5, "b.txt", 1);
    stage.state(Track::Job(JobId(4)), State::Cancelled);
    stage.state(Track::Job(JobId(5)), State::Failed(fault("the server hung up", "")));
    let effects = stage.keys("Tab D");
    assert_eq!(
        effects,
        [JobId(1), JobId(4)].map(|id| Effect::Send(Command::Remove(id))),
        "not the failed one"
    );
    for id in [1, 4] {
        stage.event(Event::Removed { job: JobId(id) });
    }
    assert!(stage.row("Queue").contains("0 of 3 delivered, 1 failed"));
    stage.event(Event::Progress { track: Track::Job(JobId(2)), snapshot: under_way() });
    stage.state(Track::Job(JobId(3)), State::Cancelled);
    assert!(stage.row("week9.html").contains("41.2 KiB"));
    assert_eq!(stage.keys("D"), [Effect::Send(Command::Remove(JobId(3)))]);
    assert_eq!(stage.keys("G d"), [Effect::Send(Command::Remove(JobId(5)))], "b.txt");
}

#[test]
fn all_none_and_invert_mark_files_only() {
    let mut stage = Stage::new();
    stage.keys("a");
    assert!(stage.shows("4 marked"));
    stage.keys("Space *");
    assert!(stage.shows("1 marked · 104 MiB"));
    stage.keys("A");
    assert!(!stage.shows("marked"));
    stage.keys("Home Space");
    assert!(!stage.shows("marked"), "the parent cannot be marked");
    stage.keys("Home j Space a");
    assert!(stage.shows("4 and 1 folder marked"), "a folder is marked by itself only");
}

#[test]
fn a_late_listing_of_an_earlier_folder_is_dropped() {
    let mut stage = Stage::new();
    let slow = stage.keys("h");
    let quick = stage.keys("k Enter");
    stage.list(&quick, vec![entry("quick", Kind::File, 1, 0, "")]);
    stage.list(&slow, vec![entry("slow", Kind::File, 1, 0, "")]);
    assert!(stage.shows("quick") && !stage.shows("slow"));
}

#[test]
fn an_unreadable_folder_shows_the_error_and_can_be_left() {
    let mut stage = Stage::new();
    let effects = stage.keys("k Enter");
    let Some(Effect::List(request)) = effects.first() else { panic!("{effects:?}") };
    let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    stage.part(listing(request, Err(denied)));
    assert!(stage.shows("Permission denied"));
    assert!(matches!(&stage.keys("h")[..], [Effect::List(request)] if request.folder.ends_with("week9")));
}

#[test]
fn the_protocol_and_the_padding_turn() {
    let mut stage = Stage::new();
    for shown in ["[Plain]", "[AP]", "[CP1]", "[CP2]"] {
        stage.keys("p");
        assert!(stage.shows(shown), "{shown}");
    }
    stage.keys("P o");
    assert!(stage.shows("[CP1]") && stage.row("padding").contains("PKCS1v15"));
    let job = jobs(&stage.keys("u")).remove(0);
    assert_eq!((job.dialect.variant, job.dialect.padding), (Variant::Cp1, Padding::Pkcs1v15));
}

#[test]
fn the_dialog_sets_the_server_of_uploads_and_lanes() {
    let mut stage = Stage::new();
    stage.keys("c h o s t : 9 9 Tab ~ / c a Tab Space Enter");
    let job = jobs(&stage.keys("u")).remove(0);
    let there = Target::server("host:99".parse().unwrap(), Some("/home/me/ca".into()));
    assert_eq!(*job.target, there);
    assert_eq!(job.dialect.padding, Padding::Pkcs1v15);
    assert!(stage.shows("host:99 not yet proven"));
    // Lane 2 goes to another server.
    stage.keys("2 Tab c C-u o t h e r Enter 1");
    let effects = stage.keys("r");
    let [Effect::Send(Command::Race(RaceOrder { lanes, subject, .. }))] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(lanes[0].target, there);
    assert!(
        matches!(&lanes[1].target, Target::Server { address, .. } if address.to_string() == "other:4321")
    );
    assert!(matches!(subject, Subject::File { limit: Some(n), .. } if *n == 8 * MIB));
}

#[test]
fn a_bad_address_is_refused_in_the_dialog() {
    let mut stage = Stage::new();
    stage.keys("c a : b Enter");
    assert!(stage.shows("Invalid address"));
    stage.keys("Esc");
    assert!(stage.shows("127.0.0.1:4321 not yet proven"));
}

#[test]
fn a_race_starts_once_stops_and_changes_its_size() {
    let mut stage = Stage::new();
    assert!(stage.keys("2 Enter").is_empty(), "no file yet");
    let effects = stage.keys("1 r");
    assert_eq!(limit_of(&effects), Some(8 * MIB));
    assert!(stage.keys("Enter").is_empty(), "too soon to mean stop");
    stage.now += Duration::from_secs(1);
    assert_eq!(stage.keys("Enter"), [Effect::Send(Command::StopRace)]);
    let mut stage = raced();
    stage.now += Duration::from_secs(1);
    stage.keys("s");
    assert!(stage.shows("first 64 MiB"));
    stage.keys("s");
    assert!(stage.shows("all 104 MiB"));
    let effects = stage.keys("Enter");
    assert_eq!(limit_of(&effects), None);
}

/// Returns the limit on the file of the race that was ordered.
fn limit_of(effects: &[Effect]) -> Option<u64> {
    let [Effect::Send(Command::Race(order))] = effects else { panic!("{effects:?}") };
    let Subject::File { limit, .. } = &order.subject else { panic!("{order:?}") };
    *limit
}

#[test]
fn a_slow_cp1_upload_needs_a_confirmation() {
    let mut stage = raced();
    stage.now += Duration::from_secs(1);
    stage.keys("1 p p p");
    let again = stage.keys("C-l");
    stage.list(&again[1..], vec![entry("film.mkv", Kind::File, 22 << 30, 0, "")]);
    assert!(stage.keys("G u").is_empty(), "held back");
    assert!(stage.shows("22 GiB takes about 2 h 9 min in CP1, about 56 s in CP2."));
    let job = jobs(&stage.keys("2")).remove(0);
    assert_eq!(job.dialect.variant, Variant::Cp2);
    stage.keys("P");
    assert!(stage.keys("G u Esc").is_empty());
    let job = jobs(&stage.keys("u Enter")).remove(0);
    assert_eq!(job.dialect.variant, Variant::Cp1);
}

#[test]
fn before_any_rate_is_known_cp1_is_confirmed_by_its_operations() {
    let mut stage = Stage::new();
    let again = stage.keys("p p p C-l");
    stage.list(&again[1..], vec![entry("film.mkv", Kind::File, 1 << 30, 0, "")]);
    assert!(stage.keys("G u").is_empty());
    assert!(stage.shows("17,318,417 RSA operations"));
}

#[test]
fn control_c_cancels_then_quits() {
    let mut stage = busy();
    assert_eq!(stage.keys("C-c"), [Effect::Send(Command::CancelAll)]);
    assert!(stage.shows("Press Ctrl-C again to quit"));
    assert_eq!(stage.keys("C-c"), [Effect::Quit]);
    assert_eq!(Stage::new().keys("C-c"), [Effect::Quit]);
    // In a text or a dialog it closes what is open, as Esc does: no footer there offers to cancel or to quit.
    for open in ["/", "g", "c", "?", "e", "q"] {
        let mut stage = busy();
        let at_rest = stage.app.place();
        stage.keys(open);
        assert_ne!(stage.app.place(), at_rest, "{open}");
        assert!(stage.keys("C-c").is_empty(), "{open}");
        assert_eq!(stage.app.place(), at_rest, "{open}");
    }
}

#[test]
fn q_asks_only_if_something_runs() {
    assert_eq!(Stage::new().keys("q"), [Effect::Quit]);
    let mut stage = busy();
    assert!(stage.keys("q").is_empty());
    assert!(stage.keys("Esc").is_empty());
    assert_eq!(stage.keys("q Enter"), [Effect::Quit]);
}

#[test]
fn escape_closes_overlay_input_filter_then_nothing() {
    let mut stage = Stage::new();
    stage.keys("/ c Enter ?");
    assert!(stage.shows("Keys"));
    stage.keys("Esc");
    assert!(!stage.shows("Keys") && stage.shows("Esc shows all"));
    stage.keys("Esc");
    assert!(!stage.shows("Esc shows all"));
    assert!(stage.keys("Esc Esc").is_empty());
}

#[test]
fn closing_help_returns_to_the_dialog() {
    let mut stage = Stage::new();
    stage.keys("c a b F1");
    assert_eq!(stage.app.place(), Place::Help);
    stage.keys("/ z q");
    assert!(stage.shows("No match"));
    stage.keys("Esc Esc");
    assert!(stage.row("host:port").contains("ab"));
}

#[test]
fn keys_of_the_queue_act_on_the_upload_under_the_cursor() {
    let mut stage = busy();
    stage.keys("Tab");
    assert_eq!(stage.keys("G x"), [Effect::Send(Command::Cancel(JobId(3)))]);
    assert_eq!(stage.keys("g d"), [Effect::Send(Command::Remove(JobId(1)))]);
    assert!(stage.keys("t").is_empty(), "what is delivered is not tried again");
    assert!(stage.keys("j d").is_empty(), "what runs is not removed");
    stage.state(Track::Job(JobId(2)), State::Failed(fault("the server hung up", "try again")));
    assert_eq!(stage.keys("t"), [Effect::Send(Command::Retry(JobId(2)))]);
    assert_eq!(stage.keys("T"), [Effect::Send(Command::RetryFailed)]);
    assert_eq!(stage.keys("X"), [Effect::Send(Command::CancelAll)]);
}

#[test]
fn a_failure_shows_reason_side_and_advice_and_is_logged() {
    let mut stage = busy();
    stage.state(Track::Job(JobId(2)), State::Failed(fault("the server hung up", "Press t to try again")));
    assert!(stage.shows("cmos.mp4: the server hung up"));
    assert!(stage.shows("This is on the server's side. Press t to try again"));
    stage.now += Duration::from_secs(30);
    stage.settle();
    assert!(!stage.shows("This is on"));
    stage.keys("e");
    assert!(stage.shows("cmos.mp4: the server hung up"));
}

#[test]
fn a_paste_presses_no_keys() {
    let mut stage = Stage::new();
    stage.app.on_paste("u\nq\n");
    assert!(!stage.app.screens.is_busy() && stage.screen() == "Upload");
    stage.keys("g");
    stage.app.on_paste("/tmp\n");
    let effects = stage.keys("Enter");
    assert!(
        matches!(&effects[..], [Effect::List(request)] if request.folder == Path::new("/tmp")),
        "{effects:?}"
    );
}

#[test]
fn a_pasted_link_offers_to_connect_on_every_screen() {
    let link = format!("upseal://lab:99#sha256-{}", "ab".repeat(32));
    for screen in ["1", "2", "3", "4", "5"] {
        let mut stage = Stage::new();
        stage.keys(screen);
        stage.app.on_paste(&format!("{link}\n"));
        assert!(stage.shows("host:port"), "screen {screen}: {:?}", stage.rows());
        // A second paste replaces the first, and nothing is accepted before Enter.
        stage.app.on_paste(&link);
        stage.keys("Enter");
        if screen == "1" {
            assert!(stage.shows("lab:99"), "{:?}", stage.rows());
            stage.keys("c");
            assert!(stage.shows("#sha256-abab") || stage.shows("abab"), "{:?}", stage.rows());
        }
    }
    // In another text it is text, and over a question it is nothing.
    let mut stage = Stage::new();
    stage.keys("/");
    stage.app.on_paste(&link);
    assert!(!stage.shows("host:port"));
}

#[test]
fn the_footer_shows_the_keys_of_the_focused_pane() {
    let mut stage = Stage::new();
    let last = |stage: &mut Stage| stage.rows().pop().unwrap_or_default();
    assert_eq!(
        last(&mut stage).trim(),
        "u upload  Space mark  p protocol  r race  c server  / filter  Tab pane  ? keys"
    );
    stage.keys("Tab");
    assert!(last(&mut stage).contains("x cancel"));
    stage.keys("2");
    assert!(last(&mut stage).contains("Enter start  s size"));
    stage.keys("c");
    assert!(last(&mut stage).contains("Enter accept"));
}

#[test]
fn the_mouse_selects_and_scrolls() {
    use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
    let mut stage = Stage::new();
    stage.settle();
    let mouse = |kind, column, row| MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
    stage.app.on_mouse(mouse(MouseEventKind::Down(MouseButton::Left), 10, 4), stage.now);
    assert!(stage.row("cmos.mp4").contains('▸'));
    stage.app.on_mouse(mouse(MouseEventKind::ScrollDown, 10, 4), stage.now);
    assert!(stage.row("week9.html").contains('▸'));
    stage.app.on_mouse(mouse(MouseEventKind::Down(MouseButton::Left), 20, 0), stage.now);
    assert_eq!(stage.screen(), "Race");
    for (column, row) in [(0, 0), (79, 23), (500, 500), (40, 12)] {
        stage.app.on_mouse(mouse(MouseEventKind::Down(MouseButton::Left), column, row), stage.now);
    }
}

#[test]
fn a_race_that_cannot_begin_shows_why_and_ends() {
    let mut stage = Stage::new();
    stage.keys("r");
    let why = fault("cmos.mp4 cannot be read: permission denied", "Look at its permissions");
    let lane = |variant| LaneResult::failed(Dialect::of(variant), why.clone());
    let lanes = vec![lane(Variant::Cp1), lane(Variant::Cp2)];
    stage.event(Event::RaceFinished {
        verdict: Verdict {
            name: "cmos.mp4".into(),
            bytes: 0,
            lanes,
            engines: Engines::default(),
            course: Course::InTurn,
            laps: 1,
            others: None,
        },
    });
    assert!(stage.shows("lane 2: cmos.mp4 cannot be read"));
    assert!(!stage.app.screens.is_busy());
    stage.now += Duration::from_secs(60);
    assert!(stage.row("╭ CP1").contains("failed ✗"));
}

/// A small random generator: the same keys in every run.
#[test]
fn no_sequence_of_keys_panics_or_sends_without_being_asked() {
    let keys = [
        "j", "k", "Tab", "S-Tab", "Space", "a", "*", "A", ".", ",", "/", "g", "h", "l", "p", "P", "o", "c",
        "e", "?", "1", "2", "4", "z", "Esc", "Enter", "G", "Home", "PgDn", "C-a", "C-u", "C-w", "C-k", "C-l",
        "x", "d", "q", "n", "s", "F1", "Up", "Down", "Bksp",
    ];
    let mut seed = 42_u64;
    let mut stage = serving();
    stage.keys("1");
    for step in 0..20_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let key = keys[usize::try_from(seed >> 33).unwrap_or(0) % keys.len()];
        let effects = stage.keys(key);
        let sends = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Send(Command::Upload(_) | Command::Race(_))));
        assert!(!sends || key == "Enter", "{key} sent at step {step}");
        if step % 97 == 0 {
            stage.size = Rect::new(
                0,
                0,
                u16::try_from(seed % 130).unwrap_or(0),
                u16::try_from(seed % 47).unwrap_or(0),
            );
            stage.rows();
        }
    }
}

#[test]
fn y_copies_what_the_cursor_is_on() {
    let mut stage = busy();
    let copied = |effects: Vec<Effect>| match &effects[..] {
        [Effect::Copy(text)] => text.clone(),
        other => panic!("nothing copied: {other:?}"),
    };
    stage.app.screens.show(0);
    let path = copied(stage.keys("Home j j y"));
    assert!(path.starts_with("/home/me/lectures/week9/"), "{path}");
    assert!(stage.shows("Copied the path: "));
    let receipt = Some(PathBuf::from("/r/a.receipt"));
    let stored = State::Stored {
        name: "image.ppm".into(),
        named: crate::event::Named::Stored,
        receipt,
        earlier: None,
    };
    stage.state(Track::Job(JobId(1)), stored);
    assert_eq!(copied(stage.keys("Tab Home y")), "/r/a.receipt");
    assert_eq!(copied(stage.keys("3 y")), format!("sha256:{}", proof().fingerprint));
    assert!(Stage::new().keys("2 y").is_empty());
}

#[test]
fn a_click_presses_a_key_of_the_footer_and_a_second_one_opens_a_row() {
    use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
    let mut stage = Stage::new();
    stage.settle();
    let click = |stage: &mut Stage, column, row| {
        let kind = MouseEventKind::Down(MouseButton::Left);
        let effects =
            stage.app.on_mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }, stage.now);
        stage.settle();
        effects
    };
    let rows = stage.rows();
    let find = |text: &str| {
        let y = rows.iter().position(|row| row.contains(text)).unwrap();
        let x = rows[y].split(text).next().unwrap().chars().count();
        (u16::try_from(x).unwrap(), u16::try_from(y).unwrap())
    };
    let (x, y) = find("? keys");
    click(&mut stage, x, y);
    assert_eq!(stage.app.place(), Place::Help);
    let last = stage.rows().pop().unwrap();
    let close = u16::try_from(last.split("Esc").next().unwrap().chars().count()).unwrap();
    click(&mut stage, close, y);
    assert_eq!(stage.app.place(), Place::Browser);
    let (x, y) = find("figures/");
    assert!(click(&mut stage, x, y).is_empty());
    let opened = click(&mut stage, x, y);
    assert!(
        matches!(&opened[..], [Effect::List(request)] if request.folder.ends_with("figures")),
        "{opened:?}"
    );
    let mut stage = Stage::new();
    stage.settle();
    let (x, y) = find("cmos.mp4");
    click(&mut stage, x, y);
    assert!(click(&mut stage, x, y).is_empty(), "a double click never sends");
    stage.now += Duration::from_secs(1);
    assert!(click(&mut stage, x, y).is_empty());
}

#[test]
fn the_header_keeps_the_address_and_the_key_length_and_says_when_the_server_is_away() {
    let mut stage = Stage::new();
    stage.keys("c h o s t . e x a m p l e . o r g : 9 9 9 9 Enter");
    let address: crate::event::ServerAddress = "host.example.org:9999".parse().unwrap();
    stage.upload(1, "image.ppm", 7);
    let target =
        Target::Server { address: address.clone(), ca: None, expected: crate::event::Expected::default() };
    stage.app.shared.link.target = target.clone();
    stage.app.shared.link.proof = Some(proof());
    assert!(stage.rows()[0].contains("host.example.org:9999 ✓ proven 1024-bit"), "{:?}", stage.rows()[0]);
    stage.event(Event::Away { address, waiting: 1 });
    assert!(stage.rows()[0].contains("host.example.org:9999 ✗ away"), "{:?}", stage.rows()[0]);
}
