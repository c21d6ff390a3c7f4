//! Runs the program in a pseudo-terminal and uses it with the keys that it shows.
//!
//! `UPSEAL_BINARY` names another build of the program, as `.ci/run` does for the release build.
#![cfg(feature = "tui")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pty;
#[path = "terminal/queue.rs"]
mod queue;
#[path = "terminal/serve.rs"]
mod serve;
#[path = "terminal/steer.rs"]
mod steer;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pty::Terminal;
use rustix::process::{Signal, kill_process};

/// Starts the program at the design size of 80×24.
fn start(folder: &Path, home: &Path) -> Terminal {
    run(&binary(), &[], folder, home)
}

/// Starts a program with arguments at 80×24.
fn run(program: &Path, args: &[&str], folder: &Path, home: &Path) -> Terminal {
    const ROWS: NonZeroU16 = NonZeroU16::new(24).unwrap();
    const COLUMNS: NonZeroU16 = NonZeroU16::new(80).unwrap();
    Terminal::start_with(program, args, folder, home, COLUMNS, ROWS)
}

fn binary() -> PathBuf {
    env::var_os("UPSEAL_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_upseal").into()).into()
}

/// Returns the SHA-256 of a file by the system's own tool, not by this program.
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
    terminal.until_text("Queue 2 of 2 delivered");
    // Both files are shown in the queue with a receipt, and among the received files.
    terminal.until("two of each", |screen| screen.contents().matches("stored ✓").count() == 4);

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
    assert!(shown.matches("delivered ✓").count() == 2 && !shown.contains('✗'), "{shown}");
    assert!(shown.contains("server's RSA"), "the bottleneck of CP1: {shown}");
    // In large letters: the winner first.
    terminal.press("z");
    let shown = terminal.until_text("2nd  CP1 OAEP");
    assert!(shown.find("1st  CP2 Fernet") < shown.find("2nd  CP1 OAEP"), "{shown}");
    terminal.press("z");
    // Four parallel lanes.
    terminal.press("+");
    terminal.press("+");
    terminal.press("m");
    terminal.until_text("· together");
    terminal.press("\r");
    let shown = terminal.until("the end of four", |screen| {
        screen.contents().matches("delivered ✓").count() == 4 && screen.contents().contains("times faster")
    });
    assert!(shown.contains("· together") && shown.contains("than CP1") && !shown.contains('✗'), "{shown}");
    assert_eq!(received(home.path()), BTreeMap::new());
    terminal.press("q");
    assert!(terminal.end().success());
}

/// A server in a separate process, which is killed when this value is dropped.
struct Served {
    child: Child,
    address: String,
    /// SHA-256 of its key, in hexadecimal digits.
    fingerprint: String,
}

impl Served {
    fn start(home: &Path, certs: &str, store: &str) -> Self {
        Self::at("127.0.0.1:0", home, certs, store)
    }

