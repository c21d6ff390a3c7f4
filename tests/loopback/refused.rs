//! Refusals: the server resets the connection, reports one line, stores nothing, and serves others.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use upseal::Policy;
use upseal::event::{Dialect, FaultKind, Framing, Padding, State, Variant};
use upseal::testing::fernet::token_len;
use upseal::testing::net::{HELLO_RANDOM, Offer};
use upseal::testing::store::Portability;

use crate::common::{
    Client, Files, Host, K, Peer, Recording, dialects, is_closed, message, noise, upload, words,
};

const TOO_LONG: u64 = 1 << 40;

/// Sends bytes and waits for the server's reset. Returns the reported line.
fn refused(host: &mut Host, bytes: &[u8]) -> String {
    let mut peer = Peer::connect(host.address());
    peer.send(bytes);
    let (said, in_order) = peer.read_to_end();
    assert!(said.contains(&0xff), "it is said before the reset, which a proxy may turn into an end in order");
    host.see_off(peer.address());
    let lines = host.events.refusals();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(host.stored(), Files::none(), "{lines:?}");
    assert!(!in_order, "an end in order says that all is well");
    lines.into_iter().next().unwrap()
}

fn goes_on(host: &Host) {
    upload(host.address(), Dialect::of(Variant::Cp2), "after.txt", b"hello").unwrap();
    assert_eq!(host.stored(), Files::one("after.txt", b"hello"));
}

fn hello(variant: Variant) -> Vec<u8> {
    message(3, &Offer::of(Dialect::of(variant)).unwrap().hello(&[7; HELLO_RANDOM]))
}

#[test]
fn malformed_messages_are_refused_with_their_position_and_what_was_expected() {
    let mut host = Host::start();
    let name = message(0, b"a.txt");
    let cases: [(Vec<u8>, &str); 11] = [
        (words(&[5]), "at byte 0: expected a MODE from 0 to 4, got 5"),
        (words(&[u64::MAX]), "at byte 0: expected a MODE from 0 to 4, got 18446744073709551615"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "at byte 0: expected a MODE from 0 to 4"),
        (words(&[0, TOO_LONG]), "at byte 8: file name (MODE 0) too long: 1099511627776 bytes (at most 4096)"),
        (words(&[3, 4097]), "at byte 8: message to sign (MODE 3) too long: 4097 bytes (at most 4096)"),
        (
            words(&[4, TOO_LONG]),
            "at byte 8: session key (MODE 4) too long: 1099511627776 bytes (at most 2048)",
        ),
        (message(1, b"hello"), "at byte 16: MODE 1 before any MODE 0"),
        ([&hello(Variant::Ap)[..], &message(1, b"hello")].concat(), "MODE 1 before any MODE 0"),
        ([&name[..], &words(&[1, u64::MAX])].concat(), "file too large: at least 16"),
        ([&name[..], &words(&[1, 1 << 62])].concat(), "file too large: at least 4"),
        ([&name[..], &words(&[128])].concat(), "got 128"),
    ];
    for (bytes, line) in cases {
        let why = refused(&mut host, &bytes);
        assert!(why.contains(line), "expected {line:?}, got {why:?}");
    }
    goes_on(&host);
}

#[test]
fn unusable_names_are_refused() {
    let mut host = Host::start();
    let long = [b'a'; 256];
    let names: [(&[u8], &str); 10] = [
        (b"", "empty"),
        (b"folder/", "empty"),
        (b"..", "dots and spaces only"),
        (b".", "dots and spaces only"),
        (b"a/..", "dots and spaces only"),
        (b"a\0b", "NUL"),
        (b"\xff\xfe", "not UTF-8"),
        (b"a\xc3", "not UTF-8"),
        (&long, "256 bytes"),
        (b".upseal-0.part", "unfinished"),
    ];
    for (name, word) in names {
        let why = refused(&mut host, &[message(0, name), message(1, b"hello")].concat());
        assert!(why.contains("file name") && why.contains(word), "expected {word:?}, got {why:?}");
    }
    let longest = "b".repeat(255);
    upload(host.address(), Dialect::of(Variant::Plain), &longest, b"x").unwrap();
    assert!(host.stored() == Files::one(&longest, b"x"), "255 bytes are a name");
    host.clear();
    goes_on(&host);
}

