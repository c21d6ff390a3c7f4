//! What the headless commands print: text, progress bars or JSON lines, all drawn from [`Event`].
//!
//! Results go to stdout, progress and messages to stderr. Without a terminal there are no bars.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::event::{
    Blame, Event, Fault, FaultKind, Kept, KeyChange, Lane, LaneResult, Named, Proof, Snapshot, Standing,
    State, Track, Verdict, Work,
};
use crate::messages::escape;
use crate::messages::units;
use crate::transfer::STALLED;
use crate::transfer::recognise::day;
use crate::transfer::{bottleneck, race};

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For people.
    Text,
    /// Errors only.
    Quiet,
    /// One event a line, for programs.
    Json,
}

impl Style {
    /// From the two flags, of which clap lets at most one through.
    #[must_use]
    pub const fn of(json: bool, quiet: bool) -> Self {
        match (json, quiet) {
            (true, _) => Self::Json,
            (false, true) => Self::Quiet,
            (false, false) => Self::Text,
        }
    }
}

/// Why results could not be written to stdout, the first time.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Writes a line of a result to stdout. A closed pipe is not an error; any other failure is kept for
/// [`lost_results`].
pub fn line(text: &str) {
    if let Err(why) = writeln!(io::stdout().lock(), "{text}")
        && why.kind() != io::ErrorKind::BrokenPipe
    {
        LOST.get_or_init(|| why);
    }
}

/// The fault with which the program ends if results did not reach stdout.
#[must_use]
pub fn lost_results() -> Option<Fault> {
    LOST.get().map(|why| Fault {
        kind: FaultKind::Local,
        blame: Blame::User,
        what: format!("cannot write the results to standard output: {why}"),
        advice: String::new(),
    })
}

