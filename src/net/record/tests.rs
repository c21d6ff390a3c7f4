//! Records of streams whose peers follow a script.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::os::fd::AsFd as _;

use super::*;
use crate::net::word::{TERMINATOR, word};
use crate::testing::{Act, EventLog, ScriptedStream};

/// Returns a recorded stream, and what observes it.
fn start(side: Side, depth: Depth, peer: ScriptedStream) -> (Arc<EventLog>, Box<dyn Stream>, Tap) {
    let log = Arc::new(EventLog::recording(depth));
    let observer = Arc::clone(&log) as Arc<dyn Observer>;
    let block = (side == Side::Server).then_some(128);
    let address = String::new;
    let wire = || Wire { side, track: None, local: address(), peer: address(), dialect: None, at_ms: 0 };
    let (stream, tap) = tapped(Box::new(peer), &observer, block, wire);
    (log, stream, tap.unwrap())
}

/// Returns the last state of each message, and whether the connection ended in order.
fn recorded(log: &EventLog) -> (Vec<Frame>, bool) {
    let mut all = std::collections::BTreeMap::new();
    let mut ended = None;
    for event in log.take() {
        match event {
            Event::WireFrames { frames, .. } => {
                all.extend(frames.into_iter().map(|frame| (frame.number, frame)));
            }
            Event::WireClosed { in_order, .. } => ended = Some(in_order),
            _ => {}
        }
    }
    (all.into_values().collect(), ended.unwrap())
}

/// Reads everything on a server's side, up to the peer's end.
fn received(pieces: &[&[u8]]) -> (Vec<Frame>, bool) {
    let peer = ScriptedStream::new(pieces.iter().map(|bytes| Act::Send(bytes.to_vec())));
    let (log, mut stream, _) = start(Side::Server, Depth::Full, peer);
    let mut buffer = vec![0; 1 << 20];
    while stream.read(&mut buffer).unwrap() > 0 {}
    drop(stream);
    recorded(&log)
}

fn small_file() -> Vec<u8> {
    [&word(0)[..], &word(5), b"a.txt", &word(1), &word(2), b"ab", &word(2)].concat()
}

#[test]
fn a_client_whose_mode_2_is_not_answered_in_order_did_not_end_in_order() {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, TimedOut};

    let cases: [(&[io::ErrorKind], bool); 4] = [
        (&[], true),
        (&[ConnectionReset], false),
        // A cancel.
        (&[ConnectionAborted], false),
        (&[TimedOut], false),
    ];
    for (errors, in_order) in cases {
        let peer = ScriptedStream::new(errors.iter().copied().map(Act::Fail));
        let (log, mut stream, _) = start(Side::Client, Depth::Outline, peer);
        stream.write_all(&small_file()).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).is_ok(), in_order);
        drop(stream);
        let (frames, ended) = recorded(&log);
        assert_eq!((frames.last().unwrap().kind, ended), (Kind::Close, in_order), "{errors:?}");
    }
    let (log, mut stream, _) =
        start(Side::Client, Depth::Outline, ScriptedStream::new([]).rejecting_writes());
    assert!(stream.write(&small_file()).is_err());
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
    drop(stream);
    assert!(!recorded(&log).1, "nothing could be written");
}

#[test]
fn a_server_that_resets_did_not_end_in_order() {
    for (resets, in_order) in [(false, true), (true, false)] {
        // The server waits for more files for a moment, and a client may end in any way after its MODE 2.
        let (early, late) = (Act::Fail(io::ErrorKind::TimedOut), Act::Fail(io::ErrorKind::ConnectionReset));
        let peer = ScriptedStream::new([early, Act::Send(small_file()), late]);
        let (log, mut stream, _) = start(Side::Server, Depth::Outline, peer);
        let ends = [false, true, false];
        assert_eq!(ends, ends.map(|_| stream.read(&mut [0; 256]).is_ok()));
        if resets {
            stream.reset();
        }
        drop(stream);
        assert_eq!(recorded(&log).1, in_order);
    }
}

