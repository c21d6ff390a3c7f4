//! What makes the command line pleasant: typing errors, completions, manual pages, summaries.

use std::fs;
use std::process::Command;

use super::*;

#[test]
fn a_typing_error_names_the_nearest_subcommand_and_a_file_names_send() {
    let home = Home::new();
    for (line, what, help) in [
        ("sned a.txt", "sned is neither a subcommand nor a folder", "help: did you mean: upseal send a.txt"),
        ("hystory --failed", "hystory is neither", "help: did you mean: upseal history --failed"),
        ("zzz", "zzz is neither a subcommand nor a folder", "help: upseal -h lists the subcommands"),
        ("a.txt", "a.txt is a file; the UI begins in a folder", "help: did you mean: upseal send a.txt"),
        ("a.txt b.txt", "a.txt is a file", "help: did you mean: upseal send a.txt b.txt"),
        ("a.txt --to x:1", "a.txt is a file", "help: did you mean: upseal send a.txt --to x:1"),
        ("--to x:1 a.txt", "a.txt is a file", "help: did you mean: upseal send a.txt"),
        ("certs inti", "unrecognized subcommand 'inti'", "a similar subcommand exists: 'init'"),
        // An error behind a right subcommand is the parser's.
        ("send --no-such a.txt", "unexpected argument '--no-such'", "--help"),
    ] {
        let outcome = home.start(words(line, &[])).finish();
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(2), ""), "{line}: {outcome:?}");
        assert!(outcome.err.contains(what) && outcome.err.contains(help), "{line}: {outcome:?}");
    }
}

#[test]
fn bash_completes_subcommands_flags_and_values_by_the_printed_script() {
    let home = Home::new();
    let script = home.start(["completions", "bash"]).finish();
    assert_eq!((script.code, script.err.as_str()), (Some(0), ""));
    fs::write(home.path("upseal.bash"), &script.out).unwrap();
    let completed = |words: &str| {
        let count = words.split(' ').count() - 1;
        let body = format!(
            "source upseal.bash; COMP_WORDS=({words}); COMP_CWORD={count}; \
             _upseal upseal \"${{COMP_WORDS[{count}]}}\" \"${{COMP_WORDS[{before}]}}\"; echo \"${{COMPREPLY[@]}}\"",
            before = count - 1
        );
        let output = Command::new("bash").args(["-c", &body]).current_dir(home.path("")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(completed("upseal sen"), "send");
    assert_eq!(completed("upseal send --prot"), "--protocol");
    assert_eq!(completed("upseal send --protocol cp"), "cp1 cp2");
    assert_eq!(completed("upseal completions power"), "powershell");
    for shell in ["zsh", "fish", "powershell", "nushell"] {
        let outcome = home.start(["completions", shell]).finish();
        assert!(outcome.code == Some(0) && outcome.out.contains("skip-receipted"), "{shell}");
    }
    assert_eq!(home.start(["completions", "cmd"]).finish().code, Some(2));
}

#[test]
fn man_writes_a_page_for_each_subcommand_and_says_where() {
    let home = Home::new();
    let outcome = home.start(["man", "share/man1"]).finish();
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(0), ""), "{outcome:?}");
    assert!(outcome.err.contains("read one with: man -l share/man1/upseal.1"), "{outcome:?}");
    for (page, text) in [
        ("upseal.1", "Exit codes"),
        ("upseal-send.1", "upseal send \\-\\-peer lab"),
        ("upseal-certs-init.1", "bits"),
        ("upseal-man.1", "manual pages"),
    ] {
        let page_text = fs::read_to_string(home.path("share/man1").join(page)).unwrap();
        assert!(page_text.starts_with(".ie") && page_text.contains(".TH"), "{page}");
        assert!(page_text.contains(text), "{page}:\n{page_text}");
    }
    let outcome = home.start(["man", "a.txt"]).finish();
    assert_eq!(outcome.code, Some(5), "{outcome:?}");
    assert!(outcome.err.contains("cannot write manual pages into a.txt"), "{outcome:?}");
}

