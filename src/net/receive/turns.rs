//! Which bodies have threads of their own: as many as the processor can use. All others are read, opened and stored on
//! their session's thread, so a thousand stalled bodies cost neither threads nor large buffers.

use std::num::NonZero;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Number of threads that open blocks of CP1: one for each core.
pub(super) static WORKERS: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get));

/// Turns of this process that are taken.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Takes all turns and keeps them, so that from now on every body of this process is read, opened and stored on its
/// session's thread. For tests that decide which thread runs.
pub fn open_bodies_on_one_thread() {
    while let Some(turn) = Turn::try_take() {
        std::mem::forget(turn);
    }
}

/// Right to use threads for a body, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a>(&'a AtomicUsize);

impl Turn<'static> {
    /// Takes a turn if one is free: there are two for each core, because a body may wait for its client.
    pub(super) fn try_take() -> Option<Self> {
        Self::try_of(&TAKEN, 2 * *WORKERS)
    }
}

impl<'a> Turn<'a> {
    fn try_of(taken: &'a AtomicUsize, most: usize) -> Option<Self> {
        let more = |taken| (taken < most).then_some(taken + 1);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok().then(|| Self(taken))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn no_more_turns_are_taken_than_there_are_and_each_comes_back() {
        let taken = AtomicUsize::new(0);
        let first = Turn::try_of(&taken, 2).unwrap();
        let second = Turn::try_of(&taken, 2).unwrap();
        assert!(Turn::try_of(&taken, 2).is_none());
        drop(first);
        let third = Turn::try_of(&taken, 2).unwrap();
        assert!(Turn::try_of(&taken, 2).is_none());
        drop((second, third));
        assert_eq!(taken.into_inner(), 0);
    }
}
