//! Names of subjects.

use super::make::{BMP, COMMON_NAME, PRINTABLE, UTF8, common_name, issuer, name, openssl, signed};
use super::{BITS_1024, Case, SERVER_2048, VERSION_1, accepted, refused};

pub(super) fn names() -> Vec<Case> {
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
            "CN with ESC and bidi, issued by upseal",
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
            &[r"the certificate was issued by CN=\1B]0\;x\07\E2\80\AE, but the CA is CN=TEST CA,O=TEST,C=SG"],
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
            "CN that is not UTF-8",
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
