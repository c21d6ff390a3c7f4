//! Each screen's numbers, read back from the picture and compared with the events.

use super::*;
use crate::event::{Calibration, Earlier, Learned, Named, Speed, Took};

/// Returns the first number after `before` in the row.
fn number(row: &str, before: &str) -> f64 {
    let start = row.find(before).map(|at| at + before.len());
    let text = start.and_then(|start| row.get(start..)).unwrap_or_default().trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text[..end].parse().unwrap_or_else(|error| panic!("no number after {before:?} in {row:?}: {error}"))
}

/// Compares two numbers as far as three significant digits allow.
fn near(shown: f64, fed: f64) {
    assert!((shown - fed).abs() <= fed.abs() * 0.005 + 0.005, "the screen says {shown}, the event {fed}");
}

const UNIT: f64 = 1_048_576.0;

#[test]
fn the_queue_shows_the_snapshots_numbers() {
    let mut stage = busy();
    let fed = under_way();
    let progress = stage.row("sending");
    near(number(&progress, "%  "), fed.file_bytes as f64 / UNIT);
    near(number(&progress, " of "), fed.file_total as f64 / UNIT);
    assert!(progress.contains(" 71 %"), "{progress}");
    let rate = stage.row(" rate ");
    near(number(&rate, "mean "), fed.rate_mean / UNIT);
    near(number(&rate, "wire "), fed.wire_bytes as f64 / UNIT);
    let now = rate.find(" MiB/s now").map(|at| &rate[..at]).unwrap_or_default();
    near(number(now.rsplit(' ').next().unwrap_or_default(), ""), fed.rate_now / UNIT);
}

#[test]
fn names_have_a_third_of_the_width_and_no_width_cuts_a_number() {
    let name = "2026-11-28 lecture on transport layer security, part 2 of 3.mp4";
    let said = "104 MiB in 0.19 s, 545 MiB/s, 139 MiB on the wire";
    for width in 40..=200 {
        let mut stage = busy().sized(width, 24);
        stage.upload(9, name, 104 * MIB);
        let track = Track::Job(JobId(9));
        stage.event(Event::Progress { track, snapshot: Snapshot { wire_bytes: 145_402_980, ..under_way() } });
        stage.state(track, State::Delivered);
        stage.keys("Tab G");
        let row = stage.rows().into_iter().rfind(|row| row.contains("delivered ✓")).expect("a finished row");
        let (shown, rest) = row.split_once("delivered ✓").expect("the state");
        let shown = shown.trim_start_matches(['│', ' ']).trim_end();
        assert!(shown.starts_with("2026") && shown.ends_with("mp4"), "{width}: both ends: {row}");
        let columns = shown.chars().count();
        assert!(columns >= usize::from(width - 4) / 3 || shown == name, "{width}: {columns} columns: {row}");
        let rest = rest.trim_end_matches(['│', ' ']).trim_start();
        let is_whole = said
            .strip_prefix(rest)
            .is_some_and(|more| more.is_empty() || more.starts_with(", ") || more.starts_with(" in "));
        assert!(is_whole, "{width}: {rest:?} of {said:?}");
    }
}

#[test]
fn the_bars_are_as_long_as_their_numbers() {
    let mut stage = busy().sized(200, 50);
    let full = |row: &str| row.chars().filter(|c| *c == '█').count() as f64;
    let progress = stage.row("sending");
    let rest = progress.chars().filter(|c| *c == '░').count() as f64;
    let share = full(&progress) / (full(&progress) + rest);
    assert!((share - 0.7125).abs() < 0.02, "{share}");
    let rate = stage.row(" rate ");
    let line = rate.chars().filter(|c| *c == '─').count() as f64;
    let share = (full(&rate) + 1.0) / (full(&rate) + 1.0 + line);
    assert!((share - under_way().rate_now / under_way().rate_peak).abs() < 0.02, "{share}");
}

#[test]
fn never_a_hundred_percent_before_delivered() {
    let mut stage = busy();
    let all = Snapshot { file_bytes: 104 * MIB, wire_bytes: 145_402_980, ..under_way() };
    let track = Track::Job(JobId(2));
    stage.event(Event::Progress { track, snapshot: all });
    assert!(stage.row("cmos.mp4   sending").contains(" 99 %"));
    stage.state(track, State::Sent);
    let sent = stage.row("cmos.mp4   sent");
    assert!(sent.contains(" 99 %") && sent.contains("▚▚▚▚") && !sent.contains('█'), "{sent}");
    assert!(!stage.shows("100 %"));
    stage.now += Duration::from_secs(12);
    assert!(stage.shows("sent, waiting for the server to finish, 12 s"));
    stage.state(track, State::Delivered);
    assert!(stage.row("cmos.mp4   delivered ✓").contains("104 MiB in 0.19 s"));
}