    /// Starts a server on this address; one that has just ended may have to let it go first.
    fn at(bind: &str, home: &Path, certs: &str, store: &str) -> Self {
        let mut command = Command::new(binary());
        command.args(["serve", "--json", "--bind", bind, "--certs", certs, "--store", store]);
        command.envs(pty::environment(home)).env("UPSEAL_HISTORY", home.join(".served.db"));
        let mut child =
            command.current_dir(home).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let listening: serde_json::Value = serde_json::from_str(&line).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let fingerprint = text(&listening["identity"]["fingerprint"]);
        Self { child, address: text(&listening["address"]), fingerprint }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn send_shows_a_bar_for_the_file_and_one_for_all_files() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut certs = Command::new(binary());
    certs.args(["certs", "init", "--bits", "2048"]).current_dir(home.path()).stdout(Stdio::null());
    assert!(certs.envs(pty::environment(home.path())).status().unwrap().success());
    let server = Served::start(home.path(), "certs", "stored");
    file(folder.path(), "small.txt", 812);
    // Thousands of RSA operations: the bars are on the screen for a while.
    file(folder.path(), "a film with a long name.mkv", 4_000_000);
    let ca = home.path().join("certs/cacsertificate.crt");
    let args = [
        "send",
        "--yes",
        "-p",
        "cp1",
        "--to",
        &server.address,
        "--ca",
        ca.to_str().unwrap(),
        "small.txt",
        "a film with a long name.mkv",
    ];
    let mut terminal = run(&binary(), &args, folder.path(), home.path());
    let shown = terminal.until("both bars", |screen| {
        let contents = screen.contents();
        contents.contains(" of 2 files ")
            && contents.contains("a film with a long n")
            && contents.contains(" %  ")
    });
    assert!(shown.contains("small.txt"), "{shown}");
    let shown = terminal.until_text("2 of 2 files arrived: ");
    assert!(!shown.contains('█'), "the bars are removed: {shown}");
    assert!(terminal.end().success());
}

#[test]
fn a_changed_key_fills_the_screen_until_it_is_accepted() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let digest = file(folder.path(), "notes.txt", 812);
    let upseal = |words: &[&str]| {
        let mut command = Command::new(binary());
        command.args(words).current_dir(home.path()).stdout(Stdio::null());
        command.envs(pty::environment(home.path()));
        assert!(command.status().unwrap().success(), "{words:?}");
    };
    upseal(&["certs", "init", "--bits", "1024"]);
    let server = Served::start(home.path(), "certs", "stored");
    let other = format!("sha256:{}", "ab".repeat(32));
    upseal(&["known", "accept", &server.address, &other, "--ca", "certs/cacsertificate.crt"]);

    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("notes.txt");
    let connect = terminal.printed_key(" server");
    terminal.press(&connect);
    terminal.until_text("Connect to a server");
    let ca = home.path().join("certs/cacsertificate.crt");
    terminal.press(&format!("\x15{}\t\x15{}\r", server.address, ca.display()));
    terminal.until_text(&format!("{} not yet proven", server.address));
    terminal.point_at("notes.txt");
    terminal.press("u");
    let shown = terminal.until_text("ANOTHER KEY THAN BEFORE");
    assert!(shown.contains("NOTHING WAS SENT") && shown.contains("abab abab"), "{shown}");
    assert_eq!(fs::read_dir(home.path().join("stored")).unwrap().count(), 0);

    // Keys are ignored at first, because the user may have been typing.
    let accept = terminal.printed_key(" accept the new key");
    let deadline = Instant::now() + pty::PATIENCE;
    while !terminal.screen.0.lock().unwrap().screen().contents().contains("is accepted") {
        assert!(Instant::now() < deadline, "it is never accepted");
        terminal.press(&accept);
        thread::sleep(Duration::from_millis(100));
    }
    terminal.press("\tt");
    terminal.until_text("stored ✓");
    terminal.until_text("✓ known");
    assert_eq!(sha256(&home.path().join("stored/notes.txt")), digest);
    terminal.press("q");
    assert!(terminal.end().success());
}

#[test]
fn control_c_while_sending_cancels_and_the_second_quits() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    file(folder.path(), "large.bin", 3 << 20);
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("127.0.0.1:");
    terminal.point_at("large.bin");
    // CP1 takes a while.
    terminal.press("Pu");
    terminal.until_text("sending");
    terminal.press("\x03");
    terminal.until_text("cancelled");
    terminal.press("\x03");
    assert!(terminal.end().success());
    terminal.assert_restored();
}

#[test]
fn signals_give_the_terminal_back() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut terminal = start(folder.path(), home.path());
        terminal.until_text("127.0.0.1:");
        kill_process(terminal.pid(), signal).unwrap();
        assert!(terminal.end().success());
        terminal.assert_restored();
    }
}

