//! The server of this process: what it accepts is changed while it runs, and it is restarted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use upseal::event::{Accepted, Command, Dialect, Event, FaultKind, Padding, Reach, State, Target, Variant};
use upseal::{EmbeddedOptions, KnownServers, Options};

use crate::common::Client;

fn own_server() -> (Client, tempfile::TempDir) {
    let store = tempfile::tempdir().unwrap();
    let embedded = EmbeddedOptions {
        store: Some(store.path().to_owned()),
        history: None,
        bind: "127.0.0.1:0".parse().unwrap(),
    };
    let options = Options { embedded: Some(embedded), ..Options::new(KnownServers::at(None)) };
    (Client::of(options, tempfile::tempdir().unwrap()), store)
}

fn of(variant: Variant) -> Dialect {
    Dialect::of(variant)
}

#[test]
fn what_new_clients_may_send_changes_at_once() {
    let (mut client, store) = own_server();
    client.write("a.txt", b"one");
    let first = client.events.until(|event| matches!(event, Event::Accepting { .. }));
    let Event::Accepting { accepted, .. } = first else { unreachable!() };
    assert_eq!(accepted.variants, Variant::ALL);
    assert_eq!(accepted.paddings, [Padding::Oaep, Padding::Pkcs1v15]);

    let accepted = Accepted { variants: vec![Variant::Cp2], paddings: vec![Padding::Oaep] };
    client.ask(Command::Accept { reach: Reach::Own, accepted: accepted.clone() });
    let now = client.events.until(|event| matches!(event, Event::Accepting { .. }));
    assert_eq!(now, Event::Accepting { reach: Reach::Own, accepted });
    client.ask(Command::Upload(vec![
        client.job(1, "a.txt", &Target::Embedded, of(Variant::Plain)),
        client.job(2, "a.txt", &Target::Embedded, of(Variant::Cp2)),
    ]));
    let State::Failed(fault) = client.finish(1) else { panic!("Plain is accepted") };
    assert_eq!(fault.kind, FaultKind::Refused, "{fault}");
    assert!(matches!(client.finish(2), State::Stored { .. } | State::Delivered));
    assert_eq!(std::fs::read_dir(store.path()).unwrap().count(), 1);
}

#[test]
fn a_restarted_server_has_its_address_its_key_and_its_rules() {
    let (mut client, store) = own_server();
    client.write("a.txt", b"one");
    let listening = |event: &Event| matches!(event, Event::Listening { .. });
    let Event::Listening { address, identity, .. } = client.events.until(listening) else { unreachable!() };
    let accepted = Accepted { variants: vec![Variant::Cp2], paddings: vec![Padding::Oaep] };
    client.ask(Command::Accept { reach: Reach::Own, accepted: accepted.clone() });
    client.ask(Command::Upload(vec![client.job(1, "a.txt", &Target::Embedded, of(Variant::Cp2))]));
    assert!(matches!(client.finish(1), State::Stored { .. } | State::Delivered));

    client.ask(Command::RestartServer);
    // An upload that is asked for meanwhile waits for the server.
    client.ask(Command::Upload(vec![client.job(2, "a.txt", &Target::Embedded, of(Variant::Cp2))]));
    let again = client.events.until(listening);
    let Event::Listening { address: after, identity: key, .. } = again else { unreachable!() };
    assert_eq!((after, key), (address, identity));
    let Event::Accepting { accepted: kept, .. } =
        client.events.until(|event| matches!(event, Event::Accepting { .. }))
    else {
        unreachable!()
    };
    assert_eq!(kept, accepted, "a restart does not accept more");
    assert!(matches!(client.finish(2), State::Stored { .. } | State::Delivered));
    assert_eq!(std::fs::read_dir(store.path()).unwrap().count(), 1, "the same file is already there");
}
