//! Places of the program's own files, in the user's folders by the XDG Base Directory specification.
//!
//! Every function returns `None` if the home folder is unknown (`$HOME` is not set and the system has no entry for
//! this user). A variable that is set to the empty string counts as unset.

use std::env;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

use etcetera::BaseStrategy as _;

/// Subfolder of each XDG folder.
const PROGRAM: &str = "upseal";

/// Returns the history's file: `$UPSEAL_HISTORY`, or `history.db` in the data folder.
#[must_use]
pub(crate) fn history() -> Option<PathBuf> {
    named("UPSEAL_HISTORY").or_else(|| data("history.db"))
}

/// Returns the calibration's file, which lies beside the history.
#[must_use]
pub(crate) fn calibration() -> Option<PathBuf> {
    Some(history()?.with_file_name("calibration.json"))
}

/// Returns the file of known servers: `$UPSEAL_KNOWN`, or `known_servers` in the data folder.
#[must_use]
pub(crate) fn known_servers() -> Option<PathBuf> {
    named("UPSEAL_KNOWN").or_else(|| data("known_servers"))
}

/// Returns the folder of the identity with which this computer shares.
#[must_use]
pub(crate) fn share() -> Option<PathBuf> {
    data("share")
}

/// Returns the folder for files that the screen's embedded server receives.
#[must_use]
pub(crate) fn received() -> Option<PathBuf> {
    data("received")
}

/// Returns the folder for recordings that are saved from the screen.
#[must_use]
pub(crate) fn captures() -> Option<PathBuf> {
    data("captures")
}

/// Returns the file of the screen's latest folders and servers.
#[must_use]
pub(crate) fn recent() -> Option<PathBuf> {
    data("recent.json")
}

/// Returns the folder for receipts.
#[must_use]
pub(crate) fn receipts() -> Option<PathBuf> {
    data("receipts")
}

/// File of settings that the command line names.
static SETTINGS: OnceLock<PathBuf> = OnceLock::new();

/// Uses this file of settings from now on. Only the first call of a process has an effect.
pub(crate) fn use_settings(path: PathBuf) {
    let _ = SETTINGS.set(path);
}

/// Returns the file of settings: the one of `--config`, `$UPSEAL_CONFIG`, or `config.toml` in the configuration folder.
///
/// # Errors
/// `$UPSEAL_CONFIG` is a relative path, and the working folder is unknown.
pub(crate) fn settings() -> io::Result<Option<PathBuf>> {
    if let Some(path) = SETTINGS.get().cloned().or_else(|| named("UPSEAL_CONFIG")) {
        return std::path::absolute(path).map(Some);
    }
    let base = etcetera::choose_base_strategy().ok();
    Ok(base.map(|base| base.config_dir().join(PROGRAM).join("config.toml")))
}

fn named(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn data(name: &str) -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.data_dir().join(PROGRAM).join(name))
}
