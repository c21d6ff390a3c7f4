//! One connection to a server, from the first file to the last answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::Worker;
use super::sent::{Connection, Failure, SentFiles};
use crate::digest::FileDigest;
use crate::event::{Event, Job, NameAs, State, Track, Variant};
use crate::messages::transfer as messages;
use crate::messages::trust::receipts_unchecked;
use crate::meter::{Meter, Stage};
use crate::net::upload::{Confirmation, Upload, UploadError};
use crate::store::Meta;
use crate::transfer::confirm::{self, Attempt, Unconfirmed};
use crate::transfer::source::Source;
use crate::trust::known::SignedBy;

/// Bytes of the largest file that may be sent while the answer to a receipt request is outstanding.
const SMALL: u64 = 1 << 20;
/// Bytes of a file before which everything that was sent is confirmed, because the next answer comes only after it.
const LARGE: u64 = 16 << 20;

/// An open connection, and the files that were sent over it.
pub(super) struct Conversation<'a> {
    upload: Upload,
    files: SentFiles<'a>,
    /// Whether receipts are requested; without them the server's orderly end confirms the files.
    asks: bool,
    /// The key that signed the last accepted receipt.
    signer: Option<SignedBy>,
    /// Files of folders that were sent by their names alone.
    flat: Flat,
}

/// Files of folders that were sent by their names alone: the path of each by its name.
#[derive(Debug, Default)]
struct Flat(HashMap<String, String>);

impl Flat {
    /// Adds a file, and returns the messages about it.
    fn take(&mut self, path: &str) -> Vec<String> {
        let (folder, name) = path.rsplit_once('/').unwrap_or_default();
        let mut messages = Vec::new();
        if self.0.is_empty() {
            messages.push(messages::flattened(folder.split('/').next().unwrap_or(folder)));
        }
        match self.0.get(name) {
            // Tried again.
            Some(first) if first == path => {}
            Some(first) => messages.push(messages::same_name(first, path)),
            None => drop(self.0.insert(name.to_owned(), path.to_owned())),
        }
        messages
    }
}

impl<'a> Conversation<'a> {
    pub(super) fn new(worker: &'a Worker, connection: Connection<'a>, upload: Upload) -> Self {
        let gives_receipts = match connection.route.dialect.variant {
            Variant::Plain => worker.plain_receipts.is_some(),
            _ => upload.gives_receipts(),
        };
        let asks = gives_receipts && worker.dialer.digest == FileDigest::Sha256;
        Self { upload, files: SentFiles::new(worker, connection), asks, signer: None, flat: Flat::default() }
    }

    /// Sends this upload and those that follow it, and gives each its final state or puts it back into the queue.
    pub(super) fn run(mut self, job: Job, source: Source) {
        let sent = self.send_all(job, source);
        let Self { upload, mut files, .. } = self;
        let ended = match sent {
            Ok(()) => files.close(upload),
            Err(failure) => {
                drop(upload); // The reset reaches the server before the failure is reported.
                Err(failure)
            }
        };
        files.unwatch();
        match ended {
            Ok(()) => files.delivered(),
            Err(failure) => files.fail(&failure),
        }
    }

    fn send_all(&mut self, mut job: Job, mut source: Source) -> Result<(), Box<Failure>> {
        let worker = self.files.worker;
        let route = self.files.connection.route;
        loop {
            // The answer must not wait for a large file.
            if source.size > SMALL {
                self.hear().map_err(|error| Failure::before(Some(&job), error))?;
            }
            // With receipts an upload is confirmed by itself; without them its connection must be its own.
            let is_apart = !self.asks && worker.queue.lock().is_apart(job.id);
            self.send(job, &source)?;
            let next = if is_apart { None } else { worker.next(route) };
            let is_last = next.as_ref().is_none_or(|(_, source)| source.size > LARGE);
            if self.asks && (is_last || confirm::is_due(&self.files.unconfirmed, &worker.keep)) {
                let following = next.as_ref();
                self.ask(following.map(|(_, source)| source))
                    .map_err(|error| Failure::before(following.map(|(job, _)| job), error))?;
            }
            let Some(next) = next else { return Ok(()) };
            self.files.unwatch();
            (job, source) = next;
        }
    }

