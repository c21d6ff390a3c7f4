//! One connection and its uploads, on the worker thread.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::confirm::{self, Keep, Unconfirmed};
use super::journal::{Ended, Journal};
use super::queue::{Queue, Route};
use super::recognise::{self, Stranger};
use crate::digest::Digest;
use crate::escape::escape;
use crate::event::{
    Blame, Dialect, Event, Expected, Fault, FaultKind, Job, JobId, NameAs, Proof, Standing, State, Target,
    Track, Variant,
};
use crate::meter::{Meter, Stage};
use crate::net::Observer;
use crate::net::connection::Connection;
use crate::net::receive::is_race;
use crate::net::stream::{Interrupter, Stream, Tcp};
use crate::net::upload::{Confirmation, Proven, SEND_PATIENCE, Upload, UploadError};
use crate::store::Store;
use crate::trust::Anchor;
use crate::trust::known::{self, KnownServers};

/// How long a server may take to accept a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);

/// The embedded server, as the worker reaches it.
#[derive(Clone)]
pub struct Embedded {
    /// `ip:port`.
    pub address: String,
    /// Its throwaway CA.
    pub anchor: Arc<Anchor>,
}

/// Stops whatever a worker is at: a wait for a connection, or the connection itself.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    handle: Interrupter,
    stream: Arc<Mutex<Option<Interrupter>>>,
}

impl Stop {
    /// One that was not raised.
    #[must_use]
    pub fn new() -> Self {
        let stream: Arc<Mutex<Option<Interrupter>>> = Arc::default();
        let current = Arc::clone(&stream);
        let handle = Interrupter::new(move || {
            if let Some(stream) = &*lock(&current) {
                stream.interrupt();
            }
        });
        Self { handle, stream }
    }

    /// Raises it.
    pub fn interrupt(&self) {
        self.handle.interrupt();
    }

