#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::float_cmp, reason = "numbers are read back as they were written")]

use serde_json::Value;

use super::chart::{self, LANES, STAGE_COLOURS, pieces};
use super::*;
use crate::event::{Course, Dialect, Engines, LaneResult, Pace, Padding, Point, Proof, Variant, Work};

const HOSTILE: &str = "\"><script>alert('x')</script>&|`_\u{1b}[2J\u{202e}.mp4";

fn work(scale: u64) -> Work {
    Work {
        read_us: 1_000 * scale,
        seal_us: 5_000 * scale,
        wire_us: 2_000 * scale,
        open_us: 0,
        store_us: 0,
        wait_us: 3_000 * scale,
        blocked_us: 700 * scale,
        cpu_us: 6_543 * scale,
        workers: 2,
    }
}

fn proof() -> Proof {
    Proof {
        subject: HOSTILE.into(),
        issuer: HOSTILE.into(),
        bits: 1024,
        certified: true,
        days_left: 3,
        fingerprint: "00".to_owned(),
        warnings: vec![HOSTILE.into()],
    }
}

/// Returns the points of a lane that sends 8 MiB in `seconds` at a constant rate.
fn curve(seconds: f64) -> Vec<Point> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
    let us = |n: u64| (seconds * n as f64 / 64.0 * 1e6) as u64;
    (0..=64).map(|n| Point { us: us(n), bytes: n << 17 }).collect()
}

fn report() -> RaceReport {
    let cp1 = |padding, seconds: f64| LaneResult {
        wire_bytes: 17_318_432,
        proof: Some(proof()),
        work: Some(work(20)),
        server: Some(Work { open_us: 2_000_000, cpu_us: 2_100_001, ..work(2) }),
        laps: vec![seconds * 1.25, seconds, seconds * 0.75],
        curve: curve(seconds),
        pace: Some(Pace { bytes: 8 << 20, seconds }),
        ..LaneResult::of(Dialect { padding, ..Dialect::of(Variant::Cp1) }, seconds)
    };
    let plain = LaneResult {
        wire_bytes: 8_388_655,
        generated: true,
        laps: vec![0.011_234_567],
        pace: Some(Pace { bytes: 64 << 20, seconds: 0.089_876 }),
        ..LaneResult::of(Dialect::of(Variant::Plain), 0.011_234_567)
    };
    let fault = Fault {
        kind: FaultKind::Broken,
        blame: Blame::Peer,
        what: format!("cut: {HOSTILE}").into(),
        advice: "".into(),
    };
    let verdict = Verdict {
        name: HOSTILE.to_owned(),
        bytes: 8 << 20,
        lanes: vec![
            plain,
            cp1(Padding::Oaep, 2.765_432_1),
            cp1(Padding::Pkcs1v15, 1.5),
            LaneResult::failed(Dialect::of(Variant::Cp2), fault),
        ],
        engines: Engines { rsa: HOSTILE.to_owned(), fernet: "AES-NI".to_owned() },
        course: Course::InTurn,
        laps: 3,
        others: Some(0.368),
    };
    let machine = Machine { command: format!("upseal race {HOSTILE}").into(), ..Machine::here() };
    let text = |text: &str| Some(text.into());
    let labels = Labels { title: None, author: text(HOSTILE), course: text("Networks"), group: text("7") };
    RaceReport { verdict, machine, labels }
}

fn rendered(format: Format) -> String {
    render(format, &report()).unwrap()
}

/// Returns the numbers of a row that every table has, in the tables' order.
fn numbers(row: &Row) -> Vec<f64> {
    let mut numbers = vec![
        row.seconds,
        row.min,
        row.max,
        row.laps as f64,
        row.mib_per_second,
        row.wire_bytes as f64,
        row.wire_factor,
    ];
    numbers.extend(row.client_cpu_seconds);
    numbers.extend(row.server_cpu_seconds);
    numbers
}

fn arrived() -> Vec<Row> {
    rows(&report().verdict).into_iter().filter(|row| row.arrived).collect()
}