#[test]
fn names_that_windows_cannot_store_are_refused_only_with_the_option() {
    let names = [("CON", "the name of a device"), ("aux.c", "the name of a device"), ("a:b", "Windows")];
    let mut host = Host::with(Policy { portability: Portability::Windows, ..Policy::default() });
    for (name, word) in names {
        let why = refused(&mut host, &[message(0, name.as_bytes()), message(1, b"hello")].concat());
        assert!(why.contains("file name") && why.contains(word), "expected {word:?}, got {why:?}");
    }
    assert_eq!(host.stored(), Files::none());
    // With a prefix it is not a device name.
    let host = Host::with(Policy {
        portability: Portability::Windows,
        prefix: "recv_".to_owned(),
        ..Policy::default()
    });
    upload(host.address(), Dialect::of(Variant::Plain), "aux.c", b"x").unwrap();
    assert_eq!(host.stored(), Files::one("recv_aux.c", b"x"));
    let host = Host::with(Policy { portability: Portability::ThisSystem, ..Policy::default() });
    for (name, _) in names {
        upload(host.address(), Dialect::of(Variant::Plain), name, b"x").unwrap();
    }
    assert_eq!(host.stored().names(), ["CON", "a:b", "aux.c"]);
}

#[test]
fn a_token_with_any_byte_changed_is_refused() {
    let mut host = Host::start();
    for padding in [Padding::Oaep, Padding::Pkcs1v15] {
        let dialect = Dialect { padding, ..Dialect::of(Variant::Cp2) };
        let recording = Recording::of(dialect, "a.bin", &noise(100, 1));
        let token = recording.m1 + 8..recording.whole;
        // Bytes of version, time, IV, the first and last blocks and the HMAC; of the others every fifth.
        let ends = [0, 1, 2, 12, 13, 33, 34, 56, 57].map(|at| token.start + at);
        let last = (token.end - 50..token.end).step_by(3).chain([token.end - 2, token.end - 1]);
        let places = ends.into_iter().chain(token.clone().step_by(5)).chain(last);
        for at in places {
            let was = recording.bytes[at];
            // Another character of the alphabet, and one outside it.
            for now in [if was == b'A' { b'B' } else { b'A' }, was ^ 0x80] {
                let mut bytes = recording.bytes.clone();
                bytes[at] = now;
                let why = refused(&mut host, &bytes);
                let is_expected =
                    ["could not be decrypted", "no token"].iter().any(|words| why.contains(words));
                assert!(is_expected, "byte {} of the token: {why}", at - token.start);
            }
        }
    }
    goes_on(&host);
}

#[test]
fn a_session_key_with_a_byte_changed_is_refused_at_the_token_like_any_other() {
    let mut host = Host::start();
    for padding in [Padding::Oaep, Padding::Pkcs1v15] {
        let dialect = Dialect { padding, ..Dialect::of(Variant::Cp2) };
        let recording = Recording::of(dialect, "a.bin", &noise(100, 1));
        let key = recording.ends[1] - K..recording.ends[1];
        for at in key.step_by(17) {
            let mut bytes = recording.bytes.clone();
            bytes[at] ^= 1;
            // At the end of the body, which an eavesdropper can see too.
            let line = "body refused: the content could not be decrypted";
            assert_eq!(refused(&mut host, &bytes), format!("at byte {}: {line}", recording.whole));
        }
    }
    goes_on(&host);
}

#[test]
fn a_body_with_a_block_changed_is_refused_whichever_it_is() {
    let mut host = Host::start();
    for framing in [Framing::A, Framing::B, Framing::C, Framing::F] {
        let dialect = Dialect { framing, ..Dialect::of(Variant::Cp1) };
        let recording = Recording::of(dialect, "a.bin", &noise(62 * 6 + 10, 1));
        let pair = if framing == Framing::A { K } else { K + 8 };
        let hello = recording.bytes[..recording.ends[0]].to_vec();
        // Without a hello only the first pair distinguishes C and F from AP; M1 of B is too small for a file.
        let skipped = usize::from(matches!(framing, Framing::C | Framing::F));
        for (opening, first) in [(hello, 0), (message(3, b"no hello"), skipped)] {
            for block in first..7 {
                let mut body = recording.bytes[recording.ends[0]..].to_vec();
                let end = recording.m1 + 8 + (block + 1) * pair - recording.ends[0];
                body[end - 20] ^= 0x10;
                let why = refused(&mut host, &[&opening[..], &body].concat());
                // C ends where the plaintext does, so a damaged block also shifts its end.
                let expected = ["could not be decrypted", "does not end within", "block length"];
                assert!(expected.iter().any(|words| why.contains(words)), "{framing}, block {block}: {why}");
            }
        }
    }
    goes_on(&host);
}

