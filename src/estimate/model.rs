//! The time of a transfer as a function of its size: a fixed cost, and bytes by a rate.
//!
//! Each [`Took`] is measured with some noise, so it allows a band of models. What all of them allow together is a
//! convex region in the plane of (fixed seconds, seconds per MiB). Two values come from it:
//!
//! - The **estimate** is a weighted least-squares fit. Both parts are at least zero, and large files weigh more.
//! - The **region** says how wrong the estimate of one size can be. Where the slowest and the fastest model that the
//!   region allows differ by more than [`WRONG`] squared, nothing but the lower bound is known.
//!
//! A file below [`TELLING`] does not tell the rate; it tells the fixed cost.

use std::time::Duration;

use crate::event::Took;

/// Relative noise of a measurement.
const NOISE: f64 = 0.2;
/// Bytes from which a file says something of the rate.
pub(crate) const TELLING: u64 = 1 << 20;
/// Factor by which an estimate may be wrong.
const WRONG: f64 = 3.0;
/// Part of the calibrated cost that is certain to be there: a calibration is a measurement, too.
const CERTAIN: f64 = 0.5;
/// Bound of the plane, in seconds and in seconds per MiB.
const FAR: f64 = 1e7;
const MIB: f64 = 1_048_576.0;

/// Files that are sent one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    /// Transfers that each have the fixed cost.
    pub(crate) pieces: u64,
    /// Bytes of all files.
    pub(crate) bytes: u64,
}

impl Load {
    /// Creates the load of files in one order. Those of up to 1 MiB are confirmed together, larger ones each for
    /// itself.
    pub(crate) fn of(sizes: impl IntoIterator<Item = u64>) -> Self {
        let (mut large, mut small, mut bytes) = (0, 0, 0_u64);
        for size in sizes {
            if size > TELLING {
                large += 1;
            } else {
                small = 1;
            }
            bytes = bytes.saturating_add(size);
        }
        Self { pieces: large + small, bytes }
    }

    /// Returns the load repeated this many times.
    pub(crate) const fn times(self, times: u64) -> Self {
        Self { pieces: self.pieces.saturating_mul(times), bytes: self.bytes.saturating_mul(times) }
    }

    /// Creates the load of one file.
    pub(crate) const fn one(bytes: u64) -> Self {
        Self { pieces: 1, bytes }
    }
}

/// Price of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Price {
    /// Time that such transfers take; right within a factor of three.
    About(Duration),
    /// Lower bound; the observations tell no more.
    AtLeast(Duration),
}

impl Price {
    /// Returns the time without its certainty.
    pub(crate) const fn time(self) -> Duration {
        match self {
            Self::About(time) | Self::AtLeast(time) => time,
        }
    }
}

/// A model, or a point of the plane.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    /// Seconds of a transfer without bytes.
    fixed: f64,
    /// Seconds per MiB.
    slope: f64,
}

impl Point {
    fn seconds(self, load: Load) -> f64 {
        load.pieces as f64 * self.fixed + load.bytes as f64 / MIB * self.slope
    }
}

/// A measured sum `a · fixed + b · slope ≈ seconds`.
#[derive(Debug, Clone, Copy)]
struct Equation {
    a: f64,
    b: f64,
    seconds: f64,
    /// MiB, by which it counts.
    size: f64,
}

impl Equation {
    fn at_most(self) -> (f64, f64, f64) {
        (-self.a, -self.b, -self.seconds / (1.0 - NOISE))
    }

    fn at_least(self) -> (f64, f64, f64) {
        (self.a, self.b, self.seconds / (1.0 + NOISE))
    }
}

/// Model of transfers, from transfers that were measured.
#[derive(Debug)]
pub(crate) struct Model {
    region: Region,
    best: Point,
    /// Bytes beyond which only a lower bound is known.
    reach: u64,
}

