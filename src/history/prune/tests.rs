use std::fs;

use super::super::tests::{history, received, sent};
use super::super::{Entry, Filter, Outcome, Received, store_path};
use super::*;
use crate::event::Kept;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Looks at all rows at this time (in days). Rows are kept for ten days.
fn prune(history: &History, store: &Path, day: i64) {
    let what = Pruning { store, now_ms: day * DAY_MS, before_ms: (day - 10) * DAY_MS };
    let mut after = i64::MIN;
    while let Some(last) = history.prune(what, after).unwrap() {
        assert!(last > after);
        after = last;
    }
}

fn names(history: &History) -> Vec<(String, u64)> {
    let rows = history.entries(&Filter::default()).unwrap();
    let mut names: Vec<_> = rows.iter().map(|row| (row.name().to_owned(), row.size())).collect();
    names.sort();
    names
}

fn store(history: &History) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = store_path(folder.path()).unwrap();
    super::super::repair::run(history, &path, 0).unwrap();
    (folder, path)
}

#[test]
fn rows_of_files_in_the_folder_stay_and_earlier_ones_go() {
    let (_folder, history) = history();
    let (_kept, store) = store(&history);
    fs::create_dir(store.join("in")).unwrap();
    for name in ["here", "in/here", "amended", "changed"] {
        fs::write(store.join(name), "1234").unwrap();
    }
    for name in ["here", "in/here"] {
        history.record_received(&received(0, &store, name, b"1234")).unwrap();
    }
    history.record_received(&received(0, &store, "changed", b"12")).unwrap();
    history.record_received(&received(0, &store, "amended", b"12")).unwrap();
    let more = Received { kept: Kept::Amended, ..received(9 * DAY_MS, &store, "amended", b"1234") };
    history.record_received(&more).unwrap();
    let raced = Received { kept: Kept::Discarded, ..received(0, &store, "here", b"123456") };
    history.record_received(&raced).unwrap();
    // Neither sent files nor those of other stores are looked at.
    history.record_sent(&sent(0, "sent", Outcome::Failed)).unwrap();
    history.record_received(&received(0, Path::new("/other"), "other", b"")).unwrap();
    let all = names(&history);
    prune(&history, &store, 10);
    assert_eq!(names(&history), all, "not older than ten days");
    assert_eq!(history.pruned_before().unwrap(), None);
    prune(&history, &store, 11);
    let left = ["amended", "changed", "here", "in/here", "other", "sent"];
    let left_sizes = [4, 2, 4, 4, 0, 9];
    let left: Vec<_> = left.map(str::to_owned).into_iter().zip(left_sizes).collect();
    assert_eq!(names(&history), left);
    assert_eq!(history.pruned_before().unwrap(), Some(DAY_MS));
    prune(&history, &store, 1000);
    assert_eq!(names(&history), left, "however old");
}

#[test]
fn the_row_of_a_file_that_is_gone_stays_for_the_time_from_when_it_was_missed() {
    let (_folder, history) = history();
    let (_kept, store) = store(&history);
    history.record_received(&received(0, &store, "gone", b"1")).unwrap();
    history.record_received(&received(0, &store, "back", b"1")).unwrap();
    history.record_received(&received(0, &store, "in/gone", b"1")).unwrap();
    // Something else has its name.
    fs::create_dir(store.join("gone")).unwrap();
    prune(&history, &store, 100);
    prune(&history, &store, 110);
    assert_eq!(names(&history).len(), 3, "missed for ten days");
    fs::write(store.join("back"), "1").unwrap();
    prune(&history, &store, 111);
    assert_eq!(names(&history), [("back".to_owned(), 1)]);
    fs::remove_file(store.join("back")).unwrap();
    prune(&history, &store, 112);
    prune(&history, &store, 122);
    assert_eq!(names(&history).len(), 1, "missed again since day 112");
    prune(&history, &store, 123);
    assert!(names(&history).is_empty());
}

#[test]
fn a_store_without_its_folder_and_a_clock_that_is_set_back_prune_nothing() {
    let (_folder, history) = history();
    let (kept, store) = store(&history);
    history.record_received(&received(0, &store, "gone", b"1")).unwrap();
    prune(&history, &store, 100);
    drop(kept);
    prune(&history, &store, 500);
    assert_eq!(names(&history).len(), 1, "a folder that is not mounted");
    fs::create_dir(&store).unwrap();
    prune(&history, &store, 5);
    prune(&history, &store, 15);
    assert_eq!(names(&history).len(), 1, "missed since day 5");
    prune(&history, &store, 16);
    assert!(names(&history).is_empty());
    fs::remove_dir(&store).unwrap();
}

#[test]
fn more_rows_than_a_step_are_pruned_and_a_step_looks_at_no_more() {
    let (_folder, history) = history();
    let (_kept, store) = store(&history);
    let rows: Vec<Received> = (0..3 * STEP).map(|_| received(0, &store, "a", b"1")).collect();
    history.record_all_received(&rows, &[]).unwrap();
    let what = Pruning { store: &store, now_ms: 11 * DAY_MS, before_ms: DAY_MS };
    assert_eq!(history.prune(what, i64::MIN).unwrap(), Some(i64::try_from(STEP).unwrap()));
    assert_eq!(names(&history).len(), 2 * STEP);
    prune(&history, &store, 11);
    let rows = history.entries(&Filter::default()).unwrap();
    assert!(matches!(&rows[..], [Entry::Received(_)]), "{}", rows.len());
}

/// Not even a row with a name out of the store makes it look there.
#[test]
fn names_that_lead_out_of_the_store_are_not_followed() {
    let (_folder, history) = history();
    let (_kept, store) = store(&history);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("a"), "1").unwrap();
    std::os::unix::fs::symlink(outside.path(), store.join("link")).unwrap();
    for name in ["link/a", "../a", "/etc/passwd", "a//b", ""] {
        assert_eq!(folder::look(&store, name).unwrap(), None, "{name}");
    }
}

/// The plan of SQLite for the rows of a step: two look-ups by an index, and no sorting.
#[test]
fn a_step_does_not_read_the_whole_table() {
    let (_folder, history) = history();
    let plan: Vec<String> = history
        .read(|file| {
            let mut plan = file.prepare(&format!("EXPLAIN QUERY PLAN {CANDIDATES}"))?;
            plan.query_map([0, 1], |row| row.get(3))?.collect()
        })
        .unwrap();
    assert!(plan.iter().any(|line| line.contains("SEARCH this USING INTEGER PRIMARY KEY")), "{plan:?}");
    let later = "SEARCH later USING INDEX received_name (store=? AND name=? AND rowid>?)";
    assert!(plan.iter().any(|line| line.contains(later)), "{plan:?}");
    assert!(!plan.iter().any(|line| line.contains("SCAN") || line.contains("TEMP")), "{plan:?}");
}
