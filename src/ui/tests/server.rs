//! Screen 4 and the pane of received files: sessions, refusals, and the keys of the server.

use super::pictures::{at_each_size, picture};
use super::*;

/// Returns a server with clients in every stage.
fn busy_server() -> Stage {
    let mut stage = serving();
    let open = |stage: &mut Stage, id: u64, peer: &str| {
        stage.event(Event::SessionOpened { session: SessionId(id), peer: peer.into() });
    };
    open(&mut stage, 3, "192.168.1.20:40000");
    open(&mut stage, 4, "192.168.1.21:40001");
    stage.event(Event::SessionProved { session: SessionId(4) });
    open(&mut stage, 5, "192.168.1.22:40002");
    stage.event(Event::SessionProved { session: SessionId(5) });
    let track = Track::Receiving(SessionId(5), 1);
    stage.event(Event::Receiving {
        track,
        peer: "192.168.1.22:40002".into(),
        name: "lecture recording of the ninth week.mkv".into(),
        variant: Variant::Cp1,
    });
    let snapshot = Snapshot { file_bytes: 104 * MIB, ..under_way() };
    stage.event(Event::Progress { track, snapshot });
    open(&mut stage, 6, "192.168.1.23:40003");
    stage.event(arrival(Track::Receiving(SessionId(6), 1), "notes.txt", 812, Kept::New));
    stage.event(Event::Receipted { session: SessionId(6), files: 1 });
    stage.now += Duration::from_secs(60);
    stage
}

#[test]
fn a_busy_server() {
    at_each_size("server_busy", busy_server);
}

#[test]
fn without_a_server() {
    at_each_size("server_none", || {
        let mut stage = Stage::without_server();
        stage.keys("4");
        stage
    });
    at_each_size("upload_without_server", Stage::without_server);
}

#[test]
fn the_dialog_of_accepted_variants() {
    for (width, height) in [(80, 24), (120, 40), (200, 50)] {
        let mut stage = serving().sized(width, height);
        stage.now += Duration::from_secs(60);
        stage.keys("a");
        picture(&format!("accept_{width}x{height}"), stage);
    }
}

#[test]
fn the_question_before_a_restart() {
    let mut stage = serving();
    stage.now += Duration::from_secs(60);
    stage.keys("R");
    picture("restart_80x24", stage);
}

#[test]
fn each_session_shows_its_client_its_file_and_its_stage() {
    let mut stage = busy_server();
    let row = stage.row("▸127.0.0.1 ");
    assert!(row.contains("CP2") && row.contains("cmos.mp4") && row.contains("69 %"), "{row}");
    assert!(row.contains("72 MiB") && row.contains("412 MiB/s"), "{row}");
    let row = stage.row("192.168.1.22 ");
    assert!(row.contains("CP1") && row.contains("99 %") && row.contains("storing"), "{row}");
    stage.keys("z");
    assert!(stage.row("192.168.1.20 ").contains("connected"));
    assert!(stage.row("192.168.1.21 ").contains("proven"));
    assert!(stage.row("192.168.1.23 ").contains("receipted"));
    let refused = stage.row("2001:db8::7");
    assert!(refused.contains("ended") && refused.contains("1 refused: MODE 7 at byte 8"), "{refused}");
    assert!(refused.starts_with("│  "), "a client that has left has no mark: {refused}");
    // Those that are connected stand first.
    let rows = stage.rows();
    let at = |text: &str| rows.iter().position(|row| row.contains(text)).unwrap();
    assert!(at("192.168.1.20 ") < at("2001:db8::7") && at("▸127.0.0.1 ") < at("2001:db8::7"));
    stage.event(Event::SessionClosed { session: SessionId(5) });
    assert!(stage.row("192.168.1.22 ").contains("ended"), "what it was sending is gone");
}

