//! What wakes the run loop: the user, the transfer threads, signals, finished folder listings.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use crossterm::event::{self as terminal, Event as Input};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::{Handle, Signals};

use super::widgets::listing::{self, Clock, Listing, Request};

/// How long the input thread may be deaf to the end of the program.
const PATIENCE: Duration = Duration::from_millis(100);

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Quit,
    Suspend,
    /// We were stopped, and go on: the terminal is no longer as we left it.
    Continue,
}

/// The threads that listen for us, and where they report. Dropping it ends them.
pub(super) struct Sources {
    /// Keys, mouse, paste, resize. Closed when the terminal is gone.
    pub(super) input: Receiver<Input>,
    pub(super) calls: Receiver<Call>,
    pub(super) listings: Receiver<Listing>,
    listed: Sender<Listing>,
    clock: Clock,
    ended: Arc<AtomicBool>,
    signals: Handle,
    threads: Vec<JoinHandle<()>>,
}

impl Sources {
    pub(super) fn start(clock: Clock) -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let (keys, input) = bounded(1024);
        let (caller, calls) = unbounded();
        let (listed, listings) = unbounded();

        let mut signals = Signals::new([SIGTERM, SIGHUP, SIGINT, SIGTSTP, SIGCONT])?;
        let handle = signals.handle();
        let on_signals = thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                let call = match signal {
                    SIGTSTP => Call::Suspend,
                    SIGCONT => Call::Continue,
                    _ => Call::Quit,
                };
                if caller.send(call).is_err() {
                    return;
                }
            }
        })?;
        let over = Arc::clone(&ended);
        let on_input = thread::Builder::new().name("input".into()).spawn(move || read(&keys, &over))?;

        Ok(Self {
            input,
            calls,
            listings,
            listed,
            clock,
            ended,
            signals: handle,
            threads: vec![on_signals, on_input],
        })
    }

    /// Reads a folder on a thread of its own: a dead network mount must not freeze the screen, nor
    /// the next folder.
    pub(super) fn list(&self, request: Request) -> io::Result<()> {
        let (listed, clock) = (self.listed.clone(), self.clock.clone());
        thread::Builder::new().name("listing".into()).spawn(move || {
            // Nobody waits for it any more: the program ends.
            let _ = listed.send(listing::read(request, &clock));
        })?;
        Ok(())
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.signals.close();
        for thread in self.threads.drain(..) {
            // A panic of theirs has been told by the hook.
            let _ = thread.join();
        }
    }
}

/// Until the program ends or the terminal is gone; dropping `keys` tells the latter.
fn read(keys: &Sender<Input>, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        let next = match terminal::poll(PATIENCE) {
            Ok(false) => continue,
            Ok(true) => terminal::read(),
            Err(error) => Err(error),
        };
        match next {
            Ok(input) => {
                if keys.send(input).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
