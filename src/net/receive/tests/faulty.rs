//! Sessions on a disk and with a history of which every operation fails, one after another.
//!
//! After each session the folder is compared with what the client was told, also after a restart, which repairs the
//! history.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use tempfile::TempDir;

use super::super::*;
use crate::clock;
use crate::crypto::fernet::{SessionKey, TokenSealer};
use crate::crypto::receipt::{Fate, Request, Statement};
use crate::crypto::server_key::ServerKey;
use crate::digest::FileDigest;
use crate::event::{Blame, Dialect, Event, KeyForm, Padding, Variant};
use crate::history::audit::{Receipt, What};
use crate::history::{Failing, History, Serving, audit};
use crate::net::Observer;
use crate::net::budget::PaddingBudget;
use crate::net::handshake::HELLO_RANDOM;
use crate::net::service::Policy;
use crate::net::word::word;
use crate::store::Folder;
use crate::store::folder::{Fault, Faults};
use crate::testing::{EventLog, ScriptedStream, Step};

/// Expiry of claims, in Unix seconds.
const UNTIL: i64 = i64::MAX / 2000;

/// A file that a client sends: its name and its content.
type Sent = (&'static str, Vec<u8>);

fn message(mode: u64, m2: &[u8]) -> Vec<u8> {
    [&word(mode)[..], &word(m2.len() as u64), m2].concat()
}

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    [message(0, format!("upseal/1 file\nname {name}").as_bytes()), message(1, content)].concat()
}

/// A connection with its files.
struct Client {
    bytes: Vec<u8>,
    sent: Vec<Sent>,
    /// Whether it requests receipts for them.
    has_receipts: bool,
}

/// Returns a client of AP, with two files of one name and one in a folder, a client of CP2, and a client of Plain.
fn clients(key: &ServerKey) -> [Client; 3] {
    let hello = |variant| Offer::of(Dialect::of(variant)).unwrap().hello(&[7; HELLO_RANDOM]);
    let receipts = |hello: &[u8], files, salted_for: Option<&ServerKey>| {
        let (request, _) = Request::new(Some(Digest::of(hello)), files, salted_for).unwrap();
        message(3, request.to_text().as_bytes())
    };
    let sent = vec![("a.txt", vec![1; 100]), ("a.txt", vec![2; 200]), ("in/b.txt", vec![3; 300])];
    let opening = hello(Variant::Ap);
    let files: Vec<u8> = sent.iter().flat_map(|(name, content)| file(name, content)).collect();
    let ap = [&message(3, &opening)[..], &files, &receipts(&opening, 1..=3, None), &word(2)].concat();

    let (opening, session, content) = (hello(Variant::Cp2), SessionKey::generate(), vec![4; 400]);
    let wrapped = key.wrap_session_key(&session, KeyForm::Fernet, Padding::Oaep).unwrap();
    let mut token = Vec::new();
    let mut sealer = TokenSealer::new(&session, content.len() as u64, 0, FileDigest::Sha256);
    crate::crypto::Seal::seal(&mut sealer, &content, &mut token).unwrap();
    crate::crypto::Seal::finish(&mut sealer, &mut token).unwrap();
    let request = receipts(&opening, 1..=1, Some(key));
    let file = file("sealed.txt", &token);
    let cp2 = [&message(3, &opening)[..], &message(4, &wrapped), &file, &request, &word(2)].concat();
    let plain = [message(0, b"a.txt"), message(1, &[5; 500]), word(2).to_vec()].concat();
    [
        Client { bytes: ap, sent, has_receipts: true },
        Client { bytes: cp2, sent: vec![("sealed.txt", content)], has_receipts: true },
        Client { bytes: plain, sent: vec![("a.txt", vec![5; 500])], has_receipts: false },
    ]
}

/// A server with its folder and its history.
struct Host {
    around: TempDir,
    faults: Arc<Faults>,
    history: Arc<History>,
    service: Service,
    log: Arc<EventLog>,
}

impl Host {
    fn start(identity: &Arc<Identity>) -> Self {
        let around = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        fs::create_dir(around.path().join("inbox")).unwrap();
        Self::of(around, identity)
    }

    fn of(around: TempDir, identity: &Arc<Identity>) -> Self {
        let inbox = around.path().join("inbox");
        let history = Arc::new(History::open(&around.path().join("history.db")).unwrap());
        let (serving, _) = Serving::open(Arc::clone(&history), &inbox, UNTIL, clock::unix_ms()).unwrap();
        let folder = Folder::open(&inbox).unwrap().announcing(Arc::clone(&serving) as _);
        let (log, faults) = (Arc::new(EventLog::default()), folder.faults());
        let service = Service {
            policy: Policy::default(),
            identity: Some(Arc::clone(identity)),
            store: Arc::new(folder),
            ciphertext: None,
            history: Some(serving),
            budget: PaddingBudget::default(),
            observer: Arc::clone(&log) as Arc<dyn Observer>,
        };
        Self { around, faults, history, service, log }
    }

