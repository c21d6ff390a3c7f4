//! A crash-safe local folder.
//!
//! ```text
//! begin   create a file without a name    O_TMPFILE, in the folder itself
//! write   into it
//! commit  look at the name                outside of every lock: what has it, and whether it is the same file
//!         join the group
//! wait    fsync the files of the group    their content is on disk before their names are
//!         announce them                   a server records what the next step names
//!         link, which never replaces      the name, or the next free copy; no name for an identical file
//!         fsync the folder                now the names are on disk too
//! ```
//!
//! Where a file cannot exist without a name, and for a file that replaces the one that it continues, it is named
//! `.upseal-<random>.part` (0600, created with `O_EXCL`) until it is renamed.
//!
//! The cost of a name does not grow with its copies: `names` remembers the next free number and the content of each
//! copy, and `scout` finds out the rest before the file joins the group. An identical file takes the same steps as a
//! new one, including the syncs and a name that is removed again, so that its client cannot tell them apart.
//!
//! Every operation is relative to the folder's descriptor and uses names of one component, so neither a name nor a
//! planted link leads out of the folder. A crash leaves at most an unfinished file; the next [`Folder::open`] that
//! locks the folder exclusively removes it. A failed fsync fails the commit and is never repeated, because the kernel
//! may drop the bytes and report the error only once.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use parking_lot::{Mutex, MutexGuard, RwLock};
use rustix::fs::{Mode, OFlags};

use self::draft::Draft;
use self::faults::{Disk, DiskWatch};
use self::group::Group;
use self::names::Names;
use self::nested::{Inside, Nested};
use self::print::Print;
use self::turns::Turns;
use self::unnamed::Unnamed;
use super::error::{Doing, Spot, StoreError};
use super::name::{FileName, UNFINISHED_PREFIX};
use super::{Announce, Catalogue, Incoming, Pending, Published, Store};
use crate::messages::Escaped;

#[cfg(test)]
pub(crate) use self::faults::plan::{Fault, Faults};

#[cfg(test)]
mod counts;
mod draft;
mod durable;
pub(crate) mod faults;
mod group;
mod names;
mod nested;
mod print;
mod rename;
mod scout;
mod sweep;
mod turns;
mod unnamed;

/// Size in bytes from which the free space is checked; smaller files are written sooner than that.
const WORTH_ASKING: u64 = 1 << 20;

/// Suffix of the names of unfinished files.
const UNFINISHED_SUFFIX: &str = ".part";

/// Name of a mark: several `Folder`s have been open here at the same time. While it exists no file is replaced,
/// because another process may rely on it.
const SHARED: &str = ".upseal-shared.part";

/// A [`Store`] in a local folder.
#[derive(Debug)]
pub struct Folder {
    /// Replaced when the folder was removed and created again.
    root: RwLock<Arc<Root>>,
}

/// State shared by a folder and its drafts. The folder's lock is held until the last of them is dropped.
#[derive(Debug)]
struct Root {
    /// Path as the user gave it, for messages only.
    path: PathBuf,
    /// Opened for reading, so that it can be locked and synced.
    dir: Dir,
    /// Permissions of a published file.
    mode: u32,
    /// Lets one thread at a time look at a name.
    turns: Turns,
    /// Names and contents of files. Locked while a file gets its name, never while one is read.
    names: Mutex<Names>,
    /// Record of files that were stored before this process began.
    catalogue: OnceLock<Arc<dyn Catalogue>>,
    /// Complete files that will be published together.
    group: Arc<Group>,
    /// How they are synced.
    durability: Durability,
    /// How a file without a name gets one; `None` if files must have a name.
    unnamed: Option<Unnamed>,
    /// Receiver of announcements.
    announce: OnceLock<Arc<dyn Announce>>,
    /// Set by tests.
    watch: OnceLock<Arc<dyn DiskWatch>>,
    /// Whether a file is refused whose name another one has ([`Existing::Refuse`]).
    refuses: AtomicBool,
    /// Device and inode of the folder.
    dev_ino: (u64, u64),
    /// The folders inside this one; only the store's own folder has any.
    nested: Mutex<Nested>,
    /// Set for a folder inside the store.
    inside: Option<Inside>,
    #[cfg(test)]
    counts: counts::Counts,
    #[cfg(test)]
    steps: Arc<durable::steps::Steps>,
    #[cfg(test)]
    faults: Arc<faults::plan::Faults>,
}

