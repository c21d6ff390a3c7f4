//! Common parts of the integration tests: a server with a folder, a client and its events, and peers that are only a
//! socket.
//!
//! Nothing here sleeps. Every wait is for a channel or a socket, and at most [`PATIENCE`] long.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test program uses its own part")]

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use rustix::net::sockopt;
use tempfile::TempDir;
use upseal::event::{
    Command, Dialect, Event, Framing, Job, JobId, Kept, KeyForm, Padding, State, Target, Track, Variant,
};
use upseal::testing::net::{Heard, REFUSED, hear};
use upseal::{
    Anchor, Connection, Content, Digest, EmbeddedOptions, Folder, Identity, Incoming, Interrupter,
    KnownServers, Lifetime, Meter, Observer, Options, PaddingBudget, Pending, Policy, Published, Server,
    Service, Start, Store, StoreError, Stream, Tcp, Ticket, Transfer,
};

/// Longest wait before a test fails; a test that passes never waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of the server's modulus: RSA-1024, as in the course's certificates.
pub(crate) const K: usize = 128;

/// Bytes of a file that does not fit into the kernel's buffers.
pub(crate) const BIG: u64 = 32 << 20;

/// Any free port on loopback.
pub(crate) const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Identity of the server in all tests.
pub(crate) static IDENTITY: LazyLock<Arc<Identity>> =
    LazyLock::new(|| Arc::new(Identity::load(&fixtures("identity-v1")).unwrap()));

/// Made by OpenSSL (`tests/fixtures/make.sh`).
pub(crate) fn fixtures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Returns a folder for received files, in memory where that is possible: thousands of files are synced, and the disk is
/// not under test.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// The CA that signed [`IDENTITY`].
pub(crate) fn ca() -> PathBuf {
    fixtures("identity-v1/cacsertificate.crt")
}

/// Every way to send a file.
pub(crate) fn dialects() -> Vec<Dialect> {
    let mut all = vec![Dialect::of(Variant::Plain), Dialect::of(Variant::Ap)];
    for padding in [Padding::Oaep, Padding::Pkcs1v15] {
        for framing in [Framing::A, Framing::B, Framing::C, Framing::D, Framing::E, Framing::F] {
            all.push(Dialect { padding, framing, ..Dialect::of(Variant::Cp1) });
        }
        all.push(Dialect { padding, ..Dialect::of(Variant::Cp2) });
        all.push(Dialect { padding, key_form: KeyForm::Raw, ..Dialect::of(Variant::Cp2) });
    }
    all
}

/// Returns pseudo-random bytes that depend on `seed` only.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // xorshift64*, Vigna 2016.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

// ---- Events

/// Events of a server or client, in order.
pub(crate) struct Events {
    receiver: Receiver<Event>,
    /// Every event that was received, in order.
    pub seen: Vec<Event>,
}

impl Events {
    fn new(receiver: Receiver<Event>) -> Self {
        Self { receiver, seen: Vec::new() }
    }

    /// Waits for the next event.
    pub(crate) fn next(&mut self) -> Event {
        match self.receiver.recv_timeout(PATIENCE) {
            Ok(event) => {
                self.seen.push(event.clone());
                event
            }
            Err(error) => panic!("{error} after {:#?}", self.without_progress()),
        }
    }

    /// Waits for the first event from now on that is wanted.
    pub(crate) fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.next();
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Takes the events that have come already.
    pub(crate) fn catch_up(&mut self) {
        self.seen.extend(self.receiver.try_iter());
    }

    /// Takes events until every sender is gone.
    pub(crate) fn drain(&mut self) {
        loop {
            match self.receiver.recv_timeout(PATIENCE) {
                Ok(event) => self.seen.push(event),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(error) => panic!("{error} after {:#?}", self.without_progress()),
            }
        }
    }

    fn without_progress(&self) -> Vec<&Event> {
        self.seen.iter().filter(|event| !matches!(event, Event::Progress { .. })).collect()
    }

