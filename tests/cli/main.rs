//! The program's output, exit codes, files and reaction to signals.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod comfort;
#[path = "../common/mod.rs"]
mod common;
mod digest;
mod folders;
mod health;
mod home;
mod metrics;
mod plain;
mod presets;
#[path = "../program/mod.rs"]
mod program;
mod refusals;
mod report;
mod serving;
mod steering;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use common::{
    BIG, Files, Host, PATIENCE, Receipt, accept, ca, contents, fixtures, listen, noise, unused_address,
};
use program::{Home, events, words};
use rustix::process::Signal;
use serde_json::Value;
use upseal::Policy;
use upseal::event::{Dialect, Variant};

fn ca_argument() -> String {
    ca().to_str().unwrap().to_owned()
}

#[test]
fn help_and_version_are_results_and_go_to_stdout() {
    let home = Home::new();
    for (line, expected) in [
        ("--help", "Exit codes: 0 done, 1 failed part-way, 2 usage, 3 cannot connect"),
        ("-h", "Upload files to a server that proves who it is"),
        ("send --help", "over one connection"),
        ("serve --help", "--accept-padding"),
        ("race --help", "VARIANT@HOST:PORT"),
        ("certs init --help", "--bits"),
        ("send --help", "Options for third-party servers: --terminator <BYTES>"),
        ("--help", "[env: UPSEAL_TO]"),
        ("peers save --help", "--force"),
        ("certs sign --help", "--ca-key"),
        ("known accept --help", "sha256:HEX"),
        ("--version", concat!("upseal ", env!("CARGO_PKG_VERSION"))),
    ] {
        let outcome = home.start(words(line, &[])).finish();
        let folded = outcome.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(folded.contains(expected), "{line}: {outcome:?}");
        assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""), "{line}");
    }
}

