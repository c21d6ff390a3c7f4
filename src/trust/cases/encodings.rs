//! PEM, DER, and files with several blocks.

use super::make::{bytes, der, fixture, openssl, text};
use super::{
    BAD_PEM, BITS_1024, Case, EMPTY, MODERN, NO_LINE, NOT_X509, SERVER_1024, SEVERAL, TRAILING, accepted,
    refused,
};
use crate::trust::Certificate;

pub(super) fn encodings() -> Vec<Case> {
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

pub(super) fn files() -> Vec<Case> {
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
            &[
                "it is not a certificate: it is in DER, not in PEM (convert it with `openssl x509 -inform der`)",
            ],
        ),
        refused("empty", bytes("no bytes", ""), "NotACertificate", &[EMPTY]),
        refused("one line break", bytes("LF", "\n"), "NotACertificate", &[EMPTY]),
        no_line("zeros", bytes("4096 bytes 0", [0; 4096])),
        refused(
            "1 MiB of garbage",
            bytes("a MiB of all bytes in turn", (0..=u8::MAX).cycle().take(1 << 20).collect::<Vec<_>>()),
            "NotACertificate",
            &["it is not a certificate: it has 1048576 bytes (supported: up to 65536)"],
        ),
        refused(
            "65537 bytes, good at the end",
            text("line breaks before it", |text| "\n".repeat((64 << 10) + 1 - text.len()) + &text),
            "NotACertificate",
            &["it is not a certificate: it has 65537 bytes (supported: up to 65536)"],
        ),
        accepted(
            "65536 bytes, good at the end",
            text("line breaks before it", |text| "\n".repeat((64 << 10) - text.len()) + &text),
            &[MODERN],
        ),
    ]
}
