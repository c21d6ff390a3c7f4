//! Files that were sent and are not confirmed yet, and what a receipt says of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::receipt_files::Keep;
use crate::crypto::receipt::{Entry, Fate, salted};
use crate::event::{Dialect, Fault, Job, Named, State};
use crate::messages::escape;
use crate::meter::Meter;
use crate::net::upload::SentFile;
use crate::store::FileName;

/// The longest time that a file waits for a receipt request while others follow it.
const LATEST: Duration = Duration::from_secs(1);
/// The most files in a request whose receipts share one file.
const TOGETHER: usize = 256;
/// The most files in a request when each file keeps a copy of the whole statement.
const APART: usize = 16;

/// Bytes of a statement's line at most, apart from the name.
const LINE: usize = 256;
/// Bytes of a statement from which on no more files are added; an answer has at most 524,288.
const STATEMENT: usize = 400_000;

/// Why an upload of which nothing is known is recorded as failed.
pub(crate) const UNCONFIRMED: &str = "sent; upseal stopped before the server confirmed it";

/// One attempt to send a file.
pub(crate) struct Attempt {
    /// The upload that was ordered.
    pub job: Job,
    /// The name that is sent: a path, if the server keeps paths.
    pub name: String,
    /// Whether `name` is the file's path in the server's store.
    pub keeps_path: bool,
    /// Size of the file in bytes when it was opened.
    pub size: u64,
    /// The counters of this attempt.
    pub meter: Arc<Meter>,
}

/// A file whose last byte the kernel took, and that the server has not confirmed.
pub(crate) struct Unconfirmed {
    /// The upload and the name that was sent.
    pub attempt: Attempt,
    /// The file's number in the connection, and the SHA-256 of what was read.
    pub sent: SentFile,
    /// When the kernel took the last byte.
    pub at: Instant,
    /// Whether an earlier attempt broke. Then the file is confirmed alone, so that a refusal names it.
    pub alone: bool,
}

/// Returns whether it is time to request receipts for the files that wait.
#[must_use]
pub(crate) fn is_due(waiting: &[Unconfirmed], keep: &Keep) -> bool {
    let most = match keep {
        Keep::Nowhere | Keep::Together { .. } => TOGETHER,
        Keep::Apart { .. } => APART,
    };
    let first = waiting.first();
    // The statement must fit into an answer.
    let text: usize = waiting.iter().map(|file| LINE + 3 * file.attempt.name.len()).sum();
    waiting.len() >= most
        || text >= STATEMENT
        || first.is_some_and(|first| first.at.elapsed() >= LATEST)
        || waiting.last().is_some_and(|last| last.alone)
}

/// Returns the state of a file by its line in a statement.
#[must_use]
pub(crate) fn judge(
    entry: &Entry,
    salt: Option<&[u8; 32]>,
    file: &Unconfirmed,
    dialect: Dialect,
    receipt: Option<PathBuf>,
) -> State {
    let (protocol, size, digest, name, named) = match &entry.fate {
        Fate::Missing(reason) => {
            let fault = Fault::refused(format!("the server did not store it: {reason}"));
            return State::Failed(fault.with_advice("see the server's log for the reason"));
        }
        Fate::Stored { protocol, size, digest, name, named } => (*protocol, *size, digest, name, *named),
    };
    let (variant, sent) = (dialect.variant, file.attempt.size);
    let is_kept_as = is_kept_as(&file.attempt.name, file.attempt.keeps_path, name, named);
    let name = escape(name);
    if protocol != variant {
        return State::Failed(altered(&format!("sent by {variant}, received by {protocol}"), name.as_str()));
    }
    if size != sent {
        return State::Failed(altered(&format!("sent {sent} bytes, received {size}"), name.as_str()));
    }
    // Receipts are requested only for files that were hashed.
    if file.sent.digest.is_none_or(|sent| *digest != salted(salt, sent)) {
        return State::Failed(altered("the SHA-256 differs", name.as_str()));
    }
    if !is_kept_as {
        return State::Failed(renamed(name.as_str()));
    }
    State::Stored { name, named, receipt, earlier: None }
}

/// Returns the state of a file between the request for its receipt and the answer. It is recorded before the request,
/// and remains if upseal is killed in between.
#[must_use]
pub(crate) fn unknown() -> State {
    State::Failed(Fault::system(UNCONFIRMED))
}

