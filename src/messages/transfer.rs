//! Sentences about uploads: their states, retries, how a file arrived, and faults.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use super::{Escaped, Message, escape, units};
use crate::event::{Blame, Fault, FaultKind, Limit, Named, ServerAddress, Skipped, Snapshot, State, Target};

/// Returns the name of an upload's state: one or two words.
#[must_use]
pub(crate) const fn state(state: &State) -> &'static str {
    match state {
        State::Waiting => "queued",
        State::Paused => "paused",
        State::Connecting => "connecting",
        State::Proving => "verifying",
        State::Sending => "sending",
        State::Sent => "sent",
        State::Delivered => "delivered",
        State::Stored { .. } => "stored",
        State::Failed(Fault { kind: FaultKind::Unconfirmed, .. }) => "unconfirmed",
        State::Failed(_) => "failed",
        State::Cancelled => "cancelled",
    }
}

/// Says how many bytes uploads may send: `limit 5 MiB/s`, `no limit`.
#[must_use]
pub(crate) fn limited(limit: Limit) -> String {
    limit.bytes().map_or_else(|| "no limit".to_owned(), |bytes| format!("limit {}/s", units::bytes(bytes)))
}

/// Says that a server accepts no further connection.
#[must_use]
pub(crate) fn declined(target: &Target, open: usize) -> String {
    let server = match target {
        Target::Embedded => "this computer's server".to_owned(),
        Target::Server { address, .. } => address.to_string(),
    };
    let open = units::count(u64::try_from(open).unwrap_or(u64::MAX), "connection");
    format!("{server} accepts no further connection; going on with {open}")
}

/// Says when a failed upload is sent again: `retrying in 4.0 s from byte 0 (try 2 of 4)`. `failed` counts the tries
/// that failed, from 1; `retries` is how many may follow the first try.
#[must_use]
pub(crate) fn retrying(failed: u32, retries: u32, pause: Duration) -> String {
    let pause = units::duration(pause);
    format!("retrying in {pause} from byte 0 (try {} of {})", failed + 1, retries + 1)
}

/// Says that other uploads are retried for the reason given last. `None` for no others.
#[must_use]
pub(crate) fn others_retrying(others: usize) -> Option<String> {
    let others = u64::try_from(others).unwrap_or(u64::MAX);
    (others > 0).then(|| format!("retrying {} for the same reason", units::count(others, "other file")))
}

/// Says that a server stopped responding and uploads wait for it. The help is for a command line.
#[must_use]
pub(crate) fn away(address: &ServerAddress, waiting: usize) -> Message {
    let waiting = u64::try_from(waiting).unwrap_or(u64::MAX);
    let verb = if waiting == 1 { "waits" } else { "wait" };
    Message {
        what: format!("{address} stopped responding; {} {verb} for it", units::count(waiting, "file")),
        help: "it may serve only one connection; if so, restart it".to_owned(),
    }
}

/// Says how much a folder holds, or at least holds while it is read: `at least 12 files, 3 MiB`.
#[must_use]
pub(crate) fn found(files: u64, bytes: u64, complete: bool) -> String {
    let least = if complete { "" } else { "at least " };
    format!("{least}{}, {}", units::count(files, "file"), units::bytes(bytes))
}

/// Says why something in a folder is not sent.
#[must_use]
pub(crate) fn why_skipped(why: &Skipped) -> String {
    match why {
        Skipped::Link => "it is a symbolic link, which only --follow sends".to_owned(),
        Skipped::Special => "it is not a regular file".to_owned(),
        Skipped::Empty => "the folder has no files to send".to_owned(),
        Skipped::Failed(fault) => fault.to_string(),
    }
}

/// Says that something in a folder is skipped, and why.
#[must_use]
pub(crate) fn skipped(path: &Path, why: &Skipped) -> String {
    match why {
        // The fault names the path.
        Skipped::Failed(fault) => format!("skipped: {fault}"),
        why => format!("skipped {}: {}", Escaped::path(path), why_skipped(why)),
    }
}

/// Says that a folder was read to its end: `docs: 12 files, 3 MiB; 2 skipped`.
#[must_use]
pub(crate) fn scanned(path: &Path, files: u64, bytes: u64, skipped: u64) -> String {
    let skipped = if skipped == 0 { String::new() } else { format!("; {skipped} skipped") };
    format!("{}: {}{skipped}", Escaped::path(path), found(files, bytes, true))
}

/// Says that the folders of files are not kept. `folder` is the name of the folder that is sent.
#[must_use]
pub(crate) fn flattened(folder: &str) -> String {
    format!("the server does not keep folders: the files of {} get their names alone", escape(folder))
}

