//! Finds the stage of a lane that the others wait for.
//!
//! A stage is *busy* while its threads have work: a stage of two threads that each worked for one of two seconds was busy
//! for half of the time. The bottleneck is the stage that was busy for the largest part; a pipeline cannot be faster than
//! it. [`shares`] are different: the stages' parts of the total working time. Stages run in parallel, so the largest share
//! costs most, but need not be the bottleneck.

use crate::event::{Variant, Work};
use crate::messages::race;
use crate::meter::Stage;

/// The least part of the time that a bottleneck is busy. Below it the lane was too short to have one.
const LITTLE: f64 = 0.05;

/// A stage of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The stage.
    pub stage: Stage,
    /// Whether the stage is the server's.
    pub server: bool,
}

/// The busiest stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bottleneck {
    /// The stage. [`Stage::Wait`] means the server or the network, which the client cannot observe.
    pub place: Place,
    /// The part of the time that it was busy, 0 to 1.
    pub busy: f64,
    /// The number of threads that worked in parallel, at least 1.
    pub cores: u32,
}

impl Bottleneck {
    /// Returns its name in a few words: `server's RSA`.
    #[must_use]
    pub(crate) const fn name(&self, variant: Variant) -> &'static str {
        race::bottleneck(self.place.stage, self.place.server, variant)
    }

    /// Describes it: `bottleneck: server's RSA private operation, busy 43 % of the time on 2 cores`.
    #[must_use]
    pub(crate) fn sentence(&self, variant: Variant) -> String {
        race::busy(self.full_name(variant), self.busy, self.cores)
    }

    /// Returns its name with the operation: `server's RSA private operation`.
    #[must_use]
    pub(crate) const fn full_name(&self, variant: Variant) -> &'static str {
        race::full_bottleneck(self.place.stage, self.place.server, variant)
    }
}

/// Returns the bottleneck of a lane that has taken `micros` microseconds; `None` if no stage was busy enough.
#[must_use]
pub(crate) fn find(work: &Work, server: Option<&Work>, micros: u64) -> Option<Bottleneck> {
    let busy = |spent: u64, workers: u32| {
        (spent as f64 / f64::from(workers.max(1)) / micros.max(1) as f64).clamp(0.0, 1.0)
    };
    let of = |work: &Work, server: bool| {
        let one = |stage, spent, workers| Bottleneck {
            place: Place { stage, server },
            busy: busy(spent, workers),
            cores: workers.max(1),
        };
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
        cores: 1,
    });
    of(work, false)
        .into_iter()
        .chain(server.into_iter().flat_map(|server| of(server, true)))
        .chain(beyond)
        .filter(|one| one.busy >= LITTLE)
        .max_by(|a, b| a.busy.total_cmp(&b.busy))
}

/// Returns each stage's part of the total working time, 0 to 1, in the order in which a file passes them: read, seal, wire,
/// open, store, wait. Both sides are added if both are known. Then `wait` is the time after the last byte; otherwise it
/// includes the time in the socket without work, because the client cannot tell what the server did.
#[must_use]
pub(crate) fn shares(work: &Work, server: Option<&Work>) -> [(Stage, f64); 6] {
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
