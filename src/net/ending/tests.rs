use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::net::word::word;

const K: u64 = 128;

/// Terminators that clients send after their last pair.
fn terminators() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> =
        [u64::MAX, 0, 1, 10_000, 5, 77, K - 1, 1 << 40].map(|value| word(value).to_vec()).into();
    all.push([&word(3)[..], LETTERS].concat());
    all.push(Vec::new());
    all
}

fn words(values: &[u64], tail: &[u8]) -> Vec<u8> {
    values.iter().flat_map(|value| word(*value)).chain(tail.iter().copied()).collect()
}

/// Whether a client sends a message behind this terminator.
type After = fn(&[u8]) -> bool;

/// Bytes that honest clients send next.
fn messages() -> Vec<(Vec<u8>, After)> {
    let any: After = |_| true;
    let not_1: After = |terminator| terminator != word(1);
    let alone: After = <[u8]>::is_empty;
    let mut all = vec![(Vec::new(), any), (words(&[2], b""), any), (words(&[2, 2], b""), any)];
    // Names of one to four bytes, of letters and of every byte that a name may begin with.
    for length in 1..=4_u64 {
        for first in 1..=u8::MAX {
            let mut name = vec![first];
            name.resize(usize::try_from(length).unwrap(), b'b');
            for next in [words(&[1, K], &[0xcc; 8]), words(&[1, 2, K], b""), words(&[3, 32], b"")] {
                all.push(([words(&[0, length], &name), next].concat(), any));
            }
        }
    }
    all.push((words(&[0, 4096], &[b'n'; 30]), any));
    for length in [1, 2, 3, 29, 32, 54, 127, 256, 4096] {
        all.push((words(&[3, length], b"message"), any));
    }
    // Of exactly k bytes, behind the terminator 1, a message looks like a body of three blocks, and a session key
    // like one of four. Clients that send session keys send no blocks.
    all.push((words(&[3, K], b"message"), not_1));
    all.push((words(&[4, K], &[0xcc; 8]), not_1));
    all.push((words(&[4, 0, K], &[0xcc; 8]), any));
    // Another body for the same name, in every framing. The protocol allows it; no known client sends it.
    for m1 in [K, 2 * K, u64::MAX, 9, 300] {
        all.push((words(&[1, m1], &[0xcc; 8]), alone));
    }
    for m1 in 1..=5 {
        all.push((words(&[1, m1, K], &[0xcc; 8]), alone));
    }
    // One more block.
    all.push((words(&[K], &[0xcc; 8]), alone));
    all
}

fn meaning(terminator: &[u8], message: &[u8]) -> Next {
    match (terminator.len(), read_word(message)) {
        (0, Some(K)) => Next::Block,
        (0, _) => Next::Mode,
        (length, _) => Next::Terminator(length),
    }
}

/// Bytes of every honest client behind its pairs, and the meaning of the first.
fn streams() -> Vec<(Vec<u8>, Next)> {
    let mut all = Vec::new();
    for terminator in terminators() {
        for (message, comes_after) in messages() {
            if comes_after(&terminator) {
                all.push(([&terminator[..], &message].concat(), meaning(&terminator, &message)));
            }
        }
    }
    all
}

/// Checks all short continuations, in any pieces: the meaning of each beginning is the one that every honest client with
/// this beginning intends, or it is not decided yet.
#[test]
fn no_honest_client_is_misinterpreted() {
    let mut beginnings: BTreeMap<Vec<u8>, BTreeSet<String>> = BTreeMap::new();
    for (bytes, meaning) in streams() {
        for end in 0..=bytes.len() {
            beginnings.entry(bytes[..end].to_vec()).or_default().insert(format!("{meaning:?}"));
        }
    }
    assert!(beginnings.len() > 10_000, "{}", beginnings.len());
    let mut decided = 0;
    for (bytes, meanings) in &beginnings {
        let read = after_pairs(bytes, K, Behind::Unknown);
        if read != Next::More {
            assert_eq!(*meanings, BTreeSet::from([format!("{read:?}")]), "{bytes:?}");
            decided += 1;
        }
    }
    assert!(decided > 10_000, "{decided}");
}

#[test]
fn a_whole_continuation_is_decided_at_the_end_of_the_connection() {
    for (bytes, meaning) in streams() {
        // No bytes at all are the end of the connection, which the caller handles.
        assert_eq!(after_pairs(&bytes, K, Behind::End), meaning, "{bytes:?}");
    }
}

