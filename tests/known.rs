//! Runs the program with known servers, pins, expected names, and certificates created by `upseal certs`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;
mod program;

use std::path::Path;
use std::process::Command;

use common::{Files, contents};
use program::{Home, Outcome, Program, events, words};
use serde_json::Value;

/// Loopback address on which no other program listens, so that a port stays free between two servers.
const LOOPBACK: &str = if cfg!(target_os = "linux") { "127.0.7.7" } else { "127.0.0.1" };

/// Creates a CA and a server in `one`, and a second server of the same CA in `two`.
fn two_servers() -> Home {
    let home = Home::new();
    for line in [
        "certs init --dir one --bits 1024",
        "certs csr --dir two --cn group-7 --bits 1024",
        "certs sign two/server.csr --ca-dir one --out two/server_signed.crt",
        "certs csr --receipts --dir two",
        "certs sign two/receipt.csr --ca-dir one --out two/receipt_signed.crt",
    ] {
        let outcome = home.start(words(line, &[])).finish();
        assert_eq!(outcome.code, Some(0), "{line}: {outcome:?}");
    }
    std::fs::copy(home.path("one/cacsertificate.crt"), home.path("two/cacsertificate.crt")).unwrap();
    home
}

/// Starts a server with this identity; it stores in `NAME-store`.
fn serve(home: &Home, identity: &str, port: u16) -> (Program, String) {
    let bind = format!("{LOOPBACK}:{port}");
    let store = format!("{identity}-store");
    let mut server = home.start(["serve", "--json", "--bind", &bind, "--certs", identity, "--store", &store]);
    let address = server.address();
    (server, address)
}

