//! The setting of the attacks: a CA, identities that it signed and others, a server for each run, and a client.
//!
//! Everything is temporary: keys are in memory, and folders are removed when the [`Cast`] is dropped.

use std::fs::{self, DirBuilder};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::LabError;
use super::proxy::PATIENCE;
use crate::clock;
use crate::crypto::authority::{Authority, Issued};
use crate::crypto::identity::Identity;
use crate::crypto::receipt_key::{RECEIPT_BITS_MIN, ReceiptKey};
use crate::digest::FileDigest;
use crate::event::{Command, Dialect, Event, Expected, Job, JobId, Kept, State, Target, Track};
use crate::history::{History, Serving};
use crate::meter::Meter;
use crate::net::Observer;
use crate::net::budget::PaddingBudget;
use crate::net::server::{Lifetime, Server};
use crate::net::service::{Policy, Service};
use crate::store::{Announce, Folder};
use crate::transfer::{Options, Transfer};
use crate::trust::known::KnownServers;
use crate::trust::{Anchor, facts};

/// Modulus length of the servers' keys in bits. 2048 bits give the same results and take longer.
const SERVER_BITS: usize = 1024;
/// Validity of the certificates in days; longer than any run.
const DAYS: u32 = 2;
/// The name of both CAs: the second one impersonates the first.
const CA: &str = "upseal lab CA";

/// The identities, and the folder for the runs.
pub(super) struct Cast {
    folder: Scratch,
    plays: AtomicU32,
    /// Path of the CA's certificate.
    pub ca: PathBuf,
    /// The CA that the client trusts.
    pub anchor: Arc<Anchor>,
    /// The server's identity.
    pub server: Arc<Identity>,
    /// Another identity that the CA certified.
    pub neighbour: Arc<Identity>,
    /// An identity that another CA of the same name certified.
    pub stranger: Arc<Identity>,
    /// An identity that the CA certified, and that has expired.
    pub expired: Arc<Identity>,
    /// A self-signed identity.
    pub itself: Arc<Identity>,
}

impl Cast {
    /// Creates keys and certificates, which takes some seconds, and a folder.
    pub(super) fn gather() -> Result<Self, LabError> {
        let authority = Authority::new(CA, DAYS)?;
        let other = Authority::new(CA, DAYS)?;
        let read = |issued: &Issued| {
            Identity::from_pem(&issued.certificate_pem, &issued.private_key_pem).map(Arc::new)
        };
        // It expires within a second.
        let expired = authority.issue("upseal lab, expired", SERVER_BITS, 0)?;
        let anchor = Arc::new(Anchor::from_pem(authority.certificate_pem().as_bytes())?);
        let issued = authority.issue("upseal lab", SERVER_BITS, DAYS)?;
        let receipts = authority.issue_receipt_key("upseal lab", RECEIPT_BITS_MIN, DAYS)?;
        let folder = Scratch::new()?;
        let ca = folder.0.join("ca.crt");
        fs::write(&ca, authority.certificate_pem())?;
        let server = Identity::from_pem(&issued.certificate_pem, &issued.private_key_pem)?;
        let receipts = ReceiptKey::from_pem(
            &receipts.certificate_pem,
            &receipts.private_key_pem,
            server.certificate_pem(),
        )?;
        let cast = Self {
            server: Arc::new(server.with_receipt_key(receipts)),
            neighbour: read(&authority.issue("upseal lab, another", SERVER_BITS, DAYS)?)?,
            stranger: read(&other.issue("upseal lab", SERVER_BITS, DAYS)?)?,
            expired: read(&expired)?,
            itself: Arc::new(Identity::from_pem(other.certificate_pem(), other.private_key_pem())?),
            anchor,
            ca,
            folder,
            plays: AtomicU32::new(0),
        };
        let ended = facts::not_after(expired.certificate_pem.as_bytes()).unwrap_or(0);
        let until = Instant::now() + Duration::from_secs(5);
        while clock::unix_seconds() <= ended && Instant::now() < until {
            thread::sleep(Duration::from_millis(50));
        }
        Ok(cast)
    }

    /// Creates a folder for one run.
    pub(super) fn scratch(&self) -> io::Result<PathBuf> {
        let folder = self.folder.0.join(self.plays.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir(&folder)?;
        Ok(folder)
    }
}

/// A new folder that only this user can read, and that is removed when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let number =
            getrandom::u64().map_err(|_| io::Error::other("cannot read random bytes from the system"))?;
        let folder = std::env::temp_dir().join(format!("upseal-lab-{number:016x}"));
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // If it fails, random bytes remain in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server with a folder and a history of its own.
pub(super) struct House {
    server: Server,
    watcher: Arc<Watcher>,
    store: PathBuf,
}

impl House {
    /// Starts a server in `folder`.
    pub(super) fn open(identity: &Arc<Identity>, folder: &Path, name: &str) -> Result<Self, LabError> {
        let store = folder.join(name);
        let watcher = Arc::new(Watcher::default());
        let inner = Folder::open(&store)?;
        let history = Arc::new(History::open(&folder.join(format!("{name}.db")))?);
        let until = facts::not_after(identity.certificate_pem()).unwrap_or(i64::MAX);
        let (history, _) = Serving::open(history, &store, until, clock::unix_ms())?;
        let inner = inner.announcing(Arc::clone(&history) as Arc<dyn Announce>);
        let service = Service {
            policy: Policy::default(),
            identity: Some(Arc::clone(identity)),
            store: Arc::new(inner),
            ciphertext: None,
            history: Some(history),
            budget: PaddingBudget::default(),
            observer: Arc::clone(&watcher) as Arc<dyn Observer>,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let server = Server::start(listener, Arc::new(service), Lifetime::UntilStopped)?;
        Ok(Self { server, watcher, store })
    }

    /// Returns the address that it listens on.
    pub(super) const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Returns the folder that it stores files in.
    pub(super) fn store(&self) -> &Path {
        &self.store
    }

    /// Waits until this many sessions have ended, and returns all events so far.
    pub(super) fn after(&self, sessions: usize) -> Vec<Event> {
        self.watcher.after(sessions)
    }

    /// Returns the stored files, sorted by name.
    pub(super) fn stored(&self) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.store)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                files.push((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?));
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Collects the events of a server.
#[derive(Default)]
struct Watcher {
    events: Mutex<Vec<Event>>,
    closed: Condvar,
}

impl Watcher {
    fn after(&self, sessions: usize) -> Vec<Event> {
        let open = |events: &mut Vec<Event>| {
            events.iter().filter(|event| matches!(event, Event::SessionClosed { .. })).count() < sessions
        };
        let mut events = self.events.lock();
        self.closed.wait_while_for(&mut events, open, PATIENCE);
        events.clone()
    }
}

impl Observer for Watcher {
    fn event(&self, event: Event) {
        self.events.lock().push(event);
        self.closed.notify_all();
    }

