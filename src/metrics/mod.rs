//! What an operator watches (`serve --metrics`): numbers as `OpenMetrics`, and whether the server can take files.
//!
//! ```text
//!   Event, Meter ──► Metrics ──► page      /metrics
//!   Checks ────────────────────► page      /health/live, /health/ready
//! ```
//!
//! No label comes from the network: every label is a word of an enum, so that a client cannot add a time series.

mod checks;
mod page;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

pub(crate) use self::checks::Checks;
use self::checks::Parts;
pub(crate) use self::page::Page;
use crate::event::{Event, Kept, SessionId, Track, Variant};
use crate::meter::{Meter, Stage};
use crate::net::admission::Turned;
use crate::net::{Arrival, Step};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByEnd {
    end: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByVariant {
    variant: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKept {
    variant: &'static str,
    kept: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    blame: &'static str,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStage {
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKey {
    key: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

type Seconds = Counter<f64, AtomicU64>;

/// The stages of a received file.
const STAGES: [(Stage, &str); 3] = [(Stage::Wire, "wire"), (Stage::Open, "open"), (Stage::Store, "store")];

/// How a session ended.
#[derive(Debug, Clone, Copy)]
enum End {
    InOrder,
    Refused,
    Cut,
}

impl End {
    const ALL: [Self; 3] = [Self::InOrder, Self::Refused, Self::Cut];

    const fn word(self) -> &'static str {
        match self {
            Self::InOrder => "in_order",
            Self::Refused => "refused",
            Self::Cut => "cut",
        }
    }
}

/// The numbers of one server since it started.
pub(crate) struct Metrics {
    registry: Registry,
    sessions_open: Gauge,
    sessions: Family<ByEnd, Counter>,
    files: Family<ByKept, Counter>,
    refusals: Family<ByKind, Counter>,
    turned_away: Family<ByReason, Counter>,
    evicted: Counter,
    penalties: Gauge,
    receipts: Counter,
    left_out: Counter,
    warnings: Counter,
    bytes: Family<ByVariant, Counter>,
    wire_bytes: Counter,
    stage_seconds: Family<ByStage, Seconds>,
    file_seconds: Histogram,
    publish_seconds: Histogram,
    record_seconds: Histogram,
    partials: Gauge,
    padding_misses: Gauge,
    padding_left: Gauge,
    not_after: Family<ByKey, Gauge>,
    running: Mutex<Running>,
}

/// Sessions and files that have begun and not ended: as many as the server admits.
#[derive(Debug, Default)]
struct Running {
    ends: HashMap<SessionId, End>,
    meters: HashMap<Track, Arc<Meter>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Buckets from 1 ms to about 18 hours, each four times the one before.
fn file_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 14))
}

/// Buckets from 0.1 ms to about 26 s, each four times the one before.
fn disk_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 4.0, 10))
}

impl Metrics {
    /// Creates numbers, which are all 0.
    pub(crate) fn new() -> Self {
        let it = Self {
            registry: Registry::with_prefix("upseal"),
            sessions_open: Gauge::default(),
            sessions: Family::default(),
            files: Family::default(),
            refusals: Family::default(),
            turned_away: Family::default(),
            evicted: Counter::default(),
            penalties: Gauge::default(),
            receipts: Counter::default(),
            left_out: Counter::default(),
            warnings: Counter::default(),
            bytes: Family::default(),
            wire_bytes: Counter::default(),
            stage_seconds: Family::default(),
            file_seconds: file_buckets(),
            publish_seconds: disk_buckets(),
            record_seconds: disk_buckets(),
            partials: Gauge::default(),
            padding_misses: Gauge::default(),
            padding_left: Gauge::default(),
            not_after: Family::default(),
            running: Mutex::default(),
        };
        // A series that is missing until its first event cannot be told from one that was never there.
        for end in End::ALL {
            drop(it.sessions.get_or_create(&ByEnd { end: end.word() }));
        }
        for reason in Turned::ALL {
            drop(it.turned_away.get_or_create(&ByReason { reason: reason.word() }));
        }
        for (_, stage) in STAGES {
            drop(it.stage_seconds.get_or_create(&ByStage { stage }));
        }
        for variant in Variant::ALL {
            drop(it.bytes.get_or_create(&ByVariant { variant: variant.word() }));
        }
        it.registered()
    }

