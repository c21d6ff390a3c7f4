//! Blocks that differ only in what they decrypt to are answered alike, unless their padding is accepted.

use rsa::sha2::{Digest as _, Sha256};
use upseal::event::Event;
use upseal::testing::net::PER_NETWORK;
use upseal::{PaddingBudget, Paddings};

use crate::common::{K, message, noise, words};
use crate::observe::{Server, Step, Then, encrypted};

/// PKCS #1 v1.5 with a message of `length` bytes; `separator`: the byte between filling and message.
fn pkcs1v15(length: usize, separator: u8) -> Vec<u8> {
    let mut em = vec![0xa7; K];
    em[..2].copy_from_slice(&[0, 2]);
    em[K - length - 1] = separator;
    em[K - length..].copy_from_slice(&[0x61; K][..length]);
    em
}

fn mgf(target: &mut [u8], source: &[u8]) {
    for (counter, piece) in (0_u32..).zip(target.chunks_mut(32)) {
        let mask = Sha256::new().chain_update(source).chain_update(counter.to_be_bytes()).finalize();
        piece.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
}

/// OAEP (SHA-256, no label) with a message of `length` bytes.
fn oaep(length: usize) -> Vec<u8> {
    let mut db = vec![0; K - 33];
    db[..32].copy_from_slice(&Sha256::digest(b""));
    let start = db.len() - length;
    db[start - 1] = 1;
    db[start..].fill(0x61);
    let mut seed = noise(32, 9);
    mgf(&mut db, &seed);
    mgf(&mut seed, &db);
    [&[0], &seed[..], &db].concat()
}

/// Kinds of blocks that an attacker can derive from a recorded one, by what they decrypt to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    /// PKCS #1 v1.5 with a short message.
    Conforming(usize),
    /// 00 02 and a filling of fewer than eight bytes.
    ShortFilling,
    /// 00 02 and no separator.
    NoSeparator,
    /// 00 03.
    Random,
    /// OAEP, which cannot be made without the message.
    Oaep(usize),
}

impl Probe {
    fn block(self) -> Vec<u8> {
        encrypted(&match self {
            Self::Conforming(length) => pkcs1v15(length, 0),
            Self::ShortFilling => pkcs1v15(K - 6, 0),
            Self::NoSeparator => pkcs1v15(5, 1),
            Self::Random => [&[0, 3], &noise(K - 2, 3)[..]].concat(),
            Self::Oaep(length) => oaep(length),
        })
    }

    const fn is_pkcs1v15(self) -> bool {
        matches!(self, Self::Conforming(_))
    }
}

const PROBES: [Probe; 9] = [
    Probe::Random,
    Probe::Conforming(0),
    Probe::Conforming(1),
    Probe::Conforming(5),
    Probe::Conforming(44),
    Probe::Conforming(117),
    Probe::ShortFilling,
    Probe::NoSeparator,
    Probe::Oaep(5),
];

/// What a client sends before its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Greeting {
    NoHello,
    /// A hello with this padding and framing.
    Hello(u8, u8),
}

impl Greeting {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::NoHello => message(3, b"a message of another client"),
            Self::Hello(padding, framing) => {
                let mut hello = b"upseal/1 1".to_vec();
                hello.extend([padding, framing]);
                hello.extend(b"-r- ");
                hello.resize(128, b'5');
                message(3, &hello)
            }
        }
    }
}

/// Bodies with these blocks, one for each framing, with the framing's letter.
fn bodies(blocks: &[Vec<u8>]) -> Vec<(u8, Vec<u8>)> {
    let k = K as u64;
    let count = blocks.len() as u64;
    let pairs: Vec<u8> = blocks.iter().flat_map(|block| [&words(&[k])[..], block].concat()).collect();
    let of =
        |m1: &[u64], rest: &[u8], end: &[u64]| [&words(&[1])[..], &words(m1), rest, &words(end)].concat();
    let mut all = vec![
        (b'A', of(&[k * count], &blocks.concat(), &[])),
        (b'B', of(&[count], &pairs, &[])),
        (b'D', of(&[], &pairs, &[u64::MAX])),
        (b'E', of(&[], &pairs, &[])),
        (b'F', of(&[k * count], &pairs, &[])),
    ];
    for m1 in [1, 5, 44, 62, 117, 118, 200] {
        all.push((b'C', of(&[m1], &pairs, &[])));
    }
    all
}

/// Whole connections with the probe as only, last, and first block, ended in two ways.
fn connections(greeting: Greeting, probe: Probe) -> Vec<(String, Vec<u8>, Then)> {
    let block = probe.block();
    let files = [
        vec![block.clone()],
        vec![block.clone(), block.clone()],
        vec![encrypted(&oaep(62)), block.clone()],
        vec![block, encrypted(&oaep(5))],
    ];
    let mut all = Vec::new();
    for (n, blocks) in files.iter().enumerate() {
        for (framing, body) in bodies(blocks) {
            if let Greeting::Hello(_, said) = greeting
                && said != framing
            {
                continue;
            }
            for (end, then) in [(&[2][..], Then::End), (&[], Then::End), (&[], Then::Silence)] {
                let name = message(0, b"race-ap-a");
                let bytes = [&greeting.bytes()[..], &name, &body, &words(end)].concat();
                let what = format!("{greeting:?} {} file {n} {end:?} {then:?}", char::from(framing));
                all.push((what, bytes, then));
            }
        }
    }
    all
}