fn port(address: &str) -> u16 {
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// Returns the pin of an identity from `certs show`.
fn pin(home: &Home, identity: &str) -> String {
    let outcome = home.run(&["certs", "show", &format!("{identity}/server_signed.crt")]);
    let line = outcome.out.lines().find(|line| line.starts_with("pin ")).unwrap().to_owned();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

/// Runs `send` with the CA of both servers; `{a}` in the line stands for the address.
fn send(home: &Home, address: &str, line: &str) -> Outcome {
    let line = format!("send --to {{a}} --ca one/cacsertificate.crt {line}");
    home.start(words(&line, &[("a", address)])).finish()
}

fn known(home: &Home) -> Vec<Value> {
    let outcome = home.run(&["known", "--json"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    outcome.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn another_key_under_the_same_ca_stops_everything_until_it_is_accepted() {
    let home = two_servers();
    let (old, new) = (pin(&home, "one"), pin(&home, "two"));
    let (first, address) = serve(&home, "one", 0);

    let outcome = send(&home, &address, "a.txt");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(
        outcome.err.contains(&format!("{address}: first seen; key accepted unseen and remembered: {old}")),
        "{outcome:?}"
    );
    let outcome = send(&home, &address, "-p cp1 b.txt");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.err.contains(", known since 2") && !outcome.err.contains("first seen"), "{outcome:?}");
    let rows = known(&home);
    assert_eq!((rows.len(), &rows[0]["key"], &rows[0]["offered"]), (1, &old.as_str().into(), &Value::Null));
    assert_eq!((&rows[0]["address"], &rows[0]["bits"]), (&address.as_str().into(), &1024.into()));
    drop(first);

    // A server with another key at the same address, under the same CA.
    let (second, again) = serve(&home, "two", port(&address));
    assert_eq!(again, address);
    for line in ["a.txt b.txt", "-p ap a.txt", "-p cp1 --quiet a.txt"] {
        let outcome = send(&home, &address, line);
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(4), ""), "{line}: {outcome:?}");
        let words = ["HAS ANOTHER KEY THAN BEFORE. NOTHING WAS SENT.", &old, &new, "known since 2"];
        for words in words.into_iter().chain([format!("upseal known accept {address}").as_str()]) {
            assert!(outcome.err.contains(words), "{line}: {words}: {outcome:?}");
        }
        assert!(!outcome.err.contains("proved to be"), "{outcome:?}");
    }
    let outcome = send(&home, &address, "--json a.txt");
    assert_eq!(outcome.code, Some(4));
    let change = events(&outcome).into_iter().find(|event| event["event"] == "key_changed").unwrap();
    assert_eq!(format!("sha256:{}", change["known"].as_str().unwrap()), old);
    assert_eq!(format!("sha256:{}", change["offered"].as_str().unwrap()), new);
    assert_eq!((&change["subject"], &change["address"]), (&"CN=group-7".into(), &address.as_str().into()));
    let lanes = "race --lanes cp2@{a},ap@{a} --ca one/cacsertificate.crt a.txt";
    let outcome = home.start(words(lanes, &[("a", &address)])).finish();
    assert_eq!(outcome.code, Some(4), "{outcome:?}");
    assert!(outcome.err.contains("ANOTHER KEY"), "{outcome:?}");
    assert_eq!(contents(&home.path("two-store")), Files::none(), "it received nothing");

    let list = home.run(&["known", "list"]);
    assert!(list.out.contains(&old) && list.out.contains(&format!("refused: {new}")), "{list:?}");
    let accepted = home.run(&["known", "accept", &address]);
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    assert!(accepted.out.contains(&new), "{accepted:?}");
    let outcome = send(&home, &address, "a.txt");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(contents(&home.path("two-store")), Files::one("a.txt", b"hello"));
    drop(second);

    // The user's pin takes precedence over the known key.
    let (_third, _) = serve(&home, "one", port(&address));
    assert_eq!(send(&home, &address, "a.txt").code, Some(4));
    let outcome = send(&home, &address, &format!("--pin {old} a.txt"));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.err.contains(&format!("the pin replaces the known key {new}")), "{outcome:?}");
    assert_eq!(send(&home, &address, "a.txt").code, Some(0), "and is remembered");

    let removed = home.run(&["known", "remove", &address]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert!(known(&home).is_empty());
    assert!(send(&home, &address, "a.txt").err.contains("first seen"));
}

#[test]
fn a_pin_and_an_expected_name_are_always_compared_in_full() {
    let home = two_servers();
    let (right, wrong) = (pin(&home, "two"), pin(&home, "one"));
    let (_server, address) = serve(&home, "two", 0);
    let almost = format!("{}{}", &right[..right.len() - 1], if right.ends_with('0') { '1' } else { '0' });
    for (line, code, expected) in [
        (format!("--pin {wrong} a.txt"), 4, format!("the server's key is {right}, but the pin is {wrong}")),
        (format!("--pin {almost} a.txt"), 4, "the pin is".to_owned()),
        ("--expect group-8 a.txt".to_owned(), 4, "for CN=group-7, but CN=group-8 is expected".to_owned()),
        ("--expect GROUP-7 a.txt".to_owned(), 4, "is expected".to_owned()),
        ("--expect group a.txt".to_owned(), 4, "is expected".to_owned()),
        (format!("--pin {right} --expect other a.txt"), 4, "is expected".to_owned()),
        (format!("--pin {right} -p plain a.txt"), 2, "Plain proves no identity".to_owned()),
        ("--expect group-7 -p plain a.txt".to_owned(), 2, "Plain proves no identity".to_owned()),
    ] {
        let outcome = send(&home, &address, &line);
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(code), ""), "{line}: {outcome:?}");
        assert!(outcome.err.contains(&expected), "{line}: {outcome:?}");
    }
    assert!(known(&home).is_empty(), "a server that is not the expected one is not remembered");
    assert_eq!(contents(&home.path("two-store")), Files::none());

    let bare = right.strip_prefix("sha256:").unwrap();
    for line in [
        format!("--pin {right} a.txt"),
        format!("--pin {} a.txt", bare.to_uppercase()),
        format!("--pin {bare} --expect group-7 a.txt"),
        "--expect group-7 a.txt".to_owned(),
    ] {
        let outcome = send(&home, &address, &line);
        assert_eq!(outcome.code, Some(0), "{line}: {outcome:?}");
        assert!(!outcome.err.contains("first seen"), "{line}: {outcome:?}");
    }
    let ui = home.run(&["--pin", &right]);
    assert_eq!(ui.code, Some(2), "{ui:?}");
    assert!(ui.err.contains("--pin and --expect need --to"), "{ui:?}");
}

