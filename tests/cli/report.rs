//! `race --report`: errors before the race, and the written report.

use upseal::testing::report::{MARK, RaceReport, Row, rows};

use super::{Home, noise};

#[test]
fn a_report_that_cannot_be_written_is_an_error_before_the_race() {
    let home = Home::new();
    std::fs::write(home.path("thesis.html"), "<p>mine</p>").unwrap();
    for (report, code, words) in [
        ("race.pdf", 2, "unsupported report format: race.pdf (supported: .html, .svg, .md, .csv, .json)"),
        ("race", 2, "unsupported report format: race ("),
        ("thesis.html", 2, "thesis.html exists and is not an upseal report"),
        ("none/race.html", 5, "cannot write the report none/race.html"),
    ] {
        let outcome = home.run(&["race", "--report", report, "a.txt"]);
        assert_eq!(outcome.code, Some(code), "{outcome:?}");
        assert!(outcome.err.contains(words), "{outcome:?}");
        assert!(outcome.out.is_empty() && !outcome.err.contains("listening"), "nothing began: {outcome:?}");
    }
    assert_eq!(std::fs::read_to_string(home.path("thesis.html")).unwrap(), "<p>mine</p>");
}

#[test]
fn a_report_is_written_and_replaced_by_the_next_race() {
    let home = Home::new();
    std::fs::write(home.path("clip.bin"), noise(20_000, 1)).unwrap();
    let race = |report: &str, lanes: &str| {
        home.run(&["race", "--json", "--lanes", lanes, "--report", report, "clip.bin"])
    };
    for lanes in ["plain,cp2", "cp1,cp2"] {
        let outcome = race("race.json", lanes);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert!(outcome.err.contains("report: race.json"), "{outcome:?}");
        let text = std::fs::read_to_string(home.path("race.json")).unwrap();
        let report: RaceReport = serde_json::from_str(&text).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        // The report has the numbers of the event.
        let events = super::events(&outcome);
        let verdict = &events.iter().find(|event| event["event"] == "race_finished").unwrap()["verdict"];
        assert_eq!(value["verdict"], *verdict);
        assert_eq!(
            serde_json::from_value::<Vec<Row>>(value["lanes"].clone()).unwrap(),
            rows(&report.verdict)
        );
        let wanted = format!("upseal race --json --lanes {lanes} --report race.json clip.bin");
        assert_eq!(report.machine.command.as_str(), wanted);
        assert!(
            report.machine.cores > 0
                && !report.machine.cpu.is_empty()
                && report.machine.rustc.starts_with("rustc ")
        );
    }
    for report in ["race.html", "race.svg", "race.md", "race.csv"] {
        assert_eq!(race(report, "plain,cp2").code, Some(0));
        assert!(std::fs::read_to_string(home.path(report)).unwrap().contains(MARK), "{report}");
    }
}

#[test]
fn the_texts_of_the_configuration_file_are_on_a_report_and_flags_win() {
    let home = Home::new();
    let file = "[report]\ntitle = \"Week 9\"\nauthor = \"Ada\"\ncourse = \"Networks\"\n";
    std::fs::write(home.path("lab.toml"), file).unwrap();
    let race = ["race", "--config", "lab.toml", "--lanes", "plain,cp2", "--report", "r.json"];
    let labels = |flags: &[&str]| {
        let outcome = home.run(&[&race, flags, &["a.txt"]].concat());
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let text = std::fs::read_to_string(home.path("r.json")).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        ["title", "author", "course", "group"].map(|key| value["labels"][key].as_str().map(str::to_owned))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(labels(&[]), [some("Week 9"), some("Ada"), some("Networks"), None]);
    assert_eq!(
        labels(&["--author", "Grace", "--course", "", "--group", "7"]),
        [some("Week 9"), some("Grace"), None, some("7")]
    );
}

#[test]
fn a_race_without_a_finished_lane_keeps_the_earlier_report() {
    let home = Home::new();
    assert_eq!(home.run(&["race", "--lanes", "plain,cp2", "--report", "r.md", "a.txt"]).code, Some(0));
    let before = std::fs::read(home.path("r.md")).unwrap();
    let outcome = home.run(&["race", "--lanes", "plain,cp2", "--report", "r.md", "gone.txt"]);
    assert_eq!(outcome.code, Some(5), "{outcome:?}");
    assert!(outcome.err.contains("no report: no lane finished"), "{outcome:?}");
    assert_eq!(std::fs::read(home.path("r.md")).unwrap(), before);
}
