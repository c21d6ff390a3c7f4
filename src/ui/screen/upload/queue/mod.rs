//! The queue of uploads: single files, and folders that open into their files.
//!
//! - `upload`, `folder`: what is kept of each; `sums`: their numbers; `paths`: paths that share their folders
//! - `draw`: a progress bar and a rate bar for what runs, one row for each of the others
//!
//! Nothing here but [`Queue::finished`] looks at all uploads: drawing, moving and each event take the same time in a queue
//! of 50,000.

mod draw;
pub(in crate::ui) mod folder;
mod moves;
mod paths;
mod sums;
pub(in crate::ui) mod upload;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::folder::Folder;
use self::moves::At;
use self::sums::Sums;
use self::upload::{Pool, Retry, Stage, Upload};
use crate::event::{
    FolderId, FolderOrder, Job, JobId, Jobs, Limit, ServerAddress, Skipped, Snapshot, State, Target,
};
use crate::messages::{Escaped, Summary, escape};
use crate::ui::fit;
use crate::ui::text;
use crate::ui::widgets::list::Facts;

/// What stands at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    File(JobId),
    Folder(FolderId),
    /// An entry of a folder that is not sent, by its index.
    Skipped(FolderId, usize),
}

/// What is under the cursor.
#[derive(Debug)]
pub(in crate::ui) enum Under<'a> {
    File(&'a Upload),
    Folder(&'a Folder),
    /// An entry that is not sent.
    Skipped(&'a Folder, usize),
}

/// Uploads of this run, in the order in which they were requested.
#[derive(Debug, Default)]
pub(in crate::ui) struct Queue {
    /// Files that belong to no folder, and folders, by their places.
    items: BTreeMap<u64, Item>,
    uploads: HashMap<JobId, Box<Upload>>,
    folders: HashMap<FolderId, Folder>,
    pool: Pool,
    sums: Sums,
    /// Limit of all uploads' bytes on the wire.
    pub(super) limit: Limit,
    /// The most connections that send files at the same time.
    pub(super) jobs: Jobs,
    /// Whether no further upload begins.
    pub(super) is_paused: bool,
    /// Uploads that run.
    running: BTreeSet<JobId>,
    /// Uploads that are retried after a pause.
    retrying: BTreeSet<JobId>,
    /// Servers that waiting uploads wait for.
    away: HashSet<ServerAddress>,
    /// Servers whose key the user has not accepted.
    unaccepted: HashSet<ServerAddress>,
    /// Folders that are not read to their end.
    reading: BTreeSet<FolderId>,
    /// What became of uploads that were removed.
    past: Summary,
    /// Time in which uploads ran, and since when one runs.
    busy: Duration,
    busy_since: Option<Duration>,
    /// The upload that began or ended last.
    latest: Option<JobId>,
    cursor: Option<At>,
    /// First row of the window, as it was drawn last.
    top: Option<At>,
    /// Columns of the longest name.
    widest: usize,
}

/// Columns before the name of a folder, and of a file in an open one.
const INDENT: usize = 2;

impl Queue {
    // Events

    /// Adds a folder that is going to be read.
    pub(in crate::ui) fn ordered(&mut self, order: &FolderOrder) {
        let place = self.end();
        self.add_folder(Folder::new(order, place));
    }

    fn add_folder(&mut self, folder: Folder) {
        self.widest = self.widest.max(INDENT + fit::width(&folder.name) + 1);
        self.items.insert(folder.place, Item::Folder(folder.id));
        self.reading.insert(folder.id);
        self.folders.insert(folder.id, folder);
    }

    /// Returns a new place at the end.
    fn end(&self) -> u64 {
        self.items.last_key_value().map_or(0, |(place, _)| place + 1)
    }

    pub(in crate::ui) fn queued(&mut self, job: &Job, size: u64) {
        if let Some(id) = job.folder
            && !self.folders.contains_key(&id)
        {
            let place = self.end();
            self.add_folder(Folder::of(job, id, place));
        }
        let folder = job.folder.and_then(|id| self.folders.get_mut(&id));
        let (place, columns) = match &folder {
            Some(folder) => (folder.end(), INDENT),
            None => (self.items.last_key_value().map_or(0, |(place, _)| place + 1), 0),
        };
        let upload = Box::new(Upload::new(job, size, place, &mut self.pool));
        let sums = upload.sums();
        let name = if let Some(folder) = folder {
            folder.items.insert(place, Item::File(job.id));
            folder.sums += sums;
            upload.name_in(&folder.root)
        } else {
            self.items.insert(place, Item::File(job.id));
            upload.name()
        };
        self.widest = self.widest.max(columns + fit::width(&name));
        self.sums += sums;
        self.uploads.insert(job.id, upload);
    }

    /// Notes an entry of a folder that is not sent.
    pub(in crate::ui) fn skipped(&mut self, id: FolderId, path: &Path, why: &Skipped) {
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.skip(path, why);
        }
    }

    /// Notes how far a folder was read.
    pub(in crate::ui) fn scanned(&mut self, id: FolderId, skipped: u64, is_complete: bool) {
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.skipped = skipped;
            folder.is_read |= is_complete;
            if folder.is_read {
                self.reading.remove(&id);
            }
        }
    }

    pub(in crate::ui) fn removed(&mut self, id: JobId) {
        let Some(upload) = self.uploads.get(&id) else { return };
        let (at, sums, folder, place) = (self.at_of(upload), upload.sums(), upload.folder, upload.place);
        self.past.files += 1;
        self.past.take(&escape(&upload.name()), &upload.state(), &upload.snapshot());
        self.leave(at);
        self.uploads.remove(&id);
        self.running.remove(&id);
        self.retrying.remove(&id);
        self.sums -= sums;
        if let Some(folder) = folder.and_then(|id| self.folders.get_mut(&id)) {
            folder.sums -= sums;
            folder.items.remove(&place);
            let id = folder.id;
            self.forget(id);
        } else {
            self.items.remove(&place);
        }
        self.tidy();
    }

    /// Removes the row of a folder that has no files and was read to its end.
    pub(in crate::ui) fn forget(&mut self, id: FolderId) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        if folder.sums.files > 0 || !folder.is_read {
            return;
        }
        let row = folder.place;
        self.past.left_out += folder.skipped;
        if self.cursor.is_some_and(|at| at.row == row) {
            self.cursor = Some(At { row, item: None });
            folder.is_open = false;
            self.leave(At { row, item: None });
        }
        self.items.remove(&row);
        self.folders.remove(&id);
        self.tidy();
    }

    /// Forgets what only uploads needed, once there are none.
    fn tidy(&mut self) {
        if self.items.is_empty() {
            self.pool.clear();
            (self.widest, self.cursor, self.top) = (0, None, None);
        }
    }

    /// Changes an upload and brings the sums up to date.
    fn change(&mut self, id: JobId, change: impl FnOnce(&mut Upload, &mut Pool)) {
        let Some(upload) = self.uploads.get_mut(&id) else { return };
        let before = upload.sums();
        change(upload, &mut self.pool);
        let (after, is_running) = (upload.sums(), upload.is_running());
        self.sums -= before;
        self.sums += after;
        if let Some(folder) = upload.folder.and_then(|id| self.folders.get_mut(&id)) {
            folder.sums -= before;
            folder.sums += after;
        }
        if is_running {
            self.running.insert(id);
        } else {
            self.running.remove(&id);
        }
    }

    pub(in crate::ui) fn changed(&mut self, id: JobId, state: &State, now: Duration) {
        let Some(upload) = self.uploads.get(&id) else { return };
        let folder = upload.folder;
        if matches!(state, State::Proving | State::Sending | State::Sent)
            && let Target::Server { address, .. } = &*upload.target
        {
            self.away.remove(address);
        }
        if let (State::Connecting, Target::Server { address, .. }) = (state, &*upload.target) {
            self.unaccepted.remove(address);
        }
        self.retrying.remove(&id);
        self.change(id, |upload, pool| upload.changed(state, now, pool));
        if !self.running.is_empty() {
            self.busy_since.get_or_insert(now);
        } else if let Some(since) = self.busy_since.take() {
            self.busy += now.saturating_sub(since);
        }
        if !matches!(state, State::Waiting | State::Paused) {
            self.latest = Some(id);
            if let Some(folder) = folder.and_then(|id| self.folders.get_mut(&id)) {
                folder.ran(now);
            }
        }
    }

    /// Handles the retry of an upload after a pause.
    pub(in crate::ui) fn retrying(&mut self, id: JobId, tries: u32, retries: u32, at: Duration) {
        self.change(id, |upload, _| upload.retrying(Retry { tries, retries, at }));
        if self.uploads.contains_key(&id) {
            self.retrying.insert(id);
        }
    }

    /// Marks uploads that wait for the server at this address to return.
    pub(in crate::ui) fn away(&mut self, server: &ServerAddress) {
        self.away.insert(server.clone());
    }

    /// Marks uploads that wait because the key of the server at this address was not accepted.
    pub(in crate::ui) fn unaccepted(&mut self, server: &ServerAddress) {
        self.unaccepted.insert(server.clone());
    }

    /// Returns whether an upload waits for a key that the user has not accepted.
    pub(in crate::ui) fn is_unaccepted(&self, upload: &Upload) -> bool {
        let is_its = |address| self.unaccepted.contains(address);
        matches!(upload.stage, Stage::Waiting)
            && matches!(&*upload.target, Target::Server { address, .. } if is_its(address))
    }

    /// Returns whether uploads wait for a key that the user has not accepted.
    pub(in crate::ui) fn has_unaccepted(&self) -> bool {
        !self.unaccepted.is_empty() && self.uploads.values().any(|upload| self.is_unaccepted(upload))
    }

    pub(in crate::ui) fn progressed(&mut self, id: JobId, snapshot: Snapshot, now: Duration) {
        self.change(id, |upload, _| upload.progressed(snapshot, now));
        if let Some(folder) = self.upload(id).and_then(|upload| upload.folder) {
            let rate = self.rate(Some(folder));
            if let Some(folder) = self.folders.get_mut(&folder) {
                folder.peak = folder.peak.max(rate);
            }
        }
    }

    // Questions

    /// Returns what became of all uploads so far, the removed ones included; `None` if there were none. What has not ended
    /// counts as cancelled.
    pub(in crate::ui) fn summary(&self, now: Duration) -> Option<Summary> {
        let mut all = self.past.clone();
        let ids = self.items.values().flat_map(|item| -> Box<dyn Iterator<Item = &Upload>> {
            match item {
                Item::File(id) => Box::new(self.upload(*id).into_iter()),
                Item::Folder(id) => {
                    Box::new(self.folders.get(id).into_iter().flat_map(|of| self.files_of(of)))
                }
                Item::Skipped(..) => Box::new(std::iter::empty()),
            }
        });
        for upload in ids {
            all.files += 1;
            all.take(&escape(&upload.name()), &upload.state(), &upload.snapshot());
        }
        all.left_out += self.folders.values().map(|folder| folder.skipped).sum::<u64>();
        all.elapsed = self.busy + self.busy_since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        (all.files + all.left_out > 0 || !self.folders.is_empty()).then_some(all)
    }

    /// Returns the names of the folders that are not read to their end.
    pub(in crate::ui) fn unread(&self) -> Vec<Escaped> {
        self.reading.iter().filter_map(|id| self.folders.get(id)).map(|of| escape(&of.name)).collect()
    }

    pub(in crate::ui) fn upload(&self, id: JobId) -> Option<&Upload> {
        self.uploads.get(&id).map(|upload| &**upload)
    }

    /// Returns the folder that an upload belongs to.
    pub(in crate::ui) fn folder_of(&self, upload: &Upload) -> Option<&Folder> {
        upload.folder.and_then(|id| self.folders.get(&id))
    }

    /// Returns the uploads that run, of a folder or all.
    fn running(&self, folder: Option<FolderId>) -> impl Iterator<Item = &Upload> {
        let its = move |upload: &&Upload| folder.is_none() || upload.folder == folder;
        self.running.iter().filter_map(|id| self.upload(*id)).filter(its)
    }

    /// Returns the present rate of the uploads that run, in bytes of the files per second.
    fn rate(&self, folder: Option<FolderId>) -> f64 {
        let sending = self.running(folder).filter(|upload| upload.is_sending());
        sending.map(|upload| upload.snapshot().rate_now).sum()
    }

    /// Returns the uploads that arrived or were cancelled. Failed ones are kept, because they can be retried.
    pub(in crate::ui) fn finished(&self) -> Vec<JobId> {
        let is_finished = |upload: &Upload| upload.has_arrived() || matches!(upload.stage, Stage::Cancelled);
        let mut finished: Vec<JobId> =
            self.uploads.values().filter(|upload| is_finished(upload)).map(|upload| upload.id).collect();
        finished.sort_unstable();
        finished
    }

    /// Returns the folders without files that were read to their end.
    pub(in crate::ui) fn empty(&self) -> Vec<FolderId> {
        let empty = self.folders.values().filter(|folder| folder.sums.files == 0 && folder.is_read);
        empty.map(|folder| folder.id).collect()
    }

    /// Returns the uploads of a folder, in their order.
    pub(in crate::ui) fn files_of<'a>(&'a self, folder: &'a Folder) -> impl Iterator<Item = &'a Upload> {
        folder.items.values().filter_map(|item| match item {
            Item::File(id) => self.upload(*id),
            Item::Folder(_) | Item::Skipped(..) => None,
        })
    }

    /// Returns whether an upload waits or runs, or a folder is being read.
    pub(in crate::ui) fn is_busy(&self) -> bool {
        self.sums.is_busy() || !self.reading.is_empty()
    }

    pub(in crate::ui) fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Returns whether an upload was sent completely and the server has not confirmed it.
    pub(in crate::ui) fn is_awaiting_end(&self) -> bool {
        self.running(None).any(Upload::is_sent)
    }

    /// Returns whether the queue shows a clock.
    pub(in crate::ui) fn is_timed(&self) -> bool {
        self.is_running() || !self.retrying.is_empty()
    }

    pub(in crate::ui) const fn failed(&self) -> u64 {
        self.sums.failed
    }

    /// Returns everything about the row under the cursor.
    pub(in crate::ui) fn details(&self) -> Option<Facts> {
        Some(match self.under()? {
            Under::File(upload) => upload.details(),
            Under::Folder(folder) | Under::Skipped(folder, _) => folder.details(),
        })
    }

    /// Returns the path of the row under the cursor.
    pub(in crate::ui) fn path(&self) -> Option<PathBuf> {
        Some(match self.under()? {
            Under::File(upload) => upload.path(),
            Under::Folder(folder) => folder.root.clone(),
            Under::Skipped(folder, at) => folder.skips.get(at)?.0.to_path_buf(),
        })
    }

    fn title(&self) -> String {
        let is_least = !self.reading.is_empty();
        text::queue_title(self.sums.arrived(), self.sums.files, self.sums.failed, is_least)
    }

    /// Returns the bytes on the wire in a second; `None` if nothing is sent.
    pub(in crate::ui) fn wire_rate(&self) -> Option<u64> {
        let sending = self.running(None).filter(|upload| upload.is_sending());
        let rate: f64 = sending.map(|upload| upload.snapshot().rate_now * upload.wire_share()).sum();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 or more; saturates")]
        (rate >= 1.0).then_some(rate as u64)
    }

    /// Returns whether the queue is paused, the connections, the limit, and the time left.
    fn steering(&self, now: Duration) -> String {
        let paused = self.is_paused.then(|| text::PAUSED.to_owned());
        let limit = self.limit.bytes().map(|_| text::limited(self.limit));
        let note = Some(self.note(now)).filter(|note| !note.is_empty());
        let jobs = (self.jobs > Jobs::ONE).then(|| text::connections(self.jobs));
        [paused, jobs, limit, note].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Returns the time left at the present rate; nothing if the uploads are stalled or a folder is being read.
    fn note(&self, now: Duration) -> String {
        let sending = || self.running(None).filter(|upload| upload.is_sending());
        let Some(idle) = sending().map(|upload| upload.idle(now)).min() else { return String::new() };
        if idle >= text::STALL {
            return text::stalled(idle);
        }
        // The uploads have an ETA only if their rate is meaningful.
        let rate = self.rate(None);
        let is_certain =
            sending().any(|upload| upload.snapshot().eta_ms.is_some()) && self.reading.is_empty();
        if rate <= 0.0 || !is_certain {
            return String::new();
        }
        crate::estimate::at_rate(self.sums.left, rate).map_or_else(String::new, text::eta)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Dialect, Fault, Named, Variant};
    use crate::ui::theme::Focus;
    use crate::ui::widgets::list::Step;

    fn job(folder: u32, number: u32) -> Job {
        let dialect = Dialect::of(Variant::Cp2);
        if folder == 0 {
            return Job::new(JobId(number.into()), format!("/f{number}"), Target::Embedded, dialect);
        }
        let id = FolderId(folder);
        let name = format!("d{folder}/f{number}");
        let job = Job::new(id.job(number), format!("/{name}"), Target::Embedded, dialect);
        Job { folder: Some(id), name: Some(name), ..job }
    }

    fn state(kind: u8) -> State {
        match kind % 9 {
            0 => State::Waiting,
            1 => State::Connecting,
            2 => State::Sending,
            3 => State::Sent,
            4 => State::Delivered,
            5 => State::Stored {
                name: "f1".into(),
                named: Named::Stored,
                receipt: Some("/r/f1.receipt".into()),
                earlier: None,
            },
            6 => State::Failed(Fault::broken("cut")),
            7 => State::Paused,
            _ => State::Cancelled,
        }
    }

    /// Checks what is kept up to date against a pass over everything.
    fn check(queue: &Queue) {
        let sum = |uploads: &mut dyn Iterator<Item = &Upload>| {
            let mut sums = Sums::default();
            uploads.for_each(|upload| sums += upload.sums());
            sums
        };
        assert_eq!(queue.sums, sum(&mut queue.uploads.values().map(|upload| &**upload)));
        for folder in queue.folders.values() {
            assert_eq!(folder.sums, sum(&mut queue.files_of(folder)));
            assert_eq!(queue.items.get(&folder.place), Some(&Item::Folder(folder.id)));
        }
        let running: BTreeSet<JobId> =
            queue.uploads.values().filter(|upload| upload.is_running()).map(|upload| upload.id).collect();
        assert_eq!(queue.running, running);
        for upload in queue.uploads.values() {
            assert_eq!(queue.item(queue.at_of(upload)), Some(Item::File(upload.id)));
        }
        let (mut down, mut at) =
            (Vec::new(), queue.items.first_key_value().map(|(row, _)| At { row: *row, item: None }));
        while let Some(place) = at {
            down.push(place);
            at = queue.after(place);
        }
        assert!(down.is_sorted());
        let mut up = Vec::new();
        let mut at = down.last().copied();
        while let Some(place) = at {
            up.push(place);
            at = queue.before(place);
        }
        up.reverse();
        assert_eq!(down, up, "both ways pass the same places");
        assert!(queue.cursor().is_none_or(|cursor| down.contains(&cursor)), "the cursor is on a place");
        assert!(queue.top.is_none_or(|top| down.contains(&top)), "the window begins at a place");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

        #[test]
        fn sums_and_places_are_those_of_a_pass_over_everything(things in proptest::collection::vec(any::<(u8, u8, u8)>(), 120)) {
            let mut queue = Queue::default();
            let now = Duration::from_secs(1);
            let mut number = 0;
            for (kind, which, what) in things {
                let ids: Vec<JobId> = { let mut ids: Vec<_> = queue.uploads.keys().copied().collect(); ids.sort(); ids };
                let id = ids.get(usize::from(which) % ids.len().max(1)).copied().unwrap_or(JobId(0));
                match kind % 10 {
                    0..=2 => {
                        number += 1;
                        queue.queued(&job(u32::from(which % 3), number), u64::from(what));
                    }
                    3 | 4 => queue.changed(id, &state(what), now),
                    5 => queue.progressed(id, Snapshot { file_bytes: what.into(), file_total: 300, wire_total: 9, ..Snapshot::default() }, now),
                    6 => queue.removed(id),
                    7 => queue.go([Step::Up(2), Step::Down(3), Step::First, Step::Last, Step::To(usize::from(which))][usize::from(what) % 5]),
                    8 if which % 2 == 0 => drop(queue.shift(what % 2 == 0)),
                    8 => drop(queue.fold(what % 2 == 0)),
                    _ => {
                        let folder = FolderId(u32::from(which % 3));
                        queue.skipped(folder, Path::new("/d1/x"), &Skipped::Link);
                        queue.scanned(folder, 1, what % 2 == 0);
                        if what % 4 == 0 { queue.forget(folder); }
                    }
                }
                queue.settle(usize::from(what % 9), if which % 2 == 0 { Focus::Here } else { Focus::Elsewhere });
                check(&queue);
            }
        }
    }

    #[test]
    fn an_upload_that_is_not_running_needs_little_memory() {
        let mut pool = Pool::default();
        let mut upload = Upload::new(&job(1, 1), 1, 0, &mut pool);
        upload.changed(&state(1), Duration::ZERO, &mut pool);
        assert!(upload.live.is_some());
        upload.changed(&state(5), Duration::ZERO, &mut pool);
        assert!(upload.live.is_none() && upload.state() == state(5), "{:?}", upload.state());
        assert!(size_of::<Upload>() <= 160, "{}", size_of::<Upload>());
    }
}
