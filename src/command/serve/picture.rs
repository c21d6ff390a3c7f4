//! The QR code of a link on standard error, as the terminal there can show it.

use std::env;
use std::io::{self, IsTerminal as _};

use rustix::termios::tcgetwinsize;

use crate::event::ServerLink;
use crate::output;
use crate::qr;

/// The terminal, as far as a QR code is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ground {
    /// Whether half blocks can be shown.
    is_unicode: bool,
    /// How black on white is requested; `None`: colours are not wanted or not known.
    colours: Option<&'static str>,
    /// Width in columns; `None`: not a terminal.
    columns: Option<usize>,
}

impl Ground {
    fn of(variable: impl Fn(&str) -> Option<String>, columns: Option<usize>) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(&variable).unwrap_or_default();
        let locale = locale.to_lowercase();
        let term = variable("TERM").unwrap_or_default();
        let is_plain = variable("NO_COLOR").is_some() || term.is_empty() || term == "dumb";
        Self {
            is_unicode: locale.contains("utf-8") || locale.contains("utf8"),
            colours: match columns {
                Some(_) if is_plain => None,
                // Of these two, no theme of the terminal changes the colours.
                Some(_) if term.contains("256color") => Some("\x1b[38;5;16;48;5;231m"),
                Some(_) => Some("\x1b[30;47m"),
                None => None,
            },
            columns,
        }
    }

    /// Returns the rows to print, or why there are none.
    fn draw(self, text: &str) -> Result<Vec<String>, String> {
        let rows = qr::rows(text).ok_or("no QR code: the link is too long")?;
        let width = rows.first().map_or(0, |row| row.chars().count());
        if !self.is_unicode {
            return Err(
                "no QR code: the terminal shows no Unicode, as LC_ALL, LC_CTYPE and LANG say".to_owned()
            );
        }
        if let Some(columns) = self.columns.filter(|columns| *columns < width) {
            return Err(format!("no QR code: it needs {width} columns, the terminal has {columns}"));
        }
        Ok(rows
            .into_iter()
            .map(|row| match self.colours {
                Some(colours) => format!("{colours}{row}\x1b[0m"),
                // Most terminals are dark. Most scanners read an inverted code as well.
                None => qr::inverted(&row),
            })
            .collect())
    }
}

/// Prints the QR code of a link, or why there is none.
pub(super) fn print(link: &ServerLink) {
    let stderr = io::stderr();
    let size = stderr.is_terminal().then(|| tcgetwinsize(&stderr).ok()).flatten();
    // A terminal that does not know its width says 0.
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    match Ground::of(variable, columns).draw(&link.in_capitals()) {
        Ok(rows) => rows.iter().for_each(|row| output::remark(row)),
        Err(why) => output::remark(&why),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn ground(set: &[(&str, &str)], columns: Option<usize>) -> Ground {
        let variable =
            |name: &str| set.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned());
        Ground::of(variable, columns)
    }

    #[test]
    fn a_terminal_gets_black_on_white_and_everything_else_light_blocks() {
        let utf8 = ("LANG", "C.UTF-8");
        let rows = qr::rows("upseal").unwrap();
        for (set, columns, colours) in [
            (vec![utf8, ("TERM", "xterm-256color")], Some(80), Some("\x1b[38;5;16;48;5;231m")),
            (vec![utf8, ("TERM", "linux")], Some(29), Some("\x1b[30;47m")),
            (vec![utf8, ("TERM", "xterm-256color"), ("NO_COLOR", "1")], Some(80), None),
            (vec![utf8, ("TERM", "dumb")], Some(80), None),
            (vec![utf8, ("TERM", "xterm-256color")], None, None),
        ] {
            let drawn = ground(&set, columns).draw("upseal").unwrap();
            assert_eq!(drawn.len(), rows.len(), "{set:?}");
            for (row, drawn) in rows.iter().zip(drawn) {
                let expected = match colours {
                    Some(colours) => format!("{colours}{row}\x1b[0m"),
                    None => qr::inverted(row),
                };
                assert_eq!(drawn, expected, "{set:?}");
            }
        }
    }

    #[test]
    fn a_terminal_that_cannot_show_it_says_why() {
        let narrow = ground(&[("LC_ALL", "de_DE.utf8")], Some(28)).draw("upseal");
        assert_eq!(narrow.unwrap_err(), "no QR code: it needs 29 columns, the terminal has 28");
        let ascii = ground(&[("LC_ALL", "C"), ("LANG", "C.UTF-8")], Some(80)).draw("upseal");
        assert!(ascii.unwrap_err().starts_with("no QR code: the terminal shows no Unicode"));
    }
}
