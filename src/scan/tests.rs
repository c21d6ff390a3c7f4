//! What a scan finds in folders of every kind.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::*;

fn fill(root: &Path, files: &[&str]) {
    for file in files {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
}

/// Returns the names of the files, and of what is skipped with the reason.
fn scan(root: &Path, rules: &FolderRules) -> (Vec<String>, Vec<(String, String)>) {
    let (mut files, mut skipped) = (Vec::new(), Vec::new());
    for found in Scan::new(root, rules).unwrap() {
        match found {
            Found::File { path, name, size } => {
                assert!(path.starts_with(root) && path.is_file());
                assert_eq!(size, fs::metadata(path).unwrap().len());
                files.push(name);
            }
            Found::Skipped { path, why } => {
                let inside = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                let why = match why {
                    Skipped::Failed(fault) => fault.what.to_string(),
                    why => format!("{why:?}"),
                };
                skipped.push((inside, why));
            }
        }
    }
    (files, skipped)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn files_have_their_path_from_the_folder_on_in_the_order_of_their_names() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("tree");
    fill(&root, &["b.txt", "a/z.txt", "a/y/x.txt", ".hidden", "c/d/e/f.txt"]);
    let expected = ["tree/.hidden", "tree/a/y/x.txt", "tree/a/z.txt", "tree/b.txt", "tree/c/d/e/f.txt"];
    assert_eq!(scan(&root, &FolderRules::default()), (expected.map(str::to_owned).to_vec(), Vec::new()));
}

#[test]
fn the_working_folder_has_no_name_of_its_own() {
    let temp = tempfile::tempdir().unwrap();
    fill(temp.path(), &["a/b.txt"]);
    let (files, _) = scan(&temp.path().join("a/.."), &FolderRules::default());
    assert_eq!(files, ["a/b.txt"]);
}

#[test]
fn empty_folders_links_and_special_files_are_named_and_skipped() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("tree");
    fill(&root, &["a.txt", "full/b.txt"]);
    for empty in ["empty", "full/inner/innermost"] {
        fs::create_dir_all(root.join(empty)).unwrap();
    }
    fill(temp.path(), &["elsewhere/secret.txt"]);
    symlink(temp.path().join("elsewhere"), root.join("to folder")).unwrap();
    symlink("a.txt", root.join("to file")).unwrap();
    symlink("nowhere", root.join("to nothing")).unwrap();
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    let (files, skipped) = scan(&root, &FolderRules::default());
    assert_eq!(files, ["tree/a.txt", "tree/full/b.txt"]);
    let expected = pairs(&[
        ("empty", "Empty"),
        ("full/inner/innermost", "Empty"),
        ("socket", "Special"),
        ("to file", "Link"),
        ("to folder", "Link"),
        ("to nothing", "Link"),
    ]);
    assert_eq!(skipped, expected);
    let (files, skipped) = scan(&root, &FolderRules { follow: true, ..FolderRules::default() });
    assert_eq!(
        files,
        ["tree/a.txt", "tree/full/b.txt", "tree/to file", "tree/to folder/secret.txt"],
        "{skipped:?}"
    );
    assert!(skipped.iter().any(|(path, why)| path == "to nothing" && why.starts_with("cannot read")));
}

#[test]
fn an_empty_folder_is_reported_itself() {
    let temp = tempfile::tempdir().unwrap();
    assert_eq!(scan(temp.path(), &FolderRules::default()), (Vec::new(), pairs(&[("", "Empty")])));
}

#[test]
fn a_loop_of_links_is_one_error_and_the_rest_is_found() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("tree");
    fill(&root, &["a/b.txt", "z.txt"]);
    symlink("..", root.join("a/up")).unwrap();
    let (files, skipped) = scan(&root, &FolderRules { follow: true, ..FolderRules::default() });
    assert_eq!(files, ["tree/a/b.txt", "tree/z.txt"]);
    assert!(matches!(&skipped[..], [(path, why)] if path == "a/up" && why.contains("is a link back to")));
}