    fn inbox(&self) -> PathBuf {
        self.around.path().join("inbox")
    }

    /// Serves a client. Returns the files of its receipts, and whether the server ended in order.
    fn serve(&self, client: &Client) -> (Vec<(String, u64)>, bool) {
        let stream = ScriptedStream::sending(&client.bytes);
        let transcript = stream.transcript();
        let connection = Connection::new(Box::new(stream), self.service.policy.deadlines.idle);
        Session::new(&self.service, connection, SessionId(1), "client".to_owned()).run();
        let steps = transcript.take();
        let said: Vec<u8> = steps
            .iter()
            .flat_map(|step| if let Step::Wrote(bytes) = step { &bytes[..] } else { &[] })
            .copied()
            .collect();
        let at = said.windows(16).position(|window| window == b"upseal/1 stored\n");
        let receipts = at.map_or_else(Vec::new, |at| {
            let text = String::from_utf8_lossy(&said[at..]);
            let (statement, _) = Statement::parse(&text, 1..=client.sent.len() as u64).unwrap();
            let stored = statement.entries.into_iter().filter_map(|entry| match entry.fate {
                Fate::Stored { size, name, .. } => Some((name, size)),
                Fate::Missing(_) => None,
            });
            stored.collect()
        });
        (receipts, !steps.contains(&Step::Reset))
    }

    /// Serves some of the clients, and compares the folder with what they were told. Returns whether nothing was refused.
    fn check(&self, clients: &[Client], some: Range<usize>, what: &str) -> bool {
        let mut all_went_well = true;
        for client in &clients[some] {
            let (receipts, in_order) = self.serve(client);
            let refusals = self.log.take().into_iter().filter_map(|event| match event {
                Event::Refused { blame, why, .. } => Some((blame, why)),
                _ => None,
            });
            let refusals: Vec<_> = refusals.collect();
            assert_eq!(in_order, refusals.is_empty(), "{what}: {refusals:?}");
            all_went_well &= in_order;
            for (blame, why) in &refusals {
                // A step that is interrupted behind a commit: the history has the key, and cannot know whose it is.
                let is_committed = what.ends_with("Step") && why.contains("replay");
                assert!(*blame == Blame::System || is_committed, "{what}: {why}");
            }
            for (name, size) in &receipts {
                let here = fs::read(self.inbox().join(name)).unwrap_or_else(|_| panic!("{what}: {name}"));
                let is_sent = client.sent.iter().any(|(_, content)| *content == here);
                assert!(is_sent && here.len() as u64 == *size, "{what}: {name} is another file");
            }
            if in_order && client.has_receipts {
                assert_eq!(receipts.len(), client.sent.len(), "{what}: {receipts:?}");
            }
        }
        let sent =
            |content: &Vec<u8>| clients.iter().flat_map(|client| &client.sent).any(|(_, is)| is == content);
        for (name, content) in files(&self.inbox()) {
            assert!(sent(&content), "{what}: {name} was published with {} bytes", content.len());
        }
        all_went_well
    }

    /// Starts the server again, and audits folder and history.
    fn restart(self, identity: &Arc<Identity>, what: &str) -> Self {
        let Self { around, faults, history, service, log } = self;
        drop((faults, history, service, log));
        let again = Self::of(around, identity);
        let mut found = Vec::new();
        let mut tell = |finding: &audit::Finding| {
            // A folder in the store is not audited.
            found.extend((!matches!(finding.what, What::Gone)).then(|| finding.to_string()));
        };
        audit::run(&again.history, &again.inbox(), &|_| Receipt::None, &mut tell).unwrap();
        assert_eq!(found, [""; 0], "{what}");
        again
    }
}

/// Returns the files of a folder and of the folders in it, without unfinished ones.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            all.extend(files(&path));
        } else if !name.starts_with(".upseal-") {
            all.push((name, fs::read(&path).unwrap()));
        }
    }
    all
}

fn identity() -> Arc<Identity> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/identity-v1");
    Arc::new(Identity::load(&folder).unwrap())
}

