//! A race's report as a page to hand in (`crate::report`), in the folder that the browser shows.

use std::path::PathBuf;

use crate::clock;
use crate::event::Verdict;
use crate::report::{self, RaceReport, ReportError};

/// A race's end, and where it is told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Page {
    pub(super) verdict: Verdict,
    pub(super) folder: PathBuf,
}

impl Page {
    /// Writes it under a name that says when; one of the same second is replaced, it is the same race.
    pub(super) fn write(self) -> Result<PathBuf, ReportError> {
        let name = clock::now().strftime("race-report-%Y-%m-%dT%H-%M-%SZ.html").to_string();
        let path = self.folder.join(name);
        report::write(&path, &RaceReport::here(self.verdict))?;
        Ok(path)
    }
}
