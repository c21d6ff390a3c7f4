//! The same bytes in other pieces: TCP keeps no boundaries, and a connection may end anywhere.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::io::Write as _;

use upseal::event::{Dialect, Event, Framing, Kept, Padding, Variant};

use crate::common::{Files, Host, K, Peer, Recording, dialects, message, noise, upload, words};

/// Sends `bytes` in pieces of `size` and ends in order. Returns what the server has stored.
fn deliver(bytes: &[u8], size: usize) -> (Host, Files) {
    let mut host = Host::start();
    let mut peer = Peer::connect(host.address());
    for piece in bytes.chunks(size) {
        peer.send(piece);
    }
    let (_, in_order) = peer.hang_up();
    host.stop();
    assert!(in_order, "{:?}", host.events.refusals());
    assert_eq!(host.events.refusals(), [""; 0]);
    let stored = host.stored();
    (host, stored)
}

#[test]
fn bytes_glued_together_or_one_at_a_time_are_the_same_file() {
    let content = noise(200, 1);
    for dialect in dialects() {
        let recording = Recording::of(dialect, "a.bin", &content);
        for size in [1, 7, recording.bytes.len()] {
            let (_, stored) = deliver(&recording.bytes, size);
            assert_eq!(stored, Files::one("a.bin", &content), "{dialect:?}, pieces of {size}");
        }
    }
}

#[test]
fn a_client_without_a_hello_is_understood() {
    for size in [0, 5, 62, 128, 200, 512, 1000] {
        let content = noise(size, 1);
        for dialect in dialects().into_iter().filter(|dialect| dialect.variant.authenticates()) {
            let recording = Recording::of(dialect, "a.bin", &content);
            let rest = &recording.bytes[recording.ends[0]..];
            let bytes = [&message(3, b"Client Request SecureStore ID"), rest].concat();
            let (host, stored) = deliver(&bytes, bytes.len());
            assert_eq!(stored, Files::one("a.bin", &content), "{dialect:?}, {size} bytes");
            assert_eq!(host.events.received()[0].variant, dialect.variant, "{dialect:?}, {size} bytes");
        }
    }
}

/// The blocks that have come are opened while the client is silent, and the rest when it continues.
#[test]
fn a_client_that_pauses_within_a_batch_of_blocks_is_not_waited_for() {
    let content = noise(62 * 150, 1);
    for framing in [Framing::A, Framing::B, Framing::C, Framing::D, Framing::E, Framing::F] {
        let dialect = Dialect { padding: Padding::Oaep, framing, ..Dialect::of(Variant::Cp1) };
        let recording = Recording::of(dialect, "a.bin", &content);
        let mut host = Host::start();
        let mut peer = Peer::connect(host.address());
        let block = if framing == Framing::A { K } else { K + 8 };
        // Without M1 of D and E, which is the first block's length.
        let blocks = recording.m1 + if matches!(framing, Framing::D | Framing::E) { 0 } else { 8 };
        let mut sent = 0;
        for (whole, torn) in [(3, 20), (40, 0), (44, 9), (120, K)] {
            let next = blocks + whole * block + torn;
            peer.send(&recording.bytes[sent..next]);
            sent = next;
            host.wait_for_bytes(62 * whole as u64);
        }
        peer.send(&recording.bytes[sent..]);
        assert!(peer.hang_up().1, "{framing}: {:?}", host.events.refusals());
        host.stop();
        assert_eq!(host.stored(), Files::one("a.bin", &content), "{framing}");
    }
}

/// Files that begin like a body of another framing.
#[test]
fn a_file_that_begins_like_a_cp1_body_is_still_a_file() {
    let pair = [&words(&[K as u64])[..], &noise(K, 1)].concat();
    for content in [&[0; 7][..], &[0; 3], &pair[..8], &pair[..60], &pair, &words(&[u64::MAX])] {
        let bytes =
            [message(3, b"no hello"), message(0, b"a.bin"), message(1, content), words(&[2])].concat();
        let (host, stored) = deliver(&bytes, bytes.len());
        assert_eq!(stored, Files::one("a.bin", content), "{content:?}");
        assert_eq!(host.events.received()[0].variant, Variant::Ap, "{content:?}");
    }
}

#[test]
fn mode_2_twice_or_never_changes_nothing() {
    for size in [0, 124, 200] {
        let content = noise(size, 1);
        for dialect in dialects() {
            let recording = Recording::of(dialect, "a.bin", &content);
            let twice = [&recording.bytes[..], &words(&[2])].concat();
            for bytes in [&twice[..], &recording.bytes[..recording.whole]] {
                let (_, stored) = deliver(bytes, bytes.len());
                assert_eq!(stored, Files::one("a.bin", &content), "{dialect:?}, {size} bytes");
            }
        }
    }
}

/// Some clients send MODE 2 again after the server has closed. They must not be reset.
#[test]
fn mode_2_after_the_end_is_taken_too() {
    let host = Host::start();
    let mut peer = Peer::connect(host.address());
    peer.send(&[message(0, b"a.txt"), message(1, b"hello"), words(&[2])].concat());
    assert_eq!(peer.read_to_end(), (Vec::new(), true));
    for _ in 0..2 {
        peer.0.write_all(&words(&[2])).unwrap();
    }
    assert_eq!(peer.hang_up(), (Vec::new(), true));
    assert_eq!(host.stored(), Files::one("a.txt", b"hello"));
}

