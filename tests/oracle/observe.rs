//! A session over bytes in memory, and what its client observes.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use num_bigint::BigUint;
use rsa::RsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::traits::PublicKeyParts as _;
use upseal::event::{Event, SessionId};
use upseal::testing;
pub(crate) use upseal::testing::Finally as Then;
use upseal::testing::net::Session;
use upseal::testing::{EventLog, Pieces, ScriptedStream};
use upseal::{Connection, Nowhere, Observer, PaddingBudget, Paddings, Policy, Service};

use crate::common::{IDENTITY, K, fixtures};

/// Bytes that a read returns at most.
const PIECE: usize = 64;

/// Bytes of the longest answer that is compared by content; longer ones are signatures and certificates.
const SHORT: usize = 64;

/// One call of the server, as the client observes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// It read this many bytes; 0: it was waiting when the client ended or was silent.
    Took(usize),
    Answered(Vec<u8>),
    /// A longer answer: its bytes are fresh each time, its length is not.
    AnsweredLong(usize),
    Ended,
    Reset,
}

impl From<testing::Step> for Step {
    fn from(step: testing::Step) -> Self {
        match step {
            testing::Step::Took(n) => Self::Took(n),
            testing::Step::Wrote(bytes) if bytes.len() > SHORT => Self::AnsweredLong(bytes.len()),
            testing::Step::Wrote(bytes) => Self::Answered(bytes),
            testing::Step::Ended => Self::Ended,
            testing::Step::Reset => Self::Reset,
        }
    }
}

/// A server with an RSA-1024 key that stores nothing.
pub(crate) struct Server {
    service: Service,
    log: Arc<EventLog>,
}

impl Server {
    pub(crate) fn new(paddings: Paddings, budget: PaddingBudget) -> Self {
        let log = Arc::new(EventLog::default());
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

    /// Serves one connection. Returns everything that its client observes.
    pub(crate) fn watch(&self, bytes: &[u8], then: Then) -> Vec<Step> {
        let client = ScriptedStream::sending(bytes).in_pieces(Pieces::Of(PIECE)).then(then);
        let transcript = client.transcript();
        let connection = Connection::new(Box::new(client), Duration::from_secs(60));
        Session::new(&self.service, connection, SessionId(1), "192.0.2.7:5000".to_owned()).run();
        transcript.take().into_iter().map(Step::from).collect()
    }

    /// Returns the warnings and received files that were reported since the last call.
    pub(crate) fn reported(&self) -> Vec<Event> {
        let mut events = self.log.take();
        events.retain(|event| matches!(event, Event::Warned { .. } | Event::Received { .. }));
        events
    }
}

/// Public key of the server, as numbers.
pub(crate) struct Numbers {
    pub n: BigUint,
    pub e: BigUint,
}

pub(crate) static KEY: LazyLock<Numbers> = LazyLock::new(|| {
    let pem = std::fs::read_to_string(fixtures("identity-v1/server_private_key.pem")).unwrap();
    let key = RsaPrivateKey::from_pkcs8_pem(&pem).unwrap();
    let number = |bytes: &[u8]| BigUint::from_bytes_be(bytes);
    Numbers { n: number(&key.n().to_be_bytes()), e: number(&key.e().to_be_bytes()) }
});

/// Returns a number as a block.
pub(crate) fn block(number: &BigUint) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    [vec![0; K - bytes.len()], bytes].concat()
}

/// Returns the block that decrypts to these `K` bytes.
pub(crate) fn encrypted(em: &[u8]) -> Vec<u8> {
    block(&BigUint::from_bytes_be(em).modpow(&KEY.e, &KEY.n))
}