#[test]
fn a_wrong_argument_is_quoted_without_its_control_characters() {
    let home = Home::new();
    let wrong = "a\u{1b}[31m\u{7}\u{202e}b";
    let flag = format!("--{wrong}");
    for words in [["send", "--retries", wrong, "a.txt"], ["send", "--quiet", &flag, "a.txt"]] {
        let outcome = home.start(words).finish();
        assert!(outcome.err.contains(r"a\u{1b}[31m\u{7}\u{202e}b"), "{words:?}: {outcome:?}");
        assert!(!outcome.err.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{words:?}: {outcome:?}");
        assert_eq!(outcome.code, Some(2), "{words:?}");
    }
}

#[test]
fn a_usage_error_is_exit_code_2_and_names_the_mistake() {
    let home = Home::new();
    for (line, expected) in [
        ("--no-such-flag", "--no-such-flag"),
        ("send", "<FILE>"),
        ("send --to", "--to"),
        ("send -p cp3 a.txt", "cp3"),
        ("send --padding none a.txt", "none"),
        ("send --framing G a.txt", "'G'"),
        ("send --json --quiet a.txt", "--quiet"),
        ("serve --bind nonsense", "nonsense"),
        ("serve --bind localhost", "localhost"),
        ("serve --bind a.invalid:4321", "a.invalid:4321"),
        ("serve --accept cp2,cp3", "cp3"),
        ("serve --max-file 1.5GiB", "1.5GiB"),
        ("race a.txt --lanes cp1", "wrong number of lanes: 1 (2 to 4)"),
        ("race a.txt --lanes cp1,cp9", "unknown variant 'cp9' (possible values: plain, ap, cp1, cp2)"),
        ("race a.txt --lanes cp1,cp2@", "expected an address after"),
        ("race a.txt --first many", "many"),
        ("race", "<FILE>"),
        ("certs", "init"),
        ("send --peer nowhere a.txt", "save one with `upseal peers save nowhere --to HOST:PORT …`"),
        ("peers save a/b --to x:1", "a name is 1 to 40 letters, digits, dots, hyphens and underscores"),
        ("peers save lab", "nothing to save as 'lab'"),
        ("peers save lab --padding none", "none"),
        ("peers remove lab", "no preset 'lab'"),
        ("peers --json list", "--json"),
        ("certs init --bits 512", "512"),
        ("certs init --days 0", "0"),
        ("certs csr --cn x --bits 512", "512"),
        ("certs csr", "--cn"),
        ("certs csr --receipts --cn x", "--cn"),
        ("certs csr --receipts --bits 1024", "unsupported size of a receipt key: 1024 bits"),
        ("certs sign a.txt --ca a.txt", "--ca-key"),
        ("send --pin sha256:abc a.txt", "64 hexadecimal digits"),
        ("--pin 00", "64 hexadecimal digits"),
        ("known accept 127.0.0.1:1 nonsense", "64 hexadecimal digits"),
        ("known accept 127.0.0.1:0", "invalid address: expected host:port or [IPv6]:port"),
        ("known accept 127.0.0.1", "127.0.0.1:4321 is not a known server"),
        ("send --to a/b a.txt", "invalid address: expected host:port or [IPv6]:port"),
        ("known remove 127.0.0.1:1", "is not a known server"),
        ("known --json list", "list"),
    ] {
        let outcome = home.start(words(line, &[])).finish();
        assert_eq!(outcome.code, Some(2), "{line}: {outcome:?}");
        assert!(outcome.err.contains(expected) && outcome.out.is_empty(), "{line}: {outcome:?}");
    }
    assert!(!home.path("certs").exists() && !home.path("recv_files").exists(), "nothing was started");
}

#[test]
fn each_fault_has_its_exit_code_and_of_several_the_first_of_the_contract_decides() {
    let home = Home::new();
    let (_reserved, closed) = unused_address();
    let closed = closed.to_string();
    let cp2_only = Policy { variants: vec![Variant::Cp2], ..Policy::default() };
    let host = Host::with(cp2_only);
    let server = host.address().to_string();
    let (good, other) = (ca_argument(), fixtures("trust/brief-ca.crt"));
    let values =
        [("closed", closed.as_str()), ("server", &server), ("ca", &good), ("other", other.to_str().unwrap())];
    for (line, code, expected) in [
        ("send --to {server} --ca {ca} a.txt", 0, ""),
        ("send --to {server} --ca {ca} none.txt", 5, "none.txt"),
        ("send --to {server} --ca {ca} race-cp1-x.txt", 5, "the name of a race lane"),
        ("send --to {server} --ca none.crt a.txt", 5, "cannot read the CA certificate none.crt"),
        ("send --to {server} --ca a.txt a.txt", 5, "it is not a certificate"),
        ("send --to {closed} -p plain a.txt", 3, "check that the server is running"),
        ("send --to {closed} --ca {ca} a.txt", 3, "check that the server is running"),
        ("send --to 127.0.0.1 -p plain a.txt", 3, "cannot connect to 127.0.0.1"),
        ("send --to {server} --ca {other} a.txt", 4, "was issued by"),
        ("send --to {server} --ca {ca} -p ap a.txt", 6, "does not accept this protocol variant"),
        ("send --to {server} -p plain a.txt", 6, "see the server's log"),
        // Of several faults the first decides: 4, 3, 6, 5.
        ("send --to {server} --ca {other} none.txt a.txt", 4, "none.txt"),
        ("send --to {closed} --ca {ca} none.txt a.txt", 3, "none.txt"),
        ("send --to {server} --ca {ca} -p ap none.txt a.txt", 6, "none.txt"),
        ("send --to {server} --ca {ca} none.txt a.txt", 5, "none.txt"),
        ("race --lanes plain@{closed},cp2@{server} --ca {other} a.txt", 4, "was issued by"),
        (
            "race --lanes plain@{closed},ap@{server} --ca {ca} a.txt",
            3,
            "does not accept this protocol variant",
        ),
        ("race --lanes ap@{server},cp2@{server} --ca {ca} a.txt", 6, "does not accept this protocol variant"),
        ("race --lanes cp2@{server},cp2@{server} --ca {ca} none.txt", 5, "none.txt"),
    ] {
        for line in [line.to_owned(), format!("{line} --json")] {
            let outcome = home.start(words(&line, &values)).finish();
            assert_eq!(outcome.code, Some(code), "{line}: {outcome:?}");
            let said = if line.ends_with("--json") {
                outcome.out.clone() + &outcome.err
            } else {
                outcome.err.clone()
            };
            assert!(said.contains(expected), "{line}: expected {expected:?} in {outcome:?}");
        }
    }
    let stored = Files::one("a.txt", b"hello");
    assert_eq!(host.stored(), stored, "what could be sent was sent, once, and no lane of a race");
}

#[test]
fn send_prints_deliveries_on_stdout_and_with_quiet_nothing() {
    let home = Home::new();
    let host = Host::start();
    let address = host.address().to_string();
    let values = [("server", address.as_str()), ("ca", &ca_argument())];
    let outcome = home.start(words("send --to {server} --ca {ca} a.txt b.txt", &values)).finish();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let lines: Vec<&str> = outcome.out.lines().collect();
    assert!(
        matches!(lines[..], [a, b] if a.starts_with("a.txt  stored     5 B") && b.starts_with("b.txt  stored"))
    );
    assert!(outcome.err.contains("proved to be CN=TEST server"), "{outcome:?}");
    assert!(outcome.err.contains("note: the key has only 1024 bits"), "{outcome:?}");

    let outcome = home.start(words("send --quiet --to {server} --ca {ca} a.txt", &values)).finish();
    assert_eq!((outcome.code, outcome.out.as_str(), outcome.err.as_str()), (Some(0), "", ""));
    let outcome = home.start(words("send --quiet --to {server} --ca {ca} none.txt", &values)).finish();
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(5), ""));
    assert!(outcome.err.contains("none.txt"), "errors are still printed: {outcome:?}");
}

