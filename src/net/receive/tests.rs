//! Sessions on a machine that computes wrong results, and the limit of amendments.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use super::*;
use crate::crypto::fernet::{SessionKey, TokenSealer};
use crate::crypto::identity::Identity;
use crate::crypto::rsa_blocks::BlockSealer;
use crate::digest::FileDigest;
use crate::event::{Blame, Event, KeyForm, Padding};
use crate::net::Observer;
use crate::net::budget::PaddingBudget;
use crate::net::service::Policy;
use crate::net::wire::word;
use crate::store::Folder;
use crate::testing::{Act, EventLog, ScriptedStream, Step, Transcript};

/// What a client can observe: the bytes that were read, the bytes that it was sent, and whether it was reset.
type Observed = (usize, usize, bool);

fn observed(transcript: &Transcript) -> Observed {
    let steps = transcript.take();
    let sum = |bytes: fn(&Step) -> usize| steps.iter().map(bytes).sum();
    let taken = sum(|step| if let Step::Took(n) = step { *n } else { 0 });
    let answered = sum(|step| if let Step::Wrote(bytes) = step { bytes.len() } else { 0 });
    (taken, answered, steps.contains(&Step::Reset))
}

/// A server that stores files in `folder`.
fn service(identity: Identity, folder: &Path, log: &Arc<EventLog>) -> Service {
    Service {
        policy: Policy::default(),
        identity: Some(Arc::new(identity)),
        store: Arc::new(Folder::open(folder).unwrap()),
        ciphertext: None,
        history: None,
        budget: PaddingBudget::default(),
        observer: Arc::clone(log) as Arc<dyn Observer>,
    }
}

/// Runs one session to its end.
fn serve(service: &Service, client: ScriptedStream) {
    let connection = Connection::new(Box::new(client), IDLE_PATIENCE);
    Session::new(service, connection, SessionId(1), "client".to_owned()).run();
}

/// Returns what the client observes, and the server's only refusal.
fn refused(identity: Identity, bytes: &[u8]) -> (Observed, (Blame, String)) {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(EventLog::default());
    let client = ScriptedStream::sending(bytes);
    let transcript = client.transcript();
    serve(&service(identity, folder.path(), &log), client);
    let refusals = log.take().into_iter().filter_map(|event| match event {
        Event::Refused { blame, why, .. } => Some((blame, why)),
        _ => None,
    });
    let [refusal] = <[_; 1]>::try_from(refusals.collect::<Vec<_>>()).unwrap();
    assert!(
        folder.path().read_dir().unwrap().all(|entry| entry.unwrap().path() != folder.path().join("a.bin"))
    );
    (observed(&transcript), refusal)
}

fn identity() -> Identity {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/identity-v1");
    Identity::load(&folder).unwrap()
}

fn message(mode: u64, m2: &[u8]) -> Vec<u8> {
    [&word(mode)[..], &word(m2.len() as u64), m2].concat()
}

fn sealed(mut sealer: impl crate::crypto::Seal, content: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    sealer.seal(content, &mut body).unwrap();
    sealer.finish(&mut body).unwrap();
    body
}

/// Connections with one file each: CP1 in framing A, CP1 in framing E, CP2.
fn uploads() -> Vec<Vec<u8>> {
    let key = identity().server_key();
    let content = [7; 5000];
    let blocks = sealed(BlockSealer::new(key.clone(), Padding::Oaep, 5000, FileDigest::Sha256), &content);
    let pairs = blocks.chunks(128).flat_map(|block| [&word(128)[..], block].concat());
    let session = SessionKey::generate();
    let wrapped = key.wrap_session_key(&session, KeyForm::Fernet, Padding::Oaep).unwrap();
    let token = TokenSealer::new(&session, 5000, 0, FileDigest::Sha256);
    let file = |between: &[u8], body: &[u8]| {
        [&message(3, b"no hello")[..], between, &message(0, b"a.bin"), body, &word(2)].concat()
    };
    vec![
        file(b"", &message(1, &blocks)),
        file(b"", &word(1).into_iter().chain(pairs).collect::<Vec<_>>()),
        file(&message(4, &wrapped), &message(1, &sealed(token, &content))),
    ]
}

