//! Sizes, rates, durations and ratios: one formatter for each, used by every front end.
//!
//! `form` has the units that the user chose, which every formatter follows; the examples below are of the default form.

mod form;

use std::time::Duration;

use humansize::{BINARY, DECIMAL, format_size};

pub(crate) use self::form::{Form, use_form, with};
use self::form::{finish, form};

/// Stands where a number is not known or means nothing: `—`.
#[must_use]
pub(crate) fn none() -> String {
    finish("—".to_owned())
}

/// Formats a size with three significant digits and a unit: `7.91 MiB`, `104 MiB`, `812 B`.
#[must_use]
pub(crate) fn bytes(n: u64) -> String {
    let (units, base) = if form().decimal { (DECIMAL, 1000.0_f64) } else { (BINARY, 1024.0) };
    let scaled = (0..6).map(|power| n as f64 / base.powi(power)).find(|v| *v < base).unwrap_or(0.0);
    let places = match scaled {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    finish(format_size(n, units.decimal_places(places)))
}

/// Returns the size for which races are compared, and its name: `1 GiB`, or `1 GB` in decimal units.
#[must_use]
pub(crate) fn one_giga() -> (f64, String) {
    let n = if form().decimal { 1_000_000_000_u32 } else { 1 << 30 };
    (f64::from(n), bytes(n.into()))
}

/// Formats a rate on the wire, as networks are measured: `3.36 Mbit/s`, where a Mbit is 10^6 bits; `—` if it is negative or
/// not finite.
#[must_use]
pub(crate) fn wire_rate(bytes_per_second: f64) -> String {
    if !bytes_per_second.is_finite() || bytes_per_second < 0.0 {
        return none();
    }
    let megabits = bytes_per_second * 8.0 / 1e6;
    let places = match megabits {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    finish(format!("{megabits:.places$} Mbit/s"))
}

/// Formats the rate on the wire of `n` bytes in `seconds`; `—` if either is zero.
#[must_use]
pub(crate) fn wire_rate_of(n: u64, seconds: f64) -> String {
    if seconds > 0.0 && n > 0 { wire_rate(n as f64 / seconds) } else { none() }
}

/// Formats a size with its exact number of bytes where [`bytes`] rounds: `7.91 MiB (8294400 bytes)`.
#[must_use]
pub(crate) fn exact_bytes(n: u64) -> String {
    let whole = if form().decimal { 1000 } else { 1024 };
    if n < whole { bytes(n) } else { format!("{} ({n} bytes)", bytes(n)) }
}

/// Formats how much of a total is done: `74.1 of 104 MiB`. The unit stands once where both have it; a total of 0 is
/// not known and left out.
#[must_use]
pub(crate) fn of(done: u64, total: u64) -> String {
    let done = bytes(done);
    if total == 0 {
        return done;
    }
    let total = bytes(total);
    match (done.split_once(' '), total.split_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number} of {total}"),
        _ => format!("{done} of {total}"),
    }
}

/// Formats a rate in bytes of the file per second: `412 MiB/s`; `—` if it is negative or not finite.
#[must_use]
pub(crate) fn rate(bytes_per_second: f64) -> String {
    if !bytes_per_second.is_finite() || bytes_per_second < 0.0 {
        return none();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "finite and not negative, checked above; saturates"
    )]
    let whole = bytes_per_second as u64;
    let size = bytes(whole);
    if form().spoken { format!("{size} per second") } else { format!("{size}/s") }
}

/// Formats the rate of `n` bytes in `seconds`; `—` if either is zero.
#[must_use]
pub(crate) fn rate_of(n: u64, seconds: f64) -> String {
    if seconds > 0.0 && n > 0 { rate(n as f64 / seconds) } else { none() }
}

/// How many digits a duration is given with.
#[derive(Clone, Copy)]
enum Digits {
    /// Two: `0.25 s`, `2.7 s`.
    Two,
    /// Three, in milliseconds below one second: `250 ms`, `2.76 s`.
    Three,
}

/// The formatter behind all durations. Below 10 ms the unit is always ms; from one minute on both precisions agree.
fn time(time: Duration, digits: Digits) -> String {
    let s = time.as_secs_f64();
    let ms = s * 1000.0;
    let whole = time.as_secs() + u64::from(time.subsec_millis() >= 500);
    finish(match digits {
        _ if time.is_zero() => "0 s".to_owned(),
        _ if s < 0.000_05 => "< 0.1 ms".to_owned(),
        Digits::Three if s < 0.000_995 => format!("{ms:.2} ms"),
        _ if s < 0.009_95 => format!("{ms:.1} ms"),
        Digits::Two if s < 1.0 => format!("{s:.2} s"),
        Digits::Two if s < 9.95 => format!("{s:.1} s"),
        Digits::Three if s < 0.099_5 => format!("{ms:.1} ms"),
        Digits::Three if s < 0.999_5 => format!("{ms:.0} ms"),
        Digits::Three if s < 9.995 => format!("{s:.2} s"),
        Digits::Three if s < 59.95 => format!("{s:.1} s"),
        _ if whole < 60 => format!("{whole} s"),
        _ if whole < 3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ if whole < 48 * 3600 => format!("{} h {} min", whole / 3600, whole / 60 % 60),
        _ => format!("{} days", whole / 86_400),
    })
}

