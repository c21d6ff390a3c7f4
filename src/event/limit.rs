//! The limit of the bytes that uploads put on the wire in a second.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A limit of the bytes that all uploads together put on the wire in a second, or none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Limit(Option<NonZeroU64>);

/// Words that can be written for no limit.
const OFF: &str = "off";
/// Units, the ones that are written first for a limit that they divide.
const UNITS: [(&str, u64); 6] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
];

impl Limit {
    /// No limit.
    pub const NONE: Self = Self(None);
    /// The lowest limit in bytes per second. Eight connections share it, and a server ends those that send less than
    /// 1 KiB/s each (`serve --min-rate`).
    pub const LEAST: u64 = 16 << 10;
    /// The lowest and the highest step of [`Limit::slower`] and [`Limit::faster`], in bytes per second. Each step is twice
    /// the one before.
    pub const STEPS: (u64, u64) = (64 << 10, 1 << 30);

    /// Creates a limit of so many bytes per second; `None` if that is below [`Limit::LEAST`].
    #[must_use]
    pub fn of(bytes: u64) -> Option<Self> {
        NonZeroU64::new(bytes).filter(|bytes| bytes.get() >= Self::LEAST).map(|bytes| Self(Some(bytes)))
    }

    /// Returns the bytes per second; `None`: no limit.
    #[must_use]
    pub const fn bytes(self) -> Option<u64> {
        match self.0 {
            Some(bytes) => Some(bytes.get()),
            None => None,
        }
    }

    /// Returns the next lower step. Without a limit that is the one below `now`, the present rate in bytes per second, or
    /// the highest if nothing is sent. A limit that has no step below it stays.
    #[must_use]
    pub fn slower(self, now: Option<u64>) -> Self {
        let below = self.bytes().or(now).unwrap_or(u64::MAX);
        let least = if self == Self::NONE { Self::of(Self::STEPS.0) } else { None };
        steps().filter(|step| *step < below).last().and_then(Self::of).or(least).unwrap_or(self)
    }

    /// Returns the next higher step, and no limit after the highest.
    #[must_use]
    pub fn faster(self) -> Self {
        let above = self.bytes().unwrap_or(u64::MAX);
        steps().find(|step| *step > above).and_then(Self::of).unwrap_or(Self::NONE)
    }
}

fn steps() -> impl Iterator<Item = u64> {
    std::iter::successors(Some(Limit::STEPS.0), |step| Some(step * 2))
        .take_while(|step| *step <= Limit::STEPS.1)
}

/// Text that [`Limit::from_str`] reads again: `off`, `5MiB/s`, `500KB/s`, `1234567`.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bytes) = self.bytes() else { return f.write_str(OFF) };
        match UNITS.iter().find(|(_, size)| bytes.is_multiple_of(*size)) {
            Some((unit, size)) => write!(f, "{}{unit}/s", bytes / size),
            None => write!(f, "{bytes}"),
        }
    }
}

/// The text is not a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected at least 16KiB/s, such as 5MiB/s, 500KB/s, 5MiB or 5000000 (bytes per second), or off")]
pub struct NoLimit;

impl FromStr for Limit {
    type Err = NoLimit;

    /// Reads a rate. The unit is KiB, MiB or GiB (1024), or KB, MB or GB (1000); without one the number is bytes. `/s` may
    /// follow.
    fn from_str(text: &str) -> Result<Self, NoLimit> {
        let text = text.trim();
        if text.eq_ignore_ascii_case(OFF) {
            return Ok(Self::NONE);
        }
        let lower = text.to_ascii_lowercase();
        let rate = lower.strip_suffix("/s").unwrap_or(&lower);
        let (number, unit) = rate.split_at(rate.find(|c: char| !c.is_ascii_digit()).unwrap_or(rate.len()));
        let number: u64 = number.parse().map_err(|_| NoLimit)?;
        let size = match unit.trim_start() {
            "" | "b" => 1,
            unit => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or(NoLimit)?.1,
        };
        number.checked_mul(size).and_then(Self::of).ok_or(NoLimit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_read_in_every_unit_and_anything_else_is_refused() {
        let limit = |text: &str| text.parse::<Limit>().map(Limit::bytes);
        for (text, bytes) in [
            ("5MiB/s", 5 << 20),
            ("5 MiB/s", 5 << 20),
            ("5MiB", 5 << 20),
            ("500KB/s", 500_000),
            ("500kb", 500_000),
            ("1gib/s", 1 << 30),
            ("2GB", 2_000_000_000),
            ("5000000", 5_000_000),
            ("16384", 16384),
            ("16384 B/s", 16384),
        ] {
            assert_eq!(limit(text), Ok(Some(bytes)), "{text}");
        }
        assert_eq!(limit("off"), Ok(None));
        for bad in
            ["", "0", "16383", "5Mbit/s", "MiB", "-5MiB", "1.5.1MiB", "5MiB/min", "fast", "99999999999GiB"]
        {
            assert_eq!(limit(bad), Err(NoLimit), "{bad}");
        }
    }

    #[test]
    fn the_text_of_a_limit_is_read_as_the_same_limit() {
        for bytes in [16384, 16385, 500_000, 5 << 20, 5_000_000, 1 << 30, u64::MAX] {
            let limit = Limit::of(bytes).unwrap();
            assert_eq!(limit.to_string().parse(), Ok(limit), "{limit}");
        }
        assert_eq!(Limit::NONE.to_string().parse(), Ok(Limit::NONE));
        assert_eq!(Limit::of(5 << 20).unwrap().to_string(), "5MiB/s");
        assert_eq!(Limit::of(500_000).unwrap().to_string(), "500KB/s");
    }

    #[test]
    fn steps_go_from_64_kib_to_1_gib_and_end_in_no_limit() {
        let mut limit = Limit::of(Limit::STEPS.0).unwrap();
        let mut seen = Vec::new();
        while let Some(bytes) = limit.bytes() {
            seen.push(bytes);
            let up = limit.faster();
            assert_eq!(up.slower(None), limit, "back again");
            limit = up;
        }
        assert_eq!((seen.len(), seen[0], seen[14]), (15, 64 << 10, 1 << 30));
        assert_eq!(Limit::NONE.faster(), Limit::NONE);
        assert_eq!(Limit::NONE.slower(Some(20 << 20)).bytes(), Some(16 << 20), "below the present rate");
        assert_eq!(Limit::NONE.slower(Some(100)).bytes(), Some(64 << 10));
        assert_eq!(Limit::of(64 << 10).unwrap().slower(None).bytes(), Some(64 << 10));
        let own = Limit::of(20 << 10).unwrap();
        assert_eq!((own.slower(None), own.faster().bytes()), (own, Some(64 << 10)));
    }
}