#[test]
fn a_server_without_a_screen_ends_in_order_when_its_terminal_hangs_up() {
    let home = tempfile::tempdir().unwrap();
    let args = ["serve", "--log-level", "debug", "--accept", "plain", "--bind", "127.0.0.1:0"];
    let mut terminal = run(&binary(), &args, home.path(), home.path());
    let shown = terminal.until_text("listening on");
    let address = shown.split("listening on ").nth(1).unwrap().split(',').next().unwrap();
    // Half a file: MODE 0 and its name, MODE 1 and its length, and 500 of 1000 bytes.
    let mut peer = TcpStream::connect(address).unwrap();
    let word = u64::to_be_bytes;
    let half = [&word(0)[..], &word(8), b"half.txt", &word(1), &word(1000), &[7; 500]].concat();
    peer.write_all(&half).unwrap();
    terminal.until_text("receiving half.txt");
    kill_process(terminal.pid(), Signal::HUP).unwrap();
    let mut said = Vec::new();
    assert!(peer.read_to_end(&mut said).is_err() && said == [0xff], "half a file is not confirmed");
    assert!(!home.path().join("recv_files/half.txt").exists());
    assert!(
        terminal.end().success(),
        "it does not read its settings again, as a server without a terminal does"
    );
}

#[test]
fn control_z_gives_the_terminal_back_and_returning_draws_all_of_it() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    file(folder.path(), "hello.txt", 13);
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("hello.txt");
    for stop in ["\x1a", "signal"] {
        if stop == "signal" {
            kill_process(terminal.pid(), Signal::TSTP).unwrap();
        } else {
            terminal.press(stop);
        }
        terminal.until_stopped();
        terminal.assert_restored();
        // A program that ran meanwhile left something on the screen.
        terminal.screen.0.lock().unwrap().process(b"\x1b[2Jleft by a shell");
        kill_process(terminal.pid(), Signal::CONT).unwrap();
        let shown = terminal.until("the whole screen again", |screen| {
            let contents = screen.contents();
            screen.alternate_screen()
                && screen.bracketed_paste()
                && contents.contains("hello.txt")
                && contents.contains("u upload")
        });
        assert!(!shown.contains("left by a shell"), "{shown}");
        assert!(!terminal.is_cooked());
    }
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.assert_restored();
}

#[test]
fn the_dialog_offers_the_presets_of_the_file() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    file(folder.path(), "notes.txt", 812);
    let config = home.path().join(".config/upseal");
    fs::create_dir_all(&config).unwrap();
    let preset = "[peers.lab]\nto = '127.0.0.1:9'\nprotocol = 'cp1'\nca = 'ca.crt'\n";
    fs::write(config.join("config.toml"), preset).unwrap();
    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/identity-v1/cacsertificate.crt");
    fs::copy(ca, config.join("ca.crt")).unwrap();
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("notes.txt");
    let server = terminal.printed_key(" server");
    terminal.press(&server);
    terminal.until_text("[— none —]");
    terminal.press("\x1b[C");
    terminal.until("the preset's fields", |screen| {
        let contents = screen.contents();
        ["[lab]", "127.0.0.1:9", ".config/upseal/ca.crt", "Speaks CP1, framing A."]
            .iter()
            .all(|text| contents.contains(text))
    });
    terminal.press("\r");
    terminal.until_text("127.0.0.1:9 not yet proven");
    terminal.until_text("[CP1]");
    terminal.press("q");
    assert!(terminal.end().success());
}

#[test]
fn the_screen_follows_the_terminal_s_size() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("127.0.0.1:");
    terminal.resize(40, 12);
    terminal.until_text("Plain  AP  CP1 [CP2]");
    terminal.resize(30, 5);
    terminal.until_text("upseal needs 40×12");
    terminal.press("q");
    assert!(terminal.end().success());
}

#[test]
fn without_a_terminal_it_names_send_and_draws_nothing() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let output = Command::new(binary())
        .current_dir(folder.path())
        .envs(pty::environment(home.path()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.stdout.is_empty());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("upseal send"), "{said}");
    assert!(!said.contains('\x1b'));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_program_ends_when_its_terminal_goes_away() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    file(folder.path(), "notes.txt", 812);
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("notes.txt");
    // The reader thread has a copy of the terminal, which ends with the program.
    drop(terminal.master.take());
    kill_process(terminal.pid(), Signal::HUP).unwrap();
    terminal.end();
}