impl Model {
    /// Creates a model from measured transfers, the newest first. An older one that contradicts a newer one is
    /// ignored: the network has changed since. `least` is the seconds per MiB that this computer needs. `None`
    /// without measurements.
    pub(crate) fn of(took: &[Took], least: Option<f64>) -> Option<Self> {
        let measured = |took: &&Took| took.seconds.is_finite() && took.seconds > 0.0;
        let (telling, small): (Vec<&Took>, Vec<&Took>) =
            took.iter().filter(measured).partition(|took| took.bytes >= TELLING);
        let mut region = Region::new();
        if let Some(least) = least.filter(|least| least.is_finite()) {
            region.clip(0.0, 1.0, CERTAIN * least);
        }
        let mut equations = Vec::new();
        for took in &telling {
            let size = took.bytes as f64 / MIB;
            let whole = Equation { a: 1.0, b: size, seconds: took.seconds, size };
            if !region.take(whole) {
                continue;
            }
            equations.push(whole);
            let pace = took.pace.filter(|pace| pace.bytes >= TELLING && pace.seconds > 0.0);
            let Some(pace) = pace else { continue };
            let seconds = pace.seconds * took.bytes as f64 / pace.bytes as f64;
            let moving = Equation { a: 0.0, b: size, seconds, size };
            if region.take(moving) {
                equations.push(moving);
            }
        }
        for took in small {
            // A file without bytes counts, too.
            let size = (took.bytes as f64 / MIB).max(1e-6);
            let whole = Equation { a: 1.0, b: took.bytes as f64 / MIB, seconds: took.seconds, size };
            if region.take(whole) {
                equations.push(whole);
            } else {
                // It waited for something else; the fixed cost is still at most that.
                let (a, b, bound) = whole.at_most();
                region.clip(a, b, bound);
            }
        }
        let best = fit(&equations)?;
        let reach = if telling.is_empty() { TELLING } else { u64::MAX };
        Some(Self { region, best, reach })
    }

    /// Returns the price of a load.
    pub(crate) fn price(&self, load: Load) -> Option<Price> {
        let (low, high) = self.region.range(|point| point.seconds(load));
        if low > 0.0 && high <= low * WRONG * WRONG && load.bytes <= self.reach {
            let best = self.best.seconds(load).clamp(high / WRONG, low * WRONG);
            return Duration::try_from_secs_f64(best).ok().map(Price::About);
        }
        Duration::try_from_secs_f64(low.max(0.0)).ok().map(Price::AtLeast)
    }
}

/// Returns the least squares of relative residuals, each weighted by its size. Neither part is below zero.
fn fit(equations: &[Equation]) -> Option<Point> {
    let (mut aa, mut ab, mut bb, mut at, mut bt) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for Equation { a, b, seconds, size } in equations {
        let weight = size / (seconds * seconds);
        aa += weight * a * a;
        ab += weight * a * b;
        bb += weight * b * b;
        at += weight * a * seconds;
        bt += weight * b * seconds;
    }
    if aa <= 0.0 {
        return None;
    }
    let det = aa * bb - ab * ab;
    // With one size alone, all of the time is attributed to bytes.
    if det <= 1e-9 * aa * bb {
        return Some(if bb > 0.0 {
            Point { fixed: 0.0, slope: bt / bb }
        } else {
            Point { fixed: at / aa, slope: 0.0 }
        });
    }
    let point = Point { fixed: (at * bb - bt * ab) / det, slope: (aa * bt - ab * at) / det };
    Some(if point.fixed < 0.0 {
        Point { fixed: 0.0, slope: bt / bb }
    } else if point.slope < 0.0 {
        Point { fixed: at / aa, slope: 0.0 }
    } else {
        point
    })
}

/// Convex polygon of models.
#[derive(Debug)]
struct Region(Vec<Point>);

impl Region {
    fn new() -> Self {
        let corner = |fixed, slope| Point { fixed, slope };
        Self(vec![corner(0.0, 0.0), corner(FAR, 0.0), corner(FAR, FAR), corner(0.0, FAR)])
    }

    /// Keeps what an equation allows, within its noise. Where nothing would be left, changes nothing and returns
    /// `false`.
    fn take(&mut self, equation: Equation) -> bool {
        let before = self.0.clone();
        let whole = [equation.at_most(), equation.at_least()];
        let holds = whole.into_iter().all(|(a, b, bound)| self.clip(a, b, bound));
        if !holds {
            self.0 = before;
        }
        holds
    }

    /// Keeps the part with `a · fixed + b · slope ≥ bound`. Where nothing would be left, changes nothing and
    /// returns `false`.
    fn clip(&mut self, a: f64, b: f64, bound: f64) -> bool {
        let above = |point: &Point| a * point.fixed + b * point.slope - bound;
        let mut kept = Vec::with_capacity(self.0.len() + 1);
        for (at, point) in self.0.iter().enumerate() {
            let next = &self.0[(at + 1) % self.0.len()];
            let (here, there) = (above(point), above(next));
            if here >= 0.0 {
                kept.push(*point);
            }
            if (here >= 0.0) != (there >= 0.0) {
                let part = here / (here - there);
                kept.push(Point {
                    fixed: point.fixed + part * (next.fixed - point.fixed),
                    slope: point.slope + part * (next.slope - point.slope),
                });
            }
        }
        if kept.is_empty() {
            return false;
        }
        self.0 = kept;
        true
    }

