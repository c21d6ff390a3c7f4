//! The command lines that help a shell and its reader: `completions` and `man`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// A shell that completions are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, strum::VariantArray)]
pub(crate) enum Shell {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// Friendly interactive shell
    Fish,
    /// PowerShell
    #[value(name = "powershell", alias = "pwsh")]
    Power,
    /// Nu shell
    #[value(name = "nushell", alias = "nu")]
    Nu,
}

/// `upseal completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Shell to write completions for
    pub shell: Shell,
}

/// `upseal man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Folder of the pages; it is created if need be
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}
