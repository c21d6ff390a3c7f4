//! Making the certificates of the table.

use std::path::Path;
use std::sync::LazyLock;

use rsa::RsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::sha2::Sha256;
use rsa::signature::{SignatureEncoding as _, Signer as _};

use crate::crypto::authority::Authority;
use crate::crypto::certificate::Certificate;

/// A file that the client reads, and how it was made.
pub(super) struct Made {
    pub(super) how: String,
    pub(super) file: Vec<u8>,
}

pub(super) fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

/// A certificate that the `openssl` command made, in `tests/fixtures/make.sh`.
pub(super) fn openssl(name: &str) -> Made {
    Made { how: format!("openssl: {name}"), file: fixture(name) }
}

/// These bytes.
pub(super) fn bytes(how: &str, file: impl Into<Vec<u8>>) -> Made {
    Made { how: how.into(), file: file.into() }
}

/// A good certificate whose text is changed.
pub(super) fn text(how: &str, change: impl FnOnce(String) -> String) -> Made {
    let good = String::from_utf8(fixture("trust/modern.crt")).unwrap();
    Made { how: format!("changed text of trust/modern.crt: {how}"), file: change(good).into_bytes() }
}

/// A good certificate whose DER is changed, in PEM.
pub(super) fn der(how: &str, change: impl FnOnce(&mut Vec<u8>)) -> Made {
    let mut der = Certificate::from_pem(&fixture("trust/modern.crt")).unwrap().der().to_vec();
    change(&mut der);
    Made { how: format!("changed DER of trust/modern.crt: {how}"), file: pem(&der) }
}

pub(super) static AUTHORITY: LazyLock<Authority> =
    LazyLock::new(|| Authority::new("TEST issuer", 60).unwrap());

/// A certificate that `upseal` issues for 30 days.
pub(super) fn issuer(common_name: &str, bits: usize) -> Made {
    let issued = AUTHORITY.issue(common_name, bits, 30).unwrap();
    Made { how: format!("upseal's issuer, {bits} bits"), file: issued.certificate_pem.into_bytes() }
}

/// A certificate that is assembled byte by byte and signed with the key of `trust/ca.crt`. Before the change it is a
/// good one: version 3, 2048 bits, no extension.
pub(super) fn signed(how: &str, change: impl FnOnce(&mut Parts)) -> Made {
    let server = Certificate::from_pem(&fixture("trust/v3.crt")).unwrap();
    let modern = Certificate::from_pem(&fixture("trust/modern.crt")).unwrap();
    let (server, modern) = (server.parsed().unwrap(), modern.parsed().unwrap());
    let mut parts = Parts {
        version: vec![2],
        serial: vec![1],
        inner: algorithm(SHA256_WITH_RSA),
        outer: algorithm(SHA256_WITH_RSA),
        issuer: server.issuer().as_raw().to_vec(),
        not_before: utc_time("200101000000Z"),
        not_after: general_time("21200101000000Z"),
        subject: server.subject().as_raw().to_vec(),
        key: modern.public_key().raw.to_vec(),
        extensions: Vec::new(),
        unused_bits: 0,
    };
    change(&mut parts);
    Made { how: format!("signed in the test: {how}"), file: pem(&parts.sign()) }
}

/// The CA of `trust/ca.crt` (its name and its key), version 3, with these extensions.
pub(super) fn ca_with(how: &str, extensions: &[Vec<u8>]) -> Made {
    let ca = Certificate::from_pem(&fixture("trust/ca.crt")).unwrap();
    let ca = ca.parsed().unwrap();
    let made = signed("", |parts| {
        parts.subject = ca.subject().as_raw().to_vec();
        parts.key = ca.public_key().raw.to_vec();
        parts.extensions = extensions.to_vec();
    });
    Made { how: format!("trust/ca.crt, remade in the test: {how}"), ..made }
}

pub(super) const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
pub(super) const MD2_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 2];
pub(super) const OIW_SHA1_WITH_RSA: &[u8] = &[0x2b, 14, 3, 2, 29];
pub(super) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
pub(super) const COMMON_NAME: &[u8] = &[0x55, 4, 3];

