#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

const K: usize = 128;

fn sealed_oaep(message: &[u8], alter: impl Fn(&mut [u8], &mut [u8])) -> Vec<u8> {
    let mut seed = [7; HASH_LEN];
    let mut db = vec![0; K - HASH_LEN - 1];
    db[..HASH_LEN].copy_from_slice(&EMPTY_LABEL);
    let start = db.len() - message.len();
    db[start - 1] = 1;
    db[start..].copy_from_slice(message);
    alter(&mut seed, &mut db);
    mask(&mut db, &seed);
    mask(&mut seed, &db);
    [&[0], &seed[..], &db].concat()
}

fn sealed_pkcs1v15(message: &[u8]) -> Vec<u8> {
    let mut em = vec![0xff; K];
    em[..2].copy_from_slice(&[0, 2]);
    em[K - message.len() - 1] = 0;
    em[K - message.len()..].copy_from_slice(message);
    em
}

#[test]
fn a_padded_message_is_unpadded() {
    for padding in [Padding::Oaep, Padding::Pkcs1v15] {
        let message = [9; K];
        let messages = (0..=message_max(K, padding)).map(|len| &message[..len]).collect::<Vec<_>>();
        let mut blocks = Zeroizing::new(Vec::new());
        pad(padding, K, messages.iter().copied(), &mut blocks).unwrap();
        assert_eq!(blocks.len(), messages.len() * K);
        for (message, em) in messages.into_iter().zip(blocks.chunks_exact(K)) {
            let both = Both::of(Zeroizing::new(em.to_vec()), Paddings::EITHER).only(padding);
            assert_eq!((bool::from(both.valid), both.message()), (true, message), "{padding}");
        }
        // Padding a message twice gives different blocks.
        let mut twice = Zeroizing::new(Vec::new());
        pad(padding, K, [&b"m"[..]; 2].into_iter(), &mut twice).unwrap();
        assert_ne!(twice[..K], twice[K..]);
    }
}

#[test]
fn a_zero_in_the_filling_is_replaced() {
    let mut filling = [0; 1000];
    filling[500] = 5;
    replace_zeros(&mut filling).unwrap();
    assert!(filling.iter().all(|byte| *byte != 0) && filling[500] == 5);
}

fn message(unpadded: &Unpadded) -> Option<Vec<u8>> {
    if !bool::from(unpadded.valid) {
        assert_eq!(unpadded.len, 0, "a block with a wrong padding has no message");
    }
    bool::from(unpadded.valid).then(|| unpadded.message().to_vec())
}

fn read_oaep(em: &[u8]) -> Option<Vec<u8>> {
    message(&oaep(Zeroizing::new(em.to_vec())))
}

fn read_pkcs1v15(em: &[u8]) -> Option<Vec<u8>> {
    message(&pkcs1v15(Zeroizing::new(em.to_vec())))
}

#[test]
fn the_empty_label_is_the_hash_of_nothing() {
    assert_eq!(Sha256::digest(b"").as_slice(), EMPTY_LABEL);
}

#[test]
fn oaep_returns_messages_of_every_length() {
    for len in 0..=62 {
        for fill in [0, 1, 0xff] {
            let message = vec![fill; len];
            assert_eq!(read_oaep(&sealed_oaep(&message, |_, _| {})), Some(message));
        }
    }
}

#[test]
fn oaep_refuses_a_bad_leading_byte() {
    for byte in 1..=255 {
        let mut em = sealed_oaep(b"m", |_, _| {});
        em[0] = byte;
        assert_eq!(read_oaep(&em), None, "{byte}");
    }
}

#[test]
fn oaep_refuses_a_wrong_label() {
    for at in 0..HASH_LEN {
        assert_eq!(read_oaep(&sealed_oaep(b"m", |_, db| db[at] ^= 1)), None, "{at}");
    }
}

#[test]
fn oaep_refuses_anything_but_zeros_before_the_separator() {
    let separator = K - HASH_LEN - 1 - 2;
    for at in HASH_LEN..separator {
        for byte in [2, 0x80, 0xff] {
            assert_eq!(read_oaep(&sealed_oaep(b"m", |_, db| db[at] = byte)), None, "{at} {byte}");
        }
    }
    for byte in [0, 2, 0x81, 0xff] {
        assert_eq!(read_oaep(&sealed_oaep(b"m", |_, db| db[separator] = byte)), None, "{byte}");
    }
}

#[test]
fn oaep_refuses_a_missing_separator() {
    assert_eq!(read_oaep(&sealed_oaep(b"", |_, db| db[HASH_LEN..].fill(0))), None);
}

#[test]
fn oaep_refuses_every_changed_byte() {
    let em = sealed_oaep(b"message", |_, _| {});
    for at in 0..K {
        let mut em = em.clone();
        em[at] ^= 1;
        assert_eq!(read_oaep(&em), None, "{at}");
    }
}

#[test]
fn pkcs1v15_returns_messages_of_every_length() {
    for len in 0..=117 {
        for fill in [0, 1, 0xff] {
            let message = vec![fill; len];
            assert_eq!(read_pkcs1v15(&sealed_pkcs1v15(&message)), Some(message));
        }
    }
}

