//! The output of each event, as text or JSON.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::bars::Bars;
use super::linear::{self, Linear};
use super::sums::Sums;
use super::{Style, ask, line, remark};
use crate::cost;
use crate::event::{
    Event, Fault, FaultKind, KeyChange, Lane, LaneResult, Skipped, Snapshot, State, Track, Verdict,
};
use crate::messages::transfer::{self as upload, RECEIPTED_BEFORE, WAITING_FOR_END};
use crate::messages::trust::{self, Changed};
use crate::messages::{Escaped, Message, escape, race, server, units};
use crate::transfer::bottleneck;

/// Columns of the rows of words.
const COLUMNS: usize = 80;

/// Prints events.
#[derive(Debug)]
pub(crate) struct Output {
    style: Style,
    rows: BTreeMap<Track, Row>,
    bars: Bars,
    linear: Linear,
    sums: Sums,
    /// Whether the path of each receipt is printed.
    is_verbose: bool,
    /// Identities and warnings that were printed: each once, whatever the number of connections.
    introduced: BTreeSet<String>,
    /// Whether a changed key was reported; the files that failed because of it get a short line each.
    alarmed: bool,
    /// The retries that were reported last.
    retried: Option<Retried>,
}

/// Uploads that are retried for one reason; only the first has a line of its own.
#[derive(Debug)]
struct Retried {
    why: Escaped,
    tries: u32,
    /// How many uploads were not printed.
    others: usize,
}

/// The last known progress of an upload, a lane or a file that arrives.
#[derive(Debug, Default)]
struct Row {
    name: Escaped,
    last: Snapshot,
}

impl Output {
    /// Creates an output of this form.
    #[must_use]
    pub(crate) fn new(style: Style) -> Self {
        Self {
            style,
            rows: BTreeMap::new(),
            bars: Bars::new(style),
            linear: Linear::default(),
            sums: Sums::default(),
            is_verbose: false,
            introduced: BTreeSet::new(),
            alarmed: false,
            retried: None,
        }
    }

    /// Prints the path of each receipt as well.
    #[must_use]
    pub(crate) fn verbose(self, is_verbose: bool) -> Self {
        Self { is_verbose, ..self }
    }

