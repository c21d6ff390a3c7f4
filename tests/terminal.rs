//! The program as a person meets it: in a pseudo-terminal, by the keys that it prints.
//!
//! `UPSEAL_BINARY` names another build of it, as `.ci/run` does for the release build.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

/// Long enough for a busy machine; it is a bound, not an expectation.
const PATIENCE: Duration = Duration::from_secs(60);

/// The design size.
const ROWS: NonZeroU16 = NonZeroU16::new(24).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(80).unwrap();

type Screen = Arc<(Mutex<vt100::Parser>, Condvar)>;

struct Terminal {
    screen: Screen,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    master: Option<Box<dyn MasterPty + Send>>,
}

impl Terminal {
    /// Starts the program in `folder`, with a home of its own, at 80×24.
    fn start(folder: &Path, home: &Path) -> Self {
        let size = PtySize { rows: ROWS.get(), cols: COLUMNS.get(), pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let binary = env::var("UPSEAL_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_upseal").to_owned());
        let mut command = CommandBuilder::new(binary);
        command.cwd(folder);
        command.env_clear();
        for (name, value) in [("LANG", "C.UTF-8"), ("TERM", "xterm-256color"), ("TZ", "UTC")] {
            command.env(name, value);
        }
        command.env("HOME", home);
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen: Screen = Arc::new((Mutex::new(vt100::Parser::new(ROWS, COLUMNS, 0)), Condvar::new()));
        let mut output = pair.master.try_clone_reader().unwrap();
        let shown = Arc::clone(&screen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = output.read(&mut bytes) {
                shown.0.lock().unwrap().process(&bytes[..n]);
                shown.1.notify_all();
            }
            shown.1.notify_all();
        });
        let keys = pair.master.take_writer().unwrap();
        Self { screen, keys, child, master: Some(pair.master) }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until the screen is as wanted, and returns its text.
    fn until(&self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut parser = self.screen.0.lock().unwrap();
        loop {
            if wanted(parser.screen()) {
                return parser.screen().contents();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "never saw {what}; the screen shows:\n{}", parser.screen().contents());
            parser = self.screen.1.wait_timeout(parser, left).unwrap().0;
        }
    }

    fn until_text(&self, text: &str) -> String {
        self.until(text, |screen| screen.contents().contains(text))
    }

    /// The key that the last line prints before these words.
    fn printed_key(&self, words: &str) -> String {
        let contents = self.until_text(words);
        let line = contents.lines().rev().find(|line| line.contains(words)).unwrap();
        let before = line[..line.find(words).unwrap()].trim_end();
        let key = before.rsplit(' ').next().unwrap();
        match key {
            "Space" => " ".to_owned(),
            "Tab" => "\t".to_owned(),
            "Enter" => "\r".to_owned(),
            key => key.to_owned(),
        }
    }

    /// Moves the browser's cursor to a name.
    fn point_at(&mut self, name: &str) {
        for _ in 0..20 {
            let at = self.until("the cursor", |screen| screen.contents().contains('▸'));
            if at.lines().any(|line| line.contains('▸') && line.contains(name)) {
                return;
            }
            self.press("j");
            self.until("the cursor moved", |screen| screen.contents() != at);
        }
        panic!("{name} is not in the browser");
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.process_id().unwrap()).unwrap()).unwrap()
    }

    /// Waits for the program's end.
    fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the program does not end");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The terminal is as a shell wants it.
    fn assert_restored(&self) {
        self.until("the shell's own screen and cursor", |screen| {
            !screen.alternate_screen()
                && !screen.hide_cursor()
                && !screen.bracketed_paste()
                && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
        });
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
    }
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
    let mut terminal = Terminal::start(folder.path(), home.path());
    terminal.until_text("127.0.0.1:");
    terminal.until_text("notes.txt");
    let (mark, upload) = (terminal.printed_key(" mark"), terminal.printed_key(" upload"));
    for name in ["notes.txt", "video of the day.bin"] {
        terminal.point_at(name);
        terminal.press(&mark);
    }
    terminal.until_text("2 marked");
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
    let mut terminal = Terminal::start(folder.path(), home.path());
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
    let mut terminal = Terminal::start(folder.path(), home.path());
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
    let mut terminal = Terminal::start(folder.path(), home.path());
    terminal.until_text("notes.txt");
    kill_process(terminal.pid(), Signal::TERM).unwrap();
    terminal.end();
    terminal.assert_restored();
}

#[test]
fn the_program_ends_when_its_terminal_goes_away() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    file(folder.path(), "notes.txt", 812);
    let mut terminal = Terminal::start(folder.path(), home.path());
    terminal.until_text("notes.txt");
    // The reader thread has a twin of it, which ends with the program.
    drop(terminal.master.take());
    kill_process(terminal.pid(), Signal::HUP).unwrap();
    terminal.end();
}
