//! The control thread: carries out commands, and gives the network to a race, or to the workers of one route.
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
use super::earlier::Receipts;
use super::hosting::{Hosting, Outcome, Source};
use super::meetings::Meetings;
use super::options::Options;
use super::queue::{Cancelled, Pausing, Queue, Route};
use super::race::{self, Hosts};
use super::sampler::{self, Sampler};
use super::scanning::{Batch, Scans};
use super::worker::{Ending, Past, Worker};
use super::{forecast, recognise};
use crate::event::{Command, Event, Fault, Job, JobId, Jobs, Limit, RaceOrder, State, Target, Track};
use crate::messages::transfer as messages;
use crate::net::Observer;
use crate::net::throttle::Throttle;
use crate::net::upload::UploadError;

/// A message to the control thread from a thread that it started.
enum Notice {
    /// The server of this process can be started, or cannot.
    Prepared(Outcome),
    /// The server for other computers can be started, or cannot.
    Shared(Outcome),
    /// More of the folder that is being read.
    Found(Batch),
    /// The worker with this number has its connection, and this is whether our server answered.
    Opened(u64, bool),
    /// The race or worker with this number has ended; a worker for this target, in this way.
    Done(u64, Option<(Target, Ending)>),
}

/// A race or a worker that uses the network.
struct Active {
    /// From 1; never used twice.
    number: u64,
    stop: Stop,
    thread: JoinHandle<()>,
    /// What a worker sends; `None`: it is the race.
    route: Option<Route>,
    /// Whether our server answered the worker; `None` until the connection is open.
    is_ours: Option<bool>,
    /// Ends the worker after its present file.
    retire: Arc<AtomicBool>,
}

