//! The steady rate of a lane, which a race compares and extrapolates.
//!
//! A transfer of milliseconds measures the start and the end of a connection. A lane counts only if its bytes moved for at
//! least [`LEAST`]. A smaller file is sent again over another connection, repeated, until that is reached or [`MOST`] bytes
//! were sent. Only the lanes that are too short are repeated, because CP1 would need half a minute for what CP2 needs;
//! lanes that run together are all repeated, so that they slow each other down as before.

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::time::Duration;

use crate::event::{Pace, Point};

/// The least time that a lane's bytes must move.
const LEAST: Duration = Duration::from_millis(250);
/// The number of bytes with which a lane counts, however fast they moved.
const MOST: u64 = 64 << 20;
/// The number of attempts to find a length.
pub(super) const ROUNDS: u32 = 6;
/// The longest time that an attempt may take, extrapolated from the one before.
const BEARABLE: Duration = Duration::from_secs(10);
/// The number of bytes that are tried however long they take.
const CHEAP: u64 = 1 << 20;
/// The largest period that is repeated in memory, in bytes.
const SHORT: usize = 1 << 20;
/// The divisor of the time in which the kernel's buffers take the beginning.
const START: u64 = 5;

/// How long the bytes of a lane moved, and how fast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    bytes: u64,
    /// From the first byte to the last one of the file.
    moved: Duration,
    /// From the first byte to Delivered.
    whole: Duration,
    steady: Option<Pace>,
}

impl Reading {
    /// Evaluates the curve of a lane, whose last point is its end.
    pub(super) fn of(curve: &[Point]) -> Option<Self> {
        let end = curve.last()?;
        let last = curve.iter().find(|point| point.bytes >= end.bytes)?;
        let origin = Point::default();
        let mut moving = curve.iter().take_while(|point| point.bytes < end.bytes);
        let first = moving.find(|point| point.us >= last.us / START).unwrap_or(&origin);
        let (bytes, us) = (last.bytes - first.bytes, last.us.saturating_sub(first.us));
        let steady = (bytes > 0 && us > 0).then_some(Pace { bytes, seconds: us as f64 / 1e6 });
        let time = Duration::from_micros;
        Some(Self { bytes: end.bytes, moved: time(last.us), whole: time(end.us), steady })
    }

    /// Returns the steady rate, if the lane counts.
    pub(super) fn pace(&self) -> Option<Pace> {
        self.steady.filter(|_| self.moved >= LEAST || self.bytes >= MOST)
    }

    /// Returns the number of bytes to try next; `None` if the lane counts, or would take too long.
    pub(super) fn longer(&self) -> Option<u64> {
        if self.pace().is_some() || self.bytes == 0 {
            return None;
        }
        let times = |time: Duration, of: Duration| time.as_micros() / of.as_micros().max(1);
        let scaled = |factor: u128| {
            u64::try_from(u128::from(self.bytes).saturating_mul(factor)).unwrap_or(u64::MAX).min(MOST)
        };
        // A third more than needed; at least four times as many, but bounded so that a wrong guess costs little.
        let wanted = scaled(times(LEAST * 4 / 3, self.moved.max(Duration::from_millis(1))) + 1);
        let most = scaled(16).max(64 << 10);
        let next = wanted.max(scaled(4)).min(most);
        let bearable = scaled(times(BEARABLE, self.whole)).max(CHEAP);
        let next = next.min(bearable);
        (next > self.bytes).then_some(next)
    }
}

/// The beginning of a file, repeated without end. A short one is read once and repeated in memory, because a system call
/// for every few bytes would be slower than the lane.
pub(super) struct Repeated {
    file: File,
    /// Bytes of the file that are repeated.
    period: u64,
    /// Bytes until the next repetition.
    left: u64,
    /// A short period, several times; empty before the first read, and if the period is long.
    short: Vec<u8>,
}

impl Repeated {
    /// Repeats the first `period` bytes of a file.
    pub(super) const fn new(file: File, period: u64) -> Self {
        Self { file, period, left: period, short: Vec::new() }
    }

    fn read_short(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.short.is_empty() {
            (&self.file).take(self.period).read_to_end(&mut self.short)?;
            while !self.short.is_empty() && self.short.len() < SHORT {
                self.short.extend_from_within(..);
            }
            self.left = 0;
        }
        if self.left == 0 {
            self.left = self.short.len() as u64;
        }
        let at = self.short.len() - usize::try_from(self.left).unwrap_or(self.short.len());
        let read = (&self.short[at..]).read(buffer)?;
        self.left -= read as u64;
        Ok(read)
    }
}

