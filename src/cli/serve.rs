//! The command line of `upseal serve`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::limits::Limits;
use super::ranges::Access;
use super::served::Given;
use super::{Bind, Gap, KeepMeta, Patience, ReplyOrder, Retention, Size};
use crate::digest::FileDigest;
use crate::event::{Padding, Variant};
use crate::store::{Durability, Existing};

/// Heading of the options that some third-party clients need.
const THIRD_PARTY_CLIENTS: &str = "Options for third-party clients";

/// What becomes of the folders that a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Paths {
    /// Folders are made in the store
    Keep,
    /// Files are stored without their folders
    Flatten,
}

/// Importance of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum LogLevel {
    /// Failures of this machine: a file could not be stored
    Error,
    /// What was refused, and warnings
    Warn,
    /// What was received
    Info,
    /// Connections, proofs of identity and receipts
    Debug,
}

/// `upseal serve`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Serve {
    /// Address and port to listen on
    ///
    /// The address may be a name. Beyond loopback, --accept or --share is required.
    #[arg(
        long,
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:4321",
        default_value_if("share", "true", "0.0.0.0:4321"),
        env = "UPSEAL_BIND"
    )]
    pub bind: Bind,
    /// Share with other computers: print a link for senders
    ///
    /// Listens on 0.0.0.0:4321 and accepts CP2, and CP1 with OAEP, unless other flags say otherwise. The identity is kept in
    /// the data folder and is made at the first start, so the link stays the same.
    #[arg(long, conflicts_with = "certs")]
    pub share: bool,
    /// Print the first link as a QR code too
    #[arg(long, requires = "share", conflicts_with_all = ["json", "ui"])]
    pub qr: bool,
    /// Show the server in the terminal UI
    ///
    /// It begins with the server's screen: clients, received files, refusals. The other screens are there too, and their
    /// uploads go to this server. Its looks come from the configuration file.
    #[arg(long, conflicts_with_all = ["json", "once"])]
    pub ui: bool,
    /// Folder for received files
    #[arg(long, value_name = "DIR", default_value = "recv_files", env = "UPSEAL_STORE")]
    pub store: PathBuf,
    /// Folder of the certificate and private key (`upseal certs init`)
    #[arg(long, value_name = "DIR", default_value = "certs", env = "UPSEAL_CERTS")]
    pub certs: PathBuf,
    /// Refuse private keys that other users can read
    ///
    /// Without this flag the server warns about them.
    #[arg(long)]
    pub strict_modes: bool,
    /// Variants to accept [default: all on loopback, else required]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "VARIANTS")]
    pub accept: Option<Vec<Variant>>,
    /// RSA paddings to accept [default: oaep; on loopback also pkcs1v15]
    ///
    /// With PKCS1v15, an attacker who may ask often can decrypt CP1 and CP2 uploads. Its failures are counted, and it
    /// is turned off after 1,000 of them.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PADDINGS")]
    pub accept_padding: Option<Vec<Padding>>,
    /// Turn PKCS1v15 on again after too many failures with this key
    #[arg(long, hide_short_help = true)]
    pub reset_padding_budget: bool,
    /// Refuse larger files: bytes, or with KiB, MiB, GiB
    #[arg(long, value_name = "SIZE", default_value = "64GiB")]
    pub max_file: Size,
    /// Prefix of stored files' names, such as recv_ [default: none]
    #[arg(long, value_name = "P", default_value = "", hide_default_value = true)]
    pub prefix: String,
    /// Keep the ciphertext of CP1 and CP2 in this folder [default: not kept]
    ///
    /// Each file is called `enc_recv_` and the received file's name.
    #[arg(long, value_name = "DIR")]
    pub keep_ciphertext: Option<PathBuf>,
    /// State stored names in receipts [default: true on loopback, else false]
    ///
    /// If false, receipts state the name under which the file came, and no client learns whether another file of that
    /// name exists.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub tell_names: Option<bool>,
    /// Refuse names that Windows cannot store [default: on Windows only]
    ///
    /// These are devices (con, aux.c), names with < > : " | ? *, and names that end in a dot or a space.
    #[arg(long)]
    pub portable_names: bool,
    /// Whether files of sent folders keep their paths
    ///
    /// With flatten, each is stored under its name alone.
    #[arg(long, value_enum, default_value_t = Paths::Keep)]
    pub paths: Paths,
    /// Modification time and executable bit of files
    ///
    /// With keep, a file has those that an upseal client states. A time in the future becomes the present.
    #[arg(long, value_enum, default_value_t = KeepMeta::Keep)]
    pub meta: KeepMeta,
    /// What becomes of a file whose name another file has
    ///
    /// A file with the name and content of a stored one is never stored again, and counts as stored.
    #[arg(long, value_enum, default_value_t = Existing::Rename)]
    pub existing: Existing,
    /// How small files that arrive together are synced to disk
    #[arg(long, value_enum, default_value_t = Durability::Group)]
    pub durability: Durability,
    /// Digest of received files
    ///
    /// With none, the server gives no receipts and stores a file again that it has already.
    #[arg(long, value_enum, default_value_t = FileDigest::Sha256)]
    pub digest: FileDigest,
    /// Time for which rows of received files are kept, such as 90d [default: for ever]
    ///
    /// A row stays at least as long as its file is in the folder, because `upseal audit` compares the two. Rows of files that
    /// were removed or replaced before this time are deleted once a day, in small steps, so that the history does not
    /// grow for ever.
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    pub keep_history: Option<Retention>,
    /// Pause between the four parts of the MODE 3 reply [default: 0ms]
    ///
    /// Some clients read each part with one recv; 20ms is enough on a busy machine too.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "0ms",
        hide_default_value = true,
        help_heading = THIRD_PARTY_CLIENTS
    )]
    pub reply_gap: Gap,
    /// First part of the MODE 3 reply
    #[arg(
        long,
        value_name = "PART",
        value_enum,
        default_value_t = ReplyOrder::SignatureFirst,
        help_heading = THIRD_PARTY_CLIENTS
    )]
    pub reply_order: ReplyOrder,
    /// Serve metrics and health over HTTP [default: off]
    ///
    /// /metrics is for Prometheus. /health/live answers while the program runs, and /health/ready while it can store
    /// files. The pages have no password: an address beyond loopback shows them to everyone who reaches it.
    #[arg(long, value_name = "ADDR:PORT", env = "UPSEAL_METRICS", hide_short_help = true)]
    pub metrics: Option<Bind>,
    /// Time for sessions to finish after SIGTERM [default: 30s]
    ///
    /// The server accepts no further clients, and each session ends after its present file. A client that has more files
    /// connects again and sends them to the server that follows. What has not finished then is reset, and the exit code is
    /// 1. A second signal does so at once.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "30s",
        hide_default_value = true,
        conflicts_with = "ui"
    )]
    pub drain: Patience,
    /// Serve one client and exit
    ///
    /// A connection without a complete message, such as a port scan, does not count.
    #[arg(long)]
    pub once: bool,
    /// Print one JSON event a line
    #[arg(long)]
    pub json: bool,
    /// Least important lines of the text log
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = LogLevel::Info, conflicts_with = "ui")]
    pub log_level: LogLevel,
    /// Append the log to this file instead of printing it [default: none]
    ///
    /// The file is created for its owner alone. SIGHUP opens it again, for programs that rotate logs. Each line has the
    /// time and the level; with --json each line is an event. If the file cannot be written the server goes on, and says
    /// later how many lines are missing.
    #[arg(long, value_name = "FILE", conflicts_with = "ui")]
    pub log_file: Option<PathBuf>,
    /// Who may connect.
    #[command(flatten)]
    pub access: Access,
    /// Limits of what clients may take.
    #[command(flatten)]
    pub limits: Limits,
    /// Options that the command line or the environment decides.
    #[arg(skip)]
    pub given: Given,
}
