//! Simulation of clients and a server: their sessions, the store and the history, over a network, a clock and a disk that
//! are decided by a seed.
//!
//! ```text
//!   plan.rs     what a seed draws          world.rs     threads of which one runs at a time, and the clock
//!   client.rs   clients                    network.rs   connections that behave as TCP does, and fail
//!   server.rs   the server, its starts     machine.rs   its disk, and the crash
//!   book.rs     what was sent and said, and whether it is true
//! ```
//!
//! The code under test is the program's own: `Upload`, `Session`, `Folder`, `History`. Its streams, wall clock and the
//! operations on the disk are the simulation's. A run depends on its seed alone, except for random bytes on the wire, which
//! decide nothing.
//!
//! - `cargo test --test simulation`: 10,000 seeds
//! - `UPSEAL_SEED=7 cargo test --test simulation -- --nocapture`: one seed, with its trace
//! - `UPSEAL_SEEDS=10000000 cargo test --release --test simulation`: the long form; `UPSEAL_FIRST_SEED` is where it begins

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod book;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod dice;
mod machine;
mod network;
mod plan;
mod server;
mod stream;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use upseal::Anchor;
use upseal::testing::history::{Entry, Filter, History};
use upseal::testing::net::open_bodies_on_one_thread;

use self::dice::Dice;
use self::machine::Machine;
use self::plan::{Kind, Plan};
use self::world::{Part, World};

/// Seeds of a run without `UPSEAL_SEEDS`.
const SEEDS: u64 = 10_000;

/// What must come in the seeds of CI more than once in a thousand: what is never tried is never wrong.
const ALL: [&str; 16] = [
    "amendments",
    "broken connections",
    "copies",
    "deliveries",
    "disk errors",
    "false ends",
    "files that were there",
    "kills",
    "late clients",
    "network faults",
    "new files",
    "power cuts",
    "receipts",
    "refusals by the disk",
    "refused replays",
    "replays",
];

/// Result of a seed.
struct Run {
    trace: u64,
    lines: Vec<String>,
    /// What was wrong.
    wrong: Vec<String>,
    tally: BTreeMap<&'static str, u64>,
}

fn run(seed: u64, anchor: &Anchor, is_read: bool) -> Run {
    let plan = Plan::draw(seed);
    let machine = Machine::new(plan.has_power_cut());
    let world = World::new(plan, seed, machine, is_read);
    world.set_clock();
    server::furnish(&world);
    let first = server::start(&world);
    let plan = Arc::clone(&world.lock().plan);
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for index in 0..plan.clients.len() {
            let me = world.lock().add_actor(format!("client {index}"), Part::Client(index));
            let world = Arc::clone(&world);
            threads.push(scope.spawn(move || client::run(&world, scope, anchor, (me, index))));
        }
        if plan.crash.is_some() {
            let me = world.lock().add_actor("operator".to_owned(), Part::Operator);
            let world = Arc::clone(&world);
            threads.push(scope.spawn(move || server::operate(&world, me)));
        }
        world.start();
    });
    let mut wrong = first;
    wrong.retain(|repair| !server::is_known(repair, plan.is_furnished));
    finish(&world, &plan, seed, &mut wrong);
    upseal::testing::clock::simulate(None);
    let state = world.lock();
    Run {
        trace: state.trace.digest(),
        lines: state.trace.lines.clone().unwrap_or_default(),
        wrong,
        tally: state.book.tally.clone(),
    }
}