/// Formats a duration with two digits: `3.1 ms`, `0.02 s`, `2.7 s`, `48 s`, `5 min 53 s`, `2 h 10 min`.
#[must_use]
pub(crate) fn duration(duration: Duration) -> String {
    time(duration, Digits::Two)
}

/// Formats a number of seconds as [`duration`] does; `—` if it is negative or not finite.
#[must_use]
pub(crate) fn seconds(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| none(), duration)
}

/// Formats a measured number of seconds with three digits: `0.31 ms`, `19.8 ms`, `250 ms`, `2.76 s`, `31.2 s`,
/// `5 min 53 s`; `—` if it is negative or not finite.
#[must_use]
pub(crate) fn precise(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| none(), |of| time(of, Digits::Three))
}

/// One unit and one number of decimals for durations that are compared with each other: `2.760 s` and `0.020 s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Alike {
    in_ms: bool,
    places: usize,
}

impl Alike {
    /// Chooses them for these numbers of seconds, so that the shortest has at least two digits. Milliseconds are used if one
    /// is shorter than 10 ms, or none is as long as a second.
    #[must_use]
    pub(crate) fn of(seconds: impl IntoIterator<Item = f64>) -> Self {
        let positive = seconds.into_iter().filter(|s| s.is_finite() && *s > 0.0);
        let (least, most) = positive.fold((f64::INFINITY, 0.0_f64), |(a, b), s| (a.min(s), b.max(s)));
        let in_ms = least < 0.009_95 || most < 0.999_5;
        let places = match least * if in_ms { 1000.0 } else { 1.0 } {
            v if v >= 99.5 => 0,
            v if v >= 9.95 => 1,
            v if in_ms && v >= 0.995 => 1,
            v if v >= 0.0995 => 2,
            _ => 3,
        };
        Self { in_ms, places }
    }

    /// Formats a number of seconds; `—` if it is negative or not finite.
    #[must_use]
    pub(crate) fn show(self, seconds: f64) -> String {
        if !seconds.is_finite() || seconds < 0.0 {
            return none();
        }
        let Self { in_ms, places } = self;
        finish(if in_ms {
            format!("{:.places$} ms", seconds * 1000.0)
        } else {
            format!("{seconds:.places$} s")
        })
    }
}

/// Formats a duration that was counted in whole milliseconds: `< 1 ms`, `7 ms`, `0.02 s`.
#[must_use]
pub(crate) fn millis(ms: u64) -> String {
    match ms {
        0 => finish("< 1 ms".to_owned()),
        1..10 => finish(format!("{ms} ms")),
        ms => duration(Duration::from_millis(ms)),
    }
}

/// Formats a duration that still grows, in whole seconds so that it does not flicker.
#[must_use]
pub(crate) fn clock(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => finish(format!("{seconds} s")),
        seconds => duration(Duration::from_secs(seconds)),
    }
}

/// Formats an estimate: `about 3.0 s`.
#[must_use]
pub(crate) fn about(time: Duration) -> String {
    format!("about {}", duration(time))
}

/// Formats a lower bound: `at least 3.0 s`.
#[must_use]
pub(crate) fn at_least(time: Duration) -> String {
    format!("at least {}", duration(time))
}

/// Formats bytes on the wire per byte of the file: `×2.06`; `None` for an empty file, which has no such factor.
#[must_use]
pub(crate) fn wire_factor(wire: u64, file: u64) -> Option<String> {
    (file > 0).then(|| finish(format!("×{:.2}", wire as f64 / file as f64)))
}

/// Formats how many times one rate is another: `5.0`, `138`.
#[must_use]
pub(crate) fn times(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.1}") } else { format!("{ratio:.0}") }
}

/// Formats a share between 0 and 1 in whole percent: `43 %`.
#[must_use]
pub(crate) fn percent(share: f64) -> String {
    finish(format!("{:.0} %", share * 100.0))
}

/// Formats a share between 0 and 1 in tenths of a percent: `4.7 %`.
#[must_use]
pub(crate) fn permille(share: f64) -> String {
    finish(format!("{:.1} %", share * 100.0))
}