#[test]
fn lengths_that_no_body_of_the_variant_has_are_refused() {
    let mut host = Host::start();
    let cp1 = Recording::of(Dialect::of(Variant::Cp1), "a.bin", &noise(100, 1));
    let cp2 = Recording::of(Dialect::of(Variant::Cp2), "a.bin", &noise(100, 1));
    let token = (cp2.whole - cp2.m1 - 8) as u64;
    for (recording, m1, line) in [
        (&cp1, 255, "not a multiple of the block length"),
        (&cp1, 257, "not a multiple of the block length"),
        (&cp1, 2, "not a multiple of the block length"),
        (&cp2, 0, "invalid length of a token: 0 bytes"),
        (&cp2, token - 1, "invalid length of a token"),
        (&cp2, token + 1, "invalid length of a token"),
        (&cp2, 50, "invalid length of a token: 50 bytes"),
    ] {
        let mut bytes = recording.bytes.clone();
        bytes[recording.m1..recording.m1 + 8].copy_from_slice(&m1.to_be_bytes());
        let why = refused(&mut host, &bytes);
        assert!(why.contains(line), "M1 = {m1}: expected {line:?}, got {why:?}");
    }
    goes_on(&host);
}

/// A hello may be repeated before another file; its content holds for the connection.
#[test]
fn a_second_hello_must_not_contradict_the_first() {
    let mut host = Host::start();
    let other = Offer::of(Dialect::of(Variant::Cp1)).unwrap().hello(&[9; HELLO_RANDOM]);
    for second in [hello(Variant::Ap), hello(Variant::Cp2)] {
        let why = refused(&mut host, &[hello(Variant::Cp1), second].concat());
        assert!(why.contains("second hello"), "{why}");
    }
    let pkcs = Dialect { padding: Padding::Pkcs1v15, ..Dialect::of(Variant::Cp1) };
    let second = message(3, &Offer::of(pkcs).unwrap().hello(&[7; HELLO_RANDOM]));
    assert!(refused(&mut host, &[hello(Variant::Cp1), second].concat()).contains("second hello"));

    let mut peer = Peer::connect(host.address());
    for again in [hello(Variant::Cp1), message(3, &other)] {
        peer.send(&again);
        assert_eq!(peer.read_blob().len(), K);
        assert!(peer.read_blob().ends_with(b"-----END CERTIFICATE-----\n"));
    }
    assert_eq!(peer.hang_up(), (Vec::new(), true), "the same again, with other randomness");
    goes_on(&host);
}

#[test]
fn the_server_signs_any_message_except_reserved_and_tls_like_ones() {
    let mut host = Host::start();
    let tls = [&[b' '; 64][..], b"TLS 1.3, server CertificateVerify\0hash"].concat();
    for bad in [&b"upseal/1 stored\nrequest"[..], b"upseal/", b"upseal/2 anything", &tls] {
        let mut peer = Peer::connect(host.address());
        peer.send(&message(3, bad));
        assert_eq!(peer.read_to_end(), (vec![0xff], false), "no byte of a signature");
        host.see_off(peer.address());
        assert_eq!(host.events.refusals().len(), 1);
    }

    let largest = noise(4096, 1);
    for good in [&b""[..], b"Client Request SecureStore ID", &[0xff; 32], &largest] {
        let mut peer = Peer::connect(host.address());
        peer.send(&message(3, good));
        assert_eq!(peer.read_blob().len(), K);
        assert!(
            peer.read_blob().starts_with(b"-----BEGIN CERTIFICATE-----"),
            "no upseal line without a hello"
        );
        assert!(peer.hang_up().1);
    }
}