    /// Returns the states of one upload or lane, in order.
    pub(crate) fn states(&self, of: Track) -> Vec<State> {
        let states = self.seen.iter().filter_map(|event| match event {
            Event::State { track, state } if *track == of => Some(state.clone()),
            _ => None,
        });
        states.collect()
    }

    /// Returns the lines of the server's refusals.
    pub(crate) fn refusals(&self) -> Vec<String> {
        let lines = self.seen.iter().filter_map(|event| match event {
            Event::Refused { why, .. } => Some(why.clone()),
            _ => None,
        });
        lines.collect()
    }

    /// Counts the events of a kind.
    pub(crate) fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.seen.iter().filter(|event| wanted(event)).count()
    }

    /// Returns name, size, digest, variant and outcome of the received files.
    pub(crate) fn received(&self) -> Vec<Receipt> {
        let received = self.seen.iter().filter_map(|event| match event {
            Event::Received { name, size, digest, variant, kept, .. } => Some(Receipt {
                name: name.to_string(),
                size: *size,
                digest: digest.clone().unwrap_or_default(),
                variant: *variant,
                kept: *kept,
            }),
            _ => None,
        });
        received.collect()
    }
}

/// A received file, as the server reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub name: String,
    pub size: u64,
    pub digest: String,
    pub variant: Variant,
    pub kept: Kept,
}

impl Receipt {
    /// A file whose name was free.
    pub(crate) fn new(name: &str, content: &[u8], variant: Variant) -> Self {
        let digest = Digest::of(content).to_string();
        Self { name: name.to_owned(), size: content.len() as u64, digest, variant, kept: Kept::New }
    }
}

pub(crate) fn is_closed(event: &Event) -> bool {
    matches!(event, Event::SessionClosed { .. })
}

pub(crate) fn is_opened(event: &Event) -> bool {
    matches!(event, Event::SessionOpened { .. })
}

/// Returns whether an event is the end of this upload.
pub(crate) fn is_final(id: u64) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::State { track, state } if *track == job_track(id) && state.is_final())
}

/// Returns whether an event is this state of this upload.
pub(crate) fn is_state(id: u64, wanted: State) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::State { track, state } if *track == job_track(id) && *state == wanted)
}

pub(crate) fn job_track(id: u64) -> Track {
    Track::Job(JobId(id))
}

/// Meters of a server, from its first file on.
type Meters = Arc<Mutex<Vec<Arc<Meter>>>>;

/// Observer that forwards a server's events and keeps its meters.
struct Collect(Sender<Event>, Meters);

impl Observer for Collect {
    fn event(&self, event: Event) {
        let _ = self.0.send(event);
    }

    fn watch(&self, _track: Track, meter: Arc<Meter>) {
        self.1.lock().unwrap().push(meter);
    }

    fn unwatch(&self, _track: Track) {}

    fn recorder(&self) -> Option<Arc<upseal::testing::net::Recorder>> {
        None
    }
}

// ---- A server

/// An upseal server, its folder and its events.
pub(crate) struct Host {
    pub events: Events,
    address: SocketAddr,
    gate: Arc<Gate>,
    meters: Meters,
    server: Option<Server>,
    folder: TempDir,
}

impl Host {
    pub(crate) fn start() -> Self {
        Self::with(Policy::default())
    }

    pub(crate) fn with(policy: Policy) -> Self {
        Self::of(policy, Some(Arc::clone(&IDENTITY)))
    }

    pub(crate) fn of(policy: Policy, identity: Option<Arc<Identity>>) -> Self {
        Self::keeping(policy, identity, None)
    }

    /// Starts a server that also keeps ciphertext.
    pub(crate) fn keeping(
        policy: Policy,
        identity: Option<Arc<Identity>>,
        ciphertext: Option<Arc<dyn Store>>,
    ) -> Self {
        Self::listening(TcpListener::bind(ANYWHERE).unwrap(), policy, identity, ciphertext)
    }

