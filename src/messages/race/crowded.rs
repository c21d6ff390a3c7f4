//! The sentence about other programs that slowed a race down.

use crate::event::Verdict;
use crate::messages::units;

/// The share of all processors from which on other programs are mentioned.
///
/// A desktop at rest, with its terminal and this program's screen in it, uses 2 to 5 per cent. From a tenth on, the loss
/// can be larger than the few per cent by which laps differ on a quiet machine.
const BUSY: f64 = 0.1;

/// Returns a sentence about the load of this machine during a race; `None` if it was small or is unknown.
#[must_use]
pub(crate) fn crowded(verdict: &Verdict) -> Option<String> {
    let others = verdict.others.filter(|others| *others >= BUSY)?;
    Some(format!(
        "Other programs used {} of this machine's processors during the race, so the times may be longer than on a quiet one.",
        units::percent(others)
    ))
}
