//! Precedence of the sources, errors in the file, and what saving a preset keeps.

mod report;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use clap::{Args as _, Command};

use super::*;
use crate::event::address::tests::{FORMS, REFUSED};
use crate::event::{
    ADDRESS_FORMS, AuthMessage, EmptyFile, Expected, Framing, KeyForm, KeyLength, NameAs, Padding,
    Terminator, Variant,
};

const HERE: &str = "/etc/upseal/config.toml";

fn parse(text: &str) -> Result<File, ConfigError> {
    File::parse(text.to_owned(), HERE.into())
}

fn layer(values: &[(Setting, &str)]) -> Layer {
    let mut layer = Layer::default();
    for (key, value) in values {
        layer.set(*key, value).unwrap();
    }
    layer
}

/// Creates a configuration file in an empty folder.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

/// For each key: the values of the flag, the preset, the environment and the file's top level, all different where the
/// key has enough values; then the default.
const TABLE: [(Setting, [&str; 4]); 16] = [
    (Setting::To, ["flag:1", "preset:1", "environment:1", "top:1"]),
    (Setting::Protocol, ["plain", "ap", "cp1", "plain"]),
    (Setting::Padding, ["pkcs1v15", "oaep", "pkcs1v15", "oaep"]),
    (Setting::Framing, ["B", "C", "D", "E"]),
    (Setting::Terminator, ["0", "1", "10000", "end"]),
    (Setting::Ca, ["/flag", "/preset", "/environment", "/top"]),
    (Setting::AuthMessage, ["timestamp", "random32", "timestamp", "random32"]),
    (Setting::KeyForm, ["raw", "fernet", "raw", "fernet"]),
    (Setting::KeyLengthBytes, ["16", "8", "16", "8"]),
    (Setting::Empty, ["zero", "block", "zero", "block"]),
    (Setting::NameAs, ["path", "base", "path", "base"]),
    (Setting::Meta, ["drop", "keep", "drop", "keep"]),
    (Setting::Jobs, ["3", "8", "2", "4"]),
    (Setting::Limit, ["3MiB/s", "500KB/s", "64KiB/s", "5000000"]),
    (
        Setting::Pin,
        [
            "sha256:f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1",
            "sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
            "",
            "",
        ],
    ),
    (Setting::Expect, ["flag", "preset", "", ""]),
];

/// The first source that sets a key decides.
#[test]
fn a_flag_beats_a_preset_beats_the_environment_beats_the_file() {
    for (key, values) in TABLE {
        let says = |at: usize, speaks: bool| {
            if speaks && !values[at].is_empty() { layer(&[(key, values[at])]) } else { Layer::default() }
        };
        for mask in 0..16_usize {
            let speaks = |at: usize| mask & (1 << at) != 0;
            let sources = Sources {
                environment: says(2, speaks(2)),
                file: File {
                    defaults: says(3, speaks(3)),
                    peers: vec![Peer { name: "lab".into(), layer: says(1, speaks(1)) }],
                    ..File::default()
                },
            };
            let settled = sources.settle(says(0, speaks(0)), Some("lab")).unwrap();
            let first = (0..4).find(|at| speaks(*at) && !values[*at].is_empty());
            let expected = first.map(|at| layer(&[(key, values[at])])).unwrap_or_default();
            assert_eq!(settled, Settings::from(expected), "{key:?}, sources {mask:04b}");
            // Without --peer, presets have no effect.
            let settled = sources.settle(says(0, speaks(0)), None).unwrap();
            let first = [0, 2, 3].into_iter().find(|at| speaks(*at) && !values[*at].is_empty());
            let expected = first.map(|at| layer(&[(key, values[at])])).unwrap_or_default();
            assert_eq!(settled, Settings::from(expected), "{key:?}, sources {mask:04b}, no preset");
        }
    }
}