#[test]
fn a_dumb_terminal_is_refused_and_send_is_named() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // `env` gives the program another TERM in the same pseudo-terminal.
    let program = binary();
    let args = ["TERM=dumb", program.to_str().unwrap()];
    let mut terminal = run(Path::new("/usr/bin/env"), &args, folder.path(), home.path());
    let shown = terminal.until_text("upseal send FILE… uploads without one");
    assert!(shown.contains("(TERM=dumb)"), "{shown}");
    assert_eq!(terminal.end().exit_code(), 2);
}

#[test]
fn without_the_mouse_the_terminal_keeps_it_and_m_takes_it() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut terminal = run(&binary(), &["--no-mouse"], folder.path(), home.path());
    terminal.until_text("127.0.0.1:");
    let has_mouse = |screen: &vt100::Screen| screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None;
    assert!(!has_mouse(terminal.screen.0.lock().unwrap().screen()));
    terminal.press("M");
    terminal.until("the mouse", has_mouse);
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.assert_restored();
}

#[test]
fn the_server_s_keys_work_on_the_program_itself() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    file(folder.path(), "notes.txt", 812);
    let mut terminal = start(folder.path(), home.path());
    terminal.until_text("127.0.0.1:");
    terminal.press("4");
    terminal.until_text("Plain, AP, CP1 with OAEP or PKCS1v15, CP2");
    // There is no desktop in this terminal: the path is said and copied.
    terminal.press("o");
    terminal.until_text("No desktop here.");
    // Only CP1 with OAEP: an upload by Plain is refused, and both sides say why.
    terminal.press("a");
    terminal.until_text("padding oracle");
    terminal.press(" j jj j \r");
    terminal.until_text("New clients may send CP1 with OAEP.");
    terminal.press("1");
    terminal.point_at("notes.txt");
    terminal.press("pu");
    terminal.until_text("the server refused");
    terminal.until("the reason in the pane", |screen| screen.contents().contains("Plain is not accepted"));
    // A restart keeps the choice. Afterwards CP2 is accepted again, and the same file is stored.
    terminal.press("4");
    terminal.press("R");
    terminal.until_text("accepts      CP1 with OAEP");
    terminal.press("ajjjj \r");
    terminal.until_text("New clients may send CP1 with OAEP, CP2.");
    terminal.press("1");
    terminal.press("pppu");
    terminal.until_text("stored ✓");
    assert_eq!(received(home.path()).keys().collect::<Vec<_>>(), ["notes.txt"]);
    terminal.press("q");
    assert!(terminal.end().success());
}

#[test]
fn a_terminal_that_draws_ambiguous_glyphs_wide_gets_none_of_them() {
    const SIZE: (NonZeroU16, NonZeroU16) = (NonZeroU16::new(80).unwrap(), NonZeroU16::new(24).unwrap());
    let program = binary();
    let program = program.to_str().unwrap();
    // The wait for an answer is longer behind a network, so that a busy machine does not change the result. The key before
    // the answer was pressed while the terminal was slow, and must not be lost.
    let env = Path::new("/usr/bin/env");
    for (args, answer, is_wide) in [
        (&["SSH_CONNECTION=x", program][..], "3\x1b[1;9R", true),
        (&["SSH_CONNECTION=x", program], "3\x1b[1;5R", false),
        (&["SSH_CONNECTION=x", program, "--glyphs", "unicode"], "3\x1b[1;9R", false),
        (&[program, "--glyphs", "narrow"], "", true),
    ] {
        let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        file(folder.path(), "講義.pdf", 5);
        let mut terminal = Terminal::start_answering(env, args, folder.path(), home.path(), SIZE, answer);
        if !answer.is_empty() && !args.contains(&"--glyphs") {
            terminal.until_text("[3 ");
            terminal.press("1");
        }
        let shown = terminal.until_text("講義.pdf");
        let corner = if is_wide { '+' } else { '╭' };
        terminal.until("the frames", |screen| screen.contents().contains(corner));
        assert!(!is_wide || !shown.contains(['╭', '│', '…', '·', '×']), "{args:?}: {shown}");
        terminal.press("q");
        assert!(terminal.end().success());
        terminal.assert_restored();
    }
}
