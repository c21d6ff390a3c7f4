//! The arrows of ARCHITECTURE.md, compared with the `use` lines of `src`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Returns the lines `name … → name …` of the fenced block of ARCHITECTURE.md that begins with `marker`.
fn stated(marker: &str) -> Arrows {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let block = page.split("```").find(|block| block.starts_with(marker)).unwrap();
    let mut arrows = Arrows::new();
    for (from, to) in block.lines().filter_map(|line| line.split_once('→')) {
        for from in from.split_whitespace() {
            arrows.insert(from.to_owned(), to.split_whitespace().map(str::to_owned).collect());
        }
    }
    arrows
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            // Tests may import from rooms above.
            if name != "tests" {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}

/// Returns the code of a file without comments and without its inline test module, which stands last.
fn code(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let opens_tests = |from: &[&str]| {
        // Other attributes may stand between.
        let item =
            from.iter().map(|line| line.trim()).find(|line| line.starts_with("mod ") || line.ends_with(';'));
        from[0].trim() == "#[cfg(test)]" && item.is_some_and(|item| item.ends_with('{'))
    };
    let end = (0..lines.len()).position(|at| opens_tests(&lines[at..]));
    lines[..end.unwrap_or(lines.len())].join("\n")
}

/// Returns the names after `prefix::`, one or several in braces.
fn named(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let word = |text: &str| -> String {
            text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        if !rest.starts_with('{') {
            names.insert(word(rest));
            continue;
        }
        let mut depth = 0;
        for (at, c) in rest.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && (c == '{' || c == ',') {
                names.insert(word(&rest[at + 1..]));
            }
        }
    }
    names.remove("");
    names
}

/// Returns for each room what `look` finds in its files.
fn found(look: impl Fn(&str) -> BTreeSet<String>) -> Arrows {
    let mut files = Vec::new();
    let src = root().join("src");
    sources(&src, &mut files);
    let mut arrows = Arrows::new();
    for file in files {
        let inside = file.strip_prefix(&src).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        let room = first.trim_end_matches(".rs").to_owned();
        let names = look(&code(&fs::read_to_string(&file).unwrap()));
        arrows.entry(room).or_default().extend(names);
    }
    // What the library hands on, and the binary that calls it.
    arrows.remove("lib");
    arrows.remove("main");
    arrows
}

#[test]
fn every_room_imports_exactly_what_the_page_says() {
    let stated = stated("\ntesting ");
    let mut found = found(|code| named(code, "crate::"));
    for (room, to) in &mut found {
        to.remove(room);
    }
    let rooms: BTreeSet<&String> = found.keys().collect();
    for (room, to) in &found {
        let allowed = stated.get(room).unwrap_or_else(|| panic!("ARCHITECTURE.md has no line for `{room}`"));
        // Items that `lib.rs` itself defines or hands on are no rooms.
        let to: BTreeSet<&String> = to.iter().filter(|name| rooms.contains(name)).collect();
        let allowed: BTreeSet<&String> = allowed.iter().collect();
        assert_eq!(to, allowed, "`{room}` imports the left, and ARCHITECTURE.md says the right");
    }
    assert_eq!(stated.keys().collect::<BTreeSet<_>>(), rooms, "the rooms of the page are the rooms of src");
}

#[test]
fn no_arrow_runs_upward() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let block = page.split("```").find(|block| block.starts_with("\ntesting ")).unwrap();
    let order: Vec<&str> = block
        .lines()
        .filter_map(|line| line.split_once('→'))
        .flat_map(|(from, _)| from.split_whitespace())
        .collect();
    let floor = |room: &str| order.iter().position(|name| *name == room).unwrap();
    for (room, to) in stated("\ntesting ") {
        for below in to {
            assert!(floor(&room) < floor(&below), "`{room}` stands below `{below}` and imports it");
        }
    }
}

#[test]
fn crates_appear_only_in_the_rooms_that_the_page_names() {
    let stated = stated("\nratatui ");
    assert!(stated.len() > 5, "{stated:?}");
    for (name, rooms) in stated {
        let users = found(|code| named(code, &format!("{name}::")));
        let users: BTreeSet<String> =
            users.into_iter().filter(|(_, what)| !what.is_empty()).map(|(room, _)| room).collect();
        assert!(users.is_subset(&rooms), "`{name}` is used by {users:?}; ARCHITECTURE.md allows {rooms:?}");
    }
}

#[test]
fn imports_are_read_in_every_form() {
    let text = "use crate::event::{Event, Job};\nuse crate::{\n  cost,\n  net::{wire, Observer},\n};\nlet x = crate::units::size(1);\n\
                // crate::comment\nuse other_crate::a;\n#[cfg(test)]\nmod tests {\n use crate::lab::x;\n}";
    let names = named(&code(text), "crate::");
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), ["cost", "event", "net", "units"]);
}
