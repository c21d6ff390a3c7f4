//! Texts of the queue and of uploads.

use std::iter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::event::{
    Dialect, Fault, FaultKind, Jobs, Named, ServerAddress, Skipped, Snapshot, State, Target, Verdict,
};
use crate::messages::transfer::{self as upload, RECEIPTED_BEFORE};
use crate::messages::{Message, capital, race, units};
use crate::ui::fit;
use crate::ui::screen::upload::queue::folder::Folder;

use super::{THIS_COMPUTER, exact_size};

pub(in crate::ui) use crate::messages::transfer::{arrived, blame, eta, limited, stalled, unconfirmed};
pub(in crate::ui) use crate::messages::units::{of, seconds};

/// Returns the name of an upload's state, with a mark where it ended.
pub(in crate::ui) const fn state(state: &State) -> &'static str {
    match state {
        State::Delivered => "delivered ✓",
        State::Stored { .. } => "stored ✓",
        State::Failed(Fault { kind: FaultKind::Unconfirmed, .. }) => "sent ?",
        State::Failed(Fault { kind: FaultKind::Refused, .. }) => "refused ✗",
        State::Failed(_) => "failed ✗",
        other => upload::state(other),
    }
}

/// `41.2 KiB, retrying in 3.0 s from byte 0 (try 2 of 4)`
pub(in crate::ui) fn retrying(size: &str, tries: u32, retries: u32, pause: Duration) -> String {
    format!("{size}, {}", upload::retrying(tries, retries, pause))
}

/// `41.2 KiB, waiting until 127.0.0.1:4321 is back`
pub(in crate::ui) fn waits_for_return(size: &str, destination: &str) -> String {
    format!("{size}, waiting until {destination} is back")
}

/// `41.2 KiB, Space resumes it from its first byte`
pub(in crate::ui) fn resumed_by_key(size: &str) -> String {
    format!("{size}, Space resumes it from its first byte")
}

/// `4 connections`
pub(in crate::ui) fn connections(jobs: Jobs) -> String {
    format!("{jobs} connections")
}

/// Says what a paused upload that was being sent loses.
pub(in crate::ui) fn stopped(name: &str) -> String {
    format!("{name}: stopped; resumed, it starts at its first byte.")
}

/// Says that the queue is paused or goes on, and what becomes of the uploads that are being sent.
pub(in crate::ui) fn queue_paused(paused: bool, running: usize) -> String {
    match (paused, running) {
        (false, _) => "The queue goes on.".to_owned(),
        (true, 0) => "Queue paused. S lets it go on.".to_owned(),
        (true, 1) => "Queue paused after the running file. S lets it go on.".to_owned(),
        (true, n) => format!("Queue paused after {n} running files. S lets it go on."),
    }
}

/// Says that a server stopped responding, and what the user can do.
pub(in crate::ui) fn away(address: &ServerAddress, waiting: usize) -> (String, String) {
    let Message { what, .. } = upload::away(address, waiting);
    (
        fit::escaped(&what),
        "It may serve only one connection. Restart it, or press Tab, then x to cancel.".to_owned(),
    )
}

/// ` 71 %`, rounded down: 100 % means that nothing is left.
pub(in crate::ui) fn percent(share: f64) -> String {
    format!("{:>3} %", (share * 100.0).floor())
}

/// `71 %  74.1 of 104 MiB`
pub(in crate::ui) fn progress(share: f64, snapshot: &Snapshot, size: u64) -> String {
    let total = if snapshot.file_total > 0 { snapshot.file_total } else { size };
    format!("{}  {}", percent(share), of(snapshot.file_bytes, total))
}

/// `wire 98.8 of 139 MiB, 4510 Mbit/s`; without the rate if that does not fit into `room` columns.
pub(in crate::ui) fn wire(snapshot: &Snapshot, room: usize) -> String {
    let bytes = format!("wire {}", of(snapshot.wire_bytes, snapshot.wire_total));
    if snapshot.file_bytes == 0 || snapshot.rate_now <= 0.0 {
        return bytes;
    }
    let factor = snapshot.wire_bytes as f64 / snapshot.file_bytes as f64;
    let long = format!("{bytes}, {}", units::wire_rate(snapshot.rate_now * factor));
    if fit::width(&long) <= room { long } else { bytes }
}

/// `412 MiB/s now, mean 388`
pub(in crate::ui) fn rates(snapshot: &Snapshot) -> String {
    rates_of(snapshot.rate_now, snapshot.rate_mean)
}

