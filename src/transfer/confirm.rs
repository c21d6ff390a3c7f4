//! What was sent and is not confirmed yet, and what a receipt says of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::recover::{ENDING, UNCONFIRMED};
use crate::crypto::receipt::{Entry, Fate, Receipt, salted};
use crate::digest::Digest;
use crate::event::{Blame, Dialect, Event, Fault, FaultKind, Job, Named, State};
use crate::messages::escape;
use crate::meter::Meter;
use crate::net::Observer;
use crate::net::upload::SentFile;
use crate::store::name::MAX_BYTES;
use crate::store::{FileName, Incoming, Store};

/// How long files may wait for a receipt while others follow them.
const LATEST: Duration = Duration::from_secs(1);
/// Files in a request whose receipts are kept together.
const TOGETHER: usize = 256;
/// Files in a request where each keeps the whole statement for itself.
const APART: usize = 16;

/// Hexadecimal digits of a digest in the name of a receipt.
const DISTINCT: usize = 16;

/// Where receipts go.
#[derive(Clone, Default)]
pub enum Keep {
    /// Nowhere; they are asked for all the same.
    #[default]
    Nowhere,
    /// One file for each request, named by it.
    Together {
        /// The folder.
        store: Arc<dyn Store>,
        /// Its path, absolute.
        folder: PathBuf,
    },
    /// `NAME.receipt` for each file.
    Apart {
        /// The folder.
        store: Arc<dyn Store>,
        /// Its path, absolute.
        folder: PathBuf,
    },
}

impl Keep {
    /// The folder, absolute; `None`: they are kept nowhere.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Nowhere => None,
            Self::Together { folder, .. } | Self::Apart { folder, .. } => Some(folder),
        }
    }
}

/// One attempt to send a file.
pub struct Attempt {
    /// The upload that was ordered.
    pub job: Job,
    /// The name that is sent.
    pub name: String,
    /// Bytes of the file when it was opened.
    pub size: u64,
    /// The numbers of this attempt.
    pub meter: Arc<Meter>,
}

/// A file whose last byte the kernel took, and that the server has not confirmed.
pub struct Unconfirmed {
    /// What was ordered, and under which name it was sent.
    pub attempt: Attempt,
    /// Its number in the connection, and the SHA-256 of what was read.
    pub sent: SentFile,
    /// When the kernel took the last byte.
    pub at: Instant,
    /// Whether an earlier attempt broke: then it is confirmed alone, so that a refusal names its file.
    pub alone: bool,
}

/// Whether it is time to ask.
#[must_use]
pub fn is_due(waiting: &[Unconfirmed], keep: &Keep) -> bool {
    let most = match keep {
        Keep::Nowhere | Keep::Together { .. } => TOGETHER,
        Keep::Apart { .. } => APART,
    };
    let first = waiting.first();
    waiting.len() >= most
        || first.is_some_and(|first| first.at.elapsed() >= LATEST)
        || waiting.last().is_some_and(|last| last.alone)
}

/// Keeps a receipt for these files; the paths are in their order. What cannot be kept is said, and does not
/// make the files less stored.
pub fn keep(
    receipt: &Receipt,
    files: &[Unconfirmed],
    keep: &Keep,
    observer: &dyn Observer,
) -> Vec<Option<PathBuf>> {
    let write = |store: &dyn Store, folder: &Path, name: String| {
        let name = FileName::from_wire(name.as_bytes()).map_err(|e| e.to_string());
        let written = name.and_then(|name| {
            let text = receipt.to_text();
            let want = Incoming { name, size: Some(text.len() as u64) };
            let mut pending = store.begin(&want).map_err(|e| e.to_string())?;
            pending.write(text.as_bytes()).map_err(|e| e.to_string())?;
            pending.commit(None).wait().map_err(|e| e.to_string())
        });
        match written {
            Ok(stored) => Some(folder.join(stored.name.as_str())),
            Err(why) => {
                observer.event(Event::Note { text: format!("a receipt is not kept: {why}") });
                None
            }
        }
    };
    match keep {
        Keep::Nowhere => vec![None; files.len()],
        Keep::Together { store, folder } => {
            let path = write(&**store, folder, format!("{}{ENDING}", receipt.statement.request));
            vec![path; files.len()]
        }
        Keep::Apart { store, folder } => {
            files.iter().map(|file| write(&**store, folder, receipt_name(&file.attempt.name))).collect()
        }
    }
}

