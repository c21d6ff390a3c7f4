//! State that several screens show or change: the connection, prices, received files, the log.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ratatui::layout::Rect;

use super::capture::Capture;
use super::link::{Link, Peer};
use super::listing::Clock;
use super::own_server::OwnServer;
use super::privacy::Secrets;
use super::recent::Recent;
use super::theme::Glyphs;
use super::widgets::log::{Log, Tone};
use super::widgets::received::Received;
use super::widgets::toast::Toasts;
use super::{fit, text};
use crate::estimate::{self, Load, Price, Rates};
use crate::event::{
    Dialect, Event, Fault, FaultKind, Jobs, KeyChange, Limit, Proof, ServerAddress, Standing, Target, Variant,
};
use crate::messages::word_rows;
use crate::report::ReportError;

/// CP1 transfers that take longer than this are confirmed by the user first.
const EXPENSIVE: Duration = Duration::from_secs(60);

/// State that several screens share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) link: Link,
    /// Dialect of uploads.
    pub(super) dialect: Dialect,
    /// Limit of all uploads' bytes on the wire.
    pub(super) limit: Limit,
    /// The most connections that send files at the same time.
    pub(super) jobs: Jobs,
    /// Whether the queue is paused.
    pub(super) is_paused: bool,
    pub(super) rates: Rates,
    pub(super) own_server: OwnServer,
    pub(super) received: Received,
    pub(super) log: Log,
    pub(super) toasts: Toasts,
    /// Addresses and fingerprints of proofs that are in the log.
    proofs: HashSet<(ServerAddress, String)>,
    pub(super) clock: Clock,
    pub(super) recent: Recent,
    pub(super) home: Option<PathBuf>,
    /// Whether hosts and paths are hidden.
    pub(super) is_private: bool,
    /// Glyphs that the terminal can show.
    pub(super) glyphs: Glyphs,
    /// Size of the terminal when it was last drawn.
    pub(super) area: Rect,
    /// Whether Ctrl-C was pressed since the last order.
    pub(super) interrupted: bool,
}

impl Shared {
    pub(super) fn new(link: Link, dialect: Dialect, home: Option<PathBuf>, clock: Clock) -> Self {
        Self {
            link,
            dialect,
            limit: Limit::NONE,
            jobs: Jobs::ONE,
            is_paused: false,
            rates: Rates::default(),
            own_server: OwnServer::default(),
            received: Received::default(),
            log: Log::default(),
            toasts: Toasts::default(),
            proofs: HashSet::new(),
            clock,
            recent: Recent::default(),
            home,
            is_private: false,
            glyphs: Glyphs::Unicode,
            area: Rect::default(),
            interrupted: false,
        }
    }

    /// Reads the latest folders and servers.
    pub(super) fn recall(&mut self, path: &Path) {
        match Recent::read(path) {
            Ok(recent) => self.recent = recent,
            Err(error) => {
                let file = fit::path(path, self.home.as_deref());
                self.note(Tone::Warn, text::no_recent(&file, &error));
            }
        }
    }

    /// Returns the servers that the connect dialog offers besides the one in use: the saved ones, then the latest.
    pub(super) fn peers(&self, in_use: &Target) -> Vec<Peer> {
        let saved = &self.link.peers;
        saved.iter().cloned().chain(self.recent.servers(saved, in_use)).collect()
    }