#[test]
fn send_speaks_every_dialect_that_its_flags_name() {
    let home = Home::new();
    let mut host = Host::start();
    let address = host.address().to_string();
    let values = [("server", address.as_str()), ("ca", &ca_argument())];
    for flags in
        ["-p plain", "-p ap", "-p cp1", "-p cp1 --padding pkcs1v15 --framing e", "-p cp2 --padding pkcs1v15"]
    {
        let line = format!("send --to {{server}} --ca {{ca}} {flags} a.txt");
        let outcome = home.start(words(&line, &values)).finish();
        assert_eq!(outcome.code, Some(0), "{flags}: {outcome:?}");
    }
    // The environment gives the same dialect.
    let environment = [("UPSEAL_TO", &*address), ("UPSEAL_CA", &ca_argument()), ("UPSEAL_PROTOCOL", "ap")];
    assert_eq!(home.start_with(["send", "a.txt"], &environment).finish().code, Some(0));
    host.stop();
    let variants: Vec<Variant> = host.events.received().iter().map(|receipt| receipt.variant).collect();
    let [plain, ap, cp1, cp2] = Variant::ALL;
    assert_eq!(variants, [plain, ap, cp1, cp1, cp2, ap]);
}

#[test]
fn send_json_is_one_event_a_line_from_queued_to_delivered() {
    let home = Home::new();
    let host = Host::start();
    let address = host.address().to_string();
    let values = [("server", address.as_str()), ("ca", &ca_argument())];
    let outcome = home.start(words("send --json --to {server} --ca {ca} a.txt b.txt", &values)).finish();
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""), "{outcome:?}");
    let events = events(&outcome);
    let states = |id: u64| -> Vec<&Value> {
        events
            .iter()
            .filter(|e| e["event"] == "state" && e["track"]["job"] == id)
            .map(|e| &e["state"])
            .collect()
    };
    let walks =
        [(1, "a.txt", &["connecting", "proving", "sending", "sent"][..]), (2, "b.txt", &["sending", "sent"])];
    for (id, name, walk) in walks {
        let states = states(id);
        let (last, before) = states.split_last().unwrap();
        assert_eq!(before, walk);
        assert_eq!(last["stored"]["name"], name);
        let receipt = PathBuf::from(last["stored"]["receipt"].as_str().unwrap());
        assert!(receipt.is_file() && receipt.starts_with(home.path("upseal/receipts")), "{last}");
    }
    let queued: Vec<&Value> =
        events.iter().filter(|e| e["event"] == "queued").map(|e| &e["job"]["path"]).collect();
    assert_eq!(queued, ["a.txt", "b.txt"]);
    let last = events.iter().rfind(|e| e["event"] == "progress" && e["track"]["job"] == 2).unwrap();
    assert_eq!((&last["file_bytes"], &last["file_total"]), (&Value::from(5), &Value::from(5)));
    assert_eq!(last["wire_bytes"], last["wire_total"]);
    let proven = events.iter().find(|e| e["event"] == "proven").unwrap();
    assert_eq!(proven["proof"]["bits"], 1024);
}

