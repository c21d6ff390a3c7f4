//! What the fields of the connect dialog accept.

use std::path::PathBuf;

use super::*;
use crate::event::Variant;
use crate::event::address::tests::{FORMS, REFUSED};

#[test]
fn every_form_of_an_address_is_accepted_and_what_is_none_is_refused() {
    let typed = |text: &str| {
        let mut dialog = Connect::new(None, &Target::Embedded, Dialect::of(Variant::Plain), None, &[]);
        dialog.input().unwrap().paste(text);
        (dialog.accept(None).map(|(target, _)| target), dialog.remark.map(|remark| remark.words))
    };
    let more = [("::1", "[::1]:4321"), (" 10.0.0.7:99 ", "10.0.0.7:99"), ("[::1]:5000", "[::1]:5000")];
    for (text, meant) in FORMS.into_iter().chain(more) {
        let target = Target::server(meant.parse().unwrap(), None);
        assert_eq!(typed(text), (Some(target), None), "{text:?}");
    }
    let more = ["host:99999", "[nonsense]:1", ":4321"];
    // The field drops control characters when they are pasted, and an empty field is the built-in server.
    let refused =
        REFUSED.into_iter().filter(|text| !text.trim().is_empty() && !text.contains(char::is_control));
    for text in refused.chain(more) {
        assert_eq!(typed(text), (None, Some(text::BAD_ADDRESS.to_owned())), "{text:?}");
    }
}

#[test]
fn an_empty_address_is_our_own_server() {
    let dialect = Dialect::of(Variant::Cp2);
    let mut dialog = Connect::new(None, &Target::Embedded, dialect, None, &[]);
    assert_eq!(dialog.accept(None), Some((Target::Embedded, dialect)));
}

fn server(ca: Option<&str>) -> Connect {
    let target = Target::server("127.0.0.1:4321".parse().unwrap(), ca.map(PathBuf::from));
    Connect::new(None, &target, Dialect::of(Variant::Cp2), None, &[])
}

#[test]
fn a_link_needs_no_ca_and_a_ca_that_was_typed_counts() {
    let link = format!("upseal://lab:99#sha256-{}", "ab".repeat(32));
    let there: Destination = link.parse().unwrap();
    let dialect = Dialect::of(Variant::Cp2);
    let ca = Path::new("/default.crt");
    let mut dialog = Connect::new(None, &Target::Embedded, dialect, Some(ca), &[]);
    dialog.paste_link(&format!("  {link}\r\n"));
    let meant = |ca: Option<&str>| Target::Server {
        address: there.address.clone(),
        ca: ca.map(PathBuf::from),
        expected: there.expected(),
    };
    assert_eq!(dialog.accept(None), Some((meant(None), dialect)));
    assert_eq!(dialog.probe(1, None), Some(meant(None)), "a pin is enough for a probe");
    // The dialog of a server with a pin shows its link, and keeps the pin.
    let mut again = Connect::new(None, &meant(None), dialect, Some(ca), &[]);
    assert_eq!(again.drafts[0].address.text(), link);
    assert_eq!(again.accept(None), Some((meant(None), dialect)));
    again.drafts[0].ca = Input::with("/typed.crt");
    assert_eq!(again.accept(None), Some((meant(Some("/typed.crt")), dialect)));
    dialog.paste_link(&link[..link.len() - 1]);
    let wrong = Remark::error(Field::Address, text::BAD_LINK);
    assert_eq!((dialog.accept(None), dialog.remark), (None, Some(wrong)));
}

#[test]
fn what_a_probe_finds_is_the_dialect_of_the_dialog_from_then_on() {
    let mut dialog = server(Some("/ca.crt"));
    let found = Dialect { framing: crate::event::Framing::D, ..Dialect::of(Variant::Cp1) };
    assert!(dialog.probe(1, None).is_some());
    assert_eq!(dialog.probe(2, None), None, "one at a time");
    dialog.probed(7, Probed::Over(Ok(Some(Dialect::of(Variant::Ap)))));
    assert!(dialog.is_probing(), "the report was of another run");
    dialog.probed(1, Probed::Line("trying".to_owned()));
    dialog.probed(1, Probed::Over(Ok(Some(found))));
    assert!(!dialog.is_probing());
    assert_eq!(dialog.accept(None).unwrap().1, found);
}

#[test]
fn a_probe_that_finds_nothing_leaves_the_dialect_as_it_was() {
    for end in [Ok(None), Err("no server".to_owned())] {
        let mut dialog = server(Some("/ca.crt"));
        assert!(dialog.probe(1, None).is_some());
        dialog.probed(1, Probed::Over(end));
        assert_eq!(dialog.accept(None).unwrap().1, Dialect::of(Variant::Cp2));
    }
}

#[test]
fn a_probe_needs_a_server_and_its_ca() {
    let own = Connect::new(None, &Target::Embedded, Dialect::of(Variant::Cp2), None, &[]);
    for (mut dialog, field) in [(own, Field::Address), (server(None), Field::Ca)] {
        assert_eq!(dialog.probe(1, None), None);
        assert_eq!(dialog.remark, Some(Remark::error(field, text::PROBE_NEEDS)));
        assert!(!dialog.is_probing());
    }
}
