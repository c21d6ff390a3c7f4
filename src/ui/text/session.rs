//! Words about what passed over a connection: whose key touches a message, why, and who can read it.

use crate::event::{Frame, KeyChange, Sample, Side, Standing, Variant, Way};
use crate::messages::units;
use crate::transfer::recognise::day;
use crate::ui::fit;
use crate::ui::recording::{Recording, Role, Touch};

use super::grouped;

pub(in crate::ui) const SESSION: &str = "Session";
pub(in crate::ui) const CERTIFICATE: &str = "Certificate";
pub(in crate::ui) const WIRE_PANE: &str = "Wire";
pub(in crate::ui) const CLIENT: &str = "client";
pub(in crate::ui) const SERVER_END: &str = "server";
pub(in crate::ui) const SIZE: &str = "size";
pub(in crate::ui) const KEY: &str = "key";
pub(in crate::ui) const BYTES: &str = "bytes";
pub(in crate::ui) const LISTENER: &str = "listener";
pub(in crate::ui) const FILE_BYTES: &str = "the file";
pub(in crate::ui) const WIRE_BYTES: &str = "on the wire";
pub(in crate::ui) const IN_CLEAR: &str = "✗ in clear: whoever listens reads it";
pub(in crate::ui) const SEALED: &str = "✓ sealed: needs the key";
pub(in crate::ui) const NOT_COUNTED: &str =
    "entropy: counted while this screen is open; of many files the first";
pub(in crate::ui) const UNSEEN: &str = "The kernel moved these bytes by itself; nobody saw them pass.";
pub(in crate::ui) const LIVE: &str = "under way";
pub(in crate::ui) const ENDED: &str = "ended in order";
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
pub(in crate::ui) const NO_PROOF_YET: &str = "The server has not proven anything yet.";
pub(in crate::ui) const NO_PROOF_ASKED: &str = "Plain asks for no certificate. Whoever answers at this address gets the file, readable, and nobody would notice \
     another server. AP, CP1 and CP2 make the server prove itself first (p on screen 1).";
pub(in crate::ui) const NOTHING_ASKED_OF_US: &str =
    "This client did not ask our server to prove itself; it would take any other server just as well.";
pub(in crate::ui) const EMPTY_SESSION: &str = "No session yet.";
pub(in crate::ui) const EMPTY_STEPS: &[(&str, &str)] = &[
    ("1", "the upload screen: choose a protocol with p, then press u on a file"),
    ("3", "each message appears here, with its size and its key; u sends the file again"),
    ("← →", "step from message to message; Space plays them one by one"),
    ("w", "keep the session as a file, without the content of files"),
];
pub(in crate::ui) const EMPTY_EXAMPLE: &str =
    "An upload with CP2. Broken strokes can be read on the way, heavy ones not.";
pub(in crate::ui) const NOTHING_TO_SAVE: &str = "There is no session to save yet.";

/// `CP2 to 127.0.0.1:4321`
pub(in crate::ui) fn session_title(recording: &Recording) -> String {
    let variant = recording.variant().map_or_else(String::new, |variant| format!("{variant} "));
    let peer = fit::escaped(&recording.wire.peer);
    match recording.wire.side {
        Side::Client => format!("{variant}to {peer}"),
        Side::Server => format!("{variant}from {peer}, at our server"),
    }
}

/// `2 of 3 sessions`
pub(in crate::ui) fn which_session(at: usize, of: usize) -> String {
    if of > 1 { format!("{at} of {of}, s: other") } else { String::new() }
}