    /// Starts a server at this address, where none listens.
    pub(crate) fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        Self::listening(listener, Policy::default(), Some(Arc::clone(&IDENTITY)), None)
    }

    fn listening(
        listener: TcpListener,
        policy: Policy,
        identity: Option<Arc<Identity>>,
        ciphertext: Option<Arc<dyn Store>>,
    ) -> Self {
        let folder = scratch();
        let (sender, receiver) = unbounded();
        let (gate, meters) = (Arc::new(Gate::default()), Meters::default());
        let store = Gated { inner: Folder::open(folder.path()).unwrap(), gate: Arc::clone(&gate) };
        let service = Service {
            policy,
            identity,
            store: Arc::new(store),
            ciphertext,
            history: None,
            budget: PaddingBudget::default(),
            observer: Arc::new(Collect(sender, Arc::clone(&meters))),
        };
        let server = Server::start(listener, Arc::new(service), Lifetime::UntilStopped).unwrap();
        let address = server.address();
        Self { events: Events::new(receiver), address, gate, meters, server: Some(server), folder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn target(&self) -> Target {
        target(self.address)
    }

    /// Holds back the next file of this name, after it was read from the wire, until [`Host::open_gate`].
    pub(crate) fn hold(&self, name: &str) {
        *self.gate.held.lock().unwrap() = Some(name.to_owned());
    }

    /// Makes writing a file of this name fail in this way.
    pub(crate) fn spoil(&self, name: &str, spoil: Spoil) {
        *self.gate.spoiled.lock().unwrap() = Some((name.to_owned(), spoil));
    }

    pub(crate) fn open_gate(&self) {
        *self.gate.held.lock().unwrap() = None;
        self.gate.opened.notify_all();
    }

    /// Waits until this many bytes of the latest file are in the store.
    pub(crate) fn wait_for_bytes(&self, wanted: u64) {
        let deadline = Instant::now() + PATIENCE;
        let here = || self.meters.lock().unwrap().last().map_or(0, |meter| meter.file_bytes());
        while here() < wanted {
            assert!(Instant::now() < deadline, "{} bytes of {wanted} are here", here());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for the end of the session of the client at this address.
    pub(crate) fn see_off(&mut self, client: SocketAddr) {
        let is_its =
            |event: &Event| matches!(event, Event::SessionOpened { peer, .. } if *peer == client.to_string());
        let Event::SessionOpened { session: id, .. } = self.events.until(is_its) else { unreachable!() };
        self.events.seen.clear();
        self.events.until(|event| matches!(event, Event::SessionClosed { session } if *session == id));
    }

    /// Returns everything in the folder, including temporary files.
    pub(crate) fn stored(&self) -> Files {
        contents(self.folder.path())
    }

    /// Returns the store's folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a file into the folder, as another program would.
    pub(crate) fn put(&self, name: &str, content: &[u8]) {
        std::fs::write(self.folder.path().join(name), content).unwrap();
    }

    /// Stops the server without waiting for its sessions.
    pub(crate) fn interrupt(&self) {
        self.server.as_ref().unwrap().stopper().interrupt();
    }

    /// Removes everything.
    pub(crate) fn clear(&self) {
        for name in self.stored().names() {
            std::fs::remove_file(self.folder.path().join(name)).unwrap();
        }
    }

    /// Stops the server and waits for its sessions, so that all events have come.
    pub(crate) fn stop(&mut self) {
        self.open_gate();
        self.server = None;
        self.events.catch_up();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.open_gate();
    }
}

/// Returns a remote target at this address, with the CA of [`IDENTITY`].
pub(crate) fn target(address: SocketAddr) -> Target {
    Target::server(address.into(), Some(ca()))
}

/// Files by their names. A large file is shown by its length only.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct Files(pub BTreeMap<String, Vec<u8>>);

impl Files {
    pub(crate) fn none() -> Self {
        Self::default()
    }

    pub(crate) fn one(name: &str, content: &[u8]) -> Self {
        Self::of([(name, content)])
    }

    pub(crate) fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        Self(files.into_iter().map(|(name, content)| (name.to_owned(), content.to_vec())).collect())
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// Returns the content of a file that must be there.
    pub(crate) fn get(&self, name: &str) -> &[u8] {
        &self.0[name]
    }

    pub(crate) fn length(&self, name: &str) -> usize {
        self.0[name].len()
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, content)| match content.len() {
            0..=64 => (name, String::from_utf8_lossy(content).into_owned()),
            length => (name, format!("{length} bytes, sha256 {}", Digest::of(content))),
        });
        f.debug_map().entries(shown).finish()
    }
}

/// Returns the files of a folder and of the folders in it, by their paths from there. An empty folder is an error.
pub(crate) fn contents(folder: &Path) -> Files {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let Files(inner) = contents(&entry.path());
            assert!(!inner.is_empty(), "{name} is empty");
            files.extend(inner.into_iter().map(|(inside, content)| (format!("{name}/{inside}"), content)));
        } else {
            files.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
    Files(files)
}

/// How writing a file fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoil {
    /// The disk is full.
    Full,
    /// The store panics.
    Panic,
}

