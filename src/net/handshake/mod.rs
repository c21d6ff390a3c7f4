//! Messages before the files: the hello, and the answer to MODE 3. No IO.
//!
//! The message that AP asks the server to sign must be fresh for every connection; otherwise a recorded answer could be
//! replayed. Our message is fresh and also says which dialect follows: the *hello* (docs/protocol.md, section Hello).

use thiserror::Error;

pub(crate) use self::limits::Limits;
use super::wire::{Part, WireError, checked_length};
use super::word::{WORD, read_word};
use crate::crypto::receipt::Request;
use crate::event::{Dialect, Framing, KeyForm, Padding, Terminator, Variant};

mod limits;

/// Content of a hello: the dialect that follows. `None` where the hello leaves it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// AP, CP1 or CP2; Plain sends no hello.
    pub variant: Variant,
    /// Padding of the RSA blocks.
    pub padding: Option<Padding>,
    /// CP1's framing.
    pub framing: Option<Framing>,
    /// Form of CP2's session key.
    pub key_form: Option<KeyForm>,
    /// Whether the client would like receipts.
    pub receipts: bool,
}

const PREFIX: &[u8] = b"upseal/1 ";
/// Spaces at the beginning of what TLS 1.3 signs (RFC 8446, section 4.4.3).
const TLS_SPACES: usize = 64;

/// Bytes of a hello to an unknown server.
pub(crate) const HELLO: usize = 128;
/// Bytes of a hello to a server whose key is known to have 2048 bits: as many as its signature has, because one known
/// server sends the message's length instead of the signature's.
pub(crate) const LONG_HELLO: usize = 256;
/// Random bytes in a hello of 128 bytes, each written as two hexadecimal digits.
pub const HELLO_RANDOM: usize = (HELLO - 16) / 2;
/// Random bytes in a hello of 256 bytes.
pub(crate) const LONG_HELLO_RANDOM: usize = (LONG_HELLO - 16) / 2;

/// Returns the number of random bytes in the hello to a server whose known key has `known_bits` bits.
#[must_use]
pub(crate) const fn hello_random(known_bits: Option<usize>) -> usize {
    match known_bits {
        Some(2048) => LONG_HELLO_RANDOM,
        _ => HELLO_RANDOM,
    }
}

impl Offer {
    /// Returns the content of this dialect's hello; `None` for Plain.
    #[must_use]
    pub const fn of(dialect: Dialect) -> Option<Self> {
        let (padding, framing, key_form) = match dialect.variant {
            Variant::Plain => return None,
            Variant::Ap => (None, None, None),
            Variant::Cp1 => (Some(dialect.padding), said_framing(dialect), None),
            Variant::Cp2 => (Some(dialect.padding), None, Some(dialect.key_form)),
        };
        Some(Self { variant: dialect.variant, padding, framing, key_form, receipts: true })
    }

    /// Returns the bytes of the hello: ASCII, because one known server decodes the message as UTF-8. `random` has
    /// [`HELLO_RANDOM`] or [`LONG_HELLO_RANDOM`] bytes.
    #[must_use]
    pub fn hello(&self, random: &[u8]) -> Vec<u8> {
        let mut bytes = PREFIX.to_vec();
        bytes.push(match self.variant {
            Variant::Plain | Variant::Ap => b'a',
            Variant::Cp1 => b'1',
            Variant::Cp2 => b'2',
        });
        bytes.push(match self.padding {
            Some(Padding::Oaep) => b'o',
            Some(Padding::Pkcs1v15) => b'p',
            None => b'-',
        });
        bytes.push(match self.framing {
            Some(Framing::A) => b'A',
            Some(Framing::B) => b'B',
            Some(Framing::C) => b'C',
            Some(Framing::D) => b'D',
            Some(Framing::E) => b'E',
            Some(Framing::F) => b'F',
            None => b'-',
        });
        bytes.push(match self.key_form {
            Some(KeyForm::Fernet) => b'f',
            Some(KeyForm::Raw) => b'r',
            None => b'-',
        });
        bytes.push(if self.receipts { b'r' } else { b'-' });
        bytes.extend_from_slice(b"- ");
        for byte in random {
            bytes.push(HEX[usize::from(byte >> 4)]);
            bytes.push(HEX[usize::from(byte & 15)]);
        }
        bytes
    }

