//! Whatever happens in whatever order, at any size: nothing panics, nothing is drawn outside, every dialog can be closed.

use proptest::collection::vec;
use proptest::prelude::*;
use ratatui::buffer::{Buffer, Cell};

use super::*;
use crate::event::Named;
use crate::ui::preview::Preview;

/// Keys that are pressed; those that end the program as well.
const KEYS: &[&str] = &[
    "j", "k", "h", "l", "G", "g", "Home", "PgDn", "C-d", "C-u", "C-f", "C-b", "Tab", "S-Tab", "Space", "a",
    "A", "*", ".", ",", "/", "p", "P", "o", "c", "e", "?", "1", "2", "3", "4", "5", "6", "z", "v", "Esc",
    "Enter", "u", "r", "x", "X", "t", "T", "d", "D", "w", "s", "m", "+", "-", "n", "b", "L", "f", "!", "<",
    ">", "Left", "Right", "Up", "Down", "Bksp", "F1", "q", "y", "~", "C-a", "C-e", "C-k", "C-w", "C-c",
    "C-l", "J", "K", "S", "H", "[", "]", "{", "}",
];

/// One thing that happens; the number chooses among its kinds.
#[derive(Debug, Clone, Copy)]
enum Thing {
    Key(u8),
    Event(u8, u8),
    Found(u8),
    Mouse(u8, u16, u16),
    Paste(u8),
    Time(u16),
    Size(u16, u16),
}

fn thing() -> impl Strategy<Value = Thing> {
    prop_oneof![
        8 => any::<u8>().prop_map(Thing::Key),
        5 => any::<(u8, u8)>().prop_map(|(kind, id)| Thing::Event(kind, id)),
        2 => any::<u8>().prop_map(Thing::Found),
        1 => (any::<u8>(), 0..220_u16, 0..60_u16).prop_map(|(kind, x, y)| Thing::Mouse(kind, x, y)),
        1 => any::<u8>().prop_map(Thing::Paste),
        1 => any::<u16>().prop_map(Thing::Time),
        1 => (0..220_u16, 0..60_u16).prop_map(|(width, height)| Thing::Size(width, height)),
    ]
}

/// What the screen has asked for, so that it gets answers.
#[derive(Default)]
struct Asked {
    folders: Vec<Request>,
    files: Vec<PathBuf>,
    names: Vec<PathBuf>,
}

impl Asked {
    fn note(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::List(request) => self.folders.push(request),
                Effect::Preview(path) => self.files.push(path),
                Effect::Complete(folder) => self.names.push(folder),
                _ => {}
            }
        }
    }
}

fn happen(stage: &mut Stage, asked: &mut Asked, thing: Thing) {
    use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
    match thing {
        Thing::Key(number) => asked.note(stage.keys(KEYS[usize::from(number) % KEYS.len()])),
        Thing::Event(kind, id) => event(stage, kind, u64::from(id % 6) + 1),
        Thing::Found(kind) => found(stage, asked, kind),
        Thing::Mouse(kind, column, row) => {
            let kind = match kind % 3 {
                0 => MouseEventKind::Down(MouseButton::Left),
                1 => MouseEventKind::ScrollDown,
                _ => MouseEventKind::ScrollUp,
            };
            let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
            asked.note(stage.app.on_mouse(event, stage.now));
            if kind == MouseEventKind::Down(MouseButton::Left) && row % 2 == 0 {
                // A second click on the same row opens it.
                asked.note(stage.app.on_mouse(event, stage.now));
            }
        }
        Thing::Paste(kind) => stage.app.on_paste(match kind % 4 {
            0 => "/tmp/\u{1b}[2J図\n",
            1 => "upseal://192.168.1.5:4321#sha256-abababababababababababababababababababababababababababababababab",
            2 => "upseal://[::1",
            _ => "q\r\u{202e}",
        }),
        Thing::Time(ms) => stage.now += Duration::from_millis(u64::from(ms)),
        Thing::Size(width, height) => stage.size = Rect::new(1, 1, width, height),
    }
    asked.note(stage.app.due(stage.now));
}

