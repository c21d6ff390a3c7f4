//! Compares batched RSA with OpenSSL and the `rsa` crate on one core, and measures padding and single signatures.
//!
//! `cargo bench --bench cp1`. OpenSSL's figures are those of `openssl speed`: without padding, blinded and checked as
//! by default. upseal's are raw operations on 64 blocks per call; private ones are blinded, and every result is checked
//! with the public exponent. Both count processor time, not wall-clock time.

#![allow(clippy::expect_used, reason = "a bench fails by panicking")]
#![allow(clippy::cast_possible_truncation, reason = "what is cast is far below the limits")]

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use rsa::hazmat::rsa_decrypt_and_check;
use rsa::sha2::{Digest as _, Sha256};
use rsa::traits::{PublicKeyParts as _, SignatureScheme as _};
use rsa::{BoxedUint, Pss, RsaPrivateKey};
use support::{ROUNDS, Row, SPAN, print_rows};
use upseal::event::Padding;
use upseal::testing::rsa::{Backend, PrivateBatch, PublicBatch, open_blocks};
use upseal::{Authority, Identity, Paddings, ServerKey};

/// Number of blocks of one call.
const BLOCKS: u64 = 64;

/// Hides AVX-512 IFMA from OpenSSL; the targets are for machines without it.
const NO_IFMA: (&str, &str) = ("OPENSSL_ia32cap", ":~0x200000");

fn main() {
    println!("{}", support::machine());
    println!("back end: {}", Backend::best());
    let keys = [1024, 2048].map(|bits| {
        RsaPrivateKey::new(&mut UnwrapErr(SysRng), bits).expect("a key can be made on the machine of a bench")
    });
    let mut rows = rows(&keys);
    rows.retain(|row| row.theirs > 0.0);
    print_rows("raw RSA, one core", &rows, 1000.0, "thousand operations per second");
    padding();
    print_rows("one signature, one core", &signatures(), 1.0, "per second");
}

fn rows([small, large]: &[RsaPrivateKey; 2]) -> Vec<Row> {
    let (avx2, fast) = (Backend::Avx2, Backend::best());
    let row = |what: &str, least| Row { what: what.to_owned(), ours: 0.0, theirs: 0.0, least };
    let mut rows = vec![
        row("1024 private, AVX2 : openssl", 1.9),
        row("1024 public, AVX2 : openssl", 2.0),
        row("1024 private, portable : the rsa crate", 2.0),
        row("2048 private, AVX2 : openssl without IFMA", 1.5),
        row(&format!("1024 private, {fast} : openssl"), 1.9),
        row(&format!("1024 public, {fast} : openssl"), 2.0),
        row(&format!("2048 private, {fast} : openssl without IFMA"), 1.5),
        row(&format!("2048 private, {fast} : openssl as it is"), 1.0),
        row(&format!("2048 public, {fast} : openssl as it is"), 1.0),
        row("2048 private, portable : the rsa crate", 1.0),
    ];
    for _ in 0..ROUNDS {
        // Each figure is measured next to its reference, so that noise affects both.
        let small_private = private(small, avx2);
        let rsa1024 = openssl(&[], "rsa1024");
        let small_rows = [
            (small_private, rsa1024[0]),
            (public(small, avx2), rsa1024[1]),
            (private(small, Backend::Portable), by_crate(small)),
        ];
        let (large_private, without) = (private(large, avx2), openssl(&[NO_IFMA], "rsa2048"));
        let (large_fast, as_it_is) = (private(large, fast), openssl(&[], "rsa2048"));
        let other_rows = [
            (large_private, without[0]),
            (private(small, fast), rsa1024[0]),
            (public(small, fast), rsa1024[1]),
            (large_fast, without[0]),
            (large_fast, as_it_is[0]),
            (public(large, fast), as_it_is[1]),
            (private(large, Backend::Portable), by_crate(large)),
        ];
        for (row, (ours, theirs)) in rows.iter_mut().zip(small_rows.into_iter().chain(other_rows)) {
            row.ours = row.ours.max(ours);
            row.theirs = row.theirs.max(theirs);
        }
    }
    rows
}