/// A name with control characters could write on the terminal of the user who sends the file.
#[test]
fn names_are_shown_escaped_and_bytes_that_are_not_utf8_keep_json_valid() {
    let home = Home::new();
    let host = Host::start();
    let address = host.address().to_string();
    let evil = "evil\u{1b}[2J\u{202e}fdp.txt";
    std::fs::write(home.path(evil), "hello").unwrap();
    let missing = "none\u{1b}[2J.txt";
    for json in [None, Some("--json")] {
        let args = ["send", "--to", &address, "--ca", &ca_argument(), evil, missing];
        let outcome = home.start(args.into_iter().chain(json)).finish();
        assert_eq!(outcome.code, Some(5), "{outcome:?}");
        let said = outcome.out + &outcome.err;
        assert!(!said.contains('\u{1b}'), "{said:?}");
        assert!(json.is_some() || said.contains(r"evil\u{1b}[2J\u{202e}fdp.txt  stored"), "{said:?}");
        assert!(said.contains(r"none\u{1b}[2J.txt"), "{said:?}");
        // In JSON a backslash is written as two.
        assert_eq!(said.contains(r"\\u{1b}"), json.is_some(), "{said:?}");
        assert!(!said.contains(r"\\\u{1b}"), "{said:?}");
    }
    assert!(host.stored().names().contains(&evil), "stored under its own name");

    let latin = OsStr::from_bytes(b"caf\xe9.txt");
    std::fs::write(home.path(latin), "hello").unwrap();
    let args = ["send", "--json", "--to", &address, "--ca", &ca_argument()].map(OsString::from);
    let outcome = home.start(args.into_iter().chain([latin.to_owned()])).finish();
    assert_eq!(outcome.code, Some(5), "{outcome:?}");
    assert!(outcome.err.contains("is not UTF-8, which the protocol requires"), "{outcome:?}");
    let events = events(&outcome);
    assert_eq!(events[0]["event"], "queued", "{outcome:?}");
    assert_eq!(events[0]["job"]["path"], "caf\u{fffd}.txt");
}

#[test]
fn serve_json_shows_a_folder_of_any_name() {
    let home = Home::new();
    let store = OsStr::from_bytes(b"caf\xe9");
    let args = ["serve", "--json", "--once", "--accept", "plain", "--bind", "127.0.0.1:0", "--store"];
    let mut server = home.start(args.map(OsStr::new).into_iter().chain([store]));
    let address = server.address();
    let outcome = home.run(&["send", "--to", &address, "-p", "plain", "a.txt"]);
    assert_eq!((outcome.code, server.finish().code), (Some(0), Some(0)));
    assert_eq!(contents(&home.path(store)), Files::one("a.txt", b"hello"));
}