impl Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.period < SHORT as u64 {
            return self.read_short(buffer);
        }
        if self.left == 0 {
            self.file.rewind()?;
            self.left = self.period;
        }
        let wanted = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = self.file.read(&mut buffer[..wanted])?;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Returns the reading of a lane with a fixed cost and a constant rate in bytes per millisecond, sampled every millisecond.
    fn lane(bytes: u64, start: u64, rate: u64, end: u64) -> Vec<Point> {
        let moved = start + bytes.div_ceil(rate);
        let at = |ms: u64| Point { us: ms * 1000, bytes: (ms.saturating_sub(start) * rate).min(bytes) };
        let mut curve: Vec<Point> = (1..=moved).map(at).collect();
        curve.push(Point { us: (moved + end).max(1) * 1000, bytes });
        curve
    }

    #[test]
    fn a_lane_counts_from_a_quarter_of_a_second_or_64_mib_on() {
        let of = |bytes, rate| Reading::of(&lane(bytes, 0, rate, 900)).unwrap();
        assert_eq!(of(1000, 1000).pace(), None, "waiting for the end is not moving");
        assert_eq!(of(249_000, 1000).pace(), None);
        let pace = of(250_000, 1000).pace().unwrap();
        assert!((pace.rate() - 1e6).abs() < 1e4, "{pace:?}");
        assert!(of(MOST, 100 << 20).pace().is_some());
        assert_eq!(Reading::of(&[]), None);
        assert_eq!(Reading::of(&[Point { us: 500_000, bytes: 0 }]).unwrap().pace(), None, "an empty file");
    }

    #[test]
    fn the_steady_rate_excludes_fixed_costs() {
        // 100 ms before the first byte, 2 s of syncing behind the last.
        let pace = Reading::of(&lane(1_000_000, 100, 1000, 2000)).unwrap().pace().unwrap();
        assert!((pace.rate() - 1e6).abs() < 1e4, "{pace:?}");
    }

    #[test]
    fn a_subject_of_any_size_at_any_rate_counts_after_a_few_rounds() {
        for rate in [10, 1_000, 10_000, 1_000_000, 100_000_000] {
            for subject in [1, 347, 5_000, 8 << 20] {
                let mut reading = Reading::of(&lane(subject, 0, rate, 1)).unwrap();
                let mut rounds = 0;
                while let Some(bytes) = reading.longer() {
                    assert!(bytes <= MOST);
                    reading = Reading::of(&lane(bytes, 0, rate, 1)).unwrap();
                    rounds += 1;
                }
                assert!(rounds <= ROUNDS, "{subject} bytes at {rate}: {rounds} rounds");
                assert!(reading.pace().is_some(), "{subject} bytes at {rate}: {reading:?}");
                assert!(reading.moved < Duration::from_secs(7) || reading.bytes == subject, "{reading:?}");
            }
        }
    }

    #[test]
    fn lengths_that_would_take_minutes_are_not_tried() {
        // Everything fits into a buffer, and the server takes a minute for it.
        let reading = Reading::of(&lane(2 << 20, 0, 100 << 20, 60_000)).unwrap();
        assert_eq!((reading.pace(), reading.longer()), (None, None));
    }

    #[test]
    fn a_file_is_repeated_up_to_the_limit_of_the_race() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abcdef").unwrap();
        file.rewind().unwrap();
        let mut bytes = [0; 10];
        Repeated::new(file, 4).read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"abcdabcdab");
    }

    #[test]
    fn a_short_subject_is_repeated_in_memory_and_a_long_one_from_its_file() {
        for period in [1, 6, 1000, SHORT - 1, SHORT, SHORT + 1] {
            let subject: Vec<u8> = (0..period).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&subject).unwrap();
            file.rewind().unwrap();
            let mut repeated = Repeated::new(file, period as u64);
            let mut all = vec![0; 3 * SHORT + 7];
            let first = repeated.read(&mut all).unwrap();
            assert!(first >= SHORT.min(period).max(SHORT / 2), "{period}: {first} bytes at once");
            repeated.read_exact(&mut all[first..]).unwrap();
            assert!(all.iter().zip(subject.iter().cycle()).all(|(a, b)| a == b), "{period}");
        }
    }

    #[test]
    fn a_removed_subject_ends_early() {
        let mut repeated = Repeated::new(tempfile::tempfile().unwrap(), 6);
        assert_eq!(repeated.read(&mut [0; 9]).unwrap(), 0);
        assert_eq!(repeated.read(&mut [0; 9]).unwrap(), 0);
    }
}