#[test]
fn a_variant_that_is_not_accepted_is_refused_with_its_reason() {
    for refused in Variant::ALL {
        let variants = Variant::ALL.into_iter().filter(|variant| *variant != refused).collect();
        let mut host = Host::with(Policy { variants, ..Policy::default() });
        let mut client = Client::start();
        client.write("a.txt", b"hello");
        let dialect = Dialect::of(refused);
        client.upload(&["a.txt"], &host.target(), dialect);
        let State::Failed(fault) = client.finish(1) else { panic!("{refused} was not refused") };
        assert_eq!(fault.kind, FaultKind::Refused, "{fault}");
        host.events.until(is_closed);
        // A client that ignores the announced limits is refused too. Our client reads them, but not in Plain.
        assert_eq!(host.events.refusals().len(), usize::from(refused == Variant::Plain));
        let recording = Recording::of(dialect, "a.txt", b"hello");
        let line = format!("{refused} is not accepted by this server (--accept)");
        let why = self::refused(&mut host, &recording.bytes);
        assert!(why.contains(&line), "{why}");
    }
}

#[test]
fn a_server_without_an_identity_serves_plain_and_nothing_that_needs_one() {
    let plain = Policy { variants: vec![Variant::Plain], ..Policy::default() };
    let mut host = Host::of(plain, None);
    upload(host.address(), Dialect::of(Variant::Plain), "a.txt", b"hello").unwrap();
    host.clear();
    for (bytes, line) in [
        (hello(Variant::Ap), "MODE 3, but this server has no certificate"),
        (message(4, &[7; K]), "MODE 4, but this server has no key"),
    ] {
        let why = refused(&mut host, &bytes);
        assert!(why.contains(line), "{why}");
    }
}

#[test]
fn a_padding_that_is_not_accepted_is_refused_in_every_framing() {
    let policy = |padding| Policy { paddings: [padding].into_iter().collect(), ..Policy::default() };
    for (accepted, other) in [(Padding::Oaep, Padding::Pkcs1v15), (Padding::Pkcs1v15, Padding::Oaep)] {
        let mut host = Host::with(policy(accepted));
        for framing in [Framing::A, Framing::B, Framing::C, Framing::D, Framing::E, Framing::F] {
            for size in [0, 200] {
                let content = noise(size, 1);
                let dialect = Dialect { padding: other, framing, ..Dialect::of(Variant::Cp1) };
                let recording = Recording::of(dialect, "a.bin", &content);
                let why = refused(&mut host, &recording.bytes);
                let line = format!(": {other} is not accepted by this server (--accept-padding)");
                assert!(
                    why.starts_with("at byte ") && why.ends_with(&line),
                    "{framing}, {size} bytes: {why}"
                );

                let dialect = Dialect { padding: accepted, ..dialect };
                upload(host.address(), dialect, "a.bin", &content).unwrap();
                assert_eq!(host.stored(), Files::one("a.bin", &content), "{accepted} is accepted");
                host.clear();
            }
        }
    }
}

#[test]
fn a_file_of_the_limit_is_kept_and_one_byte_more_refused() {
    for limit in [1000, 1007, 1008] {
        let mut host = Host::with(Policy { max_file: limit, ..Policy::default() });
        let limit = usize::try_from(limit).unwrap();
        for dialect in dialects() {
            upload(host.address(), dialect, "a.bin", &noise(limit, 1)).unwrap();
            assert_eq!(host.stored().length("a.bin"), limit, "{dialect:?}");
            host.clear();
            let recording = Recording::of(dialect, "a.bin", &noise(limit + 1, 1));
            let why = refused(&mut host, &recording.bytes);
            assert!(why.contains("--max-file"), "{dialect:?}, limit {limit}: {why}");
        }
    }
}

/// Before a byte of the body, by M1 alone.
#[test]
fn a_body_that_is_far_too_long_is_refused_at_its_length() {
    let mut host = Host::with(Policy { max_file: 1000, ..Policy::default() });
    for dialect in dialects().into_iter().filter(|dialect| {
        dialect.variant != Variant::Cp1 || !matches!(dialect.framing, Framing::D | Framing::E)
    }) {
        let recording = Recording::of(dialect, "a.bin", b"hello");
        let beginning = &recording.bytes[..recording.m1];
        let m1 = token_len(1 << 30).unwrap();
        let why = refused(&mut host, &[beginning, &words(&[m1])].concat());
        assert!(why.contains("--max-file"), "{dialect:?}: {why}");
    }
    goes_on(&host);
}
