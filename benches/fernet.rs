//! Compares CP2's encryption and decryption on one core with OpenSSL's AES-128-CBC-HMAC-SHA256.
//!
//! The reference does the same work without base64 and the file's digest. Then each part is measured alone.

mod support;

use std::fs;
use std::hint::black_box;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use support::{Row, SPAN, print_rows};
use upseal::event::KeyForm;
use upseal::testing::fernet::{
    Backend, Base64, Decryption, Encryption, Hash, STEP, SessionKey, TokenOpener, TokenSealer,
};
use upseal::{FileDigest, Open as _, Seal as _};

/// Bytes of a file, and of one read; both stay in the second-level cache, like the data of a transfer.
const FILE: usize = 512 << 10;
const READ: usize = 64 << 10;
/// Bytes of the loop in the first-level cache.
const PIECE: usize = 96 * STEP;

fn main() {
    println!("{}", support::machine());
    println!("back end: {}; base64: {}", Backend::best().name(), Backend::best().base64().name());
    let best = Backend::best();
    let least = |seal: bool, digest: FileDigest| match (seal, digest) {
        (true, FileDigest::None) | (false, FileDigest::Sha256) => 0.70,
        (true, FileDigest::Sha256) => 0.55,
        (false, FileDigest::None) => 0.85,
    };
    let forms = [KeyForm::Fernet, KeyForm::Raw];
    let digests = [FileDigest::None, FileDigest::Sha256];
    let mut rows = Vec::new();
    for form in forms {
        for seals in [true, false] {
            for digest in digests {
                let least = if form == KeyForm::Fernet { least(seals, digest) } else { 0.0 };
                rows.push((
                    format!("{} {}", name(form, seals), said(digest)),
                    least,
                    measure(best, form, seals, digest),
                ));
            }
        }
    }
    let mut ours = vec![0_f64; rows.len()];
    let mut theirs = 0_f64;
    // In turn, so that noise affects both sides.
    for _ in 0..support::ROUNDS {
        theirs = theirs.max(reference());
        for (best, (.., run)) in ours.iter_mut().zip(&mut rows) {
            *best = best.max(run());
        }
    }
    let rows: Vec<Row> = rows
        .into_iter()
        .zip(ours)
        .map(|((what, least, _), ours)| Row { what, ours, theirs, least })
        .collect();
    print_rows("A token in memory; theirs: openssl speed aes-128-cbc-hmac-sha256", &rows, 1e6, "MB/s");

    let mut alone = Vec::new();
    for backend in backends() {
        for (what, rate) in parts(backend) {
            alone.push(Row { what: format!("{what}, {}", backend.name()), ours: rate, theirs, least: 0.0 });
        }
    }
    for seals in [true, false] {
        for digest in digests {
            let ours = measure(Backend::Portable, KeyForm::Fernet, seals, digest)();
            let what = format!("{} {}, portable", name(KeyForm::Fernet, seals), said(digest));
            alone.push(Row { what, ours, theirs, least: 0.0 });
        }
    }
    for base64 in coders() {
        for (what, rate) in codings(base64) {
            alone.push(Row { what: format!("{what}, {}", base64.name()), ours: rate, theirs, least: 0.0 });
        }
    }
    print_rows("The parts alone, and the portable twin (bytes of plaintext)", &alone, 1e6, "MB/s");
}

fn reference() -> f64 {
    let arguments = ["-seconds", "1", "-bytes", "16384", "-evp", "aes-128-cbc-hmac-sha256"];
    support::openssl_speed(&arguments, "+F:", 3).unwrap_or(f64::NAN)
}

fn backends() -> Vec<Backend> {
    let mut all = vec![Backend::best(), Backend::Portable];
    all.dedup();
    all
}

const fn name(form: KeyForm, seals: bool) -> &'static str {
    match (form, seals) {
        (KeyForm::Fernet, true) => "seal to a token,",
        (KeyForm::Fernet, false) => "open a token,",
        (KeyForm::Raw, true) => "seal to a raw token,",
        (KeyForm::Raw, false) => "open a raw token,",
    }
}

const fn said(digest: FileDigest) -> &'static str {
    match digest {
        FileDigest::None => "digest none",
        FileDigest::Sha256 => "digest sha256",
    }
}

