#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use getrandom::SysRng;
use rsa::hazmat::{rsa_decrypt, rsa_encrypt};
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use rsa::{BoxedUint, RsaPrivateKey, RsaPublicKey};

use super::engine::{Halves, PUBLIC_LANES};
use super::limbs::LANES;
use super::portable::Modulus;
use super::size::{Bits1024, Bits2048, Size};
use super::*;
use crate::crypto::testing::{RSA_1024, RSA_2048, issued, random};

/// Number of random operations for each back end and key length.
const OPERATIONS: usize = 2_000;

const BACKENDS: [Backend; 3] = [Backend::Portable, Backend::Avx2, Backend::Ifma];

fn keys() -> [&'static RsaPrivateKey; 2] {
    [RSA_1024.private_key_for_tests(), RSA_2048.private_key_for_tests()]
}

/// Returns `count` random blocks below the modulus, whose highest bit is set.
fn below(key: &RsaPrivateKey, count: usize) -> Vec<u8> {
    let mut blocks = random(count * key.size());
    blocks.chunks_exact_mut(key.size()).for_each(|block| block[0] &= 0x7f);
    blocks
}

fn number(block: &[u8]) -> BoxedUint {
    let bits = u32::try_from(8 * block.len()).unwrap();
    BoxedUint::from_be_slice(block, bits).unwrap()
}

/// Computes with the `rsa` crate, which uses other arithmetic.
fn oracle(key: &RsaPrivateKey, block: &[u8]) -> Vec<u8> {
    rsa_decrypt::<SysRng>(None, key, &number(block)).unwrap().to_be_bytes().into_vec()
}

fn decrypted(batch: &PrivateBatch, blocks: &[u8]) -> Vec<Vec<u8>> {
    batch.decrypt(blocks).unwrap().into_iter().map(|m| m.unwrap().to_vec()).collect()
}

#[test]
fn the_back_ends_agree_with_each_other_and_with_the_rsa_crate() {
    for key in keys() {
        let blocks = below(key, OPERATIONS);
        let expected: Vec<_> = blocks.chunks_exact(key.size()).map(|block| oracle(key, block)).collect();
        for backend in BACKENDS {
            let batch = PrivateBatch::with_backend(key, backend);
            let mut results = Vec::new();
            // Batches of 1 to 9, so that groups begin and end everywhere.
            let (mut rest, mut size) = (&blocks[..], 0);
            while !rest.is_empty() {
                size = size % 9 + 1;
                let (head, tail) = rest.split_at(rest.len().min(size * key.size()));
                results.extend(decrypted(&batch, head));
                rest = tail;
            }
            assert!(results == expected, "{backend}");
            let mut again = Vec::new();
            PublicBatch::with_backend(&key.to_public_key(), backend).encrypt(&results.concat(), &mut again);
            assert!(again == blocks, "{backend}");
        }
    }
}

/// 0, 1, n − 1, the primes and multiples of them, powers of two and their neighbours, limbs of ones.
fn edges(key: &RsaPrivateKey) -> Vec<u8> {
    let bits = key.n_bits_precision();
    let n = key.n().as_ref().clone();
    let small = |value: u64| BoxedUint::from(value).resize_to(bits);
    let mut edges = vec![small(0), small(1), small(2), n.wrapping_sub(small(1)), n.wrapping_sub(small(2))];
    for prime in key.primes() {
        let prime = prime.as_ref().resize_to(bits);
        for factor in [1, 2, 3, 0xffff_ffff, u64::MAX] {
            edges.push(prime.wrapping_mul(small(factor)));
        }
        edges.push(n.wrapping_sub(&prime));
        edges.push(prime.wrapping_add(small(1)));
        edges.push(prime.wrapping_sub(small(1)));
    }
    for shift in (1..bits - 1).filter(|shift| shift % 28 < 2 || shift % 29 < 2 || shift % 32 == 0) {
        let power = small(1).wrapping_shl_vartime(shift);
        edges.extend([power.wrapping_add(small(1)), power.wrapping_sub(small(1)), power]);
    }
    // Every second limb all ones, for each of the three ways of cutting numbers.
    for limb in [28, 29, 64] {
        for odd in [0, 1] {
            let mut bytes = vec![0; key.size()];
            for bit in (0..bits - 1).filter(|bit| bit / limb % 2 == odd) {
                let at = bytes.len() - 1 - bit as usize / 8;
                bytes[at] |= 1 << (bit % 8);
            }
            edges.push(number(&bytes));
        }
    }
    let edges = edges.iter().filter(|edge| *edge < &n);
    edges.flat_map(|edge| edge.to_be_bytes().into_vec()).collect()
}

trait ResizeTo {
    fn resize_to(&self, bits: u32) -> BoxedUint;
}

