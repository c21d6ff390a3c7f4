//! The table of dialects in both directions, at block-boundary sizes.

use upseal::event::{AuthMessage, Dialect, EmptyFile, Framing, KeyForm, KeyLength, Padding, Variant};

use crate::common::{Files, Host, noise, recorded_upload};
use crate::listener::listen;
use crate::memory::{Pieces, receive};
use crate::speaker::{Challenge, Goodbye, Speaker};

const FRAMINGS: [Framing; 6] = [Framing::A, Framing::B, Framing::C, Framing::D, Framing::E, Framing::F];
const PADDINGS: [Padding; 2] = [Padding::Oaep, Padding::Pkcs1v15];

/// Sizes around one and two RSA-1024 blocks of plaintext in both paddings, and around the block itself.
const SIZES: [usize; 16] = [0, 1, 61, 62, 63, 116, 117, 118, 123, 124, 125, 127, 128, 129, 234, 256];

/// Returns the dialects of third-party clients, each with a description.
fn speakers() -> Vec<(&'static str, Speaker)> {
    let mut all = Vec::new();
    for variant in [Variant::Plain, Variant::Ap] {
        all.push(("as specified", Speaker::of(variant)));
    }
    for (padding, framing) in PADDINGS.into_iter().flat_map(|p| FRAMINGS.map(|f| (p, f))) {
        let plain = Speaker { padding, framing, ..Speaker::of(Variant::Cp1) };
        let hello = Speaker { challenge: Challenge::Hello, ..plain.clone() };
        all.push(("as specified", plain.clone()));
        all.push(("hello", hello.clone()));
        all.push(("empty file as M1 = 0", Speaker { empty_block: false, ..plain.clone() }));
        all.push(("empty file as M1 = 0, hello", Speaker { empty_block: false, ..hello.clone() }));
        all.push(("blocks of 40", Speaker { lengths: vec![40], ..plain.clone() }));
        all.push(("blocks of 40, hello", Speaker { lengths: vec![40], ..hello }));
        all.push(("blocks of 17, 0 and 50", Speaker { lengths: vec![17, 0, 50], ..plain.clone() }));
        all.push(("MODE 3 before each file", Speaker { per_file: true, ..plain.clone() }));
    }
    for (padding, key_form) in
        PADDINGS.into_iter().flat_map(|p| [KeyForm::Fernet, KeyForm::Raw].map(|f| (p, f)))
    {
        for key_length_bytes in [8, 16] {
            let plain = Speaker { padding, key_form, key_length_bytes, ..Speaker::of(Variant::Cp2) };
            all.push(("as specified", plain.clone()));
            all.push(("hello", Speaker { challenge: Challenge::Hello, ..plain.clone() }));
            all.push(("MODE 3 and 4 before each file", Speaker { per_file: true, ..plain }));
        }
    }
    all
}

/// Returns the same dialect with every form of AP message and of MODE 2.
fn openings_and_endings(speaker: &Speaker) -> Vec<Speaker> {
    let mut all = vec![speaker.clone()];
    all.extend([Goodbye::Twice, Goodbye::Never].map(|goodbye| Speaker { goodbye, ..speaker.clone() }));
    if speaker.challenge == Challenge::Text {
        all.push(Speaker { challenge: Challenge::Bytes, ..speaker.clone() });
    }
    all
}

#[test]
fn the_server_detects_every_dialect() {
    for (what, speaker) in speakers() {
        let content = noise(300, 9);
        for size in SIZES {
            // A second file shows that the end of the first was found.
            let files = [("a.bin", &content[..size]), ("b.bin", &content[size..])];
            let outcome = receive(&speaker.speak(&files), Pieces::All);
            assert_eq!(outcome.refusals, [""; 0], "{what}, {size} bytes: {speaker:?}");
            assert_eq!(outcome.stored, Files::of(files), "{what}, {size} bytes: {speaker:?}");
        }
    }
}

