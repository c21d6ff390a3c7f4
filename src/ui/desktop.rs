//! The desktop's file manager.

use std::path::Path;
use std::{env, io};

/// Opens a folder in the desktop's file manager. Returns `false` if there is no desktop that the user sees: over SSH, a
/// window would open on the other computer.
///
/// # Errors
/// No program opens folders here.
pub(super) fn open(folder: &Path) -> io::Result<bool> {
    let is_here = is_here(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
    if is_here {
        // It does not wait for the file manager, and gives it no terminal to write to.
        open::that_detached(folder)?;
    }
    Ok(is_here)
}

/// Returns whether the user sees this computer's desktop.
fn is_here(is_set: impl Fn(&str) -> bool) -> bool {
    let has_desktop = cfg!(target_os = "macos") || is_set("WAYLAND_DISPLAY") || is_set("DISPLAY");
    has_desktop && !is_set("SSH_CONNECTION") && !is_set("SSH_TTY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_opened_only_where_its_window_is_seen() {
        let with = |set: &'static [&str]| move |name: &str| set.contains(&name);
        assert!(is_here(with(&["DISPLAY"])) && is_here(with(&["WAYLAND_DISPLAY"])));
        assert!(!is_here(with(&["DISPLAY", "SSH_CONNECTION"])) && !is_here(with(&["DISPLAY", "SSH_TTY"])));
        assert!(cfg!(target_os = "macos") || !is_here(with(&[])));
    }
}
