//! SIGTERM: accepts no further client, lets the sessions finish their files, and then ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::clock;
use crate::event::Event;
use crate::messages::units;
use crate::net::Observer;
use crate::net::leaving::MOMENT;
use crate::net::server::Control;

/// How a server ends.
pub(super) struct Drain {
    control: Control,
    /// Longest time for the sessions to finish.
    patience: Duration,
    observer: Arc<dyn Observer>,
    has_cut: AtomicBool,
}

impl Drain {
    /// Creates the end of a server whose sessions have `patience` to finish.
    pub(super) fn new(control: Control, patience: Duration, observer: Arc<dyn Observer>) -> Self {
        Self { control, patience, observer, has_cut: AtomicBool::new(false) }
    }

    /// Ends the server in order. A second signal that ends the program ends it at once.
    pub(super) fn run(&self, signals: &Receiver<i32>, is_end: impl Fn(i32) -> bool) {
        let until = Instant::now() + self.patience;
        self.control.drain();
        let running = self.control.sessions();
        if running > 0 {
            self.observer.event(Event::Note {
                text: format!(
                    "stopping: no further clients, and waiting for {}, for {} at most; a second signal ends the wait",
                    units::count(running as u64, "session"),
                    units::duration(self.patience)
                ),
            });
        }
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        // The process ends when the last session does, and this thread with it.
        // A program that rotates logs may send SIGHUP.
        let is_patient = |until: Instant| loop {
            match signals.recv_timeout(left(until)) {
                Ok(signal) if !is_end(signal) => {}
                heard => return heard == Err(RecvTimeoutError::Timeout),
            }
        };
        if is_patient(until.min(Instant::now() + MOMENT)) && !left(until).is_zero() {
            self.control.end_resting();
            is_patient(until);
        }
        self.control.cut(|inside| {
            if inside > 0 {
                self.has_cut.store(true, Ordering::Relaxed);
                self.observer.event(Event::Warned {
                    session: None,
                    peer: None,
                    name: None,
                    text: format!("ended {} inside a file (--drain)", units::count(inside as u64, "session")),
                    at_ms: clock::unix_ms(),
                });
            }
        });
    }

    /// Ends the server and all sessions at once.
    pub(super) fn stop(&self) {
        self.control.cut(|_| ());
    }

    /// Returns whether sessions were ended inside a file although the server was to end in order.
    pub(super) fn has_cut(&self) -> bool {
        self.has_cut.load(Ordering::Relaxed)
    }
}
