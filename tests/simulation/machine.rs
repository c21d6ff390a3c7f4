//! The server's machine: its disk, on which what is not synced may be lost, and the moment at which it crashes.
//!
//! The disk is a folder in memory. What would survive a power cut is computed from the operations of the store
//! ([`DiskWatch`]): which files were synced after their last write, and which names were there when their folder was
//! last synced.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tempfile::TempDir;
use upseal::Service;
use upseal::testing::store::{Disk, DiskWatch};

use crate::common::scratch;
use crate::dice::Dice;
use crate::plan::Kind;
use crate::world::{State, World};

/// Paths in the store, each with its inode.
type Entries = Vec<(PathBuf, u64)>;

/// A name in the store, and the file that has it.
type Names = BTreeMap<PathBuf, (u64, Arc<Vec<u8>>)>;

pub(crate) struct Machine {
    around: TempDir,
    /// Number of the server's start, from 1.
    pub(crate) start: u64,
    /// The running server.
    pub(crate) service: Option<Arc<Service>>,
    pub(crate) has_crashed: bool,
    /// Operations of the server on disk and network.
    points: u64,
    disk_operations: u64,
    /// Sum of the times of slow operations.
    pub(crate) slowness: Duration,
    disk: Platter,
    /// Bytes of the history's log that are synced.
    synced_log: u64,
}

/// What would survive a power cut.
#[derive(Default)]
struct Platter {
    is_tracked: bool,
    /// Files that were written to and not synced since.
    dirty: HashSet<u64>,
    names: Names,
    folders: BTreeSet<PathBuf>,
    /// The operation before, which has happened by now.
    pending: Option<(Disk, u64)>,
}

impl Machine {
    pub(crate) fn new(is_tracked: bool) -> Self {
        let around = scratch();
        fs::create_dir_all(around.path().join("home/inbox")).unwrap();
        Self {
            around,
            start: 0,
            service: None,
            has_crashed: false,
            points: 0,
            disk_operations: 0,
            slowness: Duration::ZERO,
            disk: Platter { is_tracked, ..Platter::default() },
            synced_log: 0,
        }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.around.path().join("home")
    }

    pub(crate) fn inbox(&self) -> PathBuf {
        self.home().join("inbox")
    }

    fn next_home(&self) -> PathBuf {
        self.around.path().join("next")
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.service.is_some()
    }

