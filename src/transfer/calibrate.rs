//! The calibration: one second of computing that measures this machine's speed, for an estimate before the first upload.
//!
//! It is measured once and cached beside the history, with what it depends on: another version, other back ends or
//! another number of processors measure again. A cache that cannot be read is measured again; a failure to write it is
//! ignored.

use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::race::engines;
use crate::crypto::authority;
use crate::crypto::fernet::{SessionKey, TokenOpener, TokenSealer};
use crate::crypto::identity::{Identity, IdentityError};
use crate::crypto::padding::Paddings;
use crate::crypto::rsa_blocks::open_blocks;
use crate::crypto::server_key::ServerKey;
use crate::crypto::{Clear, Open as _, Seal as _};
use crate::digest::FileDigest;
use crate::event::{Calibration, Engines, Padding, Speed, Variant};
use crate::files::{Access, replace};

/// The duration of each of the seven measurements (one for plaintext, two for a token, two for each padding of CP1): two
/// thirds of a second in all, and the warm-up before each.
const SLICE: Duration = Duration::from_millis(90);
/// The interval between two checks whether a transfer still runs.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes of a step, as in a transfer.
const STEP: usize = 256 << 10;
/// Blocks of a step of CP1.
const BLOCKS: usize = 64;

/// The content of the cache file.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    version: String,
    engines: Engines,
    calibration: Calibration,
}

/// Returns the cached calibration, if it is still valid; otherwise measures for a second and caches the result. While
/// `is_busy`, it waits, so that calibration and transfer do not disturb each other.
///
/// # Errors
/// A throwaway key cannot be created.
pub(super) fn run(kept: Option<&Path>, is_busy: &dyn Fn() -> bool) -> Result<Calibration, IdentityError> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    if let Some(calibration) = kept.and_then(|path| read(path, cores)) {
        return Ok(calibration);
    }
    let calibration = Calibration { cores, speeds: measure(&Slice { time: SLICE, is_busy })? };
    if let Some(path) = kept {
        write(path, &calibration);
    }
    Ok(calibration)
}

fn read(path: &Path, cores: usize) -> Option<Calibration> {
    let kept: Kept = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let sound = |speed: &Speed| [speed.seal, speed.open].iter().all(|rate| rate.is_finite() && *rate > 0.0);
    let holds = kept.version == env!("CARGO_PKG_VERSION")
        && kept.engines == engines()
        && kept.calibration.cores == cores
        && kept.calibration.speeds.iter().all(sound);
    holds.then_some(kept.calibration)
}

/// Writes the cache atomically, because two programs may do so at once.
fn write(path: &Path, calibration: &Calibration) {
    let kept = Kept {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        engines: engines(),
        calibration: calibration.clone(),
    };
    // Plain values always serialise.
    let Ok(text) = serde_json::to_vec_pretty(&kept) else { return };
    // If it fails, the next start measures again.
    let _ = replace(path, &text, Access::Private);
}

/// Measures each variant and padding, for a slice of time or one step, whichever takes longer.
fn measure(slice: &Slice<'_>) -> Result<Vec<Speed>, IdentityError> {
    let (own, _) = authority::throwaway_of(authority::THROWAWAY_BITS)?;
    let bits = own.modulus_bytes() * 8;
    let plain = vec![0x5a; STEP];
    let mut speeds = vec![clear(&plain, bits, slice), token(&plain, bits, slice)];
    for padding in [Padding::Oaep, Padding::Pkcs1v15] {
        speeds.extend(blocks(&own, padding, bits, slice));
    }
    Ok(speeds)
}

/// Measures Plain and AP: the SHA-256, on either side.
fn clear(plain: &[u8], bits: usize, slice: &Slice<'_>) -> Speed {
    let mut clear = Clear::new(u64::MAX, FileDigest::Sha256);
    let rate = rate(slice, || {
        clear.pass(plain);
        plain.len()
    });
    Speed { variant: Variant::Plain, padding: Padding::Oaep, bits, seal: rate, open: rate }
}

fn token(plain: &[u8], bits: usize, slice: &Slice<'_>) -> Speed {
    let key = SessionKey::generate();
    let mut token = Vec::new();
    let seal = rate(slice, || {
        token.clear();
        let mut to = TokenSealer::new(&key, plain.len() as u64, 0, FileDigest::Sha256);
        // The sealer was created for exactly these bytes.
        let whole = to.seal(plain, &mut token).and_then(|()| to.finish(&mut token));
        if whole.is_ok() { plain.len() } else { 0 }
    });
    let mut opened = Vec::new();
    let open = rate(slice, || {
        opened.clear();
        let whole = TokenOpener::new(&key, token.len() as u64, FileDigest::Sha256).and_then(|mut from| {
            from.open(&token, &mut opened)?;
            from.finish(&mut opened)
        });
        if whole.is_ok() { opened.len() } else { 0 }
    });
    Speed { variant: Variant::Cp2, padding: Padding::Oaep, bits, seal, open }
}

