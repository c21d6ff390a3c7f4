//! The command line of `upseal history` and `upseal audit`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

use crate::clock;
use crate::event::Destination;

/// `upseal history`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(crate) struct HistoryArgs {
    /// Show only sent files
    #[arg(long, conflicts_with = "received")]
    pub sent: bool,
    /// Show only received files
    #[arg(long, conflicts_with_all = ["server", "failed"])]
    pub received: bool,
    /// Show only files sent to HOST:PORT, or to a link [default: all]
    #[arg(long, value_name = "SERVER")]
    pub server: Option<Destination>,
    /// Show only names that contain this text, in any case [default: all]
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// Show only files since then: 2026-11-22T14:00, 2h, 3 days [default: all]
    ///
    /// A date (2026-11-22), a time (2026-11-22T14:00), or how long ago (90min, 2h, 3 days, 1w).
    #[arg(long, value_name = "DATE|DURATION")]
    pub since: Option<Since>,
    /// Show only sent files that did not arrive intact
    #[arg(long)]
    pub failed: bool,
    /// Show at most N, newest first; 0: all
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Print comma-separated values (RFC 4180) with a header line
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `upseal audit`.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Folder of received files
    #[arg(long, value_name = "DIR", default_value = "recv_files", env = "UPSEAL_STORE")]
    pub store: PathBuf,
    /// Also compare the receipts in this folder [default: not compared]
    #[arg(long, value_name = "DIR")]
    pub receipts: Option<PathBuf>,
    /// Record this file as it is now, then compare; repeatable [default: none]
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub accept: Vec<String>,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Parses the name of a file in the store, without a path.
fn name(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty() && !text.contains('/') && text != "." && text != "..";
    is_name
        .then(|| text.to_owned())
        .ok_or_else(|| "expected the name of a file in the store, without a path".to_owned())
}

/// A point in time, absolute or relative to now.
#[derive(Debug, Clone)]
pub(crate) enum Since {
    /// A time with its offset from UTC.
    At(Timestamp),
    /// A local time. A date alone means midnight.
    Local(DateTime),
    /// A duration before now.
    Ago(Span),
}

impl Since {
    /// Returns milliseconds since 1970, UTC, in the time zone of `now`. `None`: outside the calendar.
    #[must_use]
    pub(crate) fn at_ms(&self, now: &Zoned) -> Option<i64> {
        let at = match self {
            Self::At(at) => *at,
            Self::Local(local) => local.to_zoned(now.time_zone().clone()).ok()?.timestamp(),
            Self::Ago(span) => now.checked_sub(*span).ok()?.timestamp(),
        };
        Some(at.as_millisecond())
    }

    /// Returns milliseconds since 1970, UTC, in the system's time zone.
    #[must_use]
    pub(crate) fn here_ms(&self) -> Option<i64> {
        self.at_ms(&clock::now().to_zoned(TimeZone::system()))
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The first understands an offset that the second would overlook.
        text.parse::<Timestamp>()
            .map(Self::At)
            .or_else(|_| text.parse::<DateTime>().map(Self::Local))
            .or_else(|_| text.parse::<Span>().map(Self::Ago))
            .ok()
            .filter(|since| !matches!(since, Self::Ago(span) if span.is_negative()))
            .ok_or_else(|| "expected a date like 2026-11-22, or a duration like 2h or 3 days".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_named_by_its_date_or_by_how_long_ago_it_was() {
        let zone = TimeZone::get("Asia/Singapore").unwrap_or(TimeZone::fixed(jiff::tz::offset(8)));
        let now = "2026-11-22T14:30:00+08:00".parse::<Timestamp>().unwrap().to_zoned(zone);
        for (text, at) in [
            ("2026-11-22", "2026-11-21T16:00:00Z"),
            ("2026-11-22T09:15", "2026-11-22T01:15:00Z"),
            ("2026-11-22 09:15:30", "2026-11-22T01:15:30Z"),
            ("2026-11-22T09:15:00Z", "2026-11-22T09:15:00Z"),
            ("2026-11-22T09:15:00-05:00", "2026-11-22T14:15:00Z"),
            ("90min", "2026-11-22T05:00:00Z"),
            ("2h", "2026-11-22T04:30:00Z"),
            ("1h 30m", "2026-11-22T05:00:00Z"),
            ("3 days", "2026-11-19T06:30:00Z"),
            ("1w", "2026-11-15T06:30:00Z"),
            ("1mo", "2026-10-22T06:30:00Z"),
        ] {
            let found = text.parse::<Since>().unwrap().at_ms(&now).unwrap();
            assert_eq!(Timestamp::from_millisecond(found).unwrap(), at.parse().unwrap(), "{text}");
        }
        for bad in ["", "2", "yesterday", "2026-13-01", "-2h", "2h ago", "14:00"] {
            assert!(bad.parse::<Since>().is_err(), "{bad}");
        }
    }
}
