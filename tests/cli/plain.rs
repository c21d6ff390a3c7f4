//! `--plain` and `--units`: the form of text for people.

use std::fs;

use super::*;

/// Signs that a screen reader spells or leaves out.
const SIGNS: [char; 12] = ['✓', '✗', '→', '×', '—', '·', '│', '█', '%', '<', '#', '\u{1b}'];

fn assert_linear(outcome: &program::Outcome) {
    for line in outcome.out.lines().chain(outcome.err.lines()) {
        assert!(!line.contains(SIGNS) && !line.contains("  "), "{line:?}: {outcome:?}");
        assert!(line.ends_with(['.', '…']), "{line:?}: {outcome:?}");
        assert!(line.starts_with(|first: char| !first.is_lowercase()), "{line:?}: {outcome:?}");
    }
}

#[test]
fn plain_output_is_whole_sentences_by_flag_variable_or_file() {
    let home = Home::new();
    let host = Host::start();
    let (server, ca) = (host.address().to_string(), ca_argument());
    let values = [("server", server.as_str()), ("ca", &ca)];
    let check = |outcome: program::Outcome| {
        assert_eq!(outcome.code, Some(5), "{outcome:?}");
        assert_linear(&outcome);
        assert!(
            outcome.out.starts_with("Stored a.txt: ") && outcome.out.contains("5 bytes in "),
            "{outcome:?}"
        );
        assert!(outcome.err.contains("\nFile none.txt: cannot read"), "{outcome:?}");
        assert!(outcome.err.contains("\n1 of 2 files arrived: 5 bytes in "), "{outcome:?}");
    };
    let send = "send --to {server} --ca {ca} a.txt none.txt";
    check(home.start(words(&format!("{send} --plain"), &values)).finish());
    check(home.start_with(words(send, &values), &[("UPSEAL_PLAIN", "true")]).finish());
    home.configure("[ui]\nplain = true\n");
    check(home.start(words(send, &values)).finish());
    let outcome = home.start(words(&format!("{send} --plain=false"), &values)).finish();
    assert!(outcome.out.starts_with("a.txt  stored     already stored, 5 B in "), "{outcome:?}");
    // Events stay as they are.
    let outcome = home.start(words(&format!("{send} --json"), &values)).finish();
    assert!(outcome.out.lines().all(|line| line.starts_with('{')) && !outcome.out.contains(" bytes"));
}

#[test]
fn races_servers_and_the_screen_follow_plain() {
    let home = Home::new();
    let race = home.start(words("race --plain --lanes cp1,cp2 --generate 1KiB", &[])).finish();
    assert_eq!(race.code, Some(0), "{race:?}");
    assert_linear(&race);
    assert!(race.out.contains("\nCP1 OAEP: ") && race.out.contains(" on the wire ("), "{race:?}");
    assert!(race.out.contains(" times); CPU "), "{race:?}");

    let line = "serve --plain --once --accept plain --bind 127.0.0.1:0";
    let server = home.start(words(line, &[]));
    let listening = server.err.recv_timeout(PATIENCE).unwrap();
    let address = listening.strip_prefix("Listening on ").unwrap().split(',').next().unwrap().to_owned();
    common::upload(address.parse().unwrap(), Dialect::of(Variant::Plain), "a.txt", b"hello").unwrap();
    let outcome = server.finish();
    assert!(outcome.out.starts_with("File a.txt: 5 bytes, Plain, received from 127.0.0.1:"), "{outcome:?}");
    assert_linear(&program::Outcome { err: String::new(), ..outcome });

    let outcome = home.start(["--plain"]).finish();
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(2), ""), "{outcome:?}");
    assert!(outcome.err.contains("help: upseal send --plain FILE… sends files"), "{outcome:?}");
    let outcome = home.start_with(["send", "a.txt"], &[("UPSEAL_PLAIN", "perhaps")]).finish();
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.err.contains("'perhaps' in the variable UPSEAL_PLAIN"), "{outcome:?}");
}

#[test]
fn sizes_are_in_the_units_that_were_chosen() {
    let home = Home::new();
    fs::write(home.path("a.bin"), vec![7; 2_000_000]).unwrap();
    let said = |flags: &str, variables: &[(&str, &str)]| {
        let line = format!("send --dry-run --to 127.0.0.1:1 {flags} a.bin");
        home.start_with(words(&line, &[]), variables).finish().out
    };
    assert!(said("", &[]).starts_with("  1.91 MiB  a.bin\n1 file, 1.91 MiB; "));
    assert!(said("--units decimal", &[]).starts_with("      2 MB  a.bin\n1 file, 2 MB; "));
    assert!(said("", &[("UPSEAL_UNITS", "decimal")]).contains("1 file, 2 MB; "));
    assert!(said("--plain --units decimal", &[]).starts_with("a.bin: 2 megabytes.\n1 file, 2 megabytes; "));
    home.configure("[ui]\nunits = \"decimal\"\n");
    assert!(said("", &[]).contains("1 file, 2 MB; "));
    assert!(said("--units binary", &[]).contains("1 file, 1.91 MiB; "));
    assert_eq!(said("--json", &[]).matches("2000000").count(), 2);
    // A server must not fail to start because of the looks of its text.
    home.configure("[ui]\nunits = \"metric\"\n");
    let outcome = home.start(["known"]).finish();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.err.starts_with("note: --units and --plain have their defaults: "), "{outcome:?}");
    let outcome = home.start(words("send --dry-run --to 127.0.0.1:1 a.bin", &[])).finish();
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
}
