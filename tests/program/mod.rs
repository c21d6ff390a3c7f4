//! Runs the program in its own home, with its output and exit code.
#![allow(dead_code, reason = "each user needs a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod schema;

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use crossbeam_channel::{Receiver, unbounded};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::PATIENCE;

/// A separate home for each test, so that nothing in the user's home is read or written.
pub(crate) struct Home(TempDir);

/// The output and exit code of a program.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(home.path("tmp")).unwrap();
        std::fs::write(home.path("a.txt"), "hello").unwrap();
        std::fs::write(home.path("b.txt"), "world").unwrap();
        home
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    /// Returns the path of the presets, which do not exist at first.
    pub(crate) fn config(&self) -> PathBuf {
        self.path("upseal/config.toml")
    }

    /// Returns the path of the history, which does not exist at first.
    pub(crate) fn history(&self) -> PathBuf {
        self.path("data/history.db")
    }

    /// Writes the presets.
    pub(crate) fn configure(&self, text: &str) {
        std::fs::create_dir_all(self.path("upseal")).unwrap();
        std::fs::write(self.config(), text).unwrap();
    }

    /// Starts the program in this home.
    pub(crate) fn start(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Program {
        self.start_with(args, &[])
    }

    /// Starts the program with further environment variables.
    pub(crate) fn start_with(
        &self,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        environment: &[(&str, &str)],
    ) -> Program {
        let mut program = self.start_command(Command::new(env!("CARGO_BIN_EXE_upseal")), args, environment);
        drop(program.child.stdin.take());
        program
    }

    /// Starts the program and writes these bytes to its standard input, which then ends.
    pub(crate) fn start_reading(
        &self,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        input: &[u8],
    ) -> Program {
        use std::io::Write as _;
        let mut program = self.start_command(Command::new(env!("CARGO_BIN_EXE_upseal")), args, &[]);
        let mut stdin = program.child.stdin.take().unwrap();
        stdin.write_all(input).unwrap();
        drop(stdin);
        program
    }

    /// Starts the program like `nohup`: it ignores SIGHUP from its start.
    pub(crate) fn start_by_nohup(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Program {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", r#"trap "" HUP; exec "$0" "$@""#, env!("CARGO_BIN_EXE_upseal")]);
        let mut program = self.start_command(shell, args, &[]);
        drop(program.child.stdin.take());
        program
    }

    /// Starts the program without a controlling terminal, as a service manager does.
    pub(crate) fn start_detached(
        &self,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        environment: &[(&str, &str)],
    ) -> Program {
        // Tests that were started by nohup ignore SIGHUP, and so would the program.
        let mut setsid = Command::new("env");
        setsid.args(["--default-signal=HUP", "setsid", env!("CARGO_BIN_EXE_upseal")]);
        let mut program = self.start_command(setsid, args, environment);
        drop(program.child.stdin.take());
        program
    }

    /// Starts the program with a limit of open files.
    pub(crate) fn start_with_files(
        &self,
        files: u64,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Program {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!(r#"ulimit -n {files}; exec "$0" "$@""#), env!("CARGO_BIN_EXE_upseal")]);
        let mut program = self.start_command(shell, args, &[]);
        drop(program.child.stdin.take());
        program
    }

    fn start_command(
        &self,
        mut command: Command,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        environment: &[(&str, &str)],
    ) -> Program {
        let args: Vec<OsString> = args.into_iter().map(|word| word.as_ref().to_owned()).collect();
        // The other commands print rows, not events.
        let tells = args.first().is_some_and(|word| ["send", "serve", "race"].iter().any(|it| word == it));
        command.args(args).current_dir(self.0.path()).env_clear();
        for variable in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
            command.env(variable, self.0.path());
        }
        command.env("TMPDIR", self.path("tmp")).env("UPSEAL_KNOWN", self.path("known"));
        command.env("UPSEAL_HISTORY", self.history());
        command.env("UPSEAL_CONFIG", self.config()).envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, err) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Program { child, out, err, seen: Vec::new(), tells }
    }

    /// Runs the program to its exit.
    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        self.start(args).finish()
    }
}

/// A running program, killed when dropped.
pub(crate) struct Program {
    child: Child,
    pub out: Receiver<String>,
    pub err: Receiver<String>,
    /// Lines of stdout so far.
    seen: Vec<String>,
    /// Whether the command prints events.
    tells: bool,
}

/// Returns a channel with the lines of a stream.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = unbounded();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            if sender.send(line.unwrap()).is_err() {
                break;
            }
        }
    });
    receiver
}

impl Program {
    /// Waits for the first further line of stdout that is wanted, as JSON.
    pub(crate) fn json(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let Ok(line) = self.out.recv_timeout(PATIENCE) else {
                let err: Vec<String> = self.err.try_iter().collect();
                panic!("no such line in {:#?}, stderr {err:#?}", self.seen)
            };
            self.seen.push(line);
            let value: Value = serde_json::from_str(self.seen.last().unwrap()).expect("JSON in every line");
            schema::hold(&value);
            if wanted(&value) {
                return value;
            }
        }
    }

    /// Waits until a server with `--json` listens; returns its address.
    pub(crate) fn address(&mut self) -> String {
        self.json(|value| value["event"] == "listening")["address"].as_str().unwrap().to_owned()
    }

    /// Returns the id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the exit, with which both streams end. Every event must match the schema.
    pub(crate) fn finish(mut self) -> Outcome {
        let err =
            to_the_end(&self.err).unwrap_or_else(|| panic!("it is still running after {:#?}", self.seen));
        let out = to_the_end(&self.out).unwrap_or_else(|| panic!("it is still running after {err:#?}"));
        let code = self.child.wait().unwrap().code();
        self.seen.extend(out);
        for line in self.seen.iter().filter(|line| self.tells && line.starts_with(r#"{"event":"#)) {
            schema::hold(&serde_json::from_str(line).expect(line));
        }
        Outcome { code, out: self.seen.join("\n"), err: err.join("\n") }
    }
}

fn to_the_end(lines: &Receiver<String>) -> Option<Vec<String>> {
    let mut all = Vec::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => all.push(line),
            Err(crossbeam_channel::RecvTimeoutError::Disconnected) => return Some(all),
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => return None,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has exited already if the test passed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns every line of stdout as an event that matches the schema.
pub(crate) fn events(outcome: &Outcome) -> Vec<Value> {
    let values = rows(outcome);
    values.iter().for_each(schema::hold);
    values
}

/// Returns every line of stdout as JSON, for a command that prints no events.
pub(crate) fn rows(outcome: &Outcome) -> Vec<Value> {
    outcome.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Returns the words of a command line; `{a}` stands for the value of `a`.
pub(crate) fn words(line: &str, values: &[(&str, &str)]) -> Vec<String> {
    let fill = |word: &str| {
        values.iter().fold(word.to_owned(), |word, (name, value)| word.replace(&format!("{{{name}}}"), value))
    };
    line.split_whitespace().map(fill).collect()
}
