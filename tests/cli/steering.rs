//! The limit of uploads and their connections, on the command line and in the configuration file.

use crate::common::{Host, noise};
use crate::program::{Home, events, rows, words};

#[test]
fn a_wrong_limit_names_what_is_accepted_and_a_race_ignores_it() {
    let home = Home::new();
    let accepted = "at least 16KiB/s, such as 5MiB/s, 500KB/s, 5MiB or 5000000 (bytes per second), or off";
    for wrong in ["5Mbit/s", "0", "16383", "fast"] {
        let outcome = home.start(words(&format!("send --limit {wrong} a.txt"), &[])).finish();
        assert_eq!(outcome.code, Some(2), "{wrong}: {outcome:?}");
        assert!(outcome.err.contains(accepted), "{wrong}: {outcome:?}");
    }
    home.configure("limit = \"fast\"\n");
    let outcome = home.run(&["send", "a.txt"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.err.contains("line 1: invalid value 'fast' of `limit`"), "{outcome:?}");
    assert!(outcome.err.contains(accepted), "{outcome:?}");

    // At this limit the race would take minutes.
    home.configure("limit = \"16KiB/s\"\n");
    let outcome = home.run(&["race", "--generate", "8MiB", "--lanes", "ap,cp2"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let said = "the limit 16KiB/s is ignored: a race measures the full rate";
    assert_eq!(outcome.err.matches(said).count(), 1, "{outcome:?}");
}

#[test]
fn a_limit_from_the_file_is_announced_and_a_flag_removes_it() {
    let host = Host::start();
    let home = Home::new();
    std::fs::write(home.path("a.bin"), noise(4096, 1)).unwrap();
    home.configure("limit = \"500KB/s\"\n");
    let to = host.address().to_string();
    let ca = crate::ca_argument();
    let outcome = home.run(&["send", "--to", &to, "--ca", &ca, "a.bin"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.err.contains("limit 488 KiB/s\n"), "{outcome:?}");
    let outcome = home.run(&["send", "--json", "--to", &to, "--ca", &ca, "a.bin"]);
    assert_eq!(events(&outcome)[0], serde_json::json!({"event": "limited", "limit": 500_000}));
    let outcome = home.run(&["send", "--limit", "off", "--to", &to, "--ca", &ca, "a.bin"]);
    assert!(!outcome.err.contains("KiB/s"), "{outcome:?}");
}

#[test]
fn files_sent_over_several_connections_have_one_row_each_in_the_history() {
    let host = Host::start();
    let home = Home::new();
    let names: Vec<String> = (1..=30).map(|n| format!("{n}.bin")).collect();
    for (name, seed) in names.iter().zip(1..) {
        std::fs::write(home.path(name), noise(2000, seed)).unwrap();
    }
    let (to, ca) = (host.address().to_string(), crate::ca_argument());
    let mut line = vec!["send", "--jobs", "4", "--to", &to, "--ca", &ca];
    line.extend(names.iter().map(String::as_str));
    let outcome = home.run(&line);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.out.lines().filter(|line| line.contains("  stored ")).count(), 30, "{outcome:?}");
    let rows = rows(&home.run(&["history", "--sent", "--json", "--limit", "0"]));
    let mut recorded: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    recorded.sort_unstable();
    let mut expected: Vec<&str> = names.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(recorded, expected);
    assert!(rows.iter().all(|row| row["outcome"] == "stored"), "{rows:?}");
    for wrong in ["0", "9", "two"] {
        let outcome = home.run(&["send", "--jobs", wrong, "1.bin"]);
        assert_eq!(outcome.code, Some(2), "{wrong}: {outcome:?}");
        assert!(outcome.err.contains("expected a number from 1 to 8"), "{wrong}: {outcome:?}");
    }
    home.configure("jobs = 4\n");
    let outcome = home.run(&["send", "--json", "--to", &to, "--ca", &ca, "1.bin"]);
    assert_eq!(events(&outcome)[0], serde_json::json!({"event": "jobs_set", "jobs": 4}));
}
