//! Texts of the server screen.

use crate::event::{Escaped, Kept, Proof};
use crate::messages::{capital, escape, server, trust, units};

pub(in crate::ui) use crate::messages::server::kept_long;
pub(in crate::ui) use crate::messages::trust::fingerprint;
pub(in crate::ui) use crate::messages::units::{exact_bytes as exact_size, rate_of};
use crate::ui::fit;

pub(in crate::ui) fn stored_in(folder: &str) -> String {
    format!("in {}", fit::cut_start(folder, 34))
}

/// `62.0 MiB/s  from 127.0.0.1`; a client's port is left out.
pub(in crate::ui) fn coming_from(rate: &str, peer: &str) -> String {
    let host = peer.rsplit_once(':').map_or(peer, |(host, _)| host);
    format!("{rate}  from {host}")
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

pub(in crate::ui) const fn phase(open: bool) -> &'static str {
    if open { "open" } else { "ended" }
}

pub(in crate::ui) fn open_sessions(open: usize) -> String {
    if open == 0 { String::new() } else { format!("{open} open") }
}

pub(in crate::ui) fn session(proved: bool, files: u64, bytes: u64, refused: u64) -> String {
    let proof = if proved { "proven" } else { "no proof" };
    let mut text =
        format!("{}  {}, {}", fit::left(proof, 8), units::count(files, "file"), units::bytes(bytes));
    if refused > 0 {
        text.extend([", ", &refused.to_string(), " refused"]);
    }
    text
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
