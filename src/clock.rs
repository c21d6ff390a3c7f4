//! The system's wall clock, read in one place. A test may set another one for a thread.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Returns the milliseconds since 1970-01-01 UTC; a clock that is set to an earlier time reads 0.
#[must_use]
pub fn unix_ms() -> i64 {
    i64::try_from(since_1970().as_millis()).unwrap_or(i64::MAX)
}

/// Returns the seconds since 1970-01-01 UTC; a clock that is set to an earlier time reads 0.
#[must_use]
pub fn unix_seconds() -> i64 {
    i64::try_from(since_1970().as_secs()).unwrap_or(i64::MAX)
}

/// Returns the time to the millisecond, to be formatted or for arithmetic with calendar units.
#[must_use]
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millisecond(unix_ms()).unwrap_or(Timestamp::MAX)
}

fn since_1970() -> Duration {
    let simulated = SIMULATED.with_borrow(|clock| Some(clock.as_ref()?.load(Ordering::SeqCst)));
    if let Some(ms) = simulated {
        return Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    }
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

thread_local! {
    static SIMULATED: RefCell<Option<Arc<AtomicI64>>> = const { RefCell::new(None) };
}

/// Makes this thread read another wall clock from now on, in milliseconds since 1970, UTC; `None`: the system's. For
/// tests only.
pub fn simulate(clock: Option<Arc<AtomicI64>>) {
    SIMULATED.set(clock);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_readings_agree() {
        let (before, ms, seconds, after) = (now(), unix_ms(), unix_seconds(), now());
        assert!((before.as_millisecond()..=after.as_millisecond()).contains(&ms));
        assert!((before.as_second()..=after.as_second()).contains(&seconds));
    }

    #[test]
    fn a_simulated_clock_is_that_of_its_thread_alone() {
        let clock = Arc::new(AtomicI64::new(5_000));
        simulate(Some(Arc::clone(&clock)));
        assert_eq!((unix_ms(), unix_seconds()), (5_000, 5));
        clock.store(-1, Ordering::SeqCst);
        assert_eq!(unix_ms(), 0, "before 1970");
        std::thread::spawn(|| assert!(unix_ms() > 5_000)).join().unwrap();
        simulate(None);
        assert!(unix_ms() > 5_000);
    }
}
