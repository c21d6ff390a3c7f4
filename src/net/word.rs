//! Integers of the wire, and the MODEs, which are integers: each is 8 bytes, big-endian, unsigned.

/// Bytes of an integer on the wire.
pub(crate) const WORD: usize = 8;

/// Terminator of framing D by default; no length has this value.
pub(crate) const TERMINATOR: u64 = u64::MAX;

/// Returns the bytes of an integer on the wire.
#[must_use]
pub(crate) const fn word(n: u64) -> [u8; WORD] {
    n.to_be_bytes()
}

/// Returns the integer that `bytes` begin with; `None` if they are too few.
#[must_use]
pub(crate) fn read_word(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().copied().map(u64::from_be_bytes)
}

/// Kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Mode {
    /// M2 is the file's name.
    Filename = 0,
    /// M2 is the file's body.
    Data = 1,
    /// The client has finished.
    Close = 2,
    /// M2 is a message for the server to sign.
    Authenticate = 3,
    /// M2 is a session key under the server's RSA key.
    SessionKey = 4,
}

impl Mode {
    /// Returns the bytes of this MODE on the wire.
    #[must_use]
    pub(crate) const fn word(self) -> [u8; WORD] {
        word(self as u64)
    }

    /// Returns the bytes of a message: this MODE, the length of `m2`, and `m2`.
    #[must_use]
    pub(crate) fn message(self, m2: &[u8]) -> Vec<u8> {
        [&self.word()[..], &word(m2.len() as u64), m2].concat()
    }

    /// Returns the MODE of an integer.
    pub(super) const fn of(value: u64) -> Option<Self> {
        Some(match value {
            0 => Self::Filename,
            1 => Self::Data,
            2 => Self::Close,
            3 => Self::Authenticate,
            4 => Self::SessionKey,
            _ => return None,
        })
    }
}
