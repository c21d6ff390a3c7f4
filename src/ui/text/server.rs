//! Texts of the server screen.

use crate::event::{Accepted, Door, Escaped, Kept, Proof, Reach, ServerLink, Variant};
use crate::messages::{capital, escape, server, trust, units};

pub(in crate::ui) use crate::messages::server::kept_long;
pub(in crate::ui) use crate::messages::trust::fingerprint;
pub(in crate::ui) use crate::messages::units::{exact_bytes as exact_size, rate_of};
use crate::ui::fit;
use crate::ui::screen::server::Stage;
use crate::ui::widgets::received::{Sort, host};

pub(in crate::ui) fn stored_in(folder: &str) -> String {
    format!("in {}", fit::cut_start(folder, 34))
}

/// ` certificate ends in 12 days`, behind a sign.
pub(in crate::ui) fn certificate_ends(ends: &str) -> String {
    format!(" certificate {ends}")
}

/// Order of the received files, as their title shows it.
pub(in crate::ui) const fn received_by(sort: Sort) -> &'static str {
    match sort {
        Sort::Time => "by time",
        Sort::Name => "by name",
        Sort::Size => "by size",
        Sort::Client => "by client",
    }
}

/// `✗ 2 refused, the latest from 127.0.0.1: at byte 30: Plain is not accepted by this server (--accept)`
pub(in crate::ui) fn refused_latest(count: usize, peer: &str, why: &str) -> String {
    let latest = if count == 1 { "" } else { ", the latest" };
    fit::escaped(&format!("✗ {count} refused{latest} from {}: {why}", host(peer)))
}

/// What a server accepts: `Plain, AP, CP1 with OAEP, CP2`.
pub(in crate::ui) fn variants(accepted: &Accepted) -> String {
    let paddings: Vec<String> = accepted.paddings.iter().map(ToString::to_string).collect();
    let words = Variant::ALL.iter().filter(|variant| accepted.variants.contains(variant));
    let words: Vec<String> = words
        .map(|variant| match variant {
            Variant::Cp1 => format!("CP1 with {}", paddings.join(" or ")),
            variant => variant.to_string(),
        })
        .collect();
    words.join(", ")
}

pub(in crate::ui) fn accepts_now(what: &Accepted) -> String {
    format!("New clients may send {}.", variants(what))
}

/// Says what a variant protects, in the dialog of accepted variants.
pub(in crate::ui) const fn accept_what(variant: Variant) -> &'static str {
    match variant {
        Variant::Plain => "content readable, server not proven",
        Variant::Ap => "content readable, server proven",
        Variant::Cp1 => "content secret, slow",
        Variant::Cp2 => "content secret, changes noticed",
    }
}

/// `eth0 192.168.1.5`
fn door(door: &Door) -> String {
    let ip = door.address.ip();
    door.interface.as_ref().map_or_else(|| ip.to_string(), |name| fit::escaped(&format!("{name} {ip}")))
}

/// Asks whether to share, and says who could send files then.
pub(in crate::ui) fn share_question(doors: &[Door]) -> String {
    let who = if doors.iter().all(|door| door.address.ip().is_loopback()) {
        "This computer has no network address, so only its own programs reach it.".to_owned()
    } else {
        let doors: Vec<String> = doors.iter().map(door).collect();
        format!("Everyone who reaches this computer at {} can then connect.", doors.join(", "))
    };
    format!("{who} Files arrive by CP2, or by CP1 with OAEP. You get a link for senders.")
}

/// `at 192.168.1.5:4321 and 1 more (S: links)`
pub(in crate::ui) fn shared_where(doors: &[(Door, ServerLink)]) -> String {
    let first = doors.first().map(|(door, _)| door.address.to_string()).unwrap_or_default();
    match doors.len() {
        0 | 1 => format!("at {first} (S: link)"),
        more => format!("at {first} and {} more (S: links)", more - 1),
    }
}

