//! A store that keeps nothing: the bytes of a race's lane are counted and dropped.

use super::{FileName, Incoming, Pending, Published, Store, StoreError, Stored, Ticket};
use crate::digest::Digest;
use crate::event::Kept;

/// A [`Pending`] that keeps nothing; its commit returns [`Kept::Discarded`].
#[derive(Debug)]
pub(crate) struct Discard {
    name: FileName,
}

impl Discard {
    /// Creates one for a file with this requested name.
    #[must_use]
    pub(crate) fn new(name: FileName) -> Self {
        Self { name }
    }
}

impl Pending for Discard {
    fn write(&mut self, _bytes: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }

    fn commit(self: Box<Self>, _digest: Option<Digest>) -> Ticket {
        Ticket::ready(Ok(Stored { name: self.name, kept: Kept::Discarded }))
    }

    fn abort(self: Box<Self>) {}
}

/// A [`Store`] that keeps nothing, for a server that only takes part in races.
#[derive(Debug, Clone, Copy)]
pub struct Nowhere;

impl Store for Nowhere {
    fn begin(&self, want: &Incoming) -> Result<Box<dyn Pending>, StoreError> {
        Ok(Box::new(Discard::new(want.name.clone())))
    }

    fn amend(&self, of: &Published) -> Result<Box<dyn Pending>, StoreError> {
        Ok(Box::new(Discard::new(of.want.clone())))
    }

    fn place(&self) -> String {
        "nowhere".to_owned()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn takes_bytes_and_keeps_nothing() {
        let name = FileName::from_wire(b"race-cp1-a.txt").unwrap();
        let mut pending = Box::new(Discard::new(name.clone()));
        pending.write(b"abc").unwrap();
        pending.write(b"").unwrap();
        pending.write(b"defg").unwrap();
        let stored = pending.commit(Some(Digest::of(b"abcdefg"))).wait().unwrap();
        assert_eq!(stored, Stored { name, kept: Kept::Discarded });
    }

    #[test]
    fn bytes_of_a_pipe_are_refused_and_not_lost() {
        let mut pending = Discard::new(FileName::from_wire(b"race-cp1-a.txt").unwrap());
        let (out, into) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&into, b"abc").unwrap();
        assert!(!pending.splices());
        let result = pending.write_from(std::os::fd::AsFd::as_fd(&out), 3);
        assert!(matches!(result, Err(StoreError::NoSplice)), "{result:?}");
    }
}
