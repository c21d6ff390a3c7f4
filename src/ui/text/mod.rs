//! Texts of the screens, apart from those of the keymap.
//!
//! Sentences that other front ends show too, and all amounts, are in [`messages`](crate::messages). Here they are made
//! to fit the terminal, and the labels of panes, dialogs and hints are kept.

mod history;
mod lab;
pub(super) mod race;
mod server;
mod session;
mod transfer;
mod trust;

use std::io;
use std::time::Duration;

use super::fit;
use super::keymap::Context;
use super::listing::Odd;
use super::preview::Preview;
use super::screen::upload::browser::Sort;
use crate::estimate::{Bill, Price};
use crate::event::{AuthMessage, Dialect, EmptyFile, KeyForm, KeyLength, NameAs, Terminator, Variant};
use crate::messages::units;

pub(super) use self::history::*;
pub(super) use self::lab::*;
pub(super) use self::server::*;
pub(super) use self::session::*;
pub(super) use self::transfer::*;
pub(super) use self::trust::*;

/// From this much time without a byte on, a transfer is shown as stalled.
pub(super) const STALL: Duration = crate::transfer::STALLED;

pub(super) const PROGRAM: &str = "upseal";
pub(super) const READING: &str = "reading the folder…";
pub(super) const EMPTY_FOLDER: &str = "This folder is empty.";
pub(super) const NO_MATCH: &str = "No match. Esc shows all.";
pub(super) const ALL_HIDDEN: &str = "All names begin with a dot. . shows them.";
pub(super) const INCOMPLETE: &str = "incomplete";
pub(super) const UNREADABLE: &str = "unreadable";
pub(super) const BY_MATCH: &str = "best match first";
pub(super) const PROTOCOL: &str = "Protocol";
pub(super) const TIME: &str = "time";
pub(super) const WIRE: &str = "wire";
pub(super) const PADDING: &str = "padding";
pub(super) const PROGRESS: &str = "progress";
pub(super) const RATE: &str = "rate";
pub(super) const RATE_CHART: &str = "Rate";
pub(super) const RATE_CHART_NOTE: &str = "file bytes per second, log scale";
pub(super) const NO_RATE: &str = "Drawn while files are being sent.";
pub(super) const EMPTY_QUEUE: &str = "Empty. Space marks files, u uploads them.";
pub(super) const RECEIVED: &str = "Received by this computer";
pub(super) const NOTHING_RECEIVED: &str = "Nothing received yet.";
pub(super) const NO_SERVER: &str = "This program has no server, because uploads go to another one (--to). Without --to, it \
     receives files on this computer.";
pub(super) const NO_SERVER_LINE: &str = "This program has no server (--to): nothing is received.";
pub(super) const SERVER: &str = "This computer's server";
pub(super) const STARTING: &str = "starting…";
pub(super) const NO_IDENTITY: &str = "none: Plain only";
pub(super) const NO_STORE: &str = "There is no server here now.";
pub(super) const SERVED_HERE: &str =
    "Only this computer reaches this server. Start it with --share or --bind for others.";
pub(super) const RESTART: &str = "Restart the server?";
pub(super) const RESTART_ANSWERS: &[(&str, &str)] = &[("Enter", "restart"), ("Esc", "go on")];
pub(super) const SHARE: &str = "Share with other computers?";
pub(super) const SHARE_ANSWERS: &[(&str, &str)] = &[("Enter", "share"), ("Esc", "cancel")];
pub(super) const SHARING: &str = "Sharing";
pub(super) const SHARED_MARK: &str = "shared";
pub(super) const HIDDEN_MARK: &str = "hidden";
pub(super) const SHARED_HIDDEN_MARK: &str = "shared, hidden";
pub(super) const NOW_HIDDEN: &str = "Hosts and paths are hidden on every screen. H shows them.";
pub(super) const NOW_SHOWN: &str = "Hosts and paths are shown again.";
pub(super) const SHARED_TITLE: &str = "Shared with other computers";
pub(super) const SHARED_SEND: &str = "On the other computer:";
pub(super) const SHARED_FOR: &str =
    "The link names this server's key. Everyone who has it can send files here.";
pub(super) const SHARED_KEYS: &[(&str, &str)] =
    &[("y", "copy link"), ("Space", "QR code"), ("S", "stop sharing"), ("Esc", "close")];
