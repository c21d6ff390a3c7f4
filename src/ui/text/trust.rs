//! Words about who a server is.

use crate::event::{KeyChange, Proof, Standing};
use crate::transfer::recognise::day;
use crate::ui::fit;

use super::{fingerprint, identity};

pub(in crate::ui) const ALARM: &str = "✗ ANOTHER KEY THAN BEFORE";
pub(in crate::ui) const CHANGED_SHORT: &str = "✗ ANOTHER KEY, refused";
pub(in crate::ui) const ALARM_NOTHING: &str = "NOTHING WAS SENT. What waited for it has stopped.";
pub(in crate::ui) const ALARM_CA: &str = "The CA signed this key too: it certifies many.";
pub(in crate::ui) const ALARM_WHY: &str = "Either its operator changed the key, or somebody else answers there. \
     Ask the operator by another way than this connection, and compare.";
pub(in crate::ui) const ALARM_ANSWERS: &[(&str, &str)] =
    &[("A", "accept the new key, then t tries again"), ("Esc", "close; it stays refused")];
/// Where both fingerprints cannot be seen.
pub(in crate::ui) const ALARM_SMALL_ANSWERS: &[(&str, &str)] =
    &[("A", "in a larger window: accept"), ("Esc", "close; it stays refused")];

pub(in crate::ui) fn alarm(change: &KeyChange) -> String {
    format!("{} answers with another key than before.", fit::escaped(&change.address))
}

pub(in crate::ui) fn alarm_known(change: &KeyChange) -> String {
    format!("known since {}, sha256:", day(change.since.as_deref()))
}

pub(in crate::ui) fn alarm_now(change: &KeyChange) -> String {
    format!("now, as {}, sha256:", fit::escaped(&change.subject))
}

pub(in crate::ui) fn alarm_later(change: &KeyChange) -> String {
    format!("Later, without this screen: upseal known accept {}", fit::escaped(&change.address))
}

/// For the log: all of it, because the screen goes.
pub(in crate::ui) fn changed(change: &KeyChange) -> String {
    format!(
        "{} ANOTHER KEY: known since {} is {}, now {}, as {}. Nothing was sent.",
        fit::escaped(&change.address),
        day(change.since.as_deref()),
        fingerprint(&change.known),
        fingerprint(&change.offered),
        fit::escaped(&change.subject),
    )
}

/// An upload that failed because of the key.
pub(in crate::ui) fn not_sent(name: &str) -> String {
    format!("{name}: not sent, because of the other key")
}

/// `9f2c 41d0 7b9f`, `groups` in each row.
pub(in crate::ui) fn grouped_hex(hex: &str, groups: usize) -> Vec<String> {
    let all: Vec<char> = fit::escaped(hex).chars().collect();
    all.chunks(4 * groups.max(1))
        .map(|row| row.chunks(4).map(String::from_iter).collect::<Vec<String>>().join(" "))
        .collect()
}

pub(in crate::ui) fn accepted(address: &str) -> (String, String) {
    (
        format!("The new key of {} is accepted.", fit::escaped(address)),
        "t in the queue tries a failed upload again, T all of them.".to_owned(),
    )
}

pub(in crate::ui) fn proven(address: &str, proof: &Proof, standing: &Standing) -> String {
    let mut words = format!("{} proved to be {}", fit::escaped(address), identity(proof));
    match standing {
        Standing::Known { since } => words.extend([", known since ", day(since.as_deref())]),
        Standing::Pinned { .. } => words.push_str(", as pinned"),
        Standing::Own | Standing::First { .. } => {}
    }
    for warning in &proof.warnings {
        words.push_str("; ");
        words.push_str(&fit::escaped(warning));
    }
    words
}

/// What is worth a message: a server that was never met, a key that a pin replaced.
pub(in crate::ui) fn news(address: &str, proof: &Proof, standing: &Standing) -> Option<(String, String)> {
    let address = fit::escaped(address);
    match standing {
        Standing::First { remembered, other_ca } => {
            let memory = if *remembered { "remembered" } else { "NOT remembered" };
            let other = if *other_ca { "; the address is known under another CA" } else { "" };
            let what =
                format!("{address}: first time here; {memory}{other}. {}", fingerprint(&proof.fingerprint));
            Some((what, "Compare it with what its operator says.".to_owned()))
        }
        Standing::Pinned { replaced: Some(old) } => {
            Some((format!("{address}: the pin replaces the key that was known."), fingerprint(old)))
        }
        Standing::Own | Standing::Known { .. } | Standing::Pinned { replaced: None } => None,
    }
}

/// `✓ known 1024-bit`: what can be said of a server whose proof holds.
pub(in crate::ui) fn proven_short(proof: &Proof, standing: Option<&Standing>) -> String {
    let how = match standing {
        None | Some(Standing::Own) => "proven",
        Some(Standing::First { .. }) => "first seen",
        Some(Standing::Known { .. }) => "known",
        Some(Standing::Pinned { .. }) => "pinned",
    };
    format!("✓ {how} {}-bit", proof.bits)
}
