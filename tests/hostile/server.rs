//! A server that serves connections in memory, one after another, each with an empty folder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use tempfile::TempDir;
use upseal::event::SessionId;
use upseal::testing::net::Session;
use upseal::testing::{Act, EventLog, ScriptedStream, Step};
use upseal::{Connection, Folder, Observer, PaddingBudget, Policy, Service};

use crate::common::{Files, IDENTITY, contents, scratch};

/// Bytes of memory that this process may hold: far more than a session needs, far less than a hostile length.
const MEMORY: u64 = 1 << 30;

/// How the client ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    InOrder,
    Reset,
}

/// What a connection left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub stored: Files,
    pub refusals: Vec<String>,
    /// Whether the server ended in order, which tells the client that its files were delivered.
    pub in_order: bool,
}

pub(crate) struct Server {
    /// Holds the folder of the store and nothing else.
    around: TempDir,
    service: Service,
    log: Arc<EventLog>,
}

impl Server {
    pub(crate) fn new(policy: Policy) -> Self {
        bound_memory();
        let around = scratch();
        let log = Arc::new(EventLog::default());
        let service = Service {
            policy,
            identity: Some(Arc::clone(&IDENTITY)),
            store: Arc::new(Folder::open(&around.path().join("inbox")).unwrap()),
            ciphertext: None,
            history: None,
            budget: PaddingBudget::default(),
            observer: Arc::clone(&log) as Arc<dyn Observer>,
        };
        Self { around, service, log }
    }

    /// Serves one connection. Returns its refusals.
    pub(crate) fn play(&self, bytes: &[u8], end: End) -> Vec<String> {
        self.run(bytes, end);
        self.log.take_refusals()
    }

    /// Serves one connection. Returns whether the server ended in order.
    fn run(&self, bytes: &[u8], end: End) -> bool {
        let mut script = Vec::new();
        if !bytes.is_empty() {
            script.push(Act::Send(bytes.to_vec()));
        }
        if end == End::Reset {
            // One for each of several reads.
            script.extend(vec![Act::Fail(io::ErrorKind::ConnectionReset); 8]);
        }
        let client = ScriptedStream::new(script);
        let transcript = client.transcript();
        let connection = Connection::new(Box::new(client), Duration::from_secs(60));
        Session::new(&self.service, connection, SessionId(1), "client".to_owned()).run();
        !transcript.take().contains(&Step::Reset)
    }

    /// Serves one connection with an empty folder.
    pub(crate) fn serve_alone(&self, bytes: &[u8], end: End) -> Outcome {
        let in_order = self.run(bytes, end);
        let outcome =
            Outcome { refusals: self.log.take_refusals(), stored: contents(&self.folder()), in_order };
        for name in outcome.stored.names() {
            std::fs::remove_file(self.folder().join(name)).unwrap();
        }
        outcome
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.around.path().join("inbox")
    }

    /// Returns the folder that holds the store.
    pub(crate) fn around(&self) -> &Path {
        self.around.path()
    }
}

/// Lets every allocation beyond [`MEMORY`] fail, which aborts the test.
fn bound_memory() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let maximum = getrlimit(Resource::Data).maximum;
        setrlimit(Resource::Data, Rlimit { current: Some(MEMORY), maximum }).unwrap();
        assert!(Vec::<u8>::new().try_reserve_exact(1 << 32).is_err(), "the limit has no effect");
    });
}

/// Runs `test` for every item, on as many threads as there are processors, each with a server of its own.
pub(crate) fn with_servers<T: Sync>(policy: &Policy, items: &[T], test: impl Fn(&Server, &T) + Sync) {
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(8);
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let server = Server::new(policy.clone());
                while let Some(item) = items.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    test(&server, item);
                }
            });
        }
    });
}
