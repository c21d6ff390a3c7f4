//! Turns: one thread at a time for each name.

use std::collections::HashSet;

use parking_lot::{Condvar, Mutex};

use crate::store::name::FileName;

/// Lets one thread at a time look at the files of one name.
///
/// The rename that never replaces keeps every file even without turns. They spare ten uploads of one large file from
/// each reading the same files. Other processes do not take part.
#[derive(Debug, Default)]
pub(super) struct Turns {
    busy: Mutex<Busy>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Busy {
    /// Names whose turn is taken.
    names: HashSet<FileName>,
    /// Number of waiting threads. Waking threads is a system call even if none waits.
    waiting: usize,
}

impl Turns {
    /// Waits for the turn of `name`, which lasts until the guard is dropped.
    pub(super) fn take(&self, name: &FileName) -> Turn<'_> {
        let mut busy = self.busy.lock();
        while busy.names.contains(name) {
            busy.waiting += 1;
            self.freed.wait(&mut busy);
            busy.waiting -= 1;
        }
        busy.names.insert(name.clone());
        drop(busy);
        Turn { turns: self, name: name.clone() }
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
        let mut busy = self.turns.busy.lock();
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
        assert!(turns.busy.lock().names.is_empty());
    }

    #[test]
    fn other_names_do_not_wait() {
        let turns = Turns::default();
        let [a, b] = [b"a", b"b"].map(|name| FileName::from_wire(name).unwrap());
        let _both = (turns.take(&a), turns.take(&b));
        assert_eq!(turns.busy.lock().names.len(), 2);
    }
}
