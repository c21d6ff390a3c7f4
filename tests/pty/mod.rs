//! A pseudo-terminal that runs the program: types keys and reads the screen.
//!
//! The tests and the example that draws the README's pictures share this module; each uses a part of it.
#![allow(dead_code, reason = "each user needs a part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cmp::Ordering;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, WaitOptions, waitpid};

/// Timeout of all waits: long enough for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) type Screen = Arc<(Mutex<vt100::Parser>, Condvar)>;

/// Environment variables that give the program its own home, so that it neither reads nor writes the user's files.
pub(crate) fn environment(home: &Path) -> [(&'static str, PathBuf); 8] {
    [
        ("HOME", home.to_owned()),
        ("XDG_CONFIG_HOME", home.join(".config")),
        ("XDG_DATA_HOME", home.join(".local/share")),
        ("XDG_STATE_HOME", home.join(".local/state")),
        ("XDG_CACHE_HOME", home.join(".cache")),
        ("UPSEAL_CONFIG", home.join(".config/upseal/config.toml")),
        ("UPSEAL_KNOWN", home.join(".known_servers")),
        ("UPSEAL_HISTORY", home.join(".history.db")),
    ]
}

pub(crate) struct Terminal {
    pub screen: Screen,
    keys: Arc<Mutex<Box<dyn Write + Send>>>,
    child: Box<dyn Child + Send + Sync>,
    pub master: Option<Box<dyn MasterPty + Send>>,
}

impl Terminal {
    /// Starts the program in `folder`, with its own home.
    pub(crate) fn start(
        binary: &Path,
        folder: &Path,
        home: &Path,
        columns: NonZeroU16,
        rows: NonZeroU16,
    ) -> Self {
        Self::start_with(binary, &[], folder, home, columns, rows)
    }

    /// Starts the program with arguments in `folder`, with its own home.
    pub(crate) fn start_with(
        binary: &Path,
        args: &[&str],
        folder: &Path,
        home: &Path,
        columns: NonZeroU16,
        rows: NonZeroU16,
    ) -> Self {
        Self::start_answering(binary, args, folder, home, (columns, rows), "")
    }

    /// Starts the program in a terminal that answers each question for the position of its cursor with these bytes; with
    /// none, it does not answer.
    pub(crate) fn start_answering(
        binary: &Path,
        args: &[&str],
        folder: &Path,
        home: &Path,
        (columns, rows): (NonZeroU16, NonZeroU16),
        answer: &'static str,
    ) -> Self {
        let size = PtySize { rows: rows.get(), cols: columns.get(), pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(binary);
        command.args(args);
        command.cwd(folder);
        command.env_clear();
        for (name, value) in [("LANG", "C.UTF-8"), ("TERM", "xterm-256color"), ("TZ", "UTC")] {
            command.env(name, value);
        }
        for (name, value) in environment(home) {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen: Screen = Arc::new((Mutex::new(vt100::Parser::new(rows, columns, 0)), Condvar::new()));
        let mut output = pair.master.try_clone_reader().unwrap();
        let shown = Arc::clone(&screen);
        let keys = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let answers = Arc::clone(&keys);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            let mut held = Vec::new();
            while let Ok(n @ 1..) = output.read(&mut bytes) {
                held.extend_from_slice(&bytes[..n]);
                let whole = whole_pictures(&held);
                shown.0.lock().unwrap().process(&held[..whole]);
                held.drain(..whole);
                if !answer.is_empty() {
                    // The question is written at once, so that no read ends inside of it.
                    for _ in bytes[..n].windows(4).filter(|window| *window == b"\x1b[6n") {
                        answers.lock().unwrap().write_all(answer.as_bytes()).unwrap();
                    }
                }
                shown.1.notify_all();
            }
            shown.0.lock().unwrap().process(&held);
            shown.1.notify_all();
        });
        Self { screen, keys, child, master: Some(pair.master) }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        let mut terminal = self.keys.lock().unwrap();
        terminal.write_all(keys.as_bytes()).unwrap();
        terminal.flush().unwrap();
    }

    /// Waits until the screen is as wanted, and returns its text.
    pub(crate) fn until(&self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) -> String {
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

    pub(crate) fn until_text(&self, text: &str) -> String {
        self.until(text, |screen| screen.contents().contains(text))
    }

    /// Returns the key that the footer shows before these words.
    pub(crate) fn printed_key(&self, words: &str) -> String {
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

    /// Moves the browser's cursor to a name that is on the screen. Other panes may show the name too, so only the cells
    /// behind the cursor's column count.
    pub(crate) fn point_at(&mut self, name: &str) {
        let cursor = |contents: &str| {
            let mut lines = contents.lines().enumerate();
            lines.find_map(|(row, line)| Some((row, line.chars().position(|glyph| glyph == '▸')?)))
        };
        let wanted = |contents: &str| {
            let (_, column) = cursor(contents)?;
            let shown =
                |line: &str| line.chars().skip(column).take(name.chars().count() + 4).collect::<String>();
            contents.lines().position(|line| shown(line).contains(name))
        };
        loop {
            let contents = self.until("the browser", |screen| wanted(&screen.contents()).is_some());
            let at = cursor(&contents).unwrap().0;
            let key = match at.cmp(&wanted(&contents).unwrap()) {
                Ordering::Equal => return,
                Ordering::Less => "j",
                Ordering::Greater => "k",
            };
            self.press(key);
            self.until("the cursor move", |screen| {
                cursor(&screen.contents()).is_some_and(|(row, _)| row != at)
            });
        }
    }

    /// Marks files by the key in the footer, and waits until the browser counts them.
    pub(crate) fn mark(&mut self, names: &[&str]) {
        let key = self.printed_key(" mark");
        for (before, name) in names.iter().enumerate() {
            self.point_at(name);
            self.press(&key);
            self.until_text(&format!("{} marked", before + 1));
        }
    }

    /// Marks a folder.
    pub(crate) fn mark_folder(&mut self, name: &str) {
        self.point_at(name);
        self.press(" ");
        self.until_text("1 folder marked");
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.process_id().unwrap()).unwrap()).unwrap()
    }

    /// Waits for the end of the program.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the program does not end");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the program was stopped (not ended).
    pub(crate) fn until_stopped(&self) {
        let deadline = Instant::now() + PATIENCE;
        let options = WaitOptions::UNTRACED | WaitOptions::NOHANG;
        loop {
            if let Some((_, status)) = waitpid(Some(self.pid()), options).unwrap() {
                return assert!(status.stopped());
            }
            assert!(Instant::now() < deadline, "the program does not stop");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the question about a server that was never met, and accepts its key. Enter is ignored at first, because the
    /// user may have been typing.
    pub(crate) fn accept_first_meeting(&mut self) {
        self.until("the question", |screen| screen.contents().contains("First meeting"));
        let deadline = Instant::now() + PATIENCE;
        while self.screen.0.lock().unwrap().screen().contents().contains("First meeting") {
            assert!(Instant::now() < deadline, "Enter never counts");
            self.press("\r");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Changes the size of the terminal.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let cells = |n| NonZeroU16::new(n).unwrap();
        self.screen.0.lock().unwrap().screen_mut().set_size(cells(rows), cells(columns));
        let master = self.master.as_ref().unwrap();
        master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    /// Returns whether the terminal edits and echoes lines.
    pub(crate) fn is_cooked(&self) -> bool {
        let master = self.master.as_ref().unwrap();
        let flags = format!("{:?}", master.get_termios().unwrap().local_flags);
        flags.contains("ICANON") && flags.contains("ECHO")
    }

    /// Checks that the terminal is restored for a shell.
    pub(crate) fn assert_restored(&self) {
        self.until("the shell's own screen and cursor", |screen| {
            !screen.alternate_screen()
                && !screen.hide_cursor()
                && !screen.bracketed_paste()
                && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
        });
        // The modes above arrive with the output; this one is set on the device a moment later.
        let deadline = Instant::now() + PATIENCE;
        while !self.is_cooked() {
            assert!(Instant::now() < deadline, "lines are not edited again");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The program has ended already, unless the test failed.
        let _ = self.child.kill();
    }
}

/// Returns the number of bytes before a picture that is not whole yet: as terminals do, one is shown between the two
/// marks of a synchronized update only when it is complete.
fn whole_pictures(bytes: &[u8]) -> usize {
    const BEGIN: &[u8] = b"\x1b[?2026h";
    const END: &[u8] = b"\x1b[?2026l";
    let last = |mark: &[u8]| bytes.windows(mark.len()).rposition(|window| window == mark);
    match (last(BEGIN), last(END)) {
        (Some(begin), end) if end.is_none_or(|end| end < begin) => begin,
        // A read may have ended inside the mark.
        _ => {
            let cut = (1..BEGIN.len()).rev().find(|n| bytes.ends_with(&BEGIN[..*n]));
            bytes.len() - cut.unwrap_or(0)
        }
    }
}