/// How files that are published together are synced. Either way, no file gets its name before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Durability {
    /// All files with one call (syncfs), which also waits for what other programs have written.
    #[default]
    Group,
    /// Each file with its own call (fsync).
    File,
}

/// What becomes of a file whose name another one has. A file with the same content is stored already under either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Existing {
    /// It is stored as a copy, `name (2).ext`.
    #[default]
    Rename,
    /// It is refused.
    Refuse,
}

impl Folder {
    /// Opens a folder, and creates it (0700) and its parents if they are missing. Removes unfinished files, unless
    /// another `Folder`, in this or another process, has the folder open.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, Durability::default())
    }

    /// Opens a folder with a choice of how files are synced.
    pub fn open_with(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        let dir = open_dir(path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => create_dir(path, 0o700).and_then(|()| open_dir(path)),
            _ => Err(error),
        });
        Ok(Self { root: RwLock::new(Arc::new(Root::of(path, dir, durability)?)) })
    }

    /// Sets the record of files that were stored before this process began, so that they need not be read to be
    /// compared. Only the first call has an effect.
    pub fn consult(&self, catalogue: Arc<dyn Catalogue>) {
        let _ = self.root().catalogue.set(catalogue);
    }

    /// Sets what becomes of files whose names other files have; without it, they are renamed.
    #[must_use]
    pub(crate) fn with_existing(self, existing: Existing) -> Self {
        self.root().refuses.store(existing == Existing::Refuse, Ordering::Relaxed);
        self
    }

    /// Announces every file to `to` before it gets its name. Only the first call has an effect.
    #[must_use]
    pub fn announcing(self, to: Arc<dyn Announce>) -> Self {
        self.root().announce.get_or_init(|| to);
        self
    }

    /// Lets `watch` see the operations on the disk. Only the first call has an effect. For tests.
    #[must_use]
    pub fn watched_by(self, watch: Arc<dyn DiskWatch>) -> Self {
        self.root().watch.get_or_init(|| watch);
        self
    }

    /// Returns the path that was given to [`open`](Self::open).
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.root().path.clone()
    }

    /// Returns what is to fail.
    #[cfg(test)]
    pub(crate) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.root().faults)
    }

    fn root(&self) -> Arc<Root> {
        Arc::clone(&self.root.read())
    }

    /// Opens the folder again if it was removed and created again. Returns `None` if it was not.
    fn made_again(&self, gone: &Arc<Root>) -> Result<Option<Arc<Root>>, StoreError> {
        let mut root = self.root.write();
        if !Arc::ptr_eq(&root, gone) {
            return Ok(Some(Arc::clone(&root))); // another session was quicker
        }
        let Some(dir) = open_dir(&gone.path).ok().filter(|_| gone.is_removed()) else { return Ok(None) };
        let mut again = Root::of(&gone.path, Ok(dir), gone.durability)?;
        again.catalogue.clone_from(&gone.catalogue);
        again.announce.clone_from(&gone.announce);
        again.watch.clone_from(&gone.watch);
        #[cfg(test)]
        again.faults.clone_from(&gone.faults);
        again.refuses = AtomicBool::new(gone.refuses.load(Ordering::Relaxed));
        *root = Arc::new(again);
        Ok(Some(Arc::clone(&root)))
    }
}

impl Store for Folder {
    fn begin(&self, want: &Incoming) -> Result<Box<dyn Pending>, StoreError> {
        let mut root = self.root();
        // Some file systems create a file without a name in a folder that was removed. It would never get one.
        if root.is_removed() {
            root = self.made_again(&root)?.ok_or_else(|| {
                let spot = Spot { folder: root.path.clone(), name: None };
                StoreError::new(Doing::Create, spot, io::ErrorKind::NotFound.into())
            })?;
        }
        root.check_room(want)?;
        let draft = Draft::begin(&root, &want.name).or_else(|error| match self.made_again(&root)? {
            Some(root) => Draft::begin(&root, &want.name),
            None => Err(error),
        });
        Ok(Box::new(draft?))
    }

