//! The number of connections that send files at the same time.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most connections that send files to a server at the same time, from 1 to 8. Only our server gets more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Jobs(u8);

impl Jobs {
    /// One connection.
    pub const ONE: Self = Self(1);
    /// The most that can be set.
    pub const MOST: Self = Self(8);

    /// Creates a number of connections; `None` if it is not from 1 to 8.
    #[must_use]
    pub const fn of(jobs: u8) -> Option<Self> {
        if jobs >= Self::ONE.0 && jobs <= Self::MOST.0 { Some(Self(jobs)) } else { None }
    }

    /// Returns the number.
    #[must_use]
    pub fn count(self) -> usize {
        self.0.into()
    }

    /// Returns one connection more, if there may be one more.
    #[must_use]
    pub fn more(self) -> Self {
        Self::of(self.0 + 1).unwrap_or(self)
    }

    /// Returns one connection less, if there is more than one.
    #[must_use]
    pub fn fewer(self) -> Self {
        Self::of(self.0 - 1).unwrap_or(self)
    }
}

impl Default for Jobs {
    fn default() -> Self {
        Self::ONE
    }
}

impl fmt::Display for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is not a number of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a number from 1 to 8")]
pub struct NoJobs;

impl FromStr for Jobs {
    type Err = NoJobs;

    fn from_str(text: &str) -> Result<Self, NoJobs> {
        text.trim().parse().ok().and_then(Self::of).ok_or(NoJobs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_eight_connections_are_accepted() {
        for (text, jobs) in [("1", 1), ("4", 4), (" 8 ", 8)] {
            assert_eq!(text.parse::<Jobs>().map(Jobs::count), Ok(jobs));
        }
        for bad in ["", "0", "9", "-1", "256", "two", "1.5"] {
            assert_eq!(bad.parse::<Jobs>(), Err(NoJobs), "{bad}");
        }
        assert_eq!((Jobs::ONE.fewer(), Jobs::MOST.more()), (Jobs::ONE, Jobs::MOST));
        assert_eq!((Jobs::ONE.more().count(), Jobs::MOST.fewer().count()), (2, 7));
    }
}
