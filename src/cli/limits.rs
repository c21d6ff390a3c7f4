//! The limits of `upseal serve`: what a client may take of its time, connections, work and disk. `docs/reliability.md` has
//! them in one table.

use clap::{Args, ValueEnum};

use super::{Patience, Size};

/// Heading of the limits.
const LIMITS: &str = "Limits";

/// Limits of `upseal serve`.
#[derive(Debug, Args)]
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
