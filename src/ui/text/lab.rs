//! Texts of the lab.

use crate::lab::outcome::Outcome;

pub(in crate::ui) use crate::messages::capital as sentence;

pub(in crate::ui) const LAB: &str = "Lab: an attacker is on the path";
pub(in crate::ui) const LAB_LABEL: &str =
    "this program's client and server, temporary keys; not about other servers";
pub(in crate::ui) const LAB_ATTACK: &str = "Attack";
pub(in crate::ui) const LAB_WITH_RECEIPT: &str = "with a receipt";
pub(in crate::ui) const LAB_BROKEN: &str = "could not run";

pub(in crate::ui) const LAB_BUG: &str = "a bug in upseal ended the lab";

/// `17 of 48`
pub(in crate::ui) fn lab_progress(played: usize, all: usize) -> String {
    format!("{played} of {all}")
}

pub(in crate::ui) fn lab_verdict(wrong: usize) -> String {
    match wrong {
        0 => "all as the protocol says ✓".to_owned(),
        1 => "1 differs from the protocol ✗".to_owned(),
        n => format!("{n} differ from the protocol ✗"),
    }
}

/// `✗ altered` if the attacker gained something, `✓ refused` if not.
pub(in crate::ui) fn outcome_sign(outcome: Outcome) -> String {
    format!("{} {outcome}", if outcome.harms() { "✗" } else { "✓" })
}