#[test]
fn the_file_a_preset_and_the_environment_accept_every_form_of_an_address_and_refuse_what_is_none() {
    for (text, meant) in FORMS {
        let meant = Some(meant.parse().unwrap());
        let file = parse(&format!("to = '{text}'\npeers.lab.to = '{text}'\n")).unwrap();
        assert_eq!((&file.defaults.to, &file.peer("lab").unwrap().to), (&meant, &meant), "{text:?}");
        let variable = |name: &str| (name == "UPSEAL_TO").then(|| text.into());
        assert_eq!(environment(&variable).unwrap().to, meant, "{text:?}");
    }
    for text in REFUSED {
        let value = toml_edit::Value::from(text);
        for file in [format!("to = {value}\n"), format!("peers.lab.to = {value}\n")] {
            let error = parse(&file).unwrap_err();
            assert!(
                matches!(&error, ConfigError::Wrong { allowed, .. } if allowed == ADDRESS_FORMS),
                "{error}"
            );
            assert!(error.to_string().contains(&format!("invalid value '{}'", escape(text))), "{error}");
        }
        // An empty variable sets nothing.
        if !text.is_empty() {
            let error = environment(&|name| (name == "UPSEAL_TO").then(|| text.into())).unwrap_err();
            let words = error.to_string();
            assert!(matches!(error, ConfigError::Variable { allowed, .. } if allowed == ADDRESS_FORMS));
            assert_eq!(words, format!("invalid value '{}' in the variable UPSEAL_TO", escape(text)));
        }
    }
}

/// The test above compares settings that the same code made; this one names the expected settings.
#[test]
fn every_key_reaches_its_setting() {
    let all: Vec<(Setting, &str)> = TABLE.iter().map(|(key, values)| (*key, values[0])).collect();
    let dialect = Dialect {
        variant: Variant::Plain,
        padding: Padding::Pkcs1v15,
        framing: Framing::B,
        terminator: Some(Terminator::Zero),
        key_form: KeyForm::Raw,
        key_length: KeyLength::Sixteen,
        empty: EmptyFile::Zero,
        auth_message: AuthMessage::Timestamp,
        name_as: NameAs::Path,
    };
    let expected = Settings {
        to: Some("flag:1".parse().unwrap()),
        ca: Some("/flag".into()),
        dialect,
        pin: Some("sha256:f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1".into()),
        expect: Some("flag".into()),
        limit: Limit::of(3 << 20).unwrap(),
        jobs: Jobs::of(3).unwrap(),
        meta: false,
    };
    assert_eq!(Settings::from(layer(&all)), expected);
    let meant = Expected { pin: expected.pin.clone(), name: Some("flag".into()) };
    let target =
        Target::Server { address: "flag:1".parse().unwrap(), ca: Some("/flag".into()), expected: meant };
    assert_eq!(expected.target(), target);
    let usual = Settings {
        to: None,
        ca: Some("certs/cacsertificate.crt".into()),
        dialect: Dialect::of(Variant::Cp2),
        pin: None,
        expect: None,
        limit: Limit::NONE,
        jobs: Jobs::ONE,
        meta: true,
    };
    assert_eq!(Settings::from(Layer::default()), usual);
    assert_eq!(usual.target(), Target::Embedded);
}

/// A CA that is a default for all servers must not be required of one that a pin names.
#[test]
fn a_pin_needs_no_ca_and_a_ca_that_is_named_beside_it_counts() {
    let ca = |text: &str| Layer { ca: Some(text.into()), ..Layer::default() };
    let pin = Layer { pin: Some("f1".repeat(32)), to: Some("h".parse().unwrap()), ..Layer::default() };
    let mut sources = Sources { environment: ca("/environment"), ..Sources::default() };
    sources.file.defaults = ca("/file");
    let settle = |flags: Layer| sources.settle(flags, None).unwrap().ca;
    assert_eq!(settle(pin.clone()), None);
    assert_eq!(settle(Layer { ca: Some("/flag".into()), ..pin.clone() }), Some("/flag".into()));
    assert_eq!(settle(Layer { pin: None, ..pin.clone() }), Some("/environment".into()));
    assert_eq!(Sources::default().settle(pin, None).unwrap().ca, None);
}

