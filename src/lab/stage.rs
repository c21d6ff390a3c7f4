//! Where attacks are played: a CA, the identities that it signed and those that it did not, a server of this
//! program for each play, and a sender.
//!
//! Everything is thrown away: keys in memory, folders when the [`Cast`] is dropped.

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

/// As the course's servers; 2048 bits show nothing else and take longer.
const SERVER_BITS: usize = 1024;
/// Longer than any run.
const DAYS: u32 = 2;
/// The name of both CAs: the second is somebody who calls himself the first.
const CA: &str = "upseal lab CA";

/// Who plays, and where.
pub struct Cast {
    folder: Scratch,
    plays: AtomicU32,
    /// The CA's certificate, a file.
    pub ca: PathBuf,
    /// The CA.
    pub anchor: Arc<Anchor>,
    /// The server.
    pub server: Arc<Identity>,
    /// Another one that the CA certified.
    pub neighbour: Arc<Identity>,
    /// Certified by another CA of the same name.
    pub stranger: Arc<Identity>,
    /// Certified by the CA; its time is over.
    pub expired: Arc<Identity>,
    /// Certified by itself.
    pub itself: Arc<Identity>,
}

impl Cast {
    /// Makes keys and certificates, which takes some seconds, and a folder.
    pub fn gather() -> Result<Self, LabError> {
        let authority = Authority::new(CA, DAYS)?;
        let other = Authority::new(CA, DAYS)?;
        let read = |issued: &Issued| {
            Identity::from_pem(&issued.certificate_pem, &issued.private_key_pem).map(Arc::new)
        };
        // Its last second is this one.
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

    /// A folder for one play.
    pub fn scratch(&self) -> io::Result<PathBuf> {
        let folder = self.folder.0.join(self.plays.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir(&folder)?;
        Ok(folder)
    }
}

/// A folder that is new, readable for nobody else, and removed when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let number = getrandom::u64().map_err(|_| io::Error::other("the system gives no random bytes"))?;
        let folder = std::env::temp_dir().join(format!("upseal-lab-{number:016x}"));
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in the folder for such things, and holds random bytes.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server of this program, with a folder and a history of its own.
pub struct House {
    server: Server,
    watcher: Arc<Watcher>,
    store: PathBuf,
}

impl House {
    /// Opens one in `folder`.
    pub fn open(identity: &Arc<Identity>, folder: &Path, name: &str) -> Result<Self, LabError> {
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

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Where it keeps files.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// What has happened once so many sessions have ended.
    pub fn after(&self, sessions: usize) -> Vec<Event> {
        self.watcher.after(sessions)
    }

    /// What is in its folder, by name.
    pub fn stored(&self) -> io::Result<Vec<(String, Vec<u8>)>> {
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

/// Keeps what a server says.
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

/// What our server refused, in its words.
pub fn refusals(events: &[Event]) -> Vec<&str> {
    let mut why = Vec::new();
    for event in events {
        if let Event::Refused { why: words, .. } = event {
            why.push(words.as_str());
        }
    }
    why
}

/// How files came to rest.
pub fn kept(events: &[Event]) -> Vec<Kept> {
    let kept = |event: &Event| if let Event::Received { kept, .. } = event { Some(*kept) } else { None };
    events.iter().filter_map(kept).collect()
}

/// A file to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its name.
    pub name: &'static str,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// An order to our client.
pub struct Order<'a> {
    /// To whom.
    pub address: SocketAddr,
    /// How.
    pub dialect: Dialect,
    /// What.
    pub letters: &'a [Letter],
    /// Whether it asks for receipts.
    pub receipts: bool,
    /// The pin.
    pub pin: Option<String>,
    /// Where it remembers servers, and where its files are.
    pub folder: &'a Path,
}

/// What the client says in the end.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// Of each file; those that had no end are missing.
    pub states: Vec<State>,
    /// Whether it took somebody for its server.
    pub proven: bool,
}

impl Sent {
    /// Whether it claims that all files arrived.
    pub fn arrived(&self, letters: usize) -> bool {
        self.states.len() == letters && self.states.iter().all(State::has_arrived)
    }

    /// In a few words.
    pub fn words(&self) -> String {
        let mut words: Vec<String> = self.states.iter().map(said).collect();
        words.dedup();
        if words.is_empty() { "the client came to no end".to_owned() } else { words.join("; ") }
    }
}

fn said(state: &State) -> String {
    match state {
        State::Delivered => "delivered".to_owned(),
        State::Stored { .. } => "stored, with a receipt".to_owned(),
        State::Failed(fault) => fault.what.clone(),
        other => format!("{other:?}"),
    }
}

/// Sends files by the program's own client, from its threads to its events.
pub fn send(cast: &Cast, order: &Order<'_>) -> Result<Sent, LabError> {
    let known = KnownServers::at(Some(order.folder.join("known")));
    let digest = if order.receipts { FileDigest::Sha256 } else { FileDigest::None };
    let plain_receipts = order.receipts.then(|| Arc::clone(&cast.anchor));
    let transfer = Transfer::start(Options { digest, retries: 0, plain_receipts, ..Options::new(known) })?;
    let ca = order.dialect.variant.authenticates().then(|| cast.ca.clone());
    let expected = Expected { pin: order.pin.clone(), name: None };
    let target = Target::Server { address: order.address.to_string(), ca, expected };
    let mut jobs = Vec::new();
    for (id, letter) in (1..).zip(order.letters) {
        let path = order.folder.join(letter.name);
        fs::write(&path, &letter.content)?;
        jobs.push(Job {
            id: JobId(id),
            path,
            target: target.clone(),
            dialect: order.dialect,
            predicted_ms: None,
        });
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
