//! The sampler: reads the meters 20 times a second, and sends events.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use parking_lot::{Mutex, MutexGuard};

use crate::event::{Event, Snapshot, Track};
use crate::meter::Meter;
use crate::net::Observer;
use crate::net::record::Recorder;

/// The interval between two samples of a transfer.
pub(super) const INTERVAL: Duration = Duration::from_millis(50);
/// The time constant of `rate_now` in seconds.
const MEMORY: f64 = 0.8;
/// The time in seconds before which `rate_now` is the mean rate, because a burst into the kernel's buffers is not a rate.
const SETTLED: f64 = 0.2;
/// The time without a byte after which a transfer is stalled and has no ETA.
pub(crate) const STALLED: Duration = Duration::from_secs(2);
/// The part of the mean rate below which a transfer has no ETA.
const CREEPING: f64 = 0.05;

/// Reads the meters of running transfers, and forwards events to one channel.
#[derive(Debug)]
pub(super) struct Sampler {
    watched: Mutex<Watching>,
    events: Sender<Event>,
    recorder: Arc<Recorder>,
    /// Gets a message when the first transfer begins, so that there are no ticks while nothing runs.
    awake: Sender<()>,
}

#[derive(Debug, Default)]
struct Watching {
    tracks: HashMap<Track, Watched>,
    /// Whether the control thread ticks. Otherwise thousands of small files would wake it thousands of times.
    ticking: bool,
}

#[derive(Debug)]
struct Watched {
    meter: Arc<Meter>,
    rate: Rate,
}

impl Sampler {
    /// Creates a sampler that reports to `events`. `awake`, of capacity 1, gets a message when ticks are needed.
    #[must_use]
    pub(super) fn new(events: Sender<Event>, awake: Sender<()>) -> Self {
        Self { watched: Mutex::default(), events, recorder: Arc::default(), awake }
    }

    fn watched(&self) -> MutexGuard<'_, Watching> {
        self.watched.lock()
    }

    /// Samples all watched transfers. Returns false if there are none.
    pub(super) fn tick(&self) -> bool {
        let mut watched = self.watched();
        for (track, one) in &mut watched.tracks {
            self.event(Event::Progress { track: *track, snapshot: one.sample() });
        }
        watched.ticking = !watched.tracks.is_empty();
        watched.ticking
    }
}

impl Observer for Sampler {
    fn recorder(&self) -> Option<Arc<Recorder>> {
        Some(Arc::clone(&self.recorder))
    }

    fn event(&self, event: Event) {
        // The channel is closed when the program is about to end.
        let _ = self.events.send(event);
    }

    fn watch(&self, track: Track, meter: Arc<Meter>) {
        let mut watched = self.watched();
        watched.tracks.insert(track, Watched { meter, rate: Rate::default() });
        if !watched.ticking {
            watched.ticking = true;
            // If the channel is full, the message is there already.
            let _ = self.awake.try_send(());
        }
    }

    fn unwatch(&self, track: Track) {
        if let Some(mut last) = self.watched().tracks.remove(&track) {
            self.event(Event::Progress { track, snapshot: last.sample() });
        }
    }
}

