//! Maintenance of a server's history on a thread of its own, in steps that no session waits for.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use super::super::prune::Pruning;
use super::super::replay::Validity;
use super::super::{History, HistoryError};
use crate::clock;

/// Time between two maintenances.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// Pause between two steps, in which sessions use the history.
const PAUSE: Duration = Duration::from_millis(10);

/// The maintenance, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Upkeep {
    /// Never sent to; the thread ends when it is dropped.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Upkeep {
    /// Waits for the thread, so that the history is closed in order and its log written into it.
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Upkeep {
    /// Starts the thread.
    pub(super) fn start(
        history: Arc<History>,
        store: PathBuf,
        validity: Arc<Mutex<Validity>>,
        keep: Option<Duration>,
    ) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = thread::Builder::new().name("upseal-upkeep".to_owned()).spawn(move || {
            loop {
                let validity = *validity.lock();
                // Sessions report a history that fails, and so does the server's own look at it. The next day tries again.
                let _ =
                    run(&history, &store, validity, keep, clock::unix_ms(), &mut || is_over(&stopped, PAUSE));
                if is_over(&stopped, EVERY) {
                    return;
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

/// Waits. Returns whether the server has ended.
fn is_over(stopped: &Receiver<()>, time: Duration) -> bool {
    stopped.recv_timeout(time) != Err(RecvTimeoutError::Timeout)
}

/// Maintains the history once. `is_over` is called between the steps and returns whether to stop.
pub(super) fn run(
    history: &History,
    store: &Path,
    validity: Validity,
    keep: Option<Duration>,
    now_ms: i64,
    is_over: &mut dyn FnMut() -> bool,
) -> Result<(), HistoryError> {
    let now = now_ms / 1000;
    while history.prolong(validity, now)? {
        if is_over() {
            return Ok(());
        }
    }
    while history.forget_expired(now)? {
        if is_over() {
            return Ok(());
        }
    }
    let Some(keep) = keep else { return Ok(()) };
    let before_ms = now_ms.saturating_sub(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX));
    let mut after = i64::MIN;
    while let Some(last) = history.prune(Pruning { store, now_ms, before_ms }, after)? {
        after = last;
        if is_over() {
            return Ok(());
        }
    }
    Ok(())
}
