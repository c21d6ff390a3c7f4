//! What wakes the run loop: the user, the transfer threads, signals, finished folder listings, and the history.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use crossterm::event::{self as terminal, Event as Input};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGCONT, SIGTSTP, SIGWINCH};
use signal_hook::iterator::{Handle, Signals};

use super::listing::{self, Clock, Listing, Request};
use super::overlay::connect::Probed;
use super::overlay::lab::News;
use super::screen::history::{self, Answer};
use super::{fit, text};
use crate::event::Target;
use crate::lab;
use crate::net::stream::Interrupter;
use crate::signals;
use crate::transfer::probe::{self, News as ProbeNews};
use crate::trust::known::KnownServers;

/// How long the input thread may be deaf to the end of the program.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// With no time at all crossterm does not look.
const AT_ONCE: Duration = Duration::from_millis(1);
/// How long the end of the program waits for the input thread.
const FAREWELL: Duration = Duration::from_millis(300);

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Quit,
    Suspend,
    /// We were stopped, and go on: the terminal is no longer as we left it.
    Continue,
    /// The terminal has another size; the next picture asks for it.
    Resize,
}

/// The threads that listen for us, and where they report. Dropping it ends them.
pub(super) struct Sources {
    /// Keys, mouse, paste, resize. Closed when the terminal is gone.
    pub(super) input: Receiver<Input>,
    pub(super) calls: Receiver<Call>,
    pub(super) listings: Receiver<Listing>,
    pub(super) answers: Receiver<Answer>,
    /// Of the lab, with the number of the run.
    pub(super) plays: Receiver<(u64, News)>,
    played: Sender<(u64, News)>,
    /// The latest run's.
    lab: Interrupter,
    /// Of a probe, with the number of the run.
    pub(super) probes: Receiver<(u64, Probed)>,
    probed: Sender<(u64, Probed)>,
    /// The latest probe goes on for as long as this is open.
    probing: Option<Sender<()>>,
    known: KnownServers,
    listed: Sender<Listing>,
    answered: Sender<Answer>,
    clock: Clock,
    history: Option<PathBuf>,
    ended: Arc<AtomicBool>,
    signals: Handle,
    on_signals: Option<JoinHandle<()>>,
    /// Closed when the input thread has ended.
    input_ended: Receiver<()>,
}

impl Sources {
    pub(super) fn start(clock: Clock, history: Option<PathBuf>, known: KnownServers) -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let (keys, input) = bounded(1024);
        let (caller, calls) = unbounded();
        let (listed, listings) = unbounded();
        let (answered, answers) = unbounded();
        let (played, plays) = unbounded();
        let (answered_probe, probes) = unbounded();

        let mut signals = Signals::new([signals::ending(), vec![SIGTSTP, SIGCONT, SIGWINCH]].concat())?;
        let handle = signals.handle();
        let on_signals = thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                let call = match signal {
                    SIGTSTP => Call::Suspend,
                    SIGCONT => Call::Continue,
                    SIGWINCH => Call::Resize,
                    _ => Call::Quit,
                };
                if caller.send(call).is_err() {
                    return;
                }
            }
        })?;
        let over = Arc::clone(&ended);
        let (ending, input_ended) = bounded(0);
        let tty = tty()?;
        thread::Builder::new().name("input".into()).spawn(move || {
            let _until_here = ending;
            read(&tty, &keys, &over);
        })?;

        Ok(Self {
            input,
            calls,
            listings,
            answers,
            plays,
            played,
            lab: Interrupter::default(),
            probes,
            probed: answered_probe,
            probing: None,
            known,
            listed,
            answered,
            clock,
            history,
            ended,
            signals: handle,
            on_signals: Some(on_signals),
            input_ended,
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

    /// Reads the history on a thread of its own: another program may keep it locked for seconds.
    pub(super) fn recall(&self) -> io::Result<()> {
        let (answered, clock, path) = (self.answered.clone(), self.clock.clone(), self.history.clone());
        thread::Builder::new().name("history".into()).spawn(move || {
            // Nobody waits for it any more: the program ends.
            let _ = answered.send(history::read(path.as_deref(), &clock));
        })?;
        Ok(())
    }

    /// Plays the lab's attacks on a thread of its own, one run at a time.
    pub(super) fn play_lab(&mut self, run: u64) -> io::Result<()> {
        self.lab.interrupt();
        self.lab = Interrupter::default();
        let (stop, played) = (self.lab.clone(), self.played.clone());
        thread::Builder::new().name("lab".into()).spawn(move || {
            // The receiver is gone: the program ends.
            let tell = |news| drop(played.send((run, news)));
            let play = || lab::run(&stop, |cell| tell(News::Cell(Box::new(cell))));
            let end = match catch_unwind(AssertUnwindSafe(play)) {
                Ok(end) => end.map_err(|why| fit::escaped(&why.to_string())),
                Err(_) => Err(text::LAB_BUG.to_owned()),
            };
            tell(News::Over(end));
        })?;
        Ok(())
    }

    /// Probes a server on a thread of its own, one at a time.
    pub(super) fn probe(&mut self, run: u64, target: Target) -> io::Result<()> {
        let (going, stop) = bounded(0);
        self.probing = Some(going);
        let (probed, known) = (self.probed.clone(), self.known.clone());
        thread::Builder::new().name("probe".into()).spawn(move || {
            // Nobody looks on any more: the program ends.
            let tell = |news| drop(probed.send((run, news)));
            let request = probe::Request { target, known, wait: probe::WAIT };
            let mut line = |news: &ProbeNews<'_>| match news {
                ProbeNews::Trying { name, dialect } => tell(Probed::Line(text::probe_tries(name, *dialect))),
                ProbeNews::Waits { at_most, .. } => tell(Probed::Line(text::probe_waits(*at_most))),
                _ => {}
            };
            let end = match catch_unwind(AssertUnwindSafe(|| probe::run(&request, &stop, &mut line))) {
                Ok(end) => end.map_err(|why| fit::escaped(&why.what)),
                Err(_) => Err(text::PROBE_BUG.to_owned()),
            };
            tell(Probed::Over(end));
        })?;
        Ok(())
    }

    /// Stops it.
    pub(super) fn stop_probe(&mut self) {
        self.probing = None;
    }

    /// Stops it before its next cell.
    pub(super) fn stop_lab(&self) {
        self.lab.interrupt();
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.lab.interrupt();
        self.ended.store(true, Ordering::Relaxed);
        self.signals.close();
        if let Some(thread) = self.on_signals.take() {
            // A panic of its own has been told by the hook.
            let _ = thread.join();
        }
        // Not joined: crossterm may spin in there over a terminal that went away this moment.
        let _ = self.input_ended.recv_timeout(FAREWELL);
    }
}

/// What crossterm reads keys from: standard input, or the terminal behind it.
fn tty() -> io::Result<OwnedFd> {
    let stdin = io::stdin();
    if stdin.is_terminal() { stdin.as_fd().try_clone_to_owned() } else { Ok(File::open("/dev/tty")?.into()) }
}

/// Until the program ends or the terminal is gone; dropping `keys` tells the latter.
///
/// Whether the terminal is still there is looked at first: crossterm 0.29 reads for ever from one
/// that has hung up.
fn read(tty: &OwnedFd, keys: &Sender<Input>, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        let mut fds = [PollFd::new(tty, PollFlags::IN)];
        match poll(&mut fds, Some(&PATIENCE)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return;
        }
        loop {
            let input = match terminal::poll(AT_ONCE) {
                Ok(false) => break,
                Ok(true) => terminal::read(),
                Err(error) => Err(error),
            };
            match input {
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
}
