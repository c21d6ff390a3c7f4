//! Runs random RSA operations with every back end, compares the results, and prints them for OpenSSL.
//!
//! `rsa_cases BITS COUNT` prints a private key in PEM, and a line `c m` in hexadecimal for each of COUNT private
//! operations. `tests/rsa/openssl.py` repeats them. Every operation is done by all back ends and, one in [`BY_CRATE`],
//! by the `rsa` crate, and reversed by the public operation.

use std::error::Error;
use std::io::{self, BufWriter, Write};

use data_encoding::HEXLOWER;
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use rsa::RsaPrivateKey;
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
use rsa::traits::PublicKeyParts as _;
use upseal::testing::rsa::{Backend, PrivateBatch, PublicBatch, Raw};

/// One in this many operations is also done by the crate, which is ten times slower; all of the first 2,000 are.
const BY_CRATE: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let (Some(Ok(bits)), Some(Ok(count))) = (arguments.next(), arguments.next()) else {
        return Err("usage: rsa_cases BITS COUNT".into());
    };
    let key = RsaPrivateKey::new(&mut UnwrapErr(SysRng), bits)?;
    let mut out = BufWriter::new(io::stdout().lock());
    out.write_all(key.to_pkcs8_pem(LineEnding::LF)?.as_bytes())?;
    let k = key.size();
    let mut backends = vec![Backend::Portable, Backend::Avx2, Backend::Ifma];
    backends.retain(|backend| backend.exists());
    let batches: Vec<_> = backends.iter().map(|backend| PrivateBatch::with_backend(&key, *backend)).collect();
    let public = key.to_public_key();
    let publics: Vec<_> =
        backends.iter().map(|backend| PublicBatch::with_backend(&public, *backend)).collect();
    let by_crate = PrivateBatch::with_backend(&key, Backend::Crate);
    let (mut done, mut by_crate_done) = (0, 0);
    while done < count {
        // Batches of 1 to 37 blocks.
        let mut blocks = vec![0; (done % 37 + 1).min(count - done) * k];
        getrandom::fill(&mut blocks)?;
        blocks.chunks_exact_mut(k).for_each(|block| block[0] &= 0x7f);
        let results = plain(batches[0].decrypt(&blocks)?)?;
        for (batch, public) in batches.iter().zip(&publics) {
            check(plain(batch.decrypt(&blocks)?)? == results, || format!("{} differs", batch.backend()))?;
            let mut again = Vec::new();
            public.encrypt(&results.concat(), &mut again);
            check(again == blocks, || format!("{} does not come back", public.backend()))?;
        }
        if done < 2_000 || done % BY_CRATE == 0 {
            check(plain(by_crate.decrypt(&blocks)?)? == results, || "the crate differs".to_owned())?;
            by_crate_done += results.len();
        }
        done += results.len();
        for (c, m) in blocks.chunks_exact(k).zip(&results) {
            writeln!(out, "{} {}", HEXLOWER.encode(c), HEXLOWER.encode(m))?;
        }
    }
    out.flush()?;
    let names: Vec<_> = batches.iter().map(|batch| batch.backend().to_string()).collect();
    eprintln!(
        "{bits} bits: {done} operations by {} agree and come back; {by_crate_done} of them by the crate",
        names.join(", ")
    );
    Ok(())
}

fn plain(results: Vec<Raw>) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    results.into_iter().map(|m| Ok(m.ok_or("a block below the modulus was refused")?.to_vec())).collect()
}

fn check(holds: bool, why: impl Fn() -> String) -> Result<(), Box<dyn Error>> {
    if holds { Ok(()) } else { Err(why().into()) }
}
