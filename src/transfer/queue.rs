//! The queue of uploads: a state machine without IO. The caller passes the time.
//!
//! ```text
//!   push ─► Waiting ─► (worker: Connecting … Sending) ─► Sent ─► Delivered
//!              ▲  ▲                │                       │
//!              │  └── retry ── Failed, Cancelled ◄─────────┤
//!              └──────────── requeue, try_again ◄──────────┘  a neighbour was cancelled; the connection broke
//! ```
//!
//! A *paused* upload keeps its place among those that wait and is passed over. A paused queue gives out no upload.
//!
//! A target may *rest* until a moment, or be *held* until the user decides: its uploads wait, and those to other targets
//! overtake them.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::mem;
use std::path::PathBuf;
use std::time::Instant;

use crate::event::{Dialect, FolderId, Job, JobId, ServerAddress, State, Target};

/// The target and dialect that uploads must have in common to share a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// The server.
    pub target: Target,
    /// The dialect.
    pub dialect: Dialect,
}

impl Route {
    fn of(job: &Job) -> Self {
        Self { target: Target::clone(&job.target), dialect: job.dialect }
    }

    fn fits(&self, job: &Job) -> bool {
        self.target == *job.target && self.dialect == job.dialect
    }
}

/// The result of cancelling an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cancelled {
    /// It was waiting, and is cancelled now.
    Now,
    /// It is being sent; its connection has to be interrupted.
    Interrupt,
    /// It had ended, or does not exist.
    Nothing,
}

/// The result of pausing an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pausing {
    /// It was waiting, and is paused now.
    Now,
    /// It is being sent; its connection has to be interrupted.
    Interrupt,
    /// It has been sent or has ended, is paused already, or does not exist.
    Nothing,
}

#[derive(Debug)]
struct Entry {
    job: Job,
    state: State,
    /// Whether the user cancelled it, and the worker has not noticed yet.
    cancelling: bool,
    /// Whether the user paused it, and the worker has not noticed yet.
    pausing: bool,
    /// Attempts whose connection broke, since the user last queued it.
    tries: u32,
    /// The worker that sends it, if one does.
    worker: u64,
    /// Whether it is sent over its own connection, because it or a neighbour was refused.
    apart: bool,
}

impl Entry {
    /// Returns whether it is among those that wait.
    fn is_idle(&self) -> bool {
        matches!(self.state, State::Waiting | State::Paused)
    }
}

/// All uploads that were not removed, and the order of those that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Sorted by id. Ids grow, thousands are added at once, and neighbours are used together.
    entries: BTreeMap<JobId, Entry>,
    /// The ids of all entries that are `Waiting` or `Paused`, each exactly once.
    waiting: VecDeque<JobId>,
    /// Whether no upload is given out.
    paused: bool,
    /// Targets to which nothing is sent before the given moment.
    resting: HashMap<Target, Instant>,
    /// Targets to which nothing is sent before the user decides.
    held: HashSet<Target>,
}

impl Queue {
    /// Adds an upload at the end. Returns false, and does nothing, if its id is not new.
    pub(super) fn push(&mut self, job: Job) -> bool {
        let id = job.id;
        if self.entries.contains_key(&id) {
            return false;
        }
        let entry = Entry {
            job,
            state: State::Waiting,
            cancelling: false,
            pausing: false,
            tries: 0,
            worker: 0,
            apart: false,
        };
        self.entries.insert(id, entry);
        self.waiting.push_back(id);
        true
    }

    /// Returns the route of the first waiting upload whose target does not rest.
    pub(super) fn next_route(&mut self, now: Instant) -> Option<Route> {
        self.resting.retain(|_, until| *until > now);
        self.first().and_then(|at| self.entries.get(&self.waiting[at])).map(|entry| Route::of(&entry.job))
    }

    /// Returns the next moment at which the rest of a target with waiting uploads ends.
    #[must_use]
    pub(super) fn next_moment(&self) -> Option<Instant> {
        if self.paused {
            return None;
        }
        let waits = |target: &Target| self.ready().any(|entry| *entry.job.target == *target);
        self.resting.iter().filter(|(target, _)| waits(target)).map(|(_, until)| *until).min()
    }