    /// Returns the files of the store by their paths in it.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let read = |(path, _): (PathBuf, u64)| {
            let content = fs::read(self.inbox().join(&path)).unwrap();
            (path, content)
        };
        walk(&self.inbox()).0.into_iter().map(read).collect()
    }

    /// Returns what stands around the store.
    pub(crate) fn around(&self) -> BTreeSet<String> {
        let name =
            |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().to_string_lossy().into_owned();
        let outside = fs::read_dir(self.around.path()).unwrap().chain(fs::read_dir(self.home()).unwrap());
        outside.map(name).collect()
    }

    /// Takes everything on the disk as synced: a server begins.
    pub(crate) fn sync_all(&mut self) {
        self.disk.pending = None;
        self.disk.dirty.clear();
        if self.disk.is_tracked {
            let (files, folders) = walk(&self.inbox());
            let read = |(path, ino): (PathBuf, u64)| {
                let content = Arc::new(fs::read(self.around.path().join("home/inbox").join(&path)).unwrap());
                (path, (ino, content))
            };
            self.disk.names = files.into_iter().map(read).collect();
            self.disk.folders = folders.into_iter().map(|(path, _)| path).collect();
        }
        self.sync_log();
    }

    /// Takes the history's log as synced.
    pub(crate) fn sync_log(&mut self) {
        self.synced_log = fs::metadata(self.home().join("history.db-wal")).map_or(0, |log| log.len());
    }

    /// Makes a copy of the disk as it is after a crash now.
    fn copy_home(&mut self, kind: Kind, dice: &mut Dice) {
        let (home, next) = (self.home(), self.next_home());
        fs::create_dir_all(next.join("inbox")).unwrap();
        self.disk.settle(&home.join("inbox"));
        let (files, folders) = walk(&home.join("inbox"));
        match kind {
            Kind::Kill => {
                for (folder, _) in &folders {
                    fs::create_dir_all(next.join("inbox").join(folder)).unwrap();
                }
                for (path, _) in files {
                    fs::hard_link(home.join("inbox").join(&path), next.join("inbox").join(&path)).unwrap();
                }
            }
            Kind::Power => {
                let read = |(path, ino): (PathBuf, u64)| {
                    let content = Arc::new(fs::read(home.join("inbox").join(&path)).unwrap());
                    (path, (ino, content))
                };
                let now: Names = files.into_iter().map(read).collect();
                for (path, content) in self.disk.survivors(&now, dice) {
                    let path = next.join("inbox").join(path);
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(path, content).unwrap();
                }
            }
        }
        fs::copy(home.join("history.db"), next.join("history.db")).unwrap();
        let mut log = fs::read(home.join("history.db-wal")).unwrap_or_default();
        if kind == Kind::Power {
            let unsynced = (log.len() as u64).saturating_sub(self.synced_log);
            let kept = self.synced_log.min(log.len() as u64) + dice.below(unsynced + 1);
            log.truncate(usize::try_from(kept).unwrap());
        }
        fs::write(next.join("history.db-wal"), log).unwrap();
    }

    /// Replaces the disk by the copy.
    pub(crate) fn swap_home(&mut self) {
        let (home, next) = (self.home(), self.next_home());
        fs::remove_dir_all(&home).unwrap();
        fs::rename(next, home).unwrap();
    }

    /// Lets the power fail when no server runs.
    pub(crate) fn cut_power(&mut self, dice: &mut Dice) {
        self.copy_home(Kind::Power, dice);
        self.swap_home();
    }
}

/// Returns the files and folders of a folder and of those in it, each with its inode. Marks of the store are left out.
fn walk(top: &Path) -> (Entries, Entries) {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(top.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                folders.push((path.clone(), metadata.ino()));
                open.push(path);
            } else {
                files.push((path, metadata.ino()));
            }
        }
    }
    files.sort();
    folders.sort();
    (files, folders)
}

impl Platter {
    /// Takes the operation before as done.
    fn settle(&mut self, inbox: &Path) {
        match self.pending.take() {
            Some((Disk::Write | Disk::Copy | Disk::Splice, ino)) => {
                self.dirty.insert(ino);
            }
            Some((Disk::SyncFile, ino)) => {
                self.dirty.remove(&ino);
            }
            Some((Disk::SyncAll, _)) => self.dirty.clear(),
            Some((Disk::SyncNames, ino)) if self.is_tracked => self.sync_names(inbox, ino),
            _ => {}
        }
    }

    fn sync_names(&mut self, inbox: &Path, ino: u64) {
        let (files, folders) = walk(inbox);
        let folder = if fs::metadata(inbox).unwrap().ino() == ino {
            PathBuf::new()
        } else if let Some((folder, _)) = folders.iter().find(|(_, is)| *is == ino) {
            folder.clone()
        } else {
            return;
        };
        let is_in = |path: &Path| path.parent() == Some(&folder);
        self.folders.retain(|path| !is_in(path));
        self.folders.extend(folders.into_iter().map(|(path, _)| path).filter(|path| is_in(path)));
        let mut before = std::mem::take(&mut self.names);
        for (path, ino) in files.into_iter().filter(|(path, _)| is_in(path)) {
            let known = before.remove(&path).filter(|(is, _)| *is == ino);
            let content = || (ino, Arc::new(fs::read(inbox.join(&path)).unwrap()));
            let synced = known.unwrap_or_else(content);
            self.names.insert(path, synced);
        }
        self.names.extend(before.into_iter().filter(|(path, _)| !is_in(path)));
    }

