//! A pipeline of ordered, bounded stages on named threads.
//!
//! ```text
//!   produce ──► work ──► consume        each on its own thread, `consume` on the caller's
//!      ▲         × n        │           `work` may have several threads; their results are put back in order
//!      └──── free slots ◄───┘           at most as many items are in flight as there are slots
//! ```
//!
//! An item travels in a *slot*: buffers of the caller that are filled, processed, consumed and filled again. So the slots
//! bound the memory whatever the file's size, and a slow stage slows down those before it.
//!
//! **Ends.** The first error *in the order of the items* is the result, whichever stage returned it. The items before it
//! were consumed, those after it were not. An error of `work` or `consume` cannot wake a `produce` that is blocked in a
//! socket; `stop` must do that. A panic in a stage is propagated to the caller once all threads have ended.

use std::collections::BTreeMap;
use std::io;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Builder, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

/// What `produce` returns for the slot that it filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    /// The slot holds an item, and another follows.
    More,
    /// The slot holds the last item.
    Last,
}

/// The error if no thread could be started for a stage.
#[derive(Debug, thiserror::Error)]
#[error("cannot start a thread: {0}")]
pub struct NoThread(#[source] pub io::Error);

/// An item in the pipeline, and its result so far.
struct Item<'a, S, E> {
    /// Position of the item, from 0.
    number: u64,
    last: bool,
    slot: &'a mut S,
    result: Result<(), E>,
}

/// Runs items through three stages until the last, or the first error.
///
/// `name` is the prefix of the threads' names. The second stage has as many threads as there are closures in `work` (at
/// least one), and each keeps its own state. A single one sees the items in their order. `slots` are the items in flight,
/// at least one; with fewer than three the stages wait for each other. `stop` is called at an error, and **must** make a
/// blocked `produce` return.
///
/// # Errors
/// The first error of any stage, or [`NoThread`]. Then only the items before the error were consumed.
///
/// # Panics
/// Panics if a stage panics.
pub(crate) fn run<S: Send, E: Send + From<NoThread>>(
    name: &str,
    slots: &mut [S],
    produce: impl FnMut(&mut S) -> Result<Filled, E> + Send,
    work: Vec<impl FnMut(&mut S) -> Result<(), E> + Send>,
    consume: impl FnMut(&mut S) -> Result<(), E>,
    stop: impl Fn(),
) -> Result<(), E> {
    let thread = |suffix: &str| Builder::new().name(format!("{name}-{suffix}"));
    run_on(thread, slots, produce, work, consume, stop)
}

/// Implements [`run`]; `thread` configures each thread.
fn run_on<S: Send, E: Send + From<NoThread>>(
    thread: impl Fn(&str) -> Builder,
    slots: &mut [S],
    mut produce: impl FnMut(&mut S) -> Result<Filled, E> + Send,
    work: Vec<impl FnMut(&mut S) -> Result<(), E> + Send>,
    mut consume: impl FnMut(&mut S) -> Result<(), E>,
    stop: impl Fn(),
) -> Result<(), E> {
    debug_assert!(!slots.is_empty() && !work.is_empty());
    let capacity = slots.len();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        // No send on these channels blocks, because there are no more items than slots. If a send fails, the next stage
        // has ended, and this one must end too.
        let (free, to_fill) = bounded(capacity);
        let (filled, to_work) = bounded::<Item<'_, S, E>>(capacity);
        let (worked, to_consume) = bounded(capacity);
        for slot in slots {
            let _ = free.send(slot);
        }
        let mut threads: Vec<ScopedJoinHandle<'_, ()>> = Vec::with_capacity(1 + work.len());
        let mut started = Ok(());
        {
            let ended = &ended;
            let produce = move || fill(&to_fill, &filled, &mut produce, ended);
            for mut step in work {
                let (items, worked) = (to_work.clone(), worked.clone());
                let work = move || process(&items, &worked, &mut step);
                started = started.and_then(|()| keep(&mut threads, thread("work").spawn_scoped(scope, work)));
            }
            // Started last, so that nothing was produced if another thread could not be started.
            started = started.and_then(|()| keep(&mut threads, thread("fill").spawn_scoped(scope, produce)));
        }
        // The stages end when the senders and receivers of their neighbours are dropped.
        drop((to_work, worked));
        let result = match started {
            Ok(()) => in_order(&to_consume, &free, &mut consume),
            Err(none) => Some(Err(none.into())),
        };
        if !matches!(result, Some(Ok(()))) {
            // Set first, so that a `produce` that `stop` wakes is not called for another item.
            ended.store(true, Ordering::SeqCst);
            stop();
        }
        drop((to_consume, free));
        for thread in threads {
            if let Err(panic) = thread.join() {
                resume_unwind(panic);
            }
        }
        // The last item is missing only if a thread panicked, and then `resume_unwind` was called.
        result.unwrap_or(Ok(()))
    })
}

