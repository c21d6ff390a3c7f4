//! Sources that wake the run loop: the user, signals, and the threads that read folders, read the history, run the
//! lab and probe servers.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use crossterm::event::{self as terminal, Event as Input};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use signal_hook::consts::{SIGCONT, SIGTSTP, SIGWINCH};
use signal_hook::iterator::{Handle, Signals};

use super::disk::Disk;
use super::listing::Clock;
use super::overlay::connect::Probed;
use super::overlay::lab::News;
use super::screen::history::{self, Answer};
use super::{fit, text};
use crate::event::Target;
use crate::lab;
use crate::net::interrupter::Interrupter;
use crate::signals;
use crate::transfer::FirstMeeting;
use crate::transfer::probe::{self, News as ProbeNews};
use crate::trust::known::KnownServers;

/// Time after which crossterm is asked once more behind an input: on a busy machine its own timeout can pass before it
/// hands out what it has read.
const AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Timeout of crossterm's own poll. With zero, it does not look at all; below 1 ms, it spins until it has passed.
const AT_ONCE: Duration = Duration::from_millis(1);
/// Longest wait for the input thread at the end of the program.
const FAREWELL: Duration = Duration::from_millis(300);

/// Request of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Quit,
    Suspend,
    /// The process was stopped and continues: the terminal may have been changed meanwhile.
    Continue,
    /// The terminal has another size, which the next picture asks for.
    Resize,
}

/// Threads that wait for input, signals and results, and the channels they report to. Dropping it ends them.
pub(super) struct Sources {
    /// Keys, mouse, paste, resize. Closed when the terminal is gone.
    pub(super) input: Receiver<Input>,
    pub(super) calls: Receiver<Call>,
    pub(super) disk: Disk,
    pub(super) answers: Receiver<Answer>,
    /// Reports of the lab, with the run number.
    pub(super) plays: Receiver<(u64, News)>,
    played: Sender<(u64, News)>,
    /// Interrupts the latest run of the lab.
    lab: Interrupter,
    /// Reports of a probe, with the run number.
    pub(super) probes: Receiver<(u64, Probed)>,
    probed: Sender<(u64, Probed)>,
    /// Keeps the latest probe running for as long as it is open.
    probing: Option<Sender<()>>,
    known: KnownServers,
    answered: Sender<Answer>,
    clock: Clock,
    history: Option<PathBuf>,
    /// Closing it ends the input thread.
    alive: Option<OwnedFd>,
    signals: Handle,
    on_signals: Option<JoinHandle<()>>,
    /// Closed when the input thread has ended.
    input_ended: Receiver<()>,
}

impl Sources {
    pub(super) fn start(clock: Clock, history: Option<PathBuf>, known: KnownServers) -> io::Result<Self> {
        let (keys, input) = bounded(1024);
        let (caller, calls) = unbounded();
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
        let (ending, input_ended) = bounded(0);
        let tty = tty()?;
        let (over, alive) = pipe_with(PipeFlags::CLOEXEC)?;
        thread::Builder::new().name("input".into()).spawn(move || {
            let _until_here = ending;
            read(&tty, &over, &keys);
        })?;

        Ok(Self {
            input,
            calls,
            disk: Disk::new(clock.clone()),
            answers,
            plays,
            played,
            lab: Interrupter::default(),
            probes,
            probed: answered_probe,
            probing: None,
            known,
            answered,
            clock,
            history,
            alive: Some(alive),
            signals: handle,
            on_signals: Some(on_signals),
            input_ended,
        })
    }

    /// Reads the history on its own thread: another program may keep it locked for seconds.
    pub(super) fn recall(&self) -> io::Result<()> {
        let (answered, clock, path) = (self.answered.clone(), self.clock.clone(), self.history.clone());
        thread::Builder::new().name("history".into()).spawn(move || {
            // The send fails only when the program ends.
            let _ = answered.send(history::read(path.as_deref(), &clock));
        })?;
        Ok(())
    }

    /// Runs the lab's attacks on a thread, one run at a time.
    pub(super) fn play_lab(&mut self, run: u64) -> io::Result<()> {
        self.lab.interrupt();
        self.lab = Interrupter::default();
        let (stop, played) = (self.lab.clone(), self.played.clone());
        thread::Builder::new().name("lab".into()).spawn(move || {
            // The send fails only when the program ends.
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

    /// Probes a server on a thread, one at a time.
    pub(super) fn probe(&mut self, run: u64, target: Target) -> io::Result<()> {
        let (going, stop) = bounded(0);
        self.probing = Some(going);
        let (probed, known) = (self.probed.clone(), self.known.clone());
        thread::Builder::new().name("probe".into()).spawn(move || {
            // The send fails only when the program ends.
            let tell = |news| drop(probed.send((run, news)));
            let request = probe::Request {
                target,
                known,
                // The question comes with the first file.
                first_meeting: FirstMeeting::Overlook,
                wait: probe::WAIT,
            };
            let mut line = |news: &ProbeNews<'_>| match news {
                ProbeNews::Trying { name, dialect } => tell(Probed::Line(text::probe_tries(name, *dialect))),
                ProbeNews::Waits { at_most, .. } => tell(Probed::Line(text::probe_waits(*at_most))),
                _ => {}
            };
            let end = match catch_unwind(AssertUnwindSafe(|| probe::run(&request, &stop, &mut line))) {
                Ok(end) => end.map_err(|why| fit::shown(&why.what)),
                Err(_) => Err(text::PROBE_BUG.to_owned()),
            };
            tell(Probed::Over(end));
        })?;
        Ok(())
    }

    /// Stops the probe.
    pub(super) fn stop_probe(&mut self) {
        self.probing = None;
    }

    /// Stops the lab before its next cell.
    pub(super) fn stop_lab(&self) {
        self.lab.interrupt();
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.lab.interrupt();
        self.alive = None;
        self.signals.close();
        if let Some(thread) = self.on_signals.take() {
            // The panic hook has reported a panic of this thread.
            let _ = thread.join();
        }
        // The input thread is not joined, because crossterm may loop if the terminal has just closed.
        let _ = self.input_ended.recv_timeout(FAREWELL);
    }
}

/// Returns what crossterm reads keys from: standard input, or the terminal behind it.
fn tty() -> io::Result<OwnedFd> {
    let stdin = io::stdin();
    if stdin.is_terminal() { stdin.as_fd().try_clone_to_owned() } else { Ok(File::open("/dev/tty")?.into()) }
}

/// Reads input until the program ends, which closes the other end of `over`, or until the terminal is gone. The latter
/// closes `keys`.
///
/// crossterm is asked only when there are bytes to read: while it waits itself, it spins for the last millisecond. Each
/// round checks first whether the terminal is still there: crossterm 0.29 reads forever from a terminal that has hung up.
fn read(tty: &OwnedFd, over: &OwnedFd, keys: &Sender<Input>) {
    // What was pressed before this thread began may have been read already.
    let mut again = true;
    loop {
        let mut fds = [PollFd::new(tty, PollFlags::IN), PollFd::new(over, PollFlags::IN)];
        match poll(&mut fds, again.then_some(&AGAIN)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        }
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        if fds[0].revents().intersects(gone) || !fds[1].revents().is_empty() {
            return;
        }
        // `again`: nothing arrived in time. This is the second look at what arrived before.
        again = fds[0].revents().contains(PollFlags::IN);
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