impl Watched {
    fn sample(&mut self) -> Snapshot {
        let meter = &self.meter;
        let (file_bytes, elapsed, idle) = (meter.file_bytes(), meter.elapsed(), meter.idle());
        self.rate.add(file_bytes, elapsed, Instant::now());
        let left = meter.file_total().saturating_sub(file_bytes);
        let eta = self.rate.eta(left, idle).filter(|_| meter.file_total() > 0);
        Snapshot {
            file_bytes,
            file_total: meter.file_total(),
            wire_bytes: meter.wire_bytes(),
            wire_total: meter.wire_total(),
            elapsed_ms: millis(elapsed),
            rate_now: self.rate.now,
            rate_mean: self.rate.mean,
            rate_peak: self.rate.peak,
            eta_ms: eta.map(millis),
            idle_ms: millis(idle),
            work: meter.work(),
            server: meter.other().and_then(|other| other.work()),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Rates in bytes per second: present, mean and peak.
#[derive(Debug, Default)]
struct Rate {
    now: f64,
    mean: f64,
    peak: f64,
    last: Option<(u64, Instant)>,
    /// Whether `now` has left the mean behind.
    settled: bool,
}

impl Rate {
    /// Returns the time for the bytes that are left, if the rate is meaningful.
    fn eta(&self, left: u64, idle: Duration) -> Option<Duration> {
        let moves = idle < STALLED && self.now >= 1.0 && self.now >= CREEPING * self.mean;
        moves.then(|| Duration::from_secs_f64((left as f64 / self.now).min(1e9)))
    }

    fn add(&mut self, bytes: u64, elapsed: Duration, at: Instant) {
        let seconds = elapsed.as_secs_f64();
        self.mean = if seconds > 0.0 { bytes as f64 / seconds } else { 0.0 };
        let Some((before, then)) = self.last.filter(|_| seconds > SETTLED) else {
            (self.now, self.peak) = (self.mean, self.mean);
            self.last = Some((bytes, at));
            return;
        };
        let dt = at.duration_since(then).as_secs_f64();
        // Dividing by almost zero would give a random rate.
        if dt < 0.005 {
            return;
        }
        let fresh = bytes.saturating_sub(before) as f64 / dt;
        self.last = Some((bytes, at));
        if self.settled {
            self.now += (1.0 - (-dt / MEMORY).exp()) * (fresh - self.now);
            self.peak = self.peak.max(self.now);
        } else {
            // A burst into the kernel's buffers is neither a rate nor a peak.
            (self.now, self.peak, self.settled) = (fresh, fresh, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::JobId;
    use crossbeam_channel::{bounded, unbounded};

    #[test]
    fn a_steady_rate_is_shown_as_it_is_and_a_stop_fades() {
        let begin = Instant::now();
        let mut rate = Rate::default();
        for tick in 0..100_u32 {
            let at = INTERVAL * tick;
            rate.add(u64::from(tick) * 50_000, at, begin + at);
        }
        assert!((rate.now - 1e6).abs() < 1.0 && (rate.mean - 1e6).abs() < 1.0, "{rate:?}");
        for tick in 100..140_u32 {
            let at = INTERVAL * tick;
            rate.add(99 * 50_000, at, begin + at);
        }
        assert!(rate.now < 1e5, "two seconds later: {rate:?}");
        assert!((rate.peak - 1e6).abs() < 1.0);
    }

    #[test]
    fn a_stalled_transfer_never_has_an_eta() {
        let begin = Instant::now();
        let mut rate = Rate::default();
        for tick in 0..100_u32 {
            let at = INTERVAL * tick;
            rate.add(u64::from(tick) * 50_000, at, begin + at);
        }
        let left = 100_000_000;
        assert_eq!(rate.eta(left, Duration::ZERO), Some(Duration::from_secs(100)));
        // A byte each second and a half: never two seconds without one.
        for tick in 100..1000_u32 {
            let at = INTERVAL * tick;
            rate.add(99 * 50_000 + u64::from((tick - 100) / 30), at, begin + at);
            let idle = INTERVAL * ((tick - 100) % 30);
            let eta = rate.eta(left, idle).unwrap_or_default();
            assert!(eta < Duration::from_secs(3600), "{tick}: {eta:?} at {rate:?}");
        }
        assert_eq!(rate.eta(left, STALLED), None);
    }

    #[test]
    fn a_first_burst_into_the_buffers_is_not_a_peak() {
        let begin = Instant::now();
        let mut rate = Rate::default();
        for tick in 0..40_u32 {
            let at = INTERVAL * tick;
            rate.add(5_000_000 + u64::from(tick) * 50_000, at, begin + at);
        }
        assert!((rate.now - 1e6).abs() < 1.0 && (rate.peak - 1e6).abs() < 1.0, "{rate:?}");
    }

    #[test]
    fn the_last_numbers_come_before_the_end() {
        let (events, received) = unbounded();
        let (awake, woken) = bounded(1);
        let sampler = Sampler::new(events, awake);
        let meter = Arc::new(Meter::default());
        meter.start(10, 20);
        let track = Track::Job(JobId(1));
        sampler.watch(track, Arc::clone(&meter));
        assert!(woken.try_recv().is_ok());
        assert!(sampler.tick());
        meter.add_file(10);
        meter.add_wire(20);
        sampler.unwatch(track);
        assert!(!sampler.tick());
        let last = received.try_iter().last();
        let Some(Event::Progress { snapshot, .. }) = last else { panic!("{last:?}") };
        assert_eq!((snapshot.file_bytes, snapshot.wire_bytes), (10, 20));
    }
}