#[test]
fn pkcs1v15_refuses_a_padding_of_fewer_than_eight_bytes() {
    // 118 bytes of message leave seven.
    assert_eq!(read_pkcs1v15(&sealed_pkcs1v15(&[1; 118])), None);
    assert_eq!(read_pkcs1v15(&sealed_pkcs1v15(&[1; 125])), None);
    for at in 2..10 {
        let mut em = sealed_pkcs1v15(b"message");
        em[at] = 0;
        assert_eq!(read_pkcs1v15(&em), None, "{at}");
    }
}

#[test]
fn pkcs1v15_refuses_bad_leading_bytes() {
    for at in 0..2 {
        for byte in 0..=255 {
            let mut em = sealed_pkcs1v15(b"m");
            let good = em[at] == byte;
            em[at] = byte;
            assert_eq!(read_pkcs1v15(&em).is_some(), good, "{at} {byte}");
        }
    }
}

#[test]
fn pkcs1v15_refuses_a_missing_separator() {
    let mut em = sealed_pkcs1v15(b"");
    em[K - 1] = 1;
    assert_eq!(read_pkcs1v15(&em), None);
}

#[test]
fn a_zero_in_the_padding_begins_the_message() {
    let mut em = sealed_pkcs1v15(b"m");
    em[10] = 0;
    assert_eq!(read_pkcs1v15(&em).unwrap().len(), K - 11);
}

#[test]
fn either_prefers_oaep() {
    let either = |em| Both::of(Zeroizing::new(em), Paddings::EITHER);
    let both = either(sealed_oaep(b"oaep", |_, _| {}));
    assert_eq!(message(&both.either()).unwrap(), b"oaep");
    let both = either(sealed_pkcs1v15(b"v1.5"));
    assert_eq!(message(&both.either()).unwrap(), b"v1.5");
    let both = either(vec![3; K]);
    assert_eq!(message(&both.either()), None);
}

#[test]
fn a_padding_that_is_not_in_the_set_is_never_right() {
    let blocks = [(Padding::Oaep, sealed_oaep(b"m", |_, _| {})), (Padding::Pkcs1v15, sealed_pkcs1v15(b"m"))];
    let none = Paddings::OAEP.only(Padding::Pkcs1v15);
    assert!(none.is_empty());
    for (padding, em) in blocks {
        for set in [Paddings::EITHER, Paddings::OAEP, Paddings::PKCS1V15, none] {
            let both = Both::of(Zeroizing::new(em.clone()), set);
            let right = message(&both.either());
            assert_eq!(right, set.contains(padding).then(|| b"m".to_vec()), "{padding} {set:?}");
        }
    }
}

#[test]
fn a_set_of_paddings_contains_its_members() {
    assert_eq!([Padding::Oaep].into_iter().collect::<Paddings>(), Paddings::OAEP);
    assert_eq!([Padding::Pkcs1v15].into_iter().collect::<Paddings>(), Paddings::PKCS1V15);
    let either: Paddings = [Padding::Pkcs1v15, Padding::Oaep].into_iter().collect();
    assert_eq!(either, Paddings::EITHER);
    assert_eq!(either.without_pkcs1v15(), Paddings::OAEP);
    assert_eq!(either.only(Padding::Pkcs1v15), Paddings::PKCS1V15);
    assert_eq!([Paddings::EITHER, Paddings::OAEP].map(|set| set.message_max(K)), [117, 62]);
}

#[test]
fn blocks_that_are_too_small_are_wrong() {
    for len in 0..OAEP_OVERHEAD {
        assert_eq!(read_oaep(&vec![0; len]), None);
    }
    for len in 0..PKCS1V15_OVERHEAD {
        assert_eq!(read_pkcs1v15(&vec![2; len]), None);
    }
}

#[test]
fn a_set_of_paddings_has_all_that_it_was_made_of() {
    use Padding::{Oaep, Pkcs1v15};
    for (paddings, expected) in [
        (&[Oaep][..], Paddings::OAEP),
        (&[Pkcs1v15], Paddings::PKCS1V15),
        (&[Oaep, Pkcs1v15], Paddings::EITHER),
        (&[Pkcs1v15, Oaep], Paddings::EITHER),
    ] {
        assert_eq!(paddings.iter().copied().collect::<Paddings>(), expected);
    }
}

#[test]
fn the_shortest_block_holds_an_empty_message_and_a_shorter_one_nothing() {
    let mut em = Zeroizing::new(Vec::new());
    for (padding, overhead) in [(Padding::Oaep, OAEP_OVERHEAD), (Padding::Pkcs1v15, PKCS1V15_OVERHEAD)] {
        em.clear();
        pad(padding, overhead, [&b""[..]].into_iter(), &mut em).unwrap();
        let open =
            |em: &[u8]| message(&Both::of(Zeroizing::new(em.to_vec()), Paddings::EITHER).only(padding));
        assert_eq!(open(&em), Some(Vec::new()), "{padding}");
        assert_eq!(open(&em[..overhead - 1]), None, "{padding}");
    }
}