    /// Returns the bytes of the hello with the Unix time instead of 8 of its digits, so not in ASCII.
    #[must_use]
    pub fn hello_at(&self, random: &[u8], unix_seconds: u64) -> Vec<u8> {
        let mut bytes = self.hello(random);
        bytes[TIMESTAMP].copy_from_slice(&unix_seconds.to_be_bytes());
        bytes
    }

    /// Parses a hello; every byte must match.
    #[must_use]
    pub fn parse(message: &[u8]) -> Option<Self> {
        if !matches!(message.len(), HELLO | LONG_HELLO) {
            return None;
        }
        let rest = message.strip_prefix(PREFIX)?;
        let (fields, random) = rest.split_first_chunk::<7>()?;
        let [variant, padding, framing, key_form, receipts, b'-', b' '] = *fields else { return None };
        // 16..24 may be a timestamp (`--auth-message timestamp`); the rest is lowercase hexadecimal.
        let (_, digits) = random.split_first_chunk::<8>()?;
        digits.iter().all(|b| HEX.contains(b)).then_some(())?;
        Some(Self {
            variant: match variant {
                b'a' => Variant::Ap,
                b'1' => Variant::Cp1,
                b'2' => Variant::Cp2,
                _ => return None,
            },
            padding: match padding {
                b'o' => Some(Padding::Oaep),
                b'p' => Some(Padding::Pkcs1v15),
                b'-' => None,
                _ => return None,
            },
            framing: match framing {
                b'A' => Some(Framing::A),
                b'B' => Some(Framing::B),
                b'C' => Some(Framing::C),
                b'D' => Some(Framing::D),
                b'E' => Some(Framing::E),
                b'F' => Some(Framing::F),
                b'-' => None,
                _ => return None,
            },
            key_form: match key_form {
                b'f' => Some(KeyForm::Fernet),
                b'r' => Some(KeyForm::Raw),
                b'-' => None,
                _ => return None,
            },
            receipts: match receipts {
                b'r' => true,
                b'-' => false,
                _ => return None,
            },
        })
    }
}

/// Returns the framing to name in the hello, for a server that knows each framing's own terminator, and D with any of
/// them; `None`: the bytes must decide.
const fn said_framing(dialect: Dialect) -> Option<Framing> {
    match (dialect.framing, dialect.terminator()) {
        (Framing::D | Framing::E, Terminator::None) => Some(Framing::E),
        (Framing::D | Framing::E, _) => Some(Framing::D),
        (framing, Terminator::None) => Some(framing),
        (_, _) => None,
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Beginning of our server's line.
const SERVER: &str = "upseal/1 server ";

/// Position of 8 digits in a hello, or of the time.
const TIMESTAMP: std::ops::Range<usize> = 16..24;

/// Returns the line before the PEM in our server's answer to a hello. It is not signed, so it may choose conveniences,
/// never security.
#[must_use]
pub(crate) fn server_line(gives_receipts: bool, idle_seconds: u64, limits: &Limits) -> String {
    format!("{SERVER}receipts={} idle={idle_seconds}{limits}\n", u8::from(gives_receipts))
}

/// Returns the words of our server's line; none if another server answered.
fn server_words(certificate: &[u8]) -> impl Iterator<Item = &str> {
    let line = certificate.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let words = str::from_utf8(line).ok().and_then(|line| line.strip_prefix(SERVER));
    words.into_iter().flat_map(|words| words.split(' '))
}

/// What a server says about receipts when it answers a hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptOffer {
    /// Nothing: the server is not an upseal server, or an attacker removed its line.
    Unmentioned,
    /// It is an upseal server and gives no receipts.
    NotGiven,
    /// It gives receipts.
    Given,
}

/// Parses the line before the PEM: whether this server gives receipts. The line is not signed, so an attacker can remove
/// it; the list of known servers notices its absence.
#[must_use]
pub(crate) fn receipt_offer(certificate: &[u8]) -> ReceiptOffer {
    let mut words = server_words(certificate).peekable();
    match (words.peek().is_some(), words.any(|word| word == "receipts=1")) {
        (false, _) => ReceiptOffer::Unmentioned,
        (true, true) => ReceiptOffer::Given,
        (true, false) => ReceiptOffer::NotGiven,
    }
}

/// Reason why our server does not sign a message: the signature could be used elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Unsignable {
    /// Begins with `upseal/` and is neither a hello nor a receipt request.
    #[error("message to sign begins with `upseal/` but is neither a hello nor a receipt request")]
    Reserved,
    /// Could be replayed as a TLS 1.3 CertificateVerify.
    #[error("message to sign looks like a TLS 1.3 handshake")]
    TlsLookAlike,
}