    /// Whether it was raised.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.handle.is_raised()
    }

    /// From now on it also stops this stream; at once, if it was raised before.
    fn attach(&self, stream: &dyn Stream) {
        *lock(&self.stream) = Some(stream.interrupter());
        if self.is_raised() {
            self.handle.interrupt();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these locks hold is sound between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the way to a server: connects, lets it prove itself, agrees on a key.
pub struct Dialer {
    /// Known once the embedded server listens.
    pub embedded: Option<Embedded>,
    /// Which key answered where before; never asked about the embedded server.
    pub known: KnownServers,
    /// Where the bodies of uploads go besides, encrypted; a race's go nowhere.
    pub ciphertext: Option<Arc<dyn Store>>,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
    /// Stops all of it.
    pub stop: Stop,
}

impl Dialer {
    /// Connects, lets the server prove itself, and recognises it; says how far it is on `track`.
    ///
    /// # Errors
    /// A [`Fault`]; nothing of a file was sent.
    pub fn open(
        &self,
        target: &Target,
        dialect: Dialect,
        track: Track,
    ) -> Result<(Upload, Option<Proof>), Fault> {
        let (address, anchor) = self.resolve(target, dialect.variant)?;
        let known_bits = self.known_bits(target, anchor.as_deref())?;
        let unreachable = |e: &io::Error| match e.kind() {
            io::ErrorKind::Interrupted => UploadError::Interrupted.fault(),
            _ => Fault {
                kind: FaultKind::Unreachable,
                blame: Blame::Peer,
                what: format!("cannot connect to {address}: {e}"),
                advice: "is the server running, and is the address right?".to_owned(),
            },
        };
        let stream =
            Tcp::connect(&address, CONNECT_PATIENCE, &self.stop.handle).map_err(|e| unreachable(&e))?;
        self.stop.attach(&stream);
        let mut connection = Connection::new(Box::new(stream), SEND_PATIENCE);
        if dialect.variant == Variant::Cp1 {
            connection.buffer_little();
        }
        let mut upload = Upload::new(connection, dialect);
        if let (Track::Job(_), Some(store)) = (track, &self.ciphertext) {
            upload.keep_ciphertext(Arc::clone(store));
        }
        let Some(anchor) = anchor else { return Ok((upload, None)) };

        self.observer.event(Event::State { track, state: State::Proving });
        let proven = upload.prove(&anchor, known_bits).map_err(|e| e.fault())?;
        let standing = self.recognise(target, &anchor, &proven, track).inspect_err(|_| upload.leave())?;
        let proof = proven.proof;
        self.observer.event(Event::Proven { track, address, proof: proof.clone(), standing });
        if dialect.variant == Variant::Cp2 {
            upload.agree().map_err(|e| e.fault())?;
        }
        Ok((upload, Some(proof)))
    }

    /// Of a server's known key. What cannot be read, or is no pin, is said before anybody is asked.
    fn known_bits(&self, target: &Target, anchor: Option<&Anchor>) -> Result<Option<usize>, Fault> {
        match (target, anchor) {
            (Target::Server { address, expected, .. }, Some(anchor)) => {
                recognise::pin(expected)?;
                self.known.bits(address, anchor.fingerprint()).map_err(|e| recognise::unreadable(&e))
            }
            _ => Ok(None),
        }
    }

    /// Which key is known of a server, under the CA that it is reached with.
    fn known_key(&self, target: &Target) -> Option<Digest> {
        let Target::Server { address, ca: Some(ca), .. } = target else { return None };
        let (address, ca) = (known::normal(address)?, Anchor::load(ca).ok()?.fingerprint());
        let known = self.known.list().ok()?;
        known.into_iter().find(|entry| entry.address == address && entry.ca == ca).map(|entry| entry.key)
    }

    fn recognise(
        &self,
        target: &Target,
        anchor: &Anchor,
        proven: &Proven,
        track: Track,
    ) -> Result<Standing, Fault> {
        match target {
            Target::Embedded => Ok(Standing::Own),
            Target::Server { address, expected, .. } => {
                Stranger { track, address, ca: anchor.fingerprint(), proven, expected }
                    .recognise(&self.known, &*self.observer)
            }
        }
    }

    /// The address, and for all but Plain the CA.
    fn resolve(&self, target: &Target, variant: Variant) -> Result<(String, Option<Arc<Anchor>>), Fault> {
        let usage = |what: String, advice: &str| Fault {
            kind: FaultKind::Usage,
            blame: Blame::User,
            what,
            advice: advice.to_owned(),
        };
        match target {
            Target::Embedded => {
                let embedded = self.embedded.as_ref().ok_or_else(|| Fault {
                    kind: FaultKind::Unreachable,
                    blame: Blame::System,
                    what: "there is no embedded server".to_owned(),
                    advice: "see the log, or connect to another server".to_owned(),
                })?;
                let anchor = variant.authenticates().then(|| Arc::clone(&embedded.anchor));
                Ok((embedded.address.clone(), anchor))
            }
            Target::Server { address, ca, expected } => {
                if !variant.authenticates() {
                    // Whoever names a pin must not be left to believe that it was compared.
                    return if *expected == Expected::default() {
                        Ok((address.clone(), None))
                    } else {
                        Err(usage(
                            format!("{variant} proves nothing, so no pin and no CN can be compared"),
                            "take another protocol, or leave out --pin and --expect",
                        ))
                    };
                }
                let Some(ca) = ca else {
                    return Err(usage(
                        format!("{variant} needs the CA that signed the server's certificate"),
                        "name its file with --ca, or in the connect dialog",
                    ));
                };
                let anchor =
                    Anchor::load(ca).map_err(|e| usage(e.to_string(), "name the CA's certificate, PEM"))?;
                Ok((address.clone(), Some(Arc::new(anchor))))
            }
        }
    }
}

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
    pub journal: Journal,
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

/// An open connection.
struct Way<'a> {
    route: &'a Route,
    /// SPKI SHA-256 of the key that proved itself.
    key: Option<Digest>,
}

impl Way<'_> {
    fn ended<'a>(&'a self, file: &Current<'a>, digest: Option<Digest>, state: &'a State) -> Ended<'a> {
        Ended {
            target: &self.route.target,
            key: self.key,
            variant: self.route.dialect.variant,
            name: file.name,
            path: &file.job.path,
            size: file.size,
            digest,
            meter: file.meter,
            state,
        }
    }
}

