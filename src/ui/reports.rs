//! What the transfer threads report, shared out to the parts of the screen.

use std::time::Duration;

use super::app::{App, Overlay};
use super::fit;
use super::text;
use super::widgets::alarm::Alarm;
use super::widgets::log::Tone;
use super::widgets::received::Arrival;
use super::widgets::server::Listening;
use crate::event::{
    Blame, Course, Event, Fault, FaultKind, JobId, Kept, KeyChange, Lane, Proof, Snapshot, Standing, State,
    Target, Took, Track, Verdict,
};

impl App {
    /// Takes one report. What went wrong is said and kept in the log.
    pub(super) fn on_event(&mut self, event: Event, now: Duration) {
        self.session.hear(&event);
        match event {
            Event::Listening { address, store, identity } => {
                let store = fit::path(&store, self.home.as_deref());
                self.note(Tone::Plain, text::listening(&fit::escaped(&address), &store));
                self.received.store.clone_from(&store);
                self.server.store = store;
                self.server.identity = identity;
                self.server.listening = Listening::At(fit::escaped(&address));
            }
            Event::NotListening { fault } => {
                self.trouble(text::SERVER, &fault, now);
                self.server.listening = Listening::Not(fault);
            }
            Event::Queued { job, size } => self.queue.queued(job, size, now),
            Event::State { track: Track::Job(id), state } => self.upload_changed(id, state, now),
            Event::State { track: Track::Lane(lane), state } => {
                if let State::Failed(fault) = &state {
                    let told = fault.kind == FaultKind::Unproven
                        && self.target_of(Track::Lane(lane)).is_some_and(|target| self.is_alarmed(target));
                    if !told {
                        self.trouble(&text::lane(lane), fault, now);
                    }
                }
                self.race.changed(lane, state, now);
            }
            Event::State { track: Track::Receiving(..), .. } => {}
            Event::Removed { job } => self.queue.removed(job),
            Event::Retrying { job, tries, retries, pause_ms, fault } => {
                let name = self.queue.upload(job).map(|upload| upload.name().to_owned()).unwrap_or_default();
                self.note(Tone::Warn, format!("{name}: {}", text::fault_line(&fault)));
                self.queue.retrying(job, tries, retries, now + Duration::from_millis(pause_ms));
            }
            Event::Away { address, waiting } => {
                let (what, advice) = text::away(&address, waiting);
                self.say(Tone::Warn, what, advice, now);
                self.queue.away(&address);
            }
            Event::Proven { track, address, proof, standing } => {
                self.proven(track, &address, proof, standing, now);
            }
            Event::KeyChanged { track, change } => self.key_changed(track, change, now),
            Event::ServerAccepted { address, .. } => {
                self.link.changed = false;
                let (what, advice) = text::accepted(&address);
                self.say(Tone::Plain, what, advice, now);
            }
            Event::ServerNotAccepted { address, fault } => self.trouble(&fit::escaped(&address), &fault, now),
            Event::Progress { track, snapshot } => self.progressed(track, snapshot, now),
            Event::RaceStarted { name, bytes, lanes, course, laps } => {
                self.race.started(&name, bytes, lanes, (course, laps), now);
            }
            Event::KeyComing { lane, bits } => self.race.key_coming(lane, bits),
            Event::LapFinished { lane, result, .. } => self.race.lap_finished(lane, result),
            Event::RaceFinished { verdict } => self.race_finished(verdict, now),
            event => self.on_server_event(event, now),
        }
    }