/// Returns whether a file that was sent under this name arrived under it, as far as the receipt's name tells.
///
/// A server that tells the stored name may have numbered it, or put a prefix before it. A prefix that an attacker on the
/// path put before the name looks the same. The name under which a file arrived must be the one that was sent.
#[must_use]
pub(crate) fn is_kept_as(sent: &str, keeps_path: bool, there: &str, named: Named) -> bool {
    let sent =
        if keeps_path { FileName::from_path(sent.as_bytes()) } else { FileName::from_wire(sent.as_bytes()) };
    sent.is_ok_and(|name| match named {
        Named::Stored => name.may_become(there),
        Named::Wanted => name.as_str() == there,
    })
}

/// Returns the same for a file of which is not known whether it was sent with its path.
#[must_use]
pub(crate) fn may_be_kept_as(sent: &str, there: &str, named: Named) -> bool {
    [false, true].into_iter().any(|keeps_path| is_kept_as(sent, keeps_path, there, named))
}

/// The fault of a file whose content arrived as it was sent, under another name.
fn renamed(name: &str) -> Fault {
    Fault::altered(format!("altered on the path: the name differs; the server's copy is {name}")).with_advice(
        "the content is what was sent; no variant protects the name, so an attacker on the path can change it",
    )
}

/// The fault of a file whose content differs from what was sent.
fn altered(how: &str, name: &str) -> Fault {
    Fault::altered(format!("altered on the path: {how}; the server's copy is {name}")).with_advice(
        "use CP2, and do not trust that copy: an attacker on the path can change what CP1, AP and Plain send",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::event::{FaultKind, JobId, Target, Variant};

    /// The history records the kind of a fault, never its text.
    #[test]
    fn a_file_that_differs_in_anything_is_altered() {
        let content = Digest::of(b"content");
        let job = Job::new(JobId(1), "/a.txt", Target::Embedded, Dialect::of(Variant::Plain));
        let attempt =
            Attempt { job, name: "a.txt".to_owned(), keeps_path: false, size: 7, meter: Arc::default() };
        let sent = SentFile { ordinal: 1, digest: Some(content) };
        let file = Unconfirmed { attempt, sent, at: Instant::now(), alone: false };
        let judged = |protocol, size, digest, name: &str| {
            let fate = Fate::Stored { protocol, size, digest, name: name.to_owned(), named: Named::Wanted };
            judge(&Entry { ordinal: 1, fate }, None, &file, Dialect::of(Variant::Plain), None)
        };
        let stored = judged(Variant::Plain, 7, content, "a.txt");
        assert!(matches!(stored, State::Stored { .. }), "{stored:?}");
        for state in [
            judged(Variant::Ap, 7, content, "a.txt"),
            judged(Variant::Plain, 8, content, "a.txt"),
            judged(Variant::Plain, 7, Digest::of(b"other"), "a.txt"),
            judged(Variant::Plain, 7, content, "b.txt"),
        ] {
            assert!(matches!(&state, State::Failed(fault) if fault.kind == FaultKind::Altered), "{state:?}");
        }
        let missing = Entry { ordinal: 1, fate: Fate::Missing(crate::crypto::receipt::Reason::Disk) };
        let state = judge(&missing, None, &file, Dialect::of(Variant::Plain), None);
        assert!(matches!(&state, State::Failed(fault) if fault.kind == FaultKind::Refused), "{state:?}");
    }

    #[test]
    fn a_file_renamed_on_the_path_counts_as_altered() {
        for (sent, there, as_stored, as_wanted) in [
            ("a.txt", "a.txt", true, true),
            ("dir/a.txt", "a.txt", true, true),
            ("a.txt", "a (2).txt", true, false),
            ("a.txt", "recv_a.txt", true, false),
            ("a.txt", "b.txt", false, false),
        ] {
            assert_eq!(is_kept_as(sent, false, there, Named::Stored), as_stored, "{there}");
            assert_eq!(is_kept_as(sent, false, there, Named::Wanted), as_wanted, "{there}");
        }
        for (sent, there, as_stored, as_wanted) in [
            ("dir/a.txt", "dir/a.txt", true, true),
            ("dir/a.txt", "dir/a (2).txt", true, false),
            ("dir/a.txt", "dir (2)/a.txt", true, false),
            ("dir/a.txt", "dir/recv_a.txt", true, false),
            // An attacker who takes the path away stores the file elsewhere.
            ("dir/a.txt", "a.txt", false, false),
            ("dir/a.txt", "other/a.txt", false, false),
            ("a.txt", "dir/a.txt", false, false),
        ] {
            assert_eq!(is_kept_as(sent, true, there, Named::Stored), as_stored, "{there}");
            assert_eq!(is_kept_as(sent, true, there, Named::Wanted), as_wanted, "{there}");
        }
    }
}