    /// Returns what the header says at any time.
    pub(super) const fn mark(&self) -> &'static str {
        match (self.own_server.shared().is_some(), self.is_private) {
            (false, false) => "",
            (true, false) => text::SHARED_MARK,
            (false, true) => text::HIDDEN_MARK,
            (true, true) => text::SHARED_HIDDEN_MARK,
        }
    }

    /// Returns what is hidden on every screen, apart from what looks like a host or a path.
    pub(super) fn secrets(&self, folder: &Path) -> Secrets {
        let mut secrets = Secrets::default();
        let mut add_path = |path: &Path| {
            secrets.add(&fit::path(path, self.home.as_deref()));
            secrets.add(&fit::path(path, None));
        };
        add_path(folder);
        add_path(&self.own_server.folder);
        if let Some(home) = &self.home {
            add_path(home);
        }
        for folder in self.recent.folders(Path::new("")) {
            add_path(&folder);
        }
        let user = self.home.as_ref().and_then(|home| home.file_name()).map(fit::name);
        if let Some(user) = user {
            secrets.add(&user);
        }
        let peers = self.peers(&Target::Embedded);
        for target in peers.iter().map(|peer| &peer.target).chain([&self.link.target]) {
            if let Target::Server { address, ca, .. } = target {
                secrets.add_host(&fit::escaped(&address.to_string()));
                if let Some(ca) = ca {
                    secrets.add(&fit::path(ca, self.home.as_deref()));
                }
            }
        }
        for proof in self.link.proof.iter().chain(&self.own_server.identity) {
            secrets.add(&proof.fingerprint);
            secrets.add(&text::fingerprint(&proof.fingerprint));
            // The words have rows of several lengths.
            for words in (0..120).step_by(12).flat_map(|columns| word_rows(&proof.fingerprint, columns)) {
                secrets.add(&words);
            }
        }
        for (door, link) in self.own_server.shared().map(|shared| &shared.doors).into_iter().flatten() {
            secrets.add_host(&door.address.to_string());
            secrets.add(&link.to_string());
            secrets.add(&link.pin.to_string());
        }
        secrets
    }

    // Messages

    /// Shows a message for some seconds and adds it to the log.
    pub(super) fn say(&mut self, tone: Tone, what: String, advice: String, now: Duration) {
        let line = if advice.is_empty() { what.clone() } else { format!("{what} {advice}") };
        self.note(tone, line);
        self.toasts.say(tone, what, advice, now);
    }

    /// Adds a line to the log.
    pub(super) fn note(&mut self, tone: Tone, line: String) {
        self.log.add(self.clock.present(), tone, line);
    }

    /// Reports a fault, unless the user caused it by cancelling.
    pub(super) fn trouble(&mut self, subject: &str, fault: &Fault, now: Duration) {
        if fault.kind == FaultKind::Interrupted {
            return;
        }
        let (what, advice) = text::trouble(subject, fault);
        self.say(Tone::Bad, what, advice, now);
    }

    /// Reports that the transfer threads have ended unexpectedly.
    pub(super) fn lost(&mut self, now: Duration) {
        self.say(Tone::Bad, text::LOST_WORKER.to_owned(), text::LOST_WORKER_ADVICE.to_owned(), now);
    }

    /// Takes the result of saving a session.
    pub(super) fn saved(&mut self, capture: &Capture, result: io::Result<PathBuf>, now: Duration) {
        match result {
            Ok(path) => {
                self.written(&path, now, |name, folder| text::saved(name, folder, capture.with_plaintext));
            }
            Err(error) => {
                let (what, advice) = text::not_saved(&error.to_string());
                self.say(Tone::Bad, what, advice, now);
            }
        }
    }

    /// Takes the result of writing a race's report.
    pub(super) fn reported(&mut self, result: Result<PathBuf, ReportError>, now: Duration) {
        match result {
            Ok(path) => self.written(&path, now, text::race::reported),
            Err(error) => {
                let fault = error.fault();
                self.say(Tone::Bad, fit::shown(&fault.what), fit::shown(&fault.advice), now);
            }
        }
    }

    fn written(&mut self, path: &Path, now: Duration, words: impl FnOnce(&str, &str) -> (String, String)) {
        let folder = fit::path(path.parent().unwrap_or(Path::new("")), self.home.as_deref());
        let name = fit::name(path.file_name().unwrap_or_default());
        let (what, advice) = words(&name, &folder);
        self.say(Tone::Plain, what, advice, now);
    }

    // Events that belong to no screen

    /// Takes what an event says about servers, rates and the program. `target` is where the event's transfer goes.
    pub(super) fn on_event(&mut self, event: &Event, target: Option<&Target>, now: Duration) {
        match event {
            Event::Proven { address, proof, standing, .. } => {
                self.proven(target, address, proof, standing, now);
            }
            Event::Away { address, .. } => {
                self.link.is_away |=
                    matches!(&self.link.target, Target::Server { address: of, .. } if of == address);
            }
            Event::KeyChanged { change, .. } => self.key_changed(target, change),
            Event::ServerAccepted { address, .. } => {
                self.link.changed = false;
                let (what, advice) = text::accepted(address);
                self.say(Tone::Plain, what, advice, now);
            }
            Event::ServerNotAccepted { address, fault } => {
                self.trouble(&fit::escaped(&address.to_string()), fault, now);
            }
            Event::Note { text } => self.say(Tone::Plain, fit::escaped(text), String::new(), now),
            Event::Limited { limit } => self.limit = *limit,
            Event::JobsSet { jobs } => self.jobs = *jobs,
            Event::QueuePaused { paused, running } => {
                self.is_paused = *paused;
                self.say(Tone::Plain, text::queue_paused(*paused, *running), String::new(), now);
            }
            Event::Calibrated { calibration } => self.rates.calibrate(calibration.clone()),
            Event::Learned { rates } => self.rates.recall(rates.clone()),
            Event::Ended => self.lost(now),
            _ => {}
        }
    }

    fn proven(
        &mut self,
        target: Option<&Target>,
        address: &ServerAddress,
        proof: &Proof,
        standing: &Standing,
        now: Duration,
    ) {
        // Every connection proves the server's identity again; the log has it once.
        if self.proofs.insert((address.clone(), proof.fingerprint.clone())) {
            let tone = if proof.warnings.is_empty() { Tone::Plain } else { Tone::Warn };
            self.note(tone, text::proven(address, proof, standing));
        }
        if let Some((what, advice)) = text::news(address, proof, standing) {
            // Who has just accepted the key needs no message.
            if matches!(standing, Standing::First { asked: true, remembered: true, .. }) {
                self.note(Tone::Plain, what);
            } else {
                self.say(Tone::Warn, what, advice, now);
            }
        }
        if target == Some(&self.link.target) {
            self.link.proof = Some(proof.clone());
            self.link.is_away = false;
            (self.link.standing, self.link.changed) = (Some(standing.clone()), false);
        }
    }

    fn key_changed(&mut self, target: Option<&Target>, change: &KeyChange) {
        if target == Some(&self.link.target) {
            self.link.forget();
            self.link.changed = true;
        }
        self.note(Tone::Bad, text::changed(change));
    }

    // Prices

    /// Returns the bytes of the server's modulus, and whether they are an assumption.
    pub(super) fn key(&self) -> (u64, bool) {
        let own = if self.link.target == Target::Embedded { self.own_server.identity.as_ref() } else { None };
        match self.link.proof.as_ref().or(own) {
            Some(proof) => (proof.bits as u64 / 8, false),
            None => (estimate::USUAL_KEY, true),
        }
    }

    /// Returns the time that a load takes with `wire` bytes on the wire. A limit that is lower than the rate decides it.
    pub(super) fn price(
        &self,
        target: &Target,
        dialect: Dialect,
        load: Load,
        key: u64,
        wire: u64,
    ) -> Option<Price> {
        let price = self.rates.price(target, dialect, load, key);
        let Some(limit) = self.limit.bytes() else { return price };
        let least = estimate::at_rate(wire, limit as f64)?;
        match price {
            Some(Price::About(time)) => Some(Price::About(time.max(least))),
            Some(Price::AtLeast(time)) if time > least => price,
            _ => Some(Price::AtLeast(least)),
        }
    }

    /// Returns the question to ask before a CP1 order of `blocks` RSA operations, if it takes more than a minute.
    pub(super) fn if_expensive(
        &self,
        cp1: Option<Price>,
        target: &Target,
        load: Load,
        blocks: u64,
    ) -> Option<String> {
        let expensive = match cp1 {
            Some(Price::About(time)) => time > EXPENSIVE,
            Some(Price::AtLeast(time)) => time > EXPENSIVE || blocks > estimate::MANY_BLOCKS,
            None => blocks > estimate::MANY_BLOCKS,
        };
        expensive.then(|| {
            let cp2 = self.rates.price(target, Dialect::of(Variant::Cp2), load, self.key().0);
            text::expensive(load.bytes, cp1, cp2, blocks)
        })
    }
}
