//! Certificates and what is said of them: the case, how it was made, the verdict, the user's words.
//!
//! `docs/certificates.md` is this table for people; `UPDATE_DOCS=1 cargo test --lib trust` writes it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::too_many_lines, clippy::items_after_statements, reason = "a table is as long as it is")]
#![allow(clippy::cast_possible_truncation, reason = "lengths of certificates, in make")]

mod limits;
mod make;
mod walk;

use make::{AUTHORITY, Made, bytes, der, fixture, issuer, openssl, signed, text};
use make::{
    BASIC_CONSTRAINTS, BMP, COMMON_NAME, MD2_WITH_RSA, OIW_SHA1_WITH_RSA, PRINTABLE, SHA256_WITH_RSA, UTF8,
    algorithm, algorithm_alone, common_name, extension, general_time, name, odd, rsa_key, utc_time,
};

use super::Certificate;

/// 2026-01-01, inside the validity of every certificate that does not say otherwise (2020 to 2120).
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
    /// The error; or who it is, then the notes.
    words: Vec<&'static str>,
}

/// To what a file is given.
enum Given {
    /// Sent by a server, while this is the client's CA.
    Server { ca: Made },
    /// Sent by a server whose issuer ours is, ten days before it ends.
    Ours,
    /// The client's `--ca`.
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

const VERSION_1: &str = "the certificate is X.509 version 1: nothing in it limits its use";
const BITS_1024: &str = "the key has only 1024 bits; 2048 are the least today";
const SERVER_1024: &str =
    "CN=TEST server,O=TEST,C=SG, signed by CN=TEST CA,O=TEST,C=SG: RSA 1024 bits, 34332 days left";
const SERVER_2048: &str =
    "CN=TEST server,O=TEST,C=SG, signed by CN=TEST CA,O=TEST,C=SG: RSA 2048 bits, 34332 days left";
const MODERN: &str = "CN=TEST 2048 bits, signed by CN=TEST CA,O=TEST,C=SG: RSA 2048 bits, 34332 days left";
const BAD_SIGNATURE: &str =
    "the certificate bears the name of the CA, but was not signed by it or was changed since";
const SEVERAL: &str = "there are several certificates or keys in it; exactly one certificate is expected";
const TRAILING: &str = "there are bytes after the certificate";
const NO_LINE: &str = "it is not a certificate: there is no line -----BEGIN CERTIFICATE----- in it";
const EMPTY: &str = "it is not a certificate: it is empty";
const BAD_PEM: &str = "it is not a certificate: the PEM text is damaged";
const NOT_X509: &str = "it is not a certificate: what its PEM holds is not X.509";

fn cases() -> Vec<Case> {
    [
        good(),
        trust(),
        signatures(),
        dates(),
        keys(),
        uses(),
        names(),
        encodings(),
        files(),
        authorities(),
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
            "good, version 1, 1024 bits: the course's",
            openssl("identity-v1/server_signed.crt"),
            &[SERVER_1024, VERSION_1, BITS_1024],
        ),
        accepted("good, version 3, 1024 bits", openssl("trust/v3.crt"), &[SERVER_1024, BITS_1024]),
        accepted("good, version 3, 2048 bits", openssl("trust/modern.crt"), &[MODERN]),
        accepted("good, version 3, no extension", signed("unchanged", |_| {}), &[SERVER_2048]),
        accepted(
            "good, of our issuer, 1024 bits",
            issuer("TEST ours", 1024),
            &["CN=TEST ours, signed by CN=TEST issuer: RSA 1024 bits, 10 days left", BITS_1024],
        )
        .ours(),
        accepted(
            "good, of our issuer, 2048 bits",
            issuer("TEST ours", 2048),
            &["CN=TEST ours, signed by CN=TEST issuer: RSA 2048 bits, 10 days left"],
        )
        .ours(),
    ]
}

