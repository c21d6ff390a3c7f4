//! The first meeting with a server, in a pseudo-terminal: what `send` and the terminal UI ask, and what the answers do.
#![cfg(feature = "tui")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pty;

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pty::Terminal;
use rustix::process::{Signal, kill_process};
use tempfile::TempDir;

fn binary() -> PathBuf {
    env::var_os("UPSEAL_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_upseal").into()).into()
}

/// A server in another process, with an identity of its own, and a client that has never met it.
struct Scene {
    home: TempDir,
    server: Child,
    address: String,
    /// The words of the server's key, in order.
    words: Vec<String>,
}

impl Scene {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        upseal(home.path(), &["certs", "init", "--bits", "1024"]);
        let shown = upseal(home.path(), &["certs", "show", "certs/server_signed.crt"]);
        let words = shown.split("words").nth(1).unwrap().split_whitespace().map(str::to_owned).collect();
        fs::write(home.path().join("notes.txt"), "hello").unwrap();
        let mut command = Command::new(binary());
        command.args(["serve", "--json", "--bind", "127.0.0.1:0", "--certs", "certs", "--store", "stored"]);
        command.envs(pty::environment(home.path())).env("UPSEAL_HISTORY", home.path().join(".served.db"));
        let mut server =
            command.current_dir(home.path()).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let listening: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = listening["address"].as_str().unwrap().to_owned();
        Self { home, server, address, words }
    }

    /// Starts the program at 80×24.
    fn run(&self, args: &[&str]) -> Terminal {
        const ROWS: NonZeroU16 = NonZeroU16::new(24).unwrap();
        const COLUMNS: NonZeroU16 = NonZeroU16::new(80).unwrap();
        Terminal::start_with(&binary(), args, self.home.path(), self.home.path(), COLUMNS, ROWS)
    }

    fn send(&self, more: &[&str]) -> Terminal {
        let args = ["send", "--to", &self.address, "--ca", "certs/cacsertificate.crt"];
        self.run(&[&args, more].concat())
    }

    fn stored(&self) -> Vec<String> {
        let entries = fs::read_dir(self.home.path().join("stored")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn known(&self) -> String {
        upseal(self.home.path(), &["known"])
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn upseal(home: &Path, args: &[&str]) -> String {
    let mut command = Command::new(binary());
    let output = command.args(args).current_dir(home).envs(pty::environment(home)).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn send_shows_the_server_and_waits_for_enter() {
    let scene = Scene::new();
    let mut terminal = scene.send(&["notes.txt"]);
    let shown = terminal.until_text("Send to this server? Enter: yes, n: no");
    assert_eq!(scene.words.len(), 12);
    for word in &scene.words {
        assert!(shown.contains(word.as_str()), "{word}: {shown}");
    }
    for fact in
        ["was never met. Nothing was sent yet.", "subject   CN=upseal server", "RSA 1024 bits, 365 days left"]
    {
        assert!(shown.contains(fact), "{fact}: {shown}");
    }
    assert_eq!(scene.stored(), Vec::<String>::new());
    terminal.press("\r");
    terminal.until_text("stored");
    terminal.until_text("key accepted and remembered");
    assert!(terminal.end().success());
    assert_eq!(scene.stored(), ["notes.txt"]);
    // It is asked once.
    fs::write(scene.home.path().join("more.txt"), "again").unwrap();
    let mut terminal = scene.send(&["more.txt"]);
    let shown = terminal.until_text("stored");
    assert!(!shown.contains("Enter: yes"), "{shown}");
    assert!(terminal.end().success());
}

#[test]
fn everything_but_enter_sends_nothing_and_the_server_stays_unknown() {
    for keys in ["n\r", "\x1b\r", "\x04"] {
        let scene = Scene::new();
        let mut terminal = scene.send(&["notes.txt"]);
        terminal.until_text("Enter: yes, n: no");
        terminal.press(keys);
        terminal.until_text("was not accepted; nothing was sent");
        assert_eq!(terminal.end().exit_code(), 4, "{keys:?}");
        assert_eq!(scene.stored(), Vec::<String>::new());
        assert_eq!(scene.known(), "", "{keys:?}");
    }
}

#[test]
fn control_c_at_the_question_cancels() {
    let scene = Scene::new();
    let mut terminal = scene.send(&["notes.txt"]);
    terminal.until_text("Enter: yes, n: no");
    terminal.press("\x03");
    assert_eq!(terminal.end().exit_code(), 130);
    assert!(terminal.is_cooked());
    assert_eq!(scene.stored(), Vec::<String>::new());
}

#[test]
fn with_yes_or_a_pin_nothing_is_asked() {
    let scene = Scene::new();
    let pin = upseal(scene.home.path(), &["certs", "show", "certs/server_signed.crt"]);
    let pin = pin.lines().find_map(|line| line.strip_prefix("pin")).unwrap().trim().to_owned();
    for (more, said) in
        [(vec!["--pin", &pin, "notes.txt"], "as pinned"), (vec!["-y", "notes.txt"], "known since")]
    {
        let mut terminal = scene.send(&more);
        let shown = terminal.until_text("stored");
        assert!(shown.contains(said) && !shown.contains("Enter: yes"), "{shown}");
        assert!(terminal.end().success());
    }
    let scene = Scene::new();
    let mut terminal = scene.send(&["--yes", "notes.txt"]);
    terminal.until_text("key accepted unseen and remembered");
    assert!(terminal.end().success());
}

/// Opens the UI, connects, and presses `u` on the file. The server is shown.
fn asked(scene: &Scene) -> Terminal {
    let mut terminal = scene.run(&["--to", &scene.address, "--ca", "certs/cacsertificate.crt"]);
    terminal.until_text("notes.txt");
    terminal.point_at("notes.txt");
    terminal.press("u");
    // The last row of the dialog is drawn after all others.
    terminal.until_text("First meeting");
    let shown = terminal.until_text("[Esc] send nothing");
    for word in &scene.words {
        assert!(shown.contains(word.as_str()), "{word}: {shown}");
    }
    assert!(shown.contains("[Enter] send there"), "{shown}");
    terminal
}

#[test]
fn the_screen_sends_after_enter_and_not_before() {
    let scene = Scene::new();
    let mut terminal = asked(&scene);
    assert_eq!(scene.stored(), Vec::<String>::new());
    terminal.accept_first_meeting();
    terminal.until_text("stored ✓");
    terminal.until_text("✓ accepted");
    assert_eq!(scene.stored(), ["notes.txt"]);
    terminal.press("q");
    assert!(terminal.end().success());
    assert!(scene.known().contains(&scene.address));
}

#[test]
fn the_screen_sends_nothing_after_escape_and_t_asks_again() {
    let scene = Scene::new();
    let mut terminal = asked(&scene);
    terminal.press("\x1b");
    terminal.until_text("not accepted");
    terminal.press("\tt");
    terminal.until_text("First meeting");
    assert_eq!(scene.stored(), Vec::<String>::new());
    // A signal restores the terminal under the question, too.
    kill_process(terminal.pid(), Signal::TERM).unwrap();
    assert!(terminal.end().success());
    terminal.assert_restored();
    assert_eq!(scene.known(), "");
}
