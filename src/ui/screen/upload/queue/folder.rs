//! A folder of the queue: one row that opens into its files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Item;
use super::sums::Sums;
use crate::event::{Dialect, FolderId, FolderOrder, Job, Skipped, Target};
use crate::ui::fit;
use crate::ui::text;
use crate::ui::widgets::list::Facts;

/// Largest number of skipped entries that are kept; beyond it they are only counted.
const MOST_SKIPPED: usize = 1000;

/// State of a folder upload.
#[derive(Debug)]
pub(in crate::ui) struct Folder {
    pub(in crate::ui) id: FolderId,
    /// Key of its place in the queue.
    pub(super) place: u64,
    pub(in crate::ui) root: PathBuf,
    /// Name, safe to show.
    pub(in crate::ui) name: String,
    pub(super) is_open: bool,
    /// Files and skipped entries, by their places.
    pub(super) items: BTreeMap<u64, Item>,
    pub(in crate::ui) sums: Sums,
    /// Whether the folder was read to its end.
    pub(in crate::ui) is_read: bool,
    /// Number of skipped entries.
    pub(in crate::ui) skipped: u64,
    /// The first of them.
    pub(super) skips: Vec<(Box<Path>, Skipped)>,
    /// Times of the first start and the last end of an upload.
    began: Option<Duration>,
    ended: Option<Duration>,
    /// Highest rate so far in bytes of the files per second.
    pub(super) peak: f64,
    target: Arc<Target>,
    dialect: Dialect,
}

impl Folder {
    pub(super) fn new(order: &FolderOrder, place: u64) -> Self {
        let target = Arc::new(order.target.clone());
        Self::at(order.id, order.path.clone(), target, order.dialect, place)
    }

    /// Creates the folder that a file belongs to.
    pub(super) fn of(job: &Job, id: FolderId, place: u64) -> Self {
        let parts = job.name.as_deref().map_or(1, |name| name.split('/').count());
        let root = job.path.ancestors().nth(parts.max(2) - 1).unwrap_or(&job.path).to_owned();
        Self::at(id, root, Arc::clone(&job.target), job.dialect, place)
    }

    fn at(id: FolderId, root: PathBuf, target: Arc<Target>, dialect: Dialect, place: u64) -> Self {
        Self {
            id,
            place,
            name: fit::name(root.file_name().unwrap_or(root.as_os_str())),
            root,
            is_open: false,
            items: BTreeMap::new(),
            sums: Sums::default(),
            is_read: false,
            skipped: 0,
            skips: Vec::new(),
            began: None,
            ended: None,
            peak: 0.0,
            target,
            dialect,
        }
    }

    /// Returns a new place at the end.
    pub(super) fn end(&self) -> u64 {
        self.items.last_key_value().map_or(0, |(place, _)| place + 1)
    }

    pub(super) fn skip(&mut self, path: &Path, why: &Skipped) {
        self.skipped = self.skipped.max(self.skips.len() as u64 + 1);
        if self.skips.len() < MOST_SKIPPED {
            let item = Item::Skipped(self.id, self.skips.len());
            self.skips.push((path.into(), why.clone()));
            self.items.insert(self.end(), item);
        }
    }

    /// Notes that an upload of the folder began, or that one ended.
    pub(super) fn ran(&mut self, now: Duration) {
        self.began.get_or_insert(now);
        self.ended = Some(now);
    }

    /// Returns whether files are found, wait or are sent.
    pub(in crate::ui) const fn is_busy(&self) -> bool {
        !self.is_read || self.sums.is_busy()
    }

    /// Returns whether a file has failed already.
    pub(in crate::ui) const fn has_failed(&self) -> bool {
        self.sums.failed > 0
    }

    /// Returns the time from the first start to the last end, or until now while uploads run.
    pub(super) fn elapsed(&self, now: Duration) -> Duration {
        let end = if self.sums.running > 0 { Some(now) } else { self.ended };
        end.unwrap_or_default().saturating_sub(self.began.unwrap_or_default())
    }

    /// Returns the rows that the folder takes on the screen, without those of its files.
    pub(super) const fn height(&self) -> usize {
        if self.sums.running > 0 && !self.is_open { 2 } else { 1 }
    }

    /// Returns a skipped entry: its name inside of the folder, and why it is skipped.
    pub(super) fn skip_at(&self, at: usize) -> Option<(String, &Skipped)> {
        let (path, why) = self.skips.get(at)?;
        let inside = path.strip_prefix(&self.root).unwrap_or(path);
        let inside = if inside.as_os_str().is_empty() { path } else { inside };
        Some((fit::name(inside.as_os_str()), why))
    }

    /// Returns everything about the folder.
    pub(super) fn details(&self) -> Facts {
        let mut facts = text::folder_details(self, &self.target, self.dialect);
        let problems = (0..self.skips.len()).filter_map(|at| self.skip_at(at));
        facts.extend(problems.map(|(name, why)| (text::SKIPPED, format!("{name}: {}", text::skip(why)))));
        (self.name.clone(), facts)
    }
}
