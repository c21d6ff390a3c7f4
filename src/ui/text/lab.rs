//! Words of the lab.

use crate::lab::outcome::Outcome;

pub(in crate::ui) const LAB: &str = "Lab: somebody is on the path";
pub(in crate::ui) const LAB_LABEL: &str =
    "upseal's own client and server, throwaway keys; nothing of other servers";
pub(in crate::ui) const LAB_ATTACK: &str = "Attack";
pub(in crate::ui) const LAB_WITH_RECEIPT: &str = "with a receipt";
pub(in crate::ui) const LAB_BROKEN: &str = "could not be played";

pub(in crate::ui) const LAB_BUG: &str = "a bug of upseal's ended the lab";

/// `17 of 48`
pub(in crate::ui) fn lab_progress(played: usize, all: usize) -> String {
    format!("{played} of {all}")
}

pub(in crate::ui) fn lab_verdict(wrong: usize) -> String {
    match wrong {
        0 => "all as the protocol says ✓".to_owned(),
        1 => "1 is not as the protocol says ✗".to_owned(),
        n => format!("{n} are not as the protocol says ✗"),
    }
}

/// `✗ altered`: the attacker got something; `✓ refused`: nothing.
pub(in crate::ui) fn outcome_sign(outcome: Outcome) -> String {
    format!("{} {outcome}", if outcome.harms() { "✗" } else { "✓" })
}

/// With a capital.
pub(in crate::ui) fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