/// Checks that our server may sign this message (docs/protocol.md, section AP). Its length is limited by
/// [`Part::Message`].
///
/// # Errors
/// [`Unsignable`].
pub(crate) fn check_signable(message: &[u8]) -> Result<(), Unsignable> {
    let ours = || Offer::parse(message).is_some() || Request::parse(message).is_some();
    if message.starts_with(b"upseal/") && !ours() {
        return Err(Unsignable::Reserved);
    }
    let spaces = message.iter().take_while(|b| **b == b' ').count();
    if spaces >= TLS_SPACES && message[spaces..].starts_with(b"TLS 1.3") {
        return Err(Unsignable::TlsLookAlike);
    }
    Ok(())
}

/// The server's answer to MODE 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Signature over exactly the bytes of the message.
    pub signature: Vec<u8>,
    /// Certificate as PEM, with the lines around it.
    pub certificate: Vec<u8>,
}

/// Reason why an answer to MODE 3 cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// A part is too long.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Neither part holds a certificate, or both do.
    #[error("expected one part with a certificate, got {found}")]
    Certificates {
        /// 0 or 2.
        found: usize,
    },
}

/// The client's decoder of an answer: M1, M2, M1, M2, in pieces of any size.
#[derive(Debug)]
pub struct AnswerDecoder {
    /// Kind of both parts, which limits their length.
    part: Part,
    /// Bytes that came, up to the end of the answer; at most two parts at their limit.
    held: Vec<u8>,
}

impl Default for AnswerDecoder {
    fn default() -> Self {
        Self { part: Part::Answer, held: Vec::new() }
    }
}

impl AnswerDecoder {
    /// Creates a decoder of the answer to a receipt request, whose statement may be longer than any certificate.
    #[must_use]
    pub const fn for_receipt() -> Self {
        Self { part: Part::Receipt, held: Vec::new() }
    }

