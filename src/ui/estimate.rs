//! What a transfer will cost: bytes on the wire exactly, time from what this run has measured.

use std::time::Duration;

use crate::event::{Dialect, Padding, Target, Variant};

/// Modulus bytes of an RSA-1024 key, assumed until a server has shown its own.
pub(super) const USUAL_KEY: u64 = 128;

/// RSA operations of CP1 beyond which it is worth a question although no rate is known yet: about
/// a minute of RSA-1024 private operations.
pub(super) const MANY_BLOCKS: u64 = 2_000_000;

/// Bytes of the file body on the wire, under a server key of `key` bytes.
pub(super) fn wire(size: u64, dialect: Dialect, key: u64) -> u64 {
    match dialect.variant {
        Variant::Plain | Variant::Ap => size,
        Variant::Cp1 => blocks(size, dialect.padding, key).saturating_mul(key),
        // Version, time, IV and HMAC are 57 bytes; PKCS7 always adds; then base64.
        Variant::Cp2 => (size / 16).saturating_mul(16).saturating_add(73).div_ceil(3).saturating_mul(4),
    }
}

/// RSA blocks of CP1: an empty file is one empty block.
pub(super) fn blocks(size: u64, padding: Padding, key: u64) -> u64 {
    let overhead = match padding {
        Padding::Oaep => 66,
        Padding::Pkcs1v15 => 11,
    };
    size.div_ceil(key.saturating_sub(overhead).max(1)).max(1)
}

/// Mean rates of this run, each for a server and a variant, in bytes of the file a second.
#[derive(Debug, Default)]
pub(super) struct Rates(Vec<(Target, Variant, f64)>);

impl Rates {
    /// Keeps the latest mean.
    pub(super) fn learn(&mut self, target: &Target, variant: Variant, rate: f64) {
        if !rate.is_finite() || rate <= 0.0 {
            return;
        }
        match self.0.iter_mut().find(|(t, v, _)| t == target && *v == variant) {
            Some(known) => known.2 = rate,
            None => self.0.push((target.clone(), variant, rate)),
        }
    }

    /// How long `bytes` take, if such a transfer was seen.
    pub(super) fn time(&self, target: &Target, variant: Variant, bytes: u64) -> Option<Duration> {
        let (_, _, rate) = self.0.iter().find(|(t, v, _)| t == target && *v == variant)?;
        at_rate(bytes, *rate)
    }
}

/// How long `bytes` take at `rate` bytes a second.
pub(super) fn at_rate(bytes: u64, rate: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(bytes as f64 / rate).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cp1_takes_one_key_length_for_each_62_or_117_bytes() {
        let oaep = Dialect::of(Variant::Cp1);
        let pkcs = Dialect { padding: Padding::Pkcs1v15, ..oaep };
        for (size, under_oaep, under_pkcs) in
            [(0, 128, 128), (1, 128, 128), (62, 128, 128), (63, 256, 128), (117, 256, 128), (118, 256, 256)]
        {
            assert_eq!(wire(size, oaep, 128), under_oaep, "{size}");
            assert_eq!(wire(size, pkcs, 128), under_pkcs, "{size}");
        }
        assert_eq!(wire(190, oaep, 256), 256);
    }

    #[test]
    fn cp2_is_one_fernet_token() {
        let cp2 = Dialect::of(Variant::Cp2);
        // Lengths that the reference implementation gives.
        for (size, token) in [(0, 100), (15, 100), (16, 120), (31, 120), (32, 140)] {
            assert_eq!(wire(size, cp2, 128), token, "{size}");
        }
        assert_eq!(wire(1000, Dialect::of(Variant::Plain), 128), 1000);
    }

    #[test]
    fn knows_no_time_before_it_has_seen_one() {
        let mut rates = Rates::default();
        assert_eq!(rates.time(&Target::Embedded, Variant::Cp1, 1), None);
        rates.learn(&Target::Embedded, Variant::Cp1, 0.0);
        assert_eq!(rates.time(&Target::Embedded, Variant::Cp1, 1), None);
        rates.learn(&Target::Embedded, Variant::Cp1, 1e6);
        assert_eq!(rates.time(&Target::Embedded, Variant::Cp1, 3_000_000), Some(Duration::from_secs(3)));
        assert_eq!(rates.time(&Target::Embedded, Variant::Cp2, 1), None);
    }
}
