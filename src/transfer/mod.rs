//! The seam between those who ask and those who move bytes: [`Command`] in, [`Event`] out, over
//! channels.
//!
//! ```text
//!   screen, command line ── Command ─► control thread ── Route ─► worker thread ── Upload
//!             ▲                          │    ▲                      │
//!             └──────── Event ───────────┴────┴── Sampler ◄── Meter ─┴─ embedded server's sessions
//! ```
//!
//! The control thread never blocks on the network, so a cancel reaches a worker within a
//! millisecond, even one that blocks in a write. One connection is open at a time, and a race has
//! the machine to itself. Limits: the channels are unbounded, because whoever draws may be stopped
//! (Ctrl-Z); the sampler's 20 events a second and transfer, and 4 an upload, bound what piles up.

pub mod bottleneck;
mod calibrate;
pub mod confirm;
pub mod dialer;
mod embedded;
pub mod history_writer;
mod options;
pub mod probe;
pub mod queue;
pub mod race;
pub mod recognise;
pub mod recover;
pub mod sampler;
pub mod source;
pub mod worker;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;
use std::{io, mem};

use crossbeam_channel::{Receiver, Sender, at, bounded, never, select, tick, unbounded};

use self::dialer::{Dialer, Embedded, Stop};
pub use self::embedded::EmbeddedOptions;
use self::embedded::{HostError, Prepared, prepare};
pub use self::options::{Forecast, Options, RETRIES};
use self::queue::{Cancelled, Queue};
use self::race::Hosts;
use self::sampler::Sampler;
use self::worker::{Ending, Past, Worker};
use crate::event::{Blame, Command, Event, Fault, FaultKind, Job, JobId, RaceOrder, State, Target, Track};
use crate::history::History;
use crate::net::Observer;
use crate::net::server::{Lifetime, Server};
use crate::net::upload::UploadError;

/// The transfer threads, running.
#[derive(Debug)]
pub struct Transfer {
    commands: Sender<Command>,
    events: Receiver<Event>,
    thread: JoinHandle<()>,
}

impl Transfer {
    /// Starts them.
    ///
    /// # Errors
    /// No thread is left.
    pub fn start(options: Options) -> io::Result<Self> {
        let (commands, ordered) = unbounded();
        let (happened, events) = unbounded();
        let (awake, woken) = bounded(1);
        let sampler = Arc::new(Sampler::new(happened, awake));
        let thread = thread::Builder::new().name("upseal-control".to_owned()).spawn(move || {
            let observer = Arc::clone(&sampler);
            let run = || Control::new(ordered, woken, sampler, options).run();
            if catch_unwind(AssertUnwindSafe(run)).is_err() {
                observer
                    .event(Event::Note { text: "a bug of upseal's ended the transfer threads".to_owned() });
            }
            observer.event(Event::Ended);
        })?;
        Ok(Self { commands, events, thread })
    }

    /// Where to ask.
    #[must_use]
    pub const fn commands(&self) -> &Sender<Command> {
        &self.commands
    }

    /// What happens; [`Event::Ended`] is the last.
    #[must_use]
    pub const fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// Cancels what runs and waits for the threads.
    pub fn shut_down(self) {
        // Gone already: then there is nothing to stop.
        let _ = self.commands.send(Command::Shutdown);
        // The control thread catches its panics.
        let _ = self.thread.join();
    }
}

/// What the threads that the control thread started tell it.
enum Told {
    /// The embedded server can begin.
    Ready(Box<Prepared>),
    /// It cannot.
    NotReady(Fault),
    /// The race has ended, or a worker on its way to this target.
    Done(Option<(Target, Ending)>),
}

/// The embedded server's life.
enum Host {
    /// None was asked for, or it failed; then uploads to it fail at once.
    Absent,
    /// On its way; uploads to it wait.
    Starting,
    /// Running until this is dropped.
    Running { _server: Server, embedded: Embedded },
}

/// What has the network now.
struct Active {
    stop: Stop,
    thread: JoinHandle<()>,
    is_race: bool,
}

