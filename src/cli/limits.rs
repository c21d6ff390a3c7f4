//! The limits of `upseal serve`: what a client may take of its time, connections, work and disk. `docs/reliability.md` has
//! them in one table.

use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::{Patience, Size};

/// Files and bytes of an address: `1000,10GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Files in a day; `None`: any number.
    pub files: Option<u64>,
    /// Bytes in a day; `None`: any number.
    pub bytes: Option<u64>,
}

impl FromStr for Quota {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (files, bytes) =
            text.split_once(',').ok_or("expected files and a size, for example 1000,10GiB")?;
        let files: u64 = files.parse().map_err(|_| "expected a whole number of files before the comma")?;
        let Size(bytes) = bytes.parse()?;
        let limit = |of: u64| (of > 0).then_some(of);
        Ok(Self { files: limit(files), bytes: limit(bytes) })
    }
}

/// Heading of the limits.
const LIMITS: &str = "Limits";

/// Limits of `upseal serve`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = LIMITS)]
pub(crate) struct Limits {
    /// Sessions at once, of all clients
    ///
    /// Each is a thread. When all are in use, the oldest session that has not done anything makes room; from half of this
    /// number of such sessions on, more and more new clients are refused by chance. No more are accepted than the limit of
    /// open files (ulimit -n) allows.
    #[arg(long, value_name = "N", default_value = "1024", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub max_sessions: u32,
    /// Sessions at once of one IPv4 address or IPv6 /64
    ///
    /// A sixteenth of them, at least 4, may be sessions that have neither begun a file nor authenticated. Otherwise one
    /// computer could take every place. Many clients behind one router share an address.
    #[arg(long, value_name = "N", default_value = "256", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub sessions_per_address: u32,
    /// Time for a client's first complete message
    ///
    /// In twice this time it must begin a file or authenticate (MODE 3). A connection that says nothing would otherwise keep
    /// a place that another client needs. Set a longer time for clients that connect before they ask for a file name.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub login_grace: Patience,
    /// Silence between files, after the first one or MODE 3
    ///
    /// A person may choose files in between. The server states this time when it authenticates, and our client reconnects by
    /// itself.
    #[arg(long, value_name = "TIME", default_value = "900s")]
    pub idle_time: Patience,
    /// Time for one message, from its first byte to its last
    ///
    /// The body of a file does not count. A byte now and then does not extend it. Set a longer time to step through a client
    /// in a debugger.
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub message_time: Patience,
    /// Silence inside a file, and the time of --min-rate
    ///
    /// Set a longer time to step through a client in a debugger.
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub stall_time: Patience,
    /// Least bytes of a file in a second, on average over --stall-time
    ///
    /// Only the time in which the server waits for the client counts. 0 turns it off: then a client that sends a byte now and
    /// then keeps its connection for ever.
    #[arg(long, value_name = "SIZE", default_value = "1KiB")]
    pub min_rate: Size,
    /// Bytes that stay free on the disk of --store [default: 1 GiB or 5 % of it, whichever is less]
    ///
    /// A full disk stops other programs too. A file is refused before it is sent if it would not fit, together with those
    /// that are on their way.
    #[arg(long, value_name = "SIZE")]
    pub min_free: Option<Size>,
    /// Bytes of all files in --store [default: no limit]
    #[arg(long, value_name = "SIZE")]
    pub max_total: Option<Size>,
    /// Files and bytes that one address may send in a day, such as 1000,10GiB [default: no limit]
    ///
    /// With 0 files or bytes, that kind has no limit.
    #[arg(long, value_name = "FILES,SIZE")]
    pub quota_per_address: Option<Quota>,
    /// Lines of the log in a second about one address [default: 10; with --json 1000]
    ///
    /// The rest of the second is one line with a sum. Otherwise a client could fill the log faster than the disk.
    #[arg(long, value_name = "N")]
    pub log_rate: Option<u32>,
    /// Signatures and session keys in a second for one address
    ///
    /// On average over ten seconds. An address that asks for more waits until no other client does: one operation of the RSA
    /// key takes a thousand times as long as the request for it. A connection may ask for 16 signatures and 64 session keys,
    /// and for 2 and 4 more with each file.
    #[arg(long, value_name = "N", default_value = "100")]
    pub rsa_rate: u32,
    /// Addresses to refuse for a while after many bad sessions
    ///
    /// Each malformed, late or abandoned session counts for a second; from 15 seconds on the address is refused until they
    /// have passed, for at most ten minutes.
    #[arg(long, value_name = "WHO", value_enum, default_value_t = Penalize::Remote)]
    pub penalties: Penalize,
}

/// Addresses that are refused after bad sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Penalize {
    /// None
    Off,
    /// Every address but this machine's own
    Remote,
    /// Every address
    All,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_has_files_and_bytes() {
        let quota = |text: &str| text.parse::<Quota>();
        assert_eq!(quota("1000,10GiB"), Ok(Quota { files: Some(1000), bytes: Some(10 << 30) }));
        assert_eq!(quota("0,5"), Ok(Quota { files: None, bytes: Some(5) }));
        for bad in ["", "5", "x,5", "5,x", "5,5,5", "-1,5"] {
            assert!(quota(bad).is_err(), "{bad}");
        }
    }
}
