//! Bleichenbacher's attack ("Chosen ciphertext attacks against protocols based on the RSA encryption standard
//! PKCS #1", 1998) on the session key of a recorded CP2 upload.
//!
//! A server without budgets answers enough questions to reveal the key; the real one does not. The recording is chosen so
//! that the first conforming question comes soon: with any other recording an attacker needs about 2^17 questions more.

use std::sync::LazyLock;

use num_bigint::BigUint;
use upseal::event::Event;
use upseal::testing::net::PER_KEY;
use upseal::{PaddingBudget, Paddings};

use crate::common::{K, message, noise, words};
use crate::observe::{KEY, Server, Step, Then, block};

/// Questions in one connection, while hardly any block conforms.
const TOGETHER: usize = 64;

/// Questions in one connection, when one of a few blocks conforms.
const FEW: usize = 8;

/// Questions that are enough without a budget: 20,452 were needed.
const ENOUGH: usize = 30_000;

/// Range of the first conforming question: after the end of the budget, and early enough for a test.
const FIRST: std::ops::Range<u32> = 1500..6000;

/// An attacker's recording: a wrapped session key from the wire.
struct Recording {
    wrapped: BigUint,
    /// The session key, which only client and server know.
    key: Vec<u8>,
}

/// B = 2^(8(k−2)): conforming numbers are at least 2B and below 3B.
fn b() -> BigUint {
    BigUint::from(1_u8) << (8 * (K - 2))
}

fn ceil(a: &BigUint, n: &BigUint) -> BigUint {
    (a + n - 1_u8) / n
}

fn conforms(number: &BigUint) -> bool {
    let em = block(number);
    em[..2] == [0, 2] && em[2..10].iter().all(|byte| *byte != 0) && em[10..].contains(&0)
}

static RECORDING: LazyLock<Recording> = LazyLock::new(|| {
    let start = ceil(&KEY.n, &(3_u8 * b()));
    (1..)
        .find_map(|seed| {
            let random = noise(200, seed);
            let key: Vec<u8> = random[..44].iter().map(|byte| b'A' + byte % 26).collect();
            let mut em = vec![0, 2];
            em.extend(random[44..44 + K - 3 - 44].iter().map(|byte| byte | 1));
            em.push(0);
            em.extend(&key);
            let secret = BigUint::from_bytes_be(&em);
            let mut product = &secret * &start % &KEY.n;
            let first = (0..FIRST.end).find(|_| {
                let found = conforms(&product);
                product = (&product + &secret) % &KEY.n;
                found
            });
            first
                .filter(|first| FIRST.contains(first))
                .map(|_| Recording { wrapped: secret.modpow(&KEY.e, &KEY.n), key })
        })
        .unwrap()
});

/// A server as an oracle for conforming blocks.
struct Oracle<'a> {
    server: &'a Server,
    questions: usize,
    most: usize,
}

impl Oracle<'_> {
    /// Returns whether one of these blocks conforms, as the connection reveals it: without a hello, a conforming block is
    /// taken for CP1, and the next one, which does not conform, ends the connection.
    fn has_one(&mut self, blocks: &[Vec<u8>]) -> bool {
        self.questions += blocks.len();
        let mut bytes = message(3, b"not a hello");
        // The last does not conform: 1 decrypts to 1.
        for block in blocks.iter().chain([&block(&BigUint::from(1_u8))]) {
            bytes.extend(message(0, b"race-ap-q"));
            bytes.extend(message(1, block));
        }
        bytes.extend(words(&[2]));
        self.server.watch(&bytes, Then::End).contains(&Step::Reset)
    }

    /// Returns the position of the first of these blocks that conforms.
    fn first(&mut self, mut blocks: &[Vec<u8>]) -> Option<usize> {
        if self.questions >= self.most || !self.has_one(blocks) {
            return None;
        }
        let mut before = 0;
        while blocks.len() > 1 {
            let (front, back) = blocks.split_at(blocks.len() / 2);
            blocks = if self.has_one(front) {
                front
            } else {
                before += front.len();
                back
            };
        }
        Some(before)
    }
}