/// Formats a present and a mean rate in bytes per second.
pub(in crate::ui) fn rates_of(now: f64, mean: f64) -> String {
    let (now, mean) = (units::rate(now), units::rate(mean));
    match (now.split_once(' '), mean.split_once(' ')) {
        (Some((_, unit)), Some((number, same))) if unit == same => format!("{now} now, mean {number}"),
        _ => format!("{now} now, mean {mean}"),
    }
}

pub(in crate::ui) fn mean(rate: f64) -> String {
    if rate > 0.0 { format!("mean {}", units::rate(rate)) } else { String::new() }
}

/// `≥ 2.7 s`: the clock of a lane, which the large letters can show.
pub(in crate::ui) fn at_least(time: Duration) -> String {
    format!("≥ {}", units::duration(time))
}

/// `7.91 MiB in 0.02 s, 402 MiB/s, 10.5 MiB on the wire, estimated 0.03 s`
pub(in crate::ui) fn delivered(size: u64, snapshot: &Snapshot, predicted_ms: Option<u64>) -> String {
    let estimate = |ms| format!(", {}", upload::estimated(Duration::from_millis(ms)));
    let estimate = predicted_ms.map_or_else(String::new, estimate);
    upload::sent(&Snapshot { file_bytes: size, ..*snapshot }) + &estimate
}

/// `7.91 MiB, already stored, not sent: it has a receipt`
pub(in crate::ui) fn receipted_before(size: u64) -> String {
    format!("{}, {RECEIPTED_BEFORE}", units::bytes(size))
}

/// `2 more in the log (e).`; nothing for none.
pub(in crate::ui) fn more_same(count: usize) -> String {
    if count == 0 { String::new() } else { format!("{count} more in the log (e).") }
}

/// `as a (2).txt, 7.91 MiB in 0.02 s`: the name under which the server keeps the file comes first if it is another one.
pub(in crate::ui) fn stored_as(name: &str, fate: &str) -> String {
    format!("as {name}, {fate}")
}

/// `Queue 2 of 5 delivered, 1 failed`. `is_least`: a folder is being read, so that there are more.
pub(in crate::ui) fn queue_title(delivered: u64, all: u64, failed: u64, is_least: bool) -> String {
    let least = if is_least { "at least " } else { "" };
    match (all, failed) {
        (0, _) if is_least => "Queue: reading a folder".to_owned(),
        (0, _) => "Queue".to_owned(),
        (_, 0) => format!("Queue {delivered} of {least}{all} delivered"),
        _ => format!("Queue {delivered} of {least}{all} delivered, {failed} failed"),
    }
}

pub(in crate::ui) fn destination(target: &Target) -> String {
    match target {
        Target::Embedded => THIS_COMPUTER.to_owned(),
        Target::Server { address, .. } => fit::escaped(&address.to_string()),
    }
}

// Folders

/// State of an entry that is not sent.
pub(in crate::ui) const SKIPPED: &str = "skipped";

/// Why an entry of a folder is not sent.
pub(in crate::ui) fn skip(why: &Skipped) -> String {
    fit::escaped(&upload::why_skipped(why))
}

/// State of a folder of which no file is being sent.
pub(in crate::ui) const fn folder_state(folder: &Folder) -> &'static str {
    let sums = &folder.sums;
    if sums.paused > 0 && sums.paused == sums.waiting {
        upload::state(&State::Paused)
    } else if sums.waiting > 0 {
        upload::state(&State::Waiting)
    } else if !folder.is_read {
        "reading"
    } else if sums.files == 0 {
        "empty"
    } else if sums.failed == sums.files {
        "failed ✗"
    } else if sums.cancelled == sums.files {
        upload::state(&State::Cancelled)
    } else if sums.arrived() < sums.files {
        "partial ✗"
    } else if sums.stored == sums.files {
        "stored ✓"
    } else {
        "delivered ✓"
    }
}

/// Stands behind the progress bar of a folder, the longest first: ` 35 %  12 of 340 files`. The share is unknown while
/// the folder is read.
pub(in crate::ui) fn folder_progress(folder: &Folder, share: f64) -> Vec<String> {
    let (done, files) = (units::grouped(folder.sums.arrived()), units::count(folder.sums.files, "file"));
    if folder.is_read {
        let long = format!("{}  {done} of {files}", percent(share));
        return vec![long, format!("{done} of {files}"), percent(share)];
    }
    let all = units::grouped(folder.sums.files);
    vec![format!("{done} of at least {files}"), format!("{done} of ≥ {files}"), format!("{done} of ≥ {all}")]
}

