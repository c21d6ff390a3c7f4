//! From the flags of the limits to the limits of a server.

use std::path::Path;
use std::time::Duration;

use rustix::fs::statvfs;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cli::{self, Limits, Patience, Serve};
use crate::net::admission::Admission;
use crate::net::deadlines::Deadlines;
use crate::net::disk::DiskLimits;
use crate::net::penalties::Penalize;
use crate::net::work::Work;

/// Returns how long clients may take.
pub(super) fn deadlines(limits: &Limits) -> Deadlines {
    let at_least = |time: Patience| time.0.max(Duration::from_millis(1));
    let login = at_least(limits.login_grace);
    Deadlines {
        login,
        begin: 2 * login,
        idle: at_least(limits.idle_time),
        message: at_least(limits.message_time),
        silence: at_least(limits.stall_time),
        rate: limits.min_rate.0,
        ..Deadlines::default()
    }
}

/// Returns what clients may ask of the key.
pub(super) fn work(limits: &Limits) -> Work {
    Work { per_address: limits.rsa_rate, ..Work::default() }
}

/// Returns the addresses that get penalties.
pub(super) const fn penalize(limits: &Limits) -> Penalize {
    match limits.penalties {
        cli::Penalize::Off => Penalize::Off,
        cli::Penalize::Remote => Penalize::Remote,
        cli::Penalize::All => Penalize::All,
    }
}

/// Bytes that stay free by default, where that is less than a twentieth of the disk.
const MIN_FREE: u64 = 1 << 30;

/// Returns what clients may take of the disk of `store`, which exists.
pub(super) fn disk(limits: &Limits, store: &Path) -> DiskLimits {
    let min_free = limits.min_free.map_or_else(
        || {
            let disk = statvfs(store);
            disk.map_or(0, |disk| MIN_FREE.min(disk.f_blocks.saturating_mul(disk.f_frsize) / 20))
        },
        |size| size.0,
    );
    let quota = limits.quota_per_address;
    DiskLimits {
        folder: Some(store.to_owned()),
        min_free,
        max_total: limits.max_total.map(|size| size.0),
        files: quota.and_then(|quota| quota.files),
        bytes: quota.and_then(|quota| quota.bytes),
    }
}

/// Lines of a text log that one address has in a second.
const LINES: u32 = 10;
/// Events of `--json` that one address has in a second: programs count files by them.
const JSON_LINES: u32 = 1000;

/// Returns how many lines of the log an address has in a second.
pub(super) fn log_rate(args: &Serve) -> u32 {
    args.limits.log_rate.unwrap_or(if args.json { JSON_LINES } else { LINES })
}

/// Files that the process has open beside those of sessions: streams, history, certificates, listener, folder.
const OTHER_FILES: u64 = 48;
/// Files of a session at most: a socket, a received file, its ciphertext and a folder.
const FILES_OF_A_SESSION: u64 = 4;

/// Returns how many sessions there are at once, and a warning if the limit of open files allows fewer than the flag does.
///
/// Raises that limit as far as the process may.
pub(super) fn admission(limits: &Limits) -> (Admission, Option<String>) {
    let allowed = open_files().map_or(u64::MAX, sessions_of);
    let wanted = u64::from(limits.max_sessions);
    let sessions = usize::try_from(wanted.min(allowed)).unwrap_or(usize::MAX);
    let per_address = usize::try_from(limits.sessions_per_address).unwrap_or(usize::MAX);
    let warning = (allowed < wanted).then(|| {
        format!("at most {allowed} sessions at once, because the limit of open files is low (ulimit -n); --max-sessions is {wanted}")
    });
    (Admission { sessions, per_address }, warning)
}

/// Returns how many sessions this many open files are enough for.
fn sessions_of(files: u64) -> u64 {
    (files.saturating_sub(OTHER_FILES) / FILES_OF_A_SESSION).max(1)
}

/// Raises the soft limit of open files to the hard one. Returns it; `None`: there is none.
fn open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Some systems refuse more than they can open. Then the soft limit stays as it is.
    if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        limits: Limits,
    }

    #[test]
    fn the_flags_have_the_defaults_of_a_server() {
        let limits = |line: &str| Only::try_parse_from(line.split(' ')).unwrap().limits;
        assert_eq!(deadlines(&limits("serve")), Deadlines::default());
        let (of_flags, warning) = admission(&limits("serve"));
        assert_eq!(of_flags.per_address, Admission::default().per_address);
        assert_eq!(of_flags == Admission::default(), warning.is_none(), "{of_flags:?} {warning:?}");
        assert_eq!([1_048_576, 1024, 60, 0].map(sessions_of), [262_132, 244, 3, 1]);
        let folder = tempfile::tempdir().unwrap();
        let of_disk = disk(&limits("serve"), folder.path());
        assert!((1..=MIN_FREE).contains(&of_disk.min_free) && of_disk.max_total.is_none(), "{of_disk:?}");
        let of_disk =
            disk(&limits("serve --min-free 0 --max-total 5 --quota-per-address 7,8"), folder.path());
        assert_eq!(
            (of_disk.min_free, of_disk.max_total, of_disk.files, of_disk.bytes),
            (0, Some(5), Some(7), Some(8))
        );
        assert_eq!(work(&limits("serve")), Work::default());
        assert_eq!(penalize(&limits("serve")), Penalize::default());
        let none = "serve --login-grace 0s --idle-time 0s --message-time 0s --stall-time 0s --min-rate 0";
        let none = deadlines(&limits(none));
        assert_eq!((none.login, none.rate), (Duration::from_millis(1), 0), "no time is a short time");
    }
}
