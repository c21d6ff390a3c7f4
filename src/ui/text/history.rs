//! Texts of the history screen.

use std::time::Duration;

use crate::history::{Origin, Outcome};
use crate::messages::transfer::estimated;
use crate::messages::units;

pub(in crate::ui) const HISTORY: &str = "History";
pub(in crate::ui) const READING_HISTORY: &str = "reading the history…";
pub(in crate::ui) const NO_HISTORY: &str = "No transfers yet.";
pub(in crate::ui) const NO_HISTORY_PLACE: &str =
    "There is no home folder for the history. Set UPSEAL_HISTORY to a file.";
pub(in crate::ui) const SENT: &str = "sent";
pub(in crate::ui) const GOT: &str = "received";
pub(in crate::ui) const NO_RECEIPT: &str = "none";

/// `240 transfers`, or `12 of 240 transfers` with a filter. At most `most` are read, the newest.
pub(in crate::ui) fn rows(shown: usize, all: usize, most: usize) -> String {
    let noun = if all == 1 { "transfer" } else { "transfers" };
    let newest = if all >= most { "the newest " } else { "" };
    match (shown, all) {
        (_, 0) => String::new(),
        (shown, all) if shown < all => format!("{shown} of {newest}{all} {noun}"),
        _ => format!("{newest}{all} {noun}"),
    }
}

pub(in crate::ui) const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Crash | Origin::Amended => "recovered",
        Origin::Accepted => "accepted",
    }
}

pub(in crate::ui) const fn origin_long(origin: Origin) -> &'static str {
    match origin {
        Origin::Crash | Origin::Amended => {
            "found complete in the folder after a crash; the sender is unknown"
        }
        Origin::Accepted => "accepted by the operator as it was in the folder; the sender is unknown",
    }
}

pub(in crate::ui) const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Stored => "stored ✓",
        Outcome::Delivered => "delivered ✓",
        Outcome::Altered => "altered ✗",
        Outcome::Failed => "failed ✗",
        Outcome::Cancelled => "cancelled",
    }
}

pub(in crate::ui) const fn outcome_long(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Stored => "stored: the server signed a receipt for it",
        Outcome::Delivered => "delivered: the server received all of it and gave no receipt",
        Outcome::Altered => "altered: the receipt states other bytes than were sent",
        Outcome::Failed => "failed",
        Outcome::Cancelled => "cancelled",
    }
}

/// `1.2 s`, or `1.2 s, estimated 1.0 s`.
pub(in crate::ui) fn took(seconds: f64, predicted: Option<f64>) -> String {
    let took = units::seconds(seconds);
    match predicted.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        None => took,
        Some(predicted) => format!("{took}, {}", estimated(predicted)),
    }
}
