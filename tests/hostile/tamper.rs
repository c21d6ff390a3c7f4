//! Each byte of a recorded session of each variant, changed in three ways: what is stored is what docs/protocol.md says,
//! section "Attacks".
//!
//! - Plain, AP: the content may be altered, and then by what came over the wire.
//! - CP1: a changed block is refused; blocks may be missing, and no others appear.
//! - CP2: what is stored is what was sent.
//! - The name may be changed in each variant, by a change of the name's bytes or what comes before them.

use upseal::Policy;
use upseal::event::{Framing, KeyForm, Variant};

use crate::common::noise;
use crate::server::{End, Outcome, with_servers};
use crate::speaker::{Challenge, Goodbye, Speaker};

const NAME: &str = "a.bin";
/// Bytes of a file: two full blocks of CP1 and a short one.
const SIZE: usize = 150;

struct Session {
    speaker: Speaker,
    content: Vec<u8>,
    bytes: Vec<u8>,
    /// Position of the first byte behind the name.
    named: usize,
}

fn sessions() -> Vec<Session> {
    let mut speakers = vec![Speaker::of(Variant::Plain)];
    for challenge in [Challenge::Text, Challenge::Hello] {
        speakers.push(Speaker { challenge, ..Speaker::of(Variant::Ap) });
        for framing in [Framing::A, Framing::B, Framing::C, Framing::D, Framing::E, Framing::F] {
            speakers.push(Speaker { framing, challenge, ..Speaker::of(Variant::Cp1) });
        }
        for key_form in [KeyForm::Fernet, KeyForm::Raw] {
            speakers.push(Speaker { key_form, challenge, ..Speaker::of(Variant::Cp2) });
        }
    }
    let session = |speaker: Speaker| {
        let content = noise(SIZE, 77);
        let bytes = Speaker { goodbye: Goodbye::Once, ..speaker.clone() }.speak(&[(NAME, &content)]);
        let name = bytes.windows(NAME.len()).position(|window| window == NAME.as_bytes()).unwrap();
        Session { speaker, content, bytes, named: name + NAME.len() }
    };
    speakers.into_iter().map(session).collect()
}

impl Session {
    /// Returns whether a byte belongs to the encoded content, as opposed to the lengths around it.
    fn is_content(&self, at: usize) -> bool {
        let body = self.named + 8..self.bytes.len() - 8;
        if !body.contains(&at) {
            return false;
        }
        let at = at - body.start;
        let Speaker { variant, framing, .. } = &self.speaker;
        match (variant, framing) {
            (Variant::Cp1, Framing::B | Framing::C | Framing::F) => at >= 8 && (at - 8) % 136 >= 8,
            // The terminator of D is behind the last block.
            (Variant::Cp1, Framing::D | Framing::E) => at < 3 * 136 && at % 136 >= 8,
            _ => at >= 8,
        }
    }

    fn check(&self, at: usize, outcome: &Outcome, what: &str) {
        assert_eq!(outcome.in_order, outcome.refusals.is_empty(), "{what}");
        let Self { speaker, content, bytes, named } = self;
        for (name, stored) in &outcome.stored.0 {
            assert!(at < *named || name == NAME, "{what}");
            let mut wire = bytes.clone();
            let as_it_came =
                |wire: &[u8]| stored.is_empty() || wire.windows(stored.len()).any(|window| window == stored);
            let is_right = match speaker.variant {
                _ if stored == content => true,
                Variant::Plain | Variant::Ap => {
                    // The changed byte may be any of the file.
                    wire[at] = stored
                        .iter()
                        .zip(content)
                        .find(|(stored, sent)| stored != sent)
                        .map_or(wire[at], |(stored, _)| *stored);
                    as_it_came(&wire)
                }
                // Without a hello, a body whose length was changed may be taken for an AP file: ciphertext.
                Variant::Cp1 => {
                    let plain = content.chunks(speaker.full()).collect::<Vec<_>>();
                    let subsets = 0..1_u32 << plain.len();
                    let some = |subset: u32| {
                        let kept = plain.iter().enumerate().filter(|(n, _)| subset >> n & 1 == 1);
                        kept.map(|(_, block)| *block).collect::<Vec<_>>().concat()
                    };
                    subsets.into_iter().any(|subset| some(subset) == *stored)
                        || (speaker.challenge == Challenge::Text && as_it_came(&wire))
                }
                Variant::Cp2 => false,
            };
            assert!(is_right, "{what}: {stored:?}");
        }
        if self.is_content(at) {
            match speaker.variant {
                Variant::Plain | Variant::Ap => {
                    let stored = outcome.stored.get(NAME);
                    let changed = stored.iter().zip(content).filter(|(stored, sent)| stored != sent).count();
                    assert_eq!((stored.len(), changed), (content.len(), 1), "{what}");
                    assert!(outcome.in_order, "{what}");
                }
                Variant::Cp1 | Variant::Cp2 => {
                    assert_eq!(outcome.stored.names(), [""; 0], "{what}");
                    assert_eq!(outcome.refusals.len(), 1, "{what}");
                }
            }
        }
    }
}

#[test]
fn each_changed_byte_of_each_variant_does_what_the_table_of_attacks_says() {
    let sessions = sessions();
    let changes: Vec<(&Session, usize)> =
        sessions.iter().flat_map(|session| (0..session.bytes.len()).map(move |at| (session, at))).collect();
    with_servers(&Policy::default(), &changes, |server, (session, at)| {
        // Each bit of every eighth byte, and every byte in two more ways.
        for mask in [0xff, 0x80, 1 << (at % 8)] {
            let mut bytes = session.bytes.clone();
            bytes[*at] ^= mask;
            let outcome = server.serve_alone(&bytes, End::InOrder);
            let Speaker { variant, framing, challenge, .. } = &session.speaker;
            let what = format!("{variant:?} {framing:?} {challenge:?}, byte {at} ^ {mask:#04x}: {outcome:?}");
            session.check(*at, &outcome, &what);
        }
    });
    // Unchanged, each is stored.
    with_servers(&Policy::default(), &sessions, |server, session| {
        let outcome = server.serve_alone(&session.bytes, End::InOrder);
        assert_eq!(outcome.stored.get(NAME), session.content, "{:?}", session.speaker);
        assert!(outcome.in_order);
    });
}
