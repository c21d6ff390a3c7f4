//! Sessions on a machine that computes wrong results or fails, slow clients, and the limit of amendments.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faulty;
mod slow;

use std::path::Path;

use parking_lot::Mutex;

use super::*;
use crate::crypto::fernet::{SessionKey, TokenSealer};
use crate::crypto::identity::Identity;
use crate::crypto::rsa_blocks::BlockSealer;
use crate::digest::FileDigest;
use crate::event::{Blame, Event, Kept, KeyForm, Padding, Track};
use crate::net::Observer;
use crate::net::budget::PaddingBudget;
use crate::net::record::Recorder;
use crate::net::service::Policy;
use crate::net::word::word;
use crate::store::{Folder, Incoming, Pending, Published, Store, StoreError, Stored, Ticket};
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
    let connection = Connection::new(Box::new(client), service.policy.deadlines.idle);
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

#[test]
fn a_refusal_says_whether_the_connection_ended_inside_a_message() {
    let upload = &uploads()[2];
    let end = upload.len();
    for (bytes, cut) in [(&upload[..end - 60], true), (&upload[..20], true), (&word(7)[..], false)] {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(EventLog::default());
        serve(&service(identity(), folder.path(), &log), ScriptedStream::sending(bytes));
        let refusals = log.take().into_iter().filter_map(|event| match event {
            Event::Refused { is_cut, .. } => Some(is_cut),
            _ => None,
        });
        assert_eq!(refusals.collect::<Vec<_>>(), [cut]);
    }
}

/// A store that cannot commit files whose names begin with `bad`.
struct Failing;

impl Store for Failing {
    fn begin(&self, want: &Incoming) -> Result<Box<dyn Pending>, StoreError> {
        Ok(Box::new(FailingFile(want.name.clone())))
    }

    fn amend(&self, of: &Published) -> Result<Box<dyn Pending>, StoreError> {
        Ok(Box::new(FailingFile(of.want.clone())))
    }

    fn place(&self) -> String {
        String::new()
    }
}

struct FailingFile(FileName);

impl Pending for FailingFile {
    fn write(&mut self, _bytes: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }

    fn commit(self: Box<Self>, _digest: Option<Digest>) -> Ticket {
        let is_bad = self.0.as_str().starts_with("bad");
        Ticket::ready(if is_bad {
            Err(StoreError::Lost)
        } else {
            Ok(Stored { name: self.0, kept: Kept::New })
        })
    }

    fn abort(self: Box<Self>) {}
}

/// An observer that keeps which meters it reads, and the tracks of its events.
#[derive(Debug, Default)]
struct Readings(Mutex<Vec<(&'static str, u64)>>);

impl Readings {
    fn add(&self, what: &'static str, track: Track) {
        let Track::Receiving(_, ordinal) = track else { unreachable!("{track:?}") };
        self.0.lock().push((what, ordinal));
    }
}

impl Observer for Readings {
    fn event(&self, event: Event) {
        match event {
            Event::Received { track, .. } => self.add("received", track),
            Event::Refused { track: Some(track), .. } => self.add("refused", track),
            _ => {}
        }
    }

    fn watch(&self, track: Track, _meter: Arc<Meter>) {
        self.add("watch", track);
    }

    fn unwatch(&self, track: Track) {
        self.add("unwatch", track);
    }

    fn recorder(&self) -> Option<Arc<Recorder>> {
        None
    }
}

/// Two small files wait to be published together and cannot be when a third one, whose ciphertext is kept, has come.
#[test]
fn every_meter_is_read_until_its_file_ends_and_no_longer() {
    let small = |name: &[u8]| [message(0, name), message(1, b"hello")].concat();
    let upload = uploads().pop().unwrap();
    let (_, third) = upload.split_at(message(3, b"no hello").len());
    for (first, end) in [("bad-1", "refused"), ("good", "received")] {
        let folder = tempfile::tempdir().unwrap();
        let readings = Arc::new(Readings::default());
        let service = Service {
            store: Arc::new(Failing),
            ciphertext: Some(Arc::new(Failing)),
            observer: Arc::clone(&readings) as Arc<dyn Observer>,
            ..service(identity(), folder.path(), &Arc::default())
        };
        serve(
            &service,
            ScriptedStream::sending(&[&small(first.as_bytes()), &small(b"bad-2"), third].concat()),
        );
        let seen = readings.0.lock();
        let of = |ordinal| {
            let of = seen.iter().filter(|(_, one)| *one == ordinal).map(|(what, _)| *what);
            of.collect::<Vec<&str>>()
        };
        assert_eq!(of(1), ["watch", "unwatch", end], "{seen:?}");
        // The first failure is the one that is reported.
        let second: &[&str] =
            if end == "refused" { &["watch", "unwatch"] } else { &["watch", "unwatch", "refused"] };
        assert_eq!(of(2), second, "{seen:?}");
        assert_eq!(of(3), ["watch", "unwatch"], "{seen:?}");
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
    let deadlines = Deadlines::default();
    let idle = |undecided| patience((&deadlines, deadlines.idle), undecided, &Current::Idle, false);
    assert_eq!([idle(Some(0)), idle(Some(WORD))], [deadlines.idle; 2], "between two messages");
    assert_eq!([idle(None), idle(Some(WORD - 1))], [deadlines.silence; 2], "inside a message");
    assert_eq!(idle(Some(WORD + 1)), GOODBYE_PATIENCE, "a terminator and MODE 2");
    for undecided in [None, Some(0), Some(20)] {
        assert_eq!(
            patience((&deadlines, deadlines.idle), undecided, &Current::Idle, true),
            GROUP_PATIENCE,
            "a group waits"
        );
    }
}
