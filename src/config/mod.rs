//! Merges flags, a preset, the environment, the configuration file and the defaults into one [`Settings`].
//!
//! ```text
//!  flag  >  --peer NAME  >  UPSEAL_*  >  top of the file  >  default
//! ```
//!
//! Each of the first four is a [`Layer`], which sets some keys. The first layer that sets a key decides it. A preset
//! overrides the environment because it is named on the command line.
//!
//! - `file`: reads the file of defaults and presets (TOML)
//! - `serving`: the table of a server's settings
//! - `save`: writes a preset into it; the user's comments and order stay

mod file;
mod save;
mod serving;

#[cfg(test)]
mod tests;

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use strum::VariantArray as _;

use crate::cli::{KeepMeta, TwoPins};
use crate::event::{
    Blame, Destination, Dialect, Expected, Fault, FaultKind, Jobs, Limit, ServerAddress, Target,
};
use crate::messages::escape;

pub(crate) use crate::cli::{Layer, ReportLayer, ScreenLayer, Setting};

pub(crate) use self::file::{File, Peer};
pub(crate) use self::save::Existing;
pub(crate) use self::serving::serve_rows;

/// The CA by default: the file that `certs init` writes.
const USUAL_CA: &str = "certs/cacsertificate.crt";

/// The server and the dialect, decided from all sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Address of the server; `None` if no source sets it. Each command has its own default.
    pub to: Option<ServerAddress>,
    /// File of the CA that must have signed the server's certificate; `None`: only the pin is compared.
    pub ca: Option<PathBuf>,
    /// Settings of the protocol.
    pub dialect: Dialect,
    /// Fingerprint of the server's key, as it was written.
    pub pin: Option<String>,
    /// Common name of the server's certificate.
    pub expect: Option<String>,
    /// Limit of the bytes of uploads on the wire.
    pub limit: Limit,
    /// The most connections to our server that send files at the same time.
    pub jobs: Jobs,
    /// Whether the modification time and the executable bit of files are sent.
    pub meta: bool,
}

impl Settings {
    /// Returns the requirements on the server, beyond the CA's signature.
    #[must_use]
    pub(crate) fn expected(&self) -> Expected {
        Expected { pin: self.pin.clone(), name: self.expect.clone() }
    }

    /// Returns the named server, or else the embedded one.
    #[must_use]
    pub(crate) fn target(&self) -> Target {
        match &self.to {
            None => Target::Embedded,
            Some(address) => {
                Target::Server { address: address.clone(), ca: self.ca.clone(), expected: self.expected() }
            }
        }
    }
}

/// Fills what the layer leaves open with the defaults.
impl From<Layer> for Settings {
    fn from(layer: Layer) -> Self {
        let dialect = layer.dialect();
        let (to, pin) = match layer.to {
            Some(Destination { address, pin }) => (Some(address), pin.map(|pin| pin.to_string())),
            None => (None, None),
        };
        let pin = layer.pin.or(pin);
        Self {
            dialect,
            to,
            ca: layer.ca.or_else(|| pin.is_none().then(|| PathBuf::from(USUAL_CA))),
            pin,
            expect: layer.expect,
            limit: layer.limit.unwrap_or_default(),
            jobs: layer.jobs.unwrap_or_default(),
            meta: layer.meta.unwrap_or_default() == KeepMeta::Keep,
        }
    }
}

/// The sources of settings besides the command line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// Variables `UPSEAL_*`.
    pub environment: Layer,
    /// File of defaults and presets.
    pub file: File,
}

impl Sources {
    /// Reads the environment, and the file if it exists.
    pub(crate) fn load() -> Result<Self, ConfigError> {
        Ok(Self { environment: environment(&|name| env::var_os(name))?, file: File::load()? })
    }

    /// Merges the sources with these flags and this preset.
    pub(crate) fn settle(&self, flags: Layer, peer: Option<&str>) -> Result<Settings, ConfigError> {
        let preset = peer.map(|name| self.file.peer(name).cloned()).transpose()?.unwrap_or_default();
        // The pin of a link on the command line replaces that of a preset's server.
        let merged = self.merge(flags.with_link()?.or(preset.with_link()?));
        Ok(merged.with_link()?.into())
    }

    /// Returns the settings of every preset as if it were chosen in the UI, in the order of the file. A preset chosen there
    /// overrides the flags.
    #[must_use]
    pub(crate) fn peers(&self, flags: &Layer) -> Vec<(String, Settings)> {
        // A pin and a common name belong to the flags' server, not to a preset's.
        let flags = Layer { pin: None, expect: None, ..flags.clone() };
        let peers = self.file.peers.iter();
        peers
            .map(|peer| (peer.name.clone(), self.merge(peer.layer.clone().or(flags.clone())).into()))
            .collect()
    }