pub(super) const NOT_SHARED: &str = "No longer shared: other computers cannot connect.";
pub(super) const NO_SHARE_PLACE: &str = "Cannot share: there is no data folder for a key. Set HOME.";
pub(super) const NO_QR: &str = "No QR code: the terminal is too small for it, or shows ASCII only.";
pub(super) const ACCEPT: &str = "Accepted from new clients";
pub(super) const ACCEPT_HINT: &str = "Clients that are connected keep what they began with.";
pub(super) const ACCEPT_NOTHING: &str = "Choose at least one of Plain, AP, CP1 and CP2.";
pub(super) const ACCEPT_PKCS1V15: &str = "also accept CP1 with the older padding";
pub(super) const ACCEPT_ORACLE: &str = "PKCS1v15 is a padding oracle: a client that asks often can decrypt uploads of others. \
     1,000 failed blocks turn it off.";
pub(super) const ACCEPT_ANSWERS: &[(&str, &str)] =
    &[("Space", "on/off"), ("Enter", "use"), ("Esc", "cancel")];
pub(super) const SESSIONS: &str = "Sessions";
pub(super) const NO_SESSIONS: &str = "No client has connected yet.";
pub(super) const REFUSALS: &str = "Refused";
pub(super) const REFUSALS_AND_WARNINGS: &str = "Refusals, warnings";
pub(super) const NO_REFUSALS: &str = "Nothing refused.";
pub(super) const THIS_COMPUTER: &str = "this computer";
pub(super) const NO_RACE_FILE: &str = "no file";
pub(super) const LOG: &str = "Log";
pub(super) const LOG_KEEPS: &str = "e: log";
pub(super) const EMPTY_LOG: &str = "No problems so far.";
pub(super) const KEYS: &str = "Keys";
pub(super) const TROUBLE: &str = "✗ Problem";
pub(super) const NOTE: &str = "Note";
pub(super) const QUIT: &str = "Quit?";
pub(super) const EXPENSIVE: &str = "CP1 is slow";
pub(super) const QUIT_WHILE_BUSY: &str = "Transfers are running. Quitting cancels them.";
pub(super) const QUIT_ANSWERS: &[(&str, &str)] = &[("Enter", "quit"), ("Esc", "stay")];
pub(super) const EXPENSIVE_ANSWERS: &[(&str, &str)] =
    &[("2", "use CP2"), ("Enter", "continue"), ("Esc", "cancel")];
pub(super) const RACE_ANSWERS: &[(&str, &str)] = &[("Enter", "continue"), ("Esc", "cancel; s takes less")];
pub(super) const CONNECT: &str = "Connect to a server";
pub(super) const CONNECT_HINT: &str = "Leave empty to use the built-in server.";
pub(super) const CONNECT_CA_HINT: &str = "AP, CP1 and CP2 need the CA that signed the certificate.";
pub(super) const PROBE_NEEDS: &str = "Probing needs host:port and the CA file.";
pub(super) const PROBE_KEEPS: &str = "Probing… It leaves small files upseal-probe-N.txt on the server.";
pub(super) const PROBE_NOTHING: &str =
    "No dialect was accepted with certainty. The server's log may say why.";
pub(super) const PROBE_BUG: &str = "a bug in upseal ended the probe";
pub(super) const PEER: &str = "peer";
pub(super) const NO_PEER: &str = "— none —";
pub(super) const DEFAULT_PORT: &str = "Without a port, 4321 is used.";
pub(super) const BAD_LINK: &str = "Invalid link: expected upseal://HOST:PORT#sha256-PIN.";
pub(super) const BAD_ADDRESS: &str = "Invalid address: expected host:port or [IPv6]:port.";
pub(super) const GO_TO: &str = "Go to folder";
pub(super) const GO_TO_KEYS: &[(&str, &str)] = &[
    ("g", "first row"),
    ("Space", "type a path"),
    ("/", "type a path from the root"),
    ("~", "type a path from home"),
];
pub(super) const NO_SUCH_UPLOAD: &str =
    "Nothing to upload: put the cursor on a file, or mark files with Space.";
