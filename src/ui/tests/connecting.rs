//! The connect dialog: what is said about a field when it is left.

use std::path::PathBuf;
use std::slice;

use super::*;

/// Presses keys and returns the CA files that must be read.
fn asked(stage: &mut Stage, names: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for name in names.split(' ') {
        stage.settle();
        for effect in stage.app.on_key(key(name), stage.now) {
            if let Effect::CheckCa(path) = effect {
                files.push(path);
            }
        }
    }
    files
}

/// Returns the row below the one that contains the text.
fn below(stage: &mut Stage, text: &str) -> String {
    let rows = stage.rows();
    let at = rows.iter().position(|row| row.contains(text)).unwrap();
    rows[at + 1].clone()
}

#[test]
fn an_address_is_checked_when_its_field_is_left() {
    for leave in ["Tab", "Down", "S-Tab", "Up", "Enter"] {
        let mut stage = Stage::new();
        stage.keys(&format!("c a : b {leave}"));
        assert!(below(&mut stage, "host:port ").contains("✗ Invalid address"), "{leave}: {:?}", stage.rows());
    }
    let mut stage = Stage::new();
    stage.keys("c a : b Tab S-Tab");
    assert!(stage.shows("✗ Invalid address"), "it stays until the field is edited");
    stage.keys("Tab x S-Tab");
    assert!(stage.shows("✗ Invalid address"), "another field was edited");
    stage.keys("Bksp");
    assert!(!stage.shows("✗ Invalid address"));
    stage.keys("9 9 Tab");
    assert!(!stage.shows("✗") || !stage.shows("Invalid"), "{:?}", stage.rows());
    let mut stage = Stage::new();
    stage.keys("c l a b Tab");
    assert!(below(&mut stage, "host:port ").contains("Without a port, 4321 is used."));
}

#[test]
fn a_ca_file_is_read_when_its_field_is_left_and_before_the_dialog_is_accepted() {
    let wrong = "This file does not exist.";
    let mut stage = Stage::new();
    let file = PathBuf::from("/home/me/ca");
    assert_eq!(asked(&mut stage, "c l a b : 9 9 Tab C-u ~ / c a Tab"), slice::from_ref(&file));
    assert!(stage.app.on_found(Found::Ca(file.clone(), Some(wrong.to_owned())), stage.now).is_empty());
    assert!(below(&mut stage, "CA file ").contains("✗ This file does not exist."), "{:?}", stage.rows());
    // Enter reads it again, because it may be there now, and accepts nothing before it has been read.
    assert_eq!(asked(&mut stage, "Enter"), slice::from_ref(&file));
    stage.app.on_found(Found::Ca(file.clone(), Some(wrong.to_owned())), stage.now);
    assert!(stage.shows("✗ This file does not exist.") && stage.shows("RSA padding"));
    assert_eq!(asked(&mut stage, "Enter"), slice::from_ref(&file));
    stage.app.on_found(Found::Ca("/another".into(), None), stage.now);
    assert!(stage.shows("RSA padding"), "the result of another file accepts nothing");
    stage.app.on_found(Found::Ca(file.clone(), None), stage.now);
    assert!(!stage.shows("RSA padding") && stage.shows("lab:99 not yet proven"), "{:?}", stage.rows());
    // What is edited while the file is read is not accepted by the result.
    let mut stage = Stage::new();
    assert_eq!(asked(&mut stage, "c l a b : 9 9 Tab C-u ~ / c a Enter x Bksp"), slice::from_ref(&file));
    stage.app.on_found(Found::Ca(file, None), stage.now);
    assert!(stage.shows("RSA padding"));
}
