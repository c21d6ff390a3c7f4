//! A race's report: a page to hand in, or its numbers for other programs.
//!
//! ```text
//!   Verdict ─┬─► Row (rows.rs): the numbers, derived once ─┬─► html.rs ─┐
//!   machine.rs: where and with what ───────────────────────┼─► text.rs ─┼─► write: a temp, then a rename
//!                     chart.rs (plotters): three charts ───┴─► svg ─────┘   Markdown, CSV, JSON
//! ```
//!
//! Each is one file that needs nothing else: no network, no script from elsewhere, no font. Names come from files and
//! from servers, so they are escaped as on a screen, and then as the format wants it.

mod chart;
mod html;
mod machine;
mod rows;
mod text;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use serde::{Deserialize, Serialize};

pub use self::machine::Machine;
pub use self::rows::{Row, Share, rows};
use crate::event::{Blame, Fault, FaultKind, Verdict};
use crate::files::{Access, check_writable, replace};
use crate::messages::Escaped;
use crate::messages::race::sentence;

/// Stands in the beginning of every report, by which one is known that may be replaced.
pub const MARK: &str = "upseal_race_report";
/// Bytes of a beginning.
const BEGINNING: u64 = 1024;

/// All that a report says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RaceReport {
    /// How the race ended.
    pub verdict: Verdict,
    /// Where it ran, and with what.
    pub machine: Machine,
}

impl RaceReport {
    /// Of a race on this machine that has just ended.
    #[must_use]
    pub fn here(verdict: Verdict) -> Self {
        Self { verdict, machine: Machine::here() }
    }
}

/// What a report is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A page with the charts.
    Html,
    /// The charts alone.
    Svg,
    /// A table for a text.
    Markdown,
    /// A row for each lane.
    Csv,
    /// Everything.
    Json,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Its name does not say what it is to be.
    #[error("{}: a report's name ends in .html, .svg, .md, .csv or .json", Escaped::path(path))]
    Extension {
        /// The name.
        path: PathBuf,
    },
    /// Somebody's file has the name.
    #[error("{} is there already, and is no report of upseal's: it is not replaced", Escaped::path(path))]
    Occupied {
        /// The name.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("cannot write the report {}: {why}", Escaped::path(path))]
    Unwritable {
        /// The name.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// The charts cannot be drawn.
    #[error("cannot draw the report's charts: {0}")]
    Charts(String),
}

impl ReportError {
    /// What the user is told.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let (kind, blame, advice) = match self {
            Self::Extension { .. } => (FaultKind::Usage, Blame::User, "for example --report race.html"),
            Self::Occupied { .. } => (FaultKind::Usage, Blame::User, "choose another name, or move it away"),
            Self::Unwritable { .. } => (FaultKind::Local, Blame::User, ""),
            Self::Charts(_) => {
                (FaultKind::Broken, Blame::System, "report it; .json and .csv have the same numbers")
            }
        };
        Fault { kind, blame, what: self.to_string(), advice: advice.to_owned() }
    }
}

impl Format {
    /// By the extension, whatever its case.
    ///
    /// # Errors
    /// It has none of these.
    pub fn of(path: &Path) -> Result<Self, ReportError> {
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

/// Whether a report could be written there: before a race, whose result would be lost. Leaves nothing there.
///
/// # Errors
/// The extension means nothing, somebody else's file is there, or no file can be made in that folder.
pub fn check(path: &Path) -> Result<Format, ReportError> {
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

/// Nothing is there, or a report of ours. A link is somebody's, wherever it leads.
fn may_be_written(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(why) => return Err(why),
        Ok(metadata) if !metadata.is_file() => return Ok(false),
        Ok(_) => {}
    }
    let mut beginning = Vec::new();
    // A link that was planted since the line above is not followed either.
    let file =
        open(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())?;
    File::from(file).take(BEGINNING).read_to_end(&mut beginning)?;
    Ok(beginning.windows(MARK.len()).any(|window| window == MARK.as_bytes()))
}

/// Writes the report whole, or not at all: into a file beside it, which then takes its place. An earlier report of
/// upseal's is replaced, nothing else is.
///
/// # Errors
/// [`ReportError`]; what was there is as it was.
pub fn write(path: &Path, report: &RaceReport) -> Result<(), ReportError> {
    let text = render(check(path)?, report)?;
    let unwritable = |why| ReportError::Unwritable { path: path.to_owned(), why };
    replace(path, text.as_bytes(), Access::Usual).map_err(unwritable)
}

/// The report as text.
///
/// # Errors
/// Its charts cannot be drawn.
pub fn render(format: Format, report: &RaceReport) -> Result<String, ReportError> {
    match format {
        Format::Html => html::page(report),
        Format::Svg => chart::poster(report),
        Format::Markdown => Ok(text::markdown(report)),
        Format::Csv => Ok(text::csv(report)),
        Format::Json => Ok(text::json(report)),
    }
}

/// `MARK`'s key and all numbers, for the formats that carry them.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "upseal_race_report")]
    version: u32,
    sentence: String,
    machine: &'a Machine,
    lanes: Vec<Row>,
    verdict: &'a Verdict,
}

fn document(report: &RaceReport) -> Document<'_> {
    Document {
        version: 1,
        // It names lanes by what they are, never by what somebody called them.
        sentence: sentence(&report.verdict),
        machine: &report.machine,
        lanes: rows(&report.verdict),
        verdict: &report.verdict,
    }
}

#[cfg(test)]
mod tests;