#[test]
fn a_key_ends_the_wait_for_confirmation_and_the_file_counts_as_sent() {
    let mut stage = busy();
    let track = Track::Job(JobId(2));
    assert_eq!(stage.keys("Tab w"), [], "nothing is awaited yet");
    stage.state(track, State::Sent);
    assert_eq!(stage.keys("w"), [Effect::Send(Command::EndWait)]);
    let fault = Fault {
        kind: FaultKind::Unconfirmed,
        blame: Blame::Peer,
        what: "sent, not confirmed: the server did not close".into(),
        advice: "".into(),
    };
    stage.state(track, State::Failed(fault));
    let row = stage.row("cmos.mp4   sent ?");
    assert!(row.contains("not confirmed") && !row.contains("failed"), "{row}");
}

#[test]
fn a_stall_is_shown_after_two_seconds() {
    let mut stage = busy();
    stage.now += Duration::from_millis(1900);
    assert!(!stage.shows("stalled"));
    stage.now += Duration::from_secs(10);
    assert!(stage.row(" rate ").contains("stalled 11 s"));
    let title = stage.row("Queue ");
    assert!(title.contains("stalled 11 s") && !title.contains("ETA"), "{title}");
}

#[test]
fn an_unsent_file_has_no_duration_and_a_grown_file_its_new_size() {
    let mut stage = Stage::new();
    let stored =
        || State::Stored { name: "image.ppm".into(), named: Named::Stored, receipt: None, earlier: None };
    stage.upload(7, "passed.txt", 812);
    stage.state(Track::Job(JobId(7)), stored());
    assert!(
        stage.row("passed.txt").contains("812 B, already stored, not sent: it has a receipt"),
        "{}",
        stage.row("passed.txt")
    );
    // A file in /proc, for example, has no size until it is opened.
    stage.upload(8, "cpuinfo", 0);
    let track = Track::Job(JobId(8));
    let snapshot = Snapshot {
        file_total: 1400,
        wire_total: 1900,
        file_bytes: 1400,
        wire_bytes: 1900,
        ..Snapshot::default()
    };
    stage.event(Event::Progress { track, snapshot });
    stage.state(track, stored());
    assert!(stage.row("cpuinfo").contains("1.37 KiB in < 1 ms"), "{}", stage.row("cpuinfo"));
}

#[test]
fn a_file_that_was_stored_before_says_so_in_its_row_and_names_both_receipts() {
    let mut stage = Stage::new();
    stage.upload(9, "notes.txt", 1400);
    let track = Track::Job(JobId(9));
    let numbers = Snapshot { file_total: 1400, wire_total: 1900, ..Snapshot::default() };
    let snapshot = Snapshot { file_bytes: 1400, wire_bytes: 1900, ..numbers };
    stage.event(Event::Progress { track, snapshot });
    let earlier = Earlier { at_ms: 1_764_000_000_000, receipt: Some("/r/then.receipt".into()) };
    stage.state(
        track,
        State::Stored {
            name: "notes.txt".into(),
            named: Named::Stored,
            receipt: Some("/r/now.receipt".into()),
            earlier: Some(Box::new(earlier)),
        },
    );
    let row = stage.row("notes.txt stored ✓");
    assert!(row.contains("already stored, 1.37 KiB in < 1 ms"), "{row}");
    stage.keys("Tab Enter");
    assert!(stage.row(" receipt  ").contains("/r/now.receipt"));
    assert!(stage.row("old receipt  ").contains("2025-11-24 16:00:00 UTC, /r/then.receipt"));
}

#[test]
fn the_received_files_are_shown() {
    let mut stage = busy();
    let row = stage.row("stored ✓");
    assert!(
        row.contains("08:00:00 image.ppm") && row.contains("sha256 9f2c41…") && row.contains("CP2"),
        "{row}"
    );
    near(number(&row, "image.ppm"), 8_294_400.0 / UNIT);
    let digest = &row[row.find("9f2c41").unwrap_or(0)..];
    near(number(digest, "… "), 8_294_400.0 / 0.0197 / UNIT);
    let coming = stage.row("from 127.0.0.1");
    assert!(coming.contains("cmos.mp4") && coming.contains(" 69 %"), "{coming}");
    let wide = busy().sized(200, 50).row("stored ✓");
    assert!(wide.contains(&"9f2c41d0a9b8c7e6".repeat(4)), "the whole digest where there is room: {wide}");
}