    /// Sends one file: MODE 0 and MODE 1. A file that the server has announced to refuse fails without being sent.
    fn send(&mut self, job: Job, source: &Source) -> Result<(), Box<Failure>> {
        let worker = self.files.worker;
        let path = job.name.clone().filter(|path| path.contains('/'));
        let name_as = self.files.connection.route.dialect.name_as;
        let (name, keeps_path) = match (name_as, path) {
            (NameAs::Path, _) => (job.path.to_string_lossy().into_owned(), false),
            (NameAs::Base, Some(path)) if self.upload.keeps_paths() => (path, true),
            (NameAs::Base, path) => {
                for text in path.map(|path| self.flat.take(&path)).unwrap_or_default() {
                    worker.dialer.observer.event(Event::Note { text });
                }
                (source.name.clone(), false)
            }
        };
        let meta = if worker.tells_meta { source.meta } else { Meta::default() };
        let sent_as = match name_as {
            NameAs::Path => name.clone(),
            NameAs::Base => self.upload.described(&name, meta),
        };
        let refused = self.upload.refuse_file(&sent_as, source.size);
        let attempt = Attempt { job, name, keeps_path, size: source.size, meter: Arc::new(Meter::default()) };
        if let Some(refused) = refused {
            self.files.refused_beforehand(&attempt, &refused);
            return Ok(());
        }
        let id = attempt.job.id;
        worker.set_state(id, State::Sending);
        self.files.watch(Track::Job(id), &attempt.meter);
        match self.upload.file(&sent_as, source.content(), attempt.size, &attempt.meter) {
            Ok(sent) => {
                worker.set_state(id, State::Sent);
                let alone = worker.queue.lock().tries(id) > 0;
                self.files.unconfirmed.push(Unconfirmed { attempt, sent, at: Instant::now(), alone });
                Ok(())
            }
            Err(error) => Err(Failure::during(self.upload.files(), attempt, error)),
        }
    }

    /// Requests receipts for all unconfirmed files, after the answer to the request before this one. While small files
    /// follow, the server works on its answer and the worker goes on.
    fn ask(&mut self, following: Option<&Source>) -> Result<(), UploadError> {
        // Writing to the history may take a while.
        self.upload.flush()?;
        self.hear()?;
        let (Some(first), Some(last)) = (self.files.unconfirmed.first(), self.files.unconfirmed.last())
        else {
            return Ok(());
        };
        // A refusal must name its file.
        let alone = last.alone;
        let ordinals = first.sent.ordinal..=last.sent.ordinal;
        let recorded = self.files.record_pending();
        match self.upload.ask(ordinals) {
            Ok(question) => self.files.requested(question, recorded),
            Err(error) => {
                self.files.withdraw(recorded);
                return Err(error);
            }
        }
        match following {
            Some(source) if source.size <= SMALL && !alone => Ok(()),
            _ => self.hear(),
        }
    }

    /// Waits for the answer to the pending receipt request, if there is one, and gives its files their final states.
    fn hear(&mut self) -> Result<(), UploadError> {
        let worker = self.files.worker;
        let Some(pending) = &self.files.pending else { return Ok(()) };
        let Some(last) = pending.files.last() else { return Ok(()) };
        let anchor = worker.plain_receipts.as_deref();
        let meter = &last.attempt.meter;
        let confirmation = meter.timed(Stage::Wait, || self.upload.hear(&pending.question, anchor))?;
        if let Confirmation::Receipt(receipt) = &confirmation {
            let signer = SignedBy::of(&receipt.statement);
            // Once for each connection, unless another key signs.
            if self.signer != Some(signer) {
                let anchor = self.upload.anchor().or(anchor);
                let target = &self.files.connection.route.target;
                worker.dialer.recognise_signer(target, anchor, receipt)?;
                self.signer = Some(signer);
            }
        }
        if let Confirmation::Unchecked(receipt) = &confirmation {
            let signer = SignedBy::of(&receipt.statement);
            if self.signer.replace(signer) != Some(signer) {
                let text = receipts_unchecked(&self.files.connection.route.target);
                worker.dialer.observer.event(Event::Note { text });
            }
        }
        self.files.confirmed(confirmation);
        Ok(())
    }
}