/// `MODE 3 authenticate`
pub(in crate::ui) const fn message(role: Role) -> &'static str {
    match role {
        Role::Challenge => "MODE 3 prove yourself",
        Role::ReceiptRequest | Role::OpenRequest => "MODE 3 ask receipt",
        Role::Signature => "signature",
        Role::ReceiptSignature => "receipt's signature",
        Role::Certificate => "certificate",
        Role::Statement => "statement",
        Role::SessionKey => "MODE 4 session key",
        Role::Name => "MODE 0 name",
        Role::Clear | Role::Blocks | Role::Token | Role::Body => "MODE 1 data",
        Role::Close => "MODE 2 close",
        Role::Unknown => "no MODE of ours",
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

/// One sentence: why this key, or why none.
pub(in crate::ui) const fn why(role: Role) -> &'static str {
    match role {
        Role::Challenge => {
            "Random bytes, new for each connection: a recorded answer to older ones would not fit, so it cannot be \
             replayed."
        }
        Role::ReceiptRequest => {
            "Asks the server to sign, with a salt that only it can open, what is safely on its disk."
        }
        Role::OpenRequest => {
            "Asks the server to sign what is safely on its disk; what this variant sends needs no salt to hide it."
        }
        Role::Signature => {
            "Only whoever has the private key can sign our random bytes: RSA-PSS with SHA-256, checked with the \
             certificate's key."
        }
        Role::ReceiptSignature => {
            "Signed by the server's receipt key, which decrypts nothing, or by its only key; the salt of 32 bytes \
             tells it from an answer to a challenge."
        }
        Role::Certificate => {
            "The CA's certificate checks that the CA signed this one, which says whose public key this is and until \
             when."
        }
        Role::Statement => {
            "Names, sizes and digests of what is on the server's disk, and the certificates of the keys it names."
        }
        Role::SessionKey => {
            "A fresh secret key, encrypted so that only the server's private key opens it; RSA is needed once \
             instead of for each block."
        }
        Role::Name => "The protocol encrypts no name, in any variant: whoever listens learns what is sent.",
        Role::Clear => "No key touches the file: whoever listens has a copy, and can change what arrives.",
        Role::Blocks => {
            "Every block of the file is encrypted with RSA for the server's private key, which has to open each of \
             them: secret, and slow."
        }
        Role::Token => {
            "AES under the session key hides the file, and an HMAC under its other half shows the server any change."
        }
        Role::Body => {
            "This client did not say which variant it speaks, and a body of RSA blocks looks like noise."
        }
        Role::Close => {
            "Says that nothing follows; it is neither signed nor encrypted, so anybody can say it."
        }
        Role::Unknown => "Only MODE 0 to 4 exist; nothing after this can be told apart.",
    }
}

