//! The server's log: a thread of its own prints the events, so that no session waits for a terminal or a pipe.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::Mutex;

use super::lines;
use super::names;
use super::rates::Rates;
use super::sink::{Form, Sink};
use crate::cli::LogLevel;
use crate::event::Event;

/// Events that wait to be printed at most.
const QUEUE: usize = 4096;
/// Interval at which sums are printed.
const SUMS: Duration = Duration::from_secs(1);
/// Time without progress after which the end of the program does not wait for the log any longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Prints the events of all sessions.
pub(super) struct Log {
    shared: Arc<Shared>,
    form: Form,
    /// Prints at once, before [`Log::start`].
    direct: Mutex<Option<Sink>>,
    queue: Sender<Event>,
    to_print: Receiver<Event>,
}

/// What the writer shares with the sessions.
struct Shared {
    rates: Mutex<Rates>,
    level: Mutex<LogLevel>,
    /// Where the next lines go, if that changes.
    next: Mutex<Option<Sink>>,
    /// Events that found the queue full.
    left_out: AtomicU64,
    /// Events that were printed.
    printed: AtomicU64,
}

/// The writer's thread.
pub(super) struct Writer {
    shared: Arc<Shared>,
    ended: Receiver<()>,
}

impl Log {
    /// Creates a log that gives each address `rate` lines in a second. It prints on the thread that has an event, until it
    /// is started.
    pub(super) fn new(sink: Sink, form: Form, level: LogLevel, rate: u32) -> Self {
        let (queue, to_print) = bounded(QUEUE);
        let shared = Shared {
            rates: Mutex::new(Rates::new(rate)),
            level: Mutex::new(level),
            next: Mutex::default(),
            left_out: AtomicU64::default(),
            printed: AtomicU64::default(),
        };
        Self { shared: Arc::new(shared), form, direct: Mutex::new(Some(sink)), queue, to_print }
    }

    /// Starts the thread that prints from now on.
    ///
    /// # Errors
    /// No thread is left.
    pub(super) fn start(&self) -> io::Result<Writer> {
        let (sink, form) = (self.direct.lock().take(), self.form);
        let (end, ended) = bounded(1);
        let (shared, to_print) = (Arc::clone(&self.shared), self.to_print.clone());
        thread::Builder::new().name("upseal-log".to_owned()).spawn(move || {
            if let Some(mut sink) = sink {
                shared.print(&to_print, |event| {
                    if let Some(next) = shared.next.lock().take() {
                        sink = next;
                    }
                    let level = *shared.level.lock();
                    sink.show(event, form, level);
                });
            }
            // The program may have stopped waiting.
            let _ = end.send(());
        })?;
        Ok(Writer { shared: Arc::clone(&self.shared), ended })
    }

    /// Prints an event. Returns `false` if it is left out although it has a line.
    pub(super) fn event(&self, event: Event) -> bool {
        let least = *self.shared.level.lock();
        if let Some(sink) = &mut *self.direct.lock() {
            sink.show(&event, self.form, least);
            return true;
        }
        if !self.form.is_json && lines::level(&event).is_none_or(|level| level > least) {
            return true;
        }
        if !self.shared.rates.lock().allow(&event, Instant::now()) {
            return false;
        }
        let event = if self.form.is_json { event } else { names::cut(event) };
        let is_kept = self.queue.try_send(event).is_ok();
        if !is_kept {
            self.shared.left_out.fetch_add(1, Ordering::Relaxed);
        }
        is_kept
    }

    /// Changes the level, the lines of an address in a second, and where lines go from now on.
    pub(super) fn change(&self, level: LogLevel, rate: u32, sink: Sink) {
        *self.shared.level.lock() = level;
        self.shared.rates.lock().set_most(rate);
        *self.shared.next.lock() = Some(sink);
    }

    /// Ends the log after the events that wait.
    pub(super) fn end(&self) {
        // If the queue stays full the writer is stuck, and the program does not wait for it.
        let _ = self.queue.send_timeout(Event::Ended, PATIENCE);
    }
}

impl Shared {
    /// Prints events until the end.
    fn print(&self, events: &Receiver<Event>, mut show: impl FnMut(&Event)) {
        let mut summed = Instant::now();
        loop {
            let event = match events.recv_timeout(SUMS) {
                Ok(Event::Ended) | Err(RecvTimeoutError::Disconnected) => None,
                Ok(event) => {
                    show(&event);
                    self.printed.fetch_add(1, Ordering::Relaxed);
                    Some(())
                }
                Err(RecvTimeoutError::Timeout) => Some(()),
            };
            match self.left_out.swap(0, Ordering::Relaxed) {
                0 => {}
                lines => show(&Event::Note {
                    text: format!("{lines} lines left out, because the log is not read fast enough"),
                }),
            }
            let now = Instant::now();
            let is_over = event.is_none();
            if is_over || now.duration_since(summed) >= SUMS {
                summed = now;
                // At the end every second is over.
                let until = if is_over { now + 2 * SUMS } else { now };
                let sums = self.rates.lock().sums(until);
                sums.iter().for_each(&mut show);
            }
            if is_over {
                return;
            }
        }
    }
}

impl Writer {
    /// Waits until everything is printed, or nothing has been for two seconds: a pipe that is not read does not keep the
    /// program from its end.
    pub(super) fn wait(self) {
        let mut printed = self.shared.printed.load(Ordering::Relaxed);
        while let Err(RecvTimeoutError::Timeout) = self.ended.recv_timeout(PATIENCE) {
            let now = self.shared.printed.load(Ordering::Relaxed);
            if now == printed {
                return;
            }
            printed = now;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn note(n: usize) -> Event {
        Event::Note { text: n.to_string() }
    }

    #[test]
    fn a_full_queue_blocks_no_session_and_what_is_left_out_is_counted() {
        let standard = Sink::Standard { out_is_journal: false, err_is_journal: false };
        let form = Form { is_json: true, is_plain: false };
        let log = Log::new(standard, form, LogLevel::Info, 10);
        drop(log.direct.lock().take());
        // Nothing prints, as behind a pipe that is full.
        for n in 0..QUEUE + 7 {
            assert_eq!(log.event(note(n)), n < QUEUE);
        }
        let mut printed = Vec::new();
        log.to_print.recv().unwrap();
        log.end();
        log.shared.print(&log.to_print, |event| printed.push(event.clone()));
        assert_eq!(printed[0], note(1));
        let left_out =
            Event::Note { text: "7 lines left out, because the log is not read fast enough".to_owned() };
        assert_eq!(printed[1], left_out);
        assert_eq!(printed.len(), QUEUE);
    }
}