impl ResizeTo for BoxedUint {
    fn resize_to(&self, bits: u32) -> BoxedUint {
        let bytes = self.to_be_bytes();
        let start = bytes.len().saturating_sub(bits as usize / 8);
        Self::from_be_slice(&bytes[start..], bits).unwrap()
    }
}

#[test]
fn edges_are_right() {
    for key in keys() {
        let blocks = edges(key);
        assert!(blocks.len() / key.size() > 200);
        let expected: Vec<_> = blocks.chunks_exact(key.size()).map(|block| oracle(key, block)).collect();
        for backend in BACKENDS {
            let batch = PrivateBatch::with_backend(key, backend);
            assert!(decrypted(&batch, &blocks) == expected, "{backend}");
            let public = key.to_public_key();
            let mut powers = Vec::new();
            PublicBatch::with_backend(&public, backend).encrypt(&blocks, &mut powers);
            for (block, power) in blocks.chunks_exact(key.size()).zip(powers.chunks_exact(key.size())) {
                let expected = rsa_encrypt(&public, &number(block)).unwrap();
                assert_eq!(*expected.to_be_bytes(), *power, "{backend}");
            }
        }
    }
}

#[test]
fn batches_of_every_size_keep_the_order_and_refuse_blocks_above_the_modulus() {
    for key in keys() {
        let n = key.n_bytes();
        for backend in [Backend::Portable, Backend::Avx2, Backend::Ifma, Backend::Crate] {
            let batch = PrivateBatch::with_backend(key, backend);
            assert!(batch.decrypt(&[]).unwrap().is_empty());
            for size in 1..=9 {
                let mut blocks = below(key, size);
                let expected: Vec<_> = blocks.chunks_exact(n.len()).map(|block| oracle(key, block)).collect();
                let bad = size / 2;
                let all_ones = vec![0xff; n.len()];
                for wrong in [&*n, &all_ones] {
                    blocks[bad * n.len()..][..n.len()].copy_from_slice(wrong);
                    // An incomplete block at the end is ignored.
                    let with_rest = [&blocks[..], &[1, 2, 3]].concat();
                    for (i, result) in batch.decrypt(&with_rest).unwrap().into_iter().enumerate() {
                        match result {
                            Some(m) => assert!(i != bad && *m == expected[i], "{backend} {size} {i}"),
                            None => assert_eq!(i, bad, "{backend} {size}"),
                        }
                    }
                }
            }
        }
    }
}

/// Moduli whose limbs are all ones, or all zeros except at the ends: the largest sums and the smallest moduli.
fn extreme_moduli<const N: usize>() -> [[u64; N]; 4] {
    let mut sparse = [0; N];
    (sparse[0], sparse[N - 1]) = (1, 1 << 63);
    let mut other = [u64::MAX; N];
    (other[0], other[N / 2]) = (u64::MAX - 2, 0);
    let mut thin = [0; N];
    (thin[0], thin[N - 1]) = (u64::MAX, u64::MAX);
    [[u64::MAX; N], sparse, other, thin]
}

/// Numbers below n: 0, 1, n − 1 and random ones. In Montgomery's form they can be anything.
fn extreme_numbers<const N: usize>(n: &[u64; N]) -> [[u64; N]; LANES] {
    let mut less = *n;
    less[0] -= 1;
    let mut one = [0; N];
    one[0] = 1;
    let mut some = limbs::from_be(&random(8 * N));
    some[N - 1] >>= 1;
    [less, some, [0; N], one]
}

fn engines_agree_on_extremes<const H: usize, const W: usize, S: Size<H, W>>() {
    let moduli = extreme_moduli::<H>();
    let exponents = [[u64::MAX; H], [0; H], limbs::from_be(&random(8 * H)), [0x0123_4567_89ab_cdef; H]];
    for p in &moduli {
        for q in &moduli {
            let numbers = Halves(extreme_numbers(p), extreme_numbers(q));
            let (p, q) = (Modulus::new(*p), Modulus::new(*q));
            for a in &exponents {
                for b in &exponents {
                    let results = BACKENDS.map(|backend| {
                        let mut halves = numbers.clone();
                        S::half_engine(&p, &q, backend).halves(&mut halves, LANES, (a, b));
                        (halves.0, halves.1)
                    });
                    assert!(results[0] == results[1] && results[0] == results[2]);
                }
            }
        }
    }
    for n in extreme_moduli::<W>() {
        let numbers = extreme_numbers(&n);
        let mut both = [[0; W]; PUBLIC_LANES];
        both[..LANES].copy_from_slice(&numbers);
        both[LANES..].copy_from_slice(&numbers);
        let modulus = Modulus::new(n);
        for e in [1, 3, 5, 17, 65_537, u32::MAX] {
            let results = BACKENDS.map(|backend| {
                let mut x = both;
                S::public_engine(&modulus, e, backend).public(&mut x, PUBLIC_LANES);
                x
            });
            assert!(results[0] == results[1] && results[0] == results[2], "{e}");
            // (n − 1)^odd = n − 1.
            assert!(results[0][0] == numbers[0] && results[0][2] == [0; W] && results[0][3] == numbers[3]);
        }
    }
}