    /// Lets a target rest until a moment.
    pub(super) fn rest(&mut self, target: &Target, until: Instant) {
        self.resting.insert(target.clone(), until);
    }

    /// Pauses the queue, or lets it go on. Returns whether that is a change.
    pub(super) const fn set_paused(&mut self, paused: bool) -> bool {
        let is_change = self.paused != paused;
        self.paused = paused;
        is_change
    }

    /// Holds a target until it is released.
    pub(super) fn hold(&mut self, target: &Target) {
        self.held.insert(target.clone());
    }

    /// Releases the targets at this address.
    pub(super) fn release(&mut self, address: &ServerAddress) {
        let address = address.normal();
        self.held
            .retain(|target| !matches!(target, Target::Server { address: at, .. } if at.normal() == address));
    }

    /// Releases all targets.
    pub(super) fn release_all(&mut self) {
        self.held.clear();
    }

    /// Releases the target of an upload that waits.
    pub(super) fn release_for(&mut self, id: JobId) {
        if let Some(entry) = self.entries.get(&id) {
            self.held.remove(&*entry.job.target);
        }
    }

    /// Returns the uploads that wait and are not paused, in their order.
    fn ready(&self) -> impl Iterator<Item = &Entry> {
        let entries = self.waiting.iter().filter_map(|id| self.entries.get(id));
        entries.filter(|entry| entry.state == State::Waiting)
    }

    /// Returns the position of the first waiting upload whose target neither rests nor is held; `None` while the queue is paused.
    fn first(&self) -> Option<usize> {
        let is_free = |target: &Target| !self.resting.contains_key(target) && !self.held.contains(target);
        let is_ready = |entry: &Entry| entry.state == State::Waiting && is_free(&entry.job.target);
        let mut waiting = self.waiting.iter();
        if self.paused { None } else { waiting.position(|id| self.entries.get(id).is_some_and(is_ready)) }
    }

    /// Takes the first waiting upload for any worker.
    #[cfg(test)]
    pub(super) fn take(&mut self, route: &Route) -> Option<Job> {
        self.take_for(route, 0)
    }

    /// Takes the first waiting upload for the worker with this number, if it has this route.
    pub(super) fn take_for(&mut self, route: &Route, worker: u64) -> Option<Job> {
        let at = self.first()?;
        let entry = self.entries.get_mut(&self.waiting[at])?;
        if !route.fits(&entry.job) {
            return None;
        }
        self.waiting.remove(at);
        entry.state = State::Connecting;
        entry.worker = worker;
        Some(entry.job.clone())
    }

    /// Takes all waiting uploads of a route, in order, because the server cannot be used. Paused ones stay.
    pub(super) fn take_all(&mut self, route: &Route) -> Vec<JobId> {
        if self.paused {
            return Vec::new();
        }
        let goes_it = |entry: &Entry| entry.state == State::Waiting && route.fits(&entry.job);
        let goes_it = |id: &JobId| self.entries.get(id).is_some_and(goes_it);
        let (alike, others): (Vec<_>, Vec<_>) = self.waiting.iter().copied().partition(goes_it);
        self.waiting = others.into();
        for id in &alike {
            self.set(*id, State::Connecting);
        }
        alike
    }

    /// Returns an upload.
    #[must_use]
    pub(super) fn job(&self, id: JobId) -> Option<Job> {
        self.entries.get(&id).map(|entry| entry.job.clone())
    }