#[test]
fn the_card_shows_the_estimated_cost() {
    let mut stage = Stage::new();
    stage.keys("Space p p p");
    // 104 MiB in CP1: the size on the wire is computed, the time is not known yet.
    let bill = stage.row("wire");
    assert!(stage.row("time").contains(" ? "));
    near(number(&bill, "wire"), (104.0 * UNIT / 62.0).ceil() * 128.0 / UNIT);
    assert!(!bill.contains("≈"), "the embedded server's key is known: {bill}");
    let mut stage = raced();
    stage.keys("1 Home j j p p p");
    near(number(&stage.row("time"), "≈"), 104.0 / 8.0 * 2.76);
}

#[test]
fn before_the_first_upload_the_card_shows_a_lower_bound() {
    let mut stage = Stage::new();
    stage.keys("Space");
    let of = |variant, seal, open| Speed { variant, padding: Padding::Oaep, bits: 1024, seal, open };
    let speeds =
        vec![of(Variant::Cp2, 52.0 * UNIT, 104.0 * UNIT), of(Variant::Cp1, 52.0 * UNIT, 52.0 * UNIT)];
    stage.event(Event::Calibrated { calibration: Calibration { cores: 2, speeds } });
    assert!(stage.row("time").contains("≥ 2.0 s"), "CP2: its sealing is the slower stage");
    stage.keys("p p p");
    assert!(stage.row("time").contains("≥ 2.0 s"), "CP1: two cores, and both sides are this computer");
    // The estimate goes into the history with the job.
    let Effect::Send(Command::Upload(jobs)) = &stage.keys("u")[0] else { panic!("nothing is sent") };
    assert_eq!(jobs[0].predicted_ms, Some(2000));
}

#[test]
fn a_lower_bound_of_zero_is_not_shown() {
    let mut stage = Stage::new();
    let fast = Speed { variant: Variant::Cp2, padding: Padding::Oaep, bits: 1024, seal: 1e9, open: 1e9 };
    stage.event(Event::Calibrated { calibration: Calibration { cores: 2, speeds: vec![fast] } });
    // The last is a file of 812 bytes, which takes no measurable time.
    stage.keys("G Space");
    let time = stage.row("time");
    assert!(time.contains(" ? ") && !time.contains('≥'), "{time}");
}

#[test]
fn past_durations_give_the_estimate() {
    let mut stage = Stage::new();
    stage.keys("c h o s t Enter Space");
    let files = vec![Took { bytes: 52 * MIB, seconds: 5.0, pace: None }];
    let learned = Learned { address: "host:4321".into(), variant: Variant::Cp2, files };
    stage.event(Event::Learned { rates: vec![learned] });
    near(number(&stage.row("time"), "≈"), 10.0);
}

#[test]
fn an_unknown_key_makes_the_wire_an_estimate() {
    let mut stage = Stage::new();
    stage.keys("c h o s t Enter p p p");
    assert!(stage.row("wire").contains("≈ 215 MiB"));
    stage.keys("p p p");
    assert!(!stage.row("wire").contains('≈'), "CP2 does not depend on the key");
}

#[test]
fn a_lane_shows_its_snapshots_numbers() {
    let mut stage = racing();
    let fed = cp1_after(27, 1.0 + 0.2 * (27.0_f64 / 4.0).sin());
    let rate = stage.row("mean");
    near(number(&rate, "mean "), fed.rate_mean / UNIT);
    let now = rate.find(" MiB/s now").map(|at| &rate[..at]).unwrap_or_default();
    near(number(now.rsplit(' ').next().unwrap_or_default(), ""), fed.rate_now / UNIT);
    let wire = stage.row("wire ×");
    near(number(&wire, "×"), fed.wire_bytes as f64 / fed.file_bytes as f64);
    near(number(&wire, "×2.06"), fed.wire_bytes as f64 / UNIT);
    assert!(stage.row("sending").contains(" 99 %"), "8.37 of 8.39 million bytes");
    assert!(stage.row("≥").contains("≥ 2.7 s"));
}

#[test]
fn the_verdict_shows_the_ratio() {
    let mut stage = raced().sized(120, 40);
    near(number(&stage.row(" was "), "was "), 2.76 / 0.02);
    let row = stage.row("At this speed");
    assert!(row.contains("At this speed 1 GiB takes CP1 5 min 53 s, CP2 2.6 s."), "{row}");
}

