//! The table `[report]`.

use super::*;

#[test]
fn the_texts_of_reports_are_read_and_flags_win() {
    let file = parse("[report]\ntitle = \"Week 9\"\nauthor = \"Ada\"\ngroup = \"\"\n").unwrap();
    let flags = ReportLayer {
        author: Some(String::new()),
        course: Some("Networks".into()),
        ..ReportLayer::default()
    };
    let text = |text: &str| Some(text.to_owned());
    let both = flags.or(file.report);
    assert_eq!(
        both,
        ReportLayer { title: text("Week 9"), author: text(""), course: text("Networks"), group: text("") }
    );
    assert_eq!(parse("").unwrap().report, ReportLayer::default());
}

#[test]
fn what_is_wrong_in_the_table_is_named_with_its_line() {
    for (text, what, allowed) in [
        (
            "[report]\n\nauthr = \"Ada\"",
            "line 3: unknown key `authr` in `report`",
            "did you mean `author`? known keys: title",
        ),
        ("[report]\ngroup = 7", "line 2: the value of `group` is not a string", "write it in quotes"),
        ("report = \"Ada\"", "line 1: `report` is not a table", "[report]"),
        ("author = \"Ada\"", "line 1: unknown key `author`", "[report]"),
    ] {
        let fault = Fault::from(parse(text).unwrap_err());
        assert!(fault.what.to_string().contains(what), "{fault:?}");
        assert!(fault.advice.to_string().contains(allowed), "{fault:?}");
    }
}
