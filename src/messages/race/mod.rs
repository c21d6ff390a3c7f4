//! Sentences about races: the result, the names of lanes, stages and bottlenecks.

mod crowded;
mod why;

pub(crate) use self::crowded::crowded;
pub(crate) use self::why::why;
use crate::event::{Course, Dialect, Fault, FaultKind, LaneResult, Variant, Verdict, Work};
use crate::messages::units;
use crate::meter::Stage;

/// The comparison of two lanes by their steady rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ratio {
    /// Index of the fastest lane.
    pub fastest: usize,
    /// Index of the slowest lane.
    pub slowest: usize,
    /// How many times the fastest lane's rate is the slowest lane's; at least 1.
    pub times: f64,
}

impl Ratio {
    /// Compares the lanes of a race; `None` if fewer than two have a steady rate.
    #[must_use]
    pub(crate) fn of(verdict: &Verdict) -> Option<Self> {
        let rate = |lane: &LaneResult| {
            let pace = lane.pace.filter(|pace| has_finished(lane) && pace.bytes > 0 && verdict.bytes > 0)?;
            Some(pace.rate()).filter(|rate| rate.is_finite() && *rate > 0.0)
        };
        let mut paced: Vec<(usize, f64)> =
            verdict.lanes.iter().enumerate().filter_map(|(at, lane)| Some((at, rate(lane)?))).collect();
        paced.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let [(fastest, most), .., (slowest, least)] = paced[..] else { return None };
        Some(Self { fastest, slowest, times: most / least })
    }

    /// Formats the ratio for large digits: `222×`.
    #[must_use]
    pub(crate) fn large(self) -> String {
        format!("{}×", units::times(self.times))
    }
}

fn has_finished(lane: &LaneResult) -> bool {
    lane.fault.is_none() && lane.seconds > 0.0
}

/// Describes a race's result: the ratio of the steady rates, and the time that 1 GiB would take at these rates.
#[must_use]
pub fn sentence(verdict: &Verdict) -> String {
    let finished = || verdict.lanes.iter().filter(|lane| has_finished(lane));
    if finished().count() < 2 {
        if verdict.lanes.iter().any(|lane| lane.fault.as_ref().is_some_and(is_stop)) {
            return "Stopped: fewer than two lanes finished.".to_owned();
        }
        return "No comparison: fewer than two lanes finished.".to_owned();
    }
    if verdict.bytes == 0 {
        return "The file is empty: nothing to compare.".to_owned();
    }
    let (course, short) = (course(verdict), too_short(verdict));
    let Some(ratio) = Ratio::of(verdict) else {
        return format!("{course} No comparison: fewer than two lanes sent data for 0.25 s.{short}");
    };
    let headline = headline(verdict, ratio);
    // Of two lanes, the other one is the slower one.
    let headline = match headline.rsplit_once(" than ") {
        Some((short, _)) if finished().filter(|lane| lane.pace.is_some()).count() == 2 => format!("{short}."),
        _ => headline,
    };
    format!("{course} {headline} {}{short}", speed(verdict))
}

/// Describes the ratio alone: `CP2 was 138 times faster than CP1.`
#[must_use]
pub(crate) fn headline(verdict: &Verdict, Ratio { fastest, slowest, times }: Ratio) -> String {
    let entrants = entrants(verdict);
    let name = |at| name(&entrants, at);
    format!("{} was {} times faster than {}.", name(fastest), units::times(times), name(slowest))
}

/// Describes how the lanes ran, and what they would take for more: `At this speed 1 GiB takes CP1 5 min 53 s, CP2 2.6 s. In
/// turn (fair).`
#[must_use]
pub(crate) fn manner(verdict: &Verdict) -> String {
    format!("{} {}{}", speed(verdict), course(verdict), too_short(verdict))
}

