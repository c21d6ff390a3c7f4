//! What a transfer will cost: bytes on the wire exactly, time from what this run has measured.

use std::time::Duration;

use crate::event::{Calibration, Dialect, Learned, Padding, Target, Variant};
use crate::trust::known;

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

/// What is known of how fast files go: of this run, of runs before it, and of this computer.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// Means of this run, each for a server and a variant, in bytes of the file a second.
    seen: Vec<(Target, Variant, f64)>,
    /// Of the history.
    learned: Vec<Learned>,
    calibration: Option<Calibration>,
}

/// How long a transfer will take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Price {
    /// Such transfers to this server took so long.
    About(Duration),
    /// This computer computes for so long; nobody knows what the network and the server take.
    AtLeast(Duration),
}

impl Price {
    /// The figure alone.
    pub(super) const fn time(self) -> Duration {
        match self {
            Self::About(time) | Self::AtLeast(time) => time,
        }
    }
}

impl Rates {
    /// Keeps the latest mean.
    pub(super) fn learn(&mut self, target: &Target, variant: Variant, rate: f64) {
        if !rate.is_finite() || rate <= 0.0 {
            return;
        }
        match self.seen.iter_mut().find(|(t, v, _)| t == target && *v == variant) {
            Some(known) => known.2 = rate,
            None => self.seen.push((target.clone(), variant, rate)),
        }
    }

    /// What runs before this one took.
    pub(super) fn recall(&mut self, learned: Vec<Learned>) {
        self.learned = learned;
    }

    /// What this computer can do.
    pub(super) fn calibrate(&mut self, calibration: Calibration) {
        self.calibration = Some(calibration);
    }

    /// How long `bytes` take, if such a transfer was seen.
    pub(super) fn time(&self, target: &Target, variant: Variant, bytes: u64) -> Option<Duration> {
        let seen = self.seen.iter().find(|(t, v, _)| t == target && *v == variant).map(|(_, _, rate)| *rate);
        let learned = || match target {
            // Each run has another.
            Target::Embedded => None,
            Target::Server { address, .. } => {
                let address = known::normal(address)?;
                let is_it = |of: &&Learned| of.address == address && of.variant == variant;
                self.learned.iter().find(is_it).map(|of| of.rate)
            }
        };
        at_rate(bytes, seen.or_else(learned)?)
    }

    /// The same, or at the least what this computer has to compute for it; `key`: bytes of the server's modulus.
    pub(super) fn price(&self, target: &Target, dialect: Dialect, bytes: u64, key: u64) -> Option<Price> {
        if let Some(time) = self.time(target, dialect.variant, bytes) {
            return Some(Price::About(time));
        }
        at_rate(bytes, self.own(target, dialect, key)?).map(Price::AtLeast)
    }

    /// The most that this computer does, bytes of the file a second: for the embedded server the work of both.
    fn own(&self, target: &Target, dialect: Dialect, key: u64) -> Option<f64> {
        let Calibration { cores, speeds } = self.calibration.as_ref()?;
        let variant = if dialect.variant == Variant::Ap { Variant::Plain } else { dialect.variant };
        let is_cp1 = variant == Variant::Cp1;
        let speed = speeds
            .iter()
            .filter(|speed| speed.variant == variant)
            .find(|speed| !is_cp1 || (speed.padding == dialect.padding && speed.bits as u64 == 8 * key))?;
        // CP1's blocks go to every core. Of the others each stage has one.
        let cores = *cores as f64;
        let both = 1.0 / (1.0 / speed.seal + 1.0 / speed.open);
        Some(match target {
            Target::Server { .. } if is_cp1 => speed.seal * cores,
            Target::Server { .. } => speed.seal,
            Target::Embedded if is_cp1 || cores < 2.0 => both * cores,
            Target::Embedded => speed.seal.min(speed.open),
        })
    }
}

/// How long `bytes` take at `rate` bytes a second.
pub(super) fn at_rate(bytes: u64, rate: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(bytes as f64 / rate).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Speed;

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

    /// One megabyte a second for each thing, and two cores.
    fn calibrated() -> Rates {
        let speed = |variant, padding, seal, open| Speed { variant, padding, bits: 1024, seal, open };
        let speeds = vec![
            speed(Variant::Plain, Padding::Oaep, 8e6, 8e6),
            speed(Variant::Cp2, Padding::Oaep, 4e6, 2e6),
            speed(Variant::Cp1, Padding::Oaep, 3e6, 1e6),
            speed(Variant::Cp1, Padding::Pkcs1v15, 6e6, 2e6),
        ];
        let mut rates = Rates::default();
        rates.calibrate(Calibration { cores: 2, speeds });
        rates
    }

    #[test]
    fn before_the_first_transfer_this_computer_is_the_bound() {
        let rates = calibrated();
        let away = Target::server("lab:4321", None);
        let price = |target: &Target, dialect, key| rates.price(target, dialect, 12_000_000, key);
        let at_least = |ms| Some(Price::AtLeast(Duration::from_millis(ms)));
        let oaep = Dialect::of(Variant::Cp1);
        assert_eq!(price(&away, Dialect::of(Variant::Plain), 128), at_least(1500));
        assert_eq!(price(&away, Dialect::of(Variant::Ap), 128), at_least(1500));
        assert_eq!(
            price(&away, Dialect::of(Variant::Cp2), 128),
            at_least(3000),
            "the server is somebody else's"
        );
        assert_eq!(
            price(&Target::Embedded, Dialect::of(Variant::Cp2), 128),
            at_least(6000),
            "its stage is the slower"
        );
        assert_eq!(price(&away, oaep, 128), at_least(2000), "on both cores");
        assert_eq!(price(&Target::Embedded, oaep, 128), at_least(8000), "seal and open share them");
        let pkcs = Dialect { padding: Padding::Pkcs1v15, ..oaep };
        assert_eq!(price(&Target::Embedded, pkcs, 128), at_least(4000));
        assert_eq!(price(&away, oaep, 512), None, "nobody has measured keys of 4096 bits");
        assert_eq!(Rates::default().price(&away, oaep, 1, 128), None);
    }

    #[test]
    fn what_was_seen_counts_more_than_what_is_remembered_and_that_more_than_what_is_computed() {
        let mut rates = calibrated();
        let cp2 = Dialect::of(Variant::Cp2);
        let away = Target::server("LAB:4321", None);
        rates.recall(vec![Learned { address: "lab:4321".to_owned(), variant: Variant::Cp2, rate: 1e6 }]);
        let about = |ms| Some(Price::About(Duration::from_millis(ms)));
        assert_eq!(rates.price(&away, cp2, 2_000_000, 128), about(2000));
        let other = rates.price(&Target::server("other:1", None), cp2, 4_000_000, 128);
        assert_eq!(other, Some(Price::AtLeast(Duration::from_secs(1))));
        rates.learn(&away, Variant::Cp2, 5e5);
        assert_eq!(rates.price(&away, cp2, 2_000_000, 128), about(4000));
    }
}
