//! The clipboard: the terminal's, by OSC 52, and the desktop's, by wl-copy or xclip if there is one.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::{env, thread};

use data_encoding::BASE64;

/// Copies a text. The terminal gives no answer, so that it may be one that ignores OSC 52; then the desktop's tool has
/// copied the text.
pub(super) fn copy(terminal: &mut impl Write, text: &str) -> io::Result<()> {
    terminal.write_all(osc52(text).as_bytes())?;
    terminal.flush()?;
    if let Some((tool, args)) = tool(|name| env::var_os(name).is_some_and(|value| !value.is_empty())) {
        let text = text.to_owned();
        // A tool that hangs must not stop the screen. It is not installed everywhere, so an error is none.
        thread::Builder::new().name("clipboard".into()).spawn(move || drop(feed(tool, args, &text)))?;
    }
    Ok(())
}

/// Returns the sequence that asks a terminal to set its clipboard. Base64 keeps control characters out of it.
fn osc52(text: &str) -> String {
    format!("\x1b]52;c;{}\x07", BASE64.encode(text.as_bytes()))
}

/// Returns the desktop's tool, if the session has a desktop.
fn tool(is_set: impl Fn(&str) -> bool) -> Option<(&'static str, &'static [&'static str])> {
    if is_set("WAYLAND_DISPLAY") {
        Some(("wl-copy", &[]))
    } else if is_set("DISPLAY") {
        Some(("xclip", &["-selection", "clipboard"]))
    } else {
        None
    }
}

fn feed(tool: &str, args: &[&str], text: &str) -> io::Result<()> {
    let mut child = Command::new(tool)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes())?;
    }
    child.wait().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_reaches_the_terminal_without_control_characters_of_its_own() {
        assert_eq!(osc52("a\x1b]0;x\x07"), "\x1b]52;c;YRtdMDt4Bw==\x07");
        assert_eq!(osc52(""), "\x1b]52;c;\x07");
    }

    #[test]
    fn the_desktop_s_tool_is_used_where_there_is_a_desktop() {
        assert_eq!(tool(|_| false), None);
        assert_eq!(tool(|name| name == "DISPLAY").map(|tool| tool.0), Some("xclip"));
        assert_eq!(tool(|_| true).map(|tool| tool.0), Some("wl-copy"));
    }
}