struct Control {
    commands: Receiver<Command>,
    woken: Receiver<()>,
    sampler: Arc<Sampler>,
    options: Options,
    /// Targets that have answered; since when those do so no longer.
    answered: HashMap<Target, Option<Instant>>,
    queue: Arc<Mutex<Queue>>,
    /// That waits for its turn.
    race: Option<RaceOrder>,
    hosts: Arc<Hosts>,
    host: Host,
    active: Option<Active>,
    /// Whether there is one, for those who keep out of its way.
    busy: Arc<AtomicBool>,
    tell: Sender<Told>,
    told: Receiver<Told>,
}

impl Control {
    fn new(
        commands: Receiver<Command>,
        woken: Receiver<()>,
        sampler: Arc<Sampler>,
        options: Options,
    ) -> Self {
        let (tell, told) = unbounded();
        let hosts = Hosts::new(Arc::clone(&sampler) as Arc<dyn Observer>);
        Self {
            hosts,
            commands,
            woken,
            sampler,
            options,
            answered: HashMap::new(),
            queue: Arc::default(),
            race: None,
            host: Host::Absent,
            active: None,
            busy: Arc::default(),
            tell,
            told,
        }
    }

    fn run(mut self) {
        if let Some(options) = self.options.embedded.take() {
            self.host = Host::Starting;
            self.start_host(options);
        }
        if let Some(forecast) = self.options.forecast.take() {
            self.start_forecast(forecast);
        }
        let mut ticks = never();
        loop {
            let moment = if self.active.is_some() { None } else { self.queue().next_moment() };
            let moment = moment.map_or_else(never, at);
            select! {
                recv(moment) -> _ => {}
                recv(self.commands) -> command => match command {
                    Ok(Command::Shutdown) | Err(_) => break,
                    Ok(command) => self.obey(command),
                },
                recv(self.told) -> told => if let Ok(told) = told { self.hear(told) },
                recv(self.woken) -> _ => ticks = tick(sampler::INTERVAL),
                recv(ticks) -> _ => if !self.sampler.tick() { ticks = never() },
            }
            self.start_work();
        }
        self.cancel_all();
        if let Some(active) = self.active.take() {
            let _ = active.thread.join(); // It catches its panics.
        }
        // Dropping it stops it and joins its sessions.
        self.host = Host::Absent;
        self.hosts.close();
    }

