//! One connection and its uploads, on the worker thread.

use std::cell::Cell;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::confirm::{self, Keep, Unconfirmed};
use super::dialer::{Dialer, lock};
use super::history_writer::{Ended, HistoryWriter};
use super::queue::{Queue, Route};
use super::source::Source;
use crate::digest::{Digest, FileDigest};
use crate::event::{
    Blame, Event, Fault, FaultKind, Job, JobId, NameAs, Named, State, Target, Track, Variant,
};
use crate::history::PendingReceipts;
use crate::meter::{Meter, Stage};
use crate::net::upload::{Confirmation, Question, Upload, UploadError};
use crate::trust::Anchor;
use crate::trust::known::{self, SignedBy};

/// Uploads what waits on one route, over one connection, until nothing more waits there.
pub struct Worker {
    /// Where the uploads come from; shared with the control thread.
    pub queue: Arc<Mutex<Queue>>,
    /// The way.
    pub dialer: Dialer,
    /// What is known of the server at its end.
    pub past: Past,
    /// How often a file that was cut is sent again.
    pub retries: u32,
    /// Where receipts go.
    pub keep: Keep,
    /// What was sent.
    pub history_writer: HistoryWriter,
    /// Whether files that the server has given a receipt for are passed over.
    pub skip_receipted: bool,
    /// The key that is known of the target, once it was looked up.
    pub known_key: OnceLock<Option<Digest>>,
    /// The CA that must have signed the receipts of Plain; `None`: none are asked for.
    pub plain_receipts: Option<Arc<Anchor>>,
}

/// What a target has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// Nobody has answered there yet.
    New,
    /// Somebody has.
    Answered,
    /// Somebody had, and does so no longer; that was said.
    Away,
    /// Nor will be waited for any longer.
    GivenUp,
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing was tried.
    Idle,
    /// Somebody answered.
    Answered,
    /// Nobody did, and its uploads have failed.
    Closed,
    /// Nobody did any more, and its uploads wait.
    Away,
}

/// Files whose receipt was asked for, and not heard of yet.
struct PendingReceipt {
    files: Vec<Unconfirmed>,
    question: Question,
    asking: Option<PendingReceipts>,
}

/// An open connection.
struct Way<'a> {
    route: &'a Route,
    /// Its other end, as the history has it; `None`: the embedded server.
    address: Option<String>,
    /// SPKI SHA-256 of the key that proved itself.
    key: Option<Digest>,
    /// The key that signed the last receipt, if there was one that was believed.
    signer: Cell<Option<SignedBy>>,
}

impl Way<'_> {
    /// A file that was sent whole.
    fn whole<'a>(&'a self, file: &'a Unconfirmed, state: &'a State, receipt: Option<&'a Path>) -> Ended<'a> {
        let ordinal = file.sent.ordinal;
        let current =
            Current { ordinal, job: &file.job, name: &file.name, size: file.size, meter: &file.meter };
        Ended { receipt, ..self.ended(&current, file.sent.digest, state) }
    }

    fn ended<'a>(&'a self, file: &Current<'a>, digest: Option<Digest>, state: &'a State) -> Ended<'a> {
        Ended {
            address: self.address.as_deref(),
            key: self.key,
            variant: self.route.dialect.variant,
            name: file.name,
            path: &file.job.path,
            size: file.size,
            digest,
            predicted_ms: file.job.predicted_ms,
            meter: file.meter,
            state,
            receipt: None,
        }
    }
}

/// How a file that was sent whole has ended, and the receipt that says so.
struct End<'a> {
    file: &'a Unconfirmed,
    state: State,
    receipt: Option<PathBuf>,
}

impl<'a> End<'a> {
    const fn of(file: &'a Unconfirmed, state: State) -> Self {
        Self { file, state, receipt: None }
    }
}

/// A file on its way.
struct Current<'a> {
    /// Its number in the connection, from 1; 0: nothing of it was sent.
    ordinal: u64,
    job: &'a Job,
    name: &'a str,
    size: u64,
    meter: &'a Meter,
}

