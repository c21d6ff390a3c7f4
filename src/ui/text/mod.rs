//! Every sentence that the user can read, apart from the words of the keymap.
//!
//! Amounts are written by [`units`]; this file says what they mean.

mod history;
mod lab;
pub(super) mod race;
mod server;
mod session;
mod transfer;
mod trust;

use std::io;
use std::time::Duration;

use super::estimate::{Bill, Price};
use super::fit;
use super::keymap::Context;
use crate::event::{AuthMessage, Dialect, EmptyFile, KeyForm, KeyLength, NameAs, Terminator, Variant};
use crate::messages::units;

pub(super) use self::history::*;
pub(super) use self::lab::*;
pub(super) use self::server::*;
pub(super) use self::session::*;
pub(super) use self::transfer::*;
pub(super) use self::trust::*;

/// Nothing moved for so long: worth a word.
pub(super) const STALL: Duration = crate::transfer::STALLED;

pub(super) const PROGRAM: &str = "upseal";
pub(super) const READING: &str = "reading the folder…";
pub(super) const EMPTY_FOLDER: &str = "Nothing in this folder.";
pub(super) const NO_MATCH: &str = "Nothing matches. Esc shows all again.";
pub(super) const NO_FILE: &str = "no file";
pub(super) const BY_SIZE: &str = "largest first";
pub(super) const BY_TIME: &str = "newest first";
pub(super) const PROTOCOL: &str = "Protocol";
pub(super) const TIME: &str = "time";
pub(super) const WIRE: &str = "wire";
pub(super) const PADDING: &str = "padding";
pub(super) const PROGRESS: &str = "progress";
pub(super) const RATE: &str = "rate";
pub(super) const RATE_CHART: &str = "Rate";
pub(super) const RATE_CHART_NOTE: &str = "file bytes a second, log";
pub(super) const NO_RATE: &str = "Drawn while files are sent.";
pub(super) const EMPTY_QUEUE: &str = "Nothing yet. Space marks files, u uploads them.";
pub(super) const RECEIVED: &str = "Received by this computer";
pub(super) const NOTHING_RECEIVED: &str = "Nothing received yet.";
pub(super) const SERVER: &str = "This computer's server";
pub(super) const STARTING: &str = "starting…";
pub(super) const NO_IDENTITY: &str = "none: serves Plain only";
pub(super) const SESSIONS: &str = "Sessions";
pub(super) const NO_SESSIONS: &str = "Nobody has connected yet.";
pub(super) const REFUSALS: &str = "Refused";
pub(super) const REFUSALS_AND_WARNINGS: &str = "Refused, warned";
pub(super) const NO_REFUSALS: &str = "Nothing was refused.";
pub(super) const THIS_COMPUTER: &str = "this computer";
pub(super) const NO_RACE_FILE: &str = "no file";
pub(super) const LOG: &str = "Log";
pub(super) const LOG_KEEPS: &str = "e: log";
pub(super) const EMPTY_LOG: &str = "Nothing went wrong so far.";
pub(super) const KEYS: &str = "Keys";
pub(super) const TROUBLE: &str = "✗ Trouble";
pub(super) const NOTE: &str = "Note";
pub(super) const QUIT: &str = "Quit?";
pub(super) const EXPENSIVE: &str = "CP1 is expensive";
pub(super) const QUIT_WHILE_BUSY: &str = "Transfers are running. Quitting cancels them.";
pub(super) const QUIT_ANSWERS: &[(&str, &str)] = &[("Enter", "quit"), ("Esc", "stay")];
pub(super) const EXPENSIVE_ANSWERS: &[(&str, &str)] =
    &[("2", "use CP2"), ("Enter", "go on"), ("Esc", "do not")];
