//! First meetings, on the wire: a server that was never met gets no byte of a file before the user has accepted its key.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use upseal::event::{
    Command, Dialect, Event, Fault, FaultKind, Proof, ServerAddress, Standing, State, Target, Variant,
};
use upseal::{Authority, FirstMeeting, Identity, KnownServers, Options};

use crate::common::{
    Client, Files, Host, IDENTITY, Peer, accept, ca, is_alone, job_track, listen, message, words,
};

const PROVING: [Variant; 3] = [Variant::Ap, Variant::Cp1, Variant::Cp2];

/// A client that asks, and the file of its known servers.
fn client(first_meeting: FirstMeeting) -> (Client, KnownServers) {
    let folder = tempfile::tempdir().unwrap();
    let known = KnownServers::at(Some(folder.path().join(".known")));
    let client = Client::of(Options { retries: 0, first_meeting, ..Options::new(known.clone()) }, folder);
    client.write("a.txt", b"hello");
    client.write("b.txt", b"world");
    (client, known)
}

/// Accepts a connection and proves to be this identity.
fn prove(peer: &mut Peer, identity: &Identity) {
    assert_eq!(peer.read(8), words(&[3]));
    let hello = peer.read_blob();
    let signature = identity.sign(&hello).unwrap();
    let certificate = identity.certificate_pem();
    let length = |blob: &[u8]| words(&[blob.len() as u64]);
    peer.send(&[&length(&signature), &signature[..], &length(certificate), certificate].concat());
}

/// Waits for the question.
fn question(client: &mut Client) -> (ServerAddress, String, Proof) {
    let asked = client.events.until(|event| matches!(event, Event::FirstMeeting { .. }));
    let Event::FirstMeeting { address, ca, proof, .. } = asked else { unreachable!() };
    (address, ca, proof)
}

fn answer(client: &Client, (address, ca, proof): (ServerAddress, String, Proof), accept: bool) {
    client.ask(Command::AnswerMeeting { address, ca, key: proof.fingerprint, accept });
}

#[test]
fn a_declined_server_gets_mode_2_and_nothing_else_and_the_uploads_wait_until_one_is_retried() {
    for variant in PROVING {
        let (mut client, known) = client(FirstMeeting::AskAndWait);
        let (listener, target) = listen();
        client.upload(&["a.txt", "b.txt"], &target, Dialect::of(variant));
        let mut peer = accept(&listener);
        prove(&mut peer, &IDENTITY);
        let asked = question(&mut client);
        assert_eq!(asked.2.fingerprint, IDENTITY.server_key().fingerprint().to_string());
        assert_eq!((asked.2.bits, asked.2.subject.as_str()), (1024, "CN=TEST server,O=TEST,C=SG"));
        answer(&client, asked, false);
        assert_eq!(peer.read_to_end(), (words(&[2]), true), "{variant}: nothing but MODE 2");
        let held = client.events.until(|event| matches!(event, Event::Unaccepted { .. }));
        let Event::Unaccepted { waiting, .. } = held else { unreachable!() };
        assert_eq!(waiting, 2);
        assert_eq!(client.events.states(job_track(1)), [State::Connecting, State::Proving, State::Waiting]);
        assert_eq!(known.list().unwrap(), [], "it stays unknown");
        assert!(is_alone(&listener), "nothing is tried before the user does");

        // The retry asks again, and the accepted connection goes on.
        client.ask(Command::Retry(upseal::event::JobId(2)));
        let mut peer = accept(&listener);
        prove(&mut peer, &IDENTITY);
        let asked = question(&mut client);
        answer(&client, asked, true);
        let proven = client.events.until(|event| matches!(event, Event::Proven { .. }));
        let Event::Proven { standing, .. } = proven else { unreachable!() };
        assert_eq!(standing, Standing::First { remembered: true, other_ca: false, asked: true });
        let mode = if variant == Variant::Cp2 { 4 } else { 0 };
        assert_eq!(peer.read(8), words(&[mode]), "{variant}: on the same connection");
        assert_eq!(known.list().unwrap().len(), 1);
        client.shut_down();
    }
}

#[test]
fn an_accepted_server_is_not_asked_about_again() {
    for variant in PROVING {
        let (mut client, _) = client(FirstMeeting::AskAndWait);
        let host = Host::start();
        client.upload(&["a.txt"], &host.target(), Dialect::of(variant));
        let asked = question(&mut client);
        assert_eq!(host.stored(), Files::none());
        answer(&client, asked, true);
        assert!(client.finish(1).has_arrived());
        client.ask(Command::Upload(vec![client.job(2, "b.txt", &host.target(), Dialect::of(variant))]));
        assert!(client.finish(2).has_arrived());
        assert_eq!(client.events.count(|event| matches!(event, Event::FirstMeeting { .. })), 1);
        assert_eq!(host.stored().names(), ["a.txt", "b.txt"]);
    }
}

/// Two identities of one CA, and the CA's file.
fn twins() -> (tempfile::TempDir, std::path::PathBuf, [Identity; 2]) {
    let authority = Authority::new("TEST twins", 30).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.crt");
    std::fs::write(&file, authority.certificate_pem()).unwrap();
    let identity = |_| {
        let issued = authority.issue("TEST twin", 1024, 30).unwrap();
        Identity::from_pem(&issued.certificate_pem, &issued.private_key_pem).unwrap()
    };
    (folder, file, [0, 1].map(identity))
}

