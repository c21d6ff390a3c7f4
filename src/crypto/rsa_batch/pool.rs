//! A pool of work spaces for threads; it grows to the number of threads that worked at the same time.

use parking_lot::Mutex;

/// Idle work spaces.
pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Takes an idle work space.
    pub(super) fn take(&self) -> Option<T> {
        self.0.lock().pop()
    }

    /// Returns a work space to the pool.
    pub(super) fn give(&self, space: T) {
        self.0.lock().push(space);
    }
}
