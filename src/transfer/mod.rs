//! The transfer threads: [`Command`]s go in and [`Event`]s come out, over channels.
//!
//! ```text
//!   screen, command line ── Command ─► control thread ── Route ─► worker thread ── Upload
//!             ▲                          │    ▲                      │
//!             └──────── Event ───────────┴────┴── Sampler ◄── Meter ─┴─ sessions of the embedded server
//! ```
//!
//! - `control` carries out commands; it never blocks on the network, so a cancel reaches a worker within a millisecond,
//!   even one that is blocked in a write. One worker, or several to our server (`--jobs`), send the
//!   files of one route, each over its own connection; a race has the machine to itself.
//! - `queue` holds the uploads; a `worker` sends those of one route over one connection, which `dialer` opens and
//!   `recognise` compares with the known servers; `meetings` asks the user about others.
//! - `scanning` reads folders while their files are sent.
//! - `confirm` judges what a receipt says of a file, `receipt_files` keeps receipts on disk, `history_writer` records
//!   uploads, and `recover` completes the history after a crash.
//! - [`race`] sends the same bytes through several lanes; [`bottleneck`] finds their slowest stage; [`probe`] finds out
//!   which dialect a server speaks.
//! - `forecast` and `calibrate` provide the data for estimates.
//!
//! The channels are unbounded, because a front end may be stopped (Ctrl-Z). What piles up is bounded: the sampler sends
//! 20 events a second for each transfer, and an upload has about four other events.

pub(crate) mod bottleneck;
mod calibrate;
pub(crate) mod confirm;
mod control;
mod dialer;
mod earlier;
mod embedded;
mod forecast;
pub(crate) mod health;
mod history_writer;
mod hosting;
mod meetings;
mod options;
pub(crate) mod probe;
mod queue;
pub(crate) mod race;
pub(crate) mod receipt_files;
pub(crate) mod recognise;
mod recover;
mod sampler;
mod scanning;
mod source;
mod worker;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use self::control::Control;
pub(crate) use self::dialer::Embedded;
pub use self::embedded::EmbeddedOptions;
pub(crate) use self::forecast::Forecast;
pub(crate) use self::history_writer::HistoryWriter;
pub(crate) use self::hosting::{Former, Prepared, Source, bind, doors, reachable, share};
pub use self::meetings::FirstMeeting;
pub use self::options::Options;
pub(crate) use self::receipt_files::Keep;
pub(crate) use self::sampler::STALLED;
use self::sampler::Sampler;
pub(crate) use self::source::spool;
use crate::event::{Command, Event};
use crate::net::Observer as _;

/// The running transfer threads.
#[derive(Debug)]
pub struct Transfer {
    commands: Sender<Command>,
    events: Receiver<Event>,
    thread: JoinHandle<()>,
}

impl Transfer {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub fn start(mut options: Options) -> io::Result<Self> {
        let source = options.embedded.take().map(|embedded| Arc::new(embedded) as Arc<dyn Source>);
        Self::begin(options, source)
    }

    /// Starts the threads, with this server instead of the embedded one.
    ///
    /// # Errors
    /// The system cannot start a thread.
    #[cfg(feature = "tui")]
    pub(crate) fn serving(options: Options, source: Arc<dyn Source>) -> io::Result<Self> {
        Self::begin(options, Some(source))
    }

    fn begin(options: Options, source: Option<Arc<dyn Source>>) -> io::Result<Self> {
        let (commands, received) = unbounded();
        let (sender, events) = unbounded();
        let (awake, woken) = bounded(1);
        let sampler = Arc::new(Sampler::new(sender, awake));
        let thread = thread::Builder::new().name("upseal-control".to_owned()).spawn(move || {
            let observer = Arc::clone(&sampler);
            let run = || Control::new(received, woken, sampler, options).run(source);
            if catch_unwind(AssertUnwindSafe(run)).is_err() {
                let text = "an internal error (a bug in upseal) ended the transfer threads".to_owned();
                observer.event(Event::Note { text });
            }
            observer.event(Event::Ended);
        })?;
        Ok(Self { commands, events, thread })
    }

    /// Returns the channel for commands.
    #[must_use]
    pub const fn commands(&self) -> &Sender<Command> {
        &self.commands
    }

    /// Returns the channel of events; [`Event::Ended`] is the last one.
    #[must_use]
    pub const fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// Cancels what runs and waits for the threads to end.
    pub fn shut_down(self) {
        // If the control thread has ended already, there is nothing to stop.
        let _ = self.commands.send(Command::Shutdown);
        // The control thread catches its panics.
        let _ = self.thread.join();
    }
}
