//! The same bytes through several lanes: what each kind of encryption costs.
//!
//! ```text
//!   run ─┬─ content.rs   the file, or bytes that are made on the way
//!        ├─ hosts.rs     embedded servers: one for each length of key, their meters beside the lanes'
//!        ├─ lane         connect, prove ─► (all at once, together) ─► send ─► Delivered
//!        │     └─ curve.rs   reads the lane's meter, for a picture of it
//!        ├─ median ─► pace.rs    what was too short is sent once more, longer, for its steady rate
//!        └─ Verdict ─► messages::race
//! ```

mod content;
mod curve;
mod hosts;
mod pace;

use std::sync::{Arc, Barrier};
use std::thread;

pub use self::content::{GENERATED, is_replaced, shows};
pub use self::hosts::Hosts;

use self::content::{Load, Topic};
use self::curve::Recorder as Curve;
use self::hosts::News;
use self::pace::Reading;
use super::dialer::{Dialer, Embedded};
use crate::crypto::fernet::kernel;
use crate::crypto::rsa_batch;
use crate::event::{
    Course, Engines, Event, Fault, FaultKind, Lane, LaneResult, RaceOrder, State, Target, Track, Variant,
    Verdict,
};
use crate::meter::Meter;
use crate::net::Observer;
use crate::net::record::Recorder;
use crate::net::upload::{Content, UploadError};

/// Runs a race to its end and reports it; a lane that fails does not stop the others.
///
/// Each lane sends the same bytes as `race-VARIANT-NAME`, over a connection of its own; its clock
/// runs from the first byte of MODE 0 to Delivered (UX.md, "Behaviour"). What a lane takes before that (a key of the
/// embedded server's, the connection, the proof) is not in it.
pub fn run(dialer: &Dialer, hosts: &Arc<Hosts>, order: &RaceOrder) {
    let observer = &dialer.observer;
    let topic = match Topic::of(&order.subject) {
        Ok(topic) => topic,
        Err(fault) => return call_off(&**observer, order, &fault),
    };
    let laps = order.laps.max(1);
    observer.event(Event::RaceStarted {
        name: topic.name.clone(),
        bytes: topic.bytes,
        lanes: order.lanes.clone(),
        course: order.course,
        laps,
    });
    let race = Race { dialer, hosts, order, topic: &topic };
    let servers: Vec<_> = (0..order.lanes.len()).map(|lane| race.server(lane)).collect();
    let mut done: Vec<Vec<LaneResult>> = vec![Vec::new(); order.lanes.len()];
    for lap in 1..=laps {
        let starting: Vec<usize> =
            (0..done.len()).filter(|lane| done[*lane].iter().all(|result| result.fault.is_none())).collect();
        if lap > 1 && dialer.stop.is_raised() {
            break;
        }
        let runs: Vec<Run> = starting.into_iter().map(|lane| Run { lane, heat: Heat::Lap(lap) }).collect();
        for (lane, result) in race.lap(&servers, &runs) {
            done[lane].push(result);
        }
    }
    let mut lanes: Vec<LaneResult> =
        order.lanes.iter().zip(done).map(|(lane, laps)| median(lane, laps)).collect();
    race.measure_pace(&servers, &mut lanes);
    let Topic { name, bytes } = topic;
    observer.event(Event::RaceFinished {
        verdict: Verdict { name, bytes, lanes, engines: engines(), course: order.course, laps },
    });
}

/// Reports a race that does not begin.
pub fn call_off(observer: &dyn Observer, order: &RaceOrder, fault: &Fault) {
    let lanes = order.lanes.iter().map(|lane| LaneResult::failed(lane.dialect, fault.clone())).collect();
    let verdict = Verdict {
        name: Topic::name_of(&order.subject),
        bytes: 0,
        lanes,
        engines: engines(),
        course: order.course,
        laps: order.laps.max(1),
    };
    observer.event(Event::RaceFinished { verdict });
}

/// For keys of 1024 and 2048 bits; others go through the `rsa` crate.
pub(super) fn engines() -> Engines {
    Engines { rsa: rsa_batch::Backend::best().to_string(), fernet: kernel::Backend::best().name().to_owned() }
}