/// `--help` names variable and default, which clap does not know.
#[test]
fn the_help_names_each_variable_and_default() {
    let command = Layer::augment_args(Command::new("upseal"));
    let usual = [
        (Setting::Protocol, "cp2"),
        (Setting::Padding, "oaep"),
        (Setting::Framing, "A"),
        (Setting::Ca, "certs/cacsertificate.crt"),
        (Setting::AuthMessage, "ascii"),
        (Setting::KeyForm, "fernet"),
        (Setting::KeyLengthBytes, "8"),
        (Setting::Empty, "block"),
        (Setting::NameAs, "base"),
        (Setting::Meta, "keep"),
        (Setting::Limit, "off"),
        (Setting::Jobs, "1"),
    ];
    assert_eq!(Settings::from(layer(&usual)), Settings::from(Layer::default()));
    for key in Setting::VARIANTS.iter().copied().filter(|key| !key.is_of_one_server()) {
        let argument = command.get_arguments().find(|argument| argument.get_long() == Some(key.name()));
        let help = argument.unwrap().get_help().unwrap().to_string();
        assert!(help.contains(&format!("[env: {}]", key.variable())), "{key:?}: {help}");
        if let Some((_, value)) = usual.iter().find(|(of, _)| *of == key) {
            assert!(help.contains(&format!("[default: {value}]")), "{key:?}: {help}");
        }
    }
}

#[test]
fn an_invalid_variable_is_an_error_that_names_it() {
    let from = |values: &[(&str, &str)]| {
        let values: BTreeMap<String, String> =
            values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        environment(&|name| values.get(name).map(OsString::from))
    };
    for (key, values) in TABLE.iter().filter(|(key, _)| !key.is_of_one_server()) {
        let said = from(&[(&key.variable(), values[2])]).unwrap();
        assert_eq!(said, layer(&[(*key, values[2])]), "{key:?}");
    }
    assert_eq!(from(&[("UPSEAL_PADDING", ""), ("UPSEAL_PIN", "x")]).unwrap(), Layer::default());
    let fault = Fault::from(from(&[("UPSEAL_KEY_FORM", "raw\u{1b}")]).unwrap_err());
    assert_eq!(fault.kind, FaultKind::Usage);
    assert_eq!(fault.what, r"invalid value 'raw\u{1b}' in the variable UPSEAL_KEY_FORM");
    assert_eq!(fault.advice, "possible values: fernet, raw");
}

const PIN: &str = "sha256:abababababababababababababababababababababababababababababababab";
const OTHER: &str = "sha256:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";

#[test]
fn a_preset_chosen_on_the_screen_overrides_the_flags_except_the_expected_identity() {
    let sources = Sources {
        environment: layer(&[(Setting::Framing, "D")]),
        file: parse("[peers.b]\nto = 'b:1'\npadding = 'oaep'\n[peers.a]\npin = 'sha256:abababababababababababababababababababababababababababababababab'").unwrap(),
    };
    let flags = layer(&[
        (Setting::To, "flag:1"),
        (Setting::Padding, "pkcs1v15"),
        (Setting::Empty, "zero"),
        (Setting::Pin, OTHER),
        (Setting::Expect, "of the flag's server"),
    ]);
    let common = [(Setting::Framing, "D"), (Setting::Empty, "zero")];
    let b = layer(&[&common[..], &[(Setting::To, "b:1"), (Setting::Padding, "oaep")]].concat());
    let a = layer(
        &[&common[..], &[(Setting::To, "flag:1"), (Setting::Padding, "pkcs1v15"), (Setting::Pin, PIN)]]
            .concat(),
    );
    let expected = [("b".to_owned(), Settings::from(b)), ("a".to_owned(), Settings::from(a))];
    assert_eq!(sources.peers(&flags), expected);
}

#[test]
fn the_file_takes_the_same_keys_as_the_flags_in_any_order() {
    let file = parse(
        "padding = 'pkcs1v15' # for all\nkey-length-bytes = 16\nca = '~/ca.crt'\n\n\
         [peers.zoo]\nto = 'zoo:1'\nframing = 'd'\nkey-length-bytes = '8'\npin = 'sha256:0000000000000000000000000000000000000000000000000000000000000000'\nexpect = 'Zoo'\n\n\
         [peers.\"a.b-c_1\"]\nca = 'lab/ca.crt'\n[peers.nothing]\n",
    )
    .unwrap();
    let home = std::env::home_dir().unwrap();
    let mut defaults = layer(&[(Setting::Padding, "pkcs1v15"), (Setting::KeyLengthBytes, "16")]);
    defaults.ca = Some(home.join("ca.crt"));
    assert_eq!(file.defaults, defaults);
    let zoo = layer(&[
        (Setting::To, "zoo:1"),
        (Setting::Framing, "D"),
        (Setting::KeyLengthBytes, "8"),
        (Setting::Pin, "sha256:0000000000000000000000000000000000000000000000000000000000000000"),
        (Setting::Expect, "Zoo"),
    ]);
    let dotted = layer(&[(Setting::Ca, "/etc/upseal/lab/ca.crt")]);
    let expected = [("zoo", zoo), ("a.b-c_1", dotted), ("nothing", Layer::default())];
    let expected = expected.map(|(name, layer)| Peer { name: name.to_owned(), layer });
    assert_eq!(file.peers, expected);
    let nothing = parse("").unwrap();
    assert_eq!((nothing.defaults, nothing.peers), (Layer::default(), Vec::new()));
}