fn keep<'a>(
    threads: &mut Vec<ScopedJoinHandle<'a, ()>>,
    spawned: io::Result<ScopedJoinHandle<'a, ()>>,
) -> Result<(), NoThread> {
    spawned.map(|thread| threads.push(thread)).map_err(NoThread)
}

fn fill<'a, S, E>(
    free: &Receiver<&'a mut S>,
    filled: &Sender<Item<'a, S, E>>,
    produce: &mut impl FnMut(&mut S) -> Result<Filled, E>,
    ended: &AtomicBool,
) {
    for (number, slot) in (0..).zip(free) {
        if ended.load(Ordering::SeqCst) {
            return;
        }
        let (last, result) = match produce(slot) {
            Ok(Filled::More) => (false, Ok(())),
            Ok(Filled::Last) => (true, Ok(())),
            Err(error) => (true, Err(error)),
        };
        if filled.send(Item { number, last, slot, result }).is_err() || last {
            return;
        }
    }
}

fn process<'a, S, E>(
    items: &Receiver<Item<'a, S, E>>,
    worked: &Sender<Item<'a, S, E>>,
    step: &mut impl FnMut(&mut S) -> Result<(), E>,
) {
    for mut item in items {
        if item.result.is_ok() {
            item.result = step(item.slot);
        }
        if worked.send(item).is_err() {
            return;
        }
    }
}

