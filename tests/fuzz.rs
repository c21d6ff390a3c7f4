//! The corpus of the fuzzer, through the fuzzer's targets. `fuzz/run` searches for more inputs.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use upseal::testing::fuzz::Target;

/// Bytes of the whole corpus in git at most.
const MOST: u64 = 2 << 20;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn inside(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_target_has_a_corpus_which_is_small() {
    let folders = inside(&corpus());
    let found: BTreeSet<&str> =
        folders.iter().map(|folder| folder.file_name().unwrap().to_str().unwrap()).collect();
    let targets: BTreeSet<&str> = Target::ALL.iter().map(|target| target.name).collect();
    assert_eq!(found, targets);
    let sizes =
        folders.iter().flat_map(|folder| inside(folder)).map(|path| fs::metadata(path).unwrap().len());
    let bytes: u64 = sizes.sum();
    assert!(bytes <= MOST, "{bytes} bytes; `fuzz/run --keep` keeps what is needed");
}

#[test]
fn every_input_of_the_corpus_keeps_the_properties_of_its_target() {
    let inputs = Target::ALL.iter().flat_map(|target| {
        let paths = inside(&corpus().join(target.name));
        assert!(!paths.is_empty(), "{} has no inputs", target.name);
        paths.into_iter().map(|path| (*target, path))
    });
    let inputs = Mutex::new(inputs.collect::<Vec<_>>().into_iter());
    thread::scope(|scope| {
        let work = || {
            while let Some((target, path)) = { inputs.lock().unwrap().next() } {
                let bytes = fs::read(&path).unwrap();
                let held = panic::catch_unwind(|| (target.run)(&bytes));
                assert!(held.is_ok(), "{}", path.display());
            }
        };
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
}
