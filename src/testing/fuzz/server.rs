//! A whole session of the server.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{IDENTITY, Input, check_shown};
use crate::digest::Digest;
use crate::event::{Event, Kept, RefusalKind, SessionId, Variant};
use crate::net::Observer;
use crate::net::budget::PaddingBudget;
use crate::net::connection::Connection;
use crate::net::receive::Session;
use crate::net::refusal::REFUSED;
use crate::net::service::{Policy, Service};
use crate::store::Folder;
use crate::store::name::Portability;
use crate::testing::{Act, EventLog, Finally, Pieces, ScriptedStream, Step};

/// A folder that is removed at the end.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("upseal-fuzz-{}-{number}", process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left lies in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What the store has behind a session, and what its client and operator saw.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// Content of each file by its path.
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// Sizes of received files by their names. A file that is continued may have been published before.
    received: BTreeMap<String, u64>,
    refusals: Vec<RefusalKind>,
    /// Bytes that the client was sent, and whether it was refused.
    answered: (usize, bool),
    is_reset: bool,
}

/// A session: pieces do not matter; what is reported as received is on disk; an orderly end means that nothing was
/// refused; nothing lies outside of the store.
pub(super) fn server(data: &[u8]) {
    let mut input = Input(data);
    let pieces = input.one_of(&[Pieces::Single, Pieces::Of(7), Pieces::Of(131), Pieces::Random(7)]);
    let finally = input.one_of(&[Finally::End, Finally::Silence]);
    let variants = input.one_of(&[&Variant::ALL[..], &[Variant::Plain], &[Variant::Cp1], &[Variant::Cp2]]);
    let rules = input.byte();
    let policy = Policy {
        variants: variants.to_vec(),
        max_file: if rules & 1 > 0 { 100 } else { 1 << 20 },
        prefix: if rules & 2 > 0 { "recv_".to_owned() } else { String::new() },
        portability: if rules & 4 > 0 { Portability::Windows } else { Portability::ThisSystem },
        paths: rules & 8 == 0,
        meta: rules & 16 == 0,
        ..Policy::default()
    };
    let bytes = input.rest();
    let whole = serve(bytes, Pieces::All, finally, &policy);
    check_alike(&whole, &serve(bytes, pieces, finally, &policy));
    let sum: usize = whole.files.values().map(Vec::len).sum();
    assert!(sum <= bytes.len(), "files of {sum} bytes from {} on the wire", bytes.len());
    // An answer is at most a receipt for 256 files, and a message is at least 16 bytes.
    let most = (bytes.len() / 16 + 1) * 32_768;
    assert!(whole.answered.0 <= most, "{} bytes answer {}", whole.answered.0, bytes.len());
}

/// Checks that two sessions with the same bytes in other pieces have the same end.
fn check_alike(whole: &Outcome, pieces: &Outcome) {
    // Of two reasons, the one that is seen first depends on what is at hand.
    let end = |outcome: &Outcome| (outcome.refusals.len(), outcome.answered, outcome.is_reset);
    assert_eq!(end(whole), end(pieces));
    if whole.refusals.is_empty() {
        return assert_eq!(whole, pieces);
    }
    // A short block of CP1 ends its file if nothing else is at hand. If the connection breaks behind it, the beginning stays
    // published.
    for (path, content) in &whole.files {
        let beginning = &pieces.files[path];
        assert!(content.starts_with(beginning), "{} differs", path.display());
    }
}

fn serve(bytes: &[u8], pieces: Pieces, finally: Finally, policy: &Policy) -> Outcome {
    let scratch = Scratch::new();
    let store = scratch.path().join("store");
    let outside = scratch.path().join("outside.txt");
    fs::create_dir(&store).unwrap();
    fs::write(&outside, "outside").unwrap();
    let log = Arc::new(EventLog::default());
    let service = Service {
        policy: policy.clone(),
        identity: Some(Arc::clone(&IDENTITY)),
        store: Arc::new(Folder::open(&store).unwrap()),
        ciphertext: None,
        history: None,
        budget: PaddingBudget::default(),
        observer: Arc::clone(&log) as Arc<dyn Observer>,
    };
    let script = (!bytes.is_empty()).then(|| Act::Send(bytes.to_vec()));
    let client = ScriptedStream::new(script).in_pieces(pieces).then(finally);
    let transcript = client.transcript();
    let connection = Connection::new(Box::new(client), Duration::from_secs(900));
    Session::new(&service, connection, SessionId(1), "client".to_owned()).run();
    drop(service);

    let mut files = BTreeMap::new();
    collect(&store, Path::new(""), &mut files);
    let beside: Vec<_> =
        fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside.len(), 2, "outside of the store: {beside:?}");
    assert_eq!(fs::read(outside).unwrap(), b"outside");
    let steps = transcript.take();
    let answers: Vec<u8> = steps
        .iter()
        .flat_map(|step| if let Step::Wrote(bytes) = step { &bytes[..] } else { &[] })
        .copied()
        .collect();
    let (received, refusals) = check_events(log.take(), &files, bytes);
    let is_reset = steps.contains(&Step::Reset);
    assert_eq!(is_reset, !refusals.is_empty(), "a refused client gets a reset, and only a refused one");
    let is_refused = refusal_at(&answers);
    assert!(!is_refused || is_reset, "an orderly end behind a refusal");
    Outcome { files, received, refusals, answered: (answers.len(), is_refused), is_reset }
}

/// Returns whether the answers end by a refusal.
fn refusal_at(answers: &[u8]) -> bool {
    let line = answers.iter().rposition(|byte| *byte == REFUSED);
    line.is_some_and(|at| answers[at + 1..].is_empty() || answers[at + 1..].starts_with(b"upseal/1 refused "))
}

fn collect(folder: &Path, inside: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = inside.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &path, files);
        } else {
            files.insert(path, fs::read(entry.path()).unwrap());
        }
    }
}

/// Checks the events against the store, and returns received files and refusals.
fn check_events(
    events: Vec<Event>,
    files: &BTreeMap<PathBuf, Vec<u8>>,
    bytes: &[u8],
) -> (BTreeMap<String, u64>, Vec<RefusalKind>) {
    let (mut received, mut refusals) = (BTreeMap::new(), Vec::new());
    // The last word on each name: a file may be continued.
    let mut latest = BTreeMap::new();
    for event in events {
        match event {
            Event::Received { name, kept, size, variant, digest, .. } => {
                check_shown(name.as_str());
                received.insert(name.as_str().to_owned(), size);
                if kept != Kept::Discarded {
                    latest.insert(name, (size, digest, variant));
                }
            }
            Event::Refused { why, kind, name, .. } => {
                check_shown(&why);
                check_shown(name.unwrap_or_default().as_str());
                refusals.push(kind);
            }
            Event::Warned { text, .. } => check_shown(&text),
            _ => {}
        }
    }
    for (name, (size, digest, variant)) in latest {
        let is_it = |content: &&Vec<u8>| {
            content.len() as u64 == size && Some(Digest::of(content).to_string()) == digest
        };
        let content = files.values().find(is_it);
        let content =
            content.unwrap_or_else(|| panic!("{name} of {size} bytes was received and is not there"));
        let is_open = matches!(variant, Variant::Plain | Variant::Ap);
        let came = content.is_empty() || bytes.windows(content.len()).any(|window| window == content);
        assert!(!is_open || came, "{name} holds what was not sent");
    }
    assert!(files.len() <= received.len(), "more files than were received: {:?}", files.keys());
    (received, refusals)
}

/// The client's and the server's errors of a connection, to be told apart.
pub(super) fn broken() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}
