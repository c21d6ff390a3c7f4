//! The screen in a real terminal: it shows what happens, and the terminal always comes back.
//!
//! Each test runs the program in a pseudo-terminal of its own and looks at it through a terminal
//! emulator; nothing waits for a fixed time.

#![cfg(all(unix, feature = "tui"))]
#![expect(clippy::unwrap_used, reason = "a pseudo-terminal that cannot be had fails the test")]

use std::fs;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_upseal");
/// A loaded machine, an unoptimised build.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program in a terminal of 80×24.
struct Session {
    folder: TempDir,
    screen: Arc<Mutex<vt100::Parser>>,
    keys: Box<dyn Write + Send>,
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
}

impl Session {
    /// In a folder with three files and a place for what arrives.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("recv_files")).unwrap();
        fs::write(folder.path().join("hello.txt"), b"hello, world\n").unwrap();
        fs::write(folder.path().join("large.bin"), vec![7; 3 << 20]).unwrap();
        fs::write(folder.path().join("middle.bin"), vec![7; 20_000]).unwrap();
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(PROGRAM);
        command.cwd(folder.path());
        command.env("TERM", "xterm-256color");
        command.env("LC_ALL", "C.UTF-8");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(cells(24), cells(80), 0)));
        let mut output = pair.master.try_clone_reader().unwrap();
        let shown = Arc::clone(&screen);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n) = output.read(&mut buffer) {
                if n == 0 {
                    return;
                }
                shown.lock().unwrap().process(&buffer[..n]);
            }
        });
        let keys = pair.master.take_writer().unwrap();
        let session = Self { folder, screen, keys, master: pair.master, child };
        session.until("hello.txt");
        session.until("127.0.0.1:");
        session
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn contents(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    fn until(&self, text: &str) {
        self.wait(&format!("{text:?} on the screen"), |session| session.contents().contains(text));
    }

    fn wait(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(begun.elapsed() < PATIENCE, "never: {what}\n{}", self.contents());
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn resize(&self, rows: u16, cols: u16) {
        self.screen.lock().unwrap().screen_mut().set_size(cells(rows), cells(cols));
        self.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.process_id().unwrap().try_into().unwrap()).unwrap()
    }

    /// Whether lines are edited and echoed by the terminal again.
    fn is_cooked(&self) -> bool {
        let flags = format!("{:?}", self.master.get_termios().unwrap().local_flags);
        flags.contains("ICANON") && flags.contains("ECHO")
    }

    /// Nothing of ours is left on the terminal.
    fn is_restored(&self) -> bool {
        let parser = self.screen.lock().unwrap();
        let screen = parser.screen();
        !screen.alternate_screen()
            && !screen.hide_cursor()
            && !screen.bracketed_paste()
            && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
    }

    fn is_taken(&self) -> bool {
        let parser = self.screen.lock().unwrap();
        let screen = parser.screen();
        screen.alternate_screen() && screen.hide_cursor() && screen.bracketed_paste()
    }

    /// Waits for its end, and that the terminal is as it was.
    fn ends(mut self) -> u32 {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end\n{}", self.contents());
            thread::sleep(Duration::from_millis(5));
        };
        self.wait("the terminal is restored", Self::is_restored);
        assert!(self.is_cooked());
        status.exit_code()
    }
}

fn cells(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

#[test]
fn a_first_time_user_presses_u_and_sees_the_file_arrive() {
    let mut session = Session::start();
    assert!(session.is_taken() && !session.is_cooked());
    // The way up, recv_files, hello.txt.
    session.press("jju");
    session.until("delivered ✓");
    session.until("stored ✓");
    let arrived = session.folder.path().join("recv_files/hello.txt");
    assert_eq!(fs::read(arrived).unwrap(), b"hello, world\n");
    session.press("q");
    assert_eq!(session.ends(), 0);
}

#[test]
fn a_race_ends_in_a_sentence() {
    let mut session = Session::start();
    session.press("Gr");
    session.until("times faster");
    session.until("1 GiB:");
    let received = fs::read_dir(session.folder.path().join("recv_files")).unwrap();
    let kept = received.filter_map(Result::ok).filter(|entry| entry.file_name() != ".lock").count();
    assert_eq!(kept, 0, "lanes leave nothing behind");
    session.press("\x03");
    assert_eq!(session.ends(), 0);
}

#[test]
fn control_c_while_sending_cancels_and_the_second_quits() {
    let mut session = Session::start();
    // CP1 on the larger file takes a while.
    session.press("jjjPu");
    session.until("sending");
    let asked = Instant::now();
    session.press("\x03");
    session.until("cancelled");
    // 100 ms of the transfer's, one picture, and a machine that does other things as well.
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    session.press("\x03");
    assert_eq!(session.ends(), 0);
}

#[test]
fn signals_give_the_terminal_back() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let session = Session::start();
        kill_process(session.pid(), signal).unwrap();
        session.ends();
    }
}

#[test]
fn control_z_gives_the_terminal_back_and_returning_draws_all_of_it() {
    let mut session = Session::start();
    for stop in ["\x1a", "signal"] {
        if stop == "signal" {
            kill_process(session.pid(), Signal::TSTP).unwrap();
        } else {
            session.press(stop);
        }
        // Blocks until it has stopped.
        let (_, status) = waitpid(Some(session.pid()), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped());
        session.wait("the terminal is restored", Session::is_restored);
        assert!(session.is_cooked());
        // Whatever ran meanwhile left its traces.
        session.screen.lock().unwrap().process(b"\x1b[2Jleft by a shell");
        kill_process(session.pid(), Signal::CONT).unwrap();
        session.wait("the terminal is taken again", Session::is_taken);
        session.until("hello.txt");
        session.until("u upload");
        session.wait("raw again", |session| !session.is_cooked());
        assert!(!session.contents().contains("left by a shell"));
    }
    session.press("q");
    assert_eq!(session.ends(), 0);
}

#[test]
fn a_new_size_is_drawn() {
    let session = Session::start();
    session.resize(12, 40);
    session.until("Plain  AP  CP1 [CP2]");
    session.resize(5, 30);
    session.until("upseal needs 40×12");
    kill_process(session.pid(), Signal::TERM).unwrap();
    session.ends();
}

#[test]
fn without_a_terminal_it_points_to_send_and_draws_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_plain(folder.path());
    assert!(output.stdout.is_empty());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("upseal send"), "{said}");
    assert!(!said.contains('\x1b'));
    assert!(!output.status.success());
}

fn run_plain(folder: &Path) -> std::process::Output {
    Command::new(PROGRAM).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}