/// A message, on stderr.
pub fn remark(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// What ended the program, on stderr: what happened, then what to do.
pub fn fault(fault: &Fault) {
    remark(&format!("upseal: {}", fault.what));
    if !fault.advice.is_empty() {
        remark(&format!("        {}", fault.advice));
    }
}

/// Prints events.
#[derive(Debug)]
pub struct Output {
    style: Style,
    rows: BTreeMap<Track, Row>,
    bar: Option<(Track, ProgressBar)>,
    /// It was told that a server has another key; each file need not tell it again.
    alarmed: bool,
    /// Uploads that are sent again for one reason, of which only the first has its line.
    again: Option<Again>,
}

/// Uploads that are sent again for one reason.
#[derive(Debug)]
struct Again {
    why: String,
    tries: u32,
    /// Besides the first.
    others: usize,
}

/// What is known of one upload, lane or arriving file.
#[derive(Debug, Default)]
struct Row {
    name: String,
    last: Snapshot,
}

impl Output {
    /// In this style.
    #[must_use]
    pub fn new(style: Style) -> Self {
        Self { style, rows: BTreeMap::new(), bar: None, alarmed: false, again: None }
    }

    /// Prints what this event says to the user, if anything.
    #[allow(clippy::too_many_lines, reason = "one list of all events")]
    pub fn show(&mut self, event: &Event) {
        if self.style == Style::Json {
            // Plain values of ours: none fails to serialise.
            if let Ok(json) = serde_json::to_string(event) {
                line(&json);
            }
            // Why something failed is a message too, whatever reads stdout.
            match event {
                Event::State { track: Track::Job(_), state: State::Failed(fault) }
                | Event::NotListening { fault } => remark(&format!("upseal: {fault}")),
                Event::RaceFinished { verdict } => {
                    for fault in verdict.lanes.iter().filter_map(|lane| lane.fault.as_ref()) {
                        remark(&format!("upseal: {fault}"));
                    }
                }
                _ => {}
            }
            return;
        }
        if !matches!(event, Event::Retrying { .. } | Event::Progress { .. })
            && !matches!(event, Event::State { state: State::Waiting, .. })
        {
            self.say_others();
        }
        match event {
            Event::Listening { address, store, identity } => {
                if store.as_os_str().is_empty() {
                    self.say(&format!("listening on {address} for this race only"));
                } else {
                    self.say(&format!("listening on {address}, storing in {}", store.display()));
                }
                if let Some(proof) = identity {
                    self.say(&format!("as {}", introduction(proof)));
                }
            }
            Event::NotListening { fault } | Event::ServerNotAccepted { fault, .. } => {
                self.complain(&fault.to_string());
            }
            Event::Queued { job, size } => {
                let name = job.path.file_name().unwrap_or(job.path.as_os_str()).to_string_lossy();
                let name = escape(&name).to_string();
                let last = Snapshot { file_total: *size, ..Snapshot::default() };
                self.rows.insert(Track::Job(job.id), Row { name, last });
            }
            Event::RaceStarted { name, bytes, lanes, .. } => self.race(name, *bytes, lanes),
            Event::Proven { address, proof, standing, .. } => {
                let address = escape(address);
                self.say(&format!("{address} proved to be {}{}", introduction(proof), known(standing)));
                if let Some(news) = news(standing, proof) {
                    self.say(&format!("{address}: {news}"));
                }
                proof.warnings.iter().for_each(|warning| self.say(&format!("note: {warning}")));
            }
            Event::KeyChanged { change, .. } => self.alarm(change),
            Event::Progress { track, snapshot } => self.progress(*track, *snapshot),
            Event::State { track, state } => self.state(*track, state),
            Event::KeyComing { bits, .. } => {
                self.say(&format!("making a key of {bits} bits for the embedded server"));
            }
            Event::RaceFinished { verdict } => self.verdict(verdict),
            Event::Received { track, peer, name, kept, size, variant, digest, seconds, .. } => {
                let fate = match kept {
                    Kept::New => "received",
                    Kept::Renamed => "received beside another of that name",
                    Kept::Same => "received again; it was here already",
                    Kept::Amended => "amended, since more of it came",
                    Kept::Discarded => "raced, not kept",
                };
                self.rows.remove(track);
                let digest = digest.as_ref().map(|digest| format!("  sha256 {digest}")).unwrap_or_default();
                self.result(&format!(
                    "{name}  {}  {variant}  {fate} from {peer} in {}{digest}",
                    units::bytes(*size),
                    units::duration(Duration::from_secs_f64(*seconds)),
                ));
            }
            Event::Refused { peer, name, why, .. } => {
                let what = name.as_ref().map(|name| format!(" {name}:")).unwrap_or_default();
                self.complain(&format!("refused from {peer}:{what} {why}"));
            }
            Event::Warned { peer, name, text, .. } => {
                let about = [name.as_deref(), peer.as_deref()].into_iter().flatten();
                let about = about.collect::<Vec<_>>().join(" from ");
                let colon = if about.is_empty() { "" } else { ": " };
                self.complain(&format!("warning: {about}{colon}{text}"));
            }
            Event::Note { text } => self.complain(text),
            Event::Retrying { job, tries, retries, pause_ms, fault } => {
                let pause = Duration::from_millis(*pause_ms);
                self.again(Track::Job(*job), (*tries, *retries), pause, fault);
            }
            Event::Away { address, waiting } => self.complain(&format!(
                "{} does not answer any more; {} for it (a server for one connection? start it again)",
                escape(address),
                if *waiting == 1 { "a file waits".to_owned() } else { format!("{waiting} files wait") },
            )),
            Event::LapFinished { .. }
            | Event::Receiving { .. }
            | Event::Removed { .. }
            | Event::SessionOpened { .. }
            | Event::SessionProved { .. }
            | Event::Receipted { .. }
            | Event::SessionClosed { .. }
            | Event::ServerAccepted { .. }
            | Event::Calibrated { .. }
            | Event::Learned { .. }
            | Event::WireOpened { .. }
            | Event::WireFrames { .. }
            | Event::WireClosed { .. }
            | Event::Ended => {}
        }
    }

    fn race(&mut self, name: &str, bytes: u64, lanes: &[Lane]) {
        for (index, lane) in lanes.iter().enumerate() {
            let last = Snapshot { file_total: bytes, ..Snapshot::default() };
            let name = format!("{} {}", lane.dialect, escape(name));
            self.rows.insert(Track::Lane(index), Row { name, last });
        }
    }

    /// An upload is sent again. It has not failed yet, so it is no error.
    fn again(&mut self, track: Track, (tries, retries): (u32, u32), pause: Duration, fault: &Fault) {
        if let Some(again) =
            self.again.as_mut().filter(|again| again.tries == tries && again.why == fault.what)
        {
            again.others += 1;
            return;
        }
        self.say_others();
        let name = self.rows.get(&track).map_or("", |row| &row.name);
        let pause = units::duration(pause);
        self.say(&format!("{name}: {}; again from byte 0 in {pause} ({tries} of {retries})", fault.what));
        self.again = Some(Again { why: fault.what.clone(), tries, others: 0 });
    }

    /// How many uploads are sent again for the reason that was given last.
    fn say_others(&mut self) {
        match self.again.take() {
            Some(Again { others: 1, .. }) => self.say("and another file, for the same reason"),
            Some(Again { others, .. }) if others > 1 => {
                self.say(&format!("and {others} other files, for the same reason"));
            }
            _ => {}
        }
    }

    /// Takes the progress bar away.
    pub fn finish(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn state(&mut self, track: Track, state: &State) {
        if self.style == Style::Quiet && !matches!(state, State::Failed(_) | State::Cancelled) {
            return;
        }
        let row = self.rows.entry(track).or_default();
        let (name, last) = (row.name.clone(), row.last);
        if let Some((_, bar)) = self.bar.as_ref().filter(|(shown, _)| *shown == track) {
            bar.set_message(match state {
                State::Sent => format!("{name}  sent, waiting for the server to finish"),
                _ => name.clone(),
            });
        }
        if state.is_final() && self.bar.as_ref().is_some_and(|(shown, _)| *shown == track) {
            self.finish();
        }
        match state {
            State::Delivered | State::Stored { .. } if matches!(track, Track::Job(_)) => {
                self.result(&arrived(&name, state, &last));
            }
            // A lane's result is part of the verdict.
            State::Failed(Fault { kind: FaultKind::Unproven, .. })
                if self.alarmed && matches!(track, Track::Job(_)) =>
            {
                self.complain(&format!("{name}: not sent, because of the other key"));
            }
            State::Failed(fault) if matches!(track, Track::Job(_)) => {
                self.complain(&format!("{name}: {fault}"));
            }
            State::Cancelled if matches!(track, Track::Job(_)) => {
                self.complain(&format!("{name}: cancelled"));
            }
            _ => {}
        }
    }

    fn progress(&mut self, track: Track, snapshot: Snapshot) {
        let row = self.rows.entry(track).or_default();
        row.last = snapshot;
        if matches!(track, Track::Receiving(..)) || self.style == Style::Quiet {
            return;
        }
        if self.bar.as_ref().is_none_or(|(shown, _)| *shown != track) {
            let name = row.name.clone();
            self.finish();
            if !io::stderr().is_terminal() {
                return;
            }
            let target = ProgressDrawTarget::stderr_with_hz(10);
            let bar = ProgressBar::with_draw_target(Some(snapshot.file_total), target);
            let template = "{msg}  {bar:30} {binary_bytes} of {binary_total_bytes}  {prefix}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message(name);
            self.bar = Some((track, bar));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set_prefix(pace(&snapshot));
            bar.set_position(snapshot.file_bytes);
        }
    }

    /// Not to be overlooked, whatever else is printed.
    fn alarm(&mut self, change: &KeyChange) {
        self.finish();
        self.alarmed = true;
        let KeyChange { address, known, since, offered, subject, .. } = change;
        let rule = "#".repeat(78);
        self.complain(&format!(
            "{rule}\n\
             #  {address} HAS ANOTHER KEY THAN BEFORE. NOTHING WAS SENT.\n\
             #  known since {}:\n\
             #      sha256:{known}\n\
             #  now, signed by the same CA for {subject}:\n\
             #      sha256:{offered}\n\
             #  Ask the server's operator, by another way, whether the key was changed.\n\
             #  Only if it was:  upseal known accept {address}\n\
             #  If it was not, somebody else answers there.\n\
             {rule}",
            day(since.as_deref())
        ));
    }

    fn verdict(&mut self, verdict: &Verdict) {
        self.finish();
        for lane in &verdict.lanes {
            match &lane.fault {
                Some(fault) => self.complain(&format!("{}: {fault}", lane.dialect)),
                None => self.result(&format!(
                    "{:<14} {:>9}  {:>12}  {} on the wire{}{}",
                    race::label(verdict, lane),
                    units::duration(Duration::from_secs_f64(lane.seconds)),
                    units::rate(verdict.bytes as f64 / lane.seconds),
                    units::bytes(lane.wire_bytes),
                    wire_factor(lane.wire_bytes, verdict.bytes),
                    costs(lane),
                )),
            }
        }
        self.result(&race::sentence(verdict));
        self.say(&format!(
            "engines on this side: RSA {}, Fernet {}",
            verdict.engines.rsa, verdict.engines.fernet
        ));
    }

    fn result(&self, text: &str) {
        if self.style != Style::Quiet {
            self.beside_the_bar(|| line(text));
        }
    }

    fn say(&self, text: &str) {
        if self.style != Style::Quiet {
            self.beside_the_bar(|| remark(text));
        }
    }

    fn complain(&self, text: &str) {
        self.beside_the_bar(|| remark(text));
    }

    fn beside_the_bar(&self, print: impl FnOnce()) {
        match &self.bar {
            Some((_, bar)) => bar.suspend(print),
            None => print(),
        }
    }
}

/// What stands behind the bar: the rate and the ETA, or for how long nothing has moved.
fn pace(snapshot: &Snapshot) -> String {
    let idle = Duration::from_millis(snapshot.idle_ms);
    if idle >= STALLED {
        return format!("stalled {}", units::clock(idle));
    }
    let eta = snapshot.eta_ms.map(|ms| format!(", ETA {}", units::clock(Duration::from_millis(ms))));
    format!("{} now{}", units::rate(snapshot.rate_now), eta.unwrap_or_default())
}

/// What became of an upload that arrived, behind its name.
fn arrived(name: &str, state: &State, last: &Snapshot) -> String {
    let (fate, more) = match state {
        State::Stored { name: there, named, receipt } => {
            // Not a byte of it went out.
            if last.wire_total == 0 {
                return format!("{name}  stored     not sent: the server gave a receipt before");
            }
            let more = match named {
                Named::Stored => stored(name, there, receipt.as_deref()),
                Named::Wanted => accepted(there, receipt.as_deref()),
            };
            ("stored   ", more)
        }
        _ => ("delivered", ", no receipt".to_owned()),
    };
    // Below a millisecond there is no rate.
    let rate = match last.elapsed_ms {
        0 => String::new(),
        ms => format!("{}, ", units::rate(last.file_bytes as f64 * 1000.0 / ms as f64)),
    };
    format!(
        "{name}  {fate}  {} in {}, {rate}{} on the wire{more}",
        units::bytes(last.file_bytes),
        units::millis(last.elapsed_ms),
        units::bytes(last.wire_bytes),
    )
}

/// ` (×2.06)`: bytes on the wire for each of the subject's; nothing where it has none.
fn wire_factor(wire: u64, bytes: u64) -> String {
    if bytes == 0 { String::new() } else { format!(" (×{:.2})", wire as f64 / bytes as f64) }
}

/// What a lane's line ends with: its laps, the processors' time, and what the others waited for.
fn costs(lane: &LaneResult) -> String {
    let seconds = |seconds: f64| units::duration(Duration::from_secs_f64(seconds));
    let mut costs = Vec::new();
    if lane.laps.len() > 1 {
        let least = lane.laps.iter().copied().fold(f64::INFINITY, f64::min);
        let most = lane.laps.iter().copied().fold(0.0, f64::max);
        costs.push(format!("  min {}, max {}", seconds(least), seconds(most)));
    }
    let Some(work) = &lane.work else { return costs.concat() };
    let cpu = |work: &Work| seconds(work.cpu_us as f64 / 1e6);
    let server = lane.server.as_ref().map_or_else(|| "—".to_owned(), cpu);
    costs.push(format!("  CPU {} here, {server} server", cpu(work)));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time, and it saturates")]
    let micros = (lane.seconds * 1e6) as u64;
    costs.extend(bottleneck::find(work, lane.server.as_ref(), micros).map(|found| {
        let name = bottleneck::full_name(found.place, lane.dialect.variant);
        format!("  {name}: {:.0} %", found.busy * 100.0)
    }));
    costs.concat()
}

/// What a line about a server ends with, if its key was expected.
fn known(standing: &Standing) -> String {
    match standing {
        Standing::Known { since } => format!(", known since {}", day(since.as_deref())),
        Standing::Pinned { .. } => ", as pinned".to_owned(),
        Standing::Own | Standing::First { .. } => String::new(),
    }
}

/// What is worth a line of its own.
fn news(standing: &Standing, proof: &Proof) -> Option<String> {
    match standing {
        Standing::First { remembered, other_ca } => {
            let memory = if *remembered { "remembered" } else { "not remembered" };
            let other = if *other_ca { "; this address is known under another CA" } else { "" };
            Some(format!("first time here; {memory}: sha256:{}{other}", proof.fingerprint))
        }
        Standing::Pinned { replaced: Some(old) } => {
            Some(format!("the pin replaces the key that was known, sha256:{old}"))
        }
        Standing::Own | Standing::Known { .. } | Standing::Pinned { replaced: None } => None,
    }
}

/// What a receipt says beyond that it is there, if it tells only the name under which the file came.
fn accepted(wanted: &str, receipt: Option<&Path>) -> String {
    format!(", accepted as {wanted}") + &stored(wanted, wanted, receipt)
}

/// What a receipt says beyond that it is there.
fn stored(name: &str, there: &str, receipt: Option<&Path>) -> String {
    let renamed = if name == there { String::new() } else { format!(", as {there}") };
    let receipt = receipt.map(|path| format!(", receipt {}", escape(&path.to_string_lossy())));
    renamed + &receipt.unwrap_or_default()
}

/// A word that a shell takes as it is meant.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn introduction(proof: &Proof) -> String {
    format!(
        "{}, signed by {}: RSA {} bits, {} days left, sha256 {}",
        proof.subject, proof.issuer, proof.bits, proof.days_left, proof.fingerprint
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stalls_says_for_how_long_and_has_no_eta() {
        let snapshot = Snapshot { rate_now: 1048.0 * 1024.0, eta_ms: Some(61_400), ..Snapshot::default() };
        assert_eq!(pace(&snapshot), "1.02 MiB/s now, ETA 1 min 1 s");
        assert_eq!(pace(&Snapshot { idle_ms: 12_300, ..snapshot }), "stalled 12 s");
        assert_eq!(pace(&Snapshot { eta_ms: None, ..snapshot }), "1.02 MiB/s now");
    }

    #[test]
    fn what_was_not_sent_has_no_bytes_and_no_time() {
        let state = State::Stored { name: "a.txt".to_owned(), named: Named::Stored, receipt: None };
        let none = Snapshot { file_total: 7, ..Snapshot::default() };
        assert_eq!(
            arrived("a.txt", &state, &none),
            "a.txt  stored     not sent: the server gave a receipt before"
        );
        let sent = Snapshot { file_bytes: 7, wire_bytes: 36, wire_total: 36, ..none };
        assert_eq!(arrived("a.txt", &state, &sent), "a.txt  stored     7 B in < 1 ms, 36 B on the wire");
        let slow = Snapshot { elapsed_ms: 7, ..sent };
        assert_eq!(
            arrived("a.txt", &state, &slow),
            "a.txt  stored     7 B in 7 ms, 1000 B/s, 36 B on the wire"
        );
    }

    #[test]
    fn a_word_is_quoted_where_a_shell_would_split_or_change_it() {
        for (word, quoted) in [
            ("certs/cacsertificate.crt", "certs/cacsertificate.crt"),
            ("127.0.0.1:4321", "127.0.0.1:4321"),
            ("[::1]:4321", "'[::1]:4321'"),
            ("my certs/ca.crt", "'my certs/ca.crt'"),
            ("it's", "'it'\\''s'"),
            ("$HOME", "'$HOME'"),
            ("~/ca", "'~/ca'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(word), quoted);
        }
    }
}