/// Says that two files of different folders are sent under one name.
#[must_use]
pub(crate) fn same_name(first: &str, second: &str) -> String {
    let (first, second) = (escape(first), escape(second));
    format!("{first} and {second} have the same name; if they differ, the server keeps the second as a copy")
}

/// Returns a message for each file that has the name of an earlier one in another folder.
#[must_use]
pub(crate) fn same_names<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Vec<String> {
    let mut first: HashMap<&OsStr, &Path> = HashMap::new();
    let mut messages = Vec::new();
    for path in paths {
        let Some(name) = path.file_name() else { continue };
        let earlier = *first.entry(name).or_insert(path);
        if earlier != path {
            messages.push(same_name(&earlier.to_string_lossy(), &path.to_string_lossy()));
        }
    }
    messages
}

/// Says for how long no byte has moved: `stalled 12 s`.
#[must_use]
pub(crate) fn stalled(idle: Duration) -> String {
    format!("stalled {}", units::clock(idle))
}

/// Formats the time that is left at the present rate: `ETA 1 min 1 s`.
#[must_use]
pub(crate) fn eta(time: Duration) -> String {
    if time < Duration::from_secs(1) { "ETA < 1 s".to_owned() } else { format!("ETA {}", units::clock(time)) }
}

/// Says that everything was sent and is not confirmed, and for how long the program has waited.
#[must_use]
pub(crate) fn unconfirmed(waited: Duration) -> String {
    if waited < Duration::from_secs(1) {
        "not confirmed yet".to_owned()
    } else {
        format!("{WAITING_FOR_END}, {}", units::clock(waited))
    }
}

/// What a reason that the server gives begins with.
pub(crate) const REFUSED: &str = "the server refused: ";

/// Everything was sent and is not confirmed.
pub(crate) const WAITING_FOR_END: &str = "sent, waiting for the server to finish";

/// An upload that needed no sending: an earlier receipt covers it.
pub(crate) const RECEIPTED_BEFORE: &str = "already stored, not sent: it has a receipt";

/// An upload that was sent although an earlier receipt covers it.
const ALREADY_STORED: &str = "already stored";

/// Returns what is known of an upload that arrived, after whether an earlier receipt covers it.
#[must_use]
pub(crate) fn arrived(state: &State, sent: &str) -> String {
    match state {
        State::Stored { earlier: Some(_), .. } => format!("{ALREADY_STORED}, {sent}"),
        _ => sent.to_owned(),
    }
}

/// Describes a whole upload: `7.91 MiB in 0.02 s, 402 MiB/s, 10.5 MiB on the wire`. An upload below one millisecond has
/// no rate.
#[must_use]
pub(crate) fn sent(snapshot: &Snapshot) -> String {
    let rate = match snapshot.elapsed_ms {
        0 => String::new(),
        _ if snapshot.file_bytes == 0 => String::new(),
        ms => format!(", {}", units::rate(snapshot.file_bytes as f64 * 1000.0 / ms as f64)),
    };
    format!(
        "{} in {}{rate}, {} on the wire",
        units::bytes(snapshot.file_bytes),
        units::millis(snapshot.elapsed_ms),
        units::bytes(snapshot.wire_bytes)
    )
}

/// Formats the estimated duration of an upload, shown beside the actual one: `estimated 0.03 s`.
#[must_use]
pub(crate) fn estimated(time: Duration) -> String {
    format!("estimated {}", units::duration(time))
}

/// Describes the details of a receipt: `, as a (2).txt, receipt …/5c0e.receipt`. `sent` is the name that was sent,
/// `there` the name in the receipt.
#[must_use]
pub(crate) fn receipt(sent: &Escaped, there: &Escaped, named: Named, kept: Option<&Path>) -> String {
    let name = match named {
        Named::Wanted => format!(", accepted as {there}"),
        Named::Stored if there == sent => String::new(),
        Named::Stored => format!(", as {there}"),
    };
    let kept = kept.map_or_else(String::new, |path| format!(", receipt {}", Escaped::path(path)));
    name + &kept
}

/// Names the receipt of an earlier upload: `, earlier receipt …/77aa.receipt`; nothing for none.
#[must_use]
pub(crate) fn earlier_receipt(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| format!(", earlier receipt {}", Escaped::path(path)))
}

/// Says who has to act on a fault.
#[must_use]
pub(crate) const fn blame(blame: Blame) -> &'static str {
    match blame {
        Blame::Peer => "This is on the server's side.",
        Blame::User => "This is on your side.",
        Blame::System => "This is on this computer.",
    }
}

#[cfg(test)]
mod tests {
    use super::super::escape;
    use super::*;

