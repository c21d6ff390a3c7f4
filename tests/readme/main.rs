//! Runs every command block of README.md and docs/manual.md in order, each page in its own empty home, and compares
//! the output with what the page shows.
//!
//! An HTML comment before each `console` block says what to do with it:
//!
//! ```text
//! <!-- run -->                       every command exits with 0
//! <!-- run: exit code 4 -->          the last command exits with 4
//! <!-- run: in the background -->    a server; it replaces the one before it
//! <!-- not run: REASON -->           named and counted
//! ```
//!
//! In a page `…` stands for any text, and a line of `…` alone for any lines. Numbers, sizes, times, rates, dates,
//! addresses and hexadecimal digits are not compared. The page's port 4321 is replaced by a free one.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod output;
mod page;

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use page::{Block, Run};

/// Time in which a server has to print its first lines.
const PATIENCE: Duration = Duration::from_secs(60);

/// An empty home, and the server that runs in it.
struct Home {
    folder: TempDir,
    /// Output of servers; outside of the home.
    outputs: TempDir,
    port: u16,
    server: Option<Server>,
}

/// A command in the background.
struct Server {
    process: Child,
    output: PathBuf,
    block: Block,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let outputs = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { folder, outputs, port, server: None }
    }

    /// Returns a shell command that runs in the home with the built program on the path.
    fn shell(&self, line: &str) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_upseal"));
        let address = format!("127.0.0.1:{}", self.port);
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", binary.parent().unwrap().display());
        let line = line.replace("0.0.0.0:4321", &address).replace("4321", &self.port.to_string());
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("exec 2>&1\n{line}")])
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command.env_clear().env("PATH", path).env("HOME", self.folder.path()).env("LANG", "C.UTF-8");
        command.env("UPSEAL_BIND", &address).env("UPSEAL_TO", &address);
        command
    }

    /// Returns output as a page shows it.
    fn as_shown(&self, text: &str) -> String {
        // A temporary folder may be known by two names.
        let real = fs::canonicalize(self.folder.path()).unwrap();
        text.replace(real.to_str().unwrap(), "/home/me")
            .replace(self.folder.path().to_str().unwrap(), "/home/me")
            .replace(&self.port.to_string(), "4321")
    }

    fn run(&self, block: &Block, exit_code: i32) {
        for (n, command) in block.commands.iter().enumerate() {
            let place = block.place();
            let output = self.shell(&command.line).output().unwrap();
            let text = self.as_shown(&String::from_utf8_lossy(&output.stdout));
            let expected = if n + 1 == block.commands.len() { exit_code } else { 0 };
            assert_eq!(output.status.code(), Some(expected), "{place}: $ {}\n{text}", command.line);
            let lines: Vec<&str> = text.lines().collect();
            output::assert_matches(&command.output, &lines, &format!("{place}: $ {}", command.line));
        }
    }

    fn start(&mut self, block: Block) {
        self.stop();
        let [command] = &block.commands[..] else {
            panic!("{}: a block in the background has one command", block.place());
        };
        let output = self.outputs.path().join(format!("{}.txt", block.line));
        let mut shell = self.shell(&format!("exec {}", command.line));
        let process = shell.stdout(File::create(&output).unwrap()).spawn().unwrap();
        self.server = Some(Server { process, output, block });
        let until = Instant::now() + PATIENCE;
        let server = self.server.as_ref().unwrap();
        while !fs::read_to_string(&server.output).unwrap().contains("to send here") {
            let text = fs::read_to_string(&server.output).unwrap();
            assert!(Instant::now() < until, "{}: it does not listen:\n{text}", server.block.place());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops the server and compares its output: the page shows its beginning.
    fn stop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let _ = server.process.kill();
        let _ = server.process.wait();
        let text = self.as_shown(&fs::read_to_string(&server.output).unwrap());
        let command = &server.block.commands[0];
        let place = format!("{}: $ {}", server.block.place(), command.line);
        let lines: Vec<&str> = text.lines().collect();
        let shown: Vec<&str> = command.output.iter().map(String::as_str).chain(["…"]).collect();
        output::assert_matches(&shown, &lines, &place);
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.process.kill();
            let _ = server.process.wait();
        }
    }
}

/// Runs a page; returns the reasons of the blocks that were not run.
fn run_page(name: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let mut home = Home::new();
    let mut not_run = Vec::new();
    for block in page::blocks(name, &text) {
        match &block.run {
            Run::Not { reason } => not_run.push(reason.clone()),
            Run::Foreground { exit_code } => home.run(&block, *exit_code),
            Run::Background => home.start(block),
        }
    }
    home.stop();
    not_run
}

#[test]
fn every_command_of_the_readme_prints_what_the_readme_shows() {
    assert_eq!(run_page("README.md"), ["builds the program"]);
}

#[test]
fn every_command_of_the_manual_prints_what_the_manual_shows() {
    assert_eq!(run_page("docs/manual.md"), [""; 0]);
}

#[test]
fn the_manual_counts_the_keys_of_each_program_s_commands() {
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/manual.md")).unwrap();
    let mut rows = 0;
    for row in manual
        .lines()
        .filter(|row| ["| `scp` |", "| `croc` |", "| `upseal` |"].iter().any(|of| row.starts_with(of)))
    {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let commands: Vec<&str> = cells[2].split('`').skip(1).step_by(2).collect();
        let typed = |command: &str| {
            [("FILE", "f"), ("USER", "user"), ("HOST", "host"), ("LINK", "l"), ("CODE", "c")]
                .iter()
                .fold(command.to_owned(), |text, (word, keys)| text.replace(word, keys))
        };
        // Enter ends each command.
        let keys: usize = commands.iter().map(|command| typed(command).chars().count() + 1).sum();
        assert_eq!(cells[2].split(':').next(), Some(commands.len().to_string().as_str()), "{row}");
        assert_eq!(cells[3], keys.to_string(), "{row}");
        rows += 1;
    }
    assert_eq!(rows, 3);
}
