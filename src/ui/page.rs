//! A race's report as a page to hand in (`crate::report`), in the folder that the browser shows.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::app::{App, Effect};
use super::widgets::log::Tone;
use super::{fit, text};
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

impl App {
    pub(super) fn report_race(&mut self, now: Duration) -> Vec<Effect> {
        if let Some(verdict) = self.race.verdict() {
            return vec![Effect::Report(Page {
                verdict: verdict.clone(),
                folder: self.browser.folder().to_owned(),
            })];
        }
        self.say(Tone::Plain, text::race::NOTHING_TO_REPORT.to_owned(), String::new(), now);
        Vec::new()
    }

    /// What became of it.
    pub(super) fn reported(&mut self, result: Result<PathBuf, ReportError>, now: Duration) {
        let (tone, (what, advice)) = match result {
            Ok(path) => {
                let folder = fit::path(path.parent().unwrap_or(Path::new("")), self.home.as_deref());
                let name = fit::name(path.file_name().unwrap_or_default());
                (Tone::Plain, text::race::reported(&name, &folder))
            }
            Err(error) => {
                let fault = error.fault();
                (Tone::Bad, (fault.what, fault.advice))
            }
        };
        self.say(tone, what, advice, now);
    }
}
