//! The command line: types only. Its names and the exit codes are a contract (DESIGN.md).

mod trust;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::trust::{Certs, Known, KnownCommand, List};
use crate::event::{
    AuthMessage, Dialect, EmptyFile, Expected, Framing, KeyForm, KeyLength, NameAs, Padding, Variant,
};

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
    /// Send one file through several lanes, in turn, and compare.
    Race(Race),
    /// Make, sign and show certificates.
    Certs {
        /// What to do with certificates.
        #[command(subcommand)]
        command: Certs,
    },
    /// The servers that were met before, by their keys.
    Known(Known),
}

/// Arguments of the terminal UI.
#[derive(Debug, Args)]
pub struct Ui {
    /// The folder to begin in.
    pub dir: Option<PathBuf>,
    /// A server elsewhere, instead of the embedded one.
    #[arg(long, value_name = "HOST:PORT", env = "UPSEAL_TO")]
    pub to: Option<String>,
    /// What to speak.
    #[command(flatten)]
    pub speak: Speak,
}

/// How a client speaks.
#[derive(Debug, Clone, Args)]
pub struct Speak {
    /// The variant of the protocol.
    #[arg(short, long, value_enum, default_value_t = VariantArg::Cp2, env = "UPSEAL_PROTOCOL")]
    pub protocol: VariantArg,
    /// RSA padding of CP1's blocks and of CP2's session key.
    #[arg(long, value_enum, default_value_t = PaddingArg::Oaep, env = "UPSEAL_PADDING")]
    pub padding: PaddingArg,
    /// How CP1's blocks follow MODE 1.
    #[arg(long, value_enum, ignore_case = true, default_value_t = FramingArg::A, env = "UPSEAL_FRAMING")]
    pub framing: FramingArg,
    /// The CA that must have signed the server's certificate, PEM.
    #[arg(long, value_name = "FILE", default_value = "certs/cacsertificate.crt", env = "UPSEAL_CA")]
    pub ca: PathBuf,
    /// The server's key must be this one, whatever is known of it.
    #[arg(long, value_name = "sha256:HEX", value_parser = trust::pin)]
    pub pin: Option<String>,
    /// The server's certificate must have exactly this CN.
    #[arg(long, value_name = "CN")]
    pub expect: Option<String>,
    /// What the server is asked to sign.
    #[arg(long, value_enum, default_value_t = AuthMessageArg::Ascii, help_heading = OTHERS)]
    pub auth_message: AuthMessageArg,
    /// How CP2's session key and token are written.
    #[arg(long, value_enum, default_value_t = KeyFormArg::Fernet, help_heading = OTHERS)]
    pub key_form: KeyFormArg,
    /// Bytes of the length before CP2's session key.
    #[arg(long, value_enum, default_value_t = KeyLengthArg::Eight, help_heading = OTHERS)]
    pub key_length_bytes: KeyLengthArg,
    /// How CP1 sends an empty file: one block with nothing in it, or no block.
    #[arg(long, value_enum, default_value_t = EmptyArg::Block, help_heading = OTHERS)]
    pub empty: EmptyArg,
    /// What MODE 0 carries: the name, or the path as typed.
    #[arg(long, value_enum, default_value_t = NameAsArg::Base, help_heading = OTHERS)]
    pub name_as: NameAsArg,
}

/// Stands over the options that some servers of other people need.
const OTHERS: &str = "For servers that other people wrote";

impl Speak {
    /// Which server is meant, of those that the CA certified.
    #[must_use]
    pub fn expected(&self) -> Expected {
        Expected { pin: self.pin.clone(), name: self.expect.clone() }
    }

