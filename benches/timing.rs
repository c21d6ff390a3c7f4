//! Tests whether the time of an exponentiation or of an unpadding depends on secrets: Welch's t-test between two classes
//! of runs in random order ("dude, is my code constant time?", Reparaz, Balasch, Verbauwhede 2017).
//!
//! `cargo bench --bench timing [-- SAMPLES]` [default: 1,000,000]. |t| above 10 is certainly a leak; below 4.5 none was
//! found. The last row is a planted leak, in this file only, which must be found.

#![allow(clippy::expect_used, reason = "a bench fails by panicking")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is cast is far below the limits"
)]

use std::hint::black_box;
use std::time::Instant;

use getrandom::SysRng;
use getrandom::rand_core::{TryRng as _, UnwrapErr};
use rsa::RsaPrivateKey;
use upseal::Paddings;
use upseal::event::Padding;
use upseal::testing::padding::{K, padded, unpad};
use upseal::testing::rsa::{Backend, Probe};

const SAMPLES: usize = 1_000_000;

/// |t| above which there is a leak.
const LEAK: f64 = 10.0;

/// |t| below which no leak was found.
const QUIET: f64 = 4.5;

fn main() {
    let samples = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(SAMPLES);
    let key = RsaPrivateKey::new(&mut UnwrapErr(SysRng), 1024).expect("a key can be made");
    println!("{samples} samples each, |t| of all, and of the fastest 99, 90, 75 and 50 %\n");
    for backend in [Backend::Portable, Backend::Avx2, Backend::Ifma] {
        if !backend.exists() {
            continue;
        }
        let mut probe = Probe::new(&key, backend).expect("the key has two primes of 512 bits");
        report(&format!("{backend}: exponent all zeros, all ones"), samples, |ones, number| {
            probe.fill_exponents(if ones { 0xff } else { 0 });
            time(|| probe.run(number))
        });
        let mut probe = Probe::new(&key, backend).expect("the key has two primes of 512 bits");
        let fixed = [0; 8];
        report(&format!("{backend}: number zero, random"), samples, |random, number| {
            // Both are copied, so that both are equally close in the cache.
            let number = black_box([fixed, number])[usize::from(random)];
            time(|| probe.run(number))
        });
    }
    unpaddings(samples);
    let mut exponent = [0; 8];
    let planted = report("planted early exit: exponent all zeros, all ones", samples, |ones, number| {
        exponent.fill(if ones { u64::MAX } else { 0 });
        time(|| leaky(number[0], &exponent))
    });
    assert!(planted > LEAK, "the planted leak was not found");
}

/// Number of blocks of each class: with a single block its bytes would matter, not its padding.
const BLOCKS: usize = 64;

/// Function that makes a block of a class.
type Make = Box<dyn Fn() -> [u8; K]>;