#[test]
fn an_error_in_the_file_names_the_line_and_the_possible_values() {
    for (text, line, what, allowed) in [
        ("to = 'x:1'\npadding = \n", 2, "", "not valid TOML"),
        ("to = 'a'\nto = 'b'", 2, "duplicate key", "not valid TOML"),
        ("\n\nsecret = 'x'", 3, "unknown key `secret`", "known keys: to, protocol, padding"),
        ("\n\nsecret = 'x'", 3, "unknown", ", and [peers.NAME]"),
        ("[server]\nto = 'x'", 1, "unknown key `server`", "known keys: to,"),
        ("[peers.a]\npin = 'sha256:00'", 2, "pin", "expected sha256: and 64 hexadecimal digits"),
        ("pin = 'sha256:00'", 1, "unknown key `pin`", "and [peers.NAME]"),
        ("[peers.a]\nfile = 'x'", 2, "unknown key `file`", "expect"),
        ("[peers.a]\n[peers.example.org]\nto = 'x'", 2, "unknown key `org`", "[peers.\"a.b\"]"),
        (
            "[peers.a]\n# two\npadding = 'none'",
            3,
            "invalid value 'none' of `padding`",
            "possible values: oaep, pkcs1v15",
        ),
        ("protocol = 'cp3'", 1, "invalid value 'cp3' of `protocol`", "possible values: plain, ap, cp1, cp2"),
        ("framing = 'G'", 1, "invalid value 'G' of `framing`", "possible values: A, B, C, D, E, F"),
        ("key-length-bytes = 9", 1, "invalid value '9' of `key-length-bytes`", "possible values: 8, 16"),
        ("\nto = 4321", 2, "the value of `to` is not a string", "write it in quotes"),
        ("to = ' '", 1, "invalid value ' ' of `to`", "expected host:port or [IPv6]:port"),
        ("to = \"a\\u001bb\"", 1, "invalid value 'a\\u{1b}b' of `to`", "expected host:port or [IPv6]:port"),
        ("ca = ''", 1, "invalid value '' of `ca`", "a certificate"),
        ("empty = ['zero']", 1, "the value of `empty` is not a string", ""),
        ("\npeers = 'lab'", 2, "`peers` is not a table", "[peers.NAME]"),
        ("[[peers]]\nto = 'x'", 1, "`peers` is not a table", "[peers.NAME]"),
        ("[peers]\nlab = 'x:1'", 2, "`lab` in `peers` is not a table", "[peers.NAME]"),
        ("[peers.'a b']", 1, "invalid preset name 'a b'", "1 to 40 letters"),
        ("[peers.\"\\u001b[2J\"]", 1, r"invalid preset name '\u{1b}[2J'", "1 to 40 letters"),
        ("[peers.a12345678901234567890123456789012345678901]", 1, "invalid preset name", "1 to 40"),
        ("[peers.'']", 1, "invalid preset name ''", "1 to 40"),
    ] {
        let fault = Fault::from(parse(text).unwrap_err());
        assert_eq!(fault.kind, FaultKind::Usage, "{text}");
        assert!(fault.what.as_str().starts_with(&format!("{HERE}, line {line}: ")), "{text}: {fault:?}");
        assert!(
            fault.what.as_str().contains(what) && fault.advice.as_str().contains(allowed),
            "{text}: {fault:?}"
        );
        assert!(!fault.what.as_str().contains('\n'), "{fault:?}");
    }
}

