//! The session key of CP2.

use std::fmt;

use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::Zeroizing;

/// Length of a Fernet key's text in characters: base64url of 32 bytes, including `=`.
pub(super) const TEXT_LEN: usize = 44;

/// A Fernet key: 16 bytes for signing, then 16 bytes for encryption (Fernet specification, "Key Format"). Zeroized on
/// drop.
#[derive(Clone)]
pub struct SessionKey(Zeroizing<[u8; 32]>);

impl SessionKey {
    /// Generates a fresh key with the `fernet` crate.
    ///
    /// # Panics
    /// Like that crate, if the system gives no randomness.
    #[must_use]
    pub fn generate() -> Self {
        let text = Zeroizing::new(::fernet::Fernet::generate_key());
        #[expect(
            clippy::expect_used,
            reason = "the crate encodes 32 bytes with padding: always 44 characters"
        )]
        Self::from_base64url(text.as_bytes()).expect("a generated key is a key")
    }

    /// Creates a key from 32 bytes, the form that the assignment's C edition sends.
    #[must_use]
    pub fn from_raw(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// Parses the form that Fernet libraries exchange: exactly 44 characters, canonical.
    #[must_use]
    pub fn from_base64url(text: &[u8]) -> Option<Self> {
        let text = text.try_into().ok()?;
        let (bytes, valid) = decode(text);
        bool::from(valid).then_some(Self(bytes))
    }

    /// Returns the form that Fernet libraries exchange: 44 characters.
    #[must_use]
    pub fn to_base64url(&self) -> Zeroizing<String> {
        Zeroizing::new(base64_simd::URL_SAFE.encode_to_string(self.0.as_slice()))
    }

    /// Returns the 32 bytes of the key.
    pub(super) fn as_raw(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares two keys in constant time.
    #[must_use]
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }

    /// Returns the HMAC-SHA256 key, the first 16 bytes.
    pub(super) fn signing(&self) -> &[u8; 16] {
        &self.0.as_chunks().0[0]
    }

    /// Returns the AES-128 key, the last 16 bytes.
    pub(super) fn encryption(&self) -> &[u8; 16] {
        &self.0.as_chunks().0[1]
    }

    /// Becomes `other` if `choice` is set, in constant time.
    pub(super) fn replace_if(&mut self, choice: Choice, other: &[u8; 32]) {
        for (mine, theirs) in self.0.iter_mut().zip(other) {
            mine.conditional_assign(theirs, choice);
        }
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(…)")
    }
}

/// Decodes a key's text without tables and branches. The text is secret, and whether it is a key would tell an
/// attacker that a guess at a padding was right.
pub(super) fn decode(text: &[u8; TEXT_LEN]) -> (Zeroizing<[u8; 32]>, Choice) {
    let mut bytes = Zeroizing::new([0; 32]);
    let mut valid = text[TEXT_LEN - 1].ct_eq(&b'=');
    let (mut bits, mut held, mut at) = (0_u32, 0_u32, 0);
    for &character in &text[..TEXT_LEN - 1] {
        let (value, known) = sextet(character);
        valid &= known;
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes[at] = (bits >> held).to_le_bytes()[0];
            at += 1;
        }
    }
    // 43 × 6 bits are 32 bytes and two bits, which must be zero: one key has one text.
    valid &= (bits.to_le_bytes()[0] & 0b11).ct_eq(&0);
    (bytes, valid)
}

/// Decodes one base64url character by arithmetic over all five ranges at once.
fn sextet(character: u8) -> (u8, Choice) {
    /// Returns all ones if `low <= c <= high`, else zero.
    fn within(c: i16, low: u8, high: u8) -> i16 {
        ((i16::from(low) - 1 - c) & (c - i16::from(high) - 1)) >> 8
    }
    let c = i16::from(character);
    let value = (within(c, b'A', b'Z') & (c - i16::from(b'A') + 1))
        | (within(c, b'a', b'z') & (c - i16::from(b'a') + 27))
        | (within(c, b'0', b'9') & (c - i16::from(b'0') + 53))
        | (within(c, b'-', b'-') & 63)
        | (within(c, b'_', b'_') & 64);
    // 1 to 64 for a character of the alphabet, 0 for any other.
    let value = value.to_le_bytes()[0];
    (value.wrapping_sub(1) & 0x3f, !value.ct_eq(&0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_byte_decodes_as_base64url_says() {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for byte in 0..=u8::MAX {
            let (value, known) = sextet(byte);
            match ALPHABET.iter().position(|c| *c == byte) {
                Some(position) => {
                    assert!(bool::from(known), "{byte}");
                    assert_eq!(usize::from(value), position);
                }
                None => assert!(!bool::from(known), "{byte}"),
            }
        }
    }

    #[test]
    fn a_key_survives_its_text() {
        for _ in 0..50 {
            let key = SessionKey::generate();
            let text = key.to_base64url();
            assert_eq!(text.len(), TEXT_LEN);
            assert!(::fernet::Fernet::new(&text).is_some());
            assert!(SessionKey::from_base64url(text.as_bytes()).unwrap().ct_eq(&key));
            assert!(SessionKey::from_raw(&key.0).ct_eq(&key));
            assert!(!SessionKey::generate().ct_eq(&key));
        }
    }

    #[test]
    fn a_text_that_is_not_canonical_is_no_key() {
        let good = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
        assert!(SessionKey::from_base64url(good.as_bytes()).is_some());
        for bad in [
            "",
            "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4",
            "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4==",
            "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e5=",
            "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e6=",
            "cw/0x689RpI+jtRR7oE8h/eQsKImvJapLeSbXpwF4e4=",
            "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4\n",
            " w_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
        ] {
            assert!(SessionKey::from_base64url(bad.as_bytes()).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_does_not_show_itself() {
        assert_eq!(format!("{:?}", SessionKey::generate()), "SessionKey(…)");
    }
}