pub(super) const RACE_ANSWERS: &[(&str, &str)] = &[("Enter", "go on"), ("Esc", "do not; s takes less")];
pub(super) const CONNECT: &str = "Server for uploads";
pub(super) const CONNECT_HINT: &str = "Empty host: the server inside this program.";
pub(super) const CONNECT_CA_HINT: &str = "AP, CP1 and CP2 need the CA that signed the server.";
pub(super) const PROBE_NEEDS: &str = "A probe needs host:port and the CA file.";
pub(super) const PROBE_KEEPS: &str = "Probing: the server keeps small files upseal-probe-N.txt.";
pub(super) const PROBE_NOTHING: &str = "The server took no dialect for certain; its log may say why.";
pub(super) const PROBE_BUG: &str = "a bug of upseal's ended the probe";
pub(super) const PEER: &str = "peer";
pub(super) const NO_PEER: &str = "— none —";
pub(super) const BAD_ADDRESS: &str = "Not an address: host:port, or [v6 address]:port.";
pub(super) const COMING: &str = "On its way";
pub(super) const GO_TO: &str = "Go to folder";
pub(super) const NO_SUCH_UPLOAD: &str = "Nothing to upload: no file is marked, and the cursor is on none.";
pub(super) const NO_RACER: &str = "The cursor is on no file.";
pub(super) const CANCELLED: &str = "Cancelled everything. Ctrl-C again quits.";
pub(super) const LOST_WORKER: &str = "The transfer threads have ended unexpectedly.";
pub(super) const LOST_WORKER_ADVICE: &str = "Nothing can be sent any more; quit (q) and start again.";
pub(super) const NOT_LISTENING: &str = "✗ our server is not running (e: log)";
pub(super) const NOT_PROVEN: &str = "not yet proven";
pub(super) const NEVER_PROVEN: &str = "✗ Plain proves nothing";

// Browser and card

pub(super) fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "You may not read this folder. h goes back up.".to_owned(),
        io::ErrorKind::NotFound => "This folder does not exist. h goes up, g goes elsewhere.".to_owned(),
        io::ErrorKind::NotADirectory => "This is not a folder. h goes up, g goes elsewhere.".to_owned(),
        _ => format!("This folder cannot be read: {}. h goes back up.", fit::escaped(&error.to_string())),
    }
}

pub(super) fn reading(name: &str) -> String {
    format!("reading {}…", fit::cut_middle(name, 20))
}

pub(super) fn marked(files: usize, bytes: u64) -> String {
    format!("{files} marked · {}", units::bytes(bytes))
}

pub(super) fn filter_kept(text: &str) -> String {
    format!("/{}  (Esc shows all)", fit::escaped(text))
}

