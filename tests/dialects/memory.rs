//! A server's session over bytes in memory, delivered in pieces of any size.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use upseal::event::{Event, SessionId, Track};
use upseal::meter::Meter;
use upseal::net::Observer;
use upseal::net::budget::PaddingBudget;
use upseal::net::connection::Connection;
use upseal::net::receive::Session;
use upseal::net::service::{Policy, Service};
use upseal::net::stream::{Interrupter, Stream};
use upseal::store::Folder;

use crate::common::{Files, IDENTITY, contents, scratch};

/// Number of bytes that each read returns.
#[derive(Debug, Clone, Copy)]
pub enum Pieces {
    All,
    Single,
    Of(usize),
    /// 1 to 200 bytes, from a seed.
    Random(u64),
}

/// A client that sends fixed bytes and ignores the answers.
struct Client {
    bytes: Vec<u8>,
    at: usize,
    pieces: Pieces,
    silence: Option<Silence>,
}

/// A pause of the client: `reads` reads before byte `before` time out.
#[derive(Debug, Clone, Copy)]
pub struct Silence {
    pub before: usize,
    pub reads: usize,
}

impl Read for Client {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = match &mut self.pieces {
            Pieces::All => usize::MAX,
            Pieces::Single => 1,
            Pieces::Of(size) => *size,
            Pieces::Random(state) => {
                // A linear congruential generator (Knuth, MMIX).
                *state =
                    state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                usize::try_from((*state >> 33) % 200).unwrap() + 1
            }
        };
        let mut n = size.min(buffer.len()).min(self.bytes.len() - self.at);
        if let Some(silence) = self.silence.as_mut().filter(|silence| silence.before >= self.at) {
            if silence.before == self.at && silence.reads > 0 {
                silence.reads -= 1;
                return Err(io::ErrorKind::TimedOut.into());
            }
            if silence.reads > 0 {
                n = n.min(silence.before - self.at);
            }
        }
        buffer[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
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

    fn reset(&mut self) {}
}

/// An observer that keeps every event.
#[derive(Default)]
struct Log(Mutex<Vec<Event>>);

impl Observer for Log {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }

    fn watch(&self, _track: Track, _meter: Arc<Meter>) {}

    fn unwatch(&self, _track: Track) {}

    fn recorder(&self) -> Option<Arc<upseal::net::record::Recorder>> {
        None
    }
}

/// What a server stored and what it refused.
#[derive(Debug)]
pub struct Outcome {
    pub stored: Files,
    pub refusals: Vec<String>,
}

/// A server with its own folder, for one connection at a time.
pub struct Server {
    folder: TempDir,
    service: Service,
    log: Arc<Log>,
}

impl Server {
    pub fn new() -> Self {
        let folder = scratch();
        let log = Arc::new(Log::default());
        let service = Service {
            policy: Policy::default(),
            identity: Some(Arc::clone(&IDENTITY)),
            store: Arc::new(Folder::open(folder.path()).unwrap()),
            ciphertext: None,
            history: None,
            budget: PaddingBudget::default(),
            observer: Arc::clone(&log) as Arc<dyn Observer>,
        };
        Self { folder, service, log }
    }

    /// Serves one connection, from its first byte to its orderly end.
    pub fn receive(&self, bytes: &[u8], pieces: Pieces) -> Outcome {
        self.receive_with(bytes, pieces, None)
    }

    fn receive_with(&self, bytes: &[u8], pieces: Pieces, silence: Option<Silence>) -> Outcome {
        let client = Client { bytes: bytes.to_vec(), at: 0, pieces, silence };
        let connection = Connection::new(Box::new(client), Duration::from_secs(60));
        Session::new(&self.service, connection, SessionId(1), "client".to_owned()).run();
        let events = std::mem::take(&mut *self.log.0.lock().unwrap());
        let refusals = events.into_iter().filter_map(|event| match event {
            Event::Refused { why, .. } => Some(why),
            _ => None,
        });
        Outcome { refusals: refusals.collect(), stored: contents(self.folder.path()) }
    }
}

/// Serves one connection by a new server.
pub fn receive(bytes: &[u8], pieces: Pieces) -> Outcome {
    Server::new().receive(bytes, pieces)
}

/// Serves one connection with a pause by a new server.
pub fn receive_with_silence(bytes: &[u8], silence: Silence) -> Outcome {
    Server::new().receive_with(bytes, Pieces::All, Some(silence))
}
