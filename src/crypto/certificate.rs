//! Reading exactly one X.509 certificate in PEM.

use x509_cert::der::asn1::{AnyRef, BitStringRef};
use x509_cert::der::{Decode as _, Reader as _, SliceReader, Tag, Tagged as _};
use x509_cert::spki::AlgorithmIdentifierRef;
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Version};

/// Maximum length in bytes; no certificate of this protocol is longer.
pub(crate) const CERTIFICATE_MAX: usize = 64 * 1024;

/// Byte order mark that Windows' Notepad writes before UTF-8. OpenSSL skips it too.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
const BEGIN: &[u8] = b"-----BEGIN ";
const BEGIN_CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END_CERTIFICATE: &[u8] = b"-----END CERTIFICATE-----";

/// Permitted use of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The server's own key: it signs the reply to MODE 3, and decrypts.
    Server,
    /// A key that signs receipts.
    Receipts,
}

/// Extended key usage of a receipt key's certificate: `id-kp-documentSigning` (RFC 9336). It does not include
/// `serverAuth`, so no client accepts such a certificate as a server's.
pub(crate) const RECEIPTS_USE: &str = "1.3.6.1.5.5.7.3.36";

/// Why a text is not exactly one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The text is longer than [`CERTIFICATE_MAX`].
    #[error("it has {len} bytes (supported: up to {CERTIFICATE_MAX})")]
    TooLong {
        /// Length in bytes.
        len: usize,
    },
    /// The text contains only white space.
    #[error("it is empty")]
    Empty,
    /// The file is a certificate in DER.
    #[error("it is in DER, not in PEM (convert it with `openssl x509 -inform der`)")]
    Der,
    /// The line `-----BEGIN CERTIFICATE-----` is missing.
    #[error("it contains no line -----BEGIN CERTIFICATE-----")]
    NoPem,
    /// The text between the lines is not Base64, or the last line is missing.
    #[error("the PEM text is damaged")]
    BadPem,
    /// The text contains more than one PEM block.
    #[error("it contains several PEM blocks (expected: one certificate)")]
    Several,
    /// Bytes follow the certificate.
    #[error("other bytes follow the certificate")]
    TrailingBytes,
    /// The bytes are not an X.509 certificate.
    #[error("its PEM block is not X.509")]
    NotX509,
}

/// The DER of exactly one certificate; it was parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate(Vec<u8>);

impl Certificate {
    /// Reads PEM: LF or CRLF, a byte order mark, and any text before the first line, as `openssl x509 -text` writes it.
    pub(crate) fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        if text.len() > CERTIFICATE_MAX {
            return Err(CertificateError::TooLong { len: text.len() });
        }
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let mut begins = lines(text).filter(|(_, line)| line.starts_with(BEGIN));
        let (start, first) = begins.next().ok_or_else(|| not_pem(text))?;
        if begins.next().is_some() {
            return Err(CertificateError::Several);
        }
        if first.trim_ascii_end() != BEGIN_CERTIFICATE {
            return Err(CertificateError::NoPem);
        }
        let body = &text[start + first.len()..];
        let (end, last) =
            lines(body).find(|(_, line)| line.starts_with(b"-----")).ok_or(CertificateError::BadPem)?;
        let after = last.strip_prefix(END_CERTIFICATE).ok_or(CertificateError::BadPem)?;
        if !after.trim_ascii().is_empty() || !body[end + last.len()..].trim_ascii().is_empty() {
            return Err(CertificateError::TrailingBytes);
        }
        let base64: Vec<u8> = body[..end].iter().copied().filter(|c| !c.is_ascii_whitespace()).collect();
        let der = base64_simd::STANDARD.decode_to_vec(&base64).map_err(|_| CertificateError::BadPem)?;
        let (rest, parsed) = X509Certificate::from_der(&der).map_err(|_| CertificateError::NotX509)?;
        if !rest.is_empty() {
            return Err(CertificateError::TrailingBytes);
        }
        // RFC 5280, 4.1.2.1 and 4.2: there are three versions, and no extension occurs twice. `x509-parser` reads
        // other versions, and treats an extension that occurs twice as absent.
        if parsed.version().0 > X509Version::V3.0 || parsed.extensions_map().is_err() {
            return Err(CertificateError::NotX509);
        }
        strict_envelope(&der).map_err(|_| CertificateError::NotX509)?;
        Ok(Self(der))
    }

    /// Returns the DER bytes.
    #[must_use]
    pub(crate) fn der(&self) -> &[u8] {
        &self.0
    }

    /// Parses the certificate.
    pub(crate) fn parsed(&self) -> Result<X509Certificate<'_>, CertificateError> {
        X509Certificate::from_der(&self.0).map(|(_, parsed)| parsed).map_err(|_| CertificateError::NotX509)
    }
}

/// Returns why a text contains no PEM block.
fn not_pem(text: &[u8]) -> CertificateError {
    if text.trim_ascii().is_empty() {
        CertificateError::Empty
    } else if X509Certificate::from_der(text).is_ok() {
        CertificateError::Der
    } else {
        CertificateError::NoPem
    }
}

/// Checks that the parts that no signature covers are strict DER (RFC 5280, 4.1), which `x509-parser` does not:
/// otherwise one certificate could be written in several ways.
fn strict_envelope(der: &[u8]) -> x509_cert::der::Result<()> {
    let mut envelope = SliceReader::new(der)?;
    envelope.sequence(|parts| {
        AnyRef::decode(parts)?.tag().assert_eq(Tag::Sequence)?;
        AlgorithmIdentifierRef::decode(parts)?;
        let signature = BitStringRef::decode(parts)?;
        if signature.has_unused_bits() { Err(Tag::BitString.value_error().into()) } else { Ok(()) }
    })
}

/// Returns the lines with their ends, and their positions.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    text.split_inclusive(|byte| *byte == b'\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line))
    })
}
