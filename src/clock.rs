//! The system's wall clock, read in one place.

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
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
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
}
