//! Screen 5: files that were sent and received.

use super::super::screen::history::{Answer, read};
use super::pictures::{at_each_size, picture};
use super::*;
use crate::digest::Digest;
use crate::history::{Entry, History, Origin, Outcome, Received, Recovered, Sent};

/// Present time of the clock, in milliseconds.
const NOW_MS: i64 = 1_800_000_000_000;
const HOUR_MS: i64 = 3_600_000;

/// Returns the name in the row under the cursor.
fn name_under(stage: &Stage) -> String {
    stage.app.screens.open().details(&stage.app.shared).unwrap().0
}

fn sent(hours: i64, name: &str, size: u64, outcome: Outcome) -> Entry {
    let arrived = !outcome.is_failure();
    Entry::Sent(Sent {
        at_ms: NOW_MS - hours * HOUR_MS,
        address: "files.example.org:4321".to_owned(),
        key: Some(Digest([0xab; 32])),
        variant: if hours > 30 { Variant::Cp1 } else { Variant::Cp2 },
        name: name.to_owned(),
        path: PathBuf::from("/home/me/lectures/week9").join(name),
        size,
        digest: arrived.then_some(Digest([0xcd; 32])),
        outcome,
        stored_name: (outcome == Outcome::Stored).then(|| name.to_owned()),
        receipt: (outcome == Outcome::Stored).then(|| PathBuf::from("/home/me/receipts/a.receipt")),
        seconds: size as f64 / 420_000_000.0,
        predicted: Some(size as f64 / 400_000_000.0),
        wire_bytes: size * 4 / 3,
        why: (!arrived).then(|| "files.example.org:4321 has reset the connection".to_owned()),
    })
}

fn received(hours: i64, name: &str, size: u64, kept: Kept) -> Entry {
    Entry::Received(Received {
        at_ms: NOW_MS - hours * HOUR_MS,
        peer: "[2001:db8::7]:61000".to_owned(),
        store: PathBuf::from("/home/me/recv_files"),
        name: name.to_owned(),
        kept,
        size,
        digest: Some(Digest([0xef; 32])),
        variant: Variant::Plain,
        seconds: 0.02,
        receipt: None,
    })
}

fn rows() -> Vec<Entry> {
    vec![
        sent(1, "cmos.mp4", 104 * MIB, Outcome::Stored),
        sent(2, "image.ppm", 8_294_400, Outcome::Delivered),
        received(3, "image (2).ppm", 8_294_400, Kept::Renamed),
        received(4, "evil\u{1b}[2J\u{202e}.txt", 812, Kept::New),
        Entry::Recovered(Recovered {
            at_ms: NOW_MS - 5 * HOUR_MS,
            store: PathBuf::from("/home/me/recv_files"),
            name: "a rather long name of a lecture's recording.mp4".to_owned(),
            origin: Origin::Crash,
            size: 104 * MIB,
            digest: Some(Digest([1; 32])),
            receipt: None,
        }),
        received(20, "empty", 0, Kept::Same),
        sent(40, "notes.txt", 812, Outcome::Failed),
        sent(50, "week9.html", 42_200, Outcome::Altered),
        sent(2000, "thesis.pdf", 3 * MIB, Outcome::Cancelled),
    ]
}

impl Stage {
    /// Does what the run loop does after each wait.
    fn due(&mut self) -> usize {
        let effects = self.app.due(self.now);
        assert!(effects.iter().all(|effect| *effect == Effect::Recall), "{effects:?}");
        effects.len()
    }

    fn recall(&mut self, rows: Result<Vec<Entry>, String>) {
        let answer = Answer::new(rows, &self.app.shared.clock);
        self.app.screens.history.answered(answer);
        self.settle();
    }
}

/// Returns the screen with rows of every kind.
pub(super) fn recalled() -> Stage {
    let mut stage = Stage::new();
    stage.keys("5");
    assert_eq!(stage.due(), 1);
    stage.recall(Ok(rows()));
    stage
}

#[test]
fn the_history() {
    at_each_size("history", || {
        let mut stage = recalled();
        stage.keys("j");
        stage
    });
    picture("history_40x12", recalled().sized(40, 12));
}

#[test]
fn the_details_show_every_field() {
    let mut stage = recalled();
    stage.keys("Enter");
    picture("history_details_80x24", stage);
    for (down, words) in [
        (0, ["receipt", "/home/me/receipts/a.receipt"]),
        (2, ["receipt given", "none"]),
        (4, ["found complete in the folder after a crash", "—"]),
        (6, ["why", "has reset the connection"]),
    ] {
        let mut stage = recalled().sized(120, 40);
        (0..down).for_each(|_| drop(stage.keys("j")));
        stage.keys("Enter");
        for word in words {
            assert!(stage.shows(word), "{down}: {word}\n{}", stage.rows().join("\n"));
        }
    }
}

#[test]
fn an_unread_an_empty_and_an_unreadable_history() {
    let mut stage = Stage::new();
    stage.keys("5");
    assert!(stage.shows("reading the history…"));
    stage.recall(Ok(Vec::new()));
    assert!(stage.shows("No transfers yet."));
    stage.recall(Err("cannot open the history in /x: file is not a database".to_owned()));
    assert!(stage.shows("file is not a database"));
}