/// Returns an error of a full disk.
fn full() -> StoreError {
    Folder::open(Path::new("/dev/null/folder")).err().unwrap()
}

/// Gate that holds back the writing of one file.
#[derive(Default)]
struct Gate {
    held: Mutex<Option<String>>,
    /// Name of the file whose writing fails, and how.
    spoiled: Mutex<Option<(String, Spoil)>>,
    opened: Condvar,
}

struct Gated {
    inner: Folder,
    gate: Arc<Gate>,
}

struct Waiting {
    inner: Box<dyn Pending>,
    name: String,
    gate: Arc<Gate>,
}

impl Store for Gated {
    fn begin(&self, want: &Incoming) -> Result<Box<dyn Pending>, StoreError> {
        let inner = self.inner.begin(want)?;
        Ok(Box::new(Waiting { inner, name: want.name.as_str().to_owned(), gate: Arc::clone(&self.gate) }))
    }

    fn amend(&self, of: &Published) -> Result<Box<dyn Pending>, StoreError> {
        self.inner.amend(of)
    }

    fn place(&self) -> String {
        self.inner.place()
    }
}

impl Pending for Waiting {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let held = self.gate.held.lock().unwrap();
        let is_held = |held: &mut Option<String>| held.as_ref() == Some(&self.name);
        // After the patience the test has failed already.
        drop(self.gate.opened.wait_timeout_while(held, PATIENCE, is_held).unwrap());
        match &*self.gate.spoiled.lock().unwrap() {
            Some((name, spoil)) if *name == self.name => match spoil {
                Spoil::Full => return Err(full()),
                Spoil::Panic => {}
            },
            _ => return self.inner.write(bytes),
        }
        panic!("on purpose");
    }

    fn splices(&self) -> bool {
        self.inner.splices()
    }

    fn write_from(&mut self, pipe: BorrowedFd<'_>, len: usize) -> Result<(), StoreError> {
        self.inner.write_from(pipe, len)
    }

    fn describe(&mut self, meta: upseal::Meta) {
        self.inner.describe(meta);
    }

    fn commit(self: Box<Self>, digest: Option<Digest>) -> Ticket {
        self.inner.commit(digest)
    }

    fn abort(self: Box<Self>) {
        self.inner.abort();
    }
}

// ---- A client

/// The transfer threads, as the screen and the commands use them, with a folder for local files.
pub(crate) struct Client {
    pub events: Events,
    transfer: Option<Transfer>,
    folder: TempDir,
}

impl Client {
    pub(crate) fn start() -> Self {
        Self::with(None)
    }

    pub(crate) fn with(embedded: Option<EmbeddedOptions>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::knowing(embedded, KnownServers::at(Some(folder.path().join(".known"))), folder)
    }

    /// Starts a client with this list of known servers.
    pub(crate) fn knowing(embedded: Option<EmbeddedOptions>, known: KnownServers, folder: TempDir) -> Self {
        // A test that needs retries sets them.
        Self::of(Options { embedded, retries: 0, ..Options::new(known) }, folder)
    }