/// Many clients end without a MODE 2, and their files are stored.
#[test]
fn a_peer_that_closes_after_its_file_ended_in_order() {
    let name = [&word(0)[..], &word(1), b"a"].concat();
    let block = [0xa1; 128];
    let pairs = [&word(128)[..], &block, &word(128), &block].concat();
    let m1 = |m1: u64, rest: &[u8]| [&word(1)[..], &word(m1), rest].concat();
    for (which, data, body, whole) in [
        ("A", m1(256, &[block, block].concat()), 256, true),
        ("B", m1(2, &pairs), 272, true),
        ("C", m1(200, &pairs), 272, true),
        ("D", [&word(1)[..], &pairs, &word(TERMINATOR)].concat(), 272, true),
        ("E", [&word(1)[..], &pairs].concat(), 264, true),
        ("F", m1(256, &pairs), 272, true),
        ("F, cut", m1(256, &pairs[..270]), 270, false),
        ("one byte", m1(1, b"a"), 1, true),
        ("seven bytes", m1(7, b"content"), 7, true),
        ("seven bytes, cut", m1(7, b"con"), 3, false),
        ("nine bytes, cut", m1(9, b"con"), 3, false),
    ] {
        for piece in [1, 5, 8, 10_000] {
            let bytes = [&name[..], &data].concat();
            let pieces: Vec<&[u8]> = bytes.chunks(piece).collect();
            let (frames, in_order) = received(&pieces);
            let [_, file] = &frames[..] else { panic!("{which}: {frames:?}") };
            let seen = (file.kind, file.wire, file.whole, in_order);
            let all = data.len() as u64;
            assert_eq!(seen, (Kind::Data, all, whole, whole), "{which}, pieces of {piece}");
            assert_eq!(file.body.bytes, body, "{which}, pieces of {piece}");
        }
    }
}

#[test]
fn the_file_is_counted_once_the_depth_is_full() {
    let (log, mut stream, tap) = start(Side::Client, Depth::Outline, ScriptedStream::new([]));
    let half = vec![7; 50_000];
    tap.body(100_000, Some(100_000));
    tap.file(&half);
    stream.write_all(&[&word(1)[..], &word(100_000), &half].concat()).unwrap();
    log.recorder().unwrap().set(Depth::Full);
    tap.file(&half);
    stream.write_all(&half).unwrap();
    drop(stream);
    let (frames, _) = recorded(&log);
    let file = frames[0].file.as_ref().unwrap();
    assert_eq!((file.bytes, frames[0].whole), (100_000, true));
    assert!(frames[0].body.entropy.len() > 20, "{:?}", frames[0].body.entropy);
    assert!(file.entropy.len() > 20, "{:?}", file.entropy);
}

#[test]
fn blocks_that_come_one_by_one_are_counted_in_pieces_of_one_size() {
    let mut bytes = word(1).to_vec();
    for _ in 0..300 {
        let mut block = [0; 128];
        getrandom::fill(&mut block).unwrap();
        bytes.extend([&word(128)[..], &block].concat());
    }
    for end in [Vec::new(), word(TERMINATOR).to_vec()] {
        let bytes = [&bytes[..], &end].concat();
        let (frames, in_order) = received(&[&bytes]);
        let [Frame { body, whole: true, .. }] = &frames[..] else { panic!("{frames:?}") };
        assert!(in_order);
        assert_eq!(body.entropy.len() as u64, body.bytes.div_ceil(body.interval), "{body:?}");
        // One word of every seventeen is the length of a block, and the last piece is short.
        let least = body.entropy.iter().min().unwrap();
        assert!(*least > 730, "{body:?}");
    }
}

#[test]
fn a_body_that_the_kernel_moves_from_its_first_bytes_on_is_followed() {
    for seen in [0, 3, 7] {
        let head = [&word(1)[..], &word(100_000), &[7; 8][..seen]].concat();
        let peer = ScriptedStream::new([head, word(2).to_vec()].map(Act::Send));
        let (log, mut stream, _) = start(Side::Server, Depth::Full, peer);
        let mut buffer = [0; 64];
        assert_eq!(stream.read(&mut buffer).unwrap(), 16 + seen);
        let pipe = File::open("/dev/null").unwrap();
        for most in [60_000, 40_000 - seen] {
            assert_eq!(stream.read_to(pipe.as_fd(), most).unwrap(), most);
        }
        assert_eq!(stream.read(&mut buffer).unwrap(), 8);
        drop(stream);
        let (frames, in_order) = recorded(&log);
        let kinds: Vec<Kind> = frames.iter().map(|frame| frame.kind).collect();
        assert_eq!((kinds, in_order), (vec![Kind::Data, Kind::Close], true), "{seen} seen");
        assert_eq!((frames[0].wire, frames[0].whole, frames[1].offset), (100_016, true, 100_016));
        assert_eq!((frames[0].body.bytes, frames[0].body.head.len()), (100_000, seen));
    }
}