/// Returns every part of a text between `begin` and `end`.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> Vec<&'a str> {
    text.split(begin).skip(1).filter_map(|rest| rest.split(end).next()).collect()
}

#[test]
fn a_row_has_the_verdicts_numbers() {
    let verdict = report().verdict;
    let rows = rows(&verdict);
    for (row, lane) in rows.iter().zip(&verdict.lanes) {
        assert!((row.seconds - lane.seconds).abs() <= 5e-7);
        assert_eq!((row.wire_bytes, row.arrived), (lane.wire_bytes, lane.fault.is_none()));
    }
    let oaep = &rows[1];
    assert_eq!((oaep.name.as_str(), oaep.bits, oaep.laps), ("CP1 OAEP", Some(1024), 3));
    assert_eq!((oaep.seconds, oaep.min, oaep.max), (2.765_432, 2.074_074, 3.456_79));
    assert_eq!((oaep.mib_per_second, oaep.wire_factor), (2.8929, 2.0645));
    assert_eq!((oaep.client_cpu_seconds, oaep.server_cpu_seconds), (Some(0.13086), Some(2.100_001)));
    let parts: f64 = oaep.shares.iter().map(|share| share.part).sum();
    assert!((parts - 1.0).abs() < 1e-3, "{parts}");
    assert!(rows[0].shares.is_empty() && rows[0].client_cpu_seconds.is_none());
    assert!(rows[3].fault.is_some() && rows[3].laps == 0);
}

#[test]
fn json_reads_back_as_the_verdict() {
    let read: Value = serde_json::from_str(&rendered(Format::Json)).unwrap();
    assert_eq!(serde_json::from_value::<Verdict>(read["verdict"].clone()).unwrap(), report().verdict);
    assert_eq!(serde_json::from_value::<Vec<Row>>(read["lanes"].clone()).unwrap(), rows(&report().verdict));
    assert_eq!(read["sentence"].as_str().unwrap(), sentence(&report().verdict));
    assert_eq!(read["load"].as_str().unwrap(), crowded(&report().verdict).unwrap());
    assert_eq!(read[MARK], 1);
}

#[test]
fn csv_reads_back_as_the_rows() {
    let text = rendered(Format::Csv);
    let records: Vec<Vec<String>> = text.split_terminator("\r\n").map(fields).collect();
    let column = |name: &str| records[0].iter().position(|head| head == name).unwrap();
    let all = rows(&report().verdict);
    assert_eq!(records.len(), 1 + all.len());
    for (record, row) in records[1..].iter().zip(&all) {
        assert_eq!(record.len(), records[0].len());
        let number = |name: &str| record[column(name)].parse::<f64>().ok();
        assert_eq!(number(MARK), Some(row.lane as f64));
        assert_eq!(number("other_programs"), Some(0.368));
        let read: Vec<f64> = ["seconds", "min", "max", "laps", "mib_per_second", "wire_bytes", "wire_factor"]
            .into_iter()
            .chain(["client_cpu_seconds", "server_cpu_seconds"])
            .filter_map(number)
            .collect();
        assert_eq!(read, numbers(row));
        for share in &row.shares {
            assert_eq!(number(&format!("part_{}", share.stage)), Some(share.part));
        }
        assert_eq!(record[column("fault")], row.fault.clone().unwrap_or_default());
    }
    assert!(!text.contains('\u{1b}'));
}

/// Parses a line of CSV (RFC 4180).
fn fields(record: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = record.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}

#[test]
fn markdown_reads_back_as_the_rows_and_contains_no_html() {
    let text = rendered(Format::Markdown);
    let table = text.lines().skip_while(|line| !line.starts_with("| lane")).skip(2);
    let read: Vec<Vec<f64>> = table
        .take_while(|line| line.starts_with('|'))
        .filter(|line| !line.contains("did not arrive"))
        .map(|line| {
            line.split('|').filter_map(|cell| cell.trim().trim_start_matches('×').parse().ok()).collect()
        })
        .collect();
    assert_eq!(read, arrived().iter().map(numbers).collect::<Vec<_>>());
    assert!(
        !text.contains("<script") && !text.contains('\u{1b}') && text.contains("&lt;script&gt;"),
        "{text}"
    );
}

