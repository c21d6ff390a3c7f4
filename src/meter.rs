//! The counters of one transfer: all that the hot path touches.
//!
//! Whoever moves bytes adds to a [`Meter`]; a sampler reads it 20 times a second and makes
//! [`crate::event::Snapshot`]s of it. No lock, no allocation, no channel.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Where the time of a transfer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading the file.
    Read,
    /// Encrypting.
    Seal,
    /// Writing to the socket, or reading from it.
    Wire,
    /// Decrypting.
    Open,
    /// Hashing and writing the received file, and making it durable.
    Store,
    /// Waiting for the other side's last word.
    Wait,
}

/// Counters of one file. All of them only grow.
#[derive(Debug)]
pub struct Meter {
    origin: Instant,
    file: AtomicU64,
    file_total: AtomicU64,
    wire: AtomicU64,
    wire_total: AtomicU64,
    /// Nanoseconds from `origin` to the first byte of MODE 0; 0: not yet.
    started: AtomicU64,
    /// Nanoseconds from `origin` to the last byte that moved.
    last: AtomicU64,
    stages: [AtomicU64; 6],
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            file: AtomicU64::new(0),
            file_total: AtomicU64::new(0),
            wire: AtomicU64::new(0),
            wire_total: AtomicU64::new(0),
            started: AtomicU64::new(0),
            last: AtomicU64::new(0),
            stages: Default::default(),
        }
    }
}

impl Meter {
    fn now(&self) -> u64 {
        // 2^64 ns are 584 years.
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    /// The clock starts: the first byte of MODE 0 is about to move.
    pub fn start(&self, file_total: u64, wire_total: u64) {
        self.file_total.store(file_total, Relaxed);
        self.wire_total.store(wire_total, Relaxed);
        let now = self.now();
        self.started.store(now, Relaxed);
        self.last.store(now, Relaxed);
    }

    /// Bytes of the file moved on.
    pub fn add_file(&self, bytes: u64) {
        self.file.fetch_add(bytes, Relaxed);
        self.last.store(self.now(), Relaxed);
    }

    /// Bytes moved over the wire.
    pub fn add_wire(&self, bytes: u64) {
        self.wire.fetch_add(bytes, Relaxed);
        self.last.store(self.now(), Relaxed);
    }

    /// Runs a step and adds its time to a stage.
    pub fn timed<T>(&self, stage: Stage, step: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let result = step();
        let nanos = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.stages[stage as usize].fetch_add(nanos, Relaxed);
        result
    }

    /// Time spent in a stage so far.
    #[must_use]
    pub fn spent(&self, stage: Stage) -> Duration {
        Duration::from_nanos(self.stages[stage as usize].load(Relaxed))
    }

    /// Bytes of the file so far.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.file.load(Relaxed)
    }

    /// Bytes of the file in all; 0: not known.
    #[must_use]
    pub fn file_total(&self) -> u64 {
        self.file_total.load(Relaxed)
    }

    /// Bytes on the wire so far.
    #[must_use]
    pub fn wire_bytes(&self) -> u64 {
        self.wire.load(Relaxed)
    }

    /// Bytes on the wire in all; 0: not known.
    #[must_use]
    pub fn wire_total(&self) -> u64 {
        self.wire_total.load(Relaxed)
    }

    /// Time since [`Meter::start`]; zero before it.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        match self.started.load(Relaxed) {
            0 => Duration::ZERO,
            started => Duration::from_nanos(self.now().saturating_sub(started)),
        }
    }

    /// Time since the last byte moved; zero before [`Meter::start`].
    #[must_use]
    pub fn idle(&self) -> Duration {
        match self.last.load(Relaxed) {
            0 => Duration::ZERO,
            last => Duration::from_nanos(self.now().saturating_sub(last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_the_first_byte_of_mode_0() {
        let meter = Meter::default();
        assert_eq!((meter.elapsed(), meter.idle()), (Duration::ZERO, Duration::ZERO));
        meter.start(10, 20);
        meter.add_file(3);
        meter.add_file(4);
        meter.add_wire(9);
        assert_eq!((meter.file_bytes(), meter.file_total()), (7, 10));
        assert_eq!((meter.wire_bytes(), meter.wire_total()), (9, 20));
        assert!(meter.elapsed() >= meter.idle());
    }

    #[test]
    fn adds_each_step_to_its_stage_only() {
        let meter = Meter::default();
        let answer = meter.timed(Stage::Seal, || std::hint::black_box((0..10_000_u64).sum::<u64>()));
        assert_eq!(answer, 49_995_000);
        assert!(meter.spent(Stage::Seal) > Duration::ZERO);
        assert_eq!(meter.spent(Stage::Open), Duration::ZERO);
    }
}