/// Formats a number in groups of three digits: `17,318,417`.
#[must_use]
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Formats a number of things: `1 file`, `3 files`. The plural is formed with `s`.
#[must_use]
pub(crate) fn count(n: u64, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_digits_and_are_in_milliseconds_below_ten() {
        for (us, text) in [
            (0, "0 s"),
            (40, "< 0.1 ms"),
            (60, "0.1 ms"),
            (3_140, "3.1 ms"),
            (9_900, "9.9 ms"),
            (9_949, "9.9 ms"),
            (9_960, "0.01 s"),
            (10_000, "0.01 s"),
            (20_000, "0.02 s"),
            (999_000, "1.00 s"),
            (2_700_000, "2.7 s"),
            (9_940_000, "9.9 s"),
            (9_960_000, "10 s"),
            (48_000_000, "48 s"),
            (59_499_000, "59 s"),
            (59_950_000, "1 min 0 s"),
            (353_000_000, "5 min 53 s"),
            (3_599_000_000, "59 min 59 s"),
            (3_599_600_000, "1 h 0 min"),
            (7_800_000_000, "2 h 10 min"),
            (200_000_000_000, "2 days"),
        ] {
            assert_eq!(duration(Duration::from_micros(us)), text, "{us} µs");
        }
        assert_eq!([0, 1, 9, 10, 2_700].map(millis), ["< 1 ms", "1 ms", "9 ms", "0.01 s", "2.7 s"]);
        assert_eq!(
            [0, 999, 1000, 59_999, 60_000].map(Duration::from_millis).map(clock),
            ["0 s", "0 s", "1 s", "59 s", "1 min 0 s"]
        );
        assert_eq!([0.02, -1.0, f64::NAN, f64::INFINITY].map(seconds), ["0.02 s", "—", "—", "—"]);
    }

    #[test]
    fn measured_durations_have_three_digits() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (0.000_04, "< 0.1 ms"),
            (0.000_31, "0.31 ms"),
            (0.000_8, "0.80 ms"),
            (0.000_996, "1.0 ms"),
            (0.009_9, "9.9 ms"),
            (0.01, "10.0 ms"),
            (0.019_8, "19.8 ms"),
            (0.099_9, "100 ms"),
            (0.25, "250 ms"),
            (0.999, "999 ms"),
            (0.999_6, "1.00 s"),
            (2.756, "2.76 s"),
            (31.25, "31.2 s"),
            (59.94, "59.9 s"),
            (59.95, "1 min 0 s"),
            (353.0, "5 min 53 s"),
            (3599.0, "59 min 59 s"),
            (-1.0, "—"),
            (f64::NAN, "—"),
        ] {
            assert_eq!(precise(seconds), text, "{seconds} s");
        }
    }

    #[test]
    fn compared_durations_have_one_unit_and_align() {
        for (seconds, texts) in [
            (&[2.76, 0.02][..], &["2.760 s", "0.020 s"][..]),
            (&[2.76, 3.5], &["2.76 s", "3.50 s"]),
            (&[31.25, 12.0], &["31.2 s", "12.0 s"]),
            (&[353.0, 2.6], &["353.00 s", "2.60 s"]),
            (&[2.76, 0.0083], &["2760.0 ms", "8.3 ms"]),
            (&[0.25, 0.02], &["250.0 ms", "20.0 ms"]),
            (&[0.25, 0.000_31], &["250.00 ms", "0.31 ms"]),
            (&[0.25, 0.2], &["250 ms", "200 ms"]),
            (&[353.0, 200.0], &["353 s", "200 s"]),
            (&[0.0, 2.76], &["0.00 s", "2.76 s"]),
        ] {
            let alike = Alike::of(seconds.iter().copied());
            let shown: Vec<String> = seconds.iter().map(|s| alike.show(*s)).collect();
            assert_eq!(shown, texts, "{seconds:?}");
        }
        assert_eq!([f64::NAN, -1.0].map(|s| Alike::of([s]).show(s)), ["—", "—"]);
    }

    proptest::proptest! {
        /// Every duration reads as larger than zero beside any other, and the unit is one.
        #[test]
        fn compared_durations_are_not_zero(a in 0.000_1_f64..100_000.0, b in 0.000_1_f64..100_000.0) {
            let alike = Alike::of([a, b]);
            let shown = [a, b].map(|s| alike.show(s));
            let units = shown.each_ref().map(|text| text.rsplit(' ').next().unwrap_or_default().to_owned());
            proptest::prop_assert_eq!(&units[0], &units[1]);
            for text in &shown {
                let number = text.split(' ').next().unwrap_or_default();
                proptest::prop_assert!(number.parse::<f64>().is_ok_and(|n| n > 0.0), "{:?}", shown);
            }
        }
    }

    #[test]
    fn estimates_say_that_they_are() {
        assert_eq!(about(Duration::from_secs(3)), "about 3.0 s");
        assert_eq!(at_least(Duration::from_millis(9)), "at least 9.0 ms");
        assert_eq!(at_least(Duration::from_secs(80)), "at least 1 min 20 s");
    }

    proptest::proptest! {
        /// A duration that is not zero is never printed as zero.
        #[test]
        fn no_duration_reads_zero(us in 1_u64..10_000_000_000_000) {
            let seconds = us as f64 / 1e6;
            for text in [duration(Duration::from_micros(us)), precise(seconds)] {
                let number = text.trim_start_matches("< ").split(' ').next().unwrap_or_default().to_owned();
                proptest::prop_assert!(number.parse::<f64>().is_ok_and(|n| n > 0.0), "{} µs: {}", us, text);
                proptest::prop_assert!(us >= 9_950 || text.ends_with(" ms"), "{} µs: {}", us, text);
            }
        }
    }

    #[test]
    fn sizes_and_rates_carry_binary_units() {
        for (n, text) in [
            (812, "812 B"),
            (8_294_400, "7.91 MiB"),
            (42_200, "41.2 KiB"),
            ((104 << 20) + 12_345, "104 MiB"),
            (1 << 30, "1 GiB"),
        ] {
            assert_eq!(bytes(n), text);
        }
        assert_eq!([812, 8_294_400].map(exact_bytes), ["812 B", "7.91 MiB (8294400 bytes)"]);
        assert_eq!(of(77_700_000, 109_051_904), "74.1 of 104 MiB");
        assert_eq!(of(1000, 109_051_904), "1000 B of 104 MiB");
        assert_eq!(of(1 << 20, 0), "1 MiB");
        assert_eq!(rate(432_013_312.0), "412 MiB/s");
        assert_eq!([f64::NAN, -1.0, f64::INFINITY].map(rate), ["—", "—", "—"]);
        assert_eq!(
            [0.0, 1000.0, 420_000.0, 2_000_000.0, 125_000_000.0].map(wire_rate),
            ["0.00 Mbit/s", "0.01 Mbit/s", "3.36 Mbit/s", "16.0 Mbit/s", "1000 Mbit/s"]
        );
        assert_eq!([f64::NAN, -1.0, f64::INFINITY].map(wire_rate), ["—", "—", "—"]);
        assert_eq!([wire_rate_of(1_000_000, 2.0), wire_rate_of(0, 1.0)], ["4.00 Mbit/s", "—"]);
        assert_eq!([rate_of(1024, 2.0), rate_of(0, 2.0), rate_of(1, 0.0)], ["512 B/s", "—", "—"]);
    }

    #[test]
    fn every_formatter_follows_the_form() {
        let all = |decimal, spoken| {
            with(Form { decimal, spoken }, || {
                [
                    bytes(8_294_400),
                    of(1 << 20, 9 << 20),
                    rate(999_960.0),
                    exact_bytes(1000),
                    millis(0),
                    percent(0.5),
                ]
            })
        };
        assert_eq!(
            all(true, false),
            ["8.29 MB", "1.05 of 9.44 MB", "1000 kB/s", "1 kB (1000 bytes)", "< 1 ms", "50 %"]
        );
        assert_eq!(
            all(false, true),
            [
                "7.91 mebibytes",
                "1 mebibyte of 9 mebibytes",
                "977 kibibytes per second",
                "1000 bytes",
                "less than 1 millisecond",
                "50 percent"
            ]
        );
        let words = Form { decimal: true, spoken: true };
        assert_eq!(with(words, || wire_rate(420_000.0)), "3.36 megabits per second");
        assert_eq!(with(words, one_giga), (1e9, "1 gigabyte".to_owned()));
        assert_eq!(one_giga(), (1_073_741_824.0, "1 GiB".to_owned()));
        assert_eq!(with(words, || rate(2_000_000.0)), "2 megabytes per second");
        assert_eq!(with(words, none), "unknown");
    }

    #[test]
    fn ratios_and_counts() {
        assert_eq!(wire_factor(206, 100).as_deref(), Some("×2.06"));
        assert_eq!(wire_factor(206, 0), None);
        assert_eq!([4.96, 10.2, 138.4].map(times), ["5.0", "10", "138"]);
        assert_eq!((percent(0.434), permille(0.047)), ("43 %".to_owned(), "4.7 %".to_owned()));
        assert_eq!([0, 999, 1000, 17_318_417].map(grouped), ["0", "999", "1,000", "17,318,417"]);
        assert_eq!([0, 1, 2].map(|n| count(n, "file")), ["0 files", "1 file", "2 files"]);
    }
}
