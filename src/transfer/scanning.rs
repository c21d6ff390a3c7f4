//! Reading folders while their files are sent: one at a time, on a thread of its own.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::queue::Queue;
use crate::event::{Event, Fault, FolderId, FolderOrder, Job, Skipped};
use crate::scan::{Found, Scan};

/// The longest time between two reports of a folder that is being read.
const INTERVAL: Duration = Duration::from_millis(100);
/// The most files in a report.
const TOGETHER: usize = 256;
/// Number of waiting uploads at which reading pauses.
const ENOUGH: usize = 100_000;
/// How often a paused thread looks whether to go on.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What was found in a folder since the last report.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Files to queue, with their sizes.
    pub(super) jobs: Vec<(Job, u64)>,
    /// What is skipped.
    pub(super) skipped: Vec<(PathBuf, Skipped)>,
    /// Whether the thread has ended.
    pub(super) complete: bool,
}

/// The folders that wait, and the one that is being read.
#[derive(Debug, Default)]
pub(super) struct Scans {
    waiting: VecDeque<FolderOrder>,
    active: Option<Active>,
}

/// The folder that is being read.
#[derive(Debug)]
struct Active {
    order: FolderOrder,
    stop: Arc<AtomicBool>,
    files: u64,
    bytes: u64,
    skipped: u64,
}

impl Scans {
    /// Adds a folder behind those that wait.
    pub(super) fn push(&mut self, order: FolderOrder) {
        self.waiting.push_back(order);
    }

    /// Starts to read the next folder, unless one is being read. `report` is called on the thread that reads.
    pub(super) fn start<R: Fn(Batch) + Send + Sync + 'static>(
        &mut self,
        queue: &Arc<Mutex<Queue>>,
        report: impl FnOnce() -> R,
    ) {
        if self.active.is_some() {
            return;
        }
        let Some(order) = self.waiting.pop_front() else { return };
        let stop = Arc::<AtomicBool>::default();
        self.active =
            Some(Active { order: order.clone(), stop: Arc::clone(&stop), files: 0, bytes: 0, skipped: 0 });
        let (queue, report) = (Arc::clone(queue), Arc::new(report()));
        let here = Arc::clone(&report);
        let path = order.path.clone();
        let failed = |path: PathBuf, what: String| Batch {
            jobs: Vec::new(),
            skipped: vec![(path, Skipped::Failed(Fault::system(what)))],
            complete: true,
        };
        let spawned = thread::Builder::new().name("upseal-scan".to_owned()).spawn(move || {
            let whole = AssertUnwindSafe(|| read(&order, &stop, &queue, &*here));
            if catch_unwind(whole).is_err() {
                let what = "an internal error (a bug in upseal) ended the reading of a folder";
                here(failed(order.path.clone(), what.to_owned()));
            }
        });
        if let Err(error) = spawned {
            report(failed(path, format!("cannot start a thread: {error}")));
        }
    }

    /// Takes a report. Returns the files to queue, unless the folder was cancelled, and the events to send after them.
    pub(super) fn take(&mut self, batch: Batch) -> (Vec<(Job, u64)>, Vec<Event>) {
        let Some(active) = &mut self.active else { return (Vec::new(), Vec::new()) };
        let Batch { mut jobs, skipped, complete } = batch;
        if active.stop.load(Ordering::Relaxed) {
            jobs.clear();
        }
        active.files += jobs.len() as u64;
        active.bytes += jobs.iter().map(|(_, size)| size).sum::<u64>();
        active.skipped += skipped.len() as u64;
        let folder = active.order.id;
        let skips = skipped.into_iter().map(|(path, why)| Event::Skipped { folder, path, why });
        let mut events: Vec<Event> = skips.collect();
        events.push(active.scanned(complete));
        if complete {
            self.active = None;
        }
        (jobs, events)
    }

    /// Stops reading all folders, or this one. Returns the events for those that were not begun.
    pub(super) fn cancel(&mut self, which: Option<FolderId>) -> Vec<Event> {
        let is_it = |order: &FolderOrder| which.is_none_or(|id| order.id == id);
        if let Some(active) = self.active.as_ref().filter(|active| is_it(&active.order)) {
            active.stop.store(true, Ordering::Relaxed);
        }
        let (cancelled, kept): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(is_it);
        self.waiting = kept.into();
        cancelled.into_iter().map(unread).collect()
    }
}

impl Active {
    fn scanned(&self, complete: bool) -> Event {
        let Self { files, bytes, skipped, .. } = *self;
        let (folder, path) = (self.order.id, self.order.path.clone());
        Event::Scanned { folder, path, files, bytes, skipped, complete }
    }
}

/// The event for a folder that was cancelled before it was read.
fn unread(order: FolderOrder) -> Event {
    Event::Scanned { folder: order.id, path: order.path, files: 0, bytes: 0, skipped: 0, complete: true }
}

