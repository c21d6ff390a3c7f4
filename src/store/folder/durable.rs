//! System calls that sync files and names to disk.
//!
//! All of them are here, so that a test can observe which were made in which order, and can make one fail.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::io::Errno;

use super::Root;
use super::faults::Disk;

impl Root {
    /// Syncs one file to disk.
    pub(super) fn sync_file(&self, file: &File) -> io::Result<()> {
        #[cfg(test)]
        self.steps.take(steps::Step::bytes_of(file)?)?;
        self.attempt_on(Disk::SyncFile, Some(file.as_fd()))?;
        file.sync_all()
    }

    /// Syncs the whole file system of the folder to disk.
    #[cfg(target_os = "linux")]
    pub(super) fn sync_everything(&self) -> io::Result<()> {
        #[cfg(test)]
        self.steps.take(steps::Step::Everything)?;
        self.attempt(Disk::SyncAll)?;
        Ok(rustix::fs::syncfs(&self.dir)?)
    }

    /// Syncs the folder's names to disk.
    pub(super) fn sync_names(&self) -> io::Result<()> {
        self.sync_folder(&self.dir)
    }

    /// Syncs the names in a folder of the store to disk.
    pub(super) fn sync_folder(&self, dir: impl AsFd) -> io::Result<()> {
        #[cfg(test)]
        self.steps.take(steps::Step::Names)?;
        self.attempt_on(Disk::SyncNames, Some(dir.as_fd()))?;
        match rustix::fs::fsync(dir) {
            // The file system does not support syncing folders.
            Err(Errno::INVAL) => Ok(()),
            done => Ok(done?),
        }
    }
}

/// Recorder for tests.
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
pub(super) mod steps {
    use std::fs::File;
    use std::io;
    use std::mem;
    use std::os::unix::fs::MetadataExt as _;
    use std::sync::Mutex;

    /// A call that syncs something, or gives a file its name.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(in super::super) enum Step {
        /// An fsync of the file with this inode number.
        Bytes(u64),
        /// A syncfs.
        Everything,
        /// The file with this inode number gets this name.
        Named(u64, String),
        /// An fsync of the folder.
        Names,
    }

    impl Step {
        pub(super) fn bytes_of(file: &File) -> io::Result<Self> {
            Ok(Self::Bytes(file.metadata()?.ino()))
        }
    }

    /// Whether a step fails, by what was done before.
    type Fails = fn(&Step, &[Step]) -> bool;

    /// What was done so far, and what is to fail.
    #[derive(Debug, Default)]
    pub(in super::super) struct Steps {
        taken: Mutex<Vec<Step>>,
        failing: Mutex<Option<Fails>>,
    }

    impl Steps {
        /// Records a step, or fails as a broken disk does.
        pub(in super::super) fn take(&self, step: Step) -> io::Result<()> {
            let mut taken = self.taken.lock().unwrap();
            if self.failing.lock().unwrap().is_some_and(|fails| fails(&step, &taken)) {
                return Err(rustix::io::Errno::IO.into());
            }
            taken.push(step);
            Ok(())
        }

        /// Returns the steps so far, and forgets them.
        pub(in super::super) fn drain(&self) -> Vec<Step> {
            mem::take(&mut *self.taken.lock().unwrap())
        }

        /// Makes steps of this kind fail from now on.
        pub(in super::super) fn fail(&self, fails: Fails) {
            *self.failing.lock().unwrap() = Some(fails);
        }
    }
}
