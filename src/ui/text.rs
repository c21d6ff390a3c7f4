//! Every sentence that the user can read, apart from the words of the keymap.
//!
//! Amounts are written by [`units`]; this file says what they mean.

use std::time::Duration;
use std::{io, iter};

use super::fit;
use super::keymap::Context;
use super::widgets::card::Bill;
use crate::event::{Blame, Dialect, Fault, Job, Kept, Proof, Snapshot, State, Target, Variant, Verdict};
use crate::transfer::race;
use crate::units;

/// Nothing moved for so long: worth a word.
pub(super) const STALL: Duration = Duration::from_secs(2);

pub(super) const PROGRAM: &str = "upseal";
pub(super) const READING: &str = "reading the folder…";
pub(super) const EMPTY_FOLDER: &str = "Nothing in this folder.";
pub(super) const NO_MATCH: &str = "Nothing matches. Esc shows all again.";
pub(super) const NO_FILE: &str = "no file";
pub(super) const BY_SIZE: &str = "largest first";
pub(super) const BY_TIME: &str = "newest first";
pub(super) const PROTOCOL: &str = "Protocol";
pub(super) const TIME: &str = "time";
pub(super) const WIRE: &str = "wire";
pub(super) const PADDING: &str = "padding";
pub(super) const PROGRESS: &str = "progress";
pub(super) const RATE: &str = "rate";
pub(super) const RATE_CHART: &str = "Rate";
pub(super) const RATE_CHART_NOTE: &str = "file bytes a second, log";
pub(super) const NO_RATE: &str = "Drawn while files are sent.";
pub(super) const EMPTY_QUEUE: &str = "Nothing yet. Space marks files, u uploads them.";
pub(super) const RECEIVED: &str = "Received by this computer";
pub(super) const NOTHING_RECEIVED: &str = "Nothing received yet.";
pub(super) const SERVER: &str = "This computer's server";
pub(super) const STARTING: &str = "starting…";
pub(super) const NO_IDENTITY: &str = "none: serves Plain only";
pub(super) const SESSIONS: &str = "Sessions";
pub(super) const NO_SESSIONS: &str = "Nobody has connected yet.";
pub(super) const REFUSALS: &str = "Refused";
pub(super) const NO_REFUSALS: &str = "Nothing was refused.";
pub(super) const THIS_COMPUTER: &str = "this computer";
pub(super) const NO_RACE_FILE: &str = "no file";
pub(super) const RACE_NEEDS_FILE: &str =
    "Choose a file on the upload screen (1), then press r: it goes through CP1 and CP2 in turn.";
pub(super) const RACING: &str = "In turn, so that neither lane takes time from the other. Enter stops.";
pub(super) const LOG: &str = "Log";
pub(super) const LOG_KEEPS: &str = "e: log";
pub(super) const EMPTY_LOG: &str = "Nothing went wrong so far.";
pub(super) const KEYS: &str = "Keys";
pub(super) const TROUBLE: &str = "✗ Trouble";
pub(super) const NOTE: &str = "Note";
pub(super) const QUIT: &str = "Quit?";
pub(super) const EXPENSIVE: &str = "CP1 is expensive";
pub(super) const QUIT_WHILE_BUSY: &str = "Transfers are running. Quitting cancels them.";
pub(super) const QUIT_ANSWERS: &[(&str, &str)] = &[("Enter", "quit"), ("Esc", "stay")];
pub(super) const EXPENSIVE_ANSWERS: &[(&str, &str)] =
    &[("2", "use CP2"), ("Enter", "go on"), ("Esc", "do not")];