#[test]
fn the_page_carries_the_numbers_in_its_cells_and_as_json() {
    let page = rendered(Format::Html);
    let cells: Vec<Vec<f64>> = between(&page, "<tr data-lane", "</tr>")
        .iter()
        .map(|row| between(row, "data-value=\"", "\"").iter().map(|value| value.parse().unwrap()).collect())
        .collect();
    let expected: Vec<Vec<f64>> = rows(&report().verdict)
        .iter()
        .map(|row| if row.arrived { numbers(row) } else { Vec::new() })
        .collect();
    assert_eq!(cells, expected);
    let json = between(&page, "id=\"numbers\">", "</script>")[0];
    let read: Value = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::from_value::<Verdict>(read["verdict"].clone()).unwrap(), report().verdict);
    let said = markup::text(&sentence(&report().verdict));
    assert!(page.contains(&format!("<p class=\"verdict\">{said}</p>")), "{said}");
}

#[test]
fn a_picture_carries_the_numbers_too() {
    let svg = rendered(Format::Svg);
    let json = between(&svg, "<metadata id=\"numbers\">", "</metadata>")[0];
    let json = json.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    let read: Value = serde_json::from_str(&json.replace("&amp;", "&")).unwrap();
    assert_eq!(serde_json::from_value::<Vec<Row>>(read["lanes"].clone()).unwrap(), rows(&report().verdict));
}

#[test]
fn no_name_is_markup_or_moves_the_cursor() {
    for format in [Format::Html, Format::Svg] {
        let text = rendered(format);
        assert!(
            !text.contains("<script>alert") && !text.contains('\u{1b}') && !text.contains('\u{202e}'),
            "{format:?}"
        );
        assert!(text.contains("&lt;script&gt;alert"), "{format:?}: it is shown, escaped");
    }
    let page = rendered(Format::Html);
    assert_eq!(page.matches("<script").count(), 2, "the numbers, and the check");
    assert_eq!(page.matches("</script").count(), 2);
    // Nothing is fetched: the only addresses are names of namespaces.
    let addresses = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!addresses.contains("http:") && !addresses.contains("https:") && !addresses.contains("url("));
    assert!(!page.contains(" src=") && !page.contains("<link") && !page.contains("@import"));
}

/// Returns the width and colour of a chart's rectangles.
fn bars(svg: &str) -> Vec<(f64, String)> {
    let attribute =
        |tag: &str, name: &str| between(tag, &format!(" {name}=\""), "\"").first().unwrap_or(&"").to_string();
    between(svg, "<rect", "/>")
        .iter()
        .map(|tag| (attribute(tag, "width").parse().unwrap(), attribute(tag, "fill")))
        .collect()
}

fn colour(colour: plotters::style::RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2)
}

#[test]
fn bars_are_as_long_as_their_numbers() {
    let bars_of = bars(&chart::seconds(&report()).unwrap());
    let of =
        |lane: usize| bars_of.iter().find(|(_, fill)| *fill == colour(LANES[lane])).map(|(width, _)| *width);
    let (oaep, pkcs) = (of(1).unwrap(), of(2).unwrap());
    assert!((oaep / pkcs - 2.765_432 / 1.5).abs() < 0.02, "{oaep} {pkcs}");
    assert_eq!(of(0), Some(2.0), "the shortest bar is still visible");
    assert_eq!(of(3), None, "a lane that did not finish has no bar");

    let parts = bars(&chart::shares(&report()).unwrap().unwrap());
    let stacked: Vec<&(f64, String)> = parts.iter().filter(|(width, _)| *width > 15.0).collect();
    let all = f64::from(chart::WIDTH - 150 - 110);
    for row in arrived().iter().filter(|row| !row.shares.is_empty()) {
        for (share, fill) in row.shares.iter().zip(STAGE_COLOURS).filter(|(share, _)| share.part > 0.05) {
            let wanted =
                |bar: &&&(f64, String)| bar.1 == colour(fill) && (bar.0 - share.part * all).abs() <= 3.0;
            assert!(stacked.iter().any(|bar| wanted(&bar)), "{} {}: {share:?}", row.name, colour(fill));
        }
    }
}