    fn event(&self, event: Event) {
        self.sampler.event(event);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // The queue is sound between any two statements.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Upload(jobs) => self.enqueue(jobs),
            Command::Cancel(id) => {
                let cancelled = self.queue().cancel(id);
                match cancelled {
                    Cancelled::Now => self.say(id, State::Cancelled),
                    Cancelled::Interrupt => self.interrupt(false),
                    Cancelled::Nothing => {}
                }
            }
            Command::CancelAll => self.cancel_all(),
            Command::EndWait => {
                if let Some(active) = &self.active {
                    active.stop.end_wait();
                }
            }
            Command::Retry(id) => self.retry(id),
            Command::RetryFailed => {
                let failed = self.queue().failed();
                for id in failed {
                    self.retry(id);
                }
            }
            Command::Remove(id) => {
                if self.queue().remove(id) {
                    self.event(Event::Removed { job: id });
                }
            }
            Command::Race(order) => {
                if self.race.is_some() || self.active.as_ref().is_some_and(|active| active.is_race) {
                    self.event(Event::Note { text: "a race is on already".to_owned() });
                } else {
                    self.race = Some(order);
                }
            }
            Command::StopRace => {
                self.call_off_race();
                self.interrupt(true);
            }
            // The file is small and on this computer: nobody waits for it.
            Command::AcceptServer { address, ca, key } => {
                self.event(recognise::accept(&self.options.known, address, &ca, &key));
            }
            Command::Record(depth) => {
                if let Some(recorder) = self.sampler.recorder() {
                    recorder.set(depth);
                }
            }
            Command::Shutdown => {} // `run` has seen it.
        }
    }

    fn enqueue(&self, jobs: Vec<Job>) {
        for job in jobs {
            // A file that cannot be read says so when its turn comes.
            let size = std::fs::metadata(&job.path).map_or(0, |metadata| metadata.len());
            if self.queue().push(job.clone()) {
                self.event(Event::Queued { job, size });
            }
        }
    }

    fn say(&self, id: JobId, state: State) {
        self.event(Event::State { track: Track::Job(id), state });
    }

    fn retry(&self, id: JobId) {
        if self.queue().retry(id) {
            self.say(id, State::Waiting);
        }
    }

    fn cancel_all(&mut self) {
        self.call_off_race();
        let cancelled = self.queue().cancel_all();
        for id in cancelled {
            self.say(id, State::Cancelled);
        }
        if let Some(active) = &self.active {
            active.stop.interrupt();
        }
    }

    /// Whoever asked for a race waits for its verdict, even if it is stopped before its turn.
    fn call_off_race(&mut self) {
        if let Some(race) = self.race.take() {
            let fault = UploadError::Interrupted.fault();
            race::call_off(&*self.sampler, &race, &fault);
        }
    }

    fn interrupt(&self, race: bool) {
        if let Some(active) = self.active.as_ref().filter(|active| active.is_race == race) {
            active.stop.interrupt();
        }
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Ready(prepared) => self.open(*prepared),
            Told::NotReady(fault) => self.stay_closed(fault),
            Told::Done(ended) => {
                if let Some((target, ending)) = ended {
                    self.note(target, ending);
                }
                if let Some(active) = self.active.take() {
                    let _ = active.thread.join(); // It catches its panics.
                }
                self.busy.store(false, Ordering::Relaxed);
                self.bury();
            }
        }
    }

    /// Remembers who answers.
    fn note(&mut self, target: Target, ending: Ending) {
        match ending {
            Ending::Answered => drop(self.answered.insert(target, None)),
            Ending::Away => {
                self.answered.entry(target).or_default().get_or_insert_with(Instant::now);
            }
            Ending::Closed => drop(self.answered.remove(&target)),
            Ending::Idle => {}
        }
    }

    fn past(&self, target: &Target) -> Past {
        match (self.answered.get(target), self.options.absence) {
            (None, _) => Past::New,
            (Some(None), _) => Past::Answered,
            (Some(Some(since)), Some(patience)) if since.elapsed() >= patience => Past::GivenUp,
            (Some(Some(_)), _) => Past::Away,
        }
    }

    /// Starts the embedded server: on this thread, so that it never outlives it.
    fn open(&mut self, prepared: Prepared) {
        let Prepared { listener, service, embedded, listening } = prepared;
        match Server::start(listener, Arc::new(service), Lifetime::UntilStopped) {
            Ok(server) => {
                self.host = Host::Running { _server: server, embedded };
                self.event(listening);
            }
            Err(error) => self.stay_closed(HostError::Bind(error).fault()),
        }
    }

    fn stay_closed(&mut self, fault: Fault) {
        self.host = Host::Absent;
        self.event(Event::NotListening { fault });
    }

    /// No worker runs: what it left on a connection was lost in a bug, and must not seem to run.
    fn bury(&self) {
        let lost = self.queue().running();
        for id in lost {
            let fault = Fault {
                kind: FaultKind::Broken,
                blame: Blame::System,
                what: "a bug of upseal's ended this upload".to_owned(),
                advice: "try again, and report it".to_owned(),
            };
            self.queue().set(id, State::Failed(fault.clone()));
            self.say(id, State::Failed(fault));
        }
    }

    /// Gives the network to the race that waits, or to the next uploads.
    fn start_work(&mut self) {
        if self.active.is_some() {
            return;
        }
        let starting = matches!(self.host, Host::Starting);
        let waits = |target: &Target| starting && *target == Target::Embedded;
        if let Some(race) = mem::take(&mut self.race) {
            if race.lanes.iter().any(|lane| waits(&lane.target)) {
                self.race = Some(race);
                return;
            }
            let (dialer, hosts) = (self.dialer(), Arc::clone(&self.hosts));
            return self.spawn(true, dialer.stop.clone(), "upseal-race", move || {
                race::run(&dialer, &hosts, &race);
                None
            });
        }
        let route = self.queue().next_route(Instant::now());
        if let Some(route) = route.filter(|route| !waits(&route.target)) {
            let worker = Worker {
                queue: Arc::clone(&self.queue),
                dialer: self.dialer(),
                past: self.past(&route.target),
                retries: self.options.retries,
                keep: self.options.receipts.clone(),
                history_writer: self.options.history_writer.clone().knowing(self.options.known.clone()),
                skip_receipted: self.options.skip_receipted,
                known_key: OnceLock::new(),
                plain_receipts: self.options.plain_receipts.clone(),
            };
            self.spawn(false, worker.dialer.stop.clone(), "upseal-worker", move || {
                let ending = worker.run(&route);
                Some((route.target, ending))
            });
        }
    }

    fn dialer(&self) -> Dialer {
        let embedded = match &self.host {
            Host::Running { embedded, .. } => Some(embedded.clone()),
            Host::Absent | Host::Starting => None,
        };
        Dialer {
            embedded,
            known: self.options.known.clone(),
            ciphertext: self.options.ciphertext.clone(),
            digest: self.options.digest,
            patience: self.options.patience,
            observer: Arc::clone(&self.sampler) as Arc<dyn Observer>,
            stop: Stop::new(),
        }
    }

    fn spawn(
        &mut self,
        is_race: bool,
        stop: Stop,
        name: &str,
        work: impl FnOnce() -> Option<(Target, Ending)> + Send + 'static,
    ) {
        let (tell, sampler) = (self.tell.clone(), Arc::clone(&self.sampler));
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
                sampler.event(Event::Note { text: "a bug of upseal's ended a transfer".to_owned() });
                None
            });
            // The control thread outlives its worker; it joins it.
            let _ = tell.send(Told::Done(ended));
        });
        match spawned {
            Ok(thread) => {
                self.active = Some(Active { stop, thread, is_race });
                self.busy.store(true, Ordering::Relaxed);
            }
            Err(error) => self.event(Event::Note { text: format!("cannot start a thread: {error}") }),
        }
    }

    /// On a thread that nobody waits for: it reads a file or two and computes for a second, and then there are prices.
    fn start_forecast(&self, forecast: Forecast) {
        let (observer, busy) = (Arc::clone(&self.sampler), Arc::clone(&self.busy));
        // Without a thread there are no prices before the first transfer.
        let _ = thread::Builder::new().name("upseal-forecast".to_owned()).spawn(move || {
            let history = forecast.history.as_deref().map(History::open_existing);
            if let Some(Ok(Some(history))) = history
                && let Ok(rates) = history.rates()
                && !rates.is_empty()
            {
                observer.event(Event::Learned { rates });
            }
            if let Ok(calibration) =
                calibrate::run(forecast.calibration.as_deref(), &|| busy.load(Ordering::Relaxed))
            {
                observer.event(Event::Calibrated { calibration });
            }
        });
    }

    fn start_host(&mut self, options: EmbeddedOptions) {
        let (tell, observer) = (self.tell.clone(), Arc::clone(&self.hosts) as Arc<dyn Observer>);
        let failed = self.tell.clone();
        let spawned = thread::Builder::new().name("upseal-embedded".to_owned()).spawn(move || {
            let told = match prepare(&options, observer) {
                Ok(prepared) => Told::Ready(Box::new(prepared)),
                Err(error) => Told::NotReady(error.fault()),
            };
            // The control thread may have ended meanwhile; then there is no server.
            let _ = tell.send(told);
        });
        if let Err(error) = spawned {
            let _ = failed.send(Told::NotReady(HostError::Bind(error).fault()));
        }
    }
}