/// Consumes the items in order. Returns `None` if the earlier stages ended without a last item.
fn in_order<'a, S, E>(
    items: &Receiver<Item<'a, S, E>>,
    free: &Sender<&'a mut S>,
    consume: &mut impl FnMut(&mut S) -> Result<(), E>,
) -> Option<Result<(), E>> {
    // Holds at most as many items as there are slots.
    let mut early = BTreeMap::new();
    let mut next = 0;
    loop {
        let item = match early.remove(&next) {
            Some(item) => item,
            None => items.recv().ok()?,
        };
        if item.number != next {
            early.insert(item.number, item);
            continue;
        }
        next += 1;
        if let Err(error) = item.result.and_then(|()| consume(item.slot)) {
            return Some(Err(error));
        }
        if item.last {
            return Some(Ok(()));
        }
        // Sending fails when nothing more is produced.
        let _ = free.send(item.slot);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Barrier, mpsc};

    use super::*;

    impl From<NoThread> for String {
        fn from(none: NoThread) -> Self {
            none.to_string()
        }
    }

    impl From<NoThread> for &'static str {
        fn from(_: NoThread) -> Self {
            "no thread"
        }
    }

    /// A stack size that no system can allocate.
    const TOO_MUCH: usize = 1 << 60;

    #[test]
    fn without_threads_it_fails_and_consumes_nothing() {
        for missing in ["work", "fill"] {
            let thread = |suffix: &str| {
                let thread = Builder::new();
                if suffix == missing { thread.stack_size(TOO_MUCH) } else { thread }
            };
            let stopped = AtomicBool::new(false);
            let stop = || stopped.store(true, Ordering::SeqCst);
            let consume = |_: &mut u32| panic!("nothing comes");
            let result = run_on(thread, &mut [0; 3], count_to(5), vec![double; 2], consume, stop);
            assert!(result.unwrap_err().contains("cannot start a thread"), "{missing}");
            assert!(stopped.into_inner());
        }
    }

    /// Produces 0, 1, 2 … below `count`, which is at least 1.
    fn count_to(count: u32) -> impl FnMut(&mut u32) -> Result<Filled, String> + Send {
        let mut next = 0;
        move |slot| {
            *slot = next;
            next += 1;
            Ok(if next == count { Filled::Last } else { Filled::More })
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "a stage may fail")]
    fn double(slot: &mut u32) -> Result<(), String> {
        *slot *= 2;
        Ok(())
    }

    #[test]
    fn items_come_in_order_from_any_number_of_workers_and_slots() {
        for workers in 1..5 {
            for slots in 1..6 {
                for count in [1, 2, 3, 100] {
                    let mut seen = Vec::new();
                    let consume = |slot: &mut u32| {
                        seen.push(*slot);
                        Ok(())
                    };
                    let work = vec![double; workers];
                    run("t", &mut vec![0; slots], count_to(count), work, consume, || ()).unwrap();
                    assert_eq!(seen, (0..count).map(|n| n * 2).collect::<Vec<_>>());
                }
            }
        }
    }

    #[test]
    fn workers_work_at_the_same_time() {
        // Each waits for the other: with one at a time this would never end.
        let both = Barrier::new(2);
        let work = |_: &mut u32| {
            both.wait();
            Ok::<_, String>(())
        };
        run("t", &mut [0; 2], count_to(6), vec![work; 2], |_| Ok(()), || ()).unwrap();
    }

    #[test]
    fn an_overtaken_item_is_still_consumed_first() {
        let (let_go, wait) = mpsc::channel();
        let wait = std::sync::Mutex::new(wait);
        let work = |slot: &mut u32| {
            match *slot {
                0 => wait.lock().unwrap().recv().unwrap(),
                3 => let_go.send(()).unwrap(),
                _ => {}
            }
            Ok::<_, String>(())
        };
        let mut seen = Vec::new();
        let consume = |slot: &mut u32| {
            seen.push(*slot);
            Ok(())
        };
        run("t", &mut [0; 4], count_to(5), vec![work; 2], consume, || ()).unwrap();
        assert_eq!(seen, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn the_first_error_in_order_ends_it_and_calls_stop() {
        for stage in 0..3 {
            let mut next = 0;
            let produce = |slot: &mut u32| {
                *slot = next;
                next += 1;
                if stage == 0 && *slot == 5 { Err("produce") } else { Ok(Filled::More) }
            };
            let work = |slot: &mut u32| if stage == 1 && *slot >= 5 { Err("work") } else { Ok(()) };
            let mut seen = Vec::new();
            let consume = |slot: &mut u32| {
                if stage == 2 && *slot == 5 {
                    return Err("consume");
                }
                seen.push(*slot);
                Ok(())
            };
            let stopped = AtomicUsize::new(0);
            let stop = || {
                stopped.fetch_add(1, Ordering::SeqCst);
            };
            let result = run("t", &mut [0; 3], produce, vec![work; 3], consume, stop);
            assert_eq!(result, Err(["produce", "work", "consume"][stage]));
            assert_eq!(seen, [0, 1, 2, 3, 4], "{stage}");
            assert_eq!(stopped.into_inner(), 1);
        }
    }

    #[test]
    fn stop_wakes_a_blocked_producer() {
        let (wake, blocked) = mpsc::channel::<()>();
        let mut first = true;
        let produce = move |_: &mut u32| {
            if !std::mem::take(&mut first) {
                blocked.recv().unwrap();
            }
            Ok(Filled::More)
        };
        let consume = |_: &mut u32| Err("full");
        let stop = || wake.send(()).unwrap();
        assert_eq!(run("t", &mut [0; 4], produce, vec![|_: &mut u32| Ok(())], consume, stop), Err("full"));
    }

    #[test]
    fn a_panic_goes_on_in_the_caller() {
        let stopped = AtomicBool::new(false);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let work = |slot: &mut u32| {
                assert_ne!(*slot, 3, "on purpose");
                Ok::<_, String>(())
            };
            let stop = || stopped.store(true, Ordering::SeqCst);
            run("t", &mut [0; 2], count_to(9), vec![work], |_| Ok(()), stop)
        }));
        assert!(result.is_err());
        assert!(stopped.into_inner());
    }

    #[test]
    fn threads_are_named() {
        let mut names = Vec::new();
        let produce = |slot: &mut String| {
            slot.clear();
            slot.push_str(thread::current().name().unwrap());
            Ok::<_, String>(Filled::Last)
        };
        let work = |slot: &mut String| {
            slot.push_str(thread::current().name().unwrap());
            Ok(())
        };
        let consume = |slot: &mut String| {
            names.push(slot.clone());
            Ok(())
        };
        run("seal", &mut [String::new()], produce, vec![work], consume, || ()).unwrap();
        assert_eq!(names, ["seal-fillseal-work"]);
    }
}
