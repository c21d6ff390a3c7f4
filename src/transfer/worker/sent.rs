//! The files of one connection, until each has a final state or is queued again.

use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Worker;
use crate::clock;
use crate::crypto::receipt::Receipt;
use crate::digest::Digest;
use crate::event::{Earlier, Fault, FaultKind, Job, JobId, Named, ServerAddress, State, Track};
use crate::history::{PendingReceipts, Receipted};
use crate::meter::Meter;
use crate::net::upload::{Confirmation, Question, Upload, UploadError};
use crate::transfer::confirm::{self, Attempt, Unconfirmed};
use crate::transfer::earlier::StoredFile;
use crate::transfer::history_writer::Ended;
use crate::transfer::queue::Route;

/// Where a connection leads.
pub(super) struct Connection<'a> {
    pub(super) route: &'a Route,
    /// The server's address; `None`: the embedded server, which records its files itself.
    pub(super) address: Option<&'a ServerAddress>,
    /// SPKI SHA-256 of the key that proved itself.
    pub(super) key: Option<Digest>,
}

impl Connection<'_> {
    fn ended<'a>(
        &'a self,
        attempt: &'a Attempt,
        digest: Option<Digest>,
        state: &'a State,
        receipt: Option<&'a Path>,
    ) -> Ended<'a> {
        Ended {
            address: self.address,
            key: self.key,
            variant: self.route.dialect.variant,
            name: &attempt.name,
            path: &attempt.job.path,
            size: attempt.size,
            digest,
            predicted_ms: attempt.job.predicted_ms,
            meter: &attempt.meter,
            state,
            receipt,
        }
    }
}

/// Files for which receipts were requested, until the server answers.
pub(super) struct PendingReceipt {
    pub(super) files: Vec<Unconfirmed>,
    pub(super) question: Question,
    /// The request as the history recorded it.
    recorded: Option<PendingReceipts>,
}

/// Why a connection ended early, and which upload it was at.
pub(super) struct Failure {
    error: UploadError,
    /// The file that was being sent, with its number in the connection.
    current: Option<(u64, Attempt)>,
    /// An upload that was taken from the queue and not begun.
    next: Option<JobId>,
}

impl Failure {
    /// While no file was being sent; `next` was taken from the queue already.
    pub(super) fn before(next: Option<&Job>, error: UploadError) -> Box<Self> {
        Box::new(Self { error, current: None, next: next.map(|job| job.id) })
    }

    /// While this file was being sent.
    pub(super) fn during(ordinal: u64, attempt: Attempt, error: UploadError) -> Box<Self> {
        Box::new(Self { error, current: Some((ordinal, attempt)), next: None })
    }
}

/// The final state of a file that was sent, and the receipt that proves it.
struct Outcome<'a> {
    file: &'a Unconfirmed,
    state: State,
    receipt: Option<PathBuf>,
}

impl<'a> Outcome<'a> {
    const fn without_receipt(file: &'a Unconfirmed, state: State) -> Self {
        Self { file, state, receipt: None }
    }
}

/// The files that were sent over one connection and have no final state yet.
pub(super) struct SentFiles<'a> {
    pub(super) worker: &'a Worker,
    pub(super) connection: Connection<'a>,
    /// Files for which no receipt was requested yet, in their order.
    pub(super) unconfirmed: Vec<Unconfirmed>,
    /// Files sent before those, whose receipt was requested.
    pub(super) pending: Option<PendingReceipt>,
    /// The upload whose progress is reported.
    watched: Option<Track>,
}

impl<'a> SentFiles<'a> {
    pub(super) const fn new(worker: &'a Worker, connection: Connection<'a>) -> Self {
        Self { worker, connection, unconfirmed: Vec::new(), pending: None, watched: None }
    }

    pub(super) fn watch(&mut self, track: Track, meter: &Arc<Meter>) {
        self.worker.dialer.observer.watch(track, Arc::clone(meter));
        self.watched = Some(track);
    }

    pub(super) fn unwatch(&mut self) {
        if let Some(track) = self.watched.take() {
            self.worker.dialer.observer.unwatch(track);
        }
    }

    /// Fails a file that the server has announced to refuse; nothing of it is sent.
    pub(super) fn refused_beforehand(&self, attempt: &Attempt, refused: &UploadError) {
        self.fail_attempt(attempt, refused.fault());
    }