    fn on_server_event(&mut self, event: Event, now: Duration) {
        match event {
            Event::SessionOpened { session, peer } => {
                self.server.sessions.opened(session, &peer, self.clock.present());
            }
            Event::SessionProved { session } => self.server.sessions.proved(session),
            Event::SessionClosed { session } => {
                self.server.sessions.closed(session);
                self.received.session_ended(session);
            }
            Event::Receiving { track, peer, name, variant } => {
                self.received.began(track, &name, variant, &peer, self.clock.present());
            }
            Event::Received { track, peer, name, kept, size, variant, digest, seconds, at_ms } => {
                self.history.outdate();
                let replaced = self.received.arrived(
                    track,
                    Arrival {
                        name: fit::escaped(&name),
                        kept,
                        size,
                        variant,
                        peer: fit::escaped(&peer),
                        digest: fit::escaped(digest.as_deref().unwrap_or("—")),
                        seconds,
                        at: self.clock.time(at_ms),
                    },
                );
                if let Track::Receiving(session, _) = track {
                    self.server.sessions.received(session, size, replaced);
                }
                if kept == Kept::Renamed {
                    self.note(Tone::Plain, text::renamed(&name));
                }
            }
            Event::Refused { session, track, peer, name, blame, why, at_ms } => {
                if let Some(track) = track {
                    self.received.gone(track);
                }
                self.server.sessions.refused(session);
                let at = self.clock.time(at_ms);
                self.server.refusals.add(session, &peer, name.as_deref(), &why, at);
                let words = text::refused(&peer, name.as_deref(), &why);
                let tone = if blame == Blame::System { Tone::Bad } else { Tone::Warn };
                self.say(tone, words, String::new(), now);
            }
            Event::Warned { session, peer, name, text, at_ms } => {
                let words = text::warned(peer.as_deref(), name.as_deref(), &text);
                self.server.refusals.warn(
                    session,
                    peer.as_deref(),
                    name.as_deref(),
                    &text,
                    self.clock.time(at_ms),
                );
                self.say(Tone::Warn, words, String::new(), now);
            }
            Event::Note { text } => self.say(Tone::Plain, fit::escaped(&text), String::new(), now),
            Event::Calibrated { calibration } => self.rates.calibrate(calibration),
            Event::Learned { rates } => self.rates.recall(rates),
            Event::Ended => self.lost(now),
            _ => {}
        }
    }

    /// The transfer threads are gone although nobody asked them to go.
    pub(super) fn lost(&mut self, now: Duration) {
        self.say(Tone::Bad, text::LOST_WORKER.to_owned(), text::LOST_WORKER_ADVICE.to_owned(), now);
    }

    fn upload_changed(&mut self, id: JobId, state: State, now: Duration) {
        let Some(upload) = self.queue.upload(id) else { return };
        let name = upload.name().to_owned();
        let target = upload.job.target.clone();
        match &state {
            State::Failed(fault) => {
                if fault.kind == FaultKind::Unproven && target == self.link.target {
                    (self.link.proof, self.link.standing) = (None, None);
                }
                let fault = fault.clone();
                let told = fault.kind == FaultKind::Unproven && self.is_alarmed(&target);
                if told {
                    self.note(Tone::Bad, text::not_sent(&name));
                } else {
                    self.trouble(&name, &fault, now);
                }
            }
            State::Delivered | State::Stored { .. } => {
                self.link.receipted |= target == self.link.target && state != State::Delivered;
                let variant = upload.job.dialect.variant;
                let took = upload.was_sent().then(|| upload.took());
                let fate = match took {
                    None => text::receipted_before(upload.size),
                    Some(_) => text::delivered(upload.bytes(), &upload.snapshot, upload.job.predicted_ms),
                };
                let line = format!("{name}: {fate}");
                if let Some(took) = took {
                    self.rates.learn(&target, variant, took);
                }
                self.note(Tone::Plain, line);
            }
            _ => {}
        }
        if state.is_final() {
            self.history.outdate();
        }
        self.queue.changed(id, state, now);
    }

    fn target_of(&self, track: Track) -> Option<&Target> {
        match track {
            Track::Job(id) => self.queue.upload(id).map(|upload| &upload.job.target),
            Track::Lane(lane) => self.race.tracks.get(lane).map(|track| &track.lane.target),
            Track::Receiving(..) => None,
        }
    }

