//! The states of files whose connection ended early.

use std::sync::Arc;
use std::sync::OnceLock;

use parking_lot::Mutex;

use super::sent::{Connection, Failure, SentFiles};
use super::{Past, Worker};
use crate::digest::FileDigest;
use crate::event::{Dialect, Event, Job, JobId, State, Target, Track, Variant};
use crate::meter::Meter;
use crate::net::Observer;
use crate::net::record::Recorder;
use crate::net::upload::{SentFile, UploadError};
use crate::transfer::confirm::{Attempt, Unconfirmed};
use crate::transfer::dialer::{Dialer, Stop};
use crate::transfer::history_writer::HistoryWriter;
use crate::transfer::queue::{Queue, Route};
use crate::transfer::receipt_files::Keep;
use crate::trust::known::KnownServers;

/// Collects the states that are reported.
#[derive(Default)]
struct Log(Mutex<Vec<(u64, State)>>);

impl Observer for Log {
    fn event(&self, event: Event) {
        if let Event::State { track: Track::Job(JobId(id)), state } = event {
            self.0.lock().push((id, state));
        }
    }
    fn watch(&self, _: Track, _: Arc<Meter>) {}
    fn unwatch(&self, _: Track) {}
    fn recorder(&self) -> Option<Arc<Recorder>> {
        None
    }
}

fn job(id: u64) -> Job {
    Job::new(JobId(id), format!("/f{id}"), Target::Embedded, Dialect::of(Variant::Cp2))
}

fn attempt(id: u64) -> Attempt {
    Attempt { job: job(id), name: format!("f{id}"), keeps_path: false, size: 1, meter: Arc::default() }
}

/// Files 1 and 2 were sent, 3 was being sent or is next, and 4 waits.
struct Scene {
    log: Arc<Log>,
    worker: Worker,
    route: Route,
}

impl Scene {
    fn new(retries: u32) -> Self {
        let route = Route { target: Target::Embedded, dialect: Dialect::of(Variant::Cp2) };
        let mut queue = Queue::default();
        for id in 1..=4 {
            assert!(queue.push(job(id)));
        }
        for _ in 1..=3 {
            queue.take(&route).unwrap();
        }
        let log = Arc::<Log>::default();
        let dialer = Dialer {
            embedded: None,
            known: KnownServers::at(None),
            meetings: crate::transfer::meetings::Meetings::default(),
            ciphertext: None,
            digest: FileDigest::Sha256,
            patience: None,
            throttle: Arc::default(),
            observer: Arc::clone(&log) as Arc<dyn Observer>,
            stop: Stop::new(),
        };
        let worker = Worker {
            number: 0,
            leads: true,
            retire: Arc::default(),
            opened: Box::new(|_| ()),
            queue: Arc::new(Mutex::new(queue)),
            dialer,
            past: Past::New,
            retries,
            keep: Keep::Nowhere,
            history_writer: HistoryWriter::new(None),
            skip_receipted: false,
            tells_meta: true,
            receipts: Arc::default(),
            known_key: OnceLock::new(),
            plain_receipts: None,
        };
        Self { log, worker, route }
    }

    fn fail(&self, failure: &Failure) {
        let connection = Connection { route: &self.route, address: None, key: None };
        let mut files = SentFiles::new(&self.worker, connection);
        for ordinal in [1, 2] {
            let sent = SentFile { ordinal, digest: None };
            let at = std::time::Instant::now();
            files.unconfirmed.push(Unconfirmed { attempt: attempt(ordinal), sent, at, alone: false });
        }
        files.fail(failure);
    }

    /// Returns the reported uploads in order, each with the kind of its state.
    fn reported(&self) -> Vec<(u64, &'static str)> {
        let kind = |(id, state): &(u64, State)| match state {
            State::Failed(_) => (*id, "failed"),
            State::Cancelled => (*id, "cancelled"),
            State::Waiting => (*id, "waiting"),
            other => panic!("{other:?}"),
        };
        self.log.0.lock().iter().map(kind).collect()
    }

    /// Returns the waiting uploads in the order in which they will be sent.
    fn waiting(&self) -> Vec<u64> {
        self.worker.queue.lock().take_all(&self.route).iter().map(|id| id.0).collect()
    }
}

fn cut() -> UploadError {
    UploadError::Cut { sent: 0, total: 1, cause: None }
}

#[test]
fn without_retries_every_file_of_a_broken_connection_fails_once() {
    let scene = Scene::new(0);
    scene.fail(&Failure::during(3, attempt(3), cut()));
    assert_eq!(scene.reported(), [(3, "failed"), (2, "failed"), (1, "failed")]);
    assert_eq!(scene.waiting(), [4]);
}

#[test]
fn with_retries_every_file_of_a_broken_connection_is_queued_again_in_its_order() {
    let scene = Scene::new(3);
    scene.fail(&Failure::during(3, attempt(3), cut()));
    assert_eq!(scene.reported(), [(3, "waiting"), (2, "waiting"), (1, "waiting")]);
    assert_eq!(scene.waiting(), [1, 2, 3, 4]);
}

#[test]
fn an_upload_that_was_not_begun_is_queued_behind_those_that_were_sent() {
    let scene = Scene::new(3);
    scene.fail(&Failure::before(Some(&job(3)), cut()));
    assert_eq!(scene.reported(), [(3, "waiting"), (2, "waiting"), (1, "waiting")]);
    assert_eq!(scene.waiting(), [1, 2, 3, 4]);
}

#[test]
fn cancelling_one_upload_of_a_connection_ends_only_that_one() {
    for failure in [
        Failure::during(3, attempt(3), UploadError::Interrupted),
        Failure::before(Some(&job(3)), UploadError::Interrupted),
    ] {
        let scene = Scene::new(3);
        scene.worker.queue.lock().cancel(JobId(2));
        scene.fail(&failure);
        assert_eq!(scene.reported(), [(3, "waiting"), (2, "cancelled"), (1, "waiting")]);
        assert_eq!(scene.waiting(), [1, 3, 4]);
    }
}