/// What somebody who listens on the way learns from it.
pub(in crate::ui) const fn overheard(role: Role) -> (bool, &'static str) {
    match role {
        Role::Challenge => (true, "✗ reads it, and which variant follows; it is of no use later"),
        Role::ReceiptRequest => (true, "✗ reads which files are asked about; the salt is sealed"),
        Role::OpenRequest => (true, "✗ reads which files are asked about"),
        Role::Signature | Role::ReceiptSignature => (true, "✗ reads it; it fits these bytes and no others"),
        Role::Certificate => (true, "✗ reads who the server is; a certificate is public"),
        Role::Statement => (true, "✗ reads names and sizes; digests of secret files are salted"),
        Role::SessionKey => (false, "✓ sees ciphertext; the key in it stays secret"),
        Role::Name => (true, "✗ reads the name"),
        Role::Clear => (true, "✗ reads the whole file and its size"),
        Role::Blocks => (false, "✓ sees noise, and from M1 about how long the file is"),
        Role::Token => (false, "✓ sees ciphertext; M1 tells the size, the token its time"),
        Role::Body => (true, "≈ reads it, unless it is encrypted"),
        Role::Close => (true, "✗ reads that it is over"),
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
    match us {
        0..=9_994 => format!("{:.2} ms", us as f64 / 1e3),
        9_995..=999_499 => format!("{:.1} ms", us as f64 / 1e3),
        999_500..=99_994_999 => format!("{:.2} s", us as f64 / 1e6),
        _ => units::duration(std::time::Duration::from_micros(us)),
    }
}

pub(in crate::ui) fn more(messages: u64) -> String {
    format!("… {} more messages", grouped(messages))
}

/// `3 of 11`, or of more where some are folded.
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

/// `6.00 bits a byte`, and what that may be.
pub(in crate::ui) fn entropy(sample: &Sample) -> Option<(String, &'static str)> {
    let bits = sample.bits()?;
    let words = match bits {
        ..1.0 => "hardly anything but repetition",
        ..5.6 => "patterns, as text and tables have",
        5.9..=6.05 => "base64: six bits in each letter",
        ..7.5 => "patterns, partly packed",
        ..7.9 => "packed, as pictures and films are",
        _ => "noise: encrypted or compressed",
    };
    Some((format!("{bits:.2} bits a byte"), words))
}

/// How many bytes of wire each byte of the file takes.
pub(in crate::ui) fn growth(file: u64, wire: u64) -> String {
    if file == 0 {
        return format!("file 0 bytes, wire {}", units::bytes(wire));
    }
    format!("file {}, wire {}: ×{:.2}", units::bytes(file), units::bytes(wire), wire as f64 / file as f64)
}

// Certificate

/// What is to be thought of the key's length.
pub(in crate::ui) fn strength(bits: usize) -> String {
    match bits {
        ..2048 => format!("≈ RSA, {bits} bits"),
        _ => format!("RSA, {bits} bits"),
    }
}

pub(in crate::ui) fn days(days: i64) -> String {
    match days {
        ..0 => "expired".to_owned(),
        0 => "ends today".to_owned(),
        1 => "1 more day".to_owned(),
        days => format!("{days} more days"),
    }
}

pub(in crate::ui) fn pin_state(standing: Option<&Standing>, changed: bool) -> String {
    match standing {
        _ if changed => "✗ changed: another key than the known one".to_owned(),
        None => "—".to_owned(),
        Some(Standing::Own) => "our own: made anew at each start".to_owned(),
        Some(Standing::First { remembered: true, .. }) => "≈ first seen, remembered from now on".to_owned(),
        Some(Standing::First { remembered: false, .. }) => "≈ first seen, and not remembered".to_owned(),
        Some(Standing::Known { since }) => format!("✓ known since {}", day(since.as_deref())),
        Some(Standing::Pinned { .. }) => "✓ the one that the pin names".to_owned(),
    }
}

pub(in crate::ui) const RELAY: &str = "≈ It does not say that nobody sits in between: a relay can pass the real \
     server's answer on. It reads what AP sends, and nothing of CP1 and CP2.";

/// What a person should make of it.
pub(in crate::ui) fn verdict_on(standing: Option<&Standing>) -> String {
    let holds = "The CA signed this certificate, it is in its time, and the server signed our random bytes with \
                 its key.";
    let then = match standing {
        None => {
            "Our own server shows this certificate to everyone who asks; clients need its CA to check it."
        }
        Some(Standing::Own) => "It is the server inside this program.",
        Some(Standing::Known { .. }) => "It is the same key as before, so the same server.",
        Some(Standing::Pinned { .. }) => "It is the key that you asked for.",
        Some(Standing::First { .. }) => {
            "But the CA certifies many keys, and this one was never met here: compare its fingerprint with what the \
             operator says."
        }
    };
    if standing.is_none() { then.to_owned() } else { format!("✓ {holds} {then}") }
}

pub(in crate::ui) fn verdict_on_change(change: &KeyChange) -> String {
    format!(
        "✗ The CA signed this key too, but it is not the one that is known since {}. Nothing was sent. Ask the \
         operator by another way.",
        day(change.since.as_deref())
    )
}

pub(in crate::ui) fn verdict_on_fault(what: &str) -> String {
    format!("✗ Refused, and nothing was sent: {}", fit::escaped(what))
}

/// Whether a body of this variant can be read by anybody.
pub(in crate::ui) const fn is_open(variant: Option<Variant>) -> bool {
    !matches!(variant, Some(Variant::Cp1 | Variant::Cp2))
}

// Captures

pub(in crate::ui) fn saved(name: &str, folder: &str, with_plaintext: bool) -> (String, String) {
    let content = if with_plaintext {
        "It holds the first bytes of the files, too."
    } else {
        "It holds no content of files (--with-plaintext would add it) and never a key."
    };
    (format!("Saved as {name} in {folder}"), content.to_owned())
}

pub(in crate::ui) fn not_saved(why: &str) -> (String, String) {
    (
        format!("The session could not be saved: {}", fit::escaped(why)),
        "Is there room, and may you write there?".to_owned(),
    )
}