    /// Sets the state of an upload.
    pub(super) fn set(&mut self, id: JobId, state: State) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.cancelling &= !state.is_final();
            entry.pausing &= !state.is_final();
            if state.has_arrived() {
                // It is never sent again, and a queue may have 50,000 of them: its number is enough.
                (entry.job.path, entry.job.name) = (PathBuf::new(), None);
                entry.state = State::Delivered;
                return;
            }
            entry.state = state;
        }
    }

    /// Returns whether the user has cancelled an upload that is being sent.
    #[must_use]
    pub(super) fn is_cancelling(&self, id: JobId) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.cancelling)
    }

    /// Pauses an upload that is not yet sent.
    pub(super) fn pause(&mut self, id: JobId) -> Pausing {
        match self.entries.get_mut(&id) {
            Some(entry) if entry.state == State::Waiting => {
                entry.state = State::Paused;
                Pausing::Now
            }
            Some(entry) if matches!(entry.state, State::Connecting | State::Proving | State::Sending) => {
                entry.pausing = true;
                Pausing::Interrupt
            }
            _ => Pausing::Nothing,
        }
    }

    /// Resumes a paused upload. Returns false if it is not paused, or has not stopped yet; then it goes on by itself.
    pub(super) fn resume(&mut self, id: JobId) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        entry.pausing = false;
        let is_paused = entry.state == State::Paused;
        if is_paused {
            entry.state = State::Waiting;
        }
        is_paused
    }

    /// Returns whether the user has paused an upload that is being sent.
    #[must_use]
    pub(super) fn is_pausing(&self, id: JobId) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.pausing)
    }

    /// Cancels an upload.
    pub(super) fn cancel(&mut self, id: JobId) -> Cancelled {
        match self.entries.get_mut(&id) {
            Some(entry) if entry.is_idle() => {
                entry.state = State::Cancelled;
                self.waiting.retain(|waiting| *waiting != id);
                Cancelled::Now
            }
            Some(entry) if !entry.state.is_final() => {
                entry.cancelling = true;
                Cancelled::Interrupt
            }
            _ => Cancelled::Nothing,
        }
    }

    /// Cancels all uploads. Returns those that were waiting; the others are being sent.
    pub(super) fn cancel_all(&mut self) -> Vec<JobId> {
        let waiting = mem::take(&mut self.waiting).into();
        for entry in self.entries.values_mut() {
            match entry.state {
                State::Waiting | State::Paused => entry.state = State::Cancelled,
                ref state => entry.cancelling = !state.is_final(),
            }
        }
        waiting
    }

    /// Adds a failed or cancelled upload at the end again. Returns false if it is neither.
    pub(super) fn retry(&mut self, id: JobId) -> bool {
        match self.entries.get_mut(&id) {
            Some(entry) if matches!(entry.state, State::Failed(_) | State::Cancelled) => {
                entry.state = State::Waiting;
                entry.tries = 0;
                self.waiting.push_back(id);
                // The user does not want to wait for the end of the rest.
                self.resting.remove(&*entry.job.target);
                true
            }
            _ => false,
        }
    }

    /// Moves those of some uploads that wait before another one that waits, in their present order.
    pub(super) fn reorder(&mut self, jobs: &[JobId], before: JobId) {
        let moved: HashSet<JobId> = jobs.iter().copied().filter(|id| *id != before).collect();
        if !self.waiting.contains(&before) {
            return;
        }
        let (ahead, rest): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(|id| moved.contains(id));
        for id in rest {
            if id == before {
                self.waiting.extend(&ahead);
            }
            self.waiting.push_back(id);
        }
    }

    /// Returns the ids of all failed uploads, oldest first.
    #[must_use]
    pub(super) fn failed(&self) -> Vec<JobId> {
        let failed = self.entries.values().filter(|entry| matches!(entry.state, State::Failed(_)));
        failed.map(|entry| entry.job.id).collect()
    }

    /// Returns the ids of all uploads that are being sent.
    #[must_use]
    pub(super) fn running(&self) -> Vec<JobId> {
        let running = self.entries.values().filter(|e| !e.is_idle() && !e.state.is_final());
        running.map(|entry| entry.job.id).collect()
    }

    /// Returns the ids of all uploads that the worker with this number sends.
    #[must_use]
    pub(super) fn running_by(&self, worker: u64) -> Vec<JobId> {
        let running = self.running().into_iter();
        running.filter(|id| self.worker(*id) == Some(worker)).collect()
    }

    /// Returns the number of the worker that sends an upload, or sent it last.
    #[must_use]
    pub(super) fn worker(&self, id: JobId) -> Option<u64> {
        self.entries.get(&id).map(|entry| entry.worker)
    }

    /// Returns the number of uploads that can be taken for a route before another route's turn, but at most `most`.
    #[must_use]
    pub(super) fn ready_for(&self, route: &Route, most: usize) -> usize {
        if self.paused {
            return 0;
        }
        let ready = self.ready().filter(|entry| !self.resting.contains_key(&entry.job.target));
        ready.take_while(|entry| route.fits(&entry.job)).take(most).count()
    }

    /// Puts an upload back to the front, because its connection was stopped for its own sake or for that of another.
    /// Returns its state.
    pub(super) fn requeue(&mut self, id: JobId) -> State {
        let Some(entry) = self.entries.get_mut(&id) else { return State::Waiting };
        entry.state = if entry.pausing { State::Paused } else { State::Waiting };
        (entry.cancelling, entry.pausing) = (false, false);
        self.waiting.push_front(id);
        entry.state.clone()
    }

    /// Puts an upload whose connection broke back to the front, and returns the number of failed attempts. Returns `None`
    /// if it has no retries left.
    pub(super) fn try_again(&mut self, id: JobId, retries: u32) -> Option<u32> {
        let entry = self.entries.get_mut(&id)?;
        if entry.tries >= retries || entry.cancelling {
            return None;
        }
        entry.tries += 1;
        entry.state = State::Waiting;
        self.waiting.push_front(id);
        Some(entry.tries)
    }

    /// Lets an upload be sent over its own connection, so that a refusal is about it.
    pub(super) fn set_apart(&mut self, id: JobId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.apart = true;
        }
    }

    /// Returns whether an upload is sent over its own connection.
    #[must_use]
    pub(super) fn is_apart(&self, id: JobId) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.apart)
    }

    /// Returns the number of attempts whose connection broke.
    #[must_use]
    pub(super) fn tries(&self, id: JobId) -> u32 {
        self.entries.get(&id).map_or(0, |entry| entry.tries)
    }

    /// Returns the number of uploads that wait for a target.
    #[must_use]
    pub(super) fn waiting_for(&self, target: &Target) -> usize {
        self.ready().filter(|entry| *entry.job.target == *target).count()
    }

    /// Returns the number of uploads that wait.
    #[must_use]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the ids of a folder's uploads that have no final state.
    #[must_use]
    pub(super) fn of_folder(&self, folder: FolderId) -> Vec<JobId> {
        let range = folder.job(0)..=folder.job(u32::MAX);
        self.entries.range(range).filter(|(_, entry)| !entry.state.is_final()).map(|(id, _)| *id).collect()
    }

    /// Removes an upload that is not being sent. Returns whether it was removed.
    pub(super) fn remove(&mut self, id: JobId) -> bool {
        if self.entries.get(&id).is_some_and(|entry| entry.is_idle() || entry.state.is_final()) {
            if self.entries.get(&id).is_some_and(Entry::is_idle) {
                self.waiting.retain(|waiting| *waiting != id);
            }
            return self.entries.remove(&id).is_some();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::{Fault, Variant};

    fn job(id: u64, variant: Variant) -> Job {
        Job::new(JobId(id), format!("/f{id}"), Target::Embedded, Dialect::of(variant))
    }

    fn queue(jobs: &[(u64, Variant)]) -> Queue {
        let mut queue = Queue::default();
        for (id, variant) in jobs {
            assert!(queue.push(job(*id, *variant)));
        }
        queue
    }

    fn fault() -> Fault {
        Fault::broken("")
    }

    #[test]
    fn neighbours_on_the_same_route_share_a_connection() {
        let mut queue = queue(&[(1, Variant::Cp2), (2, Variant::Cp2), (3, Variant::Cp1), (4, Variant::Cp2)]);
        let route = queue.next_route(Instant::now()).unwrap();
        assert_eq!(queue.take(&route).unwrap().id, JobId(1));
        assert_eq!(queue.take(&route).unwrap().id, JobId(2));
        assert_eq!(queue.take(&route), None, "another dialect is next");
        let route = queue.next_route(Instant::now()).unwrap();
        assert_eq!(route.dialect.variant, Variant::Cp1);
        assert_eq!(queue.take(&route).unwrap().id, JobId(3));
    }

    #[test]
    fn an_id_is_taken_once() {
        let mut queue = queue(&[(1, Variant::Cp2)]);
        assert!(!queue.push(job(1, Variant::Cp1)));
    }

    #[test]
    fn cancel_ends_a_waiting_upload_at_once_and_marks_a_running_one() {
        let mut queue = queue(&[(1, Variant::Cp2), (2, Variant::Cp2), (3, Variant::Cp2)]);
        let route = queue.next_route(Instant::now()).unwrap();
        queue.take(&route);
        assert_eq!(queue.cancel(JobId(2)), Cancelled::Now);
        assert_eq!(queue.cancel(JobId(2)), Cancelled::Nothing);
        assert_eq!(queue.cancel(JobId(1)), Cancelled::Interrupt);
        assert!(queue.is_cancelling(JobId(1)));
        queue.set(JobId(1), State::Cancelled);
        assert!(!queue.is_cancelling(JobId(1)));
        assert_eq!(queue.take(&route).unwrap().id, JobId(3), "2 is passed over");
        assert_eq!(queue.cancel(JobId(9)), Cancelled::Nothing);
    }

    #[test]
    fn cancel_all_leaves_nothing_waiting() {
        let mut queue = queue(&[(1, Variant::Cp2), (2, Variant::Cp2), (3, Variant::Cp1)]);
        let route = queue.next_route(Instant::now()).unwrap();
        queue.take(&route);
        assert_eq!(queue.cancel_all(), [JobId(2), JobId(3)]);
        assert!(queue.is_cancelling(JobId(1)));
        assert_eq!(queue.next_route(Instant::now()), None);
    }

    #[test]
    fn a_retried_upload_is_queued_once_at_the_end() {
        let mut queue = queue(&[(1, Variant::Cp2), (2, Variant::Cp1), (3, Variant::Cp1), (4, Variant::Cp1)]);
        assert_eq!(queue.cancel(JobId(3)), Cancelled::Now);
        assert!(queue.retry(JobId(3)));
        let route = Route { target: Target::Embedded, dialect: Dialect::of(Variant::Cp1) };
        assert_eq!(queue.take_all(&route), [JobId(2), JobId(4), JobId(3)]);
        queue.set(JobId(4), State::Failed(fault()));
        assert!(queue.retry(JobId(4)));
        assert_eq!(queue.cancel_all(), [JobId(1), JobId(4)]);
    }

    #[test]
    fn take_all_takes_the_uploads_of_one_route_and_no_other() {
        let mut queue = queue(&[(1, Variant::Cp2), (2, Variant::Cp1), (3, Variant::Cp2)]);
        let route = queue.next_route(Instant::now()).unwrap();
        assert_eq!(queue.take_all(&route), [JobId(1), JobId(3)]);
        assert_eq!(queue.next_route(Instant::now()).unwrap().dialect.variant, Variant::Cp1);
    }

    #[test]
    fn retry_accepts_only_failed_and_cancelled_uploads() {
        let mut queue = queue(&[(1, Variant::Cp2), (2, Variant::Cp2), (3, Variant::Cp2)]);
        let route = queue.next_route(Instant::now()).unwrap();
        for _ in 0..3 {
            queue.take(&route);
        }
        queue.set(JobId(1), State::Failed(fault()));
        queue.set(JobId(2), State::Delivered);
        assert!(!queue.retry(JobId(2)));
        assert!(!queue.retry(JobId(3)), "it runs");
        assert_eq!(queue.failed(), [JobId(1)]);
        assert!(queue.retry(JobId(1)));
        assert_eq!(queue.take(&route).unwrap().id, JobId(1));
    }

    #[test]
    fn a_requeued_upload_is_next_and_a_running_one_is_not_removed() {
        let mut queue = queue(&[(1, Variant::Cp2), (2, Variant::Cp2)]);
        let route = queue.next_route(Instant::now()).unwrap();
        queue.take(&route);
        assert!(!queue.remove(JobId(1)));
        queue.set(JobId(1), State::Sent);
        queue.requeue(JobId(1));
        assert_eq!(queue.take(&route).unwrap().id, JobId(1));
        assert!(queue.remove(JobId(2)));
        assert!(!queue.remove(JobId(2)));
        assert_eq!(queue.next_route(Instant::now()), None);
    }

    #[test]
    fn uploads_overtake_those_to_a_resting_target() {
        let mut queue = queue(&[(1, Variant::Cp2), (2, Variant::Cp2)]);
        let elsewhere = Target::server("other:1".parse().unwrap(), None);
        assert!(queue.push(Job { target: elsewhere.clone().into(), ..job(3, Variant::Cp2) }));
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(3));
        assert_eq!(queue.next_moment(), None);
        queue.rest(&Target::Embedded, later);
        assert_eq!(queue.waiting_for(&Target::Embedded), 2);
        assert_eq!(queue.next_moment(), Some(later));
        let route = queue.next_route(now).unwrap();
        assert_eq!(route.target, elsewhere);
        assert_eq!(queue.take(&route).unwrap().id, JobId(3));
        assert_eq!(queue.next_route(now), None);
        let route = queue.next_route(later).unwrap();
        assert_eq!(queue.take(&route).unwrap().id, JobId(1), "in the old order");
        assert_eq!(queue.next_moment(), None);
    }

    #[test]
    fn a_broken_upload_is_retried_up_to_the_limit() {
        let mut queue = queue(&[(1, Variant::Cp2), (2, Variant::Cp2)]);
        let route = queue.next_route(Instant::now()).unwrap();
        for tries in 1..=3 {
            assert_eq!(queue.take(&route).unwrap().id, JobId(1), "before the other upload");
            assert_eq!(queue.try_again(JobId(1), 3), Some(tries));
        }
        queue.take(&route);
        assert_eq!(queue.try_again(JobId(1), 3), None);
        queue.set(JobId(1), State::Failed(fault()));
        // By key: from the beginning, and at once.
        queue.rest(&Target::Embedded, Instant::now() + Duration::from_secs(9));
        assert!(queue.retry(JobId(1)));
        assert_eq!(queue.take(&route).unwrap().id, JobId(2));
        assert_eq!(queue.take(&route).unwrap().id, JobId(1));
        assert_eq!(queue.try_again(JobId(1), 3), Some(1));
        assert_eq!(queue.try_again(JobId(2), 0), None);
        queue.cancel(JobId(2));
        assert_eq!(queue.try_again(JobId(2), 3), None, "the user has cancelled it");
    }
    #[test]
    fn what_waits_is_sent_in_the_order_that_the_user_gives_it() {
        let mut queue = queue(&[1, 2, 3, 4, 5].map(|id| (id, Variant::Cp2)));
        let route = queue.next_route(Instant::now()).unwrap();
        assert_eq!(queue.take(&route).unwrap().id, JobId(1));
        queue.reorder(&[JobId(4), JobId(1), JobId(5), JobId(9)], JobId(3));
        queue.reorder(&[JobId(5)], JobId(1));
        let order: Vec<_> = std::iter::from_fn(|| queue.take(&route)).map(|job| job.id.0).collect();
        assert_eq!(order, [2, 4, 5, 3], "what runs, or does not exist, is neither moved nor a place");
    }

    #[test]
    fn a_paused_upload_keeps_its_place_and_a_paused_queue_gives_nothing_out() {
        let mut queue = queue(&[(1, Variant::Cp2), (2, Variant::Cp2), (3, Variant::Cp2)]);
        let now = Instant::now();
        assert_eq!(queue.pause(JobId(1)), Pausing::Now);
        assert_eq!(queue.pause(JobId(1)), Pausing::Nothing);
        let route = queue.next_route(now).unwrap();
        assert_eq!(queue.take(&route).unwrap().id, JobId(2), "1 is passed over");
        assert_eq!((queue.running(), queue.waiting_for(&Target::Embedded)), (vec![JobId(2)], 1));
        assert!(queue.set_paused(true) && !queue.set_paused(true));
        assert_eq!((queue.next_route(now), queue.take(&route)), (None, None));
        assert_eq!(queue.take_all(&route), [], "a server that is away fails nothing that waits");
        queue.rest(&Target::Embedded, now + Duration::from_secs(3));
        assert_eq!(queue.next_moment(), None);
        assert!(queue.resume(JobId(1)) && !queue.resume(JobId(1)));
        assert!(queue.set_paused(false));
        let later = now + Duration::from_secs(3);
        assert_eq!(queue.next_route(later).as_ref(), Some(&route));
        assert_eq!(queue.take(&route).unwrap().id, JobId(1), "in its old place");
        assert_eq!(queue.pause(JobId(3)), Pausing::Now);
        assert_eq!(queue.take_all(&route), []);
        assert!(queue.remove(JobId(3)));
        assert_eq!(queue.cancel_all(), []);
    }

    #[test]
    fn a_running_upload_is_paused_when_it_has_stopped_and_a_sent_one_never() {
        let mut queue = queue(&[(1, Variant::Cp2), (2, Variant::Cp2), (3, Variant::Cp2)]);
        let route = queue.next_route(Instant::now()).unwrap();
        for id in 1..=3 {
            queue.take(&route);
            queue.set(JobId(id), State::Sending);
        }
        assert_eq!(queue.pause(JobId(1)), Pausing::Interrupt);
        assert!(queue.is_pausing(JobId(1)));
        assert_eq!(queue.requeue(JobId(1)), State::Paused);
        assert_eq!(queue.cancel(JobId(1)), Cancelled::Now);
        // Resumed before its worker has noticed.
        assert_eq!(queue.pause(JobId(2)), Pausing::Interrupt);
        assert!(!queue.resume(JobId(2)));
        assert_eq!(queue.requeue(JobId(2)), State::Waiting);
        queue.set(JobId(3), State::Sent);
        assert_eq!(queue.pause(JobId(3)), Pausing::Nothing);
        assert_eq!(queue.pause(JobId(9)), Pausing::Nothing);
        queue.set(JobId(3), State::Sending);
        assert_eq!(queue.pause(JobId(3)), Pausing::Interrupt);
        queue.set(JobId(3), State::Failed(fault()));
        assert!(!queue.is_pausing(JobId(3)), "it failed before it was stopped");
    }

    #[test]
    fn running_uploads_are_neither_waiting_nor_ended() {
        let mut queue = queue(&[(1, Variant::Cp2), (2, Variant::Cp2), (3, Variant::Cp2), (4, Variant::Cp2)]);
        assert_eq!(queue.running(), []);
        let route = queue.next_route(Instant::now()).unwrap();
        for _ in 0..3 {
            queue.take(&route);
        }
        assert_eq!(queue.running(), [JobId(1), JobId(2), JobId(3)], "4 waits");
        queue.set(JobId(1), State::Delivered);
        queue.set(JobId(2), State::Failed(fault()));
        assert_eq!(queue.running(), [JobId(3)]);
        queue.cancel(JobId(3));
        assert_eq!(queue.running(), [JobId(3)], "it still has to stop");
        queue.set(JobId(3), State::Cancelled);
        assert_eq!(queue.running(), []);
    }

    #[test]
    fn tries_are_counted_for_each_upload_since_it_was_last_queued() {
        let mut queue = queue(&[(1, Variant::Cp2), (2, Variant::Cp2)]);
        let route = queue.next_route(Instant::now()).unwrap();
        queue.take(&route);
        assert_eq!(queue.tries(JobId(1)), 0);
        for tries in 1..=3 {
            assert_eq!(queue.try_again(JobId(1), 9), Some(tries));
            assert_eq!(queue.tries(JobId(1)), tries);
            queue.take(&route);
        }
        assert_eq!(queue.tries(JobId(2)), 0, "the other upload's connection did not break");
        assert_eq!(queue.tries(JobId(9)), 0, "there is none");
        queue.set(JobId(1), State::Failed(fault()));
        queue.retry(JobId(1));
        assert_eq!(queue.tries(JobId(1)), 0);
    }
}
