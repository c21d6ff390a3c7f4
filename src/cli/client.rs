//! The command lines of the client: the UI, `send`, `race`, `probe`, `health`, `verify`, `peers` and `lab`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{LaneArg, Layer, Patience, ReportLayer, ScreenLayer, Size, pin};
use crate::digest::FileDigest;
use crate::event::{Destination, Padding};

/// Options of `upseal` without a subcommand.
#[derive(Debug, Args)]
pub(crate) struct Ui {
    /// Folder to begin in [default: the working folder]
    ///
    /// The link of a server in its place is the same as --to.
    pub dir: Option<PathBuf>,
    /// Use a preset of `upseal peers` [default: none]
    ///
    /// Flags override the preset, and the preset overrides the environment.
    #[arg(long, value_name = "NAME")]
    pub peer: Option<String>,
    /// Keep first bytes of files in saved sessions
    ///
    /// A session is saved with w on screen 3. Without this flag it holds at most the ciphertext's first bytes.
    #[arg(long)]
    pub with_plaintext: bool,
    /// Print all keys as tables of the configuration file
    #[arg(long, hide_short_help = true)]
    pub print_keymap: bool,
    /// Server and dialect.
    #[command(flatten)]
    pub speak: Layer,
    /// How the screen looks.
    #[command(flatten)]
    pub screen: ScreenLayer,
}

/// `upseal send`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Send {
    /// Use a preset of `upseal peers` [default: none]
    ///
    /// Flags override the preset, and the preset overrides the environment.
    #[arg(long, value_name = "NAME")]
    pub peer: Option<String>,
    /// Server and dialect.
    #[command(flatten)]
    pub speak: Layer,
    /// Times to resend a file after the connection breaks
    ///
    /// The file is sent again from its first byte. 0 also disables waiting for an absent server.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub retries: u32,
    /// Time to wait for the confirmation of the last file [default: 30s to 15min, by size]
    ///
    /// When it has passed, the client closes the connection and reports the files as unconfirmed.
    #[arg(long, value_name = "TIME")]
    pub patience: Option<Patience>,
    /// Keep the ciphertext of CP1 and CP2 in this folder [default: not kept]
    ///
    /// Each file is called `enc_` and the sent file's name.
    #[arg(long, value_name = "DIR")]
    pub keep_ciphertext: Option<PathBuf>,
    /// Keep each file's receipt in this folder [default: the data folder]
    ///
    /// Receipts are called NAME.receipt. With -p plain, the flag also requests receipts, by a MODE 3 that Plain does
    /// not have.
    #[arg(long, value_name = "DIR")]
    pub receipts: Option<PathBuf>,
    /// Digest of each file; without one there are no receipts
    #[arg(long, value_enum, default_value_t = FileDigest::Sha256)]
    pub digest: FileDigest,
    /// Skip files that this server has given a receipt for
    ///
    /// The receipt must be for the same name and content.
    #[arg(long)]
    pub skip_receipted: bool,
    /// Accept the key of a server that was never met, unseen
    ///
    /// Without this flag, `send` shows the key on a terminal and asks before the first byte of a file leaves. Without a
    /// terminal, and with --json, it accepts the key and says so.
    #[arg(short, long)]
    pub yes: bool,
    /// Print one JSON event a line
    #[arg(long)]
    pub json: bool,
    /// Print errors only
    #[arg(long, conflicts_with = "json")]
    pub quiet: bool,
    /// Print the path of each receipt as well
    #[arg(short, long, conflicts_with_all = ["json", "quiet"])]
    pub verbose: bool,
    /// Leave out files and folders of sent folders [default: none]
    ///
    /// The pattern is a line of a .gitignore at the top of each folder, such as '*.tmp' or 'target/'. The flag can be
    /// repeated. Patterns in a file named .upsealignore are honoured as well.
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Follow symbolic links in folders [default: skip them]
    #[arg(long)]
    pub follow: bool,
    /// Print what would be sent and its cost; send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Send under this name [default: the file's own]
    ///
    /// For a single file, or for standard input, which has no name of its own.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Also send the files and folders listed in FILE [default: none]
    ///
    /// One path a line; - reads the list from standard input.
    #[arg(long, value_name = "FILE")]
    pub files_from: Option<PathBuf>,
    /// Paths of --files-from end in a NUL byte [default: a line feed]
    #[arg(short = '0', long, requires = "files_from")]
    pub null: bool,
    /// Files, then folders, to send over one connection (see --jobs)
    ///
    /// A folder is sent with everything in it, while it is read. - is standard input and needs --name. The first
    /// can be the server's link instead of --to: upseal://HOST:PORT#sha256-PIN.
    #[arg(required_unless_present = "files_from", value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// `upseal verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// File as it was sent
    pub file: PathBuf,
    /// Receipt of the file
    #[arg(long, value_name = "FILE")]
    pub receipt: PathBuf,
    /// CA that the server's certificate must be signed by, PEM
    #[arg(long, value_name = "FILE", default_value = "certs/cacsertificate.crt", env = "UPSEAL_CA")]
    pub ca: PathBuf,
}

