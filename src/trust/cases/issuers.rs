//! Who issued a certificate, and certificates of CAs.

use super::make::{AUTHORITY, BASIC_CONSTRAINTS, bytes, extension, fixture, issuer, openssl, signed};
use super::{BAD_SIGNATURE, BITS_1024, Case, EMPTY, NOT_X509, SEVERAL, VERSION_1, accepted, refused};

pub(super) fn trust() -> Vec<Case> {
    vec![
        refused(
            "wrong CA",
            openssl("trust/wrong-ca.crt"),
            "WrongCa",
            &["the certificate was issued by CN=TEST other CA, but the CA is CN=TEST CA,O=TEST,C=SG"],
        ),
        refused(
            "wrong CA, issued by upseal",
            issuer("TEST ours", 1024),
            "WrongCa",
            &["the certificate was issued by CN=TEST issuer, but the CA is CN=TEST CA,O=TEST,C=SG"],
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
            &["the certificate was issued by CN=TEST intermediate CA, but the CA is CN=TEST CA,O=TEST,C=SG"],
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
                "the CA's key has only 1024 bits; use 2048 or more",
            ],
        )
        .by("trust/ca-1024.crt"),
    ]
}

pub(super) fn authorities() -> Vec<Case> {
    let not_a_ca = |name, made, words| refused(name, made, "NotACa", &[words]).chosen_as_ca();
    vec![
        accepted(
            "as --ca: the assignment's, version 1",
            openssl("trust/ca.crt"),
            &["CN=TEST CA,O=TEST,C=SG"],
        )
        .chosen_as_ca(),
        accepted(
            "as --ca: issued by upseal",
            bytes("upseal's issuer", AUTHORITY.certificate_pem()),
            &["CN=TEST issuer"],
        )
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
            &["unsupported size of the certificate's key: 512 bits (supported: 1024 to 8192)"],
        )
        .chosen_as_ca(),
        refused(
            "as --ca: EC",
            openssl("trust/ec.crt"),
            "NotRsa",
            &["the certificate's key is not a usable RSA key: it is of another kind"],
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