fn trust() -> Vec<Case> {
    vec![
        refused(
            "wrong CA",
            openssl("trust/wrong-ca.crt"),
            "WrongCa",
            &["the certificate was issued by CN=TEST other CA, and the CA is CN=TEST CA,O=TEST,C=SG"],
        ),
        refused(
            "wrong CA, ours",
            issuer("TEST ours", 1024),
            "WrongCa",
            &["the certificate was issued by CN=TEST issuer, and the CA is CN=TEST CA,O=TEST,C=SG"],
        ),
        refused(
            "wrong CA of the same name",
            openssl("trust/same-name.crt"),
            "BadSignature",
            &[BAD_SIGNATURE],
        ),
        refused(
            "through an intermediate CA",
            openssl("trust/below.crt"),
            "WrongCa",
            &["the certificate was issued by CN=TEST intermediate CA, and the CA is CN=TEST CA,O=TEST,C=SG"],
        ),
        refused(
            "self-signed",
            openssl("trust/self-signed.crt"),
            "SelfSigned",
            &["the certificate of CN=TEST server,O=TEST,C=SG is self-signed, not issued by the CA"],
        ),
        refused(
            "the CA's own certificate",
            openssl("trust/ca.crt"),
            "SelfSigned",
            &["the certificate of CN=TEST CA,O=TEST,C=SG is self-signed, not issued by the CA"],
        ),
        refused(
            "self-signed, and taken for the CA",
            openssl("trust/self-signed.crt"),
            "SelfSigned",
            &["the certificate of CN=TEST server,O=TEST,C=SG is self-signed, not issued by the CA"],
        )
        .by("trust/self-signed.crt"),
        accepted(
            "CA of 1024 bits",
            openssl("trust/by-ca-1024.crt"),
            &[
                "CN=TEST server,O=TEST,C=SG, signed by CN=TEST small CA: RSA 1024 bits, 34332 days left",
                VERSION_1,
                BITS_1024,
                "the CA's key has only 1024 bits",
            ],
        )
        .by("trust/ca-1024.crt"),
    ]
}