/// Runs the attack. `None`: it ran out of questions.
#[expect(clippy::many_single_char_names, reason = "the paper's")]
fn solve(oracle: &mut Oracle<'_>, wrapped: &BigUint) -> Option<BigUint> {
    let (n, e) = (&KEY.n, &KEY.e);
    let (two_b, three_b) = (2_u8 * b(), 3_u8 * b());
    let ask = |oracle: &mut Oracle<'_>, candidates: &[BigUint]| {
        let blocks: Vec<_> = candidates.iter().map(|s| block(&(wrapped * s.modpow(e, n) % n))).collect();
        oracle.first(&blocks).map(|at| candidates[at].clone())
    };
    let from = |oracle: &mut Oracle<'_>, mut s: BigUint| {
        while oracle.questions < oracle.most {
            let candidates: Vec<_> = (0..TOGETHER).map(|n| &s + n).collect();
            if let Some(found) = ask(oracle, &candidates) {
                return Some(found);
            }
            s += TOGETHER;
        }
        None
    };

    let mut intervals = vec![(two_b.clone(), &three_b - 1_u8)];
    let mut s = from(oracle, ceil(n, &three_b))?;
    loop {
        let mut next: Vec<(BigUint, BigUint)> = Vec::new();
        for (low, high) in &intervals {
            let mut r = ceil(&(low * &s + 1_u8 - &three_b), n);
            let last = (high * &s - &two_b) / n;
            while r <= last {
                let a = low.clone().max(ceil(&(&two_b + &r * n), &s));
                let b = high.clone().min((&three_b - 1_u8 + &r * n) / &s);
                if a <= b {
                    next.push((a, b));
                }
                r += 1_u8;
            }
        }
        next.sort();
        next.dedup();
        intervals = next;
        let [(low, high)] = &intervals[..] else {
            assert!(!intervals.is_empty(), "the answers contradict each other");
            s = from(oracle, &s + 1_u8)?;
            continue;
        };
        if low == high {
            return Some(low.clone());
        }
        let mut r = ceil(&(2_u8 * (high * &s - &two_b)), n);
        s = loop {
            let mut candidates = Vec::new();
            while candidates.len() < FEW {
                let mut candidate = ceil(&(&two_b + &r * n), high);
                let last = (&three_b - 1_u8 + &r * n) / low;
                while candidate <= last {
                    candidates.push(candidate.clone());
                    candidate += 1_u8;
                }
                r += 1_u8;
            }
            if let Some(found) = ask(oracle, &candidates) {
                break found;
            }
            if oracle.questions >= oracle.most {
                return None;
            }
        };
    }
}

fn attack(server: &Server, most: usize) -> (Option<Vec<u8>>, usize) {
    let mut oracle = Oracle { server, questions: 0, most };
    let found = solve(&mut oracle, &RECORDING.wrapped);
    (found.map(|m| block(&m)[K - 44..].to_vec()), oracle.questions)
}

/// Shows that the attack works, so that the other tests mean something.
#[test]
fn without_a_budget_a_recorded_session_key_is_found() {
    let server = Server::new(Paddings::EITHER, PaddingBudget::with_limits(u64::MAX, u64::MAX));
    let (found, questions) = attack(&server, ENOUGH);
    assert_eq!(found.as_deref(), Some(&RECORDING.key[..]), "after {questions} questions");
}

#[test]
fn with_its_budget_a_server_stops_answering_before_the_first_good_question() {
    let server = Server::new(Paddings::EITHER, PaddingBudget::default());
    let (found, questions) = attack(&server, ENOUGH);
    assert_eq!(found, None);
    assert!(questions >= ENOUGH);
    let off = |event: &Event| matches!(event, Event::Warned { text, .. } if text.contains("PKCS1v15 is off"));
    assert_eq!(server.reported().iter().filter(|event| off(event)).count(), 1, "reported once");
    // From many networks the key's budget ends it.
    let server = Server::new(Paddings::EITHER, PaddingBudget::with_limits(PER_KEY, u64::MAX));
    assert_eq!(attack(&server, ENOUGH).0, None);
}

#[test]
fn where_only_oaep_is_accepted_there_is_no_good_question() {
    let server = Server::new(Paddings::OAEP, PaddingBudget::with_limits(u64::MAX, u64::MAX));
    assert_eq!(attack(&server, ENOUGH).0, None);
    // Even a block that is known to conform is answered like the others.
    let mut oracle = Oracle { server: &server, questions: 0, most: usize::MAX };
    assert!(!oracle.has_one(&[block(&RECORDING.wrapped)]));
}
