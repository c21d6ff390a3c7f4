//! A local folder that no crash leaves half-written.
//!
//! ```text
//! begin   create a file without a name    O_TMPFILE, in the folder itself
//! write   into it
//! commit  look at the name                outside of every lock: what has it, and whether it is the same
//!         join the group
//! wait    fsync the files of the group    their bytes are on disk before their names are
//!         announce them                   a server writes down what the next step names
//!         link, which never replaces      name, then the next free copy; the same bytes there: no name
//!         fsync the folder                now the names are on disk, too
//! ```
//!
//! Where files cannot be without a name (and for one that continues another, which it replaces), it is
//! `.upseal-<random>.part`, 0600 and created with `O_EXCL`, until it is renamed.
//!
//! A name costs a number of steps that does not grow with its copies: `names` remembers the next free number and
//! the content of each copy, and `scout` finds out what it does not know, before the file joins the group. A file
//! that is here already goes through the same steps as any other, syncs and a name that is removed again, so that
//! its client cannot tell it from a new one.
//!
//! Every step works beneath the folder's descriptor, on names of one component, so neither a name
//! nor a link that somebody planted leads out of it. What a crash leaves behind is at most an unfinished
//! file; the next [`Folder::open`] that is alone with the folder removes it. A failed fsync fails
//! the commit and is never tried again: the kernel may have dropped the bytes and say so only once.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::retry_on_intr;

use self::draft::Draft;
use self::group::Group;
use self::names::Names;
use self::print::Print;
use self::turns::Turns;
use self::unnamed::Unnamed;
use super::error::{Doing, Spot, StoreError};
use super::name::{FileName, UNFINISHED_PREFIX};
use super::{Announce, Catalogue, Incoming, Pending, Published, Store};
use crate::messages::escape;

#[cfg(test)]
mod counts;
mod draft;
mod durable;
mod group;
mod names;
mod print;
mod rename;
mod scout;
mod turns;
mod unnamed;

/// Bytes from which on it is asked whether a file has room: small ones are written sooner.
const WORTH_ASKING: u64 = 1 << 20;

/// What the names of unfinished files end with.
const UNFINISHED_SUFFIX: &str = ".part";

/// Name of a mark: more than one `Folder` has been open here at a time. Where it is, no file is replaced, because
/// another process may rely on it.
const SHARED: &str = ".upseal-shared.part";

/// A [`Store`] in a local folder.
#[derive(Debug)]
pub struct Folder {
    /// Replaced when the folder was removed and made again.
    root: RwLock<Arc<Root>>,
}

/// What the folder and its drafts share. It lives, and holds the folder's lock, until the last of
/// them is gone.
#[derive(Debug)]
struct Root {
    /// As the user gave it; only for words.
    path: PathBuf,
    /// Open for reading, so that it can be locked and synced.
    dir: Dir,
    /// The permissions of a published file.
    mode: u32,
    /// One look at a name at a time.
    turns: Turns,
    /// Names and contents of what is here. Held while a file gets its name, never while one is read.
    names: Mutex<Names>,
    /// Record of what was stored here before this program began.
    catalogue: OnceLock<Arc<dyn Catalogue>>,
    /// Whole files that are to be published together.
    group: Group,
    /// How they are brought to disk.
    durability: Durability,
    /// How a file gets its first name here, if it can be without one until then.
    unnamed: Option<Unnamed>,
    /// Receiver of announcements, before files get their names.
    announce: OnceLock<Arc<dyn Announce>>,
    /// Counts of what was done in the folder.
    #[cfg(test)]
    counts: counts::Counts,
    /// What was brought to disk, for the tests.
    #[cfg(test)]
    steps: durable::steps::Steps,
}

/// How files that are published together are brought to disk. Either way none has its name before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// All with one call, which also waits for what other programs have written there.
    #[default]
    Group,
    /// Each by itself.
    File,
}

impl Folder {
    /// Opens the folder `path`, creating it (0700) and its parents if need be, and sweeps unfinished
    /// files out of it unless another `Folder`, here or in another process, has it open.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, Durability::default())
    }

    /// The same, with a choice of how files are brought to disk.
    pub fn open_with(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        let dir = open_dir(path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => create_dir(path, 0o700).and_then(|()| open_dir(path)),
            _ => Err(error),
        });
        Ok(Self { root: RwLock::new(Arc::new(Root::of(path, dir, durability)?)) })
    }

    /// Consults this record about files that were stored here before this program began, so that they need not be
    /// read to be compared. Only the first record counts.
    pub fn consult(&self, catalogue: Arc<dyn Catalogue>) {
        let _ = self.root().catalogue.set(catalogue);
    }

    /// Announces every file to `to` before it gets its name. Only the first call has an effect.
    #[must_use]
    pub fn announcing(self, to: Arc<dyn Announce>) -> Self {
        self.root().announce.get_or_init(|| to);
        self
    }

    /// The folder, as it was given to [`open`](Self::open).
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.root().path.clone()
    }

    fn root(&self) -> Arc<Root> {
        Arc::clone(&self.root.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens the folder again if the one that was open is gone and there is another in its place. `None`: there is
    /// none, or it is the same.
    fn made_again(&self, gone: &Arc<Root>) -> Result<Option<Arc<Root>>, StoreError> {
        let mut root = self.root.write().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&root, gone) {
            return Ok(Some(Arc::clone(&root))); // another session was quicker
        }
        let is_gone = rustix::fs::fstat(&gone.dir).is_ok_and(|dir| dir.st_nlink == 0);
        let Some(dir) = open_dir(&gone.path).ok().filter(|_| is_gone) else { return Ok(None) };
        let mut again = Root::of(&gone.path, Ok(dir), gone.durability)?;
        again.catalogue.clone_from(&gone.catalogue);
        again.announce.clone_from(&gone.announce);
        *root = Arc::new(again);
        Ok(Some(Arc::clone(&root)))
    }
}

