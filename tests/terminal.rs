//! The program as a person meets it: in a pseudo-terminal, by the keys that it prints.
//!
//! `UPSEAL_BINARY` names another build of it, as `.ci/run` does for the release build.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pty;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::num::NonZeroU16;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};

use pty::{PATIENCE, Terminal};

/// At the design size.
fn start(folder: &Path, home: &Path) -> Terminal {
    const ROWS: NonZeroU16 = NonZeroU16::new(24).unwrap();
    const COLUMNS: NonZeroU16 = NonZeroU16::new(80).unwrap();
    let binary = env::var("UPSEAL_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_upseal").to_owned());
    Terminal::start(Path::new(&binary), folder, home, COLUMNS, ROWS)
}

/// SHA-256 by the system's own tool, not by ours.
fn sha256(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

fn file(folder: &Path, name: &str, size: usize) -> String {
    let bytes: Vec<u8> = (0..size).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect();
    fs::write(folder.join(name), bytes).unwrap();
    sha256(&folder.join(name))
}

fn received(home: &Path) -> BTreeMap<String, String> {
    let folder = home.join(".local/share/upseal/received");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), sha256(&entry.path()))).collect()
}

#[test]
fn a_new_user_marks_two_files_and_sees_them_arrive() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let notes = file(folder.path(), "notes.txt", 812);
    let video = file(folder.path(), "video of the day.bin", 3_000_001);
    file(folder.path(), "left alone.txt", 5);
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("127.0.0.1:");
    terminal.until_text("notes.txt");
    let upload = terminal.printed_key(" upload");
    terminal.mark(&["notes.txt", "video of the day.bin"]);
    terminal.press(&upload);
    terminal.until("two delivered", |screen| screen.contents().matches("delivered ✓").count() == 2);
    terminal.until("two received", |screen| screen.contents().matches("stored ✓").count() == 2);

    let expected: BTreeMap<String, String> =
        [("notes.txt".to_owned(), notes), ("video of the day.bin".to_owned(), video)].into();
    assert_eq!(received(home.path()), expected);
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.assert_restored();
}

#[test]
fn a_race_ends_with_a_winner_and_keeps_nothing() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    file(folder.path(), "lecture.bin", 200_000);
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("127.0.0.1:");
    terminal.point_at("lecture.bin");
    let race = terminal.printed_key(" race");
    terminal.press(&race);
    let shown = terminal.until_text("times faster");
    assert!(shown.contains("CP2 was"), "{shown}");
    assert_eq!(received(home.path()), BTreeMap::new());
    terminal.press("q");
    assert!(terminal.end().success());
}

#[test]
fn a_stop_gives_the_terminal_back_and_continuing_repaints() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    file(folder.path(), "notes.txt", 812);
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("notes.txt");
    terminal.press("\x1a");
    terminal.assert_restored();
    // The terminal is given back before the stop, so one signal to go on could come too early.
    let deadline = Instant::now() + PATIENCE;
    while !terminal.screen.0.lock().unwrap().screen().alternate_screen() {
        assert!(Instant::now() < deadline, "it does not go on");
        kill_process(terminal.pid(), Signal::CONT).unwrap();
        thread::sleep(Duration::from_millis(20));
    }
    terminal.until_text("notes.txt");
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.assert_restored();
}

#[test]
fn a_termination_gives_the_terminal_back() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    file(folder.path(), "notes.txt", 812);
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("notes.txt");
    kill_process(terminal.pid(), Signal::TERM).unwrap();
    terminal.end();
    terminal.assert_restored();
}

#[test]
fn the_program_ends_when_its_terminal_goes_away() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    file(folder.path(), "notes.txt", 812);
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("notes.txt");
    // The reader thread has a twin of it, which ends with the program.
    drop(terminal.master.take());
    kill_process(terminal.pid(), Signal::HUP).unwrap();
    terminal.end();
}