#[test]
fn a_line_has_the_lanes_bytes_below_it() {
    let report = report();
    for lane in report.verdict.lanes.iter().filter(|lane| lane.fault.is_none()) {
        let pieces = pieces(lane, report.verdict.bytes);
        let mib: f64 = pieces.iter().map(|piece| piece.rate * (piece.to - piece.from)).sum();
        assert!((mib - 8.0).abs() < 0.3, "{mib}");
        assert!(pieces.windows(2).all(|two| two[0].to == two[1].from));
    }
    let svg = chart::rates(&report).unwrap().unwrap();
    for (lane, of) in LANES.into_iter().enumerate().take(3) {
        let stroke = format!("stroke=\"{}\"", colour(of));
        assert!(between(&svg, "<polyline", "/>").iter().any(|line| line.contains(&stroke)), "{lane}: {svg}");
    }
}

/// The kernel took all bytes at once, and the server's confirmation came later.
#[test]
fn a_line_ends_where_its_lane_did() {
    let curve = [(0, 0), (1_000_000, 4 << 20), (2_000_000, 8 << 20)].map(|(us, bytes)| Point { us, bytes });
    let lane = LaneResult { curve: curve.to_vec(), ..LaneResult::of(Dialect::of(Variant::Cp2), 10.0) };
    let pieces = pieces(&lane, 8 << 20);
    assert_eq!(pieces.len(), 2);
    assert_eq!((pieces[0].to, pieces[1].to), (1.0, 10.0));
    let mib: f64 = pieces.iter().map(|piece| piece.rate * (piece.to - piece.from)).sum();
    assert!((mib - 8.0).abs() < 1e-9, "{mib}");
}

#[test]
fn a_lane_that_failed_later_has_its_own_laps_and_no_part_in_the_scale() {
    let mut report = report();
    report.verdict.lanes[3].laps = vec![60.0, 50.0];
    let row = &rows(&report.verdict)[3];
    assert_eq!((row.seconds, row.min, row.max, row.laps), (0.0, 50.0, 60.0, 2));
    // The longest of the other lanes still takes the whole width.
    let width = |rect: &str| -> u32 { between(rect, " width=\"", "\"")[0].parse().unwrap() };
    let widest = |svg: &str| between(svg, "<rect", "/>").iter().map(|rect| width(rect)).max().unwrap();
    let svg = chart::seconds(&report).unwrap();
    report.verdict.lanes[3].laps.clear();
    assert_eq!(widest(&svg), widest(&chart::seconds(&report).unwrap()));
}

#[test]
fn a_posters_text_stays_inside_the_picture() {
    let mut report = report();
    report.verdict.lanes.pop();
    let svg = render(Format::Svg, &report).unwrap();
    let texts = between(&svg, "<text", "</text>");
    let sentence = crate::messages::race::sentence(&report.verdict);
    assert!(sentence.chars().count() > 110, "{sentence}");
    assert!(texts.iter().all(|words| !words.contains(&*sentence)), "{texts:?}");
    // No text is lost.
    let all: String =
        texts.iter().map(|words| words.rsplit('>').next().unwrap().trim()).collect::<Vec<_>>().join(" ");
    assert!(all.contains(&markup::text(&sentence)), "{all}");
}

#[test]
fn an_empty_file_and_a_race_without_a_finished_lane_have_a_report() {
    let mut empty = report();
    empty.verdict.bytes = 0;
    let mut failed = report();
    let fault = failed.verdict.lanes[3].fault.clone();
    failed.verdict.lanes.iter_mut().for_each(|lane| lane.fault.clone_from(&fault));
    let mut none = report();
    none.verdict.lanes.clear();
    for report in [empty, failed, none] {
        for format in [Format::Html, Format::Svg, Format::Markdown, Format::Csv, Format::Json] {
            let text = render(format, &report).unwrap();
            assert!(!text.contains("NaN") && !text.contains("inf\""), "{format:?}");
        }
    }
}