/// Reads a folder and reports what it contains, at first one file, so that it can be sent at once.
fn read(order: &FolderOrder, stop: &AtomicBool, queue: &Mutex<Queue>, report: &dyn Fn(Batch)) {
    let mut batch = Batch::default();
    let mut reported: Option<Instant> = None;
    let scan = match Scan::new(&order.path, &order.rules) {
        Ok(scan) => scan,
        Err(fault) => {
            batch.skipped.push((order.path.clone(), Skipped::Failed(fault)));
            return report(Batch { complete: true, ..batch });
        }
    };
    let mut number = 0;
    let target = Arc::new(order.target.clone());
    for found in scan {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        match found {
            Found::Skipped { path, why } => batch.skipped.push((path, why)),
            Found::File { path, name, size } => {
                number += 1;
                let job = Job::new(order.id.job(number), path, Arc::clone(&target), order.dialect);
                batch.jobs.push((Job { folder: Some(order.id), name: Some(name), ..job }, size));
            }
        }
        let is_due = reported.is_none_or(|at| at.elapsed() >= INTERVAL);
        if is_due || batch.jobs.len() >= TOGETHER {
            report(std::mem::take(&mut batch));
            reported = Some(Instant::now());
        }
        while queue.lock().waiting() >= ENOUGH && !stop.load(Ordering::Relaxed) {
            thread::sleep(LOOK_AGAIN);
        }
    }
    report(Batch { complete: true, ..batch });
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs;
    use std::path::Path;

    use crossbeam_channel::{Receiver, Sender, unbounded};

    use super::*;
    use crate::event::{Dialect, FolderRules, Target, Variant};

    /// Scans of two folders, each with one file, and the reports that arrive.
    struct Reading {
        scans: Scans,
        queue: Arc<Mutex<Queue>>,
        reports: Receiver<Batch>,
        report: Sender<Batch>,
        top: tempfile::TempDir,
    }

    impl Reading {
        fn new() -> Self {
            let top = tempfile::tempdir().unwrap();
            let (report, reports) = unbounded();
            let mut scans = Scans::default();
            for (id, name) in [(1, "one"), (2, "two")] {
                let path = top.path().join(name);
                fs::create_dir(&path).unwrap();
                fs::write(path.join("file"), [0; 3]).unwrap();
                scans.push(order(id, path));
            }
            Self { scans, queue: Arc::default(), reports, report, top }
        }

        fn start(&mut self) {
            let report = self.report.clone();
            self.scans.start(&self.queue, || move |batch| drop(report.send(batch)));
        }

        /// Takes the reports of the folder that is read, to its end.
        fn finish(&mut self) -> (Vec<PathBuf>, Vec<Event>) {
            let (mut paths, mut events) = (Vec::new(), Vec::new());
            loop {
                let batch = self.reports.recv_timeout(Duration::from_secs(60)).unwrap();
                let is_last = batch.complete;
                let (jobs, more) = self.scans.take(batch);
                paths.extend(jobs.into_iter().map(|(job, _)| job.path));
                events.extend(more);
                if is_last {
                    return (paths, events);
                }
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.top.path().join(name)
        }
    }

    fn order(id: u32, path: PathBuf) -> FolderOrder {
        let (rules, dialect) = (FolderRules::default(), Dialect::of(Variant::Plain));
        FolderOrder { id: FolderId(id), path, rules, target: Target::Embedded, dialect }
    }

    fn scanned(id: u32, path: PathBuf, files: u64, bytes: u64) -> Event {
        Event::Scanned { folder: FolderId(id), path, files, bytes, skipped: 0, complete: true }
    }

    #[test]
    fn folders_are_read_one_after_another() {
        let mut reading = Reading::new();
        reading.start();
        // While the first is read, the second waits.
        reading.start();
        let (paths, events) = reading.finish();
        assert_eq!(paths, [reading.path("one").join("file")]);
        assert_eq!(events.last(), Some(&scanned(1, reading.path("one"), 1, 3)));
        reading.start();
        let (paths, events) = reading.finish();
        assert_eq!(paths, [reading.path("two").join("file")]);
        assert_eq!(events.last(), Some(&scanned(2, reading.path("two"), 1, 3)));
        assert!(reading.scans.active.is_none() && reading.scans.waiting.is_empty());
    }

    #[test]
    fn a_cancelled_folder_queues_nothing_more_and_the_other_is_read() {
        let mut reading = Reading::new();
        reading.start();
        assert_eq!(reading.scans.cancel(Some(FolderId(1))), [], "its last report has the end");
        let (paths, events) = reading.finish();
        assert_eq!(paths, [] as [&Path; 0]);
        assert_eq!(events.last(), Some(&scanned(1, reading.path("one"), 0, 0)));
        reading.start();
        assert_eq!(reading.finish().0.len(), 1);
    }

    #[test]
    fn a_folder_that_is_cancelled_before_it_is_read_has_an_end_too() {
        let mut reading = Reading::new();
        reading.start();
        assert_eq!(reading.scans.cancel(Some(FolderId(2))), [scanned(2, reading.path("two"), 0, 0)]);
        assert_eq!(reading.finish().0.len(), 1, "the first one goes on");
        reading.scans.push(order(3, reading.path("two")));
        assert_eq!(reading.scans.cancel(None), [scanned(3, reading.path("two"), 0, 0)]);
    }
}
