//! Folders: what is sent of them, what is skipped, and what the program says.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use super::common::Host;
use super::program::{Home, events, words};
use super::{BIG, ca_argument};

fn fill(home: &Home, files: &[&str]) {
    for file in files {
        let path = home.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
}

const SEND: &str = "send --to {server} --ca {ca}";

/// Runs `send` with these further words.
fn send(home: &Home, host: &Host, line: &str) -> super::program::Outcome {
    let (server, ca) = (host.address().to_string(), ca_argument());
    home.start(words(&format!("{SEND} {line}"), &[("server", &server), ("ca", &ca)])).finish()
}

#[test]
fn a_folder_is_sent_with_everything_in_it_and_what_is_skipped_is_named() {
    let (home, mut host) = (Home::new(), Host::start());
    fill(&home, &["tree/a.txt", "tree/sub/b.txt", "tree/sub/c.tmp", "tree/no/d.txt", "single.txt"]);
    fs::create_dir(home.path("tree/empty")).unwrap();
    fs::write(home.path("tree/.upsealignore"), "no/\n.upsealignore\n").unwrap();
    symlink("a.txt", home.path("tree/link")).unwrap();
    let outcome = send(&home, &host, "--exclude *.tmp tree single.txt");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    for line in [
        "skipped tree/empty: the folder has no files to send",
        "skipped tree/link: it is a symbolic link, which only --follow sends",
        "tree: 2 files, 24 B; 2 skipped",
    ] {
        assert!(outcome.err.contains(line), "{line}: {outcome:?}");
    }
    assert!(outcome.out.contains("tree/sub/b.txt  stored"), "{outcome:?}");
    host.stop();
    assert_eq!(host.stored().get("tree/sub/b.txt"), b"tree/sub/b.txt");
    assert_eq!(host.stored().names().len(), 3);
}

#[test]
fn an_entry_that_cannot_be_sent_is_exit_code_5_and_the_rest_arrives() {
    let (home, mut host) = (Home::new(), Host::start());
    fill(&home, &["tree/a.txt", "tree/race-cp1-x.txt", "tree/z.txt"]);
    symlink("nowhere", home.path("tree/link")).unwrap();
    let outcome = send(&home, &host, "--follow tree");
    assert_eq!(outcome.code, Some(5), "{outcome:?}");
    assert!(outcome.err.contains("skipped: cannot read tree/link"), "{outcome:?}");
    host.stop();
    assert_eq!(host.stored().names().len(), 2);
}

#[test]
fn an_empty_folder_is_reported_and_is_no_failure() {
    let (home, host) = (Home::new(), Host::start());
    fs::create_dir(home.path("tree")).unwrap();
    let outcome = send(&home, &host, "tree");
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(0), ""), "{outcome:?}");
    assert!(outcome.err.contains("skipped tree: the folder has no files to send"), "{outcome:?}");
}

#[test]
fn events_tell_a_folder_from_its_files() {
    let (home, host) = (Home::new(), Host::start());
    fill(&home, &["tree/a.txt", "tree/sub/b.txt"]);
    let outcome = send(&home, &host, "--json tree");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let all = events(&outcome);
    let of = |name: &str| all.iter().filter(|event| event["event"] == name).collect::<Vec<&Value>>();
    let names: Vec<&Value> = of("queued").iter().map(|event| &event["job"]["name"]).collect();
    assert_eq!(names, ["tree/a.txt", "tree/sub/b.txt"]);
    assert!(of("queued").iter().all(|event| event["job"]["folder"] == 1));
    let last = of("scanned").pop().unwrap();
    assert_eq!((&last["files"], &last["complete"]), (&2.into(), &true.into()));
}

#[test]
fn a_dry_run_lists_files_and_their_cost_and_connects_to_no_server() {
    let home = Home::new();
    fill(&home, &["tree/a.txt", "tree/sub/b.txt", "tree/c.tmp"]);
    fs::create_dir(home.path("tree/empty")).unwrap();
    let line = "send --to 127.0.0.1:9 --dry-run --exclude *.tmp -p ap tree";
    let outcome = home.start(words(line, &[])).finish();
    assert_eq!(
        outcome.out,
        "      10 B  tree/a.txt\n      14 B  tree/sub/b.txt\n2 files, 24 B; 98 B on the wire with AP; no estimate of \
         the time, because nothing was sent there before"
    );
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.err, "skipped tree/empty: the folder has no files to send");
    let outcome = home.start(words(&format!("{line} --json none.txt"), &[])).finish();
    assert_eq!(outcome.code, Some(5), "{outcome:?}");
    let last: Value = serde_json::from_str(outcome.out.lines().last().unwrap()).unwrap();
    assert_eq!((&last["files"], &last["wire_bytes"]), (&2.into(), &98.into()));
}

#[test]
fn an_interrupt_ends_a_folder() {
    let (home, host) = (Home::new(), Host::start());
    fs::create_dir(home.path("tree")).unwrap();
    for n in 0..40 {
        fs::File::create(home.path(format!("tree/{n}"))).unwrap().set_len(BIG).unwrap();
    }
    let (server, ca) = (host.address().to_string(), ca_argument());
    let line = "send --json --to {server} --ca {ca} -p cp1 tree";
    let mut program = home.start(words(line, &[("server", &server), ("ca", &ca)]));
    program.json(|event| event["state"] == "sending");
    program.signal(rustix::process::Signal::INT);
    assert_eq!(program.finish().code, Some(130));
}

