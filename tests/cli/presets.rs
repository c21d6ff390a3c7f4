//! `--peer`, `upseal peers`, and the precedence of configuration sources.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use upseal::event::Variant;

use super::common::{Files, Host, IDENTITY, ca, unused_address};
use super::{Home, events, words};

/// The common name in the certificate of [`IDENTITY`].
const CN: &str = "TEST server";

/// Stops a server and returns the variants of the files that it received.
fn variants(mut host: Host) -> Vec<Variant> {
    host.stop();
    host.events.received().iter().map(|receipt| receipt.variant).collect()
}

#[test]
fn a_preset_is_saved_listed_used_and_removed() {
    let home = Home::new();
    let host = Host::start();
    let address = host.address().to_string();
    std::fs::copy(ca(), home.path("ca.crt")).unwrap();
    let none = home.run(&["peers"]);
    assert_eq!((none.code, none.out.as_str()), (Some(0), ""), "{none:?}");
    assert!(none.err.contains("no presets in") && none.err.contains("upseal peers save NAME"), "{none:?}");

    // A path is relative to the working folder, not to the configuration file. The environment is not saved.
    let pin = format!("sha256:{}", IDENTITY.server_key().fingerprint());
    let save = "peers save lab --to {server} --ca ca.crt -p cp1 --framing d --pin {pin} --expect {cn}";
    let save = words(save, &[("server", &address), ("pin", &pin), ("cn", CN)]);
    let saved = home.start_with(&save, &[("UPSEAL_PADDING", "pkcs1v15")]).finish();
    let row = format!(
        "lab  --to {address} --protocol cp1 --framing D --ca {} --pin {pin} --expect '{CN}'",
        home.path("ca.crt").display()
    );
    assert_eq!((saved.code, saved.out.as_str()), (Some(0), row.as_str()), "{saved:?}");
    assert!(saved.err.contains("upseal send --peer lab FILE…"), "{saved:?}");
    assert_eq!(std::fs::metadata(home.config()).unwrap().permissions().mode() & 0o777, 0o600);
    for line in ["peers", "peers list"] {
        assert_eq!(home.start(words(line, &[])).finish().out, row, "{line}");
    }
    let again = home.start(&save).finish();
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.err.contains("the preset 'lab' exists") && again.err.contains("--force"), "{again:?}");
    assert_eq!(home.start(save.iter().map(String::as_str).chain(["--force"])).finish().code, Some(0));
    let listed: Value = serde_json::from_str(&home.run(&["peers", "--json"]).out).unwrap();
    let expected = serde_json::json!({
        "name": "lab", "to": address, "protocol": "cp1", "framing": "D", "ca": home.path("ca.crt"),
        "pin": pin, "expect": CN,
    });
    assert_eq!(listed, expected);

    // The preset also works from another folder.
    let sent = home.run(&["send", "--peer", "lab", "a.txt"]);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let unknown = home.run(&["send", "--peer", "lob", "a.txt"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(
        unknown.err.contains("no preset 'lob'") && unknown.err.contains("saved presets: lab;"),
        "{unknown:?}"
    );
    assert_eq!(home.run(&["peers", "remove", "lab"]).code, Some(0));
    assert_eq!(home.run(&["send", "--peer", "lab", "a.txt"]).code, Some(2));
    assert_eq!(home.run(&["peers", "--json"]).out, "");
    assert_eq!(variants(host), [Variant::Cp1]);
}

/// Each source sets another variant, so what the server receives shows which source decided.
#[test]
fn flags_beat_the_preset_beats_the_environment_beats_the_file() {
    let home = Home::new();
    let host = Host::start();
    let (_reserved, closed) = unused_address();
    let text = format!(
        "to = '{closed}'\nprotocol = 'plain'\nca = 'upseal-ca.crt'\n\n\
         [peers.lab]\nto = '{}'\nprotocol = 'ap'\nframing = 'D'\n\n[peers.silent]\n",
        host.address()
    );
    home.configure(&text);
    std::fs::copy(ca(), home.path("upseal/upseal-ca.crt")).unwrap();
    let address = host.address().to_string();
    let environment = [("UPSEAL_PROTOCOL", "cp1")];
    for (line, environment, code) in [
        // No server listens at the file's address.
        ("send a.txt", &[][..], 3),
        ("send --peer lab a.txt", &environment, 0),
        ("send --peer lab -p cp2 a.txt", &environment, 0),
        ("send --peer lab -p cp1 a.txt", &[], 0),
        ("send --peer silent --to {server} a.txt", &environment, 0),
        ("send --peer silent --to {server} a.txt", &[], 0),
        // A race uses the file's CA.
        ("race --lanes cp2@{server},ap@{server} a.txt", &[], 0),
        ("race --lanes cp2@{server},ap@{server} a.txt", &[("UPSEAL_CA", "none.crt")], 5),
    ] {
        let outcome = home.start_with(words(line, &[("server", &address)]), environment).finish();
        assert_eq!(outcome.code, Some(code), "{line}: {outcome:?}");
    }
    let [plain, ap, cp1, cp2] = Variant::ALL;
    let expected = [ap, cp2, cp1, cp1, plain, cp2, ap];
    let seen = variants(host);
    assert_eq!(seen[..expected.len()], expected);
    // The lanes are sent again to measure their steady rates.
    assert!(seen[expected.len()..].iter().all(|variant| [cp2, ap].contains(variant)), "{seen:?}");
}

#[test]
fn a_preset_decides_the_whole_dialect() {
    let home = Home::new();
    let host = Host::start();
    home.configure(&format!(
        "[peers.old]\nto = '{}'\nca = '{}'\nprotocol = 'cp1'\npadding = 'pkcs1v15'\nframing = 'D'\n\
         auth-message = 'timestamp'\nkey-form = 'raw'\nkey-length-bytes = 16\nempty = 'zero'\nname-as = 'path'\n",
        host.address(),
        ca().display()
    ));
    let wire = |flags: &[&str]| {
        let line = ["send", "--json", "--peer", "old"];
        let outcome = home.start(line.iter().chain(flags).chain(&["a.txt"])).finish();
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let events = events(&outcome);
        let last = events.iter().rfind(|event| event["event"] == "progress").unwrap();
        (events[0]["job"]["dialect"].clone(), last["wire_bytes"].as_u64().unwrap())
    };
    let (dialect, bytes) = wire(&[]);
    let expected = serde_json::json!({
        "variant": "cp1", "padding": "pkcs1v15", "framing": "D", "terminator": null, "auth_message": "timestamp",
        "key_form": "raw", "key_length": "sixteen", "empty": "zero", "name_as": "path",
    });
    assert_eq!(dialect, expected);
    // The same holds on the wire: framing D has a terminator of 8 bytes, and A has none.
    assert_eq!(bytes, wire(&["--framing", "A"]).1 + 8);
    assert_eq!(host.stored(), Files::one("a.txt", b"hello"));
}

#[test]
fn an_invalid_file_or_variable_is_exit_code_2_with_its_place() {
    let home = Home::new();
    for (text, expected) in [
        ("[peers.lab]\nframing = 'G'", "line 2: invalid value 'G' of `framing`"),
        ("[peers.lab]\nframing = 'G'", "possible values: A, B, C, D, E, F"),
        ("\n\nspeed = 'high'", "line 3: unknown key `speed`"),
        ("to = ", "line 1: "),
    ] {
        home.configure(text);
        for line in
            ["send -p plain --to 127.0.0.1:9 a.txt", "race a.txt", "peers", "peers save x --to y:1", "."]
        {
            let outcome = home.start(words(line, &[])).finish();
            assert_eq!((outcome.code, outcome.out.as_str()), (Some(2), ""), "{line}: {outcome:?}");
            let path = home.config();
            assert!(
                outcome.err.contains(expected) && outcome.err.contains(path.to_str().unwrap()),
                "{outcome:?}"
            );
        }
        assert_eq!(std::fs::read_to_string(home.config()).unwrap(), text, "the file is left as it was");
    }
    home.configure("");
    let outcome = home.start_with(["send", "a.txt"], &[("UPSEAL_FRAMING", "G")]).finish();
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.err.contains("invalid value 'G' in the variable UPSEAL_FRAMING"), "{outcome:?}");
    assert!(outcome.err.contains("possible values: A, B, C, D, E, F"), "{outcome:?}");

    // Without UPSEAL_CONFIG, the file is in the XDG configuration folder.
    std::fs::rename(home.path("upseal"), home.path("moved")).unwrap();
    std::fs::create_dir(home.path("upseal")).unwrap();
    std::fs::write(home.config(), "[peers.found]\nto = 'x:1'").unwrap();
    let found = home.start_with(["peers"], &[("UPSEAL_CONFIG", "")]).finish();
    assert_eq!((found.code, found.out.as_str()), (Some(0), "found  --to x:1"), "{found:?}");
}