#[test]
fn a_missing_file_is_empty_and_an_unreadable_one_is_not_a_usage_fault() {
    let (folder, path) = file("to = 'x:1'\n# caf\u{e9}");
    let none = File::read(folder.path().join("none/config.toml")).unwrap();
    assert_eq!((none.defaults, none.peers.len()), (Layer::default(), 0));
    let error = Fault::from(File::read(folder.path().to_owned()).unwrap_err());
    assert_eq!(error.kind, FaultKind::Local, "{error}");
    fs::write(&path, b"to = 'x:1'\n# caf\xe9").unwrap();
    let error = Fault::from(File::read(path).unwrap_err());
    assert!(error.kind == FaultKind::Usage && error.what.as_str().contains("line 2: not UTF-8"), "{error}");
}

#[test]
fn an_unknown_preset_is_an_error_that_lists_the_saved_ones() {
    let fault = |text: &str, name: &str| Fault::from(parse(text).unwrap().peer(name).unwrap_err());
    let none = fault("", "lab");
    assert_eq!(none.what.as_str(), format!("no preset 'lab' in {HERE}"));
    assert_eq!(none.advice, "no preset is saved; save one with `upseal peers save lab --to HOST:PORT …`");
    let some = fault("[peers.a]\n[peers.b]", "not a name\u{1b}");
    assert_eq!(some.what.as_str(), format!("no preset 'not a name\\u{{1b}}' in {HERE}"));
    assert_eq!(some.advice, "saved presets: a, b; save one with `upseal peers save NAME --to HOST:PORT …`");
    assert_eq!((none.kind, some.kind), (FaultKind::Usage, FaultKind::Usage));
}

const WRITTEN: &str = "\
# Mine. Hands off.

padding = 'oaep'   # all of them

# The lab's, on weekdays.
[peers.lab] # noon to four
to = 'lab:1'      # moved in May
# as they wrote it
framing = 'D'

[peers.home]
to = \"home:1\"

# the end
";

#[test]
fn saving_leaves_comments_and_order_as_they_are() {
    let (_folder, path) = file(WRITTEN);
    let read = || File::read(path.clone()).unwrap();
    let new =
        layer(&[(Setting::To, "new:1"), (Setting::KeyLengthBytes, "16"), (Setting::Expect, "it's \"it\"")]);
    read().save("a.new", &new, Existing::Keep).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let (before, after) = text.split_once("\n[peers.\"a.new\"]\n").unwrap_or_else(|| panic!("{text}"));
    assert_eq!(format!("{before}\n# the end\n"), WRITTEN);
    assert!(after.ends_with("\n\n# the end\n"), "{text}");
    assert!(after.starts_with("to = \"new:1\"\nkey-length-bytes = 16\nexpect = "), "{text}");
    assert_eq!(read().peer("a.new").unwrap(), &new);

    // A preset is replaced where it stands. A key that is not given is removed with the comment above it.
    let taken = read().save("lab", &new, Existing::Keep).unwrap_err();
    assert!(
        matches!(&taken, ConfigError::Taken { name } if name == "lab") && taken.advice().contains("--force")
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "a refused save writes nothing");
    read()
        .save("lab", &layer(&[(Setting::To, "lab:2"), (Setting::Padding, "oaep")]), Existing::Replace)
        .unwrap();
    let expected = text.replace(
        "to = 'lab:1'      # moved in May\n# as they wrote it\nframing = 'D'\n",
        "to = \"lab:2\"      # moved in May\npadding = \"oaep\"\n",
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    let names: Vec<String> = read().peers.into_iter().map(|peer| peer.name).collect();
    assert_eq!(names, ["lab", "home", "a.new"]);
}

#[test]
fn removing_takes_the_preset_and_its_own_comment_and_no_other() {
    let (_folder, path) = file(WRITTEN);
    File::read(path.clone()).unwrap().remove("lab").unwrap();
    let lab = "# The lab's, on weekdays.\n[peers.lab] # noon to four\n\
               to = 'lab:1'      # moved in May\n# as they wrote it\nframing = 'D'\n\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), WRITTEN.replace(lab, ""));
    let gone = File::read(path.clone()).unwrap().remove("lab").unwrap_err();
    assert!(matches!(gone, ConfigError::UnknownPeer { .. }));

    // A comment above a blank line belongs to the whole file.
    for (text, after) in [
        ("# Mine.\n\n# a's\n[peers.a]\nto = 'a'\n\n[peers.b]\n", "# Mine.\n\n[peers.b]\n"),
        ("# Mine.\n\n# a's\n[peers.a]\nto = 'a'\n", "# Mine.\n"),
        ("# a's\n[peers.a]\nto = 'a'\n\n# b's\n[peers.b]\n", "# b's\n[peers.b]\n"),
        ("[peers]\na = { to = 'a' }\nb = { to = 'b' }\n", "[peers]\nb = { to = 'b' }\n"),
        ("peers.a.to = 'a'\npeers.b.to = 'b'\n", "peers.b.to = 'b'\n"),
    ] {
        fs::write(&path, text).unwrap();
        File::read(path.clone()).unwrap().remove("a").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), after, "{text}");
    }
}