#[test]
fn the_upload_screen_shows_a_refusal_until_its_reasons_were_seen() {
    let mut stage = serving();
    stage.now += Duration::from_secs(60);
    let why = "from [2001:db8::7]: MODE 7 at byte 8";
    stage.keys("1");
    assert!(!stage.shows(why), "it was seen on screen 4");
    stage.event(Event::Refused {
        session: SessionId(2),
        track: None,
        peer: "192.168.1.20:40000".into(),
        name: None,
        blame: Blame::Peer,
        kind: crate::event::RefusalKind::Variant,
        why: "Plain is not accepted".into(),
        is_cut: false,
        at_ms: 0,
    });
    stage.now += Duration::from_secs(60);
    let row = stage.row("✗ 1 refused");
    assert!(row.contains("from 192.168.1.20: Plain is not accepted"), "{row}");
    stage.keys("4 1");
    assert!(!stage.shows("✗ 1 refused"));
}

#[test]
fn received_files_are_sorted_and_filtered_on_both_screens() {
    let mut stage = serving();
    for (id, name, size) in [(9, "b10.txt", 5), (10, "b9.txt", 7_000_000)] {
        stage.event(arrival(Track::Receiving(SessionId(1), id), name, size, Kept::New));
    }
    stage.now += Duration::from_secs(60);
    let names = |stage: &mut Stage| -> Vec<String> {
        let rows = stage.rows();
        let rows = rows.iter().filter(|row| row.contains("sha256 9f2c41"));
        rows.map(|row| row.split_whitespace().nth(2).unwrap().to_owned()).collect()
    };
    stage.keys("Tab z");
    assert_eq!(names(&mut stage), ["b9.txt", "b10.txt", "image", "image.ppm"]);
    stage.keys(",");
    assert_eq!(names(&mut stage), ["b9.txt", "b10.txt", "image", "image.ppm"], "by name");
    assert!(stage.shows("by name"));
    stage.keys(",");
    assert_eq!(names(&mut stage), ["image", "image.ppm", "b9.txt", "b10.txt"], "by size");
    stage.keys(", , / b 1");
    assert_eq!(names(&mut stage), ["b10.txt"], "{}", stage.rows().join("\n"));
    // A digit is typed, not a screen; Enter keeps the filter, and it holds on the other screen.
    assert_eq!(stage.screen(), "Server");
    stage.keys("Enter z 1 Tab Tab");
    assert_eq!(names(&mut stage), ["b10.txt"]);
    stage.keys("Esc");
    assert_eq!(names(&mut stage).len(), 2, "all again, as many as fit: {:#?}", stage.rows());
    stage.keys("4 S-Tab /");
    assert_eq!(stage.app.place(), crate::ui::keymap::Place::Text, "sessions have a filter, too");
}

#[test]
fn a_choice_of_variants_is_an_order_for_new_clients() {
    let mut stage = serving();
    stage.keys("a");
    assert!(stage.shows("padding oracle"), "PKCS1v15 is on, with its warning");
    // Without Plain, AP and PKCS1v15.
    let effects = stage.keys("Space j Space j j Space Enter");
    let accepted = Accepted { variants: vec![Variant::Cp1, Variant::Cp2], paddings: vec![Padding::Oaep] };
    let order = Command::Accept { reach: Reach::Own, accepted: accepted.clone() };
    assert_eq!(effects, [Effect::Send(order)]);
    stage.event(Event::Accepting { reach: Reach::Own, accepted });
    assert!(stage.row("accepts").contains("CP1 with OAEP, CP2"), "{}", stage.row("accepts"));
    // One variant must stay.
    stage.keys("a");
    assert!(!stage.shows("padding oracle"));
    assert_eq!(stage.keys("j j Space j j Space Enter"), []);
    assert!(stage.shows("Choose at least one"));
    assert_eq!(stage.keys("Esc"), []);
    assert!(!stage.shows("Choose at least one"));
}