    fn proven(&mut self, track: Track, address: &str, proof: Proof, standing: Standing, now: Duration) {
        let ours = self.target_of(track) == Some(&self.link.target);
        // Every connection proves it anew; the log says it once.
        if self.proofs.insert((address.to_owned(), proof.fingerprint.clone())) {
            let tone = if proof.warnings.is_empty() { Tone::Plain } else { Tone::Warn };
            self.note(tone, text::proven(address, &proof, &standing));
        }
        if let Some((what, advice)) = text::news(address, &proof, &standing) {
            self.say(Tone::Warn, what, advice, now);
        }
        if let Track::Lane(lane) = track {
            self.race.proven(lane, proof.clone());
        }
        if ours {
            self.link.proof = Some(proof);
            (self.link.standing, self.link.changed) = (Some(standing), false);
        }
    }

    /// Whether a screen over everything says why nothing goes there.
    fn is_alarmed(&self, target: &Target) -> bool {
        let tells = |overlay: &Overlay| matches!(overlay, Overlay::Alarm(alarm) if alarm.tells_of(target));
        self.overlays.iter().any(tells)
    }

    /// Another key than before: a screen over everything, and all of it in the log.
    fn key_changed(&mut self, track: Track, change: KeyChange, now: Duration) {
        if self.target_of(track) == Some(&self.link.target) {
            self.link.forget();
            self.link.changed = true;
        }
        self.note(Tone::Bad, text::changed(&change));
        let shown = self.overlays.iter_mut().find_map(|overlay| match overlay {
            Overlay::Alarm(alarm) if alarm.is_about(&change) => Some(alarm),
            _ => None,
        });
        match shown {
            Some(alarm) => alarm.again(change, now),
            None => self.overlays.push(Overlay::Alarm(Alarm::new(change, now))),
        }
    }

    fn progressed(&mut self, track: Track, snapshot: Snapshot, now: Duration) {
        match track {
            Track::Job(id) => {
                self.queue.progressed(id, snapshot, now);
                self.speed.progressed(id, &snapshot, now);
                // The first second is all start: not yet worth an estimate.
                if snapshot.elapsed_ms >= 1000
                    && let Some(upload) = self.queue.upload(id)
                {
                    self.rates.under_way(&upload.job.target, upload.job.dialect.variant, upload.took());
                }
            }
            Track::Lane(lane) => self.race.progressed(lane, snapshot, now),
            Track::Receiving(..) => self.received.progressed(track, snapshot),
        }
    }

    fn race_finished(&mut self, verdict: Verdict, now: Duration) {
        let lanes: Vec<Lane> = self.race.tracks.iter().map(|track| track.lane.clone()).collect();
        // Lanes beside each other, and longer keys, say nothing of an upload.
        let telling = |lane: &Lane| lane.bits.is_none() && verdict.course == Course::InTurn;
        for (lane, way) in verdict.lanes.iter().zip(&lanes).filter(|(_, way)| telling(way)) {
            if lane.fault.is_none() && lane.seconds > 0.0 {
                let took = Took { bytes: verdict.bytes, seconds: lane.seconds, pace: lane.pace };
                self.rates.learn(&way.target, lane.dialect.variant, took);
            }
        }
        // What no lane has told yet: the file could not be opened, for one.
        let untold: Vec<(usize, Fault)> = verdict
            .lanes
            .iter()
            .enumerate()
            .filter(|(at, _)| self.race.tracks.get(*at).is_none_or(|track| !track.state.is_final()))
            .filter_map(|(at, lane)| Some((at, lane.fault.clone()?)))
            .collect();
        for (lane, fault) in untold {
            self.trouble(&text::lane(lane), &fault, now);
            self.race.changed(lane, State::Failed(fault), now);
        }
        self.note(Tone::Plain, text::verdict(&verdict));
        self.race.finished(verdict);
    }

    fn trouble(&mut self, subject: &str, fault: &Fault, now: Duration) {
        if fault.kind == FaultKind::Interrupted {
            return;
        }
        let (what, advice) = text::trouble(subject, fault);
        self.say(Tone::Bad, what, advice, now);
    }

    fn note(&mut self, tone: Tone, line: String) {
        self.log.add(self.clock.present(), tone, line);
    }
}
