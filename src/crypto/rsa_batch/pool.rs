//! Work spaces that threads take and give back: as many as ever worked at once.

use parking_lot::Mutex;

/// Idle work spaces.
pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// One that is idle.
    pub fn take(&self) -> Option<T> {
        // A panic cannot leave the list half changed.
        self.0.lock().pop()
    }

    /// Back for the next.
    pub fn give(&self, space: T) {
        self.0.lock().push(space);
    }
}