/// Ends the server, perhaps by a power cut, and compares everything.
fn finish(world: &Arc<World>, plan: &Plan, seed: u64, wrong: &mut Vec<String>) {
    let mut state = world.lock();
    if let Some(why) = state.failed.clone() {
        wrong.append(&mut state.book.violations);
        wrong.push(why);
        return;
    }
    let service = state.machine.service.take();
    if service.as_ref().is_some_and(|service| Arc::strong_count(service) != 1) {
        wrong.push("a session is not released".to_owned());
    }
    let watched = state.book.watched;
    if watched != 0 && !state.machine.has_crashed {
        wrong.push(format!("{watched} transfers are watched after their end"));
    }
    let mut dice = Dice::new(seed ^ 0xdead);
    if plan.ends_in_power_cut {
        state.machine.cut_power(&mut dice);
    }
    drop(state);
    drop(service);
    let strange = server::start(world);
    wrong.extend(strange.into_iter().filter(|repair| !server::is_known(repair, plan.is_furnished)));
    let mut state = world.lock();
    // The history's files are closed with the service, so that they can be read.
    let service = state.machine.service.take();
    drop(state);
    drop(service);
    state = world.lock();
    let files = state.machine.files();
    state.book.check(plan, &files);
    let outside = state.machine.around();
    let allowed = |name: &String| name == "home" || name == "inbox" || name.starts_with("history.db");
    wrong.extend(outside.into_iter().filter(|name| !allowed(name)).map(|name| format!("{name} is outside")));
    wrong.append(&mut state.book.violations);
    // A power cut may take the latest rows, whose files are recovered without their receipts.
    let loses_rows = plan.ends_in_power_cut
        || plan.crash.is_some_and(|crash| crash.kind == Kind::Power && state.machine.has_crashed);
    if !loses_rows {
        let history = History::open(&state.machine.home().join("history.db")).unwrap();
        let rows = history.entries(&Filter::default()).unwrap();
        let with_receipt = |row: &Entry| match row {
            Entry::Received(row) => row.receipt.map(|_| row.name.clone()),
            Entry::Recovered(row) => row.receipt.map(|_| row.name.clone()),
            Entry::Sent(_) => None,
        };
        let recorded: BTreeSet<String> = rows.iter().filter_map(with_receipt).collect();
        for claim in &state.book.claims {
            if let Some(name) = &claim.receipt
                && !recorded.contains(name)
            {
                wrong.push(format!("the receipt of {name} is not in the history"));
            }
        }
    }
}

/// Runs seeds on all cores. Returns those with something wrong.
fn run_all(
    seeds: std::ops::Range<u64>,
    check: impl Fn(u64, &Run) -> Vec<String> + Sync,
) -> Vec<(u64, Vec<String>)> {
    open_bodies_on_one_thread();
    let anchor = Anchor::load(&common::ca()).unwrap();
    let next = AtomicU64::new(seeds.start);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, std::num::NonZero::get) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || failures.lock().unwrap().len() >= 10 {
                        return;
                    }
                    let run = run(seed, &anchor, false);
                    let wrong = check(seed, &run);
                    if !wrong.is_empty() {
                        failures.lock().unwrap().push((seed, wrong));
                    }
                }
            });
        }
    });
    failures.into_inner().unwrap()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.replace('_', "").parse().unwrap())
}

/// Says how to repeat a failure.
fn complain(failures: &[(u64, Vec<String>)]) {
    for (seed, wrong) in failures {
        eprintln!("seed {seed}: {}", wrong.join("; "));
        eprintln!("    UPSEAL_SEED={seed} cargo test --test simulation -- --nocapture");
    }
    assert!(failures.is_empty(), "{} seeds failed", failures.len());
}

#[test]
fn what_clients_are_told_is_true_for_every_seed() {
    if let Some(seed) = number("UPSEAL_SEED") {
        open_bodies_on_one_thread();
        let run = run(seed, &Anchor::load(&common::ca()).unwrap(), true);
        println!("{:#?}", Plan::draw(seed));
        println!("{}", run.lines.join("\n"));
        println!("trace {:016x}", run.trace);
        return complain(&if run.wrong.is_empty() { vec![] } else { vec![(seed, run.wrong)] });
    }
    let first = number("UPSEAL_FIRST_SEED").unwrap_or(0);
    let count = number("UPSEAL_SEEDS").unwrap_or(SEEDS);
    let tally = Mutex::new(BTreeMap::<&str, u64>::new());
    let failures = run_all(first..first + count, |_, run| {
        let mut tally = tally.lock().unwrap();
        run.tally.iter().for_each(|(what, times)| *tally.entry(*what).or_default() += times);
        run.wrong.clone()
    });
    let tally = tally.into_inner().unwrap();
    println!("{count} seeds: {tally:?}");
    complain(&failures);
    for what in ALL {
        assert!(
            count < SEEDS || tally.get(what).is_some_and(|times| *times > count / 1000),
            "{what} are too rare"
        );
    }
}

#[test]
fn a_seed_has_one_trace() {
    if number("UPSEAL_SEED").is_some() {
        return;
    }
    let anchor = Anchor::load(&common::ca()).unwrap();
    let failures = run_all(0..200, |seed, first| {
        let again = run(seed, &anchor, false);
        if again.trace == first.trace { vec![] } else { vec!["two runs differ".to_owned()] }
    });
    complain(&failures);
}