fn course(verdict: &Verdict) -> String {
    match (verdict.course, laps(verdict)) {
        (Course::InTurn, ..=1) => "In turn (fair).".to_owned(),
        (Course::Together, ..=1) => "Together.".to_owned(),
        (Course::InTurn, laps) => format!("In turn (fair), median of {laps}."),
        (Course::Together, laps) => format!("Together, median of {laps}."),
    }
}

/// Returns the time for 1 GiB (or 1 GB) at the steady rate of each lane that has one.
fn speed(verdict: &Verdict) -> String {
    let entrants = entrants(verdict);
    let (giga, size) = units::one_giga();
    let gib = |(at, lane): (usize, &LaneResult)| {
        let pace = lane.pace.filter(|pace| has_finished(lane) && pace.bytes > 0)?;
        Some(format!("{} {}", name(&entrants, at), units::seconds(giga / pace.rate())))
    };
    let gib: Vec<String> = verdict.lanes.iter().enumerate().filter_map(gib).collect();
    format!("At this speed {size} takes {}.", gib.join(", "))
}

/// Names the lanes that finished without a steady rate, after a blank; empty if there are none.
fn too_short(verdict: &Verdict) -> String {
    let entrants = entrants(verdict);
    let lanes = verdict.lanes.iter().enumerate();
    let short: Vec<String> = lanes
        .filter(|(_, lane)| has_finished(lane) && lane.pace.is_none())
        .map(|(at, _)| name(&entrants, at))
        .collect();
    if short.is_empty() { String::new() } else { format!(" Too short to compare: {}.", short.join(", ")) }
}

/// Returns whether a lane ended because the user stopped it.
#[must_use]
pub(crate) fn is_stop(fault: &Fault) -> bool {
    fault.kind == FaultKind::Interrupted
}

/// Returns how many laps every finished lane completed, which is what its median is of. A race that was stopped has
/// fewer than it was started with.
#[must_use]
pub(crate) fn laps(verdict: &Verdict) -> u32 {
    let done = verdict.lanes.iter().filter(|lane| lane.fault.is_none());
    let ran = done.map(|lane| lane.laps.len().max(1)).min().unwrap_or(1);
    verdict.laps.min(u32::try_from(ran).unwrap_or(u32::MAX))
}

/// What the name of a lane is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entrant {
    /// The lane's dialect.
    pub dialect: Dialect,
    /// The length in bits of its server's key; `None`: not known.
    pub bits: Option<usize>,
}

impl From<&LaneResult> for Entrant {
    fn from(lane: &LaneResult) -> Self {
        Self { dialect: lane.dialect, bits: lane.proof.as_ref().map(|proof| proof.bits) }
    }
}

/// Returns what the lanes of a finished race are named after, for [`name`] and [`label`].
#[must_use]
pub(crate) fn entrants(verdict: &Verdict) -> Vec<Entrant> {
    verdict.lanes.iter().map(Entrant::from).collect()
}

/// Returns the shortest name that distinguishes the lane `at` from the others: its variant; the dialect if another lane
/// has the same variant; the key length if another has the same dialect or a different key length; the lane's number if
/// all of these are equal.
#[must_use]
pub(crate) fn name(lanes: &[Entrant], at: usize) -> String {
    let is_like = |other: &dyn Fn(usize) -> bool| (0..lanes.len()).any(|one| one != at && other(one));
    let variant = lanes[at].dialect.variant;
    if !is_like(&|other| lanes[other].dialect.variant == variant) {
        return variant.to_string();
    }
    let called = label(lanes, at);
    // For example, the same dialect to two servers.
    if is_like(&|other| label(lanes, other) == called) { format!("{called} ({})", at + 1) } else { called }
}