    /// Starts a client with these options.
    pub(crate) fn of(options: Options, folder: TempDir) -> Self {
        let transfer = Transfer::start(options).unwrap();
        let events = Events::new(transfer.events().clone());
        Self { events, transfer: Some(transfer), folder }
    }

    pub(crate) fn ask(&self, command: Command) {
        self.transfer.as_ref().unwrap().commands().send(command).unwrap();
    }

    /// Shuts the client down, and waits until its threads have ended.
    pub(crate) fn shut_down(&mut self) {
        self.transfer.take().unwrap().shut_down();
        self.events.drain();
    }

    /// Returns the path of a local file, whether or not it exists.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Creates a sparse file.
    pub(crate) fn sparse(&self, name: &str, length: u64) -> PathBuf {
        let path = self.path(name);
        std::fs::File::create(&path).unwrap().set_len(length).unwrap();
        path
    }

    pub(crate) fn job(&self, id: u64, name: &str, target: &Target, dialect: Dialect) -> Job {
        Job::new(JobId(id), self.path(name), target.clone(), dialect)
    }

    /// Uploads local files, numbered from 1, over one route.
    pub(crate) fn upload(&self, names: &[&str], target: &Target, dialect: Dialect) {
        let jobs = (1..).zip(names).map(|(id, name)| self.job(id, name, target, dialect)).collect();
        self.ask(Command::Upload(jobs));
    }

    /// Waits for the end of an upload.
    pub(crate) fn finish(&mut self, id: u64) -> State {
        match self.events.until(is_final(id)) {
            Event::State { state, .. } => state,
            other => unreachable!("{other:?}"),
        }
    }

    /// Waits for the ends of the uploads from 1 to this one, in any order.
    pub(crate) fn finish_all(&mut self, count: u64) -> Vec<State> {
        loop {
            let last = |id| self.events.states(job_track(id)).pop().filter(State::is_final);
            let ends: Vec<State> = (1..=count).map_while(last).collect();
            if ends.len() as u64 == count {
                return ends;
            }
            self.events.next();
        }
    }

    /// Waits until an upload has begun and makes no progress, because the server reads no more of it.
    pub(crate) fn blocked(&mut self, id: u64) {
        let (mut last, mut alike) = (0, 0);
        while alike < 3 {
            if let Event::Progress { track, snapshot } = self.events.next()
                && track == job_track(id)
            {
                alike = if snapshot.wire_bytes > 0 && snapshot.wire_bytes == last { alike + 1 } else { 0 };
                last = snapshot.wire_bytes;
                assert!(snapshot.wire_bytes < snapshot.wire_total, "nothing holds it up");
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(transfer) = self.transfer.take() {
            transfer.shut_down();
        }
    }
}

// ---- Peers that are only a socket

/// Returns the bytes of a MODE with its M1 and M2.
pub(crate) fn message(mode: u64, m2: &[u8]) -> Vec<u8> {
    [&mode.to_be_bytes()[..], &(m2.len() as u64).to_be_bytes(), m2].concat()
}

/// Returns the bytes of several integers.
pub(crate) fn words(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

/// Starts a TCP proxy that, as many do, turns a reset into an end in order. `spoil`: position of a byte of the client that
/// it changes.
pub(crate) fn softening_proxy(server: SocketAddr, spoil: Option<usize>) -> SocketAddr {
    let listener = TcpListener::bind(ANYWHERE).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let Ok(server) = TcpStream::connect(server) else { continue };
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || soften(&from, &to, spoil));
            std::thread::spawn(move || soften(&server, &client, None));
        }
    });
    address
}

fn soften(mut from: &TcpStream, mut to: &TcpStream, spoil: Option<usize>) {
    let (mut piece, mut at) = (vec![0; 1 << 16], 0);
    while let Ok(n @ 1..) = from.read(&mut piece) {
        if let Some(spoil) = spoil.filter(|spoil| (at..at + n).contains(spoil)) {
            piece[spoil - at] ^= 1;
        }
        at += n;
        if to.write_all(&piece[..n]).is_err() {
            break;
        }
    }
    // Whether it was an end or a reset.
    let _ = to.shutdown(Shutdown::Write);
}