/// For the log: `Shared: upseal send upseal://192.168.1.5:4321#sha256-… FILE…`
pub(in crate::ui) fn shared_at(link: &str) -> String {
    fit::escaped(&format!("Shared: upseal send {link} FILE…"))
}

/// An address of this computer and its interface, for the list of addresses.
pub(in crate::ui) fn shared_door(door: &Door) -> String {
    let interface = door.interface.as_deref().unwrap_or("");
    fit::escaped(&format!("{:<22} {interface}", door.address.to_string()))
}

/// What the dialog of accepted variants is about, while the server is shared.
pub(in crate::ui) const fn accept_reach(reach: Reach) -> &'static str {
    match reach {
        Reach::Own => "For: [this computer]  other computers   ← →",
        Reach::Shared => "For:  this computer  [other computers]  ← →",
    }
}

pub(in crate::ui) fn restart_while_busy(sessions: usize) -> String {
    let clients = units::count(sessions as u64, "client");
    let verb = if sessions == 1 { "is" } else { "are" };
    format!("{clients} {verb} connected. A restart ends these connections; unfinished files are not kept.")
}

/// Says what quitting does to the clients of this program's server.
pub(in crate::ui) fn quit_while_serving(clients: usize) -> String {
    let ends = "The server ends with this program; unfinished files are not kept.";
    match clients {
        // The user asked to stop it.
        0 => ends.to_owned(),
        1 => format!("1 client is connected. {ends}"),
        more => format!("{more} clients are connected. {ends}"),
    }
}

/// `Opening ~/recv_files in the file manager.`
pub(in crate::ui) fn opening(folder: &str) -> String {
    format!("Opening {folder} in the file manager.")
}

/// For a terminal without a desktop.
pub(in crate::ui) fn no_desktop(folder: &str) -> String {
    format!("No desktop here. Copied the path: {folder}")
}

/// `62.0 MiB/s  from 127.0.0.1`; a client's port is left out.
pub(in crate::ui) fn coming_from(rate: &str, peer: &str) -> String {
    format!("{rate}  from {}", host(peer))
}

/// Returns how a received file was stored, with a mark if it was written.
pub(in crate::ui) const fn kept(kept: Kept) -> &'static str {
    match kept {
        Kept::New => "stored ✓",
        Kept::Amended => "amended ✓",
        other => server::kept(other),
    }
}

pub(in crate::ui) fn renamed(name: &Escaped) -> String {
    format!("Stored as {}: another file has the name that was sent", fit::escaped(name.as_str()))
}

pub(in crate::ui) fn identity(proof: &Proof) -> String {
    fit::escaped(&trust::identity(proof))
}

pub(in crate::ui) fn open_sessions(open: usize) -> String {
    if open == 0 { String::new() } else { format!("{open} open") }
}

/// `2 files, 15.8 MiB, 1 refused`
pub(in crate::ui) fn session(files: u64, bytes: u64, refused: u64) -> String {
    let mut text = format!("{}, {}", units::count(files, "file"), units::bytes(bytes));
    if refused > 0 {
        text.extend([", ", &refused.to_string(), " refused"]);
    }
    text
}

/// Stage of a session in one word.
pub(in crate::ui) const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Connected => "connected",
        Stage::Proven => "proven",
        Stage::Receiving => "receiving",
        Stage::Storing => "storing",
        Stage::Stored => "stored ✓",
        Stage::Receipted => "receipted",
        Stage::Refused => "refused ✗",
        Stage::Ended => "ended",
    }
}

pub(in crate::ui) fn refused(peer: &str, name: Option<&Escaped>, why: &str) -> String {
    fit::escaped(&capital(&server::refused(peer, name, why)))
}

pub(in crate::ui) fn warned(peer: Option<&str>, name: Option<&Escaped>, text: &str) -> String {
    fit::escaped(&capital(&server::warned(peer, name, text)))
}

pub(in crate::ui) fn listening(address: &str, store: &str) -> String {
    fit::escaped(&capital(&server::listening(address, &escape(store))))
}
