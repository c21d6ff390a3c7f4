//! Tests of the screens with scripted events: their pictures, their numbers, every size, and what keys do.

mod alarm;
mod any;
mod browser;
mod clicks;
mod connecting;
mod folders;
mod history;
mod keys;
mod lab;
mod newcomer;
mod numbers;
mod page;
mod pictures;
mod presets;
mod privacy;
mod race;
mod race_states;
mod saved;
mod server;
mod session;
mod sharing;
mod sizes;
mod steer;
mod warned;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Rect;

use super::Peer;
use super::app::App;
use super::disk::Found;
use super::effect::Effect;
use super::link::Link;
use super::listing::{Clock, Entry, Kind, Listing, Place, Request};
use super::palette::Depth;
use super::screen::Start;
use super::theme::{Glyphs, Look, Theme};
use crate::event::{
    Accepted, AuthMessage, Blame, Command, Course, Dialect, Engines, Event, Fault, FaultKind, Framing, Job,
    JobId, Kept, KeyChange, KeyForm, KeyLength, Lane, LaneResult, NameAs, Padding, Proof, RaceOrder, Reach,
    ServerAddress, SessionId, Snapshot, Standing, State, Subject, Target, Track, Variant, Verdict,
};

const MIB: u64 = 1 << 20;

/// The screen with scripted surroundings: a folder that is not on a disk, and a clock that stands still.
struct Stage {
    app: App,
    now: Duration,
    size: Rect,
}

impl Stage {
    /// Creates a screen of 80×24 with the folder read and the built-in server listening.
    fn new() -> Self {
        Self::knowing(Vec::new())
    }

    /// Creates a screen of a program without a server: uploads go elsewhere from the start (`--to`).
    fn without_server() -> Self {
        let target = Target::server(ELSEWHERE.parse().unwrap(), Some("/ca".into()));
        Self::starting(Vec::new(), &target)
    }

    /// Creates a screen with these presets.
    fn knowing(peers: Vec<Peer>) -> Self {
        let mut stage = Self::starting(peers, &Target::Embedded);
        stage.event(Event::Listening {
            address: "127.0.0.1:4321".into(),
            store: PathBuf::from("/home/me/recv_files"),
            identity: Some(proof()),
        });
        stage.event(Event::Accepting { reach: Reach::Own, accepted: everything() });
        stage
    }

    fn starting(peers: Vec<Peer>, target: &Target) -> Self {
        let clock = Clock { zone: TimeZone::UTC, now: Some(Timestamp::constant(1_800_000_000, 0)) };
        let link = Link::new(target.clone(), None, peers);
        let start = Start {
            folder: Path::new("/home/me/lectures/week9"),
            home: Some(PathBuf::from("/home/me")),
            target,
            is_serving: false,
            dialect: Dialect::of(Variant::Cp2),
            with_plaintext: false,
        };
        let mut app = App::new(&start, link, clock);
        let first = app.start();
        let mut stage = Self { app, now: Duration::from_secs(1), size: Rect::new(0, 0, 80, 24) };
        stage.list(&first, week9());
        stage
    }

    fn sized(mut self, width: u16, height: u16) -> Self {
        self.size = Rect::new(0, 0, width, height);
        self
    }

    /// Answers the request for a folder among the effects.
    fn list(&mut self, effects: &[Effect], entries: Vec<Entry>) {
        let Some(Effect::List(request)) = effects.first() else { panic!("no request in {effects:?}") };
        self.part(listing(request, Ok(entries)));
    }

    /// Gives the browser a part of a folder.
    fn part(&mut self, part: Listing) {
        self.app.on_found(Found::Part(part), self.now);
        self.settle();
    }

    #[expect(clippy::needless_pass_by_value, reason = "a test reads better without the ampersand")]
    fn event(&mut self, event: Event) {
        self.app.on_event(&event, self.now);
    }

    fn settle(&mut self) {
        self.app.settle(self.size, self.now);
    }

    /// Presses keys by their names, separated by blanks, and returns all effects.
    fn keys(&mut self, names: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for name in names.split(' ') {
            self.settle();
            let asked = self.app.on_key(key(name), self.now);
            effects.extend(self.read_cas(asked));
        }
        self.settle();
        effects
    }

    /// Answers that every CA file among the effects is one, and returns the other effects.
    fn read_cas(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut others = Vec::new();
        for effect in effects {
            match effect {
                Effect::CheckCa(path) => others.extend(self.app.on_found(Found::Ca(path, None), self.now)),
                other => others.push(other),
            }
        }
        others
    }

    fn upload(&mut self, id: u64, name: &str, size: u64) {
        let path = PathBuf::from("/home/me/lectures/week9").join(name);
        let dialect = Dialect::of(Variant::Cp2);
        let job = Job::new(JobId(id), path, Target::Embedded, dialect);
        self.event(Event::Queued { job, size });
    }

