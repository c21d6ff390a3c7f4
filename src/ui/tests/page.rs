//! The report of a race, from its key to its file.

use std::fs;

use super::*;
use crate::report::Labels;
use crate::ui::page::Page;

#[test]
fn before_a_race_there_is_nothing_to_report() {
    let mut stage = Stage::new();
    assert_eq!(stage.keys("2 w"), []);
    assert!(stage.shows("no race has finished yet"));
}

#[test]
fn w_writes_a_report_with_the_races_numbers_and_shows_its_path() {
    let mut stage = raced();
    let effects = stage.keys("w");
    let [Effect::Report(page)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(page.folder, Path::new("/home/me/lectures/week9"), "where the browser is");

    let there = tempfile::tempdir().unwrap();
    let page = Page { folder: there.path().to_owned(), ..page.clone() };
    let labels = Labels { author: Some("Ada".into()), course: Some("Networks".into()), ..Labels::default() };
    let path = page.write(labels).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.to_lowercase().starts_with("<!doctype html>") && text.contains("CP1") && text.contains("CP2")
    );
    assert!(text.contains("<p class=\"labels\">Ada · Networks</p>"));
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.starts_with("race-report-") && name.contains("Z.html"), "{name}");
    stage.app.shared.reported(Ok(path), stage.now);
    assert!(stage.shows("Report saved as race-report-"));
}

#[test]
fn a_report_that_cannot_be_written_is_an_error_message() {
    let mut stage = raced();
    let Some(Effect::Report(page)) = stage.keys("w").pop() else { panic!("no report") };
    let folder = PathBuf::from("/nowhere/at/all");
    stage.app.shared.reported(Page { folder, ..page }.write(Labels::default()), stage.now);
    assert!(stage.shows("cannot write the report"));
    assert_eq!(stage.keys("w").len(), 1, "again");
}