    #[test]
    fn each_state_has_a_name() {
        let stored =
            State::Stored { name: Escaped::default(), named: Named::Stored, receipt: None, earlier: None };
        for (of, name) in [
            (State::Waiting, "queued"),
            (State::Paused, "paused"),
            (State::Connecting, "connecting"),
            (State::Proving, "verifying"),
            (State::Sending, "sending"),
            (State::Sent, "sent"),
            (State::Delivered, "delivered"),
            (stored, "stored"),
            (State::Failed(Fault::unconfirmed("")), "unconfirmed"),
            (State::Failed(Fault::broken("")), "failed"),
            (State::Cancelled, "cancelled"),
        ] {
            assert_eq!(state(&of), name);
        }
    }

    #[test]
    fn a_retry_says_when_and_which_try_it_is() {
        for (failed, retries, ms, text) in [
            (1, 3, 4_000, "retrying in 4.0 s from byte 0 (try 2 of 4)"),
            (3, 3, 250, "retrying in 0.25 s from byte 0 (try 4 of 4)"),
            (1, 1, 60_000, "retrying in 1 min 0 s from byte 0 (try 2 of 2)"),
        ] {
            assert_eq!(retrying(failed, retries, Duration::from_millis(ms)), text);
        }
        assert_eq!(others_retrying(0), None);
        assert_eq!(others_retrying(1).as_deref(), Some("retrying 1 other file for the same reason"));
        assert_eq!(others_retrying(2).as_deref(), Some("retrying 2 other files for the same reason"));
        let server = "h:1".parse().unwrap();
        assert_eq!(away(&server, 1).what, "h:1 stopped responding; 1 file waits for it");
        assert_eq!(away(&server, 3).what, "h:1 stopped responding; 3 files wait for it");
    }

    #[test]
    fn a_folder_says_what_is_in_it_and_what_is_not_sent() {
        assert_eq!(found(1, 0, true), "1 file, 0 B");
        assert_eq!(found(12, 3 << 20, false), "at least 12 files, 3 MiB");
        let path = Path::new("docs\n");
        assert_eq!(scanned(path, 2, 10, 0), "docs\\n: 2 files, 10 B");
        assert_eq!(scanned(path, 2, 10, 3), "docs\\n: 2 files, 10 B; 3 skipped");
        for (why, text) in [
            (Skipped::Link, "skipped docs\\n: it is a symbolic link, which only --follow sends"),
            (Skipped::Special, "skipped docs\\n: it is not a regular file"),
            (Skipped::Empty, "skipped docs\\n: the folder has no files to send"),
            (Skipped::Failed(Fault::local("cannot read x")), "skipped: cannot read x"),
        ] {
            assert_eq!(skipped(path, &why), text);
        }
    }

    #[test]
    fn waiting_is_counted_in_whole_seconds() {
        let s = Duration::from_secs_f64;
        assert_eq!([12.3, 61.4].map(s).map(stalled), ["stalled 12 s", "stalled 1 min 1 s"]);
        assert_eq!([0.9, 1.2, 61.4].map(s).map(eta), ["ETA < 1 s", "ETA 1 s", "ETA 1 min 1 s"]);
        assert_eq!(
            [0.9, 12.0].map(s).map(unconfirmed),
            ["not confirmed yet", "sent, waiting for the server to finish, 12 s"]
        );
    }

    #[test]
    fn a_sent_file_has_size_time_rate_and_wire() {
        let short = Snapshot { file_bytes: 7, wire_bytes: 36, ..Snapshot::default() };
        for (snapshot, text) in [
            (short, "7 B in < 1 ms, 36 B on the wire"),
            (Snapshot { elapsed_ms: 7, ..short }, "7 B in 7 ms, 1000 B/s, 36 B on the wire"),
            (Snapshot { elapsed_ms: 7, file_bytes: 0, ..short }, "0 B in 7 ms, 36 B on the wire"),
        ] {
            assert_eq!(sent(&snapshot), text);
        }
        assert_eq!(estimated(Duration::from_millis(30)), "estimated 0.03 s");
    }

    #[test]
    fn a_receipt_names_the_file_only_where_the_name_differs() {
        let name = escape("a.txt");
        let path = Path::new("r\n.receipt");
        for (there, named, kept, text) in [
            ("a.txt", Named::Stored, None, ""),
            ("a (2).txt", Named::Stored, Some(path), ", as a (2).txt, receipt r\\n.receipt"),
            ("a.txt", Named::Wanted, Some(path), ", accepted as a.txt, receipt r\\n.receipt"),
        ] {
            assert_eq!(receipt(&name, &escape(there), named, kept), text);
        }
    }

    #[test]
    fn each_fault_says_whose_side_it_is_on() {
        assert_eq!(
            [Blame::Peer, Blame::User, Blame::System].map(blame),
            ["This is on the server's side.", "This is on your side.", "This is on this computer."]
        );
    }
}
