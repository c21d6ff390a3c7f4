//! Threads that read the disk for the browser. Each reading has its own: a dead network mount must not freeze the
//! screen, nor the next folder.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use parking_lot::Mutex;

use super::fit;
use super::listing::{self, Clock, Listing, Request};
use super::preview::{self, Preview};
use super::text;
use crate::trust::Anchor;

/// Result of a thread.
#[derive(Debug)]
pub(super) enum Found {
    /// Part of a folder.
    Part(Listing),
    /// Beginning of a file or a folder.
    Preview(PathBuf, Preview),
    /// Names of the subfolders of a folder.
    Names(PathBuf, Vec<OsString>),
    /// Why this file is not a CA's certificate; `None`: it is one.
    Ca(PathBuf, Option<String>),
    /// The folder that was read last has changed. Reported once until it is read again.
    Changed(PathBuf),
    /// Changes of the folder are not noticed, for this reason.
    Unwatched(PathBuf, String),
}

/// Starts the threads, and receives what they find.
pub(super) struct Disk {
    pub(super) found: Receiver<Found>,
    send: Sender<Found>,
    clock: Clock,
    /// Number of the latest request for a folder; earlier ones end early.
    latest: Arc<AtomicU64>,
    watch: Arc<Mutex<Option<Watch>>>,
}

/// A folder that is watched.
struct Watch {
    folder: PathBuf,
    /// Whether the next change is reported.
    is_armed: Arc<AtomicBool>,
    /// Watches until it is dropped.
    _watcher: RecommendedWatcher,
}

impl Disk {
    pub(super) fn new(clock: Clock) -> Self {
        let (send, found) = unbounded();
        Self { found, send, clock, latest: Arc::default(), watch: Arc::default() }
    }

    /// Reads a folder, and watches it from then on instead of the one before.
    pub(super) fn list(&self, request: Request) -> io::Result<()> {
        self.latest.store(request.ticket, Ordering::Relaxed);
        let (send, clock) = (self.send.clone(), self.clock.clone());
        let (latest, watch) = (Arc::clone(&self.latest), Arc::clone(&self.watch));
        thread::Builder::new().name("listing".into()).spawn(move || {
            let is_latest = || latest.load(Ordering::Relaxed) == request.ticket;
            // The folder is watched before it is read, so that no change falls between the two.
            let place = listing::place(&request.folder);
            let unwatched = if is_latest() { rewatch(&watch, &place.folder, &send).err() } else { None };
            let mut is_read = false;
            listing::read(&request, &place, &clock, |part| {
                is_read = matches!(part.end, Some(Ok(())));
                // The send fails only when the program ends.
                is_latest() && send.send(Found::Part(part)).is_ok()
            });
            if let (true, Some(why)) = (is_read, unwatched) {
                let _ = send.send(Found::Unwatched(place.folder, fit::escaped(&why.to_string())));
            }
        })?;
        Ok(())
    }

    /// Reads the beginning of a file or a folder.
    pub(super) fn preview(&self, path: PathBuf) -> io::Result<()> {
        let send = self.send.clone();
        thread::Builder::new().name("preview".into()).spawn(move || {
            let preview = preview::read(&path);
            // The send fails only when the program ends.
            let _ = send.send(Found::Preview(path, preview));
        })?;
        Ok(())
    }

    /// Reads the names of a folder's subfolders.
    pub(super) fn complete(&self, folder: PathBuf) -> io::Result<()> {
        let send = self.send.clone();
        thread::Builder::new().name("completions".into()).spawn(move || {
            let names = listing::subfolders(&folder);
            // The send fails only when the program ends.
            let _ = send.send(Found::Names(folder, names));
        })?;
        Ok(())
    }