/// A lane's laps as one result: the lap with the median time. One that failed has no result.
fn median(lane: &Lane, laps: Vec<LaneResult>) -> LaneResult {
    let seconds: Vec<f64> = laps.iter().filter(|lap| lap.fault.is_none()).map(|lap| lap.seconds).collect();
    let failed = laps.iter().position(|lap| lap.fault.is_some());
    let chosen = failed.or_else(|| {
        let mut order: Vec<usize> = (0..laps.len()).collect();
        order.sort_by(|a, b| laps[*a].seconds.total_cmp(&laps[*b].seconds));
        order.get(laps.len().saturating_sub(1) / 2).copied()
    });
    match chosen.and_then(|chosen| laps.into_iter().nth(chosen)) {
        Some(result) => LaneResult { laps: seconds, ..result },
        None => LaneResult::failed(lane.dialect, UploadError::Interrupted.fault()),
    }
}

/// One lane's turn.
#[derive(Debug, Clone, Copy)]
struct Run {
    lane: usize,
    heat: Heat,
}

/// What a lane runs for.
#[derive(Debug, Clone, Copy)]
enum Heat {
    /// For its time, in this lap.
    Lap(u32),
    /// For its steady rate, with so many bytes. It is in no numbers but that, so nothing is reported of it.
    Pace(u64),
}

/// Drops all reports.
struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event) {}
    fn watch(&self, _: Track, _: Arc<Meter>) {}
    fn unwatch(&self, _: Track) {}
    fn recorder(&self) -> Option<Arc<Recorder>> {
        None
    }
}

/// What all lanes share.
struct Race<'a> {
    dialer: &'a Dialer,
    hosts: &'a Arc<Hosts>,
    order: &'a RaceOrder,
    topic: &'a Topic,
}

