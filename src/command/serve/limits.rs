//! From the flags of the limits to the limits of a server.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cli::{self, Access, Limits, Patience, Range, Serve};
use crate::net::admission::Admission;
use crate::net::deadlines::Deadlines;
use crate::net::disk::DiskLimits;
use crate::net::door::{Door, Proxies, Ranges};
use crate::net::penalties::Penalize;
use crate::net::work::Work;

/// Returns who may connect.
pub(super) fn door(access: &Access) -> Door {
    let ranges = |of: &[Range]| of.iter().map(|range| range.0).collect::<Ranges>();
    let proxies = access.proxy_protocol.as_deref();
    Door {
        allowed: (!access.allow_ip.is_empty()).then(|| ranges(&access.allow_ip)),
        proxies: proxies.map(|of| if of.is_empty() { Proxies::Any } else { Proxies::At(ranges(of)) }),
    }
}

/// Returns a warning if every computer that reaches the server may state the addresses of clients.
pub(super) fn open_to_forgery(args: &Serve) -> Option<String> {
    let is_any = door(&args.access).proxies == Some(Proxies::Any);
    (is_any && !args.bind.is_loopback()).then(|| {
        format!(
            "everyone who reaches {} can state any client address; name the proxies, for example \
             --proxy-protocol=10.0.0.5",
            args.bind
        )
    })
}

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

/// Returns what clients may take of the disk of `store`, which exists.
pub(super) fn disk(limits: &Limits, store: &Path) -> DiskLimits {
    let quota = limits.quota_per_address;
    let without_flags = DiskLimits::of(store);
    DiskLimits {
        min_free: limits.min_free.map_or(without_flags.min_free, |size| size.0),
        max_total: limits.max_total.map(|size| size.0),
        files: quota.and_then(|quota| quota.files),
        bytes: quota.and_then(|quota| quota.bytes),
        ..without_flags
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
    use super::*;
    use crate::command::serve::policy::tests::args;
    use crate::net::disk::MIN_FREE;

    #[test]
    fn the_flags_have_the_defaults_of_a_server() {
        let limits = |line: &str| args(line).limits;
        assert_eq!(deadlines(&limits("")), Deadlines::default());
        let (of_flags, warning) = admission(&limits(""));
        assert_eq!(of_flags.per_address, Admission::default().per_address);
        assert_eq!(of_flags == Admission::default(), warning.is_none(), "{of_flags:?} {warning:?}");
        assert_eq!([1_048_576, 1024, 60, 0].map(sessions_of), [262_132, 244, 3, 1]);
        let folder = tempfile::tempdir().unwrap();
        let of_disk = disk(&limits(""), folder.path());
        assert!((1..=MIN_FREE).contains(&of_disk.min_free) && of_disk.max_total.is_none(), "{of_disk:?}");
        let of_disk = disk(&limits("--min-free 0 --max-total 5 --quota-per-address 7,8"), folder.path());
        assert_eq!(
            (of_disk.min_free, of_disk.max_total, of_disk.files, of_disk.bytes),
            (0, Some(5), Some(7), Some(8))
        );
        assert_eq!(work(&limits("")), Work::default());
        assert_eq!(penalize(&limits("")), Penalize::default());
        assert_eq!(door(&args("").access), Door::default());
        let none = "--login-grace 0s --idle-time 0s --message-time 0s --stall-time 0s --min-rate 0";
        let none = deadlines(&limits(none));
        assert_eq!((none.login, none.rate), (Duration::from_millis(1), 0), "no time is a short time");
    }

    #[test]
    fn the_lists_of_addresses_reach_the_door() {
        let door = |line: &str| door(&args(line).access);
        let address = |text: &str| text.parse().unwrap();
        for line in ["--allow-ip 10.0.0.0/8,::1", "--allow-ip 10.0.0.0/8 --allow-ip ::1"] {
            let door = door(line);
            assert!(door.admits(address("10.1.1.1")) && door.admits(address("::1")), "{line}");
            assert!(!door.admits(address("127.0.0.1")) && door.proxies.is_none(), "{line}");
        }
        assert_eq!(door("--proxy-protocol --accept cp2").proxies, Some(Proxies::Any));
        let named = door("--proxy-protocol=10.0.0.5,10.0.1.0/24");
        assert!(named.trusts(address("10.0.0.5")) && named.trusts(address("10.0.1.9")));
        assert!(!named.trusts(address("10.0.0.6")));
        for (line, is_warned) in [
            ("--proxy-protocol", false),
            ("--bind 0.0.0.0:0 --accept cp2 --proxy-protocol", true),
            ("--bind 0.0.0.0:0 --accept cp2 --proxy-protocol=10.0.0.5", false),
            ("--bind 0.0.0.0:0 --accept cp2", false),
        ] {
            assert_eq!(open_to_forgery(&args(line)).is_some(), is_warned, "{line}");
        }
    }
}
