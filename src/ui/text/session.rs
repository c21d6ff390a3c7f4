//! Texts of the session screen: whose key a message needs, why, and who can read it.

use crate::event::{Frame, KeyChange, Sample, Side, Standing, Variant, Way};
use crate::messages::expiry::SOON;
use crate::messages::trust::{Changed, day};
use crate::messages::units::{self, grouped};
use crate::ui::fit;
use crate::ui::recording::{Recording, Role, Touch};

pub(in crate::ui) const SESSION: &str = "Session";
pub(in crate::ui) const CERTIFICATE: &str = "Certificate";
pub(in crate::ui) const WIRE_PANE: &str = "Wire";
pub(in crate::ui) const CLIENT: &str = "client";
pub(in crate::ui) const SERVER_END: &str = "server";
pub(in crate::ui) const SIZE: &str = "size";
pub(in crate::ui) const KEY: &str = "key";
pub(in crate::ui) const BYTES: &str = "bytes";
pub(in crate::ui) const LISTENER: &str = "observer";
pub(in crate::ui) const FILE_BYTES: &str = "the file";
pub(in crate::ui) const WIRE_BYTES: &str = "on the wire";
pub(in crate::ui) const IN_CLEAR: &str = "✗ in clear: an eavesdropper can read it";
pub(in crate::ui) const SEALED: &str = "✓ encrypted: unreadable without the key";
pub(in crate::ui) const NOT_COUNTED: &str = "entropy: counted while this screen is open, of the first file";
pub(in crate::ui) const UNSEEN: &str =
    "The kernel moved these bytes by itself; the program did not see them.";
pub(in crate::ui) const LIVE: &str = "in progress";
pub(in crate::ui) const ENDED: &str = "closed in order";
pub(in crate::ui) const CUT: &str = "✗ cut off";
pub(in crate::ui) const SIGNED: &str = "│  signed";
pub(in crate::ui) const PROVEN_NOTE: &str = "✓ proven";
pub(in crate::ui) const NOT_PROVEN_NOTE: &str = "✗ not proven";
pub(in crate::ui) const OURS_NOTE: &str = "our own";
pub(in crate::ui) const SUBJECT: &str = "subject";
pub(in crate::ui) const ISSUER: &str = "issuer";
pub(in crate::ui) const KEY_SIZE: &str = "key";
pub(in crate::ui) const VALID: &str = "valid";
pub(in crate::ui) const PIN: &str = "pin";
pub(in crate::ui) const SHA256: &str = "sha256";
pub(in crate::ui) const KNOWN_KEY: &str = "known";
pub(in crate::ui) const OFFERED_KEY: &str = "now";
pub(in crate::ui) const NO_PROOF_YET: &str = "The server has not proved its identity yet.";
pub(in crate::ui) const NO_PROOF_ASKED: &str = "Plain asks for no certificate. Any machine that answers at this address gets the file, readable, and another \
     server would not be noticed. With AP, CP1 and CP2 the server proves its identity first (p on screen 1).";
pub(in crate::ui) const NOTHING_ASKED_OF_US: &str =
    "This client did not ask our server to prove its identity; it would accept any other server as well.";
pub(in crate::ui) const EMPTY_SESSION: &str = "No session yet.";
pub(in crate::ui) const EMPTY_STEPS: &[(&str, &str)] = &[
    ("1", "the upload screen: choose a protocol with p, then upload a file with u"),
    ("3", "this screen: each message with its size and key; u sends the file again"),
    ("← →", "step from message to message; Space plays them one by one"),
    ("w", "save the session to a file, without the content of files"),
];
pub(in crate::ui) const EMPTY_EXAMPLE: &str =
    "An upload with CP2. Dashed arrows can be read on the way, heavy ones cannot.";
pub(in crate::ui) const NOTHING_TO_SAVE: &str = "No session to save yet.";