    fn range(&self, of: impl Fn(Point) -> f64) -> (f64, f64) {
        let values = || self.0.iter().map(|point| of(*point));
        (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Pace;

    fn took(bytes: u64, seconds: f64) -> Took {
        Took { bytes, seconds, pace: None }
    }

    fn priced(seen: &[Took], bytes: u64) -> Price {
        Model::of(seen, None).and_then(|model| model.price(Load::one(bytes))).unwrap()
    }

    #[test]
    fn a_file_of_a_few_bytes_gives_no_estimate_for_a_large_one() {
        let seen = [took(17, 0.015)];
        let Price::AtLeast(time) = priced(&seen, 100 << 20) else { panic!("{:?}", priced(&seen, 100 << 20)) };
        assert!(time < Duration::from_millis(15), "{time:?}");
        assert!(matches!(priced(&seen, 17), Price::About(_)), "another of its size takes as long");
    }

    #[test]
    fn a_small_and_a_large_file_give_an_estimate_for_any_size() {
        // Half a second, and 10 MiB per second.
        let seen = [took(100 << 20, 10.5), took(17, 0.5)];
        for (mib, seconds) in [(0, 0.5), (1, 0.6), (100, 10.5), (10_240, 1024.5)] {
            let Price::About(time) = priced(&seen, mib << 20) else { panic!("{mib} MiB") };
            assert!((time.as_secs_f64() / seconds - 1.0).abs() < 0.05, "{mib} MiB: {time:?}");
        }
    }

    #[test]
    fn one_size_gives_an_estimate_for_similar_sizes_and_with_its_pace_for_larger_ones() {
        let alone = took(8 << 20, 2.0);
        assert!(matches!(priced(&[alone], 32 << 20), Price::About(_)));
        assert!(
            matches!(priced(&[alone], 800 << 20), Price::AtLeast(_)),
            "the two seconds may be a fixed cost"
        );
        let pace = Some(Pace { bytes: 6 << 20, seconds: 1.5 });
        let Price::About(time) = priced(&[Took { pace, ..alone }], 800 << 20) else {
            panic!("it has a pace")
        };
        assert!((time.as_secs_f64() - 200.0).abs() < 10.0, "{time:?}");
    }

    #[test]
    fn the_fixed_cost_is_paid_by_each_piece() {
        let seen = [took(100 << 20, 11.0), took(17, 1.0)];
        let model = Model::of(&seen, None).unwrap();
        let Some(Price::About(time)) = model.price(Load { pieces: 10, bytes: 100 << 20 }) else { panic!() };
        assert!((time.as_secs_f64() - 20.0).abs() < 1.0, "{time:?}");
    }

    #[test]
    fn a_newer_transfer_overrides_an_older_one_that_contradicts_it() {
        let seen = [took(100 << 20, 10.0), took(100 << 20, 600.0), took(17, 0.01)];
        let Price::About(time) = priced(&seen, 100 << 20) else { panic!() };
        assert!((time.as_secs_f64() - 10.0).abs() < 1.0, "{time:?}");
    }

    /// Returns a number between two others; each power of ten is equally likely.
    fn spread(low: f64, high: f64) -> impl Strategy<Value = f64> {
        (low.ln()..high.ln()).prop_map(f64::exp)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes far below 2^52")]
    fn size(most: f64) -> impl Strategy<Value = u64> {
        prop_oneof![1 => Just(0_u64), 9 => spread(1.0, most).prop_map(|bytes| bytes as u64)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn after_any_mixture_of_sizes_an_estimate_of_any_size_is_within_three_times_the_truth(
            fixed in 0.0..5.0_f64,
            rate in spread(0.1, 1000.0),
            files in prop::collection::vec((size(4e9), -0.2..0.2_f64, prop::option::of(-0.2..0.2_f64)), 1..30),
            asked in size(1e12),
            calibrated in prop::option::of(0.01..1.0_f64),
        ) {
            let truth = |bytes: u64| fixed + bytes as f64 / MIB / rate;
            let seen: Vec<Took> = files.iter().map(|(bytes, noise, pace)| Took {
                bytes: *bytes,
                seconds: truth(*bytes) * (1.0 + noise),
                pace: pace.map(|noise| Pace {
                    bytes: bytes / 2,
                    seconds: (bytes / 2) as f64 / MIB / rate * (1.0 + noise),
                }),
            }).collect();
            // This computer alone is never slower than the whole route.
            let least = calibrated.map(|part| part / rate);
            let price = Model::of(&seen, least).and_then(|model| model.price(Load::one(asked)));
            match price {
                Some(Price::About(time)) => {
                    let wrong = time.as_secs_f64().max(1e-12) / truth(asked);
                    prop_assert!((1.0 / 3.001..3.001).contains(&wrong), "{wrong} times the truth");
                }
                Some(Price::AtLeast(time)) => {
                    prop_assert!(time.as_secs_f64() <= truth(asked) * 1.001, "{time:?}, {}", truth(asked));
                }
                None => prop_assert!(files.is_empty() || fixed == 0.0),
            }
        }
    }
}
