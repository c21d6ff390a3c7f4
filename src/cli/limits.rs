//! The limits of `upseal serve`: what a client may take of its time, connections, work and disk. `docs/reliability.md` has
//! them in one table.

use clap::Args;

use super::{Patience, Size};

/// Heading of the limits.
const LIMITS: &str = "Limits";

/// Limits of `upseal serve`.
#[derive(Debug, Args)]
#[command(next_help_heading = LIMITS)]
pub(crate) struct Limits {
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
}
