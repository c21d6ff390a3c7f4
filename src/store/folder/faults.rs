//! The operations on the disk by which a file is stored, so that a test can watch them and let each of them fail.
//!
//! In the program there is no watch, and nothing fails here.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

use super::Root;

/// An operation on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// Opening the unfinished file.
    Create,
    /// Writing bytes; may write fewer.
    Write,
    /// Moving bytes from a pipe.
    Splice,
    /// Setting the permissions of an unfinished file that has a name.
    Permit,
    /// Syncing one file.
    SyncFile,
    /// Syncing the file system.
    SyncAll,
    /// Giving a file a name.
    Name,
    /// Replacing a file.
    Replace,
    /// Removing a file that is stored elsewhere.
    Remove,
    /// Syncing the names in a folder.
    SyncNames,
    /// Looking at what has a name.
    Look,
    /// Opening a file in order to read it.
    Read,
    /// Copying a published file.
    Copy,
    /// Opening a folder inside the store, or making it.
    Enter,
}

/// Sees the operations of a folder before they happen, and may let them fail.
pub trait DiskWatch: fmt::Debug + Send + Sync {
    /// Is called before an operation, with the file or folder that is written or synced, if there is one. An error is the
    /// operation's result.
    fn attempt(&self, what: Disk, on: Option<BorrowedFd<'_>>) -> io::Result<()>;
}

impl Root {
    /// Fails if a test says that this operation fails.
    pub(super) fn attempt(&self, what: Disk) -> io::Result<()> {
        self.attempt_on(what, None)
    }

    /// Does what [`attempt`](Self::attempt) does, for an operation on a file or folder.
    pub(super) fn attempt_on(&self, what: Disk, on: Option<BorrowedFd<'_>>) -> io::Result<()> {
        #[cfg(test)]
        self.faults.attempt(what)?;
        self.watch.get().map_or(Ok(()), |watch| watch.attempt(what, on))
    }

    /// Writes all bytes to the end of a file.
    pub(super) fn write_all(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        Writer { root: self, file }.write_all(bytes)
    }
}

/// A file whose writes may fail in a test.
struct Writer<'a> {
    root: &'a Root,
    file: &'a File,
}

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(test)]
        let bytes = self.root.faults.shorten(bytes)?;
        if let Some(watch) = self.root.watch.get() {
            watch.attempt(Disk::Write, Some(self.file.as_fd()))?;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is to fail, for tests.
#[cfg(test)]
pub(crate) mod plan {
    use std::io;

    use parking_lot::Mutex;
    use rustix::io::Errno;

    use super::Disk;

    /// How an operation fails.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Fault {
        /// By this error.
        Error(Errno),
        /// By this error, and so does every later operation.
        ErrorsFromNowOn(Errno),
        /// A write that writes half of the bytes; only a write can.
        Short,
    }

    impl Fault {
        /// Every fault that is tried.
        pub(crate) const ALL: [Self; 6] = [
            Self::Error(Errno::IO),
            Self::Error(Errno::NOSPC),
            Self::Error(Errno::INTR),
            Self::ErrorsFromNowOn(Errno::IO),
            Self::ErrorsFromNowOn(Errno::NOSPC),
            Self::Short,
        ];
    }

    /// The operations so far, and the one that is to fail.
    #[derive(Debug, Default)]
    pub(crate) struct Faults(Mutex<State>);

    #[derive(Debug, Default)]
    struct State {
        count: usize,
        plan: Option<(usize, Fault)>,
        fired: Vec<Disk>,
    }

    impl Faults {
        /// Lets the operation with this number fail, counted from 0 and from now on.
        pub(crate) fn fail(&self, number: usize, fault: Fault) {
            *self.0.lock() = State { plan: Some((number, fault)), ..State::default() };
        }

        /// Lets nothing fail any more. Returns the operations that failed.
        pub(crate) fn heal(&self) -> Vec<Disk> {
            std::mem::take(&mut *self.0.lock()).fired
        }

        pub(super) fn attempt(&self, what: Disk) -> io::Result<()> {
            self.next(what).map_or(Ok(()), |error| Err(error.into()))
        }

        /// Returns the bytes that a write may write.
        pub(super) fn shorten<'a>(&self, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
            let mut state = self.0.lock();
            if let Some((number, Fault::Short)) = state.plan
                && bytes.len() > 1
            {
                let is_it = number == state.count;
                state.count += 1;
                if is_it {
                    state.fired.push(Disk::Write);
                    return Ok(&bytes[..bytes.len() / 2]);
                }
                return Ok(bytes);
            }
            drop(state);
            self.attempt(Disk::Write).map(|()| bytes)
        }

        fn next(&self, what: Disk) -> Option<Errno> {
            let mut state = self.0.lock();
            let (number, fault) = state.plan?;
            let now = state.count;
            let error = match fault {
                Fault::Error(error) => (now == number).then_some(error),
                Fault::ErrorsFromNowOn(error) => (now >= number).then_some(error),
                // Only writes are counted.
                Fault::Short => return None,
            };
            state.count += 1;
            if error.is_some() {
                state.fired.push(what);
            }
            error
        }
    }
}
