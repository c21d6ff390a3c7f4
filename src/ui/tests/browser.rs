//! The browser: its cursor, order, filter, folders that arrive and change, and going to others.

use super::keys::{jobs, names};
use super::*;
use crate::ui::keymap::Place;
use crate::ui::listing::Odd;

#[test]
fn the_cursor_starts_on_the_first_file_and_a_folder_that_was_left_keeps_its_cursor() {
    let mut stage = Stage::new();
    assert!(stage.row("cmos.mp4").contains('▸'));
    let effects = stage.keys("j j k k k Enter");
    stage.list(&effects, vec![entry("a.svg", Kind::File, 1, 0, ""), entry("b.svg", Kind::File, 1, 0, "")]);
    assert!(stage.row("a.svg").contains('▸'));
    stage.keys("j");
    let up = stage.keys("h");
    stage.list(&up, week9());
    assert!(stage.row("figures/").contains('▸'), "the folder that was left");
    let down = stage.keys("Enter");
    stage.list(&down, vec![entry("a.svg", Kind::File, 1, 0, ""), entry("b.svg", Kind::File, 1, 0, "")]);
    assert!(stage.row("b.svg").contains('▸'));
    let up = stage.keys("h");
    stage.list(&up, vec![entry("only", Kind::Folder, 0, 0, "")]);
    assert!(stage.row("only/").contains('▸'), "without a file, the first folder");
}

#[test]
fn a_folder_arrives_in_parts_and_the_cursor_stays_where_the_user_put_it() {
    let mut stage = Stage::new();
    let effects = stage.keys("h");
    let Some(Effect::List(request)) = effects.first() else { panic!("{effects:?}") };
    let file = |name: &str| entry(name, Kind::File, 1, 0, "");
    let part = |names: &[&str], end| Listing {
        entries: names.iter().map(|name| file(name)).collect(),
        end,
        ..listing(request, Ok(Vec::new()))
    };
    stage.part(part(&["m10", "m2"], None));
    assert!(stage.shows("2 entries so far…") || stage.shows("3 entries so far…"), "{:?}", stage.rows());
    assert!(stage.row("m2").contains('▸'), "the first file so far");
    stage.part(part(&["b"], None));
    assert!(stage.row(" b ").contains('▸'), "the first file so far");
    stage.keys("G");
    assert!(stage.row("m10").contains('▸'));
    stage.part(part(&["a", "x", "week9"], None));
    assert!(stage.row("m10").contains('▸'), "the user has put it there");
    stage.part(part(&["c"], Some(Ok(()))));
    assert!(stage.row("m10").contains('▸'));
    assert!(!stage.shows("so far"));
    let rows = stage.rows().concat();
    let places: Vec<_> =
        [" a ", " b ", " c ", " m2 ", "m10 ", "week9", " x "].map(|name| rows.find(name)).into();
    assert!(places.is_sorted() && places[0].is_some(), "{places:?}");
}

#[test]
fn a_folder_that_changes_on_the_disk_is_read_again_after_a_rest_and_nothing_jumps() {
    let mut stage = Stage::new();
    stage.keys("Space");
    let folder = stage.app.screens.upload.browser.folder().to_owned();
    stage.app.on_found(Found::Changed("/elsewhere".into()), stage.now);
    assert_eq!(stage.app.next_change(stage.now), None, "another folder");
    stage.app.on_found(Found::Changed(folder), stage.now);
    let at = stage.app.next_change(stage.now).expect("it is read again");
    assert_eq!(stage.app.due(stage.now), [], "not at once: it may change a thousand times");
    stage.now = at;
    let effects = stage.app.due(stage.now);
    assert_eq!(stage.app.due(stage.now), [], "once");
    let mut entries = week9();
    entries.retain(|entry| entry.shown != "cmos.mp4");
    entries.push(entry("born.txt", Kind::File, 3, 0, ""));
    stage.list(&effects, entries);
    assert!(stage.shows("born.txt") && !stage.shows("cmos.mp4"));
    assert!(stage.row("image.ppm").contains('▸'), "the cursor stays on its name");
    assert!(!stage.shows("marked"), "a file that is gone is not marked");
}