fn event(stage: &mut Stage, kind: u8, id: u64) {
    let track = Track::Job(JobId(id));
    let lane = Track::Lane(usize::try_from(id % 3).unwrap_or(0));
    let session = SessionId(id);
    match kind % 28 {
        0 => stage.upload(id, "図面\u{202e}.mp4", id << (id * 8)),
        1 => stage.state(track, State::Connecting),
        2 => stage.state(track, State::Proving),
        3 => stage.state(track, State::Sending),
        4 => stage.state(track, State::Sent),
        5 => stage.state(track, State::Delivered),
        6 => stage.state(
            track,
            State::Stored { name: "a".into(), named: Named::Stored, receipt: None, earlier: None },
        ),
        7 => stage.state(track, State::Failed(fault("the server hung up", "try again"))),
        8 => stage.state(track, State::Cancelled),
        9 => stage.event(Event::Removed { job: JobId(id) }),
        10 => stage.event(Event::Progress { track, snapshot: under_way() }),
        11 => stage.event(Event::Progress { track: lane, snapshot: Snapshot::default() }),
        12 => stage.event(Event::SessionOpened { session, peer: "[2001:db8::7]:61000".into() }),
        13 => stage.event(arrival(Track::Receiving(session, 1), "b\u{1b}", 1 << 50, Kept::Renamed)),
        14 => stage.event(Event::SessionClosed { session }),
        15 => stage.event(Event::KeyChanged { track, change: change() }),
        16 => stage.event(Event::RaceStarted {
            name: "cmos.mp4".into(),
            bytes: 8 * MIB,
            lanes: lanes(),
            course: Course::InTurn,
            laps: 1,
        }),
        17 => stage.state(lane, State::Delivered),
        18 => stage.event(newcomer::question(&"0a1b2c3d4e5f6071".repeat(4))),
        19 => stage.event(Event::Unaccepted { address: ELSEWHERE.parse().unwrap(), waiting: 2 }),
        20 => stage.event(Event::Away { address: ELSEWHERE.parse().unwrap(), waiting: 3 }),
        21 => stage.event(Event::Shared { pin: "ab".repeat(32), doors: sharing::doors() }),
        22 => stage.event(Event::NotShared { fault: None }),
        23 => stage.app.ask_share(&sharing::doors(), Some("/share".into()), stage.now),
        24 => stage.event(Event::NotListening { fault: fault("the port is taken", "free it") }),
        25 => stage.event(Event::Accepting { reach: Reach::Shared, accepted: everything() }),
        26 => stage.event(Event::QueuePaused { paused: id.is_multiple_of(2), running: 1 }),
        _ => stage.event(Event::Proven {
            track,
            address: ELSEWHERE.parse().unwrap(),
            proof: proof(),
            standing: Standing::Own,
        }),
    }
}

fn found(stage: &mut Stage, asked: &mut Asked, kind: u8) {
    let folder = stage.app.screens.upload.browser.folder().to_owned();
    let answer = match kind % 6 {
        0 | 1 => asked.folders.pop().map(|request| Found::Part(listing(&request, Ok(week9())))),
        2 => asked.folders.last().map(|request| {
            let part = listing(request, Ok(week9()));
            Found::Part(Listing { end: None, ..part })
        }),
        3 => asked.folders.pop().map(|request| {
            Found::Part(listing(&request, Err(std::io::Error::from(std::io::ErrorKind::PermissionDenied))))
        }),
        4 => asked.files.pop().map(|path| Found::Preview(path, Preview::Bytes(vec![27; 300]))),
        _ => asked.names.pop().map(|folder| Found::Names(folder, vec!["図".into(), "b".into()])),
    };
    stage.app.on_found(answer.unwrap_or(Found::Changed(folder)), stage.now);
}

/// Draws into a larger buffer, and checks the cells around the screen.
fn draw(stage: &mut Stage) {
    stage.settle();
    let area = stage.size;
    let mut buf = Buffer::empty(Rect::new(0, 0, area.right() + 1, area.bottom() + 1));
    let look = Look { theme: Theme::dark(Depth::Sixteen), glyphs: Glyphs::Unicode };
    stage.app.draw(look, stage.now, area, &mut buf);
    for y in 0..buf.area.height {
        for x in 0..buf.area.width {
            let is_outside = !area.contains(ratatui::layout::Position { x, y });
            assert!(!is_outside || buf[(x, y)] == Cell::default(), "{x},{y} outside of {area:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn nothing_panics_or_draws_outside_and_every_dialog_closes(
        (things, kind) in (vec(thing(), 500), 0..3_u8)
    ) {
        let mut stage = match kind {
            0 => Stage::new(),
            1 => Stage::without_server(),
            _ => {
                let mut stage = Stage::new();
                stage.app.shared.own_server.is_serving = true;
                stage
            }
        };
        stage.size = Rect::new(1, 1, 80, 24);
        let mut asked = Asked::default();
        for (step, thing) in things.into_iter().enumerate() {
            happen(&mut stage, &mut asked, thing);
            if step % 4 == 0 {
                draw(&mut stage);
            }
        }
        // Each Esc closes something: a filter, a dialog, a warning.
        let mut left = 64;
        while !stage.app.overlays.is_empty() && left > 0 {
            stage.keys("Esc");
            left -= 1;
        }
        prop_assert!(stage.app.overlays.is_empty(), "open after 64 times Esc: {:?}", stage.app.place());
        stage.keys("Esc Esc");
        prop_assert!(!matches!(stage.app.place(), crate::ui::keymap::Place::Text));
        draw(&mut stage);
    }
}
