//! Files that are sent again to a server that gave a receipt for them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use upseal::EmbeddedOptions;
use upseal::event::{Command, Dialect, Earlier, Kept, State, Target, Variant};

use super::common::{ANYWHERE, Client, Host};

/// Sends a file as upload `id`, and returns whether the client says that it was already stored.
fn is_already_stored(client: &mut Client, id: u64, name: &str, target: &Target, variant: Variant) -> bool {
    client.ask(Command::Upload(vec![client.job(id, name, target, Dialect::of(variant))]));
    match client.finish(id) {
        State::Stored { earlier, .. } => earlier.is_some(),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn the_second_upload_of_a_file_says_that_it_is_already_stored() {
    let store = tempfile::tempdir().unwrap();
    let embedded = EmbeddedOptions { store: Some(store.path().join("in")), history: None, bind: ANYWHERE };
    let (host, mut client) = (Host::start(), Client::with(Some(embedded)));
    client.write("a.txt", b"hello");
    client.write("b.txt", b"hello");
    for (n, target) in (0_u64..).zip([host.target(), Target::Embedded]) {
        let id = |number| 10 * n + number;
        for (number, name, variant, expected) in [
            (1, "a.txt", Variant::Cp2, false),
            (2, "a.txt", Variant::Cp2, true),
            (3, "a.txt", Variant::Cp1, true),
            (4, "b.txt", Variant::Ap, false),
        ] {
            let is_stored = is_already_stored(&mut client, id(number), name, &target, variant);
            assert_eq!(is_stored, expected, "{number} to {target:?}");
        }
    }
    // Other content of the name, which the servers keep as a copy.
    client.write("a.txt", b"hallo");
    for (id, target) in [(31, host.target()), (32, Target::Embedded)] {
        assert!(!is_already_stored(&mut client, id, "a.txt", &target, Variant::Cp2));
    }
    client.write("a.txt", b"hello");
    assert!(is_already_stored(&mut client, 33, "a.txt", &host.target(), Variant::Cp2));
}

#[test]
fn two_uploads_of_a_file_in_one_receipt_are_told_apart() {
    let (mut host, mut client) = (Host::start(), Client::start());
    client.write("a.txt", b"hello");
    client.upload(&["a.txt", "a.txt"], &host.target(), Dialect::of(Variant::Cp2));
    let earlier: Vec<Option<Box<Earlier>>> = client
        .finish_all(2)
        .into_iter()
        .map(|state| match state {
            State::Stored { earlier, .. } => earlier,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(earlier[0], None);
    assert!(earlier[1].is_some());
    host.stop();
    let kept: Vec<Kept> = host.events.received().iter().map(|receipt| receipt.kept).collect();
    assert_eq!(kept, [Kept::New, Kept::Same], "both were sent");
}

#[test]
fn without_receipts_nothing_is_known_to_be_stored() {
    let (host, mut client) = (Host::start(), Client::start());
    client.write("a.txt", b"hello");
    for id in 1..=2 {
        let job = client.job(id, "a.txt", &host.target(), Dialect::of(Variant::Plain));
        client.ask(Command::Upload(vec![job]));
        assert_eq!(client.finish(id), State::Delivered);
    }
}
