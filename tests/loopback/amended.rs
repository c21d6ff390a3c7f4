//! Files of CP1 of which more came after they were published (docs/protocol.md, section CP1).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use upseal::event::{Event, Kept, Padding, Variant};
use upseal::testing::clock;
use upseal::testing::rsa::BlockSealer;
use upseal::{Anchor, FileDigest, Policy, Seal as _, ServerKey};

use crate::common::{Files, Host, IDENTITY, K, Peer, ca, message, noise, words};

/// A block with this plaintext.
pub(crate) fn block(content: &[u8]) -> Vec<u8> {
    let anchor = Anchor::load(&ca()).unwrap();
    let (key, _): (ServerKey, _) = anchor.check(IDENTITY.certificate_pem(), clock::unix_seconds()).unwrap();
    let mut sealer = BlockSealer::new(key, Padding::Oaep, content.len() as u64, FileDigest::Sha256);
    let mut out = Vec::new();
    sealer.seal(content, &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    out
}

/// A block and its length before it.
pub(crate) fn pair(content: &[u8]) -> Vec<u8> {
    [words(&[K as u64]), block(content)].concat()
}

/// A new connection after AP without a hello, MODE 0 and MODE 1.
pub(crate) fn begin(host: &Host, name: &str) -> Peer {
    let mut peer = Peer::connect(host.address());
    peer.send(&[message(3, b"no hello"), message(0, name.as_bytes()), words(&[1])].concat());
    peer
}

pub(crate) fn kept(host: &Host) -> Vec<Kept> {
    host.events.received().iter().map(|receipt| receipt.kept).collect()
}

pub(crate) fn wait_for_a_file(host: &mut Host) {
    host.events.until(|event| matches!(event, Event::Received { .. }));
}

#[test]
fn a_block_after_a_short_one_was_published_amends_the_file() {
    let mut host = Host::start();
    let content = noise(150, 1);
    let mut peer = begin(&host, "a.bin");
    peer.send(&pair(&content[..40]));
    wait_for_a_file(&mut host);
    assert_eq!(host.stored(), Files::one("a.bin", &content[..40]));
    // Short again, which no longer ends the file.
    for part in [&content[40..80], &content[80..142], &content[142..]] {
        peer.send(&pair(part));
    }
    assert!(peer.hang_up().1, "{:?}", host.events.refusals());
    host.stop();
    assert_eq!(host.stored(), Files::one("a.bin", &content));
    assert_eq!(kept(&host), [Kept::New, Kept::Amended]);
    assert_eq!(host.events.received()[1].size, 150);
}

#[test]
fn silence_publishes_and_a_later_block_amends() {
    let mut host = Host::start();
    let content = noise(62 * 3, 1);
    let mut peer = begin(&host, "a.bin");
    for (n, part) in content.chunks(62).enumerate() {
        peer.send(&pair(part));
        if n < 2 {
            wait_for_a_file(&mut host); // after 1 s, then 2 s
            assert_eq!(host.stored(), Files::one("a.bin", &content[..62 * (n + 1)]));
        }
    }
    peer.send(&words(&[u64::MAX, 2]));
    assert!(peer.hang_up().1, "{:?}", host.events.refusals());
    host.stop();
    assert_eq!(host.stored(), Files::one("a.bin", &content));
    assert_eq!(kept(&host), [Kept::New, Kept::Amended, Kept::Amended]);
}

/// Framing C of 128 bytes seems complete after its first block, as framing F: 128 = 1 × k.
#[test]
fn an_end_by_coincidence_is_corrected_even_after_silence() {
    let mut host = Host::start();
    let content = noise(K, 1);
    let mut peer = begin(&host, "a.bin");
    peer.send(&[words(&[K as u64]), pair(&content[..62])].concat());
    wait_for_a_file(&mut host);
    peer.send(&[pair(&content[62..124]), pair(&content[124..]), words(&[2])].concat());
    assert!(peer.hang_up().1, "{:?}", host.events.refusals());
    host.stop();
    assert_eq!(host.stored(), Files::one("a.bin", &content));
}

/// M1 = 0 and nothing more for a while: an empty file, of AP or of CP1; then blocks.
#[test]
fn an_empty_file_that_was_published_can_be_amended() {
    let mut host = Host::start();
    let content = noise(100, 1);
    let mut peer = begin(&host, "a.bin");
    peer.send(&words(&[0]));
    wait_for_a_file(&mut host);
    assert_eq!(host.stored(), Files::one("a.bin", b""));
    peer.send(&[pair(&content[..62]), pair(&content[62..]), words(&[2])].concat());
    assert!(peer.hang_up().1, "{:?}", host.events.refusals());
    host.stop();
    assert_eq!(host.stored(), Files::one("a.bin", &content));
    assert_eq!(host.events.received()[1].variant, Variant::Cp1);
}

#[test]
fn a_file_stays_as_it_was_published_when_the_next_block_is_cut_or_bad() {
    let content = noise(40, 1);
    let mut altered = pair(&content);
    altered[60] ^= 1;
    for (more, reset) in [(pair(&content)[..90].to_vec(), false), (pair(&content), true), (altered, false)] {
        let mut host = Host::start();
        let mut peer = begin(&host, "a.bin");
        peer.send(&pair(&content));
        wait_for_a_file(&mut host);
        peer.send(&more);
        if reset {
            // After the amendment has begun, so that the reset does not overtake the block.
            host.events.until(|event| matches!(event, Event::Receiving { .. }));
            peer.break_off();
        } else {
            assert!(!peer.hang_up().1);
        }
        host.events.until(|event| matches!(event, Event::Refused { .. }));
        host.stop();
        assert_eq!(host.stored(), Files::one("a.bin", &content));
        let refusals = host.events.refusals();
        assert!(refusals[0].ends_with("; a.bin stays as it was published"), "{refusals:?}");
    }
}

#[test]
fn no_file_is_amended_after_another_message() {
    let content = noise(40, 1);
    for between in [words(&[u64::MAX]), message(0, b"b.bin"), message(3, b"again")] {
        let mut host = Host::start();
        let mut peer = begin(&host, "a.bin");
        peer.send(&[pair(&content), between, pair(&content)].concat());
        // An answer to MODE 3 may come before.
        assert!(!peer.hang_up().1);
        host.stop();
        assert_eq!(host.stored(), Files::one("a.bin", &content));
        assert!(host.events.refusals()[0].contains("expected a MODE from 0 to 4, got 128"));
    }
}

#[test]
fn a_file_of_another_client_is_never_amended() {
    let mut host = Host::start();
    let content = noise(100, 1);
    host.put("a.bin", &content[..40]);
    let mut peer = begin(&host, "a.bin");
    peer.send(&pair(&content[..40]));
    wait_for_a_file(&mut host);
    peer.send(&[pair(&content[40..]), words(&[2])].concat());
    assert!(peer.hang_up().1, "{:?}", host.events.refusals());
    host.stop();
    assert_eq!(kept(&host), [Kept::Same, Kept::Renamed]);
    assert_eq!(host.stored(), Files::of([("a.bin", &content[..40]), ("a (2).bin", &content)]));
}

#[test]
fn the_size_limit_holds_for_amended_files() {
    let mut host = Host::with(Policy { max_file: 60, ..Policy::default() });
    let content = noise(40, 1);
    let mut peer = begin(&host, "a.bin");
    peer.send(&pair(&content));
    wait_for_a_file(&mut host);
    peer.send(&pair(&content));
    assert!(!peer.hang_up().1);
    host.stop();
    assert_eq!(host.stored(), Files::one("a.bin", &content));
    assert!(host.events.refusals()[0].contains("--max-file"), "{:?}", host.events.refusals());
}

/// A lane of a race is discarded, amended or not.
#[test]
fn an_amended_lane_of_a_race_is_discarded() {
    let mut host = Host::start();
    let content = noise(40, 1);
    let mut peer = begin(&host, "race-cp1-a.bin");
    peer.send(&pair(&content));
    wait_for_a_file(&mut host);
    peer.send(&[pair(&content), words(&[2])].concat());
    assert!(peer.hang_up().1, "{:?}", host.events.refusals());
    host.stop();
    assert_eq!(kept(&host), [Kept::Discarded, Kept::Discarded]);
    assert_eq!(host.stored(), Files::none());
}
