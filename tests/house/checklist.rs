//! The checklist of the interfaces, `docs/ux-checklist.md`, and the attacks of `SECURITY.md`: what they name as shown by a
//! test or a capture exists.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use crate::tree::{paths, root};

const CHECKLIST: &str = "docs/ux-checklist.md";

/// The heading of the tables of attacks.
const THREATS: &str = "## Threat model, attack by attack";

#[test]
fn every_line_of_the_checklist_names_tests_and_captures_that_exist() {
    let list = read(CHECKLIST);
    shown_by(&list, 50);
}

#[test]
fn every_attack_of_the_threat_model_names_tests_that_exist() {
    let page = read("SECURITY.md");
    let section = page.split_once(THREATS).unwrap().1;
    shown_by(section.split("\n## ").next().unwrap(), 20);
}

/// Fails if a row of these tables, which have more than so many, is shown by nothing that exists.
fn shown_by(tables: &str, least: usize) {
    let files = paths();
    let tests: HashSet<String> = files
        .iter()
        .filter(|path| extension(path) == "rs")
        .flat_map(|path| functions(&read(path)).into_iter().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    // A snapshot is named MODULE__NAME.snap, a picture NAME.svg.
    let captures: HashSet<&str> = files
        .iter()
        .filter(|path| ["snap", "svg"].contains(&extension(path)))
        .filter_map(|path| Path::new(path).file_stem()?.to_str()?.rsplit("__").next())
        .collect();
    let is_row = |line: &&str| ["| n ", "| attack "].iter().all(|head| !line.starts_with(head));
    let rows: Vec<&str> = tables.lines().filter(|line| line.starts_with("| ")).filter(is_row).collect();
    assert!(rows.len() > least, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let shown = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        if !shown.contains(['`', '[']) {
            wrong.push(format!("nothing shows it: {row}"));
        }
        for name in shown.split('`').skip(1).step_by(2) {
            let test = name.rsplit("::").next().unwrap_or_default();
            // Whole modules, options and commands are named too; a test's name is a sentence.
            let is_sentence = test.matches('_').count() >= 2;
            if is_sentence && !tests.contains(test) && !captures.contains(test) {
                wrong.push(format!("{name} does not exist: {row}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn extension(path: &str) -> &str {
    Path::new(path).extension().and_then(OsStr::to_str).unwrap_or_default()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Returns the names of the functions without parameters, which tests are.
fn functions(text: &str) -> Vec<&str> {
    let names = text.lines().filter_map(|line| line.trim_start().strip_prefix("fn "));
    names.filter_map(|rest| rest.split_once('(').map(|(name, _)| name)).collect()
}
