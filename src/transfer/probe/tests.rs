use std::collections::HashSet;

use strum::VariantArray as _;

use super::*;

#[test]
fn every_dialect_is_tried_once_and_all_variants_with_proof_are_tried() {
    let all = dialects();
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    assert!(all.iter().all(|dialect| dialect.variant.authenticates()));
    let framings: HashSet<_> =
        all.iter().filter(|one| one.variant == Variant::Cp1).map(|one| (one.framing, one.padding)).collect();
    assert_eq!(framings.len(), 12);
    let terminators: HashSet<_> =
        all.iter().filter(|one| one.framing == Framing::D).map(Dialect::terminator).collect();
    // `none` in framing D is framing E.
    assert_eq!(terminators.len(), Terminator::VARIANTS.len() - 1);
}

#[test]
fn the_files_are_removed_in_the_end() {
    let files = Files::new().unwrap();
    let path = files.write("upseal-probe-1.txt", b"x").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"x");
    drop(files);
    assert!(!path.exists());
    assert!(!path.parent().unwrap().exists());
}