/// `--pin` without `--ca`: no file of a CA is read, whatever the folder or a variable offers.
#[test]
fn a_pin_alone_names_a_server() {
    let home = two_servers();
    let (right, wrong) = (pin(&home, "two"), pin(&home, "one"));
    let (_server, address) = serve(&home, "two", 0);
    let alone = |line: &str| {
        let line = format!("send --to {{a}} {line}");
        home.start(words(&line, &[("a", &address)])).finish()
    };
    for (line, code, expected) in [
        ("a.txt".to_owned(), 5, "cannot read the CA certificate certs/cacsertificate.crt".to_owned()),
        (format!("--pin {wrong} a.txt"), 4, format!("the server's key is {right}, but the pin is {wrong}")),
        (
            format!("--pin {right} --ca none.crt a.txt"),
            5,
            "cannot read the CA certificate none.crt".to_owned(),
        ),
    ] {
        let outcome = alone(&line);
        assert_eq!(outcome.code, Some(code), "{line}: {outcome:?}");
        assert!(outcome.err.contains(&expected), "{line}: {outcome:?}");
    }
    assert_eq!(contents(&home.path("two-store")), Files::none(), "nothing was sent");
    assert!(known(&home).is_empty());

    let outcome = alone(&format!("--pin {right} -p cp2 a.txt"));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.err.contains("no CA was checked"), "{outcome:?}");
    assert!(outcome.err.contains("unchecked, it names the CA CN=upseal CA"), "{outcome:?}");
    // The receipt key is certified by the CA that is not there.
    assert!(outcome.err.contains("signs receipts with a key of its own"), "{outcome:?}");
    assert!(outcome.out.contains("delivered") && !outcome.out.contains("stored"), "{outcome:?}");
    assert_eq!(contents(&home.path("two-store")), Files::one("a.txt", b"hello"));
    let known = home.run(&["known"]);
    assert!(known.out.contains("by its pin alone, without a CA"), "{known:?}");
}

#[test]
fn a_link_names_a_server_and_its_key_wherever_an_address_stands() {
    let home = two_servers();
    let (right, wrong) = (pin(&home, "two"), pin(&home, "one"));
    let (_server, address) = serve(&home, "two", 0);
    let link = |pin: &str| format!("upseal://{address}#{}", pin.replace(':', "-"));
    let run =
        |line: &str| home.start(words(line, &[("link", &link(&right)), ("false", &link(&wrong))])).finish();
    let with_pin = format!("send {{link}} --pin {right} a.txt");
    for (line, code, expected) in [
        ("send {link} a.txt", 0, "no CA was checked"),
        ("send --to {link} a.txt", 0, "no CA was checked"),
        (&with_pin, 0, "no CA was checked"),
        ("send {link} --ca one/cacsertificate.crt a.txt", 0, "signed by CN=upseal CA"),
        ("peers save lab --to {link}", 0, ""),
        ("send --peer lab a.txt", 0, "no CA was checked"),
        ("race --generate 1000 --lanes cp2@{link},ap@{link}", 0, ""),
        ("send {false} a.txt", 4, "but the pin is sha256:"),
        ("send --peer lab --to {false} a.txt", 4, "but the pin is sha256:"),
        ("race --generate 1000 --lanes cp2@{false},ap@{false}", 4, "but the pin is sha256:"),
        ("send {link} --to {link} a.txt", 2, "a link and --to name two servers"),
        ("send {link}", 2, "no file to send"),
        ("send {link}0 a.txt", 2, "invalid link"),
        ("send upseal://lab:1 a.txt", 2, "invalid link"),
        ("send {link} -p plain a.txt", 2, "Plain proves no identity"),
    ] {
        let outcome = run(line);
        assert_eq!(outcome.code, Some(code), "{line}: {outcome:?}");
        assert!(outcome.err.contains(expected), "{line}: {outcome:?}");
    }
    for line in ["send {link} --pin ", "send --peer lab --pin ", "probe {link} --pin "] {
        let outcome = run(&format!("{line}{wrong} a.txt")
            .replace(" a.txt", if line.starts_with("send") { " a.txt" } else { "" }));
        assert_eq!(outcome.code, Some(2), "{line}: {outcome:?}");
        assert!(outcome.err.contains("the link and the pin name different keys"), "{line}: {outcome:?}");
    }
    home.configure(&format!("[peers.x]\nto = '{}'\npin = '{wrong}'\n", link(&right)));
    let listed = home.run(&["peers"]);
    assert_eq!(listed.code, Some(2), "{listed:?}");
    assert!(listed.err.contains("line 3") && listed.err.contains("different keys"), "{listed:?}");
}

