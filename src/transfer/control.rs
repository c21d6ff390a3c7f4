//! The control thread: carries out commands, and gives the network to one worker or race at a time.
//!
//! Retries and rests belong to the `queue`. The only timer here is the next moment at which a waiting upload may go on.

use std::collections::HashMap;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, at, never, select, tick, unbounded};
use parking_lot::{Mutex, MutexGuard};

use super::dialer::{Dialer, Stop};
use super::hosting::{Hosting, Outcome, Source};
use super::options::Options;
use super::queue::{Cancelled, Pausing, Queue};
use super::race::{self, Hosts};
use super::sampler::{self, Sampler};
use super::scanning::{Batch, Scans};
use super::worker::{Ending, Past, Worker};
use super::{forecast, recognise};
use crate::event::{Command, Event, Fault, Job, JobId, Limit, RaceOrder, State, Target, Track};
use crate::net::Observer;
use crate::net::throttle::Throttle;
use crate::net::upload::UploadError;

/// A message to the control thread from a thread that it started.
enum Notice {
    /// The server of this process can be started, or cannot.
    Prepared(Outcome),
    /// More of the folder that is being read.
    Found(Batch),
    /// The race has ended, or the worker for this target.
    Done(Option<(Target, Ending)>),
}

/// The race or worker that has the network.
struct Active {
    stop: Stop,
    thread: JoinHandle<()>,
    is_race: bool,
}

pub(super) struct Control {
    commands: Receiver<Command>,
    woken: Receiver<()>,
    sampler: Arc<Sampler>,
    options: Options,
    /// Targets that have answered; with a moment, those that have been absent since then.
    answered: HashMap<Target, Option<Instant>>,
    queue: Arc<Mutex<Queue>>,
    scans: Scans,
    /// The limit of all uploads.
    throttle: Arc<Throttle>,
    /// The race that waits for its turn.
    race: Option<RaceOrder>,
    hosts: Arc<Hosts>,
    hosting: Hosting,
    active: Option<Active>,
    /// Whether `active` is set, for the calibration, which waits while a transfer runs.
    busy: Arc<AtomicBool>,
    notify: Sender<Notice>,
    notices: Receiver<Notice>,
}

impl Control {
    pub(super) fn new(
        commands: Receiver<Command>,
        woken: Receiver<()>,
        sampler: Arc<Sampler>,
        options: Options,
    ) -> Self {
        let (notify, notices) = unbounded();
        let hosts = Hosts::new(Arc::clone(&sampler) as Arc<dyn Observer>);
        let hosting = Hosting::new(Arc::clone(&hosts) as Arc<dyn Observer>);
        Self {
            hosts,
            commands,
            woken,
            sampler,
            options,
            answered: HashMap::new(),
            queue: Arc::default(),
            scans: Scans::default(),
            throttle: Arc::default(),
            race: None,
            hosting,
            active: None,
            busy: Arc::default(),
            notify,
            notices,
        }
    }