#[test]
fn the_server_accepts_every_opening_and_ending() {
    for (what, speaker) in speakers() {
        for speaker in openings_and_endings(&speaker) {
            for size in [0, 40, 2 * speaker.full()] {
                let files = [("a.bin", &noise(size, 9)[..])];
                let outcome = receive(&speaker.speak(&files), Pieces::Random(size as u64));
                assert_eq!(outcome.refusals, [""; 0], "{what}, {size} bytes: {speaker:?}");
                assert_eq!(outcome.stored, Files::of(files), "{what}, {size} bytes: {speaker:?}");
            }
        }
    }
}

/// Sizes at which M1 has the value of another framing before the end of the body.
#[test]
fn an_ambiguous_m1_does_not_end_a_file_early() {
    for padding in PADDINGS {
        for challenge in [Challenge::Text, Challenge::Hello] {
            let speaker = Speaker { padding, challenge, ..Speaker::of(Variant::Cp1) };
            let full = speaker.full();
            let b = Speaker { framing: Framing::B, ..speaker.clone() };
            let c = Speaker { framing: Framing::C, ..speaker.clone() };
            let table = [
                ("B: M1 is the plaintext of one block", &b, full * full),
                ("B: M1 is the plaintext of two blocks, the last block short", &b, 2 * full * full - 3),
                ("B: M1 is the length of an encrypted block", &b, 128 * full),
                ("C: M1 is the length of one encrypted block", &c, 128),
                ("C: M1 is the length of two encrypted blocks", &c, 256),
                ("C: M1 is the length of three encrypted blocks", &c, 384),
                ("C: M1 is the number of blocks", &Speaker { lengths: vec![1], ..c.clone() }, 30),
                ("B: one byte in each block", &Speaker { lengths: vec![1], ..b.clone() }, 30),
                ("B: k blocks of one byte", &Speaker { lengths: vec![1], ..b.clone() }, 128),
                ("C: k blocks of one byte", &Speaker { lengths: vec![1], ..c.clone() }, 128),
                (
                    "F: the plaintext has the length of one encrypted block",
                    &Speaker { framing: Framing::F, lengths: vec![64, 64], ..speaker.clone() },
                    128,
                ),
            ];
            for (what, speaker, size) in table {
                let content = noise(size, 4);
                let files = [("a.bin", &content[..]), ("b.bin", b"next")];
                let outcome = receive(&speaker.speak(&files), Pieces::All);
                assert_eq!(outcome.refusals, [""; 0], "{what}: {speaker:?}");
                assert_eq!(outcome.stored, Files::of(files), "{what}: {speaker:?}");
            }
        }
    }
}

/// Returns the dialects that our client can send.
fn dialects() -> Vec<Dialect> {
    let mut all = Vec::new();
    for auth_message in [AuthMessage::Ascii, AuthMessage::Timestamp, AuthMessage::Random32] {
        for variant in [Variant::Plain, Variant::Ap] {
            all.push(Dialect { auth_message, ..Dialect::of(variant) });
        }
        for (padding, framing) in PADDINGS.into_iter().flat_map(|p| FRAMINGS.map(|f| (p, f))) {
            for empty in [EmptyFile::Block, EmptyFile::Zero] {
                all.push(Dialect { auth_message, padding, framing, empty, ..Dialect::of(Variant::Cp1) });
            }
        }
        for padding in PADDINGS {
            for key_form in [KeyForm::Fernet, KeyForm::Raw] {
                for key_length in [KeyLength::Eight, KeyLength::Sixteen] {
                    let cp2 = Dialect::of(Variant::Cp2);
                    all.push(Dialect { auth_message, padding, key_form, key_length, ..cp2 });
                }
            }
        }
    }
    all
}

#[test]
fn the_client_sends_each_dialect_exactly() {
    let host = Host::start();
    for dialect in dialects() {
        // The AP message does not depend on the size, so a few sizes are enough for the other forms.
        let sizes = if dialect.auth_message == AuthMessage::Ascii { &SIZES[..] } else { &[0, 124, 128] };
        for size in sizes {
            let content = noise(*size, 2);
            let (bytes, _) = recorded_upload(host.address(), dialect, "a.bin", &content).unwrap();
            let heard = listen(dialect, &bytes);
            assert_eq!(heard, ("a.bin".to_owned(), content), "{size} bytes: {dialect:?}");
        }
    }
}
