//! Texts on a race's report: flags of `race` that are also the keys of `[report]` in the configuration file.

use clap::Args;

/// Texts that the user puts on a report. `None`: not set by this source. An empty text stands for no text, so that a flag
/// can leave out what the file sets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct ReportLayer {
    /// Title of the report [default: the file's name]
    ///
    /// This and the next three can be set for all reports, also those of the UI, in `[report]` of the configuration file.
    #[arg(long, value_name = "TEXT", requires = "report")]
    pub title: Option<String>,
    /// Author named in the report [default: none]
    #[arg(long, value_name = "TEXT", requires = "report")]
    pub author: Option<String>,
    /// Course named in the report [default: none]
    #[arg(long, value_name = "TEXT", requires = "report")]
    pub course: Option<String>,
    /// Group named in the report [default: none]
    #[arg(long, value_name = "TEXT", requires = "report")]
    pub group: Option<String>,
}

impl ReportLayer {
    /// Keys of the table `[report]`.
    pub(crate) const KEYS: &[&str] = &["title", "author", "course", "group"];

    /// Fills what this layer leaves open from a weaker one.
    #[must_use]
    pub(crate) fn or(self, weaker: Self) -> Self {
        Self {
            title: self.title.or(weaker.title),
            author: self.author.or(weaker.author),
            course: self.course.or(weaker.course),
            group: self.group.or(weaker.group),
        }
    }

    /// Returns the field of a key; `None` if there is no such key.
    pub(crate) fn field(&mut self, key: &str) -> Option<&mut Option<String>> {
        match key {
            "title" => Some(&mut self.title),
            "author" => Some(&mut self.author),
            "course" => Some(&mut self.course),
            "group" => Some(&mut self.group),
            _ => None,
        }
    }
}