impl Store for Folder {
    fn begin(&self, want: &Incoming) -> Result<Box<dyn Pending>, StoreError> {
        let root = self.root();
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
        escape(&self.root().path.to_string_lossy()).to_string()
    }
}

impl Root {
    /// Takes the lock of a folder that is open, and finds out how files are made in it.
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
            group: Group::default(),
            durability,
            unnamed: Unnamed::detect(&dir),
            dir,
            #[cfg(test)]
            counts: counts::Counts::default(),
            #[cfg(test)]
            steps: durable::steps::Steps::default(),
        })
    }

    /// Locks the memory of names, which is sound between any two statements.
    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at what has a name: nothing, a regular file with this print, or something else.
    fn look(&self, name: &FileName) -> io::Result<Occupant> {
        #[cfg(test)]
        self.counts.count(counts::Count::Look);
        match self.dir.symlink_metadata(name.as_str()) {
            Ok(there) if there.is_file() => Ok(Occupant::File(Print::of_entry(&there))),
            Ok(_) => Ok(Occupant::Other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Occupant::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Whether another `Folder` has been open here beside this one, perhaps in another process.
    fn is_shared(&self) -> bool {
        !matches!(self.dir.try_exists(SHARED), Ok(false))
    }

    /// Refuses a file that cannot fit before a byte of it is sent. It reserves nothing: the disk may
    /// still fill up.
    fn check_room(&self, want: &Incoming) -> Result<(), StoreError> {
        let Some(needed) = want.size.filter(|size| *size >= WORTH_ASKING) else { return Ok(()) };
        // Some file systems do not say: they have no blocks at all.
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

/// Opens a folder for all that is done beneath it. `Dir::open_ambient_dir` would open it with
/// `O_PATH`, which can be neither locked nor synced.
fn open_dir(path: &Path) -> io::Result<Dir> {
    let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(Dir::from_std_file(File::from(fd)))
}

/// Creates a folder, its parents with the usual permissions, and brings their names to disk: a
/// durable file in a folder that a crash forgets is none.
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
        // Somebody else was quicker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        // A parent that may be entered but not read cannot be synced, and is no reason to stop.
        Ok(()) => File::open(parent).map_or(Ok(()), |parent| parent.sync_all()),
    }
}

/// Takes the folder's lock for as long as `dir` is open: exclusively, if nobody has it, to sweep;
/// then shared with every other user of the folder, so that none of them sweeps our drafts.
///
/// Where the file system has no locks nobody can be alone, and nothing is swept.
fn lock_and_sweep(dir: &Dir) -> io::Result<()> {
    let alone = rustix::fs::flock(dir, FlockOperation::NonBlockingLockExclusive).is_ok();
    if alone {
        sweep(dir)?;
    }
    // Waits at most for another's sweep. Changing the lock is not atomic, which is harmless: in
    // between somebody else may sweep, and we have no drafts yet.
    let shared = retry_on_intr(|| rustix::fs::flock(dir, FlockOperation::LockShared));
    if alone {
        return Ok(shared?);
    }
    // Before anything can be stored through this one. The next that is alone removes it.
    dir.open_with(SHARED, OpenOptions::new().write(true).create(true).truncate(false).mode(0o600))?;
    Ok(())
}

/// Removes unfinished files.
fn sweep(dir: &Dir) -> io::Result<()> {
    for entry in dir.entries()? {
        let name = entry?.file_name();
        let unfinished =
            name.to_str().is_some_and(|n| n.starts_with(UNFINISHED_PREFIX) && n.ends_with(UNFINISHED_SUFFIX));
        if unfinished {
            // One that stays is in nobody's way: not ours, perhaps, or a folder.
            let _ = dir.remove_file(name);
        }
    }
    Ok(())
}

/// The permissions that this process gives to any new file here: 0666 without the umask, or as the
/// folder's default ACL or its mount has it.
///
/// A file is created to see them: reading the umask means changing it for a moment, for every
/// thread. So a folder that cannot be written to says so when it is opened.
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

/// A name that nobody else has.
fn unfinished_name() -> io::Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(format!("{UNFINISHED_PREFIX}{:032x}{UNFINISHED_SUFFIX}", u128::from_ne_bytes(random)))
}

/// Opens `name` itself for reading, if it is a regular file of `size` bytes: not what a link points
/// to, and without waiting for the other end of a pipe.
fn open_regular(dir: &Dir, name: &FileName, size: u64) -> io::Result<Option<File>> {
    // Looked at before it is opened, because opening a device may already do something.
    let there = dir.symlink_metadata(name.as_str())?;
    if !there.is_file() || there.len() != size {
        return Ok(None);
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(dir, name.as_str(), flags, Mode::empty())?);
    Ok(file.metadata()?.is_file().then_some(file))
}

#[cfg(test)]
mod tests;
