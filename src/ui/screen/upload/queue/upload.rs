//! One upload of the queue. There may be 50,000 of them, so that it keeps nothing that can be derived, and the numbers of
//! a transfer only while it runs.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::paths::{Folders, SharedPath};
use super::sums::Sums;
use crate::event::{
    Dialect, Earlier, Fault, FolderId, Job, JobId, Named, Pace, Snapshot, State, Target, Took,
};
use crate::messages::{Escaped, escape};
use crate::ui::fit;
use crate::ui::text;
use crate::ui::widgets::list::Facts;

/// State of one upload.
#[derive(Debug)]
pub(in crate::ui) struct Upload {
    pub(in crate::ui) id: JobId,
    pub(super) folder: Option<FolderId>,
    /// Key of its place in the queue, or in its folder.
    pub(super) place: u64,
    pub(in crate::ui) target: Arc<Target>,
    pub(in crate::ui) dialect: Dialect,
    path: SharedPath,
    name: Name,
    /// Bytes of the file when it was queued.
    pub(in crate::ui) size: u64,
    pub(in crate::ui) predicted_ms: Option<u32>,
    pub(super) stage: Stage,
    /// While it runs or waits for a retry.
    pub(super) live: Option<Box<Live>>,
    /// After it ran.
    past: Option<Box<Past>>,
}

/// The name that is sent.
#[derive(Debug)]
enum Name {
    /// This many last parts of the path.
    Tail(u16),
    Other(Box<str>),
}

/// The states of [`State`], without what can be shared or derived.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    Waiting,
    Paused,
    Connecting,
    Proving,
    Sending,
    Sent,
    Delivered,
    Stored(Box<Stored>),
    /// Uploads that failed for one reason share it.
    Failed(Rc<Fault>),
    Cancelled,
}

/// What a receipt says.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    /// Name in the receipt; `None` for the last part of the name that was sent.
    name: Option<Box<str>>,
    named: Named,
    receipt: Option<SharedPath>,
    /// An earlier receipt: its time, and where it is kept.
    earlier: Option<Box<(i64, Option<SharedPath>)>>,
}

impl Stored {
    fn earlier(&self) -> Option<Earlier> {
        let (at_ms, receipt) = &**self.earlier.as_ref()?;
        Some(Earlier { at_ms: *at_ms, receipt: receipt.as_ref().map(SharedPath::path) })
    }
}

/// Numbers of a transfer.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) snapshot: Snapshot,
    /// First snapshot after the start, from which [`Upload::took`] measures the pace.
    early: Option<Snapshot>,
    /// Time at which the state began.
    pub(super) since: Duration,
    /// Time at which the snapshot arrived.
    seen: Duration,
    /// The connection broke; the file is sent again.
    pub(super) retry: Option<Retry>,
}

/// A retry after a pause.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    pub(super) tries: u32,
    pub(super) retries: u32,
    /// Time at which it begins.
    pub(super) at: Duration,
}

/// The last numbers of a transfer.
#[derive(Debug)]
struct Past {
    bytes: u64,
    total: u64,
    wire: u64,
    elapsed_ms: u64,
    peak: f32,
    /// Whether bytes were sent. A file with a receipt from an earlier run is skipped.
    was_sent: bool,
}

/// Milliseconds in which the kernel's buffers take the beginning.
const START_MS: u64 = 200;

/// Returns the milliseconds from the start to the last byte that was sent.
const fn moved_ms(snapshot: &Snapshot) -> u64 {
    snapshot.elapsed_ms.saturating_sub(snapshot.idle_ms)
}

/// What the uploads of a queue share.
#[derive(Debug, Default)]
pub(super) struct Pool {
    folders: Folders,
    /// Reason of the latest failure.
    fault: Option<Rc<Fault>>,
}

impl Pool {
    pub(super) fn clear(&mut self) {
        self.folders.clear();
        self.fault = None;
    }

