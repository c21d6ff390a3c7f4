//! The table of dialects, both directions, at block-boundary sizes.

use upseal::event::{AuthMessage, Dialect, EmptyFile, Framing, KeyForm, KeyLength, Padding, Variant};

use crate::common::{Files, Host, noise, recorded_upload};
use crate::listener::listen;
use crate::memory::{Pieces, receive};
use crate::speaker::{Challenge, Goodbye, Speaker};

const FRAMINGS: [Framing; 6] = [Framing::A, Framing::B, Framing::C, Framing::D, Framing::E, Framing::F];
const PADDINGS: [Padding; 2] = [Padding::Oaep, Padding::Pkcs1v15];

/// Around the edges of a block of RSA-1024, in both paddings, of two, and of the block itself.
const SIZES: [usize; 16] = [0, 1, 61, 62, 63, 116, 117, 118, 123, 124, 125, 127, 128, 129, 234, 256];

/// What others send to our server.
fn speakers() -> Vec<(&'static str, Speaker)> {
    let mut all = Vec::new();
    for variant in [Variant::Plain, Variant::Ap] {
        all.push(("as the handout has it", Speaker::of(variant)));
    }
    for (padding, framing) in PADDINGS.into_iter().flat_map(|p| FRAMINGS.map(|f| (p, f))) {
        let plain = Speaker { padding, framing, ..Speaker::of(Variant::Cp1) };
        let hello = Speaker { challenge: Challenge::Hello, ..plain.clone() };
        all.push(("as the handout has it", plain.clone()));
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
            all.push(("as the handout has it", plain.clone()));
            all.push(("hello", Speaker { challenge: Challenge::Hello, ..plain.clone() }));
            all.push(("MODE 3 and 4 before each file", Speaker { per_file: true, ..plain }));
        }
    }
    all
}

/// How every dialect may begin and end, besides.
fn manners(speaker: &Speaker) -> Vec<Speaker> {
    let mut all = vec![speaker.clone()];
    all.extend([Goodbye::Twice, Goodbye::Never].map(|goodbye| Speaker { goodbye, ..speaker.clone() }));
    if speaker.challenge == Challenge::Text {
        all.push(Speaker { challenge: Challenge::Bytes, ..speaker.clone() });
    }
    all
}

#[test]
fn the_server_understands_every_dialect_without_being_told() {
    for (what, speaker) in speakers() {
        let content = noise(300, 9);
        for size in SIZES {
            // Another file behind it, so that the end of the first is seen to be right.
            let files = [("a.bin", &content[..size]), ("b.bin", &content[size..])];
            let outcome = receive(&speaker.speak(&files), Pieces::All);
            assert_eq!(outcome.refusals, [""; 0], "{what}, {size} bytes: {speaker:?}");
            assert_eq!(outcome.stored, Files::of(files), "{what}, {size} bytes: {speaker:?}");
        }
    }
}

#[test]
fn it_understands_every_manner_of_beginning_and_ending() {
    for (what, speaker) in speakers() {
        for speaker in manners(&speaker) {
            for size in [0, 40, 2 * speaker.full()] {
                let files = [("a.bin", &noise(size, 9)[..])];
                let outcome = receive(&speaker.speak(&files), Pieces::Random(size as u64));
                assert_eq!(outcome.refusals, [""; 0], "{what}, {size} bytes: {speaker:?}");
                assert_eq!(outcome.stored, Files::of(files), "{what}, {size} bytes: {speaker:?}");
            }
        }
    }
}

/// Sizes at which one framing's M1 is another's before the end of the body.
#[test]
fn coincidences_of_lengths_end_no_file_early() {
    for padding in PADDINGS {
        for challenge in [Challenge::Text, Challenge::Hello] {
            let speaker = Speaker { padding, challenge, ..Speaker::of(Variant::Cp1) };
            let full = speaker.full();
            let b = Speaker { framing: Framing::B, ..speaker.clone() };
            let c = Speaker { framing: Framing::C, ..speaker.clone() };
            let table = [
                ("B: as many blocks as the first has bytes", &b, full * full),
                ("B: as many as the first two have, the last short", &b, 2 * full * full - 3),
                ("B: as many blocks as one has encrypted bytes", &b, 128 * full),
                ("C: as many bytes as one block encrypted", &c, 128),
                ("C: as two", &c, 256),
                ("C: as three", &c, 384),
                ("C: as many bytes as it has blocks", &Speaker { lengths: vec![1], ..c.clone() }, 30),
                ("B: one byte in each block", &Speaker { lengths: vec![1], ..b.clone() }, 30),
                ("B: k blocks of one byte", &Speaker { lengths: vec![1], ..b.clone() }, 128),
                ("C: k blocks of one byte", &Speaker { lengths: vec![1], ..c.clone() }, 128),
                (
                    "F: as many bytes as one block encrypted",
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

/// What our client can be told to send.
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
fn the_client_speaks_each_dialect_to_the_letter() {
    let host = Host::start();
    for dialect in dialects() {
        // The message has nothing to do with the size.
        let sizes = if dialect.auth_message == AuthMessage::Ascii { &SIZES[..] } else { &[0, 124, 128] };
        for size in sizes {
            let content = noise(*size, 2);
            let (bytes, _) = recorded_upload(host.address(), dialect, "a.bin", &content).unwrap();
            let heard = listen(dialect, &bytes);
            assert_eq!(heard, ("a.bin".to_owned(), content), "{size} bytes: {dialect:?}");
        }
    }
}
