//! A server's session over bytes in memory, delivered in pieces of any size.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use upseal::event::SessionId;
pub(crate) use upseal::testing::Pieces;
use upseal::testing::net::Session;
use upseal::testing::{Act, EventLog, ScriptedStream};
use upseal::{Connection, Folder, Observer, PaddingBudget, Policy, Service};

use crate::common::{Files, IDENTITY, contents, scratch};

/// A client that is silent once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Silence {
    /// Bytes that it sends before.
    pub before: usize,
    /// Reads that time out.
    pub reads: usize,
}

/// What a server has, and what it said.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub stored: Files,
    pub refusals: Vec<String>,
}

/// A server with its own folder, for one connection at a time.
pub(crate) struct Server {
    folder: TempDir,
    service: Service,
    log: Arc<EventLog>,
}

impl Server {
    pub(crate) fn new() -> Self {
        let folder = scratch();
        let log = Arc::new(EventLog::default());
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
    pub(crate) fn receive(&self, bytes: &[u8], pieces: Pieces) -> Outcome {
        self.receive_with(bytes, pieces, None)
    }

    fn receive_with(&self, bytes: &[u8], pieces: Pieces, silence: Option<Silence>) -> Outcome {
        let Silence { before, reads } = silence.unwrap_or(Silence { before: 0, reads: 0 });
        let (first, rest) = bytes.split_at(before);
        let silence = vec![Act::Fail(io::ErrorKind::TimedOut); reads];
        let sent =
            [first, rest].into_iter().filter(|part| !part.is_empty()).map(|part| Act::Send(part.to_vec()));
        let mut script: Vec<Act> = sent.collect();
        let at = usize::from(before > 0);
        script.splice(at..at, silence);
        let client = ScriptedStream::new(script).in_pieces(pieces);
        let connection = Connection::new(Box::new(client), Duration::from_secs(60));
        Session::new(&self.service, connection, SessionId(1), "client".to_owned()).run();
        Outcome { refusals: self.log.take_refusals(), stored: contents(self.folder.path()) }
    }
}

/// Serves one connection by a new server.
pub(crate) fn receive(bytes: &[u8], pieces: Pieces) -> Outcome {
    Server::new().receive(bytes, pieces)
}

/// Serves one connection with a pause by a new server.
pub(crate) fn receive_with_silence(bytes: &[u8], silence: Silence) -> Outcome {
    Server::new().receive_with(bytes, Pieces::All, Some(silence))
}