/// The second process is only given what the first one printed.
#[test]
fn a_second_process_sends_by_the_link_that_sharing_prints() {
    let home = Home::new();
    let share = || {
        let bind = format!("{LOOPBACK}:0");
        let server = home.start(["serve", "--share", "--once", "--bind", &bind, "--store", "shared"]);
        let line = loop {
            let line = server.err.recv_timeout(common::PATIENCE).unwrap();
            if let Some(line) = line.strip_prefix("upseal send ") {
                break line.strip_suffix(" FILE…").unwrap().to_owned();
            }
        };
        (server, line)
    };
    let pin_of = |link: &str| link.split_once('#').unwrap().1.to_owned();
    let (server, link) = share();
    let refused = home.run(&["send", "-p", "ap", &link, "a.txt"]);
    assert_eq!(refused.code, Some(6), "{refused:?}");
    server.finish();
    let (server, again) = share();
    assert_eq!(pin_of(&again), pin_of(&link), "the identity is kept");
    let sent = home.run(&["send", &again, "a.txt"]);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    // The pinned key itself signs the receipt.
    assert!(sent.out.contains("stored"), "{sent:?}");
    assert_eq!(server.finish().code, Some(0));
    assert_eq!(contents(&home.path("shared")), Files::one("a.txt", b"hello"));
    assert_eq!(home.run(&["send", "--retries", "0", &again, "a.txt"]).code, Some(3), "sharing has ended");
    // The CA's key is not kept, and the server's is private.
    let identity = home.path("upseal/share");
    assert_eq!(std::fs::read_dir(&identity).unwrap().count(), 3);
}

#[test]
fn a_damaged_file_of_known_servers_stops_uploads_and_a_read_only_one_does_not() {
    let home = two_servers();
    let (_server, address) = serve(&home, "one", 0);
    std::fs::write(home.path("known"), "# mine\n\nexample.org:4321 key=sha256:00\n").unwrap();
    for line in ["a.txt", "--json a.txt"] {
        let outcome = send(&home, &address, line);
        assert_eq!(outcome.code, Some(5), "{outcome:?}");
        let named = format!("{}, line 3, is damaged", home.path("known").display());
        assert!((outcome.out.clone() + &outcome.err).contains(&named), "{outcome:?}");
    }
    for line in ["known", "known accept {a}", "known remove {a}"] {
        let outcome = home.start(words(line, &[("a", &address)])).finish();
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(5), ""), "{line}: {outcome:?}");
    }
    assert_eq!(contents(&home.path("one-store")), Files::none());
    assert_eq!(send(&home, &address, "-p plain a.txt").code, Some(0), "Plain does not ask for an identity");

    // A folder that not even root can create.
    std::fs::remove_file(home.path("known")).unwrap();
    std::fs::write(home.path("no-folder"), "").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_upseal"));
    command.current_dir(home.path("")).env_clear().env("HOME", home.path(""));
    command.env("UPSEAL_KNOWN", home.path("no-folder/known")).env("UPSEAL_HISTORY", home.history());
    let output =
        command.args(["send", "--to", &address, "--ca", "one/cacsertificate.crt", "b.txt"]).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{err}");
    assert!(
        err.contains("first seen; key accepted unseen, not remembered") && err.contains("no-folder/known"),
        "{err}"
    );
    assert!(contents(&home.path("one-store")).names().contains(&"b.txt"));
}

