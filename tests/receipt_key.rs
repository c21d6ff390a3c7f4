//! The receipt key, tested with the program: created, certified, remembered; and servers without one.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;
mod program;

use std::fs;

use common::fixtures;
use program::{Home, Outcome, Program, events, words};
use serde_json::Value;

/// A loopback address on which no other program listens, so that a port stays free between two servers.
const LOOPBACK: &str = if cfg!(target_os = "linux") { "127.0.7.8" } else { "127.0.0.1" };

/// The files that `certs init` creates for the receipt key.
const RECEIPT_FILES: [&str; 2] = ["certs/receipt_signed.crt", "certs/receipt_private_key.pem"];

fn home() -> Home {
    let home = Home::new();
    succeed(&home, "certs init --bits 1024");
    home
}

/// Creates the folder of a server of an earlier version.
fn home_of_one_key() -> Home {
    let home = home();
    take_the_receipt_key_away(&home);
    home
}

fn take_the_receipt_key_away(home: &Home) {
    for file in RECEIPT_FILES {
        fs::remove_file(home.path(file)).unwrap();
    }
    drop(fs::remove_file(home.path("certs/receipt.csr")));
}

/// Follows the instructions in the message at the server's start.
fn make_a_receipt_key(home: &Home) {
    succeed(home, "certs csr --receipts --dir certs");
    succeed(home, "certs sign certs/receipt.csr --ca-dir certs --out certs/receipt_signed.crt");
}

fn succeed(home: &Home, line: &str) -> Outcome {
    let outcome = home.start(words(line, &[])).finish();
    assert_eq!(outcome.code, Some(0), "{line}: {outcome:?}");
    outcome
}

/// Starts a server on this port, or on any if it is 0.
fn serve(home: &Home, port: u16, flags: &str) -> (Program, String) {
    let line = format!("serve --json --bind {LOOPBACK}:{port} {flags}");
    let mut server = home.start(words(&line, &[]));
    let address = server.address();
    (server, address)
}