/// What a variant protects, claim by claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    Holds(&'static str),
    Fails(&'static str),
    Partly(&'static str),
    /// It depends on the server.
    Unknown(&'static str),
}

/// PROTOCOL.md, "What the variants protect": the most important first. `ours`: the server is one of upseal's,
/// which gives receipts and remembers what must not come again. Plain asks for neither.
pub(super) fn claims(variant: Variant, ours: bool) -> [Claim; 7] {
    use Claim::{Fails, Holds, Partly, Unknown};
    let changes = if ours { Partly("changes: by receipt") } else { Fails("changes unnoticed") };
    let replay = if ours { Holds("replay refused") } else { Unknown("replay: ask server") };
    let name = Fails("name visible");
    let forward = Fails("no forward secrecy");
    let sender = Fails("sender unknown");
    match variant {
        Variant::Plain => [
            Fails("content readable"),
            Fails("changes unnoticed"),
            Fails("server unknown"),
            name,
            Fails("replay unnoticed"),
            forward,
            sender,
        ],
        Variant::Ap => [
            Fails("content readable"),
            changes,
            Partly("a certified key answered"),
            name,
            Fails("replay unnoticed"),
            forward,
            sender,
        ],
        Variant::Cp1 => {
            [Holds("content secret"), changes, Holds("only the server reads"), name, replay, forward, sender]
        }
        Variant::Cp2 => [
            Holds("content secret"),
            Holds("changes noticed"),
            Holds("only the server reads"),
            name,
            replay,
            forward,
            sender,
        ],
    }
}

pub(super) fn time_bill(bill: Bill) -> String {
    match bill.time {
        _ if bill.files == 0 => "—".to_owned(),
        None => "?".to_owned(),
        Some(time) => price(time),
    }
}

pub(super) fn wire_bill(bill: Bill) -> String {
    if bill.files == 0 {
        return "—".to_owned();
    }
    let about = if bill.assumed { "≈ " } else { "" };
    format!("{about}{}", units::bytes(bill.wire))
}

pub(super) fn padding(dialect: Dialect) -> String {
    match dialect.variant {
        Variant::Plain | Variant::Ap => "—".to_owned(),
        Variant::Cp1 => dialect.padding.to_string(),
        Variant::Cp2 => format!("{} (key)", dialect.padding),
    }
}

// Presets

/// After a preset's name; 0 is none of them.
pub(super) fn which_peer(at: usize, of: usize) -> String {
    match (at, of) {
        (0, 1) => "  ← →  1 preset".to_owned(),
        (0, of) => format!("  ← →  {of} presets"),
        (at, of) => format!("  ← →  {at} of {of}"),
    }
}

/// `upseal-probe-3.txt: speaks CP1, framing D.`
pub(super) fn probe_tries(name: &str, dialect: Dialect) -> String {
    format!("{name}: {}", speaks(dialect).replacen("Speaks", "sent as", 1))
}

/// `not there; waiting at most 60 s: if it serves one connection, start it again`
pub(super) fn probe_waits(at_most: Duration) -> String {
    format!("Waiting {} s at most; a server for one connection must be started again.", at_most.as_secs())
}

/// `Speaks CP1, framing D, names as typed.`: what the dialog has no fields for.
pub(super) fn speaks(dialect: Dialect) -> String {
    let (cp1, cp2) = (dialect.variant == Variant::Cp1, dialect.variant == Variant::Cp2);
    let framing = format!("framing {}", dialect.framing);
    let terminator = format!("terminator {}", dialect.terminator());
    let words = [
        (cp1, framing.as_str()),
        (cp1 && dialect.terminator() != Terminator::of(dialect.framing), terminator.as_str()),
        (cp1 && dialect.empty == EmptyFile::Zero, "no block for an empty file"),
        (cp2 && dialect.key_form == KeyForm::Raw, "raw key and token"),
        (cp2 && dialect.key_length == KeyLength::Sixteen, "key length in 16 bytes"),
        (
            dialect.variant.authenticates() && dialect.auth_message == AuthMessage::Timestamp,
            "the time to sign",
        ),
        (
            dialect.variant.authenticates() && dialect.auth_message == AuthMessage::Random32,
            "32 random bytes to sign",
        ),
        (dialect.name_as == NameAs::Path, "names as typed"),
    ];
    let said = words.into_iter().filter(|(is_so, _)| *is_so).map(|(_, words)| format!(", {words}"));
    format!("Speaks {}{}.", dialect.variant, said.collect::<String>())
}

// Questions

/// `≈ 2 h 10 min`, or `≥ 80 s`.
fn price(price: Price) -> String {
    match price {
        Price::About(time) => format!("≈ {}", units::duration(time)),
        Price::AtLeast(time) => format!("≥ {}", units::duration(time)),
    }
}

/// `CP1 ≈ 2 h 10 min, CP2 ≈ 80 s.`
pub(super) fn expensive(bytes: u64, cp1: Option<Price>, cp2: Option<Price>, blocks: u64) -> String {
    let size = units::bytes(bytes);
    match (cp1, cp2) {
        (Some(cp1), Some(cp2)) => format!("{size}: CP1 {}, CP2 {}.", price(cp1), price(cp2)),
        (Some(cp1), None) => format!("{size}: CP1 {}, CP2 much less.", price(cp1)),
        (None, _) => format!(
            "{size} in CP1 are {} RSA operations on the server; CP2 takes one. CP1 may need minutes or hours.",
            grouped(blocks)
        ),
    }
}

/// `17 318 417`
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

// Help and small terminals

pub(super) const fn context(context: Context) -> &'static str {
    match context {
        Context::Always => "always",
        Context::Everywhere => "everywhere",
        Context::List => "lists",
        Context::Table => "pane lists",
        Context::Browser => "browser",
        Context::Upload => "upload",
        Context::Queue => "queue",
        Context::Race => "race",
        Context::History => "history",
        Context::Session => "session",
        Context::Overlay => "overlay",
        Context::Scroll => "scrolling",
        Context::Filterable => "this list",
        Context::Text => "text",
        Context::Form => "dialog",
        Context::Choice => "choice",
        Context::Question | Context::Expensive | Context::Open => "question",
        Context::Alarm => "new key",
    }
}

/// For a terminal below [`crate::ui::layout::SMALLEST`].
pub(super) fn too_small(width: u16, height: u16) -> String {
    format!("upseal needs {width}×{height}; transfers go on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_thousands() {
        assert_eq!(grouped(17_318_417), "17 318 417");
        assert_eq!(grouped(999), "999");
    }
}
