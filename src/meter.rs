//! The counters of one transfer: all that the hot path touches.
//!
//! The threads that move bytes add to a [`Meter`]; a sampler reads it 20 times a second and makes
//! [`crate::event::Snapshot`]s of it. No lock, no allocation, no channel.
//!
//! **Where the time goes** is measured on request ([`Meter::measure`]): for the lanes of a race, on both sides. Then each
//! step also reads its thread's CPU clock, which costs half a microsecond. A step begins when its stage has something to
//! do, so its time is work of the disk or of the processor. A call to the socket also waits for the peer: there the CPU
//! time is the work ([`Stage::Wire`]), and the rest is `blocked`.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::event::Work;

/// A stage of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading the file.
    Read,
    /// Encrypting and hashing.
    Seal,
    /// Writing to the socket, or reading from it.
    Wire,
    /// Decrypting and hashing.
    Open,
    /// Writing the received file, and making it durable.
    Store,
    /// Waiting for the peer's final answer.
    Wait,
}

/// The counters of one file. They only grow.
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
    /// Whether the CPU time of steps is measured too.
    measures: AtomicBool,
    /// Nanoseconds in [`Stage::Wire`] without work; the work is in `stages`.
    blocked: AtomicU64,
    /// CPU time of all stages in nanoseconds.
    cpu: AtomicU64,
    /// Number of threads that seal or open in parallel.
    workers: AtomicU32,
    /// The peer's meter of the same file, if the peer is in this process.
    other: OnceLock<Arc<Meter>>,
    /// Whether steps are timed by [`simulated::now`].
    #[cfg(test)]
    simulates: AtomicBool,
    /// A stage that is slowed down, and by how much in each step.
    #[cfg(test)]
    slowed: OnceLock<(Stage, Duration)>,
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
            measures: AtomicBool::new(false),
            blocked: AtomicU64::new(0),
            cpu: AtomicU64::new(0),
            workers: AtomicU32::new(1),
            other: OnceLock::new(),
            #[cfg(test)]
            simulates: AtomicBool::new(false),
            #[cfg(test)]
            slowed: OnceLock::new(),
        }
    }
}