/// Returns the dialect of the lane `at`, with the key length where it distinguishes lanes of the same variant.
#[must_use]
pub(crate) fn label(lanes: &[Entrant], at: usize) -> String {
    let Entrant { dialect, bits } = lanes[at];
    let text = dialect.to_string();
    let needs_key = lanes.iter().enumerate().filter(|(one, _)| *one != at).any(|(_, other)| {
        let has_same_variant = other.dialect.variant == dialect.variant;
        other.dialect.to_string() == text || (has_same_variant && other.bits != bits)
    });
    match bits {
        Some(bits) if needs_key => format!("{text} {bits}"),
        _ => text,
    }
}

/// The stages, in the order in which a file passes them.
pub(crate) const STAGES: [Stage; 6] =
    [Stage::Read, Stage::Seal, Stage::Wire, Stage::Open, Stage::Store, Stage::Wait];

/// Returns a stage's name.
#[must_use]
pub(crate) const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Read => "read",
        Stage::Seal => "seal",
        Stage::Wire => "wire",
        Stage::Open => "open",
        Stage::Store => "store",
        Stage::Wait => "wait",
    }
}

/// Returns the short name of a bottleneck: `server's RSA`.
#[must_use]
pub(crate) const fn bottleneck(stage: Stage, on_server: bool, variant: Variant) -> &'static str {
    match (stage, on_server, variant) {
        (Stage::Wait, ..) => "server or network",
        (Stage::Read, ..) => "reading",
        (Stage::Wire, false, _) => "our socket",
        (Stage::Wire, true, _) => "server's socket",
        (Stage::Store, false, _) => "our disk",
        (Stage::Store, true, _) => "server's disk",
        (Stage::Seal | Stage::Open, false, Variant::Plain | Variant::Ap) => "our SHA-256",
        (Stage::Seal | Stage::Open, true, Variant::Plain | Variant::Ap) => "server's SHA-256",
        (Stage::Seal | Stage::Open, false, Variant::Cp1) => "our RSA",
        (Stage::Seal | Stage::Open, true, Variant::Cp1) => "server's RSA",
        (Stage::Seal | Stage::Open, false, Variant::Cp2) => "our CBC chain",
        (Stage::Seal | Stage::Open, true, Variant::Cp2) => "server's AES and HMAC",
    }
}

/// Returns the full name of a bottleneck, with the operation: `server's RSA private operation`.
#[must_use]
pub(crate) const fn full_bottleneck(stage: Stage, on_server: bool, variant: Variant) -> &'static str {
    match (stage, on_server, variant) {
        (Stage::Read, ..) => "reading the file",
        (Stage::Seal | Stage::Open, false, Variant::Cp1) => "our RSA public operation",
        (Stage::Seal | Stage::Open, true, Variant::Cp1) => "server's RSA private operation",
        (Stage::Seal | Stage::Open, false, Variant::Cp2) => "our CBC chain, block after block",
        _ => bottleneck(stage, on_server, variant),
    }
}

/// Describes a bottleneck: `bottleneck: server's RSA, busy 43 % of the time on 2 cores`. `busy` is between 0 and 1. One core
/// is not mentioned.
#[must_use]
pub(crate) fn busy(name: &str, busy: f64, cores: u32) -> String {
    let cores = if cores > 1 { format!(" on {cores} cores") } else { String::new() };
    format!("bottleneck: {name}, busy {} of the time{cores}", units::percent(busy))
}

/// Explains a stage, for a glossary.
#[must_use]
pub(crate) const fn explained(stage: Stage) -> &'static str {
    match stage {
        Stage::Read => "the client reads the file",
        Stage::Seal => "the client encrypts, and computes digests",
        Stage::Wire => "both sides copy bytes to and from the network",
        Stage::Open => "the server decrypts, and checks digests",
        Stage::Store => "the server writes the file to its disk",
        Stage::Wait => "the client waits for the server's last answer",
    }
}

/// Describes the processor time of both sides: `CPU 0.34 s here, 6.62 s server`. `—` stands for a server that does not
/// share its figures.
#[must_use]
pub(crate) fn cpu(client: &Work, server: Option<&Work>) -> String {
    let time = |work: &Work| units::precise(work.cpu_us as f64 / 1e6);
    let server = server.map_or_else(units::none, time);
    format!("CPU {} here, {server} server", time(client))
}

