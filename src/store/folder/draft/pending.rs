//! A draft as its session sees it: written to, then committed or aborted.

#[cfg(target_os = "linux")]
use std::os::fd::BorrowedFd;

#[cfg(target_os = "linux")]
use super::content;
use super::{Draft, State};
use crate::digest::Digest;
use crate::store::error::{Doing, StoreError};
#[cfg(target_os = "linux")]
use crate::store::folder::faults::Disk;
use crate::store::folder::group::Group;
use crate::store::{Meta, Pending, Ticket};

impl Pending for Draft {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.len += bytes.len() as u64;
        self.root.write_all(&self.file, bytes).map_err(|cause| {
            self.state = State::Torn;
            self.failed(Doing::Write)(cause)
        })
    }

    #[cfg(target_os = "linux")]
    fn splices(&self) -> bool {
        true
    }

    #[cfg(target_os = "linux")]
    fn write_from(&mut self, pipe: BorrowedFd<'_>, len: usize) -> Result<(), StoreError> {
        self.len += len as u64;
        let spliced = self.root.attempt(Disk::Splice);
        spliced.and_then(|()| content::splice_all(pipe, &mut self.file, len)).map_err(|cause| {
            self.state = State::Torn;
            self.failed(Doing::Write)(cause)
        })
    }

    fn describe(&mut self, meta: Meta) {
        self.meta = meta;
    }

    fn commit(mut self: Box<Self>, digest: Option<Digest>) -> Ticket {
        self.scout(digest);
        Group::join(*self, digest)
    }

    fn abort(self: Box<Self>) {}
}