#[test]
fn a_pattern_that_is_not_valid_is_a_usage_error() {
    let home = Home::new();
    fill(&home, &["tree/a.txt"]);
    for pattern in ["[", "!a"] {
        let outcome = home.start(words(&format!("send --exclude {pattern} tree"), &[])).finish();
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.err.contains("invalid pattern"), "{outcome:?}");
    }
}

#[test]
fn standard_input_is_sent_under_the_given_name() {
    let (home, mut host) = (Home::new(), Host::start());
    let (server, ca) = (host.address().to_string(), ca_argument());
    let values = [("server", server.as_str()), ("ca", &ca)];
    let line = words(&format!("{SEND} --name notes.log -"), &values);
    let outcome = home.start_reading(line, b"from a pipe").finish();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.out.starts_with("notes.log  stored"), "{outcome:?}");
    let large = vec![7; 17 << 20];
    let line = words(&format!("{SEND} --name large.log -"), &values);
    assert_eq!(home.start_reading(line, &large).finish().code, Some(0));
    assert_eq!(send(&home, &host, "--name renamed.txt a.txt").code, Some(0));
    host.stop();
    assert_eq!(host.stored().get("notes.log"), b"from a pipe");
    assert_eq!(host.stored().get("large.log"), large);
    assert_eq!(host.stored().get("renamed.txt"), b"hello");
}

#[test]
fn a_list_of_files_ends_each_in_a_line_feed_or_a_nul() {
    let (home, mut host) = (Home::new(), Host::start());
    fill(&home, &["tree/c.txt", "with\nline"]);
    fs::write(home.path("list"), "a.txt\n\ntree\n").unwrap();
    let outcome = send(&home, &host, "--files-from list b.txt");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let (server, ca) = (host.address().to_string(), ca_argument());
    let line = words(&format!("{SEND} --files-from - -0"), &[("server", &server), ("ca", &ca)]);
    let outcome = home.start_reading(line, b"with\nline\0").finish();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    host.stop();
    let stored = host.stored();
    for name in ["a.txt", "b.txt", "with\nline"] {
        assert!(stored.names().contains(&name), "{stored:?}");
    }
    assert!(stored.names().iter().any(|name| name.ends_with("c.txt")), "{stored:?}");
}

#[test]
fn files_of_one_name_are_reported_before_they_are_sent() {
    let (home, host) = (Home::new(), Host::start());
    fill(&home, &["x/same.txt", "y/same.txt"]);
    let outcome = send(&home, &host, "x/same.txt y/same.txt x/same.txt");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let message =
        "x/same.txt and y/same.txt have the same name; if they differ, the server keeps the second as a copy";
    assert!(outcome.err.starts_with(message), "{outcome:?}");
    assert_eq!(outcome.err.matches("have the same name").count(), 1, "{outcome:?}");
}

#[test]
fn words_that_contradict_each_other_are_usage_errors() {
    let home = Home::new();
    fill(&home, &["tree/a.txt"]);
    for (line, expected) in [
        ("send -", "send it alone, with --name NAME"),
        ("send --name x - a.txt", "send it alone, with --name NAME"),
        ("send --name x --files-from - -", "standard input cannot be both"),
        ("send --name x --dry-run -", "--dry-run does not read standard input"),
        ("send --name x a.txt b.txt", "--name is for a single file"),
        ("send --name x tree", "--name is for a single file"),
        ("send --name d/x a.txt", "--name contains a separator"),
        ("send --name .. a.txt", "dots and spaces only"),
        ("send -0 a.txt", "--files-from"),
    ] {
        let outcome = home.start(words(line, &[])).finish();
        assert_eq!(outcome.code, Some(2), "{line}: {outcome:?}");
        assert!(outcome.err.contains(expected), "{line}: {outcome:?}");
    }
    let outcome = home.start(words("send --files-from none", &[])).finish();
    assert_eq!(outcome.code, Some(5), "{outcome:?}");
}

#[test]
fn a_server_that_refuses_copies_says_so_and_takes_the_same_file_again() {
    let home = Home::new();
    assert_eq!(home.run(&["certs", "init", "--bits", "1024"]).code, Some(0));
    let mut server = home.start(words("serve --json --bind 127.0.0.1:0 --existing refuse", &[]));
    let address = server.address();
    let send = |line: &str| home.start(words(&format!("send --to {address} {line}"), &[])).finish();
    assert_eq!(send("a.txt b.txt").code, Some(0));
    assert_eq!(send("a.txt").code, Some(0), "the same file");
    fs::write(home.path("a.txt"), "changed").unwrap();
    fs::write(home.path("c.txt"), "another").unwrap();
    let outcome = send("a.txt c.txt");
    assert_eq!(outcome.code, Some(6), "{outcome:?}");
    assert!(outcome.err.contains("it has another file of this name"), "{outcome:?}");
    assert!(outcome.out.starts_with("c.txt  stored"), "{outcome:?}");
    assert_eq!(fs::read(home.path("recv_files/a.txt")).unwrap(), b"hello");
}