#[test]
fn the_server_screen_lists_its_clients() {
    let mut stage = serving();
    stage.now += Duration::from_secs(60);
    let bad = stage.row("ended");
    assert!(bad.contains("[2001:db8::7] ") && bad.contains("0 files, 0 B, 1 refused"), "{bad}");
    assert!(stage.row("08:00:01").contains("[2001:db8::7]   evil"));
    assert!(stage.row("▸127.0.0.1 ").contains("cmos.mp4"));
    stage.keys("Enter");
    assert!(stage.row("from").contains("127.0.0.1:50122") && stage.row("stage").contains("stored"));
    near(number(&stage.row("proofs given"), "given"), 1.0);
    near(number(&stage.row("│ files    "), "files"), 2.0);
    stage.keys("Esc");
    assert!(stage.row("identity").contains("CN=upseal demo, 1024-bit, 29 days left"));
}

#[test]
fn ten_thousand_uploads_are_counted() {
    let mut stage = Stage::new();
    for id in 1..=10_000 {
        stage.upload(id, &format!("f{id}"), 1);
    }
    for id in 1..=5_000 {
        stage.state(Track::Job(JobId(id)), State::Delivered);
    }
    assert!(stage.shows("Queue 5000 of 10000 delivered"));
    assert!(stage.row("f5001").contains("queued"), "the pane follows what is next");
    for id in [1, 9_999, 5_000] {
        stage.event(Event::Removed { job: JobId(id) });
    }
    stage.state(Track::Job(JobId(10_000)), State::Delivered);
    assert!(stage.shows("Queue 4999 of 9997 delivered"));
}

#[test]
fn an_amended_file_takes_the_row_of_its_beginning() {
    let mut stage = busy();
    let rows = |stage: &mut Stage| stage.rows().iter().filter(|row| row.contains("sha256")).count();
    let before = rows(&mut stage);
    stage.event(arrival(Track::Receiving(SessionId(1), 1), "image.ppm", 9_000_000, Kept::Amended));
    assert_eq!(rows(&mut stage), before);
    let row = stage.row("amended");
    assert!(row.contains("image.ppm") && row.contains("8.58 MiB"), "{row}");
}

#[test]
fn a_waiting_upload_shows_its_reason() {
    let mut stage = busy();
    let track = Track::Job(JobId(1));
    stage.state(track, State::Waiting);
    let fault = Fault {
        kind: FaultKind::Broken,
        blame: Blame::Peer,
        what: "the connection broke".into(),
        advice: "".into(),
    };
    stage.event(Event::Retrying { job: JobId(1), tries: 1, retries: 3, pause_ms: 4000, fault });
    assert!(stage.shows("7.91 MiB, retrying in 4.0 s from byte 0 (try 2 of 4)"));
    stage.now += Duration::from_secs(3);
    assert!(stage.shows("in 1.0 s from byte 0 (try 2 of 4)"));
    stage.state(track, State::Connecting);
    assert!(!stage.shows("try 2 of 4"));
}

#[test]
fn an_unreachable_server_is_shown_in_the_rows_that_wait_for_it() {
    let mut stage = Stage::new();
    stage.keys("c h o s t Enter u");
    let target = Target::server("host:4321".parse().unwrap(), None);
    let job = Job::new(JobId(7), "/home/me/notes.txt", target, Dialect::of(Variant::Plain));
    stage.event(Event::Queued { job, size: 812 });
    stage.event(Event::Away { address: "host:4321".parse().unwrap(), waiting: 1 });
    assert!(stage.row("notes.txt queued").contains("812 B, waiting until host:4321 is back"));
    assert!(stage.shows("host:4321 stopped responding; 1 file waits for it"));
}

#[test]
fn the_card_shows_what_receipts_of_a_server_protect() {
    let mut stage = Stage::new();
    // The built-in server is an upseal server.
    assert!(stage.shows("✓ replay refused"));
    stage.keys("c h o s t Enter p p p");
    assert!(stage.shows("✗ changes unnoticed") && stage.shows("? replay: ask server"), "CP1, to a stranger");
    stage.keys("u");
    let target = Target::server("host:4321".parse().unwrap(), None);
    let job = Job::new(JobId(1), "/home/me/notes.txt", target, Dialect::of(Variant::Cp1));
    stage.event(Event::Queued { job, size: 812 });
    stage.state(
        Track::Job(JobId(1)),
        State::Stored { name: "notes.txt".into(), named: Named::Stored, receipt: None, earlier: None },
    );
    assert!(stage.shows("≈ changes: by receipt") && stage.shows("✓ replay refused"));
}