pub(super) const RACE_ANSWERS: &[(&str, &str)] = &[("Enter", "go on"), ("Esc", "do not; s takes less")];
pub(super) const CONNECT: &str = "Server for uploads";
pub(super) const CONNECT_HINT: &str = "Empty host: the server inside this program.";
pub(super) const CONNECT_CA_HINT: &str = "AP, CP1 and CP2 need the CA that signed the server.";
pub(super) const BAD_ADDRESS: &str = "Not an address: host:port, or [v6 address]:port.";
pub(super) const COMING: &str = "On its way";
pub(super) const GO_TO: &str = "Go to folder";
pub(super) const NO_SUCH_UPLOAD: &str = "Nothing to upload: no file is marked, and the cursor is on none.";
pub(super) const NO_RACER: &str = "The cursor is on no file.";
pub(super) const CANCELLED: &str = "Cancelled everything. Ctrl-C again quits.";
pub(super) const LOST_WORKER: &str = "The transfer threads have ended unexpectedly.";
pub(super) const LOST_WORKER_ADVICE: &str = "Nothing can be sent any more; quit (q) and start again.";
pub(super) const NOT_LISTENING: &str = "✗ our server is not running (e: log)";
pub(super) const NOT_PROVEN: &str = "not yet proven";
pub(super) const NEVER_PROVEN: &str = "✗ Plain proves nothing";

// Browser and card

pub(super) fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "You may not read this folder. h goes back up.".to_owned(),
        io::ErrorKind::NotFound => "This folder does not exist. h goes up, g goes elsewhere.".to_owned(),
        io::ErrorKind::NotADirectory => "This is not a folder. h goes up, g goes elsewhere.".to_owned(),
        _ => format!("This folder cannot be read: {}. h goes back up.", fit::escaped(&error.to_string())),
    }
}

pub(super) fn reading(name: &str) -> String {
    format!("reading {}…", fit::cut_middle(name, 20))
}

pub(super) fn marked(files: usize, bytes: u64) -> String {
    format!("{files} marked · {}", units::bytes(bytes))
}

pub(super) fn filter_kept(text: &str) -> String {
    format!("/{}  (Esc shows all)", fit::escaped(text))
}

/// What a variant protects, claim by claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    Holds(&'static str),
    Fails(&'static str),
    Partly(&'static str),
    /// It depends on the server.
    Unknown(&'static str),
}

/// PROTOCOL.md, "What the variants protect", without receipts: the most important first.
pub(super) fn claims(variant: Variant) -> [Claim; 7] {
    use Claim::{Fails, Holds, Partly, Unknown};
    let name = Fails("name visible");
    let forward = Fails("no forward secrecy");
    let sender = Fails("sender unknown");
    match variant {
        Variant::Plain => [
            Fails("content readable"),
            Fails("changes unnoticed"),
            Fails("server unknown"),
            name,
            Fails("replay unnoticed"),
            forward,
            sender,
        ],
        Variant::Ap => [
            Fails("content readable"),
            Fails("changes unnoticed"),
            Partly("a certified key answered"),
            name,
            Fails("replay unnoticed"),
            forward,
            sender,
        ],
        Variant::Cp1 => [
            Holds("content secret"),
            Fails("changes unnoticed"),
            Holds("only the server reads"),
            name,
            Unknown("replay: ask server"),
            forward,
            sender,
        ],
        Variant::Cp2 => [
            Holds("content secret"),
            Holds("changes noticed"),
            Holds("only the server reads"),
            name,
            Unknown("replay: ask server"),
            forward,
            sender,
        ],
    }
}

pub(super) fn time_bill(bill: Bill) -> String {
    match bill.time {
        _ if bill.files == 0 => "—".to_owned(),
        None => "?".to_owned(),
        Some(time) => format!("≈ {}", units::duration(time)),
    }
}

pub(super) fn wire_bill(bill: Bill) -> String {
    if bill.files == 0 {
        return "—".to_owned();
    }
    let about = if bill.assumed { "≈ " } else { "" };
    format!("{about}{}", units::bytes(bill.wire))
}

pub(super) fn padding(dialect: Dialect) -> String {
    match dialect.variant {
        Variant::Plain | Variant::Ap => "—".to_owned(),
        Variant::Cp1 => dialect.padding.to_string(),
        Variant::Cp2 => format!("{} (key)", dialect.padding),
    }
}

// Transfers

pub(super) const fn state(state: &State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Connecting => "connecting",
        State::Proving => "proving",
        State::Sending => "sending",
        State::Sent => "sent",
        State::Delivered => "delivered ✓",
        State::Failed(_) => "failed ✗",
        State::Cancelled => "cancelled",
    }
}

/// ` 71 %`; what is no whole percent yet is not claimed.
pub(super) fn percent(share: f64) -> String {
    format!("{:>3} %", (share * 100.0).floor())
}

/// `71 %  74.1 of 104 MiB`
pub(super) fn progress(share: f64, snapshot: &Snapshot, size: u64) -> String {
    let total = if snapshot.file_total > 0 { snapshot.file_total } else { size };
    format!("{}  {}", percent(share), of(snapshot.file_bytes, total))
}

/// `wire 98.8 of 139 MiB`
pub(super) fn wire(snapshot: &Snapshot) -> String {
    format!("wire {}", of(snapshot.wire_bytes, snapshot.wire_total))
}

/// `74.1 of 104 MiB`; the unit once where it is the same, the total only where it is known.
fn of(done: u64, total: u64) -> String {
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
pub(super) fn rates(snapshot: &Snapshot) -> String {
    let now = units::rate(snapshot.rate_now);
    let mean = units::rate(snapshot.rate_mean);
    match (now.split_once(' '), mean.split_once(' ')) {
        (Some((_, unit)), Some((number, same))) if unit == same => format!("{now} now, mean {number}"),
        _ => format!("{now} now, mean {mean}"),
    }
}

pub(super) fn mean(rate: f64) -> String {
    if rate > 0.0 { format!("mean {}", units::rate(rate)) } else { String::new() }
}

pub(super) fn stalled(idle: Duration) -> String {
    format!("stalled {}", clock(idle))
}

/// The kernel took it all; nobody has confirmed it.
pub(super) fn unconfirmed(waited: Duration) -> String {
    if waited < Duration::from_secs(1) {
        "not confirmed yet".to_owned()
    } else {
        format!("not confirmed yet, {}", clock(waited))
    }
}

/// A time that is still running: whole seconds, so that it does not flicker.
fn clock(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => units::duration(Duration::from_secs(seconds)),
    }
}

pub(super) fn at_least(time: Duration) -> String {
    format!("≥ {}", units::duration(time))
}

pub(super) fn eta(time: Duration) -> String {
    if time < Duration::from_secs(1) { "ETA < 1 s".to_owned() } else { format!("ETA {}", clock(time)) }
}

pub(super) fn seconds(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| "—".to_owned(), units::duration)
}

