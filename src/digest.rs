//! SHA-256 digests.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest as _, Sha256};

/// Bytes read at a time.
const CHUNK: usize = 256 << 10;

/// A SHA-256 digest; displayed as 64 lowercase hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

/// Whether a file is hashed while it is sent, for display and for receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum FileDigest {
    /// SHA-256 of each file: shown, and stated by receipts.
    #[default]
    Sha256,
    /// No digest: faster, and no receipts.
    ///
    /// With CP1 files are still hashed: its framings need the digest, and hashing costs little compared with RSA.
    None,
}

impl FileDigest {
    /// Returns a fresh hash state, or `None` if the file is not hashed.
    pub(crate) fn begin(self) -> Option<Sha256> {
        match self {
            Self::Sha256 => Some(Sha256::new()),
            Self::None => None,
        }
    }
}

impl Digest {
    /// Hashes a byte string.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Hashes what is left to read; returns the digest and the number of bytes read.
    ///
    /// # Errors
    /// Reading fails. An interrupted read is repeated.
    pub fn of_reader(mut reader: impl Read) -> io::Result<(Self, u64)> {
        let (mut hash, mut length) = (Sha256::new(), 0);
        let mut chunk = vec![0; CHUNK];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok((hash.into(), length)),
                Ok(read) => {
                    hash.update(&chunk[..read]);
                    length += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
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
        HEXLOWER.encode_mut(&self.0, &mut digits);
        str::from_utf8(&digits).map_err(|_| fmt::Error)?.fmt(f)
    }
}

/// A text that cannot be parsed as a [`Digest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid SHA-256: expected 64 hexadecimal digits, with or without `sha256:` in front")]
pub struct ParseDigestError;

impl FromStr for Digest {
    type Err = ParseDigestError;

    /// Parses 64 hexadecimal digits of either case, with or without `sha256:` in front.
    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(|_| ParseDigestError)?;
        Ok(Self(bytes.try_into().map_err(|_| ParseDigestError)?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
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
            assert_eq!(bad.parse::<Digest>(), Err(ParseDigestError), "{bad}");
        }
        for longer in [text[2..].to_owned(), format!("{text}00"), text[..63].to_owned() + "\n"] {
            assert_eq!(longer.parse::<Digest>(), Err(ParseDigestError), "{longer}");
        }
    }

    #[test]
    fn readers_of_every_length_are_hashed_to_their_end() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let bytes = vec![7; length];
            assert_eq!(Digest::of_reader(&bytes[..]).unwrap(), (Digest::of(&bytes), length as u64));
        }
    }

    #[test]
    fn an_interrupted_read_is_repeated_and_any_other_error_is_returned() {
        struct Failing(Vec<io::ErrorKind>);
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                self.0.pop().map_or(Ok(0), |kind| Err(kind.into()))
            }
        }
        let interrupted = Failing(vec![io::ErrorKind::Interrupted; 3]);
        assert_eq!(Digest::of_reader(interrupted).unwrap(), (Digest::of(b""), 0));
        let broken = Failing(vec![io::ErrorKind::PermissionDenied, io::ErrorKind::Interrupted]);
        assert_eq!(Digest::of_reader(broken).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
}