fn greetings() -> Vec<Greeting> {
    let mut all = vec![Greeting::NoHello];
    for padding in *b"op-" {
        all.extend(b"ABCDEF".map(|framing| Greeting::Hello(padding, framing)));
    }
    all
}

/// Everything that a client observes of each connection with this probe. Each has its own server, so that no budget is
/// shared.
fn seen(
    paddings: Paddings,
    budget: fn() -> PaddingBudget,
    greeting: Greeting,
    probe: Probe,
) -> Vec<Vec<Step>> {
    let watch =
        |(_, bytes, then): (String, Vec<u8>, Then)| Server::new(paddings, budget()).watch(&bytes, then);
    connections(greeting, probe).into_iter().map(watch).collect()
}

fn fresh() -> PaddingBudget {
    PaddingBudget::default()
}

fn used_up() -> PaddingBudget {
    let budget = PaddingBudget::default();
    for _ in 0..PER_NETWORK {
        let _ = budget.charge(Some([192, 0, 2, 7].into()));
    }
    budget
}

/// Asserts that the probes that `alike` names cannot be distinguished from random blocks.
fn assert_alike(paddings: Paddings, budget: fn() -> PaddingBudget, alike: impl Fn(Greeting, Probe) -> bool) {
    for greeting in greetings() {
        let random = seen(paddings, budget, greeting, Probe::Random);
        for probe in PROBES.into_iter().filter(|probe| alike(greeting, *probe)) {
            let names = connections(greeting, probe);
            for ((of_probe, of_random), (what, ..)) in
                seen(paddings, budget, greeting, probe).iter().zip(&random).zip(names)
            {
                assert_eq!(of_probe, of_random, "{paddings:?}, {probe:?}: {what}");
            }
        }
    }
}

const fn says(greeting: Greeting, padding: u8) -> bool {
    matches!(greeting, Greeting::Hello(said, _) if said == padding)
}

#[test]
fn a_padding_that_is_not_accepted_cannot_be_distinguished_from_noise() {
    // If the hello announces PKCS #1 v1.5, every body is refused before its first byte, also OAEP.
    assert_alike(Paddings::OAEP, fresh, |greeting, probe| {
        !matches!(probe, Probe::Oaep(_)) || says(greeting, b'p')
    });
    assert_alike(Paddings::PKCS1V15, fresh, |greeting, probe| !probe.is_pkcs1v15() || says(greeting, b'o'));
}

#[test]
fn a_padding_whose_budget_is_used_up_cannot_be_distinguished_from_noise() {
    assert_alike(Paddings::EITHER, used_up, |greeting, probe| {
        !matches!(probe, Probe::Oaep(_)) || says(greeting, b'p')
    });
}

#[test]
fn where_both_are_accepted_only_an_announced_padding_is_evaluated() {
    assert_alike(Paddings::EITHER, fresh, |greeting, probe| match probe {
        Probe::Conforming(_) => says(greeting, b'o'),
        Probe::Oaep(_) => says(greeting, b'p'),
        _ => true,
    });
}

/// Without this, the three tests above could pass because everything is refused.
#[test]
fn an_accepted_padding_is_stored_and_distinguished_from_noise() {
    let cases = [
        (Paddings::OAEP, Probe::Oaep(5), b'o'),
        (Paddings::EITHER, Probe::Oaep(5), b'-'),
        (Paddings::PKCS1V15, Probe::Conforming(5), b'p'),
        (Paddings::EITHER, Probe::Conforming(5), b'-'),
    ];
    for (paddings, probe, padding) in cases {
        for greeting in [Greeting::NoHello, Greeting::Hello(padding, b'A')] {
            let (_, bytes, then) = connections(greeting, probe).swap_remove(0);
            let server = Server::new(paddings, fresh());
            let good = server.watch(&bytes, then);
            let events = server.reported();
            assert!(
                matches!(&events[..], [Event::Received { size: 5, .. }]),
                "{paddings:?} {greeting:?} {probe:?}: {events:?}"
            );
            assert_eq!(good.last(), Some(&Step::Took(0)), "{good:?}");
            let (_, bytes, then) = connections(greeting, Probe::Random).swap_remove(0);
            let random = Server::new(paddings, fresh()).watch(&bytes, then);
            match greeting {
                // Without a hello it is taken for AP.
                Greeting::NoHello => assert!(!random.contains(&Step::Reset)),
                Greeting::Hello(..) => assert_eq!(random.last(), Some(&Step::Reset), "{random:?}"),
            }
        }
    }
}