/// Name of the receipt of one file. What is too long for a file system is cut, and gets a part of the SHA-256 of the
/// whole name, so that two names that are cut alike differ.
fn receipt_name(sent: &str) -> String {
    let name = base(sent);
    if name.len() + ENDING.len() <= MAX_BYTES {
        return format!("{name}{ENDING}");
    }
    let digest = Digest::of(name.as_bytes()).to_string();
    let digest = &digest[..DISTINCT];
    let mut end = MAX_BYTES - ENDING.len() - DISTINCT - 1;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}~{digest}{ENDING}", &name[..end])
}

/// A name without its folders, as anybody writes them.
pub(super) fn base(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

/// What a line of a statement means for the file it is about.
#[must_use]
pub fn judge(
    entry: &Entry,
    salt: Option<&[u8; 32]>,
    file: &Unconfirmed,
    dialect: Dialect,
    receipt: Option<PathBuf>,
) -> State {
    match &entry.fate {
        Fate::Missing(reason) => State::Failed(Fault {
            kind: FaultKind::Refused,
            blame: Blame::Peer,
            what: format!("the server says that it does not keep it: {reason}"),
            advice: "its log says why".to_owned(),
        }),
        Fate::Stored { protocol, size, digest, name, named } => {
            let is_kept_as = is_kept_as(&file.attempt.name, name, *named);
            let name = escape(name).to_string();
            if *protocol != dialect.variant {
                return altered(
                    &name,
                    &format!("it came as {protocol}, and was sent as {}", dialect.variant),
                );
            }
            if *size != file.attempt.size {
                return altered(
                    &name,
                    &format!("it has {size} bytes there, and {} were sent", file.attempt.size),
                );
            }
            // Receipts are asked for only of files that were hashed.
            if file.sent.digest.is_none_or(|sent| *digest != salted(salt, sent)) {
                return altered(&name, "it has another SHA-256 there");
            }
            if !is_kept_as {
                return renamed(&name);
            }
            State::Stored { name, named: *named, receipt }
        }
    }
}

/// What is known of a file between the question and the receipt: nothing. It stays so if upseal dies there.
#[must_use]
pub fn unknown() -> State {
    State::Failed(Fault {
        kind: FaultKind::Broken,
        blame: Blame::System,
        what: UNCONFIRMED.to_owned(),
        advice: String::new(),
    })
}

/// The beginning of what is said of a file that is not what was sent.
pub const ALTERED: &str = "altered on the way";

/// Whether a file that was sent under this name arrived under it, as far as the receipt's name tells.
///
/// A server that tells the stored name may have numbered it, or put a prefix before it; what an attacker on the path puts
/// before a name cannot be told from that. The name under which a file came must be the one that was sent.
#[must_use]
pub fn is_kept_as(sent: &str, there: &str, named: Named) -> bool {
    FileName::from_wire(sent.as_bytes()).is_ok_and(|name| match named {
        Named::Stored => name.may_become(there),
        Named::Wanted => name.as_str() == there,
    })
}

/// The content is what was sent.
fn renamed(name: &str) -> State {
    State::Failed(Fault {
        kind: FaultKind::Broken,
        blame: Blame::Peer,
        what: format!("{ALTERED}: it has another name there; the server's copy is {name}"),
        advice:
            "its content is what was sent; no variant protects a name, so somebody on the way can change it"
                .to_owned(),
    })
}

fn altered(name: &str, how: &str) -> State {
    State::Failed(Fault {
        kind: FaultKind::Broken,
        blame: Blame::Peer,
        what: format!("{ALTERED}: {how}; the server's copy is {name}"),
        advice:
            "somebody on the way can change what CP1, AP and Plain send: use CP2, and do not trust that copy"
                .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_renamed_on_the_way_is_not_kept_as_it_was_sent() {
        for (sent, there, as_stored, as_wanted) in [
            ("a.txt", "a.txt", true, true),
            ("dir/a.txt", "a.txt", true, true),
            ("a.txt", "a (2).txt", true, false),
            ("a.txt", "recv_a.txt", true, false),
            ("a.txt", "b.txt", false, false),
        ] {
            assert_eq!(is_kept_as(sent, there, Named::Stored), as_stored, "{there}");
            assert_eq!(is_kept_as(sent, there, Named::Wanted), as_wanted, "{there}");
        }
    }
}