    /// As the protocol's value.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        Dialect {
            variant: self.protocol.variant(),
            padding: self.padding.padding(),
            framing: self.framing.framing(),
            key_form: match self.key_form {
                KeyFormArg::Fernet => KeyForm::Fernet,
                KeyFormArg::Raw => KeyForm::Raw,
            },
            key_length: match self.key_length_bytes {
                KeyLengthArg::Eight => KeyLength::Eight,
                KeyLengthArg::Sixteen => KeyLength::Sixteen,
            },
            empty: match self.empty {
                EmptyArg::Block => EmptyFile::Block,
                EmptyArg::Zero => EmptyFile::Zero,
            },
            auth_message: match self.auth_message {
                AuthMessageArg::Ascii => AuthMessage::Ascii,
                AuthMessageArg::Timestamp => AuthMessage::Timestamp,
                AuthMessageArg::Random32 => AuthMessage::Random32,
            },
            name_as: match self.name_as {
                NameAsArg::Base => NameAs::Base,
                NameAsArg::Path => NameAs::Path,
            },
        }
    }
}

/// `upseal send`.
#[derive(Debug, Args)]
pub struct Send {
    /// The server.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:4321", env = "UPSEAL_TO")]
    pub to: String,
    /// What to speak.
    #[command(flatten)]
    pub speak: Speak,
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

/// `upseal serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen. Beyond loopback, --accept must be spelled out.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:4321", env = "UPSEAL_BIND")]
    pub bind: SocketAddr,
    /// The folder for received files.
    #[arg(long, value_name = "DIR", default_value = "recv_files", env = "UPSEAL_STORE")]
    pub store: PathBuf,
    /// The folder with the server's certificate and private key (`certs init` makes it).
    #[arg(long, value_name = "DIR", default_value = "certs", env = "UPSEAL_CERTS")]
    pub certs: PathBuf,
    /// The variants to accept; on loopback all, when not given.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "VARIANTS")]
    pub accept: Option<Vec<VariantArg>>,
    /// The paddings to accept in CP1.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "oaep,pkcs1v15", value_name = "PADDINGS")]
    pub accept_padding: Vec<PaddingArg>,
    /// Refuse larger files: bytes, or with KiB, MiB, GiB.
    #[arg(long, value_name = "SIZE", default_value = "64GiB")]
    pub max_file: Size,
    /// Serve one connection and exit.
    #[arg(long)]
    pub once: bool,
    /// One JSON event a line on stdout.
    #[arg(long)]
    pub json: bool,
}

/// `upseal race`.
#[derive(Debug, Args)]
pub struct Race {
    /// Two or more of VARIANT or VARIANT@HOST:PORT; without an address, an embedded server.
    #[arg(long, value_delimiter = ',', default_value = "cp1,cp2", value_name = "LANES")]
    pub lanes: Vec<LaneArg>,
    /// RSA padding of CP1's blocks and of CP2's session key.
    #[arg(long, value_enum, default_value_t = PaddingArg::Oaep, env = "UPSEAL_PADDING")]
    pub padding: PaddingArg,
    /// The CA of the servers that are named, PEM.
    #[arg(long, value_name = "FILE", default_value = "certs/cacsertificate.crt", env = "UPSEAL_CA")]
    pub ca: PathBuf,
    /// Only the file's beginning: bytes, or with KiB, MiB, GiB.
    #[arg(long, value_name = "SIZE")]
    pub first: Option<Size>,
    /// One JSON event a line on stdout.
    #[arg(long)]
    pub json: bool,
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// [`Variant`], as it is written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VariantArg {
    /// No protection.
    Plain,
    /// The server proves itself; content in clear.
    Ap,
    /// AP, and RSA on every block.
    Cp1,
    /// AP, and a Fernet session key.
    Cp2,
}

impl VariantArg {
    /// The value.
    #[must_use]
    pub const fn variant(self) -> Variant {
        match self {
            Self::Plain => Variant::Plain,
            Self::Ap => Variant::Ap,
            Self::Cp1 => Variant::Cp1,
            Self::Cp2 => Variant::Cp2,
        }
    }
}

/// [`Padding`], as it is written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PaddingArg {
    /// OAEP with SHA-256.
    Oaep,
    /// PKCS #1 v1.5.
    Pkcs1v15,
}