/// Returns the operations per second of `step`, which does `each` of them, in processor time of this thread like
/// `openssl speed`, or in wall-clock time where the system does not report it.
fn rate(each: u64, mut step: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let time = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok());
        nanoseconds.map_or_else(|| begun.elapsed(), Duration::from_nanos)
    };
    step();
    let start = time();
    let mut done = 0;
    loop {
        // The system updates this count only now and then, so read it rarely.
        let pause = Instant::now();
        while pause.elapsed() < SPAN / 8 {
            step();
            done += each;
        }
        let spent = time().saturating_sub(start);
        if spent >= SPAN {
            return done as f64 / spent.as_secs_f64();
        }
    }
}

/// Returns random blocks below the modulus.
fn blocks(key: &RsaPrivateKey) -> Vec<u8> {
    let mut blocks = vec![0; BLOCKS as usize * key.size()];
    getrandom::fill(&mut blocks).expect("a bench has randomness");
    blocks.chunks_exact_mut(key.size()).for_each(|block| block[0] &= 0x7f);
    blocks
}

fn private(key: &RsaPrivateKey, backend: Backend) -> f64 {
    let (batch, blocks) = (PrivateBatch::with_backend(key, backend), blocks(key));
    rate(BLOCKS, || assert!(batch.decrypt(&blocks).is_ok_and(|raw| raw.len() as u64 == BLOCKS)))
}

fn public(key: &RsaPrivateKey, backend: Backend) -> f64 {
    let (batch, blocks) = (PublicBatch::with_backend(&key.to_public_key(), backend), blocks(key));
    let mut out = Vec::new();
    rate(BLOCKS, || {
        out.clear();
        batch.encrypt(&blocks, &mut out);
    })
}

/// Returns the private operations per second of the `rsa` crate, blinded and checked.
fn by_crate(key: &RsaPrivateKey) -> f64 {
    let blocks = blocks(key);
    let numbers: Vec<_> = blocks
        .chunks_exact(key.size())
        .filter_map(|block| BoxedUint::from_be_slice(block, key.n_bits_precision()).ok())
        .collect();
    rate(BLOCKS, || {
        for c in &numbers {
            assert!(rsa_decrypt_and_check(key, Some(&mut SysRng), c).is_ok());
        }
    })
}

/// Returns OpenSSL's private and public operations per second; zeros if it is not installed.
fn openssl(environment: &[(&str, &str)], algorithm: &str) -> [f64; 2] {
    let mut command = Command::new("openssl");
    command.args(["speed", "-mr", "-seconds", "1", algorithm]).envs(environment.iter().copied());
    let Ok(output) = command.output() else { return [0.0; 2] };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let Some(line) = text.lines().find(|line| line.starts_with("+F2:")) else { return [0.0; 2] };
    let column = |i| line.split(':').nth(i).and_then(|value| value.parse().ok()).unwrap_or_default();
    [column(3), column(4)]
}