/// A peer that is only a socket.
pub(crate) struct Peer(pub TcpStream);

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        Self::over(socket)
    }

    pub(crate) fn over(socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Sends bytes that the other side may refuse.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        // The refusal is in the events, and in the bytes that can be read.
        let _ = self.0.write_all(bytes);
    }

    pub(crate) fn read(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Reads once.
    pub(crate) fn read_some(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 16];
        let n = self.0.read(&mut bytes).unwrap();
        bytes.truncate(n);
        bytes
    }

    /// Reads a length and that many bytes.
    pub(crate) fn read_blob(&mut self) -> Vec<u8> {
        let length = u64::from_be_bytes(self.read(8).try_into().unwrap());
        self.read(usize::try_from(length).unwrap())
    }

    /// Reads up to the other side's end. Returns the bytes, and whether the end was in order.
    ///
    /// Answers a refusal by the end of this side's writing: until then, or for two seconds, the other side waits.
    pub(crate) fn read_to_end(&mut self) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        let mut piece = vec![0; 1 << 16];
        loop {
            let at = bytes.iter().rposition(|byte| *byte == REFUSED).unwrap_or(bytes.len());
            let heard = hear(&bytes[at..]);
            // A last byte of 0xff may belong to an answer.
            let perhaps = heard == Heard::Refused(None) && bytes.len() > 1;
            if matches!(heard, Heard::Refused(_)) && !perhaps {
                let _ = self.0.shutdown(Shutdown::Write);
            }
            self.0
                .set_read_timeout(Some(if perhaps { Duration::from_millis(20) } else { PATIENCE }))
                .unwrap();
            match self.0.read(&mut piece) {
                Ok(0) => return (bytes, true),
                Ok(n) => bytes.extend_from_slice(&piece[..n]),
                Err(error) if perhaps && error.kind() == io::ErrorKind::WouldBlock => {
                    let _ = self.0.shutdown(Shutdown::Write);
                    self.0.set_read_timeout(Some(PATIENCE)).unwrap();
                    return match self.0.read_to_end(&mut bytes) {
                        Ok(_) => (bytes, true),
                        Err(error) => {
                            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
                            (bytes, false)
                        }
                    };
                }
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
                    return (bytes, false);
                }
            }
        }
    }

    /// Reads a client's upload up to its MODE 2, after which the client waits. If the client ends before, returns the bytes
    /// and whether the end was in order.
    pub(crate) fn read_upload(&mut self) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        let mut piece = vec![0; 1 << 16];
        while !bytes.ends_with(&words(&[2])) {
            match self.0.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => bytes.extend_from_slice(&piece[..n]),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
                    return (bytes, false);
                }
            }
        }
        (bytes, true)
    }

    /// Ends in order, and waits until the other side ends or resets.
    pub(crate) fn hang_up(mut self) -> (Vec<u8>, bool) {
        // It fails if the connection was reset already.
        let _ = self.0.shutdown(Shutdown::Write);
        self.read_to_end()
    }

    /// Resets the connection.
    pub(crate) fn break_off(self) {
        sockopt::set_socket_linger(&self.0, Some(Duration::ZERO)).unwrap();
    }
}

/// Starts a server that is only a listening socket.
pub(crate) fn listen() -> (TcpListener, Target) {
    let listener = TcpListener::bind(ANYWHERE).unwrap();
    let target = target(listener.local_addr().unwrap());
    (listener, target)
}

/// Returns an address where no server listens, as long as the socket is kept.
pub(crate) fn unused_address() -> (OwnedFd, SocketAddr) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};

    // Bound, so that no other test gets the port; not listening, so that no connection is accepted.
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &ANYWHERE).unwrap();
    let address = getsockname(&socket).unwrap().try_into().unwrap();
    (socket, address)
}