    /// Records the unconfirmed files in the history, as if they had failed, before their receipt is requested.
    pub(super) fn record_pending(&self) -> Option<PendingReceipts> {
        let unknown = confirm::unknown();
        let files = self.unconfirmed.iter().map(|file| {
            let ended = self.connection.ended(&file.attempt, file.sent.digest, &unknown, None);
            (file.sent.ordinal, ended)
        });
        let Worker { history_writer, keep, dialer, .. } = self.worker;
        history_writer.record_pending(files, keep.folder(), &*dialer.observer)
    }

    /// The receipt request was sent.
    pub(super) fn requested(&mut self, question: Question, recorded: Option<PendingReceipts>) {
        self.pending = Some(PendingReceipt { files: mem::take(&mut self.unconfirmed), question, recorded });
    }

    /// Removes a recorded request that will not be answered. Its files get rows of their own.
    pub(super) fn withdraw(&self, recorded: Option<PendingReceipts>) {
        self.worker.history_writer.record(&[], recorded, &*self.worker.dialer.observer);
    }

    /// Gives the pending files the final states that the answer means.
    pub(super) fn confirmed(&mut self, confirmation: Confirmation) {
        let Some(PendingReceipt { files, recorded, .. }) = self.pending.take() else { return };
        let Some(last) = files.last() else { return };
        // Its last numbers come before its final state.
        self.worker.dialer.observer.unwatch(Track::Job(last.attempt.job.id));
        let outcomes = match confirmation {
            Confirmation::Answer => delivered(&files),
            Confirmation::Receipt(receipt) => {
                let names = files.iter().map(|file| file.attempt.name.as_str());
                let paths = self.worker.keep.write(&receipt, names, &*self.worker.dialer.observer);
                let mut outcomes = self.judge(&receipt, &files, paths);
                for outcome in &mut outcomes {
                    self.look_back(outcome);
                }
                outcomes
            }
            Confirmation::Unchecked(receipt) => {
                let mut outcomes = self.judge(&receipt, &files, vec![None; files.len()]);
                for outcome in &mut outcomes {
                    // What it admits counts. What it claims is not proved.
                    if let State::Stored { .. } = outcome.state {
                        outcome.state = State::Delivered;
                    }
                }
                outcomes
            }
        };
        self.finish(&outcomes, recorded);
    }

