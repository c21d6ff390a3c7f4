//! Reports of races: a self-contained HTML page, or the numbers for other programs.
//!
//! ```text
//!   Verdict ─┬─► Row (rows.rs): the numbers, derived once ─┬─► html.rs ─┐
//!   machine.rs: the computer and the program ──────────────┼─► text.rs ─┼─► write: a temporary file, a rename
//!                     chart.rs (plotters): three charts ───┴─► svg ─────┘   Markdown, CSV, JSON
//! ```
//!
//! Each report is one file without dependencies: no network, no third-party script, no font. Names come from files and
//! servers, so they are escaped as for a terminal, and then as the format requires.

mod chart;
mod html;
mod machine;
mod markup;
mod rows;
mod text;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use serde::{Deserialize, Serialize};

pub(crate) use self::machine::Machine;
pub use self::rows::{Row, rows};
use crate::event::{Blame, Fault, FaultKind, Verdict};
use crate::files::{Access, check_writable, replace};
use crate::messages::race::{crowded, sentence};
use crate::messages::{Escaped, units};

/// The mark near the beginning of every report. A file with this mark may be overwritten.
pub const MARK: &str = "upseal_race_report";
/// The number of bytes that are searched for [`MARK`].
const BEGINNING: u64 = 1024;

/// The content of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RaceReport {
    /// The result of the race.
    pub verdict: Verdict,
    /// The machine and the program that it ran on.
    pub machine: Machine,
    /// What the user wrote on it.
    #[serde(default)]
    pub labels: Labels,
}

/// Texts that the user puts on a report, escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// Title instead of the file's name.
    pub title: Option<Escaped>,
    /// Who made it.
    pub author: Option<Escaped>,
    /// The course that it is for.
    pub course: Option<Escaped>,
    /// The group within the course.
    pub group: Option<Escaped>,
}

impl Labels {
    /// Returns author, course and group, as far as they are known.
    fn shown(&self) -> Vec<String> {
        let group = self.group.as_ref().map(|group| format!("group {group}"));
        let named = [&self.author, &self.course].into_iter().flatten().map(ToString::to_string);
        named.chain(group).collect()
    }
}

impl RaceReport {
    /// Creates the report of a race that has just ended on this machine.
    #[must_use]
    pub fn here(verdict: Verdict) -> Self {
        Self { verdict, machine: Machine::here(), labels: Labels::default() }
    }
}

/// The format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// An HTML page with the charts.
    Html,
    /// The charts as a picture.
    Svg,
    /// A Markdown text with tables.
    Markdown,
    /// A CSV file with a row for each lane.
    Csv,
    /// A JSON document with all data.
    Json,
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// The file name has none of the supported extensions.
    #[error("unsupported report format: {} (supported: .html, .svg, .md, .csv, .json)", Escaped::path(path))]
    Extension {
        /// Path of the report.
        path: PathBuf,
    },
    /// Another file has the name.
    #[error("{} exists and is not an upseal report; it was not overwritten", Escaped::path(path))]
    Occupied {
        /// Path of the report.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write the report {}: {why}", Escaped::path(path))]
    Unwritable {
        /// Path of the report.
        path: PathBuf,
        /// The cause.
        why: io::Error,
    },
    /// The charts cannot be drawn.
    #[error("cannot draw the report's charts: {0}")]
    Charts(String),
}

impl ReportError {
    /// Returns the fault to show to the user.
    #[must_use]
    pub(crate) fn fault(&self) -> Fault {
        let (kind, blame, advice) = match self {
            Self::Extension { .. } => (FaultKind::Usage, Blame::User, "for example --report race.html"),
            Self::Occupied { .. } => {
                (FaultKind::Usage, Blame::User, "choose another name, or move the file away")
            }
            Self::Unwritable { .. } => (FaultKind::Local, Blame::User, ""),
            Self::Charts(_) => (
                FaultKind::Broken,
                Blame::System,
                "please report the bug; .json and .csv reports have the same numbers",
            ),
        };
        Fault { kind, blame, what: self.to_string().into(), advice: advice.into() }
    }
}