#[test]
fn what_another_program_saved_meanwhile_is_kept() {
    let (_folder, path) = file("");
    let (one, other) = (File::read(path.clone()).unwrap(), File::read(path.clone()).unwrap());
    let layer = layer(&[(Setting::To, "x:1")]);
    one.save("one", &layer, Existing::Keep).unwrap();
    other.save("other", &layer, Existing::Keep).unwrap();
    assert_eq!(File::read(path.clone()).unwrap().peers.len(), 2);
    assert!(matches!(other.save("one", &layer, Existing::Keep).unwrap_err(), ConfigError::Taken { .. }));
    one.remove("other").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "[peers.one]\nto = \"x:1\"\n");
}

#[test]
fn line_ends_stay_as_they_are() {
    let (_folder, path) = file("# Mine.\r\n\r\n# a's\r\n[peers.a]\r\nto = 'a'\r\n\r\n# b's\r\n[peers.b]\r\n");
    let read = || File::read(path.clone()).unwrap();
    read().remove("a").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "# Mine.\r\n\r\n# b's\r\n[peers.b]\r\n");
    read().save("b", &layer(&[(Setting::To, "b:1")]), Existing::Replace).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "# Mine.\r\n\r\n# b's\r\n[peers.b]\r\nto = \"b:1\"\r\n");
}

/// A saved preset is read back, and so are the others, in every TOML form of presets.
#[test]
fn what_is_saved_is_read_again() {
    let everything: Vec<(Setting, &str)> = TABLE.iter().map(|(key, values)| (*key, values[0])).collect();
    for text in [
        "",
        "# only a comment",
        "to = 'x:1'",
        "[peers]",
        "[peers.lab]\nto = 'lab:1'",
        "peers = { lab = { to = 'lab:1' } }",
        "peers = {}",
        "peers.lab.to = 'lab:1'",
        "[peers]\nlab = { to = 'lab:1', framing = 'F' }",
        "[peers]\nlab.to = 'lab:1'",
    ] {
        let (_folder, path) = file(text);
        let before = File::read(path.clone()).unwrap();
        for (name, layer) in [("new", layer(&everything)), ("second", layer(&[(Setting::Framing, "B")]))] {
            File::read(path.clone()).unwrap().save(name, &layer, Existing::Keep).unwrap();
            File::read(path.clone()).unwrap().save("lab", &layer, Existing::Replace).unwrap();
            let after = File::read(path.clone()).unwrap();
            assert_eq!(after.peer(name).unwrap(), &layer, "{text}");
            assert_eq!(after.peer("lab").unwrap(), &layer, "{text}");
            assert_eq!(after.defaults, before.defaults, "{text}");
        }
        assert_eq!(File::read(path.clone()).unwrap().peers.len(), 3, "{text}");
    }
}

#[test]
fn a_new_file_is_private_and_no_temporary_file_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/upseal/config.toml");
    let save = |name: &str| {
        let layer = layer(&[(Setting::To, "x:1")]);
        File::read(path.clone()).and_then(|file| file.save(name, &layer, Existing::Keep))
    };
    save("lab").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "[peers.lab]\nto = \"x:1\"\n");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let mut names: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["config.toml", "config.toml.lock"]);
    for bad in ["", "a b", "a/b", "ü", "a12345678901234567890123456789012345678901"] {
        assert!(matches!(save(bad).unwrap_err(), ConfigError::BadName { .. }), "{bad}");
    }

    // A link stays a link.
    let link = folder.path().join("link.toml");
    symlink(&path, &link).unwrap();
    let layer = layer(&[(Setting::To, "y:1")]);
    File::read(link.clone()).unwrap().save("other", &layer, Existing::Keep).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(File::read(path).unwrap().peers.len(), 2);
}
