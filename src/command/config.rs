//! `upseal config`: the configuration file.

use std::fs;
use std::io::{ErrorKind, Write as _};

use crate::cli::ConfigCommand;
use crate::config::ConfigError;
use crate::event::Fault;
use crate::folders;
use crate::messages::Escaped;
use crate::output;

/// What `config init` writes: every key, as a comment.
const TEMPLATE: &str = include_str!("../../assets/config.toml");

/// Writes the file, or prints its path. Returns the exit code.
///
/// # Errors
/// The file exists or cannot be written, or its place is unknown.
pub(crate) fn run(command: &ConfigCommand) -> Result<u8, Fault> {
    let unwritable = |path: &std::path::Path, error| ConfigError::Unwritable { path: path.to_owned(), error };
    let path = folders::settings()
        .map_err(|error| unwritable("UPSEAL_CONFIG".as_ref(), error))?
        .ok_or(ConfigError::NoPlace)?;
    let shown = Escaped::path(&path);
    match command {
        ConfigCommand::Path => output::line(&path.to_string_lossy()),
        ConfigCommand::Init => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(|error| unwritable(&path, error))?;
            }
            let file = fs::OpenOptions::new().write(true).create_new(true).open(&path);
            let written = file.and_then(|mut file| file.write_all(TEMPLATE.as_bytes()));
            match written {
                Ok(()) => output::line(&format!("written: {shown}")),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    return Err(Fault::usage(format!("{shown} exists"))
                        .with_advice("edit it, or remove it before `upseal config init`"));
                }
                Err(error) => return Err(unwritable(&path, error).into()),
            }
        }
    }
    Ok(0)
}
