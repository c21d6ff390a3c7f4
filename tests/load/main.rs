//! Many clients at once, and honest ones beside attackers.
//!
//! - `crowd`: a thousand sessions at once, and what they leave behind
//! - `attack`: what attackers do
//! - `floods`: honest clients beside each of them
//! - `honest`: clients that send as a user would, and how long each file takes
//!
//! A run takes some seconds for each flood. `UPSEAL_LOAD=SECONDS` makes each as long as that. Times are printed
//! (`--nocapture`) and decide nothing: `docs/reliability.md` has the last ones.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../program/mod.rs"]
mod program;

mod attack;
mod crowd;
mod floods;
mod honest;

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::common::PATIENCE;
use crate::program::Program;

/// Tests of this program take turns: each wants the machine to itself.
static MACHINE: Mutex<()> = Mutex::new(());

/// Waits for the machine, and lets this process open as many files as it may.
fn machine() -> MutexGuard<'static, ()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the length of a flood: `short`, or what the environment says.
fn length(short: Duration) -> Duration {
    let asked = std::env::var("UPSEAL_LOAD").ok();
    asked.map_or(short, |seconds| Duration::from_secs(seconds.parse().expect("UPSEAL_LOAD is in seconds")))
}

/// What a server's process takes.
#[derive(Debug, Clone, Copy)]
struct Taken {
    threads: u64,
    descriptors: u64,
    kib: u64,
    /// The largest `kib` so far.
    most_kib: u64,
}

impl Taken {
    fn by(server: &Program) -> Self {
        let process = format!("/proc/{}", server.id());
        let status = fs::read_to_string(format!("{process}/status")).unwrap();
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
        };
        Self {
            threads: number("Threads:"),
            descriptors: fs::read_dir(format!("{process}/fd")).unwrap().count() as u64,
            kib: number("VmRSS:"),
            most_kib: number("VmHWM:"),
        }
    }
}

/// Waits until what a server takes is as `wanted`. Sessions that stall are closed after a minute at most.
fn until(taken: impl Fn() -> Taken, wanted: impl Fn(Taken) -> bool) -> Taken {
    let end = Instant::now() + 2 * PATIENCE;
    loop {
        let now = taken();
        if wanted(now) {
            return now;
        }
        assert!(Instant::now() < end, "{now:?}");
        thread::sleep(Duration::from_millis(20));
    }
}
