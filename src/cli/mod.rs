//! The command line: types only. Names of flags and the exit codes are a contract with scripts.
//!
//! - `layer`: the flags of the server and the dialect, which are also the keys of the configuration
//! - `client`: the UI, `send`, `race`, `probe`, `health`, `verify`, `peers` and `lab`
//! - `serve`: the server; `limits`: what a client may take of it; `ranges`: who may connect; `served`: the same options in the
//!   configuration file
//! - `history`, `trust`: `history`, `audit`, `certs` and `known`
//! - `screen`: how the terminal UI and texts look, and `config`
//! - `report`: texts on a race's report
//! - `shell`: `completions` and `man`
//! - `short`: what `-h` leaves to `--help`
//! - `examples`: the worked examples at the end of each `--help`

mod client;
mod examples;
mod history;
mod layer;
mod limits;
mod ranges;
mod report;
mod screen;
mod serve;
mod served;
mod shell;
mod short;
mod trust;
mod values;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use self::client::{
    Health, Lab, Peers, PeersCommand, PeersList, PeersSave, Probe, Race, Send, Ui, Verify,
};
pub(crate) use self::history::{Audit, HistoryArgs};
pub(crate) use self::layer::{Layer, Setting, TwoPins};
pub(crate) use self::limits::{Limits, Penalize};
pub(crate) use self::ranges::{Access, Range};
pub(crate) use self::report::ReportLayer;
pub(crate) use self::screen::{Colour, ConfigCommand, GlyphSet, ScreenLayer, UnitSet};
pub(crate) use self::serve::{LogLevel, Paths, Serve};
pub(crate) use self::served::ServeRows;
pub(crate) use self::shell::{Completions, Man, Shell};
pub(crate) use self::short::short;
pub(crate) use self::trust::pin;
pub(crate) use self::trust::{Certs, Known, KnownCommand};
pub(crate) use self::values::*;

/// Upload files to a server that proves who it is
///
/// Without a subcommand, the terminal UI starts. It has a server of its own on loopback, unless --to names another.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
#[command(after_long_help = format!("{}\n\n{EXIT_CODES}", examples::UI))]
#[expect(clippy::doc_markdown, reason = "clap prints these words as they are")]
pub(crate) struct Cli {
    /// Configuration file [default: config.toml in the configuration folder] [env: UPSEAL_CONFIG]
    #[arg(long, value_name = "FILE", global = true, hide_short_help = true)]
    pub config: Option<PathBuf>,
    /// Subcommand; without one, the terminal UI.
    #[command(subcommand)]
    pub command: Option<Subcommands>,
    /// Arguments of the terminal UI.
    #[command(flatten)]
    pub ui: Ui,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed part-way, 2 usage, 3 cannot connect, \
4 the server's identity could not be verified, or its key changed, 5 local file, 6 refused by the server, \
130 interrupted.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Subcommands {
    /// Send files to a server
    #[command(after_long_help = examples::SEND)]
    Send(Send),
    /// Receive files from clients
    #[command(after_long_help = examples::SERVE)]
    Serve(Serve),
    /// Check a receipt against a file, offline
    #[command(after_long_help = examples::VERIFY)]
    Verify(Verify),
    /// Send one file in several variants and compare
    #[command(after_long_help = examples::RACE)]
    Race(Race),
    /// Run attacks against each variant and show which succeed
    ///
    /// Twelve attacks from the path between client and server are run against all four variants, on loopback and with
    /// throwaway keys. Exit code 0: every result is the documented one; 1: one is not.
    #[command(after_long_help = examples::LAB)]
    Lab(Lab),
    /// Create, sign and show certificates
    #[command(after_long_help = examples::CERTS)]
    Certs {
        /// What to do with certificates.
        #[command(subcommand)]
        command: Certs,
    },
    /// Find out which dialect a server uses
    #[command(after_long_help = examples::PROBE)]
    Probe(Probe),
    /// Check that a server answers and proves who it is
    #[command(after_long_help = examples::HEALTH)]
    Health(Health),
    /// Manage saved servers
    #[command(after_long_help = examples::PEERS)]
    Peers(Peers),
    /// Manage known server keys
    #[command(after_long_help = examples::KNOWN)]
    Known(Known),
    /// List files sent and received
    #[command(after_long_help = examples::HISTORY)]
    History(HistoryArgs),
    /// Compare received files with the history
    #[command(after_long_help = examples::AUDIT)]
    Audit(Audit),
    /// Write or find the configuration file
    #[command(after_long_help = examples::CONFIG)]
    Config {
        /// What to do with the file.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print completions for a shell
    #[command(after_long_help = examples::COMPLETIONS)]
    Completions(Completions),
    /// Write the manual pages into a folder
    #[command(after_long_help = examples::MAN)]
    Man(Man),
}

impl Subcommands {
    /// Returns whether `--json` is given.
    #[must_use]
    pub(crate) const fn is_json(&self) -> bool {
        match self {
            Self::Send(args) => args.json,
            Self::Serve(args) => args.json,
            Self::Race(args) => args.json,
            Self::Lab(args) => args.json,
            Self::Probe(args) => args.json,
            Self::Health(args) => args.json,
            Self::History(args) => args.json,
            Self::Audit(args) => args.json,
            Self::Verify(_)
            | Self::Certs { .. }
            | Self::Peers(_)
            | Self::Known(_)
            | Self::Config { .. }
            | Self::Completions(_)
            | Self::Man(_) => false,
        }
    }
}

#[cfg(test)]
mod tests;
