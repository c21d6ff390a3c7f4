//! Texts about who a server is.

use std::io;

use crate::event::{KeyChange, Proof, ServerAddress, Standing};
use crate::messages::trust::{self, Changed};
use crate::messages::{Message, escape};
use crate::trust::TrustError;
use crate::ui::fit;

use super::identity;

pub(in crate::ui) const ALARM: &str = "✗ ANOTHER KEY THAN BEFORE";
pub(in crate::ui) const CHANGED_SHORT: &str = "✗ ANOTHER KEY, refused";
pub(in crate::ui) const ALARM_NOTHING: &str = "NOTHING WAS SENT. The uploads that waited for it have failed.";
pub(in crate::ui) const ALARM_CA: &str = "The CA signed this key too: it signs the keys of many servers.";
pub(in crate::ui) const ALARM_WHY: &str = "Either the operator replaced the key, or another machine answers at this \
     address. Ask the operator over another channel, and compare.";
pub(in crate::ui) const ALARM_ANSWERS: &[(&str, &str)] =
    &[("A", "accept the new key, then t retries"), ("Esc", "close; it stays refused")];
/// For a window too small to show both fingerprints.
pub(in crate::ui) const ALARM_SMALL_ANSWERS: &[(&str, &str)] =
    &[("A", "accept, in a larger window"), ("Esc", "close; it stays refused")];

pub(in crate::ui) const NEWCOMER: &str = "First meeting";
/// `First meeting: lab:4321`
pub(in crate::ui) fn newcomer(address: &ServerAddress) -> String {
    fit::escaped(&format!("{NEWCOMER}: {address}"))
}

pub(in crate::ui) const NEWCOMER_ANSWERS: &[(&str, &str)] =
    &[("Enter", "send there"), ("Esc", "send nothing")];
/// For a window too small to show the words.
pub(in crate::ui) const NEWCOMER_SMALL_ANSWERS: &[(&str, &str)] =
    &[("Enter", "in a larger window"), ("Esc", "send nothing")];

/// Says why a file is not the certificate of a CA, in one line below its field.
pub(in crate::ui) fn bad_ca(error: &TrustError) -> String {
    match error {
        TrustError::Unreadable { why, .. } if why.kind() == io::ErrorKind::NotFound => {
            "This file does not exist.".to_owned()
        }
        TrustError::Unreadable { why, .. } => fit::escaped(&format!("This file cannot be read: {why}")),
        TrustError::NotACertificate(_) => "This file is not a certificate in PEM.".to_owned(),
        other => fit::escaped(&crate::messages::capital(&other.to_string())),
    }
}

/// Says that the uploads wait because the key was not accepted.
pub(in crate::ui) fn unaccepted(address: &ServerAddress, waiting: usize) -> (String, String) {
    let what = trust::unaccepted(address, waiting).what;
    (fit::escaped(&format!("{}.", crate::messages::capital(&what))), "In the queue, t asks again.".to_owned())
}

/// `41.2 KiB, waiting until the key of lab:4321 is accepted (t)`
pub(in crate::ui) fn waits_for_key(size: &str, destination: &str) -> String {
    format!("{size}, key of {destination} not accepted: t asks again")
}

pub(in crate::ui) fn alarm(change: &KeyChange) -> String {
    fit::escaped(&format!("{}.", Changed::of(change).headline()))
}

pub(in crate::ui) fn alarm_known(change: &KeyChange) -> String {
    format!("known since {}, sha256:", trust::day(change.since.as_deref()))
}

pub(in crate::ui) fn alarm_now(change: &KeyChange) -> String {
    format!("now, as {}, sha256:", fit::shown(&change.subject))
}

pub(in crate::ui) fn alarm_later(change: &KeyChange) -> String {
    fit::escaped(&format!("Later, on a command line: {}", Changed::of(change).accept()))
}

/// For the log: with both fingerprints, because the alarm is closed.
pub(in crate::ui) fn changed(change: &KeyChange) -> String {
    fit::escaped(&Changed::of(change).sentence())
}

/// An upload that failed because of the key.
pub(in crate::ui) fn not_sent(name: &str) -> String {
    fit::escaped(&trust::not_sent(&escape(name)))
}

/// `9f2c 41d0 7b9f`, `groups` in each row.
pub(in crate::ui) fn grouped_hex(hex: &str, groups: usize) -> Vec<String> {
    let all: Vec<char> = fit::escaped(hex).chars().collect();
    all.chunks(4 * groups.max(1))
        .map(|row| row.chunks(4).map(String::from_iter).collect::<Vec<String>>().join(" "))
        .collect()
}

pub(in crate::ui) fn accepted(address: &ServerAddress) -> (String, String) {
    (
        format!("The new key of {} is accepted.", fit::escaped(&address.to_string())),
        "In the queue, t retries a failed upload, T all of them.".to_owned(),
    )
}

pub(in crate::ui) fn proven(address: &ServerAddress, proof: &Proof, standing: &Standing) -> String {
    let mut text = fit::escaped(&trust::proven(address, &identity(proof), standing));
    for warning in &proof.warnings {
        text.push_str("; ");
        text.push_str(&fit::shown(warning));
    }
    text
}

/// A server that was never met, or a key that a pin replaced.
pub(in crate::ui) fn news(
    address: &ServerAddress,
    proof: &Proof,
    standing: &Standing,
) -> Option<(String, String)> {
    let Message { what, help } = trust::news(address, proof, standing)?;
    Some((fit::escaped(&what), help))
}

/// `✓ known 1024-bit`, for a server that proved its identity.
pub(in crate::ui) fn proven_short(proof: &Proof, standing: Option<&Standing>) -> String {
    let how = match standing {
        None | Some(Standing::Own) => "proven",
        Some(Standing::First { asked: true, .. }) => "accepted",
        Some(Standing::First { .. }) => "first seen",
        Some(Standing::Known { .. }) => "known",
        Some(Standing::Pinned { .. }) => "pinned",
    };
    format!("✓ {how} {}-bit", proof.bits)
}