impl PaddingArg {
    /// The value.
    #[must_use]
    pub const fn padding(self) -> Padding {
        match self {
            Self::Oaep => Padding::Oaep,
            Self::Pkcs1v15 => Padding::Pkcs1v15,
        }
    }
}

/// [`Framing`], as it is written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
pub enum FramingArg {
    /// All blocks as one M2.
    A,
    /// The number of blocks, then (length, block) pairs.
    B,
    /// The file's length, then (length, block) pairs.
    C,
    /// (length, block) pairs and a terminator.
    D,
    /// (length, block) pairs.
    E,
    /// The encrypted length, then (length, block) pairs.
    F,
}

impl FramingArg {
    /// The value.
    #[must_use]
    pub const fn framing(self) -> Framing {
        match self {
            Self::A => Framing::A,
            Self::B => Framing::B,
            Self::C => Framing::C,
            Self::D => Framing::D,
            Self::E => Framing::E,
            Self::F => Framing::F,
        }
    }
}

/// [`AuthMessage`], as it is written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuthMessageArg {
    /// Our hello: random, in ASCII, and says what follows.
    Ascii,
    /// Our hello with the time in it.
    Timestamp,
    /// 32 random bytes.
    Random32,
}

/// [`KeyForm`], as it is written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyFormArg {
    /// 44 characters, and a Fernet token.
    Fernet,
    /// 32 bytes, and a token without base64.
    Raw,
}

/// [`KeyLength`], as it is written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyLengthArg {
    /// Like every other length.
    #[value(name = "8")]
    Eight,
    /// Twice that.
    #[value(name = "16")]
    Sixteen,
}

/// [`EmptyFile`], as it is written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EmptyArg {
    /// One block with nothing in it.
    Block,
    /// No block.
    Zero,
}

/// [`NameAs`], as it is written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NameAsArg {
    /// The path's last part.
    Base,
    /// The path as typed.
    Path,
}

/// `cp1` or `cp1@HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneArg {
    /// How.
    pub variant: Variant,
    /// Where to; `None`: the embedded server.
    pub address: Option<String>,
}

impl FromStr for LaneArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, address) = match text.split_once('@') {
            Some((_, "")) => return Err("an address must follow '@'".to_owned()),
            Some((name, address)) => (name, Some(address.to_owned())),
            None => (text, None),
        };
        let variant = VariantArg::from_str(name, true)
            .map_err(|_| format!("'{name}' is none of plain, ap, cp1, cp2"))?
            .variant();
        Ok(Self { variant, address })
    }
}

/// An amount of bytes: `812`, `64KiB`, `8M`, `64GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let shift = match text[digits..].trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kib" => 10,
            "m" | "mib" => 20,
            "g" | "gib" => 30,
            "t" | "tib" => 40,
            unit => return Err(format!("'{unit}' is none of KiB, MiB, GiB, TiB")),
        };
        let number: u64 = text[..digits].parse().map_err(|_| "a whole number is expected".to_owned())?;
        number.checked_mul(1 << shift).map(Self).ok_or_else(|| "too large".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_and_lanes_are_read_or_refused() {
        let size = |text: &str| text.parse::<Size>().map(|size| size.0);
        assert_eq!(size("812"), Ok(812));
        assert_eq!(size("64KiB"), Ok(64 << 10));
        assert_eq!(size("8 m"), Ok(8 << 20));
        assert_eq!(size("64GiB"), Ok(64 << 30));
        for bad in ["", "GiB", "-1", "1.5GiB", "1kb", "99999999999999999999", "99999999TiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        let lane = |text: &str| text.parse::<LaneArg>();
        assert_eq!(lane("cp1"), Ok(LaneArg { variant: Variant::Cp1, address: None }));
        assert_eq!(
            lane("Plain@[::1]:4321"),
            Ok(LaneArg { variant: Variant::Plain, address: Some("[::1]:4321".to_owned()) })
        );
        assert!(lane("cp3").is_err() && lane("cp1@").is_err());
    }
}