#[test]
fn a_machine_that_computes_wrong_results_is_reported_to_the_operator_and_not_to_the_client() {
    for (n, upload) in uploads().into_iter().enumerate() {
        let (seen, (blame, why)) = refused(identity().on_a_failing_machine(), &upload);
        assert_eq!(blame, Blame::System, "{n}: {why}");
        assert!(why.contains("this machine failed to decrypt"), "{n}: {why}");
        assert!(why.contains("an RSA operation gave a wrong result"), "{n}: {why}");
        assert!(why.contains("test this machine's memory and processor"), "{n}: {why}");

        // A bit of the last block, or of the token's last piece: as many bytes, and wrong.
        let mut damaged = upload;
        let at = damaged.len() - 60;
        damaged[at] ^= 1;
        let (of_damaged, (blame, why)) = refused(identity(), &damaged);
        assert_eq!(of_damaged, seen, "{n}");
        assert!(seen.2, "{n}: reset");
        assert_eq!(blame, Blame::Peer, "{n}: {why}");
        assert!(why.contains("could not be decrypted"), "{n}: {why}");
    }
}

/// Each amendment may copy the whole file.
#[test]
fn a_file_is_amended_eight_times_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(EventLog::default());
    let content: Vec<u8> = (0..100).collect();
    let mut pieces: Vec<Vec<u8>> = content
        .chunks(10)
        .map(|part| {
            let sealer = BlockSealer::new(
                identity().server_key(),
                Padding::Oaep,
                part.len() as u64,
                FileDigest::Sha256,
            );
            [&word(128)[..], &sealed(sealer, part)].concat()
        })
        .collect();
    pieces[0] = [&message(3, b"no hello")[..], &message(0, b"a.bin"), &word(1), &pieces[0]].concat();
    // The first piece is published at once, because its block is short; after each of the others the client is silent.
    let silence = || Act::Fail(io::ErrorKind::TimedOut);
    let acts = |(n, piece)| [Some(Act::Send(piece)), (n > 0).then(silence)].into_iter().flatten();
    let client = ScriptedStream::new(pieces.into_iter().enumerate().flat_map(acts));
    serve(&service(identity(), folder.path(), &log), client);
    // The first, and eight amendments; the tenth piece is refused.
    assert_eq!(std::fs::read(folder.path().join("a.bin")).unwrap(), content[..90]);
    let events = log.take();
    let kept = events.iter().filter_map(|event| match event {
        Event::Received { kept, .. } => Some(*kept),
        _ => None,
    });
    let kept: Vec<_> = kept.collect();
    assert_eq!(kept[1..], [crate::event::Kept::Amended; 8], "{kept:?}");
    let refusal = events.iter().find_map(|event| match event {
        Event::Refused { blame, why, .. } => Some((*blame, why.clone())),
        _ => None,
    });
    let (blame, why) = refusal.unwrap();
    assert_eq!(blame, Blame::Peer);
    assert!(why.contains("amended 8 times") && why.ends_with("; a.bin stays as it was published"), "{why}");
}

#[test]
fn the_patience_depends_on_what_may_follow() {
    let idle = |undecided| patience(undecided, &Current::Idle, false);
    assert_eq!([idle(Some(0)), idle(Some(WORD))], [IDLE_PATIENCE; 2], "between two messages");
    assert_eq!([idle(None), idle(Some(WORD - 1))], [BODY_PATIENCE; 2], "inside a message");
    assert_eq!(idle(Some(WORD + 1)), GOODBYE_PATIENCE, "a terminator and MODE 2");
    for undecided in [None, Some(0), Some(20)] {
        assert_eq!(patience(undecided, &Current::Idle, true), GROUP_PATIENCE, "a group waits");
    }
}
