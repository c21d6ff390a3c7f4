//! Sessions on a machine that computes wrongly: what the client sees, and what the operator is told.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use super::*;
use crate::crypto::fernet::TokenSealer;
use crate::crypto::identity::Identity;
use crate::crypto::rsa_blocks::BlockSealer;
use crate::digest::FileDigest;
use crate::event::{Blame, KeyForm, Padding};
use crate::net::Observer;
use crate::net::budget::PaddingBudget;
use crate::net::service::Policy;
use crate::net::stream::{Interrupter, Stream};
use crate::net::wire::word;
use crate::store::Folder;

/// What a client can see: how far it was read, how much it was answered, and whether it was reset.
#[derive(Default)]
struct Seen {
    taken: AtomicUsize,
    answered: AtomicUsize,
    reset: AtomicBool,
}

impl Seen {
    fn all(&self) -> (usize, usize, bool) {
        (self.taken.load(SeqCst), self.answered.load(SeqCst), self.reset.load(SeqCst))
    }
}

/// A client whose bytes are known beforehand.
struct Client(Vec<u8>, Arc<Seen>);

impl Read for Client {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.1.taken.load(SeqCst);
        let n = (&self.0[at..]).read(buffer)?;
        self.1.taken.store(at + n, SeqCst);
        Ok(n)
    }
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.answered.fetch_add(bytes.len(), SeqCst);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Client {
    fn set_deadline(&mut self, _at: Option<Instant>) -> io::Result<()> {
        Ok(())
    }

    fn interrupter(&self) -> Interrupter {
        Interrupter::default()
    }

    fn finish_writing(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn buffer_little(&mut self) {}

    fn reset(&mut self) {
        self.1.reset.store(true, SeqCst);
    }
}

#[derive(Default)]
struct Log(Mutex<Vec<Event>>);

impl Observer for Log {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }

    fn watch(&self, _track: Track, _meter: Arc<Meter>) {}

    fn unwatch(&self, _track: Track) {}

    fn recorder(&self) -> Option<Arc<crate::net::record::Recorder>> {
        None
    }
}

/// What the client sees, and the server's one refusal.
fn refused(identity: Identity, bytes: Vec<u8>) -> ((usize, usize, bool), (Blame, String)) {
    let folder = tempfile::tempdir().unwrap();
    let (log, seen) = (Arc::new(Log::default()), Arc::new(Seen::default()));
    let service = Service {
        policy: Policy::default(),
        identity: Some(Arc::new(identity)),
        store: Arc::new(Folder::open(folder.path()).unwrap()),
        ciphertext: None,
        history: None,
        budget: PaddingBudget::default(),
        observer: Arc::clone(&log) as Arc<dyn Observer>,
    };
    let client = Client(bytes, Arc::clone(&seen));
    let connection = Connection::new(Box::new(client), IDLE_PATIENCE);
    Session::new(&service, connection, SessionId(1), "client".to_owned()).run();
    let refusals = std::mem::take(&mut *log.0.lock().unwrap()).into_iter().filter_map(|event| match event {
        Event::Refused { blame, why, .. } => Some((blame, why)),
        _ => None,
    });
    let [refusal] = <[_; 1]>::try_from(refusals.collect::<Vec<_>>()).unwrap();
    assert!(
        folder.path().read_dir().unwrap().all(|entry| entry.unwrap().path() != folder.path().join("a.bin"))
    );
    (seen.all(), refusal)
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

/// A connection with a file of CP1, framing A or E, or of CP2.
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
fn the_operator_hears_of_a_machine_that_computes_wrongly_and_the_client_does_not() {
    for (n, upload) in uploads().into_iter().enumerate() {
        let (seen, (blame, why)) = refused(identity().on_a_failing_machine(), upload.clone());
        assert_eq!(blame, Blame::System, "{n}: {why}");
        assert!(why.contains("this machine failed to decrypt"), "{n}: {why}");
        assert!(why.contains("an RSA operation went wrong"), "{n}: {why}");
        assert!(why.contains("test this machine's memory and processor"), "{n}: {why}");

        // A bit of the last block, or of the token's last piece: as many bytes, and wrong.
        let mut damaged = upload;
        let at = damaged.len() - 60;
        damaged[at] ^= 1;
        let (of_damaged, (blame, why)) = refused(identity(), damaged);
        assert_eq!(of_damaged, seen, "{n}");
        assert!(seen.2, "{n}: reset");
        assert_eq!(blame, Blame::Peer, "{n}: {why}");
        assert!(why.contains("could not be decrypted"), "{n}: {why}");
    }
}

/// A client that falls silent after each of its pieces but the first.
struct Hesitant {
    pieces: std::collections::VecDeque<Vec<u8>>,
    /// Pieces that were sent.
    sent: usize,
    is_silent: bool,
}

impl Read for Hesitant {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if std::mem::take(&mut self.is_silent) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let Some(piece) = self.pieces.front_mut() else { return Ok(0) };
        let n = (&piece[..]).read(buffer)?;
        piece.drain(..n);
        if piece.is_empty() {
            self.pieces.pop_front();
            // The first piece is published at once, by its short block.
            self.is_silent = self.sent > 0;
            self.sent += 1;
        }
        Ok(n)
    }
}

impl Write for Hesitant {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Hesitant {
    fn set_deadline(&mut self, _at: Option<Instant>) -> io::Result<()> {
        Ok(())
    }

    fn interrupter(&self) -> Interrupter {
        Interrupter::default()
    }

    fn finish_writing(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn buffer_little(&mut self) {}

    fn reset(&mut self) {}
}

/// Each amendment may copy the whole file.
#[test]
fn a_file_is_amended_eight_times_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(Log::default());
    let service = Service {
        policy: Policy::default(),
        identity: Some(Arc::new(identity())),
        store: Arc::new(Folder::open(folder.path()).unwrap()),
        ciphertext: None,
        history: None,
        budget: PaddingBudget::default(),
        observer: Arc::clone(&log) as Arc<dyn Observer>,
    };
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
    let client = Hesitant { pieces: pieces.into(), sent: 0, is_silent: false };
    let connection = Connection::new(Box::new(client), IDLE_PATIENCE);
    Session::new(&service, connection, SessionId(1), "client".to_owned()).run();
    // The first, and eight amendments; the tenth piece is refused.
    assert_eq!(std::fs::read(folder.path().join("a.bin")).unwrap(), content[..90]);
    let events = std::mem::take(&mut *log.0.lock().unwrap());
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