/// Accepts the next client; fails instead of waiting for ever.
pub(crate) fn accept(listener: &TcpListener) -> Peer {
    use rustix::event::{PollFd, PollFlags, poll};

    let timeout = rustix::time::Timespec { tv_sec: 60, tv_nsec: 0 };
    let ready = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&timeout)).unwrap();
    assert_eq!(ready, 1, "no client came");
    Peer::over(listener.accept().unwrap().0)
}

/// Returns whether no other client has connected.
pub(crate) fn is_alone(listener: &TcpListener) -> bool {
    listener.set_nonblocking(true).unwrap();
    listener.accept().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Uploads one file over its own connection.
pub(crate) fn upload(address: SocketAddr, dialect: Dialect, name: &str, content: &[u8]) -> io::Result<()> {
    recorded_upload(address, dialect, name, content).map(drop)
}

/// Bytes of a real upload, and the ends of its messages.
pub(crate) struct Recording {
    pub bytes: Vec<u8>,
    /// Positions of the ends of the messages; MODE 1's body is the last but one, MODE 2 the last.
    pub ends: Vec<usize>,
    /// Position of MODE 1's M1 (in framings D and E, of the first block's length).
    pub m1: usize,
    /// Position of the end of the file.
    pub whole: usize,
    /// Bytes on the wire that the client counted for this file.
    pub counted: u64,
}

impl Recording {
    /// Records one upload from the first byte to MODE 2, to its own server.
    pub(crate) fn of(dialect: Dialect, name: &str, content: &[u8]) -> Self {
        let host = Host::start();
        let (bytes, counted) = recorded_upload(host.address(), dialect, name, content).unwrap();
        let (mut at, mut ends) = (0, Vec::new());
        let word = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
        while word(at) != 1 {
            at += 16 + usize::try_from(word(at + 8)).unwrap();
            ends.push(at);
        }
        let whole = bytes.len() - 8;
        assert_eq!(word(whole), 2);
        ends.extend([whole, bytes.len()]);
        Self { m1: at + 8, whole, ends, counted, bytes }
    }

    /// Position of MODE 0.
    pub(crate) fn file(&self) -> usize {
        self.ends.iter().nth_back(3).copied().unwrap_or(0)
    }
}

/// Uploads one file. Returns the bytes that were sent, and how many the client counted.
pub(crate) fn recorded_upload(
    address: SocketAddr,
    dialect: Dialect,
    name: &str,
    content: &[u8],
) -> io::Result<(Vec<u8>, u64)> {
    let tcp = Tcp::connect(&address.into(), PATIENCE, &Interrupter::default())?;
    let log = Arc::default();
    let stream = Recorder { tcp, log: Arc::clone(&log) };
    let mut upload = Start::new(Connection::new(Box::new(stream), PATIENCE), dialect)
        .proven_by(&Anchor::load(&ca()).unwrap())
        .map_err(io::Error::other)?;
    let meter = Meter::default();
    let mut source = content;
    upload
        .file(name, Content::Reader(&mut source), content.len() as u64, &meter)
        .map_err(io::Error::other)?;
    upload.close(&meter).map_err(io::Error::other)?;
    let bytes = log.lock().unwrap().clone();
    Ok((bytes, meter.wire_bytes()))
}

/// Stream that keeps the written bytes.
struct Recorder {
    tcp: Tcp,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Read for Recorder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.read(buffer)
    }
}

impl Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.tcp.write(bytes)?;
        self.log.lock().unwrap().extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

impl Stream for Recorder {
    fn now(&self) -> Instant {
        self.tcp.now()
    }

    fn set_deadline(&mut self, at: Option<Instant>) -> io::Result<()> {
        self.tcp.set_deadline(at)
    }

    fn interrupter(&self) -> Interrupter {
        self.tcp.interrupter()
    }

    fn finish_writing(&mut self) -> io::Result<()> {
        self.tcp.finish_writing()
    }

    fn buffer_little(&mut self) {
        self.tcp.buffer_little();
    }

    fn reset(&mut self) {
        self.tcp.reset();
    }
}