/// What is known about a folder of which no file is being sent: what it holds, what it took, or what is missing.
pub(in crate::ui) fn folder_standing(folder: &Folder, elapsed: Duration) -> String {
    let sums = &folder.sums;
    let words = if folder.is_busy() && sums.arrived() + sums.failed + sums.cancelled == 0 {
        upload::found(sums.files, sums.bytes, folder.is_read)
    } else if folder.is_busy() || sums.arrived() < sums.files {
        let least = if folder.is_read { "" } else { "at least " };
        let files = units::count(sums.files, "file");
        let words = format!("{} of {least}{files}", units::grouped(sums.arrived()));
        words + &counted(sums.failed, "failed") + &counted(sums.cancelled, "cancelled")
    } else if sums.files == 0 {
        "no files to send".to_owned()
    } else if sums.unsent == sums.files {
        format!("{}, {RECEIPTED_BEFORE}", upload::found(sums.files, sums.bytes, true))
    } else {
        let taken = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let numbers = Snapshot {
            file_bytes: sums.moved,
            wire_bytes: sums.wire,
            elapsed_ms: taken,
            ..Snapshot::default()
        };
        format!("{}, {}", units::count(sums.files, "file"), upload::sent(&numbers))
    };
    words + &counted(folder.skipped, "skipped")
}

/// `, 3 failed`; nothing for none.
fn counted(count: u64, what: &str) -> String {
    if count == 0 { String::new() } else { format!(", {} {what}", units::grouped(count)) }
}

/// `7 of 12`: the files that arrived, of how many.
pub(in crate::ui) fn folder_counts(folder: &Folder) -> String {
    let least = if folder.is_read { "" } else { "≥ " };
    format!("{} of {least}{}", units::grouped(folder.sums.arrived()), units::grouped(folder.sums.files))
}

pub(in crate::ui) fn folder_details(
    folder: &Folder,
    target: &Target,
    dialect: Dialect,
) -> Vec<(&'static str, String)> {
    let sums = &folder.sums;
    vec![
        ("folder", fit::name(folder.root.as_os_str())),
        ("to", destination(target)),
        ("protocol", dialect.to_string()),
        ("files", upload::found(sums.files, sums.bytes, folder.is_read)),
        ("arrived", units::grouped(sums.arrived())),
        ("waiting", units::grouped(sums.waiting + sums.running)),
        ("failed", units::grouped(sums.failed)),
        ("cancelled", units::grouped(sums.cancelled)),
        ("file bytes", exact_size(sums.moved)),
        ("wire bytes", exact_size(sums.wire)),
        ("skipped", units::grouped(folder.skipped)),
    ]
}

/// Says what happened and what to do, in sentences.
pub(in crate::ui) fn fault_line(fault: &Fault) -> String {
    let what = fit::shown(&fault.what);
    if fault.advice.is_empty() { what } else { format!("{what}. {}", capital(&fit::shown(&fault.advice))) }
}

/// Says why an upload failed, in a row that already shows its state.
pub(in crate::ui) fn fault_beside_state(fault: &Fault) -> String {
    let line = fault_line(fault);
    match line.strip_prefix(upload::REFUSED) {
        Some(reason) => reason.to_owned(),
        None => line,
    }
}

/// Says what happened; then who has to act, and how.
pub(in crate::ui) fn trouble(subject: &str, fault: &Fault) -> (String, String) {
    let what = fit::shown(&fault.what);
    let what = if subject.is_empty() { what } else { format!("{subject}: {what}") };
    let blame = blame(fault.blame);
    if fault.advice.is_empty() {
        return (what, blame.to_owned());
    }
    (what, format!("{blame} {}", capital(&fit::shown(&fault.advice))))
}