    /// Returns whether no byte has come yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes bytes from the front of `input`, up to the end of the answer at most. Returns how many it took, and the
    /// answer if it is whole.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn feed(&mut self, input: &[u8]) -> Result<(usize, Option<Answer>), AnswerError> {
        let mut taken = 0;
        loop {
            let missing = match self.missing()? {
                0 => return self.answer().map(|answer| (taken, Some(answer))),
                missing => missing.min(input.len() - taken),
            };
            if missing == 0 {
                return Ok((taken, None));
            }
            self.held.extend_from_slice(&input[taken..taken + missing]);
            taken += missing;
        }
    }

    /// Returns the number of missing bytes of the current length or part; 0: the answer is whole.
    fn missing(&self) -> Result<usize, WireError> {
        let mut end = 0;
        for _ in 0..2 {
            let Some(length) = self.held.get(end..).and_then(read_word) else {
                return Ok(end + WORD - self.held.len());
            };
            end += WORD + checked_length(length, self.part, end as u64)?;
            if self.held.len() < end {
                return Ok(end - self.held.len());
            }
        }
        Ok(0)
    }

    /// Splits the answer. Of its two parts, the one with a BEGIN CERTIFICATE line is the certificate.
    fn answer(&self) -> Result<Answer, AnswerError> {
        const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
        let first_len = read_word(&self.held).and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
        let (first, second) = self.held[WORD..].split_at(first_len);
        let second = &second[WORD..];
        let is_certificate = |blob: &[u8]| blob.windows(BEGIN.len()).any(|w| w == BEGIN);
        let (signature, certificate) = match (is_certificate(first), is_certificate(second)) {
            (false, true) => (first, second),
            (true, false) => (second, first),
            (one, _) => return Err(AnswerError::Certificates { found: 2 * usize::from(one) }),
        };
        Ok(Answer { signature: signature.to_vec(), certificate: certificate.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::word::word;
    use super::*;

    #[test]
    fn a_hello_says_the_dialect_byte_for_byte() {
        let random: [u8; HELLO_RANDOM] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let dialect =
            Dialect { padding: Padding::Pkcs1v15, framing: Framing::E, ..Dialect::of(Variant::Cp1) };
        let hello = Offer::of(dialect).unwrap().hello(&random);
        assert_eq!(hello.len(), HELLO);
        assert_eq!(&hello[..24], b"upseal/1 1pE-r- 00010203");
        assert!(hello.is_ascii());
        assert_eq!(Offer::of(Dialect::of(Variant::Ap)).unwrap().hello(&random)[..16], *b"upseal/1 a---r- ");
        assert_eq!(Offer::of(Dialect::of(Variant::Cp2)).unwrap().hello(&random)[..16], *b"upseal/1 2o-fr- ");
        assert_eq!(Offer::of(Dialect::of(Variant::Plain)), None);
    }

    #[test]
    fn reads_back_every_hello_it_writes() {
        for variant in [Variant::Ap, Variant::Cp1, Variant::Cp2] {
            for padding in [Padding::Oaep, Padding::Pkcs1v15] {
                for framing in [Framing::A, Framing::B, Framing::C, Framing::D, Framing::E, Framing::F] {
                    let offer = Offer::of(Dialect { padding, framing, ..Dialect::of(variant) }).unwrap();
                    assert_eq!(Offer::parse(&offer.hello(&[0xa5; HELLO_RANDOM])), Some(offer));
                    let timed = offer.hello_at(&[0xa5; HELLO_RANDOM], 0x0102_0304_0506_0708);
                    assert_eq!(timed[16..24], [1, 2, 3, 4, 5, 6, 7, 8]);
                    assert_eq!(Offer::parse(&timed), Some(offer));
                    let long = offer.hello(&[0x5a; LONG_HELLO_RANDOM]);
                    assert_eq!((long.len(), Offer::parse(&long)), (LONG_HELLO, Some(offer)));
                }
            }
        }
    }

    #[test]
    fn a_hello_with_another_byte_in_its_fields_is_rejected() {
        let hello = Offer::of(Dialect::of(Variant::Cp2)).unwrap().hello(&[7; HELLO_RANDOM]);
        for at in (0..16).chain(24..HELLO) {
            let mut other = hello.clone();
            other[at] = b'Z';
            assert_eq!(Offer::parse(&other), None, "byte {at}");
        }
        assert_eq!(Offer::parse(&hello[..127]), None);
        assert_eq!(Offer::parse(&[&hello[..], b"0"].concat()), None);
        assert!(Offer::parse(&[&hello[..], &[b'0'; 128]].concat()).is_some(), "256 bytes");
    }

    #[test]
    fn other_clients_messages_are_signed_and_reserved_or_tls_like_ones_are_not() {
        let hello = Offer::of(Dialect::of(Variant::Cp2)).unwrap().hello(&[7; HELLO_RANDOM]);
        let (request, _) = Request::new(None, 1..=2, None).unwrap();
        let request = request.to_text();
        for message in [&b"Client Request SecureStore ID"[..], b"", &[0xff; 32], &hello, request.as_bytes()] {
            assert_eq!(check_signable(message), Ok(()));
        }
        for message in [
            &b"upseal/1 stored\nrequest"[..],
            b"upseal/1 receipt\nnonce ",
            b"upseal/2 hello",
            b"upseal/",
            &hello[..100],
        ] {
            assert_eq!(check_signable(message), Err(Unsignable::Reserved));
        }
        let tls = [&[b' '; 64][..], b"TLS 1.3, server CertificateVerify\0"].concat();
        assert_eq!(check_signable(&tls), Err(Unsignable::TlsLookAlike));
        assert_eq!(check_signable(&tls[1..]), Ok(()), "63 spaces");
    }

    #[test]
    fn the_receipt_offer_is_read_only_from_the_servers_line() {
        let read = |line: &str| receipt_offer(format!("{line}-----BEGIN CERTIFICATE-----\n").as_bytes());
        assert_eq!(read(&server_line(true, 900, &Limits::default())), ReceiptOffer::Given);
        assert_eq!(read(&server_line(false, 900, &Limits::default())), ReceiptOffer::NotGiven);
        assert_eq!(
            read("upseal/1 server idle=900\n"),
            ReceiptOffer::NotGiven,
            "of a version without receipts"
        );
        for line in ["", "receipts=1\n", "a line\nupseal/1 server receipts=1\n"] {
            assert_eq!(read(line), ReceiptOffer::Unmentioned, "{line}");
        }
    }

    fn answer_bytes(first: &[u8], second: &[u8]) -> Vec<u8> {
        [&word(first.len() as u64), first, &word(second.len() as u64), second].concat()
    }

    const PEM: &[u8] =
        b"upseal/1 server idle=900\n-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n";

    #[test]
    fn reads_an_answer_in_pieces_of_any_size_and_in_either_order() {
        for (first, second) in [(&[9_u8; 128][..], PEM), (PEM, &[9; 128][..])] {
            let mut input = answer_bytes(first, second);
            let end = input.len();
            input.push(0xaa);
            for size in [1, 7, 8, 9, 1000] {
                let mut decoder = AnswerDecoder::default();
                let (mut at, mut answer) = (0, None);
                while answer.is_none() {
                    let piece = &input[at..(at + size).min(input.len())];
                    let (taken, got) = decoder.feed(piece).unwrap();
                    at += taken;
                    answer = got;
                }
                assert_eq!(at, end, "leaves what follows");
                assert_eq!(answer, Some(Answer { signature: vec![9; 128], certificate: PEM.to_vec() }));
            }
        }
    }

    #[test]
    fn rejects_an_answer_without_a_certificate_with_two_or_too_long() {
        let feed = |bytes: &[u8]| AnswerDecoder::default().feed(bytes).unwrap_err();
        assert_eq!(feed(&answer_bytes(b"x", b"y")), AnswerError::Certificates { found: 0 });
        assert_eq!(feed(&answer_bytes(PEM, PEM)), AnswerError::Certificates { found: 2 });
        assert_eq!(
            feed(&word(65_537)),
            AnswerError::Wire(WireError::TooLong { offset: 0, part: Part::Answer, length: 65_537 })
        );
        let second = [&answer_bytes(b"x", b"")[..9], &word(u64::MAX)].concat();
        assert_eq!(
            feed(&second),
            AnswerError::Wire(WireError::TooLong { offset: 9, part: Part::Answer, length: u64::MAX })
        );
    }
}
