//! Terminators that third-party clients send after CP1's (k, block) pairs, and CP2's session key in several blocks.

use upseal::event::{Framing, KeyForm, Padding, Variant};

use crate::common::{Files, noise, words};
use crate::memory::{Pieces, Silence, receive, receive_with_silence};
use crate::speaker::{Challenge, Goodbye, Speaker, Terminator};

const PAIRS: [Framing; 5] = [Framing::B, Framing::C, Framing::D, Framing::E, Framing::F];
const PADDINGS: [Padding; 2] = [Padding::Oaep, Padding::Pkcs1v15];

/// Returns a client without a hello for each padding, framing and terminator.
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

fn assert_stored(speaker: &Speaker, files: &[(&str, &[u8])], pieces: Pieces) {
    let outcome = receive(&speaker.speak(files), pieces);
    let sizes: Vec<_> = files.iter().map(|(name, content)| (name, content.len())).collect();
    assert_eq!(outcome.refusals, [""; 0], "{sizes:?}, {pieces:?}: {speaker:?}");
    assert_eq!(outcome.stored, Files::of(files.iter().copied()), "{sizes:?}, {pieces:?}: {speaker:?}");
}

/// The lengths of the names have the values of terminators.
#[test]
fn every_terminator_is_recognised_before_every_kind_of_message() {
    for speaker in speakers() {
        let full = speaker.full();
        for goodbye in [Goodbye::Once, Goodbye::Twice, Goodbye::Never] {
            let speaker = Speaker { goodbye, ..speaker.clone() };
            for size in [1, full, 2 * full, 2 * full + 1] {
                let content = noise(size, 3);
                let files = [("a", &content[..]), ("ab", &content), ("abc", &content), ("abcd", &content)];
                assert_stored(&speaker, &files, Pieces::All);
                assert_stored(&speaker, &files[..2], Pieces::Single);
                assert_stored(&speaker, &files[2..], Pieces::Of(9));
            }
        }
        let per_file = Speaker { per_file: true, ..speaker.clone() };
        let bytes = Speaker { challenge: Challenge::Bytes, ..per_file.clone() };
        for speaker in [per_file, bytes] {
            assert_stored(&speaker, &[("a", &noise(full, 1)), ("ab", &noise(full, 2))], Pieces::Single);
        }
    }
}

#[test]
fn an_empty_file_between_others_may_be_only_a_terminator() {
    for speaker in speakers() {
        for empty_block in [true, false] {
            let speaker = Speaker { empty_block, ..speaker.clone() };
            let content = noise(speaker.full() + 1, 3);
            let files = [("a", &content[..]), ("ab", b""), ("abc", b""), ("abcd", &content)];
            assert_stored(&speaker, &files, Pieces::All);
            assert_stored(&speaker, &files, Pieces::Single);
            assert_stored(&speaker, &files[..3], Pieces::All);
        }
    }
}

#[test]
fn a_first_file_that_is_only_a_terminator_is_empty() {
    for speaker in speakers().filter(|speaker| !matches!(speaker.terminator, Terminator::Word(77))) {
        for goodbye in [Goodbye::Once, Goodbye::Twice] {
            let speaker = Speaker { empty_block: false, goodbye, ..speaker.clone() };
            let content = noise(speaker.full() + 1, 3);
            for files in [&[("a", &b""[..])][..], &[("ab", b""), ("abc", &content)]] {
                assert_stored(&speaker, files, Pieces::All);
                assert_stored(&speaker, files, Pieces::Single);
            }
        }
    }
}

#[test]
fn an_extra_empty_block_after_full_blocks_changes_nothing() {
    for speaker in speakers() {
        let speaker = Speaker { one_block_too_many: true, ..speaker };
        let full = speaker.full();
        for size in [full, 2 * full] {
            let content = noise(size, 3);
            assert_stored(&speaker, &[("a.bin", &content), ("ab", &content)], Pieces::All);
            assert_stored(&speaker, &[("a.bin", &content)], Pieces::Single);
        }
    }
}

#[test]
fn a_session_key_may_come_in_several_blocks_of_which_all_but_one_are_empty() {
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
                    assert_stored(&speaker, &files, Pieces::All);
                    assert_stored(&speaker, &files, Pieces::Single);
                }
            }
        }
    }
}

/// The client has sent MODE 2 and waits for the server to close, without closing its own side.
#[test]
fn a_terminator_before_mode_2_is_recognised_although_the_client_waits_for_the_server() {
    for terminator in [Terminator::Word(0), Terminator::Word(1)] {
        let speaker = Speaker { terminator, framing: Framing::D, ..Speaker::of(Variant::Cp1) };
        let content = noise(speaker.full(), 3);
        let bytes = speaker.speak(&[("a.bin", &content)]);
        // One timeout publishes the file, the next decides about the terminator.
        let outcome = receive_with_silence(&bytes, Silence { before: bytes.len(), reads: 2 });
        assert_eq!(outcome.refusals, [""; 0], "{terminator:?}");
        assert_eq!(outcome.stored, Files::one("a.bin", &content), "{terminator:?}");
    }
}

/// Bytes after the pause show that it was the length of a name, so the client must not see an orderly end.
#[test]
fn a_name_of_two_letters_that_comes_after_the_pause_is_refused() {
    let speaker =
        Speaker { terminator: Terminator::Nothing, framing: Framing::E, ..Speaker::of(Variant::Cp1) };
    let content = noise(speaker.full(), 3);
    let first = speaker.speak(&[("a.bin", &content)]);
    let first = &first[..first.len() - 8];
    let bytes = [first, &words(&[0, 2]), b"ab"].concat();
    let outcome = receive_with_silence(&bytes, Silence { before: bytes.len() - 2, reads: 2 });
    assert_eq!(outcome.refusals.len(), 1, "{outcome:?}");
    assert!(outcome.refusals[0].contains("paused for too long"), "{outcome:?}");
    assert_eq!(outcome.stored, Files::one("a.bin", &content));
}
