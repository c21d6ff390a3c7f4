//! Tests of the numbers, and of the text that Prometheus reads.

use std::collections::{BTreeMap, BTreeSet};

use super::checks::Ends;
use super::*;
use crate::event::{Blame, RefusalKind};
use crate::net::budget::PaddingBudget;
use crate::net::service::{Policy, Service};
use crate::store::Nowhere;
use crate::testing::EventLog;

fn checks(budget: PaddingBudget, ends: Ends) -> Checks {
    let service = Service {
        policy: Policy::default(),
        identity: None,
        store: Arc::new(Nowhere),
        ciphertext: None,
        history: None,
        budget,
        observer: Arc::new(EventLog::default()),
    };
    let checks = Checks::of(&service);
    checks.parts.lock().ends = ends;
    checks
}

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn events_become_numbers() {
    let metrics = Metrics::new();
    let budget = PaddingBudget::with_limits(10, 5);
    let before = metrics.text(&checks(budget.clone(), Ends::default()));
    assert!(!before.contains("not_after_seconds{"), "{before}");
    let checks = checks(budget.clone(), Ends { server: Some(1_900_000_000), receipts: None });
    let text = || metrics.text(&checks);
    let opened = |id| Event::SessionOpened { session: SessionId(id), peer: "a".into() };
    (1..=4).for_each(|id| metrics.event(&opened(id)));
    let refused = |id, is_cut| Event::Refused {
        session: SessionId(id),
        track: None,
        peer: "evil\"} 1".into(),
        name: Some("upseal_files_total{} 7".into()),
        blame: Blame::Peer,
        kind: if is_cut { RefusalKind::Cut } else { RefusalKind::Replay },
        why: "x".into(),
        is_cut,
        at_ms: 0,
    };
    metrics.event(&refused(1, false));
    metrics.event(&refused(2, true));
    let track = Track::Receiving(SessionId(3), 1);
    let meter = Arc::new(Meter::default());
    meter.add_wire(100);
    metrics.watch(track, Arc::clone(&meter));
    assert_eq!(value(&text(), "upseal_partial_files"), Some(1.0));
    metrics.unwatch(track);
    metrics.unwatch(track);
    for kept in [Kept::New, Kept::Same, Kept::Discarded] {
        metrics.event(&Event::Received {
            track,
            peer: "a".into(),
            name: "b".into(),
            kept,
            size: 70,
            variant: Variant::Cp2,
            digest: None,
            seconds: 0.5,
            at_ms: 0,
        });
    }
    metrics.event(&Event::Receipted { session: SessionId(3), files: 2 });
    (1..=3).for_each(|id| metrics.event(&Event::SessionClosed { session: SessionId(id) }));
    metrics.took(Step::Publish, Duration::from_millis(3));
    let _ = budget.charge(None);
    for why in [Turned::Full, Turned::Full, Turned::NotAllowed] {
        metrics.arrived(Arrival::Away(why));
    }
    metrics.arrived(Arrival::Evicted);
    metrics.leave_out();
    assert_eq!(value(&text(), "upseal_penalties"), Some(0.0));
    checks.count_penalties(|| 3);
    let text = text();
    for (series, is) in [
        ("upseal_sessions_open", 1.0),
        ("upseal_sessions_total{end=\"in_order\"}", 1.0),
        ("upseal_sessions_total{end=\"refused\"}", 1.0),
        ("upseal_sessions_total{end=\"cut\"}", 1.0),
        ("upseal_refusals_total{blame=\"peer\",kind=\"replay\"}", 1.0),
        ("upseal_refusals_total{blame=\"peer\",kind=\"cut\"}", 1.0),
        ("upseal_files_total{variant=\"cp2\",kept=\"new\"}", 1.0),
        ("upseal_files_total{variant=\"cp2\",kept=\"discarded\"}", 1.0),
        ("upseal_received_bytes_total{variant=\"cp2\"}", 140.0),
        ("upseal_received_bytes_total{variant=\"plain\"}", 0.0),
        ("upseal_wire_bytes_total", 100.0),
        ("upseal_partial_files", 0.0),
        ("upseal_receipts_total", 2.0),
        ("upseal_turned_away_total{reason=\"full\"}", 2.0),
        ("upseal_turned_away_total{reason=\"not_allowed\"}", 1.0),
        ("upseal_turned_away_total{reason=\"proxy_header\"}", 0.0),
        ("upseal_sessions_evicted_total", 1.0),
        ("upseal_log_lines_left_out_total", 1.0),
        ("upseal_penalties", 3.0),
        ("upseal_file_seconds_count", 3.0),
        ("upseal_publish_seconds_count", 1.0),
        ("upseal_record_seconds_count", 0.0),
        ("upseal_padding_misses", 1.0),
        ("upseal_padding_misses_left", 9.0),
        ("upseal_certificate_not_after_seconds{key=\"server\"}", 1_900_000_000.0),
    ] {
        assert_eq!(value(&text, series), Some(is), "{series}\n{text}");
    }
    assert!(!text.contains("evil"), "a label came from the network: {text}");
    assert_eq!(check(&text), Ok(()), "{text}");
}