fn powers_of_two_are_what_doubling_makes<const N: usize>() {
    for n in extreme_moduli::<N>() {
        let modulus = Modulus::new(n);
        let mut x = [0; N];
        x[0] = 1;
        for bits in 0..=4 * 64 * N {
            assert_eq!(modulus.power_of_two(bits), x, "{bits}");
            x = limbs::double(&x, &n);
        }
        // 2 (n − 1) = n − 2.
        let less = |by| limbs::sub(&n, &limbs::from_be(&[by])).0;
        assert_eq!(limbs::double(&less(1), &n), less(2));
    }
}

#[test]
fn powers_of_two_are_right() {
    powers_of_two_are_what_doubling_makes::<8>();
    powers_of_two_are_what_doubling_makes::<16>();
}

#[test]
fn the_engines_agree_where_limbs_are_extreme() {
    engines_agree_on_extremes::<8, 16, Bits1024>();
    engines_agree_on_extremes::<16, 32, Bits2048>();
}

#[test]
fn other_public_exponents_are_right() {
    for key in keys() {
        for e in [3_u64, 5, 17, 257, 65_535, 4_294_967_295, 4_294_967_297] {
            let public = RsaPublicKey::new_unchecked(key.n().as_ref().clone(), BoxedUint::from(e));
            let blocks = below(key, 9);
            for backend in BACKENDS {
                let batch = PublicBatch::with_backend(&public, backend);
                let fits = u32::try_from(e).is_ok();
                assert_eq!(batch.backend() == Backend::Crate, !fits, "{e}");
                let mut powers = Vec::new();
                batch.encrypt(&blocks, &mut powers);
                for (block, power) in blocks.chunks_exact(key.size()).zip(powers.chunks_exact(key.size())) {
                    let expected = rsa_encrypt(&public, &number(block)).unwrap();
                    assert_eq!(*expected.to_be_bytes(), *power, "{backend} {e}");
                }
            }
        }
    }
}

/// Checks the table in `avx2`: the maximum of a column.
#[test]
fn no_column_overflows() {
    for (limbs, bits, modulus) in [(18_u128, 29_u32, 512), (37, 28, 1024), (74, 28, 2048)] {
        let limb = (1_u128 << bits) - 1;
        assert!(limbs * u128::from(bits) >= modulus + 10);
        let most = 2 * limbs * limb * limb + (1 << (64 - bits));
        assert!(most < 1 << 64, "{modulus}");
        // One more bit in each limb would be too many.
        let wider = (1_u128 << (bits + 1)) - 1;
        assert!(2 * modulus.div_ceil(u128::from(bits + 1)) * wider * wider >= 1 << 64, "{modulus}");
    }
}

#[test]
fn keys_of_other_lengths_use_the_crate() {
    let identity = issued(1536);
    let key = identity.private_key_for_tests();
    let batch = PrivateBatch::new(key);
    assert_eq!(batch.backend(), Backend::Crate);
    let blocks = below(key, 3);
    let results = decrypted(&batch, &blocks);
    assert_eq!(results, blocks.chunks_exact(192).map(|block| oracle(key, block)).collect::<Vec<_>>());
    let public = PublicBatch::new(&key.to_public_key());
    assert_eq!(public.backend(), Backend::Crate);
    let mut again = Vec::new();
    public.encrypt(&results.concat(), &mut again);
    assert_eq!(again, blocks);
}

#[test]
fn a_back_end_has_a_name() {
    for key in keys() {
        assert_eq!(PrivateBatch::new(key).backend(), Backend::best());
        assert_eq!(PublicBatch::new(&key.to_public_key()).backend(), Backend::best());
        assert_eq!(PrivateBatch::with_backend(key, Backend::Portable).backend(), Backend::Portable);
        assert_eq!(PrivateBatch::with_backend(key, Backend::Crate).backend(), Backend::Crate);
    }
}

#[test]
fn threads_share_a_batch() {
    let key = keys()[0];
    let batch = PrivateBatch::new(key);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for size in 1..20 {
                    let blocks = below(key, size);
                    let mut again = Vec::new();
                    let results = decrypted(&batch, &blocks).concat();
                    PublicBatch::new(&key.to_public_key()).encrypt(&results, &mut again);
                    assert!(again == blocks);
                }
            });
        }
    });
}
