//! The expected duration of a transfer, from the durations of earlier ones. [`cost`](crate::cost) computes its bytes.
//!
//! `model` fits a fixed cost and a rate to the transfers of this run and of the history, for each server and variant.
//! Without any, the calibration of this computer gives a lower bound. The estimate goes into the history with the upload.

mod model;

use std::time::Duration;

use self::model::Model;
pub(crate) use self::model::{Load, Price};
use crate::event::{Calibration, Dialect, Learned, Target, Took, Variant};

/// Modulus bytes of an RSA-1024 key, assumed until a server has shown its own.
pub(crate) const USUAL_KEY: u64 = 128;

/// Number of CP1's RSA operations beyond which the user is asked although no rate is known: about a minute of
/// RSA-1024 private operations.
pub(crate) const MANY_BLOCKS: u64 = 2_000_000;

/// Price of the chosen files: the marked ones, or the file under the cursor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bill {
    pub(crate) files: usize,
    /// Bytes of all bodies on the wire.
    pub(crate) wire: u64,
    /// Whether `wire` rests on an assumed key length.
    pub(crate) assumed: bool,
    /// `None` if no estimate is possible.
    pub(crate) time: Option<Price>,
}

/// Knowledge about the time of transfers: from this run, from runs before it, and from this computer's speed.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    /// Transfers of this run.
    routes: Vec<Route>,
    /// Transfers in the history.
    learned: Vec<Learned>,
    calibration: Option<Calibration>,
}

/// Transfers of this run to one server by one variant.
#[derive(Debug)]
struct Route {
    target: Target,
    variant: Variant,
    /// Transfers that have ended, the newest first.
    took: Vec<Took>,
    /// The upload that runs, up to now.
    running: Option<Took>,
}

/// Lower bounds below this are not shown, because a connection alone takes longer.
const TELLING_BOUND: Duration = Duration::from_millis(1);
/// Number of files remembered of each route, separately for those that tell its rate and those that do not.
const REMEMBERED: usize = 20;

impl Rates {
    fn route(&mut self, target: &Target, variant: Variant) -> &mut Route {
        let found = self.routes.iter().position(|route| route.target == *target && route.variant == variant);
        let at = found.unwrap_or_else(|| {
            self.routes.push(Route { target: target.clone(), variant, took: Vec::new(), running: None });
            self.routes.len() - 1
        });
        &mut self.routes[at]
    }

    /// Adds the time that a file took.
    pub(crate) fn learn(&mut self, target: &Target, variant: Variant, took: Took) {
        let route = self.route(target, variant);
        route.running = None;
        route.took.insert(0, took);
        let (mut telling, mut small) = (0, 0);
        route.took.retain(|took| {
            let count = if took.bytes >= model::TELLING { &mut telling } else { &mut small };
            *count += 1;
            *count <= REMEMBERED
        });
    }

    /// Takes what a running transfer took so far. The result at its end replaces it.
    pub(crate) fn under_way(&mut self, target: &Target, variant: Variant, took: Took) {
        // Fewer bytes say nothing about the rate.
        if took.bytes >= model::TELLING {
            self.route(target, variant).running = Some(took);
        }
    }

    /// Takes the transfers of earlier runs.
    pub(crate) fn recall(&mut self, learned: Vec<Learned>) {
        self.learned = learned;
    }

    /// Takes the speed of this computer.
    pub(crate) fn calibrate(&mut self, calibration: Calibration) {
        self.calibration = Some(calibration);
    }

    /// Returns the transfers on a route, the newest first.
    fn took(&self, target: &Target, variant: Variant) -> Vec<Took> {
        let mut took = Vec::new();
        if let Some(route) =
            self.routes.iter().find(|route| route.target == *target && route.variant == variant)
        {
            took.extend(route.running.iter().chain(&route.took).copied());
        }
        // The built-in server's address differs from run to run.
        if let Target::Server { address, .. } = target {
            let address = address.normal().to_string();
            let is_it = |of: &&Learned| of.address == address && of.variant == variant;
            took.extend(self.learned.iter().filter(is_it).flat_map(|of| of.files.iter().copied()));
        }
        took
    }

    /// Returns how long a load takes, or the least that it takes. `key` is the length of the server's modulus in
    /// bytes.
    pub(crate) fn price(&self, target: &Target, dialect: Dialect, load: Load, key: u64) -> Option<Price> {
        let own = self.own(target, dialect, key);
        let computed = own.and_then(|rate| at_rate(load.bytes, rate));
        let took = self.took(target, dialect.variant);
        let seen = Model::of(&took, own.map(|rate| 1_048_576.0 / rate)).and_then(|model| model.price(load));
        let bound = match (seen, computed) {
            (Some(Price::AtLeast(seen)), computed) => {
                Some(computed.map_or(seen, |computed| computed.max(seen)))
            }
            (None, computed) => computed,
            (about, _) => return about,
        };
        bound.filter(|bound| *bound >= TELLING_BOUND).map(Price::AtLeast)
    }