fn port(address: &str) -> u16 {
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

fn send(home: &Home, address: &str, flags: &str) -> Outcome {
    home.start(words(&format!("send --json --to {address} {flags} a.txt"), &[])).finish()
}

/// Returns the last state of the only file.
fn state(sent: &Outcome) -> Value {
    let mut events = events(sent).into_iter();
    events.rfind(|event| event["event"] == "state").unwrap()["state"].clone()
}

fn notes(sent: &Outcome) -> Vec<String> {
    let notes = events(sent).into_iter().filter(|event| event["event"] == "note");
    notes.map(|note| note["text"].as_str().unwrap().to_owned()).collect()
}

fn known(home: &Home) -> Value {
    serde_json::from_str(&succeed(home, "known --json").out).unwrap()
}

fn pin(home: &Home, certificate: &str) -> Value {
    let shown = succeed(home, &format!("certs show {certificate}"));
    let line = shown.out.lines().find(|line| line.starts_with("pin ")).unwrap().to_owned();
    line.split_whitespace().nth(1).unwrap().into()
}

#[test]
fn a_server_with_one_key_that_accepts_pkcs1v15_gives_no_receipts_and_says_what_to_do() {
    let home = home_of_one_key();
    let (mut server, address) = serve(&home, 0, "");
    let warned = server.json(|event| event["event"] == "warned");
    let said = warned["text"].as_str().unwrap();
    for expected in [
        "no receipts are given: this server has no receipt key",
        "run upseal certs csr --receipts --dir certs and have receipt.csr signed by the CA",
        "or serve --accept-padding oaep",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let sent = send(&home, &address, "");
    assert_eq!((sent.code, state(&sent)), (Some(0), "delivered".into()), "{sent:?}");
    let said = notes(&sent);
    let told =
        |note: &String| note.starts_with(&format!("{address} gives no receipts: \"delivered\" only means"));
    assert!(said.iter().any(told), "{said:?}");
    assert_eq!(known(&home)["receipt_key"], Value::Null);
    drop(server);

    // While the CA has the request, the message says so.
    succeed(&home, "certs csr --receipts --dir certs");
    let (mut server, _) = serve(&home, 0, "");
    let warned = server.json(|event| event["event"] == "warned");
    let said = warned["text"].as_str().unwrap();
    assert!(
        said.contains(
            "have certs/receipt.csr signed by the CA and put the certificate into certs/receipt_signed.crt"
        ),
        "{said}"
    );
}

#[test]
fn a_server_with_one_key_that_accepts_only_oaep_signs_with_it() {
    let home = home_of_one_key();
    for (flags, variants) in
        [("--accept-padding oaep", &["cp2", "cp1", "ap"][..]), ("--accept ap,cp2", &["cp2", "ap"])]
    {
        let (_server, address) = serve(&home, 0, flags);
        for variant in variants {
            let sent = send(&home, &address, &format!("-p {variant} --receipts kept"));
            assert_eq!(sent.code, Some(0), "{flags} {variant}: {sent:?}");
            assert!(state(&sent)["stored"].is_object(), "{flags} {variant}: {sent:?}");
        }
    }
    let verified = succeed(&home, "verify a.txt --receipt kept/a.txt.receipt --ca certs/cacsertificate.crt");
    assert!(verified.err.contains("warning: signed by the server's decryption key"), "{verified:?}");
}

/// An upgrade of the server must not lock its clients out without a way forward.
#[test]
fn a_client_refuses_a_server_that_stopped_giving_receipts_and_says_what_to_do() {
    let home = home();
    let (server, address) = serve(&home, 0, "");
    assert_eq!(send(&home, &address, "").code, Some(0));
    drop(server);
    take_the_receipt_key_away(&home);
    // As an earlier version left it: the server is known to give receipts, but its receipt key is not known.
    let text = fs::read_to_string(home.path("known")).unwrap();
    let line = text.split(' ').filter(|word| !word.starts_with("receipt-key=")).collect::<Vec<_>>().join(" ");
    fs::write(home.path("known"), line.trim_end().to_owned() + "\n").unwrap();

    let (server, _) = serve(&home, port(&address), "");
    let sent = send(&home, &address, "");
    assert_eq!(sent.code, Some(4), "{sent:?}");
    let fault = state(&sent)["failed"].to_string();
    for expected in [
        "gave receipts before and does not offer them now",
        "upseal certs csr --receipts",
        "--accept-padding oaep",
        &format!("upseal known remove {address}"),
    ] {
        assert!(fault.contains(expected), "{expected}: {fault}");
    }
    drop(server);
    // Both ways forward work.
    let (server, _) = serve(&home, port(&address), "--accept-padding oaep");
    let sent = send(&home, &address, "");
    assert!(sent.code == Some(0) && state(&sent)["stored"].is_object(), "{sent:?}");
    drop(server);
    make_a_receipt_key(&home);
    let (_server, _) = serve(&home, port(&address), "");
    let sent = send(&home, &address, "");
    assert!(sent.code == Some(0) && state(&sent)["stored"].is_object(), "{sent:?}");
    assert_eq!(known(&home)["receipt_key"], pin(&home, "certs/receipt_signed.crt"));
}

#[test]
fn another_receipt_key_is_refused_until_it_is_accepted() {
    let home = home();
    let (server, address) = serve(&home, 0, "");
    assert_eq!(send(&home, &address, "").code, Some(0));
    let old = pin(&home, "certs/receipt_signed.crt");
    assert_eq!(known(&home)["receipt_key"], old);
    drop(server);
    take_the_receipt_key_away(&home);
    make_a_receipt_key(&home);
    let new = pin(&home, "certs/receipt_signed.crt");
    assert_ne!(old, new);

    let (_server, _) = serve(&home, port(&address), "");
    for flags in ["--receipts kept", "-p cp1", "-p ap"] {
        let sent = send(&home, &address, flags);
        assert_eq!(sent.code, Some(4), "{flags}: {sent:?}");
        let fault = state(&sent)["failed"].to_string();
        let (old, new) = (old.as_str().unwrap(), new.as_str().unwrap());
        for expected in [
            &*format!("the receipt key of {address} changed"),
            old,
            new,
            &format!("upseal known accept {address}"),
        ] {
            assert!(fault.contains(expected), "{flags}: {expected}: {fault}");
        }
    }
    assert!(!home.path("kept/a.txt.receipt").exists(), "a receipt that is not accepted is not saved");
    let history = succeed(&home, "history --sent --json");
    assert_eq!(history.out.matches("\"stored\"").count(), 1, "{history:?}");
    let row = known(&home);
    assert_eq!((&row["receipt_key"], &row["offered_receipt_key"]), (&old, &new));
    let listed = succeed(&home, "known");
    assert!(listed.out.contains(&format!("refused for receipts: {}", new.as_str().unwrap())), "{listed:?}");
    let accepted = succeed(&home, &format!("known accept {address}"));
    assert!(accepted.out.contains(&format!("receipt key {}", new.as_str().unwrap())), "{accepted:?}");
    let sent = send(&home, &address, "--receipts kept");
    assert!(sent.code == Some(0) && state(&sent)["stored"].is_object(), "{sent:?}");
}

/// An attacker who can compute signatures with the key that decrypts.
#[test]
fn a_server_that_had_a_receipt_key_and_signs_with_its_own_is_refused() {
    let home = home();
    let (server, address) = serve(&home, 0, "");
    assert_eq!(send(&home, &address, "").code, Some(0));
    drop(server);
    take_the_receipt_key_away(&home);
    let (_server, _) = serve(&home, port(&address), "--accept-padding oaep");
    let sent = send(&home, &address, "--receipts kept");
    assert_eq!(sent.code, Some(4), "{sent:?}");
    let fault = state(&sent)["failed"].to_string();
    assert!(
        fault.contains("signed it with its decryption key, although its receipt key is known"),
        "{fault}"
    );
    assert!(fault.contains(&format!("upseal known accept {address}")), "{fault}");
    assert!(!home.path("kept/a.txt.receipt").exists());
    assert_eq!(known(&home)["offered_receipt_key"], "none");
    succeed(&home, &format!("known accept {address}"));
    assert_eq!(send(&home, &address, "").code, Some(0));
}

#[test]
fn a_receipt_is_not_accepted_if_the_known_servers_are_damaged() {
    let home = home();
    let (_server, address) = serve(&home, 0, "");
    let plain = "-p plain --receipts kept --ca certs/cacsertificate.crt";
    assert_eq!(send(&home, &address, plain).code, Some(0));
    fs::write(home.path("known"), "nonsense\n").unwrap();
    let sent = send(&home, &address, plain);
    assert_eq!(sent.code, Some(5), "{sent:?}");
    assert!(state(&sent)["failed"].to_string().contains("cannot check the key of the receipt"), "{sent:?}");
}

#[test]
fn certs_show_distinguishes_server_and_receipt_certificates() {
    let home = home();
    let show = |name: &str| {
        let line = format!("certs show certs/{name} --ca certs/cacsertificate.crt");
        succeed(&home, &line).out
    };
    let (server, receipts) = (show("server_signed.crt"), show("receipt_signed.crt"));
    assert!(
        server.contains("verdict    accepted under this CA") && !server.contains("for receipts"),
        "{server}"
    );
    assert!(receipts.contains("verdict    accepted under this CA, for receipts only"), "{receipts}");
    assert!(receipts.contains("key        RSA 2048 bits"), "{receipts}");
    let subject = |shown: &str| shown.lines().find(|line| line.starts_with("subject")).unwrap().to_owned();
    assert_eq!(subject(&server), subject(&receipts));

    take_the_receipt_key_away(&home);
    let made = succeed(&home, "certs csr --receipts");
    assert_eq!(made.out.lines().collect::<Vec<_>>(), ["certs/receipt_private_key.pem", "certs/receipt.csr"]);
    let signed = succeed(&home, "certs sign certs/receipt.csr --out certs/receipt_signed.crt");
    assert!(signed.err.contains("RSA 2048 bits for receipts only, until"), "{signed:?}");
    let again = home.run(&["certs", "csr", "--receipts"]);
    assert_eq!(again.code, Some(5), "{again:?}");
}

#[test]
fn a_receipt_certificate_that_clients_refuse_is_named_when_the_server_starts() {
    let home = Home::new();
    fs::create_dir(home.path("certs")).unwrap();
    let identity = fixtures("identity-v1");
    for name in
        ["cacsertificate.crt", "server_signed.crt", "server_private_key.pem", "receipt_private_key.pem"]
    {
        fs::copy(identity.join(name), home.path("certs").join(name)).unwrap();
    }
    fs::copy(fixtures("receipts/expired.crt"), home.path("certs/receipt_signed.crt")).unwrap();
    let (server, address) = serve(&home, 0, "");
    let said = server.err.recv_timeout(common::PATIENCE).unwrap();
    assert!(
        said.contains("clients will not accept this server's receipts: the certificate expired"),
        "{said}"
    );
    let sent = send(&home, &address, "");
    assert_eq!(sent.code, Some(4), "{sent:?}");
    assert!(state(&sent)["failed"].to_string().contains("expired on 2021-01-01"), "{sent:?}");
    drop(server);
    // The receipt key of another server: the server does not start.
    fs::copy(fixtures("receipts/another-subject.crt"), home.path("certs/receipt_signed.crt")).unwrap();
    let refused = home.run(&["serve", "--bind", "127.0.0.1:0"]);
    assert_eq!(refused.code, Some(5), "{refused:?}");
    assert!(refused.err.contains("its subject is not the server's"), "{refused:?}");
}

#[test]
fn receipts_of_earlier_versions_verify_with_a_warning_that_names_the_reason() {
    let home = Home::new();
    for receipt in ["before-cp2.receipt", "before-ap.receipt"] {
        let path = |name: &str| fixtures("receipts").join(name).to_str().unwrap().to_owned();
        let (file, receipt, ca) = (path("before.txt"), path(receipt), path("before-ca.crt"));
        let verified = home.start(["verify", &file, "--receipt", &receipt, "--ca", &ca]).finish();
        assert_eq!(verified.code, Some(0), "{verified:?}");
        assert!(
            verified.out.contains("ok    signature") && !verified.out.contains("receipt key"),
            "{verified:?}"
        );
        let warning =
            "warning: signed by the server's decryption key; if that server ever accepted PKCS #1 v1.5";
        assert!(verified.err.contains(warning), "{verified:?}");
        // If a receipt of today is shortened to that form, the signature is that of another key.
        let text = fs::read_to_string(&receipt).unwrap();
        fs::write(home.path("forged"), text.replacen("before.txt", "after.txt", 1)).unwrap();
        assert_eq!(home.start(["verify", &file, "--receipt", "forged", "--ca", &ca]).finish().code, Some(4));
    }
}

#[test]
fn a_receipt_of_two_keys_verifies_without_a_warning_and_a_forged_one_fails() {
    let home = home();
    let (_server, address) = serve(&home, 0, "");
    assert_eq!(send(&home, &address, "--receipts kept").code, Some(0));
    let verify = |receipt: &str| {
        home.start(["verify", "a.txt", "--receipt", receipt, "--ca", "certs/cacsertificate.crt"]).finish()
    };
    let good = verify("kept/a.txt.receipt");
    assert_eq!(good.code, Some(0), "{good:?}");
    assert!(good.out.contains("ok    receipt key   the statement names sha256:"), "{good:?}");
    assert!(!good.err.contains("warning"), "{good:?}");
    let text = fs::read_to_string(home.path("kept/a.txt.receipt")).unwrap();
    let receipt = upseal::testing::receipt::Receipt::parse(&text).unwrap();
    let identity = upseal::Identity::load(&home.path("certs")).unwrap();
    let forged = upseal::testing::receipt::Receipt {
        signature: identity.sign_receipt(receipt.text.as_bytes()).unwrap(),
        ..receipt.clone()
    };
    fs::write(home.path("forged"), forged.to_text()).unwrap();
    let refused = verify("forged");
    assert!(refused.code == Some(4) && refused.out.contains("FAIL  signature"), "{refused:?}");
    // A different known receipt key, or a receipt without one, is reported.
    let offered = format!(" receipt-key=sha256:{}", "0".repeat(64));
    let text = fs::read_to_string(home.path("known")).unwrap();
    let at = text.find(" receipt-key=").unwrap();
    fs::write(home.path("known"), text[..at].to_owned() + &offered + "\n").unwrap();
    let doubted = verify("kept/a.txt.receipt");
    assert_eq!(doubted.code, Some(0), "{doubted:?}");
    assert!(doubted.err.contains("warning: this server's known receipt key is sha256:000"), "{doubted:?}");
    // Each certificate is needed, and each for its own key.
    let mut swapped = receipt.clone();
    swapped.certificates.receipts = Some(receipt.certificates.server.clone());
    fs::write(home.path("forged"), swapped.to_text()).unwrap();
    let refused = verify("forged");
    assert!(refused.code == Some(4) && refused.out.contains("FAIL  certificate"), "{refused:?}");
}
