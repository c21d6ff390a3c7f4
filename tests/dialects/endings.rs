//! What clients of other people put behind CP1's (k, block) pairs, and CP2's session key in several pieces.

use upseal::event::{Framing, KeyForm, Padding, Variant};

use crate::common::{Files, noise, words};
use crate::memory::{Pieces, Silence, receive, receive_with_silence};
use crate::speaker::{Challenge, Goodbye, Speaker, Terminator};

const PAIRS: [Framing; 5] = [Framing::B, Framing::C, Framing::D, Framing::E, Framing::F];
const PADDINGS: [Padding; 2] = [Padding::Oaep, Padding::Pkcs1v15];

/// Every client that ends its pairs in one of the ways that were met, without a hello.
fn speakers() -> impl Iterator<Item = Speaker> {
    PADDINGS.into_iter().flat_map(|padding| PAIRS.map(|framing| (padding, framing))).flat_map(
        |(padding, framing)| {
            Terminator::ALL.map(|terminator| Speaker {
                padding,
                framing,
                terminator,
                ..Speaker::of(Variant::Cp1)
            })
        },
    )
}

fn arrives(speaker: &Speaker, files: &[(&str, &[u8])], pieces: Pieces) {
    let outcome = receive(&speaker.speak(files), pieces);
    let sizes: Vec<_> = files.iter().map(|(name, content)| (name, content.len())).collect();
    assert_eq!(outcome.refusals, [""; 0], "{sizes:?}, {pieces:?}: {speaker:?}");
    assert_eq!(outcome.stored, Files::of(files.iter().copied()), "{sizes:?}, {pieces:?}: {speaker:?}");
}

/// The names are as short as the integers that end the pairs.
#[test]
fn every_terminator_is_understood_before_every_kind_of_message() {
    for speaker in speakers() {
        let full = speaker.full();
        for goodbye in [Goodbye::Once, Goodbye::Twice, Goodbye::Never] {
            let speaker = Speaker { goodbye, ..speaker.clone() };
            for size in [1, full, 2 * full, 2 * full + 1] {
                let content = noise(size, 3);
                let files = [("a", &content[..]), ("ab", &content), ("abc", &content), ("abcd", &content)];
                arrives(&speaker, &files, Pieces::All);
                arrives(&speaker, &files[..2], Pieces::Single);
                arrives(&speaker, &files[2..], Pieces::Of(9));
            }
        }
        let per_file = Speaker { per_file: true, ..speaker.clone() };
        let bytes = Speaker { challenge: Challenge::Bytes, ..per_file.clone() };
        for speaker in [per_file, bytes] {
            arrives(&speaker, &[("a", &noise(full, 1)), ("ab", &noise(full, 2))], Pieces::Single);
        }
    }
}

#[test]
fn an_empty_file_between_others_may_be_a_terminator_and_nothing_else() {
    for speaker in speakers() {
        for empty_block in [true, false] {
            let speaker = Speaker { empty_block, ..speaker.clone() };
            let content = noise(speaker.full() + 1, 3);
            let files = [("a", &content[..]), ("ab", b""), ("abc", b""), ("abcd", &content)];
            arrives(&speaker, &files, Pieces::All);
            arrives(&speaker, &files, Pieces::Single);
            arrives(&speaker, &files[..3], Pieces::All);
        }
    }
}

#[test]
fn a_first_file_that_is_a_terminator_and_nothing_else_is_empty() {
    for speaker in speakers().filter(|speaker| !matches!(speaker.terminator, Terminator::Word(77))) {
        for goodbye in [Goodbye::Once, Goodbye::Twice] {
            let speaker = Speaker { empty_block: false, goodbye, ..speaker.clone() };
            let content = noise(speaker.full() + 1, 3);
            for files in [&[("a", &b""[..])][..], &[("ab", b""), ("abc", &content)]] {
                arrives(&speaker, files, Pieces::All);
                arrives(&speaker, files, Pieces::Single);
            }
        }
    }
}

#[test]
fn one_empty_block_too_many_behind_full_blocks_changes_nothing() {
    for speaker in speakers() {
        let speaker = Speaker { one_block_too_many: true, ..speaker };
        let full = speaker.full();
        for size in [full, 2 * full] {
            let content = noise(size, 3);
            arrives(&speaker, &[("a.bin", &content), ("ab", &content)], Pieces::All);
            arrives(&speaker, &[("a.bin", &content)], Pieces::Single);
        }
    }
}

#[test]
fn a_session_key_may_come_in_pieces_of_which_all_but_one_are_empty() {
    for padding in PADDINGS {
        for key_form in [KeyForm::Fernet, KeyForm::Raw] {
            for (key_pieces, key_piece) in [(3, 0), (3, 1), (3, 2), (2, 0), (2, 1)] {
                for per_file in [false, true] {
                    let speaker = Speaker {
                        padding,
                        key_form,
                        key_pieces,
                        key_piece,
                        per_file,
                        ..Speaker::of(Variant::Cp2)
                    };
                    let files = [("a", &b""[..]), ("ab", &noise(300, 3))];
                    arrives(&speaker, &files, Pieces::All);
                    arrives(&speaker, &files, Pieces::Single);
                }
            }
        }
    }
}

/// The client has said MODE 2 and waits for our end, without ending its own side.
#[test]
fn a_terminator_and_mode_2_are_understood_although_the_client_waits_for_our_end() {
    for terminator in [Terminator::Word(0), Terminator::Word(1)] {
        let speaker = Speaker { terminator, framing: Framing::D, ..Speaker::of(Variant::Cp1) };
        let content = noise(speaker.full(), 3);
        let bytes = speaker.speak(&[("a.bin", &content)]);
        // Once for the file, once for the end.
        let outcome = receive_with_silence(&bytes, Silence { before: bytes.len(), reads: 2 });
        assert_eq!(outcome.refusals, [""; 0], "{terminator:?}");
        assert_eq!(outcome.stored, Files::one("a.bin", &content), "{terminator:?}");
    }
}

/// What comes later shows that it was the length of a name: the client must not take our end for more than it is.
#[test]
fn a_name_of_two_letters_that_comes_after_the_silence_is_refused_and_not_ended_in_order() {
    let speaker =
        Speaker { terminator: Terminator::Nothing, framing: Framing::E, ..Speaker::of(Variant::Cp1) };
    let content = noise(speaker.full(), 3);
    let first = speaker.speak(&[("a.bin", &content)]);
    let first = &first[..first.len() - 8];
    let bytes = [first, &words(&[0, 2]), b"ab"].concat();
    let outcome = receive_with_silence(&bytes, Silence { before: bytes.len() - 2, reads: 2 });
    assert_eq!(outcome.refusals.len(), 1, "{outcome:?}");
    assert!(outcome.refusals[0].contains("stood still for too long"), "{outcome:?}");
    assert_eq!(outcome.stored, Files::one("a.bin", &content));
}