/// `CP2 to 127.0.0.1:4321`
pub(in crate::ui) fn session_title(recording: &Recording) -> String {
    let variant = recording.variant().map_or_else(String::new, |variant| format!("{variant} "));
    let peer = fit::escaped(&recording.wire.peer);
    match recording.wire.side {
        Side::Client => format!("{variant}to {peer}"),
        Side::Server => format!("{variant}from {peer}, at our server"),
    }
}

/// `2 of 3, s: other`; nothing for a single session.
pub(in crate::ui) fn which_session(at: usize, of: usize) -> String {
    if of > 1 { format!("{at} of {of}, s: other") } else { String::new() }
}

/// `MODE 3 challenge`
pub(in crate::ui) const fn message(role: Role) -> &'static str {
    match role {
        Role::Challenge => "MODE 3 challenge",
        Role::ReceiptRequest | Role::OpenRequest => "MODE 3 ask receipt",
        Role::Signature => "signature",
        Role::ReceiptSignature => "receipt's signature",
        Role::Certificate => "certificate",
        Role::Statement => "statement",
        Role::SessionKey => "MODE 4 session key",
        Role::Name => "MODE 0 name",
        Role::Clear | Role::Blocks | Role::Token | Role::Body => "MODE 1 data",
        Role::Close => "MODE 2 close",
        Role::Unknown => "unknown MODE",
    }
}

pub(in crate::ui) const fn touch(touch: Touch) -> &'static str {
    match touch {
        Touch::None => "none",
        Touch::Ca => "CA's certificate",
        Touch::ServerPrivate => "server's private key",
        Touch::ServerPublic => "server's public key",
        Touch::Session => "session key",
        Touch::Unknown => "not known",
    }
}

/// Explains in one sentence why this key is used, or why none is.
pub(in crate::ui) const fn why(role: Role) -> &'static str {
    match role {
        Role::Challenge => {
            "Random bytes, new for each connection: a recorded answer does not match them, so it cannot be \
             replayed."
        }
        Role::ReceiptRequest => {
            "Asks the server to sign what is safely on its disk, with a salt that only the server can decrypt."
        }
        Role::OpenRequest => {
            "Asks the server to sign what is safely on its disk. This variant sends readable files, so no salt hides them."
        }
        Role::Signature => {
            "Only the owner of the private key can sign our random bytes: RSA-PSS with SHA-256, checked with the \
             certificate's key."
        }
        Role::ReceiptSignature => {
            "Signed with the server's receipt key, which decrypts nothing, or with its only key. The 32-byte salt \
             distinguishes it from an answer to a challenge."
        }
        Role::Certificate => {
            "The CA's certificate verifies that the CA signed this one, which says whose public key this is and until \
             when."
        }
        Role::Statement => {
            "Names, sizes and digests of what is on the server's disk, and the certificates of the keys it names."
        }
        Role::SessionKey => {
            "A new secret key, encrypted so that only the server's private key decrypts it. RSA is needed once \
             instead of for each block."
        }
        Role::Name => "No variant of the protocol encrypts the name: an eavesdropper learns what is sent.",
        Role::Clear => {
            "The file is not encrypted: an eavesdropper gets a copy, and an attacker can change what arrives."
        }
        Role::Blocks => {
            "Each block of the file is encrypted with RSA, and the server's private key decrypts each of them: \
             secret, and slow."
        }
        Role::Token => {
            "AES with one half of the session key hides the file, and an HMAC with the other half reveals any change."
        }
        Role::Body => "This client did not say which variant it uses, and RSA blocks look like random bytes.",
        Role::Close => {
            "Says that nothing follows. It is neither signed nor encrypted, so an attacker can forge it."
        }
        Role::Unknown => "Only MODE 0 to 4 exist, so nothing after this can be parsed.",
    }
}