    fn state(&mut self, track: Track, state: State) {
        self.event(Event::State { track, state });
    }

    fn terminal(&mut self) -> Terminal<TestBackend> {
        self.settle();
        let look = Look { theme: Theme::dark(Depth::Sixteen), glyphs: Glyphs::Unicode };
        let backend = TestBackend::new(self.size.width, self.size.height);
        let mut terminal = Terminal::new(backend).unwrap_or_else(|never| match never {});
        let drawn = terminal.draw(|frame| {
            let area = frame.area();
            self.app.draw(look, self.now, area, frame.buffer_mut());
        });
        drawn.unwrap_or_else(|never| match never {});
        terminal
    }

    /// Returns the picture, row by row.
    fn rows(&mut self) -> Vec<String> {
        let terminal = self.terminal();
        let buffer = terminal.backend().buffer();
        buffer
            .content
            .chunks(usize::from(self.size.width.max(1)))
            .map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect())
            .collect()
    }

    /// Returns the first row that contains the text.
    fn row(&mut self, text: &str) -> String {
        let rows = self.rows();
        match rows.iter().find(|row| row.contains(text)) {
            Some(row) => row.clone(),
            None => panic!("{text:?} is not on the screen:\n{}", rows.join("\n")),
        }
    }

    /// Returns the name of the open screen.
    fn screen(&self) -> &'static str {
        let tabs = self.app.screens.tabs();
        tabs.names[tabs.open]
    }

    fn shows(&mut self, text: &str) -> bool {
        self.rows().iter().any(|row| row.contains(text))
    }
}

fn key(name: &str) -> KeyEvent {
    let (code, modifiers) = match name {
        "Enter" => (KeyCode::Enter, KeyModifiers::NONE),
        "Esc" => (KeyCode::Esc, KeyModifiers::NONE),
        "Tab" => (KeyCode::Tab, KeyModifiers::NONE),
        "S-Tab" => (KeyCode::BackTab, KeyModifiers::SHIFT),
        "Space" => (KeyCode::Char(' '), KeyModifiers::NONE),
        "F1" => (KeyCode::F(1), KeyModifiers::NONE),
        "Left" => (KeyCode::Left, KeyModifiers::NONE),
        "Right" => (KeyCode::Right, KeyModifiers::NONE),
        "Up" => (KeyCode::Up, KeyModifiers::NONE),
        "Down" => (KeyCode::Down, KeyModifiers::NONE),
        "PgDn" => (KeyCode::PageDown, KeyModifiers::NONE),
        "Home" => (KeyCode::Home, KeyModifiers::NONE),
        "Bksp" => (KeyCode::Backspace, KeyModifiers::NONE),
        name => match name.strip_prefix("C-") {
            Some(letter) => (char_of(letter), KeyModifiers::CONTROL),
            None => (char_of(name), KeyModifiers::NONE),
        },
    };
    KeyEvent::new(code, modifiers)
}

fn char_of(name: &str) -> KeyCode {
    let mut chars = name.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => KeyCode::Char(c),
        _ => panic!("unknown key: {name}"),
    }
}

/// Returns the answer to a request in one part.
fn listing(request: &Request, entries: std::io::Result<Vec<Entry>>) -> Listing {
    let (entries, end) = match entries {
        Ok(entries) => (entries, Ok(())),
        Err(error) => (Vec::new(), Err(error)),
    };
    Listing {
        request: request.clone(),
        place: Place { folder: request.folder.clone(), point: None },
        entries,
        end: Some(end),
        took: Duration::ZERO,
    }
}

fn entry(name: &str, kind: Kind, size: u64, modified: i64, date: &str) -> Entry {
    Entry { kind, size, modified, date: date.into(), ..Entry::example(name) }
}

/// Returns the folder that most tests begin in.
fn week9() -> Vec<Entry> {
    vec![
        entry("week9.html", Kind::File, 42_200, 20, "Mon 09:12"),
        entry("cmos.mp4", Kind::File, 104 * MIB, 40, "Tue 14:07"),
        entry("notes.txt", Kind::File, 812, 10, "Mon 08:55"),
        entry("image.ppm", Kind::File, 8_294_400, 30, "Mon 09:13"),
        entry("figures", Kind::Folder, 4096, 35, "Tue 14:02"),
        entry(".hidden", Kind::File, 5, 1, "03 Mar 24"),
    ]
}

fn proof() -> Proof {
    Proof {
        subject: "CN=upseal demo".into(),
        issuer: "CN=upseal throwaway CA".into(),
        bits: 1024,
        certified: true,
        days_left: 29,
        fingerprint: "9f2c41d07b".repeat(6) + "beef",
        warnings: vec!["the server's key has 1024 bits only".into()],
    }
}

