//! SHA-256 of a file, as a value.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// 32 bytes of SHA-256; shown as lowercase hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

/// Whether a file is hashed on its way, for what is shown of it and for receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileDigest {
    /// SHA-256.
    #[default]
    Sha256,
    /// Not at all. CP1 is hashed all the same: it costs nothing there, and its framings need it.
    None,
}

impl FileDigest {
    /// Of nothing yet.
    pub(crate) fn begin(self) -> Option<Sha256> {
        match self {
            Self::Sha256 => Some(Sha256::new()),
            Self::None => None,
        }
    }
}

impl Digest {
    /// Of bytes that are all here.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl From<Sha256> for Digest {
    fn from(hash: Sha256) -> Self {
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        str::from_utf8(&digits).map_err(|_| fmt::Error)?.fmt(f)
    }
}

/// A text that is no SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 has 64 hexadecimal digits, with `sha256:` before them or without")]
pub struct NotADigest;

impl FromStr for Digest {
    type Err = NotADigest;

    /// 64 hexadecimal digits, after `sha256:` or without it.
    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text).as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(NotADigest);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |c: u8| char::from(c).to_digit(16).ok_or(NotADigest);
            let value = digit(pair[0])? << 4 | digit(pair[1])?;
            *byte = u8::try_from(value).map_err(|_| NotADigest)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_known_vector() {
        // FIPS 180-4, the one-block example.
        assert_eq!(
            Digest::of(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn reads_what_it_shows_with_the_prefix_and_without() {
        let digest = Digest::of(b"abc");
        let text = digest.to_string();
        assert_eq!(text.parse(), Ok(digest));
        assert_eq!(format!("sha256:{text}").parse(), Ok(digest));
        assert_eq!(text.to_uppercase().parse(), Ok(digest));
        for bad in ["", "sha256:", &text[1..], &format!("{text}0"), &text.replace('a', "g"), "sha256", "é"] {
            assert_eq!(bad.parse::<Digest>(), Err(NotADigest), "{bad}");
        }
    }
}