impl Meter {
    fn now(&self) -> u64 {
        // 2^64 ns are 584 years.
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    /// Starts the clock: the first byte of MODE 0 is about to be sent.
    pub fn start(&self, file_total: u64, wire_total: u64) {
        self.file_total.store(file_total, Relaxed);
        self.wire_total.store(wire_total, Relaxed);
        let now = self.now();
        self.started.store(now, Relaxed);
        self.last.store(now, Relaxed);
    }

    /// Adds bytes of the file.
    pub fn add_file(&self, bytes: u64) {
        self.file.fetch_add(bytes, Relaxed);
        self.last.store(self.now(), Relaxed);
    }

    /// Adds bytes on the wire.
    pub fn add_wire(&self, bytes: u64) {
        self.wire.fetch_add(bytes, Relaxed);
        self.last.store(self.now(), Relaxed);
    }

    /// Starts to measure the work of each step ([`Meter::work`]).
    pub fn measure(&self) {
        self.measures.store(true, Relaxed);
    }

    /// Sets the number of threads that seal or open in parallel.
    pub fn set_workers(&self, workers: usize) {
        self.workers.store(u32::try_from(workers).unwrap_or(u32::MAX), Relaxed);
    }

    /// Sets the peer's meter of the same file. Only the first call has an effect.
    pub fn pair(&self, other: Arc<Self>) {
        let _ = self.other.set(other);
    }

    /// Returns the peer's meter, if it is known.
    #[must_use]
    pub fn other(&self) -> Option<&Arc<Self>> {
        self.other.get()
    }

    /// Runs a step and adds its time to a stage.
    pub fn timed<T>(&self, stage: Stage, step: impl FnOnce() -> T) -> T {
        let measures = self.measures.load(Relaxed);
        let clock = measures.then(cpu_now);
        let begin = self.step_clock();
        #[cfg(test)]
        self.dawdle(stage);
        let result = step();
        let nanos = self.step_clock().saturating_sub(begin);
        let Some(clock) = clock else {
            self.stages[stage as usize].fetch_add(nanos, Relaxed);
            return result;
        };
        let cpu = cpu_now().saturating_sub(clock);
        self.cpu.fetch_add(cpu, Relaxed);
        let worked = if stage == Stage::Wire { cpu.min(nanos) } else { nanos };
        self.blocked.fetch_add(nanos - worked, Relaxed);
        self.stages[stage as usize].fetch_add(worked, Relaxed);
        result
    }

    /// Returns the nanoseconds of the clock that times the steps.
    fn step_clock(&self) -> u64 {
        #[cfg(test)]
        if self.simulates.load(Relaxed) {
            return simulated::now();
        }
        self.now()
    }

    /// Times the steps by [`simulated::now`].
    #[cfg(test)]
    pub(crate) fn simulate(&self) {
        self.simulates.store(true, Relaxed);
    }

    /// Lets each step of a stage take longer by `pause` of the simulated clock.
    #[cfg(test)]
    pub(crate) fn slow(&self, stage: Stage, pause: Duration) {
        let _ = self.slowed.set((stage, pause));
    }

    #[cfg(test)]
    fn dawdle(&self, at: Stage) {
        if let Some((stage, pause)) = self.slowed.get()
            && *stage == at
        {
            simulated::pass(*pause);
        }
    }

    /// Returns where the time went so far; `None` unless it is [measured](Meter::measure).
    #[must_use]
    pub fn work(&self) -> Option<Work> {
        let micros = |stage| micros(&self.stages[stage as usize]);
        self.measures.load(Relaxed).then(|| Work {
            read_us: micros(Stage::Read),
            seal_us: micros(Stage::Seal),
            wire_us: micros(Stage::Wire),
            open_us: micros(Stage::Open),
            store_us: micros(Stage::Store),
            wait_us: micros(Stage::Wait),
            blocked_us: self::micros(&self.blocked),
            cpu_us: self::micros(&self.cpu),
            workers: self.workers.load(Relaxed),
        })
    }

    /// Returns the time spent in a stage so far.
    #[must_use]
    pub fn spent(&self, stage: Stage) -> Duration {
        Duration::from_nanos(self.stages[stage as usize].load(Relaxed))
    }

    /// Returns the bytes of the file so far.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.file.load(Relaxed)
    }

    /// Returns the size of the file in bytes; 0: unknown.
    #[must_use]
    pub fn file_total(&self) -> u64 {
        self.file_total.load(Relaxed)
    }

    /// Returns the bytes on the wire so far.
    #[must_use]
    pub fn wire_bytes(&self) -> u64 {
        self.wire.load(Relaxed)
    }

    /// Returns the total of bytes on the wire; 0: unknown.
    #[must_use]
    pub fn wire_total(&self) -> u64 {
        self.wire_total.load(Relaxed)
    }

    /// Returns the time since [`Meter::start`]; zero before it.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        since(&self.started, self.now())
    }

    /// Returns the time since the last byte moved; zero before [`Meter::start`].
    #[must_use]
    pub fn idle(&self) -> Duration {
        since(&self.last, self.now())
    }
}

/// Time from a moment to `now`; zero if the moment has not come.
fn since(moment: &AtomicU64, now: u64) -> Duration {
    match moment.load(Relaxed) {
        0 => Duration::ZERO,
        moment => Duration::from_nanos(now.saturating_sub(moment)),
    }
}

/// Nanoseconds that this thread has had a processor.
fn cpu_now() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

fn micros(nanos: &AtomicU64) -> u64 {
    nanos.load(Relaxed) / 1000
}

