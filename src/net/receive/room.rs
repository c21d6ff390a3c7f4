//! Bytes that a body needs on the disk, estimated by its M1: a file without room is refused before it is read.

use crate::crypto::server_key::ServerKey;
use crate::event::{Framing, Padding};

/// Bytes around the ciphertext of a Fernet token, with the longest padding in it and that of base64.
const AROUND_TOKEN: u64 = 1 + 8 + 16 + 32 + 16 + 2;

/// Returns the smallest number of plaintext bytes that a token of `m1` bytes can hold, in either key form.
pub(super) const fn token(m1: u64) -> u64 {
    (m1 / 4).saturating_mul(3).saturating_sub(AROUND_TOKEN)
}

/// Returns the number of plaintext bytes of a CP1 body whose blocks, except the last, are full. Where the hello leaves a
/// choice, the one with the fewest bytes counts.
pub(super) fn blocks(m1: u64, k: u64, framing: Option<Framing>, padding: Option<Padding>) -> u64 {
    // 8192 bits make 1024 bytes.
    let modulus = usize::try_from(k).unwrap_or(usize::MAX);
    let full = ServerKey::block_max(modulus, padding.unwrap_or(Padding::Oaep)) as u64;
    let of = |blocks: u64| blocks.saturating_sub(1).saturating_mul(full);
    match framing {
        Some(Framing::A | Framing::F) => of(m1 / k),
        Some(Framing::B) => of(m1),
        Some(Framing::C) => m1,
        // M1 is the first block's length.
        Some(Framing::D | Framing::E) => 0,
        None if m1 == u64::MAX => 0,
        None if m1.is_multiple_of(k) => of(m1 / k),
        None => m1.min(of(m1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::fernet::{raw_token_len, token_len};
    use crate::event::Terminator;
    use crate::net::framing::Layout;

    #[test]
    fn a_token_needs_no_more_room_than_its_plaintext_and_nearly_as_much() {
        for size in [0, 1, 15, 16, 17, 1000, 1 << 20, (1 << 40) + 7] {
            let fernet = token(token_len(size).unwrap());
            assert!(fernet <= size && size - fernet <= 32, "{size}: {fernet}");
            assert!(token(raw_token_len(size).unwrap()) <= size);
        }
    }

    #[test]
    fn a_cp1_body_needs_no_more_room_than_its_plaintext_whatever_its_framing_and_padding() {
        for padding in [Padding::Oaep, Padding::Pkcs1v15] {
            for framing in [Framing::A, Framing::B, Framing::C, Framing::F] {
                for size in [0_u64, 1, 62, 117, 118, 128 * 50, 1 << 30] {
                    let full = ServerKey::block_max(128, padding) as u64;
                    let count = size.div_ceil(full).max(1);
                    let m1 = Layout::of(framing, Terminator::Max, size, count, 128).m1.unwrap();
                    let (said, guessed) =
                        (blocks(m1, 128, Some(framing), Some(padding)), blocks(m1, 128, None, None));
                    assert!(said <= size && size - said <= full, "{framing} {padding} {size}: {said}");
                    assert!(guessed <= size, "{framing} {padding} {size}: {guessed}");
                    assert!(
                        size < 1 << 30 || framing == Framing::B || guessed >= size / 4,
                        "{framing}: {guessed}"
                    );
                }
            }
        }
        assert_eq!(blocks(u64::MAX, 128, None, None), 0);
    }
}
