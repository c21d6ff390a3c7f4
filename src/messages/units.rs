//! How amounts are written: one place, so that every screen and every line says them alike.

use std::time::Duration;

use humansize::{BINARY, format_size};

/// Three significant digits and a binary unit: `7.91 MiB`, `104 MiB`, `812 B`.
#[must_use]
pub fn bytes(n: u64) -> String {
    let scaled = (0..6).map(|power| n as f64 / 1024_f64.powi(power)).find(|v| *v < 1023.95).unwrap_or(0.0);
    let places = match scaled {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format_size(n, BINARY.decimal_places(places))
}

/// A rate in bytes of the file a second: `412 MiB/s`. Not finite or negative: `—`.
#[must_use]
pub fn rate(bytes_per_second: f64) -> String {
    if !bytes_per_second.is_finite() || bytes_per_second < 0.0 {
        return "—".to_owned();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "finite and not negative, checked above; saturates"
    )]
    let whole = bytes_per_second as u64;
    format!("{}/s", bytes(whole))
}

/// A time as a person says it: `3.1 ms`, `0.02 s`, `2.7 s`, `48 s`, `5 min 53 s`, `2 h 10 min`.
#[must_use]
pub fn duration(time: Duration) -> String {
    let s = time.as_secs_f64();
    let whole = time.as_secs() + u64::from(time.subsec_millis() >= 500);
    if time.is_zero() {
        "0 s".to_owned()
    } else if s < 0.000_05 {
        "< 0.1 ms".to_owned()
    } else if s < 0.009_95 {
        format!("{:.1} ms", s * 1000.0)
    } else if s < 1.0 {
        format!("{s:.2} s")
    } else if s < 9.95 {
        format!("{s:.1} s")
    } else if whole < 60 {
        format!("{whole} s")
    } else if whole < 3600 {
        format!("{} min {} s", whole / 60, whole % 60)
    } else if whole < 48 * 3600 {
        format!("{} h {} min", whole / 3600, whole / 60 % 60)
    } else {
        format!("{} days", whole / 86_400)
    }
}

/// A time that was counted in whole milliseconds: `< 1 ms` where it was none.
#[must_use]
pub fn millis(ms: u64) -> String {
    match ms {
        0 => "< 1 ms".to_owned(),
        1..10 => format!("{ms} ms"),
        ms => duration(Duration::from_millis(ms)),
    }
}

/// A time that still runs: whole seconds, so that it does not flicker.
#[must_use]
pub fn clock(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => duration(Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_said() {
        for (us, words) in
            [(0, "0 s"), (40, "< 0.1 ms"), (60, "0.1 ms"), (3_140, "3.1 ms"), (9_960, "0.01 s")]
        {
            assert_eq!(duration(Duration::from_micros(us)), words);
        }
        assert_eq!([0, 1, 9, 10, 2_700].map(millis), ["< 1 ms", "1 ms", "9 ms", "0.01 s", "2.7 s"]);
        for (ms, words) in [
            (20, "0.02 s"),
            (999, "1.00 s"),
            (2_700, "2.7 s"),
            (9_960, "10 s"),
            (48_000, "48 s"),
            (59_600, "1 min 0 s"),
            (353_000, "5 min 53 s"),
            (7_800_000, "2 h 10 min"),
            (200_000_000, "2 days"),
        ] {
            assert_eq!(duration(Duration::from_millis(ms)), words);
        }
    }

    #[test]
    fn sizes_carry_binary_units() {
        assert_eq!(bytes(812), "812 B");
        assert_eq!(bytes(8_294_400), "7.91 MiB");
        assert_eq!(bytes(42_200), "41.2 KiB");
        assert_eq!(bytes((104 << 20) + 12_345), "104 MiB");
        assert_eq!(bytes(1 << 30), "1 GiB");
        assert_eq!(rate(432_013_312.0), "412 MiB/s");
        assert_eq!(rate(f64::NAN), "—");
    }
}
