//! One file through several lanes, in turn: what each kind of encryption costs.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::sync::Arc;

use super::worker::{Dialer, Source};
use crate::event::{Event, Fault, FaultKind, Lane, LaneResult, State, Track, Variant, Verdict};
use crate::meter::Meter;
use crate::net::Observer;
use crate::net::upload::UploadError;

/// Runs a race to its end and reports it; a lane that fails does not stop the next.
///
/// Each lane sends the same bytes as `race-VARIANT-NAME`, over a connection of its own; its clock
/// runs from the first byte of MODE 0 to Delivered (UX.md, "Behaviour").
pub fn run(dialer: &Dialer, path: &Path, limit: Option<u64>, lanes: &[Lane]) {
    let observer = &dialer.observer;
    let mut source = match Source::open(path) {
        Ok(source) => source,
        Err(fault) => {
            let verdict = Verdict {
                name: path.display().to_string(),
                bytes: 0,
                lanes: lanes.iter().map(|lane| failed(lane, fault.clone())).collect(),
            };
            return observer.event(Event::RaceFinished { verdict });
        }
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
    observer.event(Event::RaceFinished { verdict: Verdict { name, bytes, lanes: results } });
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
    let sent = upload.file(&name, &mut file.take(bytes), bytes, &meter);
    let result = sent.and_then(|()| {
        state(State::Sent);
        upload.close(&meter)
    });
    let seconds = meter.elapsed().as_secs_f64();
    dialer.observer.unwatch(track);
    match result {
        Ok(()) => LaneResult {
            dialect: lane.dialect,
            seconds,
            wire_bytes: meter.wire_bytes(),
            proof,
            fault: None,
        },
        Err(error) => failed(lane, error.fault()),
    }
}
