//! Glyphs of ambiguous width (Unicode UAX 11), such as `…`, `│` and `×`: some terminals, mostly East Asian ones, draw them
//! two cells wide, which would shift everything behind them. The terminal is asked: it prints some, and says where its
//! cursor is then.

use std::env;
use std::io::{self, IsTerminal as _, Write as _, stdin, stdout};
use std::os::fd::AsFd as _;
use std::time::Duration;

use crossterm::cursor;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use unicode_width::UnicodeWidthStr as _;

/// Glyphs that the terminal prints to measure them: a frame, a cut, a separator, a factor.
const SAMPLE: &str = "│…·×";
/// Longest wait for a terminal of this computer.
const NEAR: Duration = Duration::from_millis(30);
/// Longest wait for a terminal behind a network.
const FAR: Duration = Duration::from_secs(1);

/// Prints the sample at the top left of an empty screen, asks for the position of the cursor, and wipes the sample. The
/// answer is read by [`is_wide`].
pub(super) fn ask() -> io::Result<()> {
    let mut out = stdout().lock();
    write!(out, "\x1b[H{SAMPLE}\x1b[6n\r\x1b[K")?;
    out.flush()
}

/// Reads the answer to [`ask`] and returns whether the glyphs were wide. A terminal that does not answer in time has narrow
/// ones. Nothing else may read from the terminal meanwhile; keys that were pressed before the answer are kept.
pub(super) fn is_wide() -> bool {
    let input = stdin();
    if !input.is_terminal() {
        return false;
    }
    let wait = if env::var_os("SSH_CONNECTION").is_some() { FAR } else { NEAR };
    let wait = Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: wait.subsec_nanos().into() };
    let mut fds = [PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN)];
    if !matches!(poll(&mut fds, Some(&wait)), Ok(1..)) {
        return false;
    }
    // This asks once more. Answers come in order, so the first one is about the sample; the other one is dropped.
    let column = cursor::position().map_or(0, |(column, _)| usize::from(column));
    column > SAMPLE.width()
}

/// Returns whether some terminals draw this symbol wider than others. Greek and Cyrillic letters count as narrow: most of these
/// terminals draw them so, and a name could not be read without them.
pub(super) fn is_ambiguous(symbol: &str) -> bool {
    symbol.width() != symbol.width_cjk()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_signs_are_ambiguous_and_east_asian_letters_are_not() {
        for symbol in ["│", "╭", "…", "·", "×", "→", "█", "±"] {
            assert!(is_ambiguous(symbol), "{symbol}");
        }
        for symbol in ["a", "é", "講", "한", "か", "~"] {
            assert!(!is_ambiguous(symbol), "{symbol}");
        }
        assert_eq!((SAMPLE.width(), SAMPLE.width_cjk()), (4, 8));
    }
}