pub(super) struct Control {
    commands: Receiver<Command>,
    woken: Receiver<()>,
    sampler: Arc<Sampler>,
    options: Options,
    meetings: Meetings,
    /// Targets that have answered; with a moment, those that have been absent since then.
    answered: HashMap<Target, Option<Instant>>,
    queue: Arc<Mutex<Queue>>,
    /// The receipts that came, to recognise a file that is sent again; shared with the workers.
    receipts: Arc<Mutex<Receipts>>,
    scans: Scans,
    /// The limit of all uploads.
    throttle: Arc<Throttle>,
    /// The race that waits for its turn.
    race: Option<RaceOrder>,
    hosts: Arc<Hosts>,
    hosting: Hosting,
    /// The race, or the workers: all for one route, the oldest first.
    active: Vec<Active>,
    /// Number of the latest race or worker.
    number: u64,
    /// The most workers at once.
    jobs: Jobs,
    /// Whether the server of the present workers accepts no further connection.
    declined: bool,
    /// Whether there is something in `active`, for the calibration, which waits while a transfer runs.
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
            meetings: Meetings::new(options.first_meeting),
            options,
            answered: HashMap::new(),
            queue: Arc::default(),
            receipts: Arc::default(),
            scans: Scans::default(),
            throttle: Arc::default(),
            race: None,
            hosting,
            active: Vec::new(),
            number: 0,
            jobs: Jobs::ONE,
            declined: false,
            busy: Arc::default(),
            notify,
            notices,
        }
    }

    /// Runs until the program shuts down. `source` makes the server of this process, if it has one.
    pub(super) fn run(mut self, source: Option<Arc<dyn Source>>) {
        if let Some(source) = source {
            let report = self.report_prepared();
            self.hosting.begin(source, report);
        }
        if let Some(forecast) = self.options.forecast.take() {
            let observer = Arc::clone(&self.sampler) as Arc<dyn Observer>;
            forecast::start(forecast, observer, Arc::clone(&self.busy));
        }
        if self.options.jobs != Jobs::ONE {
            self.set_jobs(self.options.jobs);
        }
        if self.options.limit != Limit::NONE {
            self.limit(self.options.limit);
        }
        let mut ticks = never();
        loop {
            let moment = if self.active.is_empty() { self.queue().next_moment() } else { None };
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
        for active in mem::take(&mut self.active) {
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
                // A user who sends more wants to be asked again.
                self.queue().release_all();
                // A file that cannot be read fails when its turn comes.
                let size = |job: &Job| std::fs::metadata(&job.path).map_or(0, |metadata| metadata.len());
                self.enqueue(jobs.into_iter().map(|job| (size(&job), job)).map(|(size, job)| (job, size)));
            }
            Command::UploadFolder(order) => {
                self.queue().release_all();
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
                for active in &self.active {
                    active.stop.end_wait();
                }
            }
            Command::Retry(id) => self.retry(id),
            Command::RetryFailed => {
                self.queue().release_all();
                let failed = self.queue().failed();
                for id in failed {
                    self.retry(id);
                }
            }
            Command::Reorder { jobs, before } => self.queue().reorder(&jobs, before),
            Command::Remove(id) => {
                if self.queue().remove(id) {
                    self.event(Event::Removed { job: id });
                }
            }
            Command::Jobs(jobs) => self.set_jobs(jobs),
            Command::Limit(limit) => self.limit(limit),
            Command::PauseQueue(paused) => self.pause_queue(paused),
            Command::Pause(id) => self.pause(id),
            Command::Resume(id) => {
                if self.queue().resume(id) {
                    self.report(id, State::Waiting);
                }
            }
            Command::Race(order) => {
                if self.race.is_some() || self.active.iter().any(|active| active.route.is_none()) {
                    self.event(Event::Note { text: "a race is already running".to_owned() });
                } else {
                    self.race = Some(order);
                }
            }
            Command::StopRace => {
                self.call_off_race();
                self.active
                    .iter()
                    .filter(|active| active.route.is_none())
                    .for_each(|race| race.stop.interrupt());
            }
            Command::AnswerMeeting { address, ca, key, accept } => {
                recognise::answer(&self.meetings, address.clone(), &ca, &key, accept);
                if accept || !self.meetings.keeps_declined() {
                    self.queue().release(&address);
                }
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
            Command::Share { identity } => {
                let notify = self.notify.clone();
                self.hosting.share(identity, move |outcome| drop(notify.send(Notice::Shared(outcome))));
            }
            Command::EndShare => self.hosting.end_share(),
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
            Pausing::Interrupt => self.interrupt(id),
            Pausing::Nothing => {}
        }
    }

    fn cancel(&self, id: JobId) {
        let cancelled = self.queue().cancel(id);
        match cancelled {
            Cancelled::Now => self.report(id, State::Cancelled),
            Cancelled::Interrupt => self.interrupt(id),
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
        self.queue().release_for(id);
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
        for active in &self.active {
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

    /// Stops the connection over which an upload is sent.
    fn interrupt(&self, id: JobId) {
        let number = self.queue().worker(id);
        if let Some(active) = self.active.iter().find(|active| Some(active.number) == number) {
            active.stop.interrupt();
        }
    }

    /// Sets the most workers at once. The newest ones beyond it end after their present file.
    fn set_jobs(&mut self, jobs: Jobs) {
        self.jobs = jobs;
        for (place, worker) in self.active.iter().enumerate() {
            worker.retire.store(place >= jobs.count(), Ordering::Relaxed);
        }
        self.event(Event::JobsSet { jobs });
    }

    fn handle(&mut self, notice: Notice) {
        match notice {
            Notice::Prepared(outcome) => self.hosting.prepared(outcome),
            Notice::Shared(outcome) => self.hosting.shared(outcome),
            Notice::Found(batch) => {
                let (jobs, events) = self.scans.take(batch);
                self.enqueue(jobs);
                for event in events {
                    self.event(event);
                }
                self.scan();
            }
            Notice::Opened(number, is_ours) => {
                if let Some(active) = self.active.iter_mut().find(|active| active.number == number) {
                    active.is_ours = Some(is_ours);
                }
            }
            Notice::Done(number, ended) => {
                if let Some(place) = self.active.iter().position(|active| active.number == number) {
                    let _ = self.active.remove(place).thread.join(); // It catches its panics.
                }
                if let Some((target, ending)) = ended {
                    self.remember(target, ending);
                }
                // When the last connection has ended, the next one finds out anew.
                self.declined &= !self.active.is_empty();
                self.busy.store(!self.active.is_empty(), Ordering::Relaxed);
                self.fail_abandoned(number);
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
            Ending::Declined => self.decline(&target),
            Ending::Idle => {}
        }
    }

    /// Opens no further connection beside those that are open. If none is, the next worker finds out what is wrong.
    fn decline(&mut self, target: &Target) {
        let open = self.active.iter().filter(|worker| worker.is_ours.is_some()).count();
        if open > 0 && !mem::replace(&mut self.declined, true) {
            self.event(Event::Note { text: messages::declined(target, open) });
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

    /// Fails the uploads that a worker left in a running state when it panicked. Called after its end.
    fn fail_abandoned(&self, worker: u64) {
        let abandoned = self.queue().running_by(worker);
        for id in abandoned {
            let fault = Fault::system("an internal error (a bug in upseal) ended this upload")
                .with_advice("try again, and please report the bug");
            self.queue().set(id, State::Failed(fault.clone()));
            self.report(id, State::Failed(fault));
        }
    }

    /// Gives the network to the race that waits, or else to the next uploads.
    fn start_work(&mut self) {
        let starting = self.hosting.is_starting();
        let waits = |target: &Target| starting && *target == Target::Embedded;
        if !self.active.is_empty() {
            return self.join_workers();
        }
        if let Some(race) = mem::take(&mut self.race) {
            if race.lanes.iter().any(|lane| waits(&lane.target)) {
                self.race = Some(race);
                return;
            }
            let (dialer, hosts) = (self.dialer(), Arc::clone(&self.hosts));
            return self.spawn(None, dialer.stop.clone(), Arc::default(), "upseal-race", move || {
                race::run(&dialer, &hosts, &race);
                None
            });
        }
        let route = self.queue().next_route(Instant::now());
        if let Some(route) = route.filter(|route| !waits(&route.target)) {
            let past = self.past(&route.target);
            self.start_worker(route, past);
        }
    }

    /// Starts more workers beside the first one, if that has found our server and more of its uploads wait.
    fn join_workers(&mut self) {
        let Some(route) = self.active.first().and_then(|first| first.route.clone()) else { return };
        let is_ours = self.active.iter().any(|worker| worker.is_ours == Some(true));
        while is_ours && !self.declined && self.race.is_none() && self.active.len() < self.jobs.count() {
            // Those that were started and have no connection yet will take the next uploads.
            let coming = self.active.iter().filter(|worker| worker.is_ours.is_none()).count();
            if self.queue().ready_for(&route, coming + 1) <= coming {
                return;
            }
            let before = self.active.len();
            self.start_worker(route.clone(), Past::Answered);
            if self.active.len() == before {
                return; // The system has no thread left.
            }
        }
    }

    fn start_worker(&mut self, route: Route, past: Past) {
        let (notify, number, retire) = (self.notify.clone(), self.number + 1, Arc::<AtomicBool>::default());
        let worker = Worker {
            number,
            leads: self.active.is_empty(),
            retire: Arc::clone(&retire),
            // The control thread joins its workers, so the channel is open.
            opened: Box::new(move |is_ours| drop(notify.send(Notice::Opened(number, is_ours)))),
            queue: Arc::clone(&self.queue),
            dialer: self.dialer(),
            past,
            retries: self.options.retries,
            keep: self.options.receipts.clone(),
            history_writer: self
                .options
                .history_writer
                .clone()
                .with_known_servers(self.options.known.clone()),
            skip_receipted: self.options.skip_receipted,
            tells_meta: self.options.meta,
            receipts: Arc::clone(&self.receipts),
            known_key: OnceLock::new(),
            plain_receipts: self.options.plain_receipts.clone(),
        };
        let stop = worker.dialer.stop.clone();
        self.spawn(Some(route.clone()), stop, retire, "upseal-worker", move || {
            let ending = worker.run(&route);
            Some((route.target, ending))
        });
    }

    fn dialer(&self) -> Dialer {
        let embedded = self.hosting.embedded().cloned();
        Dialer {
            embedded,
            known: self.options.known.clone(),
            meetings: self.meetings.clone(),
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
        route: Option<Route>,
        stop: Stop,
        retire: Arc<AtomicBool>,
        name: &str,
        work: impl FnOnce() -> Option<(Target, Ending)> + Send + 'static,
    ) {
        self.number += 1;
        let (number, notify, sampler) = (self.number, self.notify.clone(), Arc::clone(&self.sampler));
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
                sampler.event(Event::Note {
                    text: "an internal error (a bug in upseal) ended a transfer".to_owned(),
                });
                None
            });
            // The control thread joins its worker, so the channel is open.
            let _ = notify.send(Notice::Done(number, ended));
        });
        match spawned {
            Ok(thread) => {
                self.active.push(Active { number, stop, thread, route, is_ours: None, retire });
                self.busy.store(true, Ordering::Relaxed);
            }
            Err(error) => self.event(Event::Note { text: format!("cannot start a thread: {error}") }),
        }
    }
}
