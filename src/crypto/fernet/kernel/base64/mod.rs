//! base64url (RFC 4648, section 5) of a token's bulk, without `=`.
//!
//! The back end for AVX-512 VBMI (`vbmi`) converts whole groups of 48 bytes to 64 characters and back. The crate
//! `base64-simd` converts the rest of every piece, and everything on other processors. Both accept the same input:
//! only characters of the alphabet, and no nonzero bits after the last byte.
//!
//! Only ciphertext passes here, so nothing is secret.

use base64_simd::URL_SAFE_NO_PAD;

#[cfg(target_arch = "x86_64")]
mod vbmi;

/// Back end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base64 {
    /// The crate `base64-simd`.
    Portable,
    /// AVX-512 VBMI, and for what is less than a group the crate.
    #[cfg(target_arch = "x86_64")]
    Vbmi(vbmi::Vbmi),
}

impl Base64 {
    /// Returns the fastest back end on this machine.
    #[must_use]
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(vbmi) = vbmi::Vbmi::detect() {
            return Self::Vbmi(vbmi);
        }
        Self::Portable
    }

    /// Returns the name for display.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "base64-simd",
            #[cfg(target_arch = "x86_64")]
            Self::Vbmi(_) => "AVX-512 VBMI",
        }
    }

    /// Appends the ⌈4 n / 3⌉ characters of `bytes`.
    pub fn encode(self, bytes: &[u8], out: &mut Vec<u8>) {
        let rest = match self {
            Self::Portable => bytes,
            #[cfg(target_arch = "x86_64")]
            Self::Vbmi(vbmi) => {
                let (groups, rest) = bytes.as_chunks();
                vbmi.encode(groups, out);
                rest
            }
        };
        URL_SAFE_NO_PAD.encode_append(rest, out);
    }

    /// Appends the bytes that `text` encodes. Returns `false`, and leaves `out` unchanged, if `text` is not
    /// base64url, for example because it contains `=` or has nonzero bits after the last byte.
    #[must_use]
    pub fn decode(self, text: &[u8], out: &mut Vec<u8>) -> bool {
        let begin = out.len();
        let rest = match self {
            Self::Portable => text,
            #[cfg(target_arch = "x86_64")]
            Self::Vbmi(vbmi) => {
                let (groups, rest) = text.as_chunks();
                if !vbmi.decode(groups, out) {
                    return false;
                }
                rest
            }
        };
        let valid = URL_SAFE_NO_PAD.decode_append(rest, out).is_ok();
        if !valid {
            out.truncate(begin);
        }
        valid
    }
}

#[cfg(test)]
mod tests;