    fn amend(&self, of: &Published) -> Result<Box<dyn Pending>, StoreError> {
        Ok(Box::new(Draft::amend(&self.root(), of)?))
    }

    fn place(&self) -> String {
        Escaped::path(&self.root().path).to_string()
    }
}

impl Root {
    /// Locks an open folder, and finds out how files are created in it.
    fn of(path: &Path, dir: io::Result<Dir>, durability: Durability) -> Result<Self, StoreError> {
        let spot = || Spot { folder: path.to_owned(), name: None };
        let opening = |cause| StoreError::new(Doing::Open, spot(), cause);
        let dir = dir.map_err(opening)?;
        lock_and_sweep(&dir).map_err(opening)?;
        let mode = usual_mode(&dir).map_err(|cause| StoreError::new(Doing::Create, spot(), cause))?;
        Ok(Self {
            path: path.to_owned(),
            mode,
            turns: Turns::default(),
            names: Mutex::default(),
            catalogue: OnceLock::new(),
            announce: OnceLock::new(),
            watch: OnceLock::new(),
            group: Arc::default(),
            durability,
            unnamed: Unnamed::detect(&dir),
            dev_ino: nested::identity(&dir).map_err(|cause| opening(cause.into()))?,
            refuses: AtomicBool::new(false),
            nested: Mutex::default(),
            inside: None,
            dir,
            #[cfg(test)]
            counts: counts::Counts::default(),
            #[cfg(test)]
            steps: Arc::default(),
            #[cfg(test)]
            faults: Arc::default(),
        })
    }

    /// Creates the state of a folder inside the store, where files are stored in the same way. Its path is the store's,
    /// because the names of files have the rest.
    fn nest(&self, dir: Dir, dev_ino: (u64, u64), inside: Inside) -> Self {
        Self {
            path: self.path.clone(),
            mode: self.mode,
            turns: Turns::default(),
            names: Mutex::default(),
            catalogue: self.catalogue.clone(),
            announce: self.announce.clone(),
            watch: self.watch.clone(),
            group: Arc::clone(&self.group),
            durability: self.durability,
            unnamed: self.unnamed,
            refuses: AtomicBool::new(self.refuses.load(Ordering::Relaxed)),
            dev_ino,
            nested: Mutex::default(),
            inside: Some(inside),
            dir,
            #[cfg(test)]
            counts: counts::Counts::default(),
            #[cfg(test)]
            steps: Arc::clone(&self.steps),
            #[cfg(test)]
            faults: Arc::clone(&self.faults),
        }
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock()
    }