#[test]
fn the_history_is_read_when_opened_and_when_a_transfer_ends_while_open() {
    let mut stage = busy();
    assert_eq!(stage.due(), 0, "another screen is open");
    stage.keys("5");
    assert_eq!((stage.due(), stage.due()), (1, 0));
    // Two transfers end during a reading: one more reading follows, after the answer and a pause.
    stage.event(arrival(Track::Receiving(SessionId(1), 2), "a", 1, Kept::New));
    stage.state(Track::Job(JobId(2)), State::Delivered);
    assert_eq!(stage.due(), 0);
    stage.recall(Ok(rows()));
    assert_eq!(stage.due(), 0);
    let due = stage.app.next_change(stage.now).unwrap();
    assert!(due > stage.now);
    stage.now += Duration::from_millis(500);
    assert_eq!((stage.due(), stage.due()), (1, 0));
    stage.recall(Ok(rows()));
    // Progress and intermediate states do not change the history.
    stage.now += Duration::from_secs(5);
    stage.state(Track::Job(JobId(3)), State::Sending);
    assert_eq!(stage.due(), 0);
    stage.state(Track::Job(JobId(3)), State::Failed(fault("reset", "")));
    stage.keys("1");
    assert_eq!(stage.due(), 0, "another screen is open");
    stage.keys("5");
    assert_eq!(stage.due(), 1);
    stage.recall(Ok(rows()));
    stage.now += Duration::from_secs(5);
    stage.keys("C-l");
    assert_eq!(stage.due(), 1);
}

#[test]
fn the_cursor_stays_on_its_row_when_newer_ones_come() {
    let mut stage = recalled();
    stage.keys("j j");
    assert_eq!(name_under(&stage), "image (2).ppm");
    let mut newer = rows();
    newer.insert(0, sent(0, "newer", 1, Outcome::Stored));
    stage.recall(Ok(newer));
    assert_eq!(name_under(&stage), "image (2).ppm");
    // On the first row the cursor stays on the newest.
    stage.keys("g");
    let mut newest = rows();
    newest.insert(0, sent(0, "newest", 1, Outcome::Stored));
    stage.recall(Ok(newest));
    assert_eq!(name_under(&stage), "newest");
}

#[test]
fn the_lists_usual_keys_and_the_filter() {
    let mut stage = recalled();
    for (keys, name) in [
        ("G", "thesis.pdf"),
        ("k", "week9.html"),
        ("g", "cmos.mp4"),
        ("PgDn", "thesis.pdf"),
        ("Home", "cmos.mp4"),
        ("C-d C-u", "cmos.mp4"),
    ] {
        stage.keys(keys);
        assert_eq!(name_under(&stage), name, "{keys}");
    }
    // Names and peers are searched in any case; 5 is a letter while it is typed.
    stage.keys("/ P P M");
    assert!(stage.shows("2 of 9 transfers") && stage.shows("/PPM"));
    stage.keys("C-u 5");
    assert!(stage.shows("No match"));
    stage.keys("C-u 2 0 0 1 : Enter");
    assert!(stage.shows("3 of 9 transfers") && stage.shows("/2001:  (Esc shows all)"));
    stage.keys("G Enter");
    assert!(stage.shows("not stored again: a file with this name"));
    stage.keys("Esc Esc");
    assert!(!stage.shows("of 9"));
    assert_eq!(stage.screen(), "History");
}

#[test]
fn the_thread_reads_the_file_and_creates_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let mut stage = Stage::new();
    stage.keys("5");
    stage.app.screens.history.answered(read(Some(&path), &stage.app.shared.clock));
    assert!(stage.shows("No transfers yet.") && !path.exists());
    let history = History::open(&path).unwrap();
    for entry in rows() {
        match entry {
            Entry::Sent(row) => history.record_sent(&row).unwrap(),
            Entry::Received(row) => history.record_received(&row).unwrap(),
            Entry::Recovered(row) => history.record_recovered(&row).unwrap(),
        }
    }
    stage.app.screens.history.answered(read(Some(&path), &stage.app.shared.clock));
    let from_file = stage.rows();
    assert_eq!(from_file, recalled().rows());
    drop(history);
    std::fs::write(&path, "no database").unwrap();
    stage.app.screens.history.answered(read(Some(&path), &stage.app.shared.clock));
    assert!(stage.shows("cannot open the history in"));
    stage.app.screens.history.answered(read(None, &stage.app.shared.clock));
    assert!(stage.shows("Set UPSEAL_HISTORY to a file"));
}

#[test]
fn a_click_on_a_tab_opens_its_screen() {
    use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
    let mut stage = Stage::new().sized(100, 24);
    for (name, screen) in [
        ("3 Session", "Session"),
        ("5 History", "History"),
        ("4 Server", "Server"),
        ("2 Race", "Race"),
        ("1 Upload", "Upload"),
        ("5 History", "History"),
    ] {
        for last in [false, true] {
            let at = stage.rows()[0].find(name).unwrap() + if last { name.len() - 1 } else { 0 };
            let kind = MouseEventKind::Down(MouseButton::Left);
            let column = u16::try_from(at).unwrap();
            let _ = stage
                .app
                .on_mouse(MouseEvent { kind, column, row: 0, modifiers: KeyModifiers::NONE }, stage.now);
            stage.settle();
            assert_eq!(stage.screen(), screen, "{name}");
        }
    }
    assert_eq!(stage.due(), 1);
}