fn fault(what: &str, advice: &str) -> Fault {
    Fault { kind: FaultKind::Broken, blame: Blame::Peer, what: what.into(), advice: advice.into() }
}

/// Returns a transfer of 104 MiB in CP2 at 71 percent.
fn under_way() -> Snapshot {
    Snapshot {
        file_bytes: 77_700_000,
        file_total: 104 * MIB,
        wire_bytes: 103_600_064,
        wire_total: 145_402_980,
        elapsed_ms: 191,
        rate_now: 432_013_312.0,
        rate_mean: 406_847_488.0,
        rate_peak: 503_316_480.0,
        eta_ms: Some(73),
        idle_ms: 3,
        work: None,
        server: None,
    }
}

/// Returns a screen with one file delivered, one being sent, one waiting, one failed, and the server's side of it.
fn busy() -> Stage {
    let mut stage = Stage::new();
    stage.upload(1, "image.ppm", 8_294_400);
    stage.upload(2, "cmos.mp4", 104 * MIB);
    stage.upload(3, "week9.html", 42_200);
    let (session, peer) = (SessionId(1), "127.0.0.1:50122");
    stage.event(Event::SessionOpened { session, peer: peer.into() });
    stage.event(Event::SessionProved { session });
    for (id, ordinal, name, size) in [(1, 1, "image.ppm", 8_294_400), (2, 2, "cmos.mp4", 104 * MIB)] {
        let track = Track::Job(JobId(id));
        stage.state(track, State::Connecting);
        stage.state(track, State::Proving);
        stage.event(Event::Proven {
            track,
            address: ServerAddress::default(),
            proof: proof(),
            standing: Standing::Own,
        });
        stage.state(track, State::Sending);
        let receiving = Track::Receiving(session, ordinal);
        stage.event(Event::Receiving {
            track: receiving,
            peer: peer.into(),
            name: name.into(),
            variant: Variant::Cp2,
        });
        if id == 2 {
            stage.event(Event::Progress { track, snapshot: under_way() });
            let snapshot = Snapshot { file_bytes: 72 * MIB, ..under_way() };
            stage.event(Event::Progress { track: receiving, snapshot });
            continue;
        }
        let snapshot = Snapshot {
            file_bytes: size,
            file_total: size,
            wire_bytes: 11_059_300,
            wire_total: 11_059_300,
            elapsed_ms: 20,
            rate_mean: size as f64 / 0.02,
            ..under_way()
        };
        stage.event(Event::Progress { track, snapshot });
        stage.state(track, State::Sent);
        stage.event(arrival(receiving, name, size, Kept::New));
        stage.state(track, State::Delivered);
    }
    stage
}

fn arrival(track: Track, name: &str, size: u64, kept: Kept) -> Event {
    Event::Received {
        track,
        peer: "127.0.0.1:50122".into(),
        name: name.into(),
        kept,
        size,
        variant: Variant::Cp2,
        digest: Some("9f2c41d0a9b8c7e6".repeat(4)),
        seconds: 0.0197,
        at_ms: 1_800_000_000_000,
    }
}

/// What a server on loopback accepts.
fn everything() -> Accepted {
    Accepted { variants: Variant::ALL.to_vec(), paddings: vec![Padding::Oaep, Padding::Pkcs1v15] }
}

fn lanes() -> Vec<Lane> {
    [Variant::Cp1, Variant::Cp2].map(|variant| Lane::new(Target::Embedded, Dialect::of(variant))).to_vec()
}

/// Returns a race in which CP1 has run for 2.7 seconds and CP2 waits.
fn racing() -> Stage {
    let mut stage = Stage::new();
    let effects = stage.keys("r");
    assert!(matches!(effects.as_slice(), [Effect::Send(Command::Race(_))]), "{effects:?}");
    stage.event(Event::RaceStarted {
        name: "cmos.mp4".into(),
        bytes: 8 * MIB,
        lanes: lanes(),
        course: Course::InTurn,
        laps: 1,
    });
    let track = Track::Lane(0);
    stage.state(track, State::Proving);
    stage.event(Event::Proven {
        track,
        address: ServerAddress::default(),
        proof: proof(),
        standing: Standing::Own,
    });
    stage.state(track, State::Sending);
    for step in 1..=27_u32 {
        let wave = 1.0 + 0.2 * (f64::from(step) / 4.0).sin();
        stage.event(Event::Progress { track, snapshot: cp1_after(step, wave) });
    }
    stage
}