    /// Looks at what has a name.
    fn look(&self, name: &FileName) -> io::Result<Occupant> {
        #[cfg(test)]
        self.counts.count(counts::Count::Look);
        self.attempt(Disk::Look)?;
        match self.dir.symlink_metadata(name.leaf()) {
            Ok(there) if there.is_file() => Ok(Occupant::File(Print::of_entry(&there))),
            Ok(_) => Ok(Occupant::Other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Occupant::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Returns whether the folder was removed.
    fn is_removed(&self) -> bool {
        rustix::fs::fstat(&self.dir).is_ok_and(|dir| dir.st_nlink == 0)
    }

    fn is_on_one_device(&self, other: &Self) -> bool {
        self.dev_ino.0 == other.dev_ino.0
    }

    /// Returns whether another `Folder` has been open here at the same time as this one.
    fn is_shared(&self) -> bool {
        !matches!(self.dir.try_exists(SHARED), Ok(false))
    }

    /// Refuses a file that is too large, before the client sends it. Reserves no space; the disk may still fill up.
    fn check_room(&self, want: &Incoming) -> Result<(), StoreError> {
        let Some(needed) = want.size.filter(|size| *size >= WORTH_ASKING) else { return Ok(()) };
        // Some file systems do not report it: they have no blocks at all.
        let Ok(disk) = rustix::fs::fstatvfs(&self.dir) else { return Ok(()) };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if needed <= free || disk.f_blocks == 0 {
            return Ok(());
        }
        let spot = Spot { folder: self.path.clone(), name: Some(want.name.clone()) };
        Err(StoreError::TooLarge { spot, needed, free })
    }
}

/// What has a name in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occupant {
    /// The name is free.
    Nothing,
    /// A regular file.
    File(Print),
    /// A folder, a link, a pipe or a device.
    Other,
}

/// Opens a folder. `Dir::open_ambient_dir` would use `O_PATH`, which allows neither locking nor syncing.
fn open_dir(path: &Path) -> io::Result<Dir> {
    let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(Dir::from_std_file(File::from(fd)))
}

/// Creates a folder, and its parents with the usual permissions, and syncs their names. A durable file in a folder
/// that a crash forgets would be lost.
fn create_dir(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !parent.try_exists()? {
        create_dir(parent, 0o777)?;
    }
    match fs::DirBuilder::new().mode(mode).create(path) {
        // Another process created it first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        // A parent that may be entered but not read cannot be synced; this is not an error.
        Ok(()) => File::open(parent).map_or(Ok(()), |parent| parent.sync_all()),
    }
}

/// Takes the folder's lock for as long as `dir` is open. If no other process holds it, it is first taken exclusively
/// and the folder is swept. Then it is shared with all users of the folder, so that none of them sweeps our drafts.
///
/// Where the file system has no locks, nothing is swept.
fn lock_and_sweep(dir: &Dir) -> io::Result<()> {
    // `flock` locks belong to the open file description. The clone shares it, and dropping the clone does not release
    // the lock.
    let lock = dir.try_clone()?.into_std_file();
    let alone = lock.try_lock().is_ok();
    if alone {
        sweep::run(dir)?;
    }
    // Waits at most for another process's sweep. Changing the lock is not atomic. That is harmless: in between
    // another process may sweep, but there are no drafts yet.
    let shared = loop {
        match lock.lock_shared() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => break done,
        }
    };
    if alone {
        return shared;
    }
    // The mark is created before anything is stored here. The next process that locks the folder exclusively removes
    // it.
    dir.open_with(SHARED, OpenOptions::new().write(true).create(true).truncate(false).mode(0o600))?;
    Ok(())
}

/// Returns the permissions of any new file here: 0666 without the umask, or as the folder's default ACL or its mount
/// decides.
///
/// A file is created to find out. Reading the umask would change it for a moment, for every thread. So opening a
/// folder that cannot be written to fails.
fn usual_mode(dir: &Dir) -> io::Result<u32> {
    let (name, file) = create_unfinished(dir, 0o666)?;
    let metadata = file.metadata();
    dir.remove_file(name)?;
    Ok(metadata?.permissions().mode() & 0o777)
}

/// Creates `.upseal-<32 hex digits>.part` for writing.
fn create_unfinished(dir: &Dir, mode: u32) -> io::Result<(String, File)> {
    let name = unfinished_name()?;
    let file = dir.open_with(&name, OpenOptions::new().write(true).create_new(true).mode(mode))?;
    Ok((name, file.into_std()))
}

fn unfinished_name() -> io::Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(format!("{UNFINISHED_PREFIX}{:032x}{UNFINISHED_SUFFIX}", u128::from_ne_bytes(random)))
}

/// Opens `name` for reading if it is a regular file of `size` bytes. Does not follow a link, and does not wait for
/// the other end of a pipe.
fn open_regular(dir: &Dir, name: &FileName, size: u64) -> io::Result<Option<File>> {
    // It is examined before it is opened, because opening a device may have an effect.
    let there = dir.symlink_metadata(name.leaf())?;
    if !there.is_file() || there.len() != size {
        return Ok(None);
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(dir, name.leaf(), flags, Mode::empty())?);
    Ok(file.metadata()?.is_file().then_some(file))
}

#[cfg(test)]
mod tests;