#[test]
fn a_body_that_may_be_ciphertext_is_stored_with_a_warning_where_pkcs1v15_is_not_looked_for() {
    let (_, bytes, then) = connections(Greeting::NoHello, Probe::Conforming(5)).swap_remove(0);
    for (paddings, budget, warned) in [
        (Paddings::OAEP, fresh as fn() -> PaddingBudget, true),
        (Paddings::EITHER, used_up, true),
        (Paddings::EITHER, fresh, false),
    ] {
        let server = Server::new(paddings, budget());
        server.watch(&bytes, then);
        let events = server.reported();
        let text = events.iter().find_map(|event| match event {
            Event::Warned { text, .. } => Some(text.as_str()),
            _ => None,
        });
        assert_eq!(text.is_some_and(|text| text.contains("it may be CP1 ciphertext")), warned, "{events:?}");
        let variants = events.iter().filter(|event| matches!(event, Event::Received { .. })).count();
        assert_eq!(variants, 1, "{events:?}");
    }
}

/// MODE 4 takes either padding: a key that does not unwrap becomes a random one, and the token fails alike.
#[test]
fn a_session_key_that_does_not_unwrap_cannot_be_distinguished_from_one_that_does() {
    let token = {
        use fernet::Fernet;
        Fernet::new(&Fernet::generate_key()).unwrap().encrypt(&[7; 5000])
    };
    let probes = PROBES.into_iter().chain([Probe::Oaep(32), Probe::Oaep(44), Probe::Conforming(32)]);
    let see = |probe: Probe, greeting: Greeting| {
        let bytes = [
            &greeting.bytes()[..],
            &message(4, &probe.block()),
            &message(0, b"race-cp2-a"),
            &message(1, token.as_bytes()),
            &words(&[2]),
        ];
        Server::new(Paddings::OAEP, fresh()).watch(&bytes.concat(), Then::End)
    };
    for greeting in [Greeting::NoHello, Greeting::Hello(b'-', b'A')] {
        let random = see(Probe::Random, greeting);
        assert_eq!(random.last(), Some(&Step::Reset), "{random:?}");
        for probe in probes.clone() {
            assert_eq!(see(probe, greeting), random, "{probe:?}");
        }
    }
}

/// One known client sends its session key in pieces. A client that knows the key in the first piece could learn from the
/// HMAC what a later piece holds.
#[test]
fn a_piece_of_a_session_key_is_evaluated_for_accepted_paddings_only_and_counted() {
    // `oaep(32)` and `pkcs1v15(32)` hold a raw key.
    let key = base64_simd::URL_SAFE.encode_to_string([0x61; 32]);
    let token = fernet::Fernet::new(&key).unwrap().encrypt(&[7; 5000]);
    let connection = |first: &[u8], piece: &[u8]| {
        let pieces = [&message(4, first)[..], &words(&[K as u64]), piece].concat();
        let file = [message(0, b"race-cp2-a"), message(1, token.as_bytes()), words(&[2])].concat();
        [&Greeting::NoHello.bytes()[..], &pieces, &file].concat()
    };
    let known = encrypted(&oaep(32));
    let ask = |server: &Server, probe: Probe| server.watch(&connection(&known, &probe.block()), Then::End);
    let probes = || PROBES.into_iter().chain([Probe::Conforming(32)]);

    let server = Server::new(Paddings::OAEP, fresh());
    let random = ask(&server, Probe::Random);
    assert!(!random.contains(&Step::Reset), "the key in the first piece counts: {random:?}");
    for probe in probes() {
        assert_eq!(ask(&server, probe), random, "{probe:?}");
    }
    // The key may be in any piece.
    let steps = server.watch(&connection(&encrypted(&oaep(0)), &known), Then::End);
    assert!(!steps.contains(&Step::Reset), "{steps:?}");

    let server = Server::new(Paddings::EITHER, PaddingBudget::with_limits(u64::MAX, 3));
    let replaced = ask(&server, Probe::Conforming(32));
    let counted = |server: &Server| {
        (0..3).for_each(|_| drop(ask(server, Probe::Random)));
        ask(server, Probe::Conforming(32))
    };
    assert_eq!(counted(&server), random, "off after three misses");
    // With the same key again, nothing else differs here.
    assert_eq!(replaced, random);
    let other = Server::new(Paddings::EITHER, PaddingBudget::with_limits(u64::MAX, 3));
    let token_of_first = |server: &Server| {
        let mut em = pkcs1v15(32, 0);
        em[K - 1] ^= 1;
        server.watch(&connection(&known, &encrypted(&em)), Then::End)
    };
    assert!(token_of_first(&other).contains(&Step::Reset), "where PKCS #1 v1.5 is accepted, it is an oracle");
    (0..3).for_each(|_| drop(ask(&other, Probe::Random)));
    assert_eq!(token_of_first(&other), random, "and the budget ends it");
}