#[test]
fn certs_init_makes_an_identity_that_serves_and_never_overwrites() {
    let home = Home::new();
    let outcome = home.run(&["certs", "init", "--bits", "1024"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let names = [
        "cacsertificate.crt",
        "ca_private_key.pem",
        "server_signed.crt",
        "server_private_key.pem",
        "receipt_signed.crt",
        "receipt_private_key.pem",
    ];
    let listed: Vec<PathBuf> = outcome.out.lines().map(PathBuf::from).collect();
    assert_eq!(listed, names.map(|name| Path::new("certs").join(name)));
    let made = contents(&home.path("certs"));
    assert_eq!(made.names().len(), names.len());
    let permissions = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for name in names {
        let expected = if name.contains("private_key") { 0o600 } else { 0o644 };
        assert_eq!(permissions(home.path("certs").join(name)), expected, "{name}");
    }
    assert_eq!(permissions(home.path("certs")), 0o700);

    let again = home.run(&["certs", "init", "--bits", "1024"]);
    assert_eq!(again.code, Some(5), "{again:?}");
    assert!(again.out.is_empty() && again.err.contains("already exists; nothing was written"), "{again:?}");
    assert!(contents(&home.path("certs")) == made, "a key was overwritten");

    // If one of the six files exists, none is written.
    std::fs::create_dir(home.path("other")).unwrap();
    std::fs::write(home.path("other/server_signed.crt"), "precious").unwrap();
    let outcome = home.run(&["certs", "init", "--dir", "other", "--bits", "1024"]);
    assert_eq!(outcome.code, Some(5), "{outcome:?}");
    let precious = Files::one("server_signed.crt", b"precious");
    assert_eq!(contents(&home.path("other")), precious);

    // Both sides use their defaults, except for the port.
    let mut server = home.start(["serve", "--json", "--once", "--bind", "127.0.0.1:0"]);
    let address = server.address();
    let sent = home.run(&["send", "--to", &address, "a.txt"]);
    assert_eq!((sent.code, server.finish().code), (Some(0), Some(0)), "{sent:?}");
    assert_eq!(contents(&home.path("recv_files")), Files::one("a.txt", b"hello"));
}

#[test]
fn serve_once_prints_how_to_send_and_the_received_files_and_ends() {
    let home = Home::new();
    let certs = fixtures("identity-v1");
    let serve = ["serve", "--once", "--bind", "127.0.0.1:0", "--certs", certs.to_str().unwrap()];
    let server = home.start(serve);
    let said = server.err.recv_timeout(PATIENCE).unwrap();
    let address = said.strip_prefix("listening on ").unwrap().split(',').next().unwrap().to_owned();
    // The second connection is refused or not served.
    let sent = home.run(&["send", "--to", &address, "--ca", &ca_argument(), "a.txt", "b.txt"]);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let outcome = server.finish();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    for (name, content) in [("a.txt", b"hello"), ("b.txt", b"world")] {
        let digest = Receipt::new(name, content, Variant::Cp2).digest;
        let is_received = |line: &str| {
            line.starts_with(&format!("{name}  5 B  CP2  received from 127.0.0.1:"))
                && line.ends_with(&format!("{digest} (s1)"))
        };
        assert!(outcome.out.lines().any(is_received), "{outcome:?}");
    }
    let pin = common::IDENTITY.server_key().fingerprint();
    let line = format!("to send here:  upseal send --to {address} --pin sha256:{pin} --ca ");
    assert!(outcome.err.contains(&line), "{outcome:?}");
    assert_eq!(contents(&home.path("recv_files")).names(), ["a.txt", "b.txt"]);
}

#[test]
fn serve_without_an_identity_says_how_to_create_one() {
    let home = Home::new();
    let outcome = home.run(&["serve", "--bind", "127.0.0.1:0"]);
    assert_eq!(outcome.code, Some(5), "{outcome:?}");
    assert!(outcome.err.contains("create one with `upseal certs init`"), "{outcome:?}");
    assert!(outcome.err.contains("--accept plain"), "{outcome:?}");
    assert!(!home.path("recv_files").exists(), "nothing was started");
}

#[test]
fn serve_beyond_loopback_requires_accept_and_binds_nothing_without_it() {
    let home = Home::new();
    // The port is in use, so an attempt to bind would end with exit code 3.
    let (_reserved, taken) = unused_address();
    for bind in [format!("0.0.0.0:{}", taken.port()), "[::]:0".to_owned(), "192.0.2.1:4321".to_owned()] {
        let outcome = home.run(&["serve", "--json", "--bind", &bind]);
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(2), ""), "{outcome:?}");
        assert!(
            outcome.err.contains("--accept is required") && outcome.err.contains("--accept cp2"),
            "{outcome:?}"
        );
    }
    let bound = home.run(&["serve", "--accept", "plain", "--bind", &taken.to_string()]);
    assert_eq!(bound.code, Some(3), "{bound:?}");
    assert!(bound.err.contains("cannot listen on") && bound.err.contains("--bind"), "{bound:?}");
}

#[test]
fn serve_accepts_only_what_its_options_allow() {
    let home = Home::new();
    let certs = fixtures("identity-v1");
    let line =
        "serve --json --bind 127.0.0.1:0 --certs {certs} --accept cp1,cp2 --accept-padding oaep --max-file 4";
    let mut server = home.start(words(line, &[("certs", certs.to_str().unwrap())]));
    let address = server.address();
    std::fs::write(home.path("four"), "1234").unwrap();
    let values = [("server", address.as_str()), ("ca", &ca_argument())];
    for (flags, code, why) in [
        ("-p ap four", 6, "it does not accept this protocol variant (use --protocol cp1 or cp2)"),
        ("-p cp1 --padding pkcs1v15 four", 6, "(use --padding oaep)"),
        ("-p cp2 a.txt", 6, "the file is larger than it accepts (4 B at most)"),
        ("-p cp1 a.txt", 6, "the file is larger than it accepts (4 B at most)"),
        ("-p cp1 four", 0, ""),
    ] {
        let line = format!("send --retries 0 --to {{server}} --ca {{ca}} {flags}");
        let outcome = home.start(words(&line, &values)).finish();
        assert_eq!(outcome.code, Some(code), "{flags}: {outcome:?}");
        assert!(outcome.err.contains(why), "{flags}: {outcome:?}");
    }
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
    assert_eq!(contents(&home.path("recv_files")).names(), ["four"]);
}