#[test]
fn several_files_end_with_a_summary_and_a_lost_server_is_reported_once() {
    let home = Home::new();
    let host = Host::start();
    let (_reserved, closed) = unused_address();
    let (server, closed, ca) = (host.address().to_string(), closed.to_string(), ca_argument());
    let values = [("server", server.as_str()), ("closed", closed.as_str()), ("ca", &ca)];
    let outcome = home.start(words("send --to {server} --ca {ca} a.txt none.txt b.txt", &values)).finish();
    assert_eq!(outcome.code, Some(5), "{outcome:?}");
    assert!(outcome.err.contains("\n2 of 3 files arrived: 10 B in "), "{outcome:?}");
    assert!(outcome.err.contains(" Mbit/s\n1 file failed (none.txt): "), "{outcome:?}");
    // The paths of receipts are for those who ask for them.
    assert!(!outcome.out.contains(".receipt"), "{outcome:?}");
    let outcome = home.start(words("send -v --to {server} --ca {ca} a.txt", &values)).finish();
    assert!(outcome.out.contains(".receipt"), "{outcome:?}");
    assert!(!outcome.err.contains("arrived"), "one file has no summary: {outcome:?}");

    for (flags, lines) in [("", 2), (" --quiet", 2)] {
        let line = format!("send --retries 0 --to {{closed}} --ca {{ca}}{flags} a.txt b.txt c.txt");
        fs::write(home.path("c.txt"), "third").unwrap();
        let outcome = home.start(words(&line, &values)).finish();
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
        let reasons = outcome.err.lines().filter(|line| line.contains("cannot connect to ")).count();
        assert_eq!(reasons, lines, "when it happened, and in the summary: {outcome:?}");
        assert!(outcome.err.contains("3 files failed (a.txt, b.txt, c.txt): cannot connect"), "{outcome:?}");
    }
}

#[test]
fn a_race_introduces_a_server_and_its_warnings_once() {
    let home = Home::new();
    let host = Host::start();
    let (server, ca) = (host.address().to_string(), ca_argument());
    let values = [("server", server.as_str()), ("ca", &ca)];
    let line = "race --lanes cp1@{server},cp2@{server} --repeat 2 --ca {ca} --generate 1KiB";
    let outcome = home.start(words(line, &values)).finish();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    for said in ["proved to be", "note: the key has only 1024 bits"] {
        assert_eq!(outcome.err.matches(said).count(), 1, "{said}: {outcome:?}");
    }
}

#[test]
fn config_init_writes_a_template_whose_every_line_can_be_used() {
    let home = Home::new();
    let path = |line: &str| home.start(words(line, &[])).finish();
    let outcome = path("config init --config lab/upseal.toml");
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""), "{outcome:?}");
    let text = fs::read_to_string(home.path("lab/upseal.toml")).unwrap();
    let again = path("config init --config lab/upseal.toml");
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.err.contains("exists"), "{again:?}");
    // Without the first #, every line is what it shows.
    let used = text.lines().map(|line| line.strip_prefix('#').unwrap_or(line));
    let used: Vec<&str> = used.filter(|line| !line.starts_with([' ', '#'])).collect();
    let used = used.join("\n");
    fs::write(home.path("used.toml"), &used).unwrap();
    let outcome = path("peers --config used.toml");
    assert_eq!(outcome.code, Some(0), "{used}\n{outcome:?}");
    assert!(outcome.out.contains("lab"), "{outcome:?}");
    for key in [
        "to", "ca", "protocol", "color", "theme", "glyphs", "keys", "mouse", "units", "plain", "title",
        "author",
    ] {
        assert!(used.contains(&format!("\n{key} = ")), "{key}");
    }
}

#[test]
fn an_unknown_key_names_the_nearest_and_its_line() {
    let home = Home::new();
    for (text, what, help) in [
        ("protocl = \"cp1\"", "line 1: unknown key `protocl`", "did you mean `protocol`?"),
        ("[ui]\nthme = \"dark\"", "line 2: unknown key `thme` in `ui`", "did you mean `theme`?"),
        ("[ui]\ncolor = \"red\"", "line 2: invalid value 'red' of `color`", "auto, always, never"),
        ("[keys.browser]\nuplod = [\"x\"]", "line 2: unknown action 'uplod'", "did you mean `upload`?"),
        ("[keys.browser]\nupload = [\"Space\"]", "line 2: Space means both", "another key"),
        ("[ui]\nkeys = \"emacs\"", "unknown keys 'emacs'", "default, vim, termscp"),
    ] {
        fs::write(home.path("wrong.toml"), text).unwrap();
        let outcome = home.start(words("--config wrong.toml --print-keymap", &[])).finish();
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(2), ""), "{text}: {outcome:?}");
        assert!(outcome.err.contains(what) && outcome.err.contains(help), "{text}: {outcome:?}");
    }
    fs::write(home.path("own.toml"), "[keys.browser]\nupload = [\"F5\"]").unwrap();
    let outcome = home.start(words("--config own.toml --print-keymap", &[])).finish();
    assert!(outcome.out.contains("\nupload = [\"F5\"]  # upload"), "{outcome:?}");
    let outcome = home.start(words("--keys termscp --print-keymap", &[])).finish();
    assert!(outcome.out.contains("\nupload = [\"Space\"]"), "{outcome:?}");
}