    pub(super) fn run(mut self) {
        if let Some(options) = self.options.embedded.take() {
            let report = self.report_prepared();
            self.hosting.begin(Arc::new(options) as Arc<dyn Source>, report);
        }
        if let Some(forecast) = self.options.forecast.take() {
            let observer = Arc::clone(&self.sampler) as Arc<dyn Observer>;
            forecast::start(forecast, observer, Arc::clone(&self.busy));
        }
        if self.options.limit != Limit::NONE {
            self.limit(self.options.limit);
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
                recv(self.notices) -> notice => if let Ok(notice) = notice { self.handle(notice) },
                recv(self.woken) -> _ => ticks = tick(sampler::INTERVAL),
                recv(ticks) -> _ => if !self.sampler.tick() { ticks = never() },
            }
            self.start_work();
        }
        self.cancel_all();
        if let Some(active) = self.active.take() {
            let _ = active.thread.join(); // It catches its panics.
        }
        self.hosting.stop();
        self.hosts.close();
    }

    fn event(&self, event: Event) {
        self.sampler.event(event);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Upload(jobs) => {
                // A file that cannot be read fails when its turn comes.
                let size = |job: &Job| std::fs::metadata(&job.path).map_or(0, |metadata| metadata.len());
                self.enqueue(jobs.into_iter().map(|job| (size(&job), job)).map(|(size, job)| (job, size)));
            }
            Command::UploadFolder(order) => {
                self.scans.push(order);
                self.scan();
            }
            Command::CancelFolder(id) => {
                for event in self.scans.cancel(Some(id)) {
                    self.event(event);
                }
                let jobs = self.queue().of_folder(id);
                for job in jobs {
                    self.cancel(job);
                }
            }
            Command::Cancel(id) => self.cancel(id),
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
            Command::Limit(limit) => self.limit(limit),
            Command::PauseQueue(paused) => self.pause_queue(paused),
            Command::Pause(id) => self.pause(id),
            Command::Resume(id) => {
                if self.queue().resume(id) {
                    self.report(id, State::Waiting);
                }
            }
            Command::Race(order) => {
                if self.race.is_some() || self.active.as_ref().is_some_and(|active| active.is_race) {
                    self.event(Event::Note { text: "a race is already running".to_owned() });
                } else {
                    self.race = Some(order);
                }
            }
            Command::StopRace => {
                self.call_off_race();
                self.interrupt(true);
            }
            // The file is small and local: it does not delay the loop.
            Command::AcceptServer { address, ca, key } => {
                self.event(recognise::accept(&self.options.known, address, &ca, &key));
            }
            Command::Record(depth) => {
                if let Some(recorder) = self.sampler.recorder() {
                    recorder.set(depth);
                }
            }
            Command::Accept { reach, accepted } => self.hosting.accept(reach, accepted),
            Command::RestartServer => {
                let report = self.report_prepared();
                self.hosting.restart(report);
            }
            Command::Shutdown => {} // Handled by `run`.
        }
    }

    fn limit(&self, limit: Limit) {
        self.throttle.set(limit);
        self.event(Event::Limited { limit });
    }

    /// Pauses the queue or lets it go on. The uploads that run are not stopped: on this wire they would have to begin
    /// again.
    fn pause_queue(&self, paused: bool) {
        let (is_change, running) = {
            let mut queue = self.queue();
            (queue.set_paused(paused), queue.running().len())
        };
        if is_change {
            self.event(Event::QueuePaused { paused, running });
        }
    }

    fn pause(&self, id: JobId) {
        let pausing = self.queue().pause(id);
        match pausing {
            Pausing::Now => self.report(id, State::Paused),
            Pausing::Interrupt => self.interrupt(false),
            Pausing::Nothing => {}
        }
    }

    fn cancel(&self, id: JobId) {
        let cancelled = self.queue().cancel(id);
        match cancelled {
            Cancelled::Now => self.report(id, State::Cancelled),
            Cancelled::Interrupt => self.interrupt(false),
            Cancelled::Nothing => {}
        }
    }

    /// Reads the next folder, if none is being read.
    fn scan(&mut self) {
        let notify = &self.notify;
        self.scans.start(&self.queue, || {
            let notify = notify.clone();
            // The control thread may have ended; then nothing more is sent.
            move |batch| drop(notify.send(Notice::Found(batch)))
        });
    }

    fn enqueue(&self, jobs: impl IntoIterator<Item = (Job, u64)>) {
        for (job, size) in jobs {
            if self.queue().push(job.clone()) {
                self.event(Event::Queued { job, size });
            }
        }
    }

    fn report(&self, id: JobId, state: State) {
        self.event(Event::State { track: Track::Job(id), state });
    }

    fn retry(&self, id: JobId) {
        if self.queue().retry(id) {
            self.report(id, State::Waiting);
        }
    }

    fn cancel_all(&mut self) {
        self.call_off_race();
        // What the user orders next must not wait for a pause of what is gone.
        self.pause_queue(false);
        for event in self.scans.cancel(None) {
            self.event(event);
        }
        let cancelled = self.queue().cancel_all();
        for id in cancelled {
            self.report(id, State::Cancelled);
        }
        if let Some(active) = &self.active {
            active.stop.interrupt();
        }
    }

    /// Cancels the race that waits. Its verdict is reported, because the front end waits for one.
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

    fn handle(&mut self, notice: Notice) {
        match notice {
            Notice::Prepared(outcome) => self.hosting.prepared(outcome),
            Notice::Found(batch) => {
                let (jobs, events) = self.scans.take(batch);
                self.enqueue(jobs);
                for event in events {
                    self.event(event);
                }
                self.scan();
            }
            Notice::Done(ended) => {
                if let Some((target, ending)) = ended {
                    self.remember(target, ending);
                }
                if let Some(active) = self.active.take() {
                    let _ = active.thread.join(); // It catches its panics.
                }
                self.busy.store(false, Ordering::Relaxed);
                self.fail_abandoned();
            }
        }
    }

    /// Remembers whether a target answers.
    fn remember(&mut self, target: Target, ending: Ending) {
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

    /// Returns how the thread that prepares a server passes it on. The control thread may have ended when the server is ready;
    /// then it is not started.
    fn report_prepared(&self) -> impl Fn(Outcome) + Clone + Send + 'static + use<> {
        let notify = self.notify.clone();
        move |outcome| drop(notify.send(Notice::Prepared(outcome)))
    }

    /// Fails the uploads that a worker left in a running state when it panicked. Called while no worker runs.
    fn fail_abandoned(&self) {
        let abandoned = self.queue().running();
        for id in abandoned {
            let fault = Fault::system("an internal error (a bug in upseal) ended this upload")
                .with_advice("try again, and please report the bug");
            self.queue().set(id, State::Failed(fault.clone()));
            self.report(id, State::Failed(fault));
        }
    }

    /// Gives the network to the race that waits, or else to the next uploads.
    fn start_work(&mut self) {
        if self.active.is_some() {
            return;
        }
        let starting = self.hosting.is_starting();
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
                history_writer: self
                    .options
                    .history_writer
                    .clone()
                    .with_known_servers(self.options.known.clone()),
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
        let embedded = self.hosting.embedded().cloned();
        Dialer {
            embedded,
            known: self.options.known.clone(),
            ciphertext: self.options.ciphertext.clone(),
            digest: self.options.digest,
            patience: self.options.patience,
            throttle: Arc::clone(&self.throttle),
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
        let (notify, sampler) = (self.notify.clone(), Arc::clone(&self.sampler));
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
                sampler.event(Event::Note {
                    text: "an internal error (a bug in upseal) ended a transfer".to_owned(),
                });
                None
            });
            // The control thread joins its worker, so the channel is open.
            let _ = notify.send(Notice::Done(ended));
        });
        match spawned {
            Ok(thread) => {
                self.active = Some(Active { stop, thread, is_race });
                self.busy.store(true, Ordering::Relaxed);
            }
            Err(error) => self.event(Event::Note { text: format!("cannot start a thread: {error}") }),
        }
    }
}