/// Tests a server's unpadding: of conforming and other blocks, and of messages of two lengths.
fn unpaddings(samples: usize) {
    let conforming = |padding, length| {
        move || {
            let message: Vec<u8> = (0..length).map(|_| random() as u8).collect();
            padded(padding, &message).expect("it fits")
        }
    };
    let wrong = |padding, at: usize| {
        move || {
            let mut block = conforming(padding, 5)();
            block[at] ^= 1;
            block
        }
    };
    let (oaep, pkcs1v15) = (Padding::Oaep, Padding::Pkcs1v15);
    let cases: [(&str, Padding, Make, Make); 7] = [
        (
            "PKCS1v15: nothing differs",
            pkcs1v15,
            Box::new(conforming(pkcs1v15, 5)),
            Box::new(conforming(pkcs1v15, 5)),
        ),
        (
            "PKCS1v15: conforms, does not",
            pkcs1v15,
            Box::new(conforming(pkcs1v15, 5)),
            Box::new(wrong(pkcs1v15, 1)),
        ),
        (
            "PKCS1v15: message of 117 bytes, of none",
            pkcs1v15,
            Box::new(conforming(pkcs1v15, 117)),
            Box::new(conforming(pkcs1v15, 0)),
        ),
        ("OAEP: nothing differs", oaep, Box::new(conforming(oaep, 5)), Box::new(conforming(oaep, 5))),
        (
            "OAEP: conforms, does not begin with 0",
            oaep,
            Box::new(conforming(oaep, 5)),
            Box::new(wrong(oaep, 0)),
        ),
        ("OAEP: conforms, another label", oaep, Box::new(conforming(oaep, 5)), Box::new(wrong(oaep, 40))),
        (
            "OAEP: message of 62 bytes, of none",
            oaep,
            Box::new(conforming(oaep, 62)),
            Box::new(conforming(oaep, 0)),
        ),
    ];
    for (what, padding, first, second) in cases {
        // The order within a pair is random, so that addresses do not depend on the class.
        let pairs: Vec<(bool, [[u8; K]; 2])> = (0..BLOCKS)
            .map(|n| if n % 2 == 0 { (false, [first(), second()]) } else { (true, [second(), first()]) })
            .collect();
        for paddings in [Paddings::EITHER, Paddings::EITHER.only(padding)] {
            let both = if paddings == Paddings::EITHER { ", both looked for" } else { "" };
            report(&format!("{what}{both}"), samples, |class, number| {
                let (swapped, pair) = black_box(pairs[number[0] as usize % BLOCKS]);
                let em = pair[usize::from(class ^ swapped)];
                time(|| unpad(paddings, &em))
            });
        }
    }
}

/// A leaky square-and-multiply: it ends with the exponent's last bit and multiplies only for ones.
fn leaky(base: u64, exponent: &[u64; 8]) -> u64 {
    const MODULUS: u128 = 0xffff_ffff_ffff_ffc5;
    let product = |a: u64, b: u64| (u128::from(a) * u128::from(b) % MODULUS) as u64;
    let (mut power, mut square) = (1, base);
    for limb in exponent {
        let mut rest = *limb;
        while rest != 0 {
            if rest & 1 == 1 {
                power = product(power, square);
            }
            square = product(square, square);
            rest >>= 1;
        }
    }
    power
}

/// Returns the time of `step` in nanoseconds.
fn time(step: impl FnOnce() -> u64) -> u64 {
    let begin = Instant::now();
    black_box(step());
    begin.elapsed().as_nanos() as u64
}

/// Prints the |t| of a test; returns the largest.
fn report(what: &str, samples: usize, mut step: impl FnMut(bool, [u64; 8]) -> u64) -> f64 {
    let mut times = [Vec::with_capacity(samples), Vec::with_capacity(samples)];
    for _ in 0..samples {
        // Both classes get a random number, so that generating it makes no difference.
        let mut number = [0; 8];
        number.fill_with(random);
        let class = random() & 1 == 1;
        times[usize::from(class)].push(step(class, number));
    }
    let mut sorted: Vec<u64> = times.concat();
    sorted.sort_unstable();
    let t = [1.0, 0.99, 0.9, 0.75, 0.5].map(|part| {
        let at = ((sorted.len() as f64 * part) as usize).clamp(1, sorted.len()) - 1;
        welch(&times, sorted[at]).abs()
    });
    let worst = t.into_iter().fold(0.0, f64::max);
    let verdict = match worst {
        worst if worst > LEAK => "a leak",
        worst if worst > QUIET => "unclear",
        _ => "none found",
    };
    let figures = t.map(|t| format!("{t:>9.2}")).join("");
    println!("{what:<58}{figures}   median {:>7} ns   {verdict}", sorted[sorted.len() / 2]);
    worst
}

fn random() -> u64 {
    SysRng.try_next_u64().expect("a bench has randomness")
}

/// Returns Welch's t of the samples up to `limit`.
fn welch(times: &[Vec<u64>; 2], limit: u64) -> f64 {
    let [a, b] = times.each_ref().map(|times| {
        let kept: Vec<f64> = times.iter().filter(|time| **time <= limit).map(|time| *time as f64).collect();
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    });
    (a.0 - b.0) / (a.1 + b.1).sqrt()
}