#[test]
fn a_folder_that_cannot_be_read_is_an_error_and_not_empty() {
    use std::os::unix::fs::PermissionsExt as _;
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("tree");
    fill(&root, &["closed/a.txt", "z.txt"]);
    fs::set_permissions(root.join("closed"), fs::Permissions::from_mode(0o0)).unwrap();
    // The superuser can read it anyway.
    let is_closed = fs::read_dir(root.join("closed")).is_err();
    let (files, skipped) = scan(&root, &FolderRules::default());
    fs::set_permissions(root.join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    if is_closed {
        assert_eq!(files, ["tree/z.txt"]);
        assert!(
            matches!(&skipped[..], [(path, why)] if path == "closed" && why.ends_with("Permission denied (os error 13)")),
            "{skipped:?}"
        );
    } else {
        assert_eq!(files, ["tree/closed/a.txt", "tree/z.txt"]);
    }
}

#[test]
fn what_is_excluded_or_ignored_is_not_found() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("tree");
    fill(
        &root,
        &["a.txt", "a.tmp", "sub/b.tmp", "sub/c.txt", "target/d.txt", "sub/target/e.txt", ".gitignore"],
    );
    let rules = |exclude: &[&str]| FolderRules {
        follow: false,
        exclude: exclude.iter().map(|pattern| (*pattern).to_owned()).collect(),
    };
    let (files, _) = scan(&root, &rules(&["*.tmp", "/target"]));
    assert_eq!(files, ["tree/.gitignore", "tree/a.txt", "tree/sub/c.txt", "tree/sub/target/e.txt"]);
    // Git's own file has no effect.
    fs::write(root.join(".gitignore"), "*.txt\n").unwrap();
    fs::write(root.join(".upsealignore"), "*.tmp\n.gitignore\n.upsealignore\n").unwrap();
    fs::write(root.join("sub/.upsealignore"), "target/\n!b.tmp\n.upsealignore\n").unwrap();
    let (files, _) = scan(&root, &rules(&[]));
    assert_eq!(files, ["tree/a.txt", "tree/sub/b.tmp", "tree/sub/c.txt", "tree/target/d.txt"]);
    let (files, _) = scan(&root, &rules(&["b.*"]));
    assert_eq!(files, ["tree/a.txt", "tree/sub/c.txt", "tree/target/d.txt"], "a flag is above the file");
}

#[test]
fn patterns_are_checked() {
    for pattern in ["*.tmp", "target/", "/a/**/b", "[a-c]"] {
        check_pattern(pattern).unwrap();
    }
    for pattern in ["", "!a", "[", "{a"] {
        assert_eq!(check_pattern(pattern).unwrap_err().kind, crate::event::FaultKind::Usage, "{pattern}");
    }
}

#[test]
fn what_lies_too_deep_is_an_error_and_not_lost_silently() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("tree");
    let deep = (0..MOST_LEVELS + 3).fold(String::new(), |path, _| path + "d/");
    fill(&root, &["a.txt", &format!("{deep}b.txt")]);
    let (files, skipped) = scan(&root, &FolderRules::default());
    assert_eq!(files, ["tree/a.txt"]);
    assert!(matches!(&skipped[..], [(_, why)] if why.ends_with("is 64 folders deep")), "{skipped:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf8_is_reported() {
    use std::os::unix::ffi::OsStrExt as _;
    let temp = tempfile::tempdir().unwrap();
    fill(temp.path(), &["a.txt"]);
    fs::write(temp.path().join(std::ffi::OsStr::from_bytes(b"\xff")), "b").unwrap();
    let found: Vec<Found> = Scan::new(temp.path(), &FolderRules::default()).unwrap().collect();
    assert!(
        matches!(&found[..], [Found::File { .. }, Found::Skipped { why: Skipped::Failed(fault), .. }]
            if fault.what.as_str().contains("is not UTF-8")),
        "{found:?}"
    );
}