    fn watch(&self, _track: Track, _meter: Arc<Meter>) {}

    fn unwatch(&self, _track: Track) {}

    fn recorder(&self) -> Option<Arc<crate::net::record::Recorder>> {
        None
    }
}

/// Returns the reasons for which the server refused something.
pub(super) fn refusals(events: &[Event]) -> Vec<&str> {
    let mut why = Vec::new();
    for event in events {
        if let Event::Refused { why: words, .. } = event {
            why.push(words.as_str());
        }
    }
    why
}

/// Returns whether the server refused nothing before the connection ended.
pub(super) fn was_cut(events: &[Event]) -> bool {
    let first = events.iter().find_map(|event| match event {
        Event::Refused { is_cut, .. } => Some(*is_cut),
        _ => None,
    });
    first.unwrap_or(true)
}

/// Returns how the received files were stored.
pub(super) fn kept(events: &[Event]) -> Vec<Kept> {
    let kept = |event: &Event| if let Event::Received { kept, .. } = event { Some(*kept) } else { None };
    events.iter().filter_map(kept).collect()
}

/// A file to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    /// The file's name.
    pub name: &'static str,
    /// The content.
    pub content: Vec<u8>,
}

/// What the client is to send.
pub(super) struct Order<'a> {
    /// The server's address, or the proxy's.
    pub address: SocketAddr,
    /// The dialect.
    pub dialect: Dialect,
    /// The files.
    pub letters: &'a [Letter],
    /// Whether to request receipts.
    pub receipts: bool,
    /// The pin that the server's key must match.
    pub pin: Option<String>,
    /// The folder for the known servers and the files.
    pub folder: &'a Path,
}

/// What the client reported.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent {
    /// The final state of each file; files without one are missing.
    pub states: Vec<State>,
    /// Whether the client accepted the server's identity.
    pub proven: bool,
}

impl Sent {
    /// Returns whether the client reported that all files arrived.
    pub(super) fn arrived(&self, letters: usize) -> bool {
        self.states.len() == letters && self.states.iter().all(State::has_arrived)
    }

    /// Describes the states in a few words.
    pub(super) fn words(&self) -> String {
        let mut words: Vec<String> = self.states.iter().map(said).collect();
        words.dedup();
        if words.is_empty() { "the client did not finish".to_owned() } else { words.join("; ") }
    }
}

fn said(state: &State) -> String {
    match state {
        State::Delivered => "delivered".to_owned(),
        State::Stored { .. } => "stored, with a receipt".to_owned(),
        State::Failed(fault) => fault.what.to_string(),
        other => format!("{other:?}"),
    }
}

/// Sends files with this program's client, through its transfer threads.
pub(super) fn send(cast: &Cast, order: &Order<'_>) -> Result<Sent, LabError> {
    let known = KnownServers::at(Some(order.folder.join("known")));
    let digest = if order.receipts { FileDigest::Sha256 } else { FileDigest::None };
    let plain_receipts = order.receipts.then(|| Arc::clone(&cast.anchor));
    let transfer = Transfer::start(Options { digest, retries: 0, plain_receipts, ..Options::new(known) })?;
    let ca = order.dialect.variant.authenticates().then(|| cast.ca.clone());
    let expected = Expected { pin: order.pin.clone(), name: None };
    let target = Target::Server { address: order.address.into(), ca, expected };
    let mut jobs = Vec::new();
    for (id, letter) in (1..).zip(order.letters) {
        let path = order.folder.join(letter.name);
        fs::write(&path, &letter.content)?;
        jobs.push(Job::new(JobId(id), path, target.clone(), order.dialect));
    }
    // The transfer threads live until `shut_down`, so the channel is open.
    let _ = transfer.commands().send(Command::Upload(jobs));
    let until = Instant::now() + PATIENCE;
    let mut sent = Sent::default();
    let mut ends: Vec<Option<State>> = vec![None; order.letters.len()];
    while ends.iter().any(Option::is_none) {
        let Ok(event) = transfer.events().recv_deadline(until) else { break };
        match event {
            Event::Proven { .. } => sent.proven = true,
            Event::State { track: Track::Job(JobId(id)), state } if state.is_final() => {
                let at = usize::try_from(id).unwrap_or(usize::MAX).wrapping_sub(1);
                if let Some(end) = ends.get_mut(at) {
                    *end = Some(state);
                }
            }
            _ => {}
        }
    }
    transfer.shut_down();
    sent.states = ends.into_iter().flatten().collect();
    Ok(sent)
}