#[test]
fn both_sides_keep_ciphertext_under_the_specified_names() {
    let home = Home::new();
    let certs = fixtures("identity-v1");
    let line = "serve --json --bind 127.0.0.1:0 --certs {certs} --prefix recv_ --keep-ciphertext there \
                --reply-order cert-first --reply-gap 5ms";
    let mut server = home.start(words(line, &[("certs", certs.to_str().unwrap())]));
    let address = server.address();
    let values = [("server", address.as_str()), ("ca", &ca_argument())];
    let line = "send --to {server} --ca {ca} -p cp1 --keep-ciphertext here a.txt";
    assert_eq!(home.start(words(line, &values)).finish().code, Some(0));
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
    assert_eq!(contents(&home.path("recv_files")), Files::one("recv_a.txt", b"hello"));
    let (here, there) = (contents(&home.path("here")), contents(&home.path("there")));
    assert_eq!(here.get("enc_a.txt").len(), 128);
    assert_eq!(there, Files::one("enc_recv_a.txt", here.get("enc_a.txt")));

    std::fs::write(home.path("file"), "not a folder").unwrap();
    for (line, code) in [
        ("send --keep-ciphertext file --to {server} --ca {ca} a.txt", 5),
        ("serve --keep-ciphertext file --bind 127.0.0.1:0 --certs {certs}", 5),
        ("serve --prefix a/ --bind 127.0.0.1:0 --certs {certs}", 2),
        ("serve --reply-gap 1h --bind 127.0.0.1:0 --certs {certs}", 2),
    ] {
        let values = [values[0], values[1], ("certs", certs.to_str().unwrap())];
        assert_eq!(home.start(words(line, &values)).finish().code, Some(code), "{line}");
    }
}