#[test]
fn a_second_body_without_a_name_has_the_same_name() {
    let bytes = [message(0, b"a.txt"), message(1, b"one"), message(1, b"two"), message(1, b"one")].concat();
    let (host, stored) = deliver(&bytes, bytes.len());
    assert_eq!(stored, Files::of([("a.txt", &b"one"[..]), ("a (2).txt", b"two")]));
    let kept: Vec<Kept> = host.events.received().iter().map(|receipt| receipt.kept).collect();
    assert_eq!(kept, [Kept::New, Kept::Renamed, Kept::Same]);
}

#[test]
fn a_path_is_cut_to_its_last_part() {
    for (typed, name) in [("../../etc/passwd", "passwd"), (r"C:\Users\a\b.txt", "b.txt"), ("/a/b c", "b c")] {
        let bytes = [message(0, typed.as_bytes()), message(1, b"x"), words(&[2])].concat();
        let (_, stored) = deliver(&bytes, bytes.len());
        assert_eq!(stored, Files::one(name, b"x"), "{typed}");
    }
}

/// Pairs without a terminator: only silence shows that a full block was the last.
#[test]
fn a_full_last_block_of_framing_e_is_published_after_silence() {
    let mut host = Host::start();
    let content = noise(124, 1);
    let dialect = Dialect { framing: Framing::E, ..Dialect::of(Variant::Cp1) };
    let recording = Recording::of(dialect, "a.bin", &content);
    let mut peer = Peer::connect(host.address());
    peer.send(&recording.bytes[..recording.whole]);
    host.events.until(|event| matches!(event, Event::Received { .. }));
    assert_eq!(host.stored(), Files::one("a.bin", &content), "while the connection is open");
    assert!(peer.hang_up().1);
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    InOrder,
    Reset,
}

/// What a connection that ends after `n` bytes may leave.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    refusals: usize,
    stored: Files,
}

/// A file of a few blocks, the last of them short.
const CUT: usize = 200;

fn expected(recording: &Recording, dialect: Dialect, n: usize, end: End) -> Outcome {
    let content = noise(CUT, 1);
    // The hello names the framing, so only E is open-ended, and a short block ends it.
    let is_open_ended = dialect.variant == Variant::Cp1 && dialect.framing == Framing::E;
    let whole = recording.whole;
    let pair = 8 + K;
    let block = is_open_ended && n > recording.m1 && n < whole && (n - recording.m1).is_multiple_of(pair);
    let mut stored = Files::none();
    if n >= whole {
        stored = Files::one("a.bin", &content);
    } else if block && end == End::InOrder {
        // An end in order publishes it: the price of a body without a total length.
        let full = if dialect.padding == Padding::Oaep { 62 } else { 117 };
        stored = Files::one("a.bin", &content[..(n - recording.m1) / pair * full]);
    }
    let between = recording.ends.contains(&n) || block || n == whole;
    Outcome { refusals: usize::from(end == End::Reset || !between), stored }
}

fn cut_everywhere(dialect: Dialect) {
    let content = noise(CUT, 1);
    let recording = Recording::of(dialect, "a.bin", &content);
    let all = recording.bytes.len();
    let near = |at: usize| at.saturating_sub(1)..=at + 1;
    let mut places: BTreeSet<usize> = (1..=all).step_by((all / 24).max(1)).collect();
    places.extend(recording.ends.iter().copied().flat_map(near));
    places.extend((recording.m1 - 9..recording.m1 + 10).step_by(3));
    places.extend((1..4).flat_map(|block| near(recording.m1 + block * (8 + K))));
    places.extend((recording.file()..recording.file() + 20).step_by(3));

    let mut host = Host::start();
    for end in [End::InOrder, End::Reset] {
        for n in places.iter().copied().filter(|n| (1..=all).contains(n)) {
            let outcome = expected(&recording, dialect, n, end);
            if end == End::Reset && outcome.stored != Files::none() {
                continue; // Whether a reset comes before or after the last bytes is not ours to say.
            }
            let mut peer = Peer::connect(host.address());
            let address = peer.address();
            peer.send(&recording.bytes[..n]);
            match end {
                End::InOrder => drop(peer.hang_up()),
                End::Reset => peer.break_off(),
            }
            host.see_off(address);
            let refusals = host.events.refusals();
            assert!(refusals.iter().all(|line| !line.trim().is_empty()));
            let seen = Outcome { refusals: refusals.len(), stored: host.stored() };
            assert_eq!(seen, outcome, "{dialect:?} {end:?} after {n} of {all} bytes: {refusals:?}");
            host.clear();
        }
    }
    upload(host.address(), dialect, "b.bin", &content).unwrap();
    assert_eq!(host.stored(), Files::one("b.bin", &content), "the server continues");
}

#[test]
fn a_cut_plain_or_ap_upload_leaves_nothing_and_is_reported_once() {
    cut_everywhere(Dialect::of(Variant::Plain));
    cut_everywhere(Dialect::of(Variant::Ap));
}

#[test]
fn a_broken_cp1_upload_leaves_nothing_and_is_reported_once() {
    for (framing, padding) in [
        (Framing::A, Padding::Oaep),
        (Framing::A, Padding::Pkcs1v15),
        (Framing::B, Padding::Oaep),
        (Framing::C, Padding::Oaep),
        (Framing::D, Padding::Oaep),
        (Framing::E, Padding::Pkcs1v15),
        (Framing::F, Padding::Oaep),
    ] {
        cut_everywhere(Dialect { padding, framing, ..Dialect::of(Variant::Cp1) });
    }
}

#[test]
fn a_broken_cp2_upload_leaves_nothing_and_is_reported_once() {
    cut_everywhere(Dialect::of(Variant::Cp2));
    cut_everywhere(Dialect { padding: Padding::Pkcs1v15, ..Dialect::of(Variant::Cp2) });
}
