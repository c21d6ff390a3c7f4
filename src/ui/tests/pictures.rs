//! Each screen at 80×24, 120×40 and 200×50, and each overlay at 80×24, compared with reviewed snapshots.

use super::*;

pub(super) fn picture(name: &str, mut stage: Stage) {
    let terminal = stage.terminal();
    insta::assert_snapshot!(name, terminal.backend());
}

pub(super) fn at_each_size(name: &str, build: impl Fn() -> Stage) {
    for (width, height) in [(80, 24), (120, 40), (200, 50)] {
        picture(&format!("{name}_{width}x{height}"), build().sized(width, height));
    }
}

#[test]
fn the_first_frame() {
    at_each_size("first", Stage::new);
}

#[test]
fn uploads_under_way() {
    at_each_size("upload", busy);
}

#[test]
fn our_server() {
    at_each_size("server", || {
        let mut stage = serving();
        // The message about the refusal has disappeared by then.
        stage.now += Duration::from_secs(60);
        stage
    });
}

#[test]
fn everything_delivered_and_something_failed() {
    let mut stage = busy();
    stage.state(Track::Job(JobId(2)), State::Sent);
    stage.now += Duration::from_secs(3);
    stage.state(
        Track::Job(JobId(3)),
        State::Failed(fault("the server hung up after 12 of 41.2 KiB", "Press t in the queue")),
    );
    picture("sent_and_failed_80x24", stage);
}

#[test]
fn marks_and_the_bill_of_cp1() {
    let mut stage = Stage::new();
    stage.keys("Space Space Space p p p");
    picture("marked_cp1_80x24", stage);
}

#[test]
fn the_keys() {
    let mut stage = Stage::new();
    stage.keys("?");
    picture("help_80x24", stage);
}

#[test]
fn the_log() {
    let mut stage = serving();
    stage.keys("e");
    picture("log_80x24", stage);
}

#[test]
fn the_connect_dialog() {
    let mut stage = Stage::new();
    stage.keys("c e x a m p l e . o r g Tab ~ / c a . c r t");
    picture("connect_80x24", stage);
}

#[test]
fn the_question_about_cp1() {
    let mut stage = raced();
    stage.now += Duration::from_secs(1);
    stage.keys("1 Home j j Space p p p");
    // 104 MiB at 2.9 MiB/s take 36 seconds; three times as much leads to a question.
    let more = vec![
        entry("cmos.mp4", Kind::File, 104 * MIB, 40, "Tue 14:07"),
        entry("cmos2.mp4", Kind::File, 500 * MIB, 40, "Tue 14:07"),
    ];
    let again = stage.keys("C-l");
    let list: Vec<Effect> = again.into_iter().filter(|effect| matches!(effect, Effect::List(_))).collect();
    stage.list(&list, more);
    stage.keys("a u");
    picture("expensive_80x24", stage);
}

#[test]
fn the_details_of_a_received_file() {
    let mut stage = serving();
    stage.keys("G Enter");
    stage.now += Duration::from_secs(60);
    picture("details_80x24", stage);
}

#[test]
fn previews_where_there_is_room() {
    use crate::ui::preview::Preview;
    let preview = |stage: &mut Stage, of: Preview| {
        stage.now += Duration::from_secs(1);
        let effects = stage.app.due(stage.now);
        let [Effect::Preview(path)] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!(stage.app.due(stage.now), [], "once");
        stage.app.on_found(Found::Preview(path.clone(), of), stage.now);
    };
    let mut stage = Stage::new().sized(120, 40);
    stage.keys("j j");
    let lines =
        ["Week 9", "", "Transport layer security: the handshake, the record layer, and what they cost."];
    preview(&mut stage, Preview::Text(lines.map(str::to_owned).into()));
    picture("preview_120x40", stage);
    let mut stage = Stage::new().sized(200, 50);
    stage.keys("j");
    let head: Vec<u8> = b"P6\n1920 1440\n255\n".iter().copied().chain(0..=255).collect();
    preview(&mut stage, Preview::Image { width: 1920, height: 1440, head });
    picture("preview_200x50", stage);
    let mut stage = Stage::new();
    stage.keys("z k");
    preview(
        &mut stage,
        Preview::Folder { names: vec!["a.svg".into(), "b.svg".into()], count: 2, is_more: false },
    );
    assert!(stage.shows("a.svg") && stage.shows("2 entries"));
    stage.keys("v");
    assert!(!stage.shows("a.svg"));
    stage.now += Duration::from_secs(1);
    assert_eq!(stage.keys("v"), []);
    assert!(stage.shows("a.svg"), "it was kept");
    picture("preview_zoomed_80x24", stage);
}

#[test]
fn the_question_before_quitting() {
    let mut stage = busy();
    stage.keys("q");
    picture("quit_80x24", stage);
}

#[test]
fn going_to_a_folder() {
    let mut stage = Stage::new();
    stage.keys("g ~ l e c");
    let names = ["lectures", "old-lectures", "music"].map(Into::into);
    stage.app.due(stage.now);
    stage.app.on_found(Found::Names("/home/me".into(), names.into()), stage.now);
    stage.keys("Down");
    picture("goto_80x24", stage);
}

#[test]
fn a_terminal_that_knows_ascii_only() {
    let mut stage = busy();
    stage.settle();
    let look = Look { theme: Theme::without_colours(), glyphs: Glyphs::Ascii };
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap_or_else(|never| match never {});
    let drawn = terminal.draw(|frame| stage.app.draw(look, stage.now, frame.area(), frame.buffer_mut()));
    drawn.unwrap_or_else(|never| match never {});
    for cell in &terminal.backend().buffer().content {
        assert!(cell.symbol().is_ascii(), "{:?}", cell.symbol());
        assert_eq!(cell.fg, ratatui::style::Color::Reset, "NO_COLOR");
    }
    insta::assert_snapshot!("ascii_80x24", terminal.backend());
}

#[test]
fn sixty_by_eighteen_and_the_smallest() {
    picture("upload_60x18", busy().sized(60, 18));
    picture("upload_40x12", busy().sized(40, 12));
    picture("upload_39x12", busy().sized(39, 12));
}

#[test]
fn a_changed_key() {
    at_each_size("alarm", stranger);
    picture("alarm_40x12", stranger().sized(40, 12));
}

#[test]
fn a_server_seen_for_the_first_time() {
    let mut stage = elsewhere();
    standing(&mut stage, Standing::First { remembered: true, other_ca: true, asked: false });
    picture("first_seen_80x24", stage);
}
