//! A limit of the bytes that all connections of the client together send in a second.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use parking_lot::RwLock;

use super::interrupter::Interrupter;
use crate::event::Limit;

/// Bytes that are allowed at once are those of this time, so that the display moves steadily.
const PIECE: Duration = Duration::from_millis(20);
/// After a pause, the bytes of this time may leave together. More than [`PIECE`], because a sleep ends late.
const BURST: Duration = Duration::from_millis(60);
/// Interval at which a waiting sender checks whether it was stopped or the limit was changed.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes are counted in units so large that a second has at most this many: the bucket's time has whole nanoseconds.
const UNITS: u64 = 1_000_000;

/// The limit of everything that uploads send, which can be changed while they run.
#[derive(Debug)]
pub(crate) struct Throttle {
    paced: RwLock<Option<Arc<Paced<Uptime>>>>,
    clock: Uptime,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { paced: RwLock::default(), clock: Uptime(Instant::now()) }
    }
}

impl Throttle {
    /// Sets the limit, from the next bytes on.
    pub(crate) fn set(&self, limit: Limit) {
        *self.paced.write() = limit.bytes().map(|bytes| Arc::new(Paced::new(bytes, self.clock)));
    }

    /// Waits until bytes may be sent, and returns how many of `most`, at least one. `None`: `stop` was raised meanwhile.
    pub(crate) fn take(&self, most: usize, stop: &Interrupter) -> Option<usize> {
        loop {
            let Some(paced) = self.paced.read().clone() else { return Some(most) };
            match paced.take(most) {
                Ok(taken) => return Some(taken),
                Err(_) if stop.is_raised() => return None,
                Err(wait) => thread::sleep(wait.min(LOOK)),
            }
        }
    }
}

/// A token bucket for one limit.
struct Paced<C: Clock> {
    bucket: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
    clock: C,
    /// Bytes of a token.
    unit: u64,
    /// Tokens that are taken at once.
    piece: u32,
}

impl<C: Clock> std::fmt::Debug for Paced<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Paced").field("unit", &self.unit).field("piece", &self.piece).finish_non_exhaustive()
    }
}

impl<C: Clock + Clone> Paced<C> {
    /// Creates a bucket that lets this many bytes pass in a second.
    fn new(bytes: u64, clock: C) -> Self {
        let unit = bytes.div_ceil(UNITS).max(1);
        // Between 1 µs and 1 s, because there are 1 to a million units in a second.
        let each = Duration::from_secs_f64(unit as f64 / bytes.max(1) as f64).max(Duration::from_nanos(1));
        let within = |time: Duration| {
            let tokens = time.as_nanos() / each.as_nanos().max(1);
            u32::try_from(tokens).unwrap_or(u32::MAX).max(1)
        };
        let burst = NonZeroU32::new(within(BURST)).unwrap_or(NonZeroU32::MIN);
        // A period of zero, which `each` is not, would give the default.
        let quota = Quota::with_period(each).unwrap_or(Quota::per_second(burst)).allow_burst(burst);
        Self {
            bucket: RateLimiter::direct_with_clock(quota, clock.clone()),
            clock,
            unit,
            piece: within(PIECE),
        }
    }

    /// Takes up to `most` bytes, or returns how long to wait before the next attempt.
    fn take(&self, most: usize) -> Result<usize, Duration> {
        let wanted = (most as u64).div_ceil(self.unit).clamp(1, u64::from(self.piece));
        let tokens = u32::try_from(wanted).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        match self.bucket.check_n(tokens) {
            Ok(Ok(())) => {
                let bytes = u64::from(tokens.get()).saturating_mul(self.unit);
                Ok(usize::try_from(bytes).unwrap_or(usize::MAX).min(most))
            }
            Ok(Err(early)) => Err(early.wait_time_from(self.clock.now())),
            // A piece is never more than the bucket holds.
            Err(_) => Err(PIECE),
        }
    }
}

/// The time since a limit could first be set.
#[derive(Debug, Clone, Copy)]
struct Uptime(Instant);

impl Clock for Uptime {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    /// Sends pieces of these sizes in turn for `seconds` of a simulated clock. Returns the bytes of each tenth of a second.
    fn tenths(bytes: u64, sizes: &[usize], seconds: u32) -> Vec<u64> {
        let clock = FakeRelativeClock::default();
        let paced = Paced::new(bytes, clock.clone());
        let (mut sent, mut now, mut turn) = (vec![0; 10 * seconds as usize], Duration::ZERO, 0);
        loop {
            match paced.take(sizes[turn % sizes.len()]) {
                Ok(taken) => {
                    let tenth = usize::try_from(now.as_millis() / 100).unwrap();
                    let Some(at) = sent.get_mut(tenth) else { return sent };
                    *at += taken as u64;
                    turn += 1;
                }
                Err(wait) => {
                    // A sleep ends up to a millisecond late.
                    let wait = wait + Duration::from_micros(500);
                    clock.advance(wait);
                    now += wait;
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_rate_is_the_limit_in_each_tenth_of_a_second(
            exponent in 10_u32..34, more in 0_u64..1000, size in 200_usize..1 << 20,
        ) {
            let limit = (1_u64 << exponent) + more;
            // Pieces of at least a hundredth of a second, so that rounding up to units does not count.
            let size = size.max(usize::try_from(limit / 500).unwrap());
            let tenths = tenths(limit, &[size], 3);
            let (tenth, whole) = (limit as f64 / 10.0, tenths.iter().sum::<u64>() as f64);
            let burst = limit as f64 * BURST.as_secs_f64();
            prop_assert!(whole <= 3.02 * limit as f64 + burst, "{whole} in 3 s at {limit}/s");
            prop_assert!(whole >= 2.9 * limit as f64, "{whole} in 3 s at {limit}/s");
            for bytes in &tenths[1..] {
                prop_assert!((0.6 * tenth..1.4 * tenth).contains(&(*bytes as f64)), "{tenths:?} at {limit}/s");
            }
        }
    }

    #[test]
    fn after_a_pause_only_a_short_burst_is_allowed() {
        let clock = FakeRelativeClock::default();
        let paced = Paced::new(1 << 20, clock.clone());
        clock.advance(Duration::from_secs(3600));
        let mut burst = 0;
        while let Ok(taken) = paced.take(usize::MAX) {
            burst += taken as u64;
        }
        assert!(burst <= (1 << 20) * 7 / 100, "{burst} bytes at once");
    }

    #[test]
    fn without_a_limit_everything_passes_and_a_stop_ends_the_wait() {
        let throttle = Throttle::default();
        let stop = Interrupter::default();
        assert_eq!(throttle.take(usize::MAX, &stop), Some(usize::MAX));
        throttle.set(Limit::of(Limit::LEAST).unwrap());
        assert_eq!(throttle.take(1, &stop), Some(1));
        stop.interrupt();
        let taken = std::iter::repeat_with(|| throttle.take(1 << 20, &stop)).take(100).last();
        assert_eq!(taken, Some(None), "more than the limit allows, and the sender was stopped");
        throttle.set(Limit::NONE);
        assert_eq!(throttle.take(5, &stop), Some(5));
    }
}