#[test]
fn race_json_ends_with_a_verdict_and_leaves_nothing_behind() {
    let home = Home::new();
    std::fs::write(home.path("clip.bin"), noise(20_000, 1)).unwrap();
    let outcome = home.run(&["race", "--json", "--first", "16KiB", "clip.bin"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let events = events(&outcome);
    let verdict = &events.iter().find(|event| event["event"] == "race_finished").unwrap()["verdict"];
    assert_eq!((&verdict["name"], &verdict["bytes"]), (&Value::from("clip.bin"), &Value::from(16 << 10)));
    let lanes = verdict["lanes"].as_array().unwrap();
    let variants: Vec<&Value> = lanes.iter().map(|lane| &lane["dialect"]["variant"]).collect();
    assert_eq!(variants, ["cp1", "cp2"]);
    for lane in lanes {
        assert!(lane["seconds"].as_f64().unwrap() > 0.0 && lane["fault"].is_null(), "{lane}");
        assert!(lane["work"]["seal_us"].as_u64().unwrap() > 0, "{lane}");
        assert!(
            lane["server"]["open_us"].as_u64().unwrap() > 0,
            "the embedded server's work is in the lane: {lane}"
        );
        assert_eq!(lane["curve"].as_array().unwrap().last().unwrap()["bytes"], 16 << 10);
    }
    assert_eq!(contents(&home.path("tmp")), Files::none());

    let outcome = home.run(&["race", "--first", "1KiB", "--lanes", "plain,ap,cp2", "clip.bin"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let said: Vec<&str> = outcome.out.lines().collect();
    assert!(
        matches!(said[..], [.., plain, ap, cp2, sentence, why]
        if plain.starts_with("Plain") && ap.starts_with("AP") && cp2.starts_with("CP2")
            && sentence.starts_with("In turn (fair).")
            && why == "Plain, AP: no encryption; CP2: one RSA operation and one AES stream."),
        "{outcome:?}"
    );
}

#[test]
fn a_race_of_an_empty_file_has_no_ratio() {
    let home = Home::new();
    std::fs::write(home.path("empty"), b"").unwrap();
    let outcome = home.run(&["race", "empty"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.out.contains("The file is empty: nothing to compare."), "{outcome:?}");
    assert!(!outcome.out.contains('×') && !outcome.out.contains("times faster"), "{outcome:?}");
}

/// A race of generated bytes needs no file and leaves none.
#[test]
fn a_race_of_generated_bytes_has_laps_paddings_and_keys() {
    let home = Home::new();
    let line =
        "race --json --generate 16KiB --repeat 3 --together --lanes cp1/pkcs1v15/2048,cp1/2048,cp1,plain";
    let outcome = home.run(&line.split(' ').collect::<Vec<_>>());
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let events = events(&outcome);
    let finished = |event: &&Value| event["event"] == "lap_finished";
    assert_eq!(events.iter().filter(finished).count(), 12);
    let coming: Vec<&Value> = events.iter().filter(|event| event["event"] == "key_coming").collect();
    assert_eq!(coming.len(), 1, "one key of 2048 bits serves both lanes");
    let verdict = &events.iter().find(|event| event["event"] == "race_finished").unwrap()["verdict"];
    assert_eq!((&verdict["course"], &verdict["laps"]), (&Value::from("together"), &Value::from(3)));
    let lanes = verdict["lanes"].as_array().unwrap();
    let bits: Vec<&Value> = lanes[..3].iter().map(|lane| &lane["proof"]["bits"]).collect();
    assert_eq!(bits, [2048, 2048, 1024]);
    for lane in lanes {
        let laps = lane["laps"].as_array().unwrap();
        let mut sorted: Vec<f64> = laps.iter().map(|lap| lap.as_f64().unwrap()).collect();
        sorted.sort_by(f64::total_cmp);
        assert_eq!((laps.len(), lane["seconds"].as_f64()), (3, Some(sorted[1])), "the median: {lane}");
        // Each lane has its own meters, although all ran at once: no lane decrypted more than was sent through it.
        assert_eq!(lane["generated"], false, "the lanes' dialects were compared");
        assert!(lane["server"]["cpu_us"].as_u64().unwrap() > 0, "{lane}");
    }
    assert_eq!(contents(&home.path("tmp")), Files::none());
    for (line, words) in [
        ("race --lanes cp1 a.txt", "wrong number of lanes"),
        ("race --lanes cp1,cp1,cp1,cp1,cp1 a.txt", "wrong number of lanes: 5 (2 to 4)"),
        ("race --lanes cp1/512,cp2 a.txt", "possible values: oaep, pkcs1v15, 1024, 2048, 4096"),
        ("race --lanes cp2/2048,cp1 a.txt", "cp1 only"),
        ("race --generate 1KiB a.txt", "cannot be used with"),
        ("race", "required"),
    ] {
        let outcome = home.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(outcome.code, Some(2), "{line}: {outcome:?}");
        assert!(format!("{outcome:?}").contains(words), "{line}: {outcome:?}");
    }
}

#[test]
fn a_signal_during_a_transfer_is_exit_code_130_and_an_end_by_reset() {
    // Without SIGHUP if these tests were started by nohup.
    for signal in upseal::testing::signals::ending() {
        let signal = Signal::from_named_raw(signal).unwrap();
        let home = Home::new();
        std::fs::File::create(home.path("big.bin")).unwrap().set_len(BIG).unwrap();
        let (listener, _) = listen();
        let address = listener.local_addr().unwrap().to_string();
        let mut program = home.start(["send", "--json", "-p", "plain", "--to", &address, "big.bin", "a.txt"]);
        let mut peer = accept(&listener);
        program.json(|event| event["event"] == "progress" && event["wire_bytes"] != 0);
        program.signal(signal);
        let (bytes, in_order) = peer.read_to_end();
        assert!(!in_order && (bytes.len() as u64) < BIG);
        let outcome = program.finish();
        assert_eq!(outcome.code, Some(130), "{outcome:?}");
        let cancelled = events(&outcome).iter().filter(|event| event["state"] == "cancelled").count();
        assert_eq!(cancelled, 2, "the running and the waiting upload: {outcome:?}");
    }
}

#[test]
fn a_signal_during_a_race_is_exit_code_130_with_a_verdict() {
    let home = Home::new();
    std::fs::File::create(home.path("big.bin")).unwrap().set_len(BIG).unwrap();
    let (listener, _) = listen();
    let lane = format!("plain@{}", listener.local_addr().unwrap());
    let mut program = home.start(["race", "--json", "--lanes", &lane, "--lanes", &lane, "big.bin"]);
    let peer = accept(&listener);
    program.json(|event| event["event"] == "progress" && event["wire_bytes"] != 0);
    program.signal(Signal::INT);
    let outcome = program.finish();
    assert_eq!(outcome.code, Some(130), "{outcome:?}");
    let events = events(&outcome);
    let verdict = &events.iter().find(|event| event["event"] == "race_finished").unwrap()["verdict"];
    assert_eq!(verdict["lanes"].as_array().unwrap().len(), 2);
    drop(peer);
}

#[test]
fn a_signal_ends_serve_in_order_and_publishes_nothing_unfinished() {
    // SIGHUP depends on the terminal: tests/terminal.rs, tests/running.
    for signal in [Signal::TERM, Signal::INT] {
        let home = Home::new();
        let mut server = home.start(words("serve --json --accept plain --bind 127.0.0.1:0 --drain 0s", &[]));
        let address = server.address().parse().unwrap();
        common::upload(address, Dialect::of(Variant::Plain), "whole.txt", b"hello").unwrap();
        let mut peer = common::Peer::connect(address);
        peer.send(&[common::message(0, b"half.txt"), common::words(&[1, 1000]), noise(500, 1)].concat());
        server.json(|event| event["event"] == "receiving" && event["name"] == "half.txt");
        server.signal(signal);
        assert_eq!(peer.read_to_end(), (vec![0xff], false), "half a file is not confirmed");
        let outcome = server.finish();
        // SIGTERM promises that files are finished, for the time of --drain.
        let code = i32::from(signal == Signal::TERM);
        assert_eq!(outcome.code, Some(code), "{outcome:?}");
        let stored = Files::one("whole.txt", b"hello");
        assert_eq!(contents(&home.path("recv_files")), stored);
    }
}

#[test]
fn patience_limits_the_wait_for_a_server_that_waits_for_the_client() {
    let home = Home::new();
    let (listener, _) = listen();
    let address = listener.local_addr().unwrap().to_string();
    let send =
        home.start(words("send -p plain --patience 50ms --to {server} a.txt", &[("server", &address)]));
    let mut peer = accept(&listener);
    assert!(peer.read_to_end().1, "the client ends after its patience");
    drop(peer);
    let outcome = send.finish();
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(
        outcome.err.contains("a.txt: sent, not confirmed: the server was still waiting for data"),
        "{outcome:?}"
    );
    assert!(outcome.err.contains("--framing, --padding, --key-form or --key-length-bytes"), "{outcome:?}");
    assert!(!outcome.out.contains("delivered"), "{outcome:?}");
}

#[test]
fn the_retry_of_a_refused_group_takes_one_line_and_none_with_quiet() {
    let home = Home::new();
    let names = ["one", "two", "three", "four"];
    for name in &names {
        std::fs::write(home.path(name), name).unwrap();
    }
    for quiet in [true, false] {
        let (listener, _) = listen();
        let address = listener.local_addr().unwrap().to_string();
        let flag = if quiet { "--quiet" } else { "" };
        let line = format!("send -p plain --retries 1 {flag} --to {{server}} one two three four");
        let send = home.start(words(&line, &[("server", &address)]));
        // First all files in one group, then each one alone.
        for files in [4, 1, 1, 1, 1] {
            let mut peer = accept(&listener);
            for _ in 0..files {
                let name = peer.read(16).split_off(8);
                peer.read(usize::try_from(u64::from_be_bytes(name.try_into().unwrap())).unwrap());
                let body = peer.read(16).split_off(8);
                peer.read(usize::try_from(u64::from_be_bytes(body.try_into().unwrap())).unwrap());
            }
            assert_eq!(peer.read(8), 2_u64.to_be_bytes());
            peer.send(&[0xff]);
            peer.break_off();
        }
        let outcome = send.finish();
        assert_eq!(outcome.code, Some(6), "{outcome:?}");
        let again = outcome
            .err
            .lines()
            .filter(|line| line.contains("retrying in ") && line.contains("from byte 0"))
            .count();
        let others = outcome.err.lines().filter(|line| line.contains("retrying 3 other files")).count();
        let lines = outcome.err.lines().count();
        // The reason is printed when it is met, and in the summary with the names of all files.
        let expected = if quiet { (0, 0, 2) } else { (1, 1, 5) };
        assert!(outcome.err.contains("4 files failed (one, two, three, four): "), "{outcome:?}");
        assert_eq!((again, others, lines), expected, "{outcome:?}");
    }
}

#[test]
fn a_killed_server_resets_its_connections_and_confirms_nothing() {
    let home = Home::new();
    let mut server = home.start(["serve", "--json", "--accept", "plain", "--bind", "127.0.0.1:0"]);
    let mut peer = common::Peer::connect(server.address().parse().unwrap());
    peer.send(&[common::message(0, b"half.txt"), common::words(&[1, 1000]), noise(500, 1)].concat());
    server.json(|event| event["event"] == "receiving" && event["name"] == "half.txt");
    server.signal(Signal::KILL);
    assert_eq!(peer.read_to_end(), (Vec::new(), false));
}
