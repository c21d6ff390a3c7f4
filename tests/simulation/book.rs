//! What clients sent and what they were told, and whether that is true.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use upseal::Digest;
use upseal::event::{AuthMessage, Framing, Kept, Padding, Variant};

use crate::common::K;
use crate::network::Link;
use crate::plan::{ClientPlan, Does, Plan};

/// Files that were in the store before the server.
pub(crate) const FURNITURE: [(&str, &[u8]); 2] = [("a.txt", b"here before"), ("c", b"")];

/// Longest time for which a server waits for a client that did something, and for one that did not. The deadline is not
/// moved at every read, so it is up to a sixteenth later.
const IDLE: Duration = Duration::from_secs(900 + 900 / 16);
const BEGIN: Duration = Duration::from_secs(60);
/// Longest time for a client that drips: until its body has begun, and the time over which a body's rate counts.
const DRIP: Duration = Duration::from_secs(60 + 60);
/// Time that a session may need besides: for an answer before the wait, for its refusal, and for packets on their way.
const SLACK: Duration = Duration::from_secs(60 + 80);

#[derive(Default)]
pub(crate) struct Book {
    known: HashMap<Digest, Known>,
    pub(crate) claims: Vec<Claim>,
    pub(crate) received: Vec<Received>,
    /// What was wrong as soon as it happened.
    pub(crate) violations: Vec<String>,
    /// Clients that sent all their files at the first try, and were told so.
    pub(crate) happy: BTreeSet<usize>,
    /// Whether a file may be published before it is whole, because its end is open.
    has_open_ends: bool,
    /// Whether the store could not read what it has, so that it could not compare.
    pub(crate) is_blind: bool,
    /// What came how often: what is never tried is never wrong.
    pub(crate) tally: BTreeMap<&'static str, u64>,
    /// Transfers that a server watches.
    pub(crate) watched: i64,
}

/// A content that a client sends.
#[derive(Default)]
struct Known {
    names: BTreeSet<String>,
    /// Whether a client sent all of it.
    is_whole: bool,
}

/// What a client was told about a file.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) client: usize,
    pub(crate) name: String,
    pub(crate) digest: Digest,
    /// For a receipt: the stored name.
    pub(crate) receipt: Option<String>,
}

/// What a server reported as stored.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) client: usize,
    pub(crate) name: String,
    pub(crate) kept: Kept,
    pub(crate) size: u64,
    pub(crate) digest: Digest,
}

/// Returns whether a server cannot know where a client's files end.
fn is_open_ended(client: &ClientPlan) -> bool {
    let dialect = client.dialect;
    dialect.variant == Variant::Cp1
        && (dialect.auth_message == AuthMessage::Random32
            || matches!(dialect.framing, Framing::C | Framing::D | Framing::E))
}

