//! Messages to the service manager (`sd_notify`): readiness, state, and that the server is alive. Without systemd
//! nothing is sent.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use sd_notify::NotifyState;

use super::printer::Printer;
use crate::messages::units;
use crate::metrics::Checks;
use crate::net::server::Control;

/// Interval of the line about sessions.
const STATUS: Duration = Duration::from_secs(5);
/// Pings in the time that the service manager allows without one.
const PINGS: u32 = 4;

/// Tells the service manager that the server listens.
pub(super) fn ready() {
    send(&[NotifyState::Ready]);
}

/// Tells the service manager that the settings are being read again. [`ready`] follows.
pub(super) fn reloading() {
    let Ok(now) = NotifyState::monotonic_usec_now() else { return };
    send(&[NotifyState::Reloading, now]);
}

/// Tells the service manager that the server stops.
pub(super) fn stopping(sessions: usize) {
    send(&[
        NotifyState::Stopping,
        NotifyState::Status(&format!("stopping, {}", units::count(sessions as u64, "session"))),
    ]);
}

fn send(state: &[NotifyState<'_>]) {
    // The server goes on without a service manager.
    let _ = sd_notify::notify(state);
}

/// The thread that reports to the service manager while the server runs.
pub(super) struct Reports {
    end: Sender<()>,
    thread: JoinHandle<()>,
}

/// What is reported.
pub(super) struct Sources {
    pub(super) control: Control,
    pub(super) checks: Arc<Checks>,
    pub(super) printer: Arc<Printer>,
}

impl Reports {
    /// Starts the thread; `None`: no service manager asks.
    ///
    /// # Errors
    /// No thread is left.
    pub(super) fn start(sources: Sources) -> io::Result<Option<Self>> {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Ok(None);
        }
        let watchdog = sd_notify::watchdog_enabled();
        let (end, ended) = bounded(1);
        let thread = thread::Builder::new()
            .name("upseal-notify".to_owned())
            .spawn(move || report(&sources, watchdog, &ended))?;
        Ok(Some(Self { end, thread }))
    }

    /// Ends the thread.
    pub(super) fn end(self) {
        let _ = self.end.send(());
        // It hangs where the store does.
        if self.thread.is_finished() {
            let _ = self.thread.join();
        }
    }
}

/// Reports until the end. The watchdog hears of this server only if its accept loop has gone round since the last time,
/// and a write to the store has returned. A restart would not mend a store that is full or broken, and
/// `/health/ready` says so; it may mend one that hangs.
fn report(sources: &Sources, watchdog: Option<Duration>, ended: &Receiver<()>) {
    let Sources { control, checks, printer } = sources;
    let every = watchdog.map_or(STATUS, |watchdog| (watchdog / PINGS).min(STATUS));
    let (mut said, mut turns) = (String::new(), control.turns());
    let mut due = Instant::now();
    while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        let now = control.turns();
        let has_turned = now != turns;
        turns = now;
        if watchdog.is_some() && has_turned {
            let _ = checks.ready();
            send(&[NotifyState::Watchdog]);
        }
        let sessions = units::count(control.sessions() as u64, "session");
        let text = format!("{sessions}, {} received", units::count(printer.files(), "file"));
        if text != said && Instant::now() >= due && !checks.is_draining() {
            send(&[NotifyState::Status(&text)]);
            said = text;
            due = Instant::now() + STATUS / 2;
        }
    }
}
