//! Writing a race's report as an HTML page (`crate::report`) into the folder that the browser shows.

use std::path::PathBuf;

use crate::clock;
use crate::event::Verdict;
use crate::report::{self, Labels, RaceReport, ReportError};

/// Result of a race, and the folder its report goes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Page {
    pub(super) verdict: Verdict,
    pub(super) folder: PathBuf,
}

impl Page {
    /// Writes the report under a name with the time. A report of the same second is replaced: it is of the same
    /// race.
    pub(super) fn write(self, labels: Labels) -> Result<PathBuf, ReportError> {
        let name = clock::now().strftime("race-report-%Y-%m-%dT%H-%M-%SZ.html").to_string();
        let path = self.folder.join(name);
        report::write(&path, &RaceReport { labels, ..RaceReport::here(self.verdict) })?;
        Ok(path)
    }
}