#[test]
fn a_key_can_be_accepted_before_the_first_connection() {
    let home = two_servers();
    let (right, wrong) = (pin(&home, "one"), pin(&home, "two"));
    let (_server, address) = serve(&home, "one", 0);
    let accept = |rest: &str| {
        let line = format!("known accept {{a}} {rest}");
        home.start(words(&line, &[("a", &address)])).finish()
    };
    assert_eq!(accept(&wrong).code, Some(2), "whose CA?");
    assert_eq!(accept("--ca one/cacsertificate.crt").code, Some(2), "which key?");
    assert_eq!(accept(&format!("{wrong} --ca one/cacsertificate.crt")).code, Some(0));
    assert_eq!(send(&home, &address, "a.txt").code, Some(4));
    assert_eq!(accept(&right).code, Some(0), "known under one CA only");
    assert_eq!(send(&home, &address, "a.txt").code, Some(0));
    let nothing = accept("");
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    assert!(nothing.err.contains("has offered no other key"), "{nothing:?}");
}

#[test]
fn a_shell_runs_the_command_that_serve_prints() {
    let home = two_servers();
    std::fs::rename(home.path("two"), home.path("it's two")).unwrap();
    let server = home.start(["serve", "--once", "--bind", "127.0.0.1:0", "--certs", "it's two"]);
    let line = loop {
        let line = server.err.recv_timeout(common::PATIENCE).unwrap();
        if let Some(line) = line.strip_prefix("to send here:  upseal ") {
            break line.to_owned();
        }
    };
    assert!(line.contains(&pin(&home, "it's two")), "{line}");
    let binary = env!("CARGO_BIN_EXE_upseal");
    let line = format!("'{binary}' {}", line.replace("FILE…", "a.txt"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(home.path("")).env_clear().env("HOME", home.path(""));
    let output =
        shell.env("UPSEAL_KNOWN", home.path("known")).env("UPSEAL_HISTORY", home.history()).output().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    assert_eq!(server.finish().code, Some(0));
    assert_eq!(contents(&home.path("recv_files")), Files::one("a.txt", b"hello"));
}

#[test]
fn certificates_are_requested_signed_and_shown() {
    let home = two_servers();
    let show = |line: &str| home.start(words(&format!("certs show {line}"), &[])).finish();
    let outcome = show("two/server_signed.crt --ca one/cacsertificate.crt");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    for expected in [
        "subject    CN=group-7",
        "issuer     CN=upseal CA",
        "version    X.509 version 3",
        "key        RSA 1024 bits",
        "signature  sha256WithRSAEncryption",
        "pin        sha256:",
        "verdict    accepted under this CA",
        "note       the key has only 1024 bits",
    ] {
        assert!(outcome.out.contains(expected), "{expected}: {outcome:?}");
    }
    let other = common::ca();
    let outcome = show(&format!("two/server_signed.crt --ca {}", other.display()));
    assert_eq!(outcome.code, Some(4), "{outcome:?}");
    assert!(outcome.out.contains("verdict    refused: the certificate was issued by CN=upseal CA"));
    assert_eq!(show("a.txt").code, Some(5));

    // No file is overwritten, and without --out the certificate goes to stdout.
    let again = home.run(&["certs", "csr", "--dir", "two", "--cn", "x", "--bits", "1024"]);
    assert_eq!(again.code, Some(5), "{again:?}");
    let sign = ["certs", "sign", "two/server.csr", "--ca-dir", "one"];
    let again = home.start(sign.into_iter().chain(["--out", "two/server_signed.crt"])).finish();
    assert_eq!(again.code, Some(5), "{again:?}");
    let named = "certs sign two/server.csr --ca one/cacsertificate.crt --ca-key one/ca_private_key.pem";
    let outcome = home.start(words(named, &[])).finish();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.out.starts_with("-----BEGIN CERTIFICATE-----"), "{outcome:?}");
    assert!(outcome.err.contains("signed CN=group-7") && outcome.err.contains(&pin(&home, "two")));
    let bad = home.run(&["certs", "sign", "a.txt", "--ca-dir", "one"]);
    assert_eq!(bad.code, Some(5), "{bad:?}");
    assert!(bad.err.contains("cannot sign a.txt: it is not a certificate request"), "{bad:?}");
    assert!(Path::new(&home.path("two/server_private_key.pem")).exists());
}

#[test]
fn a_link_stands_for_an_address_and_must_not_contradict_the_known_key() {
    let home = two_servers();
    let (old, new) = (pin(&home, "one"), pin(&home, "two"));
    let (server, address) = serve(&home, "one", 0);
    assert_eq!(send(&home, &address, "a.txt").code, Some(0));
    drop(server);
    let link = |pin: &str| format!("upseal://{address}#{}", pin.replace(':', "-"));
    let (right, wrong) = (link(&old), link(&new));

    // Another key than the known one: every command says so, and changes nothing.
    let why = format!("the link names the key {new}, but {address} is known by {old}");
    for command in ["known remove", "known accept", "history --server"] {
        let mut words: Vec<&str> = command.split(' ').collect();
        words.push(&wrong);
        let outcome = home.run(&words);
        assert_eq!(outcome.code, Some(2), "{command}: {outcome:?}");
        assert!(outcome.err.contains(&why) && outcome.err.contains("help: ask the server's"), "{outcome:?}");
    }
    assert_eq!(known(&home)[0]["key"], old);

    // The key of the link is the one to accept; another argument contradicts it.
    let outcome = home.run(&["known", "accept", &right]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let outcome = home.run(&["known", "accept", &right, &new]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(
        outcome.err.contains(&format!("the link names the key {old}, and the argument {new}")),
        "{outcome:?}"
    );
    let outcome = home.run(&["known", "accept", &address, "--bits", "1024"]);
    assert!(outcome.code == Some(2) && outcome.err.contains("none is given"), "{outcome:?}");

    // A link whose key was refused last is how the operator announces a new key.
    let (server, _) = serve(&home, "two", port(&address));
    assert_eq!(send(&home, &address, "a.txt").code, Some(4));
    drop(server);
    let outcome = home.run(&["known", "accept", &wrong]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(known(&home)[0]["key"], new);

    let outcome = home.run(&["history", "--server", &wrong]);
    assert!(outcome.code == Some(0) && outcome.out.contains("a.txt"), "{outcome:?}");
    let outcome = home.run(&["known", "remove", &wrong]);
    assert_eq!((outcome.code, known(&home).len()), (Some(0), 0), "{outcome:?}");

    // Without a CA, a server that is not known is remembered by its pin alone, and so is its next key.
    for pin in [&old, &new] {
        let link = link(pin);
        let words =
            if *pin == old { vec!["known", "accept", &link] } else { vec!["known", "accept", &address, pin] };
        let outcome = home.run(&words);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let row = &known(&home)[0];
        assert_eq!(
            (&row["key"], &row["ca"]),
            (&Value::from(pin.as_str()), &Value::from(pin.as_str())),
            "{row}"
        );
    }
}
