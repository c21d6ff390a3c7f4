//! Where to send and how to speak, from all who have a say in it, as one [`Settings`].
//!
//! ```text
//!  flag  >  --peer NAME  >  UPSEAL_*  >  top of the file  >  default
//! ```
//!
//! Each of the first four is a [`Layer`], silent on what it does not mention, and each key is
//! decided by the first that speaks. A preset is stronger than the environment because it is named
//! on the command line.
//!
//! - `layer`: the keys, and what one source says of them
//! - `file`: the file of defaults and presets (TOML), read
//! - `save`: a preset written into it, with the user's comments and order left as they are

mod file;
mod save;

#[cfg(test)]
mod tests;

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use strum::VariantArray as _;

use crate::event::{Blame, Dialect, Expected, Fault, FaultKind, Target};
use crate::messages::escape;

pub use crate::cli::{Key, Layer};

pub use self::file::{File, Peer};
pub use self::save::Existing;

/// Where `upseal send` goes if nobody says.
pub const USUAL_ADDRESS: &str = "127.0.0.1:4321";

/// The CA if nobody says which: what `certs init` writes.
const USUAL_CA: &str = "certs/cacsertificate.crt";

/// Where to send and how to speak: decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `HOST:PORT`; `None` where nobody says, and each command has its own answer to that.
    pub to: Option<String>,
    /// The CA that must have signed the server's certificate.
    pub ca: PathBuf,
    /// How to speak.
    pub dialect: Dialect,
    /// The server's key by its fingerprint, as it was written.
    pub pin: Option<String>,
    /// The common name of the server's certificate.
    pub expect: Option<String>,
}

impl Settings {
    /// Which server is meant, of those that the CA certified.
    #[must_use]
    pub fn expected(&self) -> Expected {
        Expected { pin: self.pin.clone(), name: self.expect.clone() }
    }

    /// Where to: the server that is named, else the embedded one.
    #[must_use]
    pub fn target(&self) -> Target {
        match &self.to {
            None => Target::Embedded,
            Some(address) => Target::Server {
                address: address.clone(),
                ca: Some(self.ca.clone()),
                expected: self.expected(),
            },
        }
    }
}

/// What a layer leaves open is filled with the defaults.
impl From<Layer> for Settings {
    fn from(layer: Layer) -> Self {
        Self {
            dialect: layer.dialect(),
            to: layer.to,
            ca: layer.ca.unwrap_or_else(|| PathBuf::from(USUAL_CA)),
            pin: layer.pin,
            expect: layer.expect,
        }
    }
}

/// What has a say beside the command line.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `UPSEAL_*`.
    pub environment: Layer,
    /// Defaults and presets.
    pub file: File,
}

impl Sources {
    /// Reads the environment, and the file if there is one.
    pub fn load() -> Result<Self, ConfigError> {
        Ok(Self { environment: environment(&|name| env::var_os(name))?, file: File::load()? })
    }

    /// Decides, with these flags and this preset.
    pub fn settle(&self, flags: Layer, peer: Option<&str>) -> Result<Settings, ConfigError> {
        let preset = peer.map(|name| self.file.peer(name).cloned()).transpose()?.unwrap_or_default();
        Ok(flags.or(preset).or(self.environment.clone()).or(self.file.defaults.clone()).into())
    }

    /// Every preset as it would be used if it were chosen now, after the command line was typed: it
    /// is stronger than these flags. In the order of the file.
    #[must_use]
    pub fn peers(&self, flags: &Layer) -> Vec<(String, Settings)> {
        // Whom to expect is said of one server; it says nothing of another.
        let flags = Layer { pin: None, expect: None, ..flags.clone() };
        let rest = flags.or(self.environment.clone()).or(self.file.defaults.clone());
        let peers = self.file.peers.iter();
        peers.map(|peer| (peer.name.clone(), peer.layer.clone().or(rest.clone()).into())).collect()
    }
}

/// What `UPSEAL_*` say. A variable that is set to nothing says nothing.
fn environment(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Layer, ConfigError> {
    let mut layer = Layer::default();
    for key in Key::VARIANTS.iter().copied().filter(|key| !key.is_of_one_server()) {
        let name = key.variable();
        let Some(value) = variable(&name).filter(|value| !value.is_empty()) else { continue };
        if key == Key::Ca {
            layer.ca = Some(PathBuf::from(value));
            continue;
        }
        let text = value.to_string_lossy();
        layer.set(key, &text).map_err(|allowed| ConfigError::Variable {
            name,
            value: escape(&text).to_string(),
            allowed,
        })?;
    }
    Ok(layer)
}

/// Why there are no settings. Text from the file is escaped.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A line of the file cannot be understood.
    #[error("{}, line {line}: {what}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
        /// What could stand there.
        allowed: String,
    },
    /// A variable of the environment has a value that its key cannot have.
    #[error("the environment's {name} cannot be '{value}'")]
    Variable {
        /// Which.
        name: String,
        /// Its value.
        value: String,
        /// What it could be.
        allowed: String,
    },
    /// The file exists and cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file cannot be written; the old one is as it was.
    #[error("cannot write {}: {error}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Neither `UPSEAL_CONFIG` nor a home folder says where the file is.
    #[error("cannot tell where the file of presets is")]
    NoPlace,
    /// No preset has this name.
    #[error("there is no preset '{name}'{}", in_file(path.as_ref()))]
    UnknownPeer {
        /// As it was asked for.
        name: String,
        /// The file, if there could be one.
        path: Option<PathBuf>,
        /// Those that exist.
        known: Vec<String>,
    },
    /// A preset has this name already.
    #[error("there is a preset '{name}' already")]
    Taken {
        /// The name.
        name: String,
    },
    /// A preset cannot be called this.
    #[error("a preset cannot be called '{name}'")]
    BadName {
        /// The name.
        name: String,
    },
    /// A path that TOML, which is UTF-8, cannot hold.
    #[error("{} is not UTF-8, which the file of presets demands", path.display())]
    NotText {
        /// The path.
        path: PathBuf,
    },
}

fn in_file(path: Option<&PathBuf>) -> String {
    path.map(|path| format!(" in {}", path.display())).unwrap_or_default()
}

impl ConfigError {
    /// What to do next.
    fn advice(&self) -> String {
        match self {
            Self::Wrong { allowed, .. } | Self::Variable { allowed, .. } => allowed.clone(),
            Self::NoPlace => "set HOME, or UPSEAL_CONFIG to the file's path".to_owned(),
            Self::UnknownPeer { name, known, .. } => {
                let known = if known.is_empty() {
                    "none is saved".to_owned()
                } else {
                    format!("there are: {}", known.join(", "))
                };
                let name = if file::is_name(name) { name } else { "NAME" };
                format!("{known}; `upseal peers save {name} --to HOST:PORT …` makes one")
            }
            Self::Taken { .. } => "--force replaces it".to_owned(),
            Self::BadName { .. } => file::NAMES.to_owned(),
            Self::Unreadable { .. } => {
                "make it readable, or set UPSEAL_CONFIG to another file (/dev/null for none)".to_owned()
            }
            Self::Unwritable { .. } => "set UPSEAL_CONFIG to a file that can be written".to_owned(),
            Self::NotText { .. } => String::new(),
        }
    }
}

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        let kind = match error {
            ConfigError::Unreadable { .. } | ConfigError::Unwritable { .. } => FaultKind::Local,
            _ => FaultKind::Usage,
        };
        Self { kind, blame: Blame::User, what: error.to_string(), advice: error.advice() }
    }
}
