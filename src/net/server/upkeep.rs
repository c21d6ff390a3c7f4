//! Schedule of the history's maintenance.

use std::time::{Duration, Instant};

/// Interval of the history's maintenance.
pub(super) const UPKEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// Schedule of the history's maintenance.
#[derive(Debug)]
pub(super) struct Upkeep {
    every: Duration,
    due: Instant,
}

impl Upkeep {
    pub(super) fn new(every: Duration, now: Instant) -> Self {
        Self { every, due: now + every }
    }

    /// Returns whether maintenance is due; if so, begins the next period.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.due;
        if is_due {
            self.due = now + self.every;
        }
        is_due
    }

    /// Returns how long the accept loop may sleep until then.
    pub(super) fn rest(&self, now: Instant) -> Duration {
        self.due.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_is_maintained_once_a_day() {
        let begun = Instant::now();
        let mut upkeep = Upkeep::new(UPKEEP, begun);
        let almost = begun + UPKEEP.saturating_sub(Duration::from_millis(1));
        assert!(!upkeep.is_due(almost));
        assert_eq!(upkeep.rest(almost), Duration::from_millis(1));
        assert!(upkeep.is_due(begun + UPKEEP));
        assert!(!upkeep.is_due(begun + UPKEEP), "once");
        assert_eq!(upkeep.rest(begun + UPKEEP), UPKEEP);
    }
}