/// `7.91 MiB in 0.02 s, mean 402 MiB/s, wire 10.5 MiB`
pub(super) fn delivered(size: u64, snapshot: &Snapshot) -> String {
    let time = units::duration(Duration::from_millis(snapshot.elapsed_ms));
    let mean = match mean(snapshot.rate_mean) {
        // An empty file has no rate.
        mean if mean.is_empty() => mean,
        mean => format!(", {mean}"),
    };
    format!("{} in {time}{mean}, wire {}", units::bytes(size), units::bytes(snapshot.wire_bytes))
}

pub(super) fn queue_title(delivered: usize, all: usize, failed: usize) -> String {
    match (all, failed) {
        (0, _) => "Queue".to_owned(),
        (_, 0) => format!("Queue {delivered} of {all} delivered"),
        _ => format!("Queue {delivered} of {all} delivered, {failed} failed"),
    }
}

pub(super) fn destination(job: &Job) -> String {
    match &job.target {
        Target::Embedded => THIS_COMPUTER.to_owned(),
        Target::Server { address, .. } => fit::escaped(address),
    }
}

/// What happened, whose fault, what to do.
pub(super) fn fault_line(fault: &Fault) -> String {
    let what = fit::escaped(&fault.what);
    if fault.advice.is_empty() { what } else { format!("{what}. {}", fit::escaped(&fault.advice)) }
}

pub(super) const fn blame(blame: Blame) -> &'static str {
    match blame {
        Blame::Peer => "the server's side",
        Blame::User => "the order",
        Blame::System => "this computer",
    }
}

pub(super) fn trouble(subject: &str, fault: &Fault) -> (String, String) {
    let what = fit::escaped(&fault.what);
    let what = if subject.is_empty() { what } else { format!("{subject}: {what}") };
    let advice = fit::escaped(&fault.advice);
    let advice = match fault.blame {
        _ if advice.is_empty() => format!("Cause: {}.", blame(fault.blame)),
        whose => format!("Cause: {}. {advice}", blame(whose)),
    };
    (what, advice)
}

