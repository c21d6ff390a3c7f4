//! Words about our own server and what it received.

use crate::event::{Kept, Proof};
use crate::messages::units;
use crate::ui::fit;

pub(in crate::ui) fn stored_in(folder: &str) -> String {
    format!("in {}", fit::cut_start(folder, 34))
}

/// `62.0 MiB/s  from 127.0.0.1`; the client's port tells nobody anything.
pub(in crate::ui) fn coming_from(rate: &str, peer: &str) -> String {
    let host = peer.rsplit_once(':').map_or(peer, |(host, _)| host);
    format!("{rate}  from {host}")
}

pub(in crate::ui) const fn kept(kept: Kept) -> &'static str {
    match kept {
        Kept::New => "stored ✓",
        Kept::Renamed => "renamed",
        Kept::Same => "same",
        Kept::Amended => "amended ✓",
        Kept::Discarded => "discarded",
    }
}

pub(in crate::ui) const fn kept_long(kept: Kept) -> &'static str {
    match kept {
        Kept::New => "stored under this name",
        Kept::Renamed => "stored under this name, because another file has the one it came with",
        Kept::Same => "not again: a file of this name and SHA-256 is here already",
        Kept::Amended => "in the place of its beginning: more of it came after that was published",
        Kept::Discarded => "not at all: it was a lane of a race",
    }
}

pub(in crate::ui) fn renamed(name: &str) -> String {
    format!("Stored as {}: another file has the name it came with", fit::escaped(name))
}

pub(in crate::ui) fn rate_of(bytes: u64, seconds: f64) -> String {
    if seconds > 0.0 && bytes > 0 { units::rate(bytes as f64 / seconds) } else { "—".to_owned() }
}

/// `7.91 MiB (8294400 bytes)`
pub(in crate::ui) fn exact_size(bytes: u64) -> String {
    if bytes < 1024 { units::bytes(bytes) } else { format!("{} ({bytes} bytes)", units::bytes(bytes)) }
}

pub(in crate::ui) fn identity(proof: &Proof) -> String {
    format!("{}, {}-bit, {} days left", fit::escaped(&proof.subject), proof.bits, proof.days_left)
}

/// The fingerprint as `--pin` takes it.
pub(in crate::ui) fn fingerprint(hex: &str) -> String {
    format!("sha256:{}", fit::escaped(hex))
}

pub(in crate::ui) const fn phase(open: bool) -> &'static str {
    if open { "open" } else { "ended" }
}

pub(in crate::ui) fn open_sessions(open: usize) -> String {
    if open == 0 { String::new() } else { format!("{open} open") }
}

pub(in crate::ui) fn session(proved: bool, files: u64, bytes: u64, refused: u64) -> String {
    let proof = if proved { "proven" } else { "no proof" };
    let noun = if files == 1 { "file" } else { "files" };
    let mut words = format!("{}  {files} {noun}, {}", fit::left(proof, 8), units::bytes(bytes));
    if refused > 0 {
        words.extend([", ", &refused.to_string(), " refused"]);
    }
    words
}

pub(in crate::ui) fn refused(peer: &str, name: Option<&str>, why: &str) -> String {
    let (peer, why) = (fit::escaped(peer), fit::escaped(why));
    match name {
        Some(name) => format!("Refused {} from {peer}: {why}", fit::escaped(name)),
        None => format!("Refused {peer}: {why}"),
    }
}

/// `Warning: a.bin from 127.0.0.1:5: it may be …`
pub(in crate::ui) fn warned(peer: Option<&str>, name: Option<&str>, text: &str) -> String {
    let about = [name, peer].into_iter().flatten().map(|part| fit::escaped(part) + ": ");
    format!("Warning: {}{}", about.collect::<String>(), fit::escaped(text))
}

pub(in crate::ui) fn listening(address: &str, store: &str) -> String {
    format!("Our server listens on {address}; files go to {store}")
}