#[test]
fn links_and_entries_that_cannot_be_sent_say_so() {
    let mut stage = Stage::new().sized(160, 40);
    let link = |to: &str| Some(to.to_owned());
    let again = stage.keys("C-l");
    let entries = vec![
        Entry { link: link("../data/week9.bin"), ..entry("latest.bin", Kind::File, 7, 0, "") },
        Entry { link: link("/nowhere"), ..entry("old", Kind::Other(Odd::BrokenLink), 0, 0, "") },
        Entry { is_readable: false, ..entry("secret.key", Kind::File, 7, 0, "") },
        Entry { is_readable: false, ..entry("root", Kind::Folder, 7, 0, "") },
        entry("events", Kind::Other(Odd::Pipe), 0, 0, ""),
    ];
    stage.list(&again[1..], entries);
    assert!(stage.row("latest.bin → ../data/week9.bin").contains("7 B"));
    assert!(stage.row("old → /nowhere").contains("broken"));
    assert!(stage.row("secret.key").contains("unreadable") && stage.row("root/").contains("unreadable"));
    assert!(stage.row("events").contains("pipe"));
    stage.keys("Home j j");
    assert!(stage.row("events").contains('▸') && stage.keys("u").is_empty(), "a pipe is never sent");
}

#[test]
fn g_goes_to_the_first_row_to_a_latest_folder_or_to_a_path_that_is_completed() {
    let mut stage = Stage::new();
    assert!(stage.keys("G g g").is_empty());
    assert!(stage.row("..").contains('▸'), "gg");
    let up = stage.keys("h");
    stage.list(&up, vec![entry("week9", Kind::Folder, 0, 0, "")]);
    stage.keys("g");
    assert!(stage.row("~/lectures/week9").contains(" 1 "), "the folder before");
    let effects = stage.keys("1");
    assert!(
        matches!(&effects[..], [Effect::List(request)] if request.folder.ends_with("week9")),
        "{effects:?}"
    );
    stage.keys("g / h o");
    assert_eq!(stage.app.due(stage.now), [Effect::Complete("/".into())]);
    stage.app.on_found(Found::Names("/".into(), vec!["home".into(), "root".into()]), stage.now);
    assert!(stage.shows("home/") && !stage.shows("root/"));
    stage.keys("Tab");
    assert!(stage.shows("/home/") && stage.app.place() == Place::Path);
    let effects = stage.keys("m e Enter");
    assert!(
        matches!(&effects[..], [Effect::List(request)] if request.folder == Path::new("/home/me")),
        "{effects:?}"
    );
    stage.keys("g Esc");
    assert_eq!(stage.app.place(), Place::Browser);
}

#[test]
fn half_a_page_and_a_page_by_control_keys_in_the_browser() {
    let mut stage = Stage::new();
    let again = stage.keys("C-l");
    stage.list(&again[1..], (0..50).map(|n| entry(&format!("f{n}"), Kind::File, 1, 0, "")).collect());
    stage.keys("Home C-d");
    assert!(stage.row("▸").contains("f4"), "{}", stage.row("▸"));
    stage.keys("C-f C-b C-b");
    assert!(stage.row("▸").contains(".."));
    assert!(stage.keys("C-u").is_empty(), "a slip beside u, which sends, does nothing");
}

#[test]
fn hidden_files_and_order() {
    let mut stage = Stage::new();
    assert!(!stage.shows(".hidden"));
    stage.keys(".");
    assert!(stage.shows(".hidden"));
    stage.keys(". ,");
    let order = |stage: &mut Stage| -> Vec<usize> {
        let rows = stage.rows();
        ["figures/", "cmos.mp4", "image.ppm", "notes.txt", "week9.html"]
            .map(|name| rows.iter().position(|row| row.contains(name)).unwrap_or(0))
            .to_vec()
    };
    assert_eq!(order(&mut stage), [3, 4, 5, 7, 6], "largest first, folders before");
    assert!(stage.shows(" by size ╮"));
    stage.keys(",");
    assert!(stage.shows(" by time ╮"));
    stage.keys(",");
    assert!(stage.shows(" by type ╮"));
    assert_eq!(order(&mut stage), [3, 5, 6, 7, 4], "html, mp4, ppm, txt");
    stage.keys(",");
    assert!(stage.shows(" by name ╮"));
    assert_eq!(order(&mut stage), [3, 4, 5, 6, 7]);
}

#[test]
fn a_filter_is_typed_kept_and_dropped() {
    let mut stage = Stage::new();
    stage.keys("/");
    assert_eq!(stage.app.place(), Place::Text);
    assert!(stage.keys("M P 4 u").is_empty(), "u is a letter here");
    assert!(stage.shows("No match"));
    stage.keys("Bksp");
    assert!(stage.shows("cmos.mp4") && !stage.shows("notes.txt"));
    assert_eq!(names(&jobs(&stage.keys("Enter u"))), ["cmos.mp4"], "the cursor is on what was found");
    assert!(!stage.shows("notes.txt"), "the filter stays");
    stage.keys("Esc");
    assert!(stage.shows("notes.txt"));
}