pub(super) const PATH: &str = "path";
pub(super) const RECEIPT_PATH: &str = "receipt path";
pub(super) const LINK: &str = "link";
pub(super) const FINGERPRINT: &str = "fingerprint";
pub(super) const WORDS: &str = "words";
pub(super) const NOTHING_TO_COPY: &str = "Nothing to copy here.";
pub(super) const MOUSE_OURS: &str = "The mouse selects rows again. M gives it to the terminal.";
pub(super) const MOUSE_THEIRS: &str = "The mouse now selects text. M takes it back.";
pub(super) const NOT_MOVABLE: &str = "Only what has not begun changes places.";
pub(super) const FOLDERS_UNKNOWN: &str = "Folders are measured while they are sent.";
pub(super) const NO_RACER: &str = "Put the cursor on a file first.";
pub(super) const CANCELLED: &str = "All transfers cancelled. Press Ctrl-C again to quit.";
pub(super) const LOST_WORKER: &str = "The transfer threads ended unexpectedly.";
pub(super) const LOST_WORKER_ADVICE: &str = "Nothing can be sent. Quit (q) and start again.";
pub(super) const NOT_LISTENING: &str = "✗ our server is not running (e: log)";
pub(super) const PAUSED: &str = "paused";
pub(super) const NOT_PAUSABLE: &str = "This file is sent already; the server is confirming it.";
pub(super) const AWAY: &str = "✗ away";
pub(super) const NOT_PROVEN: &str = "not yet proven";
pub(super) const NEVER_PROVEN: &str = "✗ Plain proves nothing";

/// `Copied the path: /home/me/a.txt`.
pub(super) fn copied(name: &str, text: &str) -> String {
    format!("Copied the {name}: {}", fit::escaped(text))
}

// Browser and card

pub(super) const PREVIEW: &str = "Preview";
pub(super) const EMPTY_FILE: &str = "Empty.";
pub(super) const NOT_A_FILE: &str = "not a file any more";

pub(super) fn no_preview(error: &io::Error) -> String {
    format!("No preview: {}", fit::escaped(&error.to_string()))
}

/// Kind of what is previewed.
pub(super) fn preview(preview: &Preview) -> String {
    match preview {
        Preview::Text(_) => "text".to_owned(),
        Preview::Bytes(_) => "bytes".to_owned(),
        Preview::Image { width, height, .. } => format!("{width}×{height} pixels"),
        Preview::Folder { count: 1, is_more: false, .. } => "1 entry".to_owned(),
        Preview::Folder { count, is_more, .. } => {
            let more = if *is_more { "more than " } else { "" };
            format!("{more}{} entries", units::grouped(*count as u64))
        }
        Preview::Empty | Preview::Failed(_) => String::new(),
    }
}

pub(super) fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "Permission denied. h goes to the parent folder.".to_owned(),
        io::ErrorKind::NotFound => "This folder does not exist. h goes up, g to another folder.".to_owned(),
        io::ErrorKind::NotADirectory => "This is not a folder. h goes up, g to another folder.".to_owned(),
        _ => format!("Cannot read this folder: {}. h goes up.", fit::escaped(&error.to_string())),
    }
}

pub(super) fn reading(name: &str) -> String {
    format!("reading {}…", fit::cut_middle(name, 20))
}

/// `24,576 entries so far…`
pub(super) fn entries_so_far(entries: usize) -> String {
    format!("{} entries so far…", units::grouped(entries as u64))
}

/// Reason for which a listing ends at its largest length.
pub(super) fn too_many(most: usize) -> String {
    format!("more than {} entries", units::grouped(most as u64))
}

/// Stands below the entries of a folder of which not all could be read.
pub(super) fn cut_listing(error: &io::Error) -> String {
    format!("Not all entries could be read: {}. Ctrl-L reads again.", fit::escaped(&error.to_string()))
}

/// The file of the latest folders and servers cannot be read.
pub(super) fn no_recent(file: &str, error: &io::Error) -> String {
    format!("{file} is not used: {}", fit::escaped(&error.to_string()))
}

pub(super) fn unwatched(folder: &str, why: &str) -> String {
    format!("{folder}: changes are not noticed: {why}. Ctrl-L reads the folder again.")
}

/// Order of the browser, as its title shows it.
pub(super) const fn sort(sort: Sort) -> &'static str {
    match sort {
        Sort::Name => "by name",
        Sort::Size => "by size",
        Sort::Time => "by time",
        Sort::Type => "by type",
    }
}

/// Replaces the size of an entry that has none.
pub(super) const fn odd(odd: Odd) -> &'static str {
    match odd {
        Odd::Pipe => "pipe",
        Odd::Socket => "socket",
        Odd::Device => "device",
        Odd::BrokenLink => "broken",
        Odd::Unknown => "unknown",
    }
}

