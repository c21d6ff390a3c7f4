//! Known servers, on the wire: a server that is not recognised gets MODE 3, MODE 2, and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use tempfile::TempDir;
use upseal::event::{
    AuthMessage, Command, Dialect, Event, Expected, Fault, FaultKind, KeyChange, ServerAddress, Standing,
    State, Target, Variant,
};
use upseal::{Anchor, Digest, EmbeddedOptions, KnownServers, Offered};

use crate::common::{Client, Files, Host, IDENTITY, accept, ca, job_track, listen, words};

const OTHER: Digest = Digest([7; 32]);

fn key() -> Digest {
    IDENTITY.server_key().fingerprint()
}

fn ca_key() -> Digest {
    Anchor::load(&ca()).unwrap().fingerprint()
}

/// A client that knows a server at this address by this key.
fn client(address: &ServerAddress, key: Digest, bits: usize) -> (Client, KnownServers) {
    let folder = tempfile::tempdir().unwrap();
    let known = KnownServers::at(Some(folder.path().join(".known")));
    known.accept(address, Some(ca_key()), Some(Offered { key, bits: Some(bits) }), 1_800_000_000).unwrap();
    (Client::knowing(None, known.clone(), folder), known)
}

/// The bytes of an answer to MODE 3 by [`IDENTITY`].
fn answer(hello: &[u8]) -> Vec<u8> {
    let signature = IDENTITY.sign(hello).unwrap();
    let certificate = IDENTITY.certificate_pem();
    let length = |blob: &[u8]| words(&[blob.len() as u64]);
    [&length(&signature), &signature[..], &length(certificate), certificate].concat()
}

/// Uploads to a socket that proves to be [`IDENTITY`]; it must see MODE 2 next, and the end.
fn refused(client: &mut Client, target: &dyn Fn(ServerAddress) -> Target, variant: Variant) -> Fault {
    let (listener, _) = listen();
    let address = listener.local_addr().unwrap().into();
    client.write("secret.txt", b"for one server only");
    client.upload(&["secret.txt"], &target(address), Dialect::of(variant));
    let mut peer = accept(&listener);
    assert_eq!(peer.read(16), words(&[3, 128]));
    let hello = peer.read(128);
    peer.send(&answer(&hello));
    assert_eq!(peer.read_to_end(), (words(&[2]), true), "{variant}: nothing but MODE 2");
    let State::Failed(fault) = client.finish(1) else { panic!("{variant}: it took it for the other") };
    client.shut_down();
    let states = client.events.states(job_track(1));
    assert_eq!(states, [State::Connecting, State::Proving, State::Failed(fault.clone())]);
    assert_eq!(client.events.count(|event| matches!(event, Event::Proven { .. })), 0);
    assert_eq!(fault.kind, FaultKind::Unproven, "{fault}");
    fault
}

#[test]
fn a_server_with_an_unexpected_key_gets_nothing() {
    for variant in [Variant::Ap, Variant::Cp1, Variant::Cp2] {
        for (expected, words) in [
            (Expected { pin: Some(OTHER.to_string()), name: None }, "but the pin is"),
            (Expected { pin: None, name: Some("TEST".to_owned()) }, "CN=TEST is expected"),
        ] {
            let target = |address| Target::Server { address, ca: Some(ca()), expected: expected.clone() };
            let fault = refused(&mut Client::start(), &target, variant);
            assert!(fault.what.as_str().contains(words), "{fault}");
            assert!(fault.advice.as_str().contains("nothing of the file was sent"), "{fault}");
        }
    }
}

#[test]
fn a_changed_key_stops_all_uploads_to_the_server_until_it_is_accepted() {
    for variant in [Variant::Ap, Variant::Cp1, Variant::Cp2] {
        let host = Host::start();
        let address = host.address().into();
        let (mut client, known) = client(&address, OTHER, 1024);
        client.write("a.txt", b"hello");
        client.write("b.txt", b"world");
        client.upload(&["a.txt", "b.txt"], &host.target(), Dialect::of(variant));
        let Event::KeyChanged { change, .. } =
            client.events.until(|event| matches!(event, Event::KeyChanged { .. }))
        else {
            unreachable!()
        };
        let KeyChange { ca, known: old, offered, since, subject, .. } = change;
        assert_eq!((&old, &offered), (&OTHER.to_string(), &key().to_string()));
        assert_eq!(since.as_deref(), Some("2027-01-15T08:00:00Z"));
        assert_eq!(subject, "CN=TEST server,O=TEST,C=SG");
        for id in [1, 2] {
            let State::Failed(fault) = client.finish(id) else { panic!("{variant}: {id} was sent") };
            assert_eq!(fault.kind, FaultKind::Unproven);
            for words in [&old, &offered, "nothing was sent", "2027-01-15"] {
                assert!(fault.what.as_str().contains(words), "{words}: {fault}");
            }
            assert!(fault.advice.as_str().contains(&format!("upseal known accept {address}")), "{fault}");
        }
        assert_eq!(host.stored(), Files::none());

        client.ask(Command::AcceptServer { address: address.clone(), ca, key: offered });
        client.events.until(|event| matches!(event, Event::ServerAccepted { .. }));
        assert_eq!(known.bits(&address, ca_key()).unwrap(), Some(1024), "as it was offered");
        client.ask(Command::RetryFailed);
        for id in [1, 2] {
            assert!(client.finish(id).has_arrived());
        }
        assert_eq!(host.stored().names(), ["a.txt", "b.txt"]);
    }
}

