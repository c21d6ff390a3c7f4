//! Signature algorithms and signatures.

use super::make::{
    MD2_WITH_RSA, OIW_SHA1_WITH_RSA, SHA256_WITH_RSA, algorithm, algorithm_alone, der, openssl, signed,
};
use super::{
    BAD_SIGNATURE, BITS_1024, Case, NOT_X509, SERVER_1024, SERVER_2048, VERSION_1, accepted, refused,
};

pub(super) fn signatures() -> Vec<Case> {
    let sha_2 = |name, file| accepted(name, openssl(file), &[SERVER_1024, VERSION_1, BITS_1024]);
    let weak = |name, made, words| refused(name, made, "WeakHash", &[words]);
    let unknown = |name, made, words| refused(name, made, "UnknownAlgorithm", &[words]);
    vec![
        sha_2("SHA-384", "trust/sha384.crt"),
        sha_2("SHA-512", "trust/sha512.crt"),
        weak("SHA-1", openssl("trust/sha1.crt"), "the certificate is signed with SHA-1, which can be forged"),
        weak(
            "SHA-1, under its other number",
            signed("1.3.14.3.2.29 inside and outside", |parts| {
                parts.inner = algorithm(OIW_SHA1_WITH_RSA);
                parts.outer = parts.inner.clone();
            }),
            "the certificate is signed with SHA-1, which can be forged",
        ),
        weak("MD5", openssl("trust/md5.crt"), "the certificate is signed with MD5, which can be forged"),
        weak(
            "MD2",
            signed("1.2.840.113549.1.1.2 inside and outside", |parts| {
                parts.inner = algorithm(MD2_WITH_RSA);
                parts.outer = parts.inner.clone();
            }),
            "the certificate is signed with MD2, which can be forged",
        ),
        unknown(
            "SHA-224",
            openssl("trust/sha224.crt"),
            "unsupported signature algorithm of the certificate: 1.2.840.113549.1.1.14 \
             (supported: RSA with SHA-256, SHA-384 or SHA-512)",
        ),
        unknown(
            "SHA3-256",
            openssl("trust/sha3.crt"),
            "unsupported signature algorithm of the certificate: 2.16.840.1.101.3.4.3.14 \
             (supported: RSA with SHA-256, SHA-384 or SHA-512)",
        ),
        unknown(
            "PSS-signed",
            openssl("trust/pss.crt"),
            "unsupported signature algorithm of the certificate: 1.2.840.113549.1.1.10 \
             (supported: RSA with SHA-256, SHA-384 or SHA-512)",
        ),
        unknown(
            "signed with ECDSA, by a CA of the same name",
            openssl("trust/ecdsa.crt"),
            "unsupported signature algorithm of the certificate: 1.2.840.10045.4.3.2 \
             (supported: RSA with SHA-256, SHA-384 or SHA-512)",
        ),
        accepted(
            "algorithm without parameters",
            signed("no NULL inside and outside", |parts| {
                parts.inner = algorithm_alone(SHA256_WITH_RSA);
                parts.outer = parts.inner.clone();
            }),
            &[SERVER_2048],
        ),
        refused(
            "SHA-256 inside, SHA-1 outside",
            signed("1.3.14.3.2.29 outside", |parts| parts.outer = algorithm(OIW_SHA1_WITH_RSA)),
            "AlgorithmMismatch",
            &["the certificate names two signature algorithms, 1.2.840.113549.1.1.11 inside and \
               1.3.14.3.2.29 outside"],
        ),
        refused(
            "SHA-1 inside, SHA-256 outside",
            signed("1.3.14.3.2.29 inside", |parts| parts.inner = algorithm(OIW_SHA1_WITH_RSA)),
            "AlgorithmMismatch",
            &["the certificate names two signature algorithms, 1.3.14.3.2.29 inside and \
               1.2.840.113549.1.1.11 outside"],
        ),
        refused(
            "parameters inside, none outside",
            signed("no NULL outside", |parts| parts.outer = algorithm_alone(SHA256_WITH_RSA)),
            "AlgorithmMismatch",
            &[
                "the certificate names two signature algorithms, 1.2.840.113549.1.1.11 inside and 1.2.840.113549.1.1.11 with other parameters outside",
            ],
        ),
        refused(
            "signature flipped",
            der("last bit flipped", |der| *der.last_mut().unwrap() ^= 1),
            "BadSignature",
            &[BAD_SIGNATURE],
        ),
        refused(
            "signed part flipped",
            der("'TEST 2048 bits' made 'TEST 3048 bits'", |der| {
                let at = der.windows(9).position(|part| part == b"TEST 2048").unwrap();
                der[at + 5] = b'3';
            }),
            "BadSignature",
            &[BAD_SIGNATURE],
        ),
        refused(
            "signature of zeros",
            der("last 256 bytes 0", |der| {
                let len = der.len();
                der[len - 256..].fill(0);
            }),
            "BadSignature",
            &[BAD_SIGNATURE],
        ),
        refused(
            "signature with unused bits",
            signed("the BIT STRING says 1", |parts| parts.unused_bits = 1),
            "NotACertificate",
            &[NOT_X509],
        ),
    ]
}
