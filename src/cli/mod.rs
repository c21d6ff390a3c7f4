//! The command line: types only. Its names and the exit codes are a contract (DESIGN.md).

mod history;
mod layer;
mod trust;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use self::history::{Audit, HistoryArgs, Since};
use self::layer::THIRD_PARTY_SERVERS;
pub use self::layer::{Key, Layer};
pub(crate) use self::trust::pin;
pub use self::trust::{Certs, Known, KnownCommand, List};
pub use self::values::*;
use crate::digest::FileDigest;
use crate::event::{Padding, Variant};
use crate::store::Durability;

/// Upload files to a server that proves who it is, and see what each kind of encryption costs.
///
/// Without a subcommand: the terminal UI, with a server of its own on loopback unless --to names
/// another.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do without the terminal UI.
    #[command(subcommand)]
    pub command: Option<Subcommands>,
    /// The terminal UI's own arguments.
    #[command(flatten)]
    pub ui: Ui,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed part-way, 2 usage, 3 cannot connect, \
4 the server could not prove itself, or is another than it was, 5 local file, 6 refused by the server, 130 interrupted.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Subcommands {
    /// Send files to a server.
    Send(Send),
    /// Receive files.
    Serve(Serve),
    /// Check a receipt against a file, without a network.
    Verify(Verify),
    /// Send one file through several lanes, in turn, and compare.
    Race(Race),
    /// Play the attacks that the protocol's variants withstand or not, on a server of this program.
    Lab(Lab),
    /// Make, sign and show certificates.
    Certs {
        /// What to do with certificates.
        #[command(subcommand)]
        command: Certs,
    },
    /// Find out which dialect a server speaks.
    Probe(Probe),
    /// Name how to reach a server, for --peer.
    Peers(Peers),
    /// The servers that were met before, by their keys.
    Known(Known),
    /// What was sent and received.
    History(HistoryArgs),
    /// Whether the received files are what the history says.
    Audit(Audit),
}

/// Arguments of the terminal UI.
#[derive(Debug, Args)]
pub struct Ui {
    /// The folder to begin in.
    pub dir: Option<PathBuf>,
    /// A preset of `upseal peers`. It is stronger than the environment, and a flag is stronger than it.
    #[arg(long, value_name = "NAME", help_heading = THIRD_PARTY_SERVERS)]
    pub peer: Option<String>,
    /// Sessions that are saved (w on screen 3) hold the first bytes of files too. Without it: of their
    /// ciphertext at most.
    #[arg(long)]
    pub with_plaintext: bool,
    /// What to speak.
    #[command(flatten)]
    pub speak: Layer,
}

/// `upseal probe`.
#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "clap prints these words as they are")]
pub struct Probe {
    /// The server. It will keep small files named `upseal-probe-N.txt`.
    #[arg(value_name = "HOST:PORT")]
    pub address: String,
    /// The CA that must have signed the server's certificate, PEM. [default: certs/cacsertificate.crt]
    /// [env: UPSEAL_CA]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// The server's key must be this one, whatever is known of it.
    #[arg(long, value_name = "sha256:HEX", value_parser = trust::pin)]
    pub pin: Option<String>,
    /// Save the dialect as a preset of this name. Without it, a terminal is asked.
    #[arg(long, value_name = "NAME")]
    pub save: Option<String>,
    /// Seconds to wait for a server that serves one connection and is started again, before each dialect.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub wait: u64,
    /// One JSON object a line on stdout.
    #[arg(long)]
    pub json: bool,
}