    fn fault(&mut self, fault: &Fault) -> Rc<Fault> {
        match &self.fault {
            Some(last) if **last == *fault => Rc::clone(last),
            _ => Rc::clone(self.fault.insert(Rc::new(fault.clone()))),
        }
    }
}

impl Upload {
    pub(super) fn new(job: &Job, size: u64, place: u64, pool: &mut Pool) -> Self {
        let parts = job.name.as_deref().map_or(1, |name| name.split('/').count());
        let name = match (&job.name, u16::try_from(parts)) {
            (None, _) => Name::Tail(1),
            (Some(name), Ok(parts)) if job.path.ends_with(name) => Name::Tail(parts),
            (Some(name), _) => Name::Other(name.as_str().into()),
        };
        Self {
            id: job.id,
            folder: job.folder,
            place,
            target: Arc::clone(&job.target),
            dialect: job.dialect,
            path: pool.folders.share(&job.path),
            name,
            size,
            predicted_ms: job.predicted_ms.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX)),
            stage: Stage::Waiting,
            live: None,
            past: None,
        }
    }

    pub(in crate::ui) fn path(&self) -> PathBuf {
        self.path.path()
    }

    fn raw_name(&self) -> PathBuf {
        match &self.name {
            Name::Other(name) => PathBuf::from(&**name),
            Name::Tail(parts) => {
                let path = self.path();
                let skip = path.components().count().saturating_sub(usize::from(*parts));
                path.components().skip(skip).collect()
            }
        }
    }

    /// Returns the name that is sent, safe to show.
    pub(in crate::ui) fn name(&self) -> String {
        fit::name(self.raw_name().as_os_str())
    }

    /// Returns the name inside of the folder `root`, safe to show.
    pub(super) fn name_in(&self, root: &Path) -> String {
        let path = self.path();
        match path.strip_prefix(root) {
            Ok(inside) if !inside.as_os_str().is_empty() => fit::name(inside.as_os_str()),
            _ => self.name(),
        }
    }

    // State

    /// Returns the state as events report it.
    pub(in crate::ui) fn state(&self) -> State {
        match &self.stage {
            Stage::Waiting => State::Waiting,
            Stage::Paused => State::Paused,
            Stage::Connecting => State::Connecting,
            Stage::Proving => State::Proving,
            Stage::Sending => State::Sending,
            Stage::Sent => State::Sent,
            Stage::Delivered => State::Delivered,
            Stage::Stored(stored) => {
                let base = || self.raw_name().file_name().map(Escaped::name).unwrap_or_default();
                State::Stored {
                    name: stored.name.as_deref().map_or_else(base, escape),
                    named: stored.named,
                    receipt: stored.receipt.as_ref().map(SharedPath::path),
                    earlier: stored.earlier().map(Box::new),
                }
            }
            Stage::Failed(fault) => State::Failed(Fault::clone(fault)),
            Stage::Cancelled => State::Cancelled,
        }
    }

    pub(super) fn changed(&mut self, state: &State, now: Duration, pool: &mut Pool) {
        self.stage = match state {
            State::Waiting => Stage::Waiting,
            State::Paused => Stage::Paused,
            State::Connecting => Stage::Connecting,
            State::Proving => Stage::Proving,
            State::Sending => Stage::Sending,
            State::Sent => Stage::Sent,
            State::Delivered => Stage::Delivered,
            State::Stored { name, named, receipt, earlier } => Stage::Stored(Box::new(Stored {
                name: (self.raw_name().file_name().map(Escaped::name).as_ref() != Some(name))
                    .then(|| name.as_str().into()),
                named: *named,
                receipt: receipt.as_deref().map(|path| pool.folders.share(path)),
                earlier: earlier.as_deref().map(|Earlier { at_ms, receipt }| {
                    Box::new((*at_ms, receipt.as_deref().map(|path| pool.folders.share(path))))
                }),
            })),
            State::Failed(fault) => Stage::Failed(pool.fault(fault)),
            State::Cancelled => Stage::Cancelled,
        };
        match &self.stage {
            Stage::Waiting | Stage::Paused => (self.live, self.past) = (None, None),
            Stage::Connecting => {
                // A retry starts from the first byte.
                self.past = None;
                self.live = Some(Box::new(Live { since: now, seen: now, ..Live::default() }));
            }
            Stage::Proving | Stage::Sending | Stage::Sent => {
                let live = self.live.get_or_insert_default();
                (live.since, live.seen, live.retry) = (now, now, None);
            }
            _ => {
                if let Some(live) = self.live.take() {
                    self.past = Some(Box::new(Past::of(&live.snapshot)));
                }
            }
        }
    }

    pub(super) fn progressed(&mut self, snapshot: Snapshot, now: Duration) {
        if self.is_final() {
            self.past = Some(Box::new(Past::of(&snapshot)));
            return;
        }
        let live = self.live.get_or_insert_default();
        if live.early.is_none() && moved_ms(&snapshot) >= START_MS {
            live.early = Some(snapshot);
        }
        (live.snapshot, live.seen) = (snapshot, now);
    }

    pub(super) fn retrying(&mut self, retry: Retry) {
        self.live.get_or_insert_default().retry = Some(retry);
    }

    /// Returns the name under which the server keeps the file, safe to show, if it is another one than was sent.
    pub(in crate::ui) fn renamed(&self) -> Option<String> {
        match &self.stage {
            Stage::Stored(stored) if stored.named == Named::Stored => {
                stored.name.as_deref().map(fit::escaped)
            }
            _ => None,
        }
    }

    pub(in crate::ui) const fn has_arrived(&self) -> bool {
        matches!(self.stage, Stage::Delivered | Stage::Stored(_))
    }

    pub(in crate::ui) const fn is_final(&self) -> bool {
        self.has_arrived() || matches!(self.stage, Stage::Failed(_) | Stage::Cancelled)
    }

    /// Returns whether the upload is neither running nor over.
    pub(in crate::ui) const fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting | Stage::Paused)
    }

    pub(in crate::ui) const fn is_paused(&self) -> bool {
        matches!(self.stage, Stage::Paused)
    }

    pub(in crate::ui) const fn is_sending(&self) -> bool {
        matches!(self.stage, Stage::Sending)
    }

    pub(in crate::ui) const fn is_running(&self) -> bool {
        !self.is_final() && !self.is_waiting()
    }

    /// Returns whether everything was sent and the server has not confirmed it.
    pub(in crate::ui) const fn is_sent(&self) -> bool {
        matches!(self.stage, Stage::Sent)
    }

    pub(in crate::ui) const fn is_retriable(&self) -> bool {
        matches!(self.stage, Stage::Failed(_) | Stage::Cancelled)
    }

    /// Returns the rows that the upload takes on the screen.
    pub(super) const fn height(&self) -> usize {
        if matches!(self.stage, Stage::Sending | Stage::Sent) { 2 } else { 1 }
    }

    // Numbers

    /// Returns the progress so far; of an upload that has ended, without what only a running one has.
    pub(in crate::ui) fn snapshot(&self) -> Snapshot {
        match (&self.live, &self.past) {
            (Some(live), _) => live.snapshot,
            (None, Some(past)) => past.snapshot(),
            (None, None) => Snapshot::default(),
        }
    }

    /// Returns the share of the file that was sent; below 1 until the server has it, whatever the arithmetic says.
    pub(super) fn share(&self) -> f64 {
        if self.has_arrived() {
            return 1.0;
        }
        (self.snapshot().file_bytes as f64 / self.bytes().max(1) as f64).min(0.99)
    }

    /// Returns the bytes of the file: as it was opened, or as the browser listed it before that.
    pub(in crate::ui) fn bytes(&self) -> u64 {
        let opened = match (&self.live, &self.past) {
            (Some(live), _) => live.snapshot.file_total,
            (None, Some(past)) => past.total,
            (None, None) => 0,
        };
        if opened > 0 { opened } else { self.size }
    }

    /// Returns the bytes on the wire for each byte of the file.
    pub(super) fn wire_share(&self) -> f64 {
        let Snapshot { file_total, wire_total, .. } = self.snapshot();
        if file_total > 0 { wire_total as f64 / file_total as f64 } else { 1.0 }
    }

    /// Returns whether bytes of the file were sent. A file with a receipt from an earlier run is skipped.
    pub(in crate::ui) fn was_sent(&self) -> bool {
        match (&self.live, &self.past) {
            (Some(live), _) => live.snapshot.wire_total > 0,
            (None, Some(past)) => past.was_sent,
            (None, None) => false,
        }
    }

    /// Returns the bytes and the time so far.
    pub(in crate::ui) fn took(&self) -> Took {
        let now = self.snapshot();
        let early = self.live.as_ref().and_then(|live| live.early.as_ref());
        let pace = early.and_then(|early| {
            let bytes = now.file_bytes.saturating_sub(early.file_bytes);
            let seconds = moved_ms(&now).saturating_sub(moved_ms(early)) as f64 / 1000.0;
            (bytes > 0 && seconds >= Pace::LEAST).then_some(Pace { bytes, seconds })
        });
        Took { bytes: now.file_bytes, seconds: now.elapsed_ms.max(1) as f64 / 1000.0, pace }
    }

    /// Returns the time since anything was sent.
    pub(super) fn idle(&self, now: Duration) -> Duration {
        self.live.as_ref().map_or(Duration::ZERO, |live| {
            Duration::from_millis(live.snapshot.idle_ms) + now.saturating_sub(live.seen)
        })
    }

    /// Returns what the upload adds to the sums.
    pub(super) fn sums(&self) -> Sums {
        let is = |it: bool| u64::from(it);
        let snapshot = self.snapshot();
        let bytes = self.bytes();
        let was_unsent = self.has_arrived() && !self.was_sent();
        let left = if self.is_final() { 0 } else { bytes.saturating_sub(snapshot.file_bytes) };
        Sums {
            files: 1,
            waiting: is(self.is_waiting()),
            paused: is(self.is_paused()),
            running: is(self.is_running()),
            delivered: is(matches!(self.stage, Stage::Delivered)),
            stored: is(matches!(self.stage, Stage::Stored(_))),
            failed: is(matches!(self.stage, Stage::Failed(_))),
            cancelled: is(matches!(self.stage, Stage::Cancelled)),
            unsent: is(was_unsent),
            bytes,
            moved: if self.has_arrived() && !was_unsent { bytes } else { snapshot.file_bytes },
            left,
            wire: snapshot.wire_bytes,
        }
    }

    /// Returns everything about the upload.
    pub(super) fn details(&self) -> Facts {
        let name = self.name();
        let facts = text::upload_details(
            &self.path(),
            &self.target,
            self.dialect,
            &name,
            self.size,
            &self.snapshot(),
            &self.state(),
        );
        (name, facts)
    }
}

impl Past {
    #[expect(clippy::cast_possible_truncation, reason = "three digits of the rate are shown")]
    fn of(snapshot: &Snapshot) -> Self {
        Self {
            bytes: snapshot.file_bytes,
            total: snapshot.file_total,
            wire: snapshot.wire_bytes,
            elapsed_ms: snapshot.elapsed_ms,
            peak: snapshot.rate_peak as f32,
            was_sent: snapshot.wire_total > 0,
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            file_bytes: self.bytes,
            file_total: self.total,
            wire_bytes: self.wire,
            wire_total: if self.was_sent { self.wire.max(1) } else { 0 },
            elapsed_ms: self.elapsed_ms,
            rate_mean: self.bytes as f64 * 1000.0 / self.elapsed_ms.max(1) as f64,
            rate_peak: f64::from(self.peak),
            ..Snapshot::default()
        }
    }
}