#[test]
fn a_report_is_written_whole_and_replaces_reports_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["a.html", "a.svg", "a.md", "a.csv", "a.json", "A.HTML"] {
        write(&path(name), &report()).unwrap();
        write(&path(name), &report()).unwrap();
        assert!(check(&path(name)).is_ok(), "{name}");
    }
    fs::write(path("mine.html"), "<p>my thesis</p>").unwrap();
    std::os::unix::fs::symlink(path("a.html"), path("link.html")).unwrap();
    for name in ["mine.html", "link.html"] {
        let error = write(&path(name), &report()).unwrap_err();
        assert!(matches!(error, ReportError::Occupied { .. }), "{name}: {error}");
        assert_eq!(error.fault().kind, FaultKind::Usage);
    }
    assert_eq!(fs::read_to_string(path("mine.html")).unwrap(), "<p>my thesis</p>");
    for name in ["a.pdf", "a", "html", ".html", "a.html.gz"] {
        let error = check(&path(name)).unwrap_err();
        assert!(matches!(error, ReportError::Extension { .. }), "{name}: {error}");
    }
    fs::create_dir(path("folder.html")).unwrap();
    // The check is made before the race: no file can be created in /proc.
    for path in [path("folder.html"), path("none/a.html"), "/proc/a.html".into()] {
        assert_eq!(check(&path).unwrap_err().fault().kind, FaultKind::Local, "{path:?}");
    }
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected =
        ["A.HTML", "a.csv", "a.html", "a.json", "a.md", "a.svg", "folder.html", "link.html", "mine.html"];
    assert_eq!(names, expected, "no temporary file is left");
}

#[test]
fn a_report_names_its_settings_stages_and_labels() {
    let page = rendered(Format::Html);
    let text = rendered(Format::Markdown);
    for shown in [&page, &text] {
        assert!(shown.contains("key of 1024 bits, padding OAEP, framing "), "{shown}");
        assert!(shown.contains("padding PKCS1v15, framing ") && shown.contains("no key"));
        assert!(shown.contains("· Networks · group 7"));
        for stage in crate::messages::race::STAGES {
            assert!(shown.contains(crate::messages::race::explained(stage)), "{stage:?}");
        }
    }
    assert!(page.contains("135,301 RSA operations") && text.contains("135,301 RSA operations"));
    let mut report = report();
    report.labels.title = Some("Lab 3 <b>".into());
    assert!(render(Format::Html, &report).unwrap().contains("<h1>Lab 3 &lt;b&gt;</h1>"));
}

#[test]
fn a_page_is_made_for_phones_and_for_one_sheet_of_paper() {
    let page = rendered(Format::Html);
    assert!(page.contains("width=device-width") && page.contains("@page{size:A4"));
    assert!(page.contains("prefers-color-scheme:dark") && page.contains("data-label=\"CPU server\""));
    assert!(!page.contains("user-select"), "the text of the charts can be selected");
}

#[test]
fn every_text_says_that_the_machine_was_busy_and_none_that_it_was_not() {
    let quiet = |others| {
        let verdict = Verdict { others, ..report().verdict };
        RaceReport { verdict, ..report() }
    };
    for format in [Format::Html, Format::Svg, Format::Markdown, Format::Json] {
        let text = rendered(format);
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(words.join(" ").contains("Other programs used 37 % of this machine"), "{format:?}: {text}");
        for others in [None, Some(0.04)] {
            assert!(!render(format, &quiet(others)).unwrap().contains("Other programs"), "{format:?}");
        }
    }
}

#[test]
fn a_picture_shows_author_course_and_group() {
    let text = rendered(Format::Svg);
    let shown = text.split("</metadata>").nth(1).unwrap();
    assert!(shown.contains("Networks · group 7"), "{shown}");
}
