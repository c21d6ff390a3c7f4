//! The command line of `upseal certs` and `upseal known`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::examples;
use crate::digest::Digest;
use crate::event::Destination;

/// `upseal certs`.
#[derive(Debug, Subcommand)]
pub(crate) enum Certs {
    /// Create a CA and a server's two keys; never overwrites
    #[command(after_long_help = examples::CERTS_INIT)]
    Init {
        /// Folder to write to
        #[arg(long, value_name = "DIR", default_value = "certs", env = "UPSEAL_CERTS")]
        dir: PathBuf,
        /// Bits of the server key's modulus
        ///
        /// The assignment's key has 1024. The receipt key has as many bits, and at least 2048.
        #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1024..=8192))]
        bits: u32,
        /// Days until the server's certificates expire
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
    /// Create a key and a request for a CA; never overwrites
    #[command(after_long_help = examples::CERTS_CSR)]
    Csr {
        /// Folder to write to
        #[arg(long, value_name = "DIR", default_value = "certs", env = "UPSEAL_CERTS")]
        dir: PathBuf,
        /// Name of the server, 1 to 64 characters [default: none; required without --receipts]
        #[arg(long, value_name = "NAME", required_unless_present = "receipts")]
        cn: Option<String>,
        /// Create the key that signs receipts
        ///
        /// It is for the server whose certificate or request is in DIR.
        #[arg(long, conflicts_with = "cn")]
        receipts: bool,
        /// Bits of the key's modulus
        ///
        /// The assignment's key has 1024. A receipt key has at least 2048.
        #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1024..=8192))]
        bits: u32,
    },
    /// Sign a certificate request with a CA
    #[command(after_long_help = examples::CERTS_SIGN)]
    Sign {
        /// Certificate request, PEM
        #[arg(value_name = "CSR")]
        request: PathBuf,
        /// Folder with the CA and its key (`upseal certs init`)
        #[arg(long, value_name = "DIR", default_value = "certs", env = "UPSEAL_CERTS")]
        ca_dir: PathBuf,
        /// Certificate of the CA, PEM [default: from --ca-dir]
        #[arg(long, value_name = "FILE", requires = "ca_key")]
        ca: Option<PathBuf>,
        /// Private key of the CA, PEM [default: from --ca-dir]
        #[arg(long, value_name = "FILE", requires = "ca")]
        ca_key: Option<PathBuf>,
        /// Days until the certificate expires
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
        /// File to write; never overwrites [default: stdout]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Show a certificate and the pin of its key
    #[command(after_long_help = examples::CERTS_SHOW)]
    Show {
        /// Certificate, PEM
        file: PathBuf,
        /// Check the certificate against this CA, PEM [default: not checked]
        ///
        /// Exit code 4: a client with this CA does not accept it.
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
    },
}

/// `upseal known`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Known {
    /// What to do with known keys; without it, they are listed.
    #[command(subcommand)]
    pub command: Option<KnownCommand>,
    /// Form of the list.
    #[command(flatten)]
    pub list: List,
}

/// `upseal known list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct List {
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// The subcommands of `upseal known`.
#[derive(Debug, Subcommand)]
pub(crate) enum KnownCommand {
    /// List the known servers
    #[command(after_long_help = examples::KNOWN_LIST)]
    List(List),
    /// Accept another key of a server; ask its operator first
    #[command(after_long_help = examples::KNOWN_ACCEPT)]
    Accept {
        /// Server, or its link, which names the key to accept
        #[arg(value_name = "HOST:PORT|LINK")]
        server: Destination,
        /// Key to accept [default: the key or receipt key that was refused last]
        #[arg(value_name = "sha256:HEX", value_parser = pin)]
        key: Option<String>,
        /// CA of the server, PEM [default: the only one it is known under]
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// Bits of the key, for a new server [default: unknown]
        #[arg(long, value_parser = clap::value_parser!(u32).range(1024..=8192))]
        bits: Option<u32>,
    },
    /// Forget a server; its next key counts as the first
    #[command(after_long_help = examples::KNOWN_REMOVE)]
    Remove {
        /// Server, or its link
        #[arg(value_name = "HOST:PORT|LINK")]
        server: Destination,
        /// CA of the server, PEM [default: the only one it is known under]
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
    },
}

/// Parses a fingerprint and returns its normal form, `sha256:` and 64 digits.
pub(crate) fn pin(text: &str) -> Result<String, String> {
    text.parse::<Digest>().map(|digest| format!("sha256:{digest}")).map_err(|why| why.to_string())
}