const OID: u8 = 6;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
pub(super) const UTF8: u8 = 12;
pub(super) const PRINTABLE: u8 = 19;
pub(super) const BMP: u8 = 30;

/// The parts of a certificate (RFC 5280, 4.1); each is DER, except the numbers.
pub(super) struct Parts {
    /// Empty if there is none.
    pub(super) version: Vec<u8>,
    pub(super) serial: Vec<u8>,
    pub(super) inner: Vec<u8>,
    pub(super) outer: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    pub(super) not_before: Vec<u8>,
    pub(super) not_after: Vec<u8>,
    pub(super) subject: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) extensions: Vec<Vec<u8>>,
    pub(super) unused_bits: u8,
}

impl Parts {
    fn sign(&self) -> Vec<u8> {
        let mut inside = Vec::new();
        if !self.version.is_empty() {
            inside.extend(tlv(0xa0, &tlv(2, &self.version)));
        }
        inside.extend(tlv(2, &self.serial));
        inside.extend_from_slice(&self.inner);
        inside.extend_from_slice(&self.issuer);
        inside.extend(tlv(SEQUENCE, &[self.not_before.as_slice(), &self.not_after].concat()));
        inside.extend_from_slice(&self.subject);
        inside.extend_from_slice(&self.key);
        if !self.extensions.is_empty() {
            inside.extend(tlv(0xa3, &tlv(SEQUENCE, &self.extensions.concat())));
        }
        let inside = tlv(SEQUENCE, &inside);
        let key = String::from_utf8(fixture("trust/ca_private_key.pem")).unwrap();
        let key = SigningKey::<Sha256>::new(RsaPrivateKey::from_pkcs8_pem(&key).unwrap());
        let signature = [vec![self.unused_bits], key.sign(&inside).to_vec()].concat();
        tlv(SEQUENCE, &[inside, self.outer.clone(), tlv(3, &signature)].concat())
    }
}

pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let mut out = vec![tag];
    match len {
        0..0x80 => out.push(len as u8),
        0x80..0x100 => out.extend([0x81, len as u8]),
        _ => out.extend([0x82, (len >> 8) as u8, len as u8]),
    }
    out.extend_from_slice(content);
    out
}

/// An algorithm with NULL as its parameters, as RSA has it.
pub(super) fn algorithm(oid: &[u8]) -> Vec<u8> {
    tlv(SEQUENCE, &[tlv(OID, oid), vec![5, 0]].concat())
}

pub(super) fn algorithm_alone(oid: &[u8]) -> Vec<u8> {
    tlv(SEQUENCE, &tlv(OID, oid))
}

pub(super) fn utc_time(text: &str) -> Vec<u8> {
    tlv(23, text.as_bytes())
}

pub(super) fn general_time(text: &str) -> Vec<u8> {
    tlv(24, text.as_bytes())
}

/// A name of these attributes: object identifier, string type, text.
pub(super) fn name(attributes: &[(&[u8], u8, &[u8])]) -> Vec<u8> {
    let parts = attributes
        .iter()
        .map(|(oid, tag, text)| tlv(SET, &tlv(SEQUENCE, &[tlv(OID, oid), tlv(*tag, text)].concat())));
    tlv(SEQUENCE, &parts.collect::<Vec<_>>().concat())
}

pub(super) fn common_name(text: &str) -> Vec<u8> {
    name(&[(COMMON_NAME, UTF8, text.as_bytes())])
}

pub(super) fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let flag: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    tlv(SEQUENCE, &[&tlv(OID, oid), flag, &tlv(4, value)].concat())
}

/// An RSA key of any numbers, big-endian.
pub(super) fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
    let numbers = tlv(SEQUENCE, &[tlv(2, modulus), tlv(2, exponent)].concat());
    tlv(SEQUENCE, &[algorithm(RSA), tlv(3, &[vec![0], numbers].concat())].concat())
}

/// Returns an odd number of exactly `bits` bits, a multiple of eight.
pub(super) fn odd(bits: usize) -> Vec<u8> {
    let mut number = vec![0xb5; bits / 8];
    number.insert(0, 0);
    number
}

fn pem(der: &[u8]) -> Vec<u8> {
    let base64 = base64_simd::STANDARD.encode_to_string(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n")).into_bytes()
}
