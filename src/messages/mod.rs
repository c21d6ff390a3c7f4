//! The program's messages: amounts, escaped text and the sentences that more than one front end shows.
//!
//! `output`, `ui`, `report` and `command` lay these out; they do not phrase them again. Nothing here draws, opens a
//! file or knows a terminal: every function turns plain values into text. Functions that take a `&str` from the network
//! or the disk escape it themselves.
//!
//! - [`units`]: sizes, rates, durations, estimates, ratios
//! - [`Escaped`]: text from the network or the disk, made safe to show; events carry it, so it is defined in [`event`]
//! - [`expiry`]: certificates that end soon
//! - [`nearest`](mod@nearest): the known word that a mistyped one is nearest to
//! - [`Summary`]: what several uploads came to
//! - [`shell_word`]: a word quoted for a shell
//! - [`transfer`]: states of an upload, retries, how a file arrived, faults
//! - [`trust`]: who a server is, first contact, a changed key
//! - [`word_rows`]: a fingerprint as words that two people compare
//! - [`server`]: what our server listens on, receives, refuses and warns of
//! - [`race`]: the result of a race; names of lanes, stages and bottlenecks
//!
//! [`event`]: crate::event

pub(crate) mod expiry;
mod nearest;
pub(crate) mod race;
pub(crate) mod server;
mod shell;
mod summary;
pub(crate) mod transfer;
pub(crate) mod trust;
pub(crate) mod units;
mod words;

pub(crate) use self::nearest::nearest;
pub(crate) use self::shell::shell_word;
pub(crate) use self::summary::Summary;
pub(crate) use self::words::word_rows;
pub(crate) use crate::event::{Escaped, escape, misleads};

/// A message and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// What happened, with its operands.
    pub what: String,
    /// What to do; empty if there is nothing to do.
    pub help: String,
}

/// Returns the text with its first letter as a capital.
#[must_use]
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::capital;

    #[test]
    fn a_sentence_begins_with_a_capital() {
        assert_eq!(["", "a b", "A", "ß", "…"].map(capital), ["", "A b", "A", "SS", "…"]);
    }
}
