//! Threads of which one runs at a time, and a clock that moves when all of them wait.
//!
//! ```text
//!   thread ── read, write, sleep ─► pause ─► pass_on ── the dice choose one that can go ──► its thread
//!                                              │ none can
//!                                              └─► the clock moves to the next packet, deadline or jump
//! ```
//!
//! A thread runs from one pause to the next. What it does in between, on the disk too, is one step for all others. So a
//! run depends on its seed alone, although the code under test blocks.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hasher as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::book::Book;
use crate::dice::Dice;
use crate::machine::Machine;
use crate::network::{Link, Parcel, Side};
use crate::plan::Plan;

/// Longest run. All deadlines together are shorter.
const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// Steps of the longest run.
const MOST_STEPS: u64 = 2_000_000;
/// Real time in which a thread must come to its next pause; if it does not, it waits for one that cannot go.
const STUCK: Duration = Duration::from_secs(120);

pub(crate) type Guard<'a> = MutexGuard<'a, State>;

/// A thread of the simulation.
pub(crate) type ActorId = usize;

pub(crate) struct World {
    state: Mutex<State>,
    begun: Instant,
    wall: Arc<AtomicI64>,
}

pub(crate) struct State {
    pub(crate) plan: Arc<Plan>,
    pub(crate) dice: Dice,
    /// Time since the beginning.
    pub(crate) now: Duration,
    /// The wall clock's lead over `now`, in milliseconds since 1970.
    wall_base_ms: i64,
    wall: Arc<AtomicI64>,
    actors: Vec<Actor>,
    running: Option<ActorId>,
    agenda: BTreeMap<(Duration, u64), Happening>,
    sequence: u64,
    steps: u64,
    pub(crate) links: Vec<Link>,
    pub(crate) machine: Machine,
    pub(crate) book: Book,
    pub(crate) trace: Trace,
    /// Why the run was given up.
    pub(crate) failed: Option<String>,
}

struct Actor {
    name: String,
    part: Part,
    phase: Phase,
    turn: Arc<Condvar>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Client(usize),
    /// A session of this start of the server.
    Session(u64),
    Operator,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Ready,
    Running,
    Waiting(On, Option<Duration>),
    Done,
}

/// What a thread waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum On {
    /// Only its time.
    Time,
    Readable(usize, Side),
    Room(usize, Side),
    /// The peer's system has everything, the end too.
    Acknowledged(usize, Side),
    ServerUp,
    /// The server crashed, or is not needed any more.
    CrashOrEnd,
    /// All sessions of this start are over.
    SessionsGone(u64),
    /// This client is done.
    ClientGone(usize),
}

pub(crate) enum Happening {
    Arrival { link: usize, to: Side, parcel: Parcel },
    Jump(i64),
}

/// What happened, as a digest, and as text if someone reads it.
pub(crate) struct Trace {
    digest: std::hash::DefaultHasher,
    line: String,
    pub(crate) lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(is_read: bool) -> Self {
        // Without a secret key, so that runs can be compared.
        let digest = std::hash::DefaultHasher::new();
        Self { digest, line: String::new(), lines: is_read.then(Vec::new) }
    }

    fn note(&mut self, now: Duration, who: &str, what: fmt::Arguments<'_>) {
        use fmt::Write as _;
        self.line.clear();
        let _ = write!(self.line, "{:>12} us  {who:<12} {what}", now.as_micros());
        self.digest.write(self.line.as_bytes());
        if let Some(lines) = &mut self.lines {
            lines.push(self.line.clone());
        }
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest.finish()
    }
}