/// A family of series, as its comments describe it.
#[derive(Debug, Default)]
struct Described {
    kind: String,
    has_help: bool,
    unit: Option<String>,
}

/// Checks a page by the rules of `OpenMetrics` 1.0 that apply to it.
fn check(text: &str) -> Result<(), String> {
    let lines = text.strip_suffix("# EOF\n").ok_or("the end is missing")?;
    let mut families: BTreeMap<String, Described> = BTreeMap::new();
    let mut current = String::new();
    let mut seen = BTreeSet::new();
    let mut buckets: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    for line in lines.lines() {
        let wrong = |why: &str| Err(format!("{why}: {line}"));
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (Some(what), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) else {
                return wrong("a comment without three parts");
            };
            if name != current && families.contains_key(name) {
                return wrong("a family in two places");
            }
            name.clone_into(&mut current);
            let family = families.entry(current.clone()).or_default();
            match what {
                "HELP" => family.has_help = !std::mem::replace(&mut family.has_help, true),
                "TYPE" if family.kind.is_empty() => rest.clone_into(&mut family.kind),
                "UNIT" if name.ends_with(&format!("_{rest}")) => family.unit = Some(rest.to_owned()),
                _ => return wrong("a comment that is unknown, came twice or does not fit"),
            }
            continue;
        }
        let Some((series, number)) = line.rsplit_once(' ') else { return wrong("no value") };
        let Ok(number) = number.parse::<f64>() else { return wrong("no number") };
        let (name, labels) = match series.split_once('{') {
            None => (series, Vec::new()),
            Some((name, labels)) => match labels.strip_suffix('}').and_then(pairs) {
                Some(labels) => (name, labels),
                None => return wrong("labels"),
            },
        };
        if !is_name(name) || !name.starts_with("upseal_") {
            return wrong("a name");
        }
        if !seen.insert(series.to_owned()) {
            return wrong("a series twice");
        }
        let Some(of) = families.get(&current) else { return wrong("a series without a family") };
        let Some(suffix) = name.strip_prefix(&current[..]) else {
            return wrong("a series of another family");
        };
        let key =
            format!("{current}{:?}", labels.iter().filter(|(name, _)| name != "le").collect::<Vec<_>>());
        match (&of.kind[..], suffix) {
            ("counter", "_total") | ("info", "_info") | ("histogram", "_sum") | ("gauge", "") => {}
            ("histogram", "_count") => drop(counts.insert(key, number)),
            ("histogram", "_bucket") => {
                let Some((_, le)) = labels.iter().find(|(name, _)| name == "le") else {
                    return wrong("no le");
                };
                let le = le.parse::<f64>().map_err(|_| format!("le: {line}"))?;
                buckets.entry(key).or_default().push((le, number));
            }
            _ => return wrong("a series that does not fit its type"),
        }
        if of.kind != "gauge" && number < 0.0 {
            return wrong("less than nothing");
        }
    }
    for (name, of) in &families {
        if of.kind.is_empty() || !of.has_help {
            return Err(format!("{name} has no type or no help"));
        }
    }
    for (key, of) in &buckets {
        let is_growing = of.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
        let is_whole = of.last().is_some_and(|(le, n)| le.is_infinite() && counts.get(key) == Some(n));
        if !is_growing || !is_whole {
            return Err(format!("the buckets of {key}: {of:?}"));
        }
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Returns the labels in `a="b",c="d"`, whose values have no characters that would need an escape.
fn pairs(labels: &str) -> Option<Vec<(String, String)>> {
    let pair = |text: &str| {
        let (name, value) = text.split_once('=')?;
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        let is_plain = value.chars().all(|c| c.is_ascii_alphanumeric() || ".+-_".contains(c));
        (is_name(name) && is_plain).then(|| (name.to_owned(), value.to_owned()))
    };
    labels.split(',').map(pair).collect()
}

#[test]
fn the_page_has_every_family_and_is_valid() {
    let metrics = Metrics::new();
    // These have no series before their first event.
    drop(metrics.files.get_or_create(&ByKept { variant: "cp2", kept: "new" }));
    drop(metrics.refusals.get_or_create(&ByKind { blame: "peer", kind: "cut" }));
    let ends = Ends { server: Some(1), receipts: Some(2) };
    let text = metrics.text(&checks(PaddingBudget::default(), ends));
    assert_eq!(check(&text), Ok(()), "{text}");
    let families: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE upseal_")?.split(' ').next()).collect();
    assert_eq!(
        families,
        [
            "build",
            "sessions_open",
            "sessions",
            "turned_away",
            "sessions_evicted",
            "penalties",
            "files",
            "refusals",
            "receipts",
            "warnings",
            "log_lines_left_out",
            "partial_files",
            "padding_misses",
            "padding_misses_left",
            "received_bytes",
            "wire_bytes",
            "stage_seconds",
            "file_seconds",
            "publish_seconds",
            "record_seconds",
            "certificate_not_after_seconds",
        ]
    );
}

#[test]
fn an_invalid_page_is_noticed() {
    let valid = "# HELP upseal_a A.\n# TYPE upseal_a counter\nupseal_a_total{b=\"c\"} 1\n# EOF\n";
    assert_eq!(check(valid), Ok(()));
    for (from, to) in [
        ("# EOF\n", ""),
        ("# HELP upseal_a A.\n", ""),
        ("counter", "gauge"),
        ("_total", ""),
        ("} 1\n", "} x\n"),
        ("b=", "B="),
        ("c\"", "c d\""),
        ("} 1\n", "} 1\nupseal_a_total{b=\"c\"} 1\n"),
        ("} 1\n", "} -1\n"),
        ("upseal_a_total", "evil_total"),
        ("# EOF", "# HELP upseal_b B.\n# TYPE upseal_b gauge\nupseal_b 1\n# HELP upseal_a A.\n# EOF"),
    ] {
        let broken = valid.replace(from, to);
        assert!(check(&broken).is_err(), "{broken}");
    }
    let buckets = |of: &str| {
        check(&format!(
            "# HELP upseal_a A.\n# TYPE upseal_a histogram\n{of}upseal_a_count 3\nupseal_a_sum 1\n# EOF\n"
        ))
    };
    let bucket = |le: &str, n: u64| format!("upseal_a_bucket{{le=\"{le}\"}} {n}\n");
    assert_eq!(buckets(&(bucket("0.5", 1) + &bucket("+Inf", 3))), Ok(()));
    for bad in [bucket("0.5", 3), bucket("+Inf", 2), bucket("0.5", 4) + &bucket("+Inf", 3)] {
        assert!(buckets(&bad).is_err(), "{bad}");
    }
}
