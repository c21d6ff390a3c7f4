//! Which stage of a lane the others wait for.
//!
//! A stage is *busy* for as much of the lane's time as its threads had work, each of them: a stage of two threads that
//! worked for a second each in two seconds was busy for half of the time. The bottleneck is the stage that was busy for
//! the largest part; a pipeline cannot go faster than it. [`shares`] are another thing: parts of all stage-seconds, as
//! a bar shows them; stages run beside each other, so they say what costs most, and not what to wait for.

use crate::event::{Variant, Work};
use crate::messages::race;
use crate::meter::Stage;

/// Below this nobody was waited for: the lane was over before its stages had worked.
const LITTLE: f64 = 0.05;

/// A stage of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which.
    pub stage: Stage,
    /// Whether it is the server's.
    pub server: bool,
}

/// A bottleneck.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bottleneck {
    /// Where. [`Stage::Wait`]: beyond what we can see, in the server or on the way to it.
    pub place: Place,
    /// For how much of the time it was busy, 0 to 1.
    pub busy: f64,
}

impl Bottleneck {
    /// Returns its name in a few words: `server's RSA`.
    #[must_use]
    pub const fn name(&self, variant: Variant) -> &'static str {
        race::bottleneck(self.place.stage, self.place.server, variant)
    }

    /// Returns its name with the operation: `server's RSA private operation`.
    #[must_use]
    pub const fn full_name(&self, variant: Variant) -> &'static str {
        race::full_bottleneck(self.place.stage, self.place.server, variant)
    }
}

/// The bottleneck of a lane that took `micros` so far; `None` if no stage had much to do, or nothing is known.
#[must_use]
pub fn find(work: &Work, server: Option<&Work>, micros: u64) -> Option<Bottleneck> {
    let busy = |spent: u64, workers: u32| {
        (spent as f64 / f64::from(workers.max(1)) / micros.max(1) as f64).clamp(0.0, 1.0)
    };
    let of = |work: &Work, server: bool| {
        let one =
            |stage, spent, workers| Bottleneck { place: Place { stage, server }, busy: busy(spent, workers) };
        [
            one(Stage::Read, work.read_us, 1),
            one(Stage::Seal, work.seal_us, work.workers),
            one(Stage::Wire, work.wire_us, 1),
            one(Stage::Open, work.open_us, work.workers),
            one(Stage::Store, work.store_us, 1),
        ]
    };
    let beyond = server.is_none().then(|| Bottleneck {
        place: Place { stage: Stage::Wait, server: true },
        busy: busy(work.blocked_us + work.wait_us, 1),
    });
    of(work, false)
        .into_iter()
        .chain(server.into_iter().flat_map(|server| of(server, true)))
        .chain(beyond)
        .filter(|one| one.busy >= LITTLE)
        .max_by(|a, b| a.busy.total_cmp(&b.busy))
}

/// What each stage has of all stage-seconds, 0 to 1, in the order of the file's way: read, seal, wire, open, store,
/// wait. Both sides together where both are known. Then waiting is what passed after the last byte; otherwise it is
/// also what passed in the socket without work, because nobody can say what the other side did.
#[must_use]
pub fn shares(work: &Work, server: Option<&Work>) -> [(Stage, f64); 6] {
    let both = |of: fn(&Work) -> u64| of(work).saturating_add(server.map_or(0, of));
    let wait = work.wait_us + if server.is_some() { 0 } else { work.blocked_us };
    let spent = [
        (Stage::Read, both(|work| work.read_us)),
        (Stage::Seal, both(|work| work.seal_us)),
        (Stage::Wire, both(|work| work.wire_us)),
        (Stage::Open, both(|work| work.open_us)),
        (Stage::Store, both(|work| work.store_us)),
        (Stage::Wait, wait),
    ];
    let all = spent.iter().map(|(_, us)| *us).sum::<u64>().max(1) as f64;
    spent.map(|(stage, us)| (stage, us as f64 / all))
}

#[cfg(test)]
mod tests;
