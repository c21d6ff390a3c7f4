//! One file through several lanes, in turn: what each kind of encryption costs.

use std::fs::File;
use std::io::Seek as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::dialer::Dialer;
use super::source::Source;
use crate::crypto::fernet::kernel;
use crate::crypto::rsa_batch;
use crate::event::{Engines, Event, Fault, FaultKind, Lane, LaneResult, State, Track, Variant, Verdict};
use crate::meter::Meter;
use crate::net::Observer;
use crate::net::upload::{Content, UploadError};
use crate::units;

/// Runs a race to its end and reports it; a lane that fails does not stop the next.
///
/// Each lane sends the same bytes as `race-VARIANT-NAME`, over a connection of its own; its clock
/// runs from the first byte of MODE 0 to Delivered (UX.md, "Behaviour").
pub fn run(dialer: &Dialer, path: &Path, limit: Option<u64>, lanes: &[Lane]) {
    let observer = &dialer.observer;
    let mut source = match Source::open(path) {
        Ok(source) => source,
        Err(fault) => return call_off(&**observer, path, lanes, &fault),
    };
    let bytes = limit.map_or(source.size, |limit| limit.min(source.size));
    let name = source.name.clone();
    observer.event(Event::RaceStarted { name: name.clone(), bytes, lanes: lanes.to_vec() });
    let mut results = Vec::with_capacity(lanes.len());
    for (index, lane) in lanes.iter().enumerate() {
        let track = Track::Lane(index);
        let result = one(dialer, track, lane, &name, &mut source.file, bytes);
        let state = match &result.fault {
            None => State::Delivered,
            Some(fault) if fault.kind == FaultKind::Interrupted => State::Cancelled,
            Some(fault) => State::Failed(fault.clone()),
        };
        observer.event(Event::State { track, state });
        results.push(result);
    }
    observer
        .event(Event::RaceFinished { verdict: Verdict { name, bytes, lanes: results, engines: engines() } });
}

/// Reports a race that does not begin.
pub fn call_off(observer: &dyn Observer, path: &Path, lanes: &[Lane], fault: &Fault) {
    let verdict = Verdict {
        name: path.display().to_string(),
        bytes: 0,
        lanes: lanes.iter().map(|lane| failed(lane, fault.clone())).collect(),
        engines: engines(),
    };
    observer.event(Event::RaceFinished { verdict });
}

/// For keys of 1024 and 2048 bits; others go through the `rsa` crate.
pub(super) fn engines() -> Engines {
    Engines { rsa: rsa_batch::Backend::best().to_string(), fernet: kernel::Backend::best().name().to_owned() }
}

fn failed(lane: &Lane, fault: Fault) -> LaneResult {
    LaneResult { dialect: lane.dialect, seconds: 0.0, wire_bytes: 0, proof: None, fault: Some(fault) }
}

fn one(dialer: &Dialer, track: Track, lane: &Lane, name: &str, file: &mut File, bytes: u64) -> LaneResult {
    let state = |state| dialer.observer.event(Event::State { track, state });
    if dialer.stop.is_raised() {
        return failed(lane, UploadError::Interrupted.fault());
    }
    if let Err(error) = file.rewind() {
        return failed(lane, UploadError::Source(error).fault());
    }
    state(State::Connecting);
    let (mut upload, proof) = match dialer.open(&lane.target, lane.dialect, track) {
        Ok(opened) => opened,
        Err(fault) => return failed(lane, fault),
    };
    let meter = Arc::new(Meter::default());
    state(State::Sending);
    dialer.observer.watch(track, Arc::clone(&meter));
    let variant = match lane.dialect.variant {
        Variant::Plain => "plain",
        Variant::Ap => "ap",
        Variant::Cp1 => "cp1",
        Variant::Cp2 => "cp2",
    };
    let name = format!("race-{variant}-{name}");
    let sent = upload.file(&name, Content::File(file), bytes, &meter);
    let result = sent.and_then(|_| {
        state(State::Sent);
        upload.close(&meter)
    });
    let seconds = meter.elapsed().as_secs_f64();
    dialer.observer.unwatch(track);
    match result {
        Ok(()) => {
            LaneResult { dialect: lane.dialect, seconds, wire_bytes: meter.wire_bytes(), proof, fault: None }
        }
        Err(error) => failed(lane, error.fault()),
    }
}

const GIB: f64 = 1_073_741_824.0;

/// A race's result in a sentence: the ratio, and what 1 GiB would take.
#[must_use]
pub fn sentence(verdict: &Verdict) -> String {
    let mut done: Vec<&LaneResult> =
        verdict.lanes.iter().filter(|lane| lane.fault.is_none() && lane.seconds > 0.0).collect();
    done.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let [fastest, .., slowest] = done[..] else {
        return "No comparison: fewer than two lanes arrived.".to_owned();
    };
    // Two lanes of one variant differ in padding or server; then the whole dialect is the name.
    let twins = done.iter().any(|lane| {
        verdict.lanes.iter().filter(|other| other.dialect.variant == lane.dialect.variant).count() > 1
    });
    let name = |lane: &LaneResult| {
        if twins { lane.dialect.to_string() } else { lane.dialect.variant.to_string() }
    };
    let ratio = slowest.seconds / fastest.seconds;
    let ratio = if ratio < 10.0 { format!("{ratio:.1}") } else { format!("{ratio:.0}") };
    let than = if done.len() > 2 { format!(" than {}", name(slowest)) } else { String::new() };
    let ranking = format!("In turn (fair). {} was {ratio} times faster{than}.", name(fastest));
    if verdict.bytes == 0 {
        return ranking;
    }
    let gib: Vec<String> = verdict
        .lanes
        .iter()
        .filter(|lane| lane.fault.is_none())
        .map(|lane| {
            let seconds = lane.seconds * GIB / verdict.bytes as f64;
            format!("{} {}", name(lane), units::duration(Duration::from_secs_f64(seconds)))
        })
        .collect();
    format!("{ranking} 1 GiB: {}.", gib.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Dialect;

    fn lane(variant: Variant, seconds: f64, fault: Option<Fault>) -> LaneResult {
        LaneResult { dialect: Dialect::of(variant), seconds, wire_bytes: 0, proof: None, fault }
    }

    fn verdict(lanes: Vec<LaneResult>) -> Verdict {
        Verdict { name: "cmos.mp4".to_owned(), bytes: 8 << 20, lanes, engines: Engines::default() }
    }

    #[test]
    fn the_sentence_has_the_ratio_and_a_gibibyte() {
        let both = verdict(vec![lane(Variant::Cp1, 2.76, None), lane(Variant::Cp2, 0.02, None)]);
        assert_eq!(
            sentence(&both),
            "In turn (fair). CP2 was 138 times faster. 1 GiB: CP1 5 min 53 s, CP2 2.6 s."
        );
        let three = verdict(vec![
            lane(Variant::Plain, 0.01, None),
            lane(Variant::Cp1, 0.05, None),
            lane(Variant::Cp2, 0.02, None),
        ]);
        assert!(sentence(&three).starts_with("In turn (fair). Plain was 5.0 times faster than CP1. 1 GiB: "));
    }

    #[test]
    fn a_lane_that_failed_is_not_compared() {
        let fault = UploadError::Interrupted.fault();
        let one = verdict(vec![lane(Variant::Cp1, 0.0, Some(fault)), lane(Variant::Cp2, 0.02, None)]);
        assert_eq!(sentence(&one), "No comparison: fewer than two lanes arrived.");
    }
}
