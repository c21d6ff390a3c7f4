//! Runs the lab, and compares every cell with a copy of the table in docs/protocol.md, section Attacks.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use upseal::Interrupter;
use upseal::event::Variant;
use upseal::testing::lab;
use upseal::testing::lab::Outcome::{
    CaughtByPin, Distrusted, Hidden, NothingStored, Read, Refused, SameIsDone, StoredAgain, StoredAltered,
    StoredUnderIt, Works,
};
use upseal::testing::lab::Receipt::{Holds, Noticed};
use upseal::testing::lab::{Attack, Cell, Outcome, Receipt};

/// Allowed outcomes, and what a receipt proves; `None`: the attack does not exist in this variant.
type Expected = Option<(&'static [Outcome], Option<Receipt>)>;

#[allow(clippy::unnecessary_wraps, reason = "the table also has cells without an attack")]
const fn any(outcomes: &'static [Outcome], receipt: Option<Receipt>) -> Expected {
    Some((outcomes, receipt))
}

const READ: Expected = any(&[Read], Some(Holds));
const HIDDEN: Expected = any(&[Hidden], Some(Holds));
const ALTERED: Expected = any(&[StoredAltered], Some(Noticed));
const REFUSED: Expected = any(&[Refused], Some(Noticed));
const NOTHING: Expected = any(&[NothingStored], Some(Noticed));
const UNDER_IT: Expected = any(&[StoredUnderIt], Some(Noticed));
const WORKS: Expected = any(&[Works], Some(Noticed));
const AGAIN: Expected = any(&[StoredAgain, SameIsDone], None);
const REPLAY: Expected = any(&[Refused], None);
const DISTRUSTED: Expected = any(&[Distrusted], None);
const PIN: Expected = any(&[CaughtByPin], None);

/// The table of docs/protocol.md, section Attacks: Plain, AP, CP1, CP2.
#[rustfmt::skip]
const TABLE: [(&str, [Expected; 4]); 12] = [
    ("read the content",                          [READ, READ, HIDDEN, HIDDEN]),
    ("read the name and size",                    [READ, READ, READ, READ]),
    ("flip a bit of the body",                    [ALTERED, ALTERED, any(&[StoredAltered, Refused], Some(Noticed)), REFUSED]),
    ("drop, repeat, reorder blocks",              [ALTERED, ALTERED, ALTERED, REFUSED]),
    ("cut the connection",                        [NOTHING, NOTHING, NOTHING, NOTHING]),
    ("swap the name, swap whole bodies",          [UNDER_IT, UNDER_IT, UNDER_IT, UNDER_IT]),
    ("replace everything with one's own upload",  [WORKS, WORKS, WORKS, WORKS]),
    ("replay a recorded session to our server",   [AGAIN, AGAIN, REPLAY, REPLAY]),
    ("replay a recorded AP answer to our client", [None, DISTRUSTED, DISTRUSTED, DISTRUSTED]),
    ("relay AP to the real server",               [None, READ, HIDDEN, HIDDEN]),
    ("another certificate of the same CA",        [None, PIN, PIN, PIN]),
    ("another CA, expired, self-signed",          [None, DISTRUSTED, DISTRUSTED, DISTRUSTED]),
];

/// Number of ways in which each attack is run: Plain, AP, CP1, CP2.
const WAYS: [[usize; 4]; 12] = [
    [1, 1, 1, 1],
    [1, 1, 1, 1],
    [1, 1, 1, 1],
    [3, 3, 3, 3],
    [3, 3, 6, 3],
    [2, 2, 2, 2],
    [1, 1, 1, 1],
    [2, 2, 2, 2],
    [0, 1, 1, 1],
    [0, 1, 1, 1],
    [0, 2, 2, 2],
    [0, 3, 3, 3],
];

#[test]
fn every_attack_has_the_documented_outcome() {
    let mut cells: Vec<Cell> = Vec::new();
    lab::run(&Interrupter::default(), |cell| cells.push(cell)).unwrap();
    assert_eq!(cells.len(), 48);
    let mut wrong = Vec::new();
    let mut played = cells.iter();
    for ((words, row), ways) in TABLE.iter().zip(WAYS) {
        for ((variant, expected), ways) in Variant::ALL.iter().zip(row).zip(ways) {
            let cell = played.next().unwrap();
            assert_eq!((cell.attack.words(), cell.variant), (*words, *variant), "in the table's order");
            assert_eq!(cell.plays.len(), ways, "{words}, {variant}");
            let (outcomes, receipt) = expected.unwrap_or_default();
            let right = |cell: &Cell| {
                cell.plays.iter().all(|play| outcomes.contains(&play.outcome) && play.receipt == receipt)
            };
            if !right(cell) || !cell.as_expected {
                wrong.push(format!("{words}, {variant}: expected {expected:?}\n{:#?}", cell.plays));
            }
        }
    }
    // Without a receipt, the client is deceived by the attacker's file and by a forged end of the connection.
    for play in cells.iter().flat_map(|cell| &cell.plays) {
        let lie = play.way.contains("sees an orderly end");
        if play.outcome.writes() || lie {
            assert_eq!(play.believed, Some(true), "{play:?}");
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cells are not as docs/protocol.md says:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Checks the reasons of refusals: CP2, replays, and the signs of an impostor.
#[test]
fn a_refusal_is_for_its_own_reason() {
    let mut cells: Vec<Cell> = Vec::new();
    let rows = [Attack::Session, Attack::Answer, Attack::SameCa, Attack::OtherCa];
    lab::run_some(&rows, &Interrupter::default(), |cell| cells.push(cell)).unwrap();
    let seen = |attack, variant| {
        let cell = cells.iter().find(|cell| (cell.attack, cell.variant) == (attack, variant)).unwrap();
        cell.plays.iter().map(|play| play.seen.clone()).collect::<Vec<_>>()
    };
    for variant in [Variant::Cp1, Variant::Cp2] {
        for words in seen(Attack::Session, variant) {
            assert!(words.contains("a replay"), "{words}");
        }
    }
    for variant in [Variant::Ap, Variant::Cp1, Variant::Cp2] {
        let [answer] = &seen(Attack::Answer, variant)[..] else { panic!() };
        assert!(answer.contains("the signature was not made over our message"), "{answer}");
        let [named, met] = &seen(Attack::SameCa, variant)[..] else { panic!() };
        assert!(named.contains("the pin is sha256:") && named.contains("without it: delivered"), "{named}");
        assert!(met.contains("has another key than before"), "{met}");
        let [other, expired, itself] = &seen(Attack::OtherCa, variant)[..] else { panic!() };
        assert!(other.contains("was not signed by it"), "{other}");
        assert!(expired.contains("expired on"), "{expired}");
        assert!(itself.contains("self-signed"), "{itself}");
    }
}

#[test]
fn the_lab_stops_between_two_cells_on_request() {
    let stop = Interrupter::default();
    let mut cells = 0;
    let result = lab::run(&stop, |_| {
        cells += 1;
        stop.interrupt();
    });
    assert!(matches!(result, Err(lab::LabError::Stopped)), "{result:?}");
    assert_eq!(cells, 1);
}

/// Returns the program with only this folder for temporary files, so that the test sees everything it leaves.
fn program(arguments: &[&str], folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_upseal"))
        .arg("lab")
        .args(arguments)
        .env_clear()
        .env("HOME", folder)
        .env("TMPDIR", folder)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn the_program_prints_a_cell_a_line_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let done = program(&["--json"], folder.path()).wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let said = String::from_utf8(done.stdout).unwrap();
    let cells: Vec<Cell> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cells.len() == 48 && cells.iter().all(|cell| cell.as_expected));
    assert!(is_empty(folder.path()));
    // The table, interrupted after its first row.
    let mut interrupted = program(&[], folder.path());
    let mut says = BufReader::new(interrupted.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(says.any(|line| line.starts_with(" 1 of 12: read the content")));
    assert!(!is_empty(folder.path()), "it uses a temporary folder while it runs");
    kill_process(Pid::from_child(&interrupted), Signal::INT).unwrap();
    assert!(says.any(|line| line == "upseal: stopped"));
    let done = interrupted.wait_with_output().unwrap();
    assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(130), &b""[..]));
    assert!(is_empty(folder.path()));
}