pub(super) fn upload_details(
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
        ("time", units::duration(Duration::from_millis(snapshot.elapsed_ms))),
        ("mean rate", units::rate(snapshot.rate_mean)),
        ("highest rate", units::rate(snapshot.rate_peak)),
    ];
    if let State::Failed(fault) = state {
        facts.push(("what", fit::escaped(&fault.what)));
        facts.push(("cause", blame(fault.blame).to_owned()));
        if !fault.advice.is_empty() {
            facts.push(("what to do", fit::escaped(&fault.advice)));
        }
    }
    facts
}

// Received files and the server

pub(super) fn stored_in(folder: &str) -> String {
    format!("in {}", fit::cut_start(folder, 34))
}

/// `62.0 MiB/s  from 127.0.0.1`; the client's port tells nobody anything.
pub(super) fn coming_from(rate: &str, peer: &str) -> String {
    let host = peer.rsplit_once(':').map_or(peer, |(host, _)| host);
    format!("{rate}  from {host}")
}

pub(super) const fn kept(kept: Kept) -> &'static str {
    match kept {
        Kept::New => "stored ✓",
        Kept::Renamed => "renamed",
        Kept::Same => "same",
        Kept::Discarded => "discarded",
    }
}

pub(super) const fn kept_long(kept: Kept) -> &'static str {
    match kept {
        Kept::New => "stored under this name",
        Kept::Renamed => "stored under this name, because another file has the one it came with",
        Kept::Same => "not again: a file of this name and SHA-256 is here already",
        Kept::Discarded => "not at all: it was a lane of a race",
    }
}

pub(super) fn renamed(name: &str) -> String {
    format!("Stored as {}: another file has the name it came with", fit::escaped(name))
}

pub(super) fn rate_of(bytes: u64, seconds: f64) -> String {
    if seconds > 0.0 && bytes > 0 { units::rate(bytes as f64 / seconds) } else { "—".to_owned() }
}

/// `7.91 MiB (8294400 bytes)`
pub(super) fn exact_size(bytes: u64) -> String {
    if bytes < 1024 { units::bytes(bytes) } else { format!("{} ({bytes} bytes)", units::bytes(bytes)) }
}

pub(super) fn identity(proof: &Proof) -> String {
    format!("{}, {}-bit, {} days left", fit::escaped(&proof.subject), proof.bits, proof.days_left)
}

/// The fingerprint as `--pin` takes it.
pub(super) fn fingerprint(hex: &str) -> String {
    format!("sha256:{}", fit::escaped(hex))
}

pub(super) const fn phase(open: bool) -> &'static str {
    if open { "open" } else { "ended" }
}

pub(super) fn open_sessions(open: usize) -> String {
    if open == 0 { String::new() } else { format!("{open} open") }
}

pub(super) fn session(proved: bool, files: u64, bytes: u64, refused: u64) -> String {
    let proof = if proved { "proven" } else { "no proof" };
    let noun = if files == 1 { "file" } else { "files" };
    let mut words = format!("{}  {files} {noun}, {}", fit::left(proof, 8), units::bytes(bytes));
    if refused > 0 {
        words.extend([", ", &refused.to_string(), " refused"]);
    }
    words
}

pub(super) fn refused(peer: &str, name: Option<&str>, why: &str) -> String {
    let (peer, why) = (fit::escaped(peer), fit::escaped(why));
    match name {
        Some(name) => format!("Refused {} from {peer}: {why}", fit::escaped(name)),
        None => format!("Refused {peer}: {why}"),
    }
}

pub(super) fn proven(address: &str, proof: &Proof) -> String {
    let mut words = format!("{} proved to be {}", fit::escaped(address), identity(proof));
    for warning in &proof.warnings {
        words.push_str("; ");
        words.push_str(&fit::escaped(warning));
    }
    words
}

pub(super) fn proven_short(proof: &Proof) -> String {
    format!("✓ proven {}-bit", proof.bits)
}