#[test]
fn a_key_that_cannot_be_accepted_is_reported() {
    let mut client = Client::knowing(None, KnownServers::at(None), tempfile::tempdir().unwrap());
    for (ca, key) in [("00".repeat(32), "nonsense".to_owned()), ("00".repeat(32), "11".repeat(32))] {
        client.ask(Command::AcceptServer { address: "host:1".parse().unwrap(), ca, key });
        client.events.until(|event| matches!(event, Event::ServerNotAccepted { .. }));
    }
}

#[test]
fn the_hello_to_a_known_server_of_2048_bits_is_as_long_as_its_signature() {
    let ours = Dialect::of(Variant::Ap);
    let random = Dialect { auth_message: AuthMessage::Random32, ..ours };
    let stamped = Dialect { auth_message: AuthMessage::Timestamp, ..ours };
    for (bits, dialect, length) in
        [(2048, ours, 256), (2048, stamped, 256), (2048, random, 32), (1024, ours, 128), (4096, ours, 128)]
    {
        let (listener, target) = listen();
        let (client, _) = client(&listener.local_addr().unwrap().into(), OTHER, bits);
        client.write("a.txt", b"hello");
        client.upload(&["a.txt"], &target, dialect);
        let mut peer = accept(&listener);
        assert_eq!(peer.read(16), words(&[3, length]), "{bits} {:?}", dialect.auth_message);
    }
}

/// The next upload reads the stored line; for the embedded server there is none.
#[test]
fn a_remote_server_is_remembered_and_the_embedded_one_never() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".known");
    let host = Host::start();
    let received = folder.path().join("received");
    let embedded =
        EmbeddedOptions { store: Some(received), history: None, bind: "127.0.0.1:0".parse().unwrap() };
    let mut client = Client::knowing(Some(embedded), KnownServers::at(Some(path.clone())), folder);
    client.write("a.txt", b"hello");
    let standing = |client: &mut Client, id: u64, target: &Target| {
        client.ask(Command::Upload(vec![client.job(id, "a.txt", target, Dialect::of(Variant::Cp2))]));
        let Event::Proven { standing, .. } =
            client.events.until(|event| matches!(event, Event::Proven { .. }))
        else {
            unreachable!()
        };
        assert!(client.finish(id).has_arrived());
        standing
    };
    assert_eq!(standing(&mut client, 1, &Target::Embedded), Standing::Own);
    assert!(!path.exists(), "a temporary identity is not pinned");
    let first = Standing::First { remembered: true, other_ca: false, asked: false };
    assert_eq!(standing(&mut client, 2, &host.target()), first);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
    assert!(matches!(standing(&mut client, 3, &host.target()), Standing::Known { since: Some(_) }));
}

#[test]
fn a_damaged_file_of_known_servers_is_reported_before_any_connection() {
    let (listener, target) = listen();
    let folder: TempDir = tempfile::tempdir().unwrap();
    let path = folder.path().join(".known");
    std::fs::write(&path, "nonsense\n").unwrap();
    let mut client = Client::knowing(None, KnownServers::at(Some(path.clone())), folder);
    client.write("a.txt", b"hello");
    client.upload(&["a.txt"], &target, Dialect::of(Variant::Cp2));
    let State::Failed(fault) = client.finish(1) else { panic!("it went on") };
    assert_eq!((fault.kind, fault.kind.exit_code()), (FaultKind::Local, 5));
    assert!(fault.what.as_str().contains(&format!("{}, line 1", path.display())), "{fault}");
    assert!(crate::common::is_alone(&listener), "no connection was made");
    assert_eq!(client.events.count(|event| matches!(event, Event::Proven { .. })), 0);
}