    /// Fills what flags and a preset leave open from the environment and the file. A CA that is only a default there is
    /// not that of a server with a pin: the pin alone names its key.
    fn merge(&self, named: Layer) -> Layer {
        let ca = named.ca.clone();
        let mut merged = named.or(self.environment.clone()).or(self.file.defaults.clone());
        if merged.pin.is_some() || merged.to.as_ref().is_some_and(|to| to.pin.is_some()) {
            merged.ca = ca;
        }
        merged
    }
}

/// Reads the variables `UPSEAL_*`. An empty variable sets nothing.
fn environment(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Layer, ConfigError> {
    let mut layer = Layer::default();
    for key in Setting::VARIANTS.iter().copied().filter(|key| !key.is_of_one_server()) {
        let name = key.variable();
        let Some(value) = variable(&name).filter(|value| !value.is_empty()) else { continue };
        if key == Setting::Ca {
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

/// Reads how text looks: the flags, then the variables, then the file.
pub(crate) fn appearance(flags: ScreenLayer) -> Result<ScreenLayer, ConfigError> {
    let variables = screen_variables(&|name| env::var_os(name))?;
    Ok(flags.or(variables).or(File::load()?.screen))
}

/// Reads the variables of the keys of `[ui]` that have one. An empty variable sets nothing.
fn screen_variables(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<ScreenLayer, ConfigError> {
    let mut layer = ScreenLayer::default();
    for (key, name) in ScreenLayer::VARIABLES {
        let Some(value) = variable(name).filter(|value| !value.is_empty()) else { continue };
        let text = value.to_string_lossy();
        layer.set(key, &text).map_err(|allowed| ConfigError::Variable {
            name: (*name).to_owned(),
            value: escape(&text).to_string(),
            allowed,
        })?;
    }
    Ok(layer)
}

/// Why the settings could not be read, merged or saved. Text from the file is escaped.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A line of the file is invalid.
    #[error("{}, line {line}: {what}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong in the line.
        what: String,
        /// What is allowed there.
        allowed: String,
    },
    /// A variable has an invalid value.
    #[error("invalid value '{value}' in the variable {name}")]
    Variable {
        /// Name of the variable.
        name: String,
        /// Its value, escaped.
        value: String,
        /// The allowed values.
        allowed: String,
    },
    /// The file exists and cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The file cannot be written. It is unchanged.
    #[error("cannot write {}: {error}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Neither `UPSEAL_CONFIG` nor a home folder is set.
    #[error("cannot find the folder of the configuration file")]
    NoPlace,
    /// A link and `--pin` name different keys.
    #[error("the link and the pin name different keys")]
    TwoPins,
    /// No preset has this name.
    #[error("no preset '{name}'{}", in_file(path.as_ref()))]
    UnknownPeer {
        /// The requested name, escaped.
        name: String,
        /// Path of the file, if it is known.
        path: Option<PathBuf>,
        /// Names of the existing presets.
        known: Vec<String>,
    },
    /// A preset of this name exists.
    #[error("the preset '{name}' exists")]
    Taken {
        /// The name.
        name: String,
    },
    /// The name is not a name for a preset.
    #[error("invalid preset name '{name}'")]
    BadName {
        /// The name.
        name: String,
    },
    /// A path that is not UTF-8, which TOML requires.
    #[error("cannot save {}: the path is not UTF-8", path.display())]
    NotText {
        /// The path.
        path: PathBuf,
    },
}

fn in_file(path: Option<&PathBuf>) -> String {
    path.map(|path| format!(" in {}", path.display())).unwrap_or_default()
}

impl ConfigError {
    /// Returns what to do next.
    fn advice(&self) -> String {
        match self {
            Self::Wrong { allowed, .. } | Self::Variable { allowed, .. } => allowed.clone(),
            Self::NoPlace => "set HOME, or UPSEAL_CONFIG to the file's path".to_owned(),
            Self::UnknownPeer { name, known, .. } => {
                let known = if known.is_empty() {
                    "no preset is saved".to_owned()
                } else {
                    format!("saved presets: {}", known.join(", "))
                };
                let name = if file::is_name(name) { name } else { "NAME" };
                format!("{known}; save one with `upseal peers save {name} --to HOST:PORT …`")
            }
            Self::TwoPins => "leave out --pin: the link names the server's key".to_owned(),
            Self::Taken { .. } => "replace it with --force".to_owned(),
            Self::BadName { .. } => file::NAMES.to_owned(),
            Self::Unreadable { .. } => {
                "make it readable, or set UPSEAL_CONFIG to another file (/dev/null for none)".to_owned()
            }
            Self::Unwritable { .. } => "set UPSEAL_CONFIG to a file that can be written".to_owned(),
            Self::NotText { .. } => String::new(),
        }
    }
}

impl From<TwoPins> for ConfigError {
    fn from(_: TwoPins) -> Self {
        Self::TwoPins
    }
}

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        let kind = match error {
            ConfigError::Unreadable { .. } | ConfigError::Unwritable { .. } => FaultKind::Local,
            _ => FaultKind::Usage,
        };
        Self::new(kind, Blame::User, error.to_string()).with_advice(error.advice())
    }
}