    /// Returns what of the files is there after a power cut.
    fn survivors(&self, now: &Names, dice: &mut Dice) -> Vec<(PathBuf, Vec<u8>)> {
        let paths: BTreeSet<&PathBuf> = now.keys().chain(self.names.keys()).collect();
        let mut there = Vec::new();
        let mut gone = BTreeSet::new();
        for path in paths {
            // A folder whose name was not synced takes its files with it.
            let folder = path.parent().filter(|folder| *folder != Path::new(""));
            if let Some(folder) = folder.filter(|folder| !self.folders.contains(*folder))
                && (gone.contains(folder) || dice.chance(1, 2))
            {
                gone.insert(folder.to_owned());
                continue;
            }
            let (new, old) = (now.get(path), self.names.get(path));
            let is_same = new.map(|(ino, _)| ino) == old.map(|(ino, _)| ino);
            let Some((ino, content)) = (if is_same || dice.chance(1, 2) { new } else { old }) else {
                continue;
            };
            let mut content = content.to_vec();
            if self.dirty.contains(ino) {
                content.truncate(usize::try_from(dice.below(content.len() as u64 + 1)).unwrap());
            }
            there.push((path.clone(), content));
        }
        there
    }
}

impl State {
    /// Counts an operation of the server, at which it may crash. Returns whether it did.
    pub(crate) fn point(&mut self, start: u64) -> bool {
        if self.machine.start != start || !self.machine.is_up() {
            return true;
        }
        self.machine.points += 1;
        let Some(crash) = self.plan.crash.filter(|crash| crash.at == self.machine.points) else {
            return false;
        };
        if self.machine.has_crashed {
            return false;
        }
        self.note_of("machine", format_args!("{:?} at operation {}", crash.kind, crash.at));
        self.book.count(if crash.kind == Kind::Kill { "kills" } else { "power cuts" });
        self.machine.has_crashed = true;
        self.machine.service = None;
        let mut dice = self.dice.clone();
        self.machine.copy_home(crash.kind, &mut dice);
        self.dice = dice;
        self.abandon_links(crash.kind == Kind::Power);
        true
    }

    /// Decides about an operation on the disk.
    fn disk_operation(&mut self, start: u64, what: Disk, ino: u64) -> io::Result<()> {
        let gone = || Err(Errno::IO.into());
        let inbox = self.machine.inbox();
        if self.machine.start != start || !self.machine.is_up() {
            return gone();
        }
        self.machine.disk.settle(&inbox);
        if self.point(start) {
            return gone();
        }
        self.machine.disk_operations += 1;
        let plan = self.plan.disk;
        let time = Duration::from_micros(self.dice.magnitude(1, 200));
        self.spend(time);
        if self.dice.chance(plan.slow, 1000) {
            let time = Duration::from_millis(self.dice.magnitude(1, 60_000));
            self.note_of("disk", format_args!("is slow: {} ms", time.as_millis()));
            self.machine.slowness += time;
            self.spend(time);
        }
        let is_broken = plan.broken_from.is_some_and(|from| self.machine.disk_operations >= from);
        if is_broken || self.dice.chance(plan.failing, 1000) {
            let errno = self.dice.pick(&[Errno::IO, Errno::NOSPC, Errno::INTR]);
            // A write that is interrupted is repeated, so a broken disk must say something else in the end.
            let errno = if is_broken && errno == Errno::INTR { Errno::IO } else { errno };
            self.note_of("disk", format_args!("{what:?} fails: {errno}"));
            self.book.count("disk errors");
            self.book.is_blind |= matches!(what, Disk::Read | Disk::Look | Disk::SyncFile);
            return Err(errno.into());
        }
        self.note_of("disk", format_args!("{what:?}"));
        self.machine.disk.pending = Some((what, ino));
        Ok(())
    }
}

/// Connects the store of one start of the server with the simulation.
pub(crate) struct Watch {
    pub(crate) world: Arc<World>,
    pub(crate) start: u64,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watch({})", self.start)
    }
}

impl DiskWatch for Watch {
    fn attempt(&self, what: Disk, on: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let ino = on.map_or(0, |on| rustix::fs::fstat(on).unwrap().st_ino);
        self.world.lock().disk_operation(self.start, what, ino)
    }
}