    /// Prints an event, if the user should see it.
    #[allow(clippy::too_many_lines, reason = "one list of all events")]
    pub(crate) fn show(&mut self, event: &Event) {
        if self.style == Style::Json {
            // Events are plain values; serialising them cannot fail.
            if let Ok(json) = serde_json::to_string(event) {
                line(&json);
            }
            // A failure is also written to stderr, for the person who started the program.
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
            self.show_others();
        }
        match event {
            Event::Listening { address, store, identity } => {
                self.say(&server::listening(address, &Escaped::path(store)));
                if let Some(proof) = identity {
                    self.say(&format!("as {}", trust::introduction(proof)));
                }
            }
            Event::NotListening { fault } | Event::ServerNotAccepted { fault, .. } => {
                self.complain(&fault.to_string());
            }
            Event::Queued { job, size } => {
                let name = match &job.name {
                    Some(name) => escape(name),
                    None => Escaped::name(job.path.file_name().unwrap_or(job.path.as_os_str())),
                };
                let last = Snapshot { file_total: *size, ..Snapshot::default() };
                self.sums.queued(Track::Job(job.id), *size);
                self.rows.insert(Track::Job(job.id), Row { name, last });
            }
            Event::RaceStarted { name, bytes, lanes, .. } => self.race(name, *bytes, lanes),
            Event::Proven { address, proof, standing, .. } => {
                if self.introduced.insert(format!("{address} {}", proof.fingerprint)) {
                    self.say(&trust::proven(address, &trust::introduction(proof), standing));
                }
                if let Some(Message { what, .. }) = trust::news(address, proof, standing) {
                    self.say_once(&what);
                }
                proof.warnings.iter().for_each(|warning| self.say_once(&format!("note: {warning}")));
            }
            Event::KeyChanged { change, .. } => self.alarm(change),
            Event::Unaccepted { address, waiting } => {
                self.complain(&trust::unaccepted(address, *waiting).what);
            }
            Event::Progress { track, snapshot } => self.progress(*track, *snapshot),
            Event::State { track, state } => self.state(*track, state),
            Event::KeyComing { bits, .. } => {
                self.say(&race::key_coming(*bits));
            }
            Event::RaceFinished { verdict } => self.verdict(verdict),
            Event::Received { track, peer, name, kept, size, variant, digest, seconds, .. } => {
                self.rows.remove(track);
                let variant = variant.to_string();
                let received = server::received(name, *size, &variant, *kept, peer, *seconds);
                let digest = digest.as_ref().map(|digest| format!("sha256 {digest}"));
                let columns: Vec<String> = received.into_iter().chain(digest).collect();
                self.result(&match (self.style, &columns[..]) {
                    (Style::Plain, [name, rest @ ..]) => format!("file {name}: {}", rest.join(", ")),
                    _ => columns.join("  "),
                });
            }
            Event::Refused { peer, name, why, .. } => {
                self.complain(&server::refused(peer, name.as_ref(), why));
            }
            Event::Warned { peer, name, text, .. } => {
                self.complain(&server::warned(peer.as_deref(), name.as_ref(), text));
            }
            Event::Note { text } => self.complain(&escape(text).to_string()),
            Event::Limited { limit } => self.say(&upload::limited(*limit)),
            Event::Retrying { job, tries, retries, pause_ms, fault } => {
                let pause = Duration::from_millis(*pause_ms);
                self.retrying(Track::Job(*job), (*tries, *retries), pause, fault);
            }
            Event::Skipped { path, why: why @ Skipped::Failed(_), .. } => {
                self.sums.skipped();
                self.complain(&upload::skipped(path, why));
            }
            Event::Skipped { path, why, .. } => {
                self.sums.skipped();
                self.say(&upload::skipped(path, why));
            }
            Event::Scanned { path, files, bytes, skipped, complete: true, .. } => {
                self.say(&self.about("folder", &upload::scanned(path, *files, *bytes, *skipped)));
            }
            Event::Away { address, waiting } => {
                let Message { what, help } = upload::away(address, *waiting);
                self.complain(&format!("{what}\nhelp: {help}"));
            }
            // No front end without a screen pauses.
            Event::QueuePaused { .. }
            | Event::JobsSet { .. }
            | Event::LapFinished { .. }
            | Event::Scanned { complete: false, .. }
            | Event::Receiving { .. }
            | Event::Removed { .. }
            | Event::Accepting { .. }
            | Event::Shared { .. }
            | Event::NotShared { .. }
            | Event::SessionOpened { .. }
            | Event::SessionProved { .. }
            | Event::Receipted { .. }
            | Event::SessionClosed { .. }
            | Event::ServerAccepted { .. }
            // The command asks.
            | Event::FirstMeeting { .. }
            | Event::Calibrated { .. }
            | Event::Learned { .. }
            | Event::WireOpened { .. }
            | Event::WireFrames { .. }
            | Event::WireClosed { .. }
            | Event::Ended => {}
        }
    }

    /// Shows a server that was never met, and a question behind which the answer is typed.
    pub(crate) fn ask(&mut self, newcomer: &trust::Newcomer<'_>, question: &str) {
        self.bars.clear();
        newcomer.lines(COLUMNS).iter().for_each(|line| remark(line));
        ask(question);
    }

    fn race(&mut self, name: &str, bytes: u64, lanes: &[Lane]) {
        for (index, lane) in lanes.iter().enumerate() {
            let last = Snapshot { file_total: bytes, ..Snapshot::default() };
            let name = escape(&format!("{} {name}", lane.dialect));
            self.rows.insert(Track::Lane(index), Row { name, last });
        }
    }

    /// Reports a retry. The upload has not failed yet, so this is not an error.
    fn retrying(&mut self, track: Track, (tries, retries): (u32, u32), pause: Duration, fault: &Fault) {
        if let Some(retried) =
            self.retried.as_mut().filter(|retried| retried.tries == tries && retried.why == fault.what)
        {
            retried.others += 1;
            return;
        }
        self.show_others();
        let name = self.rows.get(&track).map(|row| row.name.clone()).unwrap_or_default();
        let why = format!("{name}: {}; {}", fault.what, upload::retrying(tries, retries, pause));
        self.say(&self.about("file", &why));
        self.retried = Some(Retried { why: fault.what.clone(), tries, others: 0 });
    }

    /// Reports how many more uploads are retried for the reason that was printed last.
    fn show_others(&mut self) {
        let others = self.retried.take().and_then(|retried| upload::others_retrying(retried.others));
        if let Some(others) = others {
            self.say(&others);
        }
    }

    /// Removes the progress bars, and prints what several uploads came to, also if some of them have not ended.
    pub(crate) fn finish(&mut self) {
        self.bars.clear();
        if self.style == Style::Json {
            return;
        }
        self.show_others();
        let Some(summary) = self.sums.summary() else { return };
        let lines = summary.lines();
        // With `--quiet`, only the failures that were not printed: those for the same reason as another one.
        let is_news = |failed: &(Escaped, Vec<Escaped>)| failed.1.len() > 1;
        if self.style != Style::Quiet || summary.failed.iter().any(is_news) {
            let skipped = usize::from(self.style == Style::Quiet);
            lines.iter().skip(skipped).for_each(|line| self.complain(line));
        }
        self.sums = Sums::default();
    }