pub(super) fn marked(files: usize, bytes: u64, folders: usize) -> String {
    let folders = (folders > 0).then(|| units::count(folders as u64, "folder"));
    match (files, folders) {
        (_, None) => format!("{files} marked · {}", units::bytes(bytes)),
        (0, Some(folders)) => format!("{folders} marked"),
        (_, Some(folders)) => format!("{files} and {folders} marked · {}", units::bytes(bytes)),
    }
}

pub(super) fn filter_kept(text: &str) -> String {
    format!("/{}  (Esc shows all)", fit::escaped(text))
}

/// A property of a variant, and whether it has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    Holds(&'static str),
    Fails(&'static str),
    Partly(&'static str),
    /// Depends on the server.
    Unknown(&'static str),
}

/// What a variant protects, the most important first (docs/protocol.md, section What the variants protect). `ours`
/// means that the server is upseal's, which gives receipts and refuses replays.
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
            Partly("certified key answered"),
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

/// `+2 in the log (e)`
pub(super) fn more_messages(n: usize) -> String {
    format!("+{n} in the log (e)")
}

pub(super) fn time_bill(bill: Bill) -> String {
    match bill.time {
        _ if bill.files == 0 => "—".to_owned(),
        None => "?".to_owned(),
        Some(Price::About(time)) => format!("≈ {}", units::duration(time)),
        Some(Price::AtLeast(time)) => format!("≥ {}", units::duration(time)),
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

/// The text behind a preset's name; 0 means no preset.
pub(super) fn which_peer(at: usize, of: usize) -> String {
    match (at, of) {
        (0, of) => format!("  ← →  {of} saved or recent"),
        (at, of) => format!("  ← →  {at} of {of}"),
    }
}

/// `upseal-probe-3.txt: sent as CP1, framing D.`
pub(super) fn probe_tries(name: &str, dialect: Dialect) -> String {
    format!("{name}: {}", speaks(dialect).replacen("Speaks", "sent as", 1))
}

/// `Waiting up to 60 s. A server for one connection must be restarted.`
pub(super) fn probe_waits(at_most: Duration) -> String {
    format!("Waiting up to {} s. A server for one connection must be restarted.", at_most.as_secs())
}

/// `Speaks CP1, framing D, names as typed.`: the settings for which the dialog has no fields.
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
            "the time signed",
        ),
        (
            dialect.variant.authenticates() && dialect.auth_message == AuthMessage::Random32,
            "32 random bytes signed",
        ),
        (dialect.name_as == NameAs::Path, "names as typed"),
    ];
    let said = words.into_iter().filter(|(is_so, _)| *is_so).map(|(_, words)| format!(", {words}"));
    format!("Speaks {}{}.", dialect.variant, said.collect::<String>())
}

// Questions

/// `about 2 h 10 min`, or `at least 1 min 20 s`.
fn price(price: Price) -> String {
    match price {
        Price::About(time) => units::about(time),
        Price::AtLeast(time) => units::at_least(time),
    }
}

/// `104 MiB takes about 2 h 10 min in CP1, about 1 min 20 s in CP2.`
pub(super) fn expensive(bytes: u64, cp1: Option<Price>, cp2: Option<Price>, blocks: u64) -> String {
    let size = units::bytes(bytes);
    match (cp1, cp2) {
        (Some(cp1), Some(cp2)) => format!("{size} takes {} in CP1, {} in CP2.", price(cp1), price(cp2)),
        (Some(cp1), None) => format!("{size} takes {} in CP1, much less in CP2.", price(cp1)),
        (None, _) => format!(
            "{size} in CP1 needs {} RSA operations on the server, CP2 only one. CP1 may take minutes or hours.",
            units::grouped(blocks)
        ),
    }
}

// Help and small terminals

pub(super) const fn context(context: Context) -> &'static str {
    match context {
        Context::Always => "always",
        Context::Everywhere | Context::Server => "everywhere",
        Context::List => "lists",
        Context::Table => "pane lists",
        Context::Browser => "browser",
        Context::Jump | Context::Path => "go to",
        Context::Upload => "upload",
        Context::Queue => "queue",
        Context::Race | Context::RaceSetup | Context::Racing => "race",
        Context::Received => "received",
        Context::Hosting => "screen 4",
        Context::Ticks => "choices",
        Context::Sharing => "sharing",
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
        Context::Newcomer => "new server",
    }
}

/// For a terminal below [`crate::ui::layout::SMALLEST`].
pub(super) fn too_small(width: u16, height: u16) -> String {
    format!("upseal needs {width}×{height}; transfers continue")
}
