//! Random dialects, files and read sizes: the server stores what was sent, or publishes nothing.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use upseal::event::{Framing, KeyForm, Padding, Variant};

use crate::common::Files;
use crate::memory::{Pieces, receive};
use crate::speaker::{Challenge, Goodbye, Speaker, Terminator};

fn speakers() -> impl Strategy<Value = Speaker> {
    let framings = vec![Framing::A, Framing::B, Framing::C, Framing::D, Framing::E, Framing::F];
    let endings = (select(Terminator::ALL.to_vec()), any::<bool>());
    let rsa =
        (select(vec![Padding::Oaep, Padding::Pkcs1v15]), select(framings), vec(0_usize..=117, 0..4), endings);
    let key = (select(vec![KeyForm::Fernet, KeyForm::Raw]), select(vec![8_usize, 16]), 1_usize..=3);
    let challenges = vec![Challenge::Text, Challenge::Bytes, Challenge::Hello];
    let goodbyes = vec![Goodbye::Once, Goodbye::Twice, Goodbye::Never];
    let manners = (select(challenges), select(goodbyes), any::<bool>(), any::<bool>());
    (select(Variant::ALL.to_vec()), rsa, key, manners).prop_map(
        |(
            variant,
            (padding, framing, mut lengths, endings),
            (key_form, key_length_bytes, key_pieces),
            manners,
        )| {
            // Empty blocks alone would never end a file.
            if lengths.iter().all(|length| *length == 0) {
                lengths.clear();
            }
            let (challenge, goodbye, per_file, empty_block) = manners;
            let (terminator, one_block_too_many) = endings;
            // A hello names the framing, which fixes the terminator.
            let terminator = if challenge == Challenge::Hello { Terminator::ByFraming } else { terminator };
            Speaker {
                variant,
                padding,
                framing,
                lengths,
                // A terminator that no MODE follows is not always recognised, except the framing's own.
                empty_block: empty_block || terminator != Terminator::ByFraming,
                one_block_too_many: one_block_too_many && framing != Framing::C,
                terminator,
                key_form,
                key_length_bytes,
                key_pieces,
                key_piece: key_pieces - 1,
                challenge,
                per_file,
                goodbye,
            }
        },
    )
}

/// Returns file contents, some of which resemble integers of the protocol.
fn contents() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..300),
        // Resembles integers of the protocol.
        vec(select(vec![0_u8, 1, 2, 3, 4, 128, 255]), 0..300),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_server_stores_what_was_sent(
        speaker in speakers(),
        first in contents(),
        second in contents(),
        seed in any::<u64>(),
    ) {
        let files = [("a.bin", &first[..]), ("b.bin", &second[..])];
        let outcome = receive(&speaker.speak(&files), Pieces::Random(seed));
        prop_assert_eq!(outcome.refusals, Vec::<String>::new());
        prop_assert_eq!(outcome.stored, Files::of(files));
    }

    #[test]
    fn only_complete_files_of_a_cut_connection_are_published(
        speaker in speakers(),
        content in contents(),
        seed in any::<u64>(),
        share in 0.0..1.0,
    ) {
        let bytes = speaker.speak(&[("a.bin", &content[..])]);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let cut = (bytes.len() as f64 * share) as usize;
        let outcome = receive(&bytes[..cut], Pieces::Random(seed));
        // A body without a length and without a hello may end after any block.
        let bounded = match speaker.variant {
            Variant::Cp1 if speaker.framing == Framing::E => false,
            Variant::Cp1 => speaker.challenge == Challenge::Hello || !matches!(speaker.framing, Framing::B | Framing::C | Framing::D),
            _ => true,
        };
        let stored = outcome.stored.0.get("a.bin");
        let whole = stored.is_none_or(|stored| *stored == content);
        let beginning = stored.is_some_and(|stored| content.starts_with(stored));
        // Cut after exactly M1 bytes, a CP1 body without a hello is a complete AP file.
        let is_ap_file = speaker.variant == Variant::Cp1
            && speaker.challenge != Challenge::Hello
            && stored.is_some_and(|stored| !stored.is_empty() && bytes[..cut].ends_with(stored));
        prop_assert!(whole || is_ap_file || (!bounded && beginning), "{:?} of {:?}", outcome, content);
    }

    #[test]
    fn an_altered_token_is_never_published(
        speaker in speakers(),
        content in contents(),
        place in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let speaker = Speaker { variant: Variant::Cp2, goodbye: Goodbye::Once, ..speaker };
        let mut bytes = speaker.speak(&[("a.bin", &content[..])]);
        // Alter the body only: the token does not protect what comes before it.
        let name = bytes.windows(5).position(|window| window == b"a.bin").unwrap();
        let body = name + 5 + 16..bytes.len() - 8;
        let at = body.start + place.index(body.len());
        bytes[at] ^= 1 << bit;
        let outcome = receive(&bytes, Pieces::All);
        prop_assert_eq!(outcome.stored, Files::none(), "bit {} of byte {}", bit, at);
        prop_assert_eq!(outcome.refusals.len(), 1);
    }
}