    fn state(&mut self, track: Track, state: &State) {
        let row = self.rows.entry(track).or_default();
        let (name, last) = (row.name.clone(), row.last);
        let is_job = matches!(track, Track::Job(_));
        let is_first = is_job && self.sums.state(track, &name, state, &last);
        if *state == State::Sent {
            self.bars.say(track, WAITING_FOR_END);
        }
        if state.is_final() {
            self.bars.remove(track);
            self.linear.forget(track);
        }
        match state {
            State::Delivered | State::Stored { .. } if is_job && self.style == Style::Plain => {
                self.result(&linear::arrived(&name, state, &last, self.is_verbose));
            }
            State::Delivered | State::Stored { .. } if is_job => {
                self.result(&arrived(&name, state, &last, self.is_verbose));
            }
            // The result of a lane is printed with the verdict.
            State::Failed(Fault { kind: FaultKind::Unproven, .. }) if self.alarmed && is_job => {
                self.complain(&self.about("file", &trust::not_sent(&name)));
            }
            // A lost server fails every file behind it. The reason is printed once; the summary names the files.
            State::Failed(fault) if is_first => {
                self.complain(&self.about("file", &format!("{name}: {fault}")));
            }
            State::Cancelled if is_first => {
                self.complain(&self.about("file", &format!("{name}: cancelled")));
            }
            _ => {}
        }
        self.show_all();
    }

    fn progress(&mut self, track: Track, snapshot: Snapshot) {
        let row = self.rows.entry(track).or_default();
        row.last = snapshot;
        if matches!(track, Track::Receiving(..)) || self.style == Style::Quiet {
            return;
        }
        if matches!(track, Track::Job(_)) {
            self.sums.progress(track, &snapshot);
        }
        let name = row.name.to_string();
        if self.style == Style::Text {
            self.bars.progress(track, &name, &snapshot);
        // Of several files, the line of all of them is enough.
        } else if self.sums.under_way().is_none()
            && let Some(line) = self.linear.one(track, &name, &snapshot, Instant::now())
        {
            remark(&line);
        }
        self.show_all();
    }

    /// Shows the progress of all files, if there are several.
    fn show_all(&mut self) {
        let Some((files, bytes, elapsed)) = self.sums.under_way() else { return };
        match self.style {
            Style::Text => self.bars.all(files, bytes, elapsed),
            Style::Plain => {
                if let Some(line) = self.linear.all(files, bytes, elapsed, Instant::now()) {
                    remark(&line);
                }
            }
            Style::Quiet | Style::Json => {}
        }
    }

    /// Prints the alarm for a changed key, in a frame.
    fn alarm(&mut self, change: &KeyChange) {
        self.bars.clear();
        self.alarmed = true;
        if self.style == Style::Plain {
            return self.complain(&Changed::of(change).alarm().join("\n"));
        }
        let rule = "#".repeat(78);
        let lines: Vec<String> =
            Changed::of(change).alarm().into_iter().map(|line| format!("#  {line}")).collect();
        self.complain(&format!("{rule}\n{}\n{rule}", lines.join("\n")));
    }

    fn verdict(&mut self, verdict: &Verdict) {
        self.bars.clear();
        let entrants = race::entrants(verdict);
        for (at, lane) in verdict.lanes.iter().enumerate() {
            match &lane.fault {
                Some(fault) => self.complain(&format!("{}: {fault}", lane.dialect)),
                None if self.style == Style::Plain => self.result(&format!(
                    "{}: {}, {}, {}{}",
                    race::label(&entrants, at),
                    units::precise(lane.seconds),
                    units::rate(verdict.bytes as f64 / lane.seconds),
                    race::on_wire(lane.wire_bytes, verdict.bytes),
                    costs(lane, "; "),
                )),
                None => self.result(&format!(
                    "{:<14} {:>9}  {:>12}  {}{}",
                    race::label(&entrants, at),
                    units::precise(lane.seconds),
                    units::rate(verdict.bytes as f64 / lane.seconds),
                    race::on_wire(lane.wire_bytes, verdict.bytes),
                    costs(lane, "  "),
                )),
            }
        }
        self.result(&race::sentence(verdict));
        let why = race::why(&entrants, &cost::race(verdict));
        if !why.is_empty() {
            self.result(&format!("{why}."));
        }
        self.say(&format!(
            "engines on this side: RSA {}, Fernet {}",
            verdict.engines.rsa, verdict.engines.fernet
        ));
        if let Some(load) = race::crowded(verdict) {
            self.say(&load);
        }
    }