/// Measures CP1. Returns `None` for a key whose blocks hold no byte, which a throwaway key is not.
fn blocks(own: &Identity, padding: Padding, bits: usize, slice: &Slice<'_>) -> Option<Speed> {
    let key = own.server_key();
    let plain = vec![0x5a; BLOCKS * ServerKey::block_max(key.modulus_bytes(), padding)];
    let mut sealed = Vec::new();
    let seal = rate(slice, || {
        sealed.clear();
        if key.seal_blocks(padding, &plain, &mut sealed).is_ok() { plain.len() } else { 0 }
    });
    let open =
        rate(slice, || if open_blocks(own, Paddings::EITHER, &sealed).is_empty() { 0 } else { plain.len() });
    (seal > 0.0 && open > 0.0).then_some(Speed { variant: Variant::Cp1, padding, bits, seal, open })
}

/// The duration of a measurement, and when to pause.
struct Slice<'a> {
    time: Duration,
    is_busy: &'a dyn Fn() -> bool,
}

/// Measures the rate of a step, which returns the bytes that it processed, in bytes per second. The first step is a warm-up.
/// If a transfer begins meanwhile, the measurement is repeated.
fn rate(slice: &Slice<'_>, mut step: impl FnMut() -> usize) -> f64 {
    loop {
        while (slice.is_busy)() {
            thread::sleep(LOOK);
        }
        step();
        let (begin, mut bytes) = (Instant::now(), 0);
        loop {
            bytes += step();
            let elapsed = begin.elapsed();
            if (slice.is_busy)() {
                break;
            }
            if elapsed >= slice.time {
                return bytes as f64 / elapsed.as_secs_f64();
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn every_variant_has_a_speed_and_cp1_is_the_slowest() {
        let speeds = measure(&Slice { time: Duration::ZERO, is_busy: &|| false }).unwrap();
        let of = |variant| speeds.iter().filter(move |speed| speed.variant == variant);
        assert_eq!(
            (of(Variant::Plain).count(), of(Variant::Cp2).count(), of(Variant::Cp1).count()),
            (1, 1, 2)
        );
        assert!(speeds.iter().all(|speed| speed.seal > 0.0 && speed.open > 0.0), "{speeds:?}");
        assert!(speeds.iter().all(|speed| speed.bits == 1024));
        // A private operation is some hundred times the work of anything symmetric.
        let cp2 = of(Variant::Cp2).map(|speed| speed.open).next().unwrap();
        assert!(of(Variant::Cp1).all(|speed| speed.open < cp2), "{speeds:?}");
    }

    #[test]
    fn nothing_is_measured_while_a_transfer_runs_and_a_disturbed_measurement_is_repeated() {
        // Busy at the first check, and again at the end of the first measurement.
        let busy = [true, false, true, false, false];
        let (looks, steps) = (Cell::new(0), Cell::new(0));
        let is_busy = || {
            looks.set(looks.get() + 1);
            busy[looks.get() - 1]
        };
        let slice = Slice { time: Duration::ZERO, is_busy: &is_busy };
        let rate = rate(&slice, || {
            assert!(looks.get() > 1, "it waits");
            steps.set(steps.get() + 1);
            1
        });
        assert!(rate > 0.0);
        assert_eq!((looks.get(), steps.get()), (busy.len(), 4), "each time one to warm up");
    }

    #[test]
    fn the_cache_is_used_while_program_and_machine_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibration.json");
        let cores = 3;
        let speed = Speed { variant: Variant::Cp2, padding: Padding::Oaep, bits: 1024, seal: 5e8, open: 6e8 };
        let calibration = Calibration { cores, speeds: vec![speed] };
        assert_eq!(read(&path, cores), None);
        write(&path, &calibration);
        assert_eq!(read(&path, cores), Some(calibration));
        assert_eq!(read(&path, 4), None, "other processors");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        let text = fs::read_to_string(&path).unwrap();
        for (from, to) in [
            (env!("CARGO_PKG_VERSION"), "0.0.0"),
            (&*engines().rsa, "abacus"),
            ("500000000.0", "0.0"),
            ("{", "["),
        ] {
            assert!(text.contains(from), "{from} in {text}");
            fs::write(&path, text.replacen(from, to, 1)).unwrap();
            assert_eq!(read(&path, cores), None, "{from} is {to}");
        }
    }
}