/// Returns a function that measures plaintext bytes per second.
fn measure(backend: Backend, form: KeyForm, seals: bool, digest: FileDigest) -> Box<dyn FnMut() -> f64> {
    let key = SessionKey::generate();
    let plain: Vec<u8> = (0..READ).map(|at| (at * 7 % 251).to_le_bytes()[0]).collect();
    let mut body = Vec::with_capacity(2 * READ);
    let seal = {
        let (key, plain) = (key.clone(), plain.clone());
        move |each: &mut dyn FnMut(&mut Vec<u8>), body: &mut Vec<u8>| {
            let mut sealer = TokenSealer::on(backend, form, &key, FILE as u64, 0, digest);
            for _ in 0..FILE / READ {
                #[expect(clippy::expect_used, reason = "as many bytes as were promised")]
                sealer.seal(black_box(&plain), body).expect("sealed");
                each(body);
            }
            #[expect(clippy::expect_used, reason = "as many bytes as were promised")]
            sealer.finish(body).expect("sealed");
            each(body);
            black_box(sealer.digest());
        }
    };
    if seals {
        return Box::new(move || rate(FILE as u64, || seal(&mut |body| body.clear(), &mut body)));
    }
    seal(&mut |_| (), &mut body);
    let mut out = Vec::with_capacity(2 * READ);
    Box::new(move || {
        rate(FILE as u64, || {
            #[expect(clippy::expect_used, reason = "a token that was just made")]
            let mut opener =
                TokenOpener::on(backend, &key, body.len() as u64, digest).expect("the length of a token");
            for piece in body.chunks(READ) {
                out.clear();
                #[expect(clippy::expect_used, reason = "a token that was just made")]
                opener.open(black_box(piece), &mut out).expect("opened");
            }
            #[expect(clippy::expect_used, reason = "a token that was just made")]
            opener.finish(&mut out).expect("the HMAC is right");
            black_box(opener.digest());
        })
    })
}

/// Measures one chain alone.
fn parts(backend: Backend) -> Vec<(&'static str, f64)> {
    let mut bytes = vec![7; PIECE];
    let mut encryption = Encryption::new(backend, &[1; 16], [2; 16]);
    let encrypt = best_of(|| encryption.encrypt(black_box(&mut bytes).as_chunks_mut().0));
    let mut decryption = Decryption::new(backend, &[1; 16], [2; 16]);
    let decrypt = best_of(|| decryption.decrypt(black_box(&mut bytes).as_chunks_mut().0));
    let mut hash = Hash::new(backend);
    let hash = best_of(|| hash.update(black_box(&bytes).as_chunks().0));
    vec![("AES-CBC encryption", encrypt), ("AES-CBC decryption", decrypt), ("SHA-256", hash)]
}

fn coders() -> Vec<Base64> {
    let mut all = vec![Base64::best(), Base64::Portable];
    all.dedup();
    all
}

fn codings(base64: Base64) -> Vec<(&'static str, f64)> {
    let bytes = vec![7; PIECE];
    let mut text = Vec::new();
    base64.encode(&bytes, &mut text);
    let mut out = Vec::with_capacity(2 * PIECE);
    let encode = best_of(|| {
        out.clear();
        base64.encode(black_box(&bytes), &mut out);
    });
    let decode = best_of(|| {
        out.clear();
        black_box(base64.decode(black_box(&text), &mut out));
    });
    vec![("base64 encoding", encode), ("base64 decoding", decode)]
}

/// Returns bytes per second of processor time, like `openssl speed`; wall-clock time would include other load.
fn rate(each: u64, mut step: impl FnMut()) -> f64 {
    step();
    let begin = spent();
    let mut done = 0;
    loop {
        step();
        done += each;
        let spent = spent().saturating_sub(begin);
        if spent >= SPAN {
            return done as f64 / spent.as_secs_f64();
        }
    }
}

/// Returns the processor time of this thread (Linux), or else wall-clock time.
fn spent() -> Duration {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let counted = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = counted.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| BEGIN.elapsed(), Duration::from_nanos)
}

fn best_of(mut step: impl FnMut()) -> f64 {
    let mut step = || (0..64).for_each(|_| step());
    (0..support::ROUNDS).map(|_| rate(64 * PIECE as u64, &mut step)).fold(0.0, f64::max)
}