    /// Returns the highest rate that this computer reaches, in bytes of the file per second. For the built-in
    /// server it does the work of both sides.
    fn own(&self, target: &Target, dialect: Dialect, key: u64) -> Option<f64> {
        let Calibration { cores, speeds } = self.calibration.as_ref()?;
        let variant = if dialect.variant == Variant::Ap { Variant::Plain } else { dialect.variant };
        let is_cp1 = variant == Variant::Cp1;
        let speed = speeds
            .iter()
            .filter(|speed| speed.variant == variant)
            .find(|speed| !is_cp1 || (speed.padding == dialect.padding && speed.bits as u64 == 8 * key))?;
        // CP1 uses every core for its blocks. The other variants use one core for each stage.
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

/// Returns how long `bytes` take at `rate` bytes per second.
pub(crate) fn at_rate(bytes: u64, rate: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(bytes as f64 / rate).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Pace, Padding, Speed};

    fn took(bytes: u64, seconds: f64) -> Took {
        Took { bytes, seconds, pace: Some(Pace { bytes, seconds }) }
    }

    #[test]
    fn there_is_no_estimate_without_measurements() {
        let mut rates = Rates::default();
        let price = |rates: &Rates, variant, bytes| {
            rates.price(&Target::Embedded, Dialect::of(variant), Load::one(bytes), 128)
        };
        assert_eq!(price(&rates, Variant::Cp1, 1), None);
        rates.learn(&Target::Embedded, Variant::Cp1, took(0, 0.0));
        assert_eq!(price(&rates, Variant::Cp1, 1), None);
        rates.learn(&Target::Embedded, Variant::Cp1, took(2_000_000, 2.0));
        let Some(Price::About(time)) = price(&rates, Variant::Cp1, 3_000_000) else { panic!("it was seen") };
        assert!((time.as_secs_f64() - 3.0).abs() < 0.01, "{time:?}");
        assert_eq!(price(&rates, Variant::Cp2, 1), None);
    }

    #[test]
    fn one_upload_of_17_bytes_gives_no_absurd_estimate() {
        let mut rates = calibrated();
        let away = Target::server("lab:4321".parse().unwrap(), None);
        let oaep = Dialect::of(Variant::Cp1);
        rates.learn(&away, Variant::Cp1, Took { bytes: 17, seconds: 0.015, pace: None });
        let price = rates.price(&away, oaep, Load::one(100 << 20), 128);
        let Some(Price::AtLeast(time)) = price else { panic!("{price:?}") };
        assert!((17.0..18.0).contains(&time.as_secs_f64()), "what this computer needs: {time:?}");
    }

    #[test]
    fn an_upload_that_runs_is_counted_once() {
        let mut rates = Rates::default();
        let away = Target::server("lab:4321".parse().unwrap(), None);
        rates.under_way(&away, Variant::Cp2, took(10 << 20, 10.0));
        rates.under_way(&away, Variant::Cp2, took(20 << 20, 20.0));
        rates.learn(&away, Variant::Cp2, took(30 << 20, 3.0));
        assert_eq!(rates.took(&away, Variant::Cp2), [took(30 << 20, 3.0)]);
    }

    /// Calibration of two cores and round rates of a few megabytes per second.
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
    fn before_the_first_transfer_this_computer_s_speed_is_the_bound() {
        let rates = calibrated();
        let away = Target::server("lab:4321".parse().unwrap(), None);
        let price = |target: &Target, dialect, key| rates.price(target, dialect, Load::one(12_000_000), key);
        let at_least = |ms| Some(Price::AtLeast(Duration::from_millis(ms)));
        let oaep = Dialect::of(Variant::Cp1);
        assert_eq!(price(&away, Dialect::of(Variant::Plain), 128), at_least(1500));
        assert_eq!(price(&away, Dialect::of(Variant::Ap), 128), at_least(1500));
        assert_eq!(
            price(&away, Dialect::of(Variant::Cp2), 128),
            at_least(3000),
            "the server is another computer's"
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
        assert_eq!(price(&away, oaep, 512), None, "keys of 4096 bits were not measured");
        assert_eq!(Rates::default().price(&away, oaep, Load::one(1), 128), None);
    }

    #[test]
    fn this_run_outweighs_the_history_and_the_history_outweighs_the_calibration() {
        let mut rates = calibrated();
        let cp2 = Dialect::of(Variant::Cp2);
        let away = Target::server("LAB:4321".parse().unwrap(), None);
        let files = vec![took(4_000_000, 4.0)];
        rates.recall(vec![Learned { address: "lab:4321".to_owned(), variant: Variant::Cp2, files }]);
        let price = |rates: &Rates, to: &str, bytes| {
            rates.price(&Target::server(to.parse().unwrap(), None), cp2, Load::one(bytes), 128)
        };
        let about = |price: Option<Price>, seconds: f64| {
            let Some(Price::About(time)) = price else { panic!("{price:?}") };
            assert!((time.as_secs_f64() - seconds).abs() < 0.01, "{time:?}");
        };
        about(price(&rates, "LAB:4321", 2_000_000), 2.0);
        let other = price(&rates, "other:1", 4_000_000);
        assert_eq!(other, Some(Price::AtLeast(Duration::from_secs(1))));
        rates.learn(&away, Variant::Cp2, took(4_000_000, 8.0));
        about(price(&rates, "LAB:4321", 2_000_000), 4.0);
    }
}