/// Plays the clients on a fresh server again and again, with one fault after another, until none fires.
fn every_fault(mut set: impl FnMut(&Host, usize), fired: impl Fn(&Host) -> bool, fault: &str) -> usize {
    let identity = identity();
    let clients = clients(&identity.server_key());
    for number in 0.. {
        let what = format!("fault {number}: {fault}");
        let host = Host::start(&identity);
        set(&host, number);
        host.check(&clients, 0..2, &what);
        let has_fired = fired(&host);
        host.faults.heal();
        host.history.heal();
        let host = host.restart(&identity, &what);
        assert!(host.check(&clients, 2..3, &what), "{what}: not after it is well again");
        drop(host.restart(&identity, &what));
        if !has_fired {
            return number;
        }
    }
    unreachable!()
}

#[test]
fn every_failure_of_the_disk_is_a_refusal_by_the_system_and_loses_nothing() {
    for fault in Fault::ALL {
        let set = |host: &Host, number| host.faults.fail(number, fault);
        let fired = |host: &Host| !host.faults.heal().is_empty();
        let runs = every_fault(set, fired, &format!("{fault:?}"));
        assert!(runs > 2, "{runs} operations");
    }
}

#[test]
fn every_failure_of_the_history_loses_nothing() {
    for what in [Failing::Step, Failing::Commit] {
        let last = std::cell::RefCell::new(None);
        let set = |host: &Host, number| {
            *last.borrow_mut() = Some(host.history.fail(what, number as u64));
        };
        let fired = |_: &Host| last.borrow().as_ref().unwrap().load(Ordering::SeqCst);
        let runs = every_fault(set, fired, &format!("{what:?}"));
        assert!(runs > 3, "{runs} of {what:?}");
    }
}

/// The folder is removed while the server runs, as by a person who tidies up, and created again.
#[test]
fn a_folder_that_is_removed_and_created_again_is_found_and_its_former_files_are_not_believed_to_be_there() {
    let identity = identity();
    let clients = clients(&identity.server_key());
    let host = Host::start(&identity);
    assert!(host.check(&clients, 0..3, "before"));
    let before = files(&host.inbox());
    for turn in 0..3 {
        let what = format!("turn {turn}");
        fs::remove_dir_all(host.inbox()).unwrap();
        let (_, in_order) = host.serve(&clients[2]);
        assert!(!in_order, "{what}: there is no folder");
        host.log.take();
        fs::create_dir(host.inbox()).unwrap();
        // The same keys would be replays; AP and Plain have none.
        for client in [&clients[0], &clients[2]] {
            let (_, in_order) = host.serve(client);
            assert!(in_order, "{what}: {:?}", host.log.take());
        }
        let mut here = files(&host.inbox());
        here.sort();
        let mut expected: Vec<_> = before.iter().filter(|(name, _)| name != "sealed.txt").cloned().collect();
        expected.sort();
        assert_eq!(here, expected, "{what}: each is stored again, under its own name");
    }
    let host = host.restart(&identity, "after it");
    assert!(host.check(&clients, 2..3, "after a restart"));
}

/// Bytes of the history are overwritten while the server runs.
#[test]
fn a_history_that_is_damaged_while_the_server_runs_is_a_refusal_with_the_reason_and_loses_nothing() {
    const PAGE: usize = 4096;
    let identity = identity();
    let clients = clients(&identity.server_key());
    let host = Host::start(&identity);
    assert!(host.check(&clients, 0..1, "before"));
    let path = host.around.path().join("history.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[PAGE..].fill(0xaa);
    fs::write(&path, &bytes).unwrap();
    // Another program changes the file, so that the server reads it anew.
    other.pragma_update(None, "user_version", 7).unwrap();
    let stored = files(&host.inbox());
    // A client of AP needs no replay guard: its files are stored before the damage shows.
    let (receipts, _) = host.serve(&clients[0]);
    assert_eq!(receipts.len(), 3, "{:?}", host.log.take());
    for client in &clients {
        let (receipts, in_order) = host.serve(client);
        assert!(receipts.is_empty() && !in_order);
        let refusal = host.log.take().into_iter().find_map(|event| match event {
            Event::Refused { blame, why, .. } => Some((blame, why)),
            _ => None,
        });
        let (blame, why) = refusal.unwrap();
        assert!(blame == Blame::System && why.contains("it is damaged: "), "{why}");
    }
    assert!(host.history.touch().unwrap_err().to_string().contains("it is damaged"), "health/ready is 503");
    assert_eq!(files(&host.inbox()).len(), stored.len(), "nothing more, and nothing less");
    let Host { around: _around, .. } = host;
    assert!(fs::read(&path).unwrap()[PAGE..] == bytes[PAGE..], "what is left of the history stays as it is");
}