impl Book {
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut book = Self::default();
        for client in &plan.clients {
            for file in &client.files {
                book.known.entry(Digest::of(&file.content)).or_default().names.insert(file.name.clone());
                if is_open_ended(client) {
                    book.has_open_ends = true;
                    let block = K - if client.dialect.padding == Padding::Oaep { 66 } else { 11 };
                    for end in (0..file.content.len()).step_by(block) {
                        let beginning = Digest::of(&file.content[..end]);
                        let known = book.known.entry(beginning).or_default();
                        known.names.insert(file.name.clone());
                        known.is_whole = true;
                    }
                }
            }
        }
        book
    }

    /// Notes that all of a content was sent.
    pub(crate) fn is_sent(&mut self, digest: Digest) {
        if let Some(known) = self.known.get_mut(&digest) {
            known.is_whole = true;
        }
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    pub(crate) fn complain(&mut self, what: String) {
        self.violations.push(what);
    }

    /// Compares a session's length with the deadlines.
    pub(crate) fn check_length(&mut self, plan: &Plan, link: &Link, now: Duration, slowness: Duration) {
        let slack = SLACK + slowness;
        let (from, most) = match plan.clients[link.client].does {
            Does::Drip { .. } => (link.opened, DRIP),
            _ if link.has_acted => (link.last_arrival, IDLE),
            _ => (link.opened, BEGIN),
        };
        if now.saturating_sub(from) > most + slack {
            self.complain(format!(
                "session {} of client {} ended {} s after {}",
                link.number,
                link.client,
                now.saturating_sub(from).as_secs(),
                if link.has_acted { "the last packet came" } else { "it began, and its client did nothing" },
            ));
        }
    }

    /// Compares what was stored with what was sent and said. `files`: the store after the run.
    pub(crate) fn check(&mut self, plan: &Plan, files: &BTreeMap<PathBuf, Vec<u8>>) {
        let mut found = Vec::new();
        let digests: BTreeMap<String, Digest> = files
            .iter()
            .map(|(path, content)| (path.to_string_lossy().into_owned(), Digest::of(content)))
            .collect();
        let furniture: BTreeMap<&str, &[u8]> =
            if plan.is_furnished { FURNITURE.into_iter().collect() } else { BTreeMap::new() };
        for (name, content) in &furniture {
            if files.get(&PathBuf::from(name)).is_none_or(|is| is != content) {
                found.push(format!("{name} was here before, and was replaced or lost"));
            }
        }
        let mut places: HashMap<Digest, Vec<&String>> = HashMap::new();
        for (name, digest) in &digests {
            if furniture.contains_key(name.as_str()) {
                continue;
            }
            places.entry(*digest).or_default().push(name);
            match self.known.get(digest) {
                None => found.push(format!("{name} has content that no client sends")),
                Some(known) if !known.is_whole => {
                    found.push(format!("{name} is stored, and no client sent all of it"));
                }
                Some(known) if !known.names.iter().any(|want| is_of(want, name)) => {
                    found.push(format!("{name} has content that was sent as {:?}", known.names));
                }
                Some(_) => {}
            }
        }
        let again = places.iter().filter(|(digest, names)| {
            let wanted = self.known.get(*digest).map_or(0, |known| known.names.len());
            names.len() > wanted && !self.has_open_ends && !self.is_blind
        });
        let mut again: Vec<String> = again.map(|(_, names)| format!("stored twice: {names:?}")).collect();
        again.sort();
        found.append(&mut again);
        for claim in &self.claims {
            let is_there = if let Some(name) = &claim.receipt {
                digests.get(name) == Some(&claim.digest)
            } else {
                digests.iter().any(|(name, digest)| is_of(&claim.name, name) && *digest == claim.digest)
            };
            if !is_there {
                let what = match &claim.receipt {
                    Some(name) => format!("a receipt that says that it is stored as {name}"),
                    None => "been told that it was delivered".to_owned(),
                };
                found.push(format!(
                    "client {} sent {} and has {what}; it is not there",
                    claim.client, claim.name
                ));
            }
        }
        for received in &self.received {
            if self.known.get(&received.digest).is_none_or(|known| !known.is_whole) {
                found.push(format!("{} was published, and no client sent all of it", received.name));
            }
        }
        self.check_replays(plan);
        self.violations.append(&mut found);
    }

    fn check_replays(&mut self, plan: &Plan) {
        let replayed = |received: &&Received| matches!(plan.clients[received.client].does, Does::Replay(_));
        let stored: Vec<String> = self
            .received
            .iter()
            .filter(replayed)
            .filter(|received| received.size > 0 || received.kept != Kept::Same)
            .map(|received| format!("a replay was accepted: {} as {:?}", received.name, received.kept))
            .collect();
        self.violations.extend(stored);
    }
}

/// Returns whether a file of the store may be one that was sent under this name.
fn is_of(want: &str, name: &str) -> bool {
    let parts = |path: &str| {
        let (folder, leaf) = path.rsplit_once('/').map_or(("", path), |(folder, leaf)| (folder, leaf));
        (folder.to_owned(), leaf.to_owned())
    };
    let ((want_in, want), (is_in, is)) = (parts(want), parts(name));
    if !is_in.starts_with(&want_in) {
        return false;
    }
    let stem = want.find('.').map_or(want.as_str(), |dot| &want[..dot]);
    let stem = stem.split(" (").next().unwrap_or(stem);
    is.starts_with(stem)
}

/// Content as a reader that may end early.
pub(crate) struct Source {
    pub(crate) content: Arc<Vec<u8>>,
    pub(crate) at: usize,
    pub(crate) end: usize,
}

impl std::io::Read for Source {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = out.len().min(self.end - self.at);
        out[..n].copy_from_slice(&self.content[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