/// A clock for tests that a busy machine does not disturb: each thread has its own. It counts the time for which the
/// thread had a processor, and the time that a test lets pass. It stands still while the thread waits.
#[cfg(test)]
pub(crate) mod simulated {
    use std::cell::Cell;
    use std::time::Duration;

    thread_local!(static PASSED: Cell<u64> = const { Cell::new(0) });

    /// Lets time pass on this thread.
    pub(crate) fn pass(time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        PASSED.set(PASSED.get().saturating_add(nanos));
    }

    /// Nanoseconds on this thread's clock.
    pub(super) fn now() -> u64 {
        super::cpu_now().saturating_add(PASSED.get())
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
        let (started, last) = (meter.started.load(Relaxed), meter.last.load(Relaxed));
        assert!(0 < started && started <= last, "{started} {last}");
    }

    #[test]
    fn time_runs_from_the_start_and_idle_time_from_the_last_byte() {
        let meter = Meter::default();
        meter.started.store(5, Relaxed);
        meter.last.store(8, Relaxed);
        assert_eq!(since(&meter.started, 10), Duration::from_nanos(5));
        assert_eq!(since(&meter.last, 10), Duration::from_nanos(2));
        assert_eq!(since(&meter.last, 7), Duration::ZERO, "another thread has moved a byte meanwhile");
        // Both clocks have advanced by at least the first reading and at most the second one.
        let (started, last) = (meter.elapsed(), meter.idle());
        let now = meter.now();
        assert!(!started.is_zero() && started <= since(&meter.started, now));
        assert!(!last.is_zero() && last <= since(&meter.last, now));
    }

    #[test]
    fn adds_each_step_to_its_stage_only() {
        let meter = Meter::default();
        let answer = meter.timed(Stage::Seal, || std::hint::black_box((0..10_000_u64).sum::<u64>()));
        assert_eq!(answer, 49_995_000);
        assert!(meter.spent(Stage::Seal) > Duration::ZERO);
        assert_eq!(meter.spent(Stage::Open), Duration::ZERO);
    }

    /// Time that passes on the simulated clock, more than the processor time of a test.
    const PAUSE: Duration = Duration::from_secs(100);
    const MICROS: u64 = 100_000_000;

    fn measured() -> Meter {
        let meter = Meter::default();
        meter.measure();
        meter.simulate();
        meter
    }

    #[test]
    fn time_that_passes_between_the_steps_of_a_stage_is_not_its_work() {
        let meter = measured();
        for stage in [Stage::Read, Stage::Seal, Stage::Wire, Stage::Open, Stage::Store, Stage::Wait] {
            simulated::pass(PAUSE);
            meter.timed(stage, || ());
            simulated::pass(PAUSE);
        }
        let Some(work) = meter.work() else { panic!("it was asked for") };
        for spent in [work.read_us, work.seal_us, work.wire_us, work.open_us, work.store_us, work.wait_us] {
            assert!(spent < MICROS, "{work:?}");
        }
        assert!(work.blocked_us < MICROS, "{work:?}");
    }

    #[test]
    fn waiting_in_the_socket_is_no_work() {
        let meter = Meter::default();
        meter.timed(Stage::Store, || ());
        assert_eq!(meter.work(), None, "it is not measured");
        let meter = measured();
        for stage in [Stage::Read, Stage::Seal, Stage::Wire, Stage::Open, Stage::Store, Stage::Wait] {
            meter.timed(stage, || simulated::pass(PAUSE));
        }
        let Some(work) = meter.work() else { panic!("it was asked for") };
        for spent in [work.read_us, work.seal_us, work.open_us, work.store_us, work.wait_us] {
            assert!(spent >= MICROS, "{work:?}");
        }
        // The thread had no processor while that time passed. Both parts of it are rounded down to a microsecond.
        assert!(work.blocked_us + work.wire_us + 1 >= MICROS && work.wire_us < MICROS, "{work:?}");
        assert!(work.cpu_us < MICROS, "{work:?}");
    }
}