impl World {
    pub(crate) fn new(plan: Plan, seed: u64, machine: Machine, is_read: bool) -> Arc<Self> {
        let plan = Arc::new(plan);
        // Far from the times of the files, which are the system's, so that each comparison has one result. Behind them,
        // every file is newer than its record and must be explained; ahead of them, records are believed.
        let years: i64 = if seed.is_multiple_of(2) { -4 } else { 4 };
        let wall_base_ms = upseal::testing::clock::unix_ms() + years * 365 * 86_400_000;
        let wall = Arc::new(AtomicI64::new(wall_base_ms));
        let mut state = State {
            dice: Dice::new(seed ^ 0x5eed),
            now: Duration::ZERO,
            wall_base_ms,
            wall: Arc::clone(&wall),
            actors: Vec::new(),
            running: None,
            agenda: BTreeMap::new(),
            sequence: 0,
            steps: 0,
            links: Vec::new(),
            machine,
            book: Book::of(&plan),
            trace: Trace::new(is_read),
            failed: None,
            plan: Arc::clone(&plan),
        };
        for (at, by) in &plan.jumps {
            state.schedule(*at, Happening::Jump(*by));
        }
        Arc::new(Self { state: Mutex::new(state), begun: Instant::now(), wall })
    }

    pub(crate) fn lock(&self) -> Guard<'_> {
        self.state.lock().unwrap()
    }

    /// Returns a moment of this run as the code under test knows it.
    pub(crate) fn instant(&self, at: Duration) -> Instant {
        self.begun + at
    }

    /// Returns the time of this run at a moment.
    pub(crate) fn time_of(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.begun)
    }

    /// Makes this thread read the wall clock of this run.
    pub(crate) fn set_clock(&self) {
        upseal::testing::clock::simulate(Some(Arc::clone(&self.wall)));
    }

    /// Begins a thread's part: waits for its first turn.
    pub(crate) fn enter(&self, me: ActorId) {
        self.set_clock();
        let guard = self.lock();
        drop(Self::wait_for_turn(guard, me));
    }

    /// Ends a thread's part.
    pub(crate) fn leave(&self, me: ActorId) {
        let mut state = self.lock();
        state.note(me, format_args!("is done"));
        state.actors[me].phase = Phase::Done;
        state.running = None;
        state.pass_on();
    }

    /// Lets the first thread go.
    pub(crate) fn start(&self) {
        self.lock().pass_on();
    }

    /// Lets others go until this thread can: when what it waits for is there, or its time has come.
    pub(crate) fn pause(mut state: Guard<'_>, me: ActorId, on: On, until: Option<Duration>) -> Guard<'_> {
        state.actors[me].phase = Phase::Waiting(on, until);
        state.running = None;
        state.pass_on();
        Self::wait_for_turn(state, me)
    }

    /// Perhaps lets others go first.
    pub(crate) fn perhaps_yield(mut state: Guard<'_>, me: ActorId) -> Guard<'_> {
        if state.dice.chance(1, 4) {
            state.actors[me].phase = Phase::Ready;
            state.running = None;
            state.pass_on();
            state = Self::wait_for_turn(state, me);
        }
        state
    }

    pub(crate) fn sleep(&self, me: ActorId, time: Duration) {
        let state = self.lock();
        let until = state.now + time;
        drop(Self::pause(state, me, On::Time, Some(until)));
    }

    fn wait_for_turn(mut state: Guard<'_>, me: ActorId) -> Guard<'_> {
        let turn = Arc::clone(&state.actors[me].turn);
        while state.running != Some(me) && state.failed.is_none() {
            let (before, steps) = (state.running, state.steps);
            let (next, waited) = turn.wait_timeout(state, STUCK).unwrap();
            state = next;
            if waited.timed_out() && (before, steps) == (state.running, state.steps) {
                let who = before.map_or("no thread".to_owned(), |who| state.actors[who].name.clone());
                state.fail(format!("{who} waits for a thread that cannot go"));
            }
        }
        state.actors[me].phase = Phase::Running;
        state
    }
}

impl State {
    pub(crate) fn add_actor(&mut self, name: String, part: Part) -> ActorId {
        self.actors.push(Actor { name, part, phase: Phase::Ready, turn: Arc::default() });
        self.actors.len() - 1
    }

    pub(crate) fn note(&mut self, who: ActorId, what: fmt::Arguments<'_>) {
        if self.failed.is_none() {
            self.trace.note(self.now, &self.actors[who].name, what);
        }
    }

    /// Notes what no thread of the simulation does.
    pub(crate) fn note_of(&mut self, who: &str, what: fmt::Arguments<'_>) {
        if self.failed.is_none() {
            self.trace.note(self.now, who, what);
        }
    }

    /// Gives the run up.
    pub(crate) fn fail(&mut self, why: String) {
        if self.failed.is_none() {
            self.note_of("simulation", format_args!("{why}"));
            self.failed = Some(why);
        }
        for actor in &self.actors {
            actor.turn.notify_all();
        }
    }

    pub(crate) fn schedule(&mut self, at: Duration, what: Happening) {
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), what);
    }

    /// Lets a step take time.
    pub(crate) fn spend(&mut self, time: Duration) {
        self.set_time(self.now + time);
        self.catch_up();
    }

    fn set_time(&mut self, now: Duration) {
        self.now = self.now.max(now);
        let ms = self.wall_base_ms + i64::try_from(self.now.as_millis()).unwrap();
        self.wall.store(ms, Ordering::SeqCst);
    }

    /// Does what is due.
    fn catch_up(&mut self) {
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.now) {
            match entry.remove() {
                Happening::Arrival { link, to, parcel } => self.arrive(link, to, parcel),
                Happening::Jump(by) => {
                    self.wall_base_ms += by;
                    self.set_time(self.now);
                    self.note_of("clock", format_args!("jumps by {by} ms"));
                }
            }
        }
    }

    /// Returns whether all clients are done, and all sessions.
    pub(crate) fn is_over(&self) -> bool {
        let is_done = |actor: &Actor| actor.part == Part::Operator || matches!(actor.phase, Phase::Done);
        self.actors.iter().all(is_done)
    }

    fn is_there(&self, on: On) -> bool {
        match on {
            On::Time => false,
            On::Readable(link, side) => self.is_readable(link, side),
            On::Room(link, side) => self.room(link, side) != Some(0),
            On::Acknowledged(link, side) => self.is_acknowledged(link, side) != Some(false),
            On::ServerUp => self.machine.is_up(),
            On::CrashOrEnd => self.machine.has_crashed || self.is_over(),
            On::SessionsGone(start) => self
                .actors
                .iter()
                .all(|actor| actor.part != Part::Session(start) || matches!(actor.phase, Phase::Done)),
            On::ClientGone(client) => self
                .actors
                .iter()
                .all(|actor| actor.part != Part::Client(client) || matches!(actor.phase, Phase::Done)),
        }
    }

    fn can_go(&self, actor: &Actor) -> bool {
        match actor.phase {
            Phase::Ready => true,
            Phase::Running | Phase::Done => false,
            Phase::Waiting(on, until) => until.is_some_and(|until| until <= self.now) || self.is_there(on),
        }
    }

    /// Chooses who goes next, and moves the clock if none can.
    fn pass_on(&mut self) {
        while self.failed.is_none() {
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return self.fail("the run does not end".to_owned());
            }
            self.catch_up();
            let ready = self.actors.iter().filter(|actor| self.can_go(actor)).count();
            if ready > 0 {
                let chosen = self.dice.index(ready);
                let able = (0..self.actors.len()).filter(|at| self.can_go(&self.actors[*at])).nth(chosen);
                self.running = able;
                if let Some(able) = able {
                    self.actors[able].turn.notify_one();
                }
                return;
            }
            if self.actors.iter().all(|actor| matches!(actor.phase, Phase::Done)) {
                return;
            }
            let deadlines = self.actors.iter().filter_map(|actor| match actor.phase {
                Phase::Waiting(_, until) => until,
                _ => None,
            });
            let next =
                self.agenda.first_key_value().map(|((at, _), _)| *at).into_iter().chain(deadlines).min();
            match next {
                Some(at) if at > LONGEST => {
                    return self.fail(format!("a thread still waits after {} h", LONGEST.as_secs() / 3600));
                }
                Some(at) => self.set_time(at),
                None => {
                    let waiting: Vec<String> = self
                        .actors
                        .iter()
                        .filter_map(|actor| match actor.phase {
                            Phase::Waiting(on, _) => Some(format!("{} for {on:?}", actor.name)),
                            _ => None,
                        })
                        .collect();
                    return self.fail(format!("everyone waits without end: {}", waiting.join(", ")));
                }
            }
        }
    }
}