impl Race<'_> {
    /// The embedded server for a lane that wants a key of another length than ours has.
    fn server(&self, lane: usize) -> Result<Option<Embedded>, Fault> {
        let Lane { target: Target::Embedded, bits: Some(bits), dialect } = self.order.lanes[lane] else {
            return Ok(None);
        };
        let has = self.dialer.embedded.as_ref().is_some_and(|embedded| embedded.bits == bits);
        if has || !dialect.variant.authenticates() || self.dialer.stop.is_raised() {
            return Ok(None);
        }
        if !self.hosts.has_key(bits) {
            self.dialer.observer.event(Event::KeyComing { lane, bits });
        }
        self.hosts.with_key(bits).map(Some).map_err(|error| error.fault())
    }

    /// Gives each lane that arrived its steady rate. One that was too short for it is sent again with more bytes.
    fn measure_pace(&self, servers: &[Result<Option<Embedded>, Fault>], lanes: &mut [LaneResult]) {
        let arrived = |lane: &LaneResult| lane.fault.is_none();
        let mut readings: Vec<Option<Reading>> =
            lanes.iter().map(|lane| Reading::of(&lane.curve).filter(|_| arrived(lane))).collect();
        for _ in 0..pace::ROUNDS {
            if self.dialer.stop.is_raised() {
                break;
            }
            let longer: Vec<Option<u64>> =
                readings.iter().map(|reading| reading.as_ref().and_then(Reading::longer)).collect();
            if longer.iter().all(Option::is_none) {
                break;
            }
            // Lanes that ran together take time from each other again.
            let beside = (self.order.course == Course::Together).then_some(self.topic.bytes);
            let bytes = |lane: usize| longer[lane].or_else(|| beside.filter(|_| arrived(&lanes[lane])));
            let runs: Vec<Run> = (0..lanes.len())
                .filter_map(|lane| Some(Run { lane, heat: Heat::Pace(bytes(lane)?) }))
                .collect();
            for (lane, result) in self.lap(servers, &runs) {
                if longer[lane].is_some() {
                    // A server for one connection, say, does not answer again.
                    readings[lane] = Reading::of(&result.curve).filter(|_| arrived(&result));
                }
            }
        }
        for (lane, reading) in lanes.iter_mut().zip(readings) {
            lane.pace = reading.and_then(|reading| reading.pace());
        }
    }

    /// Runs these lanes once.
    fn lap(&self, servers: &[Result<Option<Embedded>, Fault>], runs: &[Run]) -> Vec<(usize, LaneResult)> {
        let run = |run: Run, gate: Option<&Barrier>| {
            let lane = run.lane;
            let result = match &servers[lane] {
                Ok(server) => self.lane(run, server.clone(), gate),
                Err(fault) => {
                    gate.map(Barrier::wait);
                    LaneResult::failed(self.order.lanes[lane].dialect, fault.clone())
                }
            };
            if let Heat::Lap(lap) = run.heat {
                self.tell(lane, lap, &result);
            }
            (lane, result)
        };
        if self.order.course == Course::InTurn {
            return runs.iter().map(|one| run(*one, None)).collect();
        }
        let gate = Barrier::new(runs.len());
        thread::scope(|scope| {
            let (run, gate) = (&run, &gate);
            let running: Vec<_> = runs.iter().map(|one| scope.spawn(move || run(*one, Some(gate)))).collect();
            running
                .into_iter()
                .map(|thread| match thread.join() {
                    Ok(done) => done,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect()
        })
    }

    fn tell(&self, lane: usize, lap: u32, result: &LaneResult) {
        let state = match &result.fault {
            None => State::Delivered,
            Some(fault) if fault.kind == FaultKind::Interrupted => State::Cancelled,
            Some(fault) => State::Failed(fault.clone()),
        };
        self.dialer.observer.event(Event::LapFinished { lane, lap, result: result.clone() });
        self.dialer.observer.event(Event::State { track: Track::Lane(lane), state });
    }

    /// Sends it all through one lane. With a `gate` nobody sends before all are there.
    fn lane(&self, run: Run, server: Option<Embedded>, gate: Option<&Barrier>) -> LaneResult {
        let (track, lane) = (Track::Lane(run.lane), &self.order.lanes[run.lane]);
        let mut dialer = self.dialer.beside(server);
        let bytes = match run.heat {
            Heat::Lap(_) => self.topic.bytes,
            Heat::Pace(bytes) => {
                dialer.observer = Arc::new(Silent);
                bytes
            }
        };
        let observer = &dialer.observer;
        let state = |state| observer.event(Event::State { track, state });
        let ready = || {
            if self.dialer.stop.is_raised() {
                return Err(UploadError::Interrupted.fault());
            }
            let load = Load::of(self.order, lane)?;
            let load = match run.heat {
                Heat::Lap(_) => load,
                Heat::Pace(_) => load.repeated(self.topic.bytes),
            };
            state(State::Connecting);
            let opened = dialer.open(&lane.target, lane.dialect, track)?;
            Ok((load, opened))
        };
        let ready = ready();
        gate.map(Barrier::wait);
        let (mut load, (mut upload, proof)) = match ready {
            Ok(ready) => ready,
            Err(fault) => return LaneResult::failed(lane.dialect, fault),
        };
        let meter = Arc::new(Meter::default());
        meter.measure();
        let local = upload.local().filter(|_| lane.target == Target::Embedded);
        if let Some(local) = local {
            let news = match run.heat {
                Heat::Lap(_) => News::Passed,
                Heat::Pace(_) => News::Kept,
            };
            self.hosts.expect(local, Arc::clone(&meter), news);
        }
        state(State::Sending);
        observer.watch(track, Arc::clone(&meter));
        let recorder = Curve::start(&meter);
        let variant = match lane.dialect.variant {
            Variant::Plain => "plain",
            Variant::Ap => "ap",
            Variant::Cp1 => "cp1",
            Variant::Cp2 => "cp2",
        };
        let name = format!("race-{variant}-{}", self.topic.name);
        let content = match &mut load {
            Load::File(file) => Content::File(file),
            Load::Generated(bytes) => Content::Reader(bytes),
            Load::Repeated(bytes) => Content::Reader(bytes),
        };
        let sent = upload.file(&name, content, bytes, &meter);
        let result = sent.and_then(|_| {
            state(State::Sent);
            upload.close(&meter)
        });
        let seconds = meter.elapsed().as_secs_f64();
        let curve = recorder.finish();
        observer.unwatch(track);
        if let Some(local) = local {
            self.hosts.forget(local);
        }
        let (seconds, fault) = match result {
            Ok(()) => (seconds, None),
            Err(error) => (0.0, Some(error.fault())),
        };
        LaneResult {
            dialect: lane.dialect,
            seconds,
            wire_bytes: if fault.is_none() { meter.wire_bytes() } else { 0 },
            proof: proof.filter(|_| fault.is_none()),
            fault,
            generated: is_replaced(self.order, lane),
            work: meter.work(),
            server: meter.other().and_then(|other| other.work()),
            laps: Vec::new(),
            curve,
            pace: None,
        }
    }
}
