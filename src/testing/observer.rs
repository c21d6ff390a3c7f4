//! An observer that keeps every event.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::event::{Depth, Event, Track};
use crate::meter::Meter;
use crate::net::Observer;
use crate::net::record::Recorder;

/// Observer that keeps every event, and records connections if it has a recorder.
#[derive(Debug, Default)]
pub struct EventLog {
    events: Mutex<Vec<Event>>,
    arrived: Condvar,
    recorder: Option<Arc<Recorder>>,
}

impl EventLog {
    /// Creates an observer that records connections at `depth`.
    #[must_use]
    pub fn recording(depth: Depth) -> Self {
        let recorder = Recorder::default();
        recorder.set(depth);
        Self { recorder: Some(Arc::new(recorder)), ..Self::default() }
    }

    /// Returns the events since the last call, the oldest first.
    pub fn take(&self) -> Vec<Event> {
        mem::take(&mut *self.events.lock())
    }

    /// Waits for an event that `matches`, and returns it; `None` after a minute.
    pub fn wait_for(&self, matches: impl Fn(&Event) -> bool) -> Option<Event> {
        let mut events = self.events.lock();
        loop {
            if let Some(event) = events.iter().find(|event| matches(event)) {
                return Some(event.clone());
            }
            if self.arrived.wait_for(&mut events, Duration::from_secs(60)).timed_out() {
                return None;
            }
        }
    }

    /// Returns the `why` of each [`Event::Refused`] among the events since the last call.
    pub fn take_refusals(&self) -> Vec<String> {
        let reason = |event| match event {
            Event::Refused { why, .. } => Some(why),
            _ => None,
        };
        self.take().into_iter().filter_map(reason).collect()
    }
}

impl Observer for EventLog {
    fn event(&self, event: Event) {
        self.events.lock().push(event);
        self.arrived.notify_all();
    }

    fn watch(&self, _track: Track, _meter: Arc<Meter>) {}

    fn unwatch(&self, _track: Track) {}

    fn recorder(&self) -> Option<Arc<Recorder>> {
        self.recorder.clone()
    }
}