/// Bytes of the largest file that may be sent while the answer about those before it is awaited.
const SMALL: u64 = 1 << 20;
/// Between the first and the second try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Between two looks for a server that is away.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Worker {
    /// Runs to the end of the connection.
    #[must_use]
    pub fn run(&self, route: &Route) -> Ending {
        let Some((first, source)) = self.next(route) else { return Ending::Idle };
        if self.past != Past::Away {
            self.say(first.id, State::Connecting);
        }
        match self.dialer.open(&route.target, route.dialect, Track::Job(first.id)) {
            Ok((upload, proof)) => {
                let key = proof.and_then(|proof| proof.fingerprint.parse().ok());
                let address = match &route.target {
                    Target::Embedded => None,
                    Target::Server { address, .. } => {
                        Some(known::normal(address).unwrap_or_else(|| address.clone()))
                    }
                };
                self.send(&Way { route, address, key, signer: Cell::new(None) }, upload, first, source);
                Ending::Answered
            }
            Err(fault) => self.closed_way(route, first.id, &fault),
        }
    }

    /// Sends this upload and those that follow it.
    fn send(&self, way: &Way<'_>, mut upload: Upload, first: Job, source: Source) {
        let route = way.route;
        let is_given = match route.dialect.variant {
            Variant::Plain => self.plain_receipts.is_some(),
            _ => upload.gives_receipts(),
        };
        let asks = is_given && self.dialer.digest == FileDigest::Sha256;
        let (mut job, mut source) = (first, source);
        let mut waiting: Vec<Unconfirmed> = Vec::new();
        let mut asked: Option<PendingReceipt> = None;
        loop {
            // The answer must not wait for a large file.
            if source.size > SMALL
                && let Err(error) = self.hear(way, &mut upload, &mut asked)
            {
                drop(upload);
                self.interrupted(job.id);
                return self.broken(way, &self.unheard(asked, waiting), None, &error);
            }
            let name = match route.dialect.name_as {
                NameAs::Base => source.name.clone(),
                NameAs::Path => job.path.to_string_lossy().into_owned(),
            };
            let track = Track::Job(job.id);
            // With receipts it is confirmed by itself; without them its connection must be its own.
            let is_apart = !asks && lock(&self.queue).is_apart(job.id);
            if let Some(refused) = upload.refuse_file(&name, source.size) {
                self.refused_beforehand(way, &job, &name, source.size, &refused);
            } else {
                let meter = Arc::new(Meter::default());
                self.say(job.id, State::Sending);
                self.dialer.observer.watch(track, Arc::clone(&meter));
                let sent = match upload.file(&name, source.content(), source.size, &meter) {
                    Ok(sent) => sent,
                    Err(error) => {
                        let ordinal = upload.files();
                        drop(upload); // The reset reaches the server before we say that it failed.
                        self.dialer.observer.unwatch(track);
                        let current =
                            Current { ordinal, job: &job, name: &name, size: source.size, meter: &meter };
                        return self.broken(way, &self.unheard(asked, waiting), Some(&current), &error);
                    }
                };
                self.say(job.id, State::Sent);
                let alone = lock(&self.queue).tries(job.id) > 0;
                let (size, at) = (source.size, Instant::now());
                waiting.push(Unconfirmed { job, name, size, sent, meter, at, alone });
            }
            let next = if is_apart { None } else { self.next(route) };
            let is_due = next.is_none() || confirm::is_due(&waiting, &self.keep);
            if asks
                && is_due
                && let Err(error) = self.confirm(way, &mut upload, &mut asked, &mut waiting, next.as_ref())
            {
                drop(upload);
                self.dialer.observer.unwatch(track);
                // In its place, before those that follow.
                if let Some((next, _)) = next {
                    self.interrupted(next.id);
                }
                return self.broken(way, &self.unheard(asked, waiting), None, &error);
            }
            let Some((next, next_source)) = next else {
                let result = if let Some(last) = waiting.last() {
                    upload.close(&last.meter)
                } else {
                    upload.leave();
                    Ok(())
                };
                self.dialer.observer.unwatch(track);
                return match result {
                    Ok(()) => {
                        self.end(way, None, waiting.iter().map(|file| End::of(file, State::Delivered)));
                    }
                    Err(error) => self.broken(way, &waiting, None, &error),
                };
            };
            self.dialer.observer.unwatch(track);
            (job, source) = (next, next_source);
        }
    }

    /// All that was sent and not confirmed, in its order, when nothing more can be heard of it.
    fn unheard(&self, asked: Option<PendingReceipt>, waiting: Vec<Unconfirmed>) -> Vec<Unconfirmed> {
        let Some(PendingReceipt { mut files, asking, .. }) = asked else { return waiting };
        // What becomes of them has its own rows.
        self.history_writer.write(&[], asking, &*self.dialer.observer);
        files.extend(waiting);
        files
    }

    /// Asks for receipts of all that wait, after the answer to what was asked before them. While small files follow
    /// the server works on its answer, and nobody waits for it.
    fn confirm(
        &self,
        way: &Way<'_>,
        upload: &mut Upload,
        asked: &mut Option<PendingReceipt>,
        waiting: &mut Vec<Unconfirmed>,
        next: Option<&(Job, Source)>,
    ) -> Result<(), UploadError> {
        // The history may take its time.
        upload.flush()?;
        self.hear(way, upload, asked)?;
        let (Some(first), Some(last)) = (waiting.first(), waiting.last()) else { return Ok(()) };
        // A refusal must name its file.
        let alone = last.alone;
        let unknown = confirm::unknown();
        let files = waiting.iter().map(|file| (file.sent.ordinal, way.whole(file, &unknown, None)));
        let asking = self.history_writer.ask(files, self.keep.folder(), &*self.dialer.observer);
        match upload.ask(first.sent.ordinal..=last.sent.ordinal) {
            Ok(question) => *asked = Some(PendingReceipt { files: mem::take(waiting), question, asking }),
            Err(error) => {
                // What becomes of them has its own rows.
                self.history_writer.write(&[], asking, &*self.dialer.observer);
                return Err(error);
            }
        }
        match next {
            Some((_, source)) if source.size <= SMALL && !alone => Ok(()),
            _ => self.hear(way, upload, asked),
        }
    }

    /// The server has said that it refuses a file of this size: nothing of it is sent.
    fn refused_beforehand(&self, way: &Way<'_>, job: &Job, name: &str, size: u64, refused: &UploadError) {
        let state = State::Failed(refused.fault());
        let current = Current { ordinal: 0, job, name, size, meter: &Meter::default() };
        self.history_writer.write(&[way.ended(&current, None, &state)], None, &*self.dialer.observer);
        self.say(job.id, state);
    }

    /// Waits for the answer to what was asked, and says what it says.
    fn hear(
        &self,
        way: &Way<'_>,
        upload: &mut Upload,
        asked: &mut Option<PendingReceipt>,
    ) -> Result<(), UploadError> {
        let Some(batch) = asked.as_ref() else { return Ok(()) };
        let Some(last) = batch.files.last() else { return Ok(()) };
        let anchor = self.plain_receipts.as_deref();
        let confirmation = last.meter.timed(Stage::Wait, || upload.hear(&batch.question, anchor))?;
        if let Confirmation::Receipt(receipt) = &confirmation {
            let signer = SignedBy::of(&receipt.statement);
            // Once for each connection, unless another key signs.
            if way.signer.get() != Some(signer) {
                self.dialer.recognise_signer(&way.route.target, upload.anchor().or(anchor), receipt)?;
                way.signer.set(Some(signer));
            }
        }
        let Some(PendingReceipt { files: waiting, asking, .. }) = asked.take() else { return Ok(()) };
        let waiting = &waiting[..];
        let observer = &*self.dialer.observer;
        let Some(last) = waiting.last() else { return Ok(()) };
        // Its last numbers come before its final state.
        self.dialer.observer.unwatch(Track::Job(last.job.id));
        match confirmation {
            Confirmation::Answer => {
                self.end(way, asking, waiting.iter().map(|file| End::of(file, State::Delivered)));
            }
            Confirmation::Receipt(receipt) => {
                let paths = confirm::keep(&receipt, waiting, &self.keep, observer);
                // The statement has a line for each of them, in this order: it was read so.
                let lines = waiting.iter().zip(&receipt.statement.entries).zip(paths);
                let salt = receipt.salt.as_deref();
                let dialect = way.route.dialect;
                let end = |((file, entry), receipt): ((_, _), Option<PathBuf>)| {
                    let state = confirm::judge(entry, salt, file, dialect, receipt.clone());
                    End { file, state, receipt }
                };
                self.end(way, asking, lines.map(end));
            }
        }
        Ok(())
    }

    /// The next upload of this route whose file can be read; those that cannot fail here.
    fn next(&self, route: &Route) -> Option<(Job, Source)> {
        loop {
            if self.dialer.stop.is_raised() {
                return None;
            }
            let job = lock(&self.queue).take(route)?;
            match Source::open(&job.path) {
                Ok(mut source) => {
                    if self.skip_receipted && self.is_receipted(&route.target, &mut source) {
                        // Its receipt is where it was put the last time.
                        self.say(
                            job.id,
                            State::Stored { name: source.name, named: Named::Wanted, receipt: None },
                        );
                        continue;
                    }
                    return Some((job, source));
                }
                Err(fault) => self.say(job.id, State::Failed(fault)),
            }
        }
    }

    /// Whether the known server at this address gave a receipt for such a file, of this name and content.
    fn is_receipted(&self, target: &Target, source: &mut Source) -> bool {
        let Some(key) = *self.known_key.get_or_init(|| self.dialer.known_key(target)) else { return false };
        let Some(history) = self.history_writer.history(&*self.dialer.observer) else { return false };
        let Ok(digest) = source.digest() else { return false };
        history.receipted(key, &source.name, digest).unwrap_or(false)
    }

    fn say(&self, id: JobId, state: State) {
        lock(&self.queue).set(id, state.clone());
        self.dialer.observer.event(Event::State { track: Track::Job(id), state });
    }

    /// Nobody is reached on this route: all that wait for it fail alike, so that 10,000 files do
    /// not wait for 10,000 timeouts.
    fn closed_way(&self, route: &Route, first: JobId, fault: &Fault) -> Ending {
        if fault.kind == FaultKind::Interrupted {
            self.interrupted(first);
            return Ending::Idle; // It says nothing of the server.
        }
        // The seed's servers serve one connection and exit; somebody may start them again.
        let returns = self.retries > 0 && matches!(self.past, Past::Answered | Past::Away);
        if fault.kind == FaultKind::Unreachable && returns {
            return self.away(route, first);
        }
        let fault = match self.past {
            Past::GivenUp => gone(fault),
            _ => fault.clone(),
        };
        let alike: Vec<JobId> = {
            let mut queue = lock(&self.queue);
            std::iter::once(first).chain(queue.take_all(route)).collect()
        };
        let jobs: Vec<Job> = alike.iter().filter_map(|id| lock(&self.queue).job(*id)).collect();
        if let Target::Server { address, .. } = &route.target {
            let address = known::normal(address).unwrap_or_else(|| address.clone());
            self.history_writer.write_unsent(
                &address,
                &jobs,
                &State::Failed(fault.clone()),
                &*self.dialer.observer,
            );
        }
        for id in alike {
            self.say(id, State::Failed(fault.clone()));
        }
        Ending::Closed
    }

    /// A server that had answered is gone: what goes there waits.
    fn away(&self, route: &Route, first: JobId) -> Ending {
        // Asked for while nobody answered, and not to be lost in the queue.
        let cancelled = lock(&self.queue).is_cancelling(first);
        if cancelled {
            self.say(first, State::Cancelled);
        }
        let waiting = {
            let mut queue = lock(&self.queue);
            if !cancelled {
                queue.requeue(first);
            }
            queue.rest(&route.target, Instant::now() + LOOK_AGAIN);
            queue.waiting_for(&route.target)
        };
        if self.past == Past::Answered && !cancelled {
            self.dialer.observer.event(Event::State { track: Track::Job(first), state: State::Waiting });
            if let Target::Server { address, .. } = &route.target {
                self.dialer.observer.event(Event::Away { address: address.clone(), waiting });
            }
        }
        Ending::Away
    }

    /// Files that were sent whole have come to their ends: writes them down, and says so.
    fn end<'a>(&self, way: &Way<'_>, asking: Option<PendingReceipts>, ends: impl Iterator<Item = End<'a>>) {
        let ends: Vec<End<'_>> = ends.collect();
        let ended: Vec<Ended<'_>> =
            ends.iter().map(|end| way.whole(end.file, &end.state, end.receipt.as_deref())).collect();
        self.history_writer.write(&ended, asking, &*self.dialer.observer);
        drop(ended);
        for End { file, state, .. } in ends {
            self.say(file.job.id, state);
        }
    }

    /// The connection ended early, while `current` was sent or, if none, after all that wait.
    fn broken(
        &self,
        way: &Way<'_>,
        sent: &[Unconfirmed],
        current: Option<&Current<'_>>,
        error: &UploadError,
    ) {
        let fault = error.fault();
        let is_alone = sent.len() + usize::from(current.is_some()) == 1;
        let is_here = |file: &u64| {
            current.is_some_and(|current| current.ordinal == *file)
                || sent.iter().any(|sent| sent.sent.ordinal == *file)
        };
        let refused = error.refused_file().filter(is_here);
        if fault.kind == FaultKind::Refused && !is_alone && refused.is_none() {
            let mut queue = lock(&self.queue);
            let current = current.map(|current| current.job.id);
            sent.iter().map(|file| file.job.id).chain(current).for_each(|id| queue.set_apart(id));
        }
        // Where the server says which file it refuses, nothing is wrong with the others, and they go on together.
        let retries_of = |ordinal: u64| match refused {
            Some(file) if file != ordinal && !error.is_about_all() => self.retries,
            Some(_) => error.worth_retries(self.retries, true),
            None => error.worth_retries(self.retries, is_alone),
        };
        if let Some(current) = current {
            if fault.kind == FaultKind::Interrupted {
                self.interrupted(current.job.id);
            } else if !self.try_again(way.route, current.job.id, retries_of(current.ordinal), &fault) {
                let state = State::Failed(fault.clone());
                self.history_writer.write(&[way.ended(current, None, &state)], None, &*self.dialer.observer);
                self.say(current.job.id, state);
            }
        }
        // In reverse, so that requeued ones stand in their old order.
        for file in sent.iter().rev() {
            let ordinal = file.sent.ordinal;
            // What is wrong with a file here is no fault of those before it.
            let least = if fault.kind == FaultKind::Local { self.retries } else { 0 };
            let retries = retries_of(ordinal).max(least);
            let is_it = refused.map_or(current.is_none(), |file| file == ordinal);
            let fault = if is_it { fault.clone() } else { unconfirmed(&fault) };
            if error.is_interrupted() {
                self.interrupted(file.job.id);
            } else if !self.try_again(way.route, file.job.id, retries, &fault) {
                self.end(way, None, std::iter::once(End::of(file, State::Failed(fault))));
            }
        }
    }

    /// Puts an upload that was cut back into the queue, from its first byte. A server of ours keeps one
    /// copy, even when the cut came after the last.
    fn try_again(&self, route: &Route, id: JobId, retries: u32, fault: &Fault) -> bool {
        let (tries, pause) = {
            let mut queue = lock(&self.queue);
            let Some(tries) = queue.try_again(id, retries) else { return false };
            let pause = FIRST_PAUSE * (1 << (tries - 1).min(6));
            queue.rest(&route.target, Instant::now() + pause);
            (tries, pause)
        };
        self.dialer.observer.event(Event::State { track: Track::Job(id), state: State::Waiting });
        self.dialer.observer.event(Event::Retrying {
            job: id,
            tries,
            retries,
            pause_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            fault: fault.clone(),
        });
        true
    }

    /// Its connection was stopped: for its own sake, or for a neighbour's. The latter, not
    /// confirmed, goes once more; a server of ours keeps one copy.
    fn interrupted(&self, id: JobId) {
        if lock(&self.queue).is_cancelling(id) {
            return self.say(id, State::Cancelled);
        }
        lock(&self.queue).requeue(id);
        self.dialer.observer.event(Event::State { track: Track::Job(id), state: State::Waiting });
    }
}

/// A server that was waited for.
fn gone(fault: &Fault) -> Fault {
    Fault {
        kind: FaultKind::Broken,
        blame: Blame::Peer,
        what: format!("the server had answered before and did not come back: {}", fault.what),
        advice: "a server for one connection? start it again, or send all files at once".to_owned(),
    }
}

/// A file that was sent whole before its connection broke at a later one.
fn unconfirmed(cause: &Fault) -> Fault {
    Fault {
        kind: FaultKind::Broken,
        blame: cause.blame,
        what: "sent, but the connection broke before the server confirmed it".to_owned(),
        advice: "send it again; a server of upseal keeps one copy".to_owned(),
    }
}
