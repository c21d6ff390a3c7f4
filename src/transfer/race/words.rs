//! A race's result in words, the same in every front end.

use std::time::Duration;

use crate::event::{Course, LaneResult, Pace, Verdict};
use crate::messages::units;

const GIB: f64 = 1_073_741_824.0;

/// A race's result in a sentence: the ratio of the steady rates, and what 1 GiB would take at them.
#[must_use]
pub fn sentence(verdict: &Verdict) -> String {
    let arrived = || verdict.lanes.iter().filter(|lane| lane.fault.is_none() && lane.seconds > 0.0);
    if arrived().count() < 2 {
        return "No comparison: fewer than two lanes arrived.".to_owned();
    }
    if verdict.bytes == 0 {
        return "The file is empty: nothing to compare.".to_owned();
    }
    let name = |lane: &LaneResult| name(verdict, lane);
    let course = match (verdict.course, laps(verdict)) {
        (Course::InTurn, ..=1) => "In turn (fair).".to_owned(),
        (Course::Together, ..=1) => "Together.".to_owned(),
        (Course::InTurn, laps) => format!("In turn (fair), median of {laps}."),
        (Course::Together, laps) => format!("Together, median of {laps}."),
    };
    let mut paced: Vec<(&LaneResult, Pace)> =
        arrived().filter_map(|lane| Some((lane, lane.pace.filter(|pace| pace.bytes > 0)?))).collect();
    let short: Vec<String> = arrived().filter(|lane| lane.pace.is_none()).map(name).collect();
    let short = match short[..] {
        [] => String::new(),
        _ => format!(" Too short to compare: {}.", short.join(", ")),
    };
    let gib: Vec<String> =
        paced.iter().map(|(lane, pace)| format!("{} {}", name(lane), seconds(GIB / pace.rate()))).collect();
    paced.sort_by(|(_, a), (_, b)| b.rate().total_cmp(&a.rate()));
    let [(fastest, most), .., (slowest, least)] = paced[..] else {
        return format!("{course} No comparison: fewer than two lanes moved for 0.25 s.{short}");
    };
    let ratio = most.rate() / least.rate();
    let ratio = if ratio < 10.0 { format!("{ratio:.1}") } else { format!("{ratio:.0}") };
    let than = if paced.len() > 2 { format!(" than {}", name(slowest)) } else { String::new() };
    format!(
        "{course} {} was {ratio} times faster{than}. 1 GiB at the steady rate: {}.{short}",
        name(fastest),
        gib.join(", ")
    )
}

fn seconds(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| "—".to_owned(), units::duration)
}

/// How often each of the lanes that arrived did: what their medians are of. A race that was stopped has fewer than were
/// asked for.
#[must_use]
pub fn laps(verdict: &Verdict) -> u32 {
    let done = verdict.lanes.iter().filter(|lane| lane.fault.is_none());
    let ran = done.map(|lane| lane.laps.len().max(1)).min().unwrap_or(1);
    verdict.laps.min(u32::try_from(ran).unwrap_or(u32::MAX))
}

/// What a lane is called beside the others: its variant; the whole dialect, if another has the same variant; its
/// key, if another has the same dialect, too, or a key of another length; and its number, if all that is another's.
#[must_use]
pub fn name(verdict: &Verdict, lane: &LaneResult) -> String {
    let others = || verdict.lanes.iter().filter(|other| !std::ptr::eq(*other, lane));
    let variant = lane.dialect.variant.to_string();
    if !others().any(|other| other.dialect.variant == lane.dialect.variant) {
        return variant;
    }
    let called = label(verdict, lane);
    // To different servers, say.
    let is_another = others().any(|other| label(verdict, other) == called);
    match verdict.lanes.iter().position(|one| std::ptr::eq(one, lane)) {
        Some(at) if is_another => format!("{called} ({})", at + 1),
        _ => called,
    }
}