pub(super) fn listening(address: &str, store: &str) -> String {
    format!("Our server listens on {address}; files go to {store}")
}

// Questions

/// `CP1 ≈ 2 h 10 min, CP2 ≈ 80 s.`
pub(super) fn expensive(bytes: u64, cp1: Option<Duration>, cp2: Option<Duration>, blocks: u64) -> String {
    let cp2 =
        cp2.map_or_else(|| "CP2 takes one".to_owned(), |time| format!("CP2 ≈ {}", units::duration(time)));
    match cp1 {
        Some(cp1) if cp2.contains('≈') => {
            format!("{}: CP1 ≈ {}, {cp2}.", units::bytes(bytes), units::duration(cp1))
        }
        Some(cp1) => {
            format!("{}: CP1 ≈ {}, CP2 much less.", units::bytes(bytes), units::duration(cp1))
        }
        None => format!(
            "{} in CP1 are {} RSA operations on the server; CP2 takes one. CP1 may need minutes or hours.",
            units::bytes(bytes),
            grouped(blocks)
        ),
    }
}

/// `17 318 417`
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

// Race

pub(super) fn first_of(name: &str, limit: u64) -> String {
    format!("{} · first {}", fit::cut_middle(name, 40), units::bytes(limit))
}

pub(super) fn whole_of(name: &str, size: u64) -> String {
    format!("{} · all {}", fit::cut_middle(name, 40), units::bytes(size))
}

pub(super) fn race_ready(subject: &str) -> String {
    format!("Ready: {subject}. Enter starts, s changes the size, c the server of a lane.")
}

pub(super) fn lane(lane: usize) -> String {
    format!("lane {}", lane + 1)
}

pub(super) fn connect_lane(lane: usize) -> String {
    format!("Server for lane {}", lane + 1)
}

/// `CP1 OAEP, RSA-1024 ✓ proven`
pub(super) fn lane_title(dialect: Dialect, proof: Option<&Proof>) -> String {
    match proof {
        Some(proof) => format!("{dialect}, RSA-{} ✓ proven", proof.bits),
        None => dialect.to_string(),
    }
}

/// `wire ×2.06  17.3 of 17.3 MiB  to 127.0.0.1:4321`
pub(super) fn lane_wire(snapshot: &Snapshot, place: &str) -> String {
    let factor = if snapshot.file_bytes > 0 {
        format!("×{:.2}  ", snapshot.wire_bytes as f64 / snapshot.file_bytes as f64)
    } else {
        String::new()
    };
    let amount = of(snapshot.wire_bytes, snapshot.wire_total);
    if snapshot.wire_bytes == 0 {
        format!("to {place}")
    } else {
        format!("wire {factor}{amount}  to {place}")
    }
}

/// The sentence of every front end, and why a lane has no result.
pub(super) fn verdict(verdict: &Verdict) -> String {
    let failed = verdict.lanes.iter().filter_map(|lane| lane.fault.as_ref().map(|fault| (lane, fault))).map(
        |(lane, fault)| format!("{} has no result: {}.", lane.dialect.variant, fit::escaped(&fault.what)),
    );
    iter::once(race::sentence(verdict)).chain(failed).collect::<Vec<_>>().join(" ")
}

// Help and small terminals

pub(super) const fn context(context: Context) -> &'static str {
    match context {
        Context::Always => "always",
        Context::Everywhere => "everywhere",
        Context::List => "lists",
        Context::Table => "pane lists",
        Context::Browser => "browser",
        Context::Upload => "upload",
        Context::Queue => "queue",
        Context::Race => "race",
        Context::Overlay => "overlay",
        Context::Scroll => "scrolling",
        Context::Filterable => "this list",
        Context::Text => "text",
        Context::Form => "dialog",
        Context::Choice => "choice",
        Context::Question | Context::Expensive => "question",
    }
}

/// For a terminal below [`crate::ui::view::SMALLEST`].
pub(super) fn too_small(width: u16, height: u16) -> String {
    format!("upseal needs {width}×{height}; transfers go on")
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

    #[test]
    fn groups_thousands() {
        assert_eq!(grouped(17_318_417), "17 318 417");
        assert_eq!(grouped(999), "999");
    }
}
