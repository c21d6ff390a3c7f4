//! The presets in the connect dialog: their pictures, and what keys do with them.

use super::keys::jobs;
use super::pictures::picture;
use super::*;

/// Returns two presets of third-party servers.
fn presets() -> Vec<Peer> {
    let server = |address: &str, ca: &str| Target::server(address.parse().unwrap(), Some(ca.into()));
    let lab = Dialect { framing: Framing::D, padding: Padding::Pkcs1v15, ..Dialect::of(Variant::Cp1) };
    let c_edition = Dialect {
        key_form: KeyForm::Raw,
        key_length: KeyLength::Sixteen,
        auth_message: AuthMessage::Random32,
        name_as: NameAs::Path,
        ..Dialect::of(Variant::Cp2)
    };
    vec![
        Peer { name: "lab".into(), target: server("10.0.0.7:4321", "/home/me/lab-ca.crt"), dialect: lab },
        Peer { name: "c-edition".into(), target: server("c.example.org", "/ca.crt"), dialect: c_edition },
    ]
}

#[test]
fn a_preset_sets_server_and_dialect_of_uploads() {
    let mut stage = Stage::knowing(presets());
    let [lab, c_edition] = &presets()[..] else { panic!() };
    stage.keys("c");
    assert!(stage.row("peer").contains("[— none —]  ← →  2 saved or recent"));
    for (keys, name) in
        [("Right", "lab"), ("Space", "c-edition"), ("Right", "— none —"), ("Left", "c-edition")]
    {
        stage.keys(keys);
        assert!(stage.row("peer").contains(&format!("[{name}]")), "{keys} {name}");
    }
    stage.keys("Left");
    assert!(stage.row("host:port").contains("10.0.0.7:4321") && stage.row("RSA").contains("[PKCS1v15]"));
    assert!(stage.row("CA file").contains("/home/me/lab-ca.crt") && stage.shows("Speaks CP1, framing D."));
    let job = jobs(&stage.keys("Enter u")).remove(0);
    assert_eq!((&*job.target, job.dialect), (&lab.target, lab.dialect));
    // The preset is shown as the one in use, until something is changed.
    stage.keys("c");
    assert!(stage.row("peer").contains("[lab]"));
    stage.keys("Esc p c");
    assert!(stage.row("peer").contains("[— none —]"), "the preset lab uses another variant");
    // A race keeps its variants and takes the other settings.
    let effects = stage.keys("Esc 1 Home j j r");
    let [Effect::Send(Command::Race(RaceOrder { lanes, .. }))] = &effects[..] else { panic!("{effects:?}") };
    let spoken = [Variant::Cp1, Variant::Cp2].map(|variant| Dialect { variant, ..lab.dialect });
    assert_eq!([lanes[0].dialect, lanes[1].dialect], spoken);
    assert!(lanes.iter().all(|lane| lane.target == lab.target));
    assert_ne!(lab, c_edition);
}

#[test]
fn a_preset_sets_one_lane_and_its_fields_can_be_changed() {
    let mut stage = Stage::knowing(presets());
    // Lane 2 goes to the second preset, with another address and padding.
    stage.keys("2 Tab c Left Tab C-u o t h e r Tab Tab Space Enter 1 j j");
    let effects = stage.keys("r");
    let [Effect::Send(Command::Race(RaceOrder { lanes, .. }))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((&lanes[0].target, lanes[0].dialect), (&Target::Embedded, Dialect::of(Variant::Cp1)));
    let there = Target::server("other:4321".parse().unwrap(), Some("/ca.crt".into()));
    let dialect = Dialect { padding: Padding::Pkcs1v15, ..presets()[1].dialect };
    assert_eq!((&lanes[1].target, lanes[1].dialect), (&there, dialect));
}

#[test]
fn typed_text_survives_browsing_the_presets() {
    let mut stage = Stage::knowing(presets());
    stage.keys("c Tab m i n e S-Tab Right");
    assert!(stage.row("host:port").contains("10.0.0.7"));
    stage.keys("Left");
    assert!(stage.row("host:port").contains("mine"));
    // An address without a port gets the protocol's port.
    let job = jobs(&stage.keys("Left Enter u")).remove(0);
    assert!(
        matches!(&*job.target, Target::Server { address, .. } if address.to_string() == "c.example.org:4321")
    );
    // S-Tab from the first field goes to the last one; the error message moves the cursor back to the address.
    stage.keys("c S-Tab");
    assert!(stage.row("▸RSA padding").contains("OAEP"));
    stage.keys("Tab Tab : Enter");
    assert!(stage.shows("Invalid address") && stage.shows("▸host:port"));
}

#[test]
fn without_presets_there_is_no_field_for_them() {
    let mut stage = Stage::new();
    stage.keys("c");
    assert!(!stage.shows("peer") && stage.shows("▸host:port"));
    stage.keys("S-Tab");
    assert!(stage.shows("▸RSA padding"));
}

#[test]
fn the_connect_dialog_with_presets() {
    let mut stage = Stage::knowing(presets());
    stage.keys("c");
    picture("connect_none_80x24", stage);
    let mut stage = Stage::knowing(presets());
    stage.keys("c Right Tab");
    picture("connect_lab_80x24", stage);
    let mut stage = Stage::knowing(presets());
    stage.keys("c Left");
    picture("connect_c_edition_80x24", stage);
    let mut stage = Stage::knowing(presets()).sized(40, 12);
    stage.keys("c Left");
    picture("connect_c_edition_40x12", stage);
}