/// A file on its way.
struct Current<'a> {
    job: &'a Job,
    name: &'a str,
    size: u64,
    meter: &'a Meter,
}

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
                self.send(&Way { route, key }, upload, first, source);
                Ending::Answered
            }
            Err(fault) => self.closed_way(route, first.id, &fault),
        }
    }

    /// Sends this upload and those that follow it.
    fn send(&self, way: &Way<'_>, mut upload: Upload, first: Job, mut source: Source) {
        let route = way.route;
        let asks = match route.dialect.variant {
            Variant::Plain => self.plain_receipts.is_some(),
            _ => upload.gives_receipts(),
        };
        let mut job = first;
        let mut waiting: Vec<Unconfirmed> = Vec::new();
        loop {
            let meter = Arc::new(Meter::default());
            self.say(job.id, State::Sending);
            self.dialer.observer.watch(Track::Job(job.id), Arc::clone(&meter));
            let name = match route.dialect.name_as {
                NameAs::Base => source.name.clone(),
                NameAs::Path => job.path.to_string_lossy().into_owned(),
            };
            let sent = match upload.file(&name, &mut source.file, source.size, &meter) {
                Ok(sent) => sent,
                Err(error) => {
                    drop(upload); // The reset reaches the server before we say that it failed.
                    self.dialer.observer.unwatch(Track::Job(job.id));
                    let current = Current { job: &job, name: &name, size: source.size, meter: &meter };
                    return self.broken(way, &waiting, Some(&current), &error);
                }
            };
            self.say(job.id, State::Sent);
            let alone = lock(&self.queue).tries(job.id) > 0;
            let (track, size, at) = (Track::Job(job.id), source.size, Instant::now());
            waiting.push(Unconfirmed { job, name, size, sent, meter, at, alone });
            let next = self.next(route);
            if asks && (next.is_none() || confirm::is_due(&waiting, &self.keep)) {
                if let Err(error) = self.confirm(way, &mut upload, &waiting) {
                    drop(upload);
                    self.dialer.observer.unwatch(track);
                    // In its place, before those that follow.
                    if let Some((next, _)) = next {
                        self.interrupted(next.id);
                    }
                    return self.broken(way, &waiting, None, &error);
                }
                waiting.clear();
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
                    Ok(()) => self.end(way, waiting.iter().map(|file| (file, State::Delivered))),
                    Err(error) => self.broken(way, &waiting, None, &error),
                };
            };
            self.dialer.observer.unwatch(track);
            (job, source) = (next, next_source);
        }
    }

    /// Asks for receipts of all that wait, and says what they say.
    fn confirm(
        &self,
        way: &Way<'_>,
        upload: &mut Upload,
        waiting: &[Unconfirmed],
    ) -> Result<(), UploadError> {
        let (Some(first), Some(last)) = (waiting.first(), waiting.last()) else { return Ok(()) };
        let files = first.sent.ordinal..=last.sent.ordinal;
        let confirmation =
            last.meter.timed(Stage::Wait, || upload.receipts(files, self.plain_receipts.as_deref()))?;
        // Its last numbers come before its final state.
        self.dialer.observer.unwatch(Track::Job(last.job.id));
        match confirmation {
            Confirmation::Answer => self.end(way, waiting.iter().map(|file| (file, State::Delivered))),
            Confirmation::Receipt(receipt) => {
                let paths = confirm::keep(&receipt, waiting, &self.keep, &*self.dialer.observer);
                // The statement has a line for each of them, in this order: it was read so.
                let lines = waiting.iter().zip(&receipt.statement.entries).zip(paths);
                let salt = receipt.salt.as_deref();
                let dialect = way.route.dialect;
                self.end(
                    way,
                    lines.map(|((file, entry), path)| {
                        (file, confirm::judge(entry, salt, file, dialect, path))
                    }),
                );
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
                        self.say(job.id, State::Stored { name: source.name, receipt: None });
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
        let Some(ledger) = self.journal.ledger(&*self.dialer.observer) else { return false };
        let Ok(digest) = source.digest() else { return false };
        ledger.receipted(key, &source.name, digest).unwrap_or(false)
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
            return Ending::Closed;
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
        self.say(first, State::Failed(fault.clone()));
        let alike = lock(&self.queue).take_all(route);
        for id in alike {
            self.say(id, State::Failed(fault.clone()));
        }
        Ending::Closed
    }

    /// A server that had answered is gone: what goes there waits.
    fn away(&self, route: &Route, first: JobId) -> Ending {
        let waiting = {
            let mut queue = lock(&self.queue);
            queue.requeue(first);
            queue.rest(&route.target, Instant::now() + LOOK_AGAIN);
            queue.waiting_for(&route.target)
        };
        if self.past == Past::Answered {
            self.dialer.observer.event(Event::State { track: Track::Job(first), state: State::Waiting });
            if let Target::Server { address, .. } = &route.target {
                self.dialer.observer.event(Event::Away { address: address.clone(), waiting });
            }
        }
        Ending::Away
    }

    /// Files that were sent whole have come to their ends: writes them down, and says so.
    fn end<'a>(&self, way: &Way<'_>, files: impl Iterator<Item = (&'a Unconfirmed, State)>) {
        let ends: Vec<(&Unconfirmed, State)> = files.collect();
        let ended: Vec<Ended<'_>> = ends
            .iter()
            .map(|(file, state)| {
                let current =
                    Current { job: &file.job, name: &file.name, size: file.size, meter: &file.meter };
                way.ended(&current, Some(file.sent.digest), state)
            })
            .collect();
        self.journal.write(&ended, &*self.dialer.observer);
        drop(ended);
        for (file, state) in ends {
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
        let retries = error.worth_retries(self.retries);
        if let Some(current) = current {
            if fault.kind == FaultKind::Interrupted {
                self.interrupted(current.job.id);
            } else if !self.try_again(way.route, current.job.id, retries, &fault) {
                let state = State::Failed(fault.clone());
                self.journal.write(&[way.ended(current, None, &state)], &*self.dialer.observer);
                self.say(current.job.id, state);
            }
        }
        // In reverse, so that requeued ones stand in their old order.
        for file in sent.iter().rev() {
            let fault = if current.is_none() { fault.clone() } else { unconfirmed(&fault) };
            if error.is_interrupted() {
                self.interrupted(file.job.id);
            } else if !self.try_again(way.route, file.job.id, retries, &fault) {
                self.end(way, std::iter::once((file, State::Failed(fault))));
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

/// A local file, opened.
pub struct Source {
    /// The last part of its path, as it goes into MODE 0.
    pub name: String,
    /// At its beginning.
    pub file: File,
    /// Its size when it was opened.
    pub size: u64,
}

impl Source {
    /// SHA-256 of all of it; it is at its beginning again.
    fn digest(&mut self) -> io::Result<Digest> {
        let mut hash = Sha256::new();
        let mut chunk = vec![0; 256 << 10];
        loop {
            match self.file.read(&mut chunk)? {
                0 => break,
                n => hash.update(&chunk[..n]),
            }
        }
        self.file.rewind()?;
        Ok(hash.into())
    }

    /// Opens a regular file whose name can be sent.
    ///
    /// # Errors
    /// A [`Fault`] of kind `Local`.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let local = |what: String, advice: &str| Fault {
            kind: FaultKind::Local,
            blame: Blame::User,
            what,
            advice: advice.to_owned(),
        };
        let shown = escape(&path.to_string_lossy()).to_string();
        let Some(name) = path.file_name() else {
            return Err(local(format!("{shown} is not a file"), "name a file"));
        };
        let Some(name) = name.to_str() else {
            return Err(local(
                format!("the name of {shown} is not UTF-8, which the protocol demands"),
                "rename it",
            ));
        };
        if is_race(name) {
            return Err(local(
                format!(
                    "{shown} is named like a lane of a race, which upseal's servers measure and do not keep"
                ),
                "rename it",
            ));
        }
        // Opening a FIFO would wait for a writer; so look first.
        let kind = std::fs::metadata(path).map_err(|e| local(format!("cannot read {shown}: {e}"), ""))?;
        if !kind.is_file() {
            let advice = if kind.is_dir() { "name the files in it" } else { "only files can be sent" };
            return Err(local(format!("{shown} is not a regular file"), advice));
        }
        let file = File::open(path).map_err(|e| local(format!("cannot read {shown}: {e}"), ""))?;
        let size = file.metadata().map_err(|e| local(format!("cannot read {shown}: {e}"), ""))?.len();
        Ok(Self { name: name.to_owned(), file, size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_regular_file_with_a_name_that_can_be_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b.txt");
        std::fs::write(&path, b"hello").unwrap();
        let source = Source::open(&path).unwrap();
        assert_eq!((source.name.as_str(), source.size), ("a b.txt", 5));

        let race = folder.path().join("race-cp1-notes.txt");
        std::fs::write(&race, b"kept nowhere").unwrap();
        for bad in [folder.path(), &folder.path().join("none"), Path::new("/"), Path::new("/dev/null"), &race]
        {
            let fault = Source::open(bad).err().unwrap_or_else(|| panic!("{} opened", bad.display()));
            assert_eq!(fault.kind, FaultKind::Local);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_is_not_utf8_is_refused_before_anything_is_sent() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"/tmp/\xff\xfe"));
        assert!(Source::open(path).err().unwrap().what.contains("not UTF-8"));
    }

    #[test]
    fn a_stop_that_was_raised_before_stops_what_is_attached_later() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = Stop::new();
        let tcp = Tcp::connect(&address, Duration::from_secs(5), &stop.handle).unwrap();
        stop.interrupt();
        stop.attach(&tcp);
        assert!(tcp.interrupter().is_raised());
        assert_eq!(
            Tcp::connect(&address, Duration::from_secs(5), &stop.handle).map(|_| ()).map_err(|e| e.kind()),
            Err(io::ErrorKind::Interrupted),
            "although there is a server"
        );
    }
}
