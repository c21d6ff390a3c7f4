//! The command line of `upseal certs` and `upseal known`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::digest::Digest;

/// `upseal certs`.
#[derive(Debug, Subcommand)]
pub enum Certs {
    /// Make a CA and a server's two keys; never overwrites.
    Init {
        /// Where to write them.
        #[arg(long, value_name = "DIR", default_value = "certs", env = "UPSEAL_CERTS")]
        dir: PathBuf,
        /// Bits of the server key's modulus; the course's has 1024. The receipt key has as many, and at least 2048.
        #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1024..=8192))]
        bits: u32,
        /// Days until the server's certificates end.
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
    /// Make a key and a request for a CA; never overwrites.
    Csr {
        /// Where to write them.
        #[arg(long, value_name = "DIR", default_value = "certs", env = "UPSEAL_CERTS")]
        dir: PathBuf,
        /// The server's name, 1 to 64 characters.
        #[arg(long, value_name = "NAME", required_unless_present = "receipts")]
        cn: Option<String>,
        /// Make the key that signs receipts, for the server whose certificate or request is in DIR.
        #[arg(long, conflicts_with = "cn")]
        receipts: bool,
        /// Bits of the key's modulus; the course's has 1024. A receipt key has at least 2048.
        #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1024..=8192))]
        bits: u32,
    },
    /// Sign somebody's request with our CA.
    Sign {
        /// The request, PEM.
        #[arg(value_name = "CSR")]
        request: PathBuf,
        /// The folder that `certs init` made, with the CA and its key.
        #[arg(long, value_name = "DIR", default_value = "certs", env = "UPSEAL_CERTS")]
        ca_dir: PathBuf,
        /// The CA's certificate, PEM, instead of --ca-dir.
        #[arg(long, value_name = "FILE", requires = "ca_key")]
        ca: Option<PathBuf>,
        /// The CA's private key, PEM.
        #[arg(long, value_name = "FILE", requires = "ca")]
        ca_key: Option<PathBuf>,
        /// Days until the certificate ends.
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
        /// Where to write the certificate, never over another file; stdout, when not given.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Show what a certificate says, and the pin of its key.
    Show {
        /// The certificate, PEM.
        file: PathBuf,
        /// Also say whether a client with this CA accepts it; exit code 4 if not.
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
    },
}

/// `upseal known`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Known {
    /// What to do with them; to list them, when not given.
    #[command(subcommand)]
    pub command: Option<KnownCommand>,
    /// How to list them.
    #[command(flatten)]
    pub list: List,
}

/// How known servers are listed.
#[derive(Debug, Clone, Args)]
pub struct List {
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// The subcommands of `upseal known`.
#[derive(Debug, Subcommand)]
pub enum KnownCommand {
    /// List the known servers.
    List(List),
    /// Take another key for a server's from now on. Ask its operator first.
    Accept {
        /// The server.
        #[arg(value_name = "HOST:PORT")]
        address: String,
        /// The key; the server's key or receipt key that was last refused, when not given.
        #[arg(value_name = "sha256:HEX", value_parser = pin)]
        key: Option<String>,
        /// The CA, PEM: needed where it is known under several, or not at all.
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// Bits of the key, for a server that was never met.
        #[arg(long, requires = "key", value_parser = clap::value_parser!(u32).range(1024..=8192))]
        bits: Option<u32>,
    },
    /// Forget a server: the next key that it shows is the first.
    Remove {
        /// The server.
        #[arg(value_name = "HOST:PORT")]
        address: String,
        /// The CA, PEM: needed where it is known under several.
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
    },
}

/// A fingerprint as it is typed, in one spelling.
pub(crate) fn pin(text: &str) -> Result<String, String> {
    text.parse::<Digest>().map(|digest| format!("sha256:{digest}")).map_err(|why| why.to_string())
}
