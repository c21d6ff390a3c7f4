//! Words about uploads and races.

use std::iter;
use std::time::Duration;

use crate::event::{Blame, Fault, FaultKind, Job, Named, Snapshot, State, Target, Verdict};
use crate::messages::units;
use crate::transfer::race;
use crate::ui::fit;

use super::{THIS_COMPUTER, exact_size};

pub(in crate::ui) const fn state(state: &State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Connecting => "connecting",
        State::Proving => "proving",
        State::Sending => "sending",
        State::Sent => "sent",
        State::Delivered => "delivered ✓",
        State::Stored { .. } => "stored ✓",
        State::Failed(Fault { kind: FaultKind::Unconfirmed, .. }) => "sent ?",
        State::Failed(_) => "failed ✗",
        State::Cancelled => "cancelled",
    }
}

/// `41.2 KiB, cut: from byte 0 in 3.0 s (try 2 of 4)`
pub(in crate::ui) fn retrying(size: &str, tries: u32, retries: u32, pause: Duration) -> String {
    let pause = units::duration(pause);
    format!("{size}, cut: from byte 0 in {pause} (try {} of {})", tries + 1, retries + 1)
}

/// `41.2 KiB, waits until 127.0.0.1:4321 is back`
pub(in crate::ui) fn waits_for_return(size: &str, destination: &str) -> String {
    format!("{size}, waits until {destination} is back")
}

/// What is said when a server is gone, and what can be done.
pub(in crate::ui) fn away(address: &str, waiting: usize) -> (String, String) {
    let files = if waiting == 1 { "1 file waits".to_owned() } else { format!("{waiting} files wait") };
    (
        format!("{} does not answer any more: {files} for it", fit::escaped(address)),
        "a server for one connection? start it again, or x cancels".to_owned(),
    )
}

/// ` 71 %`; what is no whole percent yet is not claimed.
pub(in crate::ui) fn percent(share: f64) -> String {
    format!("{:>3} %", (share * 100.0).floor())
}

/// `71 %  74.1 of 104 MiB`
pub(in crate::ui) fn progress(share: f64, snapshot: &Snapshot, size: u64) -> String {
    let total = if snapshot.file_total > 0 { snapshot.file_total } else { size };
    format!("{}  {}", percent(share), of(snapshot.file_bytes, total))
}

/// `wire 98.8 of 139 MiB`
pub(in crate::ui) fn wire(snapshot: &Snapshot) -> String {
    format!("wire {}", of(snapshot.wire_bytes, snapshot.wire_total))
}

/// `74.1 of 104 MiB`; the unit once where it is the same, the total only where it is known.
pub(super) fn of(done: u64, total: u64) -> String {
    let done = units::bytes(done);
    if total == 0 {
        return done;
    }
    let total = units::bytes(total);
    match (done.split_once(' '), total.split_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number} of {total}"),
        _ => format!("{done} of {total}"),
    }
}

/// `412 MiB/s now, mean 388`
pub(in crate::ui) fn rates(snapshot: &Snapshot) -> String {
    let now = units::rate(snapshot.rate_now);
    let mean = units::rate(snapshot.rate_mean);
    match (now.split_once(' '), mean.split_once(' ')) {
        (Some((_, unit)), Some((number, same))) if unit == same => format!("{now} now, mean {number}"),
        _ => format!("{now} now, mean {mean}"),
    }
}

pub(in crate::ui) fn mean(rate: f64) -> String {
    if rate > 0.0 { format!("mean {}", units::rate(rate)) } else { String::new() }
}

pub(in crate::ui) fn stalled(idle: Duration) -> String {
    format!("stalled {}", clock(idle))
}

/// The kernel took it all; nobody has confirmed it.
pub(in crate::ui) fn unconfirmed(waited: Duration) -> String {
    if waited < Duration::from_secs(1) {
        "not confirmed yet".to_owned()
    } else {
        format!("sent, waiting for the server to finish, {}", clock(waited))
    }
}

/// A time that is still running: whole seconds, so that it does not flicker.
fn clock(time: Duration) -> String {
    units::clock(time)
}

pub(in crate::ui) fn at_least(time: Duration) -> String {
    format!("≥ {}", units::duration(time))
}

pub(in crate::ui) fn eta(time: Duration) -> String {
    if time < Duration::from_secs(1) { "ETA < 1 s".to_owned() } else { format!("ETA {}", clock(time)) }
}

pub(in crate::ui) fn seconds(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| "—".to_owned(), units::duration)
}