fn cp1_after(tenths: u32, wave: f64) -> Snapshot {
    let sent = 310_000 * u64::from(tenths);
    Snapshot {
        file_bytes: sent,
        file_total: 8 * MIB,
        wire_bytes: sent * 128 / 62,
        wire_total: 8 * MIB * 128 / 62,
        elapsed_ms: u64::from(tenths) * 100,
        rate_now: 3_100_000.0 * wave,
        rate_mean: 3_100_000.0,
        rate_peak: 3_720_000.0,
        eta_ms: Some(2_100),
        idle_ms: 0,
        work: Some(race::sealing(u64::from(tenths) * 100_000)),
        server: Some(race::opening(u64::from(tenths) * 100_000)),
    }
}

/// Returns a race that is over: CP1 in 2.76 s, CP2 in 0.02 s.
fn raced() -> Stage {
    let mut stage = racing();
    stage.event(Event::LapFinished { lane: 0, lap: 1, result: race::cp1(2.76) });
    stage.state(Track::Lane(0), State::Delivered);
    let track = Track::Lane(1);
    stage.state(track, State::Sending);
    stage.event(Event::Proven {
        track,
        address: ServerAddress::default(),
        proof: proof(),
        standing: Standing::Own,
    });
    let snapshot = Snapshot {
        file_bytes: 8 * MIB,
        file_total: 8 * MIB,
        wire_bytes: 11_184_912,
        wire_total: 11_184_912,
        elapsed_ms: 20,
        rate_now: 420_000_000.0,
        rate_mean: 420_000_000.0,
        rate_peak: 430_000_000.0,
        eta_ms: None,
        idle_ms: 0,
        work: None,
        server: None,
    };
    stage.event(Event::Progress { track, snapshot });
    stage.state(track, State::Delivered);
    stage.event(Event::RaceFinished {
        verdict: Verdict {
            name: "cmos.mp4".into(),
            bytes: 8 * MIB,
            lanes: vec![race::cp1(2.76), race::cp2(0.02)],
            engines: Engines::default(),
            course: Course::InTurn,
            laps: 1,
            others: None,
        },
    });
    stage
}

/// Returns a server that has seen good and bad clients.
fn serving() -> Stage {
    let mut stage = busy();
    stage.event(arrival(Track::Receiving(SessionId(1), 3), "image (2).ppm", 8_294_400, Kept::Renamed));
    stage.event(Event::SessionOpened { session: SessionId(2), peer: "[2001:db8::7]:61000".into() });
    stage.event(Event::Refused {
        session: SessionId(2),
        track: None,
        peer: "[2001:db8::7]:61000".into(),
        name: Some("evil\\u{1b}.txt".into()),
        blame: Blame::Peer,
        kind: crate::event::RefusalKind::Malformed,
        why: "MODE 7 at byte 8: only 0 to 4 exist".into(),
        is_cut: false,
        at_ms: 1_800_000_001_000,
    });
    stage.event(Event::SessionClosed { session: SessionId(2) });
    stage.keys("4");
    stage
}

/// Address of a server that is not built in.
const ELSEWHERE: &str = "files.example.org:4321";

fn change() -> KeyChange {
    KeyChange {
        address: ELSEWHERE.parse().unwrap(),
        ca: "ca".repeat(32),
        known: "0a1b2c3d4e5f6071".repeat(4),
        since: Some("2026-11-01T08:00:00Z".into()),
        offered: "f9e8d7c6b5a49382".repeat(4),
        subject: "CN=Group 7 server,O=Course,C=SG".into(),
    }
}

/// Returns a screen whose uploads go to another server; one waits for it.
fn elsewhere() -> Stage {
    let mut stage = Stage::new();
    stage.keys("c f i l e s . e x a m p l e . o r g Tab C-u / c a Enter");
    for (id, name) in [(1, "cmos.mp4"), (2, "notes.txt")] {
        let path = PathBuf::from("/home/me/lectures/week9").join(name);
        let target = stage.app.shared.link.target.clone();
        let job = Job::new(JobId(id), path, target, Dialect::of(Variant::Cp2));
        stage.event(Event::Queued { job, size: 812 });
    }
    stage.state(Track::Job(JobId(1)), State::Proving);
    stage
}

fn standing(stage: &mut Stage, standing: Standing) {
    let track = Track::Job(JobId(1));
    stage.event(Event::Proven { track, address: ELSEWHERE.parse().unwrap(), proof: proof(), standing });
}

/// Returns a screen with a changed key; everything that waited for the server has failed.
fn stranger() -> Stage {
    let mut stage = elsewhere();
    stage.event(Event::KeyChanged { track: Track::Job(JobId(1)), change: change() });
    let mut fault = fault("files.example.org:4321 has another key than before", "ask its operator");
    fault.kind = FaultKind::Unproven;
    for id in [1, 2] {
        stage.state(Track::Job(JobId(id)), State::Failed(fault.clone()));
    }
    stage
}