    /// Says what a line is about, because a sentence cannot begin with a name.
    fn about(&self, what: &str, text: &str) -> String {
        if self.style == Style::Plain { format!("{what} {text}") } else { text.to_owned() }
    }

    fn result(&self, text: &str) {
        if self.style != Style::Quiet {
            self.bars.above(|| line(&self.formed(text)));
        }
    }

    fn say(&self, text: &str) {
        if self.style != Style::Quiet {
            self.bars.above(|| remark(&self.formed(text)));
        }
    }

    fn complain(&self, text: &str) {
        self.bars.above(|| remark(&self.formed(text)));
    }

    fn formed<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.style == Style::Plain { linear::sentences(text).into() } else { text.into() }
    }

    /// Prints a message, unless it was printed before.
    fn say_once(&mut self, text: &str) {
        if self.introduced.insert(text.to_owned()) {
            self.say(text);
        }
    }
}

/// Returns the line of an upload that arrived. The path of its receipt is in it only with `-v`.
fn arrived(name: &Escaped, state: &State, last: &Snapshot, is_verbose: bool) -> String {
    let word = upload::state(state);
    let receipt = match state {
        State::Stored { .. } if last.wire_total == 0 => {
            return format!("{name}  {word:<9}  {RECEIPTED_BEFORE}");
        }
        State::Stored { name: there, named, receipt, earlier } => {
            let before = earlier.as_ref().and_then(|earlier| earlier.receipt.as_deref());
            upload::receipt(name, there, *named, receipt.as_deref().filter(|_| is_verbose))
                + &upload::earlier_receipt(before.filter(|_| is_verbose))
        }
        _ => ", no receipt".to_owned(),
    };
    format!("{name}  {word:<9}  {}{receipt}", upload::arrived(state, &upload::sent(last)))
}

/// Returns the end of a lane's line: its laps, the processor time of both sides, and the bottleneck, each after `between`.
fn costs(lane: &LaneResult, between: &str) -> String {
    let mut costs = Vec::new();
    if lane.laps.len() > 1 {
        costs.push(race::spread(&lane.laps));
    }
    if let Some(work) = &lane.work {
        costs.push(race::cpu(work, lane.server.as_ref()));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a time that is not negative, and the cast saturates"
        )]
        let micros = (lane.seconds * 1e6) as u64;
        let found = bottleneck::find(work, lane.server.as_ref(), micros);
        costs.extend(found.map(|found| found.sentence(lane.dialect.variant)));
    }
    costs.iter().flat_map(|cost| [between, cost]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Earlier, Named};

    #[test]
    fn an_upload_that_arrived_has_one_line() {
        let stored = |earlier| {
            let receipt = Some("new.receipt".into());
            State::Stored { name: "a.txt".into(), named: Named::Stored, receipt, earlier }
        };
        let state = stored(None);
        let none = Snapshot { file_total: 7, ..Snapshot::default() };
        let name = escape("a.txt");
        assert_eq!(
            arrived(&name, &state, &none, false),
            "a.txt  stored     already stored, not sent: it has a receipt"
        );
        let sent = Snapshot { file_bytes: 7, wire_bytes: 36, wire_total: 36, ..none };
        assert_eq!(arrived(&name, &state, &sent, false), "a.txt  stored     7 B in < 1 ms, 36 B on the wire");
        let again = stored(Some(Box::new(Earlier { at_ms: 1, receipt: Some("old.receipt".into()) })));
        assert_eq!(
            arrived(&name, &again, &sent, false),
            "a.txt  stored     already stored, 7 B in < 1 ms, 36 B on the wire"
        );
        assert_eq!(
            arrived(&name, &again, &sent, true),
            "a.txt  stored     already stored, 7 B in < 1 ms, 36 B on the wire, receipt new.receipt, \
             earlier receipt old.receipt"
        );
        let slow = Snapshot { elapsed_ms: 7, ..sent };
        assert_eq!(
            arrived(&name, &state, &slow, false),
            "a.txt  stored     7 B in 7 ms, 1000 B/s, 36 B on the wire"
        );
        assert_eq!(
            arrived(&name, &State::Delivered, &sent, false),
            "a.txt  delivered  7 B in < 1 ms, 36 B on the wire, no receipt"
        );
    }
}