#[test]
fn a_decision_does_not_change_with_more_bytes() {
    for (bytes, _) in streams() {
        let mut before = Next::More;
        for end in 0..=bytes.len() {
            let now = after_pairs(&bytes[..end], K, Behind::Unknown);
            assert!(before == Next::More || before == now, "{:?}: {before:?}, then {now:?}", &bytes[..end]);
            before = now;
        }
    }
}

/// Silence decides for a client that sent MODE 2 and waits for the server's end. It can be wrong only about a client that
/// pauses between the length of a name and the name.
#[test]
fn silence_decides_only_behind_what_may_be_mode_2() {
    for (bytes, meaning) in streams() {
        for end in 0..=bytes.len() {
            let beginning = &bytes[..end];
            let (now, read) =
                (after_pairs(beginning, K, Behind::Unknown), after_pairs(beginning, K, Behind::Silence));
            if read != now {
                assert!(beginning == words(&[0, 2], b"") || beginning.starts_with(&words(&[1, 2], b"")));
                assert_eq!(read, Next::Terminator(WORD));
            }
            if read != Next::More && read != meaning {
                let name_of_two = beginning == words(&[0, 2], b"");
                let body_of_two = meaning == Next::Mode && beginning.starts_with(&words(&[1, 2], b""));
                assert!(name_of_two || body_of_two, "{beginning:?}");
            }
        }
    }
}

/// All sequences of up to three deciding words, so that every arm is covered.
#[test]
fn short_sequences_are_read_by_the_rules() {
    use Next::{Block, Mode, More, Terminator};
    const MAX: u64 = u64::MAX;
    let table: &[(&[u64], &[u8], Next, Next)] = &[
        (&[], b"", More, Mode),
        (&[], b"\0\0\0", More, Mode),
        (&[K], b"", Block, Block),
        (&[MAX], b"", Terminator(8), Terminator(8)),
        (&[10_000], b"", Terminator(8), Terminator(8)),
        (&[2], b"", Mode, Mode),
        (&[4], b"", Mode, Mode),
        (&[3], b"", More, Mode),
        (&[3], b"e", More, Mode),
        (&[3], b"en", More, Mode),
        (&[3], b"end", Terminator(11), Terminator(11)),
        (&[3], b"enx", Mode, Mode),
        (&[3], b"\0", Mode, Mode),
        (&[0], b"", More, Terminator(8)),
        (&[0], b"\0", More, Mode),
        (&[0, 0], b"", Terminator(8), Terminator(8)),
        (&[0, 1], b"", More, Mode),
        (&[0, 2], b"", More, Terminator(8)),
        (&[0, 3], b"", More, Mode),
        (&[0, 1], b"\0", Terminator(8), Terminator(8)),
        (&[0, 2], b"\0", Terminator(8), Terminator(8)),
        (&[0, 3], b"\0", Terminator(8), Terminator(8)),
        (&[0, 4], b"\0", Terminator(8), Terminator(8)),
        (&[0, 2], b"a", Mode, Mode),
        (&[0, 5], b"", Mode, Mode),
        (&[0, K], b"", Mode, Mode),
        (&[0, MAX], b"", Mode, Mode),
        (&[1], b"", More, Terminator(8)),
        (&[1], b"\0", More, Mode),
        (&[1, 0], b"", Terminator(8), Terminator(8)),
        (&[1, 1], b"", Mode, Mode),
        (&[1, 2], b"", More, Terminator(8)),
        (&[1, 2], b"\0", More, Terminator(8)),
        (&[1, 2], b"a", Terminator(8), Terminator(8)),
        (&[1, 2, 2], b"", Terminator(8), Terminator(8)),
        (&[1, 2, K], b"", Mode, Mode),
        (&[1, 3], b"", More, Terminator(8)),
        (&[1, 3, 32], b"", Terminator(8), Terminator(8)),
        (&[1, 3, K], b"", Mode, Mode),
        (&[1, 4, 0], b"", Terminator(8), Terminator(8)),
        (&[1, 4, K], b"", Mode, Mode),
        (&[1, 5], b"", Mode, Mode),
        (&[1, K], b"", Mode, Mode),
        (&[1, MAX], b"", Mode, Mode),
    ];
    for (values, tail, open, ended) in table {
        let bytes = words(values, tail);
        assert_eq!(after_pairs(&bytes, K, Behind::Unknown), *open, "{values:?} {tail:?}");
        assert_eq!(after_pairs(&bytes, K, Behind::End), *ended, "{values:?} {tail:?}, the end");
    }
}
