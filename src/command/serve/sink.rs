//! Where the lines of the log go: the standard streams, the journal behind them, or a file.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::Serialize;

use super::lines::{self, Line};
use crate::cli::{LogLevel, Serve};
use crate::clock;
use crate::event::{Event, Fault, SessionId};
use crate::messages::units;
use crate::output;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) is_json: bool,
    /// Whole sentences.
    pub(super) is_plain: bool,
}

/// Where lines go.
#[derive(Debug)]
pub(super) enum Sink {
    /// Results to standard output, everything else to standard error.
    Standard {
        /// Whether standard output is the journal.
        out_is_journal: bool,
        /// Whether standard error is the journal.
        err_is_journal: bool,
    },
    /// All to a file.
    File(LogFile),
}

/// A log file.
#[derive(Debug)]
pub(super) struct LogFile {
    file: File,
    /// Lines that could not be written, since the last one that could.
    lost: u64,
    why: Option<io::Error>,
}

impl LogFile {
    /// Opens a file to append to. A new file can be read by its owner only.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(|e| {
            Fault::local(format!("cannot open the log file {}: {e}", path.display()))
                .with_advice("choose a file that can be written with --log-file")
        })?;
        Ok(Self { file, lost: 0, why: None })
    }

    /// Writes a line at once. What cannot be written is counted and said later: a full disk must not stop the server.
    fn write(&mut self, text: &str) {
        let mut whole = String::new();
        if self.lost > 0 {
            let why = self.why.as_ref().map(ToString::to_string).unwrap_or_default();
            whole = format!("{} could not be written here: {why}\n", units::count(self.lost, "line"));
        }
        whole.push_str(text);
        whole.push('\n');
        match self.file.write_all(whole.as_bytes()) {
            Ok(()) => self.lost = 0,
            Err(why) => {
                self.lost += 1;
                self.why = Some(why);
            }
        }
    }
}

impl Sink {
    /// Opens what these flags say.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(super) fn of(args: &Serve) -> Result<Self, Fault> {
        let Some(path) = &args.log_file else {
            return Ok(Self::Standard {
                out_is_journal: is_journal(io::stdout()),
                err_is_journal: is_journal(io::stderr()),
            });
        };
        LogFile::open(path).map(Self::File)
    }

    /// Writes the lines of an event that are at least of this level. Events have no level.
    pub(super) fn show(&mut self, event: &Event, form: Form, least: LogLevel) {
        if form.is_json {
            let session = lines::session(event)
                .filter(|_| matches!(event, Event::Received { .. } | Event::Receiving { .. }));
            // Events are plain values; serialising them cannot fail.
            let Ok(json) = serde_json::to_string(&WithSession { event, session }) else { return };
            match self {
                Self::Standard { .. } => output::line(&json),
                Self::File(file) => file.write(&json),
            }
            return;
        }
        for line in lines::lines(event, form.is_plain).into_iter().filter(|line| line.level <= least) {
            self.text(&line);
        }
    }

    fn text(&mut self, line: &Line) {
        let Line { level, is_result, text } = line;
        match self {
            Self::File(file) => {
                let (at, level) = (clock::now(), word(*level));
                file.write(&format!("{at:.3} {level:<5} {text}"));
            }
            Self::Standard { out_is_journal: true, .. } if *is_result => {
                output::line(&for_journal(*level, text));
            }
            Self::Standard { err_is_journal: true, .. } if !*is_result => {
                output::remark(&for_journal(*level, text));
            }
            Self::Standard { .. } if *is_result => output::line(text),
            Self::Standard { .. } => output::remark(text),
        }
    }
}

/// An event, and the session that only its track names.
#[derive(Serialize)]
struct WithSession<'a> {
    #[serde(flatten)]
    event: &'a Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<SessionId>,
}

const fn word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    }
}

/// Returns a line with its priority, which the journal takes off again. The journal has times of its own.
fn for_journal(level: LogLevel, text: &str) -> String {
    let priority = match level {
        LogLevel::Error => 3,
        LogLevel::Warn => 4,
        LogLevel::Info => 6,
        LogLevel::Debug => 7,
    };
    format!("<{priority}>{text}")
}

/// Returns whether a stream is the socket of the journal, which the service manager names by its device and number.
fn is_journal(stream: impl AsFd) -> bool {
    let Ok(named) = env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(stream).is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_has_times_and_levels_and_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut sink = Sink::File(LogFile::open(&path).unwrap());
        let text = Form { is_json: false, is_plain: false };
        sink.show(&Event::Note { text: "one".to_owned() }, text, LogLevel::Info);
        sink.show(&Event::Note { text: "not".to_owned() }, text, LogLevel::Warn);
        sink.show(&Event::Note { text: "two".to_owned() }, Form { is_json: true, ..text }, LogLevel::Error);
        let written = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = written.lines().collect();
        assert!(
            lines[0].ends_with("Z info  one") && lines[0].len() == "2026-11-29T12:00:00.000Z info  one".len(),
            "{lines:?}"
        );
        assert_eq!(lines[1..], [r#"{"event":"note","text":"two"}"#]);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(LogFile::open(folder.path()).is_err(), "a folder");
    }

    #[test]
    fn a_full_disk_loses_lines_and_says_how_many() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut file = LogFile {
            file: OpenOptions::new().write(true).open("/dev/full").unwrap(),
            ..LogFile::open(&path).unwrap()
        };
        for n in 0..3 {
            file.write(&n.to_string());
        }
        file.file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write("back");
        file.write("again");
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(
            written.starts_with("3 lines could not be written here: ")
                && written.ends_with("\nback\nagain\n"),
            "{written}"
        );
    }

    #[test]
    fn the_journal_gets_priorities() {
        let levels = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug];
        assert_eq!(levels.map(|level| for_journal(level, "x")), ["<3>x", "<4>x", "<6>x", "<7>x"]);
    }
}