/// `upseal send`.
#[derive(Debug, Args)]
pub struct Send {
    /// A preset of `upseal peers`. It is stronger than the environment, and a flag is stronger than it.
    #[arg(long, value_name = "NAME", help_heading = THIRD_PARTY_SERVERS)]
    pub peer: Option<String>,
    /// What to speak.
    #[command(flatten)]
    pub speak: Layer,
    /// How often a file that was cut is sent again, from its first byte. 0: nor wait for a server that
    /// has gone.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub retries: u32,
    /// How long to wait for the server's end after the last file, before this side ends. [default: 30s, and more for
    /// large files, at most 15min]
    #[arg(long, value_name = "TIME")]
    pub patience: Option<Patience>,
    /// Keep what CP1 and CP2 send, as it is sent, in this folder, each as `enc_` and its name.
    #[arg(long, value_name = "DIR")]
    pub keep_ciphertext: Option<PathBuf>,
    /// Keep a NAME.receipt for each file in this folder; otherwise receipts go to the data folder. With
    /// -p plain: ask for them, by a MODE 3 that Plain has not.
    #[arg(long, value_name = "DIR")]
    pub receipts: Option<PathBuf>,
    /// Whether files are hashed on their way. None: no receipts, so "delivered" is the most that is known.
    #[arg(long, value_enum, default_value_t = FileDigest::Sha256)]
    pub digest: FileDigest,
    /// Do not send files that this server has given a receipt for: the same name and content.
    #[arg(long)]
    pub skip_receipted: bool,
    /// One JSON event a line on stdout.
    #[arg(long)]
    pub json: bool,
    /// Say nothing but errors.
    #[arg(long, conflicts_with = "json")]
    pub quiet: bool,
    /// The files, sent in this order over one connection.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Stands over the options that some clients of other people need.
const OTHER_CLIENTS: &str = "For clients that other people wrote";

/// `upseal verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The file as it was sent.
    pub file: PathBuf,
    /// Its receipt.
    #[arg(long, value_name = "R")]
    pub receipt: PathBuf,
    /// The CA that must have signed the server's certificate, PEM.
    #[arg(long, value_name = "FILE", default_value = "certs/cacsertificate.crt", env = "UPSEAL_CA")]
    pub ca: PathBuf,
}

/// `upseal serve`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Serve {
    /// Where to listen: an address, or a name of one, and a port. Beyond loopback, --accept must be spelled out.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:4321", env = "UPSEAL_BIND")]
    pub bind: Bind,
    /// The folder for received files.
    #[arg(long, value_name = "DIR", default_value = "recv_files", env = "UPSEAL_STORE")]
    pub store: PathBuf,
    /// The folder with the server's certificate and private key (`certs init` makes it).
    #[arg(long, value_name = "DIR", default_value = "certs", env = "UPSEAL_CERTS")]
    pub certs: PathBuf,
    /// Refuse private keys in that folder that other users of this machine can read. Without it: warn.
    #[arg(long)]
    pub strict_modes: bool,
    /// The variants to accept; on loopback all, when not given.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "VARIANTS")]
    pub accept: Option<Vec<Variant>>,
    /// CP1 paddings to accept. PKCS1v15 lets an attacker who may ask often decrypt CP1 and CP2 uploads; its use is
    /// counted and ends after 1,000 failures. [default: oaep,pkcs1v15 on loopback, otherwise oaep]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PADDINGS")]
    pub accept_padding: Option<Vec<Padding>>,
    /// Turn PKCS1v15 on again for this key after too many failures had turned it off.
    #[arg(long)]
    pub reset_padding_budget: bool,
    /// Refuse larger files: bytes, or with KiB, MiB, GiB.
    #[arg(long, value_name = "SIZE", default_value = "64GiB")]
    pub max_file: Size,
    /// What the names of stored files begin with, for example recv_.
    #[arg(long, value_name = "P", default_value = "", hide_default_value = true)]
    pub prefix: String,
    /// Keep what CP1 and CP2 send, as it comes, in this folder, each as `enc_recv_` and its name.
    #[arg(long, value_name = "DIR")]
    pub keep_ciphertext: Option<PathBuf>,
    /// Whether receipts tell under which name a file is stored. Where they do not, they state the name under which it
    /// came, and no client learns whether another file of that name is there. [default: true on loopback, else false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub tell_names: Option<bool>,
    /// Refuse names that Windows cannot store: devices (con, aux.c), < > : " | ? *, a dot or a space at the end.
    /// [default: only on Windows]
    #[arg(long)]
    pub portable_names: bool,
    /// How small files that come together are brought to disk before they get their names. File: each by itself,
    /// some milliseconds each, but without waiting for what other programs write to the same disk.
    #[arg(long, value_enum, default_value_t = Durability::Group)]
    pub durability: Durability,
    /// Whether received files are hashed. None: no receipts are given, and a file that is here already is stored
    /// again.
    #[arg(long, value_enum, default_value_t = FileDigest::Sha256)]
    pub digest: FileDigest,
    /// How long to wait between the four parts of the answer to MODE 3, for clients that read each
    /// with one recv: 20ms is enough on a busy machine too.
    #[arg(long, value_name = "TIME", default_value = "0ms", hide_default_value = true, help_heading = OTHER_CLIENTS)]
    pub reply_gap: Gap,
    /// Which part of the answer to MODE 3 comes first.
    #[arg(long, value_enum, default_value_t = ReplyOrder::SignatureFirst, help_heading = OTHER_CLIENTS)]
    pub reply_order: ReplyOrder,
    /// Serve one client and exit. A connection that brings no complete message, as a port scan, does not count.
    #[arg(long)]
    pub once: bool,
    /// One JSON event a line on stdout.
    #[arg(long)]
    pub json: bool,
}

