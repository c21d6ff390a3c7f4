//! One at a time for each name.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::store::name::FileName;

/// Lets one thread at a time commit files that ask for the same name.
///
/// The rename that never replaces already keeps every file; this spares ten uploads of one large
/// file from each reading what is there. Other processes do not take turns with us.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The names in whose turn somebody is.
    busy: Mutex<HashSet<FileName>>,
    freed: Condvar,
}

impl Turns {
    /// Waits for the turn of `name`; it ends with the guard.
    pub(super) fn take(&self, name: &FileName) -> Turn<'_> {
        let busy = self.freed.wait_while(self.lock(), |busy| busy.contains(name));
        busy.unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        Turn { turns: self, name: name.clone() }
    }

    /// The set is whole even if a thread died with it.
    fn lock(&self) -> MutexGuard<'_, HashSet<FileName>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn of one name.
#[must_use]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    name: FileName,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.lock().remove(&self.name);
        self.turns.freed.notify_all();
    }
}