/// Describes the fastest and the slowest lap: `min 2.71 s, max 2.90 s`. `laps` are in seconds.
#[must_use]
pub(crate) fn spread(laps: &[f64]) -> String {
    let least = laps.iter().copied().fold(f64::INFINITY, f64::min);
    let most = laps.iter().copied().fold(0.0, f64::max);
    format!("min {}, max {}", units::precise(least), units::precise(most))
}

/// Describes the size of a lane on the wire: `16.5 MiB on the wire (×2.06)`; an empty file has no factor.
#[must_use]
pub(crate) fn on_wire(wire: u64, file: u64) -> String {
    let factor = units::wire_factor(wire, file).map_or_else(String::new, |factor| format!(" ({factor})"));
    format!("{} on the wire{factor}", units::bytes(wire))
}

/// Says that a lane's server generates a key, which may take seconds.
#[must_use]
pub(crate) fn key_coming(bits: usize) -> String {
    format!("generating a key of {bits} bits…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Engines, Escaped, Fault, Pace, Padding, Proof};

    fn lane(variant: Variant, seconds: f64, fault: Option<Fault>) -> LaneResult {
        let pace = fault.is_none().then_some(Pace { bytes: 8 << 20, seconds });
        LaneResult { fault, pace, ..LaneResult::of(Dialect::of(variant), seconds) }
    }

    fn verdict(lanes: Vec<LaneResult>) -> Verdict {
        Verdict {
            name: "cmos.mp4".to_owned(),
            bytes: 8 << 20,
            lanes,
            engines: Engines::default(),
            course: Course::InTurn,
            laps: 1,
            others: None,
        }
    }

    #[test]
    fn the_sentence_has_the_ratio_and_a_gibibyte() {
        let both = verdict(vec![lane(Variant::Cp1, 2.76, None), lane(Variant::Cp2, 0.02, None)]);
        assert_eq!(
            sentence(&both),
            "In turn (fair). CP2 was 138 times faster. At this speed 1 GiB takes CP1 5 min 53 s, CP2 2.6 s."
        );
        let ratio = Ratio::of(&both).unwrap();
        assert_eq!((ratio.fastest, ratio.slowest, ratio.large().as_str()), (1, 0, "138×"));
        let three = verdict(vec![
            lane(Variant::Plain, 0.01, None),
            lane(Variant::Cp1, 0.05, None),
            lane(Variant::Cp2, 0.02, None),
        ]);
        assert!(
            sentence(&three)
                .starts_with("In turn (fair). Plain was 5.0 times faster than CP1. At this speed ")
        );
    }

    #[test]
    fn other_programs_are_mentioned_from_a_tenth_of_the_processors_on() {
        let said = |others| crowded(&Verdict { others, ..verdict(Vec::new()) });
        assert_eq!(
            said(Some(0.37)).unwrap(),
            "Other programs used 37 % of this machine's processors during the race, so the times may be longer than \
             on a quiet one."
        );
        assert!(said(Some(0.1)).is_some());
        assert_eq!([said(None), said(Some(0.0)), said(Some(0.099))], [None, None, None]);
    }

    #[test]
    fn an_empty_file_is_not_compared() {
        let lanes = vec![lane(Variant::Cp1, 0.004, None), lane(Variant::Cp2, 0.001, None)];
        let empty = Verdict { bytes: 0, ..verdict(lanes) };
        assert_eq!(sentence(&empty), "The file is empty: nothing to compare.");
    }

    #[test]
    fn the_ratio_is_of_the_steady_rates_and_a_lane_without_one_does_not_count() {
        let pace = |bytes, seconds| Some(Pace { bytes, seconds });
        // 347 bytes took milliseconds, which is not what is compared.
        let cp1 = LaneResult { pace: pace(1 << 20, 0.5), ..lane(Variant::Cp1, 0.5e-3, None) };
        let cp2 = LaneResult { pace: pace(64 << 20, 0.25), ..lane(Variant::Cp2, 0.9e-3, None) };
        let short = LaneResult { pace: None, ..lane(Variant::Ap, 0.4e-3, None) };
        let said = |lanes| sentence(&Verdict { bytes: 347, ..verdict(lanes) });
        let both =
            "In turn (fair). CP2 was 128 times faster. At this speed 1 GiB takes CP1 8 min 32 s, CP2 4.0 s.";
        assert_eq!(said(vec![cp1.clone(), cp2.clone()]), both);
        let all = said(vec![cp1.clone(), cp2, short.clone()]);
        assert_eq!(all, format!("{both} Too short to compare: AP."));
        assert_eq!(
            said(vec![cp1, short]),
            "In turn (fair). No comparison: fewer than two lanes sent data for 0.25 s. Too short to compare: AP."
        );
    }

    #[test]
    fn the_sentence_says_how_the_lanes_ran() {
        let both = verdict(vec![lane(Variant::Ap, 3.0, None), lane(Variant::Cp2, 1.0, None)]);
        let said = |course, laps: u32| {
            let ran = |lane: &LaneResult| {
                let laps = vec![lane.seconds; laps as usize];
                LaneResult { laps, ..lane.clone() }
            };
            sentence(&Verdict { course, laps, lanes: both.lanes.iter().map(ran).collect(), ..both.clone() })
        };
        assert!(
            said(Course::Together, 1).starts_with("Together. CP2 was 3.0 times faster. At this speed 1 GiB")
        );
        assert!(said(Course::InTurn, 5).starts_with("In turn (fair), median of 5. CP2 was 3.0"));
    }

    #[test]
    fn the_median_is_of_the_laps_that_were_run() {
        let ran = |variant, laps| LaneResult { laps: vec![1.0; laps], ..lane(variant, 1.0, None) };
        let stopped = LaneResult {
            laps: vec![1.0; 2],
            ..lane(Variant::Ap, 0.0, Some(Fault::interrupted("cancelled")))
        };
        let lanes = vec![ran(Variant::Cp1, 4), ran(Variant::Cp2, 3), stopped];
        let verdict = Verdict { laps: 5, ..verdict(lanes) };
        assert_eq!(laps(&verdict), 3);
        assert!(sentence(&verdict).starts_with("In turn (fair), median of 3. "), "{}", sentence(&verdict));
    }

    #[test]
    fn lanes_have_the_shortest_names_that_differ() {
        let proof = |bits| Proof {
            subject: Escaped::default(),
            issuer: Escaped::default(),
            bits,
            certified: true,
            days_left: 1,
            fingerprint: String::new(),
            warnings: Vec::new(),
        };
        let cp1 = |bits, padding| LaneResult {
            proof: Some(proof(bits)),
            ..LaneResult::of(Dialect { padding, ..Dialect::of(Variant::Cp1) }, 1.0)
        };
        let names = |lanes| {
            let verdict = verdict(lanes);
            let entrants = entrants(&verdict);
            (0..entrants.len()).map(|at| name(&entrants, at)).collect::<Vec<_>>()
        };
        let cp2 = lane(Variant::Cp2, 1.0, None);
        assert_eq!(names(vec![cp1(1024, Padding::Oaep), cp2.clone()]), ["CP1", "CP2"]);
        // The same dialect to two servers.
        assert_eq!(names(vec![cp2.clone(), cp2.clone()]), ["CP2 Fernet (1)", "CP2 Fernet (2)"]);
        let paddings = vec![cp1(1024, Padding::Oaep), cp1(1024, Padding::Pkcs1v15), cp2];
        assert_eq!(names(paddings), ["CP1 OAEP", "CP1 PKCS1v15", "CP2"]);
        let keys = vec![cp1(1024, Padding::Oaep), cp1(2048, Padding::Oaep)];
        assert_eq!(names(keys), ["CP1 OAEP 1024", "CP1 OAEP 2048"]);
        // The key of one is not known, as before the lane has begun.
        let unknown = lane(Variant::Cp1, 1.0, None);
        assert_eq!(names(vec![unknown, cp1(2048, Padding::Oaep)]), ["CP1 OAEP", "CP1 OAEP 2048"]);
        // Without the key length the padding would seem to make the difference.
        let both = vec![cp1(1024, Padding::Oaep), cp1(2048, Padding::Pkcs1v15)];
        assert_eq!(names(both), ["CP1 OAEP 1024", "CP1 PKCS1v15 2048"]);
    }

    #[test]
    fn a_lane_that_failed_is_not_compared() {
        let fault = Fault::interrupted("cancelled");
        let one = verdict(vec![lane(Variant::Cp1, 0.0, Some(fault)), lane(Variant::Cp2, 0.02, None)]);
        assert_eq!(
            (sentence(&one), Ratio::of(&one)),
            ("Stopped: fewer than two lanes finished.".to_owned(), None)
        );
        let fault = Fault { kind: FaultKind::Broken, ..Fault::interrupted("cut") };
        let one = verdict(vec![lane(Variant::Cp1, 0.0, Some(fault)), lane(Variant::Cp2, 0.02, None)]);
        assert_eq!(sentence(&one), "No comparison: fewer than two lanes finished.");
    }

    #[test]
    fn each_bottleneck_has_a_short_and_a_full_name() {
        use Variant::{Ap, Cp1, Cp2, Plain};
        for (at, on_server, variant, short, full) in [
            (Stage::Wait, true, Cp1, "server or network", "server or network"),
            (Stage::Read, false, Plain, "reading", "reading the file"),
            (Stage::Wire, false, Cp2, "our socket", "our socket"),
            (Stage::Wire, true, Cp2, "server's socket", "server's socket"),
            (Stage::Store, false, Cp2, "our disk", "our disk"),
            (Stage::Store, true, Cp2, "server's disk", "server's disk"),
            (Stage::Seal, false, Plain, "our SHA-256", "our SHA-256"),
            (Stage::Open, true, Ap, "server's SHA-256", "server's SHA-256"),
            (Stage::Seal, false, Cp1, "our RSA", "our RSA public operation"),
            (Stage::Open, true, Cp1, "server's RSA", "server's RSA private operation"),
            (Stage::Seal, false, Cp2, "our CBC chain", "our CBC chain, block after block"),
            (Stage::Open, true, Cp2, "server's AES and HMAC", "server's AES and HMAC"),
        ] {
            assert_eq!(bottleneck(at, on_server, variant), short);
            assert_eq!(full_bottleneck(at, on_server, variant), full);
        }
        let text = "bottleneck: server's RSA, busy 43 % of the time";
        assert_eq!(busy("server's RSA", 0.434, 1), text);
        assert_eq!(busy("server's RSA", 0.434, 2), format!("{text} on 2 cores"));
        assert_eq!(STAGES.map(stage), ["read", "seal", "wire", "open", "store", "wait"]);
    }

    #[test]
    fn a_lane_s_costs() {
        let work = |cpu_us| Work { cpu_us, ..Work::default() };
        assert_eq!(cpu(&work(340_000), Some(&work(6_621_000))), "CPU 340 ms here, 6.62 s server");
        assert_eq!(cpu(&work(340), None), "CPU 0.34 ms here, — server");
        assert_eq!(spread(&[2.9, 2.71, 2.8]), "min 2.71 s, max 2.90 s");
        assert_eq!(on_wire(17_301_504, 8_388_608), "16.5 MiB on the wire (×2.06)");
        assert_eq!(on_wire(60, 0), "60 B on the wire");
        assert_eq!(key_coming(4096), "generating a key of 4096 bits…");
    }
}
