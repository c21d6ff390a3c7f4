//! CP1 files of many blocks, which a server opens in batches and on every core.

use upseal::event::{Framing, Padding, Variant};

use crate::common::{Files, K, noise, words};
use crate::memory::{Pieces, receive};
use crate::speaker::{Challenge, Speaker};

const FRAMINGS: [Framing; 6] = [Framing::A, Framing::B, Framing::C, Framing::D, Framing::E, Framing::F];

/// Number of blocks of a file: three steps of 64, and a last step that is not a multiple of a group.
const BLOCKS: usize = 3 * 64 + 21;

fn speakers() -> impl Iterator<Item = Speaker> {
    FRAMINGS.into_iter().flat_map(|framing| {
        [Challenge::Text, Challenge::Hello].into_iter().flat_map(move |challenge| {
            [Padding::Oaep, Padding::Pkcs1v15].map(|padding| Speaker {
                padding,
                framing,
                challenge,
                ..Speaker::of(Variant::Cp1)
            })
        })
    })
}

/// Returns a content whose last block holds one byte.
fn content(speaker: &Speaker) -> Vec<u8> {
    noise((BLOCKS - 1) * speaker.full() + 1, 1)
}

/// Returns the offset of block `n` in a connection with one file.
fn block(speaker: &Speaker, bytes: &[u8], n: usize) -> usize {
    let ending = 8 * (1 + usize::from(speaker.framing == Framing::D));
    let head = if speaker.framing == Framing::A { 0 } else { 8 };
    bytes.len() - ending - (BLOCKS - n) * (head + K) + head
}

#[test]
fn many_blocks_arrive_in_order_in_pieces_of_any_size() {
    for speaker in speakers() {
        let content = content(&speaker);
        let bytes = speaker.speak(&[("a.bin", &content), ("b.bin", &content[7..])]);
        for pieces in [Pieces::All, Pieces::Random(1), Pieces::Of(K + 8), Pieces::Of(70 * (K + 8) + 3)] {
            let outcome = receive(&bytes, pieces);
            assert_eq!(outcome.refusals, [""; 0], "{speaker:?} {pieces:?}");
            let files = Files::of([("a.bin", &content[..]), ("b.bin", &content[7..])]);
            assert!(outcome.stored == files, "{speaker:?} {pieces:?}");
        }
    }
}

/// The blocks have various lengths, so the end by plaintext length comes later than with full blocks.
#[test]
fn many_blocks_that_are_not_full_arrive_too() {
    for speaker in speakers() {
        let speaker = Speaker { lengths: vec![1, 40, 0, 62, 3], ..speaker };
        let content = noise(5000, 1);
        let outcome = receive(&speaker.speak(&[("a.bin", &content)]), Pieces::Random(2));
        assert_eq!(outcome.refusals, [""; 0], "{speaker:?}");
        assert!(outcome.stored == Files::one("a.bin", &content), "{speaker:?}");
    }
}

#[test]
fn a_damaged_block_anywhere_in_a_batch_refuses_the_file() {
    for speaker in speakers().filter(|speaker| speaker.padding == Padding::Oaep) {
        let bytes = speaker.speak(&[("a.bin", &content(&speaker))]);
        for n in [1, 5, 63, 64, 100, BLOCKS - 2, BLOCKS - 1] {
            let mut damaged = bytes.clone();
            damaged[block(&speaker, &bytes, n) + 77] ^= 1;
            let outcome = receive(&damaged, Pieces::All);
            assert_eq!(outcome.stored, Files::none(), "{speaker:?}, block {n}");
            let [why] = &outcome.refusals[..] else { panic!("{speaker:?}: {:?}", outcome.refusals) };
            // In C an undecryptable block adds no plaintext, so the body lacks a block instead.
            let said = why.contains("could not be decrypted") || speaker.framing == Framing::C;
            assert!(said, "{speaker:?}, block {n}: {why}");
        }
    }
}

#[test]
fn a_file_cut_in_a_batch_is_not_published() {
    for speaker in speakers().filter(|speaker| speaker.padding == Padding::Oaep) {
        // A body without a length and without a hello may end after any block.
        if speaker.challenge == Challenge::Text && speaker.framing != Framing::A {
            continue;
        }
        let bytes = speaker.speak(&[("a.bin", &content(&speaker))]);
        for n in [2, 40, 130] {
            let cut = block(&speaker, &bytes, n) + 50;
            let outcome = receive(&bytes[..cut], Pieces::All);
            assert_eq!(outcome.stored, Files::none(), "{speaker:?}, block {n}");
            assert_eq!(
                outcome.refusals,
                [format!("cut at byte {cut}: the client closed the connection")],
                "{speaker:?}, block {n}"
            );
        }
    }
}

/// The error names the offset, and the server waits for no further byte.
#[test]
fn a_wrong_length_in_a_batch_refuses_the_file() {
    for speaker in speakers().filter(|speaker| speaker.padding == Padding::Oaep) {
        let bytes = speaker.speak(&[("a.bin", &content(&speaker))]);
        let bounded = matches!(speaker.framing, Framing::B | Framing::C | Framing::F);
        if !bounded && (speaker.framing != Framing::D || speaker.challenge == Challenge::Text) {
            continue; // The other framings end where a MODE follows.
        }
        for n in [2, 40, 130] {
            let at = block(&speaker, &bytes, n) - 8;
            let outcome = receive(&[&bytes[..at], &words(&[2])].concat(), Pieces::All);
            assert_eq!(outcome.stored, Files::none(), "{speaker:?}, block {n}");
            let why = "CP1 body of (length, block) pairs: expected the block length 128, got 2";
            assert_eq!(outcome.refusals, [format!("at byte {at}: {why}")], "{speaker:?}, block {n}");
        }
    }
}