fn signatures() -> Vec<Case> {
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
            "the certificate's signature algorithm 1.2.840.113549.1.1.14 is not supported \
             (sha256WithRSAEncryption is)",
        ),
        unknown(
            "SHA3-256",
            openssl("trust/sha3.crt"),
            "the certificate's signature algorithm 2.16.840.1.101.3.4.3.14 is not supported \
             (sha256WithRSAEncryption is)",
        ),
        unknown(
            "PSS-signed",
            openssl("trust/pss.crt"),
            "the certificate's signature algorithm 1.2.840.113549.1.1.10 is not supported \
             (sha256WithRSAEncryption is)",
        ),
        unknown(
            "signed with ECDSA, by a CA of the same name",
            openssl("trust/ecdsa.crt"),
            "the certificate's signature algorithm 1.2.840.10045.4.3.2 is not supported \
             (sha256WithRSAEncryption is)",
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

fn dates() -> Vec<Case> {
    let v1 = || openssl("identity-v1/server_signed.crt");
    vec![
        refused(
            "expired",
            openssl("trust/expired.crt"),
            "Expired",
            &["the certificate expired on 2021-01-01 00:00 UTC; this computer's clock says 2026-01-01 00:00 UTC, 1826 days later: is the clock right?"],
        ),
        refused(
            "not yet valid",
            openssl("trust/not-yet.crt"),
            "NotYetValid",
            &["the certificate is not valid before 2119-01-01 00:00 UTC; this computer's clock says 2026-01-01 00:00 UTC, 33967 days earlier: is the clock right?"],
        ),
        accepted(
            "in its first second",
            v1(),
            &[
                "CN=TEST server,O=TEST,C=SG, signed by CN=TEST CA,O=TEST,C=SG: RSA 1024 bits, 36524 days left",
                VERSION_1,
                BITS_1024,
            ],
        )
        .at(START),
        refused(
            "a second before its first",
            v1(),
            "NotYetValid",
            &["the certificate is not valid before 2020-01-01 00:00 UTC; this computer's clock says 2019-12-31 23:59 UTC, 1.0 s earlier: is the clock right?"],
        )
        .at(START - 1),
        accepted(
            "in its last second",
            v1(),
            &[
                "CN=TEST server,O=TEST,C=SG, signed by CN=TEST CA,O=TEST,C=SG: RSA 1024 bits, 0 days left",
                VERSION_1,
                BITS_1024,
            ],
        )
        .at(END),
        refused(
            "a second after its last",
            v1(),
            "Expired",
            &["the certificate expired on 2120-01-01 00:00 UTC; this computer's clock says 2120-01-01 00:00 UTC, 1.0 s later: is the clock right?"],
        )
        .at(END + 1),
        accepted(
            "in the CA's last second",
            openssl("trust/brief.crt"),
            &[
                "CN=TEST server,O=TEST,C=SG, signed by CN=TEST brief CA: RSA 1024 bits, 32871 days left",
                VERSION_1,
                BITS_1024,
            ],
        )
        .by("trust/brief-ca.crt")
        .at(1_893_456_000),
        accepted(
            "a second after the CA's last",
            openssl("trust/brief.crt"),
            &[
                "CN=TEST server,O=TEST,C=SG, signed by CN=TEST brief CA: RSA 1024 bits, 32870 days left",
                VERSION_1,
                BITS_1024,
                "the CA itself expired on 2030-01-01 00:00 UTC",
            ],
        )
        .by("trust/brief-ca.crt")
        .at(1_893_456_001),
        refused(
            "ends before it begins",
            signed("from 2050 to 2022", |parts| {
                parts.not_before = general_time("20500101000000Z");
                parts.not_after = utc_time("220101000000Z");
            }),
            "NotYetValid",
            &["the certificate is not valid before 2050-01-01 00:00 UTC; this computer's clock says 2026-01-01 00:00 UTC, 8766 days earlier: is the clock right?"],
        ),
        accepted(
            "no end (RFC 5280, 4.1.2.5)",
            signed("to 99991231235959Z", |parts| parts.not_after = general_time("99991231235959Z")),
            &["CN=TEST server,O=TEST,C=SG, signed by CN=TEST CA,O=TEST,C=SG: RSA 2048 bits, 2912442 days left"],
        ),
        refused(
            "begins in the last second of all",
            signed("from 99991231235959Z", |parts| parts.not_before = general_time("99991231235959Z")),
            "NotYetValid",
            &["the certificate is not valid before 9999-12-31 23:59 UTC; this computer's clock says 2026-01-01 00:00 UTC, 2912442 days earlier: is the clock right?"],
        ),
        refused(
            "two digits of year, of the last century",
            signed("UTCTime to 991231235959Z", |parts| parts.not_after = utc_time("991231235959Z")),
            "Expired",
            &["the certificate expired on 1999-12-31 23:59 UTC; this computer's clock says 2026-01-01 00:00 UTC, 9497 days later: is the clock right?"],
        ),
        refused(
            "no such date",
            signed("from the 13th month", |parts| parts.not_before = utc_time("201301000000Z")),
            "NotACertificate",
            &[NOT_X509],
        ),
    ]
}

fn keys() -> Vec<Case> {
    let with = |how: &str, modulus: &[u8], exponent: &[u8]| {
        signed(how, |parts| parts.key = rsa_key(modulus, exponent))
    };
    let short = |name, file, words| refused(name, openssl(file), "TooShort", &[words]);
    let not_rsa = |name, made, words| refused(name, made, "NotRsa", &[words]);
    const DAMAGED: &str = "the certificate's key is not an RSA key that can be used: it is damaged";
    const OTHER_KIND: &str =
        "the certificate's key is not an RSA key that can be used: it is of another kind";
    const F4: &[u8] = &[1, 0, 1];
    vec![
        short(
            "512 bits",
            "trust/bits-512.crt",
            "the certificate's key has 512 bits, and at least 1024 are needed",
        ),
        short(
            "768 bits",
            "trust/bits-768.crt",
            "the certificate's key has 768 bits, and at least 1024 are needed",
        ),
        short(
            "1023 bits",
            "trust/bits-1023.crt",
            "the certificate's key has 1023 bits, and at least 1024 are needed",
        ),
        accepted(
            "1025 bits",
            openssl("trust/bits-1025.crt"),
            &[
                "CN=TEST 1025 bits, signed by CN=TEST CA,O=TEST,C=SG: RSA 1025 bits, 34332 days left",
                VERSION_1,
                "the key has only 1025 bits; 2048 are the least today",
            ],
        ),
        accepted("2048 bits, version 1", openssl("trust/bits-2048.crt"), &[MODERN, VERSION_1]),
        accepted(
            "4096 bits",
            openssl("trust/bits-4096.crt"),
            &[
                "CN=TEST 4096 bits, signed by CN=TEST CA,O=TEST,C=SG: RSA 4096 bits, 34332 days left",
                VERSION_1,
            ],
        ),
        accepted(
            "8192 bits",
            with("a number of 8192 bits for its key", &odd(8192), F4),
            &["CN=TEST server,O=TEST,C=SG, signed by CN=TEST CA,O=TEST,C=SG: RSA 8192 bits, 34332 days left"],
        ),
        not_rsa(
            "8200 bits",
            with("a number of 8200 bits for its key", &odd(8200), F4),
            "the certificate's key is not an RSA key that can be used: it has 8200 bits",
        ),
        not_rsa("exponent 1", with("the key's exponent is 1", &odd(2048), &[1]), DAMAGED),
        accepted("exponent 3", with("the key's exponent is 3", &odd(2048), &[3]), &[SERVER_2048]),
        not_rsa("even exponent", with("the key's exponent is 4", &odd(2048), &[4]), DAMAGED),
        not_rsa(
            "enormous exponent",
            with("the key's exponent has 2048 bits", &odd(2048), &odd(2048)),
            DAMAGED,
        ),
        not_rsa(
            "even modulus",
            with("the key's modulus is even", &[odd(2040), vec![0]].concat(), F4),
            DAMAGED,
        ),
        not_rsa(
            "negative modulus",
            with("the key's modulus begins with a bit 1", &odd(2048)[1..], F4),
            DAMAGED,
        ),
        not_rsa("key of no numbers", with("the key's numbers have no bytes", &[], &[]), DAMAGED),
        not_rsa("EC", openssl("trust/ec.crt"), OTHER_KIND),
        not_rsa("Ed25519", openssl("trust/ed25519.crt"), OTHER_KIND),
        not_rsa("key for RSASSA-PSS only", openssl("trust/pss-key.crt"), OTHER_KIND),
    ]
}

fn uses() -> Vec<Case> {
    let critical = |name, made, words| refused(name, made, "CriticalExtension", &[words]);
    let fine = |name, file| accepted(name, openssl(file), &[SERVER_1024, BITS_1024]);
    const NO_SIGNING: &str =
        "the certificate is for another use: its key usage does not hold digitalSignature";
    vec![
        critical(
            "unknown critical extension",
            openssl("trust/critical.crt"),
            "the certificate has a critical extension that is not understood, 1.2.3.4.5",
        ),
        fine("unknown extension, not critical", "trust/unknown.crt"),
        refused(
            "critical basicConstraints that cannot be read",
            signed("its value is 0x04 0x00", |parts| {
                parts.extensions = vec![extension(BASIC_CONSTRAINTS, true, &[4, 0])];
            }),
            "MalformedExtension",
            &["the certificate's basic constraints extension is malformed"],
        ),
        fine("critical certificatePolicies", "trust/policies.crt"),
        fine("critical nameConstraints, which bind only those below", "trust/name-constraints.crt"),
        fine("an intermediate CA that may sign answers", "trust/intermediate.crt"),
        refused("keyUsage keyCertSign only", openssl("trust/cert-sign-only.crt"), "OtherUse", &[NO_SIGNING]),
        refused(
            "keyUsage keyEncipherment only",
            openssl("trust/encipher-only.crt"),
            "OtherUse",
            &[NO_SIGNING],
        ),
        refused(
            "extendedKeyUsage codeSigning",
            openssl("trust/code-signing.crt"),
            "OtherUse",
            &["the certificate is for another use: its extended key usage does not hold serverAuth"],
        ),
        fine("extendedKeyUsage serverAuth", "trust/server-auth.crt"),
        accepted(
            "version 2",
            signed("version 2", |parts| parts.version = vec![1]),
            &[SERVER_2048, "the certificate is X.509 version 2: nothing in it limits its use"],
        ),
        refused(
            "version 4",
            signed("version 4", |parts| parts.version = vec![3]),
            "NotACertificate",
            &[NOT_X509],
        ),
        refused(
            "an extension twice",
            signed("basicConstraints twice", |parts| {
                parts.extensions = vec![extension(BASIC_CONSTRAINTS, true, &[0x30, 0]); 2];
            }),
            "NotACertificate",
            &[NOT_X509],
        ),
        accepted(
            "negative serial number",
            signed("its number is -1", |parts| parts.serial = vec![0xff]),
            &[SERVER_2048],
        ),
        refused(
            "version 1 with an extension",
            signed("no version, unknown critical extension", |parts| {
                parts.version = Vec::new();
                parts.extensions = vec![extension(&[0x2a, 3, 4, 5], true, &[5, 0])];
            }),
            "CriticalExtension",
            &["the certificate has a critical extension that is not understood, 1.2.3.4.5"],
        ),
    ]
}

fn names() -> Vec<Case> {
    let named = |how: &str, subject: Vec<u8>| signed(how, |parts| parts.subject = subject);
    vec![
        accepted(
            "CN with ESC, bidi and BEL",
            openssl("trust/esc.crt"),
            &[
                r"CN=\1B[2Jevil\E2\80\AEfdp.exe\07, signed by CN=TEST CA,O=TEST,C=SG: RSA 1024 bits, 34332 days left",
                VERSION_1,
                BITS_1024,
            ],
        ),
        accepted(
            "CN with ESC and bidi, of our issuer",
            issuer("a\u{1b}[31mb\u{202e}c", 1024),
            &[r"CN=a\1B[31mb\E2\80\AEc, signed by CN=TEST issuer: RSA 1024 bits, 10 days left", BITS_1024],
        )
        .ours(),
        refused(
            "ESC and bidi in the issuer's name",
            signed("issuer ESC ]0;x BEL, U+202E", |parts| {
                parts.issuer = common_name("\u{1b}]0;x\u{7}\u{202e}");
            }),
            "WrongCa",
            &[r"the certificate was issued by CN=\1B]0\;x\07\E2\80\AE, and the CA is CN=TEST CA,O=TEST,C=SG"],
        ),
        refused(
            "ESC in the name of one that is self-signed",
            signed("issuer and subject ESC c", |parts| {
                parts.issuer = common_name("\u{1b}c");
                parts.subject = parts.issuer.clone();
            }),
            "SelfSigned",
            &[r"the certificate of CN=\1Bc is self-signed, not issued by the CA"],
        ),
        accepted(
            "CN with NUL and line breaks",
            named("CN a NUL b CR LF c", common_name("a\0b\r\nc")),
            &[r"CN=a\00b\0D\0Ac, signed by CN=TEST CA,O=TEST,C=SG: RSA 2048 bits, 34332 days left"],
        ),
        accepted(
            "CN that looks like several parts",
            named("CN a,CN=b", common_name("a,CN=b")),
            &[r"CN=a\,CN=b, signed by CN=TEST CA,O=TEST,C=SG: RSA 2048 bits, 34332 days left"],
        ),
        accepted(
            "all that RFC 4514 escapes",
            openssl("trust/syntax.crt"),
            &[
                r#"CN=\#Zürich \\ \"x\"\;\<y\>\ ,emailAddress=a@b.c,UID=two,OU=one,O=a\,b,DC=test, signed by CN=TEST CA,O=TEST,C=SG: RSA 1024 bits, 34332 days left"#,
                VERSION_1,
                BITS_1024,
            ],
        ),
        accepted(
            "CN of 300 characters",
            named("CN 300 times x", common_name(&"x".repeat(300))),
            &[concat!(
                "CN=",
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                "…, signed by CN=TEST CA,O=TEST,C=SG: RSA 2048 bits, 34332 days left"
            )],
        ),
        accepted(
            "no subject",
            named("empty subject", name(&[])),
            &["(no name), signed by CN=TEST CA,O=TEST,C=SG: RSA 2048 bits, 34332 days left"],
        ),
        accepted(
            "CN as BMPString",
            named("CN in UTF-16", name(&[(COMMON_NAME, BMP, b"\x5c\x0f\x53\x17")])),
            &["CN=\u{5c0f}\u{5317}, signed by CN=TEST CA,O=TEST,C=SG: RSA 2048 bits, 34332 days left"],
        ),
        accepted(
            "CN that is no UTF-8",
            named("CN 0xff 0x1b as UTF8String", name(&[(COMMON_NAME, UTF8, &[0xff, 0x1b])])),
            &["CN=#FF1B, signed by CN=TEST CA,O=TEST,C=SG: RSA 2048 bits, 34332 days left"],
        ),
        accepted(
            "the CA's name in another string type",
            signed("issuer's CN as PrintableString", |parts| {
                parts.issuer = name(&[
                    (&[0x55, 4, 6], PRINTABLE, b"SG"),
                    (&[0x55, 4, 10], PRINTABLE, b"TEST"),
                    (COMMON_NAME, PRINTABLE, b"TEST CA"),
                ]);
            }),
            &[SERVER_2048],
        ),
    ]
}

fn encodings() -> Vec<Case> {
    let x509 = |name, made| refused(name, made, "NotACertificate", &[NOT_X509]);
    let damaged = |name, made| refused(name, made, "NotACertificate", &[BAD_PEM]);
    vec![
        refused(
            "trailing byte, inside the PEM",
            der("a byte 0 more", |der| der.push(0)),
            "TrailingBytes",
            &[TRAILING],
        ),
        refused(
            "trailing text, after the PEM",
            text("'x' after it", |text| text + "x"),
            "TrailingBytes",
            &[TRAILING],
        ),
        x509("cut, inside the PEM", der("last byte missing", |der| der.truncate(der.len() - 1))),
        x509(
            "length in more bytes than needed",
            der("its outer length as 83 00 xx xx", |der| {
                der[1] = 0x83;
                der.insert(2, 0);
            }),
        ),
        x509(
            "PEM of nothing",
            bytes("the two lines only", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
        ),
        damaged(
            "cut, without the last line",
            text("no END line", |text| text.replace("-----END CERTIFICATE-----\n", "")),
        ),
        damaged("no Base64", text("first M made *", |text| text.replacen("MII", "*II", 1))),
        damaged(
            "END line of another kind",
            text("END KEY CERTIFICATE", |text| text.replace("END CERT", "END KEY CERT")),
        ),
        accepted("CRLF", text("CRLF", |text| text.replace('\n', "\r\n")), &[MODERN]),
        accepted(
            "CRLF and leading text",
            text("a line before it, CRLF", |text| {
                format!("from: the lecturer\n\n{text}").replace('\n', "\r\n")
            }),
            &[MODERN],
        ),
        accepted("leading text, as OpenSSL writes it", openssl("trust/text.crt"), &[SERVER_1024, BITS_1024]),
        accepted("byte order mark", text("U+FEFF before it", |text| format!("\u{feff}{text}")), &[MODERN]),
        accepted(
            "Base64 in one line",
            text("no line breaks in it", |text| {
                let lines: Vec<_> = text.lines().collect();
                let (first, last) = (lines[0], lines[lines.len() - 1]);
                format!("{first}\n{}\n{last}", lines[1..lines.len() - 1].concat())
            }),
            &[MODERN],
        ),
    ]
}

fn files() -> Vec<Case> {
    let no_line = |name, made| refused(name, made, "NotACertificate", &[NO_LINE]);
    let several = |name, made| refused(name, made, "SeveralCertificates", &[SEVERAL]);
    let (server, ca, key) = (
        fixture("identity-v1/server_signed.crt"),
        fixture("trust/ca.crt"),
        fixture("identity-v1/server_private_key.pem"),
    );
    vec![
        several(
            "two PEM blocks: the chain",
            bytes("the certificate, then the CA's", [&*server, &ca].concat()),
        ),
        several(
            "two PEM blocks: twice the same",
            bytes("the certificate twice", [&*server, &server].concat()),
        ),
        several("with its private key", bytes("the certificate, then its key", [&*server, &key].concat())),
        several("after its private key", bytes("the key, then the certificate", [&*key, &server].concat())),
        no_line("a private key", openssl("identity-v1/server_private_key.pem")),
        no_line("PEM of another kind", openssl("trust/trusted.crt")),
        refused(
            "DER",
            bytes("DER of trust/v3.crt", Certificate::from_pem(&fixture("trust/v3.crt")).unwrap().der()),
            "NotACertificate",
            &["it is not a certificate: it is in DER, and PEM is expected (openssl x509 -inform der)"],
        ),
        refused("empty", bytes("no bytes", ""), "NotACertificate", &[EMPTY]),
        refused("one line break", bytes("LF", "\n"), "NotACertificate", &[EMPTY]),
        no_line("zeros", bytes("4096 bytes 0", [0; 4096])),
        refused(
            "1 MiB of garbage",
            bytes("a MiB of all bytes in turn", (0..=u8::MAX).cycle().take(1 << 20).collect::<Vec<_>>()),
            "NotACertificate",
            &["it is not a certificate: it has 1048576 bytes, and a certificate at most 65536"],
        ),
        refused(
            "65537 bytes, good at the end",
            text("line breaks before it", |text| "\n".repeat((64 << 10) + 1 - text.len()) + &text),
            "NotACertificate",
            &["it is not a certificate: it has 65537 bytes, and a certificate at most 65536"],
        ),
        accepted(
            "65536 bytes, good at the end",
            text("line breaks before it", |text| "\n".repeat((64 << 10) - text.len()) + &text),
            &[MODERN],
        ),
    ]
}

fn authorities() -> Vec<Case> {
    let not_a_ca = |name, made, words| refused(name, made, "NotACa", &[words]).chosen_as_ca();
    vec![
        accepted("as --ca: the course's, version 1", openssl("trust/ca.crt"), &["CN=TEST CA,O=TEST,C=SG"])
            .chosen_as_ca(),
        accepted("as --ca: ours", bytes("our issuer", AUTHORITY.certificate_pem()), &["CN=TEST issuer"])
            .chosen_as_ca(),
        accepted("as --ca: version 3, 1024 bits", openssl("trust/ca-1024.crt"), &["CN=TEST small CA"])
            .chosen_as_ca(),
        not_a_ca(
            "as --ca: a server's",
            openssl("trust/v3.crt"),
            "CN=TEST server,O=TEST,C=SG is not a CA: its certificate may not sign others",
        ),
        not_a_ca(
            "as --ca: keyUsage without keyCertSign",
            openssl("trust/ca-no-cert-sign.crt"),
            "CN=TEST CA,O=TEST,C=SG is not a CA: its certificate may not sign others",
        ),
        refused(
            "as --ca: basicConstraints twice",
            signed("CA:FALSE, then CA:TRUE", |parts| {
                parts.extensions = vec![
                    extension(BASIC_CONSTRAINTS, true, &[0x30, 0]),
                    extension(BASIC_CONSTRAINTS, true, &[0x30, 3, 1, 1, 0xff]),
                ];
            }),
            "NotACertificate",
            &[NOT_X509],
        )
        .chosen_as_ca(),
        refused(
            "as --ca: 512 bits",
            openssl("trust/bits-512.crt"),
            "TooShort",
            &["the certificate's key has 512 bits, and at least 1024 are needed"],
        )
        .chosen_as_ca(),
        refused(
            "as --ca: EC",
            openssl("trust/ec.crt"),
            "NotRsa",
            &["the certificate's key is not an RSA key that can be used: it is of another kind"],
        )
        .chosen_as_ca(),
        refused(
            "as --ca: two PEM blocks",
            bytes(
                "the certificate, then the CA's",
                [fixture("trust/v3.crt"), fixture("trust/ca.crt")].concat(),
            ),
            "SeveralCertificates",
            &[SEVERAL],
        )
        .chosen_as_ca(),
        refused("as --ca: empty", bytes("no bytes", ""), "NotACertificate", &[EMPTY]).chosen_as_ca(),
    ]
}