/// `upseal race`.
#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "clap prints these words as they are")]
pub(crate) struct Race {
    /// Two to four of VARIANT or VARIANT@HOST:PORT
    ///
    /// Without an address, a lane has a server of its own in this program. CP1 can name its padding and that server's
    /// key length in bits: cp1/pkcs1v15/2048.
    #[arg(long, value_delimiter = ',', default_value = "cp1,cp2", value_name = "LANES")]
    pub lanes: Vec<LaneArg>,
    /// RSA padding of CP1's blocks and CP2's key [default: oaep] [env: UPSEAL_PADDING]
    #[arg(long)]
    pub padding: Option<Padding>,
    /// CA of the named servers, PEM [default: certs/cacsertificate.crt] [env: UPSEAL_CA]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Send only the first bytes: a number, or with KiB, MiB, GiB [default: all]
    #[arg(long, value_name = "SIZE")]
    pub first: Option<Size>,
    /// Run all lanes at once; they share the machine
    #[arg(long)]
    pub together: bool,
    /// Laps of each lane; the median counts
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub repeat: u32,
    /// Send N generated bytes instead of a file [default: the file]
    #[arg(long, value_name = "N", conflicts_with_all = ["file", "first"])]
    pub generate: Option<Size>,
    /// Let Plain and AP send the file itself to another machine
    ///
    /// An eavesdropper can read it there. Without this flag they send generated bytes.
    #[arg(long)]
    pub open: bool,
    /// Write a report: .html, .svg, .md, .csv or .json [default: none]
    ///
    /// An existing upseal report is overwritten; any other file is kept and reported as an error.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Texts on the report.
    #[command(flatten)]
    pub texts: ReportLayer,
    /// Print one JSON event a line
    #[arg(long)]
    pub json: bool,
    /// File to send
    #[arg(value_name = "FILE", required_unless_present = "generate")]
    pub file: Option<PathBuf>,
}

/// `upseal lab`.
#[derive(Debug, Args)]
pub(crate) struct Lab {
    /// Print one JSON object for each attack and variant
    #[arg(long)]
    pub json: bool,
}

/// What a server must prove to be.
#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "clap prints these words as they are")]
pub(crate) struct Expected {
    /// CA that the server's certificate must be signed by, PEM [default: certs/cacsertificate.crt] [env: UPSEAL_CA]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Require this server key [default: the known one, if any]
    #[arg(long, value_name = "sha256:HEX", value_parser = pin)]
    pub pin: Option<String>,
}

/// `upseal probe`.
#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// Server; it will keep small files named upseal-probe-N.txt
    ///
    /// The link that a server prints is accepted too.
    #[arg(value_name = "HOST:PORT")]
    pub address: Destination,
    /// What the server must prove to be.
    #[command(flatten)]
    pub expected: Expected,
    /// Save the dialect as a preset [default: ask on a terminal]
    #[arg(long, value_name = "NAME")]
    pub save: Option<String>,
    /// Seconds to wait for a server to be restarted, before each dialect
    ///
    /// Some servers serve one connection and end.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub wait: u64,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `upseal health`.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Server, or the link that it prints
    ///
    /// It signs a message and gets no file. The exit code is 0 if it proved to be the known server, 3 if it cannot be
    /// reached, 4 if it is another one, and 6 if it refused the connection.
    #[arg(value_name = "HOST:PORT")]
    pub address: Destination,
    /// What the server must prove to be.
    #[command(flatten)]
    pub expected: Expected,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `upseal peers`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Peers {
    /// What to do with presets; without it, they are listed.
    #[command(subcommand)]
    pub command: Option<PeersCommand>,
    /// Form of the list.
    #[command(flatten)]
    pub list: PeersList,
}

/// The subcommands of `upseal peers`.
#[derive(Debug, Subcommand)]
pub(crate) enum PeersCommand {
    /// List the presets
    #[command(after_long_help = super::examples::PEERS_LIST)]
    List(PeersList),
    /// Save the given flags as a preset
    #[command(after_long_help = super::examples::PEERS_SAVE)]
    Save(PeersSave),
    /// Remove a preset
    #[command(after_long_help = super::examples::PEERS_REMOVE)]
    Remove {
        /// Name of the preset
        name: String,
    },
}

/// `upseal peers list`.
#[derive(Debug, Args)]
pub(crate) struct PeersList {
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `upseal peers save`.
#[derive(Debug, Args)]
pub(crate) struct PeersSave {
    /// Name: 1 to 40 letters, digits, dots, hyphens and underscores
    pub name: String,
    /// Replace an existing preset of this name
    #[arg(long)]
    pub force: bool,
    /// Flags to save. Settings that are not given are not saved, even if a variable sets them.
    #[command(flatten)]
    pub speak: Layer,
}
