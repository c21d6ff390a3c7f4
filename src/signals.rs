//! The signals that end the program.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Returns the signals that end the program in order: SIGINT, SIGTERM, and SIGHUP unless this process ignores it.
///
/// `nohup` starts a program with SIGHUP ignored, and a handler would undo that. Call this function before any handler
/// for SIGHUP is installed.
#[must_use]
pub fn ending() -> Vec<i32> {
    let mut signals = vec![SIGINT, SIGTERM];
    if !is_ignored(SIGHUP) {
        signals.push(SIGHUP);
    }
    signals
}

/// Returns whether SIGHUP asks a server to read its settings again: no terminal can hang up, because this process has
/// none, and `nohup` has not turned the signal off.
#[must_use]
pub(crate) fn hangup_reloads() -> bool {
    let stat = std::fs::read_to_string("/proc/self/stat");
    !is_ignored(SIGHUP) && stat.is_ok_and(|stat| !has_terminal(&stat))
}

/// Returns whether the line of `/proc/self/stat` names a controlling terminal: the fifth field behind the program's name.
/// An unreadable line counts as one, because SIGHUP then ends the program as it always did.
fn has_terminal(stat: &str) -> bool {
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace());
    fields.and_then(|mut fields| fields.nth(4)) != Some("0")
}

/// Returns whether this process ignores a signal. It is read from `/proc`, because the system call needs `unsafe`.
/// Without `/proc`, no signal counts as ignored.
fn is_ignored(signal: i32) -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| is_in_mask(&status, signal))
}

/// Returns whether a signal is set in the line `SigIgn` of `/proc/self/status`: a hexadecimal mask, whose lowest bit
/// is signal 1.
fn is_in_mask(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    u32::try_from(signal - 1).is_ok_and(|bit| mask.checked_shr(bit).unwrap_or(0) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_ignored_if_its_bit_is_set_in_the_mask() {
        let status =
            |mask: &str| format!("Name:\tupseal\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\nSigCgt:\t0\n");
        assert!(is_in_mask(&status("0000000000000001"), SIGHUP));
        assert!(is_in_mask(&status("0000000000001003"), SIGINT));
        for (mask, signal) in
            [("0000000000001000", SIGHUP), ("0000000000000001", SIGINT), ("", SIGHUP), ("x", SIGHUP)]
        {
            assert!(!is_in_mask(&status(mask), signal), "{mask:?} {signal}");
        }
        assert!(!is_in_mask("", SIGHUP) && !is_in_mask(&status("ffffffffffffffff"), 0));
        assert!(!is_in_mask(&status("ffffffffffffffff"), 65));
    }

    #[test]
    fn a_process_without_a_terminal_has_the_number_0() {
        assert!(!has_terminal("1234 (a) b) S 1 1234 1234 0 -1 4194560"));
        assert!(has_terminal("1234 (upseal) S 1 1234 1234 34816 1234 4194560"));
        assert!(has_terminal("") && has_terminal("1234 (upseal) S 1"));
    }

    #[test]
    fn sigint_and_sigterm_always_end_the_program() {
        assert_eq!(ending()[..2], [SIGINT, SIGTERM]);
    }
}