#[test]
fn a_restart_asks_only_if_clients_are_connected() {
    let mut stage = serving();
    assert_eq!(stage.keys("R"), [], "one is connected");
    assert!(stage.shows("1 client is connected"));
    assert_eq!(stage.keys("Esc"), []);
    assert_eq!(stage.keys("R Enter"), [Effect::Send(Command::RestartServer)]);
    assert!(stage.shows("starting…"));
    assert_eq!(stage.keys("R"), [], "it is starting already");
    stage.event(Event::SessionClosed { session: SessionId(1) });
    stage.event(Event::NotListening { fault: fault("cannot listen", "") });
    assert_eq!(stage.keys("R"), [Effect::Send(Command::RestartServer)], "a failed start is tried again");
}

#[test]
fn o_opens_the_folder_of_received_files() {
    let mut stage = serving();
    assert_eq!(stage.keys("o"), [Effect::OpenFolder("/home/me/recv_files".into())]);
}

#[test]
fn without_a_server_the_screen_says_so_and_the_pane_s_room_goes_to_the_others() {
    let mut stage = Stage::without_server();
    assert!(stage.shows("This program has no server (--to): nothing is received."));
    let room = |stage: &mut Stage| stage.rows().iter().position(|row| row.contains("╭ Queue")).unwrap();
    assert!(room(&mut stage) > room(&mut Stage::new()), "the browser is larger");
    stage.keys("4");
    assert!(stage.shows("This program has no server"));
    assert!(!stage.shows("R restart") && !stage.shows("a accepted"), "keys that do nothing are not offered");
    assert_eq!(stage.keys("o a R , /"), []);
    // Neither the enlarged pane nor Tab finds a pane that is not there.
    stage.keys("z Tab Tab");
    assert!(stage.shows("This program has no server"));
}

#[test]
fn quitting_asks_while_a_client_sends_and_in_serve_ui_while_one_is_connected() {
    let mut stage = busy_server();
    stage.now += Duration::from_secs(60);
    // The own uploads are over; another computer is sending.
    for id in 1..=6 {
        stage.state(Track::Job(JobId(id)), State::Cancelled);
    }
    assert_eq!(stage.keys("q"), []);
    assert!(stage.shows("Quit?"), "{}", stage.rows().join("\n"));
    assert_eq!(stage.keys("Esc"), []);

    let mut stage = Stage::new();
    stage.app.shared.own_server.is_serving = true;
    stage.event(Event::SessionOpened { session: SessionId(1), peer: "192.168.1.20:40000".into() });
    assert_eq!(stage.keys("4 q"), []);
    assert!(stage.shows("1 client is connected. The server ends with this program"));
    assert_eq!(stage.keys("Enter"), [Effect::Quit]);
    stage.event(Event::SessionClosed { session: SessionId(1) });
    assert_eq!(stage.keys("q"), [Effect::Quit]);
    // Only its flags share it; the link's dialog can only end it.
    stage.keys("S");
    assert!(stage.shows("Only this computer reaches this server."));
    stage.event(Event::Shared { pin: "ab".repeat(32), doors: sharing::doors() });
    assert_eq!(stage.keys("S S"), []);
    assert!(stage.shows("The server ends with this program"));
}

#[test]
fn the_words_of_the_key_are_shown_whole_where_the_lists_keep_their_room() {
    let words = crate::messages::word_rows(&proof().fingerprint, 20).join(" ");
    let shown = |stage: &mut Stage| {
        let rows = stage.rows().join("\n");
        words.split_whitespace().filter(|word| rows.contains(word)).count()
    };
    for (width, height, expected) in [(120, 40, 12), (200, 50, 12), (80, 40, 12), (80, 24, 0), (40, 12, 0)] {
        let mut stage = busy_server().sized(width, height);
        stage.keys("4");
        assert_eq!(shown(&mut stage), expected, "{width}x{height}");
    }
    let mut stage = busy_server();
    stage.keys("4");
    for height in 12..60 {
        stage.size = Rect::new(0, 0, 90, height);
        let shown = shown(&mut stage);
        assert!(shown == 0 || shown == 12, "{shown} words in {height} rows");
    }
}