#[test]
fn after_a_connection_that_ended_the_accepted_key_is_required() {
    let (_folder, file, [shown, other]) = twins();
    let (listener, _) = listen();
    let target = Target::server(listener.local_addr().unwrap().into(), Some(file));
    for (next, is_same) in [(&other, false), (&shown, true)] {
        let (mut client, known) = client(FirstMeeting::AskAndWait);
        client.upload(&["a.txt"], &target, Dialect::of(Variant::Ap));
        let mut peer = accept(&listener);
        prove(&mut peer, &shown);
        let asked = question(&mut client);
        // The server does not wait for the user.
        assert_eq!(peer.hang_up().0, words(&[2]));
        client.events.until(|event| matches!(event, Event::Unaccepted { .. }));
        answer(&client, asked, true);
        let mut peer = accept(&listener);
        prove(&mut peer, next);
        if is_same {
            assert_eq!(
                peer.read_upload().0,
                [message(0, b"a.txt"), message(1, b"hello"), words(&[2])].concat()
            );
            assert_eq!(client.events.count(|event| matches!(event, Event::FirstMeeting { .. })), 1);
        } else {
            assert_eq!(peer.read_to_end(), (words(&[2]), true), "nothing but MODE 2");
            let State::Failed(fault) = client.finish(1) else { panic!("it was sent to another key") };
            assert_eq!(fault.kind, FaultKind::Unproven);
            let changed = client.events.count(|event| matches!(event, Event::KeyChanged { .. }));
            assert_eq!((changed, known.list().unwrap()), (1, vec![]), "the other key is not remembered");
        }
        client.shut_down();
    }
}

#[test]
fn an_answer_about_another_key_counts_for_nothing() {
    let (mut client, _) = client(FirstMeeting::AskAndWait);
    let (listener, target) = listen();
    client.upload(&["a.txt"], &target, Dialect::of(Variant::Ap));
    let mut peer = accept(&listener);
    prove(&mut peer, &IDENTITY);
    let (address, ca, proof) = question(&mut client);
    for (ca, key) in [
        (ca.clone(), "77".repeat(32)),
        ("77".repeat(32), proof.fingerprint.clone()),
        (ca.clone(), "x".into()),
    ] {
        client.ask(Command::AnswerMeeting { address: address.clone(), ca, key, accept: true });
    }
    answer(&client, (address, ca, proof), false);
    assert_eq!(peer.read_to_end(), (words(&[2]), true));
}

#[test]
fn without_a_queue_that_waits_a_declined_server_fails_its_uploads() {
    let (mut client, _) = client(FirstMeeting::Ask);
    let host = Host::start();
    client.upload(&["a.txt", "b.txt"], &host.target(), Dialect::of(Variant::Cp2));
    let asked = question(&mut client);
    answer(&client, asked, false);
    for id in [1, 2] {
        let State::Failed(Fault { kind, what, .. }) = client.finish(id) else { panic!("{id} was sent") };
        assert_eq!(kind, FaultKind::Unproven);
        assert!(what.as_str().ends_with("was not accepted; nothing was sent"), "{what}");
    }
    assert_eq!(host.stored(), Files::none());
}

#[test]
fn a_cancelled_upload_does_not_wait_for_the_answer() {
    let (mut client, _) = client(FirstMeeting::AskAndWait);
    let host = Host::start();
    client.upload(&["a.txt"], &host.target(), Dialect::of(Variant::Cp2));
    question(&mut client);
    client.ask(Command::CancelAll);
    assert_eq!(client.finish(1), State::Cancelled);
    assert_eq!(host.stored(), Files::none());
}

#[test]
fn unseen_a_key_is_accepted_and_remembered_or_not() {
    for (policy, remembered) in [(FirstMeeting::Remember, true), (FirstMeeting::Overlook, false)] {
        let (mut client, known) = client(policy);
        let host = Host::start();
        client.upload(&["a.txt"], &host.target(), Dialect::of(Variant::Cp2));
        let proven = client.events.until(|event| matches!(event, Event::Proven { .. }));
        let Event::Proven { standing, .. } = proven else { unreachable!() };
        assert_eq!(standing, Standing::First { remembered, other_ca: false, asked: false });
        assert!(client.finish(1).has_arrived());
        assert_eq!(known.list().unwrap().len(), usize::from(remembered), "{policy:?}");
    }
    // A CA that is not the server's is an error before any question.
    let (mut client, _) = client(FirstMeeting::AskAndWait);
    let (listener, _) = listen();
    let target = Target::server(listener.local_addr().unwrap().into(), Some(ca()));
    client.upload(&["a.txt"], &target, Dialect::of(Variant::Ap));
    let (_folder, _, [stranger, _]) = twins();
    let mut peer = accept(&listener);
    prove(&mut peer, &stranger);
    assert!(matches!(client.finish(1), State::Failed(_)));
    assert_eq!(client.events.count(|event| matches!(event, Event::FirstMeeting { .. })), 0);
}