/// `upseal race`.
#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "clap prints these words as they are")]
pub struct Race {
    /// Two to four of VARIANT or VARIANT@HOST:PORT; without an address, an embedded server. Of CP1 also its padding
    /// and the embedded server's key: cp1/pkcs1v15/2048.
    #[arg(long, value_delimiter = ',', default_value = "cp1,cp2", value_name = "LANES")]
    pub lanes: Vec<LaneArg>,
    /// RSA padding of CP1's blocks and of CP2's session key. [default: oaep] [env: UPSEAL_PADDING]
    #[arg(long, value_enum)]
    pub padding: Option<Padding>,
    /// The CA of the servers that are named, PEM. [default: certs/cacsertificate.crt] [env: UPSEAL_CA]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Only the file's beginning: bytes, or with KiB, MiB, GiB.
    #[arg(long, value_name = "SIZE")]
    pub first: Option<Size>,
    /// All lanes at once; they take time from each other.
    #[arg(long)]
    pub together: bool,
    /// How often each lane runs; the median counts.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub repeat: u32,
    /// So many generated bytes in the place of a file.
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["file", "first"])]
    pub generate: Option<Size>,
    /// Let Plain and AP send the file itself to another machine, readable on the way; otherwise they send generated
    /// bytes there.
    #[arg(long)]
    pub open: bool,
    /// Write the result there: a page (.html), its charts (.svg), a table (.md, .csv) or everything (.json). A report
    /// of upseal's is replaced, another file is not.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// One JSON event a line on stdout.
    #[arg(long)]
    pub json: bool,
    /// The file.
    #[arg(value_name = "FILE", required_unless_present = "generate")]
    pub file: Option<PathBuf>,
}

/// `upseal lab`: twelve attacks from the path between client and server, each played against all four variants, on
/// loopback and with throwaway keys. Exit code 0: all ended as the protocol's description says; 1: not all.
#[derive(Debug, Args)]
pub struct Lab {
    /// One JSON object for each attack and variant, a line each, on stdout.
    #[arg(long)]
    pub json: bool,
}

/// `upseal peers`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Peers {
    /// What to do with presets; without it: list them.
    #[command(subcommand)]
    pub command: Option<PeersCommand>,
    /// How to list them.
    #[command(flatten)]
    pub list: PeersList,
}

/// What `upseal peers` can do.
#[derive(Debug, Subcommand)]
pub enum PeersCommand {
    /// List the presets.
    List(PeersList),
    /// Save the flags given here as a preset.
    Save(PeersSave),
    /// Remove a preset.
    Remove {
        /// Its name.
        name: String,
    },
}

/// `upseal peers list`.
#[derive(Debug, Args)]
pub struct PeersList {
    /// One JSON object a line on stdout.
    #[arg(long)]
    pub json: bool,
}

/// `upseal peers save`.
#[derive(Debug, Args)]
pub struct PeersSave {
    /// 1 to 40 letters, digits, dots, hyphens and underscores.
    pub name: String,
    /// Replace the preset that has this name.
    #[arg(long)]
    pub force: bool,
    /// What the preset says; it says nothing of what is not given, not even if the environment does.
    #[command(flatten)]
    pub speak: Layer,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