    fn registered(mut self) -> Self {
        let to = &mut self.registry;
        to.register(
            "build",
            "Version of the program",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        to.register("sessions_open", "Connections at the moment", self.sessions_open.clone());
        to.register("sessions", "Connections that ended, by how", self.sessions.clone());
        let away = "Clients that were turned away before a session, by why";
        to.register("turned_away", away, self.turned_away.clone());
        let evicted = "Sessions that had not done anything and made room for other clients";
        to.register("sessions_evicted", evicted, self.evicted.clone());
        to.register("penalties", "Addresses that are refused for bad sessions", self.penalties.clone());
        to.register("files", "Files on disk, by variant and place in the store", self.files.clone());
        to.register("refusals", "Refusals, by who has to act and by kind", self.refusals.clone());
        to.register("receipts", "Files for which a receipt was given", self.receipts.clone());
        to.register("warnings", "Warnings for the operator", self.warnings.clone());
        to.register("log_lines_left_out", "Lines that the log leaves out and sums up", self.left_out.clone());
        to.register("partial_files", "Files that have begun and not ended", self.partials.clone());
        let misses = "PKCS #1 v1.5 blocks that did not conform, for this key";
        to.register("padding_misses", misses, self.padding_misses.clone());
        let left = "Further ones before PKCS #1 v1.5 is off for this key";
        to.register("padding_misses_left", left, self.padding_left.clone());
        let received = "Content of files on disk, by variant";
        to.register_with_unit("received", received, Unit::Bytes, self.bytes.clone());
        let wire = "Files on the wire, refused ones too";
        to.register_with_unit("wire", wire, Unit::Bytes, self.wire_bytes.clone());
        let stage = "Time in each stage of receiving, all sessions added";
        to.register_with_unit("stage", stage, Unit::Seconds, self.stage_seconds.clone());
        let file = "Time from a stored file's first byte to its last";
        to.register_with_unit("file", file, Unit::Seconds, self.file_seconds.clone());
        let publish = "Time that a session waited for files to be on disk under their names";
        to.register_with_unit("publish", publish, Unit::Seconds, self.publish_seconds.clone());
        let record = "Time of a commit to the history";
        to.register_with_unit("record", record, Unit::Seconds, self.record_seconds.clone());
        let end = "End of a certificate since 1970, by the key that it is for";
        to.register_with_unit("certificate_not_after", end, Unit::Seconds, self.not_after.clone());
        self
    }

    /// Counts an event.
    pub(crate) fn event(&self, event: &Event) {
        match event {
            Event::SessionOpened { session, .. } => {
                self.running.lock().ends.insert(*session, End::InOrder);
                self.sessions_open.inc();
            }
            Event::SessionClosed { session } => {
                let end = self.running.lock().ends.remove(session).unwrap_or(End::InOrder);
                self.sessions.get_or_create(&ByEnd { end: end.word() }).inc();
                self.sessions_open.dec();
            }
            Event::Refused { session, blame, kind, is_cut, .. } => {
                let end = if *is_cut { End::Cut } else { End::Refused };
                if let Some(known) = self.running.lock().ends.get_mut(session) {
                    *known = end;
                }
                self.refusals.get_or_create(&ByKind { blame: blame.into(), kind: kind.into() }).inc();
            }
            Event::Received { kept, size, variant, seconds, .. } => {
                let variant = variant.word();
                self.files.get_or_create(&ByKept { variant, kept: kept.into() }).inc();
                if *kept != Kept::Discarded {
                    self.bytes.get_or_create(&ByVariant { variant }).inc_by(*size);
                }
                self.file_seconds.observe(*seconds);
            }
            Event::Receipted { files, .. } => drop(self.receipts.inc_by(*files as u64)),
            Event::Warned { .. } => drop(self.warnings.inc()),
            _ => {}
        }
    }

    /// Notes that a file began.
    pub(crate) fn watch(&self, track: Track, meter: Arc<Meter>) {
        self.running.lock().meters.insert(track, meter);
        self.partials.inc();
    }

    /// Adds what a file has cost.
    pub(crate) fn unwatch(&self, track: Track) {
        let Some(meter) = self.running.lock().meters.remove(&track) else { return };
        self.partials.dec();
        self.wire_bytes.inc_by(meter.wire_bytes());
        for (of, stage) in STAGES {
            self.stage_seconds.get_or_create(&ByStage { stage }).inc_by(meter.spent(of).as_secs_f64());
        }
    }

    /// Counts a client without a session, or a session that makes room.
    pub(crate) fn arrived(&self, arrival: Arrival) {
        match arrival {
            Arrival::Away(why) => self.turned_away.get_or_create(&ByReason { reason: why.word() }).inc(),
            Arrival::Evicted => self.evicted.inc(),
        };
    }

    /// Counts a line that the log leaves out.
    pub(crate) fn leave_out(&self) {
        self.left_out.inc();
    }

    /// Adds the time of a step.
    pub(crate) fn took(&self, step: Step, time: Duration) {
        let of = match step {
            Step::Publish => &self.publish_seconds,
            Step::Record => &self.record_seconds,
        };
        of.observe(time.as_secs_f64());
    }

    /// Returns the page as `OpenMetrics` text.
    pub(crate) fn text(&self, checks: &Checks) -> String {
        let Parts { budget, ends, .. } = checks.parts();
        let misses = budget.misses();
        self.padding_misses.set(signed(misses));
        self.padding_left.set(signed(budget.per_key().saturating_sub(misses)));
        self.penalties.set(signed(checks.penalties() as u64));
        for (key, end) in [("server", ends.server), ("receipts", ends.receipts)] {
            if let Some(at) = end {
                self.not_after.get_or_create(&ByKey { key }).set(at);
            }
        }
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