    /// Judges each file by its line of a receipt. `paths`: where the receipt of each file is kept.
    fn judge<'f>(
        &self,
        receipt: &Receipt,
        files: &'f [Unconfirmed],
        paths: Vec<Option<PathBuf>>,
    ) -> Vec<Outcome<'f>> {
        // The statement has a line for each file, in this order: `Upload::hear` has checked it.
        let lines = files.iter().zip(&receipt.statement.entries).zip(paths);
        let salt = receipt.salt.as_deref();
        let dialect = self.connection.route.dialect;
        let outcome = |((file, entry), receipt): ((_, _), Option<PathBuf>)| {
            let state = confirm::judge(entry, salt, file, dialect, receipt.clone());
            Outcome { file, state, receipt }
        };
        lines.map(outcome).collect()
    }

    /// Adds the earlier receipt to a file that is stored as it was before: on a server with the same key, with the same
    /// content, under the same name. Only the client's own records decide; the server's answer is the same for a new file.
    fn look_back(&self, outcome: &mut Outcome<'_>) {
        let (sent, digest) = (&outcome.file.attempt.name, outcome.file.sent.digest);
        let State::Stored { name, named, receipt, earlier } = &mut outcome.state else { return };
        let (Some(key), Some(digest)) = (self.connection.key, digest) else { return };
        let stored = StoredFile { key, digest, sent, there: name.as_str(), named: *named };
        let present = Earlier { at_ms: clock::unix_ms(), receipt: receipt.clone() };
        let remembered = self.worker.receipts.lock().remember(&stored, present);
        *earlier = remembered
            .or_else(|| {
                // The embedded server records its files itself.
                self.connection.address?;
                let history = self.worker.history_writer.history(&*self.worker.dialer.observer)?;
                // An error shows when the rows are written.
                let Receipted { at_ms, stored_name, receipt } =
                    history.receipted(key, sent, digest).ok()??;
                let is_there = match named {
                    Named::Stored => stored_name.as_deref() == Some(name.as_str()),
                    Named::Wanted => stored_name.is_none(),
                };
                is_there.then_some(Earlier { at_ms, receipt })
            })
            .map(Box::new);
    }

    /// Closes the connection in order (MODE 2). Without receipts, the server's end confirms what was sent.
    pub(super) fn close(&self, mut upload: Upload) -> Result<(), Box<Failure>> {
        if let Some(last) = self.unconfirmed.last() {
            upload.close(&last.attempt.meter).map_err(|error| Failure::before(None, error))
        } else {
            upload.leave();
            Ok(())
        }
    }

    /// The server has closed in order: everything unconfirmed is delivered.
    pub(super) fn delivered(self) {
        self.finish(&delivered(&self.unconfirmed), None);
    }

    /// The connection ended early: each file is queued again, cancelled or failed.
    pub(super) fn fail(mut self, failure: &Failure) {
        let Failure { error, current, next } = failure;
        // Before those that were sent, which are put in front of it.
        if let Some(next) = next {
            self.worker.interrupted(*next);
        }
        let sent = self.unheard();
        let fault = error.fault();
        let is_alone = sent.len() + usize::from(current.is_some()) == 1;
        let is_here = |file: &u64| {
            current.as_ref().is_some_and(|(ordinal, _)| ordinal == file)
                || sent.iter().any(|sent| sent.sent.ordinal == *file)
        };
        let refused = error.refused_file().filter(is_here);
        if fault.kind == FaultKind::Refused && !is_alone && refused.is_none() {
            let mut queue = self.worker.queue.lock();
            let current = current.as_ref().map(|(_, attempt)| attempt);
            let all = sent.iter().map(|file| &file.attempt).chain(current);
            all.for_each(|attempt| queue.set_apart(attempt.job.id));
        }
        // Where the server says which file it refuses, the others are sound and are sent together again.
        let allowed = self.worker.retries;
        let retries_of = |ordinal: u64| match refused {
            Some(file) if file != ordinal && !error.is_about_all() => allowed,
            Some(_) => error.worth_retries(allowed, true),
            None => error.worth_retries(allowed, is_alone),
        };
        let route = self.connection.route;
        if let Some((ordinal, attempt)) = current {
            let id = attempt.job.id;
            if fault.kind == FaultKind::Interrupted {
                self.worker.interrupted(id);
            } else if !self.worker.try_again(route, id, retries_of(*ordinal), &fault) {
                self.fail_attempt(attempt, fault.clone());
            }
        }
        // In reverse, so that those that are queued again keep their order.
        for file in sent.iter().rev() {
            let (ordinal, id) = (file.sent.ordinal, file.attempt.job.id);
            // A local fault of a later file does not count against those before it.
            let least = if fault.kind == FaultKind::Local { allowed } else { 0 };
            let retries = retries_of(ordinal).max(least);
            let is_it = refused.map_or(current.is_none(), |file| file == ordinal);
            let fault = if is_it { fault.clone() } else { unconfirmed(&fault) };
            if error.is_interrupted() {
                self.worker.interrupted(id);
            } else if !self.worker.try_again(route, id, retries, &fault) {
                self.finish(&[Outcome::without_receipt(file, State::Failed(fault))], None);
            }
        }
    }

    /// Takes all files that were sent and not confirmed, in their order; a pending request is withdrawn.
    fn unheard(&mut self) -> Vec<Unconfirmed> {
        let unconfirmed = mem::take(&mut self.unconfirmed);
        let Some(PendingReceipt { mut files, recorded, .. }) = self.pending.take() else {
            return unconfirmed;
        };
        self.withdraw(recorded);
        files.extend(unconfirmed);
        files
    }

    /// Records and reports a failed file that was not sent whole.
    fn fail_attempt(&self, attempt: &Attempt, fault: Fault) {
        let state = State::Failed(fault);
        let ended = self.connection.ended(attempt, None, &state, None);
        self.worker.history_writer.record(&[ended], None, &*self.worker.dialer.observer);
        self.worker.set_state(attempt.job.id, state);
    }

    /// Records and reports final states; the rows replace the recorded request.
    fn finish(&self, outcomes: &[Outcome<'_>], recorded: Option<PendingReceipts>) {
        let ended: Vec<Ended<'_>> = outcomes
            .iter()
            .map(|Outcome { file, state, receipt }| {
                self.connection.ended(&file.attempt, file.sent.digest, state, receipt.as_deref())
            })
            .collect();
        self.worker.history_writer.record(&ended, recorded, &*self.worker.dialer.observer);
        for Outcome { file, state, .. } in outcomes {
            self.worker.set_state(file.attempt.job.id, state.clone());
        }
    }
}

fn delivered(files: &[Unconfirmed]) -> Vec<Outcome<'_>> {
    files.iter().map(|file| Outcome::without_receipt(file, State::Delivered)).collect()
}

/// The fault of a file that was sent whole before the connection broke at a later file.
fn unconfirmed(cause: &Fault) -> Fault {
    Fault::broken("sent, but the connection broke before the server confirmed it")
        .with_blame(cause.blame)
        .with_advice("send it again; an upseal server keeps one copy")
}