/// Compares an answer to MODE 3, and one private operation of each back end, with a signature of the `rsa` crate.
fn signatures() -> Vec<Row> {
    let backends = [Backend::Portable, Backend::Avx2, Backend::Ifma];
    let authority = Authority::new("Bench CA", 30).expect("a CA can be made on the machine of a bench");
    let mut rows = Vec::new();
    for bits in [1024, 2048, 4096] {
        let issued = authority.issue("Bench", bits, 30).expect("and a certificate");
        let identity = Identity::from_pem(&issued.certificate_pem, &issued.private_key_pem).expect("a pair");
        let key: RsaPrivateKey =
            rsa::pkcs8::DecodePrivateKey::from_pkcs8_pem(&issued.private_key_pem).expect("it was just made");
        let message = [7; 32];
        let by_crate = || {
            let pss = Pss::<Sha256>::new_with_salt(key.size() - 34);
            assert!(pss.sign(Some(&mut SysRng), &key, &Sha256::digest(message)).is_ok());
        };
        let batch = |backend| PrivateBatch::with_backend(&key, backend);
        let known = backends.into_iter().filter(|backend| batch(*backend).backend() == *backend);
        let batches: Vec<_> = known.map(batch).collect();
        // Both sides use the crate for keys of 4096 bits, so they differ only by noise.
        let least = if bits == 4096 { 0.95 } else { 1.0 };
        let row = |what: String| Row { what, ours: 0.0, theirs: 0.0, least };
        let first = rows.len();
        rows.push(row(format!("{bits} signature : the rsa crate's")));
        for batch in &batches {
            rows.push(row(format!("{bits} one operation, {} : the rsa crate's signature", batch.backend())));
        }
        let block = &blocks(&key)[..key.size()];
        for _ in 0..ROUNDS {
            let theirs = rate(1, by_crate);
            let signed = rate(1, || assert!(identity.sign(&message).is_ok()));
            let raw = batches.iter().map(|batch| rate(1, || assert!(batch.decrypt(block).is_ok())));
            for (row, ours) in rows[first..].iter_mut().zip([signed].into_iter().chain(raw)) {
                row.ours = row.ours.max(ours);
                row.theirs = row.theirs.max(theirs);
            }
        }
    }
    rows
}

/// Prints the share of padding in the time of encryption and decryption.
fn padding() {
    println!("\nshare of the padding (target: below 5 % of decryption)");
    let authority = Authority::new("Bench CA", 30).expect("a CA can be made on the machine of a bench");
    for bits in [1024, 2048] {
        let issued = authority.issue("Bench", bits, 30).expect("and a certificate");
        let identity = Identity::from_pem(&issued.certificate_pem, &issued.private_key_pem).expect("a pair");
        let server = identity.server_key();
        let key: RsaPrivateKey =
            rsa::pkcs8::DecodePrivateKey::from_pkcs8_pem(&issued.private_key_pem).expect("it was just made");
        let (private, public) = (PrivateBatch::new(&key), PublicBatch::new(&key.to_public_key()));
        for padding in [Padding::Oaep, Padding::Pkcs1v15] {
            let max = ServerKey::block_max(key.size(), padding);
            let plain = vec![7; BLOCKS as usize * max];
            let mut body = Vec::new();
            server.seal_blocks(padding, &plain, &mut body).expect("a bench has randomness");
            let mut best = [f64::MAX; 4];
            for _ in 0..ROUNDS {
                let mut out = Vec::new();
                let seconds = [
                    rate(1, || {
                        assert_eq!(open_blocks(&identity, Paddings::EITHER, &body).len() as u64, BLOCKS);
                    }),
                    rate(1, || assert!(private.decrypt(&body).is_ok())),
                    rate(1, || {
                        out.clear();
                        assert!(server.seal_blocks(padding, &plain, &mut out).is_ok());
                    }),
                    rate(1, || {
                        out.clear();
                        public.encrypt(&body, &mut out);
                    }),
                ];
                for (best, rate) in best.iter_mut().zip(seconds) {
                    *best = best.min(1e6 / rate / BLOCKS as f64);
                }
            }
            let [open, raw_open, seal, raw_seal] = best;
            println!(
                "{bits} {padding:<9} decryption {open:>7.2} µs per block, raw {raw_open:>7.2}: {:>5.1} % | \
                 encryption {seal:>6.2} µs, raw {raw_seal:>6.2}: {:>5.1} % | both sides {:>5.1} %",
                100.0 * (open - raw_open) / open,
                100.0 * (seal - raw_seal) / seal,
                100.0 * (open - raw_open + seal - raw_seal) / (open + seal),
            );
        }
    }
}