/// Whether an eavesdropper can read a message, and what it reveals.
pub(in crate::ui) const fn overheard(role: Role) -> (bool, &'static str) {
    match role {
        Role::Challenge => (true, "✗ reads it, and which variant follows; useless later"),
        Role::ReceiptRequest => (true, "✗ reads which files are asked about; the salt is encrypted"),
        Role::OpenRequest => (true, "✗ reads which files are asked about"),
        Role::Signature | Role::ReceiptSignature => (true, "✗ reads it; it is valid for these bytes only"),
        Role::Certificate => (true, "✗ reads who the server is; a certificate is public"),
        Role::Statement => (true, "✗ reads names and sizes; digests of secret files are salted"),
        Role::SessionKey => (false, "✓ sees ciphertext; the key in it stays secret"),
        Role::Name => (true, "✗ reads the name"),
        Role::Clear => (true, "✗ reads the whole file and its size"),
        Role::Blocks => (false, "✓ sees ciphertext; M1 reveals the approximate size"),
        Role::Token => (false, "✓ sees ciphertext; M1 reveals the size, the token its time"),
        Role::Body => (true, "≈ reads it, unless it is encrypted"),
        Role::Close => (true, "✗ reads that the session ends"),
        Role::Unknown => (true, "✗ reads it"),
    }
}

pub(in crate::ui) const fn way(way: Way) -> &'static str {
    match way {
        Way::ToServer => "client → server",
        Way::ToClient => "server → client",
    }
}

/// `from byte 376 of this direction: MODE 8, M1 8, M2 128`
pub(in crate::ui) fn anatomy(frame: &Frame) -> String {
    let header = frame.wire.saturating_sub(frame.body.bytes);
    let mode = u64::from(frame.kind.mode().is_some()) * 8;
    let mut parts = Vec::new();
    if mode > 0 {
        parts.push("MODE 8".to_owned());
    }
    if frame.m1.is_some() {
        parts.push(format!("M1 {}", header.saturating_sub(mode)));
        parts.push(format!("M2 {}", grouped(frame.body.bytes)));
    }
    format!("from byte {}: {}", grouped(frame.offset), parts.join(", "))
}

/// `0.31 ms`, `42.0 ms`, `1.52 s`, `2 min 3 s`
pub(in crate::ui) fn moment(us: u64) -> String {
    units::precise(us as f64 / 1e6)
}

pub(in crate::ui) fn more(messages: u64) -> String {
    format!("… {} more messages", grouped(messages))
}

/// `3 of 11`; folded messages count.
pub(in crate::ui) fn place(at: u64, of: u64) -> String {
    format!("{} of {}", grouped(at), grouped(of))
}

pub(in crate::ui) fn run(times: u64) -> String {
    format!("MODE 1 data × {}", grouped(times))
}

// Wire

pub(in crate::ui) fn mode_word(mode: u64) -> String {
    format!("MODE {mode}")
}

pub(in crate::ui) fn m1_word(m1: u64) -> String {
    if m1 == u64::MAX { "M1: no length".to_owned() } else { format!("M1 = {}", grouped(m1)) }
}

pub(in crate::ui) fn left_out(bytes: u64) -> String {
    format!("… {} more bytes", grouped(bytes))
}

/// `6.00 bits per byte`, and what such data may be.
pub(in crate::ui) fn entropy(sample: &Sample) -> Option<(String, &'static str)> {
    let bits = sample.bits()?;
    let words = match bits {
        ..1.0 => "mostly repetition",
        ..5.6 => "patterns, as in text and tables",
        5.9..=6.05 => "base64: six bits per letter",
        ..7.5 => "patterns, partly compressed",
        ..7.9 => "compressed, as pictures and films are",
        _ => "random: encrypted or compressed",
    };
    Some((format!("{bits:.2} bits per byte"), words))
}

/// `file 7.91 MiB, wire 10.5 MiB: ×1.33`
pub(in crate::ui) fn growth(file: u64, wire: u64) -> String {
    if file == 0 {
        return format!("file 0 bytes, wire {}", units::bytes(wire));
    }
    let factor = units::wire_factor(wire, file).unwrap_or_default();
    format!("file {}, wire {}: {factor}", units::bytes(file), units::bytes(wire))
}

