//! A table of certificates: the case, how it was made, the verdict, the sentences for the user.
//!
//! `docs/certificates.md` is this table for readers; `UPDATE_DOCS=1 cargo test --lib trust` writes it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::too_many_lines, clippy::items_after_statements, reason = "a table is as long as it is")]
#![allow(clippy::cast_possible_truncation, reason = "lengths of certificates, in make")]

mod dates;
mod encodings;
mod issuers;
mod keys;
mod limits;
mod make;
mod signatures;
mod subjects;
mod walk;

use make::{Made, issuer, openssl, signed};

/// 2026-01-01, within the validity of every certificate unless its case says otherwise (2020 to 2120).
const NOW: i64 = 1_767_225_600;

/// The first and the last second of that validity.
const START: i64 = 1_577_836_800;
const END: i64 = 4_733_510_400;

struct Case {
    name: &'static str,
    made: Made,
    given: Given,
    now: i64,
    /// "accepted", or the variant of `TrustError`.
    verdict: &'static str,
    /// The error; or the description of the certificate and the warnings.
    words: Vec<&'static str>,
}

/// What reads the file.
enum Given {
    /// A client with this CA, from a server.
    Server { ca: Made },
    /// A client whose CA issued the certificate, ten days before it expires.
    Ours,
    /// A client, as its `--ca`.
    Ca,
}

impl Case {
    fn by(self, ca: &str) -> Self {
        Self { given: Given::Server { ca: openssl(ca) }, ..self }
    }

    fn ours(self) -> Self {
        Self { given: Given::Ours, ..self }
    }

    fn chosen_as_ca(self) -> Self {
        Self { given: Given::Ca, ..self }
    }

    fn at(self, now: i64) -> Self {
        Self { now, ..self }
    }
}

fn accepted(name: &'static str, made: Made, words: &[&'static str]) -> Case {
    refused(name, made, "accepted", words)
}

fn refused(name: &'static str, made: Made, verdict: &'static str, words: &[&'static str]) -> Case {
    let given = Given::Server { ca: openssl("trust/ca.crt") };
    Case { name, made, given, now: NOW, verdict, words: words.to_vec() }
}

const VERSION_1: &str = "the certificate is X.509 version 1, which cannot limit its use";
const BITS_1024: &str = "the key has only 1024 bits; use 2048 or more";
const SERVER_1024: &str =
    "CN=TEST server,O=TEST,C=SG, signed by CN=TEST CA,O=TEST,C=SG: RSA 1024 bits, 34332 days left";
const SERVER_2048: &str =
    "CN=TEST server,O=TEST,C=SG, signed by CN=TEST CA,O=TEST,C=SG: RSA 2048 bits, 34332 days left";
const MODERN: &str = "CN=TEST 2048 bits, signed by CN=TEST CA,O=TEST,C=SG: RSA 2048 bits, 34332 days left";
const BAD_SIGNATURE: &str =
    "the certificate names the CA as its issuer, but was not signed by it or was changed since";
const SEVERAL: &str = "it contains several certificates or keys (expected: exactly one certificate)";
const TRAILING: &str = "other bytes follow the certificate";
const NO_LINE: &str = "it is not a certificate: it contains no line -----BEGIN CERTIFICATE-----";
const EMPTY: &str = "it is not a certificate: it is empty";
const BAD_PEM: &str = "it is not a certificate: the PEM text is damaged";
const NOT_X509: &str = "it is not a certificate: its PEM block is not X.509";

fn cases() -> Vec<Case> {
    [
        good(),
        issuers::trust(),
        signatures::signatures(),
        dates::dates(),
        keys::keys(),
        keys::uses(),
        subjects::names(),
        encodings::encodings(),
        encodings::files(),
        issuers::authorities(),
        limits::malformed(),
        limits::without_effect(),
        limits::constraints(),
        limits::authorities(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn good() -> Vec<Case> {
    vec![
        accepted(
            "good, version 1, 1024 bits: the assignment's",
            openssl("identity-v1/server_signed.crt"),
            &[SERVER_1024, VERSION_1, BITS_1024],
        ),
        accepted("good, version 3, 1024 bits", openssl("trust/v3.crt"), &[SERVER_1024, BITS_1024]),
        accepted("good, version 3, 2048 bits", openssl("trust/modern.crt"), &[MODERN]),
        accepted("good, version 3, no extension", signed("unchanged", |_| {}), &[SERVER_2048]),
        accepted(
            "good, issued by upseal, 1024 bits",
            issuer("TEST ours", 1024),
            &["CN=TEST ours, signed by CN=TEST issuer: RSA 1024 bits, 10 days left", BITS_1024],
        )
        .ours(),
        accepted(
            "good, issued by upseal, 2048 bits",
            issuer("TEST ours", 2048),
            &["CN=TEST ours, signed by CN=TEST issuer: RSA 2048 bits, 10 days left"],
        )
        .ours(),
    ]
}
