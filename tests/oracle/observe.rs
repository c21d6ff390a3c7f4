//! A session over bytes in memory, and what its client sees.

use std::io::{self, Read, Write};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use num_bigint::BigUint;
use rsa::RsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::traits::PublicKeyParts as _;
use upseal::crypto::padding::Paddings;
use upseal::event::{Event, SessionId, Track};
use upseal::meter::Meter;
use upseal::net::Observer;
use upseal::net::budget::PaddingBudget;
use upseal::net::connection::Connection;
use upseal::net::receive::Session;
use upseal::net::service::{Policy, Service};
use upseal::net::stream::{Interrupter, Stream};
use upseal::store::Nowhere;

use crate::common::{IDENTITY, K, fixtures};

/// Bytes that a read gives at the most.
const PIECE: usize = 64;

/// Bytes up to which what the server writes is compared by content; longer ones are signatures and certificates.
const SHORT: usize = 64;

/// What a client does when it has sent everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    End,
    /// Nothing more comes, and the connection stays.
    Silence,
}

/// One call of the server's, as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It took so many bytes; 0: it was waiting when the client ended or stood still.
    Took(usize),
    Answered(Vec<u8>),
    /// A longer answer: its bytes are fresh each time, its length is not.
    AnsweredLong(usize),
    Ended,
    Reset,
}

struct Client {
    bytes: Vec<u8>,
    at: usize,
    then: Then,
    steps: Arc<Mutex<Vec<Step>>>,
    /// Whether dropping the stream resets it.
    resets: bool,
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.resets {
            self.note(Step::Reset);
        }
    }
}

impl Client {
    fn note(&self, step: Step) {
        self.steps.lock().unwrap().push(step);
    }
}

impl Read for Client {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = PIECE.min(buffer.len()).min(self.bytes.len() - self.at);
        buffer[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        self.note(Step::Took(n));
        if n == 0 && self.then == Then::Silence { Err(io::ErrorKind::TimedOut.into()) } else { Ok(n) }
    }
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.note(match bytes.len() {
            long if long > SHORT => Step::AnsweredLong(long),
            _ => Step::Answered(bytes.to_vec()),
        });
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
        self.note(Step::Ended);
        Ok(())
    }

    fn buffer_little(&mut self) {}

    fn reset(&mut self) {
        self.resets = true;
    }

    fn end_in_order(&mut self) {
        self.resets = false;
    }
}

/// Keeps what the operator is told.
#[derive(Default)]
struct Log(Mutex<Vec<Event>>);

impl Observer for Log {
    fn event(&self, event: Event) {
        if matches!(event, Event::Warned { .. } | Event::Received { .. }) {
            self.0.lock().unwrap().push(event);
        }
    }

    fn watch(&self, _track: Track, _meter: Arc<Meter>) {}

    fn unwatch(&self, _track: Track) {}

    fn recorder(&self) -> Option<Arc<upseal::net::record::Recorder>> {
        None
    }
}

/// A server of RSA-1024 that keeps nothing.
pub struct Server {
    service: Service,
    log: Arc<Log>,
}

impl Server {
    pub fn new(paddings: Paddings, budget: PaddingBudget) -> Self {
        let log = Arc::new(Log::default());
        let service = Service {
            policy: Policy { paddings, ..Policy::default() },
            identity: Some(Arc::clone(&IDENTITY)),
            store: Arc::new(Nowhere),
            ciphertext: None,
            history: None,
            budget,
            observer: Arc::clone(&log) as Arc<dyn Observer>,
        };
        Self { service, log }
    }

    /// One connection, and all that its client sees.
    pub fn watch(&self, bytes: &[u8], then: Then) -> Vec<Step> {
        let steps = Arc::new(Mutex::new(Vec::new()));
        let client = Client { bytes: bytes.to_vec(), at: 0, then, steps: Arc::clone(&steps), resets: false };
        let connection = Connection::new(Box::new(client), Duration::from_secs(60));
        Session::new(&self.service, connection, SessionId(1), "192.0.2.7:5000".to_owned()).run();
        std::mem::take(&mut *steps.lock().unwrap())
    }

    /// What the operator was told since the last call.
    pub fn told(&self) -> Vec<Event> {
        std::mem::take(&mut *self.log.0.lock().unwrap())
    }
}

/// The public half of the server's key, as numbers.
pub struct Numbers {
    pub n: BigUint,
    pub e: BigUint,
}

pub static KEY: LazyLock<Numbers> = LazyLock::new(|| {
    let pem = std::fs::read_to_string(fixtures("identity-v1/server_private_key.pem")).unwrap();
    let key = RsaPrivateKey::from_pkcs8_pem(&pem).unwrap();
    let number = |bytes: &[u8]| BigUint::from_bytes_be(bytes);
    Numbers { n: number(&key.n().to_be_bytes()), e: number(&key.e().to_be_bytes()) }
});

/// A number as a block.
pub fn block(number: &BigUint) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    [vec![0; K - bytes.len()], bytes].concat()
}

/// The block that decrypts to these `K` bytes.
pub fn encrypted(em: &[u8]) -> Vec<u8> {
    block(&BigUint::from_bytes_be(em).modpow(&KEY.e, &KEY.n))
}