// Certificate

/// The key's length, marked if it is short.
pub(in crate::ui) fn strength(bits: usize) -> String {
    match bits {
        ..2048 => format!("≈ RSA, {bits} bits"),
        _ => format!("RSA, {bits} bits"),
    }
}

pub(in crate::ui) fn days(days: i64) -> String {
    match days {
        ..0 => "expired".to_owned(),
        0 => "expires today".to_owned(),
        1 => "≈ 1 day left".to_owned(),
        2..SOON => format!("≈ {days} days left"),
        days => format!("{days} days left"),
    }
}

pub(in crate::ui) fn pin_state(standing: Option<&Standing>, changed: bool) -> String {
    match standing {
        _ if changed => "✗ changed: not the known key".to_owned(),
        None => "—".to_owned(),
        Some(Standing::Own) => "our own: new at each start".to_owned(),
        Some(Standing::First { remembered: true, .. }) => "≈ first seen, now remembered".to_owned(),
        Some(Standing::First { remembered: false, .. }) => "≈ first seen, not remembered".to_owned(),
        Some(Standing::Known { since }) => format!("✓ known since {}", day(since.as_deref())),
        Some(Standing::Pinned { .. }) => "✓ matches the pin".to_owned(),
    }
}

pub(in crate::ui) const RELAY: &str = "≈ It does not prove that no relay is in between: a relay can forward the real \
     server's answer. It could read what AP sends, but nothing of CP1 and CP2.";

/// What the proof means.
pub(in crate::ui) fn verdict_on(standing: Option<&Standing>, certified: bool) -> String {
    let holds = if certified {
        "The CA signed this certificate, it is still valid, and the server signed our random bytes with its key."
    } else {
        "The server signed our random bytes with its key. No CA was checked: the name and the dates are its own claims."
    };
    let then = match standing {
        None => {
            "Our own server shows this certificate to every client that asks; clients need its CA to verify it."
        }
        Some(Standing::Own) => "It is the server inside this program.",
        Some(Standing::Known { .. }) => "It is the same key as before, so the same server.",
        Some(Standing::Pinned { .. }) => "It is the key that you pinned.",
        Some(Standing::First { .. }) => {
            "But the CA signs the keys of many servers, and this one was never seen here: compare its fingerprint with the \
             operator's."
        }
    };
    if standing.is_none() { then.to_owned() } else { format!("✓ {holds} {then}") }
}

pub(in crate::ui) fn verdict_on_change(change: &KeyChange) -> String {
    format!(
        "✗ The CA signed this key too, but it is not the key known since {}. Nothing was sent. Ask the \
         operator over another channel.",
        Changed::of(change).since
    )
}

pub(in crate::ui) fn verdict_on_fault(what: &str) -> String {
    format!("✗ Refused, and nothing was sent: {}", fit::escaped(what))
}

/// Whether an eavesdropper can read a body of this variant.
pub(in crate::ui) const fn is_open(variant: Option<Variant>) -> bool {
    !matches!(variant, Some(Variant::Cp1 | Variant::Cp2))
}

// Captures

pub(in crate::ui) fn saved(name: &str, folder: &str, with_plaintext: bool) -> (String, String) {
    let content = if with_plaintext {
        "It includes the first bytes of the files."
    } else {
        "It has no content of files (add it with --with-plaintext) and never a key."
    };
    (format!("Saved as {name} in {folder}"), content.to_owned())
}

pub(in crate::ui) fn not_saved(why: &str) -> (String, String) {
    (
        format!("The session was not saved: {}", fit::escaped(why)),
        "Check that the folder is writable and has free space.".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::days;

    #[test]
    fn a_certificate_that_ends_soon_is_marked() {
        let said = [-1, 0, 1, 29, 30].map(days);
        assert_eq!(said, ["expired", "expires today", "≈ 1 day left", "≈ 29 days left", "30 days left"]);
    }
}