impl Format {
    /// Returns the format by the extension, whose case is ignored.
    ///
    /// # Errors
    /// The extension is not supported.
    pub(crate) fn of(path: &Path) -> Result<Self, ReportError> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("html" | "htm") => Ok(Self::Html),
            Some("svg") => Ok(Self::Svg),
            Some("md") => Ok(Self::Markdown),
            Some("csv") => Ok(Self::Csv),
            Some("json") => Ok(Self::Json),
            _ => Err(ReportError::Extension { path: path.to_owned() }),
        }
    }
}

/// Checks that a report can be written to `path`, before a race whose result would otherwise be lost. Leaves no file behind.
///
/// # Errors
/// The extension is not supported, another file is there, or no file can be created in the folder.
pub(crate) fn check(path: &Path) -> Result<Format, ReportError> {
    let format = Format::of(path)?;
    let unwritable = |why| ReportError::Unwritable { path: path.to_owned(), why };
    if path.file_name().is_none() || path.is_dir() {
        return Err(unwritable(io::ErrorKind::IsADirectory.into()));
    }
    if !fs::metadata(folder(path)).map_err(unwritable)?.is_dir() {
        return Err(unwritable(io::ErrorKind::NotADirectory.into()));
    }
    if !may_be_written(path).map_err(unwritable)? {
        return Err(ReportError::Occupied { path: path.to_owned() });
    }
    check_writable(folder(path)).map_err(unwritable)?;
    Ok(format)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns whether `path` is free or an earlier report. A symbolic link is never overwritten.
fn may_be_written(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(why) => return Err(why),
        Ok(metadata) if !metadata.is_file() => return Ok(false),
        Ok(_) => {}
    }
    let mut beginning = Vec::new();
    // A link that was created since the check above is not followed either.
    let file =
        open(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())?;
    File::from(file).take(BEGINNING).read_to_end(&mut beginning)?;
    Ok(beginning.windows(MARK.len()).any(|window| window == MARK.as_bytes()))
}

/// Writes the report atomically. An existing upseal report is overwritten; any other file is kept and reported as an error.
///
/// # Errors
/// [`ReportError`]. An existing file is unchanged.
pub(crate) fn write(path: &Path, report: &RaceReport) -> Result<(), ReportError> {
    let text = render(check(path)?, report)?;
    let unwritable = |why| ReportError::Unwritable { path: path.to_owned(), why };
    replace(path, text.as_bytes(), Access::Usual).map_err(unwritable)
}

/// Renders a report. Its amounts have the usual form: its axes do, and its readers did not choose another one.
///
/// # Errors
/// The charts cannot be drawn.
pub(crate) fn render(format: Format, report: &RaceReport) -> Result<String, ReportError> {
    units::with(units::Form::default(), || match format {
        Format::Html => html::page(report),
        Format::Svg => chart::poster(report),
        Format::Markdown => Ok(text::markdown(report)),
        Format::Csv => Ok(text::csv(report)),
        Format::Json => Ok(text::json(report)),
    })
}

/// The JSON document of a report. The key of the version is [`MARK`].
#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "upseal_race_report")]
    version: u32,
    sentence: String,
    /// The sentence about other programs, if they were busy.
    load: Option<String>,
    machine: &'a Machine,
    labels: &'a Labels,
    lanes: Vec<Row>,
    verdict: &'a Verdict,
}

fn document(report: &RaceReport) -> Document<'_> {
    Document {
        version: 1,
        // It contains no name from a file or a server.
        sentence: sentence(&report.verdict),
        load: crowded(&report.verdict),
        machine: &report.machine,
        labels: &report.labels,
        lanes: rows(&report.verdict),
        verdict: &report.verdict,
    }
}

#[cfg(test)]
mod tests;