pub(in crate::ui) fn upload_details(
    path: &Path,
    target: &Target,
    dialect: Dialect,
    name: &str,
    size: u64,
    snapshot: &Snapshot,
    state: &State,
) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("name", name.to_owned()),
        ("path", fit::name(path.as_os_str())),
        ("to", destination(target)),
        ("protocol", dialect.to_string()),
        ("size", exact_size(size)),
        ("state", self::state(state).to_owned()),
        ("file bytes", exact_size(snapshot.file_bytes)),
        ("wire bytes", exact_size(snapshot.wire_bytes)),
        ("time", units::millis(snapshot.elapsed_ms)),
        ("mean rate", units::rate(snapshot.rate_mean)),
        ("highest rate", units::rate(snapshot.rate_peak)),
    ];
    match state {
        State::Stored { name, named, receipt, earlier } => {
            let path = |receipt: &Option<PathBuf>| {
                receipt.as_deref().map_or_else(|| "not kept".to_owned(), |path| fit::name(path.as_os_str()))
            };
            let label = match named {
                Named::Stored => "stored as",
                Named::Wanted => "accepted as",
            };
            facts.push((label, fit::shown(name)));
            facts.push(("receipt", path(receipt)));
            if let Some(earlier) = earlier {
                let time = Timestamp::from_millisecond(earlier.at_ms).unwrap_or_default();
                let time = time.strftime("%Y-%m-%d %H:%M:%S UTC");
                facts.push(("old receipt", format!("{time}, {}", path(&earlier.receipt))));
            }
        }
        State::Delivered => facts.push(("receipt", "none: the server does not give receipts".to_owned())),
        _ => {}
    }
    if let State::Failed(fault) = state {
        facts.push(("error", fit::shown(&fault.what)));
        facts.push(("cause", blame(fault.blame).to_owned()));
        if !fault.advice.is_empty() {
            facts.push(("help", fit::shown(&fault.advice)));
        }
    }
    facts
}

// Race

pub(in crate::ui) fn first_of(name: &str, limit: u64) -> String {
    format!("{} · first {}", fit::cut_middle(name, 40), units::bytes(limit))
}

pub(in crate::ui) fn whole_of(name: &str, size: u64) -> String {
    format!("{} · all {}", fit::cut_middle(name, 40), units::bytes(size))
}

pub(in crate::ui) fn lane(lane: usize) -> String {
    format!("lane {}", lane + 1)
}

pub(in crate::ui) fn connect_lane(lane: usize) -> String {
    format!("Server for lane {}", lane + 1)
}

/// The result of a race, and why lanes have none.
pub(in crate::ui) fn verdict(verdict: &Verdict) -> String {
    let has_failed = |fault: &&Fault| !race::is_stop(fault);
    let failed = verdict
        .lanes
        .iter()
        .filter_map(|lane| lane.fault.as_ref().filter(has_failed).map(|fault| (lane, fault)))
        .map(|(lane, fault)| format!("{} has no result: {}.", lane.dialect.variant, fit::shown(&fault.what)));
    iter::once(race::sentence(verdict))
        .chain(race::crowded(verdict))
        .chain(failed)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_called_so_once_in_a_row() {
        let fault = Fault::refused("the server refused: it has another file of this name");
        assert_eq!(state(&State::Failed(fault.clone())), "refused ✗");
        assert_eq!(fault_beside_state(&fault), "it has another file of this name");
        assert_eq!(fault_line(&fault), "the server refused: it has another file of this name");
        assert_eq!(state(&State::Failed(Fault::broken("x"))), "failed ✗");
    }

    #[test]
    fn rates_name_their_unit_once() {
        let snapshot = Snapshot { rate_now: 432_013_312.0, rate_mean: 406_847_488.0, ..Snapshot::default() };
        assert_eq!(rates(&snapshot), "412 MiB/s now, mean 388");
        let snapshot = Snapshot { file_bytes: 1 << 20, wire_bytes: 4 << 20, wire_total: 8 << 20, ..snapshot };
        assert_eq!(wire(&snapshot, 30), "wire 4 of 8 MiB, 13824 Mbit/s");
        assert_eq!(wire(&snapshot, 28), "wire 4 of 8 MiB");
        assert_eq!(wire(&Snapshot { rate_now: 0.0, ..snapshot }, 30), "wire 4 of 8 MiB");
    }

    #[test]
    fn a_fault_is_followed_by_its_side_and_advice() {
        let fault = Fault::usage("not \u{1b}valid").with_advice("use --to");
        assert_eq!(fault_line(&fault), "not \\u{1b}valid. Use --to");
        assert_eq!(
            trouble("a.txt", &fault),
            ("a.txt: not \\u{1b}valid".to_owned(), "This is on your side. Use --to".to_owned())
        );
        let fault = Fault::broken("cut");
        assert_eq!(trouble("", &fault), ("cut".to_owned(), "This is on the server's side.".to_owned()));
    }
}
