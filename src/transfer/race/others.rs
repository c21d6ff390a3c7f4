//! How much of this machine's processors other programs used during a race, from `/proc` of Linux.
//!
//! Both files count the same ticks, so that their ratio needs no unit.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs as _, UdpSocket};

use crate::event::{RaceOrder, Target};

/// The fewest ticks of all processors together that a share is computed from: 0.5 s on two cores. The kernel counts whole
/// ticks (10 ms), so that fewer of them would be off by several per cent.
const FEWEST: u64 = 100;

/// A measurement from the race's begin to its end.
pub(super) struct Gauge(Option<Reading>);

impl Gauge {
    /// Reads the counters at the begin of a race. A server of another process on this machine would count as another
    /// program, although it is part of the race; then nothing is measured.
    pub(super) fn start(order: &RaceOrder) -> Self {
        let has_server_here = order.lanes.iter().any(|lane| is_beside(&lane.target));
        Self(if has_server_here { None } else { Reading::now() })
    }

    /// Returns the share of other programs since then, 0 to 1; `None` if it is unknown or the time was too short.
    pub(super) fn finish(self) -> Option<f64> {
        share(self.0?, Reading::now()?)
    }
}

/// Returns whether this is a server of another process on this machine. Only an address of this machine can be bound to.
fn is_beside(target: &Target) -> bool {
    let Target::Server { address, .. } = target else { return false };
    let found = (address.host(), address.port()).to_socket_addrs();
    found.is_ok_and(|mut all| all.any(|to| UdpSocket::bind(SocketAddr::new(to.ip(), 0)).is_ok()))
}

/// Ticks since the machine started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading {
    /// Ticks of all processors, busy or not.
    all: u64,
    /// Ticks in which programs ran, or other virtual machines.
    busy: u64,
    /// Ticks in which this program ran.
    own: u64,
}

impl Reading {
    /// Reads the counters; `None` on systems that do not have them.
    fn now() -> Option<Self> {
        let read = |path| fs::read_to_string(path).ok();
        Self::parse(&read("/proc/stat")?, &read("/proc/self/stat")?)
    }

    /// Parses `/proc/stat` and `/proc/self/stat` (proc(5)).
    ///
    /// Interrupts are not counted as busy: during a race most of them are its own packets, which the kernel does not
    /// count as this program's time.
    fn parse(machine: &str, own: &str) -> Option<Self> {
        let line = machine.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let counters: Result<Vec<u64>, _> = line.split_ascii_whitespace().map(str::parse).collect();
        // A guest's time, which follows, is part of the user's. Old kernels have no `steal`.
        let counters = counters.ok()?;
        let [user, nice, system, idle, waiting, hard, soft, ref rest @ ..] = counters[..] else {
            return None;
        };
        let steal = rest.first().copied().unwrap_or(0);
        let sum = |of: &[u64]| of.iter().try_fold(0_u64, |sum, ticks| sum.checked_add(*ticks));
        let busy = sum(&[user, nice, system, steal])?;
        // The program's name is in parentheses, and can contain spaces and parentheses.
        let (_, fields) = own.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace().skip(11).map(str::parse);
        let (user, system): (u64, u64) = (fields.next()?.ok()?, fields.next()?.ok()?);
        Some(Self { all: sum(&[busy, idle, waiting, hard, soft])?, busy, own: sum(&[user, system])? })
    }
}

/// Returns the share of other programs between two readings. Counters of a virtual machine can run backwards.
fn share(begin: Reading, end: Reading) -> Option<f64> {
    let all = end.all.checked_sub(begin.all).filter(|all| *all >= FEWEST)?;
    let busy = end.busy.checked_sub(begin.busy)?;
    let own = end.own.checked_sub(begin.own)?;
    Some((busy.saturating_sub(own) as f64 / all as f64).min(1.0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::event::{Dialect, Lane, Subject, Variant};

    const MACHINE: &str =
        "cpu  1000 20 300 5000 60 7 8 90 40 0\ncpu0 500 10 150 2500 30 3 4 45 20 0\nintr 1\n";
    const OWN: &str = "42 (up) seal (x) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 9 9 20 0 5 0 100 0 0";

    #[test]
    fn the_counters_of_machine_and_program_are_read() {
        let read = Reading::parse(MACHINE, OWN).unwrap();
        assert_eq!(read, Reading { all: 6485, busy: 1410, own: 300 });
        // Linux before 2.6.11 has no `steal`.
        let old = Reading::parse("cpu  1000 20 300 5000 60 7 8\n", OWN).unwrap();
        assert_eq!((old.all, old.busy), (6395, 1320));
    }

    #[test]
    fn what_is_not_in_the_documented_form_is_unknown() {
        for (machine, own) in [
            ("", OWN),
            ("cpu0 1 2 3 4 5 6 7 8\n", OWN),
            ("cpu  1 2 3\n", OWN),
            ("cpu  1 2 3 4 5 six 7 8\n", OWN),
            ("cpu  1 2 3 -4 5 6 7 8\n", OWN),
            ("cpu  18446744073709551615 1 0 0 0 0 0 0\n", OWN),
            (MACHINE, ""),
            (MACHINE, "42 (upseal"),
            (MACHINE, "42 (upseal) S 1 42 42 0 -1 4194304 100 0 0 0 250"),
            (MACHINE, "42 (upseal) S 1 42 42 0 -1 4194304 100 0 0 0 x 50"),
        ] {
            assert_eq!(Reading::parse(machine, own), None, "{machine:?} {own:?}");
        }
    }

    #[test]
    fn the_share_is_what_others_used_of_all_processors() {
        let begin = Reading { all: 1000, busy: 500, own: 100 };
        let after = |all: u64, busy: u64, own: u64| {
            share(begin, Reading { all: 1000 + all, busy: 500 + busy, own: 100 + own })
        };
        assert_eq!(after(400, 248, 100), Some(0.37));
        assert_eq!(after(400, 100, 100), Some(0.0));
        // The two files are not read at the same instant.
        assert_eq!(after(400, 98, 100), Some(0.0));
        assert_eq!(after(99, 50, 0), None, "too few ticks");
        let earlier = Reading { all: 2000, busy: 400, own: 100 };
        assert_eq!(share(begin, earlier), None, "a counter ran backwards");
    }

    #[test]
    fn a_server_of_another_process_here_is_no_other_program() {
        let to = |address: &str| Target::server(address.parse().unwrap(), None);
        assert!(is_beside(&to("127.0.0.1:4321")) && is_beside(&to("localhost:4321")));
        // TEST-NET-1: no machine has its addresses.
        assert!(!is_beside(&to("192.0.2.1:4321")) && !is_beside(&Target::Embedded));
        let lanes = vec![Lane::new(to("127.0.0.1:1"), Dialect::of(Variant::Cp2)); 2];
        let order = RaceOrder::new(Subject::Generated { bytes: 1 }, lanes);
        assert_eq!(Gauge::start(&order).finish(), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_the_counters() {
        let read = Reading::now().unwrap();
        assert!(read.all >= read.busy && read.busy > 0, "{read:?}");
    }
}