    /// Reads a CA's certificate.
    pub(super) fn check_ca(&self, path: PathBuf) -> io::Result<()> {
        let send = self.send.clone();
        thread::Builder::new().name("ca".into()).spawn(move || {
            let wrong = Anchor::load(&path).err().map(|error| text::bad_ca(&error));
            // The send fails only when the program ends.
            let _ = send.send(Found::Ca(path, wrong));
        })?;
        Ok(())
    }
}

/// Watches a folder from now on and no other, and reports its next change.
fn rewatch(watch: &Mutex<Option<Watch>>, folder: &Path, send: &Sender<Found>) -> Result<(), notify::Error> {
    if let Some(watch) = watch.lock().as_ref().filter(|watch| watch.folder == folder) {
        watch.is_armed.store(true, Ordering::Relaxed);
        return Ok(());
    }
    let is_armed = Arc::new(AtomicBool::new(true));
    let (armed, changed, send) = (Arc::clone(&is_armed), folder.to_owned(), send.clone());
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading changes nothing; an error may stand for changes that were missed.
        let is_change = event.map_or(true, |event| !event.kind.is_access());
        if is_change && armed.swap(false, Ordering::Relaxed) {
            // The send fails only when the program ends.
            let _ = send.send(Found::Changed(changed.clone()));
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    *watch.lock() = Some(Watch { folder: folder.to_owned(), is_armed, _watcher: watcher });
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use jiff::tz::TimeZone;

    use super::*;

    /// Longest wait for a thread.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Reads a folder, again while changes from before the reading are still reported. Returns the number of entries.
    fn read(disk: &Disk, folder: &Path, ticket: u64) -> io::Result<usize> {
        loop {
            disk.list(Request { folder: folder.to_owned(), ticket })?;
            let (mut entries, mut is_late) = (0, false);
            loop {
                match disk.found.recv_timeout(PATIENCE).unwrap() {
                    Found::Part(part) => {
                        entries += part.entries.len();
                        if part.end.is_some() {
                            break;
                        }
                    }
                    Found::Changed(changed) => is_late |= changed == folder,
                    other => panic!("{other:?}"),
                }
            }
            if !is_late {
                return Ok(entries);
            }
        }
    }

    #[test]
    fn a_change_of_the_folder_that_was_read_last_is_reported_and_none_of_another() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let other = tempfile::tempdir()?;
        let disk = Disk::new(Clock { zone: TimeZone::UTC, now: None });
        assert_eq!(read(&disk, folder.path(), 1)?, 0);
        for round in 1..=2_u64 {
            for name in ["a", "b", "c"] {
                fs::write(folder.path().join(name), round.to_string())?;
            }
            let Found::Changed(changed) = disk.found.recv_timeout(PATIENCE).unwrap() else {
                panic!("{round}")
            };
            assert_eq!(changed, folder.path());
            assert_eq!(read(&disk, folder.path(), round + 1)?, 3);
        }
        assert_eq!(read(&disk, other.path(), 4)?, 0);
        fs::remove_file(folder.path().join("a"))?;
        fs::write(other.path().join("a"), "")?;
        let Found::Changed(changed) = disk.found.recv_timeout(PATIENCE).unwrap() else { panic!("no change") };
        assert_eq!(changed, other.path(), "the folder before is not watched any more");
        Ok(())
    }

    #[test]
    fn a_file_that_is_not_a_ca_certificate_is_named_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let fixture =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/identity-v1/cacsertificate.crt");
        let text = folder.path().join("notes.txt");
        fs::write(&text, "not a certificate").unwrap();
        let disk = Disk::new(Clock { zone: TimeZone::UTC, now: None });
        for (file, wanted) in [
            (fixture, None),
            (folder.path().join("missing"), Some("This file does not exist.")),
            (text, Some("This file is not a certificate in PEM.")),
        ] {
            disk.check_ca(file.clone()).unwrap();
            let Found::Ca(read, wrong) = disk.found.recv_timeout(PATIENCE).unwrap() else {
                panic!("{file:?}")
            };
            assert_eq!((&read, wrong.as_deref()), (&file, wanted));
        }
    }
}
