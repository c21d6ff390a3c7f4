//! The text files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders whose files are in git. Others hold build results or files of a developer.
const FOLDERS: [&str; 10] =
    [".ci", "assets", "benches", "certs", "docs", "examples", "fuzz", "packaging", "src", "tests"];

/// Extensions of files that a build or a test writes, or that no person reads.
const NOT_READ: [&str; 6] = ["hex", "lock", "crt", "pem", "csr", "bin"];

/// A text file.
pub(crate) struct Text {
    /// Path from the root of the repository, with `/`.
    pub path: String,
    pub content: String,
}

impl Text {
    /// Returns the lines with their numbers, counted from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.content.lines().enumerate().map(|(n, line)| (n + 1, line))
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns all files of the repository, by their paths from its root.
pub(crate) fn paths() -> Vec<String> {
    let mut found = Vec::new();
    let top = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    // In a worktree of git, `.git` is a file.
    let top = top.filter(|path| path.is_file() && !path.ends_with(".git"));
    found.extend(top);
    for folder in FOLDERS {
        walk(&root().join(folder), &mut found);
    }
    found.sort();
    let relative = |path: &PathBuf| path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
    found.iter().map(relative).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    // A published package lacks some of these folders.
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Returns the text files of the repository, without this test.
pub(crate) fn texts() -> Vec<Text> {
    let is_read = |path: &String| {
        let extension =
            Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        // What a fuzzer found is text by chance only.
        let is_found = path.starts_with("fuzz/corpus/");
        !NOT_READ.contains(&extension) && !path.starts_with("tests/house/") && !is_found
    };
    let read = |path: String| {
        // What is not UTF-8 is no text.
        let content = fs::read_to_string(root().join(&path)).ok()?;
        Some(Text { path, content })
    };
    let texts: Vec<Text> = paths().into_iter().filter(is_read).filter_map(read).collect();
    assert!(texts.len() > 300, "only {} text files were found", texts.len());
    texts
}
