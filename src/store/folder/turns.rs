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
    busy: Mutex<Busy>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Busy {
    /// The names in whose turn somebody is.
    names: HashSet<FileName>,
    /// How many wait for a turn; to wake nobody costs as much as to wake one.
    waiting: usize,
}

impl Turns {
    /// Waits for the turn of `name`; it ends with the guard.
    pub(super) fn take(&self, name: &FileName) -> Turn<'_> {
        let mut busy = self.lock();
        while busy.names.contains(name) {
            busy.waiting += 1;
            busy = self.freed.wait(busy).unwrap_or_else(PoisonError::into_inner);
            busy.waiting -= 1;
        }
        busy.names.insert(name.clone());
        drop(busy);
        Turn { turns: self, name: name.clone() }
    }

    /// The set is whole even if a thread died with it.
    fn lock(&self) -> MutexGuard<'_, Busy> {
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
        let mut busy = self.turns.lock();
        busy.names.remove(&self.name);
        if busy.waiting > 0 {
            self.turns.freed.notify_all();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn one_name_is_one_threads_at_a_time() {
        let (turns, name) = (Turns::default(), FileName::from_wire(b"a").unwrap());
        let inside = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let _turn = turns.take(&name);
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(turns.lock().names.is_empty());
    }

    #[test]
    fn other_names_do_not_wait() {
        let turns = Turns::default();
        let [a, b] = [b"a", b"b"].map(|name| FileName::from_wire(name).unwrap());
        let _both = (turns.take(&a), turns.take(&b));
        assert_eq!(turns.lock().names.len(), 2);
    }
}