/// The dialect, and the key where that tells lanes of its variant apart.
#[must_use]
pub fn label(verdict: &Verdict, lane: &LaneResult) -> String {
    let dialect = lane.dialect.to_string();
    let bits = |lane: &LaneResult| lane.proof.as_ref().map(|proof| proof.bits);
    let needs_key = verdict.lanes.iter().filter(|other| !std::ptr::eq(*other, lane)).any(|other| {
        let same_variant = other.dialect.variant == lane.dialect.variant;
        other.dialect.to_string() == dialect || (same_variant && bits(other) != bits(lane))
    });
    match bits(lane) {
        Some(bits) if needs_key => format!("{dialect} {bits}"),
        _ => dialect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Dialect, Engines, Fault, Padding, Proof, Variant};
    use crate::net::upload::UploadError;

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
        }
    }

    #[test]
    fn the_sentence_has_the_ratio_and_a_gibibyte() {
        let both = verdict(vec![lane(Variant::Cp1, 2.76, None), lane(Variant::Cp2, 0.02, None)]);
        assert_eq!(
            sentence(&both),
            "In turn (fair). CP2 was 138 times faster. 1 GiB at the steady rate: CP1 5 min 53 s, CP2 2.6 s."
        );
        let three = verdict(vec![
            lane(Variant::Plain, 0.01, None),
            lane(Variant::Cp1, 0.05, None),
            lane(Variant::Cp2, 0.02, None),
        ]);
        assert!(
            sentence(&three)
                .starts_with("In turn (fair). Plain was 5.0 times faster than CP1. 1 GiB at the ")
        );
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
        // 347 bytes took milliseconds: not what is compared.
        let cp1 = LaneResult { pace: pace(1 << 20, 0.5), ..lane(Variant::Cp1, 0.5e-3, None) };
        let cp2 = LaneResult { pace: pace(64 << 20, 0.25), ..lane(Variant::Cp2, 0.9e-3, None) };
        let short = LaneResult { pace: None, ..lane(Variant::Ap, 0.4e-3, None) };
        let told = |lanes| sentence(&Verdict { bytes: 347, ..verdict(lanes) });
        let both =
            "In turn (fair). CP2 was 128 times faster. 1 GiB at the steady rate: CP1 8 min 32 s, CP2 4.0 s.";
        assert_eq!(told(vec![cp1.clone(), cp2.clone()]), both);
        let all = told(vec![cp1.clone(), cp2, short.clone()]);
        assert_eq!(all, format!("{both} Too short to compare: AP."));
        assert_eq!(
            told(vec![cp1, short]),
            "In turn (fair). No comparison: fewer than two lanes moved for 0.25 s. Too short to compare: AP."
        );
    }

    #[test]
    fn the_sentence_says_how_they_ran() {
        let both = verdict(vec![lane(Variant::Ap, 3.0, None), lane(Variant::Cp2, 1.0, None)]);
        let told = |course, laps: u32| {
            let ran = |lane: &LaneResult| {
                let laps = vec![lane.seconds; laps as usize];
                LaneResult { laps, ..lane.clone() }
            };
            sentence(&Verdict { course, laps, lanes: both.lanes.iter().map(ran).collect(), ..both.clone() })
        };
        assert!(told(Course::Together, 1).starts_with("Together. CP2 was 3.0 times faster. 1 GiB at"));
        assert!(told(Course::InTurn, 5).starts_with("In turn (fair), median of 5. CP2 was 3.0"));
    }

    #[test]
    fn the_median_is_of_the_laps_that_were_run() {
        let ran = |variant, laps| LaneResult { laps: vec![1.0; laps], ..lane(variant, 1.0, None) };
        let stopped = LaneResult {
            laps: vec![1.0; 2],
            ..lane(Variant::Ap, 0.0, Some(UploadError::Interrupted.fault()))
        };
        let lanes = vec![ran(Variant::Cp1, 4), ran(Variant::Cp2, 3), stopped];
        let verdict = Verdict { laps: 5, ..verdict(lanes) };
        assert_eq!(laps(&verdict), 3);
        assert!(sentence(&verdict).starts_with("In turn (fair), median of 3. "), "{}", sentence(&verdict));
    }

    #[test]
    fn lanes_are_told_apart_by_no_more_than_it_takes() {
        let proof = |bits| Proof {
            subject: String::new(),
            issuer: String::new(),
            bits,
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
            verdict.lanes.iter().map(|lane| name(&verdict, lane)).collect::<Vec<_>>()
        };
        let cp2 = lane(Variant::Cp2, 1.0, None);
        assert_eq!(names(vec![cp1(1024, Padding::Oaep), cp2.clone()]), ["CP1", "CP2"]);
        // To two servers.
        assert_eq!(names(vec![cp2.clone(), cp2.clone()]), ["CP2 Fernet (1)", "CP2 Fernet (2)"]);
        let paddings = vec![cp1(1024, Padding::Oaep), cp1(1024, Padding::Pkcs1v15), cp2];
        assert_eq!(names(paddings), ["CP1 OAEP", "CP1 PKCS1v15", "CP2"]);
        let keys = vec![cp1(1024, Padding::Oaep), cp1(2048, Padding::Oaep)];
        assert_eq!(names(keys), ["CP1 OAEP 1024", "CP1 OAEP 2048"]);
        // Else the padding would seem to be what costs.
        let both = vec![cp1(1024, Padding::Oaep), cp1(2048, Padding::Pkcs1v15)];
        assert_eq!(names(both), ["CP1 OAEP 1024", "CP1 PKCS1v15 2048"]);
    }

    #[test]
    fn a_lane_that_failed_is_not_compared() {
        let fault = UploadError::Interrupted.fault();
        let one = verdict(vec![lane(Variant::Cp1, 0.0, Some(fault)), lane(Variant::Cp2, 0.02, None)]);
        assert_eq!(sentence(&one), "No comparison: fewer than two lanes arrived.");
    }
}
