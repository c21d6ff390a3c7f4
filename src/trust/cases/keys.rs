//! Public keys and their permitted uses.

use super::make::{BASIC_CONSTRAINTS, extension, odd, openssl, rsa_key, signed};
use super::{BITS_1024, Case, MODERN, NOT_X509, SERVER_1024, SERVER_2048, VERSION_1, accepted, refused};

pub(super) fn keys() -> Vec<Case> {
    let with = |how: &str, modulus: &[u8], exponent: &[u8]| {
        signed(how, |parts| parts.key = rsa_key(modulus, exponent))
    };
    let short = |name, file, words| refused(name, openssl(file), "TooShort", &[words]);
    let not_rsa = |name, made, words| refused(name, made, "NotRsa", &[words]);
    const DAMAGED: &str = "the certificate's key is not a usable RSA key: it is damaged";
    const OTHER_KIND: &str = "the certificate's key is not a usable RSA key: it is of another kind";
    const F4: &[u8] = &[1, 0, 1];
    vec![
        short(
            "512 bits",
            "trust/bits-512.crt",
            "unsupported size of the certificate's key: 512 bits (supported: 1024 to 8192)",
        ),
        short(
            "768 bits",
            "trust/bits-768.crt",
            "unsupported size of the certificate's key: 768 bits (supported: 1024 to 8192)",
        ),
        short(
            "1023 bits",
            "trust/bits-1023.crt",
            "unsupported size of the certificate's key: 1023 bits (supported: 1024 to 8192)",
        ),
        accepted(
            "1025 bits",
            openssl("trust/bits-1025.crt"),
            &[
                "CN=TEST 1025 bits, signed by CN=TEST CA,O=TEST,C=SG: RSA 1025 bits, 34332 days left",
                VERSION_1,
                "the key has only 1025 bits; use 2048 or more",
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
            "the certificate's key is not a usable RSA key: it has 8200 bits",
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

pub(super) fn uses() -> Vec<Case> {
    let critical = |name, made, words| refused(name, made, "CriticalExtension", &[words]);
    let fine = |name, file| accepted(name, openssl(file), &[SERVER_1024, BITS_1024]);
    const NO_SIGNING: &str =
        "the certificate is for another use: its key usage does not include digitalSignature";
    vec![
        critical(
            "unknown critical extension",
            openssl("trust/critical.crt"),
            "the certificate has an unsupported critical extension: 1.2.3.4.5",
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
            &["the certificate is for another use: its extended key usage does not include serverAuth"],
        ),
        fine("extendedKeyUsage serverAuth", "trust/server-auth.crt"),
        accepted(
            "version 2",
            signed("version 2", |parts| parts.version = vec![1]),
            &[SERVER_2048, "the certificate is X.509 version 2, which cannot limit its use"],
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
            &["the certificate has an unsupported critical extension: 1.2.3.4.5"],
        ),
    ]
}
