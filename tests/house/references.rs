//! References to documents and source files.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use crate::tree::{Text, paths, texts};

/// Documents and tools that are not in this repository, in whatever form they are named.
const ABSENT: [&str; 11] = [
    "PROTOCOL.md",
    "DESIGN.md",
    "UX.md",
    "STYLE.md",
    "LANGUAGE.md",
    "CP3.md",
    "SCALE.md",
    "shot.py",
    "handout",
    "the seed's",
    "/work/",
];

/// Extensions of files that a text may refer to.
const EXTENSIONS: [&str; 9] = ["md", "sh", "py", "json", "txt", "rs", "svg", "png", "toml"];

/// Folders at whose names a path of this repository begins.
const FOLDERS: [&str; 9] =
    [".ci/", "assets/", "benches/", "docs/", "examples/", "packaging/", "src/", "tests/", "tools/"];

#[test]
fn no_file_names_a_document_that_does_not_exist() {
    let files: HashSet<String> = paths().into_iter().collect();
    let mut missing = String::new();
    for text in &texts() {
        for (line, reference) in references(text) {
            if !exists(&reference, text, &files) {
                writeln!(missing, "{}:{line}: {reference}", text.path).unwrap();
            }
        }
    }
    assert!(missing.is_empty(), "references to missing files:\n{missing}");
}

#[test]
fn no_file_names_a_document_outside_of_the_repository() {
    let mut found = String::new();
    for text in &texts() {
        for (n, line) in text.lines() {
            if let Some(name) = ABSENT.iter().find(|name| line.contains(**name)) {
                writeln!(found, "{}:{n}: {name}", text.path).unwrap();
            }
        }
    }
    assert!(found.is_empty(), "these documents are not in the repository:\n{found}");
}

/// Returns what a text refers to, with the number of the line.
fn references(text: &Text) -> Vec<(usize, String)> {
    let is_page = Path::new(&text.path).extension().is_some_and(|extension| extension == "md");
    let mut found = Vec::new();
    for (n, line) in text.lines() {
        // The targets of links.
        if is_page {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
            let targets = targets.filter(|target| !target.is_empty() && !target.contains("://"));
            found.extend(targets.map(|target| (n, target.to_owned())));
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '$');
        for word in line.split(|c: char| !is_part(c)).map(|word| word.trim_end_matches(['.', '/'])) {
            let path = Path::new(word);
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            // The folder of a variable is not known.
            if !EXTENSIONS.contains(&extension) || word.starts_with('$') {
                continue;
            }
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let is_capital =
                extension == "md" && stem.len() > 1 && !stem.contains(|c: char| c.is_ascii_lowercase());
            let is_path = FOLDERS.iter().any(|folder| word.starts_with(folder));
            let is_script = matches!(extension, "py" | "sh");
            if is_capital || is_path || is_script {
                found.push((n, word.to_owned()));
            }
        }
    }
    found
}

/// Returns whether a reference names a file: from the root, from the file that has it, or a script by its name alone.
fn exists(reference: &str, text: &Text, files: &HashSet<String>) -> bool {
    let folder = Path::new(&text.path).parent().unwrap_or_else(|| Path::new(""));
    let is_there = |path: &Path| {
        let path = tidy(path);
        files.contains(&path) || files.iter().any(|file| file.starts_with(&format!("{path}/")))
    };
    let by_name =
        || !reference.contains('/') && files.iter().any(|file| file.rsplit('/').next() == Some(reference));
    is_there(Path::new(reference)) || is_there(&folder.join(reference)) || by_name()
}

/// Returns a path without `..`.
fn tidy(path: &Path) -> String {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                parts.pop();
            }
            Component::CurDir => {}
            part => parts.push(part),
        }
    }
    parts.to_str().unwrap_or_default().replace('\\', "/")
}

#[test]
fn finds_references_to_missing_files() {
    let files: HashSet<String> = ["docs/a.md", "src/x.rs", "tests/t/run.py"].map(str::to_owned).into();
    let text = |content: &str| Text { path: "docs/page.md".to_owned(), content: content.to_owned() };
    for good in [
        "[a](a.md#part)",
        "see src/x.rs.",
        "`run.py`",
        "[x](../src/x.rs)",
        "a.txt and race.md",
        "[](https://x.md)",
    ] {
        let text = text(good);
        assert!(references(&text).iter().all(|(_, reference)| exists(reference, &text, &files)), "{good}");
    }
    for bad in ["[a](b.md)", "see src/y.rs", "`gone.py`", "GONE.md says", "docs/b.md"] {
        let text = text(bad);
        assert!(references(&text).iter().any(|(_, reference)| !exists(reference, &text, &files)), "{bad}");
    }
}