/// `7.91 MiB in 0.02 s, mean 402 MiB/s, wire 10.5 MiB, 0.03 s foretold`
pub(in crate::ui) fn delivered(size: u64, snapshot: &Snapshot, predicted_ms: Option<u64>) -> String {
    let time = units::millis(snapshot.elapsed_ms);
    let mean = match mean(snapshot.rate_mean) {
        // An empty file has no rate.
        mean if mean.is_empty() => mean,
        mean => format!(", {mean}"),
    };
    let foretold = |ms| format!(", {} foretold", units::duration(Duration::from_millis(ms)));
    let foretold = predicted_ms.map_or_else(String::new, foretold);
    format!("{} in {time}{mean}, wire {}{foretold}", units::bytes(size), units::bytes(snapshot.wire_bytes))
}

/// `7.91 MiB, not sent: the server gave a receipt before`
pub(in crate::ui) fn receipted_before(size: u64) -> String {
    format!("{}, not sent: the server gave a receipt before", units::bytes(size))
}

pub(in crate::ui) fn queue_title(delivered: usize, all: usize, failed: usize) -> String {
    match (all, failed) {
        (0, _) => "Queue".to_owned(),
        (_, 0) => format!("Queue {delivered} of {all} delivered"),
        _ => format!("Queue {delivered} of {all} delivered, {failed} failed"),
    }
}

pub(in crate::ui) fn destination(job: &Job) -> String {
    match &job.target {
        Target::Embedded => THIS_COMPUTER.to_owned(),
        Target::Server { address, .. } => fit::escaped(address),
    }
}

/// What happened, whose fault, what to do.
pub(in crate::ui) fn fault_line(fault: &Fault) -> String {
    let what = fit::escaped(&fault.what);
    if fault.advice.is_empty() { what } else { format!("{what}. {}", fit::escaped(&fault.advice)) }
}

pub(in crate::ui) const fn blame(blame: Blame) -> &'static str {
    match blame {
        Blame::Peer => "the server's side",
        Blame::User => "the order",
        Blame::System => "this computer",
    }
}

pub(in crate::ui) fn trouble(subject: &str, fault: &Fault) -> (String, String) {
    let what = fit::escaped(&fault.what);
    let what = if subject.is_empty() { what } else { format!("{subject}: {what}") };
    let advice = fit::escaped(&fault.advice);
    let advice = match fault.blame {
        _ if advice.is_empty() => format!("Cause: {}.", blame(fault.blame)),
        whose => format!("Cause: {}. {advice}", blame(whose)),
    };
    (what, advice)
}

pub(in crate::ui) fn upload_details(
    job: &Job,
    name: &str,
    size: u64,
    snapshot: &Snapshot,
    state: &State,
) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("name", name.to_owned()),
        ("path", fit::name(job.path.as_os_str())),
        ("to", destination(job)),
        ("protocol", job.dialect.to_string()),
        ("size", exact_size(size)),
        ("state", self::state(state).to_owned()),
        ("file bytes", exact_size(snapshot.file_bytes)),
        ("wire bytes", exact_size(snapshot.wire_bytes)),
        ("time", units::millis(snapshot.elapsed_ms)),
        ("mean rate", units::rate(snapshot.rate_mean)),
        ("highest rate", units::rate(snapshot.rate_peak)),
    ];
    match state {
        State::Stored { name, named, receipt } => {
            let kept =
                receipt.as_deref().map_or_else(|| "not kept".to_owned(), |path| fit::name(path.as_os_str()));
            let label = match named {
                Named::Stored => "there as",
                Named::Wanted => "accepted as",
            };
            facts.push((label, fit::escaped(name)));
            facts.push(("receipt", kept));
        }
        State::Delivered => facts.push(("receipt", "none: the server gives none".to_owned())),
        _ => {}
    }
    if let State::Failed(fault) = state {
        facts.push(("what", fit::escaped(&fault.what)));
        facts.push(("cause", blame(fault.blame).to_owned()));
        if !fault.advice.is_empty() {
            facts.push(("what to do", fit::escaped(&fault.advice)));
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

/// The sentence of every front end, and why a lane has no result.
pub(in crate::ui) fn verdict(verdict: &Verdict) -> String {
    let failed = verdict.lanes.iter().filter_map(|lane| lane.fault.as_ref().map(|fault| (lane, fault))).map(
        |(lane, fault)| format!("{} has no result: {}.", lane.dialect.variant, fit::escaped(&fault.what)),
    );
    iter::once(race::sentence(verdict)).chain(failed).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_name_their_unit_once() {
        assert_eq!(of(77_700_000, 109_051_904), "74.1 of 104 MiB");
        assert_eq!(of(1000, 109_051_904), "1000 B of 104 MiB");
        assert_eq!(of(1 << 20, 0), "1 MiB");
        let snapshot = Snapshot { rate_now: 432_013_312.0, rate_mean: 406_847_488.0, ..Snapshot::default() };
        assert_eq!(rates(&snapshot), "412 MiB/s now, mean 388");
    }
}
